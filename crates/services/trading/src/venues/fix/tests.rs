//! What the desk does with what a simulator does not tell on demand.

use std::time::{Duration, Instant};

use heng_model::command::{ReportKind, VenueReport};
use heng_model::event::{DayOpened, InstrumentDefined, OrderCancelled, OrderFilled, OrderPlaced};
use heng_model::{
    AccountId, Board, CancelReason, ClientOrderId, Event, InstrumentClass, InstrumentId, Money, OrderId, OrderType,
    ParentId, PartitionId, Price, Qty, Rate, RejectCode, SelfTrade, Seq, Side, TradeDate, TradeId, UnixNanos,
};
use heng_ports::{Answer, CommandEvents, EventBlock};

use super::desk::{Act, Desk, DeskOptions, Now, VenueTimes};
use super::notes::Notes;
use super::says::{Heard, NoCancel, Says, Standing, Tells, Traded};

const ORDER: OrderId = OrderId(40);
const VENUE: PartitionId = PartitionId(1);

/// A desk, its clock, and the place in the record.
struct Play {
    desk: Desk,
    now: Instant,
    seq: u64,
    folder: tempfile::TempDir,
    number: u64,
}

fn desk_in(folder: &tempfile::TempDir) -> Desk {
    let (notes, found) = Notes::open(folder.path()).expect("a folder");
    let options =
        DeskOptions { name: "t".into(), partition: VENUE, account: String::new(), times: VenueTimes::default() };
    Desk::new(options, notes, found, 0)
}

impl Play {
    /// A day with one instrument, an order of 100, and a session that is logged on.
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let mut play = Self { desk: desk_in(&folder), now: Instant::now(), seq: 0, folder, number: 0 };
        play.begin();
        play
    }

    fn begin(&mut self) {
        self.seq = 0;
        let date = TradeDate::new(2026, 7, 6).expect("a date");
        let defined = InstrumentDefined {
            instrument: InstrumentId(3),
            symbol: "600519.SH".into(),
            board: Board::SseMain,
            class: InstrumentClass::Stock,
            partition: VENUE,
            board_lot: 0,
        };
        self.tell(defined.into());
        self.tell(DayOpened { date, hk_settles: true }.into());
        let placed = OrderPlaced {
            order: ORDER,
            account: AccountId(1),
            client_order: ClientOrderId(1),
            trade_date: date,
            instrument: InstrumentId(3),
            side: Side::Buy,
            order_type: OrderType::Limit,
            price: Price(100_000),
            quantity: Qty(100),
            self_trade: SelfTrade::Allow,
            parent: ParentId(0),
            hold_cash: Money(0),
            hold_quantity: Qty(0),
        };
        self.tell(placed.into());
        self.desk.logged_on();
    }

    /// The process ends and another begins; the record comes again.
    fn restart(&mut self) {
        self.desk.notes.commit().expect("it is written");
        self.desk = desk_in(&self.folder);
        self.begin();
    }

    fn now(&self) -> Now {
        Now { at: self.now, utc_ns: 1 }
    }

    fn tell(&mut self, event: Event) {
        self.seq += 1;
        let command = CommandEvents { seq: Seq(self.seq), time: UnixNanos(1), events: vec![event] };
        let block = EventBlock { first: Seq(self.seq), commands: vec![command], through: Seq(self.seq) };
        let now = self.now();
        self.desk.fold(&block, now).expect("the notes are written");
    }

    fn posted(&mut self, trade: TradeId, quantity: i64, filled: i64) {
        let zero = Money(0);
        let filled = OrderFilled {
            order: ORDER,
            account: AccountId(1),
            instrument: InstrumentId(3),
            trade,
            side: Side::Buy,
            price: Price(100_000),
            quantity: Qty(quantity),
            filled: Qty(filled),
            amount: zero,
            commission: zero,
            stamp: zero,
            transfer: zero,
            handling: zero,
            regulatory: zero,
            sfc: zero,
            afrc: zero,
            trading: zero,
            settlement: zero,
            rate: Rate(0),
            cash: zero,
            hold_cash: zero,
            hold_quantity: Qty(0),
        };
        self.tell(filled.into());
    }

    fn hear(&mut self, says: Says) -> Vec<Done> {
        self.hear_answer(says, None)
    }

    fn hear_answer(&mut self, says: Says, question: Option<u64>) -> Vec<Done> {
        self.number += 1;
        let now = self.now();
        self.desk.hear(Heard { number: self.number, order: Some(ORDER), question, says }, now);
        self.done()
    }

    /// Time passes.
    fn pass(&mut self, seconds: u64) -> Vec<Done> {
        self.now += Duration::from_secs(seconds);
        let now = self.now();
        self.desk.tick(now);
        self.desk.pump(10, now);
        self.done()
    }

    fn answer(&mut self, ticket: u64, answer: Answer) -> Vec<Done> {
        let now = self.now();
        self.desk.answered(ticket, answer, now);
        self.done()
    }

    fn done(&mut self) -> Vec<Done> {
        std::mem::take(&mut self.desk.acts).into_iter().map(Done::from).collect()
    }
}

