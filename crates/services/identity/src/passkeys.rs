//! Passkeys of people: made, named, removed, and used as the second factor or as a fresh proof.

use heng_ports::{Principal, PrincipalKind};
use serde_json::Value;
use webauthn_rs::prelude::{PasskeyAuthentication, PasskeyRegistration};

use crate::audit::AuditRow;
use crate::ceremonies::Ceremonies;
use crate::error::IdentityError;
use crate::identity::Identity;
use crate::secret::{Secret, random};
use crate::security_rows::{self, PasskeyRow};
use crate::store;
use crate::webauthn::{PasskeyOptions, Unfit, Verifier};

/// Passkeys of one user at most.
const PASSKEYS_MAX: usize = 16;
/// How long a browser may take: 2 minutes.
pub(crate) const CEREMONY_NANOS: i64 = 120 * 1_000_000_000;
const NOT_GOOD: &str = "the passkey's answer is not good, or came too late";
const TOO_MUCH: u32 = 10;

/// Everything about passkeys that is remembered.
pub(crate) struct Passkeys {
    pub(crate) verifier: Verifier,
    /// Waiting registrations, each owned by a session.
    registrations: Ceremonies<PasskeyRegistration>,
    /// Waiting sign-ins, each owned by the principal whose password was right.
    sign_ins: Ceremonies<PasskeyAuthentication>,
}

/// What a person has beside the password.
#[derive(Clone, Debug)]
pub(crate) struct Factors {
    pub(crate) totp: bool,
    pub(crate) passkeys: Vec<PasskeyRow>,
    pub(crate) recovery: bool,
}

impl Factors {
    pub(crate) fn any(&self) -> bool {
        self.totp || !self.passkeys.is_empty()
    }
}

/// A challenge for the browser.
#[derive(Clone, Debug)]
pub(crate) struct Challenge {
    pub(crate) id: String,
    /// What `navigator.credentials` takes as its `publicKey`.
    pub(crate) options: Value,
}

/// The id of something that waits.
pub(crate) fn ceremony_id() -> String {
    Secret::fresh("").expose().to_owned()
}

impl Passkeys {
    pub(crate) fn new(options: &PasskeyOptions) -> Result<Self, IdentityError> {
        let verifier = Verifier::new(options)?;
        Ok(Self { verifier, registrations: Ceremonies::default(), sign_ins: Ceremonies::default() })
    }
}

fn check_label(name: &str) -> Result<(), IdentityError> {
    if !(1..=64).contains(&name.chars().count()) || name.chars().any(char::is_control) {
        return Err(IdentityError::field("/name", "must have 1 to 64 printable characters"));
    }
    Ok(())
}

fn credentials(rows: &[PasskeyRow]) -> Vec<String> {
    rows.iter().map(|row| row.credential.clone()).collect()
}

impl Identity {
    /// What a principal has beside the password.
    pub(crate) async fn factors(&self, principal: u64) -> Result<Factors, IdentityError> {
        let mut look = self.store.read().await?;
        let passkeys = security_rows::passkeys(&mut look, principal).await?;
        let recovery = !security_rows::recovery_codes(&mut look, principal).await?.is_empty();
        let row = store::principal(&mut look, principal).await?;
        Ok(Factors { totp: row.is_some_and(|row| row.totp.is_some()), passkeys, recovery })
    }

    /// Begins to make a passkey for the caller, who shows the password once more.
    ///
    /// # Errors
    /// If the password is not theirs, or they have too many.
    pub(crate) async fn begin_passkey(
        &self,
        caller: &Principal,
        session: u64,
        password: &Secret,
    ) -> Result<Challenge, IdentityError> {
        self.prove_password(caller, password).await?;
        let known = security_rows::passkeys(&mut self.store.read().await?, caller.id).await?;
        if known.len() >= PASSKEYS_MAX {
            return Err(IdentityError::Clash(format!("there are {PASSKEYS_MAX} passkeys already; remove one first")));
        }
        let (options, state) = self.passkeys.verifier.begin_new((caller.id, &caller.name), &credentials(&known))?;
        let (id, now) = (ceremony_id(), self.clock.now());
        if !self.passkeys.registrations.begin(&id, session, (now, now + CEREMONY_NANOS), state) {
            return Err(IdentityError::Slow(TOO_MUCH));
        }
        Ok(Challenge { id, options })
    }

