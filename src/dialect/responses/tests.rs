//! Requests read, answers written, streams passed on: with fixtures of our own.

use proptest::prelude::*;

use crate::chat::{Api, Effort, Finish, Format, MediaKind, Role, Source, Tool, ToolChoice};
use crate::dialect::StreamEnd;
use crate::vocabulary::{Kind, Units, Usage};

use super::*;
use crate::chat::{Delta, Part};

fn read(body: &str) -> Chat<'_> {
    RESPONSES.read(body.as_bytes(), false).unwrap()
}

fn refused(body: &str) -> (String, String) {
    let fault = RESPONSES.read(body.as_bytes(), false).unwrap_err();
    assert_eq!(fault.kind, Kind::BadRequest, "{fault}");
    (fault.param.unwrap().into_owned(), fault.public.into_owned())
}

fn said(chat: &Chat<'_>) -> Vec<String> {
    chat.messages.iter().map(|message| format!("{:?} {}", message.role, parts(&message.parts))).collect()
}

fn parts(parts: &[Part<'_>]) -> String {
    let one = |part: &Part<'_>| match part {
        Part::Text { text, .. } => format!("text({text})"),
        Part::Thinking { text, signature } => format!("thought({text},{})", signature.as_deref().unwrap_or("-")),
        Part::Redacted { data } => format!("redacted({data})"),
        Part::Refusal(text) => format!("refusal({text})"),
        Part::ToolCall(call) => {
            format!("call({},{},{},{})", call.id, call.name, call.arguments, call.signature.as_deref().unwrap_or("-"))
        }
        Part::ToolResult(result) => format!("result({},{})", result.id, self::parts(&result.parts)),
        Part::Media(media) => format!("{:?}({:?})", media.kind, media.source),
        Part::Native(native) => format!("native({})", native.json.get()),
    };
    parts.iter().map(one).collect::<Vec<_>>().join(" ")
}

#[test]
fn items_become_messages() {
    let chat = read(
        r#"{"model":"m","instructions":"be brief","input":[
            {"role":"developer","content":"dev"},
            {"type":"message","role":"user","content":[{"type":"input_text","text":"a\nb"}]},
            {"type":"reasoning","id":"rs_1","summary":[{"type":"summary_text","text":"hm"}],"encrypted_content":"Sig="},
            {"type":"message","id":"msg_1","role":"assistant","status":"completed","content":[
                {"type":"output_text","text":"yes","annotations":[]},{"type":"refusal","refusal":"no"}]},
            {"type":"function_call","id":"fc_1","call_id":"c1","name":"f","arguments":"{\"a\":1}"},
            {"type":"function_call","call_id":"c2","name":"g","arguments":""},
            {"type":"function_call_output","call_id":"c1","output":"one"},
            {"type":"function_call_output","call_id":"c2","output":[{"type":"input_text","text":"two"}]},
            {"type":"web_search_call","id":"ws_1","status":"completed"},
            {"role":"assistant","content":"done"},
            {"role":"user","content":"thanks"}]}"#,
    );
    assert_eq!(
        said(&chat),
        [
            "System text(be brief)",
            "System text(dev)",
            "User text(a\nb)",
            "Assistant thought(hm,Sig=) text(yes) refusal(no) call(c1,f,{\"a\":1},-) call(c2,g,,-)",
            "Tool result(c1,text(one)) result(c2,text(two))",
            "Assistant native({\"type\":\"web_search_call\",\"id\":\"ws_1\",\"status\":\"completed\"}) text(done)",
            "User text(thanks)",
        ]
    );
    assert!(read(r#"{"model":"m","input":"hi"}"#).messages[0].role == Role::User);
}

#[test]
fn thoughts_come_back_to_their_provider() {
    let body = format!(
        r#"{{"input":[{{"type":"reasoning","summary":[],"encrypted_content":"{}"}},
            {{"type":"reasoning","summary":[],"encrypted_content":"{}"}},
            {{"type":"function_call","call_id":"c:1","name":"f","arguments":"{{}}"}},
            {{"type":"reasoning","summary":[{{"type":"summary_text","text":"a"}},{{"type":"summary_text","text":"b"}}],
              "encrypted_content":"gAAAAAsecret"}},
            {{"type":"reasoning","summary":[],"content":[{{"type":"reasoning_text","text":"open"}}],"encrypted_content":null}}]}}"#,
        thought::seal_redacted("R=="),
        thought::seal_call("c:1", "S=="),
    );
    assert_eq!(said(&read(&body)), ["Assistant redacted(R==) call(c:1,f,{},S==) thought(a\n\nb,-) thought(open,-)"]);
}

