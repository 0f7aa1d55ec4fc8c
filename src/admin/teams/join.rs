//! Users on their way into a team: found, or made where nobody knows them yet.

use std::sync::Arc;

use super::fields::MemberFields;
use crate::admin::ask::{Ask, put};
use crate::admin::reply::Refusal;
use crate::admin::users;
use crate::roster::{Bounds, Change, Team, TeamMember, User};

/// Members of one team that are to be put on record together.
pub(super) struct Joining<'a> {
    ask: &'a Ask<'a>,
    team: &'a Team,
    bounds: Bounds,
    allowed_models: Vec<String>,
    users: Vec<Arc<User>>,
    members: Vec<TeamMember>,
}

impl<'a> Joining<'a> {
    /// Nobody yet, and nothing is said of what they may spend.
    pub(super) fn new(ask: &'a Ask<'a>, team: &'a Team) -> Self {
        Self {
            ask,
            team,
            bounds: Bounds::default(),
            allowed_models: Vec::new(),
            users: Vec::new(),
            members: Vec::new(),
        }
    }

    /// What everybody that is added may spend and name.
    pub(super) fn with(self, bounds: Bounds, allowed_models: Vec<String>) -> Self {
        Self { bounds, allowed_models, ..self }
    }

    /// Adds somebody. A user whom nobody knows yet is made.
    ///
    /// # Errors
    /// 400: no user is named, or one who is in the team already.
    pub(super) fn add(&mut self, named: &MemberFields) -> Result<(Arc<User>, TeamMember), Refusal> {
        let user = self.user(named)?;
        let is_in = self.ask.roster().team_member(&self.team.team_id, &user.user_id).is_some()
            || self.members.iter().any(|member| member.user_id == user.user_id);
        if is_in {
            return Err(already(&user));
        }
        let member = TeamMember {
            team_id: self.team.team_id.clone(),
            user_id: user.user_id.clone(),
            user_email: user.user_email.clone(),
            role: named.role.into(),
            bounds: self.bounds.clone(),
            budget_id: None,
            allowed_models: self.allowed_models.clone(),
            stamp: self.ask.stamp(),
        };
        self.members.push(member.clone());
        Ok((user, member))
    }

    fn user(&mut self, named: &MemberFields) -> Result<Arc<User>, Refusal> {
        let (id, email) = (named.user_id.as_deref(), named.user_email.as_deref());
        if id.is_none() && email.is_none() {
            return Err(Refusal::bad("Either user_id or user_email must be provided"));
        }
        let fresh = self.users.iter().find(|user| match id {
            Some(id) => user.user_id == id,
            None => email.is_some_and(|email| users::has_email(user, email)),
        });
        if let Some(user) = fresh {
            return Ok(Arc::clone(user));
        }
        let known = match (id, email) {
            (Some(id), _) => self.ask.roster().users.find(id),
            (None, Some(email)) => users::by_email(self.ask.roster(), email),
            (None, None) => None,
        };
        if let Some(user) = known {
            return Ok(user);
        }
        let user = Arc::new(users::stranger(self.ask, id, email)?);
        self.users.push(Arc::clone(&user));
        Ok(user)
    }

    /// What puts them on record, users first.
    pub(super) fn into_changes(self) -> Vec<Change> {
        let users = self.users.into_iter().map(|user| Change::Put(crate::roster::Record::User(user)));
        users.chain(self.members.into_iter().map(put)).collect()
    }
}

fn already(user: &User) -> Refusal {
    let text = format!(
        "User already in team. Member: user_id={}, user_email={}",
        user.user_id,
        user.user_email.as_deref().unwrap_or("None")
    );
    Refusal::new(400, "team_member_already_in_team", "user_id", text)
}
