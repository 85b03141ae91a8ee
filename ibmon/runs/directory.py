"""A run directory: its files by name, its making, finding and deleting, and the state that its files and locks tell."""

from __future__ import annotations

import os
import secrets
import shutil
import socket
import stat
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import msgspec

from ibmon.records import FORMAT, End, IbmonError, NotFoundError, RunInfo, Segment

from . import locks, processes, pulse
from .log import BARE_NAME, LogReader, open_regular, printable

State = Literal["queued", "starting", "live", "lost", "finished", "failed"]
SILENT_SECONDS = 30.0
"""On another host, where no lock can be asked: a trainer not heard of for so long is lost."""
START_SECONDS = 10.0
"""How long a new run may show no process at all before it counts as lost."""
LATEST = "latest"
"""What the newest run answers to, unless a run has this name."""
CONSOLE_LIMIT = 8 * 2**20


@dataclass(frozen=True, slots=True)
class RunDirectory:
    """The paths of one run."""

    path: Path

    @property
    def id(self) -> str:
        return self.path.name

    @property
    def info_file(self) -> Path:
        return self.path / "run.json"

    @property
    def console(self) -> Path:
        return self.path / "console.log"

    @property
    def control(self) -> Path:
        return self.path / "control"

    @property
    def arrays(self) -> Path:
        return self.path / "arrays"

    @property
    def snapshots(self) -> Path:
        return self.path / "snapshots"

    @property
    def figures(self) -> Path:
        return self.path / "figures"

    @property
    def heartbeat(self) -> Path:
        return self.path / "heartbeat"

    def lock(self, role: str) -> Path:
        """The lock file of ``trainer``, ``analyst`` or ``supervisor``."""
        return self.path / f"{role}.lock"

    def logs(self, role: str) -> list[Path]:
        """The logs of ``trainer`` or ``analyst``, in order."""
        found = [p for p in self.path.glob(f"{role}-*.jsonl") if _number(p) is not None]
        return sorted(found, key=lambda p: _number(p) or 0)

    def new_log(self, role: str) -> tuple[Path, int]:
        """Claim the next log of a role; its number is the segment of a trainer."""
        number = max((_number(p) or 0 for p in self.logs(role)), default=0)
        while True:
            number += 1
            path = self.path / f"{role}-{number}.jsonl"
            try:
                os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o644))
            except FileExistsError:
                continue
            return path, number

    def info(self) -> RunInfo:
        """What was asked. Raises IbmonError when ``run.json`` is missing, broken or of a newer format."""
        try:
            with open_regular(self.info_file) as file:
                info = msgspec.json.decode(file.read(2**20), type=RunInfo)
        except OSError as error:
            raise NotFoundError(f"{self.path} is no run directory: it has no readable run.json.") from error
        except (msgspec.MsgspecError, ValueError) as error:
            raise IbmonError(f"{self.info_file} is damaged ({error}); restore it or delete the directory.") from error
        if info.format > FORMAT:
            raise IbmonError(f"{self.path} was written by a newer ibmon (format {info.format}); upgrade ibmon to read it.")
        return info

    @property
    def evaluation(self) -> Path:
        return self.path / "evaluation"

    def spools(self) -> list[Path]:
        """Where snapshots wait for the analyst: in the run, and where its trainers on this host put them.

        A spool elsewhere is believed only under the run's own name and owned by this user: its groups get deleted.
        """
        found = [self.path / "spool"]
        for log in self.logs("trainer"):
            for record in LogReader(log).read(64 * 1024):
                if isinstance(record, Segment) and record.spool and record.host == socket.gethostname():
                    folder = Path(record.spool)
                    if folder not in found and folder.name == f"ibmon-{self.id}" and _is_own_folder(folder):
                        found.append(folder)
        return found

    def console_tail(self, lines: int = 12) -> list[str]:
        """The last lines of what the trainer printed, safe to show."""
        try:
            with open_regular(self.console) as file:
                file.seek(0, os.SEEK_END)
                file.seek(max(0, file.tell() - 64 * 1024))
                text = file.read().decode("utf-8", "replace")
        except OSError:
            return []
        kept = [line.rpartition("\r")[2] for line in text.split("\n")]
        return [printable(line.expandtabs(4), 400) for line in kept if line.strip()][-lines:]

    def ask(self, command: str) -> None:
        """Leave a command (``stop``, ``snapshot``) for the trainer; it looks at most twice a second."""
        self.control.mkdir(exist_ok=True)
        temporary = self.control / f".{command}.tmp"
        temporary.touch()
        temporary.rename(self.control / command)


