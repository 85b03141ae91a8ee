"""One network of a run that trained many at once, on the command line."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ibmon.records import Result, Value
from ibmon.runs.listing import rename
from support import written

if TYPE_CHECKING:
    import pytest

    from conftest import Command


def _run(name: str, networks: int, shift: float = 0.0) -> Path:
    """Network r has r bits less about the input; without networks an ordinary run."""

    def value(quantity: str, number: float) -> Value:
        about: dict[str, Any] = {"subject": {"layer": "1"}, "estimator": "binning"}
        if not networks:
            return Value(quantity=quantity, value=number, **about)
        axes = {"replica": list(range(networks))}
        return Value(quantity=quantity, value=[number - r for r in range(networks)], axes=axes, **about)

    lines = [
        Result(
            segment=1,
            seq=seq,
            job="information-plane/binning",
            step=10 * seq,
            epoch=float(seq),
            values=[value("I(X;T)", 9.0 + seq + shift), value("I(T;Y)", 0.1 * seq)],
        )
        for seq in range(4)
    ]
    run = written(lines, role="analyst")
    rename(run, name)
    return run.path


def _x(path: Path) -> list[float]:
    return [float(row["x"]) for row in csv.DictReader(path.read_text().splitlines())]


def test_the_figures_of_one_network(command: Command, tmp_path: Path, own_runs: Path) -> None:
    run, out = _run("fifty", 3), tmp_path / "out"
    done = command("export", run, "information-plane-binning", "-o", out, "--format", "csv", "--replica", "2")
    assert done.code == 0, done.err
    (path,) = out.iterdir()
    assert path.name == "information-plane-binning-replica-2.csv"
    assert done.out == f"{path}\n"
    assert _x(path) == [7.0, 8.0, 9.0, 10.0]
    command("export", run, "information-plane-binning", "-o", out, "--format", "csv")
    assert _x(out / "information-plane-binning.csv") == [8.0, 9.0, 10.0, 11.0]


def test_the_same_network_of_several_runs(command: Command, tmp_path: Path, own_runs: Path) -> None:
    first, second = _run("tanh", 3), _run("relu", 2, 1.0)
    for arguments in (("export", first, "--compare", second), ("compare", first, second)):
        out = tmp_path / arguments[0]
        done = command(*arguments, "-o", out, "--format", "csv", "--replica", "1")
        assert done.code == 0, done.err
        (row,) = [
            row
            for row in csv.DictReader((out / "differences-compared-replica-1.csv").read_text().splitlines())
            if row["quantity"] == "I(X;T) [bits]"
        ]
        assert (row["tanh"], row["relu"], row["relu − tanh"]) == ("11", "12", "+1")
        assert (out / "information-plane-binning-compared-replica-1.csv").exists()
    said = json.loads(command("compare", first, second, "--replica", "1", "--json").out)
    assert said["replica"] == "1"
    refused = command("compare", first, second, "--replica", "2")
    assert (refused.code, "has no network 2; there are 2, 0 to 1." in refused.err) == (3, True)


def test_show(command: Command, own_runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ibmon.launch.resume_analysis", lambda run: None)
    run = _run("fifty", 3)
    assert "3 networks" in command("show", run).out
    assert "network 2 of 3" in command("show", run, "--replica", "2").out
    said = json.loads(command("show", run, "--replica", "2", "--json").out)
    series = {one["quantity"]: one for one in said["series"]}
    assert said["replica"] == "2"
    assert (series["I(X;T)"]["axes"], series["I(X;T)"]["value"]) == ({}, [7.0, 8.0, 9.0, 10.0])
    whole = json.loads(command("show", run, "--json").out)
    assert (whole["replica"], whole["series"][0]["axes"]) == (None, {"replica": [0, 1, 2]})


def test_what_is_not_there_is_said_in_one_sentence(command: Command, tmp_path: Path, own_runs: Path) -> None:
    run, single = _run("fifty", 3), _run("one", 0)
    for words in (("export", run), ("show", run)):
        said = command(*words, "--replica", "3")
        assert said.code == 3
        assert said.err.endswith("has no network 3; there are 3, 0 to 2.\n")
        assert said.err.count("\n") == 1
    said = command("export", single, "-o", tmp_path / "out", "--replica", "0")
    assert said.code == 3
    assert "has no axis of networks: nothing in it was measured over replicas." in said.err
    assert not (tmp_path / "out").exists()
    assert "network" not in command("show", single).out
