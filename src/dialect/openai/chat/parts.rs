//! Parts of a message's content: OpenAI's, and those of other APIs that clients put among them.

use std::borrow::Cow;

use super::value::{self, At};
use crate::chat::{Api, Cache, Media, MediaKind, Native, Part, Raw, Source, Str};
use crate::vocabulary::Fault;

value::members! {
    /// A part.
    WirePart {
        r#type, text, cache_control, image_url, input_audio, audio_url, video_url, file, document_url, document_name,
        refusal, thinking, signature, data, source, title, detail, format, file_id, file_data, filename, file_url,
    }
}

/// Reads `content`: a text, parts, or nothing.
pub(super) fn content<'a>(raw: Option<Raw<'a>>, at: At<'_>) -> Result<Vec<Part<'a>>, Fault> {
    let Some(raw) = raw else { return Ok(Vec::new()) };
    if value::is(raw, b'"') {
        return Ok(vec![Part::text(value::text(raw, at)?)]);
    }
    let raws = value::array(raw, at, "a string or an array of objects")?;
    raws.into_iter().enumerate().map(|(index, raw)| part(raw, at.index(index))).collect()
}

fn part<'a>(raw: Raw<'a>, at: At<'_>) -> Result<Part<'a>, Fault> {
    if value::is(raw, b'"') {
        return Ok(Part::text(value::text(raw, at)?));
    }
    let wire: WirePart<'_> = value::object(raw, at)?;
    let kind = value::needed_text(wire.r#type, at.key("type"))?;
    let cache = value::cache(wire.cache_control);
    let media = match &*kind {
        "text" | "input_text" | "output_text" => {
            return Ok(Part::Text { text: value::needed_text(wire.text, at.key("text"))?, cache });
        }
        "refusal" => return value::needed_text(wire.refusal, at.key("refusal")).map(Part::Refusal),
        "thinking" => return thinking(&wire, at),
        "redacted_thinking" => {
            return Ok(Part::Redacted { data: value::needed_text(wire.data, at.key("data"))? });
        }
        "image_url" | "input_image" => addressed(wire.image_url, MediaKind::Image, at.key("image_url"))?,
        "video_url" => addressed(wire.video_url, MediaKind::Video, at.key("video_url"))?,
        "audio_url" => addressed(wire.audio_url, MediaKind::Audio, at.key("audio_url"))?,
        "document_url" => addressed(wire.document_url, MediaKind::File, at.key("document_url"))?,
        "input_audio" => audio(wire.input_audio, at.key("input_audio"))?,
        "file" => match wire.file {
            Some(raw) => file(&value::object(raw, at.key("file"))?, at.key("file"))?,
            None => return Err(value::missing(at.key("file"))),
        },
        "input_file" => file(&WireFile::of(&wire), at)?,
        "image" | "document" if wire.source.is_some() => sourced(&wire, &kind, at)?,
        _ => return Ok(Part::Native(Native { api: Api::OpenAiChat, json: raw })),
    };
    Ok(Part::Media(finish(media, &wire, cache)))
}

/// What stands beside a medium rather than in it.
fn finish<'a>(mut media: Media<'a>, wire: &WirePart<'a>, cache: Option<Cache<'a>>) -> Media<'a> {
    media.cache = cache;
    media.detail = media.detail.or_else(|| value::text_or_none(wire.detail));
    media.mime = media.mime.or_else(|| value::text_or_none(wire.format).filter(|format| format.contains('/')));
    let name = value::text_or_none(wire.document_name).or_else(|| value::text_or_none(wire.title));
    media.name = media.name.or(name);
    media
}

