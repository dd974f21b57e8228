//! OAuth 2.1 for partners: client credentials (RFC 6749 section 4.4), introspection (RFC 7662), revocation (RFC 7009).

use std::net::IpAddr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use heng_ports::{Accounts, Principal, PrincipalKind};
use heng_store::StoreError;
use subtle::ConstantTimeEq as _;

use crate::attempts::Door;
use crate::audit::AuditRow;
use crate::error::{AWAY, IdentityError};
use crate::identity::Identity;
use crate::repeats::{Once, RepeatKey};
use crate::secret::{Secret, base32, digest, random};
use crate::sessions::{Means, Opened, Way};
use crate::store::{self, PrincipalRow};
use crate::users::{accounts_text, check_accounts, check_name, check_scopes, kind_of, list_of, text_of};

/// Bytes of a form at most, and parameters in it.
const FORM_MAX: usize = 8_192;
const PARAMETERS_MAX: usize = 16;

/// A partner to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewPartner {
    /// What it is called: 1 to 64 letters, digits, `.`, `_`, `-`, `@`; unique among users and partners.
    pub name: String,
    /// Actions that it may ask for; empty = all that the role of a partner allows.
    pub scopes: Vec<String>,
    /// Accounts that it may act for.
    pub accounts: Accounts,
}

/// A partner that was made. The secret is shown here and never again.
#[derive(Clone, Debug)]
pub struct MadePartner {
    /// Stable id.
    pub id: u64,
    /// What it calls itself at the token endpoint.
    pub client_id: String,
    /// What it proves itself with.
    pub client_secret: Secret,
}

/// Why a request for a token is refused, in the words of RFC 6749, section 5.2.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    Request(&'static str),
    Client,
    Grant,
    Scope(String),
    Slow(u32),
    /// The tables cannot be read or written.
    Away,
    Failed,
}

impl Refused {
    /// Status, `error` and `error_description`.
    pub(crate) fn words(&self) -> (u16, &'static str, String) {
        match self {
            Self::Request(what) => (400, "invalid_request", (*what).to_owned()),
            Self::Client => (401, "invalid_client", "the client or its secret is not right".to_owned()),
            Self::Grant => (400, "unsupported_grant_type", "the only grant is client_credentials".to_owned()),
            Self::Scope(scope) => (400, "invalid_scope", format!("{scope} is not one of the client's scopes")),
            Self::Slow(seconds) => (429, "temporarily_unavailable", format!("try again after {seconds} s")),
            Self::Away => (503, "temporarily_unavailable", AWAY.to_owned()),
            Self::Failed => (500, "server_error", "the failure is logged".to_owned()),
        }
    }
}

impl From<IdentityError> for Refused {
    fn from(error: IdentityError) -> Self {
        match error {
            IdentityError::Slow(seconds) => Self::Slow(seconds),
            IdentityError::Unproven(_) => Self::Client,
            IdentityError::Store(error) if !matches!(error, StoreError::Value(_)) => {
                tracing::error!(%error, "answer a token request");
                Self::Away
            }
            other => {
                tracing::error!(error = %other, "answer a token request");
                Self::Failed
            }
        }
    }
}

/// The parameters of a form, each at most once.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Form(Vec<(String, String)>);

impl Form {
    /// Reads `application/x-www-form-urlencoded`.
    pub(crate) fn read(media: &str, body: &[u8]) -> Result<Self, Refused> {
        let media = media.split(';').next().unwrap_or_default().trim();
        if !media.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
            return Err(Refused::Request("send application/x-www-form-urlencoded"));
        }
        if body.len() > FORM_MAX {
            return Err(Refused::Request("the form is too long"));
        }
        let text = std::str::from_utf8(body).map_err(|_| Refused::Request("the form is no UTF-8"))?;
        let mut found: Vec<(String, String)> = Vec::new();
        for pair in text.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let (name, value) = (decoded(name)?, decoded(value)?);
            if found.iter().any(|(known, _)| *known == name) {
                return Err(Refused::Request("a parameter stands twice"));
            }
            if found.len() == PARAMETERS_MAX {
                return Err(Refused::Request("the form has too many parameters"));
            }
            found.push((name, value));
        }
        Ok(Self(found))
    }

    /// A parameter; one without a value counts as left out (RFC 6749, section 3.2).
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str()).filter(|value| !value.is_empty())
    }
}

