//! Rerank by InvokeModel: Cohere's and Amazon's models have the same form.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::place;
use crate::chat::{Broken, Raw, Str};
use crate::provider::{Ask, CallApi, Target, Written};
use crate::vocabulary::{Fault, Kind, Metered};

struct Rerank {
    // Cohere's models are asked for the version of their API.
    api_version: Option<u8>,
}

/// The API of a model that ranks.
pub(super) fn find(model: &str) -> Option<&'static dyn CallApi> {
    static COHERE: Rerank = Rerank { api_version: Some(2) };
    static AMAZON: Rerank = Rerank { api_version: None };
    match () {
        () if model.contains("cohere.rerank") => Some(&COHERE),
        () if model.contains("amazon.rerank") => Some(&AMAZON),
        () => None,
    }
}

#[derive(Deserialize)]
struct Request<'a> {
    #[serde(borrow)]
    query: Option<Raw<'a>>,
    #[serde(borrow)]
    documents: Option<Vec<Raw<'a>>>,
    #[serde(borrow)]
    top_n: Option<Raw<'a>>,
    return_documents: Option<bool>,
    #[serde(borrow)]
    max_tokens_per_doc: Option<Raw<'a>>,
    #[serde(borrow)]
    max_chunks_per_doc: Option<Raw<'a>>,
    #[serde(borrow)]
    rank_fields: Option<Raw<'a>>,
}

#[derive(Serialize)]
struct Body<'a> {
    query: Raw<'a>,
    documents: Vec<Str<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    top_n: Option<Raw<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    api_version: Option<u8>,
}

#[derive(Deserialize)]
struct Reply<'a> {
    results: Option<Vec<Found>>,
    #[serde(borrow)]
    message: Option<Str<'a>>,
}

#[derive(Deserialize)]
struct Found {
    index: usize,
    relevance_score: serde_json::Number,
}

#[derive(Serialize)]
struct Answer<'a> {
    results: Vec<Item<'a>>,
    model: &'a str,
}

#[derive(Serialize)]
struct Item<'a> {
    index: usize,
    relevance_score: serde_json::Number,
    #[serde(skip_serializing_if = "Option::is_none")]
    document: Option<Document<'a>>,
}

#[derive(Serialize)]
struct Document<'a> {
    text: Str<'a>,
}

impl CallApi for Rerank {
    fn write(&self, body: &[u8], _ask: &Ask<'_>) -> Result<Written, Fault> {
        let request: Request<'_> = serde_json::from_slice(body).map_err(|error| bad("body", &error.to_string()))?;
        let query = request
            .query
            .filter(|query| query.get().starts_with('"'))
            .ok_or_else(|| bad("query", "expected a text"))?;
        let documents = request.documents.filter(|documents| !documents.is_empty());
        let documents =
            documents.ok_or_else(|| bad("documents", "expected a list of texts"))?.into_iter().map(text).collect();
        let others = [
            ("max_tokens_per_doc", request.max_tokens_per_doc),
            ("max_chunks_per_doc", request.max_chunks_per_doc),
            ("rank_fields", request.rank_fields),
        ];
        let dropped = others.into_iter().filter_map(|(name, value)| value.map(|_| name.to_owned())).collect();
        let (top_n, api_version) = (request.top_n.filter(|top| top.get() != "null"), self.api_version);
        let body = serde_json::to_vec(&Body { query, documents, top_n, api_version })
            .map_err(|error| Fault::ours(Kind::Internal, "the request could not be written").cause(error))?;
        Ok(Written { body: body.into(), dropped, ..Written::default() })
    }

    fn path(&self, target: &Target, model: &str) -> String {
        place::path(target, model, "invoke")
    }

    fn read(&self, body: &[u8], model: &str, request: &[u8]) -> Result<(Bytes, Metered), Broken> {
        let malformed = |what: &str| Broken::Malformed(format!("a ranking of Bedrock: {what}"));
        let reply: Reply<'_> = serde_json::from_slice(body).map_err(|error| malformed(&error.to_string()))?;
        let Some(results) = reply.results else {
            return Err(match reply.message {
                Some(_) => super::exception::told("internalServerException", body),
                None => malformed("there are no results"),
            });
        };
        let request: Option<Request<'_>> = serde_json::from_slice(request).ok();
        let wanted = request.filter(|request| request.return_documents == Some(true));
        let documents = wanted.and_then(|request| request.documents).unwrap_or_default();
        let results = results.into_iter().map(|Found { index, relevance_score }| {
            let document = documents.get(index).map(|raw| Document { text: text(raw) });
            Item { index, relevance_score, document }
        });
        let answer = Answer { results: results.collect(), model };
        let answer = serde_json::to_vec(&answer).map_err(|error| malformed(&error.to_string()))?;
        Ok((answer.into(), Metered::Absent))
    }
}

/// A document's text: itself, its `text`, or its JSON.
fn text(raw: Raw<'_>) -> Str<'_> {
    #[derive(Deserialize)]
    struct WithText<'a> {
        #[serde(borrow)]
        text: Str<'a>,
    }
    let json = raw.get();
    let own = || serde_json::from_str::<WithText<'_>>(json).ok().map(|with| with.text);
    serde_json::from_str(json).ok().or_else(own).unwrap_or_else(|| json.into())
}

fn bad(param: &'static str, what: &str) -> Fault {
    Fault::client(Kind::BadRequest, format!("{param}: {what}")).param(param)
}

#[cfg(test)]
mod tests;
