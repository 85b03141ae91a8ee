"""What names a run on another host: ``[user@]host:path``, as scp has it, or ``[user@]host:run``."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from ibmon.records import UsageError

_ADDRESS = re.compile(r"((?:[A-Za-z0-9_][^\s:/@]*@)?(?:[A-Za-z0-9_][A-Za-z0-9._-]*|\[[0-9A-Fa-f:.%\w]+\])):(.*)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Address:
    """``login`` is what ssh is given, user and host; ``place`` a path or a run's id there, nothing for the newest run."""

    login: str
    place: str

    @property
    def host(self) -> str:
        """The host alone, as it is shown."""
        return self.login.rpartition("@")[2]

    def __str__(self) -> str:
        return f"{self.login}:{self.place}"


def parse(text: str | None) -> Address | None:
    """The address that a text is; None for what is none, or is a file here.

    A login never begins with a dash, so that it cannot be taken for an option. Raises UsageError for a path with a line break.
    """
    found = _ADDRESS.fullmatch(text or "")
    if text is None or found is None or Path(text).exists():
        return None
    login, place = found.groups()
    if "\n" in place or "\0" in place:
        raise UsageError(f"A path on {login} cannot have a line break.")
    user, at, host = login.rpartition("@")
    return Address(user + at + host.strip("[]"), place.removeprefix("~/"))
