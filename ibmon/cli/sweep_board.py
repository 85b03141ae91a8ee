"""What is seen of a sweep while it runs."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING

from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Column

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import TaskID

    from ibmon.sweeps.runner import Outcome, Sweep, UnderWay


class Board:
    """A sweep while it runs: on a terminal bars of the whole and of each run under way; a line when a run starts or ends."""

    def __init__(self, sweep: Sweep, total: int, console: Console) -> None:
        self._sweep, self._total, self._console = sweep, total, console
        self._kept = total - len(sweep.waiting) - len(sweep.under_way)
        self._told = 0
        self._bars = Progress(
            TextColumn("{task.description}", table_column=Column(no_wrap=True, overflow="ellipsis")),
            BarColumn(bar_width=20),
            TextColumn("{task.fields[words]}"),
            TimeRemainingColumn(),
            console=console,
            transient=True,
            speed_estimate_period=3600.0,
            disable=not console.is_terminal,
        )
        self._whole = self._bars.add_task("all runs", total=total, completed=self._kept, words="")
        self._single: dict[str, TaskID] = {}

    def __enter__(self) -> Board:
        self._bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bars.stop()

    def show(self) -> None:
        """Show what has changed."""
        for one in self._sweep.under_way:
            if one.run.id not in self._single:
                self._single[one.run.id] = self._bars.add_task(one.combination.name, total=None, words="")
                if not self._console.is_terminal:
                    self._console.print(f"{one.combination.name}: under way as {one.run.id}", soft_wrap=True)
        parts = {one.run.id: _part(one) for one in self._sweep.under_way}
        for run in [run for run in self._single if run not in parts]:
            self._bars.remove_task(self._single.pop(run))
        for run, (done, epochs, words) in parts.items():
            self._bars.update(self._single[run], completed=done, total=epochs, words=words)
        ended = self._kept + len(self._sweep.outcomes)
        fractions = sum(done / epochs for done, epochs, _ in parts.values() if epochs)
        self._bars.update(self._whole, completed=ended + fractions, words=f"{ended} of {self._total}")
        for outcome in self._sweep.outcomes[self._told :]:
            self._told += 1
            count = f"{self._kept + self._told} of {self._total}"
            self._console.print(f"{outcome.combination.name}: {_ending(outcome)} ({count})", soft_wrap=True)


def _part(one: UnderWay) -> tuple[float, int | None, str]:
    """How far a run is: epochs done, epochs in all where that is known, and words."""
    progress = one.progress
    if progress is None:
        return 0.0, None, "starting"
    if not progress.epochs:
        return progress.step, None, f"step {progress.step}"
    epoch = math.floor(progress.epoch or 0)
    return epoch, progress.epochs, f"epoch {epoch} of {progress.epochs}" if epoch < progress.epochs else "analysing"


def _ending(outcome: Outcome) -> str:
    if outcome.problem or outcome.member is None:
        return outcome.problem
    return f"finished after {time.time() - outcome.member.info.created:.0f} s"
