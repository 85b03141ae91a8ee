"""Another host that is a shell in a folder of its own, reached by a client that takes what ssh takes."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ibmon.records import Notice, Segment
from ibmon.remote.address import Address
from ibmon.remote.mirror import Mirror
from ibmon.runs.directory import RunDirectory
from ibmon.runs.log import LogWriter
from tui.conftest import Writer

CLIENT = """#!/bin/sh
echo "$@" >> "$FAR/calls"
while [ $# -gt 0 ]; do case "$1" in -o) shift 2;; -*) shift;; *) break;; esac; done
if [ -e "$FAR/down" ]; then echo "ssh: connect to host $1 port 22: Connection refused" >&2; exit 255; fi
shift
cd "$FAR/home" && exec env -i HOME="$FAR/home" TERM="$TERM" PATH="$FAR/bin:/usr/bin:/bin" /bin/sh -c "$*"
"""


class Far:
    """The other host: its home, and what the client was asked for."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.home = folder, folder / "home"
        self.runs = self.home / "runs"
        self.runs.mkdir(parents=True)
        (folder / "bin").mkdir()
        client = folder / "ssh"
        client.write_text(CLIENT)
        client.chmod(0o755)

    def install_ibmon(self, *, path: str = "bin") -> None:
        """ibmon, as it is here."""
        program = self.folder / path / "ibmon"
        program.parent.mkdir(parents=True, exist_ok=True)
        paths = os.pathsep.join(sys.path)
        program.write_text(f'#!/bin/sh\nPYTHONPATH="{paths}" OMP_NUM_THREADS=1 exec {sys.executable} -m ibmon "$@"\n')
        program.chmod(0o755)

    def go_down(self) -> None:
        (self.folder / "down").touch()

    def come_up(self) -> None:
        (self.folder / "down").unlink()

    @property
    def calls(self) -> list[str]:
        return (self.folder / "calls").read_text().splitlines()

    def files(self) -> dict[Path, tuple[int, int]]:
        """All that lies there, to see that nothing is written."""
        return {p: (p.stat().st_size, p.stat().st_mtime_ns) for p in self.home.rglob("*")}


@pytest.fixture
def far(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Far:
    made = Far(tmp_path / "far")
    monkeypatch.setenv("FAR", str(made.folder))
    monkeypatch.setenv("IBMON_SSH", str(made.folder / "ssh"))
    return made


@pytest.fixture
def writer(far: Far) -> Iterator[Writer]:
    made = Writer(far.runs).begin().measure(5)
    made.run.heartbeat.touch()
    yield made
    made.close()


@pytest.fixture
def mirror(tmp_path: Path, far: Far) -> Iterator[Callable[..., Mirror]]:
    """Copies of runs of the other host."""
    made: list[Mirror] = []

    def make(place: str, name: str = "copy") -> Mirror:
        made.append(Mirror(Address("me@login1", place), tmp_path / name, period=0.1))
        return made[-1]

    yield make
    for one in made:
        one.close()


def annotated(run: RunDirectory, *texts: str) -> None:
    """A further trainer's log with notices, each a line."""
    path, number = run.new_log("trainer")
    log = LogWriter(path)
    log.append(Segment(segment=number, pid=1, host="node7"))
    for text in texts:
        log.append(Notice(text=text))
    log.close()
