//! Rerank: read and answered in Cohere's form, which clients speak, for vendors that differ in names and places.

use std::borrow::Cow;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::members::Members;
use super::{Ask, CallApi, Target, Written};
use crate::chat::{Broken, Raw, Str, UpstreamError};
use crate::vocabulary::{self, Fault, Kind, Metered, PicoUsd, Usage};

/// A vendor's rerank call.
pub(super) struct Rerank {
    name: &'static str,
    path: &'static str,
    top: Top,
    documents: Documents,
    // Parameters that it takes besides; the others are done here or left out and named.
    takes: &'static [&'static str],
}

/// What the number of wanted results is called.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Top {
    N,
    K,
}

/// What documents may be.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Documents {
    /// Texts.
    Texts,
    /// Texts, and objects that hold more than text.
    Any,
    /// What the client gives: the vendor reads `rank_fields` itself.
    AsGiven,
}

/// `POST /v2/rerank`.
pub(super) static COHERE: Rerank = Rerank {
    name: "Cohere",
    path: "/v2/rerank",
    top: Top::N,
    documents: Documents::Texts,
    takes: &["max_tokens_per_doc"],
};

pub(super) static VOYAGE: Rerank =
    Rerank { name: "Voyage", path: "/rerank", top: Top::K, documents: Documents::Texts, takes: &[] };

pub(super) static JINA: Rerank =
    Rerank { name: "Jina", path: "/rerank", top: Top::N, documents: Documents::Any, takes: &["return_documents"] };

static TOGETHER: Rerank = Rerank {
    name: "Together",
    path: "/rerank",
    top: Top::N,
    documents: Documents::AsGiven,
    takes: &["return_documents", "rank_fields"],
};

/// vLLM, llama.cpp and what follows them, OpenRouter among them.
static JINA_LIKE: Rerank = Rerank {
    name: "this provider",
    path: "/rerank",
    top: Top::N,
    documents: Documents::Any,
    takes: &["max_tokens_per_doc"],
};

/// The rerank call of a vendor whose other calls are OpenAI's; None: it has none that is known.
pub(super) fn of(provider: &str) -> Option<&'static dyn CallApi> {
    match provider {
        "together_ai" => Some(&TOGETHER),
        "hosted_vllm"
        | "llamafile"
        | "lm_studio"
        | "openrouter"
        | "openai_like"
        | "custom_openai"
        | "litellm_proxy"
        | "docker_model_runner" => Some(&JINA_LIKE),
        _ => None,
    }
}

/// What a client wants ranked.
struct Wanted<'a> {
    query: Raw<'a>,
    documents: Vec<Raw<'a>>,
    top_n: Option<u64>,
    rank_fields: Option<Vec<Str<'a>>>,
    return_documents: Option<bool>,
    // Bounds on documents, and what Cohere does not know.
    others: Vec<(Str<'a>, Raw<'a>)>,
}

impl<'a> Wanted<'a> {
    fn read(body: &'a [u8]) -> Result<Self, Fault> {
        let Members(members) = serde_json::from_slice(body).map_err(|error| {
            Fault::client(Kind::BadJson, "the body is not a JSON object of a rerank request").cause(error)
        })?;
        let (mut query, mut documents) = (None, Vec::new());
        let (mut top_n, mut rank_fields, mut return_documents, mut others) = (None, None, None, Vec::new());
        for (name, value) in members {
            match &*name {
                "model" => {}
                "query" => query = Some(value),
                "documents" => documents = parse(value, "documents", "a list of texts or objects")?,
                _ if value.get() == "null" => {}
                "top_n" => top_n = Some(parse(value, "top_n", "a whole number")?),
                "rank_fields" => rank_fields = Some(parse(value, "rank_fields", "a list of names")?),
                "return_documents" => return_documents = Some(parse(value, "return_documents", "true or false")?),
                _ => others.push((name, value)),
            }
        }
        let query = query.ok_or_else(|| bad("query", "'query' is missing: give the text to rank by"))?;
        if documents.is_empty() {
            return Err(bad("documents", "'documents' is missing or empty: give a list of texts"));
        }
        Ok(Self { query, documents, top_n, rank_fields, return_documents, others })
    }
}

