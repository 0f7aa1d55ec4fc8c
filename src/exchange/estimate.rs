//! Cheap guesses made before a request is sent: the real figures come with the answer.

use memchr::memmem::{self, Finder};

use crate::dialect::Endpoint;
use crate::dialect::openai::Request;

/// What LiteLLM takes for an answer whose length nobody bounded.
const COMPLETION_DEFAULT: u64 = 1024;
/// Bytes of a prompt to a token.
const BYTES_PER_TOKEN: u64 = 4;
/// What a picture, a sound or a page counts for, whatever its size.
const MEDIA_BYTES: u64 = 765 * BYTES_PER_TOKEN;
/// Shorter prompts hold no media worth looking for.
const MEDIA_FROM_BYTES: usize = 4 * 1024;

/// Tokens to reserve against limits: four bytes of prompt to a token, and the answer's bound.
pub(super) fn for_limits(request: &Request, tpm_limit: Option<u64>) -> u64 {
    let prompt = prompt_tokens(request);
    let completion = match (request.endpoint, request.max_tokens()) {
        (endpoint, _) if !endpoint.writes() => 0,
        (_, Some(most)) => most.saturating_mul(request.choices),
        (_, None) => prompt.max(COMPLETION_DEFAULT.min(tpm_limit.map_or(COMPLETION_DEFAULT, |limit| limit / 4))),
    };
    prompt.saturating_add(completion)
}

/// Four bytes of prompt to a token, at least one. The JSON around the texts counts for what a template puts there.
pub(super) fn prompt_tokens(request: &Request) -> u64 {
    let bytes: u64 = inputs(request.endpoint).iter().map(|name| member_bytes(request, name)).sum();
    (bytes / BYTES_PER_TOKEN).max(1)
}

/// The members that hold what the model reads.
const fn inputs(endpoint: Endpoint) -> &'static [&'static str] {
    match endpoint {
        Endpoint::ChatCompletions => &["messages"],
        Endpoint::Messages | Endpoint::CountTokens => &["messages", "system"],
        Endpoint::Responses => &["input", "instructions"],
        Endpoint::GenerateContent | Endpoint::GeminiCountTokens => &["contents", "systemInstruction"],
        Endpoint::Completions | Endpoint::ImageGenerations => &["prompt"],
        Endpoint::Embeddings | Endpoint::Moderations | Endpoint::Speech => &["input"],
        Endpoint::Rerank => &["query", "documents"],
        Endpoint::PassThrough | Endpoint::Transcriptions | Endpoint::Translations | Endpoint::ImageEdits => &[],
    }
}

fn member_bytes(request: &Request, name: &str) -> u64 {
    let Some(member) = request.document.find(&request.body, name) else { return 0 };
    let value = request.document.members[member].value.of(&request.body);
    let whole = value.len() as u64;
    if value.len() < MEDIA_FROM_BYTES {
        return whole;
    }
    let (count, bytes) = media(value);
    whole.saturating_sub(bytes).saturating_add(count.saturating_mul(MEDIA_BYTES))
}

/// How many media there are in base64, and their bytes: data URLs, and `data` of some length.
fn media(value: &[u8]) -> (u64, u64) {
    let (mut count, mut bytes) = (0, 0);
    let mut note = |start: usize, least: u64| {
        let rest = value.get(start..).unwrap_or_default();
        let length = memchr::memchr(b'"', rest).unwrap_or(rest.len()) as u64;
        if length >= least {
            count += 1;
            bytes += length;
        }
    };
    for at in memmem::find_iter(value, b";base64,") {
        note(at + b";base64,".len(), 0);
    }
    for at in Finder::new(b"\"data\"").find_iter(value) {
        let rest = value.get(at + b"\"data\"".len()..).unwrap_or_default();
        let skipped = rest.iter().take_while(|byte| matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | b':')).count();
        if rest.get(skipped) == Some(&b'"') && !rest.get(skipped + 1..).is_some_and(|data| data.starts_with(b"data:")) {
            note(at + b"\"data\"".len() + skipped + 1, 256);
        }
    }
    (count, bytes)
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn tokens(endpoint: Endpoint, body: &str) -> u64 {
        let request = Request::read(endpoint, Bytes::copy_from_slice(body.as_bytes()), Some("m")).unwrap();
        prompt_tokens(&request)
    }

    #[test]
    fn a_token_is_four_bytes_of_what_the_model_reads() {
        let text = "x".repeat(400);
        let body = format!(r#"{{"messages":[{{"role":"user","content":"{text}"}}],"user":"{text}"}}"#);
        assert_eq!(tokens(Endpoint::ChatCompletions, &body), (400 + 31) / 4);
        assert_eq!(tokens(Endpoint::Embeddings, r#"{"input":"12345678"}"#), 2);
    }

    #[test]
    fn media_count_by_their_number_not_by_their_size() {
        let data = "A".repeat(1 << 20);
        for body in [
            format!(
                r#"{{"messages":[{{"role":"user","content":[{{"type":"image_url","image_url":{{"url":"data:image/png;base64,{data}"}}}}]}}]}}"#
            ),
            format!(
                r#"{{"messages":[{{"role":"user","content":[{{"type":"image","source":{{"type":"base64","data" : "{data}"}}}}]}}]}}"#
            ),
        ] {
            let tokens = tokens(Endpoint::ChatCompletions, &body);
            assert!((765..=800).contains(&tokens), "{tokens}");
        }
    }
}
