//! OpenAI's embeddings as `batchEmbedContents`.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::chat::{Broken, Raw, Str};
use crate::dialect::gemini::{as_value, is_null, metered, upstream_error};
use crate::provider::{Ask, CallApi, Target, Written};
use crate::vocabulary::{Fault, Kind, Metered, Usage};

use super::{base_path, model_path};

/// OpenAI's request, and the members of Google's that a client may add to it.
#[derive(Debug, Deserialize)]
struct Given<'a> {
    #[serde(borrow)]
    input: Option<Raw<'a>>,
    #[serde(borrow)]
    dimensions: Option<Raw<'a>>,
    #[serde(borrow, alias = "taskType")]
    task_type: Option<Raw<'a>>,
    #[serde(borrow)]
    title: Option<Raw<'a>>,
    #[serde(borrow, alias = "autoTruncate")]
    auto_truncate: Option<Raw<'a>>,
}

/// What shall be embedded, and how.
#[derive(Debug)]
pub(in crate::provider) struct Texts<'a> {
    /// At least one.
    pub(in crate::provider) list: Vec<Str<'a>>,
    pub(in crate::provider) dimensions: Option<Raw<'a>>,
    pub(in crate::provider) task_type: Option<Raw<'a>>,
    pub(in crate::provider) title: Option<Raw<'a>>,
    pub(in crate::provider) auto_truncate: Option<Raw<'a>>,
}

fn bad(what: &str) -> Fault {
    Fault::client(Kind::BadRequest, format!("input: {what}")).param("input")
}

/// Reads OpenAI's request.
pub(in crate::provider) fn texts(body: &[u8]) -> Result<Texts<'_>, Fault> {
    let given: Given<'_> = serde_json::from_slice(body)
        .map_err(|error| Fault::client(Kind::BadRequest, format!("the body is not an embeddings request: {error}")))?;
    let input = given.input.filter(|raw| !is_null(raw)).ok_or_else(|| bad("a text or a list of texts is needed"))?;
    let list: Vec<Str<'_>> = match input.get().as_bytes().first() {
        Some(b'"') => as_value(input).into_iter().collect(),
        _ => as_value(input).ok_or_else(|| bad("Gemini embeds texts, not lists of tokens: send the text"))?,
    };
    if list.is_empty() {
        return Err(bad("the list is empty"));
    }
    Ok(Texts {
        list,
        dimensions: given.dimensions.filter(|raw| !is_null(raw)),
        task_type: given.task_type.filter(|raw| !is_null(raw)),
        title: given.title.filter(|raw| !is_null(raw)),
        auto_truncate: given.auto_truncate.filter(|raw| !is_null(raw)),
    })
}

#[derive(Serialize)]
struct Batch<'a> {
    requests: Vec<One<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct One<'a> {
    model: &'a str,
    content: Content<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    task_type: Option<Raw<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    title: Option<Raw<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    output_dimensionality: Option<Raw<'a>>,
}

/// A content of one text.
#[derive(Serialize)]
pub(in crate::provider) struct Content<'a> {
    parts: [Text<'a>; 1],
}

#[derive(Serialize)]
struct Text<'a> {
    text: &'a str,
}

impl<'a> Content<'a> {
    pub(in crate::provider) fn of(text: &'a str) -> Self {
        Self { parts: [Text { text }] }
    }
}

/// Vectors of a provider, each a JSON list of numbers.
#[derive(Debug, Default)]
pub(in crate::provider) struct Vectors<'a> {
    pub(in crate::provider) list: Vec<Raw<'a>>,
    pub(in crate::provider) metered: Metered,
}

#[derive(Serialize)]
struct Answer<'a> {
    object: &'static str,
    data: Vec<Datum<'a>>,
    model: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    usage: Option<Counts>,
}

#[derive(Serialize)]
struct Datum<'a> {
    object: &'static str,
    index: usize,
    embedding: Vector<'a>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Vector<'a> {
    Numbers(Raw<'a>),
    Base64(String),
}

#[derive(Serialize)]
struct Counts {
    prompt_tokens: u64,
    total_tokens: u64,
}

#[derive(Deserialize)]
struct Form<'a> {
    #[serde(borrow)]
    encoding_format: Option<Str<'a>>,
}

