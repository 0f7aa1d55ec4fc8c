//! `/v1/access_group`: the access groups of `/access_group/*` under LiteLLM's newer paths and names. A group's id is its name.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::access_groups::{declared, served};
use super::actor::Needs;
use super::ask::{Action, Ask, put};
use super::check::{self, Cut};
use super::patch::Patch;
use super::reply::{Refusal, Reply};
use super::route::{Method, Route};
use crate::roster::{AccessGroup, Change, Kind, Moment};

const PATH: &str = "/v1/access_group";
const ONE: &str = "/v1/access_group/{access_group_id}";

/// The rows.
pub(super) static ROUTES: &[Route] = &[
    Route::post(PATH, Needs::Admin, "Make an access group", new).takes::<Fields>().gives::<Row>().status(201),
    Route::get(PATH, Needs::Viewer, "List access groups", list).gives::<Vec<Row>>(),
    Route::get(ONE, Needs::Viewer, "Show an access group", info).gives::<Row>(),
    Route::on(Method::Put, ONE, Needs::Admin, "Change an access group", update).takes::<Fields>().gives::<Row>(),
    Route::on(Method::Delete, ONE, Needs::Admin, "Take an access group away", delete).gives::<Row>(),
];

/// What may be said of a group. Absent leaves it as it is.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(rename = "UnifiedAccessGroupFields")]
pub(super) struct Fields {
    /// Its name, which stays.
    access_group_name: Patch<String>,
    /// What it is for.
    description: Patch<String>,
    /// The model groups in it.
    access_model_names: Patch<Vec<String>>,
    /// Empty: there are no such servers here.
    access_mcp_server_ids: Patch<Vec<String>>,
    /// Empty: there are no agents here.
    access_agent_ids: Patch<Vec<String>>,
    /// Empty: a team names the group among its models.
    assigned_team_ids: Patch<Vec<String>>,
    /// Empty: a key names the group among its models.
    assigned_key_ids: Patch<Vec<String>>,
}

/// A group, and who names it.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "UnifiedAccessGroup")]
pub(super) struct Row {
    access_group_id: String,
    access_group_name: String,
    description: Option<String>,
    access_model_names: Vec<String>,
    access_mcp_server_ids: [String; 0],
    access_agent_ids: [String; 0],
    assigned_team_ids: Vec<String>,
    assigned_key_ids: Vec<String>,
    created_at: Moment,
    created_by: Option<String>,
    updated_at: Moment,
    updated_by: Option<String>,
}

impl Row {
    fn of(ask: &Ask<'_>, group: &AccessGroup) -> Self {
        let names = |models: &[String]| models.contains(&group.access_group);
        let teams = ask.roster().teams.filter(|team| names(&team.models));
        let keys = ask.roster().keys.filter(|key| names(&key.models));
        let mut assigned_team_ids: Vec<_> = teams.iter().map(|team| team.team_id.clone()).collect();
        let mut assigned_key_ids: Vec<_> = keys.iter().map(|key| key.token.to_string()).collect();
        assigned_team_ids.sort_unstable();
        assigned_key_ids.sort_unstable();
        Self {
            access_group_id: group.access_group.clone(),
            access_group_name: group.access_group.clone(),
            description: group.description.clone(),
            access_model_names: group.model_names.clone(),
            access_mcp_server_ids: [],
            access_agent_ids: [],
            assigned_team_ids,
            assigned_key_ids,
            created_at: group.stamp.created_at,
            created_by: group.stamp.created_by.clone(),
            updated_at: group.stamp.updated_at,
            updated_by: group.stamp.updated_by.clone(),
        }
    }
}

impl Fields {
    fn check(&self) -> Result<(), Refusal> {
        let nowhere = [
            ("access_mcp_server_ids", &self.access_mcp_server_ids, "there are no MCP servers here"),
            ("access_agent_ids", &self.access_agent_ids, "there are no agents here"),
            (
                "assigned_team_ids",
                &self.assigned_team_ids,
                "name the group among the models of the team (/team/update)",
            ),
            ("assigned_key_ids", &self.assigned_key_ids, "name the group among the models of the key (/key/update)"),
        ];
        let given = nowhere.into_iter().find(|(_, ids, _)| ids.says());
        given.map_or(Ok(()), |(name, _, instead)| Err(Refusal::bad(format_args!("{name}: expected none; {instead}"))))
    }
}

fn new(ask: &Ask<'_>) -> Result<Reply, Refusal> {
    let body: Fields = ask.read()?;
    body.check()?;
    let name = body.access_group_name.value().cloned().ok_or_else(|| Refusal::missing("access_group_name"))?;
    check::name("access_group_name", &name)?;
    let model_names = served(ask, body.access_model_names.value().cloned().unwrap_or_default())?;
    let writer = ask.write()?;
    if ask.roster().access_groups.has(name.as_str()) || declared(ask).contains(&name) {
        return Err(Refusal::told(409, format_args!("Access group {} already exists", Cut(&name))));
    }
    let description = body.description.value().cloned();
    let group = AccessGroup { access_group: name, model_names, description, stamp: ask.stamp() };
    ask.commit(&writer, Action::Plain, vec![put(group.clone())])?;
    Reply::with(201, &Row::of(ask, &group))
}

fn find(ask: &Ask<'_>) -> Result<Arc<AccessGroup>, Refusal> {
    let id = ask.in_path(0);
    let unknown = || Refusal::told(404, format_args!("Access group {} not found", Cut(id)));
    ask.roster().access_groups.find(id).ok_or_else(unknown)
}

fn info(ask: &Ask<'_>) -> Result<Reply, Refusal> {
    Reply::json(&Row::of(ask, &*find(ask)?))
}

/// Those on record.
fn list(ask: &Ask<'_>) -> Result<Reply, Refusal> {
    let mut groups = ask.roster().access_groups.all();
    groups.sort_unstable_by(|a, b| a.access_group.cmp(&b.access_group));
    Reply::json(&groups.iter().map(|group| Row::of(ask, group)).collect::<Vec<_>>())
}

fn update(ask: &Ask<'_>) -> Result<Reply, Refusal> {
    let body: Fields = ask.read()?;
    body.check()?;
    let writer = ask.write()?;
    let mut group = AccessGroup::clone(&*find(ask)?);
    if body.access_group_name.value().is_some_and(|name| *name != group.access_group) {
        return Err(Refusal::bad("access_group_name: a group keeps its name; make another"));
    }
    if let Some(names) = body.access_model_names.value() {
        group.model_names = served(ask, names.clone())?;
    }
    body.description.put(&mut group.description);
    ask.touch(&mut group.stamp);
    ask.commit(&writer, Action::Plain, vec![put(group.clone())])?;
    Reply::json(&Row::of(ask, &group))
}

/// Gives what was taken away.
fn delete(ask: &Ask<'_>) -> Result<Reply, Refusal> {
    let writer = ask.write()?;
    let group = find(ask)?;
    let row = Row::of(ask, &group);
    ask.commit(&writer, Action::Plain, vec![Change::Remove(Kind::AccessGroup, group.access_group.clone())])?;
    Reply::json(&row)
}
