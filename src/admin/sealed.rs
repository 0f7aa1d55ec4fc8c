//! What models and credentials on record have in common: members laid upon others, and secrets sealed.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde_json::value::RawValue;
use zeroize::Zeroizing;

use super::ask::Ask;
use super::reply::{Refusal, Reply};
use crate::roster::{Json, rewrite};

/// What stands in the place of a secret in answers. A client that sends it back means what is there.
pub(super) const MASK: &str = "****";

type Members<'a> = BTreeMap<Cow<'a, str>, Cow<'a, RawValue>>;

/// A text as it is kept. References to the environment stay as they are, and so does the mask: see [`lay`].
pub(super) fn seal(ask: &Ask<'_>, text: &str) -> Result<String, Refusal> {
    if text.starts_with("os.environ/") || text.is_empty() || text == MASK {
        return Ok(text.to_owned());
    }
    // Whoever may add a model may send what it holds anywhere.
    if text.starts_with("file:") {
        return Err(Refusal::bad("file:PATH is for the configuration file: give the value, or os.environ/NAME"));
    }
    let seal = ask.world.around.seal().map_err(Refusal::bad)?;
    seal.seal(text).ok_or_else(|| Refusal::ours("the machine gives no random bytes"))
}

/// A JSON object as it is kept.
pub(super) fn seal_all(ask: &Ask<'_>, json: &Json) -> Result<Json, Refusal> {
    let refused = std::cell::Cell::new(None);
    let sealed = rewrite(json, &|text| {
        seal(ask, text).map(Zeroizing::new).map_err(|refusal| {
            refused.set(Some(refusal));
            String::new()
        })
    });
    let sealed = sealed.map_err(|reason| refused.take().unwrap_or_else(|| Refusal::bad(reason)))?;
    Json::parse(&sealed).map_err(Refusal::ours)
}

/// Lays members upon those that are there: null takes one away, a masked one stays.
pub(super) fn lay(upon: &Json, more: &Json) -> Result<Json, Refusal> {
    let mut members = members(upon)?;
    for (name, value) in self::members(more)? {
        if value.get() == "null" {
            members.remove(&name);
        } else if serde_json::from_str::<&str>(value.get()).is_ok_and(|text| text == MASK) {
            members.entry(name).or_insert(value);
        } else {
            members.insert(name, value);
        }
    }
    written(&members)
}

/// One member of an object, if it is a text.
pub(super) fn text_in(json: &Json, name: &str) -> Option<String> {
    serde_json::from_str(members(json).ok()?.get(name)?.get()).ok()
}

fn members(json: &Json) -> Result<Members<'_>, Refusal> {
    if json.is_null() {
        return Ok(Members::new());
    }
    let borrowed: BTreeMap<Cow<'_, str>, &RawValue> = serde_json::from_str(json.as_str()).map_err(Refusal::ours)?;
    Ok(borrowed.into_iter().map(|(name, value)| (name, Cow::Borrowed(value))).collect())
}

fn written(members: &Members<'_>) -> Result<Json, Refusal> {
    let text = serde_json::to_string(members).map_err(Refusal::ours)?;
    Json::parse(&text).map_err(Refusal::ours)
}

/// A JSON text of ours.
pub(super) fn object(text: &str) -> Result<Json, Refusal> {
    Json::parse(text).map_err(Refusal::ours)
}

/// Serves what is on record by now, and answers.
pub(super) fn served<T: serde::Serialize>(ask: &Ask<'_>, answer: &T) -> Result<Reply, Refusal> {
    let failed = |reason| Refusal::told(500, format_args!("it is on record, and not served yet: {reason}"));
    ask.shell.rebuild().map_err(failed)?;
    Reply::json(answer)
}
