//! Who keeps receipts beyond the process.

use std::fmt;
use std::sync::Arc;

use super::counted::Counted;
use super::receipt::Receipt;
use super::survey::{Filter, Slice, Sum, Survey};

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

    /// How many sums there would be without bounds. Reads a file.
    ///
    /// # Errors
    /// They cannot be read: why.
    fn number_of_sums(&self, survey: &Survey) -> Result<u64, String>;

    /// What was counted by the labels of metrics, of all rows there ever were; nothing where nobody keeps it. Reads a file.
    ///
    /// # Errors
    /// They cannot be read: why.
    fn counted(&self) -> Result<Vec<Counted>, String> {
        Ok(Vec::new())
    }
}

/// Why nothing can be put on file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unwell {
    /// What the system says.
    pub cause: Arc<str>,
    /// What is not done meanwhile.
    pub halts: Halts,
}

/// What is refused while nothing can be put on file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Halts {
    /// Nothing: receipts are safe where they wait, and there is room.
    Nothing,
    /// What costs something under a budget.
    Budgets,
    /// What costs something: as many receipts wait as may.
    Everything,
}
