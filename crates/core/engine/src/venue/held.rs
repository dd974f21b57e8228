//! Orders that the exchange holds back 暂存: outside the price cage (ChiNext before 2023-04-10), or outside the valid
//! range of an auction on a day without a price limit (Shenzhen), they wait at its host, without a place in the book,
//! and take part in continuous trading as soon as the cage reaches them (Shenzhen's special rules of 2020 for trading on
//! ChiNext; unverified).

use std::collections::BTreeMap;

use heng_model::command::RouteOrder;
use heng_model::{InstrumentId, OrderId, Phase, Qty};
use heng_rulebook::AuctionBand;

use crate::sink::EventSink;
use crate::state::State;
use crate::venue::enter::is_outside_cage;
use crate::venue::{Listing, Venue};

/// Orders that are held back, by instrument, in the order of their arrival. It is empty on markets that refuse them.
#[derive(Clone, Debug, Default)]
pub(crate) struct HeldOrders {
    pub(crate) by_instrument: BTreeMap<InstrumentId, Vec<RouteOrder>>,
}

impl HeldOrders {
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.by_instrument.is_empty()
    }

    pub(crate) fn add(&mut self, route: &RouteOrder) {
        self.by_instrument.entry(route.instrument).or_default().push(*route);
    }

    /// Takes one order out; its quantity.
    pub(crate) fn take(&mut self, instrument: InstrumentId, order: OrderId) -> Option<Qty> {
        let at = self.by_instrument.get(&instrument)?.iter().position(|route| route.order == order)?;
        Some(self.take_at(instrument, at)?.quantity)
    }

    /// Takes all orders of an instrument out.
    pub(crate) fn take_all(&mut self, instrument: InstrumentId) -> Vec<RouteOrder> {
        self.by_instrument.remove(&instrument).unwrap_or_default()
    }

    /// Takes out the first order that is within the cage.
    fn take_reached(&mut self, instrument: InstrumentId, listing: &Listing) -> Option<RouteOrder> {
        let at = self.by_instrument.get(&instrument)?.iter().position(|route| !is_outside_cage(listing, route))?;
        self.take_at(instrument, at)
    }

    fn take_at(&mut self, instrument: InstrumentId, at: usize) -> Option<RouteOrder> {
        let held = self.by_instrument.get_mut(&instrument)?;
        let route = held.remove(at);
        if held.is_empty() {
            self.by_instrument.remove(&instrument);
        }
        Some(route)
    }
}

impl State {
    /// After every change of an instrument's market: what the cage now reaches enters, one by one, because each may
    /// move the cage again. Every round takes one order out, so it ends.
    #[cold]
    pub(crate) fn release_held<S: EventSink>(&mut self, instrument: InstrumentId, sink: &mut S) {
        while let Some(route) = self.next_reached(instrument) {
            self.enter_continuous(&route, sink);
        }
    }

    fn next_reached(&mut self, instrument: InstrumentId) -> Option<RouteOrder> {
        if self.venue.held.is_empty() {
            return None;
        }
        let continuous = self.venue.phase(instrument) == Some(Phase::Continuous);
        let listing = self.venue.listings.get(instrument.0 as usize)?.as_ref()?;
        if !continuous || listing.halted {
            return None;
        }
        self.venue.held.take_reached(instrument, listing)
    }

    /// An auction has no cage: what was held back takes part in it, if it is within the valid range of the auction.
    pub(crate) fn collect_held<S: EventSink>(&mut self, instrument: InstrumentId, sink: &mut S) {
        let band = self.venue.bands.get(&instrument).copied();
        for route in self.venue.held.take_all(instrument) {
            if band.is_some_and(|band| self.venue.is_outside_band(&band, &route)) {
                self.venue.held.add(&route);
            } else {
                self.collect(&route, sink);
            }
        }
    }
}

impl Venue {
    /// Whether a limit order is outside the valid range of the auction that is, or that will end a halt.
    pub(super) fn is_outside_band(&self, band: &AuctionBand, route: &RouteOrder) -> bool {
        let Some(listing) = self.listing(route.instrument) else { return false };
        let tick = listing.rules.tick.at(route.price);
        match self.phase(route.instrument) {
            Some(Phase::OpenAuction | Phase::OpenAuctionNoCancel) => {
                band.is_outside_open(route.price, listing.prev_close, tick)
            }
            _ => band.is_outside_later(route.price, listing.reference(), tick),
        }
    }
}
