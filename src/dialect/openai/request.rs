//! Reading a request: one scan, the fields that decisions are made on, and what must not reach a provider.

use std::fmt;

use bytes::Bytes;
use smallvec::SmallVec;

use crate::json::{self, Cursor, Document, Limits, ScanError, Span};
use crate::vocabulary::{Fault, Kind, ModelName};

use crate::dialect::{Endpoint, Form, PathStream};

mod wishes;

pub use wishes::Wishes;
pub(crate) use wishes::{retries, seconds};

use super::fields::{self, Field};

/// The most of `user` that is kept, in bytes.
const USER_BYTES_MAX: usize = 256;
/// The most tags that are kept, and the most bytes of one.
const TAGS_MAX: usize = 32;
const TAG_BYTES_MAX: usize = 128;
/// The largest number that every JSON parser reads exactly.
const INTEGER_MAX: u64 = 1 << 53;

/// A bound on the output that the client set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct OutputCap {
    /// How many tokens.
    pub tokens: u64,
    /// `max_completion_tokens`, `max_tokens`, or what the dialect calls it.
    pub name: &'static str,
    /// The member's index in the document.
    pub member: usize,
}

/// A request that was read. The body is the client's own bytes.
#[derive(Clone, Debug)]
pub struct Request {
    /// Which call it is.
    pub endpoint: Endpoint,
    /// The body as it came.
    pub body: Bytes,
    /// Where its members lie.
    pub document: Document,
    /// The model that the client asked for.
    pub model: ModelName,
    /// The index of `model`, if the body has it (it may be null, when the path names the model).
    pub model_member: Option<usize>,
    /// Whether the answer shall be a stream.
    pub stream: bool,
    /// The stream shall be one JSON array, not events.
    pub array: bool,
    /// The index of `stream_options`, if the body has it (it may be null).
    pub stream_options: Option<usize>,
    /// `stream_options.include_usage`, if the client said anything.
    pub include_usage: Option<bool>,
    /// Where the value of `stream_options.include_usage` lies, if it is there.
    pub include_usage_at: Option<Span>,
    /// Bounds on the output, the one that counts first: `max_completion_tokens` before `max_tokens`.
    pub output_caps: SmallVec<[OutputCap; 2]>,
    /// How many answers the client asked for, `best_of` and several prompts included. At least 1.
    pub choices: u64,
    /// How many prompts there are. At least 1.
    pub prompts: u64,
    /// `user`, cut to 256 bytes.
    pub user: Option<String>,
    /// `metadata.tags` and `tags`.
    pub tags: Vec<String>,
    /// Members that are for a gateway only: cut them before forwarding.
    pub gateway_only: SmallVec<[usize; 4]>,
    /// What the client wants of the gateway itself.
    pub wishes: Wishes,
    /// Where the model stands, if the body is a form and not JSON.
    pub form: Option<Form>,
}

impl Request {
    /// Whether the body has a member of this name; `metadata.name` stands for one of its metadata.
    pub fn has(&self, name: &str) -> bool {
        if self.document.find(&self.body, name).is_some() {
            return true;
        }
        let Some(inner) = name.strip_prefix("metadata.") else { return false };
        let metadata = self.document.find(&self.body, "metadata").and_then(|at| self.document.members.get(at));
        metadata.is_some_and(|metadata| {
            json::members(&self.body, metadata.value).any(|member| json::is_key(member.key.of(&self.body), inner))
        })
    }

    /// Reads a body with the usual limits. `path_model` is the model that the path named.
    ///
    /// # Errors
    /// The body is not JSON that every parser reads alike, a field that decisions are made on has the wrong type, or the
    /// client tries to choose the upstream.
    pub fn read(endpoint: Endpoint, body: Bytes, path_model: Option<&str>) -> Result<Self, Fault> {
        Self::read_within(&Limits::default(), endpoint, body, path_model, PathStream::Body)
    }

