//! The keys of one entry of `virtual_keys`, spelled as in LiteLLM's /key/generate.

use crate::config::kind::Kind;
use crate::config::table::Key;

const LIMIT: Kind = Kind::Count { min: 0, max: 1_000_000_000_000 };

pub(super) const KEYS: &[Key] = &[
    Key::new(
        "virtual_keys[].key_hash",
        Kind::Hash,
        "this or key is required",
        "The SHA-256 of the whole key, sk- included: printf %s \"$KEY\" | sha256sum.",
        "f2ca1bb6c7e907d06dafe4687e579fce76b37e4e93b7605022da52e6ccc26fd2",
    ),
    Key::new(
        "virtual_keys[].key",
        Kind::Secret,
        "this or key_hash is required",
        "The key: os.environ/NAME or file:PATH. It begins with sk- and has at least 16 characters.",
        "os.environ/EXAMPLE_VIRTUAL_KEY",
    )
    .in_comment(),
    Key::new("virtual_keys[].key_alias", Kind::Text, "none", "The key's name in logs and metrics.", "example-team"),
    Key::new(
        "virtual_keys[].models",
        Kind::Names,
        "all models",
        "The models, aliases, access groups and wildcards the key may use.",
        "[example-chat, standard]",
    ),
    Key::new(
        "virtual_keys[].aliases",
        Kind::Renames,
        "none",
        "The key's own names for models.",
        "{fast: example-chat}",
    ),
    Key::new("virtual_keys[].rpm_limit", LIMIT, "no limit", "Requests a minute.", "60"),
    Key::new("virtual_keys[].tpm_limit", LIMIT, "no limit", "Tokens a minute.", "100000"),
    Key::new("virtual_keys[].max_parallel_requests", LIMIT, "no limit", "Requests at the same time.", "10"),
    Key::new(
        "virtual_keys[].model_rpm_limit",
        Kind::Counts,
        "no limit",
        "Requests a minute for single models.",
        "{example-chat: 30}",
    ),
    Key::new(
        "virtual_keys[].model_tpm_limit",
        Kind::Counts,
        "no limit",
        "Tokens a minute for single models.",
        "{example-chat: 50000}",
    ),
    Key::new("virtual_keys[].max_budget", Kind::Dollars, "no limit", "What the key may spend.", "25.00"),
    Key::new(
        "virtual_keys[].soft_budget",
        Kind::Dollars,
        "none",
        "What the key may spend before somebody is told (general_settings.alerting).",
        "20.00",
    ),
    Key::new(
        "virtual_keys[].budget_duration",
        Kind::Window,
        "for ever",
        "When max_budget starts anew, on the calendar.",
        "30d",
    ),
    Key::new(
        "virtual_keys[].model_max_budget",
        Kind::Budgets,
        "no limit",
        "What the key may spend on single models.",
        "{example-chat: {budget_limit: 5.00, time_period: 1d}}",
    ),
    Key::new(
        "virtual_keys[].expires",
        Kind::Instant,
        "never",
        "From when the key is refused.",
        "\"2035-12-31T00:00:00Z\"",
    ),
    Key::new("virtual_keys[].blocked", Kind::Bool, "false", "Refuse the key for now.", "false"),
    Key::new(
        "virtual_keys[].allowed_ips",
        Kind::Networks,
        "all addresses",
        "The addresses and networks the key may be used from.",
        "[127.0.0.1, 10.0.0.0/8]",
    ),
    Key::new(
        "virtual_keys[].allowed_model_region",
        Kind::Text,
        "all regions",
        "Ask deployments in this region only: `eu`, `us`, or as region_name has it; one without a region is not asked.",
        "eu",
    ),
    Key::new("virtual_keys[].permissions", Kind::Section, "all", "What the key's requests may ask for.", "{}"),
    Key::new(
        "virtual_keys[].permissions.explain",
        Kind::Bool,
        "true",
        "Whether the header `x-tollgate-explain: 1` is answered with the attempts of a request.",
        "false",
    ),
    Key::new(
        "virtual_keys[].metadata",
        Kind::Object,
        "none",
        "Anything, kept with the key.",
        "{cost_center: \"4711\"}",
    ),
    Key::new("virtual_keys[].tags", Kind::Names, "none", "Labels that go into the key's receipts.", "[research]"),
];
