//! The parts of a run, in order.

use std::error::Error;
use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use super::broker::{Broker, senders, target};
use super::child::{Load, run, start};
use super::disk::{JournalWatch, alone};
use super::http::Client as Http;
use super::plan::{
    FIX_IN_FLIGHT, FIX_PER_S, FIX_SESSIONS, FOLLOWS, PAIR_PER_S, PAIRS, Plan, QUERIES_PER_S, REST_CONNECTIONS,
    REST_IN_FLIGHT, REST_PER_S, SIGN_INS_PER_S,
};
use super::report::{DiskFigures, DoorFigures, PairFigures, Report, ViewFigures, VisibleFigures};
use super::spec::{Offer, OrderLoad, OrderOutcome, PushLoad, PushOutcome, QueryLoad, QueryOutcome, VisibleLoad};
use crate::clock::median;

type Outcome<T> = Result<T, Box<dyn Error>>;

/// Fills looked for in a second.
const VISIBLE_PER_S: f64 = 25.0;
/// Connections of heavy reads, and as many of sign-ins.
const QUERY_CONNECTIONS: usize = 32;
/// A view that is further behind than this takes events as fast as it can.
const BEHIND_S: f64 = 0.25;

/// A door, as a load generator sees it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Door {
    Rest,
    Fix,
}

impl Door {
    const fn load(self) -> Load {
        match self {
            Self::Rest => Load::Rest,
            Self::Fix => Load::Fix,
        }
    }

    const fn rate(self) -> f64 {
        match self {
            Self::Rest => REST_PER_S,
            Self::Fix => FIX_PER_S,
        }
    }

    const fn in_flight(self) -> usize {
        match self {
            Self::Rest => REST_IN_FLIGHT,
            Self::Fix => FIX_IN_FLIGHT,
        }
    }

    /// What the target adds to twice the device's time.
    const fn beside_ms(self) -> f64 {
        match self {
            Self::Rest => 4.0,
            Self::Fix => 2.0,
        }
    }
}

fn order_load(broker: &Broker, door: Door, how: Offer, (warm_s, seconds): (f64, f64)) -> io::Result<OrderLoad> {
    static NUMBER: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(1);
    let number = NUMBER.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    let address = match door {
        Door::Rest => broker.http,
        Door::Fix => broker.fix.ok_or_else(|| io::Error::other("the ready file names no FIX address"))?,
    };
    Ok(OrderLoad {
        address,
        prefix: format!("b{number}"),
        clients: broker.clients(),
        instruments: broker.listed.clone(),
        how,
        connections: REST_CONNECTIONS,
        senders: senders(FIX_SESSIONS),
        target: target(),
        tls: if door == Door::Fix { broker.tls.clone() } else { None },
        warm_s,
        seconds,
        seed: number,
    })
}

/// Orders through the FIX door.
pub(super) fn fix_load(broker: &Broker, how: Offer, times: (f64, f64)) -> io::Result<OrderLoad> {
    order_load(broker, Door::Fix, how, times)
}

/// What the order stages share.
struct Floor<'a> {
    plan: &'a Plan,
    broker: &'a Broker,
    folder: &'a Path,
    journal: JournalWatch,
}

