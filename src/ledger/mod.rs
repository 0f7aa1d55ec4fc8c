//! Money: accounts, budget windows and receipts.
//!
//! An exchange reserves what it may cost at most before its first byte goes upstream ([`Ledger::reserve`]), and ends by
//! settling at what it did cost ([`Hold::settle`]) or by voiding ([`Hold::void`]). It happens once, also when the
//! exchange is dropped half way. Amounts are whole pico-dollars and never rounded.
//!
//! Where several processes spend from the same accounts, each spends only what a [`Lender`] lent it beforehand.
//!
//! [`Memory`] keeps accounts in memory. What must outlive the process is a [`Receipt`] per exchange: whoever keeps them
//! ([`Keeper`]) is handed each one, with notes of what an exchange came to so far, and gives what earlier processes
//! spent back to [`Memory::restore`].

mod account;
mod counted;
mod hold;
mod keeper;
mod lease;
mod memory;
mod receipt;
mod refusal;
mod survey;
mod window;

pub use account::{AccountId, Adjustment, Part, Scope, Statement, Terms};
pub use counted::Counted;
pub use hold::{Hold, Settled};
pub use keeper::{Halts, Keeper, Stage, Unwell};
pub use lease::{Lender, Loan, Needs};
pub use memory::{Memory, Tally};
pub use receipt::{Behalf, Booking, Bookings, CallType, Manner, Outcome, Receipt, Tags, Upstream};
pub use refusal::{Overdrawn, Refusal};
pub(crate) use survey::count;
pub use survey::{By, Counts, Filter, Order, SUMS_MAX, Slice, Sum, Survey};
pub use window::{BadDuration, Window};

use crate::vocabulary::{Now, PicoUsd};

/// The accounts of a gateway. Calls are short, do no I/O and never wait for anything but a lock held across arithmetic.
pub trait Ledger: Send + Sync {
    /// Holds an amount on each of several accounts, all or nothing. An account named twice is asked for the sum; an
    /// amount of zero (a model that costs nothing) passes whatever the account holds.
    ///
    /// # Errors
    /// An account has too little left, or is not known.
    fn reserve(&self, asks: &[(AccountId, PicoUsd)], now: Now) -> Result<Hold, Refusal>;

    /// What one more exchange could cost at most under all of these accounts; [`PicoUsd::MAX`] without limits, zero if
    /// an account is not known.
    fn affordable(&self, accounts: &[AccountId], now: Now) -> PicoUsd;

    /// How an account stands.
    fn statement(&self, account: AccountId, now: Now) -> Option<Statement>;

    /// Puts down what an open exchange came to so far, to outlive the process. The next note, or the record, of the same
    /// exchange takes its place.
    fn note(&self, receipt: &Receipt, stage: Stage);

    /// Takes the one record of an exchange.
    fn record(&self, receipt: Receipt);
}
