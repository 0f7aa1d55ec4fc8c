//! `/team/*`: teams and who is in them, made, shown, changed, switched off and taken away.
//!
//! Who may do what: an administrator everything; an admin of an organization everything to its teams; an admin of a team
//! manages its members and what these may do; a member, and whoever shows a key of the team, sees it; a user joins a team
//! that the configuration opens to all.

mod available;
mod change;
mod fields;
mod join;
mod list;
mod members;
mod reach;
mod settle;
mod view;

pub use view::{Members, TeamRow};

use super::actor::Needs;
use super::query::Param;
use super::route::Route;

/// The rows.
pub(super) static ROUTES: &[Route] = &[
    Route::post("/team/new", Needs::OrgAdmin, "Make a team", change::new)
        .takes::<fields::TeamFields>()
        .gives::<change::Made>(),
    Route::post("/team/update", Needs::Member, "Change a team", change::update)
        .takes::<fields::TeamFields>()
        .gives::<change::Updated>(),
    Route::post("/team/delete", Needs::OrgAdmin, "Take teams away, with their keys", change::delete)
        .takes::<change::Deleting>()
        .gives::<change::Deleted>(),
    Route::post("/team/block", Needs::OrgAdmin, "Switch all keys of a team off", change::block)
        .takes::<change::Named>()
        .gives::<TeamRow>(),
    Route::post("/team/unblock", Needs::OrgAdmin, "Switch the keys of a team on again", change::unblock)
        .takes::<change::Named>()
        .gives::<TeamRow>(),
    Route::get("/team/info", Needs::AnyKey, "Show a team", list::info)
        .query(&[Param::text("team_id", "The team; that of the caller's key without it.")])
        .gives::<list::Shown>(),
    Route::get("/team/list", Needs::AnyKey, "List teams, with their members and keys", list::list)
        .query(list::LIST)
        .gives::<Vec<list::Entry>>(),
    Route::get("/v2/team/list", Needs::AnyKey, "List teams in pages", list::pages)
        .query(list::PAGES)
        .gives::<list::Paged>(),
    Route::get("/team/available", Needs::AnyKey, "List teams that the caller may join", available::available)
        .gives::<Vec<TeamRow>>(),
    Route::post("/team/member_add", Needs::Member, "Add users to a team", members::add)
        .takes::<members::Adding>()
        .gives::<members::Added>(),
    Route::post("/team/bulk_member_add", Needs::Member, "Add many users to a team, each by itself", members::bulk_add)
        .takes::<members::Bulk>()
        .gives::<members::BulkAdded>(),
    Route::post("/team/member_update", Needs::Member, "Change what a member of a team may", members::update)
        .takes::<members::Changing>()
        .gives::<members::Changed>(),
    Route::post("/team/member_delete", Needs::Member, "Take a user out of a team", members::delete)
        .takes::<members::Leaving>()
        .gives::<TeamRow>(),
    Route::post("/team/model/add", Needs::OrgAdmin, "Add models to those a team may name", settle::add_models)
        .takes::<settle::Models>()
        .gives::<TeamRow>(),
    Route::post("/team/model/delete", Needs::OrgAdmin, "Take models from those a team may name", settle::delete_models)
        .takes::<settle::Models>()
        .gives::<TeamRow>(),
    Route::get(
        "/team/permissions_list",
        Needs::AnyKey,
        "Show what members may do with a team's keys",
        settle::list_permissions,
    )
    .query(&[Param::text("team_id", "The team.").required()])
    .gives::<settle::Permissions>(),
    Route::post(
        "/team/permissions_update",
        Needs::Member,
        "Say what members may do with a team's keys",
        settle::update_permissions,
    )
    .takes::<settle::Permitting>()
    .gives::<TeamRow>(),
    Route::get("/team/{team_id}/callback", Needs::AnyKey, "Refuse to show a team's callbacks", settle::callbacks),
    Route::post("/team/{team_id}/callback", Needs::Member, "Refuse callbacks of a team", settle::callbacks),
    Route::post("/team/{team_id}/disable_logging", Needs::Member, "Refuse callbacks of a team", settle::callbacks),
];
