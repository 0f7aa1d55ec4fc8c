//! A client's TCP stream that joins small writes: a head and its body leave in one segment.

use std::fmt;
use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::os::fd::AsRawFd;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use async_trait::async_trait;
use pingora::protocols::raw_connect::ProxyDigest;
use pingora::protocols::{
    GetProxyDigest, GetSocketDigest, GetTimingDigest, Peek, Shutdown, SocketDigest, Ssl, TimingDigest, UniqueID,
    UniqueIDType,
};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;

/// What is kept until a flush; larger writes go out at once, together with what was kept.
const PENDING_BYTES_MAX: usize = 8 * 1024;

/// A stream without read buffer (Pingora has its own) and with a write buffer that is as large as what it holds.
pub(super) struct Plain {
    tcp: TcpStream,
    pending: Vec<u8>,
    digest: Arc<SocketDigest>,
}

impl Plain {
    pub(super) fn new(tcp: TcpStream, peer: SocketAddr) -> Self {
        let digest = SocketDigest::from_raw_fd(tcp.as_raw_fd());
        // The cell is new: nobody can have filled it.
        let _first = digest.peer_addr.set(Some(peer.into()));
        Self { tcp, pending: Vec::new(), digest: Arc::new(digest) }
    }

    fn write_pending(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.pending.is_empty() {
            let written = ready!(Pin::new(&mut self.tcp).poll_write(context, &self.pending))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.pending.drain(..written);
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncRead for Plain {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().tcp).poll_read(context, buffer)
    }
}

impl AsyncWrite for Plain {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if this.pending.len() + bytes.len() <= PENDING_BYTES_MAX {
            this.pending.extend_from_slice(bytes);
            return Poll::Ready(Ok(bytes.len()));
        }
        while !this.pending.is_empty() {
            let both = [IoSlice::new(&this.pending), IoSlice::new(bytes)];
            let written = ready!(Pin::new(&mut this.tcp).poll_write_vectored(context, &both))?;
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
        Pin::new(&mut this.tcp).poll_write(context, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(this.write_pending(context))?;
        Pin::new(&mut this.tcp).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(this.write_pending(context))?;
        Pin::new(&mut this.tcp).poll_shutdown(context)
    }
}

#[async_trait]
impl Shutdown for Plain {
    async fn shutdown(&mut self) {
        if let Err(error) = AsyncWriteExt::shutdown(self).await {
            log::debug!("a client connection did not shut down: {error}");
        }
    }
}

impl UniqueID for Plain {
    fn id(&self) -> UniqueIDType {
        self.tcp.as_raw_fd()
    }
}

impl GetTimingDigest for Plain {
    fn get_timing_digest(&self) -> Vec<Option<TimingDigest>> {
        Vec::new()
    }
}

impl GetProxyDigest for Plain {
    fn get_proxy_digest(&self) -> Option<Arc<ProxyDigest>> {
        None
    }
}

impl GetSocketDigest for Plain {
    fn get_socket_digest(&self) -> Option<Arc<SocketDigest>> {
        Some(self.digest.clone())
    }
}

impl Ssl for Plain {}

impl Peek for Plain {}

impl fmt::Debug for Plain {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Plain({})", self.tcp.as_raw_fd())
    }
}
