//! Answers in forms that only providers speak: Bedrock's Converse, Cohere's and Ollama's chats.

use serde_json::Value;

use super::said::{Call, Counts, End, Said, count, error_message, list, text};

/// Reads a whole answer of Converse.
pub(crate) fn converse(value: &Value) -> Said {
    if value["output"].is_null() {
        return Said::failed(error_message(value).unwrap_or_default());
    }
    let mut said = Said { end: converse_end(text(value, "stopReason")), ..Said::default() };
    for block in list(&value["output"]["message"], "content") {
        said.text.push_str(text(block, "text"));
        said.thinking.push_str(text(&block["reasoningContent"]["reasoningText"], "text"));
        list(&block["citationsContent"], "content").iter().for_each(|part| said.text.push_str(text(part, "text")));
        if is_clients(&block["toolUse"]) {
            said.calls.push(converse_call(&block["toolUse"]));
            said.calls.last_mut().unwrap().arguments = block["toolUse"]["input"].to_string();
        }
    }
    said.usage = converse_usage(&value["usage"]);
    said
}

/// Reads the messages of Converse's stream.
pub(crate) fn converse_stream(messages: &[(String, Value)]) -> Said {
    let mut said = Said::default();
    let mut calls = std::collections::HashMap::new();
    for (name, event) in messages {
        let index = event["contentBlockIndex"].as_u64();
        match name.as_str() {
            "contentBlockStart" if is_clients(&event["start"]["toolUse"]) => {
                calls.insert(index, said.calls.len());
                said.calls.push(converse_call(&event["start"]["toolUse"]));
            }
            "contentBlockDelta" => {
                let delta = &event["delta"];
                said.text.push_str(text(delta, "text"));
                said.thinking.push_str(text(&delta["reasoningContent"], "text"));
                if let Some(call) = calls.get(&index) {
                    said.call(*call).arguments.push_str(text(&delta["toolUse"], "input"));
                }
            }
            "messageStop" => said.end = converse_end(text(event, "stopReason")),
            "metadata" => said.usage = converse_usage(&event["usage"]),
            name if name.ends_with("Exception") => said.error = error_message(event),
            _ => {}
        }
    }
    said
}

/// Whether the client shall call the tool: some are called by the provider.
fn is_clients(call: &Value) -> bool {
    call.is_object() && text(call, "type") != "server_tool_use"
}

fn converse_call(call: &Value) -> Call {
    Call { id: text(call, "toolUseId").to_owned(), name: text(call, "name").to_owned(), arguments: String::new() }
}

fn converse_end(reason: &str) -> Option<End> {
    Some(match reason {
        "" => return None,
        "max_tokens" | "model_context_window_exceeded" => End::Length,
        "tool_use" => End::Calls,
        "content_filtered" | "guardrail_intervened" => End::Filter,
        _ => End::Stop,
    })
}

/// Input is counted in three parts.
fn converse_usage(usage: &Value) -> Option<Counts> {
    let (cached, written) = (count(usage, "cacheReadInputTokens"), count(usage, "cacheWriteInputTokens"));
    Some(Counts {
        prompt: usage["inputTokens"].as_u64()? + cached + written,
        completion: count(usage, "outputTokens"),
        cached,
        written,
        reasoning: 0,
    })
}

/// Reads a whole answer of Cohere's.
pub(crate) fn cohere(value: &Value) -> Said {
    if value["finish_reason"].is_null() {
        return Said::failed(error_message(value).unwrap_or_default());
    }
    let mut said = Said { end: cohere_end(text(value, "finish_reason")), ..Said::default() };
    let message = &value["message"];
    said.thinking.push_str(text(message, "tool_plan"));
    for part in list(message, "content") {
        said.text.push_str(text(part, "text"));
        said.thinking.push_str(text(part, "thinking"));
    }
    for call in list(message, "tool_calls") {
        said.calls.push(Call {
            id: text(call, "id").to_owned(),
            name: text(&call["function"], "name").to_owned(),
            arguments: text(&call["function"], "arguments").to_owned(),
        });
    }
    said.usage = cohere_usage(&value["usage"]);
    said
}

/// Reads the events of Cohere's stream.
pub(crate) fn cohere_stream(events: &[Value]) -> Said {
    let mut said = Said::default();
    for event in events {
        let message = &event["delta"]["message"];
        match text(event, "type") {
            "tool-plan-delta" => said.thinking.push_str(text(message, "tool_plan")),
            "content-start" | "content-delta" => {
                said.text.push_str(text(&message["content"], "text"));
                said.thinking.push_str(text(&message["content"], "thinking"));
            }
            "tool-call-start" => said.calls.push(Call {
                id: text(&message["tool_calls"], "id").to_owned(),
                name: text(&message["tool_calls"]["function"], "name").to_owned(),
                arguments: text(&message["tool_calls"]["function"], "arguments").to_owned(),
            }),
            "tool-call-delta" => {
                let piece = text(&message["tool_calls"]["function"], "arguments");
                said.calls.last_mut().unwrap().arguments.push_str(piece);
            }
            "message-end" => {
                said.end = cohere_end(text(&event["delta"], "finish_reason"));
                said.usage = cohere_usage(&event["delta"]["usage"]);
                said.error = event["delta"]["error"].as_str().map(str::to_owned);
            }
            _ => {}
        }
    }
    said
}

fn cohere_end(reason: &str) -> Option<End> {
    Some(match reason {
        "" => return None,
        "MAX_TOKENS" => End::Length,
        "TOOL_CALL" => End::Calls,
        "ERROR_TOXIC" => End::Filter,
        _ => End::Stop,
    })
}

fn cohere_usage(usage: &Value) -> Option<Counts> {
    let tokens = &usage["tokens"];
    // Pictures are counted beside the text.
    let prompt = tokens["input_tokens"].as_f64()? as u64 + count(tokens, "image_tokens");
    let completion = tokens["output_tokens"].as_f64().unwrap_or(0.0) as u64;
    let reasoning = count(tokens, "reasoning_tokens");
    Some(Counts { prompt, completion, cached: count(usage, "cached_tokens").min(prompt), written: 0, reasoning })
}

/// Reads an answer of Ollama's: its one object, or the many of a stream.
pub(crate) fn ollama(values: &[Value]) -> Said {
    let mut said = Said::default();
    for value in values {
        said.error = value["error"].as_str().map(str::to_owned).or(said.error);
        let message = &value["message"];
        said.text.push_str(text(message, "content"));
        said.thinking.push_str(text(message, "thinking"));
        for call in list(message, "tool_calls") {
            said.calls.push(Call {
                id: text(call, "id").to_owned(),
                name: text(&call["function"], "name").to_owned(),
                arguments: call["function"]["arguments"].to_string(),
            });
        }
        if value["done"] == true {
            let reason = text(value, "done_reason");
            said.end = Some(if reason == "length" { End::Length } else { End::Stop });
            said.usage = value["eval_count"].as_u64().map(|completion| Counts {
                prompt: count(value, "prompt_eval_count"),
                completion,
                ..Counts::default()
            });
        }
    }
    if said.end == Some(End::Stop) && !said.calls.is_empty() {
        said.end = Some(End::Calls);
    }
    said
}
