//! Memory reads of coming commands, started early: a core with a million accounts waits for memory more than it
//! computes. Every look-up is a chain (order, its account, its position), so the links are asked for one stage after
//! the other, each when the one before has arrived. Nothing here changes state or results.

use heng_matching::{OrderBook as _, prefetch, prefetch_whole};
use heng_model::command::{CancelOrder, NewOrder};
use heng_model::{AccountId, Command, InstrumentId, OrderId, Sequenced, Side};

use crate::orders::OrderRecord;
use crate::state::State;

/// How many commands ahead each link of a chain is asked for.
const AHEAD: [usize; STAGES] = [20, 16, 12, 8, 4];
/// Links of the longest chain: book, level, its oldest order, that order's record, its account.
pub const STAGES: usize = 5;

/// With fewer commands than this, the second link would be waited for instead of asked for.
const FEW: usize = 4;

/// Starts the memory reads of the first commands of a batch, to which [`warm`] comes too late. Call it before the first
/// of them is applied.
#[inline]
pub fn warm_first(state: &State, commands: &[Sequenced<Command>]) {
    let stages = if commands.len() < FEW { 1 } else { STAGES };
    for (stage, ahead) in AHEAD.into_iter().enumerate().take(stages) {
        commands.iter().take(ahead).for_each(|coming| warm_stage(state, &coming.command, stage));
    }
}

/// Starts the memory reads of the commands behind place `at`.
#[inline]
pub fn warm(state: &State, commands: &[Sequenced<Command>], at: usize) {
    for (stage, ahead) in AHEAD.into_iter().enumerate() {
        if let Some(coming) = commands.get(at + ahead) {
            warm_stage(state, &coming.command, stage);
        }
    }
}

/// Starts the reads of one stage, 0 to [`STAGES`] - 1, for one command.
#[inline]
pub fn warm_stage(state: &State, command: &Command, stage: usize) {
    match command {
        Command::NewOrder(order) if stage == 0 => new_order_rows(state, order),
        Command::NewOrder(order) => new_order_book(state, order, stage as u32),
        Command::CancelOrder(cancel) => cancel_stage(state, cancel, stage),
        _ => {}
    }
}

#[inline]
fn record_of(state: &State, order: OrderId) -> Option<&OrderRecord> {
    state.orders.index_of(order.number()).map(|index| state.orders.get(index))
}

/// Accounts are opened in the order of their numbers, nearly always.
#[inline]
fn row_of(account: AccountId) -> u32 {
    account.number().wrapping_sub(1) as u32
}

#[inline]
fn account(state: &State, row: u32) {
    if let Some(account) = state.ledger.accounts().get(row as usize) {
        prefetch_whole(account);
    }
}

#[inline]
fn position_place(state: &State, row: u32, instrument: InstrumentId) {
    if let Some(place) = state.ledger.position_place(row, instrument) {
        prefetch(place);
    }
}

#[inline]
fn instrument(state: &State, instrument: InstrumentId) {
    if let Some(day) = state.days.get(instrument.0 as usize) {
        prefetch(day);
    }
    if let Some(listing) = state.venue.listings.get(instrument.0 as usize) {
        prefetch_whole(listing);
    }
}

#[inline]
fn new_order_rows(state: &State, order: &NewOrder) {
    let row = row_of(order.account);
    account(state, row);
    position_place(state, row, order.instrument);
    if let Some(slot) = state.keys.home_of(row, order.client_order) {
        prefetch(slot);
    }
    if let Some(last) = state.last_order.get(row as usize) {
        prefetch(last);
    }
    instrument(state, order.instrument);
}

#[inline]
fn new_order_book(state: &State, order: &NewOrder, stage: u32) {
    if stage == 1
        && let Some(position) = state.ledger.position(row_of(order.account), order.instrument)
    {
        prefetch(position);
    }
    let Some(listing) = state.venue.listing(order.instrument) else { return };
    let price = listing.ticks(order.price);
    let other = order.side.opposite();
    if !listing.book.best(other).is_some_and(|best| crosses(order.side, price, best)) {
        if stage <= 2 {
            listing.book.warm_level(order.side, price, stage - 1);
        }
        return;
    }
    if stage == 2
        && let Some(shares) = state.ledger.house().shares_place(order.instrument)
    {
        prefetch(shares);
    }
    if stage <= 2 {
        return listing.book.warm_best(other, stage - 1);
    }
    let Some(maker) = listing.book.first(other).and_then(|maker| record_of(state, maker)) else { return };
    if stage == 3 {
        return prefetch(maker);
    }
    account(state, maker.account_row);
    position_place(state, maker.account_row, maker.instrument);
}

#[inline]
const fn crosses(side: Side, limit: i64, best: i64) -> bool {
    match side {
        Side::Buy => limit >= best,
        Side::Sell => limit <= best,
    }
}

#[inline]
fn cancel_stage(state: &State, cancel: &CancelOrder, stage: usize) {
    if stage > 2 {
        return;
    }
    let Some(record) = record_of(state, cancel.order) else { return };
    match stage {
        0 => prefetch(record),
        1 => {
            account(state, row_of(cancel.account));
            instrument(state, record.instrument);
            if record.side == Side::Sell {
                position_place(state, record.account_row, record.instrument);
            }
        }
        _ => {
            if let Some(listing) = state.venue.listing(record.instrument) {
                listing.book.warm_order(heng_matching::Handle(record.venue_ref));
            }
            if record.side == Side::Sell
                && let Some(position) = state.ledger.position(record.account_row, record.instrument)
            {
                prefetch(position);
            }
        }
    }
}
