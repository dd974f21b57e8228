//! All flows through the router, on real SQLite files and on a real PostgreSQL.

mod attacks;
mod authenticator;
mod away;
mod credentials;
mod house;
mod oidc;
mod oversight;
mod partners;
mod passkeys;
mod passwords;
mod people;
mod postgres;
mod protection;
#[path = "../../../../platform/store/tests/it/server.rs"]
mod server;
mod sign_in;
mod speed;
mod step_up;
mod streams;
