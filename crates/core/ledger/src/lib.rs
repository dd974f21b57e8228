//! The broker's books: double entry for cash and securities, per client and per house account.
//!
//! Entry points: [`Ledger`] holds the books of one account partition; [`buying_power()`] is one function per account
//! kind; [`invariants`] are the predicates that tests, the simulator and the auditor share.
//!
//! *Invariant:* every posting balances per currency and per instrument at every sequence: clients plus house are zero.
//! *Invariant:* frozen cash and frozen shares are never negative; frozen shares never exceed what the client has.
//! *Invariant:* only fees, taxes and differences may take a client's cash below zero; that receivable blocks withdrawal.
//!
//! Deliberately absent: orders and holds per order (the engine owns them), rules, prices, time.

mod account;
mod books;
mod buying_power;
mod fees;
mod forget;
mod house;
pub mod invariants;
mod posting;
mod roll;
mod state;

pub use account::{Account, AccountLimits, Cash, Position};
pub use books::Ledger;
pub use buying_power::{Purpose, buying_power};
pub use fees::Fees;
pub use house::House;
pub use posting::{FillPosting, Settle};
pub use roll::Roll;
