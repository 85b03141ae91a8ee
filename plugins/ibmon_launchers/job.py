"""What a job of a cluster does: nothing but to supervise one run. The path of its directory is all that it is given."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from types import FrameType


def train(run: str) -> None:
    """Train and measure a run, to its end. Raises RuntimeError where the training failed, so that the cluster knows, too.

    A signal that time is up, or that others need the node, stops the training after its step.
    """
    cores = os.environ.get("SLURM_CPUS_PER_TASK")
    if cores:
        os.environ.setdefault("OMP_NUM_THREADS", cores)
    supervisor = subprocess.Popen([sys.executable, "-m", "ibmon.launch", run], stdin=subprocess.DEVNULL)

    def stop(*_: int | FrameType | None) -> None:
        supervisor.terminate()

    # SIGUSR1 and SIGUSR2 are how submitit says that time is up where no scheduler does.
    for name in (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1, signal.SIGUSR2):
        signal.signal(name, stop)
    if supervisor.wait():
        raise RuntimeError(f"the job of {run} failed; the console.log there says why")
