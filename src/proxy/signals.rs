//! Signals as a stream of wishes.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// What somebody wants of the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wish {
    /// SIGHUP: read the configuration again.
    Reload,
    /// SIGTERM: finish what is open, then end.
    Drain,
    /// SIGQUIT: hand the socket to a new binary, then as SIGTERM.
    HandOver,
    /// SIGINT: end now.
    Stop,
}

pub(super) struct Signals {
    hup: Signal,
    term: Signal,
    quit: Signal,
    int: Signal,
    /// SIGXFSZ would end the process where a file may not grow (`ulimit -f`); as it is listened to, the write fails and is
    /// told of as a full disk is.
    _too_large: Signal,
}

impl Signals {
    pub(super) fn listen() -> io::Result<Self> {
        Ok(Self {
            hup: signal(SignalKind::hangup())?,
            term: signal(SignalKind::terminate())?,
            quit: signal(SignalKind::quit())?,
            int: signal(SignalKind::interrupt())?,
            _too_large: signal(SignalKind::from_raw(rustix::process::Signal::XFSZ.as_raw()))?,
        })
    }

    pub(super) async fn next(&mut self) -> Wish {
        tokio::select! {
            _ = self.hup.recv() => Wish::Reload,
            _ = self.term.recv() => Wish::Drain,
            _ = self.quit.recv() => Wish::HandOver,
            _ = self.int.recv() => Wish::Stop,
        }
    }
}
