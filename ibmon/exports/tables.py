"""Everything that runs measured and logged as one tidy table in a file: CSV, JSON or Parquet, block by block."""

from __future__ import annotations

import csv
from importlib import import_module
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from ibmon.figures.table import exact, harmless
from ibmon.records import IbmonError, UsageError
from ibmon.runs.tidy import Header, Kind, blocks, header

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from ibmon.runs.history import History
    from ibmon.runs.tidy import Block


def save_table(histories: Sequence[History], path: Path) -> int:
    """Write every number of the histories, a row each, with the columns of ``ibmon.runs.tidy``; returns how many.

    The name ends in ``.csv``, ``.json`` (an array of objects, one a line) or ``.parquet``. The file is there whole or not at all.
    Raises UsageError for another name, IbmonError without pyarrow, OSError.
    """
    writers: dict[str, Callable[[Path, Header, Iterator[Block]], int]] = {".csv": _csv, ".json": _json, ".parquet": _parquet}
    write = writers.get(path.suffix.lower())
    if write is None:
        raise UsageError(f"A table is written as .csv, .json or .parquet, which {path.name!r} does not end in.")
    columns = header(histories)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        rows = write(temporary, columns, blocks(histories, columns))
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    return rows


def _csv(path: Path, columns: Header, parts: Iterator[Block]) -> int:
    rows = 0
    known: dict[str, str] = {}

    def cells(column: NDArray[Any], kind: Kind) -> Iterator[str]:
        if kind != "text":
            return map(exact, column.tolist())
        known.update((text, harmless(text)) for text in set(column) - known.keys())
        return map(known.__getitem__, column)

    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow([harmless(name) for name in columns.kinds])
        for part in parts:
            writer.writerows(zip(*(cells(part[name], kind) for name, kind in columns.kinds.items()), strict=True))
            rows += len(part["value"])
    return rows


def _json(path: Path, columns: Header, parts: Iterator[Block]) -> int:
    rows = 0
    encode = msgspec.json.Encoder().encode
    with path.open("wb") as file:
        file.write(b"[")
        for part in parts:
            listed = [_plain(part[name], kind) for name, kind in columns.kinds.items()]
            lines = b",\n".join([encode(dict(zip(columns.kinds, row, strict=True))) for row in zip(*listed, strict=True)])
            file.write((b",\n" if rows else b"\n") + lines)
            rows += len(part["value"])
        file.write(b"\n]\n")
    return rows


def _plain(column: NDArray[Any], kind: Kind) -> list[Any]:
    """A column as JSON has it: null where there is nothing."""
    if kind == "text":
        return [text or None for text in column]
    if kind == "integer":
        return [None if number != number else int(number) for number in column.tolist()]
    return column.tolist()  # the encoder says null for what is not finite


def _parquet(path: Path, columns: Header, parts: Iterator[Block]) -> int:
    try:
        arrow = import_module("pyarrow")
        parquet = import_module("pyarrow.parquet")
    except ImportError:
        raise IbmonError("Parquet files are written by pyarrow, which is not installed: pip install 'ibmon[parquet]'") from None
    types = {"text": arrow.string(), "integer": arrow.int64(), "number": arrow.float64()}
    schema = arrow.schema([(name, types[kind]) for name, kind in columns.kinds.items()])

    def filled(column: NDArray[Any], kind: Kind) -> Any:
        absent = column == "" if kind == "text" else np.isnan(column)
        if kind == "integer":
            column = np.where(absent, 0, column).astype(np.int64)
        return arrow.array(column, type=types[kind], mask=absent)

    rows = 0
    with parquet.ParquetWriter(path, schema, compression="zstd") as writer:
        for part in parts:
            arrays = [filled(part[name], kind) for name, kind in columns.kinds.items()]
            writer.write_table(arrow.table(arrays, schema=schema))
            rows += len(part["value"])
    return rows
