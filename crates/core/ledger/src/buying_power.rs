//! Buying power: one function per account kind, from the first version.

use heng_model::market::AccountKind;
use heng_model::{Currency, Money};

use crate::account::Cash;
use crate::books::Ledger;

/// What the money is for; HK sale proceeds buy HK shares at once, mainland shares only when they are due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Mainland buying.
    Mainland,
    /// HK buying through Stock Connect.
    StockConnect,
}

/// What an account of this kind and credit line may still spend in `currency`, given its cash row in that currency.
/// May be negative.
#[must_use]
#[inline]
pub fn buying_power(kind: AccountKind, line: Money, cash: &Cash, currency: Currency, purpose: Purpose) -> Money {
    let free = match purpose {
        Purpose::Mainland => cash.available(),
        Purpose::StockConnect => cash.available_hk(),
    };
    match kind {
        AccountKind::Cash => free,
        AccountKind::Credit => credit(line, free, currency),
        AccountKind::Option => option(line, free, currency),
    }
}

/// A credit account may owe up to its line, which the margin desk derives from collateral; the line is in yuan.
fn credit(line: Money, free: Money, currency: Currency) -> Money {
    if currency == Currency::Cny { free + line } else { free }
}

/// An option account keeps its margin requirement untouched.
fn option(line: Money, free: Money, currency: Currency) -> Money {
    if currency == Currency::Cny { free - line } else { free }
}

impl Ledger {
    /// What may leave for the bank: free, settled, and nothing while a receivable is open. Never negative. Proceeds
    /// that are not due yet and holds of live orders overlap, because a buy uses the day's proceeds first.
    #[must_use]
    pub fn withdrawable(&self, row: u32, currency: Currency) -> Money {
        let cash = self.cash(row, currency);
        let kept = (cash.frozen - cash.frozen_hk).max(cash.mainland_due()) + cash.kept_for_hk();
        let settled = cash.balance - kept;
        let free = match self.account(row).kind {
            AccountKind::Option => option(self.limits(row).credit_line, settled, currency),
            AccountKind::Cash | AccountKind::Credit => settled,
        };
        Money(free.0.max(0))
    }
}
