//! The real binary as a process of its own: its configuration, its ready file, its clients, its end.

use std::cell::RefCell;
use std::fmt::Write as _;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use heng_model::Money;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use super::http::Client as Http;
use super::load_ws::instant_ns;
use super::sm::{PASSPHRASE, Tls};
use super::spec::{Client, Listed};

/// How long a start may take.
const READY_MAX: Duration = Duration::from_secs(60);
/// How long an end may take.
const END_MAX: Duration = Duration::from_secs(30);
/// How long views may need to take everything.
const CURRENT_MAX: Duration = Duration::from_secs(60);
/// What the door is told to allow, so that limits of single clients are not what is measured.
const PER_S: u32 = 100_000;
/// Our CompID is this with a number, theirs the other.
const FIX_TARGET: &str = "HENG";

/// How the process is started.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Start {
    pub(crate) demo_clients: u32,
    pub(crate) instruments: u32,
    /// Orders of the background flow in a second.
    pub(crate) flow: u32,
    pub(crate) fix_sessions: usize,
}

/// A running broker.
pub(crate) struct Broker {
    child: Child,
    pub(crate) data: PathBuf,
    pub(crate) http: SocketAddr,
    pub(crate) fix: Option<SocketAddr>,
    /// Papers, if the FIX door speaks SM.
    pub(crate) tls: Option<Tls>,
    /// With the cash that they had when it was last asked for.
    clients: RefCell<Vec<Client>>,
    /// Every symbol.
    pub(crate) symbols: Vec<String>,
    /// What good orders are made of: the cheaper half of what trades on the main boards.
    pub(crate) listed: Vec<Listed>,
    pub(crate) staff_token: String,
    /// Bodies of sign-ins.
    pub(crate) sign_ins: Vec<String>,
    pub(crate) ready_s: f64,
}

/// CompIDs of the load generator's sessions.
pub(crate) fn senders(sessions: usize) -> Vec<String> {
    (1..=sessions).map(|number| format!("BENCH{number}")).collect()
}

/// The CompID on the other side.
pub(crate) fn target() -> String {
    FIX_TARGET.to_owned()
}

fn config(start: &Start, tls: Option<&Tls>) -> String {
    let Start { instruments, flow, .. } = start;
    let mut text = format!(
        "[http]\nprincipal_per_s = {PER_S}\nstranger_per_s = {PER_S}\n\
         [market]\ninstruments = {instruments}\nflow = {flow}\n"
    );
    text += &tls.map(Tls::door).unwrap_or_default();
    for sender in senders(start.fix_sessions) {
        let _ = write!(
            text,
            "[[fix.sessions]]\nbegin = \"FIX.4.4\"\nsender = \"{FIX_TARGET}\"\ntarget = \"{sender}\"\n\
             reset_on_logon = true\napplication = \"trading\"\nuser = \"desk\"\n"
        );
    }
    text
}

fn other(text: String) -> io::Error {
    io::Error::other(text)
}

fn text(value: &Value, key: &str) -> io::Result<String> {
    let found = value.get(key).and_then(Value::as_str);
    found.map(str::to_owned).ok_or_else(|| other(format!("{key} is missing in what the broker tells")))
}

impl Broker {
    /// Starts the binary in `folder`, which must be new, and waits until clients can trade.
    ///
    /// # Errors
    /// If it does not become ready, or does not tell what the bench needs.
    pub(crate) async fn start(binary: &Path, folder: &Path, start: &Start) -> io::Result<Self> {
        Self::start_with(binary, folder, start, None).await
    }

