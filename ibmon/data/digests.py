"""What tells the bytes of a file from all others: SHA-256, or what git calls them."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

NAMES = {"sha256": "SHA-256", "git": "hash in git"}
"""How a sentence calls each algorithm."""


def digest(path: Path, algorithm: str) -> str:
    """The hash of a file in hex. That of ``git`` is the SHA-1 of its size and bytes: a repository tells it without content."""
    with path.open("rb") as file:
        if algorithm != "git":
            return hashlib.file_digest(file, algorithm).hexdigest()
        started = hashlib.sha1(b"blob %d\0" % path.stat().st_size, usedforsecurity=False)
        return hashlib.file_digest(file, lambda: started).hexdigest()
