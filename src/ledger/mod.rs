//! Money: accounts, budget windows and receipts.
//!
//! An exchange reserves what it may cost at most before its first byte goes upstream ([`Ledger::reserve`]), and ends by
//! settling at what it did cost ([`Hold::settle`]) or by voiding ([`Hold::void`]). It happens once, also when the
//! exchange is dropped half way. Amounts are whole pico-dollars and never rounded.
//!
//! [`Memory`] keeps accounts in memory. What must outlive the process is a [`Receipt`] per exchange, handed to
//! [`Ledger::record`], and a [`Statement`] per account, handed back to [`Memory::restore`].

mod account;
mod hold;
mod memory;
mod receipt;
mod refusal;
mod window;

pub use account::{AccountId, Scope, Statement, Terms};
pub use hold::{Hold, Settled};
pub use memory::{Memory, Tally};
pub use receipt::{Outcome, Receipt};
pub use refusal::{Overdrawn, Refusal};
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

    /// Takes the one record of an exchange.
    fn record(&self, receipt: Receipt);
}
