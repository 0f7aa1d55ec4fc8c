//! A conversation as Gemini's contents.

use std::borrow::Cow;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use serde_json::value::RawValue;

use crate::chat::{
    Api, Media, MediaKind, Message, Part, Raw, Role, Source, Str, ToolCall, ToolResult, object_or_empty,
};
use crate::dialect::gemini::Object;
use crate::provider::refuse::{Place, native_type};
use crate::vocabulary::{Fault, Kind};

use super::Flavour;
use super::family::Family;

/// `skip_thought_signature_validator` in base64: for calls that another model made. Without any, the third generation
/// refuses them.
const FOREIGN_SIGNATURE: &str = "c2tpcF90aG91Z2h0X3NpZ25hdHVyZV92YWxpZGF0b3I=";

#[derive(Serialize)]
pub(super) struct Content<'c> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) role: Option<&'static str>,
    pub(super) parts: Vec<Piece<'c>>,
}

#[derive(Serialize)]
#[serde(untagged)]
pub(super) enum Piece<'c> {
    Part(Box<OnePart<'c>>),
    Native(Raw<'c>),
}

#[derive(Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct OnePart<'c> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) text: Option<&'c str>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    thought: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    inline_data: Option<Blob<'c>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    file_data: Option<File<'c>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    function_call: Option<Call<'c>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    function_response: Option<Answered<'c>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    thought_signature: Option<&'c str>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Blob<'c> {
    mime_type: Cow<'c, str>,
    data: Cow<'c, str>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct File<'c> {
    #[serde(skip_serializing_if = "Option::is_none")]
    mime_type: Option<Cow<'c, str>>,
    file_uri: Cow<'c, str>,
}

#[derive(Serialize)]
struct Call<'c> {
    id: &'c str,
    name: &'c str,
    args: Raw<'c>,
}

#[derive(Serialize)]
struct Answered<'c> {
    id: &'c str,
    name: &'c str,
    response: Cow<'c, RawValue>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    parts: Vec<Piece<'c>>,
}

/// Writes contents.
pub(super) struct Writer<'w, 'c> {
    pub(super) flavour: Flavour,
    pub(super) family: Family,
    pub(super) messages: &'c [Message<'c>],
    pub(super) dropped: &'w mut Vec<String>,
}

fn bad(place: Place, what: &str) -> Fault {
    Fault::client(Kind::BadRequest, format!("{place}: {what}")).param(place.to_string())
}

fn text_part(text: &str) -> Piece<'_> {
    Piece::Part(Box::new(OnePart { text: Some(text), ..OnePart::default() }))
}

