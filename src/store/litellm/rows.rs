//! LiteLLM's rows as records: keys by their hash, teams, members, users, customers, organizations, budgets, tags,
//! credentials and models.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::value::RawValue;
use zeroize::Zeroizing;

use super::fields::{Fields, moment};
use super::secret::{Opener, boxed};
use crate::ledger::{AccountId, Part};
use crate::roster::{
    Budget, Credential, Customer, Json, Key, Moment, Organization, OrganizationMember, Record, Role, Seal, StoredModel,
    TagRecord, Team, TeamMember, TeamRole, User, is_sealed, rewrite,
};
use crate::vocabulary::{KeyHash, PicoUsd, ScopeKind};

/// What a row became.
pub(super) struct Made {
    pub(super) record: Record,
    /// Columns that say something and are not in the record.
    pub(super) lost: Vec<String>,
    /// What was spent, on which account, until when that window goes.
    pub(super) spent: Option<(AccountId, PicoUsd, Option<i64>)>,
}

/// Why a row became nothing.
pub(super) type LeftOut = String;

/// What several tables need of others.
#[derive(Default)]
pub(super) struct Known {
    /// When windows of shared budgets end, by id.
    pub(super) resets: BTreeMap<String, Option<Moment>>,
    /// Aliases of models, by the number of their row.
    pub(super) aliases: BTreeMap<i64, BTreeMap<String, String>>,
    /// Hashes that keys had before: whose they were, and until when they are let in.
    pub(super) previous: BTreeMap<String, (KeyHash, Moment)>,
    /// What members are in teams: team and user.
    pub(super) roles: BTreeMap<(String, String), TeamRole>,
}

/// Opens what LiteLLM encrypted, and seals it as it is kept here.
pub(super) struct Keys {
    pub(super) theirs: Option<Opener>,
    pub(super) ours: Option<Seal>,
}

/// Of keys, teams and users: kept and shown, without an effect.
const CARRIED: [&str; 8] = [
    "config",
    "permissions",
    "router_settings",
    "policies",
    "allowed_cache_controls",
    "object_permission_id",
    "access_group_ids",
    "project_id",
];

/// The end of the window in which something was spent; None: that window is over, or will never be.
fn window(fields: &mut Fields, known: &Known, duration: Option<&String>, budget_id: Option<&String>) -> Option<Moment> {
    let own = moment(fields, "budget_reset_at");
    if duration.is_some() { own } else { budget_id.and_then(|id| known.resets.get(id).copied().flatten()) }
}

fn spent(fields: &mut Fields, account: AccountId, resets: Option<Moment>) -> Option<(AccountId, PicoUsd, Option<i64>)> {
    let amount = fields.dollars("spend").filter(|amount| *amount > PicoUsd::ZERO)?;
    Some((account, amount, resets.map(|at| at.0)))
}

fn text(fields: &mut Fields, name: &str) -> Result<String, LeftOut> {
    fields.take::<String>(name).filter(|text| !text.is_empty()).ok_or_else(|| format!("it has no {name}"))
}

fn of(kind: ScopeKind, id: &str) -> AccountId {
    AccountId::of(kind, id, &Part::Whole)
}

pub(super) fn key(mut row: Fields, known: &Known) -> Result<Made, LeftOut> {
    let token = text(&mut row, "token")?;
    let token =
        KeyHash::parse(&token).ok_or("its token is no SHA-256: it was made by a version that did not hash keys")?;
    let mut metadata = row.within("metadata");
    let mut key = Key::new(token, row.take::<String>("key_name").unwrap_or_else(|| "sk-...".to_owned()));
    key.bounds = row.bounds();
    key.budget_id = row.take("budget_id");
    let resets = window(&mut row, known, key.bounds.budget_duration.as_ref(), key.budget_id.as_ref());
    let spent = spent(&mut row, AccountId::Key(token), resets);
    key.key_alias = row.take("key_alias");
    key.models = row.or_default("models");
    key.aliases = row.or_default("aliases");
    key.user_id = row.take("user_id");
    key.team_id = row.take("team_id");
    key.organization_id = row.take("organization_id");
    key.expires = moment(&mut row, "expires");
    key.blocked = row.or_default("blocked");
    key.allowed_routes = row.or_default("allowed_routes");
    key.auto_rotate = row.or_default("auto_rotate");
    key.rotation_interval = row.take("rotation_interval");
    key.rotation_count = row.or_default("rotation_count");
    key.tags = metadata.or_default("tags");
    key.enforced_params = metadata.or_default("enforced_params");
    key.temp_budget_increase = metadata.dollars("temp_budget_increase");
    key.temp_budget_expiry = moment(&mut metadata, "temp_budget_expiry");
    key.previous = known.previous.get(&token.to_string()).copied();
    key.metadata = row.json("metadata");
    key.carried = row.carried(&CARRIED);
    key.stamp = row.stamp();
    Ok(Made { record: key.into(), lost: row.lost(), spent })
}

