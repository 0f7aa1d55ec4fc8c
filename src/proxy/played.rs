//! An answer that has begun elsewhere, played to Pingora through a socket that is none.
//!
//! What is written to the socket is dropped: the request was sent already. What is read is the answer in HTTP/1.1, its
//! pieces taken from the provider as Pingora asks for them.

use std::fmt;
use std::future::Future;
use std::io;
use std::net::Ipv4Addr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use async_trait::async_trait;
use bytes::{Buf, Bytes, BytesMut};
use http::header::{CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING, UPGRADE};
use http::{HeaderName, HeaderValue};
use parking_lot::Mutex;
use pingora::connectors::L4Connect;
use pingora::connectors::http::v1::Connector;
use pingora::http::ResponseHeader;
use pingora::protocols::http::v1::client::HttpSession;
use pingora::protocols::l4::socket::SocketAddr;
use pingora::protocols::l4::stream::Stream;
use pingora::protocols::l4::virt::{VirtualSockOpt, VirtualSocket, VirtualSocketStream};
use pingora::upstreams::peer::{HttpPeer, HttpUpstreamRequestPolicy};
use pingora::{Error, ErrorType, Result};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// An answer whose head and first piece were read.
pub(super) struct Begun {
    pub(super) head: ResponseHeader,
    pub(super) first: Option<Bytes>,
    pub(super) source: Source,
}

/// Where the rest of it comes from.
pub(super) struct Source {
    pub(super) session: HttpSession,
    pub(super) peer: Box<HttpPeer>,
    pub(super) connector: Arc<Connector>,
    /// How long the connection is kept once the answer was read.
    pub(super) idle: Option<Duration>,
}

impl Source {
    /// The next piece; at the end the connection is given back for others.
    async fn next(mut self) -> Result<Option<(Bytes, Self)>> {
        match self.session.read_body_bytes().await? {
            Some(piece) => Ok(Some((piece, self))),
            None => {
                self.connector.release_http_session(self.session, &*self.peer, self.idle).await;
                Ok(None)
            }
        }
    }
}

/// A peer that answers with what has begun.
pub(super) fn peer(begun: Begun) -> Box<HttpPeer> {
    let mut peer = Box::new(HttpPeer::new((Ipv4Addr::LOCALHOST, 0), false, String::new()));
    let socket = VirtualSocketStream::new(Box::new(Played::new(begun)));
    peer.options.custom_l4 = Some(Arc::new(Once(Mutex::new(Some(socket)))));
    peer.options.http_upstream_request_policy = HttpUpstreamRequestPolicy::preserve();
    // No connection of another request's is this one.
    peer.group_key = fastrand::u64(..);
    peer
}

/// Gives its socket once.
#[derive(Debug)]
struct Once(Mutex<Option<VirtualSocketStream>>);

#[async_trait]
impl L4Connect for Once {
    async fn connect(&self, _address: &SocketAddr) -> Result<Stream> {
        let socket = self.0.lock().take();
        socket.map(Stream::from).ok_or_else(|| Error::explain(ErrorType::InternalError, "an answer is played once"))
    }
}

type Next = Pin<Box<dyn Future<Output = Result<Option<(Bytes, Source)>>> + Send>>;

struct Played {
    ready: BytesMut,
    /// None: it is over. In a lock, which is never contended, because a future cannot be shared.
    next: Mutex<Option<Next>>,
}

impl Played {
    fn new(begun: Begun) -> Self {
        let mut ready = BytesMut::new();
        write_head(&begun.head, &mut ready);
        begun.first.iter().for_each(|piece| write_piece(piece, &mut ready));
        Self { ready, next: Mutex::new(Some(Box::pin(begun.source.next()))) }
    }
}

fn write_head(head: &ResponseHeader, out: &mut BytesMut) {
    out.extend_from_slice(format!("HTTP/1.1 {}\r\n", head.status.as_str()).as_bytes());
    let ours = [CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING, UPGRADE];
    let mut line = |name: &HeaderName, value: &HeaderValue| {
        let parts: [&[u8]; 4] = [name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"];
        parts.into_iter().for_each(|part| out.extend_from_slice(part));
    };
    head.headers.iter().filter(|(name, _)| !ours.contains(name)).for_each(|(name, value)| line(name, value));
    line(&TRANSFER_ENCODING, &HeaderValue::from_static("chunked"));
    line(&CONNECTION, &HeaderValue::from_static("close"));
    out.extend_from_slice(b"\r\n");
}

fn write_piece(piece: &[u8], out: &mut BytesMut) {
    // An empty piece would be the end.
    if !piece.is_empty() {
        out.extend_from_slice(format!("{:x}\r\n", piece.len()).as_bytes());
        out.extend_from_slice(piece);
        out.extend_from_slice(b"\r\n");
    }
}

impl AsyncRead for Played {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        loop {
            if !this.ready.is_empty() {
                let length = this.ready.len().min(buffer.remaining());
                buffer.put_slice(&this.ready[..length]);
                this.ready.advance(length);
                return Poll::Ready(Ok(()));
            }
            let next = this.next.get_mut();
            let Some(piece) = next else { return Poll::Ready(Ok(())) };
            match ready!(piece.as_mut().poll(context)) {
                Ok(Some((piece, source))) => {
                    write_piece(&piece, &mut this.ready);
                    *next = Some(Box::pin(source.next()));
                }
                Ok(None) => {
                    this.ready.extend_from_slice(b"0\r\n\r\n");
                    *next = None;
                }
                Err(error) => {
                    *next = None;
                    return Poll::Ready(Err(io::Error::new(io::ErrorKind::ConnectionReset, error.to_string())));
                }
            }
        }
    }
}

impl AsyncWrite for Played {
    fn poll_write(self: Pin<&mut Self>, _context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

impl VirtualSocket for Played {
    fn set_socket_option(&self, _option: VirtualSockOpt) -> io::Result<()> {
        Ok(())
    }
}

impl fmt::Debug for Played {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Played")
    }
}
