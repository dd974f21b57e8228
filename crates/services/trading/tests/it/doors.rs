//! The doors over a real socket, with a port that answers what the test tells it.

use std::collections::VecDeque;
use std::io::{BufRead as _, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::house::{Gate, NoReplica, Recorded};
use heng_model::event::ParentStatus;
use heng_model::{Command, Event, OrderId, RejectCode, Seq};
use heng_ports::{Answer, CommandPort, Done, EventSource};
use heng_store::StoreOptions;
use heng_trading::{CheckLog, DoorOptions, Doors, TermsStore, TradingView, ViewOptions, ViewStatus, api};
use heng_transport::{Health, Metrics, RateLimits, Server, ServerOptions};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::oneshot;

use crate::record::{BUYER, child, day, parent, parent_changed, piece, record};

/// Answers in turn, and remembers what was asked.
#[derive(Default)]
struct Script {
    answers: Mutex<VecDeque<Answer>>,
    commands: Mutex<Vec<Command>>,
}

impl CommandPort for Script {
    fn begin(&self, command: Command, done: Done) {
        self.commands.lock().expect("no test panics with it").push(command);
        done(self.answers.lock().expect("no test panics with it").pop_front().expect("the test gave an answer"));
    }
}

pub(crate) struct House {
    address: SocketAddr,
    script: Arc<Script>,
    status: Arc<ViewStatus>,
    _stop: oneshot::Sender<()>,
    _folder: TempDir,
}

pub(crate) const OPTIONS: DoorOptions = DoorOptions {
    submit_max: Duration::from_secs(1),
    wait_max: Duration::from_millis(50),
    lag_max: Duration::from_secs(10),
};

pub(crate) fn house(options: DoorOptions) -> House {
    house_of(options, record())
}

/// The doors of a view that has taken `record` as far as it could.
fn house_of(options: DoorOptions, record: Vec<Vec<Event>>) -> House {
    let source = Arc::new(Recorded(record.clone()));
    house_over(options, record, source)
}

/// The same, where streams read from `source`.
pub(crate) fn house_over(options: DoorOptions, record: Vec<Vec<Event>>, source: Arc<dyn EventSource>) -> House {
    let (started, house) = std::sync::mpsc::channel();
    let (stop, stopped) = oneshot::channel::<()>();
    let script = Arc::new(Script::default());
    let port: Arc<dyn CommandPort> = Arc::clone(&script) as Arc<dyn CommandPort>;
    std::thread::spawn(move || {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let folder = tempfile::tempdir().expect("a temporary folder");
            let file = StoreOptions::at(folder.path().join("trading.db"));
            let (mut view, _) = TradingView::open(&file, ViewOptions::default()).await.expect("the view opens");
            let taken = view.take(&piece(&record, 1, record.len() as u64)).await;
            assert_eq!(taken.is_err(), view.status().parked().is_some(), "{taken:?}");
            let (metrics, health) = (Arc::new(Metrics::default()), Health::default());
            let checks = CheckLog::open(&StoreOptions::at(folder.path().join("checks.db"))).await.expect("a file").0;
            let terms = TermsStore::open(&StoreOptions::at(folder.path().join("terms.db"))).await.expect("a file");
            let (queries, view_reader) = (Arc::new(NoReplica), view.reader());
            let doors = Doors { port, queries, source, view: view_reader, checks, terms, options };
            let often = std::num::NonZeroU32::new(100_000).expect("not zero");
            let limits = Arc::new(RateLimits::new(often, often));
            let routes = api(doors, Arc::new(Gate), limits, &metrics, &health).router();
            let server = ServerOptions::at("127.0.0.1:0".parse().expect("an address"));
            let server = Server::bind(server, metrics, health).await.expect("a free port");
            started.send((server.address(), view.status(), folder)).expect("the test listens");
            let stop = async {
                // A dropped sender stops the server as well.
                let _ = stopped.await;
            };
            server.serve(routes, stop).await.expect("the server drains");
        });
    });
    let (address, status, folder) = house.recv().expect("the house starts");
    House { address, script, status, _stop: stop, _folder: folder }
}

