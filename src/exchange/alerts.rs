//! Budgets that come near their end: who is to be told, once in each window. Nothing here waits; the shell delivers.

use std::collections::VecDeque;

use dashmap::DashMap;
use parking_lot::Mutex;
use serde::Serialize;

use super::World;
use super::caller::Caller;
use super::enter::Common;
use crate::ledger::{AccountId, Behalf, Ledger, Statement};
use crate::telemetry::{AlertOutcome, Event};
use crate::vocabulary::{Now, PicoUsd, ScopeKind};

/// Alerts that wait to be delivered; beyond it they are dropped and counted.
const QUEUE_MAX: usize = 1_000;
/// Budgets of which it is remembered that somebody was told.
const TOLD_MAX: usize = 100_000;

/// Percent of a budget that are left when somebody is told, and what they are told; LiteLLM's.
const THRESHOLDS: [(u8, &str); 2] = [(5, "5% or less of budget remaining"), (15, "15% or less of budget remaining")];

/// What happened to a budget, in LiteLLM's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum BudgetEvent {
    /// `soft_budget` is spent; requests go on.
    SoftBudgetCrossed,
    /// 15 or 5 percent of `max_budget` are left.
    ThresholdCrossed,
    /// `max_budget` is spent.
    BudgetCrossed,
}

/// One alert: the body for a webhook, in LiteLLM's shape.
#[derive(Clone, Debug, Serialize)]
pub struct Alert {
    spend: PicoUsd,
    max_budget: Option<PicoUsd>,
    soft_budget: Option<PicoUsd>,
    token: Option<String>,
    customer_id: Option<String>,
    user_id: Option<String>,
    team_id: Option<String>,
    team_alias: Option<String>,
    organization_id: Option<String>,
    user_email: Option<String>,
    key_alias: Option<String>,
    projected_exceeded_date: Option<String>,
    projected_spend: Option<PicoUsd>,
    event_group: &'static str,
    event: BudgetEvent,
    event_message: String,
}

impl Alert {
    /// What a person reads, with the marks of Slack's text.
    pub fn text(&self) -> String {
        let dollars = |name: &str, amount: Option<PicoUsd>| {
            amount.map(|amount| format!("*{name}:* `{}`\n", amount.to_dollars())).unwrap_or_default()
        };
        let word = |name: &str, value: &Option<String>| {
            value.as_deref().map(|value| format!("*{name}:* `{}`\n", value.replace('`', "'"))).unwrap_or_default()
        };
        [
            format!("{}\n\n", self.event_message),
            dollars("spend", Some(self.spend)),
            dollars("max_budget", self.max_budget),
            dollars("soft_budget", self.soft_budget),
            word("customer_id", &self.customer_id),
            word("user_id", &self.user_id),
            word("team_id", &self.team_id),
            word("team_alias", &self.team_alias),
            word("organization_id", &self.organization_id),
            word("user_email", &self.user_email),
            word("key_alias", &self.key_alias),
            format!("*event_group:* `{}`\n", self.event_group),
        ]
        .concat()
    }
}

/// Alerts on their way. Outlives configurations.
#[derive(Debug, Default)]
pub struct Alerts {
    /// Until when nobody is told again, Unix milliseconds.
    told: DashMap<(AccountId, BudgetEvent, u8), i64>,
    queue: Mutex<VecDeque<Alert>>,
}

impl Alerts {
    /// Takes what waits.
    pub fn take(&self) -> Vec<Alert> {
        self.queue.lock().drain(..).collect()
    }

    /// Whether somebody is to be told now; they are taken as told.
    fn is_news(&self, what: (AccountId, BudgetEvent, u8), until_ms: i64, now: Now) -> bool {
        if self.told.get(&what).is_some_and(|until| now.wall_ms < *until) {
            return false;
        }
        if self.told.len() >= TOLD_MAX {
            self.told.retain(|_, until| now.wall_ms < *until);
            if self.told.len() >= TOLD_MAX {
                self.told.clear();
            }
        }
        // Of two that come at once the first tells.
        self.told.insert(what, until_ms).is_none_or(|until| until <= now.wall_ms)
    }

    /// False: there is no room.
    fn push(&self, alert: Alert) -> bool {
        let mut queue = self.queue.lock();
        let room = queue.len() < QUEUE_MAX;
        if room {
            queue.push_back(alert);
        }
        room
    }
}

/// Whose budget it is.
struct Subject<'a> {
    account: AccountId,
    soft: Option<PicoUsd>,
    /// None: everything that passes.
    kind: Option<ScopeKind>,
    id: &'a str,
}

impl Common {
    /// Tells of the budgets that this exchange brought near their end.
    pub(super) fn tell_budgets(&self, now: Now) {
        if self.world.settings.alerting.is_none() {
            return;
        }
        let standing = self.caller.as_ref().and_then(Caller::standing);
        let global = Subject { account: AccountId::Global, soft: None, kind: None, id: "" };
        self.world.tell(&global, self, now);
        if let Some((standing, account)) = standing.and_then(|standing| Some((standing, standing.accounts.whole()?))) {
            let kind = Some(ScopeKind::Key);
            self.world.tell(&Subject { account, soft: standing.accounts.soft, kind, id: "" }, self, now);
        }
        let parties = standing.into_iter().flat_map(|standing| &standing.parties).chain(&self.others);
        for party in parties {
            if let Some(account) = party.accounts.whole() {
                let subject = Subject { account, soft: party.accounts.soft, kind: Some(party.kind), id: &party.id };
                self.world.tell(&subject, self, now);
            }
        }
    }
}

