//! Reading usage as OpenAI and the vendors of its format report it.

use crate::vocabulary::Metered;

use super::Endpoint;

/// Reads the value of a `usage` member.
pub fn metered(_endpoint: Endpoint, _usage: &[u8]) -> Metered {
    Metered::Absent
}
