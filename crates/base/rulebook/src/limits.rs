//! Daily price limits 涨跌幅限制: the band by board, class and status, and the one-tick floor.

use std::str::FromStr;

use heng_model::quantity::{RATE_SCALE, div_half_up};
use heng_model::{Board, InstrumentClass, Price, Rate, TradeDate};

use crate::document::Entry;
use crate::error::NoRule;
use crate::rulebook::Rulebook;

/// Upper and lower limit, both on the tick; `None` if there is no limit.
pub type PriceLimits = Option<(Price, Price)>;

/// Latest trading day after the listing for which a listing rule is looked for.
const LISTING_DAYS_MAX: u32 = 60;

/// Which band of a security is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum BandStatus {
    /// An ordinary day.
    Normal,
    /// Under risk warning, ST or *ST.
    St,
    /// The first days after listing; how many is part of the value.
    Listing,
    /// First day of the delisting period 退市整理期.
    DelistingFirst,
    /// Second and later days of the delisting period.
    Delisting,
}

impl FromStr for BandStatus {
    type Err = &'static str;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(match text {
            "normal" => Self::Normal,
            "st" => Self::St,
            "listing" => Self::Listing,
            "delisting-first" => Self::DelistingFirst,
            "delisting" => Self::Delisting,
            _ => return Err("none of: normal, st, listing, delisting-first, delisting"),
        })
    }
}

pub(crate) type BandKey = (Board, InstrumentClass, BandStatus);

/// One band, as ratios of the reference price.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Band {
    /// Up and down; `None` if there is no limit.
    pub(crate) ratios: Option<(Rate, Rate)>,
    /// For a listing band: the trading days from the listing on which it holds.
    pub(crate) days: u32,
}

/// What happens when a band is narrower than the tick.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LimitFloor {
    /// The limit is then one tick away from the reference (SSE 3.3.17, SZSE 3.3.16).
    OneTick,
    /// Up to `at_most`, the limits are the reference plus and minus `band` (SSE risk-warning board).
    Absolute { at_most: Price, band: Price },
    /// Rounding only.
    Nothing,
}

/// Reads `[[limit]]`.
pub(crate) fn read_band(entry: &mut Entry<'_, '_>) -> Option<(Vec<BandKey>, Band)> {
    let (scopes, status) = (entry.scopes(), entry.full_list::<BandStatus>("status"));
    let unlimited = entry.optional_text("limit");
    let ratios = match unlimited {
        Some("none") => Some(None),
        Some(_) => {
            entry.problem("\"limit\" can only be \"none\"; a band is written with \"up\" and \"down\"");
            None
        }
        None => {
            let (up, down) = (entry.rate("up"), entry.rate("down"));
            up.zip(down).map(Some)
        }
    };
    if unlimited.is_some() && (entry.has("up") || entry.has("down")) {
        entry.problem("either limit = \"none\" or \"up\" and \"down\", not both");
        return None;
    }
    let status = status?;
    let listing = status.contains(&BandStatus::Listing);
    let days = if listing { entry.integer("days", 1, i64::from(LISTING_DAYS_MAX))? } else { 0 };
    let (scopes, ratios) = (scopes?, ratios?);
    if ratios.is_some_and(|(_, down)| down.0 >= RATE_SCALE) {
        entry.problem("\"down\" must be below 1: a price cannot fall by all of itself");
        return None;
    }
    let keys = scopes.iter().flat_map(|(board, class)| status.iter().map(|s| (*board, *class, *s))).collect();
    Some((keys, Band { ratios, days: u32::try_from(days).ok()? }))
}

/// Reads `[[limit-floor]]`.
pub(crate) fn read_floor(entry: &mut Entry<'_, '_>) -> Option<(Vec<BandKey>, LimitFloor)> {
    let (scopes, status) = (entry.scopes(), entry.full_list::<BandStatus>("status"));
    let floor = match entry.text("floor")? {
        "one-tick" => LimitFloor::OneTick,
        "none" => LimitFloor::Nothing,
        "absolute" => {
            let (at_most, band) = (entry.price("at_most"), entry.price("band"));
            LimitFloor::Absolute { at_most: at_most?, band: band? }
        }
        _ => {
            entry.problem("\"floor\" is none of: one-tick, absolute, none");
            return None;
        }
    };
    let (scopes, status) = (scopes?, status?);
    let keys = scopes.iter().flat_map(|(board, class)| status.iter().map(|s| (*board, *class, *s))).collect();
    Some((keys, floor))
}

