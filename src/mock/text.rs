//! The text the mock answers with: words without meaning, in pieces, ready to stand inside a JSON string.

/// What one piece holds where no length is asked for.
const WORDS: [&str; 12] = [
    "The", " gate", " keeper", " counts", " every", " coin", " twice", " before", " the", " next", " cart", " passes.",
];
/// What texts of a given length are cut from. No byte of it needs an escape.
const FILLER: &str = "The gate keeper counts every coin twice before the next cart passes. ";
/// What stands around the text when JSON was asked for, escaped.
const JSON_OPEN: &str = r#"{\"answer\":\""#;
const JSON_CLOSE: &str = r#"\"}"#;

/// A text in pieces.
#[derive(Clone, Debug)]
pub(super) struct Text {
    pieces: u32,
    bytes: Option<u32>,
    json: bool,
    /// Stands instead of words, as the first and only piece; escaped.
    fixed: Option<String>,
}

impl Text {
    /// So many pieces, together of this length, within a JSON object if `json`.
    pub(super) fn new(pieces: u32, bytes: Option<u32>, json: bool) -> Self {
        Self { pieces, bytes, json, fixed: None }
    }

    /// These bytes as one piece. What is not UTF-8 is replaced.
    pub(super) fn fixed(bytes: &[u8]) -> Self {
        Self { pieces: 1, bytes: None, json: false, fixed: Some(escape(&String::from_utf8_lossy(bytes))) }
    }

    /// How many pieces there are.
    pub(super) fn pieces(&self) -> u32 {
        self.pieces
    }

    /// Writes one piece, counted from zero.
    pub(super) fn write(&self, piece: u32, out: &mut Vec<u8>) {
        if let Some(fixed) = &self.fixed {
            return out.extend_from_slice(fixed.as_bytes());
        }
        if self.json && piece == 0 {
            out.extend_from_slice(JSON_OPEN.as_bytes());
        }
        self.words(piece, out);
        if self.json && piece + 1 == self.pieces {
            out.extend_from_slice(JSON_CLOSE.as_bytes());
        }
    }

    /// Writes all pieces.
    pub(super) fn write_all(&self, out: &mut Vec<u8>) {
        (0..self.pieces).for_each(|piece| self.write(piece, out));
    }

    fn words(&self, piece: u32, out: &mut Vec<u8>) {
        match self.bytes {
            None => out.extend_from_slice(WORDS[piece as usize % WORDS.len()].as_bytes()),
            Some(bytes) => fill(self.edge(bytes, piece), self.edge(bytes, piece + 1), out),
        }
    }

    /// Where a piece begins in a text of so many bytes.
    fn edge(&self, bytes: u32, piece: u32) -> usize {
        let edge = u64::from(bytes) * u64::from(piece) / u64::from(self.pieces.max(1));
        usize::try_from(edge).unwrap_or(usize::MAX)
    }
}

fn fill(from: usize, to: usize, out: &mut Vec<u8>) {
    let mut at = from;
    while at < to {
        let start = at % FILLER.len();
        let end = FILLER.len().min(start + (to - at));
        out.extend_from_slice(&FILLER.as_bytes()[start..end]);
        at += end - start;
    }
}

/// The inside of a JSON string that says this.
pub(super) fn escape(text: &str) -> String {
    let quoted = serde_json::to_string(text).unwrap_or_default();
    quoted.get(1..quoted.len().saturating_sub(1)).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whole(text: &Text) -> String {
        let mut out = Vec::new();
        text.write_all(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_length_is_met_exactly_whatever_the_pieces() {
        for (pieces, bytes) in [(1, 0), (1, 1), (3, 2), (7, 1000), (100, 99), (4, 69 * 3)] {
            assert_eq!(whole(&Text::new(pieces, Some(bytes), false)).len(), bytes as usize, "{pieces} {bytes}");
        }
    }

    #[test]
    fn json_is_json_in_any_number_of_pieces() {
        for pieces in [1, 2, 9] {
            let inside = whole(&Text::new(pieces, None, true));
            let text: String = serde_json::from_str(&format!("\"{inside}\"")).unwrap();
            assert!(serde_json::from_str::<std::collections::BTreeMap<String, String>>(&text).is_ok(), "{text}");
        }
    }

    #[test]
    fn a_fixed_text_is_escaped() {
        assert_eq!(whole(&Text::fixed(b"{\"a\":\"\n\xff\"}")), "{\\\"a\\\":\\\"\\n\u{fffd}\\\"}");
    }
}
