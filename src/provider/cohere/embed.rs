//! Embeddings by `/v2/embed`.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::meter::count;
use super::reply::parse;
use super::{Ask, CallApi, Target, Written};
use crate::chat::{Broken, Raw, Str, UpstreamError};
use crate::provider::embedding::{self, Embeddings, Encoding, Vector};
use crate::provider::members::Members;
use crate::provider::speech;
use crate::vocabulary::{Fault, Kind, Metered, Usage};

pub(super) static EMBED_V2: EmbedV2 = EmbedV2;

/// `POST /v2/embed`.
pub(super) struct EmbedV2;

/// What texts are embedded for where the client does not say: to be found later.
const INPUT_TYPE: &str = "search_document";

#[derive(Serialize)]
struct Body<'a> {
    model: &'a str,
    texts: Vec<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    input_type: Option<&'static str>,
    embedding_types: [&'static str; 1],
    #[serde(skip_serializing_if = "Option::is_none")]
    output_dimension: Option<u64>,
    #[serde(flatten)]
    extra: Members<'a>,
}

#[derive(Deserialize)]
struct Reply<'a> {
    // By type, or a list of vectors (v1).
    #[serde(borrow)]
    embeddings: Option<Raw<'a>>,
    #[serde(borrow)]
    meta: Option<Meta<'a>>,
    #[serde(borrow)]
    message: Option<Str<'a>>,
}

#[derive(Deserialize)]
struct ByType<'a> {
    #[serde(borrow, rename = "float")]
    floats: Option<Vec<Raw<'a>>>,
}

#[derive(Deserialize)]
struct Meta<'a> {
    #[serde(borrow)]
    billed_units: Option<Billed<'a>>,
}

#[derive(Deserialize)]
struct Billed<'a> {
    #[serde(borrow)]
    input_tokens: Option<Raw<'a>>,
    #[serde(borrow)]
    image_tokens: Option<Raw<'a>>,
}

impl CallApi for EmbedV2 {
    fn write(&self, body: &[u8], ask: &Ask<'_>) -> Result<Written, Fault> {
        let mut read = Embeddings::read(body)?;
        let dropped = if read.user.is_some() { vec!["user".to_owned()] } else { Vec::new() };
        let extra = std::mem::take(&mut read.extra);
        if let Some((_, types)) = extra.iter().find(|(name, _)| *name == "embedding_types")
            && types.get().replace(' ', "") != r#"["float"]"#
        {
            let text = "embedding_types can only be [\"float\"]: an answer in OpenAI's form holds nothing else";
            return Err(Fault::client(Kind::BadRequest, text).param("embedding_types"));
        }
        let given = |name: &str| extra.iter().any(|(known, _)| *known == name);
        let body = Body {
            model: ask.model,
            texts: read.texts("Cohere")?,
            input_type: (!given("input_type")).then_some(INPUT_TYPE),
            embedding_types: ["float"],
            output_dimension: read.dimensions.filter(|_| !given("output_dimension")),
            extra: Members(extra.into_iter().filter(|(name, _)| !is_ours(name)).collect()),
        };
        let body = speech::written(&body)?;
        Ok(Written { body, dropped, ..Written::default() })
    }

    fn path(&self, target: &Target, _model: &str) -> String {
        format!("{}/v2/embed{}", target.base_path, target.query)
    }

    fn read(&self, body: &[u8], model: &str, request: &[u8]) -> Result<(Bytes, Metered), Broken> {
        let reply: Reply<'_> = parse(body)?;
        let Some(embeddings) = reply.embeddings else {
            let Some(message) = reply.message else {
                return Err(Broken::Malformed("an answer of Cohere without embeddings".to_owned()));
            };
            return Err(Broken::Upstream(UpstreamError { status: 500, message: message.to_string() }));
        };
        let floats = if embeddings.get().starts_with('[') {
            parse(embeddings.get().as_bytes())?
        } else {
            parse::<ByType<'_>>(embeddings.get().as_bytes())?.floats.unwrap_or_default()
        };
        let metered = reply.meta.and_then(|meta| meta.billed_units).map_or(Metered::Absent, |billed| billed.metered());
        let encoding = Embeddings::read(request).map_or(Encoding::Float, |read| read.encoding);
        let vectors: Vec<Vector<'_>> = floats.into_iter().map(Vector::Numbers).collect();
        Ok((embedding::answer(model, &vectors, encoding, &metered)?, metered))
    }
}

impl Billed<'_> {
    fn metered(&self) -> Metered {
        let images = self.image_tokens.and_then(count);
        match (self.input_tokens.and_then(count), images) {
            (None, None) => Metered::Absent,
            (texts, images) => {
                let image_in = images.unwrap_or(0);
                let prompt = texts.unwrap_or(0).saturating_add(image_in);
                Metered::Reported(Usage { prompt, image_in, ..Usage::default() })
            }
        }
    }
}

/// Members that are written from OpenAI's.
fn is_ours(name: &str) -> bool {
    matches!(name, "model" | "texts" | "embedding_types")
}
