//! Records on file: read at the start, written one batch at a time and synced before anybody is answered.

use std::fmt;
use std::sync::Arc;

use parking_lot::Mutex;

use super::apply::{self, Added};
use super::base::Base;
use super::conditions::Conditions;
use super::session::{Failed, Row, Session};
use super::worker::{Tell, Word};
use super::{StoreError, shown};
use crate::roster::{AuditEntry, AuditPage, AuditQuery, Batch, Change, Json, Kind, Moment, Record, Records, Roster};
use crate::vocabulary::KeyHash;

/// What was set of accounts and is on file, for the worker, who must not take it for another process' doing.
pub(super) type Adjusted = Mutex<Added>;

/// The records in the database.
pub(super) struct OnFile {
    session: Mutex<Session>,
    base: Base,
    adjusted: Arc<Adjusted>,
    /// Where other nodes write the same records, what this one knows of them.
    roster: Option<Arc<Roster>>,
}

impl fmt::Debug for OnFile {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("OnFile").field("base", &self.base).finish_non_exhaustive()
    }
}

impl OnFile {
    /// Opens the records with a connection of their own. Commits are synced, whatever is promised of receipts.
    pub(super) fn open(base: Base, adjusted: Arc<Adjusted>, roster: Option<Arc<Roster>>) -> Result<Self, StoreError> {
        Ok(Self { session: Mutex::new(base.session_for_records()?), base, adjusted, roster })
    }

    /// Puts what is on file into a roster. A record that cannot be read is told of, left out and kept.
    pub(super) fn load(&self, roster: &Roster, tell: &Tell) -> Result<(), StoreError> {
        let read = read_all(&mut self.session.lock(), tell);
        let records = read
            .map_err(|error| StoreError::new(format!("{}: the records cannot be read: {error}", self.base.shown())))?;
        roster.apply(records.into_iter().map(Change::Put));
        Ok(())
    }

    fn write(&self, batch: &Batch, wall_ms: i64) -> Result<(), Failed> {
        let mut session = self.session.lock();
        // The worker waits for it before it looks at what others have added.
        let mut adjusted = self.adjusted.lock();
        session.transaction(|session| {
            for change in &batch.changes {
                if let Some(roster) = &self.roster {
                    stands(session, change, roster)?;
                }
                put(session, change, wall_ms)?;
            }
            for entry in &batch.audit {
                note(session, entry)?;
            }
            let sums = batch.adjustments.iter().map(|adjusted| (adjusted.account, adjusted.resets_at_ms, adjusted.by));
            apply::add_to_accounts(session, sums)
        })?;
        for adjustment in &batch.adjustments {
            let sum = adjusted.entry((adjustment.account, adjustment.resets_at_ms)).or_default();
            *sum = sum.plus(adjustment.by);
        }
        Ok(())
    }
}

/// Makes sure that no other node has changed a record since this one heard of it: what is written was made of what it knew.
fn stands(session: &mut Session, change: &Change, roster: &Roster) -> Result<(), Failed> {
    let (kind, id) = match change {
        Change::Put(record) => (record.kind(), record.id()),
        Change::Remove(kind, id) => (*kind, id.clone()),
    };
    let values = [kind.as_str().into(), id.as_str().into()];
    let found =
        session.all("SELECT body FROM record WHERE kind = ? AND id = ? FOR UPDATE", &values, |row| row.text(0))?;
    let found = found.first().and_then(|body| Record::from_json(kind, body).ok());
    // What this version cannot read it may replace, as it always could.
    match found {
        Some(found) if roster.find(kind, &id).is_none_or(|known| known != found) => Err(Failed::new(format!(
            "another node has changed the {} {} this instant: ask again",
            kind.as_str(),
            shown(&id)
        ))),
        _ => Ok(()),
    }
}

/// All records on file that can be read.
pub(super) fn read_all(session: &mut Session, tell: &Tell) -> Result<Vec<Record>, Failed> {
    let mut records = Vec::new();
    session.each("SELECT kind, id, body FROM record", &[], |row| {
        records.extend(record(row, tell)?);
        Ok(())
    })?;
    Ok(records)
}

/// The record of a row of kind, id and body; told of if it cannot be read.
pub(super) fn record(row: &Row<'_>, tell: &Tell) -> Result<Option<Record>, Failed> {
    let (kind, id) = (row.text(0)?, row.text(1)?);
    let read = read(&kind, &row.text(2)?);
    if let Err(reason) = &read {
        tell(Word::Trouble(&format!(
            "a record on file is left out, and kept as it is: {kind} {}: {reason}; put it right with the version that wrote \
             it",
            shown(&id)
        )));
    }
    Ok(read.ok())
}

