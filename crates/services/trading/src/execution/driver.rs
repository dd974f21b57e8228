//! What a driver proposes: at most one command for each parent in a step, from what the core says of the parent now.
//!
//! *Invariant:* a proposal whose outcome is unknown is sent again as it was, with its own slice number, until the core
//! answers: the core takes it once.
//! *Invariant:* the driver never counts on its own memory for what was filled or is open: the core's state, behind the
//! last answer, says so; and the core refuses what would exceed the parent.

use std::collections::BTreeMap;

use heng_model::command::{CancelOrder, ControlParent, ParentAction, ParentKind, SliceParent};
use heng_model::event::ParentStatus;
use heng_model::{Command, OrderType, ParentId, Price, Qty, SECOND, Seq, Side, UnixNanos};
use heng_ports::{Answer, ParentNow};

use super::market::Market;
use super::terms::Terms;
use super::{condition, follow_liquidity, iceberg, pov, twap, vwap};

/// How long a parent whose proposal was refused waits for the next one, in market time.
const AFTER_REFUSAL: i64 = 2 * SECOND;
/// How long a child may rest before it is taken back, where the schedule does not say.
const RESTS_MAX: i64 = 5 * SECOND;
/// When schedules end that name no end: a minute before the closing auction, in seconds of the day.
const USUAL_END: i64 = 14 * 3_600 + 56 * 60;

/// A parent with how it is to be driven.
#[derive(Clone, Debug)]
pub struct Driven {
    /// The parent as the core knows it.
    pub parent: ParentNow,
    /// What the client asked.
    pub terms: Terms,
    /// Whether the client wants it to stand: it is not claimed, and not sliced.
    pub held: bool,
    /// When it was placed, as the record tells it.
    pub begun: UnixNanos,
}

/// What the driver remembers of a parent.
#[derive(Clone, Debug, Default)]
struct Memory {
    /// A proposal that has no outcome yet.
    pending: Option<Command>,
    /// Nothing is proposed before this time.
    not_before: UnixNanos,
    /// When the last child was placed.
    placed: UnixNanos,
    /// The last slice number of this driver.
    slice: u32,
    /// The target that the last slice reached: the next one takes back what is left of it.
    reached: Qty,
}

/// Decides what to propose.
#[derive(Clone, Debug)]
pub struct Driver {
    epoch: u64,
    memory: BTreeMap<ParentId, Memory>,
}

impl Driver {
    /// A driver that starts when `head` is the last durable command: its epoch exceeds that of every driver before it,
    /// whose claims are in the record.
    #[must_use]
    pub const fn new(head: Seq) -> Self {
        Self { epoch: head.0 + 1, memory: BTreeMap::new() }
    }

    /// Its epoch.
    #[must_use]
    pub const fn epoch(&self) -> u64 {
        self.epoch
    }

    /// Forgets parents that are not alive any more.
    pub fn keep_only(&mut self, alive: &[ParentNow]) {
        self.memory.retain(|id, _| alive.iter().any(|parent| parent.parent == *id));
    }

    /// What to propose for a parent now, if anything. `as_of` is the command that the parent's state is true at.
    #[must_use]
    pub fn propose(&mut self, driven: &Driven, as_of: Seq, now: UnixNanos, market: &dyn Market) -> Option<Command> {
        let parent = &driven.parent;
        let memory = self.memory.entry(parent.parent).or_default();
        if memory.pending.is_some() {
            return memory.pending.clone();
        }
        if driven.held || parent.status == ParentStatus::Done || now < memory.not_before {
            return None;
        }
        let command = if parent.epoch < self.epoch {
            claim(parent, self.epoch)
        } else if parent.status == ParentStatus::Paused {
            // Somebody paused it behind this driver's claim: it stands until somebody resumes it.
            return None;
        } else if parent.kind == ParentKind::Condition {
            condition::fired(parent, &market.quote(parent.watch))?.into()
        } else {
            step(memory, driven, (as_of, now), market)?
        };
        memory.pending = Some(command.clone());
        Some(command)
    }

    /// The core's answer to a proposal. Unknown keeps it: the same is sent again.
    pub fn told(&mut self, parent: ParentId, now: UnixNanos, answer: Answer) {
        let Some(memory) = self.memory.get_mut(&parent) else { return };
        match answer {
            Answer::Unknown => {}
            Answer::Accepted { .. } => memory.pending = None,
            // The door's refusals change nothing either; both wait a little.
            Answer::Rejected { .. } => {
                memory.pending = None;
                memory.not_before = UnixNanos(now.0 + AFTER_REFUSAL);
            }
        }
    }
}

fn claim(parent: &ParentNow, epoch: u64) -> Command {
    ControlParent { account: parent.account, parent: parent.parent, action: ParentAction::Claim, epoch }.into()
}

