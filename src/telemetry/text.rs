//! Text that others wrote, made safe to show: one line, no control over the terminal, capped, without credentials.

/// The longest text that is shown, in bytes of the original.
pub(super) const TEXT_BYTES_MAX: usize = 256;

/// What looks like a key and is at least this long is not shown.
const KEY_BYTES_MIN: usize = 16;

/// Appends `text`, escaped as the inside of a JSON string, cut after `bytes_max` bytes with `…`.
/// Words that look like keys (`sk-` and what follows) are cut to `sk-…`.
pub(super) fn push_shown(out: &mut String, text: &str, bytes_max: usize) {
    let shown = head(text, bytes_max);
    if is_plain(shown) {
        out.push_str(shown);
    } else {
        push_escaped_text(out, shown);
    }
    if shown.len() < text.len() {
        out.push('…');
    }
}

/// Whether there is nothing to escape or to hide: so it is with nearly every text.
fn is_plain(text: &str) -> bool {
    let bytes = text.as_bytes();
    // Without a branch, or the loop is not vectorised.
    let plain =
        |byte: u8| u8::from(byte >= b' ') & u8::from(byte <= b'~') & u8::from(byte != b'"') & u8::from(byte != b'\\');
    let all = bytes.iter().fold(1, |all, byte| all & plain(*byte));
    all == 1 && !memchr::memchr_iter(b'-', bytes).any(|dash| bytes[..dash].ends_with(b"sk"))
}

fn push_escaped_text(out: &mut String, shown: &str) {
    let mut rest = shown;
    let mut word_start = true;
    while let Some(c) = rest.chars().next() {
        let key_bytes = if word_start { key_at_start(rest) } else { 0 };
        if key_bytes > 0 {
            out.push_str("sk-…");
            rest = rest.get(key_bytes..).unwrap_or_default();
            word_start = false;
            continue;
        }
        push_escaped(out, c);
        // A letter of another script is no reason to show a key; `task-...` is a reason not to hide one.
        word_start = !c.is_ascii_alphanumeric();
        rest = rest.get(c.len_utf8()..).unwrap_or_default();
    }
}

fn head(text: &str, bytes_max: usize) -> &str {
    let mut end = bytes_max.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default()
}

fn key_at_start(text: &str) -> usize {
    if !text.starts_with("sk-") {
        return 0;
    }
    let bytes = text.bytes().take_while(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_')).count();
    if bytes < KEY_BYTES_MIN { 0 } else { bytes }
}

fn push_escaped(out: &mut String, c: char) {
    match c {
        '"' => out.push_str("\\\""),
        '\\' => out.push_str("\\\\"),
        c if is_hidden(c) => push_unit_escapes(out, c),
        c => out.push(c),
    }
}

fn push_unit_escapes(out: &mut String, c: char) {
    for unit in c.encode_utf16(&mut [0; 2]) {
        out.push_str("\\u");
        let digits = [12, 8, 4, 0].map(|shift| u32::from(*unit >> shift & 0xf));
        out.extend(digits.iter().filter_map(|&digit| char::from_digit(digit, 16)));
    }
}

/// Controls, line and paragraph separators, direction marks, and characters without a shape.
fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn shown(text: &str) -> String {
        let mut out = String::new();
        push_shown(&mut out, text, TEXT_BYTES_MAX);
        out
    }

    #[test]
    fn what_could_move_the_cursor_or_the_reading_order_is_spelled_out() {
        assert_eq!(
            shown("a\r\n\x1b[2J\u{202e}b\u{85}\u{2028}\"\\"),
            r#"a\u000d\u000a\u001b[2J\u202eb\u0085\u2028\"\\"#
        );
        assert_eq!(shown("\u{e0041}"), r"\udb40\udc41");
        assert_eq!(shown("modèle 模型"), "modèle 模型");
    }

    #[test]
    fn a_key_in_a_name_is_not_shown_but_a_task_is() {
        assert_eq!(shown("sk-proj-0123456789abcdef"), "sk-…");
        assert_eq!(shown("use sk-0123456789abcdef_x now"), "use sk-… now");
        assert_eq!(shown("模sk-0123456789abcdef"), "模sk-…");
        assert_eq!(shown("task-0123456789abcdef"), "task-0123456789abcdef");
        assert_eq!(shown("sk-short"), "sk-short");
    }

    #[test]
    fn long_text_is_cut_at_a_character() {
        let cut = shown(&"é".repeat(1000));
        assert_eq!(cut, format!("{}…", "é".repeat(128)));
    }

    proptest! {
        #[test]
        fn whatever_is_shown_is_a_json_string_on_one_line(text in any::<String>()) {
            let json = format!("\"{}\"", shown(&text));
            prop_assert!(!json.chars().any(is_hidden));
            let back: String = serde_json::from_str(&json).unwrap();
            if text.len() <= TEXT_BYTES_MAX && !text.contains("sk-") {
                prop_assert_eq!(back, text);
            }
        }
    }
}
