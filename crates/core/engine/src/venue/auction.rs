//! Phases change; auctions end in one price; queued and after-hours orders begin to trade.

use heng_matching::call_auction::{price_of_book, uncross};
use heng_matching::order_types::{Incoming, enter_fixed_price};
use heng_matching::{OrderBook, Resting, Ticks};
use heng_model::command::{ReportKind, VenueReport};
use heng_model::event::{AuctionPrinted, PhaseChanged};
use heng_model::market::CancelReason;
use heng_model::{InstrumentId, OrderType, Phase, Price, Qty, SelfTrade, Side};

use crate::sink::EventSink;
use crate::state::State;
use crate::venue::enter::{cancelled, report};

impl State {
    /// A segment enters a step of its day: what the old phase owes is done first.
    pub(crate) fn enter_phase<S: EventSink>(&mut self, segment: u32, step: u32, sink: &mut S) {
        let at = segment as usize;
        let Some(next) = self.venue.segments[at].steps.get(step as usize).copied() else { return };
        let before = self.venue.segments[at].phase();
        if before.is_auction() && !next.phase.is_auction() {
            self.each_listing(segment, |state, id| state.end_auction(id, sink));
        }
        self.venue.segments[at].current = Some(step);
        let (board, class) = (self.venue.segments[at].board, self.venue.segments[at].class);
        sink.emit(PhaseChanged { board, class, phase: next.phase }.into());
        if !next.queued {
            if next.phase == Phase::Continuous && !self.venue.segments[at].queued.is_empty() {
                // What the auction held back came earlier than what was queued after it.
                self.each_listing(segment, |state, id| state.release_held(id, sink));
            }
            let queued = core::mem::take(&mut self.venue.segments[at].queued);
            for route in &queued {
                self.enter_venue(route, sink);
            }
        }
        match next.phase {
            Phase::Continuous => self.each_listing(segment, |state, id| state.match_collected(id, sink)),
            phase if phase.is_auction() && !self.venue.held.is_empty() => {
                self.each_listing(segment, |state, id| state.collect_held(id, sink));
            }
            Phase::AfterHours => self.each_listing(segment, |state, id| state.begin_after_hours(id, sink)),
            Phase::Ended => self.each_listing(segment, |state, id| state.sweep(id, CancelReason::DayEnd, sink)),
            _ => {}
        }
    }

    fn each_listing(&mut self, segment: u32, mut act: impl FnMut(&mut Self, InstrumentId)) {
        for number in 0..self.venue.listings.len() {
            let of_segment = self.venue.listings[number].as_ref().is_some_and(|l| l.segment == segment && !l.suspended);
            if of_segment {
                act(self, InstrumentId(u32::try_from(number).expect("bounded by INSTRUMENTS_MAX")));
            }
        }
    }

    /// A call auction ends: one price, all trades at it. A halted instrument waits for its resumption.
    fn end_auction<S: EventSink>(&mut self, id: InstrumentId, sink: &mut S) {
        let listing = self.venue.listing(id).expect("the caller walks listings");
        if listing.halted {
            return;
        }
        self.uncross(id, sink);
        self.end_auction_orders(id, sink);
    }

    /// What was collected while nothing could trade (a halt that ended in the break) is matched in one auction before
    /// continuous trading goes on.
    fn match_collected<S: EventSink>(&mut self, id: InstrumentId, sink: &mut S) {
        let listing = self.venue.listing(id).expect("the caller walks listings");
        let crossed = matches!((listing.book.best(Side::Buy), listing.book.best(Side::Sell)), (Some(bid), Some(ask)) if bid >= ask);
        if crossed && !listing.halted {
            self.uncross(id, sink);
        }
        self.release_held(id, sink);
    }