fn decoded(text: &str) -> Result<String, Refused> {
    let wrong = Refused::Request("the form is not encoded well");
    let (mut bytes, mut rest) = (Vec::with_capacity(text.len()), text.bytes());
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let digit = |byte: Option<u8>| byte.and_then(|byte| char::from(byte).to_digit(16));
                let (Some(high), Some(low)) = (digit(rest.next()), digit(rest.next())) else { return Err(wrong) };
                u8::try_from(high * 16 + low).expect("two digits make a byte")
            }
            byte => byte,
        });
    }
    String::from_utf8(bytes).map_err(|_| wrong)
}

/// Name and secret of the client, from the `authorization` header or from the form, not from both.
pub(crate) fn client_of(authorization: Option<&str>, form: &Form) -> Result<(String, Secret), Refused> {
    let basic = authorization.and_then(|text| text.split_once(' ')).filter(|(s, _)| s.eq_ignore_ascii_case("basic"));
    match (basic, form.get("client_secret")) {
        (Some(_), Some(_)) => Err(Refused::Request("the client proves itself in one way, not in two")),
        (Some((_, encoded)), None) => {
            let text = STANDARD.decode(encoded.trim()).ok().and_then(|bytes| String::from_utf8(bytes).ok());
            let text = text.ok_or(Refused::Client)?;
            let (name, secret) = text.split_once(':').ok_or(Refused::Client)?;
            // RFC 6749, section 2.3.1: both are form-encoded before they are joined.
            Ok((decoded(name)?, Secret::new(decoded(secret)?)))
        }
        (None, Some(secret)) => {
            let name = form.get("client_id").ok_or(Refused::Client)?;
            Ok((name.to_owned(), Secret::new(secret.to_owned())))
        }
        (None, None) => Err(Refused::Client),
    }
}

/// What is stored of a partner, with a fresh secret.
pub(crate) fn partner_row(new: &NewPartner) -> Result<(PrincipalRow, Secret), IdentityError> {
    check_name(&new.name)?;
    check_scopes(&new.scopes, "/scopes")?;
    check_accounts(&new.accounts, PrincipalKind::Partner)?;
    let secret = Secret::new(format!("hps_{}", base32(&random::<32>()).to_ascii_lowercase()));
    let row = PrincipalRow {
        kind: PrincipalKind::Partner.name().to_owned(),
        name: new.name.clone(),
        roles: "partner".to_owned(),
        accounts: accounts_text(&new.accounts),
        scopes: text_of(&new.scopes),
        secret: Some(digest(secret.expose().as_bytes()).to_vec()),
        ..PrincipalRow::default()
    };
    Ok((row, secret))
}

impl Identity {
    /// The partner that proves itself.
    pub(crate) async fn prove_partner(
        &self,
        (name, secret): (&str, &Secret),
        address: Option<IpAddr>,
    ) -> Result<PrincipalRow, Refused> {
        let now = self.clock.now();
        let rates = (&self.flood, &self.options);
        self.attempts.knock(rates, Door::Token, (name, address), now)?;
        // Of failures the address alone is counted: the secret has 256 random bits, so nobody guesses it, and nobody shall be able
        // to make a partner wait by naming it.
        self.attempts.check("", address, now)?;
        let mut look = self.store.read().await.map_err(IdentityError::from)?;
        let found = store::principal_named(&mut look, name).await.map_err(IdentityError::from)?;
        drop(look);
        let given = digest(secret.expose().as_bytes());
        let stored = found.as_ref().and_then(|row| row.secret.clone()).unwrap_or_else(|| vec![0; 32]);
        let right: bool = given.as_slice().ct_eq(&stored).into();
        let partner = found.filter(|row| right && !row.disabled && kind_of(&row.kind) == PrincipalKind::Partner);
        let Some(partner) = partner else {
            self.attempts.failed_from(address, now);
            let note = AuditRow::of(now, "token", "failed").from(address).telling("wrong client or secret");
            self.audit.note(AuditRow { name: name.chars().take(64).collect(), ..note });
            return Err(Refused::Client);
        };
        self.attempts.succeeded(name, address, now);
        Ok(partner)
    }

