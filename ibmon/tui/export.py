"""Save a chart as it is seen, in the run it belongs to. Matplotlib is imported here, in a thread, when somebody asks for it."""

from __future__ import annotations

import os
import re
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ibmon.figures.figure import Figure, View
    from ibmon.plot.palette import Colours
    from ibmon.runs.directory import RunDirectory
    from ibmon.runs.history import Coordinate


def export(
    run: RunDirectory,
    figure: Figure,
    view: View,
    kind: str = "png",
    colours: Colours = "default",
    replica: Coordinate | None = None,
) -> Path:
    """Write the figure to ``figures/`` of the run, whole or not at all, under a name that says what was seen. Raises OSError.

    The run directory is somebody else's: a link in it is replaced, never followed.
    """
    if run.figures.is_symlink():
        raise OSError(f"{run.figures} is a link; nothing is written through it")
    run.figures.mkdir(exist_ok=True)
    descriptor, temporary = tempfile.mkstemp(suffix=f".{kind}", prefix=".export-", dir=run.figures)
    os.close(descriptor)
    try:
        if kind == "csv":
            from ibmon.figures.table import to_csv

            Path(temporary).write_text(to_csv(figure), encoding="utf-8")
        else:
            from ibmon.figures.image import save

            save(figure, temporary, replace(view, cursor=None), colours=colours)
        path = run.figures / f"{_name(figure, view if kind != 'csv' else None, replica)}.{kind}"
        Path(temporary).chmod(0o644)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    return path


def _name(figure: Figure, view: View | None, replica: Coordinate | None) -> str:
    """The figure's name, that it compares runs or shows one of them, its network and the last step: none replaces another."""
    from ibmon.figures.view import runs_of

    name = _bare(figure.name) or "figure"
    if len(runs_of(figure)) > 1:
        name += f"-{_bare(view.alone)}" if view is not None and view.alone in runs_of(figure) else "-compared"
    if replica is not None:
        name += f"-replica-{_bare(str(replica))}"
    return name if view is None or view.until is None else f"{name}-step-{view.until}"


def _bare(text: str) -> str:
    """What of a text can be part of a file's name."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", text).strip(".-")
