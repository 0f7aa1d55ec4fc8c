//! What a grounded answer looked up: searches of the web and questions to a map, each charged for beside its tokens.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use memchr::memmem::Finder;

use crate::vocabulary::Lookups;

use super::object::as_value;
use super::reply::{Grounding, Response};

/// Finds the member that tells of it.
pub(super) static MEMBER: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new("\"groundingMetadata\""));
/// The most queries that are told apart: whoever asks more has paid for these.
const QUERIES_MAX: usize = 1024;

/// What was looked up so far. Pieces of a stream repeat what those before them said: the same query counts once.
#[derive(Debug, Default)]
pub(crate) struct LookedUp {
    web: BTreeSet<String>,
    maps: BTreeSet<String>,
    mapped: bool,
}

impl LookedUp {
    /// Takes what a piece of the answer tells.
    pub(crate) fn note(&mut self, grounding: &Grounding<'_>) {
        let chunks = grounding.grounding_chunks.iter().flatten();
        let (mut web, mut maps) = (false, grounding.google_maps_widget_context_token.is_some());
        for chunk in chunks {
            web |= chunk.web.is_some();
            maps |= chunk.maps.is_some();
        }
        self.mapped |= maps;
        let asked = if maps && !web { &mut self.maps } else { &mut self.web };
        for query in grounding.web_search_queries.iter().flatten().filter(|query| !query.is_empty()) {
            if asked.len() < QUERIES_MAX && !asked.contains(&**query) {
                asked.insert(query.to_string());
            }
        }
    }

    pub(crate) fn counted(&self) -> Lookups {
        let maps = if self.mapped { self.maps.len().max(1) } else { 0 };
        Lookups { searches: self.web.len() as u64, maps: maps as u64 }
    }
}

/// What a whole answer looked up.
pub(super) fn of_answer(answer: &[u8]) -> Lookups {
    let mut looked_up = LookedUp::default();
    if MEMBER.find(answer).is_some() {
        let response: Response<'_> = serde_json::from_slice(answer).unwrap_or_default();
        let told = response.candidates.into_iter().flatten().filter_map(|candidate| candidate.grounding_metadata);
        told.filter_map(as_value).for_each(|grounding| looked_up.note(&grounding));
    }
    looked_up.counted()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counted(pieces: &[&str]) -> Lookups {
        let mut looked_up = LookedUp::default();
        pieces.iter().for_each(|json| looked_up.note(&serde_json::from_str(json).unwrap()));
        looked_up.counted()
    }

    #[test]
    fn each_query_counts_once_and_an_empty_one_not_at_all() {
        let piece = r#"{"webSearchQueries":["a","b","a",""],"groundingChunks":[{"web":{"uri":"u"}}]}"#;
        assert_eq!(counted(&[piece, piece]), Lookups { searches: 2, maps: 0 });
        assert_eq!(counted(&["{}", r#"{"webSearchQueries":null}"#]), Lookups::default());
        assert_eq!(counted(&[r#"{"groundingChunks":[{"retrievedContext":{"uri":"u"}}]}"#]), Lookups::default());
    }

    #[test]
    fn a_map_is_asked_at_least_once_where_it_is_a_source() {
        let sources = r#"{"groundingChunks":[{"maps":{"uri":"u"}}]}"#;
        assert_eq!(counted(&[sources]), Lookups { searches: 0, maps: 1 });
        let asked = r#"{"groundingChunks":[{"maps":{"uri":"u"}}],"webSearchQueries":["x","y"]}"#;
        assert_eq!(counted(&[asked]), Lookups { searches: 0, maps: 2 });
        let both = r#"{"groundingChunks":[{"maps":{}},{"web":{}}],"webSearchQueries":["x"]}"#;
        assert_eq!(counted(&[both]), Lookups { searches: 1, maps: 1 });
    }

    #[test]
    fn a_whole_answer_is_read_for_it() {
        let answer = br#"{"candidates":[{"groundingMetadata":{"webSearchQueries":["a"]}},{"groundingMetadata":null}]}"#;
        assert_eq!(of_answer(answer), Lookups { searches: 1, maps: 0 });
        assert_eq!(of_answer(br#"{"candidates":[]}"#), Lookups::default());
    }
}