def _is_own_folder(path: Path) -> bool:
    try:
        facts = path.lstat()
    except OSError:
        return False
    return stat.S_ISDIR(facts.st_mode) and facts.st_uid == os.getuid()


def _number(path: Path) -> int | None:
    digits = path.stem.rpartition("-")[2]
    return int(digits) if digits.isdecimal() else None


@dataclass(frozen=True, slots=True)
class Status:
    """What can be said about a run's processes from the outside.

    ``heard`` is seconds since the trainer's last sign of life on another host, None on this one. Where two clocks tell it,
    another look a moment later may tell otherwise: it is not ``sure``. Of a copy of a run on another host ``via`` is that host,
    and ``trouble`` is a sentence while it cannot be reached; the state is then that of the last contact.
    """

    state: State
    detail: str = ""
    heard: float | None = None
    analysing: bool = False
    sure: bool = True
    via: str = ""
    trouble: str = ""

    @property
    def over(self) -> bool:
        return self.state in ("finished", "failed", "lost")


def status(run: RunDirectory, info: RunInfo | None = None) -> Status:
    """The state of the run now, from its locks, its heartbeat and the ends of its logs."""
    info = info or run.info()
    mirrored = processes.read(run, processes.Mirrored)
    now = _status(run, info, mirrored)
    return now if mirrored is None else replace(now, via=printable(mirrored.host), trouble=printable(mirrored.trouble))


def settled(run: RunDirectory, info: RunInfo | None = None) -> Status:
    """``status``, for what must not be done to a run that lives: one that seems silent on another host is listened to."""
    settle([run])
    return status(run, info)


def settle(runs: Iterable[RunDirectory]) -> None:
    """Listen to all runs together, for a moment, where the next ``status`` of any may tell otherwise than one now."""
    unsure = False
    for run in runs:
        with suppress(IbmonError, OSError):
            unsure |= not status(run).sure
    if unsure:
        time.sleep(pulse.LISTEN_SECONDS)


def _status(run: RunDirectory, info: RunInfo, mirrored: processes.Mirrored | None) -> Status:
    submitted, started = processes.read(run, processes.Submitted), processes.read(run, processes.Started)
    if submitted is not None and started is None:
        if submitted.gone:
            return Status("lost", f"{submitted} ended before the training began")
        return Status("queued", str(submitted))
    end, host = _last_words(run, 0 if started is None else started.after)
    finish = processes.read(run, processes.Exit)
    state: State = "live" if host else "starting"
    place = host or (info.host if started is None else started.host)
    if mirrored is not None or place not in ("", socket.gethostname()):
        drained = finish is not None and finish.drained
        return _elsewhere(_ended(end, finish), state, drained=drained, heard=_pulse(run, info, mirrored))
    analysing = locks.holder(run.lock("analyst")) is not None
    training = locks.holder(run.lock("trainer")) is not None
    over = _ended(end, None if training else finish)
    if over is not None:
        return replace(over, analysing=analysing)
    if training:
        return Status(state, analysing=analysing)
    begun = locks.holder(run.lock("supervisor")) is not None or time.time() - info.created < START_SECONDS
    if host is None and begun:
        return Status("starting", analysing=analysing)
    return Status("lost", "the trainer is gone without a last word", analysing=analysing)


def _elsewhere(over: Status | None, state: State, *, drained: bool, heard: pulse.Pulse) -> Status:
    """The state of a run on another host, where no lock can be asked; whoever supervises there sees the analysis through."""
    silent = heard.silence > SILENT_SECONDS
    sure = heard.sure or not silent
    if over is not None:
        return replace(over, analysing=not drained and not silent, sure=sure or drained)
    words = f"last heard {heard.silence:.0f} s ago{pulse.apart(heard.ahead)}"
    return Status("lost" if silent else state, words, heard.silence, not drained and not silent, sure)


def _pulse(run: RunDirectory, info: RunInfo, mirrored: processes.Mirrored | None) -> pulse.Pulse:
    """The run's pulse; where there is no connection to its host, as it was when there was one."""
    heard = pulse.listen(run.heartbeat, info.created)
    if mirrored is None or not mirrored.trouble:
        return heard
    return replace(heard, silence=max(0.0, heard.silence - (time.time() - mirrored.time)), sure=True)


def _ended(end: End | None, finish: processes.Exit | None) -> Status | None:
    """The state that a trainer's last word, else its exit code tells; None without either."""
    if end is not None:
        if end.status == "failed":
            return Status("failed", printable(end.error))
        if finish is not None and finish.code > 0:
            return _exited(finish)
        return Status("finished", "stopped" if end.status == "stopped" else "")
    return None if finish is None else _exited(finish)


