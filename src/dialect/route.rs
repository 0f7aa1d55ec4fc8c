//! Which endpoint a request is for. The only place that looks at a path.

use super::pass::{self, PassPath};
use super::{Endpoint, Passed};
use crate::vocabulary::ModelName;

/// Whether an answer shall be a stream, as far as the path says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PathStream {
    /// The body says.
    #[default]
    Body,
    /// It shall not.
    No,
    /// Of events.
    Events,
    /// As one JSON array that grows (Gemini without `alt=sse`).
    Array,
}

/// The methods that pass through, for the `Allow` header.
pub const PASS_METHODS: &str = "GET, POST, PUT, PATCH, DELETE";

/// What a method and a path ask for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Route {
    /// A call to a model, with the model that the path names, if it does.
    Call {
        /// Which call.
        endpoint: Endpoint,
        /// The model in the path, percent-decoded.
        model: Option<String>,
        /// Whether the path asks for a stream.
        stream: PathStream,
    },
    /// A request below a provider's prefix, for that provider.
    Pass(Box<Passed>),
    /// A request about a response that is stored at the provider: what follows `/responses` in its path.
    Stored(String),
    /// A path that could be read in two ways.
    Doubtful,
    /// The list of models.
    Models,
    /// One model.
    Model(String),
    /// Whether the process lives.
    Liveness,
    /// Whether it takes requests.
    Readiness,
    /// How the deployments fare, with the query as it came.
    Health(String),
    /// Prometheus metrics.
    Metrics,
    /// The root: a word of welcome.
    Root,
    /// The path exists, with these methods.
    MethodNotAllowed {
        /// For the `Allow` header.
        allow: &'static str,
    },
    /// No such path.
    NotFound,
}

/// Reads method, path and query. Of a call's query only `alt=sse` of Gemini's streams has a meaning.
///
/// One trailing slash is overlooked. Doubled slashes, dot segments and encoded letters outside of a model's name are not:
/// no such path. Names of models are decoded once and must be model names after that.
pub fn route(method: &str, path: &str, query: Option<&str>) -> Route {
    let trimmed = path.strip_suffix('/').filter(|rest| !rest.is_empty() && !rest.ends_with('/')).unwrap_or(path);
    let Some(route) = fixed(trimmed, query)
        .or_else(|| call(trimmed))
        .or_else(|| stored(trimmed))
        .or_else(|| gemini(trimmed, query))
        .or_else(|| one_model(trimmed))
        .or_else(|| passed(method, path, query))
    else {
        return Route::NotFound;
    };
    let (allowed, allow) = match &route {
        Route::Call { .. } => (method == "POST", "POST"),
        Route::Pass(_) => (matches!(method, "GET" | "POST" | "PUT" | "PATCH" | "DELETE"), PASS_METHODS),
        Route::Stored(rest) if rest.ends_with("/cancel") => (method == "POST", "POST"),
        Route::Stored(rest) if rest.ends_with("/input_items") => (method == "GET", "GET"),
        Route::Stored(_) => (matches!(method, "GET" | "DELETE"), "GET, DELETE"),
        Route::Doubtful => (true, ""),
        _ => (matches!(method, "GET" | "HEAD"), "GET, HEAD"),
    };
    if allowed { route } else { Route::MethodNotAllowed { allow } }
}

fn fixed(path: &str, query: Option<&str>) -> Option<Route> {
    Some(match path {
        "/" => Route::Root,
        "/v1/models" | "/models" => Route::Models,
        "/health/liveliness" | "/health/liveness" => Route::Liveness,
        "/health/readiness" => Route::Readiness,
        "/health" => Route::Health(query.unwrap_or_default().to_owned()),
        "/metrics" => Route::Metrics,
        _ => return None,
    })
}

