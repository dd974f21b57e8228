//! The types that every part of Heng shares: quantities, ids, instruments, commands, events, reject codes, layouts.
//!
//! Entry points: [`command::Command`] is all that can change the core, [`event::Event`] all that it says,
//! [`reject::RejectCode`] every reason to say no.
//!
//! *Invariant:* quantities are fixed-point integers; nothing here uses floating point.
//! *Invariant:* equal values have equal bytes ([`wire`]); codes and names are never reused for another meaning.
//! *Invariant:* no personal data: accounts, owners and clients are opaque numbers.
//!
//! Deliberately absent: JSON, FIX and other outside forms (they stop at floor 3), clocks, randomness, I/O.

pub mod check;
pub mod command;
pub mod date;
pub mod event;
pub mod hash;
pub mod id;
pub mod id_map;
pub mod limits;
pub mod market;
pub mod quantity;
pub mod reject;
pub mod wire;

pub use check::{Check, CheckInput, CheckName, CheckOutcome, InputName, InputUnit};
pub use command::{Command, Sequenced};
pub use date::{SECOND, TradeDate, UnixNanos};
pub use event::Event;
pub use id::{AccountId, ClientOrderId, InstrumentId, OrderId, OwnerId, ParentId, PartitionId, Seq, TradeId};
pub use id_map::IdMap;
pub use market::{
    AccountKind, AccountStatus, Board, CancelReason, Currency, Exchange, InstrumentClass, OrderStatus, OrderType,
    Phase, SelfTrade, SettlementState, Side, rights,
};
pub use quantity::{Money, Price, Qty, Quotation, Rate, notional};
pub use reject::RejectCode;
