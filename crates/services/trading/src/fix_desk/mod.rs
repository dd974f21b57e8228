//! The FIX desk: orders that come in FIX sessions, and the reports that go back.
//!
//! ```text
//!  session ── request ──► command ──► CommandPort ── answer ─┐
//!                  └──── note ──────────────────────────────►│ reporter ──► reports ──► session
//!  record ── events of the orders ──────────────────────────►│
//! ```
//!
//! *Invariant:* one thread tells everything about an order, so that its reports stand in order: new before fills.
//! *Invariant:* a request counts as done only when its outcome is durable and its report is in the session's store;
//! before that, a restart asks for the request again, and the order's key makes the repeat harmless.
//! *Invariant:* a report of an event has the event's place as ExecID, so that a repeat can be seen.
//!
//! Deliberately absent: changing an order in place (the exchanges here have no such request).

mod copies;
mod notes;
mod orders;
mod reporter;
mod reports;
mod requests;
mod waiting;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use heng_model::{Command, Seq};
use heng_ports::{Answer, CommandPort, EventSource, Gatekeeper, Principal, Resource};
use heng_transport::fix::{
    FixApplication, FixMessage, FixRefusal, FixRefused, FixReplies, FixSession, FixSessionId, FixTaken, MessageSeal,
};
use tokio::runtime::Handle;
use tokio::sync::{oneshot, watch};

use crate::directory::Directory;
use crate::execution::{HOLD_MAX, TermsStore, Which};
use crate::view::ViewReader;
use copies::{DropCopy, Listener};
use requests::{Asked, Request};

/// Requests that wait for their outcomes at most; beyond it the sessions are not read.
const WAITING_MAX: usize = 32_768;

/// What a desk works with.
pub struct FixDeskParts {
    /// The way to the core.
    pub port: Arc<dyn CommandPort>,
    /// The view, for its directory of instruments.
    pub view: ViewReader,
    /// Who says what the counterparties may do.
    pub gatekeeper: Arc<dyn Gatekeeper>,
    /// How parents are driven: a mass cancel makes them stand.
    pub terms: TermsStore,
    /// Where that is written.
    pub runtime: Handle,
    /// Where the orders of the sessions are noted.
    pub folder: PathBuf,
    /// What seals its notes; none = plain.
    pub seal: Option<Arc<dyn MessageSeal>>,
}

/// The desk.
pub struct FixDesk {
    port: Arc<dyn CommandPort>,
    directory: Arc<Directory>,
    gatekeeper: Arc<dyn Gatekeeper>,
    terms: TermsStore,
    runtime: Handle,
    sessions: Mutex<BTreeMap<FixSessionId, Arc<FixSession>>>,
    copies: Mutex<Vec<DropCopy>>,
    words: Sender<Word>,
    listener: Mutex<Option<Receiver<Word>>>,
    waiting: Arc<AtomicUsize>,
    /// Pieces of the record on the way to the reporter.
    pieces: Arc<AtomicUsize>,
    tickets: AtomicU64,
    folder: PathBuf,
    seal: Option<Arc<dyn MessageSeal>>,
}

/// Pieces of the record on the way to the reporter at most.
const PIECES_MAX: usize = 8;

/// What the reporter is told.
enum Word {
    /// A request was taken; its command is on the way.
    Taken(Box<Asked>),
    /// The outcome of the request with this ticket.
    Answered(u64, Answer),
    /// A piece of the record.
    Events(heng_ports::EventBlock),
}

impl FixDesk {
    /// A desk without sessions.
    #[must_use]
    pub fn new(parts: FixDeskParts) -> Arc<Self> {
        let (words, listener) = channel();
        let FixDeskParts { port, view, gatekeeper, terms, runtime, folder, seal } = parts;
        Arc::new(Self {
            port,
            directory: Arc::clone(&view.directory),
            gatekeeper,
            terms,
            runtime,
            sessions: Mutex::default(),
            copies: Mutex::default(),
            words,
            listener: Mutex::new(Some(listener)),
            waiting: Arc::default(),
            pieces: Arc::default(),
            tickets: AtomicU64::new(1),
            folder,
            seal,
        })
    }

