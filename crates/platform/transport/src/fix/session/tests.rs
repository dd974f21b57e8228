//! Sessions by script: the counterparty's messages, ours, and the time between them.
//!
//! `> KIND NUMBER FIELDS` is received, `< KIND NUMBER FIELDS` is what we send next, `+ MILLISECONDS` passes, `x TEXT` is
//! why the session ends now, `! TEXT` are raw bytes received, `reconnect` makes a new connection. Nothing else may be
//! sent: each line that is not `<` begins with nothing left over. Of our messages BeginString, BodyLength, CheckSum,
//! CompIDs and SendingTime are left out, and `122=T` stands for OrigSendingTime.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::*;
use crate::fix::application::{FixRefused, FixTaken};
use crate::fix::config::FixApplicationKind;
use crate::fix::echo::EchoApplication;
use crate::fix::encode::{Encoder, Envelope};
use crate::fix::fields::FixMessage;
use crate::fix::frame::{Frame, FrameReader};
use crate::fix::reject::FixRefusal;
use crate::fix::store::MemoryStore;
use crate::fix::time::TimeWriter;

const START: FixMoment = FixMoment { utc_ns: 1_783_301_400_000_000_000, steady_ns: 1_000_000_000 };

struct Script {
    core: Core,
    now: FixMoment,
    begin: &'static str,
    sent: std::collections::VecDeque<String>,
}

fn config(begin: &str, reset_on_logon: bool) -> FixSessionConfig {
    FixSessionConfig {
        begin: begin.to_owned(),
        default_appl_ver: (begin == "FIXT.1.1").then(|| "FIX.5.0SP2".to_owned()),
        sender: "US".to_owned(),
        target: "THEM".to_owned(),
        heartbeat_s: 30,
        reset_on_logon,
        application: FixApplicationKind::Echo,
    }
}

fn with(begin: &'static str, initiator: bool, application: Arc<dyn FixApplication>) -> Script {
    let store = Box::new(MemoryStore::new(1 << 20));
    let limits = FixLimits { unsent_max: 100_000, held_max: 10_000, ..FixLimits::default() };
    let core = Core::new(&config(begin, false), limits, initiator, store, application).unwrap();
    let mut script = Script { core, now: START, begin, sent: std::collections::VecDeque::new() };
    assert!(script.core.attach(START));
    script
}

fn acceptor(begin: &'static str) -> Script {
    with(begin, false, Arc::new(EchoApplication::default()))
}

fn play(begin: &'static str, lines: &str) -> Script {
    let mut script = acceptor(begin);
    script.play(lines);
    script
}

impl Script {
    /// The bytes of a message of the counterparty; fields stand behind the header and override its fields.
    fn message(&self, line: &str) -> Vec<u8> {
        let mut words = line.splitn(3, ' ');
        let (kind, number) = (words.next().unwrap(), words.next().unwrap());
        let fields: Vec<&str> = words.next().unwrap_or("").split('|').filter(|field| !field.is_empty()).collect();
        let mut time = Vec::new();
        TimeWriter::default().write(self.now.utc_ns, &mut time);
        let time = String::from_utf8(time).unwrap();
        let mut body = format!("35={kind}|34={number}|");
        for (tag, value) in [("49", "THEM"), ("52", time.as_str()), ("56", "US")] {
            if !fields.iter().any(|field| field.starts_with(&format!("{tag}="))) {
                body += &format!("{tag}={value}|");
            }
        }
        let mut begin = self.begin;
        for field in fields {
            match field.strip_prefix("8=") {
                Some(other) => begin = if other == "FIX.4.0" { "FIX.4.0" } else { "FIX.9.9" },
                None => body += &format!("{}|", field.replace("NOW", &time)),
            }
        }
        let mut bytes = format!("8={begin}|9={}|{body}", body.len()).replace('|', "\x01").into_bytes();
        let sum = crate::fix::frame::checksum(&bytes);
        bytes.extend_from_slice(format!("10={sum:03}\x01").as_bytes());
        bytes
    }