impl House {
    fn send(&self, request: &str) -> (u16, Value) {
        let mut stream = TcpStream::connect(self.address).expect("a connection");
        stream.set_read_timeout(Some(Duration::from_secs(20))).expect("a socket option");
        stream.write_all(request.as_bytes()).expect("sent");
        let mut text = String::new();
        stream.read_to_string(&mut text).expect("an answer");
        let (head, body) = text.split_once("\r\n\r\n").expect("a head and a body");
        let status = head.split(' ').nth(1).expect("a status").parse().expect("a number");
        (status, serde_json::from_str(body).unwrap_or_else(|_| json!(body)))
    }

    pub(crate) fn get(&self, path: &str) -> (u16, Value) {
        self.send(&format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"))
    }

    pub(crate) fn get_as(&self, path: &str, token: &str) -> (u16, Value) {
        let head = format!("host: x\r\nconnection: close\r\nauthorization: Bearer {token}");
        self.send(&format!("GET {path} HTTP/1.1\r\n{head}\r\n\r\n"))
    }

    /// The data of the first `count` messages of a stream, whose ids are their sequences.
    pub(crate) fn stream(&self, path: &str, last: Option<u64>, count: usize) -> Vec<Value> {
        let mut stream = TcpStream::connect(self.address).expect("a connection");
        stream.set_read_timeout(Some(Duration::from_secs(20))).expect("a socket option");
        let last = last.map_or_else(String::new, |last| format!("last-event-id: {last}\r\n"));
        let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\naccept: text/event-stream\r\n{last}\r\n");
        stream.write_all(request.as_bytes()).expect("sent");
        let mut lines = std::io::BufReader::new(stream).lines();
        let (mut told, mut id) = (Vec::new(), String::new());
        while told.len() < count {
            let line = lines.next().expect("the stream goes on").expect("a line");
            if let Some(number) = line.strip_prefix("id: ") {
                number.clone_into(&mut id);
            } else if let Some(data) = line.strip_prefix("data: ") {
                let data: Value = serde_json::from_str(data).expect("JSON");
                assert_eq!(data["sequence"].to_string(), id);
                told.push(data);
            }
        }
        told
    }

    /// A stream that is open, and its status. Nobody reads it.
    pub(crate) fn open(&self, path: &str) -> (u16, TcpStream) {
        let mut stream = TcpStream::connect(self.address).expect("a connection");
        stream.set_read_timeout(Some(Duration::from_secs(20))).expect("a socket option");
        stream.write_all(format!("GET {path} HTTP/1.1\r\nhost: x\r\n\r\n").as_bytes()).expect("sent");
        let mut first = [0; 12];
        stream.read_exact(&mut first).expect("the beginning of an answer");
        (String::from_utf8_lossy(&first[9..]).parse().expect("a status"), stream)
    }

    /// What a stream tells until the server ends it.
    pub(crate) fn whole_stream(&self, path: &str, token: &str) -> String {
        let mut stream = TcpStream::connect(self.address).expect("a connection");
        stream.set_read_timeout(Some(Duration::from_secs(20))).expect("a socket option");
        let head =
            format!("host: x\r\nconnection: close\r\naccept: text/event-stream\r\nauthorization: Bearer {token}");
        stream.write_all(format!("GET {path} HTTP/1.1\r\n{head}\r\n\r\n").as_bytes()).expect("sent");
        let mut text = String::new();
        stream.read_to_string(&mut text).expect("the stream ends");
        text
    }

    fn post(&self, path: &str, body: &Value) -> (u16, Value) {
        let body = body.to_string();
        let head = "host: x\r\nconnection: close\r\ncontent-type: application/json";
        self.send(&format!("POST {path} HTTP/1.1\r\n{head}\r\ncontent-length: {}\r\n\r\n{body}", body.len()))
    }

    fn will_answer(&self, answer: Answer) {
        self.script.answers.lock().expect("no test panics with it").push_back(answer);
    }

    fn asked(&self) -> Vec<Command> {
        std::mem::take(&mut *self.script.commands.lock().expect("no test panics with it"))
    }
}

fn order() -> Value {
    json!({
        "account": "1", "client_order_id": "mine", "symbol": "600003.SH", "side": "buy", "type": "limit",
        "price": "10.05", "quantity": "100",
    })
}

fn accepted(id: u64, sequence: u64, repeated: bool) -> Answer {
    Answer::Accepted { sequence: Seq(sequence), id, repeated }
}

fn rejected(id: u64, sequence: u64, code: RejectCode, repeated: bool) -> Answer {
    Answer::Rejected { sequence: Seq(sequence), id, code, repeated }
}

#[test]
fn a_new_order_reaches_the_port_and_is_answered() {
    let house = house(OPTIONS);
    house.will_answer(accepted(77, 40, false));
    let (status, told) = house.post("/v1/orders", &order());
    assert_eq!(status, 201);
    assert_eq!((told["order_id"].as_str(), told["sequence"].as_u64()), (Some("77"), Some(40)));
    assert_eq!((told["status"].as_str(), told["repeated"].as_bool()), (Some("accepted"), Some(false)));
    assert_eq!(told["trade_date"], "2026-07-07");
    let asked = house.asked();
    let [Command::NewOrder(asked)] = asked.as_slice() else { panic!("one new order: {asked:?}") };
    assert_eq!((asked.trade_date, asked.instrument, asked.price.0), (day(1), crate::record::STOCK, 100_500));
    assert_eq!(asked.client_order.to_text(), "mine");
}

#[test]
fn a_repeat_is_told_the_first_outcome_with_its_first_sequence() {
    let house = house(OPTIONS);
    house.will_answer(accepted(10, 21, true));
    let (status, told) = house.post("/v1/orders", &order());
    assert_eq!((status, told["order_id"].as_str(), told["sequence"].as_u64()), (200, Some("10"), Some(9)));
    assert_eq!(told["repeated"], true);
    house.will_answer(rejected(12, 21, RejectCode::PriceLimit, true));
    let (status, told) = house.post("/v1/orders", &order());
    assert_eq!((status, told["order_id"].as_str(), told["sequence"].as_u64()), (409, Some("12"), Some(11)));
}

#[test]
fn refusals_have_a_status_a_code_and_both_texts() {
    let house = house(OPTIONS);
    let check = |answer, status: u16, code: RejectCode| {
        house.will_answer(answer);
        let (found, told) = house.post("/v1/orders", &order());
        assert_eq!((found, told["code"].as_u64()), (status, Some(u64::from(code.number()))));
        assert_eq!((told["title"].as_str(), told["title_zh"].as_str()), (Some(code.english()), Some(code.chinese())));
        assert_eq!(told["client_order_id"], "mine");
    };
    check(rejected(5, 30, RejectCode::InsufficientCash, false), 409, RejectCode::InsufficientCash);
    check(rejected(5, 30, RejectCode::KeyReused, true), 409, RejectCode::KeyReused);
    check(rejected(0, 0, RejectCode::Overloaded, false), 429, RejectCode::Overloaded);
    check(rejected(0, 0, RejectCode::DiskFull, false), 503, RejectCode::DiskFull);
    check(rejected(0, 0, RejectCode::ShuttingDown, false), 503, RejectCode::ShuttingDown);
    house.asked();
    let mut unknown = order();
    unknown["symbol"] = json!("999999.SH");
    let (status, told) = house.post("/v1/orders", &unknown);
    assert_eq!((status, told["code_name"].as_str()), (404, Some("UnknownInstrument")));
    assert!(house.asked().is_empty(), "an unknown symbol never reaches the core");
}

#[test]
fn an_unknown_outcome_tells_how_to_resolve_it() {
    let house = house(OPTIONS);
    house.will_answer(Answer::Unknown);
    let (status, told) = house.post("/v1/orders", &order());
    assert_eq!((status, told["code_name"].as_str()), (503, Some("OutcomeUnknown")));
    assert_eq!(told["key"], json!({ "account": "1", "trade_date": "2026-07-07", "client_order_id": "mine" }));
    assert_eq!(told["resolve"]["read"], "/v1/orders?account=1&trade_date=2026-07-07&client_order_id=mine");
    let (status, found) = house.get(told["resolve"]["read"].as_str().expect("an address"));
    assert_eq!((status, found["orders"].as_array().map(Vec::len)), (200, Some(0)));
}

#[test]
fn a_lagging_view_refuses_new_orders_and_never_cancels() {
    let house = house(DoorOptions { lag_max: Duration::ZERO, ..OPTIONS });
    house.will_answer(accepted(1, 30, false));
    assert_eq!(house.post("/v1/orders", &order()).0, 201, "no lag, no refusal");
    house.status.saw_head(1_000);
    let (status, told) = house.post("/v1/orders", &order());
    assert_eq!((status, told["code_name"].as_str()), (503, Some("ViewsLag")));
    house.asked();
    house.will_answer(accepted(10, 31, false));
    let (status, told) = house.post("/v1/orders/10/cancel", &json!({ "account": "1" }));
    assert_eq!((status, told["status"].as_str()), (200, Some("cancel-accepted")));
    assert!(matches!(house.asked().as_slice(), [Command::CancelOrder(cancel)] if cancel.order == OrderId(10)));
    let (_, health) = house.get("/healthz");
    assert_eq!(health["parts"]["trading-view"]["well"], true, "a lag below a second is no alarm");
}

#[test]
fn cancels_are_refused_by_name() {
    let house = house(OPTIONS);
    house.will_answer(rejected(0, 33, RejectCode::UnknownOrder, false));
    assert_eq!(house.post("/v1/orders/5/cancel", &json!({ "account": "1" })).0, 404);
    house.will_answer(rejected(5, 34, RejectCode::OrderDone, false));
    let (status, told) = house.post("/v1/orders/5/cancel", &json!({ "account": "1" }));
    assert_eq!((status, told["code"].as_u64()), (409, Some(601)));
    house.will_answer(rejected(0, 0, RejectCode::DiskFull, false));
    let (status, told) = house.post("/v1/orders/5/cancel", &json!({ "account": "1" }));
    assert_eq!((status, &told["sequence"]), (503, &Value::Null), "what never became a command has no sequence");
    assert_eq!(house.post("/v1/orders/x/cancel", &json!({ "account": "1" })).0, 400);
    let (status, told) = house.post("/v1/orders/5/cancel", &json!({}));
    assert!(status == 400 && told["detail"].as_str().is_some_and(|detail| detail.contains("account")), "{told}");
    house.will_answer(Answer::Unknown);
    assert_eq!(house.post("/v1/orders/5/cancel", &json!({ "account": "1" })).0, 503);
}

#[test]
fn orders_are_read_with_their_fills_and_position() {
    let house = house(OPTIONS);
    let (status, told) = house.get("/v1/orders/10");
    assert_eq!((status, told["as_of_sequence"].as_u64()), (200, Some(21)));
    assert_eq!((told["status"].as_str(), told["filled"].as_str()), (Some("partly-cancelled"), Some("300")));
    assert_eq!((told["symbol"].as_str(), told["price"].as_str()), (Some("600003.SH"), Some("10.00")));
    assert_eq!(told["fills"][0]["cash"], "-3005.00");
    assert_eq!(house.get("/v1/orders/99").0, 404);
    let (status, told) = house.get("/v1/orders/%ff");
    assert_eq!((status, told["code"].as_u64()), (400, Some(901)), "bytes that are no text are refused as any other id");
    let (_, told) = house.get("/v1/orders/12");
    assert_eq!(
        (told["reject"]["code"].as_u64(), told["reject"]["title_zh"].as_str()),
        (Some(311), Some("委托价格超出涨跌幅限制"))
    );
}

#[test]
fn orders_are_listed_newest_first_in_pages() {
    let house = house(OPTIONS);
    let ids = |told: &Value| -> Vec<String> {
        let list = told["orders"].as_array().expect("a list").iter();
        list.map(|order| order["order_id"].as_str().expect("an id").to_owned()).collect()
    };
    let (_, page) = house.get("/v1/orders?account=1&limit=2");
    assert_eq!((ids(&page), page["next_before"].as_str()), (vec!["15".into(), "14".into()], Some("14")));
    let (_, page) = house.get("/v1/orders?account=1&limit=2&before=14");
    assert_eq!(ids(&page), ["12", "10"]);
    let (_, live) = house.get("/v1/orders?account=1&status=live");
    assert_eq!(ids(&live), ["15"]);
    let (_, by_key) = house.get("/v1/orders?account=1&trade_date=2026-07-06&client_order_id=c-12");
    assert_eq!(ids(&by_key), ["12"]);
    let (status, told) = house.get("/v1/orders?limit=2");
    assert!(status == 400 && told["detail"].as_str().is_some_and(|detail| detail.contains("account")), "{told}");
    assert_eq!(house.get("/v1/orders?account=1&colour=red").0, 400);
}

#[test]
fn a_read_waits_for_the_sequence_that_it_asks_for() {
    let house = house(OPTIONS);
    assert_eq!(house.get("/v1/orders?account=1&min_sequence=21").0, 200);
    // The record of the house ends at 21; what nobody can know yet is a mistake of the caller.
    let (status, told) = house.get("/v1/orders?account=1&min_sequence=22");
    assert_eq!((status, told["code_name"].as_str()), (404, Some("BeyondTheRecord")));
}

#[test]
fn accounts_and_instruments_are_read() {
    let house = house(OPTIONS);
    let (status, told) = house.get("/v1/accounts/1");
    assert_eq!(status, 200);
    assert_eq!(
        told["cash"][0],
        json!({
            "currency": "CNY", "balance": "6995.00", "frozen": "0.00", "available": "6995.00",
            "available_hk": "6995.00", "due_next_day": "0.00", "due_later": "0.00", "withdrawable": "6995.00",
        })
    );
    assert_eq!(
        told["holdings"][0],
        json!({
            "symbol": "600003.SH", "total": "300", "sellable": "200", "frozen": "100", "unsellable": "0",
        })
    );
    assert_eq!(house.get("/v1/accounts/9").0, 404);
    let (_, told) = house.get("/v1/instruments");
    assert_eq!((told["trade_date"].as_str(), told["day_open"].as_bool()), (Some("2026-07-07"), Some(true)));
    let stock = &told["instruments"][0];
    assert_eq!((stock["symbol"].as_str(), stock["phase"].as_str()), (Some("600003.SH"), Some("continuous")));
    assert_eq!((stock["limit_up"].as_str(), stock["tick"].as_str()), (Some("11.00"), Some("0.01")));
}

#[test]
fn parents_are_read_with_their_children_and_position() {
    let mut record = record();
    record.extend([
        vec![parent(7, BUYER, 500), parent(8, BUYER, 100)],
        vec![parent_changed(7, ParentStatus::Working, 3), parent_changed(8, ParentStatus::Done, 0)],
        vec![child(20, 7, BUYER, 200, "2005.00")],
    ]);
    let house = house_of(OPTIONS, record);
    let (status, told) = house.get("/v1/parents/7?min_sequence=24");
    assert_eq!((status, told["as_of_sequence"].as_u64()), (200, Some(24)), "{told}");
    assert_eq!((told["status"].as_str(), told["quantity"].as_str()), (Some("working"), Some("500")));
    assert_eq!(
        (told["epoch"].as_u64(), told["children"].as_u64(), told["filled"].as_str()),
        (Some(3), Some(1), Some("0"))
    );
    assert_eq!((told["symbol"].as_str(), told["trade_date"].as_str()), (Some("600003.SH"), Some("2026-07-07")));
    assert_eq!((told["orders"][0]["order_id"].as_str(), told["orders"][0]["parent"].as_str()), (Some("20"), Some("7")));
    let ids = |path: &str| -> Vec<String> {
        let (status, told) = house.get(path);
        assert_eq!((status, told["as_of_sequence"].as_u64()), (200, Some(24)), "{told}");
        let list = told["parents"].as_array().expect("a list").iter();
        list.map(|parent| parent["parent_id"].as_str().expect("an id").to_owned()).collect()
    };
    assert_eq!(ids("/v1/parents?account=1"), ["8", "7"]);
    assert_eq!(ids("/v1/parents?account=1&status=live"), ["7"]);
    assert_eq!(ids("/v1/parents?account=1&before=8"), ["7"]);
    assert_eq!(ids("/v1/parents?account=1&client_order_id=p-8&trade_date=2026-07-07"), ["8"]);
    assert!(ids("/v1/parents?account=2").is_empty());
    let (status, told) = house.get("/v1/parents/9");
    assert_eq!((status, told["code_name"].as_str()), (404, Some("UnknownParent")));
    assert_eq!(house.get("/v1/parents").0, 400);
}

#[test]
fn days_are_told_with_their_counts() {
    let house = house(OPTIONS);
    let (status, told) = house.get("/v1/days?limit=5");
    assert_eq!((status, told["as_of_sequence"].as_u64()), (200, Some(21)));
    assert_eq!(
        told["days"][1],
        json!({
            "trade_date": "2026-07-06", "opened_sequence": 6, "closed": true, "orders": 5, "fills": 2, "trades": 1,
            "kept": true,
        })
    );
    assert_eq!(told["days"].as_array().map(Vec::len), Some(2));
}

#[test]
fn a_parked_view_tells_where_since_when_and_why_in_both_languages() {
    let mut record = record();
    record[8][0] = child(10, 7, BUYER, 500, "5005.00");
    let house = house_of(OPTIONS, record);
    let (_, health) = house.get("/healthz");
    assert_eq!(
        (health["status"].as_str(), health["parts"]["trading-view"]["well"].as_bool()),
        (Some("degraded"), Some(false))
    );
    let detail = health["parts"]["trading-view"]["detail"].as_str().expect("text");
    let since = house.status.parked().expect("it is parked").since.date().expect("a date").to_string();
    for part in [
        &format!("parked since {since}T"),
        "at event 9.0 (OrderPlaced), attempt 1, will try again: parent 7 is not in the view",
        &format!("自 {since}T"),
        "起停在事件 9.0（OrderPlaced），已试 1 次，将自动重试：视图中没有母单 7",
    ] {
        assert!(detail.contains(part), "{part} is not in {detail}");
    }
    let (_, metrics) = house.get("/metrics");
    assert!(metrics.as_str().is_some_and(|text| text.contains("heng_view_parked{view=\"trading\"} 1")), "{metrics}");
}

#[test]
fn a_stream_ends_by_name_when_its_caller_loses_the_right_to_it() {
    let house = house(OPTIONS);
    for (path, token, reason) in [
        ("/v1/stream/trade-events?since=0", "ended", "revoked"),
        ("/v1/stream/drop-copy?since=0", "ended", "revoked"),
        ("/v1/stream/drop-copy?since=0", "moved", "changed"),
    ] {
        let began = std::time::Instant::now();
        let told = house.whole_stream(path, token);
        assert!(told.contains("event: trade"), "the record comes first: {told}");
        let last = told.rsplit_once("event: dropped\ndata: ").unwrap_or_else(|| panic!("{token}: {told}")).1;
        let last: Value = serde_json::from_str(last.lines().next().expect("a line")).expect("JSON");
        assert_eq!((&last["type"], &last["reason"]), (&json!("dropped"), &json!(reason)), "{token}");
        assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    }
    let (_, metrics) = house.get("/metrics");
    assert!(metrics.as_str().is_some_and(|text| text.contains("\nheng_trade_streams 0\n")), "{metrics}");
}
