//! From the core's answer to what the client is told.

use axum::http::StatusCode;
use heng_model::{RejectCode, TradeDate};
use heng_transport::{Problem, Reason};
use serde_json::json;

use crate::forms::OrderForm;

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

/// The status of a refusal: what the client can do about it decides.
const fn status(code: RejectCode) -> StatusCode {
    match code {
        RejectCode::KeyReused => StatusCode::CONFLICT,
        RejectCode::UnknownOrder | RejectCode::UnknownParent => StatusCode::NOT_FOUND,
        RejectCode::BadRequest => StatusCode::BAD_REQUEST,
        RejectCode::Overloaded => StatusCode::TOO_MANY_REQUESTS,
        RejectCode::DiskFull | RejectCode::ViewsLag | RejectCode::ShuttingDown => StatusCode::SERVICE_UNAVAILABLE,
        _ => StatusCode::UNPROCESSABLE_ENTITY,
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

/// No answer in time: the order may or may not stand. It is resolved by its key, never by a new one.
pub(crate) fn unknown_order(form: &OrderForm, trade_date: TradeDate) -> Problem {
    let detail = "the core did not answer in time; the order may or may not stand. Send the same request again with \
                  this trade_date: the same key and content return the original outcome, and never a second order";
    let account = form.account.0.to_string();
    let key = json!({ "account": account, "trade_date": trade_date.to_string(), "client_order_id": form.client_order });
    let query = format!(
        "/v1/orders?account={account}&trade_date={trade_date}&client_order_id={}",
        percent_encoded(&form.client_order)
    );
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, reason(RejectCode::OutcomeUnknown), detail)
        .with("outcome", "unknown")
        .with("key", key)
        .with("resolve", json!({ "repeat": "POST /v1/orders", "read": query }))
        .retry_after_s(1)
}

/// No answer to a cancel in time. A cancel may be repeated: a second one changes nothing.
pub(crate) fn unknown_cancel(order: u64) -> Problem {
    let detail = "the core did not answer in time; the cancel may or may not have happened. Send it again: a second \
                  cancel changes nothing";
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, reason(RejectCode::OutcomeUnknown), detail)
        .with("outcome", "unknown")
        .with("resolve", json!({ "read": format!("/v1/orders/{order}") }))
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
        check(RejectCode::KeyExpired, 422);
        check(RejectCode::PriceLimit, 422);
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
