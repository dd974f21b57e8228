//! The doors of data protection: legal holds, exports, and the proof of an action of the trail.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use heng_model::{AccountId, UnixNanos};
use heng_ports::{ExportAsk, PrincipalKind, Resource};
use heng_transport::{Api, Body, Caller, Operation, Params, PathText, Problem, instants_of};
use serde_json::json;

use crate::api::number;
use crate::bundle::EvidenceBundle;
use crate::error::ComplianceError;
use crate::exports::{self, ExportFilter, ExportRow, NewExport, TEXT_MAX};
use crate::holds::{self, HoldFilter, NewHold};
use crate::service::Compliance;
use crate::shapes_protection::{
    Export, ExportBody, ExportDecision, ExportDecisionBody, ExportFilterShown, ExportQuery, Exports, LegalHold,
    LegalHoldBody, LegalHoldQuery, LegalHoldRelease, LegalHoldState, LegalHolds, WatermarkAnswer, WatermarkBody,
    WatermarkFound,
};

type Service = State<Arc<Compliance>>;
type Answer<T> = Result<Json<T>, Problem>;
type Routes = Api<Arc<Compliance>>;

/// Rows of a list unless told otherwise.
const PAGE: u32 = 50;

pub(crate) fn add(api: &mut Routes) {
    let op = Operation::get("/v1/audit/{number}/proof", "proveAction").tag("audit").needs("audit.read");
    let op = op.summary("The proof that an action of the audit trail stands in the evidence log. 审计记录的存证证明");
    let op = op.description("What heng evidence verify reads.").path_id("number", "Number of the action.");
    let op = op.answers::<EvidenceBundle>(200, "The proof.");
    api.add(op.refuses(404, "There is no such action, or it is under no checkpoint yet."), prove_action);
    holds_operations(api);
    exports_operations(api);
}

fn holds_operations(api: &mut Routes) {
    let op = Operation::post("/v1/legal-holds", "placeLegalHold").tag("protection").needs("hold.write");
    let op = op.summary("Puts an account on legal hold: nothing of it is deleted until it is released. 法律保全");
    let op = op.description("The same once more, while it counts, is the same. 同一保全重复提交视为同一条。");
    let example = json!({ "account_id": "17", "reason": "investigation", "authority": "CSRC 2026-118" });
    let op = op.body::<LegalHoldBody>(example).answers::<LegalHold>(201, "It is on hold.");
    api.add(op.answers::<LegalHold>(200, "It was on hold for this already."), place_hold);

    let op = Operation::get("/v1/legal-holds", "listLegalHolds").tag("protection").needs("audit.read");
    let op = op.summary("Legal holds, newest first. 法律保全列表").query::<LegalHoldQuery>();
    api.add(op.answers::<LegalHolds>(200, "The holds."), list_holds);

    let op = Operation::post("/v1/legal-holds/{id}/release", "releaseLegalHold").tag("protection").needs("hold.write");
    let op = op.needs_step_up("Release a legal hold", "解除法律保全");
    let op = op.summary("Releases a hold that somebody else put on. 解除法律保全").path_id("id", "Its number.");
    let op = op.body::<LegalHoldRelease>(json!({ "reason": "case closed" }));
    let op = op.answers::<LegalHold>(200, "It is released.").refuses(404, "There is no such hold.");
    api.add(op.refuses(409, "You put it on yourself, or it was released before."), release_hold);
}