impl Floor<'_> {
    async fn load(&self, door: Door, how: Offer, times: (f64, f64)) -> io::Result<OrderOutcome> {
        run(door.load(), &order_load(self.broker, door, how, times)?).await
    }

    /// The open loop at the door's rate, between two looks at the device with the groups that such a load makes.
    async fn latency(&mut self, door: Door) -> io::Result<DoorFigures> {
        let (plan, how) = (self.plan, Offer::PerSecond(door.rate()));
        let half = Duration::from_secs_f64(plan.disk_s / 2.0);
        self.journal.take()?;
        self.load(door, how, (0.0, plan.warm_s)).await?;
        let before = alone(self.folder, &self.journal.take()?, half)?;
        self.broker.cancel_all().await?;
        self.journal.take()?;
        let outcome = self.load(door, how, (plan.warm_s, plan.latency_s)).await?;
        let groups = self.journal.take()?;
        let after = alone(self.folder, &groups, half)?;
        self.broker.cancel_all().await?;
        Ok(DoorFigures::new(outcome, DiskFigures::of(before, after), door.beside_ms()))
    }

    /// The closed loop.
    async fn most(&self, door: Door) -> io::Result<OrderOutcome> {
        self.load(door, Offer::InFlight(door.in_flight()), (self.plan.warm_s, self.plan.most_s)).await
    }

    async fn visible(&self) -> io::Result<VisibleFigures> {
        let (plan, broker) = (self.plan, self.broker);
        let beside = order_load(broker, Door::Rest, Offer::PerSecond(PAIR_PER_S), (0.0, plan.visible_s + 0.5))?;
        let beside = start(Load::Rest, &beside).await?;
        let load = VisibleLoad {
            address: broker.http,
            prefix: "v".into(),
            clients: broker.clients(),
            instruments: broker.listed.clone(),
            per_s: VISIBLE_PER_S,
            seconds: plan.visible_s,
            seed: 5,
        };
        let outcome = run(Load::Visible, &load).await?;
        let beside = beside.outcome().await?;
        Ok(VisibleFigures { beside_orders_per_s: beside.achieved_per_s, outcome })
    }

    fn queries(&self, seconds: f64) -> QueryLoad {
        let broker = self.broker;
        let mut targets = Vec::new();
        for client in broker.clients().iter().take(16) {
            let account = &client.account;
            targets.push(format!("/v1/orders?account={account}&limit=1000"));
            targets.push(format!("/v1/fills?account={account}&limit=1000"));
            targets.push("/v1/trade-events?since=0&limit=1000".to_owned());
            let symbol = &broker.symbols[targets.len() % broker.symbols.len()];
            targets.push(format!("/v1/market/{symbol}/candles?period=1m&limit=1000"));
        }
        QueryLoad {
            address: broker.http,
            targets,
            token: broker.staff_token.clone(),
            queries_per_s: QUERIES_PER_S,
            sign_ins_per_s: SIGN_INS_PER_S,
            sign_ins: broker.sign_ins.clone(),
            connections: QUERY_CONNECTIONS,
            seconds,
        }
    }

    /// Order latency with heavy reads and sign-ins ÷ without, alternated.
    async fn pairs(&self) -> io::Result<PairFigures> {
        let (plan, how) = (self.plan, Offer::PerSecond(PAIR_PER_S));
        let times = (plan.warm_s.min(0.5), plan.pair_s);
        let mut figures = PairFigures { orders_per_s: PAIR_PER_S, ..PairFigures::default() };
        let mut served: Vec<QueryOutcome> = Vec::new();
        for _ in 0..PAIRS {
            let quiet = self.load(Door::Rest, how, times).await?;
            let queries = start(Load::Queries, &self.queries(times.0 + times.1)).await?;
            let busy = self.load(Door::Rest, how, times).await?;
            served.push(queries.outcome().await?);
            figures.quiet_p99_ms.push(quiet.p99_ms);
            figures.busy_p99_ms.push(busy.p99_ms);
            figures.errors += quiet.errors + busy.errors;
            for (reason, count) in quiet.reasons.into_iter().chain(busy.reasons) {
                *figures.reasons.entry(reason).or_default() += count;
            }
            figures.ratios.push(busy.p99_ms / quiet.p99_ms.max(1e-6));
            self.broker.wait_current().await?;
        }
        figures.ratio = median(figures.ratios.clone());
        figures.take_served(&served);
        Ok(figures)
    }

    /// How fast the views take events while the FIX door is driven as fast as it goes, and until they are current.
    async fn views(&self) -> io::Result<(OrderOutcome, Vec<ViewFigures>)> {
        let load = order_load(
            self.broker,
            Door::Fix,
            Offer::InFlight(Door::Fix.in_flight()),
            (self.plan.warm_s, self.plan.most_s),
        )?;
        let driven = start(Load::Fix, &load).await?;
        let mut driven = std::pin::pin!(driven.outcome());
        let (mut http, mut seen, mut outcome) = (Http::new(self.broker.http), Samples::default(), None);
        let began = Instant::now();
        loop {
            tokio::select! {
                ended = &mut driven, if outcome.is_none() => outcome = Some(ended?),
                () = tokio::time::sleep(Duration::from_millis(100)) => {
                    let current = seen.look(&self.broker.metrics(&mut http).await?);
                    let long = began.elapsed() > Duration::from_secs(60);
                    match outcome.take() {
                        Some(outcome) if current || long => return Ok((outcome, seen.told())),
                        other => outcome = other,
                    }
                }
            }
        }
    }
}

/// When a view was looked at, the events that it had taken, and its lag in seconds.
type Sample = (Instant, f64, f64);

/// Looks at the views' counters, by view.
#[derive(Default)]
struct Samples(Vec<(String, Vec<Sample>)>);