#[test]
fn media_are_read() {
    let chat = read(
        r#"{"input":[{"role":"user","content":[
            {"type":"input_image","image_url":"data:image/png;base64,AAA","detail":"low"},
            {"type":"input_image","image_url":"https://x/y.png"},
            {"type":"input_image","file_id":"file-1"},
            {"type":"input_file","filename":"a.pdf","file_data":"data:application/pdf;base64,BBB"},
            {"type":"input_file","filename":"a.CSV","file_data":"CCC"},
            {"type":"input_file","file_url":"https://x/z.pdf"},
            {"type":"input_audio","input_audio":{"data":"DDD","format":"mp3"}},
            {"type":"input_text","text":"t","prompt_cache_breakpoint":{"mode":"explicit"}}]}]}"#,
    );
    let media: Vec<_> = chat.messages[0]
        .parts
        .iter()
        .filter_map(|part| match part {
            Part::Media(media) => Some((media.kind, format!("{:?}", media.source), media.mime.as_deref())),
            _ => None,
        })
        .collect();
    let base64 = |text: &'static str| format!("{:?}", Source::Base64(text.into()));
    assert_eq!(media[0], (MediaKind::Image, base64("AAA"), Some("image/png")));
    assert_eq!(media[1], (MediaKind::Image, format!("{:?}", Source::Url("https://x/y.png".into())), None));
    assert_eq!(media[2], (MediaKind::Image, format!("{:?}", Source::Id("file-1".into())), None));
    assert_eq!(media[3], (MediaKind::File, base64("BBB"), Some("application/pdf")));
    assert_eq!(media[4], (MediaKind::File, base64("CCC"), Some("text/csv")));
    assert_eq!(media[6], (MediaKind::Audio, base64("DDD"), Some("audio/mpeg")));
    assert!(matches!(&chat.messages[0].parts[7], Part::Text { cache: Some(_), .. }));
}

#[test]
fn parameters_are_read() {
    let chat = read(
        r#"{"model":"m","input":"x","stream":true,"max_output_tokens":9,"temperature":0.50,"top_p":null,"user":"u",
            "parallel_tool_calls":false,"service_tier":"flex","reasoning":{"effort":"xhigh","summary":"auto"},
            "text":{"format":{"type":"json_schema","name":"n","schema":{"type":"object"},"strict":true},"verbosity":"low"},
            "metadata":{"a":"b"},"store":false,"top_logprobs":2,"include":["reasoning.encrypted_content"],
            "truncation":"auto","background":false,"num_retries":3,"new_thing":1,"previous_response_id":null}"#,
    );
    assert!(chat.stream && chat.max_tokens == Some(9) && chat.parallel_tool_calls == Some(false));
    assert_eq!((chat.temperature.map(|raw| raw.get()), chat.top_p.is_none()), (Some("0.50"), true));
    let reasoning = chat.reasoning.unwrap();
    assert_eq!((reasoning.effort, reasoning.show), (Some(Effort::ExtraHigh), Some(true)));
    assert!(matches!(chat.format, Some(Format::Schema { strict: Some(true), .. })));
    let names = |list: &[(crate::chat::Str<'_>, crate::chat::Raw<'_>)]| {
        list.iter().map(|(name, value)| format!("{name}={}", value.get())).collect::<Vec<_>>()
    };
    assert_eq!(
        names(&chat.others),
        ["verbosity=\"low\"", "metadata={\"a\":\"b\"}", "store=false", "top_logprobs=2", "logprobs=true"]
    );
    assert_eq!(names(&chat.extra), ["new_thing=1"]);
    assert_eq!(chat.native.iter().map(|(_, name, _)| &**name).collect::<Vec<_>>(), ["include", "truncation"]);
    let plain = read(r#"{"input":"x","text":{"format":{"type":"text"}},"reasoning":{"effort":null,"summary":null}}"#);
    assert!(plain.format.is_none() && plain.reasoning.is_none());
}

