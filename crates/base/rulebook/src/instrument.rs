//! Rules of a class of securities on one day, gathered once and kept beside the instrument.

use heng_model::{Board, Currency, InstrumentClass, OrderType, Phase, Qty, Quotation, TradeDate};

use crate::cage::CageRules;
use crate::document::Entry;
use crate::error::NoRule;
use crate::rulebook::{Rulebook, Scope};
use crate::tick::TickRule;

/// The bit of an order type in a mask.
#[must_use]
#[inline]
pub const fn order_type_bit(order_type: OrderType) -> u16 {
    1 << order_type as u8
}

/// What a holder may do with a rest below one lot 零股.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OddLot {
    /// Sell orders follow the lot; the rest below a lot must be sold whole, in one order.
    WholeRest,
    /// A rest below a lot can be sold in any quantity, and only sold (Hong Kong odd-lot book).
    SellOnly,
}

/// Order sizes, in the instrument's smallest unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LotRules {
    /// Smallest buy order; 0 if the lot belongs to the single security ([`Self::per_instrument`]).
    pub buy_min: Qty,
    /// Step of buy orders above the smallest.
    pub buy_step: Qty,
    /// Smallest sell order, except for the rest below it.
    pub sell_min: Qty,
    /// Step of sell orders above the smallest, except for the rest.
    pub sell_step: Qty,
    /// What holds for a rest below `sell_min`.
    pub odd_lot: OddLot,
    /// Largest limit order.
    pub max_limit: Qty,
    /// Largest market order.
    pub max_market: Qty,
    /// Largest after-hours fixed-price order; 0 if there is no such trading.
    pub max_after_hours: Qty,
    /// The lot is set by the issuer and comes with the instrument (Hong Kong): sizes here count lots.
    pub per_instrument: bool,
}

impl LotRules {
    /// Whether a buy order may have this quantity, sizes apart. `lot` is the instrument's own lot where
    /// [`Self::per_instrument`] holds.
    #[must_use]
    #[inline]
    pub const fn allows_buy(&self, quantity: Qty, lot: Qty) -> bool {
        let (least, step) = if self.per_instrument { (lot.0, lot.0) } else { (self.buy_min.0, self.buy_step.0) };
        step > 0 && quantity.0 >= least && (quantity.0 - least) % step == 0
    }

    /// Whether a sell order may have this quantity when `held` can be sold, sizes apart.
    ///
    /// A quantity off the lot is right if it takes the whole rest: what is left afterwards is then a whole lot
    /// quantity (100-share lots), or nothing (200-share minimum of the STAR market).
    #[must_use]
    #[inline]
    pub const fn allows_sell(&self, quantity: Qty, held: Qty, lot: Qty) -> bool {
        let (least, step) = if self.per_instrument { (lot.0, lot.0) } else { (self.sell_min.0, self.sell_step.0) };
        if step <= 0 || quantity.0 <= 0 || quantity.0 > held.0 {
            return false;
        }
        if quantity.0 >= least && (quantity.0 - least) % step == 0 {
            return true;
        }
        match self.odd_lot {
            OddLot::WholeRest if step > 1 => quantity.0 % step == held.0 % step,
            OddLot::WholeRest => quantity.0 == held.0,
            OddLot::SellOnly => quantity.0 < least,
        }
    }
}

/// When shares and money of a trade can be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TurnRules {
    pub(crate) same_day_sell: bool,
    pub(crate) securities_days: u8,
    pub(crate) cash_days: u8,
}

/// Order types by kind of phase, as masks of [`order_type_bit`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct OrderTypeRules {
    pub(crate) auction: u16,
    pub(crate) continuous: u16,
    pub(crate) after_hours: u16,
    pub(crate) protective_price: bool,
}

/// How a class is quoted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct UnitRules {
    pub(crate) currency: Currency,
    pub(crate) quotation: Quotation,
}

/// What a client needs to be let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct GateRules {
    pub(crate) right: u32,
    pub(crate) least_assets: i64,
    pub(crate) least_months: u32,
}

