//! Who comes with a token of an identity provider: held against the team, the user and the rest that the token names, as a
//! key would be that belongs to them.

use std::fmt::Write;
use std::net::IpAddr;
use std::sync::Arc;

use super::World;
use super::caller::{Caller, Standing};
use super::enter::{Common, Head};
use crate::identity::{self, Person, Verified, Verifier, Wanted};
use crate::policy::{Presented, present};
use crate::roster;
use crate::vocabulary::{Fault, KeyHash, Kind, ModelName, Now, ScopeKind};

/// A name that no model has, for a list that allows none: an empty one allows all.
const NO_MODEL: &str = "no-default-models";
/// The header that chooses among a token's teams.
const TEAM_HEADER: &str = "x-litellm-team-id";

/// Somebody who showed a token that holds.
#[derive(Debug)]
pub struct Bearer {
    /// Whom the token is about.
    pub token: Arc<Verified>,
    /// What is held against whom.
    pub standing: Arc<Standing>,
    /// For each of several teams the same, by the team's name; the model decides.
    teams: Vec<Arc<Standing>>,
}

impl World {
    /// The token that a request shows, where its issuer's keys should be fetched before it is let in, or beside it.
    pub fn unsettled_token<'h>(&self, header: &dyn Fn(&str) -> Option<&'h [u8]>, now: Now) -> Option<String> {
        let tokens = self.tokens.as_ref()?;
        match present(header, self.settings.key_header.as_deref()) {
            Presented::Key(text) if identity::is_token(&text) && tokens.wants(&text, now).is_some() => {
                Some(text.into_owned())
            }
            _ => None,
        }
    }

    /// Keys of an identity provider that should be fetched for this token.
    pub fn wanted_keys(&self, token: &str, now: Now) -> Option<Wanted> {
        self.tokens.as_ref()?.wants(token, now)
    }

    /// Lets somebody in by a token.
    pub(super) fn bearer(
        &self,
        tokens: &Verifier,
        text: &str,
        address: Option<IpAddr>,
        now: Now,
    ) -> Result<Caller, Fault> {
        let token = tokens.verify(text, now)?;
        if let Some(caller) = self.key_of(&token.person, address, now)? {
            return Ok(caller);
        }
        self.check_user(&token.person)?;
        let single = self.single_team(&token.person)?;
        let several = if single.is_some() { &[][..] } else { &token.person.team_ids };
        let known = several.iter().filter(|id| self.around.roster.teams.has(id.as_str()));
        let all: Vec<_> = known.map(|id| self.standing_of(&token, Some(id), now)).collect();
        let teams: Vec<_> = all.iter().filter(|standing| standing.check(address, now).is_ok()).cloned().collect();
        let standing = match teams.first().or_else(|| all.first()) {
            Some(first) => first.clone(),
            None => self.standing_of(&token, single.as_deref(), now),
        };
        standing.check(address, now)?;
        Ok(Caller::Bearer(Arc::new(Bearer { token, standing, teams })))
    }

    /// The virtual key that a token stands for (`virtual_key_claim_field`).
    fn key_of(&self, person: &Person, address: Option<IpAddr>, now: Now) -> Result<Option<Caller>, Fault> {
        let Some(rules) = self.settings.jwt_auth.as_deref().filter(|rules| rules.key_field.is_some()) else {
            return Ok(None);
        };
        let value = person.key.as_deref();
        let mapped = rules.keys.iter().find(|(claim, _)| Some(claim.as_str()) == value).map(|(_, alias)| alias);
        let Some(alias) = mapped else {
            if rules.key_required && !person.admin {
                return Err(forbidden(
                    "The token stands for no virtual key that is registered (virtual_key_claim_field)",
                ));
            }
            return Ok(None);
        };
        let on_record = || self.around.roster.key_by_alias(alias).map(|key| key.token);
        let configured = self.keys.keys().find(|key| key.alias.as_deref() == Some(alias)).map(|key| key.hash);
        let standing = configured.or_else(on_record).and_then(|hash| self.standing(&hash, now));
        let standing = standing.ok_or_else(|| forbidden(format!("The token's virtual key {alias} does not exist")))?;
        standing.check(address, now)?;
        Ok(Some(Caller::Key(standing)))
    }

    fn check_user(&self, person: &Person) -> Result<(), Fault> {
        let upsert = self.settings.jwt_auth.as_ref().is_some_and(|rules| rules.user_upsert);
        match &person.user_id {
            Some(user) if !upsert && !person.admin && !self.around.roster.users.has(user.as_str()) => {
                let text = format!(
                    "Authentication Error, User doesn't exist in db. 'user_id'={user}. Create user via `/user/new` call, or \
                     set `user_id_upsert`."
                );
                Err(Fault::client(Kind::MalformedKey, text).param("None"))
            }
            _ => Ok(()),
        }
    }

    /// The team that the token names as the one.
    fn single_team(&self, person: &Person) -> Result<Option<String>, Fault> {
        let roster = &self.around.roster;
        let by_alias = |alias: &String| {
            let named = roster.teams.filter(|team| team.team_alias.as_ref() == Some(alias));
            match &*named {
                [team] => Ok(team.team_id.clone()),
                _ => Err(forbidden(format!(
                    "Team with alias '{alias}' doesn't exist in db. Create team via `/team/new` call."
                ))),
            }
        };
        let named = match (&person.team_id, &person.team_alias) {
            (Some(id), _) => Some(id.clone()),
            (None, Some(alias)) => Some(by_alias(alias)?),
            (None, None) => None,
        };
        match named {
            Some(id) if !roster.teams.has(id.as_str()) => {
                Err(forbidden(format!("Team doesn't exist in db. Team={id}. Create team via `/team/new` call.")))
            }
            named => Ok(named),
        }
    }

    /// What requests with this token are held against, as a key without bounds of its own.
    fn standing_of(&self, token: &Verified, team: Option<&str>, now: Now) -> Arc<Standing> {
        let person = &token.person;
        let rules = self.settings.jwt_auth.as_deref();
        let who = person.user_id.as_deref().or(team).or(token.subject.as_deref()).unwrap_or("unknown");
        // Parts with their lengths: no two different ones read the same.
        let mut id = String::from("jwt");
        for part in
            [token.issuer.as_deref(), person.user_id.as_deref(), team, person.organization_id.as_deref(), Some(who)]
        {
            // Writing to a String cannot fail.
            let _infallible = write!(id, ":{}:{}", part.map_or(0, str::len), part.unwrap_or_default());
        }
        let account = KeyHash::of(&id);
        for model in person.models.iter().flatten() {
            let _infallible = write!(id, ":{}:{model}", model.len());
        }
        let routes = match (rules, person.admin, team) {
            (Some(rules), true, _) => rules.admin_routes.clone(),
            (Some(rules), false, Some(_)) => rules.team_routes.clone(),
            _ => Vec::new(),
        };
        let models = match &person.models {
            Some(models) if models.is_empty() => vec![NO_MODEL.to_owned()],
            models => models.clone().unwrap_or_default(),
        };
        let record = roster::Key {
            account: Some(account),
            key_alias: Some(format!("jwt:{who}")),
            models,
            user_id: person.user_id.clone(),
            team_id: team.map(str::to_owned),
            organization_id: person.organization_id.clone(),
            allowed_routes: routes,
            ..roster::Key::new(
                KeyHash::of(&format!("{id}:{}:{}", person.models.is_some(), person.admin)),
                format!("jwt:{who}"),
            )
        };
        self.around.live.unrecorded(self, record, now)
    }
}