    /// The same; with papers the FIX door speaks SM, and the folder has a key ring.
    ///
    /// # Errors
    /// As [`Broker::start`].
    pub(crate) async fn start_with(binary: &Path, folder: &Path, start: &Start, tls: Option<Tls>) -> io::Result<Self> {
        std::fs::create_dir_all(folder)?;
        let (data, ready, settings) = (folder.join("data"), folder.join("ready.json"), folder.join("heng.toml"));
        std::fs::write(&settings, config(start, tls.as_ref()))?;
        let log = std::fs::File::create(folder.join("heng.log"))?;
        let began = Instant::now();
        let child = Command::new(binary)
            .args(["up", "--headless", "--http-port", "0", "--fix-port", "0"])
            .args([Path::new("--data"), &data, Path::new("--ready-file"), &ready, Path::new("--config"), &settings])
            .args(["--demo-clients", &start.demo_clients.to_string()])
            .env(PASSPHRASE.0, PASSPHRASE.1)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()?;
        let mut child = Started(Some(child));
        let told = wait_ready(&mut child, &ready, &folder.join("heng.log")).await?;
        let address = text(&told, "http")?;
        let http = address.trim_start_matches("http://").parse().map_err(|_| other(format!("address {address}")))?;
        let child = child.0.take().expect("it was just started");
        let mut broker = Self {
            child,
            data,
            http,
            fix: fix_address(&told),
            tls,
            clients: RefCell::default(),
            symbols: Vec::new(),
            listed: Vec::new(),
            staff_token: text(&told["token"], "staff")?,
            sign_ins: sign_ins(&told),
            ready_s: began.elapsed().as_secs_f64(),
        };
        broker.look_around(&told).await?;
        Ok(broker)
    }

    async fn look_around(&mut self, told: &Value) -> io::Result<()> {
        let file = std::fs::read(text(told, "clients_file")?)?;
        let rows: Vec<Value> = serde_json::from_slice(&file)?;
        for row in rows {
            let client = Client { account: text(&row, "account_id")?, token: text(&row, "token")?, cash: 0 };
            self.clients.borrow_mut().push(client);
        }
        self.count_cash().await?;
        let mut http = Http::new(self.http);
        let (_, shown) = http.json("GET", "/v1/instruments?limit=1000", &self.staff_token, None).await?;
        let rows = shown["instruments"].as_array().cloned().unwrap_or_default();
        self.symbols = rows.iter().filter_map(|row| Some(row.get("symbol")?.as_str()?.to_owned())).collect();
        self.listed = rows.iter().filter_map(listed).collect();
        self.listed.sort_by_key(|listed| listed.hold);
        self.listed.truncate(self.listed.len().div_ceil(2));
        if self.listed.is_empty() {
            return Err(other(format!("the broker shows no instrument that trades: {shown}")));
        }
        Ok(())
    }

    /// Asks what every client has; those without cash, and those who trade on credit, are left out.
    async fn count_cash(&self) -> io::Result<()> {
        let (mut http, mut clients) = (Http::new(self.http), Vec::new());
        for client in self.clients() {
            let (_, shown) = http.json("GET", &format!("/v1/accounts/{}", client.account), &client.token, None).await?;
            let cash = if shown["kind"] == "cash" { available(&shown) } else { 0 };
            if cash > 0 {
                clients.push(Client { cash, ..client });
            }
        }
        if clients.is_empty() {
            return Err(other("the broker shows no client with cash".into()));
        }
        self.clients.replace(clients);
        Ok(())
    }

    /// The clients that may place orders.
    pub(crate) fn clients(&self) -> Vec<Client> {
        self.clients.borrow().clone()
    }

    /// The market's clock minus ours, in nanoseconds; between the two looks at ours it was asked once.
    ///
    /// # Errors
    /// If the door does not answer.
    pub(crate) async fn market_ahead_ns(&self) -> io::Result<i64> {
        let mut http = Http::new(self.http);
        http.connect().await?;
        let wall = || {
            let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
            i64::try_from(since.as_nanos()).unwrap_or(i64::MAX)
        };
        let mut best: Option<(i64, i64)> = None;
        for _ in 0..20 {
            let before = wall();
            let (_, shown) = http.json("GET", "/v1/system", &self.staff_token, None).await?;
            let after = wall();
            let Some(market) = shown["market_time"].as_str().and_then(instant_ns) else {
                return Err(other("the broker does not tell the market's time".into()));
            };
            // Whole milliseconds are told: half of one is the mean of what was cut off.
            let ahead = market + 500_000 - i64::midpoint(before, after);
            if best.is_none_or(|(took, _)| after - before < took) {
                best = Some((after - before, ahead));
            }
        }
        best.map(|(_, ahead)| ahead).ok_or_else(|| other("the market's time was not asked".into()))
    }

