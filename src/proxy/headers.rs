//! Looking headers up by name, where most of those asked for are not there.

use http::{HeaderMap, HeaderValue};

/// A head's headers, with a filter in front: a name that is certainly absent is neither parsed nor hashed.
pub(super) struct Lookup<'a> {
    headers: &'a HeaderMap,
    /// A bit for each name that is there; several names may share one.
    marks: u64,
}

impl<'a> Lookup<'a> {
    /// Marks the names once.
    pub(super) fn of(headers: &'a HeaderMap) -> Self {
        let marks = headers.keys().fold(0, |marks, name| marks | mark(name.as_str()));
        Self { headers, marks }
    }

    /// The first value under a lower-case name.
    pub(super) fn get(&self, name: &str) -> Option<&'a HeaderValue> {
        if self.marks & mark(name) == 0 { None } else { self.headers.get(name) }
    }

    /// The same as bytes.
    pub(super) fn bytes(&self, name: &str) -> Option<&'a [u8]> {
        self.get(name).map(HeaderValue::as_bytes)
    }

    /// The same, if it is text.
    pub(super) fn text(&self, name: &str) -> Option<&'a str> {
        self.get(name).and_then(|value| value.to_str().ok())
    }
}

/// Of length, last and middle letter: they tell the usual names apart.
#[inline]
fn mark(name: &str) -> u64 {
    let bytes = name.as_bytes();
    let at = |place: usize| bytes.get(place).copied().map_or(0, usize::from);
    let sum = bytes.len() * 5 + at(bytes.len() / 2) * 3 + at(bytes.len().wrapping_sub(1));
    1 << (sum % 64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_there_is_found_and_nothing_else() {
        let names = ["authorization", "content-type", "x-request-id", "a", "x-litellm-tags", "content-length"];
        let mut headers = HeaderMap::new();
        for name in names {
            assert!(Lookup::of(&headers).get(name).is_none(), "{name}");
            headers.insert(name, HeaderValue::from_static(name));
            assert_eq!(Lookup::of(&headers).text(name), Some(name));
        }
        assert_eq!(Lookup::of(&headers).bytes("a"), Some(&b"a"[..]));
    }
}
