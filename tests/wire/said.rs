//! What an answer says, whoever wrote it: read from a provider's form and from a client's, and held against each other.

use serde_json::Value;

use super::recording::Dialect;

/// What an answer says.
#[derive(Clone, Debug, Default)]
pub(crate) struct Said {
    /// Text and refusals.
    pub(crate) text: String,
    pub(crate) thinking: String,
    pub(crate) calls: Vec<Call>,
    pub(crate) end: Option<End>,
    pub(crate) usage: Option<Counts>,
    /// What the provider says it charged, in dollars.
    pub(crate) charged: Option<f64>,
    /// The message of an error that it tells.
    pub(crate) error: Option<String>,
    /// Where it breaks the rules of its own form.
    pub(crate) flaws: Vec<String>,
}

/// A call of a tool.
#[derive(Clone, Debug, Default)]
pub(crate) struct Call {
    /// Empty where the form has none.
    pub(crate) id: String,
    pub(crate) name: String,
    /// JSON text.
    pub(crate) arguments: String,
}

/// Why an answer ended, as coarse as the coarsest form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    Stop,
    Calls,
    Length,
    Filter,
}

/// Tokens. `prompt` and `completion` are all of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) prompt: u64,
    pub(crate) completion: u64,
    pub(crate) cached: u64,
    pub(crate) written: u64,
    pub(crate) reasoning: u64,
}

impl Said {
    /// An answer that is an error.
    pub(crate) fn failed(message: impl Into<String>) -> Self {
        Self { error: Some(message.into()), ..Self::default() }
    }

    /// Notes what breaks the form's rules.
    pub(crate) fn check(&mut self, holds: bool, rule: &str) {
        if !holds {
            self.flaws.push(rule.to_owned());
        }
    }

    /// The call of this number, made where there is none yet.
    pub(crate) fn call(&mut self, index: usize) -> &mut Call {
        if self.calls.len() <= index {
            self.calls.resize_with(index + 1, Call::default);
        }
        &mut self.calls[index]
    }

    /// How what a client was told differs from this, which is what the provider said.
    pub(crate) fn differences(&self, told: &Self, client: Dialect) -> Vec<String> {
        let mut found: Vec<String> = told.flaws.clone();
        if let Some(error) = &told.error {
            found.push(format!("an error was told: {error}"));
        }
        found.extend(differ("text", &self.text, &told.text));
        found.extend(differ("thinking", &without_space(&self.thinking), &without_space(&told.thinking)));
        found.extend(self.calls_differ(told));
        found.extend(self.ends_differ(told, client));
        found.extend(self.usages_differ(told, client));
        found
    }

    fn calls_differ(&self, told: &Self) -> Option<String> {
        let names = |said: &Self| said.calls.iter().map(|call| call.name.clone()).collect::<Vec<_>>();
        if names(self) != names(told) {
            return Some(format!("calls: {:?} became {:?}", names(self), names(told)));
        }
        self.calls.iter().zip(&told.calls).find_map(|(call, other)| {
            // A signature may ride on the id.
            let id = other.id.split("__signed__").next().unwrap_or_default();
            if !call.id.is_empty() && call.id != id {
                return Some(format!("id of a call: {:?} became {:?}", call.id, other.id));
            }
            if other.arguments.is_empty() && arguments(&call.arguments) != Ok(Value::Object(serde_json::Map::new())) {
                return Some(format!("arguments of {}: {} were lost", call.name, shorten(&call.arguments)));
            }
            let (meant, given) = (arguments(&call.arguments), arguments(&other.arguments));
            // What broke off is no object: where one must stand, it stands in one.
            let wrapped = matches!((&meant, &given), (Err(text), Ok(given)) if given["arguments"].as_str().map(str::trim) == Some(text));
            let equal = meant == given || wrapped;
            (!equal).then(|| {
                format!("arguments of {}: {} became {}", call.name, shorten(&call.arguments), shorten(&other.arguments))
            })
        })
    }

    fn ends_differ(&self, told: &Self, client: Dialect) -> Option<String> {
        let project = |end: End| match (end, client) {
            (End::Calls, Dialect::Responses | Dialect::Gemini) => End::Stop,
            (end, _) => end,
        };
        let expected = project(self.end?);
        let given = told.end.map(project);
        let calls_anyway = expected == End::Stop && !self.calls.is_empty() && given == Some(End::Calls);
        (given != Some(expected) && !calls_anyway).then(|| format!("finish: {expected:?} became {given:?}"))
    }

    fn usages_differ(&self, told: &Self, client: Dialect) -> Option<String> {
        let seen = |mut counts: Counts| {
            if client == Dialect::Messages {
                counts.reasoning = 0;
            } else {
                counts.written = 0;
            }
            counts
        };
        let expected = seen(self.usage?);
        let given = told.usage.map(seen);
        (given != Some(expected)).then(|| format!("usage: {expected:?} became {given:?}"))
    }
}

fn differ(what: &str, expected: &str, given: &str) -> Option<String> {
    if expected == given {
        return None;
    }
    let same = expected.chars().zip(given.chars()).take_while(|(one, other)| one == other).count();
    let tail = |text: &str| shorten(&text.chars().skip(same.saturating_sub(8)).collect::<String>());
    Some(format!("{what} after {same} characters: {:?} became {:?}", tail(expected), tail(given)))
}

fn without_space(text: &str) -> String {
    text.chars().filter(|c| !c.is_whitespace()).collect()
}

/// Arguments as JSON; none at all are an empty object. As text where they broke off.
fn arguments(text: &str) -> Result<Value, String> {
    match text.trim() {
        "" | "null" => Ok(Value::Object(serde_json::Map::new())),
        text => serde_json::from_str(text).map_err(|_| text.to_owned()),
    }
}

/// The beginning of a text, for messages.
pub(crate) fn shorten(text: &str) -> String {
    match text.char_indices().nth(100) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text.to_owned(),
    }
}

/// The message of an error, wherever vendors put it.
pub(crate) fn error_message(value: &Value) -> Option<String> {
    let value = if value.is_array() { &value[0] } else { value };
    let places = [
        &value["error"]["message"],
        &value["error"]["error"]["message"],
        &value["response"]["error"]["message"],
        &value["message"],
        &value["Message"],
        &value["error"],
        &value["detail"],
        &value["errors"][0]["message"],
    ];
    places.into_iter().find_map(Value::as_str).map(str::to_owned)
}

/// A member that is a text.
pub(crate) fn text<'v>(value: &'v Value, name: &str) -> &'v str {
    value[name].as_str().unwrap_or_default()
}

/// A member that is a list; empty where there is none.
pub(crate) fn list<'v>(value: &'v Value, name: &str) -> &'v [Value] {
    value[name].as_array().map_or(&[], Vec::as_slice)
}

/// A member that is a count; nought where there is none.
pub(crate) fn count(value: &Value, name: &str) -> u64 {
    value[name].as_u64().unwrap_or(0)
}

/// What a usage says was charged: in dollars, in an object with their sum, or in ticks of which ten billion are a dollar.
pub(crate) fn charged(usage: &Value) -> Option<f64> {
    let dollars = usage["cost"].as_f64().or_else(|| usage["cost"]["total_cost"].as_f64());
    dollars.or_else(|| Some(usage["cost_in_usd_ticks"].as_f64()? / 1e10)).filter(|cost| *cost > 0.0)
}
