use super::*;
use crate::provider::bedrock::fixture::{ask, deployment};

const MODEL: &str = "cohere.rerank-v3-5:0";

#[test]
fn documents_are_ranked() {
    let deployment = deployment(MODEL);
    let request =
        r#"{"query":"q","documents":["a",{"text":"b"},{"c":1}],"top_n":2,"return_documents":true,"rank_fields":["c"]}"#;
    let api = find(MODEL).unwrap();
    let written = api.write(request.as_bytes(), &ask(&deployment, MODEL)).unwrap();
    assert_eq!(&written.body[..], br#"{"query":"q","documents":["a","b","{\"c\":1}"],"top_n":2,"api_version":2}"#);
    assert_eq!(written.dropped, ["rank_fields"]);
    let reply = br#"{"results":[{"index":1,"relevance_score":0.9},{"index":0,"relevance_score":0.1}]}"#;
    let (answer, metered) = api.read(reply, "mine", request.as_bytes()).unwrap();
    let expected = br#"{"results":[{"index":1,"relevance_score":0.9,"document":{"text":"b"}},{"index":0,"relevance_score":0.1,"document":{"text":"a"}}],"model":"mine"}"#;
    assert_eq!((&answer[..], metered), (&expected[..], Metered::Absent));
    assert!(api.read(br#"{"message":"no"}"#, "m", b"{}").is_err() && api.read(b"{}", "m", b"{}").is_err());
    assert!(api.write(b"{}", &ask(&deployment, MODEL)).is_err());
    assert!(find("amazon.rerank-v1:0").is_some() && find("amazon.nova-pro-v1:0").is_none());
}
