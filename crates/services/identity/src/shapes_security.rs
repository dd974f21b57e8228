//! What clients send and are shown about passkeys, fresh proofs, devices, consents, role changes and access reviews.

use heng_security::privacy::{FreeText, NetworkAddress, Personal, SignInName};
use heng_transport::Caller;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

use crate::names::{AccountText, RoleName};
use crate::passkeys::Challenge;
use crate::security_rows::{ConsentRow, PasskeyRow, ReviewItemRow, ReviewRow, RoleChangeRow};
use crate::shapes::{accounts_shown, instant};
use crate::users::{accounts_of, list_of};

/// A challenge for a passkey.
#[derive(Serialize, ToSchema)]
pub(crate) struct PasskeyChallenge {
    /// Its id; it is answered once, within two minutes.
    pub(crate) id: String,
    /// What `PublicKeyCredential.parseCreationOptionsFromJSON` or `parseRequestOptionsFromJSON` reads.
    #[schema(value_type = Object)]
    pub(crate) options: Value,
}

impl PasskeyChallenge {
    pub(crate) fn of(challenge: Challenge) -> Self {
        Self { id: challenge.id, options: challenge.options }
    }
}

/// A passkey's answer to a challenge.
#[derive(Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PasskeyAnswer {
    /// The id of the challenge.
    #[schema(max_length = 64)]
    pub(crate) id: String,
    /// What `PublicKeyCredential.toJSON` made.
    #[schema(value_type = Object)]
    pub(crate) credential: Value,
}

/// A passkey to be kept.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PasskeyBody {
    /// What its owner calls it.
    #[schema(min_length = 1, max_length = 64)]
    pub(crate) name: String,
    /// What `PublicKeyCredential.toJSON` made.
    #[schema(value_type = Object)]
    pub(crate) credential: Value,
}

/// Another name.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NameBody {
    /// What its owner calls it.
    #[schema(min_length = 1, max_length = 64)]
    pub(crate) name: String,
}

/// A passkey.
#[derive(Serialize, ToSchema)]
pub(crate) struct PasskeyShown {
    /// Its number.
    pub(crate) id: String,
    /// What its owner calls it.
    pub(crate) name: String,
    /// When it was made.
    pub(crate) created_at: String,
    /// When it was last used; null = never.
    pub(crate) used_at: Option<String>,
}

impl PasskeyShown {
    pub(crate) fn of(row: &PasskeyRow) -> Self {
        Self {
            id: row.number.to_string(),
            name: row.name.clone(),
            created_at: instant(row.created_at),
            used_at: row.used_at.map(instant),
        }
    }
}

/// What the caller has beside the password.
#[derive(Serialize, ToSchema)]
pub(crate) struct FactorsAnswer {
    /// Passkeys in the order in which they were made.
    pub(crate) passkeys: Vec<PasskeyShown>,
    /// Whether one-time codes are set up.
    pub(crate) totp: bool,
    /// Whether recovery codes are left.
    pub(crate) recovery_codes: bool,
    /// Where passkeys work: the origin of the console.
    pub(crate) origin: String,
}

/// Recovery codes. Shown this once.
#[derive(Serialize, ToSchema)]
pub(crate) struct RecoveryAnswer {
    /// Each stands in for the second factor once.
    pub(crate) codes: Vec<String>,
}

/// A request that takes a fresh proof.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct StepUpBody {
    /// The operation's id in the API document.
    #[schema(max_length = 64, pattern = "^[A-Za-z]+$")]
    pub(crate) operation: String,
    /// The path that the request will have.
    #[schema(min_length = 1, max_length = 256)]
    pub(crate) target: String,
    /// The exact body that the request will have, as text; empty if none.
    #[serde(default)]
    #[schema(max_length = 16_384)]
    pub(crate) body: String,
}

/// The words of a transaction.
#[derive(Serialize, ToSchema)]
pub(crate) struct StepUpText {
    /// English.
    pub(crate) en: String,
    /// Chinese.
    pub(crate) zh: String,
}

/// A step-up that waits for its proof.
#[derive(Serialize, ToSchema)]
pub(crate) struct StepUpAsked {
    /// Its id; one proof is tried, within two minutes.
    pub(crate) id: String,
    /// What will happen: show it to the person.
    pub(crate) text: StepUpText,
    /// The proof that is asked for: passkey, totp or password.
    pub(crate) means: String,
    /// For the passkey: what `parseRequestOptionsFromJSON` reads. The hash of the text stands in its challenge.
    #[schema(value_type = Option<Object>)]
    pub(crate) options: Option<Value>,
    /// When it is over.
    pub(crate) expires_at: String,
}

/// The proof for a step-up: exactly one of these.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct StepUpProofBody {
    /// What `PublicKeyCredential.toJSON` made.
    #[schema(value_type = Option<Object>)]
    pub(crate) credential: Option<Value>,
    /// Six digits.
    #[schema(max_length = 6)]
    pub(crate) code: Option<String>,
    /// The caller's password.
    #[schema(max_length = 128, format = Password)]
    pub(crate) password: Option<String>,
}

