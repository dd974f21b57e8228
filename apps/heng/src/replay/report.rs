//! What a replay found, for people and for programs.

use std::fmt::Write as _;

use serde::Serialize;

/// Differences that are listed one by one; the rest are counted.
const LISTED_MAX: usize = 100;

/// One difference between the published flow and our book.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Mismatch {
    /// Place in the exchange's sequence; the number of the message for LOBSTER.
    pub biz_index: u64,
    /// The security, empty where the form names none.
    pub security: String,
    /// What differs: trade, order, delete, auction, snapshot, level.
    pub what: &'static str,
    /// What was published.
    pub expected: String,
    /// What our book says.
    pub found: String,
}

/// The outcome of a replay.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Rows of orders, deletes and trades, or messages.
    pub events: u64,
    /// Published trades that our book should make.
    pub trades_expected: u64,
    /// Those with equal price, quantity, maker and taker.
    pub trades_matched: u64,
    /// Call auctions with trades.
    pub auctions_expected: u64,
    /// Those whose price, volume and trades we found ourselves.
    pub auctions_matched: u64,
    /// Price levels compared, 20 a snapshot; an absent level counts, because it says that there is none.
    pub levels_checked: u64,
    /// Those with equal price and quantity.
    pub levels_matched: u64,
    /// Things in the input that the published flow does not allow to check.
    pub not_checkable: u64,
    /// The first differences.
    pub mismatches: Vec<Mismatch>,
    /// All differences.
    pub mismatches_total: u64,
}

impl Report {
    /// Records a difference.
    pub(crate) fn differs(
        &mut self,
        biz_index: u64,
        security: &str,
        what: &'static str,
        expected: String,
        found: String,
    ) {
        self.mismatches_total += 1;
        if self.mismatches.len() < LISTED_MAX {
            self.mismatches.push(Mismatch { biz_index, security: security.to_owned(), what, expected, found });
        }
    }

    /// Whether everything that could be checked is equal.
    #[must_use]
    pub const fn all_matched(&self) -> bool {
        self.mismatches_total == 0
            && self.trades_matched == self.trades_expected
            && self.auctions_matched == self.auctions_expected
            && self.levels_matched == self.levels_checked
    }

    /// A readable summary of several lines.
    #[must_use]
    pub fn summary(&self) -> String {
        let mut out = String::new();
        let rows = [
            ("events", self.events.to_string()),
            ("trades matched", format!("{} of {}", self.trades_matched, self.trades_expected)),
            ("auctions matched", format!("{} of {}", self.auctions_matched, self.auctions_expected)),
            ("levels matched", format!("{} of {}", self.levels_matched, self.levels_checked)),
            ("not checkable", self.not_checkable.to_string()),
            ("mismatches", self.mismatches_total.to_string()),
        ];
        for (name, value) in rows {
            let _ = writeln!(out, "{name:<17} {value}");
        }
        for m in &self.mismatches {
            let Mismatch { biz_index, security, what, expected, found } = m;
            let _ = writeln!(out, "BizIndex {biz_index} {security} {what}: expected {expected}; found {found}");
        }
        let unlisted = self.mismatches_total - self.mismatches.len() as u64;
        if unlisted > 0 {
            let _ = writeln!(out, "and {unlisted} more");
        }
        out
    }
}
