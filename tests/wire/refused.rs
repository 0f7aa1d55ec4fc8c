//! What the gateway will not pass on, and why.

/// A refusal that is meant.
pub(crate) struct Refused {
    /// The provider of the recording; `*` for all.
    pub(crate) provider: &'static str,
    /// A part of what the client is told.
    pub(crate) message: &'static str,
    /// Why it is right.
    pub(crate) reason: &'static str,
}

/// All of them.
pub(crate) const REFUSED: [Refused; 2] = [
    Refused {
        provider: "*",
        message: "Invalid 'messages': expected at least one message",
        reason: "the provider refuses it in the same words: the recording is of that refusal",
    },
    Refused {
        provider: "openai",
        message: "Invalid type for 'max_tokens': expected a whole number, but got -1",
        reason: "what cannot be reserved is refused, as the provider does",
    },
];

/// What a carried request is sent without, or under another name: the beginning of the recording's path and of its model, what
/// the client calls it, what the provider does, and why.
pub(crate) const FITTED: [(&str, &str, &str, Option<&str>, &str); 2] = [
    ("mistral", "", "stream_options", None, "its API knows no such member, and reports usage unasked"),
    ("openai", "gpt-5", "max_tokens", Some("max_completion_tokens"), "models that think take the newer name alone"),
];

/// Features that a provider has no words for: refused. The feature, the beginning of the provider's prefix, and why.
pub(crate) const UNSAID: [(&str, &str, &str); 0] = [];

/// Words of a request that do not arrive at a provider: what they begin with, the beginning of the provider's prefix, and why.
pub(crate) const LOST: [(&str, &str, &str); 5] = [
    (
        "wire-call",
        "mistral",
        "ids of calls must be nine letters and digits: they are made anew, alike in call and result",
    ),
    ("wire-thought", "openai", "a chat has no place for thoughts"),
    ("wire-thought", "mistral", "a thought signed by somebody else is none of its own"),
    ("wire-thought", "anthropic", "a thought without a signature would be refused"),
    ("wire-thought", "bedrock", "the same"),
];
