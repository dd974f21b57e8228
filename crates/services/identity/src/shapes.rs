//! What clients send and are shown, as JSON. Ids are text, times are RFC 3339 with Beijing's offset.

use heng_model::UnixNanos;
use heng_ports::{Accounts, Principal};
use heng_security::privacy::{NetworkAddress, Personal, SignInName};
use heng_transport::{Caller, instant_text};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::names::{AccountText, ActionName, RoleName};
use crate::shapes_security::{PasskeyAnswer, PasskeyChallenge};
use crate::store::{KeyRow, PrincipalRow, SessionRow};
use crate::users::{accounts_of, list_of};

/// An instant as people write it in China: `2026-07-06T09:30:00.123+08:00`.
pub(crate) fn instant(nanos: i64) -> String {
    instant_text(UnixNanos(nanos))
}

pub(crate) fn accounts_shown(accounts: &Accounts) -> Vec<String> {
    match accounts {
        Accounts::All => vec!["*".to_owned()],
        Accounts::These(list) => list.iter().map(|account| account.0.to_string()).collect(),
    }
}

/// What a sign-in brings.
#[derive(Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SignInBody {
    /// Sign-in name.
    #[schema(max_length = 64)]
    pub(crate) user: String,
    /// Password.
    #[schema(max_length = 128, format = Password)]
    pub(crate) password: String,
    /// Code of the second factor, six digits.
    #[schema(max_length = 6)]
    pub(crate) totp: Option<String>,
    /// The answer of a passkey to the challenge of an earlier try, in the place of a code.
    pub(crate) passkey: Option<PasskeyAnswer>,
    /// A recovery code, in the place of a code.
    #[schema(max_length = 32)]
    pub(crate) recovery_code: Option<String>,
    /// Give the session as a cookie alone: the answer carries no token, so that no script of a page ever holds it.
    pub(crate) cookie_only: Option<bool>,
}

/// Who somebody is.
#[derive(Serialize, ToSchema)]
pub(crate) struct PrincipalShown {
    /// Stable id.
    pub(crate) id: String,
    /// client, staff, partner or service.
    pub(crate) kind: String,
    /// Sign-in name.
    pub(crate) name: String,
    /// Roles.
    pub(crate) roles: Vec<String>,
    /// Accounts that it may act for; `*` = all.
    pub(crate) accounts: Vec<String>,
    /// Scopes of the credential; empty = whatever the roles allow.
    pub(crate) scopes: Vec<String>,
    /// What it came with: `session:…`, `key:…` or `token:…`.
    pub(crate) credential: String,
}

impl PrincipalShown {
    pub(crate) fn of(principal: &Principal) -> Self {
        Self {
            id: principal.id.to_string(),
            kind: principal.kind.name().to_owned(),
            name: principal.name.clone(),
            roles: principal.roles.clone(),
            accounts: accounts_shown(&principal.accounts),
            scopes: principal.scopes.clone(),
            credential: principal.credential.clone(),
        }
    }
}

/// What became of a sign-in.
#[derive(Serialize, ToSchema)]
pub(crate) struct SignInAnswer {
    /// The session's token; null while a second factor is missing, and for `cookie_only`.
    pub(crate) token: Option<String>,
    /// When the session ends at the latest.
    pub(crate) expires_at: Option<String>,
    /// Who signed in.
    pub(crate) principal: Option<PrincipalShown>,
    /// The password is right, and a code of the second factor is needed as well: send both.
    pub(crate) totp_required: bool,
    /// The password is right, and a second factor is needed as well: send both. With a passkey, answer its challenge.
    pub(crate) second_factor_required: bool,
    /// A challenge for the user's passkeys, if they have some and one is needed.
    pub(crate) passkey: Option<PasskeyChallenge>,
    /// A recovery code would do as well.
    pub(crate) recovery_possible: bool,
    /// Staff who have no second factor yet: enrol one, then the session may do what the roles allow.
    pub(crate) totp_enrolment_required: bool,
    /// Somebody else knows the password: change it, then the session may do what the roles allow.
    pub(crate) password_change_required: bool,
}

