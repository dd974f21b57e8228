//! A core behind a link: every port works as it does in one process, and a lost link makes nothing up.

use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::time::{Duration, Instant, SystemTime};

use heng_engine::Capacity;
use heng_journal::SimStorage;
use heng_model::command::{CancelOrder, Memo};
use heng_model::{AccountId, Command, OrderId, PartitionId, RejectCode, Seq};
use heng_ports::{Answer, CommandPort, CoreWatch as _, EventSource as _};
use heng_runtime::SystemClock;
use heng_security::ca::{Authority, Curve, Subject};
use heng_security::tls::{LinkPapers, PemFiles};
use heng_transport::LinkListener;
use tokio::runtime::Runtime;
use tokio::sync::watch;

use super::words::{Ask, Tell};
use super::{CoreServer, RemoteCore, RemoteOptions, Served};
use crate::{Core, CoreOptions, Layout, RecordSource};

const SOON: Duration = Duration::from_secs(20);
/// Both ends are the same role here.
const ROLE: &str = "spiffe://heng.local/role/core";

fn papers(folder: &Path, name: &str) -> LinkPapers {
    let (from, lasts) = (SystemTime::now() - SOON, Duration::from_secs(3_600));
    let authority = Authority::new(Curve::P256, name, from, lasts).unwrap();
    let subject = Subject { spiffe_id: ROLE.into(), dns_names: vec!["core".into()], from, lasts };
    let issued = authority.issue(&subject).unwrap();
    let write = |end: &str, text: String| {
        let path = folder.join(format!("{name}.{end}"));
        std::fs::write(&path, text).unwrap();
        path
    };
    LinkPapers {
        own: PemFiles { certificate: write("pem", issued.certificate), key: write("key", issued.key) },
        authorities: write("ca", authority.certificate().unwrap()),
    }
}

fn allowed() -> Vec<String> {
    vec![ROLE.to_owned()]
}

struct House {
    runtime: Runtime,
    core: Core,
    remote: Arc<RemoteCore>,
    stop: watch::Sender<bool>,
    served: Served,
    files: LinkPapers,
    address: std::net::SocketAddr,
    folder: tempfile::TempDir,
}

impl House {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let files = papers(folder.path(), "role");
        let storage = SimStorage::new().shared();
        let options = CoreOptions {
            data: "/core".into(),
            partition: PartitionId(0),
            capacity: Capacity::default(),
            clock: Arc::new(SystemClock),
            follows_clock: false,
            storage: Arc::clone(&storage),
            segment_bytes: 1 << 16,
            snapshots: None,
            on_fatal: |error| panic!("{error}"),
        };
        let core = Core::start(&options).unwrap();
        let served = Served {
            port: Arc::new(core.port()),
            source: Arc::new(RecordSource::new(storage, &Layout::new(&options.data), core.port())),
            watch: Arc::new(core.port()),
            answers: Arc::new(|question| question.iter().rev().copied().collect()),
        };
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let (stop, address) = serve(&runtime, &served, &files, "127.0.0.1:0".parse().unwrap());
        let tls = files.client(&allowed()).unwrap();
        let remote = RemoteCore::begin(RemoteOptions { address, name: "core".into(), tls }, runtime.handle());
        let house = Self { runtime, core, remote, stop, served, files, address, folder };
        house.wait(|house| house.remote.status().is_some());
        house
    }

    fn wait(&self, ready: impl Fn(&Self) -> bool) {
        let began = Instant::now();
        while !ready(self) {
            assert!(began.elapsed() < SOON, "it does not come");
            std::thread::yield_now();
        }
    }
}

fn serve(
    runtime: &Runtime,
    served: &Served,
    files: &LinkPapers,
    at: std::net::SocketAddr,
) -> (watch::Sender<bool>, std::net::SocketAddr) {
    let (stop, stopped) = watch::channel(false);
    let listener = runtime.block_on(LinkListener::bind(at, files.server(&allowed()).unwrap())).unwrap();
    let address = listener.address().unwrap();
    runtime.spawn(CoreServer::new(listener, served.clone()).run(stopped));
    (stop, address)
}

fn memo(topic: &str) -> Command {
    Memo { topic: topic.into(), content: vec![1, 2, 3] }.into()
}

#[test]
fn commands_questions_events_and_status_cross_the_link() {
    let house = House::new();
    for number in 0..50 {
        let answer = house.remote.submit(memo(&format!("topic-{}", number % 5)), SOON);
        assert!(matches!(answer, Answer::Accepted { sequence, .. } if sequence == Seq(number + 1)), "{answer:?}");
    }
    let cancel = CancelOrder { account: AccountId(9), order: OrderId(7) };
    let refused = house.remote.submit(cancel.into(), SOON);
    assert!(matches!(refused, Answer::Rejected { sequence: Seq(51), .. }), "{refused:?}");
    assert_eq!(house.remote.ask(vec![1, 2, 3], SOON), Some(vec![3, 2, 1]));
    house.wait(|house| house.remote.head() == Seq(51));
    let (mut far, mut near) = (house.remote.open(Seq(1)).unwrap(), house.served.source.open(Seq(1)).unwrap());
    let mut through = 0;
    while through < 51 {
        let Some(block) = far.next_block().unwrap() else { continue };
        assert_eq!(Some(&block), near.next_block().unwrap().as_ref());
        through = block.through.0;
    }
    // The status comes at its own pace, behind the answers.
    house.wait(|house| house.remote.status().is_some_and(|status| status.durable == 51));
    assert_eq!(house.remote.status().map(|status| status.refusal), Some(0));
    house.core.stop().unwrap();
}

