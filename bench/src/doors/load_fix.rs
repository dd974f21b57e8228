//! Orders through the FIX door: several sessions on one thread, each an initiator of FIX 4.4.

use std::cell::RefCell;
use std::collections::HashMap;
use std::io;
use std::rc::Rc;
use std::time::{Duration, Instant, SystemTime};

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::task::LocalSet;

use super::desk::{Desk, LOT, Next, Place, Resting};
use super::fix::{Writer, field, message_len, utc};
use super::pacer::{Schedule, Ticker};
use super::spec::{Offer, OrderLoad, OrderOutcome};
use super::tally::Tally;

/// How long answers are waited for at the end.
const DRAIN_MAX: Duration = Duration::from_secs(10);
/// How long a logon may take.
const LOGON_MAX: Duration = Duration::from_secs(10);
/// Bytes that may wait for a session that does not take them.
const UNSENT_MAX: usize = 64 << 20;

enum Pending {
    Order(Place, Instant),
    Cancel(Resting),
}

/// One session's way out.
struct Line {
    writer: Writer,
    unsent: Vec<u8>,
    wake: Rc<Notify>,
    /// Logged on, and nobody ended it.
    live: bool,
}

struct Shared {
    desk: Desk,
    tally: Tally,
    lines: Vec<Line>,
    /// Client order ids without an answer.
    pending: HashMap<String, Pending>,
    orders_waiting: u64,
    cancels: u64,
    turn: usize,
    now: String,
    /// In a closed loop, when it ends.
    until: Option<Instant>,
}

impl Shared {
    /// An order that is due, behind the cancels that it brings.
    fn offer(&mut self, due: Instant) {
        loop {
            match self.desk.next() {
                Next::Cancel(resting) => self.cancel(resting),
                Next::Place(place) => return self.place(place, due),
            }
        }
    }

    fn place(&mut self, place: Place, due: Instant) {
        self.turn = (self.turn + 1) % self.lines.len();
        self.tally.offered(due);
        let name = self.desk.name(place.number);
        let (client, listed) = (&self.desk.clients[place.client], &self.desk.instruments[place.instrument]);
        let fields = [
            (11, name.as_str()),
            (1, client.account.as_str()),
            (21, "1"),
            (55, listed.symbol.as_str()),
            (54, "1"),
            (60, self.now.as_str()),
            (38, LOT),
            (40, "2"),
            (44, listed.limit_down.as_str()),
            (59, "0"),
        ];
        let line = &mut self.lines[self.turn];
        if !line.live || line.unsent.len() > UNSENT_MAX {
            self.desk.released(place.client, place.instrument);
            return self.tally.failed(due, "the session is down or takes nothing");
        }
        line.writer.write(&mut line.unsent, "D", &self.now, &fields);
        line.wake.notify_one();
        self.orders_waiting += 1;
        self.pending.insert(name, Pending::Order(place, due));
    }

    /// By the session that placed the order: its name tells which.
    fn cancel(&mut self, resting: Resting) {
        self.cancels += 1;
        let name = format!("{}-c{}", self.desk.name(0), self.cancels);
        let (line, original) = resting.name.split_once(':').unwrap_or(("0", &resting.name));
        let (client, listed) = (&self.desk.clients[resting.client], &self.desk.instruments[resting.instrument]);
        let fields = [
            (41, original),
            (11, name.as_str()),
            (1, client.account.as_str()),
            (55, listed.symbol.as_str()),
            (54, "1"),
            (60, self.now.as_str()),
            (38, LOT),
        ];
        let line = line.parse::<usize>().unwrap_or(0);
        let line = &mut self.lines[line];
        line.writer.write(&mut line.unsent, "F", &self.now, &fields);
        line.wake.notify_one();
        self.pending.insert(name, Pending::Cancel(resting));
    }

