//! What policy reads is what any other parser reads in the bytes that are forwarded; what could be read in two ways is refused.
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "helpers of tests, and word of what was skipped")]

use std::io::Write;
use std::process::{Command, Stdio};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use proptest::prelude::*;
use tollgate::dialect::openai::{Endpoint, Request};
use tollgate::json::{self, Edits, Limits, scan, splice};

/// Mutated documents for each foreign parser.
const DOCUMENTS: usize = 30_000;

#[test]
fn what_every_parser_reads_alike_is_accepted() {
    for text in [
        "{}",
        " \t\r\n{ } \n",
        r#"{"":0}"#,
        r#"{"a":[],"b":{},"c":null,"d":true,"e":false}"#,
        r#"{"a":[1,[2,[3,{"b":[]}]]]}"#,
        r#"{"a":0,"b":-0,"c":-1.5e+10,"d":1E-2,"e":0.0,"f":123456789012345678901234567890,"g":1e400}"#,
        r#"{"a":"\"\\\/\b\f\n\r\t\u0000\u00e9\uD83D\ude00"}"#,
        "{\"a\":\"\u{7f}\u{80}\u{2028}\u{feff}\u{1f600}\"}",
        r#"{"a":{"x":1,"x":2}}"#,
        r#"{"a":1,"A":2}"#,
    ] {
        assert!(scan(text.as_bytes(), &Limits::default()).is_ok(), "{text}");
        assert!(json_is_valid(text.as_bytes()) || text.contains("1e400"), "{text}");
    }
}

#[test]
fn what_parsers_read_in_different_ways_is_refused() {
    let texts: &[&[u8]] = &[
        b"",
        b" ",
        b"null",
        b"1",
        b"\"x\"",
        b"[]",
        b"[{}]",
        b"{",
        b"}",
        b"{}}",
        b"{}{}",
        b"{} null",
        b"{}\0",
        b"{},",
        b"\xEF\xBB\xBF{}",
        b"\xFF\xFE{\0}\0",
        b"\0{}",
        b"{\0}",
        b"/**/{}",
        b"{/**/}",
        b"{}//x",
        b"{}#",
        b"{a:1}",
        b"{'a':1}",
        b"{\"a\"}",
        b"{\"a\":}",
        b"{\"a\" 1}",
        b"{\"a\"::1}",
        b"{\"a\":1,}",
        b"{,\"a\":1}",
        b"{\"a\":1,,\"b\":2}",
        b"{\"a\":1 \"b\":2}",
        b"{\"a\":1;\"b\":2}",
        b"{1:1}",
        b"{null:1}",
        b"{\"a\":[1,]}",
        b"{\"a\":[,1]}",
        b"{\"a\":[1 2]}",
        b"{\"a\":[}",
        b"{\"a\":[1}",
        b"{\"a\":{]}",
        b"{\"a\":]}",
        b"{\"a\":NaN}",
        b"{\"a\":Infinity}",
        b"{\"a\":-Infinity}",
        b"{\"a\":nan}",
        b"{\"a\":True}",
        b"{\"a\":nul}",
        b"{\"a\":nulll}",
        b"{\"a\":truefalse}",
        b"{\"a\":undefined}",
        b"{\"a\":01}",
        b"{\"a\":-01}",
        b"{\"a\":+1}",
        b"{\"a\":.5}",
        b"{\"a\":1.}",
        b"{\"a\":1.e1}",
        b"{\"a\":1e}",
        b"{\"a\":1e+}",
        b"{\"a\":0x1}",
        b"{\"a\":-}",
        b"{\"a\":--1}",
        b"{\"a\":1_0}",
        b"{\"a\":1a}",
        b"{\"a\":1.2.3}",
        b"{\"a\":1e1.5}",
        b"{\"a\":00}",
        b"{\"a\":\"\n\"}",
        b"{\"a\":\"\t\"}",
        b"{\"a\":\"\0\"}",
        b"{\"a\":\"\x1f\"}",
        b"{\"a\":\"",
        b"{\"a\":\"\\\"}",
        b"{\"a\":\"\\x41\"}",
        b"{\"a\":\"\\u12\"}",
        b"{\"a\":\"\\u12g4\"}",
        b"{\"a\":\"\\U0041\"}",
        b"{\"a\":\"\\'\"}",
        b"{\"a\":\"\\a\"}",
        b"{\"a\":\"\\\n\"}",
        b"{\"a\":\"\\ud800\"}",
        b"{\"a\":\"\\udc00\"}",
        b"{\"a\":\"\\ud800\\ud800\"}",
        b"{\"a\":\"\\ud800x\"}",
        b"{\"a\":\"\\ud800\\n\"}",
        b"{\"\\ud800\":1}",
        b"{\"a\":\"\x80\"}",
        b"{\"a\":\"\xC0\xAF\"}",
        b"{\"a\":\"\xED\xA0\x80\"}",
        b"{\"a\":\"\xF5\x80\x80\x80\"}",
        b"{\"a\":\"\xE2\x82\"}",
        b"{\"a\":\"\xE2\x82\\n\"}",
        b"{\"a\":\"\xC3\"\"}",
        b"{\"a\xFF\":1}",
        b"{\"a\":\xE9}",
        b"\xA0{}",
        b"{\x0B}",
        b"{\x0C}",
        b"{\"a\":1}\xEF\xBB\xBF",
        b"{\"a\":1,\"a\":1}",
        b"{\"a\":1,\"\\u0061\":1}",
        b"{\"\":1,\"\":2}",
    ];
    for text in texts {
        assert!(scan(text, &Limits::default()).is_err(), "{}", String::from_utf8_lossy(text));
    }
}