fn parse<'a, T: Deserialize<'a>>(value: Raw<'a>, name: &'static str, expected: &str) -> Result<T, Fault> {
    serde_json::from_str(value.get()).map_err(|_| bad(name, format!("'{name}' must be {expected}")))
}

fn bad(param: &'static str, text: impl Into<Cow<'static, str>>) -> Fault {
    Fault::client(Kind::BadRequest, text).param(param)
}

#[derive(Serialize)]
struct Body<'a> {
    model: &'a str,
    query: Raw<'a>,
    documents: Vec<Document<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    top_n: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    top_k: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rank_fields: Option<&'a [Str<'a>]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    return_documents: Option<bool>,
    #[serde(flatten)]
    others: Members<'a>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Document<'a> {
    AsItStands(Raw<'a>),
    Text(Cow<'a, str>),
}

impl CallApi for Rerank {
    fn write(&self, body: &[u8], ask: &Ask<'_>) -> Result<Written, Fault> {
        let wanted = Wanted::read(body)?;
        if !wanted.query.get().starts_with('"') && self.documents == Documents::Texts {
            return Err(bad("query", format!("'query' must be a text for {}", self.name)));
        }
        let mut documents = Vec::with_capacity(wanted.documents.len());
        for (index, raw) in wanted.documents.iter().enumerate() {
            documents.push(self.document(index, raw, wanted.rank_fields.as_deref())?);
        }
        let bound = |name: &str| matches!(name, "max_chunks_per_doc" | "max_tokens_per_doc");
        let (others, left): (Vec<_>, Vec<_>) =
            wanted.others.iter().cloned().partition(|(name, _)| !bound(name) || self.takes.contains(&&**name));
        let body = Body {
            model: ask.model,
            query: wanted.query,
            documents,
            top_n: wanted.top_n.filter(|_| self.top == Top::N),
            top_k: wanted.top_n.filter(|_| self.top == Top::K),
            rank_fields: wanted.rank_fields.as_deref().filter(|_| self.takes.contains(&"rank_fields")),
            return_documents: wanted.return_documents.filter(|_| self.takes.contains(&"return_documents")),
            others: Members(
                others.into_iter().filter(|(name, _)| wanted.top_n.is_none() || *name != "top_k").collect(),
            ),
        };
        let body =
            serde_json::to_vec(&body).map_err(|error| Fault::ours(Kind::Internal, "cannot write").cause(error))?;
        let dropped = left.iter().map(|(name, _)| name.to_string()).collect();
        Ok(Written { body: body.into(), dropped, ..Written::default() })
    }

    fn path(&self, target: &Target, _model: &str) -> String {
        format!("{}{}{}", target.base_path, self.path, target.query)
    }

    fn read(&self, body: &[u8], _model: &str, request: &[u8]) -> Result<(Bytes, Metered), Broken> {
        read(body, request)
    }
}

impl Rerank {
    /// A document as the vendor takes it.
    fn document<'a>(&self, index: usize, raw: &Raw<'a>, fields: Option<&[Str<'_>]>) -> Result<Document<'a>, Fault> {
        let wrong = |what: &str| bad("documents", format!("documents[{index}] {what}"));
        if raw.get().starts_with('"') || self.documents == Documents::AsGiven {
            return Ok(Document::AsItStands(raw));
        }
        let Members(members) =
            serde_json::from_str(raw.get()).map_err(|_| wrong("is neither a text nor an object with a text"))?;
        let field = |name: &str| members.iter().find(|(known, _)| *known == name).map(|(_, value)| plain(value));
        match fields {
            Some([only]) => field(only).map(Document::Text).ok_or_else(|| wrong("lacks the field of rank_fields")),
            Some(fields) => {
                // As Cohere's reference wants structured documents: in YAML.
                let lines: Vec<String> =
                    fields.iter().filter_map(|name| Some(format!("{}: {}", &**name, field(name)?))).collect();
                if lines.is_empty() { Err(wrong("has no field of rank_fields")) } else { Ok(text(lines.join("\n"))) }
            }
            None => match field("text") {
                Some(text) => Ok(Document::Text(text)),
                None if self.documents == Documents::Any => Ok(Document::AsItStands(raw)),
                None => Err(wrong("has no 'text': give one, or name the fields to rank by in rank_fields")),
            },
        }
    }
}

fn text<'a>(text: String) -> Document<'a> {
    Document::Text(Cow::Owned(text))
}

/// A text without its quotes, anything else as JSON.
fn plain<'a>(raw: Raw<'a>) -> Cow<'a, str> {
    match serde_json::from_str::<Str<'a>>(raw.get()) {
        Ok(text) => text.into_cow(),
        Err(_) => Cow::Borrowed(raw.get()),
    }
}

