//! Users by id and by e-mail, and who may see whom.

use std::sync::Arc;

use super::view::Belongings;
use crate::admin::ask::{Ask, new_id};
use crate::admin::check;
use crate::admin::reply::Refusal;
use crate::roster::{Role, Roster, User};

/// Whether that is a user's e-mail; letters' case does not matter.
pub fn has_email(user: &User, email: &str) -> bool {
    let email = email.trim().to_lowercase();
    user.user_email.as_deref().is_some_and(|own| own.to_lowercase() == email)
}

/// The user with this e-mail.
pub fn by_email(roster: &Roster, email: &str) -> Option<Arc<User>> {
    roster.users.filter(|user| has_email(user, email)).into_iter().next()
}

/// A user whom nobody knows yet: with this id, or one made here.
///
/// # Errors
/// 400: the id or the e-mail is none. 409: another user has the e-mail.
pub fn stranger(ask: &Ask<'_>, id: Option<&str>, email: Option<&str>) -> Result<User, Refusal> {
    id.map_or(Ok(()), |id| check::name("user_id", id))?;
    email.map_or(Ok(()), is_email)?;
    email.map_or(Ok(()), |email| is_free(ask.roster(), email, id))?;
    Ok(User {
        user_id: id.map_or_else(new_id, str::to_owned),
        user_email: email.map(|email| email.trim().to_owned()),
        user_role: Role::InternalUser,
        stamp: ask.stamp(),
        ..User::default()
    })
}

/// Whether it looks like an e-mail.
///
/// # Errors
/// 400: it does not.
pub(super) fn is_email(email: &str) -> Result<(), Refusal> {
    check::name("user_email", email)?;
    let parts = email.trim().split_once('@');
    if parts.is_some_and(|(name, host)| !name.is_empty() && !host.is_empty() && !email.trim().contains(' ')) {
        return Ok(());
    }
    Err(Refusal::bad(format_args!(
        "user_email: expected an address like ada@example.com, found {}",
        check::Quoted(email)
    )))
}

/// Whether nobody but the user with the id `own` has an e-mail.
///
/// # Errors
/// 409: somebody has.
pub(super) fn is_free(roster: &Roster, email: &str, own: Option<&str>) -> Result<(), Refusal> {
    match by_email(roster, email) {
        Some(user) if own != Some(user.user_id.as_str()) => Err(Refusal::told(
            409,
            format_args!("User with email {} already exists in DB.", email.trim().replace('\'', "\u{2019}")),
        )),
        _ => Ok(()),
    }
}

/// Whether a user may be seen: by whoever sees everything, by the user, and by admins of an organization the user is in.
pub(super) fn may_see(ask: &Ask<'_>, user_id: &str, belongings: &Belongings) -> bool {
    let manages = |of: &str| ask.actor.manages(ask.roster(), of);
    ask.actor.sees_all()
        || ask.actor.is_user(Some(user_id))
        || belongings.organizations(user_id).iter().any(|member| manages(&member.organization_id))
}

/// As LiteLLM says it.
pub(super) fn unknown(user_id: &str) -> Refusal {
    let shown = check::Quoted(user_id).to_string();
    Refusal::new(404, "internal_server_error", "None", format!("User {} not found", shown.trim_matches('"')))
}

/// The user with this id, if the caller may see the user.
///
/// # Errors
/// 403: not for the caller. 404: there is none.
pub(super) fn seen(ask: &Ask<'_>, user_id: &str) -> Result<Arc<User>, Refusal> {
    if !may_see(ask, user_id, &Belongings::of(ask.roster(), user_id)) {
        return Err(Refusal::forbidden(format!(
            "key not allowed to access this user's info. user_id={}, key's user_id={}",
            check::Quoted(user_id),
            ask.actor.user_id().unwrap_or("None")
        )));
    }
    ask.roster().users.find(user_id).ok_or_else(|| unknown(user_id))
}
