//! A record and a trail that tests write, a log that follows them, and callers.

use std::num::NonZeroU32;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{Request, StatusCode};
use heng_compliance::{Archive, Compliance, ComplianceOptions, Witness};
use heng_model::event::{CancelRequested, CashPosted, HouseAccount, OrderPlaced, OrderWorking, PostingReason};
use heng_model::{
    AccountId, ClientOrderId, Currency, Event, InstrumentId, Money, OrderId, OrderType, ParentId, PartitionId, Price,
    Qty, SelfTrade, Seq, Side, TradeDate, UnixNanos,
};
use heng_ports::{
    Accounts, ActionDone, ActionSource, ActionTaken, ActionTrail, AuthFailure, CommandEvents, Credentials, Decision,
    EventBlock, EventFeed, EventSource, ExportAsk, ExportKind, ExportRows, ExportSource, FeedError, Gatekeeper, Later,
    Principal, PrincipalKind, Resource, StepUpAsk, StepUpFailure,
};
use heng_runtime::Clock;
use heng_security::provider::{MessageDigest as _, Sm3};
use heng_store::{StoreKeys, StoreOptions};
use heng_transport::{Api, RateLimits};
use serde_json::Value;
use tower::ServiceExt as _;
use zeroize::Zeroizing;

/// Long enough for a busy machine, short enough to fail.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// A record in memory, with a trail of actions beside it.
#[derive(Clone, Default)]
pub(crate) struct Record {
    commands: Arc<Mutex<Vec<CommandEvents>>>,
    actions: Arc<Mutex<Vec<ActionTaken>>>,
    /// Rows of the export `things`.
    pub(crate) things: Arc<AtomicI64>,
    /// Whether these rows never arrive.
    pub(crate) blocked: Arc<AtomicBool>,
}

impl Record {
    /// Appends a command with these events; tells its sequence.
    pub(crate) fn say(&self, events: Vec<Event>) -> u64 {
        let mut record = self.commands.lock().unwrap();
        let seq = record.last().map_or(1, |last| last.seq.0 + 1);
        record.push(CommandEvents { seq: Seq(seq), time: time(2026), events });
        seq
    }

    /// Somebody does something.
    pub(crate) fn act(&self, action: &str) {
        let mut actions = self.actions.lock().unwrap();
        let number = actions.len() as u64 + 1;
        let (action, outcome, times) = (action.to_owned(), "done".to_owned(), 1);
        let (credential, resource) = ("session:1".to_owned(), "principal:7".to_owned());
        actions.push(ActionTaken {
            number,
            at: time(2026),
            principal: 3,
            credential,
            action,
            resource,
            outcome,
            times,
        });
    }

    /// Replaces the events of a command.
    pub(crate) fn correct(&self, sequence: u64, events: Vec<Event>) {
        self.commands.lock().unwrap()[sequence as usize - 1].events = events;
    }
}

pub(crate) fn time(year: u32) -> UnixNanos {
    UnixNanos::at(TradeDate::new(year, 7, 6).unwrap(), 0)
}

struct Feed {
    record: Record,
    next: usize,
}

impl EventFeed for Feed {
    fn next_block(&mut self) -> Result<Option<EventBlock>, FeedError> {
        let record = self.record.commands.lock().unwrap();
        // Small pieces, so that tests cross their borders.
        let piece: Vec<CommandEvents> = record.iter().skip(self.next).take(7).cloned().collect();
        let Some(last) = piece.last() else { return Ok(None) };
        let (first, through) = (piece[0].seq, last.seq);
        self.next += piece.len();
        let commands = piece.into_iter().filter(|command| !command.events.is_empty()).collect();
        Ok(Some(EventBlock { first, commands, through }))
    }
}

impl EventSource for Record {
    fn open(&self, from: Seq) -> Result<Box<dyn EventFeed>, FeedError> {
        Ok(Box::new(Feed { record: self.clone(), next: from.0 as usize - 1 }))
    }

    fn head(&self) -> Seq {
        Seq(self.commands.lock().unwrap().len() as u64)
    }
}

impl ActionSource for Record {
    fn actions_after(&self, number: u64, limit: u32) -> Later<'_, Result<Vec<ActionTaken>, FeedError>> {
        let actions = self.actions.lock().unwrap();
        let taken = actions.iter().skip(number as usize).take(limit as usize).cloned().collect();
        Box::pin(async move { Ok(taken) })
    }
}

