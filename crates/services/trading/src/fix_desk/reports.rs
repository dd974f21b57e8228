//! What a counterparty is told: ExecutionReport, OrderCancelReject, OrderMassCancelReport.

use heng_model::{CancelReason, Price, Qty, RejectCode, Side};
use heng_transport::fix::{ApplVersion, FixBody};

use super::orders::{Note, Order, Phase};
use super::requests::{Cancel, CancelAll};

/// When something happened, and the name of the report.
#[derive(Clone, Debug)]
pub(super) struct Stamp {
    /// ExecID (17).
    pub(super) id: String,
    /// UTC nanoseconds since 1970.
    pub(super) utc_ns: u64,
    /// The report may have been sent before under another number.
    pub(super) again: bool,
}

/// What an ExecutionReport tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Exec {
    New,
    Trade { price: Price, quantity: Qty },
    Ended,
    Restated,
    Status,
}

const fn side(side: Side) -> &'static str {
    match side {
        Side::Buy => "1",
        Side::Sell => "2",
    }
}

fn ord_status(order: &Order) -> &'static str {
    match order.phase {
        Phase::Live if order.filled.0 > 0 => "1",
        Phase::Live => "0",
        Phase::Cancelling => "6",
        Phase::Filled => "2",
        Phase::Cancelled => "4",
        Phase::Expired => "C",
        Phase::Rejected => "8",
    }
}

/// ExecType (150): version 4.2 tells a trade by whether it filled the order.
fn exec_type(exec: Exec, order: &Order, version: ApplVersion) -> &'static str {
    match exec {
        Exec::New => "0",
        Exec::Trade { .. } if version != ApplVersion::Fix42 => "F",
        Exec::Trade { .. } if order.phase == Phase::Filled => "2",
        Exec::Trade { .. } => "1",
        Exec::Ended | Exec::Status if version == ApplVersion::Fix42 => ord_status(order),
        Exec::Ended => ord_status(order),
        Exec::Restated => "D",
        Exec::Status => "I",
    }
}

fn head(body: &mut FixBody, stamp: &Stamp) {
    if stamp.again {
        body.header(97, b"Y");
    }
}

/// The fields that every report of an order repeats.
fn facts(body: &mut FixBody, note: &Note) {
    body.text(1, &note.account.0.to_string()).text(55, &note.symbol).text(54, side(note.side));
    body.number(38, note.quantity.0.unsigned_abs()).text(40, &note.words.0);
    if note.price.0 > 0 {
        body.text(44, &note.price.to_string());
    }
    body.text(59, &note.words.1);
}

/// ExecTransType (20) exists in version 4.2 only, where it must be told.
fn transaction(body: &mut FixBody, version: ApplVersion, status: bool) {
    if version == ApplVersion::Fix42 {
        body.text(20, if status { "3" } else { "0" });
    }
}

/// A report of an order that is there.
pub(super) fn execution(order: &Order, exec: Exec, stamp: &Stamp) -> FixBody {
    let version = order.note.session.version;
    let mut body = FixBody::new("8");
    head(&mut body, stamp);
    body.number(37, order.id.0);
    match (&order.cancel, exec) {
        (Some(cancel), Exec::Ended) if order.phase == Phase::Cancelled => {
            body.text(11, cancel).text(41, &order.note.cl_ord_id);
        }
        _ => drop(body.text(11, &order.note.cl_ord_id)),
    }
    body.text(17, &stamp.id);
    transaction(&mut body, version, exec == Exec::Status);
    body.text(150, exec_type(exec, order, version)).text(39, ord_status(order));
    if exec == Exec::Restated {
        // ExecRestatementReason: part of the quantity was declined.
        body.text(378, "5");
    }
    facts(&mut body, &order.note);
    if let Exec::Trade { price, quantity } = exec {
        body.number(32, quantity.0.unsigned_abs()).text(31, &price.to_string());
    }
    body.number(151, order.leaves().0.unsigned_abs()).number(14, order.filled.0.unsigned_abs());
    body.text(6, &order.average()).time(60, stamp.utc_ns);
    body
}

/// OrdRejReason (103).
const fn ord_rej_reason(code: RejectCode) -> &'static str {
    match code {
        RejectCode::UnknownInstrument => "1",
        RejectCode::DayNotOpen | RejectCode::PhaseForbids => "2",
        RejectCode::KeyReused => "6",
        _ => "0",
    }
}

