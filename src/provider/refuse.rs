//! What a chat holds and a provider does not take: refused with its place and what to do, or left out and named.

use std::fmt;

use serde::Deserialize;

use crate::chat::{MediaKind, Raw, Str};
use crate::vocabulary::{Fault, Kind};

/// What is left out of a request, each name once.
#[derive(Debug, Default)]
pub(super) struct Dropped(pub(super) Vec<String>);

impl Dropped {
    /// Names it.
    pub(super) fn add(&mut self, name: &str) {
        if !self.0.iter().any(|known| known == name) {
            self.0.push(name.to_owned());
        }
    }

    /// Names a cache mark, if one was given.
    pub(super) fn cache(&mut self, given: bool) {
        if given {
            self.add("cache_control");
        }
    }
}

/// Where something stands in a request.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    list: &'static str,
    index: usize,
    part: Option<usize>,
    inner: Option<usize>,
}

impl Place {
    /// A message.
    pub(super) const fn message(index: usize) -> Self {
        Self { list: "messages", index, part: None, inner: None }
    }

    /// A tool.
    pub(super) const fn tool(index: usize) -> Self {
        Self { list: "tools", index, part: None, inner: None }
    }

    /// A part of the message, or of that part.
    pub(super) const fn part(self, index: usize) -> Self {
        match self.part {
            None => Self { part: Some(index), ..self },
            Some(_) => Self { inner: Some(index), ..self },
        }
    }

    /// A 400 that begins with the place.
    pub(super) fn refuse(self, what: &str) -> Fault {
        Fault::client(Kind::BadRequest, format!("{self} {what}")).param(self.to_string())
    }

    /// A 400 for media that are not taken.
    pub(super) fn refuse_media(self, kind: MediaKind, taker: &str, taken: &str) -> Fault {
        let kind = match kind {
            MediaKind::Image => "an image",
            MediaKind::Audio => "audio",
            MediaKind::Video => "a video",
            MediaKind::File => "a file",
        };
        self.refuse(&format!("is {kind}, and {taker} takes {taken} only: leave it out or give its text"))
    }

    /// A 400 for a tool that another vendor runs.
    pub(super) fn refuse_tool(self, tool: Raw<'_>, provider: &str) -> Fault {
        let kind = native_type(tool);
        self.refuse(&format!("is of type {kind:?}, which {provider} does not have: give tools of type \"function\""))
    }
}

impl fmt::Display for Place {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}[{}]", self.list, self.index)?;
        [self.part, self.inner].into_iter().flatten().try_for_each(|part| write!(out, ".content[{part}]"))
    }
}

/// What something is called that only one API understands: its `type`, or its first key, as Google and AWS have it.
pub(super) fn native_type(json: Raw<'_>) -> String {
    #[derive(Deserialize)]
    struct Typed<'a> {
        #[serde(borrow)]
        r#type: Option<Str<'a>>,
    }
    let typed = serde_json::from_str::<Typed<'_>>(json.get()).ok().and_then(|typed| typed.r#type);
    let key = || json.get().split('"').nth(1).map(str::to_owned);
    typed.map(|kind| kind.to_string()).or_else(key).unwrap_or_default().chars().take(64).collect()
}

/// The media type of an image, by the first bytes of its base64.
pub(super) fn mime_of(base64: &str) -> Option<&'static str> {
    const BEGINNINGS: [(&str, &str); 4] =
        [("iVBORw0KGgo", "image/png"), ("/9j/", "image/jpeg"), ("R0lGOD", "image/gif"), ("UklGR", "image/webp")];
    BEGINNINGS.iter().find(|(beginning, _)| base64.starts_with(beginning)).map(|(_, mime)| *mime)
}
