//! Answers, from a state between two commands. Every list is bounded.

use std::collections::BTreeMap;
use std::time::Duration;

use heng_engine::{OrderRecord, Parent, State};
use heng_model::command::NewOrder;
use heng_model::wire::{decode_all, encode};
use heng_model::{
    AccountId, AccountKind, AccountStatus, Currency, Money, OrderId, ParentId, Qty, RejectCode, Seq, TradeDate,
};
use heng_ports::{
    About, Answered, CashNow, CashRowNow, CoreQueries, EstimateNow, HashNow, HoldingNow, HoldingsNow, NoAnswer,
    OrderNow, OrdersNow, OutcomeNow, OutcomeOf, OutcomesNow, ParentNow, ParentsNow, ParentsOf, PowerNow, PowerOf,
    Question, ROWS_MAX, Reply,
};

use crate::explaining::Kept;
use crate::remote::RemoteCore;

/// The rows of positions by account, which the books do not need and questions do.
#[derive(Default)]
pub(crate) struct PositionIndex {
    rows: BTreeMap<u32, Vec<u32>>,
    /// Positions that are in it.
    seen: usize,
}

impl PositionIndex {
    /// Takes the positions that were opened since.
    fn catch_up(&mut self, state: &State) {
        let positions = state.ledger().positions();
        if positions.len() < self.seen {
            *self = Self::default();
        }
        for (at, position) in positions.iter().enumerate().skip(self.seen) {
            let at = u32::try_from(at).expect("positions stay below u32::MAX");
            self.rows.entry(position.account_row).or_default().push(at);
        }
        self.seen = positions.len();
    }
}

fn number(code: Option<RejectCode>) -> u16 {
    code.map_or(0, RejectCode::number)
}

fn rows(limit: u32) -> usize {
    limit.clamp(1, ROWS_MAX) as usize
}

/// How long a question of another process may wait for the replica; the asker has a deadline of its own.
const FAR_MAX: Duration = Duration::from_secs(5);

/// Answers a question in its bytes with an answer in its bytes; empty = there is none.
#[must_use]
pub fn answer_bytes(queries: &dyn CoreQueries, question: &[u8]) -> Vec<u8> {
    let Ok(question) = decode_all::<Question>(question) else { return Vec::new() };
    queries.ask(question, FAR_MAX).map_or_else(|_| Vec::new(), |answered| encode(&answered))
}

impl CoreQueries for RemoteCore {
    fn ask(&self, question: Question, deadline: Duration) -> Result<Answered, NoAnswer> {
        let bytes = Self::ask(self, encode(&question), deadline).filter(|bytes| !bytes.is_empty());
        bytes.and_then(|bytes| decode_all(&bytes).ok()).ok_or(NoAnswer::Late)
    }
}

/// Answers what is asked about a state that the caller holds: what a replica does, without one. Explanations are a
/// replica's own, and none are told.
#[must_use]
pub fn answer_from(state: &State, about: &About) -> Answered {
    let reply = answer(about, state, &mut PositionIndex::default(), &Kept::from(state.seq()));
    Answered { as_of: state.seq(), reply }
}

/// Answers what is asked about `state`.
pub(crate) fn answer(about: &About, state: &State, positions: &mut PositionIndex, kept: &Kept) -> Reply {
    match about {
        About::OpenOrdersOf(ask) => open_orders(state, ask.account, rows(ask.limit)).into(),
        About::OneOrder(ask) => {
            let order = state.order(ask.order).map(|record| order_now(state, ask.order, record));
            OrdersNow { orders: order.into_iter().collect(), more: false }.into()
        }
        About::HoldingsOf(ask) => holdings(state, positions, ask.account, rows(ask.limit)).into(),
        About::CashOf(ask) => cash(state, ask.account).into(),
        About::PowerOf(ask) => power(state, ask).into(),
        About::EstimateOf(ask) => estimate(state, &ask.order).into(),
        About::OutcomeOf(ask) => outcome(state, ask).into(),
        About::OutcomesOf(ask) => {
            let asked = ask.orders.iter().take(heng_model::limits::BATCH_ORDERS_MAX);
            OutcomesNow { outcomes: asked.map(|order| outcome_of(state, order)).collect() }.into()
        }
        About::ParentsOf(ask) => parents(state, ask).into(),
        About::ExplainedAfter(ask) => kept.after(ask.after, rows(ask.limit), state.seq()).into(),
        About::HashOf(_) => HashNow { hash: state.hash() }.into(),
    }
}

