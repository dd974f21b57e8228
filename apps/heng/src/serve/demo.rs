//! The accounts of a demonstration: made afresh with every start, told once, none with a default password.

use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;
use heng_identity::{Identity, KeyKind, MadePartner, NewKey, NewPartner, NewUser};
use heng_model::AccountId;
use heng_ports::{Accounts, PRINCIPAL_ACCOUNTS_MAX, Principal, PrincipalKind};
use serde_json::{Value, json};

/// Clients who get a password to sign in with; hashing more would take long. All of them get a token.
const PASSWORDS_MAX: usize = 20;
/// The client for whom the demo FIX session and the API key act.
const FIRST: &str = "demo-1";
/// A trader who may act for every account.
pub(crate) const DESK: &str = "desk";
/// A second person, for what needs four eyes.
const RISK: &str = "risk";

/// A partner that trades for the demo clients and reads their drop copy. The name of the trader above is taken.
const PARTNER: &str = "desk-partner";
/// What the partner may ask for.
const PARTNER_SCOPES: [&str; 8] = [
    "account.read",
    "dropcopy.read",
    "fill.read",
    "market.read",
    "market.stream",
    "order.cancel",
    "order.place",
    "order.read",
];

/// Where the demonstration is.
pub(crate) struct Place<'a> {
    pub(crate) data: &'a Path,
    /// Base address of the HTTP door.
    pub(crate) address: String,
}

/// What a person and a program need to know.
pub(crate) struct Demo {
    /// As the ready file tells it.
    pub(crate) told: serde_json::Map<String, Value>,
    /// As people read it.
    pub(crate) lines: Vec<String>,
    /// The first client's token.
    pub(crate) client_token: String,
}

fn client(number: usize, account: AccountId) -> NewUser {
    NewUser {
        name: format!("demo-{number}"),
        kind: PrincipalKind::Client,
        roles: vec!["client".into()],
        accounts: Accounts::These(vec![account]),
    }
}

fn staff(name: &str, roles: &[&str]) -> NewUser {
    NewUser {
        name: name.into(),
        kind: PrincipalKind::Staff,
        roles: roles.iter().map(|role| (*role).to_owned()).collect(),
        accounts: Accounts::All,
    }
}

/// A partner for the first of `accounts`, as many as one may have.
async fn partner(identity: &Identity, accounts: &[AccountId]) -> anyhow::Result<MadePartner> {
    let accounts = accounts.iter().take(PRINCIPAL_ACCOUNTS_MAX).copied().collect();
    let scopes = PARTNER_SCOPES.map(str::to_owned).to_vec();
    let new = NewPartner { name: PARTNER.into(), scopes, accounts: Accounts::These(accounts) };
    Ok(identity.renew_partner(new).await?)
}

/// Makes the users, keys and tokens for clients of `accounts`.
pub(crate) async fn make(
    identity: &Arc<Identity>,
    accounts: &[AccountId],
    symbols: &[String],
    place: Place<'_>,
) -> anyhow::Result<Demo> {
    let Place { data, address } = place;
    let first = *accounts.first().context("there is no client account to demonstrate with")?;
    let boss = staff("staff", &["admin", "auditor", "operator", "risk-officer", "service-desk", "trader"]);
    let made = identity.renew_user(boss.clone()).await?;
    let totp = identity.give_totp(made.id).await?;
    let desk = staff(DESK, &["trader"]);
    // Whatever needs two people needs another one than the staff.
    let risk = staff(RISK, &["risk-officer"]);
    let clients: Vec<NewUser> = (1..).zip(accounts).map(|(number, account)| client(number, *account)).collect();
    let mut passwords = Vec::new();
    for user in clients.iter().take(PASSWORDS_MAX) {
        passwords.push(identity.renew_user(user.clone()).await?);
    }
    let mut users = clients;
    users.extend([boss, desk, risk]);
    let mut sessions = identity.give_sessions(&users).await?;
    let risk_token = sessions.pop().context("the risk officer has a session")?;
    let desk_token = sessions.pop().context("the desk has a session")?;
    let staff_token = sessions.pop().context("the staff has a session")?;
    let key =
        NewKey { name: "demo".into(), kind: KeyKind::Hmac, scopes: Vec::new(), networks: Vec::new(), expires_at: None };
    let key = identity.renew_key(passwords[0].id, key).await?;
    let secret = key.secret.context("a key with a shared secret has one")?;
    let partner = partner(identity, accounts).await?;
    let (client_id, client_secret) = (&partner.client_id, partner.client_secret.expose());
    let token_url = format!("{address}/oauth/token");
    let client_token = sessions[0].token.expose().to_owned();
    let list = (users.iter().zip(accounts).zip(&sessions)).map(|((user, account), session)| {
        json!({ "user": user.name, "account_id": account.0.to_string(), "token": session.token.expose() })
    });
    let file = write_clients(data, &list.collect::<Vec<_>>().into())?;
    let (staff_password, client_password) = (made.password.expose(), passwords[0].password.expose());
    let told = json!({
        "staff": { "user": "staff", "password": staff_password, "totp_secret": totp.expose() },
        "client": { "user": FIRST, "password": client_password, "account_id": first.0.to_string() },
        "api_key": { "id": key.id, "secret": secret.expose() },
        "token": {
            "staff": staff_token.token.expose(),
            "client": client_token,
            "desk": desk_token.token.expose(),
            "risk": risk_token.token.expose(),
        },
        "oauth": {
            "client_id": client_id,
            "client_secret": client_secret,
            "token_url": token_url,
            "scopes": PARTNER_SCOPES,
        },
        "instruments": symbols,
        "clients_file": file,
    });
    let Value::Object(told) = told else { anyhow::bail!("an object is made above") };
    let lines = vec![
        format!("client:  {FIRST}  password {client_password}  (account {first})"),
        format!("staff:   staff  password {staff_password}  second factor (TOTP secret) {}", totp.expose()),
        format!("API key: {}  secret {}", key.id, secret.expose()),
        format!("partner: {client_id}  secret {client_secret}  (client credentials at {token_url})"),
        format!("{} clients with tokens: {}", accounts.len(), file.display()),
    ];
    Ok(Demo { told, lines, client_token })
}

/// Only the owner of the data folder may read tokens.
fn write_clients(data: &Path, list: &Value) -> anyhow::Result<PathBuf> {
    let path = std::path::absolute(data.join("clients.json"))?;
    let failed = || format!("write {}", path.display());
    let file = std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&path);
    serde_json::to_writer(std::io::BufWriter::new(file.with_context(failed)?), list).with_context(failed)?;
    Ok(path)
}

/// Whom a configured FIX session acts as.
pub(crate) async fn seat(identity: &Identity, user: Option<&str>) -> anyhow::Result<Arc<Principal>> {
    let name = user.unwrap_or(FIRST);
    let found = identity.principal_named(name).await?;
    found.with_context(|| format!("a FIX session acts for the user {name}, whom nobody has made"))
}
