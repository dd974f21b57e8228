//! The `core` role: it stamps commands, journals them, lets the engine decide, and opens the gate.
//!
//! ```text
//!  ports ──► sequencer ──► journal (append, one fdatasync per group) ──► durable mark ─┐
//!                 └──────► engine (computes ahead) ──► events and answers ─────────────┴─► gate ──► event log, answers
//! ```
//!
//! Entry points: [`Core::start`] recovers and runs a partition; [`CorePort`] is its `CommandPort`;
//! [`CoreSteps`] runs the same parts step by step for a simulator; [`recover`] and [`replay`] rebuild a state from files alone; [`EventTail`] follows the record behind the gate; [`Replica`]
//! is a second state that answers questions.
//!
//! *Invariant:* durable before visible: nothing made from command n leaves before n is durable (`gate.rs`).
//! *Invariant:* a failed fdatasync ends the process; it is never retried.
//! *Invariant:* recovery executes the same commands to the same event digest, or stops by name.
//! *Invariant:* the event log follows the journal: what a crash cut off is made again by re-execution.
//! *Invariant:* the core never waits for a snapshot; only verified snapshots let journal segments go.
//! *Invariant:* the replica applies only what is durable, by reading the journal: the core knows nothing of it.
//! *Invariant:* a full disk closes the doors by name while what was admitted before still finds room.
//!
//! Other processes reach the same ports through [`CoreServer`] and [`RemoteCore`], over links with certificates on both
//! sides.
//!
//! Deliberately absent: business rules (the engine's), replication (a later issue).

mod batch;
mod buffers;
mod error;
mod explaining;
mod gate;
mod journal_thread;
mod layout;
#[cfg(test)]
mod poison;
mod port;
mod portions;
mod questions;
mod recovery;
mod remote;
mod replica;
mod role;
mod sealed_storage;
mod sequencer;
mod snapshot_worker;
mod snapshots;
mod source;
mod steps;
mod sync_thread;
mod tail;
#[cfg(test)]
mod tests;

pub use batch::{CommandBatch, decode_batch};
pub use error::CoreError;
pub use gate::{Completion, Published};
pub use layout::Layout;
pub use port::{CorePort, Deliver, Look, Request, Submission};
pub use questions::{answer_bytes, answer_from};
pub use recovery::{Recovered, Replayed, recover, replay};
pub use remote::{CoreServer, LinkTrouble, RemoteCore, RemoteOptions, Served};
pub use replica::{Replica, ReplicaOptions, ReplicaPort};
pub use role::{Core, CoreOptions, CoreReport};
pub use sealed_storage::{FileKeys, SEALED_KEY_MAX, SealedStorage};
pub use snapshot_worker::SnapshotPolicy;
pub use snapshots::{SnapshotMeta, load_snapshot, write_snapshot};
pub use source::RecordSource;
pub use steps::CoreSteps;
pub use tail::EventTail;
