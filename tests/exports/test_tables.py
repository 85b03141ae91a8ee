"""Every number of a run in a file."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Iterator
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from ibmon.exports import tables
from ibmon.records import IbmonError, Result, Scalars, UsageError, Value
from ibmon.runs.directory import RunDirectory
from ibmon.runs.history import History
from ibmon.runs.tidy import blocks
from support import history_of, written

FORMATS = ["csv", "json", pytest.param("parquet", marks=pytest.mark.skipif(not find_spec("pyarrow"), reason="no pyarrow"))]


def run(networks: int = 2, seqs: int = 3, quantity: str = "I(X;T)") -> RunDirectory:
    """Network r has r bits less about the input; H(Y) is the same for all, and the first snapshot is saturated."""

    def values(seq: int) -> list[Value]:
        about: dict[str, Any] = {"subject": {"layer": "1"}, "estimator": "kde", "axes": {"replica": list(range(networks))}}
        information = [9.5 + seq - r for r in range(networks)]
        flags = {"saturated": True} if seq == 0 else {}
        return [
            Value(quantity=quantity, value=information, upper=[b + 1 for b in information], flags=flags, **about),
            Value(quantity="H(Y)", value=1.0, details={"limit": 2.0}),
        ]

    lines = [
        Result(segment=1, seq=seq, job="plane/kde", step=10 * seq, epoch=seq / 2, evaluation="all", values=values(seq))
        for seq in range(seqs)
    ]
    made = written([Scalars(segment=1, name="validation", step=20, epoch=1.0, values={"loss": 0.25})])
    return written(lines, role="analyst", run=made)


def read(path: Path) -> list[dict[str, Any]]:
    """The rows of a table, without what is empty."""
    if path.suffix == ".parquet":
        rows = import_module("pyarrow.parquet").read_table(path).to_pylist()
    elif path.suffix == ".json":
        rows = json.loads(path.read_text())
    else:
        rows = list(csv.DictReader(path.read_text(encoding="utf-8").splitlines()))
    return [{name: cell for name, cell in row.items() if cell not in (None, "")} for row in rows]


@pytest.mark.parametrize("kind", FORMATS)
def test_a_file_has_every_number_with_all_that_is_known_of_it(kind: str, tmp_path: Path) -> None:
    made = run()
    path = tmp_path / "new" / f"t.{kind}"
    assert tables.save_table([history_of(made)], path) == 3 * 2 + 3 + 1
    rows = read(path)
    about = {"run": made.id, "segment": 1, "analysis": "plane", "job": "plane/kde", "evaluation": "all", "unit": "bits"}
    plane = {**about, "estimator": "kde", "quantity": "I(X;T)", "layer": "1"}
    expected = [
        {**plane, "seq": 0, "step": 0, "epoch": 0.0, "replica": 1, "value": 8.5, "upper": 9.5, "flags": "saturated"},
        {**plane, "seq": 2, "step": 20, "epoch": 1.0, "replica": 1, "value": 10.5, "upper": 11.5},
        {**about, "quantity": "H(Y)", "seq": 2, "step": 20, "epoch": 1.0, "value": 1.0, "limit": 2.0},
        {"run": made.id, "segment": 1, "step": 20, "epoch": 1.0, "quantity": "validation/loss", "value": 0.25},
    ]
    if kind == "csv":
        expected = [
            {name: f"{cell:g}" if isinstance(cell, int | float) else cell for name, cell in row.items()} for row in expected
        ]
    assert [rows[k] for k in (1, 5, 8, 9)] == expected


@pytest.mark.parametrize("kind", FORMATS)
def test_tables_of_many_blocks_are_whole_and_of_none_are_empty(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tables, "blocks", partial(blocks, rows=16))
    path = tmp_path / f"t.{kind}"
    many = history_of(run(networks=10, seqs=20))
    assert tables.save_table([many], path) == len(read(path)) == 221
    assert [float(row["value"]) for row in read(path)[:200]] == many.series[0].value.ravel().tolist()
    tables.save_table([history_of(written([]))], path)
    assert read(path) == []


def test_no_text_of_a_run_is_a_formula_in_a_spreadsheet(tmp_path: Path) -> None:
    tables.save_table([history_of(run(quantity='=HYPERLINK("http://x")'))], tmp_path / "t.csv")
    assert read(tmp_path / "t.csv")[0]["quantity"] == '\'=HYPERLINK("http://x")'


def test_the_file_before_stays_where_writing_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = history_of(run())
    tables.save_table([made], tmp_path / "t.csv")
    before = (tmp_path / "t.csv").read_text()

    def full(histories: list[History], columns: Any) -> Iterator[Any]:
        yield from ()
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(tables, "blocks", full)
    with pytest.raises(OSError, match="No space"):
        tables.save_table([made], tmp_path / "t.csv")
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["t.csv"]
    assert (tmp_path / "t.csv").read_text() == before


def test_without_pyarrow_one_sentence_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(IbmonError, match=r"pip install 'ibmon\[parquet\]'"):
        tables.save_table([history_of(run())], tmp_path / "t.parquet")
    assert not list(tmp_path.glob("*.parquet*")) and not list(tmp_path.glob(".t*"))


def test_a_file_of_another_kind_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"\.csv, \.json or \.parquet.*'t\.xlsx'"):
        tables.save_table([], tmp_path / "t.xlsx")
