//! Which deployments a request would be considered for, and why not the others: without sending anything.

use std::sync::Arc;

use bytes::Bytes;

use super::caller::Caller;
use super::choice::Aside;
use super::close::{Ending, Sent};
use super::enter::{Common, Opened};
use super::plan::Planned;
use super::{Refused, World};
use crate::dialect::{Endpoint, PathStream};
use crate::json;
use crate::vocabulary::{Fault, Kind, Matter, Now};

/// How a request would be routed.
#[derive(Clone, Debug)]
pub struct Explained {
    /// The group that the model stands for.
    pub group: String,
    /// It stands in for what is switched off.
    pub rerouted: bool,
    /// Its deployments, in the order in which they are considered; those that are left out last.
    pub deployments: Vec<Considered>,
    /// Where a request goes on after a failure, after one about its length, and after one of the content policy.
    pub fallbacks: [Vec<String>; 3],
}

/// A deployment as it would be considered.
#[derive(Clone, Debug)]
pub struct Considered {
    /// `model_info.id`.
    pub id: String,
    /// `provider/model`.
    pub model: String,
    /// `order`, where it has one.
    pub order: Option<i64>,
    /// Its share among those with the same order, in thousandths; zero where it is left out.
    pub share_milli: u64,
    /// Why it is left out.
    pub aside: Option<Aside>,
    /// `file:line` of its entry.
    pub place: String,
}

/// Explains the routing of a small chat for a model. `who` is a virtual key, its alias or its hash, or the master key;
/// None: whoever may do everything.
///
/// # Errors
/// No such key, or what the caller would be told.
pub fn explain(
    world: &Arc<World>,
    who: Option<&str>,
    model: &str,
    tags: &[String],
    now: Now,
) -> Result<Explained, Fault> {
    let caller = caller(world, who)?;
    let mut common = Common::new(world, "explain".to_owned(), None, now);
    common.caller = Some(caller);
    common.wishes.tags = tags.to_vec();
    let model = String::from_utf8_lossy(&json::quote(model)).into_owned();
    let body = format!(r#"{{"model":{model},"messages":[{{"role":"user","content":"Hello"}}]}}"#);
    let opened = Opened {
        common,
        endpoint: Endpoint::ChatCompletions,
        path_model: None,
        path_stream: PathStream::Body,
        own_headers: Vec::new(),
        pass: None,
        meant: None,
    };
    let planned = opened.plan(Bytes::from(body), now, now).map_err(|refused| told(refused, now))?;
    let explained = planned.explained(world, now);
    planned.close(Ending::Refused, None, &Sent::default(), now);
    Ok(explained)
}

fn told(refused: Box<Refused>, now: Now) -> Fault {
    let fault = refused.fault.clone();
    refused.close(0, 0, Ending::Refused, now);
    fault
}

fn caller(world: &World, who: Option<&str>) -> Result<Caller, Fault> {
    let Some(who) = who else { return Ok(Caller::Master) };
    let master = world.settings.master_key.as_ref().is_some_and(|master| master.expose() == who);
    if master {
        return Ok(Caller::Master);
    }
    let named = || world.keys.keys().find(|key| key.alias.as_deref() == Some(who) || key.hash.to_string() == who);
    let found = world.keys.find(who).or_else(named);
    let standing = found.and_then(|key| world.configured(&key.hash));
    standing.map(Caller::Key).ok_or_else(|| Fault::client(Kind::UnknownKey, "no key is called so"))
}

impl Planned {
    fn explained(&self, world: &World, now: Now) -> Explained {
        let tagged = self.tagged(world, &self.group);
        let mut deployments: Vec<_> = (0..self.group.members.len())
            .map(|position| {
                let member = self.group.members[position];
                let settings = &world.deployments[member.deployment].settings;
                let considered = Considered {
                    id: settings.id.to_string(),
                    model: format!("{}/{}", settings.provider, settings.model),
                    order: settings.order,
                    share_milli: member.share,
                    aside: self.aside(world, &self.group, position, tagged, now),
                    place: settings.place.clone(),
                };
                (member.order, considered)
            })
            .collect();
        deployments.sort_by_key(|(order, considered)| (considered.aside.is_some(), *order));
        let of_order = |wanted: i64| -> u64 {
            let same = deployments.iter().filter(|(order, considered)| *order == wanted && considered.aside.is_none());
            same.map(|(_, considered)| considered.share_milli).sum()
        };
        let totals: Vec<_> = deployments.iter().map(|(order, _)| of_order(*order)).collect();
        for ((_, considered), total) in deployments.iter_mut().zip(totals) {
            let share = considered.share_milli.saturating_mul(1000).checked_div(total).unwrap_or(0);
            considered.share_milli = if considered.aside.is_some() { 0 } else { share };
        }
        let onward = |matter| {
            let fault = Fault::upstream(Kind::UpstreamStatus(500), "").about(matter);
            self.onward_names(world, &fault)
        };
        Explained {
            group: self.group.name.to_string(),
            rerouted: self.is_rerouted(),
            deployments: deployments.into_iter().map(|(_, considered)| considered).collect(),
            fallbacks: [Matter::Other, Matter::ContextWindow, Matter::ContentPolicy].map(onward),
        }
    }
}
