//! Python hooks: this is not Python, and going on without them could open what they closed.

/// What to do instead of a hook that cannot be run; None if the name is not one.
pub(in crate::config) fn instead(section: &str, name: &str) -> Option<&'static str> {
    REFUSED.iter().find(|(place, refused, _)| *place == section && *refused == name).map(|(.., instead)| *instead)
}

const REFUSED: &[(&str, &str, &str)] = &[
    ("general_settings", "custom_auth", "declare callers under `virtual_keys`, or check them in a proxy in front"),
    ("general_settings", "custom_key_generate", "declare keys under `virtual_keys`"),
    ("general_settings", "custom_key_update", "declare keys under `virtual_keys`"),
    ("general_settings", "custom_sso", "declare callers under `virtual_keys`"),
    ("general_settings", "custom_ui_sso_sign_in_handler", "declare callers under `virtual_keys`"),
    (
        "litellm_settings",
        "custom_provider_map",
        "use `openai/MODEL` with the `api_base` of an OpenAI-compatible server",
    ),
    ("litellm_settings", "custom_key_generate", "declare keys under `virtual_keys`"),
    ("litellm_settings", "pre_call_rules", "check requests in a proxy in front"),
    ("litellm_settings", "post_call_rules", "check answers in the client"),
    ("litellm_settings", "adapters", "use the OpenAI endpoints"),
    ("litellm_settings", "secret_manager_client", "use os.environ/NAME or file:PATH"),
    ("litellm_settings", "client_session", "use `ssl_verify`, `force_ipv4` and the timeouts"),
    ("litellm_settings", "aclient_session", "use `ssl_verify`, `force_ipv4` and the timeouts"),
];