/// What a price-limit question must tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LimitQuery {
    /// The board.
    pub board: Board,
    /// The class.
    pub class: InstrumentClass,
    /// Whether the security is under risk warning (ST, *ST) on the date.
    pub st: bool,
    /// Trading days since listing, 1 = the first; `None` or a large number for a seasoned security.
    pub listing_day: Option<u32>,
    /// Trading days in the delisting period, 1 = the first; `None` outside it.
    pub delisting_day: Option<u32>,
    /// Reference price: the previous close after ex-rights, or the issue price on the listing day.
    pub prev: Price,
    /// The trade date.
    pub date: TradeDate,
}

impl Rulebook {
    /// Upper and lower price limit of the day; `Ok(None)` if the security trades without a limit.
    ///
    /// Limit = reference × (1 ± ratio), rounded half up to the tick; where the rule of the day says so, at least
    /// one tick away from the reference (SSE trading rules 3.3.13 and 3.3.17). The lower limit is never below one
    /// tick, because no order can be entered at zero. A listing rule is the one of the listing date: a share
    /// listed under the old regime does not gain free days when the regime changes in its first week.
    ///
    /// # Errors
    /// If no band or tick is in force, or the reference price is not above zero or out of all bounds.
    pub fn price_limits(&self, query: LimitQuery) -> Result<PriceLimits, NoRule> {
        let scope = (query.board, query.class);
        let (band, status) = self.band(&query)?;
        let Some((up, down)) = band.ratios else {
            return Ok(None);
        };
        let tick = self.tick(query.board, query.class, query.date)?.at(query.prev);
        let in_range = query.prev.0 > 0 && query.prev.0 <= i64::MAX / 1_000;
        if !in_range {
            return Err(NoRule::security("reference price", scope, query.date));
        }
        let (mut upper, mut lower) =
            (round_to_tick(query.prev, RATE_SCALE + up.0, tick), round_to_tick(query.prev, RATE_SCALE - down.0, tick));
        let key = (query.board, query.class, status);
        match self.limit_floors.at(key, query.date).copied().unwrap_or(LimitFloor::Nothing) {
            LimitFloor::OneTick => {
                upper = upper.max(query.prev + tick);
                lower = lower.min(query.prev - tick);
            }
            LimitFloor::Absolute { at_most, band } if query.prev <= at_most => {
                upper = query.prev + band;
                lower = query.prev - band;
            }
            LimitFloor::Absolute { .. } | LimitFloor::Nothing => {}
        }
        Ok(Some((upper, lower.max(tick))))
    }

    /// The band as ratios of the reference price, up and down; `Ok(None)` if there is no limit. `prev` is not looked at.
    ///
    /// # Errors
    /// If no band is in force.
    pub fn limit_ratios(&self, query: LimitQuery) -> Result<Option<(Rate, Rate)>, NoRule> {
        self.band(&query).map(|(band, _)| band.ratios)
    }

    fn band(&self, query: &LimitQuery) -> Result<(&Band, BandStatus), NoRule> {
        if let Some(found) = self.listing_band(query) {
            return Ok((found, BandStatus::Listing));
        }
        let status = match query.delisting_day {
            Some(1) => BandStatus::DelistingFirst,
            Some(_) => BandStatus::Delisting,
            None if query.st => BandStatus::St,
            None => BandStatus::Normal,
        };
        let wanted = (query.board, query.class, status);
        // Funds, bonds and Hong Kong shares have no band of their own under risk warning: the ordinary one holds.
        let key = if self.bands.knows(wanted) { wanted } else { (query.board, query.class, BandStatus::Normal) };
        let band = self.bands.at(key, query.date).ok_or_else(|| {
            NoRule::security("price limit", (query.board, query.class), query.date).known_from(self.bands.earliest(key))
        })?;
        Ok((band, key.2))
    }

    fn listing_band(&self, query: &LimitQuery) -> Option<&Band> {
        let day = query.listing_day.filter(|day| (1..=LISTING_DAYS_MAX).contains(day))?;
        let calendar = self.calendar(query.board.exchange());
        let listed = calendar.and_then(|c| c.minus_trading_days(query.date, day - 1)).unwrap_or(query.date);
        let band = self.bands.at((query.board, query.class, BandStatus::Listing), listed)?;
        (day <= band.days).then_some(band)
    }
}

/// `price × ratio / 1e8`, rounded half up to a multiple of `tick`.
pub(crate) fn round_to_tick(price: Price, ratio: i64, tick: Price) -> Price {
    let product = i128::from(price.0) * i128::from(ratio);
    let ticks = div_half_up(product, i128::from(RATE_SCALE) * i128::from(tick.0));
    Price(i64::try_from(ticks * i128::from(tick.0)).expect("reference prices and ratios are bounded on entry"))
}
