//! Tokens of an identity provider, as configured: `general_settings.enable_jwt_auth` and `litellm_jwtauth`.

use std::time::Duration;

/// Who may come with a JSON Web Token (RFC 7519) instead of a key, and what its claims mean.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JwtAuth {
    /// `JWT_PUBLIC_KEY_URL`: where the keys are of tokens whose issuer is not among [`Self::issuers`].
    pub key_urls: Vec<String>,
    /// `JWT_AUDIENCE`: what the `aud` of those must name. None: anything, or nothing.
    pub audience: Option<String>,
    /// `JWT_ISSUER`: what the `iss` of those must be. None: anything, or nothing.
    pub issuer: Option<String>,
    /// `issuers`: those with keys, audience and names of claims of their own.
    pub issuers: Vec<Issuer>,
    /// `algorithms`: signatures by any other are refused.
    pub algorithms: Vec<Algorithm>,
    /// `leeway`: how far clocks may differ.
    pub leeway: Duration,
    /// `public_key_ttl`: how long keys are used before they are fetched again.
    pub key_ttl: Duration,
    /// `public_key_stale_ttl`: how much longer they are used while they cannot be fetched.
    pub key_stale_ttl: Duration,
    /// `*_jwt_field`: where a claim stands, as a path with dots.
    pub fields: ClaimFields,
    /// `user_id_upsert`: a user who is not on record is served.
    pub user_upsert: bool,
    /// `user_allowed_email_domain`.
    pub email_domain: Option<String>,
    /// `user_roles_jwt_field` and `user_allowed_roles`: whose token counts as a user's.
    pub user_roles: Option<(String, Vec<String>)>,
    /// `team_id_default`: the team of tokens that name none.
    pub team_default: Option<String>,
    /// `enforce_team_based_model_access`: a token must name a team.
    pub team_required: bool,
    /// `admin_jwt_scope`: the scope that makes an admin.
    pub admin_scope: String,
    /// `admin_allowed_routes`: paths, or names of groups of paths, that admins may call with a token.
    pub admin_routes: Vec<String>,
    /// `team_allowed_routes`: what tokens of a team may call.
    pub team_routes: Vec<String>,
    /// `enforce_rbac`: a token must belong to an admin, a team or a user.
    pub enforce_rbac: bool,
    /// `roles_jwt_field`: where the roles stand that [`Self::role_mappings`] are about.
    pub roles_field: Option<String>,
    /// `role_mappings`: the first whose role the token has counts.
    pub role_mappings: Vec<(String, JwtRole)>,
    /// `object_id_jwt_field`: the id of the user or the team, whichever the mapped role says it is.
    pub object_id_field: Option<String>,
    /// `scope_mappings`, where `enforce_scope_based_access` is set: the models that each scope opens.
    pub scope_models: Option<Vec<(String, Vec<String>)>>,
    /// `virtual_key_claim_field`: the claim that says which virtual key a token stands for.
    pub key_field: Option<String>,
    /// `virtual_keys`: the alias of the key, by the claim's value.
    pub keys: Vec<(String, String)>,
    /// `unregistered_jwt_client_behavior: reject`: a token that stands for no key is refused.
    pub key_required: bool,
}

/// An issuer with rules of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issuer {
    /// What `iss` is, to the letter.
    pub issuer: String,
    /// `jwks_url`, or the issuer's OpenID Connect discovery document.
    pub key_url: String,
    /// `audience`: one of them must stand in `aud`. Empty only with `disable_audience_validation`.
    pub audience: Vec<String>,
    /// Claims that have other names here.
    pub fields: ClaimFields,
}

/// Where claims stand. A path with dots leads into objects: `realm_access.roles`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClaimFields {
    /// `user_id_jwt_field`.
    pub user_id: Option<String>,
    /// `user_email_jwt_field`.
    pub user_email: Option<String>,
    /// `team_id_jwt_field`.
    pub team_id: Option<String>,
    /// `team_ids_jwt_field`.
    pub team_ids: Option<String>,
    /// `team_alias_jwt_field`.
    pub team_alias: Option<String>,
    /// `org_id_jwt_field`.
    pub organization_id: Option<String>,
    /// `end_user_id_jwt_field`.
    pub customer_id: Option<String>,
}

impl ClaimFields {
    /// These, and where one is not set, that of `otherwise`.
    #[must_use]
    pub fn or(&self, otherwise: &Self) -> Self {
        let of = |own: &Option<String>, other: &Option<String>| own.clone().or_else(|| other.clone());
        Self {
            user_id: of(&self.user_id, &otherwise.user_id),
            user_email: of(&self.user_email, &otherwise.user_email),
            team_id: of(&self.team_id, &otherwise.team_id),
            team_ids: of(&self.team_ids, &otherwise.team_ids),
            team_alias: of(&self.team_alias, &otherwise.team_alias),
            organization_id: of(&self.organization_id, &otherwise.organization_id),
            customer_id: of(&self.customer_id, &otherwise.customer_id),
        }
    }
}

/// What a role of the identity provider makes of a caller (`internal_role`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JwtRole {
    /// `proxy_admin`.
    Admin,
    /// `team`.
    Team,
    /// `internal_user`.
    User,
}

impl JwtRole {
    /// The words for them.
    pub const NAMES: [&'static str; 3] = ["proxy_admin", "team", "internal_user"];

    /// The role with this name.
    pub fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "proxy_admin" => Self::Admin,
            "team" => Self::Team,
            "internal_user" => Self::User,
            _ => return None,
        })
    }
}

/// A signature algorithm (RFC 7518, RFC 8037). None of them works with a secret that both sides have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Algorithm {
    /// RSA, PKCS#1 v1.5, SHA-256.
    Rs256,
    /// The same with SHA-384.
    Rs384,
    /// The same with SHA-512.
    Rs512,
    /// RSA, PSS, SHA-256.
    Ps256,
    /// The same with SHA-384.
    Ps384,
    /// The same with SHA-512.
    Ps512,
    /// ECDSA on P-256 with SHA-256.
    Es256,
    /// ECDSA on P-384 with SHA-384.
    Es384,
    /// Ed25519.
    EdDsa,
}

impl Algorithm {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Rs256,
        Self::Rs384,
        Self::Rs512,
        Self::Ps256,
        Self::Ps384,
        Self::Ps512,
        Self::Es256,
        Self::Es384,
        Self::EdDsa,
    ];

    /// Its name in `alg`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Rs256 => "RS256",
            Self::Rs384 => "RS384",
            Self::Rs512 => "RS512",
            Self::Ps256 => "PS256",
            Self::Ps384 => "PS384",
            Self::Ps512 => "PS512",
            Self::Es256 => "ES256",
            Self::Es384 => "ES384",
            Self::EdDsa => "EdDSA",
        }
    }

    /// The algorithm with this name, to the letter.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|algorithm| algorithm.name() == name)
    }
}
