//! The query of a request: declared in the table of routes, decoded once, read by name.

use super::body::{Input, Problem, Step};
use super::reply::Refusal;
use crate::roster::Moment;

/// The longest query that is read.
const QUERY_BYTES_MAX: usize = 16 * 1024;

/// A parameter that a route takes in its query.
#[derive(Clone, Copy, Debug)]
pub struct Param {
    /// Its name.
    pub name: &'static str,
    /// Its type.
    pub kind: ParamKind,
    /// Whether it must be there.
    pub required: bool,
    /// What it does.
    pub meaning: &'static str,
}

/// The type of a parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ParamKind {
    /// Text.
    Text,
    /// A whole number in a range.
    Count {
        /// The least.
        min: u64,
        /// The most.
        max: u64,
        /// Where it is absent.
        default: u64,
    },
    /// True or false.
    Truth,
    /// A time, or a day.
    Moment,
    /// One of a few words.
    Choice(&'static [&'static str]),
}

impl Param {
    /// A text.
    pub const fn text(name: &'static str, meaning: &'static str) -> Self {
        Self { name, kind: ParamKind::Text, required: false, meaning }
    }

    /// A whole number.
    pub const fn count(name: &'static str, min: u64, max: u64, default: u64, meaning: &'static str) -> Self {
        Self { name, kind: ParamKind::Count { min, max, default }, required: false, meaning }
    }

    /// True or false; false where it is absent.
    pub const fn truth(name: &'static str, meaning: &'static str) -> Self {
        Self { name, kind: ParamKind::Truth, required: false, meaning }
    }

    /// A time.
    pub const fn moment(name: &'static str, meaning: &'static str) -> Self {
        Self { name, kind: ParamKind::Moment, required: false, meaning }
    }

    /// One of a few words.
    pub const fn choice(name: &'static str, words: &'static [&'static str], meaning: &'static str) -> Self {
        Self { name, kind: ParamKind::Choice(words), required: false, meaning }
    }

    /// The same, and it must be there.
    #[must_use]
    pub const fn required(self) -> Self {
        Self { required: true, ..self }
    }
}

/// A decoded query, with what the route says of it.
#[derive(Debug, Default)]
pub struct Query {
    declared: &'static [Param],
    pairs: Vec<(String, String)>,
}

impl Query {
    /// Decodes a query. Parameters that are not declared are left out; of one that is there twice the first counts.
    ///
    /// # Errors
    /// It is too long, no percent-encoded text, lacks what is required, or a value has the wrong type.
    pub fn read(text: &str, declared: &'static [Param]) -> Result<Self, Refusal> {
        if text.len() > QUERY_BYTES_MAX {
            return Err(Refusal::bad(format_args!("the query is longer than {QUERY_BYTES_MAX} bytes")));
        }
        let mut pairs = Vec::new();
        for pair in text.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let (Some(name), Some(value)) = (decode(name), decode(value)) else {
                return Err(Refusal::bad("the query is no percent-encoded text"));
            };
            if declared.iter().any(|param| param.name == name) {
                pairs.push((name, value));
            }
        }
        let query = Self { declared, pairs };
        let problems: Vec<_> = declared.iter().filter_map(|param| query.problem(param)).collect();
        if problems.is_empty() { Ok(query) } else { Err(Refusal::Invalid(problems)) }
    }

