//! Facts worth a line and a count. Emitting one does both; there are no other log calls.

use std::net::IpAddr;
use std::time::Duration;

use crate::vocabulary::{Kind, Metered, PicoUsd};

use super::handles::Handles;
use super::labels::{KeyLabel, Target};

/// What [`super::Telemetry::emit`] takes. Texts may be hostile: they are capped and escaped where they are shown, and
/// none of them ever becomes a label.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::large_enum_variant, reason = "an event lives on the stack and is lent once")]
pub enum Event<'a> {
    /// The gateway accepts connections.
    Started(Started<'a>),
    /// An exchange ended, however it ended. Exactly one per exchange.
    ExchangeClosed(ExchangeClosed<'a>),
    /// One attempt at a deployment failed before the client was answered, whether or not another follows.
    /// A stream that broke off later is counted by the outcome of [`ExchangeClosed`], not here.
    AttemptFailed(AttemptFailed<'a>),
    /// One of two attempts that ran at once was cancelled because the other answered, or nobody waits any more.
    AttemptLost(AttemptLost<'a>),
    /// A request that went on to another model group ended.
    FellBack(FellBack<'a>),
    /// A deployment was set aside.
    CooledDown(CooledDown<'a>),
    /// A connection was refused or cut before there was an exchange.
    ConnectionRefused(ConnectionRefused),
    /// A new configuration was taken, or was not.
    Reloaded(Reloaded<'a>),
    /// A remark of the configuration's: a key without effect, a doubtful value.
    ConfigRemark(ConfigRemark<'a>),
    /// A task panicked. Place is `file:line`; the message is not shown, it may hold what a client sent.
    Panicked(&'a str),
    /// Something the operator must see to, such as a file that cannot be written.
    Trouble(Trouble<'a>),
    /// A fact about what outlives the process.
    Kept(&'a str),
    /// What became of an alert about a budget.
    Alerted(AlertOutcome),
    /// No new exchanges are taken; this many are open.
    Draining(u64),
    /// The process ends; this many exchanges were cut.
    Stopped(u64),
}

/// See [`Event::Alerted`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AlertOutcome {
    /// The receiver took it.
    Delivered,
    /// The receiver did not take it, however often it was tried.
    Failed,
    /// Too many waited.
    Dropped,
}

impl AlertOutcome {
    /// All of them, in the order of [`Self::index`].
    pub const ALL: [Self; 3] = [Self::Delivered, Self::Failed, Self::Dropped];

    /// Its label.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Delivered => "delivered",
            Self::Failed => "failed",
            Self::Dropped => "dropped",
        }
    }

    pub(super) const fn index(self) -> usize {
        self as usize
    }
}

/// See [`Event::Started`].
#[derive(Clone, Copy, Debug)]
pub struct Started<'a> {
    /// Addresses that are listened on.
    pub listen: &'a [String],
    /// The configuration that is served.
    pub handles: &'a Handles,
}

/// See [`Event::ExchangeClosed`].
#[derive(Clone, Copy, Debug)]
pub struct ExchangeClosed<'a> {
    /// Labels and counters of the configuration the exchange ran under.
    pub handles: &'a Handles,
    /// Ours, unique.
    pub exchange_id: &'a str,
    /// The client's `x-request-id`, or the like.
    pub request_id: Option<&'a str>,
    /// When the head arrived, Unix milliseconds.
    pub started_ms: i64,
    /// Who asked.
    pub key: KeyLabel,
    /// What the client called the model; shown in the log only.
    pub model_requested: Option<&'a str>,
    /// How far routing came: a deployment (the last one tried), a group, or nothing.
    pub target: Target,
    /// Which route.
    pub endpoint: Endpoint,
    /// Whether the answer was, or was to be, a stream.
    pub stream: bool,
    /// The status the client saw (499 where it saw none).
    pub status: u16,
    /// How it ended.
    pub outcome: Outcome,
    /// Attempts at deployments, zero if refused before.
    pub attempts: u32,
    /// The failure, if it failed.
    pub fault: Option<Kind>,
    /// Tokens.
    pub usage: Metered,
    /// What was charged.
    pub cost: PicoUsd,
    /// The part of it for an attempt that was cancelled because another answered.
    pub lost: PicoUsd,
    /// Whether there was a price; without one the cost is zero and flagged.
    pub price_known: bool,
    /// Whether the last deployment was the one that the request's session, prompt or key leads to; None where none does.
    pub at_home: Option<bool>,
    /// From the head to the end.
    pub t_total: Duration,
    /// From the last dispatch to the end of the upstream's answer.
    pub t_upstream: Option<Duration>,
    /// From the head to the first byte of content for the client.
    pub t_first_byte: Option<Duration>,
    /// Our own part of the time.
    pub t_overhead: Duration,
    /// Body bytes from the client.
    pub bytes_in: u64,
    /// Body bytes to the client.
    pub bytes_out: u64,
    /// The client's address.
    pub client_ip: Option<IpAddr>,
}

/// See [`Event::AttemptFailed`].
#[derive(Clone, Copy, Debug)]
pub struct AttemptFailed<'a> {
    /// Labels and counters of the configuration the exchange ran under.
    pub handles: &'a Handles,
    /// The exchange.
    pub exchange_id: &'a str,
    /// The deployment that failed.
    pub target: Target,
    /// Which attempt, from 1.
    pub attempt: u32,
    /// What went wrong.
    pub kind: Kind,
    /// A word more, from a fixed list of ours.
    pub reason: Option<&'static str>,
    /// How long the attempt took.
    pub elapsed: Duration,
}

/// See [`Event::AttemptLost`].
#[derive(Clone, Copy, Debug)]
pub struct AttemptLost<'a> {
    /// Labels and counters of the configuration the exchange ran under.
    pub handles: &'a Handles,
    /// The exchange.
    pub exchange_id: &'a str,
    /// The deployment that was not waited for.
    pub target: Target,
    /// What it is charged.
    pub cost: PicoUsd,
    /// How long it was waited for.
    pub elapsed: Duration,
}

/// See [`Event::FellBack`].
#[derive(Clone, Copy, Debug)]
pub struct FellBack<'a> {
    /// Labels and counters of the configuration.
    pub handles: &'a Handles,
    /// The exchange.
    pub exchange_id: &'a str,
    /// The deployment tried last.
    pub target: Target,
    /// How many groups beyond the first were tried.
    pub fallbacks: u32,
    /// Whether the last one answered.
    pub answered: bool,
}

/// See [`Event::CooledDown`].
#[derive(Clone, Copy, Debug)]
pub struct CooledDown<'a> {
    /// Labels and counters of the configuration.
    pub handles: &'a Handles,
    /// The deployment.
    pub target: Target,
    /// LiteLLM's name for what it failed by.
    pub exception: &'static str,
    /// The status that stands for.
    pub status: u16,
    /// For how long.
    pub time: Duration,
    /// Somebody must see to it: time alone will not mend it.
    pub lasting: bool,
}

/// See [`Event::ConnectionRefused`].
#[derive(Clone, Copy, Debug)]
pub struct ConnectionRefused {
    /// Why.
    pub reason: Refusal,
    /// The client's address.
    pub client_ip: Option<IpAddr>,
}

/// See [`Event::Reloaded`].
#[derive(Clone, Copy, Debug)]
pub struct Reloaded<'a> {
    /// Counts configurations that were taken, from 1.
    pub generation: u64,
    /// None: the new one is served. Otherwise why the old one stays.
    pub refused: Option<&'a str>,
}

