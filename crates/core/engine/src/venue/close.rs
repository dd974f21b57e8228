//! The closing price in Hong Kong 收市價: that of the closing auction; without a trade there, the median of nominal
//! prices taken in the last minute of continuous trading (Rules of the Exchange, Rule 101, "closing price").

use std::collections::BTreeMap;

use heng_model::command::OpenDay;
use heng_model::{Exchange, InstrumentId, Phase, Price, SECOND, Side, UnixNanos};
use heng_rulebook::{AuctionTie, Rulebook};

use crate::timers::{Timer, Timers};
use crate::venue::{Listing, Segment, Venue};

/// Nominal prices of one instrument, taken on the trade date.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Nominals {
    /// When the last one was taken: at the end of continuous trading.
    pub(crate) last: UnixNanos,
    /// In the order in which they were taken.
    pub(crate) prices: Vec<Price>,
}

impl Nominals {
    /// The middle one; of an even number the lower of the two in the middle.
    fn median(&self) -> Option<Price> {
        let mut sorted = self.prices.clone();
        sorted.sort_unstable();
        sorted.get(sorted.len().checked_sub(1)? / 2).copied()
    }
}

/// The nominal price 按盤價: the last trade of the day (without one, the previous close), raised to the best bid or
/// lowered to the best ask that has passed it.
fn nominal(listing: &Listing) -> Price {
    let best = |side| heng_matching::OrderBook::best(&listing.book, side).map(|ticks| listing.price(ticks));
    let last = listing.reference();
    match (best(Side::Buy), best(Side::Sell)) {
        (Some(bid), _) if bid > last => bid,
        (_, Some(ask)) if ask < last => ask,
        _ => last,
    }
}

/// Arms the moments at which nominal prices are taken before the step `end` ends the last continuous trading of a
/// Hong Kong segment. They are armed before that step, so the last one, at the same instant, comes first.
pub(crate) fn arm_nominals(
    timers: &mut Timers,
    rules: &Rulebook,
    open: &OpenDay,
    (number, segment): (u32, &Segment),
    end: usize,
) {
    let last_continuous = segment.steps.iter().rposition(|step| step.phase == Phase::Continuous);
    let exchange = segment.board.exchange();
    if exchange != Exchange::Hk || last_continuous.map(|at| at + 1) != Some(end) {
        return;
    }
    let Ok(close) = rules.closing_nominals(exchange, open.date) else { return };
    for before in (0..i64::from(close.prices)).rev() {
        let time = segment.steps[end].time_of_day - before * i64::from(close.interval_s) * SECOND;
        timers.arm(UnixNanos::at(open.date, time), Timer::Nominal { segment: number });
    }
}

impl Venue {
    /// Takes the nominal price of every instrument of a segment.
    pub(crate) fn take_nominals(&mut self, segment: u32, now: UnixNanos) {
        for (number, listing) in (0u32..).zip(&self.listings) {
            let Some(listing) = listing.as_ref().filter(|one| one.segment == segment && !one.suspended) else {
                continue;
            };
            let taken = self.nominals.entry(InstrumentId(number)).or_default();
            taken.last = now;
            taken.prices.push(nominal(listing));
        }
    }

    /// The closing price of an instrument of this venue.
    pub(crate) fn close_of(&self, id: InstrumentId) -> Option<Price> {
        let listing = self.listing(id)?;
        if listing.tie != AuctionTie::HongKong {
            return Some(listing.close());
        }
        // What traded after continuous trading traded in the closing auction.
        let auctioned = |taken: &Nominals| listing.recent.back().is_some_and(|trade| trade.time >= taken.last);
        let median = self.nominals.get(&id).filter(|taken| !auctioned(taken)).and_then(Nominals::median);
        Some(median.unwrap_or_else(|| listing.reference()))
    }

    /// What a tie of an auction falls back on: in the closing auction of Hong Kong its reference price, which is the
    /// median of the nominal prices; otherwise the last price.
    pub(crate) fn auction_reference(&self, id: InstrumentId, listing: &Listing) -> Price {
        let auction = self.phase(id).is_some_and(Phase::is_auction);
        let taken = self.nominals.get(&id).filter(|_| auction);
        taken.and_then(Nominals::median).unwrap_or_else(|| listing.reference())
    }
}

/// Nominal prices by instrument.
pub(crate) type NominalTable = BTreeMap<InstrumentId, Nominals>;
