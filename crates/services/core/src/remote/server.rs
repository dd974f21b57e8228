//! The core's side of links.

use std::sync::Arc;
use std::time::Duration;

use heng_model::{Command, Seq};
use heng_ports::{CommandPort, CoreStatus, CoreWatch, Done, EventSource};
use heng_transport::{LinkListener, LinkReader, LinkWriter, distrusted};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch};

use super::DISTRUST;
use super::words::{Ask, Tell};

/// Commands and questions of one link that wait for their answers at most; beyond it the link is not read.
const WAITING_MAX: usize = 8_192;
/// How often a link is told how the core is doing.
const STATUS_EVERY: Duration = Duration::from_millis(50);
/// How often the record is asked for more when it had nothing.
const IDLE: Duration = Duration::from_millis(3);
/// Links at most.
const LINKS_MAX: usize = 256;

/// Answers a question that came as bytes with bytes; empty = no answer in time.
pub(super) type Answers = Arc<dyn Fn(Vec<u8>) -> Vec<u8> + Send + Sync>;

/// What a server serves.
#[derive(Clone)]
pub struct Served {
    /// Takes the commands.
    pub port: Arc<dyn CommandPort>,
    /// Holds the record.
    pub source: Arc<dyn EventSource>,
    /// Tells how the core is doing.
    pub watch: Arc<dyn CoreWatch>,
    /// Answers questions.
    pub answers: Answers,
}

/// Serves the ports of a core to other processes.
pub struct CoreServer {
    listener: LinkListener,
    served: Served,
}

impl CoreServer {
    /// A server behind `listener`.
    #[must_use]
    pub const fn new(listener: LinkListener, served: Served) -> Self {
        Self { listener, served }
    }