impl ActionTrail for Record {
    fn record<'a>(&'a self, done: ActionDone<'a>) -> Later<'a, Result<(), FeedError>> {
        let mut actions = self.actions.lock().unwrap();
        let number = actions.len() as u64 + 1;
        let (action, outcome) = (done.action.to_owned(), "done".to_owned());
        let (principal, credential) = (done.by.map_or(0, |by| by.id), String::new());
        let (at, resource, times) = (time(2026), done.resource, 1);
        actions.push(ActionTaken { number, at, principal, credential, action, resource, outcome, times });
        Box::pin(async { Ok(()) })
    }
}

impl Record {
    /// What was done to which resource, from the oldest on.
    pub(crate) fn trail(&self) -> Vec<String> {
        let actions = self.actions.lock().unwrap();
        actions.iter().map(|done| format!("{} {} {}", done.principal, done.action, done.resource)).collect()
    }
}

const THINGS: [ExportKind; 1] = [ExportKind {
    name: "things",
    action: "thing.read",
    filters: &["from", "account"],
    columns: &["id", "at", "name", "note"],
}];

impl ExportSource for Record {
    fn kinds(&self) -> &'static [ExportKind] {
        const { &THINGS }
    }

    fn count<'a>(&'a self, _: &'a ExportAsk) -> Later<'a, Result<Option<u64>, FeedError>> {
        Box::pin(async { Ok(Some(self.things.load(Ordering::Relaxed).cast_unsigned())) })
    }

    fn rows<'a>(&'a self, ask: &'a ExportAsk, after: &'a str, limit: u32) -> Later<'a, Result<ExportRows, FeedError>> {
        Box::pin(async move {
            if self.blocked.load(Ordering::Relaxed) {
                std::future::pending::<()>().await;
            }
            let all = self.things.load(Ordering::Relaxed);
            let first: i64 = if after.is_empty() { 1 } else { after.parse()? };
            let name = if ask.masked { "a***e" } else { "alice" };
            let row = |n: i64| {
                let at =
                    format!("2026-07-06T{:02}:{:02}:{:02}.{:03}+08:00", n / 3_600 % 24, n / 60 % 60, n % 60, n % 997);
                vec![n.to_string(), at, name.to_owned(), "=HYPERLINK(\"x\")".to_owned()]
            };
            let last = all.min(first + i64::from(limit) - 1);
            let next = (last < all).then(|| (last + 1).to_string());
            Ok(ExportRows { rows: (first..=last).map(row).collect(), next })
        })
    }
}

/// A clock that tests set.
#[derive(Clone)]
pub(crate) struct Hand(Arc<AtomicI64>);

impl Clock for Hand {
    fn now(&self) -> i64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Hand {
    pub(crate) fn set(&self, year: u32) {
        self.0.store(time(year).0, Ordering::Relaxed);
    }
}

pub(crate) fn deposit(account: u64, yuan: i64) -> Event {
    Event::from(CashPosted {
        account: AccountId(account),
        currency: Currency::Cny,
        amount: Money(yuan * 10_000),
        reason: PostingReason::Deposit,
        house: HouseAccount::Bank,
        reference: 1,
        balance: Money(yuan * 10_000),
    })
}

pub(crate) fn order(number: u64) -> OrderId {
    OrderId::of(PartitionId(0), number)
}

pub(crate) fn placed(account: u64, number: u64) -> Event {
    Event::from(OrderPlaced {
        order: order(number),
        account: AccountId(account),
        client_order: ClientOrderId::from_text("mine"),
        trade_date: TradeDate::new(2026, 7, 6).unwrap(),
        instrument: InstrumentId(1),
        side: Side::Buy,
        order_type: OrderType::Limit,
        price: Price(100_000),
        quantity: Qty(100),
        self_trade: SelfTrade::Allow,
        parent: ParentId(0),
        hold_cash: Money(1),
        hold_quantity: Qty(0),
    })
}

pub(crate) fn working(number: u64) -> Event {
    let (order, instrument, side) = (order(number), InstrumentId(1), Side::Buy);
    Event::from(OrderWorking { order, instrument, side, price: Price(100_000), quantity: Qty(100) })
}

pub(crate) fn cancel_requested(number: u64) -> Event {
    Event::from(CancelRequested { order: order(number) })
}

/// A proof of the form that step-ups have.
pub(crate) const PROOF: &str = "hsu_0123456789012345678901234567890123456789012";

/// Tells callers by their bearer: `c1` is a client with account 1, `boss` and `peer` are staff with all accounts, `desk`
/// is staff who sees no personal data and decides nothing.
pub(crate) struct Keeper;

impl Gatekeeper for Keeper {
    fn identify<'a>(&'a self, credentials: Credentials<'a>) -> Later<'a, Result<Arc<Principal>, AuthFailure>> {
        let name = credentials.authorization.and_then(|text| text.strip_prefix("Bearer ")).unwrap_or("").to_owned();
        Box::pin(async move {
            let id =
                ["c1", "boss", "peer", "desk"].iter().position(|known| *known == name).ok_or(AuthFailure::Missing)?;
            let own = Accounts::These(vec![AccountId(1)]);
            let (kind, accounts) =
                if name == "c1" { (PrincipalKind::Client, own) } else { (PrincipalKind::Staff, Accounts::All) };
            let (roles, scopes, credential) = (Vec::new(), Vec::new(), "session:1".to_owned());
            Ok(Arc::new(Principal { id: id as u64 + 1, kind, name, accounts, roles, scopes, credential }))
        })
    }

