//! Searches of the web that an answer of the Responses API made: no count of its usage tells of them.

use std::sync::LazyLock;

use memchr::memmem::Finder;

use crate::chat::Raw;
use crate::json;

/// What an item that tells of a search is called.
const CALL: &str = "\"web_search_call\"";
/// Finds it.
pub(super) static CALLS: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(CALL));

#[derive(Default, serde::Deserialize)]
#[serde(default)]
struct Answer<'a> {
    #[serde(borrow)]
    output: Option<Raw<'a>>,
    #[serde(borrow)]
    tool_usage: Option<Raw<'a>>,
}

#[derive(Default, serde::Deserialize)]
#[serde(default)]
struct ToolUsage<'a> {
    #[serde(borrow)]
    web_search: Option<Raw<'a>>,
}

#[derive(Default, serde::Deserialize)]
#[serde(default)]
struct Requests<'a> {
    #[serde(borrow)]
    num_requests: Option<Raw<'a>>,
}

#[derive(Default, serde::Deserialize)]
#[serde(default)]
struct Item<'a> {
    #[serde(borrow, rename = "type")]
    kind: Option<Raw<'a>>,
    #[serde(borrow)]
    action: Option<Raw<'a>>,
}

/// How many searches a response is charged for: as it says itself, else each call that searched. Opening a page that was
/// found, and looking for words in it, is none.
pub(super) fn searches(response: &[u8]) -> u64 {
    if CALLS.find(response).is_none() {
        return 0;
    }
    let answer: Answer<'_> = serde_json::from_slice(response).unwrap_or_default();
    told(answer.tool_usage).unwrap_or_else(|| {
        let items: Vec<Raw<'_>> = answer.output.and_then(read).unwrap_or_default();
        items.into_iter().filter_map(read::<Item<'_>>).filter(Item::searched).count() as u64
    })
}

fn told(tool_usage: Option<Raw<'_>>) -> Option<u64> {
    let web_search = read::<ToolUsage<'_>>(tool_usage?)?.web_search?;
    json::as_u64(read::<Requests<'_>>(web_search)?.num_requests?.get().as_bytes())
}

impl Item<'_> {
    fn searched(&self) -> bool {
        let action = || read::<Self>(self.action?)?.kind;
        self.kind.is_some_and(|kind| kind.get() == CALL) && action().is_none_or(|kind| kind.get() == "\"search\"")
    }
}

fn read<'a, T: serde::Deserialize<'a>>(raw: Raw<'a>) -> Option<T> {
    serde_json::from_str(raw.get()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn searches_count_and_what_is_done_with_their_results_does_not() {
        let response = br#"{"output":[{"type":"reasoning"},
            {"type":"web_search_call","action":{"type":"search","query":"a"}},
            {"type":"web_search_call","action":{"type":"open_page","url":"b"}},
            {"type":"web_search_call","action":{"type":"find_in_page"}},
            {"type":"web_search_call","status":"completed"}, 7]}"#;
        assert_eq!(searches(response), 2);
        assert_eq!(searches(br#"{"output":[{"type":"message","content":[{"text":"web_search_call"}]}]}"#), 0);
    }

    #[test]
    fn the_providers_own_count_goes_first() {
        let response = br#"{"output":[{"type":"web_search_call"},{"type":"web_search_call"}],
            "tool_usage":{"image_gen":{},"web_search":{"num_requests":1}}}"#;
        assert_eq!(searches(response), 1);
        let response = br#"{"output":[{"type":"web_search_call"}],"tool_usage":{"web_search":{"num_requests":null}}}"#;
        assert_eq!(searches(response), 1);
    }
}
