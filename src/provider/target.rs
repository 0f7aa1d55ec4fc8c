//! Where a deployment is, and with what credential it is asked.

use std::fmt;

use http::header::{ACCEPT_ENCODING, CONTENT_TYPE, HOST, USER_AGENT};
use http::{HeaderMap, HeaderName, HeaderValue, Uri};

use crate::config;
use crate::vocabulary::Secret;

/// A deployment's address and the headers that are the same for each of its requests.
#[derive(Clone, Debug)]
pub struct Target {
    /// TLS or in clear.
    pub tls: bool,
    /// Host name or address literal, without brackets.
    pub host: String,
    /// Port.
    pub port: u16,
    /// What goes into `Host`.
    pub authority: HeaderValue,
    /// Path of the base URL without a trailing slash; empty for none.
    pub base_path: String,
    /// `api-version` and the like, with its `?`; empty for none.
    pub query: String,
    /// What stands in the path for the model, where the configuration says (Bedrock's `model_id`).
    pub model_id: Option<String>,
    /// Credentials and `extra_headers`, the credential last.
    pub headers: Vec<(HeaderName, HeaderValue)>,
}

impl Target {
    /// Reads a base URL.
    ///
    /// # Errors
    /// Anything but `http(s)://host[:port][/path]`.
    pub fn parse(base: &str) -> Result<Self, BadTarget> {
        let bad = |expected: &'static str| BadTarget { what: "api_base", expected, found: shorten(base) };
        let uri: Uri = base.parse().map_err(|_| bad("an URL like https://host/v1"))?;
        let tls = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            _ => return Err(bad("an URL that begins with http:// or https://")),
        };
        let authority = uri.authority().ok_or_else(|| bad("an URL with a host"))?;
        if authority.as_str().contains('@') || uri.query().is_some() || base.contains('#') {
            return Err(bad("an URL without user, query and fragment"));
        }
        let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_owned();
        if host.is_empty() || uri.path().split('/').any(|segment| matches!(segment, "." | "..")) {
            return Err(bad("an URL with a host and without dot segments"));
        }
        Ok(Self {
            tls,
            host,
            port: authority.port_u16().unwrap_or(if tls { 443 } else { 80 }),
            authority: HeaderValue::from_str(authority.as_str()).map_err(|_| bad("a host name"))?,
            base_path: uri.path().trim_end_matches('/').to_owned(),
            model_id: None,
            query: String::new(),
            headers: Vec::with_capacity(2),
        })
    }

    /// The base path and a path of a client's below it. A version that both name stands once, and the client's counts; a
    /// project that the client names replaces the base's.
    pub fn join(&self, path: &str) -> String {
        let mut base = self.base_path.as_str();
        if path.contains("/projects/")
            && let Some((before, _)) = base.split_once("/projects/")
        {
            base = before;
        }
        let (before, last) = base.rsplit_once('/').unwrap_or((base, ""));
        if is_version(last) && path.split('/').skip(1).take(2).any(is_version) {
            base = before;
        }
        format!("{base}{path}")
    }

    /// Whether the base path ends in a version, like `/v1`.
    pub(super) fn ends_in_version(&self) -> bool {
        is_version(self.base_path.rsplit('/').next().unwrap_or_default())
    }

    /// All headers of a request to this target but its length, written from scratch.
    pub fn request_headers(&self) -> HeaderMap {
        let mut headers = HeaderMap::with_capacity(self.headers.len() + 5);
        headers.insert(HOST, self.authority.clone());
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        headers.insert(USER_AGENT, HeaderValue::from_static(concat!("tollgate/", env!("CARGO_PKG_VERSION"))));
        headers.extend(self.headers.iter().cloned());
        headers
    }

    /// Adds the deployment's `extra_headers` and `organization`.
    ///
    /// # Errors
    /// A name or value that cannot stand in a header, or a header that belongs to the framing of the request.
    pub fn add_configured(&mut self, deployment: &config::Deployment) -> Result<(), BadTarget> {
        if let Some(organization) = &deployment.organization {
            self.add("openai-organization", &Secret::new(organization.as_str()))?;
        }
        deployment.extra_headers.iter().try_for_each(|(name, value)| self.add(name, value))
    }

    /// Adds `authorization: Bearer ...`.
    ///
    /// # Errors
    /// The key cannot stand in a header.
    pub fn add_bearer(&mut self, key: &Secret) -> Result<(), BadTarget> {
        self.add("authorization", &Secret::new(format!("Bearer {}", key.expose())))
    }

    /// Adds one header; a later one replaces an earlier one of the same name.
    ///
    /// # Errors
    /// As for [`Self::add_configured`].
    pub fn add(&mut self, name: &str, value: &Secret) -> Result<(), BadTarget> {
        let bad = |expected| BadTarget { what: "header", expected, found: shorten(name) };
        let header = HeaderName::try_from(name).map_err(|_| bad("a header name"))?;
        if FRAMING.contains(&header.as_str()) {
            return Err(bad("a header that is not part of the framing"));
        }
        let mut value = HeaderValue::from_str(value.expose()).map_err(|_| bad("a value of visible characters for"))?;
        value.set_sensitive(true);
        self.headers.retain(|(known, _)| *known != header);
        self.headers.push((header, value));
        Ok(())
    }
}

