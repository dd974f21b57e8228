//! One WebSocket: the client's messages in, the tape's pieces out. It waits for nobody but itself.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::extract::ws::{CloseFrame, Message, WebSocket, close_code};
use bytes::Bytes;
use heng_transport::Standing;
use tokio::sync::watch;

use super::control::{Control, Granted, What};
use super::piece::{Entitlement, Format, frame};
use super::publisher::Tape;
use super::subscription::{Entry, Look, Subscription};
use super::{CONFLATED_MAX, DEPTH, PushLimits, SNAPSHOT};
use crate::places::Place;

/// How long a dropped subscriber has to take the reason.
const FAREWELL: Duration = Duration::from_secs(1);

/// Why a stream ends.
enum End {
    /// The client went, or the socket failed.
    Gone,
    /// We drop it, by name.
    Dropped(&'static str, &'static str),
}

/// What a stream is opened with.
pub(crate) struct Opening {
    pub(crate) tape: watch::Receiver<Arc<Tape>>,
    pub(crate) limits: PushLimits,
    pub(crate) format: Format,
    pub(crate) level: Entitlement,
    pub(crate) place: Place,
    pub(crate) standing: Standing,
}

struct Stream {
    socket: WebSocket,
    tape: watch::Receiver<Arc<Tape>>,
    limits: PushLimits,
    subscription: Subscription,
    place: Place,
    standing: Standing,
    conflated: u32,
    heard: Instant,
    pinged: bool,
    /// Messages that the client may still send, and when that was last reckoned.
    allowance: (f64, Instant),
}

/// Serves a socket until it ends.
pub(crate) async fn serve_socket(socket: WebSocket, opening: Opening) {
    let Opening { mut tape, limits, format, level, place, standing } = opening;
    let subscription = Subscription::new(format, level, &tape.borrow_and_update());
    let now = Instant::now();
    let allowance = (2.0 * f64::from(limits.messages_per_s.get()), now);
    let (conflated, heard, pinged) = (0, now, false);
    let mut stream =
        Stream { socket, tape, limits, subscription, place, standing, conflated, heard, pinged, allowance };
    let Err(end) = stream.run().await else { return };
    if let End::Dropped(reason, detail) = end {
        stream.place.dropped(reason);
        stream.farewell(reason, detail).await;
    }
}

impl Stream {
    async fn run(&mut self) -> Result<(), End> {
        loop {
            tokio::select! {
                biased;
                changed = self.tape.changed() => {
                    // The tape moves every two seconds at least.
                    if let Some(lost) = self.standing.lost().await {
                        return Err(End::Dropped(lost.reason, lost.detail));
                    }
                    if changed.is_err() {
                        return Err(End::Dropped("stopping", "the server stops; connect again"));
                    }
                    self.look().await?;
                }
                message = self.socket.recv() => match message {
                    Some(Ok(message)) => self.take(message).await?,
                    Some(Err(_)) | None => return Err(End::Gone),
                },
            }
            self.check_silence().await?;
        }
    }

    /// Sends what is new on the tape.
    async fn look(&mut self) -> Result<(), End> {
        let tape = Arc::clone(&self.tape.borrow_and_update());
        let mut pieces = Vec::with_capacity(self.subscription.len());
        match self.subscription.look(&tape, &mut pieces) {
            Look::Whole => self.conflated = 0,
            Look::Conflated => {
                self.conflated += 1;
                self.place.conflated();
            }
        }
        if self.conflated >= CONFLATED_MAX {
            return Err(End::Dropped("slow", "updates were replaced by snapshots too many times in a row"));
        }
        drop(tape);
        match frame(&pieces) {
            Some(message) => self.send(message).await,
            None => Ok(()),
        }
    }

    async fn send(&mut self, message: Message) -> Result<(), End> {
        match tokio::time::timeout(self.limits.send_max, self.socket.send(message)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(End::Gone),
            Err(_) => Err(End::Dropped("slow", "a frame could not leave in time")),
        }
    }

    async fn answer(&mut self, answer: &Granted) -> Result<(), End> {
        self.send(Message::Text(answer.text().into())).await
    }

    async fn check_silence(&mut self) -> Result<(), End> {
        let silent = self.heard.elapsed();
        if silent > self.limits.silence_max {
            return Err(End::Dropped("silent", "nothing was heard from the client, pings included"));
        }
        if silent > self.limits.ping_after && !self.pinged {
            self.pinged = true;
            return self.send(Message::Ping(Bytes::new())).await;
        }
        Ok(())
    }

    /// Whether the client may send one more message now.
    fn allowed(&mut self) -> bool {
        let rate = f64::from(self.limits.messages_per_s.get());
        let (left, since) = self.allowance;
        let now = Instant::now();
        let left = (left + (now - since).as_secs_f64() * rate).min(2.0 * rate) - 1.0;
        self.allowance = (left, now);
        left >= 0.0
    }

