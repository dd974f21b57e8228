//! A record and a trail that tests write, a log that follows them, and callers.

use std::num::NonZeroU32;
use std::path::Path;
use std::sync::atomic::{AtomicI64, Ordering};
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
    Accounts, ActionSource, ActionTaken, AuthFailure, CommandEvents, Credentials, Decision, EventBlock, EventFeed,
    EventSource, FeedError, Gatekeeper, Later, Principal, PrincipalKind, Resource,
};
use heng_runtime::Clock;
use heng_store::StoreOptions;
use heng_transport::RateLimits;
use serde_json::Value;
use tower::ServiceExt as _;

/// Long enough for a busy machine, short enough to fail.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// A record in memory, with a trail of actions beside it.
#[derive(Clone, Default)]
pub(crate) struct Record {
    commands: Arc<Mutex<Vec<CommandEvents>>>,
    actions: Arc<Mutex<Vec<ActionTaken>>>,
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

/// Tells callers by their bearer: `c1` is a client with account 1, `boss` and `peer` are staff with all accounts.
pub(crate) struct Keeper;

impl Gatekeeper for Keeper {
    fn identify<'a>(&'a self, credentials: Credentials<'a>) -> Later<'a, Result<Arc<Principal>, AuthFailure>> {
        let name = credentials.authorization.and_then(|text| text.strip_prefix("Bearer ")).unwrap_or("").to_owned();
        Box::pin(async move {
            let id = ["c1", "boss", "peer"].iter().position(|known| *known == name).ok_or(AuthFailure::Missing)?;
            let own = Accounts::These(vec![AccountId(1)]);
            let (kind, accounts) =
                if name == "c1" { (PrincipalKind::Client, own) } else { (PrincipalKind::Staff, Accounts::All) };
            let (roles, scopes, credential) = (Vec::new(), Vec::new(), "session:1".to_owned());
            Ok(Arc::new(Principal { id: id as u64 + 1, kind, name, accounts, roles, scopes, credential }))
        })
    }

    fn decide(&self, principal: &Principal, action: &'static str, resource: Resource) -> Decision {
        let held = match resource {
            Resource::Any => true,
            Resource::Account(account) => principal.accounts.hold(account),
        };
        let may = principal.kind == PrincipalKind::Staff || action != "evidence.destroy";
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
}

fn place(folder: &Path) -> StoreOptions {
    StoreOptions::at(folder.join("compliance.db"))
}

impl World {
    pub(crate) async fn new() -> Self {
        Self::over(Record::default(), Arc::new(tempfile::tempdir().unwrap()), Vec::new()).await
    }

    pub(crate) async fn over(record: Record, folder: Arc<tempfile::TempDir>, witnesses: Vec<Witness>) -> Self {
        let clock = Hand(Arc::new(AtomicI64::new(time(2026).0)));
        let options = ComplianceOptions {
            store: place(folder.path()),
            folder: folder.path().join("evidence"),
            source: Arc::new(record.clone()),
            actions: Some(Arc::new(record.clone())),
            clock: Arc::new(clock.clone()),
            origin: Some("heng.test/log".into()),
            production: true,
            witnesses,
        };
        let service = Compliance::open(options).await.unwrap();
        let often = NonZeroU32::new(10_000).unwrap();
        let limits = Arc::new(RateLimits::new(often, often));
        let api = heng_compliance::api(Arc::clone(&service), Arc::new(Keeper), limits);
        let router = api.router().merge(heng_compliance::tiles(Arc::clone(&service)));
        Self { record, clock, service, folder, router }
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
        let body = body.map_or_else(Body::empty, |body| Body::from(body.to_string()));
        let response = self.router.clone().oneshot(request.body(body).unwrap()).await.unwrap();
        let status = response.status();
        (status, axum::body::to_bytes(response.into_body(), 1 << 24).await.unwrap().to_vec())
    }
}
