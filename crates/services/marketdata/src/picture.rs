//! What is shown of an instrument at one moment, and what changed since the moment before.

use std::sync::Arc;

use heng_model::{Exchange, Phase, Price, Qty, Side, UnixNanos};

use crate::bars::Bar;
use crate::book::{LEVELS_MAX, Level, Levels};
use crate::market::{Instrument, Listing, Market, PRINTS_PER_UPDATE, Print};

/// Periods of the candles that streams carry, in minutes; the last is the day.
pub(crate) const STREAMED: [(&str, u16); 6] = [("1m", 1), ("5m", 5), ("15m", 15), ("30m", 30), ("60m", 60), ("1d", 0)];
/// Levels that entitlement level 1 shows.
pub(crate) const LEVELS_BASIC: usize = 5;

/// A candle that is still growing: the minute after midnight that it ends at (0 for a day), and its bar.
pub(crate) type Growing = (u16, Bar);

/// An instrument at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Picture {
    /// What does not change during the day.
    pub(crate) listing: Arc<Listing>,
    /// The trade date.
    pub(crate) date: heng_model::TradeDate,
    /// The phase of its board and class.
    pub(crate) phase: Phase,
    /// Halted by itself.
    pub(crate) halted: bool,
    /// Best buy levels.
    pub(crate) bids: Levels,
    /// Best sell levels.
    pub(crate) asks: Levels,
    /// The last trade of the day.
    pub(crate) last: Option<Print>,
    /// Trades before and with it, oldest first.
    pub(crate) prints: Vec<Print>,
    /// The day so far.
    pub(crate) day: Bar,
    /// What the last call auction printed.
    pub(crate) auction: Option<(Price, Qty)>,
    /// What the running call auction would print now.
    pub(crate) indicative: Option<(Price, Qty)>,
    /// Market time of the last change.
    pub(crate) time: UnixNanos,
    /// The candles of [`STREAMED`] that grow now.
    pub(crate) candles: [Option<Growing>; STREAMED.len()],
}

impl Picture {
    pub(crate) fn of(instrument: &Instrument, market: &Market, listing: Arc<Listing>) -> Self {
        let phase = market.phase(instrument);
        let last = instrument.last.map_or(instrument.listing.prev_close, |last| last.price);
        // SSE takes the middle of prices that tie, the others what is nearest to the last price.
        let near = (instrument.listing.board.exchange() != Exchange::Sse).then_some(last);
        let session = instrument.bars.session();
        let growing = |(_, minutes): (&str, u16)| match minutes {
            0 => (!instrument.bars.day().is_empty()).then(|| (0, *instrument.bars.day())),
            minutes => instrument.bars.current(minutes).map(|(slot, bar)| (session.end_minute(slot) as u16, bar)),
        };
        Self {
            listing,
            date: market.date,
            phase,
            halted: instrument.halted,
            bids: instrument.book.levels(Side::Buy),
            asks: instrument.book.levels(Side::Sell),
            last: instrument.last,
            prints: instrument.prints.iter().copied().collect(),
            day: *instrument.bars.day(),
            auction: instrument.auction,
            indicative: if phase.is_auction() { instrument.book.indicative(near) } else { None },
            time: instrument.time,
            candles: STREAMED.map(growing),
        }
    }

    /// The best `levels` of a side that are there.
    #[must_use]
    pub(crate) fn side(&self, side: Side, levels: usize) -> &[Level] {
        let all = if side == Side::Buy { &self.bids } else { &self.asks };
        let there = all.iter().take(levels.min(LEVELS_MAX)).take_while(|level| level.quantity.0 > 0).count();
        &all[..there]
    }

    /// The figures that [`Changes`] and updates tell apart, in their order.
    #[must_use]
    pub(crate) fn figures(&self) -> [Figure; FIGURES.len()] {
        let day = (!self.day.is_empty()).then_some(self.day);
        let price = |price: Option<Price>| Figure::Price(price.filter(|price| price.0 != 0));
        let listing = &self.listing;
        [
            price(day.map(|day| day.open)),
            price(day.map(|day| day.high)),
            price(day.map(|day| day.low)),
            price(Some(listing.prev_close)),
            price(Some(listing.limit_up)),
            price(Some(listing.limit_down)),
            Figure::Quantity(self.day.volume.0),
            Figure::Money(self.day.turnover),
            Figure::Count(self.day.trades),
            price(self.auction.map(|(price, _)| price)),
            Figure::Quantity(self.auction.map_or(0, |(_, volume)| volume.0)),
            price(self.indicative.map(|(price, _)| price)),
            Figure::Quantity(self.indicative.map_or(0, |(_, volume)| volume.0)),
            Figure::Phase(self.phase),
            Figure::Flag(self.halted),
            Figure::Flag(listing.suspended),
        ]
    }
}

