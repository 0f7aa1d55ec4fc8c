//! The configuration as validated: plain values, every default applied, every reference resolved.
//!
//! [`super::load`] makes it from files; `exchange::World` builds the running state from it.

use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;

use super::identity::JwtAuth;
use super::making::Making;
use super::redis::Sharing;
use super::routing::Routing;
use crate::vocabulary::{BlockKind, KeyHash, ModelName, PicoUsd, Secret};

/// Everything the gateway was told.
#[derive(Clone, Debug)]
pub struct Settings {
    /// `general_settings.master_key`: full access, no limits.
    pub master_key: Option<Secret>,
    /// `virtual_keys`.
    pub virtual_keys: Vec<VirtualKey>,
    /// `model_list`, in file order.
    pub deployments: Vec<Deployment>,
    /// What stands behind the prefixes of providers (`/anthropic/...`): for each the first deployment with a credential, or
    /// what the environment says. Not among the models.
    pub pass_through: Vec<Deployment>,
    /// `general_settings.pass_through_endpoints`.
    pub pass_through_endpoints: Vec<PassThrough>,
    /// `router_settings.model_group_alias` and `litellm_settings.model_alias_map`.
    pub aliases: Vec<Alias>,
    /// `general_settings.background_health_checks` and `health_check_interval`: how often deployments are checked. None: when
    /// somebody asks.
    pub health_check_interval: Option<Duration>,
    /// Whether checks may pay for an answer: `general_settings.health_check_budget`, which is the budget of
    /// [`HEALTH_CHECK_TAG`] in [`Self::tag_budgets`].
    pub pays_for_checks: bool,
    /// `blocks`.
    pub blocks: Vec<BlockRule>,
    /// How a deployment is chosen, and what is tried after a failure.
    pub routing: Routing,
    /// `router_settings.num_retries`: how often a failed request is tried again in its group.
    pub num_retries: u32,
    /// Least wait before a retry (`router_settings.retry_after`).
    pub retry_after: Duration,
    /// `litellm_settings.drop_params`.
    pub drop_params: bool,
    /// Global budget (`litellm_settings.max_budget` in `budget_duration`).
    pub budget: Option<Budget>,
    /// `general_settings.apply_user_budget_to_team_keys`: a user's own budget and limits also bind keys of teams.
    pub user_budgets_on_team_keys: bool,
    /// `litellm_settings.max_end_user_budget`: for each customer without a budget of its own. Names a budget, or is one.
    pub customer_budget: Option<CustomerBudget>,
    /// Headers that name the customer (`general_settings.user_header_name`), lower case, beside LiteLLM's own.
    pub customer_header: Option<String>,
    /// `litellm_settings.tag_budget_config`: what may be spent under tags that have no budget on record.
    pub tag_budgets: Vec<(String, Budget)>,
    /// `litellm_settings.cost_discount_config`: by provider, or `provider/model`, the part that is taken off, of 10^12.
    pub cost_discounts: Vec<(String, PicoUsd)>,
    /// `litellm_settings.cost_margin_config`: by provider, or for all that have none of their own (`global`).
    pub cost_margins: Vec<(String, Margin)>,
    /// `litellm_settings.budget_exceeded_status_code`, 422 by default.
    pub budget_exceeded_status: u16,
    /// IANA name, `UTC` by default (`litellm_settings.timezone`): where budget windows begin.
    pub timezone: String,
    /// What to do when a model has no price.
    pub unknown_price: UnknownPrice,
    /// A price file in LiteLLM's format that overrides the built-in table (`litellm_settings.model_cost_map_url` with a path).
    pub price_file: Option<std::path::PathBuf>,
    /// `litellm_settings.require_auth_for_metrics_endpoint`. None: open to loopback, master key from elsewhere.
    pub metrics_auth: Option<bool>,
    /// An extra header that carries a virtual key (`general_settings.litellm_key_header_name`), lower case.
    pub key_header: Option<String>,
    /// `general_settings.admin_host` and `admin_port`: where the management API is, and there alone. None: where calls are.
    pub admin: Option<std::net::SocketAddr>,
    /// `general_settings.alerting`: who is told of budgets that come near their end.
    pub alerting: Option<Arc<Alerting>>,
    /// `general_settings.enable_jwt_auth` and `litellm_jwtauth`: tokens of an identity provider beside keys.
    pub jwt_auth: Option<Arc<JwtAuth>>,
    /// What new keys, users and teams begin with, and what keys may not go beyond.
    pub making: Arc<Making>,
    /// What outlives the process, and how. Read once, at the start.
    pub keeping: Keeping,
    /// `router_settings.redis_url`: how several nodes share limits and cooldowns; None: this node counts alone. Read once, at
    /// the start.
    pub sharing: Option<Arc<Sharing>>,
    /// Limits of the HTTP side.
    pub http: Http,
    /// Deadlines of every phase.
    pub deadlines: Deadlines,
    /// How upstreams are reached.
    pub upstream: Upstream,
}

