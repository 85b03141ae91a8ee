"""Exporting several runs laid over each other."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

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


def _recurrent(name: str, shift: float) -> str:
    """A run whose layer was measured at ten timepoints."""
    times = list(range(10))
    about: dict[str, Any] = {"subject": {"layer": "lstm"}, "axes": {"time": times}, "estimator": "kde"}
    lines = [
        Result(
            segment=1,
            seq=seq,
            job="timepoints/kde",
            step=10 * seq,
            epoch=float(seq),
            evaluation="imdb",
            values=[
                Value(quantity="I(X;H_t)", value=[t + seq + shift for t in times], **about),
                Value(quantity="I(H_t;Y)", value=[t / 10 for t in times], **about),
            ],
        )
        for seq in range(3)
    ]
    run = written(lines, role="analyst")
    rename(run, name)
    return str(run.path)


def _width(path: Path) -> float:
    return round(float(ElementTree.parse(path).getroot().attrib["width"].removesuffix("pt")) / 72, 2)


def test_timepoints_stand_side_by_side_unless_told_otherwise(command: Command, tmp_path: Path, own_runs: Path) -> None:
    first, second = _recurrent("slow", 0.0), _recurrent("fast", 1.0)
    plane, heat = "timepoints-plane-kde-lstm-imdb", "timepoints-ixt-kde-lstm-imdb"
    widths: dict[str, list[float]] = {}
    for layout in ("auto", "panels", "overlay"):
        out = tmp_path / layout
        said = command("export", first, plane, heat, "--compare", second, "-o", out, "--format", "svg", "--layout", layout)
        assert said.code == 0, said.err
        widths[layout] = [_width(out / f"{name}-compared.svg") for name in (plane, heat)]
        same = command("compare", first, second, "--figures", plane, "-o", tmp_path / "c", "--format", "svg", "--layout", layout)
        assert same.code == 0, same.err
        assert _width(tmp_path / "c" / f"{plane}-compared.svg") == widths[layout][0]
    assert widths["auto"] == widths["panels"] == [7.0, 7.0]
    assert widths["overlay"] == [3.4, 7.0]  # matrices cover each other
    assert command("export", first, "--compare", second, "--layout", "stacked").code == 2


def test_differences_of_timepoints_are_their_mean_and_the_last(command: Command, own_runs: Path) -> None:
    first, second = _recurrent("slow", 0.0), _recurrent("fast", 1.0)
    said = command("compare", first, second, "--json")
    rows = [row for row in json.loads(said.out)["differences"] if row["quantity"] == "I(X;H_t) [bits]"]
    assert [(row["series"], row["slow"], row["fast"], row["fast − slow"]) for row in rows] == [
        ("mean of 10 · timepoints, lstm on imdb", "6.5", "7.5", "+1"),
        ("last, 9 · timepoints, lstm on imdb", "11", "12", "+1"),
    ]


def test_at_most_four_and_only_runs_that_exist(command: Command, own_runs: Path) -> None:
    first = str(_run("tanh", 0.0))
    many = command("export", first, *("--compare", first) * 4)
    assert (many.code, "at most three" in many.err) == (2, True)
    assert command("export", first, "--compare", "nothing").code == 3