/// Calls whose paths end alike with and without `/v1`, some of them with a model in the path. The longer suffix first:
/// completions are the end of chat completions.
const CALLS: [Endpoint; 10] = [
    Endpoint::ChatCompletions,
    Endpoint::Completions,
    Endpoint::Embeddings,
    Endpoint::ImageGenerations,
    Endpoint::Moderations,
    Endpoint::Rerank,
    Endpoint::Speech,
    Endpoint::Transcriptions,
    Endpoint::Translations,
    Endpoint::ImageEdits,
];

fn call(path: &str) -> Option<Route> {
    let of = |endpoint, model| Some(Route::Call { endpoint, model, stream: PathStream::Body });
    match path {
        "/v1/messages" => return of(Endpoint::Messages, None),
        "/v1/messages/count_tokens" => return of(Endpoint::CountTokens, None),
        "/v1/responses" | "/responses" | "/openai/v1/responses" | "/openai/responses" => {
            return of(Endpoint::Responses, None);
        }
        "/v2/rerank" => return of(Endpoint::Rerank, None),
        _ => {}
    }
    for endpoint in CALLS {
        let Some(before) = path.strip_suffix(endpoint.path()) else { continue };
        let model = match before {
            "" | "/v1" => None,
            _ => {
                let name = before.strip_prefix("/engines/").or_else(|| before.strip_prefix("/openai/deployments/"))?;
                Some(decode(name)?)
            }
        };
        return of(endpoint, model);
    }
    None
}

fn passed(method: &str, path: &str, query: Option<&str>) -> Option<Route> {
    Some(match pass::read(method, path, query)? {
        PassPath::Safe(passed) => Route::Pass(Box::new(passed)),
        PassPath::Doubtful => Route::Doubtful,
    })
}

/// `/v1/responses/ID`, and what can be asked of one.
fn stored(path: &str) -> Option<Route> {
    let starts = ["/v1/responses/", "/responses/", "/openai/v1/responses/", "/openai/responses/"];
    let rest = starts.into_iter().find_map(|start| path.strip_prefix(start))?;
    let id = rest.strip_suffix("/cancel").or_else(|| rest.strip_suffix("/input_items")).unwrap_or(rest);
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    (!id.is_empty() && id.len() <= 512 && id.bytes().all(fits)).then(|| Route::Stored(format!("/{rest}")))
}

/// Gemini's own paths: the model and the verb stand in the last segment.
fn gemini(path: &str, query: Option<&str>) -> Option<Route> {
    let rest = ["/v1beta/models/", "/v1/models/", "/models/"].into_iter().find_map(|start| path.strip_prefix(start))?;
    let (model, verb) = rest.rsplit_once(':')?;
    let sse = query.is_some_and(|query| query.split('&').any(|pair| pair == "alt=sse"));
    let (endpoint, stream) = match verb {
        "generateContent" => (Endpoint::GenerateContent, PathStream::No),
        "streamGenerateContent" if sse => (Endpoint::GenerateContent, PathStream::Events),
        "streamGenerateContent" => (Endpoint::GenerateContent, PathStream::Array),
        "countTokens" => (Endpoint::GeminiCountTokens, PathStream::No),
        _ => return None,
    };
    Some(Route::Call { endpoint, model: Some(decode(model)?), stream })
}

fn one_model(path: &str) -> Option<Route> {
    let name = path.strip_prefix("/v1/models/").or_else(|| path.strip_prefix("/models/"))?;
    decode(name).map(Route::Model)
}

