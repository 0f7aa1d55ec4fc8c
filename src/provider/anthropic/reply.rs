//! A whole answer.

use serde::Deserialize;

use super::said::{self, Ending};
use crate::chat::{Broken, Delta, Raw, Sink, Str};
use crate::dialect::anthropic;
use crate::vocabulary::Metered;

#[derive(Deserialize)]
struct Message<'a> {
    #[serde(borrow, rename = "type")]
    kind: Option<Str<'a>>,
    #[serde(borrow)]
    id: Option<Str<'a>>,
    #[serde(borrow)]
    content: Option<Vec<Raw<'a>>>,
    #[serde(borrow)]
    usage: Option<Raw<'a>>,
    #[serde(borrow)]
    error: Option<Raw<'a>>,
    #[serde(borrow)]
    context_management: Option<Raw<'a>>,
    #[serde(borrow)]
    stop_reason: Option<Str<'a>>,
    #[serde(borrow)]
    stop_sequence: Option<Str<'a>>,
    #[serde(borrow)]
    stop_details: Option<Raw<'a>>,
    #[serde(borrow)]
    container: Option<Raw<'a>>,
}

/// Reads a whole answer.
///
/// # Errors
/// It is not one, or tells an error.
pub fn read(body: &[u8], sink: &mut dyn Sink) -> Result<Metered, Broken> {
    let malformed = |error: serde_json::Error| Broken::Malformed(format!("a message: {error}"));
    let message: Message<'_> = serde_json::from_slice(body).map_err(malformed)?;
    if message.error.is_some() || message.kind.as_deref() == Some("error") {
        return Err(said::upstream(message.error));
    }
    let Some(content) = message.content else {
        return Err(Broken::Malformed("a message without content".to_owned()));
    };
    sink.delta(0, Delta::Start { id: message.id.as_deref(), created: None });
    let mut told = Told::default();
    for block in content {
        told.block(block, sink)?;
    }
    said::member("context_management", message.context_management, sink);
    let Message { stop_reason, stop_sequence, stop_details, container, .. } = message;
    Ending { stop_reason, stop_sequence, stop_details, container }.tell(sink);
    Ok(message.usage.map_or(Metered::Absent, |usage| anthropic::metered(usage.get().as_bytes())))
}

/// What was told so far.
#[derive(Default)]
struct Told {
    calls: u32,
    // Characters of text.
    text: u64,
}

impl Told {
    fn block(&mut self, json: Raw<'_>, sink: &mut dyn Sink) -> Result<(), Broken> {
        // What is not understood may have members of the same names and other types.
        let block = match said::block(json) {
            Ok(block) if said::is_known(&block.kind) => block,
            read => {
                let kind = said::kind_of(json).unwrap_or_default();
                return match read {
                    Err(broken) if said::is_known(&kind) => Err(broken),
                    _ => {
                        said::native(&kind, json.get(), sink);
                        Ok(())
                    }
                };
            }
        };
        match &*block.kind {
            "text" => {
                let text = block.text.as_deref().unwrap_or_default();
                let start = self.text;
                self.text += text.chars().count() as u64;
                tell(text, Delta::Text, sink);
                for citation in block.citations.unwrap_or_default() {
                    said::cite(citation.get(), start, self.text, sink);
                }
            }
            "thinking" => {
                tell(block.thinking.as_deref().unwrap_or_default(), Delta::Thinking, sink);
                tell(block.signature.as_deref().unwrap_or_default(), Delta::Signature, sink);
            }
            "tool_use" => {
                said::begin_call(&block, self.calls, sink);
                let json = block.input.map_or("{}", |input| input.get());
                sink.delta(0, Delta::Arguments { index: self.calls, json });
                self.calls += 1;
            }
            _ => sink.delta(0, Delta::Redacted(block.data.as_deref().unwrap_or_default())),
        }
        Ok(())
    }
}

/// Tells a text, if there is one.
fn tell<'t>(text: &'t str, delta: fn(&'t str) -> Delta<'t>, sink: &mut dyn Sink) {
    if !text.is_empty() {
        sink.delta(0, delta(text));
    }
}
