//! Models as the OpenAI API lists them.

use bytes::{BufMut, Bytes, BytesMut};

use crate::json;

/// The body of `GET /v1/models`.
pub fn models<'a>(names: impl IntoIterator<Item = &'a str>) -> Bytes {
    let mut body = BytesMut::new();
    body.put_slice(b"{\"data\":[");
    for (index, name) in names.into_iter().enumerate() {
        if index > 0 {
            body.put_slice(b",");
        }
        put_model(&mut body, name);
    }
    body.put_slice(b"],\"object\":\"list\"}");
    body.freeze()
}

/// The body of `GET /v1/models/{id}`.
pub fn model(name: &str) -> Bytes {
    let mut body = BytesMut::new();
    put_model(&mut body, name);
    body.freeze()
}

// `created` is the date that LiteLLM gives every model; clients have come to expect a number there.
fn put_model(body: &mut BytesMut, name: &str) {
    body.put_slice(b"{\"id\":");
    body.put_slice(&json::quote(name));
    body.put_slice(b",\"object\":\"model\",\"created\":1677610602,\"owned_by\":\"openai\"}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn models_are_listed_as_openai_lists_them() {
        assert_eq!(models([]), r#"{"data":[],"object":"list"}"#);
        assert_eq!(
            models(["a/b", "c\"d"]),
            concat!(
                r#"{"data":[{"id":"a/b","object":"model","created":1677610602,"owned_by":"openai"},"#,
                r#"{"id":"c\"d","object":"model","created":1677610602,"owned_by":"openai"}],"object":"list"}"#
            )
        );
        assert_eq!(model("x"), r#"{"id":"x","object":"model","created":1677610602,"owned_by":"openai"}"#);
    }
}
