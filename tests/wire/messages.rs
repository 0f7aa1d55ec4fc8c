//! Answers in the form of Anthropic's messages.

use serde_json::Value;

use super::frames::Event;
use super::said::{Call, Counts, End, Said, count, error_message, list, text};

/// Reads a whole answer.
pub(crate) fn whole(value: &Value) -> Said {
    if text(value, "type") == "error" || value["content"].is_null() {
        return Said::failed(error_message(value).unwrap_or_default());
    }
    let mut said = Said { end: end(value["stop_reason"].as_str()), ..Said::default() };
    for block in list(value, "content") {
        begin(block, &mut said);
        if text(block, "type") == "tool_use" {
            said.calls.last_mut().unwrap().arguments = block["input"].to_string();
        }
    }
    said.usage = usage(&[&value["usage"]]);
    said
}

fn begin(block: &Value, said: &mut Said) {
    match text(block, "type") {
        "text" => said.text.push_str(text(block, "text")),
        "thinking" => said.thinking.push_str(text(block, "thinking")),
        "tool_use" => said.calls.push(Call {
            id: text(block, "id").to_owned(),
            name: text(block, "name").to_owned(),
            arguments: String::new(),
        }),
        _ => {}
    }
}

fn end(reason: Option<&str>) -> Option<End> {
    Some(match reason? {
        "max_tokens" | "model_context_window_exceeded" => End::Length,
        "tool_use" => End::Calls,
        "refusal" => End::Filter,
        _ => End::Stop,
    })
}

/// Input is counted in three parts. Of several usages the last says it; what it leaves out stands in one before.
fn usage(usages: &[&Value]) -> Option<Counts> {
    let last = |name: &str| usages.iter().rev().find_map(|usage| usage[name].as_u64());
    let part = |name: &str| last(name).unwrap_or(0);
    let completion = last("output_tokens")?;
    let (cached, written) = (part("cache_read_input_tokens"), part("cache_creation_input_tokens"));
    let reasoning = usages.iter().rev().map(|usage| count(&usage["output_tokens_details"], "thinking_tokens")).max();
    Some(Counts {
        prompt: last("input_tokens")? + cached + written,
        completion,
        cached,
        written,
        reasoning: reasoning.unwrap_or(0),
    })
}

/// Reads a stream.
pub(crate) fn stream(events: &[Event]) -> Said {
    let values: Vec<Value> = events.iter().filter_map(Event::json).collect();
    let mut said = Said::default();
    let named = |(event, value): (&Event, &Value)| event.name.as_deref() == Some(text(value, "type"));
    said.check(events.len() == values.len() && events.iter().zip(&values).all(named), "events are named as their type");
    said.check(values.first().is_some_and(|event| text(event, "type") == "message_start"), "message_start is first");
    let (mut usages, mut open, mut blocks, mut stopped) = (Vec::new(), None, 0, false);
    // The call that the open block is, if it is one.
    let mut call = None;
    for event in &values {
        said.check(!stopped, "nothing follows message_stop");
        match text(event, "type") {
            "message_start" => usages.push(&event["message"]["usage"]),
            "content_block_start" => {
                said.check(
                    open.is_none() && event["index"].as_u64() == Some(blocks),
                    "blocks come one after the other",
                );
                (open, blocks) = (event["index"].as_u64(), blocks + 1);
                begin(&event["content_block"], &mut said);
                call = (text(&event["content_block"], "type") == "tool_use").then(|| said.calls.len() - 1);
                if let Some(call) = call {
                    let input = &event["content_block"]["input"];
                    let empty = input.as_object().is_none_or(serde_json::Map::is_empty);
                    said.call(call).arguments = if empty { String::new() } else { input.to_string() };
                }
            }
            "content_block_delta" => {
                said.check(open.is_some() && open == event["index"].as_u64(), "a delta is of the open block");
                delta(&event["delta"], call, &mut said);
            }
            "content_block_stop" => {
                said.check(open.is_some() && open == event["index"].as_u64(), "what is open is closed");
                open = None;
            }
            "message_delta" => {
                said.end = end(event["delta"]["stop_reason"].as_str());
                usages.push(&event["usage"]);
            }
            "message_stop" => stopped = true,
            "error" => said.error = error_message(event),
            _ => {}
        }
    }
    said.check(open.is_none() || said.error.is_some(), "no block stays open");
    said.check(stopped || said.error.is_some(), "the last event is message_stop or an error");
    said.usage = usage(&usages);
    said.charged = usages.iter().filter_map(|usage| usage["cost"].as_f64()).reduce(f64::max);
    said
}

fn delta(delta: &Value, call: Option<usize>, said: &mut Said) {
    match text(delta, "type") {
        "text_delta" => said.text.push_str(text(delta, "text")),
        "thinking_delta" => said.thinking.push_str(text(delta, "thinking")),
        "input_json_delta" => {
            if let Some(call) = call {
                said.call(call).arguments.push_str(text(delta, "partial_json"));
            }
        }
        _ => {}
    }
}
