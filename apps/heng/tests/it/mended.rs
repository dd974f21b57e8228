//! One start of the real binary with what a newcomer finds: a partner with credentials, full charts, real rates.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::{Folder, arg, heng, text};

const PATIENCE: Duration = Duration::from_secs(30);

struct Running {
    child: Child,
    told: Value,
    _folder: Folder,
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Starts a small market and waits for its ready file.
fn start() -> Running {
    let folder = Folder::new();
    let (data, ready) = (folder.join("data"), folder.join("ready.json"));
    let mut command = heng();
    command.args(["up", "--headless", "--http-port", "0", "--fix-port", "0", "--demo-clients", "3"]);
    command.args(["--clients", "60", "--instruments", "20", "--data", arg(&data), "--ready-file", arg(&ready)]);
    let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let mut running = Running { child, told: Value::Null, _folder: folder };
    let told = until("the ready file", || std::fs::read(&ready).ok());
    running.told = serde_json::from_slice(&told).unwrap();
    running
}

fn until<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(found) = ask() {
            return found;
        }
        assert!(began.elapsed() < PATIENCE, "{what} did not come");
        std::thread::yield_now();
    }
}

impl Running {
    fn connect(&self) -> TcpStream {
        let address = self.told["http"].as_str().unwrap().trim_start_matches("http://");
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream
    }

    fn send(&self, head: &str, token: &str, (kind, body): (&str, &str)) -> (u16, Value) {
        let mut stream = self.connect();
        let token = if token.is_empty() { String::new() } else { format!("authorization: Bearer {token}\r\n") };
        let kind = if body.is_empty() { String::new() } else { format!("content-type: {kind}\r\n") };
        let length = body.len();
        let request = format!(
            "{head} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{token}{kind}content-length: {length}\r\n\r\n{body}"
        );
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        let answer = text(&answer);
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        (status, serde_json::from_str(body).unwrap_or_else(|_| json!(body)))
    }

    fn get(&self, path: &str, token: &str) -> Value {
        let (status, told) = self.send(&format!("GET {path}"), token, ("", ""));
        assert_eq!(status, 200, "{path}: {told}");
        told
    }

    fn form(&self, path: &str, form: &str) -> (u16, Value) {
        self.send(&format!("POST {path}"), "", ("application/x-www-form-urlencoded", form))
    }

    fn staff(&self) -> &str {
        self.told["token"]["staff"].as_str().unwrap()
    }
}

fn partner_reads_drop_copy_until_its_token_is_revoked(house: &Running) {
    let oauth = &house.told["oauth"];
    let [id, secret, url] = ["client_id", "client_secret", "token_url"].map(|key| oauth[key].as_str().unwrap());
    let path = url.strip_prefix(house.told["http"].as_str().unwrap()).expect("the endpoint is at the HTTP door");
    let scopes: Vec<&str> = oauth["scopes"].as_array().unwrap().iter().map(|scope| scope.as_str().unwrap()).collect();
    assert!(scopes.contains(&"dropcopy.read"), "{scopes:?}");
    let proof = format!("client_id={id}&client_secret={secret}");
    let (status, issued) = house.form(path, &format!("grant_type=client_credentials&scope=dropcopy.read&{proof}"));
    assert_eq!(status, 200, "{issued}");
    let token = issued["access_token"].as_str().unwrap();
    assert_eq!(house.send("POST /v1/orders/estimate", token, ("application/json", "{}")).0, 403, "only its scope");
    let page = house.get("/v1/drop-copy?since=0&limit=5", token);
    assert!(page["next_since"].as_u64().unwrap() > 0, "{page}");

    let mut stream = house.connect();
    let head = format!("host: x\r\naccept: text/event-stream\r\nauthorization: Bearer {token}");
    stream.write_all(format!("GET /v1/stream/drop-copy HTTP/1.1\r\n{head}\r\n\r\n").as_bytes()).unwrap();
    let mut lines = BufReader::new(stream).lines().map(Result::unwrap);
    assert!(lines.next().unwrap().contains(" 200 "));
    let (status, _) = house.form("/oauth/revoke", &format!("token={token}&{proof}"));
    let revoked = Instant::now();
    assert_eq!(status, 200);
    assert!(lines.any(|line| line == "event: dropped"), "the stream ends by name");
    let data = lines.next().unwrap();
    assert_eq!(serde_json::from_str::<Value>(data.trim_start_matches("data: ")).unwrap()["reason"], "revoked");
    assert!(revoked.elapsed() < Duration::from_secs(8), "five seconds, and room for a busy machine");
    assert_eq!(house.send("GET /v1/drop-copy", token, ("", "")).0, 401);
}

