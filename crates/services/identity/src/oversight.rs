//! Who looks over whom: changes of roles by two people, access reviews, second factors that are reset, consents.

use std::net::IpAddr;

use heng_ports::{Accounts, Decision, Principal, PrincipalKind, Resource};

use crate::audit::AuditRow;
use crate::error::IdentityError;
use crate::identity::Identity;
use crate::security_rows::{self, ConsentRow, ReviewRow, RoleChangeRow};
use crate::store::{self, PrincipalRow};
use crate::users::{accounts_text, check_accounts, check_roles, kind_of, text_of};

const DAY_NANOS: i64 = 86_400 * 1_000_000_000;
const USERS: [PrincipalKind; 2] = [PrincipalKind::Client, PrincipalKind::Staff];

/// Roles and accounts that somebody shall have.
pub(crate) struct Wanted {
    pub(crate) user: u64,
    pub(crate) roles: Vec<String>,
    pub(crate) accounts: Accounts,
    pub(crate) reason: String,
}

/// What somebody agreed to.
pub(crate) struct Agreement {
    pub(crate) document: String,
    pub(crate) version: String,
    pub(crate) language: String,
    pub(crate) text: [u8; 32],
    pub(crate) agreed: bool,
}

impl Identity {
    /// Whether the policy lets `by` decide something that `own` says is theirs. A refusal is audited.
    pub(crate) fn may_decide(&self, by: &Principal, action: &'static str, own: bool) -> Result<(), IdentityError> {
        match self.policy.decide_about(by, action, Resource::Any, own) {
            Decision::Allow => Ok(()),
            Decision::Deny(why) => {
                let note = AuditRow::of(self.clock.now(), action, "denied").by(by).telling(why.clone());
                self.audit.note(note);
                Err(IdentityError::Forbidden(why))
            }
        }
    }

    /// Asks for other roles and accounts of a user; another one decides.
    ///
    /// # Errors
    /// If there is no such user, or the roles do not fit them.
    pub(crate) async fn propose_roles(&self, by: &Principal, wanted: Wanted) -> Result<RoleChangeRow, IdentityError> {
        let now = self.clock.now();
        let mut change = self.store.begin().await?;
        let user = self.user_in(&mut change, wanted.user).await?;
        check_roles(&wanted.roles, kind_of(&user.kind))?;
        check_accounts(&wanted.accounts, kind_of(&user.kind))?;
        let row = RoleChangeRow {
            number: store::next_number(change.connection(), "role-change", 1).await?,
            principal: wanted.user,
            roles: text_of(&wanted.roles),
            accounts: accounts_text(&wanted.accounts),
            reason: wanted.reason,
            proposed_by: by.id,
            proposed_at: now,
            state: "proposed".to_owned(),
            decided_by: None,
            decided_at: None,
        };
        security_rows::insert_role_change(change.connection(), &row).await?;
        let note = AuditRow::of(now, "role.proposed", "done").by(by).on(format!("principal:{}", row.principal));
        let note = note.telling(format!("change {}: roles {}, accounts {}", row.number, row.roles, row.accounts));
        store::insert_audit(change.connection(), &[note]).await?;
        change.commit().await?;
        Ok(row)
    }

    pub(crate) async fn user_in(
        &self,
        change: &mut heng_store::Change,
        id: u64,
    ) -> Result<PrincipalRow, IdentityError> {
        let found = store::principal(change.connection(), id).await?;
        found.filter(|row| USERS.contains(&kind_of(&row.kind))).ok_or(IdentityError::Absent("user"))
    }

    /// Approves or declines a change. What was approved counts from the moment this is answered.
    ///
    /// # Errors
    /// If there is none, it was decided, or the policy forbids it: nobody decides what they asked for or what is about
    /// themselves.
    pub(crate) async fn decide_roles(
        &self,
        by: &Principal,
        number: u64,
        approve: bool,
    ) -> Result<RoleChangeRow, IdentityError> {
        let now = self.clock.now();
        let mut change = self.store.begin().await?;
        let found = security_rows::role_change(change.connection(), number).await?;
        let row = found.ok_or(IdentityError::Absent("role change"))?;
        self.may_decide(by, "role.decide", row.proposed_by == by.id || row.principal == by.id)?;
        let state = if approve { "approved" } else { "declined" };
        if !security_rows::decide_role_change(change.connection(), number, (state, by.id, now)).await? {
            return Err(IdentityError::Clash("this was decided before".to_owned()));
        }
        if approve {
            self.user_in(&mut change, row.principal).await?;
            let set = (row.roles.as_str(), row.accounts.as_str());
            store::set_roles(change.connection(), row.principal, set, now).await?;
        }
        let note = AuditRow::of(now, "role.decided", "done").by(by).on(format!("principal:{}", row.principal));
        let note = note.telling(format!("change {number} {state}: roles {}, accounts {}", row.roles, row.accounts));
        store::insert_audit(change.connection(), &[note]).await?;
        change.commit().await?;
        self.sessions.forget_principal(row.principal);
        self.keys.forget_principal(row.principal);
        Ok(RoleChangeRow { state: state.to_owned(), decided_by: Some(by.id), decided_at: Some(now), ..row })
    }

