//! `/key/*`: virtual keys made, shown, changed, switched off, replaced and taken away.

mod bounded;
mod fields;
mod generate;
mod info;
mod list;
mod make;
mod reach;
mod rotate;
mod service;
mod switch;
mod update;
mod view;

pub use fields::{KeyFields, OneModel, carry, check_models, counts, models, windows};
pub use generate::{Generated, generate_for};
pub use info::may_see;
pub use view::{BudgetRow, KeyRow, OneModelRow, Spent, WholeKeyRow};

use super::actor::Needs;
use super::query::Param;
use super::route::Route;

/// The rows.
pub(super) static ROUTES: &[Route] = &[
    Route::post("/key/generate", Needs::Member, "Make a key", generate::generate)
        .takes::<KeyFields>()
        .gives::<Generated>(),
    Route::post(
        "/key/service-account/generate",
        Needs::Member,
        "Make a key of a team that is no user's",
        service::generate,
    )
    .takes::<KeyFields>()
    .gives::<Generated>(),
    Route::post("/key/update", Needs::Member, "Change a key", update::update)
        .takes::<KeyFields>()
        .gives::<update::Updated>(),
    Route::post("/key/bulk_update", Needs::Member, "Change several keys, each by itself", update::bulk)
        .takes::<update::Bulk>()
        .gives::<update::BulkDone>(),
    Route::post("/key/delete", Needs::Member, "Take keys away", switch::delete)
        .takes::<switch::Deleting>()
        .gives::<switch::Deleted>(),
    Route::post("/key/block", Needs::Member, "Switch a key off", switch::block)
        .takes::<switch::Named>()
        .gives::<WholeKeyRow>(),
    Route::post("/key/unblock", Needs::Member, "Switch a key on again", switch::unblock)
        .takes::<switch::Named>()
        .gives::<WholeKeyRow>(),
    Route::post("/key/regenerate", Needs::Member, "Put a new key in the place of one", rotate::regenerate)
        .takes::<KeyFields>()
        .gives::<Generated>(),
    Route::post("/key/{key}/regenerate", Needs::Member, "Put a new key in the place of this one", rotate::regenerate)
        .takes::<KeyFields>()
        .gives::<Generated>(),
    Route::post("/key/{key}/reset_spend", Needs::Member, "Set back what a key has spent", switch::reset_spend)
        .takes::<switch::Resetting>()
        .gives::<switch::Reset>(),
    Route::get("/key/info", Needs::AnyKey, "Show a key", info::info)
        .query(&[Param::text("key", "The key, or its hash; the caller's own without it.")])
        .gives::<info::Shown>(),
    Route::post("/v2/key/info", Needs::AnyKey, "Show several keys", service::info)
        .takes::<service::Asked>()
        .gives::<service::Rows>(),
    Route::get("/key/list", Needs::AnyKey, "List keys", list::list).query(list::LIST).gives::<list::Listed>(),
    Route::get("/key/aliases", Needs::AnyKey, "List aliases of keys", list::aliases)
        .query(list::ALIASES)
        .gives::<list::Aliases>(),
    Route::post("/key/health", Needs::AnyKey, "Say whether the key is in order", service::health)
        .gives::<service::Health>(),
];
