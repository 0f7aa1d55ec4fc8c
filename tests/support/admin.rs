//! A client of the management API, and a way into its answers.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use serde_json::value::RawValue;

use super::client::{Answer, Client};

/// Asks as one key.
#[derive(Clone)]
pub(crate) struct Admin {
    address: SocketAddr,
    key: String,
}

impl Admin {
    /// Somebody who shows this key; none where it is empty.
    pub(crate) fn new(address: SocketAddr, key: &str) -> Self {
        Self { address, key: key.to_owned() }
    }

    /// The same place, asked with another key.
    pub(crate) fn with(&self, key: &str) -> Self {
        Self::new(self.address, key)
    }

    /// One request.
    #[track_caller]
    pub(crate) fn send(&self, method: &str, path: &str, body: &str) -> Answer {
        let key = if self.key.is_empty() { String::new() } else { format!("authorization: Bearer {}\r\n", self.key) };
        let headers = format!("{key}content-type: application/json\r\n");
        let mut client = Client::connect(self.address).unwrap();
        client.send(&format!("{method} {path}"), &headers, body.as_bytes()).unwrap().whole().unwrap()
    }

    /// GET.
    #[track_caller]
    pub(crate) fn get(&self, path: &str) -> Answer {
        self.send("GET", path, "")
    }

    /// POST.
    #[track_caller]
    pub(crate) fn post(&self, path: &str, body: &str) -> Answer {
        self.send("POST", path, body)
    }

    /// POST that must succeed.
    #[track_caller]
    pub(crate) fn done(&self, path: &str, body: &str) -> Answer {
        let answer = self.post(path, body);
        assert_eq!(answer.status, 200, "{path} {body}: {}", answer.text());
        answer
    }

    /// Makes a key and gives it.
    #[track_caller]
    pub(crate) fn key(&self, body: &str) -> String {
        self.done("/key/generate", body).at("key")
    }
}

impl Answer {
    /// The value at a way through its JSON (`error.message`, `keys.0`): a text without its quotes, anything else as it is
    /// written, nothing where there is none.
    pub(crate) fn at(&self, way: &str) -> String {
        at(&self.text(), way).unwrap_or_default()
    }
}

/// The same, of a text.
pub(crate) fn at(text: &str, way: &str) -> Option<String> {
    let mut value: Box<RawValue> = serde_json::from_str(text).ok()?;
    for step in way.split('.').filter(|step| !step.is_empty()) {
        let next: Box<RawValue> = match step.parse::<usize>() {
            Ok(place) => serde_json::from_str::<Vec<Box<RawValue>>>(value.get()).ok()?.into_iter().nth(place)?,
            Err(_) => serde_json::from_str::<BTreeMap<String, Box<RawValue>>>(value.get()).ok()?.remove(step)?,
        };
        value = next;
    }
    Some(serde_json::from_str::<String>(value.get()).unwrap_or_else(|_| value.get().to_owned()))
}
