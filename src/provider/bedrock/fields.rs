//! Members besides the conversation: what Converse knows at the top, and what it hands on to the model.

use std::collections::BTreeMap;

use serde::Serialize;

use super::body::Members;
use super::converse::Dropped;
use super::family::Family;
use crate::chat::{Api, Chat, Raw, Str};
use crate::vocabulary::{Fault, Kind};

/// Members of Converse's own, and how else clients spell them.
const TOP: [(&str, &str); 7] = [
    ("guardrailConfig", "guardrail_config"),
    ("requestMetadata", "request_metadata"),
    ("performanceConfig", "performance_config"),
    ("serviceTier", "serviceTier"),
    ("additionalModelResponseFieldPaths", "additional_model_response_field_paths"),
    ("promptVariables", "prompt_variables"),
    ("outputConfig", "outputConfig"),
];

#[derive(Serialize)]
struct Tier<'a> {
    r#type: &'a str,
}

#[derive(Serialize)]
struct Asker<'a> {
    user: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct NovaInference<'a> {
    top_k: Raw<'a>,
}

/// Sorts what the client gave beside OpenAI's parameters: Converse's own members, and the model's.
pub(super) fn carry<'a>(chat: &Chat<'a>) -> Result<(Members<'a>, Members<'a>), Fault> {
    let (mut top, mut fields) = (Members::default(), Members::default());
    for (name, value) in &chat.extra {
        match TOP.iter().find(|(known, also)| **name == **known || **name == **also) {
            Some((known, _)) => top.carry(*known, value),
            None if matches!(&**name, "additionalModelRequestFields" | "additional_model_request_fields") => {
                for (name, value) in members(name, value)? {
                    fields.carry(name, value);
                }
            }
            None => fields.carry(name.clone(), value),
        }
    }
    for (_, name, value) in chat.native.iter().filter(|(api, ..)| *api == Api::Converse) {
        top.carry(name.clone(), value);
    }
    Ok((top, fields))
}

fn members<'a>(name: &str, value: Raw<'a>) -> Result<BTreeMap<Str<'a>, Raw<'a>>, Fault> {
    serde_json::from_str(value.get())
        .map_err(|_| Fault::client(Kind::BadRequest, format!("{name}: expected an object")).param(name.to_owned()))
}

/// Adds what of OpenAI's parameters has a name of its own in Converse, or in the model.
pub(super) fn add<'a>(
    chat: &Chat<'a>,
    stream: bool,
    family: Family,
    thinks: bool,
    top: &mut Members<'a>,
    fields: &mut Members<'a>,
    dropped: &mut Dropped,
) {
    match (&chat.top_k, family) {
        (None, _) => {}
        (Some(_), _) if thinks => dropped.note("top_k"),
        (Some(top_k), Family::Nova | Family::Nova2) => fields.make("inferenceConfig", &NovaInference { top_k }),
        (Some(top_k), _) => fields.carry("top_k", top_k),
    }
    if let Some(tier) = chat.service_tier.as_deref().filter(|tier| *tier != "auto") {
        match tier {
            "standard_only" | "standard" => top.make("serviceTier", &Tier { r#type: "default" }),
            "default" | "flex" | "priority" | "reserved" => top.make("serviceTier", &Tier { r#type: tier }),
            _ => dropped.note("service_tier"),
        }
    }
    if let Some(user) = chat.user.as_deref() {
        // It is for the log of invocations; what AWS would refuse there is not worth the answer.
        if is_metadata(user) && !top.has("requestMetadata") {
            top.make("requestMetadata", &Asker { user });
        } else {
            dropped.note("user");
        }
    }
    if matches!(family, Family::Claude(_)) && !chat.stop.is_empty() {
        // So that the answer tells which was met.
        let path = if stream { "/delta/stop_sequence" } else { "/stop_sequence" };
        top.make("additionalModelResponseFieldPaths", &[path]);
    }
    if chat.parallel_tool_calls == Some(false) && !matches!(family, Family::Claude(_)) {
        dropped.note("parallel_tool_calls");
    }
}

/// What a value of `requestMetadata` may be.
fn is_metadata(text: &str) -> bool {
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b" :_@$#=/+,-.".contains(&byte);
    (1..=256).contains(&text.len()) && text.bytes().all(is_allowed)
}
