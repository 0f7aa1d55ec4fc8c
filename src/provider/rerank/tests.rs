//! Requests and answers of rerank calls.

use proptest::prelude::*;

use super::super::for_tests::called;
use super::*;

const REQUEST: &str = r#"{"model":"x","query":"q","documents":["a",{"text":"b\n","id":1},{"title":"T","text":"c","year":3}],
    "top_n":2,"max_tokens_per_doc":100,"max_chunks_per_doc":4,"truncation":false,"rank_fields":null}"#;

#[test]
fn each_vendor_is_asked_in_its_own_names() {
    let (body, dropped) = called(&COHERE, REQUEST).unwrap();
    let want = r#"{"model":"m","query":"q","documents":["a","b\n","c"],"top_n":2,"max_tokens_per_doc":100,"truncation":false}"#;
    assert_eq!((body.as_str(), dropped), (want, vec!["max_chunks_per_doc".to_owned()]));
    let (body, dropped) = called(&VOYAGE, REQUEST).unwrap();
    assert_eq!(body, r#"{"model":"m","query":"q","documents":["a","b\n","c"],"top_k":2,"truncation":false}"#);
    assert_eq!(dropped, ["max_tokens_per_doc", "max_chunks_per_doc"]);
    let together = of("together_ai").unwrap();
    let (body, _) =
        called(together, r#"{"query":"q","documents":[{"t":"a"}],"rank_fields":["t"],"return_documents":true}"#)
            .unwrap();
    let want = r#"{"model":"m","query":"q","documents":[{"t":"a"}],"rank_fields":["t"],"return_documents":true}"#;
    assert_eq!(body, want);
    let (body, _) =
        called(of("hosted_vllm").unwrap(), r#"{"query":"q","documents":["a",{"image":"i"}],"return_documents":true}"#)
            .unwrap();
    assert_eq!(body, r#"{"model":"m","query":"q","documents":["a",{"image":"i"}]}"#);
    assert!(of("openai").is_none());
}

#[test]
fn fields_are_ranked_by_name() {
    let ask = |fields: &str| {
        let body =
            format!(r#"{{"query":"q","documents":[{{"title":"T","text":"c","year":3}}],"rank_fields":{fields}}}"#);
        called(&COHERE, &body).map(|(body, _)| body)
    };
    assert!(ask(r#"["title"]"#).unwrap().contains(r#""documents":["T"]"#));
    assert!(ask(r#"["year","title","none"]"#).unwrap().contains(r#""documents":["year: 3\ntitle: T"]"#));
    assert!(ask(r#"["none"]"#).unwrap_err().public.starts_with("documents[0] lacks"));
}

#[test]
fn what_is_no_request_is_refused_by_name() {
    let refused = |body: &str| called(&COHERE, body).unwrap_err().param.unwrap().into_owned();
    assert_eq!(refused(r#"{"documents":["a"]}"#), "query");
    assert_eq!(refused(r#"{"query":{"image":"x"},"documents":["a"]}"#), "query");
    assert_eq!(refused(r#"{"query":"q"}"#), "documents");
    assert_eq!(refused(r#"{"query":"q","documents":"a"}"#), "documents");
    assert_eq!(refused(r#"{"query":"q","documents":["a",1]}"#), "documents");
    assert_eq!(refused(r#"{"query":"q","documents":[{"title":"a"}]}"#), "documents");
    assert_eq!(refused(r#"{"query":"q","documents":["a"],"top_n":"2"}"#), "top_n");
}

#[test]
fn answers_are_cohere_s_and_scores_stand_as_they_were() {
    let request = r#"{"query":"q","documents":["a",{"text":"b"}],"return_documents":true}"#;
    let cohere = r#"{"id":"i","results":[{"index":1,"relevance_score":0.90}],"meta":{"api_version":{"version":"2"},"billed_units":{"search_units":3}}}"#;
    let (body, metered) = COHERE.read(cohere.as_bytes(), "m", request.as_bytes()).unwrap();
    let want = r#"{"id":"i","results":[{"index":1,"relevance_score":0.90,"document":{"text":"b"}}],"meta":{"api_version":{"version":"2"},"billed_units":{"search_units":3}}}"#;
    let units = vocabulary::Units { queries: 3, ..vocabulary::Units::NONE };
    assert_eq!((body, metered), (want.into(), Metered::Reported(Usage { units, ..Usage::default() })));
    let voyage =
        r#"{"object":"list","data":[{"relevance_score":1e-3,"index":0}],"model":"r","usage":{"total_tokens":57}}"#;
    let (body, metered) = VOYAGE.read(voyage.as_bytes(), "m", request.as_bytes()).unwrap();
    let want = r#"{"results":[{"index":0,"relevance_score":1e-3,"document":{"text":"a"}}],"meta":{"billed_units":{"total_tokens":57},"tokens":{"input_tokens":57}}}"#;
    assert_eq!((body, metered), (want.into(), Metered::Reported(Usage { prompt: 57, ..Usage::default() })));
}

#[test]
fn documents_are_shown_as_wished() {
    let answer = r#"{"results":[{"index":0,"score":1,"document":"a"},{"index":9,"score":0}]}"#;
    let shown = |request: &str| {
        String::from_utf8(JINA.read(answer.as_bytes(), "m", request.as_bytes()).unwrap().0.to_vec()).unwrap()
    };
    let plain = r#"{"index":9,"relevance_score":0}]}"#;
    assert_eq!(
        shown("{}"),
        format!(r#"{{"results":[{{"index":0,"relevance_score":1,"document":{{"text":"a"}}}},{plain}"#)
    );
    let hidden = shown(r#"{"query":"q","documents":["a"],"return_documents":false}"#);
    assert_eq!(hidden, format!(r#"{{"results":[{{"index":0,"relevance_score":1}},{plain}"#));
}

#[test]
fn errors_are_told() {
    let told = |body: &str| read(body.as_bytes(), b"{}").unwrap_err().to_string();
    assert_eq!(told(r#"{"message":"invalid api token"}"#), "500: invalid api token");
    assert_eq!(told(r#"{"detail":"no model"}"#), "500: no model");
    assert_eq!(told(r#"{"error":{"message":"bad"}}"#), "500: bad");
    assert!(matches!(read(b"{}", b"{}"), Err(Broken::Malformed(_))));
    assert!(matches!(read(br#"{"results":[{"index":0}]}"#, b"{}"), Err(Broken::Malformed(_))));
}

proptest! {
    #[test]
    fn any_bytes_can_be_read(body in ".{0,100}", request in ".{0,100}") {
        let _answer = read(body.as_bytes(), request.as_bytes());
        let _written = called(&COHERE, &request);
    }
}
