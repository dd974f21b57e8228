//! What callers do about their passkeys, recovery codes, devices and consents, and their fresh proofs.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use heng_ports::Resource;
use heng_transport::{Body, Caller, Operation, Params, PathText, Problem};
use serde_json::json;

use super::{CameFrom, Routes, id_of, session_of};
use crate::error::IdentityError;
use crate::identity::Identity;
use crate::oversight::Agreement;
use crate::secret::Secret;
use crate::security_rows;
use crate::shapes::{EnrolBody, OwnedQuery, instant};
use crate::shapes_security::{
    ConsentBody, ConsentShown, ConsentsAnswer, EndedAnswer, FactorsAnswer, NameBody, PasskeyBody, PasskeyChallenge,
    PasskeyShown, RecoveryAnswer, StepUpAsked, StepUpBody, StepUpGiven, StepUpProofBody, StepUpText,
};
use crate::step_up::{Brought, StepUpWish};

type Inner = State<Arc<Identity>>;

pub(super) fn add(api: &mut Routes) {
    passkeys(api);
    step_up(api);
    let operation = Operation::post("/v1/me/recovery-codes", "makeRecoveryCodes").tag("sign-in").signed_in();
    let operation = operation.needs_step_up("Make fresh recovery codes", "重新生成恢复码");
    let operation = operation.summary("Fresh recovery codes, each good once in the place of a second factor.");
    let operation = operation.answers::<RecoveryAnswer>(201, "The codes, shown this once; earlier ones count no more.");
    api.add(operation.refuses(409, "The caller has no second factor."), recovery);

    let operation = Operation::delete("/v1/sessions", "endSessions").tag("sign-in").needs("session.write");
    let operation = operation.summary("Ends all sessions of the caller but this one, at once.");
    let operation = operation.answers::<EndedAnswer>(200, "They have ended.");
    api.add(operation.refuses(403, "The caller has no session."), end_sessions);
    consents(api);
}

fn passkeys(api: &mut Routes) {
    let operation = Operation::get("/v1/me/factors", "listFactors").tag("sign-in").signed_in();
    let operation =
        operation.summary("What the caller has beside the password: passkeys, one-time codes, recovery codes.");
    api.add(operation.answers::<FactorsAnswer>(200, "The factors."), factors);

    let operation = Operation::post("/v1/me/passkeys", "beginPasskey").tag("sign-in").signed_in();
    let operation = operation.needs_step_up_if_enrolled("Add a passkey", "添加通行密钥");
    let operation = operation.summary("Begins to make a passkey; whoever has a second factor steps up first.");
    let operation = operation.description(
        "User verification is required, attestation is not asked for. The challenge counts once, in this session, for two \
         minutes.",
    );
    let operation = operation.body::<EnrolBody>(json!({ "password": "correct horse battery" }));
    let operation = operation.answers::<PasskeyChallenge>(200, "For navigator.credentials.create.");
    let operation = operation.refuses(409, "There are too many.");
    api.add(operation, begin_passkey);

    let operation = Operation::post("/v1/me/passkeys/challenges/{id}", "finishPasskey").tag("sign-in").signed_in();
    let operation = operation.summary("Keeps the passkey that the browser made.").path("id", "Id of the challenge.");
    let example = json!({ "name": "desk key", "credential": { "type": "public-key" } });
    let operation = operation.body::<PasskeyBody>(example).answers::<PasskeyShown>(201, "The passkey.");
    let operation = operation.refuses(403, "The answer is not good, or nothing waits for it.");
    api.add(operation.refuses(409, "This passkey is known."), finish_passkey);

    let operation = Operation::post("/v1/me/passkeys/{id}", "renamePasskey").tag("sign-in").signed_in();
    let operation = operation.summary("Gives a passkey another name.").path_id("id", "Number of the passkey.");
    let operation = operation.body::<NameBody>(json!({ "name": "phone" })).answers::<PasskeyShown>(200, "The passkey.");
    api.add(operation.refuses(404, "The caller has no such passkey."), rename_passkey);

    let operation = Operation::delete("/v1/me/passkeys/{id}", "removePasskey").tag("sign-in").signed_in();
    let operation = operation.needs_step_up("Remove a passkey", "移除通行密钥");
    let operation = operation
        .summary("Removes a passkey, and ends the caller's other sessions.")
        .path_id("id", "Number of the passkey.");
    let operation = operation.answers_as(204, "It counts no more.", "").refuses(404, "The caller has no such passkey.");
    api.add(operation.refuses(409, "It is the last second factor of one of the staff."), remove_passkey);
}

