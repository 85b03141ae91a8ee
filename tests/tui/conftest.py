"""Run directories written as trainer and analyst write them, and the application on top of one without a terminal."""

from __future__ import annotations

import asyncio
import math
import socket
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from ibmon.records import (
    FORMAT,
    Analyst,
    Captured,
    Dropped,
    End,
    LayerInfo,
    Measured,
    Notice,
    Progress,
    Result,
    RunInfo,
    Scalars,
    Segment,
    Value,
    Watch,
)
from ibmon.runs import locks
from ibmon.runs.directory import RunDirectory, create
from ibmon.runs.log import LogWriter
from ibmon.tui.chart import ChartPanel
from ibmon.tui.look import Look
from ibmon.tui.rows import Rows
from ibmon.tui.shell import Shell
from support import PATIENCE

ESTIMATOR = "binning:width=0.07"


class Writer:
    """A run that tests write by hand: one trainer and one analyst, both this process."""

    def __init__(self, root: Path, name: str = "demo-1", **asked: object) -> None:
        info = RunInfo(format=FORMAT, id=name, name="", created=time.time(), recipe="demo", host=socket.gethostname(), **asked)
        self.run: RunDirectory = create(info, root)
        self.trainer = LogWriter(self.run.new_log("trainer")[0])
        self.analyst = LogWriter(self.run.new_log("analyst")[0])
        self.layers = ("1", "2", "3")
        self.replicas = 0
        self.seq = 0

    def begin(self, layers: tuple[str, ...] = ("1", "2", "3"), *, replicas: int = 0) -> Writer:
        """The trainer lives and said what it watches; with ``replicas`` so many networks at once."""
        self.layers, self.replicas = layers, replicas
        locks.acquire(self.run.lock("trainer"))
        self.trainer.append(Segment(segment=1, pid=1, host=socket.gethostname(), time=time.time()))
        self.trainer.append(Watch(segment=1, layers=[LayerInfo(name=n) for n in layers], schedule="log", time=time.time()))
        self.analyst.append(Analyst(pid=1, host=socket.gethostname(), jobs=["information-plane/" + ESTIMATOR]))
        return self

    def measure(self, count: int = 1, *, job: str = "information-plane/" + ESTIMATOR) -> Writer:
        """So many snapshots more, each captured, measured and accompanied by losses."""
        for _ in range(count):
            self.seq += 1
            step, epoch = 10 * self.seq, float(self.seq)
            values = [v for i, layer in enumerate(self.layers) for v in self._values(i, layer, epoch)]
            self.trainer.append(Captured(segment=1, seq=self.seq, step=step, epoch=epoch, evaluation="all"))
            self.analyst.append(Result(segment=1, seq=self.seq, job=job, step=step, epoch=epoch, evaluation="all", values=values))
            self.analyst.append(Measured(segment=1, seq=self.seq))
            self.progress(step, epoch, loss=1.0 / self.seq)
            self.trainer.append(Scalars(segment=1, name="test", step=step, epoch=epoch, values={"accuracy": 1 - 0.5 / self.seq}))
        return self

    def _values(self, i: int, layer: str, epoch: float) -> Iterator[Value]:
        if self.replicas:
            yield from self._of_networks(i, layer, epoch)
            return
        x, y = 11.0 - 2 * i - 0.02 * epoch, (0.9 - 0.1 * i) * (1 - math.exp(-epoch / 5))
        bounds = {"lower": x - 0.5, "upper": x + 0.5}
        flags: dict[str, bool | list[bool]] = {"saturated": True} if i == 0 else {}
        yield Value(quantity="I(X;T)", value=x, subject={"layer": layer}, estimator=ESTIMATOR, flags=flags, **bounds)
        details = {"raw": y + (0.25 if i == 2 else 0), "null": 0.031, "error": 0.012, "limit": 0.9991}
        yield Value(quantity="I(T;Y)", value=y, subject={"layer": layer}, estimator=ESTIMATOR, details=details)

    def _of_networks(self, i: int, layer: str, epoch: float) -> Iterator[Value]:
        """Network r has r bits less about the input, and the first of them alone is saturated."""
        networks = range(self.replicas)
        axes = {"replica": list(networks)}
        x = [11.0 - 2 * i - 0.02 * epoch - r for r in networks]
        y = [(0.9 - 0.1 * i) * (1 - math.exp(-epoch / 5)) / (1 + r) for r in networks]
        about = {"subject": {"layer": layer}, "estimator": ESTIMATOR, "axes": axes}
        bounds = {"lower": [v - 0.5 for v in x], "upper": [v + 0.5 for v in x]}
        yield Value(quantity="I(X;T)", value=x, flags={"saturated": [r == 0 for r in networks]}, **bounds, **about)
        yield Value(quantity="I(T;Y)", value=y, details={"null": [0.01 * r for r in networks]}, **about)

    def progress(self, step: int, epoch: float, *, loss: float = 1.0, overhead: float = 0.02) -> Writer:
        self.trainer.append(
            Progress(segment=1, step=step, epoch=epoch, epochs=100, loss=loss, overhead=overhead, elapsed=1.0, time=time.time())
        )
        return self

    def capture(self, count: int) -> Writer:
        """Snapshots that nobody has measured yet."""
        for _ in range(count):
            self.seq += 1
            self.trainer.append(Captured(segment=1, seq=self.seq, step=10 * self.seq, epoch=float(self.seq)))
        return self

    def drop(self, step: int, reason: str) -> Writer:
        self.trainer.append(Dropped(segment=1, step=step, reason=reason, time=time.time()))
        return self

    def notice(self, text: str) -> Writer:
        self.trainer.append(Notice(text=text, level="warning", time=time.time()))
        return self

    def end(self, status: str = "finished", error: str = "") -> Writer:
        self.trainer.append(End(segment=1, status=status, step=10 * self.seq, error=error))
        locks.release(self.run.lock("trainer"))
        return self

    def vanish(self) -> Writer:
        """The trainer dies without a word."""
        locks.release(self.run.lock("trainer"))
        return self

    def close(self) -> None:
        self.trainer.close()
        self.analyst.close()
        locks.release(self.run.lock("trainer"))


