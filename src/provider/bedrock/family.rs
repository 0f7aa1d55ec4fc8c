//! What a model is, as far as Converse does not hide it.

/// Who made a model. Only what is asked in other words, or takes less, has a name here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Family {
    /// Anthropic's Claude: major and minor version.
    Claude((u8, u8)),
    /// Amazon Nova, first generation.
    Nova,
    /// Amazon Nova 2.
    Nova2,
    /// Meta's Llama.
    Llama,
    /// OpenAI's open models.
    GptOss,
    /// Alibaba's Qwen.
    Qwen,
    /// Models that complete text and know no tools: Titan, Jurassic, Claude before 3.
    Text,
    /// Every other that is known to chat.
    Other,
    /// An ARN or a name that tells nothing.
    Unknown,
}

/// Words in a model's name that tell its family; the first that fits.
const WORDS: [(&str, Family); 19] = [
    ("nova-2", Family::Nova2),
    ("nova", Family::Nova),
    ("titan", Family::Text),
    ("ai21.j2", Family::Text),
    ("llama", Family::Llama),
    ("gpt-oss", Family::GptOss),
    ("qwen", Family::Qwen),
    ("mistral", Family::Other),
    ("cohere", Family::Other),
    ("deepseek", Family::Other),
    ("ai21", Family::Other),
    ("moonshot", Family::Other),
    ("kimi", Family::Other),
    ("minimax", Family::Other),
    ("writer", Family::Other),
    ("google.", Family::Other),
    ("nvidia.", Family::Other),
    ("zai.", Family::Other),
    ("openai.", Family::Other),
];

/// Makers beside Claude whose models write JSON after a schema by themselves.
const SCHEMA_WORDS: [&str; 10] = [
    "qwen3",
    "gpt-oss",
    "deepseek.v3",
    "gemma-3",
    "minimax-m2",
    "magistral",
    "ministral",
    "mistral-large-3",
    "kimi-k2",
    "nemotron-nano",
];

impl Family {
    /// The family of a model by its name.
    pub(super) fn of(model: &str) -> Self {
        if let Some((_, name)) = model.split_once("claude-") {
            let version = claude_version(name);
            return if version < (3, 0) { Self::Text } else { Self::Claude(version) };
        }
        if model.contains("anthropic") {
            return Self::Claude((3, 0));
        }
        WORDS.iter().find(|(word, _)| model.contains(word)).map_or(Self::Unknown, |(_, family)| *family)
    }

    /// Of a deployment's model, or of its `base_model` where the model is an ARN.
    pub(super) fn of_either(model: &str, base_model: Option<&str>) -> Self {
        match (Self::of(model), base_model) {
            (Self::Unknown, Some(base)) => Self::of(base),
            (family, _) => family,
        }
    }

    /// Whether a prompt can be marked for its cache. An unknown model is given what was asked.
    pub(super) const fn caches(self) -> bool {
        matches!(self, Self::Claude(_) | Self::Nova | Self::Nova2 | Self::Unknown)
    }

    /// Whether its tools can be marked, too.
    pub(super) const fn caches_tools(self) -> bool {
        matches!(self, Self::Claude(_) | Self::Unknown)
    }

    /// Whether it takes `toolChoice` other than `auto`.
    pub(super) const fn chooses_tools(self) -> bool {
        !matches!(self, Self::Llama | Self::Text)
    }

    /// OpenAI's parameters that it takes in some form.
    pub(super) const fn supported(self) -> &'static [&'static str] {
        match self {
            Self::Claude((3, minor)) if minor < 7 => &CLAUDE_3,
            Self::Claude(_) => &CLAUDE,
            Self::Nova => &NOVA,
            Self::Nova2 => &NOVA_2,
            Self::GptOss | Self::Qwen | Self::Unknown => &REASONING,
            Self::Llama => &LLAMA,
            Self::Text => &TEXT,
            Self::Other => &OTHER,
        }
    }
}

