//! One line per event: JSON for machines, readable on a terminal. Never a prompt, an answer or a credential.

mod describe;
mod libraries;
mod line;
mod writer;

use std::cell::RefCell;
use std::fmt;
use std::io::{IsTerminal, Write};
use std::time::Duration;

use crate::vocabulary::Now;

use self::line::{Form, Level, Line};
use self::writer::Writer;
use super::event::Event;

pub(super) use self::libraries::Libraries;

/// Where log lines go, and in which form.
pub enum LogTo {
    /// Nowhere.
    Nowhere,
    /// Standard error: one readable line on a terminal, JSON otherwise.
    Stderr,
    /// Standard error, JSON whatever it is (`json_logs: true`).
    StderrJson,
    /// Standard output: one readable line on a terminal, JSON otherwise.
    Stdout,
    /// Standard output, JSON whatever it is.
    StdoutJson,
    /// JSON to a writer of the caller's.
    Json(Box<dyn Write + Send>),
    /// Readable lines to a writer of the caller's.
    Pretty(Box<dyn Write + Send>),
}

impl LogTo {
    fn open(self) -> Option<(Form, Box<dyn Write + Send>)> {
        Some(match self {
            Self::Nowhere => return None,
            Self::Stderr => (Form::of(&std::io::stderr()), Box::new(std::io::stderr())),
            Self::StderrJson => (Form::Json, Box::new(std::io::stderr())),
            Self::Stdout => (Form::of(&std::io::stdout()), Box::new(std::io::stdout())),
            Self::StdoutJson => (Form::Json, Box::new(std::io::stdout())),
            Self::Json(writer) => (Form::Json, writer),
            Self::Pretty(writer) => (Form::Pretty, writer),
        })
    }
}

impl Form {
    fn of(stream: &impl IsTerminal) -> Self {
        if stream.is_terminal() { Self::Pretty } else { Self::Json }
    }
}

impl fmt::Debug for LogTo {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("LogTo(..)")
    }
}

/// The log: a form and a writer, or nothing.
#[derive(Debug)]
pub(super) struct Log(Option<(Form, Writer)>);

thread_local! {
    /// Lines are built here, so that an exchange's line costs no allocation.
    static BUFFER: RefCell<String> = const { RefCell::new(String::new()) };
}

impl Log {
    pub(super) fn new(to: LogTo) -> Self {
        Self(to.open().map(|(form, sink)| (form, Writer::start(sink))))
    }

    /// Queues the event's line.
    pub(super) fn event(&self, event: &Event<'_>, now: Now) {
        let Some((form, writer)) = &self.0 else { return };
        BUFFER.with_borrow_mut(|buffer| {
            buffer.clear();
            describe::event(event, now, Line::new(buffer, *form));
            writer.push(buffer.as_bytes());
        });
    }

    /// Queues a line about the number of series, said at start and after a reload.
    pub(super) fn series(&self, bound: usize, wanted: usize, max: usize, now: Now) {
        let Some((form, writer)) = &self.0 else { return };
        let mut buffer = String::new();
        describe::series(bound, wanted, max, now, Line::new(&mut buffer, *form));
        writer.push(buffer.as_bytes());
    }

    /// Queues a library's remark.
    fn library(&self, record: &log::Record<'_>, now: Now) {
        let Some((form, writer)) = &self.0 else { return };
        // Not the shared buffer: the arguments are code of others, and might log themselves.
        let text = record.args().to_string();
        let mut buffer = String::new();
        let mut line = Line::new(&mut buffer, *form);
        line.begin(now, Level::from(record.level()), "library");
        line.word("target", record.target());
        line.text("text", &text);
        line.end();
        writer.push(buffer.as_bytes());
    }

    pub(super) fn lines_dropped(&self) -> u64 {
        self.0.as_ref().map_or(0, |(_, writer)| writer.dropped())
    }

    pub(super) fn flush(&self, at_most: Duration) -> bool {
        self.0.as_ref().is_none_or(|(_, writer)| writer.flush(at_most))
    }
}
