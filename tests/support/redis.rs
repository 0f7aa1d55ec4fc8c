//! A Redis of one test's own, on a free port.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};

use super::rig::eventually;
use super::{Scratch, stand};

/// A Redis of one test's own.
pub(crate) struct Redis {
    child: Child,
    pub(crate) port: u16,
    flags: Vec<String>,
    home: Scratch,
}

impl Redis {
    /// None, with a word of why, where there is none.
    pub(crate) fn start(name: &str, flags: &[String]) -> Option<Self> {
        let found = Command::new("redis-server").arg("--version").stdout(Stdio::null()).status();
        if !found.is_ok_and(|status| status.success()) {
            stand::skipped("redis-server is not installed (Debian: apt-get install redis-server)");
            return None;
        }
        loop {
            let home = Scratch::new(name);
            let port = free_port();
            let mut redis = Self { child: Self::run(&home, port, flags), port, flags: flags.to_vec(), home };
            // Another may have taken the port in between.
            if redis.answers() {
                return Some(redis);
            }
        }
    }

    fn run(home: &Scratch, port: u16, flags: &[String]) -> Child {
        let mut command = Command::new("redis-server");
        command.args(["--bind", "127.0.0.1", "--port", &port.to_string(), "--save", "", "--appendonly", "no", "--dir"]);
        command.arg(home.path()).args(flags).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
    }

    /// Waits until it answers; false if it ended instead.
    fn answers(&mut self) -> bool {
        let mut ended = false;
        eventually("Redis answers", || {
            ended = self.child.try_wait().unwrap().is_some();
            ended || self.ping()
        });
        !ended
    }

    fn ping(&self) -> bool {
        let Ok(mut stream) = TcpStream::connect(("127.0.0.1", self.port)) else { return false };
        let mut answer = [0; 5];
        stream.write_all(b"PING\r\n").is_ok() && stream.read_exact(&mut answer).is_ok() && &answer == b"+PONG"
    }

    /// Ends it at once.
    pub(crate) fn stop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Starts it again, with nothing in it.
    pub(crate) fn again(&mut self) {
        self.child = Self::run(&self.home, self.port, &self.flags);
        assert!(self.answers(), "the port was taken meanwhile");
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        let _ended = self.child.kill().and_then(|()| self.child.wait());
    }
}

/// A port that nobody listens on just now.
pub(crate) fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}