impl<'c> Writer<'_, 'c> {
    /// The instructions, and everything else.
    pub(super) fn write(&mut self) -> Result<(Option<Content<'c>>, Vec<Content<'c>>), Fault> {
        let messages = self.messages;
        let mut system = Vec::new();
        let mut contents: Vec<(Role, Content<'c>)> = Vec::with_capacity(messages.len());
        for (index, message) in messages.iter().enumerate() {
            let place = Place::message(index);
            let parts = match message.role {
                Role::System => {
                    self.instructions(message, place, &mut system)?;
                    continue;
                }
                Role::Tool if index > 0 && messages.get(index - 1).is_some_and(|before| before.role == Role::Tool) => {
                    continue;
                }
                // The results of a turn may come as a message each.
                Role::Tool => self.results(index)?,
                Role::User | Role::Assistant => self.parts(message, place)?,
            };
            if parts.is_empty() {
                continue;
            }
            match contents.last_mut() {
                // All calls of a turn stand in one content, and so do all their results.
                Some((role, content)) if *role == message.role && *role != Role::User => content.parts.extend(parts),
                _ => {
                    let role = Some(if message.role == Role::Assistant { "model" } else { "user" });
                    contents.push((message.role, Content { role, parts }));
                }
            }
        }
        let mut contents: Vec<Content<'c>> = contents.into_iter().map(|(_, content)| content).collect();
        if system.is_empty() {
            return Ok((None, contents));
        }
        if contents.is_empty() {
            return Ok((None, vec![Content { role: Some("user"), parts: system }]));
        }
        if !self.family.takes_instructions() {
            match contents.first_mut().filter(|content| content.role == Some("user")) {
                Some(first) => drop(first.parts.splice(0..0, system)),
                None => contents.insert(0, Content { role: Some("user"), parts: system }),
            }
            return Ok((None, contents));
        }
        Ok((Some(Content { role: None, parts: system }), contents))
    }

    fn drop_once(&mut self, name: &str) {
        if !self.dropped.iter().any(|known| known == name) {
            self.dropped.push(name.to_owned());
        }
    }

    fn instructions(&mut self, message: &'c Message<'c>, place: Place, out: &mut Vec<Piece<'c>>) -> Result<(), Fault> {
        for (at, part) in message.parts.iter().enumerate() {
            match part {
                Part::Text { text, .. } => out.push(text_part(text)),
                Part::Native(native) if native.api == Api::Gemini => out.push(Piece::Native(native.json)),
                _ => {
                    return Err(bad(place.part(at), "instructions are texts; move the rest into a user message"));
                }
            }
        }
        Ok(())
    }

    fn parts(&mut self, message: &'c Message<'c>, place: Place) -> Result<Vec<Piece<'c>>, Fault> {
        let mut out: Vec<Piece<'c>> = Vec::with_capacity(message.parts.len());
        let mut calls = 0_usize;
        for (at, part) in message.parts.iter().enumerate() {
            let place = place.part(at);
            match part {
                Part::Text { text, cache } => {
                    if cache.is_some() {
                        self.drop_once("cache_control");
                    }
                    // An empty text says nothing beside others, but may carry a signature or be all that was said.
                    let signed = matches!(message.parts.get(at + 1), Some(Part::Thinking { signature: Some(_), .. }));
                    if !text.is_empty() || signed || message.parts.len() == 1 {
                        out.push(text_part(text));
                    }
                }
                Part::Refusal(text) => out.push(text_part(text)),
                Part::Media(media) => out.push(self.media(media, place)?),
                Part::ToolCall(call) => {
                    out.push(self.call(call, calls, place)?);
                    calls += 1;
                }
                Part::Thinking { text, signature } => self.thought(text, signature.as_ref(), &mut out),
                Part::Redacted { .. } => self.drop_once("redacted_thinking"),
                Part::Native(native) if native.api == Api::Gemini => out.push(Piece::Native(native.json)),
                // What the provider's own tools did is told by the text around it.
                Part::Native(native) if message.role == Role::Assistant => {
                    let kind = native_type(native.json);
                    self.drop_once(&kind);
                }
                Part::Native(native) => {
                    let kind = native_type(native.json);
                    return Err(bad(place, &format!("content of type {kind:?} has no counterpart in Gemini")));
                }
                Part::ToolResult(_) => return Err(bad(place, "a tool's result outside a tool message")),
            }
        }
        Ok(out)
    }

    /// A signature without a thought belongs to the text before it.
    fn thought(&mut self, text: &'c str, signature: Option<&'c Str<'c>>, out: &mut Vec<Piece<'c>>) {
        let given = signature.map(|signature| &**signature);
        let signature = given.filter(|signature| is_base64(signature));
        if given.is_some() && signature.is_none() {
            self.drop_once("thinking.signature");
        }
        if text.is_empty() && signature.is_none() {
            return;
        }
        if let (true, Some(Piece::Part(part))) = (text.is_empty(), out.last_mut())
            && part.text.is_some()
            && part.thought_signature.is_none()
        {
            part.thought_signature = signature;
            return;
        }
        let text = Some(text).filter(|text| !text.is_empty());
        let part = OnePart { text, thought: true, thought_signature: signature, ..OnePart::default() };
        out.push(Piece::Part(Box::new(part)));
    }

    fn call(&self, call: &'c ToolCall<'c>, before: usize, place: Place) -> Result<Piece<'c>, Fault> {
        let Some(args) = object_or_empty(&call.arguments) else {
            return Err(bad(place, &format!("the arguments of the call {:?} are not a JSON object", &*call.id)));
        };
        let given = call.signature.as_deref().filter(|signature| is_base64(signature));
        let needed = self.family.is_third() && before == 0;
        let part = OnePart {
            function_call: Some(Call { id: &call.id, name: &call.name, args }),
            thought_signature: given.or_else(|| needed.then_some(FOREIGN_SIGNATURE)),
            ..OnePart::default()
        };
        Ok(Piece::Part(Box::new(part)))
    }

    /// The results of this message and of those that follow on it, in the order of the calls that they answer.
    fn results(&mut self, first: usize) -> Result<Vec<Piece<'c>>, Fault> {
        let mut results: Vec<(usize, &'c ToolResult<'c>, &'c str, Place)> = Vec::new();
        let run = self.messages.iter().enumerate().skip(first).take_while(|(_, message)| message.role == Role::Tool);
        for (index, message) in run {
            for (at, part) in message.parts.iter().enumerate() {
                let Part::ToolResult(result) = part else { continue };
                let place = Place::message(index).part(at);
                let call = self.call_of(&result.id, first);
                let name = result.name.as_deref().or_else(|| call.map(|(_, call)| &*call.name));
                let name =
                    name.ok_or_else(|| bad(place, &format!("no call before it has the id {:?}", &*result.id)))?;
                results.push((call.map_or(usize::MAX, |(at, _)| at), result, name, place));
            }
        }
        results.sort_by_key(|(at, ..)| *at);
        let mut out = Vec::with_capacity(results.len());
        let mut beside = Vec::new();
        for (_, result, name, place) in results {
            out.push(self.result(result, name, place, &mut beside)?);
        }
        out.append(&mut beside);
        Ok(out)
    }

    /// The last call with this id before a message, and its place among the calls of its turn.
    fn call_of(&self, id: &str, before: usize) -> Option<(usize, &'c ToolCall<'c>)> {
        let messages = self.messages.get(..before)?;
        messages.iter().rev().filter(|message| message.role == Role::Assistant).find_map(|message| {
            let calls = message.parts.iter().filter_map(|part| match part {
                Part::ToolCall(call) => Some(call),
                _ => None,
            });
            calls.enumerate().find(|(_, call)| call.id == *id)
        })
    }

    fn result(
        &mut self,
        result: &'c ToolResult<'c>,
        name: &'c str,
        place: Place,
        beside: &mut Vec<Piece<'c>>,
    ) -> Result<Piece<'c>, Fault> {
        let mut texts: Vec<&'c str> = Vec::with_capacity(result.parts.len());
        let mut media = Vec::new();
        for part in &result.parts {
            match part {
                Part::Text { text, .. } | Part::Refusal(text) => texts.push(text),
                Part::Media(one) => media.push(self.media(one, place)?),
                Part::Native(native) if native.api == Api::Gemini => media.push(Piece::Native(native.json)),
                Part::Native(native) => texts.push(native.json.get()),
                _ => return Err(bad(place, "a tool's result is texts and media")),
            }
        }
        let parts = if self.family.is_third() { std::mem::take(&mut media) } else { Vec::new() };
        beside.append(&mut media);
        let response = response(&texts, result.error);
        let answered = Answered { id: &result.id, name, response, parts };
        Ok(Piece::Part(Box::new(OnePart { function_response: Some(answered), ..OnePart::default() })))
    }

    fn media(&mut self, media: &'c Media<'c>, place: Place) -> Result<Piece<'c>, Fault> {
        if media.cache.is_some() {
            self.drop_once("cache_control");
        }
        if media.detail.as_deref().is_some_and(|detail| detail != "auto") {
            self.drop_once("detail");
        }
        let mime = media.mime.as_deref().filter(|mime| !mime.is_empty()).map(Cow::Borrowed);
        let part = match &media.source {
            Source::Base64(data) => {
                let Some(mime_type) = mime.or_else(|| sniffed(data, media.kind).map(Cow::Borrowed)) else {
                    return Err(bad(
                        place,
                        "the media type of the data is not known: give it, as in data:image/png;base64,",
                    ));
                };
                OnePart { inline_data: Some(Blob { mime_type, data: Cow::Borrowed(data) }), ..OnePart::default() }
            }
            Source::Text(text) => {
                let mime_type = mime.unwrap_or(Cow::Borrowed("text/plain"));
                let data = Cow::Owned(STANDARD.encode(text.as_bytes()));
                OnePart { inline_data: Some(Blob { mime_type, data }), ..OnePart::default() }
            }
            Source::Url(url) => {
                let mime_type = mime.or_else(|| self.guessed(url, media.kind).map(Cow::Borrowed));
                OnePart { file_data: Some(File { mime_type, file_uri: Cow::Borrowed(url) }), ..OnePart::default() }
            }
            Source::Id(id) => {
                let file_uri = self
                    .file_uri(id)
                    .ok_or_else(|| bad(place, "Vertex AI has no files: give a gs:// address or the data itself"))?;
                OnePart { file_data: Some(File { mime_type: mime, file_uri }), ..OnePart::default() }
            }
        };
        Ok(Piece::Part(Box::new(part)))
    }

    fn file_uri(&self, id: &'c str) -> Option<Cow<'c, str>> {
        if id.contains("://") {
            return Some(Cow::Borrowed(id));
        }
        let name = id.strip_prefix("files/").unwrap_or(id);
        let base = "https://generativelanguage.googleapis.com/v1beta/files/";
        (self.flavour == Flavour::Studio).then(|| Cow::Owned(format!("{base}{name}")))
    }

    /// The media type by the address. Vertex AI wants one in any case, but for films on YouTube AI Studio wants none.
    fn guessed(&self, url: &str, kind: MediaKind) -> Option<&'static str> {
        let youtube = url.contains("://www.youtube.com/") || url.contains("://youtu.be/");
        let path = url.split(['?', '#']).next().unwrap_or(url);
        let ending = path.rsplit('/').next().and_then(|name| name.rsplit_once('.')).map(|(_, ending)| ending);
        let known = ending.and_then(|ending| of_ending(&ending.to_ascii_lowercase()));
        let usual = match kind {
            MediaKind::Image => "image/jpeg",
            MediaKind::Audio => "audio/mpeg",
            MediaKind::Video => "video/mp4",
            MediaKind::File => "application/pdf",
        };
        match (known, self.flavour) {
            (Some(known), _) if !youtube => Some(known),
            (_, Flavour::Vertex) => Some(if youtube { "video/mp4" } else { usual }),
            (_, Flavour::Studio) => None,
        }
    }
}

