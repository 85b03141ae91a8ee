"""The entry: prepare the environment, show the run, say good-bye."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ibmon.runs.directory import RunDirectory

FRAMES = "15"
"""Repaints a second, at most; Textual's own 60 are a waste over a network."""


def run(
    run: RunDirectory | None,
    *,
    read_only: bool = False,
    ascii: bool = False,
    low_bandwidth: bool = False,
    screen: str | None = None,
    keymap: Mapping[str, str] | None = None,
) -> int:
    """Show a run, or the list of all runs, until the user leaves. The training never notices.

    ``keymap`` maps ids of ``keys.KEYS`` to other keys. Returns the exit code.
    """
    from .look import detect

    look = detect(ascii=ascii, low_bandwidth=low_bandwidth)
    # Textual reads these when it is imported.
    os.environ.setdefault("TEXTUAL_FPS", "5" if low_bandwidth else FRAMES)
    systems = {"true": "truecolor", "256": "256", "16": "standard", "none": "standard"}
    os.environ.setdefault("TEXTUAL_COLOR_SYSTEM", systems[look.depth])

    from ibmon.runs.directory import runs_root

    from .shell import Shell

    shell = Shell(
        run,
        look,
        root=run.path.resolve().parent if run is not None else runs_root(),
        read_only=read_only,
        low_bandwidth=low_bandwidth,
        screen=screen,
        keymap=keymap,
    )
    shell.run(mouse=False)
    farewell = parting_words(shell.main.run)
    if farewell:
        print(farewell)
    return shell.return_code or 0


def parting_words(run: RunDirectory | None) -> str:
    """One line for the shell the user comes back to."""
    from ibmon.records import IbmonError
    from ibmon.runs.directory import status

    if run is None:
        return ""
    name = run.path.resolve().name
    try:
        over = status(run).over
    except (IbmonError, OSError):
        return ""
    if over:
        return f"the training is over; `ibmon show {name}` prints its figures, `ibmon watch {name}` opens it again"
    return f"the training goes on; `ibmon watch {name}` attaches again"
