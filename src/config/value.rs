//! Reading typed values off nodes. None means "not that"; the key's [`Kind`](super::Kind) says what was expected.

use std::time::Duration;

use ipnet::IpNet;

use super::settings::{Budget, Margin};
use super::yaml::{Entry, Node};
use crate::vocabulary::{ModelName, PicoUsd};

/// The largest margin that is not a typing error: a thousand times the price.
const MARGIN_MAX: PicoUsd = PicoUsd::dollars(1000);

/// A whole number of at least zero. `3.0` is one too.
pub(super) fn count(node: &Node) -> Option<u64> {
    let number = node.number()?;
    let whole = number.split_once('.').map_or(number.as_str(), |(whole, fraction)| {
        if fraction.bytes().all(|byte| byte == b'0') { whole } else { "" }
    });
    whole.parse().ok()
}

/// A whole number of either sign.
pub(super) fn integer(node: &Node) -> Option<i64> {
    node.number()?.parse().ok()
}

/// A decimal number of at least zero, in thousandths; what is finer is rounded up so that it does not become zero.
pub(super) fn milli(node: &Node) -> Option<u64> {
    let pico = PicoUsd::parse(&node.number()?).ok()?.0;
    u64::try_from((pico.max(-1) + 999_999_999).div_euclid(1_000_000_000)).ok().filter(|_| pico >= 0)
}

/// Dollars of at least zero, exactly as typed.
pub(super) fn dollars(node: &Node) -> Option<PicoUsd> {
    PicoUsd::parse(&node.number()?).ok().filter(|amount| *amount >= PicoUsd::ZERO)
}

/// A part of a whole, of 10^12.
pub(super) fn part(node: &Node) -> Option<PicoUsd> {
    dollars(node).filter(|part| *part <= PicoUsd::dollars(1))
}

/// What is put on a price: a part of it, or `percentage` (a part, too) and `fixed_amount`.
pub(super) fn margin(node: &Node) -> Option<Margin> {
    let times = |node: &Node| dollars(node).filter(|times| *times <= MARGIN_MAX);
    if let Some(part) = times(node) {
        return Some(Margin { part, fixed: PicoUsd::ZERO });
    }
    let known = |entry: &Entry| matches!(entry.key.as_str(), "percentage" | "fixed_amount");
    if node.entries().is_empty() || !node.entries().iter().all(known) {
        return None;
    }
    let given = |name: &str, read: &dyn Fn(&Node) -> Option<PicoUsd>| match node.at(name) {
        Some(node) => read(node),
        None => Some(PicoUsd::ZERO),
    };
    Some(Margin { part: given("percentage", &times)?, fixed: given("fixed_amount", &dollars)? })
}

/// A length of time: seconds as a number, or a number with `ms`, `s`, `m`, `h` or `d`.
pub(super) fn duration(node: &Node) -> Option<Duration> {
    let text = node.text()?.trim();
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let milli_per_unit: u64 = match &text[digits.len()..] {
        "ms" => 1,
        "" | "s" => 1000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return None,
    };
    let pico = PicoUsd::parse(digits.trim_end()).ok().filter(|amount| amount.0 >= 0)?;
    let milli = pico.times(milli_per_unit).0 / 1_000_000_000_000;
    Some(Duration::from_millis(u64::try_from(milli).ok()?))
}

/// A budget's window: `30s`, `5m`, `2h`, `1d`, `1w`, `1mo`, or `hourly` to `monthly`.
pub(super) fn window(node: &Node) -> Option<&str> {
    let text = node.text()?.trim();
    if matches!(text, "hourly" | "daily" | "weekly" | "monthly") {
        return Some(text);
    }
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let longest: u32 = match &text[digits.len()..] {
        "s" => 315_360_000,
        "m" => 5_256_000,
        "h" => 87_600,
        "d" => 3650,
        "w" => 520,
        "mo" => 120,
        _ => return None,
    };
    let plain = digits.bytes().all(|byte| byte.is_ascii_digit());
    digits.parse().ok().filter(|amount: &u32| plain && (1..=longest).contains(amount)).map(|_| text)
}

/// A budget as a map: `max_budget` and `budget_duration`, or LiteLLM's other names for them, `budget_limit` and
/// `time_period`; nothing else.
pub(super) fn budget(node: &Node) -> Option<Budget> {
    let known = |name: &str| matches!(name, "max_budget" | "budget_limit" | "budget_duration" | "time_period");
    if !node.entries().iter().all(|entry| known(&entry.key)) {
        return None;
    }
    let max = node.at("max_budget").or_else(|| node.at("budget_limit")).and_then(dollars)?;
    let duration = match node.at("budget_duration").or_else(|| node.at("time_period")) {
        Some(duration) => Some(window(duration)?.to_owned()),
        None => None,
    };
    Some(Budget { max, duration })
}

/// An instant in RFC 3339, as Unix milliseconds.
pub(super) fn instant_ms(node: &Node) -> Option<i64> {
    node.text()?.trim().parse::<jiff::Timestamp>().ok().map(jiff::Timestamp::as_millisecond)
}

