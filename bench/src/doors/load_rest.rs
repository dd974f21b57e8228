//! Orders through the HTTP door. One thread; a connection carries one request at a time, and whoever finds none free
//! waits, which counts.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io;
use std::rc::Rc;
use std::time::{Duration, Instant};

use serde_json::Value;
use tokio::sync::Notify;
use tokio::task::LocalSet;

use super::desk::{Desk, LOT, Next, Place};
use super::http::{Client, request};
use super::pacer::{Schedule, Ticker};
use super::spec::{Offer, OrderLoad, OrderOutcome};
use super::tally::Tally;

/// How long answers are waited for at the end.
const DRAIN_MAX: Duration = Duration::from_secs(10);
/// Most requests that wait for a connection.
const QUEUE_MAX: usize = 1 << 20;

struct Job {
    due: Instant,
    what: Next,
}

struct Shared {
    desk: Desk,
    tally: Tally,
    queue: VecDeque<Job>,
    /// Orders without an answer.
    waiting: u64,
    closed: bool,
    /// In a closed loop, when it ends.
    until: Option<Instant>,
}

impl Shared {
    /// An order that is due, behind the cancels that it brings.
    fn offer(&mut self, due: Instant) -> usize {
        for jobs in 1.. {
            let what = self.desk.next();
            let last = matches!(what, Next::Place(_));
            self.queue.push_back(Job { due, what });
            if last {
                self.tally.offered(due);
                self.waiting += 1;
                return jobs;
            }
        }
        unreachable!("an order comes behind at most one cancel")
    }

    fn next_job(&mut self) -> Option<Job> {
        if self.queue.is_empty() && !self.closed {
            let now = Instant::now();
            match self.until {
                Some(until) if now < until => {
                    self.offer(now);
                }
                Some(_) => self.closed = true,
                None => {}
            }
        }
        self.queue.pop_front()
    }

    fn bytes(&self, what: &Next) -> Vec<u8> {
        match what {
            Next::Place(place) => {
                let (client, listed) = (&self.desk.clients[place.client], &self.desk.instruments[place.instrument]);
                let body = format!(
                    r#"{{"account":"{}","client_order_id":"{}","symbol":"{}","side":"buy","type":"limit","price":"{}","quantity":"{LOT}"}}"#,
                    client.account,
                    self.desk.name(place.number),
                    listed.symbol,
                    listed.limit_down,
                );
                request("POST", "/v1/orders", &client.token, Some(&body))
            }
            Next::Cancel(resting) => {
                let client = &self.desk.clients[resting.client];
                let body = format!(r#"{{"account":"{}"}}"#, client.account);
                request("POST", &format!("/v1/orders/{}/cancel", resting.name), &client.token, Some(&body))
            }
        }
    }

    fn placed(&mut self, place: Place, due: Instant, answer: io::Result<(u16, &[u8])>) {
        self.waiting -= 1;
        let now = Instant::now();
        match answer {
            Ok((201, body)) => match order_id(body) {
                Some(id) => {
                    self.tally.accepted(due, now);
                    self.desk.rests(place, id);
                }
                None => self.tally.failed(due, "201 without an order id"),
            },
            other => {
                self.desk.released(place.client, place.instrument);
                self.tally.failed(due, &reason(other));
            }
        }
    }
}

/// The order number in the answer to an order.
fn order_id(body: &[u8]) -> Option<String> {
    let told: Value = serde_json::from_slice(body).ok()?;
    Some(told.get("order_id")?.as_str()?.to_owned())
}

/// What an answer that is no success says.
pub(crate) fn reason(answer: io::Result<(u16, &[u8])>) -> String {
    match answer {
        Ok((status, body)) => {
            let told: Value = serde_json::from_slice(body).unwrap_or(Value::Null);
            let name = told["code_name"].as_str().or(told["title"].as_str()).unwrap_or("");
            format!("{status} {name}")
        }
        Err(error) => error.to_string(),
    }
}

async fn carry(address: std::net::SocketAddr, shared: Rc<RefCell<Shared>>, wake: Rc<Notify>) {
    let mut client = Client::new(address);
    loop {
        let job = shared.borrow_mut().next_job();
        let Some(Job { due, what }) = job else {
            if shared.borrow().closed {
                return;
            }
            wake.notified().await;
            continue;
        };
        let bytes = shared.borrow().bytes(&what);
        let answer = client.exchange(&bytes).await;
        let mut shared = shared.borrow_mut();
        match what {
            Next::Place(place) => shared.placed(place, due, answer),
            Next::Cancel(resting) => {
                let well = matches!(answer, Ok((200..=299, _)));
                let told = if well { String::new() } else { reason(answer) };
                shared.tally.cancelled(well, &told);
                shared.desk.released(resting.client, resting.instrument);
            }
        }
    }
}

async fn pace(load: &OrderLoad, rate: f64, shared: &RefCell<Shared>, wake: &Notify, began: Instant) -> io::Result<()> {
    let ticker = Ticker::new()?;
    let mut schedule = Schedule::new(began, rate, Duration::from_secs_f64(load.warm_s + load.seconds));
    while !schedule.ended() {
        ticker.tick().await;
        let now = Instant::now();
        let mut shared = shared.borrow_mut();
        while let Some(due) = schedule.take(now) {
            if shared.queue.len() >= QUEUE_MAX {
                shared.tally.trouble("the generator's own queue is full");
                continue;
            }
            (0..shared.offer(due)).for_each(|_| wake.notify_one());
        }
    }
    Ok(())
}

/// Opens every connection before the clock runs.
async fn reach(load: &OrderLoad) -> io::Result<()> {
    Client::new(load.address).connect().await
}

/// Offers the load and waits for the answers.
///
/// # Errors
/// If the door cannot be reached or the system gives no thread.
pub(crate) async fn run(load: OrderLoad) -> io::Result<OrderOutcome> {
    reach(&load).await?;
    let began = Instant::now() + Duration::from_millis(20);
    let desk = Desk::new(&load.prefix, load.clients.clone(), load.instruments.clone(), load.seed);
    let length = Duration::from_secs_f64(load.warm_s + load.seconds);
    let (connections, until) = match load.how {
        Offer::PerSecond(_) => (load.connections, None),
        Offer::InFlight(count) => (count, Some(began + length)),
    };
    let tally = Tally::new(&load, began);
    let shared = Shared { desk, tally, queue: VecDeque::new(), waiting: 0, closed: false, until };
    let (shared, wake) = (Rc::new(RefCell::new(shared)), Rc::new(Notify::new()));
    let local = LocalSet::new();
    for _ in 0..connections {
        local.spawn_local(carry(load.address, Rc::clone(&shared), Rc::clone(&wake)));
    }
    local
        .run_until(async {
            if let Offer::PerSecond(rate) = load.how {
                pace(&load, rate, &shared, &wake, began).await?;
            } else {
                tokio::time::sleep(length).await;
            }
            let drained = Instant::now() + DRAIN_MAX;
            while shared.borrow().waiting > 0 && Instant::now() < drained {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            Ok::<(), io::Error>(())
        })
        .await?;
    drop(local);
    let shared = Rc::try_unwrap(shared).map_err(|_| io::Error::other("a connection outlived its set"))?.into_inner();
    Ok(shared.tally.finish(shared.waiting))
}
