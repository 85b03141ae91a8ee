"""Clocks that differ: a run on another host is not called lost because of them, and a dead one not alive."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path

import pytest

from ibmon import launch
from ibmon.records import End, IbmonError, Segment
from ibmon.runs import processes, pulse
from ibmon.runs.directory import RunDirectory, delete, settled, status
from ibmon.runs.processes import Exit, Mirrored, Started
from support import ibmon, written

SEGMENT = Segment(segment=1, pid=1, host="node7")


class Clock:
    """Time as this host tells it, and as the host tells it that keeps the times of files."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.passed, self.files_ahead = 0.0, 0.0
        self._start = time.time()
        utime = os.utime

        def stamp(path: object, times: tuple[float, float] | None = None) -> None:
            utime(path, times or (self._start + self.passed + self.files_ahead,) * 2)  # type: ignore[arg-type]

        monkeypatch.setattr(os, "utime", stamp)
        monkeypatch.setattr(pulse, "_beats", {})
        monkeypatch.setattr(pulse, "_leads", {})
        monkeypatch.setattr(time, "time", lambda: self._start + self.passed)
        monkeypatch.setattr(time, "monotonic", lambda: 1000.0 + self.passed)
        monkeypatch.setattr(time, "sleep", self.wait)

    def wait(self, seconds: float) -> None:
        self.passed += seconds

    def beat(self, run: RunDirectory, *, ahead: float = 0.0) -> None:
        """A sign of life, of a clock so many seconds ahead of this one."""
        run.heartbeat.touch()
        os.utime(run.heartbeat, (self._start + self.passed + ahead,) * 2)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


@pytest.fixture
def run(own_runs: Path) -> RunDirectory:
    """A run that another host trains."""
    made = written([SEGMENT])
    processes.write(made, Started(host="node7"))
    return made


@pytest.mark.parametrize("ahead", [-3600.0, -40.0, 300.0])
def test_a_run_whose_heartbeat_is_seen_to_change_lives_whatever_the_clocks_say(clock: Clock, run: RunDirectory, ahead) -> None:
    clock.beat(run, ahead=ahead)
    status(run)
    for _ in range(3):
        clock.wait(1.0)
        clock.beat(run, ahead=ahead)
        now = status(run)
        assert (now.state, now.detail) == ("live", f"last heard 0 s ago; clocks differ by {abs(ahead):.0f} s")
    clock.wait(25.0)
    assert status(run).detail.startswith("last heard 25 s ago")
    clock.wait(6.0)
    assert status(run).state == "lost"


@pytest.mark.parametrize("ahead", [-3600.0, 300.0])
def test_the_clock_of_the_file_system_tells_at_the_first_look(clock: Clock, run: RunDirectory, ahead: float) -> None:
    clock.files_ahead = ahead
    clock.beat(run, ahead=ahead)
    clock.wait(8.0)
    now = status(run)
    assert (now.state, now.sure) == ("live", True)
    assert now.detail == f"last heard 8 s ago; clocks differ by {abs(ahead):.0f} s"
    clock.wait(60.0)
    assert status(run).state == "lost"


def test_clocks_that_agree_are_not_spoken_of(clock: Clock, run: RunDirectory) -> None:
    clock.beat(run)
    clock.wait(20.0)
    assert status(run).detail == "last heard 20 s ago"


def test_the_lead_of_a_file_system_is_measured_without_a_trace(run: RunDirectory) -> None:
    run.heartbeat.touch()
    os.utime(run.heartbeat, (time.time() - 100,) * 2)
    before = {path: path.stat().st_mtime_ns for path in run.path.rglob("*") if path.is_file()}
    assert pulse.listen(run.heartbeat, 0.0).silence == pytest.approx(100, abs=2)
    assert {path: path.stat().st_mtime_ns for path in run.path.rglob("*") if path.is_file()} == before


