"""The one thread that reads run directories, and the immutable picture of them that the screen draws."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from .source import Source

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    import numpy as np

    from ibmon.figures.figure import Figure
    from ibmon.runs.directory import RunDirectory, Status
    from ibmon.runs.history import Coordinate, History

BOOT_SECONDS = 0.1
LIVE_SECONDS = 0.05
FIRST_PAUSE = 0.3
"""Seconds that the first charts get to be drawn before the reading of a long run goes on: both want the same processor."""
PERIOD = 0.5
SLOW_PERIOD = 2.0
WATCH_PERIOD = 0.5
"""How often the state of the processes is asked for, whatever the line's speed."""
PAUSE = 0.4
"""Seconds after which a long run is drawn again while it is still being read; the next times after twice as long each."""


_NO_PAST: Mapping[str, Figure] = {}


@dataclass(frozen=True, slots=True)
class Contender:
    """A run of a comparison, or several that count as one (the seeds of a group)."""

    name: str
    runs: tuple[RunDirectory, ...]


def told_apart(contenders: Sequence[Contender]) -> tuple[Contender, ...]:
    """Contenders with names of their own: those of one name get the ends of their ids."""
    names = [contender.name for contender in contenders]
    return tuple(replace(c, name=f"{c.name} {c.runs[0].id[-4:]}") if names.count(c.name) > 1 else c for c in contenders)


def contenders_of(run: RunDirectory | None, compared: Sequence[RunDirectory]) -> tuple[Contender, ...]:
    """A run and those it is compared with, by name; none where there is nothing to compare."""
    given = [*([run] if run is not None else []), *compared]
    runs = list({run.path: run for run in given}.values())
    return told_apart([Contender(_name(run), (run,)) for run in runs]) if len(runs) > 1 else ()


def _name(run: RunDirectory) -> str:
    from ibmon.runs.log import printable

    return printable(run.info().name or run.id, 40)


@dataclass(frozen=True, slots=True)
class Frame:
    """Everything the screen shows of a run at one moment.

    ``loading`` says how far the reading of a long run has come, and is empty once it is done. ``failures`` are sentences, one
    for each analysis whose figures could not be built. ``past`` holds the figures as they were at ``past_step``. ``contenders``
    are the names of what is compared; the figures are then those of all of them, everything else is of the run that is open.
    ``replicas`` are the networks that can be shown by themselves, those that all of a comparison have; ``replica`` is the one
    that the figures show, None for all. ``results`` counts what has been read.
    """

    history: History
    status: Status
    figures: tuple[Figure, ...] = ()
    failures: tuple[str, ...] = ()
    steps: np.ndarray | None = None
    loading: str = ""
    console: tuple[str, ...] = ()
    past_step: int | None = None
    past: Mapping[str, Figure] = field(default_factory=lambda: _NO_PAST)
    contenders: tuple[str, ...] = ()
    replicas: tuple[Coordinate, ...] = ()
    replica: Coordinate | None = None
    results: int = 0


