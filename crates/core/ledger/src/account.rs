//! Rows of the books.

use heng_model::market::{AccountKind, AccountStatus};
use heng_model::{AccountId, Money, OwnerId, Qty, Rate};

/// Cash of one account in one currency. Amounts in 1/10,000 of the unit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cash {
    /// Everything, sale proceeds included; negative = a receivable.
    pub balance: Money,
    /// Held for live orders; never negative.
    pub frozen: Money,
    /// The part of `frozen` that is held for live Stock Connect buys.
    pub frozen_hk: Money,
    /// Proceeds of mainland sales due in one, two and three trading days (B shares: three), less what later buys
    /// used: usable for buying at once, withdrawable when due.
    pub due: [Money; 3],
    /// Proceeds of HK sales due in one and in two trading days, less what later HK buys used: usable for HK buying
    /// at once, for all else when due.
    pub hk_due: [Money; 2],
}

impl Cash {
    /// What may be spent on mainland buying.
    #[must_use]
    #[inline]
    pub fn available(&self) -> Money {
        self.balance - (self.frozen - self.frozen_hk) - self.kept_for_hk()
    }

    /// HK proceeds that are not due yet and HK holds overlap: the holds use the proceeds first.
    #[inline]
    pub(crate) fn kept_for_hk(&self) -> Money {
        (self.hk_due[0] + self.hk_due[1]).max(self.frozen_hk)
    }

    /// Mainland proceeds that are not due yet.
    pub(crate) fn mainland_due(&self) -> Money {
        self.due[0] + self.due[1] + self.due[2]
    }

    /// What may be spent on HK buying.
    #[must_use]
    #[inline]
    pub fn available_hk(&self) -> Money {
        self.balance - self.frozen
    }

    /// What the client owes: fees and taxes that took the balance below zero.
    #[must_use]
    pub fn receivable(&self) -> Money {
        Money(self.balance.0.min(0).abs())
    }
}

/// A client account: one row, two cache lines. Yuan stand in the row; other currencies, and limits that most accounts
/// do not have, in tables beside it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[repr(align(64))]
pub struct Account {
    /// Id.
    pub id: AccountId,
    /// Whose orders must not meet.
    pub owner: OwnerId,
    /// Trading rights (`market::rights`).
    pub rights: u32,
    /// Yuan.
    pub cny: Cash,
    /// Kind.
    pub kind: AccountKind,
    /// Status.
    pub status: AccountStatus,
    /// Stopped by the kill switch.
    pub stopped: bool,
    /// Whether [`AccountLimits`] stand in the table beside the rows.
    pub(crate) has_limits: bool,
    /// Live orders.
    pub open_orders: u32,
    /// The second in which `sent` was counted, as the low 32 bits of Unix time: only compared.
    pub rate_second: u32,
    /// Orders and cancels in that second.
    pub sent: u32,
    /// Most orders and cancels in one second.
    pub sent_max: u32,
    /// Orders today.
    pub orders_today: u32,
    /// Cancels today.
    pub cancels_today: u32,
    /// Commission rate of the fee package, at 1e-8.
    pub(crate) commission: u32,
    /// Value bought today.
    pub bought_today: Money,
    /// Value sold today.
    pub sold_today: Money,
}

impl Account {
    /// Commission rate of the fee package.
    #[must_use]
    #[inline]
    pub const fn commission(&self) -> Rate {
        Rate(self.commission as i64)
    }
}

/// Limits of one account; all zero = none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AccountLimits {
    /// Highest value of one order; 0 = none.
    pub order_value_max: Money,
    /// Credit line of a credit account, margin requirement of an option account.
    pub credit_line: Money,
}

/// One instrument in one account: one cache line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(align(64))]
pub struct Position {
    /// Row of the account.
    pub account_row: u32,
    /// Number of the instrument.
    pub instrument: u32,
    /// Free to sell now.
    pub sellable: Qty,
    /// Held for live sell orders.
    pub frozen: Qty,
    /// Bought today and sellable from the next trading day (T+1).
    pub unsellable: Qty,
    /// Quantity bought today, for caps per day.
    pub bought_today: Qty,
    /// Held by live buy orders, where a daily cap on buying asks for it; else zero.
    pub buying: Qty,
}

impl Position {
    /// All shares.
    #[must_use]
    #[inline]
    pub fn total(&self) -> Qty {
        self.sellable + self.frozen + self.unsellable
    }
}

// The figures that the capacity plan counts on.
const _: () = assert!(size_of::<Account>() == 128);
const _: () = assert!(size_of::<Position>() == 64);