fn read(kind: &str, body: &str) -> Result<Record, String> {
    let kind = Kind::parse(kind).ok_or("this version knows no such kind of record")?;
    Record::from_json(kind, body).map_err(|error| error.to_string())
}

fn put(session: &mut Session, change: &Change, wall_ms: i64) -> Result<(), Failed> {
    match change {
        Change::Put(record) => {
            let body = record.to_json().map_err(|error| Failed::new(error.to_string()))?;
            let (kind, id) = (record.kind().as_str(), record.id());
            session.execute(
                "INSERT INTO record (kind, id, body, changed_ms) VALUES (?, ?, ?, ?) \
                 ON CONFLICT (kind, id) DO UPDATE SET body = excluded.body, changed_ms = excluded.changed_ms",
                &[kind.into(), id.into(), body.into(), wall_ms.into()],
            )?;
        }
        Change::Remove(kind, id) => {
            let values = [kind.as_str().into(), id.as_str().into()];
            session.execute("DELETE FROM record WHERE kind = ? AND id = ?", &values)?;
        }
    }
    Ok(())
}

fn note(session: &mut Session, entry: &AuditEntry) -> Result<(), Failed> {
    let values = [
        entry.id.as_str().into(),
        entry.at.0.into(),
        entry.by.as_str().into(),
        entry.by_key.as_ref().map(|key| key.as_bytes().as_slice()).into(),
        entry.action.as_str().into(),
        entry.table.as_str().into(),
        entry.object_id.as_str().into(),
        entry.before.as_str().into(),
        entry.after.as_str().into(),
    ];
    session.execute(
        "INSERT INTO audit (id, at_ms, by_user, by_key, action, table_name, object_id, before, after) \
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        &values,
    )?;
    Ok(())
}

impl Records for OnFile {
    fn commit(&self, batch: &Batch, wall_ms: i64) -> Result<(), String> {
        self.write(batch, wall_ms).map_err(|error| error.to_string())
    }

    fn audit(&self, query: &AuditQuery) -> Result<AuditPage, String> {
        self.base.read(|session| entries(session, query))
    }
}

fn entries(session: &mut Session, query: &AuditQuery) -> Result<AuditPage, Failed> {
    let count = format!("SELECT count(*) FROM audit {}", conditions(query));
    let total = session.number(&count, &conditions(query).values([]))?;
    let order = if query.newest_first { "DESC" } else { "ASC" };
    let conditions = conditions(query);
    let select = format!(
        "SELECT id, at_ms, by_user, by_key, action, table_name, object_id, before, after FROM audit {conditions} \
         ORDER BY at_ms {order}, number {order} LIMIT ? OFFSET ?"
    );
    let page = [query.limit, query.offset].map(|count| i64::try_from(count).unwrap_or(i64::MAX));
    let entries = session.all(&select, &conditions.values(page), entry)?;
    Ok(AuditPage { total: u64::try_from(total).unwrap_or(0), entries })
}

fn conditions(query: &AuditQuery) -> Conditions<'_> {
    let mut conditions = Conditions::default();
    conditions.with_text("id = ?", query.id.as_deref());
    conditions.with_text("by_user = ?", query.by.as_deref());
    conditions.with("by_key = ?", query.by_key.as_ref().map(|key| [key.as_bytes().as_slice().into()]));
    conditions.with_text("action = ?", query.action.as_deref());
    conditions.with_text("table_name = ?", query.table.as_deref());
    conditions.with_text("object_id = ?", query.object_id.as_deref());
    conditions.with("at_ms >= ?", query.from.map(|at| [at.0.into()]));
    conditions.with("at_ms <= ?", query.to.map(|at| [at.0.into()]));
    conditions
}

