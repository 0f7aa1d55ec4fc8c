//! What a chat asks for.

use super::{Raw, Str};

/// An API as it is spoken on the wire: whose words a [`Native`] is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Api {
    /// OpenAI chat completions.
    OpenAiChat,
    /// OpenAI responses.
    Responses,
    /// Anthropic messages.
    Anthropic,
    /// Gemini `generateContent`.
    Gemini,
    /// Bedrock Converse.
    Converse,
    /// Cohere v2 chat.
    Cohere,
    /// Ollama's own chat.
    Ollama,
}

/// A chat request, in no vendor's form. Borrows the body that it was read from.
#[derive(Clone, Debug, Default)]
pub struct Chat<'a> {
    /// The conversation in its order, system messages included wherever they stand.
    pub messages: Vec<Message<'a>>,
    /// What the model may call.
    pub tools: Vec<Tool<'a>>,
    /// Whether and what it must call.
    pub tool_choice: Option<ToolChoice<'a>>,
    /// Whether it may call several at once (`parallel_tool_calls`).
    pub parallel_tool_calls: Option<bool>,
    /// The bound on the answer, in tokens (`max_tokens`, `max_completion_tokens`, `max_output_tokens`).
    pub max_tokens: Option<u64>,
    /// `temperature`, as it was written.
    pub temperature: Option<Raw<'a>>,
    /// `top_p`, as it was written.
    pub top_p: Option<Raw<'a>>,
    /// `top_k`: no parameter of OpenAI's, but of most others.
    pub top_k: Option<Raw<'a>>,
    /// `frequency_penalty`, as it was written.
    pub frequency_penalty: Option<Raw<'a>>,
    /// `presence_penalty`, as it was written.
    pub presence_penalty: Option<Raw<'a>>,
    /// `seed`, as it was written.
    pub seed: Option<Raw<'a>>,
    /// Where the answer shall stop. Never empty texts.
    pub stop: Vec<Str<'a>>,
    /// How many answers (`n`, `candidateCount`).
    pub choices: Option<u64>,
    /// Whether and how much the model shall think before it answers.
    pub reasoning: Option<Reasoning<'a>>,
    /// The form of the answer.
    pub format: Option<Format<'a>>,
    /// Who asks (`user`, `metadata.user_id`).
    pub user: Option<Str<'a>>,
    /// `service_tier`, in the client API's words.
    pub service_tier: Option<Str<'a>>,
    /// Whether the answer shall be a stream.
    pub stream: bool,
    /// Parameters of OpenAI's that have no field above (`logprobs`, `logit_bias`, `metadata` ...), by OpenAI's name.
    pub others: Vec<(Str<'a>, Raw<'a>)>,
    /// Top-level members that OpenAI does not know: passed on to the provider as they are.
    pub extra: Vec<(Str<'a>, Raw<'a>)>,
    /// Top-level members of another API than OpenAI's, which only that API understands (Anthropic's `container`,
    /// `mcp_servers`; Gemini's `safetySettings`): written by a provider that speaks it, left out by others.
    pub native: Vec<(Api, Str<'a>, Raw<'a>)>,
    /// What the client's API can say and this form cannot, by name: of no use to anybody else, but the client is told.
    pub lost: Vec<String>,
}

impl Chat<'_> {
    /// Names something that this form cannot say, once.
    pub fn lose(&mut self, name: impl Into<String>) {
        let name = name.into();
        if !self.lost.contains(&name) {
            self.lost.push(name);
        }
    }
}

/// Who speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// Instructions: `system` and `developer`.
    System,
    /// The user.
    User,
    /// The model.
    Assistant,
    /// Results of tools. Its parts are [`Part::ToolResult`] and nothing else, and they stand in no other role.
    Tool,
}

/// One message.
#[derive(Clone, Debug)]
pub struct Message<'a> {
    /// Who speaks.
    pub role: Role,
    /// The speaker's name, where there are several.
    pub name: Option<Str<'a>>,
    /// What is said. A plain text is one [`Part::Text`].
    pub parts: Vec<Part<'a>>,
}

