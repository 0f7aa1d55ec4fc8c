//! Whom a token is about, in the words of the configuration.

use super::claims::Claims;
use crate::config::{ClaimFields, JwtAuth, JwtRole};
use crate::vocabulary::{Fault, Kind};

/// The longest id that is taken from a token, in bytes.
const ID_BYTES_MAX: usize = 256;

/// Whoever a token was made for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Person {
    /// Whether the token makes an admin.
    pub admin: bool,
    /// The user's id.
    pub user_id: Option<String>,
    /// The user's e-mail.
    pub user_email: Option<String>,
    /// The team that the token names as the one.
    pub team_id: Option<String>,
    /// Its alias, where the token has no id.
    pub team_alias: Option<String>,
    /// All teams, by name: the first that may use the model counts.
    pub team_ids: Vec<String>,
    /// The organization's id.
    pub organization_id: Option<String>,
    /// The customer's id.
    pub customer_id: Option<String>,
    /// The models that its scopes open; None: they open all.
    pub models: Option<Vec<String>>,
    /// The value of the claim that stands for a virtual key.
    pub key: Option<String>,
}

impl Person {
    /// Reads the claims of a verified token.
    ///
    /// # Errors
    /// The e-mail is of another domain, a team is missing that must be there, or nobody is named at all where that is
    /// demanded.
    pub(super) fn of(claims: &Claims, fields: &ClaimFields, rules: &JwtAuth) -> Result<Self, Fault> {
        let text = |field: &Option<String>| id(claims, field.as_deref()?);
        let scopes = claims.words("scope");
        let mapped = mapped_role(claims, rules);
        let admin = scopes.contains(&rules.admin_scope) || mapped == Some(JwtRole::Admin);
        let user_email = text(&fields.user_email);
        check_domain(user_email.as_deref(), rules)?;
        let mut person = Self {
            admin,
            user_id: text(&fields.user_id).or_else(|| user_email.clone()),
            user_email,
            team_id: text(&fields.team_id),
            team_alias: text(&fields.team_alias),
            team_ids: fields.team_ids.as_deref().map(|field| ids(claims, field)).unwrap_or_default(),
            organization_id: text(&fields.organization_id),
            customer_id: text(&fields.customer_id),
            models: rules.scope_models.as_ref().map(|mappings| opened(mappings, &scopes)),
            key: text(&rules.key_field),
        };
        match (mapped, text(&rules.object_id_field)) {
            (Some(JwtRole::Team), Some(id)) => person.team_id = Some(id),
            (Some(JwtRole::User), Some(id)) => person.user_id = Some(id),
            _ => {}
        }
        if person.team_id.is_none() && person.team_alias.is_none() && !person.admin {
            person.team_id = rules.team_default.clone().filter(|_| person.team_ids.is_empty());
            person.check_team(fields, rules)?;
        }
        if rules.enforce_rbac && !person.belongs(claims, mapped, rules) {
            let text = "Unmatched token passed in. enforce_rbac is set to True. Token must belong to a proxy admin, team, or user.";
            return Err(forbidden(text));
        }
        Ok(person)
    }

    /// The ids of all teams, quoted, with commas between.
    pub fn quoted_teams(&self) -> String {
        let ids = self.team_ids.iter().chain(&self.team_id);
        ids.map(|id| format!("'{id}'")).collect::<Vec<_>>().join(", ")
    }

    /// A team that must be there.
    fn check_team(&self, fields: &ClaimFields, rules: &JwtAuth) -> Result<(), Fault> {
        if self.team_id.is_some() || !self.team_ids.is_empty() {
            return Ok(());
        }
        let shown = |field: &Option<String>| field.clone().unwrap_or_else(|| "None".to_owned());
        if (fields.team_id.is_some() || fields.team_alias.is_some()) && fields.team_ids.is_none() {
            let text = format!(
                "Authentication Error, No team found in token. Checked team_id field '{}' and team_alias field '{}'.",
                shown(&fields.team_id),
                shown(&fields.team_alias)
            );
            return Err(Fault::client(Kind::MalformedKey, text).param("None"));
        }
        if rules.team_required {
            let text = "No teams found in token. `enforce_team_based_model_access` is set to True. Token must belong to a team.";
            return Err(forbidden(text));
        }
        Ok(())
    }

    fn belongs(&self, claims: &Claims, mapped: Option<JwtRole>, rules: &JwtAuth) -> bool {
        let allowed =
            |(field, allowed): &(String, Vec<String>)| claims.texts(field).iter().any(|role| allowed.contains(role));
        self.admin
            || self.team_id.is_some()
            || !self.team_ids.is_empty()
            || self.user_id.is_some()
            || mapped.is_some()
            || rules.user_roles.as_ref().is_some_and(allowed)
    }
}

/// A refusal of somebody who is known.
fn forbidden(text: impl Into<std::borrow::Cow<'static, str>>) -> Fault {
    Fault::client(Kind::Forbidden, text).param("None")
}

/// An id that can be kept and shown: not empty, not long, on one line.
fn id(claims: &Claims, field: &str) -> Option<String> {
    claims.text(field).filter(|id| is_id(id))
}

fn ids(claims: &Claims, field: &str) -> Vec<String> {
    let mut ids: Vec<_> = claims.texts(field).into_iter().filter(|id| is_id(id)).collect();
    ids.sort_unstable();
    ids.dedup();
    ids
}

fn is_id(text: &str) -> bool {
    text.len() <= ID_BYTES_MAX && !text.chars().any(char::is_control)
}

/// What the first of the mappings whose role the token has makes of it.
fn mapped_role(claims: &Claims, rules: &JwtAuth) -> Option<JwtRole> {
    let roles = claims.texts(rules.roles_field.as_deref()?);
    rules.role_mappings.iter().find(|(role, _)| roles.contains(role)).map(|(_, role)| *role)
}

/// The models that these scopes open.
fn opened(mappings: &[(String, Vec<String>)], scopes: &[String]) -> Vec<String> {
    let open = mappings.iter().filter(|(scope, _)| scopes.contains(scope));
    open.flat_map(|(_, models)| models.iter().cloned()).collect()
}

fn check_domain(email: Option<&str>, rules: &JwtAuth) -> Result<(), Fault> {
    let Some(domain) = &rules.email_domain else { return Ok(()) };
    let found = email.and_then(|email| email.rsplit_once('@')).map(|(_, found)| found);
    if found.is_some_and(|found| found.eq_ignore_ascii_case(domain)) {
        return Ok(());
    }
    let text = format!("Email domain not allowed. User email: {}. Allowed domain: {domain}", email.unwrap_or("None"));
    Err(Fault::client(Kind::Forbidden, text).param("user_email"))
}
