//! What disturbs orders: heavy reads, and sign-ins with passwords that must be hashed.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use heng_runtime::LatencyHistogram;
use tokio::sync::Notify;
use tokio::task::LocalSet;

use super::http::{Client, request};
use super::pacer::{Schedule, Ticker};
use super::spec::{QueryLoad, QueryOutcome, count_reason, millis};

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Query,
    SignIn,
}

/// Requests of one kind, and what became of them.
struct Lane {
    kind: Kind,
    requests: Vec<Vec<u8>>,
    queue: VecDeque<Instant>,
    asked: usize,
    served: u64,
    refused: u64,
    bytes: u64,
    latencies: LatencyHistogram,
    outcome: QueryOutcome,
}

impl Lane {
    fn new(kind: Kind, requests: Vec<Vec<u8>>) -> Self {
        let (latencies, outcome) = (LatencyHistogram::default(), QueryOutcome::default());
        Self { kind, requests, queue: VecDeque::new(), asked: 0, served: 0, refused: 0, bytes: 0, latencies, outcome }
    }

    fn next(&mut self) -> Option<(Instant, Vec<u8>)> {
        let due = self.queue.pop_front()?;
        self.asked += 1;
        Some((due, self.requests[self.asked % self.requests.len()].clone()))
    }

    fn answered(&mut self, due: Instant, answer: io::Result<(u16, &[u8])>) {
        let name = if self.kind == Kind::Query { "query" } else { "sign-in" };
        match answer {
            Ok((status, body)) => {
                count_reason(&mut self.outcome.statuses, &format!("{name} {status}"));
                if (200..300).contains(&status) {
                    self.served += 1;
                    self.bytes += body.len() as u64;
                    self.latencies.record(due.elapsed().as_nanos() as u64);
                } else {
                    self.refused += 1;
                }
            }
            Err(error) => count_reason(&mut self.outcome.statuses, &format!("{name}: {error}")),
        }
    }
}

type Shared = Rc<RefCell<Lane>>;

async fn carry(address: SocketAddr, lane: Shared, wake: Rc<Notify>) {
    let mut client = Client::new(address);
    loop {
        let next = lane.borrow_mut().next();
        let Some((due, bytes)) = next else {
            wake.notified().await;
            continue;
        };
        let answer = client.exchange(&bytes).await;
        lane.borrow_mut().answered(due, answer);
    }
}

async fn pace(load: &QueryLoad, lanes: &[(Shared, Rc<Notify>, f64)]) -> io::Result<f64> {
    let (ticker, began) = (Ticker::new()?, Instant::now());
    let length = Duration::from_secs_f64(load.seconds);
    let mut schedules: Vec<Schedule> = lanes
        .iter()
        .map(|(lane, _, rate)| {
            let rate = if lane.borrow().requests.is_empty() { 0.0 } else { *rate };
            Schedule::new(began, rate, length)
        })
        .collect();
    while began.elapsed() < length {
        ticker.tick().await;
        let now = Instant::now();
        for (schedule, (lane, wake, _)) in schedules.iter_mut().zip(lanes) {
            while let Some(due) = schedule.take(now) {
                lane.borrow_mut().queue.push_back(due);
                wake.notify_one();
            }
        }
    }
    Ok(began.elapsed().as_secs_f64())
}

/// Offers both kinds by the clock. What has no answer when the time is over was not served.
///
/// # Errors
/// If the system gives no thread.
pub(crate) async fn run(load: QueryLoad) -> io::Result<QueryOutcome> {
    let queries = load.targets.iter().map(|target| request("GET", target, &load.token, None)).collect();
    let sign_ins = load.sign_ins.iter().map(|body| request("POST", "/v1/sign-in", "", Some(body))).collect();
    let lane = |kind, requests| Rc::new(RefCell::new(Lane::new(kind, requests)));
    let lanes = [
        (lane(Kind::Query, queries), Rc::new(Notify::new()), load.queries_per_s),
        (lane(Kind::SignIn, sign_ins), Rc::new(Notify::new()), load.sign_ins_per_s),
    ];
    let local = LocalSet::new();
    for (lane, wake, _) in &lanes {
        for _ in 0..load.connections {
            local.spawn_local(carry(load.address, Rc::clone(lane), Rc::clone(wake)));
        }
    }
    let seconds = local.run_until(pace(&load, &lanes)).await?;
    let [(queries, ..), (sign_ins, ..)] = &lanes;
    Ok(told(&mut queries.borrow_mut(), &mut sign_ins.borrow_mut(), seconds))
}

fn told(queries: &mut Lane, sign_ins: &mut Lane, seconds: f64) -> QueryOutcome {
    let (query_p50_ms, query_p99_ms, _) = millis(&queries.latencies);
    let mut statuses = std::mem::take(&mut queries.outcome.statuses);
    statuses.append(&mut sign_ins.outcome.statuses);
    QueryOutcome {
        queries_served_per_s: queries.served as f64 / seconds,
        query_p50_ms,
        query_p99_ms,
        query_bytes: queries.bytes as f64 / queries.served.max(1) as f64,
        sign_ins_served_per_s: sign_ins.served as f64 / seconds,
        sign_ins_refused_per_s: sign_ins.refused as f64 / seconds,
        sign_in_p99_ms: millis(&sign_ins.latencies).1,
        seconds,
        statuses,
    }
}
