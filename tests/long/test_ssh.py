"""`ibmon watch` through a real sshd on this machine: what most users do."""

from __future__ import annotations

import contextlib
import getpass
import os
import shlex
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from ibmon.runs.directory import RunDirectory, status
from support import finished, ibmon, started, wait_for
from terminals import Terminal
from tui.conftest import Writer

SSHD = shutil.which("sshd") or next((p for p in ("/usr/sbin/sshd", "/usr/local/sbin/sshd") if Path(p).exists()), None)
pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(SSHD is None or shutil.which("ssh") is None, reason="sshd is not installed: install openssh-server"),
]


class Server:
    """An sshd of our own with throw-away keys, and a counter of the bytes that pass on the line to it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        for key in ("host", "user"):
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / key)], check=True)
        (folder / "authorized").write_text((folder / "user.pub").read_text())
        port = _free_port()
        (folder / "sshd_config").write_text(
            f"Port {port}\nListenAddress 127.0.0.1\nHostKey {folder}/host\nAuthorizedKeysFile {folder}/authorized\n"
            f"PidFile {folder}/pid\nStrictModes no\nUsePAM no\nPasswordAuthentication no\nPermitRootLogin yes\nCompression yes\n"
            f"SetEnv PATH={folder}/bin:/usr/bin:/bin\n"
        )
        if os.getuid() == 0:
            Path("/run/sshd").mkdir(exist_ok=True)
        assert SSHD is not None
        log = (folder / "sshd.log").open("wb")
        self._process = subprocess.Popen([SSHD, "-D", "-e", "-f", str(folder / "sshd_config")], stdout=log, stderr=log)
        log.close()
        wait_for(lambda: _listens(port), "for sshd")
        self.received = 0
        self._ends: list[socket.socket] = []
        self._far = port
        self._door = socket.create_server(("127.0.0.1", 0))
        self.port = self._door.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    @property
    def login(self) -> str:
        return f"{getpass.getuser()}@127.0.0.1"

    @contextlib.contextmanager
    def ibmon_installed(self, run: RunDirectory) -> Iterator[None]:
        """ibmon on the path of the far side, and the root of its runs."""
        program = self._folder / "bin" / "ibmon"
        program.parent.mkdir(exist_ok=True)
        there = f"PYTHONPATH={os.pathsep.join(sys.path)} IBMON_RUNS={run.path.parent}"
        program.write_text(f'#!/bin/sh\nexec env {there} {sys.executable} -m ibmon "$@"\n')
        program.chmod(0o755)
        yield
        program.unlink()

    def cut(self) -> None:
        """Break every line that is open."""
        for end in self._ends:
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        self._ends.clear()

    def command(self, *options: str) -> list[str]:
        """The client on a terminal, up to the command to run there."""
        return [*self.client(), "-tt", *options, self.login]

    def client(self) -> list[str]:
        """The client without a host."""
        given = {
            "IdentityFile": self._folder / "user",
            "UserKnownHostsFile": self._folder / "known",
            "StrictHostKeyChecking": "accept-new",
            "IdentitiesOnly": "yes",
            "LogLevel": "ERROR",
        }
        settings = [word for name, value in given.items() for word in ("-o", f"{name}={value}")]
        return ["ssh", "-F", "none", "-p", str(self.port), *settings]

    def _serve(self) -> None:
        while True:
            try:
                near, _ = self._door.accept()
            except OSError:
                return
            far = socket.create_connection(("127.0.0.1", self._far))
            self._ends += [near, far]
            for source, target in ((near, far), (far, near)):
                threading.Thread(target=self._carry, args=(source, target, source is far), daemon=True).start()

    def _carry(self, source: socket.socket, target: socket.socket, counted: bool) -> None:
        try:
            while data := source.recv(65536):
                self.received += len(data) if counted else 0
                target.sendall(data)
        except OSError:
            pass
        finally:
            for end in (source, target):
                with contextlib.suppress(OSError):
                    end.close()

    def close(self) -> None:
        self._process.terminate()
        self._process.wait(20)
        self._door.close()


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def _listens(port: int) -> bool:
    with socket.socket() as one:
        return one.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    opened = Server(tmp_path_factory.mktemp("ssh"))
    yield opened
    opened.close()


def watched(server: Server, run: RunDirectory, size: tuple[int, int], *options: str) -> Terminal:
    """`ibmon watch` on the far side of a line."""
    there = ["env", f"PYTHONPATH={os.pathsep.join(sys.path)}", f"IBMON_RUNS={run.path.parent}", sys.executable, "-m", "ibmon"]
    return Terminal(*size, *server.command(*options), *there, "watch", str(run.path))


@pytest.fixture
def writer(own_runs: Path) -> Iterator[Writer]:
    made = Writer(own_runs).begin().measure(30)
    yield made
    made.close()


def test_a_run_is_watched_and_left(server: Server, writer: Writer) -> None:
    terminal = watched(server, writer.run, (120, 36))
    try:
        terminal.see("● live", "information plane", "I(X;T) [bits]", "epoch 30/100")
        writer.measure(3)
        terminal.see("epoch 33/100")
        terminal.keys(b"2")
        terminal.see("2 PLANE", "I(T;Y) through training")
        terminal.keys(b"i")
        terminal.see("binning:width=0.07", "bounds")
        colours = {cell[1] for row in terminal.cells() for cell in row}
        assert len(colours) > 6
        terminal.keys(b"\x1b")
        terminal.resize(80, 24)
        terminal.see("╭─ information plane", "1/7")
        terminal.resize(160, 45)
        terminal.see("╭─ information plane", "I(X;T) through training")
        terminal.keys(b"q")
        terminal.see("attaches again")
        assert terminal.code() == 0
    finally:
        terminal.close()


def test_plain_ssh_gets_256_colours_and_no_more(server: Server, writer: Writer) -> None:
    terminal = watched(server, writer.run, (100, 30))
    try:
        terminal.see("information plane", "epoch 30/100")
        terminal.keys(b"D")
        terminal.see("diagnostics", "xterm-256color in ssh", "256, dark")
    finally:
        terminal.close()


def test_a_line_that_breaks_harms_nothing(server: Server, own_runs: Path) -> None:
    run = started(parameters={"epochs": 1_000_000})
    try:
        for _ in range(2):
            terminal = watched(server, run, (120, 36))
            terminal.see("● live", "information plane", "epoch")
            terminal.close()  # kills the client in the middle of a picture
            time.sleep(1.0)
            assert status(run).state == "live"
    finally:
        run.ask("stop")
        wait_for(lambda: finished(run))


def test_compression_leaves_little_of_an_update(server: Server, writer: Writer) -> None:
    cost: dict[str, float] = {}
    for name, options in (("plain", ("-o", "Compression=no")), ("compressed", ("-C",))):
        terminal = watched(server, writer.run, (120, 36), *options)
        try:
            terminal.see("information plane", f"epoch {writer.seq}/100")
            terminal.listen(2.0)
            before = server.received
            for _ in range(8):
                writer.measure(1)
                terminal.listen(1.0)
            cost[name] = (server.received - before) / 8
        finally:
            terminal.close()
    assert cost["compressed"] < cost["plain"]
    assert cost["compressed"] <= 2000, cost
    assert cost["plain"] <= 15_000, cost


def _watched_from_here(server: Server, place: str, *options: str, size: tuple[int, int] = (120, 36)) -> Terminal:
    """`ibmon watch host:place` on this side of the line."""
    command = [sys.executable, "-m", "ibmon", "watch", f"{server.login}:{place}", *options]
    return Terminal(*size, *command, IBMON_SSH=shlex.join(server.client()))


@pytest.fixture
def beating(writer: Writer) -> Iterator[Writer]:
    """Its trainer gives signs of life."""
    end = threading.Event()

    def beat() -> None:
        while not end.wait(0.5):
            writer.run.heartbeat.touch()

    writer.run.heartbeat.touch()
    thread = threading.Thread(target=beat)
    thread.start()
    yield writer
    end.set()
    thread.join()


def test_a_run_of_a_host_without_ibmon_is_watched_through_a_copy(server: Server, beating: Writer) -> None:
    writer = beating
    before = sorted(writer.run.path.rglob("*"))
    terminal = _watched_from_here(server, str(writer.run.path))
    try:
        terminal.see("127.0.0.1: demo-1", "● live", "last heard", "epoch 30/100")
        writer.measure(3)
        terminal.see("epoch 33/100")
        server.cut()
        terminal.see("the connection to 127.0.0.1 was lost")
        terminal.see("connected to 127.0.0.1 again")
        writer.measure(2)
        terminal.see("epoch 35/100")
        terminal.keys(b"q")
        terminal.see(f"the training goes on; `ibmon watch {server.login}:/", "attaches again")
        assert terminal.code() == 0
    finally:
        terminal.close()
    assert sorted(writer.run.path.rglob("*")) == before


def test_a_run_of_a_host_with_ibmon_is_watched_there(server: Server, writer: Writer) -> None:
    with server.ibmon_installed(writer.run):
        terminal = _watched_from_here(server, "demo-1", "--screen", "plane", size=(100, 30))
        try:
            terminal.see("2 PLANE", "● live", "read only")
            writer.measure(3)
            terminal.keys(b"1")
            terminal.see("epoch 33/100")
            terminal.keys(b"q")
            terminal.see("attaches again")
            assert terminal.code() == 0
        finally:
            terminal.close()


def test_a_run_trained_on_another_host_is_shown_here(server: Server, own_runs: Path) -> None:
    run = started(parameters={"epochs": 40}, schedule="at:1,10", estimators=["binning"])
    wait_for(lambda: finished(run))
    for command in ("show", "watch"):
        once = ["--once"] if command == "watch" else []
        done = ibmon(command, f"{server.login}:{run.path}", *once, IBMON_SSH=shlex.join(server.client()))
        assert done.returncode == 0, done.stderr
        assert "finished" in done.stdout and "information plane" in done.stdout