/// Names of the figures, as JSON tells them.
pub(crate) const FIGURES: [&str; 16] = [
    "open",
    "high",
    "low",
    "prev_close",
    "limit_up",
    "limit_down",
    "volume",
    "turnover",
    "trades",
    "auction_price",
    "auction_volume",
    "indicative_price",
    "indicative_volume",
    "phase",
    "halted",
    "suspended",
];

/// One figure of an instrument.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Figure {
    /// A price, if there is one.
    Price(Option<Price>),
    /// A quantity.
    Quantity(i64),
    /// A value.
    Money(heng_model::Money),
    /// How many.
    Count(u64),
    /// A phase.
    Phase(Phase),
    /// Yes or no.
    Flag(bool),
}

/// What changed between two pictures.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Changes {
    /// New or other levels among the best ten, and those that left with quantity 0: buys, sells.
    pub(crate) deep: [Vec<Level>; 2],
    /// The same among the best five.
    pub(crate) basic: [Vec<Level>; 2],
    /// New trades, oldest first.
    pub(crate) prints: Vec<Print>,
    /// Figures that changed, one bit each in the order of [`FIGURES`].
    pub(crate) figures: u32,
    /// There is another last trade.
    pub(crate) last: bool,
    /// Candles that changed, one bit each in the order of [`STREAMED`].
    pub(crate) candles: u8,
}

impl Changes {
    /// What leads from `before` to `after`; `fresh` are the trades in between.
    #[must_use]
    pub(crate) fn between(before: &Picture, after: &Picture, fresh: &[Print]) -> Self {
        let sides =
            |levels| [Side::Buy, Side::Sell].map(|side| moved(before.side(side, levels), after.side(side, levels)));
        let (old, new) = (before.figures(), after.figures());
        let bits = |same: &mut dyn Iterator<Item = bool>| {
            same.enumerate().fold(0u32, |bits, (at, same)| bits | (u32::from(!same) << at))
        };
        let figures = bits(&mut old.iter().zip(&new).map(|(old, new)| old == new));
        let candles = bits(&mut before.candles.iter().zip(&after.candles).map(|(old, new)| old == new));
        Self {
            deep: sides(LEVELS_MAX),
            basic: sides(LEVELS_BASIC),
            prints: fresh[fresh.len().saturating_sub(PRINTS_PER_UPDATE)..].to_vec(),
            figures,
            last: before.last != after.last,
            candles: candles as u8,
        }
    }
}

/// Levels of `after` that are new or other, then the prices of `before` that are gone, with quantity 0.
fn moved(before: &[Level], after: &[Level]) -> Vec<Level> {
    let at = |levels: &[Level], price| levels.iter().find(|level| level.price == price).copied();
    let mut moved: Vec<Level> = after.iter().filter(|new| at(before, new.price) != Some(**new)).copied().collect();
    let gone = before.iter().filter(|old| at(after, old.price).is_none());
    moved.extend(gone.map(|old| Level { quantity: Qty(0), orders: 0, ..*old }));
    moved
}

#[cfg(test)]
mod tests {
    use super::*;

    fn level(price: i64, quantity: i64) -> Level {
        Level { price: Price(price), quantity: Qty(quantity), orders: 1 }
    }

    #[test]
    fn levels_that_leave_the_window_are_told_with_nothing() {
        let before = [level(10, 5), level(9, 5), level(8, 5)];
        let after = [level(11, 1), level(10, 5), level(9, 4)];
        assert_eq!(moved(&before, &after), [level(11, 1), level(9, 4), Level { orders: 0, ..level(8, 0) }]);
        assert_eq!(moved(&before, &before), []);
    }
}
