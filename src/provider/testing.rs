//! What the tests of several providers need.

use crate::chat::{Delta, Sink};
use crate::config::{self, Providers, Purpose, Surroundings};

struct Any;

impl Providers for Any {
    fn known(&self, _name: &str) -> bool {
        true
    }

    fn env_vars(&self, _name: &str) -> &'static [&'static str] {
        &[]
    }

    fn guess(&self, _model: &str) -> Option<&'static str> {
        None
    }

    fn needs_base(&self, _name: &str) -> bool {
        false
    }
}

/// A deployment with a key.
pub(super) fn deployment(provider: &str, model: &str, base: Option<&str>) -> config::Deployment {
    let base = base.map(|base| format!(", api_base: '{base}'")).unwrap_or_default();
    let text = format!(
        "model_list: [{{model_name: m, litellm_params: {{model: '{provider}/{model}', api_key: sk-0123456789abcdef{base}}}}}]\n\
         general_settings: {{master_key: sk-abcdefghijklmnop}}"
    );
    let surroundings = Surroundings { env: &|_| None, providers: &Any, purpose: Purpose::Serve };
    let (settings, report) = config::load_text("test.yaml", &text, &surroundings);
    let mut settings = settings.unwrap_or_else(|| panic!("{report:?}"));
    settings.deployments.remove(0)
}

/// Writes pieces down, texts that follow one another as one.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Seen(pub(super) Vec<String>);

impl Seen {
    fn grow(&mut self, kind: &str, text: &str) {
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
            Delta::Text(text) => self.grow("text: ", text),
            Delta::Thinking(text) => self.grow("thinking: ", text),
            Delta::Arguments { index, json } => self.grow(&format!("arguments {index}: "), json),
            Delta::ToolCall { index, id, name, .. } => self.0.push(format!("call {index}: {id} {name}")),
            Delta::Start { id, .. } => self.0.push(format!("start: {}", id.unwrap_or("-"))),
            Delta::Citation { url, title, text, start, end } => {
                self.0.push(format!("citation: {url:?} {title:?} {text:?} {start:?} {end:?}"));
            }
            Delta::Finish(finish) => self.0.push(format!("finish: {finish:?}")),
            other => self.0.push(format!("{other:?}")),
        }
    }
}
