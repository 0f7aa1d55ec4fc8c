//! Lines into a database: all of them, or none.

use std::io::{BufRead, Read};
use std::path::Path;

use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior, params, params_from_iter};

use super::line::{Head, Line, values};
use super::table::{Table, of_kind};
use super::{FORM, LINES_PER_WORD, Progress, Report, Tally};
use crate::roster::{Kind, Moment, Record};
use crate::store::{Durability, StoreError, directory, entry, neighbour, schema};

/// The longest line.
const LINE_BYTES_MAX: u64 = 16 << 20;

/// What is done about a row that is there already and differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Differing {
    /// Nothing is taken at all.
    Refuse,
    /// What is there stays.
    Keep,
    /// The file's takes its place.
    Replace,
}

/// Reads what [`super::export`] wrote into a directory, which is made if it is not there. `name` stands for the file in
/// messages. With `dry` it is read and checked, and nothing is kept of it.
///
/// # Errors
/// The directory is in use or cannot be written; or a line cannot be taken: which, and why. Then nothing has changed.
pub fn import(
    directory: &Path,
    (name, input): (&str, &mut dyn BufRead),
    differing: Differing,
    dry: bool,
    progress: Progress<'_>,
) -> Result<Report, StoreError> {
    let mut reading = Reading { name, input, number: 0, progress };
    reading.head()?;
    let failed = |what: &str, error: &dyn std::fmt::Display| {
        StoreError::new(format!("{}: {what}: {error}; nothing was taken", directory.display()))
    };
    directory::make(directory, true)?;
    let _lock = directory::lock(directory, None)?;
    let mut session = schema::session(directory, Durability::Strict)?;
    neighbour::adopt(directory, &[], &mut session).map_err(|error| failed("a journal", &error))?;
    let mut connection = schema::open(directory, Durability::Strict)?;
    let report = put_all(&mut connection, &mut reading, differing, dry)?;
    Ok(report)
}

fn put_all(
    connection: &mut Connection,
    reading: &mut Reading<'_>,
    differing: Differing,
    dry: bool,
) -> Result<Report, StoreError> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate);
    let transaction = transaction.map_err(|error| reading.refuse(&error.to_string()))?;
    let mut report = Report::new();
    let mut lines = 0_u64;
    loop {
        let Some(line) = reading.line()? else {
            return Err(reading.refuse("the file ends before its last line: it was cut"));
        };
        if line.kind == "end" {
            if line.lines != Some(lines) {
                let told = format!("expected {lines} lines before it, as were read, found {:?}", line.lines);
                return Err(reading.refuse(&told));
            }
            break;
        }
        lines += 1;
        let kind = line.kind.clone();
        let became = put(&transaction, line, differing).map_err(|reason| reading.refuse(&reason))?;
        became.count(report.entry(kind).or_default());
        if lines.is_multiple_of(LINES_PER_WORD) {
            (reading.progress)(lines);
        }
    }
    if reading.line()?.is_some() {
        return Err(reading.refuse("a line after the last one"));
    }
    one_key_an_alias(&transaction).map_err(|reason| reading.refuse(&reason))?;
    if !dry {
        transaction.commit().map_err(|error| reading.refuse(&error.to_string()))?;
    }
    Ok(report)
}

/// What became of a row.
enum Became {
    Written,
    Same,
    Kept,
    Replaced,
}

impl Became {
    fn count(&self, tally: &mut Tally) {
        match self {
            Self::Written => tally.written += 1,
            Self::Same => tally.same += 1,
            Self::Kept => tally.kept += 1,
            Self::Replaced => tally.replaced += 1,
        }
    }
}

fn put(transaction: &Transaction<'_>, line: Line, differing: Differing) -> Result<Became, String> {
    if let Some(kind) = Kind::parse(&line.kind) {
        return put_record(transaction, kind, line, differing);
    }
    let Some(table) = of_kind(&line.kind) else {
        let shown: String = line.kind.chars().take(40).collect();
        return Err(format!("this version knows no rows of the kind {shown:?}: import it with the one that wrote it"));
    };
    let row = line.row.ok_or_else(|| format!("a line of the kind {} has a row", table.kind))?;
    put_row(transaction, table, values(table, row)?, differing)
}

