//! Who comes in and what they may do: sign-in, sessions, API keys, partners' tokens, one policy, one audit trail.
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
//!
//! Deliberately absent: passkeys, risk scores of behaviour and security playbooks (later); encryption of second factors
//! and shared HMAC secrets at rest (it comes with `security` and its keys); nonces and failures shared among processes
//! (they come with the shared cache).

mod api;
mod api_keys;
mod attempts;
mod audit;
mod error;
mod flood;
mod identity;
mod names;
mod network;
mod oauth;
mod password;
mod policy;
mod repeats;
mod second_factor;
mod secret;
mod sessions;
mod setup;
mod shapes;
mod store;
mod totp;
mod users;

pub use api::api;
pub use api_keys::{KeyKind, MadeKey, NewKey, signed_text};
pub use error::IdentityError;
pub use identity::{Identity, IdentityOptions};
pub use oauth::{MadePartner, NewPartner};
pub use policy::{ACTIONS, ROLES};
pub use secret::Secret;
pub use sessions::{Opened, SignIn, SignedIn};
pub use setup::FirstStaff;
pub use totp::totp_code;
pub use users::{MadeUser, NewUser};
