//! What was spent: receipts, and sums of them.
//!
//! Receipts are rows for as long as they are kept; sums by day outlive them. Days are UTC. Administrators see everything;
//! everybody else what their user or their key spent, and team admins what their team did.

mod activity;
mod calculate;
mod global;
mod log;
mod logs;
mod period;
mod report;
mod reset;
mod sight;
mod totals;

use super::actor::Needs;
use super::query::Param;
use super::route::Route;

const FROM: Param = Param::moment("start_date", "The first day, or time.");
const TO: Param = Param::moment("end_date", "The last day, or time.");
const PERIOD: &[Param] = &[FROM, TO];
const LIMITED: &[Param] = &[Param::count("limit", 1, 1_000, 100, "So many at most."), FROM, TO];

/// The rows.
pub(super) static ROUTES: &[Route] = &[
    Route::get("/spend/logs", Needs::AnyKey, "Show receipts, or sums of them by day", logs::all).query(logs::ALL),
    Route::get("/spend/logs/v2", Needs::AnyKey, "List receipts by page", logs::page)
        .query(logs::PAGE)
        .gives::<logs::Page>(),
    Route::get("/spend/logs/ui", Needs::AnyKey, "List receipts by page", logs::page)
        .query(logs::PAGE)
        .gives::<logs::Page>(),
    Route::get("/spend/tags", Needs::Viewer, "Sum spend by tag", totals::tags)
        .query(PERIOD)
        .gives::<Vec<totals::OfTag>>(),
    Route::get("/spend/keys", Needs::Viewer, "List keys, the largest spender first", totals::keys)
        .query(&[Param::count("limit", 1, 10_000, 1_000, "So many at most.")])
        .gives::<Vec<super::keys::WholeKeyRow>>(),
    Route::get("/spend/users", Needs::Viewer, "List users, the largest spender first", totals::users)
        .query(&[Param::text("user_id", "Only this one.")])
        .gives::<Vec<totals::OfUser>>(),
    Route::post("/spend/calculate", Needs::AnyKey, "Say what a request costs", calculate::cost)
        .takes::<calculate::Asked>()
        .gives::<calculate::Cost>(),
    Route::post("/utils/token_counter", Needs::AnyKey, "Count a prompt's tokens", calculate::tokens)
        .takes::<calculate::Prompt>()
        .gives::<calculate::Tokens>(),
    Route::get("/global/spend", Needs::Viewer, "Say what all have spent", global::spend).gives::<global::Spend>(),
    Route::get("/global/spend/logs", Needs::Viewer, "Sum spend by day", global::days)
        .query(&[Param::text("api_key", "Only of this key."), FROM, TO])
        .gives::<Vec<global::OfDay>>(),
    Route::get("/global/spend/keys", Needs::Viewer, "Sum spend by key", global::keys)
        .query(LIMITED)
        .gives::<Vec<global::OfKey>>(),
    Route::get("/global/spend/teams", Needs::Viewer, "Sum spend by team and day", global::teams)
        .query(PERIOD)
        .gives::<global::Teams>(),
    Route::get("/global/spend/models", Needs::Viewer, "Sum spend by model", global::models)
        .query(LIMITED)
        .gives::<Vec<global::OfModel>>(),
    Route::get("/global/spend/provider", Needs::Viewer, "Sum spend by provider", global::providers)
        .query(PERIOD)
        .gives::<Vec<global::OfProvider>>(),
    Route::get("/global/spend/tags", Needs::Viewer, "Sum spend by tag", global::tags)
        .query(&[Param::text("tags", "Only these, with commas between."), FROM, TO])
        .gives::<global::Tags>(),
    Route::post("/global/spend/end_users", Needs::Viewer, "Sum spend by end user", global::customers)
        .takes::<global::OfCustomers>()
        .gives::<Vec<global::OfCustomer>>(),
    Route::get("/global/spend/report", Needs::Viewer, "Sum spend by day and team, customer or key", report::report)
        .query(report::QUERY),
    Route::post("/global/spend/reset", Needs::Admin, "Set back what all keys and teams have spent", reset::reset)
        .gives::<reset::Done>(),
    Route::get("/global/activity", Needs::Viewer, "Count requests and tokens by day", global::activity)
        .query(PERIOD)
        .gives::<global::Activity>(),
    Route::get("/global/activity/model", Needs::Viewer, "Count requests and tokens by model and day", global::by_model)
        .query(PERIOD)
        .gives::<Vec<global::ActivityOfModel>>(),
    Route::get("/user/daily/activity", Needs::AnyKey, "Sum a user's days", activity::of_user)
        .query(activity::USER)
        .gives::<activity::Paged>(),
    Route::get("/user/daily/activity/aggregated", Needs::AnyKey, "Sum a user's days at once", activity::of_user_whole)
        .query(activity::USER)
        .gives::<activity::Paged>(),
    Route::get("/team/daily/activity", Needs::AnyKey, "Sum teams' days", activity::of_teams)
        .query(activity::TEAMS)
        .gives::<activity::Paged>(),
    Route::get("/organization/daily/activity", Needs::AnyKey, "Sum organizations' days", activity::of_organizations)
        .query(activity::ORGANIZATIONS)
        .gives::<activity::Paged>(),
    Route::get("/customer/daily/activity", Needs::Viewer, "Sum end users' days", activity::of_customers)
        .query(activity::CUSTOMERS)
        .gives::<activity::Paged>(),
    Route::get("/end_user/daily/activity", Needs::Viewer, "Sum end users' days", activity::of_customers)
        .query(activity::CUSTOMERS)
        .gives::<activity::Paged>(),
    Route::get("/tag/daily/activity", Needs::Viewer, "Sum days by tag", activity::of_tags)
        .query(activity::TAGS)
        .gives::<activity::Paged>(),
];
