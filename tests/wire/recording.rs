//! Recorded exchanges, and the deployment that each is played through.

use std::path::{Path, PathBuf};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde::Deserialize;
use serde_json::Value;

use super::frames;

/// What a provider speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Form {
    Chat,
    Responses,
    Messages,
    Gemini,
    Converse,
    Cohere,
    Ollama,
}

/// What a client speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Dialect {
    Chat,
    Messages,
    Responses,
    Gemini,
}

impl Dialect {
    pub(crate) const ALL: [Self; 4] = [Self::Chat, Self::Messages, Self::Responses, Self::Gemini];
}

impl Form {
    /// The dialect in which requests are carried to it.
    pub(crate) const fn dialect(self) -> Option<Dialect> {
        match self {
            Self::Chat => Some(Dialect::Chat),
            Self::Responses => Some(Dialect::Responses),
            Self::Messages => Some(Dialect::Messages),
            Self::Gemini => Some(Dialect::Gemini),
            Self::Converse | Self::Cohere | Self::Ollama => None,
        }
    }

    /// What a model speaks that is invoked at Bedrock: Claude as at home, others as nobody asks them here.
    fn invoked(request: &[u8], model: Option<&str>) -> Option<Self> {
        let request: Value = serde_json::from_slice(request).ok()?;
        // Without tools or roles Claude's first versions are asked as all others are.
        let is_claude = request["anthropic_version"].is_string() && request["messages"].is_array();
        (is_claude && !model.is_some_and(|model| model.starts_with("anthropic.claude-v"))).then_some(Self::Messages)
    }

    fn of(api: &str) -> Option<Self> {
        Some(match api {
            "openai.chat" => Self::Chat,
            "openai.responses" => Self::Responses,
            "anthropic.messages" => Self::Messages,
            "gemini.generateContent"
            | "gemini.streamGenerateContent"
            | "vertex.generateContent"
            | "vertex.streamGenerateContent" => Self::Gemini,
            "bedrock.converse" | "bedrock.converse-stream" => Self::Converse,
            "cohere.v2.chat" => Self::Cohere,
            "ollama.chat" => Self::Ollama,
            _ => return None,
        })
    }
}

/// The prefix of models that are invoked at Bedrock in their own API.
pub(crate) const INVOKE: &str = "bedrock/invoke";

/// One exchange with a provider.
pub(crate) struct Recording {
    /// `provider/id`.
    pub(crate) name: String,
    pub(crate) provider: String,
    pub(crate) form: Form,
    /// What stands before the model in a deployment's name.
    pub(crate) lead: &'static str,
    /// What the provider called the model, or one of its models.
    pub(crate) model: String,
    pub(crate) stream: bool,
    pub(crate) features: Vec<String>,
    /// What the client sent; None where it was not recorded.
    pub(crate) request: Option<String>,
    pub(crate) status: u16,
    pub(crate) content_type: Option<String>,
    /// The answer as it came over the wire.
    pub(crate) body: Vec<u8>,
}

/// A recording as it lies there.
#[derive(Deserialize)]
pub(crate) struct File {
    pub(crate) id: String,
    pub(crate) provider: String,
    pub(crate) api: String,
    pub(crate) model: Option<String>,
    pub(crate) stream: bool,
    features: Vec<String>,
    pub(crate) request: Side,
    pub(crate) response: Side,
}

/// One half of an exchange.
#[derive(Deserialize)]
pub(crate) struct Side {
    #[serde(default)]
    pub(crate) status: u16,
    headers: Option<Value>,
    body_encoding: Option<String>,
    body: Option<String>,
}

impl Side {
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let body = self.body.as_deref().unwrap_or_default();
        match self.body_encoding.as_deref() {
            Some("base64") => BASE64_STANDARD.decode(body.replace(['\n', '\r'], "")).unwrap(),
            _ => body.as_bytes().to_vec(),
        }
    }

    pub(crate) fn content_type(&self) -> Option<String> {
        let headers = self.headers.as_ref()?.as_object()?;
        let (_, value) = headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("content-type"))?;
        value.as_str().or_else(|| value.get(0)?.as_str()).map(str::to_owned)
    }
}

/// Where the recordings are.
pub(crate) fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/wire")
}

/// All recorded chats, in the order of their names. `WIRE` narrows them to those whose name has this text.
pub(crate) fn all() -> Vec<Recording> {
    files().into_iter().filter_map(recording).collect()
}

/// All recordings, chats and others.
pub(crate) fn files() -> Vec<File> {
    let mut paths = Vec::new();
    gather(&folder().join("dev"), &mut paths);
    paths.sort();
    if paths.is_empty() {
        println!("SKIPPED: no recordings at {}", folder().display());
    }
    let wanted = std::env::var("WIRE").unwrap_or_default();
    let files = paths.iter().map(|path| serde_json::from_slice::<File>(&std::fs::read(path).unwrap()).unwrap());
    files.filter(|file| format!("{}/{}", file.provider, file.id).contains(&wanted)).collect()
}

fn gather(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            gather(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "json") {
            found.push(path);
        }
    }
}

