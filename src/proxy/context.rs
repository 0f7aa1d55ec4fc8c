//! What the hooks of one request hand to each other.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::gate::InFlight;
use super::replay::Shared;
use super::sending::Sending;
use crate::exchange::{Outbound, Planned};
use crate::vocabulary::{Fault, Now};

/// One request on its way through Pingora's hooks.
#[derive(Default)]
pub struct Context {
    pub(super) exchange: Option<Box<Planned>>,
    pub(super) in_flight: Option<InFlight>,
    pub(super) shared: Option<Arc<Shared>>,
    /// Written by `request_filter` for the first attempt, and by `upstream_peer` for later ones.
    pub(super) outbound: Option<Outbound>,
    /// The request that the current attempt sends.
    pub(super) sending: Option<Sending>,
    pub(super) backoff: Duration,
    /// A filter has decided already what comes of its error.
    pub(super) decided: Option<Decided>,
    pub(super) mode: Mode,
    /// The client sees the stream.
    pub(super) opened: bool,
    /// The deployment that was gone on to is answered for here.
    pub(super) local: bool,
    pub(super) out: Vec<Bytes>,
    pub(super) fault: Option<Fault>,
    pub(super) first_byte: Option<Now>,
    pub(super) h2: bool,
    pub(super) stalled: bool,
}

/// What a filter decided about the error it returns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Decided {
    Retry,
    Final,
}

/// How the answer is treated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Mode {
    /// No head yet.
    #[default]
    Waiting,
    /// Held until its end.
    Hold,
    /// Passed on event by event.
    Stream,
}
