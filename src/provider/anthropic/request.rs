//! A chat as the body of a messages call.

use std::borrow::Cow;

use http::{HeaderName, HeaderValue};
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;

use super::blocks::Block;
use super::features::Betas;
use super::model::Claude;
use super::schema;
use super::thinking::{Plan, Thinking};
use super::tools::{self, Callable, Choice, Forced};
use super::turns::{Talk, Turn};
use super::vendor;
use crate::chat::{Api, Chat, Effort, Format, Raw};
use crate::dialect::anthropic::ObjectMembers;
use crate::provider::{Ask, Written, speech};
use crate::vocabulary::{Fault, Kind};

/// The API demands a bound: the one where neither the client nor the price table knows any (LiteLLM's).
const OUTPUT_TOKENS_USUAL: u64 = 4096;
/// While it thinks, a model takes no smaller `top_p`.
const TOP_P_THINKING_MIN: f64 = 0.95;

/// Whose form of the messages API a body is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Flavour {
    /// Anthropic itself.
    Anthropic,
    /// Azure AI Foundry: as Anthropic's.
    Foundry,
    /// Bedrock's InvokeModel: `anthropic_version` and `anthropic_beta` in the body, no `model`, no `stream`.
    Bedrock,
    /// Vertex's rawPredict: `anthropic_version` in the body, no `model`.
    Vertex,
}

impl Flavour {
    /// `anthropic_version`, where it stands in the body and not in a header.
    pub const fn version(self) -> Option<&'static str> {
        match self {
            Self::Anthropic | Self::Foundry => None,
            Self::Bedrock => Some("bedrock-2023-05-31"),
            Self::Vertex => Some("vertex-2023-10-16"),
        }
    }
}

/// OpenAI's parameters that models which think take.
pub static SUPPORTED: [&str; 12] = [
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
    "reasoning_effort",
];

/// What a model takes: the older ones do not think.
pub(super) fn supported(model: &str) -> &'static [&'static str] {
    let all = SUPPORTED.as_slice();
    match Claude::parse(model).thinks() {
        true => all,
        false => all.split_last().map_or(all, |(_, others)| others),
    }
}

#[derive(Serialize)]
struct Body<'c> {
    #[serde(skip_serializing_if = "Option::is_none")]
    anthropic_version: Option<&'static str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    anthropic_beta: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    model: Option<&'c str>,
    max_tokens: u64,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    system: Vec<Block<'c>>,
    messages: Vec<Turn<'c>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tools: Vec<Callable<'c>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_choice: Option<Choice<'c>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    thinking: Option<Thinking<'c>>,
    #[serde(skip_serializing_if = "OutputConfig::is_empty")]
    output_config: OutputConfig<'c>,
    #[serde(skip_serializing_if = "Option::is_none")]
    temperature: Option<Number<'c>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    top_p: Option<Raw<'c>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    top_k: Option<Raw<'c>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    stop_sequences: Vec<&'c str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    metadata: Option<Metadata<'c>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    service_tier: Option<&'static str>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    stream: bool,
    #[serde(flatten)]
    others: Others<'c>,
}

/// The names above: what a client calls the same is not written twice.
const WRITTEN: [&str; 17] = [
    "anthropic_version",
    "anthropic_beta",
    "model",
    "max_tokens",
    "system",
    "messages",
    "tools",
    "tool_choice",
    "thinking",
    "output_config",
    "temperature",
    "top_p",
    "top_k",
    "stop_sequences",
    "metadata",
    "service_tier",
    "stream",
];

/// As the client wrote it, or the nearest that the API takes.
#[derive(Serialize)]
#[serde(untagged)]
enum Number<'c> {
    Given(Raw<'c>),
    Nearest(u8),
}

#[derive(Serialize)]
struct Metadata<'c> {
    user_id: &'c str,
}

#[derive(Default, Serialize)]
struct OutputConfig<'c> {
    #[serde(skip_serializing_if = "Option::is_none")]
    effort: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    format: Option<OutputFormat<'c>>,
    #[serde(flatten)]
    others: Others<'c>,
}

impl OutputConfig<'_> {
    fn is_empty(&self) -> bool {
        self.effort.is_none() && self.format.is_none() && self.others.0.is_empty()
    }
}

#[derive(Serialize)]
struct OutputFormat<'c> {
    #[serde(rename = "type")]
    kind: &'static str,
    schema: Cow<'c, RawValue>,
}

/// Members that are passed on as they are.
#[derive(Default)]
struct Others<'c>(Vec<(&'c str, Raw<'c>)>);

