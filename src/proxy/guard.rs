//! The stream of a client connection, with a deadline on each request head and on the time between two, and its small writes
//! joined.
//!
//! Pingora's own timeout is per read: one byte a minute would hold a connection for ever. This stream starts a clock at the
//! first byte of a request and stops it when the gateway has read the head. One timer does for a connection: while it fires
//! before the deadline that counts it is only armed again, which is cheaper than a timer for every request.
//!
//! What is written is kept until it is flushed, so that a head and its body leave in one segment. The headers that tell of an
//! exchange are added to the head here, as the lines that they are: some twenty of them in a map cost more than all the rest of
//! writing an answer.

use std::fmt;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use async_trait::async_trait;
use pingora::protocols::raw_connect::ProxyDigest;
use pingora::protocols::tls::SslDigest;
use pingora::protocols::{
    ALPN, GetProxyDigest, GetSocketDigest, GetTimingDigest, IO, Peek, Shutdown, SocketDigest, Ssl, TimingDigest,
    UniqueID, UniqueIDType,
};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

use super::link::{Link, Timer};

/// What is kept until a flush; larger writes go out at once, together with what was kept.
const PENDING_BYTES_MAX: usize = 8 * 1024;

/// A client's stream under guard.
pub(super) struct Guarded<S> {
    inner: S,
    link: Arc<Link>,
    limit: Duration,
    timer: Option<Timer>,
    until: Instant,
    h2: bool,
    pending: Vec<u8>,
}

impl<S> Guarded<S> {
    /// Guards a stream; `h2` says that the client opened with the HTTP/2 preface in clear.
    pub(super) fn new(inner: S, link: Arc<Link>, limit: Duration, h2: bool) -> Self {
        Self { inner, link, limit, timer: None, until: Instant::now(), h2, pending: Vec::new() }
    }

    /// Pending until the deadline. Then a head that has begun is an error, and where none has the connection is at its end.
    fn check(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Some(patience) = self.link.patience(self.limit) else { return Poll::Pending };
        if self.link.has_turned() {
            self.until = Instant::now() + patience;
        }
        let until = self.until;
        let timer = self.timer.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(until)));
        if timer.deadline() > until {
            timer.as_mut().reset(until);
        }
        while timer.as_mut().poll(context).is_ready() {
            if Instant::now() < until {
                timer.as_mut().reset(until);
                continue;
            }
            return Poll::Ready(match self.link.reads_head() {
                true => Err(io::Error::new(io::ErrorKind::TimedOut, "the request head took too long")),
                false => Ok(()),
            });
        }
        Poll::Pending
    }

    /// Keeps a head together with the lines that wait for it; false: this is none, or none wait.
    fn keep_head(&mut self, bytes: &[u8]) -> bool {
        // An informational head is not the answer's: the lines wait for that.
        if bytes.starts_with(b"HTTP/1.1 1") {
            return false;
        }
        let Some(lines) = self.link.lines() else { return false };
        let (true, Some(head)) = (bytes.starts_with(b"HTTP/1."), bytes.strip_suffix(b"\r\n\r\n")) else { return false };
        self.pending.reserve(bytes.len() + lines.len());
        [head, b"\r\n", &lines, b"\r\n"].iter().for_each(|part| self.pending.extend_from_slice(part));
        true
    }
}

