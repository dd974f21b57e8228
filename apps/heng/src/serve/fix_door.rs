//! The FIX door: the configured sessions, each behind its application, on one port.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;
use heng_ports::{EventSource, Principal};
use heng_trading::FixDesk;
use heng_transport::HandshakeFailed;
use heng_transport::fix::{
    EchoApplication, FileStore, FixAcceptor, FixAcceptorOptions, FixApplication, FixApplicationKind, FixLimits,
    FixParts, FixPhase, FixRole, FixSession, FixSessionConfig, MemoryStore, MessageStore, SystemClock,
};
use tokio::runtime::Runtime;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::config::FixConfig;
use super::fix_proof::{self, Counterparties};
use super::process::stopped;
use crate::at_rest::AtRest;

/// Bytes of sent messages that a session keeps for resends.
const MESSAGES_MAX: u64 = 1 << 30;
/// The same for a session that begins anew with each logon.
const MEMORY_MAX: usize = 64 << 20;

/// A FIX door that is bound, with its sessions.
pub(crate) struct FixDoor {
    acceptor: FixAcceptor,
    sessions: Vec<Arc<FixSession>>,
}

/// A session and whom its counterparty acts as; none for sessions that only echo.
pub(crate) type Seat = (FixSessionConfig, Option<Arc<Principal>>);

/// How the sessions of clients are.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct FixCounts {
    /// Logged on.
    pub(crate) sessions: u64,
    /// Messages received since the start.
    pub(crate) received: u64,
    /// Messages sent since the start.
    pub(crate) sent: u64,
}

/// Tells it whenever it is asked.
pub(crate) type FixTeller = Arc<dyn Fn() -> FixCounts + Send + Sync>;

impl FixDoor {
    /// Opens the sessions, whose messages are kept under `data`, and binds the port.
    pub(crate) fn open(
        settings: &FixConfig,
        seats: Vec<Seat>,
        desk: &Arc<FixDesk>,
        (data, at_rest): (&Path, &AtRest),
        runtime: &Runtime,
    ) -> anyhow::Result<Self> {
        let mut sessions = Vec::new();
        for (config, principal) in with_mirrors(seats) {
            let session = open_session(&config, principal.clone(), desk, (data, at_rest))?;
            match (config.application, principal) {
                (FixApplicationKind::Trading, _) => desk.attach(&session),
                (FixApplicationKind::DropCopy, Some(principal)) => desk.attach_copy(&session, principal),
                _ => {}
            }
            sessions.push(session);
        }
        let options = FixAcceptorOptions::at(settings.address);
        let acceptor = runtime.block_on(FixAcceptor::bind(options, sessions.clone()))?;
        let tls = fix_proof::tls(settings)?;
        let acceptor = if let Some(tls) = tls { acceptor.with_tls(tls) } else { acceptor };
        Ok(Self { acceptor, sessions })
    }

    /// Lets in only counterparties that prove who they are, where their sessions ask for it; `failed` hears of TLS
    /// handshakes that fail.
    pub(crate) fn guarded(self, by: Arc<Counterparties>, failed: HandshakeFailed) -> Self {
        Self { acceptor: self.acceptor.with_gate(by).telling_failed_handshakes(failed), ..self }
    }

    /// The bound address.
    pub(crate) const fn address(&self) -> SocketAddr {
        self.acceptor.address()
    }

    /// Tells how the sessions are.
    pub(crate) fn teller(&self) -> FixTeller {
        let sessions = self.sessions.clone();
        Arc::new(move || {
            let mut counts = FixCounts::default();
            for status in sessions.iter().map(|session| session.status()) {
                counts.sessions += u64::from(status.phase == FixPhase::Up);
                counts.received += status.received;
                counts.sent += status.sent;
            }
            counts
        })
    }

    /// Serves until told to stop; the reports begin first.
    pub(crate) fn serve(
        self,
        desk: &Arc<FixDesk>,
        source: Arc<dyn EventSource>,
        runtime: &Runtime,
        stop: &watch::Sender<bool>,
    ) -> anyhow::Result<JoinHandle<()>> {
        desk.begin(source, stop.subscribe()).context("begin the FIX reports")?;
        Ok(runtime.spawn(self.acceptor.serve(stopped(stop.subscribe()))))
    }
}

/// Each session once more with the names of its sides exchanged, unless another session has them: what one side calls
/// the sender is the other side's target, and whoever copies a configuration copies it either way. Not those of drop
/// copies: what nobody fetches would be kept.
fn with_mirrors(seats: Vec<Seat>) -> Vec<Seat> {
    let names = |config: &FixSessionConfig| (config.begin.clone(), config.sender.clone(), config.target.clone());
    let taken: Vec<_> = seats.iter().map(|(config, _)| names(config)).collect();
    let mirror = |(config, principal): &Seat| {
        let (sender, target) = (config.target.clone(), config.sender.clone());
        (FixSessionConfig { sender, target, ..config.clone() }, principal.clone())
    };
    let answers = |(config, _): &&Seat| config.application != FixApplicationKind::DropCopy;
    let mirrors: Vec<Seat> =
        seats.iter().filter(answers).map(mirror).filter(|(config, _)| !taken.contains(&names(config))).collect();
    seats.into_iter().chain(mirrors).collect()
}

fn open_session(
    config: &FixSessionConfig,
    principal: Option<Arc<Principal>>,
    desk: &Arc<FixDesk>,
    (data, at_rest): (&Path, &AtRest),
) -> anyhow::Result<Arc<FixSession>> {
    let id = config.identity()?;
    let application: Arc<dyn FixApplication> = match principal {
        Some(principal) if config.application == FixApplicationKind::DropCopy => desk.listener(principal),
        Some(principal) => desk.application(principal),
        None => Arc::new(EchoApplication::default()),
    };
    // What begins anew with each logon has nothing to keep.
    let store: Box<dyn MessageStore> = if config.reset_on_logon {
        Box::new(MemoryStore::new(MEMORY_MAX))
    } else {
        let plain =
            |text: &str| -> String { text.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect() };
        let name = format!("{}-{}-{}", plain(id.version.text()), plain(&id.sender), plain(&id.target));
        let folder = data.join("fix");
        std::fs::create_dir_all(&folder).with_context(|| format!("create {}", folder.display()))?;
        let file = folder.join(name);
        let store = FileStore::open(&file, MESSAGES_MAX);
        let store = store.with_context(|| format!("open the messages in {}", file.display()))?;
        Box::new(store.sealed_by(at_rest.messages()))
    };
    let parts = FixParts {
        role: FixRole::Acceptor,
        limits: FixLimits::default(),
        store,
        application,
        clock: Arc::new(SystemClock::default()),
    };
    Ok(FixSession::open(config, parts)?)
}
