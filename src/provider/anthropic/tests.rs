//! Requests as they are written, streams however they are cut.

mod place;
mod request;
mod stream;

use std::sync::Arc;

use crate::chat::{Delta, Sink};
use crate::config::Deployment;
use crate::vocabulary::Secret;

/// A deployment with this key and base.
fn deployment(model: &str, key: Option<&str>, base: Option<&str>) -> Deployment {
    Deployment {
        id: Arc::from("id"),
        model_name: Arc::from("m"),
        provider: Arc::from("anthropic"),
        model: Arc::from(model),
        api_key: key.map(Secret::new),
        api_base: base.map(str::to_owned),
        api_version: None,
        azure_ad_token: None,
        vendor: Vec::new(),
        region: None,
        organization: None,
        timeout: None,
        stream_timeout: None,
        num_retries: None,
        rpm: None,
        tpm: None,
        max_parallel_requests: None,
        budget: None,
        weight_milli: None,
        order: None,
        cooldown_time: None,
        tags: Vec::new(),
        extra_headers: Vec::new(),
        extra_body: Vec::new(),
        defaults: Vec::new(),
        drop_params: None,
        additional_drop_params: Vec::new(),
        allowed_openai_params: Vec::new(),
        mock_response: None,
        mode: None,
        base_model: None,
        health_check_model: None,
        prices: Vec::new(),
        max_input_tokens: None,
        max_output_tokens: None,
        access_groups: Vec::new(),
        health_check: true,
        health_check_timeout: None,
        ssl_verify: None,
        http2: None,
        place: String::new(),
    }
}

/// Writes down what it is given, texts joined.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Seen(Vec<String>);

impl Seen {
    fn join(&mut self, kind: &str, text: &str) {
        match self.0.last_mut().filter(|last| last.starts_with(kind)) {
            Some(last) => last.push_str(text),
            None => self.0.push(format!("{kind}{text}")),
        }
    }
}

impl Sink for Seen {
    fn delta(&mut self, choice: u32, delta: Delta<'_>) {
        assert_eq!(choice, 0);
        match delta {
            Delta::Text(text) => self.join("text ", text),
            Delta::Thinking(text) => self.join("thinking ", text),
            Delta::Arguments { index, json } => self.join(&format!("arguments {index} "), json),
            other => self.0.push(format!("{other:?}")),
        }
    }
}