def _exited(finish: processes.Exit) -> Status:
    """The state of a run whose trainer left no last word."""
    if finish.code == 0:
        return Status("finished")
    if finish.code > 0:
        return Status("failed", f"the trainer exited with code {finish.code}")
    return Status("lost", f"the trainer was killed by signal {-finish.code}")


def _last_words(run: RunDirectory, after: int) -> tuple[End | None, str | None]:
    """The end of the newest segment beyond the first ``after``, and the host it runs on; None without either."""
    logs = run.logs("trainer")[after:]
    if not logs:
        return None, None
    reader = LogReader(logs[-1])
    host = next((r.host for r in reader.read(64 * 1024) if isinstance(r, Segment)), None)
    size = logs[-1].stat().st_size
    tail = LogReader(logs[-1], offset=max(0, size - 64 * 1024))
    end = None
    for record in tail.read(128 * 1024):
        if isinstance(record, End):
            end = record
    return end, host


def runs_root() -> Path:
    """``$IBMON_RUNS``, else ``./runs``."""
    return Path(os.environ.get("IBMON_RUNS") or "runs")


def create(info: RunInfo, root: Path | None = None) -> RunDirectory:
    """Make the directory of a new run. Raises IbmonError when the root is not writable."""
    root = root or runs_root()
    run = RunDirectory(root / info.id)
    try:
        root.mkdir(parents=True, exist_ok=True)
        run.path.mkdir()
        for folder in (run.control, run.arrays, run.figures):
            folder.mkdir()
        write_info(run, info)
    except OSError as error:
        raise IbmonError(
            f"No run directory can be made in {root} ({error.strerror or error}); set IBMON_RUNS to a folder you can write to."
        ) from error
    return run


def write_info(run: RunDirectory, info: RunInfo) -> None:
    """Write ``run.json`` so that a reader sees the old or the new one, whole."""
    temporary = run.path / ".run.json.tmp"
    temporary.write_bytes(msgspec.json.format(msgspec.json.encode(info), indent=1))
    temporary.rename(run.info_file)


def new_id(recipe: str) -> str:
    """A name that sorts by date and that nobody else chooses: ``tishby-20261120-7f3a2c``."""
    base = "".join(c if BARE_NAME.fullmatch(c) else "-" for c in recipe)[:60] or "run"
    return f"{base}-{time.strftime('%Y%m%d')}-{secrets.token_hex(3)}"


def find_runs(root: Path | None = None) -> list[RunDirectory]:
    """Every run of the root, newest first."""
    root = root or runs_root()
    try:
        found = [RunDirectory(p.parent) for p in root.glob("*/run.json")]
    except OSError:
        return []

    def made(run: RunDirectory) -> float:
        try:
            return run.info().created
        except IbmonError:
            return 0.0

    return sorted(found, key=made, reverse=True)


def find_run(name: str | None, root: Path | None = None, *, whole: bool = False) -> RunDirectory:
    """A run by path, by id, by its name, by a unique part of its id (unless ``whole``); the newest without a name
    or as ``latest``.

    Raises NotFoundError, or IbmonError when the name fits several.
    """
    if name is not None and (Path(name) / "run.json").is_file():
        return RunDirectory(Path(name).resolve())
    root = root or runs_root()
    runs = find_runs(root)
    exact = [] if name is None else [run for run in runs if run.id == name or _name_of(run) == name]
    if name is None or (name == LATEST and not exact):
        if not runs:
            raise NotFoundError(f"There is no run in {root} yet; start one with: ibmon watch tishby")
        return runs[0]
    fitting = exact or [run for run in runs if name in run.id and not whole]
    if not fitting:
        raise NotFoundError(f"There is no run {printable(name)!r} in {root}; `ibmon runs` lists them.")
    if len(fitting) > 1:
        raise IbmonError(f"{printable(name)!r} fits {len(fitting)} runs ({', '.join(r.id for r in fitting[:4])}); say which.")
    return fitting[0]


def _name_of(run: RunDirectory) -> str:
    try:
        return run.info().name
    except IbmonError:
        return ""


def delete(run: RunDirectory, root: Path | None = None) -> None:
    """Delete a run, its spool included. Only a directory directly under the root with a valid ``run.json``, never a live one."""
    root = (root or runs_root()).resolve()
    info = run.info()
    if run.path.is_symlink() or run.path.resolve().parent != root:
        raise IbmonError(f"{run.path} does not lie directly in {root}; delete it by hand if you mean to.")
    if not settled(run, info).over:
        raise IbmonError(f"{run.id} is still running; stop it first with: ibmon stop {run.id}")
    for spool in run.spools()[1:]:
        shutil.rmtree(spool, ignore_errors=True)
    shutil.rmtree(run.path)