/// One entry of `general_settings.pass_through_endpoints`.
#[derive(Clone, Debug)]
pub struct PassThrough {
    /// `path`, without a slash at its end.
    pub path: String,
    /// `include_subpath`.
    pub include_subpath: bool,
    /// `auth`: whether callers need a key.
    pub auth: bool,
    /// `cost_per_request`.
    pub cost: Option<PicoUsd>,
    /// `methods`, upper case. Empty allows all.
    pub methods: Vec<String>,
    /// `target` and `headers`, as a deployment that no name leads to.
    pub deployment: Deployment,
}

/// One entry of `model_list`.
#[derive(Clone, Debug)]
pub struct Deployment {
    /// `model_info.id`, or 64 hex digits made from name and parameters, stable over restarts.
    pub id: Arc<str>,
    /// `model_name`: the group, possibly with `*`.
    pub model_name: Arc<str>,
    /// The provider's row or folder, e.g. `openai`, `azure`, `groq`: the part of `litellm_params.model` before the first `/`,
    /// or `custom_llm_provider`, or guessed from the name.
    pub provider: Arc<str>,
    /// What the provider calls the model (possibly with `*`).
    pub model: Arc<str>,
    /// `api_key`, or the provider's usual environment variable.
    pub api_key: Option<Secret>,
    /// `api_base` / `base_url` as given, without a trailing `/`.
    pub api_base: Option<String>,
    /// `api_version` (Azure).
    pub api_version: Option<String>,
    /// `azure_ad_token`: bearer instead of `api-key`.
    pub azure_ad_token: Option<Secret>,
    /// What means something to this provider only (`aws_region_name`, `vertex_project` ...): name and value.
    pub vendor: Vec<(&'static str, Secret)>,
    /// `region_name`, `vertex_location` or `aws_region_name`: where the model runs.
    pub region: Option<String>,
    /// `organization`: sent as `OpenAI-Organization`.
    pub organization: Option<String>,
    /// `timeout`: whole answer, or first byte and gaps when streaming without `stream_timeout`.
    pub timeout: Option<Duration>,
    /// `stream_timeout`: first byte and gaps of a stream.
    pub stream_timeout: Option<Duration>,
    /// `num_retries` / `max_retries`.
    pub num_retries: Option<u32>,
    /// `rpm`.
    pub rpm: Option<u64>,
    /// `tpm`.
    pub tpm: Option<u64>,
    /// `max_parallel_requests`.
    pub max_parallel_requests: Option<u64>,
    /// `max_budget` and `budget_duration`: what may be spent there.
    pub budget: Option<Budget>,
    /// `weight`, in thousandths.
    pub weight_milli: Option<u64>,
    /// `order`: lower first.
    pub order: Option<i64>,
    /// `cooldown_time` of this deployment.
    pub cooldown_time: Option<Duration>,
    /// `tags`: which requests it is for, where tags are looked at.
    pub tags: Vec<String>,
    /// `extra_headers`: name and value; values may be credentials.
    pub extra_headers: Vec<(String, Secret)>,
    /// `extra_body`, as compact JSON members: key (unescaped) and value text.
    pub extra_body: Vec<(String, String)>,
    /// Request defaults (`temperature`, `max_tokens`, ...): key and JSON value text; the request wins.
    pub defaults: Vec<(String, String)>,
    /// `drop_params` of this deployment, over the global one.
    pub drop_params: Option<bool>,
    /// `additional_drop_params`: top-level names.
    pub additional_drop_params: Vec<String>,
    /// `allowed_openai_params`.
    pub allowed_openai_params: Vec<String>,
    /// `mock_response`: answered here, without an upstream.
    pub mock_response: Option<String>,
    /// `model_info.mode`.
    pub mode: Option<String>,
    /// `model_info.base_model`: the name to price by.
    pub base_model: Option<String>,
    /// Prices in `litellm_params` or `model_info`: LiteLLM field name and dollars per unit.
    pub prices: Vec<(String, PicoUsd)>,
    /// `model_info.max_input_tokens`.
    pub max_input_tokens: Option<u64>,
    /// `model_info.max_output_tokens`, or `max_tokens` there.
    pub max_output_tokens: Option<u64>,
    /// `model_info.access_groups`.
    pub access_groups: Vec<String>,
    /// `model_info.disable_background_health_check`, the other way round.
    pub health_check: bool,
    /// `model_info.health_check_model`: what a check asks that pays, where the model has a star.
    pub health_check_model: Option<String>,
    /// `model_info.health_check_timeout`.
    pub health_check_timeout: Option<Duration>,
    /// `ssl_verify` of this deployment.
    pub ssl_verify: Option<bool>,
    /// Protocol to the upstream: None lets TLS decide (ALPN) and speaks HTTP/1.1 in clear. `http_version`: "1.1" or "2".
    pub http2: Option<bool>,
    /// `file:line` of the entry, for messages.
    pub place: String,
}

impl Deployment {
    /// A model at a provider, and nothing else that is said of it; `model_name` is its id, too.
    pub fn of(model_name: &str, provider: &str, model: &str) -> Self {
        Self {
            id: model_name.into(),
            model_name: model_name.into(),
            provider: provider.into(),
            model: model.into(),
            api_key: None,
            api_base: None,
            api_version: None,
            azure_ad_token: None,
            vendor: Vec::new(),
            region: None,
            organization: None,
            timeout: None,
            stream_timeout: None,
            num_retries: None,
            rpm: None,
            tpm: None,
            max_parallel_requests: None,
            budget: None,
            weight_milli: None,
            order: None,
            cooldown_time: None,
            tags: Vec::new(),
            extra_headers: Vec::new(),
            extra_body: Vec::new(),
            defaults: Vec::new(),
            drop_params: None,
            additional_drop_params: Vec::new(),
            allowed_openai_params: Vec::new(),
            mock_response: None,
            mode: None,
            base_model: None,
            prices: Vec::new(),
            max_input_tokens: None,
            max_output_tokens: None,
            access_groups: Vec::new(),
            health_check: true,
            health_check_model: None,
            health_check_timeout: None,
            ssl_verify: None,
            http2: None,
            place: String::new(),
        }
    }

