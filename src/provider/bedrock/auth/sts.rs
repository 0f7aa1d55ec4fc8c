//! What the token service and the credential endpoints of machines are asked, and what they answer.

use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use serde::Deserialize;

use super::plan::Role;
use super::sigv4::{self, Keys, Request, Scope};
use crate::provider::{Fetch, path_segment};
use crate::vocabulary::{Fault, Kind, Secret};

const VERSION: &str = "2011-06-15";
const FORM: HeaderValue = HeaderValue::from_static("application/x-www-form-urlencoded; charset=utf-8");
const METADATA_TOKEN: HeaderName = HeaderName::from_static("x-aws-ec2-metadata-token");
const METADATA_TTL: HeaderName = HeaderName::from_static("x-aws-ec2-metadata-token-ttl-seconds");
const METADATA_PATH: &str = "/latest/meta-data/iam/security-credentials/";

/// A role by a web identity token: unsigned.
pub(super) fn web_identity(endpoint: &str, role: &Role, token: &str) -> Fetch {
    let body = format!("{}&WebIdentityToken={}", form("AssumeRoleWithWebIdentity", role), path_segment(token.trim()));
    Fetch::Http { method: Method::POST, url: url(endpoint), headers: vec![(CONTENT_TYPE, FORM)], body: body.into() }
}

/// A role with other keys.
pub(super) fn assume(endpoint: &str, region: &str, role: &Role, keys: &Keys, wall_ms: i64) -> Result<Fetch, Fault> {
    let mut body = form("AssumeRole", role);
    if let Some(id) = &role.external_id {
        body.push_str(&format!("&ExternalId={}", path_segment(id)));
    }
    let (url, body) = (url(endpoint), Bytes::from(body));
    let rest = url.split_once("://").map_or("", |(_, rest)| rest);
    let (authority, path) = rest.find('/').and_then(|at| rest.split_at_checked(at)).unwrap_or((rest, "/"));
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, FORM);
    let request = Request { method: &Method::POST, authority, path, body: std::slice::from_ref(&body) };
    sigv4::sign(&request, &mut headers, keys, Scope { region, service: "sts" }, wall_ms)?;
    let headers = headers.iter().map(|(name, value)| (name.clone(), value.clone())).collect();
    Ok(Fetch::Http { method: Method::POST, url, headers, body })
}

fn url(endpoint: &str) -> String {
    format!("{}/", endpoint.trim_end_matches('/'))
}

fn form(action: &str, role: &Role) -> String {
    let (arn, session) = (path_segment(&role.arn), path_segment(&role.session));
    format!("Action={action}&Version={VERSION}&RoleArn={arn}&RoleSessionName={session}")
}

/// A container's endpoint.
pub(super) fn container(url: &str, token: Option<&str>) -> Result<Fetch, Fault> {
    let mut headers = vec![(ACCEPT, HeaderValue::from_static("application/json"))];
    if let Some(token) = token {
        headers.push((AUTHORIZATION, secret(token.trim())?));
    }
    Ok(Fetch::Http { method: Method::GET, url: url.to_owned(), headers, body: Bytes::new() })
}

/// The token with which a machine's metadata are asked for.
pub(super) fn instance_token(endpoint: &str) -> Fetch {
    let headers = vec![(METADATA_TTL, HeaderValue::from_static("21600"))];
    Fetch::Http { method: Method::PUT, url: format!("{endpoint}/latest/api/token"), headers, body: Bytes::new() }
}

/// The name of the machine's role, or the keys of that role.
pub(super) fn instance(endpoint: &str, token: &str, role: &str) -> Result<Fetch, Fault> {
    let url = format!("{endpoint}{METADATA_PATH}{}", path_segment(role));
    Ok(Fetch::Http { method: Method::GET, url, headers: vec![(METADATA_TOKEN, secret(token)?)], body: Bytes::new() })
}

fn secret(text: &str) -> Result<HeaderValue, Fault> {
    let mut value = HeaderValue::from_str(text)
        .map_err(|_| Fault::ours(Kind::Internal, "a token of AWS cannot stand in a header"))?;
    value.set_sensitive(true);
    Ok(value)
}

/// The keys in the token service's XML.
pub(super) fn keys_of_xml(body: &[u8]) -> Option<Keys> {
    let text = std::str::from_utf8(body).ok()?;
    let ends = element(text, "Expiration").and_then(moment);
    Some(Keys {
        id: element(text, "AccessKeyId")?.to_owned(),
        secret: Secret::new(element(text, "SecretAccessKey")?),
        token: element(text, "SessionToken").map(Secret::new),
        ends_ms: ends,
    })
}

/// What the token service says of a refusal: `AccessDenied: ...`.
pub(super) fn refusal_of_xml(body: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(body).ok()?;
    let (code, message) = (element(text, "Code")?, element(text, "Message").unwrap_or_default());
    Some(format!("{code}: {message}").chars().take(400).collect())
}

/// The text of the first element with this name.
fn element<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(&format!("<{name}>"))?;
    let (value, _) = rest.split_once(&format!("</{name}>"))?;
    Some(value.trim())
}

#[derive(Deserialize)]
struct Json {
    #[serde(rename = "AccessKeyId")]
    id: String,
    #[serde(rename = "SecretAccessKey")]
    secret: String,
    #[serde(rename = "Token")]
    token: Option<String>,
    #[serde(rename = "Expiration")]
    ends: Option<String>,
}

/// The keys in the JSON of a container's or a machine's endpoint.
pub(super) fn keys_of_json(body: &[u8]) -> Option<Keys> {
    let json: Json = serde_json::from_slice(body).ok()?;
    let ends_ms = json.ends.as_deref().and_then(moment);
    Some(Keys { id: json.id, secret: Secret::new(json.secret), token: json.token.map(Secret::new), ends_ms })
}

fn moment(text: &str) -> Option<i64> {
    text.parse::<jiff::Timestamp>().ok().map(jiff::Timestamp::as_millisecond)
}
