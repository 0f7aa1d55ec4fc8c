//! A line, member by member.

use std::cell::RefCell;
use std::fmt::Write;
use std::net::IpAddr;
use std::time::Duration;

use jiff::Timestamp;

use crate::telemetry::text::{TEXT_BYTES_MAX, push_shown};
use crate::vocabulary::digits::{self, Integer};
use crate::vocabulary::{Now, PicoUsd};

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
            ["\",\"level\":\"", level, "\",\"event\":\"", event, "\""].iter().for_each(|part| self.out.push_str(part));
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

    /// A word that stands in the source: there is nothing to escape or to hide.
    pub(super) fn constant(&mut self, name: &str, word: &'static str) {
        self.name(name);
        let quote = if self.form == Form::Json { "\"" } else { "" };
        [quote, word, quote].iter().for_each(|part| self.out.push_str(part));
    }

    /// A word, unless it is empty.
    pub(super) fn word_if_any(&mut self, name: &str, word: &str) {
        if !word.is_empty() {
            self.word(name, word);
        }
    }

    /// A whole number.
    pub(super) fn number(&mut self, name: &str, number: impl Integer) {
        self.name(name);
        digits::push(self.out, number);
    }

    /// True or false.
    pub(super) fn truth(&mut self, name: &str, truth: bool) {
        self.name(name);
        self.out.push_str(if truth { "true" } else { "false" });
    }

    /// Dollars.
    pub(super) fn money(&mut self, name: &str, money: PicoUsd) {
        self.name(name);
        money.push_to(self.out);
    }

    /// An address.
    pub(super) fn address(&mut self, name: &str, address: IpAddr) {
        self.name(name);
        self.out.push('"');
        match address {
            IpAddr::V4(address) => digits::push_all(self.out, address.octets(), "."),
            IpAddr::V6(address) => self.write(format_args!("{address}")),
        }
        self.out.push('"');
    }

    /// Milliseconds, to the microsecond.
    pub(super) fn ms(&mut self, name: &str, duration: Duration) {
        self.name(name);
        digits::push_millis(self.out, duration);
    }

    fn name(&mut self, name: &str) {
        match self.form {
            Form::Json => {
                self.out.reserve(name.len() + 4);
                self.out.push_str(",\"");
                self.out.push_str(name);
                self.out.push_str("\":");
            }
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
    out.push('.');
    digits::push_padded(out, ms.unsigned_abs(), 3);
    out.push('Z');
}
