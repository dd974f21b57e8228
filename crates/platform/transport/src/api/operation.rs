//! One operation of the HTTP API, as it is declared: where it is, who may call it, what it takes and answers.

use axum::http::Method;
use serde_json::{Map, Value, json};
use utoipa::openapi::path::ParameterIn;
use utoipa::openapi::{RefOr, Schema};
use utoipa::{IntoParams, ToSchema};

/// Who may call an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    /// Everybody.
    Public,
    /// Whoever is signed in.
    SignedIn,
    /// Whoever the policy lets do this action.
    Needs(&'static str),
}

/// What an operation does, in the words that its caller confirms with a fresh proof.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct StepUp {
    pub(crate) english: &'static str,
    pub(crate) chinese: &'static str,
    /// Whoever has no second factor passes without: the operation enrols one and asks for the password itself.
    pub(crate) enrols: bool,
}

/// An operation that takes a fresh proof, for whoever gives them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SteppedUp {
    /// Its name.
    pub operation: &'static str,
    /// Its HTTP method.
    pub method: String,
    /// Its path, with parameters in braces.
    pub path: &'static str,
    /// What it does, in English.
    pub english: &'static str,
    /// What it does, in Chinese.
    pub chinese: &'static str,
    /// Whoever has no second factor passes without.
    pub enrols: bool,
}

/// How grave the loss of a field's value would be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FieldGrade {
    /// The standard.
    pub standard: &'static str,
    /// Its level.
    pub level: u8,
    /// Whether it stands as a mask for callers who may not see it.
    pub masked: bool,
}

/// Tells the grade of a property from the names of its schema and its own.
pub type Grader = fn(schema: &str, property: &str) -> Option<FieldGrade>;

/// The header that carries the proof.
pub(crate) const STEP_UP_HEADER: &str = "step-up";

/// Schemas by name, as they stand in the document's components.
pub(crate) type Schemas = Vec<(String, RefOr<Schema>)>;

/// The declaration of one operation.
#[must_use]
pub struct Operation {
    pub(crate) method: Method,
    pub(crate) path: &'static str,
    pub(crate) id: &'static str,
    pub(crate) access: Access,
    pub(crate) step_up: Option<StepUp>,
    pub(crate) heavy: bool,
    tag: &'static str,
    summary: &'static str,
    description: String,
    parameters: Vec<Value>,
    body: Option<Value>,
    answers: Map<String, Value>,
    pub(crate) schemas: Schemas,
    pub(crate) grader: Option<Grader>,
}

/// The statuses that every operation may answer besides its own, with what they mean.
const COMMON: [(&str, &str); 4] = [
    ("408", "The request did not arrive in time."),
    ("429", "Too many requests; try again after the seconds in retry-after."),
    ("500", "The server failed; the failure is logged under the request's id."),
    ("503", "No answer was ready in time, or what the answer needs is not there; a change may have happened."),
];

/// What a name refers to in the components.
fn reference<T: ToSchema>() -> Value {
    json!({ "$ref": format!("#/components/schemas/{}", T::name()) })
}

fn collect<T: ToSchema>(schemas: &mut Schemas) {
    schemas.push((T::name().into_owned(), T::schema()));
    T::schemas(schemas);
}

fn problem(description: &str) -> Value {
    let content = json!({ "application/problem+json": { "schema": { "$ref": "#/components/schemas/Problem" } } });
    json!({ "description": description, "content": content })
}

impl Operation {
    fn new(method: Method, path: &'static str, id: &'static str) -> Self {
        Self {
            method,
            path,
            id,
            access: Access::Public,
            step_up: None,
            heavy: false,
            tag: "system",
            summary: "",
            description: String::new(),
            parameters: Vec::new(),
            body: None,
            answers: Map::new(),
            schemas: Schemas::new(),
            grader: None,
        }
    }

    /// A read at `path`; `id` is its name in clients, in camel case.
    pub fn get(path: &'static str, id: &'static str) -> Self {
        Self::new(Method::GET, path, id)
    }

    /// A change at `path`.
    pub fn post(path: &'static str, id: &'static str) -> Self {
        Self::new(Method::POST, path, id)
    }

