//! What a scalar means, as PyYAML reads it, and how a tree is printed as JSON.

use super::yaml::{Node, Value};

/// The longest number that is read.
const NUMBER_BYTES_MAX: usize = 64;

impl Node {
    /// Whether nothing stands here: an empty plain value, `~` or `null`.
    pub(super) fn is_null(&self) -> bool {
        matches!(&self.value, Value::Scalar { text, plain: true }
            if matches!(text.as_str(), "" | "~" | "null" | "Null" | "NULL"))
    }

    /// The characters of a scalar, whatever they mean; None of null, lists and maps.
    pub(super) fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Scalar { text, .. } if !self.is_null() => Some(text),
            _ => None,
        }
    }

    /// True or false: YAML 1.1's words when plain, `true` and `false` also in quotes.
    pub(super) fn bool(&self) -> Option<bool> {
        match &self.value {
            Value::Scalar { text, plain: true } => word(text),
            Value::Scalar { text, .. } => word(text).filter(|_| text.len() > 3),
            _ => None,
        }
    }

    /// A number as JSON writes it, digits untouched; quoted ones too, as LiteLLM converts them.
    pub(super) fn number(&self) -> Option<String> {
        self.text().and_then(number)
    }

    /// Compact JSON of the whole tree.
    pub(super) fn to_json(&self) -> String {
        let mut out = String::new();
        write_json(self, &mut out);
        out
    }
}

fn word(text: &str) -> Option<bool> {
    match text {
        "true" | "True" | "TRUE" | "yes" | "Yes" | "YES" | "on" | "On" | "ON" => Some(true),
        "false" | "False" | "FALSE" | "no" | "No" | "NO" | "off" | "Off" | "OFF" => Some(false),
        _ => None,
    }
}

/// Reads `12`, `-1.5`, `.5`, `1_000`, `2.5e-06` and writes it as JSON would. Not octal, not infinity.
pub(super) fn number(text: &str) -> Option<String> {
    if text.len() > NUMBER_BYTES_MAX || text.starts_with('_') {
        return None;
    }
    let clean = text.replace('_', "");
    let (sign, unsigned) = match clean.strip_prefix('-') {
        Some(rest) => ("-", rest),
        None => ("", clean.strip_prefix('+').unwrap_or(&clean)),
    };
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (unsigned, None),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    let padded = whole.len() > 1 && whole.starts_with('0');
    if !digits(whole) || !digits(fraction) || whole.is_empty() && fraction.is_empty() || padded {
        return None;
    }
    let whole = if whole.is_empty() { "0" } else { whole };
    let point = if mantissa.contains('.') { "." } else { "" };
    let fraction = if fraction.is_empty() && !point.is_empty() { "0" } else { fraction };
    let exponent = match exponent {
        None => String::new(),
        Some(power) => format!("e{}", exponent_digits(power)?),
    };
    Some(format!("{sign}{whole}{point}{fraction}{exponent}"))
}

fn exponent_digits(power: &str) -> Option<&str> {
    let digits = power.strip_prefix(['+', '-']).unwrap_or(power);
    (!digits.is_empty() && digits.len() <= 4 && digits.bytes().all(|byte| byte.is_ascii_digit())).then_some(power)
}

fn write_json(node: &Node, out: &mut String) {
    match &node.value {
        Value::Scalar { text, plain } => write_scalar(node, text, *plain, out),
        Value::List(items) => {
            out.push('[');
            for (index, item) in items.iter().enumerate() {
                comma(index, out);
                write_json(item, out);
            }
            out.push(']');
        }
        Value::Map(entries) => {
            out.push('{');
            for (index, entry) in entries.iter().enumerate() {
                comma(index, out);
                write_string(&entry.key, out);
                out.push(':');
                write_json(&entry.value, out);
            }
            out.push('}');
        }
    }
}

fn write_scalar(node: &Node, text: &str, plain: bool, out: &mut String) {
    if node.is_null() {
        return out.push_str("null");
    }
    match (plain.then(|| word(text)).flatten(), plain.then(|| number(text)).flatten()) {
        (Some(truth), _) => out.push_str(if truth { "true" } else { "false" }),
        (_, Some(number)) => out.push_str(&number),
        _ => write_string(text, out),
    }
}

fn comma(index: usize, out: &mut String) {
    if index > 0 {
        out.push(',');
    }
}

fn write_string(text: &str, out: &mut String) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if c.is_control() => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::yaml;
    use super::*;

    fn json(text: &str) -> String {
        yaml::parse(&"t".into(), text).unwrap().to_json()
    }

    #[test]
    fn scalars_mean_what_they_mean_to_pyyaml() {
        let text = "[yes, no, on, Off, true, ~, null, '', 12, 1_000, 2.50, 1e-6, 2.5e-06, .5, +3, 007, '12', 1.2.3, a]";
        let expected = "[true,false,true,false,true,null,null,\"\",12,1000,2.50,1e-6,2.5e-06,0.5,3,\"007\",\"12\",\
                        \"1.2.3\",\"a\"]";
        assert_eq!(json(text), expected);
    }

    #[test]
    fn json_text_is_escaped() {
        assert_eq!(json(r#"{"a\"b": "x\n\t\\\u0001é"}"#), r#"{"a\"b":"x\n\t\\\u0001é"}"#);
    }

    proptest! {
        #[test]
        fn any_text_comes_back_from_json(text in any::<String>()) {
            let mut out = String::new();
            write_string(&text, &mut out);
            prop_assert_eq!(serde_json::from_str::<String>(&out).unwrap(), text);
        }

        #[test]
        fn whatever_is_called_a_number_is_one_in_json(text in "[-+0-9._eE]{1,12}") {
            if let Some(number) = number(&text) {
                prop_assert!(serde_json::from_str::<Box<serde_json::value::RawValue>>(&number).is_ok(), "{}", number);
            }
        }
    }
}