/// See [`Event::ConfigRemark`].
#[derive(Clone, Copy, Debug)]
pub struct ConfigRemark<'a> {
    /// `file:line`.
    pub place: &'a str,
    /// The remark.
    pub text: &'a str,
}

/// See [`Event::Trouble`].
#[derive(Clone, Copy, Debug)]
pub struct Trouble<'a> {
    /// The part that is in trouble, e.g. `journal`.
    pub subject: &'static str,
    /// What happened.
    pub cause: &'a str,
}

macro_rules! named {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $text:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum $name { $($(#[$vdoc])* $variant),+ }

        impl $name {
            /// All of them, in order of declaration.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The word in logs and labels.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text),+ }
            }

            pub(super) const fn index(self) -> usize {
                self as usize
            }
        }
    };
}

named! {
    /// The routes as labels know them.
    Endpoint {
        /// `/v1/chat/completions`.
        ChatCompletions = "/v1/chat/completions",
        /// `/v1/completions`.
        Completions = "/v1/completions",
        /// `/v1/embeddings`.
        Embeddings = "/v1/embeddings",
        /// `/v1/responses`.
        Responses = "/v1/responses",
        /// `/v1/messages`.
        Messages = "/v1/messages",
        /// `/v1/messages/count_tokens` and Gemini's `countTokens`.
        CountTokens = "/v1/messages/count_tokens",
        /// Gemini's `generateContent`, streamed or not.
        GenerateContent = "/v1beta/models/generateContent",
        /// `/v1/rerank`.
        Rerank = "/v1/rerank",
        /// `/v1/moderations`.
        Moderations = "/v1/moderations",
        /// `/v1/images/generations`.
        ImageGenerations = "/v1/images/generations",
        /// `/v1/audio/speech`.
        Speech = "/v1/audio/speech",
        /// `/v1/audio/transcriptions` and `/v1/audio/translations`.
        Transcriptions = "/v1/audio/transcriptions",
        /// `/v1/images/edits`.
        ImageEdits = "/v1/images/edits",
        /// What is passed on to a provider as it is.
        PassThrough = "pass_through",
        /// `/v1/models` and a model of it.
        Models = "/v1/models",
        /// What the gateway tells about itself: health, metrics, key and model information.
        Admin = "admin",
        /// No route of ours.
        Other = "other",
    }
}

named! {
    /// How an exchange ended.
    Outcome {
        /// The whole answer was delivered.
        Complete = "complete",
        /// Refused by us because of the request, its key or a limit.
        Refused = "refused",
        /// The provider failed, or refused, and no other attempt was left.
        UpstreamFailed = "upstream_failed",
        /// The client went away first.
        ClientGone = "client_gone",
        /// The provider's answer broke off after the client had seen some of it.
        UpstreamCut = "upstream_cut",
        /// The provider's answer stopped flowing after the client had seen some of it.
        Stalled = "stalled",
        /// We are stopping.
        ShuttingDown = "shutting_down",
        /// A fault of ours.
        Internal = "internal",
    }
}

named! {
    /// Why there was no exchange.
    Refusal {
        /// The head did not arrive in time.
        SlowHead = "slow_head",
        /// The body did not arrive in time.
        SlowBody = "slow_body",
        /// The client did not read in time.
        SlowReader = "slow_reader",
        /// Too many connections.
        ConnectionLimit = "connection_limit",
        /// Too many connections from one address.
        AddressLimit = "address_limit",
        /// Doubtful framing.
        Framing = "framing",
        /// The TLS handshake failed.
        Tls = "tls",
    }
}
