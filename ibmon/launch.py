"""Start, supervise and stop the processes of a run. Nothing here imports torch.

The trainer runs in a session of its own below a small supervisor, so that closing a terminal harms neither; the supervisor
records how the trainer ended and keeps an analyst alive until the spool is drained.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import msgspec

from .machine import cores
from .records import FORMAT, IbmonError, RunInfo
from .runs import locks, processes
from .runs.directory import CONSOLE_LIMIT, RunDirectory, new_id, settled, status

RUN_VARIABLE = "IBMON_RUN"
_ABANDONED = 3
"""An analyst that dies so often in a row without a sign of progress is not started again."""
_HEADER = 1000
"""Bytes that an analyst's log holds before its first result, at most."""


def describe_run(*, recipe: str, target: str, **asked: Any) -> RunInfo:
    """``run.json`` of a new run: what was asked (further fields of ``RunInfo``), where, and of which versions."""
    known = RunInfo(
        format=FORMAT,
        id=new_id(recipe),
        recipe=recipe,
        target=target,
        created=round(time.time(), 3),
        host=socket.gethostname(),
        cwd=str(Path.cwd()),
        command=sys.argv,
        versions=_versions(),
        git=_git_state(),
    )
    return msgspec.structs.replace(known, **asked)


def _versions() -> dict[str, str]:
    from importlib.metadata import PackageNotFoundError, version

    found = {"python": ".".join(map(str, sys.version_info[:3]))}
    for name in ("ibmon", "torch", "numpy"):
        with contextlib.suppress(PackageNotFoundError):
            found[name] = version(name)
    return found


def _git_state() -> dict[str, str | bool]:
    """Commit and whether the tree is dirty; empty outside a repository."""
    try:
        commit = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, timeout=2)
        if commit.returncode:
            return {}
        dirty = subprocess.run(["git", "status", "--porcelain", "-uno"], capture_output=True, text=True, timeout=2)
    except (OSError, subprocess.SubprocessError):
        return {}
    return {"commit": commit.stdout.strip(), "dirty": bool(dirty.stdout.strip())}


def start(run: RunDirectory) -> int:
    """Start supervisor and trainer in the background; returns the supervisor's pid. Raises IbmonError."""
    return start_run(run.path)


def start_run(path: Path) -> int:
    """Start the job of a run, ``python -m ibmon.launch RUN``, in the background; returns its pid. Raises IbmonError."""
    try:
        child = subprocess.Popen(
            [sys.executable, "-m", "ibmon.launch", str(path.resolve())],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
    except OSError as error:
        raise IbmonError(f"The training process could not be started: {error}.") from error
    _let_go(child)
    return child.pid


def supervise(run: RunDirectory) -> int:
    """Run the trainer, record how it ended, and see the analysis through. The body of ``python -m ibmon.launch RUN``.

    Begun again in the same directory, by a cluster that puts a job back into its queue, it trains anew as a further segment,
    unless the training had come to its end. SIGTERM and SIGINT stop the training after its step.
    """
    locks.acquire(run.lock("supervisor"))
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # inherited: a terminal that goes away stops nobody
    analyst = Analyst(run, run.info().analyst_device)
    before = status(run)
    code = 0 if before.state == "finished" and before.detail != "stopped" else _train(run, analyst)
    with contextlib.suppress(OSError):
        processes.write(run, processes.Exit(code=code))
    while undrained(run) and not analyst.given_up:
        analyst.keep(lambda text, level: None)
        _give_sign(run)
        time.sleep(0.2)
    with contextlib.suppress(OSError):
        processes.write(run, processes.Exit(code=code, drained=True))
    return code


def _train(run: RunDirectory, analyst: Analyst) -> int:
    """Run the trainer to its end; returns its exit code."""
    with contextlib.suppress(OSError):
        processes.begin(run)
    with run.console.open("ab", buffering=0) as console:
        trainer = subprocess.Popen(
            [sys.executable, "-m", "ibmon.train", str(run.path)],
            stdin=subprocess.DEVNULL,
            stdout=console,
            stderr=console,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
        )

    def forward(*_: Any) -> None:
        trainer.terminate()

    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, forward)
    # The analyst imports torch while the trainer does, so that the first points come early.
    analyst.keep(lambda text, level: None)
    while True:
        try:
            return trainer.wait(5.0)
        except subprocess.TimeoutExpired:
            _cap_console(run)
            _give_sign(run)


def _give_sign(run: RunDirectory) -> None:
    """The trainer gives signs of life only once it has imported torch, and none any more while the rest is measured."""
    with contextlib.suppress(OSError):
        run.heartbeat.touch()


