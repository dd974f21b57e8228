//! The pipeline, written once, from top to bottom. Sequencing, journal and the durability gate stand around it in the
//! `core` role.
//!
//! 1. Time: timers that are due before the command's time fire, in (deadline, id) order.
//! 2. Key: a repeated key returns the original outcome (`entry.rs`).
//! 3. Check: account, instrument, price, money, risk rules; the first refusal by precedence (`heng-pretrade`).
//! 4. Hold: cash or shares of the order are held (`heng-ledger`).
//! 5. Route: to the venue partition; with one of each it is this state's own venue (`venue/`).
//! 6. Match: the venue checks phase and cage, matches, and reports (`venue/enter.rs`, `heng-matching`).
//! 7. Release and post: each report changes hold, books and order (`reports.rs`).
//! 8. Emit: every change has told its event on the way; debits must equal credits.

use heng_model::{AccountId, Command, OrderId, RejectCode, Sequenced};

use crate::sink::EventSink;
use crate::state::State;

/// The engine level that this version writes.
pub const CURRENT_LEVEL: u16 = 1;
/// The oldest engine level that this version can still execute.
pub const OLDEST_LEVEL: u16 = 1;

/// What a command came to, for whoever sent it. The events say the same to everybody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The refusal, if it was refused.
    pub code: Option<RejectCode>,
    /// The order or parent that it made or meant; 0 = none.
    pub id: u64,
    /// Whether it repeats an earlier command, whose outcome this is.
    pub repeated: bool,
}

impl Outcome {
    /// Done.
    pub(crate) const DONE: Self = Self { code: None, id: 0, repeated: false };

    pub(crate) const fn refused(code: RejectCode) -> Self {
        Self { code: Some(code), id: 0, repeated: false }
    }

    pub(crate) const fn order(id: OrderId, code: Option<RejectCode>) -> Self {
        Self { code, id: id.0, repeated: false }
    }
}

/// Applies one command: the whole contract of the core.
///
/// # Panics
/// If the command's sequence or time does not follow, or if debits and credits differ afterwards: our own bugs, at
/// which the core role ends the process.
pub fn apply<S: EventSink>(state: &mut State, command: &Sequenced<Command>, sink: &mut S) -> Outcome {
    begin(state, command, sink);
    let outcome = dispatch(state, &command.command, sink);
    assert!(state.ledger.is_balanced(), "debits and credits differ after command {}", command.seq);
    outcome
}

/// Takes the place of a command that a four-eyes record put into quarantine: it becomes a refusal.
pub fn apply_quarantined<S: EventSink>(state: &mut State, command: &Sequenced<Command>, sink: &mut S) -> Outcome {
    begin(state, command, sink);
    refuse(&command.command, AccountId(0), RejectCode::Quarantined, sink)
}

fn begin<S: EventSink>(state: &mut State, command: &Sequenced<Command>, sink: &mut S) {
    assert!(command.seq == state.seq.next(), "command {} does not follow {}", command.seq, state.seq);
    assert!(command.time > state.time, "time of command {} does not advance", command.seq);
    state.seq = command.seq;
    sink.begin(command.seq, command.time);
    // Step 1. Timers fire at their own deadline, before this command.
    while state.timers.is_due(command.time) {
        let Some((deadline, timer)) = state.timers.pop_due(command.time) else { break };
        state.time = state.time.max(deadline);
        state.fire(timer, sink);
    }
    state.time = command.time;
}

#[inline]
fn dispatch<S: EventSink>(state: &mut State, command: &Command, sink: &mut S) -> Outcome {
    match command {
        Command::NewOrder(order) => state.new_order(order, sink),
        Command::CancelOrder(cancel) => state.cancel_order(cancel, sink),
        Command::RouteOrder(route) => state.route_arrives(route, sink),
        Command::VenueReport(report) => state.report_arrives(report, sink),
        Command::RouteCancel(cancel) => state.route_cancel_arrives(cancel, sink),
        other => dispatch_rare(state, other, sink),
    }
}

#[inline(never)]
fn dispatch_rare<S: EventSink>(state: &mut State, command: &Command, sink: &mut S) -> Outcome {
    let result = match command {
        Command::BulkOrders(bulk) => return state.bulk_orders(command, &bulk.orders, sink),
        Command::BasketOrders(basket) => return state.basket_orders(command, &basket.orders, sink),
        Command::NewParent(parent) => return state.new_parent(parent, sink),
        Command::SliceParent(slice) => return state.slice_parent(slice, sink),
        Command::TriggerParent(trigger) => return state.trigger_parent(trigger, sink),
        Command::ControlParent(control) => state.control_parent(control, sink),
        Command::MassCancel(cancel) => state.mass_cancel(cancel, sink),
        Command::KillSwitch(switch) => state.kill_switch(switch, sink),
        Command::RouteMassCancel(cancel) => state.mass_cancel_at_venue(cancel, sink),
        Command::Halt(halt) => state.halt(halt, sink),
        Command::Resume(resume) => state.resume(resume.instrument, sink),
        Command::OpenDay(open) => state.open_day(open, sink),
        Command::CloseDay(close) => state.close_day(close, sink),
        other => state.administer(other, sink),
    };
    match result {
        Ok(()) => Outcome::DONE,
        Err(code) => refuse(command, state.account_named(command), code, sink),
    }
}

/// A refusal is an event (design rule 6).
pub(crate) fn refuse<S: EventSink>(command: &Command, account: AccountId, code: RejectCode, sink: &mut S) -> Outcome {
    sink.emit(heng_model::event::CommandRefused { command: command.code(), account, code }.into());
    Outcome::refused(code)
}
