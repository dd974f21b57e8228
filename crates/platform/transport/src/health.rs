//! Whether the process is well, for those who watch it.

use std::sync::{Arc, Mutex};

use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;

/// One part's word about itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// Whether the part is well.
    pub well: bool,
    /// What a person should know.
    pub detail: String,
}

type Ask = Box<dyn Fn() -> Check + Send + Sync>;

/// All parts that are asked. `/healthz` answers 200 while the process serves, with `status` `ok` or `degraded`: a
/// part that is not well is for a person to look at, and no reason to kill a process that still takes cancels.
#[derive(Clone, Default)]
pub struct Health {
    parts: Arc<Mutex<Vec<(String, Ask)>>>,
}

impl Health {
    /// Adds a part.
    pub fn add(&self, name: impl Into<String>, ask: impl Fn() -> Check + Send + Sync + 'static) {
        self.parts.lock().expect("no holder of this lock panics").push((name.into(), Box::new(ask)));
    }

    /// What every part says of itself now.
    #[must_use]
    pub fn checks(&self) -> Vec<(String, Check)> {
        let parts = self.parts.lock().expect("no holder of this lock panics");
        parts.iter().map(|(name, ask)| (name.clone(), ask())).collect()
    }

    pub(crate) fn answer(&self) -> Response {
        let checks = self.checks();
        let status = if checks.iter().all(|(_, check)| check.well) { "ok" } else { "degraded" };
        let told: serde_json::Map<String, serde_json::Value> = checks
            .into_iter()
            .map(|(name, check)| (name, json!({ "well": check.well, "detail": check.detail })))
            .collect();
        let body = json!({ "status": status, "parts": told }).to_string();
        (StatusCode::OK, [(header::CONTENT_TYPE, "application/json")], body).into_response()
    }
}
