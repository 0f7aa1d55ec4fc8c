//! Which database there is: a file of one node, or a server for several.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::postgres::Server;
use super::session::{Failed, Session};
use super::{Durability, StoreError, postgres, schema};

/// A database.
#[derive(Clone, Debug)]
pub(super) enum Base {
    /// SQLite's, in a directory.
    File { directory: PathBuf, durability: Durability },
    /// PostgreSQL's: one server for receipts as they are promised, one for records.
    Server { receipts: Arc<Server>, records: Arc<Server>, node: Option<String> },
}

impl Base {
    /// SQLite's in a directory.
    pub(super) fn file(directory: &Path, durability: Durability) -> Self {
        Self::File { directory: directory.to_owned(), durability }
    }

    /// PostgreSQL's at an address. `node`, where it has a name that lasts, is whose receipts are counted for metrics.
    pub(super) fn server(
        address: &postgres::Address,
        durability: Durability,
        node: Option<String>,
    ) -> Result<Self, StoreError> {
        let records = Server::counting(address.clone(), Durability::Strict, node.clone())?;
        let receipts = match durability {
            Durability::Strict => records.clone(),
            Durability::Relaxed => Server::counting(address.clone(), durability, node.clone())?,
        };
        Ok(Self::Server { receipts, records, node })
    }

    /// Whose receipts are counted; None: of a server, nobody's. A file counts all.
    pub(super) fn node(&self) -> Option<&str> {
        match self {
            Self::File { .. } => None,
            Self::Server { node, .. } => node.as_deref(),
        }
    }

    /// A session for receipts, with all tables there.
    pub(super) fn session(&self) -> Result<Session, StoreError> {
        match self {
            Self::File { directory, durability } => schema::session(directory, *durability),
            Self::Server { receipts, .. } => {
                let mut session = receipts.session();
                postgres::migrate(&mut session, &receipts.shown())?;
                Ok(session)
            }
        }
    }

    /// A session for records.
    pub(super) fn session_for_records(&self) -> Result<Session, StoreError> {
        match self {
            Self::File { directory, .. } => schema::session(directory, Durability::Strict),
            Self::Server { records, .. } => Ok(records.session()),
        }
    }

    /// Reads without waiting for who writes.
    pub(super) fn read<T>(&self, read: impl FnOnce(&mut Session) -> Result<T, Failed>) -> Result<T, String> {
        match self {
            Self::File { directory, .. } => {
                let mut session = schema::session_to_read(directory).map_err(|error| error.to_string())?;
                read(&mut session).map_err(|error| error.to_string())
            }
            Self::Server { records, .. } => records.read(read).map_err(|error| error.to_string()),
        }
    }

    /// Whether other nodes write to it, too.
    pub(super) const fn is_shared(&self) -> bool {
        matches!(self, Self::Server { .. })
    }

    /// Where it is, for messages.
    pub(super) fn shown(&self) -> String {
        match self {
            Self::File { directory, .. } => directory.display().to_string(),
            Self::Server { records, .. } => records.shown(),
        }
    }
}
