//! The ports between the core and everything around it.
//!
//! Entry points: [`CommandPort`], through which every service changes core state; [`EventSource`], from which every view
//! is derived; [`CoreQueries`], which answers questions about the present state; [`Gatekeeper`], which says who asks and
//! whether they may; [`ActionSource`], what people did outside of the core; [`PersonalValue`], [`ExportSource`] and
//! [`LegalHolds`], how data of persons are shown, handed out and kept.
//!
//! *Invariant:* an answer is given only for a durable command; a port never invents an outcome.
//! *Invariant:* no answer in time is [`Answer::Unknown`], to be resolved by the order's key, never by blind retry.
//!
//! Deliberately absent: transport (a call in one process, an mTLS stream between processes) and query ports of
//! services other than the core.

mod actions;
mod events;
mod identity;
mod protection;
mod queries;
mod watch;

use std::sync::mpsc::channel;
use std::time::Duration;

use heng_model::{Command, RejectCode, Seq};

pub use actions::{ActionSource, ActionTaken};
pub use events::{CommandEvents, EventBlock, EventFeed, EventSource, FeedError};
pub use identity::{
    Accounts, AuthFailure, Credentials, Decision, Gatekeeper, Later, PRINCIPAL_ACCOUNTS_MAX, Principal, PrincipalKind,
    Resource, Signed, StepUpAsk, StepUpFailure, Turned, TurnedAway,
};
pub use protection::{
    ActionDone, ActionLeaves, ActionTrail, ExportAsk, ExportKind, ExportRows, ExportSource, LegalHolds, PersonalValue,
};
pub use queries::{
    About, Answered, CashNow, CashOf, CashRowNow, CoreQueries, EstimateNow, EstimateOf, Explained, ExplainedAfter,
    ExplainedNow, Explanation, HashNow, HashOf, HoldingNow, HoldingsNow, HoldingsOf, NoAnswer, OneOrder, OpenOrdersOf,
    OrderNow, OrdersNow, OutcomeNow, OutcomeOf, OutcomesNow, OutcomesOf, ParentNow, ParentsNow, ParentsOf, PowerNow,
    PowerOf, Question, ROWS_MAX, Reply,
};
pub use watch::{CoreStatus, CoreWatch, LatencyPoints};

/// What became of a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It is durable and did what it asked.
    Accepted {
        /// Its sequence; a repeat gets the sequence of the repeat.
        sequence: Seq,
        /// The order or parent that it made or meant; 0 = none.
        id: u64,
        /// Whether it repeats an earlier command, whose outcome this is.
        repeated: bool,
    },
    /// It was refused; the refusal is durable. Refusals of the doors have sequence 0.
    Rejected {
        /// Its sequence.
        sequence: Seq,
        /// The order, if it has one; 0 = none.
        id: u64,
        /// Why.
        code: RejectCode,
        /// Whether it repeats an earlier command, whose outcome this is.
        repeated: bool,
    },
    /// No answer within the deadline: it may or may not have happened.
    Unknown,
}

/// Takes the outcome of a command.
pub type Done = Box<dyn FnOnce(Answer) + Send>;

/// How services change core state.
pub trait CommandPort: Send + Sync {
    /// Submits a command without waiting. `done` is told its durable outcome, from a thread of the port that it must
    /// not hold up; it is dropped untold if the port ends first, and the outcome is then unknown.
    fn begin(&self, command: Command, done: Done);

    /// Submits a command and waits for its durable outcome, at most `deadline`. Blocks the caller.
    fn submit(&self, command: Command, deadline: Duration) -> Answer {
        let (sender, receiver) = channel();
        self.begin(
            command,
            Box::new(move |answer| {
                // Whoever waited may have reached its deadline.
                let _ = sender.send(answer);
            }),
        );
        receiver.recv_timeout(deadline).unwrap_or(Answer::Unknown)
    }
}
