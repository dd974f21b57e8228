//! FIX over real loopback sockets.

use std::collections::VecDeque;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use heng_transport::fix::{
    EchoApplication, FileStore, FixAcceptor, FixAcceptorOptions, FixAdmitted, FixApplication, FixApplicationKind,
    FixBody, FixClock, FixGate, FixInitiatorOptions, FixKnock, FixLimits, FixMessage, FixParts, FixPhase, FixRefused,
    FixReplies, FixRole, FixSession, FixSessionConfig, FixSessionId, FixTaken, FixTurnedAway, FixWire, Frame,
    FrameReader, MemoryStore, MessageStore, SystemClock, initiate,
};
use tokio::sync::oneshot;

fn config(begin: &str, sender: &str, target: &str, reset_on_logon: bool) -> FixSessionConfig {
    FixSessionConfig {
        begin: begin.to_owned(),
        default_appl_ver: (begin == "FIXT.1.1").then(|| "FIX.5.0SP2".to_owned()),
        sender: sender.to_owned(),
        target: target.to_owned(),
        heartbeat_s: 30,
        reset_on_logon,
        application: FixApplicationKind::Echo,
    }
}

fn memory() -> Box<dyn MessageStore> {
    Box::new(MemoryStore::new(1 << 22))
}

fn limits() -> FixLimits {
    FixLimits { unsent_max: 1 << 20, ..FixLimits::default() }
}

fn open(
    config: &FixSessionConfig,
    role: FixRole,
    store: Box<dyn MessageStore>,
    application: Arc<dyn FixApplication>,
) -> Arc<FixSession> {
    let clock: Arc<dyn FixClock> = Arc::new(SystemClock::default());
    FixSession::open(config, FixParts { role, limits: limits(), store, application, clock }).unwrap()
}

fn echo_session(begin: &str, reset_on_logon: bool, store: Box<dyn MessageStore>) -> Arc<FixSession> {
    let application = Arc::new(EchoApplication::default());
    open(&config(begin, "US", "THEM", reset_on_logon), FixRole::Acceptor, store, application)
}

/// Something that runs until it is dropped.
struct Running {
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Running {
    fn spawn<F: Future<Output = ()>>(run: impl FnOnce(oneshot::Receiver<()>) -> F + Send + 'static) -> Self {
        let (stop, stopped) = oneshot::channel();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(run(stopped));
        });
        Self { stop: Some(stop), thread: Some(thread) }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.stop.take().unwrap().send(());
        let joined = self.thread.take().unwrap().join();
        assert!(joined.is_ok() || std::thread::panicking(), "the other side panicked");
    }
}

fn acceptor(sessions: Vec<Arc<FixSession>>, change: impl FnOnce(&mut FixAcceptorOptions)) -> (SocketAddr, Running) {
    guarded(sessions, None, change)
}

fn guarded(
    sessions: Vec<Arc<FixSession>>,
    gate: Option<Arc<dyn FixGate>>,
    change: impl FnOnce(&mut FixAcceptorOptions),
) -> (SocketAddr, Running) {
    let mut options = FixAcceptorOptions::at(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)));
    change(&mut options);
    let (bound, address) = channel();
    let running = Running::spawn(move |stopped| async move {
        let acceptor = FixAcceptor::bind(options, sessions).await.unwrap();
        let acceptor = if let Some(gate) = gate { acceptor.with_gate(gate) } else { acceptor };
        bound.send(acceptor.address()).unwrap();
        let stop = async {
            let _ = stopped.await;
        };
        acceptor.serve(stop).await;
    });
    (address.recv().unwrap(), running)
}

/// A counterparty that writes the bytes itself.
struct Peer {
    stream: TcpStream,
    reader: FrameReader,
    begin: &'static str,
}

impl Peer {
    fn connect(address: SocketAddr, begin: &'static str) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        Self { stream, reader: FrameReader::new(1 << 16), begin }
    }

