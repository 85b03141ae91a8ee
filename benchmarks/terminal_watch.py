"""A run that trains without training, and ``ibmon watch`` on a terminal of its own; a part of ``terminal.py``."""

from __future__ import annotations

import fcntl
import math
import os
import pty
import re
import select
import signal
import socket
import struct
import sys
import termios
import time
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ibmon.records import (
    FORMAT,
    Analyst,
    Captured,
    End,
    LayerInfo,
    Measured,
    Progress,
    Result,
    RunInfo,
    Scalars,
    Segment,
    Value,
    Watch,
)
from ibmon.runs import locks
from ibmon.runs.directory import create
from ibmon.runs.log import LogWriter

LAYERS = tuple(str(i + 1) for i in range(6))
ESTIMATOR = "binning:width=0.07"
EPOCHS = 8000
SIZE = 64
"""Rows and columns of the matrix that moves."""

PLUGIN = """
import numpy as np
from ibmon import AnalysisSpec, Heatmap, hookimpl

@hookimpl
def ibmon_analyses():
    yield AnalysisSpec(name="flow", target="benchmark_flow:Flow", figures="benchmark_flow:figures", per_estimator=False)

def figures(history):
    for series in history.select("flow"):
        yield Heatmap(name="flow", title="flow", screen="flow", important=True, values=series.value[-1], value_label="[bits]")
"""


def install(folder: Path) -> None:
    """Lay a distribution into a folder for PYTHONPATH whose analysis draws the newest matrix."""
    told = folder / "benchmark_flow-1.0.dist-info"
    told.mkdir(parents=True)
    (folder / "benchmark_flow.py").write_text(PLUGIN)
    (told / "METADATA").write_text("Metadata-Version: 2.1\nName: benchmark-flow\nVersion: 1.0\n")
    (told / "entry_points.txt").write_text("[ibmon]\nbenchmark_flow = benchmark_flow\n")


class Training:
    """Writes a run as a trainer and its analyst do: six layers in the plane, gradients and a matrix where asked for."""

    def __init__(self, root: Path, name: str, *, gradients: bool = False, matrix: bool = False) -> None:
        info = RunInfo(format=FORMAT, id=name, created=time.time(), recipe="benchmark", host=socket.gethostname())
        self.run = create(info, root)
        self._gradients, self._matrix = gradients, matrix
        self._trainer, self._analyst = (LogWriter(self.run.new_log(role)[0]) for role in ("trainer", "analyst"))
        for role in ("trainer", "analyst"):
            locks.acquire(self.run.lock(role))
        self._seq = 0
        self._rng = np.random.default_rng(0)
        self._trainer.append(Segment(segment=1, pid=os.getpid(), host=socket.gethostname(), time=time.time()))
        self._trainer.append(Watch(segment=1, layers=[LayerInfo(name=n) for n in LAYERS], schedule="every:1epochs"))
        self._analyst.append(Analyst(pid=os.getpid(), host=socket.gethostname()))

    def measure(self, count: int = 1) -> None:
        """So many snapshots more, an epoch apart."""
        for _ in range(count):
            self._seq += 1
            seq, step, epoch = self._seq, 16 * self._seq, float(self._seq)
            self._trainer.append(Captured(segment=1, seq=seq, step=step, epoch=epoch, evaluation="all"))
            jobs = {"information-plane/" + ESTIMATOR: self._plane(epoch)}
            if self._gradients:
                jobs["gradient-snr"] = self._snr(epoch)
            if self._matrix:
                jobs["flow"] = self._flow(epoch)
            for job, values in jobs.items():
                result = Result(segment=1, seq=seq, job=job, step=step, epoch=epoch, evaluation="all", values=list(values))
                self._analyst.append(result)
            self._analyst.append(Measured(segment=1, seq=seq))
            self.progress()
            scores: dict[str, float | None] = {"accuracy": 1 - 0.5 / (1 + epoch / 100) + self._noise(0.01)}
            self._trainer.append(Scalars(segment=1, name="test", step=step, epoch=epoch, values=scores))

    def progress(self, part: float = 0.0) -> None:
        """What the training says of itself between two snapshots."""
        epoch = self._seq + part
        loss = 0.1 + 1 / (1 + epoch / 50) + self._noise(0.01)
        step, now = round(16 * epoch), time.time()
        self._trainer.append(Progress(segment=1, step=step, epoch=epoch, epochs=EPOCHS, loss=loss, overhead=0.02, time=now))

    def end(self) -> None:
        self._trainer.append(End(segment=1, status="finished", step=16 * self._seq, epoch=float(self._seq)))
        self.close()

    def close(self) -> None:
        for role, log in (("trainer", self._trainer), ("analyst", self._analyst)):
            log.close()
            locks.release(self.run.lock(role))

    def _noise(self, size: float) -> float:
        return size * float(self._rng.normal())

    def _plane(self, epoch: float) -> Iterator[Value]:
        part = math.log1p(epoch) / math.log1p(EPOCHS)
        for i, layer in enumerate(LAYERS):
            x = 12 - i * (0.5 + part) + self._noise(0.05)
            y = 0.1 + 0.88 / (1 + math.exp(-12 * (part - 0.4))) + self._noise(0.005)
            low, high, where = x - 0.1, x + 0.1, {"layer": layer}
            flags: dict[str, bool | list[Any]] = {"saturated": True} if i == 0 else {}
            details: dict[str, float | list[Any] | None] = {"raw": y + 0.01, "null": 0.03}
            yield Value(quantity="I(X;T)", value=x, lower=low, upper=high, subject=where, estimator=ESTIMATOR, flags=flags)
            yield Value(quantity="I(T;Y)", value=y, subject=where, estimator=ESTIMATOR, details=details)

    def _snr(self, epoch: float) -> Iterator[Value]:
        for i, layer in enumerate(LAYERS):
            snr = 10 / 1.6**i / (1 + epoch / 300) * math.exp(self._noise(0.1))
            yield Value(quantity="gradient SNR", unit="", value=snr, subject={"layer": layer, "parameter": "weight"})

    def _flow(self, epoch: float) -> Iterator[Value]:
        rows, columns = np.indices((SIZE, SIZE)) / SIZE
        band = np.exp(-(((rows - columns + 0.1 * math.sin(epoch / 10)) / 0.15) ** 2)) + self._rng.normal(0, 0.1, (SIZE, SIZE))
        axes: dict[str, list[int | float | str]] = {"from": list(range(SIZE)), "to": list(range(SIZE))}
        yield Value(quantity="flow", value=band.tolist(), subject={"layer": "all"}, axes=axes)


