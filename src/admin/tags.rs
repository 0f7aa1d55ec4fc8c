//! `/tag/*`: words that spend is counted under, with budgets and limits of their own.

use std::collections::BTreeMap;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::actor::Needs;
use super::ask::{Action, Ask, put};
use super::bounds;
use super::check;
use super::patch::Patch;
use super::reply::{Refusal, Reply};
use super::route::Route;
use super::scope::{self, BudgetTable, bounded};
use crate::roster::{Bounds, Change, Kind, Moment, TagRecord, Writer};
use crate::vocabulary::{PicoUsd, ScopeKind};

/// The rows.
pub(super) static ROUTES: &[Route] = &[
    Route::post("/tag/new", Needs::Admin, "Put a tag on record", new).takes::<TagFields>().gives::<Done>(),
    Route::post("/tag/update", Needs::Admin, "Change a tag", update).takes::<TagFields>().gives::<Done>(),
    Route::post("/tag/info", Needs::Viewer, "Show tags", info).takes::<Asked>().gives::<BTreeMap<String, Row>>(),
    Route::get("/tag/list", Needs::Viewer, "List tags", list).gives::<Vec<Row>>(),
    Route::post("/tag/delete", Needs::Admin, "Take a tag off the record", delete).takes::<Named>().gives::<Gone>(),
];

bounded! {
    /// What may be said of a tag. Absent leaves it as it is, null clears it.
    pub(super) struct TagFields {
        needs {
            /// The tag.
            name: String,
        }
        takes {
            /// What it is for.
            description: Patch<String>,
            /// The ids of the deployments it is for.
            models: Patch<Vec<String>>,
            /// A shared budget.
            budget_id: Patch<String>,
        }
    }
}

/// The body of `/tag/info`.
#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(rename = "TagsNamed")]
pub(super) struct Asked {
    /// Tags.
    names: Vec<String>,
}

/// The body of `/tag/delete`.
#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(rename = "TagNamed")]
pub(super) struct Named {
    /// The tag.
    name: String,
}

/// What `/tag/new` and `/tag/update` give.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "TagDone")]
pub(super) struct Done {
    message: String,
    tag: Row,
}

/// What `/tag/delete` gives.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "TagGone")]
pub(super) struct Gone {
    message: String,
}

/// A tag.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Tag")]
pub(super) struct Row {
    name: String,
    description: Option<String>,
    models: Vec<String>,
    model_info: BTreeMap<String, String>,
    spend: PicoUsd,
    budget_id: Option<String>,
    litellm_budget_table: Option<BudgetTable>,
    created_at: Option<Moment>,
    updated_at: Option<Moment>,
    created_by: Option<String>,
}

impl Row {
    fn of(ask: &Ask<'_>, tag: &TagRecord) -> Self {
        let bounds = scope::in_force(ask.world, &tag.bounds, tag.budget_id.as_deref());
        let group = |id: &String| {
            let mut deployments = ask.world.settings.deployments.iter();
            let known = deployments.find(|deployment| *deployment.id == **id)?;
            Some((id.clone(), known.model_name.to_string()))
        };
        Self {
            description: tag.description.clone(),
            models: tag.models.clone(),
            model_info: tag.models.iter().filter_map(group).collect(),
            budget_id: tag.budget_id.clone(),
            created_at: Some(tag.stamp.created_at),
            updated_at: Some(tag.stamp.updated_at),
            created_by: tag.stamp.created_by.clone(),
            ..Self::bounded(ask, &tag.name, tag.budget_id.as_deref(), &bounds)
        }
    }

    /// One of the configuration alone.
    fn configured(ask: &Ask<'_>, name: &str, budget: &crate::config::Budget) -> Self {
        let (max_budget, budget_duration) = (Some(budget.max), budget.duration.clone());
        Self::bounded(ask, name, None, &Bounds { max_budget, budget_duration, ..Bounds::default() })
    }

