//! What clients are shown: rows as JSON. Amounts are decimal text, ids that may exceed 2^53 are text.

use heng_model::event::ParentStatus;
use heng_model::market::{AccountKind, CancelReason};
use heng_model::{
    AccountStatus, Board, Currency, InstrumentClass, Money, OrderStatus, OrderType, Phase, Price, Rate, RejectCode,
    SelfTrade, Side, UnixNanos,
};
use serde_json::{Value, json};

use crate::directory::{Directory, date};
use crate::tables::{AccountRow, CashRow, DayRow, FillRow, HoldingRow, InstrumentRow, OrderRow, ParentRow, PhaseRow};

/// The stable name of a stored code; its number where this version does not know it.
macro_rules! name {
    ($type:ident, $code:expr) => {
        u8::try_from($code)
            .ok()
            .and_then($type::from_code)
            .map_or_else(|| $code.to_string(), |value| value.name().to_owned())
    };
}

fn id(number: i64) -> Value {
    json!(number.to_string())
}

fn id_or_null(number: i64) -> Value {
    if number == 0 { Value::Null } else { id(number) }
}

fn price_or_null(price: i64) -> Value {
    if price == 0 { Value::Null } else { json!(Price(price).to_string()) }
}

/// An instant as people write it in China: `2026-07-06T09:30:00.000000001+08:00`.
pub(crate) fn instant(nanos: i64) -> String {
    let fraction = UnixNanos(nanos).time_of_day() % heng_model::SECOND;
    instant_s(UnixNanos(nanos)).replace('+', &format!(".{fraction:09}+"))
}

/// The same to the second: `2026-07-06T09:30:00+08:00`.
pub(crate) fn instant_s(time: UnixNanos) -> String {
    let day = time.date().map(|date| date.to_string()).unwrap_or_default();
    let seconds = time.time_of_day() / heng_model::SECOND;
    format!("{day}T{:02}:{:02}:{:02}+08:00", seconds / 3_600, seconds / 60 % 60, seconds % 60)
}

/// A refusal in both languages, or null.
pub(crate) fn refusal(code: i64) -> Value {
    match u16::try_from(code).ok().and_then(RejectCode::from_number) {
        Some(code) => json!({
            "code": code.number(), "code_name": code.name(), "title": code.english(), "title_zh": code.chinese(),
        }),
        None => Value::Null,
    }
}

pub(crate) fn order(row: &OrderRow, directory: &Directory) -> Value {
    let reason = u8::try_from(row.reason).ok().and_then(CancelReason::from_code).map(CancelReason::name);
    json!({
        "order_id": id(row.order_id),
        "account": id(row.account),
        "client_order_id": row.client_order,
        "trade_date": date(row.trade_date).to_string(),
        "symbol": directory.symbol(row.instrument),
        "side": name!(Side, row.side),
        "type": name!(OrderType, row.order_type),
        "self_trade": name!(SelfTrade, row.self_trade),
        "price": Price(row.price).to_string(),
        "quantity": row.quantity.to_string(),
        "filled": row.filled.to_string(),
        "value": Money(row.value).to_string(),
        "fees": Money(row.fees).to_string(),
        "status": name!(OrderStatus, row.status),
        "reason": reason,
        "reject": refusal(row.code),
        "risk_rule": if row.rule == 0 { Value::Null } else { json!(row.rule) },
        "parent": id_or_null(row.parent),
        "hold_cash": Money(row.hold_cash).to_string(),
        "hold_quantity": row.hold_quantity.to_string(),
        "sequence": row.sequence,
        "changed_sequence": row.changed_sequence,
        "placed_at": instant(row.placed_at),
        "changed_at": instant(row.changed_at),
    })
}

