//! From a request and its knobs to the answer's script.

use std::time::Duration;

use super::ask::{self, Ask};
use super::chat::{Api, Completion, Counts, Events, put};
use super::embeddings;
use super::knobs::{Knobs, Malformed};
use super::request::{Request, Route};
use super::script::{Head, Reply, Script, Stream, Whole};
use super::site::{Heard, Site};
use super::text::{Text, escape};

const JSON: &str = "application/json";
const EVENT_STREAM: &str = "text/event-stream; charset=utf-8";
const PAGE: &str = "text/html; charset=utf-8";
const HTML: &str =
    "<!doctype html>\n<html><head><title>502 Bad Gateway</title></head><body><h1>502 Bad Gateway</h1></body></html>\n";
const NOT_JSON: &str = r#"{"id": "chatcmpl-broken", "choices": [{"index": 0, "message": }], usage: }"#;
const NOT_ASKED_SSE: &str = "data: {\"id\":\"chatcmpl-broken\"}\n\ndata: [DONE]\n\n";
const MODELS: &str = r#"{"object":"list","data":[{"id":"mock","object":"model","created":1700000000,"owned_by":"mock"},{"id":"mock-embedding","object":"model","created":1700000000,"owned_by":"mock"}]}"#;
const UNREADABLE: &str = "We could not parse the JSON body of your request.";

/// One request's place at the mock: where its answer is put together.
#[derive(Debug)]
pub(super) struct Desk<'a> {
    pub(super) site: &'a Site,
    /// The number of this answer.
    pub(super) serial: u64,
    /// Unix seconds.
    pub(super) created: i64,
}

impl Desk<'_> {
    /// The answer, whatever was asked.
    pub(super) fn answer(&self, mut request: Request, heard: &Heard) -> Reply {
        match request.route {
            Route::Chat | Route::Completions | Route::Embeddings => {}
            Route::Models => return self.plain(MODELS.into()),
            Route::Health => return self.plain(r#"{"status":"ok"}"#.into()),
            Route::Requests => return self.plain(self.site.journal.to_json()),
            Route::Stats => return self.plain(serde_json::to_vec(&self.site.journal.stats()).unwrap_or_default()),
            Route::WrongMethod => return self.refuse(405, "Not allowed to use this method on this path."),
            Route::Unknown => {
                return self.refuse(404, "Invalid URL: the mock knows chat/completions, completions and embeddings.");
            }
        }
        if let Some(bad) = request.bad_knob.take() {
            return self.refuse(400, &bad.to_string());
        }
        if !heard.sieve.is_complete() {
            return self.refuse(400, UNREADABLE);
        }
        if let Err(bad) = ask::turn(&mut request.knobs, &heard.sieve) {
            return self.refuse(400, &bad.to_string());
        }
        match self.status(&request.knobs) {
            status @ ..300 => self.succeed(&request, heard, status),
            status => self.fail(&request, status),
        }
    }

    fn status(&self, knobs: &Knobs) -> u16 {
        match knobs.fail_times {
            0 => knobs.status,
            times if self.site.fails(&knobs.id, times) => {
                if knobs.status < 300 {
                    500
                } else {
                    knobs.status
                }
            }
            _ => 200,
        }
    }

    fn succeed(&self, request: &Request, heard: &Heard, status: u16) -> Reply {
        let ask = Ask::read(&heard.sieve, heard.bytes);
        let api = match request.route {
            Route::Embeddings => return self.embed(request, heard, &ask, status),
            Route::Completions => Api::Completions,
            _ => Api::Chat,
        };
        let completion = self.completion(request, heard, &ask, api);
        let html = request.knobs.malformed == Some(Malformed::Html);
        if ask.stream && !html {
            return self.stream(request, Events::new(completion, ask.include_usage), status);
        }
        let mut body = Vec::with_capacity(1024);
        completion.write(&mut body);
        self.whole(request, status, body)
    }

    fn completion(&self, request: &Request, heard: &Heard, ask: &Ask, api: Api) -> Completion {
        let knobs = &request.knobs;
        let chunks = u64::from(knobs.chunks);
        let pieces = ask.tokens_max.map_or(chunks, |max| max.min(chunks));
        let tool = if api == Api::Chat { ask.tool.clone() } else { None };
        let finish = match (&tool, pieces < chunks) {
            (Some(_), _) => "tool_calls",
            (None, true) => "length",
            (None, false) => "stop",
        };
        let choices = if api == Api::Chat { ask.choices } else { ask.choices.saturating_mul(ask.items).min(2048) };
        Completion {
            api,
            serial: self.serial,
            created: self.created,
            model: model(request, ask),
            text: text(request, heard, ask, u32::try_from(pieces).unwrap_or(u32::MAX)),
            tool,
            choices,
            finish,
            usage: Counts::of(ask, knobs, pieces.saturating_mul(u64::from(choices))),
            azure: request.deployment.is_some(),
        }
    }

    fn embed(&self, request: &Request, heard: &Heard, ask: &Ask, status: u16) -> Reply {
        let mut body = Vec::with_capacity(1024);
        let usage = Counts::of(ask, &request.knobs, 0);
        let echo = request.knobs.echo.then_some(heard.kept.as_slice());
        embeddings::write(ask, &model(request, ask), usage, echo, &mut body);
        self.whole(request, status, body)
    }

    fn fail(&self, request: &Request, status: u16) -> Reply {
        let (kind, code, message) = complaint(status);
        let told = leaked(request).map(|credential| format!("{message} You sent {credential}."));
        let mut reply = self.whole(request, status, error(kind, code, told.as_deref().unwrap_or(message)));
        if (300..400).contains(&status) {
            let key = leaked(request).map_or_else(|| "none".to_owned(), |credential| credential.replace(' ', "+"));
            reply.head.extra.push(("location", format!("http://127.0.0.1:9/moved?key={key}")));
        }
        reply
    }

    /// A body in one piece, damaged and misframed as the knobs say.
    fn whole(&self, request: &Request, status: u16, mut body: Vec<u8>) -> Reply {
        let knobs = &request.knobs;
        match knobs.malformed {
            Some(Malformed::Json) => NOT_JSON.as_bytes().clone_into(&mut body),
            Some(Malformed::Sse) => NOT_ASKED_SSE.as_bytes().clone_into(&mut body),
            Some(Malformed::Html) => HTML.as_bytes().clone_into(&mut body),
            Some(Malformed::Empty) => body.clear(),
            Some(Malformed::Truncated) => body.truncate(body.len() / 2),
            None => {}
        }
        let media = if knobs.malformed == Some(Malformed::Html) { PAGE } else { JSON };
        let whole = Whole::new(body, knobs);
        let head = self.head(request, status, media, Some(whole.len()));
        self.reply(knobs, head, Script::Whole(whole))
    }

    fn stream(&self, request: &Request, events: Events, status: u16) -> Reply {
        let head = self.head(request, status, EVENT_STREAM, None);
        self.reply(&request.knobs, head, Script::Stream(Box::new(Stream::new(events, &request.knobs))))
    }

    fn head(&self, request: &Request, status: u16, media: &'static str, length: Option<usize>) -> Head {
        let mut extra = Vec::new();
        if let Some(wait) = &request.knobs.retry_after {
            extra.push(("retry-after", wait.clone()));
        }
        let leaked = leaked(request);
        if let Some(credential) = &leaked {
            extra.push(("x-leaked-credential", credential.clone()));
        }
        Head { status, serial: self.serial, reason: leaked, media, extra, length }
    }

    fn reply(&self, knobs: &Knobs, head: Head, script: Script) -> Reply {
        let latency = Duration::from_millis(knobs.latency_ms);
        Reply { head, latency, gap: Duration::from_millis(knobs.gap_ms), hang_up: knobs.hang_up, script }
    }

    /// An answer that no knob touches.
    fn plain(&self, body: Vec<u8>) -> Reply {
        self.untouched(200, body)
    }

    /// A refusal of the mock's own, which no knob touches.
    pub(super) fn refuse(&self, status: u16, message: &str) -> Reply {
        self.untouched(status, error("invalid_request_error", None, message))
    }

    fn untouched(&self, status: u16, body: Vec<u8>) -> Reply {
        let length = Some(body.len());
        let head = Head { status, serial: self.serial, reason: None, media: JSON, extra: Vec::new(), length };
        let knobs = Knobs::default();
        self.reply(&knobs, head, Script::Whole(Whole::new(body, &knobs)))
    }
}