#[test]
fn tools_are_read() {
    let chat = read(
        r#"{"input":[{"type":"additional_tools","role":"developer","tools":[{"type":"function","name":"late"}]},
              {"role":"user","content":"x"}],
            "tool_choice":{"type":"custom","name":"apply_patch"},"tools":[
            {"type":"function","name":"f","description":"d","parameters":{"type":"object"},"strict":true},
            {"type":"custom","name":"apply_patch","description":"edit","format":{"type":"grammar","syntax":"lark","definition":"start: x"}},
            {"type":"namespace","name":"crm","description":"","tools":[{"type":"function","name":"find"}]},
            {"type":"web_search"}]}"#,
    );
    let names: Vec<_> = chat
        .tools
        .iter()
        .map(|tool| match tool {
            Tool::Function(function) => function.name.to_string(),
            Tool::Native(native) => format!("{:?} {}", native.api, native.json.get()),
        })
        .collect();
    assert_eq!(names, ["f", "apply_patch", "crm__find", "Responses {\"type\":\"web_search\"}", "late"]);
    let Tool::Function(patch) = &chat.tools[1] else { panic!("not a function") };
    assert_eq!(patch.description.as_deref(), Some("edit\n\nThe input must follow this lark grammar:\nstart: x"));
    assert!(patch.parameters.unwrap().get().contains(r#""required":["input"]"#));
    assert_eq!(chat.tool_choice, Some(ToolChoice::Function("apply_patch".into())));
    let chat = read(
        r#"{"input":"x","tools":[{"type":"function","name":"f"},{"type":"function","name":"g"},{"type":"web_search"}],
            "tool_choice":{"type":"allowed_tools","mode":"required","tools":[{"type":"function","name":"g"}]}}"#,
    );
    assert!(matches!(chat.tools.as_slice(), [Tool::Function(function)] if function.name == "g"));
    assert_eq!(chat.tool_choice, Some(ToolChoice::Required));
}

