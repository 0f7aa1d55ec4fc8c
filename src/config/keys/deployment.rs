//! The keys of one entry of `model_list`.

use crate::config::kind::Kind;
use crate::config::table::Key;

const LIMIT: Kind = Kind::Count { min: 0, max: 1_000_000_000_000 };
const TOKENS: Kind = Kind::Count { min: 1, max: 1_000_000_000 };
const TRIES: Kind = Kind::Count { min: 0, max: 100 };
const TIMEOUT: Kind = Kind::Seconds { zero: false, max: 604_800 };

pub(super) const KEYS: &[Key] = &[
    Key::new(
        "model_list[].model_name",
        Kind::Model,
        "required",
        "What clients ask for; `openai/*` and `*` stand for many.",
        "example-chat",
    ),
    Key::new("model_list[].litellm_params", Kind::Section, "required", "Where requests go, and how.", "{}"),
    Key::new("model_list[].model_info", Kind::Section, "empty", "What is known about the model.", "{}"),
];

pub(super) const PARAMS: &[Key] = &[
    Key::new(
        "model_list[].litellm_params.litellm_credential_name",
        Kind::Text,
        "none",
        "An entry of credential_list whose values hold where nothing is said here.",
        "example-credential",
    ),
    Key::new(
        "model_list[].litellm_params.model",
        Kind::Model,
        "required",
        "The provider and its name for the model, with `*` where model_name has one.",
        "openai/gpt-4o-mini",
    ),
    Key::new(
        "model_list[].litellm_params.custom_llm_provider",
        Kind::Text,
        "the part of model before the first /",
        "The provider, where model does not begin with it.",
        "openai",
    ),
    Key::new(
        "model_list[].litellm_params.api_key",
        Kind::Secret,
        "the provider's usual environment variable",
        "The credential for the provider.",
        "os.environ/OPENAI_API_KEY",
    ),
    Key::new(
        "model_list[].litellm_params.api_base",
        Kind::Url,
        "the provider's address",
        "The address that paths such as /chat/completions are added to.",
        "https://api.openai.com/v1",
    ),
    Key::new(
        "model_list[].litellm_params.base_url",
        Kind::Url,
        "none",
        "Another name for api_base.",
        "https://api.openai.com/v1",
    )
    .in_comment(),
    Key::new(
        "model_list[].litellm_params.api_version",
        Kind::Text,
        "the provider's current one",
        "The version of the API, for Azure.",
        "\"2024-10-21\"",
    ),
    Key::new(
        "model_list[].litellm_params.azure_ad_token",
        Kind::Secret,
        "none",
        "A bearer token for Azure, instead of api_key.",
        "os.environ/AZURE_AD_TOKEN",
    )
    .in_comment(),
    Key::new(
        "model_list[].litellm_params.aws_access_key_id",
        Kind::Secret,
        "AWS_ACCESS_KEY_ID, a profile or the machine's role",
        "For Bedrock: the id of an access key.",
        "os.environ/AWS_ACCESS_KEY_ID",
    )
    .in_comment(),
    Key::new(
        "model_list[].litellm_params.aws_secret_access_key",
        Kind::Secret,
        "AWS_SECRET_ACCESS_KEY, a profile or the machine's role",
        "For Bedrock: the secret of the access key.",
        "os.environ/AWS_SECRET_ACCESS_KEY",
    )
    .in_comment(),
    Key::new(
        "model_list[].litellm_params.aws_session_token",
        Kind::Secret,
        "AWS_SESSION_TOKEN",
        "For Bedrock: the token of a temporary access key.",
        "os.environ/AWS_SESSION_TOKEN",
    )
    .in_comment(),
    Key::new(
        "model_list[].litellm_params.aws_region_name",
        Kind::Text,
        "AWS_REGION or AWS_REGION_NAME, else us-east-1",
        "For Bedrock: the region.",
        "us-east-1",
    )
    .in_comment(),
    Key::new(
        "model_list[].litellm_params.aws_profile_name",
        Kind::Text,
        "AWS_PROFILE",
        "For Bedrock: a profile of ~/.aws/credentials.",
        "production",
    )
    .in_comment(),
    Key::new(
        "model_list[].litellm_params.aws_role_name",
        Kind::Text,
        "AWS_ROLE_ARN, with a web identity token",
        "For Bedrock: the ARN of a role to assume.",
        "arn:aws:iam::123456789012:role/example",
    )
    .in_comment(),
    Key::new(
        "model_list[].litellm_params.aws_session_name",
        Kind::Text,
        "tollgate",
        "For Bedrock: the name of the session under that role.",
        "tollgate",
    )
    .in_comment(),
    Key::new(
        "model_list[].litellm_params.aws_external_id",
        Kind::Text,
        "none",
        "For Bedrock: the external id that the role demands.",
        "example",
    )
    .in_comment(),
    Key::new(
        "model_list[].litellm_params.aws_web_identity_token",
        Kind::Secret,
        "the file AWS_WEB_IDENTITY_TOKEN_FILE",
        "For Bedrock: a web identity token to assume the role with.",
        "file:/run/secrets/token",
    )
    .in_comment(),
    Key::new(
        "model_list[].litellm_params.aws_sts_endpoint",
        Kind::Url,
        "https://sts.REGION.amazonaws.com",
        "For Bedrock: where roles are assumed.",
        "https://sts.us-east-1.amazonaws.com",
    )
    .in_comment(),
    Key::new(
        "model_list[].litellm_params.aws_bedrock_runtime_endpoint",
        Kind::Url,
        "https://bedrock-runtime.REGION.amazonaws.com",
        "For Bedrock: the address of the runtime; api_base does the same.",
        "https://bedrock-runtime.us-east-1.amazonaws.com",
    )
    .in_comment(),
    Key::new(
        "model_list[].litellm_params.model_id",
        Kind::Text,
        "none",
        "For Bedrock: the ARN of an inference profile or provisioned model that stands for model.",
        "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/example",
    )
    .in_comment(),
    Key::new(
        "model_list[].litellm_params.vertex_project",
        Kind::Text,
        "VERTEXAI_PROJECT, or the project of the credentials",
        "For Vertex AI: the project.",
        "example-project",
    )
    .in_comment(),
    Key::new(
        "model_list[].litellm_params.vertex_location",
        Kind::Text,
        "VERTEXAI_LOCATION, else us-central1",
        "For Vertex AI: the region, or global.",
        "us-central1",
    )
    .in_comment(),
    Key::new(
        "model_list[].litellm_params.vertex_credentials",
        Kind::Secret,
        "GOOGLE_APPLICATION_CREDENTIALS, or the machine's service account",
        "For Vertex AI: a service account's JSON, or the path of its file.",
        "os.environ/VERTEX_CREDENTIALS",
    )
    .in_comment(),
    Key::new(
        "model_list[].litellm_params.tenant_id",
        Kind::Text,
        "AZURE_TENANT_ID",
        "For Azure: the directory to ask for a token, instead of api_key.",
        "00000000-0000-0000-0000-000000000000",
    )
    .in_comment(),
    Key::new(
        "model_list[].litellm_params.client_id",
        Kind::Text,
        "AZURE_CLIENT_ID",
        "For Azure: the application that asks for the token.",
        "00000000-0000-0000-0000-000000000000",
    )
    .in_comment(),
    Key::new(
        "model_list[].litellm_params.client_secret",
        Kind::Secret,
        "AZURE_CLIENT_SECRET",
        "For Azure: the application's secret.",
        "os.environ/AZURE_CLIENT_SECRET",
    )
    .in_comment(),
    Key::new(
        "model_list[].litellm_params.organization",
        Kind::Text,
        "none",
        "Sent as OpenAI-Organization.",
        "org-example",
    ),
    Key::new(
        "model_list[].litellm_params.timeout",
        TIMEOUT,
        "router_settings.timeout",
        "How long an answer may take; for a stream, its first byte and its gaps.",
        "120",
    ),
    Key::new(
        "model_list[].litellm_params.stream_timeout",
        TIMEOUT,
        "timeout",
        "How long the first byte and each gap of a stream may take.",
        "30",
    ),
    Key::new(
        "model_list[].litellm_params.num_retries",
        TRIES,
        "router_settings.num_retries",
        "How often a failed request is tried again.",
        "2",
    ),
    Key::new("model_list[].litellm_params.max_retries", TRIES, "none", "Another name for num_retries.", "2")
        .in_comment(),
    Key::new("model_list[].litellm_params.rpm", LIMIT, "no limit", "Requests a minute.", "600"),
    Key::new("model_list[].litellm_params.tpm", LIMIT, "no limit", "Tokens a minute.", "400000"),
    Key::new(
        "model_list[].litellm_params.max_parallel_requests",
        LIMIT,
        "no limit",
        "Requests at the same time.",
        "50",
    ),
    Key::new(
        "model_list[].litellm_params.max_budget",
        Kind::Dollars,
        "no limit",
        "What may be spent at the deployment; then others of its group are asked.",
        "100.00",
    ),
    Key::new(
        "model_list[].litellm_params.budget_duration",
        Kind::Window,
        "for ever",
        "When max_budget starts anew, on the calendar.",
        "1d",
    ),
    Key::new(
        "model_list[].litellm_params.weight",
        Kind::Weight,
        "rpm, tpm or equal shares",
        "The deployment's share of its group's load, relative to the others.",
        "1",
    ),
    Key::new(
        "model_list[].litellm_params.order",
        Kind::Integer,
        "none",
        "Deployments with a lower order are chosen before others.",
        "1",
    ),
    Key::new(
        "model_list[].litellm_params.cooldown_time",
        Kind::Seconds { zero: true, max: 604_800 },
        "router_settings.cooldown_time",
        "How long the deployment is set aside after failures, where the provider does not say.",
        "30",
    ),
    Key::new(
        "model_list[].litellm_params.tags",
        Kind::Names,
        "none",
        "Requests with these tags are for this deployment, under enable_tag_filtering.",
        "[default]",
    ),
    Key::new(
        "model_list[].litellm_params.extra_headers",
        Kind::Headers,
        "none",
        "Headers added to every request; values may be os.environ/NAME.",
        "{x-example-team: research}",
    ),
    Key::new(
        "model_list[].litellm_params.extra_body",
        Kind::Object,
        "none",
        "Members set in every request body.",
        "{store: false}",
    ),
    Key::new(
        "model_list[].litellm_params.drop_params",
        Kind::Bool,
        "litellm_settings.drop_params",
        "Leave out parameters the provider does not know, instead of refusing the request.",
        "true",
    ),
    Key::new(
        "model_list[].litellm_params.additional_drop_params",
        Kind::Names,
        "none",
        "Top-level parameters that are always left out.",
        "[user]",
    ),
    Key::new(
        "model_list[].litellm_params.allowed_openai_params",
        Kind::Names,
        "none",
        "Parameters that are passed on although the provider is not known to take them.",
        "[reasoning_effort]",
    ),
    Key::new(
        "model_list[].litellm_params.mock_response",
        Kind::Any,
        "none",
        "Answer with this text, without any provider.",
        "Hello from the gateway.",
    )
    .in_comment(),
    Key::new(
        "model_list[].litellm_params.region_name",
        Kind::Text,
        "vertex_location or aws_region_name",
        "Where the model runs, for callers with allowed_model_region: `eu`, `us` or the provider's name for it.",
        "eu",
    ),
    Key::new(
        "model_list[].litellm_params.ssl_verify",
        Kind::Bool,
        "litellm_settings.ssl_verify",
        "Check the provider's certificate.",
        "true",
    ),
    Key::new(
        "model_list[].litellm_params.http_version",
        Kind::Choice(&["1.1", "2"]),
        "negotiated under TLS, 1.1 in clear",
        "The HTTP version spoken to the provider.",
        "\"2\"",
    ),
    Key::new(
        "model_list[].litellm_params.<price>",
        Kind::Dollars,
        "the price table",
        "Dollars per unit, instead of the price table's.",
        "input_cost_per_token: 0.00000015",
    ),
    Key::new(
        "model_list[].litellm_params.<request parameter>",
        Kind::Any,
        "none",
        "A default for the request; what the request says wins.",
        "temperature: 0.2",
    ),
];

