//! The price cage 价格笼子: how far a limit order in continuous trading may reach beyond the market.

use std::str::FromStr;

use heng_model::quantity::RATE_SCALE;
use heng_model::{Price, Rate, Side};

use crate::document::Entry;
use crate::limits::round_to_tick;
use crate::rulebook::Scope;

/// Most links of a base chain.
const CHAIN_MAX: usize = 4;

/// What the cage is measured from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CageBase {
    /// The best price of the other side.
    OppositeBest,
    /// The best price of the order's own side.
    OwnBest,
    /// The last trade of the day.
    Last,
    /// The previous close.
    PreviousClose,
}

impl FromStr for CageBase {
    type Err = &'static str;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(match text {
            "opposite-best" => Self::OppositeBest,
            "own-best" => Self::OwnBest,
            "last" => Self::Last,
            "previous-close" => Self::PreviousClose,
            _ => return Err("none of: opposite-best, own-best, last, previous-close"),
        })
    }
}

/// Parameters of the cage of one class of securities.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CageRules {
    /// Highest buy price as a ratio of the base, 1.02 for 102%.
    pub buy: Rate,
    /// Lowest sell price as a ratio of the base, 0.98 for 98%.
    pub sell: Rate,
    /// The cage is at least this many ticks wide; 0 if only the ratio counts.
    pub ticks: i64,
    /// Where the base comes from; the first that exists counts.
    pub base: [CageBase; CHAIN_MAX],
    /// Whether an order outside waits at the exchange until the market reaches it (ChiNext before 2023-04-10),
    /// instead of being refused.
    pub holds_back: bool,
}

/// The market that the cage is measured from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct CageQuote {
    /// Highest displayed buy price.
    pub best_bid: Option<Price>,
    /// Lowest displayed sell price.
    pub best_ask: Option<Price>,
    /// Last trade price of the day.
    pub last: Option<Price>,
    /// Previous close, or issue price.
    pub previous_close: Option<Price>,
}

impl CageQuote {
    #[inline]
    fn base(&self, base: CageBase, side: Side) -> Option<Price> {
        match (base, side) {
            (CageBase::OppositeBest, Side::Buy) | (CageBase::OwnBest, Side::Sell) => self.best_ask,
            (CageBase::OppositeBest, Side::Sell) | (CageBase::OwnBest, Side::Buy) => self.best_bid,
            (CageBase::Last, _) => self.last,
            (CageBase::PreviousClose, _) => self.previous_close,
        }
    }
}

/// The highest price a buy order, or the lowest price a sell order may have; `None` if nothing is there to measure
/// from.
///
/// Buy: the higher of base × ratio (rounded half up to the tick, SSE trading rules 3.3.17) and base + ticks. Sell:
/// the lower of base × ratio and base − ticks, never below one tick. `tick` > 0.
#[must_use]
#[inline]
pub fn cage_limit(rules: &CageRules, side: Side, quote: CageQuote, tick: Price) -> Option<Price> {
    let base = rules.base.iter().find_map(|base| quote.base(*base, side))?;
    let steps = Price(tick.0 * rules.ticks);
    Some(match side {
        Side::Buy => round_to_tick(base, rules.buy.0, tick).max(base + steps),
        Side::Sell => round_to_tick(base, rules.sell.0, tick).min(base - steps).max(tick),
    })
}

/// Reads `[[cage]]`. `cage = "none"` says that there is none.
pub(crate) fn read(entry: &mut Entry<'_, '_>) -> Option<(Vec<Scope>, Option<CageRules>)> {
    let scopes = entry.scopes();
    if entry.optional_text("cage") == Some("none") {
        return Some((scopes?, None));
    }
    let (buy, sell) = (entry.rate("buy"), entry.rate("sell"));
    let (ticks, chain) = (entry.integer("ticks", 0, 1_000), entry.full_list::<CageBase>("base"));
    let holds_back = entry.flag("holds_back");
    let (buy, sell, chain) = (buy?, sell?, chain?);
    if buy.0 < RATE_SCALE || sell.0 > RATE_SCALE || chain.len() > CHAIN_MAX {
        entry.problem(format!("\"buy\" must be 1 or more, \"sell\" 1 or less, \"base\" at most {CHAIN_MAX} long"));
        return None;
    }
    let mut base = [chain[chain.len() - 1]; CHAIN_MAX];
    base[..chain.len()].copy_from_slice(&chain);
    Some((scopes?, Some(CageRules { buy, sell, ticks: ticks?, base, holds_back: holds_back? })))
}
