//! What can be switched off at once, whoever asks.

/// A kind of what can be switched off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BlockKind {
    /// A model group, by its name or an alias.
    Model,
    /// A deployment, by `model_info.id`.
    Deployment,
    /// A virtual key, by its alias or its hash.
    Key,
    /// A team, by its id.
    Team,
    /// The requests with a tag.
    Tag,
    /// One of the [`FEATURES`].
    Feature,
}

/// What a request may make use of, by the words that switch it off: the calls, then what a call may ask for.
pub const FEATURES: [&str; 14] = [
    "chat_completions",
    "completions",
    "embeddings",
    "responses",
    "messages",
    "gemini",
    "count_tokens",
    "rerank",
    "moderations",
    "images",
    "audio",
    "pass_through",
    "streaming",
    "tools",
];

impl BlockKind {
    /// All of them.
    pub const ALL: [Self; 6] = [Self::Model, Self::Deployment, Self::Key, Self::Team, Self::Tag, Self::Feature];

    /// Their words, in the order of [`Self::ALL`].
    pub const NAMES: [&'static str; 6] = ["model", "deployment", "key", "team", "tag", "feature"];

    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Model => "model",
            Self::Deployment => "deployment",
            Self::Key => "key",
            Self::Team => "team",
            Self::Tag => "tag",
            Self::Feature => "feature",
        }
    }

    /// The kind with that word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == word)
    }
}
