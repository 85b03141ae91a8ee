"""Runs as jobs of SLURM, through submitit."""

from __future__ import annotations

import contextlib
import io
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from ibmon import IbmonError

from .job import train
from .local import is_running

if TYPE_CHECKING:
    import submitit


@dataclass(frozen=True)
class Slurm:
    """An array of jobs, one a run.

    ``time`` is in minutes; ``warning`` seconds before it is up the training is stopped after its step, so that its last network
    is measured. ``more`` are further options of sbatch, as ``reservation:short;licenses:a``. ``cluster=local`` starts all of
    them on this machine, to try what a cluster would do.
    """

    cluster: Literal["slurm", "local"] = "slurm"
    partition: str = ""
    time: int = 60
    mem_gb: float | None = None
    cpus_per_task: int | None = None
    gpus_per_node: int | None = None
    account: str = ""
    qos: str = ""
    constraint: str = ""
    gres: str = ""
    nodelist: str = ""
    exclude: str = ""
    warning: int = 90
    more: str = ""

    def __post_init__(self) -> None:
        if self.time < 1 or self.warning < 1:
            raise ValueError("time is at least a minute, and warning at least a second")
        for part in self._more():
            if not all(part):
                raise ValueError(f"more is {self.more!r}, not of the form option:value;option:value")

    def submit(self, runs: Sequence[Path], *, folder: Path, at_once: int | None) -> list[str]:
        """Queue them as one array; returns its jobs. Raises IbmonError."""
        executor = self._executor(folder)
        executor.update_parameters(**self._parameters(at_once))
        try:
            with contextlib.redirect_stderr(io.StringIO()):  # submitit prints what sbatch says before it raises it
                jobs = executor.map_array(train, [str(run) for run in runs])
        except (RuntimeError, OSError) as error:
            raise IbmonError(f"SLURM did not take the jobs: {_last_line(error)}") from error
        return [str(job.job_id) for job in jobs]

    def alive(self, jobs: Sequence[str]) -> set[str]:
        """Those that squeue lists: accounting (sacct) is not switched on everywhere. Raises IbmonError."""
        if self.cluster == "local":
            return {job for job in jobs if is_running(int(job))}
        try:
            told = subprocess.run(
                ["squeue", "--me", "--array", "--noheader", "--format=%i"], capture_output=True, text=True, timeout=60, check=True
            )
        except (OSError, subprocess.SubprocessError) as error:
            raise IbmonError(f"squeue cannot be asked for the jobs: {_last_line(error)}") from error
        return {line.strip() for line in told.stdout.splitlines()}.intersection(jobs)

    def _executor(self, folder: Path) -> submitit.AutoExecutor:
        try:
            import submitit
        except ImportError as error:
            raise IbmonError("SLURM is reached through submitit; install it with: pip install 'ibmon[slurm]'") from error
        try:
            return submitit.AutoExecutor(folder, cluster=self.cluster)
        except RuntimeError as error:
            raise IbmonError("There is no srun here; submit from a login node of the cluster, or say --on local.") from error

    def _parameters(self, at_once: int | None) -> dict[str, Any]:
        """What submitit is told; what is not said is left to the cluster's defaults."""
        sbatch = {
            "partition": self.partition,
            "account": self.account,
            "qos": self.qos,
            "constraint": self.constraint,
            "gres": self.gres,
            "nodelist": self.nodelist,
            "exclude": self.exclude,
            "array_parallelism": at_once or _ALL,
        }
        # A preempted job is put back into the queue by SLURM itself. SIGTERM also says that time is up: every process of ours
        # knows what to do with it, while submitit's own signal would end those that do not listen for it.
        beside = {"requeue": True, "signal": f"TERM@{self.warning}", **dict(self._more())}
        return {
            "name": "ibmon",
            "timeout_min": self.time,
            "mem_gb": self.mem_gb,
            "cpus_per_task": self.cpus_per_task,
            "gpus_per_node": self.gpus_per_node,
            **{f"slurm_{name}": value for name, value in sbatch.items() if value},
            "slurm_additional_parameters": beside,
        }

    def _more(self) -> list[tuple[str, str]]:
        parts = [part.partition(":") for part in self.more.split(";")] if self.more else []
        return [(name.strip(), value.strip()) for name, _, value in parts]


_ALL = 100_000
"""Jobs of an array at a time: all of them."""


def _last_line(error: BaseException) -> str:
    said = getattr(error, "stderr", None) or str(error)
    return said.strip().splitlines()[-1].removeprefix("sbatch: error: ").removeprefix("squeue: error: ").rstrip(".") + "."
