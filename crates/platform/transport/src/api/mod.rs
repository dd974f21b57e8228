//! The HTTP API: one declaration mounts a route, checks who may call it, and documents it (OpenAPI 3.1).

mod access;
mod bounds;
mod cookie;
mod extract;
mod grades;
mod operation;
mod shares;
mod standing;

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::handler::Handler;
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{MethodFilter, on};
use heng_ports::Gatekeeper;
use serde_json::{Map, Value, json};
use tokio::runtime::Handle;

use access::Door;
pub use access::{Caller, RateLimits};
use bounds::Declared;
pub(crate) use cookie::Secured;
pub use cookie::SessionCookie;
pub use extract::{Body, Params, PathText};
use operation::Schemas;
pub use operation::{FieldGrade, Grader, Operation, SteppedUp};
pub use shares::{Share, Shares};
pub use standing::{Lost, Standing};

use crate::problem::Problem;

/// The version that the document tells.
const API_VERSION: &str = "1.0.0";

/// A set of operations over a state `S`.
pub struct Api<S = ()> {
    router: Router<S>,
    gatekeeper: Arc<dyn Gatekeeper>,
    limits: Arc<RateLimits>,
    operations: Vec<Operation>,
    messages: Schemas,
    heavy: bool,
}

impl<S: Clone + Send + Sync + 'static> Api<S> {
    /// An API without operations, whose callers `gatekeeper` identifies and `limits` slow down.
    #[must_use]
    pub fn new(gatekeeper: Arc<dyn Gatekeeper>, limits: Arc<RateLimits>) -> Self {
        Self {
            router: Router::new(),
            gatekeeper,
            limits,
            operations: Vec::new(),
            messages: Schemas::new(),
            heavy: false,
        }
    }

    /// Declares every operation that is added from now on to be [heavy](Operation::heavy).
    #[must_use]
    pub fn heavy(mut self) -> Self {
        self.heavy = true;
        self
    }

    /// Mounts `handler` as `operation` says.
    ///
    /// # Panics
    /// If the path and method are taken, or a bound that is declared is none: our own bug.
    pub fn add<H, T>(&mut self, mut operation: Operation, handler: H)
    where
        H: Handler<T, S>,
        T: 'static,
    {
        operation.heavy |= self.heavy;
        let filter = MethodFilter::try_from(operation.method.clone()).expect("a usual method");
        let door = Door {
            gatekeeper: Arc::clone(&self.gatekeeper),
            limits: Arc::clone(&self.limits),
            access: operation.access,
            operation: operation.id,
            step_up: operation.step_up,
            declared: Arc::new(Declared::of(&operation.document(), &schemas(&operation.schemas))),
        };
        let mut method = on(filter, handler);
        if let Some(threads) = self.limits.place(&operation) {
            method = method.route_layer(from_fn_with_state(threads, elsewhere));
        }
        let method = method.route_layer(from_fn_with_state(Arc::new(door), access::check));
        self.router = std::mem::take(&mut self.router).route(operation.path, method);
        self.operations.push(operation);
    }

    /// Adds the schema of a message that streams carry.
    pub fn message<T: utoipa::ToSchema>(&mut self) {
        self.messages.push((T::name().into_owned(), T::schema()));
        T::schemas(&mut self.messages);
    }

    /// Lets the document tell the grade of every property that `grader` knows, in the schemas of all operations that were
    /// added.
    pub fn grade(&mut self, grader: Grader) {
        self.operations.iter_mut().for_each(|operation| operation.grader = Some(grader));
    }

    /// Gives the handlers their state.
    #[must_use]
    pub fn with_state(self, state: S) -> Api<()> {
        let Self { router, gatekeeper, limits, operations, messages, heavy } = self;
        Api { router: router.with_state(state), gatekeeper, limits, operations, messages, heavy }
    }
}

impl Api<()> {
    /// Both.
    #[must_use]
    pub fn merge(mut self, other: Self) -> Self {
        self.router = self.router.merge(other.router);
        self.operations.extend(other.operations);
        self.messages.extend(other.messages);
        self
    }

    /// The routes.
    pub fn router(&self) -> Router {
        self.router.clone()
    }

