//! Converse: one chat API over all of Bedrock's models.

use super::body::{Body, Inference, JsonSchema, OutputConfig, Structure, TextFormat};
use super::family::{self, Family};
use super::tools::{self, Setting};
use super::{fields, place, reasoning, reply, stream, turns};
use crate::chat::{Api, Broken, Chat, Decoder, Format, Raw, Sink};
use crate::provider::{Ask, ChatApi, Target, Written, speech};
use crate::vocabulary::{Fault, Metered};

/// The API.
pub(super) struct Converse;

pub(super) static CONVERSE: Converse = Converse;

/// What was left out, each once.
#[derive(Debug, Default)]
pub(super) struct Dropped(Vec<String>);

impl Dropped {
    pub(super) fn note(&mut self, name: &str) {
        if !self.0.iter().any(|known| known == name) {
            self.0.push(name.to_owned());
        }
    }
}

impl ChatApi for Converse {
    fn words(&self) -> Api {
        Api::Converse
    }

    fn supported(&self, model: &str) -> &'static [&'static str] {
        Family::of(model).supported()
    }

    fn write(&self, chat: &Chat<'_>, ask: &Ask<'_>) -> Result<Written, Fault> {
        let base_model = ask.deployment.base_model.as_deref();
        let family = Family::of_either(ask.model, base_model);
        let mut dropped = Dropped::default();
        let conversation = turns::write(chat, family, &mut dropped)?;
        let (mut top, mut fields) = fields::carry(chat)?;
        let mut inference = inference(chat);
        let thinks = reasoning::write(chat, family, &mut inference, &mut fields, &mut dropped);
        let named = if family == Family::of(ask.model) { ask.model } else { base_model.unwrap_or_default() };
        let native = family::writes_schemas(named, family);
        let (output_config, schema) = match &chat.format {
            Some(Format::Schema { name, description, schema, strict })
                if native && is_closed(*strict, schema.get()) =>
            {
                let json = JsonSchema { name: name.clone(), description: description.clone(), schema: schema.get() };
                let text_format = TextFormat { r#type: "json_schema", structure: Structure::JsonSchema(json) };
                (Some(OutputConfig { text_format }), None)
            }
            Some(Format::Schema { description, schema, .. }) => (None, Some((description.clone(), *schema))),
            Some(Format::Json) => {
                dropped.note("response_format");
                (None, None)
            }
            Some(Format::Text) | None => (None, None),
        };
        let schema_tool = schema.is_some();
        let setting = Setting { family, strict: native, thinks, called: &conversation.called, schema };
        let tool_config = tools::write(chat, setting, &mut fields, &mut dropped)?;
        fields::add(chat, ask.stream, family, thinks, &mut top, &mut fields, &mut dropped);
        let body = Body {
            messages: conversation.turns,
            system: conversation.system,
            inference_config: Some(inference).filter(|inference| !inference.is_empty()),
            tool_config,
            output_config: output_config.filter(|_| !top.has("outputConfig")),
            additional_model_request_fields: fields,
            carried: top,
        };
        let body = speech::written(&body)?;
        Ok(Written { body, schema_tool, dropped: dropped.0, headers: Vec::new() })
    }

    fn path(&self, target: &Target, model: &str, stream: bool) -> String {
        place::path(target, model, if stream { "converse-stream" } else { "converse" })
    }

    fn decoder(&self, event_bytes_max: usize) -> Box<dyn Decoder> {
        Box::new(stream::ConverseStream::new(event_bytes_max))
    }

    fn read(&self, body: &[u8], sink: &mut dyn Sink) -> Result<Metered, Broken> {
        reply::read(body, sink)
    }
}

fn inference<'a>(chat: &Chat<'a>) -> Inference<'a> {
    let (temperature, stop_sequences) = (chat.temperature.map(at_most_one), chat.stop.clone());
    Inference { max_tokens: chat.max_tokens, temperature, top_p: chat.top_p, stop_sequences }
}

/// OpenAI's range goes to 2, AWS's to 1.
fn at_most_one(value: Raw<'_>) -> Raw<'_> {
    let beyond = value.get().parse::<f64>().is_ok_and(|number| number > 1.0);
    beyond.then(|| serde_json::from_str("1").ok()).flatten().unwrap_or(value)
}

/// Whether a schema is one that models follow by themselves: its objects are closed. Others are given as a tool.
fn is_closed(strict: Option<bool>, schema: &str) -> bool {
    #[derive(serde::Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Root {
        #[serde(default)]
        additional_properties: Option<bool>,
    }
    strict == Some(true)
        || serde_json::from_str::<Root>(schema).is_ok_and(|root| root.additional_properties == Some(false))
}

#[cfg(test)]
mod tests;