/// Who the caller is.
#[derive(Serialize, ToSchema)]
pub(crate) struct MeAnswer {
    /// The caller.
    #[serde(flatten)]
    pub(crate) principal: PrincipalShown,
    /// Actions that the policy lets the caller do at all.
    pub(crate) actions: Vec<String>,
    /// Whether one-time codes are set up.
    pub(crate) totp: bool,
    /// How many passkeys there are.
    pub(crate) passkeys: u32,
}

/// A change of the password.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PasswordBody {
    /// The password that holds now.
    #[schema(max_length = 128, format = Password)]
    pub(crate) current_password: String,
    /// The one that shall hold: at least 12 characters.
    #[schema(min_length = 12, max_length = 128, format = Password)]
    pub(crate) new_password: String,
}

/// The proof that enrolling asks for.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct EnrolBody {
    /// The caller's password.
    #[schema(max_length = 128, format = Password)]
    pub(crate) password: String,
}

/// A second factor that waits to be confirmed.
#[derive(Serialize, ToSchema)]
pub(crate) struct EnrolAnswer {
    /// Base32, to be typed into an authenticator app.
    pub(crate) secret: String,
    /// `otpauth://`, to be scanned.
    pub(crate) uri: String,
}

/// A code of the second factor.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CodeBody {
    /// Six digits.
    #[schema(max_length = 6)]
    pub(crate) code: String,
}

/// Which sessions or keys are asked for.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(crate) struct OwnedQuery {
    /// Whose; without it the caller's own. Another's take `user.read`.
    #[param(minimum = 1, maximum = 999_999_999)]
    pub(crate) user: Option<u64>,
    /// At most so many, up to 200.
    #[param(minimum = 1, maximum = 200)]
    pub(crate) limit: Option<u32>,
    /// The page after this one: `next_before` of the answer before.
    #[param(minimum = 1, maximum = 999_999_999)]
    pub(crate) before: Option<u64>,
}

/// A session.
#[derive(Serialize, ToSchema)]
pub(crate) struct SessionShown {
    /// Its id.
    pub(crate) id: String,
    /// session or token.
    pub(crate) kind: String,
    /// Whose.
    pub(crate) user: String,
    /// Where it began.
    pub(crate) address: String,
    /// What kind of place that is: this machine, a network of the house, or the internet.
    pub(crate) place: String,
    /// What it came from; empty = not known.
    pub(crate) device: String,
    /// How it was proven: given, password, totp, passkey, recovery or secret; empty = not known.
    pub(crate) means: String,
    /// When it began.
    pub(crate) created_at: String,
    /// When it was last used, about.
    pub(crate) used_at: String,
    /// When it ends at the latest.
    pub(crate) expires_at: String,
    /// Whether the caller came with it.
    pub(crate) current: bool,
}

impl SessionShown {
    pub(crate) fn of(row: &SessionRow, current: Option<u64>, caller: &Caller) -> Self {
        Self {
            id: row.id.to_string(),
            kind: row.kind.clone(),
            user: row.principal.to_string(),
            address: caller.show(row.principal, &Personal::<NetworkAddress>::held(&row.address)),
            place: place_of(&row.address).to_owned(),
            device: row.device.clone(),
            means: row.means.clone(),
            created_at: instant(row.created_at),
            used_at: instant(row.used_at),
            expires_at: instant(row.expires_at),
            current: current == Some(row.id),
        }
    }
}

/// What can be told of an address without asking anybody.
fn place_of(address: &str) -> &'static str {
    let Ok(address) = address.parse::<std::net::IpAddr>().map(|address| address.to_canonical()) else { return "" };
    let house = match address {
        std::net::IpAddr::V4(address) => address.is_private() || address.is_link_local(),
        std::net::IpAddr::V6(address) => address.is_unique_local() || address.is_unicast_link_local(),
    };
    if address.is_loopback() {
        "this machine"
    } else if house {
        "house network"
    } else {
        "internet"
    }
}

/// Sessions, newest first.
#[derive(Serialize, ToSchema)]
pub(crate) struct SessionsAnswer {
    /// Those that have not ended.
    pub(crate) sessions: Vec<SessionShown>,
    /// Where the next page begins; null = there is none.
    pub(crate) next_before: Option<u64>,
}

