//! A client that sees every byte: HTTP/1.1 over a socket, answers whole or event by event.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// Long enough that only a hang can reach it.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// One kept-alive connection.
pub(crate) struct Client<S: Read + Write = TcpStream> {
    stream: BufReader<S>,
}

/// A whole answer.
#[derive(Clone, Debug, Default)]
pub(crate) struct Answer {
    /// Of the status line.
    pub(crate) status: u16,
    /// The status line and headers as they came.
    pub(crate) head: String,
    /// The body without its framing.
    pub(crate) body: Vec<u8>,
}

/// An answer whose head was read and whose body is not.
pub(crate) struct Reply<'a, S: Read + Write = TcpStream> {
    /// Head as above; the body stays empty.
    pub(crate) answer: Answer,
    stream: &'a mut BufReader<S>,
    framing: Framing,
}

enum Framing {
    Length(usize),
    Chunked,
    Close,
}

impl Client {
    /// Connects.
    pub(crate) fn connect(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_nodelay(true)?;
        Ok(Self { stream: BufReader::new(stream) })
    }

    /// Another handle of the connection, to break it from elsewhere.
    pub(crate) fn handle(&self) -> TcpStream {
        self.stream.get_ref().try_clone().unwrap()
    }
}

impl<S: Read + Write> Client<S> {
    /// Speaks over something that is connected already.
    pub(crate) fn over(stream: S) -> Self {
        Self { stream: BufReader::new(stream) }
    }

    /// Sends a request and reads the head of its answer. `headers` are whole lines.
    pub(crate) fn send(&mut self, line: &str, headers: &str, body: &[u8]) -> io::Result<Reply<'_, S>> {
        let length = if line.starts_with("GET") { String::new() } else { format!("content-length: {}\r\n", body.len()) };
        let mut request = format!("{line} HTTP/1.1\r\nhost: tollgate\r\n{headers}{length}\r\n").into_bytes();
        request.extend_from_slice(body);
        self.stream.get_mut().write_all(&request)?;
        self.stream.get_mut().flush()?;
        Reply::read(&mut self.stream)
    }

    /// One call to `/v1/chat/completions`, answered whole.
    pub(crate) fn chat(&mut self, key: &str, body: &str) -> io::Result<Answer> {
        self.stream(key, body)?.whole()
    }

    /// One call to `/v1/chat/completions`, its answer not yet read.
    pub(crate) fn stream(&mut self, key: &str, body: &str) -> io::Result<Reply<'_, S>> {
        let headers = format!("authorization: Bearer {key}\r\ncontent-type: application/json\r\n");
        self.send("POST /v1/chat/completions", &headers, body.as_bytes())
    }

    /// One call to `/v1/chat/completions`, read until its end or where it breaks off.
    pub(crate) fn chat_to_the_end(&mut self, key: &str, body: &str) -> Answer {
        self.stream(key, body).unwrap().rest().0
    }

    /// One GET, answered whole.
    pub(crate) fn get(&mut self, path: &str) -> io::Result<Answer> {
        self.send(&format!("GET {path}"), "", b"")?.whole()
    }
}

impl<'a, S: Read + Write> Reply<'a, S> {
    fn read(stream: &'a mut BufReader<S>) -> io::Result<Self> {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if stream.read_line(&mut head)? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        let status = head.get(9..12).and_then(|digits| digits.parse().ok()).ok_or(io::ErrorKind::InvalidData)?;
        let answer = Answer { status, head, body: Vec::new() };
        let framing = match (answer.header("transfer-encoding"), answer.header("content-length")) {
            (Some(_), _) => Framing::Chunked,
            (None, Some(length)) => Framing::Length(length.parse().map_err(io::Error::other)?),
            (None, None) => Framing::Close,
        };
        Ok(Self { answer, stream, framing })
    }

    /// The next bytes of the body; `None` at its end, an error where it breaks off.
    pub(crate) fn piece(&mut self) -> io::Result<Option<Vec<u8>>> {
        match &mut self.framing {
            Framing::Length(0) => Ok(None),
            Framing::Length(length) => {
                let mut bytes = vec![0; *length];
                self.stream.read_exact(&mut bytes)?;
                *length = 0;
                Ok(Some(bytes))
            }
            Framing::Chunked => self.chunk(),
            Framing::Close => {
                let mut bytes = Vec::new();
                self.stream.read_to_end(&mut bytes)?;
                self.framing = Framing::Length(0);
                Ok((!bytes.is_empty()).then_some(bytes))
            }
        }
    }

    fn chunk(&mut self) -> io::Result<Option<Vec<u8>>> {
        let mut line = String::new();
        if self.stream.read_line(&mut line)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let size = usize::from_str_radix(line.trim_end(), 16).map_err(io::Error::other)?;
        let mut bytes = vec![0; size + 2];
        self.stream.read_exact(&mut bytes)?;
        bytes.truncate(size);
        if size == 0 {
            self.framing = Framing::Length(0);
            return Ok(None);
        }
        Ok(Some(bytes))
    }

    /// Reads until so many events are there, and gives what came. Fewer where the stream ends before.
    pub(crate) fn events(&mut self, count: usize) -> io::Result<String> {
        let mut seen = String::new();
        while seen.matches("\n\n").count() < count {
            match self.piece()? {
                Some(piece) => seen.push_str(&String::from_utf8_lossy(&piece)),
                None => break,
            }
        }
        Ok(seen)
    }

    /// Reads to the end.
    pub(crate) fn whole(mut self) -> io::Result<Answer> {
        while let Some(piece) = self.piece()? {
            self.answer.body.extend_from_slice(&piece);
        }
        Ok(self.answer)
    }

    /// Reads until the end or until it breaks off, and says which.
    pub(crate) fn rest(mut self) -> (Answer, io::Result<()>) {
        loop {
            match self.piece() {
                Ok(Some(piece)) => self.answer.body.extend_from_slice(&piece),
                Ok(None) => return (self.answer, Ok(())),
                Err(error) => return (self.answer, Err(error)),
            }
        }
    }
}

impl Answer {
    /// The first header of this lower-case name.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let lines = self.head.lines().skip(1).filter_map(|line| line.split_once(": "));
        lines.into_iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// The body as text.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}
