"""``ibmon calibrate``: what it prints and writes, and what is refused with a sentence."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
import torch

from ibmon.runs.directory import RunDirectory
from keeping import kept_run, trained_run
from support import finished, history_of, started, wait_for, written

from .conftest import Command

RECIPE = Path(__file__).parents[1] / "data" / "recipes" / "slope.py"


@pytest.fixture
def run(own_runs: Path) -> RunDirectory:
    return trained_run(120)


def rows_of(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(path.read_text().splitlines()))


def test_ten_classes_without_a_run(command: Command) -> None:
    done = command("calibrate", "variance")
    assert done.code == 0, done.err
    for words in ("10 classes", "kde:variance=0.0451", "kde:relative=true,variance=0.0501", "one up to 0.1056"):
        assert words in done.out
    (told,) = json.loads(command("calibrate", "variance", "--classes", "2", "--tolerance", "0.1", "--json").out)
    assert told["counts"] == [1, 1]
    assert told["entropy"] - told["lower"] == pytest.approx(0.1, abs=1e-6)


def test_the_labels_of_a_run(command: Command, own_runs: Path) -> None:
    y = torch.tensor([0] * 30 + [1] * 10)
    found = kept_run({0: {"a": torch.rand(40, 2)}}, {"y": y, "z": torch.arange(40) % 4})
    told = json.loads(command("calibrate", "variance", found.path, "--json").out)
    assert [(one["task"], one["counts"]) for one in told] == [("y", [30, 10]), ("z", [10] * 4)]
    assert told[0]["entropy"] == pytest.approx(0.811278, abs=1e-6)


def test_planes_and_a_table_of_them(command: Command, run: RunDirectory, tmp_path: Path) -> None:
    out = tmp_path / "out"
    asked = ("-e", "binning:width=0.2", "-e", "kde:variance=0.01", "--snapshots", "4", "-o", out)
    done = command("calibrate", "sensitivity", run.path, *asked)
    assert done.code == 0, done.err
    assert {path.name for path in out.iterdir()} == {"sensitivity.png", "sensitivity.csv"}
    points = rows_of(out / "sensitivity.csv")
    assert {(p["series"], p["estimator"]) for p in points} == {
        (layer, setting) for layer in ("hidden", "out") for setting in ("binning:width=0.2", "kde:variance=0.01")
    }
    told = json.loads(command("calibrate", "sensitivity", run.path, *asked, "--json").out)
    assert len(told["steps"]) == 4 and len(told["courses"]) == 4
    for course in told["courses"]:
        own = [float(p["x"]) for p in points if (p["series"], p["estimator"]) == (course["layer"], course["estimator"])]
        assert (course["first"], course["max"], course["last"]) == (own[0], max(own), own[-1])
        assert course["falls"] == (max(own) - own[-1] > 0.1)
    assert not history_of(run).series


def test_samples_and_a_verdict_for_each_layer(command: Command, run: RunDirectory) -> None:
    asked = ("--smallest", "30", "--points", "3", "--draws", "2", "--format", "svg")
    done = command("calibrate", "samples", run.path, *asked)
    assert done.code == 0, done.err
    assert "30 to 120 samples, 2 random subsets" in done.out and "I(X;T) ≤ log2 N" in done.out
    names = {f"sample-size-{quantity}.{ending}" for quantity in ("ixt", "ity") for ending in ("svg", "csv")}
    assert {path.name for path in run.figures.iterdir()} == names
    assert "I(X;T) cannot exceed log2 N" in (run.figures / "sample-size-ixt.svg").read_text()
    told = json.loads(command("calibrate", "samples", run.path, *asked, "--json").out)
    assert {tuple(g["samples"]) for g in told["growths"]} == {(30, 60, 120)}
    assert {(one["layer"], one["estimator"]) for one in told["layers"]} == {
        (layer, estimator) for layer in ("hidden", "out") for estimator in ("binning:width=0.2", "kde:variance=0.01")
    }
    points = rows_of(run.figures / "sample-size-ity.csv")
    assert {p["quantity_y"] for p in points} == {"I(T;Y) [bits]"} and {p["x"] for p in points} == {"30", "60", "120"}


def test_without_a_word_all_of_it(command: Command, run: RunDirectory) -> None:
    done = command("calibrate", run.path, "--snapshots", "1")
    assert done.code == 0, done.err
    assert all(words in done.out for words in ("rule: the largest variance", "bit below its maximum", "stable from"))
    latest = command("calibrate", "--snapshots", "1", "--json")
    assert set(json.loads(latest.out)) == {"run", "variance", "sensitivity", "samples"}
    assert "calibrate all RUN" in command("calibrate", "--help").out


def test_what_is_refused(command: Command, run: RunDirectory) -> None:
    nothing = written([])
    for study in ("sensitivity", "samples"):
        done = command("calibrate", study, nothing.path)
        assert (done.code, "--keep-snapshots" in done.err, done.err.count("\n")) == (1, True, 1)
    assert command("calibrate", "samples", "no-such-run").code == 3
    assert command("calibrate", "sensitivity", run.path, "--evaluation", "test").code == 3
    assert "no information plane to draw" in command("calibrate", "sensitivity", run.path, "-e", "ksg", "--snapshots", "1").err
    both = command("calibrate", "variance", run.path, "--classes", "10")
    assert (both.code, both.err) == (2, "ibmon: Name a run or --classes, not both.\n")
    wrong = command("calibrate", "variance", "--tolerance", "9")
    assert (wrong.code, "between 0 and H(Y) = 3.322 bits" in wrong.err) == (2, True)
    run.figures.rmdir()
    run.figures.symlink_to(run.path.parent)
    assert "link out of the run" in command("calibrate", "samples", run.path).err


@pytest.mark.long
def test_a_run_of_a_real_training(command: Command) -> None:
    found = started("slope", str(RECIPE), keep_snapshots=True, parameters={"epochs": 20})
    wait_for(lambda: finished(found), "for the training")
    done = command("calibrate", "all", found.path)
    assert (done.code, "no more than the smallest size" in done.err) == (2, True), done.err
    assert (found.figures / "sensitivity.png").stat().st_size > 10_000
    done = command("calibrate", "samples", found.path, "--smallest", "16")
    assert done.code == 0, done.err
    assert "binning:width=0.07" in done.out
