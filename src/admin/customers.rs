//! `/customer/*` and `/end_user/*`: whom requests name in `user`.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::actor::Needs;
use super::ask::{Action, Ask, put};
use super::body::{Input, Problem, Step};
use super::bounds;
use super::check;
use super::patch::{Object, Patch};
use super::query::Param;
use super::reply::{Refusal, Reply};
use super::route::Route;
use super::scope::{self, BudgetTable, bounded};
use crate::roster::{Change, Customer, Json, Kind, Moment, Writer};
use crate::vocabulary::{PicoUsd, ScopeKind};

const ID: &[Param] = &[Param::text("end_user_id", "The customer.").required()];

macro_rules! routes {
    ($($under:literal),*) => {
        /// The rows, under both of their names.
        pub(super) static ROUTES: &[Route] = &[$(
            Route::post(concat!($under, "/new"), Needs::Admin, "Put a customer on record", new)
                .takes::<CustomerFields>()
                .gives::<Row>(),
            Route::post(concat!($under, "/update"), Needs::Admin, "Change a customer", update)
                .takes::<CustomerFields>()
                .gives::<Row>(),
            Route::get(concat!($under, "/info"), Needs::Viewer, "Show a customer", info).query(ID).gives::<Row>(),
            Route::get(concat!($under, "/list"), Needs::Viewer, "List customers", list).gives::<Vec<Row>>(),
            Route::post(concat!($under, "/delete"), Needs::Admin, "Take customers off the record", delete)
                .takes::<Named>()
                .gives::<Deleted>(),
            Route::post(concat!($under, "/block"), Needs::Admin, "Refuse customers' requests", block)
                .takes::<Named>()
                .gives::<Blocked>(),
            Route::post(concat!($under, "/unblock"), Needs::Admin, "Let customers in again", unblock)
                .takes::<Named>()
                .gives::<StillBlocked>(),
        )*];
    };
}

routes!("/customer", "/end_user");

bounded! {
    /// What may be said of a customer. Absent leaves it as it is, null clears it.
    pub(super) struct CustomerFields {
        needs {
            /// The customer's id, as requests name it.
            user_id: String,
        }
        takes {
            /// What people call the customer.
            alias: Patch<String>,
            /// Whether the customer's requests are refused.
            blocked: Patch<bool>,
            /// A shared budget; not together with `max_budget`.
            budget_id: Patch<String>,
            /// What was spent in this window.
            spend: Patch<PicoUsd>,
            /// Where the customer's requests may be answered (`eu`, `us`, a region).
            allowed_model_region: Patch<String>,
            /// Carried.
            default_model: Patch<String>,
            /// Models the customer's requests may name. Empty allows all.
            models: Patch<Vec<String>>,
            /// Words of its owner's.
            metadata: Patch<Object>,
        }
    }
}

/// Customers by their ids.
#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(rename = "CustomersNamed")]
pub(super) struct Named {
    /// Ids of customers.
    user_ids: Vec<String>,
}

/// A customer.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Customer")]
pub(super) struct Row {
    user_id: String,
    blocked: bool,
    alias: Option<String>,
    spend: PicoUsd,
    allowed_model_region: Option<String>,
    default_model: Option<String>,
    models: Vec<String>,
    metadata: Json,
    budget_id: Option<String>,
    litellm_budget_table: Option<BudgetTable>,
    created_at: Moment,
    updated_at: Moment,
}

impl Row {
    fn of(ask: &Ask<'_>, customer: &Customer) -> Self {
        let budget_id = customer.budget_id.as_deref();
        let bounds = scope::in_force(ask.world, &customer.bounds, budget_id);
        let spent = bounds::spent(ask.world, (ScopeKind::Customer, &customer.user_id), &bounds, ask.now);
        let bounded = budget_id.is_some() || !bounds.is_open();
        Self {
            user_id: customer.user_id.clone(),
            blocked: customer.blocked,
            alias: customer.alias.clone(),
            spend: spent.spent,
            allowed_model_region: customer.allowed_model_region.clone(),
            default_model: customer.default_model.clone(),
            models: customer.models.clone(),
            metadata: customer.metadata.clone(),
            budget_id: customer.budget_id.clone(),
            litellm_budget_table: bounded.then(|| BudgetTable::of(&bounds, budget_id, spent.resets_at)),
            created_at: customer.stamp.created_at,
            updated_at: customer.stamp.updated_at,
        }
    }
}

impl CustomerFields {
    fn check(&self) -> Result<(), Refusal> {
        self.bounds().check()?;
        check::budget("spend", &self.spend)?;
        check::name("user_id", &self.user_id)?;
        if self.max_budget.value().is_none() || self.budget_id.value().is_none() {
            return Ok(());
        }
        Err(Refusal::Invalid(vec![Problem {
            r#type: "value_error",
            loc: vec![Step::Name("body".to_owned())],
            msg: "Value error, Set either 'max_budget' or 'budget_id', not both.".to_owned(),
            input: Input::default(),
        }]))
    }

    fn lay_upon(self, ask: &Ask<'_>, customer: &mut Customer) -> Result<(), Refusal> {
        scope::share(ask.world, &self.budget_id, &mut customer.budget_id, &mut customer.bounds)?;
        self.bounds().lay_upon(&mut customer.bounds);
        self.alias.put(&mut customer.alias);
        self.blocked.fill(&mut customer.blocked);
        self.allowed_model_region.put(&mut customer.allowed_model_region);
        self.default_model.put(&mut customer.default_model);
        self.models.fill(&mut customer.models);
        self.metadata.fill(&mut customer.metadata);
        Ok(())
    }
}

