//! Where the configuration comes from: a file, or the quick start in the binary.

use std::path::PathBuf;

use super::{credentials, quickstart};
use crate::config::{self, Purpose, Report, Settings, Surroundings};
pub use crate::exchange::Served;
use crate::proxy::Source;

/// The process' environment, and beside it systemd's credentials.
pub fn environment(name: &str) -> Option<String> {
    credentials::lookup(name)
}

/// A configuration that can be read again.
#[derive(Clone, Debug)]
pub enum Configured {
    /// A file and what it includes.
    File(PathBuf),
    /// The quick start.
    QuickStart,
}

impl Configured {
    /// Reads it and says what was found.
    pub fn read(&self) -> (Option<Settings>, Report) {
        let purpose = match self {
            Self::File(_) => Purpose::Serve,
            Self::QuickStart => Purpose::QuickStart,
        };
        let surroundings = Surroundings { env: &environment, providers: &Served, purpose };
        match self {
            Self::File(path) => config::load(path, &surroundings),
            Self::QuickStart => config::load_text(quickstart::NAME, config::QUICKSTART, &surroundings),
        }
    }
}

impl Source for Configured {
    fn load(&self) -> Result<Settings, String> {
        let (settings, report) = self.read();
        settings.ok_or_else(|| {
            let fatal = report.findings.iter().filter(|finding| finding.status.is_fatal());
            fatal.map(ToString::to_string).collect::<Vec<_>>().join("; ")
        })
    }

    fn files(&self) -> Vec<PathBuf> {
        match self {
            Self::File(path) => config::files_of(path),
            Self::QuickStart => Vec::new(),
        }
    }
}
