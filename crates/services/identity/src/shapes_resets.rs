//! Resets of forgotten passwords, as JSON.

use heng_security::privacy::{FreeText, Personal};
use heng_transport::Caller;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::resets::ResetRow;
use crate::secret::Secret;
use crate::shapes::instant;

/// A reset that somebody asks for.
#[derive(Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ResetBody {
    /// Whose password.
    #[schema(pattern = "^[1-9][0-9]{0,17}$")]
    pub(crate) user: String,
    /// Whether their passkeys, one-time codes and recovery codes go as well, because they are lost.
    pub(crate) factors: bool,
    /// Why, and how the person was recognised.
    #[schema(min_length = 1, max_length = 256)]
    pub(crate) reason: String,
}

/// A reset, without its code.
#[derive(Serialize, ToSchema)]
pub(crate) struct ResetShown {
    /// Its number.
    pub(crate) id: String,
    /// Whose password.
    pub(crate) user: String,
    /// Whether the second factors go as well.
    pub(crate) factors: bool,
    /// Why.
    pub(crate) reason: String,
    /// proposed, ready, declined, used or replaced.
    pub(crate) state: String,
    /// Who asked.
    pub(crate) asked_by: String,
    /// When.
    pub(crate) asked_at: String,
    /// Who decided; none where one person is enough.
    pub(crate) decided_by: Option<String>,
    /// When.
    pub(crate) decided_at: Option<String>,
    /// When its code ends.
    pub(crate) expires_at: Option<String>,
}

impl ResetShown {
    pub(crate) fn of(row: &ResetRow, caller: &Caller) -> Self {
        Self {
            id: row.number.to_string(),
            user: row.principal.to_string(),
            factors: row.factors,
            reason: caller.show(row.principal, &Personal::<FreeText>::held(&row.reason)),
            state: row.state.clone(),
            asked_by: row.asked_by.to_string(),
            asked_at: instant(row.asked_at),
            decided_by: row.decided_by.map(|by| by.to_string()),
            decided_at: row.decided_at.map(instant),
            expires_at: row.expires_at.map(instant),
        }
    }
}

/// A reset, with its code if one was made now.
#[derive(Serialize, ToSchema)]
pub(crate) struct ResetMade {
    /// The reset.
    #[serde(flatten)]
    pub(crate) reset: ResetShown,
    /// The code for the person, shown this once; null = another one decides first, or it was declined.
    pub(crate) code: Option<String>,
}

impl ResetMade {
    pub(crate) fn of((row, code): &(ResetRow, Option<Secret>), caller: &Caller) -> Self {
        Self { reset: ResetShown::of(row, caller), code: code.as_ref().map(|code| code.expose().to_owned()) }
    }
}

/// Resets, newest first.
#[derive(Serialize, ToSchema)]
pub(crate) struct ResetsAnswer {
    /// Without their codes.
    pub(crate) resets: Vec<ResetShown>,
    /// Where the next page begins; null = there is none.
    pub(crate) next_before: Option<u64>,
}

/// A new password by a code.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct UseResetBody {
    /// Sign-in name.
    #[schema(max_length = 64)]
    pub(crate) user: String,
    /// The code.
    #[schema(max_length = 32)]
    pub(crate) code: String,
    /// The password that shall hold: at least 12 characters.
    #[schema(min_length = 12, max_length = 128, format = Password)]
    pub(crate) new_password: String,
}
