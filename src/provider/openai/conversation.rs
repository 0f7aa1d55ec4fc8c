//! Writes the messages of a chat in OpenAI's form and order: results of tools right after the calls, pictures of tools in a
//! message of the user's.

use std::borrow::Cow;

use sha2::{Digest, Sha256};

use super::form::{
    Address, Called, Content, Extra, Heard, OutCache, OutCall, OutFile, OutMessage, OutPart, Signed, Sound, SpokenId,
    Thought, Url,
};
use super::vendor::{Documents, History, Vendor};
use crate::chat::{
    Api, Cache, Chat, Media, MediaKind, Message, Native, Part, Raw, Role, Source, ToolCall, ToolResult, object_or_empty,
};
use crate::json;
use crate::provider::refuse::native_type;
use crate::vocabulary::{Fault, Kind};

/// A cache mark, for vendors that know them.
pub(super) fn cache<'c>(cache: Option<&'c Cache<'_>>, vendor: &Vendor) -> Option<OutCache<'c>> {
    cache.filter(|_| vendor.cache_marks).map(|cache| OutCache { r#type: "ephemeral", ttl: cache.ttl.as_deref() })
}

/// Writes all messages.
pub(super) fn write<'c>(
    chat: &'c Chat<'_>,
    vendor: &'c Vendor,
    dropped: &mut Vec<String>,
) -> Result<Vec<OutMessage<'c>>, Fault> {
    let mut conversation = Conversation { vendor, dropped, out: Vec::new(), results_at: None, pictures: Vec::new() };
    for (index, message) in chat.messages.iter().enumerate() {
        conversation.message(index, message)?;
    }
    conversation.show_pictures();
    if vendor.is_mistral {
        bridge(&mut conversation.out);
    }
    Ok(conversation.out)
}

/// Mistral wants an assistant between a tool and the user.
fn bridge(messages: &mut Vec<OutMessage<'_>>) {
    let mut at = 1;
    while at < messages.len() {
        let role = |at: usize| messages.get(at).map(|message| message.role);
        if role(at - 1) == Some("tool") && role(at) == Some("user") {
            let content = Content::Text("OK".into());
            messages.insert(at, OutMessage { role: "assistant", content, ..OutMessage::default() });
        }
        at += 1;
    }
}

/// The messages written so far.
struct Conversation<'c, 'd> {
    vendor: &'c Vendor,
    dropped: &'d mut Vec<String>,
    out: Vec<OutMessage<'c>>,
    // Where the next result of a tool goes: behind the last calls and the results that are there.
    results_at: Option<usize>,
    // What tools returned besides text, and what the model made.
    pictures: Vec<OutPart<'c>>,
}