    fn bounded(ask: &Ask<'_>, name: &str, budget_id: Option<&str>, bounds: &Bounds) -> Self {
        let spent = bounds::spent(ask.world, (ScopeKind::Tag, name), bounds, ask.now);
        let bounded = budget_id.is_some() || !bounds.is_open();
        Self {
            name: name.to_owned(),
            description: None,
            models: Vec::new(),
            model_info: BTreeMap::new(),
            spend: spent.spent,
            budget_id: None,
            litellm_budget_table: bounded.then(|| BudgetTable::of(bounds, budget_id, spent.resets_at)),
            created_at: None,
            updated_at: None,
            created_by: None,
        }
    }
}

fn new(ask: &Ask<'_>) -> Result<Reply, Refusal> {
    let body: TagFields = ask.read()?;
    check::name("name", &body.name)?;
    let writer = ask.write()?;
    if ask.roster().tags.has(body.name.as_str()) {
        return Err(Refusal::bad(format_args!("Tag {} already exists", check::Cut(&body.name))));
    }
    let tag = TagRecord { name: body.name.clone(), stamp: ask.stamp(), ..TagRecord::default() };
    keep(ask, &writer, body, tag, "created")
}

fn update(ask: &Ask<'_>) -> Result<Reply, Refusal> {
    let body: TagFields = ask.read()?;
    let writer = ask.write()?;
    let mut tag = TagRecord::clone(&*find(ask, &body.name)?);
    ask.touch(&mut tag.stamp);
    keep(ask, &writer, body, tag, "updated")
}

fn keep(ask: &Ask<'_>, writer: &Writer<'_>, body: TagFields, mut tag: TagRecord, done: &str) -> Result<Reply, Refusal> {
    body.bounds().check()?;
    scope::share(ask.world, &body.budget_id, &mut tag.budget_id, &mut tag.bounds)?;
    body.bounds().lay_upon(&mut tag.bounds);
    body.description.put(&mut tag.description);
    body.models.fill(&mut tag.models);
    ask.commit(writer, Action::Plain, vec![put(tag.clone())])?;
    Reply::json(&Done { message: format!("Tag {} {done} successfully", tag.name), tag: Row::of(ask, &tag) })
}

fn find(ask: &Ask<'_>, name: &str) -> Result<Arc<TagRecord>, Refusal> {
    let unknown = || Refusal::told(404, format_args!("Tag {} not found", check::Cut(name)));
    ask.roster().tags.find(name).ok_or_else(unknown)
}

fn info(ask: &Ask<'_>) -> Result<Reply, Refusal> {
    let Asked { names } = ask.read()?;
    let mut rows = BTreeMap::new();
    for name in names {
        let row = match configured(ask, &name) {
            Some(budget) if !ask.roster().tags.has(name.as_str()) => Row::configured(ask, &name, budget),
            _ => Row::of(ask, &*find(ask, &name)?),
        };
        rows.insert(name, row);
    }
    Reply::json(&rows)
}

fn configured<'a>(ask: &'a Ask<'_>, name: &str) -> Option<&'a crate::config::Budget> {
    let (_, budget) = ask.world.settings.tag_budgets.iter().find(|(known, _)| known == name)?;
    Some(budget)
}

/// Those on record, and those that have a budget in the configuration.
fn list(ask: &Ask<'_>) -> Result<Reply, Refusal> {
    let recorded = &ask.roster().tags;
    let declared = ask.world.settings.tag_budgets.iter().filter(|(name, _)| !recorded.has(name.as_str()));
    let declared = declared.map(|(name, budget)| Row::configured(ask, name, budget));
    let mut rows: Vec<_> = recorded.all().iter().map(|tag| Row::of(ask, tag)).chain(declared).collect();
    rows.sort_unstable_by(|a, b| a.name.cmp(&b.name));
    Reply::json(&rows)
}

fn delete(ask: &Ask<'_>) -> Result<Reply, Refusal> {
    let Named { name } = ask.read()?;
    let writer = ask.write()?;
    find(ask, &name)?;
    let message = format!("Tag {name} deleted successfully");
    ask.commit(&writer, Action::Plain, vec![Change::Remove(Kind::Tag, name)])?;
    Reply::json(&Gone { message })
}
