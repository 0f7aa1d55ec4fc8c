//! The fields of a request: those that decisions are made on, those that are the gateway's own, those that are refused.

use crate::json;

/// What is done with a field before a request is forwarded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::dialect) enum Field {
    /// Forwarded as it is, known or not.
    Plain,
    /// Meant for a gateway (LiteLLM's own fields): removed.
    GatewayOnly,
    /// Chooses the upstream or its credential: the request is refused.
    Refused,
}

/// The exact name of a field that decisions are made on, given a key as it is folded.
pub(super) fn guarded(folded: &str) -> Option<&'static str> {
    Some(match folded {
        "model" => "model",
        "stream" => "stream",
        "streamoptions" => "stream_options",
        "maxtokens" => "max_tokens",
        "maxcompletiontokens" => "max_completion_tokens",
        "maxoutputtokens" => "max_output_tokens",
        "instructions" => "instructions",
        "previousresponseid" => "previous_response_id",
        "contents" => "contents",
        "system" => "system",
        "query" => "query",
        "n" => "n",
        "bestof" => "best_of",
        "user" => "user",
        "metadata" => "metadata",
        "tags" => "tags",
        "messages" => "messages",
        "prompt" => "prompt",
        "input" => "input",
        "tools" => "tools",
        "toolchoice" => "tool_choice",
        "functions" => "functions",
        "functioncall" => "function_call",
        "responseformat" => "response_format",
        "store" => "store",
        "servicetier" => "service_tier",
        "fallbacks" => "fallbacks",
        "disablefallbacks" => "disable_fallbacks",
        "numretries" => "num_retries",
        "timeout" => "timeout",
        "allowedmodelregion" => "allowed_model_region",
        _ => return None,
    })
}

/// The same for a body in a provider's own form: only what is read whatever the form.
pub(super) fn guarded_anywhere(folded: &str) -> Option<&'static str> {
    Some(match folded {
        "model" => "model",
        "stream" => "stream",
        "inferenceconfig" => "inferenceConfig",
        _ => return None,
    })
}

/// What is done with the field of this name. Look-alikes of refused names are refused too.
pub(in crate::dialect) fn of(key: &str) -> Field {
    if is_usual(key) {
        return Field::Plain;
    }
    let Some(folded) = json::fold(key) else { return Field::Plain };
    match folded.as_str() {
        "apibase"
        | "baseurl"
        | "apikey"
        | "apiversion"
        | "customllmprovider"
        | "organization"
        | "extraheaders"
        | "extraquery"
        | "headers"
        | "defaultheaders"
        | "client"
        | "httpclient"
        | "proxy"
        | "regionname"
        | "deploymentid"
        | "litellmcredentialname"
        | "litellmparams"
        | "modelinfo"
        | "modellist"
        | "sslverify"
        | "specificdeployment" => Field::Refused,
        name if ["aws", "vertex", "azure", "watsonx", "gcs", "s3"].iter().any(|family| is_of(name, key, family)) => {
            Field::Refused
        }
        "fallbacks"
        | "contextwindowfallbacks"
        | "contentpolicyfallbacks"
        | "defaultfallbacks"
        | "disablefallbacks"
        | "includefallbackerrors"
        | "numretries"
        | "maxretries"
        | "retrypolicy"
        | "timeout"
        | "requesttimeout"
        | "streamtimeout"
        | "cache"
        | "caching"
        | "ttl"
        | "guardrails"
        | "guardrailconfig"
        | "dropparams"
        | "additionaldropparams"
        | "allowedopenaiparams"
        | "allowedmodelregion"
        | "tags"
        | "mockresponse"
        | "mocktoolcalls"
        | "mocktimeout"
        | "mockdelay"
        | "mocktestingfallbacks"
        | "mocktestingratelimiterror"
        | "litellmmetadata"
        | "litellmcallid"
        | "litellmsessionid"
        | "litellmtraceid"
        | "litellmloggingobj"
        | "proxyserverrequest"
        | "secretfields"
        | "nolog"
        | "basemodel"
        | "inputcostpertoken"
        | "outputcostpertoken"
        | "inputcostpersecond"
        | "outputcostpersecond" => Field::GatewayOnly,
        _ => Field::Plain,
    }
}

/// What nearly every request has, in the spelling of the API: not worth a look at what it resembles.
fn is_usual(key: &str) -> bool {
    matches!(
        key,
        "model"
            | "messages"
            | "stream"
            | "temperature"
            | "max_tokens"
            | "max_completion_tokens"
            | "top_p"
            | "n"
            | "stop"
            | "user"
            | "tools"
            | "tool_choice"
            | "stream_options"
            | "response_format"
            | "input"
            | "prompt"
            | "metadata"
    )
}

/// `aws_region_name` is of the family `aws`; `awsome` is not.
fn is_of(folded: &str, key: &str, family: &str) -> bool {
    folded.starts_with(family) && key.get(family.len()..).is_some_and(|rest| rest.starts_with(['_', '-']))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_that_choose_the_upstream_are_refused_in_any_spelling() {
        for key in [
            "api_base",
            "API_BASE",
            "apiBase",
            "base_url",
            "api_key",
            "api-key",
            "custom_llm_provider",
            "extra_headers",
            "organization",
            "aws_secret_access_key",
            "AWS_REGION_NAME",
            "vertex_project",
            "azure_ad_token",
            "litellm_params",
        ] {
            assert_eq!(of(key), Field::Refused, "{key}");
        }
    }

    #[test]
    fn fields_of_gateways_are_removed_and_others_stay() {
        for key in ["fallbacks", "num_retries", "timeout", "cache", "drop_params", "mock_response", "no-log", "tags"] {
            assert_eq!(of(key), Field::GatewayOnly, "{key}");
        }
        for key in ["model", "temperature", "provider", "transforms", "awsome", "metadata", "user", "s3", "\u{fc}"] {
            assert_eq!(of(key), Field::Plain, "{key}");
        }
    }

    #[test]
    fn a_guarded_name_folds_to_its_own_entry() {
        for name in
            ["model", "stream", "stream_options", "max_tokens", "max_completion_tokens", "best_of", "tool_choice"]
        {
            assert_eq!(guarded(json::fold(name).unwrap().as_str()), Some(name));
        }
    }
}