impl Serialize for Others<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (name, value) in &self.0 {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

/// Writes a chat as the body of a messages call. Headers that it needs are among [`Written::headers`].
///
/// # Errors
/// Something in it cannot be said and must not be left out: a 400 that names it.
pub fn write_body(chat: &Chat<'_>, ask: &Ask<'_>, flavour: Flavour) -> Result<Written, Fault> {
    let claude = Claude::parse(ask.model);
    let talk = Talk::of(&chat.messages, claude, flavour)?;
    let mut writing = Writing { chat, claude, flavour, dropped: talk.dropped, betas: Betas::default() };
    if talk.files {
        writing.betas.add("files-api-2025-04-14");
    }
    if vendor::is_subscription(ask.deployment) && flavour == Flavour::Anthropic {
        writing.betas.add(vendor::SUBSCRIPTION_BETA);
    }
    writing.write(ask, talk.system, talk.turns)
}

/// One body while it is written.
struct Writing<'c, 'a> {
    chat: &'c Chat<'a>,
    claude: Claude,
    flavour: Flavour,
    dropped: Vec<String>,
    betas: Betas,
}

impl<'c> Writing<'c, '_> {
    fn write(mut self, ask: &Ask<'c>, system: Vec<Block<'c>>, messages: Vec<Turn<'c>>) -> Result<Written, Fault> {
        let chat = self.chat;
        let max_tokens = bound(chat, ask);
        let plan = Plan::of(chat, self.claude).within(max_tokens, chat);
        self.dropped.extend(plan.dropped.map(str::to_owned));
        let mut tools = tools::tools(chat, self.claude, &mut self.betas, &mut self.dropped)?;
        let format = chat.format.as_ref().and_then(|format| self.native_format(format));
        let schema_tool = chat.format.as_ref().filter(|_| format.is_none()).and_then(tools::schema_tool);
        let forced = schema_tool.as_ref().map(|_| plan.budget_tokens().map_or(Forced::Yes, |_| Forced::No));
        tools.extend(schema_tool);
        let tool_choice = tools::choice(chat, !tools.is_empty(), forced);
        let samplers = self.samplers(&plan);
        let mut members = self.members();
        let thinking = match members.thinking {
            Some(native) if plan.config.is_none() => Some(Thinking::Native(native)),
            _ => plan.config.map(Thinking::Config),
        };
        members.config.effort = plan.effort;
        members.config.format = format;
        let on_bedrock = self.flavour == Flavour::Bedrock;
        let betas = std::mem::take(&mut self.betas.0);
        let headers = if on_bedrock { Vec::new() } else { header(&betas)? };
        let body = Body {
            anthropic_version: self.flavour.version(),
            anthropic_beta: if on_bedrock { betas } else { Vec::new() },
            model: self.flavour.version().is_none().then_some(ask.model),
            max_tokens,
            system,
            messages,
            tools,
            tool_choice,
            thinking,
            output_config: members.config,
            temperature: samplers.temperature,
            top_p: samplers.top_p,
            top_k: samplers.top_k,
            stop_sequences: self.stop(),
            metadata: self.user(),
            service_tier: self.service_tier(),
            stream: ask.stream && !on_bedrock,
            others: members.others,
        };
        let body = speech::written(&body)?;
        Ok(Written { body, schema_tool: forced.is_some(), dropped: self.dropped, headers })
    }

    /// A schema where the model can be held to it: not on Vertex, and not to every schema.
    fn native_format(&self, format: &'c Format<'_>) -> Option<OutputFormat<'c>> {
        match format {
            Format::Schema { schema, .. } if self.claude.follows_schemas() && self.flavour != Flavour::Vertex => {
                schema::closed(schema).map(|schema| OutputFormat { kind: "json_schema", schema })
            }
            _ => None,
        }
    }

    fn drop(&mut self, name: &str) {
        self.dropped.push(name.to_owned());
    }

    fn stop(&mut self) -> Vec<&'c str> {
        let chat = self.chat;
        // The API refuses those that are white space alone.
        let (stop, blank): (Vec<_>, Vec<_>) = chat.stop.iter().map(|stop| &**stop).partition(|s| !s.trim().is_empty());
        if !blank.is_empty() {
            self.drop("stop");
        }
        stop
    }

    /// Who asks, but no person: the API forbids addresses and telephone numbers.
    fn user(&mut self) -> Option<Metadata<'c>> {
        let user_id: &'c str = self.chat.user.as_deref().filter(|user| !user.is_empty())?;
        if is_personal(user_id) {
            self.drop("user");
            return None;
        }
        Some(Metadata { user_id })
    }

    fn service_tier(&mut self) -> Option<&'static str> {
        match self.chat.service_tier.as_deref()? {
            "auto" | "priority" => Some("auto"),
            "standard_only" | "default" => Some("standard_only"),
            _ => {
                self.drop("service_tier");
                None
            }
        }
    }

    fn samplers(&mut self, plan: &Plan) -> Samplers<'c> {
        let chat = self.chat;
        let (thinks, newest) = (plan.is_on(), self.claude.decides_itself());
        let mut keep = |name: &str, value: Option<Raw<'c>>, taken: &dyn Fn(f64) -> bool| {
            let number = value.and_then(|value| value.get().parse().ok());
            let kept = value.filter(|_| number.is_none_or(taken));
            if kept.is_none() && value.is_some() {
                self.drop(name);
            }
            kept
        };
        let temperature = keep("temperature", chat.temperature, &|number| !(thinks || newest) || number == 1.0);
        let mut top_p = keep("top_p", chat.top_p, &|number| match (newest, thinks) {
            (true, _) => number >= 1.0,
            (false, true) => number >= TOP_P_THINKING_MIN,
            (false, false) => true,
        });
        let top_k = keep("top_k", chat.top_k, &|_| !thinks && !newest);
        if temperature.is_some() && top_p.is_some() && self.claude.takes_one_sampler() {
            top_p = None;
            self.drop("top_p");
        }
        Samplers { temperature: temperature.map(nearest), top_p, top_k }
    }

    /// Everything that is passed on under its own name.
    fn members(&mut self) -> Members<'c> {
        let chat = self.chat;
        let mut members = Members::default();
        let own = chat.native.iter().filter(|(api, _, _)| *api == Api::Anthropic);
        let native = own.map(|(_, name, value)| (&**name, *value));
        let extra = chat.extra.iter().map(|(name, value)| (&**name, *value));
        for (name, value) in native.chain(extra).chain(forced(chat)) {
            let known = members.others.0.iter().any(|(known, _)| *known == name);
            match name {
                "anthropic_beta" | "betas" => self.betas.add_asked(value),
                "thinking" if chat.reasoning.is_none() => members.thinking = Some(value),
                "output_config" => members.config.others = beside(value),
                _ if known || WRITTEN.contains(&name) => self.drop(name),
                _ => {
                    self.betas.add_member(name, chat);
                    members.others.0.push((name, value));
                }
            }
        }
        if members.config.others.0.iter().any(|(name, _)| *name == "task_budget") {
            self.betas.add("task-budgets-2026-03-13");
        }
        members
    }
}

