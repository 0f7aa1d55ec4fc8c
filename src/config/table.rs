//! The one table of keys that have an effect. The check, `conf/full.yaml` and the reference are all made from it.

use super::keys;
use super::kind::Kind;

/// One key that has an effect.
#[derive(Clone, Copy, Debug)]
pub struct Key {
    /// Where it stands, e.g. `model_list[].litellm_params.rpm`. A last part in angle brackets stands for several names.
    pub path: &'static str,
    /// What it takes.
    pub kind: Kind,
    /// What holds without it, in words.
    pub default: &'static str,
    /// What it does, in one sentence.
    pub meaning: &'static str,
    /// A value, in YAML. For several names: a whole `name: value`.
    pub example: &'static str,
    /// Whether `conf/full.yaml` sets it or only shows it.
    pub shown: Shown,
}

/// How `conf/full.yaml` prints a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shown {
    /// Set to its example.
    Set,
    /// In a comment, because another key there excludes it.
    Comment,
}

impl Key {
    pub(super) const fn new(
        path: &'static str,
        kind: Kind,
        default: &'static str,
        meaning: &'static str,
        example: &'static str,
    ) -> Self {
        Self { path, kind, default, meaning, example, shown: Shown::Set }
    }

    pub(super) const fn in_comment(self) -> Self {
        Self { shown: Shown::Comment, ..self }
    }

    /// The part of the path before the last dot; empty at the top.
    pub fn section(&self) -> &'static str {
        self.path.rsplit_once('.').map_or("", |(section, _)| section)
    }

    /// The part of the path after the last dot.
    pub fn name(&self) -> &'static str {
        self.path.rsplit_once('.').map_or(self.path, |(_, name)| name)
    }
}

/// All keys, section by section.
pub fn table() -> impl Iterator<Item = &'static Key> {
    keys::ALL.iter().flat_map(|section| section.iter())
}

/// The key at a path without indices, e.g. `model_list[].litellm_params.rpm`.
pub fn find(pattern: &str) -> Option<&'static Key> {
    table().find(|key| key.path == pattern).or_else(|| {
        let (section, name) = pattern.rsplit_once('.')?;
        let group = keys::group(name)?;
        table().find(|key| key.section() == section && key.name() == group)
    })
}

/// A path without its indices: `model_list[2].model_name` becomes `model_list[].model_name`.
pub(super) fn pattern(path: &str) -> String {
    let mut out = String::with_capacity(path.len());
    let mut inside = false;
    for c in path.chars() {
        inside = c == '[' || inside && c != ']';
        if !inside || c == '[' {
            out.push(c);
        }
    }
    out
}

/// Whether a value at this path, or inside a key that has an effect, has an effect.
pub(super) fn covers(path: &str) -> bool {
    let whole = pattern(path);
    let mut rest = whole.as_str();
    loop {
        if let Some(key) = find(rest.trim_end_matches("[]")) {
            return !matches!(key.kind, Kind::Section | Kind::Sections);
        }
        match rest.rsplit_once('.') {
            Some((parent, _)) => rest = parent,
            None => return false,
        }
    }
}

/// The name nearest to one that nobody knows, if it is near.
pub(super) fn nearest<'a>(name: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let near = |candidate: &&str| {
        let distance = strsim::damerau_levenshtein(name, candidate);
        distance <= 1 + candidate.len() / 5
    };
    candidates.filter(near).min_by_key(|candidate| strsim::damerau_levenshtein(name, candidate))
}

/// Advice for a name that is not in the table: a near one beside it, or the same one in another section.
pub(super) fn advice(section: &str, name: &str) -> Option<String> {
    if name.len() > 80 {
        return None;
    }
    let here = || table().filter(|key| key.section() == section && !key.name().starts_with('<')).map(Key::name);
    if let Some(near) = nearest(name, here()) {
        return Some(format!("did you mean `{near}`?"));
    }
    let elsewhere = table().find(|key| key.name() == name && !key.section().is_empty());
    elsewhere.map(|key| format!("did you mean `{}`?", key.path))
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_key_stands_once_in_a_section_that_exists_and_says_what_it_does() {
        let mut seen = HashSet::new();
        for key in table() {
            assert!(seen.insert(key.path), "{} twice", key.path);
            assert!(key.meaning.ends_with('.') && !key.example.is_empty() && !key.default.is_empty(), "{}", key.path);
            let section = key.section().trim_end_matches("[]");
            assert!(section.is_empty() || find(section).is_some(), "{} has no section", key.path);
        }
    }

    #[test]
    fn a_typing_error_gets_the_nearest_name_and_a_stray_key_its_section() {
        assert_eq!(advice("general_settings", "master_kee").unwrap(), "did you mean `master_key`?");
        let stray = advice("general_settings", "routing_strategy").unwrap();
        assert_eq!(stray, "did you mean `router_settings.routing_strategy`?");
        assert_eq!(advice("general_settings", "zzzzzz"), None);
    }

    #[test]
    fn patterns_have_no_indices() {
        assert_eq!(pattern("model_list[12].litellm_params.rpm"), "model_list[].litellm_params.rpm");
        assert!(covers("model_list[3].litellm_params.extra_headers.x-team"));
        assert!(covers("virtual_keys[0].models[2]"));
        assert!(!covers("general_settings.database_type"));
    }
}