    fn step_up<'a>(&'a self, _: &'a Arc<Principal>, ask: StepUpAsk<'a>) -> Later<'a, Result<(), StepUpFailure>> {
        let proven = if ask.proof == Some(PROOF) { Ok(()) } else { Err(StepUpFailure::Needed("show it")) };
        Box::pin(async move { proven })
    }

    fn sees_personal(&self, principal: &Principal) -> bool {
        self.decide(principal, "personal.read", Resource::Any).is_allowed()
    }

    fn decide(&self, principal: &Principal, action: &'static str, resource: Resource) -> Decision {
        let held = match resource {
            Resource::Any => true,
            Resource::Account(account) => principal.accounts.hold(account),
        };
        let grave = ["personal.read", "export.decide", "export.reveal", "hold.write", "audit.read", "evidence.destroy"];
        let may = match principal.name.as_str() {
            "c1" => action != "evidence.destroy" && action != "hold.write",
            "desk" => !grave.contains(&action),
            "peer" => action != "export.reveal",
            _ => true,
        };
        if held && may { Decision::Allow } else { Decision::Deny("no policy permits it".into()) }
    }
}

/// An evidence log over a record, in a folder of its own.
pub(crate) struct World {
    pub(crate) record: Record,
    pub(crate) clock: Hand,
    pub(crate) service: Arc<Compliance>,
    pub(crate) folder: Arc<tempfile::TempDir>,
    pub(crate) router: Router,
    pub(crate) api: Api,
    /// Whether requests bring a fresh proof.
    pub(crate) proven: bool,
}

/// Keys of a test: what they seal cannot be found, and opens for the same table and thing alone.
#[derive(Debug)]
pub(crate) struct TestKeys;

impl StoreKeys for TestKeys {
    fn seal(&self, table: &str, about: &str, secret: &[u8]) -> std::io::Result<Vec<u8>> {
        let head = Sm3.digest(&[table.as_bytes(), b"/", about.as_bytes()]);
        Ok(head.iter().chain(&[0; 12]).copied().chain(secret.iter().map(|byte| byte ^ 0xa5)).collect())
    }

    fn unseal(&self, table: &str, about: &str, sealed: &[u8]) -> std::io::Result<Zeroizing<Vec<u8>>> {
        let head = Sm3.digest(&[table.as_bytes(), b"/", about.as_bytes()]);
        let content = sealed.strip_prefix(head.as_slice()).and_then(|rest| rest.get(12..));
        let content = content.ok_or_else(|| std::io::Error::other("it was sealed for something else"))?;
        Ok(Zeroizing::new(content.iter().map(|byte| byte ^ 0xa5).collect()))
    }
}

fn place(folder: &Path) -> StoreOptions {
    StoreOptions::at(folder.join("compliance.db"))
}

impl World {
    pub(crate) async fn new() -> Self {
        Self::over(Record::default(), Arc::new(tempfile::tempdir().unwrap()), Vec::new()).await
    }

