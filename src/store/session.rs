//! A connection to a database, SQLite or PostgreSQL: one set of statements for both.
//!
//! Statements are constant texts with `?` for each value; what the two spell differently is a [`Flavour`]'s. Everything above
//! (what an entry changes, sums, conditions, records) is written once.

use std::fmt;

use rusqlite::{Connection, params_from_iter};

use super::postgres::Client;
use super::value::Value;

/// An open connection.
#[derive(Debug)]
pub(super) enum Session {
    File(Connection),
    Server(Client),
}

/// Why a database did not do what it was told.
#[derive(Debug)]
pub(super) struct Failed {
    text: String,
    /// Whether nothing can be said over this connection any more.
    pub(super) silent: bool,
}

impl Failed {
    pub(super) fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), silent: false }
    }

    /// There was no answer in time.
    pub(super) fn silent(text: impl Into<String>) -> Self {
        Self { text: text.into(), silent: true }
    }
}

impl fmt::Display for Failed {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.text)
    }
}

impl std::error::Error for Failed {}

impl From<rusqlite::Error> for Failed {
    fn from(error: rusqlite::Error) -> Self {
        Self::new(error.to_string())
    }
}

/// What the databases spell differently.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Flavour {
    Sqlite,
    Postgres,
}

impl Flavour {
    /// The type of bytes.
    pub(super) const fn bytes(self) -> &'static str {
        match self {
            Self::Sqlite => "BLOB",
            Self::Postgres => "BYTEA",
        }
    }

    /// Whether a JSON array of texts has one.
    pub(super) const fn has_tag(self) -> &'static str {
        match self {
            Self::Sqlite => "EXISTS (SELECT 1 FROM json_each(spend.tags) WHERE value = ?)",
            Self::Postgres => {
                "EXISTS (SELECT 1 FROM jsonb_array_elements_text(CAST(spend.tags AS jsonb)) AS tag WHERE tag = ?)"
            }
        }
    }
}

/// A row as it is read.
pub(super) enum Row<'r> {
    File(&'r rusqlite::Row<'r>),
    Server(&'r tokio_postgres::Row),
}

