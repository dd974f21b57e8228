//! The FIX venue adapter against `heng venue`: whatever the venue suffers, no order is lost, doubled or stuck.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use heng::market::{Rng, World, WorldOptions};
use heng_core::{Core, CoreOptions, CorePort, Layout, RecordSource, Request};
use heng_engine::Capacity;
use heng_journal::OsStorage;
use heng_model::command::{MassCancel, NewOrder};
use heng_model::{
    ClientOrderId, Command, Currency, Event, InstrumentId, OrderId, OrderType, PartitionId, Price, Qty, RejectCode,
    SelfTrade, Seq, Side, TradeDate,
};
use heng_ports::{Answer, CommandPort as _, EventSource as _};
use heng_runtime::SystemClock;
use heng_security::tls::Outward;
use heng_trading::{FixVenue, FixVenueOptions, Venue as _, VenueHealth, VenueTimes};
use heng_transport::fix::{FixApplicationKind, FixClientTls, FixSessionConfig};
use serde_json::{Value, json};
use tokio::runtime::Runtime;
use tokio::sync::watch;

use crate::support::{Folder, arg, heng};

/// The partition of the venue; the core's own is 0.
const VENUE: PartitionId = PartitionId(1);
/// The longest that anything may take.
const PATIENCE: Duration = Duration::from_secs(40);

fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < end, "in vain: {what}");
        std::thread::park_timeout(Duration::from_millis(3));
    }
}

fn world() -> World {
    let date = TradeDate::new(2026, 7, 6).unwrap();
    let options = WorldOptions { clients: 30, instruments: 12, seed: 9, date };
    World::new(options, &heng_rulebook::Rulebook::embedded_files()).unwrap()
}

/// The simulator as a process.
struct Exchange {
    child: Child,
    ready: Value,
}

impl Exchange {
    fn start(folder: &Path, world: &World, more: &[&str]) -> Self {
        let (ready, listed) = (folder.join("venue.json"), folder.join("instruments.json"));
        let text = |price: Price| price.to_string();
        let instruments: Vec<Value> = world
            .instruments
            .iter()
            .map(|listed| {
                json!({
                    "symbol": listed.definition.symbol,
                    "reference": text(listed.reference.prev_close),
                    "lower": listed.limits.map(|(down, _)| text(down)),
                    "upper": listed.limits.map(|(_, up)| text(up)),
                    "tick": text(listed.tick),
                })
            })
            .collect();
        std::fs::write(&listed, Value::from(instruments).to_string()).unwrap();
        let child = heng()
            .args(["venue", "--json", "--ready-file", arg(&ready), "--instruments", arg(&listed)])
            .args(more)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let ready = until("the venue is ready", || serde_json::from_slice(&std::fs::read(&ready).ok()?).ok());
        Self { child, ready }
    }

    fn port(&self, gateway: &str) -> u16 {
        u16::try_from(self.ready[gateway]["port"].as_u64().unwrap()).unwrap()
    }

    fn addresses(&self) -> Vec<SocketAddr> {
        ["fix", "backup"].map(|gateway| SocketAddr::from(([127, 0, 0, 1], self.port(gateway)))).to_vec()
    }

    /// One request to the control port.
    fn control(&self, method: &str, path: &str, body: &str) -> Value {
        let address = self.ready["control"].as_str().unwrap().strip_prefix("http://").unwrap();
        let mut stream = TcpStream::connect(address).unwrap();
        let length = body.len();
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 200"), "{answer}");
        serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {answer}"))
    }

    fn fault(&self, fault: &Value) {
        self.control("POST", "/faults", &fault.to_string());
    }

    fn struck(&self, kind: &str) -> u64 {
        self.control("GET", "/status", "")["struck"][kind].as_u64().unwrap_or(0)
    }

