//! A record as the audit log shows it: without secrets.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde_json::value::RawValue;

use crate::roster::{Json, Record, is_secret};

/// What stands in their place.
const MASK: &str = "\"****\"";
/// A record beyond it is told of by its first members alone.
const DEPTH_MAX: usize = 100;

/// The record as JSON with its secrets masked.
pub fn shown(record: &Record) -> Json {
    let text = record.to_json().unwrap_or_default();
    masked(&text)
}

/// A JSON text with its secrets masked; null if it is none.
pub fn masked(text: &str) -> Json {
    let Ok(value) = serde_json::from_str::<&RawValue>(text) else { return Json::default() };
    let mut out = String::with_capacity(text.len());
    write(value, 0, &mut out);
    Json::parse(&out).unwrap_or_default()
}

fn write(value: &RawValue, depth: usize, out: &mut String) {
    if depth > DEPTH_MAX {
        out.push_str("null");
        return;
    }
    if let Ok(members) = serde_json::from_str::<BTreeMap<Cow<'_, str>, &RawValue>>(value.get()) {
        out.push('{');
        for (place, (name, member)) in members.into_iter().enumerate() {
            out.push_str(if place == 0 { "" } else { "," });
            out.push_str(&serde_json::to_string(&name).unwrap_or_else(|_| "\"\"".to_owned()));
            out.push(':');
            match is_secret(&name) && member.get() != "null" {
                true => out.push_str(MASK),
                false => write(member, depth + 1, out),
            }
        }
        out.push('}');
    } else if let Ok(elements) = serde_json::from_str::<Vec<&RawValue>>(value.get()) {
        out.push('[');
        for (place, element) in elements.into_iter().enumerate() {
            out.push_str(if place == 0 { "" } else { "," });
            write(element, depth + 1, out);
        }
        out.push(']');
    } else {
        out.push_str(value.get());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_masked_wherever_they_stand() {
        let text = r#"{"token":"ab","metadata":{"logging":[{"langfuse_secret_key":"x","callback":"l"}],"api_key":null},
            "litellm_params":{"api_key":"sk-x","model":"m","aws_session_token":"t"},"credential_values":{"a":"b"},"max_tokens":5}"#;
        assert_eq!(
            masked(text).as_str(),
            r#"{"credential_values":"****","litellm_params":{"api_key":"****","aws_session_token":"****","model":"m"},"max_tokens":5,"metadata":{"api_key":null,"logging":[{"callback":"l","langfuse_secret_key":"****"}]},"token":"ab"}"#
        );
        assert!(masked("{").is_null());
    }
}
