//! The token endpoints of OAuth 2.1. Their refusals have the form of RFC 6749, not of a problem document.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use heng_ports::{Principal, PrincipalKind};

use super::CameFrom;
use crate::error::AWAY_RETRY_S;
use crate::identity::Identity;
use crate::oauth::{Form, Refused, client_of};
use crate::shapes::{IntrospectAnswer, TokenAnswer, TokenRefusal};
use crate::store::PrincipalRow;
use crate::users::{list_of, principal_of};

type Inner = State<Arc<Identity>>;
const NS: i64 = 1_000_000_000;

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let (status, error, error_description) = self.words();
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = (status, Json(TokenRefusal { error: error.to_owned(), error_description })).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        match self {
            Self::Client => {
                headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Basic realm=\"heng\""));
            }
            Self::Slow(seconds) => {
                headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
            }
            Self::Away => {
                headers.insert(header::RETRY_AFTER, HeaderValue::from(AWAY_RETRY_S));
            }
            _ => {}
        }
        response
    }
}

fn text<'a>(headers: &'a HeaderMap, name: &header::HeaderName) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

/// The form, and the partner that proves itself with it.
async fn asked(
    identity: &Identity,
    address: Option<std::net::IpAddr>,
    headers: &HeaderMap,
    body: &[u8],
) -> Result<(Form, PrincipalRow), Refused> {
    let form = Form::read(text(headers, &header::CONTENT_TYPE).unwrap_or_default(), body)?;
    let (name, secret) = client_of(text(headers, &header::AUTHORIZATION), &form)?;
    let partner = identity.prove_partner((&name, &secret), address).await?;
    Ok((form, partner))
}

pub(super) async fn issue(
    State(identity): Inner,
    CameFrom(address): CameFrom,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Refused> {
    let (form, partner) = asked(&identity, address, &headers, &body).await?;
    match form.get("grant_type") {
        None => return Err(Refused::Request("grant_type is missing")),
        Some("client_credentials") => {}
        Some(_) => return Err(Refused::Grant),
    }
    let (opened, scope) = identity.grant(&partner, form.get("scope"), address).await?;
    let answer = TokenAnswer {
        access_token: opened.token.expose().to_owned(),
        token_type: "Bearer".to_owned(),
        expires_in: identity.options.token_age.as_secs(),
        scope,
    };
    Ok(([(header::CACHE_CONTROL, "no-store")], Json(answer)).into_response())
}

pub(super) async fn introspect(
    State(identity): Inner,
    CameFrom(address): CameFrom,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Refused> {
    let (form, partner) = asked(&identity, address, &headers, &body).await?;
    let token = form.get("token").ok_or(Refused::Request("token is missing"))?;
    let answer = match identity.own_token(partner.id, token).await? {
        None => IntrospectAnswer::default(),
        Some((session, row)) => IntrospectAnswer {
            active: true,
            scope: Some(list_of(&session.scopes).join(" ")),
            client_id: Some(row.name),
            token_type: Some("Bearer".to_owned()),
            exp: Some(session.expires_at / NS),
            iat: Some(session.created_at / NS),
            sub: Some(row.id.to_string()),
        },
    };
    Ok(([(header::CACHE_CONTROL, "no-store")], Json(answer)).into_response())
}

pub(super) async fn revoke(
    State(identity): Inner,
    CameFrom(address): CameFrom,
    headers: HeaderMap,
    body: Bytes,
) -> Result<StatusCode, Refused> {
    let (form, partner) = asked(&identity, address, &headers, &body).await?;
    let token = form.get("token").ok_or(Refused::Request("token is missing"))?;
    if let Some((session, row)) = identity.own_token(partner.id, token).await? {
        let by: Principal = principal_of(&row, &session.scopes, format!("token:{}", session.id));
        assert_eq!(by.kind, PrincipalKind::Partner, "only partners prove themselves here");
        identity.end_session(&by, session.id, false, "token.revoked").await?;
    }
    Ok(StatusCode::OK)
}
