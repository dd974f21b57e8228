//! The dated rule book: what the exchanges, the depository and the tax office order, as data.
//!
//! Entry points: [`Rulebook::parse`] reads files, [`Rulebook::from_bundle`] the one canonical text that travels in
//! `ActivateRulebook`, [`Rulebook::embedded_files`] gives the files of this build. Queries answer for one trade
//! date; the engine asks once a day and keeps the small `Copy` answers ([`InstrumentRules`], [`FeeSchedule`],
//! [`CageRules`]) beside each instrument.
//!
//! *Invariant:* pure and integer: same files, same answers, on every machine; no clock, no I/O, no floats.
//! *Invariant:* no rule is assumed. A date outside every entry answers [`NoRule`], never a default.
//! *Invariant:* the entries of one series neither overlap nor leave a gap; the loader refuses both.
//! *Invariant:* every entry names its source, or says `unverified` and stands in `docs/unverified.md`.
//! *Invariant:* hostile input gives [`RuleError`]s with file, line and reason; it never panics.
//!
//! Deliberately absent: facts about single securities (ST status, listing date, lot of a HK stock): they are
//! reference data and come with the question. Files and folders: the caller reads them. Client tariffs: the
//! caller brings the commission rate. The shape of the files is told in `docs/decisions/0004-rule-files.md`.

mod bands;
mod bundle;
mod cage;
mod calendar;
mod corporate;
mod document;
mod embedded;
mod error;
mod fees;
mod halts;
mod instrument;
mod limits;
mod rulebook;
mod series;
mod sessions;
mod tick;

pub use bands::AuctionBand;
pub use bundle::{bundle, bundle_hash, parse_bundle};
pub use cage::{CageBase, CageQuote, CageRules, cage_limit};
pub use calendar::{Calendar, DayKind};
pub use corporate::{ExRights, ex_rights_reference};
pub use error::{NoRule, RuleError};
pub use fees::{Charges, FEE_KINDS, FeeComponent, FeeKind, FeeRounding, FeeSchedule};
pub use halts::{HaltRules, HaltStep};
pub use instrument::{InstrumentRules, LotRules, OddLot, order_type_bit};
pub use limits::{LimitQuery, PriceLimits};
pub use rulebook::{AuctionTie, ClosingNominals, EntryInfo, RepoUse, Rulebook};
pub use sessions::SessionStep;
pub use tick::TickRule;
