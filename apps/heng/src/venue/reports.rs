//! What the exchange tells, as FIX 4.4 messages.

use heng_model::Price;
use heng_transport::fix::FixBody;

use super::exchange::{Fill, Order, State, Told, quantity};

/// A message that can be sent more than once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Report {
    kind: &'static str,
    fields: Vec<(u32, String)>,
}

/// TransactTime is set when the message is sent.
const TRANSACT_TIME: u32 = 60;

impl Report {
    fn new(kind: &'static str) -> Self {
        Self { kind, fields: Vec::new() }
    }

    fn with(mut self, tag: u32, value: impl Into<String>) -> Self {
        self.fields.push((tag, value.into()));
        self
    }

    /// The message. `again`: its content was sent before, under another number.
    pub(super) fn body(&self, again: bool, utc_ns: u64) -> FixBody {
        let mut body = FixBody::new(self.kind);
        if again {
            body.header(97, b"Y");
        }
        for (tag, value) in &self.fields {
            match *tag {
                TRANSACT_TIME => body.time(TRANSACT_TIME, utc_ns),
                tag => body.text(tag, value),
            };
        }
        body
    }
}

fn status(order: &Order) -> &'static str {
    match order.state {
        State::Live if order.filled > 0 => "1",
        State::Live => "0",
        State::Filled => "2",
        State::Cancelled => "4",
        State::Expired => "C",
        State::Refused => "8",
    }
}

const fn side(buys: bool) -> &'static str {
    if buys { "1" } else { "2" }
}

fn price(price: i64) -> String {
    Price(price).to_string()
}

/// ExecutionReport of an order; the caller adds what its kind has more.
fn execution(order: &Order, name: &str, exec: &str, exec_type: &str) -> Report {
    let ask = &order.ask;
    let mut report = Report::new("8").with(37, format!("V{}", order.number)).with(11, name);
    let client = ask.client.clone().unwrap_or_default();
    if name != client {
        report = report.with(41, client);
    }
    report = report.with(17, exec).with(150, exec_type).with(39, status(order));
    report =
        report.with(55, &*ask.symbol).with(54, side(ask.buys)).with(38, quantity(ask.quantity)).with(40, &*ask.kind);
    if ask.price > 0 {
        report = report.with(44, price(ask.price));
    }
    report
        .with(59, &*ask.time)
        .with(151, quantity(order.leaves()))
        .with(14, quantity(order.filled))
        .with(6, order.average().to_string())
        .with(TRANSACT_TIME, "")
}

/// What is told to the client. `number` names reports that are no trades.
pub(super) fn of(told: &Told, number: u64) -> Report {
    let client = |order: &Order| order.ask.client.clone().unwrap_or_default();
    let exec = format!("R{number}");
    match told {
        Told::New(order) => execution(order, &client(order), &exec, "0"),
        Told::Traded(order, fill) => execution(order, &client(order), &fill.exec, "F")
            .with(32, quantity(fill.quantity))
            .with(31, price(fill.price)),
        Told::Ended(order, cancel) => {
            let name = cancel.clone().unwrap_or_else(|| client(order));
            execution(order, &name, &exec, if order.state == State::Expired { "C" } else { "4" })
        }
        Told::Refused(order, reason, why) => {
            execution(order, &client(order), &exec, "8").with(103, reason.to_string()).with(58, *why)
        }
        Told::Duplicate(order) => {
            execution(order, &client(order), &exec, "8").with(103, "6").with(58, "this ClOrdID was used before")
        }
        Told::NoCancel { order, client, name, reason } => {
            let id = order.as_ref().map_or_else(|| "NONE".to_owned(), |order| format!("V{}", order.number));
            Report::new("9")
                .with(37, id)
                .with(11, name.as_str())
                .with(41, client.as_str())
                .with(39, order.as_ref().map_or("8", status))
                .with(TRANSACT_TIME, "")
                .with(434, "1")
                .with(102, reason.to_string())
        }
    }
}

/// The answer to an enquiry (OrdStatusReqID 790) about an order that is there.
pub(super) fn standing(order: &Order, question: &str, number: u64) -> Report {
    let name = order.ask.client.clone().unwrap_or_default();
    execution(order, &name, &format!("R{number}"), "I").with(790, question)
}

/// The answer to an enquiry about an order that is not there.
pub(super) fn not_there(client: &str, question: &str, symbol: &str, side: &str, number: u64) -> Report {
    Report::new("8")
        .with(37, "NONE")
        .with(11, client)
        .with(790, question)
        .with(17, format!("R{number}"))
        .with(150, "I")
        .with(39, "8")
        .with(103, "5")
        .with(55, symbol)
        .with(54, side)
        .with(151, "0")
        .with(14, "0")
        .with(6, "0")
        .with(TRANSACT_TIME, "")
        .with(58, "there is no such order")
}

/// The trades of an order, asked for by `request`: an acknowledgement, then each.
pub(super) fn trades<'a>(
    request: &str,
    order: Option<&Order>,
    symbol: &str,
    fills: impl Iterator<Item = &'a Fill>,
    date: &str,
) -> Vec<Report> {
    let fills: Vec<&Fill> = fills.collect();
    let result = if fills.is_empty() { "99" } else { "0" };
    let acknowledgement = Report::new("AQ")
        .with(568, request)
        .with(569, "1")
        .with(748, fills.len().to_string())
        .with(749, result)
        .with(750, if fills.is_empty() { "2" } else { "0" })
        .with(55, symbol);
    let number = order.map_or_else(|| "NONE".to_owned(), |order| format!("V{}", order.number));
    let each = fills.into_iter().map(|fill| {
        Report::new("AE")
            .with(571, format!("{request}-{}", fill.exec))
            .with(568, request)
            .with(17, fill.exec.as_str())
            .with(570, "N")
            .with(55, fill.symbol.as_str())
            .with(32, quantity(fill.quantity))
            .with(31, price(fill.price))
            .with(75, date)
            .with(TRANSACT_TIME, "")
            .with(552, "1")
            .with(54, side(fill.buys))
            .with(37, number.as_str())
            .with(11, fill.order.as_str())
    });
    std::iter::once(acknowledgement).chain(each).collect()
}
