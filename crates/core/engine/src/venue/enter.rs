//! Step 6: an order enters the venue, trades, rests or is refused; a cancel takes it out.

use heng_matching::order_types::{Entered, Incoming, Unfilled, enter, enter_fixed_price};
use heng_matching::{Execution, ExecutionKind, Handle, OrderBook, Ticks};
use heng_model::command::{ReportKind, RouteCancel, RouteMassCancel, RouteOrder, VenueReport};
use heng_model::event::{OrderWorking, Trade};
use heng_model::market::CancelReason;
use heng_model::{
    AccountId, Check, CheckName, InputName, InstrumentId, OrderId, OrderType, Phase, Price, Qty, RejectCode, Side,
    TradeId, limits,
};
use heng_pretrade::Witness as _;
use heng_rulebook::{CageQuote, cage_limit};

use crate::inspect::mark_refused;
use crate::pipeline::{Outcome, refuse};
use crate::sink::EventSink;
use crate::state::State;
use crate::venue::Listing;

/// How an order is treated in the present phase.
enum Way {
    /// Trades against the book.
    Continuous,
    /// Rests for an auction.
    Collect,
    /// Trades at the closing price.
    FixedPrice,
    /// Waits at the exchange until the price cage reaches it.
    HoldBack,
    /// Waits for the next phase.
    Queue,
}

pub(super) const fn report(order: OrderId, kind: ReportKind) -> VenueReport {
    VenueReport { order, kind, detail: 0, trade: TradeId(0), price: Price(0), quantity: Qty(0), reason: 0 }
}

pub(crate) fn cancelled(order: OrderId, quantity: i64, reason: CancelReason) -> VenueReport {
    VenueReport { quantity: Qty(quantity), reason: reason as u8, ..report(order, ReportKind::Cancelled) }
}

fn fill(order: OrderId, trade: TradeId, price: Price, quantity: Qty) -> VenueReport {
    VenueReport { trade, price, quantity, ..report(order, ReportKind::Fill) }
}

impl State {
    /// An order arrives from another partition; it is looked at before it is believed.
    pub(crate) fn route_arrives<S: EventSink>(&mut self, route: &RouteOrder, sink: &mut S) -> Outcome {
        if route.order.partition() == self.partition {
            // Orders of this partition never travel.
            return refuse(&(*route).into(), AccountId(0), RejectCode::BadField, sink);
        }
        if self.venue.listing(route.instrument).is_none_or(|listing| is_sound(listing, route)) {
            self.enter_venue(route, sink);
            return Outcome::DONE;
        }
        let detail = u32::from(RejectCode::BadField.number());
        self.deliver(&VenueReport { detail, ..report(route.order, ReportKind::Rejected) }, sink);
        Outcome::order(route.order, Some(RejectCode::BadField))
    }

    /// A cancel arrives from another partition.
    pub(crate) fn route_cancel_arrives<S: EventSink>(&mut self, cancel: &RouteCancel, sink: &mut S) -> Outcome {
        if cancel.order.partition() == self.partition {
            return refuse(&(*cancel).into(), AccountId(0), RejectCode::BadField, sink);
        }
        self.cancel_at_venue(cancel, sink);
        Outcome::DONE
    }

    /// An order arrives at this venue.
    #[inline]
    pub(crate) fn enter_venue<S: EventSink>(&mut self, route: &RouteOrder, sink: &mut S) {
        let way = self.way_of(route);
        if S::WATCHES {
            sink.venue_checked(route.order, self.venue_checks(route, way.as_ref().err().copied()));
        }
        match way {
            Ok(Way::Continuous) => self.enter_continuous(route, sink),
            Ok(Way::Collect) => self.collect(route, sink),
            Ok(Way::FixedPrice) => self.enter_after_hours(route, sink),
            Ok(Way::Queue) => self.queue(route),
            Ok(Way::HoldBack) => self.venue.held.add(route),
            Err(code) => {
                let refusal =
                    VenueReport { detail: u32::from(code.number()), ..report(route.order, ReportKind::Rejected) };
                self.deliver(&refusal, sink);
            }
        }
        if !self.venue.held.is_empty() {
            self.release_held(route.instrument, sink);
        }
    }

