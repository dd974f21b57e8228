//! What must be true before an order leaves the broker.
//!
//! Entry points: [`InstrumentDay`] is all that the checks know of an instrument on a trade date; [`check()`] runs the
//! checks in the order of precedence and says what to hold; [`hold_of`] is the one function that tells a hold;
//! [`RiskRules`] are the configurable rules, compiled; a [`Witness`] sees what each check looks at.
//!
//! *Invariant:* a check reads and never writes; the same inputs give the same answer.
//! *Invariant:* the first code by precedence is told, so that equal orders get equal refusals.
//! *Invariant:* a hold covers every possible fill of a live order, fees included.
//!
//! Deliberately absent: what only the venue can know (phase, book, cage against the live book, halts): the venue
//! partition checks it, as an exchange does.

mod check;
mod day;
mod hold;
mod risk_rules;
mod witness;

pub use check::{Ask, Refusal, check, check_watched};
pub use day::{ClassRules, ClassTable, InstrumentDay, Rates, ReferenceError, limit_query};
pub use hold::{Hold, OrderTerms, amount_of, fees_of, hold_of, line_of, settle_of, worth_of};
pub use risk_rules::{Features, RiskRules};
pub use witness::Witness;
