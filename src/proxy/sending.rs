//! A request on its way to a provider: its head, written from scratch, and how long it may take.

use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderName, HeaderValue, Method};
use smallvec::SmallVec;
use tokio::time::Instant;

use crate::exchange::{Outbound, Unsigned, World};
use crate::vocabulary::{Fault, Now};

/// What there is to say of an attempt beside its body.
pub(super) struct Sending {
    pub(super) deployment: usize,
    pub(super) method: Method,
    pub(super) path: http::Uri,
    pub(super) length: usize,
    pub(super) headers: Vec<(HeaderName, HeaderValue)>,
    /// For a credential that signs it; empty otherwise.
    pub(super) body: SmallVec<[Bytes; 8]>,
    pub(super) idle: Duration,
    pub(super) first_byte: Duration,
    pub(super) began: Instant,
    pub(super) until: Instant,
    /// It was sent already, and its answer is played.
    pub(super) sent: bool,
}

impl Sending {
    /// An attempt that begins now, and its body.
    pub(super) fn of(outbound: Outbound, world: &World) -> (Self, SmallVec<[Bytes; 8]>) {
        let began = Instant::now();
        let parts = outbound.body.parts;
        let signed = world.deployments[outbound.deployment].auth.is_some();
        let sending = Self {
            deployment: outbound.deployment,
            method: outbound.method,
            path: outbound.path,
            length: outbound.body.len,
            headers: outbound.headers,
            body: if signed { parts.clone() } else { SmallVec::new() },
            idle: outbound.idle,
            first_byte: outbound.first_byte,
            began,
            until: began + outbound.total,
            sent: false,
        };
        (sending, parts)
    }

    /// How long the first byte may take, and since when it is waited for.
    pub(super) fn waited(&self) -> (Duration, Instant) {
        (self.first_byte, self.began)
    }

    /// The head: nothing of it comes from the client but what the exchange chose.
    ///
    /// # Errors
    /// The credential cannot sign it.
    pub(super) fn head(&self, world: &World, now: impl FnOnce() -> Now) -> Result<http::request::Parts, Fault> {
        let (mut parts, ()) = http::Request::new(()).into_parts();
        parts.method = self.method.clone();
        parts.uri = self.path.clone();
        if self.sent {
            parts.headers.insert(CONTENT_LENGTH, HeaderValue::from(0));
            return Ok(parts);
        }
        let deployment = &world.deployments[self.deployment];
        parts.headers = deployment.headers.clone();
        if self.length > 0 || !matches!(self.method, Method::GET | Method::DELETE) {
            parts.headers.insert(CONTENT_LENGTH, HeaderValue::from(self.length));
        } else {
            parts.headers.remove(CONTENT_TYPE);
        }
        for (name, value) in &self.headers {
            parts.headers.insert(name, value.clone());
        }
        if let Some(auth) = &deployment.auth {
            let path = self.path.path_and_query().map_or("/", |path| path.as_str());
            let authority = deployment.target.authority.to_str().unwrap_or_default();
            let unsigned = Unsigned { method: &parts.method, authority, path, body: &self.body };
            auth.sign(&unsigned, &mut parts.headers, now())?;
        }
        Ok(parts)
    }
}