    /// Serves until `stop` turns true.
    pub async fn run(self, mut stop: watch::Receiver<bool>) {
        let room = Arc::new(Semaphore::new(LINKS_MAX));
        loop {
            let knock = tokio::select! {
                knock = self.listener.knock() => knock,
                _ = stop.wait_for(|stop| *stop) => return,
            };
            let Ok(place) = Arc::clone(&room).acquire_owned().await else { return };
            match knock {
                Ok(knock) => {
                    let served = self.served.clone();
                    let mut stop = stop.clone();
                    tokio::spawn(async move {
                        tokio::select! {
                            () = link(knock, served, place) => {}
                            _ = stop.wait_for(|stop| *stop) => {}
                        }
                    });
                }
                Err(error) => {
                    tracing::warn!(%error, "accept a link");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
        }
    }
}

async fn link(knock: heng_transport::Knock, served: Served, _place: OwnedSemaphorePermit) {
    let opened = match knock.open().await {
        Ok(opened) => opened,
        Err(error) => {
            if distrusted(&error) {
                tracing::warn!(%error, "refuse a link; {DISTRUST}");
            } else {
                tracing::warn!(%error, "refuse a link");
            }
            return;
        }
    };
    let (mut reader, writer) = opened;
    let first = match reader.next().await {
        Ok(Some(bytes)) => Ask::read(&bytes),
        _ => return,
    };
    match first {
        Ok(Ask::Follow(from)) => follow(from, reader, writer, &served).await,
        Ok(first) => talk(first, reader, writer, served).await,
        Err(error) => tracing::warn!(%error, "read a link's message"),
    }
}

/// Commands and questions.
async fn talk(first: Ask, mut reader: LinkReader, writer: LinkWriter, served: Served) {
    let (tells, telling) = mpsc::channel(WAITING_MAX + 16);
    let write = tokio::spawn(write(writer, telling, Arc::clone(&served.watch)));
    let room = Arc::new(Semaphore::new(WAITING_MAX));
    let mut next = Some(first);
    while let Some(ask) = next.take() {
        let Ok(place) = Arc::clone(&room).acquire_owned().await else { break };
        take(ask, &served, &tells, place);
        next = match reader.next().await {
            Ok(Some(bytes)) => match Ask::read(&bytes) {
                Ok(ask) => Some(ask),
                Err(error) => {
                    tracing::warn!(%error, "read a link's message");
                    None
                }
            },
            _ => None,
        };
    }
    // Outcomes of commands on the way are told to nobody: the other side has called them unknown.
    write.abort();
}

fn take(ask: Ask, served: &Served, tells: &mpsc::Sender<Tell>, place: OwnedSemaphorePermit) {
    let tells = tells.clone();
    match ask {
        Ask::Command(ticket, command) => begin(command, ticket, served, tells, place),
        Ask::Question(ticket, question) => {
            let answers = Arc::clone(&served.answers);
            tokio::task::spawn_blocking(move || {
                // There is room for as many messages as there are places.
                let _ = tells.try_send(Tell::Reply(ticket, answers(question)));
                drop(place);
            });
        }
        // Only the first message of a link may ask for it.
        Ask::Follow(_) => {}
    }
}

fn begin(command: Command, ticket: u64, served: &Served, tells: mpsc::Sender<Tell>, place: OwnedSemaphorePermit) {
    let done: Done = Box::new(move |answer| {
        let _ = tells.try_send(Tell::Answer(ticket, answer));
        drop(place);
    });
    served.port.begin(command, done);
}

async fn write(mut writer: LinkWriter, mut telling: mpsc::Receiver<Tell>, watch: Arc<dyn CoreWatch>) {
    let mut ticks = tokio::time::interval(STATUS_EVERY);
    loop {
        let written = tokio::select! {
            tell = telling.recv() => match tell {
                Some(tell) => put_all(&mut writer, tell, &mut telling).await,
                None => return,
            },
            _ = ticks.tick() => status(&mut writer, &*watch).await,
        };
        if written.is_err() {
            return;
        }
    }
}

/// Everything that waits goes out in one piece.
async fn put_all(writer: &mut LinkWriter, first: Tell, telling: &mut mpsc::Receiver<Tell>) -> std::io::Result<()> {
    writer.put(&first.bytes()).await?;
    while let Ok(tell) = telling.try_recv() {
        writer.put(&tell.bytes()).await?;
    }
    writer.flush().await
}

async fn status(writer: &mut LinkWriter, watch: &dyn CoreWatch) -> std::io::Result<()> {
    let status: CoreStatus = watch.status().unwrap_or_default();
    writer.put(&Tell::Status(status).bytes()).await?;
    writer.flush().await
}

/// Events from a command on, read on a thread that may block.
async fn follow(from: Seq, mut reader: LinkReader, mut writer: LinkWriter, served: &Served) {
    let (blocks, mut receiver) = mpsc::channel::<Tell>(2);
    let source = Arc::clone(&served.source);
    let reading = tokio::task::spawn_blocking(move || {
        if let Err(error) = read_record(&*source, from, &blocks) {
            let _ = blocks.blocking_send(Tell::Trouble(error.to_string()));
        }
    });
    let mut ticks = tokio::time::interval(STATUS_EVERY);
    loop {
        let written = tokio::select! {
            tell = receiver.recv() => match tell {
                Some(tell) => put_all(&mut writer, tell, &mut receiver).await,
                None => break,
            },
            _ = ticks.tick() => status(&mut writer, &*served.watch).await,
            // The other side says nothing more; whatever comes, or the end, ends the link.
            _ = reader.next() => break,
        };
        if written.is_err() {
            break;
        }
    }
    drop(receiver);
    // The reader ends when its receiver is gone.
    let _ = reading.await;
}

fn read_record(source: &dyn EventSource, from: Seq, blocks: &mpsc::Sender<Tell>) -> Result<(), heng_ports::FeedError> {
    let mut feed = source.open(from)?;
    while !blocks.is_closed() {
        match feed.next_block()? {
            None => std::thread::sleep(IDLE),
            // A closed channel ends the loop.
            Some(block) => drop(blocks.blocking_send(Tell::Block(block))),
        }
    }
    Ok(())
}
