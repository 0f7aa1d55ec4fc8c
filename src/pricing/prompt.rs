//! How many prompt tokens a request body amounts to, when nobody has counted them yet or nobody will.

use std::borrow::Cow;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::tokens::Tally;

/// What a message costs beside its text: its start, its role and its end.
const MESSAGE_TOKENS: u64 = 3;
/// What every chat prompt ends with: the beginning of the answer.
const PRIMING_TOKENS: u64 = 3;
/// A picture at low detail.
const IMAGE_TOKENS_LOW: u64 = 85;
/// A picture at high or unknown detail: four tiles.
const IMAGE_TOKENS: u64 = 765;
/// Base64 of compressed speech: ten tokens and about five kilobytes a second.
const AUDIO_BYTES_PER_TOKEN: u64 = 500;
/// Base64 of a document: a page is some thousand tokens and some hundred kilobytes.
const FILE_BYTES_PER_TOKEN: u64 = 100;
/// What a body that cannot be read is counted by.
const BYTES_PER_TOKEN: u64 = 4;

/// The prompt tokens of a request in any dialect, about as OpenAI counts them.
///
/// Counts the text of messages, prompts and inputs, and tools as JSON text; token arrays by their length; pictures by
/// a flat number (never their base64), sound and documents by their size. Takes time linear in the body, tokenizes
/// [`EXACT_BYTES_MAX`](super::tokens::EXACT_BYTES_MAX) bytes of text at most and extrapolates from them. A body that
/// is not such a request counts a token per four bytes.
pub fn estimate_prompt(model: &str, body: &[u8]) -> u64 {
    let mut tally = Tally::new(model);
    let mut reader = serde_json::Deserializer::from_slice(body);
    match Body(&mut tally).deserialize(&mut reader) {
        Ok(()) => tally.tokens(),
        Err(_) => (body.len() as u64).div_ceil(BYTES_PER_TOKEN),
    }
}

/// An upper bound of the text tokens of a body: no token is shorter than a byte, and what a template adds around a
/// message is shorter than the JSON around it. Pictures and documents sent by address are not in the body and not in
/// the bound.
pub const fn bound_prompt(body_bytes: u64) -> u64 {
    body_bytes.saturating_add(PRIMING_TOKENS)
}

/// The request's object.
struct Body<'t>(&'t mut Tally);

impl<'de> DeserializeSeed<'de> for Body<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<(), D::Error> {
        reader.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Body<'_> {
    type Value = ();

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a request object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        while let Some(name) = members.next_key::<Name<'de>>()? {
            match name.0.as_ref() {
                "messages" | "contents" => {
                    self.0.flat(PRIMING_TOKENS);
                    members.next_value_seed(Content(self.0))?;
                }
                "prompt" | "input" | "instructions" | "suffix" | "system" | "systemInstruction"
                | "system_instruction" | "query" | "documents" => members.next_value_seed(Content(self.0))?,
                "tools" | "functions" => json_text(&mut members, self.0)?,
                _ => drop(members.next_value::<IgnoredAny>()?),
            }
        }
        Ok(())
    }
}

/// Text, or anything that holds text: a list of messages, of parts, of strings, of tokens.
struct Content<'t>(&'t mut Tally);

impl<'de> DeserializeSeed<'de> for Content<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<(), D::Error> {
        reader.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Content<'_> {
    type Value = ();

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("text, tokens or parts")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<(), E> {
        self.0.text(text);
        Ok(())
    }

    fn visit_u64<E: Error>(self, _token: u64) -> Result<(), E> {
        self.0.flat(1);
        Ok(())
    }

    fn visit_i64<E: Error>(self, _token: i64) -> Result<(), E> {
        self.0.flat(1);
        Ok(())
    }

    fn visit_f64<E: Error>(self, _token: f64) -> Result<(), E> {
        self.0.flat(1);
        Ok(())
    }

    fn visit_bool<E: Error>(self, _value: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        while items.next_element_seed(Content(self.0))?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        while let Some(name) = members.next_key::<Name<'de>>()? {
            member(name.0.as_ref(), &mut members, self.0)?;
        }
        Ok(())
    }
}

/// One member of a message or of a part of one.
fn member<'de, A: MapAccess<'de>>(name: &str, members: &mut A, tally: &mut Tally) -> Result<(), A::Error> {
    match name {
        "role" => {
            tally.flat(MESSAGE_TOKENS);
            members.next_value_seed(Content(tally))
        }
        "content" | "text" | "refusal" | "name" | "reasoning_content" | "reasoning" | "output" | "arguments" => {
            members.next_value_seed(Content(tally))
        }
        "parts" | "thinking" | "summary" => members.next_value_seed(Content(tally)),
        "tool_calls" | "function_call" | "functionCall" | "functionResponse" => json_text(members, tally),
        // The arguments of a call, in Anthropic's words.
        "input" => json_text(members, tally),
        // Anthropic's pictures and documents, Gemini's media.
        "source" | "inlineData" | "inline_data" | "fileData" | "file_data_uri" => {
            let media = members.next_value::<&'de RawValue>()?;
            tally.flat(source_tokens(media.get()));
            Ok(())
        }
        "image_url" => {
            tally.flat(image_tokens(members.next_value()?));
            Ok(())
        }
        "input_audio" => sized(members, tally, AUDIO_BYTES_PER_TOKEN),
        "file" | "file_data" => sized(members, tally, FILE_BYTES_PER_TOKEN),
        _ => members.next_value::<IgnoredAny>().map(drop),
    }
}