/// What the desk did, for comparison.
#[derive(Clone, Debug, PartialEq)]
enum Done {
    Sent(String),
    Filed(u64, VenueReport),
    Settled(u64),
}

impl From<Act> for Done {
    fn from(act: Act) -> Self {
        match act {
            Act::Send(_, body) => Self::Sent(String::from_utf8_lossy(body.kind()).into_owned()),
            Act::Submit(ticket, report) => Self::Filed(ticket, report),
            Act::Settle(number) => Self::Settled(number),
        }
    }
}

fn sent(kinds: &[&str]) -> Vec<Done> {
    kinds.iter().map(|kind| Done::Sent((*kind).to_owned())).collect()
}

/// The only report in what was done.
fn filed(done: &[Done]) -> (u64, VenueReport) {
    let mut filed = done.iter().filter_map(|done| match done {
        Done::Filed(ticket, report) => Some((*ticket, *report)),
        _ => None,
    });
    let found = filed.next().unwrap_or_else(|| panic!("nothing was filed in {done:?}"));
    assert_eq!(filed.next(), None, "{done:?}");
    found
}

fn execution(tells: Tells, filled: i64) -> Says {
    Says::Execution { tells, filled: Qty(filled), quantity: Some(Qty(100)) }
}

fn trade(exec: &str, quantity: i64, filled: i64) -> Says {
    let traded = Traded { exec: exec.to_owned(), price: Price(100_000), quantity: Qty(quantity) };
    execution(Tells::Traded(traded), filled)
}

fn accepted() -> Answer {
    Answer::Accepted { sequence: Seq(90), id: ORDER.0, repeated: false }
}

fn refused(code: RejectCode, sequence: u64) -> Answer {
    Answer::Rejected { sequence: Seq(sequence), id: ORDER.0, code, repeated: false }
}

#[test]
fn a_cancel_that_overtakes_a_fill_takes_only_what_did_not_trade() {
    let mut play = Play::new();
    assert_eq!(play.pass(0), sent(&["D"]));
    let (ticket, report) = filed(&play.hear(execution(Tells::Ended { expired: false }, 40)));
    assert_eq!((report.kind, report.quantity), (ReportKind::Cancelled, Qty(60)));
    assert_eq!(play.answer(ticket, accepted()), [Done::Settled(1)]);
    let shrunk = OrderCancelled {
        order: ORDER,
        account: AccountId(1),
        quantity: Qty(60),
        reason: CancelReason::Venue,
        hold_cash: Money(0),
        hold_quantity: Qty(0),
        shrunk: true,
    };
    play.tell(shrunk.into());
    // The trades do not come by themselves.
    assert_eq!(play.pass(2), sent(&["AD"]));
    let traded = Traded { exec: "E".into(), price: Price(100_000), quantity: Qty(40) };
    let (_, report) = filed(&play.hear(Says::Trade(traded)));
    assert_eq!((report.kind, report.quantity), (ReportKind::Fill, Qty(40)));
    play.posted(report.trade, 40, 40);
    assert_eq!(play.desk.report_health().orders_out, 0);
}