/// What the request carries.
#[derive(Serialize, ToSchema)]
pub(crate) struct StepUpGiven {
    /// The value of the header `step-up`; it counts once.
    pub(crate) step_up: String,
    /// When it is over.
    pub(crate) expires_at: String,
}

/// Sessions that ended.
#[derive(Serialize, ToSchema)]
pub(crate) struct EndedAnswer {
    /// How many.
    pub(crate) ended: u64,
}

/// A consent, or its end.
#[derive(Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ConsentBody {
    /// Which document: `terms`, `risk-disclosure`.
    #[schema(min_length = 1, max_length = 64, pattern = "^[a-z0-9.-]+$")]
    pub(crate) document: String,
    /// Its version.
    #[schema(min_length = 1, max_length = 32, pattern = "^[A-Za-z0-9._-]+$")]
    pub(crate) version: String,
    /// The language in which it was shown: zh or en.
    #[schema(pattern = "^(zh|en)$")]
    pub(crate) language: String,
    /// SHA-256 of the text that was shown, as hex.
    #[schema(pattern = "^[0-9a-f]{64}$")]
    pub(crate) text_sha256: String,
    /// False takes an earlier consent back.
    pub(crate) agreed: bool,
}

/// Who agreed to which text, when.
#[derive(Serialize, ToSchema)]
pub(crate) struct ConsentShown {
    /// Its number.
    pub(crate) id: String,
    /// When.
    pub(crate) at: String,
    /// Who.
    pub(crate) user: String,
    /// Which document.
    pub(crate) document: String,
    /// Its version.
    pub(crate) version: String,
    /// zh or en.
    pub(crate) language: String,
    /// SHA-256 of the text that was shown, as hex.
    pub(crate) text_sha256: String,
    /// False takes an earlier consent back.
    pub(crate) agreed: bool,
    /// What they came with.
    pub(crate) credential: String,
    /// Where from.
    pub(crate) address: String,
}

impl ConsentShown {
    pub(crate) fn of(row: &ConsentRow, caller: &Caller) -> Self {
        Self {
            id: row.number.to_string(),
            at: instant(row.at),
            user: row.principal.to_string(),
            document: row.document.clone(),
            version: row.version.clone(),
            language: row.language.clone(),
            text_sha256: row.text.iter().map(|byte| format!("{byte:02x}")).collect(),
            agreed: row.agreed,
            credential: row.credential.clone(),
            address: caller.show(row.principal, &Personal::<NetworkAddress>::held(&row.address)),
        }
    }
}

/// Consents, newest first.
#[derive(Serialize, ToSchema)]
pub(crate) struct ConsentsAnswer {
    /// The records; none is ever changed.
    pub(crate) consents: Vec<ConsentShown>,
    /// Where the next page begins; null = there is none.
    pub(crate) next_before: Option<u64>,
}

/// A change of roles and accounts.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RoleChangeBody {
    /// Whose.
    #[schema(pattern = "^[1-9][0-9]{0,17}$")]
    pub(crate) user: String,
    /// Roles that they shall have, all of them.
    #[schema(min_items = 1, max_items = 8)]
    pub(crate) roles: Vec<RoleName>,
    /// Accounts that they shall act for; `["*"]` = all, for staff alone.
    #[schema(max_items = 256)]
    pub(crate) accounts: Vec<AccountText>,
    /// Why.
    #[schema(min_length = 1, max_length = 256)]
    pub(crate) reason: String,
}

/// A change of roles and accounts that one asked for.
#[derive(Serialize, ToSchema)]
pub(crate) struct RoleChangeShown {
    /// Its number.
    pub(crate) id: String,
    /// Whose.
    pub(crate) user: String,
    /// Roles that they shall have.
    pub(crate) roles: Vec<String>,
    /// Accounts that they shall act for.
    pub(crate) accounts: Vec<String>,
    /// Why.
    pub(crate) reason: String,
    /// proposed, approved or declined.
    pub(crate) state: String,
    /// Who asked.
    pub(crate) proposed_by: String,
    /// When.
    pub(crate) proposed_at: String,
    /// Who decided.
    pub(crate) decided_by: Option<String>,
    /// When.
    pub(crate) decided_at: Option<String>,
}

impl RoleChangeShown {
    pub(crate) fn of(row: &RoleChangeRow, caller: &Caller) -> Self {
        Self {
            id: row.number.to_string(),
            user: row.principal.to_string(),
            roles: list_of(&row.roles),
            accounts: accounts_shown(&accounts_of(&row.accounts)),
            reason: caller.show(row.principal, &Personal::<FreeText>::held(&row.reason)),
            state: row.state.clone(),
            proposed_by: row.proposed_by.to_string(),
            proposed_at: instant(row.proposed_at),
            decided_by: row.decided_by.map(|by| by.to_string()),
            decided_at: row.decided_at.map(instant),
        }
    }
}

