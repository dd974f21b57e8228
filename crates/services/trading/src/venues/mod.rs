//! Venues: where orders of instruments trade whose book is not in this core's own partition.
//!
//! ```text
//!  record ── OrderPlaced, CancelRequested ──► adapter ──► venue
//!  core  ◄── VenueReport (CommandPort) ────── adapter ◄── its reports
//! ```
//!
//! *Invariant:* an adapter never invents an outcome: what a venue does not tell is unknown, and is enquired about.
//! *Invariant:* nothing is sent twice without the venue having said that it does not have it.
//! *Invariant:* a report counts as done only when its command is durable; what a venue tells twice posts once.
//!
//! `docs/venues.md` holds the rules of the adapter and the catalogue of faults that it was tried with.

mod fix;
mod internal;

use heng_model::PartitionId;

pub use fix::{FixVenue, FixVenueOptions, VenueTimes};
pub use internal::{InternalVenue, LicenceMissing, check_internal_licence};

/// How a venue stands, for the page of the operators. Counts begin at the start of the process.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, utoipa::ToSchema)]
pub struct VenueHealth {
    /// The name in the configuration.
    pub name: String,
    /// The kind of adapter: `fix` or `internal`.
    pub kind: String,
    /// The venue partition that it serves.
    pub partition: u16,
    /// The session is logged on.
    pub connected: bool,
    /// The adapter has read the record up to where it stood at its start.
    pub current: bool,
    /// The last command of the record that was looked at.
    pub as_of_sequence: u64,
    /// Live orders that were handed to the venue.
    pub orders_out: u64,
    /// Live orders that wait to be sent.
    pub orders_waiting: u64,
    /// Live orders whose state is not known: no report came in time.
    pub unknown: u64,
    /// Cancels without an answer.
    pub cancels_out: u64,
    /// Live orders of which the venue told more trades than it has reported.
    pub trades_missing: u64,
    /// When the last report came, UTC nanoseconds since 1970; 0 = never.
    pub last_report_ns: u64,
    /// Reports that came.
    pub reports: u64,
    /// Trades that were handed to the core.
    pub fills: u64,
    /// Reports that had come before, and changed nothing.
    pub repeats: u64,
    /// Orders that the venue refused.
    pub refused: u64,
    /// Reports that name no live order of ours, or tell what cannot be. A person must look.
    pub strange: u64,
    /// Trades that came after our books had closed their order. A person must look.
    pub late: u64,
    /// Orders that were sent again after the venue had said that it does not have them.
    pub sent_again: u64,
    /// Orders that were refused because the venue could not be reached in time.
    pub gave_up: u64,
    /// Enquiries that were sent.
    pub enquiries: u64,
    /// Times that sending paused because the venue refused one order after the other.
    pub storms: u64,
    /// Times that the session logged on.
    pub logons: u64,
}

/// A venue as the operators see it.
pub trait Venue: Send + Sync {
    /// How it stands now.
    fn health(&self) -> VenueHealth;

    /// The venue partition that it serves: `DefineInstrument.partition` of what trades there.
    fn partition(&self) -> PartitionId;
}
