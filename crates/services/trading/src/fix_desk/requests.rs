//! What a counterparty asks, read from its messages.

use heng_model::command::{MassCancel, NewOrder};
use heng_model::{AccountId, ClientOrderId, Command, InstrumentId, OrderType, Price, Qty, SelfTrade, Side, limits};
use heng_ports::{Accounts, Principal};
use heng_transport::fix::{FixMessage, FixRefusal, FixRefused, FixSessionId};

use super::refuse;
use crate::directory::Directory;

/// Longest ClOrdID that is taken, in bytes.
const CL_ORD_ID_MAX: usize = 64;

/// An order, with the words that its reports repeat.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) command: NewOrder,
    pub(super) cl_ord_id: String,
    pub(super) symbol: String,
    /// OrdType (40) and TimeInForce (59), as they came.
    pub(super) words: (String, String),
}

/// A cancel of one order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Cancel {
    pub(super) account: AccountId,
    pub(super) cl_ord_id: String,
    pub(super) original: String,
    /// OrderID (37), if it was given.
    pub(super) order: Option<u64>,
}

/// A cancel of many orders.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct CancelAll {
    pub(super) command: MassCancel,
    pub(super) cl_ord_id: String,
    /// MassCancelRequestType (530), as it came.
    pub(super) kind: String,
}

/// A question after one order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Status {
    pub(super) account: AccountId,
    pub(super) cl_ord_id: String,
    pub(super) symbol: String,
    pub(super) side: Side,
}

/// What is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Request {
    Place(Place),
    Cancel(Cancel),
    CancelAll(CancelAll),
    Status(Status),
}

/// A request with the message that it came in.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    pub(super) ticket: u64,
    pub(super) session: FixSessionId,
    /// MsgSeqNum of the message.
    pub(super) number: u64,
    /// The message may have come before: PossDupFlag or PossResend.
    pub(super) again: bool,
    pub(super) request: Request,
    /// Why the policy forbids it.
    pub(super) denied: Option<String>,
}

impl Asked {
    pub(super) fn new(
        ticket: u64,
        request: Request,
        message: &FixMessage<'_>,
        session: FixSessionId,
        denied: Option<String>,
    ) -> Self {
        let again = message.possible_duplicate() || message.possible_resend();
        Self { ticket, session, number: message.sequence(), again, request, denied }
    }

    /// The command that can be sent at once: a cancel must first find its order.
    pub(super) fn command(&self) -> Option<Command> {
        match &self.request {
            _ if self.denied.is_some() => None,
            Request::Place(place) => Some(place.command.into()),
            Request::CancelAll(all) => Some(all.command.into()),
            Request::Cancel(_) | Request::Status(_) => None,
        }
    }
}

/// A field that is read, or the refusal that names it.
struct Reader<'m, 'a> {
    message: &'m FixMessage<'a>,
    directory: &'m Directory,
}

impl<'a> Reader<'_, 'a> {
    fn missing(&self, tag: u32, name: &str) -> FixRefused {
        refuse(FixRefusal::FieldMissing, format!("{name} ({tag}) is missing"), self.message)
    }

    fn wrong(&self, tag: u32, name: &str, detail: &str) -> FixRefused {
        refuse(FixRefusal::Other, format!("{name} ({tag}): {detail}"), self.message)
    }

    fn text(&self, tag: u32, name: &str) -> Result<&'a str, FixRefused> {
        self.message.text(tag).ok_or_else(|| self.missing(tag, name))
    }

    fn client_id(&self, tag: u32, name: &str) -> Result<String, FixRefused> {
        let text = self.text(tag, name)?;
        let plain = text.len() <= CL_ORD_ID_MAX && text.bytes().all(|byte| (b' '..=b'~').contains(&byte));
        if plain { Ok(text.to_owned()) } else { Err(self.wrong(tag, name, "at most 64 printable ASCII characters")) }
    }

    /// The account that is named; without a name, the only one that the counterparty may act for.
    fn account(&self, principal: &Principal) -> Result<AccountId, FixRefused> {
        if let Some(text) = self.message.text(1) {
            let number = text.parse::<u64>().ok().filter(|number| *number > 0 && i64::try_from(*number).is_ok());
            return number.map(AccountId).ok_or_else(|| self.wrong(1, "Account", "not an account number"));
        }
        match &principal.accounts {
            Accounts::These(list) if list.len() == 1 => Ok(list[0]),
            _ => Err(self.missing(1, "Account")),
        }
    }

    fn instrument(&self) -> Result<(InstrumentId, String), FixRefused> {
        let symbol = self.text(55, "Symbol")?;
        let found = self.directory.instrument(symbol);
        let unknown = || refuse(FixRefusal::UnknownSecurity, format!("there is no symbol {symbol}"), self.message);
        found.map(|instrument| (instrument, symbol.to_owned())).ok_or_else(unknown)
    }

    fn side(&self) -> Result<Side, FixRefused> {
        match self.text(54, "Side")? {
            "1" => Ok(Side::Buy),
            "2" => Ok(Side::Sell),
            _ => Err(self.wrong(54, "Side", "1 (buy) or 2 (sell)")),
        }
    }

    fn price(&self, needed: bool) -> Result<Price, FixRefused> {
        let Some(text) = self.message.text(44) else {
            return if needed { Err(self.missing(44, "Price")) } else { Ok(Price::ZERO) };
        };
        let price: Price = text.parse().map_err(|_| self.wrong(44, "Price", "not a price of at most 4 decimals"))?;
        let inside = (0..=limits::PRICE_MAX).contains(&price.0);
        if inside { Ok(price) } else { Err(self.wrong(44, "Price", "out of range")) }
    }

    fn quantity(&self) -> Result<Qty, FixRefused> {
        let text = self.text(38, "OrderQty")?;
        let whole = match text.split_once('.') {
            Some((whole, zeros)) if zeros.bytes().all(|byte| byte == b'0') => whole,
            Some(_) => "",
            None => text,
        };
        let number = whole.parse::<i64>().ok().filter(|number| (0..=1_000_000_000_000).contains(number));
        number.map(Qty).ok_or_else(|| self.wrong(38, "OrderQty", "a whole number of shares"))
    }
}