/// The rules of one class of securities on one board and day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InstrumentRules {
    /// Price steps.
    pub tick: TickRule,
    /// Order sizes.
    pub lot: LotRules,
    /// Whether what is bought today can be sold today (T+0 round trip).
    pub same_day_sell: bool,
    /// Trading days until securities settle.
    pub securities_days: u8,
    /// Trading days until money settles, so that it can be withdrawn.
    pub cash_days: u8,
    /// Whether the day closes with a call auction.
    pub close_auction: bool,
    /// Order types allowed in some phase of the day, as a mask of [`order_type_bit`].
    pub order_types: u16,
    /// Whether a market order must carry a protective price (SSE, BSE).
    pub protective_price: bool,
    /// Price cage of continuous trading.
    pub cage: Option<CageRules>,
    /// Most shares of one risk-warning stock that one investor may buy in a day.
    pub daily_buy_cap: Option<Qty>,
    /// How a price turns into money.
    pub quotation: Quotation,
    /// Currency of price and settlement at the exchange.
    pub currency: Currency,
    /// Right that a buyer needs, as bits of `heng_model::rights`.
    pub required_rights: u32,
}

impl InstrumentRules {
    /// Whether orders of this type are taken in some phase.
    #[must_use]
    #[inline]
    pub const fn takes(&self, order_type: OrderType) -> bool {
        self.order_types & order_type_bit(order_type) != 0
    }
}

/// Reads `[[lot]]`.
pub(crate) fn read_lot(entry: &mut Entry<'_, '_>) -> Option<(Vec<Scope>, LotRules)> {
    let scopes = entry.scopes();
    let per_instrument = entry.flag("per_instrument");
    let (buy_min, buy_step) = (entry.qty("buy_min"), entry.qty("buy_step"));
    let (sell_min, sell_step) = (entry.qty("sell_min"), entry.qty("sell_step"));
    let (max_limit, max_market) = (entry.qty("max_limit"), entry.qty("max_market"));
    let max_after_hours = entry.qty("max_after_hours");
    let odd_lot = match entry.text("odd_lot") {
        Some("whole-rest") => Some(OddLot::WholeRest),
        Some("sell-only") => Some(OddLot::SellOnly),
        Some(_) => {
            entry.problem("\"odd_lot\" is none of: whole-rest, sell-only");
            None
        }
        None => None,
    };
    let rules = LotRules {
        buy_min: buy_min?,
        buy_step: buy_step?,
        sell_min: sell_min?,
        sell_step: sell_step?,
        odd_lot: odd_lot?,
        max_limit: max_limit?,
        max_market: max_market?,
        max_after_hours: max_after_hours?,
        per_instrument: per_instrument?,
    };
    if rules.buy_step.0 == 0 || rules.sell_step.0 == 0 {
        entry.problem("a step must be 1 or more");
        return None;
    }
    Some((scopes?, rules))
}

/// Reads `[[turn]]`.
pub(crate) fn read_turn(entry: &mut Entry<'_, '_>) -> Option<(Vec<Scope>, TurnRules)> {
    let (scopes, same_day_sell) = (entry.scopes(), entry.flag("same_day_sell"));
    let (securities, cash) = (entry.integer("securities_days", 0, 10), entry.integer("cash_days", 0, 10));
    let (securities_days, cash_days) = (u8::try_from(securities?).ok()?, u8::try_from(cash?).ok()?);
    Some((scopes?, TurnRules { same_day_sell: same_day_sell?, securities_days, cash_days }))
}

/// Reads `[[order-type]]`.
pub(crate) fn read_order_types(entry: &mut Entry<'_, '_>) -> Option<(Vec<Scope>, OrderTypeRules)> {
    let scopes = entry.scopes();
    let (auction, continuous) = (entry.list::<OrderType>("auction"), entry.list::<OrderType>("continuous"));
    let (after_hours, protective) = (entry.list::<OrderType>("after_hours"), entry.flag("protective_price"));
    let mask = |types: Vec<OrderType>| types.into_iter().fold(0, |mask, one| mask | order_type_bit(one));
    let rules = OrderTypeRules {
        auction: mask(auction?),
        continuous: mask(continuous?),
        after_hours: mask(after_hours?),
        protective_price: protective?,
    };
    Some((scopes?, rules))
}

/// Reads `[[unit]]`.
pub(crate) fn read_unit(entry: &mut Entry<'_, '_>) -> Option<(Vec<Scope>, UnitRules)> {
    let (scopes, currency) = (entry.scopes(), entry.parsed::<Currency>("currency"));
    let quotation = match entry.text("quotation")? {
        "per-unit" => Quotation::PerUnit,
        "per-hundred-face" => Quotation::PerHundredFace,
        "annual-percent" => Quotation::AnnualPercent,
        _ => {
            entry.problem("\"quotation\" is none of: per-unit, per-hundred-face, annual-percent");
            return None;
        }
    };
    Some((scopes?, UnitRules { currency: currency?, quotation }))
}

/// Board, class, and whether the entry is for risk-warning shares.
pub(crate) type GateKey = (Board, InstrumentClass, bool);

