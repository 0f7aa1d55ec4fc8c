//! Credentials that are more than a header: tokens that must be fetched and renewed, and signatures over each request.
//!
//! No I/O here: an [`Auth`] says what it wants fetched, is given the answer, and writes headers. The shell does the
//! fetching, ahead of time where it can.

use std::fmt;
use std::path::PathBuf;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method};

use crate::vocabulary::{Fault, Now};

/// Something that the shell shall get.
#[derive(Clone)]
pub enum Fetch {
    /// Over HTTP, with a deadline of a few seconds and an answer of at most 64 KiB.
    Http {
        /// The method.
        method: Method,
        /// `http(s)://host[:port]/path?query`.
        url: String,
        /// Headers besides the host and the length.
        headers: Vec<(HeaderName, HeaderValue)>,
        /// The body; may be empty.
        body: Bytes,
    },
    /// A small file (a web identity token that is renewed on disk).
    File(PathBuf),
}

/// Names the address only: bodies and headers hold credentials.
impl fmt::Debug for Fetch {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Http { method, url, .. } => write!(out, "{method} {}", url.split('?').next().unwrap_or_default()),
            Self::File(path) => write!(out, "{}", path.display()),
        }
    }
}

/// What the shell got.
#[derive(Clone, Copy, Debug)]
pub struct Fetched<'a> {
    /// The HTTP status; 200 for a file that was read, 404 for one that was not, 0 where nobody answered.
    pub status: u16,
    /// The body, or the file.
    pub body: &'a [u8],
}

/// What is to be fetched, and whether requests must wait for it.
#[derive(Clone, Debug)]
pub struct Want {
    /// What.
    pub fetch: Fetch,
    /// No request can be written before it is here. Else it is a renewal ahead of time, and may fail.
    pub urgent: bool,
}

/// A request before its credential is written.
#[derive(Clone, Copy, Debug)]
pub struct Unsigned<'a> {
    /// The method.
    pub method: &'a Method,
    /// What goes into `Host`.
    pub authority: &'a str,
    /// Path and query, as they go out.
    pub path: &'a str,
    /// The body, in pieces.
    pub body: &'a [Bytes],
}

/// A credential with a state of its own. Shared by all requests of a deployment.
pub trait Auth: Send + Sync {
    /// What must or should be fetched now. Asked again after each [`Self::take`]: some credentials need several steps.
    fn want(&self, now: Now) -> Option<Want>;

    /// Takes what was fetched for the last [`Self::want`].
    ///
    /// # Errors
    /// It is not what was expected: what the provider of the credential said, without the credential. The state is as before.
    fn take(&self, fetched: &Fetched<'_>, now: Now) -> Result<(), Fault>;

    /// Writes the credential of one request into its headers, which hold everything else already.
    ///
    /// # Errors
    /// There is none, because nothing was fetched.
    fn sign(&self, request: &Unsigned<'_>, headers: &mut HeaderMap, now: Now) -> Result<(), Fault>;
}
