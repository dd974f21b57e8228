//! Reading the record ahead of the view, in a thread of its own, because files block.

use std::sync::Arc;
use std::time::{Duration, Instant};

use heng_model::Seq;
use tokio::sync::mpsc;

use crate::status::ViewStatus;
use heng_ports::{EventBlock, EventSource, FeedError};

/// Pieces of the record that wait for the view at most; a slow view makes the reader wait, and nobody else. While one
/// waits, the reader joins what follows to the next: a piece of the record is as large as one group of the journal,
/// dozens of commands under load, and a transaction for each would cost more than its rows.
const AHEAD_MAX: usize = 1;
/// A piece that holds as many events is not joined to more.
const JOINED_EVENTS_MAX: usize = 8_000;
/// How soon a piece may follow another: orders that come one by one would otherwise be a transaction each, and each
/// transaction writes whole pages for its few rows and asks the device to sync, for which the journal waits.
const PACE: Duration = Duration::from_millis(20);
/// How long the reader waits for a place when the record has no more.
const BUSY: Duration = Duration::from_millis(1);
/// How often the record is asked for more when it had nothing.
const IDLE: Duration = Duration::from_millis(5);
/// How long a reader that failed waits until it opens the record again.
const AFTER_FAILURE: Duration = Duration::from_secs(1);
/// How often the head of the record is noted.
const WATCH: Duration = Duration::from_millis(100);

/// Notes the head of the record, so that the lag is known also when the view or its reader hangs.
pub(crate) async fn watch_head(source: Arc<dyn EventSource>, status: Arc<ViewStatus>) {
    let mut ticks = tokio::time::interval(WATCH);
    loop {
        ticks.tick().await;
        status.saw_head(source.head().0);
    }
}

/// Starts the reader; it ends when the receiver is dropped.
pub(crate) fn read_ahead(
    source: Arc<dyn EventSource>,
    first: u64,
    status: Arc<ViewStatus>,
) -> mpsc::Receiver<EventBlock> {
    let (blocks, receiver) = mpsc::channel(AHEAD_MAX);
    std::thread::Builder::new()
        .name("view-reader".into())
        .spawn(move || {
            let mut next = first;
            while !blocks.is_closed() {
                if let Err(error) = read(&*source, &mut next, &blocks, &status) {
                    status.feed_failed(&error);
                    std::thread::sleep(AFTER_FAILURE);
                }
            }
        })
        .expect("the system can start a thread");
    receiver
}

fn read(
    source: &dyn EventSource,
    next: &mut u64,
    blocks: &mpsc::Sender<EventBlock>,
    status: &ViewStatus,
) -> Result<(), FeedError> {
    let mut feed = source.open(Seq(*next))?;
    status.feed_works();
    let mut waiting: Option<EventBlock> = None;
    let mut sent = Instant::now();
    while !blocks.is_closed() {
        let found = feed.next_block()?;
        let idle = found.is_none();
        // A gap stays visible to the view: only what follows is joined.
        let gap = |before: &mut EventBlock| found.as_ref().is_some_and(|found| found.first.0 != before.through.0 + 1);
        if let Some(before) = waiting.take_if(gap) {
            *next = before.through.0 + 1;
            let _ = blocks.blocking_send(before);
        }
        waiting = joined(waiting, found);
        let Some(block) = waiting.take() else {
            std::thread::sleep(IDLE);
            continue;
        };
        let through = block.through.0;
        let full = events_in(&block) >= JOINED_EVENTS_MAX;
        let early = !full && sent.elapsed() < PACE;
        waiting = match if early { Some(block) } else { offer(blocks, block, full) } {
            Some(block) => Some(block),
            None => {
                sent = Instant::now();
                *next = through + 1;
                None
            }
        };
        if idle && waiting.is_some() {
            std::thread::sleep(BUSY);
        }
    }
    Ok(())
}

/// Hands the piece over; returns it if there is no place for it and it may still grow. A full one waits for its place.
fn offer(blocks: &mpsc::Sender<EventBlock>, block: EventBlock, full: bool) -> Option<EventBlock> {
    if full {
        // A closed channel ends the loop of the caller.
        let _ = blocks.blocking_send(block);
        return None;
    }
    match blocks.try_send(block) {
        Err(mpsc::error::TrySendError::Full(block)) => Some(block),
        Ok(()) | Err(mpsc::error::TrySendError::Closed(_)) => None,
    }
}

fn events_in(block: &EventBlock) -> usize {
    block.commands.iter().map(|command| command.events.len()).sum()
}

/// Two pieces that follow one another as one.
pub(crate) fn joined(first: Option<EventBlock>, second: Option<EventBlock>) -> Option<EventBlock> {
    match (first, second) {
        (Some(mut first), Some(second)) => {
            first.commands.extend(second.commands);
            first.through = second.through;
            Some(first)
        }
        (first, second) => first.or(second),
    }
}