fn step_up(api: &mut Routes) {
    let operation = Operation::post("/v1/step-up", "beginStepUp").tag("step-up").signed_in();
    let operation = operation.summary("Asks for a fresh proof of exactly one request.").description(
        "Operations with the header step-up (x-heng-step-up in this document) take a fresh proof from people who signed \
         in; without it they answer 403 StepUpNeeded. Send the operation, the path and the exact body that the request \
         will have. The answer has the text of what will happen, made by the server from these bytes, in English and \
         Chinese: show it. A passkey signs 32 random bytes with the hash of the request and the text behind them. \
         One-time codes count only where no passkey is enrolled and the broker permits them; clients without a second \
         factor show the password, if the broker permits that. Signed requests and partners' tokens need no step-up.",
    );
    let body = "{\"name\":\"desk\",\"scopes\":[\"order.read\"]}";
    let example = json!({ "operation": "createApiKey", "target": "/v1/api-keys", "body": body });
    let operation = operation.body::<StepUpBody>(example).answers::<StepUpAsked>(200, "It waits for a proof.");
    let operation = operation.refuses(403, "The caller has no session, or nothing to prove it with.");
    api.add(operation.refuses(404, "No such operation takes a step-up."), begin_step_up);

    let operation = Operation::post("/v1/step-up/{id}", "finishStepUp").tag("step-up").signed_in();
    let operation = operation.summary("Takes the proof; its answer goes into the header step-up of the request.");
    let operation = operation.description("Tried once: after a failure begin again. It counts once, for two minutes.");
    let operation = operation.path("id", "Id of the step-up.").body::<StepUpProofBody>(json!({ "code": "123456" }));
    let operation = operation.answers::<StepUpGiven>(200, "For one request.");
    let operation = operation.refuses(403, "The proof is not good, or the caller has no session.");
    api.add(operation.refuses(404, "Nothing waits under this id in this session."), finish_step_up);
}

fn consents(api: &mut Routes) {
    let operation = Operation::get("/v1/consents", "listConsents").tag("consents").needs("session.read");
    let operation = operation.summary("Who agreed to which text, newest first.").query::<OwnedQuery>();
    api.add(operation.answers::<ConsentsAnswer>(200, "The records."), list_consents);

    let operation = Operation::post("/v1/consents", "noteConsent").tag("consents").needs("session.write");
    let operation =
        operation.summary("Keeps that the caller agreed to a text, or takes that back; nothing is removed.");
    let example = json!({ "document": "risk-disclosure", "version": "2026-07", "language": "zh",
        "text_sha256": "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a", "agreed": true });
    api.add(operation.body::<ConsentBody>(example).answers::<ConsentShown>(201, "The record."), note_consent);
}

async fn factors(State(identity): Inner, caller: Caller) -> Result<Json<FactorsAnswer>, Problem> {
    let factors = identity.factors(caller.principal.id).await?;
    Ok(Json(FactorsAnswer {
        passkeys: factors.passkeys.iter().map(PasskeyShown::of).collect(),
        totp: factors.totp,
        recovery_codes: factors.recovery,
        origin: identity.passkeys.verifier.origin().to_owned(),
    }))
}

async fn begin_passkey(
    State(identity): Inner,
    caller: Caller,
    Body(body): Body<EnrolBody>,
) -> Result<Json<PasskeyChallenge>, Problem> {
    let session = session_of(&caller.principal)?;
    let challenge = identity.begin_passkey(&caller.principal, session, &Secret::new(body.password)).await?;
    Ok(Json(PasskeyChallenge::of(challenge)))
}

async fn finish_passkey(
    State(identity): Inner,
    caller: Caller,
    PathText(id): PathText,
    Body(body): Body<PasskeyBody>,
) -> Result<(StatusCode, Json<PasskeyShown>), Problem> {
    let session = session_of(&caller.principal)?;
    let made = (body.name, body.credential);
    let row = identity.finish_passkey(&caller.principal, (session, &id), made).await?;
    Ok((StatusCode::CREATED, Json(PasskeyShown::of(&row))))
}

async fn rename_passkey(
    State(identity): Inner,
    caller: Caller,
    PathText(id): PathText,
    Body(body): Body<NameBody>,
) -> Result<Json<PasskeyShown>, Problem> {
    session_of(&caller.principal)?;
    let row = identity.rename_passkey(&caller.principal, id_of(&id, "passkey")?, &body.name).await?;
    Ok(Json(PasskeyShown::of(&row)))
}

