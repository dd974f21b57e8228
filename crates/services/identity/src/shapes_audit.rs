//! What clients send and are shown about the audit trail.

use heng_security::privacy::{FreeText, NetworkAddress, Personal, SignInName};
use heng_transport::Caller;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::audit::AuditRow;
use crate::shapes::instant;

/// Which rows of the audit trail are asked for.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(crate) struct AuditQuery {
    /// At most so many, up to 500.
    #[param(minimum = 1, maximum = 500)]
    pub(crate) limit: Option<u32>,
    /// The page after this one: `next_before` of the answer before.
    #[param(minimum = 1, maximum = 999_999_999_999_999_999i64)]
    pub(crate) before: Option<u64>,
    /// By this principal alone; 0 = nobody was identified, or the system itself.
    #[param(minimum = 0, maximum = 999_999_999)]
    pub(crate) principal: Option<u64>,
    /// By whoever signed in with this name.
    #[param(min_length = 1, max_length = 64)]
    pub(crate) name: Option<String>,
    /// Of this action alone, for example `order.place`; of all that begin so, for example `user.*`.
    #[param(pattern = "^[a-z][a-z0-9.-]{0,61}(\\.\\*)?$")]
    pub(crate) action: Option<String>,
    /// Of this outcome alone: allowed, denied, done or failed.
    #[param(inline)]
    pub(crate) outcome: Option<OutcomeName>,
    /// About this account alone.
    #[param(pattern = "^[1-9][0-9]{0,17}$")]
    pub(crate) account: Option<String>,
    /// From this address alone.
    #[param(min_length = 2, max_length = 45)]
    pub(crate) address: Option<String>,
    /// Not before this day (`2026-07-06`) or second (`2026-07-06T09:30:00`) of Beijing.
    #[param(max_length = 25)]
    pub(crate) from: Option<String>,
    /// Not after this day or second.
    #[param(max_length = 25)]
    pub(crate) to: Option<String>,
    /// Stands in the detail or the resource, in these letters. A page looks at 100,000 rows at most: it may hold fewer
    /// rows than asked for and go on.
    #[param(min_length = 3, max_length = 64)]
    pub(crate) text: Option<String>,
}

/// Outcomes of the audit trail.
#[derive(Clone, Copy, Deserialize, Serialize, ToSchema, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub(crate) enum OutcomeName {
    /// The policy let it pass; counted.
    Allowed,
    /// The policy refused it.
    Denied,
    /// It was changed.
    Done,
    /// It was tried in vain.
    Failed,
}

impl OutcomeName {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Allowed => "allowed",
            Self::Denied => "denied",
            Self::Done => "done",
            Self::Failed => "failed",
        }
    }
}

/// A row of the audit trail.
#[derive(Serialize, ToSchema)]
pub(crate) struct AuditShown {
    /// Its number.
    pub(crate) number: u64,
    /// When; of several, the last.
    pub(crate) at: String,
    /// Who; `0` = nobody was identified, or the system itself.
    pub(crate) principal: String,
    /// Their name.
    pub(crate) name: String,
    /// What they came with.
    pub(crate) credential: String,
    /// What was asked for.
    pub(crate) action: String,
    /// To what; empty = nothing in particular.
    pub(crate) resource: String,
    /// allowed, denied, done or failed.
    pub(crate) outcome: String,
    /// More words.
    pub(crate) detail: String,
    /// Where it came from, if it was noted.
    pub(crate) address: String,
    /// How often: allowed decisions are counted, everything else has a row of its own.
    pub(crate) times: u64,
    /// Its leaf in the evidence log; null = it is under no checkpoint yet, or there is no such log here.
    pub(crate) leaf: Option<u64>,
}

impl AuditShown {
    /// The row as `caller` may see it. Words may name anybody, so whoever sees masks sees none of them.
    pub(crate) fn of((number, row): (u64, AuditRow), leaf: Option<u64>, caller: &Caller) -> Self {
        let owner = row.principal;
        Self {
            number,
            at: instant(row.at),
            principal: owner.to_string(),
            name: caller.show(owner, &Personal::<SignInName>::held(&row.name)),
            credential: row.credential,
            action: row.action,
            resource: row.resource,
            outcome: row.outcome,
            detail: caller.show(owner, &Personal::<FreeText>::held(&row.detail)),
            address: caller.show(owner, &Personal::<NetworkAddress>::held(&row.address)),
            times: row.times,
            leaf,
        }
    }
}

/// Rows of the audit trail, newest first.
#[derive(Serialize, ToSchema)]
pub(crate) struct AuditAnswer {
    /// The rows.
    pub(crate) rows: Vec<AuditShown>,
    /// Where the next page begins; null = there is none.
    pub(crate) next_before: Option<u64>,
}