    /// Reads a body with these limits on depth and members (`guarded` is always ours).
    ///
    /// # Errors
    /// As [`Self::read`].
    pub fn read_within(
        limits: &Limits,
        endpoint: Endpoint,
        body: Bytes,
        path_model: Option<&str>,
        path_stream: PathStream,
    ) -> Result<Self, Fault> {
        let limits = Limits { guarded: fields::guarded, ..*limits };
        let document = json::scan(&body, &limits).map_err(|error| bad_json(&error))?;
        let fields = Fields::read(endpoint, &body, &document)?;
        let model = choose_model(fields.model.as_deref(), path_model)?;
        fields.check_input(endpoint, &body, &document)?;
        Ok(Self::of(fields, endpoint, model, path_stream, body, document))
    }

    /// Reads what is passed on as it is: only for its model and for what it may cost. What would choose the upstream has no
    /// effect here and is the provider's to refuse. The path's model counts, whatever the body says.
    ///
    /// # Errors
    /// The body is not JSON that every parser reads alike, or a field that decisions are made on has the wrong type.
    pub fn passed(
        endpoint: Endpoint,
        body: Bytes,
        path_model: Option<&str>,
        path_stream: PathStream,
        foreign: bool,
    ) -> Result<Self, Fault> {
        let guarded = if foreign { fields::guarded_anywhere } else { fields::guarded };
        let document = json::scan(&body, &Limits { guarded, ..Limits::default() }).map_err(|error| bad_json(&error))?;
        let fields = Fields::lenient(endpoint, &body, &document)?;
        let model = choose_model(fields.model.as_deref().filter(|_| path_model.is_none()), path_model)?;
        Ok(Self::of(fields, endpoint, model, path_stream, body, document))
    }

    /// What is passed on unread, under a name that stands for the model.
    pub fn opaque(name: ModelName, body: Bytes) -> Self {
        Self::of(Fields::default(), Endpoint::PassThrough, name, PathStream::No, body, Document::default())
    }

    fn of(
        fields: Fields,
        endpoint: Endpoint,
        model: ModelName,
        path_stream: PathStream,
        body: Bytes,
        document: Document,
    ) -> Self {
        Self {
            endpoint,
            model,
            model_member: fields.model_member,
            stream: match path_stream {
                PathStream::Body => fields.stream,
                PathStream::No => false,
                PathStream::Events | PathStream::Array => true,
            },
            array: path_stream == PathStream::Array,
            stream_options: fields.stream_options,
            include_usage: fields.include_usage.map(|(asked, _)| asked),
            include_usage_at: fields.include_usage.map(|(_, at)| at),
            output_caps: [fields.max_completion_tokens, fields.max_tokens, fields.max_output_tokens]
                .into_iter()
                .flatten()
                .collect(),
            prompts: fields.prompts.max(1),
            choices: fields.n.max(fields.best_of).max(1).saturating_mul(fields.prompts.max(1)),
            user: fields.user,
            tags: fields.tags,
            gateway_only: fields.gateway_only,
            wishes: fields.wishes,
            body,
            document,
            form: None,
        }
    }

    /// Reads a form with files.
    ///
    /// # Errors
    /// It is not one that every parser reads alike, it has no model, or the client tries to choose the upstream.
    pub fn in_form(
        endpoint: Endpoint,
        body: Bytes,
        content_type: &[u8],
        path_model: Option<&str>,
    ) -> Result<Self, Fault> {
        let form = Form::read(content_type, &body)?;
        if let Some(name) = form.fields.iter().map(|field| &field.name).find(|name| fields::of(name) == Field::Refused)
        {
            return Err(refused(name));
        }
        let text = |span: Span| std::str::from_utf8(span.of(&body)).ok();
        let model = choose_model(form.model.and_then(text), path_model)?;
        let fields = Fields { stream: form.stream.and_then(text) == Some("true"), ..Fields::default() };
        let read = Self::of(fields, endpoint, model, PathStream::Body, body, Document::default());
        Ok(Self { form: Some(form), ..read })
    }

    /// The bound on the output that counts.
    pub fn max_tokens(&self) -> Option<u64> {
        self.output_caps.first().map(|cap| cap.tokens)
    }
}

fn bad_json(error: &ScanError) -> Fault {
    Fault::client(Kind::BadJson, format!("Invalid JSON payload: {error}")).param("request_body")
}

