"""``ibmon compare --table``: what was logged, with a row for each kind of run and a column for each scalar."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ibmon.records import NotFoundError

from .results import read_history
from .sweep import Laid, print_table

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ibmon.figures.scalars import Cell, Scalars
    from ibmon.sweeps.groups import Member


def print_scalars(parts: Mapping[str, Sequence[Member]], wanted: Sequence[str], folder: Path | None, as_json: bool) -> None:
    """Print the table of the scalars whose names fit ``wanted``, and write it as CSV into ``folder``.

    Raises NotFoundError where no run logged one.
    """
    from ibmon.figures.scalars import Run, table, tabulated, tidy
    from ibmon.figures.table import to_csv

    runs = {
        name: [Run({"seed": m.info.seed, **m.info.parameters}, read_history(m.run).scalars) for m in each]
        for name, each in parts.items()
    }
    found = tabulated(runs, wanted)
    if not found.names:
        there = dict.fromkeys(name for each in runs.values() for run in each for name in run.scalars)
        raise NotFoundError(f"No such scalar was logged; there is {', '.join(there) or 'none at all'}.")
    files: list[str] = []
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / "scalars.csv"
        path.write_text(to_csv(tidy(found)), encoding="utf-8")
        files.append(str(path))
    drawn = table(found)
    if as_json:
        print(json.dumps({**_as_json(found), "note": drawn.note, "files": files}, indent=1))
        return
    print_table(drawn.columns, drawn.rows, lambda: _column_by_column(drawn.columns, drawn.rows))
    print(drawn.note)
    for path in files:
        print(path)


def _column_by_column(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> Laid:
    """The table with a row for each of its cells, scalar by scalar."""
    cells = [(name if k == 0 else "", row[0], row[n]) for n, name in enumerate(columns[1:], 1) for k, row in enumerate(rows)]
    return ("scalar", "runs", "newest"), cells


def _as_json(found: Scalars) -> dict[str, Any]:
    def known(value: float) -> float | None:
        return value if math.isfinite(value) else None

    def said(cell: Cell) -> dict[str, Any]:
        return {
            "values": list(cell.values),
            "mean": known(cell.mean),
            "deviation": known(cell.deviation),
            "difference": known(cell.difference),
            "interval": [known(value) for value in cell.interval],
            "pairs": cell.pairs,
        }

    cells = {part: dict(zip(found.names, map(said, row), strict=True)) for part, row in found.rows.items()}
    return {"scalars": list(found.names), "rows": cells}