/// An address, or a network in CIDR notation.
pub(super) fn network(node: &Node) -> Option<IpNet> {
    let text = node.text()?.trim();
    text.parse().ok().or_else(|| text.parse().ok().map(|address: std::net::IpAddr| address.into()))
}

/// A list of texts; None if it is not a list or holds something else.
pub(super) fn names(node: &Node) -> Option<Vec<String>> {
    if !matches!(node.value, super::yaml::Value::List(_)) {
        return None;
    }
    node.items().iter().map(|item| item.text().filter(|text| is_line(text)).map(str::to_owned)).collect()
}

/// One text, or a list of them.
pub(super) fn name_or_names(node: &Node) -> Option<Vec<String>> {
    let single = || node.text().filter(|text| is_line(text)).map(|text| vec![text.to_owned()]);
    names(node).or_else(single)
}

/// The name of a model or group as a client may send it.
pub(super) fn model_name(node: &Node) -> Option<ModelName> {
    ModelName::parse(node.text()?).ok()
}

/// `http://` or `https://` and a host, without credentials.
pub(super) fn url(node: &Node) -> Option<&str> {
    node.text().map(str::trim).filter(|text| is_url(text))
}

/// Whether a text is such a URL.
pub(super) fn is_url(text: &str) -> bool {
    let Ok(uri) = text.parse::<http::Uri>() else { return false };
    let schemed = matches!(uri.scheme_str(), Some("http" | "https"));
    let authority = uri.authority().is_some_and(|authority| !authority.as_str().contains('@'));
    schemed && authority && uri.host().is_some_and(|host| !host.is_empty())
}

/// The name of a header that a configuration may set or read. Those that frame a message are ours.
pub(super) fn header_name(text: &str) -> Option<http::HeaderName> {
    const OURS: [&str; 10] = [
        "connection",
        "content-length",
        "expect",
        "host",
        "keep-alive",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    ];
    let name: http::HeaderName = text.parse().ok()?;
    (!OURS.contains(&name.as_str())).then_some(name)
}

/// Text that can stand in a header or a log line: no control characters, not longer than 8 KiB.
pub(super) fn is_line(text: &str) -> bool {
    text.len() <= 8192 && !text.chars().any(char::is_control)
}

#[cfg(test)]
mod tests {
    use super::super::yaml::{self, Node};
    use super::*;

    fn node(text: &str) -> Node {
        yaml::parse(&"t".into(), text).unwrap()
    }

    #[test]
    fn counts_are_whole_and_not_negative() {
        for (text, expected) in
            [("0", Some(0)), ("600", Some(600)), ("'7'", Some(7)), ("3.0", Some(3)), ("1_000", Some(1000))]
        {
            assert_eq!(count(&node(text)), expected, "{text}");
        }
        for text in ["-1", "1.5", "many", "1e3", "true", "[1]", "99999999999999999999"] {
            assert_eq!(count(&node(text)), None, "{text}");
        }
    }

    #[test]
    fn durations_take_units() {
        let ms = |text: &str| duration(&node(text)).map(|time| time.as_millis());
        assert_eq!(ms("30"), Some(30_000));
        assert_eq!(ms("0.5"), Some(500));
        assert_eq!(ms("30s"), Some(30_000));
        assert_eq!(ms("5m"), Some(300_000));
        assert_eq!(ms("1.5h"), Some(5_400_000));
        assert_eq!(ms("250ms"), Some(250));
        for text in ["-1", "5 parsecs", "s", "1h30m", "[]"] {
            assert_eq!(ms(text), None, "{text}");
        }
    }

    #[test]
    fn windows_follow_the_budget_grammar() {
        for text in ["30s", "5m", "2h", "1d", "30d", "1w", "1mo", "daily", "monthly"] {
            assert_eq!(window(&node(text)), Some(text));
        }
        for text in ["0d", "1y", "d", "1.5d", "-1d", "yearly", "1 d", "+1d", "9999mo"] {
            assert_eq!(window(&node(text)), None, "{text}");
        }
    }

    #[test]
    fn weights_round_up() {
        assert_eq!(milli(&node("0.5")), Some(500));
        assert_eq!(milli(&node("0.0001")), Some(1));
        assert_eq!(milli(&node("0")), Some(0));
        assert_eq!(milli(&node("-1")), None);
    }

    #[test]
    fn addresses_networks_instants_and_urls_are_read() {
        assert_eq!(network(&node("10.0.0.0/8")).unwrap().to_string(), "10.0.0.0/8");
        assert_eq!(network(&node("'::1'")).unwrap().to_string(), "::1/128");
        assert!(network(&node("10.0.0.0/33")).is_none());
        assert_eq!(instant_ms(&node("2030-01-01T00:00:00Z")), Some(1_893_456_000_000));
        assert_eq!(instant_ms(&node("2030-01-01")), None);
        assert!(url(&node("http://vllm:8000/v1")).is_some());
        for text in ["vllm:8000", "ftp://x", "http://", "https:///v1", "http://a b", "http://u:p@h/"] {
            assert!(url(&node(text)).is_none(), "{text}");
        }
        assert!(header_name("X-Team").is_some() && header_name("Host").is_none() && header_name("a b").is_none());
    }
}
