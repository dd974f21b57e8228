//! Order entry and queries: the doors through which clients trade, and the view that they read.
//!
//! Entry points: [`api`] are the HTTP doors; [`TradingView`] derives orders, fills, cash and holdings from the event
//! log; [`CheckLog`] keeps what the checks of orders looked at; [`TermsStore`] owns how parents are driven;
//! [`Execution`] drives them; [`FixDesk`] takes orders from FIX sessions; [`FixVenue`] routes orders to a venue elsewhere
//! and brings its reports back.
//!
//! *Invariant:* core state changes only by a command through `CommandPort`; no answer is invented (design rule 9).
//! *Invariant:* each event counts exactly once: rows and position move in one transaction, in bounded batches.
//! *Invariant:* the view checks every balance and quantity that events tell; it parks on what it cannot explain, tries
//! again, and never skips (design rule 12).
//! *Invariant:* the core waits for no view: past ten seconds of lag the doors refuse new orders by name, never cancels
//! (design rule 10).
//! *Invariant:* trade events are told from the record: from any sequence on, in order, each command once.
//! *Invariant:* a driver only proposes; what children fill and hold open never exceeds the parent, because the core says
//! so; a proposal without an answer is sent again as it was.
//! *Invariant:* whoever names an account is asked whether they may.
//!
//! Deliberately absent: who may do what (the policy of `identity`).

mod answer;
mod api;
mod checks;
mod directory;
mod event_shapes;
mod execution;
mod exports;
mod fix_desk;
mod fold;
mod fold_error;
mod follow;
mod forms;
mod lag;
mod parents;
mod shapes;
mod shapes_account;
mod status;
mod store;
mod tables;
mod telemetry;
mod texts;
mod trade_events;
mod venues;
mod view;

pub use api::{DoorOptions, Doors, api};
pub use checks::CheckLog;
pub use execution::{
    Driven, Driver, Execution, ExecutionOptions, Kept, Market, MarketBook, Quote, Terms, TermsStore, Which,
};
pub use fix_desk::{FixDesk, FixDeskParts};
pub use fold_error::{FoldError, Noun};
pub use status::{Parked, RecentTrade, ViewStatus};
pub use venues::{
    FixVenue, FixVenueOptions, InternalVenue, LicenceMissing, Venue, VenueHealth, VenueTimes, check_internal_licence,
};
pub use view::{TradingView, ViewError, ViewOptions, ViewReader};
