"""Following a run without a screen: a progress bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import math
import signal
import sys
import time
from types import FrameType
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from ibmon.launch import Analyst, stop, undrained
from ibmon.runs.directory import RunDirectory, Status, status
from ibmon.runs.history import History
from ibmon.runs.reading import HistoryReader

if TYPE_CHECKING:
    from rich.progress import TaskID

LINE_SECONDS = 10.0


def follow(run: RunDirectory) -> int:
    """Follow training and analysis to their ends; returns the exit code: 0, 1 failed, 4 lost.

    The first Ctrl-C or SIGTERM asks the training to stop after its step; the second leaves it alone in the background.
    """
    console = Console(stderr=True, highlight=False, markup=False)
    look = _Look(run, _stop_on_signal(run, console))
    console.print(f"{run.path}  (watch it: ibmon watch {run.id})")
    (_with_bar if console.is_terminal else _with_lines)(look, console)
    if look.asked.times > 1:
        console.print(f"The training goes on in the background: ibmon watch {run.id}")
        return 0
    return _farewell(run, look.now, look.history, console)


class _Asked:
    """How often the user interrupted."""

    times = 0


def _stop_on_signal(run: RunDirectory, console: Console) -> _Asked:
    asked = _Asked()

    def ask(*_: int | FrameType | None) -> None:
        asked.times += 1
        if asked.times == 1:
            stop(run)
            console.print("Stopping after this step (again: leave it running in the background) ...")

    signal.signal(signal.SIGINT, ask)
    signal.signal(signal.SIGTERM, ask)
    return asked


class _Look:
    """What a loop over a run needs to know at each turn."""

    def __init__(self, run: RunDirectory, asked: _Asked) -> None:
        self.run, self.asked = run, asked
        self.reader = HistoryReader(run)
        self.now = status(run, self.reader.info)
        self._analyst = Analyst(run, self.reader.info.analyst_device)

    def go_on(self) -> bool:
        """Look again; False once the training is over and all that it captured is measured, or the user left."""
        self.now = status(self.run, self.reader.info)
        waiting = undrained(self.run)
        if self.now.over and waiting:
            self._analyst.keep(lambda text, level: None)
        self.reader.poll()
        measured = not self.now.analysing and (not waiting or self._analyst.given_up)
        return self.asked.times < 2 and not (self.now.over and measured)

    @property
    def history(self) -> History:
        return self.reader.history()


def _with_bar(look: _Look, console: Console) -> None:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[words]}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True) as bar:
        training = bar.add_task("training", total=None, words="")
        analysis: TaskID | None = None
        while look.go_on():
            history = look.history
            done, total = _position(history)
            bar.update(training, completed=done, total=total, words=_words(history))
            if look.now.over:
                if analysis is None:
                    bar.update(training, visible=False)
                    analysis = bar.add_task("analysing", total=history.captured, words="")
                bar.update(analysis, completed=history.measured, total=history.captured)
            time.sleep(0.25)


def _with_lines(look: _Look, console: Console) -> None:
    said = 0.0
    while look.go_on():
        if time.monotonic() - said > LINE_SECONDS and (history := look.history).progress is not None:
            said = time.monotonic()
            done, total = _position(history)
            console.print(
                f"{done:g}/{total or '?'} {_words(history)}; {history.measured} of {history.captured} snapshots measured"
            )
        time.sleep(0.25)


def _position(history: History) -> tuple[float, int | None]:
    progress = history.progress
    if progress is None:
        return 0, None
    return (math.floor(progress.epoch or 0), progress.epochs) if progress.epochs else (progress.step, None)


def _words(history: History) -> str:
    progress = history.progress
    if progress is None:
        return "starting"
    loss = "" if progress.loss is None else f" loss {progress.loss:.4g}"
    cost = "" if progress.overhead is None else f" monitor {100 * progress.overhead:.1f} %"
    return f"step {progress.step}{loss}{cost}"


def _farewell(run: RunDirectory, final: Status, history: History, console: Console) -> int:
    from .results import summary

    if final.state == "failed":
        for line in run.console_tail():
            console.print(f"  {line}")
        console.print(f"ibmon: the training failed: {final.detail or 'see ' + str(run.console)}")
        return 1
    if final.state == "lost":
        console.print(f"ibmon: the run is lost: {final.detail}; what was measured is in {run.path}")
        return 4
    summary(run, history, sys.stdout.isatty())
    return 0