fn wants_base64(request: &[u8]) -> bool {
    let form = serde_json::from_slice::<Form<'_>>(request).ok().and_then(|form| form.encoding_format);
    form.is_some_and(|form| form == *"base64")
}

/// Writes OpenAI's answer.
pub(in crate::provider) fn answer(vectors: &Vectors<'_>, model: &str, request: &[u8]) -> Result<Bytes, Broken> {
    let base64 = wants_base64(request);
    let mut data = Vec::with_capacity(vectors.list.len());
    for (index, raw) in vectors.list.iter().enumerate() {
        let embedding = if base64 { Vector::Base64(encoded(raw)?) } else { Vector::Numbers(raw) };
        data.push(Datum { object: "embedding", index, embedding });
    }
    let counts = |usage: &Usage| Counts { prompt_tokens: usage.prompt, total_tokens: usage.total() };
    let usage = vectors.metered.usage().map(counts);
    let answer = Answer { object: "list", data, model, usage };
    serde_json::to_vec(&answer).map(Bytes::from).map_err(|error| Broken::Malformed(error.to_string()))
}

fn encoded(raw: Raw<'_>) -> Result<String, Broken> {
    let numbers: Vec<f32> =
        serde_json::from_str(raw.get()).map_err(|error| Broken::Malformed(format!("not a vector: {error}")))?;
    let bytes: Vec<u8> = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
    Ok(STANDARD.encode(bytes))
}

/// `batchEmbedContents` at AI Studio.
pub(super) struct BatchEmbed;

pub(super) static BATCH: BatchEmbed = BatchEmbed;

/// What it answers.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Embedded<'a> {
    #[serde(borrow)]
    embeddings: Option<Vec<Values<'a>>>,
    #[serde(borrow)]
    usage_metadata: Option<Raw<'a>>,
    #[serde(borrow)]
    error: Option<Raw<'a>>,
}

/// One vector.
#[derive(Deserialize)]
pub(in crate::provider) struct Values<'a> {
    #[serde(borrow)]
    pub(in crate::provider) values: Raw<'a>,
}

impl CallApi for BatchEmbed {
    fn write(&self, body: &[u8], ask: &Ask<'_>) -> Result<Written, Fault> {
        let texts = texts(body)?;
        let model = match ask.model.split_once('/') {
            Some(_) => ask.model.to_owned(),
            None => format!("models/{}", ask.model),
        };
        let requests = texts.list.iter().map(|text| One {
            model: &model,
            content: Content::of(text),
            task_type: texts.task_type,
            title: texts.title,
            output_dimensionality: texts.dimensions,
        });
        let batch = Batch { requests: requests.collect() };
        let body = serde_json::to_vec(&batch)
            .map_err(|error| Fault::ours(Kind::Internal, "the request cannot be written").cause(error))?;
        Ok(Written { body: body.into(), ..Written::default() })
    }

    fn path(&self, target: &Target, model: &str) -> String {
        format!("{}/{}:batchEmbedContents", base_path(target), model_path(model))
    }

    fn read(&self, body: &[u8], model: &str, request: &[u8]) -> Result<(Bytes, Metered), Broken> {
        let embedded: Embedded<'_> = serde_json::from_slice(body)
            .map_err(|error| Broken::Malformed(format!("not an answer of batchEmbedContents: {error}")))?;
        if let Some(error) = embedded.error {
            return Err(Broken::Upstream(upstream_error(error)));
        }
        let values = embedded.embeddings.ok_or_else(|| Broken::Malformed("an answer without embeddings".to_owned()))?;
        let metered = embedded.usage_metadata.map_or(Metered::Absent, |raw| metered(raw.get().as_bytes()));
        let vectors = Vectors { list: values.iter().map(|one| one.values).collect(), metered };
        Ok((answer(&vectors, model, request)?, metered))
    }
}
