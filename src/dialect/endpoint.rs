//! The calls that go to a provider, and what distinguishes them.

use crate::chat::Api;

/// A call that goes to a provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Endpoint {
    /// OpenAI chat completions.
    ChatCompletions,
    /// OpenAI completions.
    Completions,
    /// OpenAI embeddings.
    Embeddings,
    /// OpenAI responses.
    Responses,
    /// Anthropic messages.
    Messages,
    /// Anthropic `count_tokens`.
    CountTokens,
    /// Gemini `generateContent` and `streamGenerateContent`.
    GenerateContent,
    /// Gemini `countTokens`.
    GeminiCountTokens,
    /// Rerank, in Cohere's and Jina's form.
    Rerank,
    /// OpenAI moderations.
    Moderations,
    /// OpenAI image generations.
    ImageGenerations,
    /// OpenAI speech: the answer is sound.
    Speech,
    /// OpenAI transcriptions: sound in a form, text back.
    Transcriptions,
    /// OpenAI translations: the same, into English.
    Translations,
    /// OpenAI image edits: pictures in a form.
    ImageEdits,
    /// What is passed on unread: the rest of a provider's API.
    PassThrough,
}

impl Endpoint {
    /// How many there are.
    pub const COUNT: usize = 16;

    /// All of them, in the order of their numbers.
    pub const ALL: [Self; Self::COUNT] = [
        Self::ChatCompletions,
        Self::Completions,
        Self::Embeddings,
        Self::Responses,
        Self::Messages,
        Self::CountTokens,
        Self::GenerateContent,
        Self::GeminiCountTokens,
        Self::Rerank,
        Self::Moderations,
        Self::ImageGenerations,
        Self::Speech,
        Self::Transcriptions,
        Self::Translations,
        Self::ImageEdits,
        Self::PassThrough,
    ];

    /// The end of its path at providers that have it as its inventor has it: `/chat/completions`.
    pub const fn path(self) -> &'static str {
        match self {
            Self::ChatCompletions => "/chat/completions",
            Self::Completions => "/completions",
            Self::Embeddings => "/embeddings",
            Self::Responses => "/responses",
            Self::Messages => "/messages",
            Self::CountTokens => "/messages/count_tokens",
            Self::GenerateContent => ":generateContent",
            Self::GeminiCountTokens => ":countTokens",
            Self::Rerank => "/rerank",
            Self::Moderations => "/moderations",
            Self::ImageGenerations => "/images/generations",
            Self::Speech => "/audio/speech",
            Self::Transcriptions => "/audio/transcriptions",
            Self::Translations => "/audio/translations",
            Self::ImageEdits => "/images/edits",
            Self::PassThrough => "",
        }
    }

    /// Whether the model writes something: the others have no output tokens.
    pub const fn writes(self) -> bool {
        !matches!(
            self,
            Self::Embeddings
                | Self::CountTokens
                | Self::GeminiCountTokens
                | Self::Rerank
                | Self::Moderations
                | Self::Speech
                | Self::PassThrough
        )
    }

    /// Whether it is one of Google's own.
    pub const fn is_gemini(self) -> bool {
        matches!(self, Self::GenerateContent | Self::GeminiCountTokens)
    }

    /// Whether its streams are OpenAI's of chat completions and completions.
    pub const fn is_openai(self) -> bool {
        matches!(self, Self::ChatCompletions | Self::Completions)
    }

    /// Whether its requests are forms with files, not JSON.
    pub const fn is_form(self) -> bool {
        matches!(self, Self::Transcriptions | Self::Translations | Self::ImageEdits)
    }

    /// Whether its answers may be something other than JSON: sound, subtitles, events that are no chat's.
    pub const fn is_media(self) -> bool {
        self.is_form() || matches!(self, Self::Speech | Self::ImageGenerations)
    }

    /// Whether it only counts tokens: free, and without a usage.
    pub const fn is_count(self) -> bool {
        matches!(self, Self::CountTokens | Self::GeminiCountTokens)
    }

    /// The API of a chat: what can be translated from and to other chats. None for the other calls.
    pub const fn chat(self) -> Option<Api> {
        match self {
            Self::ChatCompletions => Some(Api::OpenAiChat),
            Self::Responses => Some(Api::Responses),
            Self::Messages => Some(Api::Anthropic),
            Self::GenerateContent => Some(Api::Gemini),
            _ => None,
        }
    }
}
