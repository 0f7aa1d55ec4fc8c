//! Answers of providers, whole and streamed, read and written in every dialect.

use bytes::Bytes;
use tollgate::chat::{Answer, DecodeEnd, Delta, Sink};
use tollgate::dialect::{self, Dialect, Endpoint, RelayOptions, StreamEnd};
use tollgate::provider::{self, ChatApi};
use tollgate::wire::sse;

use super::parts::{EVENT_BYTES_MAX, chunks, is_json, whatever_the_chunks};

/// Every dialect, by a call of its own.
pub(crate) const DIALECTS: [Endpoint; 4] =
    [Endpoint::ChatCompletions, Endpoint::Responses, Endpoint::Messages, Endpoint::GenerateContent];

pub(crate) fn openai(data: &[u8]) {
    answer(data, "openai", "gpt-5.1");
}

pub(crate) fn mistral(data: &[u8]) {
    answer(data, "mistral", "mistral-medium-latest");
}

pub(crate) fn anthropic(data: &[u8]) {
    answer(data, "anthropic", "claude-sonnet-4-5");
}

pub(crate) fn gemini(data: &[u8]) {
    answer(data, "gemini", "gemini-2.5-flash");
}

pub(crate) fn bedrock(data: &[u8]) {
    answer(data, "bedrock", "us.amazon.nova-2-lite-v1:0");
}

pub(crate) fn cohere(data: &[u8]) {
    answer(data, "cohere_chat", "command-a-03-2025");
}

pub(crate) fn ollama(data: &[u8]) {
    answer(data, "ollama_chat", "qwen3");
}

pub(crate) fn api(provider: &str, model: &str) -> &'static dyn ChatApi {
    provider::find(provider).and_then(|provider| provider.chat(model)).expect("a provider with chats")
}

pub(crate) fn of(endpoint: Endpoint) -> &'static dyn Dialect {
    dialect::of(endpoint).expect("a call of a dialect")
}

/// Writes pieces down.
#[derive(Default)]
struct Seen(Vec<String>);

impl Sink for Seen {
    fn delta(&mut self, choice: u32, delta: Delta<'_>) {
        self.0.push(format!("{choice}: {delta:?}"));
    }
}

fn answer(data: &[u8], provider: &str, model: &str) {
    let api = api(provider, model);
    whatever_the_chunks(data, |chunks| {
        let (mut decoder, mut seen) = (api.decoder(EVENT_BYTES_MAX), Seen::default());
        let pushed = chunks.iter().try_for_each(|chunk| decoder.push(Bytes::copy_from_slice(chunk), &mut seen));
        let end = pushed.and_then(|()| decoder.finish(&mut seen));
        (seen.0, end.ok(), decoder.metered())
    });
    let (_, rest) = chunks(data);
    for endpoint in DIALECTS {
        streamed(api, endpoint, rest);
        whole(api, endpoint, rest);
    }
}

fn asked(endpoint: Endpoint) -> Answer {
    let request: &[u8] = match endpoint {
        Endpoint::Responses => br#"{"model":"m","input":"Hi"}"#,
        _ => br#"{"model":"m","messages":[]}"#,
    };
    Answer {
        id: "0191f2b0-6a3c-7def-8000-0123456789ab".to_owned(),
        model: "m".to_owned(),
        created: 1_795_226_400,
        include_usage: true,
        array: false,
        request: Bytes::from_static(request),
    }
}

/// A translated stream is events, and each is JSON.
fn streamed(api: &dyn ChatApi, endpoint: Endpoint, data: &[u8]) {
    let (mut decoder, mut encoder) = (api.decoder(EVENT_BYTES_MAX), of(endpoint).encoder(asked(endpoint), true));
    let pushed = decoder.push(Bytes::copy_from_slice(data), &mut *encoder);
    let mut out = encoder.take().to_vec();
    if let Ok(DecodeEnd::Complete) = pushed.and_then(|()| decoder.finish(&mut *encoder)) {
        encoder.end(decoder.metered().usage());
    }
    out.extend_from_slice(&encoder.take());
    let mut events = sse::Decoder::new(usize::MAX);
    events.push(out.into());
    while let Ok(Some(event)) = events.next_event() {
        if let Some(data) = event.data.filter(|data| data != "[DONE]") {
            assert!(is_json(&data), "{endpoint:?}: {}", data.escape_ascii());
        }
    }
    assert!(events.finish().is_none(), "{endpoint:?}: the last event has no end");
}

/// A translated answer is JSON.
fn whole(api: &dyn ChatApi, endpoint: Endpoint, data: &[u8]) {
    let mut encoder = of(endpoint).encoder(asked(endpoint), false);
    let Ok(metered) = api.read(data, &mut *encoder) else { return };
    encoder.end(metered.usage());
    let body = encoder.take();
    assert!(is_json(&body), "{endpoint:?}: {}", body.escape_ascii());
}

pub(crate) fn relay_chat(data: &[u8]) {
    relay(data, Endpoint::ChatCompletions);
}

pub(crate) fn relay_responses(data: &[u8]) {
    relay(data, Endpoint::Responses);
}

pub(crate) fn relay_messages(data: &[u8]) {
    relay(data, Endpoint::Messages);
}

pub(crate) fn relay_gemini(data: &[u8]) {
    relay(data, Endpoint::GenerateContent);
}

/// A carried stream is the same however it is cut, and so is what is metered.
fn relay(data: &[u8], endpoint: Endpoint) {
    whatever_the_chunks(data, |chunks| {
        let options = RelayOptions {
            model_json: Some(Bytes::from_static(b"\"mine\"")),
            event_bytes_max: EVENT_BYTES_MAX,
            ..RelayOptions::default()
        };
        let (mut relay, mut out) = (of(endpoint).relay(options), Vec::new());
        let pushed = chunks.iter().try_for_each(|chunk| relay.push(Bytes::copy_from_slice(chunk), &mut out));
        let end = if pushed.is_ok() { relay.finish(&mut out) } else { StreamEnd::Truncated };
        (out.concat(), pushed.is_ok(), end, relay.metered())
    });
}
