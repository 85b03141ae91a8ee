"""Files of data as columns: what ``ibmon estimate`` reads.

``.npz`` (arrays by name), ``.npy`` (one array, columns by number), ``.csv`` and ``.tsv`` (columns by the names in the first
line), ``.parquet`` (with pyarrow). Only the columns that are asked for are read. Nothing is ever unpickled.
"""

from __future__ import annotations

import re
import zipfile
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from difflib import get_close_matches
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ibmon.data.delimited import rows as rows_of
from ibmon.records import IbmonError, NotFoundError, UsageError

MISSING = frozenset(("", "nan", "NaN", "NAN", "NA", "N/A", "null"))
"""Cells of text that hold no value. A word such as "none" may well be a class."""
_TRUTHS = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_RANGE = re.compile(r"(\d*):(\d*)")


@dataclass(frozen=True, slots=True)
class Column:
    """A column, or a whole array of an ``.npz``: ``values`` (rows, dims), numbers, booleans or text; ``missing`` (rows,)."""

    name: str
    values: NDArray[Any]
    missing: NDArray[np.bool_]

    @property
    def label(self) -> bool:
        """Whether it can only be a label: text and booleans measure nothing."""
        return self.values.dtype.kind in "Ub"

    @property
    def names(self) -> tuple[str, ...]:
        """One name for each dimension."""
        dims = self.values.shape[1]
        return (self.name,) if dims == 1 else tuple(f"{self.name}[{i}]" for i in range(dims))

    def only(self, keep: NDArray[np.bool_]) -> Column:
        """The column's rows where ``keep`` (rows,) is true."""
        return Column(self.name, self.values[keep], self.missing[keep])


@dataclass(frozen=True, slots=True)
class Table:
    """A file: the names of its columns, and how to read some of them by position."""

    path: Path
    names: tuple[str, ...]
    read: Callable[[Sequence[int]], list[Column]]

    def take(self, choice: str) -> tuple[Column, ...]:
        """The columns of a choice: a name, or a comma list of names and of ranges ``a:b`` by position (without b).

        Raises NotFoundError for what is not there, and IbmonError for what cannot be read.
        """
        return tuple(self.read(self._positions(choice)))

    def _positions(self, choice: str) -> list[int]:
        if choice in self.names:
            return [self.names.index(choice)]
        found: list[int] = []
        for part in (p.strip() for p in choice.split(",")):
            if part in self.names:
                found.append(self.names.index(part))
            elif (match := _RANGE.fullmatch(part)) is not None:
                first, last = (int(side) if side else None for side in match.groups())
                columns = range(len(self.names))[first:last]
                if not columns or (last or 0) > len(self.names):
                    raise NotFoundError(f"{part!r} is no range of the {len(self.names)} columns of {self.path.name}.")
                found += columns
            else:
                raise NotFoundError(f"There is no column {part!r} in {self.path.name}; {self._hint(part)}")
        return found

    def _hint(self, name: str) -> str:
        near = get_close_matches(name, self.names, n=1)
        if near:
            return f"did you mean {near[0]!r}?"
        shown = ", ".join(self.names[:10]) or "none"
        return f"it has {shown}{f' … ({len(self.names)} columns)' if len(self.names) > 10 else ''}."


def open_table(path: Path) -> Table:
    """The table in a file, told by the end of its name. Raises NotFoundError, UsageError and IbmonError."""
    readers = {".npz": _npz, ".npy": _npy, ".csv": _delimited, ".tsv": _delimited, ".parquet": _parquet}
    reader = readers.get(path.suffix.lower())
    if not path.is_file():
        raise NotFoundError(f"There is no file {path}.")
    if reader is None:
        raise UsageError(f"The name of a file of data ends in {', '.join(readers)}; {path.name} does not.")
    return reader(path)


def _npz(path: Path) -> Table:
    @contextmanager
    def archive() -> Generator[Any]:
        with path.open("rb") as file:  # numpy would leave a broken one open
            opened = _load(path, file)
            if not isinstance(opened, np.lib.npyio.NpzFile):
                raise IbmonError(f"{path.name} is not an archive of numpy.")
            yield opened

    with archive() as opened:
        names = tuple(opened.files)

    def read(positions: Sequence[int]) -> list[Column]:
        columns: list[Column] = []
        with archive() as opened:
            for i in positions:
                try:
                    columns.append(_column(names[i], opened[names[i]], path))
                except (ValueError, OSError, EOFError, zipfile.BadZipFile) as error:
                    raise IbmonError(f"{names[i]!r} in {path.name} cannot be read: {_first_line(error)}.") from error
        return columns

    return Table(path, names, read)


def _npy(path: Path) -> Table:
    values = _load(path, path, mmap_mode="r")
    if not isinstance(values, np.ndarray) or values.ndim not in (1, 2):
        shape = getattr(values, "shape", None)
        raise IbmonError(f"{path.name} must hold one array (rows, columns), not one of shape {shape}.")
    wide = values.reshape(len(values), -1) if values.size else values.reshape(len(values), *(values.shape[1:] or (1,)))
    names = tuple(str(i) for i in range(wide.shape[1]))
    return Table(path, names, lambda positions: [_column(names[i], wide[:, i], path) for i in positions])


def _load(path: Path, source: Any, **how: Any) -> Any:
    try:
        return np.load(source, allow_pickle=False, **how)
    except (ValueError, EOFError, zipfile.BadZipFile) as error:
        raise IbmonError(f"{path.name} cannot be read as numpy's numbers or text: {_first_line(error)}.") from error