/// Whether a model writes JSON after a schema by itself.
pub(super) fn writes_schemas(model: &str, family: Family) -> bool {
    match family {
        Family::Claude(version) => version >= (4, 5),
        _ => SCHEMA_WORDS.iter().any(|word| model.contains(word)),
    }
}

const CLAUDE: [&str; 11] = [
    "tools",
    "tool_choice",
    "parallel_tool_calls",
    "temperature",
    "top_p",
    "top_k",
    "stop",
    "reasoning_effort",
    "response_format",
    "user",
    "service_tier",
];
const CLAUDE_3: [&str; 10] = [
    "tools",
    "tool_choice",
    "parallel_tool_calls",
    "temperature",
    "top_p",
    "top_k",
    "stop",
    "response_format",
    "user",
    "service_tier",
];
const REASONING: [&str; 11] = [
    "tools",
    "tool_choice",
    "parallel_tool_calls",
    "temperature",
    "top_p",
    "top_k",
    "stop",
    "reasoning_effort",
    "response_format",
    "user",
    "service_tier",
];
const NOVA: [&str; 11] = [
    "tools",
    "tool_choice",
    "parallel_tool_calls",
    "temperature",
    "top_p",
    "top_k",
    "stop",
    "response_format",
    "user",
    "service_tier",
    "web_search_options",
];
const NOVA_2: [&str; 12] = [
    "tools",
    "tool_choice",
    "parallel_tool_calls",
    "temperature",
    "top_p",
    "top_k",
    "stop",
    "reasoning_effort",
    "response_format",
    "user",
    "service_tier",
    "web_search_options",
];
const OTHER: [&str; 10] = CLAUDE_3;
const LLAMA: [&str; 8] =
    ["tools", "parallel_tool_calls", "temperature", "top_p", "stop", "response_format", "user", "service_tier"];
const TEXT: [&str; 5] = ["temperature", "top_p", "stop", "user", "service_tier"];

/// `3-7-sonnet-20250219-v1:0` is 3.7, `sonnet-4-20250514` is 4.0, `v2:1` and `instant-v1` are older than 3.
fn claude_version(name: &str) -> (u8, u8) {
    let mut parts = name.split(['-', '/', ':', '@']).skip_while(|part| !is_number(part));
    let mut number = || parts.next().filter(|part| is_number(part)).and_then(|part| part.parse::<u8>().ok());
    let major = number();
    (major.unwrap_or(0), major.and_then(|_| number()).unwrap_or(0))
}

/// Dates are no part of a version.
fn is_number(part: &str) -> bool {
    (1..=2).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_tells_the_family() {
        let of = Family::of;
        assert_eq!(of("us.anthropic.claude-3-7-sonnet-20250219-v1:0"), Family::Claude((3, 7)));
        assert_eq!(of("anthropic.claude-3-haiku-20240307-v1:0"), Family::Claude((3, 0)));
        assert_eq!(of("global.anthropic.claude-sonnet-4-5-20250929-v1:0"), Family::Claude((4, 5)));
        assert_eq!(of("us.anthropic.claude-sonnet-4-20250514-v1:0"), Family::Claude((4, 0)));
        assert_eq!(of("us.anthropic.claude-sonnet-5"), Family::Claude((5, 0)));
        assert_eq!(of("anthropic.claude-opus-4-6-v1"), Family::Claude((4, 6)));
        assert_eq!((of("anthropic.claude-v2:1"), of("anthropic.claude-instant-v1")), (Family::Text, Family::Text));
        assert_eq!((of("us.amazon.nova-2-lite-v1:0"), of("amazon.nova-pro-v1:0")), (Family::Nova2, Family::Nova));
        assert_eq!(of("arn:aws:bedrock:us-east-1:1:application-inference-profile/x1"), Family::Unknown);
        assert_eq!(Family::of_either("arn:x", Some("anthropic.claude-sonnet-4-6")), Family::Claude((4, 6)));
    }
}