    /// Matches what was collected at one price (open, close, resumption).
    pub(super) fn uncross<S: EventSink>(&mut self, id: InstrumentId, sink: &mut S) {
        let mut trades = core::mem::take(&mut self.venue.auction_trades);
        let listing = self.venue.listing(id).expect("the caller walks listings");
        let reference = listing.ticks(self.venue.auction_reference(id, listing));
        let listing = self.venue.listings[id.0 as usize].as_mut().expect("found above");
        let found = price_of_book(&listing.book, listing.auction_rule(), reference);
        if let Some(found) = found {
            uncross(&mut listing.book, found, &mut trades);
        }
        let price = found.map_or(Price::ZERO, |found| listing.price(found.price));
        let volume = Qty(found.map_or(0, |found| found.volume));
        sink.emit(AuctionPrinted { instrument: id, price, volume }.into());
        for trade in &trades {
            self.print_trade(id, price, trade.qty, (trade.buy, trade.sell), (Side::Buy, true), sink);
        }
        trades.clear();
        self.venue.auction_trades = trades;
    }

    /// Hong Kong: what is left of at-auction limit orders goes on at its limit, unless it still reaches the other side
    /// and so may not rest in continuous trading.
    fn end_auction_orders<S: EventSink>(&mut self, id: InstrumentId, sink: &mut S) {
        let listing = self.venue.listings[id.0 as usize].as_mut().expect("the caller walks listings");
        if !listing.rules.takes(OrderType::AtAuctionLimit) {
            return;
        }
        let crossed = crossing(&listing.book);
        for resting in &crossed {
            let handle = listing.book.find(resting.order).expect("it was just listed");
            listing.book.cancel(handle, resting.order);
        }
        for resting in crossed {
            self.deliver(&cancelled(resting.order, resting.qty, CancelReason::PhaseEnd), sink);
        }
    }

    /// After-hours trading begins: collected orders trade at the close, each side in the order in which it came. A
    /// halted instrument waits for its resumption.
    pub(super) fn begin_after_hours<S: EventSink>(&mut self, id: InstrumentId, sink: &mut S) {
        let listing = self.venue.listings[id.0 as usize].as_mut().expect("the caller walks listings");
        if listing.halted {
            return;
        }
        let close = listing.ticks(listing.close());
        let Some(after) = listing.after_hours.as_mut() else { return };
        let limits = core::mem::take(&mut after.limits);
        let waiting: Vec<Resting> = after.book.orders(Side::Buy).chain(after.book.orders(Side::Sell)).collect();
        after.book.clear();
        for resting in waiting {
            let incoming = Incoming {
                order: resting.order,
                owner: resting.owner,
                side: resting.side,
                order_type: OrderType::AfterHoursFixed,
                limit: Some(limits.get(&resting.order).copied().unwrap_or(close)),
                qty: resting.qty,
                self_trade: SelfTrade::Allow,
            };
            self.enter_at_close(id, &incoming, close, sink);
        }
    }

    fn enter_at_close<S: EventSink>(&mut self, id: InstrumentId, incoming: &Incoming, close: Ticks, sink: &mut S) {
        let mut executions = core::mem::take(&mut self.venue.executions);
        let listing = self.venue.listings[id.0 as usize].as_mut().expect("the caller walks listings");
        let entered = enter_fixed_price(&mut listing.after_hours().book, incoming, close, &mut executions);
        let price = listing.price(close);
        for execution in executions.drain(..) {
            let (buy, sell) = match incoming.side {
                Side::Buy => (incoming.order, execution.maker),
                Side::Sell => (execution.maker, incoming.order),
            };
            self.print_trade(id, price, execution.qty, (buy, sell), (Side::Buy, true), sink);
        }
        self.venue.executions = executions;
        if let Some((handle, _, _)) = entered.rested {
            let moved = VenueReport { detail: handle.0, price, ..report(incoming.order, ReportKind::Working) };
            self.deliver(&moved, sink);
        }
        if let Some((qty, _)) = entered.cancelled {
            self.deliver(&cancelled(incoming.order, qty, CancelReason::Unfilled), sink);
        }
    }
}

/// Orders that still reach the other side after an auction: they could not trade and may not rest.
fn crossing<B: OrderBook>(book: &B) -> Vec<Resting> {
    let (Some(bid), Some(ask)) = (book.best(Side::Buy), book.best(Side::Sell)) else { return Vec::new() };
    let buys = book.orders(Side::Buy).take_while(|resting| resting.price >= ask);
    let sells = book.orders(Side::Sell).take_while(|resting| resting.price <= bid);
    buys.chain(sells).collect()
}
