//! The broker end to end, in both shapes: the real binary, killed and resumed; and its view against the core's own state.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader};
use std::process::{Command as Process, Stdio};
use std::sync::Arc;
use std::sync::mpsc::channel;

use heng::market::{Flow, FlowOptions, World, WorldOptions};
use heng_core::{
    Completion, Core, CoreError, CoreOptions, EventTail, Layout, RecordSource, Replica, ReplicaOptions, Request,
};
use heng_engine::{Capacity, State};
use heng_journal::{OsStorage, Storage};
use heng_model::command::OpenDay;
use heng_model::{Command, Currency, Money, PartitionId, Qty, SECOND, Seq, TradeDate, UnixNanos};
use heng_ports::{
    Accounts, AuthFailure, CommandEvents, Credentials, Decision, EventBlock, Gatekeeper, Later, Principal,
    PrincipalKind, Resource,
};
use heng_runtime::SystemClock;
use heng_store::StoreOptions;
use heng_trading::{CheckLog, DoorOptions, Doors, TermsStore, TradingView, ViewOptions, ViewReader};
use heng_transport::{Health, Metrics, RateLimits, Server, ServerOptions};
use serde_json::{Value, json};
use tokio::sync::oneshot;

use crate::house::{Folder, House, Plan, Shape, get, in_both_shapes, keyed};
use crate::support::heng;

/// What must never change about an outcome.
fn essence((status, told): &(u16, Value)) -> Value {
    let accepted = matches!(status, 200 | 201);
    json!({ "accepted": accepted, "order": told["order_id"], "sequence": told["sequence"], "code": told["code"] })
}

in_both_shapes!(
    a_market_goes_on_although_nobody_can_read_what_it_says,
    a_view_that_is_no_database_is_named_with_what_to_do,
    outcomes_survive_a_kill_and_a_restart,
    clients_trade_cancel_and_watch,
    a_folder_in_use_and_another_ones_journal_are_refused,
);

fn a_market_goes_on_although_nobody_can_read_what_it_says(shape: Shape) {
    let folder = Folder::new("up-mute");
    let plan = Plan::new(shape, &folder.0, 1, 0);
    let core = plan.start_core();
    let full = std::fs::File::options().write(true).open("/dev/full").expect("a device that takes nothing");
    let mut child = plan.doors().stdout(full).stderr(Stdio::piped()).spawn().expect("the binary starts");
    let mut told = BufReader::new(child.stderr.take().expect("stderr is piped"));
    let mut line = String::new();
    while !(line.contains("tell that") && line.contains("is ready")) {
        line.clear();
        assert_ne!(told.read_line(&mut line).expect("text"), 0, "it ended without its warning");
    }
    assert_eq!(get(plan.ready()["http"].as_str().expect("an address"), "/healthz").0, 200);
    let pid = child.id().to_string();
    assert!(Process::new("kill").args(["-TERM", &pid]).status().expect("kill runs").success());
    assert_eq!(child.wait().expect("it ends").code(), Some(0));
    drop(core);
}

fn a_view_that_is_no_database_is_named_with_what_to_do(shape: Shape) {
    let folder = Folder::new("up-no-database");
    let plan = Plan::new(shape, &folder.0, 1, 0);
    std::fs::create_dir_all(plan.derived()).expect("a folder");
    std::fs::write(plan.derived().join("trading.db"), [b'x'; 8_192]).expect("a file");
    let core = plan.start_core();
    let output = plan.doors().output().expect("the binary runs");
    let told = String::from_utf8(output.stderr).expect("text");
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert!(told.contains("derived/trading.db") && told.contains("delete it, and it is made again"), "{told}");
    drop(core);
}