    /// Takes a message of session `line`. An error ends the session.
    fn take(&mut self, line: usize, message: &[u8]) -> Result<(), String> {
        let text = |tag| String::from_utf8_lossy(field(message, tag)).into_owned();
        match field(message, 35) {
            b"A" => self.lines[line].live = true,
            b"8" => match field(message, 150) {
                b"0" => self.answered(line, &text(11), Ok(())),
                b"8" => self.answered(line, &text(11), Err(format!("rejected {} {}", text(103), text(58)))),
                b"4" => self.answered(line, &text(11), Ok(())),
                // Fills and orders that expire are nobody's answer.
                _ => {}
            },
            b"9" => self.answered(line, &text(11), Err(format!("cancel reject {} {}", text(102), text(58)))),
            b"j" => self.answered(line, &text(379), Err(format!("business reject {} {}", text(380), text(58)))),
            b"3" => return Err(format!("reject of a message: tag {} {}", text(371), text(58))),
            b"5" => return Err(format!("logout: {}", text(58))),
            b"1" => {
                let id = text(112);
                let line = &mut self.lines[line];
                line.writer.write(&mut line.unsent, "0", &self.now, &[(112, &id)]);
                line.wake.notify_one();
            }
            b"2" => return Err("a resend request: the other side missed a message".into()),
            _ => {}
        }
        Ok(())
    }

    fn answered(&mut self, line: usize, name: &str, result: Result<(), String>) {
        let now = Instant::now();
        match (self.pending.remove(name), result) {
            (Some(Pending::Order(place, due)), result) => {
                self.orders_waiting -= 1;
                match result {
                    Ok(()) => {
                        self.tally.accepted(due, now);
                        self.desk.rests(place, format!("{line}:{name}"));
                    }
                    Err(reason) => {
                        self.desk.released(place.client, place.instrument);
                        self.tally.failed(due, &reason);
                    }
                }
                if self.until.is_some_and(|until| now < until) {
                    self.offer(now);
                }
            }
            (Some(Pending::Cancel(resting)), result) => {
                self.tally.cancelled(result.is_ok(), &result.err().unwrap_or_default());
                self.desk.released(resting.client, resting.instrument);
            }
            (None, Ok(())) => {}
            (None, Err(reason)) => self.tally.trouble(&reason),
        }
    }
}

async fn send(mut out: impl AsyncWrite + Unpin, line: usize, shared: Rc<RefCell<Shared>>, wake: Rc<Notify>) {
    let mut bytes = Vec::new();
    loop {
        std::mem::swap(&mut bytes, &mut shared.borrow_mut().lines[line].unsent);
        if bytes.is_empty() {
            wake.notified().await;
            continue;
        }
        let written = match out.write_all(&bytes).await {
            // What TLS has sealed waits until it is flushed.
            Ok(()) => out.flush().await,
            failed => failed,
        };
        if let Err(error) = written {
            return end(line, &shared, &error.to_string());
        }
        bytes.clear();
    }
}

fn end(line: usize, shared: &RefCell<Shared>, reason: &str) {
    let mut shared = shared.borrow_mut();
    if std::mem::take(&mut shared.lines[line].live) {
        shared.tally.trouble(reason);
    }
}

async fn receive(mut from: impl AsyncRead + Unpin, line: usize, shared: Rc<RefCell<Shared>>) {
    let mut bytes = Vec::with_capacity(64 * 1_024);
    loop {
        match from.read_buf(&mut bytes).await {
            Ok(0) => return end(line, &shared, "the session was closed"),
            Err(error) => return end(line, &shared, &error.to_string()),
            Ok(_) => {}
        }
        let mut taken = 0;
        loop {
            match message_len(&bytes[taken..]) {
                Ok(None) => break,
                Err(error) => return end(line, &shared, &error.to_string()),
                Ok(Some(length)) => {
                    let told = shared.borrow_mut().take(line, &bytes[taken..taken + length]);
                    if let Err(reason) = told {
                        return end(line, &shared, &reason);
                    }
                    taken += length;
                }
            }
        }
        bytes.drain(..taken);
    }
}

