//! Price steps 申报价格最小变动单位: one tick, or the Hong Kong table of ticks by price.

use heng_model::{Board, InstrumentClass, Price, TradeDate};

use crate::document::Entry;
use crate::error::NoRule;
use crate::rulebook::{Rulebook, Scope};

/// Most bands of a tick table.
pub(crate) const BANDS_MAX: usize = 12;

/// How prices step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TickRule {
    /// The same step at every price.
    Fixed(Price),
    /// A step by price band: `(highest price of the band, step)`, ascending; unused places repeat the last band.
    Table([(Price, Price); BANDS_MAX]),
}

impl TickRule {
    /// The step at `price`. A price on the edge of two bands belongs to the lower one, as in the HKEX table.
    #[must_use]
    #[inline]
    pub fn at(&self, price: Price) -> Price {
        match self {
            Self::Fixed(tick) => *tick,
            Self::Table(bands) => {
                let mut step = bands[BANDS_MAX - 1].1;
                for (top, tick) in bands.iter().rev() {
                    if price <= *top {
                        step = *tick;
                    }
                }
                step
            }
        }
    }

    /// Whether an order may be entered at `price`: above zero, a multiple of its step, inside the table.
    #[must_use]
    #[inline]
    pub fn allows(&self, price: Price) -> bool {
        let inside = match self {
            Self::Fixed(_) => true,
            Self::Table(bands) => price <= bands[BANDS_MAX - 1].0,
        };
        price.0 > 0 && inside && price.0 % self.at(price).0 == 0
    }

    /// The finest step of the rule.
    #[must_use]
    pub fn finest(&self) -> Price {
        match self {
            Self::Fixed(tick) => *tick,
            Self::Table(bands) => bands[0].1,
        }
    }
}

/// Reads `[[tick]]`: `tick`, or `bands` of `{ up_to, tick }`.
pub(crate) fn read(entry: &mut Entry<'_, '_>) -> Option<(Vec<Scope>, TickRule)> {
    let scopes = entry.scopes();
    let rule = if entry.has("bands") { read_table(entry) } else { entry.price("tick").map(TickRule::Fixed) };
    scopes.zip(rule)
}

fn read_table(entry: &mut Entry<'_, '_>) -> Option<TickRule> {
    let bands = entry.tables("bands", |band| {
        let (top, tick) = (band.price("up_to"), band.price("tick"));
        top.zip(tick)
    })?;
    let ascending = bands.windows(2).all(|pair| pair[0].0 < pair[1].0 && pair[0].1 <= pair[1].1);
    let whole = bands.iter().all(|(top, tick)| top.0 % tick.0 == 0);
    if bands.is_empty() || bands.len() > BANDS_MAX || !ascending || !whole {
        entry.problem(format!("\"bands\" must be 1 to {BANDS_MAX} bands, prices and ticks rising, tops on the tick"));
        return None;
    }
    let mut table = [bands[bands.len() - 1]; BANDS_MAX];
    table[..bands.len()].copy_from_slice(&bands);
    Some(TickRule::Table(table))
}

impl Rulebook {
    /// How prices of a class step on a board.
    ///
    /// # Errors
    /// If no tick is in force.
    pub fn tick(&self, board: Board, class: InstrumentClass, date: TradeDate) -> Result<TickRule, NoRule> {
        self.find(&self.ticks, "tick", (board, class), date).copied()
    }
}
