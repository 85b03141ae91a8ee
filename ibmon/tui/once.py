"""One frame of the screen on plain standard output."""

from __future__ import annotations

import asyncio
import shutil
import sys
import time
from typing import TYPE_CHECKING

from rich.console import Console
from rich.segment import Segment, Segments
from rich.style import Style
from textual.geometry import Region

from ibmon.records import IbmonError

from .app import Wishes, shell_for
from .look import Look, detect

if TYPE_CHECKING:
    from textual.pilot import Pilot

    from ibmon.runs.directory import RunDirectory

    from .shell import Shell

WAIT_SECONDS = 60.0
"""How long a run may take to be read."""
_SIZE = (120, 36)
"""Columns and rows where the output is no terminal and says none."""


def print_frame(run: RunDirectory | None, wishes: Wishes) -> int:
    """Print what the screen shows once everything is read, in the size and the colours of the terminal.

    Without a terminal: plain text, in the size of ``COLUMNS`` × ``LINES``. Raises IbmonError when the run cannot be read.
    """
    terminal = sys.stdout.isatty()
    look = detect({} if terminal else {"NO_COLOR": ""}, ascii=wishes.ascii, shade=wishes.theme, colours=wishes.colours)
    if terminal:
        look = detect(ascii=wishes.ascii, low_bandwidth=wishes.low_bandwidth, shade=wishes.theme, colours=wishes.colours)
    size = shutil.get_terminal_size(_SIZE)
    if terminal:
        size = (size.columns, size.lines - 1)  # the prompt that comes after it
    lines = asyncio.run(_frame(shell_for(run, wishes, look), (max(20, size[0]), max(8, size[1]))))
    _put(lines, look, terminal)
    return 0


async def _frame(shell: Shell, size: tuple[int, int]) -> list[list[Segment]]:
    async with shell.run_test(size=size) as pilot:
        await ready(shell, pilot)
        return picture(shell)


async def ready(shell: Shell, pilot: Pilot[None]) -> None:
    """Wait until all of the run is on the screen. Raises IbmonError when it cannot be read."""
    end = time.monotonic() + WAIT_SECONDS
    while not shell.main.complete:
        if shell.main.reason:
            raise IbmonError(shell.main.reason)
        if time.monotonic() > end:
            raise IbmonError(f"The run could not be read within {WAIT_SECONDS:.0f} seconds; try again.")
        await pilot.pause(0.05)
    await pilot.pause(0.1)


def picture(shell: Shell) -> list[list[Segment]]:
    """What is on the screen, line by line; what lies over it (help, notifications) covers what is below."""
    width, height = shell.size
    cells = [[Segment(" ", Style()) for _ in range(width)] for _ in range(height)]
    for screen in shell.screen_stack:
        for widget in screen.query("*"):
            region = widget.region
            if widget.children or not (widget.is_on_screen or screen is not shell.screen) or not region.area:
                continue
            for y, strip in enumerate(widget.render_lines(Region(0, 0, region.width, region.height)), start=region.y):
                if 0 <= y < height:
                    row = [Segment(character, segment.style) for segment in strip for character in segment.text]
                    cells[y][max(0, region.x) : region.x + len(row)] = row[max(0, -region.x) : max(0, width - region.x)]
    return [list(Segment.simplify(row)) for row in cells]


def _put(lines: list[list[Segment]], look: Look, terminal: bool) -> None:
    if not terminal:
        for line in lines:
            print("".join(segment.text for segment in line).rstrip())
        return
    systems = {"true": "truecolor", "256": "256", "16": "standard", "none": None}
    console = Console(color_system=systems[look.depth], highlight=False, soft_wrap=True)  # pyright: ignore[reportArgumentType]
    for line in lines:
        console.print(Segments(line), end="\n")