fn model(request: &Request, ask: &Ask) -> String {
    let deployment = || request.deployment.as_ref().map(|name| format!("\"{}\"", escape(name)));
    ask.model.clone().or_else(deployment).unwrap_or_else(|| "\"mock\"".to_owned())
}

fn text(request: &Request, heard: &Heard, ask: &Ask, pieces: u32) -> Text {
    if let Some(credential) = leaked(request) {
        return Text::fixed(credential.as_bytes());
    }
    if request.knobs.echo {
        return Text::fixed(&heard.kept);
    }
    Text::new(pieces, request.knobs.bytes, ask.json)
}

/// The caller's credential, if it is to be repeated, with nothing in it that would end a header.
fn leaked(request: &Request) -> Option<String> {
    let credential = request.credential.as_ref().filter(|_| request.knobs.leak)?;
    Some(credential.chars().filter(|it| (' '..='~').contains(it)).collect())
}

/// What OpenAI says with a status: type, code, message.
fn complaint(status: u16) -> (&'static str, Option<&'static str>, &'static str) {
    match status {
        401 => ("invalid_request_error", Some("invalid_api_key"), "Incorrect API key provided."),
        403 => ("invalid_request_error", Some("unsupported_country_region_territory"), "Not allowed."),
        404 => (
            "invalid_request_error",
            Some("model_not_found"),
            "The model does not exist or you do not have access to it.",
        ),
        408 => ("server_error", None, "Request timed out."),
        429 => ("requests", Some("rate_limit_exceeded"), "Rate limit reached. Please try again later."),
        300..=499 => ("invalid_request_error", None, "The request was refused."),
        503 => ("server_error", None, "The engine is currently overloaded, please try again later."),
        _ => ("server_error", None, "The server had an error while processing your request."),
    }
}

fn error(kind: &str, code: Option<&str>, message: &str) -> Vec<u8> {
    let mut body = Vec::with_capacity(160);
    put(&mut body, format_args!(r#"{{"error":{{"message":"{}","type":"{kind}","param":null,"code":"#, escape(message)));
    match code {
        Some(code) => put(&mut body, format_args!(r#""{code}"}}}}"#)),
        None => body.extend_from_slice(b"null}}"),
    }
    body
}