    /// A key that means something to this provider only, or the first of these environment variables that is not empty.
    pub fn vendor(&self, name: &str, variables: &[&str]) -> Option<Secret> {
        let given = self.vendor.iter().find(|(known, _)| *known == name).map(|(_, value)| value.clone());
        given.or_else(|| {
            let values = variables.iter().filter_map(|variable| std::env::var(variable).ok());
            values.map(Secret::new).find(|value| !value.expose().is_empty())
        })
    }
}

/// Another name for a model group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alias {
    /// The name clients use.
    pub alias: String,
    /// The group it stands for.
    pub target: String,
    /// Not listed in `/v1/models`.
    pub hidden: bool,
}

/// One entry of `virtual_keys`; fields are spelled as in `/key/generate`.
#[derive(Clone, Debug)]
pub struct VirtualKey {
    /// SHA-256 of the key: all that is kept.
    pub hash: KeyHash,
    /// The hash its account has, where that is another: of the key that it replaced.
    pub account: Option<KeyHash>,
    /// `sk-...` and the last four characters, where the key itself was given.
    pub shown: Option<String>,
    /// `key_alias`.
    pub alias: Option<String>,
    /// `models`: names, wildcards, access groups. Empty allows all.
    pub models: Vec<String>,
    /// `aliases`: this key's own names for models.
    pub aliases: Vec<(ModelName, ModelName)>,
    /// `rpm_limit`.
    pub rpm_limit: Option<u64>,
    /// `tpm_limit`.
    pub tpm_limit: Option<u64>,
    /// `max_parallel_requests`.
    pub max_parallel_requests: Option<u64>,
    /// `model_rpm_limit`.
    pub model_rpm_limit: Vec<(String, u64)>,
    /// `model_tpm_limit`.
    pub model_tpm_limit: Vec<(String, u64)>,
    /// `max_budget` and `budget_duration`.
    pub budget: Option<Budget>,
    /// `model_max_budget`: budgets for single models.
    pub model_budgets: Vec<(String, Budget)>,
    /// `soft_budget`: beyond it somebody is told.
    pub soft_budget: Option<PicoUsd>,
    /// `expires`, Unix milliseconds.
    pub expires_ms: Option<i64>,
    /// `blocked`.
    pub blocked: bool,
    /// `allowed_ips`. Empty allows all.
    pub allowed_ips: Vec<IpNet>,
    /// `allowed_model_region`: deployments elsewhere are not asked.
    pub region: Option<String>,
    /// `permissions.explain`: whether its requests may ask which way they went.
    pub may_explain: bool,
    /// `tags`.
    pub tags: Vec<String>,
    /// `metadata`, as JSON text.
    pub metadata: Option<String>,
    /// `file:line` of the entry, for messages.
    pub place: String,
}

