//! Paths below a provider's prefix (`/anthropic/v1/messages`): which of them are calls that can be metered, and which paths
//! are safe to send on.

use super::route::decode;
use super::{Endpoint, PathStream};

/// A provider whose API is reached below a prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PassTo {
    /// `/openai`.
    OpenAi,
    /// `/anthropic`.
    Anthropic,
    /// `/gemini`.
    Gemini,
    /// `/vertex_ai`.
    VertexAi,
    /// `/bedrock`.
    Bedrock,
    /// `/azure`.
    Azure,
    /// `/cohere`.
    Cohere,
    /// `/mistral`.
    Mistral,
}

impl PassTo {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::OpenAi,
        Self::Anthropic,
        Self::Gemini,
        Self::VertexAi,
        Self::Bedrock,
        Self::Azure,
        Self::Cohere,
        Self::Mistral,
    ];

    /// The prefix without its slash, which is the provider's name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::OpenAi => "openai",
            Self::Anthropic => "anthropic",
            Self::Gemini => "gemini",
            Self::VertexAi => "vertex_ai",
            Self::Bedrock => "bedrock",
            Self::Azure => "azure",
            Self::Cohere => "cohere",
            Self::Mistral => "mistral",
        }
    }

    /// The call in whose dialect its clients expect errors.
    pub const fn errors(self) -> Endpoint {
        match self {
            Self::Anthropic => Endpoint::Messages,
            Self::Gemini | Self::VertexAi => Endpoint::GenerateContent,
            _ => Endpoint::PassThrough,
        }
    }
}

/// How the bodies of a passed call are read for what they cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PassForm {
    /// In the dialect of its endpoint.
    Own,
    /// The same; a stream comes in AWS's framing.
    AwsChunks,
    /// In the provider's own form.
    Foreign,
}

/// A call below a prefix whose usage can be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PassCall {
    /// The call of ours that it is nearest to.
    pub endpoint: Endpoint,
    /// The model in the path: it counts, whatever the body says.
    pub model: Option<String>,
    /// Whether the path asks for a stream.
    pub stream: PathStream,
    /// What the bodies look like.
    pub form: PassForm,
}

/// A request below a provider's prefix.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Passed {
    /// Which.
    pub to: PassTo,
    /// What follows the prefix, as it came: safe to join to a base path.
    pub path: String,
    /// What it is, where it can be metered.
    pub call: Option<PassCall>,
}

/// What a path below a prefix is.
pub(super) enum PassPath {
    Safe(Passed),
    /// It climbs, hides something, or could be read in two ways.
    Doubtful,
}

/// Reads a path below a prefix; None: it is below none.
pub(super) fn read(method: &str, path: &str, query: Option<&str>) -> Option<PassPath> {
    let (prefix, _) = path.strip_prefix('/')?.split_once('/')?;
    let to = PassTo::ALL.into_iter().find(|to| to.name() == prefix)?;
    let rest = path.get(prefix.len() + 1..).filter(|rest| rest.len() > 1)?;
    let find = |rest: &str| if method == "POST" { call(to, rest, query) } else { None };
    let found = find(rest);
    // What a provider might take for a call that is metered under another spelling must not pass unmetered.
    let trimmed = rest.trim_end_matches('/').to_ascii_lowercase();
    let disguised = found.is_none() && find(&trimmed).is_some();
    if !is_safe(rest, to == PassTo::Bedrock && found.is_some()) || disguised {
        return Some(PassPath::Doubtful);
    }
    Some(PassPath::Safe(Passed { to, path: rest.to_owned(), call: found }))
}

/// Whether every reader of a path sees the same segments: none empty, none that climbs, nothing encoded that need not be,
/// and no separator or control character in whatever form. `slash`: an encoded slash may stand in a name.
pub fn is_safe(path: &str, slash: bool) -> bool {
    let Some(rest) = path.strip_prefix('/') else { return false };
    let rest = rest.strip_suffix('/').unwrap_or(rest);
    rest.split('/').all(|segment| is_safe_segment(segment, slash))
}

