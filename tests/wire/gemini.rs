//! Answers in Gemini's form.

use serde_json::Value;

use super::frames::Event;
use super::said::{Call, Counts, End, Said, count, error_message, list, text};

/// Reads a whole answer.
pub(crate) fn whole(value: &Value) -> Said {
    chunks(std::slice::from_ref(value))
}

/// Reads a stream of events.
pub(crate) fn stream(events: &[Event]) -> Said {
    let values: Vec<Value> = events.iter().filter_map(Event::json).collect();
    let mut said = chunks(&values);
    said.check(values.len() == events.len(), "every event is JSON");
    said.check(said.end.is_some() || said.error.is_some(), "the last event has a finishReason or is an error");
    said
}

/// Reads the objects of an answer, one or many.
pub(crate) fn chunks(values: &[Value]) -> Said {
    let mut said = Said::default();
    for value in values {
        if value["error"].is_object() || value[0]["error"].is_object() {
            said.error = error_message(value);
        }
        if value["promptFeedback"]["blockReason"].is_string() {
            said.end = Some(End::Filter);
        }
        let candidates = list(value, "candidates");
        let first = candidates.iter().find(|candidate| candidate["index"].as_u64().unwrap_or(0) == 0);
        if let Some(candidate) = first {
            list(&candidate["content"], "parts").iter().for_each(|part| read(part, &mut said));
            said.end = end(text(candidate, "finishReason")).or(said.end);
        }
        said.usage = usage(&value["usageMetadata"]).or(said.usage);
    }
    if said.end == Some(End::Stop) && !said.calls.is_empty() {
        said.end = Some(End::Calls);
    }
    said
}

fn read(part: &Value, said: &mut Said) {
    let call = &part["functionCall"];
    if call.is_object() && call["name"].is_null() {
        // More of the call before.
        list(call, "partialArgs").iter().for_each(|piece| more(piece, said));
    } else if call.is_object() {
        said.calls.push(Call {
            id: text(call, "id").to_owned(),
            name: text(call, "name").to_owned(),
            arguments: call["args"].to_string(),
        });
    } else if part["thought"] == true {
        said.thinking.push_str(text(part, "text"));
    } else {
        said.text.push_str(text(part, "text"));
    }
}

/// Puts a piece of a call's arguments where its path says: a value, or more of a text.
fn more(piece: &Value, said: &mut Said) {
    let Some(call) = said.calls.last_mut() else { return };
    let mut arguments: Value = serde_json::from_str(&call.arguments).unwrap_or_default();
    let mut place = &mut arguments;
    for step in text(piece, "jsonPath").trim_start_matches('$').split(['.', '[', ']']).filter(|step| !step.is_empty()) {
        place = match step.parse::<usize>() {
            Ok(at) => {
                if !place.is_array() {
                    *place = Value::Array(Vec::new());
                }
                let items = place.as_array_mut().unwrap();
                items.resize(items.len().max(at + 1), Value::Null);
                &mut items[at]
            }
            Err(_) => &mut place[step.trim_matches('\'')],
        };
    }
    match (&mut *place, piece) {
        (Value::String(known), piece) if piece["stringValue"].is_string() => known.push_str(text(piece, "stringValue")),
        (place, piece) => {
            let kinds = ["stringValue", "numberValue", "boolValue"].map(|kind| &piece[kind]);
            *place = kinds.into_iter().find(|value| !value.is_null()).cloned().unwrap_or_default();
        }
    }
    call.arguments = arguments.to_string();
}

fn end(reason: &str) -> Option<End> {
    Some(match reason {
        "" | "FINISH_REASON_UNSPECIFIED" => return None,
        "MAX_TOKENS" => End::Length,
        "SAFETY"
        | "RECITATION"
        | "BLOCKLIST"
        | "PROHIBITED_CONTENT"
        | "SPII"
        | "IMAGE_SAFETY"
        | "IMAGE_PROHIBITED_CONTENT"
        | "IMAGE_RECITATION"
        | "LANGUAGE"
        | "MODEL_ARMOR" => End::Filter,
        _ => End::Stop,
    })
}

/// What tools brought into the prompt counts as prompt, thoughts count as completion.
fn usage(usage: &Value) -> Option<Counts> {
    let reasoning = count(usage, "thoughtsTokenCount");
    let prompt = usage["promptTokenCount"].as_u64()? + count(usage, "toolUsePromptTokenCount");
    Some(Counts {
        prompt,
        completion: count(usage, "candidatesTokenCount") + reasoning,
        cached: count(usage, "cachedContentTokenCount").min(prompt),
        written: 0,
        reasoning,
    })
}
