//! The deterministic core: all commands of a partition, one after the other, become state and events.
//!
//! Entry point: [`apply`] is the whole contract; its numbered steps stand in `pipeline.rs`. [`State`] is everything
//! that the core knows, and answers questions about it (`inspect.rs`); [`EventWriter`] turns what it says into the bytes of the event log.
//!
//! *Invariant:* same commands, same bytes, same state hash, on every replica and after every restart.
//! *Invariant:* the core asks nobody: time, rules, reference data and prices arrive in commands.
//! *Invariant:* debits equal credits after every command; a hold is a function of live orders.
//! *Invariant:* account state and venue state meet only by `RouteOrder`, `RouteCancel` and `VenueReport`; a fill that a
//! venue elsewhere reports twice posts once.
//! *Invariant:* an instrument trades with today's reference data or not at all: where its book is elsewhere, the close
//! must be told by `SetReference` every day.
//!
//! Deliberately absent: sequencing, the journal, the durability gate, threads (the `core` role), text for people.

mod admin;
mod batch;
mod cancel;
mod day;
mod entry;
mod inspect;
mod instruments;
pub mod invariants;
mod keys;
mod orders;
mod parents;
mod pieces;
mod pipeline;
mod reported;
mod reports;
mod sink;
mod snapshot;
mod state;
mod timers;
mod venue;
mod warm;

pub use inspect::{Estimate, KeyOutcome, Power};
pub use instruments::Instrument;
pub use orders::OrderRecord;
pub use parents::Parent;
pub use pipeline::{CURRENT_LEVEL, OLDEST_LEVEL, Outcome, apply, apply_quarantined};
pub use sink::{EventFrames, EventSink, EventWriter, Frame};
pub use snapshot::{SNAPSHOT_FORMAT, SnapshotError};
pub use state::{Capacity, State};
pub use venue::Venue;
pub use warm::{STAGES, warm, warm_first, warm_stage};