    /// An access token for a partner. Without `scope` it reaches as far as the partner may ask for.
    pub(crate) async fn grant(
        &self,
        partner: &PrincipalRow,
        scope: Option<&str>,
        address: Option<IpAddr>,
    ) -> Result<(Opened, String), Refused> {
        let may: Vec<String> = list_of(&partner.scopes);
        let asked: Vec<String> = scope.map_or_else(|| may.clone(), |s| s.split(' ').map(str::to_owned).collect());
        if let Some(wrong) = asked.iter().find(|scope| !may.is_empty() && !may.contains(scope)) {
            return Err(Refused::Scope(wrong.chars().take(64).collect()));
        }
        if let Err(IdentityError::Field { detail, .. }) = check_scopes(&asked, "") {
            return Err(Refused::Scope(detail));
        }
        let scopes = text_of(&asked);
        let opened = self
            .open_session(partner, Way { scopes: &scopes, address, action: "token", means: Means::Secret, device: "" })
            .await?;
        Ok((opened, scopes.replace(',', " ")))
    }

    /// The live token `token`, if it is one of this partner's.
    pub(crate) async fn own_token(
        &self,
        partner: u64,
        token: &str,
    ) -> Result<Option<(store::SessionRow, PrincipalRow)>, Refused> {
        let now = self.clock.now();
        let found = async {
            let mut look = self.store.read().await?;
            let Some(session) = store::session_of_token(&mut look, &digest(token.as_bytes())).await? else {
                return Ok(None);
            };
            let live = session.principal == partner && session.revoked_at.is_none() && session.expires_at > now;
            let row = store::principal(&mut look, partner).await?;
            Ok::<_, IdentityError>(row.filter(|row| live && !row.disabled).map(|row| (session, row)))
        };
        found.await.map_err(Refused::from)
    }

    /// Makes a partner, by `by` or at the start of the system (none).
    ///
    /// # Errors
    /// If the name is taken or a field cannot be that.
    pub async fn make_partner(&self, by: Option<&Principal>, new: NewPartner) -> Result<MadePartner, IdentityError> {
        match self.make_partner_once(by, new, None).await? {
            Once::First(made) => Ok(made),
            Once::Again(_) => unreachable!("nothing is repeated without a key"),
        }
    }

    /// As [`Identity::make_partner`]; a repeat of the same write gets the partner that the first one made.
    pub(crate) async fn make_partner_once(
        &self,
        by: Option<&Principal>,
        new: NewPartner,
        key: Option<RepeatKey<'_>>,
    ) -> Result<Once<MadePartner>, IdentityError> {
        let (row, secret) = partner_row(&new)?;
        let made = self.insert_principal(by, row, "partner.created", key).await?;
        Ok(made.map(|id| MadePartner { id, client_id: new.name, client_secret: secret }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FORM: &str = "application/x-www-form-urlencoded; charset=utf-8";

    #[test]
    fn forms_are_read_strictly() {
        let form = Form::read(FORM, b"grant_type=client_credentials&scope=a+b%2Ec&empty=&&x").expect("a form");
        assert_eq!(form.get("grant_type"), Some("client_credentials"));
        assert_eq!(form.get("scope"), Some("a b.c"));
        assert_eq!((form.get("empty"), form.get("x"), form.get("y")), (None, None, None));
        for wrong in [&b"a=1&a=2"[..], b"a=%2", b"a=%zz", b"a=%ff", b"\xff=1", &[b'a'; FORM_MAX + 1]] {
            assert!(matches!(Form::read(FORM, wrong), Err(Refused::Request(_))));
        }
        assert!(Form::read("application/json", b"{}").is_err());
    }

    #[test]
    fn a_client_proves_itself_in_one_way() {
        let form = |text: &str| Form::read(FORM, text.as_bytes()).expect("a form");
        let shown = |found: Result<(String, Secret), Refused>| found.map(|(n, s)| (n, s.expose().to_owned()));
        let header = format!("Basic {}", STANDARD.encode("partner%40x:s%20e"));
        let found = shown(client_of(Some(&header), &form("")));
        assert_eq!(found, Ok(("partner@x".into(), "s e".into())));
        let post = form("client_id=p&client_secret=s");
        assert_eq!(shown(client_of(None, &post)), Ok(("p".into(), "s".into())));
        assert!(matches!(client_of(Some(&header), &post), Err(Refused::Request(_))));
        for wrong in [None, Some("Basic"), Some("Basic !"), Some("Basic YWJj"), Some("Bearer x")] {
            assert_eq!(shown(client_of(wrong, &form("client_id=p"))), Err(Refused::Client), "{wrong:?}");
        }
    }
}
