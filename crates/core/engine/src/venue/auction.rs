//! Phases change; auctions end in one price; queued and after-hours orders begin to trade.

use heng_matching::call_auction::{price_of_book, uncross};
use heng_matching::order_types::{Incoming, enter_fixed_price};
use heng_matching::{OrderBook, Resting};
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
            let queued = core::mem::take(&mut self.venue.segments[at].queued);
            for route in &queued {
                self.enter_venue(route, sink);
            }
        }
        match next.phase {
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

    /// Matches what was collected at one price (open, close, resumption).
    pub(super) fn uncross<S: EventSink>(&mut self, id: InstrumentId, sink: &mut S) {
        let mut trades = core::mem::take(&mut self.venue.auction_trades);
        let listing = self.venue.listings[id.0 as usize].as_mut().expect("the caller walks listings");
        let reference = listing.ticks(listing.reference());
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

    /// At-auction limit orders (HK) live in the auction alone; what is left of them leaves.
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

    /// After-hours trading begins: collected orders trade at the close in the order in which they came.
    fn begin_after_hours<S: EventSink>(&mut self, id: InstrumentId, sink: &mut S) {
        let listing = self.venue.listings[id.0 as usize].as_mut().expect("the caller walks listings");
        let Some(mut book) = listing.after_hours.take() else { return };
        let close = listing.ticks(listing.reference());
        let mut waiting: Vec<Resting> = book.orders(Side::Buy).chain(book.orders(Side::Sell)).collect();
        // Order numbers grow with time inside an account partition; between partitions the number decides as well.
        waiting.sort_by_key(|resting| (resting.order.number(), resting.order));
        book.clear();
        let mut executions = core::mem::take(&mut self.venue.executions);
        for resting in waiting {
            let incoming = Incoming {
                order: resting.order,
                owner: resting.owner,
                side: resting.side,
                order_type: OrderType::AfterHoursFixed,
                limit: Some(resting.price),
                qty: resting.qty,
                self_trade: SelfTrade::Allow,
            };
            let entered = enter_fixed_price(book.as_mut(), &incoming, close, &mut executions);
            let price = self.venue.listing(id).expect("walked").price(close);
            for execution in executions.drain(..) {
                let (buy, sell) = match resting.side {
                    Side::Buy => (resting.order, execution.maker),
                    Side::Sell => (execution.maker, resting.order),
                };
                self.print_trade(id, price, execution.qty, (buy, sell), (resting.side.opposite(), true), sink);
            }
            if let Some((handle, _, _)) = entered.rested {
                let moved = VenueReport { detail: handle.0, price, ..report(resting.order, ReportKind::Working) };
                self.deliver(&moved, sink);
            }
            if let Some((qty, _)) = entered.cancelled {
                self.deliver(&cancelled(resting.order, qty, CancelReason::Unfilled), sink);
            }
        }
        self.venue.executions = executions;
        self.venue.listing_mut(id).expect("walked").after_hours = Some(book);
    }
}

/// Orders that still reach the other side after an auction: they could not trade and may not rest.
fn crossing<B: OrderBook>(book: &B) -> Vec<Resting> {
    let (Some(bid), Some(ask)) = (book.best(Side::Buy), book.best(Side::Sell)) else { return Vec::new() };
    let buys = book.orders(Side::Buy).take_while(|resting| resting.price >= ask);
    let sells = book.orders(Side::Sell).take_while(|resting| resting.price <= bid);
    buys.chain(sells).collect()
}
