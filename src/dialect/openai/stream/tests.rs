use super::*;
use crate::vocabulary::Usage;

const PLAIN: &str = concat!(
    "data: {\"id\":\"c\",\"model\":\"up\",\"choices\":[{\"delta\":{\"content\":\"Hel\"},\"finish_reason\":null}],\"usage\":null}\n\n",
    ": comment\n\n",
    "data: {\"usage\":null,\"id\":\"c\",\"model\" : \"up\",\"choices\":[{\"delta\":{\"content\":\"lo\"},\"finish_reason\":\"stop\"}]}\r\n\r\n",
    "event: odd\ndata: {\"value\":1}\n\n",
    "data: {\"id\":\"c\",\"model\":\"up\",\"choices\":[],\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":2}}\n\n",
    "data: [DONE]\n\n",
);

fn options(model: Option<&'static str>) -> StreamOptions {
    StreamOptions { model_json: model.map(|m| Bytes::from_static(m.as_bytes())), ..StreamOptions::default() }
}

fn run(options: StreamOptions, chunks: &[&[u8]]) -> (String, StreamEnd, StreamReply) {
    let mut stream = StreamReply::new(options);
    let mut out = Vec::new();
    for chunk in chunks {
        stream.push(Bytes::copy_from_slice(chunk), &mut out).unwrap();
    }
    let end = stream.finish(&mut out);
    (String::from_utf8(out.concat()).unwrap(), end, stream)
}

fn at_every_cut(options: &StreamOptions, text: &str, expected: &str, end: StreamEnd) {
    for first in 0..=text.len() {
        for second in [first, (first + 1).min(text.len()), text.len().max(first)] {
            let parts = [&text.as_bytes()[..first], &text.as_bytes()[first..second], &text.as_bytes()[second..]];
            let (sent, how, _) = run(options.clone(), &parts);
            assert_eq!((sent.as_str(), how), (expected, end), "{first} {second}");
        }
    }
}

#[test]
fn a_stream_passes_with_another_model() {
    let expected = PLAIN.replace("\"up\"", "\"mine\"");
    at_every_cut(&options(Some("\"mine\"")), PLAIN, &expected, StreamEnd::Complete);
    let (_, _, stream) = run(options(Some("\"mine\"")), &[PLAIN.as_bytes()]);
    let usage = Usage { prompt: 3, completion: 2, ..Usage::default() };
    assert_eq!(stream.metered(), Metered::Reported(usage));
    assert_eq!((stream.produced.sample.as_str(), stream.progress.events), ("Hello", 4));
    assert!(
        stream.progress.content_seen && stream.progress.finish_seen && stream.done_seen && !stream.progress.error_seen
    );
}

#[test]
fn nothing_is_copied_where_nothing_is_edited() {
    for model in [None, Some("\"up\"")] {
        let chunk = Bytes::from_static(PLAIN.as_bytes());
        let mut out = Vec::new();
        StreamReply::new(options(model)).push(chunk.clone(), &mut out).unwrap();
        assert_eq!(out.len(), 1);
        assert_eq!((out[0].as_ptr(), out[0].len()), (chunk.as_ptr(), chunk.len()));
    }
}

#[test]
fn usage_is_hidden_from_who_did_not_ask() {
    let usage = "data: {\"id\":\"c\",\"model\":\"up\",\"choices\":[],\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":2}}\n\n";
    let hidden = PLAIN.replace(usage, "");
    let hide = StreamOptions { hide_usage: true, ..options(None) };
    at_every_cut(&hide, PLAIN, &hidden, StreamEnd::Complete);
    let cut = StreamOptions { cut_null_usage: true, ..hide };
    let without_null = hidden.replace(",\"usage\":null", "").replace("\"usage\":null,", "");
    at_every_cut(&cut, PLAIN, &without_null, StreamEnd::Complete);
    let both = StreamOptions { model_json: Some(Bytes::from_static(b"\"m\"")), ..cut };
    at_every_cut(&both, PLAIN, &without_null.replace("\"up\"", "\"m\""), StreamEnd::Complete);
    assert!(matches!(run(both, &[PLAIN.as_bytes()]).2.metered(), Metered::Reported(_)));
}

