//! Drop copies: sessions that hear of every order of the accounts that their counterparty may see, through whichever
//! door it came. They take no orders.

use std::collections::HashMap;
use std::sync::Arc;

use heng_model::event::{OrderCancelled, OrderFilled, OrderPlaced, OrderRejected};
use heng_model::{Event, OrderId, OrderType, Qty, TradeDate};
use heng_ports::{Decision, Gatekeeper, Principal, Resource};
use heng_transport::fix::{
    FixApplication, FixBody, FixMessage, FixRefusal, FixRefused, FixReplies, FixSession, FixSessionId, FixTaken,
};

use super::orders::{Note, Order, Phase};
use super::refuse;
use super::reporter::When;
use super::reports::{self, Exec};
use crate::directory::Directory;

/// What answers a session that only listens.
pub(super) struct Listener {
    pub(super) gatekeeper: Arc<dyn Gatekeeper>,
    pub(super) principal: Arc<Principal>,
}

impl FixApplication for Listener {
    fn logon(&self, _: &FixSessionId, _: &FixMessage<'_>) -> Result<(), String> {
        match self.gatekeeper.decide(&self.principal, "order.read", Resource::Any) {
            Decision::Allow => Ok(()),
            Decision::Deny(why) => Err(why),
        }
    }

    fn received(&self, message: &FixMessage<'_>, _: &mut FixReplies<'_>) -> Result<FixTaken, FixRefused> {
        Err(refuse(FixRefusal::UnsupportedMessageType, "this session is a drop copy and takes no requests", message))
    }
}

/// One session and the orders of the day that it heard of.
pub(super) struct DropCopy {
    session: Arc<FixSession>,
    principal: Arc<Principal>,
    orders: HashMap<OrderId, Box<Order>>,
    last_date: TradeDate,
}

impl DropCopy {
    pub(super) fn new(session: Arc<FixSession>, principal: Arc<Principal>) -> Self {
        Self { session, principal, orders: HashMap::new(), last_date: TradeDate::NONE }
    }

    /// Takes an event of the record; what was told before this start is only remembered.
    pub(super) fn take(&mut self, event: &Event, place: &When, directory: &Directory) {
        match event {
            Event::DayOpened(opened) => {
                let oldest = std::mem::replace(&mut self.last_date, opened.date);
                self.orders.retain(|_, order| order.note.trade_date >= oldest);
            }
            Event::OrderPlaced(placed) => self.placed(placed, place, directory),
            Event::OrderRejected(rejected) => self.rejected(rejected, place, directory),
            Event::OrderFilled(filled) => self.filled(filled, place),
            Event::OrderCancelled(cancelled) => self.cancelled(cancelled, place),
            _ => {}
        }
    }

    fn placed(&mut self, placed: &OrderPlaced, place: &When, directory: &Directory) {
        if !self.principal.accounts.hold(placed.account) {
            return;
        }
        let note = Note {
            session: self.session.id().clone(),
            account: placed.account,
            trade_date: placed.trade_date,
            cl_ord_id: placed.client_order.to_text(),
            symbol: directory.symbol(i64::from(placed.instrument.0)),
            side: placed.side,
            price: placed.price,
            quantity: placed.quantity,
            words: words(placed.order_type),
        };
        let order = Order {
            note: Arc::new(note),
            id: placed.order,
            phase: Phase::Live,
            filled: Qty::ZERO,
            value: 0,
            told: true,
            cancel: None,
        };
        self.tell(place, |place| reports::execution(&order, Exec::New, &place.stamp()));
        self.orders.insert(placed.order, Box::new(order));
    }

    fn rejected(&mut self, rejected: &OrderRejected, place: &When, directory: &Directory) {
        if !self.principal.accounts.hold(rejected.account) {
            return;
        }
        if let Some(order) = self.orders.get_mut(&rejected.order) {
            order.phase = Phase::Rejected;
        }
        let note = Note {
            session: self.session.id().clone(),
            account: rejected.account,
            trade_date: rejected.trade_date,
            cl_ord_id: rejected.client_order.to_text(),
            symbol: directory.symbol(i64::from(rejected.instrument.0)),
            side: rejected.side,
            price: rejected.price,
            quantity: rejected.quantity,
            words: words(rejected.order_type),
        };
        self.tell(place, |place| reports::rejected(&note, rejected.order.0, rejected.code, "", &place.stamp()));
    }

    fn filled(&mut self, filled: &OrderFilled, place: &When) {
        let Some(order) = self.orders.get_mut(&filled.order) else { return };
        order.fill(filled.price, filled.quantity, filled.filled);
        let exec = Exec::Trade { price: filled.price, quantity: filled.quantity };
        let order = &self.orders[&filled.order];
        self.tell(place, |place| reports::execution(order, exec, &place.stamp()));
    }

    fn cancelled(&mut self, cancelled: &OrderCancelled, place: &When) {
        let Some(order) = self.orders.get_mut(&cancelled.order) else { return };
        let exec = order.take_off(cancelled);
        let order = &self.orders[&cancelled.order];
        self.tell(place, |place| reports::execution(order, exec, &place.stamp()));
    }

    fn tell(&self, place: &When, body: impl FnOnce(&When) -> FixBody) {
        if place.told {
            return;
        }
        // A session that begins anew with each logon has nobody to tell while nobody is logged on.
        if let Err(error) = self.session.send(&body(place)) {
            tracing::debug!(%error, session = %self.session.id(), "send a FIX drop copy");
        }
    }
}

/// OrdType (40) and TimeInForce (59) of an order that came through any door.
fn words(order_type: OrderType) -> (String, String) {
    let (kind, time) = match order_type {
        OrderType::Limit | OrderType::AfterHoursFixed | OrderType::EnhancedLimit => ("2", "0"),
        OrderType::ImmediateOrCancel => ("2", "3"),
        OrderType::FillOrKill => ("2", "4"),
        OrderType::AtAuctionLimit => ("2", "2"),
        OrderType::Best5OrLimit => ("K", "0"),
        _ => ("1", "0"),
    };
    (kind.into(), time.into())
}
