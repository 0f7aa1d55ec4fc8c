//! Recordings played through the gateway: to a client in the provider's own dialect, and to clients in every other.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::Value;

use super::asked::{self, MODEL};
use super::frames;
use super::playback::{Ending, Script};
use super::read;
use super::recording::{Dialect, Form, INVOKE, Recording};
use super::refused::FITTED;
use super::said::{Said, shorten};
use super::stand::{Ask, Stand, Told, price};
use crate::support::client::Client;

/// Clients at once: each waits more than it works.
const CLIENTS: usize = 16;

/// What came of playing a recording to a client.
pub(crate) struct Replay {
    pub(crate) recording: usize,
    pub(crate) client: Dialect,
    pub(crate) verdict: Verdict,
    /// What the log must say that it cost, under which number.
    pub(crate) cost: Option<(usize, f64)>,
}

/// Whether a recording came through.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Verdict {
    Passed,
    /// The gateway would not pass the request on: why.
    Refused(String),
    Failing(Vec<String>),
}

/// Plays every recording to every client that can be served from it.
pub(crate) fn all(stand: &Stand, recordings: &[Recording]) -> Vec<Replay> {
    let jobs: Vec<(usize, Dialect)> = recordings.iter().enumerate().flat_map(clients).collect();
    each(stand, jobs.len(), |client, job| {
        let (index, dialect) = jobs[job];
        one(stand, client, &recordings[index], index, dialect)
    })
}

/// Does so many jobs, several at once, each with a client of its own.
pub(crate) fn each<T: Send>(stand: &Stand, jobs: usize, work: impl Fn(&mut Client, usize) -> T + Sync) -> Vec<T> {
    let (next, done) = (AtomicUsize::new(0), Mutex::new(Vec::with_capacity(jobs)));
    std::thread::scope(|scope| {
        for _ in 0..CLIENTS {
            scope.spawn(|| {
                let mut client = stand.client();
                loop {
                    let job = next.fetch_add(1, Ordering::Relaxed);
                    if job >= jobs {
                        return;
                    }
                    let result = work(&mut client, job);
                    done.lock().unwrap().push((job, result));
                }
            });
        }
    });
    let mut done = done.into_inner().unwrap();
    done.sort_by_key(|(job, _)| *job);
    done.into_iter().map(|(_, result)| result).collect()
}

/// Answers of OpenAI's Responses API are carried alone: chats go to the provider's chat completions.
pub(crate) fn clients((index, recording): (usize, &Recording)) -> Vec<(usize, Dialect)> {
    let all = Dialect::ALL.into_iter();
    let served = all.filter(|dialect| recording.form != Form::Responses || *dialect == Dialect::Responses);
    let served = served.filter(|dialect| recording.lead != INVOKE || *dialect == Dialect::Messages);
    served.map(|dialect| (index, dialect)).collect()
}

/// The answer of a recording, sent at once.
pub(crate) fn script(recording: &Recording) -> Script {
    let ending = if recording.stream { Ending::Chunked } else { Ending::Length };
    Script {
        status: recording.status,
        content_type: recording.content_type.clone(),
        pieces: vec![recording.body.clone()],
        ending,
    }
}

fn one(stand: &Stand, client: &mut Client, recording: &Recording, index: usize, dialect: Dialect) -> Replay {
    let ask = asking(recording, index, dialect);
    let told = stand.ask(client, &ask);
    let said = read::provider(recording);
    let cost = said.usage.filter(|_| said.error.is_none()).map(|usage| price(&usage, said.charged));
    let verdict = verdict(recording, &ask, &told, &said, cost);
    let cost = cost.filter(|_| verdict == Verdict::Passed).map(|cost| (told.number, cost));
    Replay { recording: index, client: dialect, verdict, cost }
}

/// What a client asks of a recording: what its own client asked, where that spoke the same dialect.
pub(crate) fn asking(recording: &Recording, index: usize, dialect: Dialect) -> Ask<'_> {
    let carried = recording.form.dialect() == Some(dialect);
    let own = carried.then(|| asked::recorded(recording)).flatten();
    let mut script = script(recording);
    // Some of both.
    let array = dialect == Dialect::Gemini && recording.stream && index.is_multiple_of(3);
    if array && carried && recording.status == 200 {
        script.pieces = vec![as_array(&recording.body)];
        script.content_type = Some("application/json".to_owned());
    }
    Ask {
        dialect,
        path: None,
        stream: recording.stream,
        array,
        lead: lead(recording, dialect),
        model: &recording.model,
        body: own.unwrap_or_else(|| asked::small(dialect, recording.stream)),
        script,
    }
}

