//! The doors: checkpoint, keys and tiles for everybody, proofs for whom they concern, deletion for two people.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use axum::{Json, Router};
use heng_model::AccountId;
use heng_ports::{Accounts, Gatekeeper, PrincipalKind};
use heng_security::evidence::{TilePath, VerifierKey, hex};
use heng_transport::{Api, Body, Caller, Operation, Params, PathText, Problem, RateLimits, Reason};
use serde_json::json;

use crate::api_protection;
use crate::bundle::EvidenceBundle;
use crate::destroy::{BASIS_ENDED, BASIS_TEST};
use crate::error::ComplianceError;
use crate::files::Which;
use crate::prove::Wanted;
use crate::retention::classes;
use crate::service::Compliance;
use crate::shapes::{
    CheckpointQuery, DestructionBasis, DestructionBody, DestructionList, DestructionShown, EvidenceKey, EvidenceKeys,
    EvidenceShown, ProofQuery, RetentionShown, WitnessShown,
};
use crate::store::{self, DestructionRow, KeyRow};

type Service = State<Arc<Compliance>>;
type Answer<T> = Result<Json<T>, Problem>;

/// Leaves of one answer, usual and most.
const LEAVES: (usize, usize) = (100, 1_000);
/// Leaves of an account that are looked at for an order.
const LOOKED_AT_MAX: usize = 5_000;
/// Tiles never change.
const FOREVER: &str = "public, max-age=31536000, immutable";
/// The checkpoint changes several times a second.
const SHORTLY: &str = "public, max-age=1";

/// The doors of the evidence log, but for its tiles.
#[must_use]
pub fn api(service: Arc<Compliance>, gatekeeper: Arc<dyn Gatekeeper>, limits: Arc<RateLimits>) -> Api {
    let mut api = Api::new(gatekeeper, limits).heavy();
    let of = |operation: Operation| operation.tag("evidence");
    let op = of(Operation::get("/v1/evidence/checkpoint", "showCheckpoint"))
        .summary("The newest checkpoint of the evidence log, a signed note. 存证日志最新检查点")
        .description(
            "C2SP tlog-checkpoint. Tiles are below /v1/evidence/tile/ and those of the SM3 tree below \
             /v1/evidence/sm3/tile/, at the paths of C2SP tlog-tiles. 瓦片路径遵循 C2SP tlog-tiles。",
        )
        .query::<CheckpointQuery>()
        .answers_as(200, "The checkpoint.", "text/plain; charset=utf-8");
    api.add(op.refuses(404, "There is none yet."), show_checkpoint);
    let op = of(Operation::get("/v1/evidence/keys", "listEvidenceKeys"))
        .summary("Public keys of the evidence log and its witnesses. 存证日志与见证人公钥");
    api.add(op.answers::<EvidenceKeys>(200, "The keys."), list_keys);
    let op = of(Operation::get("/v1/evidence", "showEvidence")).needs("system.read");
    let op = op.summary("How the evidence log is doing: size, roots, lag, witnesses. 存证日志状态");
    let op = op.answers::<EvidenceShown>(200, "The log.").refuses(404, "There is no checkpoint yet.");
    api.add(op, show_evidence);
    let op = of(Operation::get("/v1/evidence/proof", "proveRecords")).needs("evidence.read");
    let op = op.summary("Records with their salts and proofs, by account, order or command. 记录及其包含证明");
    let op = op.description("A client proves the records of their own accounts; staff those of all, and the house's.");
    let op = op.query::<ProofQuery>().answers::<EvidenceBundle>(200, "The proofs.");
    api.add(op.refuses(404, "There is no checkpoint yet, or no such order."), prove);
    destructions(&mut api);
    api_protection::add(&mut api);
    api.grade(crate::grades::grade);
    api.with_state(service)
}

