"""Who is alive in a run directory.

A process that writes holds a POSIX record lock on a file of its own for as long as it lives; the kernel releases it however the
process dies. Others ask with ``F_GETLK``, which takes no lock and names the holder. (A ``flock`` is inherited by forked
children, so data-loader workers would report a dead trainer alive.)

A POSIX lock is also released when the process closes *any* descriptor of the file, so only this module opens lock files,
and once a process.
"""

from __future__ import annotations

import fcntl
import os
import struct
import sys
import threading
from pathlib import Path

_held: dict[str, int] = {}
_guard = threading.Lock()

if sys.platform == "darwin":
    _FLOCK = struct.Struct("@qqihh")  # start, len, pid, type, whence

    def _query() -> bytes:
        return _FLOCK.pack(0, 0, 0, fcntl.F_WRLCK, os.SEEK_SET)

    def _answer(raw: bytes) -> tuple[int, int]:
        _, _, pid, kind, _ = _FLOCK.unpack(raw)
        return kind, pid

else:
    _FLOCK = struct.Struct("@hhqqi4x")  # type, whence, start, len, pid

    def _query() -> bytes:
        return _FLOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)

    def _answer(raw: bytes) -> tuple[int, int]:
        kind, _, _, _, pid = _FLOCK.unpack(raw)
        return kind, pid


def acquire(path: Path) -> bool:
    """Take the lock for the rest of this process's life; False when another process has it. Idempotent."""
    key = str(path.resolve())
    with _guard:
        if key in _held:
            return True
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(descriptor)
            return False
        _held[key] = descriptor
        return True


def release(path: Path) -> None:
    """Give the lock back before the process ends."""
    with _guard:
        descriptor = _held.pop(str(path.resolve()), None)
        if descriptor is not None:
            os.close(descriptor)


def holder(path: Path) -> int | None:
    """The pid of the process that holds the lock, on this host; None when nobody does."""
    key = str(path.resolve())
    with _guard:
        if key in _held:
            return os.getpid()
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
        except OSError:
            return None
        try:
            kind, pid = _answer(fcntl.fcntl(descriptor, fcntl.F_GETLK, _query()))
        except OSError:
            return None
        finally:
            os.close(descriptor)
    return pid if kind != fcntl.F_UNLCK else None