# After the screen is left, what its own meter saw of the event loop goes where the caller finds it.
_PROGRAM = """
import json, pathlib, sys
from ibmon.cli import main
from ibmon.tui.diagnostics import METER
lags = pathlib.Path(sys.argv.pop(1))
try:
    main()
finally:
    lags.write_text(json.dumps(list(METER.lags)))
"""


def first_paint(raw: bytes) -> bool:
    return b" ibmon " in raw


def first_chart(raw: bytes) -> bool:
    return b"[bits]" in raw


def complete(raw: bytes) -> bool:
    """Whether the line of state, as it was last painted, no longer says how much of the run has been read."""
    painted = [piece for piece in re.split(rb"\x1b\[\d+;\d+H", raw) if b"MI lag" in piece or b"reading" in piece]
    return first_chart(raw) and bool(painted) and b"reading" not in painted[-1]


@dataclass(frozen=True, slots=True)
class Sent:
    """What came from the screen: bytes as they are, and packed as ``ssh -C`` packs them (zlib, level 6)."""

    plain: int
    packed: int


class Screen:
    """``ibmon watch`` on a pseudo-terminal of 256 colours."""

    def __init__(self, run: Path, size: tuple[int, int], *options: str, plugins: Path | None = None, lags: Path | None = None):
        program = ["-m", "ibmon"] if lags is None else ["-c", _PROGRAM, str(lags)]
        dropped = ("COLORTERM", "NO_COLOR", "COLUMNS", "LINES", "TMUX", "TEXTUAL_FPS", "IBMON_PLUGINS")
        environment = {k: v for k, v in os.environ.items() if k not in dropped}
        environment |= {"TERM": "xterm-256color", "IBMON_RUNS": str(run.parent)}
        if plugins is not None:
            environment["PYTHONPATH"] = os.pathsep.join([str(plugins), environment.get("PYTHONPATH", "")]).rstrip(os.pathsep)
        self.size = size
        self.began = time.monotonic()
        self.raw = b""
        self._packer = zlib.compressobj(6)
        self.pid, self._terminal = pty.fork()
        if self.pid == 0:
            os.execve(sys.executable, [sys.executable, *program, "watch", str(run), *options], environment)
        self.resize(*size)

    def resize(self, columns: int, rows: int) -> None:
        fcntl.ioctl(self._terminal, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        os.kill(self.pid, signal.SIGWINCH)

    def keys(self, keys: bytes) -> None:
        os.write(self._terminal, keys)

    def read(self, seconds: float, until: Callable[[bytes], bool] | None = None) -> Sent:
        """Take in what comes for so long, or until what has come since the start says so."""
        end, came = time.monotonic() + seconds, b""
        while (left := end - time.monotonic()) > 0:
            if not select.select([self._terminal], [], [], left)[0]:
                break
            try:
                data = os.read(self._terminal, 65536)
            except OSError:  # the child has gone
                break
            if not data:
                break
            came += data
            self.raw += data
            if until is not None and until(self.raw):
                break
        if not came:
            return Sent(0, 0)
        return Sent(len(came), len(self._packer.compress(came) + self._packer.flush(zlib.Z_SYNC_FLUSH)))

    def see(self, until: Callable[[bytes], bool], seconds: float = 60.0) -> float:
        """Wait; the seconds since the start. Raises RuntimeError when it does not come."""
        if not until(self.raw):
            self.read(seconds, until)
        if not until(self.raw):
            raise RuntimeError(f"never seen:\n{self.raw[-3000:]!r}")
        return time.monotonic() - self.began

    def settle(self) -> None:
        """Wait until the run is read and nothing more comes of it. Raises RuntimeError when it was not all there before."""
        self.see(complete)
        before = len(self.raw)
        self.read(2.5)
        if b"reading" in self.raw[before:]:
            raise RuntimeError("more was read after everything had been")

    @property
    def cpu(self) -> float:
        """Seconds of CPU of all its threads so far, from the clock that Linux keeps for every process."""
        return time.clock_gettime(~self.pid << 3 | 2)

    @property
    def peak(self) -> float:
        """The most resident memory so far, in MiB."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        return int(status.partition("VmHWM:")[2].split()[0]) / 1024

    def leave(self) -> None:
        """Press q, and wait for the end."""
        self.keys(b"q")
        self.read(10)
        self.kill()

    def kill(self) -> None:
        os.kill(self.pid, signal.SIGKILL)
        os.close(self._terminal)
        os.waitpid(self.pid, 0)
