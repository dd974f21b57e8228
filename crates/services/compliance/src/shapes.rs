//! Bodies, queries and answers of the doors.

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// Which checkpoint is asked for.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(crate) struct CheckpointQuery {
    /// The newest that witnesses have cosigned, with their signatures, instead of the newest of all.
    pub(crate) witnessed: Option<bool>,
}

/// Which records are to be proven.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(crate) struct ProofQuery {
    /// The account; staff who may read evidence may leave it out.
    #[param(pattern = "^[1-9][0-9]{0,17}$")]
    pub(crate) account: Option<String>,
    /// Only what speaks of this order of the account.
    #[param(pattern = "^[1-9][0-9]{0,17}$")]
    pub(crate) order: Option<String>,
    /// First command; none = the first of all.
    #[param(minimum = 1)]
    pub(crate) from: Option<u64>,
    /// Last command; none = the last under the checkpoint.
    #[param(minimum = 1)]
    pub(crate) to: Option<u64>,
    /// Leaves at most, 1 to 1,000; none = 100.
    #[param(minimum = 1, maximum = 1000)]
    pub(crate) limit: Option<usize>,
    /// Size of an earlier tree with which this one is to be proven to begin.
    #[param(minimum = 0)]
    pub(crate) since: Option<u64>,
    /// Under the newest checkpoint that witnesses have cosigned.
    pub(crate) witnessed: Option<bool>,
}

/// The log's keys.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct EvidenceKeys {
    /// The log's name, the first line of its checkpoints.
    pub(crate) origin: String,
    /// Keys that sign now, as C2SP verifier keys.
    pub(crate) keys: Vec<EvidenceKey>,
    /// Keys that signed once.
    pub(crate) retired: Vec<EvidenceKey>,
    /// Keys of the witnesses who are asked.
    pub(crate) witnesses: Vec<EvidenceKey>,
}

/// A public key.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct EvidenceKey {
    /// `name+id+key`, as C2SP signed-note has it.
    pub(crate) verifier: String,
    /// `ed25519`, `sm2` or `cosignature-v1`.
    pub(crate) algorithm: String,
    /// When it was made, in nanoseconds since 1970; 0 = not known here.
    pub(crate) created_at: i64,
    /// When it was retired.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) retired_at: Option<i64>,
}

/// How the evidence log is doing.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct EvidenceShown {
    /// The log's name.
    pub(crate) origin: String,
    /// Whether it goes on.
    pub(crate) well: bool,
    /// In words.
    pub(crate) detail: String,
    /// Leaves under the newest checkpoint.
    pub(crate) size: u64,
    /// Root of the SHA-256 tree, hexadecimal.
    pub(crate) root: String,
    /// Root of the SM3 tree, hexadecimal.
    pub(crate) sm3_root: String,
    /// The newest checkpoint.
    pub(crate) checkpoint: String,
    /// The last command under it.
    pub(crate) as_of_sequence: u64,
    /// Age in milliseconds of the oldest command that is not under it.
    pub(crate) lag_ms: u64,
    /// The witnesses.
    pub(crate) witnesses: Vec<WitnessShown>,
    /// How long the law asks for things to be kept.
    pub(crate) retention: Vec<RetentionShown>,
}

/// How a witness is doing.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct WitnessShown {
    /// Its name.
    pub(crate) name: String,
    /// The largest size that it has cosigned.
    pub(crate) size: u64,
    /// When, in seconds since 1970 by its clock.
    pub(crate) at: u64,
    /// Why it did not cosign last time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) trouble: Option<String>,
}

/// A retention class.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RetentionShown {
    /// Its name.
    pub(crate) class: String,
    /// What it holds, in English.
    pub(crate) english: String,
    /// What it holds, in Chinese.
    pub(crate) chinese: String,
    /// Years, from the end of the year in which a record was made.
    pub(crate) years: u32,
    /// For what was made from this day on.
    pub(crate) from: String,
    /// For what was made up to this day.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) to: Option<String>,
    /// The law.
    pub(crate) source: String,
}

/// Why deletion is lawful.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, ToSchema, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum DestructionBasis {
    /// The retention period is over.
    RetentionEnded,
    /// The account never belonged to a client; never in production.
    TestAccount,
}

/// A lawful deletion that is asked for.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct DestructionBody {
    /// The account.
    #[schema(pattern = "^[1-9][0-9]{0,17}$")]
    pub(crate) account_id: String,
    /// The last year whose records are to be deleted.
    #[schema(minimum = 1990, maximum = 9999)]
    pub(crate) through_year: u32,
    /// Why it is lawful.
    pub(crate) basis: DestructionBasis,
}

/// A lawful deletion.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct DestructionShown {
    /// Its number.
    pub(crate) id: String,
    /// The account.
    pub(crate) account_id: String,
    /// The last year whose records are deleted.
    pub(crate) through_year: u32,
    /// Why it is lawful.
    pub(crate) basis: String,
    /// `requested` or `done`.
    pub(crate) state: String,
    /// Who asked.
    pub(crate) requested_by: String,
    /// When, in nanoseconds since 1970.
    pub(crate) requested_at: i64,
    /// Who approved.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) approved_by: Option<String>,
    /// When, in nanoseconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) approved_at: Option<i64>,
    /// Keys that were destroyed.
    pub(crate) keys_destroyed: u64,
}

/// Lawful deletions.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct DestructionList {
    /// Newest first, at most 1,000.
    pub(crate) destructions: Vec<DestructionShown>,
}
