"""``ibmon estimate``: values that are known, every kind of file, and what is refused with a sentence."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from importlib import import_module
from importlib.util import find_spec
from math import e, log, log2, pi
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from support import ibmon

from .conftest import Command


def table(path: Path, columns: Mapping[str, Sequence[Any]]) -> Path:
    lines = [",".join(columns), *(",".join(map(str, row)) for row in zip(*columns.values(), strict=True))]
    path.write_text("\n".join(lines) + "\n")
    return path


def joint(x: np.ndarray, y: np.ndarray) -> float:
    """Information in bits of two columns of labels, from their table."""
    p = np.zeros((x.max() + 1, y.max() + 1))
    np.add.at(p, (x, y), 1 / len(x))
    expected = p.sum(1, keepdims=True) * p.sum(0, keepdims=True)
    seen = p > 0
    return float((p[seen] * np.log2(p[seen] / expected[seen])).sum())


@pytest.fixture
def data(tmp_path: Path) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    label = rng.integers(0, 4, 400)
    return {"a": rng.normal(size=400) + label, "b": rng.normal(size=400), "label": label}


def answers(command: Command, *arguments: Any) -> list[dict[str, Any]]:
    done = command("estimate", *arguments, "--json")
    assert done.code == 0, done.err
    return json.loads(done.out)["estimates"]


def one(command: Command, *arguments: Any) -> dict[str, Any]:
    (found,) = answers(command, *arguments)
    return found


FILES = [
    "csv",
    "tsv",
    "npy",
    "npz",
    pytest.param("parquet", marks=pytest.mark.skipif(not find_spec("pyarrow"), reason="no pyarrow")),
]


@pytest.mark.parametrize("kind", FILES)
def test_every_kind_of_file_gives_the_same(command: Command, tmp_path: Path, data: dict[str, np.ndarray], kind: str) -> None:
    path, x, y = tmp_path / f"data.{kind}", "a,b", "label"
    stacked = np.column_stack(list(data.values()))
    match kind:
        case "csv" | "tsv":
            table(path, data)
            if kind == "tsv":
                path.write_text(path.read_text().replace(",", "\t"))
        case "npy":
            np.save(path, stacked)
            x, y = "0:2", "2"
        case "npz":
            np.savez(path, layer=stacked[:, :2], label=data["label"])
            x = "layer"
        case _:
            arrow = import_module("pyarrow")
            import_module("pyarrow.parquet").write_table(arrow.table({k: arrow.array(v) for k, v in data.items()}), path)
    found = one(command, path, "--x", x, "--y", y, "--labels", "-e", "binning:width=0.5")
    cells = np.unique(np.floor(stacked[:, :2] / 0.5), axis=0, return_inverse=True)[1].reshape(-1)
    assert found["value"] == pytest.approx(joint(cells, data["label"]), abs=1e-12)


@pytest.mark.parametrize(
    ("case", "y", "estimator", "peer"),
    [
        ("gauss_r0.9", ("y",), "ksg", "ref_ksg1_k3"),
        ("gauss_d5_r0.6", ("y",), "ksg", "ref_ksg1_k3"),
        ("class_gauss_4", ("labels", "--labels"), "ross", "ref_ross_k3"),
    ],
)
def test_files_of_other_people_give_their_values(
    command: Command, oracle: Path, case: str, y: tuple[str, ...], estimator: str, peer: str
) -> None:
    folder = oracle / "mutual_information"
    options = "standardise=false,jitter=0"
    found = one(command, folder / f"{case}.npz", "--x", "x", "--y", *y, "-e", f"{estimator}:{options}")
    published = json.loads((folder / "fixed_peers.json").read_text())["cases"][case]["peers"][peer]
    assert found["options"]["k"] == 3
    assert found["raw"] == pytest.approx(published / log(2), abs=1e-9)


def test_gaussian_columns_agree_with_the_closed_form(command: Command, tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    x = rng.normal(size=3000)
    path = table(tmp_path / "d.csv", {"x": x, "y": 0.8 * x + 0.6 * rng.normal(size=3000)})
    parametric, ranks = answers(command, path, "--x", "x", "--y", "y", "-e", "gaussian", "-e", "copula")
    for found in (parametric, ranks):
        assert found["value"] == pytest.approx(-0.5 * log2(1 - 0.64), abs=4 * parametric["error"])
    r = np.corrcoef(np.loadtxt(path, delimiter=",", skiprows=1).T)[0, 1]
    assert parametric["value"] == pytest.approx(-0.5 * log2(1 - r**2), abs=1e-9)


def test_without_an_estimator_the_kinds_of_x_and_y_choose(command: Command, tmp_path: Path, data: dict[str, np.ndarray]) -> None:
    words = np.array(list("abcd"))
    path = table(tmp_path / "d.csv", {**data, "word": words[data["label"]], "other": words[(data["label"] + 1) // 2]})
    continuous = one(command, path, "--x", "a", "--y", "b")
    classes = one(command, path, "--x", "a", "--y", "word")
    discrete = one(command, path, "--x", "other", "--y", "word")
    assert [f["estimator"] for f in (continuous, classes, discrete)] == ["ksg", "ross", "discrete"]
    assert continuous["value"] == pytest.approx(0, abs=0.15)
    assert classes["value"] == one(command, path, "--x", "a", "--y", "label", "--labels")["value"]
    expected = joint((data["label"] + 1) // 2, data["label"])
    assert discrete["value"] == pytest.approx(expected, abs=1e-9)
    assert one(command, path, "--entropy", "--x", "a")["estimator"] == "ksg"
    assert one(command, path, "--entropy", "--x", "word")["estimator"] == "discrete"
    assert one(command, path, "--entropy", "--x", "label", "--labels")["estimator"] == "discrete"


def test_several_columns_of_labels_are_one_label(command: Command, tmp_path: Path) -> None:
    bits = {"a": [0, 0, 1, 1] * 50, "b": [0, 1, 0, 1] * 50, "xor": [0, 1, 1, 0] * 50, "t": ["no", "yes", "yes", "no"] * 50}
    path = table(tmp_path / "d.csv", {**bits, "flag": ["true", "false", "false", "true"] * 50})
    for y in ("xor", "t", "flag"):
        assert one(command, path, "--x", "a,b", "--y", y, "--labels", "-e", "discrete")["value"] == pytest.approx(1)
        assert one(command, path, "--x", "a", "--y", y, "--labels", "-e", "discrete")["value"] == pytest.approx(0, abs=1e-9)
        given = one(command, path, "--x", "a", "--y", y, "--given", "b", "--labels", "-e", "discrete")
        assert given["value"] == pytest.approx(1)
    both = one(command, path, "--x", "a", "--y", "xor,b", "--labels", "-e", "binning:width=1")
    assert both["value"] == pytest.approx(1) and both["limit"] == pytest.approx(2)


def test_conditional_information_of_gaussian_columns(command: Command, tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    z = rng.normal(size=2000)
    x, y = z + rng.normal(size=2000), z + rng.normal(size=2000)
    path = table(tmp_path / "d.csv", {"x": x, "y": y, "z": z})
    plain = one(command, path, "--x", "x", "--y", "y", "-e", "gaussian")
    given = one(command, path, "--x", "x", "--y", "y", "--given", "z", "-e", "gaussian")
    assert plain["value"] == pytest.approx(-0.5 * log2(1 - 0.25), abs=0.05)
    assert given["value"] == pytest.approx(0, abs=0.005)


def test_entropy_of_a_gaussian_column(command: Command, tmp_path: Path) -> None:
    x = np.random.default_rng(3).normal(size=2000)
    path = table(tmp_path / "d.csv", {"x": 3 * x})
    found = one(command, path, "--entropy", "--x", "x", "-e", "gaussian")
    assert found["value"] == pytest.approx(0.5 * log2(2 * pi * e * 9), abs=0.1)


def test_pairs_are_those_of_single_columns_and_the_lag_finds_the_cause(command: Command, tmp_path: Path) -> None:
    rng = np.random.default_rng(4)
    x = rng.normal(size=(500, 3))
    y = np.zeros((500, 2))
    y[2:, 0] = x[:-2, 1] + 0.5 * rng.normal(size=498)
    y[:, 1] = rng.normal(size=500)
    np.savez(tmp_path / "d.npz", x=x, y=y)
    arguments = (tmp_path / "d.npz", "--x", "x", "--y", "y", "--pairwise", "-e", "gaussian")
    done = json.loads(command("estimate", *arguments, "--lag", 2, "--json").out)
    values = np.array(done["estimates"][0]["value"])
    assert values.shape == (3, 2) and done["lag"] == 2
    assert done["x"]["columns"] == ["x[0]", "x[1]", "x[2]"]
    expected = -0.5 * np.log2(1 - np.corrcoef(x[:-2, 1], y[2:, 0])[0, 1] ** 2)
    assert values[1, 0] == pytest.approx(expected, abs=1e-9) and values[1, 0] > 0.8
    assert np.delete(values.ravel(), 2).max() < 0.03
    assert np.array(one(command, *arguments)["value"]).max() < 0.03
    said = command("estimate", *arguments, "--lag", 2)
    assert "y 2 rows later" in said.out and f"x[1]  {values[1, 0]:.4f}  {values[1, 1]:.4f}" in said.out


def test_pairs_of_columns_with_labels_one_by_one(command: Command, tmp_path: Path, data: dict[str, np.ndarray]) -> None:
    path = table(tmp_path / "d.csv", {**data, "half": data["label"] // 2})
    found = one(command, path, "--x", "a,b", "--y", "label,half", "--labels", "--pairwise", "-e", "ross:permutations=0")
    alone = [
        [one(command, path, "--x", x, "--y", y, "--labels", "-e", "ross:permutations=0")["value"] for y in ("label", "half")]
        for x in ("a", "b")
    ]
    np.testing.assert_allclose(found["value"], alone, atol=1e-9)
    assert np.shape(found["limit"]) == np.shape(found["flags"]["nonfinite"]) == (2, 2)
    np.testing.assert_allclose(np.array(found["limit"])[:, 1], 1, atol=0.02)


def test_rows_without_a_value_are_refused_or_left_out(command: Command, tmp_path: Path, data: dict[str, np.ndarray]) -> None:
    gaps = {name: list(map(str, values)) for name, values in data.items()}
    gaps["a"][3], gaps["a"][7], gaps["label"][7], gaps["b"][9] = "", "NA", "", ""
    path = table(tmp_path / "d.csv", gaps)
    arguments = (path, "--x", "a", "--y", "label", "--labels", "-e", "binning:width=0.5")
    refused = command("estimate", *arguments)
    assert refused.code == 2 and "2 of 400 rows have no value in a, label; --drop-missing leaves them out" in refused.err
    whole = table(tmp_path / "whole.csv", {name: np.delete(values, [3, 7]) for name, values in data.items()})
    found = one(command, *arguments, "--drop-missing")
    assert found["value"] == one(command, whole, *arguments[1:])["value"]
    said = command("estimate", *arguments, "--drop-missing").out
    assert "398 rows, 2 without a value left out" in said
    pairs = (path, "--x", "a", "--y", "b", "--pairwise", "-e", "gaussian", "--drop-missing")
    assert command("estimate", *pairs).code == 0
    assert "in the order of time" in command("estimate", *pairs, "--lag", 1).err
    empty = table(tmp_path / "empty.csv", {"a": ["", 1], "b": [1, ""]})
    assert "No row of empty.csv has all values" in command("estimate", empty, "--x", "a", "--y", "b", "--drop-missing").err


def test_numbers_that_look_like_labels_get_a_hint(command: Command, tmp_path: Path, data: dict[str, np.ndarray]) -> None:
    path = table(tmp_path / "d.csv", {**data, "count": np.arange(400)})
    said = command("estimate", path, "--x", "a", "--y", "label", "-e", "gaussian")
    assert said.code == 0 and "label holds 4 distinct whole numbers" in said.err and "--labels" in said.err
    for y in ("b", "count", "label,b"):
        assert not command("estimate", path, "--x", "a", "--y", y, "-e", "gaussian").err
    assert not command("estimate", path, "--x", "a", "--y", "label", "--labels", "-e", "kde").err


def test_the_seed_decides_what_is_random_whatever_else_is_asked(
    command: Command, tmp_path: Path, data: dict[str, np.ndarray]
) -> None:
    path = table(tmp_path / "d.csv", data)
    arguments = (path, "--x", "a", "--y", "label", "--labels", "-e", "ross")
    first, second, other = (answers(command, *arguments, "-e", "ross", "--seed", s)[1] for s in (0, 0, 1))
    alone = one(command, *arguments)
    assert first == second == alone
    assert other["value"] == first["value"] and other["null"] != first["null"]


def test_json_says_everything_that_was_asked_and_found(command: Command, tmp_path: Path, data: dict[str, np.ndarray]) -> None:
    path = table(tmp_path / "d.csv", {**data, "bad": [*data["a"][:-1], "inf"]})
    arguments = ("estimate", path, "--x", "a,b", "--y", "label", "--labels", "--seed", 7)
    done = json.loads(command(*arguments, "-e", "kde:variance=0.5", "-e", "binning", "--json").out)
    kernels, binned = done.pop("estimates")
    assert done == {
        "file": str(path),
        "rows": 400,
        "dropped": 0,
        "operation": "information",
        "lag": 0,
        "seed": 7,
        "x": {"columns": ["a", "b"], "kind": "continuous", "dims": 2},
        "y": {"columns": ["label"], "kind": "labels", "dims": 1},
    }
    assert kernels["options"].items() >= {"variance": 0.5, "relative": False, "dtype": "auto"}.items()
    assert kernels["estimator"] == "kde:variance=0.5" and kernels["provider"].startswith("ibmon ")
    assert kernels["lower"] <= kernels["value"] <= kernels["upper"] <= kernels["limit"]
    assert binned["options"]["width"] == 0.07  # a default that the estimator filled in itself
    assert binned["lower"] is None and binned["flags"]["saturated"] is True
    broken = one(command, path, "--x", "bad", "--y", "label", "--labels", "-e", "binning")
    assert broken["value"] is None and broken["flags"]["nonfinite"] is True


WRONG = [
    (("nothing.csv", "--x", "a", "--y", "b"), 3, "There is no file nothing.csv"),
    (("d.csv", "--x", "a", "--y", "lable"), 3, "did you mean 'label'?"),
    (("d.csv", "--x", "a", "--y", "b", "-e", "kdee"), 3, "did you mean 'kde'?"),
    (("d.csv", "--x", "a", "--y", "b", "-e", "gaussian:k=1"), 2, "no option 'k'"),
    (("d.csv", "--x", "a", "--y", "b", "-e", "kde:variance=often"), 2, "takes a float"),
    (("d.csv", "--x", "a", "--y", "label", "--labels", "-e", "kde:variance=-1"), 2, "variance must be positive"),
    (("d.csv", "--x", "a", "--y", "b", "-e", "kde"), 2, "say --labels if b holds labels"),
    (("d.csv", "--x", "a", "--y", "word", "-e", "gaussian"), 2, "gaussian takes measurements as y, and word holds labels"),
    (("d.csv", "--x", "word", "--y", "b", "-e", "gaussian"), 2, "and word holds labels. Exchange --x and --y."),
    (("d.csv", "--x", "a", "--y", "b", "--given", "word", "-e", "gaussian"), 2, "gaussian"),
    (("d.csv", "--x", "a", "--y", "label", "--labels", "--pairwise", "-e", "kde"), 2, "no pairs of columns; these do: "),
    (("d.csv", "--x", "a", "--y", "b", "--lag", "2"), 2, "--lag needs --pairwise"),
    (("d.csv", "--x", "a", "--y", "b", "--entropy"), 2, "leave out --y"),
    (("d.csv", "--x", "a", "--y", "b", "--given", "label", "--pairwise"), 2, "do not go together"),
    (("d.csv", "--x", "a"), 2, "Say with --y"),
    (("d.csv", "--y", "a"), 2, "--x"),
    (("d.csv", "--x", "a", "--y", "b", "--seed", "-1"), 2, "--seed"),
    (("d.npz", "--x", "long", "--y", "short"), 2, "long has 5, short has 4"),
    (("d.npz", "--x", "none", "--y", "none"), 1, "d.npz has no rows"),
]


@pytest.mark.parametrize(("arguments", "code", "words"), WRONG, ids=lambda v: " ".join(v) if isinstance(v, tuple) else "")
def test_what_is_wrong_is_one_sentence(
    command: Command,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    data: dict[str, np.ndarray],
    arguments: tuple[str, ...],
    code: int,
    words: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    table(Path("d.csv"), {**data, "word": ["x"] * 400})
    np.savez("d.npz", long=np.zeros(5), short=np.zeros(4), none=np.zeros(0))
    done = command("estimate", *arguments)
    assert done.code == code and words in done.err and not done.out


PLUGIN = """
from dataclasses import dataclass
import torch
from ibmon import Estimate, EstimatorSpec, hookimpl