    /// A removal at `path`.
    pub fn delete(path: &'static str, id: &'static str) -> Self {
        Self::new(Method::DELETE, path, id)
    }

    /// The group that it stands in.
    pub fn tag(mut self, tag: &'static str) -> Self {
        self.tag = tag;
        self
    }

    /// What it does, in one sentence.
    pub fn summary(mut self, summary: &'static str) -> Self {
        self.summary = summary;
        self
    }

    /// What else a caller must know.
    pub fn description(mut self, description: impl Into<String>) -> Self {
        self.description = description.into();
        self
    }

    /// It reads much, or waits for others long: it runs behind the operations that are not heavy.
    pub fn heavy(mut self) -> Self {
        self.heavy = true;
        self
    }

    /// Only for those who may do `action`.
    pub fn needs(mut self, action: &'static str) -> Self {
        self.access = Access::Needs(action);
        self
    }

    /// Only for those who are signed in, whoever they are.
    pub fn signed_in(mut self) -> Self {
        self.access = Access::SignedIn;
        self
    }

    /// Only with a fresh proof for exactly this request (`POST /v1/step-up`), which the gatekeeper checks before the
    /// handler runs; the words say what is done, as the caller reads and signs it.
    pub fn needs_step_up(mut self, english: &'static str, chinese: &'static str) -> Self {
        self.step_up = Some(StepUp { english, chinese, enrols: false });
        let schema = json!({ "type": "string", "pattern": "^hsu_[A-Za-z0-9_-]{43}$" });
        let told = "The proof from POST /v1/step-up/{id} for exactly this request. People who signed in need it; signed \
            requests and partners' tokens do not.";
        self.header(STEP_UP_HEADER, told, schema)
    }

    /// As [`Operation::needs_step_up`], but whoever has no second factor yet passes: the operation enrols one and asks
    /// for the password itself.
    pub fn needs_step_up_if_enrolled(self, english: &'static str, chinese: &'static str) -> Self {
        let mut operation = self.needs_step_up(english, chinese);
        operation.step_up = Some(StepUp { english, chinese, enrols: true });
        operation
    }

    /// What [`needs_step_up`](Self::needs_step_up) declared.
    pub(crate) fn stepped_up(&self) -> Option<SteppedUp> {
        let StepUp { english, chinese, enrols } = self.step_up?;
        let method = self.method.as_str().to_owned();
        Some(SteppedUp { operation: self.id, method, path: self.path, english, chinese, enrols })
    }

    /// Whether a schema of this name is one of its.
    pub(crate) fn has(&self, schema: &str) -> bool {
        self.schemas.iter().any(|(name, _)| name == schema)
    }

    /// A parameter in the path that is a text of 1 to 64 printable ASCII characters, which is what our names are made of.
    pub fn path(self, name: &'static str, description: &'static str) -> Self {
        self.path_as(name, description, json!({ "type": "string", "pattern": "^[ -~]{1,64}$" }))
    }

    /// A parameter in the path that is an id: 1 to 18 digits without a leading zero.
    pub fn path_id(self, name: &'static str, description: &'static str) -> Self {
        self.path_as(name, description, json!({ "type": "string", "pattern": "^[1-9][0-9]{0,17}$" }))
    }

    /// A parameter in the path with a JSON Schema of its own.
    pub fn path_as(mut self, name: &'static str, description: &'static str, schema: Value) -> Self {
        let mut parameter = json!({ "name": name, "in": "path", "required": true, "description": description });
        parameter["schema"] = schema;
        self.parameters.push(parameter);
        self
    }

    /// The parameters of the query; [`Params`](super::Params) keeps the bounds that they declare.
    pub fn query<T: IntoParams>(mut self) -> Self {
        for parameter in T::into_params(|| Some(ParameterIn::Query)) {
            self.parameters.push(serde_json::to_value(parameter).expect("a parameter is plain data"));
        }
        self
    }

    /// A header that a caller may send.
    pub fn header(mut self, name: &'static str, description: &'static str, schema: Value) -> Self {
        let mut parameter = json!({ "name": name, "in": "header", "required": false, "description": description });
        parameter["schema"] = schema;
        self.parameters.push(parameter);
        self
    }

