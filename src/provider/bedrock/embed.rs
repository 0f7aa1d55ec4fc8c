//! Embeddings by InvokeModel: every family has a form of its own.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::place;
use crate::chat::{Broken, Raw, Str};
use crate::provider::{Ask, CallApi, Target, Written};
use crate::vocabulary::{Fault, Kind, Metered, Usage};

/// Whose form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Embeddings {
    Titan,
    TitanV2,
    TitanImage,
    Cohere,
    Nova,
}

/// The API of a model that embeds.
pub(super) fn find(model: &str) -> Option<&'static dyn CallApi> {
    const WORDS: [(&str, &Embeddings); 5] = [
        ("titan-embed-text-v2", &Embeddings::TitanV2),
        ("titan-embed-image", &Embeddings::TitanImage),
        ("titan-embed", &Embeddings::Titan),
        ("cohere.embed", &Embeddings::Cohere),
        ("nova-2-multimodal-embeddings", &Embeddings::Nova),
    ];
    WORDS.iter().find(|(word, _)| model.contains(word)).map(|(_, api)| *api as &dyn CallApi)
}

/// OpenAI's request, and what of the vendors' clients may give besides.
#[derive(Deserialize)]
struct Request<'a> {
    #[serde(borrow)]
    input: Option<Raw<'a>>,
    #[serde(borrow)]
    dimensions: Option<Raw<'a>>,
    #[serde(borrow)]
    encoding_format: Option<Str<'a>>,
    #[serde(borrow)]
    user: Option<Raw<'a>>,
    #[serde(borrow)]
    normalize: Option<Raw<'a>>,
    #[serde(borrow)]
    input_type: Option<Raw<'a>>,
    #[serde(borrow)]
    truncate: Option<Raw<'a>>,
    #[serde(borrow, rename = "embeddingPurpose")]
    purpose: Option<Raw<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Titan<'a> {
    input_text: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    dimensions: Option<Raw<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    normalize: Option<Raw<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    embedding_config: Option<TitanLength<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct TitanLength<'a> {
    output_embedding_length: Raw<'a>,
}

#[derive(Serialize)]
struct Cohere<'a> {
    texts: &'a [Str<'a>],
    input_type: CohereType<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    truncate: Option<Raw<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    output_dimension: Option<Raw<'a>>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum CohereType<'a> {
    Given(Raw<'a>),
    Usual(&'static str),
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Nova<'a> {
    schema_version: &'static str,
    task_type: &'static str,
    single_embedding_params: NovaParams<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct NovaParams<'a> {
    embedding_purpose: CohereType<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    embedding_dimension: Option<Raw<'a>>,
    text: NovaText<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct NovaText<'a> {
    truncation_mode: &'static str,
    value: &'a str,
}

impl CallApi for Embeddings {
    fn write(&self, body: &[u8], _ask: &Ask<'_>) -> Result<Written, Fault> {
        let request: Request<'_> = serde_json::from_slice(body).map_err(|error| bad("body", &error.to_string()))?;
        let texts = texts(request.input)?;
        let mut dropped = Vec::new();
        let mut unless = |takes: bool, name: &str, value: Option<Raw<'_>>| {
            if !takes && value.is_some() {
                dropped.push(name.to_owned());
            }
        };
        unless(false, "user", request.user);
        unless(*self != Self::Titan, "dimensions", request.dimensions);
        unless(*self == Self::TitanV2, "normalize", request.normalize);
        unless(*self == Self::Cohere, "input_type", request.input_type);
        unless(*self == Self::Cohere, "truncate", request.truncate);
        unless(*self == Self::Nova, "embeddingPurpose", request.purpose);
        let body = self.body(&request, &texts)?;
        let body =
            body.map_err(|error| Fault::ours(Kind::Internal, "the request could not be written").cause(error))?;
        Ok(Written { body: body.into(), dropped, ..Written::default() })
    }

    fn path(&self, target: &Target, model: &str) -> String {
        place::path(target, model, "invoke")
    }

    fn read(&self, body: &[u8], model: &str, request: &[u8]) -> Result<(Bytes, Metered), Broken> {
        read(body, model, request)
    }
}

impl Embeddings {
    fn body(&self, request: &Request<'_>, texts: &[Str<'_>]) -> Result<serde_json::Result<Vec<u8>>, Fault> {
        if *self == Self::Cohere {
            let input_type = request.input_type.map_or(CohereType::Usual("search_document"), CohereType::Given);
            let (truncate, output_dimension) = (request.truncate, request.dimensions);
            return Ok(serde_json::to_vec(&Cohere { texts, input_type, truncate, output_dimension }));
        }
        let [text] = texts else {
            let text = format!(
                "this model of Bedrock embeds one text at a time, found {}; send one request for each",
                texts.len()
            );
            return Err(bad("input", &text));
        };
        if *self == Self::Nova {
            let single_embedding_params = NovaParams {
                embedding_purpose: request.purpose.map_or(CohereType::Usual("GENERIC_INDEX"), CohereType::Given),
                embedding_dimension: request.dimensions,
                text: NovaText { truncation_mode: "END", value: text },
            };
            let (schema_version, task_type) = ("nova-multimodal-embed-v1", "SINGLE_EMBEDDING");
            return Ok(serde_json::to_vec(&Nova { schema_version, task_type, single_embedding_params }));
        }
        let length = request.dimensions.filter(|_| *self == Self::TitanImage);
        Ok(serde_json::to_vec(&Titan {
            input_text: text,
            dimensions: request.dimensions.filter(|_| *self == Self::TitanV2),
            normalize: request.normalize.filter(|_| *self == Self::TitanV2),
            embedding_config: length.map(|output_embedding_length| TitanLength { output_embedding_length }),
        }))
    }
}

