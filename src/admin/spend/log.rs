//! A receipt as LiteLLM's clients know it.

use schemars::JsonSchema;
use serde::Serialize;

use crate::admin::actor::MASTER_USER;
use crate::ledger::{Behalf, Outcome, Receipt};
use crate::roster::Moment;
use crate::vocabulary::{Metered, ModelName, PicoUsd};

/// What stands in the place of the master key's hash.
const MASTER_KEY: &str = "litellm_proxy_master_key";

/// One row. What is not kept here is there all the same, empty, because clients read it.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Log {
    request_id: String,
    litellm_call_id: String,
    call_type: &'static str,
    api_key: String,
    spend: PicoUsd,
    total_tokens: u64,
    prompt_tokens: u64,
    completion_tokens: u64,
    #[serde(rename = "startTime")]
    start_time: Moment,
    #[serde(rename = "endTime")]
    end_time: Moment,
    #[serde(rename = "completionStartTime")]
    completion_start_time: Option<Moment>,
    request_duration_ms: i64,
    session_id: Option<String>,
    status: &'static str,
    /// What the provider calls the model.
    model: String,
    model_id: String,
    /// What clients call it.
    model_group: String,
    custom_llm_provider: String,
    api_base: String,
    user: String,
    end_user: String,
    team_id: Option<String>,
    organization_id: Option<String>,
    request_tags: Vec<String>,
    requester_ip_address: Option<String>,
    cache_hit: &'static str,
    cache_key: &'static str,
    messages: Empty,
    response: Empty,
    proxy_server_request: Empty,
    metadata: Metadata,
}

/// An empty object.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Empty {}

#[derive(Debug, Serialize, JsonSchema)]
struct Metadata {
    user_api_key: String,
    user_api_key_alias: Option<String>,
    user_api_key_team_id: Option<String>,
    user_api_key_user_id: Option<String>,
    user_api_key_org_id: Option<String>,
    status: &'static str,
    error_information: Option<ErrorInformation>,
    usage_object: UsageObject,
    cost_breakdown: CostBreakdown,
    /// The model as the client named it.
    requested_model: Option<String>,
    /// `complete`, `client_gone`, `cut`, `failed` or `denied`.
    outcome: &'static str,
    /// `reported`, `partial`, `estimated` or `absent`: how the usage is known.
    usage: &'static str,
}

#[derive(Debug, Serialize, JsonSchema)]
struct ErrorInformation {
    error_class: String,
    error_code: String,
}

#[derive(Debug, Serialize, JsonSchema)]
struct UsageObject {
    prompt_tokens: u64,
    completion_tokens: u64,
    total_tokens: u64,
    cache_read_input_tokens: u64,
    cache_creation_input_tokens: u64,
    reasoning_tokens: u64,
}

#[derive(Debug, Serialize, JsonSchema)]
struct CostBreakdown {
    input_cost: PicoUsd,
    output_cost: PicoUsd,
    total_cost: PicoUsd,
}

/// The name of a key in rows and sums.
pub(super) fn key_name(key: Option<crate::vocabulary::KeyHash>) -> String {
    key.map_or_else(|| MASTER_KEY.to_owned(), |key| key.to_string())
}

impl From<Receipt> for Log {
    fn from(receipt: Receipt) -> Self {
        let usage = receipt.usage.usage().copied().unwrap_or_default();
        let status = if receipt.outcome == Outcome::Failed { "failure" } else { "success" };
        let text = |text: &Option<std::sync::Arc<str>>| text.as_deref().map(str::to_owned);
        let behalf = receipt.behalf.as_deref().cloned().unwrap_or_default();
        let Behalf { team, user, organization, customer, tags } = behalf;
        let upstream = receipt.upstream.as_deref().cloned().unwrap_or_default();
        let manner = &receipt.manner;
        let requested_model = receipt.model.as_ref().map(ModelName::as_str).map(str::to_owned);
        let of_master = || if receipt.key.is_none() { MASTER_USER } else { "" };
        Self {
            request_id: receipt.exchange.to_string(),
            litellm_call_id: receipt.exchange.to_string(),
            call_type: manner.call.as_str(),
            api_key: key_name(receipt.key),
            spend: receipt.cost,
            total_tokens: usage.total(),
            prompt_tokens: usage.prompt,
            completion_tokens: usage.completion,
            start_time: Moment(receipt.started_ms),
            end_time: Moment(receipt.ended_ms),
            completion_start_time: manner.first_ms.map(Moment),
            request_duration_ms: receipt.ended_ms.saturating_sub(receipt.started_ms).max(0),
            session_id: text(&manner.session),
            status,
            model: match upstream.model.is_empty() {
                true => requested_model.clone().unwrap_or_default(),
                false => upstream.model.to_string(),
            },
            model_id: text(&receipt.deployment).unwrap_or_default(),
            model_group: text(&receipt.group).unwrap_or_default(),
            custom_llm_provider: upstream.provider.to_string(),
            api_base: upstream.api_base.to_string(),
            user: text(&user).unwrap_or_else(|| of_master().to_owned()),
            end_user: text(&customer).unwrap_or_default(),
            team_id: text(&team),
            organization_id: text(&organization),
            request_tags: tags.iter().map(ToString::to_string).collect(),
            requester_ip_address: manner.client_ip.map(|ip| ip.to_string()),
            cache_hit: "False",
            cache_key: "",
            messages: Empty {},
            response: Empty {},
            proxy_server_request: Empty {},
            metadata: Metadata {
                user_api_key: key_name(receipt.key),
                user_api_key_alias: text(&receipt.key_alias),
                user_api_key_team_id: text(&team),
                user_api_key_user_id: text(&user),
                user_api_key_org_id: text(&organization),
                status,
                error_information: manner.error.as_deref().map(|word| ErrorInformation {
                    error_class: word.to_owned(),
                    error_code: manner.status.to_string(),
                }),
                usage_object: UsageObject {
                    prompt_tokens: usage.prompt,
                    completion_tokens: usage.completion,
                    total_tokens: usage.total(),
                    cache_read_input_tokens: usage.cache_read,
                    cache_creation_input_tokens: usage.cache_write.saturating_add(usage.cache_write_1h),
                    reasoning_tokens: usage.reasoning,
                },
                cost_breakdown: CostBreakdown {
                    input_cost: manner.input_cost,
                    output_cost: receipt.cost.minus(manner.input_cost),
                    total_cost: receipt.cost,
                },
                requested_model,
                outcome: outcome_word(receipt.outcome),
                usage: usage_word(&receipt.usage),
            },
        }
    }
}

fn outcome_word(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Complete => "complete",
        Outcome::ClientGone => "client_gone",
        Outcome::Cut => "cut",
        Outcome::Failed => "failed",
        Outcome::Denied => "denied",
    }
}

fn usage_word(usage: &Metered) -> &'static str {
    match usage {
        Metered::Absent => "absent",
        Metered::Partial(_) => "partial",
        Metered::Reported(_) => "reported",
        Metered::Estimated(_) => "estimated",
    }
}
