//! The `fix` adapter: a venue that speaks FIX 4.4, with us as the initiator.
//!
//! ```text
//!  record ─ events ─► ┌──────┐ ─ orders, cancels, enquiries ─► session ─► venue
//!                     │ desk │
//!  core ◄─ reports ── └──────┘ ◄─ ExecutionReport … ────────── session ◄─ venue
//! ```
//!
//! *Invariant:* one thread owns the orders; before anything leaves it, the notes that a restart needs are on the disk.
//! *Invariant:* the session begins only when the record is read to where it stood, so that every report finds its order.

mod application;
mod desk;
mod hear;
mod messages;
mod notes;
mod orders;
mod says;
#[cfg(test)]
mod tests;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use heng_model::command::VenueReport;
use heng_model::{InstrumentId, PartitionId, Seq};
use heng_ports::{Answer, CommandPort, EventBlock, EventSource, FeedError};
use heng_runtime::{Clock as _, SystemClock};
use heng_transport::fix::{
    FileStore, FixClientTls, FixClock, FixInitiatorOptions, FixLimits, FixParts, FixRole, FixSession, FixSessionConfig,
    initiate,
};
use tokio::runtime::Handle;
use tokio::sync::watch;

use super::{Venue, VenueHealth};
pub use desk::VenueTimes;
use desk::{Act, Desk, DeskOptions, Now};
use notes::Notes;
use says::Heard;

/// Pieces of the record on the way to the desk at most.
const PIECES_MAX: usize = 8;
/// Messages sent in one round at most.
const ROOM: usize = 512;
/// What the venue has not read of us holds back more.
const UNSENT_MAX: usize = 1 << 20;
/// The session's messages kept for a resend, in bytes.
const STORE_MAX: u64 = 256 << 20;
/// How often the health is told.
const HEALTH_EVERY: Duration = Duration::from_millis(50);

/// A FIX venue (`[[venues]]` with `kind = "fix"`).
#[derive(Clone, Debug)]
pub struct FixVenueOptions {
    /// Name, for people; also names its threads.
    pub name: String,
    /// The venue partition whose instruments trade there. Not the core's own.
    pub partition: PartitionId,
    /// The session: `FIX.4.4`, our CompID as `sender`.
    pub session: FixSessionConfig,
    /// Its gateways, the preferred one first. When one fails the next is used, and everything outstanding is enquired.
    pub addresses: Vec<SocketAddr>,
    /// TLS towards its gateways; without it messages go in the clear.
    pub tls: Option<FixClientTls>,
    /// The pauses between attempts to connect: the first, and the longest.
    pub pauses: (Duration, Duration),
    /// Account (1) of our messages: the broker's own code at the venue. Empty leaves it out.
    pub account: String,
    /// Instruments that trade there, for a record that does not reach back to their definition.
    pub instruments: Vec<(InstrumentId, String)>,
    /// The first command that is read where there are no notes yet; 1 unless the record begins later.
    pub first: Seq,
    /// The folder of its notes and its session. It is part of what must survive.
    pub folder: PathBuf,
    /// How long to wait for what.
    pub times: VenueTimes,
}

/// What the desk is told.
enum Word {
    /// A piece of the record.
    Events(EventBlock),
    /// A message of the venue.
    Heard(Heard),
    /// The venue refused our message of this number.
    Refused(u64),
    /// What became of the report under this ticket.
    Answered(u64, Answer),
    /// Logged on.
    Up,
    /// The connection is gone.
    Down,
}

/// A running adapter.
pub struct FixVenue {
    partition: PartitionId,
    health: Arc<Mutex<VenueHealth>>,
    desk: JoinHandle<()>,
    connection: tokio::task::JoinHandle<()>,
}

