//! Every metric: name, type, labels, where its value comes from, and its meaning. HELP lines, the README's table and the
//! bound on the number of series are made from this table.

use super::inventory::Source::{Block, Course, Global, Level};
use super::inventory::{BlockRead as B, CourseRead as C, GlobalRead as G, LevelRead as L, Metric, Shape, Timed, Unit};
use super::process::Stat;
use super::sample::Limited;

/// Labels of blocks.
const AT: &[&str] = &["endpoint", "key", "key_hash", "model_group", "deployment", "provider"];
const AT_STATUS: &[&str] =
    &["endpoint", "key", "key_hash", "model_group", "deployment", "provider", "status", "outcome"];
const AT_KIND: &[&str] = &["endpoint", "key", "key_hash", "model_group", "deployment", "provider", "kind"];
const AT_REASON: &[&str] = &["endpoint", "key", "key_hash", "model_group", "deployment", "provider", "reason"];
/// Labels of courses.
const ON: &[&str] = &["model_group", "deployment", "provider"];
const ON_AT: &[&str] = &["model_group", "deployment", "provider", "at"];
const ON_OUTCOME: &[&str] = &["model_group", "deployment", "provider", "outcome"];
/// LiteLLM's label sets.
const L_PROXY: &[&str] = &[
    "end_user",
    "hashed_api_key",
    "api_key_alias",
    "requested_model",
    "team",
    "team_alias",
    "user",
    "status_code",
    "route",
    "model_id",
    "api_provider",
];
const L_FAILED: &[&str] = &[
    "end_user",
    "hashed_api_key",
    "api_key_alias",
    "requested_model",
    "team",
    "team_alias",
    "user",
    "exception_status",
    "exception_class",
    "route",
    "model_id",
    "api_provider",
];
const L_USED: &[&str] = &[
    "end_user",
    "hashed_api_key",
    "api_key_alias",
    "model",
    "team",
    "team_alias",
    "user",
    "requested_model",
    "model_id",
    "api_provider",
    "route",
];
const L_TIMED: &[&str] =
    &["model_group", "model", "team", "team_alias", "requested_model", "end_user", "user", "model_id", "api_provider"];
const L_OVERHEAD: &[&str] = &["model_group", "api_provider", "api_base", "litellm_model_name", "model_id"];
const L_DEPLOYED: &[&str] = &[
    "model_group",
    "requested_model",
    "litellm_model_name",
    "model_id",
    "api_base",
    "api_provider",
    "team",
    "team_alias",
];
const L_DEPLOYED_FAILED: &[&str] = &[
    "model_group",
    "requested_model",
    "litellm_model_name",
    "model_id",
    "api_base",
    "api_provider",
    "team",
    "team_alias",
    "exception_status",
    "exception_class",
];
const L_KEY: &[&str] = &["hashed_api_key", "api_key_alias"];
const L_KEY_MODEL: &[&str] = &["hashed_api_key", "api_key_alias", "model", "model_id"];
const L_COOLED: &[&str] = &["litellm_model_name", "model_id", "api_base", "api_provider", "exception_status"];
const L_FELL: &[&str] = &["fallback_model", "litellm_model_name", "model_id", "api_base", "api_provider"];
const L_LEFT: &[&str] =
    &["model_group", "api_provider", "api_base", "litellm_model_name", "hashed_api_key", "api_key_alias", "model_id"];
const L_STATE: &[&str] = &["model_group", "litellm_model_name", "model_id", "api_base", "api_provider"];

macro_rules! metrics {
    ($($name:literal $shape:ident $labels:expr, $source:expr, $help:literal;)+) => {
        /// All of them, in the order they are shown.
        pub(super) const METRICS: &[Metric] = &[
            $(Metric { name: $name, shape: Shape::$shape, labels: $labels, source: $source, help: $help }),+
        ];
    };
}

