//! Requests whose framing two parsers could read differently are refused; what cannot be seen is answered with close.

use http::header::{CONTENT_LENGTH, EXPECT, HOST, TRANSFER_ENCODING};
use http::{Method, Version};
use pingora::http::RequestHeader;

use crate::vocabulary::{Fault, Kind};

/// What the framing of a request allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Framing {
    /// The connection may be used again.
    Plain,
    /// The request is served, and the connection is closed after the answer: a chunked body may hide a length, which
    /// Pingora has taken out by now.
    Close,
}

/// Judges a head.
///
/// # Errors
/// The request is refused: its connection must be closed.
pub(super) fn judge(head: &RequestHeader) -> Result<Framing, Fault> {
    if !head.raw_path().iter().all(u8::is_ascii_graphic) {
        return Err(doubtful("the request target has bytes that are not visible ASCII"));
    }
    if head.version == Version::HTTP_2 {
        return Ok(Framing::Plain);
    }
    if !(head.raw_path().starts_with(b"/") || head.method == Method::OPTIONS) {
        return Err(doubtful("the request target must be a path"));
    }
    let mut hosts = head.headers.get_all(HOST).iter();
    let host = hosts.next();
    if hosts.next().is_some() || host.is_none() && head.version == Version::HTTP_11 {
        return Err(doubtful("the request must have exactly one Host"));
    }
    if head.headers.get(EXPECT).is_some_and(|expect| !expect.as_bytes().eq_ignore_ascii_case(b"100-continue")) {
        return Err(doubtful("Expect can only be 100-continue"));
    }
    lengths(head)
}

fn lengths(head: &RequestHeader) -> Result<Framing, Fault> {
    let mut lengths = head.headers.get_all(CONTENT_LENGTH).iter();
    let length = lengths.next();
    let plain = |value: &http::HeaderValue| !value.is_empty() && value.as_bytes().iter().all(u8::is_ascii_digit);
    if lengths.next().is_some() || length.is_some_and(|length| !plain(length)) {
        return Err(doubtful("Content-Length must be one number"));
    }
    let mut codings = head.headers.get_all(TRANSFER_ENCODING).iter();
    let coding = codings.next();
    if codings.next().is_some() || coding.is_some_and(|coding| !coding.as_bytes().eq_ignore_ascii_case(b"chunked")) {
        return Err(doubtful("Transfer-Encoding can only be chunked"));
    }
    if head.version != Version::HTTP_11 && (coding.is_some() || length.is_some_and(|length| length != "0")) {
        return Err(doubtful("HTTP/1.0 requests with a body are not served"));
    }
    match (coding, length) {
        (Some(_), Some(_)) => Err(doubtful("Content-Length and Transfer-Encoding exclude each other")),
        (Some(_), None) => Ok(Framing::Close),
        _ => Ok(Framing::Plain),
    }
}

fn doubtful(text: &'static str) -> Fault {
    Fault::client(Kind::DoubtfulFraming, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(path: &str, version: Version, headers: &[(&'static str, &str)]) -> RequestHeader {
        let mut head = RequestHeader::build("POST", path.as_bytes(), None).unwrap();
        head.set_version(version);
        for (name, value) in headers {
            head.append_header(*name, *value).unwrap();
        }
        head
    }

    #[test]
    fn ordinary_requests_keep_their_connection() {
        let plain = head("/v1/chat/completions?a=1", Version::HTTP_11, &[("host", "x"), ("content-length", "5")]);
        assert_eq!(judge(&plain).unwrap(), Framing::Plain);
        assert_eq!(judge(&head("/", Version::HTTP_2, &[])).unwrap(), Framing::Plain);
    }

    #[test]
    fn a_chunked_body_costs_the_connection() {
        let chunked = head("/", Version::HTTP_11, &[("host", "x"), ("transfer-encoding", "chunked")]);
        assert_eq!(judge(&chunked).unwrap(), Framing::Close);
    }

    #[test]
    fn doubtful_framing_is_refused() {
        let h = ("host", "x");
        for headers in [
            vec![],
            vec![h, h],
            vec![h, ("content-length", "+5")],
            vec![h, ("content-length", "5, 5")],
            vec![h, ("content-length", "5"), ("content-length", "5")],
            vec![h, ("transfer-encoding", "gzip, chunked")],
            vec![h, ("transfer-encoding", "chunked"), ("transfer-encoding", "identity")],
            vec![h, ("transfer-encoding", "chunked"), ("content-length", "5")],
            vec![h, ("expect", "200-ok")],
        ] {
            assert!(judge(&head("/", Version::HTTP_11, &headers)).is_err(), "{headers:?}");
        }
        assert!(judge(&head("/", Version::HTTP_10, &[h, ("content-length", "5")])).is_err());
    }
}