#[test]
fn no_report_in_time_is_unknown_and_asked_after_with_growing_pauses() {
    let mut play = Play::new();
    play.pass(0);
    let done = play.pass(2);
    assert_eq!(filed(&done).1.kind, ReportKind::Unknown);
    assert!(done.contains(&Done::Sent("H".into())));
    assert_eq!(play.pass(1), []);
    let asked = (0..60).filter(|_| play.pass(1) == sent(&["H"])).count();
    assert!((3..=6).contains(&asked), "{asked} enquiries in a minute");
    let (_, report) = filed(&play.hear(execution(Tells::Stands(Standing::Live, 7), 0)));
    assert_eq!((report.kind, report.detail), (ReportKind::Working, 7));
    assert_eq!(play.desk.report_health().unknown, 0);
    assert_eq!(play.pass(60), [], "nothing more is expected");
}

#[test]
fn a_venue_that_denies_an_order_gets_it_once_more_and_then_it_is_refused() {
    let mut play = Play::new();
    play.pass(0);
    play.pass(2);
    let asked = play.desk.questions;
    let denied = || execution(Tells::NotThere, 0);
    assert_eq!(play.hear_answer(denied(), Some(asked)), [Done::Sent("D".into()), Done::Settled(1)]);
    // The same answer again, and an answer to an older question, say nothing about what was sent since.
    assert_eq!(play.hear_answer(denied(), Some(asked)), [Done::Settled(2)]);
    assert_eq!(play.pass(2), sent(&["H"]));
    assert_eq!(play.hear_answer(denied(), Some(asked)), [Done::Settled(3)]);
    let (_, report) = filed(&play.hear_answer(denied(), Some(asked + 1)));
    assert_eq!((report.kind, report.detail), (ReportKind::Rejected, u32::from(RejectCode::PhaseForbids.number())));
}

#[test]
fn an_order_that_the_venue_had_is_cancelled_when_it_has_it_no_more() {
    let mut play = Play::new();
    play.pass(0);
    play.hear(execution(Tells::Working(1), 0));
    play.hear(trade("E1", 30, 30));
    play.desk.logged_on();
    assert_eq!(play.pass(0), sent(&["H"]));
    let (_, report) = filed(&play.hear(execution(Tells::NotThere, 0)));
    assert_eq!((report.kind, report.quantity), (ReportKind::Cancelled, Qty(70)));
    assert_eq!(report.reason, CancelReason::Venue as u8);
}

#[test]
fn a_trade_posts_once_whatever_becomes_of_its_command() {
    let mut play = Play::new();
    play.pass(0);
    let (ticket, first) = filed(&play.hear(trade("E1", 30, 30)));
    assert_eq!(play.hear(trade("E1", 30, 30)), [Done::Settled(2)], "a repeat while it is on the way");
    // The core could not be asked; the same report is filed again.
    assert_eq!(play.answer(ticket, Answer::Unknown), []);
    let (ticket, again) = filed(&play.pass(1));
    assert_eq!(again, first);
    // It had arrived: the core refuses the repeat, and the record holds it by then.
    play.posted(first.trade, 30, 30);
    assert_eq!(play.answer(ticket, refused(RejectCode::AlreadyExists, play.seq)), [Done::Settled(1)]);
    let health = play.desk.report_health();
    assert_eq!((health.strange, health.late, health.trades_missing), (0, 0, 0));
}

