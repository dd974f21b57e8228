"""Ways in, and what callers do about themselves: factors, sessions, keys, consents, tokens.

Made from ``_async/entry.py`` by ``tools/unasync.py``; edit that file instead.
"""

from __future__ import annotations

from typing import Any, Mapping, Optional, Sequence
from urllib.parse import quote

from .. import models as m
from .._wire import Id, _given
from ..decode import decode
from ..signing import BearerToken
from .requests import Requests


class EntryOperations(Requests):
    """Ways in, and what callers do about themselves."""

    def sign_in_methods(self) -> m.SignInMethods:
        """The ways in that there are."""
        return self._get(m.SignInMethods, "/v1/sign-in/methods")

    def sign_in(
        self, user: str, password: str, totp: Optional[str] = None, *, recovery_code: Optional[str] = None,
        passkey: Optional[Mapping[str, Any]] = None,
    ) -> m.SignIn:
        """Signs in; the token is used from then on. With ``totp_required`` in the answer, call again with a code, or
        with a recovery code; with ``password_change_required``, call :meth:`change_password` before anything else."""
        body = _given(user=user, password=password, totp=totp, recovery_code=recovery_code, passkey=passkey)
        answer = decode(m.SignIn, self._call("POST", "/v1/sign-in", body=body, repeatable=False))
        if answer.token:
            self.credential = BearerToken(answer.token)
        return answer

    def sign_out(self) -> None:
        """Ends the session."""
        self._call("POST", "/v1/sign-out", repeatable=False)
        self.credential = None

    def me(self) -> m.Me:
        """Who the caller is, and what the policy lets them do."""
        return self._get(m.Me, "/v1/me")

    def change_password(self, current_password: str, new_password: str) -> None:
        """Changes the password; at least 12 characters."""
        body = {"current_password": current_password, "new_password": new_password}
        self._call("POST", "/v1/me/password", body=body, repeatable=False)

    def enrol_totp(self, password: str) -> m.SecondFactor:
        """Makes a second factor, which waits for :meth:`confirm_totp`."""
        return self._post(m.SecondFactor, "/v1/me/totp", {"password": password})

    def confirm_totp(self, code: str) -> None:
        """Confirms the second factor by a code of it."""
        self._call("POST", "/v1/me/totp/confirm", body={"code": code}, repeatable=False)

    def remove_totp(self) -> None:
        """Removes the one-time codes, which takes a fresh proof (``step_up``), and ends other sessions; staff may not."""
        self._call("DELETE", "/v1/me/totp", repeatable=False)

    def factors(self) -> m.Factors:
        """What the caller has beside the password."""
        return self._get(m.Factors, "/v1/me/factors")

    def make_recovery_codes(self) -> m.RecoveryCodes:
        """Makes fresh recovery codes, each good once in the place of a second factor; earlier ones end."""
        return self._post(m.RecoveryCodes, "/v1/me/recovery-codes")

    def begin_passkey(self, password: str) -> m.PasskeyChallenge:
        """Begins to make a passkey: what a browser's ``navigator.credentials.create`` needs."""
        return self._post(m.PasskeyChallenge, "/v1/me/passkeys", {"password": password})

    def finish_passkey(self, challenge_id: str, name: str, credential: Mapping[str, Any]) -> m.Passkey:
        """Keeps the passkey that the browser made."""
        body = {"name": name, "credential": dict(credential)}
        return self._post(m.Passkey, f"/v1/me/passkeys/challenges/{quote(challenge_id, safe='')}", body)

    def rename_passkey(self, passkey_id: Id, name: str) -> m.Passkey:
        """Gives a passkey another name."""
        return self._post(m.Passkey, f"/v1/me/passkeys/{passkey_id}", {"name": name}, repeatable=True)

    def remove_passkey(self, passkey_id: Id) -> None:
        """Removes a passkey, and ends the caller's other sessions."""
        self._delete(f"/v1/me/passkeys/{passkey_id}")

    def use_password_reset(self, user: str, code: str, new_password: str) -> None:
        """Chooses a new password with a code that staff made; all sessions of the user end."""
        body = {"user": user, "code": code, "new_password": new_password}
        self._call("POST", "/v1/password-reset", body=body, repeatable=False)

    def sessions(
        self, *, user: Optional[Id] = None, limit: Optional[int] = None, before: Optional[Id] = None
    ) -> m.SessionPage:
        """Sessions that have not ended, newest first."""
        return self._get(m.SessionPage, "/v1/sessions", _given(user=user, limit=limit, before=before))

    def end_session(self, session_id: Id) -> None:
        """Ends a session. Ending it twice changes nothing."""
        self._delete(f"/v1/sessions/{session_id}")

    def end_other_sessions(self) -> m.SessionsEnded:
        """Ends all sessions of the caller but this one."""
        return decode(m.SessionsEnded, self._call("DELETE", "/v1/sessions", repeatable=True))

    def api_keys(
        self, *, user: Optional[Id] = None, limit: Optional[int] = None, before: Optional[Id] = None
    ) -> m.ApiKeyPage:
        """API keys that are not revoked, newest first."""
        return self._get(m.ApiKeyPage, "/v1/api-keys", _given(user=user, limit=limit, before=before))

    def create_api_key(
        self, name: str, *, kind: Optional[str] = None, public_key: Optional[str] = None,
        scopes: Sequence[str] = (), networks: Sequence[str] = (), days: Optional[int] = None,
        idempotency_key: Optional[str] = None,
    ) -> m.ApiKeyMade:
        """Makes an API key. A repeat under the same ``idempotency_key`` gets the same key, without its secret."""
        body = {
            "name": name, "scopes": list(scopes), "networks": list(networks),
            **_given(kind=kind, public_key=public_key, days=days),
        }
        return self._post(m.ApiKeyMade, "/v1/api-keys", body, key=idempotency_key)

    def revoke_api_key(self, key_id: str) -> None:
        """Revokes an API key."""
        self._delete(f"/v1/api-keys/{quote(key_id, safe='')}")

    def consents(
        self, *, user: Optional[Id] = None, limit: Optional[int] = None, before: Optional[Id] = None
    ) -> m.ConsentPage:
        """Who agreed to which text, newest first; without ``user`` the caller's own."""
        return self._get(m.ConsentPage, "/v1/consents", _given(user=user, limit=limit, before=before))

    def note_consent(
        self, document: str, *, version: str, language: str, text_sha256: str, agreed: bool = True
    ) -> m.Consent:
        """Keeps that the caller agreed to a text, or takes that back. Each call makes a record of its own."""
        body = {
            "document": document, "version": version, "language": language, "text_sha256": text_sha256,
            "agreed": agreed,
        }
        return self._post(m.Consent, "/v1/consents", body)

    def client_credentials(
        self, client_id: str, client_secret: str, scope: Optional[str] = None, *, use: bool = True
    ) -> m.OAuthToken:
        """An access token of a partner (OAuth 2.1 client credentials); ``use`` it from then on."""
        form = _given(grant_type="client_credentials", client_id=client_id, client_secret=client_secret, scope=scope)
        token = decode(m.OAuthToken, self._form("/oauth/token", form))
        if use:
            self.credential = BearerToken(token.access_token)
        return token

    def introspect(self, token: str, client_id: str, client_secret: str) -> m.Introspection:
        """Whether a token counts."""
        form = {"token": token, "client_id": client_id, "client_secret": client_secret}
        return decode(m.Introspection, self._form("/oauth/introspect", form))

    def revoke_token(self, token: str, client_id: str, client_secret: str) -> None:
        """Ends a token."""
        self._form("/oauth/revoke", {"token": token, "client_id": client_id, "client_secret": client_secret})
