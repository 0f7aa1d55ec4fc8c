//! The shape of the source: who may import whom, where Pingora is named, how long things get.
//!
//! The table here is the one in `ARCHITECTURE.md`. A change that needs another import changes both, with a reason.

#![expect(clippy::unwrap_used, reason = "what surrounds the tests fails as they do")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Left may import right, and nothing else of this crate.
const MAY_IMPORT: [(&str, &[&str]); 21] = [
    (
        "cli",
        &["config", "exchange", "ledger", "mock", "provider", "proxy", "roster", "store", "telemetry", "vocabulary"],
    ),
    ("proxy", &["admin", "config", "dialect", "exchange", "fleet", "telemetry", "vocabulary"]),
    ("admin", &["config", "exchange", "ledger", "policy", "roster", "vocabulary"]),
    (
        "exchange",
        &[
            "chat",
            "config",
            "dialect",
            "identity",
            "json",
            "ledger",
            "policy",
            "pricing",
            "provider",
            "roster",
            "routing",
            "telemetry",
            "vocabulary",
        ],
    ),
    ("dialect", &["chat", "json", "vocabulary", "wire"]),
    ("provider", &["chat", "config", "dialect", "json", "vocabulary", "wire"]),
    ("chat", &["vocabulary"]),
    ("policy", &["config", "vocabulary"]),
    ("routing", &["config", "vocabulary"]),
    ("fleet", &["config", "policy", "vocabulary"]),
    ("identity", &["config", "vocabulary"]),
    ("pricing", &["vocabulary"]),
    ("store", &["ledger", "roster", "vocabulary"]),
    ("roster", &["ledger", "vocabulary"]),
    ("ledger", &["vocabulary"]),
    ("telemetry", &["vocabulary"]),
    ("config", &["vocabulary"]),
    ("mock", &["vocabulary"]),
    ("json", &[]),
    ("wire", &[]),
    ("vocabulary", &[]),
];

/// A file beyond this has more than one subject.
const FILE_LINES_MAX: usize = 900;
/// A function beyond this is a long one.
const FUNCTION_LINES_MAX: usize = 70;
/// How many long functions there may be: tables and tests of variants that read better in one piece.
const LONG_FUNCTIONS_MAX: usize = 5;
/// Where Pingora is named.
const PINGORA_HOME: &str = "proxy";

struct File {
    path: PathBuf,
    module: String,
    /// Without tests and comments.
    code: String,
    lines: usize,
}

fn sources() -> Vec<File> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    gather(&root, &root, &mut files);
    assert!(files.len() > 50, "only {} files were found", files.len());
    files
}

fn gather(root: &Path, directory: &Path, files: &mut Vec<File>) {
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            gather(root, &path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") && !is_test(&path) {
            files.push(read(root, path));
        }
    }
}

/// Files of tests alone: `tests.rs`, `cost_tests.rs`, and whatever lies in `tests/`.
fn is_test(path: &Path) -> bool {
    let among_tests = path.parent().is_some_and(|folder| folder.ends_with("tests"));
    among_tests || path.file_stem().is_some_and(|stem| stem.to_string_lossy().ends_with("tests"))
}

fn read(root: &Path, path: PathBuf) -> File {
    let text = std::fs::read_to_string(&path).unwrap();
    let inner = path.strip_prefix(root).unwrap();
    let module = inner.iter().next().unwrap().to_string_lossy().trim_end_matches(".rs").to_owned();
    let before_tests = text.split("#[cfg(test)]\nmod ").next().unwrap();
    let code = before_tests.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n");
    File { module, code, lines: text.lines().count(), path: inner.to_owned() }
}

/// The modules of this crate that a text names after `crate::`.
fn imports(code: &str) -> BTreeSet<&str> {
    code.match_indices("crate::")
        .filter(|(at, _)| {
            !code[..*at].ends_with(|before: char| before.is_alphanumeric() || before == '_' || before == '$')
        })
        .map(|(at, found)| {
            let rest = &code[at + found.len()..];
            &rest[..rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len())]
        })
        .collect()
}

#[test]
fn every_module_imports_what_the_table_allows_and_nothing_else() {
    let allowed: BTreeMap<_, _> = MAY_IMPORT.into_iter().collect();
    let mut offences = Vec::new();
    for file in sources().iter().filter(|file| !matches!(file.module.as_str(), "lib" | "main")) {
        let Some(allowed) = allowed.get(file.module.as_str()) else {
            panic!("{} is in no module of the table", file.path.display());
        };
        let imports = imports(&file.code);
        let foreign = imports.iter().filter(|module| **module != file.module && !allowed.contains(module));
        offences.extend(foreign.map(|module| format!("{} imports {module}", file.path.display())));
    }
    assert_eq!(offences, [""; 0]);
}

#[test]
fn the_table_in_the_documentation_is_the_one_that_is_checked() {
    let document = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("ARCHITECTURE.md")).unwrap();
    for (module, imports) in MAY_IMPORT {
        let row =
            format!("| `{module}` | {} |", if imports.is_empty() { "nothing".to_owned() } else { imports.join(", ") });
        assert!(document.contains(&row), "ARCHITECTURE.md lacks the row\n{row}");
    }
}

#[test]
fn one_module_names_pingora() {
    let names_it = |file: &&File| {
        file.code.contains("use pingora") || file.code.contains("pingora::") || file.code.contains("pingora_proxy::")
    };
    let elsewhere: Vec<_> = sources()
        .iter()
        .filter(names_it)
        .filter(|file| file.module != PINGORA_HOME)
        .map(|file| file.path.clone())
        .collect();
    assert!(elsewhere.is_empty(), "{elsewhere:?}");
}

#[test]
fn no_code_path_gives_up() {
    let mut found = Vec::new();
    for file in sources() {
        for (number, line) in file.code.lines().enumerate() {
            let gives_up = [".unwrap()", "todo!(", "unimplemented!(", "dbg!(", "serde_json::Value", "unsafe {"];
            if let Some(what) = gives_up.iter().find(|what| line.contains(**what)) {
                found.push(format!("{}, code line {}: {what}", file.path.display(), number + 1));
            }
        }
    }
    assert_eq!(found, [""; 0]);
}

#[test]
fn files_and_functions_stay_short() {
    let files = sources();
    let long: Vec<_> = files.iter().filter(|file| file.lines > FILE_LINES_MAX).map(|file| &file.path).collect();
    assert!(long.is_empty(), "{long:?}");
    let long: Vec<_> = files.iter().flat_map(long_functions).collect();
    assert!(long.len() <= LONG_FUNCTIONS_MAX, "{long:#?}");
}

/// Functions of a formatted file: from `fn` to the closing brace in the same column.
fn long_functions(file: &File) -> Vec<String> {
    let lines: Vec<&str> = file.code.lines().collect();
    let mut long = Vec::new();
    for (start, line) in lines.iter().enumerate() {
        let opening = line.trim_start();
        let indent = &line[..line.len() - opening.len()];
        let words = opening.split_whitespace().take_while(|word| !word.contains('('));
        if !(words.clone().any(|word| word == "fn") || opening.starts_with("fn ")) {
            continue;
        }
        let end = format!("{indent}}}");
        let length =
            lines[start..].iter().position(|line| *line == end || line.ends_with(';') && line.starts_with(opening));
        if let Some(length) = length.filter(|length| *length > FUNCTION_LINES_MAX) {
            long.push(format!("{} {opening} {length} lines", file.path.display()));
        }
    }
    long
}
