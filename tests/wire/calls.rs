//! Calls other than chats: carried to those who have them as their inventor has, translated to the others.

use serde_json::{Value, json};

use super::asked::MODEL;
use super::playback::{Ending, Script};
use super::recording::{self, Dialect, File};
use super::refused::REFUSED;
use super::replay;
use super::said::{error_message, list, shorten};
use super::stand::{Ask, Stand, Told};

/// An API, the path that clients ask for it, and what of its answers is held against what the client gets.
type Kind = (&'static str, &'static str, fn(&Value) -> Value);

const KINDS: [Kind; 11] = [
    ("openai.embeddings", "/v1/embeddings", whole),
    ("openai.completions", "/v1/completions", whole),
    ("openai.moderations", "/v1/moderations", whole),
    ("openai.images", "/v1/images/generations", whole),
    ("anthropic.count_tokens", "/v1/messages/count_tokens", whole),
    ("rerank", "/v1/rerank", ranks),
    ("cohere.v2.rerank", "/v2/rerank", ranks),
    ("gemini.batchEmbedContents", "/v1/embeddings", vectors),
    ("cohere.v2.embed", "/v1/embeddings", vectors),
    ("ollama.embed", "/v1/embeddings", vectors),
    ("vertex.predict", "/v1/embeddings", vectors),
];

/// Everything but the name of the model.
fn whole(answer: &Value) -> Value {
    let mut answer = answer.clone();
    if let Some(model) = answer.get_mut("model") {
        *model = Value::Null;
    }
    answer
}

/// Documents by their rank, with their scores.
fn ranks(answer: &Value) -> Value {
    let results = if answer["results"].is_array() { list(answer, "results") } else { list(answer, "data") };
    results.iter().map(|result| json!([result["index"], result["relevance_score"]])).collect()
}

/// The vectors, whoever answers.
fn vectors(answer: &Value) -> Value {
    if let Value::Array(vectors) = &answer["embeddings"]["float"] {
        return vectors.iter().cloned().collect();
    }
    let lists =
        [("data", "/embedding"), ("embeddings", "/values"), ("embeddings", ""), ("predictions", "/embeddings/values")];
    let found = lists.into_iter().map(|(name, place)| {
        list(answer, name)
            .iter()
            .filter_map(|one| one.pointer(place).filter(|vector| vector.is_array() || vector.is_string()).cloned())
            .collect()
    });
    let found: Vec<Vec<Value>> = found.collect();
    Value::Array(found.into_iter().find(|vectors| !vectors.is_empty()).unwrap_or_default())
}

/// Plays all of them; how many there were, and what is wrong.
pub(crate) fn all(stand: &Stand) -> (usize, Vec<String>) {
    let kind = |file: File| Some((KINDS.into_iter().find(|(api, ..)| *api == file.api)?, file));
    // Writer's streams of completions are of its own form.
    let files = recording::files().into_iter().filter(|file| file.provider != "writer" || !file.stream);
    let calls: Vec<(Kind, File)> = files.filter_map(kind).collect();
    let wrong = replay::each(stand, calls.len(), |client, job| {
        let (kind, file) = &calls[job];
        let events = is_events(file).then(|| "text/event-stream".to_owned());
        let model = file.model.as_deref().filter(|model| !matches!(*model, "" | "UNKNOWN")).unwrap_or("a-model");
        let ask = Ask {
            dialect: Dialect::Chat,
            path: Some(kind.1),
            stream: file.stream,
            array: false,
            lead: lead(file),
            model,
            body: body(file),
            script: Script {
                status: file.response.status,
                content_type: events.or_else(|| file.response.content_type()),
                pieces: vec![file.response.bytes()],
                ending: if file.stream { Ending::Chunked } else { Ending::Length },
            },
        };
        let told = stand.ask(client, &ask);
        let wrong = wrong(file, kind, &told);
        wrong.map(|wrong| format!("{}/{} ({}): {wrong}", file.provider, file.id, file.api))
    });
    (calls.len(), wrong.into_iter().flatten().collect())
}

/// Not all that stream are labelled so.
fn is_events(file: &File) -> bool {
    file.response.bytes().starts_with(b"data:")
}

fn lead(file: &File) -> &'static str {
    match (file.provider.as_str(), file.api.as_str()) {
        ("cohere", _) => "cohere",
        ("gemini", _) => "gemini",
        ("vertex", _) => "vertex_ai",
        ("ollama", _) => "ollama_chat",
        ("voyage", _) => "voyage",
        ("anthropic", _) => "anthropic",
        ("openai", _) | (_, "openai.images") => "openai",
        ("azure", _) => "azure",
        ("mistral", _) => "mistral",
        ("openrouter", _) => "openrouter",
        ("perplexity", _) => "perplexity",
        _ => "openai_like",
    }
}

/// What the client sends: the recorded request where it speaks the same API, else as many texts as there are vectors.
fn body(file: &File) -> String {
    let recorded = String::from_utf8(file.request.bytes()).unwrap_or_default();
    let answer: Value = serde_json::from_slice(&file.response.bytes()).unwrap_or_default();
    let texts = vectors(&answer).as_array().map_or(1, Vec::len).max(1);
    let translated = !file.api.starts_with("openai.") && file.api.contains("mbed") || file.api == "vertex.predict";
    let mut request: Value = serde_json::from_str(&recorded).unwrap_or_default();
    if translated || !request.is_object() {
        request = json!({"input": vec!["a text"; texts], "prompt": "a text"});
        request["stream"] = file.stream.into();
    }
    request["model"] = MODEL.into();
    request.to_string()
}

fn wrong(file: &File, (_, _, part): &Kind, told: &Told) -> Option<String> {
    // Voyage's embeddings are nearly OpenAI's: they are translated.
    let part = if file.provider == "voyage" && file.api == "openai.embeddings" { vectors } else { *part };
    let expected = file.response.bytes();
    let text = String::from_utf8_lossy(&told.body).into_owned();
    if told.seen.is_empty() {
        if REFUSED.iter().any(|refused| text.contains(refused.message)) {
            return None;
        }
        return Some(format!("refused: {text}"));
    }
    if told.status != file.response.status {
        return Some(format!("status: {} became {}: {}", file.response.status, told.status, shorten(&text)));
    }
    let values = [&expected, &told.body].map(|body| serde_json::from_slice::<Value>(body).ok());
    match values {
        [Some(expected), Some(got)] if told.status >= 400 => {
            let [expected, got] = [expected, got].map(|value| error_message(&value).unwrap_or_default());
            (!got.contains(expected.trim())).then(|| format!("error: {expected:?} became {got:?}"))
        }
        [Some(expected), Some(got)] => {
            let (expected, got) = (part(&expected), part(&got));
            (expected != got)
                .then(|| format!("the answer: {} became {}", shorten(&expected.to_string()), shorten(&got.to_string())))
        }
        [None, None] if is_events(file) => {
            let said = |body: &[u8]| super::chat::completion(&super::frames::text(body));
            (said(&expected) != said(&told.body)).then(|| "the stream says something else".to_owned())
        }
        _ => (expected != told.body).then(|| "other bytes".to_owned()),
    }
}
