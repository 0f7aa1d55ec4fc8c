//! `/key/*`: virtual keys made, shown, changed, switched off, replaced and taken away.

mod fields;
mod generate;
mod info;
mod make;
mod view;

pub use fields::{KeyFields, OneModel, carry, counts};
pub use generate::{Generated, generate_for};
pub use view::{BudgetRow, KeyRow, Spent, WholeKeyRow};

use super::actor::Needs;
use super::query::Param;
use super::route::Route;

/// The rows.
pub(super) static ROUTES: &[Route] = &[
    Route::post("/key/generate", Needs::Member, "Make a key", generate::generate)
        .takes::<KeyFields>()
        .gives::<Generated>(),
    Route::get("/key/info", Needs::AnyKey, "Show a key", info::info)
        .query(&[Param::text("key", "The key, or its hash; the caller's own without it.")])
        .gives::<info::Shown>(),
];
