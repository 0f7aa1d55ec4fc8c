//! The tables, brought to the form that this version knows.

use super::{Address, Client, Server};
use crate::store::session::{Failed, Session};
use crate::store::{Durability, StoreError};

/// Every step from nothing, in order; one more file per change, and none is ever edited. Nodes of the version before go on
/// writing with the form they know: a step adds, and takes nothing away.
const STEPS: [&str; 3] = [
    include_str!("../schema/postgres/0001_start.sql"),
    include_str!("../schema/postgres/0002_lease.sql"),
    include_str!("../schema/postgres/0003_counted.sql"),
];
/// Whoever holds this lock changes the tables: "Toll".
const LOCK: i64 = 0x546f_6c6c;

/// Runs what is missing, all or nothing, one node at a time.
pub(in crate::store) fn migrate(session: &mut Session, shown: &str) -> Result<(), StoreError> {
    let newer = session.transaction(|session| {
        session.each("SELECT pg_advisory_xact_lock(?)", &[LOCK.into()], |_| Ok(()))?;
        let is_there = session.number("SELECT count(*) FROM pg_namespace WHERE nspname = 'tollgate'", &[])? > 0;
        if !is_there {
            run(session, "CREATE SCHEMA tollgate")?;
        }
        run(session, "CREATE TABLE IF NOT EXISTS tollgate.migration (version BIGINT PRIMARY KEY)")?;
        let version = session.number("SELECT coalesce(max(version), 0) FROM tollgate.migration", &[])?;
        let known = usize::try_from(version).unwrap_or(usize::MAX);
        let Some(missing) = STEPS.get(known..) else { return Ok(Some(version)) };
        for (step, number) in missing.iter().zip(version + 1..) {
            run(session, step)?;
            session.execute("INSERT INTO tollgate.migration (version) VALUES (?)", &[number.into()])?;
        }
        Ok(None)
    });
    match newer {
        Ok(None) => Ok(()),
        Ok(Some(newer)) => Err(StoreError::new(too_new(shown, newer))),
        Err(error) => Err(StoreError::new(format!(
            "database_url: {shown}: {error}; expected a database in which this user may make the schema tollgate (as its \
             owner: CREATE SCHEMA tollgate AUTHORIZATION the user)"
        ))),
    }
}

/// A session for reading, where a gateway has kept something that this version can read. Nothing is changed.
pub(in crate::store) fn session_to_read(address: &Address) -> Result<Session, StoreError> {
    let server = Server::new(address.clone(), Durability::Strict)?;
    let (shown, mut session) = (server.shown(), server.session());
    let failed = |error: Failed| {
        StoreError::new(format!(
            "{shown}: {error}; expected a database that a gateway was started on with database_url"
        ))
    };
    let version = session.number("SELECT coalesce(max(version), 0) FROM tollgate.migration", &[]).map_err(failed)?;
    let known = STEPS.len();
    match usize::try_from(version).unwrap_or(usize::MAX) {
        newer if newer > known => Err(StoreError::new(too_new(&shown, version))),
        older if older < known => Err(StoreError::new(format!(
            "{shown}: its schema {version} is older than {known}, which this version reads: start a gateway of this version on \
             it first, or read it with the version that wrote it"
        ))),
        _ => Ok(session),
    }
}

fn too_new(shown: &str, newer: i64) -> String {
    format!(
        "{shown}: its schema {newer} is newer than {}, which this version knows: start the version that wrote it, or a \
         later one, or restore a dump from before the upgrade",
        STEPS.len()
    )
}

fn run(session: &mut Session, text: &str) -> Result<(), Failed> {
    match session {
        Session::Server(client) => Client::run(client, text),
        Session::File(connection) => Ok(connection.execute_batch(text)?),
    }
}
