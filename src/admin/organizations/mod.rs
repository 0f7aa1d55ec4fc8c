//! `/organization/*`: several teams under one budget, and who belongs to them.

mod members;
mod view;

use std::sync::Arc;

use schemars::JsonSchema;
use serde::Deserialize;

use self::view::{MembershipRow, OrganizationRow};
use super::actor::Needs;
use super::ask::{Action, Ask, new_id, put};
use super::check::{self, Cut};
use super::keys::carry;
use super::patch::{Object, Patch};
use super::query::Param;
use super::reply::{Refusal, Reply};
use super::route::{Method, Route};
use super::scope::{self, bounded};
use crate::roster::{Change, Organization, Record, Writer};

/// The rows.
pub(super) static ROUTES: &[Route] = &[
    Route::post("/organization/new", Needs::Admin, "Make an organization", new)
        .takes::<OrganizationFields>()
        .gives::<OrganizationRow>(),
    Route::on(Method::Patch, "/organization/update", Needs::Admin, "Change an organization", update)
        .takes::<OrganizationFields>()
        .gives::<OrganizationRow>(),
    Route::get("/organization/info", Needs::AnyKey, "Show an organization", info)
        .query(&[Param::text("organization_id", "Which one.").required()])
        .gives::<OrganizationRow>(),
    Route::post("/organization/info", Needs::AnyKey, "Show several organizations", several)
        .takes::<Several>()
        .gives::<Vec<OrganizationRow>>(),
    Route::get("/organization/list", Needs::AnyKey, "List organizations: all, or those one belongs to", list)
        .query(&[
            Param::text("org_id", "Only the one with this id."),
            Param::text("org_alias", "Only those whose alias has this in it."),
        ])
        .gives::<Vec<OrganizationRow>>(),
    Route::on(
        Method::Delete,
        "/organization/delete",
        Needs::Admin,
        "Take organizations away, with their teams and keys",
        delete,
    )
    .takes::<Named>()
    .gives::<Vec<OrganizationRow>>(),
    Route::post("/organization/member_add", Needs::OrgAdmin, "Add users to an organization", members::add)
        .takes::<members::Adding>()
        .gives::<members::Added>(),
    Route::on(
        Method::Patch,
        "/organization/member_update",
        Needs::OrgAdmin,
        "Change what a user is and may spend in an organization",
        members::update,
    )
    .takes::<members::Updating>()
    .gives::<MembershipRow>(),
    Route::on(
        Method::Delete,
        "/organization/member_delete",
        Needs::OrgAdmin,
        "Take a user out of an organization",
        members::delete,
    )
    .takes::<members::Leaving>()
    .gives::<MembershipRow>(),
];

bounded! {
    /// What may be said of an organization. Absent leaves it as it is, null clears it.
    pub(super) struct OrganizationFields {
        needs {}
        takes {
            /// Its id; one is made for a new organization without it.
            organization_id: Patch<String>,
            /// What people call it.
            organization_alias: Patch<String>,
            /// A shared budget.
            budget_id: Patch<String>,
            /// Models its teams and keys may name. Empty allows all.
            models: Patch<Vec<String>>,
            /// Whether everything in it is refused.
            blocked: Patch<bool>,
            /// Words of its owner's.
            metadata: Patch<Object>,
            /// Carried.
            object_permission: Patch<Object>,
        }
    }
}

impl OrganizationFields {
    fn lay_upon(self, ask: &Ask<'_>, organization: &mut Organization) -> Result<(), Refusal> {
        self.bounds().check()?;
        scope::share(ask.world, &self.budget_id, &mut organization.budget_id, &mut organization.bounds)?;
        self.bounds().lay_upon(&mut organization.bounds);
        carry("object_permission", &self.object_permission, &mut organization.carried);
        self.models.fill(&mut organization.models);
        self.blocked.fill(&mut organization.blocked);
        self.metadata.fill(&mut organization.metadata);
        if let Patch::Set(alias) = self.organization_alias {
            check::name("organization_alias", &alias)?;
            organization.organization_alias = alias;
        }
        Ok(())
    }
}

/// The body of POST `/organization/info`.
#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(rename = "OrganizationsAsked")]
pub(super) struct Several {
    /// Ids of organizations.
    organizations: Vec<String>,
}

/// The body of `/organization/delete`.
#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(rename = "OrganizationsNamed")]
pub(super) struct Named {
    /// Ids of organizations.
    organization_ids: Vec<String>,
}

fn new(ask: &Ask<'_>) -> Result<Reply, Refusal> {
    let body: OrganizationFields = ask.read()?;
    if body.organization_alias.value().is_none() {
        return Err(Refusal::missing("organization_alias"));
    }
    let organization_id = body.organization_id.value().cloned().unwrap_or_else(new_id);
    check::name("organization_id", &organization_id)?;
    let writer = ask.write()?;
    if ask.roster().organizations.has(organization_id.as_str()) {
        return Err(Refusal::bad(format_args!("Organization id={} already exists", Cut(&organization_id))));
    }
    let organization = Organization { organization_id, stamp: ask.stamp(), ..Organization::default() };
    keep(ask, &writer, body, organization)
}

