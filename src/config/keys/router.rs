//! The keys of `router_settings`.

use crate::config::kind::Kind;
use crate::config::table::Key;

const TIMEOUT: Kind = Kind::Seconds { zero: false, max: 604_800 };

pub(super) const KEYS: &[Key] = &[
    Key::new(
        "router_settings.routing_strategy",
        Kind::Strategy,
        "simple-shuffle",
        "How a deployment is chosen within its group. Only simple-shuffle so far.",
        "simple-shuffle",
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
];