fn open_orders(state: &State, account: AccountId, limit: usize) -> OrdersNow {
    let Some(row) = state.ledger().row_of(account) else { return OrdersNow { orders: Vec::new(), more: false } };
    let open = state.ledger().account(row).open_orders as usize;
    let live = state.orders_of(row).filter(|(_, record)| record.status.is_live());
    let orders = live.take(open.min(limit)).map(|(id, record)| order_now(state, id, record)).collect();
    OrdersNow { orders, more: open > limit }
}

fn order_now(state: &State, order: OrderId, record: &OrderRecord) -> OrderNow {
    let (seq, client_order) = state.origin_of(order).expect("the order is of the trade date");
    OrderNow {
        order,
        account: state.ledger().account(record.account_row).id,
        client_order,
        seq,
        trade_date: state.trade_date().0,
        instrument: record.instrument,
        side: record.side,
        order_type: record.order_type,
        price: record.price,
        quantity: record.quantity,
        filled: record.filled,
        hold_cash: record.hold_cash,
        status: record.status,
        code: number(record.reject_code()),
        parent: state.parent_of(order),
    }
}

fn holdings(state: &State, positions: &mut PositionIndex, account: AccountId, limit: usize) -> HoldingsNow {
    positions.catch_up(state);
    let row = state.ledger().row_of(account);
    let held = row.and_then(|row| positions.rows.get(&row)).map_or(&[][..], Vec::as_slice);
    let all = state.ledger().positions();
    let mut holdings: Vec<HoldingNow> = held
        .iter()
        .map(|at| &all[*at as usize])
        .filter(|position| position.total() != Qty::ZERO)
        .map(|position| HoldingNow {
            instrument: heng_model::InstrumentId(position.instrument),
            sellable: position.sellable,
            frozen: position.frozen,
            unsellable: position.unsellable,
        })
        .collect();
    holdings.sort_by_key(|holding| holding.instrument);
    let more = holdings.len() > limit;
    holdings.truncate(limit);
    HoldingsNow { holdings, more }
}

fn cash(state: &State, account: AccountId) -> CashNow {
    let ledger = state.ledger();
    let Some(row) = ledger.row_of(account) else {
        let (kind, status) = (AccountKind::Cash, AccountStatus::Closed);
        return CashNow { known: false, kind, status, stopped: false, open_orders: 0, cash: Vec::new() };
    };
    let known = ledger.account(row);
    let rows = Currency::ALL.iter().map(|currency| (*currency, ledger.cash(row, *currency)));
    let cash = rows
        .filter(|(currency, cash)| {
            *currency == Currency::Cny || cash.balance != Money::ZERO || cash.frozen != Money::ZERO
        })
        .map(|(currency, cash)| CashRowNow {
            currency,
            balance: cash.balance,
            frozen: cash.frozen,
            available: cash.available(),
            available_hk: cash.available_hk(),
            withdrawable: ledger.withdrawable(row, currency),
        })
        .collect();
    let (kind, status, stopped) = (known.kind, known.status, known.stopped);
    CashNow { known: true, kind, status, stopped, open_orders: known.open_orders, cash }
}

