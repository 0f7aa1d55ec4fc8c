//! Answers in the form of OpenAI's chat completions, as OpenAI and all those write them who follow it.

use serde_json::Value;

use super::frames::Event;
use super::said::{Call, Counts, End, Said, charged, error_message, list, text};

/// Reads a whole answer.
pub(crate) fn whole(value: &Value) -> Said {
    if value["error"].is_object() || value["choices"].is_null() {
        return Said::failed(error_message(value).unwrap_or_default());
    }
    let choice = &value["choices"][0];
    let mut said = Said { end: end(choice), ..Said::default() };
    message(&choice["message"], &mut said);
    for call in list(&choice["message"], "tool_calls") {
        said.calls.push(Call {
            id: text(call, "id").to_owned(),
            name: text(&call["function"], "name").to_owned(),
            arguments: arguments(&call["function"]["arguments"]),
        });
    }
    let legacy = &choice["message"]["function_call"];
    if !text(legacy, "name").is_empty() && said.calls.is_empty() {
        let arguments = arguments(&legacy["arguments"]);
        said.calls.push(Call { id: String::new(), name: text(legacy, "name").to_owned(), arguments });
    }
    bill(std::slice::from_ref(value), &mut said);
    said
}

/// Reads a stream.
pub(crate) fn stream(events: &[Event]) -> Said {
    let mut said = Said::default();
    said.check(events.last().is_some_and(|event| event.data == "[DONE]"), "the last event is [DONE]");
    let chunks: Vec<Value> = events.iter().filter_map(Event::json).collect();
    let mut calls = Calls::default();
    for chunk in &chunks {
        if chunk["error"].is_object() || chunk["error"].is_string() {
            said.error = error_message(chunk);
        }
        for choice in list(chunk, "choices").iter().filter(|choice| choice["index"].as_u64().unwrap_or(0) == 0) {
            let delta = &choice["delta"];
            message(delta, &mut said);
            list(delta, "tool_calls").iter().for_each(|call| calls.read(call, &mut said));
            if delta["function_call"].is_object() {
                calls.read(&serde_json::json!({"index": 0, "function": delta["function_call"]}), &mut said);
            }
            said.end = end(choice).or(said.end);
        }
    }
    let ids: std::collections::BTreeSet<_> = chunks.iter().map(|chunk| text(chunk, "id")).collect();
    said.check(ids.len() <= 1 || said.error.is_some(), "all chunks have one id");
    bill(&chunks, &mut said);
    said
}

/// Which calls pieces belong to: some vendors count them, some give them ids, some do neither.
#[derive(Default)]
struct Calls {
    // The vendor's number of each call.
    indexes: Vec<u64>,
}

impl Calls {
    fn read(&mut self, piece: &Value, said: &mut Said) {
        let (id, function) = (text(piece, "id"), &piece["function"]);
        let index = piece["index"].as_u64().unwrap_or(0);
        let known = self.indexes.iter().rposition(|known| *known == index);
        let known = known.filter(|at| id.is_empty() || said.calls[*at].id.is_empty() || said.calls[*at].id == id);
        let at = known.unwrap_or_else(|| {
            self.indexes.push(index);
            self.indexes.len() - 1
        });
        let call = said.call(at);
        if !id.is_empty() {
            call.id = id.to_owned();
        }
        if call.name.is_empty() {
            call.name.push_str(text(function, "name"));
        }
        call.arguments.push_str(&arguments(&function["arguments"]));
    }
}

/// Arguments are a text of JSON; a few servers send the JSON itself.
fn arguments(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

fn message(message: &Value, said: &mut Said) {
    match &message["content"] {
        Value::String(content) => said.text.push_str(content),
        Value::Array(parts) => parts.iter().for_each(|part| match text(part, "type") {
            "thinking" => {
                list(part, "thinking").iter().for_each(|thought| said.thinking.push_str(text(thought, "text")))
            }
            _ => said.text.push_str(text(part, "text")),
        }),
        _ => {}
    }
    said.text.push_str(text(message, "refusal"));
    said.text.push_str(text(&message["audio"], "transcript"));
    let plain = ["reasoning_content", "reasoning"].into_iter().map(|name| text(message, name));
    match plain.into_iter().find(|thought| !thought.is_empty()) {
        Some(thought) => said.thinking.push_str(thought),
        None => list(message, "reasoning_details").iter().for_each(|detail| {
            said.thinking.push_str(text(detail, "text"));
            said.thinking.push_str(text(detail, "summary"));
        }),
    }
}

fn end(choice: &Value) -> Option<End> {
    Some(match choice["finish_reason"].as_str().filter(|reason| !reason.is_empty())? {
        "length" | "model_length" | "max_tokens" => End::Length,
        "tool_calls" | "function_call" => End::Calls,
        "content_filter" => End::Filter,
        _ => End::Stop,
    })
}

/// Usage: of all that were reported, the largest of each count.
fn bill(values: &[Value], said: &mut Said) {
    let usages = values.iter().flat_map(|value| [&value["usage"], &value["x_groq"]["usage"]]);
    let usages: Vec<_> = usages.filter(|usage| usage.is_object()).collect();
    let most = |pointer: &str| usages.iter().filter_map(|usage| usage.pointer(pointer)?.as_u64()).max();
    let largest = |pointers: &[&str]| pointers.iter().filter_map(|pointer| most(pointer)).max().unwrap_or(0);
    said.charged = usages.iter().filter_map(|usage| charged(usage)).reduce(f64::max);
    let (Some(prompt), total) = (most("/prompt_tokens"), most("/total_tokens")) else { return };
    let Some(completion) = most("/completion_tokens").or_else(|| total.map(|total| total - prompt)) else { return };
    let reasoning = largest(&["/completion_tokens_details/reasoning_tokens", "/reasoning_tokens"]);
    // xAI counts reasoning beside the completion.
    let beside = reasoning > 0 && total == Some(prompt + completion + reasoning);
    let completion = if beside { completion + reasoning } else { completion };
    let cached = largest(&[
        "/prompt_tokens_details/cached_tokens",
        "/prompt_token_details/cached_tokens",
        "/prompt_cache_hit_tokens",
        "/cached_tokens",
        "/num_cached_tokens",
        "/cache_read_input_tokens",
    ]);
    let written = largest(&["/prompt_tokens_details/cache_write_tokens", "/cache_creation_input_tokens"]);
    // A part is never more than the whole.
    let cached = cached.min(prompt);
    said.usage = Some(Counts {
        prompt,
        completion,
        cached,
        written: written.min(prompt - cached),
        reasoning: reasoning.min(completion),
    });
}

/// The text of a stream of completions.
pub(crate) fn completion(text: &str) -> String {
    let chunks: Vec<Value> = super::frames::sse(text).iter().filter_map(Event::json).collect();
    let said = chunks.iter().flat_map(|chunk| list(chunk, "choices")).map(|choice| self::text(choice, "text"));
    said.collect()
}