/// An order that was refused, by the core (with its code) or by the policy.
pub(super) fn rejected(note: &Note, order: u64, code: RejectCode, detail: &str, stamp: &Stamp) -> FixBody {
    let version = note.session.version;
    let mut body = FixBody::new("8");
    head(&mut body, stamp);
    body.text(37, &if order == 0 { "NONE".to_owned() } else { order.to_string() });
    body.text(11, &note.cl_ord_id).text(17, &stamp.id);
    transaction(&mut body, version, false);
    body.text(150, "8").text(39, "8").text(103, ord_rej_reason(code));
    facts(&mut body, note);
    body.number(151, 0).number(14, 0).text(6, "0").time(60, stamp.utc_ns);
    body.text(58, &refusal(code, detail));
    body
}

/// An order whose outcome is not known yet.
pub(super) fn pending(note: &Note, stamp: &Stamp) -> FixBody {
    let version = note.session.version;
    let mut body = FixBody::new("8");
    body.text(37, "NONE").text(11, &note.cl_ord_id).text(17, &stamp.id);
    transaction(&mut body, version, false);
    body.text(150, "A").text(39, "A");
    facts(&mut body, note);
    body.number(151, note.quantity.0.unsigned_abs()).number(14, 0).text(6, "0").time(60, stamp.utc_ns);
    body.text(58, "the outcome is not known yet; it will be told");
    body
}

/// A question after an order that is not known.
pub(super) fn unknown_order(status: &super::requests::Status, version: ApplVersion, stamp: &Stamp) -> FixBody {
    let mut body = FixBody::new("8");
    body.text(37, "NONE").text(11, &status.cl_ord_id).text(17, &stamp.id);
    transaction(&mut body, version, true);
    body.text(150, if version == ApplVersion::Fix42 { "8" } else { "I" }).text(39, "8").text(103, "5");
    let symbol = if status.symbol.is_empty() { "[N/A]" } else { &status.symbol };
    body.text(1, &status.account.0.to_string()).text(55, symbol).text(54, side(status.side));
    body.number(38, 0).number(151, 0).number(14, 0).text(6, "0").time(60, stamp.utc_ns);
    body.text(58, RejectCode::UnknownOrder.english());
    body
}

fn refusal(code: RejectCode, detail: &str) -> String {
    let more = if detail.is_empty() { String::new() } else { format!(" ({detail})") };
    format!("{} {}: {}{more}", code.number(), code.name(), code.english())
}

/// A cancel that was refused; `order` is what is known of the order that it names.
pub(super) fn cancel_rejected(
    cancel: &Cancel,
    order: Option<&Order>,
    code: RejectCode,
    detail: &str,
    stamp: &Stamp,
) -> FixBody {
    let mut body = FixBody::new("9");
    let id = order.map_or_else(|| "NONE".to_owned(), |order| order.id.0.to_string());
    body.text(37, &id).text(11, &cancel.cl_ord_id).text(41, &cancel.original);
    body.text(39, order.map_or("8", ord_status)).text(1, &cancel.account.0.to_string());
    // CxlRejReason: 1 the order is not known, 0 it is too late, 2 the broker's own reason.
    let reason = match (order, code) {
        (None, _) => "1",
        (Some(order), _) if order.leaves().0 == 0 => "0",
        _ => "2",
    };
    body.time(60, stamp.utc_ns).text(434, "1").text(102, reason).text(58, &refusal(code, detail));
    body
}

/// What became of a cancel of many orders.
pub(super) fn mass_cancel(all: &CancelAll, refused: Option<(RejectCode, &str)>, stamp: &Stamp) -> FixBody {
    let mut body = FixBody::new("r");
    body.text(11, &all.cl_ord_id).text(37, &stamp.id).text(530, &all.kind);
    body.text(531, if refused.is_some() { "0" } else { &all.kind });
    if refused.is_some() {
        body.text(532, "99");
    }
    body.text(1, &all.command.account.0.to_string()).time(60, stamp.utc_ns);
    if let Some((code, detail)) = refused {
        body.text(58, &refusal(code, detail));
    }
    body
}

/// How an order ends for this reason.
pub(super) const fn ended_by(reason: CancelReason) -> Phase {
    match reason {
        CancelReason::DayEnd | CancelReason::PhaseEnd => Phase::Expired,
        _ => Phase::Cancelled,
    }
}
