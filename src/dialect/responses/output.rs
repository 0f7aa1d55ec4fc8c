//! Writing JSON and events.

use serde::Serialize;

/// Adds a value as JSON.
pub(super) fn put(out: &mut Vec<u8>, value: &(impl Serialize + ?Sized)) {
    // A vector takes everything, and no type here has keys that are not text.
    let _never_fails = serde_json::to_writer(out, value);
}

/// Adds one server-sent event.
pub(super) fn event(out: &mut Vec<u8>, name: &str, data: &impl Serialize) {
    out.extend_from_slice(b"event: ");
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"\ndata: ");
    let start = out.len();
    put(out, data);
    // What is carried from a request may be written over several lines; a line's end would end the data. In JSON it is
    // space, because strings have it escaped.
    for byte in out.get_mut(start..).unwrap_or_default() {
        if matches!(byte, b'\n' | b'\r') {
            *byte = b' ';
        }
    }
    out.extend_from_slice(b"\n\n");
}
