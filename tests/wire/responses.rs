//! Answers in the form of OpenAI's responses.

use std::collections::HashMap;

use serde_json::Value;

use super::frames::Event;
use super::said::{Call, Counts, End, Said, charged, count, error_message, list, text};

/// Reads a whole answer.
pub(crate) fn whole(value: &Value) -> Said {
    if value["output"].is_null() || value["error"].is_object() {
        return Said::failed(error_message(value).unwrap_or_default());
    }
    let mut said = Said::default();
    for item in list(value, "output") {
        match text(item, "type") {
            "message" => list(item, "content").iter().for_each(|part| {
                said.text.push_str(text(part, "text"));
                said.text.push_str(text(part, "refusal"));
            }),
            "reasoning" => {
                let parts = list(item, "summary").iter().chain(list(item, "content"));
                parts.for_each(|part| said.thinking.push_str(text(part, "text")));
            }
            "function_call" => said.calls.push(Call {
                id: text(item, "call_id").to_owned(),
                name: text(item, "name").to_owned(),
                arguments: text(item, "arguments").to_owned(),
            }),
            _ => {}
        }
    }
    said.end = end(value);
    said.usage = usage(&value["usage"]);
    said.charged = charged(&value["usage"]);
    said
}

fn end(response: &Value) -> Option<End> {
    match (text(response, "status"), text(&response["incomplete_details"], "reason")) {
        ("completed", _) => Some(End::Stop),
        ("incomplete", "content_filter") => Some(End::Filter),
        ("incomplete", _) => Some(End::Length),
        _ => None,
    }
}

fn usage(usage: &Value) -> Option<Counts> {
    usage.is_object().then(|| Counts {
        prompt: count(usage, "input_tokens"),
        completion: count(usage, "output_tokens"),
        cached: count(&usage["input_tokens_details"], "cached_tokens"),
        written: count(&usage["input_tokens_details"], "cache_write_tokens"),
        reasoning: count(&usage["output_tokens_details"], "reasoning_tokens"),
    })
}

/// Reads a stream by its deltas, and holds what they say against the whole answer at its end.
pub(crate) fn stream(events: &[Event]) -> Said {
    let events: Vec<Value> = events.iter().filter_map(Event::json).collect();
    let mut said = Said::default();
    said.check(
        events.first().is_some_and(|event| text(event, "type") == "response.created"),
        "response.created is first",
    );
    let numbers = events.iter().enumerate();
    let in_order = numbers.into_iter().all(|(at, event)| event["sequence_number"].as_u64() == Some(at as u64));
    said.check(in_order, "sequence_number counts from 0");
    let mut calls = HashMap::new();
    let mut last = None;
    for event in &events {
        said.check(last.is_none(), "nothing follows the end");
        match text(event, "type") {
            "response.output_text.delta" | "response.refusal.delta" => said.text.push_str(text(event, "delta")),
            "response.reasoning_summary_text.delta" | "response.reasoning_text.delta" => {
                said.thinking.push_str(text(event, "delta"));
            }
            "response.output_item.added" if text(&event["item"], "type") == "function_call" => {
                let item = &event["item"];
                calls.insert(event["output_index"].as_u64(), said.calls.len());
                said.calls.push(Call {
                    id: text(item, "call_id").to_owned(),
                    name: text(item, "name").to_owned(),
                    arguments: String::new(),
                });
            }
            "response.function_call_arguments.delta" => match calls.get(&event["output_index"].as_u64()) {
                Some(at) => said.call(*at).arguments.push_str(text(event, "delta")),
                None => said.check(false, "a call begins before its arguments"),
            },
            "response.completed" | "response.incomplete" => last = Some(whole(&event["response"])),
            "response.failed" | "error" => said.error = error_message(event),
            _ => {}
        }
    }
    match last {
        Some(last) => agree(&mut said, last),
        None => {
            said.check(said.error.is_some(), "the last event is response.completed, response.incomplete or an error")
        }
    }
    said
}

/// The answer at the end repeats what the deltas said.
fn agree(said: &mut Said, last: Said) {
    said.check(said.text == last.text, "the whole answer has the text of its deltas");
    said.check(said.thinking == last.thinking, "the whole answer has the thoughts of its deltas");
    let plain = |said: &Said| said.calls.iter().map(|call| format!("{call:?}")).collect::<Vec<_>>();
    said.check(plain(said) == plain(&last), "the whole answer has the calls of its deltas");
    said.error = last.error.or_else(|| said.error.take());
    (said.end, said.usage, said.charged) = (last.end, last.usage, last.charged);
}