/// When a schedule begins and ends.
fn span(driven: &Driven) -> (UnixNanos, UnixNanos) {
    let (terms, parent) = (&driven.terms, &driven.parent);
    let begin = UnixNanos::at(parent.trade_date, 9 * 3_600 * SECOND + 30 * 60 * SECOND);
    let start = if terms.start.0 > 0 { terms.start } else { driven.begun.max(begin) };
    let end = if terms.end.0 > 0 { terms.end } else { UnixNanos::at(parent.trade_date, USUAL_END * SECOND) };
    (start, end.max(UnixNanos(start.0 + SECOND)))
}

fn step(memory: &mut Memory, driven: &Driven, (as_of, now): (Seq, UnixNanos), market: &dyn Market) -> Option<Command> {
    let (terms, parent) = (&driven.terms, &driven.parent);
    let (start, end) = span(driven);
    if now < start {
        return None;
    }
    let quote = market.quote(parent.instrument);
    let left = Qty(parent.quantity.0 - parent.filled.0 - parent.open.0);
    let (price, quantity) = match parent.kind {
        ParentKind::Iceberg => (parent.price, iceberg::next(terms.display, parent.open, left)),
        ParentKind::Liquidity if parent.open > Qty::ZERO => return take_back(memory, parent, now),
        ParentKind::Liquidity => follow_liquidity::next(&quote, parent.side, parent.price, terms.display, left)?,
        ParentKind::Twap | ParentKind::Vwap | ParentKind::Pov | ParentKind::Condition => {
            let target = match parent.kind {
                ParentKind::Vwap => vwap::target(parent.quantity, terms.slices, (start, end), now),
                ParentKind::Pov => {
                    let traded = market.volume_since(parent.instrument, start);
                    pov::target(parent.quantity, terms.participation, traded)
                }
                _ => twap::target(parent.quantity, terms.slices, (start, end), now),
            };
            let more = Qty(target.0 - parent.filled.0 - parent.open.0);
            // A new slice is due: what is left of the last one follows the market with it.
            if parent.open > Qty::ZERO && target > memory.reached && parent.kind != ParentKind::Pov {
                return cancel_oldest(parent);
            }
            memory.reached = memory.reached.max(target);
            if parent.open > Qty::ZERO {
                return take_back(memory, parent, now);
            }
            (child_price(parent, &quote)?, more.min(left))
        }
    };
    // A share of the volume is never exceeded; a slice of time may be rounded up to the smallest order.
    let round_up = matches!(parent.kind, ParentKind::Twap | ParentKind::Vwap | ParentKind::Iceberg);
    let quantity = on_lot(parent, quantity, left, round_up);
    if quantity == Qty::ZERO || price == Price::ZERO {
        return None;
    }
    memory.placed = now;
    // Numbers go up with the record, so that no start of a driver uses one again for another slice.
    memory.slice = (as_of.0 as u32).max(memory.slice.wrapping_add(1));
    let (parent, slice, epoch) = (parent.parent, memory.slice, parent.epoch);
    Some(SliceParent { parent, slice, epoch, order_type: OrderType::Limit, price, quantity }.into())
}

fn cancel_oldest(parent: &ParentNow) -> Option<Command> {
    let (account, order) = (parent.account, parent.oldest);
    (order.0 != 0).then(|| CancelOrder { account, order }.into())
}

/// A child that rested long enough is taken back, so that the next one follows the market.
fn take_back(memory: &Memory, parent: &ParentNow, now: UnixNanos) -> Option<Command> {
    if now.0 - memory.placed.0 < RESTS_MAX { None } else { cancel_oldest(parent) }
}

/// The price at which a child meets the other side, inside the parent's limit and the day's; `None` while no price is
/// known.
fn child_price(parent: &ParentNow, quote: &super::Quote) -> Option<Price> {
    let known = |price: Price| (price > Price::ZERO).then_some(price);
    let (opposite, own) = match parent.side {
        Side::Buy => (quote.ask, quote.bid),
        Side::Sell => (quote.bid, quote.ask),
    };
    let limit = known(parent.price);
    let wanted = known(opposite).or(limit).or(known(own)).or(known(quote.last))?;
    let inside = match (parent.side, limit) {
        (_, None) => wanted,
        (Side::Buy, Some(limit)) => wanted.min(limit),
        (Side::Sell, Some(limit)) => wanted.max(limit),
    };
    let (down, up) = (parent.limit_down, parent.limit_up);
    Some(if up > Price::ZERO { inside.clamp(down, up) } else { inside })
}

/// The largest quantity on the lot up to `quantity`; the last piece of a sell may be the rest below a lot.
fn on_lot(parent: &ParentNow, quantity: Qty, left: Qty, round_up: bool) -> Qty {
    let (least, step) = (parent.lot_min, parent.lot_step.max(Qty(1)));
    if quantity <= Qty::ZERO {
        return Qty::ZERO;
    }
    if parent.side == Side::Sell && quantity == left {
        return quantity;
    }
    let quantity = if round_up && quantity < least && left >= least { least } else { quantity };
    if quantity < least { Qty::ZERO } else { Qty(quantity.0 - (quantity.0 - least.0) % step.0) }
}