fn outcomes_survive_a_kill_and_a_restart(shape: Shape) {
    let folder = Folder::new("up-kill");
    let house = House::start(shape, &folder.0, 1);
    let order = house.first_order.clone();
    let mut outcomes: BTreeMap<String, (Value, Value)> = BTreeMap::new();
    for number in 0..40 {
        // Every fourth asks for a price that no market takes.
        let price = (number % 4 == 3).then_some("899999");
        let ask = keyed(&order, &format!("kill-{number}"), price);
        let told = house.place(&ask);
        assert!(matches!(told.0, 201 | 409), "{told:?}");
        assert_eq!(told.0 == 409, price.is_some(), "{told:?}");
        outcomes.insert(format!("kill-{number}"), (ask, essence(&told)));
    }
    let (ask, first) = outcomes["kill-0"].clone();
    let (status, again) = house.place(&ask);
    assert_eq!((status, again["repeated"].as_bool()), (200, Some(true)));
    assert_eq!(essence(&(status, again)), first);
    let (status, reused) = house.place(&keyed(&ask, "kill-0", Some("899999")));
    assert_eq!((status, reused["code_name"].as_str()), (409, Some("KeyReused")));
    house.kill();

    let house = House::start(shape, &folder.0, 1);
    for (key, (ask, expected)) in &outcomes {
        let told = house.place(ask);
        assert!(matches!(told.0, 200 | 409), "{key}: {told:?}");
        assert_eq!(told.1["repeated"], true, "{key}");
        assert_eq!(essence(&told), *expected, "{key}");
    }
    check_reads(&house, &outcomes);
    assert_eq!(house.terminate(), Some(0));
}

/// The view shows each order once, as it was answered.
fn check_reads(house: &House, outcomes: &BTreeMap<String, (Value, Value)>) {
    let account = outcomes["kill-0"].0["account"].as_str().expect("an account");
    let last = outcomes.values().filter_map(|(_, told)| told["sequence"].as_u64()).max().expect("sequences");
    let (status, told) = house.get(&format!("/v1/orders?account={account}&limit=1000&min_sequence={last}"));
    assert_eq!(status, 200);
    assert!(told["as_of_sequence"].as_u64() >= Some(last));
    let orders = told["orders"].as_array().expect("a list");
    for (key, (_, expected)) in outcomes {
        let found: Vec<&Value> = orders.iter().filter(|order| order["client_order_id"] == key.as_str()).collect();
        assert_eq!(found.len(), 1, "{key}");
        assert_eq!(found[0]["order_id"], expected["order"], "{key}");
        assert_eq!(found[0]["sequence"], expected["sequence"], "{key}");
        assert_eq!(found[0]["reject"]["code"], expected["code"], "{key}");
    }
}

fn clients_trade_cancel_and_watch(shape: Shape) {
    let folder = Folder::new("up-trade");
    let house = House::start(shape, &folder.0, 7);
    let (_, health) = house.get("/healthz");
    assert_eq!(health["status"], "ok", "{health}");
    let (_, market) = house.get("/v1/instruments?limit=1");
    assert_eq!(
        (market["day_open"].as_bool(), market["instruments"][0]["phase"].as_str()),
        (Some(true), Some("continuous"))
    );
    // At the lowest price of the day a buy rests.
    let low = market["instruments"][0]["limit_down"].as_str().expect("a limit").to_owned();
    let resting = keyed(&house.first_order, "resting", Some(&low));
    let (status, placed) = house.place(&resting);
    assert_eq!(status, 201, "{placed}");
    let id = placed["order_id"].as_str().expect("an id");
    let sequence = placed["sequence"].as_u64().expect("a sequence");
    let (status, told) = house.get(&format!("/v1/orders/{id}?min_sequence={sequence}"));
    assert_eq!((status, told["status"].as_str(), told["filled"].as_str()), (200, Some("working"), Some("0")), "{told}");
    let account = resting["account"].as_str().expect("an account");
    let (_, held) = house.get(&format!("/v1/accounts/{account}?min_sequence={sequence}"));
    assert_eq!(held["cash"][0]["frozen"], told["hold_cash"]);
    let cancel = json!({ "account": account });
    let (status, cancelled) = house.post(&format!("/v1/orders/{id}/cancel"), &cancel);
    assert_eq!(status, 200, "{cancelled}");
    let sequence = cancelled["sequence"].as_u64().expect("a sequence");
    let (_, told) = house.get(&format!("/v1/orders/{id}?min_sequence={sequence}"));
    assert_eq!((told["status"].as_str(), told["reason"].as_str()), (Some("cancelled"), Some("client")));
    assert_eq!(house.post(&format!("/v1/orders/{id}/cancel"), &cancel).0, 409, "it is done already");
    let (_, metrics) = house.get("/metrics");
    let metrics = metrics.as_str().expect("text");
    for name in [
        "heng_orders_total{outcome=\"accepted\"} 1",
        "heng_view_lag_seconds{view=\"trading\"}",
        "heng_core_durable_sequence",
        "heng_core_command_seconds{quantile=\"0.999\"}",
        "heng_core_ack_seconds{quantile=\"0.5\"}",
    ] {
        assert!(metrics.contains(name), "{name}\n{metrics}");
    }
    assert_eq!(house.terminate(), Some(0));
}

