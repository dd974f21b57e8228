//! Fees of one order: commission, taxes and what is collected for others, from the order's cumulative amount.
//!
//! A charge is a function of what the order has traded so far, so the ledger posts the difference between two
//! charges at each fill, and the 5 yuan minimum counts once an order, however many fills it has.

use std::str::FromStr;

use heng_model::quantity::{MINOR, RATE_SCALE, SCALE};
use heng_model::{Board, InstrumentClass, Money, Rate, Side, TradeDate};

use crate::document::Entry;
use crate::error::NoRule;
use crate::rulebook::{Rulebook, Scope};

/// How many kinds of fee there are, commission included.
pub const FEE_KINDS: usize = 9;

/// What a fee is; the number is its place in [`Charges::by_kind`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum FeeKind {
    /// Broker's commission 佣金.
    Commission = 0,
    /// Stamp duty 印花税.
    Stamp = 1,
    /// Transfer fee of the depository 过户费.
    Transfer = 2,
    /// Exchange handling fee 经手费.
    Handling = 3,
    /// Regulatory fee 证管费.
    Regulatory = 4,
    /// Hong Kong SFC transaction levy 证监会交易征费.
    Sfc = 5,
    /// Hong Kong AFRC transaction levy 会财局交易征费.
    Afrc = 6,
    /// Hong Kong trading fee 联交所交易费.
    Trading = 7,
    /// Settlement fee 股份交收费, 结算费.
    Settlement = 8,
}

impl FeeKind {
    /// Every kind, in the order of [`Charges::by_kind`].
    pub const ALL: [Self; FEE_KINDS] = [
        Self::Commission,
        Self::Stamp,
        Self::Transfer,
        Self::Handling,
        Self::Regulatory,
        Self::Sfc,
        Self::Afrc,
        Self::Trading,
        Self::Settlement,
    ];

    /// The stable name used in rule files and in output.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Commission => "commission",
            Self::Stamp => "stamp",
            Self::Transfer => "transfer",
            Self::Handling => "handling",
            Self::Regulatory => "regulatory",
            Self::Sfc => "sfc",
            Self::Afrc => "afrc",
            Self::Trading => "trading",
            Self::Settlement => "settlement",
        }
    }
}

impl FromStr for FeeKind {
    type Err = &'static str;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let kind = Self::ALL.into_iter().skip(1).find(|kind| kind.name() == text);
        kind.ok_or("none of: stamp, transfer, handling, regulatory, sfc, afrc, trading, settlement")
    }
}

/// Which way a fee is rounded to its unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FeeRounding {
    /// To the nearest, halves away from zero 四舍五入.
    HalfUp,
    /// Up to the next (Hong Kong stamp duty).
    Up,
}

impl FromStr for FeeRounding {
    type Err = &'static str;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "half-up" => Ok(Self::HalfUp),
            "up" => Ok(Self::Up),
            _ => Err("none of: half-up, up"),
        }
    }
}

/// One fee, proportional to the amount.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FeeComponent {
    /// What it is.
    pub kind: FeeKind,
    /// Ratio of the amount.
    pub rate: Rate,
    /// Smallest step of the result; above zero.
    pub unit: Money,
    /// Rounding to the unit.
    pub rounding: FeeRounding,
    /// Least fee of an order that traded.
    pub min: Money,
    /// Largest fee of an order; `None` if there is no ceiling.
    pub max: Option<Money>,
    /// Paid by the broker out of the commission, not by the client beside it.
    pub inside_commission: bool,
}

impl FeeComponent {
    const NOTHING: Self = Self {
        kind: FeeKind::Stamp,
        rate: Rate(0),
        unit: Money(MINOR),
        rounding: FeeRounding::HalfUp,
        min: Money::ZERO,
        max: None,
        inside_commission: false,
    };

    #[inline]
    fn of(&self, amount: Money) -> Money {
        let fee = proportion(amount, self.rate, self.unit, self.rounding).max(self.min);
        self.max.map_or(fee, |max| fee.min(max))
    }
}