fn exports_operations(api: &mut Routes) {
    let of = |op: Operation| op.tag("protection").needs("export.request");
    let op = of(Operation::post("/v1/exports", "requestExport"));
    let op = op.summary("Asks for data as a file; another person decides. 申请导出数据").description(
        "It takes the right to read that kind. Without masks it also takes personal.read, and the approval of a risk \
         officer or an auditor. 未脱敏导出须风控或审计人员审批。",
    );
    let op = op.body::<ExportBody>(json!({ "kind": "audit", "filter": { "from": "2026-07-01", "to": "2026-07-31" },
        "reason": "yearly audit", "masked": true }));
    let op = op.answers::<Export>(201, "It waits for a decision.");
    api.add(op.refuses(409, "Too many of your exports wait."), request_export);

    let op = of(Operation::get("/v1/exports", "listExports")).query::<ExportQuery>();
    let op = op.summary("Own exports, newest first; whoever decides on exports sees all. 导出列表");
    api.add(op.answers::<Exports>(200, "The exports."), list_exports);

    let op = of(Operation::get("/v1/exports/{id}", "showExport")).path_id("id", "Its number.");
    let op = op.summary("An export, with its progress. 导出详情").answers::<Export>(200, "The export.");
    api.add(op.refuses(404, "There is no such export of yours."), show_export);

    let op = Operation::post("/v1/exports/{id}/decision", "decideExport").tag("protection").needs("export.decide");
    let op = op.needs_step_up("Decide on an export of data", "审批数据导出").path_id("id", "Its number.");
    let op = op.summary("Approves or refuses an export that somebody else asked for. 审批数据导出");
    let op = op.body::<ExportDecisionBody>(json!({ "decision": "approve" })).answers::<Export>(200, "It is decided.");
    let op = op.refuses(404, "There is no such export.");
    api.add(op.refuses(409, "It is your own, or it was decided before."), decide_export);

    let op = of(Operation::get("/v1/exports/{id}/file", "downloadExport")).path_id("id", "Its number.");
    let op = op.summary("The file, for whoever asked for it, for seven days. 下载导出文件");
    let op = op.answers_as(200, "CSV in UTF-8.", "text/csv; charset=utf-8").refuses(404, "There is no such export.");
    let op = op.refuses(409, "There is no file of it (yet).");
    api.add(op.refuses(410, "Its seven days are over."), download);

    let op = Operation::post("/v1/exports/watermark", "findWatermark").tag("protection").needs("audit.read");
    let op = op.summary("From which export a file that was found elsewhere came. 数据泄露溯源");
    let op = op.description(
        "A piece of some forty lines is enough. It outlives that head, foot, lines and columns are taken away, that lines \
         are turned round, and that the file is saved again with instants as text.",
    );
    let op = op.body::<WatermarkBody>(json!({ "text": "1,2026-07-06 09:15:00.123+08:00,\"3\"" }));
    api.add(op.answers::<WatermarkAnswer>(200, "What was found."), find_watermark);
}

async fn prove_action(State(service): Service, PathText(text): PathText) -> Answer<EvidenceBundle> {
    Ok(Json(service.prove_action(number("/number", &text)?).await?))
}

async fn place_hold(
    State(service): Service,
    caller: Caller,
    Body(body): Body<LegalHoldBody>,
) -> Result<(StatusCode, Json<LegalHold>), Problem> {
    let account = number("/account_id", &body.account_id)?;
    let new = NewHold { account, reason: body.reason, authority: body.authority };
    let (row, new) = service.place_hold(&caller.principal, new).await?;
    let status = if new { StatusCode::CREATED } else { StatusCode::OK };
    Ok((status, Json(LegalHold::of(&row, &caller))))
}

async fn list_holds(
    State(service): Service,
    caller: Caller,
    Params(query): Params<LegalHoldQuery>,
) -> Answer<LegalHolds> {
    let account = query.account.as_deref().map(|text| number("?account", text)).transpose()?;
    let (held, limit) = (query.state.map(|state| state == LegalHoldState::Held), query.limit.unwrap_or(PAGE));
    let filter = HoldFilter { account, held, before: query.before.unwrap_or(i64::MAX.cast_unsigned()), limit };
    let mut reading = service.store.read().await.map_err(ComplianceError::from)?;
    let rows = holds::list(&mut reading, filter).await?;
    let next_before = rows.last().filter(|_| rows.len() == limit as usize).map(|row| row.number);
    Ok(Json(LegalHolds { holds: rows.iter().map(|row| LegalHold::of(row, &caller)).collect(), next_before }))
}

async fn release_hold(
    State(service): Service,
    caller: Caller,
    PathText(id): PathText,
    Body(body): Body<LegalHoldRelease>,
) -> Answer<LegalHold> {
    let row = service.release_hold(&caller.principal, number("/id", &id)?, body.reason).await?;
    Ok(Json(LegalHold::of(&row, &caller)))
}

/// First and last nanosecond of a field.
fn span(pointer: &'static str, text: Option<&String>) -> Result<Option<(UnixNanos, UnixNanos)>, ComplianceError> {
    let wrong = || ComplianceError::field(pointer, "must be a day (2026-07-06) or a second (2026-07-06T09:30:00)");
    text.map(|text| instants_of(text).ok_or_else(wrong)).transpose()
}

fn export_ask(kind: String, filter: &ExportFilterShown, masked: bool) -> Result<ExportAsk, ComplianceError> {
    let (from, to) = (span("/filter/from", filter.from.as_ref())?, span("/filter/to", filter.to.as_ref())?);
    let id = |pointer, text: Option<&String>| text.map(|text| number(pointer, text)).transpose();
    Ok(ExportAsk {
        kind,
        from: from.map(|(first, _)| first.0),
        to: to.map(|(_, last)| last.0),
        account: id("/filter/account", filter.account.as_ref())?.map(AccountId),
        principal: id("/filter/principal", filter.principal.as_ref())?,
        action: filter.action.clone(),
        masked,
    })
}