/// Mistral's `thinking` is a list of texts.
fn thinking<'a>(wire: &WirePart<'a>, at: At<'_>) -> Result<Part<'a>, Fault> {
    let at = at.key("thinking");
    let raw = wire.thinking.ok_or_else(|| value::missing(at))?;
    let text = if value::is(raw, b'[') {
        let parts = content(Some(raw), at)?;
        let texts = parts.iter().filter_map(|part| match part {
            Part::Text { text, .. } => Some(&**text),
            _ => None,
        });
        texts.collect::<String>().into()
    } else {
        value::text(raw, at)?
    };
    let signature = value::text_or_none(wire.signature).filter(|signature| !signature.is_empty());
    Ok(Part::Thinking { text, signature })
}

value::members! {
    /// `image_url` and its like as an object.
    Address { url, detail, format }
}

fn addressed<'a>(raw: Option<Raw<'a>>, kind: MediaKind, at: At<'_>) -> Result<Media<'a>, Fault> {
    let raw = raw.ok_or_else(|| value::missing(at))?;
    if value::is(raw, b'"') {
        return Ok(at_url(value::text(raw, at)?, kind, None));
    }
    let address: Address<'_> = value::object(raw, at)?;
    let url = value::needed_text(address.url, at.key("url"))?;
    let mut media = at_url(url, kind, value::text_or_none(address.format));
    media.detail = value::text_at(address.detail, at.key("detail"))?;
    Ok(media)
}

/// A medium at an address, which may hold it in itself.
fn at_url<'a>(url: Str<'a>, kind: MediaKind, mime: Option<Str<'a>>) -> Media<'a> {
    let (source, told) = match data_url(&url) {
        Some((mime, data)) => (Source::Base64(data), mime),
        None => (Source::Url(url), None),
    };
    media(kind, source, told.or(mime))
}

fn media<'a>(kind: MediaKind, source: Source<'a>, mime: Option<Str<'a>>) -> Media<'a> {
    // A PDF that came as a picture is a document all the same.
    let kind = mime.as_deref().and_then(kind_of).unwrap_or(kind);
    Media { kind, source, mime, name: None, detail: None, cache: None }
}

fn kind_of(mime: &str) -> Option<MediaKind> {
    Some(match mime.split('/').next()? {
        "image" => MediaKind::Image,
        "audio" => MediaKind::Audio,
        "video" => MediaKind::Video,
        "application" | "text" => MediaKind::File,
        _ => return None,
    })
}

/// The media type and the base64 of a `data:` URL.
fn data_url<'a>(url: &Str<'a>) -> Option<(Option<Str<'a>>, Str<'a>)> {
    let comma = url.get(..1024.min(url.len())).unwrap_or(url).find(',')?;
    let head = url.get(..comma)?.strip_prefix("data:")?.strip_suffix(";base64")?;
    let mime = head.split(';').next().unwrap_or_default();
    let mime = (!mime.is_empty()).then(|| slice(url, 5, 5 + mime.len()));
    Some((mime, slice(url, comma + 1, url.len())))
}

fn slice<'a>(text: &Str<'a>, start: usize, end: usize) -> Str<'a> {
    match &text.0 {
        Cow::Borrowed(text) => text.get(start..end).unwrap_or_default().into(),
        Cow::Owned(text) => text.get(start..end).unwrap_or_default().to_owned().into(),
    }
}

value::members! {
    /// `input_audio`.
    Sound { data, format }
}

/// Mistral takes the data or an address as a plain text.
fn audio<'a>(raw: Option<Raw<'a>>, at: At<'_>) -> Result<Media<'a>, Fault> {
    let raw = raw.ok_or_else(|| value::missing(at))?;
    let sound: Sound<'_> =
        if value::is(raw, b'"') { Sound { data: Some(raw), format: None } } else { value::object(raw, at)? };
    let data = value::needed_text(sound.data, at.key("data"))?;
    let mime = value::text_at(sound.format, at.key("format"))?.map(|format| match &*format {
        "mp3" => "audio/mpeg".into(),
        known if known.contains('/') => format,
        other => format!("audio/{other}").into(),
    });
    if data.starts_with("data:") || data.contains("://") {
        return Ok(at_url(data, MediaKind::Audio, mime));
    }
    Ok(media(MediaKind::Audio, Source::Base64(data), mime))
}

