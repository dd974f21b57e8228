//! Order books, order types and call auctions, in ticks.
//!
//! Entry points: [`Book`] (a [`LadderBook`] or a [`SparseBook`]) behind [`OrderBook`];
//! [`order_types::enter`] for an order of any type in continuous trading; [`call_auction`] for auctions.
//!
//! *Invariant:* orders trade in price-time priority, at the resting order's price in continuous trading.
//! *Invariant:* quantity is conserved: what a taker loses, makers lose, and nothing rests with zero left.
//! *Invariant:* every book shows the same executions and the same canonical bytes for the same orders;
//! [`NaiveBook`] is the oracle that says so.
//! *Invariant:* the same calls give the same results: no clock, no randomness, no iteration by address.
//!
//! Deliberately absent: instruments, accounts, holds, phases and rules (the engine's), and price text (the model's).

mod any_book;
mod book;
pub mod call_auction;
mod ladder;
mod naive;
#[doc(hidden)]
pub mod oracle;
pub mod order_types;
mod prefetch;
mod slab;
mod slab_book;
mod sparse;
#[doc(hidden)]
pub mod workload;

pub use any_book::Book;
pub use book::{Execution, ExecutionKind, Handle, Level, OrderBook, Resting, TakeResult, Taker, Ticks};
pub use ladder::{LADDER_TICKS_MAX, LadderBook};
pub use naive::NaiveBook;
pub use prefetch::{prefetch, prefetch_whole};
pub use sparse::SparseBook;
