//! A connection that is opened when it is needed, and again when it was lost.

use std::collections::HashMap;
use std::error::Error;
use std::pin::pin;
use std::sync::Arc;

use futures_util::future::{join_all, try_join_all};
use futures_util::stream::TryStreamExt;
use tokio_postgres::{Row, Statement};

use super::Server;
use crate::store::session::Failed;
use crate::store::value::Value;

/// Statements that are sent before the first one is answered.
const AT_ONCE: usize = 64;

/// One connection with the statements it knows.
#[derive(Debug)]
pub(super) struct Link {
    client: tokio_postgres::Client,
    statements: HashMap<String, Statement>,
}

impl Link {
    pub(super) fn new(client: tokio_postgres::Client) -> Self {
        Self { client, statements: HashMap::new() }
    }
}

/// A connection or the means to have one.
#[derive(Debug)]
pub(in crate::store) struct Client {
    server: Arc<Server>,
    link: Option<Link>,
    in_transaction: bool,
}

impl From<tokio_postgres::Error> for Failed {
    fn from(error: tokio_postgres::Error) -> Self {
        Self::new(described(&error))
    }
}

/// An error with what the server says of it.
pub(super) fn described(error: &tokio_postgres::Error) -> String {
    if let Some(told) = error.as_db_error() {
        let detail = told.detail().map(|detail| format!(" ({detail})")).unwrap_or_default();
        return format!("{}{detail}", told.message());
    }
    match error.source() {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}

impl Client {
    pub(super) fn new(server: Arc<Server>) -> Self {
        Self { server, link: None, in_transaction: false }
    }

    /// Goes on with a connection that is open, if it still is.
    pub(super) fn take(&mut self, link: Option<Link>) {
        self.link = link.filter(|link| !link.client.is_closed());
    }

    /// The connection, if it is good for another.
    pub(super) fn give_back(self) -> Option<Link> {
        self.link.filter(|link| !self.in_transaction && !link.client.is_closed())
    }

    /// Opens a connection that puts what it is notified of into a channel: of the words for `about`.
    pub(in crate::store) fn listen(&mut self, about: &str, news: std::sync::mpsc::Sender<()>) -> Result<(), Failed> {
        self.link = Some(self.server.connect(Some(news))?);
        self.run(&format!("LISTEN {about}"))
    }

    /// Whether there is a connection.
    pub(in crate::store) fn is_open(&self) -> bool {
        self.link.as_ref().is_some_and(|link| !link.client.is_closed())
    }

    /// Runs statements without values.
    pub(in crate::store) fn run(&mut self, text: &str) -> Result<(), Failed> {
        self.with(|server, link| server.wait(link.client.batch_execute(text)))
    }

    pub(in crate::store) fn execute(&mut self, text: &str, values: &[Value<'_>]) -> Result<u64, Failed> {
        self.with_statement(text, |server, link, statement| server.wait(link.client.execute_raw(&statement, values)))
    }

    pub(in crate::store) fn execute_each(&mut self, text: &str, lists: &[Vec<Value<'_>>]) -> Result<Vec<u64>, Failed> {
        self.with_statement(text, |server, link, statement| {
            let mut all = Vec::with_capacity(lists.len());
            for lists in lists.chunks(AT_ONCE) {
                let sent = lists.iter().map(|values| link.client.execute_raw(&statement, values.iter()));
                // Of several that fail the first says why; the others follow from it.
                let answers = server.wait(async { Ok(join_all(sent).await) })?;
                all.extend(answers.into_iter().collect::<Result<Vec<_>, _>>()?);
            }
            Ok(all)
        })
    }

    pub(in crate::store) fn each(
        &mut self,
        text: &str,
        values: &[Value<'_>],
        mut read: impl FnMut(&Row) -> Result<(), Failed>,
    ) -> Result<(), Failed> {
        self.with_statement(text, |server, link, statement| {
            let mut rows = pin!(server.wait(link.client.query_raw(&statement, values))?);
            while let Some(row) = server.wait(rows.try_next())? {
                read(&row)?;
            }
            Ok(())
        })
    }

    pub(in crate::store) fn find_each<T>(
        &mut self,
        text: &str,
        lists: &[Vec<Value<'_>>],
        read: impl Fn(&Row) -> Result<T, Failed>,
    ) -> Result<Vec<Option<T>>, Failed> {
        self.with_statement(text, |server, link, statement| {
            let mut all = Vec::with_capacity(lists.len());
            for lists in lists.chunks(AT_ONCE) {
                let sent = lists.iter().map(|values| async {
                    link.client.query_raw(&statement, values.iter()).await?.try_collect::<Vec<_>>().await
                });
                for rows in server.wait(try_join_all(sent))? {
                    all.push(rows.first().map(&read).transpose()?);
                }
            }
            Ok(all)
        })
    }

    pub(in crate::store) fn begin(&mut self) -> Result<(), Failed> {
        self.begin_with("BEGIN")
    }

    /// Begins a transaction that sees one instant.
    pub(in crate::store) fn begin_reading(&mut self) -> Result<(), Failed> {
        self.begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
    }

    fn begin_with(&mut self, text: &str) -> Result<(), Failed> {
        self.in_transaction = false;
        self.run(text)?;
        self.in_transaction = true;
        Ok(())
    }

    pub(in crate::store) fn commit(&mut self) -> Result<(), Failed> {
        self.run("COMMIT")?;
        self.in_transaction = false;
        Ok(())
    }

    /// What is not committed is forgotten with the connection, if it cannot be said.
    pub(in crate::store) fn roll_back(&mut self) {
        if self.in_transaction && self.run("ROLLBACK").is_err() {
            self.link = None;
        }
        self.in_transaction = false;
    }

    /// Prepares a statement, once for each connection.
    fn with_statement<T>(
        &mut self,
        text: &str,
        used: impl FnOnce(&Server, &Link, Statement) -> Result<T, Failed>,
    ) -> Result<T, Failed> {
        self.with(|server, link| {
            let known = link.statements.get(text).cloned();
            let statement = match known {
                Some(statement) => statement,
                None => {
                    let statement = server.wait(link.client.prepare(&numbered(text)))?;
                    link.statements.insert(text.to_owned(), statement.clone());
                    statement
                }
            };
            used(server, link, statement)
        })
    }

    /// Opens the connection where there is none. Within a transaction a lost one is the transaction's end.
    fn with<T>(&mut self, used: impl FnOnce(&Server, &mut Link) -> Result<T, Failed>) -> Result<T, Failed> {
        let lost = self.link.as_ref().is_none_or(|link| link.client.is_closed());
        if lost && self.in_transaction {
            self.link = None;
            return Err(Failed::new(format!("{}: the connection was lost", self.server.shown())));
        }
        if lost {
            self.link = Some(self.server.connect(None)?);
        }
        let Some(link) = &mut self.link else { return Err(Failed::new("there is no connection")) };
        let done = used(&self.server, link);
        if done.as_ref().is_err_and(|failed| failed.silent) {
            self.link = None;
        }
        done
    }
}

/// A statement with its places numbered: `?` as `$1`, `$2` and so on, `?3` as `$3`. None has a question mark of its own.
fn numbered(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 16);
    let mut next = 0_u32;
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        if letter != '?' {
            out.push(letter);
            continue;
        }
        out.push('$');
        if !letters.peek().is_some_and(char::is_ascii_digit) {
            next += 1;
            out.push_str(&next.to_string());
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_numbered_in_their_order() {
        assert_eq!(numbered("a = ? AND b IN (?, ?)"), "a = $1 AND b IN ($2, $3)");
        assert_eq!(numbered("VALUES (?1, ?2) SET b = ?2"), "VALUES ($1, $2) SET b = $2");
    }
}
