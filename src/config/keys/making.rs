//! The keys of what new keys, users and teams begin with, and of what keys may not go beyond.

use crate::config::kind::Kind;
use crate::config::table::Key;

const COUNT: Kind = Kind::Count { min: 0, max: 1_000_000_000_000 };

/// A row of a section of limits: what it means is said by its section.
const fn limit(path: &'static str, kind: Kind, meaning: &'static str, example: &'static str) -> Key {
    Key::new(path, kind, "none", meaning, example)
}

pub(super) const KEYS: &[Key] = &[
    Key::new(
        "litellm_settings.default_key_generate_params",
        Kind::Section,
        "none",
        "What a key gets that is made (/key/generate) where the request does not say.",
        "{}",
    ),
    limit("litellm_settings.default_key_generate_params.max_budget", Kind::Dollars, "Its budget.", "10.00"),
    limit("litellm_settings.default_key_generate_params.budget_duration", Kind::Window, "Its window.", "30d"),
    limit("litellm_settings.default_key_generate_params.duration", Kind::Window, "How long it lasts.", "90d"),
    limit("litellm_settings.default_key_generate_params.models", Kind::Names, "Models it may name.", "[example-chat]"),
    limit("litellm_settings.default_key_generate_params.rpm_limit", COUNT, "Requests a minute.", "600"),
    limit("litellm_settings.default_key_generate_params.tpm_limit", COUNT, "Tokens a minute.", "100000"),
    limit("litellm_settings.default_key_generate_params.max_parallel_requests", COUNT, "Open requests.", "20"),
    limit("litellm_settings.default_key_generate_params.team_id", Kind::Text, "Its team.", "example-team").in_comment(),
    limit("litellm_settings.default_key_generate_params.user_id", Kind::Text, "Its user.", "example-user").in_comment(),
    limit("litellm_settings.default_key_generate_params.tags", Kind::Names, "Its tags.", "[example]"),
    limit("litellm_settings.default_key_generate_params.metadata", Kind::Object, "Its metadata.", "{example: true}"),
    Key::new(
        "litellm_settings.upperbound_key_generate_params",
        Kind::Section,
        "none",
        "What no key goes beyond that is made, changed or replaced: refused with 400. A new key that does not say gets this.",
        "{}",
    ),
    limit("litellm_settings.upperbound_key_generate_params.max_budget", Kind::Dollars, "The largest budget.", "100.00"),
    limit(
        "litellm_settings.upperbound_key_generate_params.budget_duration",
        Kind::Window,
        "The longest window.",
        "30d",
    ),
    limit("litellm_settings.upperbound_key_generate_params.duration", Kind::Window, "The longest life.", "365d"),
    limit("litellm_settings.upperbound_key_generate_params.rpm_limit", COUNT, "The most requests a minute.", "6000"),
    limit("litellm_settings.upperbound_key_generate_params.tpm_limit", COUNT, "The most tokens a minute.", "1000000"),
    limit(
        "litellm_settings.upperbound_key_generate_params.max_parallel_requests",
        COUNT,
        "The most open requests.",
        "100",
    ),
    Key::new(
        "litellm_settings.default_internal_user_params",
        Kind::Section,
        "none",
        "What a user gets who is made (/user/new) where the request does not say.",
        "{}",
    ),
    Key::new(
        "litellm_settings.default_internal_user_params.user_role",
        Kind::Choice(&["internal_user", "internal_user_viewer", "proxy_admin", "proxy_admin_viewer"]),
        "internal_user",
        "What the user may do.",
        "internal_user",
    ),
    limit("litellm_settings.default_internal_user_params.max_budget", Kind::Dollars, "The user's budget.", "50.00"),
    limit("litellm_settings.default_internal_user_params.budget_duration", Kind::Window, "Its window.", "30d"),
    limit(
        "litellm_settings.default_internal_user_params.models",
        Kind::Names,
        "Models that the user's own keys may name.",
        "[example-chat]",
    ),
    limit("litellm_settings.default_internal_user_params.rpm_limit", COUNT, "Requests a minute.", "600"),
    limit("litellm_settings.default_internal_user_params.tpm_limit", COUNT, "Tokens a minute.", "100000"),
    limit(
        "litellm_settings.default_internal_user_params.teams",
        Kind::Names,
        "Teams the user is put into; one that is not on record is passed over.",
        "[example-team]",
    ),
    limit(
        "litellm_settings.default_internal_user_params.available_teams",
        Kind::Names,
        "Teams that users may join by themselves (/team/available, /team/member_add).",
        "[example-team]",
    ),
    limit(
        "litellm_settings.max_internal_user_budget",
        Kind::Dollars,
        "The budget of a new user with the role internal_user or internal_user_viewer where nothing else is said of it.",
        "20.00",
    ),
    limit("litellm_settings.internal_user_budget_duration", Kind::Window, "The window of that.", "1mo"),
    Key::new(
        "litellm_settings.default_team_params",
        Kind::Section,
        "none",
        "What a team gets that is made (/team/new) where the request does not say.",
        "{}",
    ),
    limit("litellm_settings.default_team_params.max_budget", Kind::Dollars, "Its budget.", "500.00"),
    limit("litellm_settings.default_team_params.budget_duration", Kind::Window, "Its window.", "1mo"),
    limit("litellm_settings.default_team_params.models", Kind::Names, "Models its keys may name.", "[example-chat]"),
    limit("litellm_settings.default_team_params.rpm_limit", COUNT, "Requests a minute.", "6000"),
    limit("litellm_settings.default_team_params.tpm_limit", COUNT, "Tokens a minute.", "1000000"),
    limit(
        "litellm_settings.default_team_params.team_member_permissions",
        Kind::Names,
        "What its members may do with its keys.",
        "[/key/info, /key/generate]",
    ),
];
