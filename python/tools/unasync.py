"""Makes the synchronous client from the asynchronous one: ``python tools/unasync.py [--check]``."""

from __future__ import annotations

import re
import sys
from pathlib import Path

SOURCE = Path(__file__).resolve().parent.parent / "src" / "heng" / "aio.py"
TARGET = SOURCE.with_name("client.py")

HEAD = """\"\"\"The synchronous client. Made from ``aio.py`` by ``tools/unasync.py``; edit that file instead.

Long because: it holds one method for each operation of the API.
\"\"\"
"""

REPLACEMENTS = [
    (r"\basync (def|with|for)\b", r"\1"),
    (r"\bawait ", ""),
    (r"\bAsync(Client|Iterator|Generator)\b", r"\1"),
    (r"__a(enter|exit)__", r"__\1__"),
    (r"\.a(close|read|iter_bytes)\(", r".\1("),
    (r"\bdef aclose\b", "def close"),
    (r"_io_async as io", "_io_sync as io"),
]


def synchronous() -> str:
    """The text of the synchronous client."""
    text = SOURCE.read_text(encoding="utf-8")
    text = HEAD + text[text.index('"""', 3) + 3:]
    for pattern, replacement in REPLACEMENTS:
        text = re.sub(pattern, replacement, text)
    return text


def main() -> int:
    """Writes the file, or tells whether it is as it should be."""
    made = synchronous()
    if "--check" in sys.argv[1:]:
        return 0 if TARGET.is_file() and TARGET.read_text(encoding="utf-8") == made else 1
    TARGET.write_text(made, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
