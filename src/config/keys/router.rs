//! The keys of `router_settings`.

use crate::config::kind::Kind;
use crate::config::table::Key;

const TIMEOUT: Kind = Kind::Seconds { zero: false, max: 604_800 };

pub(super) const KEYS: &[Key] = &[
    Key::new(
        "router_settings.routing_strategy",
        Kind::Strategy,
        "simple-shuffle",
        "How a deployment is chosen within its group: simple-shuffle (by weight), least-busy, usage-based-routing-v2, \
         latency-based-routing, cost-based-routing or power-of-two (the better of two, for equal deployments).",
        "simple-shuffle",
    ),
    Key::new(
        "router_settings.routing_strategy_args",
        Kind::Object,
        "{lowest_latency_buffer: 0}",
        "Of latency-based-routing: deployments slower than the quickest by no more than this share are chosen alike.",
        "{lowest_latency_buffer: 0.1}",
    ),
    Key::new(
        "router_settings.num_retries",
        Kind::Count { min: 0, max: 100 },
        "2",
        "How often a failed request is tried again.",
        "2",
    ),
    Key::new(
        "router_settings.retry_after",
        Kind::Seconds { zero: true, max: 3600 },
        "0",
        "The least wait before a retry.",
        "0",
    ),
    Key::new(
        "router_settings.timeout",
        TIMEOUT,
        "litellm_settings.request_timeout",
        "How long a provider may take, to the first byte and in all.",
        "600",
    ),
    Key::new(
        "router_settings.retry_policy",
        Kind::Exceptions("Retries"),
        "num_retries, for failures that trying again can mend",
        "How often each kind of failure is tried again, whatever num_retries says.",
        "{RateLimitErrorRetries: 3, BadRequestErrorRetries: 0}",
    ),
    Key::new(
        "router_settings.model_group_retry_policy",
        Kind::ExceptionsOf("Retries"),
        "retry_policy",
        "The same for single model groups.",
        "{example-chat: {TimeoutErrorRetries: 1}}",
    ),
    Key::new(
        "router_settings.retry_budget_percent",
        Kind::Count { min: 0, max: 10_000 },
        "10",
        "Retries within a group for each hundred requests of the last ten seconds, over all groups: beyond it a failure \
         goes to fallbacks or to the client at once. Fallbacks do not count.",
        "10",
    ),
    Key::new(
        "router_settings.retry_budget_floor",
        Kind::Count { min: 0, max: 1_000_000 },
        "100",
        "Retries in ten seconds that are allowed however little traffic there is.",
        "100",
    ),
    Key::new(
        "router_settings.hedge",
        Kind::Hedge,
        "none",
        "Ask a second deployment of the group when the first has not begun to answer within the time in which this share \
         of its answers began (percentile, of the last thousand or so; 20 are needed), and no sooner than min_ms. Who \
         answers first is taken, the other is cancelled, and both are paid for: both are reserved, or nobody else is \
         asked. At most max_percent of the requests of the last ten seconds, within the retry budget, once a request. For \
         chats, completions, embeddings and rerank; not for responses, which are kept at their provider, images, sound, \
         files, and deployments with a budget of their own or `http2: true`.",
        "{percentile: 0.95, min_ms: 100, max_percent: 5}",
    ),
    Key::new(
        "router_settings.fallbacks",
        Kind::Fallbacks,
        "none",
        "Where requests for a model group go on when it failed for good, in order; `*` stands for all groups.",
        "[{example-latest: [example-chat]}]",
    ),
    Key::new(
        "router_settings.default_fallbacks",
        Kind::Names,
        "none",
        "Where requests for groups without fallbacks of their own go on.",
        "[example-chat]",
    ),
    Key::new(
        "router_settings.context_window_fallbacks",
        Kind::Fallbacks,
        "fallbacks",
        "Where requests go on that are too long for the model.",
        "[{example-latest: [example-chat]}]",
    ),
    Key::new(
        "router_settings.content_policy_fallbacks",
        Kind::Fallbacks,
        "fallbacks",
        "Where requests go on that the provider's content policy refused.",
        "[{example-latest: [example-chat]}]",
    ),
    Key::new(
        "router_settings.max_fallbacks",
        Kind::Count { min: 0, max: 100 },
        "5",
        "How many model groups one request may go on to.",
        "5",
    ),
    Key::new(
        "router_settings.allowed_fails",
        Kind::Count { min: 0, max: 1_000_000 },
        "by cause and error rate",
        "Failures in a minute beyond which a deployment is set aside; without it 401, 403, 404 and 429 do so at once, \
         and other failures when they are more than half of at least five.",
        "3",
    ),
    Key::new(
        "router_settings.allowed_fails_policy",
        Kind::Exceptions("AllowedFails"),
        "allowed_fails",
        "The same for single kinds of failures.",
        "{InternalServerErrorAllowedFails: 20}",
    ),
    Key::new(
        "router_settings.cooldown_time",
        Kind::Seconds { zero: true, max: 604_800 },
        "5",
        "How long a deployment is set aside, where the provider does not say; the last one of a group never is.",
        "5",
    ),
    Key::new("router_settings.disable_cooldowns", Kind::Bool, "false", "Set no deployment aside.", "false"),
    Key::new(
        "router_settings.provider_budget_config",
        Kind::Budgets,
        "no limit",
        "What may be spent at a provider; then deployments of others are asked.",
        "{openai: {budget_limit: 500.00, time_period: 1d}}",
    ),
    Key::new(
        "router_settings.enable_pre_call_checks",
        Kind::Bool,
        "false",
        "Leave out deployments whose context window is too small for the request. Regions and limits hold without it.",
        "true",
    ),
    Key::new(
        "router_settings.optional_pre_call_checks",
        Kind::Checks,
        "none",
        "Keep requests at one deployment while it is well and has no more than one and a half times its share of the open requests: \
         session_affinity those of a session (`x-litellm-session-id`, `litellm_session_id`, metadata.session_id), \
         prompt_caching those with the same long beginning (of 4 KiB or more) or prompt_cache_key, deployment_affinity \
         those of a key.",
        "[session_affinity, prompt_caching]",
    ),
    Key::new(
        "router_settings.model_group_affinity_config",
        Kind::ChecksOf,
        "optional_pre_call_checks",
        "The same for single model groups.",
        "{example-chat: [prompt_caching]}",
    ),
    Key::new(
        "router_settings.enable_tag_filtering",
        Kind::Bool,
        "false",
        "Choose among deployments with the tags of the request, else among those with the tag `default`.",
        "true",
    ),
    Key::new(
        "router_settings.tag_filtering_match_any",
        Kind::Bool,
        "true",
        "One tag in common is enough, instead of all of the request's.",
        "true",
    ),
    Key::new("router_settings.stream_timeout", TIMEOUT, "300", "How long a stream may be silent.", "60"),
    Key::new(
        "router_settings.model_group_alias",
        Kind::Aliases,
        "none",
        "Other names for model groups; hidden ones are not listed.",
        "{example-latest: {model: example-chat, hidden: true}}",
    ),
    Key::new(
        "router_settings.ignore_invalid_deployments",
        Kind::Bool,
        "true",
        "Skip a deployment whose provider is not supported, instead of refusing the file.",
        "true",
    ),
    Key::new(
        "router_settings.redis_url",
        Kind::Secret,
        "none: this node counts alone",
        "Through which Redis the nodes of one gateway share limits and cooldowns; read at the start. rediss:// for TLS, \
         redis+cluster://host:port,host:port for a cluster, redis+sentinel://host:port,host:port/service for sentinels.",
        "os.environ/REDIS_URL",
    ),
    Key::new(
        "router_settings.redis_host",
        Kind::Text,
        "none",
        "The same in parts, where there is no redis_url.",
        "127.0.0.1",
    ),
    Key::new("router_settings.redis_port", Kind::Count { min: 1, max: 65_535 }, "6379", "Beside redis_host.", "6379"),
    Key::new("router_settings.redis_password", Kind::Secret, "none", "Beside redis_host.", "os.environ/REDIS_PASSWORD"),
    Key::new("router_settings.redis_db", Kind::Count { min: 0, max: 65_535 }, "0", "Beside redis_host.", "0"),
    Key::new("router_settings.redis_ssl", Kind::Bool, "false", "Beside redis_host: TLS.", "false"),
    Key::new(
        "router_settings.shared_limits",
        Kind::Choice(&["lease", "strict"]),
        "lease",
        "How exactly nodes share limits. lease: each tells the others ten times a second, a request waits for nobody, and \
         beyond a limit no more passes than the other nodes took in since they last told. strict: each request asks Redis, \
         and nothing passes beyond a limit.",
        "lease",
    ),
];