/// What OrdType and TimeInForce mean here. Market orders are those of the exchange: the five best levels, the rest
/// cancelled.
fn order_type(kind: &str, time: &str) -> Result<OrderType, &'static str> {
    match (kind, time) {
        ("2", "0") => Ok(OrderType::Limit),
        ("1", "0" | "3") => Ok(OrderType::Best5OrCancel),
        ("1" | "2", "4") => Ok(OrderType::FillOrKill),
        ("2", "3") => Ok(OrderType::ImmediateOrCancel),
        ("K", "0") => Ok(OrderType::Best5OrLimit),
        ("2", "2" | "7") => Ok(OrderType::AtAuctionLimit),
        ("1" | "2" | "K", _) => Err("this TimeInForce (59) is not possible with this OrdType (40)"),
        _ => Err("only market (1), limit (2) and market with left over as limit (K)"),
    }
}

fn place(reader: &Reader<'_, '_>, principal: &Principal) -> Result<Request, FixRefused> {
    let cl_ord_id = reader.client_id(11, "ClOrdID")?;
    let account = reader.account(principal)?;
    let (instrument, symbol) = reader.instrument()?;
    let (kind, time) = (reader.text(40, "OrdType")?, reader.message.text(59).unwrap_or("0"));
    let order_type = order_type(kind, time).map_err(|detail| reader.wrong(40, "OrdType", detail))?;
    let command = NewOrder {
        account,
        client_order: ClientOrderId::from_text(&cl_ord_id),
        trade_date: reader.directory.trade_date(),
        instrument,
        side: reader.side()?,
        order_type,
        price: reader.price(order_type.is_limit())?,
        quantity: reader.quantity()?,
        self_trade: SelfTrade::Reject,
    };
    Ok(Request::Place(Place { command, cl_ord_id, symbol, words: (kind.to_owned(), time.to_owned()) }))
}

fn cancel(reader: &Reader<'_, '_>, principal: &Principal) -> Result<Request, FixRefused> {
    Ok(Request::Cancel(Cancel {
        account: reader.account(principal)?,
        cl_ord_id: reader.client_id(11, "ClOrdID")?,
        original: reader.client_id(41, "OrigClOrdID")?,
        order: reader.message.number(37),
    }))
}

fn cancel_all(reader: &Reader<'_, '_>, principal: &Principal) -> Result<Request, FixRefused> {
    let kind = reader.text(530, "MassCancelRequestType")?;
    let (by_instrument, instrument) = match kind {
        "1" => (true, reader.instrument()?.0),
        "7" => (false, InstrumentId(0)),
        _ => return Err(reader.wrong(530, "MassCancelRequestType", "1 (one security) or 7 (all orders)")),
    };
    let command = MassCancel { account: reader.account(principal)?, by_instrument, instrument };
    let cl_ord_id = reader.client_id(11, "ClOrdID")?;
    Ok(Request::CancelAll(CancelAll { command, cl_ord_id, kind: kind.to_owned() }))
}

fn status(reader: &Reader<'_, '_>, principal: &Principal) -> Result<Request, FixRefused> {
    Ok(Request::Status(Status {
        account: reader.account(principal)?,
        cl_ord_id: reader.client_id(11, "ClOrdID")?,
        symbol: reader.message.text(55).unwrap_or("").to_owned(),
        side: reader.side()?,
    }))
}

/// Reads a request.
///
/// # Errors
/// With the refusal to send.
pub(super) fn read(
    message: &FixMessage<'_>,
    principal: &Principal,
    directory: &Directory,
) -> Result<Request, FixRefused> {
    let reader = Reader { message, directory };
    match message.kind() {
        b"D" => place(&reader, principal),
        b"F" => cancel(&reader, principal),
        b"q" => cancel_all(&reader, principal),
        b"H" => status(&reader, principal),
        _ => Err(FixRefusal::UnsupportedMessageType.into()),
    }
}
