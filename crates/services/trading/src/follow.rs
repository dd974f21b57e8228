//! Reading the record ahead of the view, in a thread of its own, because files block.

use std::sync::Arc;
use std::time::Duration;

use heng_model::Seq;
use tokio::sync::mpsc;

use crate::status::ViewStatus;
use heng_ports::{EventBlock, EventSource, FeedError};

/// Pieces of the record that wait for the view at most; a slow view makes the reader wait, and nobody else.
const AHEAD_MAX: usize = 4;
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
    while !blocks.is_closed() {
        match feed.next_block()? {
            None => std::thread::sleep(IDLE),
            Some(block) => {
                *next = block.through.0 + 1;
                // A closed channel ends the loop.
                let _ = blocks.blocking_send(block);
            }
        }
    }
    Ok(())
}
