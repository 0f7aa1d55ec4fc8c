//! A LiteLLM database, read into ours: existing keys keep working, and each row's fidelity is told.

mod fields;
mod logs;
mod rows;
mod secret;

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use fields::{Fields, moment};
use rows::{Keys, Known, LeftOut, Made};
use secret::Opener;

use super::apply::{self, Added};
use super::base::Base;
use super::postgres::Server;
use super::records::{self, OnFile};
use super::session::{Failed, Session};
use super::worker::Tell;
use super::{Database, Durability, StoreError, directory, shown};
use crate::ledger::Adjustment;
use crate::roster::{Batch, Change, Kind, Record, Records, Seal};
use crate::vocabulary::{KeyHash, PicoUsd, Secret};

/// Records that are written at once.
const BATCH: usize = 1_000;

/// What to read, and where to.
#[derive(Debug)]
pub struct Import<'i> {
    /// LiteLLM's database.
    pub source: &'i Database,
    /// What LiteLLM encrypted its secrets with.
    pub theirs: Option<&'i Secret>,
    /// What ours are encrypted with.
    pub ours: Option<&'i Secret>,
    /// The data directory, or None.
    pub directory: Option<&'i std::path::Path>,
    /// Our database, or None.
    pub database: Option<&'i Database>,
    /// Write nothing.
    pub dry_run: bool,
    /// Write over records that are there already, and what was spent on them.
    pub replace: bool,
    /// Read the logs of single requests, too.
    pub logs: bool,
    /// Now, Unix milliseconds.
    pub wall_ms: i64,
}

/// What became of a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate {
    /// All that it says was taken.
    Whole,
    /// Taken, without these columns.
    Part(Vec<String>),
    /// There is one of this id already, which stays.
    There,
    /// Not taken: why.
    LeftOut(String),
}

/// One row.
#[derive(Clone, Debug)]
pub struct Row {
    /// Of which table.
    pub table: &'static str,
    /// Its id, or what may be shown of it.
    pub id: String,
    /// What became of it.
    pub fate: Fate,
}

/// What was read.
#[derive(Debug, Default)]
pub struct Imported {
    /// Each row of a record.
    pub rows: Vec<Row>,
    /// Accounts whose spend was taken, and how much on keys.
    pub accounts: usize,
    /// What was spent on keys, in windows that are not over.
    pub spent_on_keys: PicoUsd,
    /// Rows of the log that were taken.
    pub logs: u64,
    /// Rows of the log that could not be read.
    pub logs_left_out: u64,
}

/// How a table's rows are read.
type Reads = fn(Fields, &Known, &Keys) -> Result<Made, LeftOut>;

/// Who is named by others comes before them. The statement, what a row is called by, and how it is read.
const TABLES: [(&str, &str, &str, Reads); 11] = [
    (
        "LiteLLM_BudgetTable",
        "SELECT CAST(row_to_json(t) AS text) FROM \"LiteLLM_BudgetTable\" AS t",
        "budget_id",
        |row, _, _| rows::budget(row),
    ),
    (
        "LiteLLM_OrganizationTable",
        "SELECT CAST(row_to_json(t) AS text) FROM \"LiteLLM_OrganizationTable\" AS t",
        "organization_id",
        |row, known, _| rows::organization(row, known),
    ),
    (
        "LiteLLM_TeamTable",
        "SELECT CAST(row_to_json(t) AS text) FROM \"LiteLLM_TeamTable\" AS t",
        "team_id",
        |row, known, _| rows::team(row, known),
    ),
    (
        "LiteLLM_UserTable",
        "SELECT CAST(row_to_json(t) AS text) FROM \"LiteLLM_UserTable\" AS t",
        "user_id",
        |row, known, _| rows::user(row, known),
    ),
    (
        "LiteLLM_TeamMembership",
        "SELECT CAST(row_to_json(t) AS text) FROM \"LiteLLM_TeamMembership\" AS t",
        "user_id",
        |row, known, _| rows::team_member(row, known),
    ),
    (
        "LiteLLM_OrganizationMembership",
        "SELECT CAST(row_to_json(t) AS text) FROM \"LiteLLM_OrganizationMembership\" AS t",
        "user_id",
        |row, known, _| rows::organization_member(row, known),
    ),
    (
        "LiteLLM_EndUserTable",
        "SELECT CAST(row_to_json(t) AS text) FROM \"LiteLLM_EndUserTable\" AS t",
        "user_id",
        |row, known, _| rows::customer(row, known),
    ),
    (
        "LiteLLM_TagTable",
        "SELECT CAST(row_to_json(t) AS text) FROM \"LiteLLM_TagTable\" AS t",
        "tag_name",
        |row, known, _| rows::tag(row, known),
    ),
    (
        "LiteLLM_CredentialsTable",
        "SELECT CAST(row_to_json(t) AS text) FROM \"LiteLLM_CredentialsTable\" AS t",
        "credential_name",
        |row, _, keys| rows::credential(row, keys),
    ),
    (
        "LiteLLM_ProxyModelTable",
        "SELECT CAST(row_to_json(t) AS text) FROM \"LiteLLM_ProxyModelTable\" AS t",
        "model_id",
        |row, _, keys| rows::model(row, keys),
    ),
    (
        "LiteLLM_VerificationToken",
        "SELECT CAST(row_to_json(t) AS text) FROM \"LiteLLM_VerificationToken\" AS t",
        "key_name",
        |row, known, _| rows::key(row, known),
    ),
];
const KEYS: &str = "LiteLLM_VerificationToken";
const MEMBERS: &str = "LiteLLM_TeamMembership";
const ALIASES: (&str, &str) =
    ("LiteLLM_ModelTable", "SELECT CAST(row_to_json(t) AS text) FROM \"LiteLLM_ModelTable\" AS t");