fn power(state: &State, ask: &PowerOf) -> PowerNow {
    let found = state.power(ask.account, ask.instrument, ask.price);
    let power = found.unwrap_or_default();
    PowerNow {
        known: found.is_some(),
        price: power.price,
        buy_max: power.buy_max,
        buy_cash: power.buy_cash,
        cash: power.cash,
        sell_max: power.sell_max,
        sellable: power.sellable,
    }
}

fn estimate(state: &State, order: &NewOrder) -> EstimateNow {
    let found = state.estimate(order);
    let fees = found.fees;
    EstimateNow {
        code: number(found.code),
        rule: found.rule,
        hold_cash: found.hold.cash,
        hold_quantity: found.hold.shares,
        commission: fees.commission,
        stamp: fees.stamp,
        transfer: fees.transfer,
        hk_levies: fees.sfc + fees.afrc + fees.trading + fees.settlement,
        fees: fees.total,
        checks: found.checks,
    }
}

fn outcome(state: &State, ask: &OutcomeOf) -> OutcomeNow {
    let trade_date = if ask.trade_date == TradeDate::NONE { state.trade_date().0 } else { ask.trade_date };
    match state.outcome_of(ask.account, trade_date, ask.client_order) {
        Some(found) => OutcomeNow {
            known: true,
            trade_date,
            seq: found.seq,
            id: found.id,
            is_parent: found.is_parent,
            code: number(found.code),
            same: true,
        },
        None => OutcomeNow { known: false, trade_date, seq: Seq(0), id: 0, is_parent: false, code: 0, same: true },
    }
}

fn outcome_of(state: &State, order: &NewOrder) -> OutcomeNow {
    let key = OutcomeOf { account: order.account, trade_date: order.trade_date, client_order: order.client_order };
    let found = outcome(state, &key);
    if !found.known {
        return OutcomeNow { code: number(state.key_refusal(order)), ..found };
    }
    OutcomeNow { same: state.has_same_content(order), ..found }
}

fn parents(state: &State, ask: &ParentsOf) -> ParentsNow {
    let limit = rows(ask.limit);
    let mut parents: Vec<ParentNow> = state
        .parents()
        .filter(|(id, parent)| {
            *id > ask.after
                && (ask.account == AccountId(0) || parent.terms.account == ask.account)
                && (ask.parent == ParentId(0) || *id == ask.parent)
                && (!ask.live_only || parent.status != heng_model::event::ParentStatus::Done)
        })
        .take(limit + 1)
        .map(|(id, parent)| parent_now(state, id, parent))
        .collect();
    let more = parents.len() > limit;
    parents.truncate(limit);
    ParentsNow { trade_date: state.trade_date().0, parents, more }
}

fn parent_now(state: &State, id: ParentId, parent: &Parent) -> ParentNow {
    let terms = &parent.terms;
    let (filled, open) = state.children_of(parent);
    let mut live = state.live_children(parent);
    let oldest = live.next();
    let (lot_min, lot_step) = state.lot_of(terms.instrument, terms.side);
    let (limit_down, limit_up) = state.day_of(terms.instrument).and_then(|day| day.limits).unwrap_or_default();
    ParentNow {
        parent: id,
        account: terms.account,
        client_order: terms.client_order,
        trade_date: terms.trade_date,
        kind: terms.kind,
        instrument: terms.instrument,
        side: terms.side,
        order_type: terms.order_type,
        price: terms.price,
        quantity: terms.quantity,
        value_max: terms.value_max,
        watch: terms.watch,
        at_or_above: terms.at_or_above,
        trigger: terms.trigger,
        expires: terms.expires,
        status: parent.status,
        code: number(parent.reject_code()),
        epoch: parent.epoch,
        event: parent.event,
        seq: parent.seq,
        filled,
        open,
        live: u32::from(oldest.is_some()) + u32::try_from(live.count()).unwrap_or(u32::MAX - 1),
        oldest: oldest.unwrap_or(OrderId(0)),
        lot_min,
        lot_step,
        limit_down,
        limit_up,
    }
}
