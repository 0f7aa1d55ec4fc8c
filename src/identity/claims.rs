//! What a token says, found by path.

use std::collections::BTreeMap;

use serde::Deserialize;

/// All claims of a token.
#[derive(Clone, Debug, PartialEq)]
pub struct Claims(BTreeMap<String, Claim>);

#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(untagged)]
enum Claim {
    Nothing,
    Flag(bool),
    Whole(i64),
    Number(f64),
    Text(String),
    List(Vec<Self>),
    Object(BTreeMap<String, Self>),
}

impl Claim {
    /// A text, or a whole number in digits: some identity providers count their users.
    fn text(&self) -> Option<String> {
        match self {
            Self::Text(text) if !text.is_empty() => Some(text.clone()),
            Self::Whole(number) => Some(number.to_string()),
            _ => None,
        }
    }
}

impl Claims {
    /// Reads a JSON object.
    pub(super) fn parse(json: &[u8]) -> Option<Self> {
        serde_json::from_slice(json).ok().map(Self)
    }

    /// The claim of this very name, else the one that a path with dots leads to: `realm_access.roles`. The name comes first
    /// because some are URLs.
    fn find(&self, path: &str) -> Option<&Claim> {
        if let Some(claim) = self.0.get(path) {
            return Some(claim);
        }
        let mut steps = path.split('.');
        let mut claim = self.0.get(steps.next()?)?;
        for step in steps {
            let Claim::Object(members) = claim else { return None };
            claim = members.get(step)?;
        }
        Some(claim)
    }

    /// A text that is not empty; of a list the first.
    pub fn text(&self, path: &str) -> Option<String> {
        match self.find(path)? {
            Claim::List(items) => items.first()?.text(),
            claim => claim.text(),
        }
    }

    /// The texts of a list, or the single one.
    pub fn texts(&self, path: &str) -> Vec<String> {
        match self.find(path) {
            Some(Claim::List(items)) => items.iter().filter_map(Claim::text).collect(),
            Some(claim) => claim.text().into_iter().collect(),
            None => Vec::new(),
        }
    }

    /// Words with blanks between, or a list of them: `scope` (RFC 8693, section 4.2).
    pub fn words(&self, path: &str) -> Vec<String> {
        let split = |text: &String| text.split_ascii_whitespace().map(str::to_owned).collect::<Vec<_>>();
        self.texts(path).iter().flat_map(split).collect()
    }

    /// Seconds since 1970 (`exp`); None where it is absent, an error where it is no number.
    pub(super) fn seconds(&self, name: &str) -> Result<Option<i64>, ()> {
        match self.0.get(name) {
            None => Ok(None),
            Some(Claim::Whole(seconds)) => Ok(Some(*seconds)),
            // Saturates, as what is that far away may.
            Some(Claim::Number(seconds)) if seconds.is_finite() => Ok(Some(*seconds as i64)),
            Some(_) => Err(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn claims_are_found_by_name_and_by_path() {
        let claims = Claims::parse(
            br#"{"sub":"ada","n":7,"realm":{"roles":["a","b"]},"https://x.y/teams":["t"],"scope":"one two","none":null,"exp":1.5e3}"#,
        )
        .unwrap();
        assert_eq!((claims.text("sub"), claims.text("n")), (Some("ada".to_owned()), Some("7".to_owned())));
        assert_eq!(
            (claims.texts("realm.roles"), claims.text("realm.roles")),
            (vec!["a".into(), "b".into()], Some("a".into()))
        );
        assert_eq!((claims.texts("https://x.y/teams"), claims.texts("sub.x")), (vec!["t".to_owned()], Vec::new()));
        assert_eq!(claims.words("scope"), ["one", "two"]);
        assert_eq!((claims.text("none"), claims.text("realm")), (None, None));
        assert_eq!(
            (claims.seconds("exp"), claims.seconds("nbf"), claims.seconds("sub")),
            (Ok(Some(1500)), Ok(None), Err(()))
        );
        assert!(Claims::parse(b"[]").is_none() && Claims::parse(b"{").is_none());
    }
}
