//! One line: what it may say, and how a row becomes one and comes back.

use std::collections::BTreeMap;

use rusqlite::types::Value;
use serde::ser::{Error, SerializeMap};
use serde::{Deserialize, Serialize, Serializer};
use serde_json::value::RawValue;

use super::table::{Column, Table, Type};
use crate::store::money;
use crate::store::session::{Failed, Row};
use crate::vocabulary::PicoUsd;

/// The first line.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Head {
    /// The version of the form.
    pub(super) tollgate_export: u64,
    /// The version of the gateway that wrote it.
    pub(super) tollgate: String,
    /// When, RFC 3339.
    pub(super) at: crate::roster::Moment,
    /// Whether receipts are there.
    pub(super) receipts: bool,
}

/// Any other line.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Line {
    /// Of what it is a row; `end` for the last line.
    pub(super) kind: String,
    /// When a record was changed last.
    #[serde(default)]
    pub(super) changed_at: Option<crate::roster::Moment>,
    /// A record.
    #[serde(default)]
    pub(super) body: Option<Box<RawValue>>,
    /// A row of a table.
    #[serde(default)]
    pub(super) row: Option<BTreeMap<String, Option<Cell>>>,
    /// The last line: how many lines stand between it and the first.
    #[serde(default)]
    pub(super) lines: Option<u64>,
}

/// A record as a line.
#[derive(Serialize)]
pub(super) struct RecordLine<'a> {
    pub(super) kind: &'a str,
    pub(super) changed_at: crate::roster::Moment,
    pub(super) body: &'a RawValue,
}

/// A row of a table as a line.
#[derive(Serialize)]
pub(super) struct RowLine<'a> {
    pub(super) kind: &'a str,
    pub(super) row: Cells<'a>,
}

/// The last line.
#[derive(Serialize)]
pub(super) struct End {
    pub(super) kind: &'static str,
    pub(super) lines: u64,
}

/// A value in a line.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum Cell {
    Whole(i64),
    Text(String),
}

/// A row that is being read, with the columns in a table's order.
pub(super) struct Cells<'a> {
    pub(super) table: &'a Table,
    pub(super) row: &'a Row<'a>,
}

impl Serialize for Cells<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut map = to.serialize_map(Some(self.table.columns.len()))?;
        let mut place = 0;
        for column in self.table.columns {
            let (name, row, at) = (column.name, self.row, place);
            let failed = |error: Failed| S::Error::custom(format!("the column {name}: {error}"));
            place += 1;
            match column.kind {
                Type::Whole => map.serialize_entry(name, &row.maybe_int(at).map_err(failed)?)?,
                Type::Text => map.serialize_entry(name, &row.maybe_text(at).map_err(failed)?)?,
                Type::Bytes => map.serialize_entry(name, &row.maybe_bytes(at).map_err(failed)?.as_deref().map(hex))?,
                Type::Money => {
                    place += 1;
                    let amount = money::join(row.int(at).map_err(failed)?, row.int(at + 1).map_err(failed)?);
                    map.serialize_entry(name, &amount.to_string())?;
                }
            }
        }
        map.end()
    }
}

/// The values of a row in a table's order on file.
///
/// # Errors
/// A member is missing, is unknown, or is of another type: which.
pub(super) fn values(table: &Table, mut row: BTreeMap<String, Option<Cell>>) -> Result<Vec<Value>, String> {
    let mut values = Vec::with_capacity(table.columns.len() + 1);
    for column in table.columns {
        let cell = row.remove(column.name).ok_or_else(|| format!("{} is missing", column.name))?;
        match (column.kind, cell) {
            (_, None) if column.optional => values.push(Value::Null),
            (Type::Whole, Some(Cell::Whole(number))) => values.push(Value::Integer(number)),
            (Type::Text, Some(Cell::Text(text))) => values.push(Value::Text(text)),
            (Type::Bytes, Some(Cell::Text(text))) => {
                let bytes = unhex(&text).ok_or_else(|| expected(column, "hexadecimal digits, two to a byte"))?;
                values.push(Value::Blob(bytes));
            }
            (Type::Money, Some(Cell::Text(text))) => {
                let amount = PicoUsd::parse(&text).map_err(|_| expected(column, "dollars as a text like \"1.25\""))?;
                let (micro, pico) = money::split(amount);
                values.extend([Value::Integer(micro), Value::Integer(pico)]);
            }
            (Type::Whole, _) => return Err(expected(column, "a whole number")),
            (Type::Text, _) => return Err(expected(column, "a text")),
            (Type::Bytes, _) => return Err(expected(column, "hexadecimal digits, two to a byte")),
            (Type::Money, _) => return Err(expected(column, "dollars as a text like \"1.25\"")),
        }
    }
    match row.keys().next() {
        Some(name) => Err(format!("{:?} is no member of it", name.chars().take(40).collect::<String>())),
        None => Ok(values),
    }
}

fn expected(column: &Column, what: &str) -> String {
    format!("{}: expected {what}, found something else", column.name)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digit = |digit: u8| char::from(digit).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    let bytes = pairs.iter().map(|[high, low]| Some(digit(*high)? << 4 | digit(*low)?));
    if rest.is_empty() { bytes.collect() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::transfer::table::of_kind;

    fn read(kind: &str, row: &str) -> Result<Vec<Value>, String> {
        values(of_kind(kind).unwrap(), serde_json::from_str(row).unwrap())
    }

    #[test]
    fn a_row_is_read_whole_or_not_at_all() {
        let row = r#"{"account":"00ff","window_end":7,"spent":"1.000000000001"}"#;
        let values = [Value::Blob(vec![0, 255]), Value::Integer(7), Value::Integer(1_000_000), Value::Integer(1)];
        assert_eq!(read("account", row).unwrap(), values);
        for (row, told) in [
            (r#"{"account":"00ff","window_end":7}"#, "spent is missing"),
            (r#"{"account":"0g","window_end":7,"spent":"1"}"#, "account: expected hexadecimal digits"),
            (r#"{"account":"0","window_end":7,"spent":"1"}"#, "account: expected hexadecimal digits"),
            (r#"{"account":"00","window_end":"7","spent":"1"}"#, "window_end: expected a whole number"),
            (r#"{"account":"00","window_end":7,"spent":"much"}"#, "spent: expected dollars"),
            (r#"{"account":"00","window_end":7,"spent":1}"#, "spent: expected dollars"),
            (r#"{"account":null,"window_end":7,"spent":"1"}"#, "account: expected hexadecimal digits"),
            (r#"{"account":"00","window_end":7,"spent":"1","more":1}"#, "\"more\" is no member"),
        ] {
            let error = read("account", row).unwrap_err();
            assert!(error.contains(told), "{row}: {error}");
        }
    }
}
