//! Who keeps receipts beyond the process.

use std::fmt;
use std::sync::Arc;

use super::receipt::Receipt;
use super::survey::{Filter, Slice, Sum, Survey};
use crate::vocabulary::KeyHash;

/// How far an exchange is when its receipt is put on file. A later stage is never replaced by an earlier one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// Its answer flows: the cost so far, by a rough count.
    Flowing,
    /// The client is about to get the end of its answer.
    Ended,
    /// It is over.
    Closed,
}

/// Keeps receipts: a file, a database. Handed to [`super::Memory::keep_with`].
pub trait Keeper: fmt::Debug + Send + Sync {
    /// Puts a receipt on file, in the place of an earlier one of the same exchange. It is there when this returns, also
    /// after the process is killed. Does not fail: what cannot be written waits in memory, and [`Self::unwell`] says so.
    fn keep(&self, receipt: &Receipt, stage: Stage);

    /// What is wrong, if something is.
    fn unwell(&self) -> Option<Unwell>;

    /// The receipts that a query asks for, as LiteLLM's `/spend/logs` shows them, in JSON. Reads a file: not for a thread
    /// that others wait for.
    ///
    /// # Errors
    /// They cannot be read: why.
    fn spend_logs(&self, query: &SpendQuery) -> Result<Vec<u8>, String>;

    /// Hands on one slice of the receipts that pass a filter, one by one. Reads a file.
    ///
    /// # Errors
    /// They cannot be read: why.
    fn receipts(&self, filter: &Filter, slice: &Slice, each: &mut dyn FnMut(Receipt)) -> Result<(), String>;

    /// How many receipts pass a filter. Reads a file.
    ///
    /// # Errors
    /// They cannot be read: why.
    fn number(&self, filter: &Filter) -> Result<u64, String>;

    /// Sums by day: the newest day first, then the largest. Reads a file.
    ///
    /// # Errors
    /// They cannot be read: why.
    fn sums(&self, survey: &Survey) -> Result<Vec<Sum>, String>;
}

/// Why nothing can be put on file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unwell {
    /// What the system says.
    pub cause: Arc<str>,
    /// Whether as many receipts wait as may.
    pub full: bool,
}

/// Which receipts, as the query of `/spend/logs` says. Days are counted from 1970.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SpendQuery {
    /// `request_id`.
    pub exchange: Option<String>,
    /// `api_key`, as a key or as its hash.
    pub key: Option<KeyHash>,
    /// `start_date`.
    pub from_day: Option<i64>,
    /// `end_date`, included.
    pub to_day: Option<i64>,
    /// Sums by day (what LiteLLM gives for two dates without `summarize=false`).
    pub summarize: bool,
}
