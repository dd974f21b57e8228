//! Enrolling, confirming and removing a second factor.

use heng_ports::{Principal, PrincipalKind};

use crate::audit::AuditRow;
use crate::error::IdentityError;
use crate::identity::Identity;
use crate::seals::seal_code;
use crate::secret::{Secret, base32, random};
use crate::store;
use crate::totp::{address, matched_step};

const WRONG_CODE: &str = "this is not the code of now, or it was used";

/// A second factor that waits to be confirmed.
#[derive(Clone, Debug)]
pub(crate) struct Enrolment {
    /// Base32, to be typed.
    pub(crate) secret: Secret,
    /// `otpauth://`, to be scanned.
    pub(crate) address: Secret,
}

impl Identity {
    /// Begins to enrol: a fresh secret that counts once a code of it is shown. The old one counts until then.
    ///
    /// # Errors
    /// If the password is not theirs.
    pub(crate) async fn enrol(&self, caller: &Principal, password: &Secret) -> Result<Enrolment, IdentityError> {
        self.prove_password(caller, password).await?;
        let secret = random::<20>();
        self.set_pending(caller, seal_code(self.store.seals(), caller.id, &secret)?).await?;
        Ok(enrolment(&caller.name, &secret))
    }

    async fn set_pending(&self, caller: &Principal, sealed: Vec<u8>) -> Result<(), IdentityError> {
        let now = self.clock.now();
        let mut change = self.store.begin().await?;
        let mut row = store::principal(change.connection(), caller.id).await?.ok_or(IdentityError::Absent("user"))?;
        (row.totp_pending, row.changed_at) = (Some(sealed), now);
        store::update_principal(change.connection(), &row).await?;
        let note = AuditRow::of(now, "totp.begun", "done").by(caller).on(format!("principal:{}", caller.id));
        store::insert_audit(change.connection(), &[note]).await?;
        change.commit().await?;
        Ok(())
    }

    /// Confirms the enrolment by a code, and ends all other sessions: they began with less proof.
    ///
    /// # Errors
    /// If nothing waits, or the code is not right.
    pub(crate) async fn confirm(&self, caller: &Principal, session: u64, code: &str) -> Result<(), IdentityError> {
        let now = self.clock.now();
        self.attempts.check(&caller.name, None, now)?;
        let mut change = self.store.begin().await?;
        let mut row = store::principal(change.connection(), caller.id).await?.ok_or(IdentityError::Absent("user"))?;
        let Some(sealed) = row.totp_pending.take() else {
            return Err(IdentityError::Clash("no second factor waits to be confirmed".to_owned()));
        };
        let secret = self.code_secret(caller.id, sealed.clone())?;
        let Some(step) = matched_step(&secret, code, now, 0) else {
            self.attempts.failed(&caller.name, None, now);
            return Err(IdentityError::Forbidden(WRONG_CODE.to_owned()));
        };
        (row.totp, row.totp_step, row.changed_at) = (Some(sealed), step, now);
        store::update_principal(change.connection(), &row).await?;
        store::revoke_sessions_of(change.connection(), caller.id, session, now).await?;
        self.lift(&mut change, caller, session, &row).await?;
        let note = AuditRow::of(now, "totp.confirmed", "done").by(caller).on(format!("principal:{}", caller.id));
        store::insert_audit(change.connection(), &[note]).await?;
        change.commit().await?;
        self.sessions.forget_principal(caller.id);
        Ok(())
    }

    /// Removes the one-time codes of the caller, who has proven this very request by a step-up, and ends the sessions
    /// that they began elsewhere.
    ///
    /// # Errors
    /// If there are none, or the caller is staff.
    pub(crate) async fn remove_totp(&self, caller: &Principal, session: u64) -> Result<(), IdentityError> {
        if caller.kind == PrincipalKind::Staff {
            return Err(IdentityError::Forbidden("staff keep a second factor; enrol a new one instead".to_owned()));
        }
        let now = self.clock.now();
        let mut change = self.store.begin().await?;
        let mut row = store::principal(change.connection(), caller.id).await?.ok_or(IdentityError::Absent("user"))?;
        if row.totp.take().is_none() {
            return Err(IdentityError::Absent("second factor"));
        }
        (row.totp_pending, row.changed_at) = (None, now);
        store::update_principal(change.connection(), &row).await?;
        let ended = store::revoke_signed_in(change.connection(), caller.id, session, now).await?;
        let note = AuditRow::of(now, "totp.removed", "done").by(caller).on(format!("principal:{}", caller.id));
        let note = note.telling(format!("{ended} other sessions ended"));
        store::insert_audit(change.connection(), &[note]).await?;
        change.commit().await?;
        self.sessions.forget_principal(caller.id);
        Ok(())
    }
}

fn enrolment(name: &str, secret: &[u8]) -> Enrolment {
    Enrolment { secret: Secret::new(base32(secret)), address: Secret::new(address(name, secret)) }
}
