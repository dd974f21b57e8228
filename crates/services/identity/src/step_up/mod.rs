//! A fresh proof for one grave transaction: the words of what will happen are made here, from the very bytes that will
//! be sent; the passkey signs their hash; the proof counts once, for two minutes, for these bytes in this session.

mod words;

use std::sync::{Arc, OnceLock};

use heng_ports::{Principal, PrincipalKind, StepUpAsk, StepUpFailure};
use heng_transport::SteppedUp;
use serde_json::{Value, json};
use webauthn_rs::prelude::PasskeyAuthentication;

use crate::audit::AuditRow;
use crate::ceremonies::Ceremonies;
use crate::error::IdentityError;
use crate::identity::Identity;
use crate::passkeys::{CEREMONY_NANOS, Factors, ceremony_id};
use crate::secret::{Secret, digest};
use crate::security_rows::{self, StepUpRow};
use crate::sessions::Means;
use crate::store;
use crate::totp::matched_step;
pub(crate) use words::Words;

/// What proofs begin with.
const PROOF_PREFIX: &str = "hsu_";
const NEEDED: &str = "ask POST /v1/step-up with this operation, target and body; show its text to the person; send their \
    proof to POST /v1/step-up/{id}; repeat this request with the header step-up";
const NOT_THIS: &str = "the step-up was not given for this, was used, or is over; ask POST /v1/step-up again";
const NO_FACTOR: &str = "this takes a passkey: enrol one first";

/// How somebody proves it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StepUpMeans {
    Passkey,
    Totp,
    Password,
}

impl StepUpMeans {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Passkey => "passkey",
            Self::Totp => "totp",
            Self::Password => "password",
        }
    }
}

/// What somebody brings as their proof.
pub(crate) enum Brought {
    Passkey(Value),
    Code(Secret),
    Password(Secret),
    /// None, or several at once.
    Unclear,
}

/// A request to which a proof is bound.
struct Bound {
    operation: &'static str,
    method: String,
    target: String,
    body: [u8; 32],
    words: Words,
}

impl Bound {
    /// The same for the request that comes later.
    fn mark(operation: &str, method: &str, target: &str, body: &[u8; 32]) -> [u8; 32] {
        let mut bytes = format!("heng step-up\n{operation}\n{method}\n{target}\n").into_bytes();
        bytes.extend_from_slice(body);
        digest(&bytes)
    }

    fn own_mark(&self) -> [u8; 32] {
        Self::mark(self.operation, &self.method, &self.target, &self.body)
    }

    /// What stands in the passkey's challenge behind the random bytes: the request, and the words that were shown.
    fn text_hash(&self) -> [u8; 32] {
        let mut bytes = self.own_mark().to_vec();
        bytes.extend_from_slice(format!("\n{}\n\n{}", self.words.english, self.words.chinese).as_bytes());
        digest(&bytes)
    }
}

struct Asked {
    bound: Bound,
    means: StepUpMeans,
    passkey: Option<PasskeyAuthentication>,
}

/// Challenges and proofs that wait, each owned by a session.
#[derive(Default)]
pub(crate) struct StepUps {
    known: OnceLock<Vec<SteppedUp>>,
    asked: Ceremonies<Asked>,
    proofs: Ceremonies<[u8; 32]>,
}

/// What a caller gets to show to the person.
pub(crate) struct StepUpBegun {
    pub(crate) id: String,
    pub(crate) words: Words,
    pub(crate) means: StepUpMeans,
    pub(crate) passkey: Option<Value>,
    pub(crate) expires_at: i64,
}

/// What a caller wants to do.
pub(crate) struct StepUpWish<'a> {
    pub(crate) operation: &'a str,
    pub(crate) target: &'a str,
    pub(crate) body: &'a str,
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

impl Identity {
    /// Tells which operations take a fresh proof, and in what words; the first call counts. Without it nobody gets one.
    pub fn declare_step_ups(&self, operations: Vec<SteppedUp>) {
        let _ = self.step_ups.known.set(operations);
    }

