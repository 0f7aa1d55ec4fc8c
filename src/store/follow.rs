//! Records that other nodes change: a thread listens for the server's word and puts them into the roster.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

use super::StoreError;
use super::apply;
use super::postgres::Server;
use super::records;
use super::session::{Failed, Session};
use super::worker::Shared;
use crate::roster::{Change, Kind, Record, Roster};

/// How often it is looked without a word, too.
const LOOK: Duration = Duration::from_secs(1);
/// How long to wait before a lost connection is opened again.
const AGAIN: Duration = Duration::from_millis(250);

struct Follower {
    server: Arc<Server>,
    roster: Arc<Roster>,
    shared: Arc<Shared>,
}

/// Starts the thread. It ends with the store.
pub(super) fn start(server: Arc<Server>, roster: Arc<Roster>, shared: Arc<Shared>) -> Result<(), StoreError> {
    let follower = Follower { server, roster, shared };
    let thread = std::thread::Builder::new().name("tollgate-follow".to_owned()).spawn(move || follower.run());
    thread.map(drop).map_err(|error| StoreError::new(format!("a thread cannot be started: {error}")))
}

impl Follower {
    fn run(self) {
        while !self.shared.is_closing() {
            // Why it failed is the worker's to tell: it meets the same.
            let Ok(()) = self.listen() else {
                std::thread::sleep(AGAIN);
                continue;
            };
        }
    }

    /// Listens until the connection is lost or the store is closed.
    fn listen(&self) -> Result<(), Failed> {
        let (tell, news) = channel();
        let mut session = self.server.session();
        if let Session::Server(client) = &mut session {
            client.listen("tollgate", tell)?;
        }
        // Nobody told of what happened before.
        let mut seen = self.read_anew(&mut session)?;
        while !self.shared.is_closing() {
            if !wait(&news) {
                return Ok(());
            }
            self.shared.hear();
            seen = self.read_since(&mut session, seen)?;
        }
        Ok(())
    }

    /// Makes the roster what is on file.
    fn read_anew(&self, session: &mut Session) -> Result<i64, Failed> {
        // What this node changes itself is in the roster before or after.
        let _alone = self.roster.write();
        let seen = apply::horizon(session)?;
        let records = records::read_all(session, &self.shared.tell)?;
        let there: HashSet<(Kind, String)> = records.iter().map(|record| (record.kind(), record.id())).collect();
        let gone = self.roster.ids().into_iter().filter(|id| !there.contains(id));
        let mut changes: Vec<_> = gone.map(|(kind, id)| Change::Remove(kind, id)).collect();
        changes.extend(records.into_iter().filter_map(|record| self.change(record)));
        self.put(changes);
        Ok(seen)
    }

    /// Puts into the roster what has changed since.
    fn read_since(&self, session: &mut Session, seen: i64) -> Result<i64, Failed> {
        let _alone = self.roster.write();
        let now = apply::horizon(session)?;
        let mut changes = Vec::new();
        session.each("SELECT kind, id, body FROM record WHERE stamp >= ?", &[seen.into()], |row| {
            let record = records::record(row, &self.shared.tell)?;
            changes.extend(record.and_then(|record| self.change(record)));
            Ok(())
        })?;
        let gone = "SELECT kind, id FROM removed WHERE stamp >= ? AND NOT EXISTS \
                    (SELECT 1 FROM record WHERE record.kind = removed.kind AND record.id = removed.id)";
        session.each(gone, &[seen.into()], |row| {
            let id = row.text(1)?;
            let known = Kind::parse(&row.text(0)?).filter(|kind| self.roster.find(*kind, &id).is_some());
            changes.extend(known.map(|kind| Change::Remove(kind, id)));
            Ok(())
        })?;
        self.put(changes);
        Ok(now)
    }

    fn change(&self, record: Record) -> Option<Change> {
        let known = self.roster.find(record.kind(), &record.id());
        known.is_none_or(|known| known != record).then_some(Change::Put(record))
    }

    fn put(&self, changes: Vec<Change>) {
        if !changes.is_empty() {
            self.roster.apply(changes);
        }
    }
}

/// Waits for a word, or for the time to look without one; false: the connection is lost.
fn wait(news: &Receiver<()>) -> bool {
    match news.recv_timeout(LOOK) {
        Ok(()) => {
            // Several words are one look.
            news.try_iter().for_each(drop);
            true
        }
        Err(RecvTimeoutError::Timeout) => true,
        Err(RecvTimeoutError::Disconnected) => false,
    }
}