fn new(ask: &Ask<'_>) -> Result<Reply, Refusal> {
    let body: CustomerFields = ask.read()?;
    body.check()?;
    let writer = ask.write()?;
    if ask.roster().customers.has(body.user_id.as_str()) {
        let id = check::Cut(&body.user_id);
        let text = format!("Customer already exists, passed user_id={id}. Please pass a new user_id.");
        return Err(Refusal::new(400, "bad_request", "user_id", text));
    }
    let customer = Customer { user_id: body.user_id.clone(), stamp: ask.stamp(), ..Customer::default() };
    keep(ask, &writer, body, customer)
}

fn update(ask: &Ask<'_>) -> Result<Reply, Refusal> {
    let body: CustomerFields = ask.read()?;
    body.check()?;
    let writer = ask.write()?;
    let mut customer = Customer::clone(&*find(ask, "user_id", &body.user_id)?);
    ask.touch(&mut customer.stamp);
    keep(ask, &writer, body, customer)
}

fn keep(ask: &Ask<'_>, writer: &Writer<'_>, body: CustomerFields, mut customer: Customer) -> Result<Reply, Refusal> {
    let spend = body.spend.clone();
    body.lay_upon(ask, &mut customer)?;
    let bounds = scope::in_force(ask.world, &customer.bounds, customer.budget_id.as_deref());
    let spent = bounds::spent(ask.world, (ScopeKind::Customer, &customer.user_id), &bounds, ask.now);
    let adjustments = scope::set_spend(spent, &spend);
    ask.commit_with(writer, Action::Plain, vec![put(customer.clone())], adjustments)?;
    Reply::json(&Row::of(ask, &customer))
}

fn find(ask: &Ask<'_>, param: &str, id: &str) -> Result<Arc<Customer>, Refusal> {
    ask.roster().customers.find(id).ok_or_else(|| unknown(param, id))
}

fn unknown(param: &str, id: &str) -> Refusal {
    Refusal::new(404, "not_found", param, format!("End User Id={} does not exist in db", check::Cut(id)))
}

fn info(ask: &Ask<'_>) -> Result<Reply, Refusal> {
    let id = ask.query.text("end_user_id").unwrap_or_default();
    Reply::json(&Row::of(ask, &*find(ask, "end_user_id", id)?))
}

fn list(ask: &Ask<'_>) -> Result<Reply, Refusal> {
    let mut customers = ask.roster().customers.all();
    customers.sort_unstable_by(|a, b| a.user_id.cmp(&b.user_id));
    Reply::json(&customers.iter().map(|customer| Row::of(ask, customer)).collect::<Vec<_>>())
}

/// What `/customer/delete` gives.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "CustomersDeleted")]
pub(super) struct Deleted {
    deleted_customers: usize,
    message: String,
}

fn delete(ask: &Ask<'_>) -> Result<Reply, Refusal> {
    let Named { mut user_ids } = ask.read()?;
    user_ids.sort_unstable();
    user_ids.dedup();
    let writer = ask.write()?;
    for id in &user_ids {
        find(ask, "user_ids", id)?;
    }
    let message = format!("Successfully deleted customers with ids: {}", super::actor::python_list(&user_ids));
    let deleted_customers = user_ids.len();
    let changes = user_ids.into_iter().map(|id| Change::Remove(Kind::Customer, id)).collect();
    ask.commit(&writer, Action::Plain, changes)?;
    Reply::json(&Deleted { deleted_customers, message })
}

/// What `/customer/block` gives.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "CustomersBlocked")]
pub(super) struct Blocked {
    blocked_users: Vec<Row>,
}

/// Also whoever is not on record is blocked: with a record.
fn block(ask: &Ask<'_>) -> Result<Reply, Refusal> {
    let Named { user_ids } = ask.read()?;
    let writer = ask.write()?;
    let mut customers = Vec::with_capacity(user_ids.len());
    for id in user_ids {
        check::name("user_ids", &id)?;
        let mut customer = match ask.roster().customers.find(id.as_str()) {
            Some(customer) => Customer::clone(&customer),
            None => Customer { user_id: id, stamp: ask.stamp(), ..Customer::default() },
        };
        customer.blocked = true;
        ask.touch(&mut customer.stamp);
        customers.push(customer);
    }
    ask.commit(&writer, Action::Blocked, customers.iter().cloned().map(put).collect())?;
    Reply::json(&Blocked { blocked_users: customers.iter().map(|customer| Row::of(ask, customer)).collect() })
}

/// What `/customer/unblock` gives: who still is.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "CustomersStillBlocked")]
pub(super) struct StillBlocked {
    blocked_users: Vec<String>,
}

fn unblock(ask: &Ask<'_>) -> Result<Reply, Refusal> {
    let Named { user_ids } = ask.read()?;
    let writer = ask.write()?;
    let mut changes = Vec::with_capacity(user_ids.len());
    for id in &user_ids {
        let mut customer = Customer::clone(&*find(ask, "user_ids", id)?);
        customer.blocked = false;
        ask.touch(&mut customer.stamp);
        changes.push(put(customer));
    }
    ask.commit(&writer, Action::Unblocked, changes)?;
    let blocked = ask.roster().customers.filter(|customer| customer.blocked);
    let mut blocked_users: Vec<_> = blocked.iter().map(|customer| customer.user_id.clone()).collect();
    blocked_users.sort_unstable();
    Reply::json(&StillBlocked { blocked_users })
}
