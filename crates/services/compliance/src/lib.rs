//! Compliance 监管报送: what the broker must be able to show, and for how long. It owns the evidence log, legal holds
//! 法律保全 and exports 数据导出 today.
//!
//! Entry points: [`Compliance`] follows the record and keeps the log; [`api`] and [`tiles`] are its doors;
//! [`Archive`] reads the log of a folder without a service; [`EvidenceBundle`] is a proof as a file, [`Record`] what it
//! proves.
//!
//! *Invariant:* every event of the record stands in exactly one leaf: that of the client whom it concerns, or the
//! house's. Every action of the trail is a leaf.
//! *Invariant:* the order of leaves follows from the record and from places that are written down first, so the tree
//! can be built again to the same root.
//! *Invariant:* a checkpoint is published only if it extends the one before, as the tiles on the disk prove it.
//! *Invariant:* public files hold commitments and hashes; clients, commands, keys and records never.
//! *Invariant:* a destroyed key is never made again.
//! *Invariant:* while an account is on legal hold nothing of it is deleted; another person than who put it on lifts it.
//! *Invariant:* no file leaves before another person approved it; what left is in the trail with its hashes, and a piece
//! of it names the export that it came from.
//! *Invariant:* the follower parks on what it cannot explain, tries again, and never skips (design rule 12).
//!
//! Deliberately absent: reports to regulators and their rule engine (later), cryptography (`heng-security`), who may do
//! what (`identity`), sealing of keys at rest beyond the one place where they enter the tables.

mod api;
mod api_protection;
mod archive;
mod bundle;
mod concerns;
mod destroy;
mod error;
mod exports;
mod files;
mod follow;
mod grades;
mod holds;
mod keys;
mod leaves;
mod mark;
mod prove;
mod publish;
mod rebuild;
mod record;
mod retention;
mod service;
mod shapes;
mod shapes_protection;
mod status;
mod store;
mod tree;
mod tree_log;
mod witnesses;

pub use api::{api, tiles};
pub use archive::{Archive, ArchiveStatus};
pub use bundle::{BUNDLE_BYTES_MAX, ConsistencyShown, EarlierCheckpoint, EvidenceBundle, EvidenceLeaf};
pub use concerns::{ACTIONS, HOUSE};
pub use error::{ComplianceError, Result};
pub use prove::Wanted;
pub use rebuild::Rebuilt;
pub use record::Record;
pub use service::{Compliance, ComplianceOptions};
pub use status::{EvidenceStatus, Trouble, WitnessState};
pub use witnesses::Witness;