impl<'c> Conversation<'c, '_> {
    fn message(&mut self, index: usize, message: &'c Message<'_>) -> Result<(), Fault> {
        match message.role {
            Role::Tool => {
                for (part, at) in message.parts.iter().zip(0..) {
                    if let Part::ToolResult(result) = part {
                        self.result(result, Place { message: index, part: at })?;
                    }
                }
                Ok(())
            }
            Role::Assistant => self.assistant(index, message),
            Role::System => self.other("system", index, message),
            Role::User => self.other("user", index, message),
        }
    }

    /// What cannot stand in a result of a tool stands in a message of the user's behind the results.
    fn show_pictures(&mut self) {
        let pictures = std::mem::take(&mut self.pictures);
        if !pictures.is_empty() {
            let message = OutMessage { role: "user", content: Content::Parts(pictures), ..OutMessage::default() };
            let at = self.results_at.unwrap_or(self.out.len()).min(self.out.len());
            self.out.insert(at, message);
        }
    }

    fn other(&mut self, role: &'static str, index: usize, message: &'c Message<'_>) -> Result<(), Fault> {
        self.show_pictures();
        let mut parts = Vec::with_capacity(message.parts.len());
        for (part, at) in message.parts.iter().zip(0..) {
            parts.push(self.part(part, Place { message: index, part: at })?);
        }
        let content = self.content(parts, "\n");
        self.out.push(OutMessage { role, content, name: message.name.as_deref(), ..OutMessage::default() });
        Ok(())
    }

    /// One text is a text; several are a list, or joined for vendors that take none; anything else is a list.
    fn content(&self, mut parts: Vec<OutPart<'c>>, between: &str) -> Content<'c> {
        let is_text = |part: &OutPart<'_>| matches!(part, OutPart::Text { cache_control: None, .. });
        if parts.is_empty() {
            return Content::Text("".into());
        }
        if !parts.iter().all(is_text) || (parts.len() > 1 && self.vendor.lists) {
            return Content::Parts(parts);
        }
        let texts = parts.drain(..).filter_map(|part| match part {
            OutPart::Text { text, .. } => Some(text),
            _ => None,
        });
        let mut texts = texts.collect::<Vec<_>>();
        match texts.len() {
            1 => texts.pop().map_or(Content::Nothing, Content::Text),
            _ => Content::Text(texts.join(between).into()),
        }
    }

    fn part(&mut self, part: &'c Part<'_>, place: Place) -> Result<OutPart<'c>, Fault> {
        match part {
            Part::Text { text, cache } => Ok(self.text(text, cache.as_ref())),
            Part::Media(media) => self.media(media, place),
            Part::Native(Native { api: Api::OpenAiChat, json }) => Ok(OutPart::Native(json)),
            Part::Native(Native { json, .. }) => Err(place.cannot(&native_type(json), "leave it out")),
            Part::Refusal(text) => Ok(self.text(text, None)),
            Part::ToolCall(_) | Part::ToolResult(_) | Part::Thinking { .. } | Part::Redacted { .. } => {
                Err(place.cannot("this part in this role", "put it into a message of the role that it belongs to"))
            }
        }
    }

    fn text(&self, text: &'c str, mark: Option<&'c Cache<'_>>) -> OutPart<'c> {
        OutPart::Text { text: text.into(), cache_control: cache(mark, self.vendor) }
    }

    fn media(&self, media: &'c Media<'_>, place: Place) -> Result<OutPart<'c>, Fault> {
        let cache_control = cache(media.cache.as_ref(), self.vendor);
        match (media.kind, &media.source) {
            (_, Source::Text(text)) => Ok(titled(media, text, cache_control)),
            (MediaKind::Image, source) => {
                let url = url(source, media.mime.as_deref().unwrap_or("image/png"))
                    .ok_or_else(|| place.cannot("a picture by its id", "send its bytes or its address"))?;
                let detail = media.detail.as_deref();
                Ok(OutPart::ImageUrl { image_url: Address { url, detail }, cache_control })
            }
            (MediaKind::Audio, Source::Base64(data) | Source::Url(data)) if self.vendor.is_mistral => {
                Ok(OutPart::InputAudio { input_audio: Heard::Plain(data) })
            }
            (MediaKind::Audio, Source::Base64(data)) => {
                let sound = Sound { data, format: sound_format(media.mime.as_deref()) };
                Ok(OutPart::InputAudio { input_audio: Heard::Sound(sound) })
            }
            (MediaKind::Audio, _) => Err(place.cannot("a sound by its address", "send its bytes")),
            (MediaKind::Video, source) => url(source, media.mime.as_deref().unwrap_or("video/mp4"))
                .filter(|_| self.vendor.films)
                .map(|url| OutPart::VideoUrl { video_url: Address { url, detail: None } })
                .ok_or_else(|| place.cannot("a film", "send pictures of it")),
            (MediaKind::File, source) => self.document(media, source, cache_control, place),
        }
    }

    fn document(
        &self,
        media: &'c Media<'_>,
        source: &'c Source<'_>,
        cache_control: Option<OutCache<'c>>,
        place: Place,
    ) -> Result<OutPart<'c>, Fault> {
        let name = media.name.as_deref();
        let url = url(source, media.mime.as_deref().unwrap_or("application/pdf"));
        match (self.vendor.documents, source, url) {
            (_, Source::Id(id), _) => {
                let file = OutFile { filename: None, file_data: None, file_id: Some(id) };
                Ok(OutPart::File { file, cache_control })
            }
            (Documents::DocumentUrl, _, Some(document_url)) => {
                Ok(OutPart::DocumentUrl { document_url, document_name: name })
            }
            (Documents::File, Source::Url(_), _) => {
                Err(place.cannot("a document by its address", "send its bytes in base64"))
            }
            (Documents::File | Documents::FileOrUrl, _, Some(url)) => {
                // Refused without a name.
                let filename = Some(name.unwrap_or("document.pdf"));
                Ok(OutPart::File { file: OutFile { filename, file_data: Some(url), file_id: None }, cache_control })
            }
            (_, _, None) => Err(place.cannot("this document", "send its bytes in base64")),
        }
    }

    fn result(&mut self, result: &'c ToolResult<'_>, place: Place) -> Result<(), Fault> {
        let (mut said, mut shown) = (Vec::new(), Vec::new());
        for part in &result.parts {
            let out = match part {
                // What only another API understands (a reference to a tool): the conversation goes on without it.
                Part::Native(Native { api, json }) if *api != Api::OpenAiChat => {
                    self.dropped.push(format!("messages.{}", native_type(json)));
                    continue;
                }
                part => self.part(part, place)?,
            };
            let can_stand = matches!(out, OutPart::Text { .. }) || self.vendor.tool_pictures;
            if can_stand { said.push(out) } else { shown.push(out) }
        }
        if result.error {
            self.dropped.push("tool_result.is_error".to_owned());
        }
        if !shown.is_empty() {
            let text = format!("The tool call {} returned:", self.id(&result.id));
            self.pictures.push(OutPart::Text { text: text.into(), cache_control: None });
            self.pictures.extend(shown);
            if said.is_empty() {
                said.push(self.text("See the next message.", None));
            }
        }
        if let (Some(mark), Some(OutPart::Text { cache_control, .. })) =
            (cache(result.cache.as_ref(), self.vendor), said.last_mut())
        {
            *cache_control = cache_control.or(Some(mark));
        }
        let content = self.content(said, "\n");
        let name = result.name.as_deref().filter(|_| self.vendor.is_mistral || self.vendor.signatures);
        let id = Some(self.id(&result.id));
        let message = OutMessage { role: "tool", content, name, tool_call_id: id, ..OutMessage::default() };
        let at = self.results_at.unwrap_or(self.out.len()).min(self.out.len());
        self.out.insert(at, message);
        self.results_at = Some(at + 1);
        Ok(())
    }

    fn assistant(&mut self, index: usize, message: &'c Message<'_>) -> Result<(), Fault> {
        self.show_pictures();
        let mut out = OutMessage { role: "assistant", name: message.name.as_deref(), ..OutMessage::default() };
        let mut said = Vec::new();
        for (part, at) in message.parts.iter().zip(0..) {
            match part {
                Part::Text { text, cache } => said.push(self.text(text, cache.as_ref())),
                Part::Refusal(text) if self.vendor.refusals => out.refusal = Some(text),
                Part::Refusal(text) => said.push(self.text(text, None)),
                Part::ToolCall(call) => out.tool_calls.push(self.call(call)),
                Part::Native(Native { api: Api::OpenAiChat, json }) if native_type(json) == "custom" => {
                    out.tool_calls.push(OutCall::Native(json));
                }
                Part::Native(Native { api: Api::OpenAiChat, json }) => said.push(OutPart::Native(json)),
                Part::Native(Native { json, .. }) => self.dropped.push(format!("messages.{}", native_type(json))),
                Part::Thinking { text, signature } => self.thought(text, signature.as_deref(), &mut out),
                Part::Redacted { data } => self.redacted(data, &mut out),
                Part::Media(Media { kind: MediaKind::Audio, source: Source::Id(id), .. }) => {
                    out.audio = Some(SpokenId { id });
                }
                Part::Media(media) => {
                    let picture = self.media(media, Place { message: index, part: at })?;
                    self.pictures.push(picture);
                }
                Part::ToolResult(_) => {
                    let place = Place { message: index, part: at };
                    return Err(place.cannot("a tool's result in an assistant message", "send it with the role tool"));
                }
            }
        }
        if !said.is_empty() {
            out.content = self.content(said, "");
        }
        let says_nothing = matches!(out.content, Content::Nothing) && out.refusal.is_none() && out.audio.is_none();
        if says_nothing && out.tool_calls.is_empty() {
            // Nothing but thoughts: an empty message is refused.
            if out.reasoning_content.is_none() && out.reasoning_details.is_empty() && out.thinking_blocks.is_empty() {
                return Ok(());
            }
            out.content = Content::Text("".into());
        }
        let calls = !out.tool_calls.is_empty();
        self.out.push(out);
        self.results_at = calls.then_some(self.out.len());
        Ok(())
    }

    fn thought(&self, text: &'c str, signature: Option<&'c str>, out: &mut OutMessage<'c>) {
        match self.vendor.history {
            History::Forget => {}
            History::Content => out.reasoning_content.get_or_insert_default().push_str(text),
            History::Details => {
                out.reasoning_details.push(Thought::Text { r#type: "reasoning.text", text, signature });
            }
            History::Blocks => {
                let signature = signature.unwrap_or_default();
                out.thinking_blocks.push(Thought::Block { r#type: "thinking", thinking: text, signature });
            }
        }
    }

    fn redacted(&self, data: &'c str, out: &mut OutMessage<'c>) {
        match self.vendor.history {
            History::Forget | History::Content => {}
            History::Details => {
                // As it came from there: an object with its id and its format.
                let whole = json::kind(data.as_bytes()) == Some(json::Kind::Object);
                let whole = serde_json::from_str::<Raw<'_>>(data).ok().filter(|_| whole);
                let thought = whole.map_or(Thought::Data { r#type: "reasoning.encrypted", data }, Thought::Whole);
                out.reasoning_details.push(thought);
            }
            History::Blocks => out.thinking_blocks.push(Thought::Data { r#type: "redacted_thinking", data }),
        }
    }

    fn call(&self, call: &'c ToolCall<'_>) -> OutCall<'c> {
        let empty = object_or_empty(&call.arguments).filter(|object| object.get() == "{}");
        let arguments = if empty.is_some() { "{}" } else { &*call.arguments };
        let signature = call.signature.as_deref().filter(|_| self.vendor.signatures);
        OutCall::Function {
            id: self.id(&call.id),
            r#type: "function",
            function: Called { name: &call.name, arguments },
            extra_content: signature.map(|thought_signature| Extra { google: Signed { thought_signature } }),
            cache_control: cache(call.cache.as_ref(), self.vendor),
        }
    }

    /// Mistral wants nine letters and digits: other ids are made into such, the same always into the same.
    fn id(&self, id: &'c str) -> Cow<'c, str> {
        let fits = id.len() == 9 && id.bytes().all(|byte| byte.is_ascii_alphanumeric());
        if !self.vendor.is_mistral || fits {
            return id.into();
        }
        const LETTERS: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz012345";
        let digest = Sha256::digest(id.as_bytes());
        let letter = |byte: &u8| LETTERS.get(usize::from(byte & 31)).copied().map_or('a', char::from);
        digest.iter().take(9).map(letter).collect::<String>().into()
    }
}

/// Where something stands that cannot be said.
#[derive(Clone, Copy, Debug)]
struct Place {
    message: usize,
    part: usize,
}

impl Place {
    fn cannot(self, what: &str, instead: &str) -> Fault {
        let place = format!("messages[{}].content[{}]", self.message, self.part);
        let text = format!("{place}: {what} cannot be sent to this model's provider; {instead}.");
        Fault::client(Kind::BadRequest, text).param(place)
    }
}

fn url<'c>(source: &'c Source<'_>, mime: &'c str) -> Option<Url<'c>> {
    match source {
        Source::Base64(data) => Some(Url::Here { mime, data }),
        Source::Url(url) => Some(Url::At(url)),
        Source::Text(_) | Source::Id(_) => None,
    }
}

/// A document that is text is said as text, under its title.
fn titled<'c>(media: &'c Media<'_>, text: &'c str, cache_control: Option<OutCache<'c>>) -> OutPart<'c> {
    let text = match media.name.as_deref() {
        Some(name) => format!("{name}\n\n{text}").into(),
        None => text.into(),
    };
    OutPart::Text { text, cache_control }
}

fn sound_format(mime: Option<&str>) -> &str {
    match mime {
        Some("audio/mpeg" | "audio/mp3") => "mp3",
        Some("audio/x-wav" | "audio/wave" | "audio/vnd.wave") | None => "wav",
        Some(mime) => mime.rsplit('/').next().unwrap_or("wav"),
    }
}
