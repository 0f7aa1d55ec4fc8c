//! The content of a message or of a tool's result: a text, or parts.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;

use crate::chat::{Cache, Media, MediaKind, Part, Raw, Source, Str};
use crate::vocabulary::{Fault, Kind};

/// Where in a request something stands, for messages: `input[2].content[0]`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    /// The index in `input`.
    pub(super) item: usize,
    /// The member of the item.
    pub(super) member: Option<&'static str>,
    /// The index in it.
    pub(super) part: Option<usize>,
}

impl Place {
    pub(super) const fn item(item: usize) -> Self {
        Self { item, member: None, part: None }
    }

    pub(super) const fn member(self, member: &'static str) -> Self {
        Self { member: Some(member), ..self }
    }

    /// A 400 about this place.
    pub(super) fn refuse(self, what: impl fmt::Display) -> Fault {
        refuse(self, what)
    }
}

impl fmt::Display for Place {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "input[{}]", self.item)?;
        self.member.map_or(Ok(()), |member| write!(out, ".{member}"))?;
        self.part.map_or(Ok(()), |part| write!(out, "[{part}]"))
    }
}

/// A 400 about a parameter.
pub(super) fn refuse(param: impl fmt::Display, what: impl fmt::Display) -> Fault {
    Fault::client(Kind::BadRequest, format!("Invalid value for '{param}': {what}.")).param(param.to_string())
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Piece<'a> {
    #[serde(rename = "type", borrow)]
    kind: Option<Str<'a>>,
    #[serde(borrow)]
    text: Option<Str<'a>>,
    #[serde(borrow)]
    refusal: Option<Str<'a>>,
    #[serde(borrow)]
    image_url: Option<Raw<'a>>,
    #[serde(borrow)]
    file_id: Option<Str<'a>>,
    #[serde(borrow)]
    file_data: Option<Str<'a>>,
    #[serde(borrow)]
    file_url: Option<Str<'a>>,
    #[serde(borrow)]
    filename: Option<Str<'a>>,
    #[serde(borrow)]
    detail: Option<Str<'a>>,
    #[serde(borrow)]
    input_audio: Option<Raw<'a>>,
    #[serde(borrow)]
    prompt_cache_breakpoint: Option<Raw<'a>>,
    // No word of OpenAI's: clients of a gateway write Anthropic's mark into any dialect.
    #[serde(borrow)]
    cache_control: Option<Raw<'a>>,
}

#[derive(Deserialize)]
struct Audio<'a> {
    #[serde(borrow)]
    data: Str<'a>,
    #[serde(borrow)]
    format: Str<'a>,
}

/// Reads a content.
pub(super) fn parts<'a>(content: Raw<'a>, place: Place) -> Result<Vec<Part<'a>>, Fault> {
    match content.get().as_bytes().first() {
        Some(b'"') => Ok(vec![Part::text(read::<Str<'a>>(content, place)?)]),
        Some(b'[') => {
            let pieces: Vec<Raw<'a>> = read(content, place)?;
            let part = |(index, raw)| part(raw, Place { part: Some(index), ..place });
            pieces.into_iter().enumerate().map(part).collect()
        }
        _ => Err(place.refuse("expected a string or a list of parts")),
    }
}

/// Reads a value of a known form.
pub(super) fn read<'a, T: Deserialize<'a>>(raw: Raw<'a>, place: impl fmt::Display) -> Result<T, Fault> {
    serde_json::from_str(raw.get()).map_err(|error| refuse(place, error))
}

fn part<'a>(raw: Raw<'a>, place: Place) -> Result<Part<'a>, Fault> {
    let mut piece: Piece<'a> = read(raw, place)?;
    let cache = piece.cache();
    let kind = piece.kind.take().ok_or_else(|| place.refuse("a part needs a 'type'"))?;
    match &*kind {
        "input_text" | "output_text" | "text" | "summary_text" | "reasoning_text" => {
            let text = piece.text.ok_or_else(|| place.refuse("expected a string in 'text'"))?;
            Ok(Part::Text { text, cache })
        }
        "refusal" => {
            let text = piece.refusal.ok_or_else(|| place.refuse("expected a string in 'refusal'"))?;
            Ok(Part::Refusal(text))
        }
        "input_image" | "computer_screenshot" => piece.image(cache, place),
        "input_file" => piece.file(cache, place),
        "input_audio" => piece.audio(cache, place),
        other => Err(place.refuse(format_args!(
            "parts of type '{other}' are not supported here; input_text, input_image, input_file, input_audio, \
             output_text and refusal are"
        ))),
    }
}