fn put_record(transaction: &Transaction<'_>, kind: Kind, line: Line, differing: Differing) -> Result<Became, String> {
    let body = line.body.ok_or_else(|| format!("a line of the kind {} has a body", kind.as_str()))?;
    let record = Record::from_json(kind, body.get()).map_err(|error| error.to_string())?;
    let id = record.id();
    let find = "SELECT body FROM record WHERE kind = ?1 AND id = ?2";
    let there: Option<String> = transaction
        .prepare_cached(find)
        .and_then(|mut statement| statement.query_row(params![kind.as_str(), id], |row| row.get(0)).optional())
        .map_err(|error| error.to_string())?;
    let became = match there {
        None => Became::Written,
        Some(there) if Record::from_json(kind, &there).is_ok_and(|there| there == record) => return Ok(Became::Same),
        Some(_) => match differing {
            Differing::Keep => return Ok(Became::Kept),
            Differing::Replace => Became::Replaced,
            Differing::Refuse => return Err(differs(kind.as_str(), &id.replace('\u{1f}', "/"))),
        },
    };
    let json = record.to_json().map_err(|error| error.to_string())?;
    let changed = line.changed_at.unwrap_or(Moment(0));
    let insert = "INSERT INTO record (kind, id, body, changed_ms) VALUES (?1, ?2, ?3, ?4) \
                  ON CONFLICT (kind, id) DO UPDATE SET body = ?3, changed_ms = ?4";
    let mut statement = transaction.prepare_cached(insert).map_err(|error| error.to_string())?;
    let put = statement.execute(params![kind.as_str(), id, json, changed.0]);
    put.map(|_| became).map_err(|error| error.to_string())
}

fn put_row(
    transaction: &Transaction<'_>,
    table: &Table,
    values: Vec<Value>,
    differing: Differing,
) -> Result<Became, String> {
    if let ("account", Some(Value::Blob(account))) = (table.kind, values.first())
        && entry::account_of(account).is_none()
    {
        return Err("account: expected an account as an export writes it".to_owned());
    }
    let failed = |error: rusqlite::Error| error.to_string();
    let columns = table.on_file();
    let quoted: Vec<_> = columns.iter().map(|name| format!("\"{name}\"")).collect();
    let places: Vec<_> = (1..=columns.len()).map(|place| format!("?{place}")).collect();
    let all = quoted.join(", ");
    let insert = format!("INSERT INTO {} ({all}) VALUES ({})", table.name, places.join(", "));
    let keep = format!("{insert} ON CONFLICT ({}) DO NOTHING", table.key.join(", "));
    if transaction.prepare_cached(&keep).and_then(|mut put| put.execute(params_from_iter(&values))).map_err(failed)?
        == 1
    {
        return Ok(Became::Written);
    }
    let equal: Vec<_> = quoted.iter().zip(&places).map(|(name, place)| format!("{name} IS {place}")).collect();
    let same = format!("SELECT EXISTS (SELECT 1 FROM {} WHERE {})", table.name, equal.join(" AND "));
    let mut statement = transaction.prepare_cached(&same).map_err(failed)?;
    if statement.query_row(params_from_iter(&values), |row| row.get(0)).map_err(failed)? {
        return Ok(Became::Same);
    }
    match differing {
        Differing::Keep => Ok(Became::Kept),
        Differing::Refuse => Err(differs(table.kind, &shown(table, &values))),
        Differing::Replace => {
            let set: Vec<_> = quoted.iter().map(|name| format!("{name} = excluded.{name}")).collect();
            let replace = format!("{insert} ON CONFLICT ({}) DO UPDATE SET {}", table.key.join(", "), set.join(", "));
            let mut statement = transaction.prepare_cached(&replace).map_err(failed)?;
            statement.execute(params_from_iter(&values)).map_err(failed)?;
            Ok(Became::Replaced)
        }
    }
}

