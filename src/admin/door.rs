//! From a request's head to what a handler is called with.

use std::sync::Arc;

use super::actor::{Actor, Needs};
use super::ask::{Ask, Shell};
use super::query::Query;
use super::reply::{Refusal, Reply};
use super::route::{Answers, Found, Route};
use super::table;
use crate::exchange::{Head, Visitor, World};
use crate::vocabulary::{Fault, Now};

/// The longest name in `litellm-changed-by`.
const CHANGED_BY_BYTES_MAX: usize = 256;

/// What a listener is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Side {
    /// Calls, and the management API.
    #[default]
    Both,
    /// Calls alone: the management API has a listener of its own.
    Calls,
    /// The management API alone, with health and metrics.
    Management,
}

impl Side {
    /// Whether the paths of this API are looked up.
    pub fn manages(self) -> bool {
        self != Self::Calls
    }

    /// Whether a path that is answered on the way of calls is served here.
    pub fn serves(self, path: &str) -> bool {
        let path = path.strip_suffix('/').filter(|rest| !rest.is_empty()).unwrap_or(path);
        match self {
            Self::Both | Self::Calls => true,
            Self::Management => {
                table::all().any(|route| matches!(route.answers, Answers::Elsewhere) && route.path == path)
            }
        }
    }
}

/// What became of a head.
pub enum Knock {
    /// Let in: read the body, then [`Request::answer`].
    Enter(Box<Request>),
    /// Refused here.
    Refused(Refusal),
    /// Refused at the door of all calls: no valid key.
    Unknown(Fault),
}

/// A request that was let in, without its body.
#[derive(Debug)]
pub struct Request {
    route: &'static Route,
    path: Vec<String>,
    query: Query,
    actor: Actor,
    changed_by: Option<String>,
}

/// Looks a request up in the table and lets it in or not; None: there is no such path.
pub fn knock(world: &World, head: &Head<'_>, now: Now) -> Option<Knock> {
    Some(match table::find(head.method, head.path)? {
        Found::Method(allow) => Knock::Refused(Refusal::Method(allow)),
        Found::BadPath => Knock::Refused(Refusal::bad("the path is no percent-encoded text")),
        Found::Route(route, path) => match enter(world, head, (route, path), now) {
            Ok(request) => Knock::Enter(Box::new(request)),
            Err(knock) => knock,
        },
    })
}

fn enter(
    world: &World,
    head: &Head<'_>,
    (route, path): (&'static Route, Vec<String>),
    now: Now,
) -> Result<Request, Knock> {
    let actor = match route.needs {
        Needs::Nothing => Actor::Anybody,
        _ => {
            let visitor = Visitor::enter(world, head, now).map_err(Knock::Unknown)?;
            Actor::of(visitor, &world.around.roster)
        }
    };
    actor.may(route, world).map_err(Knock::Refused)?;
    let query = Query::read(head.query.unwrap_or_default(), route.query).map_err(Knock::Refused)?;
    let changed_by = (head.header)("litellm-changed-by").and_then(|name| std::str::from_utf8(name).ok());
    let changed_by = changed_by.map(str::trim).filter(|name| !name.is_empty() && name.len() <= CHANGED_BY_BYTES_MAX);
    Ok(Request { route, path, query, actor, changed_by: changed_by.map(str::to_owned) })
}

impl Request {
    /// Whether it has a body to read.
    pub fn takes_body(&self) -> bool {
        self.route.takes.is_some()
    }

    /// Answers it. May wait for a disk.
    pub fn answer(&self, world: &Arc<World>, body: &[u8], shell: &dyn Shell, now: Now) -> Reply {
        let Answers::Here(handler) = self.route.answers else { return Refusal::Detail(404, "Not Found").reply() };
        let ask = Ask {
            world,
            actor: &self.actor,
            path: &self.path,
            query: &self.query,
            body,
            changed_by: self.changed_by.as_deref(),
            route: self.route.path,
            shell,
            now,
        };
        handler(&ask).unwrap_or_else(|refusal| refusal.reply())
    }
}
