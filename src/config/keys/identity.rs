//! The keys of `general_settings.litellm_jwtauth`.

use crate::config::identity::JwtRole;
use crate::config::kind::Kind;
use crate::config::table::Key;

const AGE: Kind = Kind::Seconds { zero: true, max: 604_800 };

/// A key whose value is the path of a claim.
const fn claim(path: &'static str, meaning: &'static str, example: &'static str) -> Key {
    Key::new(path, Kind::Text, "none", meaning, example)
}

pub(super) const KEYS: &[Key] = &[
    claim(
        "general_settings.litellm_jwtauth.user_id_jwt_field",
        "The claim with the user's id. Paths with dots lead into objects.",
        "sub",
    ),
    claim(
        "general_settings.litellm_jwtauth.user_email_jwt_field",
        "The claim with the user's e-mail; the user's id where there is no other.",
        "email",
    ),
    claim(
        "general_settings.litellm_jwtauth.team_id_jwt_field",
        "The claim with the team's id; a token without one is refused. Of a list the first counts.",
        "client_id",
    )
    .in_comment(),
    claim(
        "general_settings.litellm_jwtauth.team_ids_jwt_field",
        "The claim with the ids of all teams: the first, by name, that may use the model counts.",
        "groups",
    ),
    claim(
        "general_settings.litellm_jwtauth.team_alias_jwt_field",
        "The claim with the team's alias, where there is no id.",
        "team",
    )
    .in_comment(),
    claim("general_settings.litellm_jwtauth.org_id_jwt_field", "The claim with the organization's id.", "org_id"),
    claim(
        "general_settings.litellm_jwtauth.end_user_id_jwt_field",
        "The claim with the customer's id, which wins over what the request says.",
        "customer_id",
    ),
    claim("general_settings.litellm_jwtauth.team_id_default", "The team of tokens that name none.", "example-team")
        .in_comment(),
    Key::new(
        "general_settings.litellm_jwtauth.user_id_upsert",
        Kind::Bool,
        "false",
        "Whether a user who is not on record is served.",
        "true",
    ),
    Key::new(
        "general_settings.litellm_jwtauth.user_allowed_email_domain",
        Kind::Text,
        "any",
        "The domain that users' e-mails must have.",
        "example.com",
    ),
    claim(
        "general_settings.litellm_jwtauth.user_roles_jwt_field",
        "The claim with the roles that user_allowed_roles is about.",
        "resource_access.gateway.roles",
    ),
    Key::new(
        "general_settings.litellm_jwtauth.user_allowed_roles",
        Kind::Names,
        "none",
        "Roles that make a token a user's, for enforce_rbac.",
        "[engineer]",
    ),
    Key::new(
        "general_settings.litellm_jwtauth.admin_jwt_scope",
        Kind::Text,
        "litellm_proxy_admin",
        "The scope that makes an admin.",
        "litellm_proxy_admin",
    ),
    Key::new(
        "general_settings.litellm_jwtauth.admin_allowed_routes",
        Kind::Names,
        "management_routes, spend_tracking_routes, global_spend_tracking_routes, info_routes",
        "Paths, or names of groups of paths, that admins may call with a token.",
        "[management_routes, info_routes]",
    ),
    Key::new(
        "general_settings.litellm_jwtauth.team_allowed_routes",
        Kind::Names,
        "openai_routes, info_routes, /v1/messages, /v1/messages/count_tokens",
        "Paths, or names of groups of paths, that tokens of a team may call.",
        "[openai_routes, info_routes]",
    ),
    Key::new(
        "general_settings.litellm_jwtauth.enforce_team_based_model_access",
        Kind::Bool,
        "false",
        "Whether a token must name a team.",
        "false",
    ),
    Key::new(
        "general_settings.litellm_jwtauth.enforce_rbac",
        Kind::Bool,
        "false",
        "Whether a token must belong to an admin, a team or a user.",
        "false",
    ),
    claim(
        "general_settings.litellm_jwtauth.roles_jwt_field",
        "The claim with the roles that role_mappings are about.",
        "realm_access.roles",
    ),
    Key::new(
        "general_settings.litellm_jwtauth.role_mappings",
        Kind::Sections,
        "none",
        "What roles of the identity provider make of a caller; the first that fits counts.",
        "[]",
    ),
    Key::new(
        "general_settings.litellm_jwtauth.role_mappings[].role",
        Kind::Text,
        "must be given",
        "The role, as the identity provider names it.",
        "gateway-admin",
    ),
    Key::new(
        "general_settings.litellm_jwtauth.role_mappings[].internal_role",
        Kind::Choice(&JwtRole::NAMES),
        "must be given",
        "What it makes of a caller.",
        "proxy_admin",
    ),
    claim(
        "general_settings.litellm_jwtauth.object_id_jwt_field",
        "The claim with the id of the team or the user, whichever role_mappings make of the caller.",
        "oid",
    ),
    Key::new(
        "general_settings.litellm_jwtauth.enforce_scope_based_access",
        Kind::Bool,
        "false",
        "Whether scope_mappings decide which models a token may name.",
        "false",
    ),
    Key::new(
        "general_settings.litellm_jwtauth.scope_mappings",
        Kind::Sections,
        "none",
        "The models that each scope opens.",
        "[]",
    ),
    Key::new(
        "general_settings.litellm_jwtauth.scope_mappings[].scope",
        Kind::Text,
        "must be given",
        "The scope.",
        "chat.use",
    ),
    Key::new(
        "general_settings.litellm_jwtauth.scope_mappings[].models",
        Kind::Names,
        "none",
        "Models it opens.",
        "[example-chat]",
    ),
    claim(
        "general_settings.litellm_jwtauth.virtual_key_claim_field",
        "The claim that says which virtual key a token stands for.",
        "azp",
    ),
    Key::new(
        "general_settings.litellm_jwtauth.virtual_keys",
        Kind::Renames,
        "none",
        "The key_alias of the virtual key, by the value of that claim.",
        "{example-client: example-key}",
    ),
    Key::new(
        "general_settings.litellm_jwtauth.unregistered_jwt_client_behavior",
        Kind::Choice(&["fallback_team_mapping", "reject"]),
        "fallback_team_mapping",
        "Whether a token that stands for no virtual key goes by its other claims, or is refused.",
        "fallback_team_mapping",
    ),
    Key::new(
        "general_settings.litellm_jwtauth.public_key_ttl",
        Kind::Seconds { zero: false, max: 604_800 },
        "600",
        "How long the issuer's keys are used before they are fetched again.",
        "600",
    ),
    Key::new(
        "general_settings.litellm_jwtauth.public_key_stale_ttl",
        AGE,
        "3600",
        "How much longer they are used while they cannot be fetched.",
        "3600",
    ),
    Key::new(
        "general_settings.litellm_jwtauth.leeway",
        Kind::Seconds { zero: true, max: 600 },
        "0",
        "How far the issuer's clock and ours may differ, for exp, nbf and iat.",
        "30",
    ),
    Key::new(
        "general_settings.litellm_jwtauth.algorithms",
        Kind::Names,
        "RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, EdDSA",
        "Signature algorithms that are taken.",
        "[RS256, ES256]",
    ),
    Key::new(
        "general_settings.litellm_jwtauth.issuers",
        Kind::Sections,
        "none",
        "Issuers with keys and names of claims of their own. Tokens of others go by JWT_PUBLIC_KEY_URL, JWT_AUDIENCE and \
         JWT_ISSUER.",
        "[]",
    ),
    Key::new(
        "general_settings.litellm_jwtauth.issuers[].issuer",
        Kind::Url,
        "must be given",
        "What iss is, to the letter.",
        "https://login.example.com",
    ),
    Key::new(
        "general_settings.litellm_jwtauth.issuers[].jwks_url",
        Kind::Url,
        "the issuer's OpenID Connect discovery document",
        "Where its keys are.",
        "https://login.example.com/keys",
    ),
    Key::new(
        "general_settings.litellm_jwtauth.issuers[].audience",
        Kind::NameOrNames,
        "must be given, or disable_audience_validation",
        "What aud must name.",
        "[tollgate]",
    ),
    Key::new(
        "general_settings.litellm_jwtauth.issuers[].disable_audience_validation",
        Kind::Bool,
        "false",
        "Take tokens that the issuer made for anybody.",
        "true",
    )
    .in_comment(),
    claim("general_settings.litellm_jwtauth.issuers[].user_id_jwt_field", "See above, for this issuer.", "sub"),
    claim("general_settings.litellm_jwtauth.issuers[].user_email_jwt_field", "See above, for this issuer.", "email"),
    claim("general_settings.litellm_jwtauth.issuers[].team_id_jwt_field", "See above, for this issuer.", "team"),
    claim("general_settings.litellm_jwtauth.issuers[].team_ids_jwt_field", "See above, for this issuer.", "teams"),
    claim("general_settings.litellm_jwtauth.issuers[].org_id_jwt_field", "See above, for this issuer.", "org"),
    claim(
        "general_settings.litellm_jwtauth.issuers[].end_user_id_jwt_field",
        "See above, for this issuer.",
        "customer",
    ),
];
