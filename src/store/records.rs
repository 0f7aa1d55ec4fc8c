//! Records on file: read at the start, written one batch at a time and synced before anybody is answered.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use parking_lot::Mutex;
use rusqlite::types::Value;
use rusqlite::{Connection, Row, Transaction, TransactionBehavior, params, params_from_iter};

use super::apply::{self, Added};
use super::worker::{Tell, Word};
use super::{Durability, StoreError, schema};
use crate::roster::{AuditEntry, AuditPage, AuditQuery, Batch, Change, Json, Kind, Moment, Record, Records, Roster};
use crate::vocabulary::KeyHash;

/// What was set of accounts and is on file, for the worker, who must not take it for another process' doing.
pub(super) type Adjusted = Mutex<Added>;

/// The records in the directory.
pub(super) struct OnFile {
    connection: Mutex<Connection>,
    directory: PathBuf,
    adjusted: Arc<Adjusted>,
}

impl fmt::Debug for OnFile {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("OnFile").field("directory", &self.directory).finish_non_exhaustive()
    }
}

impl OnFile {
    /// Opens the records with a connection of their own. Commits are synced, whatever is promised of receipts.
    pub(super) fn open(directory: PathBuf, adjusted: Arc<Adjusted>) -> Result<Self, StoreError> {
        let connection = schema::open(&directory, Durability::Strict)?;
        Ok(Self { connection: Mutex::new(connection), directory, adjusted })
    }

    /// Puts what is on file into a roster. A record that cannot be read is told of, left out and kept.
    pub(super) fn load(&self, roster: &Roster, tell: &Tell) -> Result<(), StoreError> {
        let failed = |error: rusqlite::Error| {
            StoreError::new(format!("{}: the records cannot be read: {error}", self.directory.display()))
        };
        let connection = self.connection.lock();
        let mut statement = connection.prepare("SELECT kind, id, body FROM record").map_err(failed)?;
        let mut rows = statement.query([]).map_err(failed)?;
        let mut changes = Vec::new();
        while let Some(row) = rows.next().map_err(failed)? {
            let (kind, id, body): (String, String, String) =
                (row.get(0).map_err(failed)?, row.get(1).map_err(failed)?, row.get(2).map_err(failed)?);
            match read(&kind, &body) {
                Ok(record) => changes.push(Change::Put(record)),
                Err(reason) => tell(Word::Trouble(&format!(
                    "a record on file is left out, and kept as it is: {kind} {}: {reason}; put it right with the version \
                     that wrote it",
                    shown(&id)
                ))),
            }
        }
        roster.apply(changes);
        Ok(())
    }

    fn write(&self, batch: &Batch, wall_ms: i64) -> rusqlite::Result<()> {
        let mut connection = self.connection.lock();
        // The worker waits for it before it looks at what others have added.
        let mut adjusted = self.adjusted.lock();
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        for change in &batch.changes {
            put(&transaction, change, wall_ms)?;
        }
        for entry in &batch.audit {
            note(&transaction, entry)?;
        }
        for adjustment in &batch.adjustments {
            apply::add_to_account(&transaction, adjustment.account, adjustment.resets_at_ms, adjustment.by)?;
        }
        transaction.commit()?;
        for adjustment in &batch.adjustments {
            let sum = adjusted.entry((adjustment.account, adjustment.resets_at_ms)).or_default();
            *sum = sum.plus(adjustment.by);
        }
        Ok(())
    }
}

fn read(kind: &str, body: &str) -> Result<Record, String> {
    let kind = Kind::parse(kind).ok_or("this version knows no such kind of record")?;
    Record::from_json(kind, body).map_err(|error| error.to_string())
}

/// Ids come from callers: nothing of them moves the cursor.
fn shown(id: &str) -> String {
    id.chars().take(80).map(|letter| if letter.is_control() { '?' } else { letter }).collect()
}

fn put(transaction: &Transaction<'_>, change: &Change, wall_ms: i64) -> rusqlite::Result<()> {
    match change {
        Change::Put(record) => {
            let body = record.to_json().map_err(|error| rusqlite::Error::ToSqlConversionFailure(Box::new(error)))?;
            let mut statement = transaction.prepare_cached(
                "INSERT INTO record (kind, id, body, changed_ms) VALUES (?1, ?2, ?3, ?4) \
                 ON CONFLICT (kind, id) DO UPDATE SET body = ?3, changed_ms = ?4",
            )?;
            statement.execute(params![record.kind().as_str(), record.id(), body, wall_ms])?;
        }
        Change::Remove(kind, id) => {
            let mut statement = transaction.prepare_cached("DELETE FROM record WHERE kind = ?1 AND id = ?2")?;
            statement.execute(params![kind.as_str(), id])?;
        }
    }
    Ok(())
}

