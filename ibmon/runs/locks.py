"""Who is alive in a run directory.

A process that writes holds a POSIX record lock on a file of its own for as long as it lives; the kernel releases it however the
process dies. Others ask with ``F_GETLK``, which takes no lock and names the holder. (A ``flock`` is inherited by forked
children, so data-loader workers would report a dead trainer alive.)

Several processes may share a lock: none of them is alone with it, and as long as one of them lives nobody else gets it.

Some file systems of clusters have no locks (Lustre without ``flock``, NFS without its lock daemon). There a file in ``/tmp``,
under a name that follows from the path, is locked instead: it tells the same on this host, and on others no lock is asked for.

A POSIX lock is also released when the process closes *any* descriptor of the file, so only this module opens lock files,
and once a process.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import struct
import sys
import threading
from pathlib import Path

_held: dict[str, int] = {}
_guard = threading.Lock()
_TAKEN = (errno.EACCES, errno.EAGAIN)


def _forget() -> None:
    """A forked child has the descriptors of its parent, and none of its locks."""
    for descriptor in _held.values():
        os.close(descriptor)
    _held.clear()


os.register_at_fork(after_in_child=_forget)

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
        return key in _held or _lock(path, key, fcntl.LOCK_EX)


def share(path: Path) -> bool:
    """Take the lock together with all who share it, or share the one that this process has; False when another has it alone."""
    key = str(path.resolve())
    with _guard:
        if key not in _held:
            return _lock(path, key, fcntl.LOCK_SH)
        fcntl.lockf(_held[key], fcntl.LOCK_SH | fcntl.LOCK_NB)  # the kernel turns the one into the other, with no gap
        return True


def _lock(path: Path, key: str, kind: int) -> bool:
    stand_in = _stand_in(key)
    for place in (path, stand_in):
        if place is stand_in:
            place.parent.mkdir(mode=0o700, exist_ok=True)
        descriptor = os.open(place, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o644)
        try:
            fcntl.lockf(descriptor, kind | fcntl.LOCK_NB)
        except OSError as error:
            os.close(descriptor)
            if error.errno in _TAKEN:
                return False
        else:
            _held[key] = descriptor
            return True
    return False


def _stand_in(key: str) -> Path:
    """The file that is locked where the file system of the path has no locks."""
    return Path("/tmp") / f"ibmon-locks-{os.getuid()}" / hashlib.sha256(key.encode()).hexdigest()[:32]


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
        return _asked(path) or _asked(_stand_in(key))


def _asked(path: Path) -> int | None:
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
