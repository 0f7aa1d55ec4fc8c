//! One request of our own over a connection of its own: for credentials, and for the command line.

use std::io;
use std::net::ToSocketAddrs;
use std::time::Duration;

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, HOST};
use http::{HeaderValue, Method, Uri};
use pingora::connectors::http::Connector;
use pingora::http::RequestHeader;
use pingora::protocols::ALPN;
use pingora::upstreams::peer::HttpPeer;

use crate::vocabulary::Secret;

/// How long a gateway may take to answer the command line.
const ASK: Duration = Duration::from_secs(60);
/// The most of its answer that is read.
const ANSWER_BYTES_MAX: usize = 64 << 20;

/// Sends a request whose `host` is set, and reads its answer: the status and the body.
///
/// # Errors
/// The connection cannot be made or breaks off, or the answer is longer than `bytes_max`.
pub(super) async fn send(
    peer: &HttpPeer,
    mut request: RequestHeader,
    body: Bytes,
    bytes_max: usize,
) -> Result<(u16, Bytes), String> {
    let say = |error: Box<pingora::Error>| error.to_string();
    request.insert_header(CONTENT_LENGTH, body.len()).map_err(say)?;
    let (mut session, _) = Connector::<()>::new(None).get_http_session(peer).await.map_err(say)?;
    session.write_request_header(Box::new(request)).await.map_err(say)?;
    if !body.is_empty() {
        session.write_request_body(body, true).await.map_err(say)?;
    }
    session.finish_request_body().await.map_err(say)?;
    session.read_response_header().await.map_err(say)?;
    let status = session.response_header().map_or(0, |head| head.status.as_u16());
    let mut answer = Vec::new();
    while let Some(chunk) = session.read_response_body().await.map_err(say)? {
        if answer.len() + chunk.len() > bytes_max {
            return Err("the answer is too long".to_owned());
        }
        answer.extend_from_slice(&chunk);
    }
    Ok((status, Bytes::from(answer)))
}

/// Asks a gateway, for the command line: waits for the answer.
///
/// # Errors
/// The URL is none, the key cannot stand in a header, or nobody answers within a minute.
pub fn ask(url: &str, method: &Method, key: &Secret, body: Bytes) -> io::Result<(u16, Bytes)> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let asked = runtime.block_on(async { tokio::time::timeout(ASK, ask_now(url, method, key, body)).await });
    let answered = asked.unwrap_or_else(|_| Err("no answer within a minute".to_owned()));
    answered.map_err(|cause| io::Error::other(format!("{url}: {cause}")))
}

async fn ask_now(url: &str, method: &Method, key: &Secret, body: Bytes) -> Result<(u16, Bytes), String> {
    let say = |error: &dyn std::fmt::Display| error.to_string();
    let uri: Uri = url.parse().map_err(|error| format!("not a URL: {error}"))?;
    let tls = match uri.scheme_str() {
        Some("https") => true,
        Some("http") => false,
        _ => return Err("expected http://... or https://...".to_owned()),
    };
    let host = uri.host().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
    let port = uri.port_u16().unwrap_or(if tls { 443 } else { 80 });
    let address = (host, port).to_socket_addrs().map_err(|error| say(&error))?.next().ok_or("no such host")?;
    let mut peer = HttpPeer::new(address, tls, host.to_owned());
    peer.options.alpn = ALPN::H1;
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    let mut request = RequestHeader::build(method.clone(), path.as_bytes(), None).map_err(|error| say(&error))?;
    let authority = uri.authority().map_or(host, |authority| authority.as_str());
    let mut put = |name, value: &str| {
        let value = HeaderValue::from_str(value).map_err(|_| format!("{name} cannot be sent: it is no header"))?;
        request.insert_header(name, value).map_err(|error| error.to_string())
    };
    put(HOST, authority)?;
    put(AUTHORIZATION, &format!("Bearer {}", key.expose()))?;
    put(CONTENT_TYPE, "application/json")?;
    send(&peer, request, body, ANSWER_BYTES_MAX).await
}
