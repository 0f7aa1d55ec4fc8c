//! A client session whose body was read beforehand: plays it to every attempt, holds an answer back until it may go, and
//! watches all deadlines with one timer.
//!
//! Pingora can only replay 64 KiB by itself. This wrapper stands in the place of the client's session while upstreams are
//! tried and gives the session back when it is dropped. It is the only file that names Pingora's hidden session trait,
//! which is why `Cargo.toml` pins the version.

use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http::header::{CONTENT_LENGTH, ORIGIN, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderName, HeaderValue, Request};
use parking_lot::Mutex;
use pingora::http::{RequestHeader, ResponseHeader};
use pingora::protocols::Digest;
use pingora::protocols::http::custom::CustomMessageWrite;
use pingora::protocols::http::custom::server::Session as CustomSession;
use pingora::protocols::http::{HttpTask, ServerSession};
use pingora::protocols::l4::socket::SocketAddr;
use pingora::{Error, ErrorType, Result};
use smallvec::SmallVec;
use tokio::time::Instant;

use super::answer::{Lines, Put};
use super::link::{LINK, Link, Timer};

/// Bodies up to this size go out in one piece; larger ones are sent in the slices that they are held in.
pub(super) const ONE_PIECE_BYTES_MAX: usize = 64 * 1024;

/// What the hooks and the wrapper tell each other.
pub(super) struct Shared {
    state: Mutex<State>,
    /// The connection, where it takes headers as lines.
    link: Option<Arc<Link>>,
}

#[derive(Default)]
struct State {
    slot: Option<Box<ServerSession>>,
    outgoing: VecDeque<Bytes>,
    deadline: Option<Instant>,
    hold: bool,
    expired: bool,
    finished: Option<Finished>,
    lines: Option<Lines>,
}

/// The end of a held answer: its body, and headers known only now.
struct Finished {
    parts: SmallVec<[Bytes; 8]>,
    late: Named,
}