/// A key to be made.
#[derive(Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct KeyBody {
    /// What its owner calls it.
    #[schema(min_length = 1, max_length = 64)]
    pub(crate) name: String,
    /// How it signs: hmac-sha256 (the default) or ed25519.
    pub(crate) kind: Option<KeyKindName>,
    /// Base64 of the 32 bytes of an Ed25519 public key; for ed25519 alone.
    #[schema(max_length = 64)]
    pub(crate) public_key: Option<String>,
    /// Actions that it may do; empty = whatever its owner may.
    #[serde(default)]
    #[schema(max_items = 33)]
    pub(crate) scopes: Vec<ActionName>,
    /// Addresses and networks (10.1.0.0/16) that it may come from; empty = any.
    #[serde(default)]
    #[schema(max_items = 32)]
    pub(crate) networks: Vec<String>,
    /// Days until it ends; without it, never.
    #[schema(minimum = 1, maximum = 3_650)]
    pub(crate) days: Option<u16>,
}

/// How a key signs.
#[derive(Clone, Copy, Deserialize, Serialize, ToSchema, PartialEq, Eq)]
pub(crate) enum KeyKindName {
    /// A shared secret, made by the server.
    #[serde(rename = "hmac-sha256")]
    Hmac,
    /// A key pair of the client.
    #[serde(rename = "ed25519")]
    Ed25519,
}

/// A key.
#[derive(Serialize, ToSchema)]
#[schema(as = ApiKeyShown)]
pub(crate) struct KeyShown {
    /// Its id: the header x-heng-key.
    pub(crate) id: String,
    /// What its owner calls it.
    pub(crate) name: String,
    /// hmac-sha256 or ed25519.
    pub(crate) kind: String,
    /// Whose.
    pub(crate) user: String,
    /// Actions that it may do; empty = whatever its owner may.
    pub(crate) scopes: Vec<String>,
    /// Where it may come from; empty = anywhere.
    pub(crate) networks: Vec<String>,
    /// When it was made.
    pub(crate) created_at: String,
    /// When it ends; null = never.
    pub(crate) expires_at: Option<String>,
}

impl KeyShown {
    pub(crate) fn of(row: &KeyRow) -> Self {
        Self {
            id: row.id.clone(),
            name: row.name.clone(),
            kind: row.kind.clone(),
            user: row.principal.to_string(),
            scopes: list_of(&row.scopes),
            networks: list_of(&row.networks),
            created_at: instant(row.created_at),
            expires_at: row.expires_at.map(instant),
        }
    }
}

/// A key that was made.
#[derive(Serialize, ToSchema)]
pub(crate) struct KeyMade {
    /// The key.
    #[serde(flatten)]
    pub(crate) key: KeyShown,
    /// The shared secret: the text itself is the key of the HMAC. Shown this once; null for ed25519 and for a repeat.
    pub(crate) secret: Option<String>,
}

/// Keys, newest first.
#[derive(Serialize, ToSchema)]
pub(crate) struct KeysAnswer {
    /// Those that are not revoked.
    pub(crate) keys: Vec<KeyShown>,
    /// Where the next page begins; null = there is none.
    pub(crate) next_before: Option<u64>,
}

/// A user to be made.
#[derive(Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct UserBody {
    /// Sign-in name: letters, digits, `.`, `_`, `-`, `@`.
    #[schema(min_length = 1, max_length = 64, pattern = "^[A-Za-z0-9._@-]+$")]
    pub(crate) name: String,
    /// client or staff.
    pub(crate) kind: UserKindName,
    /// Roles that fit the kind.
    #[schema(min_items = 1, max_items = 8)]
    pub(crate) roles: Vec<RoleName>,
    /// Accounts that they may act for; `["*"]` = all, for staff alone.
    #[serde(default)]
    #[schema(max_items = 256)]
    pub(crate) accounts: Vec<AccountText>,
    /// Password; without it one is made and shown once.
    #[schema(min_length = 12, max_length = 128, format = Password)]
    pub(crate) password: Option<String>,
}

