//! The doors' side of links.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::mpsc::{Receiver, RecvTimeoutError, TryRecvError, channel, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use heng_model::{Command, RejectCode, Seq};
use heng_ports::{Answer, CommandPort, CoreStatus, CoreWatch, Done, EventBlock, EventFeed, EventSource, FeedError};
use heng_transport::{LinkReader, LinkWriter, distrusted, link_to};
use rustls::ClientConfig;
use tokio::runtime::Handle;
use tokio::sync::mpsc;

use super::DISTRUST;
use super::words::{Ask, Tell};

/// Commands and questions that wait to be written at most; beyond it they are refused as `Overloaded`.
const QUEUE_MAX: usize = 16_384;
/// A link that is silent for so long is broken: the core tells its status twenty times a second.
const SILENCE_MAX: Duration = Duration::from_secs(2);
/// How long the doors wait between two attempts to reach the core.
const AGAIN: Duration = Duration::from_millis(200);
/// Blocks of events ahead of their reader at most.
const BLOCKS_AHEAD_MAX: usize = 4;
/// How long opening a feed may take.
const OPEN_MAX: Duration = Duration::from_secs(5);
/// How long a piece of the record that is durable may be on its way.
const BLOCK_MAX: Duration = Duration::from_secs(5);

/// Where the core is and how it is trusted.
#[derive(Clone)]
pub struct RemoteOptions {
    /// Its address.
    pub address: SocketAddr,
    /// The name in its certificate.
    pub name: String,
    /// Our certificate and the authorities that we trust.
    pub tls: Arc<ClientConfig>,
}

/// A core in another process. Reconnects by itself.
pub struct RemoteCore {
    options: RemoteOptions,
    runtime: Handle,
    queue: mpsc::Sender<Ask>,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared(Mutex<State>);

/// Why the core cannot be reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkTrouble {
    /// What happened.
    pub reason: String,
    /// Whether one side does not trust the certificate of the other: waiting changes nothing.
    pub distrust: bool,
}

#[derive(Default)]
struct State {
    connected: bool,
    next: u64,
    commands: HashMap<u64, Done>,
    questions: HashMap<u64, std::sync::mpsc::Sender<Vec<u8>>>,
    status: Option<(CoreStatus, Instant)>,
    /// The last durable command that anything from the core has told of.
    head: u64,
    /// Why the core cannot be reached, since the last link to it.
    trouble: Option<LinkTrouble>,
}

impl State {
    /// What clients are told, by an answer or an event, they may ask for at once: the head is never behind it.
    fn reached(&mut self, sequence: Seq) {
        self.head = self.head.max(sequence.0);
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The link is gone: whatever was sent has an unknown outcome.
    fn lose(&self) {
        let lost = {
            let mut state = self.lock();
            state.connected = false;
            state.status = None;
            state.questions.clear();
            std::mem::take(&mut state.commands)
        };
        lost.into_values().for_each(|done| done(Answer::Unknown));
    }

    fn take(&self, tell: Tell) {
        match tell {
            Tell::Answer(ticket, answer) => {
                let done = {
                    let mut state = self.lock();
                    if let Answer::Accepted { sequence, .. } | Answer::Rejected { sequence, .. } = answer {
                        state.reached(sequence);
                    }
                    state.commands.remove(&ticket)
                };
                if let Some(done) = done {
                    done(answer);
                }
            }
            Tell::Reply(ticket, reply) => {
                let sender = self.lock().questions.remove(&ticket);
                // Whoever asked may have reached its deadline.
                let _ = sender.map(|sender| sender.send(reply));
            }
            Tell::Status(status) => self.saw(status),
            // Blocks come on links of their own.
            Tell::Block(_) | Tell::Trouble(_) => {}
        }
    }

    /// Tells the log what is new.
    fn failed(&self, core: SocketAddr, error: &std::io::Error) {
        let trouble = LinkTrouble { reason: error.to_string(), distrust: distrusted(error) };
        let mut state = self.lock();
        if state.trouble.as_ref() == Some(&trouble) {
            return;
        }
        if trouble.distrust {
            tracing::warn!(%core, %error, "reach the core; {DISTRUST}");
        } else {
            tracing::warn!(%core, %error, "reach the core");
        }
        state.trouble = Some(trouble);
    }

    fn saw(&self, status: CoreStatus) {
        let mut state = self.lock();
        state.trouble = None;
        state.reached(Seq(status.durable));
        state.status = Some((status, Instant::now()));
    }
}

impl RemoteCore {
    /// Begins to reach for the core, on `runtime`.
    #[must_use]
    pub fn begin(options: RemoteOptions, runtime: &Handle) -> Arc<Self> {
        let (queue, asks) = mpsc::channel(QUEUE_MAX);
        let shared = Arc::new(Shared::default());
        runtime.spawn(stay_connected(options.clone(), asks, Arc::clone(&shared)));
        Arc::new(Self { options, runtime: runtime.clone(), queue, shared })
    }

