//! `/key/service-account/generate`, `/key/health`, `/v2/key/info`.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::fields::KeyFields;
use super::generate::generate_for;
use super::info::{find, hash_of, may_see};
use super::view::WholeKeyRow;
use crate::admin::ask::Ask;
use crate::admin::patch::{Object, Patch};
use crate::admin::reply::{Refusal, Reply};
use crate::roster::Json;

/// Keys that one request may ask for.
const ASKED_MAX: usize = 1_000;

/// A key of a team and of no user: it stays when people leave.
pub(super) fn generate(ask: &Ask<'_>) -> Result<Reply, Refusal> {
    let mut body: KeyFields = ask.read()?;
    if body.team_id.value().is_none() {
        return Err(Refusal::bad(
            "team_id is required for service account keys. Please specify `team_id` in the request body.",
        ));
    }
    body.user_id = Patch::Null;
    if let Some(alias) = body.key_alias.value() {
        body.metadata = Patch::Set(marked(body.metadata.value(), alias)?);
    }
    let writer = ask.write()?;
    Reply::json(&generate_for(ask, &writer, body, Vec::new(), Vec::new())?)
}

/// The metadata with the account's name among it.
fn marked(metadata: Option<&Object>, alias: &str) -> Result<Object, Refusal> {
    let text = metadata.map_or("{}", |object| object.0.as_str());
    let mut members: BTreeMap<String, Json> = serde_json::from_str(text).map_err(Refusal::ours)?;
    let name = serde_json::to_string(alias).and_then(|name| Json::parse(&name)).map_err(Refusal::ours)?;
    members.insert("service_account_id".to_owned(), name);
    let text = serde_json::to_string(&members).map_err(Refusal::ours)?;
    Json::parse(&text).map(Object).map_err(Refusal::ours)
}

/// What `/key/health` gives.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Health {
    key: &'static str,
    /// Keys have no callbacks of their own here.
    logging_callbacks: Option<Vec<String>>,
}

/// Whoever gets here showed a key that is neither blocked nor expired.
pub(super) fn health(_: &Ask<'_>) -> Result<Reply, Refusal> {
    Reply::json(&Health { key: "healthy", logging_callbacks: None })
}

/// What `/v2/key/info` takes.
#[derive(Debug, Deserialize, JsonSchema)]
pub(super) struct Asked {
    /// Keys, or their hashes.
    keys: Vec<String>,
}

/// What it gives: rows of those that are there and may be seen.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Rows {
    key: Vec<String>,
    info: Vec<WholeKeyRow>,
}

pub(super) fn info(ask: &Ask<'_>) -> Result<Reply, Refusal> {
    let Asked { keys } = ask.read()?;
    if keys.len() > ASKED_MAX {
        return Err(Refusal::bad(format_args!("at most {ASKED_MAX} keys at once")));
    }
    let found = keys.iter().filter_map(|key| find(ask, &hash_of(key)?)).filter(|key| may_see(ask, key));
    let info = found.map(|key| WholeKeyRow::of(ask.world, &key, ask.now)).collect();
    Reply::json(&Rows { key: keys, info })
}
