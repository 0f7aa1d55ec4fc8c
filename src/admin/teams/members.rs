//! `/team/member_add`, `/team/bulk_member_add`, `/team/member_update`, `/team/member_delete`: who is in a team.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{Deserializer, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Serialize};

use super::available;
use super::change::{row, taken};
use super::fields::{MemberFields, MemberRole};
use super::join::Joining;
use super::reach::{May, meant};
use super::view::{Membership, TeamRow, role};
use crate::admin::ask::{Action, Ask, put};
use crate::admin::check;
use crate::admin::patch::{Count, Patch};
use crate::admin::reply::{Refusal, Reply};
use crate::admin::users::{self, UserRow};
use crate::roster::{Bounds, Record, Team, TeamMember, User};
use crate::vocabulary::PicoUsd;

/// Members that one request may add.
const ADDED_MAX: usize = 500;

/// What `/team/member_add` takes.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
pub(super) struct Adding {
    /// The team.
    team_id: String,
    /// One member, or a list of them.
    member: OneOrMany,
    /// Dollars that each of them may spend through keys of the team.
    #[serde(default)]
    max_budget_in_team: Patch<PicoUsd>,
    /// The window of that.
    #[serde(default)]
    budget_duration: Patch<String>,
    /// Requests a minute.
    #[serde(default)]
    rpm_limit: Patch<Count>,
    /// Tokens a minute.
    #[serde(default)]
    tpm_limit: Patch<Count>,
    /// Models that they may name.
    #[serde(default)]
    allowed_models: Patch<Vec<String>>,
}

/// One member, or a list of them.
#[derive(Clone, Debug)]
struct OneOrMany(Vec<MemberFields>);

impl<'de> Deserialize<'de> for OneOrMany {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = OneOrMany;

            fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str("a map")
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<OneOrMany, A::Error> {
                MemberFields::deserialize(MapAccessDeserializer::new(map)).map(|one| OneOrMany(vec![one]))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<OneOrMany, A::Error> {
                Vec::deserialize(SeqAccessDeserializer::new(list)).map(OneOrMany)
            }
        }
        from.deserialize_any(Either)
    }
}

impl JsonSchema for OneOrMany {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "OneOrManyMembers".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let one = generator.subschema_for::<MemberFields>();
        let many = generator.subschema_for::<Vec<MemberFields>>();
        json_schema!({ "anyOf": [one, many] })
    }
}

/// What is said of members' budgets and limits in a team.
struct Allowance {
    max_budget: Patch<PicoUsd>,
    budget_duration: Patch<String>,
    rpm_limit: Patch<Count>,
    tpm_limit: Patch<Count>,
}

impl Allowance {
    fn check(&self) -> Result<(), Refusal> {
        check::budget("max_budget_in_team", &self.max_budget)?;
        check::window("budget_duration", &self.budget_duration)
    }

    fn lay_upon(self, bounds: &mut Bounds) {
        self.max_budget.put(&mut bounds.max_budget);
        self.budget_duration.put(&mut bounds.budget_duration);
        self.rpm_limit.put(&mut bounds.rpm_limit);
        self.tpm_limit.put(&mut bounds.tpm_limit);
    }

    fn bounds(self) -> Result<Bounds, Refusal> {
        self.check()?;
        let mut bounds = Bounds::default();
        self.lay_upon(&mut bounds);
        Ok(bounds)
    }
}

/// What `/team/member_add` gives: the team's row, and who is new in it.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "TeamMembersAdded")]
pub(super) struct Added {
    #[serde(flatten)]
    team: TeamRow,
    updated_users: Vec<UserRow>,
    updated_team_memberships: Vec<Membership>,
}

/// All of them, or none.
pub(super) fn add(ask: &Ask<'_>) -> Result<Reply, Refusal> {
    let Adding {
        team_id,
        member: OneOrMany(named),
        max_budget_in_team,
        budget_duration,
        rpm_limit,
        tpm_limit,
        allowed_models,
    } = ask.read()?;
    few_enough(named.len())?;
    let bounds = Allowance { max_budget: max_budget_in_team, budget_duration, rpm_limit, tpm_limit }.bounds()?;
    let writer = ask.write()?;
    let plain = bounds.is_open() && !allowed_models.is_given();
    let team = match available::joined(ask, &team_id, &named).filter(|_| plain) {
        Some(team) => team,
        None => meant(ask, &team_id, May::Lead)?,
    };
    let mut joining = Joining::new(ask, &team).with(bounds, allowed_models.value().cloned().unwrap_or_default());
    let added = named.iter().map(|member| joining.add(member)).collect::<Result<Vec<_>, _>>()?;
    ask.commit(&writer, Action::Plain, joining.into_changes())?;
    let (users, members): (Vec<_>, Vec<_>) = added.into_iter().unzip();
    Reply::json(&Added {
        team: row(ask, &team),
        updated_users: users.iter().map(|user| users::row(ask, user)).collect(),
        updated_team_memberships: members.iter().map(|member| membership(ask, &team, member)).collect(),
    })
}