/// Whether the caller may read what an export holds, as it holds it.
fn may_have(service: &Compliance, caller: &Caller, ask: &ExportAsk) -> Result<(), Problem> {
    if caller.principal.kind != PrincipalKind::Staff {
        return Err(ComplianceError::Forbidden("exports are for staff").into());
    }
    let resource = ask.account.map_or(Resource::Any, Resource::Account);
    caller.may(service.export_kind(&ask.kind)?.action, resource)?;
    if ask.masked { Ok(()) } else { caller.may("personal.read", Resource::Any) }
}

async fn request_export(
    State(service): Service,
    caller: Caller,
    Body(body): Body<ExportBody>,
) -> Result<(StatusCode, Json<Export>), Problem> {
    let ask = export_ask(body.kind, &body.filter, body.masked)?;
    may_have(&service, &caller, &ask)?;
    let new = NewExport { ask, reason: body.reason, bom: body.bom };
    let row = service.request_export(&caller.principal, new).await?;
    Ok((StatusCode::CREATED, Json(Export::of(&row, None, &caller))))
}

fn decides(caller: &Caller) -> bool {
    caller.may("export.decide", Resource::Any).is_ok()
}

fn shown(service: &Compliance, row: &ExportRow, caller: &Caller) -> Export {
    Export::of(row, service.exports.progress(row.number), caller)
}

async fn list_exports(State(service): Service, caller: Caller, Params(query): Params<ExportQuery>) -> Answer<Exports> {
    let limit = query.limit.unwrap_or(PAGE);
    let by = (!decides(&caller)).then_some(caller.principal.id);
    let state = query.state.map(crate::shapes_protection::ExportState::state);
    let filter = ExportFilter { by, state, made: false, before: query.before, limit };
    let mut reading = service.store.read().await.map_err(ComplianceError::from)?;
    let rows = exports::list(&mut reading, &filter).await?;
    let next_before = rows.last().filter(|_| rows.len() == limit as usize).map(|row| row.number);
    Ok(Json(Exports { exports: rows.iter().map(|row| shown(&service, row, &caller)).collect(), next_before }))
}

async fn show_export(State(service): Service, caller: Caller, PathText(id): PathText) -> Answer<Export> {
    let row = service.export(number("/id", &id)?).await?;
    if row.requested_by != caller.principal.id && !decides(&caller) {
        return Err(ComplianceError::Absent("such export").into());
    }
    Ok(Json(shown(&service, &row, &caller)))
}

async fn decide_export(
    State(service): Service,
    caller: Caller,
    PathText(id): PathText,
    Body(body): Body<ExportDecisionBody>,
) -> Answer<Export> {
    let (id, approve) = (number("/id", &id)?, body.decision == ExportDecision::Approve);
    if approve && !service.export(id).await?.masked {
        caller.may("export.reveal", Resource::Any)?;
    }
    let row = service.decide_export(&caller.principal, id, approve).await?;
    Ok(Json(shown(&service, &row, &caller)))
}

async fn download(State(service): Service, caller: Caller, PathText(id): PathText) -> Result<Response, Problem> {
    let id = number("/id", &id)?;
    let row = service.export(id).await?;
    if row.requested_by == caller.principal.id {
        // The right to read may have been taken away since.
        may_have(&service, &caller, &row.ask())?;
    }
    let (row, bytes) = service.export_file(&caller.principal, id).await?;
    let name = format!("attachment; filename=\"heng-export-{}-{}.csv\"", row.number, row.kind);
    let headers = [(header::CONTENT_TYPE, "text/csv; charset=utf-8".to_owned()), (header::CONTENT_DISPOSITION, name)];
    Ok((headers, bytes).into_response())
}

async fn find_watermark(
    State(service): Service,
    caller: Caller,
    Body(body): Body<WatermarkBody>,
) -> Answer<WatermarkAnswer> {
    if body.text.len() > 4 * TEXT_MAX {
        return Err(ComplianceError::field("/text", "is too long").into());
    }
    let (seen, looked_at, found) = service.find_watermark(body.text).await?;
    let found = found.iter().map(|(row, of)| WatermarkFound::of(row, *of, &caller)).collect();
    Ok(Json(WatermarkAnswer { found, looked_at, marks: seen.len() }))
}