fn is_safe_segment(segment: &str, slash: bool) -> bool {
    if matches!(segment, "" | "." | "..") {
        return false;
    }
    let mut bytes = segment.bytes();
    while let Some(byte) = bytes.next() {
        let plain = match byte {
            b'%' => {
                let digits = [bytes.next(), bytes.next()].map(|digit| char::from(digit.unwrap_or(b'!')).to_digit(16));
                let [Some(high), Some(low)] = digits else { return false };
                let meant = u8::try_from(high << 4 | low).unwrap_or(0);
                match meant {
                    b'/' => slash,
                    b'\\' | b'%' | b';' | 0..=0x1f | 0x7f => false,
                    // Encoded although it need not be: another spelling of a path that is known.
                    byte => !(byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')),
                }
            }
            b'\\' | b';' | b'?' | b'#' => false,
            byte => byte.is_ascii_graphic(),
        };
        if !plain {
            return false;
        }
    }
    true
}

fn own(endpoint: Endpoint) -> Option<PassCall> {
    Some(PassCall { endpoint, model: None, stream: PathStream::Body, form: PassForm::Own })
}

fn foreign(endpoint: Endpoint) -> Option<PassCall> {
    Some(PassCall { form: PassForm::Foreign, ..own(endpoint)? })
}

fn call(to: PassTo, path: &str, query: Option<&str>) -> Option<PassCall> {
    match to {
        PassTo::OpenAi => openai(path.strip_prefix("/v1").unwrap_or(path)),
        PassTo::Mistral => match path.strip_prefix("/v1").unwrap_or(path) {
            "/fim/completions" => own(Endpoint::ChatCompletions),
            path => openai(path),
        },
        PassTo::Anthropic => match path.strip_prefix("/v1").unwrap_or(path) {
            "/messages" => own(Endpoint::Messages),
            "/messages/count_tokens" => own(Endpoint::CountTokens),
            _ => None,
        },
        PassTo::Cohere => match path {
            "/v2/chat" => foreign(Endpoint::ChatCompletions),
            "/v1/embed" | "/v2/embed" => foreign(Endpoint::Embeddings),
            "/v1/rerank" | "/v2/rerank" => foreign(Endpoint::Rerank),
            path => openai(path.strip_prefix("/compatibility/v1")?),
        },
        PassTo::Gemini => match path.strip_prefix("/v1beta/openai") {
            Some(path) => openai(path),
            None => google(path, query),
        },
        PassTo::VertexAi => google(path, query),
        PassTo::Azure => azure(path),
        PassTo::Bedrock => bedrock(path),
    }
}

/// Calls in OpenAI's form, with the model in the body.
fn openai(path: &str) -> Option<PassCall> {
    const CALLS: [Endpoint; 7] = [
        Endpoint::ChatCompletions,
        Endpoint::Completions,
        Endpoint::Embeddings,
        Endpoint::Responses,
        Endpoint::Moderations,
        Endpoint::ImageGenerations,
        Endpoint::Speech,
    ];
    CALLS.into_iter().find(|endpoint| endpoint.path() == path).and_then(own)
}

fn azure(path: &str) -> Option<PassCall> {
    let path = path.strip_prefix("/openai")?;
    let Some(rest) = path.strip_prefix("/deployments/") else {
        return openai(path.strip_prefix("/v1").unwrap_or(path));
    };
    let (model, call) = rest.split_once('/')?;
    let call = openai(call_path(rest, call))?;
    Some(PassCall { model: Some(decode(model)?), ..call })
}

/// What follows a segment, with its slash.
fn call_path<'a>(whole: &'a str, rest: &str) -> &'a str {
    whole.get(whole.len() - rest.len() - 1..).unwrap_or_default()
}

/// `.../models/MODEL:METHOD` of AI Studio and Vertex AI, `.../endpoints/ID:METHOD` of the latter.
fn google(path: &str, query: Option<&str>) -> Option<PassCall> {
    if let Some((_, call)) = path.split_once("/endpoints/openapi") {
        return openai(call);
    }
    let (before, last) = path.rsplit_once('/')?;
    let (model, verb) = last.rsplit_once(':')?;
    if !["/models", "/tunedModels", "/tunedmodels", "/endpoints"].iter().any(|collection| before.ends_with(collection))
    {
        return None;
    }
    let sse = query.is_some_and(|query| query.split('&').any(|pair| pair == "alt=sse"));
    let (endpoint, stream, form) = match verb {
        "generateContent" | "generatecontent" => (Endpoint::GenerateContent, PathStream::No, PassForm::Own),
        "streamGenerateContent" | "streamgeneratecontent" => {
            let stream = if sse { PathStream::Events } else { PathStream::Array };
            (Endpoint::GenerateContent, stream, PassForm::Own)
        }
        "countTokens" | "counttokens" => (Endpoint::GeminiCountTokens, PathStream::No, PassForm::Own),
        "embedContent" | "batchEmbedContents" | "embedcontent" | "batchembedcontents" | "predict" => {
            (Endpoint::Embeddings, PathStream::No, PassForm::Foreign)
        }
        "rawPredict" | "rawpredict" => (raw(before, model), PathStream::Body, PassForm::Own),
        "streamRawPredict" | "streamrawpredict" => (raw(before, model), PathStream::Events, PassForm::Own),
        _ => return None,
    };
    let model = match endpoint {
        // Counting has one path for all models: the body names which.
        Endpoint::CountTokens => None,
        _ => Some(decode(model)?),
    };
    Some(PassCall { endpoint, model, stream, form })
}

/// Whose form `rawPredict` takes.
fn raw(before: &str, model: &str) -> Endpoint {
    match (before.contains("/publishers/anthropic/"), model) {
        (true, "count-tokens") => Endpoint::CountTokens,
        (true, _) => Endpoint::Messages,
        (false, _) => Endpoint::ChatCompletions,
    }
}