    /// Begins a review of all staff and partners who may come in.
    ///
    /// # Errors
    /// If the tables fail.
    pub(crate) async fn begin_review(&self, by: &Principal, due_days: u16) -> Result<ReviewRow, IdentityError> {
        let now = self.clock.now();
        let mut change = self.store.begin().await?;
        let number = store::next_number(change.connection(), "review", 1).await?;
        let due_at = now.saturating_add(i64::from(due_days) * DAY_NANOS);
        let row = ReviewRow { number, begun_by: by.id, begun_at: now, due_at, open: 0 };
        let open = security_rows::begin_review(change.connection(), &row).await?;
        let note = AuditRow::of(now, "review.begun", "done").by(by).on(format!("review:{number}"));
        store::insert_audit(change.connection(), &[note.telling(format!("{open} users"))]).await?;
        change.commit().await?;
        Ok(ReviewRow { open, ..row })
    }

    /// Confirms what a user has, or shuts them out at once.
    ///
    /// # Errors
    /// If there is no such review or user in it, it was decided, or it is the caller.
    pub(crate) async fn decide_review(
        &self,
        by: &Principal,
        (review, user): (u64, u64),
        confirm: bool,
    ) -> Result<(), IdentityError> {
        self.may_decide(by, "review.write", user == by.id)?;
        let now = self.clock.now();
        let state = if confirm { "confirmed" } else { "revoked" };
        let mut change = self.store.begin().await?;
        if !security_rows::decide_item(change.connection(), (review, user), (state, by.id, now)).await? {
            return Err(IdentityError::Absent("open user of this review"));
        }
        let note = AuditRow::of(now, "review.decided", "done").by(by).on(format!("principal:{user}"));
        store::insert_audit(change.connection(), &[note.telling(format!("review {review}: {state}"))]).await?;
        change.commit().await?;
        if !confirm {
            let kinds = [PrincipalKind::Staff, PrincipalKind::Partner];
            self.set_disabled(by, user, &kinds, true).await?;
        }
        Ok(())
    }

    /// Takes all second factors of a user away, with their sessions; staff enrol afresh when they sign in next.
    ///
    /// # Errors
    /// If there is no such user, or it is the caller.
    pub(crate) async fn reset_factors(&self, by: &Principal, id: u64) -> Result<PrincipalRow, IdentityError> {
        if by.id == id {
            return Err(IdentityError::Clash("another one resets yours".to_owned()));
        }
        let now = self.clock.now();
        let mut change = self.store.begin().await?;
        let mut row = self.user_in(&mut change, id).await?;
        (row.totp, row.totp_pending, row.changed_at) = (None, None, now);
        store::update_principal(change.connection(), &row).await?;
        let passkeys = security_rows::remove_passkeys_of(change.connection(), id).await?;
        security_rows::set_recovery_codes(change.connection(), id, &[]).await?;
        let ended = store::revoke_sessions_of(change.connection(), id, 0, now).await?;
        let note = AuditRow::of(now, "factors.reset", "done").by(by).on(format!("principal:{id}"));
        let note = note.telling(format!("{passkeys} passkeys removed, {ended} sessions ended"));
        store::insert_audit(change.connection(), &[note]).await?;
        change.commit().await?;
        self.sessions.forget_principal(id);
        Ok(row)
    }

    /// Ends all sessions of a user but `kept`, at once.
    ///
    /// # Errors
    /// If the tables fail.
    pub(crate) async fn end_sessions(&self, by: &Principal, user: u64, kept: u64) -> Result<u64, IdentityError> {
        let now = self.clock.now();
        let mut change = self.store.begin().await?;
        let ended = store::revoke_sessions_of(change.connection(), user, kept, now).await?;
        let note = AuditRow::of(now, "sessions.revoked", "done").by(by).on(format!("principal:{user}"));
        store::insert_audit(change.connection(), &[note.telling(format!("{ended} sessions ended"))]).await?;
        change.commit().await?;
        self.sessions.forget_principal(user);
        Ok(ended)
    }

    /// Keeps that the caller agreed to a text, or took that back. Nothing is changed or removed later.
    ///
    /// # Errors
    /// If the tables fail.
    pub(crate) async fn note_consent(
        &self,
        by: &Principal,
        address: Option<IpAddr>,
        agreement: Agreement,
    ) -> Result<ConsentRow, IdentityError> {
        let now = self.clock.now();
        let mut change = self.store.begin().await?;
        let row = ConsentRow {
            number: store::next_number(change.connection(), "consent", 1).await?,
            at: now,
            principal: by.id,
            document: agreement.document,
            version: agreement.version,
            language: agreement.language,
            text: agreement.text.to_vec(),
            agreed: agreement.agreed,
            credential: by.credential.clone(),
            address: address.map(|address| address.to_string()).unwrap_or_default(),
        };
        security_rows::insert_consent(change.connection(), &row).await?;
        let note = AuditRow::of(now, "consent.noted", "done").by(by).on(format!("consent:{}", row.number));
        let word = if row.agreed { "agreed to" } else { "took back" };
        let note = note.telling(format!("{word} {} {}", row.document, row.version)).from(address);
        store::insert_audit(change.connection(), &[note]).await?;
        change.commit().await?;
        Ok(row)
    }
}