    async fn take(&mut self, message: Message) -> Result<(), End> {
        (self.heard, self.pinged) = (Instant::now(), false);
        if !self.allowed() {
            return Err(End::Dropped("flood", "the client sends more messages than this stream takes"));
        }
        match message {
            Message::Text(text) => match serde_json::from_str::<Control>(&text) {
                Ok(control) => self.obey(control).await,
                Err(error) => {
                    let detail = error.to_string().chars().take(200).collect();
                    self.answer(&Granted::Error { id: None, code_name: "BadRequest", detail }).await
                }
            },
            Message::Binary(_) => {
                let detail = "control messages are text".to_owned();
                self.answer(&Granted::Error { id: None, code_name: "BadRequest", detail }).await
            }
            Message::Close(_) => Err(End::Gone),
            Message::Ping(_) | Message::Pong(_) => Ok(()),
        }
    }

    async fn obey(&mut self, control: Control) -> Result<(), End> {
        let told = match control {
            Control::Ping { id } => return self.answer(&Granted::Pong { id }).await,
            Control::Subscribe { id, channel, symbols, what } => (id, self.subscribe(id, channel, symbols, &what)),
            Control::Unsubscribe { id, channel, symbols, what } => (id, self.unsubscribe(id, channel, symbols, &what)),
            Control::Resync { id, symbol } => (id, self.resync(&symbol)),
        };
        match told {
            (_, Ok(Some(answer))) => self.answer(&answer).await?,
            (_, Ok(None)) => {}
            (id, Err((code_name, detail))) => return self.answer(&Granted::Error { id, code_name, detail }).await,
        }
        self.look().await
    }

    fn indexes(&self, channel: Option<String>, symbols: &[String]) -> Result<Vec<u32>, Refusal> {
        if let Some(channel) = channel.filter(|channel| channel != "market") {
            return Err(("NotFound", format!("there is no channel {}", channel.chars().take(40).collect::<String>())));
        }
        if symbols.is_empty() || symbols.len() > self.limits.symbols_max {
            return Err(("BadRequest", format!("symbols: 1 to {} are taken", self.limits.symbols_max)));
        }
        let directory = Arc::clone(&self.tape.borrow().newest().directory);
        symbols
            .iter()
            .map(|symbol| {
                let unknown = || ("NotFound", format!("there is no instrument {}", clip(symbol)));
                directory.by_symbol.get(symbol).copied().ok_or_else(unknown)
            })
            .collect()
    }

    fn subscribe(&mut self, id: Option<u64>, channel: Option<String>, symbols: Vec<String>, what: &[String]) -> Told {
        let indexes = self.indexes(channel, &symbols)?;
        let usual = What { what: DEPTH | SNAPSHOT, candles: 0 };
        let asked = What::parse(what.iter().map(String::as_str), usual).map_err(|name| unknown_what(&name))?;
        let granted = asked.granted(self.subscription.level);
        if granted == What::default() {
            return Err(("Forbidden", "trade by trade needs the entitlement market.l2".to_owned()));
        }
        let new = indexes.iter().filter(|index| !self.subscription.follows(**index)).count();
        if self.subscription.len() + new > self.limits.symbols_max {
            return Err(("BadRequest", format!("one stream follows at most {} symbols", self.limits.symbols_max)));
        }
        for index in indexes {
            self.subscription.follow(Entry { index, what: granted.what, candles: granted.candles, fresh: true });
        }
        let refused = What { what: asked.what & !granted.what, candles: asked.candles & !granted.candles };
        let (what, refused) = (granted.names(), refused.names());
        let level = self.subscription.level.name();
        Ok(Some(Granted::Subscribed { id, channel: "market", symbols, what, refused, level }))
    }

    fn unsubscribe(&mut self, id: Option<u64>, channel: Option<String>, symbols: Vec<String>, what: &[String]) -> Told {
        let indexes = self.indexes(channel, &symbols)?;
        let left = What::parse(what.iter().map(String::as_str), What::ALL).map_err(|name| unknown_what(&name))?;
        indexes.into_iter().for_each(|index| self.subscription.leave(index, left.what, left.candles));
        Ok(Some(Granted::Unsubscribed { id, channel: "market", symbols }))
    }

    fn resync(&mut self, symbol: &str) -> Told {
        let index = self.tape.borrow().newest().directory.by_symbol.get(symbol).copied();
        match index.filter(|index| self.subscription.resync(*index)) {
            Some(_) => Ok(None),
            None => Err(("NotFound", format!("this stream does not follow {}", clip(symbol)))),
        }
    }

    /// Tells why the stream ends, if the client still takes anything.
    async fn farewell(&mut self, reason: &'static str, detail: &'static str) {
        let told = Granted::Dropped { reason, detail: detail.to_owned() }.text();
        let close = CloseFrame { code: close_code::POLICY, reason: reason.into() };
        let last = async {
            self.socket.send(Message::Text(told.into())).await?;
            self.socket.send(Message::Close(Some(close))).await
        };
        let _ = tokio::time::timeout(FAREWELL, last).await;
    }
}

type Refusal = (&'static str, String);
type Told = Result<Option<Granted>, Refusal>;

fn unknown_what(name: &str) -> Refusal {
    ("BadRequest", format!("what: {name} is none of depth, trades, snapshot, candle.1m/5m/15m/30m/60m/1d"))
}

fn clip(text: &str) -> String {
    text.chars().take(40).collect()
}
