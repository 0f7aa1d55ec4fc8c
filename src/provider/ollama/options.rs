//! `options`: what Ollama calls the parameters of a model.

use serde::Serialize;

use crate::chat::{Chat, Raw, Str};
use crate::provider::members::Members;
use crate::vocabulary::{Fault, Kind};

/// The parameters.
#[derive(Serialize)]
pub(super) struct Options<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    num_predict: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    temperature: Option<Raw<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    top_p: Option<Raw<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    top_k: Option<Raw<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    seed: Option<Raw<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    frequency_penalty: Option<Raw<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    presence_penalty: Option<Raw<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    stop: Vec<&'a str>,
    #[serde(flatten)]
    more: Members<'a>,
}

/// Parameters that a client may give at the top, as to LiteLLM, and that Ollama wants in `options`.
const NAMES: [&str; 26] = [
    "num_ctx",
    "num_predict",
    "num_batch",
    "num_gpu",
    "num_keep",
    "num_thread",
    "main_gpu",
    "low_vram",
    "numa",
    "f16_kv",
    "logits_all",
    "vocab_only",
    "use_mmap",
    "use_mlock",
    "embedding_only",
    "tfs_z",
    "typical_p",
    "min_p",
    "top_k",
    "repeat_last_n",
    "repeat_penalty",
    "mirostat",
    "mirostat_tau",
    "mirostat_eta",
    "penalize_newline",
    "draft_num_predict",
];

impl<'a> Options<'a> {
    /// Those of a chat, with what stands in `options` of the request's own.
    pub(super) fn of(chat: &'a Chat<'_>, own: Members<'a>) -> Self {
        let mut options = Self {
            num_predict: chat.max_tokens,
            temperature: chat.temperature,
            top_p: chat.top_p,
            top_k: chat.top_k,
            seed: chat.seed,
            frequency_penalty: chat.frequency_penalty,
            presence_penalty: chat.presence_penalty,
            stop: chat.stop.iter().map(|stop| &**stop).collect(),
            more: Members::default(),
        };
        options.more = Members(own.0.into_iter().filter(|(name, _)| !options.has(name)).collect());
        options
    }

    /// Whether there is nothing to say.
    pub(super) fn is_empty(&self) -> bool {
        self.num_predict.is_none() && self.stop.is_empty() && self.more.0.is_empty() && {
            let raws =
                [self.temperature, self.top_p, self.top_k, self.seed, self.frequency_penalty, self.presence_penalty];
            raws.iter().all(Option::is_none)
        }
    }

    fn has(&self, name: &str) -> bool {
        match name {
            "num_predict" => self.num_predict.is_some(),
            "temperature" => self.temperature.is_some(),
            "top_p" => self.top_p.is_some(),
            "top_k" => self.top_k.is_some(),
            "seed" => self.seed.is_some(),
            "frequency_penalty" => self.frequency_penalty.is_some(),
            "presence_penalty" => self.presence_penalty.is_some(),
            "stop" => !self.stop.is_empty(),
            _ => false,
        }
    }
}

/// Takes what belongs into `options` out of a request's own members: an object of that name, and options at the top.
///
/// # Errors
/// `options` is no object.
pub(super) fn take<'a>(members: &mut Vec<(Str<'a>, Raw<'a>)>) -> Result<Members<'a>, Fault> {
    let mut own: Vec<(Str<'a>, Raw<'a>)> = Vec::new();
    let mut others = Vec::with_capacity(members.len());
    for (name, value) in members.drain(..) {
        if name == "options" {
            let Members(given) = serde_json::from_str::<Option<Members<'a>>>(value.get())
                .map_err(|_| Fault::client(Kind::BadRequest, "'options' must be an object").param("options"))?
                .unwrap_or_default();
            own.extend(given);
        } else if NAMES.contains(&&*name) {
            own.push((name, value));
        } else {
            others.push((name, value));
        }
    }
    *members = others;
    let mut once: Vec<(Str<'a>, Raw<'a>)> = Vec::with_capacity(own.len());
    for (name, value) in own {
        if once.iter().all(|(known, _)| *known != name) {
            once.push((name, value));
        }
    }
    Ok(Members(once))
}
