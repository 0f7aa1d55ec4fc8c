//! Waiting on a thread that has other tasks.

use tokio::runtime::{Handle, RuntimeFlavor};

/// Waits; another thread takes over this one's tasks meanwhile.
pub(super) fn blocking(wait: impl FnOnce()) {
    match Handle::try_current().map(|handle| handle.runtime_flavor()) {
        Ok(RuntimeFlavor::MultiThread) => tokio::task::block_in_place(wait),
        _ => wait(),
    }
}
