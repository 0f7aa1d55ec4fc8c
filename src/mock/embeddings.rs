//! Embeddings as OpenAI writes them: numbers, or base64 as its Python library asks for.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::ask::Ask;
use super::chat::{Counts, put};
use super::knobs::UsageKind;
use super::text::escape;

/// Writes the whole answer.
pub(super) fn write(ask: &Ask, model: &str, usage: Counts, echo: Option<&[u8]>, out: &mut Vec<u8>) {
    out.extend_from_slice(br#"{"object":"list","data":["#);
    for item in 0..ask.items {
        if item > 0 {
            out.push(b',');
        }
        put(out, format_args!(r#"{{"object":"embedding","index":{item},"embedding":"#));
        write_vector(ask, item, out);
        out.push(b'}');
    }
    put(out, format_args!(r#"],"model":{model}"#));
    write_usage(usage, out);
    if let Some(body) = echo {
        put(out, format_args!(r#","echo":"{}""#, escape(&String::from_utf8_lossy(body))));
    }
    out.push(b'}');
}

fn write_vector(ask: &Ask, item: u32, out: &mut Vec<u8>) {
    let numbers = (0..ask.dimensions).map(|place| coordinate(item, place));
    if ask.base64 {
        let bytes: Vec<u8> = numbers.flat_map(f32::to_le_bytes).collect();
        return put(out, format_args!(r#""{}""#, STANDARD.encode(bytes)));
    }
    for (place, number) in numbers.enumerate() {
        let mark = if place == 0 { '[' } else { ',' };
        put(out, format_args!("{mark}{number}"));
    }
    out.push(b']');
}

/// A number in -0.5..0.5 with three decimals, always the same for its place.
fn coordinate(item: u32, place: u32) -> f32 {
    let mixed = (u64::from(place) * 7919 + u64::from(item) * 104_729 + 31) % 1000;
    (f32::from(u16::try_from(mixed).unwrap_or_default()) - 500.0) / 1000.0
}

/// Embeddings have no completion side.
fn write_usage(usage: Counts, out: &mut Vec<u8>) {
    let prompt = match usage.kind {
        UsageKind::None => return,
        UsageKind::Null => return out.extend_from_slice(br#","usage":null"#),
        UsageKind::Partial => return put(out, format_args!(r#","usage":{{"prompt_tokens":{}}}"#, usage.prompt)),
        UsageKind::Zero => 0,
        UsageKind::Full | UsageKind::Always => usage.prompt,
    };
    put(out, format_args!(r#","usage":{{"prompt_tokens":{prompt},"total_tokens":{prompt}}}"#));
}