pub(super) fn team(mut row: Fields, known: &Known) -> Result<Made, LeftOut> {
    let team_id = text(&mut row, "team_id")?;
    let mut metadata = row.within("metadata");
    let bounds = row.bounds();
    let resets = window(&mut row, known, bounds.budget_duration.as_ref(), None);
    let spent = spent(&mut row, of(ScopeKind::Team, &team_id), resets);
    let aliases = row.take::<i64>("model_id").and_then(|number| known.aliases.get(&number).cloned());
    drop(row.json("members_with_roles"));
    let team = Team {
        team_alias: row.take("team_alias"),
        organization_id: row.take("organization_id"),
        models: row.or_default("models"),
        model_aliases: aliases.unwrap_or_default(),
        bounds,
        team_member_key_duration: metadata.take("team_member_key_duration"),
        team_member_permissions: row.or_default("team_member_permissions"),
        blocked: row.or_default("blocked"),
        tags: metadata.or_default("tags"),
        metadata: row.json("metadata"),
        carried: row.carried(&CARRIED),
        stamp: row.stamp(),
        team_id,
        ..Team::default()
    };
    Ok(Made { record: team.into(), lost: row.lost(), spent })
}

/// Who is in a team, and as what.
#[derive(Deserialize)]
struct Listed {
    user_id: Option<String>,
    user_email: Option<String>,
    #[serde(default)]
    role: TeamRole,
}

/// The members that a team's row lists: those that no row of their own says more of.
pub(super) fn listed(row: &mut Fields) -> Vec<TeamMember> {
    let Some(team_id) = row.take::<String>("team_id") else { return Vec::new() };
    let all: Vec<Listed> = row.take("members_with_roles").unwrap_or_default();
    let member = |listed: Listed| {
        let (user_email, role) = (listed.user_email, listed.role);
        Some(TeamMember {
            team_id: team_id.clone(),
            user_id: listed.user_id?,
            user_email,
            role,
            ..TeamMember::default()
        })
    };
    all.into_iter().filter_map(member).collect()
}

pub(super) fn team_member(mut row: Fields, known: &Known) -> Result<Made, LeftOut> {
    let (team_id, user_id) = (text(&mut row, "team_id")?, text(&mut row, "user_id")?);
    let budget_id = row.take("budget_id");
    let resets = window(&mut row, known, None, budget_id.as_ref());
    let spent = spent(&mut row, of(ScopeKind::TeamMember, &format!("{team_id}:{user_id}")), resets);
    let role = known.roles.get(&(team_id.clone(), user_id.clone())).copied().unwrap_or_default();
    let allowed_models = row.or_default("allowed_models");
    let member = TeamMember { team_id, user_id, role, budget_id, allowed_models, ..TeamMember::default() };
    Ok(Made { record: member.into(), lost: row.lost(), spent })
}

pub(super) fn user(mut row: Fields, known: &Known) -> Result<Made, LeftOut> {
    let user_id = text(&mut row, "user_id")?;
    let bounds = row.bounds();
    let resets = window(&mut row, known, bounds.budget_duration.as_ref(), None);
    let spent = spent(&mut row, of(ScopeKind::User, &user_id), resets);
    let user = User {
        user_email: row.take("user_email"),
        user_alias: row.take("user_alias"),
        user_role: row.or_default("user_role"),
        models: row.or_default("models"),
        bounds,
        sso_user_id: row.take("sso_user_id"),
        metadata: row.json("metadata"),
        carried: row.carried(&CARRIED),
        stamp: row.stamp(),
        user_id,
        ..User::default()
    };
    Ok(Made { record: user.into(), lost: row.lost(), spent })
}

pub(super) fn customer(mut row: Fields, known: &Known) -> Result<Made, LeftOut> {
    let user_id = text(&mut row, "user_id")?;
    let budget_id = row.take("budget_id");
    let resets = window(&mut row, known, None, budget_id.as_ref());
    let spent = spent(&mut row, of(ScopeKind::Customer, &user_id), resets);
    let customer = Customer {
        alias: row.take("alias"),
        blocked: row.or_default("blocked"),
        allowed_model_region: row.take("allowed_model_region"),
        default_model: row.take("default_model"),
        budget_id,
        stamp: row.stamp(),
        user_id,
        ..Customer::default()
    };
    Ok(Made { record: customer.into(), lost: row.lost(), spent })
}

pub(super) fn organization(mut row: Fields, known: &Known) -> Result<Made, LeftOut> {
    let organization_id = text(&mut row, "organization_id")?;
    let budget_id = row.take("budget_id");
    let resets = window(&mut row, known, None, budget_id.as_ref());
    let spent = spent(&mut row, of(ScopeKind::Organization, &organization_id), resets);
    let organization = Organization {
        organization_alias: row.or_default("organization_alias"),
        models: row.or_default("models"),
        budget_id,
        metadata: row.json("metadata"),
        carried: row.carried(&CARRIED),
        stamp: row.stamp(),
        organization_id,
        ..Organization::default()
    };
    Ok(Made { record: organization.into(), lost: row.lost(), spent })
}