    /// What the venue checks: phase, order type, suspension, cage.
    #[inline]
    fn way_of(&self, route: &RouteOrder) -> Result<Way, RejectCode> {
        let listing = self.venue.listing(route.instrument).ok_or(RejectCode::NoReference)?;
        if listing.suspended {
            return Err(RejectCode::InstrumentSuspended);
        }
        let step = self.venue.segments[listing.segment as usize].step().ok_or(RejectCode::PhaseForbids)?;
        if !step.accepts_orders {
            return Err(RejectCode::PhaseForbids);
        }
        if !step.takes(route.order_type) {
            return Err(RejectCode::OrderTypeForbidden);
        }
        if route.order_type == OrderType::AfterHoursFixed {
            return match (step.phase == Phase::AfterHours, listing.halted) {
                (false, _) => Ok(Way::Collect),
                (true, false) => Ok(Way::FixedPrice),
                (true, true) => Err(RejectCode::InstrumentSuspended),
            };
        }
        if step.queued {
            return Ok(Way::Queue);
        }
        if step.phase != Phase::Continuous || listing.halted {
            return self.way_into_auction(route);
        }
        if !is_outside_cage(listing, route) {
            return Ok(Way::Continuous);
        }
        let holds_back = listing.rules.cage.is_some_and(|cage| cage.holds_back);
        if holds_back { Ok(Way::HoldBack) } else { Err(RejectCode::PriceCage) }
    }

    /// What the venue looks at, for whoever wants to know: the phase, and the cage where it holds.
    pub(crate) fn venue_checks(&self, route: &RouteOrder, refusal: Option<RejectCode>) -> Vec<Check> {
        let mut checks = Vec::new();
        let Some(listing) = self.venue.listing(route.instrument) else { return checks };
        let phase = self.venue.phase(route.instrument);
        let suspended = listing.suspended || listing.halted;
        checks.saw(
            CheckName::Phase,
            &[
                (InputName::Phase, phase.map_or(0, |phase| phase as i64)),
                (InputName::OrderType, route.order_type as i64),
                (InputName::Suspended, i64::from(suspended)),
            ],
        );
        let trading = phase == Some(Phase::Continuous) && !suspended;
        let limit = cage_limit_of(listing, route.side, route.price, route.order_type);
        if let (true, Some(limit)) = (trading || refusal == Some(RejectCode::PriceCage), limit) {
            let quote = cage_quote(listing);
            let price = |price: Option<Price>| price.map_or(0, |price| price.0);
            checks.saw(
                CheckName::Cage,
                &[
                    (InputName::Price, route.price.0),
                    (InputName::CageLimit, limit.0),
                    (InputName::BestBid, price(quote.best_bid)),
                    (InputName::BestAsk, price(quote.best_ask)),
                    (InputName::Last, price(quote.last)),
                    (InputName::PrevClose, price(quote.previous_close)),
                ],
            );
        }
        mark_refused(&mut checks, refusal.is_some());
        checks
    }

    /// Why this venue would refuse an order now, if it would.
    pub(crate) fn venue_refusal(&self, route: &RouteOrder) -> Option<RejectCode> {
        self.way_of(route).err()
    }

    /// An auction, or a halt that collects for the auction at its end, takes limit orders within its valid range.
    fn way_into_auction(&self, route: &RouteOrder) -> Result<Way, RejectCode> {
        if !route.order_type.is_limit() {
            return Err(RejectCode::PhaseForbids);
        }
        match self.venue.bands.get(&route.instrument) {
            Some(band) if self.venue.is_outside_band(band, route) => {
                if band.holds_back {
                    Ok(Way::HoldBack)
                } else {
                    Err(RejectCode::PriceCage)
                }
            }
            _ => Ok(Way::Collect),
        }
    }

