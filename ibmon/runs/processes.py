"""What is written down of a run's processes: that a job was submitted, that a supervisor began, how its trainer ended.

Small files, each of them replaced whole: a run may train on another host than the one that made it, where none of its locks can
be asked.
"""

from __future__ import annotations

import socket
import time
from typing import TYPE_CHECKING, TypeVar

import msgspec

from .log import open_regular

if TYPE_CHECKING:
    from .directory import RunDirectory

F = TypeVar("F", bound="Fact")


class Fact(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A file of a run directory, by the name of its kind. ``time`` is seconds since 1970, UTC."""

    time: float = 0.0


class Submitted(Fact, frozen=True, kw_only=True, omit_defaults=True):
    """``submitted.json``: the job that is to train the run, and the launcher as it was asked for (``slurm:partition=main``).

    ``gone``: the launcher was asked, and the job had ended before it began.
    """

    launcher: str
    job: str
    gone: bool = False

    def __str__(self) -> str:
        return f"job {self.job} of {self.launcher.partition(':')[0]}"


class Started(Fact, frozen=True, kw_only=True, omit_defaults=True):
    """``started.json``: the newest supervisor, its host, and the number of logs that earlier trainers had left."""

    host: str
    after: int = 0


class Exit(Fact, frozen=True, kw_only=True, omit_defaults=True):
    """``exit.json``: how the supervised trainer ended; a negative code is a signal. ``drained``: nothing waits for an analyst."""

    code: int
    drained: bool = False


class Mirrored(Fact, frozen=True, kw_only=True, omit_defaults=True):
    """``mirrored.json``, in a copy only: of which run, on which host. With ``trouble``, ``time`` is that of the last contact."""

    address: str
    host: str
    trouble: str = ""


class Again(Fact, frozen=True, kw_only=True, omit_defaults=True):
    """``again.json``, in the folder of a request only: what is to be measured again of the run in the directory ``run``.

    ``jobs`` is the number of processes, as many as there are cores where it is None.
    """

    run: str
    estimators: tuple[str, ...] = ()
    analyses: tuple[str, ...] = ()
    jobs: int | None = None


def read(run: RunDirectory, kind: type[F]) -> F | None:
    """What is written of this kind; None without it, or where it cannot be read."""
    try:
        with open_regular(run.path / _name(kind)) as file:
            return msgspec.json.decode(file.read(2**16), type=kind)
    except (OSError, msgspec.MsgspecError, ValueError):
        return None


def write(run: RunDirectory, fact: Fact) -> None:
    """Write it, stamped with the time unless it was before. Raises OSError."""
    fact = msgspec.structs.replace(fact, time=fact.time or round(time.time(), 3))
    temporary = run.path / f".{_name(type(fact))}.tmp"
    temporary.write_bytes(msgspec.json.encode(fact))
    temporary.rename(run.path / _name(type(fact)))


def begin(run: RunDirectory) -> None:
    """Say that a supervisor begins, so that what an earlier trainer said last, and how it ended, is not taken for the next one's.

    Raises OSError.
    """
    (run.path / _name(Exit)).unlink(missing_ok=True)
    write(run, Started(host=socket.gethostname(), after=len(run.logs("trainer"))))
    run.heartbeat.touch()


def _name(kind: type[Fact]) -> str:
    return f"{kind.__name__.lower()}.json"
