//! Every recorded chat completion through both sides of the neutral form: what is read is what was recorded, whatever the
//! chunk boundaries, and what is written again says the same.
#![expect(clippy::disallowed_types, reason = "the tree is the oracle that translation is compared with")]
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "helpers of tests, and word of what was skipped"
)]

use std::collections::BTreeMap;
use std::path::Path;

use bytes::Bytes;
use serde::Deserialize;
use serde_json::Value;
use tollgate::chat::{Answer, Chat, DecodeEnd, Delta, Finish, Part, Reasoning, Sink};
use tollgate::config::{self, Deployment, Providers, Purpose, Surroundings};
use tollgate::dialect::Dialect;
use tollgate::dialect::openai::CHAT;
use tollgate::provider::{Ask, ChatApi, find};
use tollgate::vocabulary::{Lookups, Metered};

#[derive(Deserialize)]
struct Recording {
    id: String,
    api: String,
    provider: String,
    stream: bool,
    request: Request,
    response: Response,
}

#[derive(Deserialize)]
struct Request {
    body: Option<String>,
}

#[derive(Deserialize)]
struct Response {
    status: u16,
    body: String,
}

fn recordings() -> Vec<Recording> {
    let root = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/wire/dev"));
    let Ok(folders) = std::fs::read_dir(root) else {
        println!("SKIPPED: no recordings at {}", root.display());
        return Vec::new();
    };
    let files = folders.flat_map(|folder| std::fs::read_dir(folder.unwrap().path()).unwrap());
    let texts = files.map(|file| std::fs::read_to_string(file.unwrap().path()).unwrap());
    texts
        .filter(|text| text.contains("openai.chat"))
        .filter_map(|text| serde_json::from_str::<Recording>(&text).ok())
        .filter(|recording| recording.api == "openai.chat")
        .collect()
}

fn openai() -> &'static dyn ChatApi {
    find("openai").unwrap().chat("gpt-4o").unwrap()
}

/// What one choice says.
#[derive(Clone, Debug, Default, PartialEq)]
struct Said {
    text: String,
    thought: String,
    refusal: String,
    calls: Vec<(String, String)>,
    finish: Option<String>,
}

/// What an answer says.
#[derive(Debug, Default, PartialEq)]
struct Heard {
    choices: BTreeMap<u32, Said>,
    ids: Vec<(u32, String)>,
    deltas: usize,
    starts: usize,
    after_finish: usize,
}

impl Sink for Heard {
    fn delta(&mut self, choice: u32, delta: Delta<'_>) {
        self.deltas += 1;
        if let Delta::Start { .. } = delta {
            self.starts += 1;
            return;
        }
        let said = self.choices.entry(choice).or_default();
        self.after_finish += usize::from(said.finish.is_some());
        match delta {
            Delta::Text(text) => said.text.push_str(text),
            Delta::Thinking(text) => said.thought.push_str(text),
            Delta::Refusal(text) => said.refusal.push_str(text),
            Delta::ToolCall { index, id, name, .. } => {
                assert_eq!(index as usize, said.calls.len());
                assert!(!id.is_empty() && !self.ids.contains(&(choice, id.to_owned())), "{id}");
                self.ids.push((choice, id.to_owned()));
                said.calls.push((name.to_owned(), String::new()));
            }
            Delta::Arguments { index, json } => said.calls[index as usize].1.push_str(json),
            Delta::Finish(finish) => {
                let word = match finish {
                    Finish::Stop | Finish::StopSequence(_) | Finish::Pause => "stop",
                    Finish::Length => "length",
                    Finish::ToolCalls => "tool_calls",
                    Finish::ContentFilter | Finish::Refusal => "content_filter",
                    Finish::Other(word) => word,
                };
                said.finish = Some(word.to_owned());
            }
            _ => {}
        }
    }
}

impl Heard {
    fn settled(&self) -> Vec<Said> {
        let mut choices: Vec<Said> = self.choices.values().cloned().collect();
        choices.iter_mut().for_each(Said::settle);
        choices
    }
}

impl Said {
    /// No arguments and an empty object are the same.
    fn settle(&mut self) {
        self.calls.iter_mut().filter(|call| call.1.is_empty()).for_each(|call| "{}".clone_into(&mut call.1));
    }

