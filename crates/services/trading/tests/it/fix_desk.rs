//! The FIX desk without sockets: what a mass cancel leaves behind.

use std::sync::Arc;
use std::time::Duration;

use heng_model::command::{NewParent, ParentKind};
use heng_model::{
    AccountId, ClientOrderId, Command, InstrumentId, Money, OrderType, Price, Qty, Seq, Side, TradeDate, UnixNanos,
};
use heng_ports::{Accounts, Answer, CommandPort, Done, Principal, PrincipalKind};
use heng_store::StoreOptions;
use heng_trading::{FixDesk, FixDeskParts, Terms, TermsStore, TradingView, ViewOptions};
use heng_transport::fix::{
    FixApplicationKind, FixLimits, FixParts, FixRole, FixSession, FixSessionConfig, FixWire, MemoryStore, SystemClock,
};
use tokio::sync::watch;

use crate::house::{Gate, Recorded};
use crate::record::{BUYER, STOCK, day, piece, record};

/// Accepts everything.
struct Yes;

impl CommandPort for Yes {
    fn begin(&self, command: Command, done: Done) {
        assert!(matches!(command, Command::MassCancel(_)), "{command:?}");
        done(Answer::Accepted { sequence: Seq(40), id: 0, repeated: false });
    }
}

fn terms(number: u64, account: AccountId, instrument: InstrumentId, trade_date: TradeDate) -> Terms {
    let parent = NewParent {
        account,
        client_order: ClientOrderId(u128::from(number)),
        trade_date,
        kind: ParentKind::Twap,
        instrument,
        side: Side::Buy,
        order_type: OrderType::Limit,
        price: Price(100_000),
        quantity: Qty(1_000),
        value_max: Money(0),
        watch: InstrumentId(0),
        at_or_above: false,
        trigger: Price(0),
        expires: UnixNanos(0),
    };
    let (start, end) = (UnixNanos(0), UnixNanos(0));
    Terms { parent, start, end, slices: 10, participation: 10, display: Qty(100) }
}

fn message(kind: &str, number: u32, fields: &str) -> Vec<u8> {
    let time = "20260707-02:00:00.000";
    let body = format!("35={kind}|49=THEM|56=US|34={number}|52={time}|{fields}").replace('|', "\u{1}");
    let head = format!("8=FIX.4.4\u{1}9={}\u{1}{body}", body.len());
    let sum = head.bytes().fold(0u8, u8::wrapping_add);
    format!("{head}10={sum:03}\u{1}").into_bytes()
}

/// Every bit of what the session says until `part` is in it.
async fn hear(wire: &mut FixWire, part: &str) -> String {
    let (mut heard, mut out) = (String::new(), Vec::new());
    let listen = async {
        while !heard.contains(part) {
            wire.send(&mut out);
            heard.push_str(&String::from_utf8_lossy(&out).replace('\u{1}', "|"));
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    let listened = tokio::time::timeout(Duration::from_secs(20), listen).await;
    assert!(listened.is_ok(), "{part} was not said: {heard}");
    heard
}

/// Who the session is for, and the session.
fn counterparty() -> (Principal, FixSessionConfig) {
    let principal = Principal {
        id: 1,
        kind: PrincipalKind::Client,
        name: "t".into(),
        accounts: Accounts::These(vec![BUYER]),
        roles: Vec::new(),
        scopes: Vec::new(),
        credential: "configuration".into(),
    };
    let config = FixSessionConfig {
        begin: "FIX.4.4".into(),
        default_appl_ver: None,
        sender: "US".into(),
        target: "THEM".into(),
        heartbeat_s: 30,
        reset_on_logon: true,
        application: FixApplicationKind::Trading,
    };
    (principal, config)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mass_cancel_makes_the_parents_in_its_scope_stand() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = |name: &str| StoreOptions::at(folder.path().join(name));
    let (mut view, _) = TradingView::open(&file("trading.db"), ViewOptions::default()).await.expect("the view opens");
    let record = record();
    view.take(&piece(&record, 1, record.len() as u64)).await.expect("the record is explained");
    let store = TermsStore::open(&file("terms.db")).await.expect("a file");
    for (number, account, instrument, date) in [
        (1, BUYER, STOCK, day(1)),
        (2, BUYER, InstrumentId(77), day(1)),
        (3, AccountId(9), STOCK, day(1)),
        (4, BUYER, STOCK, day(0)),
    ] {
        store.keep(&terms(number, account, instrument, date)).await.expect("kept");
    }
    let desk = FixDesk::new(FixDeskParts {
        port: Arc::new(Yes),
        view: view.reader(),
        gatekeeper: Arc::new(Gate),
        terms: store.clone(),
        runtime: tokio::runtime::Handle::current(),
        folder: folder.path().join("desk"),
        seal: None,
    });
    let (stop, stopped) = watch::channel(false);
    let reports = desk.begin(Arc::new(Recorded(record)), stopped).expect("it begins");
    let (principal, config) = counterparty();
    let limits = FixLimits { latency_max: Duration::from_hours(24 * 36_500), ..FixLimits::default() };
    let (role, clock, application) = (FixRole::Acceptor, SystemClock::default(), desk.application(Arc::new(principal)));
    let (messages, clock) = (Box::new(MemoryStore::new(1 << 20)), Arc::new(clock));
    let session = FixSession::open(&config, FixParts { role, limits, store: messages, application, clock });
    let session = session.expect("a session");
    desk.attach(&session);
    let mut wire = FixWire::attach(&session).expect("nobody else is connected");
    wire.received().extend(message("A", 1, "98=0|108=30|141=Y|"));
    wire.work();
    hear(&mut wire, "|35=A|").await;
    let held = || async { store.held(day(1)).await.expect("read").into_iter().collect::<Vec<_>>() };
    assert!(held().await.is_empty());

    wire.received().extend(message("q", 2, "11=c1|530=1|55=600003.SH|60=20260707-02:00:00|"));
    wire.work();
    hear(&mut wire, "|35=r|").await;
    let name = |number: u64| ClientOrderId(u128::from(number)).to_text();
    assert_eq!(held().await, [(BUYER, name(1))], "of the account and the instrument only");

    wire.received().extend(message("q", 3, "11=c2|530=7|60=20260707-02:00:00|"));
    wire.work();
    hear(&mut wire, "|35=r|").await;
    let mut both = [(BUYER, name(1)), (BUYER, name(2))];
    both.sort();
    assert_eq!(held().await, both, "of the account, everything");
    assert!(store.held(day(0)).await.expect("read").is_empty(), "of today only");
    stop.send_replace(true);
    tokio::task::spawn_blocking(|| reports.join()).await.expect("it is waited for").expect("it ended well");
}
