"""A run directory on another host as a local copy that grows with it, read over one ssh connection; nothing is written there.

Logs are append-only, so a copy goes on from where it is, after a lost connection too. An array comes before the line that names
it, as it was written. Snapshots, evaluation data and locks stay where they are: nothing that draws reads them.
"""

from __future__ import annotations

import contextlib
import os
import re
import tempfile
import threading
import time
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from ibmon.records import IbmonError, NotFoundError
from ibmon.runs import processes
from ibmon.runs.directory import RunDirectory
from ibmon.runs.log import BARE_NAME, LINE_LIMIT

from .line import Line, LineError
from .script import SERVE, SMALL, WELCOME

if TYPE_CHECKING:
    from .address import Address

PERIOD = 1.0
SLOW_PERIOD = 4.0
FIRST_PAUSE = 1.0
LONGEST_PAUSE = 60.0
"""Seconds between attempts to connect again: twice as long after each."""
CHUNK = 2**20
_CONSOLE = "console.log"
_CONSOLE_BYTES = 64 * 1024
_SMALL_BYTES = 2**20
_ARRAY_BYTES = 256 * 2**20
_AT_ONCE = 64
"""Files that are asked for together; as many lines fit into a pipe that nobody reads."""
_GREETING_LINES = 500
_LOG = re.compile(r"(trainer|analyst)-(\d{1,9})\.jsonl")
_ARRAY = re.compile(rb'"array":"([A-Za-z0-9._-]{1,200})"')


