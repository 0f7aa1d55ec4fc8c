//! An answer of the management API as a table, CSV or JSON.

use std::collections::BTreeMap;
use std::io::{self, Write};

use serde_json::value::RawValue;

/// The longest cell of a table, in letters.
const CELL_MAX: usize = 64;

/// How an answer is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// For people.
    Table,
    /// For spreadsheets.
    Csv,
    /// As it came.
    Json,
}

/// What of an answer is shown.
#[derive(Clone, Copy, Debug)]
pub(super) struct Columns {
    /// The member that is a list of rows, where there is one.
    pub(super) list: Option<&'static str>,
    /// The member whose own members belong to the row, where there is one.
    pub(super) inner: Option<&'static str>,
    /// The columns.
    pub(super) names: &'static [&'static str],
}

type Row = BTreeMap<String, Box<RawValue>>;

/// Prints an answer.
///
/// # Errors
/// It is no JSON, or nothing can be printed.
pub(super) fn answer(text: &str, columns: &Columns, form: Form, out: &mut dyn Write) -> io::Result<()> {
    if form == Form::Json {
        return writeln!(out, "{}", text.trim_end());
    }
    let rows =
        rows(text, columns).map_err(|error| io::Error::other(format!("the answer is no JSON we know: {error}")))?;
    let cells = rows.iter().map(|row| columns.names.iter().map(|name| cell(row, name)).collect());
    let cells: Vec<Vec<String>> = cells.collect();
    match form {
        Form::Csv => csv(columns, &cells, out),
        _ => table(columns, &cells, out),
    }
}

fn rows(text: &str, columns: &Columns) -> serde_json::Result<Vec<Row>> {
    if text.trim_start().starts_with('[') {
        return serde_json::from_str(text);
    }
    let mut whole: Row = serde_json::from_str(text)?;
    if let Some(list) = columns.list.and_then(|name| whole.get(name)) {
        return serde_json::from_str(list.get());
    }
    if let Some(inner) = columns.inner.and_then(|name| whole.remove(name)) {
        whole.extend(serde_json::from_str::<Row>(inner.get())?);
    }
    Ok(vec![whole])
}

/// A text without its quotes, anything else as it is written, nothing for null.
fn cell(row: &Row, name: &str) -> String {
    let Some(value) = row.get(name).filter(|value| value.get() != "null") else { return String::new() };
    serde_json::from_str::<String>(value.get()).unwrap_or_else(|_| value.get().to_owned())
}

fn table(columns: &Columns, rows: &[Vec<String>], out: &mut dyn Write) -> io::Result<()> {
    let rows: Vec<Vec<String>> = rows.iter().map(|row| row.iter().map(|cell| line(cell, CELL_MAX)).collect()).collect();
    let names: Vec<String> = columns.names.iter().map(|name| (*name).to_owned()).collect();
    let width = |place: usize| {
        let letters = |row: &Vec<String>| row.get(place).map_or(0, |cell| cell.chars().count());
        rows.iter().chain([&names]).map(letters).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..names.len()).map(width).collect();
    for row in [&names].into_iter().chain(&rows) {
        let padded: Vec<_> = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        writeln!(out, "{}", padded.join("  ").trim_end())?;
    }
    Ok(())
}

fn csv(columns: &Columns, rows: &[Vec<String>], out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "{}", columns.names.join(","))?;
    for row in rows {
        let cells: Vec<_> = row.iter().map(|cell| crate::cli::spend::cell(cell)).collect();
        writeln!(out, "{}", cells.join(","))?;
    }
    Ok(())
}

/// What callers wrote moves no cursor.
pub(super) fn line(text: &str, most: usize) -> String {
    text.chars().take(most).map(|letter| if letter.is_control() { '?' } else { letter }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const COLUMNS: Columns = Columns { list: Some("keys"), inner: Some("info"), names: &["key_alias", "spend"] };

    fn printed(text: &str, form: Form) -> String {
        let mut out = Vec::new();
        answer(text, &COLUMNS, form, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn rows_are_found_wherever_they_stand() {
        let expected = "key_alias  spend\na          0.5\n";
        for text in [
            r#"{"keys":[{"key_alias":"a","spend":0.5}]}"#,
            r#"{"key":"k","info":{"key_alias":"a","spend":0.5}}"#,
            r#"{"key_alias":"a","spend":0.5}"#,
            r#"[{"key_alias":"a","spend":0.5}]"#,
        ] {
            assert_eq!(printed(text, Form::Table), expected, "{text}");
        }
    }

    #[test]
    fn cells_are_safe_in_a_terminal_and_in_a_spreadsheet() {
        let text = r#"{"key_alias":"=x\u001b[2J","spend":null}"#;
        assert_eq!(printed(text, Form::Table), "key_alias  spend\n=x?[2J\n");
        assert_eq!(printed(r#"{"key_alias":"=x"}"#, Form::Csv), "key_alias,spend\n\"'=x\",\"\"\n");
        assert_eq!(printed(text, Form::Json), format!("{text}\n"));
    }
}
