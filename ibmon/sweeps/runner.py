"""The runs of a grid, a few at a time, each followed until its training and its analysis are over."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from ibmon.launch import Analyst, stop, undrained
from ibmon.records import IbmonError, Progress
from ibmon.runs.directory import RunDirectory, Status, status
from ibmon.runs.log import LogReader

from .grid import Combination
from .groups import Member, identity, member_of
from .queues import Queues


@dataclass(frozen=True, slots=True)
class Task:
    """What is to be done about a combination: nothing but ``keep`` the run that has finished, ``wait`` for it, or ``start`` one.

    ``earlier`` are the runs of it that do not count.
    """

    combination: Combination
    action: Literal["keep", "wait", "start"]
    member: Member | None = None
    earlier: tuple[Member, ...] = ()


def planned(combinations: Sequence[Combination], members: Sequence[Member], recipe: str, target: str) -> list[Task]:
    """What is to be done where a group has these members, the newest first: the newest finished one counts."""
    tasks: list[Task] = []
    for combination in combinations:
        wanted = identity(recipe, target, combination.parameters)
        same = [member for member in members if member.identity == wanted]
        under_way = next((m for m in same if m.state in ("running", "queued")), None)
        found = next((m for m in same if m.state == "finished"), None) or under_way
        action = "start" if found is None else "keep" if found.state == "finished" and found.measured else "wait"
        tasks.append(Task(combination, action, found, tuple(m for m in same if m is not found)))
    return tasks


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a run of a sweep ended; ``problem`` is empty where it finished and all is measured."""

    combination: Combination
    member: Member | None
    problem: str = ""


class UnderWay:
    """A run that is followed to its end."""

    def __init__(self, combination: Combination, run: RunDirectory, queues: Queues) -> None:
        self.combination, self.run, self.info = combination, run, run.info()
        self._queues = queues
        queues.expect(run)
        self.progress: Progress | None = None
        self._log: LogReader | None = None
        self._analyst = Analyst(run, self.info.analyst_device)

    def go_on(self) -> bool:
        """Look again; False once the training is over and all that it captured is measured, or cannot be."""
        self._read()
        now = status(self.run, self.info)
        if self._queued(now):
            return True
        waiting = undrained(self.run)
        if now.over and waiting and not now.analysing:
            self._analyst.keep(lambda text, level: None)
        return not (now.over and not now.analysing and (not waiting or self._analyst.given_up))

    def _queued(self, now: Status) -> bool:
        """Whether the run waits in the queue of a launcher, for the first time or again."""
        try:
            return self._queues.holds(self.run, now)
        except IbmonError:  # who cannot be asked now may be asked later
            return True

    def _read(self) -> None:
        logs = self.run.logs("trainer")
        if logs and (self._log is None or self._log.path != logs[-1]):
            self._log = LogReader(logs[-1])
        for record in self._log.read() if self._log is not None else ():
            if isinstance(record, Progress):
                self.progress = record

    def outcome(self) -> Outcome:
        """How it ended."""
        member = member_of(self.run, self.info)
        problem = ""
        if member.state in ("failed", "lost"):
            problem = f"{member.state}: {member.detail or f'see {self.run.console}'}"
        elif member.state == "stopped":
            problem = "stopped before its end"
        elif not member.measured:
            problem = f"the analysis died again and again: see {self.run.path / 'analyst.log'}"
        return Outcome(self.combination, member, problem)


class Sweep:
    """Runs that are started, at most ``jobs`` at a time, and followed; ``turn`` is called until it says that all is over.

    ``begin`` starts the run of a combination; where it cannot, the others go on.
    """

    def __init__(self, tasks: Sequence[Task], jobs: int, begin: Callable[[Combination], RunDirectory], queues: Queues) -> None:
        followed = [(t.combination, t.member.run) for t in tasks if t.action == "wait" and t.member is not None]
        self.under_way = [UnderWay(*each, queues) for each in followed]
        self.waiting = deque(t.combination for t in tasks if t.action == "start")
        self.outcomes: list[Outcome] = []
        self._jobs, self._begin, self._queues = jobs, begin, queues

    def turn(self) -> bool:
        """Let go of what has ended and start others in its place; False once nothing is under way any more."""
        for one in [one for one in self.under_way if not one.go_on()]:
            self.under_way.remove(one)
            self.outcomes.append(one.outcome())
        while self.waiting and len(self.under_way) < self._jobs:
            combination = self.waiting.popleft()
            try:
                self.under_way.append(UnderWay(combination, self._begin(combination), self._queues))
            except IbmonError as error:
                self.outcomes.append(Outcome(combination, None, str(error)))
        return bool(self.under_way)

    def stop(self) -> None:
        """Start no more, and ask those under way to stop after their step."""
        self.waiting.clear()
        for one in self.under_way:
            stop(one.run)
