"""Users and partners, and what the staff decide about them.

Made from ``_async/people.py`` by ``tools/unasync.py``; edit that file instead.
"""

from __future__ import annotations

from typing import Optional, Sequence

from .. import models as m
from .._wire import Id, _given
from ..decode import decode
from .requests import Requests


class PeopleOperations(Requests):
    """Users and partners."""

    def users(self, *, limit: Optional[int] = None, after: Optional[Id] = None) -> m.UserPage:
        """Clients and staff."""
        return self._get(m.UserPage, "/v1/users", _given(limit=limit, after=after))

    def user(self, user_id: Id) -> m.User:
        """One user."""
        return self._get(m.User, f"/v1/users/{user_id}")

    def create_user(
        self, name: str, *, kind: str, roles: Sequence[str], accounts: Sequence[str] = (),
        password: Optional[str] = None, idempotency_key: Optional[str] = None,
    ) -> m.UserMade:
        """Makes a user."""
        body = {
            "name": name, "kind": kind, "roles": list(roles), "accounts": list(accounts), **_given(password=password),
        }
        return self._post(m.UserMade, "/v1/users", body, key=idempotency_key)

    def disable_user(self, user_id: Id) -> m.User:
        """Shuts a user out."""
        return self._post(m.User, f"/v1/users/{user_id}/disable", repeatable=True)

    def enable_user(self, user_id: Id) -> m.User:
        """Lets a user in again."""
        return self._post(m.User, f"/v1/users/{user_id}/enable", repeatable=True)

    def end_sessions_of(self, user_id: Id) -> m.SessionsEnded:
        """Ends all sessions of another user."""
        return decode(m.SessionsEnded, self._call("DELETE", f"/v1/users/{user_id}/sessions", repeatable=True))

    def reset_factors(self, user_id: Id) -> m.User:
        """Removes a user's one-time codes, passkeys and recovery codes, and ends their sessions."""
        return self._post(m.User, f"/v1/users/{user_id}/reset-factors", repeatable=True)

    def provider_link(self, user_id: Id) -> m.ProviderLink:
        """Whom a user is at the OpenID provider."""
        return self._get(m.ProviderLink, f"/v1/users/{user_id}/provider-link")

    def link_provider(self, user_id: Id, *, issuer: str, subject: str) -> m.ProviderLink:
        """Links a staff user to a subject of the OpenID provider."""
        body = {"issuer": issuer, "subject": subject}
        return self._post(m.ProviderLink, f"/v1/users/{user_id}/provider-link", body)

    def unlink_provider(self, user_id: Id) -> None:
        """Takes the link away, and ends the sessions that began by it."""
        self._delete(f"/v1/users/{user_id}/provider-link")

    # ----------------------------------------------------------------------------------------------------------------
    # What one person asks for and another decides

    def password_resets(
        self, *, limit: Optional[int] = None, before: Optional[Id] = None
    ) -> m.PasswordResetPage:
        """Resets of passwords that were asked for, newest first."""
        return self._get(m.PasswordResetPage, "/v1/password-resets", _given(limit=limit, before=before))

    def ask_password_reset(self, user: Id, *, reason: str, factors: bool = False) -> m.PasswordResetMade:
        """Lets a user who has forgotten the password choose a new one with a code; ``factors`` go as well.

        For a client the answer carries the code; for staff another person approves, and gets it.
        """
        body = {"user": str(user), "factors": factors, "reason": reason}
        return self._post(m.PasswordResetMade, "/v1/password-resets", body)

    def decide_password_reset(self, reset_id: Id, decision: str) -> m.PasswordResetMade:
        """Decides (``approve`` or ``decline``) on a reset of one of the staff; the approval carries the code."""
        return self._post(m.PasswordResetMade, f"/v1/password-resets/{reset_id}", {"decision": decision})

    def role_changes(self, *, limit: Optional[int] = None, before: Optional[Id] = None) -> m.RoleChangePage:
        """Changes of roles and accounts that were asked for, newest first."""
        return self._get(m.RoleChangePage, "/v1/role-changes", _given(limit=limit, before=before))

    def propose_roles(
        self, user: Id, *, roles: Sequence[str], accounts: Sequence[str], reason: str
    ) -> m.RoleChange:
        """Asks for other roles and accounts of a user: all that they shall have."""
        body = {"user": str(user), "roles": list(roles), "accounts": list(accounts), "reason": reason}
        return self._post(m.RoleChange, "/v1/role-changes", body)

    def decide_roles(self, change_id: Id, decision: str) -> m.RoleChange:
        """Decides (``approve`` or ``decline``) on a change; what is approved counts at once."""
        return self._post(m.RoleChange, f"/v1/role-changes/{change_id}", {"decision": decision})

    def access_reviews(
        self, *, limit: Optional[int] = None, before: Optional[Id] = None
    ) -> m.AccessReviewPage:
        """Access reviews, newest first."""
        return self._get(m.AccessReviewPage, "/v1/access-reviews", _given(limit=limit, before=before))

    def begin_access_review(self, due_days: int) -> m.AccessReview:
        """Begins a review of all staff and partners who may come in."""
        return self._post(m.AccessReview, "/v1/access-reviews", {"due_days": due_days})

    def access_review(
        self, review_id: Id, *, limit: Optional[int] = None, after: Optional[Id] = None
    ) -> m.AccessReviewItems:
        """One review: users, roles, last use."""
        path = f"/v1/access-reviews/{review_id}"
        return self._get(m.AccessReviewItems, path, _given(limit=limit, after=after))

    def decide_access(self, review_id: Id, user: Id, decision: str) -> None:
        """Confirms what a user has (``confirm``), or shuts them out at once (``revoke``)."""
        body = {"user": str(user), "decision": decision}
        self._call("POST", f"/v1/access-reviews/{review_id}", body=body, repeatable=False)

    # ----------------------------------------------------------------------------------------------------------------
    # Partners

    def partners(self, *, limit: Optional[int] = None, after: Optional[Id] = None) -> m.PartnerPage:
        """Partners."""
        return self._get(m.PartnerPage, "/v1/partners", _given(limit=limit, after=after))

    def create_partner(
        self, name: str, *, scopes: Sequence[str] = (), accounts: Sequence[str] = (),
        idempotency_key: Optional[str] = None,
    ) -> m.PartnerMade:
        """Makes a partner."""
        body = {"name": name, "scopes": list(scopes), "accounts": list(accounts)}
        return self._post(m.PartnerMade, "/v1/partners", body, key=idempotency_key)

    def disable_partner(self, partner_id: Id) -> None:
        """Shuts a partner out."""
        self._delete(f"/v1/partners/{partner_id}")