    /// Keeps the passkey that the browser made. The first factor of a user ends their other sessions, which began with
    /// less proof, and lifts what held this one back.
    ///
    /// # Errors
    /// If nothing waits under this id for this session, the answer is not good, or the passkey is known.
    pub(crate) async fn finish_passkey(
        &self,
        caller: &Principal,
        (session, id): (u64, &str),
        (name, answer): (String, Value),
    ) -> Result<PasskeyRow, IdentityError> {
        check_label(&name)?;
        let now = self.clock.now();
        let state = self.passkeys.registrations.take(id, session, now);
        let made = state.ok_or(Unfit::Wrong).and_then(|state| self.passkeys.verifier.finish_new(answer, &state));
        let Ok((id, credential)) = made else {
            self.audit.note(AuditRow::of(now, "passkey.created", "failed").by(caller).telling(NOT_GOOD));
            return Err(IdentityError::Forbidden(NOT_GOOD.to_owned()));
        };
        let mut change = self.store.begin().await?;
        let row = store::principal(change.connection(), caller.id).await?.ok_or(IdentityError::Absent("user"))?;
        let first = row.totp.is_none() && security_rows::passkeys(change.connection(), caller.id).await?.is_empty();
        let number = store::next_number(change.connection(), "passkey", 1).await?;
        let made = PasskeyRow {
            id,
            number,
            principal: caller.id,
            name,
            credential,
            counter: 0,
            created_at: now,
            used_at: None,
        };
        match security_rows::insert_passkey(change.connection(), &made).await {
            Err(error) if error.is_taken() => return Err(IdentityError::Clash("this passkey is known".to_owned())),
            other => other?,
        }
        if first {
            store::revoke_signed_in(change.connection(), caller.id, session, now).await?;
            self.lift(&mut change, caller, session, &row).await?;
        }
        let note = AuditRow::of(now, "passkey.created", "done").by(caller).on(format!("passkey:{number}"));
        store::insert_audit(change.connection(), &[note.telling(made.name.clone())]).await?;
        change.commit().await?;
        self.sessions.forget_principal(caller.id);
        Ok(made)
    }

    async fn own_passkey(
        &self,
        change: &mut heng_store::Change,
        caller: &Principal,
        number: u64,
    ) -> Result<(PasskeyRow, usize), IdentityError> {
        let rows = security_rows::passkeys(change.connection(), caller.id).await?;
        let count = rows.len();
        let found = rows.into_iter().find(|row| row.number == number);
        found.map(|row| (row, count)).ok_or(IdentityError::Absent("passkey of the caller"))
    }

    /// Gives one of the caller's passkeys another name.
    ///
    /// # Errors
    /// If there is none, or the name cannot be one.
    pub(crate) async fn rename_passkey(
        &self,
        caller: &Principal,
        number: u64,
        name: &str,
    ) -> Result<PasskeyRow, IdentityError> {
        check_label(name)?;
        let now = self.clock.now();
        let mut change = self.store.begin().await?;
        let (row, _) = self.own_passkey(&mut change, caller, number).await?;
        security_rows::name_passkey(change.connection(), &row.id, name).await?;
        let note = AuditRow::of(now, "passkey.named", "done").by(caller).on(format!("passkey:{number}"));
        store::insert_audit(change.connection(), &[note.telling(name)]).await?;
        change.commit().await?;
        Ok(PasskeyRow { name: name.to_owned(), ..row })
    }

    /// Removes one of the caller's passkeys, and ends the sessions that they began elsewhere.
    ///
    /// # Errors
    /// If there is none, or it is the last second factor of one of the staff.
    pub(crate) async fn remove_passkey(
        &self,
        caller: &Principal,
        session: u64,
        number: u64,
    ) -> Result<(), IdentityError> {
        let now = self.clock.now();
        let mut change = self.store.begin().await?;
        let (row, count) = self.own_passkey(&mut change, caller, number).await?;
        let user = store::principal(change.connection(), caller.id).await?.ok_or(IdentityError::Absent("user"))?;
        if caller.kind == PrincipalKind::Staff && count == 1 && user.totp.is_none() {
            return Err(IdentityError::Clash("staff keep a second factor; enrol another one first".to_owned()));
        }
        security_rows::remove_passkey(change.connection(), &row.id).await?;
        let ended = store::revoke_signed_in(change.connection(), caller.id, session, now).await?;
        let note = AuditRow::of(now, "passkey.removed", "done").by(caller).on(format!("passkey:{number}"));
        let note = note.telling(format!("{}, {ended} other sessions ended", row.name));
        store::insert_audit(change.connection(), &[note]).await?;
        change.commit().await?;
        self.sessions.forget_principal(caller.id);
        Ok(())
    }

    /// A challenge for one of these passkeys of a user whose password is right.
    pub(crate) fn begin_passkey_sign_in(
        &self,
        principal: u64,
        rows: &[PasskeyRow],
    ) -> Result<Challenge, IdentityError> {
        let (options, state) = self.passkeys.verifier.begin_proof(&credentials(rows), None)?;
        let (id, now) = (ceremony_id(), self.clock.now());
        if !self.passkeys.sign_ins.begin(&id, principal, (now, now + CEREMONY_NANOS), state) {
            return Err(IdentityError::Slow(TOO_MUCH));
        }
        Ok(Challenge { id, options })
    }

