"""The connection: ``ssh``, or what ``$IBMON_SSH`` names instead, and the shell of the other side."""

from __future__ import annotations

import contextlib
import os
import shlex
import subprocess
import tempfile
from collections.abc import Sequence
from typing import IO, TYPE_CHECKING

from ibmon.records import IbmonError
from ibmon.runs.log import printable

if TYPE_CHECKING:
    from .address import Address

SSH_VARIABLE = "IBMON_SSH"
UNREACHABLE = 255
"""What ssh exits with when it has no connection; everything else is the exit code of the command there."""
_ALIVE = ("-o", "ServerAliveInterval=10", "-o", "ServerAliveCountMax=3")
"""A line that is dead is noticed within half a minute."""
_QUIETLY = ("-o", "BatchMode=yes", "-o", "ConnectTimeout=20")
"""While a screen is shown nobody can be asked for a password."""


class LineError(IbmonError):
    """The other host cannot be reached, or does not answer as it should."""


def client() -> list[str]:
    """The command that makes connections: words of ``$IBMON_SSH``, else ``ssh`` with the user's own configuration."""
    return shlex.split(os.environ.get(SSH_VARIABLE, "")) or ["ssh"]


def shell(script: str) -> str:
    """A command that any login shell takes (csh and fish, too): a script on one line, without quotes that end and backslashes."""
    line = " ".join(script.split())
    assert not set(line) & set("'\\!\n"), "a script for the other side is free of what its login shell might read"
    return f"exec /bin/sh -c '{line}'"


class Line:
    """A shell script at work on the other host, with its input and output. It ends with its input, and leaves nothing there."""

    def __init__(self, address: Address, script: str, *, quietly: bool = False) -> None:
        """Raises LineError when the client cannot be started."""
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115
        command = [*client(), "-T", *_ALIVE, *(_QUIETLY if quietly else ()), address.login, shell(script)]
        try:
            self._process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._errors, start_new_session=quietly
            )
        except OSError as error:
            self._errors.close()
            raise _no_client(command[0], error) from error
        assert self._process.stdin is not None and self._process.stdout is not None
        self._input: IO[bytes] = self._process.stdin
        self._output: IO[bytes] = self._process.stdout

    def send(self, *lines: str) -> None:
        """Raises LineError when the line is dead."""
        try:
            self._input.write("".join(f"{line}\n" for line in lines).encode())
            self._input.flush()
        except (OSError, ValueError) as error:
            raise self._lost() from error

    def line(self) -> str:
        """The next line that the script prints. Raises LineError when the line is dead."""
        try:
            data = self._output.readline(4096)
        except (OSError, ValueError) as error:
            raise self._lost() from error
        if not data.endswith(b"\n"):
            raise self._lost()
        return data[:-1].decode("utf-8", "replace")

    def bytes(self, count: int) -> bytes:
        """So many bytes that the script prints. Raises LineError when the line is dead."""
        try:
            data = self._output.read(count)
        except (OSError, ValueError) as error:
            raise self._lost() from error
        if len(data) != count:
            raise self._lost()
        return data

    def hang_up(self) -> None:
        """End the client from another thread; whoever reads is told that the line is dead, and closes it."""
        self._process.kill()

    def close(self) -> None:
        """End the client, and with it the script."""
        self._process.kill()
        self._process.wait()
        for end in (self._input, self._output, self._errors):
            with contextlib.suppress(OSError):  # what was to be sent
                end.close()

    def _lost(self) -> LineError:
        """What the client said last, as the reason."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(1.0)  # it says why before it ends
        self._process.kill()
        self._process.wait()
        said: list[str] = []
        if not self._errors.closed:
            self._errors.seek(0)
            said = self._errors.read(8192).decode("utf-8", "replace").strip().splitlines()
        return LineError(printable(said[-1].rstrip("."), 160) if said else "the connection was closed")


def call(address: Address, script: str, words: Sequence[str], *, terminal: bool) -> int:
    """Run a script on the other host, on this terminal; returns its exit code, ``UNREACHABLE`` without a connection.

    ``words`` are the script's arguments, quoted for whatever shell reads them.
    """
    how = ("-t", "-o", "LogLevel=ERROR") if terminal else ("-T",)  # or ssh says good-bye below the last picture
    command = [*client(), *how, *_ALIVE, address.login, f"{shell(script)} ibmon {shlex.join(words)}"]
    try:
        return subprocess.run(command, check=False, stdin=None if terminal else subprocess.DEVNULL).returncode
    except OSError as error:
        raise _no_client(command[0], error) from error


def _no_client(name: str, error: OSError) -> LineError:
    return LineError(f"{name} cannot be started ({error.strerror}); install OpenSSH or set {SSH_VARIABLE}.")
