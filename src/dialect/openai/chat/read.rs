//! Reads a chat completions request: its parameters, each with its type checked as OpenAI checks it.

use super::super::fields::{self, Field};
use super::messages;
use super::tools;
use super::value::{self, At, Members};
use crate::chat::{Chat, Effort, Raw, Reasoning, Str};
use crate::vocabulary::{Fault, Kind};

/// Parameters of OpenAI's that have no field in the neutral form.
const OTHERS: [&str; 14] = [
    "audio",
    "logit_bias",
    "logprobs",
    "metadata",
    "modalities",
    "moderation",
    "prediction",
    "prompt_cache_key",
    "prompt_cache_retention",
    "safety_identifier",
    "store",
    "top_logprobs",
    "verbosity",
    "web_search_options",
];

/// Reads the body of a chat completions request.
pub(super) fn chat(body: &[u8], stream: bool) -> Result<Chat<'_>, Fault> {
    let members: Members<'_> = serde_json::from_slice(body).map_err(|error| {
        Fault::client(Kind::BadJson, format!("Invalid JSON payload: {error}")).param("request_body")
    })?;
    let mut reader = Reader { chat: Chat { stream, ..Chat::default() }, ..Reader::default() };
    for (name, raw) in members.0 {
        if fields::of(&name) == Field::Plain {
            reader.member(name, raw)?;
        }
    }
    reader.end()
}

/// What was read, before what says the same twice is weighed.
#[derive(Default)]
struct Reader<'a> {
    chat: Chat<'a>,
    max_completion_tokens: Option<u64>,
    reasoning: Reasoning<'a>,
    functions: Option<Raw<'a>>,
    function_call: Option<Raw<'a>>,
    tool_choice: Option<Raw<'a>>,
    has_messages: bool,
}

impl<'a> Reader<'a> {
    fn member(&mut self, name: Str<'a>, raw: Raw<'a>) -> Result<(), Fault> {
        let is_null = raw.get() == "null";
        let at = At::Root(&name);
        match &*name {
            "model" | "stream_options" => {}
            "messages" => {
                self.chat.messages = messages::read(raw)?;
                self.has_messages = true;
            }
            known if is_null && (OTHERS.contains(&known) || is_typed(known)) => {}
            "stream" => self.chat.stream |= value::boolean(raw, at)?,
            "tools" => self.chat.tools = tools::tools(raw)?,
            "functions" => self.functions = Some(raw),
            "function_call" => self.function_call = Some(raw),
            "tool_choice" => self.tool_choice = Some(raw),
            "parallel_tool_calls" => self.chat.parallel_tool_calls = Some(value::boolean(raw, at)?),
            "max_tokens" => self.chat.max_tokens = Some(value::count(raw, at)?),
            "max_completion_tokens" => self.max_completion_tokens = Some(value::count(raw, at)?),
            "temperature" => self.chat.temperature = Some(value::number(raw, at)?),
            "top_p" => self.chat.top_p = Some(value::number(raw, at)?),
            "top_k" => self.chat.top_k = Some(value::number(raw, at)?),
            "frequency_penalty" => self.chat.frequency_penalty = Some(value::number(raw, at)?),
            "presence_penalty" => self.chat.presence_penalty = Some(value::number(raw, at)?),
            "seed" => self.chat.seed = Some(value::number(raw, at)?),
            "stop" => self.chat.stop = stop(raw, at)?,
            "n" => self.chat.choices = Some(value::count(raw, at)?),
            "reasoning_effort" => self.effort(raw, at)?,
            "reasoning" => self.reasoning(raw, at)?,
            "thinking" if value::is(raw, b'{') => self.thinking(raw, at)?,
            "response_format" => self.chat.format = tools::format(raw, at)?,
            "user" => self.chat.user = Some(value::text(raw, at)?),
            "service_tier" => self.chat.service_tier = Some(value::text(raw, at)?),
            known if OTHERS.contains(&known) => self.chat.others.push((name, raw)),
            _ => self.chat.extra.push((name, raw)),
        }
        Ok(())
    }

    /// `reasoning_effort`: a word, or LiteLLM's object with `effort` and `summary`.
    fn effort(&mut self, raw: Raw<'a>, at: At<'_>) -> Result<(), Fault> {
        if value::is(raw, b'{') {
            return self.reasoning(raw, at);
        }
        self.reasoning.effort = Some(effort(raw, at)?);
        Ok(())
    }