    /// What answers a session whose counterparty acts as `principal`.
    #[must_use]
    pub fn application(self: &Arc<Self>, principal: Arc<Principal>) -> Arc<dyn FixApplication> {
        Arc::new(Counter { desk: Arc::clone(self), principal })
    }

    /// Lets the desk report to `session`.
    pub fn attach(&self, session: &Arc<FixSession>) {
        let mut sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        sessions.insert(session.id().clone(), Arc::clone(session));
    }

    /// What answers a session that hears what `principal` may see and takes no requests.
    #[must_use]
    pub fn listener(&self, principal: Arc<Principal>) -> Arc<dyn FixApplication> {
        Arc::new(Listener { gatekeeper: Arc::clone(&self.gatekeeper), principal })
    }

    /// Lets `session` hear of every order of the accounts of `principal`. To be called before [`FixDesk::begin`].
    pub fn attach_copy(&self, session: &Arc<FixSession>, principal: Arc<Principal>) {
        let mut copies = self.copies.lock().unwrap_or_else(PoisonError::into_inner);
        copies.push(DropCopy::new(Arc::clone(session), principal));
    }

    fn session(&self, id: &FixSessionId) -> Option<Arc<FixSession>> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner).get(id).cloned()
    }

    /// Reports until `stop` turns true. To be called once, before the sessions are served.
    ///
    /// # Errors
    /// If the folder of the notes cannot be used.
    pub fn begin(
        self: &Arc<Self>,
        source: Arc<dyn EventSource>,
        stop: watch::Receiver<bool>,
    ) -> std::io::Result<std::thread::JoinHandle<()>> {
        let listener = self.listener.lock().unwrap_or_else(PoisonError::into_inner).take();
        let listener = listener.expect("a desk begins once");
        let reporter = reporter::Reporter::open(Arc::clone(self), source.head())?;
        let from = reporter.first_event();
        let (desk, feeding) = (Arc::clone(self), stop.clone());
        std::thread::Builder::new().name("fix-events".into()).spawn(move || desk.feed(&*source, from, &feeding))?;
        std::thread::Builder::new().name("fix-reports".into()).spawn(move || reporter.run(&listener, &stop))
    }

    fn submit(&self, command: Command, ticket: u64) {
        let (words, waiting) = (self.words.clone(), Arc::clone(&self.waiting));
        waiting.fetch_add(1, Ordering::Relaxed);
        let done = Box::new(move |answer| {
            waiting.fetch_sub(1, Ordering::Relaxed);
            // Without a reporter the process is ending; the request comes again after the next start.
            let _ = words.send(Word::Answered(ticket, answer));
        });
        self.port.begin(command, done);
    }

    /// Submits what pauses parents, and notes beside it that they are to stand, so that no driver claims them after a
    /// restart. Both are done when the counterparty is answered; a database that fails or is slow holds up no cancel.
    fn submit_and_hold(&self, command: Command, which: Which, ticket: u64) {
        let (words, waiting, terms) = (self.words.clone(), Arc::clone(&self.waiting), self.terms.clone());
        let (told, outcome) = oneshot::channel();
        waiting.fetch_add(1, Ordering::Relaxed);
        // The task below listens until it is told.
        self.port.begin(command, Box::new(move |answer| _ = told.send(answer)));
        self.runtime.spawn(async move {
            let hold = tokio::time::timeout(HOLD_MAX, terms.hold(&which, true));
            let (answer, held) = tokio::join!(outcome, hold);
            if !matches!(held, Ok(Ok(()))) {
                tracing::warn!("note that parents are to stand");
            }
            waiting.fetch_sub(1, Ordering::Relaxed);
            // A port that ends says nothing about the command; without a reporter the process is ending.
            let _ = words.send(Word::Answered(ticket, answer.unwrap_or(Answer::Unknown)));
        });
    }

    /// Hands the record to the reporter, however often it must be opened again.
    fn feed(&self, source: &dyn EventSource, from: Seq, stop: &watch::Receiver<bool>) {
        let mut next = from;
        while !*stop.borrow() {
            if let Err(error) = self.read(source, &mut next, stop) {
                tracing::warn!(%error, "read the record for FIX reports");
                std::thread::sleep(Duration::from_secs(1));
            }
        }
    }

    fn read(
        &self,
        source: &dyn EventSource,
        next: &mut Seq,
        stop: &watch::Receiver<bool>,
    ) -> Result<(), heng_ports::FeedError> {
        let mut feed = source.open(*next)?;
        while !*stop.borrow() {
            if self.pieces.load(Ordering::Relaxed) >= PIECES_MAX {
                std::thread::sleep(Duration::from_millis(1));
                continue;
            }
            match feed.next_block()? {
                None => std::thread::sleep(Duration::from_millis(3)),
                Some(block) => {
                    *next = Seq(block.through.0 + 1);
                    self.pieces.fetch_add(1, Ordering::Relaxed);
                    // Without a reporter the process is ending.
                    let _ = self.words.send(Word::Events(block));
                }
            }
        }
        Ok(())
    }
}

