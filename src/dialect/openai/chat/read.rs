//! Reads a chat completions request.

use crate::chat::Chat;
use crate::vocabulary::{Fault, Kind};

/// Reads the body of a chat completions request.
pub(super) fn chat(_body: &[u8], _stream: bool) -> Result<Chat<'_>, Fault> {
    Err(Fault::client(Kind::BadRequest, "not yet"))
}