@pytest.fixture
def write(tmp_path: Path) -> Iterator[Callable[..., Writer]]:
    """Make run directories below ``tmp_path``."""
    made: list[Writer] = []

    def make(name: str = "demo-1", **asked: object) -> Writer:
        made.append(Writer(tmp_path, name, **asked))
        return made[-1]

    yield make
    for writer in made:
        writer.close()


class Screen:
    """The running application, and what can be read on it."""

    def __init__(self, app: Shell, pilot: object) -> None:
        self.app, self.pilot = app, pilot

    def lines(self) -> list[str]:
        """What the terminal shows, as plain text."""
        return [
            "".join(segment.text for segment in strip)
            for strip in self.app.screen._compositor.render_strips(self.app.screen.size)
        ]

    def text(self) -> str:
        return "\n".join(self.lines())

    @property
    def panel(self) -> ChartPanel:
        """The current chart."""
        deck = self.app.main.deck
        assert deck is not None
        assert deck.current is not None
        return deck.current

    def row(self, name: str) -> str:
        """The text of one of the bars."""
        widget = self.app.main.query_one(f"#{name}", Rows)
        return "".join(s.text for s in widget.render_line(0))

    async def press(self, *keys: str) -> None:
        await self.pilot.press(*keys)
        await self.pilot.pause()

    async def see(self, *words: str) -> None:
        """Wait until all words are on the screen."""
        await self.wait(lambda: all(word in self.text() for word in words), f"{words} in\n")

    async def told(self, *words: str) -> None:
        """Wait until a notification says all words."""

        def said() -> bool:
            return any(all(word in n.message for word in words) for n in self.app._notifications)

        await self.wait(said, f"told {words} in\n")

    async def gone(self, word: str) -> None:
        await self.wait(lambda: word not in self.text(), f"no {word!r} in\n")

    async def wait(self, true: Callable[[], bool], what: str = "") -> None:
        end = time.monotonic() + PATIENCE
        while not true():
            if time.monotonic() > end:
                pytest.fail(f"never: {what}{self.text()}")
            await self.pilot.pause(0.03)


@asynccontextmanager
async def opened(run: RunDirectory | None, root: Path, size: tuple[int, int] = (160, 45), **how: object) -> AsyncIterator[Screen]:
    app = Shell(run, how.pop("look", Look()), root=root, **how)
    async with app.run_test(size=size) as pilot:
        yield Screen(app, pilot)


@pytest.fixture
def show(tmp_path: Path) -> Callable[..., None]:
    """Run a coroutine function with the application open on a run: ``show(run, body, size=…, …)``."""

    def run(run: RunDirectory | None, body: Callable[[Screen], object], **how: object) -> None:
        async def go() -> None:
            async with opened(run, tmp_path, **how) as screen:
                await body(screen)

        asyncio.run(go())

    return run