fn destructions(api: &mut Api<Arc<Compliance>>) {
    let of = |operation: Operation| operation.tag("evidence").needs("evidence.destroy");
    let op = of(Operation::post("/v1/evidence/destructions", "requestDestruction"))
        .summary("Asks for the lawful deletion of a client's records from the evidence log. 申请依法删除")
        .description(
            "It takes effect when another person approves it: the client's keys are destroyed, the tree stays valid. \
             The same request again, before it is approved, is the same. 须由另一人批准；批准后销毁该客户密钥，日志树仍然有效。",
        )
        .body::<DestructionBody>(
            json!({ "account_id": "17", "through_year": 2025, "basis": "retention-ended" }),
        )
        .answers::<DestructionShown>(201, "It waits for approval.")
        .answers::<DestructionShown>(200, "It waits already.");
    api.add(op.refuses(409, "The law asks for the records to be kept longer."), request_destruction);
    let op = of(Operation::get("/v1/evidence/destructions", "listDestructions"));
    let op = op.summary("Lawful deletions, asked for and done. 依法删除记录");
    api.add(op.answers::<DestructionList>(200, "The deletions."), list_destructions);
    let op = of(Operation::post("/v1/evidence/destructions/{id}/approval", "approveDestruction"))
        .summary("Approves a lawful deletion that somebody else asked for, and does it. 批准并执行删除")
        .path_id("id", "Its number.")
        .answers::<DestructionShown>(200, "It is done.")
        .refuses(404, "There is no such request.");
    api.add(op.refuses(409, "You asked for it yourself, or the law forbids it."), approve_destruction);
}

/// The tiles, for everybody, at the paths of C2SP tlog-tiles.
pub fn tiles(service: Arc<Compliance>) -> Router {
    Router::new()
        .route("/v1/evidence/tile/{*path}", get(show_tile))
        .route("/v1/evidence/sm3/tile/{*path}", get(show_sm3_tile))
        .with_state(service)
}

async fn show_tile(State(service): Service, Path(path): Path<String>) -> Result<Response, Problem> {
    tile(service, path, Which::Sha256).await
}

async fn show_sm3_tile(State(service): Service, Path(path): Path<String>) -> Result<Response, Problem> {
    tile(service, path, Which::Sm3).await
}

async fn tile(service: Arc<Compliance>, path: String, which: Which) -> Result<Response, Problem> {
    let path: TilePath = path
        .parse()
        .map_err(|error: heng_security::evidence::EvidenceError| Problem::bad_request(error.to_string()))?;
    let published = service.checkpoint(false)?;
    let read = tokio::task::spawn_blocking(move || published.tree.tile(which, path)).await;
    let found = read.map_err(|failure| Problem::internal(&failure))??;
    let missing = || Problem::new(StatusCode::NOT_FOUND, Reason::NOT_FOUND, "the tree has no such tile");
    let bytes = found.ok_or_else(missing)?;
    let headers = [(header::CONTENT_TYPE, "application/octet-stream"), (header::CACHE_CONTROL, FOREVER)];
    Ok((headers, bytes).into_response())
}

async fn show_checkpoint(State(service): Service, Params(query): Params<CheckpointQuery>) -> Result<Response, Problem> {
    let published = service.checkpoint(query.witnessed.unwrap_or(false))?;
    let headers = [(header::CONTENT_TYPE, "text/plain; charset=utf-8"), (header::CACHE_CONTROL, SHORTLY)];
    Ok((headers, published.note.to_string()).into_response())
}

fn key_shown(verifier: &VerifierKey, created_at: i64, retired_at: Option<i64>) -> EvidenceKey {
    EvidenceKey {
        verifier: verifier.to_string(),
        algorithm: verifier.algorithm().name().to_owned(),
        created_at,
        retired_at,
    }
}

async fn list_keys(State(service): Service) -> Json<EvidenceKeys> {
    let shown = |retired: bool| {
        let wanted = service.known.iter().filter(|key| key.retired_at.is_some() == retired);
        wanted
            .map(|KeyRow { verifier, created_at, retired_at }| key_shown(verifier, *created_at, *retired_at))
            .collect()
    };
    let witnesses = service.witness_keys().iter().map(|key| key_shown(key, 0, None)).collect();
    Json(EvidenceKeys { origin: service.origin().to_owned(), keys: shown(false), retired: shown(true), witnesses })
}

fn retention() -> Vec<RetentionShown> {
    let shown = |class: crate::retention::Class| {
        let (from, to) = class.span();
        RetentionShown {
            from: from.to_string(),
            to: to.map(|to| to.to_string()),
            class: class.name,
            english: class.english,
            chinese: class.chinese,
            years: class.years,
            source: class.source,
        }
    };
    classes().into_iter().map(shown).collect()
}

