//! From the core's answer to what the client is told.

use axum::http::StatusCode;
use heng_model::{AccountId, RejectCode, TradeDate};
use heng_transport::{Problem, Reason};
use serde_json::json;

/// A reject code as a reason of the doors.
pub(crate) const fn reason(code: RejectCode) -> Reason {
    Reason { number: code.number(), name: code.name(), english: code.english(), chinese: code.chinese() }
}

/// A read asked for a sequence that the view does not hold yet.
pub(crate) const NOT_YET: Reason = Reason {
    number: 0,
    name: "NotYet",
    english: "The view does not hold the asked sequence yet; try again.",
    chinese: "视图尚未到达所请求的序号，请稍后再试",
};

/// A read asked for a sequence that no command has.
pub(crate) const BEYOND: Reason = Reason {
    number: 0,
    name: "BeyondTheRecord",
    english: "No command has the asked sequence yet.",
    chinese: "尚无该序号的指令",
};

/// The status of a refusal: what the client can do about it decides.
const fn status(code: RejectCode) -> StatusCode {
    match code {
        RejectCode::UnknownOrder
        | RejectCode::UnknownParent
        | RejectCode::UnknownAccount
        | RejectCode::UnknownInstrument => StatusCode::NOT_FOUND,
        RejectCode::BadRequest => StatusCode::BAD_REQUEST,
        RejectCode::Overloaded => StatusCode::TOO_MANY_REQUESTS,
        RejectCode::DiskFull | RejectCode::ViewsLag | RejectCode::ShuttingDown | RejectCode::CoreUnreachable => {
            StatusCode::SERVICE_UNAVAILABLE
        }
        // The order is well formed, and what there is now does not let it pass.
        _ => StatusCode::CONFLICT,
    }
}

/// A refusal.
pub(crate) fn refused(code: RejectCode, detail: impl Into<String>) -> Problem {
    let problem = Problem::new(status(code), reason(code), detail);
    match status(code) {
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => problem.retry_after_s(1),
        _ => problem,
    }
}

/// No answer in time: the order or parent may or may not stand. It is resolved by its key, never by a new one.
fn unknown(detail: &str, (repeat, read): (&str, String)) -> Problem {
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, reason(RejectCode::OutcomeUnknown), detail)
        .with("outcome", "unknown")
        .with("resolve", json!({ "repeat": repeat, "read": read }))
        .retry_after_s(1)
}

/// An order without an answer.
pub(crate) fn unknown_order(account: AccountId, client_order: &str, trade_date: TradeDate) -> Problem {
    let detail = "the core did not answer in time; the order may or may not stand. Send the same request again with \
                  this trade_date: the same key and content return the original outcome, and never a second order";
    let key = json!({ "account": account.to_string(), "trade_date": trade_date.to_string(), "client_order_id": client_order });
    let client_order = percent_encoded(client_order);
    let read = format!("/v1/orders?account={account}&trade_date={trade_date}&client_order_id={client_order}");
    unknown(detail, ("POST /v1/orders", read)).with("key", key)
}

/// A parent without an answer.
pub(crate) fn unknown_parent(account: AccountId, client_order: &str, trade_date: TradeDate) -> Problem {
    let detail = "the core did not answer in time; the parent may or may not stand. Send the same request again with \
                  this trade_date: the same key and content return the original outcome, and never a second parent";
    let key = json!({ "account": account.to_string(), "trade_date": trade_date.to_string(), "client_order_id": client_order });
    let client_order = percent_encoded(client_order);
    let read = format!("/v1/parents?account={account}&trade_date={trade_date}&client_order_id={client_order}");
    unknown(detail, ("POST /v1/parents", read)).with("key", key)
}

/// A batch without an answer.
pub(crate) fn unknown_batch(repeat: &str, trade_date: TradeDate) -> Problem {
    let detail = format!(
        "the core did not answer in time; the orders may or may not stand. Send the same request again with trade_date \
         {trade_date} in each order: known keys return their first outcome"
    );
    unknown(&detail, (repeat, "/v1/orders/by-key".into())).with("trade_date", trade_date.to_string())
}

/// No answer to a cancel or another control in time. It may be repeated: a second one changes nothing.
pub(crate) fn unknown_cancel(read: &str) -> Problem {
    let detail = "the core did not answer in time; it may or may not have happened. Send it again: a second one \
                  changes nothing";
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, reason(RejectCode::OutcomeUnknown), detail)
        .with("outcome", "unknown")
        .with("resolve", json!({ "read": read }))
        .retry_after_s(1)
}

/// Text inside a query (RFC 3986, 2.3): everything but unreserved characters is encoded.
fn percent_encoded(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~');
    text.bytes().map(|b| if plain(b) { char::from(b).to_string() } else { format!("%{b:02X}") }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doors_and_core_use_the_same_words() {
        for (ours, code) in
            [(Reason::BAD_REQUEST, RejectCode::BadRequest), (Reason::OVERLOADED, RejectCode::Overloaded)]
        {
            assert_eq!(ours, reason(code));
        }
    }

    #[test]
    fn a_refusal_tells_what_can_be_done() {
        let check = |code, expected: u16| assert_eq!(refused(code, "").status().as_u16(), expected, "{code}");
        check(RejectCode::KeyReused, 409);
        check(RejectCode::KeyExpired, 409);
        check(RejectCode::PriceLimit, 409);
        check(RejectCode::UnknownInstrument, 404);
        check(RejectCode::Overloaded, 429);
        check(RejectCode::ViewsLag, 503);
        check(RejectCode::UnknownOrder, 404);
        check(RejectCode::UnknownParent, 404);
    }

    #[test]
    fn keys_survive_a_query() {
        assert_eq!(percent_encoded("a b&空"), "a%20b%26%E7%A9%BA");
    }
}