    fn send(&mut self, kind: &str, number: u64, fields: &str) {
        let bytes = message(self.begin, kind, number, fields);
        // The other side may have ended already, which is what the test then finds.
        let _ = self.stream.write_all(&bytes);
    }

    fn log_on(&mut self) -> String {
        let version = if self.begin == "FIXT.1.1" { "1137=9|" } else { "" };
        self.send("A", 1, &format!("98=0|108=30|{version}"));
        self.next().unwrap()
    }

    /// The next message as `KIND NUMBER`, or nothing at the end.
    fn next(&mut self) -> Option<String> {
        loop {
            if let Some(frame) = self.reader.take() {
                let Frame::Message(bytes) = frame else { panic!("{frame:?}") };
                let text = String::from_utf8_lossy(bytes).replace('\x01', "|");
                let value = |tag: &str| text.split('|').find_map(|field| field.strip_prefix(tag)).unwrap_or("");
                return Some(format!("{} {} {}", value("35="), value("34="), value("11=")).trim_end().to_owned());
            }
            let mut bytes = [0; 4096];
            match self.stream.read(&mut bytes) {
                Ok(0) => return None,
                Ok(count) => self.reader.buffer().extend_from_slice(&bytes[..count]),
                Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => return None,
                Err(error) => panic!("{error}"),
            }
        }
    }
}

fn utc_now() -> String {
    let mut body = FixBody::new("0");
    body.time(52, SystemClock::default().now().utc_ns);
    let text = String::from_utf8(body.fields().to_vec()).unwrap();
    text.trim_start_matches("52=").trim_end_matches('\x01').to_owned()
}

fn message(begin: &str, kind: &str, number: u64, fields: &str) -> Vec<u8> {
    let body = format!("35={kind}|34={number}|49=THEM|52={}|56=US|{fields}", utc_now());
    let mut bytes = format!("8={begin}|9={}|{body}", body.len()).replace('|', "\x01").into_bytes();
    let sum = bytes.iter().fold(0_u8, |sum, byte| sum.wrapping_add(*byte));
    bytes.extend_from_slice(format!("10={sum:03}\x01").as_bytes());
    bytes
}

const ORDER: &str = "40=1|54=1|55=X|60=20260706-09:30:00|21=1|38=5|";

#[test]
fn an_acceptor_serves_every_version_on_one_port() {
    let begins = ["FIX.4.2", "FIX.4.3", "FIX.4.4", "FIXT.1.1"];
    let sessions = begins.iter().map(|begin| echo_session(begin, true, memory())).collect();
    let (address, _running) = acceptor(sessions, |_| {});
    let mut peers: Vec<Peer> = begins.into_iter().map(|begin| Peer::connect(address, begin)).collect();
    for peer in &mut peers {
        assert_eq!(peer.log_on(), "A 1");
    }
    for peer in &mut peers {
        // The order arrives in two pieces.
        let bytes = message(peer.begin, "D", 2, &format!("11=A|{ORDER}"));
        peer.stream.write_all(&bytes[..40]).unwrap();
        peer.stream.write_all(&bytes[40..]).unwrap();
        assert_eq!(peer.next().unwrap(), "D 2 A", "{}", peer.begin);
        peer.send("5", 3, "");
        assert_eq!((peer.next().as_deref(), peer.next()), (Some("5 3"), None));
    }
}

#[test]
fn sessions_over_one_transport_are_parted_by_the_version_of_their_messages() {
    let sessions: Vec<Arc<FixSession>> = ["7", "8", "9"]
        .into_iter()
        .map(|version| {
            let config = FixSessionConfig {
                default_appl_ver: Some(version.to_owned()),
                ..config("FIXT.1.1", "US", "THEM", true)
            };
            open(&config, FixRole::Acceptor, memory(), Arc::new(EchoApplication::default()))
        })
        .collect();
    let (address, _running) = acceptor(sessions.clone(), |_| {});
    let mut peer = Peer::connect(address, "FIXT.1.1");
    assert_eq!(peer.log_on(), "A 1");
    let phases: Vec<FixPhase> = sessions.iter().map(|session| session.status().phase).collect();
    assert_eq!(phases, [FixPhase::Offline, FixPhase::Offline, FixPhase::Up]);
}

