//! `/credentials`: providers' credentials that several deployments on record name.

use std::collections::BTreeMap;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::actor::Needs;
use super::ask::{Action, Ask, put};
use super::check::{self, Cut};
use super::patch::{Object, Patch};
use super::reply::{Refusal, Reply};
use super::route::{Method, Route};
use super::sealed::{self, MASK};
use crate::roster::{Change, Credential, Json, Kind, Writer};

/// The rows.
pub(super) static ROUTES: &[Route] = &[
    Route::post("/credentials", Needs::Admin, "Put a credential on record, encrypted", new)
        .takes::<NewCredential>()
        .gives::<Done>(),
    Route::get("/credentials", Needs::Viewer, "List credentials, without their values", list).gives::<Listed>(),
    Route::get("/credentials/by_name/{credential_name}", Needs::Viewer, "Show a credential, masked", by_name)
        .gives::<Row>(),
    Route::get(
        "/credentials/by_model/{model_id}",
        Needs::Viewer,
        "Show the credential of a deployment, masked",
        by_model,
    )
    .gives::<Row>(),
    Route::on(Method::Patch, "/credentials/{credential_name}", Needs::Admin, "Change a credential", update)
        .takes::<CredentialFields>()
        .gives::<Done>(),
    Route::on(
        Method::Delete,
        "/credentials/{credential_name}",
        Needs::Admin,
        "Take a credential away that no deployment names",
        delete,
    )
    .gives::<Done>(),
];

/// The body of POST `/credentials`.
#[derive(Debug, Deserialize, JsonSchema)]
pub(super) struct NewCredential {
    /// What `litellm_credential_name` names.
    credential_name: String,
    /// Members of `litellm_params`, each a text.
    credential_values: BTreeMap<String, String>,
    /// What is said of it.
    #[serde(default)]
    credential_info: Patch<Object>,
}

/// The body of PATCH: values replace those on record, null takes one away.
#[derive(Debug, Deserialize, JsonSchema)]
pub(super) struct CredentialFields {
    /// Members of `litellm_params`.
    #[serde(default)]
    credential_values: BTreeMap<String, Option<String>>,
    /// What is said of it.
    #[serde(default)]
    credential_info: Patch<Object>,
}

/// What a change gives.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "CredentialDone")]
pub(super) struct Done {
    success: bool,
    message: &'static str,
}

/// All of them.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Credentials")]
pub(super) struct Listed {
    success: bool,
    credentials: Vec<Row>,
}

/// A credential, its values masked.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Credential")]
pub(super) struct Row {
    credential_name: String,
    credential_values: BTreeMap<String, &'static str>,
    credential_info: Json,
}

impl Row {
    fn of(credential: &Credential) -> Self {
        Self {
            credential_name: credential.credential_name.clone(),
            credential_values: credential.credential_values.keys().map(|name| (name.clone(), MASK)).collect(),
            credential_info: credential.credential_info.clone(),
        }
    }
}

fn new(ask: &Ask<'_>) -> Result<Reply, Refusal> {
    let NewCredential { credential_name, credential_values, credential_info } = ask.read()?;
    check::name("credential_name", &credential_name)?;
    let writer = ask.write()?;
    if ask.roster().credentials.has(credential_name.as_str()) {
        return Err(Refusal::bad(format_args!("Credential {} already exists", Cut(&credential_name))));
    }
    let mut credential = Credential { credential_name, stamp: ask.stamp(), ..Credential::default() };
    credential_info.fill(&mut credential.credential_info);
    let values = credential_values.into_iter().map(|(name, value)| (name, Some(value)));
    keep(ask, &writer, credential, values, "Credential created successfully")
}

fn update(ask: &Ask<'_>) -> Result<Reply, Refusal> {
    let CredentialFields { credential_values, credential_info } = ask.read()?;
    let writer = ask.write()?;
    let mut credential = Credential::clone(&*find(ask, ask.in_path(0))?);
    credential_info.fill(&mut credential.credential_info);
    ask.touch(&mut credential.stamp);
    keep(ask, &writer, credential, credential_values, "Credential updated successfully")
}

fn keep(
    ask: &Ask<'_>,
    writer: &Writer<'_>,
    mut credential: Credential,
    values: impl IntoIterator<Item = (String, Option<String>)>,
    message: &'static str,
) -> Result<Reply, Refusal> {
    for (name, value) in values {
        check::name("credential_values", &name)?;
        match value {
            None => drop(credential.credential_values.remove(&name)),
            Some(value) if value == MASK && credential.credential_values.contains_key(&name) => {}
            Some(value) => drop(credential.credential_values.insert(name, sealed::seal(ask, &value)?)),
        }
    }
    ask.commit(writer, Action::Plain, vec![put(credential)])?;
    sealed::served(ask, &Done { success: true, message })
}

fn find(ask: &Ask<'_>, name: &str) -> Result<Arc<Credential>, Refusal> {
    let unknown = || Refusal::told(404, format_args!("Credential not found. Got credential name: {}", Cut(name)));
    ask.roster().credentials.find(name).ok_or_else(unknown)
}

fn list(ask: &Ask<'_>) -> Result<Reply, Refusal> {
    let mut credentials = ask.roster().credentials.all();
    credentials.sort_unstable_by(|a, b| a.credential_name.cmp(&b.credential_name));
    let credentials = credentials.iter().map(|credential| Row::of(credential)).collect();
    Reply::json(&Listed { success: true, credentials })
}

fn by_name(ask: &Ask<'_>) -> Result<Reply, Refusal> {
    Reply::json(&Row::of(&*find(ask, ask.in_path(0))?))
}

fn by_model(ask: &Ask<'_>) -> Result<Reply, Refusal> {
    let id = ask.in_path(0);
    let model = ask.roster().models.find(id);
    let model = model.ok_or_else(|| Refusal::told(404, format_args!("Model with id={} not found in db", Cut(id))))?;
    let name = sealed::text_in(&model.litellm_params, "litellm_credential_name");
    let none = || Refusal::told(404, format_args!("Model with id={} names no credential", Cut(id)));
    Reply::json(&Row::of(&*find(ask, &name.ok_or_else(none)?)?))
}

fn delete(ask: &Ask<'_>) -> Result<Reply, Refusal> {
    let name = ask.in_path(0);
    let writer = ask.write()?;
    find(ask, name)?;
    let named = ask
        .roster()
        .models
        .filter(|model| sealed::text_in(&model.litellm_params, "litellm_credential_name").as_deref() == Some(name));
    if let Some(model) = named.first() {
        let (model, name) = (Cut(&model.id), Cut(name));
        return Err(Refusal::bad(format_args!("Credential {name} is named by model {model}: change that first")));
    }
    ask.commit(&writer, Action::Plain, vec![Change::Remove(Kind::Credential, name.to_owned())])?;
    sealed::served(ask, &Done { success: true, message: "Credential deleted successfully" })
}
