//! `/budget/*`: budgets and limits that several records name by `budget_id`. Each of them has the amount for itself.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::actor::Needs;
use super::ask::{Action, Ask, new_id, put};
use super::check::{self, Cut};
use super::patch::Patch;
use super::query::Param;
use super::reply::{Refusal, Reply};
use super::route::Route;
use super::scope::{BudgetTable, bounded};
use crate::roster::{Budget, Change, Kind, Moment, Roster, Stamp};

/// The rows.
pub(super) static ROUTES: &[Route] = &[
    Route::post("/budget/new", Needs::Admin, "Make a budget that several share", new)
        .takes::<BudgetFields>()
        .gives::<Row>(),
    Route::post("/budget/update", Needs::Admin, "Change a budget, and so of everybody who shares it", update)
        .takes::<BudgetFields>()
        .gives::<Row>(),
    Route::post("/budget/info", Needs::Viewer, "Show budgets", info).takes::<Asked>().gives::<Vec<Row>>(),
    Route::get("/budget/settings", Needs::Viewer, "Say what a budget may say, and what this one does", settings)
        .query(&[Param::text("budget_id", "Which budget.").required()])
        .gives::<Vec<Setting>>(),
    Route::get("/budget/list", Needs::Viewer, "List budgets", list).gives::<Vec<Row>>(),
    Route::post("/budget/delete", Needs::Admin, "Take a budget away that nobody shares", delete)
        .takes::<Named>()
        .gives::<Row>(),
];

bounded! {
    /// What may be said of a budget. Absent leaves it as it is, null clears it.
    pub(super) struct BudgetFields {
        needs {}
        takes {
            /// Its id; one is made for a new budget without it.
            budget_id: Patch<String>,
        }
    }
}

/// The body of `/budget/info`.
#[derive(Debug, Deserialize, JsonSchema)]
pub(super) struct Asked {
    /// Ids of budgets.
    budgets: Vec<String>,
}

/// The body of `/budget/delete`.
#[derive(Debug, Deserialize, JsonSchema)]
pub(super) struct Named {
    /// The id of a budget.
    id: String,
}

/// A shared budget.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Budget")]
pub(super) struct Row {
    #[serde(flatten)]
    bounds: BudgetTable,
    created_at: Moment,
    created_by: Option<String>,
    updated_at: Moment,
    updated_by: Option<String>,
}

impl Row {
    fn of(ask: &Ask<'_>, budget: &Budget) -> Self {
        let Stamp { created_at, created_by, updated_at, updated_by } = budget.stamp.clone();
        Self { bounds: BudgetTable::shared(ask.world, budget, ask.now), created_at, created_by, updated_at, updated_by }
    }
}

fn new(ask: &Ask<'_>) -> Result<Reply, Refusal> {
    let body: BudgetFields = ask.read()?;
    body.bounds().check()?;
    let id = body.budget_id.value().cloned().unwrap_or_else(new_id);
    check::name("budget_id", &id)?;
    let writer = ask.write()?;
    if ask.roster().budgets.has(id.as_str()) {
        return Err(Refusal::bad(format_args!("Budget with budget_id={} already exists", Cut(&id))));
    }
    let mut budget = Budget { budget_id: id, stamp: ask.stamp(), ..Budget::default() };
    body.bounds().lay_upon(&mut budget.bounds);
    ask.commit(&writer, Action::Plain, vec![put(budget.clone())])?;
    Reply::json(&Row::of(ask, &budget))
}

fn update(ask: &Ask<'_>) -> Result<Reply, Refusal> {
    let body: BudgetFields = ask.read()?;
    body.bounds().check()?;
    let id = body.budget_id.value().ok_or_else(|| Refusal::bad("budget_id is required"))?;
    let writer = ask.write()?;
    let mut budget = Budget::clone(&*find(ask, id)?);
    body.bounds().lay_upon(&mut budget.bounds);
    ask.touch(&mut budget.stamp);
    ask.commit(&writer, Action::Plain, vec![put(budget.clone())])?;
    Reply::json(&Row::of(ask, &budget))
}

fn find(ask: &Ask<'_>, id: &str) -> Result<std::sync::Arc<Budget>, Refusal> {
    let unknown = || Refusal::told(404, format_args!("Budget id={} not found", Cut(id)));
    ask.roster().budgets.find(id).ok_or_else(unknown)
}

