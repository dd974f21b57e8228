//! Refusals as problem documents (RFC 9457), in English and Chinese.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};

use crate::fields::FieldProblem;

/// Why a request is refused: a stable number with its name and the text that people read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reason {
    /// Stable number; 0 = none (a failure, not a refusal).
    pub number: u16,
    /// Stable name.
    pub name: &'static str,
    /// English.
    pub english: &'static str,
    /// Chinese.
    pub chinese: &'static str,
}

impl Reason {
    /// The request cannot be read.
    pub const BAD_REQUEST: Self =
        Self { number: 901, name: "BadRequest", english: "The request cannot be read.", chinese: "请求无法解析" };
    /// Too much at once.
    pub const OVERLOADED: Self = Self {
        number: 902,
        name: "Overloaded",
        english: "The system is overloaded; try again.",
        chinese: "系统繁忙，请稍后再试",
    };
    /// Nobody is signed in.
    pub const UNAUTHENTICATED: Self = Self {
        number: 906,
        name: "Unauthenticated",
        english: "Sign in, or send a valid token, key or session.",
        chinese: "请先登录，或提供有效的令牌、密钥或会话",
    };
    /// The policy says no.
    pub const FORBIDDEN: Self =
        Self { number: 907, name: "Forbidden", english: "This is not permitted.", chinese: "没有权限" };
    /// One caller asks too often.
    pub const RATE_LIMITED: Self = Self {
        number: 908,
        name: "RateLimited",
        english: "Too many requests; slow down.",
        chinese: "请求过于频繁，请稍后再试",
    };
    /// There is no such thing.
    pub const NOT_FOUND: Self =
        Self { number: 909, name: "NotFound", english: "There is no such thing.", chinese: "对象不存在" };
    /// It clashes with what is there.
    pub const CONFLICT: Self =
        Self {
            number: 910, name: "Conflict", english: "This clashes with what is there.", chinese: "与现有内容冲突"
        };
    /// A grave operation takes a fresh proof.
    pub const STEP_UP_NEEDED: Self = Self {
        number: 912,
        name: "StepUpNeeded",
        english: "This takes a fresh proof for exactly this transaction.",
        chinese: "此操作需对交易内容再次验证身份",
    };
    /// No answer in time.
    pub const NO_ANSWER: Self = Self {
        number: 0,
        name: "NoAnswer",
        english: "No answer was ready in time; a change may or may not have happened.",
        chinese: "未能在时限内答复，变更是否生效未知",
    };
    /// Our own failure.
    pub const INTERNAL: Self = Self {
        number: 0,
        name: "InternalError",
        english: "The server failed to answer; the failure is logged.",
        chinese: "服务器内部错误，已记录",
    };
}

/// A refusal or failure, ready to be sent as `application/problem+json`.
#[derive(Clone, Debug, PartialEq)]
pub struct Problem(Box<Inner>);

// Refusals are rare and travel as errors: a pointer keeps every `Result` small.
#[derive(Clone, Debug, PartialEq)]
struct Inner {
    status: StatusCode,
    reason: Reason,
    detail: String,
    errors: Vec<FieldProblem>,
    members: Map<String, Value>,
    retry_after_s: Option<u32>,
}

impl Problem {
    /// A refusal with this status and reason; `detail` tells what is particular to this request.
    #[must_use]
    pub fn new(status: StatusCode, reason: Reason, detail: impl Into<String>) -> Self {
        let detail = detail.into();
        Self(Box::new(Inner { status, reason, detail, errors: Vec::new(), members: Map::new(), retry_after_s: None }))
    }

    /// A request that cannot be read, 400.
    #[must_use]
    pub fn bad_request(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, Reason::BAD_REQUEST, detail)
    }

    /// Our own failure, 500. What failed is told to the log, not to the client.
    #[must_use]
    pub fn internal(failure: &dyn std::fmt::Display) -> Self {
        tracing::error!(%failure, "answer a request");
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, Reason::INTERNAL, "")
    }

    /// Adds what is wrong with single fields.
    #[must_use]
    pub fn with_errors(mut self, errors: Vec<FieldProblem>) -> Self {
        self.0.errors = errors;
        self
    }

    /// Adds a member of the caller's own; names of the standard members are taken.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.0.members.insert(name.to_owned(), value.into());
        self
    }

    /// Tells the client when to try again.
    #[must_use]
    pub fn retry_after_s(mut self, seconds: u32) -> Self {
        self.0.retry_after_s = Some(seconds);
        self
    }

    /// The status.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.0.status
    }

    /// The reason.
    #[must_use]
    pub fn reason(&self) -> Reason {
        self.0.reason
    }

    /// The document; `instance` names the request.
    #[must_use]
    pub fn document(&self, instance: Option<&str>) -> Value {
        // The caller's members come first, so that they can never replace a standard one.
        let mut document = self.0.members.clone();
        let mut set = |name: &str, value: Value| document.insert(name.to_owned(), value);
        set("type", json!(format!("urn:heng:problem:{}", self.0.reason.name)));
        set("title", json!(self.0.reason.english));
        set("title_zh", json!(self.0.reason.chinese));
        set("status", json!(self.0.status.as_u16()));
        set("code_name", json!(self.0.reason.name));
        set("code", if self.0.reason.number == 0 { Value::Null } else { json!(self.0.reason.number) });
        if !self.0.detail.is_empty() {
            set("detail", json!(self.0.detail));
        }
        if let Some(id) = instance {
            set("instance", json!(format!("urn:heng:request:{id}")));
        }
        if !self.0.errors.is_empty() {
            let list = self.0.errors.iter().map(|e| json!({ "pointer": e.pointer, "detail": e.detail }));
            set("errors", list.collect());
        }
        Value::Object(document)
    }

    /// The response; `instance` names the request.
    pub(crate) fn response(&self, instance: Option<&str>) -> Response {
        let body = self.document(instance).to_string();
        let mut response = (self.0.status, [(header::CONTENT_TYPE, "application/problem+json")], body).into_response();
        if let Some(seconds) = self.0.retry_after_s {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = self.response(None);
        // The guard around every request writes it again with the request's id.
        response.extensions_mut().insert(self);
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_members_cannot_replace_standard_ones() {
        let problem = Problem::bad_request("no").with("status", 200).with("order_id", "7").retry_after_s(3);
        let document = problem.document(Some("r-1"));
        assert_eq!(document["status"], 400);
        assert_eq!(document["order_id"], "7");
        assert_eq!(document["code"], 901);
        assert_eq!(document["code_name"], "BadRequest");
        assert_eq!(document["type"], "urn:heng:problem:BadRequest");
        assert_eq!(document["instance"], "urn:heng:request:r-1");
        assert_eq!(problem.response(None).headers()["retry-after"], "3");
    }

    #[test]
    fn a_failure_has_no_code_and_tells_no_inner_thing() {
        let document = Problem::internal(&"secret path").document(None);
        assert_eq!(document["code"], Value::Null);
        assert!(!document.to_string().contains("secret"));
    }
}