    pub(crate) async fn over(record: Record, folder: Arc<tempfile::TempDir>, witnesses: Vec<Witness>) -> Self {
        let store = place(folder.path());
        Self::at(store, record, folder, witnesses).await
    }

    /// The same with keys that seal what it keeps.
    pub(crate) async fn sealed(record: Record, folder: Arc<tempfile::TempDir>) -> Self {
        let store = place(folder.path()).sealed_by(Some(Arc::new(TestKeys)));
        Self::at(store, record, folder, Vec::new()).await
    }

    /// The same with its tables elsewhere.
    pub(crate) async fn at(
        store: StoreOptions,
        record: Record,
        folder: Arc<tempfile::TempDir>,
        witnesses: Vec<Witness>,
    ) -> Self {
        let clock = Hand(Arc::new(AtomicI64::new(time(2026).0)));
        let options = ComplianceOptions {
            store,
            folder: folder.path().join("evidence"),
            source: Arc::new(record.clone()),
            actions: Some(Arc::new(record.clone())),
            clock: Arc::new(clock.clone()),
            origin: Some("heng.test/log".into()),
            production: true,
            witnesses,
            trail: Some(Arc::new(record.clone())),
            exports: vec![Arc::new(record.clone())],
            exports_folder: folder.path().join("exports"),
        };
        let service = Compliance::open(options).await.unwrap();
        let often = NonZeroU32::new(10_000).unwrap();
        let limits = Arc::new(RateLimits::new(often, often));
        let api = heng_compliance::api(Arc::clone(&service), Arc::new(Keeper), limits);
        let router = api.router().merge(heng_compliance::tiles(Arc::clone(&service)));
        Self { record, clock, service, folder, router, api, proven: true }
    }

    /// Stops the service and starts it again on what it left.
    pub(crate) async fn again(self) -> Self {
        self.stop().await;
        Self::over(self.record, self.folder, Vec::new()).await
    }

    pub(crate) async fn stop(&self) {
        let service = Arc::clone(&self.service);
        tokio::task::spawn_blocking(move || service.stop()).await.unwrap();
        self.service.close().await;
    }

    /// Waits until everything of the record is under a checkpoint, the actions too.
    pub(crate) async fn covered(&self) {
        let head = self.record.head().0;
        assert!(self.service.wait_covered(head, PATIENCE).await, "{:?}", self.service.status().told());
    }

    pub(crate) async fn archive(&self) -> Archive {
        let (source, actions) = (Arc::new(self.record.clone()), Arc::new(self.record.clone()));
        let folder = self.folder.path();
        Archive::open(&place(folder), &folder.join("evidence"), source, Some(actions)).await.unwrap()
    }

    /// Everything that is under a checkpoint covers the actions up to now, too.
    pub(crate) async fn actions_covered(&self, number: u64) {
        let began = std::time::Instant::now();
        while self.service.leaves().leaves_of(&[number]).await.unwrap()[0].is_none() {
            assert!(began.elapsed() < PATIENCE, "{:?}", self.service.status().told());
            tokio::task::yield_now().await;
        }
    }

    /// A request of `who`; status and body.
    pub(crate) async fn ask(&self, who: &str, method: &str, path: &str, body: Option<Value>) -> (StatusCode, Value) {
        let (status, bytes) = self.ask_bytes(who, method, path, body).await;
        (status, serde_json::from_slice(&bytes).unwrap_or_else(|_| String::from_utf8_lossy(&bytes).into_owned().into()))
    }

    pub(crate) async fn ask_bytes(
        &self,
        who: &str,
        method: &str,
        path: &str,
        body: Option<Value>,
    ) -> (StatusCode, Vec<u8>) {
        let request = Request::builder().method(method).uri(path).header("authorization", format!("Bearer {who}"));
        let request = request.header("content-type", "application/json");
        let request = if self.proven { request.header("step-up", PROOF) } else { request };
        let body = body.map_or_else(Body::empty, |body| Body::from(body.to_string()));
        let response = self.router.clone().oneshot(request.body(body).unwrap()).await.unwrap();
        let status = response.status();
        (status, axum::body::to_bytes(response.into_body(), 1 << 24).await.unwrap().to_vec())
    }
}