impl Bearer {
    /// The same bearer for the team that a request's head chooses among the token's (`x-litellm-team-id`).
    ///
    /// # Errors
    /// It is none of them, or not on record.
    pub(super) fn in_team(self: Arc<Self>, head: &Head<'_>, now: Now) -> Result<Arc<Self>, Fault> {
        let wanted = (head.header)(TEAM_HEADER).and_then(|value| std::str::from_utf8(value).ok()).map(str::trim);
        let Some(wanted) = wanted.filter(|team| !team.is_empty()) else { return Ok(self) };
        let of = |standing: &Arc<Standing>| {
            standing.record.as_ref().is_some_and(|key| key.team_id.as_deref() == Some(wanted))
        };
        let Some(standing) = self.teams.iter().chain([&self.standing]).find(|standing| of(standing)) else {
            let shown: String = wanted.chars().take(80).collect();
            return Err(forbidden(format!(
                "x-litellm-team-id '{shown}' does not resolve to a team id in your JWT's allowed teams. Allowed team ids: [{}]",
                self.token.person.quoted_teams()
            )));
        };
        standing.check(None, now)?;
        Ok(Arc::new(Self { token: self.token.clone(), standing: standing.clone(), teams: Vec::new() }))
    }

    /// Whether a path may be called: `groups` are the groups of paths it is in.
    ///
    /// # Errors
    /// It is on none of the lists for whom the token is about.
    pub(super) fn may_call(&self, path: &str, groups: &[&str]) -> Result<(), Fault> {
        let allowed = self.standing.record.as_ref().map_or(&[][..], |record| &record.allowed_routes);
        let names = |entry: &String| {
            let covers = entry.strip_suffix('*').map_or(entry == path, |start| path.starts_with(start));
            covers || groups.contains(&entry.as_str())
        };
        if allowed.is_empty() && !self.token.person.admin || allowed.iter().any(names) {
            return Ok(());
        }
        let list = allowed.iter().map(|route| format!("'{route}'")).collect::<Vec<_>>().join(", ");
        if self.token.person.admin {
            let text = format!(
                "Authentication Error, Admin not allowed to access this route. Route={path}, Allowed Routes=[{list}]"
            );
            return Err(Fault::client(Kind::MalformedKey, text).param("None"));
        }
        Err(forbidden(format!("Team not allowed to access this route. Route={path}, Allowed Routes=[{list}]")))
    }

