//! A FIX client of one of the demonstration's sessions, which connects again and again.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use heng_transport::fix::{
    FixApplication, FixApplicationKind, FixBody, FixClock as _, FixInitiatorOptions, FixLimits, FixMessage, FixParts,
    FixRefused, FixReplies, FixRole, FixSession, FixSessionConfig, FixSessionId, FixTaken, MemoryStore, SystemClock,
    initiate,
};
use serde_json::Value;
use tokio::runtime::Runtime;

use crate::clients::Goal;
use crate::house::SOON;

/// An execution report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Report {
    /// ClOrdID (11).
    pub(crate) key: String,
    /// ExecType (150): 0 new, 8 refused, A not known yet, F trade.
    pub(crate) exec: String,
    /// ExecID (17).
    pub(crate) id: String,
    /// OrderID (37).
    pub(crate) order: String,
    /// Whether it may have been sent before.
    pub(crate) again: bool,
}

#[derive(Debug)]
enum Told {
    Report(Report),
    /// It is logged on.
    Up,
    /// What it sent was refused.
    Refused,
    /// The session has no connection any more.
    Out,
}

struct Desk(Mutex<Sender<Told>>);

impl Desk {
    fn tell(&self, told: Told) {
        // A client that has ended wants no reports.
        let _ = self.0.lock().expect("nobody panics with it").send(told);
    }
}

impl FixApplication for Desk {
    fn logged_on(&self, _: &mut FixReplies<'_>) {
        self.tell(Told::Up);
    }

    fn refused(&self, _: &FixMessage<'_>, _: u64, _: &FixSessionId) {
        self.tell(Told::Refused);
    }

    fn logged_out(&self, _: &FixSessionId) {
        self.tell(Told::Out);
    }

    fn received(&self, message: &FixMessage<'_>, _: &mut FixReplies<'_>) -> Result<FixTaken, FixRefused> {
        assert_eq!(message.kind(), b"8", "{}", String::from_utf8_lossy(message.bytes()));
        let text = |tag| message.text(tag).unwrap_or("").to_owned();
        let again = message.possible_duplicate() || message.possible_resend();
        let (key, exec) = (text(11), text(150));
        self.tell(Told::Report(Report { key, exec, id: text(17), order: text(37), again }));
        Ok(FixTaken::Settled)
    }
}

/// The client.
pub(crate) struct FixClient {
    session: Arc<FixSession>,
    told: Receiver<Told>,
    /// Every report so far.
    pub(crate) reports: Vec<Report>,
    /// What the orders have in common.
    order: Value,
    _connecting: Runtime,
}

impl FixClient {
    /// Connects as the ready file tells of a session. Its orders are like `order`.
    pub(crate) fn connect(told_of: &Value, order: Value) -> Self {
        let word = |name: &str| told_of[name].as_str().expect("text").to_owned();
        let config = FixSessionConfig {
            begin: word("begin"),
            default_appl_ver: None,
            sender: word("sender"),
            target: word("target"),
            heartbeat_s: 30,
            reset_on_logon: false,
            application: FixApplicationKind::Trading,
        };
        let (sender, told) = channel();
        let parts = FixParts {
            role: FixRole::Initiator,
            limits: FixLimits::default(),
            store: Box::new(MemoryStore::new(1 << 22)),
            application: Arc::new(Desk(Mutex::new(sender))),
            clock: Arc::new(SystemClock::default()),
        };
        let session = FixSession::open(&config, parts).expect("a session");
        let port = told_of["port"].as_u64().and_then(|port| u16::try_from(port).ok()).expect("a port");
        let mut options = FixInitiatorOptions::to(vec![SocketAddr::from(([127, 0, 0, 1], port))]);
        (options.pause_min, options.pause_max) = (Duration::from_millis(20), Duration::from_millis(100));
        let connecting = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let connecting = connecting.expect("a runtime");
        connecting.spawn(initiate(options, Arc::clone(&session), std::future::pending()));
        Self { session, told, reports: Vec::new(), order, _connecting: connecting }
    }

    /// Waits until it is logged on.
    pub(crate) fn wait_up(&mut self) {
        assert!(matches!(self.told.recv_timeout(SOON), Ok(Told::Up)), "it is not logged on");
    }

    /// Waits until a message of its own is refused.
    pub(crate) fn wait_refused(&mut self) {
        assert!(matches!(self.told.recv_timeout(SOON), Ok(Told::Refused)), "it is not refused");
    }

    /// The next report.
    pub(crate) fn next(&mut self) -> Report {
        match self.heard() {
            Told::Report(report) => report,
            other => panic!("{other:?}"),
        }
    }

    /// What comes next but a logon.
    fn heard(&self) -> Told {
        loop {
            let told = self.told.recv_timeout(SOON).expect("an answer");
            if !matches!(told, Told::Up) {
                return told;
            }
        }
    }

    pub(crate) fn send(&self, key: &str, again: bool) {
        let text = |name: &str| self.order[name].as_str().expect("text");
        let mut body = FixBody::new("D");
        if again {
            body.header(97, b"Y");
        }
        body.text(11, key).text(21, "1").text(1, text("account")).text(55, text("symbol")).text(54, "1");
        body.time(60, SystemClock::default().now().utc_ns).text(38, text("quantity"));
        body.text(40, "2").text(44, text("price"));
        self.session.send(&body).expect("it is kept");
    }

    /// Sends one order after the other, each a moment behind the answer to the one before, until one is not simply taken.
    /// Returns all their keys; what became of the last one is open.
    pub(crate) fn trade_until_cut(&mut self, prefix: &str, pace: Duration) -> Vec<String> {
        let (mut keys, paced) = (Vec::new(), Goal::default());
        loop {
            let key = format!("{prefix}{}", keys.len());
            self.send(&key, false);
            keys.push(key.clone());
            match self.heard() {
                Told::Report(report) => {
                    self.reports.push(report.clone());
                    assert_eq!(report.key, key);
                    if report.exec != "0" {
                        return keys;
                    }
                }
                Told::Out | Told::Up | Told::Refused => return keys,
            }
            paced.pause(pace);
        }
    }

    /// Waits until the order of `key` is taken or refused; one whose outcome nobody knew is sent again.
    pub(crate) fn decide(&mut self, key: &str) {
        let mut sent_again = false;
        loop {
            let of_key = |report: &&Report| report.key == key && matches!(report.exec.as_str(), "0" | "8");
            if self.reports.iter().any(|report| of_key(&report)) {
                return;
            }
            if !sent_again && self.reports.iter().any(|report| report.key == key && report.exec == "A") {
                self.send(key, true);
                sent_again = true;
            }
            if let Told::Report(report) = self.heard() {
                self.reports.push(report);
            }
        }
    }

    /// The orders that were reported as new, by key. Each is told once, or again as what it is: a duplicate.
    pub(crate) fn taken(&self) -> BTreeMap<String, String> {
        let mut taken: BTreeMap<String, (String, String)> = BTreeMap::new();
        for report in self.reports.iter().filter(|report| report.exec == "0") {
            let told = (report.order.clone(), report.id.clone());
            if let Some(before) = taken.insert(report.key.clone(), told.clone()) {
                assert!(before == told && report.again, "told twice: {report:?}");
            }
        }
        taken.into_iter().map(|(key, (order, _))| (key, order)).collect()
    }
}
