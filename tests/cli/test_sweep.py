"""Grids of runs: what is planned, what a group already has, and groups laid over each other."""

from __future__ import annotations

import csv
import json
import time
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ibmon.records import End, Result, RunInfo, UsageError, Value
from ibmon.runs.directory import RunDirectory, create, find_runs
from ibmon.signatures import Option, Signature
from ibmon.sweeps.grid import axes, combinations, seed_numbers
from ibmon.sweeps.groups import Member, counting, parted
from ibmon.sweeps.runner import planned
from support import written

if TYPE_CHECKING:
    from conftest import Command

SLOPE = Path(__file__).parents[1] / "data" / "recipes" / "slope.py"
SIGNATURE = Signature(
    Path("slope.py"),
    "",
    (
        Option("lr", "float", 0.1),
        Option("activation", "str", "tanh", ("tanh", "relu")),
        Option("bias", "bool", True),
        Option("epochs", "int", 5),
        Option("seed", "int", 0),
    ),
)
VALUES = {"lr": ("1e-1", "1e-2", "1e-3"), "activation": ("tanh", "relu"), "bias": ("true", "false"), "epochs": ("1", "2", "3")}
FIXED = {"lr": 0.1, "activation": "tanh", "bias": True, "epochs": 5, "seed": 0}


@st.composite
def settings_of_a_sweep(draw: st.DrawFn) -> dict[str, list[str]]:
    names = draw(st.lists(st.sampled_from(sorted(VALUES)), unique=True))
    return {n: draw(st.lists(st.sampled_from(VALUES[n]), min_size=1, unique=True)) for n in names}


def _grid(settings: dict[str, list[str]], seeds: int):
    given = axes(SIGNATURE, "slope", [f"{name}={','.join(texts)}" for name, texts in settings.items()], str(seeds))
    return combinations(given, FIXED)


@given(settings_of_a_sweep(), st.integers(1, 4))
def test_every_combination_is_there_once_in_the_order_given_with_seeds_innermost(settings, seeds) -> None:
    grid = _grid(settings, seeds)
    convert = {o.name: o.convert for o in SIGNATURE.options}
    expected = [
        {**FIXED, **{n: convert[n](text) for n, text in zip(settings, texts, strict=False)}, "seed": texts[-1]}
        for texts in product(*settings.values(), range(seeds))
    ]
    assert [c.parameters for c in grid] == expected
    assert len({c.name for c in grid}) == len(grid)


def _member(parameters, state: str, age: float, *, recipe: str = "slope", target: str = "slope.py") -> Member:
    info = RunInfo(format=1, id=f"r{age}", created=-age, recipe=recipe, target=target, parameters=dict(parameters))
    return Member(RunDirectory(Path(f"r{age}")), info, state)


STATES = st.lists(st.sampled_from(["running", "finished", "stopped", "failed", "lost"]), max_size=3)


@given(settings_of_a_sweep(), st.integers(1, 3), st.data())
def test_a_sweep_that_goes_on_starts_all_but_what_has_finished_and_what_is_running(settings, seeds, data) -> None:
    grid = _grid(settings, seeds)
    states = [data.draw(STATES) for _ in grid]
    stranger = _member({**FIXED, "seed": 0}, "finished", -1.0, target="other.py")
    there = [_member(c.parameters, s, k + n / 10) for k, c in enumerate(grid) for n, s in enumerate(states[k])]
    tasks = planned(grid, [stranger, *there], "slope", "slope.py")
    assert [t.combination for t in tasks] == grid
    for task, own in zip(tasks, states, strict=True):
        action = "keep" if "finished" in own else "wait" if "running" in own else "start"
        assert task.action == action
        assert len(task.earlier) == len(own) - (action != "start")
        if task.member is not None:
            alike = [m for m in there if m.info.parameters == task.combination.parameters and m.state == task.member.state]
            assert task.member.info.created == max(m.info.created for m in alike)
    kept = {m.run for m in counting(there)}
    assert kept == {t.member.run for t in tasks if t.action == "keep"}


