//! stub

use std::fmt;
use std::io::Write;

/// Where log lines go, and in which form.
pub enum LogTo {
    /// Nowhere.
    Nowhere,
    /// Standard error: one readable line on a terminal, JSON otherwise.
    Stderr,
    /// Standard error, JSON whatever it is (`json_logs: true`).
    StderrJson,
    /// JSON to a writer, for tests.
    Json(Box<dyn Write + Send>),
    /// Readable lines to a writer, for tests.
    Pretty(Box<dyn Write + Send>),
}

impl fmt::Debug for LogTo {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("LogTo(..)")
    }
}
