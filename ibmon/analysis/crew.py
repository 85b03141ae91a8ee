"""Processes that measure kept snapshots side by side, and who hands the snapshots out to them.

Whoever hands out holds the analyst's lock of every run and shares it with the workers, so that nobody else measures the same
even where this process is killed and they are not. A snapshot is given to one worker at a time; when that dies the logs tell
what it did, and the rest is given out again. So every job is done once on every snapshot, whoever dies.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import subprocess
import sys
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice

from ibmon.machine import cores
from ibmon.records import IbmonError
from ibmon.runs import locks
from ibmon.runs.directory import RunDirectory

from .again import Asked, Item, Work
from .measuring import MOST_DEATHS, AnalystLog, died, switched_off
from .messages import Began, Ended, Ready, Task, decode, encode

_ABANDONED = 3
"""Workers that may die in a row without having begun a job before no more are started."""
_PATIENCE = 10.0
"""Seconds that a worker gets to end by itself."""


@dataclass(frozen=True, slots=True)
class Workers:
    """How many processes at most, and the threads of each."""

    count: int
    threads: int

    @classmethod
    def of(cls, works: Sequence[Work], jobs: int | None = None) -> Workers:
        """As many as are asked for; else one for each core, and one for a GPU; never more than there are snapshots.

        Each has one thread, or ``OMP_NUM_THREADS`` where that is set, while they have no more together than there are cores:
        snapshots are shared out far better than the work on one (benchmarks/analyse.py).
        """
        said = os.environ.get("OMP_NUM_THREADS", "")
        threads = max(1, int(said)) if said.isdecimal() else 1
        if jobs is None:
            jobs = cores() // threads if all(work.device == "cpu" for work in works) else 1
        count = max(1, min(jobs, sum(len(work.items) for work in works)))
        return cls(count, min(threads, max(1, cores() // count)))


class Hand:
    """A worker process: ``given`` is the snapshot it has, ``job`` the job it is at, ``done`` how many it has done there."""

    def __init__(self, asked: Asked, threads: int, first: Work, *, gpu: bool) -> None:
        environment = {**os.environ, "OMP_WAIT_POLICY": "PASSIVE"}
        environment |= dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS"), str(threads))
        if not gpu:
            environment["CUDA_VISIBLE_DEVICES"] = ""
        options = [*(f"--estimator={text}" for text in asked.estimators), *(f"--analysis={text}" for text in asked.analyses)]
        with (first.run.path / "analyst.log").open("ab") as printed:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "ibmon.analyse", "--worker", *options],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=printed,
                bufsize=0,
                env=environment,
                start_new_session=True,  # Ctrl-C is not for it
            )
        assert self._process.stdin is not None and self._process.stdout is not None
        self._tasks, self._said = self._process.stdin, self._process.stdout
        self.waits = False
        self.given: tuple[Work, Item] | None = None
        self.job = ""
        self.done = 0
        self._rest = b""

    @property
    def pid(self) -> int:
        return self._process.pid

    def fileno(self) -> int:
        """Where it is listened to."""
        return self._said.fileno()

    def give(self, work: Work, item: Item) -> None:
        """Hand out a snapshot. That the worker is dead is noticed when it is listened to."""
        self.given, self.waits, self.job, self.done = (work, item), False, "", 0
        task = Task(run=str(work.run.path.resolve()), snapshot=item.group.folder.name, jobs=item.jobs)
        with contextlib.suppress(OSError):
            self._tasks.write(encode(task))

    def hear(self) -> list[bytes] | None:
        """Whole lines that have come; None when the worker has ended."""
        data = os.read(self.fileno(), 65536)
        *lines, self._rest = (self._rest + data).split(b"\n")
        return lines if data else None

    def end(self) -> None:
        """See it end: at once where it is at something."""
        if not self.waits:
            self._process.kill()
        self._tasks.close()
        self._said.close()
        try:
            self._process.wait(_PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


class Crew:
    """Measures what runs lack; ``turn`` is called until it says that all is over, ``close`` in any case.

    ``done`` counts the results of each run that have come, ``total`` those that there are to be.
    """

    def __init__(self, works: Sequence[Work], asked: Asked, workers: Workers) -> None:
        self.total = {work.run: work.results for work in works}
        self.done = dict.fromkeys(self.total, 0)
        self.hands: list[Hand] = []
        self._works, self._asked, self._workers = works, asked, workers
        self._gpu = any(work.device != "cpu" for work in works)
        self._waiting = deque((work, item) for work in works for item in work.items)
        self._selector = selectors.DefaultSelector()
        self._deaths: Counter[tuple[RunDirectory, tuple[int, int], str]] = Counter()
        self._fruitless = 0
        self._off: set[tuple[RunDirectory, str]] = set()
        self._logs: dict[RunDirectory, AnalystLog] = {}
        self._finished: set[RunDirectory] = set()

    def turn(self, seconds: float = 0.25) -> bool:
        """Hand out snapshots and listen for so long; False once nothing is left to be done.

        Raises IbmonError when workers die again and again before they measure anything.
        """
        self._hand_out()
        for key, _ in self._selector.select(seconds) if self.hands else ():
            self._listen(key.data)
        return bool(self._waiting) or any(hand.given is not None for hand in self.hands)

    def finished(self) -> Iterator[Work]:
        """The runs of which nothing waits any more, each once. They are let go of."""
        for work in self._works:
            if self.done[work.run] == self.total[work.run] and work.run not in self._finished:
                self._finished.add(work.run)
                self._let_go(work)
                yield work

    def close(self) -> None:
        """End the workers, in the middle of their jobs where they have some, and let go of the runs."""
        for hand in self.hands:
            self._selector.unregister(hand)
            hand.end()
        self.hands.clear()
        self._selector.close()
        for work in self._works:
            self._let_go(work)

    def _let_go(self, work: Work) -> None:
        log = self._logs.pop(work.run, None)
        if log is not None:
            log.close()
        locks.release(work.run.lock("analyst"))

    def _hand_out(self) -> None:
        for hand in self.hands:
            if hand.waits and self._waiting:
                hand.give(*self._waiting.popleft())
        starting = sum(not hand.waits and hand.given is None for hand in self.hands)
        room = self._workers.count - len(self.hands)
        for work, _ in islice(self._waiting, starting, starting + room):
            hand = Hand(self._asked, self._workers.threads, work, gpu=self._gpu)
            self.hands.append(hand)
            self._selector.register(hand, selectors.EVENT_READ, hand)

    def _listen(self, hand: Hand) -> None:
        lines = hand.hear()
        if lines is None:
            self._bury(hand)
        for line in lines or ():
            match decode(line):
                case Ready(problem=problem):
                    if problem and hand.given is not None:
                        self._leave_out(*hand.given, problem)
                    hand.given, hand.waits = None, True
                case Began(job=job):
                    hand.job = job
                case Ended(job=job, broken=broken) if hand.given is not None:
                    hand.job, hand.done = "", hand.done + 1
                    self.done[hand.given[0].run] += 1
                    self._fruitless = 0
                    if broken:
                        self._switch_off(hand.given[0], job, broken)
                case _:
                    pass

    def _bury(self, hand: Hand) -> None:
        """A worker has died: what it did is in the logs, and the rest is given to others."""
        self._selector.unregister(hand)
        self.hands.remove(hand)
        hand.end()
        self._fruitless += not hand.job and not hand.waits
        if self._fruitless >= _ABANDONED:
            run = (hand.given or (self._works[0],))[0].run
            raise IbmonError(f"The analysis died again and again before it measured anything; see {run.path / 'analyst.log'}.")
        if hand.given is None:
            return
        work, item = hand.given
        left = work.left(item)
        on = tuple(job for job in left if (work.run, job) not in self._off)
        self.done[work.run] += len(item.jobs) - len(left) - hand.done
        self.total[work.run] -= len(left) - len(on)
        if not on:
            return
        rest = replace(item, jobs=on)
        died_in = (work.run, item.group.key, hand.job)
        self._deaths[died_in] += not hand.job or hand.job in on
        often = self._deaths[died_in] >= MOST_DEATHS
        if often and not hand.job:
            name = item.group.folder.name
            self._leave_out(work, rest, f"the analysis process died {MOST_DEATHS} times before it had read the snapshot {name}")
            return
        self._waiting.appendleft((work, rest))
        if often:
            self._switch_off(work, hand.job, died())

    def _leave_out(self, work: Work, item: Item, problem: str) -> None:
        """Measure nothing on a snapshot that cannot be read."""
        work.unmeasured.append(problem)
        self.total[work.run] -= len(item.jobs)

    def _switch_off(self, work: Work, name: str, reason: str) -> None:
        """Write down that a job is switched off for its run, and hand it out no more."""
        if (work.run, name) in self._off:
            return
        self._off.add((work.run, name))
        if work.run not in self._logs:
            self._logs[work.run] = AnalystLog(work.run, (), work.device)
        for record in switched_off(next(job for job in work.jobs if job.name == name), reason):
            self._logs[work.run].append(record)
        for _ in range(len(self._waiting)):
            other, item = self._waiting.popleft()
            jobs = tuple(job for job in item.jobs if other is not work or job != name)
            self.total[other.run] -= len(item.jobs) - len(jobs)
            if jobs:
                self._waiting.append((other, replace(item, jobs=jobs)))