    /// Whether the core can be reached now.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        self.shared.lock().connected
    }

    /// Why the core cannot be reached, since the last link to it.
    #[must_use]
    pub fn trouble(&self) -> Option<LinkTrouble> {
        self.shared.lock().trouble.clone()
    }

    /// Asks a question in its bytes; `None` if there is no answer in time.
    #[must_use]
    pub fn ask(&self, question: Vec<u8>, deadline: Duration) -> Option<Vec<u8>> {
        let (sender, receiver) = channel();
        let ticket = {
            let mut state = self.shared.lock();
            if !state.connected {
                return None;
            }
            state.next += 1;
            let ticket = state.next;
            state.questions.insert(ticket, sender);
            ticket
        };
        let sent = self.queue.try_send(Ask::Question(ticket, question));
        let reply = sent.ok().and_then(|()| receiver.recv_timeout(deadline).ok());
        self.shared.lock().questions.remove(&ticket);
        reply.filter(|reply| !reply.is_empty())
    }
}

impl CommandPort for RemoteCore {
    fn begin(&self, command: Command, done: Done) {
        let refused = |code| Answer::Rejected { sequence: Seq(0), id: 0, code, repeated: false };
        let ticket = {
            let mut state = self.shared.lock();
            if !state.connected {
                drop(state);
                return done(refused(RejectCode::CoreUnreachable));
            }
            state.next += 1;
            let ticket = state.next;
            state.commands.insert(ticket, done);
            ticket
        };
        if self.queue.try_send(Ask::Command(ticket, command)).is_err() {
            // It was not sent, unless the link was lost meanwhile, which has called it unknown.
            let done = self.shared.lock().commands.remove(&ticket);
            if let Some(done) = done {
                done(refused(RejectCode::Overloaded));
            }
        }
    }
}

impl CoreWatch for RemoteCore {
    fn status(&self) -> Option<CoreStatus> {
        let found = self.shared.lock().status;
        found.filter(|(_, at)| at.elapsed() < SILENCE_MAX).map(|(status, _)| status)
    }
}

async fn stay_connected(options: RemoteOptions, mut asks: mpsc::Receiver<Ask>, shared: Arc<Shared>) {
    loop {
        match link_to(options.address, &options.name, Arc::clone(&options.tls)).await {
            Ok((reader, writer)) => {
                // What waited here was refused or called unknown when the link before was lost.
                while asks.try_recv().is_ok() {}
                shared.lock().connected = true;
                let refused = tokio::select! {
                    refused = read(reader, &shared) => refused,
                    ended = write(writer, &mut asks) => if ended { return } else { None },
                };
                shared.lose();
                match refused {
                    Some(error) => shared.failed(options.address, &error),
                    None => tracing::warn!(core = %options.address, "the link to the core is lost"),
                }
            }
            Err(error) => shared.failed(options.address, &error),
        }
        tokio::time::sleep(AGAIN).await;
        if asks.is_closed() {
            return;
        }
    }
}

async fn next(reader: &mut LinkReader) -> Option<Tell> {
    let message = tokio::time::timeout(SILENCE_MAX, reader.next()).await.ok()?.ok()??;
    told(&message)
}

fn told(message: &[u8]) -> Option<Tell> {
    Tell::read(message).map_err(|error| tracing::warn!(%error, "read a link's message")).ok()
}

/// The error, if the core does not trust us: in TLS 1.3 that is told only after the link was opened.
async fn read(mut reader: LinkReader, shared: &Shared) -> Option<std::io::Error> {
    match tokio::time::timeout(SILENCE_MAX, reader.next()).await {
        Ok(Err(error)) => return Some(error).filter(distrusted),
        Ok(Ok(Some(message))) => shared.take(told(&message)?),
        Ok(Ok(None)) | Err(_) => return None,
    }
    while let Some(tell) = next(&mut reader).await {
        shared.take(tell);
    }
    None
}