/// Kinds of users.
#[derive(Clone, Copy, Deserialize, Serialize, ToSchema, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub(crate) enum UserKindName {
    /// Trades on accounts of their own.
    Client,
    /// Works at the broker.
    Staff,
}

/// A user.
#[derive(Serialize, ToSchema)]
pub(crate) struct UserShown {
    /// Stable id.
    pub(crate) id: String,
    /// Sign-in name.
    pub(crate) name: String,
    /// client or staff.
    pub(crate) kind: String,
    /// Roles.
    pub(crate) roles: Vec<String>,
    /// Accounts that they may act for; `*` = all.
    pub(crate) accounts: Vec<String>,
    /// Whether a second factor is confirmed.
    pub(crate) totp: bool,
    /// Whether they are shut out.
    pub(crate) disabled: bool,
    /// When it was made.
    pub(crate) created_at: String,
    /// When it was last changed.
    pub(crate) changed_at: String,
}

impl UserShown {
    pub(crate) fn of(row: &PrincipalRow, caller: &Caller) -> Self {
        Self {
            id: row.id.to_string(),
            name: caller.show(row.id, &Personal::<SignInName>::held(&row.name)),
            kind: row.kind.clone(),
            roles: list_of(&row.roles),
            accounts: accounts_shown(&accounts_of(&row.accounts)),
            totp: row.totp.is_some(),
            disabled: row.disabled,
            created_at: instant(row.created_at),
            changed_at: instant(row.changed_at),
        }
    }
}

/// A user that was made.
#[derive(Serialize, ToSchema)]
pub(crate) struct UserMade {
    /// The user.
    #[serde(flatten)]
    pub(crate) user: UserShown,
    /// The password that was made. Shown this once; null if it was given, and for a repeat.
    pub(crate) password: Option<String>,
}

/// Users, ascending.
#[derive(Serialize, ToSchema)]
pub(crate) struct UsersAnswer {
    /// Clients and staff.
    pub(crate) users: Vec<UserShown>,
    /// Where the next page begins; null = there is none.
    pub(crate) next_after: Option<u64>,
}

/// Which users or partners are asked for.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(crate) struct ListQuery {
    /// At most so many, up to 200.
    #[param(minimum = 1, maximum = 200)]
    pub(crate) limit: Option<u32>,
    /// The page after this one: `next_after` of the answer before.
    #[param(minimum = 0, maximum = 999_999_999)]
    pub(crate) after: Option<u64>,
}

/// A partner to be made.
#[derive(Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PartnerBody {
    /// What it calls itself: letters, digits, `.`, `_`, `-`, `@`.
    #[schema(min_length = 1, max_length = 64, pattern = "^[A-Za-z0-9._@-]+$")]
    pub(crate) name: String,
    /// Actions that it may ask for; empty = all that the role of a partner allows.
    #[serde(default)]
    #[schema(max_items = 33)]
    pub(crate) scopes: Vec<ActionName>,
    /// Accounts that it may act for; `["*"]` = all.
    #[serde(default)]
    #[schema(max_items = 256)]
    pub(crate) accounts: Vec<AccountText>,
}

/// A partner.
#[derive(Serialize, ToSchema)]
pub(crate) struct PartnerShown {
    /// Stable id.
    pub(crate) id: String,
    /// What it calls itself at the token endpoint.
    pub(crate) client_id: String,
    /// Actions that it may ask for; empty = all that the role of a partner allows.
    pub(crate) scopes: Vec<String>,
    /// Accounts that it may act for; `*` = all.
    pub(crate) accounts: Vec<String>,
    /// Whether it is shut out.
    pub(crate) disabled: bool,
    /// When it was made.
    pub(crate) created_at: String,
}

impl PartnerShown {
    pub(crate) fn of(row: &PrincipalRow, caller: &Caller) -> Self {
        Self {
            id: row.id.to_string(),
            client_id: caller.show(row.id, &Personal::<SignInName>::held(&row.name)),
            scopes: list_of(&row.scopes),
            accounts: accounts_shown(&accounts_of(&row.accounts)),
            disabled: row.disabled,
            created_at: instant(row.created_at),
        }
    }
}

