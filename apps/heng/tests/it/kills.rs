//! A process of the broker is killed under load and comes back: no answer that was given turns out untrue, no order
//! stands twice, what was on its way is decided, and every client goes on where it was.

use std::collections::BTreeMap;
use std::net::TcpStream;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::{Scope, ScopedJoinHandle};
use std::time::Duration;

use serde_json::{Value, json};

use crate::clients::{Goal, Line, Resume, Watched, follow_events, follow_market};
use crate::fix_client::FixClient;
use crate::house::{Folder, House, Plan, Shape, host, in_both_shapes, keyed, until};

/// Connections that place orders at the same time, each one behind the answer to the one before.
const CONNECTIONS: usize = 6;
/// How long each of them waits in between: an account may send 300 orders in a second.
const PACE: Duration = Duration::from_millis(20);
/// Orders that are acknowledged before the kill, at least.
const ACKNOWLEDGED: usize = 300;

/// What the keys of all orders here begin with.
const KEYS: &str = "kill-";

/// The process that is killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Victim {
    Core,
    Doors,
}

in_both_shapes!(a_killed_core_comes_back_with_everything_it_answered);

fn a_killed_core_comes_back_with_everything_it_answered(shape: Shape) {
    survive(shape, Victim::Core);
}

// In one process there are no doors to kill alone.
#[test]
fn killed_doors_come_back_to_a_core_that_went_on() {
    survive(Shape::Apart, Victim::Doors);
}

/// What a client knows of an order that it placed.
#[derive(Clone, Debug)]
enum Known {
    /// Acknowledged under this number.
    Placed(String),
    /// Refused before it reached the core.
    NotSent,
    /// The connection broke, or the answer says that the outcome is unknown.
    Open,
}

/// What the client may make of an answer to an order.
fn known(answered: &std::io::Result<(u16, Value)>) -> Known {
    let Ok((status, told)) = answered else { return Known::Open };
    match (status, told["code_name"].as_str()) {
        (200 | 201, _) => Known::Placed(told["order_id"].as_str().expect("a number").to_owned()),
        (503, Some("CoreUnreachable")) => Known::NotSent,
        (503, Some("OutcomeUnknown")) => {
            assert_eq!(told["outcome"], "unknown", "{told}");
            assert!(told["key"]["trade_date"].is_string() && told["resolve"]["read"].is_string(), "{told}");
            Known::Open
        }
        _ => panic!("neither placed nor open: {status} {told}"),
    }
}

/// The orders of a test.
struct Orders {
    /// A buy that rests at the lowest price of the day.
    resting: Value,
    /// A buy at a price of the market.
    trading: Value,
    /// Whose they are: the first client's, and those of the richest of the others.
    accounts: [String; 2],
}

impl Orders {
    fn of(house: &House) -> Self {
        let (trading, first) = (house.first_order.clone(), house.account());
        let (_, told) = house.get("/v1/accounts?limit=1000");
        let others = told["accounts"].as_array().expect("a list").iter().filter(|listed| listed["account"] != first);
        let balance = |listed: &&Value| listed["balance"].as_str().expect("text").parse::<f64>().expect("a number");
        let richest = others.max_by(|a, b| balance(a).total_cmp(&balance(b))).expect("there are many");
        let accounts = [first, richest["account"].as_str().expect("text").to_owned()];
        Self { resting: keyed(&trading, "", Some(&house.low())), trading, accounts }
    }

    /// One of a connection; some trade.
    fn order(&self, connection: usize, number: usize) -> Value {
        let kind = if number % 10 == 9 { &self.trading } else { &self.resting };
        let mut order = keyed(kind, &format!("{KEYS}{connection}-{number}"), None);
        order["account"] = json!(self.accounts[connection % 2]);
        order
    }
}

/// Places orders until one is not acknowledged.
fn place_until_cut(mut line: Line, connection: usize, orders: &Orders, placed: &AtomicUsize) -> Vec<(Value, Known)> {
    let (mut told, pace) = (Vec::new(), Goal::default());
    loop {
        let order = orders.order(connection, told.len());
        let known = known(&line.ask("POST", "/v1/orders", &order));
        let goes_on = matches!(known, Known::Placed(_));
        told.push((order, known));
        if !goes_on {
            return told;
        }
        placed.fetch_add(1, Ordering::Relaxed);
        pace.pause(PACE);
    }
}