fn a_folder_in_use_and_another_ones_journal_are_refused(shape: Shape) {
    let folder = Folder::new("up-lock");
    let house = House::start(shape, &folder.0, 1);
    let refused = |mut process: Process, with: &str| {
        let output = process.output().expect("the binary starts");
        assert_eq!(output.status.code(), Some(1));
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(told.contains(with), "{told}");
    };
    for process in [house.plan().core(), Some(house.plan().doors())].into_iter().flatten() {
        refused(process, "another process uses the data folder");
    }
    assert_eq!(house.terminate(), Some(0));
    // The journal of a process with another core.
    let other = Folder::new("up-other");
    let plan = Plan::new(shape, &other.0, 1, 0);
    let day = ["day", "--clients", "20", "--orders", "100", "--instruments", "20", "--json", "--data"];
    let day = heng().args(day).arg(plan.journal()).output().expect("the binary starts");
    assert!(day.status.success(), "{}", String::from_utf8_lossy(&day.stderr));
    refused(plan.core().unwrap_or_else(|| plan.doors()), "a journal that `heng up` did not begin");
}

// Only `heng up` takes rule files from elsewhere: `heng serve` has no such option.
#[test]
fn other_rule_files_wait_for_their_activation() {
    let folder = Folder::new("up-rules");
    assert_eq!(House::up(&folder.0, &[]).terminate(), Some(0));
    let rules = folder.0.join("rules");
    std::fs::create_dir_all(&rules).expect("a folder");
    for (name, text) in heng_rulebook::Rulebook::embedded_files() {
        std::fs::write(rules.join(name), format!("# Changed.\n{text}")).expect("a rule file");
    }
    let rules = rules.to_str().expect("a plain path");
    let house = House::up(&folder.0, &["--rules", rules]);
    assert!(house.notes.contains("to activate the given ones"), "{}", house.notes);
    assert_eq!(house.terminate(), Some(0));
    let house = House::up(&folder.0, &["--rules", rules, "--activate-rules"]);
    assert!(house.notes.contains("hold from 2026-07-07 on"), "{}", house.notes);
    assert_eq!(house.terminate(), Some(0));
    let house = House::up(&folder.0, &["--rules", rules]);
    assert!(!house.notes.contains("activate"), "{}", house.notes);
    assert_eq!(house.terminate(), Some(0));
}

/// A whole day through the core, in memory of the test.
pub(crate) struct Day {
    pub(crate) world: World,
    pub(crate) core: Core,
    pub(crate) layout: Layout,
    storage: Arc<dyn Storage>,
    pub(crate) date: TradeDate,
    folder: Folder,
}

impl Day {
    /// How a replica of its core runs.
    pub(crate) fn replica_options(&self) -> ReplicaOptions {
        ReplicaOptions {
            data: self.folder.0.clone(),
            partition: PartitionId(0),
            capacity: Capacity::default(),
            storage: Arc::clone(&self.storage),
            explain_after: Seq(0),
        }
    }
}

pub(crate) fn a_day() -> Day {
    let folder = Folder::new("up-view");
    let date = TradeDate::new(2026, 7, 6).expect("a date");
    let storage = OsStorage::shared();
    let options = CoreOptions {
        data: folder.0.clone(),
        partition: PartitionId(0),
        capacity: Capacity::default(),
        clock: Arc::new(SystemClock),
        follows_clock: false,
        storage: Arc::clone(&storage),
        segment_bytes: 16 << 20,
        snapshots: None,
        on_fatal: |error| panic!("{error}"),
    };
    let core = Core::start(&options).expect("the core starts");
    let world = WorldOptions { clients: 150, instruments: 60, seed: 3, date };
    let world = World::new(world, &heng_rulebook::Rulebook::embedded_files()).expect("a world");
    let flow = Flow::new(&world, FlowOptions { orders: 20_000, first_order: 0 });
    run(&core, world.setup().chain(flow));
    Day { world, core, layout: Layout::new(&folder.0), storage, date, folder }
}

