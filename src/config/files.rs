//! Reading files: the configuration, what it includes, and credentials kept in files.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::finding::{Finding, shown_key, shown_value};
use super::yaml::{self, Entry, Node, Place, Value};

/// The largest configuration file, in bytes.
pub(super) const FILE_BYTES_MAX: u64 = 4 << 20;
/// The largest file that holds a credential, in bytes.
pub(super) const SECRET_BYTES_MAX: u64 = 64 << 10;
/// How deep files may include files.
const INCLUDE_DEPTH_MAX: usize = 8;
/// How many files one configuration may have.
const INCLUDE_FILES_MAX: usize = 256;

/// Reads a configuration file and everything it includes into one tree.
///
/// # Errors
/// A file that cannot be read, is not YAML, or includes itself.
pub(super) fn read(path: &Path) -> Result<Node, Finding> {
    let name: Arc<str> = path.to_string_lossy().into();
    let start = Place { file: name, line: 1, column: 1 };
    let mut includes = Includes { open: Vec::new(), read: 0 };
    includes.read(path, &start, "")
}

/// Reads a configuration given as text. It may not include files.
///
/// # Errors
/// The text is not YAML.
pub(super) fn read_text(name: &str, text: &str) -> Result<Node, Finding> {
    document(yaml::parse(&name.into(), text)?)
}

struct Includes {
    open: Vec<PathBuf>,
    read: usize,
}

impl Includes {
    fn read(&mut self, path: &Path, from: &Place, key: &str) -> Result<Node, Finding> {
        let real = path.canonicalize().map_err(|error| unreadable(from, key, path, &error))?;
        if self.open.contains(&real) {
            return Err(Finding::error(from, key, format!("{} includes itself", path.display())));
        }
        self.read += 1;
        if self.open.len() >= INCLUDE_DEPTH_MAX || self.read > INCLUDE_FILES_MAX {
            let limits = format!("more than {INCLUDE_DEPTH_MAX} files deep or {INCLUDE_FILES_MAX} files in all");
            return Err(Finding::error(from, key, format!("include: {limits}")));
        }
        self.open.push(real);
        let text = text(path, from, key)?;
        let node = document(yaml::parse(&path.to_string_lossy().into(), &text)?)?;
        let node = self.expand(node, path.parent().unwrap_or_else(|| Path::new("")))?;
        self.open.pop();
        Ok(node)
    }

    fn expand(&mut self, mut node: Node, folder: &Path) -> Result<Node, Finding> {
        let Some(include) = node.entry("include").map(|entry| entry.value.clone()) else { return Ok(node) };
        let Value::Map(entries) = &mut node.value else { return Ok(node) };
        for (index, item) in include.items().iter().enumerate() {
            let key = format!("include[{index}]");
            let Some(name) = item.text().filter(|name| !name.is_empty()) else {
                let reason = format!("expected the path of a file, found {}", shown_value(item));
                return Err(Finding::error(&item.place, &key, reason));
            };
            let included = self.read(&folder.join(name), &item.place, &key)?;
            merge(entries, included);
        }
        Ok(node)
    }
}

/// Lists are appended; everything else replaces what stood there.
fn merge(entries: &mut Vec<Entry>, included: Node) {
    let Value::Map(added) = included.value else { return };
    for entry in added.into_iter().filter(|entry| entry.key != "include") {
        let Some(own) = entries.iter_mut().find(|own| own.key == entry.key) else {
            entries.push(entry);
            continue;
        };
        match (&mut own.value.value, entry.value.value) {
            (Value::List(items), Value::List(more)) => items.extend(more),
            (_, value) => *own = Entry { value: Node { value, ..entry.value }, ..entry },
        }
    }
}

fn document(node: Node) -> Result<Node, Finding> {
    if node.is_null() {
        return Ok(Node { value: Value::Map(Vec::new()), ..node });
    }
    if matches!(node.value, Value::Map(_)) {
        return Ok(node);
    }
    let reason = format!("expected keys like model_list: at the top, found {}", shown_value(&node));
    Err(Finding::error(&node.place, "", reason))
}

fn text(path: &Path, from: &Place, key: &str) -> Result<String, Finding> {
    let bytes = bytes(path, FILE_BYTES_MAX).map_err(|error| unreadable(from, key, path, &error))?;
    String::from_utf8(bytes).map_err(|error| {
        let valid = error.utf8_error().valid_up_to();
        let before = &error.as_bytes()[..valid];
        let line = 1 + before.iter().filter(|byte| **byte == b'\n').count();
        let column = 1 + before.iter().rev().take_while(|byte| **byte != b'\n').count();
        let place = Place { file: path.to_string_lossy().into(), line, column };
        let reason = format!("not UTF-8 at column {column}; save the file as UTF-8");
        Finding::error(&place, "", reason)
    })
}

/// A whole file of at most so many bytes.
pub(super) fn bytes(path: &Path, max: u64) -> io::Result<Vec<u8>> {
    let file = File::open(path)?;
    if file.metadata()?.is_dir() {
        return Err(io::Error::new(io::ErrorKind::IsADirectory, "it is a directory"));
    }
    let mut bytes = Vec::new();
    file.take(max + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > max {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, format!("it is larger than {max} bytes")));
    }
    Ok(bytes)
}

fn unreadable(place: &Place, key: &str, path: &Path, error: &io::Error) -> Finding {
    let name = shown_key(&path.to_string_lossy());
    Finding::error(place, key, format!("cannot read {name}: {error}; check the path and its permissions"))
}

#[cfg(test)]
mod tests {
    use super::super::yaml;
    use super::*;

    fn map(text: &str) -> Node {
        yaml::parse(&"t".into(), text).unwrap()
    }

    #[test]
    fn included_lists_append_and_other_keys_replace() {
        let Value::Map(mut own) = map("model_list: [a]\nlitellm_settings: {x: 1}\n").value else { panic!() };
        merge(&mut own, map("model_list: [b]\nlitellm_settings: {y: 2}\nnew: 3\ninclude: [z]\n"));
        let names: Vec<_> = own.iter().map(|entry| entry.key.as_str()).collect();
        assert_eq!(names, ["model_list", "litellm_settings", "new"]);
        assert_eq!(own[0].value.to_json(), r#"["a","b"]"#);
        assert_eq!(own[1].value.to_json(), r#"{"y":2}"#);
    }

    #[test]
    fn a_missing_file_says_what_to_check() {
        let finding = read(Path::new("no/such/file.yaml")).err().unwrap();
        assert!(finding.to_string().starts_with("no/such/file.yaml:1: cannot read"), "{finding}");
    }
}
