use super::*;
use crate::provider::Unsigned;
use crate::vocabulary::{Now, Secret};

const CLAUDE: &str = "us.anthropic.claude-sonnet-4-5-20250929-v1:0";

#[test]
fn a_deployment_is_where_its_region_is() {
    let host = |deployment: &config::Deployment| BEDROCK.target(deployment).unwrap().host;
    let mut deployment = fixture::deployment("eu-west-3/anthropic.claude-v2");
    assert_eq!(host(&deployment), "bedrock-runtime.eu-west-3.amazonaws.com");
    deployment.vendor.push(("aws_region_name", Secret::new("us-west-2")));
    assert_eq!(host(&deployment), "bedrock-runtime.us-west-2.amazonaws.com");
    deployment.api_base = Some("https://proxy.example.com/bedrock".to_owned());
    let target = BEDROCK.target(&deployment).unwrap();
    let call = Call { endpoint: Endpoint::Messages, model: CLAUDE, stream: true };
    let expected = "/bedrock/model/us.anthropic.claude-sonnet-4-5-20250929-v1%3A0/invoke-with-response-stream";
    assert_eq!((target.host.as_str(), BEDROCK.path(&target, &call).as_str()), ("proxy.example.com", expected));
    deployment.vendor.push(("aws_bedrock_runtime_endpoint", Secret::new("https://vpce.example.com")));
    assert_eq!(host(&deployment), "vpce.example.com");
    let arn = "arn:aws:bedrock:us-west-2:1:application-inference-profile/x";
    deployment.vendor.push(("model_id", Secret::new(arn)));
    let path = BEDROCK.path(&BEDROCK.target(&deployment).unwrap(), &Call { stream: false, ..call });
    assert_eq!(path, "/model/arn%3Aaws%3Abedrock%3Aus-west-2%3A1%3Aapplication-inference-profile%2Fx/invoke");
}

#[test]
fn claude_is_carried_where_the_client_speaks_its_words() {
    assert_eq!(BEDROCK.carry(Endpoint::Messages, CLAUDE), Some(MESSAGES));
    assert_eq!(BEDROCK.carry(Endpoint::Messages, "invoke/anthropic.claude-3-haiku-20240307-v1:0"), Some(MESSAGES));
    assert_eq!(BEDROCK.carry(Endpoint::Messages, "converse/anthropic.claude-sonnet-4-6"), None);
    assert_eq!(BEDROCK.carry(Endpoint::Messages, "amazon.nova-pro-v1:0"), None);
    assert_eq!(BEDROCK.carry(Endpoint::ChatCompletions, CLAUDE), None);
    assert_eq!(BEDROCK_CONVERSE.carry(Endpoint::Messages, CLAUDE), None);
    assert!(BEDROCK.call(Endpoint::Embeddings, "amazon.titan-embed-text-v2:0").is_some());
    assert!(BEDROCK.call(Endpoint::Embeddings, CLAUDE).is_none() && BEDROCK.chat(CLAUDE).is_some());
}

#[test]
fn a_bearer_token_is_a_header_and_keys_sign() {
    let mut deployment = fixture::deployment(CLAUDE);
    deployment.api_key = Some(Secret::new("token"));
    deployment.vendor.push(("aws_region_name", Secret::new("us-east-1")));
    let auth = BEDROCK.auth(&deployment).unwrap().unwrap();
    assert!(BEDROCK.target(&deployment).unwrap().headers.is_empty(), "configured keys win");
    let now = Now { mono_ns: 0, wall_ms: 1_795_000_000_000 };
    assert!(auth.want(now).is_none());
    let mut headers = http::HeaderMap::new();
    let path = "/model/us.anthropic.claude-sonnet-4-5-20250929-v1%3A0/converse";
    let request = Unsigned { method: &http::Method::POST, authority: "h", path, body: &[] };
    auth.sign(&request, &mut headers, now).unwrap();
    assert!(
        headers["authorization"]
            .to_str()
            .unwrap()
            .contains("/us-east-1/bedrock/aws4_request, SignedHeaders=host;x-amz-date,")
    );
    deployment.vendor.clear();
    assert!(BEDROCK.auth(&deployment).unwrap().is_none());
    let target = BEDROCK.target(&deployment).unwrap();
    assert_eq!(target.headers[0].1, "Bearer token");
}