@given(st.permutations(range(6)))
def test_a_group_parts_by_what_varies_in_the_order_in_which_it_was_run(order) -> None:
    runs = [_member({**FIXED, "lr": (0.1, 0.01, 1e-5)[k % 3], "seed": k // 3}, "finished", -float(k)) for k in range(6)]
    parts = parted(counting([runs[k] for k in order]))
    assert {name: [m.info.parameters["seed"] for m in each] for name, each in parts.items()} == {
        "lr=0.1": [0, 1],
        "lr=0.01": [0, 1],
        "lr=1e-05": [0, 1],
    }
    assert list(parts) == ["lr=0.1", "lr=0.01", "lr=1e-05"]


@pytest.mark.parametrize(("text", "seeds"), [("0:3", [0, 1, 2]), ("3", [0, 1, 2]), ("4:6", [4, 5]), ("0,3,7", [0, 3, 7])])
def test_seeds_are_a_count_a_range_or_a_list(text: str, seeds: list[int]) -> None:
    assert seed_numbers(text) == seeds


@pytest.mark.parametrize("text", ["", "a", "0:0", "3:1", "1,", "0:1:2", "0"])
def test_what_are_no_seeds_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="no seeds"):
        seed_numbers(text)


def test_a_value_that_is_written_twice_is_one_run() -> None:
    assert [c.name for c in combinations(axes(SIGNATURE, "slope", ["lr=1e-1,0.1,1e-2"]), FIXED)] == ["lr=1e-1", "lr=1e-2"]


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        ((SLOPE, "--set", "momentum=1,2"), 2, "it has lr, activation, epochs, seconds, seed"),
        ((SLOPE, "--set", "epoch=1,2"), 2, "did you mean 'epochs'?"),
        ((SLOPE, "--set", "lr=big"), 2, "lr takes a float, not 'big'"),
        ((SLOPE, "--set", "activation=tanh,gelu"), 2, "one of tanh, relu, breaks, not 'gelu'"),
        ((SLOPE, "--set", "lr"), 2, "option=value"),
        ((SLOPE, "--set", "lr=1", "--set", "lr=2"), 2, "twice"),
        ((SLOPE, "--set", "seed=1,2", "--seeds", "2"), 2, "twice"),
        ((SLOPE, "--seeds", "few"), 2, "no seeds"),
        ((SLOPE,), 2, "Nothing varies"),
        ((SLOPE, "--seeds", "2", "--jobs", "0"), 2, "--jobs is at least 1"),
        ((SLOPE, "--seeds", "2", "--schedule", "often"), 2, "no schedule"),
        ((SLOPE, "--seeds", "2", "-e", "bining"), 3, "did you mean 'binning'?"),
        (("tishbi", "--seeds", "2"), 3, "did you mean 'tishby'?"),
    ],
)
def test_what_is_wrong_is_one_sentence_before_anything_starts(command: Command, arguments, code: int, words: str) -> None:
    done = command("sweep", *arguments)
    assert (done.code, words in done.err) == (code, True), done.err
    assert not find_runs()


def test_an_option_without_a_default_is_swept_or_given(command: Command, tmp_path: Path) -> None:
    recipe = tmp_path / "mine.py"
    recipe.write_text("def train(monitor, *, width: int, seed: int = 0): ...\n")
    assert "needs a value for width" in command("sweep", recipe, "--seeds", "2", "--dry-run").err
    assert "2 to start" in command("sweep", recipe, "--seeds", "2", "--width", "3", "--dry-run").out
    assert "4 to start" in command("sweep", recipe, "--seeds", "2", "--set", "width=3,4", "--dry-run").out


