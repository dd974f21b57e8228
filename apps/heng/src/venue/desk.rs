//! Reads what the client asks, and lets it happen on the floor.

use std::sync::Arc;

use heng_model::{Price, UnixNanos, limits};
use heng_transport::fix::{FixApplication, FixMessage, FixRefusal, FixRefused, FixReplies, FixTaken};

use super::exchange::{Ask, Input};
use super::faults::{FaultKind, Faults};
use super::floor::Floor;
use super::reports;

/// Longest name that is taken, in bytes.
const NAME_MAX: usize = 64;

/// See the module.
pub(super) struct Desk {
    pub(super) floor: Arc<Floor>,
    pub(super) faults: Arc<Faults>,
}

fn refuse(reason: FixRefusal, text: &str, message: &FixMessage<'_>) -> FixRefused {
    FixRefused { reason, text: text.to_owned(), id: message.text(11).unwrap_or("").to_owned() }
}

fn word(message: &FixMessage<'_>, tag: u32, name: &str) -> Result<String, FixRefused> {
    let text =
        message.text(tag).ok_or_else(|| refuse(FixRefusal::FieldMissing, &format!("{name} ({tag})"), message))?;
    if text.len() <= NAME_MAX {
        return Ok(text.to_owned());
    }
    Err(refuse(FixRefusal::Other, &format!("{name} ({tag}): at most {NAME_MAX} bytes"), message))
}

fn whole(message: &FixMessage<'_>) -> i64 {
    let text = message.text(38).unwrap_or("");
    let digits =
        text.split_once('.').map_or(text, |(whole, zeros)| if zeros.bytes().all(|b| b == b'0') { whole } else { "" });
    // What is no quantity is refused by the exchange, as one of zero is.
    digits.parse::<i64>().ok().filter(|number| (0..=limits::QUANTITY_MAX).contains(number)).unwrap_or(0)
}

impl Desk {
    fn place(&self, message: &FixMessage<'_>) -> Result<Input, FixRefused> {
        let price = message.text(44).map_or(Ok(Price::ZERO), str::parse::<Price>);
        let price = price.ok().filter(|price| (0..=limits::PRICE_MAX).contains(&price.0));
        let price = price.ok_or_else(|| refuse(FixRefusal::Other, "Price (44): no price of 4 decimals", message))?;
        Ok(Input::Place(Ask {
            client: Some(word(message, 11, "ClOrdID")?),
            symbol: word(message, 55, "Symbol")?,
            buys: message.text(54) == Some("1"),
            kind: word(message, 40, "OrdType")?,
            time: message.text(59).unwrap_or("0").to_owned(),
            price: price.0,
            quantity: whole(message),
            refuse: self.faults.strikes(FaultKind::RejectStorm).is_some(),
        }))
    }

    /// An order that is sent again is not placed again: its sender is told how it stands.
    fn is_known(&self, message: &FixMessage<'_>) -> bool {
        let name = message.text(11).unwrap_or("");
        message.possible_resend() && self.floor.look().exchange.order(name).is_some()
    }

    fn stands(&self, message: &FixMessage<'_>) {
        let (name, question) = (message.text(11).unwrap_or(""), message.text(790).unwrap_or(""));
        let (symbol, side) = (message.text(55).unwrap_or("[N/A]"), message.text(54).unwrap_or("1"));
        self.floor.tell(|exchange, number| {
            vec![match exchange.order(name) {
                Some(order) => reports::standing(order, question, number),
                None => reports::not_there(name, question, symbol, side, number),
            }]
        });
    }

    fn trades(&self, message: &FixMessage<'_>) -> Result<(), FixRefused> {
        let (request, name) = (word(message, 568, "TradeRequestID")?, word(message, 11, "ClOrdID")?);
        let symbol = message.text(55).unwrap_or("[N/A]");
        let now = UnixNanos(i64::try_from(message.sending_time_ns()).unwrap_or(0));
        let date = now.date().map_or_else(|| "19700101".to_owned(), |date| date.number().to_string());
        self.floor.tell(|exchange, _| {
            reports::trades(&request, exchange.order(&name), symbol, exchange.fills_of(&name), &date)
        });
        Ok(())
    }
}

impl FixApplication for Desk {
    fn received(&self, message: &FixMessage<'_>, _: &mut FixReplies<'_>) -> Result<FixTaken, FixRefused> {
        let input = match message.kind() {
            b"D" if self.is_known(message) => {
                return Ok({
                    self.stands(message);
                    FixTaken::Settled
                });
            }
            b"D" => self.place(message)?,
            b"F" => Input::Cancel { client: word(message, 41, "OrigClOrdID")?, name: word(message, 11, "ClOrdID")? },
            b"H" => {
                self.stands(message);
                return Ok(FixTaken::Settled);
            }
            b"AD" => {
                self.trades(message)?;
                return Ok(FixTaken::Settled);
            }
            _ => return Err(FixRefusal::UnsupportedMessageType.into()),
        };
        match self.floor.take(&input) {
            Ok(_) => Ok(FixTaken::Settled),
            Err(error) => {
                tracing::error!(%error, "keep an input of the exchange");
                Err(refuse(FixRefusal::NotAvailable, "the exchange cannot keep it", message))
            }
        }
    }
}