#[test]
fn usage_beside_a_choice_and_filter_results_without_one_are_forwarded() {
    let text = concat!(
        "data: {\"choices\":[],\"prompt_filter_results\":[{}]}\n\n",
        "data: {\"choices\":[{\"delta\":{}}],\"usage\":{\"prompt_tokens\":1,\"completion_tokens\":1}}\n\n",
    );
    at_every_cut(&StreamOptions { hide_usage: true, ..options(None) }, text, text, StreamEnd::NoDone);
}

#[test]
fn a_hidden_event_takes_its_line_ends_along() {
    let text = "data: {\"choices\":[],\"usage\":{}}\r\n\r\ndata: [DONE]\r\n\r\n";
    let hide = StreamOptions { hide_usage: true, ..options(None) };
    at_every_cut(&hide, text, "data: [DONE]\r\n\r\n", StreamEnd::Complete);
}

#[test]
fn data_on_several_lines_is_edited_too() {
    let text = "event: x\ndata: {\"model\":\ndata: \"up\",\"choices\":[]}\n\n";
    at_every_cut(
        &options(Some("\"m\"")),
        text,
        "event: x\ndata: {\"model\":\ndata: \"m\",\"choices\":[]}\n\n",
        StreamEnd::NoDone,
    );
}

#[test]
fn an_end_without_its_blank_line_is_completed_or_told() {
    for (text, sent, end) in [
        ("data: [DONE]", "data: [DONE]\n\n", StreamEnd::Complete),
        ("data: [DONE]\n", "data: [DONE]\n\n", StreamEnd::Complete),
        ("data: {\"choices\":[]}", "data: {\"choices\":[]}\n\n", StreamEnd::NoDone),
        ("data: {\"choices\":[", "", StreamEnd::Truncated),
        ("da", "", StreamEnd::Truncated),
        (": ping", "", StreamEnd::NoDone),
        ("", "", StreamEnd::NoDone),
    ] {
        at_every_cut(&options(None), text, sent, end);
    }
}

#[test]
fn an_error_within_the_stream_is_seen_and_scrubbed() {
    for text in [
        "event: error\ndata: {\"error\":{\"message\":\"key SECRETSECRETSECRET1 is bad\"}}\n\n",
        "data: {\"error\":\"key SECRETSECRETSECRET1 is bad\"}\n\n",
        "event: error\ndata: SECRETSECRETSECRET1\n\n",
    ] {
        let secrets = vec![Secret::new("SECRETSECRETSECRET1")];
        let scrub = StreamOptions { secrets, ..options(None) };
        at_every_cut(&scrub, text, &text.replace("SECRETSECRETSECRET1", "[redacted]"), StreamEnd::NoDone);
        assert!(run(scrub, &[text.as_bytes()]).2.progress.error_seen);
    }
    assert!(!run(options(None), &[b"data: {\"error\":null,\"choices\":[]}\n\n"]).2.progress.error_seen);
}

#[test]
fn an_error_in_a_chunk_does_not_tell_the_other_model() {
    let text = "data: {\"model\":\"up\",\"error\":{\"code\":400},\"choices\":[]}\n\n";
    at_every_cut(&options(Some("\"m\"")), text, &text.replace("\"up\"", "\"m\""), StreamEnd::NoDone);
    assert!(run(options(Some("\"m\"")), &[text.as_bytes()]).2.progress.error_seen);
}

#[test]
fn what_is_not_json_passes_untouched() {
    let text = "data: hello\n\ndata: {\"model\":\n\ndata: {\"model\":\"up\"} x\n\ndata: [1]\n\n";
    at_every_cut(&options(Some("\"m\"")), text, text, StreamEnd::NoDone);
}

#[test]
fn a_giant_event_stops_the_stream_after_what_came_before() {
    let mut stream = StreamReply::new(StreamOptions { event_bytes_max: 100, ..options(None) });
    let mut out = Vec::new();
    let chunk = Bytes::from(format!("data: {{}}\n\ndata: {}", "x".repeat(200)));
    assert!(stream.push(chunk, &mut out).is_err());
    assert_eq!(out.concat(), b"data: {}\n\n");
}
