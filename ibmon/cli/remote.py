"""Runs on other hosts, for the commands: watched there or through a copy, and read through a copy."""

from __future__ import annotations

import os
import shutil
from collections.abc import Generator, Sequence
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from ibmon.records import UsageError

if TYPE_CHECKING:
    from ibmon.remote.address import Address
    from ibmon.runs.directory import RunDirectory
    from ibmon.tui.app import Wishes

_SIZE = (120, 36)


def watch(address: Address, wishes: Wishes, compare: Sequence[str], *, once: bool) -> int:
    """Watch a run of another host, read-only: by ibmon there, else through a copy here. Returns the exit code.

    Raises LineError without a connection, NotFoundError where there is no such run.
    """
    from ibmon.remote.line import UNREACHABLE, LineError, call
    from ibmon.remote.mirror import mirrored
    from ibmon.remote.script import ABSENT, AWAY

    code = call(address, AWAY, _words(address, wishes, compare, once=once), terminal=not once)
    if code == UNREACHABLE:
        raise LineError(f"There is no connection to {address.host}; `ssh {address.login}` says why.")
    if code != ABSENT:
        return code
    if compare:
        raise UsageError(f"--compare needs ibmon on {address.host}, where there is none.")
    with mirrored(address, whole=once, slow=wishes.low_bandwidth) as run:
        if once:
            from ibmon.tui.once import print_frame

            return print_frame(run, wishes)
        from ibmon.tui.app import run as show

        return show(run, wishes)


def _words(address: Address, wishes: Wishes, compare: Sequence[str], *, once: bool) -> list[str]:
    """The command for the other side, with what ssh does not say of this terminal."""
    told = {name: os.environ[name] for name in ("COLORTERM", "NO_COLOR") if os.environ.get(name)}
    if once:
        size = shutil.get_terminal_size(_SIZE)
        told |= {"COLUMNS": str(size.columns), "LINES": str(size.lines)}
    flags = {"--once": once, "--ascii": wishes.ascii, "--low-bandwidth": wishes.low_bandwidth}
    valued = {"--screen": wishes.screen, "--theme": wishes.theme}
    place = f"./{address.place}" if address.place.startswith("-") else address.place
    return [
        *(f"{name}={value}" for name, value in told.items()),
        *("ibmon", "watch", "--read-only"),
        *(flag for flag, wanted in flags.items() if wanted),
        *(word for name, value in valued.items() if value for word in (name, value)),
        *(word for name in compare for word in ("--compare", name)),
        *([place] if place else []),
    ]


@contextmanager
def readable(names: Sequence[str | None]) -> Generator[list[RunDirectory]]:
    """Runs by name; of those on other hosts a copy of all that is there, for as long as they are read. Raises IbmonError."""
    from ibmon.records import NotFoundError
    from ibmon.remote.address import parse
    from ibmon.runs.directory import find_run

    with ExitStack() as stack:
        found: list[RunDirectory] = []
        for name in names:
            try:
                found.append(find_run(name))
            except NotFoundError:
                address = parse(name)
                if address is None:
                    raise
                from ibmon.remote.mirror import mirrored

                found.append(stack.enter_context(mirrored(address, whole=True)))
        yield found


def is_copy(run: RunDirectory) -> bool:
    """Whether what is written into the run's directory would be lost."""
    from ibmon.runs.processes import Mirrored, read

    return read(run, Mirrored) is not None
