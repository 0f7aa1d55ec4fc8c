//! HTTP/2, in the clear or behind ALPN: every stream is played on its own task.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use h2::server::SendResponse;
use h2::{Reason, RecvStream, SendStream};
use http::{Response, StatusCode};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::chat::put;
use super::journal::Note;
use super::request::Request;
use super::script::{self, Head, Played, Wire};
use super::site::{Heard, Site};

/// How much a client may send before it is told to go on, on one stream and on all of them.
const WINDOW_BYTES: u32 = 1 << 20;
const WINDOW_ALL_BYTES: u32 = 16 << 20;
/// Longest head of a request.
const HEAD_BYTES_MAX: u32 = 64 << 10;
/// Most requests at once on one connection.
const STREAMS_MAX: u32 = 1024;

/// Serves a connection until either side is done with it.
///
/// # Errors
/// The connection broke.
pub(super) async fn serve<IO>(io: IO, site: Arc<Site>) -> io::Result<()>
where
    IO: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let mut builder = h2::server::Builder::new();
    builder.initial_window_size(WINDOW_BYTES).initial_connection_window_size(WINDOW_ALL_BYTES);
    builder.max_header_list_size(HEAD_BYTES_MAX).max_concurrent_streams(STREAMS_MAX);
    let mut connection = builder.handshake::<_, Bytes>(io).await.map_err(broken)?;
    while let Some(accepted) = connection.accept().await {
        let (request, respond) = accepted.map_err(broken)?;
        tokio::spawn(exchange(request, respond, Arc::clone(&site)));
    }
    Ok(())
}

/// One request and its answer. A stream that breaks is counted, and needs no other word.
async fn exchange(request: http::Request<RecvStream>, respond: SendResponse<Bytes>, site: Arc<Site>) {
    let mut lane = Lane { respond, send: None, output: BytesMut::new() };
    match lane.play(request, &site).await {
        Ok(Played::Whole | Played::HungUp) => site.journal.answered(),
        Ok(Played::Cut) => {}
        Err(_) => site.journal.abandoned(),
    }
}

/// One stream of a connection.
struct Lane {
    respond: SendResponse<Bytes>,
    /// There once the answer has begun.
    send: Option<SendStream<Bytes>>,
    output: BytesMut,
}

impl Lane {
    async fn play(&mut self, request: http::Request<RecvStream>, site: &Site) -> io::Result<Played> {
        let (head, body) = request.into_parts();
        let target = head.uri.path_and_query().map_or("/", |target| target.as_str());
        let mut asked = Request::new(head.method.as_str(), target, &site.knobs);
        head.headers.iter().for_each(|(name, value)| asked.header(name.as_str(), value.as_bytes()));
        let mut heard = site.listen(&asked);
        let reply = if hear(body, &mut heard).await? {
            site.note(&asked, || note(&head, &heard, site));
            site.answer(asked, &heard)
        } else {
            site.refuse(413, "The body is too long.")
        };
        script::play(self, reply, &site.journal).await
    }

    /// Sends what was pushed as fast as the client takes it.
    async fn send(&mut self, last: bool) -> io::Result<()> {
        let Some(send) = &mut self.send else { return Err(gone()) };
        let mut rest = self.output.split().freeze();
        while !rest.is_empty() {
            send.reserve_capacity(rest.len());
            let room = poll_fn(|task| send.poll_capacity(task)).await.ok_or_else(gone)?.map_err(broken)?;
            let part = rest.split_to(room.min(rest.len()));
            send.send_data(part, last && rest.is_empty()).map_err(broken)?;
            if last && rest.is_empty() {
                return Ok(());
            }
        }
        if last { send.send_data(Bytes::new(), true).map_err(broken) } else { Ok(()) }
    }

    /// Resolves when the client gives the stream up.
    async fn until_reset(&mut self) {
        let (respond, send) = (&mut self.respond, &mut self.send);
        let _why = poll_fn(|task| match send {
            Some(send) => send.poll_reset(task),
            None => respond.poll_reset(task),
        })
        .await;
    }
}

/// Reads a body to its end; false if it is too long.
async fn hear(mut body: RecvStream, heard: &mut Heard) -> io::Result<bool> {
    while let Some(data) = body.data().await {
        let data = data.map_err(broken)?;
        body.flow_control().release_capacity(data.len()).map_err(broken)?;
        if !heard.push(&data) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// The request as HTTP/1 would have written it.
fn note(head: &http::request::Parts, heard: &Heard, site: &Site) -> Note {
    let target = head.uri.path_and_query().map_or("/", |target| target.as_str());
    let mut lines = Vec::with_capacity(512);
    put(&mut lines, format_args!("{} {target} HTTP/2\r\n", head.method));
    if let Some(authority) = head.uri.authority() {
        put(&mut lines, format_args!(":authority: {authority}\r\n"));
    }
    for (name, value) in &head.headers {
        put(&mut lines, format_args!("{name}: "));
        lines.extend_from_slice(value.as_bytes());
        lines.extend_from_slice(b"\r\n");
    }
    let body = heard.excerpt(site.journal.body_bytes_kept());
    Note { protocol: "HTTP/2", head: lines, body, body_bytes: heard.bytes }
}

impl Wire for Lane {
    fn open(&mut self, head: &Head) -> io::Result<()> {
        let status = StatusCode::from_u16(head.status).map_err(io::Error::other)?;
        let mut response = Response::builder().status(status).header("content-type", head.media);
        response = response.header("x-request-id", format!("req_mock{:024}", head.serial));
        for (name, value) in &head.extra {
            response = response.header(*name, value);
        }
        if let Some(length) = head.length {
            response = response.header("content-length", length);
        }
        let response = response.body(()).map_err(io::Error::other)?;
        self.send = Some(self.respond.send_response(response, false).map_err(broken)?);
        Ok(())
    }

    fn push(&mut self, piece: &[u8]) {
        self.output.extend_from_slice(piece);
    }

    async fn flush(&mut self) -> io::Result<()> {
        self.send(false).await
    }

    async fn pause(&mut self, time: Duration) -> io::Result<()> {
        if time.is_zero() {
            return Ok(());
        }
        tokio::select! {
            () = tokio::time::sleep(time) => Ok(()),
            () = self.until_reset() => Err(gone()),
        }
    }

    async fn finish(&mut self) -> io::Result<()> {
        self.send(true).await
    }

    async fn cut(&mut self) {
        if let Some(send) = &mut self.send {
            send.send_reset(Reason::INTERNAL_ERROR);
        }
    }
}

fn broken(error: h2::Error) -> io::Error {
    io::Error::other(error)
}

fn gone() -> io::Error {
    io::Error::new(io::ErrorKind::ConnectionAborted, "the client has gone")
}

/// A connection of which something was read already: it is read once more.
pub(super) struct Rewound<IO> {
    first: BytesMut,
    io: IO,
}

impl<IO> Rewound<IO> {
    /// Puts what was read back in front.
    pub(super) fn new(first: BytesMut, io: IO) -> Self {
        Self { first, io }
    }
}

impl<IO: AsyncRead + Unpin> AsyncRead for Rewound<IO> {
    fn poll_read(mut self: Pin<&mut Self>, task: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.first.is_empty() {
            return Pin::new(&mut self.io).poll_read(task, into);
        }
        let len = self.first.len().min(into.remaining());
        into.put_slice(&self.first[..len]);
        self.first.advance(len);
        Poll::Ready(Ok(()))
    }
}

impl<IO: AsyncWrite + Unpin> AsyncWrite for Rewound<IO> {
    fn poll_write(mut self: Pin<&mut Self>, task: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(task, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(task)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(task)
    }
}
