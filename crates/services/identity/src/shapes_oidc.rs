//! What is sent and shown about sign-on by an OpenID provider.

use heng_security::privacy::{Personal, SignInName};
use heng_transport::Caller;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::oidc::LinkShownRow;
use crate::shapes::instant;
use crate::shapes_security::PasskeyAnswer;

/// The ways in that there are.
#[derive(Serialize, ToSchema)]
pub(crate) struct MethodsAnswer {
    /// By name and password, with a second factor where one is enrolled.
    pub(crate) password: bool,
    /// By an OpenID provider; null = none is configured.
    pub(crate) oidc: Option<OidcMethod>,
}

/// Sign-on by an OpenID provider.
#[derive(Serialize, ToSchema)]
pub(crate) struct OidcMethod {
    /// What the button says.
    pub(crate) name: String,
    /// What it opens.
    pub(crate) start: String,
}

/// Where to go after a sign-on.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(crate) struct StartQuery {
    /// A path of the console; another text counts as `/`.
    #[serde(rename = "return")]
    #[param(max_length = 200)]
    pub(crate) back: Option<String>,
}

/// Longest code and state, in characters; the declaration below says the same.
pub(crate) const CODE_MAX: usize = 2_048;
/// Longest issuer, in characters.
pub(crate) const ISSUER_MAX: usize = 512;
/// Longest error, in characters.
pub(crate) const ERROR_MAX: usize = 200;

/// What the provider sends the browser back with. Other parameters of its own are ignored, as OAuth asks for.
#[derive(Deserialize, IntoParams)]
#[expect(dead_code, reason = "read leniently, and declared for the document")]
pub(crate) struct CallbackQuery {
    /// The code that is given for tokens.
    #[param(max_length = 2048)]
    pub(crate) code: Option<String>,
    /// What the start sent.
    #[param(max_length = 2048)]
    pub(crate) state: Option<String>,
    /// The issuer of the answer (RFC 9207).
    #[param(max_length = 512)]
    pub(crate) iss: Option<String>,
    /// Why there is no code.
    #[param(max_length = 200)]
    pub(crate) error: Option<String>,
}

/// A factor of Heng's own for a sign-on that the provider proved; without one, the answer says what would do.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SignOnFactorBody {
    /// Code of the second factor, six digits.
    #[schema(max_length = 6)]
    pub(crate) totp: Option<String>,
    /// The answer of a passkey to the challenge of an earlier try, in the place of a code.
    pub(crate) passkey: Option<PasskeyAnswer>,
    /// A recovery code, in the place of a code.
    #[schema(max_length = 32)]
    pub(crate) recovery_code: Option<String>,
}

/// A back-channel logout.
#[derive(Deserialize, ToSchema)]
#[expect(dead_code, reason = "read as a form, and declared for the document")]
pub(crate) struct LogoutForm {
    /// The logout token.
    pub(crate) logout_token: String,
}

/// Whom a user is at the provider.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct LinkBody {
    /// The issuer: that of the configured provider.
    #[schema(min_length = 1, max_length = 512)]
    pub(crate) issuer: String,
    /// The subject, as the provider tells it; the trail has it of a sign-on that was refused.
    #[schema(min_length = 1, max_length = 255, pattern = "^[ -~]+$")]
    pub(crate) subject: String,
}

/// A link of a user to the provider.
#[derive(Serialize, ToSchema)]
pub(crate) struct LinkShown {
    /// The issuer.
    pub(crate) issuer: String,
    /// The subject.
    pub(crate) subject: String,
    /// Who linked them; null = the first sign-on, by the name.
    pub(crate) linked_by: Option<String>,
    /// When.
    pub(crate) linked_at: String,
    /// When the user first proved over it what Heng itself knows; null = not yet, and then the provider alone is not
    /// enough.
    pub(crate) confirmed_at: Option<String>,
}

impl LinkShown {
    pub(crate) fn of(user: u64, row: &LinkShownRow, caller: &Caller) -> Self {
        Self {
            issuer: row.issuer.clone(),
            subject: caller.show(user, &Personal::<SignInName>::held(&row.subject)),
            linked_by: (row.linked_by != 0).then(|| row.linked_by.to_string()),
            linked_at: instant(row.linked_at),
            confirmed_at: row.confirmed_at.map(instant),
        }
    }
}