    /// Whether any of its teams may name a model by one of these names.
    pub(super) fn may_name(&self, names: &[&str]) -> bool {
        self.standing.may_name(names) || self.teams.iter().any(|standing| standing.may_name(names))
    }

    /// The same bearer, for the first team that may use a model; None where the token names no several teams.
    ///
    /// # Errors
    /// None of them may.
    fn for_model(&self, asked: &ModelName, meant: &[&str]) -> Result<Option<Arc<Self>>, Fault> {
        let person = &self.token.person;
        if self.teams.is_empty()
            && (person.team_ids.is_empty() || self.standing.parties.iter().any(|party| party.kind == ScopeKind::Team))
        {
            return Ok(None);
        }
        let found = self.teams.iter().find(|standing| standing.alias_for(asked).is_some() || standing.may_name(meant));
        let Some(standing) = found else {
            return Err(forbidden(format!(
                "No team has access to the requested model: {asked}. Checked teams={{{}}}. Check `/models` to see all \
                 available models.",
                person.quoted_teams()
            )));
        };
        Ok(Some(Arc::new(Self { token: self.token.clone(), standing: standing.clone(), teams: self.teams.clone() })))
    }
}

impl Common {
    /// Settles which of a token's teams a request is for, where there are several.
    ///
    /// # Errors
    /// None of them may use the model.
    pub(super) fn choose_team(&mut self, asked: &ModelName) -> Result<(), Fault> {
        let Some(Caller::Bearer(bearer)) = &self.caller else { return Ok(()) };
        let table = &self.world.table;
        let target = table.alias(asked.as_str()).map_or(asked.as_str(), |alias| alias.target.as_str());
        let group = table.resolve(target).map_or(target, |resolved| &resolved.group.name);
        if let Some(chosen) = bearer.for_model(asked, &[asked.as_str(), target, group])? {
            self.key = chosen.standing.label;
            self.caller = Some(Caller::Bearer(chosen));
        }
        Ok(())
    }
}

fn forbidden(text: impl Into<std::borrow::Cow<'static, str>>) -> Fault {
    Fault::client(Kind::Forbidden, text).param("None")
}
