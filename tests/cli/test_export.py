"""Exporting several runs laid over each other."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import TYPE_CHECKING

from ibmon.records import Result, Value
from ibmon.runs.listing import rename
from support import written

if TYPE_CHECKING:
    from conftest import Command


def _run(name: str, shift: float) -> Path:
    def value(quantity: str, number: float) -> Value:
        return Value(quantity=quantity, value=number, subject={"layer": "1"}, estimator="binning")

    lines = [
        Result(
            segment=1,
            seq=seq,
            job="information-plane/binning",
            step=10 * seq,
            epoch=float(seq),
            values=[value("I(X;T)", seq + shift), value("I(T;Y)", 0.1 * seq)],
        )
        for seq in range(5)
    ]
    run = written(lines, role="analyst")
    rename(run, name)
    return run.path


def test_runs_are_laid_over_each_other(command: Command, tmp_path: Path, own_runs: Path) -> None:
    first, second = _run("tanh", 0.0), _run("relu", 1.0)
    out = tmp_path / "out"
    done = command(
        *("export", str(first), "--compare", str(second), "-o", str(out), "--format", "csv", "--format", "svg"),
        *("--colour", "run", "--colours", "magma"),
    )
    assert done.code == 0, done.err
    rows = list(csv.DictReader((out / "differences-compared.csv").read_text().splitlines()))
    assert {(r["quantity"], r["tanh"], r["relu"], r["relu − tanh"]) for r in rows} == {
        ("I(X;T) [bits]", "4", "5", "+1"),
        ("I(T;Y) [bits]", "0.4", "0.4", "+0"),
    }
    plane = list(csv.DictReader((out / "information-plane-binning-compared.csv").read_text().splitlines()))
    assert [(r["run"], r["x"]) for r in plane[::5]] == [("tanh", "0"), ("relu", "1")]
    assert ">relu<" in (out / "information-plane-binning-compared.svg").read_text()


def test_at_most_four_and_only_runs_that_exist(command: Command, own_runs: Path) -> None:
    first = str(_run("tanh", 0.0))
    many = command("export", first, *("--compare", first) * 4)
    assert (many.code, "at most three" in many.err) == (2, True)
    assert command("export", first, "--compare", "nothing").code == 3
