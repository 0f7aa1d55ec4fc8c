//! What is answered here: health, metrics, the list of models.

use std::net::IpAddr;

use bytes::Bytes;

use super::caller::Caller;
use super::{HealthQuery, World};
use crate::dialect::{Route, openai};
use crate::json;
use crate::ledger::Halts;
use crate::roster::Role;
use crate::vocabulary::{Fault, Kind, ModelName};

/// An answer that needs no upstream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LocalAnswer {
    /// JSON to send with status 200.
    Json(Bytes),
    /// Whether requests are taken, and what to say; the shell knows whether it is stopping.
    Readiness {
        /// Whether everything that must work does.
        ready: bool,
        /// JSON.
        body: Bytes,
    },
    /// How deployments fare; where they are not checked all the time, the shell checks them now.
    Health(HealthQuery),
    /// Metrics in Prometheus' text format; the shell renders them.
    Metrics,
}

/// Answers for everybody, without a key.
pub(super) fn open_to_all(world: &World, route: &Route) -> Option<LocalAnswer> {
    match route {
        Route::Liveness => Some(LocalAnswer::Json(Bytes::from_static(b"\"I'm alive!\""))),
        Route::Readiness => Some(readiness(world)),
        Route::Root => Some(LocalAnswer::Json(Bytes::from_static(
            concat!("{\"name\":\"tollgate\",\"version\":\"", env!("CARGO_PKG_VERSION"), "\"}").as_bytes(),
        ))),
        _ => None,
    }
}

/// Whether the gateway can do its work, in LiteLLM's words.
fn readiness(world: &World) -> LocalAnswer {
    let body = |text: &'static [u8]| Bytes::from_static(text);
    let Some(keeper) = world.around.ledger.keeper() else {
        return LocalAnswer::Readiness { ready: true, body: body(br#"{"status":"healthy","db":"Not connected"}"#) };
    };
    match keeper.unwell() {
        None => LocalAnswer::Readiness { ready: true, body: body(br#"{"status":"healthy","db":"connected"}"#) },
        Some(unwell) => {
            // All nodes lose a database at once: as long as each can do its work, it is sent requests.
            let ready = unwell.halts == Halts::Nothing;
            let status = if ready { "healthy" } else { "unhealthy" };
            let mut text = format!(r#"{{"status":"{status}","db":"Not connected","cause":"#).into_bytes();
            text.extend_from_slice(&json::quote(&unwell.cause));
            text.push(b'}');
            LocalAnswer::Readiness { ready, body: text.into() }
        }
    }
}

/// Whether metrics are given without a key: as configured, else to callers on this machine.
pub(super) fn metrics_are_open(world: &World, from: Option<IpAddr>) -> bool {
    match world.settings.metrics_auth {
        Some(needed) => !needed,
        None => world.is_open() || from.is_some_and(|ip| ip.to_canonical().is_loopback()),
    }
}

/// Answers for those who showed a key.
pub(super) fn for_callers(world: &World, route: &Route, caller: Option<&Caller>) -> Result<LocalAnswer, Fault> {
    match route {
        Route::Models => Ok(LocalAnswer::Json(openai::models(visible(world, caller).iter().map(String::as_str)))),
        Route::Model(name) => model(world, caller, name),
        Route::Metrics if sees_all(world, caller) => Ok(LocalAnswer::Metrics),
        Route::Metrics => {
            let text = "metrics are shown to the master key and to administrators only";
            Err(Fault::client(Kind::NeedsMasterKey, text).param("None"))
        }
        Route::Health(query) => match caller {
            Some(Caller::Master) => HealthQuery::read(query).map(LocalAnswer::Health),
            _ => Err(Fault::client(Kind::NeedsMasterKey, "deployments are shown to the master key only").param("None")),
        },
        _ => Err(Fault::client(Kind::NotFound, "Not Found")),
    }
}

/// The master, and a user who is an administrator, also one who changes nothing.
fn sees_all(world: &World, caller: Option<&Caller>) -> bool {
    let Some(caller) = caller else { return false };
    let record = caller.standing().and_then(|standing| standing.record.as_ref());
    let user = record.and_then(|record| world.around.roster.users.find(record.user_id.as_deref()?));
    caller.is_admin() || user.is_some_and(|user| matches!(user.user_role, Role::ProxyAdmin | Role::ProxyAdminViewer))
}

fn model(world: &World, caller: Option<&Caller>, name: &str) -> Result<LocalAnswer, Fault> {
    let unknown = || {
        Fault::client(Kind::NotFound, format!("The model `{name}` does not exist or is not available to this key"))
            .param("model")
    };
    let asked = ModelName::parse(name).map_err(|_| unknown())?;
    let own = caller.and_then(Caller::standing).and_then(|standing| standing.alias_for(&asked));
    let meant = own.map_or(asked.as_str(), ModelName::as_str);
    let target = world.table.alias(meant).map_or(meant, |alias| alias.target.as_str());
    let group = &world.table.resolve(target).ok_or_else(unknown)?.group.name;
    let allowed = own.is_some() || caller.is_none_or(|caller| caller.may_name(&[asked.as_str(), target, group]));
    if allowed { Ok(LocalAnswer::Json(openai::model(name))) } else { Err(unknown()) }
}

/// The names a caller may ask for, sorted.
fn visible(world: &World, caller: Option<&Caller>) -> Vec<String> {
    let all = world.table.listed();
    let Some((caller, standing)) = caller.and_then(|caller| Some((caller, caller.standing()?))) else {
        return all.into_iter().map(str::to_owned).collect();
    };
    let may_use = |name: &&str| {
        let target = world.table.alias(name).map_or(*name, |alias| alias.target.as_str());
        caller.may_name(&[name, target])
    };
    let mut names: Vec<_> = all.into_iter().filter(may_use).map(str::to_owned).collect();
    names.extend(standing.aliases().map(ToString::to_string));
    names.sort_unstable();
    names.dedup();
    names
}