@hookimpl
def ibmon_estimators():
    yield EstimatorSpec(name="full", target="odd_plugin:Full", kinds=("labels",))
    yield EstimatorSpec(name="bare", target="odd_plugin:Bare", kinds=("labels",), unit="nats")
    for name in ("Fails", "Refuses", "Shapeless", "Unready"):
        yield EstimatorSpec(name=name.lower(), target=f"odd_plugin:{name}", operations=("pairwise",))

@dataclass(frozen=True)
class Full:
    k: int = 3

    def __call__(self, x, ys, *, rng):
        number = lambda value: torch.tensor(value, dtype=torch.float64)
        named = {"lower": -0.5, "upper": 2.0, "limit": 1.0, "raw": 1.25, "error": 0.125, "null": 0.01, "p_value": 0.05}
        flags = {"saturated": torch.tensor(True), "empty": torch.tensor(False), "ties": torch.tensor(True)}
        return (Estimate(number(1.0), flags=flags, **{name: number(value) for name, value in named.items()}),)

@dataclass(frozen=True)
class Bare:
    def __call__(self, x, ys, *, rng):
        return (Estimate(torch.tensor(torch.nan), unit="nats"),)

@dataclass(frozen=True)
class Fails:
    def __call__(self, x, ys, *, rng):
        raise KeyError("inside")

