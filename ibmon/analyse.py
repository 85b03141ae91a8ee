"""The analysis process: ``python -m ibmon.analyse RUN``."""

from __future__ import annotations

import contextlib
import os
import sys
from pathlib import Path

from .machine import give_way
from .runs import locks
from .runs.directory import RunDirectory


def main(path: str) -> None:
    """Give way to the training in every respect, then follow the run."""
    run = RunDirectory(Path(path))
    if not locks.acquire(run.lock("analyst")):
        return
    give_way()
    with contextlib.suppress(OSError):
        # Where memory runs out, this process goes before the training does.
        Path("/proc/self/oom_score_adj").write_text("500")
    import torch

    from .analysis.loop import follow

    torch.set_num_threads(max(1, (os.cpu_count() or 2) // 2))
    follow(run)


if __name__ == "__main__":
    main(sys.argv[1])