    /// Whether this is the answer of one of the principal's passkeys to a challenge that waits.
    pub(crate) async fn finish_passkey_sign_in(
        &self,
        (principal, name): (u64, &str),
        (id, answer): (&str, Value),
    ) -> Result<bool, IdentityError> {
        let Some(state) = self.passkeys.sign_ins.take(id, principal, self.clock.now()) else { return Ok(false) };
        Ok(self.shown_passkey((principal, name), answer, &state).await?.is_some())
    }

    /// The passkey that answered, by the number under which its owner knows it. Its use is noted; a counter that goes
    /// back is refused and audited, because then somebody may have a copy (Web Authentication, section 6.1.1).
    pub(crate) async fn shown_passkey(
        &self,
        (principal, name): (u64, &str),
        answer: Value,
        state: &PasskeyAuthentication,
    ) -> Result<Option<u64>, IdentityError> {
        let told = answer["id"].as_str().unwrap_or_default().chars().take(128).collect::<String>();
        let shown = match self.passkeys.verifier.finish_proof(principal, answer, state) {
            Ok(shown) => shown,
            Err(Unfit::Wrong) => return Ok(None),
            Err(Unfit::Cloned) => {
                self.note_clone((principal, name), &told);
                return Ok(None);
            }
        };
        let now = self.clock.now();
        let mut change = self.store.begin().await?;
        let found = security_rows::passkey(change.connection(), &shown.id).await?;
        let Some(row) = found.filter(|row| row.principal == principal) else { return Ok(None) };
        let Some(renewed) = shown.renewed(&row.credential) else { return Ok(None) };
        // The state remembers the counter of when the challenge was made; the table knows what came since.
        let used = (row.id.as_str(), renewed.as_str(), i64::from(shown.counter));
        if !security_rows::use_passkey(change.connection(), used, now).await? {
            drop(change);
            self.note_clone((principal, name), &told);
            return Ok(None);
        }
        change.commit().await?;
        Ok(Some(row.number))
    }

    fn note_clone(&self, (principal, name): (u64, &str), id: &str) {
        tracing::warn!(principal, "a passkey's counter went back");
        let note = AuditRow::of(self.clock.now(), "passkey.cloned", "failed").on(format!("passkey:{id}"));
        let note = note.telling("its counter went back: there may be a copy; remove it and make a new one");
        self.audit.note(AuditRow { principal, name: name.to_owned(), ..note });
    }
}

/// Recovery codes of one user.
const CODES: usize = 10;

impl Identity {
    /// Fresh recovery codes in the place of all that there were. They are shown here and never again.
    ///
    /// # Errors
    /// If the caller has no second factor, or the tables fail.
    pub(crate) async fn make_recovery_codes(&self, caller: &Principal) -> Result<Vec<Secret>, IdentityError> {
        if !self.factors(caller.id).await?.any() {
            return Err(IdentityError::Clash("enrol a second factor first; the codes stand in for it".to_owned()));
        }
        let (mut codes, mut hashes) = (Vec::with_capacity(CODES), Vec::with_capacity(CODES));
        for _ in 0..CODES {
            let code = recovery_code();
            hashes.push(self.hashing.hash(&recovery_text(code.expose())).await?);
            codes.push(code);
        }
        let now = self.clock.now();
        let mut change = self.store.begin().await?;
        security_rows::set_recovery_codes(change.connection(), caller.id, &hashes).await?;
        let note = AuditRow::of(now, "recovery.made", "done").by(caller).on(format!("principal:{}", caller.id));
        store::insert_audit(change.connection(), &[note.telling(format!("{CODES} codes"))]).await?;
        change.commit().await?;
        Ok(codes)
    }

    /// Uses a recovery code in the place of a second factor; false if it is none that is left.
    pub(crate) async fn use_recovery(&self, principal: u64, code: &Secret) -> Result<bool, IdentityError> {
        let text = recovery_text(code.expose());
        // The length tells nobody anything; whatever has another one costs no work.
        if text.len() != RECOVERY_LETTERS {
            return Ok(false);
        }
        let waiting = security_rows::recovery_codes(&mut self.store.read().await?, principal).await?;
        for (place, hash) in waiting {
            if self.hashing.matches(&text, Some(&hash)).await? {
                let mut change = self.store.begin().await?;
                let used =
                    security_rows::use_recovery_code(change.connection(), principal, place, self.clock.now()).await?;
                change.commit().await?;
                return Ok(used);
            }
        }
        Ok(false)
    }
}

/// Letters of a recovery code: 80 random bits.
const RECOVERY_LETTERS: usize = 16;

pub(crate) fn recovery_code() -> Secret {
    let text = crate::secret::base32(&random::<10>()).to_ascii_lowercase();
    let groups: Vec<&str> = [0, 4, 8, 12].iter().filter_map(|at| text.get(*at..*at + 4)).collect();
    Secret::new(groups.join("-"))
}

/// As it is compared: however people write it down.
pub(crate) fn recovery_text(code: &str) -> String {
    code.chars().filter(char::is_ascii_alphanumeric).take(RECOVERY_LETTERS + 1).collect::<String>().to_ascii_lowercase()
}
