//! `/audit`: who changed which record, and what stood there before and after.

use schemars::JsonSchema;
use serde::Serialize;

use super::actor::Needs;
use super::ask::Ask;
use super::page::Page;
use super::query::Param;
use super::reply::{Refusal, Reply};
use super::route::Route;
use crate::roster::{AuditEntry, AuditQuery, Json, Moment};
use crate::vocabulary::KeyHash;

const ORDERS: &[&str] = &["asc", "desc"];
const DAY_MS: i64 = 86_400_000;

/// The rows.
pub(super) static ROUTES: &[Route] = &[
    Route::get("/audit", Needs::Viewer, "List changes of records", list)
        .query(&[
            Param::count("page", 1, 1_000_000, 1, "Which page, from 1."),
            Param::count("page_size", 1, 100, 10, "Entries on a page."),
            Param::text("changed_by", "Only what this user changed."),
            Param::text("changed_by_api_key", "Only what was changed with this key: the key or its hash."),
            Param::choice(
                "action",
                &["created", "updated", "deleted", "blocked", "unblocked", "rotated"],
                "Only changes of this sort.",
            ),
            Param::text("table_name", "Only records of this kind, by the name of LiteLLM's table."),
            Param::text("object_id", "Only this record."),
            Param::moment("start_date", "Not before this time, or day."),
            Param::moment("end_date", "Not after this time, or day."),
            Param::choice("sort_by", &["updated_at"], "By what to sort."),
            Param::choice("sort_order", ORDERS, "asc: the oldest first. desc, which holds without it: the newest."),
        ])
        .gives::<Listed>(),
    Route::get("/audit/{id}", Needs::Viewer, "Show one change", one).gives::<Shown>(),
];

/// What `/audit` gives.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Listed {
    audit_logs: Vec<Shown>,
    total: u64,
    page: u64,
    page_size: u64,
    total_pages: u64,
}

/// One change.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Shown {
    id: String,
    updated_at: Moment,
    changed_by: String,
    changed_by_api_key: String,
    action: String,
    table_name: String,
    object_id: String,
    before_value: Json,
    updated_values: Json,
}

impl From<AuditEntry> for Shown {
    fn from(entry: AuditEntry) -> Self {
        Self {
            id: entry.id,
            updated_at: entry.at,
            changed_by: entry.by,
            // LiteLLM's name for the master key, which is never shown.
            changed_by_api_key: entry
                .by_key
                .map_or_else(|| "litellm_proxy_master_key".to_owned(), |key| key.to_string()),
            action: entry.action,
            table_name: entry.table,
            object_id: entry.object_id,
            before_value: entry.before,
            updated_values: entry.after,
        }
    }
}

fn list(ask: &Ask<'_>) -> Result<Reply, Refusal> {
    let page = Page::of(ask.query.count("page"), ask.query.count("page_size"));
    let text = |name| ask.query.text(name).map(str::to_owned);
    let by_key = match ask.query.text("changed_by_api_key") {
        Some(key) => Some(key_of(key)?),
        None => None,
    };
    let query = AuditQuery {
        by: text("changed_by"),
        by_key,
        action: text("action"),
        table: text("table_name"),
        object_id: text("object_id"),
        from: ask.query.moment("start_date"),
        to: ask.query.moment("end_date").map(|to| end_of(ask.query.text("end_date"), to)),
        newest_first: ask.query.text("sort_order") != Some("asc"),
        offset: page.offset(),
        limit: page.size,
        ..AuditQuery::default()
    };
    let found = ask.roster().keeper().audit(&query).map_err(|cause| Refusal::unread(&cause))?;
    Reply::json(&Listed {
        audit_logs: found.entries.into_iter().map(Shown::from).collect(),
        total: found.total,
        page: page.number,
        page_size: page.size,
        total_pages: page.pages(found.total),
    })
}

fn key_of(text: &str) -> Result<KeyHash, Refusal> {
    if text.starts_with("sk-") {
        return Ok(KeyHash::of(text));
    }
    KeyHash::parse(text).ok_or_else(|| Refusal::bad("changed_by_api_key: expected sk-... or its SHA-256"))
}

/// A day counts until its end.
fn end_of(text: Option<&str>, at: Moment) -> Moment {
    if text.is_some_and(|text| text.len() == 10) { Moment(at.0.saturating_add(DAY_MS - 1)) } else { at }
}

fn one(ask: &Ask<'_>) -> Result<Reply, Refusal> {
    let id = ask.in_path(0);
    let query = AuditQuery { id: Some(id.to_owned()), limit: 1, ..AuditQuery::default() };
    let found = ask.roster().keeper().audit(&query).map_err(|cause| Refusal::unread(&cause))?;
    match found.entries.into_iter().next() {
        Some(entry) => Reply::json(&Shown::from(entry)),
        None => Err(Refusal::not_found("id", format!("Audit log with id={id} not found"))),
    }
}