pub(super) fn organization_member(mut row: Fields, known: &Known) -> Result<Made, LeftOut> {
    let (organization_id, user_id) = (text(&mut row, "organization_id")?, text(&mut row, "user_id")?);
    let budget_id = row.take("budget_id");
    let resets = window(&mut row, known, None, budget_id.as_ref());
    let account = of(ScopeKind::OrganizationMember, &format!("{organization_id}:{user_id}"));
    let spent = spent(&mut row, account, resets);
    let user_role: Role = row.or_default("user_role");
    let stamp = row.stamp();
    let member =
        OrganizationMember { organization_id, user_id, user_role, budget_id, stamp, ..OrganizationMember::default() };
    Ok(Made { record: member.into(), lost: row.lost(), spent })
}

pub(super) fn budget(mut row: Fields) -> Result<Made, LeftOut> {
    let budget_id = text(&mut row, "budget_id")?;
    let bounds = row.bounds();
    let budget = Budget { budget_id, bounds, budget_reset_at: None, stamp: row.stamp() };
    Ok(Made { record: budget.into(), lost: row.lost(), spent: None })
}

pub(super) fn tag(mut row: Fields, known: &Known) -> Result<Made, LeftOut> {
    let name = text(&mut row, "tag_name")?;
    let budget_id = row.take("budget_id");
    let resets = window(&mut row, known, None, budget_id.as_ref());
    let spent = spent(&mut row, of(ScopeKind::Tag, &name), resets);
    // The names of the models, which stand there by their ids.
    drop(row.json("model_info"));
    let (description, models, stamp) = (row.take("description"), row.or_default("models"), row.stamp());
    let tag = TagRecord { name, description, models, budget_id, stamp, ..TagRecord::default() };
    Ok(Made { record: tag.into(), lost: row.lost(), spent })
}

pub(super) fn credential(mut row: Fields, keys: &Keys) -> Result<Made, LeftOut> {
    let credential_name = text(&mut row, "credential_name")?;
    let values: BTreeMap<String, Box<RawValue>> = row.take("credential_values").ok_or("it has no values")?;
    let mut credential_values = BTreeMap::new();
    for (name, value) in values {
        let Ok(text) = serde_json::from_str::<String>(value.get()) else {
            row.loses(format!("credential_values.{name}"));
            continue;
        };
        let opened = keys.open(&text)?;
        credential_values.insert(name, keys.seal(&opened)?.to_string());
    }
    drop(row.take::<String>("credential_id"));
    let (credential_info, stamp) = (row.json("credential_info"), row.stamp());
    let credential = Credential { credential_name, credential_values, credential_info, stamp };
    Ok(Made { record: credential.into(), lost: row.lost(), spent: None })
}

pub(super) fn model(mut row: Fields, keys: &Keys) -> Result<Made, LeftOut> {
    let id = text(&mut row, "model_id")?;
    let model_name = text(&mut row, "model_name")?;
    let params: BTreeMap<String, Box<RawValue>> = row.take("litellm_params").ok_or("it has no litellm_params")?;
    let mut opened = BTreeMap::new();
    for (name, value) in params {
        let value = match serde_json::from_str::<String>(value.get()) {
            Ok(text) => {
                let text = keys.open(&text)?;
                serde_json::value::to_raw_value(&*text).map_err(|error| error.to_string())?
            }
            Err(_) => value,
        };
        opened.insert(name, value);
    }
    let opened = Zeroizing::new(serde_json::to_string(&opened).map_err(|error| error.to_string())?);
    let opened = Json::parse(&opened).map_err(|error| error.to_string())?;
    let sealed = rewrite(&opened, &|text| keys.seal(text))?;
    let litellm_params = Json::parse(&sealed).map_err(|error| error.to_string())?;
    let model = StoredModel { id, model_name, litellm_params, model_info: row.json("model_info"), stamp: row.stamp() };
    Ok(Made { record: model.into(), lost: row.lost(), spent: None })
}

impl Keys {
    fn open(&self, text: &str) -> Result<Zeroizing<String>, LeftOut> {
        match &self.theirs {
            Some(opener) => opener
                .open(text)
                .map_err(|_| "its secrets were encrypted with another salt key than --salt-key".to_owned()),
            None if is_sealed(text) || boxed(text).is_some() => {
                Err("its secrets are encrypted: give LiteLLM's salt key (or master key) with --salt-key".to_owned())
            }
            None => Ok(Zeroizing::new(text.to_owned())),
        }
    }

    /// As the management API keeps it: references to the environment as they are.
    fn seal(&self, text: &str) -> Result<Zeroizing<String>, LeftOut> {
        if text.starts_with("os.environ/") || text.is_empty() {
            return Ok(Zeroizing::new(text.to_owned()));
        }
        if text.starts_with("file:") {
            return Err("file:PATH is for the configuration file".to_owned());
        }
        let seal = self.ours.as_ref().ok_or(
            "secrets are kept encrypted only: set TOLLGATE_SALT_KEY or LITELLM_SALT_KEY (at least 16 characters) as the \
             gateway has it",
        )?;
        seal.seal(text).map(Zeroizing::new).ok_or_else(|| "the machine gives no random bytes".to_owned())
    }
}
