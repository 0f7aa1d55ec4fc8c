//! The keys of `general_settings`.

use crate::config::kind::Kind;
use crate::config::table::Key;

const MEGABYTES: Kind = Kind::Count { min: 1, max: 1_048_576 };
const CONNECTIONS: Kind = Kind::Count { min: 1, max: 10_000_000 };
const DEADLINE: Kind = Kind::Seconds { zero: false, max: 604_800 };

pub(super) const KEYS: &[Key] = &[
    Key::new(
        "general_settings.master_key",
        Kind::Secret,
        "the environment variable LITELLM_MASTER_KEY",
        "The key with full access and no limits.",
        "os.environ/LITELLM_MASTER_KEY",
    ),
    Key::new(
        "general_settings.litellm_key_header_name",
        Kind::HeaderName,
        "Authorization only",
        "One more header in which callers may send their key.",
        "x-example-key",
    ),
    Key::new(
        "general_settings.alerting",
        Kind::Names,
        "none",
        "Who is told of budgets near their end: webhook (at WEBHOOK_URL) or slack (at SLACK_WEBHOOK_URL).",
        "[webhook, slack]",
    )
    .in_comment(),
    Key::new(
        "general_settings.alert_types",
        Kind::Names,
        "all",
        "Which alerts; budget_alerts are all there are.",
        "[budget_alerts]",
    ),
    Key::new("general_settings.alerting_args", Kind::Section, "none", "How often.", "{}"),
    Key::new(
        "general_settings.alerting_args.budget_alert_ttl",
        Kind::Seconds { zero: false, max: 31_536_000 },
        "86400",
        "How long nobody is told again of a budget that has no window; of one that has, once in each.",
        "86400",
    ),
    Key::new(
        "general_settings.enable_jwt_auth",
        Kind::Bool,
        "false",
        "Take tokens of an identity provider (JWT) beside keys. Its keys are at JWT_PUBLIC_KEY_URL, or see issuers.",
        "true",
    )
    .in_comment(),
    Key::new(
        "general_settings.litellm_jwtauth",
        Kind::Section,
        "none",
        "What the claims of such tokens mean, and which are taken.",
        "{}",
    ),
    Key::new(
        "general_settings.user_header_name",
        Kind::HeaderName,
        "none",
        "A header that names the customer of a request, beside x-litellm-customer-id and `user`.",
        "x-example-customer",
    )
    .in_comment(),
    Key::new(
        "general_settings.apply_user_budget_to_team_keys",
        Kind::Bool,
        "false",
        "Whether a user's own budget and limits also bind the user's keys of teams.",
        "true",
    )
    .in_comment(),
    Key::new(
        "general_settings.use_x_forwarded_for",
        Kind::Bool,
        "false",
        "Take the caller's address for allowed_ips from x-forwarded-for. Only behind a proxy that sets it.",
        "false",
    ),
    Key::new(
        "general_settings.cors_allow_origins",
        Kind::NameOrNames,
        "all, if there are keys",
        "The pages that may call from a browser (CORS), by their origins; `*` for all, [] for none.",
        "[\"https://app.example.com\"]",
    ),
    Key::new(
        "general_settings.unknown_price",
        Kind::Choice(&["zero", "refuse"]),
        "zero",
        "A model without a price costs nothing and is flagged, or is refused.",
        "zero",
    ),
    Key::new(
        "general_settings.background_health_checks",
        Kind::Bool,
        "false: when /health is asked",
        "Whether providers are asked for their list of models again and again, which costs nothing: one that fails is set aside.",
        "false",
    ),
    Key::new("general_settings.health_check_interval", DEADLINE, "300", "How often that is done.", "300"),
    Key::new(
        "general_settings.health_check_budget",
        Kind::Dollars,
        "none: no check pays",
        "Dollars a day for checks in the background that pay for a small answer, at deployments with model_info.mode (chat, \
         completion, responses, embedding, moderation, rerank) or health_check_model and a known price. They are recorded \
         under the tag litellm-internal-health-check. With nothing left of it, checks cost nothing.",
        "0.10",
    ),
    Key::new(
        "general_settings.data_dir",
        Kind::File,
        "none: everything is kept in memory",
        "The directory in which spend, budgets and keys that are made outlive the process; --data-dir wins. Read at the start.",
        "/var/lib/tollgate",
    )
    .in_comment(),
    Key::new(
        "general_settings.database_url",
        Kind::Secret,
        "none: keys, receipts and sums are in data_dir",
        "PostgreSQL for several nodes, postgres://USER:PASSWORD@HOST:PORT/DATABASE?sslmode=MODE. Read at the start.",
        "os.environ/DATABASE_URL",
    )
    .in_comment(),
    Key::new(
        "general_settings.spend_durability",
        Kind::Choice(&["strict", "relaxed"]),
        "strict",
        "Whether spend survives a killed process as soon as the client has the end of its answer, or within a second.",
        "strict",
    ),
    Key::new(
        "general_settings.maximum_spend_logs_retention_period",
        Kind::Seconds { zero: false, max: 315_360_000 },
        "for ever",
        "How long the rows of single requests are kept; sums by day stay.",
        "90d",
    ),
    Key::new(
        "general_settings.admin_port",
        Kind::Count { min: 0, max: 65_535 },
        "none: the management API is on the same port as calls",
        "A port for the management API, with health and metrics: then it is there alone. 0 takes a free one. Read at the start.",
        "4001",
    )
    .in_comment(),
    Key::new(
        "general_settings.admin_host",
        Kind::Text,
        "127.0.0.1",
        "The address that admin_port is on.",
        "127.0.0.1",
    )
    .in_comment(),
    Key::new("general_settings.max_request_size_mb", MEGABYTES, "32", "The largest request body, in MiB.", "32"),
    Key::new(
        "general_settings.max_reply_size_mb",
        MEGABYTES,
        "64",
        "The largest JSON answer that is held to be rewritten, in MiB.",
        "64",
    ),
    Key::new(
        "general_settings.max_response_size_mb",
        MEGABYTES,
        "none",
        "LiteLLM's name for max_reply_size_mb, which wins.",
        "64",
    )
    .in_comment(),
    Key::new(
        "general_settings.max_held_size_mb",
        MEGABYTES,
        "1024",
        "All request bodies held at once, in MiB; beyond it callers are told to come back.",
        "1024",
    ),
    Key::new(
        "general_settings.max_connections",
        CONNECTIONS,
        "20000",
        "Client connections at once; beyond it they are closed.",
        "20000",
    ),
    Key::new(
        "general_settings.max_connections_per_ip",
        CONNECTIONS,
        "no limit",
        "Client connections at once from one address.",
        "1000",
    ),
    Key::new(
        "general_settings.max_requests_per_connection",
        Kind::Count { min: 1, max: 1_000_000_000 },
        "10000",
        "Requests on one kept-alive connection before it is closed.",
        "10000",
    ),
    Key::new("general_settings.header_timeout", DEADLINE, "10", "How long a request's head may take to arrive.", "10"),
    Key::new("general_settings.keepalive_timeout", DEADLINE, "75", "How long an idle client connection is kept.", "75"),
    Key::new("general_settings.body_timeout", DEADLINE, "60", "How long a request's body may take to arrive.", "60"),
    Key::new(
        "general_settings.connect_timeout",
        DEADLINE,
        "10",
        "How long connecting to a provider may take, TLS included.",
        "10",
    ),
    Key::new(
        "general_settings.write_timeout",
        DEADLINE,
        "60",
        "How long one write to a client that does not read may take.",
        "60",
    ),
    Key::new(
        "general_settings.max_stream_time",
        DEADLINE,
        "6000",
        "How long a whole stream may take; the timeouts bound its gaps.",
        "6000",
    ),
    Key::new("general_settings.drain_timeout", DEADLINE, "30", "How long open requests may go on after SIGTERM.", "30"),
    Key::new(
        "general_settings.upstream_pool_size",
        Kind::Count { min: 1, max: 100_000 },
        "512",
        "Idle connections kept to the providers.",
        "512",
    ),
    Key::new(
        "general_settings.upstream_pool_idle_timeout",
        DEADLINE,
        "55",
        "How long an idle connection to a provider is kept.",
        "55",
    ),
    Key::new(
        "general_settings.upstream_h2_streams",
        Kind::Count { min: 1, max: 10_000 },
        "100",
        "Requests at once on one HTTP/2 connection to a provider.",
        "100",
    ),
    Key::new(
        "general_settings.dns_refresh_interval",
        DEADLINE,
        "30",
        "How often the providers' names are resolved again.",
        "30",
    ),
    Key::new(
        "general_settings.pass_through_endpoints",
        Kind::Sections,
        "none",
        "Paths that are passed on as they are to a server of one's choice, with its credential in place of ours.",
        "[]",
    ),
    Key::new(
        "general_settings.fail_closed_rate_limit_enforcement",
        Kind::Bool,
        "false",
        "While Redis cannot be reached: refuse with 503 what falls under a limit, rather than count on each node alone.",
        "false",
    ),
];

