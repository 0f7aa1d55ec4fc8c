//! Which pages of the web may call from a browser: CORS, as the Fetch standard has it.

use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_HEADERS,
    ACCESS_CONTROL_REQUEST_METHOD, ORIGIN, VARY,
};
use http::{HeaderMap, HeaderValue, Method};
use pingora::http::RequestHeader;

use super::answer::Answer;
use crate::exchange::World;

const ANY: HeaderValue = HeaderValue::from_static("*");
const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");
const METHODS: HeaderValue = HeaderValue::from_static("GET, POST, PUT, PATCH, DELETE, OPTIONS");
/// Ten minutes, in seconds.
const MAX_AGE: HeaderValue = HeaderValue::from_static("600");

/// Lets the page that a request comes from read the answer, if it may.
pub(super) fn grant(world: &World, request: &RequestHeader, answer: &mut HeaderMap) -> bool {
    let Some(origin) = request.headers.get(ORIGIN) else { return false };
    let granted = match &world.settings.http.cors_origins {
        Some(origins) if origins.iter().any(|allowed| allowed == "*") => ANY,
        Some(origins) => {
            // What is answered depends on who asks: caches must know.
            answer.insert(VARY, HeaderValue::from_static("origin"));
            match origins.iter().find(|allowed| allowed.as_bytes() == origin.as_bytes()) {
                Some(_) => origin.clone(),
                None => return false,
            }
        }
        // Without keys any page that somebody opens could spend: then none may, unless that is said.
        None if world.is_open() => return false,
        None => ANY,
    };
    answer.insert(ACCESS_CONTROL_ALLOW_ORIGIN, granted);
    answer.insert(ACCESS_CONTROL_EXPOSE_HEADERS, ANY);
    true
}

/// The answer to a browser that asks before it sends a request; None where it is no such question.
pub(super) fn preflight(world: &World, request: &RequestHeader) -> Option<(Answer, &'static str)> {
    if request.method != Method::OPTIONS || !request.headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD) {
        return None;
    }
    request.headers.get(ORIGIN)?;
    let mut granted = HeaderMap::new();
    if !grant(world, request, &mut granted) {
        let mut answer = Answer::new(400, TEXT);
        answer.headers.extend(granted);
        return Some((answer, "Disallowed CORS origin: general_settings.cors_allow_origins does not have it"));
    }
    let mut answer = Answer::new(200, TEXT);
    answer.headers.extend(granted);
    answer.headers.remove(ACCESS_CONTROL_EXPOSE_HEADERS);
    answer.headers.insert(ACCESS_CONTROL_ALLOW_METHODS, METHODS);
    // A star would not stand for `authorization`.
    if let Some(wanted) = request.headers.get(ACCESS_CONTROL_REQUEST_HEADERS) {
        answer.headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, wanted.clone());
    }
    answer.headers.insert(ACCESS_CONTROL_MAX_AGE, MAX_AGE);
    Some((answer, "OK"))
}
