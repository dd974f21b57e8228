//! FIX: sessions of versions 4.2 to 5.0 SP2, as acceptor and as initiator.
//!
//! Entry points: [`FixSession`] is a session that outlives its connections; [`FixAcceptor`] serves many of them on one
//! port and [`initiate`] keeps one connected; a [`FixApplication`] gets their messages as [`FixMessage`] and answers
//! with [`FixBody`].
//!
//! *Invariant:* an application sees only messages that are whole, valid by their version's dictionary, and due by their
//! number; every other one is refused in the words of the protocol, or ignored where it says so.
//! *Invariant:* a message that left is in the session's store, under its number, and can be sent again.
//! *Invariant:* messages, what waits to be sent, what came too early, connections and waiting times are bounded.
//!
//! Deliberately absent: what orders and reports mean; the session schedule (days and hours), which is the caller's.

mod acceptor;
mod application;
mod config;
mod connection;
mod dictionary;
mod echo;
mod encode;
mod fields;
mod file_store;
mod frame;
mod gate;
mod handle;
mod initiator;
mod outgoing;
mod reject;
mod session;
mod store;
mod time;
mod validate;
mod value;
mod waiting;
mod wire;

pub use acceptor::{FixAcceptor, FixAcceptorOptions};
pub use application::{FixApplication, FixRefused, FixReplies, FixTaken};
pub use config::{FixApplicationKind, FixError, FixLimits, FixSessionConfig, FixSessionId};
pub use dictionary::{ApplVersion, Begin};
pub use echo::EchoApplication;
pub use encode::FixBody;
pub use fields::{FixGroup, FixMessage};
pub use file_store::{FileStore, MessageSeal};
pub use frame::{Frame, FrameReader};
pub use gate::{FixAdmitted, FixGate, FixKnock, FixTurnedAway};
pub use handle::{FixParts, FixRole, FixSession, FixStatus};
pub use initiator::{FixClientTls, FixInitiatorOptions, initiate};
pub use reject::FixRefusal;
pub use session::FixPhase;
pub use store::{MemoryStore, MessageStore};
pub use time::{FixClock, FixMoment, SystemClock};
pub use wire::FixWire;