def test_only_a_recipe_can_be_swept(command: Command, tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text("print('no recipe')\n")
    assert "is a script" in command("sweep", script, "--seeds", "2").err
    run = written([])
    assert "is a run already" in command("sweep", run.path, "--seeds", "2").err


def _run(status: str, shift: float = 0.0, *, age: float = 60.0, group: str = "g", **parameters: object) -> str:
    """A run of the slope recipe in a group that ended so, or has only just been made."""
    everything = {"lr": 0.1, "activation": "tanh", "epochs": 5, "seconds": 0.0, "seed": 0, **parameters}
    run = create(
        RunInfo(
            format=1,
            id=f"slope-{time.monotonic_ns()}",
            created=time.time() - age,
            recipe="slope",
            target=str(SLOPE.resolve()),
            parameters=everything,
            seed=everything["seed"],
            group=group,
        )
    )
    if status != "starting":
        written([End(segment=1, status=status, error="no luck")], run=run)

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
    written(lines, role="analyst", run=run)
    return run.id


def test_a_dry_run_says_what_becomes_of_each_combination(command: Command) -> None:
    done, failed, stopped = _run("finished"), _run("failed", seed=1), _run("stopped", seed=2)
    again, older, running = _run("finished", age=10, seed=3), _run("finished", age=90, seed=3), _run("starting", age=0, seed=4)
    said = command("sweep", SLOPE, "--seeds", "6", "--group", "g", "--dry-run")
    assert said.code == 0, said.err
    rows = {line.split("  ")[0]: " ".join(line.split()) for line in said.out.splitlines()}
    assert rows["seed=0"] == f"seed=0 finished: {done}"
    assert rows["seed=1"] == f"seed=1 start again {failed} (failed)"
    assert rows["seed=2"] == f"seed=2 start again {stopped} (stopped)"
    assert rows["seed=3"] == f"seed=3 finished: {again} {older} (finished)"
    assert rows["seed=4"] == f"seed=4 wait for {running}"
    assert rows["seed=5"] == "seed=5 start"
    assert said.out.splitlines()[-1] == "6 runs: 3 to start, 1 to wait for, 2 finished"
    assert len(find_runs()) == 6
    other = command("sweep", SLOPE, "--seeds", "6", "--lr", "0.2", "--group", "g", "--dry-run")
    assert "6 to start" in other.out


def test_a_group_is_compared_by_what_varies_with_its_seeds_pooled(command: Command, tmp_path: Path) -> None:
    for seed in range(3):
        _run("finished", 0.0 + seed, activation="tanh", seed=seed)
        _run("finished", 10.0 + seed, activation="relu", seed=seed)
    _run("failed", 99.0, activation="relu", seed=3)
    _run("finished", 99.0, age=100, activation="relu", seed=0)
    out = tmp_path / "out"
    done = command("compare", "g", "-o", out, "--format", "svg", "--format", "csv")
    assert done.code == 0, done.err
    assert "of 8 runs of g 6 count; left out: 1 failed, 1 older than one alike" in done.err
    assert "activation=tanh: 3 runs" in done.out and "activation=relu: 3 runs" in done.out
    assert {p.name for p in out.iterdir()} >= {
        "information-plane-binning-compared.svg",
        "information-plane-binning-compared.csv",
        "differences-compared.csv",
    }
    rows = list(csv.DictReader((out / "differences-compared.csv").read_text().splitlines()))
    found = {r["quantity"]: (r["activation=tanh"], r["activation=relu"], r["activation=relu − activation=tanh"]) for r in rows}
    assert found["I(X;T) [bits]"] == ("5 (4.2–5.8)", "15 (14.2–15.8)", "+10")
    plane = list(csv.DictReader((out / "information-plane-binning-compared.csv").read_text().splitlines()))
    assert {r["run"] for r in plane} == {"activation=tanh", "activation=relu"}


def test_too_many_are_a_table_and_a_hint_how_to_choose(command: Command, tmp_path: Path) -> None:
    for k, (lr, activation) in enumerate(product((0.1, 0.01, 1e-3), ("tanh", "relu"))):
        _run("finished", float(k), age=60.0 - k, lr=lr, activation=activation)
    done = command("compare", "g", "-o", tmp_path / "out")
    assert (done.code, "choose with --by or --where from lr, activation" in done.err) == (0, True), done.err
    assert [p.name for p in (tmp_path / "out").iterdir()] == ["differences-compared.csv"]
    (wide,) = [line for line in done.out.splitlines() if line.startswith("I(X;T)")]
    assert all(f" {4 + k} " in wide for k in range(6))
    said = json.loads(command("compare", "g", "--where", "lr=1e-3,1e-1", "--json").out)
    assert [part["name"] for part in said["compared"]] == [
        "lr=0.1 activation=tanh",
        "lr=0.1 activation=relu",
        "lr=0.001 activation=tanh",
        "lr=0.001 activation=relu",
    ]
    by = json.loads(command("compare", "g", "--by", "activation", "--figures", "*plane*", "--json").out)
    assert [(part["name"], len(part["runs"])) for part in by["compared"]] == [("activation=tanh", 3), ("activation=relu", 3)]
    assert by["differences"][0]["activation=relu − activation=tanh"] == "+1"


def test_a_narrow_terminal_gets_a_row_for_each_run(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    for k, activation in enumerate(("tanh", "relu")):
        _run("finished", float(k), age=60.0 - k, activation=activation)
    monkeypatch.setenv("TERM", "dumb")
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    rows = [line.split() for line in command("compare", "g", "--figures", "*plane*").out.splitlines()]
    assert ["I(X;T)", "[bits]", "1", "activation=tanh", "4", "binning"] in rows
    assert ["activation=relu", "5", "+1"] in rows


def test_groups_and_runs_are_compared_each_as_one(command: Command) -> None:
    for seed in range(3):
        _run("finished", float(seed), group="old", seed=seed)
    alone = _run("failed", 7.0, group="")
    said = json.loads(command("compare", "old", alone, "--json").out)
    assert [(part["name"], len(part["runs"])) for part in said["compared"]] == [("old", 3), (alone, 1)]
    assert said["differences"][0][f"{alone} − old"] == "+6"


def test_seeds_alone_are_pooled_and_said_to_be_one(command: Command, tmp_path: Path) -> None:
    for seed in range(2):
        _run("finished", float(seed), seed=seed)
    done = command("compare", "g", "-o", tmp_path, "--format", "csv")
    assert (done.code, "nothing to compare it with" in done.out) == (0, True), done.err
    plane = list(csv.DictReader((tmp_path / "information-plane-binning-compared.csv").read_text().splitlines()))
    assert [r["x"] for r in plane] == ["0.5", "1.5", "2.5", "3.5", "4.5"]


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("nothing",), 3, "the groups are"),
        (("failures",), 1, "No run of failures has finished: 1 failed"),
        (("g", "--by", "momentum"), 2, "what varies is the seed alone"),
        (("g", "--where", "lr=7"), 3, "there is lr=0.1"),
        (("g", "--where", "lr"), 2, "option=value"),
        (("g", "failures", "--by", "lr"), 2, "--by parts one group"),
        (("g", "g"), 2, "one and the same"),
        (("g", "--figures", "no-such"), 3, "information-plane-binning"),
        (("g", "--format", "gif"), 2, "--format is one of"),
    ],
)
def test_what_cannot_be_compared_is_one_sentence(command: Command, arguments, code: int, words: str) -> None:
    _run("finished", seed=0)
    _run("finished", seed=1)
    _run("failed", group="failures")
    done = command("compare", *arguments)
    assert (done.code, words in done.err) == (code, True), done.err


def test_one_run_alone_is_refused_with_the_groups_there_are(command: Command) -> None:
    run = _run("finished")
    done = command("compare", run)
    assert (done.code, "is one run" in done.err, "the groups are g" in done.err) == (2, True, True), done.err