    fn receive(&mut self, bytes: &[u8]) {
        let mut reader = FrameReader::new(64 * 1024);
        reader.buffer().extend_from_slice(bytes);
        while let Some(frame) = reader.take() {
            match frame {
                Frame::Message(bytes) => self.core.receive(bytes, self.now),
                Frame::Garbled(_, reason) => self.core.receive_garbled(reason),
                Frame::TooLong => return self.core.receive_too_long(self.now),
            }
        }
    }

    fn collect(&mut self) {
        while self.core.outgoing.pump(self.now) {}
        let mut reader = FrameReader::new(1 << 20);
        reader.buffer().append(&mut self.core.outgoing.out);
        while let Some(frame) = reader.take() {
            let Frame::Message(bytes) = frame else { panic!("we sent {frame:?}") };
            self.sent.push_back(shown(bytes));
        }
    }

    fn pass(&mut self, millis: u64) {
        let ns = nanos(Duration::from_millis(millis));
        self.now.utc_ns += ns;
        self.now.steady_ns += ns;
        self.core.tick(self.now);
    }

    fn play(&mut self, lines: &str) {
        for line in lines.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
            self.collect();
            let (sign, rest) = line.split_once(' ').unwrap_or((line, ""));
            if sign == "<" {
                assert_eq!(self.sent.pop_front().as_deref(), Some(rest), "at {line:?}");
                continue;
            }
            assert_eq!(self.sent, [] as [String; 0], "left over before {line:?}");
            match sign {
                ">" => self.receive(&self.message(rest)),
                "!" => self.receive(rest.replace('|', "\x01").as_bytes()),
                "+" => self.pass(rest.parse().unwrap()),
                "x" => assert_eq!(self.core.closing.as_deref(), Some(rest), "at {line:?}"),
                "reconnect" => {
                    self.core.detach();
                    assert!(self.core.attach(self.now));
                }
                _ => panic!("no such line: {line:?}"),
            }
        }
        self.collect();
        assert_eq!(self.sent, [] as [String; 0], "left over at the end");
    }
}

/// `KIND NUMBER FIELDS` of our message.
fn shown(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let fields: Vec<(&str, &str)> = text.split('\x01').filter_map(|field| field.split_once('=')).collect();
    let value = |tag| fields.iter().find(|field| field.0 == tag).unwrap().1;
    assert_eq!((value("49"), value("56")), ("US", "THEM"));
    let rest = fields.iter().filter(|field| !["8", "9", "10", "34", "35", "49", "52", "56"].contains(&field.0));
    let rest: Vec<String> =
        rest.map(|(tag, value)| format!("{tag}={}", if *tag == "122" { "T" } else { value })).collect();
    format!("{} {} {}", value("35"), value("34"), rest.join("|")).trim_end().to_owned()
}

const LOGON: &str = "> A 1 98=0|108=30\n< A 1 98=0|108=30\n";

fn after_logon(lines: &str) -> Script {
    play("FIX.4.4", &format!("{LOGON}{lines}"))
}

#[test]
fn a_session_begins_with_a_logon() {
    after_logon("> 1 2 112=X\n< 0 2 112=X\n> 5 3\n< 5 3\nx logged out");
    play("FIX.4.4", "> 0 1\nx the first message is no Logon");
    play("FIX.4.4", "! 8=FIX.4.4|9=5|35=A|10=000|\nx the first message is garbled");
    play("FIX.4.4", "> A 1 98=0|108=30|49=OTHER\nx the Logon is not valid");
    play("FIX.4.4", "> A 1 98=0|108=30|52=20010101-00:00:00\nx the Logon is not valid");
    play("FIX.4.4", "> A 1 98=0\nx the Logon is not valid");
    play("FIX.4.4", "> A 1 98=1|108=30\n< 5 1 58=EncryptMethod is not supported\n");
    play("FIX.4.4", "> A 1 98=0|108=-5\n< 5 1 58=HeartBtInt is out of range\n");
    play("FIX.4.4", "> A 1 98=0|108=30|8=FIX.9.9\nx the Logon has another BeginString");
    play("FIX.4.4", "+ 9999\n+ 1\nx no Logon in time");
    play("FIXT.1.1", "> A 1 98=0|108=30|1137=8\n< A 1 98=0|108=30|1137=8\n");
    play("FIXT.1.1", "> A 1 98=0|108=30\nx the Logon is not valid");
    play("FIXT.1.1", "> A 1 98=0|108=30|1137=2\n< 5 1 58=DefaultApplVerID is not supported");
}