    /// The oracle: adds a message or a piece of one.
    fn add(&mut self, message: &Value, pieces: bool) {
        match &message["content"] {
            Value::String(text) => self.text.push_str(text),
            Value::Array(parts) => {
                for part in parts {
                    match &part["thinking"] {
                        Value::Array(texts) => {
                            texts.iter().for_each(|text| self.thought.push_str(text["text"].as_str().unwrap()));
                        }
                        _ => self.text.push_str(part["text"].as_str().unwrap_or_default()),
                    }
                }
            }
            _ => {}
        }
        let words = |name: &str| message[name].as_str().filter(|text| !text.is_empty());
        let details = message["reasoning_details"].as_array().map(Vec::as_slice).unwrap_or_default();
        let detail = |detail: &Value| {
            detail["text"].as_str().or_else(|| detail["summary"].as_str()).unwrap_or_default().to_owned()
        };
        let detailed: String = details.iter().map(detail).collect();
        let plain = words("reasoning_content").or_else(|| words("reasoning")).unwrap_or_default();
        self.thought.push_str(if detailed.is_empty() { plain } else { &detailed });
        self.refusal.push_str(words("refusal").unwrap_or_default());
        self.text.push_str(message["audio"]["transcript"].as_str().unwrap_or_default());
        for call in message["tool_calls"].as_array().into_iter().flatten() {
            let (function, id) = (&call["function"], call["id"].as_str());
            let text = |value: &Value| match value {
                Value::String(text) => text.clone(),
                Value::Null => String::new(),
                other => other.to_string(),
            };
            if !pieces || self.calls.is_empty() || (id.is_some() && function["name"].as_str() > Some("")) {
                self.calls.push((text(&function["name"]), text(&function["arguments"])));
            } else {
                let index = call["index"].as_u64().map_or(self.calls.len() - 1, |index| index as usize);
                let last = self.calls.len() - 1;
                self.calls[index.min(last)].1.push_str(&text(&function["arguments"]));
            }
        }
        if let Some(name) = message["function_call"]["name"].as_str().filter(|name| !name.is_empty()) {
            self.calls.push((name.to_owned(), String::new()));
        }
        if let Some((last, text)) = self.calls.last_mut().zip(message["function_call"]["arguments"].as_str()) {
            last.1.push_str(text);
        }
    }

    fn end(&mut self, reason: &Value) {
        match reason.as_str() {
            Some("function_call") => self.finish = Some("tool_calls".to_owned()),
            Some("stop") if !self.calls.is_empty() => self.finish = Some("tool_calls".to_owned()),
            Some(word) if !word.is_empty() => self.finish = Some(word.to_owned()),
            _ => {}
        }
    }
}

/// The oracle for a whole answer or the chunks of a stream.
fn oracle(objects: &[Value], pieces: bool) -> Vec<Said> {
    let mut choices: BTreeMap<u64, Said> = BTreeMap::new();
    for object in objects {
        for choice in object["choices"].as_array().into_iter().flatten() {
            let said = choices.entry(choice["index"].as_u64().unwrap_or(0)).or_default();
            // Some carry both, one of them empty.
            let (own, other) = if pieces { ("delta", "message") } else { ("message", "delta") };
            said.add(if choice[own].is_object() { &choice[own] } else { &choice[other] }, pieces);
            said.end(&choice["finish_reason"]);
        }
    }
    for said in choices.values_mut() {
        said.settle();
        let word = if said.calls.is_empty() { "stop" } else { "tool_calls" };
        said.finish.get_or_insert_with(|| word.to_owned());
    }
    choices.into_values().collect()
}

fn events(body: &str) -> Vec<Value> {
    let data = body.lines().filter_map(|line| line.strip_prefix("data:"));
    data.filter_map(|data| serde_json::from_str(data.trim()).ok()).collect()
}

fn decode(body: &str, size: usize) -> (Heard, Result<DecodeEnd, String>, Metered) {
    let mut heard = Heard::default();
    let mut decoder = openai().decoder(4 << 20);
    let bytes = Bytes::copy_from_slice(body.as_bytes());
    for start in (0..bytes.len()).step_by(size) {
        if let Err(broken) = decoder.push(bytes.slice(start..(start + size).min(bytes.len())), &mut heard) {
            return (heard, Err(broken.to_string()), decoder.metered());
        }
    }
    let end = decoder.finish(&mut heard).map_err(|broken| broken.to_string());
    (heard, end, decoder.metered())
}

fn answer() -> Answer {
    Answer {
        id: "x-1".to_owned(),
        model: "mine".to_owned(),
        created: 1,
        include_usage: true,
        array: false,
        request: Bytes::new(),
    }
}

/// Sends on to an encoder what a provider says.
struct Through<'e>(&'e mut dyn tollgate::chat::Encoder);

impl Sink for Through<'_> {
    fn delta(&mut self, choice: u32, delta: Delta<'_>) {
        self.0.delta(choice, delta);
    }
}

