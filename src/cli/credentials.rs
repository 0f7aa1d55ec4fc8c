//! Where `os.environ/NAME` of a configuration is looked up: the environment, and the credentials that systemd hands
//! to a service (`LoadCredential=`), so that a provider's key need not stand in an environment.

use std::fs::File;
use std::io::Read;
use std::path::Path;

/// The longest credential that is read; more is no credential.
const CREDENTIAL_BYTES_MAX: u64 = 64 * 1024;
/// What systemd puts before the names of files when it is given a whole directory: `LoadCredential=tollgate:DIR`.
const DIRECTORY_PREFIX: &str = "tollgate_";

/// The environment variable of this name, or else the credential; `None` when both are missing or empty.
///
/// The directory is the one that systemd names in `CREDENTIALS_DIRECTORY`.
pub fn lookup(name: &str) -> Option<String> {
    let set = std::env::var(name).ok().filter(|value| !value.is_empty());
    set.or_else(|| in_directory(Path::new(&std::env::var_os("CREDENTIALS_DIRECTORY")?), name))
}

/// The credential of this name, as `NAME` or `tollgate_NAME`, without the newline that editors put at its end.
fn in_directory(directory: &Path, name: &str) -> Option<String> {
    if !is_plain(name) {
        return None;
    }
    let text = read(&directory.join(name)).or_else(|| read(&directory.join(format!("{DIRECTORY_PREFIX}{name}"))))?;
    let value = text.trim_end_matches(['\r', '\n']);
    (!value.is_empty()).then(|| value.to_owned())
}

/// A name that stays in its directory.
fn is_plain(name: &str) -> bool {
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
    !name.is_empty() && !name.starts_with('.') && name.bytes().all(legal)
}

fn read(path: &Path) -> Option<String> {
    let mut text = String::new();
    let count = File::open(path).ok()?.take(CREDENTIAL_BYTES_MAX + 1).read_to_string(&mut text).ok()?;
    u64::try_from(count).is_ok_and(|count| count <= CREDENTIAL_BYTES_MAX).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Directory(std::path::PathBuf);

    impl Directory {
        fn new(name: &str, files: &[(&str, &[u8])]) -> Self {
            let path = std::env::temp_dir().join(format!("tollgate-{name}-{}", std::process::id()));
            std::fs::create_dir_all(&path).unwrap();
            for (file, text) in files {
                std::fs::write(path.join(file), text).unwrap();
            }
            Self(path)
        }
    }

    impl Drop for Directory {
        fn drop(&mut self) {
            std::fs::remove_dir_all(&self.0).ok();
        }
    }

    #[test]
    fn a_credential_is_found_by_its_name_or_behind_the_directory_s_prefix() {
        let directory =
            Directory::new("found", &[("OPENAI_API_KEY", b"sk-one\n"), ("tollgate_GROQ_API_KEY", b"sk-two")]);
        assert_eq!(in_directory(&directory.0, "OPENAI_API_KEY").as_deref(), Some("sk-one"));
        assert_eq!(in_directory(&directory.0, "GROQ_API_KEY").as_deref(), Some("sk-two"));
        assert_eq!(in_directory(&directory.0, "XAI_API_KEY"), None);
    }

    #[test]
    fn what_is_empty_too_long_or_not_text_is_no_credential() {
        let long = vec![b'x'; 64 * 1024 + 1];
        let directory = Directory::new("bad", &[("EMPTY", b"\n"), ("LONG", &long), ("BINARY", b"\xff\xfe")]);
        for name in ["EMPTY", "LONG", "BINARY"] {
            assert_eq!(in_directory(&directory.0, name), None, "{name}");
        }
    }

    #[test]
    fn a_name_cannot_leave_the_directory() {
        for name in ["../passwd", "a/b", "..", ".", "", ".hidden", "a\0b"] {
            assert!(!is_plain(name), "{name:?}");
        }
    }
}
