//! Who comes in and what they may do: sign-in with passkeys or codes, sign-on of staff by OpenID Connect, sessions, fresh
//! proofs for grave operations, API keys, partners' tokens, one policy, one audit trail, and those who look over it.
//!
//! Entry points: [`Identity::open`] opens the service on its owned tables; [`Identity::gatekeeper`] is whom every door
//! asks; [`api`] are the routes; [`Identity::make_user`], [`Identity::make_key`], [`Identity::make_partner`] and the
//! functions of `setup` make the first users of a fresh system, with fresh secrets that are returned once.
//!
//! *Invariant:* no secret has a default, none is stored that need not be (passwords as argon2id, tokens and partners'
//! secrets as SHA-256), and none is shown by `Debug` or written to a log.
//! *Invariant:* what is revoked counts for nobody from the moment the revocation is answered; in other processes on the
//! same PostgreSQL within five seconds. Whoever holds a stream open asks [`Gatekeeper::again`](heng_ports::Gatekeeper).
//! *Invariant:* nothing is permitted that no policy permits; if the policy cannot be asked, the answer is no.
//! *Invariant:* changes are in the audit trail in their own transaction; denials, sign-ins and failures follow in
//! batches; allowed decisions are counted; what a full queue loses is counted too.
//! *Invariant:* hashing passwords has its own few threads of low priority and a bounded queue; whoever does not fit is
//! told when to come back.
//! *Invariant:* before anything is looked up or hashed for a stranger, its address and the name that it brings must be
//! inside their rates; the tables of rates and failures are bounded whatever is tried.
//! *Invariant:* a signed request counts once, also across a restart.
//! *Invariant:* names and addresses of others are told as masks, unless the policy lets the caller see them; then the trail
//! says whose they saw.
//! *Invariant:* a challenge is answered once, by whom it was made for, within two minutes; a fresh proof counts once, for
//! the operation, path, body and session that it was given for.
//! *Invariant:* whoever an OpenID provider proves comes in only over a link that was confirmed by what Heng itself knows.
//! *Invariant:* a password that somebody else knows lets its owner in to choose another one and to nothing else, for seven
//! days; only users of a demonstration are exempt, who are made by the start and not by a person.
//!
//! Deliberately absent: making users by signing on, roles told by a provider; risk scores of behaviour and security
//! playbooks (later); nonces, challenges and failures shared among processes (they come with the shared cache).

mod api;
mod api_keys;
mod attacks;
mod attempts;
mod audit;
mod audit_search;
#[cfg(test)]
#[path = "../tests/it/authenticator.rs"]
#[expect(dead_code, reason = "the tests at the door use the rest")]
mod authenticator;
mod ceremonies;
mod choice;
mod counterparties;
mod error;
mod exports;
mod flood;
#[doc(hidden)]
pub mod fuzzed;
mod grades;
mod identity;
mod names;
mod oauth;
mod oidc;
mod oversight;
mod passkeys;
mod password;
mod policy;
mod repeats;
mod resets;
mod seals;
mod second_factor;
mod secret;
mod security_rows;
mod sessions;
mod setup;
mod shapes;
mod shapes_audit;
mod shapes_oidc;
mod shapes_resets;
mod shapes_security;
mod step_up;
mod store;
mod tallies;
mod totp;
mod trail;
mod travel;
mod users;
mod webauthn;
#[cfg(test)]
mod webauthn_spoilt;

pub use api::api;
pub use api_keys::{KeyKind, MadeKey, NewKey, signed_text};
pub use counterparties::{Counterparty, CounterpartyProof, CounterpartyRefused};
pub use error::IdentityError;
pub use identity::{Identity, IdentityOptions};
pub use oauth::{MadePartner, NewPartner};
pub use oidc::OidcOptions;
pub use policy::{ACTIONS, Policy, ROLES};
pub use secret::Secret;
pub use sessions::{FactorNeeded, Opened, SignIn, SignedIn};
pub use setup::FirstStaff;
pub use totp::totp_code;
pub use travel::Places;
pub use users::{MadeUser, NewUser};
pub use webauthn::PasskeyOptions;
