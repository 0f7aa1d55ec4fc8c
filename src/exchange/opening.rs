//! A stream that the client has seen nothing of: whether it may go out, or is tried elsewhere.

use bytes::Bytes;

use super::attempt::Again;
use super::plan::Planned;
use super::reply::{Reply, error_status};
use crate::dialect::openai::error;
use crate::json::{self, Span};
use crate::vocabulary::{Fault, Kind, Now};

/// Events and bytes that are held back at most while the model says nothing.
const EVENTS_MAX: u64 = 64;
const BYTES_MAX: usize = 256 * 1024;

/// What becomes of what is held back of a stream.
#[derive(Clone, Debug)]
pub enum Opening {
    /// More is waited for.
    Wait,
    /// It goes out, and everything after it at once.
    Go,
    /// The stream failed before the model said anything: drop it and try again, or answer with the fault.
    Failed(Again, Fault),
}

impl Planned {
    /// Whether the answer goes out as it comes: nothing is read in it.
    pub fn opens_at_once(&self) -> bool {
        !matches!(self.reply, Reply::Stream(_))
    }

    /// Judges a stream of which `held` was held back so far; `end` after its last byte.
    pub fn judge_opening(&mut self, held: &[Bytes], end: bool, now: Now, jitter: u64) -> Opening {
        let Reply::Stream(stream) = &self.reply else { return Opening::Go };
        let progress = stream.progress();
        if progress.content_seen || progress.finish_seen {
            self.answers(now);
            return Opening::Go;
        }
        if progress.error_seen {
            let fault = self.told_while_held(held);
            return Opening::Failed(self.failed(&fault, now, jitter), fault);
        }
        let bytes: usize = held.iter().map(Bytes::len).sum();
        match progress.events {
            0 if end => {
                let text = "litellm.APIConnectionError: the provider's stream was empty";
                let fault = Fault::upstream(Kind::UpstreamMalformed, text);
                Opening::Failed(self.failed(&fault, now, jitter), fault)
            }
            events if end || events >= EVENTS_MAX || bytes >= BYTES_MAX => Opening::Go,
            _ => Opening::Wait,
        }
    }

    /// Takes the end of a stream that the client has seen nothing of and that did not end as it should; None: something
    /// was said, and that goes out.
    pub fn cut_unseen(&mut self, fault: &Fault, now: Now, jitter: u64) -> Option<Again> {
        let Reply::Stream(stream) = &self.reply else { return None };
        let progress = stream.progress();
        (!progress.content_seen && !progress.error_seen).then(|| self.failed(fault, now, jitter))
    }

    /// The error that the last events tell of, in our words.
    fn told_while_held(&self, held: &[Bytes]) -> Fault {
        let whole = held.concat();
        let object = inner(last_object(&whole));
        let status = error_status(object).or_else(|| status_of_type(object)).unwrap_or(502);
        let message = error::upstream_message(object, None);
        self.in_our_words(&self.upstream_fault(status, None), message.as_deref(), status)
    }
}

/// The data of the last event that speaks of an error, or all from the first brace on where there are no events.
fn last_object(bytes: &[u8]) -> &[u8] {
    let data = bytes.split(|byte| *byte == b'\n').filter_map(|line| line.strip_prefix(b"data:"));
    let told = data.map(<[u8]>::trim_ascii).rfind(|data| memchr::memmem::find(data, b"error").is_some());
    told.unwrap_or_else(|| {
        let start = memchr::memchr(b'{', bytes).unwrap_or(bytes.len());
        let rest = bytes.get(start..).unwrap_or_default().trim_ascii_end();
        rest.strip_suffix(b"]").unwrap_or(rest)
    })
}

/// The response within an event of the Responses API; other objects as they are.
fn inner(object: &[u8]) -> &[u8] {
    let whole = u32::try_from(object.len()).map(|end| Span { start: 0, end });
    let response = whole.ok().and_then(|whole| json::find(object, whole, "response").ok()?);
    response.map_or(object, |response| response.of(object))
}

/// The status for an error's type, in the words of OpenAI and Anthropic.
fn status_of_type(object: &[u8]) -> Option<u16> {
    let known: [(&[u8], u16); 9] = [
        (b"\"overloaded_error\"", 529),
        (b"\"rate_limit_error\"", 429),
        (b"\"rate_limit_exceeded\"", 429),
        (b"\"throttling_error\"", 429),
        (b"\"authentication_error\"", 401),
        (b"\"permission_error\"", 403),
        (b"\"invalid_request_error\"", 400),
        (b"\"api_error\"", 500),
        (b"\"server_error\"", 500),
    ];
    known.iter().find(|(word, _)| memchr::memmem::find(object, word).is_some()).map(|(_, status)| *status)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_error_is_found_among_events_and_in_an_array() {
        let events = b"data: {\"choices\":[]}\n\nevent: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"busy\"}}\n\n";
        let object = last_object(events);
        assert_eq!(status_of_type(object), Some(529));
        assert_eq!(error::upstream_message(object, None).as_deref(), Some("busy"));
        let array = last_object(b"[{\"error\":{\"code\":503,\"message\":\"down\"}}]\n");
        assert_eq!((error_status(array), error::upstream_message(array, None).as_deref()), (Some(503), Some("down")));
        let failed =
            inner(br#"{"type":"response.failed","response":{"error":{"code":"server_error","message":"no"}}}"#);
        assert_eq!((status_of_type(failed), error::upstream_message(failed, None).as_deref()), (Some(500), Some("no")));
        assert_eq!(last_object(b""), b"");
    }
}