value::members! {
    /// `file`.
    WireFile { file_id, file_data, filename, format, file_url }
}

impl<'a> WireFile<'a> {
    /// The responses API has the members in the part itself.
    fn of(wire: &WirePart<'a>) -> Self {
        Self {
            file_id: wire.file_id,
            file_data: wire.file_data,
            filename: wire.filename,
            format: wire.format,
            file_url: wire.file_url,
        }
    }
}

fn file<'a>(wire: &WireFile<'a>, at: At<'_>) -> Result<Media<'a>, Fault> {
    let name = value::text_at(wire.filename, at.key("filename"))?;
    let format = value::text_or_none(wire.format).filter(|format| format.contains('/'));
    let mime = format.or_else(|| name.as_deref().and_then(mime_of).map(Str::from));
    let mut media = match (wire.file_data, wire.file_id.or(wire.file_url)) {
        (Some(raw), _) => {
            let data = value::text(raw, at.key("file_data"))?;
            if data.starts_with("data:") || data.contains("://") {
                at_url(data, MediaKind::File, mime)
            } else {
                media(MediaKind::File, Source::Base64(data), mime)
            }
        }
        (None, Some(raw)) => {
            let id = value::text(raw, at.key("file_id"))?;
            match id.contains("://") {
                true => at_url(id, MediaKind::File, mime),
                false => media(MediaKind::File, Source::Id(id), mime),
            }
        }
        (None, None) => return Err(value::missing(at.key("file_data"))),
    };
    media.name = name;
    Ok(media)
}

/// What the ends of the usual file names say.
fn mime_of(name: &str) -> Option<&'static str> {
    Some(match name.rsplit('.').next()?.to_ascii_lowercase().as_str() {
        "pdf" => "application/pdf",
        "txt" => "text/plain",
        "md" => "text/markdown",
        "csv" => "text/csv",
        "html" => "text/html",
        "json" => "application/json",
        "docx" => "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
        "xlsx" => "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        "png" => "image/png",
        "jpg" | "jpeg" => "image/jpeg",
        _ => return None,
    })
}

value::members! {
    /// Anthropic's `source`.
    WireSource { r#type, media_type, data, url, file_id }
}

fn sourced<'a>(wire: &WirePart<'a>, kind: &str, at: At<'_>) -> Result<Media<'a>, Fault> {
    let at = at.key("source");
    let source: WireSource<'_> = value::object(wire.source.ok_or_else(|| value::missing(at))?, at)?;
    let mime = value::text_at(source.media_type, at.key("media_type"))?;
    let kind = if kind == "image" { MediaKind::Image } else { MediaKind::File };
    let form = value::needed_text(source.r#type, at.key("type"))?;
    let source = match &*form {
        "base64" => Source::Base64(value::needed_text(source.data, at.key("data"))?),
        "text" => Source::Text(value::needed_text(source.data, at.key("data"))?),
        "url" => Source::Url(value::needed_text(source.url, at.key("url"))?),
        "file" => Source::Id(value::needed_text(source.file_id, at.key("file_id"))?),
        word => return Err(value::unknown_word(at.key("type"), word, &["base64", "text", "url", "file"])),
    };
    Ok(media(kind, source, mime))
}

value::members! {
    /// An assistant message's `audio`: what it said before.
    Spoken { id }
}

/// A sound of the model's that lies with the provider.
pub(super) fn spoken(raw: Option<Raw<'_>>) -> Option<Part<'_>> {
    let spoken: Spoken<'_> = value::object_or_empty(raw);
    let id = value::text_or_none(spoken.id).filter(|id| !id.is_empty())?;
    Some(Part::Media(media(MediaKind::Audio, Source::Id(id), None)))
}