    /// The weakest proof that is better than all that the caller could bring in its stead.
    fn means_of(&self, caller: &Principal, factors: &Factors) -> Option<StepUpMeans> {
        if !factors.passkeys.is_empty() {
            return Some(StepUpMeans::Passkey);
        }
        if factors.totp {
            return self.options.step_up_totp.then_some(StepUpMeans::Totp);
        }
        let client = caller.kind == PrincipalKind::Client;
        (client && self.options.step_up_password).then_some(StepUpMeans::Password)
    }

    /// Begins a step-up in this session for exactly this request.
    ///
    /// # Errors
    /// If no such operation takes one, the target or body is not of its form, or the caller has nothing to prove it with.
    pub(crate) async fn begin_step_up(
        &self,
        caller: &Principal,
        session: u64,
        wish: StepUpWish<'_>,
    ) -> Result<StepUpBegun, IdentityError> {
        let known = self.step_ups.known.get().map_or(&[][..], Vec::as_slice);
        let operation = known.iter().find(|known| known.operation == wish.operation);
        let operation = operation.ok_or(IdentityError::Absent("operation that takes a step-up"))?;
        let words = words::of(operation, &caller.name, wish.target, wish.body)?;
        let factors = self.factors(caller.id).await?;
        let means = self.means_of(caller, &factors);
        let means = means.ok_or_else(|| IdentityError::StepUp(NO_FACTOR))?;
        let bound = Bound {
            operation: operation.operation,
            method: operation.method.clone(),
            target: wish.target.to_owned(),
            body: digest(wish.body.as_bytes()),
            words: words.clone(),
        };
        let (options, passkey) = if means == StepUpMeans::Passkey {
            let known: Vec<String> = factors.passkeys.iter().map(|row| row.credential.clone()).collect();
            let (options, state) = self.passkeys.verifier.begin_proof(&known, Some(bound.text_hash()))?;
            (Some(options), Some(state))
        } else {
            (None, None)
        };
        let (id, now) = (ceremony_id(), self.clock.now());
        let expires_at = now + CEREMONY_NANOS;
        if !self.step_ups.asked.begin(&id, session, (now, expires_at), Asked { bound, means, passkey }) {
            return Err(IdentityError::Slow(10));
        }
        Ok(StepUpBegun { id, words, means, passkey: options, expires_at })
    }

    /// Takes the proof for a challenge, and gives what the request carries. A challenge is tried once.
    ///
    /// # Errors
    /// If nothing waits under this id for this session, or the proof is not good or not of the kind that was asked for.
    pub(crate) async fn finish_step_up(
        &self,
        caller: &Principal,
        (session, id): (u64, &str),
        brought: Brought,
    ) -> Result<(Secret, i64), IdentityError> {
        let now = self.clock.now();
        // Codes and passwords can be guessed, so failures cost a wait; what a passkey signs cannot.
        let guessed = !matches!(brought, Brought::Passkey(_));
        if guessed {
            self.attempts.check(&caller.name, None, now)?;
        }
        let asked = self.step_ups.asked.take(id, session, now);
        let asked = asked.ok_or(IdentityError::Absent("step-up of this session"))?;
        let assertion = if let Brought::Passkey(answer) = &brought { answer.to_string() } else { String::new() };
        let proven = self.proves(caller, &asked, brought).await?;
        let Some(passkey) = proven else {
            if guessed {
                self.attempts.failed(&caller.name, None, now);
            }
            let note = AuditRow::of(now, "step-up", "failed").by(caller).on(asked.bound.operation);
            self.audit.note(note.telling(format!("by {}", asked.means.name())));
            return Err(IdentityError::Forbidden("the proof is not good; begin again".to_owned()));
        };
        let proof = Secret::fresh(PROOF_PREFIX);
        let until = now + CEREMONY_NANOS;
        let key = hex(&digest(proof.expose().as_bytes()));
        self.note_step_up(caller, session, &asked, (passkey, &assertion)).await?;
        if !self.step_ups.proofs.begin(&key, session, (now, until), asked.bound.own_mark()) {
            return Err(IdentityError::Slow(10));
        }
        Ok((proof, until))
    }