#[test]
fn a_gap_is_requested_once_and_filled_in_order() {
    let script = after_logon(
        "> 1 4 112=C
        < 2 2 7=2|16=0
        > 1 5 112=D
        > 1 2 43=Y|122=NOW|112=A
        < 0 3 112=A
        > 1 3 43=Y|122=NOW|112=B
        < 0 4 112=B
        < 0 5 112=C
        < 0 6 112=D
        > 1 6 112=E
        < 0 7 112=E",
    );
    assert_eq!(script.core.expected(), 7);
    // A Logon from the future is answered, then the gap before it is requested and filled.
    play("FIX.4.4", "> A 5 98=0|108=30\n< A 1 98=0|108=30\n< 2 2 7=1|16=0\n> 4 1 43=Y|122=NOW|36=6|123=Y\n> 0 6\n");
    // A gap that nobody fills is requested again half a minute later.
    after_logon("> 0 4\n< 2 2 7=2|16=0\n+ 29000\n> 0 5\n+ 1000\n< 0 3\n> 0 6\n< 2 4 7=2|16=0");
}

#[test]
fn low_numbers_are_duplicates_or_end_the_session() {
    after_logon(
        "> 0 1\n< 5 2 58=MsgSeqNum too low, expecting 2 but received 1\nx MsgSeqNum too low, expecting 2 but received 1",
    );
    after_logon("> 0 1 43=Y|122=NOW\n> 0 2");
    after_logon("> 0 1 43=Y\n< 3 2 45=1|58=Required tag missing|371=122|372=0|373=1\n> 0 2");
    after_logon("> 0 1 43=Y|122=x\n< 3 2 45=1|58=Incorrect data format for value|371=122|372=0|373=6\n> 0 2");
    after_logon(
        "> 0 1 43=Y|122=20990101-00:00:00\n< 3 2 45=1|58=SendingTime accuracy problem|372=0|373=10\n< 5 3\n> 5 2\nx logged out",
    );
    play(
        "FIX.4.4",
        &format!(
            "{LOGON}> 5 2\n< 5 2\nreconnect\n> A 1 98=0|108=30\n< 5 3 58=MsgSeqNum too low, expecting 3 but received 1"
        ),
    );
}

#[test]
fn what_was_sent_is_sent_again_and_the_rest_is_a_gap() {
    let order = "11=A|21=3|40=1|54=1|55=X|60=20260706-09:30:00";
    let lines = format!(
        "> D 2 {order}
        < D 2 {order}
        > 1 3 112=Q
        < 0 3 112=Q
        > D 4 {order}
        < D 4 {order}
        > 2 5 7=1|16=0
        < 4 1 43=Y|122=T|36=2|123=Y
        < D 2 43=Y|122=T|{order}
        < 4 3 43=Y|122=T|36=4|123=Y
        < D 4 43=Y|122=T|{order}
        > 2 6 7=3|16=3
        < 4 3 43=Y|122=T|36=4|123=Y
        # Nothing was sent under this number.
        > 2 7 7=99|16=0
        # A request while we wait for a gap to be filled ourselves.
        > 2 9 7=4|16=4
        < D 4 43=Y|122=T|{order}
        < 2 5 7=8|16=0
        > 0 8 43=Y|122=NOW
        > 1 10 112=Q
        < 0 6 112=Q"
    );
    after_logon(&lines);
}

