//! Memory reads of coming commands, started early: a core with a million accounts waits for memory more than it
//! computes. Every look-up is a chain (order, its account, its position), so the links are asked for one stage after
//! the other, each when the one before has arrived. Nothing here changes state or results.

use heng_matching::{OrderBook as _, prefetch, prefetch_whole};
use heng_model::command::{CancelOrder, NewOrder};
use heng_model::{AccountId, Command, OrderId, Sequenced, Side};

use crate::orders::OrderRecord;
use crate::state::State;

/// How many commands ahead the first, second and third link of a chain are asked for.
const AHEAD: [usize; 3] = [18, 12, 6];

/// Starts the memory reads of the commands behind place `at`.
#[inline]
pub fn warm(state: &State, commands: &[Sequenced<Command>], at: usize) {
    for (stage, ahead) in AHEAD.into_iter().enumerate() {
        if let Some(coming) = commands.get(at + ahead) {
            warm_stage(state, &coming.command, stage);
        }
    }
}

/// Starts the reads of one stage, 0 to 2, for one command.
#[inline]
pub fn warm_stage(state: &State, command: &Command, stage: usize) {
    match (command, stage) {
        (Command::NewOrder(order), 0) => new_order_first(state, order),
        (Command::NewOrder(order), 1) => new_order_second(state, order),
        (Command::NewOrder(order), _) => new_order_third(state, order),
        (Command::CancelOrder(cancel), 0) => {
            if let Some(record) = record_of(state, cancel.order) {
                prefetch_whole(record);
            }
        }
        (Command::CancelOrder(cancel), 1) => cancel_second(state, cancel),
        (Command::CancelOrder(cancel), _) => cancel_third(state, cancel),
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
fn new_order_first(state: &State, order: &NewOrder) {
    let row = row_of(order.account);
    account(state, row);
    if let Some(place) = state.ledger.position_place(row, order.instrument) {
        prefetch(place);
    }
    if let Some(slot) = state.keys.home_of(row, order.client_order) {
        prefetch(slot);
    }
    if let Some(last) = state.last_order.get(row as usize) {
        prefetch(last);
    }
    if let Some(day) = state.days.get(order.instrument.0 as usize) {
        prefetch_whole(day);
    }
    if let Some(listing) = state.venue.listings.get(order.instrument.0 as usize) {
        prefetch_whole(listing);
    }
}

#[inline]
fn new_order_second(state: &State, order: &NewOrder) {
    if let Some(position) = state.ledger.position(row_of(order.account), order.instrument) {
        prefetch(position);
    }
    let Some(listing) = state.venue.listing(order.instrument) else { return };
    let price = listing.ticks(order.price);
    listing.book.warm_level(order.side, price);
    if let Some(best) = listing.book.best(order.side.opposite())
        && crosses(order.side, price, best)
        && let Some((_, maker)) = listing.book.front(order.side.opposite())
        && let Some(record) = record_of(state, maker.order)
    {
        prefetch_whole(record);
    }
}

#[inline]
fn new_order_third(state: &State, order: &NewOrder) {
    let Some(listing) = state.venue.listing(order.instrument) else { return };
    let price = listing.ticks(order.price);
    if let Some(best) = listing.book.best(order.side.opposite())
        && crosses(order.side, price, best)
        && let Some((_, maker)) = listing.book.front(order.side.opposite())
        && let Some(record) = record_of(state, maker.order)
    {
        account(state, record.account_row);
        if let Some(place) = state.ledger.position_place(record.account_row, record.instrument) {
            prefetch(place);
        }
    }
}

#[inline]
const fn crosses(side: Side, limit: i64, best: i64) -> bool {
    match side {
        Side::Buy => limit >= best,
        Side::Sell => limit <= best,
    }
}

#[inline]
fn cancel_second(state: &State, cancel: &CancelOrder) {
    account(state, row_of(cancel.account));
    let Some(record) = record_of(state, cancel.order) else { return };
    if record.side == Side::Sell
        && let Some(place) = state.ledger.position_place(record.account_row, record.instrument)
    {
        prefetch(place);
    }
    if let Some(listing) = state.venue.listings.get(record.instrument.0 as usize) {
        prefetch_whole(listing);
    }
    if let Some(day) = state.days.get(record.instrument.0 as usize) {
        prefetch_whole(day);
    }
}

#[inline]
fn cancel_third(state: &State, cancel: &CancelOrder) {
    let Some(record) = record_of(state, cancel.order) else { return };
    if record.side == Side::Sell
        && let Some(position) = state.ledger.position(record.account_row, record.instrument)
    {
        prefetch(position);
    }
    if let Some(listing) = state.venue.listing(record.instrument) {
        listing.book.warm_order(heng_matching::Handle(record.venue_ref));
        listing.book.warm_level(record.side, listing.ticks(record.price));
    }
}
