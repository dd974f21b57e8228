//! Predicates that must hold at every sequence; tests, the simulator and the production auditor use the same ones.

use std::collections::BTreeMap;

use heng_model::{Currency, Money, Qty};

use crate::books::Ledger;

/// Sum over currencies of the absolute difference between what clients and house have and zero, in 1/10,000.
#[must_use]
pub fn cash_imbalance(ledger: &Ledger) -> u64 {
    let mut sums = [0i128; Currency::COUNT];
    for account in &ledger.accounts {
        sums[Currency::Cny.index()] += i128::from(account.cny.balance.0);
    }
    for ((_, code), cash) in &ledger.foreign {
        let currency = Currency::from_code(*code).expect("rows are made from currencies");
        sums[currency.index()] += i128::from(cash.balance.0);
    }
    for (sum, house) in sums.iter_mut().zip(ledger.house.cash_rows()) {
        *sum += house.iter().map(|m| i128::from(m.0)).sum::<i128>();
    }
    sums.iter().map(|s| u64::try_from(s.unsigned_abs()).unwrap_or(u64::MAX)).fold(0, u64::saturating_add)
}

/// Sum over instruments of the absolute difference between clients plus house and zero, in smallest units.
#[must_use]
pub fn securities_imbalance(ledger: &Ledger) -> u64 {
    let mut sums: BTreeMap<u32, i128> = BTreeMap::new();
    for position in &ledger.positions {
        *sums.entry(position.instrument).or_default() += i128::from(position.total().0);
    }
    for (instrument, row) in ledger.house.share_rows().iter().enumerate() {
        let id = u32::try_from(instrument).expect("instrument numbers fit u32");
        *sums.entry(id).or_default() += i128::from(row.clearing.0) + i128::from(row.depository.0);
    }
    sums.values().map(|s| u64::try_from(s.unsigned_abs()).unwrap_or(u64::MAX)).fold(0, u64::saturating_add)
}

/// Everything that is wrong with the books; empty if they are in order.
#[must_use]
pub fn violations(ledger: &Ledger) -> Vec<String> {
    let mut found = Vec::new();
    for (name, amount) in [("cash", cash_imbalance(ledger)), ("securities", securities_imbalance(ledger))] {
        if amount != 0 {
            found.push(format!("{name} does not balance: off by {amount}"));
        }
    }
    let foreign = ledger.foreign.iter().map(|((row, _), cash)| (ledger.account(*row).id, cash));
    for (id, cash) in ledger.accounts.iter().map(|account| (account.id, &account.cny)).chain(foreign) {
        let buckets = cash.due.iter().chain(&cash.hk_due).chain([&cash.frozen_hk]);
        if cash.frozen < cash.frozen_hk || buckets.copied().any(|amount| amount < Money::ZERO) {
            found.push(format!("account {id} has a negative hold or due amount"));
        }
    }
    for position in &ledger.positions {
        let buckets = [position.sellable, position.frozen, position.unsellable, position.buying];
        if buckets.into_iter().any(|quantity| quantity < Qty::ZERO) {
            found.push(format!("row {}, instrument {}: a negative bucket", position.account_row, position.instrument));
        }
    }
    found
}