impl FixVenue {
    /// Begins to route: reads the record, connects when it has caught up, and goes on until `stop` turns true.
    ///
    /// # Errors
    /// If the session's configuration is wrong, or the folder cannot be read and written.
    pub fn begin(
        options: &FixVenueOptions,
        port: Arc<dyn CommandPort>,
        source: Arc<dyn EventSource>,
        clock: Arc<dyn FixClock>,
        runtime: &Handle,
        stop: watch::Receiver<bool>,
    ) -> std::io::Result<Self> {
        let (notes, mut found) = Notes::open(&options.folder)?;
        found.instruments.extend(options.instruments.iter().cloned());
        let from = Seq(found.day.map_or(options.first.0.max(1), |(seq, _)| seq.max(1)));
        let (words, listener) = channel();
        let waiting = Arc::new(AtomicUsize::new(0));
        let session = open_session(options, words.clone(), Arc::clone(&waiting), clock)?;
        let desk = Desk::new(desk_options(options), notes, found, source.head().0);
        let health = Arc::new(Mutex::new(VenueHealth::default()));
        let (current, ready) = watch::channel(false);
        let runner = Runner {
            desk,
            port,
            session: Arc::clone(&session),
            words: words.clone(),
            pieces: Arc::default(),
            waiting,
            health: Arc::clone(&health),
            told: None,
            current,
        };
        let feeder = Feeder { source, words, pieces: Arc::clone(&runner.pieces), stop: stop.clone() };
        std::thread::Builder::new().name(format!("{}-events", options.name)).spawn(move || feeder.run(from))?;
        let connection = runtime.spawn(connect(connection_options(options), session, ready, stop.clone()));
        let desk = std::thread::Builder::new()
            .name(format!("{}-desk", options.name))
            .spawn(move || runner.run(&listener, &stop))?;
        Ok(Self { partition: options.partition, health, desk, connection })
    }

    /// Tells how the venue is, for as long as anybody asks.
    pub fn teller(&self) -> impl Fn() -> VenueHealth + Send + Sync + 'static {
        let health = Arc::clone(&self.health);
        move || health.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits for the end, after `stop` turned true: the session is logged out and the notes are written.
    pub async fn ended(self) {
        // A task or thread that panicked was told by the panic itself; nothing is lost by going on.
        let _ = self.connection.await;
        let desk = self.desk;
        let _ = tokio::task::spawn_blocking(move || desk.join()).await;
    }
}

impl Venue for FixVenue {
    fn health(&self) -> VenueHealth {
        self.health.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn partition(&self) -> PartitionId {
        self.partition
    }
}

fn desk_options(options: &FixVenueOptions) -> DeskOptions {
    let (name, account) = (options.name.clone(), options.account.clone());
    DeskOptions { name, partition: options.partition, account, times: options.times }
}

fn connection_options(options: &FixVenueOptions) -> FixInitiatorOptions {
    let (pause_min, pause_max) = options.pauses;
    FixInitiatorOptions {
        pause_min,
        pause_max,
        tls: options.tls.clone(),
        ..FixInitiatorOptions::to(options.addresses.clone())
    }
}

fn open_session(
    options: &FixVenueOptions,
    words: Sender<Word>,
    waiting: Arc<AtomicUsize>,
    clock: Arc<dyn FixClock>,
) -> std::io::Result<Arc<FixSession>> {
    let store = FileStore::open(&options.folder.join("session"), STORE_MAX)?;
    let parts = FixParts {
        role: FixRole::Initiator,
        limits: FixLimits::default(),
        store: Box::new(store),
        application: Arc::new(application::Ear { words, waiting }),
        clock,
    };
    FixSession::open(&options.session, parts)
        .map_err(|error| std::io::Error::new(std::io::ErrorKind::InvalidInput, error.to_string()))
}

/// Connects when the record is read.
async fn connect(
    options: FixInitiatorOptions,
    session: Arc<FixSession>,
    mut ready: watch::Receiver<bool>,
    stop: watch::Receiver<bool>,
) {
    let stopped = |mut stop: watch::Receiver<bool>| async move {
        // An error means that whoever could stop us is gone, which stops as well.
        let _ = stop.wait_for(|stop| *stop).await;
    };
    tokio::select! {
        ready = ready.wait_for(|ready| *ready) => if ready.is_err() { return },
        () = stopped(stop.clone()) => return,
    }
    initiate(options, session, stopped(stop)).await;
}

/// Hands the record to the desk, however often it must be opened again.
struct Feeder {
    source: Arc<dyn EventSource>,
    words: Sender<Word>,
    pieces: Arc<AtomicUsize>,
    stop: watch::Receiver<bool>,
}

impl Feeder {
    fn run(&self, from: Seq) {
        let mut next = from;
        while !*self.stop.borrow() {
            if let Err(error) = self.read(&mut next) {
                tracing::warn!(%error, "read the record for a venue");
                std::thread::sleep(Duration::from_secs(1));
            }
        }
    }