fn bedrock(path: &str) -> Option<PassCall> {
    let (model, operation) = path.strip_prefix("/model/")?.split_once('/')?;
    let model = decode(model)?;
    let has = |part: &str| model.contains(part);
    let (endpoint, form) = match operation {
        "converse" | "converse-stream" => (Endpoint::ChatCompletions, PassForm::Foreign),
        "invoke" | "invoke-with-response-stream" if has("anthropic") || has("claude") => {
            (Endpoint::Messages, PassForm::AwsChunks)
        }
        "invoke" | "invoke-with-response-stream" if has("embed") => (Endpoint::Embeddings, PassForm::Foreign),
        "invoke" | "invoke-with-response-stream" if has("rerank") => (Endpoint::Rerank, PassForm::Foreign),
        // Nova's whole answers are those of Converse.
        "invoke" | "invoke-with-response-stream" if has("nova") => (Endpoint::ChatCompletions, PassForm::Foreign),
        "invoke" | "invoke-with-response-stream" => (Endpoint::ChatCompletions, PassForm::AwsChunks),
        _ => return None,
    };
    let stream = if operation.ends_with("-stream") { PathStream::Events } else { PathStream::No };
    Some(PassCall { endpoint, model: Some(model), stream, form })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(path: &str) -> Option<PassCall> {
        match read("POST", path, Some("alt=sse")) {
            Some(PassPath::Safe(passed)) => passed.call,
            _ => None,
        }
    }

    #[test]
    fn chats_below_a_prefix_are_known_for_what_they_are() {
        let arn = "/bedrock/model/arn%3Aaws%3Abedrock%3Aus-east-1%3A1%3Aprofile%2Fanthropic/invoke";
        for (path, endpoint, model) in [
            ("/openai/v1/chat/completions", Endpoint::ChatCompletions, None),
            ("/openai/chat/completions", Endpoint::ChatCompletions, None),
            ("/anthropic/v1/messages", Endpoint::Messages, None),
            ("/anthropic/v1/messages/count_tokens", Endpoint::CountTokens, None),
            ("/cohere/v2/chat", Endpoint::ChatCompletions, None),
            ("/gemini/v1beta/models/gemini-2.5-pro:generateContent", Endpoint::GenerateContent, Some("gemini-2.5-pro")),
            (
                "/vertex_ai/v1/projects/p/locations/l/publishers/anthropic/models/claude-x@1:streamRawPredict",
                Endpoint::Messages,
                Some("claude-x@1"),
            ),
            ("/azure/openai/deployments/gpt%204/embeddings", Endpoint::Embeddings, Some("gpt 4")),
            (
                "/bedrock/model/us.amazon.nova-pro-v1%3A0/converse",
                Endpoint::ChatCompletions,
                Some("us.amazon.nova-pro-v1:0"),
            ),
            (arn, Endpoint::Messages, Some("arn:aws:bedrock:us-east-1:1:profile/anthropic")),
        ] {
            let call = found(path).unwrap_or_else(|| panic!("{path}"));
            assert_eq!((call.endpoint, call.model.as_deref()), (endpoint, model), "{path}");
        }
        for path in ["/openai/v1/files", "/anthropic/v1/models", "/gemini/v1beta/files/x", "/bedrock/guardrail/x/apply"]
        {
            assert!(matches!(read("POST", path, None), Some(PassPath::Safe(Passed { call: None, .. }))), "{path}");
        }
        assert!(matches!(
            read("GET", "/openai/v1/chat/completions", None),
            Some(PassPath::Safe(Passed { call: None, .. }))
        ));
    }

    #[test]
    fn what_climbs_hides_or_disguises_itself_is_doubtful() {
        for path in [
            "/openai/../admin",
            "/openai/v1/./x",
            "/openai//v1/files",
            "/openai/v1/files//",
            "/openai/v1/%2e%2e/files",
            "/openai/v1/a%2fb",
            "/openai/v1/a%5cb",
            "/openai/v1/a\\b",
            "/openai/v1/a%00b",
            "/openai/v1/a%0d%0ab",
            "/openai/v1/a%252fb",
            "/openai/v1/a%zz",
            "/openai/v1/a%2",
            "/openai/v1/%63hat/completions",
            "/openai/v1/chat/completions/",
            "/openai/V1/chat/Completions",
            "/openai/v1/chat/completions;x",
            "/anthropic/v1/Messages",
            "/gemini/v1beta/models/m:GenerateContent",
            "/bedrock/model/a%2fb/other",
        ] {
            assert!(matches!(read("POST", path, None), Some(PassPath::Doubtful)), "{path}");
        }
        for path in ["/openai", "/openai/", "/other/v1", "/", ""] {
            assert!(read("POST", path, None).is_none(), "{path}");
        }
    }
}