/// Changes, newest first.
#[derive(Serialize, ToSchema)]
pub(crate) struct RoleChangesAnswer {
    /// Asked for, approved and declined.
    pub(crate) changes: Vec<RoleChangeShown>,
    /// Where the next page begins; null = there is none.
    pub(crate) next_before: Option<u64>,
}

/// A decision about a change.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ApprovalBody {
    /// approve or decline.
    pub(crate) decision: ApprovalName,
}

/// Decisions about a change.
#[derive(Clone, Copy, Deserialize, Serialize, ToSchema, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub(crate) enum ApprovalName {
    /// It counts from now.
    Approve,
    /// Nothing changes.
    Decline,
}

/// A page of a list, newest first.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewestQuery {
    /// At most so many, up to 200.
    #[param(minimum = 1, maximum = 200)]
    pub(crate) limit: Option<u32>,
    /// The page after this one: `next_before` of the answer before.
    #[param(minimum = 1, maximum = 999_999_999)]
    pub(crate) before: Option<u64>,
}

/// An access review to be begun.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ReviewBody {
    /// Days until it must be done.
    #[schema(minimum = 1, maximum = 366)]
    pub(crate) due_days: u16,
}

/// An access review.
#[derive(Serialize, ToSchema)]
pub(crate) struct ReviewShown {
    /// Its number.
    pub(crate) id: String,
    /// Who began it.
    pub(crate) begun_by: String,
    /// When.
    pub(crate) begun_at: String,
    /// Until when it must be done.
    pub(crate) due_at: String,
    /// Users that nobody has decided on.
    pub(crate) open: u64,
    /// It should be done by now and is not.
    pub(crate) overdue: bool,
}

impl ReviewShown {
    pub(crate) fn of(row: &ReviewRow, now: i64) -> Self {
        Self {
            id: row.number.to_string(),
            begun_by: row.begun_by.to_string(),
            begun_at: instant(row.begun_at),
            due_at: instant(row.due_at),
            open: row.open,
            overdue: row.open > 0 && now >= row.due_at,
        }
    }
}

/// Access reviews, newest first.
#[derive(Serialize, ToSchema)]
pub(crate) struct ReviewsAnswer {
    /// The reviews.
    pub(crate) reviews: Vec<ReviewShown>,
    /// Where the next page begins; null = there is none.
    pub(crate) next_before: Option<u64>,
}

/// One user of an access review.
#[derive(Serialize, ToSchema)]
pub(crate) struct ReviewItemShown {
    /// Who.
    pub(crate) user: String,
    /// Sign-in name.
    pub(crate) name: String,
    /// staff or partner.
    pub(crate) kind: String,
    /// Roles when the review began.
    pub(crate) roles: Vec<String>,
    /// Accounts when the review began.
    pub(crate) accounts: Vec<String>,
    /// When a session of theirs was last used, as far as that is kept; null = not known.
    pub(crate) last_used_at: Option<String>,
    /// open, confirmed or revoked.
    pub(crate) state: String,
    /// Who decided.
    pub(crate) decided_by: Option<String>,
    /// When.
    pub(crate) decided_at: Option<String>,
}

impl ReviewItemShown {
    pub(crate) fn of(row: &ReviewItemRow, caller: &Caller) -> Self {
        Self {
            user: row.principal.to_string(),
            name: caller.show(row.principal, &Personal::<SignInName>::held(&row.name)),
            kind: row.kind.clone(),
            roles: list_of(&row.roles),
            accounts: accounts_shown(&accounts_of(&row.accounts)),
            last_used_at: row.last_used_at.map(instant),
            state: row.state.clone(),
            decided_by: row.decided_by.map(|by| by.to_string()),
            decided_at: row.decided_at.map(instant),
        }
    }
}

/// Users of an access review, ascending.
#[derive(Serialize, ToSchema)]
pub(crate) struct ReviewItemsAnswer {
    /// The review.
    pub(crate) review: ReviewShown,
    /// Its users.
    pub(crate) items: Vec<ReviewItemShown>,
    /// Where the next page begins; null = there is none.
    pub(crate) next_after: Option<u64>,
}

/// A decision about one user of an access review.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ReviewDecisionBody {
    /// Who.
    #[schema(pattern = "^[1-9][0-9]{0,17}$")]
    pub(crate) user: String,
    /// confirm or revoke.
    pub(crate) decision: ReviewDecisionName,
}

/// Decisions about one user of an access review.
#[derive(Clone, Copy, Deserialize, Serialize, ToSchema, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub(crate) enum ReviewDecisionName {
    /// They keep what they have.
    Confirm,
    /// They are shut out at once.
    Revoke,
}
