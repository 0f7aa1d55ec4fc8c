//! Which models a key may name.

use std::collections::HashSet;

use crate::vocabulary::{Fault, Kind};

/// A compiled list of models: exact names and patterns with `*`. Case matters; nothing is normalised, since what is not
/// written on the list is not allowed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Access {
    /// Every model.
    All,
    /// What is listed; nothing if that is empty.
    Listed(Listed),
}

/// The names and patterns of a list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listed {
    names: HashSet<Box<str>>,
    patterns: Vec<Pattern>,
}

impl Access {
    /// Reads a key's `models`. An empty list allows all, as do `*`, `all-proxy-models` and `all-team-models`;
    /// `no-default-models` adds nothing. A name that `access_groups` knows also allows that group's models.
    pub fn compile(models: &[String], access_groups: &dyn Fn(&str) -> Option<Vec<String>>) -> Self {
        if models.is_empty() {
            return Self::All;
        }
        let mut listed = Listed::default();
        for entry in models {
            if matches!(entry.as_str(), "*" | "all-proxy-models" | "all-team-models") {
                return Self::All;
            }
            if entry != "no-default-models" {
                listed.add(entry);
                access_groups(entry).iter().flatten().for_each(|model| listed.add(model));
            }
        }
        Self::Listed(listed)
    }

    /// Whether this very name is on the list.
    pub fn allows(&self, name: &str) -> bool {
        match self {
            Self::All => true,
            Self::Listed(listed) => listed.contains(name),
        }
    }

    /// Whether a request may go ahead: `requested` is the name the client wrote, `group` the model group it was resolved
    /// to, through the key's alias or a global one (the same as `requested` without an alias).
    ///
    /// Either of the two must be on the list. A global alias therefore leads nowhere the list does not: its target must
    /// be listed, or the operator has listed the alias itself.
    ///
    /// # Errors
    /// Neither is. The answer names only what the client wrote.
    pub fn check(&self, requested: &str, group: &str) -> Result<(), Fault> {
        if self.allows(requested) || self.allows(group) {
            return Ok(());
        }
        let text = format!(
            "The requested model '{requested}' is not available for this API key, or the model name is invalid. \
             Check the models available to you and try again."
        );
        Err(Fault::client(Kind::ModelNotAllowed, text).param("model"))
    }
}

impl Listed {
    fn add(&mut self, entry: &str) {
        if entry.contains('*') {
            self.patterns.push(Pattern::parse(entry));
        } else {
            self.names.insert(entry.into());
        }
    }

    fn contains(&self, name: &str) -> bool {
        self.names.contains(name) || self.patterns.iter().any(|pattern| pattern.matches(name))
    }
}

/// A name in which each `*` stands for any text, also none and also with `/`.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Pattern {
    start: Box<str>,
    middle: Vec<Box<str>>,
    end: Box<str>,
}

impl Pattern {
    fn parse(text: &str) -> Self {
        let (start, rest) = text.split_once('*').unwrap_or((text, ""));
        let (middle, end) = rest.rsplit_once('*').unwrap_or(("", rest));
        let middle = middle.split('*').filter(|part| !part.is_empty()).map(Box::from).collect();
        Self { start: start.into(), middle, end: end.into() }
    }

    /// The parts in order, each at the first place it fits: with `*` alone that finds a match if there is one, and looks
    /// at no byte of the name twice.
    fn matches(&self, name: &str) -> bool {
        let Some(rest) = name.strip_prefix(&*self.start) else { return false };
        let Some(mut rest) = rest.strip_suffix(&*self.end) else { return false };
        for part in &self.middle {
            let Some((_, after)) = rest.split_once(&**part) else { return false };
            rest = after;
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn access(models: &[&str]) -> Access {
        let models: Vec<String> = models.iter().map(|model| (*model).to_owned()).collect();
        Access::compile(&models, &|name| (name == "beta").then(|| vec!["gpt-5".to_owned(), "groq/*".to_owned()]))
    }

    #[test]
    fn an_empty_list_and_the_words_for_all_allow_everything() {
        for models in [&[][..], &["*"], &["all-proxy-models"], &["x", "all-team-models"]] {
            assert!(access(models).allows("anything/at-all"), "{models:?}");
        }
    }

    #[test]
    fn no_default_models_allows_nothing_by_itself() {
        assert!(!access(&["no-default-models"]).allows("gpt-4o"));
        assert!(!access(&["no-default-models"]).allows("no-default-models"));
        assert!(access(&["no-default-models", "gpt-4o"]).allows("gpt-4o"));
    }

    #[test]
    fn a_name_is_matched_whole_and_in_its_case() {
        let list = access(&["gpt-4o", "anthropic/*", "ft:*:acme", "a*b*c"]);
        for name in ["gpt-4o", "anthropic/claude", "anthropic/a/b", "anthropic/", "ft:gpt:acme", "abc", "a-bb-cc"] {
            assert!(list.allows(name), "{name}");
        }
        for name in [
            "GPT-4o",
            "gpt-4o ",
            "gpt-4o-mini",
            "openai/gpt-4o",
            "gpt-4",
            "anthropic",
            "Anthropic/claude",
            "xanthropic/a",
            "ft:acme",
            "ac",
            "a-c-b",
            "",
        ] {
            assert!(!list.allows(name), "{name}");
        }
    }

    #[test]
    fn a_pattern_does_not_use_one_byte_for_two_parts() {
        assert!(!access(&["aba*aba"]).allows("aba"));
        assert!(!access(&["ab*ba"]).allows("aba"));
        assert!(access(&["ab*ba"]).allows("abba"));
    }

    #[test]
    fn an_access_group_stands_for_its_models() {
        let list = access(&["beta"]);
        assert!(list.allows("gpt-5") && list.allows("groq/llama"));
        assert!(!list.allows("gpt-4o"));
    }

    #[test]
    fn an_alias_leads_nowhere_the_list_does_not() {
        assert!(access(&["gpt-4o"]).check("fast", "gpt-4o").is_ok());
        assert!(access(&["fast"]).check("fast", "gpt-4o").is_ok());
        let fault = access(&["claude"]).check("fast", "gpt-4o").unwrap_err();
        assert_eq!((fault.kind, fault.param.as_deref()), (Kind::ModelNotAllowed, Some("model")));
        assert!(fault.public.starts_with("The requested model 'fast' is not available for this API key"));
        assert!(!fault.public.contains("gpt-4o"), "the target is not the caller's to know");
    }

    fn naive(pattern: &[u8], name: &[u8]) -> bool {
        match pattern.split_first() {
            None => name.is_empty(),
            Some((b'*', rest)) => (0..=name.len()).any(|skip| naive(rest, &name[skip..])),
            Some((byte, rest)) => name.split_first().is_some_and(|(first, tail)| first == byte && naive(rest, tail)),
        }
    }

    proptest! {
        #[test]
        fn patterns_agree_with_the_naive_matcher(pattern in "[ab*]{0,7}[*][ab*]{0,3}", name in "[ab]{0,9}") {
            prop_assert_eq!(Pattern::parse(&pattern).matches(&name), naive(pattern.as_bytes(), name.as_bytes()));
        }
    }
}