/// Ours to write: what frames the request is never configured.
const FRAMING: [&str; 9] = [
    "host",
    "content-length",
    "transfer-encoding",
    "connection",
    "upgrade",
    "te",
    "trailer",
    "expect",
    "proxy-connection",
];

/// `v1`, `v1beta`.
fn is_version(segment: &str) -> bool {
    segment.strip_prefix('v').is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
}

fn shorten(text: &str) -> String {
    text.chars().take(80).collect()
}

/// A deployment that cannot be reached as configured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadTarget {
    /// The key at fault.
    pub what: &'static str,
    /// What would be right.
    pub expected: &'static str,
    /// What stands there.
    pub found: String,
}

impl fmt::Display for BadTarget {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}: expected {}, found {:?}", self.what, self.expected, self.found)
    }
}

impl std::error::Error for BadTarget {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_base_url_is_host_port_and_path() {
        let target = Target::parse("https://api.example.com/v1/").unwrap();
        assert_eq!(
            (target.tls, target.host.as_str(), target.port, target.base_path.as_str()),
            (true, "api.example.com", 443, "/v1")
        );
        let target = Target::parse("http://[::1]:8000").unwrap();
        assert_eq!(
            (target.tls, target.host.as_str(), target.port, target.base_path.as_str()),
            (false, "::1", 8000, "")
        );
    }

    #[test]
    fn a_version_and_a_project_stand_once() {
        for (base, path, joined) in [
            ("https://x/v1", "/v1/files", "/v1/files"),
            ("https://x/v1", "/files", "/v1/files"),
            ("https://x/v1beta", "/upload/v1beta/files", "/upload/v1beta/files"),
            ("https://x/a/v1", "/v2/chat", "/a/v2/chat"),
            ("https://x", "/v1/messages", "/v1/messages"),
            ("https://x/v1/projects/p/locations/l", "/v1/projects/q/locations/m/x", "/v1/projects/q/locations/m/x"),
            (
                "https://x/v1/projects/p/locations/l",
                "/publishers/google",
                "/v1/projects/p/locations/l/publishers/google",
            ),
        ] {
            assert_eq!(Target::parse(base).unwrap().join(path), joined);
        }
    }

    #[test]
    fn what_is_not_a_plain_base_url_is_refused() {
        for base in [
            "",
            "api.example.com",
            "ftp://x",
            "https://u:p@x",
            "https://x/?a=1",
            "https://x/../y",
            "https://",
            "https://x/#f",
        ] {
            assert!(Target::parse(base).is_err(), "{base}");
        }
    }

    #[test]
    fn framing_headers_are_not_configurable() {
        let mut target = Target::parse("http://x").unwrap();
        assert!(target.add("Content-Length", &Secret::new("1")).is_err());
        assert!(target.add("x-a", &Secret::new("a\r\nb: c")).is_err());
        assert!(target.add("X-A", &Secret::new("1")).is_ok());
    }
}
