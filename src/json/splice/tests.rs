#![expect(clippy::disallowed_types, reason = "the tree is the oracle that splicing is compared with")]

use proptest::prelude::*;
use serde_json::{Map, Value};

use super::*;
use crate::json::{Limits, scan};

fn edited(text: &str, edit: impl FnOnce(&Document, &mut Edits)) -> String {
    let body = Bytes::copy_from_slice(text.as_bytes());
    let document = scan(&body, &Limits::default()).unwrap();
    let mut edits = Edits::new();
    edit(&document, &mut edits);
    let segments = splice(&body, &document, &edits);
    assert_eq!(segments.len, segments.parts.iter().map(Bytes::len).sum::<usize>());
    assert!(segments.parts.iter().all(|part| !part.is_empty()));
    String::from_utf8(segments.join().to_bytes().to_vec()).unwrap()
}

fn without(text: &str, cut: &[usize]) -> String {
    edited(text, |_, edits| cut.iter().for_each(|index| edits.cut(*index)))
}

#[test]
fn a_member_is_cut_with_one_comma() {
    let text = r#"{ "a":1 , "b":2 , "c":3 }"#;
    for (cut, left) in [
        (vec![0], r#"{ "b":2 , "c":3 }"#),
        (vec![1], r#"{ "a":1 , "c":3 }"#),
        (vec![2], r#"{ "a":1 , "b":2 }"#),
        (vec![0, 1], r#"{ "c":3 }"#),
        (vec![2, 1], r#"{ "a":1 }"#),
        (vec![0, 2], r#"{ "b":2 }"#),
        (vec![0, 1, 2], r#"{  }"#),
        (vec![7], text),
    ] {
        assert_eq!(without(text, &cut), left, "{cut:?}");
    }
}

#[test]
fn members_are_added_at_the_end() {
    let add = |_: &Document, edits: &mut Edits| {
        edits.insert("x", b"1");
        edits.insert("y\"", b"[]");
    };
    assert_eq!(edited("{}", add), r#"{"x":1,"y\"":[]}"#);
    assert_eq!(edited("{ }\n", add), "{\"x\":1,\"y\\\"\":[] }\n");
    assert_eq!(edited(r#"{"a":0 }"#, add), r#"{"a":0,"x":1,"y\"":[] }"#);
    let instead = |_: &Document, edits: &mut Edits| {
        edits.cut(0);
        edits.insert("x", b"1");
    };
    assert_eq!(edited(r#"{"a":0}"#, instead), r#"{"x":1}"#);
    assert_eq!(
        edited(r#"{"b":{"c":[]},"a":0}"#, instead),
        r#"{"x":1,"a":0}"#.replace("\"x\":1,\"a\":0", "\"a\":0,\"x\":1")
    );
}

#[test]
fn a_nested_object_takes_members_too() {
    for (text, expected) in [
        (r#"{"o":{},"z":1}"#, r#"{"o":{"u":true,"v":0},"z":1}"#),
        (r#"{"o":{ "a" : [ {} ] },"z":1}"#, r#"{"o":{ "a" : [ {} ],"u":true,"v":0 },"z":1}"#),
    ] {
        let sent = edited(text, |document, edits| {
            edits.insert_into(document.members[0].value, "u", b"true");
            edits.insert_into(document.members[0].value, "v", b"0");
        });
        assert_eq!(sent, expected);
    }
}

#[test]
fn the_last_replacement_counts_and_a_cut_wins() {
    let sent = edited(r#"{"a":1,"b":2}"#, |document, edits| {
        edits.replace(document.members[0].value, Bytes::from_static(b"x"));
        edits.replace(document.members[0].value, Bytes::from_static(b"3"));
        edits.replace(document.members[1].value, Bytes::from_static(b"4"));
        edits.cut(1);
    });
    assert_eq!(sent, r#"{"a":3}"#);
}

#[test]
fn bytes_that_stay_are_shared() {
    let body = Bytes::from(format!(r#"{{"model":"a","text":"{}"}}"#, "x".repeat(100_000)));
    let document = scan(&body, &Limits::default()).unwrap();
    let mut edits = Edits::new();
    assert_eq!(splice(&body, &document, &edits).parts[0].as_ptr(), body.as_ptr());
    edits.replace(document.members[0].value, Bytes::from_static(b"\"b\""));
    let segments = splice(&body, &document, &edits).join();
    assert_eq!(segments.parts.len(), 3);
    assert_eq!(segments.parts[2].as_ptr(), body[12..].as_ptr());
}

fn member_text() -> impl Strategy<Value = (String, String)> {
    let value = prop_oneof![
        Just("null".to_owned()),
        Just("[1, {\"a\":\"}\"}]".to_owned()),
        Just("{ }".to_owned()),
        "[0-9]{1,3}".prop_map(|digits| digits.trim_start_matches('0').to_owned() + "7"),
        "\"[a-z,{}:]{0,5}\"",
    ];
    ("[ \n\t]{0,2}", value, "[ \n]{0,2}").prop_map(|(before, value, after)| (before, value + &after))
}

proptest! {
    #[test]
    fn splicing_is_editing_the_tree(
        members in proptest::collection::vec(member_text(), 0..6),
        cut in proptest::collection::vec(0_usize..6, 0..4),
        replaced in proptest::collection::vec(0_usize..6, 0..3),
        inserted in 0_usize..3,
        nested in any::<bool>(),
    ) {
        let texts: Vec<_> = members.iter().enumerate().map(|(i, (space, value))| format!("{space}\"k{i}\" :{space}{value}")).collect();
        let text = format!("{{{}}}", texts.join(","));
        let mut tree: Map<String, Value> = serde_json::from_str(&text).unwrap();
        let body = Bytes::from(text);
        let document = scan(&body, &Limits::default()).unwrap();
        let mut edits = Edits::new();
        for index in replaced.iter().filter(|index| **index < members.len()) {
            edits.replace(document.members[*index].value, Bytes::from_static(b"\"new\""));
            tree.insert(format!("k{index}"), "new".into());
        }
        if let Some(at) = (0..members.len()).find(|at| nested && document.members[*at].value.of(&body) == b"{ }" && !replaced.contains(at)) {
            edits.insert_into(document.members[at].value, "in", b"1");
            tree[&format!("k{at}")]["in"] = 1.into();
        }
        for index in &cut {
            edits.cut(*index);
            tree.remove(&format!("k{index}"));
        }
        for index in 0..inserted {
            edits.insert(&format!("new{index}"), b"{\"x\":[]}");
            tree.insert(format!("new{index}"), serde_json::json!({"x": []}));
        }
        let sent = splice(&body, &document, &edits).to_bytes();
        prop_assert!(scan(&sent, &Limits::default()).is_ok(), "{:?}", sent);
        prop_assert_eq!(serde_json::from_slice::<Map<String, Value>>(&sent).unwrap(), tree);
    }
}

#[test]
fn what_is_looked_for_is_found_across_pieces() {
    let text = b"abcdefgh";
    for pieces in [&[8_usize][..], &[4, 4], &[3, 1, 4], &[1, 1, 1, 1, 1, 1, 1, 1], &[5, 1, 2]] {
        let (mut segments, mut at) = (Segments::default(), 0);
        for length in pieces {
            segments.push(Bytes::copy_from_slice(&text[at..at + length]));
            at += length;
        }
        for start in 0..text.len() {
            for end in start + 1..=text.len() {
                assert!(segments.contains(&Finder::new(&text[start..end])), "{pieces:?} {start}..{end}");
            }
        }
        for missing in ["abd", "ha", "cc", "abcdefghi"] {
            assert!(!segments.contains(&Finder::new(missing)), "{pieces:?} {missing}");
        }
    }
    assert!(!Segments::default().contains(&Finder::new(b"a")));
}
