//! A caller whose data may not leave a region is never served elsewhere: not by weight, not by a retry, not by a fallback,
//! not by what passes through.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on stops")]

use support::client::Answer;
use support::rig::{self, Rig};

mod support;

const MASTER: &str = "sk-regions-master-00001";
const EUROPEAN: &str = "sk-regions-european-001";

fn deployment(group: &str, id: &str, mock: &str, lines: &str) -> String {
    format!(
        "  - model_name: {group}
    litellm_params:
      model: openai/up
      api_base: {mock}
      api_key: sk-provider-of-the-regions
{lines}    model_info:
      id: {id}
"
    )
}

fn start(name: &str) -> Rig {
    Rig::start(name, |mock| {
        let failing = "      extra_headers: {x-mock-status: \"503\"}\n";
        let list = [
            // The first of its provider stands behind /openai, too.
            deployment("american", "american", mock, "      region_name: us\n"),
            deployment("m", "eu", mock, "      region_name: westeurope\n"),
            deployment("m", "us", mock, "      region_name: us-east-1\n      weight: 50\n"),
            deployment("m", "somewhere", mock, "      weight: 50\n"),
            deployment("ill", "ill-eu", mock, &format!("      region_name: eu\n{failing}")),
            deployment("ill", "ill-us", mock, "      region_name: us\n"),
        ]
        .concat();
        let key = rig::key(EUROPEAN, "european", "    allowed_model_region: eu\n");
        format!(
            "model_list:\n{list}router_settings:\n  num_retries: 1\n  fallbacks: [{{ill: [american]}}]\nvirtual_keys:\n{key}general_settings:\n  master_key: {MASTER}\n"
        )
    })
}

fn ask(rig: &Rig, key: &str, model: &str, more: &str) -> Answer {
    rig.client().chat(key, &rig::body(model, more)).unwrap()
}

#[test]
fn a_key_and_a_request_name_the_region_that_is_asked() {
    let rig = start("regions");
    for _ in 0..8 {
        let by_key = ask(&rig, EUROPEAN, "m", "");
        assert_eq!((by_key.status, by_key.header("x-litellm-model-id")), (200, Some("eu")), "{}", by_key.text());
        let by_request = ask(&rig, MASTER, "m", r#","allowed_model_region":"us""#);
        assert_eq!((by_request.status, by_request.header("x-litellm-model-id")), (200, Some("us")));
    }
    let forwarded = rig.mock.requests().into_iter().all(|request| !request.text().contains("allowed_model_region"));
    assert!(forwarded, "the provider is not told");
}

#[test]
fn nothing_leads_out_of_the_region() {
    let rig = start("regions-out");
    let both = ask(&rig, EUROPEAN, "m", r#","allowed_model_region":"us""#);
    assert!(both.status == 400 && both.text().contains("Allowed model regions = eu and us"), "{}", both.text());
    let only_elsewhere = ask(&rig, EUROPEAN, "american", "");
    assert!(
        only_elsewhere.status == 400 && only_elsewhere.text().contains("regions = eu"),
        "{}",
        only_elsewhere.text()
    );
    let ill = ask(&rig, EUROPEAN, "ill", "");
    assert_eq!((ill.status, ill.header("x-litellm-model-id")), (503, Some("ill-eu")), "{}", ill.head);
    let passed = rig
        .client()
        .send(
            "POST /openai/v1/chat/completions",
            &format!("authorization: Bearer {EUROPEAN}\r\ncontent-type: application/json\r\n"),
            rig::body("m", "").as_bytes(),
        )
        .unwrap()
        .rest()
        .0;
    assert_eq!(passed.status, 400, "{}", passed.text());
}