#[derive(Deserialize)]
struct Reply<'a> {
    #[serde(borrow)]
    id: Option<Str<'a>>,
    #[serde(borrow)]
    results: Option<Vec<Scored<'a>>>,
    // Voyage's name for the results.
    #[serde(borrow)]
    data: Option<Vec<Scored<'a>>>,
    #[serde(borrow)]
    meta: Option<Raw<'a>>,
    #[serde(borrow)]
    usage: Option<Counts<'a>>,
    // Texts of errors: Cohere's, Voyage's and Jina's, OpenAI's.
    #[serde(borrow)]
    message: Option<Raw<'a>>,
    #[serde(borrow)]
    detail: Option<Raw<'a>>,
    #[serde(borrow)]
    error: Option<Raw<'a>>,
}

#[derive(Deserialize)]
struct Scored<'a> {
    index: u64,
    #[serde(borrow, alias = "score")]
    relevance_score: Option<Raw<'a>>,
    #[serde(borrow)]
    document: Option<Raw<'a>>,
}

#[derive(Deserialize)]
struct Meta<'a> {
    #[serde(borrow)]
    tokens: Option<Counts<'a>>,
    #[serde(borrow)]
    billed_units: Option<Counts<'a>>,
}

#[derive(Clone, Copy, Deserialize)]
struct Counts<'a> {
    input_tokens: Option<f64>,
    prompt_tokens: Option<f64>,
    total_tokens: Option<f64>,
    search_units: Option<f64>,
    #[serde(borrow)]
    cost: Option<Raw<'a>>,
}

impl Counts<'_> {
    fn tokens(&self) -> Option<u64> {
        let given = self.prompt_tokens.or(self.input_tokens).or(self.total_tokens);
        // A cast of a number saturates, and one that is not a number is 0.
        given.map(|number| number as u64)
    }

    /// The tokens read. A fee for the search is in the price of the request: nothing was read for tokens then.
    fn metered(&self) -> Option<Usage> {
        let searched = self.search_units.map(|_| 0);
        let cost = self.cost.and_then(|cost| PicoUsd::parse(cost.get()).ok());
        self.tokens().or(searched).map(|prompt| Usage { prompt, cost, ..Usage::default() })
    }
}

#[derive(Serialize)]
struct Ranked<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a str>,
    results: Vec<Ranking<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    meta: Option<Said<'a>>,
}

