//! How a deployment is chosen, what is tried after a failure, and when a deployment is set aside.

use std::sync::Arc;
use std::time::Duration;

use super::settings::Budget;

/// What providers' failures are called in `retry_policy` and `allowed_fails_policy`, LiteLLM's exceptions.
pub const EXCEPTIONS: [&str; 9] = [
    "BadRequestError",
    "AuthenticationError",
    "TimeoutError",
    "RateLimitError",
    "ContentPolicyViolationError",
    "InternalServerError",
    "ServiceUnavailableError",
    "BadGatewayError",
    "NotFoundError",
];

/// A number for some of the [`EXCEPTIONS`], in their order.
pub type PerException = [Option<u32>; EXCEPTIONS.len()];

/// `router_settings`, and what of `litellm_settings` means the same.
#[derive(Clone, Debug, Default)]
pub struct Routing {
    /// `routing_strategy`.
    pub strategy: Strategy,
    /// `routing_strategy_args.lowest_latency_buffer`, in thousandths.
    pub latency_buffer_milli: u64,
    /// `fallbacks`; `default_fallbacks` stand under `*`.
    pub fallbacks: Vec<Fallback>,
    /// `context_window_fallbacks`.
    pub context_window_fallbacks: Vec<Fallback>,
    /// `content_policy_fallbacks`.
    pub content_policy_fallbacks: Vec<Fallback>,
    /// `max_fallbacks`: groups that are gone on to for one request.
    pub max_fallbacks: u32,
    /// `retry_policy`.
    pub retry_policy: RetryPolicy,
    /// `model_group_retry_policy`.
    pub group_retry_policies: Vec<(String, RetryPolicy)>,
    /// `retry_budget_percent`: retries for each hundred requests of the last ten seconds.
    pub retry_budget_percent: u32,
    /// `retry_budget_floor`: retries in ten seconds that are allowed however little traffic there is.
    pub retry_budget_floor: u32,
    /// `hedge`: when a second deployment is asked beside one that does not answer.
    pub hedge: Option<Hedge>,
    /// `enable_pre_call_checks`.
    pub pre_call_checks: bool,
    /// `enable_tag_filtering`.
    pub tag_filtering: bool,
    /// `tag_filtering_match_any`: one tag in common is enough.
    pub tags_match_any: bool,
    /// `optional_pre_call_checks`.
    pub affinity: Affinity,
    /// `model_group_affinity_config`: the same for single groups.
    pub group_affinity: Vec<(String, Affinity)>,
    /// `provider_budget_config`: what may be spent at a provider.
    pub provider_budgets: Vec<(String, Budget)>,
    /// When a deployment is set aside.
    pub cooling: Cooling,
}

/// `hedge`: when a second deployment is asked while the first has not begun to answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hedge {
    /// `percentile`, in thousandths: so many answers of the first deployment began sooner.
    pub percentile_milli: u64,
    /// `min_ms`: no sooner than this.
    pub min: Duration,
    /// `max_percent`: second attempts for each hundred requests of the last ten seconds.
    pub max_percent: u32,
}

impl Hedge {
    /// The names of its members.
    pub const NAMES: [&str; 3] = ["percentile", "min_ms", "max_percent"];
    /// The longest `min_ms`: an hour.
    pub const MIN_MS_MAX: u64 = 3_600_000;
    /// The most `max_percent`: every request.
    pub const PERCENT_MAX: u64 = 100;
}

impl Default for Hedge {
    fn default() -> Self {
        Self { percentile_milli: 950, min: Duration::from_millis(100), max_percent: 5 }
    }
}

/// What keeps requests at one deployment, as long as it is well and has room.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Affinity {
    /// `session_affinity`: the same session.
    pub session: bool,
    /// `prompt_caching`: the same long beginning.
    pub prompt: bool,
    /// `deployment_affinity`: the same key.
    pub key: bool,
}

impl Affinity {
    /// The names that have an effect.
    pub const NAMES: [&str; 3] = ["prompt_caching", "session_affinity", "deployment_affinity"];
    /// Names of LiteLLM's that have none here.
    pub const FOREIGN: [&str; 5] = [
        "router_budget_limiting",
        "responses_api_deployment_check",
        "forward_client_headers_by_model_group",
        "enforce_model_rate_limits",
        "encrypted_content_affinity",
    ];

    /// What a list of names switches on.
    pub fn of(names: &[String]) -> Self {
        let has = |name: &str| names.iter().any(|known| known == name);
        Self { prompt: has("prompt_caching"), session: has("session_affinity"), key: has("deployment_affinity") }
    }

    /// Whether nothing is switched on.
    pub fn is_none(self) -> bool {
        self == Self::default()
    }
}

/// `routing_strategy`: how one of several deployments is chosen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Strategy {
    /// At random by weight.
    #[default]
    Shuffle,
    /// The fewest open requests.
    LeastBusy,
    /// The fewest tokens in the current minute.
    Usage,
    /// The quickest: to the first content of streams, to the end of other answers.
    Latency,
    /// The lowest price per token.
    Cost,
    /// The better of two at random, by open requests and latency.
    PowerOfTwo,
}

impl Strategy {
    /// All names and what they mean.
    pub const NAMES: [(&str, Self); 7] = [
        ("simple-shuffle", Self::Shuffle),
        ("least-busy", Self::LeastBusy),
        ("usage-based-routing", Self::Usage),
        ("usage-based-routing-v2", Self::Usage),
        ("latency-based-routing", Self::Latency),
        ("cost-based-routing", Self::Cost),
        ("power-of-two", Self::PowerOfTwo),
    ];

    /// The strategy of this name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::NAMES.iter().find(|(known, _)| *known == name).map(|(_, strategy)| *strategy)
    }
}

/// Where requests for a group go on when it failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fallback {
    /// The group, or `*` for all.
    pub group: String,
    /// Names to go on to, in order.
    pub to: Vec<Arc<str>>,
}

/// `retry_policy`: how often a failure of each kind is tried again, whatever `num_retries` says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RetryPolicy {
    /// `BadRequestErrorRetries` and so on.
    pub retries: PerException,
    /// `DefaultRetries`.
    pub default: Option<u32>,
}

/// When a deployment is set aside, and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cooling {
    /// `disable_cooldowns`.
    pub disabled: bool,
    /// `cooldown_time`.
    pub time: Duration,
    /// `allowed_fails`: failures in a minute beyond which a deployment is set aside. None: by cause and rate.
    pub allowed_fails: Option<u32>,
    /// `allowed_fails_policy`, over `allowed_fails`.
    pub policy: PerException,
}

impl Default for Cooling {
    fn default() -> Self {
        Self { disabled: false, time: Duration::from_secs(5), allowed_fails: None, policy: PerException::default() }
    }
}
