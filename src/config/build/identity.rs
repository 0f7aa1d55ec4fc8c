//! Tokens of an identity provider.

use std::time::Duration;

use super::{Build, entries, names, text, truth};
use crate::config::identity::{Algorithm, ClaimFields, Issuer, JwtAuth, JwtRole};
use crate::config::value;
use crate::config::yaml::Node;

const PATH: &str = "general_settings.litellm_jwtauth";
/// LiteLLM's defaults.
const ADMIN_SCOPE: &str = "litellm_proxy_admin";
const ADMIN_ROUTES: [&str; 4] =
    ["management_routes", "spend_tracking_routes", "global_spend_tracking_routes", "info_routes"];
const TEAM_ROUTES: [&str; 4] = ["openai_routes", "info_routes", "/v1/messages", "/v1/messages/count_tokens"];
const KEY_TTL: Duration = Duration::from_secs(600);
const KEY_STALE_TTL: Duration = Duration::from_secs(3600);
/// Where an issuer says where its keys are (OpenID Connect Discovery, section 4).
const DISCOVERY: &str = "/.well-known/openid-configuration";

impl Build<'_> {
    /// `enable_jwt_auth` and what belongs to it; None where tokens are not taken.
    pub(super) fn jwt_auth(&mut self) -> Option<JwtAuth> {
        let enabled = self.general.entry("enable_jwt_auth").filter(|entry| entry.value.bool() == Some(true))?;
        let null = Node::null(self.root.place.clone());
        let section = self.general.at("litellm_jwtauth").unwrap_or(&null);
        let issuers = self.issuers(section);
        let key_urls = self.key_urls(&enabled.place);
        if key_urls.is_empty() && issuers.is_empty() {
            let reason =
                "every token is refused, as none can be verified: set JWT_PUBLIC_KEY_URL, or litellm_jwtauth.issuers";
            self.report.warn(&enabled.place, "general_settings.enable_jwt_auth", reason);
        }
        let (audience, issuer) = (self.variables.find("JWT_AUDIENCE"), self.variables.find("JWT_ISSUER"));
        if !key_urls.is_empty() && audience.is_none() && issuer.is_none() {
            let reason = "every token that this issuer signs is taken, for whomever it was made: set JWT_AUDIENCE";
            self.report.warn(&enabled.place, "general_settings.enable_jwt_auth", reason);
        }
        let seconds = |name: &str, usual| section.at(name).and_then(value::duration).unwrap_or(usual);
        let routes = |name: &str, usual: &[&str]| match section.at(name) {
            Some(_) => names(section, name),
            None => usual.iter().map(|name| (*name).to_owned()).collect(),
        };
        Some(JwtAuth {
            key_urls,
            audience,
            issuer,
            issuers,
            algorithms: self.algorithms(section),
            leeway: seconds("leeway", Duration::ZERO),
            key_ttl: seconds("public_key_ttl", KEY_TTL),
            key_stale_ttl: seconds("public_key_stale_ttl", KEY_STALE_TTL),
            fields: fields(section),
            user_upsert: truth(section, "user_id_upsert").unwrap_or(false),
            email_domain: text(section, "user_allowed_email_domain"),
            user_roles: self.user_roles(section),
            team_default: text(section, "team_id_default"),
            team_required: truth(section, "enforce_team_based_model_access").unwrap_or(false),
            admin_scope: text(section, "admin_jwt_scope").unwrap_or_else(|| ADMIN_SCOPE.to_owned()),
            admin_routes: routes("admin_allowed_routes", &ADMIN_ROUTES),
            team_routes: routes("team_allowed_routes", &TEAM_ROUTES),
            enforce_rbac: truth(section, "enforce_rbac").unwrap_or(false),
            roles_field: text(section, "roles_jwt_field"),
            role_mappings: self.role_mappings(section),
            object_id_field: self.object_id(section),
            scope_models: self.scope_models(section),
            key_field: text(section, "virtual_key_claim_field"),
            keys: entries(section, "virtual_keys")
                .iter()
                .filter_map(|entry| Some((entry.key.clone(), entry.value.text()?.to_owned())))
                .collect(),
            key_required: text(section, "unregistered_jwt_client_behavior").is_some_and(|word| word == "reject"),
        })
    }

    fn key_urls(&mut self, place: &crate::config::yaml::Place) -> Vec<String> {
        let urls = self.variables.find("JWT_PUBLIC_KEY_URL").unwrap_or_default();
        let (good, bad): (Vec<_>, Vec<_>) =
            urls.split(',').map(str::trim).filter(|url| !url.is_empty()).partition(|url| value::is_url(url));
        if !bad.is_empty() {
            let reason =
                "JWT_PUBLIC_KEY_URL: left out what is no URL like https://host/keys; several have commas between";
            self.report.warn(place, "general_settings.enable_jwt_auth", reason);
        }
        good.into_iter().map(str::to_owned).collect()
    }

    fn issuers(&mut self, section: &Node) -> Vec<Issuer> {
        let list = section.at("issuers").map_or(&[] as &[Node], Node::items);
        let read = |(index, node): (usize, &Node)| self.issuer(node, &format!("{PATH}.issuers[{index}]"));
        list.iter().enumerate().filter_map(read).collect()
    }

    fn issuer(&mut self, node: &Node, path: &str) -> Option<Issuer> {
        let Some(issuer) = text(node, "issuer") else {
            self.report.error(&node.place, &format!("{path}.issuer"), "missing; every entry must have one");
            return None;
        };
        let audience = node.at("audience").and_then(value::name_or_names).unwrap_or_default();
        let anybody = truth(node, "disable_audience_validation").unwrap_or(false);
        if audience.is_empty() && !anybody {
            let reason = "missing; name whom tokens are made for, or set disable_audience_validation";
            self.report.error(&node.place, &format!("{path}.audience"), reason);
        }
        let key_url = text(node, "jwks_url").unwrap_or_else(|| format!("{}{DISCOVERY}", issuer.trim_end_matches('/')));
        Some(Issuer { issuer, key_url, audience, fields: fields(node) })
    }

    fn algorithms(&mut self, section: &Node) -> Vec<Algorithm> {
        let Some(entry) = section.entry("algorithms") else { return Algorithm::ALL.to_vec() };
        let found = names(section, "algorithms");
        let known: Vec<_> = found.iter().filter_map(|name| Algorithm::parse(name)).collect();
        if known.len() < found.len() || known.is_empty() {
            let names = Algorithm::ALL.map(Algorithm::name).join(", ");
            let reason = format!("expected some of {names}; a shared secret (HS256) or none cannot prove who signed");
            self.report.error(&entry.place, &format!("{PATH}.algorithms"), reason);
        }
        known
    }

    fn user_roles(&mut self, section: &Node) -> Option<(String, Vec<String>)> {
        let (field, roles) = (text(section, "user_roles_jwt_field"), names(section, "user_allowed_roles"));
        if field.is_some() == roles.is_empty() {
            let reason = "user_roles_jwt_field and user_allowed_roles belong together; set both";
            self.report.error(&section.place, PATH, reason);
        }
        field.map(|field| (field, roles))
    }

    fn role_mappings(&mut self, section: &Node) -> Vec<(String, JwtRole)> {
        let mut mappings = Vec::new();
        for node in section.at("role_mappings").map_or(&[] as &[Node], Node::items) {
            match (text(node, "role"), text(node, "internal_role").and_then(|role| JwtRole::parse(&role))) {
                (Some(role), Some(internal)) => mappings.push((role, internal)),
                _ => self.report.error(&node.place, &format!("{PATH}.role_mappings"), "needs role and internal_role"),
            }
        }
        if let Some(entry) = section.entry("role_mappings").filter(|_| section.at("roles_jwt_field").is_none()) {
            self.report.warn(&entry.place, &format!("{PATH}.role_mappings"), "has no effect without roles_jwt_field");
        }
        mappings
    }

    fn object_id(&mut self, section: &Node) -> Option<String> {
        let entry = section.entry("object_id_jwt_field")?;
        if section.at("role_mappings").is_none() {
            let reason = "needs role_mappings, which say whether it is a team's or a user's";
            self.report.error(&entry.place, &format!("{PATH}.object_id_jwt_field"), reason);
        }
        entry.value.text().map(str::to_owned)
    }

    fn scope_models(&mut self, section: &Node) -> Option<Vec<(String, Vec<String>)>> {
        let mappings = section.at("scope_mappings").map_or(&[] as &[Node], Node::items);
        let enforced = truth(section, "enforce_scope_based_access") == Some(true);
        if let Some(entry) = section.entry("scope_mappings").filter(|_| !enforced && !mappings.is_empty()) {
            let reason = "has no effect without enforce_scope_based_access";
            self.report.warn(&entry.place, &format!("{PATH}.scope_mappings"), reason);
        }
        let mapping = |node: &Node| Some((text(node, "scope")?, names(node, "models")));
        enforced.then(|| mappings.iter().filter_map(mapping).collect())
    }
}

fn fields(node: &Node) -> ClaimFields {
    let field = |name: &str| text(node, name).filter(|field| !field.is_empty());
    ClaimFields {
        user_id: field("user_id_jwt_field"),
        user_email: field("user_email_jwt_field"),
        team_id: field("team_id_jwt_field"),
        team_ids: field("team_ids_jwt_field"),
        team_alias: field("team_alias_jwt_field"),
        organization_id: field("org_id_jwt_field"),
        customer_id: field("end_user_id_jwt_field"),
    }
}
