//! The valid range of call auctions 有效竞价范围 on days without a price limit.

use heng_model::quantity::RATE_SCALE;
use heng_model::{Board, InstrumentClass, Price, Rate, TradeDate};

use crate::document::Entry;
use crate::limits::round_to_tick;
use crate::rulebook::{Rulebook, Scope};

/// How far limit orders may reach in the auctions of a day without a price limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AuctionBand {
    /// Opening auction: highest price as a ratio of the previous close (issue price on the first day), 9 for 900%.
    pub open_high: Rate,
    /// Opening auction: lowest price as a ratio of the previous close; `None` where there is no such bound.
    pub open_low: Option<Rate>,
    /// Auctions after the opening, those that end a halt included: most distance from the last price either way, as a
    /// ratio of it; `None` where there is no such bound.
    pub later: Option<Rate>,
    /// Whether an order outside waits at the exchange until continuous trading, instead of being refused.
    pub holds_back: bool,
}

impl AuctionBand {
    /// Whether a price is outside in the opening auction. `tick` > 0.
    #[must_use]
    pub fn is_outside_open(&self, price: Price, prev_close: Price, tick: Price) -> bool {
        let below = |low: Rate| price < round_to_tick(prev_close, low.0, tick);
        price > round_to_tick(prev_close, self.open_high.0, tick) || self.open_low.is_some_and(below)
    }

    /// Whether a price is outside in a later auction; `last` is the last price, or the previous close without one.
    /// `tick` > 0.
    #[must_use]
    pub fn is_outside_later(&self, price: Price, last: Price, tick: Price) -> bool {
        self.later.is_some_and(|distance| {
            let bound = |ratio| round_to_tick(last, ratio, tick);
            price > bound(RATE_SCALE + distance.0) || price < bound(RATE_SCALE - distance.0)
        })
    }
}

/// Reads `[[auction-band]]`.
pub(crate) fn read(entry: &mut Entry<'_, '_>) -> Option<(Vec<Scope>, AuctionBand)> {
    let (scopes, open_high) = (entry.scopes(), entry.rate("open_high"));
    let open_low = if entry.has("open_low") { Some(entry.rate("open_low")?) } else { None };
    let later = if entry.has("later") { Some(entry.rate("later")?) } else { None };
    let holds_back = entry.flag("holds_back");
    let (scopes, open_high, holds_back) = (scopes?, open_high?, holds_back?);
    let within = |rate: Option<Rate>| rate.is_none_or(|rate| (1..RATE_SCALE).contains(&rate.0));
    if !(RATE_SCALE..=100 * RATE_SCALE).contains(&open_high.0) || !within(open_low) || !within(later) {
        entry.problem("\"open_high\" must be 1 to 100, \"open_low\" and \"later\" between 0 and 1");
        return None;
    }
    Some((scopes, AuctionBand { open_high, open_low, later, holds_back }))
}

impl Rulebook {
    /// The valid range of auctions of a class on days without a price limit; `None` if none is known.
    #[must_use]
    pub fn auction_band(&self, board: Board, class: InstrumentClass, date: TradeDate) -> Option<AuctionBand> {
        self.auction_bands.at((board, class), date).copied()
    }
}
