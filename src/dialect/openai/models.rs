//! Models as the OpenAI API lists them.

use bytes::Bytes;

/// The body of `GET /v1/models`.
pub fn models<'a>(_names: impl IntoIterator<Item = &'a str>) -> Bytes {
    Bytes::new()
}

/// The body of `GET /v1/models/{id}`.
pub fn model(_name: &str) -> Bytes {
    Bytes::new()
}
