//! What the tests of several providers need.

use bytes::Bytes;

use super::{Ask, CallApi, ChatApi};
use crate::chat::{
    Broken, Chat, DecodeEnd, Delta, Function, Media, MediaKind, Part, Raw, Sink, Source, Tool, ToolCall, ToolResult,
};
use crate::config::{self, Providers, Purpose, Surroundings};
use crate::vocabulary::{Fault, Metered};

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

/// A request that a chat API wrote, and what it left out.
pub(super) fn written(api: &dyn ChatApi, chat: &Chat<'_>, model: &str) -> Result<(String, Vec<String>), Fault> {
    let deployment = deployment("openai", model, None);
    let ask = Ask { model, stream: chat.stream, output_max: None, deployment: &deployment };
    let written = api.write(chat, &ask)?;
    Ok((String::from_utf8(written.body.to_vec()).unwrap(), written.dropped))
}

/// The same of another call.
pub(super) fn called(api: &dyn CallApi, body: &str) -> Result<(String, Vec<String>), Fault> {
    let deployment = deployment("openai", "m", None);
    let ask = Ask { model: "m", stream: false, output_max: None, deployment: &deployment };
    let written = api.write(body.as_bytes(), &ask)?;
    Ok((String::from_utf8(written.body.to_vec()).unwrap(), written.dropped))
}

/// JSON that lives as long as its text.
pub(super) fn raw(json: &str) -> Raw<'_> {
    serde_json::from_str(json).unwrap()
}

/// An image, here or at an address.
pub(super) fn image(source: Source<'_>) -> Part<'_> {
    Part::Media(Media { kind: MediaKind::Image, source, mime: None, name: None, detail: None, cache: None })
}

/// A call of a tool.
pub(super) fn call<'a>(id: &'a str, name: &'a str, arguments: &'a str) -> Part<'a> {
    let (id, name, arguments) = (id.into(), name.into(), arguments.into());
    Part::ToolCall(ToolCall { id, name, arguments, signature: None, cache: None })
}

/// What a tool answered.
pub(super) fn result<'a>(id: &'a str, parts: Vec<Part<'a>>) -> Part<'a> {
    Part::ToolResult(ToolResult { id: id.into(), name: None, parts, error: false, cache: None })
}

/// A function without a description.
pub(super) fn function<'a>(name: &'a str, parameters: Option<Raw<'a>>) -> Tool<'a> {
    Tool::Function(Function { name: name.into(), description: None, parameters, strict: None, cache: None })
}

/// What a decoder makes of a stream that comes in these chunks, and how that ends.
pub(super) fn stream(api: &dyn ChatApi, chunks: &[&[u8]]) -> (Seen, Result<DecodeEnd, Broken>, Metered) {
    let (mut seen, mut decoder) = (Seen::default(), api.decoder(64 * 1024));
    for chunk in chunks {
        if let Err(broken) = decoder.push(Bytes::copy_from_slice(chunk), &mut seen) {
            return (seen, Err(broken), decoder.metered());
        }
    }
    let end = decoder.finish(&mut seen);
    (seen, end, decoder.metered())
}

/// Reads a stream whole, then cut in two at every place, and answers what came of it.
pub(super) fn at_every_split(api: &dyn ChatApi, body: &str) -> (Vec<String>, Result<DecodeEnd, Broken>, Metered) {
    let whole = stream(api, &[body.as_bytes()]);
    for at in 0..=body.len() {
        let (left, right) = body.as_bytes().split_at(at);
        assert_eq!(stream(api, &[left, right]), whole, "split at {at}");
    }
    (whole.0.0, whole.1, whole.2)
}
