"""``ibmon export --data`` and ``--to``: what is not a figure."""

from __future__ import annotations

import csv
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ibmon.records import Result, Scalars, Value
from ibmon.runs.directory import RunDirectory
from support import written

if TYPE_CHECKING:
    from conftest import Command

PAGE = Path(__file__).parents[2] / "docs" / "exports.md"


def _run(networks: int = 2) -> RunDirectory:
    """Network r has r bits less about the input than the first."""

    def value(quantity: str, seq: int) -> Value:
        information = [9.5 + seq - r for r in range(networks)]
        return Value(quantity=quantity, value=information, axes={"replica": list(range(networks))}, subject={"layer": "1"})

    lines = [
        Result(
            segment=1,
            seq=seq,
            job="information-plane/binning",
            step=10 * seq,
            epoch=float(seq),
            evaluation="all",
            values=[value("I(X;T)", seq), value("I(T;Y)", seq)],
        )
        for seq in range(4)
    ]
    made = written([Scalars(segment=1, name="training", step=step, values={"loss": 1 / step}) for step in (1, 10, 30)])
    return written(lines, role="analyst", run=made)


def test_one_network_up_to_a_step_of_several_runs(command: Command, tmp_path: Path) -> None:
    first, second = _run(), _run(networks=3)
    path = tmp_path / "t.json"
    said = command("export", first.path, "--compare", second.path, "--data", path, "--replica", "1", "--until", "10")
    assert (said.code, said.out) == (0, f"{path}: 12 rows\n")
    rows = json.loads(path.read_text())
    assert [(r["run"], r["step"], r["value"]) for r in rows if r["quantity"] == "I(X;T)"] == [
        (made.id, 10 * seq, 8.5 + seq) for made in (first, second) for seq in (0, 1)
    ]
    assert [r["step"] for r in rows if r["quantity"] == "training/loss"] == [1, 10, 1, 10]
    assert not any("replica" in row for row in rows)


def test_runs_beyond_four_are_tables_but_no_figures(command: Command, tmp_path: Path) -> None:
    made = [_run(1) for _ in range(5)]
    more = [word for run in made[1:] for word in ("--compare", run.path)]
    path = tmp_path / "t.csv"
    assert command("export", made[0].path, *more, made[0].path, "--data", path).code == 2  # a figure of that name
    assert command("export", made[0].path, *more, "--compare", made[0].path, "--data", path).code == 0
    rows = list(csv.DictReader(path.read_text().splitlines()))
    assert {row["run"] for row in rows} == {run.id for run in made} and len(rows) == 5 * 11
    said = command("export", made[0].path, *more)
    assert said.code == 2 and "at most three --compare" in said.err


@pytest.mark.parametrize(
    "words",
    [["loss"], ["--format", "csv"], ["-o", "out"], ["--colour", "epoch"], ["--layout", "panels"], ["--to", "tensorboard"]],
)
def test_a_table_takes_no_word_about_figures(words: list[str], command: Command) -> None:
    said = command("export", _run().path, *words, "--data", "t.csv")
    assert said.code == 2 and said.err.startswith("ibmon: --data writes one table")


def test_a_format_of_tables_says_where_they_are(command: Command) -> None:
    said = command("export", _run().path, "--format", "parquet")
    assert said.code == 2 and "--data FILE" in said.err


def test_event_files_have_a_folder_for_each_run(command: Command, tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    first, second = _run(), _run()
    said = command("export", first.path, "loss", "--compare", second.path, "--to", "tensorboard", "-o", tmp_path / "logs")
    assert said.code == 0, said.err
    # two medians at four steps, three losses and one picture
    assert said.out == "".join(f"{tmp_path / 'logs' / made.id}: 12 events\n" for made in (first, second))
    assert all(len(list((tmp_path / "logs" / made.id).glob("events.out.tfevents.*"))) == 1 for made in (first, second))
    said = command("export", first.path, "--to", "tensorboard", "--replica", "1")
    assert said.code == 0 and (first.path / "tensorboard" / f"{first.id}-replica-1").is_dir()
    assert command("export", first.path, "nothing", "--to", "tensorboard").code == 3
    assert command("export", first.path, "--to", "tensorboard", "--format", "svg").code == 2


def test_event_files_do_not_go_through_a_link_out_of_the_run(command: Command, tmp_path: Path) -> None:
    made = _run()
    (tmp_path / "elsewhere").mkdir()
    (made.path / "tensorboard").symlink_to(tmp_path / "elsewhere")
    said = command("export", made.path, "--to", "tensorboard")
    assert said.code == 1 and "say with -o" in said.err
    assert not any((tmp_path / "elsewhere").iterdir())


def test_a_run_that_is_called_latest_is_meant_by_it(command: Command, tmp_path: Path) -> None:
    made = [_run() for _ in range(2)]

    def found() -> str:
        assert command("export", "latest", "--data", tmp_path / "t.csv").code == 0
        return next(csv.DictReader((tmp_path / "t.csv").read_text().splitlines()))["run"]

    assert found() == made[1].id
    assert command("rename", made[0].id, "latest").code == 0
    assert found() == made[0].id


def test_what_the_page_says_works(command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("tensorboard", "pyarrow"):
        pytest.importorskip(module)
    _run()
    monkeypatch.chdir(tmp_path)
    text = PAGE.read_text()
    commands = re.findall(r"^    ibmon (.+?)(?:  +#.*)?$", text, re.MULTILINE)
    assert len(commands) == 4
    for line in commands:
        said = command(*line.replace("'", "").split())
        assert said.code == 0, said.err
    assert {path.suffix for path in (tmp_path / "out").iterdir()} == {".pdf", ".csv"}
    assert (tmp_path / "run.parquet").is_file() and any((tmp_path / "logs").iterdir())
    (code,) = re.findall(r"^```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    checked = "import sys; assert len(late) == 4 and len(loss['value']) == 3 and 'torch' not in sys.modules"
    done = subprocess.run([sys.executable, "-c", code + checked], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "loss.pdf").is_file()


def test_the_page_names_the_columns_that_every_table_has() -> None:
    from ibmon.runs.tidy import header

    described = set(re.findall(r"`(\w+)`", "".join(re.findall(r"^\| (`.*?) \|", PAGE.read_text(), re.MULTILINE))))
    assert set(header([]).kinds) <= described