    /// A text; None where it is absent or empty.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.is_declared(name);
        let (_, value) = self.pairs.iter().find(|(found, _)| found == name)?;
        Some(value.as_str()).filter(|value| !value.is_empty())
    }

    /// A whole number, or the default that is declared.
    pub fn count(&self, name: &str) -> u64 {
        let declared = self.declared.iter().find(|param| param.name == name);
        let default = match declared.map(|param| param.kind) {
            Some(ParamKind::Count { default, .. }) => default,
            _ => 0,
        };
        self.text(name).and_then(|text| text.trim().parse().ok()).unwrap_or(default)
    }

    /// True or false; None where it is absent.
    pub fn truth(&self, name: &str) -> Option<bool> {
        self.text(name).and_then(truth)
    }

    /// A time; None where it is absent.
    pub fn moment(&self, name: &str) -> Option<Moment> {
        self.text(name).and_then(Moment::parse)
    }

    /// What is not declared is not in the OpenAPI document, either.
    fn is_declared(&self, name: &str) {
        debug_assert!(self.declared.iter().any(|param| param.name == name), "{name} is read and not declared");
    }

    fn problem(&self, param: &Param) -> Option<Problem> {
        let loc = || vec![Step::Name("query".to_owned()), Step::Name(param.name.to_owned())];
        let Some(text) = self.text(param.name) else {
            let missing =
                || Problem { r#type: "missing", loc: loc(), msg: "Field required".to_owned(), input: Input::default() };
            return param.required.then(missing);
        };
        let (r#type, msg) = wrong(param.kind, text)?;
        Some(Problem { r#type, loc: loc(), msg, input: Input::text(text) })
    }
}

/// What is wrong with a value, in pydantic's words.
fn wrong(kind: ParamKind, text: &str) -> Option<(&'static str, String)> {
    let told = |word, text: &str| Some((word, text.to_owned()));
    match kind {
        ParamKind::Text => None,
        ParamKind::Count { min, max, .. } => match text.trim().parse::<i128>() {
            Err(_) => told("int_parsing", "Input should be a valid integer, unable to parse string as an integer"),
            Ok(count) if count < i128::from(min) => {
                Some(("greater_than_equal", format!("Input should be greater than or equal to {min}")))
            }
            Ok(count) if count > i128::from(max) => {
                Some(("less_than_equal", format!("Input should be less than or equal to {max}")))
            }
            Ok(_) => None,
        },
        ParamKind::Truth if truth(text).is_none() => {
            told("bool_parsing", "Input should be a valid boolean, unable to interpret input")
        }
        ParamKind::Truth => None,
        ParamKind::Moment if Moment::parse(text).is_none() => told(
            "datetime_parsing",
            "Input should be a valid datetime or date, like 2026-11-21 or 2026-11-21T09:00:00Z",
        ),
        ParamKind::Moment => None,
        ParamKind::Choice(words) if !words.contains(&text) => {
            Some(("literal_error", format!("Input should be one of {}", words.join(", "))))
        }
        ParamKind::Choice(_) => None,
    }
}

fn truth(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "1" | "yes" | "on" | "t" | "y" => Some(true),
        "false" | "0" | "no" | "off" | "f" | "n" => Some(false),
        _ => None,
    }
}

/// Decodes `%XX` and `+` of a query's name or value.
pub fn decode(text: &str) -> Option<String> {
    unescape(&text.replace('+', " "))
}

/// Decodes `%XX` of a path's segment.
pub fn unescape(text: &str) -> Option<String> {
    let mut bytes = text.bytes();
    let mut decoded = Vec::with_capacity(text.len());
    while let Some(byte) = bytes.next() {
        decoded.push(match byte {
            b'%' => hex(bytes.next()?)? << 4 | hex(bytes.next()?)?,
            plain => plain,
        });
    }
    String::from_utf8(decoded).ok()
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    const DECLARED: &[Param] = &[
        Param::text("name", "."),
        Param::count("page", 1, 100, 1, "."),
        Param::truth("all", "."),
        Param::moment("from", "."),
        Param::choice("order", &["asc", "desc"], "."),
    ];

    #[test]
    fn values_are_decoded_and_typed() {
        let query = Query::read("name=a%2Fb+c&page=7&all=True&from=2026-11-21&order=asc&x=%", DECLARED);
        assert!(query.is_err(), "also what is not declared must be text");
        let query = Query::read("name=a%2Fb+c&page=7&all=True&from=2026-11-21&order=asc&x=1", DECLARED).unwrap();
        assert_eq!((query.text("name"), query.count("page"), query.truth("all")), (Some("a/b c"), 7, Some(true)));
        assert_eq!(query.moment("from"), Moment::parse("2026-11-21"));
        let empty = Query::read("", DECLARED).unwrap();
        assert_eq!((empty.text("name"), empty.count("page"), empty.truth("all")), (None, 1, None));
    }

    #[test]
    fn a_wrong_value_is_named() {
        for (text, word) in [
            ("page=x", "int_parsing"),
            ("page=0", "greater_than_equal"),
            ("page=101", "less_than_equal"),
            ("all=perhaps", "bool_parsing"),
            ("from=soon", "datetime_parsing"),
            ("order=up", "literal_error"),
        ] {
            let Err(Refusal::Invalid(problems)) = Query::read(text, DECLARED) else { panic!("{text}") };
            assert_eq!(problems[0].r#type, word, "{text}");
        }
    }
}