/// A stream of Gemini's as it comes to those who do not ask for events.
fn as_array(body: &[u8]) -> Vec<u8> {
    let events: Vec<_> = frames::sse(&String::from_utf8_lossy(body)).into_iter().map(|event| event.data).collect();
    format!("[{}]\n", events.join(",\r\n")).into_bytes()
}

/// Vendors that have the Responses API besides are asked in it: their chats are played by one who has not.
fn lead(recording: &Recording, dialect: Dialect) -> &'static str {
    const BOTH: [&str; 6] = ["openai", "azure", "groq", "deepseek", "xai", "openrouter"];
    let both = recording.form == Form::Chat && dialect == Dialect::Responses && BOTH.contains(&recording.lead);
    if both { "openai_like" } else { recording.lead }
}

/// Whether a client was told what was recorded, at this cost.
pub(crate) fn verdict(recording: &Recording, ask: &Ask<'_>, told: &Told, said: &Said, cost: Option<f64>) -> Verdict {
    let carried = recording.form.dialect() == Some(ask.dialect);
    let heard = read::client(ask.dialect, ask.stream, ask.array, told.status, &told.body);
    if told.seen.is_empty() {
        return match told.status {
            400..500 => Verdict::Refused(heard.error.unwrap_or_default()),
            status => Verdict::Failing(vec![format!("never sent, answered {status}: {:?}", heard.error)]),
        };
    }
    let mut wrong = Vec::new();
    if !told.whole {
        wrong.push("the answer broke off".to_owned());
    }
    if carried {
        wrong.extend(carried_request(recording, ask, told));
    }
    match &said.error {
        Some(message) => wrong.extend(error(recording, told, message, &heard)),
        None if told.status != 200 => wrong.push(format!("answered {}: {:?}", told.status, heard.error)),
        None if carried => wrong.extend(carried_answer(recording, ask, told)),
        None => wrong.extend(said.differences(&heard, ask.dialect)),
    }
    if let (Some(cost), Some(billed)) = (cost, told.cost)
        && !same_cost(cost, billed)
    {
        wrong.push(format!("cost: {cost} became {billed}"));
    }
    if wrong.is_empty() { Verdict::Passed } else { Verdict::Failing(wrong) }
}

/// Whole pico-dollars, but for what floats make of them.
pub(crate) fn same_cost(expected: f64, billed: f64) -> bool {
    (expected - billed).abs() <= 1e-12 + expected.abs() * 1e-9
}

/// An error has the provider's status and words.
fn error(recording: &Recording, told: &Told, message: &str, heard: &Said) -> Vec<String> {
    let mut wrong = Vec::new();
    if recording.status >= 400 && told.status != recording.status {
        wrong.push(format!("status: {} became {}", recording.status, told.status));
    }
    let beginning: String = message.trim().chars().take(200).collect();
    match &heard.error {
        Some(words) if words.contains(&beginning) => {}
        words => wrong.push(format!("error: {:?} became {:?}", shorten(message), words.as_deref().map(shorten))),
    }
    wrong
}