#[test]
fn the_counterparty_may_skip_numbers_but_not_go_back() {
    after_logon("> 4 2 36=20|123=Y\n> 1 20 112=Q\n< 0 2 112=Q");
    after_logon("> 4 0 36=25\n> 1 25 112=Q\n< 0 2 112=Q");
    after_logon("> 4 0 36=1|123=N\n< 3 2 45=0|58=Value is incorrect (out of range) for this tag|372=4|373=5\n> 0 2");
    after_logon("> 4 2 36=2|123=Y\n< 3 2 45=2|58=Value is incorrect (out of range) for this tag|372=4|373=5");
    after_logon(
        "> 4 0 36=18446744073709551615\n< 3 2 45=0|58=Value is incorrect (out of range) for this tag|372=4|373=5",
    );
    after_logon("> 4 5 36=9|123=Y\n< 2 2 7=2|16=0\n> 4 2 43=Y|122=NOW|36=5|123=Y\n> 0 9");
    after_logon("> A 1 98=0|108=30|141=Y\n< A 1 98=0|108=30|141=Y\n> 1 2 112=Q\n< 0 2 112=Q");
    after_logon("> A 2 98=0|108=30\n< 5 2 58=already logged on\nx already logged on");
}

#[test]
fn silence_is_answered_with_heartbeats_then_a_test_then_the_end() {
    let script = "> A 1 98=0|108=10\n< A 1 98=0|108=10\n+ 9999\n+ 1\n< 0 2\n+ 1999\n+ 1\n< 1 3 112=TEST\n";
    play("FIX.4.4", &format!("{script}+ 11999\n+ 1\nx no sign of life from the counterparty"));
    play("FIX.4.4", &format!("{script}+ 5000\n> 0 2 112=TEST\n+ 5000\n< 0 4\n> 0 3\n+ 9999\n+ 1\n< 0 5"));
    play("FIX.4.4", "> A 1 98=0|108=0\n< A 1 98=0|108=0\n+ 99999999");
}

#[test]
fn the_next_tick_is_when_something_is_due() {
    let mut script = play("FIX.4.4", "> A 1 98=0|108=10\n< A 1 98=0|108=10");
    for _ in 0..100 {
        let due = script.core.next_tick_ns().unwrap();
        assert!(due > script.now.steady_ns, "a tick that changes nothing would come at once again");
        script.pass((due - script.now.steady_ns).div_ceil(1_000_000));
        if script.core.closing.is_some() {
            return;
        }
    }
    panic!("silence never ended the session");
}

#[test]
fn a_logout_is_exchanged_or_times_out() {
    let mut script = after_logon("");
    script.core.log_out("end of day", script.now);
    script.collect();
    assert_eq!(script.sent.pop_front().unwrap(), "5 2 58=end of day");
    script.play("> 1 2 112=Q\n< 0 3 112=Q\n> 5 3\nx logged out");
    let mut script = after_logon("");
    script.core.log_out("", script.now);
    script.play("< 5 2\n+ 1999\n+ 1\nx no answer to our Logout in time");
}

#[test]
fn wrong_parties_and_times_are_refused_and_logged_out() {
    after_logon("> 0 2 49=OTHER\n< 3 2 45=2|58=CompID problem|372=0|373=9\n< 5 3\n> 5 3\nx logged out");
    after_logon("> 0 2 56=OTHER\n< 3 2 45=2|58=CompID problem|372=0|373=9\n< 5 3");
    let late = "> 0 2 52=20010101-00:00:00\n< 3 2 45=2|58=SendingTime accuracy problem|372=0|373=10\n< 5 3";
    after_logon(late);
    after_logon("> 0 2 8=FIX.4.0\n< 5 2 58=Incorrect BeginString\n> 5 3\nx logged out");
    after_logon("> 0 x\n< 5 2 58=MsgSeqNum missing\nx MsgSeqNum missing");
    after_logon("> 0 18446744073709551615\n< 5 2 58=MsgSeqNum missing\nx MsgSeqNum missing");
}

