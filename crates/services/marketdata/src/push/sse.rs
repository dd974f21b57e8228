//! The same push as server-sent events: the symbols stand in the query, `id` is the sequence, `event` the type.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;

use axum::response::sse::Event;
use futures_util::Stream;
use heng_transport::Standing;
use tokio::sync::watch;

use super::CONFLATED_MAX;
use super::control::Granted;
use super::piece::Piece;
use super::publisher::Tape;
use super::subscription::{Entry, Look, Subscription};
use crate::places::Place;
use crate::push::{Entitlement, Format};

struct Events {
    tape: watch::Receiver<Arc<Tape>>,
    subscription: Subscription,
    waiting: VecDeque<Event>,
    place: Place,
    standing: Standing,
    conflated: u32,
    ended: bool,
}

/// The events of `entries`, from snapshots on. A client that comes back with `last-event-id` begins with snapshots too:
/// they hold everything that it missed.
pub(crate) fn stream_events(
    mut tape: watch::Receiver<Arc<Tape>>,
    level: Entitlement,
    entries: &[Entry],
    (place, standing): (Place, Standing),
) -> impl Stream<Item = Result<Event, Infallible>> + Send + 'static {
    let mut subscription = Subscription::new(Format::Json, level, &tape.borrow_and_update());
    entries.iter().for_each(|entry| subscription.follow(*entry));
    let waiting = VecDeque::new();
    let mut events = Events { tape, subscription, waiting, place, standing, conflated: 0, ended: false };
    events.look();
    futures_util::stream::unfold(events, |mut events| async move {
        loop {
            if let Some(event) = events.waiting.pop_front() {
                return Some((Ok(event), events));
            }
            if events.ended || events.tape.changed().await.is_err() {
                return None;
            }
            match events.standing.lost().await {
                Some(lost) => events.drop_it(lost.reason, lost.detail),
                None => events.look(),
            }
        }
    })
}

impl Events {
    /// The next event is the last one, and tells why.
    fn drop_it(&mut self, reason: &'static str, detail: &str) {
        self.place.dropped(reason);
        self.ended = true;
        let told = Granted::Dropped { reason, detail: detail.to_owned() }.text();
        self.waiting.push_back(Event::default().event("dropped").data(told));
    }

    fn look(&mut self) {
        let tape = Arc::clone(&self.tape.borrow_and_update());
        let mut pieces = Vec::new();
        match self.subscription.look(&tape, &mut pieces) {
            Look::Whole => self.conflated = 0,
            Look::Conflated => {
                self.conflated += 1;
                self.place.conflated();
            }
        }
        let sequence = tape.newest().as_of;
        if self.conflated >= CONFLATED_MAX {
            self.drop_it("slow", "updates were replaced by snapshots too many times in a row");
            return;
        }
        for piece in &pieces {
            if let Piece::Text(text) = piece {
                let event = Event::default().id(sequence.to_string()).event(kind_of(text));
                self.waiting.push_back(event.data(text.as_str()));
            }
        }
    }
}

/// The type of a message of ours: all begin with it.
fn kind_of(text: &str) -> &str {
    text.strip_prefix(r#"{"type":""#).and_then(|rest| rest.split('"').next()).unwrap_or("message")
}
