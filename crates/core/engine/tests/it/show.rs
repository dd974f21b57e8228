//! What happened, in words.

use heng_engine::Outcome;
use heng_model::market::OrderStatus;
use heng_model::{Command, Currency, Event, Money, OrderId, Qty, Side, UnixNanos};

use crate::world::World;

/// The outcome of a command and what else it caused.
pub(crate) fn outcome(world: &World, outcome: Outcome, of_parent: bool) -> String {
    let mut text = match outcome.code {
        Some(code) => code.to_string(),
        // Orders and parents have numbers of their own.
        None => match world.state.order(OrderId(outcome.id)).filter(|_| outcome.id != 0 && !of_parent) {
            Some(record) => format!("ok {}", status(record)),
            None => "ok".to_owned(),
        },
    };
    if outcome.repeated {
        text += " repeated";
    }
    for event in &world.said.events {
        if let Some(more) = event_text(world, event, OrderId(outcome.id)) {
            text += "; ";
            text += &more;
        }
    }
    for (to, message) in &world.said.sent {
        text += &format!("; to venue {to}: {}", message_text(world, message));
    }
    text
}

pub(crate) fn status(record: &heng_engine::OrderRecord) -> String {
    let (filled, of) = (record.filled, record.quantity);
    match record.status {
        OrderStatus::Filled => format!("filled {filled}"),
        OrderStatus::PartlyFilled | OrderStatus::PartlyCancelled => format!("{} {filled} of {of}", record.status),
        OrderStatus::Rejected => record.reject_code().map_or("rejected".to_owned(), |code| code.to_string()),
        other if filled > Qty::ZERO => format!("{other} {filled} of {of}"),
        other => other.to_string(),
    }
}

fn message_text(world: &World, message: &Command) -> String {
    match message {
        Command::RouteOrder(route) => format!("order {}", order_name(world, route.order)),
        Command::RouteCancel(cancel) => format!("cancel {}", order_name(world, cancel.order)),
        other => other.name().to_owned(),
    }
}

fn order_name(world: &World, order: OrderId) -> &str {
    world.names.get(&order).map_or("?", |name| if name.starts_with("#fe") { "child" } else { name })
}

fn clock(time: UnixNanos) -> String {
    let seconds = time.time_of_day() / heng_model::SECOND;
    format!("{:02}:{:02}:{:02}", seconds / 3_600, seconds / 60 % 60, seconds % 60)
}

/// An event that a reader of cases wants to see; `asked` is the order of the command itself.
fn event_text(world: &World, event: &Event, asked: OrderId) -> Option<String> {
    let name = |order| order_name(world, order);
    Some(match event {
        Event::Trade(t) => format!("{} @ {} {}/{}", t.quantity, t.price, name(t.buy), name(t.sell)),
        Event::AuctionPrinted(a) if a.volume > Qty::ZERO => {
            format!("auction {} {} @ {}", world.symbol(a.instrument), a.volume, a.price)
        }
        Event::Halted(h) if h.volatility => format!("halted {} until {}", world.symbol(h.instrument), clock(h.until)),
        Event::Resumed(r) => format!("resumed {}", world.symbol(r.instrument)),
        Event::OrderCancelled(c) if c.order != asked || c.shrunk => {
            let verb = if c.shrunk { "shrinks by" } else { "cancelled" };
            format!("{} {verb} {} ({})", name(c.order), c.quantity, c.reason)
        }
        Event::OrderRejected(r) if r.order != asked => format!("{} {}", r.client_order.to_text(), r.code),
        Event::ParentChanged(p) => {
            let parent = world.parents.iter().find(|(_, id)| **id == p.parent).map_or("?", |(name, _)| name);
            format!("{parent} {}", p.status)
        }
        Event::OrderUnknown(u) => format!("{} unknown", name(u.order)),
        Event::CancelRejected(c) if c.order != asked => format!("{} keeps {}", name(c.order), c.code),
        _ => return None,
    })
}

/// Cash of an account: parts that are zero are left out.
pub(crate) fn cash(world: &World, account: &str, currency: Currency) -> String {
    let Some(row) = world.state.ledger().row_of(world.account(account)) else { return "no account".to_owned() };
    let cash = world.state.ledger().cash(row, currency);
    let mut text = cash.balance.to_string();
    let mut part = |name: &str, amount: Money| {
        if amount != Money::ZERO {
            text += &format!(", {name} {amount}");
        }
    };
    part("frozen", cash.frozen);
    part("receivable", cash.receivable());
    if cash.available() != cash.balance {
        part("available", cash.available());
        if cash.available() == Money::ZERO {
            text += ", available 0.00";
        }
    }
    if cash.available_hk() != cash.available() {
        text += &format!(", for HK {}", cash.available_hk());
    }
    let out = world.state.ledger().withdrawable(row, currency);
    if out != cash.balance {
        text += &format!(", withdrawable {out}");
    }
    text
}

/// Shares of an account.
pub(crate) fn holding(world: &World, account: &str, symbol: &str) -> String {
    let ledger = world.state.ledger();
    let row = ledger.row_of(world.account(account));
    let position = row.and_then(|row| ledger.position(row, world.instrument(symbol)));
    let Some(p) = position else { return "none".to_owned() };
    format!("sellable {}, frozen {}, unsellable {}", p.sellable, p.frozen, p.unsellable)
}

/// An order: its state, and what it holds.
pub(crate) fn order(world: &World, name: &str) -> String {
    let Some(record) = world.state.order(world.order(name)) else { return "unknown".to_owned() };
    let hold = if record.hold_cash == Money::ZERO { String::new() } else { format!(", holds {}", record.hold_cash) };
    format!("{}{hold}", status(record))
}

/// Best prices of the book, three levels a side.
pub(crate) fn book(world: &World, symbol: &str) -> String {
    let side = |side| {
        let levels = world.state.venue().depth(world.instrument(symbol), side, 3);
        let text: Vec<String> = levels.iter().map(|(price, quantity, _)| format!("{quantity} @ {price}")).collect();
        if text.is_empty() { "none".to_owned() } else { text.join(", ") }
    };
    format!("bids {}; asks {}", side(Side::Buy), side(Side::Sell))
}

/// What the fills of the last command charged an order.
pub(crate) fn fees(world: &World, name: &str) -> String {
    let mut lines = Vec::new();
    for event in &world.said.events {
        let Event::OrderFilled(f) = event else { continue };
        if f.order != world.order(name) {
            continue;
        }
        let parts = [
            ("commission", f.commission),
            ("stamp", f.stamp),
            ("transfer", f.transfer),
            ("handling", f.handling),
            ("regulatory", f.regulatory),
            ("sfc", f.sfc),
            ("afrc", f.afrc),
            ("trading", f.trading),
            ("settlement", f.settlement),
        ];
        let shown = parts.iter().filter(|(_, amount)| *amount != Money::ZERO);
        let shown: Vec<String> = shown.map(|(name, amount)| format!("{name} {amount}")).collect();
        lines.push(format!("amount {}, {}, cash {}", f.amount, shown.join(", "), f.cash));
    }
    if lines.is_empty() { "none".to_owned() } else { lines.join("; ") }
}
