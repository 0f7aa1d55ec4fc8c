//! Recorded exchanges of the OpenAI format come out as they went in, but for the model; their usage is what was recorded.
#![expect(clippy::disallowed_types, reason = "the tree is the oracle that forwarding is compared with")]
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "helpers of tests, and word of what was skipped")]

use std::path::{Path, PathBuf};

use bytes::Bytes;
use serde::Deserialize;
use serde_json::Value;
use tollgate::dialect::Relay;
use tollgate::dialect::openai::{Endpoint, JsonReply, StreamEnd, StreamOptions, StreamReply};
use tollgate::vocabulary::Metered;

#[derive(Deserialize)]
struct Recording {
    id: String,
    api: String,
    stream: bool,
    response: Response,
}

#[derive(Deserialize)]
struct Response {
    status: u16,
    body: String,
}

const ALIAS: &str = "an alias";
const ALIAS_JSON: &[u8] = b"\"an alias\"";

/// All offsets of short bodies, some of long ones.
const EVERY_OFFSET_UP_TO: usize = 800;
const OFFSETS: usize = 20;

fn endpoint(recording: &Recording) -> Option<Endpoint> {
    match recording.api.as_str() {
        "openai.chat" => Some(Endpoint::ChatCompletions),
        "openai.completions" => Some(Endpoint::Completions),
        "openai.embeddings" => Some(Endpoint::Embeddings),
        _ => None,
    }
}

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            files(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "json") {
            found.push(path);
        }
    }
}

fn recordings(stream: bool) -> Vec<(Endpoint, Recording)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/wire/dev");
    let mut paths = Vec::new();
    files(&folder, &mut paths);
    if paths.is_empty() {
        println!("SKIPPED: no recordings at {}", folder.display());
    }
    let all = paths.iter().filter_map(|path| serde_json::from_slice::<Recording>(&std::fs::read(path).ok()?).ok());
    let ours = all.filter_map(|recording| Some((endpoint(&recording)?, recording)));
    ours.filter(|(_, recording)| recording.stream == stream && recording.response.status == 200).collect()
}

fn offsets(length: usize) -> Vec<usize> {
    let step = if length <= EVERY_OFFSET_UP_TO { 1 } else { length / OFFSETS };
    (0..=length).step_by(step).collect()
}

/// The data of every event, read the plain way.
fn events(text: &str) -> Vec<String> {
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    let data = |line: &str| line.strip_prefix("data:").map(|data| data.strip_prefix(' ').unwrap_or(data).to_owned());
    let blocks = text.split("\n\n").map(|block| block.lines().filter_map(data).collect::<Vec<_>>());
    blocks.filter(|lines| !lines.is_empty()).map(|lines| lines.join("\n")).collect()
}

fn aliased(mut value: Value) -> Value {
    if let Some(model) = value.get_mut("model") {
        *model = ALIAS.into();
    }
    value
}

fn json_events(text: &str) -> Vec<Result<Value, String>> {
    events(text).into_iter().map(|data| serde_json::from_str(&data).map_err(|_| data)).collect()
}

/// Prompt, completion and cached tokens: of all usages the largest counts.
fn usage(values: &[Value]) -> Option<(u64, u64, u64)> {
    let usages = values.iter().flat_map(|value| [&value["usage"], &value["x_groq"]["usage"]]);
    let usages: Vec<_> = usages.filter(|usage| usage.is_object()).collect();
    let most = |of: &dyn Fn(&Value) -> Option<u64>| usages.iter().filter_map(|usage| of(usage)).max();
    let total = most(&|usage| usage["total_tokens"].as_u64());
    let prompt = most(&|usage| usage["prompt_tokens"].as_u64()).or(total)?;
    let completion = most(&|usage| usage["completion_tokens"].as_u64()).unwrap_or(0);
    let reasoning = most(&|usage| usage["completion_tokens_details"]["reasoning_tokens"].as_u64()).unwrap_or(0);
    let apart = reasoning > 0 && total == Some(prompt + completion + reasoning);
    let cached = [
        most(&|usage| usage["prompt_tokens_details"]["cached_tokens"].as_u64()),
        most(&|usage| usage["prompt_cache_hit_tokens"].as_u64()),
        most(&|usage| usage["cached_tokens"].as_u64()),
        most(&|usage| usage["num_cached_tokens"].as_u64()),
        most(&|usage| usage["cache_read_input_tokens"].as_u64()),
        most(&|usage| usage["prompt_token_details"]["cached_tokens"].as_u64()),
    ];
    // Some report more cached tokens than there are: a part is never more than the whole.
    Some((
        prompt,
        if apart { completion + reasoning } else { completion },
        cached.into_iter().flatten().max().unwrap_or(0).min(prompt),
    ))
}

fn counts(metered: Metered) -> Option<(u64, u64, u64)> {
    match metered {
        Metered::Reported(usage) => Some((usage.prompt, usage.completion, usage.cache_read)),
        _ => None,
    }
}