    /// A JSON body; [`Body`](super::Body) keeps the bounds that its schema declares.
    pub fn body<T: ToSchema>(self, example: Value) -> Self {
        self.body_as::<T>("application/json", example)
    }

    /// A body of another media type.
    pub fn body_as<T: ToSchema>(mut self, media: &'static str, example: Value) -> Self {
        let mut content = json!({ "schema": reference::<T>() });
        if !example.is_null() {
            content["example"] = example;
        }
        self.body = Some(json!({ "required": true, "content": { media: content } }));
        collect::<T>(&mut self.schemas);
        self
    }

    /// A JSON answer.
    pub fn answers<T: ToSchema>(mut self, status: u16, description: &'static str) -> Self {
        let content = json!({ "application/json": { "schema": reference::<T>() } });
        self.answers.insert(status.to_string(), json!({ "description": description, "content": content }));
        collect::<T>(&mut self.schemas);
        self
    }

    /// An answer of another media type, or without a body if `media` is empty.
    pub fn answers_as(mut self, status: u16, description: &'static str, media: &'static str) -> Self {
        let mut answer = json!({ "description": description });
        if !media.is_empty() {
            answer["content"] = json!({ media: { "schema": { "type": "string" } } });
        }
        self.answers.insert(status.to_string(), answer);
        self
    }

    /// A stream of server-sent events whose data are of these types.
    pub fn streams<T: ToSchema>(mut self, description: &'static str) -> Self {
        // An event has its fields as text; what its data are is told beside them.
        let text = json!({ "type": "string" });
        let data =
            json!({ "type": "string", "contentMediaType": "application/json", "contentSchema": reference::<T>() });
        let event = json!({ "type": "object", "properties": { "id": text, "event": text, "data": data } });
        let content = json!({ "text/event-stream": { "schema": event, "x-event-schema": reference::<T>() } });
        self.answers.insert("200".into(), json!({ "description": description, "content": content }));
        collect::<T>(&mut self.schemas);
        self
    }

    /// A refusal of its own.
    pub fn refuses(mut self, status: u16, description: &'static str) -> Self {
        self.answers.insert(status.to_string(), problem(description));
        self
    }

    fn usual_refusals(&self) -> Vec<(&'static str, &'static str)> {
        let mut usual = COMMON.to_vec();
        usual.push(("400", "The request cannot be read; errors[] points at each field that is wrong."));
        if self.body.is_some() {
            usual.push(("413", "The body is larger than this door takes."));
            usual.push(("415", "The body is not of the media type that is asked for."));
        }
        if self.access != Access::Public {
            usual.push(("401", "Nobody is signed in, or the proof is not good."));
        }
        if matches!(self.access, Access::Needs(_)) {
            usual.push(("403", "The policy does not let this caller do that."));
        }
        if self.step_up.is_some() {
            // The first of a status counts.
            usual.retain(|(status, _)| *status != "403");
            usual.push((
                "403",
                "The caller may not do that, or the header step-up is missing (code_name StepUpNeeded).",
            ));
        }
        usual
    }

    /// The operation object of OpenAPI 3.1.
    pub(crate) fn document(&self) -> Value {
        let mut answers = self.answers.clone();
        for (status, description) in self.usual_refusals() {
            answers.entry(status).or_insert_with(|| problem(description));
        }
        answers.sort_keys();
        let mut object = json!({
            "operationId": self.id, "tags": [self.tag], "summary": self.summary, "responses": answers,
        });
        if !self.description.is_empty() {
            object["description"] = json!(self.description);
        }
        if !self.parameters.is_empty() {
            object["parameters"] = json!(self.parameters);
        }
        if let Some(body) = &self.body {
            object["requestBody"] = body.clone();
        }
        if let Some(StepUp { english, chinese, .. }) = self.step_up {
            object["x-heng-step-up"] = json!({ "en": english, "zh": chinese });
        }
        match self.access {
            Access::Public => object["security"] = json!([]),
            Access::SignedIn => {}
            Access::Needs(action) => object["x-heng-action"] = json!(action),
        }
        object
    }
}