impl<S: AsyncWrite + Unpin> Guarded<S> {
    fn write_pending(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.pending.is_empty() {
            let written = ready!(Pin::new(&mut self.inner).poll_write(context, &self.pending))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.pending.drain(..written);
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Guarded<S> {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buffer.filled().len();
        match Pin::new(&mut this.inner).poll_read(context, buffer) {
            Poll::Ready(result) => {
                if buffer.filled().len() > before {
                    // A head that comes whole never arms the timer.
                    this.link.head_begins();
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
        let this = self.get_mut();
        if this.keep_head(bytes) {
            return Poll::Ready(Ok(bytes.len()));
        }
        if this.pending.len() + bytes.len() <= PENDING_BYTES_MAX {
            this.pending.extend_from_slice(bytes);
            return Poll::Ready(Ok(bytes.len()));
        }
        while !this.pending.is_empty() {
            let both = [IoSlice::new(&this.pending), IoSlice::new(bytes)];
            let written = ready!(Pin::new(&mut this.inner).poll_write_vectored(context, &both))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            if written > this.pending.len() {
                let of_bytes = written - this.pending.len();
                this.pending.clear();
                return Poll::Ready(Ok(of_bytes));
            }
            this.pending.drain(..written);
        }
        Pin::new(&mut this.inner).poll_write(context, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(this.write_pending(context))?;
        Pin::new(&mut this.inner).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(this.write_pending(context))?;
        Pin::new(&mut this.inner).poll_shutdown(context)
    }

    /// A piece of a chunked body comes in three slices: they are kept in one step.
    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let length: usize = slices.iter().map(|slice| slice.len()).sum();
        if self.pending.len() + length <= PENDING_BYTES_MAX {
            let this = self.get_mut();
            slices.iter().for_each(|slice| this.pending.extend_from_slice(slice));
            return Poll::Ready(Ok(length));
        }
        let first = slices.iter().find(|slice| !slice.is_empty()).map_or(&[][..], |slice| slice);
        self.poll_write(context, first)
    }

    fn is_write_vectored(&self) -> bool {
        true
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

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    const HEAD_LIMIT: Duration = Duration::from_millis(60);
    const HEAD: &[u8] = b"HTTP/1.1 200 OK\r\ndate: today\r\n\r\n";

    fn guarded<S>(inner: S) -> (Guarded<S>, Arc<Link>) {
        let link = Arc::new(Link::default());
        (Guarded::new(inner, link.clone(), HEAD_LIMIT, false), link)
    }

    #[tokio::test]
    async fn a_head_carries_the_lines_that_wait_for_it() {
        let (mut stream, link) = guarded(Vec::new());
        link.add_to_head(b"x-a: 1\r\nx-b: 2\r\n".to_vec());
        stream.write_all(HEAD).await.unwrap();
        stream.write_all(b"body").await.unwrap();
        assert_eq!(stream.inner, b"", "kept until it is flushed");
        stream.flush().await.unwrap();
        assert_eq!(stream.inner, b"HTTP/1.1 200 OK\r\ndate: today\r\nx-a: 1\r\nx-b: 2\r\n\r\nbody");
        stream.inner.clear();
        stream.write_all(HEAD).await.unwrap();
        stream.flush().await.unwrap();
        assert_eq!(stream.inner, HEAD, "and one head alone");
        stream.inner.clear();
        let early: &[u8] = b"HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n";
        link.add_to_head(b"x-a: 1\r\n".to_vec());
        stream.write_all(early).await.unwrap();
        stream.write_all(HEAD).await.unwrap();
        stream.flush().await.unwrap();
        assert_eq!(stream.inner, [early, b"HTTP/1.1 200 OK\r\ndate: today\r\nx-a: 1\r\n\r\n"].concat());
    }

    #[tokio::test]
    async fn what_is_no_head_carries_none() {
        let (mut stream, link) = guarded(Vec::new());
        link.add_to_head(b"x-a: 1\r\n".to_vec());
        stream.write_all(b"5\r\nhello\r\n\r\n").await.unwrap();
        stream.write_all(HEAD).await.unwrap();
        stream.flush().await.unwrap();
        assert_eq!(stream.inner, [b"5\r\nhello\r\n\r\n", HEAD].concat());
    }

    #[tokio::test]
    async fn large_writes_go_out_behind_what_was_kept() {
        let (mut stream, _) = guarded(Vec::new());
        let large = vec![b'x'; PENDING_BYTES_MAX + 1];
        stream.write_all(b"small").await.unwrap();
        stream.write_all(&large).await.unwrap();
        assert_eq!(stream.inner, [b"small", &large[..]].concat());
        let slices = [IoSlice::new(b"a"), IoSlice::new(b""), IoSlice::new(b"bc")];
        assert_eq!(stream.write_vectored(&slices).await.unwrap(), 3);
        stream.flush().await.unwrap();
        assert!(stream.inner.ends_with(b"xabc"));
    }

    #[tokio::test]
    async fn a_connection_that_idles_ends_and_a_head_that_has_begun_fails() {
        let (mut client, server) = tokio::io::duplex(64);
        let (mut stream, link) = guarded(server);
        link.keep_idle(HEAD_LIMIT / 3);
        link.wait_for_next();
        let mut byte = [0];
        assert_eq!(stream.read(&mut byte).await.unwrap(), 0, "nothing came");
        client.write_all(b"G").await.unwrap();
        let began = Instant::now();
        assert_eq!(stream.read(&mut byte).await.unwrap(), 1);
        // The timer was armed for an earlier moment than the deadline that counts now.
        let error = stream.read(&mut byte).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert!(began.elapsed() >= HEAD_LIMIT);
        link.head_is_read();
        assert_eq!(link.patience(HEAD_LIMIT), None, "what is under way is not watched here");
    }
}
