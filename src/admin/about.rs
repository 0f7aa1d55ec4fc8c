//! What the API says of itself: its routes, and the OpenAPI document.

use schemars::JsonSchema;
use serde::Serialize;

use super::actor::Needs;
use super::ask::Ask;
use super::reply::{Refusal, Reply};
use super::route::Route;
use super::{openapi, table};

/// The rows.
pub(super) static ROUTES: &[Route] = &[
    Route::get("/routes", Needs::Nothing, "List the routes of this API", list).gives::<Listed>(),
    Route::get("/openapi.json", Needs::Nothing, "Describe this API in OpenAPI", document),
];

/// Rows that are answered on the way of calls.
pub(super) static ELSEWHERE: &[Route] = &[
    Route::elsewhere("/", Needs::Nothing, "Say which version this is"),
    Route::elsewhere("/health/liveliness", Needs::Nothing, "Say that the process lives"),
    Route::elsewhere("/health/liveness", Needs::Nothing, "Say that the process lives"),
    Route::elsewhere("/health/readiness", Needs::Nothing, "Say whether requests are taken"),
    Route::elsewhere("/health", Needs::Admin, "Show how the deployments fare"),
    Route::elsewhere("/metrics", Needs::Viewer, "Show metrics in Prometheus' text format"),
    Route::elsewhere("/v1/models", Needs::AnyKey, "List the models that the key may use"),
    Route::elsewhere("/models", Needs::AnyKey, "List the models that the key may use"),
];

/// What `/routes` gives.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Listed {
    routes: Vec<Row>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Row {
    path: &'static str,
    methods: [&'static str; 1],
    name: &'static str,
    endpoint: &'static str,
}

fn list(_: &Ask<'_>) -> Result<Reply, Refusal> {
    let row = |route: &'static Route| Row {
        path: route.path,
        methods: [route.method.as_str()],
        name: route.summary,
        endpoint: route.summary,
    };
    Reply::json(&Listed { routes: table::all().map(row).collect() })
}

fn document(_: &Ask<'_>) -> Result<Reply, Refusal> {
    Reply::json(&openapi::document())
}
