//! The trading day as a list of phases.

use heng_model::{Board, InstrumentClass, OrderType, Phase, TradeDate};

use crate::document::Entry;
use crate::error::NoRule;
use crate::instrument::OrderTypeRules;
use crate::rulebook::Rulebook;

/// A phase of the trading day: it lasts from `time_of_day` until the next step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionStep {
    /// When the phase begins, in nanoseconds after local midnight (UTC+8).
    pub time_of_day: i64,
    /// The phase.
    pub phase: Phase,
    /// Whether new orders of some type are taken.
    pub accepts_orders: bool,
    /// Whether cancels are taken.
    pub cancel_allowed: bool,
    /// Orders and cancels are taken but wait for the next phase (SZSE 09:25–09:30).
    pub queued: bool,
    /// Order types taken, one bit each as in [`crate::order_type_bit`]; 0 if none.
    pub order_types: u16,
    /// The phase ends at a moment drawn between its begin and this time of day; `None` if it ends on time.
    pub random_end: Option<i64>,
}

/// What a phase takes, before the order types of the class are known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Accepts {
    Nothing,
    Auction,
    Continuous,
}

/// A step as it stands in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PlannedStep {
    step: SessionStep,
    accepts: Accepts,
    after_hours: bool,
}

pub(crate) type SessionKey = (Board, InstrumentClass, bool);

/// Reads `[[session]]`; `half_day` chooses the schedule of a half day.
pub(crate) fn read(entry: &mut Entry<'_, '_>) -> Option<(Vec<SessionKey>, Vec<PlannedStep>)> {
    let (scopes, half_day) = (entry.scopes(), entry.flag("half_day"));
    let steps = entry.tables("steps", read_step)?;
    let (scopes, half_day) = (scopes?, half_day?);
    let rising = steps.windows(2).all(|pair| pair[0].step.time_of_day < pair[1].step.time_of_day);
    let ends = steps.last().is_some_and(|last| last.step.phase == Phase::Ended);
    if !rising || !ends {
        entry.problem("\"steps\" must rise in time and end with the phase \"ended\"");
        return None;
    }
    Some((scopes.into_iter().map(|(board, class)| (board, class, half_day)).collect(), steps))
}

fn read_step(step: &mut Entry<'_, '_>) -> Option<PlannedStep> {
    let (time_of_day, phase) = (step.time("at"), step.parsed::<Phase>("phase"));
    let accepts = match step.optional_text("accepts") {
        None => Some(Accepts::Nothing),
        Some("auction") => Some(Accepts::Auction),
        Some("continuous") => Some(Accepts::Continuous),
        Some(_) => {
            step.problem("\"accepts\" is none of: auction, continuous (leave it out if no order is taken)");
            None
        }
    };
    let (cancels, queued, after_hours) = (step.flag("cancels"), step.flag("queued"), step.flag("after_hours"));
    let random_end = step.optional_time("random_until");
    let (time_of_day, random_end) = (time_of_day?, random_end?);
    if random_end.is_some_and(|end| end <= time_of_day) {
        step.problem("\"random_until\" must be after \"at\"");
        return None;
    }
    let plain = SessionStep {
        time_of_day,
        phase: phase?,
        accepts_orders: false,
        cancel_allowed: cancels?,
        queued: queued?,
        order_types: 0,
        random_end,
    };
    Some(PlannedStep { step: plain, accepts: accepts?, after_hours: after_hours? })
}

impl PlannedStep {
    fn with_types(self, types: &OrderTypeRules) -> SessionStep {
        let usual = match self.accepts {
            Accepts::Nothing => 0,
            Accepts::Auction => types.auction,
            Accepts::Continuous => types.continuous,
        };
        let order_types = usual | if self.after_hours { types.after_hours } else { 0 };
        SessionStep { accepts_orders: order_types != 0, order_types, ..self.step }
    }
}

impl SessionStep {
    /// Whether the phase takes orders of this type.
    #[must_use]
    #[inline]
    pub const fn takes(&self, order_type: OrderType) -> bool {
        self.order_types & crate::order_type_bit(order_type) != 0
    }
}

impl Rulebook {
    /// The phases of the day in order; before the first one the market is closed. The last one is
    /// [`Phase::Ended`]. `half_day` chooses the short Hong Kong day.
    ///
    /// # Errors
    /// If no schedule or no order types are in force.
    pub fn sessions(
        &self,
        board: Board,
        class: InstrumentClass,
        date: TradeDate,
        half_day: bool,
    ) -> Result<Vec<SessionStep>, NoRule> {
        let key = (board, class, half_day);
        let steps = self.schedules.at(key, date).ok_or_else(|| {
            let rule = if half_day { "half-day session" } else { "session" };
            NoRule::security(rule, (board, class), date).known_from(self.schedules.earliest(key))
        })?;
        let types = self.find(&self.order_types, "order type", (board, class), date)?;
        Ok(steps.iter().map(|step| step.with_types(types)).collect())
    }
}
