"""Users, their factors, sessions, keys, partners, policies, the audit trail."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Dict, List, Optional


@dataclass(frozen=True)
class Principal:
    """Who somebody is."""

    id: str
    kind: str
    name: str
    roles: List[str]
    #: Accounts that it may act for; ``*`` = all.
    accounts: List[str]
    scopes: List[str] = field(default_factory=list)
    credential: str = ""


@dataclass(frozen=True)
class Me(Principal):
    """The caller."""

    #: Actions that the policy lets the caller do at all.
    actions: List[str] = field(default_factory=list)
    totp: bool = False
    passkeys: int = 0


@dataclass(frozen=True)
class OidcMethod:
    """Sign-on by an OpenID provider."""

    name: str
    #: The path that a browser opens.
    start: str


@dataclass(frozen=True)
class SignInMethods:
    """The ways in that there are."""

    password: bool
    oidc: Optional[OidcMethod] = None


@dataclass(frozen=True)
class PasskeyChallenge:
    """A challenge for a passkey, for a browser to answer."""

    id: str
    options: Dict[str, Any]


@dataclass(frozen=True)
class SignIn:
    """What became of a sign-in."""

    totp_required: bool
    token: Optional[str] = None
    expires_at: Optional[str] = None
    principal: Optional[Principal] = None
    totp_enrolment_required: bool = False
    #: Somebody else knows the password: change it first.
    password_change_required: bool = False
    #: The password is right, and a factor is needed as well; a passkey answers its challenge.
    second_factor_required: bool = False
    passkey: Optional[PasskeyChallenge] = None
    recovery_possible: bool = False


@dataclass(frozen=True)
class StepUpText:
    """What will happen."""

    en: str
    zh: str


@dataclass(frozen=True)
class StepUp:
    """A grave operation that waits for a fresh proof."""

    id: str
    text: StepUpText
    #: passkey, totp or password.
    means: str
    expires_at: str
    #: For a passkey: what a browser reads.
    options: Optional[Dict[str, Any]] = None


@dataclass(frozen=True)
class StepUpGiven:
    """A fresh proof; it counts once."""

    step_up: str = field(repr=False)
    expires_at: str


@dataclass(frozen=True)
class SecondFactor:
    """A second factor that waits to be confirmed."""

    secret: str
    uri: str


@dataclass(frozen=True)
class Passkey:
    """A passkey."""

    id: str
    name: str
    created_at: str
    used_at: Optional[str] = None


@dataclass(frozen=True)
class Factors:
    """What the caller has beside the password."""

    passkeys: List[Passkey]
    totp: bool
    #: Whether some are left.
    recovery_codes: bool
    #: Where passkeys work.
    origin: str


@dataclass(frozen=True)
class RecoveryCodes:
    """Recovery codes. They are shown this once."""

    codes: List[str] = field(repr=False)


@dataclass(frozen=True)
class Session:
    """A session."""

    id: str
    kind: str
    user: str
    address: str
    created_at: str
    used_at: str
    expires_at: str
    current: bool = False
    place: str = ""
    device: str = ""
    #: How it was begun.
    means: str = ""


@dataclass(frozen=True)
class SessionPage:
    """Sessions, newest first."""

    sessions: List[Session]
    next_before: Optional[int] = None


@dataclass(frozen=True)
class SessionsEnded:
    """Sessions that ended."""

    ended: int


@dataclass(frozen=True)
class ApiKey:
    """An API key."""

    id: str
    name: str
    #: hmac-sha256 or ed25519.
    kind: str
    user: str
    scopes: List[str]
    networks: List[str]
    created_at: str
    expires_at: Optional[str] = None


@dataclass(frozen=True)
class ApiKeyMade(ApiKey):
    """A key that was made. The secret is shown this once."""

    secret: Optional[str] = field(default=None, repr=False)


@dataclass(frozen=True)
class ApiKeyPage:
    """Keys, newest first."""

    keys: List[ApiKey]
    next_before: Optional[int] = None


@dataclass(frozen=True)
class User:
    """A user."""

    id: str
    name: str
    kind: str
    roles: List[str]
    accounts: List[str]
    totp: bool
    disabled: bool
    created_at: str
    changed_at: str


@dataclass(frozen=True)
class UserMade(User):
    """A user that was made. A password that the server made is shown this once."""

    password: Optional[str] = field(default=None, repr=False)


@dataclass(frozen=True)
class UserPage:
    """Users, by id."""

    users: List[User]
    next_after: Optional[int] = None


@dataclass(frozen=True)
class ProviderLink:
    """Whom a user is at the OpenID provider."""

    issuer: str
    subject: str
    linked_at: str
    #: ``None`` = the first sign-on, by the name.
    linked_by: Optional[str] = None
    #: When the user first proved over it what Heng itself knows.
    confirmed_at: Optional[str] = None


@dataclass(frozen=True)
class Partner:
    """A partner."""

    id: str
    client_id: str
    scopes: List[str]
    accounts: List[str]
    disabled: bool
    created_at: str


@dataclass(frozen=True)
class PartnerMade(Partner):
    """A partner that was made. The secret is shown this once."""

    client_secret: Optional[str] = field(default=None, repr=False)


@dataclass(frozen=True)
class PartnerPage:
    """Partners, by id."""

    partners: List[Partner]
    next_after: Optional[int] = None


@dataclass(frozen=True)
class AuditRow:
    """A row of the audit trail."""

    number: int
    at: str
    principal: str
    name: str
    credential: str
    action: str
    resource: str
    #: allowed, denied, done or failed.
    outcome: str
    detail: str
    address: str
    times: int = 1
    #: Its place in the evidence log, once it is there.
    leaf: Optional[int] = None


@dataclass(frozen=True)
class AuditPage:
    """The audit trail, newest first."""

    rows: List[AuditRow]
    next_before: Optional[int] = None


@dataclass(frozen=True)
class Policy:
    """A policy in Cedar."""

    name: str
    text: str


@dataclass(frozen=True)
class RolePolicy:
    """What a role may do at all."""

    name: str
    kind: str
    actions: List[str]


@dataclass(frozen=True)
class Policies:
    """Who may do what."""

    actions: List[str]
    roles: List[RolePolicy]
    policies: List[Policy]


@dataclass(frozen=True)
class OAuthToken:
    """An access token of a partner."""

    access_token: str = field(repr=False)
    token_type: str = "Bearer"
    expires_in: int = 0
    scope: str = ""


@dataclass(frozen=True)
class Introspection:
    """Whether a token counts."""

    active: bool
    scope: Optional[str] = None
    client_id: Optional[str] = None
    token_type: Optional[str] = None
    exp: Optional[int] = None
    iat: Optional[int] = None
    sub: Optional[str] = None
