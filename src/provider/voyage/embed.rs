//! Embeddings in a form close to OpenAI's.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::chat::{Broken, Raw, Str, UpstreamError};
use crate::provider::embedding::{self, Embeddings, Encoding, Vector};
use crate::provider::members::Members;
use crate::provider::speech;
use crate::provider::{Ask, CallApi, Target, Written};
use crate::vocabulary::{Fault, Kind, Metered, Usage};

/// A vendor's embeddings call.
pub(super) struct Embed {
    name: &'static str,
    // What the number of dimensions is called.
    dimensions: Dimensions,
    // The member that says how numbers are written.
    encoding: &'static str,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Dimensions {
    Dimensions,
    OutputDimension,
}

pub(super) static VOYAGE: Embed =
    Embed { name: "Voyage", dimensions: Dimensions::OutputDimension, encoding: "output_dtype" };

pub(super) static JINA: Embed = Embed { name: "Jina", dimensions: Dimensions::Dimensions, encoding: "embedding_type" };

#[derive(Serialize)]
struct Body<'a> {
    model: &'a str,
    input: Vec<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    dimensions: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    output_dimension: Option<u64>,
    #[serde(flatten)]
    extra: Members<'a>,
}

#[derive(Deserialize)]
struct Reply<'a> {
    #[serde(borrow)]
    data: Option<Vec<Entry<'a>>>,
    #[serde(borrow)]
    usage: Option<Counts<'a>>,
    #[serde(borrow)]
    detail: Option<Raw<'a>>,
}

#[derive(Deserialize)]
struct Entry<'a> {
    #[serde(borrow)]
    embedding: Raw<'a>,
    index: Option<u64>,
}

#[derive(Deserialize)]
struct Counts<'a> {
    prompt_tokens: Option<u64>,
    total_tokens: Option<u64>,
    #[serde(borrow)]
    image_tokens: Option<Raw<'a>>,
}

impl CallApi for Embed {
    fn write(&self, body: &[u8], ask: &Ask<'_>) -> Result<Written, Fault> {
        let mut read = Embeddings::read(body)?;
        let dropped = if read.user.is_some() { vec!["user".to_owned()] } else { Vec::new() };
        let extra = std::mem::take(&mut read.extra);
        if let Some((_, kind)) = extra.iter().find(|(name, _)| *name == self.encoding)
            && kind.get() != "\"float\""
        {
            let text = format!(
                "'{}' can only be \"float\": an answer in OpenAI's form holds nothing else. Use encoding_format for base64",
                self.encoding
            );
            return Err(Fault::client(Kind::BadRequest, text).param(self.encoding));
        }
        let given = |name: &str| extra.iter().any(|(known, _)| *known == name);
        let body = Body {
            model: ask.model,
            input: read.texts(self.name)?,
            dimensions: read.dimensions.filter(|_| self.dimensions == Dimensions::Dimensions),
            output_dimension: read
                .dimensions
                .filter(|_| self.dimensions == Dimensions::OutputDimension && !given("output_dimension")),
            extra: Members(extra.into_iter().filter(|(name, _)| *name != self.encoding).collect()),
        };
        let body = speech::written(&body)?;
        Ok(Written { body, dropped, ..Written::default() })
    }

    fn path(&self, target: &Target, _model: &str) -> String {
        format!("{}/embeddings{}", target.base_path, target.query)
    }

    fn read(&self, body: &[u8], model: &str, request: &[u8]) -> Result<(Bytes, Metered), Broken> {
        let malformed =
            |what: &dyn std::fmt::Display| Broken::Malformed(format!("not an answer of {}: {what}", self.name));
        let reply: Reply<'_> = serde_json::from_slice(body).map_err(|error| malformed(&error))?;
        let Some(mut data) = reply.data else {
            let Some(detail) = reply.detail else { return Err(malformed(&"it has no data")) };
            let message = serde_json::from_str::<Str<'_>>(detail.get())
                .map_or_else(|_| detail.get().to_owned(), |text| text.to_string());
            return Err(Broken::Upstream(UpstreamError { status: 500, message }));
        };
        // In the order of the texts, whatever the order of the answer.
        data.sort_by_key(|entry| entry.index);
        let vectors = data.iter().map(|entry| vector(entry.embedding)).collect::<Option<Vec<_>>>();
        let vectors = vectors.ok_or_else(|| malformed(&"an embedding is neither numbers nor base64"))?;
        let metered = reply.usage.map_or(Metered::Absent, |counts| counts.metered());
        let encoding = Embeddings::read(request).map_or(Encoding::Float, |read| read.encoding);
        Ok((embedding::answer(model, &vectors, encoding, &metered)?, metered))
    }
}

impl Counts<'_> {
    fn metered(&self) -> Metered {
        let image_in = self.image_tokens.and_then(|raw| raw.get().parse().ok()).unwrap_or(0);
        let usage = |prompt| Usage { prompt, image_in, ..Usage::default() };
        self.total_tokens.or(self.prompt_tokens).map_or(Metered::Absent, |prompt| Metered::Reported(usage(prompt)))
    }
}

fn vector(raw: Raw<'_>) -> Option<Vector<'_>> {
    if raw.get().starts_with('[') {
        return Some(Vector::Numbers(raw));
    }
    serde_json::from_str(raw.get()).ok().map(Vector::Base64)
}
