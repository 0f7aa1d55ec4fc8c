//! AWS Signature Version 4, in headers.
//!
//! Reference: "Create a signed AWS API request" in the IAM user guide (checked 2026-11).

use bytes::Bytes;
use hmac::{Hmac, Mac};
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use sha2::{Digest, Sha256};

use crate::vocabulary::{Fault, Kind, Secret};

const ALGORITHM: &str = "AWS4-HMAC-SHA256";
const DATE: HeaderName = HeaderName::from_static("x-amz-date");
const TOKEN: HeaderName = HeaderName::from_static("x-amz-security-token");

/// An access key.
#[derive(Clone, Debug)]
pub(super) struct Keys {
    pub(super) id: String,
    pub(super) secret: Secret,
    /// Of a temporary key.
    pub(super) token: Option<Secret>,
    /// When it ends, in milliseconds since the Unix epoch; None: never.
    pub(super) ends_ms: Option<i64>,
}

/// What is signed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Request<'a> {
    pub(super) method: &'a Method,
    pub(super) authority: &'a str,
    /// Path and query as they go out.
    pub(super) path: &'a str,
    pub(super) body: &'a [Bytes],
}

/// For which service, where.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scope<'a> {
    pub(super) region: &'a str,
    pub(super) service: &'a str,
}

/// Signs a request: writes `x-amz-date`, `x-amz-security-token` and `authorization`.
pub(super) fn sign(
    request: &Request<'_>,
    headers: &mut HeaderMap,
    keys: &Keys,
    scope: Scope<'_>,
    wall_ms: i64,
) -> Result<(), Fault> {
    sign_these(request, headers, keys, scope, wall_ms, is_signed)
}

/// Signs a request and those of its headers.
fn sign_these(
    request: &Request<'_>,
    headers: &mut HeaderMap,
    keys: &Keys,
    scope: Scope<'_>,
    wall_ms: i64,
    is_signed: fn(&str) -> bool,
) -> Result<(), Fault> {
    let date = date(wall_ms)?;
    headers.insert(DATE, value(&date)?);
    headers.remove(TOKEN);
    if let Some(token) = &keys.token {
        let mut token = value(token.expose())?;
        token.set_sensitive(true);
        headers.insert(TOKEN, token);
    }
    let (canonical, signed) = canonical(request, headers, is_signed);
    let scope_text = format!("{}/{}/{}/aws4_request", day(&date), scope.region, scope.service);
    let text = format!("{ALGORITHM}\n{date}\n{scope_text}\n{}", hex(&Sha256::digest(canonical)));
    let key = signing_key(keys.secret.expose(), day(&date), scope);
    let signature = hex(&hmac(&key, text.as_bytes()));
    let authorization =
        format!("{ALGORITHM} Credential={}/{scope_text}, SignedHeaders={signed}, Signature={signature}", keys.id);
    let mut authorization = value(&authorization)?;
    authorization.set_sensitive(true);
    headers.insert(http::header::AUTHORIZATION, authorization);
    Ok(())
}

fn value(text: &str) -> Result<HeaderValue, Fault> {
    // Neither the text nor the error is told: it may be a credential.
    HeaderValue::from_str(text).map_err(|_| fault("the AWS credential cannot stand in a header"))
}

fn fault(cause: &'static str) -> Fault {
    Fault::ours(Kind::Internal, "the request could not be signed").cause(cause)
}

/// `20150830T123600Z`.
fn date(wall_ms: i64) -> Result<String, Fault> {
    let moment = jiff::Timestamp::from_millisecond(wall_ms).map_err(|_| fault("the clock is out of range"))?;
    Ok(moment.strftime("%Y%m%dT%H%M%SZ").to_string())
}

fn day(date: &str) -> &str {
    date.get(..8).unwrap_or_default()
}

/// The canonical request, and the names of the headers in it.
fn canonical(request: &Request<'_>, headers: &HeaderMap, is_signed: fn(&str) -> bool) -> (String, String) {
    let (path, query) = request.path.split_once('?').unwrap_or((request.path, ""));
    let mut names: Vec<&HeaderName> = headers.keys().filter(|name| is_signed(name.as_str())).collect();
    names.sort_unstable_by_key(|name| name.as_str());
    let mut lines = Vec::with_capacity(names.len() + 1);
    lines.push(("host", trimmed(request.authority)));
    for name in names {
        let values = headers.get_all(name).iter().map(|value| trimmed(&String::from_utf8_lossy(value.as_bytes())));
        lines.push((name.as_str(), values.collect::<Vec<_>>().join(",")));
    }
    lines.sort_unstable_by_key(|(name, _)| *name);
    let signed = lines.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(";");
    let headers: String = lines.iter().map(|(name, value)| format!("{name}:{value}\n")).collect();
    let body = request.body.iter().fold(Sha256::new(), |hash, piece| hash.chain_update(piece)).finalize();
    let text = format!(
        "{}\n{}\n{}\n{headers}\n{signed}\n{}",
        request.method,
        canonical_path(path),
        canonical_query(query),
        hex(&body)
    );
    (text, signed)
}

/// What must be signed, and what says how the body is read. A proxy may change the others.
fn is_signed(name: &str) -> bool {
    name.starts_with("x-amz") || name == "content-type"
}

/// Without blanks around it, and with single spaces in it.
fn trimmed(value: &str) -> String {
    value.split([' ', '\t', '\n', '\r']).filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
}

/// Dot segments are taken out, and what is encoded on the wire is encoded once more.
fn canonical_path(path: &str) -> String {
    let mut segments: Vec<&str> = Vec::new();
    for segment in path.split('/') {
        match segment {
            "" | "." => {}
            ".." => {
                segments.pop();
            }
            segment => segments.push(segment),
        }
    }
    let end = if path.ends_with('/') && !segments.is_empty() { "/" } else { "" };
    format!("/{}{end}", segments.into_iter().map(encoded).collect::<Vec<_>>().join("/"))
}

/// Sorted by name, then value. What is encoded already stays so.
fn canonical_query(query: &str) -> String {
    let once = |text: &str| text.split('%').map(encoded).collect::<Vec<_>>().join("%");
    let pairs = query.split('&').filter(|pair| !pair.is_empty()).map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    let mut pairs: Vec<(String, String)> = pairs.map(|(name, value)| (once(name), once(value))).collect();
    pairs.sort_unstable();
    pairs.into_iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("&")
}

fn encoded(text: &str) -> String {
    crate::provider::path_segment(text)
}

fn signing_key(secret: &str, day: &str, scope: Scope<'_>) -> [u8; 32] {
    let begin = zeroize::Zeroizing::new(format!("AWS4{secret}"));
    let key = hmac(begin.as_bytes(), day.as_bytes());
    let key = hmac(&key, scope.region.as_bytes());
    let key = hmac(&key, scope.service.as_bytes());
    hmac(&key, b"aws4_request")
}

fn hmac(key: &[u8], text: &[u8]) -> [u8; 32] {
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else {
        debug_assert!(false, "HMAC takes keys of any length");
        return [0; 32];
    };
    mac.update(text);
    mac.finalize().into_bytes().into()
}

fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |nibble: u8| DIGITS.get(usize::from(nibble)).copied().map_or('0', char::from);
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

#[cfg(test)]
mod tests;