    fn read(&self, next: &mut Seq) -> Result<(), FeedError> {
        let mut feed = self.source.open(*next)?;
        while !*self.stop.borrow() {
            if self.pieces.load(Ordering::Relaxed) >= PIECES_MAX {
                std::thread::sleep(Duration::from_millis(1));
                continue;
            }
            match feed.next_block()? {
                None => std::thread::sleep(Duration::from_millis(2)),
                Some(block) => {
                    *next = Seq(block.through.0 + 1);
                    self.pieces.fetch_add(1, Ordering::Relaxed);
                    // Without the desk the process is ending.
                    let _ = self.words.send(Word::Events(block));
                }
            }
        }
        Ok(())
    }
}

/// Tells the desk the outcome of a report, also when the port drops it untold.
struct Telling {
    ticket: u64,
    words: Option<Sender<Word>>,
}

impl Telling {
    fn tell(mut self, answer: Answer) {
        if let Some(words) = self.words.take() {
            // Without the desk the process is ending; the venue's message comes again.
            let _ = words.send(Word::Answered(self.ticket, answer));
        }
    }
}

impl Drop for Telling {
    fn drop(&mut self) {
        if let Some(words) = self.words.take() {
            let _ = words.send(Word::Answered(self.ticket, Answer::Unknown));
        }
    }
}

/// Carries out what the desk decides.
struct Runner {
    desk: Desk,
    port: Arc<dyn CommandPort>,
    session: Arc<FixSession>,
    words: Sender<Word>,
    pieces: Arc<AtomicUsize>,
    waiting: Arc<AtomicUsize>,
    health: Arc<Mutex<VenueHealth>>,
    told: Option<Instant>,
    current: watch::Sender<bool>,
}

impl Runner {
    fn run(mut self, listener: &Receiver<Word>, stop: &watch::Receiver<bool>) {
        loop {
            let first = match listener.recv_timeout(Duration::from_millis(10)) {
                Ok(word) => Some(word),
                Err(RecvTimeoutError::Timeout) if *stop.borrow() => break,
                Err(RecvTimeoutError::Timeout) => None,
                Err(RecvTimeoutError::Disconnected) => break,
            };
            if let Err(error) = self.round(first, listener) {
                // What was not noted may not leave, and what a failed write left behind is not known.
                tracing::error!(venue = self.desk.options.name, %error, "the notes of a venue cannot be written; it stops");
                self.session.log_out("the notes cannot be written");
                break;
            }
        }
        self.desk.up = false;
        self.tell_health(true);
    }

    fn round(&mut self, first: Option<Word>, listener: &Receiver<Word>) -> std::io::Result<()> {
        let now = Now { at: Instant::now(), utc_ns: SystemClock.now().unsigned_abs() };
        for word in first.into_iter().chain(listener.try_iter().take(1_000)) {
            self.take(word, now)?;
        }
        self.desk.tick(now);
        let room = if self.session.status().unsent_bytes < UNSENT_MAX { ROOM } else { 0 };
        self.desk.pump(room, now);
        self.desk.notes.commit()?;
        for act in std::mem::take(&mut self.desk.acts) {
            self.carry_out(act);
        }
        if self.desk.is_current() {
            self.current.send_if_modified(|current| !std::mem::replace(current, true));
        }
        self.tell_health(false);
        Ok(())
    }

    fn take(&mut self, word: Word, now: Now) -> std::io::Result<()> {
        match word {
            Word::Events(block) => {
                self.pieces.fetch_sub(1, Ordering::Relaxed);
                self.desk.fold(&block, now)?;
            }
            Word::Heard(heard) => self.desk.hear(heard, now),
            Word::Refused(number) => self.desk.message_refused(number, now),
            Word::Answered(ticket, answer) => self.desk.answered(ticket, answer, now),
            Word::Up => self.desk.logged_on(),
            Word::Down => self.desk.up = false,
        }
        Ok(())
    }

    fn carry_out(&mut self, act: Act) {
        match act {
            Act::Send(order, body) => match self.session.send(&body) {
                Ok(number) => {
                    if let Some(out) = self.desk.outs.get_mut(order) {
                        out.number = number;
                    }
                }
                // Whether it leaves is not known; the enquiry that is due finds out.
                Err(error) => tracing::warn!(venue = self.desk.options.name, %order, %error, "send to a venue"),
            },
            Act::Submit(ticket, report) => self.submit(ticket, report),
            Act::Settle(number) => {
                self.waiting.fetch_sub(1, Ordering::Relaxed);
                self.session.settle(number);
            }
        }
    }

    fn submit(&self, ticket: u64, report: VenueReport) {
        let telling = Telling { ticket, words: Some(self.words.clone()) };
        self.port.begin(report.into(), Box::new(move |answer| telling.tell(answer)));
    }

    fn tell_health(&mut self, now: bool) {
        if now || self.told.is_none_or(|told| told.elapsed() >= HEALTH_EVERY) {
            self.told = Some(Instant::now());
            let health = self.desk.report_health();
            *self.health.lock().unwrap_or_else(PoisonError::into_inner) = health;
        }
    }
}