/// Headers that are known only when the answer is whole, where they are not among the lines.
type Named = SmallVec<[(&'static HeaderName, HeaderValue); 4]>;

impl Shared {
    /// What is shared of a request of this task.
    pub(super) fn new() -> Self {
        Self { state: Mutex::default(), link: LINK.try_with(Arc::clone).ok() }
    }

    /// Lines for the headers that tell of an exchange; None where they must stand in the head itself.
    pub(super) fn lines(&self) -> Option<Lines> {
        self.link.is_some().then(Lines::default)
    }

    /// Takes the lines that the attempt's head carries.
    pub(super) fn tell(&self, lines: Option<Lines>) {
        self.state.lock().lines = lines;
    }

    /// Queues an attempt's body and forgets what an earlier attempt left.
    pub(super) fn load(&self, parts: impl IntoIterator<Item = Bytes>, deadline: Instant) {
        let mut state = self.state.lock();
        state.outgoing.clear();
        state.outgoing.extend(parts.into_iter().filter(|part| !part.is_empty()));
        state.deadline = Some(deadline);
        (state.expired, state.hold, state.finished, state.lines) = (false, false, None, None);
    }

    /// Forgets what an earlier attempt left, and watches no deadline.
    pub(super) fn wait(&self) {
        let mut state = self.state.lock();
        let slot = state.slot.take();
        *state = State { slot, ..State::default() };
    }

    /// Sets when the attempt ends in an error unless the deadline is moved before.
    pub(super) fn set_deadline(&self, at: Instant) {
        self.state.lock().deadline = Some(at);
    }

    /// Gives a held answer its body and its last headers.
    pub(super) fn finish(&self, parts: SmallVec<[Bytes; 8]>, write: impl FnOnce(&mut Put<'_>)) {
        let (mut lines, mut late) = (self.state.lock().lines.take(), Named::new());
        match &mut lines {
            Some(lines) => write(&mut |name, value| lines.add_known(name, value)),
            // Digits and points are always a header value.
            None => write(&mut |name, value| late.extend(HeaderValue::from_str(value).ok().map(|value| (name, value)))),
        }
        let mut state = self.state.lock();
        (state.lines, state.finished) = (lines, Some(Finished { parts, late }));
    }

    /// Holds the answer's head back: of a whole answer until its body is complete, of a stream until it is let go.
    pub(super) fn hold(&self, hold: bool) {
        self.state.lock().hold = hold;
    }

    /// Whether the deadline has passed in this attempt.
    pub(super) fn expired(&self) -> bool {
        self.state.lock().expired
    }
}

/// Puts the wrapper in the place of the client's session.
pub(super) fn wrap(session: &mut pingora_proxy::Session, shared: &Arc<Shared>) {
    let head = stub(session.req_header());
    let inner = std::mem::replace(&mut session.downstream_session, nobody());
    let timer = shared.link.as_ref().and_then(|link| link.timer());
    let replay = Replay { inner: Some(inner), head, shared: shared.clone(), timer, held: None };
    *session.downstream_session = ServerSession::new_custom(Box::new(replay));
}

/// Puts the client's session back; does nothing where it was never replaced.
pub(super) fn unwrap(session: &mut pingora_proxy::Session, shared: &Shared) {
    if !session.downstream_session.is_custom() {
        return;
    }
    *session.downstream_session = ServerSession::new_custom(Box::new(()));
    if let Some(inner) = shared.state.lock().slot.take() {
        session.downstream_session = inner;
    }
}

/// The head was made without a case map, so that its parts can be taken out, completed and put back.
fn finish_head(header: &mut ResponseHeader, late: Named, length: usize) {
    let whole = std::mem::replace(header, ResponseHeader::from(http::Response::new(()).into_parts().0));
    let mut parts = http::response::Parts::from(whole);
    late.into_iter().for_each(|(name, value)| _ = parts.headers.insert(name, value));
    parts.headers.remove(TRANSFER_ENCODING);
    parts.headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
    *header = ResponseHeader::from(parts);
}

/// The client's head without its headers, but for the page it comes from, which its answer depends on: Pingora copies what
/// it is shown for every attempt, and all that goes upstream is written from scratch.
fn stub(of: &RequestHeader) -> RequestHeader {
    let (mut parts, ()) = Request::new(()).into_parts();
    (parts.method, parts.version) = (of.method.clone(), of.version);
    parts.headers.extend(of.headers.get(ORIGIN).map(|page| (ORIGIN, page.clone())));
    RequestHeader::from(parts)
}

fn nobody() -> Box<ServerSession> {
    Box::new(ServerSession::new_custom(Box::new(())))
}

struct Replay {
    /// Always there until `drop`.
    inner: Option<Box<ServerSession>>,
    head: RequestHeader,
    shared: Arc<Shared>,
    timer: Option<Timer>,
    held: Option<Box<ResponseHeader>>,
}

impl Drop for Replay {
    fn drop(&mut self) {
        self.shared.state.lock().slot = self.inner.take();
        if let (Some(link), Some(timer)) = (&self.shared.link, self.timer.take()) {
            link.keep_timer(timer);
        }
    }
}

impl Replay {
    #[expect(clippy::expect_used, reason = "the session is taken out by drop alone")]
    fn inner(&self) -> &ServerSession {
        self.inner.as_deref().expect("taken by drop alone")
    }

    #[expect(clippy::expect_used, reason = "the session is taken out by drop alone")]
    fn inner_mut(&mut self) -> &mut ServerSession {
        self.inner.as_deref_mut().expect("taken by drop alone")
    }

    /// Resolves when the deadline has passed; it may be moved meanwhile, which costs nothing until the timer fires.
    async fn deadline(timer: &mut Option<Timer>, shared: &Shared) {
        poll_fn(|context| {
            loop {
                let Some(at) = shared.state.lock().deadline else { return Poll::Pending };
                let sleep = timer.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(at)));
                if sleep.deadline() > at {
                    sleep.as_mut().reset(at);
                }
                if sleep.as_mut().poll(context).is_pending() {
                    return Poll::Pending;
                }
                let moved = shared.state.lock().deadline.filter(|at| *at > Instant::now());
                match moved {
                    Some(at) => sleep.as_mut().reset(at),
                    None => {
                        shared.state.lock().expired = true;
                        return Poll::Ready(());
                    }
                }
            }
        })
        .await;
    }

    /// Keeps tasks until the body ends, then writes all of it with its exact length.
    async fn held_duplex(&mut self, tasks: Vec<HttpTask>) -> Result<bool> {
        let mut ended = false;
        for task in tasks {
            match task {
                HttpTask::Header(header, end) => {
                    self.held = Some(header);
                    ended |= end;
                }
                HttpTask::Body(_, end) => ended |= end,
                HttpTask::Done | HttpTask::Trailer(_) => ended = true,
                HttpTask::UpgradedBody(..) => {
                    return Error::e_explain(ErrorType::InternalError, "an upgrade nobody asked for");
                }
                HttpTask::Failed(error) => return Err(error),
            }
        }
        if !ended {
            return Ok(false);
        }
        let finished = self.shared.state.lock().finished.take();
        let (Some(mut header), Some(Finished { parts, late })) = (self.held.take(), finished) else {
            return Error::e_explain(ErrorType::InternalError, "a held answer without an end");
        };
        let length: usize = parts.iter().map(Bytes::len).sum();
        finish_head(&mut header, late, length);
        self.send_lines();
        self.write_whole(header, parts, length).await
    }

    /// The head that is written next carries the lines of this attempt.
    fn send_lines(&self) {
        if let (Some(link), Some(lines)) = (&self.shared.link, self.shared.state.lock().lines.take()) {
            link.add_to_head(lines.into_bytes());
        }
    }

    /// Small answers leave in one write; large ones piece by piece, uncopied.
    async fn write_whole(
        &mut self,
        header: Box<ResponseHeader>,
        parts: SmallVec<[Bytes; 8]>,
        length: usize,
    ) -> Result<bool> {
        let inner = self.inner_mut();
        if length <= ONE_PIECE_BYTES_MAX {
            let mut tasks = Vec::with_capacity(parts.len() + 2);
            tasks.push(HttpTask::Header(header, false));
            tasks.extend(parts.into_iter().map(|part| HttpTask::Body(Some(part), false)));
            tasks.push(HttpTask::Done);
            return inner.response_duplex_vec(tasks).await;
        }
        inner.response_duplex_vec(vec![HttpTask::Header(header, false)]).await?;
        for part in parts {
            inner.response_duplex_vec(vec![HttpTask::Body(Some(part), false)]).await?;
        }
        inner.response_duplex_vec(vec![HttpTask::Done]).await
    }
}

#[async_trait]
impl CustomSession for Replay {
    async fn read_body_bytes(&mut self) -> Result<Option<Bytes>> {
        Ok(self.shared.state.lock().outgoing.pop_front())
    }

    async fn drain_request_body(&mut self) -> Result<()> {
        self.inner_mut().drain_request_body().await
    }

    /// The next piece of the body while there is one; afterwards waits for the client to leave or the deadline to pass.
    async fn read_body_or_idle(&mut self, no_body_expected: bool) -> Result<Option<Bytes>> {
        if !no_body_expected {
            return Ok(self.shared.state.lock().outgoing.pop_front());
        }
        #[expect(clippy::expect_used, reason = "the session is taken out by drop alone")]
        let inner = self.inner.as_deref_mut().expect("taken by drop alone");
        tokio::select! {
            biased;
            event = inner.read_body_or_idle(true) => event,
            () = Self::deadline(&mut self.timer, &self.shared) => Error::e_explain(ErrorType::ReadTimedout, "deadline passed"),
        }
    }

    fn is_body_done(&mut self) -> bool {
        self.shared.state.lock().outgoing.is_empty()
    }

    /// Asked before anything is read of it.
    fn is_body_empty(&mut self) -> bool {
        self.shared.state.lock().outgoing.is_empty()
    }

    fn get_retry_buffer(&self) -> Option<Bytes> {
        None
    }

    fn retry_buffer_truncated(&self) -> bool {
        false
    }

    /// Called once at the start of every attempt.
    fn enable_retry_buffering(&mut self) {
        self.held = None;
    }

    async fn response_duplex_vec(&mut self, mut tasks: Vec<HttpTask>) -> Result<bool> {
        let hold = self.shared.state.lock().hold;
        if hold {
            // Boxed: the future of this is made for every piece of a stream, too.
            return Box::pin(self.held_duplex(tasks)).await;
        }
        // The head of a stream that was held back until it said something.
        if let Some(head) = self.held.take() {
            tasks.insert(0, HttpTask::Header(head, false));
        }
        if let Some(HttpTask::Header(..)) = tasks.first() {
            self.send_lines();
        }
        self.inner_mut().response_duplex_vec(tasks).await
    }

    /// Ends the body only. Ending the session here would leave nothing to log or to keep alive.
    async fn finish(&mut self) -> Result<()> {
        self.inner_mut().finish_body().await
    }

    async fn finish_custom(&mut self) -> Result<()> {
        Ok(())
    }

    async fn write_response_header(&mut self, header: Box<ResponseHeader>, _end: bool) -> Result<()> {
        self.inner_mut().write_response_header(header).await
    }

    async fn write_response_header_ref(&mut self, header: &ResponseHeader, _end: bool) -> Result<()> {
        self.inner_mut().write_response_header_ref(header).await
    }

    async fn write_body(&mut self, data: Bytes, end: bool) -> Result<()> {
        self.inner_mut().write_response_body(data, end).await
    }

    async fn write_trailers(&mut self, trailers: HeaderMap) -> Result<()> {
        self.inner_mut().write_response_trailers(trailers).await
    }

    async fn shutdown(&mut self, _code: u32, _context: &str) {
        self.inner_mut().shutdown().await;
    }

    /// Not the client's: see [`stub`].
    fn req_header(&self) -> &RequestHeader {
        &self.head
    }

    fn req_header_mut(&mut self) -> &mut RequestHeader {
        &mut self.head
    }

    fn set_read_timeout(&mut self, timeout: Option<Duration>) {
        self.inner_mut().set_read_timeout(timeout);
    }

    fn get_read_timeout(&self) -> Option<Duration> {
        self.inner().get_read_timeout()
    }

    fn set_write_timeout(&mut self, timeout: Option<Duration>) {
        self.inner_mut().set_write_timeout(timeout);
    }

    fn get_write_timeout(&self) -> Option<Duration> {
        self.inner().get_write_timeout()
    }

    fn set_total_drain_timeout(&mut self, timeout: Option<Duration>) {
        self.inner_mut().set_total_drain_timeout(timeout);
    }

    fn get_total_drain_timeout(&self) -> Option<Duration> {
        self.inner().get_total_drain_timeout()
    }

    fn request_summary(&self) -> String {
        self.inner().request_summary()
    }

    fn response_written(&self) -> Option<&ResponseHeader> {
        self.inner().response_written()
    }

    fn body_bytes_sent(&self) -> usize {
        self.inner().body_bytes_sent()
    }

    fn body_bytes_read(&self) -> usize {
        self.inner().body_bytes_read()
    }

    fn digest(&self) -> Option<&Digest> {
        self.inner().digest()
    }

    fn digest_mut(&mut self) -> Option<&mut Digest> {
        self.inner_mut().digest_mut()
    }

    fn client_addr(&self) -> Option<&SocketAddr> {
        self.inner().client_addr()
    }

    fn server_addr(&self) -> Option<&SocketAddr> {
        self.inner().server_addr()
    }

    fn pseudo_raw_h1_request_header(&self) -> Bytes {
        self.inner().to_h1_raw()
    }

    fn take_custom_message_reader(
        &mut self,
    ) -> Option<Box<dyn futures_core::Stream<Item = Result<Bytes>> + Unpin + Send + Sync + 'static>> {
        None
    }

    fn restore_custom_message_reader(
        &mut self,
        _reader: Box<dyn futures_core::Stream<Item = Result<Bytes>> + Unpin + Send + Sync + 'static>,
    ) -> Result<()> {
        Ok(())
    }

    fn take_custom_message_writer(&mut self) -> Option<Box<dyn CustomMessageWrite>> {
        None
    }

    fn restore_custom_message_writer(&mut self, _writer: Box<dyn CustomMessageWrite>) -> Result<()> {
        Ok(())
    }
}
