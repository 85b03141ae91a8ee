"""Runs on this machine, in the background."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ibmon import start_run


@dataclass(frozen=True)
class Local:
    """Starts at once what it is given; a job is the number of the process that supervises a run."""

    def submit(self, runs: Sequence[Path], *, folder: Path, at_once: int | None) -> list[str]:
        """Start them all. Raises IbmonError."""
        return [str(start_run(run)) for run in runs]

    def alive(self, jobs: Sequence[str]) -> set[str]:
        """Those whose process exists."""
        return {job for job in jobs if is_running(int(job))}


def is_running(pid: int) -> bool:
    """Whether this user has a process of that number."""
    try:
        os.kill(pid, 0)
    except OSError:
        return False
    return True