    #[inline]
    pub(super) fn enter_continuous<S: EventSink>(&mut self, route: &RouteOrder, sink: &mut S) {
        let mut executions = core::mem::take(&mut self.venue.executions);
        let listing = self.venue.listings[route.instrument.0 as usize].as_mut().expect("the way was found");
        let incoming = incoming(listing, route);
        let entered = enter(&mut listing.book, &incoming, listing.bounds, &mut executions);
        self.tell_executions(route, &executions, false, sink);
        self.tell_taker(route, &entered, sink);
        executions.clear();
        self.venue.executions = executions;
        if entered.taken.filled > 0 {
            self.watch_volatility(route.instrument, sink);
        }
    }

    /// Trades and self-trade prevention, in the order in which they happened.
    #[inline]
    fn tell_executions<S: EventSink>(
        &mut self,
        route: &RouteOrder,
        executions: &[Execution],
        one_price: bool,
        sink: &mut S,
    ) {
        for execution in executions {
            let price =
                self.venue.listings[route.instrument.0 as usize].as_ref().expect("found").price(execution.price);
            match execution.kind {
                ExecutionKind::Fill => {
                    let (buy, sell) = match route.side {
                        Side::Buy => (route.order, execution.maker),
                        Side::Sell => (execution.maker, route.order),
                    };
                    let maker = route.side.opposite();
                    self.print_trade(route.instrument, price, execution.qty, (buy, sell), (maker, one_price), sink);
                }
                ExecutionKind::SelfTradeCancel => {
                    self.deliver(&cancelled(execution.maker, execution.qty, CancelReason::SelfTrade), sink);
                }
                ExecutionKind::SelfTradeDecrement => {
                    self.tell_decrement(execution.maker, execution.qty, execution.maker_remaining, sink);
                }
            }
        }
    }

    fn tell_decrement<S: EventSink>(&mut self, order: OrderId, by: i64, left: i64, sink: &mut S) {
        let told = if left == 0 {
            cancelled(order, by, CancelReason::SelfTrade)
        } else {
            VenueReport { quantity: Qty(by), ..report(order, ReportKind::Reduced) }
        };
        self.deliver(&told, sink);
    }

    /// Prints a trade and reports it to both orders, the buyer first.
    #[inline]
    pub(super) fn print_trade<S: EventSink>(
        &mut self,
        instrument: InstrumentId,
        price: Price,
        quantity: i64,
        (buy, sell): (OrderId, OrderId),
        (maker, auction): (Side, bool),
        sink: &mut S,
    ) {
        let trade = self.venue.next_trade();
        let listing = self.venue.listings[instrument.0 as usize].as_mut().expect("it traded");
        listing.note_trade(self.time, price, quantity);
        let quantity = Qty(quantity);
        sink.tell(Trade { trade, instrument, price, quantity, buy, sell, maker, auction });
        self.deliver(&fill(buy, trade, price, quantity), sink);
        self.deliver(&fill(sell, trade, price, quantity), sink);
    }

    /// What became of the incoming order itself.
    #[inline]
    fn tell_taker<S: EventSink>(&mut self, route: &RouteOrder, entered: &Entered, sink: &mut S) {
        let decremented = route.quantity.0 - entered.taken.filled - entered.taken.remaining;
        if decremented > 0 {
            self.tell_decrement(route.order, decremented, entered.taken.remaining, sink);
        }
        if let Some((handle, ticks, qty)) = entered.rested {
            let listing = self.venue.listings[route.instrument.0 as usize].as_ref().expect("found");
            let price = listing.price(ticks);
            self.tell_working(route, handle, price, qty, sink);
        }
        if let Some((qty, why)) = entered.cancelled {
            self.tell_unfilled(route, qty, why, sink);
        }
    }

    fn tell_unfilled<S: EventSink>(&mut self, route: &RouteOrder, qty: i64, why: Unfilled, sink: &mut S) {
        let refused = why == Unfilled::SelfTrade && route.self_trade == heng_model::SelfTrade::Reject;
        let told = if refused {
            let detail = u32::from(RejectCode::SelfTrade.number());
            VenueReport { detail, ..report(route.order, ReportKind::Rejected) }
        } else {
            let reason = if why == Unfilled::SelfTrade { CancelReason::SelfTrade } else { CancelReason::Unfilled };
            cancelled(route.order, qty, reason)
        };
        self.deliver(&told, sink);
    }

