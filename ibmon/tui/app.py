"""The entry: prepare the environment, show the run, say good-bye."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ibmon.plot.palette import Colours
    from ibmon.runs.directory import RunDirectory

    from .look import Look, Shade
    from .shell import Shell

FRAMES = "15"
"""Repaints a second, at most; Textual's own 60 are a waste over a network."""
SLOW_FRAMES = "5"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """How a user wants to look. ``keys`` maps ids of ``keys.KEYS`` to other keys; ``compared`` are laid over the run."""

    read_only: bool = False
    ascii: bool = False
    low_bandwidth: bool = False
    screen: str | None = None
    theme: Shade | None = None
    colours: Colours = "default"
    keys: Mapping[str, str] = field(default_factory=dict[str, str])
    compared: Sequence[RunDirectory] = ()


def run(run: RunDirectory | None, wishes: Wishes | None = None) -> int:
    """Show a run, or the list of all runs, until the user leaves. The training never notices. Returns the exit code."""
    shell = shell_for(run, wishes or Wishes())
    shell.run(mouse=False)
    farewell = parting_words(shell.main.run)
    if farewell:
        print(farewell)
    return shell.return_code or 0


def shell_for(run: RunDirectory | None, wishes: Wishes, look: Look | None = None) -> Shell:
    """The application, in the ``look`` that fits the terminal unless one is given."""
    from .look import detect

    look = look or detect(ascii=wishes.ascii, low_bandwidth=wishes.low_bandwidth, shade=wishes.theme, colours=wishes.colours)
    # Textual reads these when it is imported.
    os.environ.setdefault("TEXTUAL_FPS", SLOW_FRAMES if wishes.low_bandwidth else FRAMES)
    systems = {"true": "truecolor", "256": "256", "16": "standard", "none": "standard"}
    os.environ.setdefault("TEXTUAL_COLOR_SYSTEM", systems[look.depth])

    from ibmon.runs.directory import runs_root

    from .shell import Shell

    return Shell(
        run,
        look,
        root=run.path.resolve().parent if run is not None else runs_root(),
        read_only=wishes.read_only,
        low_bandwidth=wishes.low_bandwidth,
        screen=wishes.screen,
        keymap=wishes.keys,
        compared=wishes.compared,
    )


def parting_words(run: RunDirectory | None) -> str:
    """One line for the shell the user comes back to."""
    from ibmon.records import IbmonError
    from ibmon.runs.directory import status
    from ibmon.runs.log import printable
    from ibmon.runs.processes import Mirrored, read

    if run is None:
        return ""
    mirrored = read(run, Mirrored)
    name = run.path.resolve().name if mirrored is None else printable(mirrored.address)
    try:
        over = status(run).over
    except (IbmonError, OSError):
        return ""
    if over:
        return f"the training is over; `ibmon show {name}` prints its figures, `ibmon watch {name}` opens it again"
    return f"the training goes on; `ibmon watch {name}` attaches again"
