//! What an answer repeats of its request, and which of its tools a call means.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::tools;

type Json = Box<RawValue>;

#[derive(Default, Deserialize)]
#[serde(default)]
struct Asked {
    instructions: Option<Json>,
    max_output_tokens: Option<Json>,
    max_tool_calls: Option<Json>,
    metadata: Option<Json>,
    parallel_tool_calls: Option<Json>,
    prompt_cache_key: Option<Json>,
    prompt_cache_retention: Option<Json>,
    reasoning: Option<Json>,
    safety_identifier: Option<Json>,
    service_tier: Option<Json>,
    store: Option<Json>,
    temperature: Option<Json>,
    text: Option<Json>,
    tool_choice: Option<Json>,
    tools: Option<Json>,
    top_logprobs: Option<Json>,
    top_p: Option<Json>,
    truncation: Option<Json>,
    user: Option<Json>,
}

/// A parameter as it was given, or what goes without saying.
#[derive(Clone, Debug, Serialize)]
#[serde(untagged)]
enum Or<T> {
    Given(Json),
    Usual(T),
}

fn or<T>(given: Option<Json>, usual: T) -> Or<T> {
    given.map_or(Or::Usual(usual), Or::Given)
}

#[derive(Clone, Debug, Serialize)]
struct NoMetadata {}

#[derive(Clone, Debug, Default, Serialize)]
struct NoReasoning {
    effort: Option<()>,
    summary: Option<()>,
}

#[derive(Clone, Debug, Serialize)]
struct PlainText {
    format: PlainFormat,
}

#[derive(Clone, Debug, Serialize)]
struct PlainFormat {
    #[serde(rename = "type")]
    kind: &'static str,
}

/// The members of an answer that come from its request.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Echo {
    background: bool,
    instructions: Option<Json>,
    max_output_tokens: Option<Json>,
    max_tool_calls: Option<Json>,
    metadata: Or<NoMetadata>,
    parallel_tool_calls: Or<bool>,
    previous_response_id: Option<()>,
    prompt_cache_key: Option<Json>,
    prompt_cache_retention: Option<Json>,
    reasoning: Or<NoReasoning>,
    safety_identifier: Option<Json>,
    service_tier: Or<&'static str>,
    // Nothing is kept here, so silence is not taken for consent.
    store: Or<bool>,
    temperature: Or<f64>,
    text: Or<PlainText>,
    tool_choice: Or<&'static str>,
    tools: Or<[(); 0]>,
    top_logprobs: Or<u8>,
    top_p: Or<f64>,
    truncation: Or<&'static str>,
    user: Option<Json>,
    #[serde(skip)]
    known: Vec<Known>,
}

/// A tool of the request whose calls are not plain `function_call` items.
#[derive(Clone, Debug)]
struct Known {
    // What the provider calls it.
    called: String,
    target: Target,
}

/// What a call means.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Target {
    /// The tool's name.
    pub(super) name: String,
    /// Its namespace, if it has one.
    pub(super) namespace: Option<String>,
    /// It takes free text.
    pub(super) custom: bool,
}

impl Echo {
    /// Reads a request. What cannot be read is as if it was not given.
    pub(super) fn read(request: &[u8]) -> Self {
        let asked: Asked = serde_json::from_slice(request).unwrap_or_default();
        let mut known = Vec::new();
        if let Some(tools) = &asked.tools {
            note(tools, None, &mut known);
        }
        Self {
            background: false,
            instructions: asked.instructions,
            max_output_tokens: asked.max_output_tokens,
            max_tool_calls: asked.max_tool_calls,
            metadata: or(asked.metadata, NoMetadata {}),
            parallel_tool_calls: or(asked.parallel_tool_calls, true),
            previous_response_id: None,
            prompt_cache_key: asked.prompt_cache_key,
            prompt_cache_retention: asked.prompt_cache_retention,
            reasoning: or(asked.reasoning, NoReasoning::default()),
            safety_identifier: asked.safety_identifier,
            service_tier: or(asked.service_tier, "default"),
            store: or(asked.store, false),
            temperature: or(asked.temperature, 1.0),
            text: or(asked.text, PlainText { format: PlainFormat { kind: "text" } }),
            tool_choice: or(asked.tool_choice, "auto"),
            tools: or(asked.tools, []),
            top_logprobs: or(asked.top_logprobs, 0),
            top_p: or(asked.top_p, 1.0),
            truncation: or(asked.truncation, "disabled"),
            user: asked.user,
            known,
        }
    }

    /// What a call of this name means.
    pub(super) fn target(&self, called: &str) -> Target {
        match self.known.iter().find(|known| known.called == called) {
            Some(known) => known.target.clone(),
            None => Target { name: called.to_owned(), ..Target::default() },
        }
    }
}

fn note(tools: &RawValue, namespace: Option<&str>, known: &mut Vec<Known>) {
    let list: Vec<tools::Wire<'_>> = serde_json::from_str(tools.get()).unwrap_or_default();
    for tool in list {
        let Some(name) = tool.name.as_deref() else { continue };
        match (tool.kind.as_deref(), tool.tools) {
            (Some("namespace"), Some(within)) if namespace.is_none() => note(within, Some(name), known),
            (Some(kind @ ("function" | "custom")), _) if kind == "custom" || namespace.is_some() => {
                let called = namespace.map_or_else(|| name.to_owned(), |space| tools::joined_name(space, name));
                let (name, namespace) = (name.to_owned(), namespace.map(str::to_owned));
                known.push(Known { called, target: Target { name, namespace, custom: kind == "custom" } });
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_given_is_as_usual() {
        let echo = serde_json::to_string(&Echo::read(b"{}")).unwrap();
        assert!(echo.contains(r#""metadata":{},"parallel_tool_calls":true,"previous_response_id":null"#), "{echo}");
        assert!(echo.contains(r#""text":{"format":{"type":"text"}},"tool_choice":"auto","tools":[]"#), "{echo}");
        let echo = serde_json::to_string(&Echo::read(br#"{"temperature":0.50,"store":true,"top_p":null}"#)).unwrap();
        assert!(echo.contains(r#""store":true,"temperature":0.50,"#) && echo.contains(r#""top_p":1.0"#), "{echo}");
        assert!(!echo.contains("known"));
    }

    #[test]
    fn calls_mean_tools_of_the_request() {
        let echo = Echo::read(
            br#"{"tools":[{"type":"custom","name":"apply_patch"},{"type":"function","name":"f"},{"type":"web_search"},
                {"type":"namespace","name":"mcp__git__","tools":[{"type":"function","name":"log"}]}]}"#,
        );
        let custom = Target { name: "apply_patch".into(), namespace: None, custom: true };
        assert_eq!(echo.target("apply_patch"), custom);
        assert_eq!(echo.target("f"), Target { name: "f".into(), ..Target::default() });
        let within = Target { name: "log".into(), namespace: Some("mcp__git__".into()), custom: false };
        assert_eq!(echo.target("mcp__git__log"), within);
    }
}
