//! Reading a request's body, whole, under a cap, a deadline and a least rate.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::header::CONTENT_LENGTH;
use pingora::protocols::http::ServerSession;
use tokio::time::Instant;

use super::gate::InFlight;
use crate::vocabulary::{Fault, Kind};

/// For every so many bytes that arrive, the deadline moves by a second: slow links may upload, drips may not.
const BYTES_PER_SECOND_MIN: usize = 64 * 1024;
/// What is thrown away of a request that is refused in any case, so that a client that is still sending gets to read the
/// answer: all of a body of this length, which is more than the largest that is taken by default ...
const DISCARD_WHOLE_MAX: usize = 64 * 1024 * 1024;
/// ... so much of one whose length is not said ...
const DISCARD_UNTOLD_MAX: usize = 16 * 1024 * 1024;
/// ... and hardly anything of a longer one, whose end would not be reached.
const DISCARD_LONG_MAX: usize = 64 * 1024;
const DISCARD_TIME_MAX: Duration = Duration::from_secs(10);
const DISCARD_GAP_MAX: Duration = Duration::from_millis(500);

/// Bounds on one body.
pub(super) struct Limits {
    pub(super) bytes_max: usize,
    pub(super) held_max: usize,
    pub(super) deadline: Duration,
}

/// Why there is no body: the fault, and how much was read.
pub(super) struct NoBody {
    pub(super) fault: Fault,
    pub(super) read: u64,
}

/// Reads the body of a request.
///
/// # Errors
/// It is too large, too slow, broken off, or all bodies together are too many.
pub(super) async fn read(
    session: &mut ServerSession,
    announced: Option<usize>,
    limits: &Limits,
    held: &mut InFlight,
) -> Result<Bytes, NoBody> {
    let mut deadline: Option<Instant> = None;
    let Some(first) = next(session, &mut deadline, limits, 0).await? else { return Ok(Bytes::new()) };
    check(first.len(), limits, held, first.len())?;
    if announced == Some(first.len()) {
        return Ok(first);
    }
    let mut body = BytesMut::with_capacity(announced.unwrap_or(first.len() * 2).min(limits.bytes_max));
    body.extend_from_slice(&first);
    drop(first);
    while let Some(chunk) = next(session, &mut deadline, limits, body.len()).await? {
        check(body.len() + chunk.len(), limits, held, chunk.len())?;
        body.extend_from_slice(&chunk);
    }
    Ok(body.freeze())
}

fn check(length: usize, limits: &Limits, held: &mut InFlight, more: usize) -> Result<(), NoBody> {
    let no_body = |fault| NoBody { fault, read: length as u64 };
    if length > limits.bytes_max {
        return Err(no_body(crate::exchange::too_large(limits.bytes_max)));
    }
    if !held.hold(more, limits.held_max) {
        let fault =
            Fault::ours(Kind::Overloaded, "the gateway holds as many request bodies as it may: try again shortly");
        return Err(no_body(fault.retry_after(Duration::from_secs(1))));
    }
    Ok(())
}

async fn next(
    session: &mut ServerSession,
    deadline: &mut Option<Instant>,
    limits: &Limits,
    read: usize,
) -> Result<Option<Bytes>, NoBody> {
    let no_body = |fault| NoBody { fault, read: read as u64 };
    let begun = *deadline.get_or_insert_with(|| Instant::now() + limits.deadline);
    let extra = Duration::from_secs((read / BYTES_PER_SECOND_MIN) as u64);
    match tokio::time::timeout_at(begun + extra, session.read_request_body()).await {
        Ok(Ok(chunk)) => Ok(chunk),
        Ok(Err(error)) => {
            Err(no_body(Fault::client(Kind::ClientGone, "the request body broke off").cause(error.etype().as_str())))
        }
        Err(_) => {
            let text = format!("the request body did not arrive within {} s", (limits.deadline + extra).as_secs());
            Err(no_body(Fault::client(Kind::ClientTimeout, text)))
        }
    }
}

/// Reads on and throws away, after the answer: closing the connection with bytes unread would take the answer from a client
/// that is still sending (RFC 9112, 9.6).
pub(super) async fn discard(session: &mut ServerSession) {
    let announced = session.req_header().headers.get(CONTENT_LENGTH);
    let most = match announced.and_then(|length| length.to_str().ok()?.parse::<usize>().ok()) {
        Some(length) if length <= DISCARD_WHOLE_MAX => DISCARD_WHOLE_MAX,
        Some(_) => DISCARD_LONG_MAX,
        None => DISCARD_UNTOLD_MAX,
    };
    let until = Instant::now() + DISCARD_TIME_MAX;
    let mut read = 0;
    while read < most {
        let gap = until.min(Instant::now() + DISCARD_GAP_MAX);
        match tokio::time::timeout_at(gap, session.read_request_body()).await {
            Ok(Ok(Some(chunk))) => read += chunk.len(),
            _ => return,
        }
    }
}
