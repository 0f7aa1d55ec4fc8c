//! What tests share: messages of the wire, pieces of answers as text, a deployment.

use bytes::Bytes;

use crate::chat::{Delta, Sink};
use crate::config::Deployment;
use crate::provider::Ask;
use crate::vocabulary::Secret;

/// A message with text headers.
pub(super) fn message(headers: &[(&str, &str)], payload: &[u8]) -> Vec<u8> {
    let mut fields = Vec::new();
    for (name, value) in headers {
        fields.push(name.len() as u8);
        fields.extend(name.as_bytes());
        fields.push(7);
        fields.extend((value.len() as u16).to_be_bytes());
        fields.extend(value.as_bytes());
    }
    let length = (16 + fields.len() + payload.len()) as u32;
    let mut out = [length.to_be_bytes(), (fields.len() as u32).to_be_bytes()].concat();
    out.extend(crc32fast::hash(&out).to_be_bytes());
    out.extend(fields);
    out.extend(payload);
    out.extend(crc32fast::hash(&out).to_be_bytes());
    out
}

/// An event.
pub(super) fn event(name: &str, payload: &str) -> Vec<u8> {
    let headers = [(":event-type", name), (":content-type", "application/json"), (":message-type", "event")];
    message(&headers, payload.as_bytes())
}

/// An exception.
pub(super) fn exception(name: &str, payload: &str) -> Vec<u8> {
    message(&[(":exception-type", name), (":message-type", "exception")], payload.as_bytes())
}

/// The pieces of an answer as they are printed.
#[derive(Debug, Default)]
pub(super) struct Seen(pub(super) Vec<String>);

impl Sink for Seen {
    fn delta(&mut self, _choice: u32, delta: Delta<'_>) {
        self.0.push(format!("{delta:?}"));
    }
}

/// Chunks of these bytes, each so long.
pub(super) fn chunks(wire: &[u8], length: usize) -> impl Iterator<Item = Bytes> {
    wire.chunks(length.max(1)).map(Bytes::copy_from_slice)
}

/// A deployment of a model with keys of AWS's documentation.
pub(super) fn deployment(model: &str) -> Deployment {
    Deployment {
        vendor: vec![
            ("aws_access_key_id", Secret::new("AKIDEXAMPLE")),
            ("aws_secret_access_key", Secret::new("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")),
        ],
        place: "config.yaml:1".to_owned(),
        ..Deployment::of("group", "bedrock", model)
    }
}

/// A question for a model of a deployment.
pub(super) fn ask<'a>(deployment: &'a Deployment, model: &'a str) -> Ask<'a> {
    Ask { model, stream: false, output_max: None, deployment }
}