/// Reads `[[client-gate]]`; the key's flag is true for risk-warning stocks.
pub(crate) fn read_gate(entry: &mut Entry<'_, '_>) -> Option<(Vec<GateKey>, GateRules)> {
    let (scopes, st) = (entry.scopes(), entry.flag("st"));
    let rights = entry.full_list::<RightName>("rights");
    let (assets, months) = (entry.integer("least_assets", 0, 1_000_000_000), entry.integer("least_months", 0, 600));
    let right = rights?.into_iter().fold(0, |mask, name| mask | name.0);
    let gate = GateRules { right, least_assets: assets?, least_months: u32::try_from(months?).ok()? };
    let st = st?;
    Some((scopes?.into_iter().map(|(board, class)| (board, class, st)).collect(), gate))
}

struct RightName(u32);

impl std::str::FromStr for RightName {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let names = heng_model::rights::NAMES;
        let bit = names.iter().position(|name| *name == text);
        bit.map(|bit| Self(1 << bit)).ok_or_else(|| format!("none of: {}", names.join(", ")))
    }
}

/// Reads `[[buy-cap]]`.
pub(crate) fn read_cap(entry: &mut Entry<'_, '_>) -> Option<(Vec<Scope>, Option<Qty>)> {
    let scopes = entry.scopes();
    let cap = if entry.optional_text("cap") == Some("none") { Some(None) } else { entry.qty("shares").map(Some) };
    scopes.zip(cap)
}

impl Rulebook {
    /// The rules of a class on one board and day; `st` asks for a risk-warning stock.
    ///
    /// # Errors
    /// If one of the rules has no entry in force.
    pub fn instrument_rules(
        &self,
        board: Board,
        class: InstrumentClass,
        st: bool,
        date: TradeDate,
    ) -> Result<InstrumentRules, NoRule> {
        let scope = (board, class);
        let tick = self.tick(board, class, date)?;
        let lot = *self.find(&self.lots, "lot", scope, date)?;
        let turn = *self.find(&self.turns, "turn", scope, date)?;
        let types = *self.find(&self.order_types, "order type", scope, date)?;
        let unit = *self.find(&self.units, "unit", scope, date)?;
        let schedule = self.sessions(board, class, date, false)?;
        let cage = self.cage_rules(board, class, date)?;
        let gate = |st| self.gates.at((board, class, st), date).map_or(0, |gate| gate.right);
        Ok(InstrumentRules {
            tick,
            lot,
            same_day_sell: turn.same_day_sell,
            securities_days: turn.securities_days,
            cash_days: turn.cash_days,
            close_auction: schedule.iter().any(|step| step.phase == Phase::CloseAuction),
            order_types: types.auction | types.continuous | types.after_hours,
            protective_price: types.protective_price,
            cage,
            daily_buy_cap: if st { self.buy_caps.at(scope, date).copied().flatten() } else { None },
            quotation: unit.quotation,
            currency: unit.currency,
            required_rights: gate(false) | if st { gate(true) } else { 0 },
        })
    }

    /// The price cage of a class; `Ok(None)` if it has none.
    ///
    /// # Errors
    /// If the class has a cage on other days, and nothing is known of this one.
    pub fn cage_rules(
        &self,
        board: Board,
        class: InstrumentClass,
        date: TradeDate,
    ) -> Result<Option<CageRules>, NoRule> {
        let scope = (board, class);
        if self.cages.knows(scope) { self.find(&self.cages, "cage", scope, date).copied() } else { Ok(None) }
    }

    /// How a price of the class turns into money.
    ///
    /// # Errors
    /// If no entry is in force.
    pub fn quotation(&self, board: Board, class: InstrumentClass, date: TradeDate) -> Result<Quotation, NoRule> {
        self.find(&self.units, "unit", (board, class), date).map(|unit| unit.quotation)
    }

    /// Whether what is bought today can be sold today.
    ///
    /// # Errors
    /// If no entry is in force.
    pub fn same_day_sell(&self, board: Board, class: InstrumentClass, date: TradeDate) -> Result<bool, NoRule> {
        self.find(&self.turns, "turn", (board, class), date).map(|turn| turn.same_day_sell)
    }

    /// Assets (in yuan, averaged over 20 trading days) and months of experience that a client needs before the
    /// right for this class is opened; zeros if none are asked.
    #[must_use]
    pub fn gate_requirements(&self, board: Board, class: InstrumentClass, date: TradeDate) -> (i64, u32) {
        self.gates.at((board, class, false), date).map_or((0, 0), |gate| (gate.least_assets, gate.least_months))
    }
}