/// Clients that watch, and what they are to reach.
struct Watching<'scope> {
    trade_events: ScopedJoinHandle<'scope, Vec<Value>>,
    drop_copy: ScopedJoinHandle<'scope, Vec<Value>>,
    market: ScopedJoinHandle<'scope, Watched>,
}

/// Which commands the watchers are to see.
#[derive(Default)]
struct Goals {
    events: Goal,
    market: Goal,
}

/// Lets the watchers go if the test fails before it knows their goals.
struct LetGo<'a>(&'a Goals);

impl Drop for LetGo<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.events.set(0);
            self.0.market.set(0);
        }
    }
}

impl<'scope> Watching<'scope> {
    fn begin(scope: &'scope Scope<'scope, '_>, house: &House, goals: &'scope Goals) -> Self {
        let (address, staff) = (house.address.clone(), house.token.clone());
        let client = house.ready["token"]["client"].as_str().expect("a token").to_owned();
        let (_, told) = house.get("/v1/instruments?limit=1000");
        let first = house.first_order["symbol"].as_str().expect("a symbol").to_owned();
        let listed = told["instruments"].as_array().expect("a list").iter();
        let others = listed.filter_map(|listed| listed["symbol"].as_str()).filter(|symbol| *symbol != first).take(4);
        let symbols: Vec<String> = std::iter::once(first.clone()).chain(others.map(str::to_owned)).collect();
        let at = address.clone();
        let trade_events = scope
            .spawn(move || follow_events(&at, "/v1/stream/trade-events", &client, Resume::LastEventId, &goals.events));
        let (at, token) = (address.clone(), staff.clone());
        let drop_copy =
            scope.spawn(move || follow_events(&at, "/v1/stream/drop-copy", &token, Resume::Since, &goals.events));
        let market = scope.spawn(move || follow_market(&address, &staff, &symbols, &goals.market));
        Self { trade_events, drop_copy, market }
    }
}

/// Everything that a fresh reader is told, page by page.
fn read_all(line: &mut Line, path: &str) -> Vec<Value> {
    let (mut since, mut all) = (0, Vec::new());
    loop {
        let page = line.ask("GET", &format!("{path}?limit=1000&since={since}"), &Value::Null).expect("an answer");
        assert_eq!(page.0, 200, "{}", page.1);
        all.extend(page.1["commands"].as_array().expect("a list").iter().cloned());
        since = page.1["next_since"].as_u64().expect("a sequence");
        if page.1["caught_up"] == true {
            return all;
        }
    }
}

/// What was watched through the kill is what a fresh reader is told: everything, in order, once.
fn check_events(mut watched: Vec<Value>, mut fresh: Vec<Value>, through: u64) {
    let is_asked = |event: &Value| event["sequence"].as_u64().is_some_and(|sequence| sequence <= through);
    watched.retain(is_asked);
    fresh.retain(is_asked);
    assert!(fresh.len() >= ACKNOWLEDGED / 2, "{} commands up to {through}", fresh.len());
    let sequences = |events: &[Value]| events.iter().filter_map(|event| event["sequence"].as_u64()).collect::<Vec<_>>();
    assert_eq!(sequences(&watched), sequences(&fresh));
    assert_eq!(watched, fresh);
}

/// The client's orders after the return, asked over one connection.
struct Desk {
    line: Line,
}

impl Desk {
    fn place(&mut self, order: &Value) -> (u16, Value) {
        self.line.ask("POST", "/v1/orders", order).expect("an answer")
    }

    fn by_key(&mut self, order: &Value, sequence: u64) -> (u16, Value) {
        let text = |name: &str| order[name].as_str().expect("text");
        let (account, key) = (text("account"), text("client_order_id"));
        let path = format!("/v1/orders/by-key?account={account}&client_order_id={key}&min_sequence={sequence}");
        self.line.ask("GET", &path, &Value::Null).expect("an answer")
    }