/// What tells a row from others, for a message.
fn shown(table: &Table, values: &[Value]) -> String {
    let columns = table.on_file();
    let part = |key: &&str| {
        let value = values.get(columns.iter().position(|name| name == key)?)?;
        Some(match value {
            Value::Integer(number) => number.to_string(),
            Value::Text(text) => text.chars().take(60).filter(|letter| !letter.is_control()).collect(),
            Value::Blob(bytes) => bytes.iter().take(8).map(|byte| format!("{byte:02x}")).collect(),
            Value::Null | Value::Real(_) => String::new(),
        })
    };
    table.key.iter().filter_map(part).collect::<Vec<_>>().join("/")
}

fn differs(kind: &str, id: &str) -> String {
    let id: String = id.chars().take(120).filter(|letter| !letter.is_control()).collect();
    format!(
        "the {kind} {id} is there already and differs: import into an empty directory, or say which stands with \
         --on-conflict keep or --on-conflict replace"
    )
}

/// Two gateways may have given the same alias to two keys.
fn one_key_an_alias(transaction: &Transaction<'_>) -> Result<(), String> {
    let twice = "SELECT json_extract(body, '$.key_alias') AS alias FROM record WHERE kind = 'key' AND alias IS NOT NULL \
                 GROUP BY alias HAVING count(*) > 1 LIMIT 1";
    let found: Option<String> =
        transaction.query_row(twice, [], |row| row.get(0)).optional().map_err(|error| error.to_string())?;
    match found {
        None => Ok(()),
        Some(alias) => Err(format!(
            "two keys would have the alias {alias:?}: give one of them another (/key/update) and export anew"
        )),
    }
}

/// The lines, with their numbers.
struct Reading<'a> {
    name: &'a str,
    input: &'a mut dyn BufRead,
    number: u64,
    progress: Progress<'a>,
}

impl Reading<'_> {
    /// The first line: of a version that is known.
    fn head(&mut self) -> Result<(), StoreError> {
        let bytes = self.next()?.ok_or_else(|| self.refuse("it is empty; expected what `tollgate export` wrote"))?;
        let head: Head = serde_json::from_slice(&bytes).map_err(|error| {
            self.refuse(&format!("expected the first line of what `tollgate export` wrote: {error}"))
        })?;
        if head.tollgate_export == FORM {
            return Ok(());
        }
        let (found, by) = (head.tollgate_export, head.tollgate.chars().take(40).collect::<String>());
        Err(self.refuse(&format!(
            "form {found} of tollgate {by:?} is not {FORM}, which this version reads: import it with the version that \
             wrote it, or a later one"
        )))
    }

    fn line(&mut self) -> Result<Option<Line>, StoreError> {
        let Some(bytes) = self.next()? else { return Ok(None) };
        serde_json::from_slice(&bytes).map(Some).map_err(|error| self.refuse(&error.to_string()))
    }

    fn next(&mut self) -> Result<Option<Vec<u8>>, StoreError> {
        let mut bytes = Vec::new();
        let read = (&mut *self.input).take(LINE_BYTES_MAX).read_until(b'\n', &mut bytes);
        self.number += 1;
        match read {
            Ok(0) => Ok(None),
            Ok(_) if bytes.ends_with(b"\n") => Ok(Some(bytes)),
            Ok(_) if bytes.len() as u64 == LINE_BYTES_MAX => {
                Err(self.refuse(&format!("a line is longer than {LINE_BYTES_MAX} bytes")))
            }
            Ok(_) => Err(self.refuse("the line has no end: the file was cut")),
            Err(error) => Err(self.refuse(&error.to_string())),
        }
    }

    fn refuse(&self, reason: &str) -> StoreError {
        StoreError::new(format!("{}:{}: {reason}; nothing was taken", self.name, self.number))
    }
}
