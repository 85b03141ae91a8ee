"""What is said between who hands out snapshots and those who measure them: JSON, a line each, with paths and names."""

from __future__ import annotations

import msgspec


class Task(msgspec.Struct, frozen=True, kw_only=True, tag="task"):
    """The jobs that are to be done on a kept snapshot (``segment``-``seq``) of the run in the directory ``run``."""

    run: str
    snapshot: str
    jobs: tuple[str, ...]


class Ready(msgspec.Struct, frozen=True, kw_only=True, tag="ready"):
    """A worker waits for its next task. ``problem`` is why the snapshot of the last one could not be read."""

    problem: str = ""


class Began(msgspec.Struct, frozen=True, kw_only=True, tag="began"):
    """A worker begins a job: should it die, it died in this one."""

    job: str


class Ended(msgspec.Struct, frozen=True, kw_only=True, tag="ended"):
    """The line of a job is in the log. ``broken`` is why the job is to be switched off."""

    job: str
    broken: str = ""


Message = Task | Ready | Began | Ended
_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Message)


def encode(message: Message) -> bytes:
    """One line, newline included."""
    return _encoder.encode(message) + b"\n"


def decode(line: bytes) -> Message:
    """Raises ``msgspec.DecodeError`` where a line is no message."""
    return _decoder.decode(line)