    /// Finds out what became of an order, as of a command behind the return, and places it again.
    fn resolve(&mut self, order: &Value, sequence: u64) -> String {
        let (status, found) = self.by_key(order, sequence);
        let decided = match status {
            200 => found["outcome"] == "accepted",
            404 => found["as_of_sequence"].as_u64() >= Some(sequence),
            _ => false,
        };
        assert!(decided, "{status} {found}");
        let (again, told) = self.place(order);
        let expected = if status == 200 { (200, &json!(true)) } else { (201, &json!(false)) };
        assert_eq!((again, &told["repeated"]), expected, "{found}\n{told}");
        assert!(status == 404 || told["order_id"] == found["order_id"], "{found}\n{told}");
        let (once_more, repeated) = self.place(order);
        assert_eq!((once_more, &repeated["order_id"]), (200, &told["order_id"]), "{repeated}");
        told["order_id"].as_str().expect("a number").to_owned()
    }

    /// The test's orders of an account: their numbers by key, each once.
    fn listed(&mut self, account: &str, sequence: u64) -> BTreeMap<String, String> {
        let mut listed = BTreeMap::new();
        let mut before = String::new();
        loop {
            let path = format!("/v1/orders?account={account}&limit=1000&min_sequence={sequence}{before}");
            let (status, page) = self.line.ask("GET", &path, &Value::Null).expect("an answer");
            assert_eq!(status, 200, "{page}");
            for order in page["orders"].as_array().expect("a list") {
                let text = |name: &str| order[name].as_str().expect("text").to_owned();
                assert_eq!(listed.insert(text("client_order_id"), text("order_id")), None, "twice: {order}");
            }
            let Some(next) = page["next_before"].as_str() else {
                listed.retain(|key: &String, _| key.starts_with(KEYS));
                return listed;
            };
            before = format!("&before={next}");
        }
    }
}

/// While the process is away nobody is told that an order was placed.
fn check_away(house: &House, order: &Value, core_apart: bool) {
    if !core_apart {
        assert!(TcpStream::connect(host(&house.address)).is_err(), "nobody is there");
        return;
    }
    let tried = || house.place(order).1;
    let told = until("the doors know that the core is away", tried, |told| told["code_name"] == "CoreUnreachable");
    assert!(told["order_id"].is_null() && told["sequence"].is_null(), "{told}");
    // What the views hold is still told.
    assert_eq!(house.get("/v1/instruments?limit=1").0, 200);
    assert_eq!(house.get("/healthz").1["status"], "degraded");
}

/// Everything that clients did until the kill.
struct Before {
    /// Orders over HTTP, and what their clients know.
    told: Vec<(Value, Known)>,
    /// Keys of the orders over FIX, the open one last.
    fix_keys: Vec<String>,
}

/// Trades over all doors until the process is killed in the middle of it.
fn trade_until_killed(house: &mut House, orders: &Orders, fix: &mut FixClient, victim: Victim) -> Before {
    let (address, token, placed) = (house.address.clone(), house.token.clone(), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        let load = |connection| {
            let (line, placed) = (Line::new(&address, &token), &placed);
            scope.spawn(move || place_until_cut(line, connection, orders, placed))
        };
        let load: Vec<_> = (0..CONNECTIONS).map(load).collect();
        let fix_load = scope.spawn(|| fix.trade_until_cut(&format!("{KEYS}fix-"), PACE));
        let count = || json!(placed.load(Ordering::Relaxed));
        until("orders are placed", count, |count| count.as_u64() >= Some(ACKNOWLEDGED as u64));
        match victim {
            Victim::Core => house.kill_core(),
            Victim::Doors => house.kill_doors(),
        }
        let told = load.into_iter().flat_map(|load| load.join().expect("a connection's thread")).collect();
        Before { told, fix_keys: fix_load.join().expect("the FIX client's thread") }
    })
}

