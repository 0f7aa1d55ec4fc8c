//! `/user/*`: internal users made, shown, changed and taken away.
//!
//! Who may do what: an administrator everything; an admin of an organization makes users in it and sees them; a user sees
//! oneself, and changes one's own name and words.

mod fields;
mod find;
mod list;
mod new;
mod update;
mod view;

use std::collections::BTreeMap;

pub use find::{by_email, has_email, stranger};
pub use view::{UserRow, row};

use super::actor::Needs;
use super::query::Param;
use super::route::Route;

const NAMED: &[Param] = &[Param::text("user_id", "The user; the caller without it.")];

/// The rows.
pub(super) static ROUTES: &[Route] = &[
    Route::post("/user/new", Needs::OrgAdmin, "Make a user, and a first key", new::new)
        .takes::<fields::UserFields>()
        .gives::<new::Made>(),
    Route::post("/user/update", Needs::Member, "Change a user", update::update)
        .takes::<fields::UserFields>()
        .gives::<update::Updated>(),
    Route::post("/user/bulk_update", Needs::Admin, "Change several users, each by itself", update::bulk)
        .takes::<update::Bulk>()
        .gives::<update::BulkDone>(),
    Route::post("/user/delete", Needs::Admin, "Take users away, with their keys", update::delete)
        .takes::<update::Deleting>()
        .gives::<u64>(),
    Route::get("/user/info", Needs::AnyKey, "Show a user, with keys and teams", list::info)
        .query(NAMED)
        .gives::<list::Shown>(),
    Route::get("/v2/user/info", Needs::AnyKey, "Show a user alone", list::info_alone).query(NAMED).gives::<UserRow>(),
    Route::get("/user/list", Needs::AnyKey, "List users", list::list).query(list::LIST).gives::<list::Listed>(),
    Route::get("/user/get_users", Needs::AnyKey, "List users, under an older name", list::list)
        .query(list::LIST)
        .gives::<list::Listed>(),
    Route::get("/user/filter/ui", Needs::AnyKey, "Find users by their names", list::filter)
        .query(list::FILTER)
        .gives::<Vec<list::Name>>(),
    Route::get("/user/available_roles", Needs::AnyKey, "Describe the roles that users may have", list::roles)
        .gives::<BTreeMap<String, list::Described>>(),
];