fn info(ask: &Ask<'_>) -> Result<Reply, Refusal> {
    let Asked { budgets } = ask.read()?;
    if budgets.is_empty() {
        return Err(Refusal::bad("Specify list of budget id\u{2019}s to query. Passed in=[]"));
    }
    let found = budgets.iter().filter_map(|id| ask.roster().budgets.find(id.as_str()));
    Reply::json(&found.map(|budget| Row::of(ask, &budget)).collect::<Vec<_>>())
}

fn list(ask: &Ask<'_>) -> Result<Reply, Refusal> {
    let mut budgets = ask.roster().budgets.all();
    budgets.sort_unstable_by(|a, b| (a.stamp.created_at, &a.budget_id).cmp(&(b.stamp.created_at, &b.budget_id)));
    Reply::json(&budgets.iter().map(|budget| Row::of(ask, budget)).collect::<Vec<_>>())
}

fn delete(ask: &Ask<'_>) -> Result<Reply, Refusal> {
    let Named { id } = ask.read()?;
    let writer = ask.write()?;
    let budget = find(ask, &id)?;
    // Those who share it would be bound by nothing from then on.
    let sharing = sharing(ask.roster(), &id);
    if sharing > 0 {
        return Err(Refusal::bad(format_args!(
            "Budget id={} is shared by {sharing} keys, users, customers, organizations, members or tags: give them another \
             budget_id, or null, first",
            Cut(&id)
        )));
    }
    ask.commit(&writer, Action::Plain, vec![Change::Remove(Kind::Budget, id)])?;
    Reply::json(&Row::of(ask, &budget))
}

/// How many records name a budget.
fn sharing(roster: &Roster, id: &str) -> usize {
    let named = |budget: &Option<String>| budget.as_deref() == Some(id);
    roster.keys.filter(|key| named(&key.budget_id)).len()
        + roster.users.filter(|user| named(&user.budget_id)).len()
        + roster.team_members.filter(|member| named(&member.budget_id)).len()
        + roster.customers.filter(|customer| named(&customer.budget_id)).len()
        + roster.organizations.filter(|organization| named(&organization.budget_id)).len()
        + roster.organization_members.filter(|member| named(&member.budget_id)).len()
        + roster.tags.filter(|tag| named(&tag.budget_id)).len()
}

/// One thing that a budget may say.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "BudgetSetting")]
pub(super) struct Setting {
    field_name: &'static str,
    field_type: &'static str,
    field_description: &'static str,
    field_value: Value,
    stored_in_db: Option<bool>,
    field_default_value: Option<Value>,
    premium_field: bool,
}

/// A value of one.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(untagged)]
enum Value {
    Dollars(Option<crate::vocabulary::PicoUsd>),
    Count(Option<u64>),
    Text(Option<String>),
}

impl Value {
    fn is_set(&self) -> bool {
        match self {
            Self::Dollars(amount) => amount.is_some(),
            Self::Count(count) => count.is_some(),
            Self::Text(text) => text.is_some(),
        }
    }
}

fn settings(ask: &Ask<'_>) -> Result<Reply, Refusal> {
    let budget = find(ask, ask.query.text("budget_id").unwrap_or_default())?;
    let bounds = &budget.bounds;
    let setting = |field_name, field_type, field_description, field_value: Value| Setting {
        field_name,
        field_type,
        field_description,
        stored_in_db: field_value.is_set().then_some(true),
        field_value,
        field_default_value: None,
        premium_field: false,
    };
    Reply::json(&[
        setting("max_parallel_requests", "Integer", "Open requests.", Value::Count(bounds.max_parallel_requests)),
        setting("tpm_limit", "Integer", "Tokens a minute.", Value::Count(bounds.tpm_limit)),
        setting("rpm_limit", "Integer", "Requests a minute.", Value::Count(bounds.rpm_limit)),
        setting("budget_duration", "String", "The window.", Value::Text(bounds.budget_duration.clone())),
        setting("max_budget", "Float", "Dollars in a window.", Value::Dollars(bounds.max_budget)),
        setting("soft_budget", "Float", "Dollars beyond which somebody is told.", Value::Dollars(bounds.soft_budget)),
    ])
}