metrics! {
    "tollgate_requests_total" Counter AT_STATUS, Block(B::Requests),
        "Exchanges that ended, by status for the client and outcome.";
    "tollgate_tokens_total" Counter AT_KIND, Block(B::TokensByKind),
        "Tokens. Kinds input and output are totals; the other kinds are parts of them.";
    "tollgate_spend_usd_total" Counter AT, Block(B::Spend),
        "US dollars charged; with a data directory it goes on over restarts. The ledger is exact; this is a float.";
    "tollgate_wasted_spend_usd_total" Counter AT_REASON, Block(B::Wasted),
        "The part of the spend that was for nothing: attempts that another was quicker than (hedge), answers that the client left (aborted), and those that broke off or stalled (broken).";
    "tollgate_request_duration_seconds" Histogram ON, Course(C::Timed(Timed::Total, Unit::Seconds)),
        "From the request's head to the end of the answer.";
    "tollgate_upstream_duration_seconds" Histogram ON, Course(C::Timed(Timed::Upstream, Unit::Seconds)),
        "From the dispatch to the end of the provider's answer.";
    "tollgate_time_to_first_token_seconds" Histogram ON, Course(C::Timed(Timed::FirstToken, Unit::Seconds)),
        "From the request's head to the first byte of a stream.";
    "tollgate_time_per_output_token_seconds" Histogram ON, Course(C::Timed(Timed::PerToken, Unit::Seconds)),
        "Time per output token after the first byte; without a stream, of the whole upstream call.";
    "tollgate_overhead_microseconds" Histogram ON, Course(C::Timed(Timed::Overhead, Unit::Microseconds)),
        "The gateway's own part of the time.";
    "tollgate_attempts_total" Counter ON_OUTCOME, Course(C::Attempts),
        "Attempts at a deployment, by how they ended.";
    "tollgate_retries_total" Counter ON, Course(C::Retries),
        "Attempts beyond the first, under the deployment tried last.";
    "tollgate_affinity_requests_total" Counter ON_AT, Course(C::Kept),
        "Requests that affinity keeps at one deployment, by whether they came to theirs (home) or to another (away).";
    "tollgate_cached_tokens_ratio" Gauge ON, Course(C::CachedShare),
        "Input tokens read from the provider's cache, as a share of all input tokens since the process started.";
    "tollgate_outcomes_total" Counter &["outcome"], Global(G::Outcomes),
        "Exchanges that ended, by outcome.";
    "tollgate_stream_outcomes_total" Counter &["outcome"], Global(G::StreamOutcomes),
        "Streams that ended, by outcome.";
    "tollgate_faults_total" Counter &["kind"], Global(G::Faults),
        "Exchanges that failed, by kind of failure.";
    "tollgate_connections_refused_total" Counter &["reason"], Global(G::Refusals),
        "Connections refused or cut before there was an exchange.";
    "tollgate_usage_total" Counter &["source"], Global(G::UsageSources),
        "Exchanges with a deployment, by how their tokens are known.";
    "tollgate_price_unknown_total" Counter &[], Global(G::PriceUnknown),
        "Exchanges with usage that had no price and were counted at zero.";
    "tollgate_body_bytes_in_total" Counter &[], Global(G::BytesIn), "Bytes of request bodies.";
    "tollgate_body_bytes_out_total" Counter &[], Global(G::BytesOut), "Bytes of answer bodies.";
    "tollgate_alerts_total" Counter &["outcome"], Global(G::Alerts),
        "Alerts about budgets, by what became of them.";
    "tollgate_panics_total" Counter &[], Global(G::Panics), "Tasks that panicked.";
    "tollgate_troubles_total" Counter &[], Global(G::Troubles), "Troubles that the operator must see to; the log names them.";
    "tollgate_log_lines_dropped_total" Counter &[], Global(G::LinesDropped),
        "Log lines that found the queue full or could not be written.";
    "tollgate_library_log_records_total" Counter &["level"], Global(G::LibraryRecords),
        "Log records of libraries that are counted and not printed, because they may quote a request.";
    "tollgate_in_flight_requests" Gauge &[], Level(L::InFlight), "Exchanges that are open.";
    "tollgate_client_connections" Gauge &[], Level(L::Connections), "Client connections that are open.";
    "tollgate_held_body_bytes" Gauge &[], Level(L::HeldBytes), "Bytes of request bodies that are held.";
    "tollgate_redis_up" Gauge &[], Level(L::RedisUp), "Whether Redis, through which limits are shared, answers; absent where none is configured.";
    "tollgate_retry_budget_remaining" Gauge &[], Level(L::RetryBudget), "Retries that may be made now.";
    "tollgate_limit_remaining" Gauge &["key", "key_hash", "model_group", "deployment", "limit"], Level(L::LimitLeft),
        "What is left of a limit; negative is a debt.";
    "tollgate_limit_max" Gauge &["key", "key_hash", "model_group", "deployment", "limit"], Level(L::LimitMax), "The limit.";
    "tollgate_upstream_limit_remaining" Gauge &["model_group", "deployment", "provider", "limit"], Level(L::UpstreamLeft),
        "What a deployment's provider says is left of its own limit, less what was sent since, until that runs out.";
    "tollgate_budget_remaining_usd" Gauge &["scope", "key", "key_hash"], Level(L::BudgetLeft),
        "What is left of a budget in its window.";
    "tollgate_budget_max_usd" Gauge &["scope", "key", "key_hash"], Level(L::BudgetMax), "The budget.";
    "tollgate_deployment_state" Gauge ON, Level(L::Health), "0 answers, 1 failed of late, 2 set aside.";
    "tollgate_draining" Gauge &[], Global(G::Draining), "1 once no new exchanges are taken.";
    "tollgate_config_reloads_total" Counter &["result"], Global(G::Reloads), "Reloads, by result.";
    "tollgate_config_last_reload_successful" Gauge &[], Global(G::ReloadOk), "1 unless the last reload was refused.";
    "tollgate_config_last_reload_success_timestamp_seconds" Gauge &[], Global(G::ReloadTime),
        "When the configuration that is served was taken.";
    "tollgate_config_generation" Gauge &[], Global(G::Generation), "Configurations taken, the first included.";
    "tollgate_build_info" Gauge &["version"], Global(G::BuildInfo), "Always 1.";
    "tollgate_series_max" Gauge &[], Global(G::SeriesMax), "The most series this configuration can show.";
    "tollgate_series_collapsed_total" Counter &[], Global(G::SeriesCollapsed),
        "Exchanges counted without their key's name because the series are used up.";
    "process_cpu_seconds_total" Counter &[], Global(G::Process(Stat::CpuSeconds)), "User and system time.";
    "process_resident_memory_bytes" Gauge &[], Global(G::Process(Stat::ResidentBytes)), "Resident memory.";
    "process_virtual_memory_bytes" Gauge &[], Global(G::Process(Stat::VirtualBytes)), "Virtual memory.";
    "process_open_fds" Gauge &[], Global(G::Process(Stat::OpenFds)), "Open file descriptors.";
    "process_max_fds" Gauge &[], Global(G::Process(Stat::MaxFds)), "The most file descriptors that may be open.";
    "process_threads" Gauge &[], Global(G::Process(Stat::Threads)), "Threads.";
    "process_start_time_seconds" Gauge &[], Global(G::Process(Stat::StartSeconds)), "When the process started.";
    "litellm_proxy_total_requests_metric_total" Counter L_PROXY, Block(B::RequestsByStatus),
        "Requests to the gateway, under LiteLLM's name.";
    "litellm_proxy_failed_requests_metric_total" Counter L_FAILED, Block(B::Failures),
        "Failed requests to the gateway, under LiteLLM's name.";
    "litellm_requests_metric_total" Counter L_USED, Block(B::Dispatched),
        "Requests that reached a deployment, under LiteLLM's name.";
    "litellm_spend_metric_total" Counter L_USED, Block(B::Spend), "US dollars charged, under LiteLLM's name.";
    "litellm_total_tokens_metric_total" Counter L_USED, Block(B::TokensTotal),
        "Input and output tokens, under LiteLLM's name.";
    "litellm_input_tokens_metric_total" Counter L_USED, Block(B::Tokens(0)), "Input tokens, under LiteLLM's name.";
    "litellm_output_tokens_metric_total" Counter L_USED, Block(B::Tokens(1)), "Output tokens, under LiteLLM's name.";
    "litellm_input_cached_tokens_metric_total" Counter L_USED, Block(B::Tokens(2)),
        "Input tokens read from the provider's cache, under LiteLLM's name.";
    "litellm_input_cache_creation_tokens_metric_total" Counter L_USED, Block(B::Tokens(3)),
        "Input tokens written to the provider's cache, under LiteLLM's name.";
    "litellm_output_reasoning_tokens_metric_total" Counter L_USED, Block(B::Tokens(4)),
        "Reasoning tokens, under LiteLLM's name.";
    "litellm_request_total_latency_metric" Histogram L_TIMED, Course(C::Timed(Timed::Total, Unit::Seconds)),
        "Seconds per request, under LiteLLM's name.";
    "litellm_llm_api_latency_metric" Histogram L_TIMED, Course(C::Timed(Timed::Upstream, Unit::Seconds)),
        "Seconds per upstream call, under LiteLLM's name.";
    "litellm_llm_api_time_to_first_token_metric" Histogram L_TIMED, Course(C::Timed(Timed::FirstToken, Unit::Seconds)),
        "Seconds to the first byte of a stream, under LiteLLM's name.";
    "litellm_overhead_latency_metric" Histogram L_OVERHEAD, Course(C::Timed(Timed::Overhead, Unit::Seconds)),
        "Seconds of the gateway's own, under LiteLLM's name.";
    "litellm_deployment_latency_per_output_token" Histogram L_DEPLOYED, Course(C::Timed(Timed::PerToken, Unit::Seconds)),
        "Seconds per output token, under LiteLLM's name.";
    "litellm_deployment_total_requests_total" Counter L_DEPLOYED, Course(C::AttemptsTotal),
        "Attempts at a deployment, under LiteLLM's name.";
    "litellm_deployment_success_responses_total" Counter L_DEPLOYED, Course(C::AttemptsAnswered),
        "Attempts that a deployment answered, under LiteLLM's name.";
    "litellm_deployment_failure_responses_total" Counter L_DEPLOYED_FAILED, Course(C::AttemptsFailed),
        "Attempts that failed, under LiteLLM's name.";
    "litellm_deployment_state" Gauge L_STATE, Level(L::Health),
        "0 healthy, 1 partial outage, 2 complete outage, under LiteLLM's name.";
    "litellm_deployment_cooled_down_total" Counter L_COOLED, Course(C::Cooled),
        "How often a deployment was set aside, under LiteLLM's name.";
    "litellm_deployment_successful_fallbacks_total" Counter L_FELL, Course(C::FallbacksAnswered),
        "Requests that came to a deployment by a fallback and were answered, under LiteLLM's name.";
    "litellm_deployment_failed_fallbacks_total" Counter L_FELL, Course(C::FallbacksFailed),
        "Requests that came to a deployment by a fallback and failed there, under LiteLLM's name.";
    "litellm_remaining_requests_metric" Gauge L_LEFT, Level(L::UpstreamLeftOf(Limited::Requests)),
        "Requests that a deployment's provider says are left, under LiteLLM's name.";
    "litellm_remaining_tokens_metric" Gauge L_LEFT, Level(L::UpstreamLeftOf(Limited::Tokens)),
        "Tokens that a deployment's provider says are left, under LiteLLM's name.";
    "litellm_remaining_api_key_budget_metric" Gauge L_KEY, Level(L::KeyBudgetLeft),
        "US dollars left of a key's budget, under LiteLLM's name.";
    "litellm_api_key_max_budget_metric" Gauge L_KEY, Level(L::KeyBudgetMax), "A key's budget, under LiteLLM's name.";
    "litellm_provider_remaining_budget_metric" Gauge &["api_provider"], Level(L::ProviderBudgetLeft),
        "US dollars left of a provider's budget, under LiteLLM's name.";
    "litellm_remaining_api_key_requests_for_model" Gauge L_KEY_MODEL, Level(L::LimitLeftOf(Limited::Requests)),
        "Requests left in a key's limit, under LiteLLM's name.";
    "litellm_remaining_api_key_tokens_for_model" Gauge L_KEY_MODEL, Level(L::LimitLeftOf(Limited::Tokens)),
        "Tokens left in a key's limit, under LiteLLM's name.";
    "litellm_in_flight_requests" Gauge &[], Level(L::InFlight), "Exchanges that are open, under LiteLLM's name.";
}