    #[inline]
    fn tell_working<S: EventSink>(&mut self, route: &RouteOrder, handle: Handle, price: Price, qty: i64, sink: &mut S) {
        let RouteOrder { order, instrument, side, .. } = *route;
        sink.tell(OrderWorking { order, instrument, side, price, quantity: Qty(qty) });
        let told = VenueReport { detail: handle.0, price, ..report(order, ReportKind::Working) };
        self.deliver(&told, sink);
    }

    /// Rests an order for an auction, a resumption, or after-hours trading.
    pub(super) fn collect<S: EventSink>(&mut self, route: &RouteOrder, sink: &mut S) {
        let listing = self.venue.listings[route.instrument.0 as usize].as_mut().expect("the way was found");
        let ticks = listing.ticks(route.price);
        let (order, owner, side, qty) = (route.order, route.owner, route.side, route.quantity.0);
        let handle = if route.order_type == OrderType::AfterHoursFixed {
            let after = listing.after_hours();
            after.limits.insert(order, ticks);
            after.book.rest(order, owner, side, 0, qty)
        } else {
            listing.book.rest(order, owner, side, ticks, qty)
        };
        self.tell_working(route, handle, route.price, qty, sink);
    }

    fn enter_after_hours<S: EventSink>(&mut self, route: &RouteOrder, sink: &mut S) {
        let mut executions = core::mem::take(&mut self.venue.executions);
        let listing = self.venue.listings[route.instrument.0 as usize].as_mut().expect("the way was found");
        let (incoming, close) = (incoming(listing, route), listing.ticks(listing.close()));
        let entered = enter_fixed_price(&mut listing.after_hours().book, &incoming, close, &mut executions);
        self.tell_executions(route, &executions, true, sink);
        self.tell_taker(route, &entered, sink);
        executions.clear();
        self.venue.executions = executions;
    }

    fn queue(&mut self, route: &RouteOrder) {
        let segment = self.venue.listing(route.instrument).expect("the way was found").segment as usize;
        self.venue.segments[segment].queued.push(*route);
    }

    /// A cancel arrives at this venue.
    #[inline]
    pub(crate) fn cancel_at_venue<S: EventSink>(&mut self, cancel: &RouteCancel, sink: &mut S) {
        let told = match self.take_out(cancel) {
            Ok(quantity) => cancelled(cancel.order, quantity, cancel.reason),
            Err(code) => {
                VenueReport { detail: u32::from(code.number()), ..report(cancel.order, ReportKind::CancelRejected) }
            }
        };
        self.deliver(&told, sink);
        if !self.venue.held.is_empty() {
            self.release_held(cancel.instrument, sink);
        }
    }

    #[inline]
    fn take_out(&mut self, cancel: &RouteCancel) -> Result<i64, RejectCode> {
        let segment = self.venue.listing(cancel.instrument).ok_or(RejectCode::UnknownOrder)?.segment as usize;
        let allowed = self.venue.segments[segment].step().is_none_or(|step| step.cancel_allowed);
        if !allowed {
            return Err(RejectCode::NoCancelPhase);
        }
        let listing = self.venue.listings[cancel.instrument.0 as usize].as_mut().expect("found above");
        let (handle, order) = (Handle(cancel.venue_ref), cancel.order);
        if let Some(quantity) = listing.book.cancel(handle, order) {
            return Ok(quantity);
        }
        if let Some(after) = listing.after_hours.as_mut()
            && let Some(quantity) = after.book.cancel(handle, order).or_else(|| search(&mut after.book, order))
        {
            after.limits.remove(&order);
            return Ok(quantity);
        }
        let queued = &mut self.venue.segments[segment].queued;
        if let Some(at) = queued.iter().position(|route| route.order == order) {
            return Ok(queued.remove(at).quantity.0);
        }
        if let Some(quantity) = self.venue.held.take(cancel.instrument, order) {
            return Ok(quantity.0);
        }
        // Without its place (the report that tells it is on the way) the order is looked for.
        search(&mut listing.book, order).ok_or(RejectCode::OrderDone)
    }

