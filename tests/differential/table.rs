//! Every difference that is meant, with its reason.

/// A difference: whose, in which cases, and where.
struct Meant {
    /// How the model's name begins; empty for all.
    model: &'static str,
    /// The case; empty for all.
    case: &'static str,
    /// How the line of the difference begins; after a star, what its place holds.
    place: &'static str,
    why: &'static str,
}

const fn meant(model: &'static str, case: &'static str, place: &'static str, why: &'static str) -> Meant {
    Meant { model, case, place, why }
}

const MEANT: &[Meant] = &[
    meant(
        "gemini/",
        "",
        "path: ",
        "a base URL without a version means v1beta; LiteLLM takes it as it stands and needs the version in it",
    ),
    meant("gemini/", "", "*.parametersJsonSchema", "the field that takes all of JSON Schema, not the older subset"),
    meant("gemini/", "", "*.parameters:", "the field that takes all of JSON Schema, not the older subset"),
    meant("gemini/", "", "*.functionCall.id", "calls keep their ids, so that two of one name are told apart"),
    meant("gemini/", "", "*.functionResponse.id", "calls keep their ids, so that two of one name are told apart"),
    meant(
        "gemini/",
        "",
        "*.functionResponse.response.",
        "Google's own name for a result that is no object is `output`",
    ),
    meant("gemini/", "two users", ".contents", "turns of one role stay turns; Gemini takes them"),
    meant("gemini/", "logprobs", "refused", "Gemini has both; LiteLLM lists only one of them"),
    meant(
        "bedrock/converse/us.anthropic",
        "",
        ".additionalModelResponseFieldPaths",
        "asked for where a stop sequence was given, so that the answer can name it; LiteLLM asks for thinking tokens",
    ),
    meant("bedrock/", "user", ".requestMetadata", "the user is kept, in the place that Bedrock has for it"),
    meant("bedrock/", "tools, none", "refused", "no tools are sent, which says the same"),
    meant(
        "bedrock/converse/us.amazon",
        "schema",
        ".toolConfig.tools[0].toolSpec",
        "the schema stays whole; a description that says nothing is left out",
    ),
    meant(
        "bedrock/converse/us.anthropic",
        "",
        ".inferenceConfig",
        "without a bound Bedrock takes the model's; LiteLLM bounds by the thinking and 4096",
    ),
    meant(
        "bedrock/amazon.titan",
        "two texts",
        "refused",
        "one exchange is one request upstream; LiteLLM sends one for each text",
    ),
    meant("anthropic/", "json", ".tool", "JSON without a schema is had by a tool; LiteLLM leaves the wish out"),
    meant("anthropic/", "schema", ".output", "the field's present name, not that of the beta"),
    meant("anthropic/", "", ".maxTokens", "without a bound the model's own; LiteLLM bounds by the thinking and 4096"),
    meant("anthropic/", "", ".tools[0].type", "`custom` is what no type means"),
    meant("anthropic/", "", "*.content: ", "a text stands in a list, which means the same"),
    meant("cohere_chat/", "", ".stream", "said either way"),
    meant("cohere_chat/", "two choices", "refused", "Cohere's chat has no number of choices"),
    meant("cohere_chat/", "json", "refused", "Cohere has JSON; LiteLLM does not list it"),
    meant("cohere_chat/", "schema", "refused", "Cohere has schemas; LiteLLM does not list them"),
    meant("cohere_chat/", "low effort", "refused", "models that think take it; LiteLLM does not list it"),
    meant("cohere_chat/", "medium effort", "refused", "models that think take it; LiteLLM does not list it"),
    meant("cohere_chat/", "high effort", "refused", "models that think take it; LiteLLM does not list it"),
    meant("cohere_chat/", "tools, one at a time", "refused", "Cohere calls no two tools where it is not asked to"),
    meant("cohere_chat/", "", ".toolChoice", "Cohere has the word; LiteLLM leaves it out"),
    meant("cohere_chat/", "result in parts", ".messages[2].content", "a text stands alone, which means the same"),
    meant("mistral/", "penalties", "refused", "Mistral has them; LiteLLM does not list them"),
    meant("mistral/", "two choices", "refused", "Mistral has it; LiteLLM does not list it"),
    meant("mistral/", "tools, required", ".toolChoice", "Mistral takes either word"),
    meant("mistral/", "", "*.content: ", "parts stay parts; Mistral takes them"),
    meant("cohere/embed", "", ".embeddingTypes", "the API's second version must be told"),
    meant("cohere/rerank", "", ".returnDocuments", "the API's second version returns none"),
    meant("voyage/", "one text", ".input", "one text stands in a list, which means the same"),
    meant("ollama_chat/", "one stop", ".options.stop", "one stop stands in a list, which means the same"),
    meant("ollama_chat/", "penalties", "refused", "Ollama has them; LiteLLM does not list both"),
    meant("ollama_chat/", "logprobs", "refused", "Ollama has them; LiteLLM does not list them"),
    meant(
        "ollama_chat/",
        "tools, none",
        ".tools",
        "Ollama has no choice of tools: where none may be called, none are sent",
    ),
    meant("ollama_chat/", "tools, one at a time", "refused", "left to the model, as it cannot be said"),
    meant("ollama_chat/", "parts", ".messages[0].content", "two texts are two lines"),
    meant("ollama_chat/", "", "*.toolCalls", "said as Ollama itself writes calls"),
    meant("ollama_chat/", "", "*.toolName", "Ollama finds a result's call by the tool's name"),
];

/// The differences without a reason, and the reasons without a difference.
pub(crate) fn judge(differences: &[(&str, &str, String)]) -> (Vec<String>, Vec<String>) {
    let covers = |meant: &Meant, (model, case, line): &(&str, &str, String)| {
        let there = match meant.place.strip_prefix('*') {
            Some(part) => line.contains(part),
            None => line.starts_with(meant.place),
        };
        model.starts_with(meant.model) && (meant.case.is_empty() || meant.case == *case) && there
    };
    let open = differences.iter().filter(|difference| !MEANT.iter().any(|meant| covers(meant, difference)));
    let stale = MEANT.iter().filter(|meant| !differences.iter().any(|difference| covers(meant, difference)));
    (
        open.map(|(model, case, line)| format!("{model} {case}: {line}")).collect(),
        stale.map(|meant| format!("{} {} {}: {}", meant.model, meant.case, meant.place, meant.why)).collect(),
    )
}