fn entry(row: &Row<'_>) -> Result<AuditEntry, Failed> {
    let json = |text: String| Json::parse(&text).unwrap_or_default();
    Ok(AuditEntry {
        id: row.text(0)?,
        at: Moment(row.int(1)?),
        by: row.text(2)?,
        by_key: row.maybe_bytes(3)?.and_then(|bytes| bytes.try_into().ok()).map(KeyHash::from_bytes),
        action: row.text(4)?,
        table: row.text(5)?,
        object_id: row.text(6)?,
        before: json(row.text(7)?),
        after: json(row.text(8)?),
    })
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::ledger::{AccountId, Adjustment};
    use crate::roster::Key;
    use crate::store::Durability;
    use crate::vocabulary::PicoUsd;

    struct Place(PathBuf);

    impl Place {
        fn new(name: &str) -> Self {
            let path = std::env::temp_dir().join(format!("tollgate-records-{name}-{}", std::process::id()));
            std::fs::remove_dir_all(&path).ok();
            std::fs::create_dir_all(&path).unwrap();
            Self(path)
        }

        fn open(&self) -> OnFile {
            OnFile::open(Base::file(&self.0, Durability::Relaxed), Arc::default(), None).unwrap()
        }
    }

    impl Drop for Place {
        fn drop(&mut self) {
            std::fs::remove_dir_all(&self.0).ok();
        }
    }

    fn put_key(key: &str) -> Change {
        Change::Put(Key::new(KeyHash::of(key), "sk-...").into())
    }

    fn told(number: i64, object: &str) -> AuditEntry {
        AuditEntry {
            id: format!("e{number}"),
            at: Moment(number),
            by: "ada".to_owned(),
            by_key: (number % 2 == 0).then(|| KeyHash::of("sk-ada")),
            action: "created".to_owned(),
            table: "LiteLLM_VerificationToken".to_owned(),
            object_id: object.to_owned(),
            before: Json::default(),
            after: Json::parse(r#"{"a":1}"#).unwrap(),
        }
    }

    #[test]
    fn records_are_read_as_they_were_written_and_a_spoilt_one_is_left_out_and_kept() {
        let place = Place::new("load");
        let file = place.open();
        let changes =
            vec![put_key("sk-a"), put_key("sk-b"), Change::Remove(Kind::Key, KeyHash::of("sk-a").to_string())];
        file.commit(&Batch { changes, ..Batch::default() }, 7).unwrap();
        file.session.lock().execute("INSERT INTO record VALUES ('key', 'x\u{1b}', '{}', 0)", &[]).unwrap();
        let (roster, heard) = (Roster::default(), Arc::new(Mutex::new(String::new())));
        let hearing = heard.clone();
        let tell: Tell = Box::new(move |word| hearing.lock().push_str(&format!("{word:?}")));
        place.open().load(&roster, &tell).unwrap();
        assert_eq!((roster.keys.len(), roster.keys.has(&KeyHash::of("sk-b"))), (1, true));
        assert!(heard.lock().contains("key x?: not a record of a key: missing field"), "{}", heard.lock());
        assert_eq!(file.session.lock().number("SELECT count(*) FROM record", &[]).unwrap(), 2);
    }

    #[test]
    fn what_was_done_is_found_by_whom_what_and_when() {
        let place = Place::new("audit");
        let file = place.open();
        let audit = (0..10).map(|number| told(number, if number < 3 { "one" } else { "two" })).collect();
        file.commit(&Batch { audit, ..Batch::default() }, 7).unwrap();
        let memory = crate::roster::InMemory::default();
        let audit = (0..10).map(|number| told(number, if number < 3 { "one" } else { "two" })).collect();
        memory.commit(&Batch { audit, ..Batch::default() }, 7).unwrap();
        let all = AuditQuery { limit: 4, ..AuditQuery::default() };
        for (query, total, first) in [
            (AuditQuery { newest_first: true, ..all.clone() }, 10, "e9"),
            (AuditQuery { object_id: Some("two".to_owned()), offset: 2, ..all.clone() }, 7, "e5"),
            (AuditQuery { by_key: Some(KeyHash::of("sk-ada")), ..all.clone() }, 5, "e0"),
            (AuditQuery { from: Some(Moment(4)), to: Some(Moment(5)), ..all.clone() }, 2, "e4"),
            (AuditQuery { id: Some("e7".to_owned()), ..all }, 1, "e7"),
        ] {
            let page = file.audit(&query).unwrap();
            assert_eq!((page.total, page.entries[0].id.as_str()), (total, first));
            assert_eq!(memory.audit(&query).unwrap(), page);
        }
    }

    #[test]
    fn all_of_a_batch_is_written_or_nothing() {
        let place = Place::new("atomic");
        let file = place.open();
        let audit = vec![told(1, "x"), told(1, "x")];
        let account = AccountId::Key(KeyHash::of("sk-a"));
        let adjustments = vec![Adjustment { account, resets_at_ms: None, by: PicoUsd::dollars(3) }];
        let batch = Batch { changes: vec![put_key("sk-a")], audit, adjustments };
        assert!(file.commit(&batch, 7).unwrap_err().contains("UNIQUE"));
        let rows = |table: &str| file.session.lock().number(&format!("SELECT count(*) FROM {table}"), &[]).unwrap();
        assert_eq!((rows("record"), rows("audit"), rows("account"), file.adjusted.lock().len()), (0, 0, 0, 0));
        file.commit(&Batch { audit: Vec::new(), ..batch }, 7).unwrap();
        assert_eq!((rows("record"), rows("account"), file.adjusted.lock().len()), (1, 1, 1));
    }
}
