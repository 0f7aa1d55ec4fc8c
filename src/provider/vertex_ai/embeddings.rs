//! OpenAI's embeddings as `predict`, or as `embedContent` for the models that take it.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::chat::{Broken, Raw};
use crate::dialect::gemini::{metered, upstream_error};
use crate::provider::gemini::{TextContent, Texts, Values, Vectors, embeddings_answer, embeddings_texts};
use crate::provider::{Ask, CallApi, Target, Written};
use crate::vocabulary::{Fault, Kind, Metered, Usage};

use super::google_path;

/// The API that embeds with a model.
pub(super) fn api(model: &str) -> &'static dyn CallApi {
    let name = model.rsplit('/').next().unwrap_or(model);
    if name.starts_with("gemini-embedding-") && name != "gemini-embedding-001" { &EmbedContent } else { &Predict }
}

/// `predict`: many texts at once.
struct Predict;

/// `embedContent`: one text.
struct EmbedContent;

#[derive(Serialize)]
struct Instances<'a> {
    instances: Vec<Instance<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    parameters: Option<Parameters<'a>>,
}

#[derive(Serialize)]
struct Instance<'a> {
    content: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    task_type: Option<Raw<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    title: Option<Raw<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Parameters<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    output_dimensionality: Option<Raw<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    auto_truncate: Option<Raw<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct One<'a> {
    content: TextContent<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    task_type: Option<Raw<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    title: Option<Raw<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    output_dimensionality: Option<Raw<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    auto_truncate: Option<Raw<'a>>,
}

#[derive(Deserialize)]
struct Predicted<'a> {
    #[serde(borrow)]
    predictions: Option<Vec<Prediction<'a>>>,
    #[serde(borrow)]
    error: Option<Raw<'a>>,
}

#[derive(Deserialize)]
struct Prediction<'a> {
    #[serde(borrow)]
    embeddings: Counted<'a>,
}

#[derive(Deserialize)]
struct Counted<'a> {
    #[serde(borrow)]
    values: Raw<'a>,
    statistics: Option<Statistics>,
}

#[derive(Deserialize)]
struct Statistics {
    token_count: Option<f64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Embedded<'a> {
    #[serde(borrow)]
    embedding: Option<Values<'a>>,
    #[serde(borrow)]
    usage_metadata: Option<Raw<'a>>,
    #[serde(borrow)]
    error: Option<Raw<'a>>,
}

fn written<T: Serialize>(request: &T) -> Result<Written, Fault> {
    let body = serde_json::to_vec(request)
        .map_err(|error| Fault::ours(Kind::Internal, "the request cannot be written").cause(error))?;
    Ok(Written { body: body.into(), ..Written::default() })
}

fn parsed<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, Broken> {
    serde_json::from_slice(body).map_err(|error| Broken::Malformed(format!("not an answer with embeddings: {error}")))
}

impl CallApi for Predict {
    fn write(&self, body: &[u8], _ask: &Ask<'_>) -> Result<Written, Fault> {
        let texts = embeddings_texts(body)?;
        let Texts { task_type, title, .. } = texts;
        let instances = texts.list.iter().map(|text| Instance { content: text, task_type, title }).collect();
        let asked = texts.dimensions.is_some() || texts.auto_truncate.is_some();
        let parameters = Parameters { output_dimensionality: texts.dimensions, auto_truncate: texts.auto_truncate };
        written(&Instances { instances, parameters: asked.then_some(parameters) })
    }

    fn path(&self, target: &Target, model: &str) -> String {
        google_path(target, model, ":predict")
    }

    fn read(&self, body: &[u8], model: &str, request: &[u8]) -> Result<(Bytes, Metered), Broken> {
        let predicted: Predicted<'_> = parsed(body)?;
        if let Some(error) = predicted.error {
            return Err(Broken::Upstream(upstream_error(error)));
        }
        let Some(predictions) = predicted.predictions else {
            return Err(Broken::Malformed("an answer without predictions".to_owned()));
        };
        let counts = predictions.iter().map(|one| one.embeddings.statistics.as_ref()?.token_count);
        let total: Option<f64> = counts.sum();
        let metered = total.filter(|_| !predictions.is_empty()).map_or(Metered::Absent, reported);
        let vectors = Vectors { list: predictions.iter().map(|one| one.embeddings.values).collect(), metered };
        Ok((embeddings_answer(&vectors, model, request)?, metered))
    }
}

/// Google writes these counts as decimals.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count of tokens; `as` saturates")]
fn reported(tokens: f64) -> Metered {
    Metered::Reported(Usage { prompt: tokens as u64, ..Usage::default() })
}

impl CallApi for EmbedContent {
    fn write(&self, body: &[u8], ask: &Ask<'_>) -> Result<Written, Fault> {
        let texts = embeddings_texts(body)?;
        let [text] = texts.list.as_slice() else {
            let what =
                format!("input: {} embeds one text per request at Vertex AI, not {}", ask.model, texts.list.len());
            return Err(Fault::client(Kind::BadRequest, what).param("input"));
        };
        written(&One {
            content: TextContent::of(text),
            task_type: texts.task_type,
            title: texts.title,
            output_dimensionality: texts.dimensions,
            auto_truncate: texts.auto_truncate,
        })
    }

    fn path(&self, target: &Target, model: &str) -> String {
        google_path(target, model, ":embedContent")
    }

    fn read(&self, body: &[u8], model: &str, request: &[u8]) -> Result<(Bytes, Metered), Broken> {
        let embedded: Embedded<'_> = parsed(body)?;
        if let Some(error) = embedded.error {
            return Err(Broken::Upstream(upstream_error(error)));
        }
        let Some(embedding) = embedded.embedding else {
            return Err(Broken::Malformed("an answer without an embedding".to_owned()));
        };
        let metered = embedded.usage_metadata.map_or(Metered::Absent, |raw| metered(raw.get().as_bytes()));
        let vectors = Vectors { list: vec![embedding.values], metered };
        Ok((embeddings_answer(&vectors, model, request)?, metered))
    }
}