#[test]
fn a_far_record_ends_only_where_the_near_one_does() {
    let house = House::new();
    for number in 0..300 {
        let answer = house.remote.submit(memo(&format!("topic-{}", number % 7)), SOON);
        let Answer::Accepted { sequence, .. } = answer else { panic!("{answer:?}") };
        // Whoever is told a sequence may ask for it at once.
        assert!(house.remote.head() >= sequence);
    }
    for from in [1, 7, 300] {
        let mut far = house.remote.open(Seq(from)).unwrap();
        let mut through = 0;
        while let Some(block) = far.next_block().unwrap() {
            assert!(block.first.0 <= from.max(through + 1));
            through = block.through.0;
        }
        assert_eq!(through, 300);
    }
    house.core.stop().unwrap();
}

#[test]
fn a_lost_link_leaves_outcomes_unknown_and_comes_back() {
    let mut house = House::new();
    house.stop.send_replace(true);
    let (sender, told) = channel();
    // Until the loss is noticed a command may be sent, and is then unknown; afterwards it is refused by name.
    let began = Instant::now();
    loop {
        let sender = sender.clone();
        house.remote.begin(memo("lost"), Box::new(move |answer| sender.send(answer).unwrap()));
        match told.recv_timeout(SOON).expect("every command is told an outcome") {
            Answer::Rejected { sequence: Seq(0), code: RejectCode::CoreUnreachable, .. } => break,
            Answer::Unknown | Answer::Accepted { .. } => assert!(began.elapsed() < SOON, "the loss is not noticed"),
            other => panic!("{other:?}"),
        }
    }
    assert!(house.remote.status().is_none());
    assert_eq!(house.remote.ask(vec![1], SOON), None);
    (house.stop, _) = serve(&house.runtime, &house.served, &house.files, house.address);
    house.wait(|house| house.remote.is_connected());
    assert!(matches!(house.remote.submit(memo("found"), SOON), Answer::Accepted { .. }));
    house.core.stop().unwrap();
}

#[test]
fn a_stranger_reaches_nothing() {
    let house = House::new();
    let mut files = papers(house.folder.path(), "stranger");
    files.authorities.clone_from(&house.files.authorities);
    let tls = files.client(&allowed()).unwrap();
    let options = RemoteOptions { address: house.address, name: "core".into(), tls };
    let stranger = RemoteCore::begin(options, house.runtime.handle());
    // A client of TLS 1.3 may learn behind its handshake only that its certificate is refused.
    if let Ok(mut feed) = stranger.open(Seq(1)) {
        let began = Instant::now();
        while let Ok(block) = feed.next_block() {
            assert!(block.is_none() && began.elapsed() < SOON, "a stranger reads the record");
            std::thread::yield_now();
        }
    }
    assert!(stranger.status().is_none());
    // Here the core does not trust us, and says so after the handshake; there it is we who do not trust the core.
    let distrust = |from: &RemoteCore| from.trouble().is_some_and(|trouble| trouble.distrust);
    house.wait(|_| distrust(&stranger));
    let tls = papers(house.folder.path(), "elsewhere").client(&allowed()).unwrap();
    let options = RemoteOptions { address: house.address, name: "core".into(), tls };
    let elsewhere = RemoteCore::begin(options, house.runtime.handle());
    house.wait(|_| distrust(&elsewhere));
    assert_eq!(house.remote.trouble(), None);
    house.core.stop().unwrap();
}

#[test]
fn messages_survive_their_bytes_and_damage_is_told() {
    let asks = [Ask::Command(7, memo("x")), Ask::Question(8, vec![1, 2]), Ask::Follow(Seq(9))];
    for ask in asks {
        let bytes = ask.bytes();
        assert_eq!(Ask::read(&bytes).unwrap(), ask);
        for length in 0..bytes.len() {
            assert!(Ask::read(&bytes[..length]).is_err(), "{length} bytes of {ask:?} are read");
        }
        assert!(Ask::read(&[bytes, vec![0]].concat()).is_err());
    }
    let code = RejectCode::PhaseForbids;
    for answer in [
        Answer::Accepted { sequence: Seq(1), id: 2, repeated: true },
        Answer::Rejected { sequence: Seq(1), id: 2, code, repeated: false },
        Answer::Unknown,
    ] {
        let tell = Tell::Answer(3, answer);
        assert_eq!(Tell::read(&tell.bytes()).unwrap(), tell);
    }
    let reply = Tell::Trouble("no such command".into());
    assert_eq!(Tell::read(&reply.bytes()).unwrap(), reply);
}