/// Keys that mean something to some providers only: given to them by name.
pub(in crate::config) const VENDOR: [&str; 18] = [
    "aws_access_key_id",
    "aws_secret_access_key",
    "aws_session_token",
    "aws_region_name",
    "aws_profile_name",
    "aws_role_name",
    "aws_session_name",
    "aws_external_id",
    "aws_web_identity_token",
    "aws_sts_endpoint",
    "aws_bedrock_runtime_endpoint",
    "model_id",
    "vertex_project",
    "vertex_location",
    "vertex_credentials",
    "tenant_id",
    "client_id",
    "client_secret",
];

pub(super) const INFO: &[Key] = &[
    Key::new(
        "model_list[].model_info.id",
        Kind::Text,
        "made from name and parameters",
        "The deployment's name in headers, logs and metrics.",
        "example-chat-1",
    ),
    Key::new(
        "model_list[].model_info.mode",
        Kind::Text,
        "chat",
        "What the model does: chat, embedding, responses and so on.",
        "chat",
    ),
    Key::new(
        "model_list[].model_info.base_model",
        Kind::Text,
        "model",
        "The name to look the price up by, where model does not tell.",
        "openai/gpt-4o-mini",
    ),
    Key::new("model_list[].model_info.max_input_tokens", TOKENS, "the price table", "The longest prompt.", "128000"),
    Key::new(
        "model_list[].model_info.max_output_tokens",
        TOKENS,
        "the price table",
        "The longest answer, which is what a request without max_tokens reserves.",
        "16384",
    ),
    Key::new("model_list[].model_info.max_tokens", TOKENS, "none", "Another name for max_output_tokens.", "16384")
        .in_comment(),
    Key::new(
        "model_list[].model_info.access_groups",
        Kind::Names,
        "none",
        "Names under which keys may be given this model together with others.",
        "[standard]",
    ),
    Key::new(
        "model_list[].model_info.disable_background_health_check",
        Kind::Bool,
        "false",
        "Leaves it out of background_health_checks.",
        "false",
    ),
    Key::new(
        "model_list[].model_info.health_check_model",
        Kind::Text,
        "none",
        "What is asked where the model has a `*`, by checks that pay for an answer (general_settings.health_check_budget).",
        "openai/gpt-4o-mini",
    ),
    Key::new("model_list[].model_info.health_check_timeout", TIMEOUT, "10", "How long a health check may take.", "10"),
    Key::new(
        "model_list[].model_info.<price>",
        Kind::Dollars,
        "the price table",
        "Dollars per unit, as in litellm_params, which wins.",
        "output_cost_per_token: 0.0000006",
    ),
];