#[test]
fn strangers_and_seconds_are_turned_away_without_a_word() {
    let (address, _running) = acceptor(vec![echo_session("FIX.4.4", true, memory())], |_| {});
    for bytes in [
        message("FIX.4.2", "A", 1, "98=0|108=30|"),
        message("FIX.4.4", "0", 1, ""),
        message("FIX.4.4", "A", 1, "98=0|108=30|58=a\x01b|"),
        message("FIX.4.4", "A", 1, "98=0|"),
        String::from_utf8(message("FIX.4.4", "A", 1, "98=0|108=30|")).unwrap().replace("THEM", "THEN").into_bytes(),
        b"GET / HTTP/1.1\r\n\r\n8=FIX.4.4\x019=5\x0135=A\x0110=000\x01".to_vec(),
        b"8=FIX.4.4\x019=99999999\x0135=A\x01".to_vec(),
    ] {
        let mut peer = Peer::connect(address, "FIX.4.4");
        let _ = peer.stream.write_all(&bytes);
        assert_eq!(peer.next(), None, "{}", String::from_utf8_lossy(&bytes));
    }
    let mut first = Peer::connect(address, "FIX.4.4");
    assert_eq!(first.log_on(), "A 1");
    let mut second = Peer::connect(address, "FIX.4.4");
    second.send("A", 1, "98=0|108=30|");
    assert_eq!(second.next(), None);
    first.send("1", 2, "112=Q|");
    assert_eq!(first.next().unwrap(), "0 2");
}

