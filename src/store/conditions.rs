//! The condition of a statement: constant texts, and the values that are bound to them.

use std::fmt;

use super::value::Value;

/// Texts joined with AND. No value is ever part of a text.
#[derive(Debug, Default)]
pub(super) struct Conditions<'v> {
    texts: Vec<String>,
    values: Vec<Value<'v>>,
}

impl<'v> Conditions<'v> {
    /// Adds one with its values, where there is something to ask for.
    pub(super) fn with<const N: usize>(&mut self, text: &'static str, values: Option<[Value<'v>; N]>) {
        let Some(values) = values else { return };
        self.texts.push(text.to_owned());
        self.values.extend(values);
    }

    /// The same for a text.
    pub(super) fn with_text(&mut self, text: &'static str, value: Option<&'v str>) {
        self.with(text, value.map(|value| [Value::from(value)]));
    }

    /// A column is one of these, or none of them; without any there is nothing to ask for.
    pub(super) fn among(&mut self, column: &'static str, is: Is, values: impl IntoIterator<Item = Value<'v>>) {
        let before = self.values.len();
        self.values.extend(values);
        let places = vec!["?"; self.values.len() - before].join(", ");
        if !places.is_empty() {
            let is = if is == Is::OneOf { "IN" } else { "NOT IN" };
            self.texts.push(format!("{column} {is} ({places})"));
        }
    }

    /// The values, in the order of their places, and these behind.
    pub(super) fn values(self, more: impl IntoIterator<Item = i64>) -> Vec<Value<'v>> {
        let mut values = self.values;
        values.extend(more.into_iter().map(Value::from));
        values
    }
}

/// Whether a column has one of several values, or none.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Is {
    OneOf,
    NoneOf,
}

impl fmt::Display for Conditions<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.texts.is_empty() { Ok(()) } else { write!(out, "WHERE {}", self.texts.join(" AND ")) }
    }
}
