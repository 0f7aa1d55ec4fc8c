//! Numbers as text, without the machinery of `format!`: they are written some twenty times for every request.

use std::time::Duration;

pub use itoa::Integer;

/// Appends a whole number.
pub fn push(out: &mut String, number: impl Integer) {
    out.push_str(itoa::Buffer::new().format(number));
}

/// Appends a whole number with zeros in front, up to this many digits.
pub fn push_padded(out: &mut String, number: u64, digits: usize) {
    let mut buffer = itoa::Buffer::new();
    let text = buffer.format(number);
    out.extend(std::iter::repeat_n('0', digits.saturating_sub(text.len())));
    out.push_str(text);
}

/// Appends several numbers with something between them.
pub fn push_all(out: &mut String, numbers: impl IntoIterator<Item = impl Integer>, between: &str) {
    for (place, number) in numbers.into_iter().enumerate() {
        if place > 0 {
            out.push_str(between);
        }
        push(out, number);
    }
}

/// Appends milliseconds, to the microsecond: `0.041`.
pub fn push_millis(out: &mut String, duration: Duration) {
    let us = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
    push(out, us / 1000);
    out.push('.');
    push_padded(out, us % 1000, 3);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(write: impl Fn(&mut String)) -> String {
        let mut out = String::new();
        write(&mut out);
        out
    }

    #[test]
    fn numbers_are_written_as_format_writes_them() {
        for number in [0, 7, 10, 999, 1000, u64::MAX] {
            assert_eq!(written(|out| push(out, number)), number.to_string());
            assert_eq!(written(|out| push_padded(out, number, 3)), format!("{number:03}"));
        }
        assert_eq!(written(|out| push(out, -5)), "-5");
        assert_eq!(written(|out| push_all(out, [127_u8, 0, 0, 1], ".")), "127.0.0.1");
    }

    #[test]
    fn milliseconds_have_three_places() {
        for (us, text) in [(0, "0.000"), (41, "0.041"), (812_345, "812.345"), (1_000, "1.000")] {
            assert_eq!(written(|out| push_millis(out, Duration::from_micros(us))), text);
        }
    }
}