    /// What the venue says has traded, by order: price and quantity of each trade.
    fn fills(&self) -> BTreeMap<u64, Vec<(String, i64)>> {
        let mut fills: BTreeMap<u64, Vec<(String, i64)>> = BTreeMap::new();
        for trade in self.control("GET", "/trades", "")["trades"].as_array().unwrap() {
            let text = |name: &str| trade[name].as_str().unwrap().to_owned();
            let fill = (text("price"), text("quantity").parse().unwrap());
            fills.entry(text("order").parse().unwrap()).or_default().push(fill);
        }
        fills.values_mut().for_each(|fills| fills.sort());
        fills
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A core with its instruments at the venue, and the adapter.
struct Broker {
    core: Core,
    port: CorePort,
    source: Arc<RecordSource>,
    venue: Option<FixVenue>,
    stop: watch::Sender<bool>,
    runtime: Runtime,
    world: World,
    rng: Rng,
}

fn venue_options(folder: &Path, addresses: Vec<SocketAddr>, reset_on_logon: bool) -> FixVenueOptions {
    FixVenueOptions {
        name: "sim".into(),
        partition: VENUE,
        session: FixSessionConfig {
            begin: "FIX.4.4".into(),
            default_appl_ver: None,
            sender: "HENG".into(),
            target: "VENUE".into(),
            heartbeat_s: 5,
            reset_on_logon,
            application: FixApplicationKind::Trading,
        },
        addresses,
        tls: None,
        pauses: (Duration::from_millis(20), Duration::from_millis(200)),
        account: "HOUSE".into(),
        instruments: Vec::new(),
        first: Seq(1),
        folder: folder.join("venue-notes"),
        times: VenueTimes {
            answer_max: Duration::from_millis(150),
            trades_max: Duration::from_millis(60),
            waiting_max: Duration::from_secs(20),
            storm_refusals: 15,
            storm_pause: Duration::from_millis(100),
        },
    }
}

impl Broker {
    /// Opens the core in `folder`, making its world if there is none, and begins to route.
    fn open(folder: &Path, addresses: Vec<SocketAddr>, seed: u64) -> Self {
        Self::open_with(folder, addresses, seed, false)
    }

    /// The same; `reset_on_logon` begins the session anew with each logon.
    fn open_with(folder: &Path, addresses: Vec<SocketAddr>, seed: u64, reset_on_logon: bool) -> Self {
        Self::open_at(folder, &venue_options(folder, addresses, reset_on_logon), seed)
    }

    /// The same with these options.
    fn open_at(folder: &Path, venue: &FixVenueOptions, seed: u64) -> Self {
        let storage = OsStorage::shared();
        let data = folder.join("core");
        let options = CoreOptions {
            data: data.clone(),
            partition: PartitionId(0),
            capacity: Capacity::default(),
            clock: Arc::new(SystemClock),
            follows_clock: false,
            storage: Arc::clone(&storage),
            segment_bytes: 16 << 20,
            snapshots: None,
            on_fatal: |error| panic!("{error}"),
        };
        let core = Core::start(&options).unwrap();
        let (port, world) = (core.port(), world());
        if port.published().durable() == Seq(0) {
            set_up(&port, &world);
        }
        let source = Arc::new(RecordSource::new(storage, &Layout::new(&data), port.clone()));
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let stop = watch::Sender::new(false);
        let venue = FixVenue::begin(
            venue,
            Arc::new(port.clone()),
            Arc::clone(&source) as Arc<_>,
            Arc::new(heng_transport::fix::SystemClock::default()),
            runtime.handle(),
            stop.subscribe(),
        )
        .unwrap();
        Self { core, port, source, venue: Some(venue), stop, runtime, world, rng: Rng::new(seed, 3) }
    }

    fn health(&self) -> VenueHealth {
        self.venue.as_ref().unwrap().health()
    }

    /// Some client's order in what it holds, near the close; every fifth takes what is there and leaves.
    fn order(&mut self, name: &str) -> NewOrder {
        let number = self.rng.below(u64::from(self.world.options.clients)) as u32;
        let (instrument, _) = self.world.holdings(number)[self.rng.below(3) as usize];
        let listed = &self.world.instruments[instrument as usize];
        let away = self.rng.between(-3, 3) * listed.tick.0;
        let order_type = if self.rng.chance(20) { OrderType::Best5OrCancel } else { OrderType::Limit };
        let side = if self.rng.chance(50) { Side::Buy } else { Side::Sell };
        NewOrder {
            account: World::account(number),
            client_order: ClientOrderId::from_text(name),
            trade_date: self.world.options.date,
            instrument: InstrumentId(instrument),
            side,
            order_type,
            price: Price(listed.reference.prev_close.0 + away),
            quantity: Qty(listed.lot.max(100) * self.rng.between(1, 6)),
            self_trade: SelfTrade::Allow,
        }
    }

    /// Places orders; returns those that the core accepted.
    fn place(&mut self, prefix: &str, count: u64) -> Vec<OrderId> {
        self.place_some(prefix, count, None)
    }

    /// The same, on one side only.
    fn place_some(&mut self, prefix: &str, count: u64, side: Option<Side>) -> Vec<OrderId> {
        let mut placed = Vec::new();
        for number in 0..count {
            let mut order = self.order(&format!("{prefix}{number}"));
            if let Some(side) = side {
                (order.side, order.order_type) = (side, OrderType::Limit);
            }
            if let Answer::Accepted { id, .. } = self.port.submit(order.into(), PATIENCE) {
                placed.push(OrderId(id));
            }
        }
        assert!(placed.len() as u64 * 2 > count, "the core refused most orders");
        placed
    }

    fn cancel_all(&self) {
        for number in 0..self.world.options.clients {
            let all = MassCancel { account: World::account(number), by_instrument: false, instrument: InstrumentId(0) };
            self.port.submit(all.into(), PATIENCE);
        }
    }

    /// The record: fills by order, and which orders are not done.
    fn record(&self) -> Record {
        let mut feed = self.source.open(Seq(1)).unwrap();
        let mut record = Record::default();
        while let Some(block) = feed.next_block().unwrap() {
            block.commands.into_iter().flat_map(|command| command.events).for_each(|event| record.take(&event));
        }
        record
    }

    /// Nothing is held when nothing is open.
    fn check_no_holds(&self) {
        let clients = self.world.options.clients;
        let instruments = self.world.instruments.len() as u32;
        let held = self.port.inspect(move |state| {
            let ledger = state.ledger();
            let mut held = Vec::new();
            for number in 0..clients {
                let row = ledger.row_of(World::account(number)).unwrap();
                let cash = Currency::ALL.iter().map(|currency| ledger.cash(row, *currency).frozen.0).sum::<i64>();
                let shares = (0..instruments)
                    .filter_map(|id| ledger.position(row, InstrumentId(id)))
                    .map(|position| position.frozen.0)
                    .sum::<i64>();
                if (cash, shares) != (0, 0) {
                    held.push((number, cash, shares));
                }
            }
            held
        });
        assert_eq!(held.unwrap(), [], "client, cash and shares that are still held");
    }

    /// Ends every order and compares the record with the venue, order by order.
    fn finish(&mut self, exchange: &Exchange) -> (Record, VenueHealth) {
        exchange.control("DELETE", "/faults", "");
        // A cancel of an order whose state is unknown is not asked again by the client; this client asks until it is.
        let mut polls = 0;
        let record = until("every order is done", || {
            if polls % 40 == 0 {
                self.cancel_all();
            }
            polls += 1;
            let record = self.record();
            record.open.is_empty().then_some(record)
        });
        let health = until("the adapter has read it", || {
            let health = self.health();
            (health.orders_out + health.orders_waiting == 0).then_some(health)
        });
        assert_eq!(record.fills, exchange.fills(), "the broker's fills and the venue's");
        let orders = exchange.control("GET", "/orders", "");
        let live = |order: &Value| order["state"] == "live";
        assert!(!orders["orders"].as_array().unwrap().iter().any(live), "the venue has orders that we think are done");
        self.check_no_holds();
        let troubles = [health.unknown, health.trades_missing, health.cancels_out, health.strange, health.late];
        assert_eq!(troubles, [0; 5], "{health:?}");
        (record, health)
    }

    /// An orderly end.
    fn close(mut self) {
        self.stop.send_replace(true);
        self.runtime.block_on(self.venue.take().unwrap().ended());
        self.core.stop().unwrap();
    }
}

fn set_up(port: &CorePort, world: &World) {
    let commands: Vec<Request> = world
        .setup()
        .map(|(time, command)| {
            let command = match command {
                Command::DefineInstrument(define) => {
                    heng_model::command::DefineInstrument { partition: VENUE, ..define }.into()
                }
                other => other,
            };
            Request { command, ticket: 0, time: Some(time) }
        })
        .collect();
    let (count, (answers, answered)) = (commands.len(), std::sync::mpsc::channel());
    port.send(commands, &answers).unwrap();
    let mut left = count;
    while left > 0 {
        left -= answered.recv().unwrap().len();
    }
}

/// What the record says.
#[derive(Default)]
struct Record {
    placed: BTreeSet<OrderId>,
    open: BTreeMap<OrderId, i64>,
    fills: BTreeMap<u64, Vec<(String, i64)>>,
    trades: BTreeSet<u64>,
    unknown: u64,
    refused: BTreeMap<OrderId, RejectCode>,
    cancelled: u64,
}

impl Record {
    fn take(&mut self, event: &Event) {
        match event {
            Event::OrderPlaced(placed) => {
                self.placed.insert(placed.order);
                self.open.insert(placed.order, placed.quantity.0);
            }
            Event::OrderFilled(filled) => {
                assert!(self.trades.insert(filled.trade.0), "trade {} posted twice", filled.trade);
                let fills = self.fills.entry(filled.order.0).or_default();
                fills.push((filled.price.to_string(), filled.quantity.0));
                fills.sort();
                self.leave(filled.order, filled.quantity.0);
            }
            Event::OrderCancelled(cancelled) => {
                self.cancelled += 1;
                self.leave(cancelled.order, cancelled.quantity.0);
            }
            Event::OrderRejected(rejected) => {
                self.refused.insert(rejected.order, rejected.code);
                self.open.remove(&rejected.order);
            }
            Event::OrderUnknown(_) => self.unknown += 1,
            _ => {}
        }
    }

    fn leave(&mut self, order: OrderId, quantity: i64) {
        let left = self.open.get_mut(&order).expect("only open orders trade and are cancelled");
        *left -= quantity;
        assert!(*left >= 0, "order {order} ends with less than nothing");
        if *left == 0 {
            self.open.remove(&order);
        }
    }
}

/// Orders while a fault holds; then everything ends and must agree.
fn trial(fault: &Value, orders: u64) -> (Record, VenueHealth) {
    let folder = Folder::new();
    let exchange = Exchange::start(folder.path(), &world(), &["--flow", "300"]);
    let mut broker = Broker::open(folder.path(), exchange.addresses(), 5);
    until("the session is logged on", || broker.health().connected.then_some(()));
    if !fault.is_null() {
        exchange.fault(fault);
    }
    broker.place("a", orders / 2);
    broker.cancel_all();
    broker.place("b", orders / 2);
    if let Some(kind) = fault["kind"].as_str() {
        until("the fault strikes", || (exchange.struck(kind) > 2).then_some(()));
    }
    until("the venue was asked or has answered", || {
        let health = broker.health();
        (health.reports > 0 || health.enquiries > 0).then_some(())
    });
    let found = broker.finish(&exchange);
    assert!(found.0.placed.len() > 20 && !found.0.trades.is_empty(), "{} trades", found.0.trades.len());
    broker.close();
    found
}

#[test]
fn a_sound_venue_fills_cancels_and_agrees() {
    let (record, health) = trial(&Value::Null, 120);
    assert!(record.trades.len() > 20 && record.cancelled > 5, "{} trades", record.trades.len());
    assert_eq!((record.unknown, health.sent_again, health.logons), (0, 0, 1));
}

#[test]
fn reports_that_come_late_are_unknown_first_and_resolved() {
    let (record, health) = trial(&json!({ "kind": "slow", "delay_ms": 400 }), 60);
    assert!(record.unknown > 0 && health.enquiries > 0, "{health:?}");
}

#[test]
fn a_silent_venue_is_asked_until_it_answers() {
    let (record, health) = trial(&json!({ "kind": "silent", "for_ms": 900 }), 60);
    assert!(record.unknown > 0 && health.enquiries > 0, "{health:?}");
    assert_eq!(health.sent_again, 0, "the venue had every order");
}

#[test]
fn half_of_the_reports_are_lost_for_good_and_nothing_else_is() {
    let (_, health) = trial(&json!({ "kind": "silent", "rate": 50 }), 100);
    assert!(health.enquiries > 0, "{health:?}");
}

#[test]
fn reports_that_come_twice_post_once() {
    let (_, health) = trial(&json!({ "kind": "duplicate" }), 100);
    assert!(health.repeats > 20, "{health:?}");
}

#[test]
fn reports_out_of_order_are_understood() {
    let (_, health) = trial(&json!({ "kind": "out-of-order" }), 100);
    assert!(health.reports > 20, "{health:?}");
}

#[test]
fn a_storm_of_refusals_ends_and_releases_everything() {
    let (record, health) = trial(&json!({ "kind": "reject-storm", "rate": 90 }), 100);
    assert!(health.refused > 20 && health.storms > 0, "{health:?}");
    assert!(record.refused.values().any(|code| *code == RejectCode::PhaseForbids));
}

#[test]
fn a_connection_that_breaks_again_and_again_loses_nothing() {
    let (_, health) = trial(&json!({ "kind": "disconnect", "every": 7 }), 100);
    assert!(health.logons > 2, "{health:?}");
}

#[test]
fn reports_whose_connection_broke_come_after_the_next_logon() {
    let (_, health) = trial(&json!({ "kind": "drop", "rate": 30 }), 60);
    assert!(health.logons > 2, "{health:?}");
}

#[test]
fn the_second_gateway_is_used_when_the_first_closes() {
    let folder = Folder::new();
    let exchange = Exchange::start(folder.path(), &world(), &["--flow", "300"]);
    let mut broker = Broker::open(folder.path(), exchange.addresses(), 6);
    until("the session is logged on", || broker.health().connected.then_some(()));
    // What is placed now is at the venue, or on its way, when the gateway closes.
    exchange.fault(&json!({ "kind": "slow", "delay_ms": 100 }));
    broker.place("a", 40);
    let before = broker.health();
    exchange.control("POST", "/gateways", &json!({ "primary": false }).to_string());
    broker.place("b", 40);
    let after = until("the second gateway is used", || {
        let health = broker.health();
        (health.connected && health.logons > before.logons).then_some(health)
    });
    until("what was out is asked for", || (broker.health().enquiries > before.enquiries).then_some(()));
    assert!(after.logons >= 2);
    exchange.control("POST", "/gateways", &json!({ "backup": false, "primary": true }).to_string());
    broker.place("c", 20);
    until("the first gateway is used again", || (broker.health().logons > after.logons).then_some(()));
    let (record, _) = broker.finish(&exchange);
    assert!(record.trades.len() > 10);
    broker.close();
}

#[test]
fn the_end_of_the_day_expires_what_rests() {
    let folder = Folder::new();
    let exchange = Exchange::start(folder.path(), &world(), &[]);
    let mut broker = Broker::open(folder.path(), exchange.addresses(), 7);
    let placed = broker.place("a", 40);
    until("the venue has them", || {
        let orders = exchange.control("GET", "/orders", "");
        (orders["orders"].as_array().unwrap().len() == placed.len()).then_some(())
    });
    exchange.control("POST", "/close-day", "");
    let record = until("every order is done", || {
        let record = broker.record();
        record.open.is_empty().then_some(record)
    });
    assert!(record.cancelled > 5, "{} cancelled", record.cancelled);
    broker.finish(&exchange);
    broker.close();
}

/// A venue that is not there: what is not sent is cancelled or refused without it, and sent when it comes.
#[test]
fn orders_wait_for_a_venue_that_is_away() {
    let folder = Folder::new();
    let exchange = Exchange::start(folder.path(), &world(), &["--flow", "200"]);
    exchange.control("POST", "/gateways", &json!({ "primary": false, "backup": false }).to_string());
    let mut broker = Broker::open(folder.path(), exchange.addresses(), 8);
    broker.place("a", 20);
    let waiting = until("they wait", || Some(broker.health()).filter(|health| health.orders_waiting > 10));
    assert_eq!((waiting.connected, waiting.orders_out), (false, 0));
    broker.cancel_all();
    until("they are cancelled without the venue", || broker.record().open.is_empty().then_some(()));
    broker.place("b", 20);
    exchange.control("POST", "/gateways", &json!({ "primary": true }).to_string());
    until("the venue has the others", || {
        (exchange.control("GET", "/status", "")["orders"].as_u64() > Some(10)).then_some(())
    });
    broker.finish(&exchange);
    broker.close();
}

/// The folder that tells a child process of the next test to be the broker, and the ports of the venue.
const BROKER_IN: &str = "HENG_TEST_VENUE_BROKER";

/// A broker that places orders until somebody kills it.
fn be_the_broker(told: &str) {
    let (life, rest) = told.split_once(' ').unwrap();
    let (ports, folder) = rest.split_once(' ').unwrap();
    let addresses = ports.split(',').map(|port| SocketAddr::from(([127, 0, 0, 1], port.parse().unwrap()))).collect();
    let mut broker = Broker::open(Path::new(folder), addresses, life.parse().unwrap());
    for number in 0..100_000 {
        let order = broker.order(&format!("{life}-{number}"));
        broker.port.submit(order.into(), PATIENCE);
        if number % 25 == 24 {
            broker.cancel_all();
        }
        println!("placed {number}");
    }
}

#[test]
fn a_broker_that_is_killed_sends_nothing_twice_and_loses_nothing() {
    if let Ok(told) = std::env::var(BROKER_IN) {
        return be_the_broker(&told);
    }
    let folder = Folder::new();
    let exchange = Exchange::start(folder.path(), &world(), &["--flow", "300"]);
    exchange.fault(&json!({ "kind": "slow", "delay_ms": 30, "rate": 70 }));
    let name = "venue::a_broker_that_is_killed_sends_nothing_twice_and_loses_nothing";
    let ports = exchange.addresses().iter().map(|address| address.port().to_string()).collect::<Vec<_>>().join(",");
    for (life, lines) in [(1, 30), (2, 3), (3, 47)] {
        let mut child = std::process::Command::new(std::env::current_exe().unwrap())
            .args([name, "--exact", "--nocapture"])
            .env(BROKER_IN, format!("{life} {ports} {}", folder.path().display()))
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let placed = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        let seen = placed.filter(|line| line.starts_with("placed")).take(lines).count();
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(seen, lines, "the broker of life {life} ended by itself");
    }
    let mut broker = Broker::open(folder.path(), exchange.addresses(), 99);
    until("the session is logged on", || broker.health().connected.then_some(()));
    let (record, health) = broker.finish(&exchange);
    assert!(record.placed.len() > 40 && !record.trades.is_empty(), "{health:?}");
    broker.close();
}

/// The venue is killed and comes back without its books: what it had is cancelled, what it never acknowledged is sent
/// again, once, and the sessions begin anew.
#[test]
fn a_venue_that_lost_its_books_gets_only_what_it_never_acknowledged() {
    let folder = Folder::new();
    let mut exchange = Exchange::start(folder.path(), &world(), &[]);
    let ports = ["fix", "backup"].map(|gateway| exchange.port(gateway).to_string());
    let mut broker = Broker::open_with(folder.path(), exchange.addresses(), 14, true);
    until("the session is logged on", || broker.health().connected.then_some(()));
    let known = broker.place_some("a", 20, Some(Side::Buy));
    let reported = |broker: &Broker, count: usize| (broker.health().reports >= count as u64).then_some(());
    until("all are acknowledged", || reported(&broker, known.len()));
    exchange.fault(&json!({ "kind": "silent" }));
    let silent = broker.place_some("b", 10, Some(Side::Buy));
    until("the others are unknown", || (broker.health().unknown == silent.len() as u64).then_some(()));
    exchange.child.kill().unwrap();
    exchange.child.wait().unwrap();
    std::fs::remove_file(folder.join("venue.json")).unwrap();
    exchange = Exchange::start(folder.path(), &world(), &["--port", &ports[0], "--backup-port", &ports[1]]);
    until("what it had is cancelled", || {
        let record = broker.record();
        known.iter().all(|order| !record.open.contains_key(order)).then_some(())
    });
    until("the others are there again", || {
        let health = broker.health();
        (health.sent_again == silent.len() as u64 && health.unknown == 0).then_some(())
    });
    let orders = exchange.control("GET", "/orders", "");
    assert_eq!(orders["orders"].as_array().unwrap().len(), silent.len());
    let (record, _) = broker.finish(&exchange);
    assert!(record.trades.is_empty() && record.unknown >= silent.len() as u64);
    broker.close();
}

/// The venue is killed and goes on from its folder.
#[test]
fn a_venue_that_is_killed_goes_on_with_its_books() {
    let folder = Folder::new();
    let data = folder.join("venue-data");
    let keep = ["--flow", "200", "--data", arg(&data)];
    let mut exchange = Exchange::start(folder.path(), &world(), &keep);
    let ports = ["fix", "backup"].map(|gateway| exchange.port(gateway).to_string());
    let again = [&keep[..], &["--port", &ports[0], "--backup-port", &ports[1]]].concat();
    let mut broker = Broker::open(folder.path(), exchange.addresses(), 12);
    broker.place("a", 40);
    exchange.child.kill().unwrap();
    exchange.child.wait().unwrap();
    broker.place("b", 20);
    std::fs::remove_file(folder.join("venue.json")).unwrap();
    exchange = Exchange::start(folder.path(), &world(), &again);
    until("the session is logged on again", || broker.health().connected.then_some(()));
    broker.place("c", 20);
    let (record, _) = broker.finish(&exchange);
    assert!(!record.trades.is_empty());
    broker.close();
}

/// Certificates of a venue, by an authority of its own.
fn papers(folder: &Path, curve: &str) -> std::path::PathBuf {
    let papers = folder.join(curve);
    for words in [vec!["init", "--curve", curve], vec!["issue", "--role", "core"]] {
        let made = heng().args(["ops", "ca", words[0], "--dir", arg(&papers)]).args(&words[1..]).output().unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    }
    papers
}

fn over_tls(papers: &Path, national: bool) -> FixClientTls {
    let outward = Outward { authorities: papers.join("authority.pem"), own: None, national };
    FixClientTls { config: outward.client().unwrap(), name: "heng-role".try_into().unwrap() }
}

#[test]
fn a_venue_is_reached_over_tls_and_over_sm_and_nobody_else_in_its_place() {
    for (curve, national) in [("p256", false), ("sm2", true)] {
        let folder = Folder::new();
        let (ours, theirs) = (papers(folder.path(), curve), papers(&folder.path().join("others"), curve));
        let (certificate, key) = (ours.join("core.pem"), ours.join("core.key"));
        let more = ["--flow", "300", "--tls-certificate", arg(&certificate), "--tls-key", arg(&key)];
        let exchange = Exchange::start(folder.path(), &world(), &more);
        let options = |tls| FixVenueOptions { tls, ..venue_options(folder.path(), exchange.addresses(), false) };
        let attempts = || {
            let told = exchange.control("GET", "/status", "");
            told["connections"].as_array().unwrap().iter().map(|taken| taken.as_u64().unwrap()).sum::<u64>()
        };
        for refused in [None, Some(over_tls(&theirs, national)), Some(over_tls(&ours, !national))] {
            let broker = Broker::open_at(folder.path(), &options(refused), 5);
            let before = attempts();
            // Whoever comes in does not come again.
            until("it tries again and again", || (attempts() > before + 2).then_some(()));
            assert!(!broker.health().connected);
            broker.close();
        }
        let mut broker = Broker::open_at(folder.path(), &options(Some(over_tls(&ours, national))), 5);
        until("the session is logged on", || broker.health().connected.then_some(()));
        broker.place("a", 40);
        let (record, _) = broker.finish(&exchange);
        assert!(!record.trades.is_empty() && record.unknown == 0, "{} trades", record.trades.len());
        broker.close();
    }
}
