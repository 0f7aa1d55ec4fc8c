//! `/access_group/*`: names for several model groups, which lists of models may name.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::actor::Needs;
use super::ask::{Action, Ask, put};
use super::check::{self, Cut};
use super::reply::{Refusal, Reply};
use super::route::{Method, Route};
use crate::roster::{AccessGroup, Change, Kind};

/// The rows.
pub(super) static ROUTES: &[Route] = &[
    Route::post("/access_group/new", Needs::Admin, "Make an access group", new).takes::<GroupFields>().gives::<Done>(),
    Route::get("/access_group/list", Needs::Viewer, "List access groups", list).gives::<Listed>(),
    Route::get("/access_group/{access_group}/info", Needs::Viewer, "Show an access group", info).gives::<Row>(),
    Route::on(
        Method::Put,
        "/access_group/{access_group}/update",
        Needs::Admin,
        "Say which model groups are in an access group",
        update,
    )
    .takes::<Models>()
    .gives::<Done>(),
    Route::on(Method::Delete, "/access_group/{access_group}/delete", Needs::Admin, "Take an access group away", delete)
        .gives::<Gone>(),
];

/// The body of `/access_group/new`.
#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(rename = "AccessGroupFields")]
pub(super) struct GroupFields {
    /// Its name.
    access_group: String,
    /// The model groups in it.
    #[serde(default)]
    model_names: Vec<String>,
}

/// The body of `/access_group/{access_group}/update`.
#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(rename = "AccessGroupModels")]
pub(super) struct Models {
    /// The model groups in it from now on.
    model_names: Vec<String>,
}

/// What a change gives.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "AccessGroupDone")]
pub(super) struct Done {
    access_group: String,
    model_names: Vec<String>,
    models_updated: usize,
}

/// What taking one away gives.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "AccessGroupGone")]
pub(super) struct Gone {
    access_group: String,
    models_updated: usize,
    message: String,
}

/// An access group.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "AccessGroup")]
pub(super) struct Row {
    access_group: String,
    model_names: Vec<String>,
    deployment_count: usize,
}

/// All of them.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "AccessGroups")]
pub(super) struct Listed {
    access_groups: Vec<Row>,
}

impl Row {
    fn of(ask: &Ask<'_>, access_group: String, model_names: Vec<String>) -> Self {
        let deployment_count = deployments(ask, &model_names);
        Self { access_group, model_names, deployment_count }
    }
}

/// How many deployments serve these names.
fn deployments(ask: &Ask<'_>, names: &[String]) -> usize {
    let all = ask.world.settings.deployments.iter();
    all.filter(|deployment| names.iter().any(|name| **name == *deployment.model_name)).count()
}

/// The access groups that deployments of the configuration say they are in (`model_info.access_groups`).
pub(super) fn declared(ask: &Ask<'_>) -> Vec<String> {
    let deployments = ask.world.settings.deployments.iter();
    let mut names: Vec<_> = deployments.flat_map(|deployment| deployment.access_groups.iter().cloned()).collect();
    names.sort_unstable();
    names.dedup();
    names
}

fn declared_models(ask: &Ask<'_>, group: &str) -> Vec<String> {
    let deployments = ask.world.settings.deployments.iter();
    let inside = deployments.filter(|deployment| deployment.access_groups.iter().any(|name| name == group));
    let mut names: Vec<_> = inside.map(|deployment| deployment.model_name.to_string()).collect();
    names.sort_unstable();
    names.dedup();
    names
}

/// Names of model groups that are served, each once.
pub(super) fn served(ask: &Ask<'_>, mut names: Vec<String>) -> Result<Vec<String>, Refusal> {
    if names.is_empty() {
        return Err(Refusal::bad("model_names list is required and cannot be empty"));
    }
    names.sort_unstable();
    names.dedup();
    match names.iter().find(|name| deployments(ask, std::slice::from_ref(name)) == 0) {
        Some(unknown) => Err(Refusal::bad(format_args!("Model(s) not found: {}", Cut(unknown)))),
        None => Ok(names),
    }
}

fn new(ask: &Ask<'_>) -> Result<Reply, Refusal> {
    let GroupFields { access_group, model_names } = ask.read()?;
    check::name("access_group", &access_group)?;
    let model_names = served(ask, model_names)?;
    let writer = ask.write()?;
    if ask.roster().access_groups.has(access_group.as_str()) || declared(ask).contains(&access_group) {
        let text = format!("Access group {} already exists", Cut(&access_group));
        return Err(Refusal::told(409, text));
    }
    let group = AccessGroup { access_group, model_names, description: None, stamp: ask.stamp() };
    ask.commit(&writer, Action::Plain, vec![put(group.clone())])?;
    done(ask, group)
}

fn done(ask: &Ask<'_>, AccessGroup { access_group, model_names, .. }: AccessGroup) -> Result<Reply, Refusal> {
    let models_updated = deployments(ask, &model_names);
    Reply::json(&Done { access_group, model_names, models_updated })
}

fn update(ask: &Ask<'_>) -> Result<Reply, Refusal> {
    let Models { model_names } = ask.read()?;
    let model_names = served(ask, model_names)?;
    let writer = ask.write()?;
    let mut group = AccessGroup { model_names, ..AccessGroup::clone(&*find(ask)?) };
    ask.touch(&mut group.stamp);
    ask.commit(&writer, Action::Plain, vec![put(group.clone())])?;
    done(ask, group)
}

/// The one of the path, if it can be changed.
fn find(ask: &Ask<'_>) -> Result<Arc<AccessGroup>, Refusal> {
    let name = ask.in_path(0);
    let unknown = || match declared_models(ask, name).is_empty() {
        true => Refusal::told(404, format_args!("Access group {} not found", Cut(name))),
        false => Refusal::bad(format_args!(
            "Access group {} stands in the configuration file (model_info.access_groups): change it there",
            Cut(name)
        )),
    };
    ask.roster().access_groups.find(name).ok_or_else(unknown)
}

fn delete(ask: &Ask<'_>) -> Result<Reply, Refusal> {
    let writer = ask.write()?;
    let group = find(ask)?;
    let access_group = group.access_group.clone();
    ask.commit(&writer, Action::Plain, vec![Change::Remove(Kind::AccessGroup, access_group.clone())])?;
    let message = format!("Access group {access_group} deleted successfully");
    Reply::json(&Gone { models_updated: deployments(ask, &group.model_names), access_group, message })
}

fn info(ask: &Ask<'_>) -> Result<Reply, Refusal> {
    let name = ask.in_path(0);
    let declared = declared_models(ask, name);
    let models = if declared.is_empty() { find(ask)?.model_names.clone() } else { declared };
    Reply::json(&Row::of(ask, name.to_owned(), models))
}

/// Those of the configuration, and those on record. The configuration goes before a record with its name.
fn list(ask: &Ask<'_>) -> Result<Reply, Refusal> {
    let declared = declared(ask);
    let recorded = ask.roster().access_groups.filter(|group| !declared.contains(&group.access_group));
    let recorded = recorded.iter().map(|group| (group.access_group.clone(), group.model_names.clone()));
    let declared = declared.iter().map(|name| (name.clone(), declared_models(ask, name)));
    let mut access_groups: Vec<_> = declared.chain(recorded).map(|(name, models)| Row::of(ask, name, models)).collect();
    access_groups.sort_unstable_by(|a, b| a.access_group.cmp(&b.access_group));
    Reply::json(&Listed { access_groups })
}