/// A part of a message.
#[derive(Clone, Debug)]
pub enum Part<'a> {
    /// Text.
    Text {
        /// The text.
        text: Str<'a>,
        /// Cache the prompt up to here.
        cache: Option<Cache<'a>>,
    },
    /// An image, a sound, a film or a document.
    Media(Media<'a>),
    /// A call of a tool by the model.
    ToolCall(ToolCall<'a>),
    /// What a tool answered.
    ToolResult(ToolResult<'a>),
    /// What the model thought. The signature, where there is one, proves to its provider that it was not changed.
    Thinking {
        /// The thought; may be empty where the provider keeps it to itself.
        text: Str<'a>,
        /// Anthropic's and Bedrock's `signature`, Gemini's `thoughtSignature` of a thought, the `encrypted_content` of OpenAI.
        signature: Option<Str<'a>>,
    },
    /// A thought that only its provider can read.
    Redacted {
        /// As the provider gave it.
        data: Str<'a>,
    },
    /// The model's refusal to answer.
    Refusal(Str<'a>),
    /// What only one API understands.
    Native(Native<'a>),
}

/// A piece of JSON in the words of one API. A provider that speaks it writes it as it is; others refuse it by its `type`,
/// or leave it out where the conversation goes on without it.
#[derive(Clone, Copy, Debug)]
pub struct Native<'a> {
    /// Whose words.
    pub api: Api,
    /// The object.
    pub json: Raw<'a>,
}

/// `cache_control`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cache<'a> {
    /// `5m` or `1h`.
    pub ttl: Option<Str<'a>>,
}

/// What kind of media.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MediaKind {
    /// An image.
    Image,
    /// A sound.
    Audio,
    /// A film.
    Video,
    /// A document: PDF, text and others.
    File,
}

/// Media in a message.
#[derive(Clone, Debug)]
pub struct Media<'a> {
    /// What it is.
    pub kind: MediaKind,
    /// Where it is.
    pub source: Source<'a>,
    /// Its media type (`image/png`), where it is known.
    pub mime: Option<Str<'a>>,
    /// A file's name or title.
    pub name: Option<Str<'a>>,
    /// `low`, `high`, `auto`.
    pub detail: Option<Str<'a>>,
    /// Cache the prompt up to here.
    pub cache: Option<Cache<'a>>,
}

/// Where media are.
#[derive(Clone, Debug)]
pub enum Source<'a> {
    /// Here, in base64.
    Base64(Str<'a>),
    /// Here, as plain text.
    Text(Str<'a>),
    /// At an address (`https://`, `gs://`, `s3://`).
    Url(Str<'a>),
    /// With the provider, under this id.
    Id(Str<'a>),
}

/// A call of a tool.
#[derive(Clone, Debug)]
pub struct ToolCall<'a> {
    /// Ties the result to the call.
    pub id: Str<'a>,
    /// Which tool.
    pub name: Str<'a>,
    /// JSON text, as the model wrote it; see [`super::object_or_empty`].
    pub arguments: Str<'a>,
    /// Gemini's `thoughtSignature` of the call.
    pub signature: Option<Str<'a>>,
    /// Cache the prompt up to here.
    pub cache: Option<Cache<'a>>,
}

/// What a tool answered.
#[derive(Clone, Debug)]
pub struct ToolResult<'a> {
    /// The call's id.
    pub id: Str<'a>,
    /// The tool's name, where the client gave it.
    pub name: Option<Str<'a>>,
    /// Text and media.
    pub parts: Vec<Part<'a>>,
    /// Whether the tool failed.
    pub error: bool,
    /// Cache the prompt up to here.
    pub cache: Option<Cache<'a>>,
}

/// Something the model may call.
#[derive(Clone, Debug)]
pub enum Tool<'a> {
    /// A function of the client's.
    Function(Function<'a>),
    /// A tool that a vendor runs (`web_search`), in that API's words. What an OpenAI request carries with a `type` other
    /// than `function` stands here as [`Api::OpenAiChat`].
    Native(Native<'a>),
}

/// A function of the client's.
#[derive(Clone, Debug)]
pub struct Function<'a> {
    /// Its name.
    pub name: Str<'a>,
    /// What it does.
    pub description: Option<Str<'a>>,
    /// JSON Schema of its arguments.
    pub parameters: Option<Raw<'a>>,
    /// Whether arguments must follow the schema.
    pub strict: Option<bool>,
    /// Cache the prompt up to here.
    pub cache: Option<Cache<'a>>,
}

/// Whether and what must be called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ToolChoice<'a> {
    /// As the model likes.
    Auto,
    /// Nothing.
    None,
    /// Something.
    Required,
    /// This function.
    Function(Str<'a>),
}

/// How hard to think.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Effort {
    /// Not at all.
    None,
    /// As little as can be.
    Minimal,
    /// A little.
    Low,
    /// Some.
    Medium,
    /// Much.
    High,
    /// Very much (`xhigh`).
    ExtraHigh,
    /// As much as can be (`max`).
    Max,
}