/// Texts that are a JSON object are it; others stand under a name, for the API wants an object.
fn response<'c>(texts: &[&'c str], error: bool) -> Cow<'c, RawValue> {
    if let [one] = texts
        && one.trim_start().starts_with('{')
        && let Ok(object) = serde_json::from_str::<Raw<'c>>(one)
    {
        let has_error = Object::read(object).is_some_and(|object| object.get(&["error"]).is_some());
        if !error || has_error {
            return Cow::Borrowed(object);
        }
    }
    let text = texts.concat();
    let named =
        if error { Named { error: Some(&text), output: None } } else { Named { error: None, output: Some(&text) } };
    serde_json::value::to_raw_value(&named).map_or_else(|_| Cow::Borrowed(RawValue::NULL), Cow::Owned)
}

#[derive(Serialize)]
struct Named<'t> {
    #[serde(skip_serializing_if = "Option::is_none")]
    output: Option<&'t str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'t str>,
}

/// Signatures of Google's are bytes in base64: anything else is another provider's, and would be refused.
fn is_base64(text: &str) -> bool {
    let letter = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'-' | b'_' | b'=');
    !text.is_empty() && text.bytes().all(letter)
}

/// The media type by the first bytes.
fn sniffed(base64: &str, kind: MediaKind) -> Option<&'static str> {
    let known = [
        ("iVBORw0KGgo", "image/png"),
        ("/9j/", "image/jpeg"),
        ("R0lGOD", "image/gif"),
        ("JVBERi", "application/pdf"),
        ("SUQz", "audio/mpeg"),
        ("T2dnUw", "audio/ogg"),
        ("ZkxhQw", "audio/flac"),
    ];
    if base64.starts_with("UklGR") {
        // RIFF: bytes 8 to 11 say what is in it.
        let head = base64.get(..16).and_then(|head| STANDARD.decode(head).ok())?;
        return match head.get(8..12) {
            Some(b"WEBP") => Some("image/webp"),
            Some(b"WAVE") => Some("audio/wav"),
            _ => None,
        };
    }
    // A frame of MPEG's: its first eleven bits are set.
    let frame = || kind == MediaKind::Audio && base64.starts_with("//");
    let found = known.into_iter().find(|(start, _)| base64.starts_with(start)).map(|(_, mime)| mime);
    found.or_else(|| frame().then_some("audio/mpeg"))
}

fn of_ending(ending: &str) -> Option<&'static str> {
    Some(match ending {
        "png" => "image/png",
        "jpg" | "jpeg" => "image/jpeg",
        "webp" => "image/webp",
        "gif" => "image/gif",
        "heic" => "image/heic",
        "heif" => "image/heif",
        "mp3" => "audio/mpeg",
        "wav" => "audio/wav",
        "ogg" => "audio/ogg",
        "flac" => "audio/flac",
        "aac" => "audio/aac",
        "m4a" => "audio/mp4",
        "mp4" => "video/mp4",
        "mov" => "video/quicktime",
        "webm" => "video/webm",
        "mpg" | "mpeg" => "video/mpeg",
        "pdf" => "application/pdf",
        "txt" => "text/plain",
        "html" | "htm" => "text/html",
        "csv" => "text/csv",
        "md" => "text/markdown",
        "json" => "application/json",
        _ => return None,
    })
}
