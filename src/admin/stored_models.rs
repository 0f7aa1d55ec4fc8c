//! `/model/new`, `/model/update` and `/model/delete`: deployments on record, served beside those of the configuration.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::actor::Needs;
use super::ask::{Action, Ask, new_id, put};
use super::check::{self, Cut};
use super::patch::{Object, Patch};
use super::reply::{Refusal, Reply};
use super::route::{Method, Route};
use super::sealed;
use super::told;
use crate::roster::{Change, Json, Kind, Moment, Stamp, StoredModel};

/// The rows.
pub(super) static ROUTES: &[Route] = &[
    Route::post("/model/new", Needs::Admin, "Put a deployment on record and serve it", new)
        .takes::<NewModel>()
        .gives::<Row>(),
    Route::post("/model/update", Needs::Admin, "Change a deployment on record", update)
        .takes::<ModelFields>()
        .gives::<Row>(),
    Route::on(Method::Patch, "/model/{model_id}/update", Needs::Admin, "Change this deployment on record", update)
        .takes::<ModelFields>()
        .gives::<Row>(),
    Route::post("/model/delete", Needs::Admin, "Take a deployment off the record", delete)
        .takes::<Named>()
        .gives::<Gone>(),
];

/// The body of `/model/new`.
#[derive(Debug, Deserialize, JsonSchema)]
pub(super) struct NewModel {
    /// What clients ask for.
    model_name: String,
    /// Provider, model, credentials and limits, as in `model_list`.
    litellm_params: Object,
    /// What is known of the model, as in `model_list`; `id` names it, or one is made.
    #[serde(default)]
    model_info: Patch<Object>,
}

/// The body of a change: members replace those on record, null takes one away.
#[derive(Debug, Deserialize, JsonSchema)]
pub(super) struct ModelFields {
    /// What clients ask for.
    #[serde(default)]
    model_name: Patch<String>,
    /// Provider, model, credentials and limits.
    #[serde(default)]
    litellm_params: Patch<Object>,
    /// What is known of the model; `id` says which is meant, where the path does not.
    #[serde(default)]
    model_info: Patch<Object>,
}

/// The body of `/model/delete`.
#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(rename = "ModelNamed")]
pub(super) struct Named {
    /// The id of a deployment.
    id: String,
}

/// What `/model/delete` gives.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "ModelGone")]
pub(super) struct Gone {
    message: String,
}

/// A deployment on record, its secrets masked.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "StoredModel")]
pub(super) struct Row {
    model_id: String,
    model_name: String,
    litellm_params: Json,
    model_info: Json,
    created_at: Moment,
    created_by: Option<String>,
    updated_at: Moment,
    updated_by: Option<String>,
}

impl Row {
    fn of(model: &StoredModel) -> Result<Self, Refusal> {
        let Stamp { created_at, created_by, updated_at, updated_by } = model.stamp.clone();
        let id = serde_json::to_string(&model.id).map_err(Refusal::ours)?;
        let known = sealed::object(&format!(r#"{{"id":{id},"db_model":true}}"#))?;
        Ok(Self {
            model_id: model.id.clone(),
            model_name: model.model_name.clone(),
            litellm_params: told::masked(model.litellm_params.as_str()),
            model_info: sealed::lay(&model.model_info, &known)?,
            created_at,
            created_by,
            updated_at,
            updated_by,
        })
    }
}

fn new(ask: &Ask<'_>) -> Result<Reply, Refusal> {
    let NewModel { model_name, litellm_params, model_info } = ask.read()?;
    let model_info = model_info.value().map(|info| info.0.clone()).unwrap_or_default();
    let id = sealed::text_in(&model_info, "id").unwrap_or_else(new_id);
    check::name("model_info.id", &id)?;
    let writer = ask.write()?;
    if ask.roster().models.has(id.as_str()) || ask.world.declares(&id) {
        return Err(Refusal::bad(format_args!("Model with id={} already exists", Cut(&id))));
    }
    let litellm_params = sealed::seal_all(ask, &litellm_params.0)?;
    let model = StoredModel { id, model_name, litellm_params, model_info, stamp: ask.stamp() };
    keep(ask, &writer, model)
}

fn update(ask: &Ask<'_>) -> Result<Reply, Refusal> {
    let body: ModelFields = ask.read()?;
    let named = body.model_info.value().and_then(|info| sealed::text_in(&info.0, "id"));
    let id = ask.path.first().cloned().or(named).ok_or_else(|| Refusal::bad("model_info.id is required"))?;
    let writer = ask.write()?;
    let mut model = StoredModel::clone(&*find(ask, &id)?);
    if let Patch::Set(name) = body.model_name {
        model.model_name = name;
    }
    if let Patch::Set(Object(params)) = body.litellm_params {
        model.litellm_params = sealed::lay(&model.litellm_params, &sealed::seal_all(ask, &params)?)?;
    }
    if let Patch::Set(Object(info)) = body.model_info {
        model.model_info = sealed::lay(&model.model_info, &info)?;
    }
    ask.touch(&mut model.stamp);
    keep(ask, &writer, model)
}

/// Keeps a model that can be served, and serves it.
fn keep(ask: &Ask<'_>, writer: &crate::roster::Writer<'_>, model: StoredModel) -> Result<Reply, Refusal> {
    ask.world.try_model(&model).map_err(Refusal::bad)?;
    ask.commit(writer, Action::Plain, vec![put(model.clone())])?;
    sealed::served(ask, &Row::of(&model)?)
}

fn find(ask: &Ask<'_>, id: &str) -> Result<Arc<StoredModel>, Refusal> {
    let unknown = || match ask.world.declares(id) {
        true => {
            Refusal::bad(format_args!("Model with id={} stands in the configuration file: change it there", Cut(id)))
        }
        false => Refusal::bad(format_args!("Model with id={} not found in db", Cut(id))),
    };
    ask.roster().models.find(id).ok_or_else(unknown)
}

fn delete(ask: &Ask<'_>) -> Result<Reply, Refusal> {
    let Named { id } = ask.read()?;
    let writer = ask.write()?;
    find(ask, &id)?;
    let message = format!("Model: {id} deleted successfully");
    ask.commit(&writer, Action::Plain, vec![Change::Remove(Kind::Model, id)])?;
    sealed::served(ask, &Gone { message })
}