impl Samples {
    /// Notes events and lag of each view; whether all are current.
    fn look(&mut self, readings: &[(String, f64)]) -> bool {
        let now = Instant::now();
        let mut current = true;
        for (name, events) in readings {
            let Some(labels) = name.strip_prefix("heng_view_events") else { continue };
            let lag_name = format!("heng_view_lag_seconds{labels}");
            let lag = readings.iter().find(|(name, _)| *name == lag_name).map_or(0.0, |(_, lag)| *lag);
            current &= lag < 0.1;
            let view = labels.trim_start_matches("{view=\"").trim_end_matches("\"}").to_owned();
            match self.0.iter_mut().find(|(known, _)| *known == view) {
                Some((_, seen)) => seen.push((now, *events, lag)),
                None => self.0.push((view, vec![(now, *events, lag)])),
            }
        }
        current
    }

    fn told(self) -> Vec<ViewFigures> {
        self.0.into_iter().map(|(view, seen)| view_figures(view, &seen)).collect()
    }
}

fn view_figures(view: String, seen: &[Sample]) -> ViewFigures {
    let behind: Vec<_> = seen.windows(2).filter(|pair| pair[0].2 > BEHIND_S && pair[1].2 > BEHIND_S).collect();
    let was_behind = behind.len() >= 5;
    let spans: Vec<_> = if was_behind { behind } else { seen.windows(2).collect() };
    let seconds: f64 = spans.iter().map(|pair| (pair[1].0 - pair[0].0).as_secs_f64()).sum();
    let events: f64 = spans.iter().map(|pair| pair[1].1 - pair[0].1).sum();
    let lag_max_s = seen.iter().map(|sample| sample.2).fold(0.0, f64::max);
    ViewFigures { view, events_per_s: events / seconds.max(1e-9), was_behind, lag_max_s }
}

/// Everything about orders, on one broker.
pub(super) async fn orders(
    plan: &Plan,
    broker: &Broker,
    folder: &Path,
    report: &mut Report,
    step: &dyn Fn(&str),
) -> Outcome<()> {
    let journal = JournalWatch::new(&broker.data)?;
    let mut floor = Floor { plan, broker, folder, journal };
    report.clients = broker.clients().len();
    report.ready_s = broker.ready_s;
    if broker.fix.is_some() {
        step("FIX, open loop");
        report.fix = Some(floor.latency(Door::Fix).await?);
    }
    step("REST, open loop");
    report.rest = Some(floor.latency(Door::Rest).await?);
    step("fills in queries");
    report.visible = Some(floor.visible().await?);
    // What rests holds cash, and an order that is refused for want of it says nothing about the door.
    broker.cancel_all().await?;
    step("orders beside heavy reads and sign-ins");
    report.pairs = Some(floor.pairs().await?);
    broker.cancel_all().await?;
    step("REST, closed loop");
    report.rest_max = Some(floor.most(Door::Rest).await?);
    broker.cancel_all().await?;
    if broker.fix.is_some() {
        step("FIX, closed loop, and the views");
        let (fix_max, views) = floor.views().await?;
        (report.fix_max, report.views) = (Some(fix_max), views);
    }
    report.rss_orders_mb = broker.rss_mb();
    report.sum_up();
    Ok(())
}

/// Subscribers, in JSON and in binary.
pub(super) async fn push(plan: &Plan, broker: &Broker, report: &mut Report, step: &dyn Fn(&str)) -> Outcome<()> {
    let subscribed = |protocol: &str, subscribers: usize, seconds: f64, market_ahead_ns: i64| PushLoad {
        address: broker.http,
        subscribers,
        follows: FOLLOWS,
        symbols: broker.symbols.clone(),
        tokens: broker.clients().into_iter().map(|client| client.token).collect(),
        protocol: protocol.into(),
        ramp_s: 60.0,
        seconds,
        market_ahead_ns,
        seed: 7,
    };
    let ahead = broker.market_ahead_ns().await?;
    step("subscribers, JSON");
    let load = subscribed("heng.json.v1", plan.subscribers, plan.push_s, ahead);
    let json: PushOutcome = run(Load::Ws, &load).await?;
    report.rss_push_mb = broker.rss_mb();
    report.ws = Some(json);
    step("subscribers, binary");
    let load = subscribed("heng.bin.v1", plan.binary_subscribers, plan.binary_s, ahead);
    report.ws_binary = Some(run(Load::Ws, &load).await?);
    report.sum_up();
    Ok(())
}