/// A partner that was made.
#[derive(Serialize, ToSchema)]
pub(crate) struct PartnerMade {
    /// The partner.
    #[serde(flatten)]
    pub(crate) partner: PartnerShown,
    /// Its secret. Shown this once; null for a repeat.
    pub(crate) client_secret: Option<String>,
}

/// Partners, ascending.
#[derive(Serialize, ToSchema)]
pub(crate) struct PartnersAnswer {
    /// All of them.
    pub(crate) partners: Vec<PartnerShown>,
    /// Where the next page begins; null = there is none.
    pub(crate) next_after: Option<u64>,
}

/// A policy.
#[derive(Serialize, ToSchema)]
pub(crate) struct PolicyShown {
    /// Its name, which denials tell.
    pub(crate) name: String,
    /// Its text in Cedar.
    pub(crate) text: String,
}

/// What a role may do at all.
#[derive(Serialize, ToSchema)]
pub(crate) struct RoleShown {
    /// Its name.
    pub(crate) name: String,
    /// The kind of principal that may have it.
    pub(crate) kind: String,
    /// Actions that the policy lets it do, on accounts that are its own where it is about accounts.
    pub(crate) actions: Vec<String>,
}

/// The policies.
#[derive(Serialize, ToSchema)]
pub(crate) struct PoliciesAnswer {
    /// Every action that there is.
    pub(crate) actions: Vec<String>,
    /// What each role may do.
    pub(crate) roles: Vec<RoleShown>,
    /// The policies that say so.
    pub(crate) policies: Vec<PolicyShown>,
}

/// A request for a token.
#[derive(ToSchema)]
#[expect(dead_code, reason = "the form is read by hand; this describes it")]
pub(crate) struct TokenForm {
    /// client_credentials.
    pub(crate) grant_type: String,
    /// Actions with spaces between; without it all that the client may ask for.
    pub(crate) scope: Option<String>,
    /// Unless the client proves itself by the authorization header.
    pub(crate) client_id: Option<String>,
    /// Unless the client proves itself by the authorization header.
    pub(crate) client_secret: Option<String>,
}

/// A question about a token, or its end.
#[derive(ToSchema)]
#[expect(dead_code, reason = "the form is read by hand; this describes it")]
pub(crate) struct TokenQuestionForm {
    /// The token.
    pub(crate) token: String,
    /// access_token; it changes nothing.
    pub(crate) token_type_hint: Option<String>,
    /// Unless the client proves itself by the authorization header.
    pub(crate) client_id: Option<String>,
    /// Unless the client proves itself by the authorization header.
    pub(crate) client_secret: Option<String>,
}

/// An access token (RFC 6749, section 5.1).
#[derive(Serialize, ToSchema)]
pub(crate) struct TokenAnswer {
    /// The token.
    pub(crate) access_token: String,
    /// Bearer.
    pub(crate) token_type: String,
    /// Seconds until it ends.
    pub(crate) expires_in: u64,
    /// Actions with spaces between; empty = whatever the role allows.
    pub(crate) scope: String,
}

/// A refusal (RFC 6749, section 5.2).
#[derive(Serialize, ToSchema)]
pub(crate) struct TokenRefusal {
    /// Its stable name.
    pub(crate) error: String,
    /// For people.
    pub(crate) error_description: String,
}

/// What a token is (RFC 7662, section 2.2).
#[derive(Default, Serialize, ToSchema)]
pub(crate) struct IntrospectAnswer {
    /// Whether it counts.
    pub(crate) active: bool,
    /// Actions with spaces between.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) scope: Option<String>,
    /// Whose it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) client_id: Option<String>,
    /// Bearer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) token_type: Option<String>,
    /// Seconds since 1970 at which it ends.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) exp: Option<i64>,
    /// Seconds since 1970 at which it began.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) iat: Option<i64>,
    /// Stable id of the partner.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) sub: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_have_milliseconds_and_an_offset() {
        assert_eq!(instant(1_783_300_500_123_999_999), "2026-07-06T09:15:00.123+08:00");
    }
}
