"""What one person asks for and another decides: password resets, roles, access."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import List, Optional


@dataclass(frozen=True)
class PasswordReset:
    """A reset of a password."""

    id: str
    user: str
    #: Whether the second factors go as well.
    factors: bool
    reason: str
    #: proposed, ready, declined, used or replaced.
    state: str
    asked_by: str
    asked_at: str
    #: ``None`` where one person is enough.
    decided_by: Optional[str] = None
    decided_at: Optional[str] = None
    expires_at: Optional[str] = None


@dataclass(frozen=True)
class PasswordResetMade(PasswordReset):
    """A reset, with its code if one was made now. The code is shown this once."""

    code: Optional[str] = field(default=None, repr=False)


@dataclass(frozen=True)
class PasswordResetPage:
    """Resets, newest first."""

    resets: List[PasswordReset]
    next_before: Optional[int] = None


@dataclass(frozen=True)
class RoleChange:
    """A change of roles and accounts."""

    id: str
    user: str
    #: Roles and accounts that they shall have, all of them.
    roles: List[str]
    accounts: List[str]
    reason: str
    #: proposed, approved or declined.
    state: str
    proposed_by: str
    proposed_at: str
    decided_by: Optional[str] = None
    decided_at: Optional[str] = None


@dataclass(frozen=True)
class RoleChangePage:
    """Changes, newest first."""

    changes: List[RoleChange]
    next_before: Optional[int] = None


@dataclass(frozen=True)
class AccessReview:
    """An access review."""

    id: str
    begun_by: str
    begun_at: str
    due_at: str
    #: Users that nobody has decided on.
    open: int
    overdue: bool


@dataclass(frozen=True)
class AccessReviewPage:
    """Access reviews, newest first."""

    reviews: List[AccessReview]
    next_before: Optional[int] = None


@dataclass(frozen=True)
class AccessReviewItem:
    """One user of an access review, as they stood when it began."""

    user: str
    name: str
    #: staff or partner.
    kind: str
    roles: List[str]
    accounts: List[str]
    #: open, confirmed or revoked.
    state: str
    last_used_at: Optional[str] = None
    decided_by: Optional[str] = None
    decided_at: Optional[str] = None


@dataclass(frozen=True)
class AccessReviewItems:
    """An access review with its users, by id."""

    review: AccessReview
    items: List[AccessReviewItem]
    next_after: Optional[int] = None
