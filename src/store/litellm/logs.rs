//! LiteLLM's log of single requests, as receipts. They are part of days and lists; what was spent on accounts is told by the
//! records, since accounts begin anew and logs are taken away.

use serde::Deserialize;

use super::Imported;
use super::fields::{Fields, moment};
use crate::ledger::{Behalf, Bookings, CallType, Manner, Outcome, Receipt, Stage, Upstream};
use crate::store::apply;
use crate::store::base::Base;
use crate::store::entry::Entry;
use crate::store::session::{Failed, Session};
use crate::vocabulary::{KeyHash, Metered, ModelName, PicoUsd, Usage};

pub(super) const TABLE: &str = "LiteLLM_SpendLogs";
/// Without prompts and answers, which are large and not kept here.
const SELECT: &str = "SELECT CAST(row_to_json(t) AS text) FROM (SELECT request_id, call_type, api_key, spend, prompt_tokens, \
                      completion_tokens, \"startTime\", \"endTime\", model, model_group, metadata, request_tags, team_id, \
                      end_user, \"user\", api_base FROM \"LiteLLM_SpendLogs\") AS t";
/// The same with what later versions have, too.
const SELECT_MORE: &str = "SELECT CAST(row_to_json(t) AS text) FROM (SELECT request_id, call_type, api_key, spend, \
                           prompt_tokens, completion_tokens, \"startTime\", \"endTime\", model, model_group, metadata, \
                           request_tags, team_id, end_user, \"user\", api_base, model_id, custom_llm_provider, session_id, \
                           requester_ip_address, status, \"completionStartTime\" FROM \"LiteLLM_SpendLogs\") AS t";
/// Receipts that are written at once.
const BATCH: usize = 1_000;

/// Reads the log. A row that was read before changes nothing.
pub(super) fn read(
    source: &mut Session,
    target: Option<&Base>,
    dry_run: bool,
    imported: &mut Imported,
) -> Result<(), Failed> {
    let select = if has_status(source)? { SELECT_MORE } else { SELECT };
    let mut target = match target {
        Some(base) if !dry_run => Some(base.session().map_err(|error| Failed::new(error.to_string()))?),
        _ => None,
    };
    let mut entries = Vec::with_capacity(BATCH);
    source.each(select, &[], |row| {
        match Fields::read(&row.text(0)?).ok().and_then(receipt) {
            Some(receipt) => entries.push(Entry { stage: Stage::Closed, receipt }),
            None => imported.logs_left_out += 1,
        }
        if entries.len() < BATCH { Ok(()) } else { write(&mut target, &mut entries, imported) }
    })?;
    write(&mut target, &mut entries, imported)
}

fn has_status(source: &mut Session) -> Result<bool, Failed> {
    let text = "SELECT count(*) FROM pg_attribute WHERE attrelid = CAST('\"LiteLLM_SpendLogs\"' AS regclass) AND attname \
                IN ('status', 'session_id', 'requester_ip_address', 'model_id', 'custom_llm_provider', \
                'completionStartTime')";
    Ok(source.number(text, &[])? == 6)
}

fn write(target: &mut Option<Session>, entries: &mut Vec<Entry>, imported: &mut Imported) -> Result<(), Failed> {
    imported.logs += entries.len() as u64;
    if let Some(target) = target {
        apply::apply(target, entries, None).map_err(|unsure| unsure.why)?;
    }
    entries.clear();
    Ok(())
}

/// What LiteLLM puts beside a row.
#[derive(Default, Deserialize)]
struct Beside {
    user_api_key_alias: Option<String>,
    #[serde(default)]
    usage_object: Option<UsageObject>,
}

#[derive(Default, Deserialize)]
struct UsageObject {
    #[serde(default)]
    prompt_tokens_details: Option<PromptDetails>,
    #[serde(default)]
    completion_tokens_details: Option<CompletionDetails>,
}

#[derive(Default, Deserialize)]
struct PromptDetails {
    cached_tokens: Option<u64>,
}

#[derive(Default, Deserialize)]
struct CompletionDetails {
    reasoning_tokens: Option<u64>,
}

fn receipt(mut row: Fields) -> Option<Receipt> {
    let mut text = |name: &str| row.take::<String>(name).filter(|text| !text.is_empty());
    let exchange = text("request_id")?;
    let (model, group, deployment) = (text("model"), text("model_group"), text("model_id"));
    let (team, customer, user) = (text("team_id"), text("end_user"), text("user"));
    let (provider, api_base, session) = (text("custom_llm_provider"), text("api_base"), text("session_id"));
    let (call, key, ip) = (text("call_type"), text("api_key"), text("requester_ip_address"));
    let failed = text("status").is_some_and(|status| status == "failure");
    let started_ms = moment(&mut row, "startTime")?.0;
    let ended_ms = moment(&mut row, "endTime").map_or(started_ms, |at| at.0);
    let beside: Beside = row.or_default("metadata");
    let details = beside.usage_object.unwrap_or_default();
    let usage = Usage {
        prompt: row.or_default("prompt_tokens"),
        completion: row.or_default("completion_tokens"),
        cache_read: details.prompt_tokens_details.and_then(|details| details.cached_tokens).unwrap_or_default(),
        reasoning: details.completion_tokens_details.and_then(|details| details.reasoning_tokens).unwrap_or_default(),
        ..Usage::default()
    };
    let named = group.as_deref().or(model.as_deref());
    let mut behalf = Behalf {
        team: team.map(Into::into),
        user: user.map(Into::into),
        customer: customer.map(Into::into),
        ..Behalf::default()
    };
    row.or_default::<Vec<String>>("request_tags").iter().for_each(|tag| behalf.tag(tag));
    let upstream = Upstream {
        provider: provider.unwrap_or_default().into(),
        model: model.as_deref().unwrap_or_default().into(),
        api_base: api_base.unwrap_or_default().into(),
    };
    Some(Receipt {
        exchange: exchange.into(),
        key: key.and_then(|key| KeyHash::parse(&key)),
        key_alias: beside.user_api_key_alias.map(Into::into),
        model: named.and_then(|name| ModelName::parse(name).ok()),
        group: group.as_deref().map(Into::into),
        deployment: deployment.map(Into::into),
        behalf: behalf.shared(),
        upstream: Some(upstream.into()),
        manner: Manner {
            call: call.map_or(CallType::Unknown, |call| call_of(&call)),
            session: session.map(Into::into),
            client_ip: ip.and_then(|ip| ip.parse().ok()),
            first_ms: moment(&mut row, "completionStartTime").map(|at| at.0),
            status: if failed { 0 } else { 200 },
            error: failed.then(|| "failure".into()),
            input_cost: PicoUsd::ZERO,
        },
        usage: Metered::Reported(usage),
        cost: row.dollars("spend").unwrap_or(PicoUsd::ZERO).max(PicoUsd::ZERO),
        excess: PicoUsd::ZERO,
        outcome: if failed { Outcome::Failed } else { Outcome::Complete },
        started_ms,
        ended_ms,
        booked: Bookings::new(),
        on_file: true,
    })
}

/// The call of this name; LiteLLM's names have an `a` before them where they did not wait.
fn call_of(name: &str) -> CallType {
    let is = |call: &CallType| {
        let known = call.as_str();
        !known.is_empty() && (known == name || known.strip_prefix('a') == Some(name))
    };
    (0..=u8::MAX).map(CallType::of).find(is).unwrap_or_default()
}