impl World {
    fn tell(&self, subject: &Subject<'_>, common: &Common, now: Now) {
        let Some(statement) = self.around.ledger.statement(subject.account, now) else { return };
        let Some(alerting) = &self.settings.alerting else { return };
        let again = now.wall_ms.saturating_add(i64::try_from(alerting.again_after.as_millis()).unwrap_or(i64::MAX));
        for (event, step, message) in crossed(&statement, subject.soft).into_iter().flatten() {
            let until = statement.resets_at_ms.unwrap_or(again);
            if self.around.alerts.is_news((subject.account, event, step), until, now) {
                let alert = self.alert(subject, &statement, (event, &message), common);
                if !self.around.alerts.push(alert) {
                    self.around.telemetry.emit(&Event::Alerted(AlertOutcome::Dropped), now);
                }
            }
        }
    }

    fn alert(
        &self,
        subject: &Subject<'_>,
        statement: &Statement,
        (event, message): (BudgetEvent, &str),
        common: &Common,
    ) -> Alert {
        let is = |kind: ScopeKind| subject.kind == Some(kind);
        let of_key = |id: fn(&Behalf) -> &Option<std::sync::Arc<str>>| {
            let behalf = common.behalf.as_deref().filter(|_| is(ScopeKind::Key))?;
            id(behalf).as_deref().map(str::to_owned)
        };
        let own = |kind: ScopeKind| is(kind).then(|| subject.id.to_owned());
        // A member's id is the group's and the user's.
        let (group, member) = subject.id.rsplit_once(':').unwrap_or((subject.id, ""));
        let part = |kind: ScopeKind, part: &str| is(kind).then(|| part.to_owned());
        let team_id = first([own(ScopeKind::Team), part(ScopeKind::TeamMember, group), of_key(|behalf| &behalf.team)]);
        let user_id = first([
            own(ScopeKind::User),
            part(ScopeKind::TeamMember, member),
            part(ScopeKind::OrganizationMember, member),
            of_key(|behalf| &behalf.user),
        ]);
        let organization_id = first([
            own(ScopeKind::Organization),
            part(ScopeKind::OrganizationMember, group),
            of_key(|behalf| &behalf.organization),
        ]);
        let roster = &self.around.roster;
        let key = common.caller.as_ref().and_then(Caller::key).filter(|_| is(ScopeKind::Key));
        Alert {
            spend: statement.spent,
            max_budget: statement.limit,
            soft_budget: subject.soft,
            token: key.map(|key| key.hash.to_string()),
            customer_id: own(ScopeKind::Customer),
            team_alias: team_id.as_deref().and_then(|id| roster.teams.find(id)?.team_alias.clone()),
            user_email: user_id.as_deref().and_then(|id| roster.users.find(id)?.user_email.clone()),
            user_id,
            team_id,
            organization_id,
            key_alias: key.and_then(|key| key.alias.as_deref().map(str::to_owned)),
            projected_exceeded_date: None,
            projected_spend: None,
            event_group: group_of(subject.kind),
            event,
            event_message: format!("{}{message}", title(subject.kind, event)),
        }
    }
}

fn first<const N: usize>(ids: [Option<String>; N]) -> Option<String> {
    ids.into_iter().flatten().next()
}

/// What of a budget is reached, each with a number that tells apart what is told of one event twice.
fn crossed(statement: &Statement, soft: Option<PicoUsd>) -> [Option<(BudgetEvent, u8, String)>; 2] {
    let spent = statement.spent;
    let soft = soft
        .filter(|soft| spent >= *soft)
        .map(|soft| (BudgetEvent::SoftBudgetCrossed, 0, format!("Total Soft Budget:`{}`", soft.to_dollars())));
    let hard = statement.limit.and_then(|max| {
        let at_most = |percent: i128| max.minus(spent).0.saturating_mul(100) <= max.0.saturating_mul(percent);
        if spent >= max {
            let text = format!("Budget Crossed\n Total Budget:`{}`", max.to_dollars());
            return Some((BudgetEvent::BudgetCrossed, 0, text));
        }
        let (percent, left) = THRESHOLDS.into_iter().find(|(percent, _)| at_most(i128::from(*percent)))?;
        Some((BudgetEvent::ThresholdCrossed, percent, left.to_owned()))
    });
    [soft, hard]
}

const fn group_of(kind: Option<ScopeKind>) -> &'static str {
    match kind {
        None => "proxy",
        Some(ScopeKind::Key) => "key",
        Some(kind) => kind.as_str(),
    }
}

fn title(kind: Option<ScopeKind>, event: BudgetEvent) -> &'static str {
    match (event, kind) {
        (BudgetEvent::SoftBudgetCrossed, _) => "Soft Budget Crossed: ",
        (_, None) => "Proxy Budget: ",
        (_, Some(ScopeKind::Key)) => "Key Budget: ",
        (_, Some(ScopeKind::Team)) => "Team Budget: ",
        (_, Some(ScopeKind::TeamMember)) => "Team Member Budget: ",
        (_, Some(ScopeKind::User)) => "User Budget: ",
        (_, Some(ScopeKind::Organization | ScopeKind::OrganizationMember)) => "Organization Budget: ",
        (_, Some(ScopeKind::Customer)) => "Customer Budget: ",
        (_, Some(ScopeKind::Tag)) => "Tag Budget: ",
        (_, Some(ScopeKind::Provider)) => "Provider Budget: ",
        (_, Some(ScopeKind::Deployment)) => "Deployment Budget: ",
    }
}