/// Each body is refused with the tag and the reason.
#[test]
fn messages_are_checked_with_the_dictionary() {
    let good = "11=A|21=3|40=1|54=1|55=X|60=NOW";
    for (kind, fields, tag, reason, text) in [
        ("D", format!("{good}|9999=1"), "9999", 0, "Invalid tag number"),
        ("0", "-1=1".to_owned(), "-1", 0, "Invalid tag number"),
        ("D", good.replace("11=A|", ""), "11", 1, "Required tag missing"),
        ("0", "55=X".to_owned(), "55", 2, "Tag not defined for this message type"),
        ("D", good.replace("55=X", "55="), "55", 4, "Tag specified without a value"),
        ("D", good.replace("54=1", "54=$"), "54", 5, "Value is incorrect (out of range) for this tag"),
        ("D", format!("{good}|18=1 2 ~"), "18", 5, "Value is incorrect (out of range) for this tag"),
        ("D", format!("{good}|38=+5"), "38", 6, "Incorrect data format for value"),
        ("D", format!("{good}|126=20260706"), "126", 6, "Incorrect data format for value"),
        ("D", format!("{good}|40=2"), "40", 13, "Tag appears more than once"),
        ("D", format!("{good}|97=Y"), "97", 14, "Tag specified out of required order"),
        ("D", format!("{good}|453=2|448=A|452=3"), "453", 16, "Incorrect NumInGroup count for repeating group"),
        ("D", format!("{good}|453=0|448=A|452=3"), "453", 16, "Incorrect NumInGroup count for repeating group"),
        ("D", format!("{good}|453=x|448=A"), "453", 6, "Incorrect data format for value"),
        ("D", format!("{good}|453=1|452=3|448=A"), "452", 15, "Repeating group fields out of order"),
        ("D", format!("{good}|453=1|448=A|452=3|447=D"), "447", 15, "Repeating group fields out of order"),
        ("D", format!("{good}|453=1|448=A|447=D|447=D"), "447", 13, "Tag appears more than once"),
        ("D", format!("{good}|453=1|448=A|452=x"), "452", 6, "Incorrect data format for value"),
        ("D", format!("{good}|453=1|448=A|802=2|523=S"), "802", 16, "Incorrect NumInGroup count for repeating group"),
        ("D", format!("{good}|354=5|355=abc"), "355", 5, "Value is incorrect (out of range) for this tag"),
        ("D", format!("{good}|58=a|b"), "58", 17, "Non \"data\" value includes field delimiter (SOH character)"),
    ] {
        let refused = format!("< 3 2 45=2|58={text}|371={tag}|372={kind}|373={reason}");
        after_logon(&format!("> {kind} 2 {fields}\n{refused}\n> 1 3 112=Q\n< 0 3 112=Q"));
    }
    after_logon("> ?? 2\n< 3 2 45=2|58=Invalid MsgType|372=??|373=11\n> 0 3");
    after_logon("> D 2 x=1\n< 3 2 45=2|58=Invalid tag number|372=D|373=0\n> 0 3");
    // FIX 4.2 has no numbers for what came later.
    play("FIX.4.2", &format!("{LOGON}> D 2 {good}|40=2\n< 3 2 45=2|58=Tag appears more than once|371=40|372=D\n"));
}

#[test]
fn good_messages_pass_whatever_their_order() {
    let time = "60=20260706-09:30:00";
    for (sent, echoed) in [
        (format!("{time}|55=X|54=1|40=1|21=3|11=A"), format!("11=A|21=3|40=1|54=1|55=X|{time}")),
        (
            format!("11=A|21=3|40=1|54=1|55=X|{time}|453=2|448=A|452=3|448=B|447=D|802=1|523=S|803=1|38=5"),
            format!("11=A|21=3|38=5|40=1|54=1|55=X|{time}|453=2|448=A|452=3|448=B|447=D|802=1|523=S|803=1"),
        ),
        (format!("97=Y|11=B|40=1|54=1|55=X|{time}"), format!("97=Y|11=B|40=1|54=1|55=X|{time}")),
    ] {
        after_logon(&format!("> D 2 {sent}\n< D 2 {echoed}"));
    }
    after_logon(&format!(
        "> D 2 11=A|40=1|54=1|55=X|{time}\n< D 2 11=A|40=1|54=1|55=X|{time}\n> D 3 97=Y|11=A|40=1|54=1|55=X|{time}"
    ));
    // The version of one message, over the same transport.
    let fixt = "> A 1 98=0|108=30|1137=9\n< A 1 98=0|108=30|1137=9\n";
    play(
        "FIXT.1.1",
        &format!("{fixt}> D 2 1128=6|11=A|40=1|54=1|55=X|{time}\n< D 2 1128=6|11=A|40=1|54=1|55=X|{time}"),
    );
    play(
        "FIXT.1.1",
        &format!(
            "{fixt}> D 2 1128=1|11=A\n< 3 2 45=2|58=Value is incorrect (out of range) for this tag|371=1128|372=D|373=5"
        ),
    );
}

