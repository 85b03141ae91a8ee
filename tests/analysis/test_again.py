"""Kept snapshots measured again by several processes: everything once, whoever dies, and the same numbers as one analyst has."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import nn

from ibmon import EvaluationSet, Monitor
from ibmon.analysis.again import Asked, lacking, taken
from ibmon.analysis.crew import Crew, Workers
from ibmon.records import IbmonError, Result, Segment, UsageError
from ibmon.runs import locks
from ibmon.runs.directory import RunDirectory, status
from ibmon.runs.log import LogReader
from ibmon.tui.source import Source
from keeping import trained_run
from support import again, finish, history_of, results_in, written

ASKED = Asked(("kde:variance=0.5",))
JOB = "information-plane/kde:variance=0.5"


def _train(monitor: Monitor) -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(2, 3), nn.Tanh(), nn.Linear(3, 2))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
    x = torch.rand(40, 2) - 0.5
    y = (x.prod(1) > 0).long()
    monitor.watch(
        model,
        optimizer=optimizer,
        evaluation={"all": EvaluationSet(x, {"y": y})},
        estimators=("binning:width=0.5",),
        schedule="every:1",
    )
    for _ in range(4):
        nn.functional.cross_entropy(model(x), y).backward()
        optimizer.step()
        optimizer.zero_grad()


@pytest.fixture
def runs(measured: Callable[..., RunDirectory]) -> list[RunDirectory]:
    """Two runs of five kept snapshots each."""
    return [measured(_train, keep_snapshots=True, seed=seed, group="g", parameters={"seed": seed}) for seed in (1, 2)]


def test_two_workers_measure_all_of_two_runs_once_and_as_one_analyst_would(runs: list[RunDirectory]) -> None:
    works = [taken(run, ASKED) for run in runs]
    crew = Crew(works, ASKED, Workers(2, 1))
    sources = [Source(run) for run in runs]  # as a terminal that is open on each
    seen: list[int] = []

    def look() -> None:
        for source in sources:
            source.reader.poll()
        seen.append(sum(len(s.history.select("I(X;T)", estimator="kde:variance=0.5")) for s in sources))
        assert all(status(run).analysing for run in runs if crew.done[run] < crew.total[run])

    finish(crew, look)
    look()
    assert crew.done == crew.total == {run: 5 * len(works[0].items[0].jobs) for run in runs}
    assert seen[0] == 0 < seen[-1]
    for run, work in zip(runs, works, strict=True):
        assert set(results_in(run).values()) == {1}
        assert {seq for _, seq, job in results_in(run) if job == JOB} == set(range(5))
        assert (work.outcome().new, work.outcome().problems) == (crew.total[run], ())
        assert not status(run).analysing and locks.holder(run.lock("analyst")) is None
        assert lacking(run, ASKED).items == ()
        assert not list(run.path.glob("analyst.json"))
    parallel = history_of(runs[0]).select("I(X;T)", estimator="kde:variance=0.5")
    for log in runs[0].logs("analyst"):
        if any(isinstance(r, Result) and r.job == JOB for r in LogReader(log).read(2**26)):
            log.unlink()
    again(runs[0], ASKED)
    alone = history_of(runs[0]).select("I(X;T)", estimator="kde:variance=0.5")
    assert len(parallel) == len(alone) > 0
    for one, other in zip(parallel, alone, strict=True):
        assert one.step.tolist() == other.step.tolist() == [0, 1, 2, 3, 4]
        assert one.value.tolist() == other.value.tolist()


SHARE = """
import sys, time
from pathlib import Path
from ibmon.runs import locks
print(locks.share(Path(sys.argv[1])), flush=True)
time.sleep(60)
"""


def test_a_run_belongs_to_its_workers_as_long_as_one_of_them_lives(runs: list[RunDirectory]) -> None:
    lock = runs[0].lock("analyst")
    with subprocess.Popen([sys.executable, "-c", SHARE, str(lock)], stdout=subprocess.PIPE, text=True) as worker:
        assert worker.stdout is not None and worker.stdout.readline() == "True\n"
        with pytest.raises(IbmonError, match="is being analysed right now"):
            taken(runs[0], ASKED)
        assert locks.share(lock)
        locks.release(lock)
        assert locks.holder(lock) == worker.pid
        worker.kill()


def test_a_run_that_is_not_over_is_left_to_its_own_analyst(runs: list[RunDirectory]) -> None:
    written([Segment(segment=2, pid=1, host=socket.gethostname())], run=runs[0])
    with subprocess.Popen([sys.executable, "-c", SHARE, str(runs[0].lock("trainer"))], stdout=subprocess.PIPE) as trainer:
        assert trainer.stdout is not None and trainer.stdout.readline()
        with pytest.raises(IbmonError, match="is not over yet"):
            taken(runs[0], ASKED)
        trainer.kill()
    assert locks.holder(runs[0].lock("analyst")) is None


def test_a_snapshot_that_cannot_be_read_is_said_and_the_others_are_measured(runs: list[RunDirectory]) -> None:
    (runs[0].snapshots / "1-2" / "commit.json").write_text("{")
    done = again(runs[0], ASKED)
    assert done.new == 4
    (problem,) = done.problems
    assert "1-2 is damaged" in problem


def test_what_no_run_can_measure_is_a_wrong_command(runs: list[RunDirectory]) -> None:
    for asked in (Asked(("kde:variance=-1",)), Asked((), ("information-plane:channels=none",))):
        with pytest.raises(UsageError):
            lacking(runs[0], asked)


@pytest.mark.parametrize(
    ("jobs", "threads", "expected"),
    [
        (None, "", Workers(8, 1)),
        (None, "4", Workers(2, 4)),
        (2, "", Workers(2, 1)),
        (2, "4", Workers(2, 4)),
        (8, "4", Workers(8, 1)),
        (100, "", Workers(9, 1)),
        (None, "16", Workers(1, 8)),
    ],
)
def test_workers_share_the_cores(monkeypatch: pytest.MonkeyPatch, jobs: int | None, threads: str, expected: Workers) -> None:
    monkeypatch.setattr("ibmon.analysis.crew.cores", lambda: 8)
    monkeypatch.setenv("OMP_NUM_THREADS", threads)
    run = trained_run()
    work = lacking(run, ASKED)
    assert len(work.items) == 9
    assert Workers.of([work], jobs) == expected
    assert Workers.of([replace(work, device="cuda")]).count == 1
    assert Workers.of([replace(work, items=work.items[:1])], jobs).count == 1
