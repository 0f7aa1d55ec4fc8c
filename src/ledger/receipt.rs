//! The one record of what an exchange used and cost.

use std::net::IpAddr;
use std::sync::Arc;

use smallvec::SmallVec;

use super::account::AccountId;
use crate::vocabulary::{KeyHash, Metered, ModelName, PicoUsd, ScopeKind};

/// Written once per exchange, whatever became of it: the sum of `cost` is what the accounts call spent.
#[derive(Clone, Debug)]
pub struct Receipt {
    /// The exchange's id (`x-litellm-call-id`): a store keeps one receipt for it, however often it is handed one.
    pub exchange: Arc<str>,
    /// The virtual key; None: the master key, or no limits at all.
    pub key: Option<KeyHash>,
    /// `key_alias`.
    pub key_alias: Option<Arc<str>>,
    /// The model as the client named it.
    pub model: Option<ModelName>,
    /// The group it was resolved to.
    pub group: Option<Arc<str>>,
    /// The deployment that answered, or was tried last.
    pub deployment: Option<Arc<str>>,
    /// Whom it was for; None where the key belongs to nobody and the request names nobody.
    pub behalf: Option<Arc<Behalf>>,
    /// Where it went: of the deployment that answered, or was tried last.
    pub upstream: Option<Arc<Upstream>>,
    /// How it was called and how it ended.
    pub manner: Manner,
    /// What was used, and how it is known.
    pub usage: Metered,
    /// What was charged.
    pub cost: PicoUsd,
    /// Part of `cost` beyond what was reserved.
    pub excess: PicoUsd,
    /// How it ended.
    pub outcome: Outcome,
    /// When the request arrived, Unix milliseconds.
    pub started_ms: i64,
    /// When it ended, Unix milliseconds.
    pub ended_ms: i64,
    /// The accounts that `cost` is booked on.
    pub booked: Bookings,
    /// Whether a note of the same exchange said all of this already.
    pub on_file: bool,
}

/// Whom an exchange was for, beside the key. Made once per exchange at most; sums are kept for each of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Behalf {
    /// The key's team.
    pub team: Option<Arc<str>>,
    /// The user whose key it is.
    pub user: Option<Arc<str>>,
    /// The organization of the key or its team.
    pub organization: Option<Arc<str>>,
    /// The end user whom the client named.
    pub customer: Option<Arc<str>>,
    /// Words that the key or the request counts under, each once.
    pub tags: Tags,
}

impl Behalf {
    /// Everybody there is in it.
    pub fn members(&self) -> impl Iterator<Item = (ScopeKind, &Arc<str>)> {
        let Self { team, user, organization, customer, tags } = self;
        let named = [
            team.as_ref().map(|id| (ScopeKind::Team, id)),
            user.as_ref().map(|id| (ScopeKind::User, id)),
            organization.as_ref().map(|id| (ScopeKind::Organization, id)),
            customer.as_ref().map(|id| (ScopeKind::Customer, id)),
        ];
        named.into_iter().flatten().chain(tags.iter().map(|tag| (ScopeKind::Tag, tag)))
    }

    /// To be shared by all exchanges that are for the same; None where there is nobody.
    pub fn shared(self) -> Option<Arc<Self>> {
        (self != Self::default()).then(|| Arc::new(self))
    }

    /// Adds a tag, once.
    pub fn tag(&mut self, tag: &str) {
        if !self.tags.iter().any(|known| **known == *tag) {
            self.tags.push(tag.into());
        }
    }
}

/// The tags of one exchange.
pub type Tags = SmallVec<[Arc<str>; 2]>;

/// Where an exchange went.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Upstream {
    /// The provider's name.
    pub provider: Arc<str>,
    /// What the provider calls the model.
    pub model: Arc<str>,
    /// Scheme and host.
    pub api_base: Arc<str>,
}

/// How an exchange was called, and how it ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Manner {
    /// Which call.
    pub call: CallType,
    /// The conversation it is part of, where the client says so.
    pub session: Option<Arc<str>>,
    /// Where the request came from.
    pub client_ip: Option<IpAddr>,
    /// When the client could begin to read, Unix milliseconds, as far as that is known.
    pub first_ms: Option<i64>,
    /// The status the client saw; zero: not known (yet).
    pub status: u16,
    /// What went wrong, in one word.
    pub error: Option<Arc<str>>,
    /// Part of the cost for what went in.
    pub input_cost: PicoUsd,
}

macro_rules! call_types {
    ($($call:ident = $code:literal, $name:literal;)*) => {
        /// Which call an exchange was, as LiteLLM names them.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
        pub enum CallType {
            /// Not known: written by a version that did not say.
            #[default]
            Unknown,
            $(#[doc = concat!("`", $name, "`")] $call,)*
        }

        impl CallType {
            /// Its name.
            pub const fn as_str(self) -> &'static str {
                match self { Self::Unknown => "", $(Self::$call => $name,)* }
            }

            /// Its number on file.
            pub const fn code(self) -> u8 {
                match self { Self::Unknown => 0, $(Self::$call => $code,)* }
            }

            /// The call of a number; a later version may know more.
            pub const fn of(code: u8) -> Self {
                match code { $($code => Self::$call,)* _ => Self::Unknown }
            }
        }
    };
}

call_types! {
    Chat = 1, "acompletion";
    Completion = 2, "atext_completion";
    Embedding = 3, "aembedding";
    Responses = 4, "aresponses";
    Messages = 5, "anthropic_messages";
    CountTokens = 6, "acount_tokens";
    GenerateContent = 7, "agenerate_content";
    GenerateContentStream = 8, "agenerate_content_stream";
    Rerank = 9, "arerank";
    Moderation = 10, "amoderation";
    ImageGeneration = 11, "aimage_generation";
    Speech = 12, "aspeech";
    Transcription = 13, "atranscription";
    Translation = 14, "atranslation";
    ImageEdit = 15, "aimage_edit";
    PassThrough = 16, "pass_through_endpoint";
}

/// In which window of which account an exchange is booked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Booking {
    /// The account.
    pub account: AccountId,
    /// The end of the window, Unix milliseconds; None: it never ends.
    pub resets_at_ms: Option<i64>,
}

/// The bookings of one exchange, in the order of the accounts.
pub type Bookings = SmallVec<[Booking; 4]>;

/// How an exchange ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// The whole answer was sent.
    Complete,
    /// The client left before the end.
    ClientGone,
    /// The answer broke off.
    Cut,
    /// The upstream, or we, failed before an answer began.
    Failed,
    /// It was not let through.
    Denied,
}
