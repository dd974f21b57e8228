//! A broker of real processes, in either shape: everything in one process, or the core in one and the doors in another
//! with links between them. A test that speaks through the doors takes a [`Shape`] and runs in both.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command as Process, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

/// How long anything may take on a machine that does other things as well.
pub(crate) const SOON: Duration = Duration::from_secs(60);
/// Clients of the demonstration: their passwords are hashed at every start, which takes time.
const DEMO_CLIENTS: &str = "3";

/// How the roles are spread over processes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    /// `heng up`: everything in one.
    One,
    /// `heng serve --role core`, and the other roles in a second process.
    Apart,
}

/// Makes a test for each shape of every function that takes one.
macro_rules! in_both_shapes {
    ($($test:ident),+ $(,)?) => {$(
        mod $test {
            #[test]
            fn in_one_process() {
                super::$test($crate::house::Shape::One);
            }

            #[test]
            fn with_the_core_apart() {
                super::$test($crate::house::Shape::Apart);
            }
        }
    )+};
}
pub(crate) use in_both_shapes;

/// A folder of its own that disappears with the test.
pub(crate) struct Folder(pub(crate) PathBuf);

static FOLDERS: AtomicU32 = AtomicU32::new(0);

impl Folder {
    pub(crate) fn new(name: &str) -> Self {
        let number = FOLDERS.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("heng-it-{name}-{}-{number}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path).expect("a temporary folder");
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// One request on its own connection; status and JSON body.
fn send(address: &str, request: &str) -> (u16, Value) {
    let mut stream = TcpStream::connect(host(address)).expect("a connection");
    stream.set_read_timeout(Some(SOON)).expect("a socket option");
    stream.write_all(request.as_bytes()).expect("sent");
    let mut text = String::new();
    stream.read_to_string(&mut text).expect("an answer");
    let (head, body) = text.split_once("\r\n\r\n").expect("a head and a body");
    let status = head.split(' ').nth(1).expect("a status").parse().expect("a number");
    (status, serde_json::from_str(body).unwrap_or_else(|_| json!(body)))
}

/// Host and port of an address.
pub(crate) fn host(address: &str) -> &str {
    address.strip_prefix("http://").expect("an http address")
}

pub(crate) fn get(address: &str, path: &str) -> (u16, Value) {
    get_as(address, path, "")
}

/// The same, with a token.
pub(crate) fn get_as(address: &str, path: &str, token: &str) -> (u16, Value) {
    let head = "host: x\r\nconnection: close";
    send(address, &format!("GET {path} HTTP/1.1\r\n{head}\r\nauthorization: Bearer {token}\r\n\r\n"))
}

/// A change, with a token.
pub(crate) fn post_as(address: &str, path: &str, token: &str, body: &Value) -> (u16, Value) {
    let body = body.to_string();
    let head = "host: x\r\nconnection: close\r\ncontent-type: application/json";
    let length = body.len();
    let head = format!("{head}\r\nauthorization: Bearer {token}\r\ncontent-length: {length}");
    send(address, &format!("POST {path} HTTP/1.1\r\n{head}\r\n\r\n{body}"))
}

/// The same with a fresh proof.
pub(crate) fn post_proven(address: &str, path: &str, (token, proof): (&str, &str), body: &Value) -> (u16, Value) {
    post_as(address, path, &format!("{token}\r\nstep-up: {proof}"), body)
}

/// A port that nobody has. It lies below those that systems give away by themselves, so that it is still free when a
/// killed process comes back to it.
pub(crate) fn free_port() -> u16 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let first = std::process::id().wrapping_mul(7_919);
    let offered = |_| {
        let port = 10_000 + (first + NEXT.fetch_add(1, Ordering::Relaxed)) % 20_000;
        u16::try_from(port).expect("below 30,000")
    };
    let free = |port: &u16| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok();
    (0..20_000).map(offered).find(free).expect("a free port")
}

/// Asks until `done` says so, for a limited time.
pub(crate) fn until(what: &str, mut ask: impl FnMut() -> Value, done: impl Fn(&Value) -> bool) -> Value {
    let began = Instant::now();
    loop {
        let told = ask();
        if done(&told) {
            return told;
        }
        assert!(began.elapsed() < SOON, "{what}: {told}");
        std::thread::park_timeout(Duration::from_millis(3));
    }
}

/// An order of the first one's kind, under another key.
pub(crate) fn keyed(order: &Value, key: &str, price: Option<&str>) -> Value {
    let mut order = order.clone();
    order["client_order_id"] = json!(key);
    if let Some(price) = price {
        order["price"] = json!(price);
    }
    order
}

/// Where the processes of a broker keep things and listen; the same after every start.
pub(crate) struct Plan {
    pub(crate) shape: Shape,
    folder: PathBuf,
    http: u16,
    fix: u16,
    core: u16,
    more: Vec<String>,
    /// Variables of its processes.
    pub(crate) env: Vec<(&'static str, &'static str)>,
}

impl Plan {
    /// A small market from `seed` in `folder`, with `flow` orders a second of its own.
    pub(crate) fn new(shape: Shape, folder: &Path, seed: u32, flow: u32) -> Self {
        // Tests ask more often than a client may.
        let often = "[http]\nprincipal_per_s = 100000\n";
        let market = format!("[market]\nclients = 200\ninstruments = 40\nflow = {flow}\nseed = {seed}\n");
        std::fs::write(folder.join("heng.toml"), format!("{often}{market}")).expect("a configuration file");
        let folder = folder.to_owned();
        Self {
            shape,
            folder,
            http: free_port(),
            fix: free_port(),
            core: free_port(),
            more: Vec::new(),
            env: Vec::new(),
        }
    }

    fn command(&self, role: &[&str], data: &str, ready: &str) -> Process {
        let mut process = Process::new(binary());
        process.args(role).args(["--demo-clients", DEMO_CLIENTS]).envs(self.env.iter().copied());
        process.arg("--config").arg(self.folder.join("heng.toml")).arg("--data").arg(self.folder.join(data));
        process.arg("--ready-file").arg(self.folder.join(ready)).args(&self.more);
        process
    }

    /// The core where it is a process of its own.
    pub(crate) fn core(&self) -> Option<Process> {
        let mut process =
            (self.shape == Shape::Apart).then(|| self.command(&["serve", "--role", "core"], "core", "core.json"))?;
        process.arg("--papers").arg(self.folder.join("papers")).arg("--core-port").arg(self.core.to_string());
        Some(process)
    }

    /// The process with the doors; in one process it has the core as well.
    pub(crate) fn doors(&self) -> Process {
        let mut process = match self.shape {
            Shape::One => self.command(&["up", "--headless"], "data", "ready.json"),
            Shape::Apart => {
                let role = ["serve", "--role", "trading,marketdata,identity,compliance"];
                let mut process = self.command(&role, "doors", "ready.json");
                process.arg("--papers").arg(self.folder.join("papers"));
                process.arg("--core-url").arg(SocketAddr::from((Ipv4Addr::LOCALHOST, self.core)).to_string());
                process
            }
        };
        process.arg("--http-port").arg(self.http.to_string()).arg("--fix-port").arg(self.fix.to_string());
        process
    }

    /// The data folder of the process with the core.
    pub(crate) fn journal(&self) -> PathBuf {
        self.folder.join(if self.shape == Shape::One { "data" } else { "core" })
    }

    /// The data folder of the process with the doors.
    pub(crate) fn doors_data(&self) -> PathBuf {
        self.folder.join(if self.shape == Shape::One { "data" } else { "doors" })
    }

    /// Where the doors keep what is derived.
    pub(crate) fn derived(&self) -> PathBuf {
        self.doors_data().join("derived")
    }

    /// Starts the core and waits until it trades; nothing where the doors' process has it.
    pub(crate) fn start_core(&self) -> Option<Running> {
        let core = Running::start(self.core()?);
        core.line_with("core: ", &mut String::new());
        Some(core)
    }

    /// What the doors told when they were ready.
    pub(crate) fn ready(&self) -> Value {
        let told = std::fs::read(self.folder.join("ready.json")).expect("the ready file is there");
        serde_json::from_slice(&told).expect("JSON")
    }
}

fn binary() -> PathBuf {
    std::env::var_os("HENG_BIN").map_or_else(|| PathBuf::from(env!("CARGO_BIN_EXE_heng")), PathBuf::from)
}

/// A process whose lines are read; killed when it is dropped.
pub(crate) struct Running {
    child: Child,
    lines: Receiver<String>,
}

impl Running {
    pub(crate) fn start(mut command: Process) -> Self {
        let mut child = command.stdout(Stdio::piped()).spawn().expect("the binary starts");
        let out = BufReader::new(child.stdout.take().expect("stdout is piped"));
        let (told, lines) = channel();
        std::thread::spawn(move || out.lines().map_while(Result::ok).try_for_each(|line| told.send(line)));
        Self { child, lines }
    }

    /// The first line that begins with `word`; what comes before it is added to `before`.
    pub(crate) fn line_with(&self, word: &str, before: &mut String) -> String {
        loop {
            let line = self.lines.recv_timeout(SOON).unwrap_or_else(|end| panic!("no line begins with {word}: {end}"));
            if line.trim().starts_with(word) {
                return line.trim().to_owned();
            }
            *before += &format!("{line}\n");
        }
    }

    /// No warning, no time to write anything.
    pub(crate) fn kill(&mut self) {
        self.child.kill().expect("SIGKILL");
        self.child.wait().expect("it ends");
    }

    /// SIGTERM; returns the exit code.
    pub(crate) fn terminate(&mut self) -> Option<i32> {
        let pid = self.child.id().to_string();
        assert!(Process::new("kill").args(["-TERM", &pid]).status().expect("kill runs").success());
        // Its output ends with it.
        let began = Instant::now();
        while self.lines.recv_timeout(SOON.saturating_sub(began.elapsed())).is_ok() {}
        assert!(began.elapsed() < SOON, "it does not end");
        self.child.wait().expect("it ends").code()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // A child that was waited for is gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A running broker.
pub(crate) struct House {
    plan: Plan,
    /// The core where it is apart.
    core: Option<Running>,
    doors: Option<Running>,
    pub(crate) address: String,
    /// What the doors said before they were ready.
    pub(crate) notes: String,
    /// What the ready file tells.
    pub(crate) ready: Value,
    /// An order that the market takes: in one process the one that the house offers to paste.
    pub(crate) first_order: Value,
    /// Token of the staff.
    pub(crate) token: String,
}

impl House {
    /// Starts a broker and waits until it is ready; a market that is in the folder goes on.
    pub(crate) fn start(shape: Shape, folder: &Path, seed: u32) -> Self {
        Self::of(Plan::new(shape, folder, seed, 100))
    }

    /// `heng up` with more arguments.
    pub(crate) fn up(folder: &Path, more: &[&str]) -> Self {
        let more = more.iter().map(|word| (*word).to_owned()).collect();
        Self::of(Plan { more, ..Plan::new(Shape::One, folder, 1, 100) })
    }

    pub(crate) fn of(plan: Plan) -> Self {
        let core = plan.start_core();
        let (address, notes, token) = (format!("http://127.0.0.1:{}", plan.http), String::new(), String::new());
        let (ready, first_order) = (Value::Null, Value::Null);
        let mut house = Self { plan, core, doors: None, address, notes, ready, first_order, token };
        house.start_doors();
        house
    }

    pub(crate) const fn plan(&self) -> &Plan {
        &self.plan
    }

    /// Starts the process with the doors and waits until it is ready.
    pub(crate) fn start_doors(&mut self) {
        let doors = Running::start(self.plan.doors());
        self.notes.clear();
        let said = doors.line_with("ready: ", &mut self.notes);
        assert_eq!(said, format!("ready: {}", self.address));
        self.ready = self.plan.ready();
        assert_eq!(self.ready["http"], json!(self.address));
        self.ready["token"]["staff"].as_str().expect("the staff has a token").clone_into(&mut self.token);
        self.first_order = match self.plan.shape {
            Shape::One => pasted(&doors),
            Shape::Apart => self.found(),
        };
        self.doors = Some(doors);
    }

    /// Starts the core again, with whatever lives in its process.
    pub(crate) fn start_core(&mut self) {
        self.core = self.plan.start_core();
        if self.core.is_none() {
            self.start_doors();
        }
    }

    /// Kills the process with the core.
    pub(crate) fn kill_core(&mut self) {
        let (core, doors) = (self.core.take(), &mut self.doors);
        core.or_else(|| doors.take()).expect("it runs").kill();
    }

    /// Kills the process with the doors.
    pub(crate) fn kill_doors(&mut self) {
        self.doors.take().expect("it runs").kill();
    }

    /// Kills everything: no warning, no time to write anything.
    pub(crate) fn kill(mut self) {
        self.core.iter_mut().chain(&mut self.doors).for_each(Running::kill);
    }

    /// SIGTERM to everything, doors first; returns the first exit code that is not 0.
    pub(crate) fn terminate(mut self) -> Option<i32> {
        let codes = self.doors.iter_mut().chain(&mut self.core).map(Running::terminate);
        codes.collect::<Vec<_>>().into_iter().find(|code| *code != Some(0)).unwrap_or(Some(0))
    }

    /// An order for a stock that trades, of the first client.
    fn found(&self) -> Value {
        let (status, told) = self.get("/v1/instruments?limit=1000");
        assert_eq!(status, 200, "{told}");
        let listed = told["instruments"].as_array().expect("a list").iter();
        let trades = |stock: &&Value| {
            stock["board"] == "sse-main"
                && stock["phase"] == "continuous"
                && stock["suspended"] == false
                && stock["risk_warning"] == false
                && stock["limit_down"].is_string()
        };
        let stock = listed.clone().find(trades).expect("a stock that trades");
        json!({
            "account": self.ready["client"]["account_id"], "client_order_id": "my-first", "symbol": stock["symbol"],
            "side": "buy", "type": "limit", "price": stock["prev_close"], "quantity": "100",
        })
    }

    /// The lowest price of the day of the first order's symbol: a buy there rests.
    pub(crate) fn low(&self) -> String {
        let symbol = self.first_order["symbol"].as_str().expect("a symbol");
        let (status, told) = self.get(&format!("/v1/instruments/{symbol}"));
        assert_eq!((status, told["symbol"].as_str()), (200, Some(symbol)));
        told["limit_down"].as_str().expect("a limit").to_owned()
    }

    /// The first order's account.
    pub(crate) fn account(&self) -> String {
        self.first_order["account"].as_str().expect("an account").to_owned()
    }

    pub(crate) fn get(&self, path: &str) -> (u16, Value) {
        get_as(&self.address, path, &self.token)
    }

    /// The same as another of the people whom the ready file tells.
    pub(crate) fn post_as(&self, who: &str, path: &str, body: &Value) -> (u16, Value) {
        post_as(&self.address, path, self.ready["token"][who].as_str().expect("a token"), body)
    }

    pub(crate) fn post(&self, path: &str, body: &Value) -> (u16, Value) {
        post_as(&self.address, path, &self.token, body)
    }

    pub(crate) fn place(&self, order: &Value) -> (u16, Value) {
        self.post("/v1/orders", order)
    }
}

/// The order that `heng up` offers to paste.
fn pasted(doors: &Running) -> Value {
    let curl = doors.line_with("curl ", &mut String::new());
    let body = curl.split_once("-d '").expect("an order to paste").1.trim_end_matches('\'');
    serde_json::from_str(body).expect("the order is JSON")
}
