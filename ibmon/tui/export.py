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


def export(run: RunDirectory, figure: Figure, view: View, kind: str = "png", colours: Colours = "default") -> Path:
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
        path = run.figures / f"{_name(figure, view if kind != 'csv' else None)}.{kind}"
        Path(temporary).chmod(0o644)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    return path


def _name(figure: Figure, view: View | None) -> str:
    """The figure's name, that it compares runs, and the step up to which it was shown: none of them replaces another."""
    from ibmon.figures.view import runs_of

    name = re.sub(r"[^A-Za-z0-9._-]+", "-", figure.name).strip(".-") or "figure"
    if len(runs_of(figure)) > 1:
        name += "-compared"
    return name if view is None or view.until is None else f"{name}-step-{view.until}"