@dataclass(frozen=True)
class Refuses:
    def __call__(self, x, ys, *, rng):
        raise ValueError("refuses: only on Sundays")

@dataclass(frozen=True)
class Shapeless:
    def __call__(self, x, ys, *, rng):
        return (Estimate(torch.zeros(3)),)
    def pairwise(self, x, y, *, lag=0, rng):
        return Estimate(torch.zeros(5))

@dataclass(frozen=True)
class Unready:
    def __post_init__(self):
        raise RuntimeError("no licence")
"""


@pytest.fixture
def odd_plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A third party's estimators, and a small file: its path."""
    folder = tmp_path / "odd"
    info = folder / "odd-1.0.dist-info"
    info.mkdir(parents=True)
    (folder / "odd_plugin.py").write_text(PLUGIN)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: odd\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[ibmon]\nodd = odd_plugin\n")
    monkeypatch.syspath_prepend(folder)
    monkeypatch.delitem(sys.modules, "odd_plugin", raising=False)
    return table(tmp_path / "d.csv", {"a": [1.0, 2.5], "b": [1, 2], "y": ["u", "v"]})


def test_the_table_is_aligned_and_shows_what_there_is(command: Command, odd_plugin: Path) -> None:
    done = command("estimate", odd_plugin, "--x", "a,b", "--y", "y", "-e", "full", "-e", "full:k=12")
    assert done.out.splitlines() == [
        "d.csv: 2 rows · x = a,b (2 columns) · y = y (labels)",
        "estimator  I(x; y) [bits]     raw   error    lower   upper    null  p-value   limit  flags",
        "full               1.0000  1.2500  0.1250  -0.5000  2.0000  0.0100   0.0500  1.0000  saturated, ties",
        "full:k=12          1.0000  1.2500  0.1250  -0.5000  2.0000  0.0100   0.0500  1.0000  saturated, ties",
    ]
    alone = command("estimate", odd_plugin, "--x", "a", "--y", "y", "-e", "bare")
    assert alone.out.splitlines() == [
        "d.csv: 2 rows · x = a · y = y (labels)",
        "estimator  I(x; y) [nats]",
        "bare                  nan",
    ]
    mixed = command("estimate", odd_plugin, "--x", "a", "--y", "y", "-e", "full", "-e", "bare").out.splitlines()
    assert mixed[1].startswith("estimator  I(x; y)  unit     raw") and mixed[3] == "bare           nan  nats"


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("-e", "fails"), 1, "fails (odd 1.0) failed: KeyError: 'inside' (--debug shows where)"),
        (("-e", "unready"), 1, "unready (odd 1.0) failed: RuntimeError: no licence"),
        (("-e", "refuses"), 2, "refuses: only on Sundays"),
        (("-e", "shapeless"), 1, "shapeless (odd 1.0) gave values of shape (3,), not ()"),
        (("-e", "shapeless", "--pairwise"), 1, "shapeless (odd 1.0) gave values of shape (5,), not (2, 1)"),
    ],
)
def test_a_plugin_that_fails_is_named(
    command: Command, odd_plugin: Path, arguments: tuple[str, ...], code: int, words: str
) -> None:
    done = command("estimate", odd_plugin, "--x", "a,b", "--y", "y", *arguments)
    assert done.code == code and words in done.err and not done.out


def test_in_a_process_of_its_own(tmp_path: Path, data: dict[str, np.ndarray]) -> None:
    table(tmp_path / "d.csv", data)
    done = ibmon("estimate", "d.csv", "--x", "a", "--y", "label", "--labels", "-e", "binning", cwd=tmp_path)
    assert done.returncode == 0 and not done.stderr and "binning" in done.stdout
    assert [p.name for p in tmp_path.iterdir()] == ["d.csv"]
