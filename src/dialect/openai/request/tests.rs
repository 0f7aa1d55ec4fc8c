use super::*;
use crate::json::{Edits, splice};

fn chat(body: &str) -> Result<Request, Fault> {
    Request::read(Endpoint::ChatCompletions, Bytes::copy_from_slice(body.as_bytes()), None)
}

fn with(members: &str) -> Result<Request, Fault> {
    chat(&format!(r#"{{"model":"m","messages":[{{}}],{members}}}"#))
}

fn refusal(members: &str) -> (Kind, String, String) {
    let fault = with(members).unwrap_err();
    (fault.kind, fault.param.unwrap_or_default().into_owned(), fault.public.into_owned())
}

#[test]
fn the_fields_that_matter_are_read() {
    let request = chat(
        r#"{"messages":[{"role":"user","content":"hi"}],"mod\u0065l":"gp\u0074-4o","stream":true,"max_tokens":5,
            "stream_options":{"include_usage":true},"max_completion_tokens":7,"n":3,"user":"u","x":1,"timeout":3,
            "metadata":{"tags":["a",1,"b"]},"tags":["c"]}"#,
    )
    .unwrap();
    assert_eq!(request.model.as_str(), "gpt-4o");
    assert_eq!((request.model_member, request.stream, request.include_usage), (Some(1), true, Some(true)));
    let caps: Vec<_> = request.output_caps.iter().map(|cap| (cap.name, cap.tokens, cap.member)).collect();
    assert_eq!(caps, [("max_completion_tokens", 7, 5), ("max_tokens", 5, 3)]);
    assert_eq!((request.max_tokens(), request.choices), (Some(7), 3));
    assert_eq!((request.user.as_deref(), request.tags.join(",")), (Some("u"), "a,b,c".to_owned()));
    assert_eq!(request.gateway_only.as_slice(), [9, 11]);
    assert_eq!(request.include_usage_at.unwrap().of(&request.body), b"true");
}

#[test]
fn null_is_the_same_as_absent() {
    let request = with(
        r#""stream":null,"max_tokens":null,"max_completion_tokens":null,"n":null,"user":null,"stream_options":null,"metadata":null"#,
    )
    .unwrap();
    assert!(!request.stream && request.output_caps.is_empty() && request.user.is_none());
    assert_eq!((request.choices, request.include_usage), (1, None));
    assert!(request.stream_options.is_some());
}

#[test]
fn a_wrong_type_is_named_with_what_was_found() {
    for (members, param, text) in [
        (r#""stream":"yes""#, "stream", "Invalid type for 'stream': expected a boolean, but got a string."),
        (r#""max_tokens":-1"#, "max_tokens", "Invalid type for 'max_tokens': expected a whole number, but got -1."),
        (r#""max_tokens":1.5"#, "max_tokens", "Invalid type for 'max_tokens': expected a whole number, but got 1.5."),
        (
            r#""max_tokens":1e400"#,
            "max_tokens",
            "Invalid type for 'max_tokens': expected a whole number, but got 1e400.",
        ),
        (
            r#""max_completion_tokens":"5""#,
            "max_completion_tokens",
            "Invalid type for 'max_completion_tokens': expected a whole number, but got a string.",
        ),
        (r#""n":0"#, "n", "Invalid value for 'n': expected 1 to 9007199254740992, but got 0."),
        (
            r#""max_tokens":9007199254740993"#,
            "max_tokens",
            "Invalid value for 'max_tokens': expected 0 to 9007199254740992, but got 9007199254740993.",
        ),
        (r#""user":{}"#, "user", "Invalid type for 'user': expected a string, but got an object."),
        (
            r#""stream_options":true"#,
            "stream_options",
            "Invalid type for 'stream_options': expected an object, but got a boolean.",
        ),
        (
            r#""stream_options":{"include_usage":1}"#,
            "stream_options.include_usage",
            "Invalid type for 'stream_options.include_usage': expected a boolean, but got 1.",
        ),
    ] {
        assert_eq!(refusal(members), (Kind::BadRequest, param.to_owned(), text.to_owned()), "{members}");
    }
    let fault = chat(r#"{"model":5,"messages":[{}]}"#).unwrap_err();
    assert_eq!(fault.public, "Invalid type for 'model': expected a string, but got 5.");
}

#[test]
fn doubtful_json_is_refused_with_its_reason() {
    for (members, text) in [
        (r#""model":"other""#, "Invalid JSON payload: this key appears more than once (at byte 29)"),
        (r#""MODEL":"other""#, "Invalid JSON payload: this key can be mistaken for 'model' (at byte 29)"),
        (r#""maxTokens":1"#, "Invalid JSON payload: this key can be mistaken for 'max_tokens' (at byte 29)"),
        (
            r#""stream_options":{"include_usage":true,"include_usage":false}"#,
            "Invalid JSON payload: this key appears more than once (at byte 68)",
        ),
        ("", "Invalid JSON payload: expected a key (at byte 29)"),
    ] {
        assert_eq!(refusal(members), (Kind::BadJson, "request_body".to_owned(), text.to_owned()), "{members}");
    }
}

#[test]
fn a_client_cannot_choose_the_upstream() {
    for name in ["api_base", "base_url", "api_key", "api_version", "custom_llm_provider", "extra_headers", "aws_region"]
    {
        let (kind, param, text) = refusal(&format!("\"{name}\":null"));
        assert_eq!((kind, param.as_str()), (Kind::BadRequest, name));
        assert!(text.contains(name), "{text}");
    }
}

#[test]
fn what_is_required_is_missed() {
    for (endpoint, body, param, text) in [
        (
            Endpoint::ChatCompletions,
            r#"{"model":"m"}"#,
            "messages",
            "/chat/completions: Missing required parameter: 'messages'.",
        ),
        (Endpoint::Completions, r#"{"model":"m"}"#, "prompt", "/completions: Missing required parameter: 'prompt'."),
        (Endpoint::Embeddings, r#"{"model":"m"}"#, "input", "/embeddings: Missing required parameter: 'input'."),
        (
            Endpoint::ChatCompletions,
            r#"{"messages":[{}]}"#,
            "model",
            "litellm.BadRequestError: You passed in model=None. There are no healthy deployments for this model",
        ),
        (
            Endpoint::ChatCompletions,
            r#"{"model":"m","messages":[]}"#,
            "messages",
            "Invalid 'messages': expected at least one message, but got an empty array.",
        ),
        (
            Endpoint::ChatCompletions,
            r#"{"model":"m","messages":"hi"}"#,
            "messages",
            "Invalid type for 'messages': expected an array, but got a string.",
        ),
    ] {
        let fault = Request::read(endpoint, Bytes::from_static(body.as_bytes()), None).unwrap_err();
        assert_eq!((fault.param.as_deref(), fault.public.as_ref()), (Some(param), text), "{body}");
        assert_eq!(fault.kind, Kind::BadRequest);
    }
    assert!(chat(r#"{"model":"../x","messages":[{}]}"#).unwrap_err().public.contains("not a model name"));
}

#[test]
fn path_and_body_name_one_model() {
    let read = |body: &'static str, path| {
        Request::read(Endpoint::Embeddings, Bytes::from_static(body.as_bytes()), path).map(|r| r.model.to_string())
    };
    assert_eq!(read(r#"{"input":"x"}"#, Some("p")).unwrap(), "p");
    assert_eq!(read(r#"{"input":"x","model":null}"#, Some("p")).unwrap(), "p");
    assert_eq!(read(r#"{"input":"x","model":"p"}"#, Some("p")).unwrap(), "p");
    assert_eq!(read(r#"{"input":"x","model":"b"}"#, Some("p")).unwrap_err().param.as_deref(), Some("model"));
}

#[test]
fn every_prompt_is_answered_as_often_as_asked() {
    let choices = |body: &'static str| {
        Request::read(Endpoint::Completions, Bytes::from_static(body.as_bytes()), None).unwrap().choices
    };
    assert_eq!(choices(r#"{"model":"m","prompt":"a"}"#), 1);
    assert_eq!(choices(r#"{"model":"m","prompt":["a","b"],"n":2}"#), 4);
    assert_eq!(choices(r#"{"model":"m","prompt":[[1,2],[3],[4]],"best_of":5,"n":2}"#), 15);
    assert_eq!(choices(r#"{"model":"m","prompt":[1,2,3]}"#), 1);
}

#[test]
fn a_request_is_edited_without_touching_the_rest() {
    let request = with(r#""temperature" : 0.70 ,"cache":{"a":1},"stream":true"#).unwrap();
    let mut edits = Edits::new();
    request.gateway_only.iter().for_each(|member| edits.cut(*member));
    let model = request.document.members[request.model_member.unwrap()].value;
    edits.replace(model, json::quote("gpt-4o"));
    edits.insert("stream_options", br#"{"include_usage":true}"#);
    assert_eq!(
        splice(&request.body, &request.document, &edits).to_bytes(),
        r#"{"model":"gpt-4o","messages":[{}],"temperature" : 0.70,"stream":true,"stream_options":{"include_usage":true}}"#
    );
}
