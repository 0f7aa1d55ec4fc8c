//! What a team allows: its models, and what its members may do with its keys.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::change::change;
use super::fields::{PERMISSIONS, permissions};
use super::reach::{May, meant};
use crate::admin::ask::{Action, Ask};
use crate::admin::check;
use crate::admin::reply::{Refusal, Reply};

/// Every model.
const ALL: &str = "all-proxy-models";
/// No model: an empty list would allow all.
const NONE: &str = "no-default-models";

/// Names a team, and models.
#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(rename = "TeamModels")]
pub(super) struct Models {
    /// The team.
    team_id: String,
    /// The models.
    models: Vec<String>,
}

/// Adding takes nothing away: a team that may name all models still may.
pub(super) fn add_models(ask: &Ask<'_>) -> Result<Reply, Refusal> {
    let Models { team_id, models } = ask.read()?;
    models.iter().try_for_each(|model| check::name("models", model))?;
    change(ask, &team_id, May::Bind, Action::Plain, |team| {
        if team.models.is_empty() {
            team.models.push(ALL.to_owned());
        }
        team.models.retain(|model| model != NONE);
        for model in models {
            if !team.models.contains(&model) {
                team.models.push(model);
            }
        }
        Ok(())
    })
}

/// Taking the last one away leaves none.
pub(super) fn delete_models(ask: &Ask<'_>) -> Result<Reply, Refusal> {
    let Models { team_id, models } = ask.read()?;
    change(ask, &team_id, May::Bind, Action::Plain, |team| {
        if team.models.is_empty() {
            return Err(Refusal::bad("this team may name all models: set the list with /team/update"));
        }
        team.models.retain(|model| !models.contains(model));
        if team.models.is_empty() {
            team.models.push(NONE.to_owned());
        }
        Ok(())
    })
}

/// What `/team/permissions_list` gives.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "TeamPermissions")]
pub(super) struct Permissions {
    team_id: String,
    team_member_permissions: Vec<String>,
    all_available_permissions: &'static [&'static str],
}

pub(super) fn list_permissions(ask: &Ask<'_>) -> Result<Reply, Refusal> {
    let team = meant(ask, ask.query.text("team_id").unwrap_or_default(), May::See)?;
    Reply::json(&Permissions {
        team_id: team.team_id.clone(),
        team_member_permissions: team.team_member_permissions.clone(),
        all_available_permissions: &PERMISSIONS,
    })
}

/// What `/team/permissions_update` takes.
#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(rename = "TeamPermissionsFields")]
pub(super) struct Permitting {
    /// The team.
    team_id: String,
    /// What its members may do with its keys.
    team_member_permissions: Vec<String>,
}

pub(super) fn update_permissions(ask: &Ask<'_>) -> Result<Reply, Refusal> {
    let Permitting { team_id, team_member_permissions } = ask.read()?;
    permissions(team_member_permissions.iter())?;
    change(ask, &team_id, May::Lead, Action::Plain, |team| {
        team.team_member_permissions = team_member_permissions;
        Ok(())
    })
}

/// Callbacks of a team are not there, and a client that sets one must know.
pub(super) fn callbacks(ask: &Ask<'_>) -> Result<Reply, Refusal> {
    meant(ask, ask.in_path(0), May::See)?;
    Err(Refusal::told(501, "logging callbacks of a team are not supported by this gateway"))
}
