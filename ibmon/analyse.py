"""The analysis process: ``python -m ibmon.analyse RUN``, or ``--worker`` for one of several at work on kept snapshots."""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import sys
from pathlib import Path

from .machine import cores, give_way
from .runs import locks, processes
from .runs.directory import RunDirectory


def main(path: str) -> None:
    """Give way to the training in every respect, then follow the run."""
    run = RunDirectory(Path(path))
    if not locks.acquire(run.lock("analyst")):
        return
    if processes.read(run, processes.Submitted) is not None:
        # A cluster says to every process of a job that its time is up: until it is, what was captured is measured.
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    _stand_back()
    import torch

    from .analysis.loop import follow

    torch.set_num_threads(max(1, cores() // 2))
    follow(run)


def serve(estimators: list[str], analyses: list[str]) -> None:
    """Measure the kept snapshots that standard input names, until it ends or nobody listens to standard output any more.

    What plugins print goes into the ``analyst.log`` of the run that is measured.
    """
    said = os.dup(sys.stdout.fileno())
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # what others print is no message
    _stand_back()
    from .analysis.again import Asked
    from .analysis.messages import Message, encode
    from .analysis.worker import work

    def say(message: Message) -> None:
        os.write(said, encode(message))

    def print_into(run: RunDirectory) -> None:
        printed = os.open(run.path / "analyst.log", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        for stream in (sys.stdout, sys.stderr):
            os.dup2(printed, stream.fileno())
        os.close(printed)

    with contextlib.suppress(BrokenPipeError):
        work(Asked(tuple(estimators), tuple(analyses)), sys.stdin.buffer, say, print_into)


def _stand_back() -> None:
    give_way()
    with contextlib.suppress(OSError):
        # Where memory runs out, this process goes before the training does.
        Path("/proc/self/oom_score_adj").write_text("500")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("run", nargs="?")
    parser.add_argument("--worker", action="store_true")
    parser.add_argument("--estimator", action="append", default=[])
    parser.add_argument("--analysis", action="append", default=[])
    asked = parser.parse_args()
    if asked.worker:
        serve(asked.estimator, asked.analysis)
    else:
        main(asked.run)
