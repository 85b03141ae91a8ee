"""``ibmon compare --table`` and ``ibmon show --table``: what was logged as a table."""

from __future__ import annotations

import csv
import json
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ibmon.records import End, RunInfo, Scalars
from ibmon.runs.directory import create
from support import written

if TYPE_CHECKING:
    from conftest import Command


def _run(model: str, seed: int, accuracy: float, group: str = "g") -> str:
    parameters = {"model": model, "seed": seed}
    info = RunInfo(
        format=1, id=f"t-{time.monotonic_ns()}", created=time.time(), recipe="t", parameters=parameters, seed=seed, group=group
    )
    lines = [
        Scalars(segment=1, name="pos test", step=step, values={"accuracy": value, "loss": 1 - value})
        for step, value in ((0, 0.1), (9, accuracy))
    ]
    return written([*lines, End(segment=1, status="finished")], run=create(info)).id


@pytest.fixture
def group() -> None:
    for seed in range(3):
        _run("base", seed, 0.8 + 0.01 * seed)
        _run("gated", seed, 0.85 + 0.01 * seed)


@pytest.mark.usefixtures("group")
def test_a_group_has_a_row_for_each_model_and_the_difference_under_it(command: Command, tmp_path: Path) -> None:
    said = command("compare", "g", "--table", "* test/accuracy", "-o", tmp_path)
    assert said.code == 0, said.err
    rows = [" ".join(line.split()) for line in said.out.splitlines()]
    assert rows[0] == "pos test/accuracy"
    assert rows[1] == "model=base 0.81 ± 0.01 (3)" and rows[2] == "model=gated 0.86 ± 0.01 (3)"
    assert rows[3] == "− model=base +0.05 (+0.05 to +0.05)"
    assert "95 %" in rows[4]
    cells = list(csv.DictReader((tmp_path / "scalars.csv").read_text().splitlines()))
    assert [(c["row"], c["scalar"], c["runs"]) for c in cells] == [
        (f"model={m}", "pos test/accuracy", "3") for m in ("base", "gated")
    ]
    assert float(cells[1]["difference"]) == pytest.approx(0.05) and cells[1]["pairs"] == "3"


@pytest.mark.usefixtures("group")
def test_json_has_every_value(command: Command) -> None:
    said = json.loads(command("compare", "g", "--table", "*", "--json").out)
    assert said["scalars"] == ["pos test/accuracy", "pos test/loss"]
    cell = said["rows"]["model=gated"]["pos test/loss"]
    assert cell["mean"] == pytest.approx(0.14) and cell["difference"] == pytest.approx(-0.05) and len(cell["values"]) == 3
    assert said["rows"]["model=base"]["pos test/loss"]["interval"] == [None, None]


def test_single_runs_are_rows_too(command: Command) -> None:
    one, two = _run("base", 0, 0.5, group=""), _run("gated", 0, 0.75, group="")
    said = command("compare", one, two, "--table", "*accuracy")
    assert said.code == 0 and "+0.25" in said.out and "±" not in said.out, said.err


@pytest.mark.usefixtures("group")
def test_show_prints_the_same_table_of_a_group(command: Command) -> None:
    for more in ((), ("--json",)):
        compared, shown = (command(name, "g", "--table", "*", *more) for name in ("compare", "show"))
        assert (shown.code, shown.out) == (0, compared.out) and "model=gated" in shown.out


def test_show_prints_the_table_of_one_run_and_of_several(command: Command) -> None:
    one, two = _run("base", 0, 0.5, group=""), _run("gated", 0, 0.75, group="")
    assert [line.split() for line in command("show", one, "--table", "*accuracy").out.splitlines()][1] == [one, "0.5"]
    assert command("show", "--table", "*accuracy").out.splitlines()[1].split() == [two, "0.75"], "the latest"
    several = command("show", one, two, "--table", "*accuracy")
    assert several.code == 0 and "+0.25" in several.out
    alone = command("show", one, two)
    assert alone.code == 2 and "--table '*' prints what they logged" in alone.err
    assert "leave out --replica" in command("show", one, "--table", "*", "--replica", "0").err
    assert command("show", "nobody", "--table", "*").code == 3


@pytest.mark.usefixtures("group")
@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("--table", "nothing"), 3, "No such scalar was logged; there is pos test/accuracy, pos test/loss"),
        (("--table", "*", "--figures", "x"), 2, "leave out --figures"),
    ],
)
def test_what_cannot_be_is_one_sentence(command: Command, arguments: tuple[str, ...], code: int, words: str) -> None:
    said = command("compare", "g", *arguments)
    assert (said.code, words in said.err) == (code, True), said.err
