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
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from .records import FORMAT, IbmonError, RunInfo
from .runs import locks
from .runs.directory import CONSOLE_LIMIT, Exit, RunDirectory, new_id, status

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
    try:
        child = subprocess.Popen(
            [sys.executable, "-m", "ibmon.launch", str(run.path.resolve())],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            env=_environment(run),
        )
    except OSError as error:
        raise IbmonError(f"The training process could not be started: {error}.") from error
    _let_go(child)
    return child.pid


def _environment(run: RunDirectory) -> Mapping[str, str]:
    return {**os.environ, RUN_VARIABLE: str(run.path.resolve()), "PYTHONUNBUFFERED": "1"}


def supervise(run: RunDirectory) -> int:
    """Run the trainer, record how it ended, and see the analysis through. The body of the supervising process."""
    locks.acquire(run.lock("supervisor"))
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # inherited: a terminal that goes away stops nobody
    with run.console.open("ab", buffering=0) as console:
        trainer = subprocess.Popen(
            [sys.executable, "-m", "ibmon.train", str(run.path)], stdin=subprocess.DEVNULL, stdout=console, stderr=console
        )

    def forward(*_: Any) -> None:
        trainer.terminate()

    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, forward)
    # The analyst imports torch while the trainer does, so that the first points come early.
    analyst = Analyst(run, run.info().analyst_device)
    analyst.keep(lambda text, level: None)
    code = None
    while code is None:
        try:
            code = trainer.wait(5.0)
        except subprocess.TimeoutExpired:
            _cap_console(run)
    temporary = run.path / ".exit.json.tmp"
    with contextlib.suppress(OSError):
        temporary.write_bytes(msgspec.json.encode(Exit(code, round(time.time(), 3))))
        temporary.rename(run.exit_file)
    while undrained(run) and not analyst.given_up:
        analyst.keep(lambda text, level: None)
        time.sleep(0.2)
    return code


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
    threads = str(max(1, (os.cpu_count() or 2) // 2))
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
    if not undrained(run) or locks.holder(run.lock("analyst")) is not None or not status(run, info).over:
        return False
    _let_go(start_analyst(run, info.analyst_device))
    return True


def _let_go(child: subprocess.Popen[bytes]) -> None:
    """A process that is meant to outlive this one: without an exit code Python would complain that it still runs."""
    child.returncode = 0


def stop(run: RunDirectory) -> None:
    """Ask the trainer to stop after its current step, take a last snapshot and end."""
    run.ask("stop")


if __name__ == "__main__":
    sys.exit(0 if supervise(RunDirectory(Path(sys.argv[1]))) == 0 else 1)
