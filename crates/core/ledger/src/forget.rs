//! What the books forget when the day rolls, so that they do not grow for ever: references that posted long ago, and
//! the settlement of dates that are over.

use heng_model::limits::{REFERENCE_DAYS, SETTLEMENT_DAYS};
use heng_model::market::SettlementState;

use crate::books::Ledger;

impl Ledger {
    /// Every reference grows a trade date older, and those of more than [`REFERENCE_DAYS`] are forgotten: a command
    /// that repeats one of them posts anew. Settled dates beyond the last [`SETTLEMENT_DAYS`] are forgotten as well;
    /// what is not settled yet is open work and stays.
    pub(crate) fn forget(&mut self) {
        self.references.retain(|_, age| {
            *age += 1;
            *age < REFERENCE_DAYS
        });
        let mut dates: Vec<_> = self.settlements.keys().map(|(date, _)| *date).collect();
        dates.dedup();
        let Some(oldest) = dates.iter().rev().nth(SETTLEMENT_DAYS - 1).copied() else { return };
        self.settlements.retain(|(date, _), state| *date >= oldest || *state != SettlementState::Settled);
    }
}
