//! The README's tables are what the code prints.
//!
//! To print them anew after a change: `TOLLGATE_PRINT_README=1 cargo test --test readme`.

#![expect(clippy::expect_used, reason = "a test says what it expects")]

use std::fs;
use std::path::Path;

/// The README with `text` between the markers of `part`.
fn with_part(readme: &str, part: &str, text: &str) -> String {
    let (begin, end) = (format!("<!-- {part}:begin -->"), format!("<!-- {part}:end -->"));
    let start = readme.find(&begin).expect("the begin marker") + begin.len();
    let stop = readme.find(&end).expect("the end marker");
    format!("{}\n{}\n{}", &readme[..start], text.trim_end(), &readme[stop..])
}

#[test]
fn the_tables_in_the_readme_are_printed_from_the_code() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
    let readme = fs::read_to_string(&path).expect("README.md");
    let printed = with_part(&readme, "keys", &tollgate::config::reference_markdown());
    let printed = with_part(&printed, "metrics", &tollgate::telemetry::reference_markdown());
    if std::env::var_os("TOLLGATE_PRINT_README").is_some() {
        fs::write(&path, &printed).expect("README.md is written");
    }
    let now = fs::read_to_string(&path).expect("README.md");
    assert!(now == printed, "README.md is not what the code prints: TOLLGATE_PRINT_README=1 cargo test --test readme");
}