def test_what_cannot_be_written_is_told_by_this_clock(clock: Clock, run: RunDirectory, monkeypatch: pytest.MonkeyPatch) -> None:
    clock.beat(run, ahead=-100.0)
    monkeypatch.setattr(pulse.tempfile, "TemporaryFile", lambda **_: (_ for _ in ()).throw(OSError("read-only")))
    assert status(run).detail == "last heard 100 s ago"


class Far:
    """A host whose clock stands an hour behind, and that gives a sign of life whenever anybody waits."""

    def __init__(self, clock: Clock, run: RunDirectory, monkeypatch: pytest.MonkeyPatch) -> None:
        clock.beat(run, ahead=-3600.0)

        def wait(seconds: float) -> None:
            clock.wait(seconds)
            clock.beat(run, ahead=-3600.0)

        monkeypatch.setattr(time, "sleep", wait)


def test_nothing_that_only_the_dead_suffer_is_done_to_a_run_with_a_slow_clock(clock, run, monkeypatch) -> None:
    Far(clock, run, monkeypatch)
    assert (status(run).state, status(run).sure) == ("lost", False)
    assert settled(run).state == "live"
    pulse._beats.clear()
    with pytest.raises(IbmonError, match="still running"):
        delete(run)


def test_no_analyst_is_started_for_a_run_that_another_host_trains(clock, run, monkeypatch) -> None:
    waiting = run.path / "spool" / "1-0"
    waiting.mkdir(parents=True)
    (waiting / "commit.json").touch()
    started: list[RunDirectory] = []

    def start_analyst(run: RunDirectory, device: str) -> subprocess.Popen[bytes]:
        started.append(run)
        return subprocess.Popen(["true"])

    monkeypatch.setattr(launch, "start_analyst", start_analyst)
    clock.beat(run)
    assert not launch.resume_analysis(run)
    written([End(segment=1, status="finished")], run=run)
    assert not launch.resume_analysis(run)  # who supervises there sees it through
    pulse._beats.clear()
    Far(clock, run, monkeypatch)
    assert not launch.resume_analysis(run)
    monkeypatch.setattr(time, "sleep", clock.wait)
    processes.write(run, Mirrored(address="login:x", host="login"))
    clock.wait(60.0)
    assert not launch.resume_analysis(run)  # a copy: the snapshots are not here
    assert not started
    (run.path / "mirrored.json").unlink()
    assert launch.resume_analysis(run)
    assert started == [run]


def test_a_spool_of_another_host_is_not_touched(run: RunDirectory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spool = tmp_path / f"ibmon-{run.id}"
    spool.mkdir()
    written([Segment(segment=2, pid=1, host="node7", spool=str(spool))], run=run)
    assert run.spools() == [run.path / "spool"]
    processes.write(run, Exit(code=0, drained=True))
    delete(run)
    assert spool.is_dir()


def test_a_copy_without_a_connection_keeps_the_state_of_the_last_contact(clock: Clock, run: RunDirectory) -> None:
    clock.beat(run)
    status(run)
    clock.wait(4.0)
    told = "the connection to login1 was lost; what was read is kept"
    processes.write(run, Mirrored(address="login1:r", host="login1", trouble=told))
    clock.wait(100.0)
    now = status(run)
    assert (now.state, now.via, now.trouble) == ("live", "login1", told)


def test_the_commands_speak_of_a_run_elsewhere(run: RunDirectory) -> None:
    run.heartbeat.touch()
    os.utime(run.heartbeat, (time.time() - 4,) * 2)
    assert "live (last heard" in ibmon("runs", COLUMNS="200").stdout
    stopped = ibmon("stop", run.id)
    assert (stopped.returncode, (run.control / "stop").exists()) == (0, True), stopped.stderr
    os.utime(run.heartbeat, (time.time() - 200_000,) * 2)
    refused = ibmon("stop", run.id)
    assert refused.returncode == 1 and "is not running: it is lost" in refused.stderr
