//! The roll to a new trade date: T+1 shares become sellable, due cash becomes withdrawable, daily counters restart,
//! and what is long past is forgotten.

use heng_model::{Money, Qty};

use crate::account::Cash;
use crate::books::Ledger;

/// What a roll moved, for the day's record.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Roll {
    /// Positions whose T+1 shares became sellable.
    pub positions: u64,
    /// Cash rows whose proceeds came closer or became withdrawable.
    pub cash_rows: u64,
}

fn roll_cash(cash: &mut Cash, hk_settles: bool) -> bool {
    let moved = cash.due != [Money::ZERO; 3] || cash.hk_due != [Money::ZERO; 2];
    cash.due = [cash.due[1], cash.due[2], Money::ZERO];
    if hk_settles {
        cash.hk_due = [cash.hk_due[1], Money::ZERO];
    }
    moved
}

impl Ledger {
    /// Rolls all rows to the next mainland trade date. HK proceeds come closer only on days on which Hong Kong settles
    /// as well.
    pub fn roll(&mut self, hk_settles: bool) -> Roll {
        let mut roll = Roll::default();
        for account in &mut self.accounts {
            roll.cash_rows += u64::from(roll_cash(&mut account.cny, hk_settles));
            account.orders_today = 0;
            account.cancels_today = 0;
            account.bought_today = Money::ZERO;
            account.sold_today = Money::ZERO;
        }
        for cash in self.foreign.values_mut() {
            roll.cash_rows += u64::from(roll_cash(cash, hk_settles));
        }
        for position in &mut self.positions {
            roll.positions += u64::from(position.unsellable != Qty::ZERO);
            position.sellable += position.unsellable;
            position.unsellable = Qty::ZERO;
            position.bought_today = Qty::ZERO;
        }
        self.forget();
        roll
    }
}
