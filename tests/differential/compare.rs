//! Two requests, member by member.

use serde_json::Value;

use super::Sent;

/// Each difference as one line: where, what LiteLLM has, what we have.
pub(crate) fn differences(theirs: &Sent, ours: &Sent) -> Vec<String> {
    let mut found = Vec::new();
    match (theirs, ours) {
        (Ok((their_path, theirs)), Ok((our_path, ours))) => {
            if their_path != our_path {
                found.push(format!("path: {their_path} | {our_path}"));
            }
            let (theirs, ours) = (plain(theirs).unwrap_or_default(), plain(ours).unwrap_or_default());
            compare("", &theirs, &ours, &mut found);
        }
        (Ok(_), Err(told)) => found.push(format!("refused: sent | {}", short(told))),
        (Err(told), Ok(_)) => found.push(format!("refused: {} | sent", short(told))),
        (Err(_), Err(_)) => {}
    }
    found
}

/// What means the same reads the same: Google takes both spellings of a name, nobody reads an empty list or object, and JSON
/// in a text may have blanks.
fn plain(value: &Value) -> Option<Value> {
    match value {
        Value::Object(members) => {
            let members = members.iter().filter_map(|(name, value)| Some((camel(name), plain(value)?)));
            let members: serde_json::Map<_, _> = members.collect();
            (!members.is_empty()).then_some(Value::Object(members))
        }
        Value::Array(elements) => {
            let elements: Vec<_> = elements.iter().map(|element| plain(element).unwrap_or_default()).collect();
            (!elements.is_empty()).then_some(Value::Array(elements))
        }
        Value::String(text) if text.starts_with('{') => serde_json::from_str(text).ok().or_else(|| Some(value.clone())),
        Value::Null => None,
        value => Some(value.clone()),
    }
}

fn camel(name: &str) -> String {
    let mut out = String::new();
    for (index, part) in name.split('_').enumerate() {
        match part.chars().next().filter(|_| index > 0) {
            Some(first) => out.extend(first.to_uppercase().chain(part.chars().skip(1))),
            None => out.push_str(part),
        }
    }
    out
}

fn compare(at: &str, theirs: &Value, ours: &Value, found: &mut Vec<String>) {
    match (theirs, ours) {
        (Value::Object(left), Value::Object(right)) => {
            let names = left.keys().chain(right.keys().filter(|name| !left.contains_key(*name)));
            for name in names {
                let at = format!("{at}.{name}");
                match (left.get(name), right.get(name)) {
                    (Some(left), Some(right)) => compare(&at, left, right, found),
                    (left, right) => differ(&at, left, right, found),
                }
            }
        }
        (Value::Array(left), Value::Array(right)) => {
            for index in 0..left.len().max(right.len()) {
                let at = format!("{at}[{index}]");
                match (left.get(index), right.get(index)) {
                    (Some(left), Some(right)) => compare(&at, left, right, found),
                    (left, right) => differ(&at, left, right, found),
                }
            }
        }
        (Value::Number(left), Value::Number(right)) if left.as_f64() == right.as_f64() => {}
        (left, right) if left == right => {}
        (left, right) => differ(at, Some(left), Some(right), found),
    }
}

fn differ(at: &str, theirs: Option<&Value>, ours: Option<&Value>, found: &mut Vec<String>) {
    let show = |value: Option<&Value>| value.map_or_else(|| "nothing".to_owned(), |value| short(&value.to_string()));
    found.push(format!("{at}: {} | {}", show(theirs), show(ours)));
}

fn short(text: &str) -> String {
    text.chars().take(160).collect()
}
