//! Volatility halts 盘中临时停牌 of securities that trade without a limit, and of convertibles on their first day.

use heng_model::{Board, InstrumentClass, Rate, TradeDate};

use crate::document::Entry;
use crate::error::NoRule;
use crate::rulebook::{Rulebook, Scope};

/// Most steps of a halt rule.
const STEPS_MAX: usize = 4;

/// One step: a first move of `threshold` away from the opening price halts the security.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HaltStep {
    /// Move against the day's opening price, either way; each direction halts once.
    pub threshold: Rate,
    /// Length in nanoseconds; `None` lasts until [`HaltRules::latest_end`].
    pub duration: Option<i64>,
}

/// Halts of one security on one day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HaltRules {
    steps: [HaltStep; STEPS_MAX],
    count: u8,
    /// Time of day, in nanoseconds after midnight, at which every halt ends (14:57).
    pub latest_end: i64,
}

impl HaltRules {
    /// The steps, thresholds rising.
    #[must_use]
    pub fn steps(&self) -> &[HaltStep] {
        &self.steps[..usize::from(self.count)]
    }
}

/// When a halt rule holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum HaltWhen {
    /// On days without a price limit.
    NoLimit,
    /// On the listing day, limit or not.
    ListingDay,
}

pub(crate) type HaltKey = (Board, InstrumentClass, HaltWhen);

/// Reads `[[halt]]`.
pub(crate) fn read(entry: &mut Entry<'_, '_>) -> Option<(Vec<HaltKey>, HaltRules)> {
    let scopes = entry.scopes();
    let when = match entry.text("when") {
        Some("no-limit") => Some(HaltWhen::NoLimit),
        Some("listing-day") => Some(HaltWhen::ListingDay),
        Some(_) => {
            entry.problem("\"when\" is none of: no-limit, listing-day");
            None
        }
        None => None,
    };
    let latest_end = entry.time("latest_end");
    let steps = entry.tables("steps", read_step)?;
    let (scopes, when, latest_end): (Vec<Scope>, _, _) = (scopes?, when?, latest_end?);
    let rising = steps.windows(2).all(|pair| pair[0].threshold < pair[1].threshold);
    if steps.is_empty() || steps.len() > STEPS_MAX || !rising {
        entry.problem(format!("\"steps\" must be 1 to {STEPS_MAX} steps with rising moves"));
        return None;
    }
    let mut all = [steps[0]; STEPS_MAX];
    all[..steps.len()].copy_from_slice(&steps);
    let rules = HaltRules { steps: all, count: u8::try_from(steps.len()).ok()?, latest_end };
    Some((scopes.into_iter().map(|(board, class)| (board, class, when)).collect(), rules))
}

fn read_step(step: &mut Entry<'_, '_>) -> Option<HaltStep> {
    let threshold = step.rate("move");
    let duration =
        if step.has("minutes") { Some(step.integer("minutes", 1, 600)? * 60 * heng_model::SECOND) } else { None };
    Some(HaltStep { threshold: threshold?, duration })
}

impl Rulebook {
    /// Halts that hold for a security today; `None` if there are none.
    ///
    /// `listing_day` is 1 on the first trading day; `limited` tells whether it trades with a price limit today.
    #[must_use]
    pub fn halt_rules(
        &self,
        scope: (Board, InstrumentClass),
        date: TradeDate,
        listing_day: Option<u32>,
        limited: bool,
    ) -> Option<HaltRules> {
        let at = |when| self.halts.at((scope.0, scope.1, when), date).copied();
        let first_day = if listing_day == Some(1) { at(HaltWhen::ListingDay) } else { None };
        first_day.or_else(|| if limited { None } else { at(HaltWhen::NoLimit) })
    }

    /// As [`Rulebook::halt_rules`], for a share of which only the limit question is at hand.
    ///
    /// # Errors
    /// If no price-limit rule is in force.
    pub fn halts_of(&self, query: crate::LimitQuery) -> Result<Option<HaltRules>, NoRule> {
        let limited = self.limit_ratios(query)?.is_some();
        Ok(self.halt_rules((query.board, query.class), query.date, query.listing_day, limited))
    }
}