async fn remove_passkey(State(identity): Inner, caller: Caller, PathText(id): PathText) -> Result<StatusCode, Problem> {
    let session = session_of(&caller.principal)?;
    identity.remove_passkey(&caller.principal, session, id_of(&id, "passkey")?).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn begin_step_up(
    State(identity): Inner,
    caller: Caller,
    Body(body): Body<StepUpBody>,
) -> Result<Json<StepUpAsked>, Problem> {
    let session = session_of(&caller.principal)?;
    let wish = StepUpWish { operation: &body.operation, target: &body.target, body: &body.body };
    let begun = identity.begin_step_up(&caller.principal, session, wish).await?;
    Ok(Json(StepUpAsked {
        id: begun.id,
        text: StepUpText { en: begun.words.english, zh: begun.words.chinese },
        means: begun.means.name().to_owned(),
        options: begun.passkey,
        expires_at: instant(begun.expires_at),
    }))
}

async fn finish_step_up(
    State(identity): Inner,
    caller: Caller,
    PathText(id): PathText,
    Body(body): Body<StepUpProofBody>,
) -> Result<Json<StepUpGiven>, Problem> {
    let session = session_of(&caller.principal)?;
    let brought = match (body.credential, body.code, body.password) {
        (Some(answer), None, None) => Brought::Passkey(answer),
        (None, Some(code), None) => Brought::Code(Secret::new(code)),
        (None, None, Some(password)) => Brought::Password(Secret::new(password)),
        _ => Brought::Unclear,
    };
    let (proof, until) = identity.finish_step_up(&caller.principal, (session, &id), brought).await?;
    Ok(Json(StepUpGiven { step_up: proof.expose().to_owned(), expires_at: instant(until) }))
}

async fn recovery(State(identity): Inner, caller: Caller) -> Result<(StatusCode, Json<RecoveryAnswer>), Problem> {
    session_of(&caller.principal)?;
    let codes = identity.make_recovery_codes(&caller.principal).await?;
    let codes = codes.iter().map(|code| code.expose().to_owned()).collect();
    Ok((StatusCode::CREATED, Json(RecoveryAnswer { codes })))
}

async fn end_sessions(State(identity): Inner, caller: Caller) -> Result<Json<EndedAnswer>, Problem> {
    let kept = session_of(&caller.principal)?;
    let ended = identity.end_sessions(&caller.principal, caller.principal.id, kept).await?;
    Ok(Json(EndedAnswer { ended }))
}

async fn list_consents(
    State(identity): Inner,
    caller: Caller,
    Params(query): Params<OwnedQuery>,
) -> Result<Json<ConsentsAnswer>, Problem> {
    let user = match query.user {
        Some(user) if user != caller.principal.id => caller.may("user.read", Resource::Any).map(|()| user)?,
        _ => caller.principal.id,
    };
    let (before, limit) = (query.before.unwrap_or(i64::MAX.cast_unsigned()), query.limit.unwrap_or(50));
    let mut look = identity.store.read().await.map_err(IdentityError::from)?;
    let rows = security_rows::consents(&mut look, user, before, limit).await.map_err(IdentityError::from)?;
    let next_before = (rows.len() == limit as usize).then(|| rows.last().map(|row| row.number)).flatten();
    Ok(Json(ConsentsAnswer { consents: rows.iter().map(|row| ConsentShown::of(row, &caller)).collect(), next_before }))
}

async fn note_consent(
    State(identity): Inner,
    CameFrom(address): CameFrom,
    caller: Caller,
    Body(body): Body<ConsentBody>,
) -> Result<(StatusCode, Json<ConsentShown>), Problem> {
    let ConsentBody { document, version, language, text_sha256, agreed } = body;
    let nibble =
        |at: usize| text_sha256.as_bytes().get(at).and_then(|byte| char::from(*byte).to_digit(16)).unwrap_or(0);
    // The declared pattern has let 64 digits through.
    let text = std::array::from_fn(|at| u8::try_from(nibble(2 * at) << 4 | nibble(2 * at + 1)).unwrap_or(0));
    let agreement = Agreement { document, version, language, text, agreed };
    let row = identity.note_consent(&caller.principal, address, agreement).await?;
    Ok((StatusCode::CREATED, Json(ConsentShown::of(&row, &caller))))
}