#[derive(Serialize)]
struct Ranking<'a> {
    index: u64,
    relevance_score: Raw<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    document: Option<Shown<'a>>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Shown<'a> {
    AsItStands(Raw<'a>),
    Text { text: Raw<'a> },
}

#[derive(Serialize)]
#[serde(untagged)]
enum Said<'a> {
    AsItStands(Raw<'a>),
    Counted { billed_units: Units, tokens: Input },
}

#[derive(Serialize)]
struct Units {
    total_tokens: u64,
}

#[derive(Serialize)]
struct Input {
    input_tokens: u64,
}

/// Writes a vendor's answer in Cohere's form.
fn read(body: &[u8], request: &[u8]) -> Result<(Bytes, Metered), Broken> {
    let malformed = |what: String| Broken::Malformed(format!("not an answer of a rerank call: {what}"));
    let reply: Reply<'_> = serde_json::from_slice(body).map_err(|error| malformed(error.to_string()))?;
    let metered = metered(&reply);
    let Some(scored) = reply.results.or(reply.data) else {
        let Some(told) = reply.error.or(reply.message).or(reply.detail) else {
            return Err(malformed("it has no results".to_owned()));
        };
        return Err(Broken::Upstream(UpstreamError { status: 500, message: message(told) }));
    };
    let wanted = Wanted::read(request).ok();
    let mut results = Vec::with_capacity(scored.len());
    for one in scored {
        let relevance_score = one.relevance_score.ok_or_else(|| malformed("a result has no score".to_owned()))?;
        let document = shown(one.index, one.document, wanted.as_ref());
        results.push(Ranking { index: one.index, relevance_score, document });
    }
    let counted = || reply.usage.and_then(|usage| usage.tokens());
    let meta = match reply.meta.filter(|meta| meta.get() != "null") {
        Some(meta) => Some(Said::AsItStands(meta)),
        None => counted().map(|tokens| Said::Counted {
            billed_units: Units { total_tokens: tokens },
            tokens: Input { input_tokens: tokens },
        }),
    };
    let ranked = Ranked { id: reply.id.as_deref(), results, meta };
    let body = serde_json::to_vec(&ranked).map_err(|error| malformed(error.to_string()))?;
    Ok((body.into(), metered))
}

fn metered(reply: &Reply<'_>) -> Metered {
    let meta: Option<Meta<'_>> = reply.meta.and_then(|meta| serde_json::from_str(meta.get()).ok());
    let meta = meta.unwrap_or(Meta { tokens: None, billed_units: None });
    let searched = meta.billed_units.and_then(|counts| counts.search_units);
    let queries = searched.map_or(0, |number| number as u64);
    let units = vocabulary::Units { queries, ..vocabulary::Units::NONE };
    let usage = [meta.tokens, reply.usage, meta.billed_units].into_iter().flatten().find_map(|counts| counts.metered());
    usage.map_or(Metered::Absent, |usage| Metered::Reported(Usage { units, ..usage }))
}

/// The document of a result: the vendor's, or the client's own where the vendor does not repeat it.
fn shown<'a>(index: u64, given: Option<Raw<'a>>, wanted: Option<&Wanted<'a>>) -> Option<Shown<'a>> {
    let wish = wanted.and_then(|wanted| wanted.return_documents);
    let own = || wanted?.documents.get(usize::try_from(index).ok()?).copied();
    let given = given.filter(|given| given.get() != "null");
    let document = match wish {
        Some(false) => None,
        Some(true) => given.or_else(own),
        None => given,
    }?;
    let text = document.get().starts_with('"');
    Some(if text { Shown::Text { text: document } } else { Shown::AsItStands(document) })
}

/// The text of an error: a string, or an object with one.
fn message(told: Raw<'_>) -> String {
    #[derive(Deserialize)]
    struct Object<'a> {
        #[serde(borrow)]
        message: Str<'a>,
    }
    let object = || serde_json::from_str::<Object<'_>>(told.get()).map(|object| object.message);
    serde_json::from_str::<Str<'_>>(told.get())
        .or_else(|_| object())
        .map_or_else(|_| told.get().to_owned(), |text| text.to_string())
}

#[cfg(test)]
mod tests;
