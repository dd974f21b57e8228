//! Bodies, queries and answers about legal holds and exports. Times are RFC 3339 with Beijing's offset.

use heng_model::UnixNanos;
use heng_security::privacy::{FreeText, Personal};
use heng_transport::{Caller, instant_text};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::exports::{ExportRow, Found, Progress, State};
use crate::holds::HoldRow;

fn time(nanos: i64) -> String {
    instant_text(UnixNanos(nanos))
}

/// An account to be put on hold.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct LegalHoldBody {
    /// The account.
    #[schema(pattern = "^[1-9][0-9]{0,17}$")]
    pub(crate) account_id: String,
    /// Why.
    #[schema(min_length = 1, max_length = 256)]
    pub(crate) reason: String,
    /// Who ordered it, and under what reference.
    #[schema(min_length = 1, max_length = 128)]
    pub(crate) authority: String,
}

/// Why a hold is lifted.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct LegalHoldRelease {
    /// Why.
    #[schema(min_length = 1, max_length = 256)]
    pub(crate) reason: String,
}

/// States of a hold.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, ToSchema, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LegalHoldState {
    /// It counts.
    Held,
    /// It was lifted.
    Released,
}

/// Which holds are asked for.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(crate) struct LegalHoldQuery {
    /// Of this account alone.
    #[param(pattern = "^[1-9][0-9]{0,17}$")]
    pub(crate) account: Option<String>,
    /// Those alone that count, or that were lifted.
    #[param(inline)]
    pub(crate) state: Option<LegalHoldState>,
    /// The page after this one: `next_before` of the answer before.
    #[param(minimum = 1, maximum = 999_999_999)]
    pub(crate) before: Option<u64>,
    /// At most so many, up to 200.
    #[param(minimum = 1, maximum = 200)]
    pub(crate) limit: Option<u32>,
}

/// A legal hold.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct LegalHold {
    /// Its number.
    pub(crate) id: String,
    /// The account.
    pub(crate) account_id: String,
    /// Why.
    pub(crate) reason: String,
    /// Who ordered it, and under what reference.
    pub(crate) authority: String,
    /// held or released.
    pub(crate) state: LegalHoldState,
    /// Who put it on.
    pub(crate) placed_by: String,
    /// When.
    pub(crate) placed_at: String,
    /// Who lifted it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) released_by: Option<String>,
    /// When.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) released_at: Option<String>,
    /// Why it was lifted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) release_reason: Option<String>,
}

impl LegalHold {
    /// The hold as `caller` may see it: what people wrote may name anybody.
    pub(crate) fn of(row: &HoldRow, caller: &Caller) -> Self {
        let words = |by: u64, text: &str| caller.show(by, &Personal::<FreeText>::held(text));
        Self {
            id: row.number.to_string(),
            account_id: row.account.to_string(),
            reason: words(row.placed_by, &row.reason),
            authority: row.authority.clone(),
            state: if row.released_at.is_some() { LegalHoldState::Released } else { LegalHoldState::Held },
            placed_by: row.placed_by.to_string(),
            placed_at: time(row.placed_at),
            released_by: row.released_by.map(|by| by.to_string()),
            released_at: row.released_at.map(time),
            release_reason: row.released_by.map(|by| words(by, &row.release_reason)),
        }
    }
}

/// Legal holds.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct LegalHolds {
    /// Newest first.
    pub(crate) holds: Vec<LegalHold>,
    /// Where the next page begins; null = there is none.
    pub(crate) next_before: Option<u64>,
}

/// Which rows an export has.
#[derive(Clone, Debug, Default, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ExportFilterShown {
    /// Not before this day (`2026-07-06`) or second (`2026-07-06T09:30:00`) of Beijing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 29)]
    pub(crate) from: Option<String>,
    /// Not after this day or second.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 29)]
    pub(crate) to: Option<String>,
    /// Of this account alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(pattern = "^[1-9][0-9]{0,17}$")]
    pub(crate) account: Option<String>,
    /// Of this principal alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(pattern = "^[1-9][0-9]{0,17}$")]
    pub(crate) principal: Option<String>,
    /// Of this action, or of those that begin so (`user.*`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(pattern = "^[a-z][a-z0-9.-]{0,61}(\\.\\*)?$")]
    pub(crate) action: Option<String>,
}

const fn yes() -> bool {
    true
}

/// An export that is asked for.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ExportBody {
    /// audit, users, orders or fills.
    #[schema(pattern = "^[a-z][a-z-]{0,31}$")]
    pub(crate) kind: String,
    /// Which rows.
    #[serde(default)]
    pub(crate) filter: ExportFilterShown,
    /// For what purpose; it stands in the file.
    #[schema(min_length = 1, max_length = 256)]
    pub(crate) reason: String,
    /// Personal values stand as their masks; true unless told otherwise.
    #[serde(default = "yes")]
    pub(crate) masked: bool,
    /// The file begins with a byte order mark, which some spreadsheet programs need for Chinese.
    #[serde(default)]
    pub(crate) bom: bool,
}

/// States of an export.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, ToSchema, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub(crate) enum ExportState {
    /// It waits for a decision.
    Requested,
    /// Its file is made.
    Running,
    /// Its file is there.
    Ready,
    /// Somebody refused it.
    Refused,
    /// It could not be made.
    Failed,
    /// Its seven days are over.
    Ended,
}