macro_rules! columns {
    ($($(#[$doc:meta])* $name:ident: $kind:ty;)*) => {
        impl Row<'_> {
            $($(#[$doc])* pub(super) fn $name(&self, at: usize) -> Result<$kind, Failed> {
                match self {
                    Self::File(row) => row.get(at).map_err(Failed::from),
                    Self::Server(row) => row.try_get(at).map_err(Failed::from),
                }
            })*
        }
    };
}

columns! {
    /// A whole number.
    int: i64;
    /// A whole number, or null.
    maybe_int: Option<i64>;
    /// A text.
    text: String;
    /// A text, or null.
    maybe_text: Option<String>;
    /// Bytes.
    bytes: Vec<u8>;
    /// Bytes, or null.
    maybe_bytes: Option<Vec<u8>>;
}

impl Session {
    /// What this database spells in its own way.
    pub(super) const fn flavour(&self) -> Flavour {
        match self {
            Self::File(_) => Flavour::Sqlite,
            Self::Server(_) => Flavour::Postgres,
        }
    }

    /// Runs a statement; how many rows it changed.
    pub(super) fn execute(&mut self, text: &str, values: &[Value<'_>]) -> Result<u64, Failed> {
        match self {
            Self::File(connection) => {
                Ok(connection.prepare_cached(text)?.execute(params_from_iter(values)).map(|rows| rows as u64)?)
            }
            Self::Server(client) => client.execute(text, values),
        }
    }

    /// Runs a statement once for each list of values; how many rows each time.
    pub(super) fn execute_each(&mut self, text: &str, lists: &[Vec<Value<'_>>]) -> Result<Vec<u64>, Failed> {
        match self {
            Self::File(connection) => {
                let mut statement = connection.prepare_cached(text)?;
                let mut run = |values| Ok(statement.execute(params_from_iter(values)).map(|rows| rows as u64)?);
                lists.iter().map(|values: &Vec<Value<'_>>| run(values)).collect()
            }
            Self::Server(client) => client.execute_each(text, lists),
        }
    }

    /// Hands on each row that a statement gives.
    pub(super) fn each(
        &mut self,
        text: &str,
        values: &[Value<'_>],
        mut read: impl FnMut(&Row<'_>) -> Result<(), Failed>,
    ) -> Result<(), Failed> {
        match self {
            Self::File(connection) => {
                let mut statement = connection.prepare_cached(text)?;
                let mut rows = statement.query(params_from_iter(values))?;
                while let Some(row) = rows.next()? {
                    read(&Row::File(row))?;
                }
                Ok(())
            }
            Self::Server(client) => client.each(text, values, |row| read(&Row::Server(row))),
        }
    }

    /// All rows that a statement gives.
    pub(super) fn all<T>(
        &mut self,
        text: &str,
        values: &[Value<'_>],
        read: impl Fn(&Row<'_>) -> Result<T, Failed>,
    ) -> Result<Vec<T>, Failed> {
        let mut all = Vec::new();
        self.each(text, values, |row| {
            all.push(read(row)?);
            Ok(())
        })?;
        Ok(all)
    }

    /// The row that a statement gives for each list of values, if it gives one.
    pub(super) fn find_each<T>(
        &mut self,
        text: &str,
        lists: &[Vec<Value<'_>>],
        read: impl Fn(&Row<'_>) -> Result<T, Failed>,
    ) -> Result<Vec<Option<T>>, Failed> {
        match self {
            Self::File(_) => {
                lists.iter().map(|values| self.all(text, values, &read).map(|mut all| all.pop())).collect()
            }
            Self::Server(client) => client.find_each(text, lists, |row| read(&Row::Server(row))),
        }
    }

    /// The number that a statement gives.
    pub(super) fn number(&mut self, text: &str, values: &[Value<'_>]) -> Result<i64, Failed> {
        let found = self.all(text, values, |row| row.int(0))?;
        found.first().copied().ok_or_else(|| Failed::new("a count gave no row"))
    }

    /// All that is done is on file, or nothing.
    pub(super) fn transaction<T>(&mut self, done: impl FnOnce(&mut Self) -> Result<T, Failed>) -> Result<T, Failed> {
        self.begin()?;
        match done(self).and_then(|value| self.commit().map(|()| value)) {
            Ok(value) => Ok(value),
            Err(error) => {
                self.roll_back();
                Err(error)
            }
        }
    }

    /// All that is read is as it was at one instant, whatever is committed meanwhile.
    pub(super) fn at_one_instant<T>(&mut self, read: impl FnOnce(&mut Self) -> Result<T, Failed>) -> Result<T, Failed> {
        match self {
            Self::File(connection) => connection.execute_batch("BEGIN")?,
            Self::Server(client) => client.begin_reading()?,
        }
        let done = read(self);
        self.roll_back();
        done
    }

    fn begin(&mut self) -> Result<(), Failed> {
        match self {
            // Writers wait for each other at the beginning, never half way.
            Self::File(connection) => Ok(connection.prepare_cached("BEGIN IMMEDIATE")?.execute([]).map(drop)?),
            Self::Server(client) => client.begin(),
        }
    }

    fn commit(&mut self) -> Result<(), Failed> {
        match self {
            Self::File(connection) => Ok(connection.prepare_cached("COMMIT")?.execute([]).map(drop)?),
            Self::Server(client) => client.commit(),
        }
    }

    fn roll_back(&mut self) {
        match self {
            // What failed may have ended the transaction itself.
            Self::File(connection) if connection.is_autocommit() => {}
            Self::File(connection) => drop(connection.execute_batch("ROLLBACK")),
            Self::Server(client) => client.roll_back(),
        }
    }
}
