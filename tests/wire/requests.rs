//! Requests with every feature, sent to every provider: what arrives is what the provider's API takes, and nothing is lost.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use super::features::{self, Feature};
use super::playback::{Ending, Script};
use super::recording::{self, Dialect};
use super::refused::{LOST, UNSAID};
use super::replay;
use super::stand::{Ask, Stand};

/// A provider's prefix, one of its models that thinks and sees, and its API among the specifications.
const PROVIDERS: [(&str, &str, &str); 9] = [
    ("openai", "gpt-5.1", "openai"),
    ("mistral", "mistral-medium-latest", "mistral"),
    ("anthropic", "claude-sonnet-4-5", "anthropic"),
    ("gemini", "gemini-2.5-flash", "gemini"),
    ("vertex_ai", "gemini-2.5-flash", "vertex"),
    ("bedrock/converse", "us.anthropic.claude-sonnet-4-5-20250929-v1:0", "bedrock"),
    ("bedrock/converse", "us.amazon.nova-2-lite-v1:0", "bedrock"),
    ("cohere_chat", "command-a-reasoning-08-2025", "cohere"),
    ("ollama_chat", "qwen3-vl", "ollama"),
];

/// Who is sent what the client wrote, right or wrong.
const CARRIED: [(Dialect, &str); 6] = [
    (Dialect::Chat, "openai"),
    (Dialect::Responses, "openai"),
    (Dialect::Chat, "mistral"),
    (Dialect::Messages, "anthropic"),
    (Dialect::Gemini, "gemini"),
    (Dialect::Gemini, "vertex_ai"),
];

/// Sends every feature to every provider. What a provider was asked, for its specification, and what is wrong.
pub(crate) fn all(stand: &Stand) -> (Vec<Value>, Vec<String>) {
    let features = features::all();
    let pairs = features.iter().flat_map(|feature| PROVIDERS.iter().map(move |to| (feature, to)));
    let pairs: Vec<_> = pairs.filter(|(feature, (lead, ..))| !CARRIED.contains(&(feature.dialect, lead))).collect();
    let results = replay::each(stand, pairs.len(), |client, job| {
        let (feature, (lead, model, api)) = pairs[job];
        let ask = ask(feature, lead, model);
        let told = stand.ask(client, &ask);
        let place = format!("{} of {:?} to {lead}/{model}", feature.name, feature.dialect);
        let Some(seen) = told.seen.first() else {
            return Err(
                unsaid(feature, lead, &String::from_utf8_lossy(&told.body)).map(|wrong| format!("{place}: {wrong}"))
            );
        };
        let Ok(body) = serde_json::from_slice::<Value>(&seen.body) else {
            return Err(Some(format!("{place}: sent what is no JSON")));
        };
        let text = body.to_string();
        let lost = features::words(&ask.body).into_iter().filter(|word| !text.contains(word) && !is_known(word, lead));
        let lost: Vec<_> = lost.collect();
        if !lost.is_empty() {
            return Err(Some(format!("{place}: lost {lost:?} in {text}")));
        }
        Ok(json!({"where": place, "api": api, "body": body}))
    });
    let (mut sent, mut wrong) = (Vec::new(), Vec::new());
    for result in results {
        match result {
            Ok(request) => sent.push(request),
            Err(what) => wrong.extend(what),
        }
    }
    (sent, wrong)
}

fn ask<'a>(feature: &Feature, lead: &'a str, model: &'a str) -> Ask<'a> {
    let error = br#"{"error":{"message":"the request was seen"}}"#;
    Ask {
        dialect: feature.dialect,
        path: None,
        stream: feature.name == "stream",
        array: false,
        lead,
        model,
        body: feature.body.to_string(),
        script: Script {
            status: 400,
            content_type: Some("application/json".to_owned()),
            pieces: vec![error.to_vec()],
            ending: Ending::Length,
        },
    }
}

/// A request that was refused, unless that is meant.
fn unsaid(feature: &Feature, lead: &str, answer: &str) -> Option<String> {
    let meant = UNSAID.iter().any(|(name, to, _)| *name == feature.name && lead.starts_with(to));
    (!meant).then(|| format!("refused: {answer}"))
}

/// Whether a word is known not to arrive there.
fn is_known(word: &str, lead: &str) -> bool {
    LOST.iter().any(|(lost, to, _)| word.starts_with(lost) && lead.starts_with(to))
}

/// What the specifications say against requests. None, said aloud, where there is nothing to check them with.
pub(crate) fn against_specifications(requests: &[Value]) -> Option<Vec<String>> {
    let specs = recording::folder().join("specs");
    let Some(python) = python().filter(|_| specs.exists()) else {
        println!("SKIPPED: no specifications, or no Python with jsonschema and PyYAML (`make sdk` fetches them)");
        return None;
    };
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/wire/validate.py");
    let mut command = Command::new(python);
    command.arg("-B").arg(script).arg(specs).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let lines: String = requests.iter().map(|request| format!("{request}\n")).collect();
    child.stdin.take().unwrap().write_all(lines.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "the specifications could not be read");
    Some(String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect())
}

/// A Python with what is needed: the one that was fetched for this, or the machine's own.
fn python() -> Option<String> {
    let fetched = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/sdk/schemas/bin/python");
    let candidates = [fetched.to_str().unwrap().to_owned(), "python3".to_owned()];
    candidates.into_iter().find(|python| {
        let mut command = Command::new(python);
        command.args(["-c", "import jsonschema, yaml"]).stdout(Stdio::null()).stderr(Stdio::null());
        command.status().is_ok_and(|status| status.success())
    })
}
