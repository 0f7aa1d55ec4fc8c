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
}

impl Signals {
    pub(super) fn listen() -> io::Result<Self> {
        Ok(Self {
            hup: signal(SignalKind::hangup())?,
            term: signal(SignalKind::terminate())?,
            quit: signal(SignalKind::quit())?,
            int: signal(SignalKind::interrupt())?,
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
