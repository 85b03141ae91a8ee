"""When a run was last heard of, on hosts whose clocks need not agree.

The time of change of ``heartbeat`` is told by the clock of a file server or of the host that trains. Where it seems long ago,
it is compared with what the file system calls now; and once it was seen to change, only the clock of this process counts.
"""

from __future__ import annotations

import os
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from .log import open_regular

LISTEN_SECONDS = 2.0
"""A trainer gives a sign of life twice a second; file systems of clusters pass it on a little later."""
WORTH_SECONDS = 86_400.0
"""Nobody's clocks are further apart: what was not heard of for longer is not listened to."""
CLOCK_SECONDS = 5.0
"""Clocks that are further apart are worth a word."""
_QUIET = 10.0
"""A silence that two clocks here tell, and that needs no third one to be believed."""
_FRESH = 600.0


@dataclass(frozen=True, slots=True)
class Pulse:
    """Seconds since the last sign of life, and how far its clock is known to be ahead of this host's.

    ``sure``: the sign was seen to change since this process looks, or nobody else's clock can tell another story.
    """

    silence: float
    ahead: float = 0.0
    sure: bool = True


@dataclass(frozen=True, slots=True)
class _Beat:
    """A sign of life, when it was first and last seen here (monotonic), and its clock's lead if it was seen to come."""

    told: float
    since: float
    looked: float
    came: bool = False
    ahead: float = 0.0


_beats: dict[str, _Beat] = {}
_leads: dict[int, tuple[float, float]] = {}


def listen(heartbeat: Path, otherwise: float) -> Pulse:
    """The pulse of a run now, from its ``heartbeat``; without one, since the time ``otherwise`` (seconds since 1970)."""
    told = _told(heartbeat)
    if told is None:
        return Pulse(max(0.0, time.time() - otherwise))
    tick, now = time.monotonic(), time.time()
    beat = _beats.get(str(heartbeat))
    if beat is None:
        beat = _Beat(told, tick, tick)
    elif told != beat.told:
        # How far the clocks are apart is known up to the time that nobody looked.
        prompt = tick - beat.looked <= LISTEN_SECONDS
        beat = _Beat(told, tick, tick, True, told - now if prompt else beat.ahead)
    else:
        beat = _Beat(told, beat.since, tick, beat.came, beat.ahead)
    _beats[str(heartbeat)] = beat
    unchanged = tick - beat.since
    if beat.came:
        return Pulse(unchanged, beat.ahead)
    age, ahead = now - told, 0.0
    if not 0 <= age <= _QUIET:
        ahead = _lead(heartbeat.parent)
        age += ahead
    if age < 0:  # the host that trains has a clock of its own, and it is ahead
        ahead, age = ahead - age, 0.0
    return Pulse(max(age, unchanged), ahead, not _QUIET < age < WORTH_SECONDS)


def apart(seconds: float) -> str:
    """What is said of clocks; nothing where they agree."""
    return f"; clocks differ by {abs(seconds):.0f} s" if abs(seconds) > CLOCK_SECONDS else ""


def _told(heartbeat: Path) -> float | None:
    """The time of change of a file, by whoever keeps it: network file systems ask the server again when a file is opened."""
    try:
        with open_regular(heartbeat) as file:
            return os.fstat(file.fileno()).st_mtime
    except OSError:
        return None


def _lead(folder: Path) -> float:
    """Seconds that a file system's clock is ahead of this host's, told by a file without a name; 0 where none can be made."""
    try:
        device, tick = folder.stat().st_dev, time.monotonic()
        if device in _leads and tick - _leads[device][1] < _FRESH:
            return _leads[device][0]
        with tempfile.TemporaryFile(dir=folder) as file:
            before = time.time()
            os.utime(file.fileno())
            told = os.fstat(file.fileno()).st_mtime
            lead = told - (before + time.time()) / 2
    except OSError:
        return 0.0
    _leads[device] = lead, tick
    return lead