#[test]
fn what_needs_a_state_or_cannot_be_said_is_refused_by_name() {
    for (body, param) in [
        (r#"{"input":"x","previous_response_id":"resp_1"}"#, "previous_response_id"),
        (r#"{"input":"x","conversation":{"id":"c"}}"#, "conversation"),
        (r#"{"prompt":{"id":"p"}}"#, "prompt"),
        (r#"{"input":"x","background":true}"#, "background"),
        (r#"{"model":"m"}"#, "input"),
        (r#"{"input":[]}"#, "input"),
        (r#"{"input":5}"#, "input"),
        (r#"{"input":[{"type":"item_reference","id":"msg_1"}]}"#, "input[0]"),
        (r#"{"input":[{"id":"msg_1"}]}"#, "input[0]"),
        (r#"{"input":[{"type":"compaction","encrypted_content":"x"}]}"#, "input[0]"),
        (
            r#"{"input":[{"role":"user","content":"a"},{"role":"user","content":[{"type":"odd"}]}]}"#,
            "input[1].content[0]",
        ),
        (r#"{"input":[{"role":"critic","content":"a"}]}"#, "input[0].role"),
        (r#"{"input":[{"role":"user","content":5}]}"#, "input[0].content"),
        (r#"{"input":[{"type":"function_call","name":"f","arguments":"{}"}]}"#, "input[0].call_id"),
        (r#"{"input":[{"type":"function_call_output","call_id":"c"}]}"#, "input[0].output"),
        (r#"{"input":"x","tools":[{"type":"function","function":{"name":"f"}}]}"#, "tools[0].name"),
        (r#"{"input":"x","tools":[{"name":"f"}]}"#, "tools[0].type"),
        (r#"{"input":"x","tool_choice":"maybe"}"#, "tool_choice"),
        (r#"{"input":"x","tool_choice":{"type":"file_search"}}"#, "tool_choice"),
        (r#"{"input":"x","text":{"format":{"type":"yaml"}}}"#, "text.format.type"),
        (r#"{"input":"x","reasoning":{"effort":"huge"}}"#, "reasoning.effort"),
        (r#"{"input":"x","max_output_tokens":"many"}"#, "max_output_tokens"),
        (r#"{"input":"x","max_tokens":5}"#, "max_tokens"),
        (r#"{"messages":[]}"#, "messages"),
        (r#"{"input":"x","stop":"y"}"#, "stop"),
    ] {
        let (at, text) = refused(body);
        assert_eq!(at, param, "{body}: {text}");
        assert!(text.contains(param.split('[').next().unwrap()), "{text}");
    }
}

fn answer(request: &str) -> Answer {
    Answer {
        id: "ab-12".into(),
        model: "gpt".into(),
        created: 7,
        include_usage: false,
        array: false,
        request: Bytes::copy_from_slice(request.as_bytes()),
    }
}

const USAGE: Usage = Usage {
    prompt: 10,
    completion: 5,
    cache_read: 4,
    cache_write: 1,
    cache_write_1h: 2,
    audio_in: 0,
    image_in: 0,
    reasoning: 3,
    audio_out: 0,
    image_out: 0,
    cost: None,
    units: Units::NONE,
};

fn whole(request: &str, deltas: &[Delta<'_>]) -> String {
    let mut encoder = RESPONSES.encoder(answer(request), false);
    deltas.iter().for_each(|delta| encoder.delta(0, *delta));
    assert!(encoder.take().is_empty());
    encoder.end(Some(&USAGE));
    String::from_utf8(encoder.take().to_vec()).unwrap()
}

#[test]
fn searches_that_were_charged_are_told() {
    let usage = Usage { units: Units { searches: 2, ..Units::NONE }, ..USAGE };
    let mut encoder = RESPONSES.encoder(answer("{}"), false);
    encoder.end(Some(&usage));
    let text = String::from_utf8(encoder.take().to_vec()).unwrap();
    assert!(text.contains(r#""tool_usage":{"web_search":{"num_requests":2}}"#), "{text}");
    assert!(!whole("{}", &[]).contains("tool_usage"));
}

/// The data of the events.
fn streamed(request: &str, deltas: &[Delta<'_>]) -> Vec<String> {
    let mut encoder = RESPONSES.encoder(answer(request), true);
    let mut all = Vec::new();
    for delta in deltas {
        encoder.delta(0, *delta);
        all.extend_from_slice(&encoder.take());
    }
    encoder.end(Some(&USAGE));
    all.extend_from_slice(&encoder.take());
    let all = String::from_utf8(all).unwrap();
    let data = |event: &str| {
        let (name, data) = event.strip_prefix("event: ").unwrap().split_once("\ndata: ").unwrap();
        assert!(data.starts_with(&format!("{{\"type\":\"{name}\",\"sequence_number\":")), "{event}");
        data.to_owned()
    };
    all.split_terminator("\n\n").map(data).collect()
}

const EVERYTHING: [Delta<'_>; 16] = [
    Delta::Start { id: Some("x"), created: Some(1) },
    Delta::Thinking("h"),
    Delta::Thinking("m"),
    Delta::Signature("Sig="),
    Delta::Redacted("R="),
    Delta::Text("He"),
    Delta::Text("llo"),
    Delta::Citation { url: Some("https://x"), title: Some("X"), text: None, start: Some(0), end: Some(5) },
    Delta::ToolCall { index: 0, id: "c0", name: "f", signature: Some("G=") },
    Delta::ToolCall { index: 1, id: "c1", name: "apply_patch", signature: None },
    Delta::Arguments { index: 0, json: "{\"a\":" },
    Delta::Arguments { index: 1, json: "{\"input\":\"*** \\" },
    Delta::Arguments { index: 0, json: "1}" },
    Delta::Arguments { index: 1, json: "n\"}" },
    Delta::ToolCall { index: 2, id: "c2", name: "none", signature: None },
    Delta::Finish(Finish::ToolCalls),
];

const REQUEST: &str = r#"{"model":"m","input":"x","temperature":0.5,"tools":[{"type":"custom","name":"apply_patch"}]}"#;

const OUTPUT: &str = concat!(
    r#""output":[{"type":"reasoning","id":"rs_ab12_0","summary":[{"type":"summary_text","text":"hm"}],"encrypted_content":"Sig="},"#,
    r#"{"type":"reasoning","id":"rs_ab12_1","summary":[],"encrypted_content":"redacted_thinking:R="},"#,
    r#"{"type":"message","id":"msg_ab12_2","status":"completed","role":"assistant","content":[{"type":"output_text","#,
    r#""annotations":[{"type":"url_citation","url":"https://x","title":"X","start_index":0,"end_index":5}],"logprobs":[],"text":"Hello"}]},"#,
    r#"{"type":"reasoning","id":"rs_ab12_3","summary":[],"encrypted_content":"tool_call_signature:2:c0G="},"#,
    r#"{"type":"function_call","id":"fc_ab12_4","status":"completed","arguments":"{\"a\":1}","call_id":"c0","name":"f"},"#,
    r#"{"type":"custom_tool_call","id":"ctc_ab12_5","status":"completed","call_id":"c1","input":"*** \n","name":"apply_patch"},"#,
    r#"{"type":"function_call","id":"fc_ab12_6","status":"completed","arguments":"{}","call_id":"c2","name":"none"}],"#,
    r#""usage":{"input_tokens":10,"input_tokens_details":{"cached_tokens":4,"cache_write_tokens":3},"output_tokens":5,"#,
    r#""output_tokens_details":{"reasoning_tokens":3},"total_tokens":15},"background":false,"#,
);

#[test]
fn a_whole_answer_is_a_response() {
    let text = whole(REQUEST, &EVERYTHING);
    let head = r#"{"id":"resp_ab12","object":"response","created_at":7,"status":"completed","error":null,"incomplete_details":null,"model":"gpt","#;
    assert!(text.starts_with(&format!("{head}{OUTPUT}")), "{text}");
    assert!(
        text.contains(r#""temperature":0.5,"#) && text.contains(r#""tools":[{"type":"custom","name":"apply_patch"}]"#)
    );
}

#[test]
fn a_stream_tells_every_step() {
    let events = streamed(REQUEST, &EVERYTHING);
    for (at, event) in events.iter().enumerate() {
        assert!(event.contains(&format!("\"sequence_number\":{at},")), "{at}: {event}");
    }
    let tail = |from: usize, to: usize| {
        events[from..to]
            .iter()
            .map(|event| {
                let (kind, rest) = event[9..].split_once("\",\"sequence_number\":").unwrap();
                format!("{kind} {}", rest.split_once(',').unwrap().1)
            })
            .collect::<Vec<_>>()
    };
    let names: Vec<_> = tail(0, 2).iter().map(|event| event.split(' ').next().unwrap().to_owned()).collect();
    assert_eq!(names, ["response.created", "response.in_progress"]);
    let rs = r#""item_id":"rs_ab12_0","output_index":0,"summary_index":0"#;
    assert_eq!(
        tail(2, 9),
        [
            r#"response.output_item.added "output_index":0,"item":{"type":"reasoning","id":"rs_ab12_0","summary":[]}}"#.to_owned(),
            format!(r#"response.reasoning_summary_part.added {rs},"part":{{"type":"summary_text","text":""}}}}"#),
            format!(r#"response.reasoning_summary_text.delta {rs},"delta":"h"}}"#),
            format!(r#"response.reasoning_summary_text.delta {rs},"delta":"m"}}"#),
            format!(r#"response.reasoning_summary_text.done {rs},"text":"hm"}}"#),
            format!(r#"response.reasoning_summary_part.done {rs},"part":{{"type":"summary_text","text":"hm"}}}}"#),
            r#"response.output_item.done "output_index":0,"item":{"type":"reasoning","id":"rs_ab12_0","summary":[{"type":"summary_text","text":"hm"}],"encrypted_content":"Sig="}}"#.to_owned(),
        ]
    );
    let msg = r#""item_id":"msg_ab12_2","output_index":2,"content_index":0"#;
    let cited = r#"{"type":"url_citation","url":"https://x","title":"X","start_index":0,"end_index":5}"#;
    assert_eq!(
        tail(11, 18),
        [
            r#"response.output_item.added "output_index":2,"item":{"type":"message","id":"msg_ab12_2","status":"in_progress","role":"assistant","content":[]}}"#.to_owned(),
            format!(r#"response.content_part.added {msg},"part":{{"type":"output_text","annotations":[],"logprobs":[],"text":""}}}}"#),
            format!(r#"response.output_text.delta {msg},"delta":"He","logprobs":[]}}"#),
            format!(r#"response.output_text.delta {msg},"delta":"llo","logprobs":[]}}"#),
            format!(r#"response.output_text.annotation.added {msg},"annotation_index":0,"annotation":{cited}}}"#),
            format!(r#"response.output_text.done {msg},"text":"Hello","logprobs":[]}}"#),
            format!(r#"response.content_part.done {msg},"part":{{"type":"output_text","annotations":[{cited}],"logprobs":[],"text":"Hello"}}}}"#),
        ]
    );
    let calls: Vec<_> = tail(21, events.len() - 1);
    let ctc = r#""item_id":"ctc_ab12_5","output_index":5"#;
    for expected in [
        r#"response.output_item.added "output_index":4,"item":{"type":"function_call","id":"fc_ab12_4","status":"in_progress","arguments":"","call_id":"c0","name":"f"}}"#,
        r#"response.function_call_arguments.delta "item_id":"fc_ab12_4","output_index":4,"delta":"1}"}"#,
        r#"response.function_call_arguments.done "item_id":"fc_ab12_4","output_index":4,"name":"f","arguments":"{\"a\":1}"}"#,
        &format!(r#"response.custom_tool_call_input.delta {ctc},"delta":"*** "}}"#),
        &format!(r#"response.custom_tool_call_input.delta {ctc},"delta":"\n"}}"#),
        &format!(r#"response.custom_tool_call_input.done {ctc},"input":"*** \n"}}"#),
        r#"response.function_call_arguments.delta "item_id":"fc_ab12_6","output_index":6,"delta":"{}"}"#,
    ] {
        assert!(calls.iter().any(|event| event == expected), "{expected}: {calls:#?}");
    }
    let last = events.last().unwrap();
    assert!(last.starts_with(r#"{"type":"response.completed","#) && last.contains(OUTPUT), "{last}");
}

#[test]
fn a_request_over_several_lines_leaves_events_whole() {
    let request = "{\n  \"tools\": [\r\n {\"type\":\"function\", \"name\":\"f\"}\n], \"instructions\": \"a\\nb\"}";
    let events = streamed(request, &[Delta::Text("x\r\ny"), Delta::Finish(Finish::Stop)]);
    assert!(events.iter().all(|event| serde_json::from_str::<crate::chat::Raw<'_>>(event).is_ok()));
    assert!(events.last().unwrap().contains(r#""instructions":"a\nb""#) && events[4].contains(r#""delta":"x\r\ny""#));
}

#[test]
fn an_answer_that_was_cut_short_says_so() {
    for (finish, reason) in [(Finish::Length, "max_output_tokens"), (Finish::ContentFilter, "content_filter")] {
        let deltas = [Delta::Text("a"), Delta::Finish(finish)];
        let text = whole("{}", &deltas);
        assert!(text.contains(&format!(r#""incomplete_details":{{"reason":"{reason}"}}"#)), "{text}");
        assert!(text.contains(r#""status":"incomplete","role""#));
        assert!(streamed("{}", &deltas).last().unwrap().starts_with(r#"{"type":"response.incomplete""#));
    }
    let refusal = whole("{}", &[Delta::Refusal("no"), Delta::Finish(Finish::Refusal)]);
    assert!(refusal.contains(r#""content":[{"type":"refusal","refusal":"no"}]"#) && refusal.contains("\"error\":null"));
    assert!(refusal.contains(r#""status":"completed","error""#));
    assert!(whole("{}", &[Delta::Finish(Finish::Refusal)]).contains(r#""status":"incomplete","error""#));
}

#[test]
fn text_and_refusal_are_parts_of_one_message() {
    let text = whole("{}", &[Delta::Text("a"), Delta::Refusal("no"), Delta::Finish(Finish::Stop)]);
    assert!(text.contains(r#""text":"a"},{"type":"refusal","refusal":"no"}]}]"#), "{text}");
    assert!(whole("{}", &[]).contains(r#""output":[],"usage":{"#));
}

#[test]
fn log_probabilities_of_chat_completions_stand_beside_their_text() {
    let json = r#"{"content":[{"token":"a","logprob":-0.5,"bytes":[97],"top_logprobs":[]}],"refusal":null}"#;
    let native = Delta::Native { api: Api::OpenAiChat, key: "logprobs", json };
    let text = whole("{}", &[native, Delta::Text("a"), Delta::Finish(Finish::Stop)]);
    assert!(
        text.contains(r#""logprobs":[{"token":"a","logprob":-0.5,"bytes":[97],"top_logprobs":[]}],"text":"a""#),
        "{text}"
    );
}

#[test]
fn what_was_written_is_read_back() {
    let text = whole(REQUEST, &EVERYTHING);
    let start = text.find("\"output\":").unwrap() + 9;
    let end = text.find(",\"usage\":").unwrap();
    let body = format!(r#"{{"input":{}}}"#, &text[start..end]);
    assert_eq!(
        said(&read(&body)),
        ["Assistant thought(hm,Sig=) redacted(R=) text(Hello) call(c0,f,{\"a\":1},G=) \
            call(c1,apply_patch,{\"input\":\"*** \\n\"},-) call(c2,none,{},-)"]
    );
}

#[test]
fn an_error_event_is_seen_by_every_client() {
    let fault = Fault::upstream(Kind::UpstreamCut, "broke \"off\"");
    let events = String::from_utf8(RESPONSES.error_event(&fault).to_vec()).unwrap();
    let (first, second) = events.split_once("\n\n").unwrap();
    assert_eq!(
        first,
        "event: error\ndata: {\"type\":\"error\",\"sequence_number\":0,\"code\":\"server_error\",\"message\":\"broke \\\"off\\\"\",\
         \"param\":null,\"error\":{\"type\":\"server_error\",\"code\":\"server_error\",\"message\":\"broke \\\"off\\\"\",\"param\":null}}"
    );
    assert!(second.starts_with("event: response.failed\ndata: {\"type\":\"response.failed\","), "{second}");
    assert!(second.contains(r#""status":"failed","error":{"code":"server_error","message":"broke \"off\""}"#));
}

const STREAM: &str = concat!(
    "event: response.created\ndata: {\"type\":\"response.created\",\"response\":{\"id\":\"r\",\"model\":\"gpt-real\",\"usage\":null,\"text\":{\"model\":\"x\"}},\"sequence_number\":0}\n\n",
    ": comment\n\n",
    "event: response.output_item.added\ndata: {\"type\":\"response.output_item.added\",\"item\":{\"type\":\"function_call\",\"name\":\"f\"}}\n\n",
    "event: response.output_text.delta\r\ndata: {\"type\":\"response.output_text.delta\",\"delta\":\"a\\nb\",\"model\":\"gpt-real\"}\r\n\r\n",
    "data: {\"type\":\"response.image_generation_call.partial_image\",\"partial_image_b64\":\"AAAA\"}\n\n",
    "event: response.completed\ndata: {\"type\":\"response.completed\",\"response\":{\"model\":\"gpt-real\",\"usage\":{\"input_tokens\":3,\"output_tokens\":2,\"total_tokens\":5}}}\n\n",
);

fn pass(options: &RelayOptions, chunks: &[&[u8]]) -> (Vec<u8>, StreamEnd, Box<dyn Relay>) {
    let mut relay = RESPONSES.relay(options.clone());
    let mut out = Vec::new();
    for chunk in chunks {
        relay.push(Bytes::copy_from_slice(chunk), &mut out).unwrap();
    }
    let end = relay.finish(&mut out);
    (out.concat(), end, relay)
}

fn options() -> RelayOptions {
    RelayOptions { event_bytes_max: 4096, ..RelayOptions::default() }
}

#[test]
fn a_stream_passes_with_another_model() {
    let named = RelayOptions { model_json: Some(Bytes::from_static(b"\"mine\"")), ..options() };
    let expected = STREAM
        .replace("\"id\":\"r\",\"model\":\"gpt-real\"", "\"id\":\"r\",\"model\":\"mine\"")
        .replace("{\"model\":\"gpt-real\"", "{\"model\":\"mine\"");
    for cut in 0..=STREAM.len() {
        let (head, tail) = STREAM.as_bytes().split_at(cut);
        let (out, end, relay) = pass(&named, &[head, tail]);
        assert_eq!(std::str::from_utf8(&out).unwrap(), expected, "{cut}");
        assert_eq!(end, StreamEnd::Complete);
        assert_eq!(relay.metered(), Metered::Reported(Usage { prompt: 3, completion: 2, ..Usage::default() }));
        assert_eq!(relay.produced().sample, "fa\nb");
        let progress = relay.progress();
        assert!(progress.content_seen && progress.finish_seen && !progress.error_seen && progress.events == 5);
    }
    assert_eq!(pass(&options(), &[STREAM.as_bytes()]).0, STREAM.as_bytes());
}

#[test]
fn a_stream_that_stops_early_is_not_complete() {
    let last = STREAM.find("event: response.completed").unwrap();
    for cut in 0..STREAM.len() - 2 {
        let (out, end, _) = pass(&options(), &[&STREAM.as_bytes()[..cut]]);
        assert!(cut > last || end != StreamEnd::Complete, "{cut}");
        assert!(STREAM.as_bytes().starts_with(&out) || out.ends_with(b"\n\n"), "{cut}");
    }
    let (out, end, _) = pass(&options(), &[STREAM.trim_end().as_bytes()]);
    assert_eq!((out, end), (STREAM.as_bytes().to_vec(), StreamEnd::Complete));
    let mut relay = RESPONSES.relay(RelayOptions { event_bytes_max: 100, ..options() });
    assert!(relay.push(Bytes::from_static(STREAM.as_bytes()), &mut Vec::new()).is_err());
}

#[test]
fn errors_pass_without_credentials() {
    let secrets = vec![crate::vocabulary::Secret::new("sk-very-secret-credential")];
    let hiding = RelayOptions { secrets, ..options() };
    for event in [
        "event: error\ndata: {\"type\":\"error\",\"error\":{\"message\":\"key sk-very-secret-credential\"}}\n\n",
        "data: {\"type\":\"response.failed\",\"response\":{\"error\":{\"message\":\"sk-very-secret-credential\"}}}\n\n",
    ] {
        let (out, _, relay) = pass(&hiding, &[event.as_bytes()]);
        assert!(!String::from_utf8(out).unwrap().contains("very-secret"));
        assert!(relay.progress().error_seen);
    }
}

#[test]
fn an_api_of_its_own() {
    assert_eq!((RESPONSES.members().model, RESPONSES.members().usage), ("model", "usage"));
    assert_eq!(super::super::Endpoint::Responses.chat(), Some(Api::Responses));
}

proptest! {
    #[test]
    fn hostile_bodies_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _refused = RESPONSES.read(&bytes, false);
        let _encoder = RESPONSES.encoder(Answer { request: bytes.clone().into(), ..answer("") }, true);
        let _metered = RESPONSES.metered(&bytes);
        let mut relay = RESPONSES.relay(options());
        let _passed = relay.push(bytes.into(), &mut Vec::new());
        relay.finish(&mut Vec::new());
    }

    #[test]
    fn odd_items_never_panic(item in "\\{(\"(type|role|content|output|summary|arguments|call_id|tools|encrypted_content)\":(\"(message|reasoning|function_call|user|tool_call_signature:9:a)\"|\\[\\]|\\{\\}|5|null|\\[\\{\\}\\]),){0,5}\"id\":1\\}") {
        let body = format!(r#"{{"input":[{item}],"tools":[{item}],"tool_choice":{item},"text":{item},"reasoning":{item}}}"#);
        let _refused = RESPONSES.read(body.as_bytes(), false);
        let _encoder = RESPONSES.encoder(answer(&body), true);
    }

    #[test]
    fn deltas_in_any_order_make_a_response(order in proptest::collection::vec(0_usize..16, 0..40)) {
        let deltas: Vec<_> = order.iter().map(|at| EVERYTHING[*at]).collect();
        let events = streamed(REQUEST, &deltas);
        let object = whole(REQUEST, &deltas);
        let from = object.find("\"output\":").unwrap();
        // What the stream repeats at its end is the whole answer.
        prop_assert!(events.last().unwrap().contains(&object[from..]));
        prop_assert!(serde_json::from_str::<crate::chat::Raw<'_>>(&object).is_ok());
        let count = |kind: &str| events.iter().filter(|event| event.starts_with(&format!("{{\"type\":\"{kind}\""))).count();
        prop_assert_eq!(count("response.output_item.added"), count("response.output_item.done"));
        prop_assert_eq!(count("response.content_part.added"), count("response.content_part.done"));
    }
}