    /// OpenRouter's object, which is that of the responses API with more in it.
    fn reasoning(&mut self, raw: Raw<'a>, at: At<'_>) -> Result<(), Fault> {
        let asked: Asked<'_> = value::object(raw, at)?;
        if let Some(word) = asked.effort {
            self.reasoning.effort = Some(effort(word, at.key("effort"))?);
        }
        if let Some(tokens) = asked.max_tokens {
            self.reasoning.budget_tokens = Some(value::count(tokens, at.key("max_tokens"))?);
        }
        if let Some(enabled) = value::boolean_at(asked.enabled, at.key("enabled"))? {
            self.reasoning.enabled = Some(enabled);
        }
        if let Some(exclude) = value::boolean_at(asked.exclude, at.key("exclude"))? {
            self.reasoning.show = Some(!exclude);
        }
        self.reasoning.summary =
            value::text_at(asked.summary, at.key("summary"))?.or_else(|| self.reasoning.summary.take());
        Ok(())
    }

    /// Anthropic's object, which LiteLLM's clients send as it is.
    fn thinking(&mut self, raw: Raw<'a>, at: At<'_>) -> Result<(), Fault> {
        let thinking: Thinking<'_> = value::object(raw, at)?;
        match value::text_at(thinking.r#type, at.key("type"))?.as_deref() {
            Some("enabled") => self.reasoning.enabled = Some(true),
            Some("adaptive" | "auto") => {
                self.reasoning.enabled = Some(true);
                self.reasoning.adaptive = true;
            }
            Some("disabled") => self.reasoning.enabled = Some(false),
            Some(word) => return Err(value::unknown_word(at.key("type"), word, &["enabled", "adaptive", "disabled"])),
            None => {}
        }
        if let Some(tokens) = thinking.budget_tokens {
            self.reasoning.budget_tokens = Some(value::count(tokens, at.key("budget_tokens"))?);
        }
        if let Some(display) = value::text_at(thinking.display, at.key("display"))? {
            self.reasoning.show = Some(display != "omitted");
        }
        Ok(())
    }

    fn end(mut self) -> Result<Chat<'a>, Fault> {
        if !self.has_messages {
            return Err(value::missing(At::Root("messages")));
        }
        if let Some(raw) = self.functions {
            self.chat.tools.extend(tools::functions(raw)?);
        }
        self.chat.max_tokens = self.max_completion_tokens.or(self.chat.max_tokens);
        self.chat.reasoning = (self.reasoning != Reasoning::default()).then_some(self.reasoning);
        let choice = self.tool_choice.map(|raw| (raw, At::Root("tool_choice")));
        if let Some((raw, at)) = choice.or_else(|| self.function_call.map(|raw| (raw, At::Root("function_call")))) {
            self.chat.tool_choice = Some(tools::choice(raw, at, &mut self.chat.tools)?);
        }
        Ok(self.chat)
    }
}

value::members! {
    /// `reasoning`.
    Asked { effort, max_tokens, enabled, exclude, summary }
}

value::members! {
    /// `thinking`.
    Thinking { r#type, budget_tokens, display }
}

/// Parameters for which null is as good as nothing.
fn is_typed(name: &str) -> bool {
    matches!(
        name,
        "stream"
            | "tools"
            | "functions"
            | "function_call"
            | "tool_choice"
            | "parallel_tool_calls"
            | "max_tokens"
            | "max_completion_tokens"
            | "temperature"
            | "top_p"
            | "top_k"
            | "frequency_penalty"
            | "presence_penalty"
            | "seed"
            | "stop"
            | "n"
            | "reasoning_effort"
            | "reasoning"
            | "thinking"
            | "response_format"
            | "user"
            | "service_tier"
    )
}

fn effort(raw: Raw<'_>, at: At<'_>) -> Result<Effort, Fault> {
    let word = value::text(raw, at)?;
    let known = ["none", "minimal", "low", "medium", "high", "xhigh", "max"];
    Effort::parse(&word).ok_or_else(|| value::unknown_word(at, &word, &known))
}

fn stop<'a>(raw: Raw<'a>, at: At<'_>) -> Result<Vec<Str<'a>>, Fault> {
    let texts = if value::is(raw, b'"') {
        vec![value::text(raw, at)?]
    } else {
        let raws = value::array(raw, at, "a string or an array of strings")?;
        raws.iter().enumerate().map(|(index, raw)| value::text(raw, at.index(index))).collect::<Result<_, _>>()?
    };
    Ok(texts.into_iter().filter(|text| !text.is_empty()).collect())
}