fn json_text<'de, A: MapAccess<'de>>(members: &mut A, tally: &mut Tally) -> Result<(), A::Error> {
    tally.text(members.next_value::<&'de RawValue>()?.get());
    Ok(())
}

fn sized<'de, A: MapAccess<'de>>(members: &mut A, tally: &mut Tally, bytes_per_token: u64) -> Result<(), A::Error> {
    let size = members.next_value::<&'de RawValue>()?.get().len() as u64;
    tally.flat(size.div_ceil(bytes_per_token));
    Ok(())
}

/// A picture costs a flat number, everything else by its size.
fn source_tokens(source: &str) -> u64 {
    let size = source.len() as u64;
    match ["application/pdf", "text/plain", "audio/", "video/"].iter().any(|kind| source.contains(kind)) {
        true => size.div_ceil(FILE_BYTES_PER_TOKEN),
        false => IMAGE_TOKENS,
    }
}

/// `{"url": .., "detail": "low"}`; a bare address has no detail.
fn image_tokens(image: &RawValue) -> u64 {
    #[derive(serde::Deserialize)]
    struct Image<'a> {
        #[serde(borrow)]
        detail: Option<Cow<'a, str>>,
    }
    let detail = serde_json::from_str::<Image<'_>>(image.get()).ok().and_then(|image| image.detail);
    if detail.as_deref() == Some("low") { IMAGE_TOKENS_LOW } else { IMAGE_TOKENS }
}

/// A member's name, borrowed unless it holds escapes.
#[derive(serde::Deserialize)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

#[cfg(test)]
mod tests {
    use super::*;

    fn estimate(body: &str) -> u64 {
        estimate_prompt("gpt-4o", body.as_bytes())
    }

    #[test]
    fn a_message_costs_its_text_its_role_and_its_frame() {
        // hello world: 2; role: 1; frame: 3; priming: 3.
        assert_eq!(estimate(r#"{"messages":[{"role":"user","content":"hello world"}],"stream":true}"#), 9);
        assert_eq!(
            estimate(r#"{"messages":[{"role":"user","content":[{"type":"text","text":"hello wor\u006cd"}]}]}"#),
            9
        );
        assert_eq!(estimate(r#"{"mess\u0061ges":[{"role":"assistant","content":null}]}"#), 7);
    }

    #[test]
    fn a_picture_costs_a_flat_number_whatever_its_size() {
        let picture = |detail: &str| {
            let data = "A".repeat(1 << 20);
            estimate(&format!(
                r#"{{"messages":[{{"role":"user","content":[{{"type":"image_url","image_url":{{"url":"data:image/png;base64,{data}"{detail}}}}}]}}]}}"#
            ))
        };
        assert_eq!([picture(r#","detail":"low""#), picture(r#","detail":"high""#), picture("")], [92, 772, 772]);
        assert_eq!(estimate(r#"{"input":[{"role":"user","content":[{"image_url":"https://x"}]}]}"#), 3 + 1 + 765);
    }

    #[test]
    fn prompts_and_inputs_may_be_strings_lists_or_tokens() {
        for (body, tokens) in [
            (r#"{"input":"hello world"}"#, 2),
            (r#"{"input":["hello world","hello world"]}"#, 4),
            (r#"{"input":[1,2,3]}"#, 3),
            (r#"{"prompt":[[1,2],[3]]}"#, 3),
            (r#"{"prompt":"hello world","suffix":"hello"}"#, 3),
            (r#"{"model":"x"}"#, 0),
        ] {
            assert_eq!(estimate(body), tokens, "{body}");
        }
    }

    #[test]
    fn tools_are_counted_as_text_and_sound_by_its_size() {
        assert!(estimate(r#"{"messages":[],"tools":[{"type":"function","function":{"name":"f"}}]}"#) > 10);
        let sound =
            format!(r#"{{"messages":[{{"content":[{{"input_audio":{{"data":"{}"}}}}]}}]}}"#, "A".repeat(50_000));
        assert_eq!(estimate(&sound), 3 + 101);
    }

    #[test]
    fn a_body_that_cannot_be_read_counts_by_its_size() {
        for body in ["", "[]", "{\"messages\":", "nul", "{\"messages\":[{\"content\":\"\\ud800\"}]}"] {
            assert_eq!(estimate(body), (body.len() as u64).div_ceil(4), "{body}");
        }
        let deep = format!("{{\"input\":{}", "[".repeat(1 << 20));
        assert_eq!(estimate(&deep), (deep.len() as u64).div_ceil(4));
    }

    #[test]
    fn the_bound_is_above_the_estimate_of_any_text() {
        for content in ["", "a", "👩‍🚀", "文字", "\\n\\n\\t", "a a a a a a a"] {
            let body = format!(r#"{{"messages":[{{"role":"user","content":"{content}"}}]}}"#);
            assert!(estimate(&body) <= bound_prompt(body.len() as u64), "{content}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_body_makes_the_estimate_panic(body in proptest::collection::vec(proptest::num::u8::ANY, 0..200)) {
            let _ = estimate_prompt("gpt-4o", &body);
        }
    }
}