    /// All resting orders of an instrument leave.
    pub(crate) fn mass_cancel_at_venue<S: EventSink>(
        &mut self,
        cancel: &RouteMassCancel,
        sink: &mut S,
    ) -> Result<(), RejectCode> {
        self.venue.listing(cancel.instrument).ok_or(RejectCode::UnknownInstrument)?;
        self.sweep(cancel.instrument, cancel.reason, sink);
        Ok(())
    }

    /// Takes every order of an instrument out and reports it.
    pub(crate) fn sweep<S: EventSink>(&mut self, instrument: InstrumentId, reason: CancelReason, sink: &mut S) {
        let Some(listing) = self.venue.listing_mut(instrument) else { return };
        let segment = listing.segment as usize;
        let mut leaving: Vec<(OrderId, i64)> = Vec::with_capacity(listing.book.len());
        for side in [Side::Buy, Side::Sell] {
            leaving.extend(listing.book.orders(side).map(|resting| (resting.order, resting.qty)));
        }
        listing.book.clear();
        if let Some(after) = listing.after_hours.take() {
            for side in [Side::Buy, Side::Sell] {
                leaving.extend(after.book.orders(side).map(|resting| (resting.order, resting.qty)));
            }
        }
        let queued = &mut self.venue.segments[segment].queued;
        leaving.extend(queued.iter().filter(|r| r.instrument == instrument).map(|r| (r.order, r.quantity.0)));
        queued.retain(|route| route.instrument != instrument);
        leaving.extend(self.venue.held.take_all(instrument).iter().map(|r| (r.order, r.quantity.0)));
        for (order, quantity) in leaving {
            self.deliver(&cancelled(order, quantity, reason), sink);
        }
    }
}

fn search<B: OrderBook>(book: &mut B, order: OrderId) -> Option<i64> {
    book.find(order).and_then(|handle| book.cancel(handle, order))
}

/// Whether an order from another partition may enter the book at all. Its own partition has checked it; a mistake
/// there must not stop this venue.
fn is_sound(listing: &Listing, route: &RouteOrder) -> bool {
    let (price, quantity) = (route.price, route.quantity.0);
    let priced = price > Price::ZERO && price.0 <= limits::PRICE_MAX && price.0 % listing.quantum == 0;
    let free = price == Price::ZERO && !route.order_type.is_limit();
    let fits = free || (priced && listing.book.accepts(listing.ticks(price)));
    fits && (1..=limits::QUANTITY_MAX).contains(&quantity)
}

#[inline]
pub(super) fn incoming(listing: &Listing, route: &RouteOrder) -> Incoming {
    let limit: Option<Ticks> = (route.price != Price::ZERO).then(|| listing.ticks(route.price));
    Incoming {
        order: route.order,
        owner: route.owner,
        side: route.side,
        order_type: route.order_type,
        limit,
        qty: route.quantity.0,
        self_trade: route.self_trade,
    }
}

/// Whether a limit order is outside the valid declaration range 有效申报价格范围 of continuous trading (SSE 3.3.13, SZSE
/// 3.3.14).
#[inline]
/// The book as the cage sees it.
fn cage_quote(listing: &Listing) -> CageQuote {
    CageQuote {
        best_bid: listing.book.best(Side::Buy).map(|ticks| listing.price(ticks)),
        best_ask: listing.book.best(Side::Sell).map(|ticks| listing.price(ticks)),
        last: (listing.last != Price::ZERO).then_some(listing.last),
        previous_close: Some(listing.prev_close),
    }
}

/// The highest price that the cage lets a buy have, or the lowest of a sell; `None` where no cage holds.
fn cage_limit_of(listing: &Listing, side: Side, price: Price, order_type: OrderType) -> Option<Price> {
    let cage = listing.rules.cage.as_ref().filter(|_| order_type.is_limit())?;
    cage_limit(cage, side, cage_quote(listing), listing.rules.tick.at(price))
}

/// Whether a limit order stands outside the cage.
#[inline]
pub(super) fn is_outside_cage(listing: &Listing, route: &RouteOrder) -> bool {
    match (route.side, cage_limit_of(listing, route.side, route.price, route.order_type)) {
        (_, None) => false,
        (Side::Buy, Some(most)) => route.price > most,
        (Side::Sell, Some(least)) => route.price < least,
    }
}