    /// What proved it: the passkey's number, 0 for another means; none if it does not.
    async fn proves(&self, caller: &Principal, asked: &Asked, brought: Brought) -> Result<Option<u64>, IdentityError> {
        match (asked.means, &asked.passkey, brought) {
            (StepUpMeans::Passkey, Some(state), Brought::Passkey(answer)) => {
                self.shown_passkey((caller.id, &caller.name), answer, state).await
            }
            (StepUpMeans::Totp, None, Brought::Code(code)) => {
                let row = store::principal(&mut self.store.read().await?, caller.id).await?;
                let Some((last, sealed)) = row.and_then(|row| Some((row.totp_step, row.totp?))) else {
                    return Ok(None);
                };
                let secret = self.code_secret(caller.id, sealed)?;
                let Some(step) = matched_step(&secret, code.expose(), self.clock.now(), last) else { return Ok(None) };
                Ok(self.use_step(caller.id, step).await?.then_some(0))
            }
            (StepUpMeans::Password, None, Brought::Password(password)) => {
                let row = store::principal(&mut self.store.read().await?, caller.id).await?;
                let hash = row.and_then(|row| row.password);
                Ok(self.hashing.matches(password.expose(), hash.as_deref()).await?.then_some(0))
            }
            _ => Ok(None),
        }
    }

    async fn note_step_up(
        &self,
        caller: &Principal,
        session: u64,
        asked: &Asked,
        (passkey, assertion): (u64, &str),
    ) -> Result<(), IdentityError> {
        let (bound, now) = (&asked.bound, self.clock.now());
        let passkey = if passkey == 0 { String::new() } else { passkey.to_string() };
        let mut change = self.store.begin().await?;
        let row = StepUpRow {
            number: store::next_number(change.connection(), "step-up", 1).await?,
            at: now,
            principal: caller.id,
            session,
            operation: bound.operation,
            method: &bound.method,
            target: &bound.target,
            body: bound.body,
            english: &bound.words.english,
            chinese: &bound.words.chinese,
            means: asked.means.name(),
            passkey: &passkey,
            assertion,
        };
        security_rows::insert_step_up(change.connection(), &row).await?;
        let told = json!({ "by": asked.means.name(), "step_up": row.number, "text_sha256": hex(&bound.text_hash()) });
        let note = AuditRow::of(now, "step-up", "done").by(caller).on(bound.operation).telling(told.to_string());
        store::insert_audit(change.connection(), &[note]).await?;
        change.commit().await?;
        Ok(())
    }

    /// Whether the caller has proven, for exactly this, that it is there and wants it. People who signed in need it.
    /// A signed request is its own proof of every byte, a partner's token has no person behind it, and sessions that the
    /// start gave to its own tools belong to demonstrations.
    pub(crate) async fn stepped_up(&self, caller: &Arc<Principal>, ask: StepUpAsk<'_>) -> Result<(), StepUpFailure> {
        let Some(("session", id)) = caller.credential.split_once(':') else { return Ok(()) };
        let session: u64 = id.parse().map_err(|_| StepUpFailure::Needed(NEEDED))?;
        let live = self.holder_again(session).await.map_err(|_| StepUpFailure::Unavailable)?;
        if live.means == Means::Given {
            return Ok(());
        }
        if ask.enrols && ask.proof.is_none() {
            let factors = self.factors(caller.id).await.map_err(|_| StepUpFailure::Unavailable)?;
            if !factors.any() {
                return Ok(());
            }
        }
        let now = self.clock.now();
        let note = |outcome, told| AuditRow::of(now, "step-up", outcome).by(caller).on(ask.operation).telling(told);
        let Some(proof) = ask.proof else {
            self.audit.note(note("denied", NEEDED));
            return Err(StepUpFailure::Needed(NEEDED));
        };
        let key = hex(&digest(proof.as_bytes()));
        let mark = Bound::mark(ask.operation, ask.method, ask.target, &digest(ask.body));
        // Taken whatever it was given for: a proof that was shown for something else must not count later.
        match self.step_ups.proofs.take(&key, session, now) {
            Some(given) if given == mark => Ok(()),
            _ => {
                self.audit.note(note("denied", NOT_THIS));
                Err(StepUpFailure::Needed(NOT_THIS))
            }
        }
    }
}
