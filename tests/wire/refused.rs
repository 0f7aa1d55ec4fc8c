//! What the gateway will not pass on, and why.

/// A refusal that is meant.
pub(crate) struct Refused {
    /// The provider of the recording; `*` for all.
    pub(crate) provider: &'static str,
    /// A part of what the client is told.
    pub(crate) message: &'static str,
    /// Why it is right.
    #[expect(dead_code, reason = "for the reader")]
    pub(crate) reason: &'static str,
}

/// All of them.
pub(crate) const REFUSED: [Refused; 0] = [];