fn note(transaction: &Transaction<'_>, entry: &AuditEntry) -> rusqlite::Result<()> {
    let mut statement = transaction.prepare_cached(
        "INSERT INTO audit (id, at_ms, by_user, by_key, action, table_name, object_id, before, after) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
    )?;
    statement.execute(params![
        entry.id,
        entry.at.0,
        entry.by,
        entry.by_key.as_ref().map(|key| key.as_bytes().as_slice()),
        entry.action,
        entry.table,
        entry.object_id,
        entry.before.as_str(),
        entry.after.as_str(),
    ])?;
    Ok(())
}

impl Records for OnFile {
    fn commit(&self, batch: &Batch, wall_ms: i64) -> Result<(), String> {
        self.write(batch, wall_ms).map_err(|error| error.to_string())
    }

    fn audit(&self, query: &AuditQuery) -> Result<AuditPage, String> {
        let connection = schema::open_to_read(&self.directory).map_err(|error| error.to_string())?;
        entries(&connection, query).map_err(|error| error.to_string())
    }
}

fn entries(connection: &Connection, query: &AuditQuery) -> rusqlite::Result<AuditPage> {
    let (filter, mut values) = filter(query);
    let count = format!("SELECT count(*) FROM audit WHERE {filter}");
    let total: i64 = connection.query_row(&count, params_from_iter(&values), |row| row.get(0))?;
    let order = if query.newest_first { "DESC" } else { "ASC" };
    let select = format!(
        "SELECT id, at_ms, by_user, by_key, action, table_name, object_id, before, after FROM audit WHERE {filter} \
         ORDER BY at_ms {order}, number {order} LIMIT ? OFFSET ?"
    );
    values.extend([query.limit, query.offset].map(|count| Value::Integer(i64::try_from(count).unwrap_or(i64::MAX))));
    let mut statement = connection.prepare(&select)?;
    let entries = statement.query_map(params_from_iter(&values), entry)?.collect::<Result<_, _>>()?;
    Ok(AuditPage { total: u64::try_from(total).unwrap_or(0), entries })
}

/// The condition, and what stands for its question marks.
fn filter(query: &AuditQuery) -> (String, Vec<Value>) {
    let text = |text: &Option<String>| text.clone().map(Value::Text);
    let conditions = [
        ("id = ?", text(&query.id)),
        ("by_user = ?", text(&query.by)),
        ("by_key = ?", query.by_key.map(|key| Value::Blob(key.as_bytes().to_vec()))),
        ("action = ?", text(&query.action)),
        ("table_name = ?", text(&query.table)),
        ("object_id = ?", text(&query.object_id)),
        ("at_ms >= ?", query.from.map(|at| Value::Integer(at.0))),
        ("at_ms <= ?", query.to.map(|at| Value::Integer(at.0))),
    ];
    let (conditions, values): (Vec<_>, Vec<_>) =
        conditions.into_iter().filter_map(|(condition, value)| Some((condition, value?))).unzip();
    let all = if conditions.is_empty() { "1".to_owned() } else { conditions.join(" AND ") };
    (all, values)
}

fn entry(row: &Row<'_>) -> rusqlite::Result<AuditEntry> {
    let by_key: Option<Vec<u8>> = row.get(3)?;
    let json = |text: String| Json::parse(&text).unwrap_or_default();
    Ok(AuditEntry {
        id: row.get(0)?,
        at: Moment(row.get(1)?),
        by: row.get(2)?,
        by_key: by_key.and_then(|bytes| bytes.try_into().ok()).map(KeyHash::from_bytes),
        action: row.get(4)?,
        table: row.get(5)?,
        object_id: row.get(6)?,
        before: json(row.get(7)?),
        after: json(row.get(8)?),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::{AccountId, Adjustment};
    use crate::roster::Key;
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
            OnFile::open(self.0.clone(), Arc::default()).unwrap()
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
        file.connection.lock().execute("INSERT INTO record VALUES ('key', 'x\u{1b}', '{}', 0)", []).unwrap();
        let (roster, heard) = (Roster::default(), Arc::new(Mutex::new(String::new())));
        let hearing = heard.clone();
        let tell: Tell = Box::new(move |word| hearing.lock().push_str(&format!("{word:?}")));
        place.open().load(&roster, &tell).unwrap();
        assert_eq!((roster.keys.len(), roster.keys.has(&KeyHash::of("sk-b"))), (1, true));
        assert!(heard.lock().contains("key x?: not a record of a key: missing field"), "{}", heard.lock());
        let rows: i64 = file.connection.lock().query_row("SELECT count(*) FROM record", [], |row| row.get(0)).unwrap();
        assert_eq!(rows, 2);
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
        let rows = |table: &str| -> i64 {
            let count = format!("SELECT count(*) FROM {table}");
            file.connection.lock().query_row(&count, [], |row| row.get(0)).unwrap()
        };
        assert_eq!((rows("record"), rows("audit"), rows("account"), file.adjusted.lock().len()), (0, 0, 0, 0));
        file.commit(&Batch { audit: Vec::new(), ..batch }, 7).unwrap();
        assert_eq!((rows("record"), rows("account"), file.adjusted.lock().len()), (1, 1, 1));
    }
}
