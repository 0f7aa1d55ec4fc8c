//! Whose spend somebody may see, and where it is read.

use std::sync::Arc;

use crate::admin::ask::Ask;
use crate::admin::reply::Refusal;
use crate::ledger::{Filter, Keeper, Sum, Survey};
use crate::vocabulary::{KeyHash, ScopeKind};

/// Who has the receipts.
///
/// # Errors
/// 400: nobody keeps any.
pub(super) fn keeper<'a>(ask: &Ask<'a>) -> Result<&'a Arc<dyn Keeper>, Refusal> {
    let none = "No connected db. Spend is kept in memory only: start the gateway with --data-dir to keep receipts";
    ask.world.around.ledger.keeper().ok_or_else(|| Refusal::bad(none))
}

/// Sums by day.
///
/// # Errors
/// They cannot be read.
pub(super) fn sums(ask: &Ask<'_>, survey: &Survey) -> Result<Vec<Sum>, Refusal> {
    keeper(ask)?.sums(survey).map_err(|cause| Refusal::unread(&cause))
}

/// A key of a query, as `sk-...` or as its hash.
///
/// # Errors
/// It is neither.
pub(super) fn key(ask: &Ask<'_>, name: &str) -> Result<Option<KeyHash>, Refusal> {
    let Some(text) = ask.query.text(name) else { return Ok(None) };
    let hash = if text.starts_with("sk-") { Some(KeyHash::of(text)) } else { KeyHash::parse(text) };
    hash.map(Some).ok_or_else(|| Refusal::bad(format_args!("{name}: expected sk-... or its SHA-256")))
}

/// Narrows what is asked for to what may be seen: of an own team for its admins, else of the own user, else of the own key.
pub(super) fn own(ask: &Ask<'_>, filter: &mut Filter) -> Result<(), Refusal> {
    if ask.actor.sees_all() {
        return Ok(());
    }
    let of_own_team = |(kind, id): &(ScopeKind, String)| *kind == ScopeKind::Team && ask.actor.leads(ask.roster(), id);
    if filter.of.iter().any(of_own_team) {
        return Ok(());
    }
    let asked = filter.of.iter().find(|(kind, _)| *kind == ScopeKind::User).map(|(_, user)| user.as_str());
    match (ask.actor.user_id(), ask.actor.hash()) {
        (Some(user), _) if asked.is_none() => filter.of.push((ScopeKind::User, user.to_owned())),
        (Some(user), _) if asked == Some(user) => {}
        (None, Some(hash)) if filter.key.is_none_or(|asked| asked.matches(&hash)) => filter.key = Some(hash),
        _ => return Err(Refusal::forbidden("a key sees what it or its user spent, and nothing else")),
    }
    Ok(())
}