/// One entry of `blocks`: something that is switched off.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlockRule {
    /// `kind`.
    pub kind: BlockKind,
    /// `name`: which.
    pub name: String,
    /// `message`: what clients are told.
    pub message: Option<String>,
    /// `reroute_to`: the group that takes the requests meanwhile.
    pub reroute_to: Option<ModelName>,
    /// `until`: when it is switched on by itself, Unix milliseconds.
    pub until_ms: Option<i64>,
}

/// `general_settings.alerting`.
#[derive(Clone, Debug)]
pub struct Alerting {
    /// Who is told.
    pub targets: Vec<AlertTarget>,
    /// `alerting_args.budget_alert_ttl`: how long nobody is told again of a budget that has no window.
    pub again_after: Duration,
}

/// Where alerts go.
#[derive(Clone, Debug)]
pub struct AlertTarget {
    /// In which form.
    pub to: AlertTo,
    /// `WEBHOOK_URL` or `SLACK_WEBHOOK_URL`: whoever knows it can write there.
    pub url: Secret,
}

/// The form of an alert.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AlertTo {
    /// JSON of its own.
    Webhook,
    /// A text for Slack.
    Slack,
}

/// The tag under which checks that pay for an answer are recorded.
pub const HEALTH_CHECK_TAG: &str = "litellm-internal-health-check";

/// An amount that may be spent in a window.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Budget {
    /// `max_budget`.
    pub max: PicoUsd,
    /// `budget_duration` as typed (`30d`, `1mo`, `monthly` ...); None: for ever.
    pub duration: Option<String>,
}

/// What is put on what a provider charges.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Margin {
    /// A part of it, of 10^12.
    pub part: PicoUsd,
    /// An amount for each request.
    pub fixed: PicoUsd,
}

/// `litellm_settings.max_end_user_budget` and `max_end_user_budget_id`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CustomerBudget {
    /// Dollars, for ever.
    Dollars(PicoUsd),
    /// The id of a shared budget.
    Shared(String),
}

