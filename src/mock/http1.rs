//! HTTP/1.1 by hand: no more work per request than parsing its head and writing its answer once.

use std::io::{self, Write as _};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf, BytesMut};
use http::StatusCode;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::body::{BadFraming, Chunk, Framing};
use super::http2::{self, Rewound};
use super::journal::Note;
use super::request::Request;
use super::script::{self, Head, Played, Wire};
use super::site::{Heard, Site};

/// Longest head of a request.
const HEAD_BYTES_MAX: usize = 64 << 10;
/// Most header lines.
const HEADERS_MAX: usize = 100;
/// Room for reading: what a request usually fits in, and what a long body is read in.
const READ_BYTES: usize = 8 << 10;
const READ_LONG_BYTES: usize = 64 << 10;
/// What HTTP/2 begins with.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n";

/// Serves a connection until either side is done with it.
///
/// # Errors
/// The connection broke.
pub(super) async fn serve<IO>(io: IO, site: Arc<Site>) -> io::Result<()>
where
    IO: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let mut line = Line {
        io,
        input: BytesMut::with_capacity(READ_BYTES),
        output: Vec::new(),
        framed: Framed::Length,
        last: Next::Another,
    };
    if site.h2 && line.speaks_h2().await? {
        return Box::pin(http2::serve(Rewound::new(line.input, line.io), site)).await;
    }
    while line.exchange(&site).await? == Next::Another {}
    line.io.shutdown().await
}

/// A connection that speaks HTTP/1.
struct Line<IO> {
    io: IO,
    input: BytesMut,
    output: Vec<u8>,
    framed: Framed,
    /// Whether the answer says that the connection ends with it.
    last: Next,
}

/// How the answer's end is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Framed {
    Length,
    Chunks,
    /// To a client of HTTP/1.0, which does not know chunks.
    Closing,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    Another,
    Close,
}

/// A request's head, parsed.
struct Asked {
    request: Request,
    framing: Framing,
    expects_continue: bool,
    next: Next,
    /// HTTP/1.0
    old: bool,
    /// As it came, if requests are recorded.
    raw: Vec<u8>,
}

/// Why there is no request to answer.
enum Trouble {
    /// The client is done, or gone.
    Gone,
    Io(io::Error),
    /// It must be told, and then the connection has to end.
    Refuse(u16, &'static str),
}

impl From<io::Error> for Trouble {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<BadFraming> for Trouble {
    fn from(_: BadFraming) -> Self {
        Self::Refuse(400, "The framing of the body is broken.")
    }
}

impl<IO: AsyncRead + AsyncWrite + Unpin + Send> Line<IO> {
    /// One request and its answer.
    async fn exchange(&mut self, site: &Site) -> io::Result<Next> {
        match self.hear(site).await {
            Ok((asked, heard)) => self.answer(site, asked, &heard).await,
            Err(Trouble::Gone) => Ok(Next::Close),
            Err(Trouble::Io(error)) => Err(error),
            Err(Trouble::Refuse(status, message)) => {
                (self.framed, self.last) = (Framed::Length, Next::Close);
                script::play(self, site.refuse(status, message), &site.journal).await?;
                Ok(Next::Close)
            }
        }
    }

    async fn hear(&mut self, site: &Site) -> Result<(Asked, Heard), Trouble> {
        let mut asked = self.head(site).await?;
        let mut heard = site.listen(&asked.request);
        if !asked.framing.is_empty() {
            self.body(&asked, &mut heard).await?;
        }
        let head = std::mem::take(&mut asked.raw);
        site.note(&asked.request, || Note {
            protocol: if asked.old { "HTTP/1.0" } else { "HTTP/1.1" },
            head,
            body: heard.excerpt(site.journal.body_bytes_kept()),
            body_bytes: heard.bytes,
        });
        Ok((asked, heard))
    }

    async fn answer(&mut self, site: &Site, asked: Asked, heard: &Heard) -> io::Result<Next> {
        self.framed = if asked.old { Framed::Closing } else { Framed::Chunks };
        self.last = asked.next;
        match script::play(self, site.answer(asked.request, heard), &site.journal).await {
            Ok(played @ (Played::Whole | Played::HungUp)) => {
                site.journal.answered();
                let closes = played == Played::HungUp || self.framed == Framed::Closing;
                Ok(if closes { Next::Close } else { asked.next })
            }
            Ok(Played::Cut) => Ok(Next::Close),
            Err(error) => {
                site.journal.abandoned();
                Err(error)
            }
        }
    }

    /// Whether the connection begins as HTTP/2 does. Nothing is taken from the input.
    async fn speaks_h2(&mut self) -> io::Result<bool> {
        loop {
            let seen = self.input.len().min(PREFACE.len());
            if self.input[..seen] != PREFACE[..seen] {
                return Ok(false);
            }
            if seen == PREFACE.len() {
                return Ok(true);
            }
            if self.read(READ_BYTES).await? == 0 {
                return Ok(false);
            }
        }
    }

    async fn read(&mut self, room: usize) -> io::Result<usize> {
        self.input.reserve(room);
        self.io.read_buf(&mut self.input).await
    }

    async fn head(&mut self, site: &Site) -> Result<Asked, Trouble> {
        loop {
            if let Some((asked, used)) = parse(&self.input, site)? {
                self.input.advance(used);
                return Ok(asked);
            }
            if self.input.len() >= HEAD_BYTES_MAX {
                return Err(Trouble::Refuse(431, "The head of the request is too long."));
            }
            if self.read(READ_BYTES).await? == 0 {
                return Err(Trouble::Gone);
            }
        }
    }