/// The keys of an entry of `pass_through_endpoints`.
pub(super) const PASS_THROUGH: &[Key] = &[
    Key::new(
        "general_settings.pass_through_endpoints[].path",
        Kind::Text,
        "must be given",
        "The path here. Paths of the gateway's own cannot be taken.",
        "/v1/example",
    ),
    Key::new(
        "general_settings.pass_through_endpoints[].target",
        Kind::Url,
        "must be given",
        "Where it leads.",
        "https://api.example.com/v1/example",
    ),
    Key::new(
        "general_settings.pass_through_endpoints[].headers",
        Kind::Headers,
        "none",
        "Headers for the target, the credential among them; os.environ/NAME may stand at a value's end.",
        "{authorization: bearer os.environ/EXAMPLE_API_KEY}",
    ),
    Key::new(
        "general_settings.pass_through_endpoints[].include_subpath",
        Kind::Bool,
        "false",
        "Paths below it are passed on too.",
        "false",
    ),
    Key::new(
        "general_settings.pass_through_endpoints[].auth",
        Kind::Bool,
        "true",
        "Whether callers need a key. LiteLLM's default is false.",
        "true",
    ),
    Key::new(
        "general_settings.pass_through_endpoints[].cost_per_request",
        Kind::Dollars,
        "none",
        "What a request costs that the target answered.",
        "0.01",
    ),
    Key::new(
        "general_settings.pass_through_endpoints[].methods",
        Kind::Names,
        "GET, POST, PUT, PATCH, DELETE",
        "Methods that are passed on.",
        "[GET, POST]",
    ),
];
