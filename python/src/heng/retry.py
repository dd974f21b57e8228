"""When to try again, and after how long."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import Callable, Optional

from .errors import ApiError, TransportError, outcome_is_unknown

__all__ = ["RetryPolicy"]


@dataclass(frozen=True)
class RetryPolicy:
    """Exponential back-off with full jitter, bounded in number and in time.

    ``attempts`` counts the first one. A ``Retry-After`` of the server is waited for at least; if it is longer than
    what is left of ``deadline_s``, the error is raised at once.
    """

    attempts: int = 5
    base_s: float = 0.1
    most_s: float = 5.0
    deadline_s: float = 30.0
    random: Callable[[], float] = field(default=random.random, repr=False)

    def wait(self, attempt: int, error: BaseException, elapsed_s: float) -> Optional[float]:
        """Seconds to wait behind the failed attempt number ``attempt`` (from 1); ``None`` = give up."""
        if attempt >= self.attempts:
            return None
        jittered = self.random() * min(self.most_s, self.base_s * 2.0 ** (attempt - 1))
        asked = error.retry_after if isinstance(error, ApiError) else None
        # Those who were told the same second do not all come back in the same instant.
        wait = jittered if asked is None else asked + self.random() * self.base_s
        return wait if elapsed_s + wait <= self.deadline_s else None


def is_passing(error: BaseException) -> bool:
    """Whether the same request may well succeed later. A change is repeated only where that cannot double it."""
    if isinstance(error, TransportError) or outcome_is_unknown(error):
        return True
    return isinstance(error, ApiError) and error.status in (408, 429, 500, 502, 503, 504)