#[test]
fn a_refusal_finds_its_way_back() {
    let refused = "45=2|58=Required tag missing|371=11|372=D|373=1";
    after_logon(&format!("> D 2 115=A|116=B|144=C|40=1\n< 3 2 128=A|129=B|145=C|{refused}"));
    after_logon(&format!("> D 2 128=A|129=B|145=C|40=1\n< 3 2 115=A|116=B|144=C|{refused}"));
}

#[test]
fn garbled_and_huge_messages_cost_nothing_or_the_connection() {
    after_logon("! 8=FIX.4.4|9=5|35=0|34=2|10=000|\n> 0 2");
    after_logon(
        "! 8=FIX.4.4|9=70000|35=0|\n< 5 2 58=message longer than 65536 bytes\nx message longer than 65536 bytes",
    );
}

/// Takes notes, and answers as told.
struct Notes {
    seen: Mutex<Vec<String>>,
    answer: Result<FixTaken, FixRefusal>,
}

impl FixApplication for Notes {
    fn logon(&self, _session: &FixSessionId, logon: &FixMessage<'_>) -> Result<(), String> {
        if logon.get(553) == Some(b"bad") { Err("who are you".to_owned()) } else { Ok(()) }
    }

    fn received(&self, message: &FixMessage<'_>, _replies: &mut FixReplies<'_>) -> Result<FixTaken, FixRefused> {
        let parties: Vec<&str> = message.group(453).filter_map(|party| party.text(448)).collect();
        let roles: Vec<String> = message
            .group(453)
            .flat_map(|party| party.group(802).map(|sub| sub.text(523).unwrap().to_owned()).collect::<Vec<_>>())
            .collect();
        let note = format!("{} {parties:?} {roles:?} {}", message.text(11).unwrap(), message.possible_duplicate());
        self.seen.lock().unwrap().push(note);
        self.answer.map_err(Into::into)
    }

    fn logged_out(&self, _session: &FixSessionId) {
        self.seen.lock().unwrap().push("out".to_owned());
    }

    fn refused(&self, message: &FixMessage<'_>, number: u64, _session: &FixSessionId) {
        self.seen.lock().unwrap().push(format!("refused {number} {}", message.text(58).unwrap()));
    }
}

fn notes(answer: Result<FixTaken, FixRefusal>) -> Arc<Notes> {
    Arc::new(Notes { seen: Mutex::default(), answer })
}

#[test]
fn the_application_sees_messages_and_refusals() {
    let application = notes(Err(FixRefusal::UnsupportedMessageType));
    let mut script = with("FIX.4.4", false, Arc::clone(&application) as Arc<dyn FixApplication>);
    script.play(&format!(
        "{LOGON}> D 2 11=A|40=1|54=1|55=X|60=NOW|453=2|448=P|802=2|523=s|523=t|448=Q
        < j 2 45=2|58=Unsupported Message Type|372=D|380=3
        > 3 3 45=2|58=no
        > j 4 45=3|58=never|372=D|380=0"
    ));
    let seen = ["A [\"P\", \"Q\"] [\"s\", \"t\"] false", "refused 2 no", "refused 3 never"];
    assert_eq!(*application.seen.lock().unwrap(), seen);
    script.core.detach();
    script.core.detach();
    assert_eq!(application.seen.lock().unwrap().split_off(seen.len()), ["out"]);
    let mut script = with("FIX.4.4", false, Arc::clone(&application) as Arc<dyn FixApplication>);
    script.play("> A 1 98=0|108=30|553=bad\n< 5 1 58=who are you");
    script.core.detach();
    assert_eq!(application.seen.lock().unwrap().len(), seen.len(), "whoever never came in does not go out");
}

