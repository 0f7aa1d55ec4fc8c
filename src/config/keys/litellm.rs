//! The keys of `litellm_settings`.

use crate::config::kind::Kind;
use crate::config::table::Key;

pub(super) const KEYS: &[Key] = &[
    Key::new(
        "litellm_settings.drop_params",
        Kind::Bool,
        "false",
        "Leave out parameters a provider does not know, instead of refusing the request.",
        "true",
    ),
    Key::new(
        "litellm_settings.num_retries",
        Kind::Count { min: 0, max: 100 },
        "2",
        "How often a failed request is tried again; router_settings.num_retries wins.",
        "2",
    ),
    Key::new(
        "litellm_settings.fallbacks",
        Kind::Fallbacks,
        "none",
        "As in router_settings, which wins.",
        "[{example-latest: [example-chat]}]",
    )
    .in_comment(),
    Key::new(
        "litellm_settings.default_fallbacks",
        Kind::Names,
        "none",
        "As in router_settings, which wins.",
        "[example-chat]",
    )
    .in_comment(),
    Key::new(
        "litellm_settings.context_window_fallbacks",
        Kind::Fallbacks,
        "none",
        "As in router_settings, which wins.",
        "[{example-latest: [example-chat]}]",
    )
    .in_comment(),
    Key::new(
        "litellm_settings.content_policy_fallbacks",
        Kind::Fallbacks,
        "none",
        "As in router_settings, which wins.",
        "[{example-latest: [example-chat]}]",
    )
    .in_comment(),
    Key::new(
        "litellm_settings.max_fallbacks",
        Kind::Count { min: 0, max: 100 },
        "5",
        "As in router_settings, which wins.",
        "5",
    )
    .in_comment(),
    Key::new(
        "litellm_settings.allowed_fails",
        Kind::Count { min: 0, max: 1_000_000 },
        "by cause and error rate",
        "As in router_settings, which wins.",
        "3",
    )
    .in_comment(),
    Key::new(
        "litellm_settings.cooldown_time",
        Kind::Seconds { zero: true, max: 604_800 },
        "5",
        "As in router_settings, which wins.",
        "5",
    )
    .in_comment(),
    Key::new(
        "litellm_settings.request_timeout",
        Kind::Seconds { zero: false, max: 604_800 },
        "600 for the first byte, 6000 for the whole",
        "How long a provider may take; router_settings.timeout wins.",
        "600",
    ),
    Key::new(
        "litellm_settings.max_budget",
        Kind::Dollars,
        "none",
        "What all callers together may spend in budget_duration; 0 is no budget.",
        "1000.00",
    ),
    Key::new(
        "litellm_settings.budget_duration",
        Kind::Window,
        "for ever",
        "When max_budget starts anew, on the calendar.",
        "1mo",
    ),
    Key::new(
        "litellm_settings.tag_budget_config",
        Kind::Budgets,
        "none",
        "What may be spent under a tag that has no budget on record (/tag/new).",
        "{batch: {max_budget: 20.00, budget_duration: 1d}}",
    ),
    Key::new(
        "litellm_settings.max_end_user_budget",
        Kind::Dollars,
        "none",
        "What each customer (`user` of a request) may spend that has no budget of its own.",
        "5.00",
    )
    .in_comment(),
    Key::new(
        "litellm_settings.max_end_user_budget_id",
        Kind::Text,
        "none",
        "The same by the id of a budget (/budget/new), with its window and limits.",
        "example-budget",
    )
    .in_comment(),
    Key::new(
        "litellm_settings.budget_exceeded_status_code",
        Kind::Count { min: 400, max: 499 },
        "422",
        "The status of an answer that a budget refuses.",
        "422",
    ),
    Key::new("litellm_settings.timezone", Kind::Timezone, "UTC", "The time zone in which budget windows begin.", "UTC"),
    Key::new(
        "litellm_settings.model_alias_map",
        Kind::Renames,
        "none",
        "Other names for model groups.",
        "{example-alias: example-chat}",
    ),
    Key::new(
        "litellm_settings.model_cost_map_url",
        Kind::File,
        "the built-in price table",
        "A price file in LiteLLM's format that overrides the built-in table. A path; nothing is downloaded.",
        "prices.json",
    )
    .in_comment(),
    Key::new(
        "litellm_settings.cost_discount_config",
        Kind::Parts,
        "none",
        "The part that is taken off what a provider charges; provider/model, also with a *, goes before the provider.",
        "{vertex_ai: 0.05}",
    ),
    Key::new(
        "litellm_settings.cost_margin_config",
        Kind::Margins,
        "none",
        "What is put on it then: a part, or a part and an amount for each request; global is for the other providers.",
        "{global: 0.1, openai: {percentage: 0.08, fixed_amount: 0.0005}}",
    ),
    Key::new(
        "litellm_settings.block_requests_for_models_without_pricing",
        Kind::Bool,
        "false",
        "Refuse a request whose price is not known, as unknown_price: refuse does.",
        "false",
    ),
    Key::new(
        "litellm_settings.require_auth_for_metrics_endpoint",
        Kind::Bool,
        "open to loopback only",
        "Whether /metrics asks for the master key.",
        "true",
    ),
    Key::new(
        "litellm_settings.ssl_verify",
        Kind::TlsVerify,
        "true",
        "Check the providers' certificates; a path adds a CA bundle to the system's roots.",
        "true",
    ),
    Key::new("litellm_settings.force_ipv4", Kind::Bool, "false", "Reach the providers over IPv4 only.", "false"),
    Key::new(
        "litellm_settings.callbacks",
        Kind::Callbacks,
        "none",
        "Logging integrations. prometheus is always on; others have no effect yet.",
        "[prometheus]",
    ),
    Key::new(
        "litellm_settings.success_callback",
        Kind::Callbacks,
        "none",
        "The same, for requests that succeed.",
        "[prometheus]",
    ),
    Key::new(
        "litellm_settings.failure_callback",
        Kind::Callbacks,
        "none",
        "The same, for requests that fail.",
        "[prometheus]",
    ),
];