impl Effort {
    /// Reads OpenAI's and Anthropic's word.
    pub fn parse(word: &str) -> Option<Self> {
        Some(match word {
            "none" => Self::None,
            "minimal" => Self::Minimal,
            "low" => Self::Low,
            "medium" => Self::Medium,
            "high" => Self::High,
            "xhigh" => Self::ExtraHigh,
            "max" => Self::Max,
            _ => return None,
        })
    }

    /// The word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Minimal => "minimal",
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::ExtraHigh => "xhigh",
            Self::Max => "max",
        }
    }

    /// Thinking tokens for providers that want a number: LiteLLM's figures for the lower four, doubled from there.
    pub const fn budget_tokens(self) -> u64 {
        match self {
            Self::None => 0,
            Self::Minimal => 128,
            Self::Low => 1024,
            Self::Medium => 2048,
            Self::High => 4096,
            Self::ExtraHigh => 8192,
            Self::Max => 16384,
        }
    }

    /// The word for a number of thinking tokens.
    pub const fn of_budget(tokens: u64) -> Self {
        match tokens {
            0 => Self::None,
            1..=512 => Self::Minimal,
            513..=1024 => Self::Low,
            1025..=2048 => Self::Medium,
            _ => Self::High,
        }
    }
}

/// Whether and how much to think. All absent: the client asked for nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reasoning<'a> {
    /// `reasoning_effort`, `reasoning.effort`, `output_config.effort`, `thinkingLevel`.
    pub effort: Option<Effort>,
    /// `thinking.budget_tokens`, `thinkingBudget` (where it is not negative).
    pub budget_tokens: Option<u64>,
    /// `thinking.type`: `enabled` and `adaptive` are true, `disabled` is false.
    pub enabled: Option<bool>,
    /// `thinking.type` is `adaptive`, or `thinkingBudget` is -1: the model decides how much.
    pub adaptive: bool,
    /// Whether thoughts shall be shown (`includeThoughts`; `thinking.display` other than `omitted`).
    pub show: Option<bool>,
    /// `reasoning.summary`.
    pub summary: Option<Str<'a>>,
}

/// The form of an answer.
#[derive(Clone, Debug)]
pub enum Format<'a> {
    /// Text.
    Text,
    /// Any JSON object.
    Json,
    /// JSON after a schema.
    Schema {
        /// Its name.
        name: Str<'a>,
        /// What it is for.
        description: Option<Str<'a>>,
        /// JSON Schema.
        schema: Raw<'a>,
        /// Whether the answer must follow it.
        strict: Option<bool>,
    },
}

impl<'a> Message<'a> {
    /// A message without a name.
    pub fn new(role: Role, parts: Vec<Part<'a>>) -> Self {
        Self { role, name: None, parts }
    }
}

impl<'a> Part<'a> {
    /// Text without a cache mark.
    pub fn text(text: impl Into<Str<'a>>) -> Self {
        Self::Text { text: text.into(), cache: None }
    }
}