#[test]
fn what_is_not_settled_is_requested_again_after_the_end_of_the_process() {
    let application = notes(Ok(FixTaken::Later));
    let mut script = with("FIX.4.4", false, application);
    let order = "11=A|40=1|54=1|55=X|60=NOW";
    script.play(&format!("{LOGON}> D 2 {order}\n> D 3 {order}\n> D 4 {order}\n> 0 5"));
    assert_eq!((script.core.expected(), script.core.outgoing.store.incoming()), (6, 2));
    script.core.settle(3);
    assert_eq!(script.core.outgoing.store.incoming(), 2);
    script.core.settle(2);
    assert_eq!(script.core.outgoing.store.incoming(), 4);
    script.core.settle(4);
    assert_eq!(script.core.outgoing.store.incoming(), 6);
}

#[test]
fn messages_sent_while_offline_are_kept_for_the_counterparty() {
    let mut script = after_logon("> 5 2\n< 5 2");
    script.core.detach();
    let mut body = FixBody::new("8");
    body.text(37, "late");
    assert_eq!(script.core.send(&body, script.now).unwrap(), 3);
    script.play("reconnect\n> A 3 98=0|108=30\n< A 4 98=0|108=30\n> 2 4 7=3|16=0\n< 8 3 43=Y|122=T|37=late\n< 4 4 43=Y|122=T|36=5|123=Y");
    // Where the counterparty says what it expects, it need not ask.
    script.play("> 5 5\n< 5 5\nreconnect\n> A 6 98=0|108=30|789=3\n< A 6 98=0|108=30\n< 8 3 43=Y|122=T|37=late\n< 4 4 43=Y|122=T|36=6|123=Y");
    script.play("> 5 7\n< 5 7\nreconnect\n> A 8 98=0|108=30|789=99\n< 5 8 58=NextExpectedMsgSeqNum too high, expecting 8 but received 99");
}

#[test]
fn a_session_that_begins_anew_keeps_nothing_for_later() {
    let store = Box::new(MemoryStore::new(1000));
    let application = Arc::new(EchoApplication::default());
    let core = Core::new(&config("FIX.4.4", true), FixLimits::default(), false, store, application).unwrap();
    let mut script = Script { core, now: START, begin: "FIX.4.4", sent: std::collections::VecDeque::new() };
    assert!(matches!(script.core.send(&FixBody::new("8"), START), Err(FixError::NotLoggedOn)));
    assert!(script.core.attach(START) && !script.core.attach(START));
    script.play("> A 1 98=0|108=30\n< A 1 98=0|108=30\n> 5 2\n< 5 2\nreconnect\n> A 1 98=0|108=30\n< A 1 98=0|108=30");
}

#[test]
fn an_initiator_logs_on_and_takes_the_answer() {
    let initiator = || with("FIX.4.4", true, Arc::new(EchoApplication::default()));
    initiator().play("< A 1 98=0|108=30\n> A 1 98=0|108=30\n> 1 2 112=Q\n< 0 2 112=Q");
    initiator().play("< A 1 98=0|108=30\n> A 4 98=0|108=30\n< 2 2 7=1|16=0");
    initiator().play("< A 1 98=0|108=30\n> 5 1 58=closed\nx the Logon was refused: closed");
    initiator().play("< A 1 98=0|108=30\n+ 10000\nx no Logon in time");
    initiator()
        .play("< A 1 98=0|108=30\n> A 1 98=0|108=30\n> 5 2\n< 5 2\nreconnect\n< A 3 98=0|108=30\n> A 3 98=0|108=30");
    // The counterparty wants to begin anew.
    initiator().play("< A 1 98=0|108=30\n> A 1 98=0|108=30|141=Y\n< A 1 98=0|108=30|141=Y\n> 0 2");
}

#[test]
fn whoever_does_not_read_is_dropped() {
    let mut script = after_logon("");
    let mut body = FixBody::new("8");
    body.text(58, &"x".repeat(10_000));
    let failed = (0..100).find(|_| script.core.send(&body, script.now).is_err()).unwrap();
    assert!((9..=11).contains(&failed), "{failed}");
    assert_eq!(script.core.closing.as_deref(), Some("the counterparty does not read what it is sent"));
    // The same, when it goes on asking.
    let mut script = after_logon("");
    for number in 2..100_000 {
        let bytes = script.message(&format!("1 {number} 112=Q"));
        script.receive(&bytes);
        if script.core.closing.is_some() {
            assert!(script.core.outgoing.out.len() < 101_000);
            return;
        }
    }
    panic!("what waits to be sent is not bounded");
}