const PREVIOUS: (&str, &str) = (
    "LiteLLM_DeprecatedVerificationToken",
    "SELECT CAST(row_to_json(t) AS text) FROM \"LiteLLM_DeprecatedVerificationToken\" AS t ORDER BY revoke_at",
);

/// Reads a LiteLLM database into the store in the directory or the database.
///
/// # Errors
/// Either cannot be used: what was found, and what to do.
pub fn import_litellm(import: &Import<'_>) -> Result<Imported, StoreError> {
    let server = Server::new(import.source.0.clone(), Durability::Strict)?;
    let unread = |error: Failed| StoreError::new(format!("--database-url: {}: {error}", server.shown()));
    let mut source = server.session();
    let schema = import.source.0.schema.clone().unwrap_or_else(|| "public".to_owned());
    let there = tables(&mut source, &schema).map_err(unread)?;
    if !there.contains(KEYS) {
        return Err(StoreError::new(format!(
            "--database-url: {} has no table {KEYS} in its schema {schema}: expected a database that LiteLLM's proxy uses \
             (?schema=NAME in the address names another schema)",
            server.shown()
        )));
    }
    let keys = Keys { theirs: import.theirs.map(Opener::of), ours: import.ours.and_then(Seal::of) };
    let (mut imported, mut made) = (Imported::default(), Vec::new());
    read_records(&mut source, &there, &keys, &mut imported, &mut made).map_err(unread)?;
    let target = Target::open(import)?;
    target.write(made, import, &mut imported)?;
    if import.logs && there.contains(logs::TABLE) {
        logs::read(&mut source, target.base(), import.dry_run, &mut imported).map_err(unread)?;
    }
    Ok(imported)
}

fn tables(source: &mut Session, schema: &str) -> Result<HashSet<String>, Failed> {
    source.each("SELECT set_config('search_path', quote_ident(?), false)", &[schema.into()], |_| Ok(()))?;
    let text = "SELECT CAST(relname AS text) FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace \
                WHERE CAST(nspname AS text) = ? AND relkind IN ('r', 'p', 'v')";
    source.all(text, &[schema.into()], |row| row.text(0)).map(|names| names.into_iter().collect())
}

/// The rows of a table; an older database may not have it.
fn read_table(source: &mut Session, text: &'static str, mut each: impl FnMut(Fields)) -> Result<(), Failed> {
    source.each(text, &[], |row| {
        // A row of PostgreSQL's own writing is an object.
        if let Ok(fields) = Fields::read(&row.text(0)?) {
            each(fields);
        }
        Ok(())
    })
}

fn read_records(
    source: &mut Session,
    there: &HashSet<String>,
    keys: &Keys,
    imported: &mut Imported,
    made: &mut Vec<(usize, Made)>,
) -> Result<(), Failed> {
    let mut known = Known::default();
    if there.contains(ALIASES.0) {
        read_table(source, ALIASES.1, |mut row| {
            let aliases = row.take::<BTreeMap<String, String>>("aliases");
            known.aliases.extend(row.take::<i64>("id").zip(aliases));
        })?;
    }
    if there.contains(PREVIOUS.0) {
        read_table(source, PREVIOUS.1, |mut row| {
            let (token, now) = (row.take::<KeyHash>("token"), row.take::<String>("active_token_id"));
            let until = moment(&mut row, "revoke_at");
            known.previous.extend(now.zip(token.zip(until)));
        })?;
    }
    let mut listed = Vec::new();
    for (table, text, id, reads) in TABLES {
        if there.contains(table) {
            let mut rows = Vec::new();
            read_table(source, text, |row| rows.push(row))?;
            for row in rows {
                let name = row.peek(id);
                match table {
                    "LiteLLM_BudgetTable" => {
                        let reset = row.peek("budget_reset_at").and_then(|at| crate::roster::Moment::parse(&at));
                        known.resets.extend(name.clone().map(|id| (id, reset)));
                    }
                    "LiteLLM_TeamTable" => {
                        let members = rows::listed(&mut row.copy());
                        let roles = members.iter().map(|one| ((one.team_id.clone(), one.user_id.clone()), one.role));
                        known.roles.extend(roles);
                        listed.extend(members);
                    }
                    _ => {}
                }
                take(table, name, reads(row, &known, keys), imported, made);
            }
        }
        if table == MEMBERS {
            // Of these no row of their own says more.
            let told: HashSet<String> = made
                .iter()
                .filter(|(_, made)| made.record.kind() == Kind::TeamMember)
                .map(|(_, made)| made.record.id())
                .collect();
            for member in std::mem::take(&mut listed) {
                let record = Record::from(member);
                if !told.contains(&record.id()) {
                    let name = Some(record.id().replace('\u{1f}', ":"));
                    take(table, name, Ok(Made { record, lost: Vec::new(), spent: None }), imported, made);
                }
            }
        }
    }
    Ok(())
}