/// What has no field of its own.
#[derive(Default)]
struct Members<'c> {
    thinking: Option<Raw<'c>>,
    config: OutputConfig<'c>,
    others: Others<'c>,
}

#[derive(Default)]
struct Samplers<'c> {
    temperature: Option<Number<'c>>,
    top_p: Option<Raw<'c>>,
    top_k: Option<Raw<'c>>,
}

/// OpenAI's range goes to 2, Anthropic's to 1.
fn nearest(value: Raw<'_>) -> Number<'_> {
    match value.get().parse::<f64>() {
        Ok(number) if number > 1.0 => Number::Nearest(1),
        _ => Number::Given(value),
    }
}

/// Parameters that Anthropic does not have, but that the configuration forces through.
fn forced<'c>(chat: &'c Chat<'_>) -> impl Iterator<Item = (&'c str, Raw<'c>)> {
    let [frequency, presence, seed] = [
        ("frequency_penalty", chat.frequency_penalty),
        ("presence_penalty", chat.presence_penalty),
        ("seed", chat.seed),
    ];
    [frequency, presence, seed].into_iter().filter_map(|(name, value)| Some((name, value?)))
}

/// The members of `output_config` that are not written from the chat's own fields.
fn beside(value: Raw<'_>) -> Others<'_> {
    let Ok(members) = serde_json::from_str::<ObjectMembers<'_>>(value.get()) else { return Others::default() };
    let effort = |value: Raw<'_>| Effort::parse(value.get().trim_matches('"')).is_some();
    let others = members.0.into_iter().filter(|(name, value)| match &**name {
        "format" => false,
        "effort" => !effort(value),
        _ => true,
    });
    Others(others.filter_map(|(name, value)| borrowed(name.into_cow()).map(|name| (name, value))).collect())
}

/// Names without escapes: all that there are.
fn borrowed(name: Cow<'_, str>) -> Option<&str> {
    match name {
        Cow::Borrowed(name) => Some(name),
        Cow::Owned(_) => None,
    }
}

/// The bound on the answer, thoughts included. Never more than the client asked for: it is what the budget holds.
fn bound(chat: &Chat<'_>, ask: &Ask<'_>) -> u64 {
    chat.max_tokens.or(ask.output_max).unwrap_or(OUTPUT_TOKENS_USUAL)
}

fn header(betas: &[String]) -> Result<Vec<(HeaderName, HeaderValue)>, Fault> {
    if betas.is_empty() {
        return Ok(Vec::new());
    }
    let value = HeaderValue::from_str(&betas.join(",")).map_err(|_| {
        Fault::client(Kind::BadRequest, "anthropic_beta: is no value of a header").param("anthropic_beta")
    })?;
    Ok(vec![(HeaderName::from_static("anthropic-beta"), value)])
}

fn is_personal(user: &str) -> bool {
    let mail = user
        .split_once('@')
        .is_some_and(|(name, host)| !name.is_empty() && host.contains('.') && !user.contains(char::is_whitespace));
    let digits = user.bytes().filter(u8::is_ascii_digit).count();
    let phone = |letter: char| letter.is_ascii_digit() || matches!(letter, '+' | '-' | ' ' | '(' | ')');
    mail || digits >= 7 && user.chars().all(phone)
}
