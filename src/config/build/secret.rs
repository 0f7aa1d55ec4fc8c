//! Credentials: in clear, from the environment, or from a file.

use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::Build;
use crate::config::files;
use crate::config::yaml::Node;
use crate::vocabulary::Secret;

const PREFIX: &str = "file:";
/// systemd's folder of credentials.
const FOLDER: &str = "${CREDENTIALS_DIRECTORY}";

/// Whether the credential itself stands in the configuration file.
pub(super) fn is_clear(node: &Node) -> bool {
    node.variable.is_none() && node.text().is_some_and(|text| !text.starts_with(PREFIX))
}

impl Build<'_> {
    /// A credential; None, with an error noted, if its file cannot be read.
    pub(super) fn secret(&mut self, node: &Node, path: &str) -> Option<Secret> {
        let text = node.text()?;
        let Some(file) = text.strip_prefix(PREFIX) else { return Some(Secret::new(text)) };
        match self.file(node, file) {
            Ok(secret) => Some(secret),
            Err(reason) => {
                self.report.error(&node.place, path, reason);
                None
            }
        }
    }

    fn file(&self, node: &Node, file: &str) -> Result<Secret, String> {
        let file = match file.strip_prefix(FOLDER) {
            None => file.to_owned(),
            Some(rest) => {
                let folder = self.variables.find("CREDENTIALS_DIRECTORY");
                folder.ok_or("file: the environment variable CREDENTIALS_DIRECTORY is not set")? + rest
            }
        };
        read(&relative(&node.place.file, &file))
    }
}

/// A path as the configuration file means it.
pub(super) fn relative(config: &str, path: &str) -> PathBuf {
    Path::new(config).parent().unwrap_or_else(|| Path::new("")).join(path)
}

fn read(path: &Path) -> Result<Secret, String> {
    let shown = crate::config::finding::shown_key(&path.to_string_lossy());
    let bytes = files::bytes(path, files::SECRET_BYTES_MAX)
        .map(Zeroizing::new)
        .map_err(|error| format!("cannot read file:{shown}: {error}; check the path and its permissions"))?;
    let text = str::from_utf8(&bytes).map_err(|_| format!("file:{shown} is not UTF-8"))?;
    let text = text.trim_end_matches(['\r', '\n']);
    if text.is_empty() || text.chars().any(char::is_control) {
        return Err(format!("file:{shown} must hold one line, the credential"));
    }
    Ok(Secret::new(text))
}
