//! Images and documents as the API takes them.

use std::borrow::Cow;
use std::fmt::Display;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::blocks::{Block, Mark, Ours, Place};
use super::request::Flavour;
use crate::chat::{Media, MediaKind, Source};
use crate::vocabulary::{Fault, Kind};

/// How the base64 of files begins whose kind nobody told.
const BEGINNINGS: [(&str, &str); 5] = [
    ("iVBOR", "image/png"),
    ("/9j/", "image/jpeg"),
    ("R0lGOD", "image/gif"),
    ("UklGR", "image/webp"),
    ("JVBERi0", "application/pdf"),
];

/// Writes media as a block.
pub(super) fn block<'c>(media: &'c Media<'_>, flavour: Flavour, at: impl Display) -> Result<Block<'c>, Fault> {
    if matches!(media.kind, MediaKind::Audio | MediaKind::Video) {
        return Err(refused(at, "sound and film are not taken by this provider: give text, images or documents"));
    }
    let (source, is_image) = source(media, flavour, at)?;
    let cache_control = Mark::of(&media.cache);
    Ok(Block::Ours(if is_image {
        Ours::Image { source, cache_control }
    } else {
        Ours::Document { source, title: media.name.as_deref(), cache_control }
    }))
}

fn source<'c>(media: &'c Media<'_>, flavour: Flavour, at: impl Display) -> Result<(Place<'c>, bool), Fault> {
    let is_image = media.kind == MediaKind::Image;
    match &media.source {
        Source::Base64(data) => base64(media.mime.as_deref(), data, is_image, at),
        Source::Text(text) => Ok((Place::Text { media_type: "text/plain", data: Cow::Borrowed(text) }, false)),
        Source::Id(id) => Ok((Place::File { file_id: id }, is_image)),
        Source::Url(url) => match url.strip_prefix("data:").and_then(|url| url.split_once(";base64,")) {
            Some((mime, data)) => base64(Some(mime), data, is_image, at),
            None => linked(url, flavour, at).map(|place| (place, is_image)),
        },
    }
}

fn linked<'c>(url: &'c str, flavour: Flavour, at: impl Display) -> Result<Place<'c>, Fault> {
    if !url.starts_with("https://") && !url.starts_with("http://") {
        return Err(refused(at, "only addresses that begin with https:// are taken: else send the file in base64"));
    }
    match flavour {
        Flavour::Anthropic | Flavour::Foundry => Ok(Place::Url { url }),
        Flavour::Bedrock | Flavour::Vertex => {
            Err(refused(at, "this provider does not fetch addresses: send the file in base64"))
        }
    }
}

/// A PDF, an image, or a text that was packed like one.
fn base64<'c>(
    mime: Option<&'c str>,
    data: &'c str,
    is_image: bool,
    at: impl Display,
) -> Result<(Place<'c>, bool), Fault> {
    let known = mime.map(|mime| mime.split(';').next().unwrap_or_default().trim()).filter(|mime| {
        // Clients that do not know say so.
        !matches!(*mime, "" | "application/octet-stream" | "image/*")
    });
    let begins = BEGINNINGS.iter().find(|(beginning, _)| data.starts_with(beginning)).map(|(_, mime)| *mime);
    let mime = known.or(begins).unwrap_or(if is_image { "image/jpeg" } else { "application/octet-stream" });
    if mime.starts_with("image/") {
        let media_type = if mime == "image/jpg" { "image/jpeg" } else { mime };
        return Ok((Place::Base64 { media_type: media_type.into(), data }, true));
    }
    if mime == "application/pdf" {
        return Ok((Place::Base64 { media_type: mime.into(), data }, false));
    }
    let text = mime.starts_with("text/") || matches!(mime, "application/json" | "application/xml");
    let read =
        text.then(|| STANDARD.decode(data.trim()).ok()).flatten().and_then(|bytes| String::from_utf8(bytes).ok());
    match read {
        Some(text) => Ok((Place::Text { media_type: "text/plain", data: text.into() }, false)),
        None => {
            let what = format!("files of type {mime:?} are not taken by this provider: give a PDF, an image or text");
            Err(refused(at, &what))
        }
    }
}

/// A 400 that says where and what.
pub(super) fn refused(at: impl Display, what: &str) -> Fault {
    Fault::client(Kind::BadRequest, format!("{at}: {what}")).param(at.to_string())
}
