//! Requests as they are written, streams however they are cut.

mod place;
mod request;
mod stream;

use crate::chat::{Delta, Sink};
use crate::config::Deployment;
use crate::vocabulary::Secret;

/// A deployment with this key and base.
fn deployment(model: &str, key: Option<&str>, base: Option<&str>) -> Deployment {
    Deployment {
        api_key: key.map(Secret::new),
        api_base: base.map(str::to_owned),
        ..Deployment::of("m", "anthropic", model)
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