fn update(ask: &Ask<'_>) -> Result<Reply, Refusal> {
    let body: OrganizationFields = ask.read()?;
    let id = body.organization_id.value().ok_or_else(|| Refusal::missing("organization_id"))?;
    let writer = ask.write()?;
    let mut organization = Organization::clone(&*find(ask, id)?);
    ask.touch(&mut organization.stamp);
    keep(ask, &writer, body, organization)
}

fn keep(
    ask: &Ask<'_>,
    writer: &Writer<'_>,
    body: OrganizationFields,
    mut organization: Organization,
) -> Result<Reply, Refusal> {
    body.lay_upon(ask, &mut organization)?;
    ask.commit(writer, Action::Plain, vec![put(organization.clone())])?;
    Reply::json(&OrganizationRow::of(ask, &organization))
}

fn find(ask: &Ask<'_>, id: &str) -> Result<Arc<Organization>, Refusal> {
    let unknown = || Refusal::told(404, format_args!("Organization={} not found", Cut(id)));
    ask.roster().organizations.find(id).ok_or_else(unknown)
}

/// Whether an organization may be seen: by whoever sees everything, or belongs to it.
fn may_see(ask: &Ask<'_>, id: &str) -> bool {
    let belongs = |user: &str| ask.roster().organization_member(id, user).is_some();
    ask.actor.sees_all() || ask.actor.user_id().is_some_and(belongs)
}

/// One that may be seen. Whoever may not see it is not told that it is there.
fn seen(ask: &Ask<'_>, id: &str) -> Result<Arc<Organization>, Refusal> {
    let found = find(ask, id)?;
    let hidden = || Refusal::told(404, format_args!("Organization={} not found", Cut(id)));
    may_see(ask, id).then_some(found).ok_or_else(hidden)
}

fn info(ask: &Ask<'_>) -> Result<Reply, Refusal> {
    let id = ask.query.text("organization_id").unwrap_or_default();
    Reply::json(&OrganizationRow::of(ask, &*seen(ask, id)?))
}

fn several(ask: &Ask<'_>) -> Result<Reply, Refusal> {
    let Several { organizations } = ask.read()?;
    if organizations.is_empty() {
        return Err(Refusal::bad("Specify list of organization id\u{2019}s to query. Passed in=[]"));
    }
    let found = organizations.iter().filter(|id| may_see(ask, id));
    let found = found.filter_map(|id| ask.roster().organizations.find(id.as_str()));
    Reply::json(&found.map(|organization| OrganizationRow::of(ask, &organization)).collect::<Vec<_>>())
}

fn list(ask: &Ask<'_>) -> Result<Reply, Refusal> {
    let (id, alias) = (ask.query.text("org_id"), ask.query.text("org_alias").map(str::to_lowercase));
    let wanted = |organization: &Organization| {
        let Organization { organization_id, organization_alias, .. } = organization;
        id.is_none_or(|id| id == organization_id)
            && alias.as_deref().is_none_or(|alias| organization_alias.to_lowercase().contains(alias))
            && may_see(ask, organization_id)
    };
    let mut found = ask.roster().organizations.filter(wanted);
    found.sort_unstable_by(|a, b| {
        (a.stamp.created_at, &a.organization_id).cmp(&(b.stamp.created_at, &b.organization_id))
    });
    Reply::json(&found.iter().map(|organization| OrganizationRow::of(ask, organization)).collect::<Vec<_>>())
}

fn delete(ask: &Ask<'_>) -> Result<Reply, Refusal> {
    let Named { mut organization_ids } = ask.read()?;
    organization_ids.sort_unstable();
    organization_ids.dedup();
    let writer = ask.write()?;
    let mut rows = Vec::with_capacity(organization_ids.len());
    let mut changes = Vec::new();
    for id in &organization_ids {
        let organization = find(ask, id)?;
        rows.push(OrganizationRow::of(ask, &organization));
        changes.extend(belongings(ask, id));
        changes.push(remove(Record::Organization(organization)));
    }
    changes.dedup();
    ask.commit(&writer, Action::Plain, changes)?;
    Reply::json(&rows)
}

/// What goes with an organization: its members, its teams with theirs, and the keys of both.
fn belongings(ask: &Ask<'_>, id: &str) -> Vec<Change> {
    let roster = ask.roster();
    let teams = roster.teams.filter(|team| team.organization_id.as_deref() == Some(id));
    let of_team = |team_id: &str| teams.iter().any(|team| team.team_id == team_id);
    let keys = roster
        .keys
        .filter(|key| key.organization_id.as_deref() == Some(id) || key.team_id.as_deref().is_some_and(of_team));
    let team_members = roster.team_members.filter(|member| of_team(&member.team_id));
    let members = roster.organization_members.filter(|member| member.organization_id == id);
    let keys = keys.into_iter().map(Record::Key);
    let team_members = team_members.into_iter().map(Record::TeamMember);
    let members = members.into_iter().map(Record::OrganizationMember);
    let all = keys.chain(team_members).chain(members);
    all.map(remove).chain(teams.iter().cloned().map(Record::Team).map(remove)).collect()
}

fn remove(record: Record) -> Change {
    Change::Remove(record.kind(), record.id())
}
