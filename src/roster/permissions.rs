//! `permissions` of a key, as far as they have an effect.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::IgnoredAny;

use super::Json;

/// What a key's `permissions` say.
#[derive(Debug, Default, Deserialize)]
pub struct Permissions {
    /// Whether its requests may ask which way they went (`x-tollgate-explain`); they may unless it is false.
    #[serde(default)]
    pub explain: Option<bool>,
    /// Names that mean nothing here.
    #[serde(flatten)]
    pub others: BTreeMap<String, IgnoredAny>,
}

impl Permissions {
    /// Reads them.
    ///
    /// # Errors
    /// A name that has a meaning here has a value of another type.
    pub fn read(json: &Json) -> Result<Self, serde_json::Error> {
        serde_json::from_str(json.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_without_a_meaning_is_no_hindrance() {
        let read = |text: &str| Permissions::read(&Json::parse(text).unwrap());
        let found = read(r#"{"explain":false,"pii":{"deep":[1]}}"#).unwrap();
        assert_eq!((found.explain, found.others.keys().map(String::as_str).collect()), (Some(false), vec!["pii"]));
        assert_eq!(read("{}").unwrap().explain, None);
        assert!(read(r#"{"explain":"no"}"#).is_err());
    }
}
