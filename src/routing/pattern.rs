//! Names with one `*`.

/// A name in which one `*` stands for any text, the empty one excluded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    before: Box<str>,
    after: Box<str>,
}

impl Pattern {
    /// Splits a name at its first `*`; `None` where there is none. Further stars stand for themselves.
    pub fn parse(name: &str) -> Option<Self> {
        let (before, after) = name.split_once('*')?;
        Some(Self { before: before.into(), after: after.into() })
    }

    /// What the star stands for in `name`.
    pub fn capture<'n>(&self, name: &'n str) -> Option<&'n str> {
        let rest = name.strip_prefix(&*self.before)?.strip_suffix(&*self.after)?;
        (!rest.is_empty()).then_some(rest)
    }

    /// The pattern with `text` in the star's place.
    pub fn fill(&self, text: &str) -> String {
        [&*self.before, text, &*self.after].concat()
    }

    /// How much of the name is fixed: the larger, the more specific.
    pub fn fixed(&self) -> usize {
        self.before.len() + self.after.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_something() {
        let all = Pattern::parse("openai/*").unwrap();
        assert_eq!(all.capture("openai/gpt-4o"), Some("gpt-4o"));
        assert_eq!(all.capture("openai/"), None);
        assert_eq!(all.capture("OpenAI/gpt-4o"), None);
        assert_eq!(Pattern::parse("*").unwrap().capture("a/b"), Some("a/b"));
        assert_eq!(Pattern::parse("a*a").unwrap().capture("aa"), None);
        assert_eq!(Pattern::parse("plain"), None);
        assert_eq!(all.fill("x"), "openai/x");
    }
}
