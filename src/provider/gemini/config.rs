//! `generationConfig`.

use std::borrow::Cow;

use serde::Serialize;
use serde_json::value::RawValue;

use crate::chat::{Api, Chat, Format, Raw, Str};
use crate::dialect::gemini::{NATIVE_CONFIG, Object, as_value, is_null};
use crate::vocabulary::{Fault, Kind};

use super::family::{Family, Thought};
use super::schema;

/// The most stop sequences.
const STOP_MAX: usize = 5;

#[derive(Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Config<'c> {
    #[serde(skip_serializing_if = "Option::is_none")]
    temperature: Option<Raw<'c>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    top_p: Option<Raw<'c>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    top_k: Option<Raw<'c>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_output_tokens: Option<u64>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    stop_sequences: Vec<&'c str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    candidate_count: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    seed: Option<Raw<'c>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    presence_penalty: Option<Raw<'c>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    frequency_penalty: Option<Raw<'c>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    response_logprobs: Option<Raw<'c>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    logprobs: Option<Raw<'c>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    response_mime_type: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    response_schema: Option<Box<RawValue>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    response_json_schema: Option<Cow<'c, RawValue>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    response_modalities: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    speech_config: Option<Speech<'c>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    thinking_config: Option<Thinking>,
    #[serde(flatten)]
    rest: Object<'c>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Thinking {
    #[serde(skip_serializing_if = "Option::is_none")]
    include_thoughts: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    thinking_budget: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    thinking_level: Option<&'static str>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Speech<'c> {
    voice_config: Voice<'c>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Voice<'c> {
    prebuilt_voice_config: Prebuilt<'c>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Prebuilt<'c> {
    voice_name: Str<'c>,
}

/// Members of `generationConfig` that a client may give at the top of an OpenAI request.
const MEMBERS: [&str; 22] = [
    "mediaResolution",
    "media_resolution",
    "speechConfig",
    "speech_config",
    "imageConfig",
    "image_config",
    "responseModalities",
    "response_modalities",
    "responseSchema",
    "response_schema",
    "responseJsonSchema",
    "response_json_schema",
    "responseMimeType",
    "response_mime_type",
    "thinkingConfig",
    "thinking_config",
    "audioTimestamp",
    "audio_timestamp",
    "routingConfig",
    "routing_config",
    "enableAffectiveDialog",
    "enableEnhancedCivicAnswers",
];

/// Whether a member that OpenAI does not know belongs here.
pub(super) fn is_member(name: &str) -> bool {
    MEMBERS.contains(&name)
}

/// Writes it; None where nothing is asked for.
pub(super) fn config<'c>(chat: &'c Chat<'c>, family: Family) -> Result<Option<Config<'c>>, Fault> {
    if chat.stop.len() > STOP_MAX {
        let text = format!("stop: Gemini takes at most {STOP_MAX} stop sequences, not {}", chat.stop.len());
        return Err(Fault::client(Kind::BadRequest, text).param("stop"));
    }
    let other = |name: &str| chat.others.iter().find(|(known, _)| *known == *name).map(|(_, value)| *value);
    let mut config = Config {
        temperature: chat.temperature,
        top_p: chat.top_p,
        top_k: chat.top_k,
        max_output_tokens: chat.max_tokens,
        stop_sequences: chat.stop.iter().map(|stop| &**stop).collect(),
        candidate_count: chat.choices,
        seed: chat.seed,
        presence_penalty: chat.presence_penalty,
        frequency_penalty: chat.frequency_penalty,
        response_logprobs: other("logprobs").filter(|raw| !is_null(raw)),
        logprobs: other("top_logprobs").filter(|raw| !is_null(raw)),
        response_modalities: other("modalities").and_then(modalities),
        speech_config: other("audio").and_then(speech),
        thinking_config: thinking(chat, family),
        rest: rest(chat),
        ..Config::default()
    };
    config.form(chat, family)?;
    config.give_way();
    Ok((!config.is_empty()).then_some(config))
}

impl<'c> Config<'c> {
    /// Whether nothing is asked for.
    fn is_empty(&self) -> bool {
        let plain =
            [self.temperature, self.top_p, self.top_k, self.seed, self.presence_penalty, self.frequency_penalty];
        let asked = plain.iter().chain([&self.response_logprobs, &self.logprobs]).any(Option::is_some);
        !asked
            && self.max_output_tokens.is_none()
            && self.stop_sequences.is_empty()
            && self.candidate_count.is_none()
            && self.response_mime_type.is_none()
            && self.response_schema.is_none()
            && self.response_json_schema.is_none()
            && self.response_modalities.is_none()
            && self.speech_config.is_none()
            && self.thinking_config.is_none()
            && self.rest.0.is_empty()
    }

    /// A member in Gemini's own words wins over what another parameter says of the same.
    fn give_way(&mut self) {
        let given = |names: [&str; 2]| self.rest.get(&names).is_some();
        if given(["thinkingConfig", "thinking_config"]) {
            self.thinking_config = None;
        }
        if given(["responseModalities", "response_modalities"]) {
            self.response_modalities = None;
        }
        if given(["speechConfig", "speech_config"]) {
            self.speech_config = None;
        }
        if given(["responseMimeType", "response_mime_type"]) {
            self.response_mime_type = None;
        }
        if given(["responseSchema", "response_schema"]) || given(["responseJsonSchema", "response_json_schema"]) {
            self.response_schema = None;
            self.response_json_schema = None;
        }
    }

    fn form(&mut self, chat: &'c Chat<'c>, family: Family) -> Result<(), Fault> {
        match &chat.format {
            None => {}
            Some(Format::Text) => self.response_mime_type = Some("text/plain"),
            Some(Format::Json) => self.response_mime_type = Some("application/json"),
            Some(Format::Schema { schema, .. }) => {
                self.response_mime_type = Some("application/json");
                if family.takes_json_schema() {
                    self.response_json_schema = Some(schema::whole(schema));
                } else {
                    self.response_schema = Some(schema::subset(schema, "response_format.json_schema.schema")?);
                }
            }
        }
        Ok(())
    }
}

fn modalities(raw: Raw<'_>) -> Option<Vec<String>> {
    let words: Vec<Str<'_>> = as_value(raw)?;
    Some(words.iter().map(|word| word.to_ascii_uppercase()).collect())
}

fn speech(raw: Raw<'_>) -> Option<Speech<'_>> {
    let voice = Object::read(raw)?.get(&["voice"])?;
    let voice_name: Str<'_> = as_value(voice)?;
    Some(Speech { voice_config: Voice { prebuilt_voice_config: Prebuilt { voice_name } } })
}

fn thinking(chat: &Chat<'_>, family: Family) -> Option<Thinking> {
    let reasoning = chat.reasoning.as_ref()?;
    let thought = family.thought(reasoning);
    let quiet = matches!(thought, Thought::Budget(0)) || reasoning.effort == Some(crate::chat::Effort::None);
    // Whoever asks for thinking sees it, unless they asked in a dialect that says so itself.
    let asked = reasoning.effort.is_some() || reasoning.budget_tokens.is_some() || reasoning.enabled == Some(true);
    let include_thoughts = reasoning.show.or_else(|| (asked && !quiet).then_some(true));
    let (thinking_budget, thinking_level) = match thought {
        Thought::Budget(budget) => (Some(budget), None),
        Thought::Level(level) => (None, Some(level)),
        Thought::Unsaid => (None, None),
    };
    Some(Thinking { include_thoughts, thinking_budget, thinking_level })
}

fn rest<'c>(chat: &'c Chat<'c>) -> Object<'c> {
    let native = chat.native.iter().filter(|(api, ..)| *api == Api::Gemini);
    let native = native.filter_map(|(_, name, value)| Some((name.strip_prefix(NATIVE_CONFIG)?, *value)));
    let extra = chat.extra.iter().filter(|(name, _)| is_member(name)).map(|(name, value)| (&**name, *value));
    Object(native.chain(extra).map(|(name, value)| (Str::from(name), value)).collect())
}