pub(crate) fn parent(row: &ParentRow, directory: &Directory) -> Value {
    json!({
        "parent_id": id(row.parent_id),
        "account": id(row.account),
        "client_order_id": row.client_order,
        "trade_date": date(row.trade_date).to_string(),
        "symbol": directory.symbol(row.instrument),
        "side": name!(Side, row.side),
        "quantity": row.quantity.to_string(),
        "value_max": if row.value_max == 0 { Value::Null } else { json!(Money(row.value_max).to_string()) },
        "status": name!(ParentStatus, row.status),
        "epoch": row.epoch,
        "triggered_by": if row.event == 0 { Value::Null } else { json!(row.event) },
        "children": row.children,
        "filled": row.filled.to_string(),
        "value": Money(row.value).to_string(),
        "sequence": row.sequence,
        "changed_sequence": row.changed_sequence,
        "placed_at": instant(row.placed_at),
        "changed_at": instant(row.changed_at),
    })
}

/// A trade date; `kept` tells whether its orders, parents and fills are still shown.
pub(crate) fn day(row: &DayRow, kept_from: i64) -> Value {
    json!({
        "trade_date": date(row.trade_date).to_string(),
        "opened_sequence": row.opened_sequence,
        "closed": row.closed,
        "orders": row.orders,
        "fills": row.fills,
        "trades": row.trades,
        "kept": row.trade_date >= kept_from,
    })
}

pub(crate) fn fill(row: &FillRow) -> Value {
    json!({
        "trade_id": id(row.trade_id),
        "sequence": row.sequence,
        "filled_at": instant(row.filled_at),
        "side": name!(Side, row.side),
        "price": Price(row.price).to_string(),
        "quantity": row.quantity.to_string(),
        "amount": Money(row.amount).to_string(),
        "commission": Money(row.commission).to_string(),
        "stamp": Money(row.stamp).to_string(),
        "transfer": Money(row.transfer).to_string(),
        "hk_levies": Money(row.hk_levies).to_string(),
        "rate": if row.rate == 0 { Value::Null } else { json!(Rate(row.rate).to_string()) },
        "cash": Money(row.cash).to_string(),
    })
}

/// Rows of one account, as they belong together.
pub(crate) struct AccountRows {
    pub(crate) account: AccountRow,
    pub(crate) cash: Vec<CashRow>,
    pub(crate) holdings: Vec<HoldingRow>,
    /// Cash held by live orders, by currency.
    pub(crate) held_cash: Vec<(i64, i64)>,
    /// The part of it that Stock Connect buys hold.
    pub(crate) held_connect: Vec<(i64, i64)>,
    /// Shares held by live orders, by instrument.
    pub(crate) held_shares: Vec<(i64, i64)>,
    /// Whether there are more holdings than are shown.
    pub(crate) more: bool,
}

fn held(pairs: &[(i64, i64)], key: i64) -> i64 {
    pairs.iter().find(|(found, _)| *found == key).map_or(0, |(_, amount)| *amount)
}

pub(crate) fn account(rows: &AccountRows, directory: &Directory) -> Value {
    let account = &rows.account;
    json!({
        "account": id(account.account),
        "kind": name!(AccountKind, account.kind),
        "status": name!(AccountStatus, account.status),
        "stopped": account.stopped,
        "commission": Rate(account.commission).to_string(),
        "cash": rows.cash.iter().map(|row| cash_of(rows, row)).collect::<Vec<_>>(),
        "holdings": rows
            .holdings
            .iter()
            .map(|row| holding(row, held(&rows.held_shares, row.instrument), directory))
            .collect::<Vec<_>>(),
        "more_holdings": rows.more,
    })
}

fn cash_of(rows: &AccountRows, row: &CashRow) -> Value {
    let held = Held { all: held(&rows.held_cash, row.currency), connect: held(&rows.held_connect, row.currency) };
    // An option account keeps its margin requirement untouched; the requirement is in yuan.
    let option = rows.account.kind == i64::from(AccountKind::Option as u8);
    let reserve = if option && row.currency == i64::from(Currency::Cny as u8) { rows.account.credit_line } else { 0 };
    cash(row, held, reserve)
}

/// Cash held by live orders of an account in a currency.
#[derive(Clone, Copy)]
struct Held {
    /// By all of them.
    all: i64,
    /// By Stock Connect buys.
    connect: i64,
}

