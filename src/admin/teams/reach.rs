//! Which team a caller means, and what the caller may do to it.

use std::sync::Arc;

use crate::admin::ask::Ask;
use crate::admin::reply::Refusal;
use crate::roster::{Bounds, Team};
use crate::vocabulary::PicoUsd;

/// What a caller may do to a team. Each is allowed what those before it are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum May {
    /// See it: its members, whoever shows one of its keys, and whoever sees everything.
    See,
    /// Manage its members, and what its members may do: its admins.
    Lead,
    /// Change what binds it: an administrator, or an admin of its organization.
    Bind,
}

/// The team with this id, if the caller may do that to it.
///
/// # Errors
/// 404: there is none. 403: it is not for the caller.
pub(super) fn meant(ask: &Ask<'_>, team_id: &str, to: May) -> Result<Arc<Team>, Refusal> {
    let team = ask.roster().teams.find(team_id).ok_or_else(|| unknown(team_id))?;
    if may(ask, &team, to) {
        return Ok(team);
    }
    Err(match to {
        May::See => Refusal::forbidden(format!(
            "key not allowed to access this team's info. Key team_id={}, Requested team_id={team_id}",
            ask.actor.team_id().unwrap_or("None")
        )),
        May::Lead | May::Bind => Refusal::forbidden(format!(
            "Call not allowed. User not proxy admin{}. route={}, team_id={team_id}",
            if to == May::Lead { " OR team admin" } else { " OR admin of the team's organization" },
            ask.route
        )),
    })
}

/// Whether the caller may do that to a team.
pub(super) fn may(ask: &Ask<'_>, team: &Team, to: May) -> bool {
    let Ask { actor, .. } = ask;
    match to {
        May::See => actor.sees_all() || actor.is_in(ask.roster(), &team.team_id),
        May::Lead => actor.leads(ask.roster(), &team.team_id),
        May::Bind => {
            let of = team.organization_id.as_deref();
            actor.is_admin() || of.is_some_and(|of| actor.manages(ask.roster(), of))
        }
    }
}

/// As LiteLLM says it.
pub(super) fn unknown(team_id: &str) -> Refusal {
    let found = crate::admin::check::Quoted(team_id).to_string();
    let text = format!("{{'message': 'Team not found, passed team id: {}.'}}", found.trim_matches('"'));
    Refusal::new(404, "auth_error", "None", text)
}

/// Whether a team may stand as it is written: its organization is there, and allows as much.
///
/// # Errors
/// 400: there is no such organization, or it has less. 403: the caller is no admin of it.
pub(super) fn fits(ask: &Ask<'_>, team: &Team) -> Result<(), Refusal> {
    let Some(id) = team.organization_id.as_deref() else {
        return if ask.actor.is_admin() {
            Ok(())
        } else {
            Err(Refusal::forbidden("a team without an organization_id is made by an administrator"))
        };
    };
    let Some(organization) = ask.roster().organizations.find(id) else {
        return Err(Refusal::bad(format_args!("Organization not found for organization_id={id}")));
    };
    if !ask.actor.manages(ask.roster(), id) {
        return Err(Refusal::forbidden(format!("User is not an admin of organization={id}.")));
    }
    let shared = organization.budget_id.as_deref().and_then(|id| ask.roster().budgets.find(id));
    let whole = shared.map_or_else(|| organization.bounds.clone(), |budget| organization.bounds.or(&budget.bounds));
    within(&team.bounds, &whole)
}

fn within(team: &Bounds, whole: &Bounds) -> Result<(), Refusal> {
    let beyond = |name: &str, own: String, most: String| {
        Err(Refusal::bad(format_args!("Team {name} ({own}) exceeds the organization\u{2019}s {name} ({most})")))
    };
    if let (Some(own), Some(most)) = (team.max_budget, whole.max_budget)
        && own > most
    {
        let shown = |amount: PicoUsd| format!("{:?}", amount.to_dollars());
        return beyond("max_budget", shown(own), shown(most));
    }
    for (name, own, most) in
        [("tpm_limit", team.tpm_limit, whole.tpm_limit), ("rpm_limit", team.rpm_limit, whole.rpm_limit)]
    {
        if let (Some(own), Some(most)) = (own, most)
            && own > most
        {
            return beyond(name, own.to_string(), most.to_string());
        }
    }
    Ok(())
}