fn take(
    table: &'static str,
    name: Option<String>,
    read: Result<Made, LeftOut>,
    imported: &mut Imported,
    made: &mut Vec<(usize, Made)>,
) {
    let id = shown(&name.unwrap_or_default());
    let fate = match &read {
        Ok(made) if made.lost.is_empty() => Fate::Whole,
        Ok(made) => Fate::Part(made.lost.clone()),
        Err(reason) => Fate::LeftOut(reason.clone()),
    };
    made.extend(read.ok().map(|one| (imported.rows.len(), one)));
    imported.rows.push(Row { table, id, fate });
}

/// Where rows go to.
struct Target {
    /// None: there is nothing yet, and nothing is to be written.
    base: Option<Base>,
    /// Held while it is written: no gateway runs on the directory.
    _lock: Option<std::fs::File>,
}

impl Target {
    fn open(import: &Import<'_>) -> Result<Self, StoreError> {
        if let Some(database) = import.database {
            let base = Base::server(&database.0, Durability::Strict, None)?;
            if !import.dry_run {
                drop(base.session()?);
            }
            return Ok(Self { base: Some(base), _lock: None });
        }
        let Some(directory) = import.directory else {
            return Err(StoreError::new(
                "expected where to import to: --data-dir DIR, or --config FILE with database_url",
            ));
        };
        if import.dry_run {
            let base = directory.join(super::FILE).exists().then(|| Base::file(directory, Durability::Strict));
            return Ok(Self { base, _lock: None });
        }
        directory::make(directory, true)?;
        let lock = directory::lock(directory, None)?;
        let base = Base::file(directory, Durability::Strict);
        drop(base.session()?);
        Ok(Self { base: Some(base), _lock: Some(lock) })
    }

    fn base(&self) -> Option<&Base> {
        self.base.as_ref()
    }

    /// Records that are there, and what was spent.
    fn read(&self, wall_ms: i64) -> Result<(HashSet<(Kind, String)>, Added), StoreError> {
        let Some(base) = &self.base else { return Ok(Default::default()) };
        let silent: Tell = Box::new(|_| {});
        let read = base.read(|session| {
            let records = records::read_all(session, &silent)?;
            let spent = apply::spent_since(session, wall_ms)?;
            let spent = spent.into_iter().map(|one| ((one.account, one.resets_at_ms), one.spent));
            Ok((records.iter().map(|record| (record.kind(), record.id())).collect(), spent.collect()))
        });
        read.map_err(|error| StoreError::new(format!("{}: {error}", base.shown())))
    }

    fn write(&self, made: Vec<(usize, Made)>, import: &Import<'_>, imported: &mut Imported) -> Result<(), StoreError> {
        // A dry run on a database that never was ours has nothing to read.
        let (there, spent) = match self.read(import.wall_ms) {
            Err(_) if import.dry_run => Default::default(),
            read => read?,
        };
        let mut batch = Batch::default();
        for (row, Made { record, spent: amount, .. }) in made {
            if !import.replace && there.contains(&(record.kind(), record.id())) {
                if let Some(row) = imported.rows.get_mut(row) {
                    row.fate = Fate::There;
                }
                continue;
            }
            let of_key = record.kind() == Kind::Key;
            batch.changes.push(Change::Put(record));
            let Some((account, amount, resets_at_ms)) = amount else { continue };
            if resets_at_ms.is_some_and(|end| end <= import.wall_ms) {
                continue;
            }
            let by = amount.minus(spent.get(&(account, resets_at_ms)).copied().unwrap_or_default());
            batch.adjustments.push(Adjustment { account, resets_at_ms, by });
            imported.accounts += 1;
            if of_key {
                imported.spent_on_keys = imported.spent_on_keys.plus(amount);
            }
        }
        let (Some(base), false) = (&self.base, import.dry_run) else { return Ok(()) };
        let unwritten = |error: &dyn std::fmt::Display| StoreError::new(format!("{}: {error}", base.shown()));
        let file = OnFile::open(base.clone(), Arc::default(), None)?;
        let Batch { changes, adjustments, .. } = batch;
        for changes in changes.chunks(BATCH) {
            let batch = Batch { changes: changes.to_vec(), ..Batch::default() };
            file.commit(&batch, import.wall_ms).map_err(|error| unwritten(&error))?;
        }
        let batch = Batch { adjustments, ..Batch::default() };
        file.commit(&batch, import.wall_ms).map_err(|error| unwritten(&error))
    }
}