impl<'a> Piece<'a> {
    fn cache(&self) -> Option<Cache<'a>> {
        #[derive(Default, Deserialize)]
        #[serde(default)]
        struct Mark<'a> {
            #[serde(borrow)]
            ttl: Option<Str<'a>>,
        }
        let mark = self.cache_control.or(self.prompt_cache_breakpoint)?;
        let mark: Mark<'a> = serde_json::from_str(mark.get()).unwrap_or_default();
        Some(Cache { ttl: mark.ttl })
    }

    fn image(self, cache: Option<Cache<'a>>, place: Place) -> Result<Part<'a>, Fault> {
        let (source, mime) = match (self.image_url, self.file_id) {
            (Some(url), _) => located(image_url(url, place)?),
            (None, Some(id)) => (Source::Id(id), None),
            (None, None) => return Err(place.refuse("an image needs an 'image_url' or a 'file_id'")),
        };
        let (kind, detail) = (MediaKind::Image, self.detail);
        Ok(Part::Media(Media { kind, source, mime, name: None, detail, cache }))
    }

    fn file(self, cache: Option<Cache<'a>>, place: Place) -> Result<Part<'a>, Fault> {
        let named = self.filename.as_deref().and_then(mime_of).map(Str::from);
        let (source, mime) = match (self.file_data, self.file_url, self.file_id) {
            (Some(data), ..) if data.starts_with("data:") => located(data),
            (Some(data), ..) => (Source::Base64(data), None),
            (None, Some(url), _) => located(url),
            (None, None, Some(id)) => (Source::Id(id), None),
            (None, None, None) => {
                return Err(place.refuse("a file needs 'file_data', a 'file_url' or a 'file_id'"));
            }
        };
        let (kind, mime) = (MediaKind::File, mime.or(named));
        Ok(Part::Media(Media { kind, source, mime, name: self.filename, detail: self.detail, cache }))
    }

    fn audio(self, cache: Option<Cache<'a>>, place: Place) -> Result<Part<'a>, Fault> {
        let raw = self.input_audio.ok_or_else(|| place.refuse("expected an object in 'input_audio'"))?;
        let audio: Audio<'a> = read(raw, place)?;
        let mime = match &*audio.format {
            "mp3" => "audio/mpeg".into(),
            format => format!("audio/{format}").into(),
        };
        let (kind, source) = (MediaKind::Audio, Source::Base64(audio.data));
        Ok(Part::Media(Media { kind, source, mime: Some(mime), name: None, detail: None, cache }))
    }
}

/// A string; an object with one, as chat completions have it, is taken too.
fn image_url<'a>(raw: Raw<'a>, place: Place) -> Result<Str<'a>, Fault> {
    #[derive(Deserialize)]
    struct Url<'a> {
        #[serde(borrow)]
        url: Str<'a>,
    }
    if raw.get().starts_with('{') {
        return read::<Url<'a>>(raw, place).map(|url| url.url);
    }
    read(raw, place)
}

/// An address, or what stands in a `data:` URL.
fn located(url: Str<'_>) -> (Source<'_>, Option<Str<'_>>) {
    let Some((mime, start)) = data_url(&url) else { return (Source::Url(url), None) };
    let mime = (!mime.is_empty()).then(|| mime.to_owned().into());
    let data = match url.into_cow() {
        Cow::Borrowed(url) => url.get(start..).unwrap_or_default().into(),
        Cow::Owned(url) => url.get(start..).unwrap_or_default().to_owned().into(),
    };
    (Source::Base64(data), mime)
}

/// The media type of a `data:` URL in base64, and where its data begin.
fn data_url(url: &str) -> Option<(&str, usize)> {
    let (head, _) = url.strip_prefix("data:")?.split_once(',')?;
    let mime = head.strip_suffix(";base64")?.split(';').next()?;
    Some((mime, "data:,".len() + head.len()))
}

fn mime_of(name: &str) -> Option<&'static str> {
    let (_, ending) = name.rsplit_once('.')?;
    Some(match ending.to_ascii_lowercase().as_str() {
        "pdf" => "application/pdf",
        "txt" => "text/plain",
        "md" => "text/markdown",
        "csv" => "text/csv",
        "html" => "text/html",
        "json" => "application/json",
        "docx" => "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
        "xlsx" => "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        "doc" => "application/msword",
        "xls" => "application/vnd.ms-excel",
        _ => return None,
    })
}