class Feed:
    """Tails one run, and those it is compared with, in a thread of its own and hands every new frame to ``post``.

    ``fail`` gets a sentence. Both are called from that thread.
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
        self._contenders: tuple[Contender, ...] = ()
        self._replica: Coordinate | None = None
        self._sources: dict[Path, Source] = {}
        self._hurried = False
        self._laid: tuple[dict[str, list[tuple[Figure, ...]]], tuple[Figure, ...]] | None = None
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

    def compare(self, contenders: Sequence[Contender]) -> None:
        """Ask for the figures of several runs laid over each other, none for those of the open run alone."""
        self._contenders = tuple(contenders)
        self._wake.set()

    @property
    def replica(self) -> Coordinate | None:
        """The network that was asked for last; None for all."""
        return self._replica

    def pick(self, replica: Coordinate | None) -> None:
        """Ask for the figures of a single network, where every run that is shown has it; None for those of all networks."""
        if replica != self._replica:
            self._replica = replica
            self._wake.set()

    def _body(self) -> None:
        from ibmon.records import IbmonError

        try:
            source = self._sources[self._run.path] = Source(self._run)
            self._boot(source)
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
                woken = self._wake.is_set()
                self._wake.clear()  # before looking: what is asked for meanwhile wakes it again
                if self._look(source, read=due or woken):
                    looked = time.monotonic()
                complained = ""
            except Exception as error:
                # A directory moved under our feet, or a damaged log: say it once, and go on in case that it gets better.
                if complained != str(error):
                    complained = str(error)
                    self._fail(f"{type(error).__name__}: {error}")
            if self._hurried:  # a run of the comparison is still being read
                self._hurried = False
                self._wake.set()
            self._wake.wait(min(WATCH_PERIOD, self._period))

    def _boot(self, source: Source) -> None:
        """Read the run for the first time; a long one is drawn while that lasts."""
        from ibmon.runs.directory import status

        pause, drawn, said, frame = 0.0, 0.0, 0.0, None
        while not self._end.is_set():
            source.reader.poll(BOOT_SECONDS)
            if source.reader.complete:
                break
            now = time.monotonic()
            if frame is None or now - drawn >= pause:
                source.build(now=True)
                state = status(self._run, source.reader.info)
                frame = Frame(source.history, state, source.figures, source.failures, source.steps)
                pause, drawn = max(2 * pause, PAUSE), time.monotonic()
            elif now - said < self._period:
                continue
            read, size = source.bytes
            said = now
            self._post(replace(frame, loading=f"{100 * read / max(size, 1):.0f} % of {size / 2**20:.0f} MB"))
            if pause == PAUSE:
                self._end.wait(FIRST_PAUSE)
        self._look(source, read=True)

    def _look(self, source: Source, *, read: bool) -> bool:
        """Read what is new and post a frame if anything is. Between two readings only a change of state counts."""
        from ibmon.runs.directory import status

        state = status(self._run, source.reader.info)
        last = self._last
        moved = last is None or _turn(state) != _turn(last.status)
        if not read and not moved:
            return False
        source.reader.poll(LIVE_SECONDS)
        contenders = self._readable()
        history = source.history
        shared = self._shared(contenders) if contenders else history.replicas
        replica = self._replica if self._replica in shared else None
        source.build(replica)
        frame = Frame(
            history,
            state,
            source.figures,
            source.failures,
            source.steps,
            console=tuple(self._run.console_tail(200)),
            replicas=shared,
            replica=replica,
            results=len(source.reader.keys),
        )
        if contenders:
            figures = self._overlaid(contenders, replica)
            frame = replace(frame, figures=figures, contenders=tuple(c.name for c in contenders))
        frame = self._with_past(source, contenders, frame)
        if last is None or not _same(frame, last):
            self._last = frame
            self._post(frame)
        return True

    def _readable(self) -> tuple[Contender, ...]:
        """The contenders that can be read, all of them read a little further."""
        from ibmon.records import IbmonError

        readable: list[Contender] = []
        for contender in self._contenders:
            try:
                for run in contender.runs:
                    reader = self._source(run).reader
                    reader.poll(LIVE_SECONDS if reader.complete else BOOT_SECONDS)
                    self._hurried |= not reader.complete
            except IbmonError as error:
                self._contenders = tuple(c for c in self._contenders if c is not contender)
                self._fail(f"{contender.name} cannot be compared: {error}")
            else:
                readable.append(contender)
        kept = {self._run.path, *(run.path for contender in readable for run in contender.runs)}
        self._sources = {path: source for path, source in self._sources.items() if path in kept}
        return tuple(readable)

    def _shared(self, contenders: tuple[Contender, ...]) -> tuple[Coordinate, ...]:
        """The networks that every run of a comparison has."""
        first, *others = [self._source(run).history.replicas for contender in contenders for run in contender.runs]
        return tuple(replica for replica in first if all(replica in other for other in others))

    def _overlaid(self, contenders: tuple[Contender, ...], replica: Coordinate | None) -> tuple[Figure, ...]:
        """The figures of all contenders laid over each other: the same as before as long as none of them has new ones."""
        built: dict[str, list[tuple[Figure, ...]]] = {}
        for contender in contenders:
            for run in contender.runs:
                source = self._source(run)
                source.build(replica)
                built.setdefault(contender.name, []).append(source.figures)
        if self._laid is None or not _identical(self._laid[0], built):
            self._laid = built, _compared(built)
        return self._laid[1]

    def _source(self, run: RunDirectory) -> Source:
        if run.path not in self._sources:
            self._sources[run.path] = Source(run)
        return self._sources[run.path]

    def _with_past(self, source: Source, contenders: tuple[Contender, ...], frame: Frame) -> Frame:
        """The frame with the figures at the step asked for, where some have no axis of training that a view could cut."""
        from ibmon.figures.view import follows_training

        step, last = self._past, self._last
        moments = {f.name for f in frame.figures if not follows_training(f)}
        if step is None or not moments:
            return frame
        if last is not None and last.past_step == step and last.contenders == frame.contenders and frame.figures is last.figures:
            return replace(frame, past_step=step, past=last.past)
        if contenders:
            then = _compared({c.name: [self._source(run).then(step) for run in c.runs] for c in contenders})
        else:
            then = source.then(step)
        return replace(frame, past_step=step, past={f.name: f for f in then if f.name in moments})


def _turn(status: Status) -> tuple[object, ...]:
    """What of a state is shown at once, between two readings."""
    return status.state, status.analysing, status.trouble


def _same(one: Frame, other: Frame) -> bool:
    """Whether there is nothing new to draw."""
    kept = one.history is other.history and one.figures is other.figures and one.past is other.past
    return kept and _said(one) == _said(other)


def _said(frame: Frame) -> tuple[object, ...]:
    return frame.status, frame.console, frame.contenders, frame.replicas, frame.replica


def _identical(one: Mapping[str, Sequence[object]], other: Mapping[str, Sequence[object]]) -> bool:
    """Whether both hold the very same objects under the same names."""
    if list(one) != list(other) or any(len(one[name]) != len(other[name]) for name in one):
        return False
    return all(a is b for name in one for a, b in zip(one[name], other[name], strict=True))


def _compared(built: Mapping[str, Sequence[Sequence[Figure]]]) -> tuple[Figure, ...]:
    from ibmon.figures.compare import compared

    return tuple(compared(built))