/// What the provider was asked: byte for byte what the client wrote, but for the model and the usage of a stream.
fn carried_request(recording: &Recording, ask: &Ask<'_>, told: &Told) -> Option<String> {
    let mut expected = ask.body.replace(MODEL, serde_json::to_string(&told.upstream).unwrap().trim_matches('"'));
    let sent = String::from_utf8_lossy(&told.seen[0].body).into_owned();
    if ask.dialect == Dialect::Gemini || ask.lead == INVOKE {
        // The model stands in the path, at Bedrock also whether it is a stream: they are cut out of the body.
        let mut body: Value = serde_json::from_str(&expected).unwrap_or_default();
        if body.as_object_mut().is_some_and(|members| members.remove("model").is_some()) {
            body.as_object_mut().and_then(|members| members.remove("stream").filter(|_| ask.lead == INVOKE));
            let same = serde_json::from_str::<Value>(&sent).is_ok_and(|sent| sent == body);
            expected = if same { sent.clone() } else { body.to_string() };
        }
    }
    if sent == expected {
        return None;
    }
    let trees = [&expected, &sent].map(|text| serde_json::from_str::<Value>(text).unwrap_or_default());
    let [mut expected, sent] = trees;
    if ask.dialect == Dialect::Chat && ask.stream && sent["stream_options"]["include_usage"] == true {
        if expected["stream_options"].is_null() {
            expected["stream_options"] = Value::Object(serde_json::Map::new());
        }
        expected["stream_options"]["include_usage"] = true.into();
        if sent == expected {
            return None;
        }
    }
    fit(recording, &mut expected);
    if sent == expected {
        return None;
    }
    Some(format!(
        "the request: {}",
        tree_difference("", &expected, &sent).unwrap_or_else(|| "not its bytes".to_owned())
    ))
}

/// The request as its provider takes it.
fn fit(recording: &Recording, request: &mut Value) {
    let Some(members) = request.as_object_mut() else { return };
    for (provider, model, ours, theirs, _) in FITTED {
        if recording.provider == provider
            && recording.model.starts_with(model)
            && let Some(value) = members.remove(ours)
            && let Some(theirs) = theirs
        {
            members.insert(theirs.to_owned(), value);
        }
    }
}

/// What the client got: what was recorded, but for the model and what it did not ask for.
fn carried_answer(recording: &Recording, ask: &Ask<'_>, told: &Told) -> Option<String> {
    let rename = |mut value: Value| {
        for place in ["/model", "/message/model", "/response/model", "/modelVersion"] {
            if let Some(model) = value.pointer_mut(place).filter(|model| model.is_string()) {
                *model = told.alias.as_str().into();
            }
        }
        value
    };
    let unasked = ask.dialect == Dialect::Chat && !asked::wants_usage(&ask.body);
    let values = |body: &[u8]| -> Vec<Value> {
        let text = frames::text(body);
        match serde_json::from_str(&text) {
            Ok(Value::Array(values)) => return values.into_iter().map(rename).collect(),
            Ok(value) => return vec![rename(value)],
            Err(_) => {}
        }
        let events = frames::sse(&text).into_iter();
        let mut values: Vec<_> = events.map(|event| event.json().map_or(Value::String(event.data), rename)).collect();
        if unasked {
            values.retain(|value| !only_usage(value));
            values.iter_mut().for_each(without_null_usage);
        }
        values
    };
    let (expected, got) = (values(&recording.body), values(&told.body));
    if expected.len() != got.len() {
        return Some(format!("{} events became {}", expected.len(), got.len()));
    }
    expected.iter().zip(&got).find_map(|(expected, got)| tree_difference("", expected, got))
}

fn only_usage(value: &Value) -> bool {
    value["usage"].is_object() && value["choices"].as_array().is_some_and(Vec::is_empty)
}

fn without_null_usage(value: &mut Value) {
    if value["usage"].is_null()
        && let Some(members) = value.as_object_mut()
    {
        members.remove("usage");
    }
}

/// Where two trees first differ.
fn tree_difference(place: &str, expected: &Value, got: &Value) -> Option<String> {
    match (expected, got) {
        (Value::Object(one), Value::Object(other)) => {
            let names: std::collections::BTreeSet<_> = one.keys().chain(other.keys()).collect();
            names.into_iter().find_map(|name| match (one.get(name), other.get(name)) {
                (Some(one), Some(other)) => tree_difference(&format!("{place}.{name}"), one, other),
                (Some(_), None) => Some(format!("{place}.{name} is gone")),
                _ => Some(format!("{place}.{name} is new")),
            })
        }
        (Value::Array(one), Value::Array(other)) if one.len() == other.len() => {
            let pairs = one.iter().zip(other).enumerate();
            pairs.into_iter().find_map(|(at, (one, other))| tree_difference(&format!("{place}[{at}]"), one, other))
        }
        _ if expected == got => None,
        _ => Some(format!("{place}: {} became {}", shorten(&expected.to_string()), shorten(&got.to_string()))),
    }
}
