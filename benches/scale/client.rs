//! One connection to the gateway, and how long its answers take.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use tollgate::vocabulary::Clock;

use crate::Failure;

/// Keeps its connection.
#[derive(Debug)]
pub(crate) struct Client {
    stream: BufReader<TcpStream>,
    clock: Clock,
}

impl Client {
    pub(crate) fn connect(address: SocketAddr) -> Result<Self, Failure> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        Ok(Self { stream: BufReader::new(stream), clock: Clock::machine() })
    }

    /// Asks, and says how long it took until the answer was whole.
    ///
    /// # Errors
    /// The answer is none, or not 200.
    pub(crate) fn ask(&mut self, line: &str, key: &str, body: &str) -> Result<Duration, Failure> {
        let began = self.clock.now();
        let request = format!(
            "{line} HTTP/1.1\r\nhost: gateway\r\nauthorization: Bearer {key}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        self.stream.get_mut().write_all(request.as_bytes())?;
        let (mut status, mut length, mut text) = (String::new(), 0, String::new());
        self.stream.read_line(&mut status)?;
        loop {
            text.clear();
            self.stream.read_line(&mut text)?;
            let Some((name, value)) = text.trim().split_once(':') else { break };
            if name.eq_ignore_ascii_case("content-length") {
                length = value.trim().parse()?;
            }
        }
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body)?;
        let took = self.clock.now().since(began);
        if status.contains(" 200 ") {
            return Ok(took);
        }
        Err(format!("{line}: {}: {}", status.trim(), String::from_utf8_lossy(&body)).into())
    }
}
