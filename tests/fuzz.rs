//! No bytes make a decoder or a translator panic, and what each makes of them holds what must be true of it: the fuzz targets,
//! run on their corpus and on what becomes of it when it is cut, repeated, mixed and scribbled on. The same every time.
//!
//! `cargo fuzz run NAME` in `fuzz/` goes on from there; `TOLLGATE_FUZZ_ROUNDS` lets these tests do so, too.

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on stops")]

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use fastrand::Rng;

#[path = "../fuzz/src/lib.rs"]
pub mod targets;

/// Mutations of each file of a corpus.
const ROUNDS: usize = 150;
/// Longer inputs say nothing new.
const INPUT_BYTES_MAX: usize = 16 * 1024;
/// What is put into inputs besides bytes of chance.
const WORDS: [&[u8]; 22] = [
    b"\"",
    b"{",
    b"}",
    b"[",
    b"]",
    b",",
    b":",
    b"null",
    b"true",
    b"-1",
    b"1e999",
    b"18446744073709551616",
    b"\\ud800",
    b"\\",
    b"\n",
    b"\r\n\r\n",
    b"data: ",
    b"event: error\n",
    b"data: [DONE]\n\n",
    b"\0",
    b"\xff",
    b"\"type\":\"x\"",
];

macro_rules! targets {
    ($($name:ident)*) => {
        const NAMES: &[&str] = &[$(stringify!($name)),*];
        $(#[test]
        fn $name() {
            survives(stringify!($name));
        })*
    };
}

targets! {
    json_scan json_tail sse ndjson aws_events form config prices sound
    answer_openai answer_mistral answer_anthropic answer_gemini answer_bedrock answer_cohere answer_ollama
    relay_chat relay_responses relay_messages relay_gemini
    request_chat request_responses request_messages request_gemini embedding rerank
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz")
}

fn corpus(name: &str) -> Vec<Vec<u8>> {
    let mut paths: Vec<_> =
        std::fs::read_dir(folder().join("corpus").join(name)).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths.into_iter().map(|path| std::fs::read(path).unwrap()).collect()
}

fn survives(name: &str) {
    let rounds = std::env::var("TOLLGATE_FUZZ_ROUNDS").ok().map_or(ROUNDS, |text| text.parse().unwrap());
    let corpus = corpus(name);
    assert!(!corpus.is_empty(), "{name} has no corpus");
    let mut rng =
        Rng::with_seed(name.bytes().fold(7_u64, |seed, byte| seed.wrapping_mul(31).wrapping_add(byte.into())));
    check(name, b"");
    for seed in &corpus {
        check(name, seed);
        for _ in 0..rounds {
            let mut input = seed.clone();
            for _ in 0..rng.usize(1..=4) {
                mutate(&mut input, &corpus, &mut rng);
            }
            input.truncate(INPUT_BYTES_MAX);
            check(name, &input);
        }
    }
}

fn check(name: &str, input: &[u8]) {
    if catch_unwind(AssertUnwindSafe(|| targets::run(name, input))).is_err() {
        panic!("{name} does not survive these bytes: {}", input.escape_ascii());
    }
}

fn mutate(input: &mut Vec<u8>, corpus: &[Vec<u8>], rng: &mut Rng) {
    let at = rng.usize(0..=input.len());
    let end = rng.usize(at..=input.len().min(at + 64));
    match rng.u8(0..7) {
        0 => input.truncate(at),
        1 => drop(input.drain(at..end)),
        2 => {
            let piece = input[at..end].to_vec();
            let to = rng.usize(0..=input.len());
            input.splice(to..to, piece);
        }
        3 => {
            let other = &corpus[rng.usize(0..corpus.len())];
            let from = rng.usize(0..=other.len());
            let piece = other[from..other.len().min(from + rng.usize(0..256))].to_vec();
            input.splice(at..end, piece);
        }
        4 | 5 => drop(input.splice(at..end.min(at + 4), WORDS[rng.usize(0..WORDS.len())].iter().copied())),
        _ => {
            if let Some(byte) = input.get_mut(at) {
                *byte ^= 1 << rng.u8(0..8);
            }
        }
    }
}

#[test]
fn every_target_is_a_test_a_program_and_a_corpus() {
    let files = |folder: PathBuf| -> BTreeSet<String> {
        let names = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        names.map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned()).collect()
    };
    let owned = |names: &[&str]| -> BTreeSet<String> { names.iter().map(|name| (*name).to_owned()).collect() };
    let targets: Vec<_> = targets::TARGETS.iter().map(|(name, _)| *name).collect();
    assert_eq!(owned(NAMES), owned(&targets));
    assert_eq!(files(folder().join("fuzz_targets")), owned(&targets));
    assert_eq!(files(folder().join("corpus")), owned(&targets));
    let manifest = std::fs::read_to_string(folder().join("Cargo.toml")).unwrap();
    let programs: BTreeSet<String> = manifest
        .lines()
        .filter_map(|line| line.strip_prefix("path = \"fuzz_targets/")?.strip_suffix(".rs\""))
        .map(str::to_owned)
        .collect();
    assert_eq!(programs, owned(&targets));
}