/// What became of each order of before; the numbers of all that stand, by key.
fn settle(before: Before, desk: &mut Desk, fix: &mut FixClient, sequence: u64) -> BTreeMap<String, String> {
    let mut standing = BTreeMap::new();
    for (order, known) in before.told {
        let key = order["client_order_id"].as_str().expect("text").to_owned();
        let number = match known {
            Known::Placed(number) => {
                let (status, found) = desk.by_key(&order, sequence);
                assert_eq!((status, found["outcome"].as_str()), (200, Some("accepted")), "{key}: {found}");
                assert_eq!(found["order_id"], json!(number), "{key}");
                number
            }
            Known::NotSent | Known::Open => desk.resolve(&order, sequence),
        };
        standing.insert(key, number);
    }
    fix.decide(before.fix_keys.last().expect("one at least"));
    standing.extend(fix.taken());
    standing
}

fn survive(shape: Shape, victim: Victim) {
    let folder = Folder::new("kills");
    let mut house = House::of(Plan::new(shape, &folder.0, 21, 100));
    let (orders, goals) = (Orders::of(&house), Goals::default());
    // Tokens of before the kill are good for everything behind it.
    let (address, token) = (house.address.clone(), house.token.clone());
    let client_token = house.ready["token"]["client"].as_str().expect("a token").to_owned();
    let mut fix = FixClient::connect(&house.ready["fix"], orders.resting.clone());
    let doors_live = (shape, victim) == (Shape::Apart, Victim::Core);
    std::thread::scope(|scope| {
        let _let_go = LetGo(&goals);
        let watching = Watching::begin(scope, &house, &goals);
        let before = trade_until_killed(&mut house, &orders, &mut fix, victim);
        let away = keyed(&orders.resting, &format!("{KEYS}away"), None);
        check_away(&house, &away, doors_live);
        match victim {
            Victim::Core => house.start_core(),
            Victim::Doors => house.start_doors(),
        }
        let mut desk = Desk { line: Line::new(&address, &token) };
        let marker = keyed(&orders.resting, &format!("{KEYS}back"), None);
        let back = until("the market is back", || desk.place(&marker).1, |told| told["sequence"].is_u64());
        let sequence = back["sequence"].as_u64().expect("a sequence");
        goals.market.set(sequence);
        if victim == Victim::Doors {
            let number = |text: &str| text.parse::<u64>().expect("a number");
            let acknowledged = before.told.iter().filter_map(|(_, known)| match known {
                Known::Placed(order) => Some(number(order)),
                Known::NotSent | Known::Open => None,
            });
            let last = acknowledged.max().expect("many");
            // Orders are numbered one by one, whoever places them.
            let meanwhile = number(back["order_id"].as_str().expect("text")) - last;
            assert!(meanwhile > 2 * CONNECTIONS as u64, "the core went on: {meanwhile}");
        }
        let mut standing = settle(before, &mut desk, &mut fix, sequence);
        assert_eq!(desk.by_key(&away, sequence).0, 404, "it was never placed");
        let (_, last) = desk.place(&keyed(&orders.resting, &format!("{KEYS}last"), None));
        for told in [back, last.clone()] {
            let text = |name: &str| told[name].as_str().expect("text").to_owned();
            standing.insert(text("client_order_id"), text("order_id"));
        }
        let sequence = last["sequence"].as_u64().expect("a sequence");
        let mut listed = desk.listed(&orders.accounts[0], sequence);
        listed.append(&mut desk.listed(&orders.accounts[1], sequence));
        assert_eq!(listed, standing);

        goals.events.set(sequence);
        let trade_events = watching.trade_events.join().expect("the stream of trade events");
        let mut client = Line::new(&address, &client_token);
        check_events(trade_events, read_all(&mut client, "/v1/trade-events"), sequence);
        let drop_copy = watching.drop_copy.join().expect("the stream of the drop copy");
        check_events(drop_copy, read_all(&mut desk.line, "/v1/drop-copy"), sequence);
        let market = watching.market.join().expect("the stream of the market");
        assert!(market.updates > 0 && (doors_live || market.connections >= 2), "{market:?}");
    });
    assert_eq!(house.terminate(), Some(0));
}