fn json_is_valid(bytes: &[u8]) -> bool {
    serde_json::from_slice::<&serde_json::value::RawValue>(bytes).is_ok()
}

proptest! {
    #[test]
    fn what_is_accepted_another_strict_parser_accepts(seed in any::<u64>()) {
        let document = mutated(&mut fastrand::Rng::with_seed(seed));
        if scan(&document, &Limits::default()).is_ok() {
            prop_assert!(json_is_valid(&document), "{:?}", String::from_utf8_lossy(&document));
        }
    }

    #[test]
    fn what_is_not_mutated_is_accepted(seed in any::<u64>()) {
        let document = template(&mut fastrand::Rng::with_seed(seed));
        prop_assert!(scan(document.as_bytes(), &Limits::default()).is_ok(), "{}", document);
    }
}

/// A request with the fields that decide, in any order, with space in any place.
fn template(random: &mut fastrand::Rng) -> String {
    let mut members =
        vec![r#""model":"gpt-4o""#, r#""messages":[{"role":"user","content":"hé \"you\" \\ \ud83d\ude00"}]"#];
    let optional = [
        r#""stream":true"#,
        r#""stream":false"#,
        r#""stream":null"#,
        r#""max_tokens":16"#,
        r#""max_tokens":9007199254740992"#,
        r#""max_completion_tokens":0"#,
        r#""n":2"#,
        r#""user":"someone""#,
        r#""user":"\u00fc\u0000\n""#,
        r#""tools":[{"type":"function","function":{"name":"f","parameters":{"model":1,"n":[]}}}]"#,
        r#""stream_options":{"include_usage":true}"#,
        r#""temperature":0.70"#,
        r#""metadata":{"tags":["a"]}"#,
        r#""timeout":5"#,
        r#""unknown":{"stream":true}"#,
    ];
    for member in optional {
        let key = member.split(':').next().unwrap();
        if random.u8(..4) == 0 && !members.iter().any(|other| other.starts_with(key)) {
            members.push(member);
        }
    }
    random.shuffle(&mut members);
    let space = |random: &mut fastrand::Rng| random.choice(["", "", "", " ", "\n", "\t "]).unwrap();
    let spaced: Vec<_> = members.iter().map(|member| format!("{}{member}{}", space(random), space(random))).collect();
    format!("{}{{{}}}{}", space(random), spaced.join(","), space(random))
}

const DICTIONARY: &[&str] = &[
    "\"model\":\"other\",",
    ",\"model\":\"other\"",
    "\"MODEL\":\"other\",",
    "\"mod\\u0065l\":\"other\",",
    "\"stream\":true,",
    "\"Stream\":true,",
    "\"\\u017ftream\":1,",
    "\"n\":3,",
    "\"N\":3,",
    "\"user\":\"x\",",
    "\"maxTokens\":1,",
    "\"max_tokens\":7,",
    "NaN",
    "Infinity",
    "1e400",
    "-0",
    "1E2",
    "null",
    "true",
    "\\ud800",
    "\\u0000",
    "\\\"",
    "\\",
    "\"",
    "{",
    "}",
    "[",
    "]",
    ",",
    ":",
    "//x\n",
    "/*x*/",
    "\u{feff}",
    "\u{2028}",
    "\u{a0}",
    "\0",
    "\n",
    "{}",
    "[]",
    "'",
    "\\u006f",
    "\\/",
    "0",
    "1.0",
    "-1",
    "include_usage",
    "Include_usage",
];

/// A request with one to three wounds.
fn mutated(random: &mut fastrand::Rng) -> Vec<u8> {
    let mut bytes = template(random).into_bytes();
    for _ in 0..random.usize(1..4) {
        let at = random.usize(..=bytes.len());
        match random.u8(..8) {
            0 if at < bytes.len() => bytes[at] = random.u8(..),
            1 if at < bytes.len() => drop(bytes.remove(at)),
            2 if random.u8(..4) == 0 => bytes.truncate(at),
            3 if at < bytes.len() => bytes[at] ^= 0x20,
            4 => escape_a_letter(&mut bytes, at),
            5 => insert_behind(&mut bytes, at, b"{,", random),
            _ => drop(bytes.splice(at..at, random.choice(DICTIONARY).unwrap().bytes())),
        }
    }
    bytes
}

fn escape_a_letter(bytes: &mut Vec<u8>, at: usize) {
    if let Some(offset) = bytes.get(at..).and_then(|rest| rest.iter().position(u8::is_ascii_alphabetic)) {
        let escaped = format!("\\u{:04x}", bytes[at + offset]);
        bytes.splice(at + offset..=at + offset, escaped.bytes());
    }
}

/// Where a member may stand, so that more mutants live.
fn insert_behind(bytes: &mut Vec<u8>, at: usize, places: &[u8], random: &mut fastrand::Rng) {
    if let Some(offset) = bytes.get(at..).and_then(|rest| rest.iter().position(|byte| places.contains(byte))) {
        let at = at + offset + 1;
        bytes.splice(at..at, random.choice(DICTIONARY).unwrap().bytes());
    }
}

fn hex(text: &str) -> String {
    text.bytes().map(|byte| format!("{byte:02x}")).collect()
}

/// Our view, as the foreign parsers print theirs.
fn view(request: &Request, model: &str) -> String {
    let cap = |name| {
        request
            .output_caps
            .iter()
            .find(|cap| cap.name == name)
            .map_or_else(|| "-".to_owned(), |cap| cap.tokens.to_string())
    };
    let flag = |flag| if flag { "1" } else { "0" };
    let user = request.user.as_deref().map_or_else(|| "-".to_owned(), |user| format!("s{}", hex(user)));
    [
        format!("s{}", hex(model)),
        flag(request.stream).to_owned(),
        flag(request.include_usage == Some(true)).to_owned(),
        cap("max_tokens"),
        cap("max_completion_tokens"),
        request.choices.to_string(),
        user,
    ]
    .join(" ")
}

/// The bytes that would be forwarded: another model, without what is for the gateway.
fn forwarded(request: &Request) -> Bytes {
    let mut edits = Edits::new();
    request.gateway_only.iter().for_each(|member| edits.cut(*member));
    let model = request.document.members[request.model_member.unwrap()].value;
    edits.replace(model, json::quote("up\"stream"));
    splice(&request.body, &request.document, &edits).to_bytes()
}

/// Documents that were accepted, with our view of each.
fn accepted() -> Vec<(Vec<u8>, String)> {
    let mut random = fastrand::Rng::with_seed(0x7011_6a7e);
    let mut accepted = Vec::new();
    for _ in 0..DOCUMENTS {
        let document = mutated(&mut random);
        let Ok(request) = Request::read(Endpoint::ChatCompletions, Bytes::from(document.clone()), None) else {
            continue;
        };
        accepted.push((forwarded(&request).to_vec(), view(&request, "up\"stream")));
        accepted.push((document, view(&request, request.model.as_str())));
    }
    accepted
}

fn compare(program: &str, script: &str) {
    let script = format!("{}/tests/support/differential/{script}", env!("CARGO_MANIFEST_DIR"));
    let child = Command::new(program).arg(script).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
    let Ok(mut child) = child else {
        println!("SKIPPED: {program} is not here");
        return;
    };
    let documents = accepted();
    assert!(documents.len() > DOCUMENTS / 10, "too few mutants live to say anything: {}", documents.len());
    let lines: String = documents.iter().map(|(document, _)| STANDARD.encode(document) + "\n").collect();
    let mut pipe = child.stdin.take().unwrap();
    let writer = std::thread::spawn(move || pipe.write_all(lines.as_bytes()).unwrap());
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    let views = String::from_utf8(output.stdout).unwrap();
    assert_eq!(views.lines().count(), documents.len());
    for ((document, ours), theirs) in documents.iter().zip(views.lines()) {
        assert_eq!(ours, theirs, "{program}: {}", String::from_utf8_lossy(document));
    }
}

#[test]
fn python_reads_what_we_read() {
    compare("python3", "view.py");
}

#[test]
fn node_reads_what_we_read() {
    compare("node", "view.js");
}
