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
    from ibmon.runs.directory import RunDirectory


def export(run: RunDirectory, figure: Figure, view: View) -> Path:
    """Write ``figures/NAME.png`` of the run, whole or not at all. Raises OSError.

    The run directory is somebody else's: a link in it is replaced, never followed.
    """
    from ibmon.figures.image import save

    if run.figures.is_symlink():
        raise OSError(f"{run.figures} is a link; nothing is written through it")
    run.figures.mkdir(exist_ok=True)
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", figure.name).strip(".-") or "figure"
    descriptor, temporary = tempfile.mkstemp(suffix=".png", prefix=".export-", dir=run.figures)
    os.close(descriptor)
    try:
        save(figure, temporary, replace(view, cursor=None))
        path = run.figures / f"{name}.png"
        Path(temporary).chmod(0o644)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    return path