    /// How many operations there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.operations.len()
    }

    /// The operations that take a fresh proof.
    #[must_use]
    pub fn stepped_up(&self) -> Vec<SteppedUp> {
        self.operations.iter().filter_map(Operation::stepped_up).collect()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.operations.is_empty()
    }

    /// Schemas of the messages that streams carry, by name.
    #[must_use]
    pub fn message_schemas(&self) -> BTreeMap<String, Value> {
        schemas(&self.messages)
    }

    /// Properties that answers can have, as `Schema.property`, and of which nobody has told the grade.
    #[must_use]
    pub fn ungraded(&self) -> Vec<String> {
        grades::ungraded(&self.document())
    }

    /// The document: OpenAPI 3.1, every operation, every schema.
    ///
    /// # Panics
    /// If two types have one name: our own bug, by which clients would read answers as something else.
    #[must_use]
    pub fn document(&self) -> Value {
        let mut paths: BTreeMap<&str, Map<String, Value>> = BTreeMap::new();
        for operation in &self.operations {
            let method = operation.method.as_str().to_ascii_lowercase();
            paths.entry(operation.path).or_default().insert(method, operation.document());
        }
        let mut components = schemas(&self.messages);
        for (name, schema) in &mut components {
            let grader = self.operations.iter().find(|operation| operation.has(name)).and_then(|found| found.grader);
            grader.into_iter().for_each(|grader| grades::put(name, schema, grader));
        }
        for (name, schema) in self.operations.iter().flat_map(grades::schemas_of) {
            let known = components.entry(name.clone()).or_insert_with(|| schema.clone());
            assert!(*known == schema, "two schemas are called {name}");
        }
        components.insert("Problem".into(), problem_schema());
        json!({
            "openapi": "3.1.0",
            "info": {
                "title": "Heng",
                "version": API_VERSION,
                "description": INTRODUCTION,
                "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
            },
            "servers": [{ "url": "/" }],
            "security": [{ "bearer": [] }, { "session": [] }, { "signature": [] }],
            "paths": paths,
            "components": { "schemas": components, "securitySchemes": security_schemes() },
        })
    }
}

/// Runs what is behind on other threads. They end with the process, and a panic there is a failure here.
async fn elsewhere(State(threads): State<Handle>, request: Request, next: Next) -> Response {
    match threads.spawn(next.run(request)).await {
        Ok(response) => response,
        Err(failure) => Problem::internal(&failure).into_response(),
    }
}

const INTRODUCTION: &str = "The broker's API. Amounts, prices and quantities are decimal text, ids are text, times are \
RFC 3339. Unknown fields are refused. Every read tells `as_of_sequence` and takes `min_sequence`, so that a client \
reads its own writes. A refusal is a problem document (RFC 9457) with a stable code. An order's key is (account, trade \
date, client_order_id): sending it again is harmless and returns the first outcome.";

fn schemas(list: &Schemas) -> BTreeMap<String, Value> {
    let mut named = BTreeMap::new();
    for (name, schema) in list {
        let schema = serde_json::to_value(schema).expect("a schema is plain data");
        let known = named.entry(name.clone()).or_insert_with(|| schema.clone());
        assert!(*known == schema, "two schemas are called {name}");
    }
    named
}

fn security_schemes() -> Value {
    json!({
        "bearer": { "type": "http", "scheme": "bearer", "description": "The token of a sign-in or of client credentials." },
        "session": { "type": "apiKey", "in": "cookie", "name": "heng_session",
            "description": "What the console uses, __Host-heng_session under TLS; changes also need the header x-heng-console: 1." },
        "signature": { "type": "apiKey", "in": "header", "name": "x-heng-key",
            "description": "With x-heng-timestamp, x-heng-nonce and x-heng-signature: a signed request." },
    })
}

fn problem_schema() -> Value {
    json!({
        "type": "object",
        "description": "A refusal or failure (RFC 9457). Some carry more members.",
        "required": ["type", "title", "title_zh", "status", "code_name", "code"],
        "properties": {
            "type": { "type": "string" }, "title": { "type": "string" }, "title_zh": { "type": "string" },
            "status": { "type": "integer" }, "code_name": { "type": "string" },
            "code": { "type": ["integer", "null"], "description": "Stable number; null for a failure." },
            "detail": { "type": "string" }, "instance": { "type": "string" },
            "errors": { "type": "array", "items": {
                "type": "object", "required": ["pointer", "detail"],
                "properties": { "pointer": { "type": "string" }, "detail": { "type": "string" } },
            } },
        },
    })
}

#[cfg(test)]
mod tests;