const CENT_DIVISOR: u64 = RATE_SCALE.unsigned_abs() * MINOR.unsigned_abs();
const UNIT_DIVISOR: u64 = RATE_SCALE.unsigned_abs() * SCALE.unsigned_abs();

/// `amount × rate` rounded to a multiple of `unit`; `amount` > 0.
#[inline]
fn proportion(amount: Money, rate: Rate, unit: Money, rounding: FeeRounding) -> Money {
    // Divisors known at compile time turn into multiplications; every real fee is in cents or whole dollars.
    match (unit.0, rounding) {
        (MINOR, FeeRounding::HalfUp) => {
            if let Some(sum) = product_plus(amount, rate, CENT_DIVISOR / 2) {
                return Money((sum / CENT_DIVISOR).cast_signed() * MINOR);
            }
        }
        (SCALE, FeeRounding::Up) => {
            if let Some(sum) = product_plus(amount, rate, UNIT_DIVISOR - 1) {
                return Money((sum / UNIT_DIVISOR).cast_signed() * SCALE);
            }
        }
        _ => {}
    }
    match rounding {
        FeeRounding::HalfUp => amount.times_rate_half_up(rate, unit),
        FeeRounding::Up => amount.times_rate_up(rate, unit),
    }
}

#[inline]
fn product_plus(amount: Money, rate: Rate, bias: u64) -> Option<u64> {
    amount.0.unsigned_abs().checked_mul(rate.0.unsigned_abs())?.checked_add(bias)
}

/// The commission's legal bounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct CommissionRules {
    pub(crate) min: Money,
    pub(crate) cap: Option<Rate>,
}

/// All fees of one class, side and day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FeeSchedule {
    components: [FeeComponent; FEE_KINDS - 1],
    count: u8,
    commission_min: Money,
    commission_cap: Rate,
}

/// What an order costs, in the currency of its amount.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Charges {
    /// Amount by kind, placed by [`FeeKind`] number.
    pub by_kind: [Money; FEE_KINDS],
    /// What the client pays: commission and everything that is not inside it.
    pub total: Money,
}

impl Charges {
    /// The amount of one kind.
    #[must_use]
    #[inline]
    pub const fn of(&self, kind: FeeKind) -> Money {
        self.by_kind[kind as usize]
    }
}

impl FeeSchedule {
    /// The fees beside the commission, zero rates left out.
    #[must_use]
    pub fn components(&self) -> &[FeeComponent] {
        &self.components[..usize::from(self.count)]
    }

    /// Charges of an order that has traded `cumulative_amount` so far, at the client's commission rate.
    ///
    /// The commission is rate × amount in fen, rounded half up; at most the legal cap on the rate, at least the
    /// minimum of an order and the fees that are inside it (证监发〔2002〕21号). Nothing traded, nothing charged.
    /// Each charge never falls when the amount rises. Amounts reach to a quarter of `i64`, far above any limit.
    #[must_use]
    #[inline]
    pub fn charge(&self, cumulative_amount: Money, commission_rate: Rate) -> Charges {
        let mut charges = Charges::default();
        if cumulative_amount.0 <= 0 {
            return charges;
        }
        let (mut inside, mut beside) = (0, 0);
        for component in self.components() {
            let fee = component.of(cumulative_amount);
            charges.by_kind[component.kind as usize] = fee;
            if component.inside_commission {
                inside += fee.0;
            } else {
                beside += fee.0;
            }
        }
        let rate = Rate(commission_rate.0.max(0)).min(self.commission_cap);
        let commission = proportion(cumulative_amount, rate, Money(MINOR), FeeRounding::HalfUp);
        let commission = commission.max(self.commission_min).max(Money(inside));
        charges.by_kind[FeeKind::Commission as usize] = commission;
        charges.total = Money(commission.0 + beside);
        charges
    }
}

pub(crate) type FeeKey = (Board, InstrumentClass, Side, FeeKind);

