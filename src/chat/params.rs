//! OpenAI's parameters against those that a provider takes: refused by name, or dropped and said so.

use super::{Api, Chat, Raw, Str, ToolChoice};
use crate::vocabulary::{Fault, Kind};

/// What becomes of a parameter that the provider does not take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unsupported {
    /// The request is refused.
    Refuse,
    /// It is left out, and the answer's head says so.
    Drop,
}

/// One of the parameters with a field of their own: its name, whether it is there, and how to take it out.
struct Typed {
    name: &'static str,
    is_given: fn(&Chat<'_>) -> bool,
    clear: fn(&mut Chat<'_>),
}

/// Left out of this list is what every provider takes in some form: messages, model, stream, max_tokens.
const TYPED: [Typed; 15] = [
    Typed { name: "tools", is_given: |chat| !chat.tools.is_empty(), clear: |chat| chat.tools.clear() },
    Typed {
        name: "tool_choice",
        is_given: |chat| chat.tool_choice.as_ref().is_some_and(|choice| *choice != ToolChoice::Auto),
        clear: |chat| chat.tool_choice = None,
    },
    Typed {
        name: "parallel_tool_calls",
        is_given: |chat| chat.parallel_tool_calls.is_some(),
        clear: |chat| chat.parallel_tool_calls = None,
    },
    Typed { name: "temperature", is_given: |chat| chat.temperature.is_some(), clear: |chat| chat.temperature = None },
    Typed { name: "top_p", is_given: |chat| chat.top_p.is_some(), clear: |chat| chat.top_p = None },
    Typed { name: "top_k", is_given: |chat| chat.top_k.is_some(), clear: |chat| chat.top_k = None },
    Typed {
        name: "frequency_penalty",
        is_given: |chat| chat.frequency_penalty.is_some(),
        clear: |chat| chat.frequency_penalty = None,
    },
    Typed {
        name: "presence_penalty",
        is_given: |chat| chat.presence_penalty.is_some(),
        clear: |chat| chat.presence_penalty = None,
    },
    Typed { name: "seed", is_given: |chat| chat.seed.is_some(), clear: |chat| chat.seed = None },
    Typed { name: "stop", is_given: |chat| !chat.stop.is_empty(), clear: |chat| chat.stop.clear() },
    Typed {
        name: "n",
        is_given: |chat| chat.choices.is_some_and(|count| count != 1),
        clear: |chat| chat.choices = None,
    },
    Typed { name: "reasoning_effort", is_given: |chat| chat.reasoning.is_some(), clear: |chat| chat.reasoning = None },
    Typed { name: "response_format", is_given: |chat| chat.format.is_some(), clear: |chat| chat.format = None },
    Typed { name: "user", is_given: |chat| chat.user.is_some(), clear: |chat| chat.user = None },
    Typed {
        name: "service_tier",
        is_given: |chat| chat.service_tier.is_some(),
        clear: |chat| chat.service_tier = None,
    },
];

/// Parameters without a meaning for any provider but OpenAI itself that change nothing of the answer: left out without a word.
const SILENT: [&str; 6] =
    ["store", "metadata", "stream_options", "prompt_cache_key", "safety_identifier", "prompt_cache_retention"];

/// The OpenAI parameters that a chat gives, by name.
pub fn given<'c>(chat: &'c Chat<'_>) -> Vec<&'c str> {
    let typed = TYPED.iter().filter(|typed| (typed.is_given)(chat)).map(|typed| typed.name);
    typed.chain(chat.others.iter().map(|(name, _)| &**name)).collect()
}

/// Holds what a chat gives against what a provider takes. Parameters on the `allowed` list are passed on as they are.
///
/// Answers the names of what was dropped.
///
/// # Errors
/// A parameter is not supported and shall be refused: a 400 that names it, in LiteLLM's words.
pub fn settle<'a>(
    chat: &mut Chat<'a>,
    supported: &[&str],
    allowed: &[&str],
    unsupported: Unsupported,
    provider: &str,
    model: &str,
) -> Result<Vec<String>, Fault> {
    let is_supported = |name: &str| supported.contains(&name);
    let is_allowed = |name: &str| allowed.contains(&name);
    let mut bad: Vec<String> = Vec::new();
    for typed in TYPED.iter().filter(|typed| (typed.is_given)(chat) && !is_supported(typed.name)).collect::<Vec<_>>() {
        if is_allowed(typed.name) {
            continue;
        }
        bad.push(typed.name.to_owned());
        if unsupported == Unsupported::Drop {
            (typed.clear)(chat);
        }
    }
    let mut others: Vec<(Str<'a>, Raw<'a>)> = Vec::with_capacity(chat.others.len());
    for (name, value) in std::mem::take(&mut chat.others) {
        match () {
            () if is_supported(&name) => others.push((name, value)),
            () if is_allowed(&name) => chat.extra.push((name, value)),
            () if SILENT.contains(&&*name) || value.get() == "null" => {}
            () => bad.push(name.to_string()),
        }
    }
    chat.others = others;
    if bad.is_empty() || unsupported == Unsupported::Drop {
        return Ok(bad);
    }
    Err(unsupported_params(bad, provider, model))
}

/// Members of other APIs than the one that a chat was written for, by name: it has no words for them, and who asked is told.
///
/// What steers the client's own side of an answer, or says what goes without saying, is not lost.
pub fn unspoken<'c>(chat: &'c Chat<'_>, written: Api) -> impl Iterator<Item = &'c str> {
    let is_lost = |name: &str, value: &str| match name {
        "include" | "stream_options" | "client_metadata" => false,
        "truncation" => value != "\"disabled\"",
        _ => true,
    };
    let others = chat.native.iter().filter(move |(api, ..)| *api != written);
    others.filter(move |(_, name, value)| is_lost(name, value.get())).map(|(_, name, _)| &**name)
}

/// The refusal of parameters that a provider does not take: a 400 that names them, in LiteLLM's words.
pub fn unsupported_params(mut bad: Vec<String>, provider: &str, model: &str) -> Fault {
    let list = bad.iter().map(|name| format!("'{name}'")).collect::<Vec<_>>().join(", ");
    let text = format!(
        "litellm.UnsupportedParamsError: {provider} does not support parameters: [{list}], for model={model}. \
         To drop these, set `litellm.drop_params=True` or for proxy:\n\n`litellm_settings:\n drop_params: true`\n. \
         If you want to use these params dynamically send allowed_openai_params=[{list}] in your request."
    );
    let fault = Fault::client(Kind::BadRequest, text);
    if bad.is_empty() { fault } else { fault.param(bad.swap_remove(0)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chat() -> Chat<'static> {
        let raw = |text| serde_json::from_str::<Raw<'static>>(text).unwrap();
        Chat {
            temperature: Some(raw("0.5")),
            choices: Some(2),
            others: vec![("logit_bias".into(), raw("{}")), ("store".into(), raw("true"))],
            ..Chat::default()
        }
    }

    #[test]
    fn what_is_not_taken_is_refused_by_name() {
        let fault = settle(&mut chat(), &["temperature"], &[], Unsupported::Refuse, "anthropic", "claude").unwrap_err();
        assert!(fault.public.contains("does not support parameters: ['n', 'logit_bias'], for model=claude"), "{fault}");
        assert_eq!(fault.param.as_deref(), Some("n"));
    }

    #[test]
    fn or_dropped_and_said() {
        let mut chat = chat();
        let dropped = settle(&mut chat, &["temperature"], &[], Unsupported::Drop, "anthropic", "claude").unwrap();
        assert_eq!(dropped, ["n", "logit_bias"]);
        assert_eq!(given(&chat), ["temperature"]);
    }

    #[test]
    fn members_of_other_apis_are_told_unless_nothing_is_lost_with_them() {
        let raw = |text| serde_json::from_str::<Raw<'static>>(text).unwrap();
        let native = vec![
            (Api::Gemini, "safetySettings".into(), raw("[]")),
            (Api::Anthropic, "container".into(), raw("\"c\"")),
            (Api::Responses, "include".into(), raw("[]")),
            (Api::Responses, "truncation".into(), raw("\"disabled\"")),
            (Api::Responses, "truncation".into(), raw("\"auto\"")),
        ];
        let chat = Chat { native, ..Chat::default() };
        assert_eq!(unspoken(&chat, Api::Anthropic).collect::<Vec<_>>(), ["safetySettings", "truncation"]);
    }

    #[test]
    fn or_forced() {
        let mut chat = chat();
        let allowed = ["n", "logit_bias"];
        settle(&mut chat, &["temperature"], &allowed, Unsupported::Refuse, "anthropic", "claude").unwrap();
        assert_eq!(chat.choices, Some(2));
        assert_eq!(&*chat.extra[0].0, "logit_bias");
    }
}