/// Admits whoever brings the word.
struct Word(&'static [u8]);

impl FixGate for Word {
    fn admit<'a>(&'a self, knock: FixKnock<'a>) -> FixAdmitted<'a> {
        assert!(knock.certificate.is_none() && knock.address.is_loopback());
        let admitted = match knock.password {
            Some(word) if word == self.0 => Ok(()),
            Some(_) => Err(FixTurnedAway::Logout("Logon refused")),
            None => Err(FixTurnedAway::Silently),
        };
        Box::pin(async move { admitted })
    }
}

#[test]
fn whoever_the_gate_refuses_gets_a_logout_at_most_and_the_session_goes_on() {
    let session = echo_session("FIX.4.4", false, memory());
    let (address, _running) = guarded(vec![Arc::clone(&session)], Some(Arc::new(Word(b"s3cret"))), |_| {});
    let refused = |fields: &str, expected: Option<&str>| {
        let mut peer = Peer::connect(address, "FIX.4.4");
        peer.send("A", 1, &format!("98=0|108=30|{fields}"));
        assert_eq!(peer.next().as_deref(), expected, "{fields}");
        assert_eq!(if expected.is_some() { peer.next() } else { None }, None, "{fields}");
    };
    refused("553=us|554=wrong|", Some("5 1"));
    refused("", None);
    refused("554=s3cret|554=s3cret|", Some("5 2"));
    refused("554=s3cret|925=other|", Some("5 3"));
    let mut peer = Peer::connect(address, "FIX.4.4");
    peer.send("A", 1, "98=0|108=30|554=s3cret|");
    assert_eq!(peer.next().as_deref(), Some("A 4"), "the Logouts have taken numbers, and nothing else has changed");
    refused("554=wrong|", None);
    peer.send("1", 2, "112=Q|");
    assert_eq!(peer.next().as_deref(), Some("0 5"), "it is not disturbed by who is refused meanwhile");
}

#[test]
fn connections_are_bounded_in_number_and_time() {
    let session = echo_session("FIX.4.4", true, memory());
    let both = vec![Arc::clone(&session), echo_session("FIX.4.2", true, memory())];
    let (address, running) = acceptor(both, |options| options.connections_max = 2);
    let mut first = Peer::connect(address, "FIX.4.4");
    assert_eq!(first.log_on(), "A 1");
    for _ in 0..5 {
        let mut silent = Peer::connect(address, "FIX.4.4");
        let mut next = Peer::connect(address, "FIX.4.2");
        assert_eq!(next.log_on(), "A 1", "whoever says nothing makes way");
        assert_eq!(silent.next(), None);
        assert_eq!(Peer::connect(address, "FIX.4.4").next(), None, "there is no room for a third who has logged on");
        next.send("5", 2, "");
        assert_eq!((next.next().as_deref(), next.next()), (Some("5 2"), None));
    }
    // A silent one has its place where there is room; when the acceptor stops, both are told in their way.
    let mut silent = Peer::connect(address, "FIX.4.4");
    drop(running);
    assert_eq!((first.next().as_deref(), silent.next()), (Some("5 2"), None));
    let (address, _running) = acceptor(vec![session], |options| options.logon_max = Duration::from_millis(20));
    assert_eq!(Peer::connect(address, "FIX.4.4").next(), None, "a Logon must come in time");
}

#[test]
fn a_counterparty_that_comes_back_at_once_is_let_in() {
    let (address, _running) = acceptor(vec![echo_session("FIX.4.4", true, memory())], |_| {});
    for round in 0..300 {
        let mut peer = Peer::connect(address, "FIX.4.4");
        peer.send("A", 1, "98=0|108=30|");
        assert_eq!(peer.next().as_deref(), Some("A 1"), "round {round}");
        if round % 2 == 0 {
            peer.send("5", 2, "");
            assert_eq!((peer.next().as_deref(), peer.next()), (Some("5 2"), None));
        }
    }
}

#[test]
fn whoever_does_not_read_is_dropped_and_holds_nobody_back() {
    let slow = echo_session("FIX.4.4", true, memory());
    let (address, _running) = acceptor(vec![Arc::clone(&slow), echo_session("FIX.4.2", true, memory())], |_| {});
    let mut peer = Peer::connect(address, "FIX.4.4");
    assert_eq!(peer.log_on(), "A 1");
    let mut body = FixBody::new("8");
    body.text(58, &"x".repeat(10_000));
    let refused = (0..10_000).any(|_| slow.send(&body).is_err());
    assert!(refused, "what waits is bounded");
    let mut other = Peer::connect(address, "FIX.4.2");
    assert_eq!(other.log_on(), "A 1");
    while peer.next().is_some() {}
}

/// Remembers what it sees.
#[derive(Default)]
struct Seen {
    on: Mutex<Option<Sender<String>>>,
}

fn seen() -> (Arc<Seen>, Receiver<String>) {
    let (sender, receiver) = channel();
    (Arc::new(Seen { on: Mutex::new(Some(sender)) }), receiver)
}

impl Seen {
    fn note(&self, what: String) {
        let _ = self.on.lock().unwrap().as_ref().unwrap().send(what);
    }
}

impl FixApplication for Seen {
    fn logged_on(&self, replies: &mut FixReplies<'_>) {
        self.note(format!("on {}", replies.session().sender));
    }

    fn logged_out(&self, session: &FixSessionId) {
        self.note(format!("out {}", session.sender));
    }

    fn received(&self, message: &FixMessage<'_>, _replies: &mut FixReplies<'_>) -> Result<FixTaken, FixRefused> {
        let duplicate = if message.possible_duplicate() { " again" } else { "" };
        self.note(format!("{}{duplicate}", message.text(11).unwrap_or("")));
        Ok(FixTaken::Settled)
    }
}

fn initiator(addresses: Vec<SocketAddr>, session: &Arc<FixSession>) -> Running {
    let session = Arc::clone(session);
    Running::spawn(move |stopped| async move {
        let mut options = FixInitiatorOptions::to(addresses);
        options.pause_min = Duration::from_millis(1);
        options.pause_max = Duration::from_millis(20);
        let stop = async {
            let _ = stopped.await;
        };
        initiate(options, session, stop).await;
    })
}

fn order(id: &str) -> FixBody {
    let mut body = FixBody::new("D");
    body.text(11, id).text(21, "1").text(55, "X").text(54, "1").time(60, 0).number(38, 5).text(40, "1");
    body
}

#[test]
fn an_initiator_moves_on_to_an_address_that_answers_and_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| -> Box<dyn MessageStore> {
        Box::new(FileStore::open(&Path::new(folder.path()).join(name), 1 << 20).unwrap())
    };
    // Nobody listens where somebody did.
    let nobody = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap();
    let (application, notes) = seen();
    let ours = open(&config("FIX.4.4", "THEM", "US", false), FixRole::Initiator, file("ours"), application);
    assert_eq!(ours.send(&order("before")).unwrap(), 1);
    let (address, running) = acceptor(vec![echo_session("FIX.4.4", false, file("theirs"))], |_| {});
    let connecting = initiator(vec![nobody, address], &ours);
    assert_eq!(notes.recv().unwrap(), "on THEM");
    // What was kept before the first logon is requested, and echoed.
    assert_eq!(notes.recv().unwrap(), "before");
    ours.send(&order("one")).unwrap();
    assert_eq!(notes.recv().unwrap(), "one");
    // The other side ends and comes back elsewhere, from its file.
    drop(running);
    assert_eq!(notes.recv().unwrap(), "out THEM");
    ours.send(&order("meanwhile")).unwrap();
    drop(connecting);
    let (address, running) = acceptor(vec![echo_session("FIX.4.4", false, file("theirs"))], |_| {});
    let connecting = initiator(vec![nobody, address], &ours);
    assert_eq!(notes.recv().unwrap(), "on THEM");
    assert_eq!(notes.recv().unwrap(), "meanwhile");
    drop(connecting);
    assert_eq!(notes.recv().unwrap(), "out THEM");
    drop(running);
    assert_eq!(ours.status().phase, FixPhase::Offline);
}

