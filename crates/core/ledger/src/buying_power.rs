//! Buying power: one function per account kind, from the first version.

use heng_model::market::AccountKind;
use heng_model::{Currency, Money};

use crate::account::{Account, Cash};

/// What the money is for; HK sale proceeds buy HK shares at once, mainland shares only when they are due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Mainland buying.
    Mainland,
    /// HK buying through Stock Connect.
    StockConnect,
}

/// What `account` may still spend in `currency`, given its cash row in that currency. May be negative.
#[must_use]
#[inline]
pub fn buying_power(account: &Account, cash: &Cash, currency: Currency, purpose: Purpose) -> Money {
    let free = match purpose {
        Purpose::Mainland => cash.available(),
        Purpose::StockConnect => cash.available_hk(),
    };
    match account.kind {
        AccountKind::Cash => free,
        AccountKind::Credit => credit(account, free, currency),
        AccountKind::Option => option(account, free, currency),
    }
}

/// A credit account may owe up to its line, which the margin desk derives from collateral; the line is in yuan.
fn credit(account: &Account, free: Money, currency: Currency) -> Money {
    if currency == Currency::Cny { free + account.credit_line } else { free }
}

/// An option account keeps its margin requirement untouched.
fn option(account: &Account, free: Money, currency: Currency) -> Money {
    if currency == Currency::Cny { free - account.credit_line } else { free }
}

/// What may leave for the bank: free, settled, and nothing while a receivable is open. Never negative. Proceeds that
/// are not due yet and holds of live orders overlap, because a buy uses the day's proceeds first.
#[must_use]
pub fn withdrawable(account: &Account, cash: &Cash, currency: Currency) -> Money {
    let kept = (cash.frozen - cash.frozen_hk).max(cash.mainland_due()) + cash.kept_for_hk();
    let settled = cash.balance - kept;
    let free = match account.kind {
        AccountKind::Option => option(account, settled, currency),
        AccountKind::Cash | AccountKind::Credit => settled,
    };
    Money(free.0.max(0))
}