/// What a provider says, as a client of this dialect gets it.
fn rewritten(body: &str, from_stream: bool, to_stream: bool) -> (String, Metered) {
    let mut encoder = CHAT.encoder(answer(), to_stream);
    let metered = if from_stream {
        let mut decoder = openai().decoder(4 << 20);
        decoder.push(Bytes::copy_from_slice(body.as_bytes()), &mut Through(encoder.as_mut())).unwrap();
        decoder.finish(&mut Through(encoder.as_mut())).unwrap();
        decoder.metered()
    } else {
        openai().read(body.as_bytes(), &mut Through(encoder.as_mut())).unwrap()
    };
    encoder.end(metered.usage());
    (String::from_utf8(encoder.take().to_vec()).unwrap(), metered)
}

/// Both forms of the rewritten answer say what the oracle says.
fn check_rewritten(recording: &Recording, expected: &[Said]) {
    for to_stream in [false, true] {
        let (text, metered) = rewritten(&recording.response.body, recording.stream, to_stream);
        let objects = if to_stream { events(&text) } else { vec![serde_json::from_str(&text).unwrap()] };
        let mut found = oracle(&objects, to_stream);
        let mut expected = expected.to_vec();
        for said in found.iter_mut().chain(&mut expected) {
            // What has no word in this dialect is a stop.
            if !matches!(said.finish.as_deref(), Some("length" | "tool_calls" | "content_filter")) {
                said.finish = Some("stop".to_owned());
            }
        }
        assert_eq!(found, expected, "{} {to_stream}\n{text}", recording.id);
        let usage = objects.iter().rev().find(|object| object["usage"].is_object()).map(|object| &object["usage"]);
        let again = usage.map(|usage| CHAT.metered(usage.to_string().as_bytes()));
        assert_eq!(again.as_ref().and_then(Metered::usage), metered.usage(), "{}", recording.id);
        if to_stream {
            assert!(text.ends_with("data: [DONE]\n\n"), "{}", recording.id);
            let (heard, end, _) = decode(&text, text.len());
            assert_eq!((end, heard.starts), (Ok(DecodeEnd::Complete), 1), "{}", recording.id);
        }
    }
}

#[test]
fn whole_answers_are_read_and_written_as_they_were_recorded() {
    let mut counts: BTreeMap<String, u32> = BTreeMap::new();
    for recording in recordings().iter().filter(|recording| !recording.stream && recording.response.status == 200) {
        let Ok(tree) = serde_json::from_str::<Value>(&recording.response.body) else { continue };
        if tree["error"].is_object() || !tree["choices"].is_array() {
            continue;
        }
        let mut heard = Heard::default();
        let metered = openai().read(recording.response.body.as_bytes(), &mut heard).unwrap();
        let expected = oracle(std::slice::from_ref(&tree), false);
        assert_eq!(heard.settled(), expected, "{}", recording.id);
        assert_eq!((heard.starts, heard.after_finish), (1, 0), "{}", recording.id);
        // An answer that cites pages searched for them.
        let searches = u64::from(recording.response.body.contains("\"url_citation\""));
        let usage = CHAT.metered(tree["usage"].to_string().as_bytes());
        assert_eq!(metered, usage.with(Lookups { searches, maps: 0 }), "{}", recording.id);
        check_rewritten(recording, &expected);
        *counts.entry(recording.provider.clone()).or_default() += 1;
    }
    println!("whole answers: {} {counts:?}", counts.values().sum::<u32>());
}

#[test]
fn streams_are_read_and_written_as_they_were_recorded() {
    let (mut counts, mut broken): (BTreeMap<String, u32>, u32) = Default::default();
    for recording in recordings().iter().filter(|recording| recording.stream && recording.response.status == 200) {
        let body = &recording.response.body;
        let trees = events(body);
        let (heard, end, metered) = decode(body, body.len().max(1));
        for size in [1, 7, 100] {
            assert_eq!(decode(body, size), (clone(&heard), end.clone(), metered), "{} {size}", recording.id);
        }
        if body.contains("event: error") || trees.iter().any(|tree| !tree["error"].is_null()) {
            assert!(end.is_err(), "{}", recording.id);
            broken += 1;
            continue;
        }
        if end != Ok(DecodeEnd::Complete) {
            println!("{}: {end:?}", recording.id);
            assert!(!body.contains("[DONE]"), "{}", recording.id);
            continue;
        }
        let expected = oracle(&trees, true);
        assert_eq!(heard.settled(), expected, "{}", recording.id);
        assert_eq!((heard.starts, heard.after_finish), (1, 0), "{}", recording.id);
        check_rewritten(recording, &expected);
        *counts.entry(recording.provider.clone()).or_default() += 1;
    }
    println!("streams: {} {counts:?}, errors: {broken}", counts.values().sum::<u32>());
}

