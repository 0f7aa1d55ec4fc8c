//! An OpenAI client's request reaches a provider as LiteLLM would have written it; where it does not, a table says why.
//!
//! Both write the same requests to a recorder, and what arrived is compared, member by member.
#![expect(clippy::disallowed_types, reason = "an independent reading of the requests")]
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

#[path = "differential/cases.rs"]
mod cases;
#[path = "differential/compare.rs"]
mod compare;
mod support;
#[path = "differential/table.rs"]
mod table;

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use cases::Case;
use support::client::Client;
use support::hostile::{Hostile, Play, Received};
use support::{Process, Scratch, stand};

const KEY: &str = "sk-differential-master-01";

/// Providers' prefixes with one of their models each, by the kind of call.
const MODELS: [(&str, &str); 15] = [
    ("chat", "anthropic/claude-sonnet-4-5"),
    ("chat", "gemini/gemini-2.5-flash"),
    ("chat", "bedrock/converse/us.anthropic.claude-sonnet-4-5-20250929-v1:0"),
    ("chat", "bedrock/converse/us.amazon.nova-lite-v1:0"),
    ("chat", "cohere_chat/command-a-03-2025"),
    ("chat", "ollama_chat/qwen3"),
    ("chat", "mistral/mistral-medium-latest"),
    ("embedding", "cohere/embed-v4.0"),
    ("embedding", "gemini/gemini-embedding-001"),
    ("embedding", "bedrock/amazon.titan-embed-text-v2:0"),
    ("embedding", "bedrock/cohere.embed-english-v3"),
    ("embedding", "ollama/nomic-embed-text"),
    ("embedding", "mistral/mistral-embed"),
    ("embedding", "voyage/voyage-3.5"),
    ("rerank", "cohere/rerank-v3.5"),
];

/// What arrived of a request: its path below the recorder's root, and its body. Or why nothing did.
type Sent = Result<(String, Value), String>;

#[test]
fn a_request_arrives_as_litellm_would_have_written_it() {
    let Some(venv) = stand::fetched("litellm") else { return };
    let cases = cases::all();
    let jobs: Vec<(&Case, &str)> = cases
        .iter()
        .flat_map(|case| MODELS.iter().filter(|(kind, _)| *kind == case.kind).map(move |(_, model)| (case, *model)))
        .collect();
    let theirs = theirs(&venv, &jobs);
    let ours = ours(&jobs);
    let mut differences = Vec::new();
    for ((case, model), (theirs, ours)) in jobs.iter().zip(theirs.iter().zip(&ours)) {
        let found = compare::differences(theirs, ours);
        differences.extend(found.into_iter().map(|found| (*model, case.name, found)));
    }
    let (open, stale) = table::judge(&differences);
    println!("{} requests, {} differences, all but {} with a reason", jobs.len(), differences.len(), open.len());
    assert!(open.is_empty(), "differences without a reason:\n{}", open.join("\n"));
    assert!(stale.is_empty(), "reasons for differences that are not there any more:\n{}", stale.join("\n"));
}

fn recorder() -> Hostile {
    Hostile::start(|_| {
        Play::json(400, r#"{"error":{"message":"the request was seen"},"message":"the request was seen"}"#)
    })
}

/// What LiteLLM writes.
fn theirs(venv: &Path, jobs: &[(&Case, &str)]) -> Vec<Sent> {
    let recorder = recorder();
    let script = stand::root().join("tests/differential/ask.py");
    let mut child = Command::new(venv.join("bin/python"))
        .arg("-B")
        .arg(script)
        .env_clear()
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    let lines: String = jobs
        .iter()
        .enumerate()
        .map(|(index, (case, model))| {
            let url = format!("{}/{index}", recorder.url());
            format!("{}\n", json!({"url": url, "kind": case.kind, "model": model, "body": case.body}))
        })
        .collect();
    let writing = std::thread::spawn(move || input.write_all(lines.as_bytes()));
    let output = child.wait_with_output().unwrap();
    writing.join().unwrap().unwrap();
    assert!(output.status.success(), "LiteLLM could not be run");
    let told = String::from_utf8(output.stdout).unwrap();
    let told: Vec<Value> = told.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(told.len(), jobs.len());
    let received = recorder.received();
    told.iter()
        .enumerate()
        .map(|(index, told)| sent(&received, index, told["refused"].as_str().unwrap_or("")))
        .collect()
}

/// What the gateway writes.
fn ours(jobs: &[(&Case, &str)]) -> Vec<Sent> {
    let recorder = recorder();
    let scratch = Scratch::new("differential");
    let list: String = jobs.iter().enumerate().map(|(index, (_, model))| deployment(index, model, &recorder)).collect();
    let config =
        format!("model_list:\n{list}\nrouter_settings:\n  num_retries: 0\ngeneral_settings:\n  master_key: {KEY}\n");
    let gateway = Process::gateway(scratch.write("config.yaml", &config), &[]);
    let mut client = Client::connect(gateway.address()).unwrap();
    let mut told = Vec::new();
    for (index, (case, _)) in jobs.iter().enumerate() {
        let mut body = case.body.clone();
        body["model"] = format!("job-{index}").into();
        let path = match case.kind {
            "chat" => "/v1/chat/completions",
            "embedding" => "/v1/embeddings",
            _ => "/v1/rerank",
        };
        let headers = format!("authorization: Bearer {KEY}\r\ncontent-type: application/json\r\n");
        let reply = client.send(&format!("POST {path}"), &headers, body.to_string().as_bytes()).unwrap();
        let (answer, end) = reply.rest();
        told.push(answer.text());
        if end.is_err() {
            client = Client::connect(gateway.address()).unwrap();
        }
    }
    let received = recorder.received();
    told.iter().enumerate().map(|(index, told)| sent(&received, index, told)).collect()
}

fn deployment(index: usize, model: &str, recorder: &Hostile) -> String {
    let credential = match model.starts_with("bedrock/") {
        true => {
            "aws_access_key_id: AKIDDIFFERENTIAL0001, aws_secret_access_key: differential/secret/1, aws_region_name: us-east-1"
        }
        false => "api_key: sk-differential",
    };
    format!(
        "  - {{model_name: job-{index}, litellm_params: {{model: \"{model}\", api_base: \"{}/{index}\", {credential}}}}}\n",
        recorder.url()
    )
}

/// The last call of a job, whatever was asked about its model before.
fn sent(received: &[Received], index: usize, told: &str) -> Sent {
    let lead = format!("/{index}/");
    let mut calls = received.iter().filter_map(|request| {
        let path = request.head.split(' ').nth(1)?.strip_prefix(lead.as_str())?;
        (!path.starts_with("api/show")).then_some((path, request))
    });
    let (path, request) = calls.next_back().ok_or_else(|| told.to_owned())?;
    let path = path.split('?').next().unwrap_or_default().to_owned();
    Ok((path, serde_json::from_str(&request.body).unwrap_or_else(|_| Value::String(request.body.clone()))))
}
