//! Requests: small ones in every dialect, and recorded ones for another model.

use std::collections::HashMap;

use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::recording::{Dialect, INVOKE, Recording};

/// Stands for the model in the body of a request.
pub(crate) const MODEL: &str = "@the model@";

/// A word to a model.
pub(crate) fn small(dialect: Dialect, stream: bool) -> String {
    let mut body = match dialect {
        Dialect::Chat => {
            json!({"model": MODEL, "messages": [{"role": "user", "content": "Hello."}], "max_tokens": 4000})
        }
        Dialect::Messages => {
            json!({"model": MODEL, "messages": [{"role": "user", "content": "Hello."}], "max_tokens": 4000})
        }
        Dialect::Responses => json!({"model": MODEL, "input": "Hello.", "max_output_tokens": 4000}),
        Dialect::Gemini => json!({
            "contents": [{"role": "user", "parts": [{"text": "Hello."}]}],
            "generationConfig": {"maxOutputTokens": 4000}
        }),
    };
    if stream && dialect != Dialect::Gemini {
        body["stream"] = true.into();
    }
    if stream && dialect == Dialect::Chat {
        body["stream_options"] = json!({"include_usage": true});
    }
    body.to_string()
}

/// What the client of a recording sent, with [`MODEL`] as its model. None where it was not recorded, or asked for another
/// kind of answer than was recorded.
pub(crate) fn recorded(recording: &Recording) -> Option<String> {
    let body = recording.request.as_deref()?;
    let members: HashMap<String, &RawValue> = serde_json::from_str(body).ok()?;
    if recording.lead == INVOKE {
        // Where a model is invoked, the path says which, and whether as a stream.
        return Some(body.replacen('{', &format!("{{\"model\":\"{MODEL}\",\"stream\":{},", recording.stream), 1));
    }
    let in_path = recording.form.dialect()? == Dialect::Gemini;
    if in_path && !members.contains_key("model") {
        return Some(body.to_owned());
    }
    if !in_path && members.get("stream").is_some_and(|stream| stream.get() == "true") != recording.stream {
        return None;
    }
    let Some(model) = members.get("model") else {
        let (open, rest) = body.split_at(body.find('{')? + 1);
        let comma = if members.is_empty() { "" } else { "," };
        return Some(format!("{open}\"model\":\"{MODEL}\"{comma}{rest}"));
    };
    let start = model.get().as_ptr() as usize - body.as_ptr() as usize;
    Some(format!("{}\"{MODEL}\"{}", &body[..start], &body[start + model.get().len()..]))
}

/// Whether the client of a chat asks for the usage of its stream.
pub(crate) fn wants_usage(body: &str) -> bool {
    let body: Value = serde_json::from_str(body).unwrap_or_default();
    body["stream_options"]["include_usage"] == true
}