/// The outcomes, in the order of the commands.
pub(crate) fn run(core: &Core, commands: impl Iterator<Item = (UnixNanos, Command)>) -> Vec<Completion> {
    let mut outcomes = Vec::new();
    let (answers, answered) = channel();
    let commands: Vec<(UnixNanos, Command)> = commands.collect();
    for chunk in commands.chunks(500) {
        let requests =
            chunk.iter().map(|(time, command)| Request { command: command.clone(), ticket: 0, time: Some(*time) });
        core.port().send(requests.collect(), &answers).expect("the core takes them");
        let mut left = chunk.len();
        while left > 0 {
            let batch = answered.recv().expect("the core answers");
            left -= batch.len();
            outcomes.extend(batch);
        }
    }
    outcomes.sort_by_key(|outcome| outcome.seq);
    outcomes
}

/// Lets everybody do everything.
struct Anybody;

impl Gatekeeper for Anybody {
    fn identify<'a>(&'a self, _: Credentials<'a>) -> Later<'a, Result<Arc<Principal>, AuthFailure>> {
        Box::pin(async {
            Ok(Arc::new(Principal {
                id: 1,
                kind: PrincipalKind::Staff,
                name: "anybody".into(),
                accounts: Accounts::All,
                roles: Vec::new(),
                scopes: Vec::new(),
                credential: "none".into(),
            }))
        })
    }

    fn decide(&self, _: &Principal, _: &'static str, _: Resource) -> Decision {
        Decision::Allow
    }
}

/// The view's doors, read through a real socket.
pub(crate) struct Reading {
    pub(crate) address: String,
    pub(crate) view: tokio::sync::Mutex<TradingView>,
    _replica: Replica,
    _stop: oneshot::Sender<()>,
}

pub(crate) async fn read_from(view: TradingView, day: &Day) -> Reading {
    let (metrics, health) = (Arc::new(Metrics::default()), Health::default());
    let reader: ViewReader = view.reader();
    let port = day.core.port();
    let replica = Replica::start(&port, day.replica_options());
    let file = |name: &str| StoreOptions::at(day.layout.derived.join(name));
    let doors = Doors {
        source: Arc::new(RecordSource::new(Arc::clone(&day.storage), &day.layout, port.clone())),
        port: Arc::new(port),
        queries: Arc::new(replica.port()),
        view: reader,
        checks: CheckLog::open(&file("checks.db")).await.expect("a file").0,
        terms: TermsStore::open(&file("terms.db")).await.expect("a file"),
        options: DoorOptions::default(),
    };
    let often = std::num::NonZeroU32::new(1_000_000).expect("not zero");
    let (gate, limits) = (Arc::new(Anybody), Arc::new(RateLimits::new(often, often)));
    let routes = heng_trading::api(doors, gate, limits, &metrics, &health).router();
    let options = ServerOptions::at("127.0.0.1:0".parse().expect("an address"));
    let server = Server::bind(options, metrics, health).await.expect("a free port");
    let address = format!("http://{}", server.address());
    let (stop, stopped) = oneshot::channel::<()>();
    tokio::spawn(server.serve(routes, async {
        // A dropped sender stops the server as well.
        let _ = stopped.await;
    }));
    Reading { address, view: tokio::sync::Mutex::new(view), _replica: replica, _stop: stop }
}

/// Lets the view take everything that has left the gate.
pub(crate) async fn catch_up(day: &Day, view: &mut TradingView) {
    let mut tail =
        EventTail::open(&day.storage, &day.layout.events, view.position().sequence).expect("the record is there");
    let head = day.core.port().published().durable();
    while Seq(tail.next_sequence() - 1) < head {
        let first = Seq(tail.next_sequence());
        let mut commands = Vec::new();
        tail.next_block::<CoreError>(|frame| {
            commands.push(CommandEvents { seq: frame.seq, time: frame.time, events: frame.events });
            Ok(())
        })
        .expect("the record is sound");
        let through = Seq(tail.next_sequence() - 1);
        view.take(&EventBlock { first, commands, through }).await.expect("the view takes all that the core says");
    }
}

/// What the core knows of an account, as the doors tell it.
fn account_as_told(state: &State, row: u32) -> Value {
    let (ledger, text) = (state.ledger(), |money: Money| money.to_string());
    let cash = ledger.cash(row, Currency::Cny);
    let mut holdings: Vec<(u32, Value)> = ledger
        .positions()
        .iter()
        .filter(|position| position.account_row == row && position.total() != Qty::ZERO)
        .map(|position| {
            let id = heng_model::InstrumentId(position.instrument);
            let symbol = &state.instrument(id).expect("held instruments are defined").definition.symbol;
            let told = json!({
                "symbol": symbol, "total": position.total().to_string(), "sellable": position.sellable.to_string(),
                "frozen": position.frozen.to_string(), "unsellable": position.unsellable.to_string(),
            });
            (position.instrument, told)
        })
        .collect();
    holdings.sort_by_key(|(instrument, _)| *instrument);
    json!({
        "balance": text(cash.balance), "frozen": text(cash.frozen), "available": text(cash.available()),
        "available_hk": text(cash.available_hk()), "withdrawable": text(ledger.withdrawable(row, Currency::Cny)),
        "holdings": holdings.into_iter().map(|(_, told)| told).collect::<Vec<_>>(),
    })
}

