//! Which reader reads what.

use serde_json::Value;

use super::frames::{self, Event};
use super::recording::{Dialect, Form, Recording};
use super::said::{Said, error_message};
use super::{chat, gemini, messages, natives, responses};

/// What a provider said in a recording.
pub(crate) fn provider(recording: &Recording) -> Said {
    answer(recording, &recording.body)
}

/// What a provider would have said in a recording with this body.
pub(crate) fn answer(recording: &Recording, body: &[u8]) -> Said {
    let text = frames::text(body);
    if recording.stream && body.is_empty() {
        // A stream that never began: the client is told so.
        return Said::failed("");
    }
    let whole = serde_json::from_str::<Value>(&text);
    if recording.status >= 400 {
        let message = whole.ok().and_then(|value| error_message(&value)).unwrap_or_else(|| text.trim().to_owned());
        return Said::failed(message);
    }
    let events = || frames::sse(&text);
    let values = || events().iter().filter_map(Event::json).collect::<Vec<_>>();
    let streams = recording.stream && (whole.is_err() || recording.form == Form::Ollama);
    let value = whole.unwrap_or_default();
    match (recording.form, streams) {
        (Form::Chat, false) => chat::whole(&value),
        (Form::Chat, true) => chat::stream(&events()),
        (Form::Responses, false) => responses::whole(&value),
        (Form::Responses, true) => responses::stream(&events()),
        (Form::Messages, false) => messages::whole(&value),
        (Form::Messages, true) => messages::stream(&events()),
        (Form::Gemini, false) => gemini::whole(&value),
        (Form::Gemini, true) => gemini::stream(&events()),
        (Form::Converse, false) => natives::converse(&value),
        (Form::Converse, true) => natives::converse_stream(&frames::aws(body)),
        (Form::Cohere, false) => natives::cohere(&value),
        (Form::Cohere, true) => natives::cohere_stream(&values()),
        (Form::Ollama, false) => natives::ollama(&[value]),
        (Form::Ollama, true) => {
            let lines = text.lines().filter_map(|line| serde_json::from_str(line).ok());
            natives::ollama(&lines.collect::<Vec<_>>())
        }
    }
}

/// What a client is told.
pub(crate) fn client(dialect: Dialect, stream: bool, array: bool, status: u16, body: &[u8]) -> Said {
    let Ok(text) = std::str::from_utf8(body) else { return Said::failed("the answer is no text") };
    let whole = serde_json::from_str::<Value>(text);
    if status >= 400 || !stream {
        let Ok(value) = whole else { return Said::failed(format!("the answer is no JSON: {text}")) };
        return match dialect {
            _ if status >= 400 => Said::failed(error_message(&value).unwrap_or_default()),
            Dialect::Chat => chat::whole(&value),
            Dialect::Messages => messages::whole(&value),
            Dialect::Responses => responses::whole(&value),
            Dialect::Gemini => gemini::whole(&value),
        };
    }
    let events = frames::sse(text);
    match dialect {
        Dialect::Chat => chat::stream(&events),
        Dialect::Messages => messages::stream(&events),
        Dialect::Responses => responses::stream(&events),
        Dialect::Gemini if array => match whole {
            Ok(Value::Array(values)) => gemini::chunks(&values),
            _ => {
                let mut said = Said::default();
                said.check(false, "the stream is an array");
                said
            }
        },
        Dialect::Gemini => gemini::stream(&events),
    }
}