/// `unknown_price`: zero and flagged (LiteLLM's way), or refused (`block_requests_for_models_without_pricing`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum UnknownPrice {
    /// Cost zero, flagged in log, header and metric.
    #[default]
    Zero,
    /// The request is refused before it is sent.
    Refuse,
}

/// What outlives the process, and how.
#[derive(Clone, Debug, Default)]
pub struct Keeping {
    /// `general_settings.data_dir`. None, without a database: nothing does.
    pub data_dir: Option<std::path::PathBuf>,
    /// `general_settings.database_url`. None: what outlives the process is in `data_dir`.
    pub database_url: Option<Secret>,
    /// `general_settings.spend_durability`.
    pub durability: SpendDurability,
    /// `general_settings.maximum_spend_logs_retention_period`. None: for ever.
    pub retention: Option<Duration>,
}

/// `spend_durability`: what is promised of spend once the client has the end of its answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SpendDurability {
    /// It survives the end of the process, however it ends.
    #[default]
    Strict,
    /// It may be lost if the process is killed within the next instants.
    Relaxed,
}

/// Limits of the HTTP side.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Http {
    /// Largest request body (`general_settings.max_request_size_mb`; 32 MiB).
    pub body_bytes_max: usize,
    /// Largest JSON answer that is held to be rewritten (64 MiB).
    pub reply_bytes_max: usize,
    /// All request bodies held at once (1 GiB); beyond it 503.
    pub held_bytes_max: usize,
    /// Client connections at once (20 000); beyond it they are closed.
    pub connections_max: usize,
    /// Client connections from one address (no limit by default).
    pub connections_per_ip_max: Option<usize>,
    /// Requests on one kept-alive connection (1000... 100 000).
    pub requests_per_connection_max: u32,
    /// Trust `x-forwarded-for` for `allowed_ips` (`general_settings.use_x_forwarded_for`).
    pub use_x_forwarded_for: bool,
    /// Pages that may call from a browser (`general_settings.cors_allow_origins`); None: all, if there are keys.
    pub cors_origins: Option<Vec<String>>,
}

/// How long each phase may take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deadlines {
    /// From a connection's first byte to the end of the request head (10 s).
    pub header: Duration,
    /// An idle kept-alive client connection (75 s).
    pub keepalive: Duration,
    /// The whole request body (60 s), and no slower than `body_rate_min`.
    pub body: Duration,
    /// Connection and TLS handshake with an upstream (10 s).
    pub connect: Duration,
    /// From the request sent to the first byte of the answer (`request_timeout`, 600 s).
    pub first_byte: Duration,
    /// Between two events of a stream (`stream_timeout`, 60 s... 300 s).
    pub idle: Duration,
    /// A whole exchange (`timeout`, 6000 s as LiteLLM's `request_timeout`).
    pub total: Duration,
    /// A whole stream (6000 s): `timeout` bounds a stream's gaps, as LiteLLM's does, not its length.
    pub stream: Duration,
    /// One write to a client that does not read (60 s).
    pub write: Duration,
    /// After SIGTERM: how long open exchanges may go on (30 s).
    pub drain: Duration,
}

/// How upstreams are reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upstream {
    /// `litellm_settings.ssl_verify`: true, or false (said loudly).
    pub tls_verify: bool,
    /// An extra CA bundle beside the system's roots (`ssl_verify: path`, `SSL_CERT_FILE`).
    pub ca_file: Option<std::path::PathBuf>,
    /// Connections kept alive per pool (512).
    pub pool_size: usize,
    /// How long an idle upstream connection is kept (55 s).
    pub pool_idle: Duration,
    /// How often names are resolved again (30 s).
    pub dns_refresh: Duration,
    /// `litellm_settings.force_ipv4`.
    pub force_ipv4: bool,
    /// HTTP/2 streams on one upstream connection (100).
    pub h2_streams_max: usize,
}