/// Status and filled quantity of an account's orders of the day, newest first.
fn orders_as_told(state: &State, row: u32) -> Vec<Value> {
    let told = state.orders_of(row).map(|(id, order)| {
        json!({
            "order_id": id.0.to_string(), "status": order.status.name(), "filled": order.filled.to_string(),
            "quantity": order.quantity.to_string(), "code": order.reject_code().map(heng_model::RejectCode::number),
            "hold_cash": order.hold_cash.to_string(),
        })
    });
    told.take(1_000).collect()
}

/// Every account of the view is compared with the core's state.
pub(crate) fn compare(day: &Day, address: &str) -> usize {
    let known: Vec<(u64, Value, Vec<Value>)> = day
        .core
        .port()
        .inspect(|state| {
            let rows = 0..u32::try_from(state.ledger().accounts().len()).expect("few accounts");
            rows.map(|row| (state.ledger().account(row).id.0, account_as_told(state, row), orders_as_told(state, row)))
                .collect()
        })
        .expect("the core runs");
    let date = day.core.port().inspect(|state| state.trade_date().0).expect("the core runs");
    let mut orders_seen = 0;
    for (id, account, orders) in known {
        let (_, told) = get(address, &format!("/v1/accounts/{id}"));
        let cash = told["cash"].as_array().expect("a list").iter().find(|cash| cash["currency"] == "CNY").cloned();
        let cash = cash.expect("every client was given yuan");
        for name in ["balance", "frozen", "available", "available_hk", "withdrawable"] {
            assert_eq!(cash[name], account[name], "{name} of account {id}");
        }
        assert_eq!(told["holdings"], account["holdings"], "account {id}");
        let (_, told) = get(address, &format!("/v1/orders?account={id}&limit=1000&trade_date={date}"));
        let told = told["orders"].as_array().expect("a list").iter().map(|order| {
            json!({
                "order_id": order["order_id"], "status": order["status"], "filled": order["filled"],
                "quantity": order["quantity"], "code": order["reject"]["code"], "hold_cash": order["hold_cash"],
            })
        });
        let told: Vec<Value> = told.collect();
        orders_seen += told.len();
        assert_eq!(told, orders, "orders of account {id}");
    }
    orders_seen
}

// Compared with the core's own state, which lies in the memory of its process: there is one shape only.
#[test]
fn the_view_tells_what_the_core_knows() {
    let day = a_day();
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let options = StoreOptions::at(day.layout.derived.join("trading.db"));
    let reading = runtime.block_on(async {
        let (mut view, _) = TradingView::open(&options, ViewOptions::default()).await.expect("the view opens");
        catch_up(&day, &mut view).await;
        read_from(view, &day).await
    });
    // Market makers have more orders than one page shows.
    assert!(compare(&day, &reading.address) > 10_000, "most orders are compared");
    // The next day: T+1 shares become sellable, due cash comes a day closer.
    let next = day.date.plus_days(1).expect("a date");
    let open = OpenDay { date: next, random_close_s: 0 };
    run(&day.core, [(UnixNanos::at(next, 8 * 3_600 * SECOND), Command::from(open))].into_iter());
    runtime.block_on(async { catch_up(&day, &mut *reading.view.lock().await).await });
    assert_eq!(compare(&day, &reading.address), 0, "the new day has no order yet");
    let (_, metrics) = get(&reading.address, "/metrics");
    assert!(metrics.as_str().is_some_and(|text| text.contains("heng_view_parked{view=\"trading\"} 0")), "{metrics}");
    // What the core tells of its latency while it runs is what it measures.
    let port = day.core.port();
    let measured = day.core.stop().expect("the core stops").core_latency.summary();
    assert!(measured.count > 20_000 && measured.p50 > 0.0, "{measured:?}");
    assert_eq!(port.published().core_latency(), measured);
}