/// The counter of one session.
struct Counter {
    desk: Arc<FixDesk>,
    principal: Arc<Principal>,
}

/// A refusal that the counterparty reads as a BusinessMessageReject.
fn refuse(reason: FixRefusal, text: impl Into<String>, message: &FixMessage<'_>) -> FixRefused {
    FixRefused { reason, text: text.into(), id: message.text(11).unwrap_or("").to_owned() }
}

impl Counter {
    fn allowed(&self, request: &Request) -> Result<(), String> {
        let (action, account) = match request {
            Request::Place(order) => ("order.place", order.command.account),
            Request::Cancel(cancel) => ("order.cancel", cancel.account),
            Request::CancelAll(all) => ("order.cancel", all.command.account),
            Request::Status(status) => ("order.read", status.account),
        };
        match self.desk.gatekeeper.decide(&self.principal, action, Resource::Account(account)) {
            heng_ports::Decision::Allow => Ok(()),
            heng_ports::Decision::Deny(why) => Err(why),
        }
    }
}

impl FixApplication for Counter {
    fn logon(&self, _: &FixSessionId, _: &FixMessage<'_>) -> Result<(), String> {
        match self.desk.gatekeeper.decide(&self.principal, "order.place", Resource::Any) {
            heng_ports::Decision::Allow => Ok(()),
            heng_ports::Decision::Deny(why) => Err(why),
        }
    }

    fn received(&self, message: &FixMessage<'_>, replies: &mut FixReplies<'_>) -> Result<FixTaken, FixRefused> {
        let request = requests::read(message, &self.principal, &self.desk.directory)?;
        let denied = self.allowed(&request).err();
        let ticket = self.desk.tickets.fetch_add(1, Ordering::Relaxed);
        let asked = Asked::new(ticket, request, message, replies.session().clone(), denied);
        let command = asked.command();
        // First the note, then the command: the reporter knows the order before it hears of it.
        if self.desk.words.send(Word::Taken(Box::new(asked))).is_err() {
            return Err(refuse(FixRefusal::NotAvailable, "the desk is closing", message));
        }
        match command {
            Some(Command::MassCancel(all)) => {
                let which = Which {
                    trade_date: self.desk.directory.trade_date(),
                    account: Some(all.account),
                    instrument: all.by_instrument.then_some(all.instrument),
                    client_order: None,
                };
                self.desk.submit_and_hold(all.into(), which, ticket);
            }
            Some(command) => self.desk.submit(command, ticket),
            None => {}
        }
        Ok(FixTaken::Later)
    }

    fn ready(&self) -> std::pin::Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(async {
            while self.desk.waiting.load(Ordering::Relaxed) > WAITING_MAX {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        })
    }
}
