//! The management API's side of the hooks: a body is read, a handler runs where it may wait, its reply is written.

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, EXPECT};
use http::{HeaderName, HeaderValue};
use pingora::Result;
use pingora_proxy::Session;

use super::answer::{self, Answer};
use super::body;
use super::gateway::{Gateway, client_ip};
use crate::admin::{self, BODY_BYTES_MAX, Knock, Refusal, Reply, Request};
use crate::exchange::Head;
use crate::vocabulary::{Fault, Kind, Now};

impl Gateway {
    /// Answers a request that is in the management API's table of routes; false: there is no such path.
    pub(super) async fn manage(&self, session: &mut Session, now: Now) -> Result<bool> {
        let Some(knock) = self.knock(session, now) else { return Ok(false) };
        let answered = match knock {
            Knock::Refused(refusal) => told(&refusal.reply()),
            Knock::Unknown(fault) => Answer::fault_alone(&fault),
            Knock::Enter(request) => self.answer_management(session, request, now).await,
        };
        let unread = !session.downstream_session.is_body_done();
        if unread {
            session.set_keepalive(None);
        }
        let (head, body) = answered;
        let written = self.write(session, head, body).await;
        if unread {
            body::discard(&mut session.downstream_session).await;
        }
        written.map(|()| true)
    }

    fn knock(&self, session: &Session, now: Now) -> Option<Knock> {
        let request = session.req_header();
        let header = |name: &str| request.headers.get(name).map(HeaderValue::as_bytes);
        let head = Head {
            method: request.method.as_str(),
            path: request.uri.path(),
            query: request.uri.query(),
            header: &header,
            client_ip: client_ip(session),
            content_length: announced(session).map(|length| length as u64),
        };
        admin::knock(&self.gate.world(), &head, now)
    }

    async fn answer_management(&self, session: &mut Session, request: Box<Request>, now: Now) -> (Answer, Bytes) {
        // Counted among what is in flight until it is answered: a drain waits for it.
        let mut in_flight = self.gate.enter();
        let world = self.gate.world();
        let body = if request.takes_body() {
            let limits = body::Limits {
                bytes_max: BODY_BYTES_MAX,
                held_max: world.settings.http.held_bytes_max,
                deadline: world.settings.deadlines.body,
            };
            match take_body(session, &limits, &mut in_flight).await {
                Ok(body) => body,
                Err(fault) => return Answer::fault_alone(&fault),
            }
        } else {
            Bytes::new()
        };
        let gate = self.gate.clone();
        let answer = move || request.answer(&world, &body, &*gate, now);
        let reply = tokio::task::spawn_blocking(answer).await;
        // The panic itself is counted and told of by its hook.
        told(&reply.unwrap_or_else(|_| Refusal::ours("its log says why").reply()))
    }
}

fn announced(session: &Session) -> Option<usize> {
    session.req_header().headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok())
}

async fn take_body(
    session: &mut Session,
    limits: &body::Limits,
    in_flight: &mut super::gate::InFlight,
) -> Result<Bytes, Fault> {
    let too_large = || {
        let text =
            format!("the request body is larger than {BODY_BYTES_MAX} bytes, which is the most that is taken here");
        Fault::client(Kind::TooLarge, text).param("content-length")
    };
    let announced = announced(session);
    if announced.is_some_and(|length| length > limits.bytes_max) {
        return Err(too_large());
    }
    let encoding = session.req_header().headers.get(http::header::CONTENT_ENCODING).map(HeaderValue::as_bytes);
    if encoding.is_some_and(|encoding| !encoding.eq_ignore_ascii_case(b"identity")) {
        let text = "the request body is compressed: send it without Content-Encoding";
        return Err(Fault::client(Kind::UnsupportedMedia, text).param("content-encoding"));
    }
    if session.req_header().headers.contains_key(EXPECT)
        && !session.downstream_session.is_http2()
        && session.downstream_session.write_continue_response().await.is_err()
    {
        return Err(Fault::client(Kind::ClientGone, "the client left"));
    }
    let read = body::read(&mut session.downstream_session, announced, limits, in_flight).await;
    read.map_err(|no_body| if no_body.fault.kind == Kind::TooLarge { too_large() } else { no_body.fault })
}

fn told(reply: &Reply) -> (Answer, Bytes) {
    let mut answer = Answer::new(reply.status, answer::JSON);
    for (name, value) in &reply.headers {
        if let Ok(value) = HeaderValue::from_str(value) {
            answer.headers.insert(HeaderName::from_static(name), value);
        }
    }
    (answer, Bytes::from(reply.body.clone()))
}
