"""Makes the synchronous client from the asynchronous one: ``python tools/unasync.py [--check]``."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Dict

PACKAGE = Path(__file__).resolve().parent.parent / "src" / "heng"

REPLACEMENTS = [
    (r"\basync (def|with|for)\b", r"\1"),
    (r"\bawait ", ""),
    (r"\bAsync(Client|Iterator|Generator)\b", r"\1"),
    (r"__a(enter|exit)__", r"__\1__"),
    (r"\.a(close|read|iter_bytes)\(", r".\1("),
    (r"\bdef aclose\b", "def close"),
    (r"_io_async as io", "_io_sync as io"),
    (r"\bfrom \._async\b", "from ._sync"),
]


def synchronous(source: Path, told: str) -> str:
    """The text of the synchronous twin of a file; ``told`` is its first line."""
    text = source.read_text(encoding="utf-8")
    name = source.relative_to(PACKAGE).as_posix()
    head = f'"""{told}\n\nMade from ``{name}`` by ``tools/unasync.py``; edit that file instead.\n"""\n'
    text = head + text[text.index('"""', 3) + 4:]
    for pattern, replacement in REPLACEMENTS:
        text = re.sub(pattern, replacement, text)
    return text


def made() -> Dict[Path, str]:
    """Every file of the synchronous client with its text."""
    found = {PACKAGE / "client.py": synchronous(PACKAGE / "aio.py", "The synchronous client.")}
    for source in sorted((PACKAGE / "_async").glob("*.py")):
        first = source.read_text(encoding="utf-8").split('"""')[1]
        told = first.replace("asynchronous", "synchronous")
        found[PACKAGE / "_sync" / source.name] = synchronous(source, told)
    return found


def main() -> int:
    """Writes the files, or tells whether they are as they should be."""
    files = made()
    strays = [path for path in (PACKAGE / "_sync").glob("*.py") if path not in files]
    if "--check" in sys.argv[1:]:
        same = all(path.is_file() and path.read_text(encoding="utf-8") == text for path, text in files.items())
        return 0 if same and not strays else 1
    for path in strays:
        path.unlink()
    for path, text in files.items():
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
