//! Embeddings by `/api/embed`.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::reply::message;
use super::{Ask, CallApi, Target, Written, options};
use crate::chat::{Broken, Raw, UpstreamError};
use crate::provider::embedding::{self, Embeddings, Encoding, Vector};
use crate::provider::members::Members;
use crate::provider::speech;
use crate::vocabulary::{Fault, Metered, Usage};

/// `POST /api/embed`.
pub(super) struct Embed;

#[derive(Serialize)]
struct Body<'a> {
    model: &'a str,
    input: Vec<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    dimensions: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    options: Option<Members<'a>>,
    #[serde(flatten)]
    extra: Members<'a>,
}

#[derive(Deserialize)]
struct Reply<'a> {
    #[serde(borrow)]
    embeddings: Option<Vec<Raw<'a>>>,
    prompt_eval_count: Option<u64>,
    #[serde(borrow)]
    error: Option<Raw<'a>>,
}

impl CallApi for Embed {
    fn write(&self, body: &[u8], ask: &Ask<'_>) -> Result<Written, Fault> {
        let mut read = Embeddings::read(body)?;
        let dropped = if read.user.is_some() { vec!["user".to_owned()] } else { Vec::new() };
        let mut extra = std::mem::take(&mut read.extra);
        let own = options::take(&mut extra)?;
        let body = Body {
            model: ask.model,
            input: read.texts("Ollama")?,
            dimensions: read.dimensions,
            options: Some(own).filter(|own| !own.0.is_empty()),
            extra: Members(extra),
        };
        let body = speech::written(&body)?;
        Ok(Written { body, dropped, ..Written::default() })
    }

    fn path(&self, target: &Target, _model: &str) -> String {
        format!("{}/api/embed{}", target.base_path, target.query)
    }

    fn read(&self, body: &[u8], model: &str, request: &[u8]) -> Result<(Bytes, Metered), Broken> {
        let reply: Reply<'_> = serde_json::from_slice(body)
            .map_err(|error| Broken::Malformed(format!("not an answer of Ollama: {error}")))?;
        let Some(embeddings) = reply.embeddings else {
            let none = || Broken::Malformed("an answer of Ollama without embeddings".to_owned());
            let message = message(reply.error.ok_or_else(none)?);
            return Err(Broken::Upstream(UpstreamError { status: 500, message }));
        };
        let reported = |prompt| Metered::Reported(Usage { prompt, ..Usage::default() });
        let metered = reply.prompt_eval_count.map_or(Metered::Absent, reported);
        let encoding = Embeddings::read(request).map_or(Encoding::Float, |read| read.encoding);
        let vectors: Vec<Vector<'_>> = embeddings.into_iter().map(Vector::Numbers).collect();
        Ok((embedding::answer(model, &vectors, encoding, &metered)?, metered))
    }
}