/// True if nobody will ask any more.
async fn write(mut writer: LinkWriter, asks: &mut mpsc::Receiver<Ask>) -> bool {
    // The server learns from the first message what the link is for.
    if put(&mut writer, Ask::Question(0, Vec::new()), asks).await.is_err() {
        return false;
    }
    loop {
        let Some(ask) = asks.recv().await else { return true };
        if put(&mut writer, ask, asks).await.is_err() {
            return false;
        }
    }
}

async fn put(writer: &mut LinkWriter, first: Ask, asks: &mut mpsc::Receiver<Ask>) -> std::io::Result<()> {
    writer.put(&first.bytes()).await?;
    while let Ok(ask) = asks.try_recv() {
        writer.put(&ask.bytes()).await?;
    }
    writer.flush().await
}

/// Events that come over a link of their own.
struct RemoteFeed {
    blocks: Receiver<Result<EventBlock, String>>,
    /// The first command that has not been read.
    next: u64,
    shared: Arc<Shared>,
}

impl RemoteFeed {
    /// What has come; what is durable and still on its way is waited for, because *none* means that there is none.
    fn receive(&self) -> Result<Option<Result<EventBlock, String>>, FeedError> {
        let lost = || "the link to the core is lost".into();
        match self.blocks.try_recv() {
            Ok(block) => return Ok(Some(block)),
            Err(TryRecvError::Disconnected) => return Err(lost()),
            Err(TryRecvError::Empty) if self.next > self.shared.lock().head => return Ok(None),
            Err(TryRecvError::Empty) => {}
        }
        match self.blocks.recv_timeout(BLOCK_MAX) {
            Ok(block) => Ok(Some(block)),
            Err(RecvTimeoutError::Disconnected) => Err(lost()),
            Err(RecvTimeoutError::Timeout) => Err("the core does not send its record".into()),
        }
    }
}

impl EventFeed for RemoteFeed {
    fn next_block(&mut self) -> Result<Option<EventBlock>, FeedError> {
        let Some(block) = self.receive()?.transpose()? else { return Ok(None) };
        self.next = self.next.max(block.through.0 + 1);
        Ok(Some(block))
    }
}

impl EventSource for RemoteCore {
    fn open(&self, from: Seq) -> Result<Box<dyn EventFeed>, FeedError> {
        let (blocks, receiver) = sync_channel(BLOCKS_AHEAD_MAX);
        let (opened, ready) = channel();
        let (options, shared) = (self.options.clone(), Arc::clone(&self.shared));
        self.runtime.spawn(async move {
            match link_to(options.address, &options.name, options.tls).await {
                Ok((reader, writer)) => {
                    let _ = opened.send(Ok(()));
                    receive(from, reader, writer, &blocks, &shared).await;
                }
                Err(error) => drop(opened.send(Err(error))),
            }
        });
        ready.recv_timeout(OPEN_MAX)??;
        Ok(Box::new(RemoteFeed { blocks: receiver, next: from.0, shared: Arc::clone(&self.shared) }))
    }

    fn head(&self) -> Seq {
        Seq(self.shared.lock().head)
    }
}

async fn receive(
    from: Seq,
    mut reader: LinkReader,
    mut writer: LinkWriter,
    blocks: &std::sync::mpsc::SyncSender<Result<EventBlock, String>>,
    shared: &Shared,
) {
    let asked = async {
        writer.put(&Ask::Follow(from).bytes()).await?;
        writer.flush().await
    };
    if asked.await.is_err() {
        return;
    }
    while let Some(tell) = next(&mut reader).await {
        let block = match tell {
            Tell::Block(block) => {
                shared.lock().reached(block.through);
                Ok(block)
            }
            Tell::Trouble(reason) => Err(reason),
            Tell::Status(status) => {
                shared.saw(status);
                continue;
            }
            _ => continue,
        };
        if hand_over(block, blocks).await.is_err() {
            return;
        }
    }
}

/// Waits for a slow reader without holding up the runtime; fails when the reader is gone.
async fn hand_over(
    block: Result<EventBlock, String>,
    blocks: &std::sync::mpsc::SyncSender<Result<EventBlock, String>>,
) -> Result<(), ()> {
    let mut block = block;
    loop {
        match blocks.try_send(block) {
            Ok(()) => return Ok(()),
            Err(std::sync::mpsc::TrySendError::Full(back)) => {
                block = back;
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            Err(std::sync::mpsc::TrySendError::Disconnected(_)) => return Err(()),
        }
    }
}