/// The body's model counts; the path's only where the body has none; never one for the check and another for the call.
fn choose_model(body: Option<&str>, path: Option<&str>) -> Result<ModelName, Fault> {
    if let (Some(body), Some(path)) = (body, path)
        && body != path
    {
        let text = "The model in the path and the 'model' of the body differ: send one of them, or both alike.";
        return Err(Fault::client(Kind::BadRequest, text).param("model"));
    }
    let Some(name) = body.or(path) else {
        let text = "litellm.BadRequestError: You passed in model=None. There are no healthy deployments for this model";
        return Err(Fault::client(Kind::BadRequest, text).param("model"));
    };
    ModelName::parse(name)
        .map_err(|bad| Fault::client(Kind::BadRequest, format!("Invalid value for 'model': {bad}.")).param("model"))
}

/// The fields as they were found, before they are weighed together.
#[derive(Default)]
struct Fields {
    model: Option<String>,
    model_member: Option<usize>,
    stream: bool,
    stream_options: Option<usize>,
    include_usage: Option<(bool, Span)>,
    max_tokens: Option<OutputCap>,
    max_completion_tokens: Option<OutputCap>,
    /// Of responses, and of Gemini's `generationConfig`.
    max_output_tokens: Option<OutputCap>,
    n: u64,
    best_of: u64,
    prompts: u64,
    input: Option<usize>,
    user: Option<String>,
    tags: Vec<String>,
    gateway_only: SmallVec<[usize; 4]>,
    wishes: Wishes,
}

impl Fields {
    fn read(endpoint: Endpoint, body: &[u8], document: &Document) -> Result<Self, Fault> {
        let mut fields = Self::default();
        for (index, member) in document.members.iter().enumerate() {
            let key = json::as_str(member.key.of(body)).unwrap_or_default();
            match fields::of(&key) {
                Field::Refused => return Err(refused(&key)),
                Field::GatewayOnly => fields.gateway_only.push(index),
                Field::Plain => {}
            }
            fields.field(endpoint, &key, index, Value { body, at: member.value })?;
        }
        Ok(fields)
    }

    /// Reads what decisions are made on and leaves the rest to the provider.
    fn lenient(endpoint: Endpoint, body: &[u8], document: &Document) -> Result<Self, Fault> {
        let mut fields = Self::default();
        for (index, member) in document.members.iter().enumerate() {
            let key = json::as_str(member.key.of(body)).unwrap_or_default();
            let value = Value { body, at: member.value };
            if key == "inferenceConfig" {
                fields.inference_config(value, index)?;
            } else {
                fields.field(endpoint, &key, index, value)?;
            }
        }
        Ok(fields)
    }

    /// What Bedrock's requests say of the answer's length.
    fn inference_config(&mut self, value: Value<'_>, index: usize) -> Result<(), Fault> {
        if value.kind() != Some(json::Kind::Object) {
            return Ok(());
        }
        for member in json::members(value.body, value.at) {
            if let Some("maxTokens" | "max_new_tokens") = json::as_str(member.key.of(value.body)).as_deref() {
                let cap = Value { body: value.body, at: member.value }.output_cap("maxTokens", index)?;
                self.max_output_tokens = self.max_output_tokens.max(cap);
            }
        }
        Ok(())
    }

    fn field(&mut self, endpoint: Endpoint, key: &str, index: usize, value: Value<'_>) -> Result<(), Fault> {
        match key {
            "model" => (self.model, self.model_member) = (value.string("model")?, Some(index)),
            "stream" => self.stream = value.boolean("stream")?.unwrap_or(false),
            "stream_options" => {
                self.stream_options = Some(index);
                self.include_usage = value.include_usage()?;
            }
            "max_tokens" => self.max_tokens = value.output_cap("max_tokens", index)?,
            "max_completion_tokens" => self.max_completion_tokens = value.output_cap("max_completion_tokens", index)?,
            "max_output_tokens" if endpoint == Endpoint::Responses => {
                self.max_output_tokens = value.output_cap("max_output_tokens", index)?;
            }
            "generationConfig" | "generation_config" if endpoint == Endpoint::GenerateContent => {
                self.generation_config(value, index)?;
            }
            "n" => self.n = value.count("n", 1)?.unwrap_or(1),
            "best_of" => self.best_of = value.count("best_of", 1)?.unwrap_or(1),
            "user" => self.user = value.string("user")?.map(|user| cut(&user, USER_BYTES_MAX)),
            "metadata" => self.metadata(value)?,
            "tags" => self.add_tags(value.body, value.at),
            name if Some(name) == input_of(endpoint) => self.input = Some(index),
            "prompt" if endpoint == Endpoint::Completions => {
                self.input = Some(index);
                self.prompts = value.prompts();
            }
            _ => self.wishes.read(key, value)?,
        }
        Ok(())
    }

