//! What must hold at every sequence; tests, the simulator and the production auditor use the same predicates.

use std::collections::BTreeMap;

use heng_matching::OrderBook;
use heng_model::{Money, OrderId, Qty, Side};

use crate::state::State;

/// Everything that is wrong; empty if all is in order.
#[must_use]
pub fn violations(state: &State) -> Vec<String> {
    let mut found = heng_ledger::invariants::violations(&state.ledger);
    holds_follow_orders(state, &mut found);
    caps_follow_orders(state, &mut found);
    trades_follow_orders(state, &mut found);
    books_follow_orders(state, &mut found);
    found
}

/// Frozen cash (in yuan) and frozen shares are exactly the sums over live orders.
fn holds_follow_orders(state: &State, found: &mut Vec<String>) {
    let mut cash: BTreeMap<u32, i64> = BTreeMap::new();
    let mut shares: BTreeMap<(u32, u32), i64> = BTreeMap::new();
    let mut open: BTreeMap<u32, u32> = BTreeMap::new();
    for record in state.orders.records().filter(|record| record.status.is_live()) {
        *open.entry(record.account_row).or_default() += 1;
        match record.side {
            Side::Buy => *cash.entry(record.account_row).or_default() += record.hold_cash.0,
            Side::Sell => *shares.entry((record.account_row, record.instrument.0)).or_default() += record.remaining().0,
        }
    }
    for (row, account) in (0u32..).zip(state.ledger.accounts()) {
        let foreign: i64 = [heng_model::Currency::Hkd, heng_model::Currency::Usd]
            .iter()
            .map(|currency| state.ledger.cash(row, *currency).frozen.0)
            .sum();
        let held = cash.get(&row).copied().unwrap_or(0);
        if Money(held) != account.cny.frozen + Money(foreign) {
            found.push(format!(
                "account {}: frozen {} but live orders hold {}",
                account.id,
                account.cny.frozen,
                Money(held)
            ));
        }
        if open.get(&row).copied().unwrap_or(0) != account.open_orders {
            found.push(format!("account {}: {} open orders are counted", account.id, account.open_orders));
        }
    }
    for position in state.ledger.positions() {
        let held = shares.get(&(position.account_row, position.instrument)).copied().unwrap_or(0);
        if Qty(held) != position.frozen {
            found.push(format!(
                "row {}, instrument {}: frozen {} but live sells hold {held}",
                position.account_row, position.instrument, position.frozen
            ));
        }
    }
}

/// What live buys may still take of a daily cap is exactly their remaining quantity, and Stock Connect holds are the
/// sums over live Stock Connect buys.
fn caps_follow_orders(state: &State, found: &mut Vec<String>) {
    let mut buying: BTreeMap<(u32, u32), i64> = BTreeMap::new();
    let mut connect: BTreeMap<u32, i64> = BTreeMap::new();
    let buys = state.orders.records().filter(|record| record.status.is_live() && record.side == Side::Buy);
    for record in buys {
        let Some(day) = state.day_of(record.instrument) else { continue };
        if crate::entry::is_capped(day) {
            *buying.entry((record.account_row, record.instrument.0)).or_default() += record.remaining().0;
        }
        if day.board == heng_model::Board::Hk {
            *connect.entry(record.account_row).or_default() += record.hold_cash.0;
        }
    }
    for position in state.ledger.positions() {
        let live = buying.get(&(position.account_row, position.instrument)).copied().unwrap_or(0);
        if Qty(live) != position.buying {
            found.push(format!(
                "row {}, instrument {}: {} are counted as being bought but live buys have {live}",
                position.account_row, position.instrument, position.buying
            ));
        }
    }
    for (row, account) in (0u32..).zip(state.ledger.accounts()) {
        let held = Money(connect.get(&row).copied().unwrap_or(0));
        if held != account.cny.frozen_hk {
            found.push(format!(
                "account {}: {} frozen for Stock Connect but live buys hold {held}",
                account.id, account.cny.frozen_hk
            ));
        }
    }
}

/// The last trade is remembered for live orders alone, each with fills, at venues elsewhere.
fn trades_follow_orders(state: &State, found: &mut Vec<String>) {
    for index in state.reported.orders() {
        let record = state.orders.get(index);
        let elsewhere = state.day_of(record.instrument).is_some_and(|day| day.partition != state.partition);
        if !(record.status.is_live() && record.filled > Qty::ZERO && elsewhere) {
            found.push(format!("order {}: a reported trade is remembered for nothing", state.order_id(index)));
        }
    }
}

/// What rests at our venue is what the account side thinks, for orders of this partition.
fn books_follow_orders(state: &State, found: &mut Vec<String>) {
    for listing in state.venue.listings.iter().flatten() {
        for side in [Side::Buy, Side::Sell] {
            for resting in listing.book.orders(side).filter(|resting| resting.order.partition() == state.partition) {
                check_resting(state, resting.order, resting.qty, found);
            }
            let Some(after) = &listing.after_hours else { continue };
            for resting in after.book.orders(side).filter(|resting| resting.order.partition() == state.partition) {
                check_resting(state, resting.order, resting.qty, found);
            }
        }
    }
    let held = state.venue.held.by_instrument.values().flatten();
    for route in held.filter(|route| route.order.partition() == state.partition) {
        check_resting(state, route.order, route.quantity.0, found);
    }
}

fn check_resting(state: &State, order: OrderId, qty: i64, found: &mut Vec<String>) {
    match state.order(order) {
        Some(record) if record.status.is_live() && record.remaining() == Qty(qty) => {}
        Some(record) => {
            found.push(format!(
                "order {order} rests with {qty} but is {:?} with {}",
                record.status,
                record.remaining()
            ));
        }
        None => found.push(format!("order {order} rests but is unknown")),
    }
}
