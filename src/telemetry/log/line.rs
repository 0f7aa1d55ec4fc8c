//! A line, member by member.

use std::cell::RefCell;
use std::fmt::{Display, Write};
use std::time::Duration;

use jiff::Timestamp;

use crate::telemetry::text::{TEXT_BYTES_MAX, push_shown};
use crate::vocabulary::Now;

/// How a line looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// One JSON object.
    Json,
    /// `time level event name=value ...`
    Pretty,
}

/// How much an operator should care.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Level {
    Info,
    Warn,
    Error,
}

impl Level {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warn => "warn",
            Self::Error => "error",
        }
    }
}

impl From<log::Level> for Level {
    fn from(level: log::Level) -> Self {
        match level {
            log::Level::Error => Self::Error,
            log::Level::Warn => Self::Warn,
            log::Level::Info | log::Level::Debug | log::Level::Trace => Self::Info,
        }
    }
}

/// A line under construction. Values are escaped and capped here, whoever wrote them.
pub(super) struct Line<'a> {
    out: &'a mut String,
    form: Form,
}

impl<'a> Line<'a> {
    pub(super) fn new(out: &'a mut String, form: Form) -> Self {
        Self { out, form }
    }

    /// Time, level and event: the first members of every line.
    pub(super) fn begin(&mut self, now: Now, level: Level, event: &'static str) {
        let (json, level) = (self.form == Form::Json, level.as_str());
        self.out.push_str(if json { "{\"time\":\"" } else { "" });
        push_time(self.out, now.wall_ms);
        if json {
            self.write(format_args!("\",\"level\":\"{level}\",\"event\":\"{event}\""));
        } else {
            self.write(format_args!(" {level:5} {event}"));
        }
    }

    /// Closes the line.
    pub(super) fn end(self) {
        self.out.push_str(if self.form == Form::Json { "}\n" } else { "\n" });
    }

    /// A text of somebody else's.
    pub(super) fn text(&mut self, name: &str, text: &str) {
        self.text_capped(name, text, TEXT_BYTES_MAX);
    }

    /// A text of somebody else's that may be longer, such as the reason for refusing a configuration.
    pub(super) fn text_capped(&mut self, name: &str, text: &str, bytes_max: usize) {
        self.name(name);
        self.out.push('"');
        push_shown(self.out, text, bytes_max);
        self.out.push('"');
    }

    /// A word of ours or of the configuration's: quoted only where it must be.
    pub(super) fn word(&mut self, name: &str, word: &str) {
        let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.' | b'/' | b':' | b'*');
        if self.form == Form::Pretty && !word.is_empty() && word.len() <= TEXT_BYTES_MAX && word.bytes().all(plain) {
            self.name(name);
            self.out.push_str(word);
        } else {
            self.text(name, word);
        }
    }

    /// A word, unless it is empty.
    pub(super) fn word_if_any(&mut self, name: &str, word: &str) {
        if !word.is_empty() {
            self.word(name, word);
        }
    }

    /// A number, or true or false: what JSON takes without quotes.
    pub(super) fn bare(&mut self, name: &str, value: impl Display) {
        self.name(name);
        self.write(format_args!("{value}"));
    }

    /// Something that prints without quotes or controls, such as an address.
    pub(super) fn quoted(&mut self, name: &str, value: impl Display) {
        self.name(name);
        self.write(format_args!("\"{value}\""));
    }

    /// Milliseconds, to the microsecond.
    pub(super) fn ms(&mut self, name: &str, duration: Duration) {
        let us = duration.as_micros();
        self.name(name);
        self.write(format_args!("{}.{:03}", us / 1000, us % 1000));
    }

    fn name(&mut self, name: &str) {
        match self.form {
            Form::Json => [",\"", name, "\":"].iter().for_each(|part| self.out.push_str(part)),
            Form::Pretty => [" ", name, "="].iter().for_each(|part| self.out.push_str(part)),
        }
    }

    fn write(&mut self, args: std::fmt::Arguments<'_>) {
        // Writing to a String cannot fail.
        _ = self.out.write_fmt(args);
    }
}

thread_local! {
    /// The second that was written last, and how: many lines share one.
    static SECOND: RefCell<(i64, String)> = const { RefCell::new((i64::MIN, String::new())) };
}

/// UTC to the millisecond; the epoch for a time beyond the calendar.
fn push_time(out: &mut String, wall_ms: i64) {
    let (second, ms) = (wall_ms.div_euclid(1000), wall_ms.rem_euclid(1000));
    SECOND.with_borrow_mut(|(last, text)| {
        if *last != second {
            let time = Timestamp::from_second(second).unwrap_or(Timestamp::UNIX_EPOCH);
            (*last, *text) = (second, time.strftime("%Y-%m-%dT%H:%M:%S").to_string());
        }
        out.push_str(text);
    });
    _ = write!(out, ".{ms:03}Z");
}