    fn metadata(&mut self, value: Value<'_>) -> Result<(), Fault> {
        if value.kind() != Some(json::Kind::Object) {
            return Ok(());
        }
        if let Some(tags) = json::find(value.body, value.at, "tags").map_err(|error| bad_json(&error))? {
            self.add_tags(value.body, tags);
        }
        // Anthropic's word for `user`.
        if let Some(user) = json::find(value.body, value.at, "user_id").map_err(|error| bad_json(&error))? {
            let user = json::as_str(user.of(value.body)).map(|user| cut(&user, USER_BYTES_MAX));
            self.user = self.user.take().or(user);
        }
        if let Some(at) = json::find(value.body, value.at, "session_id").map_err(|error| bad_json(&error))? {
            let session = Value { body: value.body, at }.session();
            self.wishes.session = self.wishes.session.take().or(session);
        }
        Ok(())
    }

    /// What Gemini's requests say of the answer's length and number.
    fn generation_config(&mut self, value: Value<'_>, index: usize) -> Result<(), Fault> {
        if value.kind() != Some(json::Kind::Object) {
            return Ok(());
        }
        for member in json::members(value.body, value.at) {
            let found = Value { body: value.body, at: member.value };
            match json::as_str(member.key.of(value.body)).as_deref() {
                // Of several the largest: nobody knows which one counts.
                Some("maxOutputTokens" | "max_output_tokens") => {
                    let cap = found.output_cap("maxOutputTokens", index)?;
                    self.max_output_tokens = self.max_output_tokens.max(cap);
                }
                Some("candidateCount" | "candidate_count") => {
                    self.n = self.n.max(found.count("candidateCount", 1)?.unwrap_or(1));
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn add_tags(&mut self, body: &[u8], tags: Span) {
        let texts = json::elements(body, tags).filter_map(|tag| json::as_str(tag.of(body)));
        let room = TAGS_MAX - self.tags.len().min(TAGS_MAX);
        self.tags.extend(texts.take(room).map(|tag| cut(&tag, TAG_BYTES_MAX)));
    }

    fn check_input(&self, endpoint: Endpoint, body: &[u8], document: &Document) -> Result<(), Fault> {
        let name = input_of(endpoint).unwrap_or("prompt");
        let at = self.input.and_then(|index| document.members.get(index)).map(|member| member.value);
        let Some(at) = at.filter(|at| !json::is_null(at.of(body))) else {
            // A prompt or a conversation that lies at the provider is an input, too.
            let stored = ["prompt", "previous_response_id", "conversation"];
            if endpoint == Endpoint::Responses && stored.iter().any(|name| document.find(body, name).is_some()) {
                return Ok(());
            }
            let text = format!("{}: Missing required parameter: '{name}'.", endpoint.path());
            return Err(Fault::client(Kind::BadRequest, text).param(name));
        };
        if !matches!(
            endpoint,
            Endpoint::ChatCompletions | Endpoint::Messages | Endpoint::CountTokens | Endpoint::GenerateContent
        ) {
            return Ok(());
        }
        match json::kind(at.of(body)) {
            Some(json::Kind::Array) if has_element(body, at) => Ok(()),
            Some(json::Kind::Array) => {
                let text = format!("Invalid '{name}': expected at least one message, but got an empty array.");
                Err(Fault::client(Kind::BadRequest, text).param(name))
            }
            _ => Err(wrong_type(name, "an array", at.of(body))),
        }
    }
}

/// The member that holds what the model shall read, where its number of texts does not matter.
const fn input_of(endpoint: Endpoint) -> Option<&'static str> {
    Some(match endpoint {
        Endpoint::ChatCompletions | Endpoint::Messages | Endpoint::CountTokens => "messages",
        Endpoint::Embeddings | Endpoint::Responses | Endpoint::Moderations | Endpoint::Speech => "input",
        Endpoint::GenerateContent | Endpoint::GeminiCountTokens => "contents",
        Endpoint::Rerank => "query",
        Endpoint::ImageGenerations => "prompt",
        Endpoint::Completions
        | Endpoint::PassThrough
        | Endpoint::Transcriptions
        | Endpoint::Translations
        | Endpoint::ImageEdits => return None,
    })
}

/// Looks at the bracket and no further: the elements may be long.
fn has_element(body: &[u8], array: Span) -> bool {
    let mut cursor = Cursor::within(body, array);
    cursor.open_array().and_then(|()| cursor.element()) == Some(true)
}

fn refused(key: &str) -> Fault {
    let text = format!("Unsupported parameter: '{key}'. The provider and its credentials are set by the gateway.");
    Fault::client(Kind::BadRequest, text).param(key.to_owned())
}

/// The value of one field, and how to read it.
#[derive(Clone, Copy)]
struct Value<'a> {
    body: &'a [u8],
    at: Span,
}

impl Value<'_> {
    fn bytes(&self) -> &[u8] {
        self.at.of(self.body)
    }

    fn kind(&self) -> Option<json::Kind> {
        json::kind(self.bytes())
    }

    fn string(&self, name: &'static str) -> Result<Option<String>, Fault> {
        match self.kind() {
            Some(json::Kind::Null) => Ok(None),
            Some(json::Kind::String) => Ok(json::as_str(self.bytes()).map(Into::into)),
            _ => Err(wrong_type(name, "a string", self.bytes())),
        }
    }

    fn boolean(&self, name: &'static str) -> Result<Option<bool>, Fault> {
        match self.kind() {
            Some(json::Kind::Null) => Ok(None),
            _ => json::as_bool(self.bytes()).map(Some).ok_or_else(|| wrong_type(name, "a boolean", self.bytes())),
        }
    }

    fn count(&self, name: &'static str, least: u64) -> Result<Option<u64>, Fault> {
        if json::is_null(self.bytes()) {
            return Ok(None);
        }
        let Some(count) = json::as_u64(self.bytes()) else {
            return Err(wrong_type(name, "a whole number", self.bytes()));
        };
        if !(least..=INTEGER_MAX).contains(&count) {
            let text = format!("Invalid value for '{name}': expected {least} to {INTEGER_MAX}, but got {count}.");
            return Err(Fault::client(Kind::BadRequest, text).param(name));
        }
        Ok(Some(count))
    }

    fn output_cap(&self, name: &'static str, member: usize) -> Result<Option<OutputCap>, Fault> {
        Ok(self.count(name, 0)?.map(|tokens| OutputCap { name, tokens, member }))
    }

    fn include_usage(&self) -> Result<Option<(bool, Span)>, Fault> {
        match self.kind() {
            Some(json::Kind::Null) => return Ok(None),
            Some(json::Kind::Object) => {}
            _ => return Err(wrong_type("stream_options", "an object", self.bytes())),
        }
        let found = json::find(self.body, self.at, "include_usage").map_err(|error| bad_json(&error))?;
        let Some(at) = found else { return Ok(None) };
        let asked = Value { body: self.body, at }.boolean("stream_options.include_usage")?;
        Ok(Some((asked.unwrap_or(false), at)))
    }

    /// How many prompts there are: strings or token arrays in an array, or the one that it is.
    fn prompts(&self) -> u64 {
        let mut prompts = 0;
        for element in json::elements(self.body, self.at) {
            if json::kind(element.of(self.body)) == Some(json::Kind::Number) {
                return 1;
            }
            prompts += 1;
        }
        prompts
    }
}

/// Says what was expected and what was found: its type, and numbers themselves, never text.
fn wrong_type(name: &'static str, expected: &str, found: &[u8]) -> Fault {
    let found: &dyn fmt::Display = match json::kind(found) {
        Some(json::Kind::Number) => {
            &String::from_utf8(found.get(..found.len().min(32)).unwrap_or_default().to_vec()).unwrap_or_default()
        }
        Some(kind) => &kind.to_string(),
        None => &"nothing",
    };
    Fault::client(Kind::BadRequest, format!("Invalid type for '{name}': expected {expected}, but got {found}."))
        .param(name)
}

/// The beginning of a text, so many bytes at most, whole characters.
pub fn cut(text: &str, most: usize) -> String {
    let end = (0..=most.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    text.get(..end).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests;