    async fn body(&mut self, asked: &Asked, heard: &mut Heard) -> Result<(), Trouble> {
        if asked.expects_continue && self.input.is_empty() {
            self.io.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").await?;
        }
        let mut framing = asked.framing;
        loop {
            let taken = framing.take(&self.input)?;
            if !heard.push(taken.data) {
                return Err(Trouble::Refuse(413, "The body is too long."));
            }
            let (used, over) = (taken.used, taken.over);
            self.input.advance(used);
            if over {
                return Ok(());
            }
            if (used == 0 || self.input.is_empty()) && self.read(READ_LONG_BYTES).await? == 0 {
                return Err(Trouble::Gone);
            }
        }
    }
}

/// Reads a head, if all of it is there.
fn parse(input: &[u8], site: &Site) -> Result<Option<(Asked, usize)>, Trouble> {
    let mut lines = [httparse::EMPTY_HEADER; HEADERS_MAX];
    let mut head = httparse::Request::new(&mut lines);
    let used = match head.parse(input) {
        Ok(httparse::Status::Complete(used)) => used,
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(httparse::Error::TooManyHeaders) => return Err(Trouble::Refuse(431, "There are too many headers.")),
        Err(_) => return Err(Trouble::Refuse(400, "The head of the request is not HTTP/1.")),
    };
    let old = head.version == Some(0);
    let request = Request::new(head.method.unwrap_or_default(), head.path.unwrap_or_default(), &site.knobs);
    let next = if old { Next::Close } else { Next::Another };
    let raw = if site.journal.records() { input[..used].to_vec() } else { Vec::new() };
    let mut asked = Asked { request, framing: Framing::Length(0), expects_continue: false, next, old, raw };
    head.headers.iter().try_for_each(|header| asked.header(header.name, header.value))?;
    Ok(Some((asked, used)))
}

impl Asked {
    fn header(&mut self, name: &str, value: &[u8]) -> Result<(), Trouble> {
        match name.len() {
            6 if name.eq_ignore_ascii_case("expect") => self.expects_continue = true,
            10 if name.eq_ignore_ascii_case("connection") => self.connection(value),
            14 if name.eq_ignore_ascii_case("content-length") => self.length(value)?,
            17 if name.eq_ignore_ascii_case("transfer-encoding") => self.coding(value)?,
            _ => self.request.header(name, value),
        }
        Ok(())
    }

    fn connection(&mut self, value: &[u8]) {
        if value.eq_ignore_ascii_case(b"close") {
            self.next = Next::Close;
        } else if value.eq_ignore_ascii_case(b"keep-alive") {
            self.next = Next::Another;
        }
    }

    fn length(&mut self, value: &[u8]) -> Result<(), Trouble> {
        let length = std::str::from_utf8(value).ok().and_then(|text| text.trim().parse().ok());
        let length = length.filter(|_| matches!(self.framing, Framing::Length(0)));
        self.framing = Framing::Length(length.ok_or(BadFraming)?);
        Ok(())
    }

    fn coding(&mut self, value: &[u8]) -> Result<(), Trouble> {
        if !value.eq_ignore_ascii_case(b"chunked") || !self.framing.is_empty() {
            return Err(BadFraming.into());
        }
        self.framing = Framing::Chunked(Chunk::Size);
        Ok(())
    }
}

impl<IO: AsyncRead + AsyncWrite + Unpin + Send> Wire for Line<IO> {
    fn open(&mut self, head: &Head) -> io::Result<()> {
        let usual = StatusCode::from_u16(head.status).ok().and_then(|status| status.canonical_reason());
        let reason = head.reason.as_deref().or(usual).unwrap_or("Unknown");
        let out = &mut self.output;
        write!(out, "HTTP/1.1 {} {reason}\r\ncontent-type: {}\r\n", head.status, head.media)?;
        write!(out, "x-request-id: req_mock{:024}\r\n", head.serial)?;
        for (name, value) in &head.extra {
            write!(out, "{name}: {value}\r\n")?;
        }
        if self.last == Next::Close || (head.length.is_none() && self.framed == Framed::Closing) {
            out.extend_from_slice(b"connection: close\r\n");
        }
        match head.length {
            Some(length) => {
                self.framed = Framed::Length;
                write!(out, "content-length: {length}\r\n\r\n")
            }
            None if self.framed == Framed::Closing => write!(out, "\r\n"),
            None => write!(out, "transfer-encoding: chunked\r\n\r\n"),
        }
    }

    fn push(&mut self, piece: &[u8]) {
        if self.framed != Framed::Chunks {
            return self.output.extend_from_slice(piece);
        }
        if piece.is_empty() {
            return;
        }
        super::chat::put(&mut self.output, format_args!("{:x}\r\n", piece.len()));
        self.output.extend_from_slice(piece);
        self.output.extend_from_slice(b"\r\n");
    }

    async fn flush(&mut self) -> io::Result<()> {
        if !self.output.is_empty() {
            self.io.write_all(&self.output).await?;
            self.io.flush().await?;
            self.output.clear();
        }
        Ok(())
    }

    async fn pause(&mut self, time: Duration) -> io::Result<()> {
        if time.is_zero() {
            return Ok(());
        }
        let mut over = pin!(tokio::time::sleep(time));
        while self.input.len() < HEAD_BYTES_MAX {
            self.input.reserve(READ_BYTES);
            tokio::select! {
                () = &mut over => return Ok(()),
                read = self.io.read_buf(&mut self.input) => if read? == 0 {
                    return Err(io::Error::new(io::ErrorKind::ConnectionAborted, "the client has gone"));
                },
            }
        }
        over.await;
        Ok(())
    }

    async fn finish(&mut self) -> io::Result<()> {
        if self.framed == Framed::Chunks {
            self.output.extend_from_slice(b"0\r\n\r\n");
        }
        self.flush().await
    }

    async fn cut(&mut self) {}
}