    /// Readings by name with labels, as `/metrics` shows them.
    ///
    /// # Errors
    /// If the door does not answer.
    pub(crate) async fn metrics(&self, http: &mut Http) -> io::Result<Vec<(String, f64)>> {
        let (_, body) = http.exchange(&super::http::request("GET", "/metrics", &self.staff_token, None)).await?;
        Ok(readings(&String::from_utf8_lossy(body)))
    }

    /// Waits until every view is current; returns the seconds that it took.
    ///
    /// # Errors
    /// If the door does not answer.
    pub(crate) async fn wait_current(&self) -> io::Result<f64> {
        let (mut http, began) = (Http::new(self.http), Instant::now());
        loop {
            let lag = largest(&self.metrics(&mut http).await?, "heng_view_lag_seconds");
            if lag < 0.1 || began.elapsed() > CURRENT_MAX {
                return Ok(began.elapsed().as_secs_f64());
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Cancels what rests of every client, so that cash is free again.
    ///
    /// # Errors
    /// If the door does not answer.
    pub(crate) async fn cancel_all(&self) -> io::Result<()> {
        let mut http = Http::new(self.http);
        for client in self.clients() {
            let body = format!(r#"{{"account":"{}"}}"#, client.account);
            http.json("POST", "/v1/orders/cancel-all", &client.token, Some(&body)).await?;
        }
        self.wait_current().await?;
        self.count_cash().await
    }

    /// Processor time that it has used, in seconds.
    ///
    /// # Errors
    /// If the system does not tell it.
    pub(crate) fn cpu_s(&self) -> io::Result<f64> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id()))?;
        // Behind the name, which may hold anything: user and system time are the 12th and 13th field.
        let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
        let ticks: f64 = fields.skip(11).take(2).filter_map(|field| field.parse::<f64>().ok()).sum();
        Ok(ticks / rustix::param::clock_ticks_per_second() as f64)
    }

    /// Resident memory in MiB.
    pub(crate) fn rss_mb(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        line.and_then(|rest| rest.trim().trim_end_matches(" kB").parse::<u64>().ok()).unwrap_or(0) / 1_024
    }

    /// Tells it to stop and waits.
    ///
    /// # Errors
    /// If it does not end by itself.
    pub(crate) async fn stop(mut self) -> io::Result<()> {
        kill_process(Pid::from_child(&self.child), Signal::TERM)?;
        let began = Instant::now();
        while began.elapsed() < END_MAX {
            if self.child.try_wait()?.is_some() {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Err(other(format!("the broker did not end within {} s", END_MAX.as_secs())))
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        end(&mut self.child);
    }
}

/// Ends a process that may have ended already.
fn end(child: &mut Child) {
    let _ = child.kill();
    let _ = child.wait();
}

/// A process that is ended if nobody takes it over.
struct Started(Option<Child>);

impl Drop for Started {
    fn drop(&mut self) {
        if let Some(child) = &mut self.0 {
            end(child);
        }
    }
}

async fn wait_ready(child: &mut Started, file: &Path, log: &Path) -> io::Result<Value> {
    let began = Instant::now();
    loop {
        if let Ok(bytes) = std::fs::read(file) {
            return Ok(serde_json::from_slice(&bytes)?);
        }
        let ended = child.0.as_mut().map_or(Ok(None), Child::try_wait)?;
        if ended.is_some() || began.elapsed() > READY_MAX {
            let said = std::fs::read_to_string(log).unwrap_or_default();
            return Err(other(format!("the broker did not become ready: {}", said.trim())));
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn fix_address(told: &Value) -> Option<SocketAddr> {
    let fix = told.get("fix")?;
    format!("{}:{}", fix["host"].as_str()?, fix["port"].as_u64()?).parse().ok()
}

/// The demo client with its password, and somebody who does not exist: both cost a hash.
fn sign_ins(told: &Value) -> Vec<String> {
    let client = &told["client"];
    let (Some(user), Some(password)) = (client["user"].as_str(), client["password"].as_str()) else {
        return Vec::new();
    };
    let good = serde_json::json!({ "user": user, "password": password }).to_string();
    let stranger = serde_json::json!({ "user": "nobody-here", "password": password }).to_string();
    vec![good.clone(), good.clone(), good, stranger]
}

fn money(text: &str) -> Option<i64> {
    text.parse::<Money>().ok().map(|money| money.0)
}

fn available(account: &Value) -> i64 {
    let rows = account["cash"].as_array().cloned().unwrap_or_default();
    let yuan = rows.iter().find(|row| row["currency"] == "CNY");
    yuan.and_then(|row| money(row["available"].as_str()?)).unwrap_or(0)
}

/// An instrument of the main boards that every client may buy and that has limits today.
fn listed(row: &Value) -> Option<Listed> {
    let text = |key: &str| row.get(key).and_then(Value::as_str).map(str::to_owned);
    let plain = ["risk_warning", "suspended", "halted", "stopped"].iter().all(|key| row[*key] == false);
    let main = matches!(row["board"].as_str()?, "sse-main" | "szse-main") && row["phase"] == "continuous";
    let (symbol, limit_down, limit_up) = (text("symbol")?, text("limit_down")?, text("limit_up")?);
    // A lot of 100; fees are far below one in a hundred and twenty yuan together.
    let hold = money(&limit_down)?.checked_mul(101)? + 20 * 10_000;
    (plain && main).then_some(Listed { symbol, limit_down, limit_up, hold })
}

fn readings(text: &str) -> Vec<(String, f64)> {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines
        .filter_map(|line| line.rsplit_once(' '))
        .filter_map(|(name, value)| Some((name.into(), value.parse().ok()?)))
        .collect()
}

/// The largest reading of a name, whatever its labels; 0 without one.
pub(crate) fn largest(readings: &[(String, f64)], name: &str) -> f64 {
    readings.iter().filter(|(found, _)| found.starts_with(name)).map(|(_, value)| *value).fold(0.0, f64::max)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instrument_tells_what_a_lot_holds() {
        let row = serde_json::json!({ "symbol": "600000.SH", "board": "sse-main", "limit_up": "84.68",
            "limit_down": "69.28", "risk_warning": false, "suspended": false, "halted": false, "stopped": false,
            "phase": "continuous" });
        let found = listed(&row).expect("it trades");
        assert!((6_928..7_100).contains(&(found.hold / 10_000)), "{}", found.hold);
        for (key, value) in [("board", "star".into()), ("risk_warning", true.into()), ("limit_down", Value::Null)] {
            let mut row = row.clone();
            row[key] = value;
            assert!(listed(&row).is_none(), "{key}");
        }
    }

    #[test]
    fn readings_are_found_by_name() {
        let read = readings("# HELP a b\na{view=\"x y\"} 0.5\na{view=\"z\"} 2\nab 9\n");
        assert_eq!(read.len(), 3);
        assert!((largest(&read, "a{") - 2.0).abs() < 1e-9 && largest(&read, "c") < 1e-9);
    }

    #[test]
    fn the_configuration_names_every_session() {
        let text = config(&Start { demo_clients: 1, instruments: 50, flow: 7, fix_sessions: 3 }, None);
        assert_eq!(text.matches("[[fix.sessions]]").count(), 3);
        assert!(text.contains("target = \"BENCH3\"") && text.contains("flow = 7"));
    }
}
