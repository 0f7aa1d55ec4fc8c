use super::*;
use crate::provider::bedrock::fixture::{ask, deployment};

const TITAN: &str = "amazon.titan-embed-text-v1";
const TITAN_2: &str = "amazon.titan-embed-text-v2:0";
const COHERE: &str = "us.cohere.embed-v4:0";
const NOVA: &str = "amazon.nova-2-multimodal-embeddings-v1:0";

fn written(model: &str, body: &str) -> Result<(String, Vec<String>), String> {
    let deployment = deployment(model);
    let written = find(model).unwrap().write(body.as_bytes(), &ask(&deployment, model));
    let written = written.map_err(|fault| fault.public.into_owned())?;
    Ok((String::from_utf8(written.body.to_vec()).unwrap(), written.dropped))
}

#[test]
fn every_family_has_its_form() {
    let body = r#"{"model":"m","input":"hello","dimensions":256}"#;
    assert_eq!(written(TITAN, body).unwrap(), (r#"{"inputText":"hello"}"#.to_owned(), vec!["dimensions".to_owned()]));
    assert_eq!(written(TITAN_2, body).unwrap().0, r#"{"inputText":"hello","dimensions":256}"#);
    assert_eq!(
        written("amazon.titan-embed-image-v1", body).unwrap().0,
        r#"{"inputText":"hello","embeddingConfig":{"outputEmbeddingLength":256}}"#
    );
    assert_eq!(
        written(COHERE, r#"{"input":["a","b\n"],"input_type":"search_query","user":"u"}"#).unwrap(),
        (r#"{"texts":["a","b\n"],"input_type":"search_query"}"#.to_owned(), vec!["user".to_owned()])
    );
    assert_eq!(
        written(NOVA, body).unwrap().0,
        r#"{"schemaVersion":"nova-multimodal-embed-v1","taskType":"SINGLE_EMBEDDING","singleEmbeddingParams":{"embeddingPurpose":"GENERIC_INDEX","embeddingDimension":256,"text":{"truncationMode":"END","value":"hello"}}}"#
    );
}

#[test]
fn what_cannot_be_embedded_is_refused_by_name() {
    assert!(
        written(TITAN, r#"{"input":["a","b"]}"#).unwrap_err().starts_with("input: this model of Bedrock embeds one")
    );
    assert!(written(TITAN, r#"{"input":["a"]}"#).is_ok());
    for body in ["{}", r#"{"input":[]}"#, r#"{"input":[1,2]}"#, r#"{"input":null}"#] {
        assert!(written(COHERE, body).unwrap_err().starts_with("input: "), "{body}");
    }
}

#[test]
fn every_form_is_read() {
    let read = |model: &str, body: &str, request: &str| {
        let (list, metered) = find(model).unwrap().read(body.as_bytes(), "mine", request.as_bytes()).unwrap();
        (String::from_utf8(list.to_vec()).unwrap(), metered)
    };
    let (list, metered) = read(TITAN, r#"{"embedding":[0.1,-2e-3],"inputTextTokenCount":4}"#, "{}");
    let expected = r#"{"object":"list","data":[{"object":"embedding","index":0,"embedding":[0.1,-2e-3]}],"model":"mine","usage":{"prompt_tokens":4,"total_tokens":4}}"#;
    assert_eq!((list.as_str(), metered), (expected, Metered::Reported(Usage { prompt: 4, ..Usage::default() })));
    for body in [
        r#"{"embeddings":[[1],[2]],"id":"x"}"#,
        r#"{"embeddings":{"float":[[1],[2]]}}"#,
        r#"{"embeddings":[{"embeddingType":"TEXT","embedding":[1]},{"embedding":[2]}]}"#,
    ] {
        let (list, metered) = read(COHERE, body, "{}");
        assert!(
            list.contains(r#""index":0,"embedding":[1]},"#) && list.contains(r#""index":1,"embedding":[2]}]"#),
            "{list}"
        );
        assert_eq!(metered, Metered::Absent);
    }
    let (list, _) = read(TITAN, r#"{"embedding":[1.0,-2.0]}"#, r#"{"encoding_format":"base64"}"#);
    assert!(list.contains(r#""embedding":"AACAPwAAAMA=""#), "{list}");
    for body in ["", "{}", r#"{"embeddings":3}"#, r#"{"message":"no"}"#] {
        assert!(find(TITAN).unwrap().read(body.as_bytes(), "m", b"{}").is_err(), "{body}");
    }
}