#[test]
fn a_trade_that_lost_its_turn_gets_a_higher_number() {
    let mut play = Play::new();
    play.pass(0);
    let (_, first) = filed(&play.hear(trade("E1", 30, 30)));
    let (_, second) = filed(&play.hear(trade("E2", 20, 50)));
    assert!(first.trade < second.trade && first.trade.partition() == VENUE);
    // The process ends: the second had been posted, the first had not, and both come again.
    play.restart();
    play.posted(second.trade, 20, 20);
    assert!(matches!(&play.hear(trade("E2", 20, 50))[..], [Done::Settled(_)]));
    let (ticket, again) = filed(&play.hear(trade("E1", 30, 30)));
    assert_eq!(again.trade, first.trade, "the number is noted");
    let refusal = refused(RejectCode::AlreadyExists, play.seq + 1);
    assert_eq!(play.answer(ticket, refusal), [], "whether it was posted is not known before the record is read");
    play.tell(Event::OrderUnknown(heng_model::event::OrderUnknown { order: OrderId(9) }));
    let (_, last) = filed(&play.done());
    assert!(last.trade > second.trade);
    assert_eq!(last.quantity, Qty(30));
}

#[test]
fn more_trades_than_the_venue_says_there_are_do_not_post() {
    let mut play = Play::new();
    play.pass(0);
    filed(&play.hear(trade("E1", 30, 30)));
    // The same trade under another name: the sum did not grow.
    assert_eq!(play.hear(trade("E1-bis", 30, 30)), [Done::Sent("H".into()), Done::Settled(2)]);
    assert!(matches!(&play.hear(execution(Tells::Stands(Standing::Live, 1), 30))[..], [Done::Settled(3)]));
    assert_eq!(play.pass(60), [], "by the venue's sum nothing is missing");
    // More than the order had is no question of sums.
    assert_eq!(play.hear(trade("E9", 80, 110)), [Done::Settled(4)]);
    assert_eq!(play.desk.report_health().strange, 1);
}

#[test]
fn a_trade_whose_followers_were_posted_before_is_asked_for_and_posts() {
    let mut play = Play::new();
    play.pass(0);
    let (_, first) = filed(&play.hear(trade("E1", 30, 30)));
    let (_, second) = filed(&play.hear(trade("E2", 20, 50)));
    play.restart();
    play.posted(second.trade, 20, 20);
    assert!(play.hear(trade("E1", 30, 30)).contains(&Done::Sent("H".into())));
    play.hear(execution(Tells::Stands(Standing::Live, 1), 50));
    assert!(play.pass(2).contains(&Done::Sent("AD".into())));
    let traded = Traded { exec: "E1".into(), price: Price(100_000), quantity: Qty(30) };
    let (_, report) = filed(&play.hear(Says::Trade(traded)));
    assert_eq!((report.trade, report.quantity), (first.trade, Qty(30)));
}

#[test]
fn what_may_have_been_sent_is_asked_for_after_a_restart_and_not_sent() {
    let mut play = Play::new();
    assert_eq!(play.pass(0), sent(&["D"]));
    play.restart();
    assert_eq!(play.pass(0), sent(&["H"]));
    // A cancel that was under way is taken up again when the order turns out to live.
    play.tell(Event::CancelRequested(heng_model::event::CancelRequested { order: ORDER }));
    assert_eq!(play.done(), sent(&["F"]));
    assert_eq!(play.hear(Says::NoCancel(NoCancel::UnderWay)), [Done::Settled(1)]);
    let done = play.hear(Says::NoCancel(NoCancel::Other));
    assert_eq!(filed(&done).1.kind, ReportKind::CancelRejected);
}

#[test]
fn a_late_trade_and_a_report_about_nobody_are_named_and_change_nothing() {
    let mut play = Play::new();
    play.pass(0);
    let gone = OrderCancelled {
        order: ORDER,
        account: AccountId(1),
        quantity: Qty(100),
        reason: CancelReason::DayEnd,
        hold_cash: Money(0),
        hold_quantity: Qty(0),
        shrunk: false,
    };
    play.tell(gone.into());
    assert_eq!(play.hear(trade("E1", 30, 30)), [Done::Settled(1)]);
    let now = play.now();
    play.desk.hear(Heard { number: 9, order: Some(OrderId(77)), question: None, says: trade("E", 1, 1) }, now);
    assert_eq!(play.done(), [Done::Settled(9)]);
    let health = play.desk.report_health();
    assert_eq!((health.late, health.strange), (1, 1));
}
