//! The stream of a client connection, with a deadline on each request head.
//!
//! Pingora's own timeout is per read: one byte a minute would hold a connection for ever. This stream starts a clock at the
//! first byte of a request and stops it when the gateway has read the head.

use std::fmt;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use async_trait::async_trait;
use pingora::protocols::raw_connect::ProxyDigest;
use pingora::protocols::tls::SslDigest;
use pingora::protocols::{
    ALPN, GetProxyDigest, GetSocketDigest, GetTimingDigest, IO, Peek, Shutdown, SocketDigest, Ssl, TimingDigest,
    UniqueID, UniqueIDType,
};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep};

tokio::task_local! {
    /// The connection that the running request came in on (HTTP/1 only; an HTTP/2 head arrives whole).
    pub(super) static HEAD: Arc<HeadClock>;
}

/// Where a connection stands between two requests.
#[derive(Default)]
pub(super) struct HeadClock(AtomicU8);

const WAITING: u8 = 0;
const READING: u8 = 1;
const READ: u8 = 2;

impl HeadClock {
    /// The head is complete: what follows has deadlines of its own.
    pub(super) fn head_is_read(&self) {
        self.0.store(READ, Ordering::Relaxed);
    }

    /// The answer is out: the next byte begins another head.
    pub(super) fn wait_for_next(&self) {
        self.0.store(WAITING, Ordering::Relaxed);
    }
}

/// A client's stream under guard.
pub(super) struct Guarded<S> {
    inner: S,
    clock: Arc<HeadClock>,
    limit: Duration,
    timer: Option<Pin<Box<Sleep>>>,
    h2: bool,
}

impl<S> Guarded<S> {
    /// Guards a stream; `h2` says that the client opened with the HTTP/2 preface in clear.
    pub(super) fn new(inner: S, clock: Arc<HeadClock>, limit: Duration, h2: bool) -> Self {
        Self { inner, clock, limit, timer: None, h2 }
    }

    fn check(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.clock.0.load(Ordering::Relaxed) != READING {
            self.timer = None;
            return Poll::Pending;
        }
        let limit = self.limit;
        let timer = self.timer.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(Instant::now() + limit)));
        timer
            .as_mut()
            .poll(context)
            .map(|()| Err(io::Error::new(io::ErrorKind::TimedOut, "the request head took too long")))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Guarded<S> {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buffer.filled().len();
        match Pin::new(&mut this.inner).poll_read(context, buffer) {
            Poll::Ready(result) => {
                if buffer.filled().len() > before {
                    // Only the first byte of a head starts the clock; a head that comes whole never arms the timer.
                    let _another_head =
                        this.clock.0.compare_exchange(WAITING, READING, Ordering::Relaxed, Ordering::Relaxed);
                }
                Poll::Ready(result)
            }
            Poll::Pending if this.h2 => Poll::Pending,
            Poll::Pending => this.check(context),
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Guarded<S> {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().inner).poll_write(context, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().inner).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().inner).poll_shutdown(context)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().inner).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }
}

#[async_trait]
impl<S: IO> Shutdown for Guarded<S> {
    async fn shutdown(&mut self) {
        self.inner.shutdown().await;
    }
}

impl<S: IO> UniqueID for Guarded<S> {
    fn id(&self) -> UniqueIDType {
        self.inner.id()
    }
}

impl<S: IO> Ssl for Guarded<S> {
    fn get_ssl_digest(&self) -> Option<Arc<SslDigest>> {
        self.inner.get_ssl_digest()
    }

    fn selected_alpn_proto(&self) -> Option<ALPN> {
        if self.h2 { Some(ALPN::H2) } else { self.inner.selected_alpn_proto() }
    }
}

impl<S: IO> GetTimingDigest for Guarded<S> {
    fn get_timing_digest(&self) -> Vec<Option<TimingDigest>> {
        self.inner.get_timing_digest()
    }
}

impl<S: IO> GetProxyDigest for Guarded<S> {
    fn get_proxy_digest(&self) -> Option<Arc<ProxyDigest>> {
        self.inner.get_proxy_digest()
    }
}

impl<S: IO> GetSocketDigest for Guarded<S> {
    fn get_socket_digest(&self) -> Option<Arc<SocketDigest>> {
        self.inner.get_socket_digest()
    }
}

impl<S: Send + Sync> Peek for Guarded<S> {}

impl<S> fmt::Debug for Guarded<S> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Guarded")
    }
}
