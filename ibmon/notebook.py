"""Runs in notebooks and scripts: what was measured as columns and as pictures, without torch and without starting anything."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ibmon.runs.directory import LATEST, RunDirectory, find_run, status
from ibmon.runs.history import of_replica, up_to
from ibmon.runs.reading import HistoryReader

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ibmon.figures.figure import Figure, View
    from ibmon.records import RunInfo
    from ibmon.runs.directory import Status
    from ibmon.runs.history import Coordinate, History


@dataclass(frozen=True, slots=True)
class Picture:
    """A figure of a run; a notebook shows it."""

    figure: Figure = field(repr=False)
    name: str
    title: str

    def save(self, path: Path | str, view: View | None = None, *, width: float | None = None) -> None:
        """Write it as ``.png``, ``.svg``, ``.pdf`` or its numbers as ``.csv``; ``width`` is in inches.

        Raises ValueError for another name.
        """
        from ibmon.figures.image import save
        from ibmon.figures.table import to_csv

        path = Path(path)
        if path.suffix.lower() == ".csv":
            path.write_text(to_csv(self.figure), encoding="utf-8")
        else:
            save(self.figure, path, view, width=width)

    def _repr_png_(self) -> bytes:
        from ibmon.figures.image import png

        return png(self.figure)


@dataclass(frozen=True, slots=True)
class Run:
    """A run as ``ibmon.open`` gives it. Everything is read anew when it is asked for, and of a live run what it says by now."""

    path: Path
    _reader: HistoryReader = field(repr=False, compare=False)

    @property
    def id(self) -> str:
        return self.path.name

    @property
    def info(self) -> RunInfo:
        """What was asked: name, recipe, parameters, seed, versions."""
        return self.history.run

    @property
    def status(self) -> Status:
        """The state of its processes: ``state`` is starting, live, lost, finished or failed."""
        return status(RunDirectory(self.path))

    @property
    def history(self) -> History:
        """Everything that its logs say by now."""
        self._reader.poll()
        return self._reader.history()

    def frame(self, *, replica: Coordinate | None = None, until: int | None = None) -> dict[str, NDArray[Any]]:
        """Every number that was measured or logged: column -> ``(rows,)``, for ``pandas.DataFrame`` or ``polars.DataFrame``.

        The columns are those of ``ibmon export --data`` (docs/exports.md). Text that a row has not is empty, a number NaN.
        ``replica`` is a single network of a run that trains many at once, ``until`` the last step. Raises NotFoundError.
        """
        from ibmon.runs.tidy import frame

        return frame([self._cut(replica, until)])

    def scalars(self, *, until: int | None = None) -> dict[str, NDArray[Any]]:
        """What ``Monitor.log`` was given, and the training's loss: column -> ``(rows,)``, a row for each name and step."""
        from ibmon.runs.tidy import frame

        whole = frame([replace(self._cut(None, until), series=())])
        return {name: whole[name] for name in ("run", "segment", "step", "epoch", "quantity", "value")}

    def figures(self, *, replica: Coordinate | None = None, until: int | None = None) -> dict[str, Picture]:
        """Its figures by name, as ``ibmon export`` draws them. Warns of those that fail. Raises NotFoundError as ``frame``."""
        from ibmon.figures.build import build_figures

        drawn, failed = build_figures(self._cut(replica, until))
        for failure in failed:
            warnings.warn(failure, stacklevel=2)
        return {figure.name: Picture(figure, figure.name, figure.title) for figure in drawn}

    def _cut(self, replica: Coordinate | None, until: int | None) -> History:
        history = self.history if replica is None else of_replica(self.history, replica)
        return history if until is None else up_to(history, until)


def open(run: Path | str = LATEST) -> Run:
    """A run by its path, id, name, a part of its id, or ``latest``, as the commands find it. Raises NotFoundError, IbmonError."""
    found = find_run(str(run))
    return Run(found.path, HistoryReader(found))