/// Decodes the `%XX` of a name once. None for what is broken, is no model name, or would be decoded again by somebody else.
pub fn decode(name: &str) -> Option<String> {
    let mut bytes = name.bytes();
    let mut decoded = Vec::with_capacity(name.len());
    while let Some(byte) = bytes.next() {
        decoded.push(match byte {
            b'%' => hex(bytes.next()?)? << 4 | hex(bytes.next()?)?,
            plain => plain,
        });
    }
    let decoded = String::from_utf8(decoded).ok()?;
    let name = ModelName::parse(&decoded).ok()?;
    (!name.as_str().contains('%')).then_some(decoded)
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn call_of(endpoint: Endpoint, model: Option<&str>) -> Route {
        Route::Call { endpoint, model: model.map(str::to_owned), stream: PathStream::Body }
    }

    #[test]
    fn every_form_of_a_call_is_known() {
        for endpoint in [
            Endpoint::ChatCompletions,
            Endpoint::Completions,
            Endpoint::Embeddings,
            Endpoint::Speech,
            Endpoint::Transcriptions,
            Endpoint::ImageEdits,
        ] {
            let end = endpoint.path();
            for (path, model) in [
                (format!("/v1{end}"), None),
                (end.to_owned(), None),
                (format!("/v1{end}/"), None),
                (format!("/engines/gpt-4o{end}"), Some("gpt-4o")),
                (format!("/engines/openai/gpt-4o{end}"), Some("openai/gpt-4o")),
                (format!("/openai/deployments/gpt-4o{end}"), Some("gpt-4o")),
                (format!("/openai/deployments/a%2Fb%20c{end}"), Some("a/b c")),
            ] {
                assert_eq!(route("POST", &path, None), call_of(endpoint, model), "{path}");
                assert_eq!(route("GET", &path, None), Route::MethodNotAllowed { allow: "POST" }, "{path}");
            }
        }
    }

    #[test]
    fn the_rest_is_read_with_get() {
        for (path, expected) in [
            ("/", Route::Root),
            ("/v1/models", Route::Models),
            ("/models/", Route::Models),
            ("/v1/models/gpt-4o", Route::Model("gpt-4o".to_owned())),
            ("/models/openai/gpt-4o", Route::Model("openai/gpt-4o".to_owned())),
            ("/models/openai%2fgpt-4o", Route::Model("openai/gpt-4o".to_owned())),
            ("/health/liveliness", Route::Liveness),
            ("/health/liveness", Route::Liveness),
            ("/health/readiness", Route::Readiness),
            ("/metrics", Route::Metrics),
        ] {
            assert_eq!(route("GET", path, None), expected, "{path}");
            assert_eq!(route("HEAD", path, None), expected, "{path}");
            assert_eq!(route("DELETE", path, None), Route::MethodNotAllowed { allow: "GET, HEAD" }, "{path}");
        }
    }

    #[test]
    fn what_climbs_or_hides_is_not_found() {
        for path in [
            "",
            "*",
            "//",
            "/v1",
            "/v1//chat/completions",
            "//v1/chat/completions",
            "/v1/chat/completions//",
            "/v1/./chat/completions",
            "/v1/../v1/chat/completions",
            "/v1/%63hat/completions",
            "/V1/chat/completions",
            "/v1/chat/completions/x",
            "/v1/chat/completions;x",
            "/engines//chat/completions",
            "/engines/chat/completions",
            "/engines/../chat/completions",
            "/engines/%2e%2e/chat/completions",
            "/engines/a/%2e%2e/b/completions",
            "/engines/a%2f..%2fb/completions",
            "/engines/a%00/chat/completions",
            "/engines/a%/chat/completions",
            "/engines/a%zz/chat/completions",
            "/engines/a%252e/chat/completions",
            "/engines/a%ff/chat/completions",
            "/v1/models/..",
            "/models//x",
            "http://host/v1/models",
        ] {
            assert_eq!(route("POST", path, None), Route::NotFound, "{path}");
            assert_eq!(route("GET", path, None), Route::NotFound, "{path}");
        }
    }

    proptest! {
        #[test]
        fn a_path_names_only_model_names(path in "/(engines/|models/|v1/)?[a-z%2eEfF./]{0,20}(/completions)?") {
            for method in ["GET", "POST"] {
                if let Route::Model(name) | Route::Call { model: Some(name), .. } = route(method, &path, None) {
                    prop_assert!(ModelName::parse(&name).is_ok());
                }
            }
        }
    }
}
