//! How the mock is told to behave: the same knobs as flags, request headers and members of the request's body.

use std::fmt;

use clap::ValueEnum;

/// Longest wait a knob can ask for: an hour.
const WAIT_MS_MAX: u64 = 3_600_000;
/// Most pieces an answer can have.
const CHUNKS_MAX: u32 = 1_000_000;
/// Longest text an answer can have: 64 MiB.
const TEXT_BYTES_MAX: u32 = 64 << 20;
/// Longest value of a textual knob.
const VALUE_BYTES_MAX: usize = 128;

/// How one request is answered. As flags they hold for every request; `x-mock-<knob>` headers and the body's `mock`
/// object change them for one.
#[derive(Clone, Debug, clap::Args)]
pub struct Knobs {
    /// Milliseconds until the answer begins
    #[arg(long, value_name = "MS", default_value_t = 0, value_parser = clap::value_parser!(u64).range(..=WAIT_MS_MAX))]
    pub latency_ms: u64,
    /// Pieces the text comes in: events of a stream, and completion tokens in the usage
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u32).range(..=i64::from(CHUNKS_MAX)))]
    pub chunks: u32,
    /// Milliseconds between the events of a stream
    #[arg(long, value_name = "MS", default_value_t = 0, value_parser = clap::value_parser!(u64).range(..=WAIT_MS_MAX))]
    pub gap_ms: u64,
    /// Pauses once after so many events of a stream
    #[arg(long, value_name = "EVENTS")]
    pub pause_after: Option<u32>,
    /// Milliseconds of that pause
    #[arg(long, value_name = "MS", default_value_t = 0, value_parser = clap::value_parser!(u64).range(..=WAIT_MS_MAX))]
    pub pause_ms: u64,
    /// Length of the text, spread over the pieces [default: one word for each piece]
    #[arg(long, value_name = "BYTES", value_parser = clap::value_parser!(u32).range(..=i64::from(TEXT_BYTES_MAX)))]
    pub bytes: Option<u32>,
    /// Status of the answer; from 300 on it comes with an error body
    #[arg(long, value_name = "CODE", default_value_t = 200, value_parser = clap::value_parser!(u16).range(200..=599))]
    pub status: u16,
    /// Value of a Retry-After header
    #[arg(long, value_name = "SECONDS|DATE")]
    pub retry_after: Option<String>,
    /// Breaks the connection after so many events (half-way through the body if it is not a stream)
    #[arg(long, value_name = "EVENTS")]
    pub cut_after: Option<u32>,
    /// Falls silent after so many events (half-way through the body if it is not a stream)
    #[arg(long, value_name = "EVENTS")]
    pub stall_after: Option<u32>,
    /// Ends the stream with an error event after so many events
    #[arg(long, value_name = "EVENTS")]
    pub error_after: Option<u32>,
    /// What is wrong with the body
    #[arg(long, value_name = "KIND")]
    pub malformed: Option<Malformed>,
    /// What the answer says about usage
    #[arg(long, value_name = "KIND", default_value = "full")]
    pub usage: UsageKind,
    /// Prompt tokens in the usage [default: a quarter of the request's bytes]
    #[arg(long, value_name = "N")]
    pub prompt_tokens: Option<u64>,
    /// Completion tokens in the usage [default: the number of pieces]
    #[arg(long, value_name = "N")]
    pub completion_tokens: Option<u64>,
    /// Part of the prompt tokens that came from a cache
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub cached_tokens: u64,
    /// Part of the completion tokens that were reasoning
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub reasoning_tokens: u64,
    /// Fails the first so many requests of each id (with the status, or 500), then succeeds
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub fail_times: u32,
    /// Whose failures are counted together
    #[arg(long, value_name = "ID", default_value = "")]
    pub id: String,
    /// Answers with the request's body as the text
    #[arg(long)]
    pub echo: bool,
    /// Repeats the credential it was sent in the status line, headers, errors and text of the answer
    #[arg(long)]
    pub leak: bool,
    /// Closes the connection after the answer without a word, so that the next request on it is lost (HTTP/1)
    #[arg(long)]
    pub hang_up: bool,
}

/// What can be wrong with a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Malformed {
    /// Not JSON, though it says so; in a stream, one event of many.
    Json,
    /// Not an event stream, though it says so; an event stream where JSON was asked for.
    Sse,
    /// A web page with status 200.
    Html,
    /// Nothing at all.
    Empty,
    /// Ends early, though its framing says that it is whole.
    Truncated,
}

/// What an answer says about usage.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum UsageKind {
    /// Every count, in a stream only when asked for.
    Full,
    /// Every count, in a stream also unasked: on the last event that has a choice.
    Always,
    /// No usage member.
    None,
    /// The prompt's side alone.
    Partial,
    /// Every count is zero.
    Zero,
    /// `"usage": null`.
    Null,
}

