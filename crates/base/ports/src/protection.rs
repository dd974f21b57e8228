//! Data of persons, and the trail of what is done with them: who may see plain text, where actions stand in the evidence
//! log, what is handed out as a file, and what the law keeps from being deleted.

use heng_model::AccountId;

use crate::events::FeedError;
use crate::identity::{Later, Principal};

/// A value about a person. It tells its mask freely, and its text only to whoever asks for it by this name.
pub trait PersonalValue {
    /// What everybody may see.
    fn masked(&self) -> String;
    /// The text itself. Ask for it where the policy has let the reader see it, and nowhere else.
    fn expose_plain(&self) -> String;
}

/// Where actions stand in the evidence log.
pub trait ActionLeaves: Send + Sync {
    /// The leaf of each of these actions, in their order; none = it is under no checkpoint yet.
    fn leaves_of<'a>(&'a self, actions: &'a [u64]) -> Later<'a, Result<Vec<Option<u64>>, FeedError>>;
}

/// Something that was done and belongs into the trail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ActionDone<'a> {
    /// Who did it; none = the broker's own program.
    pub by: Option<&'a Principal>,
    /// What, for example `export.made`.
    pub action: &'static str,
    /// To what, for example `export:7`; it goes into the evidence log, so it names no person by more than a number.
    pub resource: String,
    /// More words, for people who read the trail; they stay there.
    pub detail: String,
}

/// Takes what services do into the trail.
pub trait ActionTrail: Send + Sync {
    /// Writes it; it is durable when this returns.
    fn record<'a>(&'a self, done: ActionDone<'a>) -> Later<'a, Result<(), FeedError>>;
}

/// Which rows are to be exported.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExportAsk {
    /// What: one of the source's kinds.
    pub kind: String,
    /// Not before this, in nanoseconds since 1970.
    pub from: Option<i64>,
    /// Not after this.
    pub to: Option<i64>,
    /// Of this account alone.
    pub account: Option<AccountId>,
    /// Of this principal alone.
    pub principal: Option<u64>,
    /// Of this action, or of those that begin so (`user.*`).
    pub action: Option<String>,
    /// Personal values stand as their masks.
    pub masked: bool,
}

/// Some rows of an export.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExportRows {
    /// The rows, each with a text for every column.
    pub rows: Vec<Vec<String>>,
    /// Where the next ones begin; none = these were the last.
    pub next: Option<String>,
}

/// What kinds of rows a source hands out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExportKind {
    /// Its name: `audit`, `orders`.
    pub name: &'static str,
    /// The action that whoever asks must be permitted.
    pub action: &'static str,
    /// Which filters it takes, of `from`, `to`, `account`, `principal`, `action`.
    pub filters: &'static [&'static str],
    /// Names of the columns. The first tells the rows apart.
    pub columns: &'static [&'static str],
}

/// Hands out rows for exports. A service that has something to export offers one.
pub trait ExportSource: Send + Sync {
    /// What it has.
    fn kinds(&self) -> &'static [ExportKind];

    /// How many rows an export has, about; none = it cannot tell cheaply.
    fn count<'a>(&'a self, ask: &'a ExportAsk) -> Later<'a, Result<Option<u64>, FeedError>>;

    /// Rows behind `after` (empty = the first), in a fixed order, at most `limit`.
    fn rows<'a>(&'a self, ask: &'a ExportAsk, after: &'a str, limit: u32) -> Later<'a, Result<ExportRows, FeedError>>;
}

/// What the law keeps from being deleted.
pub trait LegalHolds: Send + Sync {
    /// Accounts that are on hold now, ascending.
    fn held(&self) -> Later<'_, Result<Vec<AccountId>, FeedError>>;
}