fn charts_are_full_from_the_first_second(house: &Running) {
    let symbol = house.told["instruments"][0].as_str().unwrap();
    let ask = |rest: &str| house.get(&format!("/v1/market/{symbol}/{rest}"), house.staff());
    let days = ask("candles?period=1d&limit=300");
    let items = days["items"].as_array().unwrap();
    assert!(items.len() >= 250, "a year of days: {}", items.len());
    assert_eq!(days["generated_until"], "2026-07-03", "{}", days["generated_until"]);
    let last = items.iter().rfind(|item| item["time"].as_str().unwrap() <= "2026-07-03").unwrap();
    assert_eq!(last["close"], ask("intraday")["prev_close"], "the past ends where today begins");
    assert_eq!(ask("candles?period=1m&to=2026-07-05&limit=1000")["items"].as_array().unwrap().len(), 1_000);
    assert_eq!(ask("candles?period=1m&from=2026-07-06")["generated_until"], Value::Null);
    let past = ask("intraday?date=2026-07-02");
    assert_eq!((past["generated"].as_bool(), past["items"].as_array().unwrap().len()), (Some(true), 240));
    let line = ask("indicators?name=ma&period=1d&limit=60");
    let known = |value: &Value| !value.is_null();
    assert!(line["lines"][0]["values"].as_array().unwrap().iter().all(known), "no window is empty: {line}");
    // A stock goes ex dividend once a year: prices before it are lower when they are made comparable.
    let factors = days["factors"].as_array().unwrap();
    assert!((1..=2).contains(&factors.len()), "{factors:?}");
    let adjusted = ask("candles?period=1d&limit=300&adjust=forward");
    assert_ne!(adjusted["items"][0]["close"], days["items"][0]["close"]);
}

fn rates_are_those_of_the_doors(house: &Running) {
    let stats = || house.get("/v1/system/stats?seconds=5", house.staff())["now"].clone();
    let now = until("a rate", || Some(stats()).filter(|now| now["requests_per_s"].as_f64().unwrap_or(0.0) > 0.0));
    for field in ["fix_in_per_s", "fix_out_per_s", "websocket_streams", "sse_streams", "dropped_subscribers"] {
        assert!(now[field].is_number(), "{field}: {now}");
    }
    let mut stream = house.connect();
    let head = format!("host: x\r\naccept: text/event-stream\r\nauthorization: Bearer {}", house.staff());
    stream.write_all(format!("GET /v1/stream/drop-copy HTTP/1.1\r\n{head}\r\n\r\n").as_bytes()).unwrap();
    until("the stream", || Some(stats()).filter(|now| now["sse_streams"].as_u64() > Some(0)));
    let logon = "35=A\u{1}49=DEMO\u{1}56=HENG\u{1}34=1\u{1}";
    let fix = &house.told["fix"];
    let port = u16::try_from(fix["port"].as_u64().unwrap()).unwrap();
    let mut counterparty = TcpStream::connect((fix["host"].as_str().unwrap(), port)).unwrap();
    let now = utc_now();
    let body = format!("{logon}52={now}\u{1}98=0\u{1}108=30\u{1}");
    let head = format!("8=FIX.4.4\u{1}9={}\u{1}{body}", body.len());
    let sum = head.bytes().fold(0u8, u8::wrapping_add);
    counterparty.write_all(format!("{head}10={sum:03}\u{1}").as_bytes()).unwrap();
    until("a FIX session", || Some(stats()).filter(|now| now["fix_sessions"].as_u64() == Some(1)));
    let metrics = house.get("/metrics", "");
    assert!(metrics.as_str().is_some_and(|text| text.contains("\nheng_fix_received 1\n")), "one logon came in");
    assert_eq!(house.get("/v1/system/venues", house.staff()), json!({ "venues": [] }));
}

/// SendingTime of now.
fn utc_now() -> String {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    let date = heng_model::TradeDate::from_days(i64::try_from(since / 86_400).unwrap()).unwrap();
    let (hour, minute, second) = (since / 3_600 % 24, since / 60 % 60, since % 60);
    format!("{}-{hour:02}:{minute:02}:{second:02}.000", date.number())
}

#[test]
fn a_newcomer_finds_a_partner_full_charts_and_true_rates() {
    let house = start();
    charts_are_full_from_the_first_second(&house);
    partner_reads_drop_copy_until_its_token_is_revoked(&house);
    rates_are_those_of_the_doors(&house);
}