impl Default for Knobs {
    fn default() -> Self {
        Self {
            latency_ms: 0,
            chunks: 10,
            gap_ms: 0,
            pause_after: None,
            pause_ms: 0,
            bytes: None,
            status: 200,
            retry_after: None,
            cut_after: None,
            stall_after: None,
            error_after: None,
            malformed: None,
            usage: UsageKind::Full,
            prompt_tokens: None,
            completion_tokens: None,
            cached_tokens: 0,
            reasoning_tokens: 0,
            fail_times: 0,
            id: String::new(),
            echo: false,
            leak: false,
            hang_up: false,
        }
    }
}

/// A knob that does not exist, or a value it does not take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadKnob {
    name: String,
    value: String,
}

impl fmt::Display for BadKnob {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "mock knob {:?} does not exist or does not take {:?}", self.name, self.value)
    }
}

impl std::error::Error for BadKnob {}

impl Knobs {
    /// Turns one knob, named as in a header without `x-mock-` or as in the body: `latency-ms` and `latency_ms` are one.
    ///
    /// # Errors
    /// There is no such knob, or it does not take this value.
    pub fn set(&mut self, name: &str, value: &str) -> Result<(), BadKnob> {
        let known = (name.len() <= VALUE_BYTES_MAX && value.len() <= VALUE_BYTES_MAX).then(|| self.turn(name, value));
        known.flatten().ok_or_else(|| BadKnob { name: shorten(name), value: shorten(value) })
    }

    fn turn(&mut self, name: &str, value: &str) -> Option<()> {
        match name.replace('-', "_").as_str() {
            "latency_ms" => self.latency_ms = at_most(value, WAIT_MS_MAX)?,
            "gap_ms" => self.gap_ms = at_most(value, WAIT_MS_MAX)?,
            "pause_after" => self.pause_after = Some(value.parse().ok()?),
            "pause_ms" => self.pause_ms = at_most(value, WAIT_MS_MAX)?,
            "chunks" => self.chunks = value.parse().ok().filter(|n| *n <= CHUNKS_MAX)?,
            "bytes" => self.bytes = Some(value.parse().ok().filter(|n| *n <= TEXT_BYTES_MAX)?),
            "status" => self.status = value.parse().ok().filter(|code| (200..=599).contains(code))?,
            "retry_after" => self.retry_after = Some(header_value(value)?),
            "cut_after" => self.cut_after = Some(value.parse().ok()?),
            "stall_after" => self.stall_after = Some(value.parse().ok()?),
            "error_after" => self.error_after = Some(value.parse().ok()?),
            "malformed" => self.malformed = Some(Malformed::from_str(value, true).ok()?),
            "usage" => self.usage = UsageKind::from_str(value, true).ok()?,
            "prompt_tokens" => self.prompt_tokens = Some(value.parse().ok()?),
            "completion_tokens" => self.completion_tokens = Some(value.parse().ok()?),
            "cached_tokens" => self.cached_tokens = value.parse().ok()?,
            "reasoning_tokens" => self.reasoning_tokens = value.parse().ok()?,
            "fail_times" => self.fail_times = value.parse().ok()?,
            "id" => value.clone_into(&mut self.id),
            "echo" => self.echo = flag(value)?,
            "leak" => self.leak = flag(value)?,
            "hang_up" => self.hang_up = flag(value)?,
            _ => return None,
        }
        Some(())
    }
}

fn at_most(value: &str, max: u64) -> Option<u64> {
    value.parse().ok().filter(|number| *number <= max)
}

/// A header's value must not end the header.
fn header_value(value: &str) -> Option<String> {
    value.bytes().all(|byte| (b' '..=b'~').contains(&byte)).then(|| value.to_owned())
}

fn flag(value: &str) -> Option<bool> {
    match value {
        "" | "1" | "true" | "yes" => Some(true),
        "0" | "false" | "no" => Some(false),
        _ => None,
    }
}

fn shorten(text: &str) -> String {
    text.chars().take(VALUE_BYTES_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_knob_has_one_name_in_headers_and_bodies() {
        let mut knobs = Knobs::default();
        knobs.set("latency-ms", "5").unwrap();
        knobs.set("gap_ms", "7").unwrap();
        knobs.set("malformed", "html").unwrap();
        knobs.set("usage", "partial").unwrap();
        assert_eq!((knobs.latency_ms, knobs.gap_ms), (5, 7));
        assert_eq!((knobs.malformed, knobs.usage), (Some(Malformed::Html), UsageKind::Partial));
    }

    #[test]
    fn an_unknown_knob_or_value_is_refused_by_name() {
        let mut knobs = Knobs::default();
        let too_long = "9".repeat(300);
        for (name, value) in
            [("latncy", "5"), ("status", "42"), ("chunks", "-1"), ("retry_after", "1\r\nx: y"), ("bytes", &too_long)]
        {
            let refused = knobs.set(name, value).unwrap_err();
            assert!(refused.to_string().contains(name), "{refused}");
        }
    }

    #[test]
    fn flags_and_defaults_agree() {
        #[derive(clap::Parser)]
        struct Line {
            #[command(flatten)]
            knobs: Knobs,
        }
        let parsed = <Line as clap::Parser>::parse_from(["mock"]).knobs;
        assert_eq!(format!("{parsed:?}"), format!("{:?}", Knobs::default()));
    }
}