fn recording(file: File) -> Option<Recording> {
    let request = file.request.bytes();
    let invoked = file.api.starts_with("bedrock.invoke");
    let form = if invoked { Form::invoked(&request, file.model.as_deref())? } else { Form::of(&file.api)? };
    let mut recording = Recording {
        name: format!("{}/{}", file.provider, file.id),
        form,
        lead: if invoked { INVOKE } else { lead(&file.provider, form, file.api.starts_with("vertex.")) },
        model: model(file.model.as_deref(), form),
        stream: file.stream,
        features: file.features,
        request: (!request.is_empty()).then(|| String::from_utf8(request).unwrap()),
        status: file.response.status,
        content_type: file.response.content_type(),
        body: file.response.bytes(),
        provider: file.provider,
    };
    as_on_the_wire(&mut recording);
    Some(recording)
}

/// Gives a recorded answer back the framing that its recorder took away.
fn as_on_the_wire(recording: &mut Recording) {
    if recording.status != 200 {
        return;
    }
    let lines = recording.body.starts_with(b"{");
    one_answer(recording);
    match recording.form {
        Form::Converse if recording.stream && lines => {
            recording.body = frames::encode(&recording.body);
            recording.content_type = Some("application/vnd.amazon.eventstream".to_owned());
        }
        // Without `alt=sse` a stream is one array: the gateway asks for events.
        Form::Gemini if recording.stream && recording.body.trim_ascii_start().starts_with(b"[") => {
            let events: Vec<Value> = serde_json::from_slice(&recording.body).unwrap();
            let events = events.iter().map(|event| format!("data: {event}\r\n\r\n"));
            recording.body = events.collect::<String>().into_bytes();
            recording.content_type = Some("text/event-stream".to_owned());
        }
        _ => {}
    }
    let stream = match recording.form {
        Form::Converse => "application/vnd.amazon.eventstream",
        Form::Ollama => "application/x-ndjson",
        _ => "text/event-stream",
    };
    // Recorders write what they like where the header was lost.
    let events = recording.stream && !recording.body.starts_with(b"{");
    if recording.content_type.is_none() || events && recording.content_type.as_deref() == Some("application/json") {
        let whole = if recording.stream { stream } else { "application/json" };
        recording.content_type = Some(whole.to_owned());
    }
}

/// Some recordings hold several answers one after the other: the first is played.
fn one_answer(recording: &mut Recording) {
    if !recording.stream || recording.body.starts_with(&[0]) {
        return;
    }
    let (mut start, mut over, mut id) = (0, false, String::new());
    for end in frames::ends(&recording.body) {
        let text = String::from_utf8_lossy(&recording.body[start..end]).into_owned();
        for event in frames::sse(&text).iter().filter_map(frames::Event::json) {
            let another = event["id"].as_str().is_some_and(|other| other != id);
            let begins = match recording.form {
                Form::Messages => event["type"] == "message_start",
                Form::Responses => event["type"] == "response.created",
                Form::Chat => another && event["choices"][0].is_object(),
                _ => false,
            };
            if over && begins {
                return recording.body.truncate(start);
            }
            let last = ["message_stop", "response.completed", "response.incomplete"];
            over |= event["type"].as_str().is_some_and(|kind| last.contains(&kind));
            over |= event["choices"][0]["finish_reason"].is_string();
            id = event["id"].as_str().unwrap_or(&id).to_owned();
        }
        start = end;
    }
}

/// The vendor's prefix, or that of any server with OpenAI's API.
fn lead(provider: &str, form: Form, vertex: bool) -> &'static str {
    match (provider, form) {
        (_, Form::Gemini) if vertex => "vertex_ai",
        (_, Form::Gemini) => "gemini",
        (_, Form::Converse) => "bedrock/converse",
        (_, Form::Cohere) => "cohere_chat",
        (_, Form::Ollama) => "ollama_chat",
        (_, Form::Messages) => "anthropic",
        ("azure", _) => "azure",
        ("openai" | "chatgpt-codex" | "bedrock-mantle", _) => "openai",
        ("openrouter", _) => "openrouter",
        ("mistral", _) => "mistral",
        ("deepseek", Form::Chat) => "deepseek",
        ("groq", Form::Chat) => "groq",
        ("perplexity", _) => "perplexity",
        ("cerebras", _) => "cerebras",
        ("moonshot", _) => "moonshot",
        ("alibaba", _) => "dashscope",
        ("together", _) => "together_ai",
        ("zai", _) => "zai",
        ("xai", _) => "xai",
        (_, Form::Responses) => "openai",
        _ => "openai_like",
    }
}

fn model(recorded: Option<&str>, form: Form) -> String {
    let known = recorded.filter(|model| !matches!(*model, "" | "UNKNOWN"));
    let usual = match form {
        Form::Messages => "claude-sonnet-4-5",
        Form::Gemini => "gemini-2.5-flash",
        Form::Converse => "us.anthropic.claude-sonnet-4-5-20250929-v1:0",
        Form::Cohere => "command-a-03-2025",
        Form::Ollama => "llama3.2",
        Form::Chat | Form::Responses => "gpt-4.1",
    };
    known.unwrap_or(usual).to_owned()
}