fn stream(options: StreamOptions, parts: &[&str]) -> (String, StreamEnd, StreamReply) {
    let mut reply = StreamReply::new(options);
    let mut out = Vec::new();
    for part in parts {
        reply.push(Bytes::copy_from_slice(part.as_bytes()), &mut out).unwrap();
    }
    let end = reply.finish(&mut out);
    (String::from_utf8(out.concat()).unwrap(), end, reply)
}

#[test]
fn a_recorded_stream_comes_out_as_it_went_in() {
    for (endpoint, recording) in recordings(true) {
        let (id, body) = (&recording.id, recording.response.body.as_str());
        let plain = StreamOptions { endpoint, ..StreamOptions::default() };
        let renamed = StreamOptions { model_json: Some(Bytes::from_static(ALIAS_JSON)), ..plain.clone() };
        let expected: Vec<_> = json_events(body).into_iter().map(|event| event.map(aliased)).collect();
        let (sent, end, reply) = stream(renamed.clone(), &[body]);
        assert_eq!(json_events(&sent), expected, "{id}");
        assert_eq!(end == StreamEnd::Complete, body.contains("[DONE]"), "{id}");
        let values: Vec<_> = json_events(body).into_iter().filter_map(Result::ok).collect();
        assert_eq!(counts(reply.metered()), usage(&values), "{id}");
        for at in offsets(body.len()).into_iter().filter(|at| body.is_char_boundary(*at)) {
            let (first, second) = body.split_at(at);
            assert_eq!(stream(plain.clone(), &[first, second]).0, body, "{id} at {at}");
            let (again, ending, metered) = stream(renamed.clone(), &[first, second]);
            assert_eq!((again.as_str(), ending), (sent.as_str(), end), "{id} at {at}");
            assert_eq!(metered.metered(), reply.metered(), "{id} at {at}");
        }
    }
}

#[test]
fn only_the_chunk_with_usage_alone_is_hidden() {
    for (endpoint, recording) in recordings(true) {
        let (id, body) = (&recording.id, recording.response.body.as_str());
        let hide = StreamOptions { endpoint, hide_usage: true, ..StreamOptions::default() };
        let only_usage = |event: &Result<Value, String>| {
            let Ok(value) = event else { return false };
            value["usage"].is_object() && value["choices"].as_array().is_some_and(Vec::is_empty)
        };
        let expected: Vec<_> = json_events(body).into_iter().filter(|event| !only_usage(event)).collect();
        let (sent, _, reply) = stream(hide, &[body]);
        assert_eq!(json_events(&sent), expected, "{id}");
        let values: Vec<_> = json_events(body).into_iter().filter_map(Result::ok).collect();
        assert_eq!(counts(reply.metered()), usage(&values), "{id}");
    }
}

#[test]
fn a_recorded_stream_cut_off_is_never_called_complete() {
    for (endpoint, recording) in recordings(true) {
        let body = recording.response.body.as_str();
        let Some(done) = body.find("data: [DONE]") else { continue };
        for at in offsets(done).into_iter().filter(|at| body.is_char_boundary(*at)) {
            let options = StreamOptions { endpoint, ..StreamOptions::default() };
            let (sent, end, _) = stream(options, &[&body[..at]]);
            assert_ne!(end, StreamEnd::Complete, "{} at {at}", recording.id);
            assert!(json_events(&sent).iter().all(Result::is_ok), "{} at {at}", recording.id);
        }
    }
}

#[test]
fn a_recorded_reply_comes_out_as_it_went_in() {
    for (endpoint, recording) in recordings(false) {
        let (id, body) = (&recording.id, recording.response.body.as_str());
        let Ok(value) = serde_json::from_str::<Value>(body) else { continue };
        if !value.is_object() {
            continue;
        }
        let expected = aliased(value.clone());
        for at in (0..=body.len()).step_by(body.len() / OFFSETS + 1).filter(|at| body.is_char_boundary(*at)) {
            let (first, second) = body.split_at(at);
            for model in [None, Some(Bytes::from_static(ALIAS_JSON))] {
                let renamed = model.is_some();
                let mut reply = JsonReply::new(endpoint, model);
                reply.push(Bytes::copy_from_slice(first.as_bytes())).unwrap();
                reply.push(Bytes::copy_from_slice(second.as_bytes())).unwrap();
                let done = reply.finish();
                assert!(done.complete, "{id} at {at}");
                assert_eq!(counts(done.metered), usage(std::slice::from_ref(&value)), "{id} at {at}");
                let sent = done.segments.to_bytes();
                if !renamed {
                    assert_eq!(sent, body, "{id} at {at}");
                } else if at < 8 {
                    assert_eq!(serde_json::from_slice::<Value>(&sent).unwrap(), expected, "{id} at {at}");
                } else {
                    let grown = sent.len() + value["model"].as_str().map_or(ALIAS.len(), str::len);
                    assert_eq!(grown, body.len() + ALIAS.len(), "{id} at {at}");
                }
            }
        }
    }
}