fn clone(heard: &Heard) -> Heard {
    Heard { choices: heard.choices.clone(), ids: heard.ids.clone(), ..*heard }
}

#[test]
fn a_stream_that_is_cut_before_its_last_word_is_never_whole() {
    for recording in recordings().iter().filter(|recording| recording.stream && recording.response.status == 200) {
        let body = &recording.response.body;
        let last = |word: &str| body.find(word).unwrap_or(body.len());
        let finish = last("\"finish_reason\":\"").min(last("data: [DONE]"));
        let mut at = 0;
        while let Some(found) = body[at..finish].find("\n\n") {
            at += found + 2;
            let (heard, end, _) = decode(&body[..at], 4096);
            assert_ne!(end, Ok(DecodeEnd::Complete), "{} at {at}", recording.id);
            assert!(heard.choices.values().all(|said| said.finish.is_none()), "{}", recording.id);
            // A few places of long streams.
            at += (finish - at) / 8;
            at = (at..=finish).find(|at| body.is_char_boundary(*at)).unwrap();
        }
    }
}

/// The providers that a deployment may have.
struct Every;

impl Providers for Every {
    fn known(&self, name: &str) -> bool {
        find(name).is_some()
    }

    fn env_vars(&self, _name: &str) -> &'static [&'static str] {
        &[]
    }

    fn guess(&self, _model: &str) -> Option<&'static str> {
        None
    }

    fn needs_base(&self, _name: &str) -> bool {
        false
    }
}

fn deployment(provider: &str) -> Deployment {
    let text = format!(
        "model_list:\n- model_name: m\n  litellm_params:\n    model: {provider}/m\n    api_base: http://127.0.0.1:1\n"
    );
    let env = |_: &str| None;
    let surroundings = Surroundings { env: &env, providers: &Every, purpose: Purpose::Serve };
    let (settings, report) = config::load_text("t.yaml", &text, &surroundings);
    settings.unwrap_or_else(|| panic!("{report:?}")).deployments.remove(0)
}

/// What must survive: everything but how hard to think, which vendors name differently.
fn parts(mut chat: Chat<'_>) -> String {
    chat.reasoning = chat.reasoning.map(|_| Reasoning::default());
    chat.extra.clear();
    // A sound must name its form.
    for part in chat.messages.iter_mut().flat_map(|message| &mut message.parts) {
        if let Part::Media(media) = part {
            media.mime.get_or_insert_with(|| "audio/wav".into());
        }
    }
    format!("{chat:#?}")
}

#[test]
fn requests_are_the_same_after_they_were_written_again() {
    let (mut counts, mut refused) = (0, BTreeMap::<String, u32>::new());
    let through = deployment("litellm_proxy");
    let others = ["openai", "mistral", "deepseek", "openrouter", "groq"].map(deployment);
    for recording in recordings() {
        let Some(body) = recording.request.body.filter(|body| body.contains("\"messages\"")) else { continue };
        let Ok(_object) = serde_json::from_str::<Value>(&body) else { continue };
        let chat = match CHAT.read(body.as_bytes(), false) {
            Ok(chat) => chat,
            Err(fault) => {
                assert_ne!(recording.response.status, 200, "{}: {fault}", recording.id);
                *refused.entry(fault.public.into_owned()).or_default() += 1;
                continue;
            }
        };
        let ask = |deployment| Ask { model: "m", stream: chat.stream, output_max: None, deployment };
        let written = openai().write(&chat, &ask(&through)).unwrap();
        let again = CHAT.read(&written.body, false).unwrap();
        let (again, before) = (parts(again), parts(chat.clone()));
        let differs = again.lines().zip(before.lines()).find(|(again, before)| again != before);
        assert_eq!((differs, again.len()), (None, before.len()), "{}", recording.id);
        assert_eq!(openai().write(&chat, &ask(&through)).unwrap().body, written.body, "{}", recording.id);
        for other in &others {
            match openai().write(&chat, &ask(other)) {
                Ok(written) => drop(CHAT.read(&written.body, false).unwrap()),
                Err(fault) => {
                    assert!(fault.param.is_some(), "{}: {fault}", recording.id);
                    *refused.entry(format!("{}: {}", other.provider, fault.public)).or_default() += 1;
                }
            }
        }
        counts += 1;
    }
    println!("requests: {counts}, refused: {refused:#?}");
}