/// `available` is what mainland buying may use, `available_hk` what Stock Connect buying may use. Proceeds that are
/// not due yet and holds overlap: a buy uses the proceeds of its own market first.
fn cash(row: &CashRow, held: Held, reserve: i64) -> Value {
    let kept = row.connect_due().max(held.connect);
    let available = row.balance - (held.all - held.connect) - kept;
    let settled = row.balance - (held.all - held.connect).max(row.mainland_due()) - kept - reserve;
    let withdrawable = if row.balance < 0 { 0 } else { settled.max(0) };
    let text = |amount: i64| Money(amount).to_string();
    json!({
        "currency": name!(Currency, row.currency),
        "balance": text(row.balance),
        "frozen": text(held.all),
        "available": text(available - reserve),
        "available_hk": text(row.balance - held.all - reserve),
        "due_next_day": text(row.due_1 + row.hk_due_1),
        "due_later": text(row.due_2 + row.due_3 + row.hk_due_2),
        "withdrawable": text(withdrawable),
    })
}

fn holding(row: &HoldingRow, frozen: i64, directory: &Directory) -> Value {
    json!({
        "symbol": directory.symbol(row.instrument),
        "total": (row.settled + row.unsellable).to_string(),
        "sellable": (row.settled - frozen).to_string(),
        "frozen": frozen.to_string(),
        "unsellable": row.unsellable.to_string(),
    })
}

pub(crate) fn instrument(row: &InstrumentRow, phases: &[PhaseRow]) -> Value {
    let phase = phases.iter().find(|phase| phase.board == row.board && phase.class == row.class);
    json!({
        "instrument": row.instrument,
        "symbol": row.symbol,
        "board": name!(Board, row.board),
        "class": name!(InstrumentClass, row.class),
        "currency": name!(Currency, row.currency),
        "board_lot": if row.board_lot == 0 { Value::Null } else { json!(row.board_lot.to_string()) },
        "reference_date": if row.reference_date == 0 { Value::Null } else { json!(date(row.reference_date).to_string()) },
        "prev_close": price_or_null(row.prev_close),
        "limit_up": price_or_null(row.limit_up),
        "limit_down": price_or_null(row.limit_down),
        "tick": price_or_null(row.tick),
        "risk_warning": row.risk_warning,
        "same_day_sale": row.same_day_sale,
        "suspended": row.suspended,
        "halted": row.halted,
        "stopped": row.stopped,
        "phase": phase.map(|row| name!(Phase, row.phase)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_are_told_in_china_time() {
        assert_eq!(instant(1_783_300_500_000_000_007), "2026-07-06T09:15:00.000000007+08:00");
    }

    #[test]
    fn cash_and_shares_add_up() {
        let row = CashRow {
            account: 1,
            currency: 1,
            balance: 1_000_000,
            due_1: 200_000,
            hk_due_1: 30_000,
            hk_due_2: 4_000,
            ..CashRow::default()
        };
        let told = cash(&row, Held { all: 100_000, connect: 0 }, 0);
        assert_eq!((told["available"].as_str(), told["available_hk"].as_str()), (Some("86.60"), Some("90.00")));
        // The hold is paid from the proceeds that are not due yet, so both keep money back only once.
        assert_eq!(told["withdrawable"], "76.60");
        assert_eq!((told["due_next_day"].as_str(), told["due_later"].as_str()), (Some("23.00"), Some("0.40")));
        let told = cash(&row, Held { all: 150_000, connect: 50_000 }, 0);
        assert_eq!((told["available"].as_str(), told["available_hk"].as_str()), (Some("85.00"), Some("85.00")));
        let row = HoldingRow { account: 1, instrument: 5, settled: 300, unsellable: 100 };
        let told = holding(&row, 200, &Directory::default());
        assert_eq!(
            (told["total"].as_str(), told["sellable"].as_str(), told["symbol"].as_str()),
            (Some("400"), Some("100"), Some("5"))
        );
    }
}
