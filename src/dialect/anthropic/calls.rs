//! Parallel tool calls, brought into a row: the blocks of this API come one after the other.

use std::collections::VecDeque;

/// The most that is held of calls that wait for their turn, in bytes.
const HELD_BYTES_MAX: usize = 4 * 1024 * 1024;

/// The calls that are not written yet. The first is open, the others wait.
#[derive(Debug, Default)]
pub(super) struct Calls {
    row: VecDeque<Call>,
    open: bool,
    held: usize,
}

#[derive(Debug)]
struct Call {
    index: u32,
    id: String,
    name: String,
    // Pieces that are not written yet.
    arguments: String,
    shape: Shape,
}

/// What to write.
pub(super) trait Row {
    /// A call begins.
    fn open(&mut self, id: &str, name: &str);
    /// A piece of its arguments.
    fn arguments(&mut self, json: &str);
    /// It ends.
    fn close(&mut self);
}

impl Calls {
    /// A call begins.
    pub(super) fn begin(&mut self, index: u32, id: &str, name: &str, row: &mut impl Row) {
        self.held += id.len() + name.len();
        let (id, name) = (id.to_owned(), name.to_owned());
        self.row.push_back(Call { index, id, name, arguments: String::new(), shape: Shape::default() });
        self.advance(row);
    }

    /// A piece of a call's arguments comes. For a call that has ended, it is too late.
    pub(super) fn add(&mut self, index: u32, json: &str, row: &mut impl Row) {
        let Some(at) = self.row.iter().rposition(|call| call.index == index) else { return };
        let open = at == 0 && self.open;
        let Some(call) = self.row.get_mut(at) else { return };
        let taken = call.shape.take(json);
        if open && call.shape.object == Some(true) {
            row.arguments(taken);
        } else {
            call.arguments.push_str(taken);
            self.held += taken.len();
        }
        self.advance(row);
    }

    /// Everything that waits is written, and the open call ends.
    pub(super) fn end(&mut self, row: &mut impl Row) {
        while !self.row.is_empty() {
            self.open_first(row);
            self.close_first(row);
        }
        self.held = 0;
    }

    /// Opens the first call, and closes it for the next one when its arguments are whole.
    fn advance(&mut self, row: &mut impl Row) {
        loop {
            self.open_first(row);
            let Some(first) = self.row.front() else { return };
            let full = self.held > HELD_BYTES_MAX;
            if !full && (self.row.len() < 2 || !first.shape.whole) {
                return;
            }
            self.close_first(row);
        }
    }

    fn open_first(&mut self, row: &mut impl Row) {
        if std::mem::replace(&mut self.open, true) {
            return;
        }
        let Some(first) = self.row.front_mut() else {
            self.open = false;
            return;
        };
        row.open(&first.id, &first.name);
        self.held = self.held.saturating_sub(first.id.len() + first.name.len());
        if first.shape.object == Some(true) && !first.arguments.is_empty() {
            row.arguments(&first.arguments);
            self.held = self.held.saturating_sub(first.arguments.len());
            first.arguments = String::new();
        }
    }

    fn close_first(&mut self, row: &mut impl Row) {
        let Some(first) = self.row.pop_front() else { return };
        self.open = false;
        self.held = self.held.saturating_sub(first.arguments.len());
        // Arguments that are no object stand in one.
        let text = first.arguments.trim();
        if !matches!(text, "" | "null") {
            row.arguments(&wrapped(text));
        }
        row.close();
    }
}

/// An object that holds arguments which are none.
pub(super) fn wrapped(arguments: &str) -> String {
    let quoted = serde_json::to_string(arguments).unwrap_or_default();
    format!("{{\"arguments\":{quoted}}}")
}

/// How far a JSON value goes, as its text comes.
#[derive(Clone, Copy, Debug, Default)]
struct Shape {
    // Whether it is an object; None before the first letter.
    object: Option<bool>,
    depth: u32,
    in_text: bool,
    escaped: bool,
    // The object has ended.
    whole: bool,
}

impl Shape {
    /// Takes a piece and answers what of it belongs to the value.
    fn take<'t>(&mut self, piece: &'t str) -> &'t str {
        if self.whole {
            return "";
        }
        for (at, byte) in piece.bytes().enumerate() {
            self.step(byte);
            if self.whole {
                return piece.get(..=at).unwrap_or(piece);
            }
        }
        piece
    }

    fn step(&mut self, byte: u8) {
        if self.object.is_none() && !byte.is_ascii_whitespace() {
            self.object = Some(byte == b'{');
        }
        if self.object != Some(true) {
            return;
        }
        match byte {
            _ if std::mem::take(&mut self.escaped) => {}
            b'\\' if self.in_text => self.escaped = true,
            b'"' => self.in_text = !self.in_text,
            b'{' | b'[' if !self.in_text => self.depth += 1,
            b'}' | b']' if !self.in_text => {
                self.depth = self.depth.saturating_sub(1);
                self.whole = self.depth == 0;
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Default)]
    struct Seen(String);

    impl Row for Seen {
        fn open(&mut self, id: &str, name: &str) {
            self.0.push_str(&format!("<{id} {name} "));
        }

        fn arguments(&mut self, json: &str) {
            self.0.push_str(json);
        }

        fn close(&mut self) {
            self.0.push('>');
        }
    }

    #[test]
    fn interleaved_calls_are_written_one_after_the_other() {
        let (mut calls, mut seen) = (Calls::default(), Seen::default());
        calls.begin(0, "a", "f", &mut seen);
        calls.begin(1, "b", "g", &mut seen);
        for (index, piece) in [(0, "{\"x\":"), (1, "{\"y\":\"}"), (0, "1}"), (1, "\"}"), (0, " "), (9, "{}")] {
            calls.add(index, piece, &mut seen);
        }
        calls.end(&mut seen);
        assert_eq!(seen.0, "<a f {\"x\":1}><b g {\"y\":\"}\"}>");
    }

    #[test]
    fn pieces_of_the_open_call_are_not_held() {
        let (mut calls, mut seen) = (Calls::default(), Seen::default());
        calls.begin(0, "a", "f", &mut seen);
        calls.add(0, "{\"x\"", &mut seen);
        assert_eq!(seen.0, "<a f {\"x\"");
    }

    #[test]
    fn arguments_that_are_no_object_stand_in_one() {
        for (text, written) in [("", ""), ("null", ""), (" ", ""), ("[1]", "{\"arguments\":\"[1]\"}")] {
            let (mut calls, mut seen) = (Calls::default(), Seen::default());
            calls.begin(0, "a", "f", &mut seen);
            calls.add(0, text, &mut seen);
            calls.end(&mut seen);
            assert_eq!(seen.0, format!("<a f {written}>"));
        }
    }

    #[test]
    fn what_waits_is_bounded() {
        let (mut calls, mut seen) = (Calls::default(), Seen::default());
        calls.begin(0, "a", "f", &mut seen);
        calls.begin(1, "b", "g", &mut seen);
        let piece = " ".repeat(1024 * 1024);
        for _ in 0..9 {
            calls.add(1, &piece, &mut seen);
        }
        assert!(calls.held <= HELD_BYTES_MAX + piece.len());
    }
}