def _delimited(path: Path) -> Table:
    delimiter = "\t" if path.suffix.lower() == ".tsv" else ","
    header = next(rows_of(path, delimiter), (0, []))[1]
    names = tuple(name.strip() for name in header)
    if not names:
        raise IbmonError(f"{path.name} is empty; its first line gives the names of the columns.")
    if _numbers(list(names)) is not None and names != tuple(str(i) for i in range(len(names))):
        raise IbmonError(f"The first line of {path.name} holds numbers; it must give the names of the columns.")
    twice = sorted({name for name in names if name and names.count(name) > 1}) if len(set(names)) < len(names) else []
    if twice:
        raise IbmonError(f"{path.name} has more than one column called {twice[0]!r}; give each a name of its own.")

    def read(positions: Sequence[int]) -> list[Column]:
        cells: list[list[str]] = [[] for _ in positions]
        rows = rows_of(path, delimiter)
        next(rows)
        for line, row in rows:
            if len(row) != len(names):
                raise IbmonError(f"Line {line} of {path.name} has {len(row)} values, and the first line {len(names)} names.")
            for column, i in zip(cells, positions, strict=True):
                column.append(row[i].strip())
        return [_parsed(names[i], column) for i, column in zip(positions, cells, strict=True)]

    return Table(path, names, read)


def _parsed(name: str, cells: list[str]) -> Column:
    """Whole numbers, numbers, booleans or text: the first that all cells with a value are."""
    missing = np.array([cell in MISSING for cell in cells], dtype=bool)
    there = [cell for cell, none in zip(cells, missing, strict=True) if not none]
    found = _numbers(there)
    if found is None:
        truths = all(cell in _TRUTHS for cell in there)
        found = np.array([_TRUTHS[cell] for cell in there], dtype=bool) if truths else np.array(there, dtype=str)
    values = np.zeros(len(cells), dtype=found.dtype)
    values[~missing] = found
    if found.dtype.kind == "f":
        missing |= np.isnan(values)  # Python knows more spellings of it
    return Column(name, values[:, None], missing)


def _numbers(cells: list[str]) -> NDArray[Any] | None:
    """The cells as whole numbers or as numbers, or None. Python would read 1_2 as 12; here it is text."""
    if any("_" in cell for cell in cells):
        return None
    for kind, dtype in ((int, np.int64), (float, np.float64)):
        try:
            if cells or kind is float:
                return np.array([kind(cell) for cell in cells], dtype=dtype)
        except (ValueError, OverflowError):
            continue
    return None


def _parquet(path: Path) -> Table:
    try:
        parquet = import_module("pyarrow.parquet")
    except ImportError:
        raise IbmonError("Parquet files are read by pyarrow, which is not installed: pip install pyarrow") from None
    arrow_error = import_module("pyarrow").ArrowException
    try:
        names = tuple(str(name) for name in parquet.ParquetFile(path).schema_arrow.names)
    except arrow_error as error:
        raise IbmonError(f"{path.name} cannot be read as Parquet: {_first_line(error)}.") from error

    def read(positions: Sequence[int]) -> list[Column]:
        try:
            table = parquet.read_table(path, columns=[names[i] for i in positions])
            return [_from_arrow(names[i], table.column(names[i]), path) for i in positions]
        except arrow_error as error:
            raise IbmonError(f"{path.name} cannot be read as Parquet: {_first_line(error)}.") from error

    return Table(path, names, read)


def _from_arrow(name: str, column: Any, path: Path) -> Column:
    values: NDArray[Any] = column.to_numpy()
    if values.dtype.kind != "O":
        return _column(name, values, path)
    # Text, categories and booleans with gaps come as Python objects, None where there is none.
    missing = np.array([v is None for v in values], dtype=bool)
    there: list[Any] = [v for v in values if v is not None]
    kind = bool if all(isinstance(v, bool) for v in there) else str
    if not all(isinstance(v, kind) for v in there):
        raise IbmonError(f"Column {name!r} of {path.name} holds {column.type}, and neither numbers nor text.")
    found = np.array(there, dtype=kind)
    filled = np.zeros(len(values), dtype=found.dtype)
    filled[~missing] = found
    return _column(name, filled, path, missing)


def _column(name: str, values: NDArray[Any], path: Path, missing: NDArray[np.bool_] | None = None) -> Column:
    """An array (rows,) or (rows, dims) as a column, in a type that can be computed with; NaN and empty text are missing."""
    kind = values.dtype.kind
    if kind == "S":
        values, kind = np.char.decode(values, "utf-8", "replace"), "U"
    if kind not in "biufU":
        raise IbmonError(f"{name!r} in {path.name} holds {values.dtype}, and neither numbers nor text.")
    if values.ndim not in (1, 2):
        raise IbmonError(f"{name!r} in {path.name} has the shape {values.shape}; what is measured is (rows,) or (rows, columns).")
    values = values[:, None] if values.ndim == 1 else values
    if kind in "iu":
        fits = values.dtype.itemsize < 8 or kind == "i" or not values.size or int(values.max()) < 2**63
        values = values.astype(np.int64 if fits else np.float64)
    elif kind == "f":
        values = values.astype(np.float64 if values.dtype.itemsize > 4 else np.float32)
    if missing is None:
        missing = _without_value(values)
    return Column(name, values, missing)


def _without_value(values: NDArray[Any]) -> NDArray[np.bool_]:
    """Which rows of ``values`` (rows, dims) hold NaN or empty text (rows,)."""
    if values.dtype.kind == "f":
        return np.asarray(np.isnan(values).any(1))
    if values.dtype.kind == "U":
        return np.asarray(np.isin(values, list(MISSING)).any(1))
    return np.zeros(len(values), dtype=bool)


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0].rstrip(".") or type(error).__name__