async fn show_evidence(State(service): Service) -> Answer<EvidenceShown> {
    let (published, status) = (service.checkpoint(false)?, service.status());
    let (well, detail) = status.told();
    let witness = |state: crate::status::WitnessState| WitnessShown {
        name: state.name,
        size: state.size,
        at: state.at,
        trouble: state.trouble,
    };
    Ok(Json(EvidenceShown {
        origin: service.origin().to_owned(),
        well,
        detail,
        size: published.tree.size(),
        root: hex(&published.tree.root),
        sm3_root: hex(&published.tree.sm3_root),
        checkpoint: published.note.to_string(),
        as_of_sequence: status.covered(),
        lag_ms: u64::try_from(status.lag().as_millis()).unwrap_or(u64::MAX),
        witnesses: status.witnesses().into_iter().map(witness).collect(),
        retention: retention(),
    }))
}

pub(crate) fn number(pointer: &'static str, text: &str) -> Result<u64, ComplianceError> {
    let plain = text.len() <= 18 && !text.starts_with('0') && text.bytes().all(|byte| byte.is_ascii_digit());
    let number = if plain { text.parse().ok() } else { None };
    number.ok_or_else(|| ComplianceError::field(pointer, "must be an id: digits without a leading zero"))
}

async fn prove(State(service): Service, caller: Caller, Params(query): Params<ProofQuery>) -> Answer<EvidenceBundle> {
    let account = query.account.as_deref().map(|text| number("?account", text)).transpose()?;
    let order = query.order.as_deref().map(|text| number("?order", text)).transpose()?;
    match account {
        Some(account) => caller.may_on(AccountId(account))?,
        None if caller.principal.kind == PrincipalKind::Staff && caller.principal.accounts == Accounts::All => {}
        None => return Err(ComplianceError::field("?account", "is missing: name an account of yours").into()),
    }
    let limit = query.limit.unwrap_or(LEAVES.0);
    if !(1..=LEAVES.1).contains(&limit) {
        return Err(ComplianceError::field("?limit", format!("must be from 1 to {}", LEAVES.1)).into());
    }
    let (from, to) = (query.from.unwrap_or(1), query.to.unwrap_or(u64::MAX));
    let wanted = Wanted { client: account, order, from, to, limit, looked_at: LOOKED_AT_MAX, since: query.since };
    Ok(Json(service.prove(wanted, query.witnessed.unwrap_or(false)).await?))
}

fn shown(row: &DestructionRow) -> DestructionShown {
    let approved = row.approved_by != 0;
    DestructionShown {
        id: row.number.to_string(),
        account_id: row.client.to_string(),
        through_year: row.through,
        basis: row.basis.clone(),
        state: if approved { "done" } else { "requested" }.to_owned(),
        requested_by: row.requested_by.to_string(),
        requested_at: row.requested_at,
        approved_by: approved.then(|| row.approved_by.to_string()),
        approved_at: approved.then_some(row.approved_at),
        keys_destroyed: row.keys,
    }
}

async fn request_destruction(
    State(service): Service,
    caller: Caller,
    Body(body): Body<DestructionBody>,
) -> Result<(StatusCode, Json<DestructionShown>), Problem> {
    let client = number("/account_id", &body.account_id)?;
    let basis = match body.basis {
        DestructionBasis::RetentionEnded => BASIS_ENDED,
        DestructionBasis::TestAccount => BASIS_TEST,
    };
    let (row, new) = service.request_destruction(caller.principal.id, client, body.through_year, basis).await?;
    Ok((if new { StatusCode::CREATED } else { StatusCode::OK }, Json(shown(&row))))
}

async fn list_destructions(State(service): Service, _: Caller) -> Answer<DestructionList> {
    let mut reading = service.store.read().await.map_err(ComplianceError::from)?;
    let rows = store::destructions(&mut reading).await?;
    Ok(Json(DestructionList { destructions: rows.iter().map(shown).collect() }))
}

async fn approve_destruction(
    State(service): Service,
    caller: Caller,
    PathText(id): PathText,
) -> Answer<DestructionShown> {
    let row = service.approve_destruction(caller.principal.id, number("/id", &id)?).await?;
    Ok(Json(shown(&row)))
}