/// Reads `[[fee]]`.
pub(crate) fn read_fee(entry: &mut Entry<'_, '_>) -> Option<(Vec<FeeKey>, FeeComponent)> {
    let (scopes, sides) = (entry.scopes(), entry.full_list::<Side>("sides"));
    let (kind, rate) = (entry.parsed::<FeeKind>("kind"), entry.rate("rate"));
    let (unit, rounding) = (entry.price("unit"), entry.parsed::<FeeRounding>("rounding"));
    let (min, inside) = (entry.money_or_zero("min"), entry.flag("inside_commission"));
    let max = if entry.has("max") { entry.money("max").map(Some) } else { Some(None) };
    let (kind, unit, rate) = (kind?, unit?, rate?);
    if rate.0 > RATE_SCALE / 10 {
        entry.problem("\"rate\" is above 0.1: no fee takes a tenth of the amount");
        return None;
    }
    if unit.0 % MINOR != 0 {
        entry.problem("\"unit\" must be a multiple of 0.01: client cash moves in cents");
        return None;
    }
    let component = FeeComponent {
        kind,
        rate,
        unit: Money(unit.0),
        rounding: rounding?,
        min: min?,
        max: max?,
        inside_commission: inside?,
    };
    let (scopes, sides) = (scopes?, sides?);
    let keys = scopes.iter().flat_map(|(board, class)| sides.iter().map(|side| (*board, *class, *side, kind)));
    Some((keys.collect(), component))
}

/// Reads `[[commission]]`.
pub(crate) fn read_commission(entry: &mut Entry<'_, '_>) -> Option<(Vec<Scope>, CommissionRules)> {
    let (scopes, min) = (entry.scopes(), entry.money("min"));
    let cap = if entry.has("cap") { entry.rate("cap").map(Some) } else { Some(None) };
    Some((scopes?, CommissionRules { min: min?, cap: cap? }))
}

impl Rulebook {
    /// The fees of one class, side and day.
    ///
    /// # Errors
    /// If commission bounds are not in force, or a kind of fee that the class has is not known on that day.
    pub fn fee_schedule(
        &self,
        board: Board,
        class: InstrumentClass,
        side: Side,
        date: TradeDate,
    ) -> Result<FeeSchedule, NoRule> {
        let commission = self.find(&self.commissions, "commission", (board, class), date)?;
        let mut schedule = FeeSchedule {
            components: [FeeComponent::NOTHING; FEE_KINDS - 1],
            count: 0,
            commission_min: commission.min,
            commission_cap: commission.cap.unwrap_or(Rate(RATE_SCALE)),
        };
        for kind in FeeKind::ALL {
            let key = (board, class, side, kind);
            if !self.fees.knows(key) {
                continue;
            }
            let component = self.fees.at(key, date).ok_or_else(|| {
                NoRule::security(kind.name(), (board, class), date).known_from(self.fees.earliest(key))
            })?;
            if component.rate.0 > 0 || component.min.0 > 0 {
                schedule.components[usize::from(schedule.count)] = *component;
                schedule.count += 1;
            }
        }
        Ok(schedule)
    }

    /// The rate of one kind of fee; zero if it is known not to be charged.
    ///
    /// # Errors
    /// If the class has no such fee, or it is not known on that day.
    pub fn fee_rate(
        &self,
        board: Board,
        class: InstrumentClass,
        side: Side,
        kind: FeeKind,
        date: TradeDate,
    ) -> Result<Rate, NoRule> {
        let key = (board, class, side, kind);
        let component = self
            .fees
            .at(key, date)
            .ok_or_else(|| NoRule::security(kind.name(), (board, class), date).known_from(self.fees.earliest(key)))?;
        Ok(component.rate)
    }

    /// Legal bounds of the commission: least amount of an order and highest rate (`None` if there is no cap).
    ///
    /// # Errors
    /// If no commission rule is in force.
    pub fn commission_bounds(
        &self,
        board: Board,
        class: InstrumentClass,
        date: TradeDate,
    ) -> Result<(Money, Option<Rate>), NoRule> {
        let rules = self.find(&self.commissions, "commission", (board, class), date)?;
        Ok((rules.min, rules.cap))
    }
}