fn few_enough(count: usize) -> Result<(), Refusal> {
    if (1..=ADDED_MAX).contains(&count) {
        return Ok(());
    }
    Err(Refusal::bad(format_args!("expected 1 to {ADDED_MAX} members, found {count}")))
}

fn membership(ask: &Ask<'_>, team: &Team, member: &TeamMember) -> Membership {
    Membership::of(ask.world, team, member, ask.now)
}

/// What `/team/bulk_member_add` takes.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[schemars(rename = "TeamMembersAdding")]
pub(super) struct Bulk {
    /// The team.
    team_id: String,
    /// At most 500 members.
    #[serde(default)]
    members: Option<Vec<MemberFields>>,
    /// All users there are, instead: for administrators.
    #[serde(default)]
    all_users: Option<bool>,
    /// Dollars that each of them may spend through keys of the team.
    #[serde(default)]
    max_budget_in_team: Patch<PicoUsd>,
    /// The window of that.
    #[serde(default)]
    budget_duration: Patch<String>,
    /// Models that they may name.
    #[serde(default)]
    allowed_models: Patch<Vec<String>>,
}

/// What it gives.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "TeamMembersBulkAdded")]
pub(super) struct BulkAdded {
    team_id: String,
    results: Vec<BulkResult>,
    total_requested: usize,
    successful_additions: usize,
    failed_additions: usize,
    updated_team: TeamRow,
}

#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "TeamMemberBulkResult")]
struct BulkResult {
    user_id: Option<String>,
    user_email: Option<String>,
    success: bool,
    updated_user: Option<UserRow>,
    updated_team_membership: Option<Membership>,
    error: Option<String>,
}

/// Each by itself: who cannot be added is told of, and the others are.
pub(super) fn bulk_add(ask: &Ask<'_>) -> Result<Reply, Refusal> {
    let Bulk { team_id, members, all_users, max_budget_in_team, budget_duration, allowed_models } = ask.read()?;
    let allowance = Allowance {
        max_budget: max_budget_in_team,
        budget_duration,
        rpm_limit: Patch::Absent,
        tpm_limit: Patch::Absent,
    };
    let bounds = allowance.bounds()?;
    let writer = ask.write()?;
    let team = meant(ask, &team_id, May::Lead)?;
    let named = match (members, all_users) {
        (Some(members), None | Some(false)) => {
            few_enough(members.len())?;
            members
        }
        (None, Some(true)) => everybody_else(ask, &team)?,
        _ => return Err(Refusal::bad("Either members or all_users must be provided")),
    };
    let mut joining = Joining::new(ask, &team).with(bounds, allowed_models.value().cloned().unwrap_or_default());
    let tried: Vec<_> = named.into_iter().map(|member| (joining.add(&member), member)).collect();
    ask.commit(&writer, Action::Plain, joining.into_changes())?;
    let results: Vec<_> = tried.into_iter().map(|(added, named)| result(ask, &team, added, named)).collect();
    let successful_additions = results.iter().filter(|result| result.success).count();
    Reply::json(&BulkAdded {
        team_id,
        total_requested: results.len(),
        successful_additions,
        failed_additions: results.len() - successful_additions,
        results,
        updated_team: row(ask, &team),
    })
}

fn everybody_else(ask: &Ask<'_>, team: &Team) -> Result<Vec<MemberFields>, Refusal> {
    if !ask.actor.is_admin() {
        return Err(Refusal::forbidden("all_users is for administrators"));
    }
    let users = ask.roster().users.filter(|user| ask.roster().team_member(&team.team_id, &user.user_id).is_none());
    let named = |user: Arc<User>| MemberFields { user_id: Some(user.user_id.clone()), ..MemberFields::default() };
    Ok(users.into_iter().map(named).collect())
}

fn result(
    ask: &Ask<'_>,
    team: &Team,
    added: Result<(Arc<User>, TeamMember), Refusal>,
    named: MemberFields,
) -> BulkResult {
    match added {
        Ok((user, member)) => BulkResult {
            user_id: Some(user.user_id.clone()),
            user_email: user.user_email.clone(),
            success: true,
            updated_user: Some(users::row(ask, &user)),
            updated_team_membership: Some(membership(ask, team, &member)),
            error: None,
        },
        Err(refusal) => BulkResult {
            user_id: named.user_id,
            user_email: named.user_email,
            success: false,
            updated_user: None,
            updated_team_membership: None,
            error: Some(refusal.to_string()),
        },
    }
}