class Mirror:
    """The copy of one run, below ``folder``. ``open`` connects, ``pull`` reads what is new, ``start`` goes on in a thread."""

    def __init__(self, address: Address, folder: Path, *, period: float = PERIOD) -> None:
        self._address, self._folder, self._period = address, folder, period
        self._line: Line | None = None
        self._run: RunDirectory | None = None
        self._sums: dict[str, str] = {}
        self._read: dict[str, int] = {}
        self._rest: dict[str, bytes] = {}
        self._arrays: set[str] = set()
        self._beat = 0
        self._contact = 0.0
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._body, name="ibmon-mirror", daemon=True)

    def open(self) -> RunDirectory:
        """Connect, and read a first piece. Raises NotFoundError where there is no such run, LineError without a connection."""
        try:
            self._connect()
            self.pull()
        except LineError as error:
            raise LineError(f"{self._address.host} cannot be reached: {error}") from error
        assert self._run is not None
        return self._run

    def start(self) -> None:
        """Go on reading in a thread, and connect again when the connection is lost."""
        self._thread.start()

    def close(self) -> None:
        self._end.set()
        if self._line is not None:
            self._line.hang_up()
        if self._thread.ident is not None:
            self._thread.join(10.0)
        if self._line is not None:
            self._line.close()

    def pull(self) -> bool:
        """Read what is new, at most a piece of a log of each kind; True when that was all. Raises LineError, OSError."""
        assert self._run is not None
        now, beat, small, growing = self._look()
        if "run.json" not in small:
            raise NotFoundError(f"the run is gone from {self._address.host}; what was read is kept")
        self._take_small(small)
        waiting = self._take_logs(growing)
        if _CONSOLE in growing:
            self._take_console(growing[_CONSOLE])
        if beat and beat != self._beat:
            self._beat = beat
            self._run.heartbeat.touch()
            then = time.time() - (now - beat)  # how long ago it is by the clocks there, told by this one
            os.utime(self._run.heartbeat, (then, then))
        self._contact = time.time()
        return not waiting

    def _connect(self, *, quietly: bool = False) -> None:
        self._line = Line(self._address, SERVE, quietly=quietly)
        self._line.send(self._address.place)
        for _ in range(_GREETING_LINES):
            word, _, path = self._line.line().partition(" ")
            if word == WELCOME:
                break
        else:
            raise LineError("its login prints too much")
        if not path:
            raise NotFoundError(
                f"There is no run {self._address.place or 'at all'} on {self._address.host}; "
                "without ibmon there, it is named by its path, or by its id in $IBMON_RUNS or ~/runs."
            )
        if self._run is None:
            name = path.rpartition("/")[2]
            self._run = RunDirectory(self._folder / (name if BARE_NAME.fullmatch(name) and name.strip(".") else "run"))
            self._run.arrays.mkdir(parents=True)
        self._say("")

    def _look(self) -> tuple[float, int, dict[str, str], dict[str, int]]:
        """The time there, that of the heartbeat, checksums of small files and sizes of growing ones."""
        line = self._line
        assert line is not None
        line.send("look")
        small: dict[str, str] = {}
        growing: dict[str, int] = {}
        try:
            now, beat = float(line.line()), int(line.line())
            while (text := line.line()) != "end":
                *facts, name = text.split()
                if name in SMALL and len(facts) == 2:
                    small[name] = " ".join(facts)
                elif name == _CONSOLE or _LOG.fullmatch(name):
                    growing[name] = int(facts[0])
        except (ValueError, IndexError) as error:
            raise LineError("its shell answers something else than a shell does") from error
        return now, beat, small, growing

    def _fetch(self, wanted: Sequence[tuple[int, int, str]]) -> Iterator[bytes]:
        """What files hold from an offset on, at most so many bytes; the requests go ahead of the answers."""
        line = self._line
        assert line is not None
        for first in range(0, len(wanted), _AT_ONCE):
            some = wanted[first : first + _AT_ONCE]
            line.send(*(f"get {offset} {most} {name}" for offset, most, name in some))
            for _, most, _ in some:
                try:
                    size = int(line.line())
                except ValueError as error:
                    raise LineError("its shell answers something else than a shell does") from error
                if not 0 <= size <= most:
                    raise LineError("it sends more than was asked for")
                yield line.bytes(size)

    def _take_small(self, sums: dict[str, str]) -> None:
        assert self._run is not None
        for name in set(self._sums) - set(sums):
            (self._run.path / name).unlink(missing_ok=True)
        changed = [name for name in sums if self._sums.get(name) != sums[name]]
        for name, data in zip(changed, self._fetch([(0, _SMALL_BYTES, name) for name in changed]), strict=True):
            _replace(self._run.path / name, data)
        self._sums = sums

    def _take_logs(self, sizes: dict[str, int]) -> bool:
        """A piece of the first log of each kind that has grown; whether there is more."""
        if any(size < self._read.get(name, 0) for name, size in sizes.items() if name != _CONSOLE):
            raise NotFoundError(f"the run at {self._address} is another one by now; what was read is kept")
        more = False
        for kind in ("trainer", "analyst"):
            grown = [name for name in sizes if name.startswith(kind) and sizes[name] > self._read.get(name, 0)]
            if grown:
                name = min(grown, key=_number)
                (data,) = self._fetch([(self._read.get(name, 0), CHUNK, name)])
                data = data.rstrip(b"\0")  # what a network file system there does not have yet
                self._append(name, data)
                more |= bool(data) and (len(grown) > 1 or sizes[name] > self._read[name])
        return more

    def _append(self, name: str, data: bytes) -> None:
        """A further piece of a log, after the arrays that its lines name."""
        assert self._run is not None
        lines, newline, rest = (self._rest.get(name, b"") + data).rpartition(b"\n")
        named = {found.decode() for found in _ARRAY.findall(lines + newline)} - self._arrays
        new = sorted(array for array in named if array.strip("."))
        for array, content in zip(new, self._fetch([(0, _ARRAY_BYTES, f"arrays/{array}") for array in new]), strict=True):
            if content:
                _replace(self._run.arrays / array, content)
        self._arrays.update(new)
        with (self._run.path / name).open("ab") as file:
            file.write(data)
        self._read[name] = self._read.get(name, 0) + len(data)
        self._rest[name] = rest if len(rest) <= LINE_LIMIT else b""

    def _take_console(self, size: int) -> None:
        """The end of what was printed; anew where the log was cut."""
        assert self._run is not None
        read = self._read.get(_CONSOLE, 0)
        if size == read:
            return
        offset = read if read < size <= read + _CONSOLE_BYTES else max(0, size - _CONSOLE_BYTES)
        (data,) = self._fetch([(offset, _CONSOLE_BYTES, _CONSOLE)])
        with self._run.console.open("ab" if offset == read else "wb") as file:
            file.write(data)
        self._read[_CONSOLE] = offset + len(data)

    def _body(self) -> None:
        pause, said = FIRST_PAUSE, ""
        while not self._end.is_set():
            try:
                if self._line is None:
                    self._connect(quietly=True)
                    said, pause = "", FIRST_PAUSE
                if self.pull():
                    self._end.wait(self._period)
            except (IbmonError, OSError) as error:
                if self._line is not None:
                    self._line.close()
                    self._line = None
                trouble = _sentence(error, self._address)
                if trouble != said and not self._end.is_set():
                    said = trouble
                    self._say(trouble)
                self._end.wait(pause)
                pause = min(2 * pause, LONGEST_PAUSE)

    def _say(self, trouble: str) -> None:
        """Write into the copy what it is a copy of, and what is the matter with the connection."""
        assert self._run is not None
        fact = processes.Mirrored(address=str(self._address), host=self._address.host, trouble=trouble, time=self._contact)
        with contextlib.suppress(OSError):
            processes.write(self._run, fact)


def _sentence(error: Exception, address: Address) -> str:
    if isinstance(error, LineError):
        return f"the connection to {address.host} was lost ({error}); what was read is kept"
    if isinstance(error, OSError):
        return f"what is read from {address.host} cannot be written here: {error.strerror or error}"
    return str(error)


def _number(name: str) -> int:
    found = _LOG.fullmatch(name)
    return int(found[2]) if found else 0


def _replace(path: Path, data: bytes) -> None:
    """Write a file so that a reader sees the old or the new one, whole."""
    temporary = path.with_name(f".{path.name}.tmp")
    temporary.write_bytes(data)
    temporary.replace(path)


@contextmanager
def mirrored(address: Address, *, whole: bool, slow: bool = False) -> Generator[RunDirectory]:
    """A copy of a run for as long as it is looked at, in a temporary folder; ``whole``: only once all of it has been read.

    Raises LineError without a connection, NotFoundError where there is no such run.
    """
    with tempfile.TemporaryDirectory(prefix="ibmon-") as folder:
        mirror = Mirror(address, Path(folder), period=SLOW_PERIOD if slow else PERIOD)
        try:
            run = mirror.open()
            while whole and not mirror.pull():
                pass
            mirror.start()
            yield run
        finally:
            mirror.close()
