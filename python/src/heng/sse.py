"""Server-sent events (HTML standard, 9.2.6)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import List, Optional

__all__ = ["EventParser", "LineSplitter", "ServerEvent"]

#: Longest event that is taken.
EVENT_MAX = 4 * 1024 * 1024


@dataclass(frozen=True)
class ServerEvent:
    """One event."""

    id: str
    event: str
    data: str


class EventParser:
    """Takes the lines of a stream, without their ends, and tells the events."""

    def __init__(self) -> None:
        self._id = ""
        self._event = ""
        self._data: List[str] = []
        self._size = 0

    def line(self, line: str) -> Optional[ServerEvent]:
        """The event that this line completes, if it does."""
        if line == "":
            event = ServerEvent(self._id, self._event or "message", "\n".join(self._data)) if self._data else None
            self._event, self._data, self._size = "", [], 0
            return event
        field, _, value = line.partition(":")
        value = value[1:] if value.startswith(" ") else value
        if field == "data":
            self._size += len(value)
            if self._size > EVENT_MAX:
                raise ValueError("an event is too long")
            self._data.append(value)
        elif field == "event":
            self._event = value
        elif field == "id" and "\0" not in value:
            self._id = value
        return None


class LineSplitter:
    """Splits bytes into lines at LF or CR LF, and at nothing else: JSON may hold other separators inside a line."""

    def __init__(self) -> None:
        self._rest = b""

    def push(self, piece: bytes) -> List[str]:
        """The lines that are complete."""
        *lines, self._rest = (self._rest + piece).split(b"\n")
        if len(self._rest) > EVENT_MAX:
            raise ValueError("a line is too long")
        return [line[:-1].decode() if line.endswith(b"\r") else line.decode() for line in lines]
