//! Which files a configuration is made of.

use std::path::{Path, PathBuf};

use super::yaml;

/// Far more than includes allow.
const FILES_MAX: usize = 256;

/// The file and everything it includes, as far as that can be read: what to watch for changes.
pub fn files_of(path: &Path) -> Vec<PathBuf> {
    let mut files = vec![path.to_owned()];
    let mut next = 0;
    while let Some(file) = files.get(next).cloned().filter(|_| files.len() < FILES_MAX) {
        next += 1;
        for included in includes(&file) {
            if !files.contains(&included) {
                files.push(included);
            }
        }
    }
    files
}

fn includes(file: &Path) -> Vec<PathBuf> {
    let name = file.to_string_lossy().into();
    let Some(root) = std::fs::read_to_string(file).ok().and_then(|text| yaml::parse(&name, &text).ok()) else {
        return Vec::new();
    };
    let folder = file.parent().unwrap_or_else(|| Path::new(""));
    let names = root
        .at("include")
        .map(|list| list.items().iter().filter_map(|item| item.text()).map(|name| folder.join(name)).collect());
    names.unwrap_or_default()
}