impl ExportState {
    pub(crate) const fn state(self) -> State {
        match self {
            Self::Requested => State::Requested,
            Self::Running => State::Running,
            Self::Ready => State::Ready,
            Self::Refused => State::Refused,
            Self::Failed => State::Failed,
            Self::Ended => State::Ended,
        }
    }

    const fn of(state: State) -> Self {
        match state {
            State::Requested => Self::Requested,
            State::Running => Self::Running,
            State::Ready => Self::Ready,
            State::Refused => Self::Refused,
            State::Failed => Self::Failed,
            State::Ended => Self::Ended,
        }
    }
}

/// Which exports are asked for.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(crate) struct ExportQuery {
    /// In this state alone.
    #[param(inline)]
    pub(crate) state: Option<ExportState>,
    /// The page after this one: `next_before` of the answer before.
    #[param(minimum = 1, maximum = 999_999_999)]
    pub(crate) before: Option<u64>,
    /// At most so many, up to 200.
    #[param(minimum = 1, maximum = 200)]
    pub(crate) limit: Option<u32>,
}

/// An export.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Export {
    /// Its number.
    pub(crate) id: String,
    /// What it holds.
    pub(crate) kind: String,
    /// Which rows.
    pub(crate) filter: ExportFilterShown,
    /// For what purpose.
    pub(crate) reason: String,
    /// Whether personal values stand as their masks.
    pub(crate) masked: bool,
    /// Whether the file begins with a byte order mark.
    pub(crate) bom: bool,
    /// Where it is.
    pub(crate) state: ExportState,
    /// Who asked.
    pub(crate) requested_by: String,
    /// When.
    pub(crate) requested_at: String,
    /// Who decided.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) decided_by: Option<String>,
    /// When.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) decided_at: Option<String>,
    /// Rows that it has, or has so far.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) rows: Option<u64>,
    /// Per cent that are made; absent where that cannot be told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) progress: Option<u64>,
    /// Bytes of the file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) bytes: Option<u64>,
    /// SHA-256 of the file, hexadecimal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) sha256: Option<String>,
    /// SM3 of the file, hexadecimal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) sm3: Option<String>,
    /// When the file was made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) ready_at: Option<String>,
    /// Until when it can be had.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) ends_at: Option<String>,
    /// Why it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) trouble: Option<String>,
}

impl Export {
    /// The export as `caller` may see it: what people wrote may name anybody.
    pub(crate) fn of(row: &ExportRow, progress: Option<Progress>, caller: &Caller) -> Self {
        let made = !row.sha256.is_empty();
        let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        let share = |(rows, of): Progress| of.filter(|of| *of > 0).map(|of| (rows * 100 / of).min(99));
        Self {
            id: row.number.to_string(),
            kind: row.kind.clone(),
            filter: ExportFilterShown {
                from: row.from.map(time),
                to: row.to.map(time),
                account: row.account.map(|account| account.to_string()),
                principal: row.principal.map(|principal| principal.to_string()),
                action: row.action.clone(),
            },
            reason: caller.show(row.requested_by, &Personal::<FreeText>::held(&row.reason)),
            masked: row.masked,
            bom: row.bom,
            state: ExportState::of(row.state),
            requested_by: row.requested_by.to_string(),
            requested_at: time(row.requested_at),
            decided_by: row.decided_by.map(|by| by.to_string()),
            decided_at: row.decided_at.map(time),
            rows: if made { Some(row.rows) } else { progress.map(|(rows, _)| rows) },
            progress: if made { Some(100) } else { progress.and_then(share) },
            bytes: made.then_some(row.bytes),
            sha256: some(&row.sha256),
            sm3: some(&row.sm3),
            ready_at: row.ready_at.map(time),
            ends_at: row.ends_at.map(time),
            trouble: some(&row.trouble),
        }
    }
}

/// Exports.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Exports {
    /// Newest first.
    pub(crate) exports: Vec<Export>,
    /// Where the next page begins; null = there is none.
    pub(crate) next_before: Option<u64>,
}

/// A decision about an export.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ExportDecisionBody {
    /// approve or refuse.
    pub(crate) decision: ExportDecision,
}

/// Decisions about an export.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, ToSchema, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub(crate) enum ExportDecision {
    /// Its file is made.
    Approve,
    /// It ends here.
    Refuse,
}

/// A piece of a file that was found elsewhere.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct WatermarkBody {
    /// The piece, as it was found.
    #[schema(min_length = 1, max_length = 48_000)]
    pub(crate) text: String,
}

/// An export whose mark is in the piece.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct WatermarkFound {
    /// The export.
    pub(crate) export: Export,
    /// Choices in the piece that are this export's.
    pub(crate) matches: u64,
    /// Choices that were compared; chance alone gives half of them.
    pub(crate) of: u64,
}

impl WatermarkFound {
    pub(crate) fn of(row: &ExportRow, found: Found, caller: &Caller) -> Self {
        Self { export: Export::of(row, None, caller), matches: found.matches, of: found.of }
    }
}

/// Where a piece came from.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct WatermarkAnswer {
    /// Exports whose mark is in it; empty = none of those that were looked at, or the piece shows too little.
    pub(crate) found: Vec<WatermarkFound>,
    /// Exports that were looked at, the newest.
    pub(crate) looked_at: usize,
    /// Choices that the piece shows; below 50 nothing is said.
    pub(crate) marks: usize,
}