def _cap_console(run: RunDirectory) -> None:
    """Keep the last part of a console log that grew too large."""
    with contextlib.suppress(OSError):
        if run.console.stat().st_size > CONSOLE_LIMIT:
            with run.console.open("r+b") as file:
                file.seek(-CONSOLE_LIMIT // 2, os.SEEK_END)
                kept = file.read().partition(b"\n")[2]
                file.seek(0)
                file.write(b"[ibmon: the beginning of this log was cut]\n" + kept)
                file.truncate()


def undrained(run: RunDirectory) -> bool:
    """Whether snapshots of the run still wait for an analyst on this host."""
    for folder in run.spools():
        with contextlib.suppress(OSError):
            if any((folder / name / "commit.json").is_file() for name in os.listdir(folder)):  # noqa: PTH208
                return True
    return False


class Analyst:
    """Keeps one analyst alive for a run: starts it, and starts it again when it died with work left."""

    def __init__(self, run: RunDirectory, device: str) -> None:
        self._run, self._device = run, device
        self._process: subprocess.Popen[bytes] | None = None
        self._fruitless = 0
        self._size = -1

    @property
    def given_up(self) -> bool:
        return self._fruitless >= _ABANDONED

    def keep(self, notice: Callable[[str, str], None]) -> None:
        """Start the analyst when nobody else's holds the lock and ours is not running."""
        if self._process is not None:
            code = self._process.poll()
            if code is None:
                return
            self._process = None
            if code == 0:
                return
            size = sum(p.stat().st_size for p in self._run.logs("analyst"))
            self._fruitless = 0 if size > self._size + _HEADER else self._fruitless + 1
            self._size = size
            if self.given_up:
                notice(f"The analysis died again and again (exit code {code}); see {self._run.path / 'analyst.log'}.", "error")
                return
            notice(f"The analysis died (exit code {code}) and was started again.", "warning")
        if self.given_up or locks.holder(self._run.lock("analyst")) is not None:
            return
        with contextlib.suppress(OSError):
            self._process = start_analyst(self._run, self._device)


def start_analyst(run: RunDirectory, device: str = "cpu") -> subprocess.Popen[bytes]:
    """Start an analyst in a session of its own; it ends when the trainer is gone and the spool is empty.

    Passive waiting lets it share cores with the trainer; on the CPU it must not see the GPU: a second CUDA context can starve
    the training.
    """
    threads = str(max(1, cores() // 2))
    environment = {**os.environ, "OMP_WAIT_POLICY": "PASSIVE", "OMP_NUM_THREADS": threads, "MKL_NUM_THREADS": threads}
    if device == "cpu":
        environment["CUDA_VISIBLE_DEVICES"] = ""
    with (run.path / "analyst.log").open("ab") as output:
        return subprocess.Popen(
            [sys.executable, "-m", "ibmon.analyse", str(run.path.resolve())],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
            env=environment,
        )


def resume_analysis(run: RunDirectory) -> bool:
    """Start an analyst for a run with snapshots left over and nobody at work on them. True when one was started."""
    info = run.info()
    if not undrained(run):
        return False
    now = settled(run, info)
    if now.analysing or now.via or not now.over:
        return False
    _let_go(start_analyst(run, info.analyst_device))
    return True


def _let_go(child: subprocess.Popen[bytes]) -> None:
    """A process that is meant to outlive this one: without an exit code Python would complain that it still runs."""
    child.returncode = 0


def stop(run: RunDirectory) -> None:
    """Ask the trainer to stop after its current step, take a last snapshot and end."""
    run.ask("stop")


def main(path: Path) -> int:
    """The job of a directory that a launcher was given: a run, or a request to measure kept snapshots again."""
    asked = processes.read(RunDirectory(path), processes.Again)
    if asked is not None:
        _measure_again(RunDirectory(path), asked)
    return 0 if supervise(RunDirectory(path)) == 0 else 1


def _measure_again(request: RunDirectory, asked: processes.Again) -> NoReturn:
    """Become ``ibmon analyse``, which says into the console of the request what it has to say."""
    environment = dict(os.environ)
    if environment.get("OMP_NUM_THREADS") == environment.get("SLURM_CPUS_PER_TASK"):
        environment.pop("OMP_NUM_THREADS", None)  # the threads of a training; here each core gets a process
    console = os.open(request.console, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    for stream in (1, 2):
        os.dup2(console, stream)
    chosen = [*(f"--estimator={text}" for text in asked.estimators), *(f"--analysis={text}" for text in asked.analyses)]
    count = [f"--jobs={asked.jobs}"] if asked.jobs is not None else []
    os.execve(sys.executable, [sys.executable, "-m", "ibmon", "analyse", *chosen, *count, "--", asked.run], environment)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
