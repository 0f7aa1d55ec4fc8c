//! The `log` crate's sink for the libraries beneath us. Their messages may quote a request's path or bytes, so only
//! those about starting, listening and stopping are printed; of all others the level is counted.

use std::sync::{Arc, OnceLock};

use crate::telemetry::hub::Telemetry;
use crate::vocabulary::Clock;

/// Parts that never see a request.
const PRINTED: [&str; 3] = ["pingora_core::server", "pingora_core::listeners", "pingora_core::services::background"];

/// See the module.
pub(crate) struct Libraries {
    telemetry: Arc<Telemetry>,
    clock: Clock,
}

impl Libraries {
    pub(crate) fn new(telemetry: Arc<Telemetry>, clock: Clock) -> Self {
        Self { telemetry, clock }
    }

    /// Becomes the process's logger, once. False: there is one already.
    pub(crate) fn install(self) -> bool {
        static INSTALLED: OnceLock<Libraries> = OnceLock::new();
        let installed = log::set_logger(INSTALLED.get_or_init(|| self)).is_ok();
        if installed {
            log::set_max_level(log::LevelFilter::Info);
        }
        installed
    }
}

impl log::Log for Libraries {
    fn enabled(&self, metadata: &log::Metadata<'_>) -> bool {
        metadata.level() <= log::Level::Info
    }

    fn log(&self, record: &log::Record<'_>) {
        if !self.enabled(record.metadata()) {
            return;
        }
        if is_printed(record.target()) {
            self.telemetry.log().library(record, self.clock.now());
        } else {
            self.telemetry.count_library_record(record.level());
        }
    }

    fn flush(&self) {}
}

fn is_printed(target: &str) -> bool {
    PRINTED.iter().any(|part| target.strip_prefix(part).is_some_and(|rest| rest.is_empty() || rest.starts_with("::")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_quote_a_request_is_not_printed() {
        for target in ["pingora_core::server", "pingora_core::server::transfer_fd", "pingora_core::listeners::l4"] {
            assert!(is_printed(target), "{target}");
        }
        for target in ["pingora_proxy", "pingora_core::protocols::http::v1::server", "pingora_core::services", "h2", ""]
        {
            assert!(!is_printed(target), "{target}");
        }
    }
}
