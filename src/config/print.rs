//! The table as a complete configuration file, and as a reference to read.

use super::keys;
use super::kind::Kind;
use super::table::{Key, Shown, table};

/// The width comments are wrapped at.
const WIDTH: usize = 110;

const HEAD: &str = "\
# Every key that has an effect, with an example. What is commented out excludes, or is excluded by, a key beside it.
# This file is printed from the table the gateway checks its configuration against.
#
# Any text may be `os.environ/NAME`: the value of an environment variable.
# A credential may also be `file:PATH`: the one line of a file. ${CREDENTIALS_DIRECTORY} is expanded there.
";

/// `conf/full.yaml`: every key with its meaning, type, default and an example.
pub fn full_yaml() -> String {
    let mut out = String::from(HEAD);
    for key in table().filter(|key| key.section().is_empty()) {
        out.push('\n');
        comment(key, 0, &mut out);
        match key.kind {
            Kind::Sections => item(key, 0, &mut out),
            Kind::Section => {
                out.push_str(&format!("{}:\n", key.name()));
                section(key.path, 1, &mut out);
            }
            _ => line(key, 0, &mut out),
        }
    }
    out
}

/// A list is shown with one entry, whose first line carries the dash.
fn item(key: &Key, level: usize, out: &mut String) {
    out.push_str(&format!("{}{}:\n{}-\n", indent(level), key.name(), indent(level + 1)));
    section(&format!("{}[]", key.path), level + 2, out);
}

fn section(path: &str, level: usize, out: &mut String) {
    for key in table().filter(|key| key.section() == path) {
        comment(key, level, out);
        if key.kind == Kind::Section {
            out.push_str(&format!("{}{}:\n", indent(level), key.name()));
            section(key.path, level + 1, out);
        } else if key.kind == Kind::Sections {
            item(key, level, out);
        } else {
            line(key, level, out);
        }
    }
}

fn comment(key: &Key, level: usize, out: &mut String) {
    let mut text = format!("{} Type: {}. Default: {}.", key.meaning, key.kind.name(), key.default);
    if let Some(names) = members(key) {
        text.push_str(&format!(" One of: {}.", names.join(", ")));
    }
    let start = format!("{}#", indent(level));
    let mut row = start.clone();
    for word in text.split_whitespace() {
        if row.len() + word.len() >= WIDTH {
            out.push_str(&row);
            out.push('\n');
            row.clone_from(&start);
        }
        row.push(' ');
        row.push_str(word);
    }
    out.push_str(&row);
    out.push('\n');
}

fn line(key: &Key, level: usize, out: &mut String) {
    let mark = if key.shown == Shown::Comment { "# " } else { "" };
    out.push_str(&format!("{}{mark}{}\n", indent(level), setting(key)));
}

fn setting(key: &Key) -> String {
    if key.name().starts_with('<') { key.example.to_owned() } else { format!("{}: {}", key.name(), key.example) }
}

fn indent(level: usize) -> String {
    "  ".repeat(level)
}

fn members(key: &Key) -> Option<&'static [&'static str]> {
    match key.name() {
        keys::PRICES if key.section().ends_with("params") => Some(keys::PRICE_FIELDS),
        keys::PARAMETERS => Some(keys::REQUEST_PARAMETERS),
        _ => None,
    }
}

/// The reference in Markdown: one table per section.
pub fn reference_markdown() -> String {
    let mut out = String::new();
    let mut section = None;
    for key in table() {
        if section != Some(key.section()) {
            section = Some(key.section());
            let title = if key.section().is_empty() { "At the top" } else { key.section() };
            let columns = "| key | takes | default | meaning | example |\n|---|---|---|---|---|\n";
            out.push_str(&format!("{}### {title}\n\n{columns}", if out.is_empty() { "" } else { "\n" }));
        }
        out.push_str(&row(key));
    }
    out
}

fn row(key: &Key) -> String {
    let takes = key.kind.expected();
    let names = members(key).map(|names| format!(" Names: {}.", names.join(", "))).unwrap_or_default();
    let cells = [
        format!("`{}`", key.name()),
        takes,
        key.default.to_owned(),
        format!("{}{names}", key.meaning),
        format!("`{}`", key.example),
    ];
    format!("| {} |\n", cells.map(|cell| cell.replace('|', "\\|")).join(" | "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reference_and_the_file_name_every_key() {
        let (file, reference) = (full_yaml(), reference_markdown());
        for key in table() {
            assert!(file.contains(&setting(key)) || matches!(key.kind, Kind::Section | Kind::Sections), "{}", key.path);
            assert!(reference.contains(&format!("| `{}` |", key.name())), "{}", key.path);
        }
    }
}