#[test]
fn messages_from_the_future_are_held_up_to_a_limit() {
    let mut script = after_logon("> 0 3\n< 2 2 7=2|16=0");
    for number in 4..10_000 {
        let bytes = script.message(&format!("0 {number}"));
        script.receive(&bytes);
    }
    assert!(script.core.held_bytes + script.core.held.len() * 64 <= 10_000, "{}", script.core.held.len());
    assert!(script.core.held.len() > 30);
}

/// Numbers that come from no generator but look like it; the same ones each time.
fn noise(seed: &mut u64) -> u64 {
    *seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    *seed >> 33
}

#[test]
fn hostile_bytes_never_break_a_session() {
    let mut seed = 1;
    for round in 0..300 {
        let begin = ["FIX.4.2", "FIX.4.3", "FIX.4.4", "FIXT.1.1"][round % 4];
        let mut script = acceptor(begin);
        let logon = script
            .message("A 1 98=0|108=30|1137=9".strip_suffix(if begin == "FIXT.1.1" { "" } else { "|1137=9" }).unwrap());
        script.receive(&logon);
        assert_eq!(script.core.phase, FixPhase::Up, "{begin}");
        let mut number = 2;
        for _ in 0..40 {
            let kind = ["0", "1", "2", "3", "4", "5", "A", "D", "8", "j", "d"][noise(&mut seed) as usize % 11];
            let line = format!("{kind} {number} 11=A|7=1|16=0|36=9|453=2|448=A|447=D|448=B|95=3|96=a|b|58=x|43=Y");
            let mut bytes = script.message(&line);
            for _ in 0..noise(&mut seed) % 4 {
                let at = noise(&mut seed) as usize % bytes.len();
                match noise(&mut seed) % 4 {
                    0 => bytes[at] = noise(&mut seed) as u8,
                    1 => bytes.truncate(at.max(1)),
                    2 => bytes[at] = 1,
                    _ => {
                        bytes.remove(at);
                        bytes.push(1);
                    }
                }
            }
            // Half of them with sums that are right, so that they are looked into.
            if noise(&mut seed).is_multiple_of(2) {
                bytes = reframed(begin, &bytes);
            }
            script.receive(&bytes);
            script.pass(noise(&mut seed) % 20_000);
            script.collect();
            script.sent.clear();
            number = script.core.expected() + noise(&mut seed) % 3;
        }
    }
}

/// The bytes as the body of a message whose length and sum are right.
fn reframed(begin: &str, bytes: &[u8]) -> Vec<u8> {
    let body = bytes.windows(4).position(|window| window == b"\x0135=").map_or(bytes, |at| &bytes[at + 1..]);
    let mut framed = format!("8={begin}\x019={}\x01", body.len() + 1).into_bytes();
    framed.extend_from_slice(body);
    framed.push(1);
    let sum = crate::fix::frame::checksum(&framed);
    framed.extend_from_slice(format!("10={sum:03}\x01").as_bytes());
    framed
}

#[test]
fn an_encoder_and_a_session_of_two_sides_understand_each_other() {
    // Our own initiator against our own acceptor, with names the other way round.
    let mut encoder = Encoder::new(Begin::Fix44, "THEM", "US");
    let mut script = acceptor("FIX.4.4");
    for (number, kind, fields) in [(1, "A", "98=0\x01108=30\x01"), (2, "1", "112=Q\x01")] {
        let mut out = Vec::new();
        let fields = fields.as_bytes();
        let message =
            Envelope { kind: kind.as_bytes(), number, sent_ns: START.utc_ns, original_ns: None, header: &[], fields };
        encoder.write(message, &mut out);
        script.receive(&out);
    }
    script.play("< A 1 98=0|108=30\n< 0 2 112=Q");
}
