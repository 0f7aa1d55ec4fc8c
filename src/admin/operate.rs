//! What operators ask of the process: to read its configuration anew, and how what it depends on does.

use schemars::JsonSchema;
use serde::Serialize;

use super::actor::Needs;
use super::ask::Ask;
use super::query::Param;
use super::reply::{Refusal, Reply};
use super::route::Route;

/// The rows.
pub(super) static ROUTES: &[Route] = &[
    Route::post("/config/reload", Needs::Admin, "Read the configuration anew and serve it", reload).gives::<Reloaded>(),
    Route::get("/health/services", Needs::Viewer, "Say how a service does that the gateway depends on", services)
        .query(&[Param::choice("service", &["store"], "store: receipts and records on file.").required()])
        .gives::<Service>(),
];

/// What `/config/reload` gives.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Reloaded {
    status: &'static str,
    /// How many configurations this process has served.
    generation: u64,
}

fn reload(ask: &Ask<'_>) -> Result<Reply, Refusal> {
    match ask.shell.reload() {
        Ok(generation) => Reply::json(&Reloaded { status: "success", generation }),
        Err(reason) => {
            let text = format!("the new configuration is not served, and the old one stays: {reason}");
            Err(Refusal::new(400, "bad_request_error", "None", text))
        }
    }
}

/// What `/health/services` gives.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Service {
    status: &'static str,
    message: String,
}

fn services(ask: &Ask<'_>) -> Result<Reply, Refusal> {
    let (status, message) = match ask.world.around.ledger.keeper().map(|keeper| keeper.unwell()) {
        None => ("healthy", "everything is kept in memory: --data-dir keeps it".to_owned()),
        Some(None) => ("healthy", "receipts and records are kept on file".to_owned()),
        Some(Some(unwell)) => ("unhealthy", unwell.cause.to_string()),
    };
    Reply::json(&Service { status, message })
}