/// A clock that stands still.
struct Still;

impl FixClock for Still {
    fn now(&self) -> heng_transport::fix::FixMoment {
        heng_transport::fix::FixMoment { utc_ns: 1_783_301_400_000_000_000, steady_ns: 1 }
    }
}

#[test]
fn two_sessions_talk_without_sockets() {
    let (application, notes) = seen();
    let open = |config: &FixSessionConfig, role, application: Arc<dyn FixApplication>| {
        let parts = FixParts { role, limits: limits(), store: memory(), application, clock: Arc::new(Still) };
        FixSession::open(config, parts).unwrap()
    };
    let ours = open(&config("FIXT.1.1", "A", "B", true), FixRole::Initiator, application);
    let theirs = open(&config("FIXT.1.1", "B", "A", true), FixRole::Acceptor, Arc::new(EchoApplication::default()));
    let mut wires = VecDeque::from([FixWire::attach(&ours).unwrap(), FixWire::attach(&theirs).unwrap()]);
    assert!(FixWire::attach(&ours).is_none());
    let mut quiet = 0;
    let mut bytes = Vec::new();
    for round in 0..100 {
        wires[0].work();
        wires[0].send(&mut bytes);
        quiet = if bytes.is_empty() { quiet + 1 } else { 0 };
        wires[1].received().extend_from_slice(&bytes);
        wires.rotate_left(1);
        if round == 10 {
            ours.send(&order("wired")).unwrap();
        }
    }
    assert!(quiet > 50, "they go on talking about nothing");
    assert_eq!((notes.recv().unwrap(), notes.recv().unwrap()), ("on A".to_owned(), "wired".to_owned()));
    assert_eq!(ours.until_tick(), Some(Duration::from_secs(30)));
}