/// Connects and asks for a logon on each session.
async fn log_on(load: &OrderLoad, shared: &Rc<RefCell<Shared>>, local: &LocalSet) -> io::Result<()> {
    for (number, sender) in load.senders.iter().enumerate() {
        let stream = TcpStream::connect(load.address).await?;
        stream.set_nodelay(true)?;
        let wake = Rc::new(Notify::new());
        let mut line =
            Line { writer: Writer::new(sender, &load.target), unsent: Vec::new(), wake: Rc::clone(&wake), live: false };
        let now = utc(SystemTime::now());
        line.writer.write(&mut line.unsent, "A", &now, &[(98, "0"), (108, "30"), (141, "Y")]);
        shared.borrow_mut().lines.push(line);
        if let Some(tls) = &load.tls {
            let (from, out) = tokio::io::split(tls.connect(stream).await?);
            local.spawn_local(send(out, number, Rc::clone(shared), wake));
            local.spawn_local(receive(from, number, Rc::clone(shared)));
        } else {
            let (from, out) = stream.into_split();
            local.spawn_local(send(out, number, Rc::clone(shared), wake));
            local.spawn_local(receive(from, number, Rc::clone(shared)));
        }
    }
    let until = Instant::now() + LOGON_MAX;
    while !shared.borrow().lines.iter().all(|line| line.live) {
        if Instant::now() > until {
            let reasons = format!("{:?}", shared.borrow().tally);
            return Err(io::Error::other(format!("not every FIX session was logged on: {reasons}")));
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    Ok(())
}

/// Offers orders by the clock, or as many as may wait.
async fn offer(load: &OrderLoad, shared: &Rc<RefCell<Shared>>) -> io::Result<()> {
    let began = Instant::now() + Duration::from_millis(20);
    let length = Duration::from_secs_f64(load.warm_s + load.seconds);
    shared.borrow_mut().tally = Tally::new(load, began);
    let ticker = Ticker::new()?;
    let mut schedule = match load.how {
        Offer::PerSecond(rate) => Schedule::new(began, rate, length),
        Offer::InFlight(count) => {
            let mut shared = shared.borrow_mut();
            shared.until = Some(began + length);
            shared.now = utc(SystemTime::now());
            (0..count).for_each(|_| shared.offer(began));
            Schedule::new(began, 0.0, length)
        }
    };
    while !schedule.ended() || Instant::now() < began + length {
        ticker.tick().await;
        let mut shared = shared.borrow_mut();
        shared.now = utc(SystemTime::now());
        let now = Instant::now();
        while let Some(due) = schedule.take(now) {
            shared.offer(due);
        }
    }
    Ok(())
}

/// Offers the load and waits for the answers.
///
/// # Errors
/// If the door cannot be reached, a session is not logged on, or the system gives no thread.
pub(crate) async fn run(load: OrderLoad) -> io::Result<OrderOutcome> {
    let desk = Desk::new(&load.prefix, load.clients.clone(), load.instruments.clone(), load.seed);
    let shared = Rc::new(RefCell::new(Shared {
        desk,
        tally: Tally::new(&load, Instant::now()),
        lines: Vec::new(),
        pending: HashMap::new(),
        orders_waiting: 0,
        cancels: 0,
        turn: 0,
        now: utc(SystemTime::now()),
        until: None,
    }));
    let local = LocalSet::new();
    local
        .run_until(async {
            log_on(&load, &shared, &local).await?;
            offer(&load, &shared).await?;
            let drained = Instant::now() + DRAIN_MAX;
            while shared.borrow().orders_waiting > 0 && Instant::now() < drained {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            log_out(&shared).await;
            Ok::<(), io::Error>(())
        })
        .await?;
    drop(local);
    let shared = Rc::try_unwrap(shared).map_err(|_| io::Error::other("a session outlived its set"))?.into_inner();
    Ok(shared.tally.finish(shared.orders_waiting))
}

/// Says good-bye, so that the sessions can be used again.
async fn log_out(shared: &RefCell<Shared>) {
    {
        let mut shared = shared.borrow_mut();
        let now = utc(SystemTime::now());
        for line in &mut shared.lines {
            line.live = false;
            line.writer.write(&mut line.unsent, "5", &now, &[]);
            line.wake.notify_one();
        }
    }
    tokio::time::sleep(Duration::from_millis(100)).await;
}
