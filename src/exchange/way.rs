//! How a call is spoken to a deployment: carried as the client wrote it, or translated.

use std::sync::Arc;

use http::{HeaderName, HeaderValue};

use super::plan::Planned;
use super::{Deployment, edit, params};
use crate::chat::{self, Unsupported};
use crate::dialect::{self, Dialect, Endpoint};
use crate::json::Segments;
use crate::pricing::Price;
use crate::provider::{Ask, Call, CallApi, Carry, ChatApi, Framing};
use crate::vocabulary::{Fault, Kind};

/// Anthropic's betas.
pub(super) const BETA: &str = "anthropic-beta";

/// How a call is spoken to a deployment.
#[derive(Clone, Copy)]
pub(super) enum Way {
    /// As the client wrote it, by splice.
    Carried(Carry),
    /// Through the neutral form.
    Chat(&'static dyn Dialect, &'static dyn ChatApi),
    /// From OpenAI's or Cohere's form, and back.
    Call(&'static dyn CallApi),
    /// As it is.
    Passed,
    /// Not at all: answered here, from the configuration or by counting.
    Local,
}

/// A request as it is written for one deployment.
pub(super) struct Spoken {
    pub(super) way: Way,
    pub(super) path: http::Uri,
    pub(super) body: Segments,
    pub(super) headers: Vec<(HeaderName, HeaderValue)>,
    /// What could not be said, for a header of the answer.
    pub(super) dropped: Vec<String>,
    /// A tool of ours stands for a schema.
    pub(super) schema_tool: bool,
}

impl Planned {
    /// Writes the request for a deployment.
    ///
    /// # Errors
    /// The provider has no such call for this model, or something in the request cannot be said to it.
    pub(super) fn speak(
        &self,
        deployment: &Deployment,
        model: &str,
        price: Option<&Arc<Price>>,
    ) -> Result<Spoken, Fault> {
        if let Some(pass) = &self.pass {
            return Ok(self.speak_passed(deployment, pass));
        }
        let endpoint = self.request.endpoint;
        let provider = deployment.provider;
        if deployment.settings.mock_response.is_some() {
            return Ok(Spoken::of(Way::Local, http::Uri::default(), Segments::default()));
        }
        if let Some(carry) = provider.carry(endpoint, model) {
            let call = Call { endpoint, model, stream: self.request.stream };
            let path = deployment.path(&call).ok_or_else(|| no_path(&provider.path(&deployment.target, &call)))?;
            let fitted = params::fit(self, deployment, model, carry.quirks)?;
            let body = edit::carried(self, deployment, model, &carry, &fitted);
            let headers = self.own_headers(deployment, &carry);
            let dropped = fitted.dropped;
            return Ok(Spoken { headers, dropped, ..Spoken::of(Way::Carried(carry), path, body) });
        }
        // Counted here: a chat would be answered, and billed.
        if endpoint.is_count() {
            return Ok(Spoken::of(Way::Local, http::Uri::default(), Segments::default()));
        }
        let ask = Ask {
            model,
            stream: self.request.stream,
            output_max: deployment
                .settings
                .max_output_tokens
                .or_else(|| price.and_then(|price| price.limits.max_output_tokens)),
            deployment: &deployment.settings,
        };
        if let (Some(dialect), Some(api)) = (dialect::of(endpoint), provider.chat(model)) {
            return self.speak_chat(deployment, &ask, dialect, api);
        }
        if let Some(api) = provider.call(endpoint, model) {
            let written = api.write(&edit::in_clients_form(self, deployment), &ask)?;
            let path = parse_path(&api.path(&deployment.target, model))?;
            return Ok(Spoken {
                headers: written.headers,
                dropped: written.dropped,
                ..Spoken::of(Way::Call(api), path, Segments::whole(written.body))
            });
        }
        let text = format!(
            "litellm.BadRequestError: {} has no equal of {} for model {model}",
            provider.name(),
            endpoint.path().trim_start_matches([':', '/'])
        );
        Err(Fault::client(Kind::BadRequest, text).param("model"))
    }

    /// Headers of the client's that belong to the dialect: which of its betas it wants. A deployment's own go before them.
    pub(super) fn own_headers(&self, deployment: &Deployment, carry: &Carry) -> Vec<(HeaderName, HeaderValue)> {
        if carry.framing == Framing::AwsChunks {
            // They stand in the body there.
            return Vec::new();
        }
        let own = |(name, value): &(HeaderName, HeaderValue)| {
            let joined = match deployment.headers.get(name) {
                Some(ours) if name == BETA => {
                    HeaderValue::from_bytes(&[ours.as_bytes(), b",", value.as_bytes()].concat()).ok()?
                }
                _ => value.clone(),
            };
            Some((name.clone(), joined))
        };
        self.own_headers.iter().filter_map(own).collect()
    }

    fn speak_chat(
        &self,
        deployment: &Deployment,
        ask: &Ask<'_>,
        dialect: &'static dyn Dialect,
        api: &'static dyn ChatApi,
    ) -> Result<Spoken, Fault> {
        let body = edit::in_clients_form(self, deployment);
        let prepared = dialect.prepare(&body);
        let mut chat = dialect.read(prepared.as_deref().unwrap_or(&body), self.request.stream)?;
        let settings = &deployment.settings;
        for (name, value) in settings.extra_body.iter().filter(|(name, _)| name != "model" && name != "stream") {
            if let Ok(value) = serde_json::from_str(value) {
                chat.extra.retain(|(known, _)| **known != **name);
                chat.extra.push((name.as_str().into(), value));
            }
        }
        let say = self.say(deployment);
        // Other dialects have parameters of their own that clients send without being asked: those are not refused.
        let unsupported = match self.request.endpoint {
            Endpoint::ChatCompletions if !say.drop => Unsupported::Refuse,
            _ => Unsupported::Drop,
        };
        let provider = deployment.provider.name();
        let supported = api.supported(ask.model);
        let mut dropped = chat::settle(&mut chat, supported, &say.allowed, unsupported, provider, ask.model)?;
        let written = api.write(&chat, ask)?;
        dropped.extend(written.dropped);
        for name in chat.lost.iter().map(|name| &**name).chain(chat::unspoken(&chat, api.words())) {
            if !dropped.iter().any(|known| known == name) {
                dropped.push(name.to_owned());
            }
        }
        let path = deployment
            .chat_path(api, ask.model, ask.stream)
            .ok_or_else(|| no_path(&api.path(&deployment.target, ask.model, ask.stream)))?;
        Ok(Spoken {
            headers: written.headers,
            dropped,
            schema_tool: written.schema_tool,
            ..Spoken::of(Way::Chat(dialect, api), path, Segments::whole(written.body))
        })
    }
}

impl Spoken {
    pub(super) fn of(way: Way, path: http::Uri, body: Segments) -> Self {
        Self { way, path, body, headers: Vec::new(), dropped: Vec::new(), schema_tool: false }
    }
}

fn parse_path(path: &str) -> Result<http::Uri, Fault> {
    path.parse().map_err(|_| no_path(path))
}

fn no_path(path: &str) -> Fault {
    Fault::ours(Kind::Internal, "the model's name makes no path at its provider").cause(path)
}
