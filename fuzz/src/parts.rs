//! Decoders beneath the dialects: JSON, framings, forms, files.

use bytes::Bytes;
use serde::de::IgnoredAny;
use tollgate::cli::Served;
use tollgate::config::{self, Purpose, Surroundings};
use tollgate::dialect::Form;
use tollgate::json::{self, Edits, Limits};
use tollgate::pricing::{Book, sound};
use tollgate::wire::{aws, ndjson, sse};

/// The longest event that is read.
pub(crate) const EVENT_BYTES_MAX: usize = 64 * 1024;

/// The first byte says how large the chunks are that the rest comes in.
pub(crate) fn chunks(data: &[u8]) -> (usize, &[u8]) {
    match data.split_first() {
        Some((size, rest)) => (usize::from(*size).max(1), rest),
        None => (1, data),
    }
}

/// What a reading gives of the bytes at once must be what it gives of them in chunks.
pub(crate) fn whatever_the_chunks<T: PartialEq + std::fmt::Debug>(data: &[u8], read: impl Fn(&[&[u8]]) -> T) -> T {
    let (size, rest) = chunks(data);
    let (whole, cut) = (read(&[rest]), read(&rest.chunks(size).collect::<Vec<_>>()));
    assert_eq!(whole, cut, "in chunks of {size}");
    whole
}

pub(crate) fn is_json(text: &[u8]) -> bool {
    serde_json::from_slice::<IgnoredAny>(text).is_ok()
}

/// What is taken is JSON to others, too, and is still taken after an edit.
pub(crate) fn json_scan(data: &[u8]) {
    let Ok(document) = json::scan(data, &Limits::default()) else { return };
    assert!(is_json(data), "taken, but no JSON");
    let body = Bytes::copy_from_slice(data);
    let mut edits = Edits::new();
    if let Some(member) = document.members.first() {
        edits.replace(member.value, json::quote("a \"new\" value"));
    }
    edits.insert("added-by-the-test", b"[1,{}]");
    let edited = json::splice(&body, &document, &edits).to_bytes();
    let again = json::scan(&edited, &Limits::default()).expect("an edited document is one");
    let added = document.find(data, "added-by-the-test").is_none();
    assert_eq!(again.members.len(), document.members.len() + usize::from(added));
}

/// An answer read as it comes shows the same members as one that came at once.
pub(crate) fn json_tail(data: &[u8]) {
    whatever_the_chunks(data, |chunks| {
        let mut tail = json::Tail::new(&["model", "usage", "error"]);
        chunks.iter().for_each(|chunk| tail.push(chunk));
        let found: Vec<_> =
            tail.found().iter().map(|found| (found.name, found.at.clone(), found.value.clone())).collect();
        (found, tail.is_complete(), tail.len())
    });
}

/// The same events whatever the chunks, and every byte is in one of them.
pub(crate) fn sse(data: &[u8]) {
    whatever_the_chunks(data, |chunks| {
        let (mut decoder, mut told, mut raw) = (sse::Decoder::new(EVENT_BYTES_MAX), Vec::new(), Vec::new());
        let mut note = |event: sse::Event| {
            raw.extend_from_slice(&event.raw);
            // A chunk may end within a line's end: its rest is an event without data.
            told.extend(event.data.map(|data| (event.name, data)));
        };
        for chunk in chunks {
            decoder.push(Bytes::copy_from_slice(chunk));
            while let Ok(Some(event)) = decoder.next_event() {
                note(event);
            }
        }
        decoder.finish().into_iter().for_each(note);
        assert_eq!(raw, chunks.concat(), "bytes were lost");
        told
    });
}

pub(crate) fn ndjson(data: &[u8]) {
    whatever_the_chunks(data, |chunks| {
        let (mut decoder, mut lines) = (ndjson::Decoder::new(EVENT_BYTES_MAX), Vec::new());
        for chunk in chunks {
            decoder.push(Bytes::copy_from_slice(chunk));
            while let Ok(Some(line)) = decoder.next_line() {
                lines.push(line);
            }
        }
        (lines, decoder.finish())
    });
}

pub(crate) fn aws_events(data: &[u8]) {
    whatever_the_chunks(data, |chunks| {
        let (mut decoder, mut seen, mut broken) = (aws::Decoder::new(EVENT_BYTES_MAX), Vec::new(), false);
        for chunk in chunks {
            if broken {
                break;
            }
            decoder.push(Bytes::copy_from_slice(chunk));
            loop {
                match decoder.next_message() {
                    Ok(Some(message)) => seen.push((message.headers().count(), message.payload.clone())),
                    Ok(None) => break,
                    Err(_) => {
                        broken = true;
                        break;
                    }
                }
            }
        }
        (seen, broken)
    });
}

/// A form that is taken has its model replaced, and is then read alike.
pub(crate) fn form(data: &[u8]) {
    const KIND: &[u8] = b"multipart/form-data; boundary=b";
    let Ok(form) = Form::read(KIND, data) else { return };
    let body = Bytes::copy_from_slice(data);
    let written = form.with_model(&body, "another", true).to_bytes();
    let again = Form::read(KIND, &written).expect("a form with another model is one");
    assert_eq!(again.model.expect("the model").of(&written), b"another");
}

/// A configuration is taken or refused with findings.
pub(crate) fn config(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let from = Surroundings { env: &|_| None, providers: &Served, purpose: Purpose::Serve };
    let (settings, report) = config::load_text("fuzz.yaml", text, &from);
    assert!(settings.is_some() || !report.findings.is_empty(), "refused without a word");
}

/// A price file is taken or refused.
pub(crate) fn prices(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Ok(book) = Book::with_text(text) {
        book.find("openai", "gpt-4o").expect("what a file does not price the table does");
    }
}

pub(crate) fn sound(data: &[u8]) {
    assert!(sound::millis(data) <= sound::most_millis(data.len() as u64));
}