/// `input`: a text or a list of texts.
fn texts(input: Option<Raw<'_>>) -> Result<Vec<Str<'_>>, Fault> {
    let input = input.ok_or_else(|| bad("input", "expected a text or a list of texts, found nothing"))?.get();
    let texts = if input.starts_with('"') {
        serde_json::from_str(input).map(|text| vec![text])
    } else {
        serde_json::from_str::<Vec<Str<'_>>>(input)
    };
    let texts =
        texts.map_err(|_| bad("input", "expected a text or a list of texts; Bedrock does not take token numbers"))?;
    if texts.is_empty() { Err(bad("input", "expected at least one text")) } else { Ok(texts) }
}

fn bad(param: &'static str, what: &str) -> Fault {
    Fault::client(Kind::BadRequest, format!("{param}: {what}")).param(param)
}

/// An answer of any of the forms.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Reply<'a> {
    #[serde(borrow)]
    embedding: Option<Raw<'a>>,
    #[serde(borrow)]
    embeddings: Option<Raw<'a>>,
    input_text_token_count: Option<u64>,
    #[serde(borrow)]
    message: Option<Str<'a>>,
}

/// Cohere's answer where it is sorted by type.
#[derive(Deserialize)]
struct ByType<'a> {
    #[serde(borrow)]
    float: Vec<Raw<'a>>,
}

/// One of Nova's.
#[derive(Deserialize)]
struct NovaEmbedding<'a> {
    #[serde(borrow)]
    embedding: Raw<'a>,
}

/// OpenAI's answer.
#[derive(Serialize)]
struct List<'a> {
    object: &'static str,
    data: Vec<Item<'a>>,
    model: &'a str,
    usage: Counts,
}

#[derive(Serialize)]
struct Item<'a> {
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

fn read(body: &[u8], model: &str, request: &[u8]) -> Result<(Bytes, Metered), Broken> {
    let malformed = |what: &str| Broken::Malformed(format!("embeddings of Bedrock: {what}"));
    let reply: Reply<'_> = serde_json::from_slice(body).map_err(|error| malformed(&error.to_string()))?;
    let vectors = match (reply.embedding, reply.embeddings) {
        (Some(one), _) => vec![one],
        (None, Some(many)) => vectors(many).ok_or_else(|| malformed("no numbers"))?,
        (None, None) if reply.message.is_some() => return Err(super::exception::told("internalServerException", body)),
        (None, None) => return Err(malformed("there are none")),
    };
    let request: Option<Request<'_>> = serde_json::from_slice(request).ok();
    let is_base64 = request.and_then(|request| request.encoding_format).is_some_and(|format| format == "base64");
    let items = vectors.into_iter().enumerate().map(|(index, vector)| {
        let embedding =
            if is_base64 { base64(vector).ok_or_else(|| malformed("no numbers"))? } else { Vector::Numbers(vector) };
        Ok(Item { object: "embedding", index, embedding })
    });
    let data = items.collect::<Result<Vec<_>, Broken>>()?;
    let prompt = reply.input_text_token_count;
    let usage = Counts { prompt_tokens: prompt.unwrap_or(0), total_tokens: prompt.unwrap_or(0) };
    let list = serde_json::to_vec(&List { object: "list", data, model, usage })
        .map_err(|error| malformed(&error.to_string()))?;
    // Other forms tell their counts in a header only.
    let metered = prompt.map_or(Metered::Absent, |prompt| Metered::Reported(Usage { prompt, ..Usage::default() }));
    Ok((list.into(), metered))
}

fn vectors(many: Raw<'_>) -> Option<Vec<Raw<'_>>> {
    let json = many.get();
    if json.starts_with('{') {
        return serde_json::from_str::<ByType<'_>>(json).ok().map(|by_type| by_type.float);
    }
    let list: Vec<Raw<'_>> = serde_json::from_str(json).ok()?;
    if list.iter().all(|raw| raw.get().starts_with('[')) {
        return Some(list);
    }
    list.into_iter()
        .map(|raw| serde_json::from_str::<NovaEmbedding<'_>>(raw.get()).ok().map(|one| one.embedding))
        .collect()
}

/// Little-endian floats of 32 bits, as OpenAI has them.
fn base64(vector: Raw<'_>) -> Option<Vector<'_>> {
    let numbers: Vec<f32> = serde_json::from_str(vector.get()).ok()?;
    let bytes: Vec<u8> = numbers.into_iter().flat_map(f32::to_le_bytes).collect();
    Some(Vector::Base64(STANDARD.encode(bytes)))
}

#[cfg(test)]
mod tests;
