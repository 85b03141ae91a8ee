"""``ibmon flow``: the order that was planted in a file, and what is refused with a sentence."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest

from .conftest import Command

QUICK = ("--surrogates", 39)


@pytest.fixture
def chain(tmp_path: Path) -> Path:
    """Six nodes, each passing to the next; the columns are not in that order."""
    rng = np.random.default_rng(0)
    weights = np.diag(np.full(6, 0.4)) + np.diag(np.full(5, 0.6), -1)
    x, rows = np.zeros(6), []
    for kick in rng.standard_normal((500, 6)):
        x = weights @ x + kick
        rows.append(x)
    values = np.array(rows)
    names = [f"n{i}" for i in (3, 0, 5, 1, 4, 2)]
    path = tmp_path / "chain.csv"
    np.savetxt(path, values[:, [3, 0, 5, 1, 4, 2]], delimiter=",", header=",".join(names), comments="")
    np.savez(tmp_path / "chain.npz", x=values[:, :2], h=values[:, 2:5], y=values[:, 5])
    return path


def test_the_order_of_a_chain_is_printed_with_its_verdict(command: Command, chain: Path) -> None:
    done = command("flow", chain, "--groups", "first=n0,n1,n2", "--groups", "last=n3,n4,n5", *QUICK)
    assert done.code == 0, done.err
    rows = [line.split()[0] for line in done.out.splitlines() if line[:1] == "n" and line[1:2].isdigit()]
    assert rows[:6] == ["n0", "n1", "n2", "n3", "n4", "n5"]
    assert "direction yes" in done.out and "first < last:" in done.out and "100 % of the pairs" in done.out
    assert done.out == command("flow", chain, "--groups", "first=n0,n1,n2", "--groups", "last=n3,n4,n5", *QUICK).out


@pytest.mark.parametrize("estimator", ["copula", "ksg:k=4"])
def test_json_has_every_matrix(command: Command, chain: Path, estimator: str) -> None:
    done = command("flow", chain.with_suffix(".npz"), "--lags", "1:3", "--rows", "0:200", "-e", estimator, "--json", *QUICK)
    assert done.code == 0, done.err
    found = json.loads(done.out)
    assert found["lags"] == [1, 2] and found["rows"] == 198 and found["estimator"] == estimator
    assert found["nodes"] == ["x[0]", "x[1]", "h[0]", "h[1]", "h[2]", "y"]
    assert np.array(found["tdmi"]).shape == (2, 6, 6)
    assert np.array(found["transfer_entropy"], dtype=float).shape == (2, 6, 6)
    net = np.array(found["net"])
    assert np.allclose(net, -net.T) and net[0, 1] > 0
    assert found["levels"] == sorted(found["levels"]) and found["direction"]["p_value"] == 0.025
    assert found["p_net"][0][0] is None


def test_figures_are_written_beside_the_text(command: Command, chain: Path, tmp_path: Path) -> None:
    folder = tmp_path / "made" / "figures"
    done = command("flow", chain, "--save-figures", folder, "--format", "svg", *QUICK)
    assert done.code == 0, done.err
    wanted = {f"{name}.{ending}" for name in ("flow", "flow-levels", "flow-graph", "flow-edges") for ending in ("svg", "csv")}
    assert {path.name for path in folder.iterdir()} == wanted
    assert all(str(folder / name) in done.out for name in wanted)
    rows = [line.split(",") for line in (folder / "flow.csv").read_text().splitlines()]
    assert [row[0] for row in rows[1::6]] == ["n0", "n1", "n2", "n3", "n4", "n5"]
    assert rows[1][2:] == ["0", "net flow [bits]", "from", "to"]


def test_a_delay_turns_what_comes_first(command: Command, chain: Path) -> None:
    def levels(*more: object) -> dict[str, float]:
        found = json.loads(command("flow", chain, "--columns", "n0,n1", "--json", *QUICK, *more).out)
        return dict(zip(found["nodes"], found["levels"], strict=True))

    assert levels() == {"n0": 0, "n1": pytest.approx(1)}
    assert levels("--delay", "n0=3") == {"n0": pytest.approx(1), "n1": 0}


def test_weather_has_a_direction_and_dates_are_left_out(command: Command) -> None:
    data = Path(os.environ.get("IBMON_DATA") or Path(__file__).parents[3] / "shared" / "data")
    path = data / "jfk_weather" / "jfk_weather_cleaned.csv"
    if not path.is_file():
        pytest.skip(f"no {path}; IBMON_DATA names the folder that has it")
    done = command("flow", path, "--rows", "0:800", "--lags", "3", "--surrogates", 19)
    assert done.code == 0 and "800 rows, 15 nodes" in done.out
    assert done.err == "ibmon: left out, because they hold no numbers: DATE\n"
    assert "direction yes" in done.out and "ties (" in done.out


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("nowhere.csv",), 3, "There is no file"),
        (("--columns", "n9"), 3, "no column 'n9'"),
        (("--lags", "0"), 2, "are no lags"),
        (("--lags", "many"), 2, "are no lags"),
        (("--lags", "499"), 2, "leaves fewer than"),
        (("-e", "kde"), 2, "does not take pairs of columns of numbers; these do: ksg, gaussian, copula"),
        (("-e", "ksg:k=0"), 2, "k must be at least 1"),
        (("--groups", "n0"), 2, "name=columns"),
        (("--groups", "a=n0", "--groups", "a=n1"), 2, "a name of its own"),
        (("--groups", "a=n0", "--groups", "b=n0,n1"), 2, "more than one group"),
        (("--groups", "a=n0", "--columns", "n1,n2"), 2, "not in --columns"),
        (("--columns", "n0"), 2, "two nodes"),
        (("--rows", "5"), 2, "range such as"),
        (("--rows", "0:5"), 2, "leaves fewer than"),
        (("--delay", "n0=x"), 2, "whole number"),
        (("--delay", "elsewhere=1"), 2, "neither a node nor a group"),
        (("--power", "0"), 2, "positive power"),
    ],
)
def test_what_cannot_be_asked_is_refused_with_a_sentence(
    command: Command, chain: Path, arguments: tuple[str, ...], code: int, said: str
) -> None:
    file = () if arguments[0].endswith(".csv") else (chain,)
    done = command("flow", *file, *arguments)
    assert (done.code, done.out) == (code, "")
    assert said in done.err and "Traceback" not in done.err


def test_rows_without_a_value_and_text_are_refused(command: Command, tmp_path: Path) -> None:
    path = tmp_path / "gaps.csv"
    path.write_text("a,b,c\n" + "".join(f"{i % 7},{'' if i == 3 else i % 5},x{i}\n" for i in range(50)))
    done = command("flow", path)
    assert done.code == 2 and "1 rows of gaps.csv have no value in b" in done.err
    done = command("flow", path, "--columns", "a,c")
    assert done.code == 2 and "'c' in gaps.csv holds text" in done.err