/// What `/team/member_update` takes.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[schemars(rename = "TeamMemberFields")]
pub(super) struct Changing {
    /// The team.
    team_id: String,
    /// The member, by id.
    #[serde(default)]
    user_id: Option<String>,
    /// The member, by e-mail.
    #[serde(default)]
    user_email: Option<String>,
    /// What the member is there.
    #[serde(default)]
    role: Patch<MemberRole>,
    /// Dollars that the member may spend through keys of the team.
    #[serde(default)]
    max_budget_in_team: Patch<PicoUsd>,
    /// The window of that.
    #[serde(default)]
    budget_duration: Patch<String>,
    /// Requests a minute.
    #[serde(default)]
    rpm_limit: Patch<Count>,
    /// Tokens a minute.
    #[serde(default)]
    tpm_limit: Patch<Count>,
    /// Models that the member may name.
    #[serde(default)]
    allowed_models: Patch<Vec<String>>,
}

/// What it gives.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "TeamMemberChanged")]
pub(super) struct Changed {
    team_id: String,
    user_id: String,
    user_email: Option<String>,
    role: &'static str,
    max_budget_in_team: Option<PicoUsd>,
    budget_duration: Option<String>,
    rpm_limit: Option<u64>,
    tpm_limit: Option<u64>,
    allowed_models: Vec<String>,
}

pub(super) fn update(ask: &Ask<'_>) -> Result<Reply, Refusal> {
    let body: Changing = ask.read()?;
    let allowance = Allowance {
        max_budget: body.max_budget_in_team,
        budget_duration: body.budget_duration,
        rpm_limit: body.rpm_limit,
        tpm_limit: body.tpm_limit,
    };
    allowance.check()?;
    let writer = ask.write()?;
    let team = meant(ask, &body.team_id, May::Lead)?;
    let mut member = TeamMember::clone(&*member_of(ask, &team, body.user_id.as_deref(), body.user_email.as_deref())?);
    allowance.lay_upon(&mut member.bounds);
    body.role.fill(&mut member.role);
    body.allowed_models.fill(&mut member.allowed_models);
    ask.touch(&mut member.stamp);
    ask.commit(&writer, Action::Plain, vec![put(member.clone())])?;
    Reply::json(&Changed {
        team_id: member.team_id,
        user_id: member.user_id,
        user_email: member.user_email,
        role: role(member.role),
        max_budget_in_team: member.bounds.max_budget,
        budget_duration: member.bounds.budget_duration,
        rpm_limit: member.bounds.rpm_limit,
        tpm_limit: member.bounds.tpm_limit,
        allowed_models: member.allowed_models,
    })
}

/// The member of a team who is named by id, or by e-mail.
fn member_of(ask: &Ask<'_>, team: &Team, id: Option<&str>, email: Option<&str>) -> Result<Arc<TeamMember>, Refusal> {
    let roster = ask.roster();
    let found = match (id, email) {
        (None, None) => return Err(Refusal::bad("Either user_id or user_email needs to be provided")),
        (Some(id), _) => roster.team_member(&team.team_id, id),
        (None, Some(email)) => {
            let user = users::by_email(roster, email);
            user.and_then(|user| roster.team_member(&team.team_id, &user.user_id))
        }
    };
    let named = check::Quoted(id.or(email).unwrap_or_default());
    found.ok_or_else(|| Refusal::bad(format_args!("User {named} not found in team {}", team.team_id)))
}

/// What `/team/member_delete` takes.
#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(rename = "TeamMemberNamed")]
pub(super) struct Leaving {
    /// The team.
    team_id: String,
    /// The member, by id.
    #[serde(default)]
    user_id: Option<String>,
    /// The member, by e-mail.
    #[serde(default)]
    user_email: Option<String>,
}

/// With the member go the member's keys of the team.
pub(super) fn delete(ask: &Ask<'_>) -> Result<Reply, Refusal> {
    let Leaving { team_id, user_id, user_email } = ask.read()?;
    let writer = ask.write()?;
    let team = meant(ask, &team_id, May::Lead)?;
    let member = member_of(ask, &team, user_id.as_deref(), user_email.as_deref())?;
    let (of_team, of_user) = (Some(team_id.as_str()), Some(member.user_id.as_str()));
    let keys = ask.roster().keys.filter(|key| key.team_id.as_deref() == of_team && key.user_id.as_deref() == of_user);
    let mut gone = vec![Record::TeamMember(Arc::clone(&member))];
    gone.extend(keys.into_iter().map(Record::Key));
    ask.commit(&writer, Action::Plain, gone.iter().map(taken).collect())?;
    Reply::json(&row(ask, &team))
}
