"""The one thread that reads a run directory, and the immutable picture of it that the screen draws."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import numpy as np

    from ibmon.figures.figure import Figure
    from ibmon.runs.directory import RunDirectory, Status
    from ibmon.runs.history import History, HistoryReader

BOOT_SECONDS = 0.1
LIVE_SECONDS = 0.05
PERIOD = 0.5
SLOW_PERIOD = 2.0
WATCH_PERIOD = 0.5
"""How often the state of the processes is asked for, whatever the line's speed."""


@dataclass(frozen=True, slots=True)
class Frame:
    """Everything the screen shows of a run at one moment.

    ``loading`` says how far the reading of a long run has come, and is empty once it is done. ``failures`` are sentences, one for
    each analysis whose figures could not be built. ``past`` holds the figures as they were at ``past_step``.
    """

    history: History
    status: Status
    figures: tuple[Figure, ...] = ()
    failures: tuple[str, ...] = ()
    steps: np.ndarray | None = None
    loading: str = ""
    console: tuple[str, ...] = ()
    past_step: int | None = None
    past: Mapping[str, Figure] = field(default_factory=dict[str, Any])


class Feed:
    """Tails one run in a thread of its own and hands every new frame to ``post``; ``fail`` gets a sentence.

    Both are called from that thread.
    """

    def __init__(
        self, run: RunDirectory, post: Callable[[Frame], None], fail: Callable[[str], None], *, low_bandwidth: bool = False
    ) -> None:
        self._run, self._post, self._fail = run, post, fail
        self._period = SLOW_PERIOD if low_bandwidth else PERIOD
        self._end = threading.Event()
        self._wake = threading.Event()
        self._past: int | None = None
        self._last: Frame | None = None
        self._built: tuple[int, tuple[Figure, ...], tuple[str, ...], np.ndarray | None] | None = None
        self._slowness = 0.0
        self._thread = threading.Thread(target=self._body, name="ibmon-feed", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Ask the thread to end; it is a daemon, so nobody waits for it."""
        self._end.set()
        self._wake.set()

    def seek(self, step: int | None) -> None:
        """Ask for the figures as they were at a step, for those that a view cannot cut off by itself."""
        if step != self._past:
            self._past = step
            self._wake.set()

    def _body(self) -> None:
        from ibmon.records import IbmonError
        from ibmon.runs.history import HistoryReader

        try:
            reader = HistoryReader(self._run)
            self._boot(reader)
        except IbmonError as error:
            self._fail(str(error))
            return
        except Exception as error:  # whatever a damaged directory can do; the screen says it instead of staying blank
            self._fail(f"{type(error).__name__}: {error}")
            return
        looked, complained = time.monotonic(), ""
        while not self._end.is_set():
            try:
                due = time.monotonic() - looked >= self._period - 0.01
                if self._look(reader, read=due or self._wake.is_set()):
                    looked = time.monotonic()
                complained = ""
            except Exception as error:
                # A directory moved under our feet, or a damaged log: say it once, and go on in case that it gets better.
                if complained != str(error):
                    complained = str(error)
                    self._fail(f"{type(error).__name__}: {error}")
            self._wake.clear()
            self._wake.wait(min(WATCH_PERIOD, self._period))

    def _boot(self, reader: HistoryReader) -> None:
        from ibmon.runs.directory import status

        while not self._end.is_set():
            reader.poll(BOOT_SECONDS)
            if reader.complete:
                break
            files = (*self._run.logs("trainer"), *self._run.logs("analyst"))
            size = sum(path.stat().st_size for path in files) / 2**20
            self._post(
                Frame(
                    reader.history(),
                    status(self._run, reader.info),
                    loading=f"{len(reader.keys)} results of {size:.0f} MB read",
                )
            )
        self._look(reader, read=True)

    def _look(self, reader: HistoryReader, *, read: bool) -> bool:
        """Read what is new and post a frame if anything is. Between two readings only a change of state counts."""
        from ibmon.runs.directory import status

        state = status(self._run, reader.info)
        last = self._last
        moved = last is None or (state.state, state.analysing) != (last.status.state, last.status.analysing)
        if not read and not moved:
            return False
        reader.poll(LIVE_SECONDS)
        history = reader.history()
        console = tuple(self._run.console_tail(200))
        figures, failures, steps = self._figures(history)
        past_step, past = self._figures_then(history, figures)
        same = last is not None and history is last.history and state == last.status and console == last.console
        if same and last is not None and past_step == last.past_step and figures is last.figures:
            return True
        frame = Frame(history, state, figures, failures, steps, "", console, past_step, past)
        self._last = frame
        self._post(frame)
        return True

    def _figures(self, history: History) -> tuple[tuple[Figure, ...], tuple[str, ...], np.ndarray | None]:
        """The figures of all analyses; built anew when there are new values, and less often where that takes long."""
        from ibmon.figures.build import build_figures

        values = sum(len(s.step) for s in (*history.series, *history.scalars.values()))
        if self._built is None or (values != self._built[0] and time.monotonic() >= self._slowness):
            began = time.monotonic()
            figures, failures = build_figures(history)
            self._built = (values, tuple(figures), tuple(failures), _steps(history))
            self._slowness = time.monotonic() + 4 * (time.monotonic() - began)
        return self._built[1:]

    def _figures_then(self, history: History, figures: tuple[Figure, ...]) -> tuple[int | None, Mapping[str, Figure]]:
        """The figures at the step asked for, where some have no axis of training that a view could cut."""
        from ibmon.figures.figure import Curves, Plane

        step, last = self._past, self._last
        if step is None or all(isinstance(f, Plane | Curves) for f in figures):
            return None, {}
        if last is not None and last.past_step == step:
            return step, last.past
        from dataclasses import replace

        from ibmon.figures.build import build_figures
        from ibmon.runs.history import thin

        then = replace(history, series=tuple(s for s in (thin(s, step) for s in history.series) if len(s.step)))
        return step, {figure.name: figure for figure in build_figures(then)[0]}


def _steps(history: History) -> np.ndarray | None:
    """Every step that can be looked at: those of measurements, else those of what was logged."""
    steps = history.steps
    if len(steps) or not history.scalars:
        return steps
    import numpy as np

    return np.unique(np.concatenate([s.step for s in history.scalars.values()]))
