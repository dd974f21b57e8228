//! Before a handler runs: who calls, how often, and may they.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use axum::body::{Body as HttpBody, Bytes};
use axum::extract::{ConnectInfo, FromRequest as _, FromRequestParts, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use governor::clock::{Clock as _, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use heng_model::AccountId;
use heng_ports::{
    AuthFailure, Credentials, Decision, Gatekeeper, PersonalValue, Principal, Resource, Signed, StepUpAsk,
    StepUpFailure, Turned, TurnedAway,
};
use tokio::runtime::Handle;

use super::bounds::Declared;
use super::cookie::SessionCookie;
use super::extract::wrong;
use super::operation::{Access, Operation, STEP_UP_HEADER, StepUp};
use super::shares::{Share, Shares};
use super::standing::Standing;
use crate::listener::Peer;
use crate::problem::{Problem, Reason};

/// Keys of a limiter are swept when it holds more than this.
const KEYS_MAX: usize = 100_000;

/// Requests of one principal that run at once at most.
const SHARE_USUAL: usize = 256;

/// How often one caller may call, how much of it may run at once, and where what is heavy runs.
pub struct RateLimits {
    principals: DefaultKeyedRateLimiter<u64>,
    strangers: DefaultKeyedRateLimiter<IpAddr>,
    clock: DefaultClock,
    shares: Arc<Shares>,
    heavy: Option<Handle>,
}

impl RateLimits {
    /// `principal_per_s` requests a second for one principal, `stranger_per_s` for one address without one; bursts of
    /// twice as many pass.
    #[must_use]
    pub fn new(principal_per_s: NonZeroU32, stranger_per_s: NonZeroU32) -> Self {
        let quota = |rate: NonZeroU32| {
            Quota::per_second(rate).allow_burst(rate.saturating_mul(NonZeroU32::MIN.saturating_add(1)))
        };
        Self {
            principals: RateLimiter::keyed(quota(principal_per_s)),
            strangers: RateLimiter::keyed(quota(stranger_per_s)),
            clock: DefaultClock::default(),
            shares: Arc::new(Shares::up_to(SHARE_USUAL, usize::MAX)),
            heavy: None,
        }
    }

    /// At most so many requests of one principal run at once, in place of the usual 256. It should stay below what the
    /// server runs at once, so that a principal whose requests wait for something does not keep all others out.
    #[must_use]
    pub fn share(mut self, running_max: usize) -> Self {
        self.shares = Arc::new(Shares::up_to(running_max, usize::MAX));
        self
    }

    /// Operations that are declared heavy run there, and not on the threads of the door.
    #[must_use]
    pub fn heavy_on(mut self, threads: Handle) -> Self {
        self.heavy = Some(threads);
        self
    }

    /// Where this operation runs, if not on the threads of the door.
    pub(super) fn place(&self, operation: &Operation) -> Option<Handle> {
        self.heavy.clone().filter(|_| operation.heavy)
    }

    fn principal(&self, id: u64) -> Result<(), Problem> {
        if self.principals.len() > KEYS_MAX {
            self.principals.retain_recent();
        }
        self.principals.check_key(&id).map_err(|until| too_many(until.wait_time_from(self.clock.now())))
    }

    fn stranger(&self, address: IpAddr) -> Result<(), Problem> {
        if self.strangers.len() > KEYS_MAX {
            self.strangers.retain_recent();
        }
        self.strangers.check_key(&address).map_err(|until| too_many(until.wait_time_from(self.clock.now())))
    }
}

fn too_many(wait: Duration) -> Problem {
    let seconds = u32::try_from(wait.as_secs()).unwrap_or(u32::MAX).saturating_add(1);
    Problem::new(StatusCode::TOO_MANY_REQUESTS, Reason::RATE_LIMITED, "this caller asks too often")
        .retry_after_s(seconds)
}

fn too_many_at_once() -> Problem {
    let detail = "as many requests of this caller as may run at once are running";
    Problem::new(StatusCode::TOO_MANY_REQUESTS, Reason::RATE_LIMITED, detail).retry_after_s(1)
}

/// What stands before one operation.
pub(super) struct Door {
    pub(super) gatekeeper: Arc<dyn Gatekeeper>,
    pub(super) limits: Arc<RateLimits>,
    pub(super) access: Access,
    /// Name of the operation.
    pub(super) operation: &'static str,
    /// Whether it takes a fresh proof.
    pub(super) step_up: Option<StepUp>,
    /// What the operation declares to be bounded.
    pub(super) declared: Arc<Declared>,
}

/// Who calls, as far as the door has found out. Take it as an argument of a handler.
#[derive(Clone)]
pub struct Caller {
    /// Who.
    pub principal: Arc<Principal>,
    action: &'static str,
    gatekeeper: Arc<dyn Gatekeeper>,
    shown: Arc<Shown>,
}

impl Caller {
    /// Whether the caller may do the operation's action to `account`.
    ///
    /// # Errors
    /// 403, if the policy says no.
    pub fn may_on(&self, account: AccountId) -> Result<(), Problem> {
        self.may(self.action, Resource::Account(account))
    }

    /// Whether the caller may do `action` to `resource`.
    ///
    /// # Errors
    /// 403, if the policy says no.
    pub fn may(&self, action: &'static str, resource: Resource) -> Result<(), Problem> {
        match self.gatekeeper.decide(&self.principal, action, resource) {
            Decision::Allow => Ok(()),
            Decision::Deny(why) => Err(Problem::new(StatusCode::FORBIDDEN, Reason::FORBIDDEN, why)),
        }
    }
}

impl Caller {
    /// A personal value of the principal `owner` as this caller may see it: plain for the person themself and for whom
    /// the policy lets see it, which is audited; its mask for all others.
    #[must_use]
    pub fn show(&self, owner: u64, value: &impl PersonalValue) -> String {
        if self.sees(owner) { value.expose_plain() } else { value.masked() }
    }

    /// Whether this caller sees plain personal values of the principal `owner`; 0 = of nobody in particular.
    #[must_use]
    pub fn sees(&self, owner: u64) -> bool {
        if owner == self.principal.id {
            return true;
        }
        let may = *self.shown.may.get_or_init(|| self.gatekeeper.sees_personal(&self.principal));
        if may {
            self.shown.persons.lock().unwrap_or_else(PoisonError::into_inner).insert(owner);
        }
        may
    }

    /// What a stream of this caller asks while it is open.
    #[must_use]
    pub fn standing(&self) -> Standing {
        Standing::new(Arc::clone(&self.gatekeeper), Arc::clone(&self.principal))
    }
}

/// Of whom an answer shows plain personal values.
#[derive(Default)]
struct Shown {
    may: OnceLock<bool>,
    persons: Mutex<BTreeSet<u64>>,
}

impl Shown {
    /// Tells the gatekeeper, once the handler has run.
    fn tell(&self, caller: &Caller, operation: &'static str) {
        let persons = std::mem::take(&mut *self.persons.lock().unwrap_or_else(PoisonError::into_inner));
        if !persons.is_empty() {
            let persons: Vec<u64> = persons.into_iter().collect();
            caller.gatekeeper.showed_personal(&caller.principal, operation, &persons);
        }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        parts.extensions.get::<Self>().cloned().ok_or_else(|| Problem::internal(&"a public operation asks who calls"))
    }
}

fn text(headers: &HeaderMap, name: &str) -> Option<String> {
    headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned)
}

fn refused(failure: &AuthFailure) -> Problem {
    let (status, detail) = match failure {
        AuthFailure::Missing => (StatusCode::UNAUTHORIZED, "sign in, or send a token, a key or a session"),
        AuthFailure::Invalid(detail) => (StatusCode::UNAUTHORIZED, *detail),
        AuthFailure::Ended => (StatusCode::UNAUTHORIZED, "the session, token or key has ended"),
        AuthFailure::Address => (StatusCode::FORBIDDEN, "the address is not on the key's list"),
        AuthFailure::Unavailable => {
            let detail = "who calls cannot be found out now, because the store of identities does not answer";
            return Problem::new(StatusCode::SERVICE_UNAVAILABLE, Reason::OVERLOADED, detail).retry_after_s(1);
        }
        AuthFailure::Slow(seconds) => return too_many(Duration::from_secs(u64::from(seconds.saturating_sub(1)))),
    };
    let reason = if status == StatusCode::FORBIDDEN { Reason::FORBIDDEN } else { Reason::UNAUTHENTICATED };
    Problem::new(status, reason, detail)
}

/// A page of another site can send the cookie, but not this header.
fn forged(method: &Method, headers: &HeaderMap, by_cookie_only: bool) -> bool {
    by_cookie_only && !method.is_safe() && !headers.contains_key("x-heng-console")
}

async fn identify(door: &Door, request: Request) -> Result<(Request, Bytes, Option<Arc<Principal>>), Problem> {
    let (parts, body) = request.into_parts();
    // The guard has read the whole body already.
    let bytes = Bytes::from_request(Request::new(body), &()).await;
    let bytes = bytes.map_err(|rejection| Problem::bad_request(format!("the body did not arrive: {rejection}")))?;
    let address = parts.extensions.get::<ConnectInfo<Peer>>().map(|info| info.0.0.ip());
    let headers = &parts.headers;
    let authorization = text(headers, "authorization");
    let session = SessionCookie::of(&parts.extensions).brought(headers);
    let [key, timestamp, nonce, signature] =
        ["x-heng-key", "x-heng-timestamp", "x-heng-nonce", "x-heng-signature"].map(|name| text(headers, name));
    let signed = match (&key, &timestamp, &nonce, &signature) {
        (Some(key), Some(timestamp), Some(nonce), Some(signature)) => Some(Signed { key, timestamp, nonce, signature }),
        (None, ..) => None,
        _ => return Err(refused(&AuthFailure::Invalid("a signed request needs key, timestamp, nonce and signature"))),
    };
    let by_cookie_only = authorization.is_none() && signed.is_none() && session.is_some();
    if door.access != Access::Public && forged(&parts.method, headers, by_cookie_only) {
        let detail = "a change with the session cookie needs the header x-heng-console: 1";
        return Err(Problem::new(StatusCode::FORBIDDEN, Reason::FORBIDDEN, detail));
    }
    let target = parts.uri.path_and_query().map_or("/", |target| target.as_str());
    let credentials = Credentials {
        method: parts.method.as_str(),
        target,
        authorization: authorization.as_deref(),
        session: session.as_deref(),
        signed,
        body: &bytes,
        address,
    };
    let found = door.gatekeeper.identify(credentials).await;
    let principal = match found {
        Ok(principal) => Some(principal),
        Err(_) if door.access == Access::Public => None,
        Err(failure) => {
            if let Some(address) = address {
                door.limits.stranger(address)?;
            }
            return Err(refused(&failure));
        }
    };
    Ok((Request::from_parts(parts, HttpBody::from(bytes.clone())), bytes, principal))
}

/// What a request says, apart from its body: a request cannot be looked at while something is awaited.
struct Said {
    method: Method,
    target: Uri,
    proof: Option<String>,
}

/// Whether the caller has proven, for exactly this request, that it is there and wants it.
async fn prove(door: &Door, principal: &Arc<Principal>, said: Said, body: &[u8]) -> Result<(), Problem> {
    let Some(step_up) = door.step_up else { return Ok(()) };
    let Said { method, target, proof } = said;
    let ask = StepUpAsk {
        operation: door.operation,
        enrols: step_up.enrols,
        method: method.as_str(),
        target: target.path_and_query().map_or("/", |target| target.as_str()),
        body,
        proof: proof.as_deref(),
    };
    door.gatekeeper.step_up(principal, ask).await.map_err(|failure| match failure {
        StepUpFailure::Needed(detail) => Problem::new(StatusCode::FORBIDDEN, Reason::STEP_UP_NEEDED, detail)
            .with("step_up", serde_json::json!({ "operation": door.operation, "begin": "/v1/step-up" })),
        StepUpFailure::Unavailable => refused(&AuthFailure::Unavailable),
    })
}

async fn admit(
    door: &Door,
    request: Request,
    who: &mut Option<Arc<Principal>>,
) -> Result<(Request, Option<Share>), Problem> {
    let (mut request, body, principal) = identify(door, request).await?;
    who.clone_from(&principal);
    let Some(principal) = principal else { return Ok((request, None)) };
    door.limits.principal(principal.id)?;
    let share = door.limits.shares.take(principal.id).ok_or_else(too_many_at_once)?;
    let action = if let Access::Needs(action) = door.access { action } else { "" };
    let (gatekeeper, shown) = (Arc::clone(&door.gatekeeper), Arc::default());
    let caller = Caller { principal, action, gatekeeper, shown };
    if !action.is_empty() {
        caller.may(action, Resource::Any)?;
    }
    let proof = text(request.headers(), STEP_UP_HEADER);
    let said = Said { method: request.method().clone(), target: request.uri().clone(), proof };
    prove(door, &caller.principal, said, &body).await?;
    request.extensions_mut().insert(caller);
    Ok((request, Some(share)))
}

/// Lets a request through to its handler, or refuses it.
pub(super) async fn check(State(door): State<Arc<Door>>, request: Request, next: Next) -> Response {
    let address = request.extensions().get::<ConnectInfo<Peer>>().map(|info| info.0.0.ip());
    let mut who = None;
    let response = match admit(&door, request, &mut who).await {
        Ok((mut request, _share)) => match door.declared.header_fault(request.headers()) {
            Some((name, detail)) => wrong(format!("header {name}"), detail, "headers").into_response(),
            None => {
                request.extensions_mut().insert(Arc::clone(&door.declared));
                let caller = request.extensions().get::<Caller>().cloned();
                let response = next.run(request).await;
                if let Some(caller) = caller {
                    caller.shown.tell(&caller, door.operation);
                }
                response
            }
        },
        Err(problem) => problem.into_response(),
    };
    let what = match response.status() {
        StatusCode::BAD_REQUEST => TurnedAway::Malformed,
        // What is public has rates of its own, and tells of them itself.
        StatusCode::TOO_MANY_REQUESTS if door.access != Access::Public => TurnedAway::Rate,
        _ => return response,
    };
    let turned = Turned { what, principal: who.as_deref(), address, at: door.operation, detail: "" };
    door.gatekeeper.turned_away(turned);
    response
}
