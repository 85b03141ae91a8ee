"""What is claimed of compression, and because of what: each branch of the verdict, from histories made by hand."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ibmon import History, Series, Table, View
from ibmon.figures.image import save
from ibmon.figures.text import render
from ibmon.plot import draw
from ibmon.records import RunInfo
from ibmon_analyses.compression import FLOOR, drop_of, surrogate
from ibmon_analyses.compression_figures import verdicts

BINNING, WIDER = "binning:width=0.07", "binning:width=0.14"
KDE = "kde:variance=0.001"
PROPAGATION = "sample-propagation:variance=0.001"
RELATIVE = "kde:relative=true,variance=0.1"
OPTIONS: dict[str, dict[str, bool | int | float | str | None]] = {
    BINNING: {"width": 0.07, "edges": None, "quantile": None, "range": None, "bins": 30, "permutations": 5},
    WIDER: {"width": 0.14, "edges": None, "quantile": None, "range": None, "bins": 30, "permutations": 5},
    KDE: {"variance": 0.001, "relative": False, "permutations": 5},
    RELATIVE: {"variance": 0.1, "relative": True, "permutations": 5},
    PROPAGATION: {"variance": 0.001, "relative": False, "draws": 2},
}
ALL = (BINNING, WIDER, KDE, PROPAGATION, RELATIVE)
STEPS = np.unique(np.logspace(0, 3, 40).astype(int))


def path(start: float, top: float, end: float) -> np.ndarray:
    """Up to the middle of the training, then down, over log epochs."""
    half = len(STEPS) // 2
    return np.concatenate([np.linspace(start, top, half, endpoint=False), np.linspace(top, end, len(STEPS) - half)])


COMPRESSES, GROWS = path(5, 8, 4), path(5, 7, 9)


def series(estimator: str, values: np.ndarray, layer: str = "5", **changed: object) -> Series:
    """I(X;T) (snapshots, ...) of a layer; sample propagation has standard errors of .01 bit."""
    nothing = np.full(values.shape, np.nan)
    made = Series(
        quantity="I(X;T)",
        unit="bits",
        subject={"layer": layer},
        evaluation="all",
        estimator=estimator,
        job=f"information-plane/{estimator}",
        axes={"replica": tuple(range(values.shape[1]))} if values.ndim > 1 else {},
        step=STEPS[: len(values)],
        epoch=STEPS[: len(values)].astype(float),
        value=values,
        lower=nothing,
        upper=nothing,
        flags={},
        details={"error": np.full(values.shape, 0.01)} if estimator.startswith("sample") else {},
    )
    return replace(made, **changed)  # type: ignore[arg-type]


def history(*every: Series, kept: bool = False) -> History:
    options = {s.estimator: OPTIONS.get(s.estimator, {}) for s in every}
    return History(RunInfo(format=1, id="hand", created=0.0, keep_snapshots=kept), series=every, options=options)


def tables(*every: Series, kept: bool = False) -> tuple[Table, Table]:
    found = verdicts(history(*every, kept=kept))
    claims, drops = found
    assert isinstance(claims, Table) and isinstance(drops, Table)
    return claims, drops


def claim(values: Mapping[str, np.ndarray], **changed: object) -> tuple[str, str]:
    """The verdict on a layer from the series of its estimators, and why."""
    claims, _ = tables(*(series(name, v, **changed) for name, v in values.items()))
    ((_, verdict, because),) = claims.rows
    return verdict, because


def without(*names: str) -> dict[str, np.ndarray]:
    return {name: COMPRESSES for name in ALL if name not in names}


def test_a_drop_that_survives_everything_is_supported() -> None:
    assert claim(without()) == ("supported", "4.00–4.00 bits under 5 estimators")


@pytest.mark.parametrize(
    ("spoilt", "label"),
    [(BINNING, "binning 0.07"), (KDE, "kde 0.001"), (PROPAGATION, "SP 0.001"), (RELATIVE, "kde rel 0.1")],
)
def test_one_control_without_a_drop_undoes_it_and_is_named(spoilt: str, label: str) -> None:
    assert claim({**without(), spoilt: GROWS}) == ("not supported", f"no drop: {label}")
    assert claim({BINNING: COMPRESSES, spoilt: GROWS})[0] == "not supported"  # whatever else was not run


@pytest.mark.parametrize(
    ("missing", "said", "command"),
    [
        ((PROPAGATION,), "SP", "-e sample-propagation:variance=0.001 "),
        ((PROPAGATION, KDE), "SP", "-e sample-propagation "),
        ((RELATIVE,), "relative noise", "-e kde:relative=true "),
        ((WIDER,), "sweep", "-e binning:width=0.14 "),
        ((BINNING, WIDER), "sweep", "-e kde:variance=0.00025 "),
    ],
)
def test_a_control_that_was_not_run_leaves_it_open_and_is_offered(missing: tuple[str, ...], said: str, command: str) -> None:
    every = [series(name, v) for name, v in without(*missing).items()]
    claims, _ = tables(*every)
    assert claims.rows == (("5", "cannot be told", f"not run: {said}"),)
    assert claims.note.startswith("run again with -e ") and command in claims.note
    assert claims.note.endswith(f"(adds {said})")
    assert tables(*every, kept=True)[0].note.startswith("ibmon analyse RUN -e ")


def test_all_that_is_missing_is_named_at_once() -> None:
    claims, _ = tables(series(BINNING, COMPRESSES))
    assert claims.rows == (("5", "cannot be told", "not run: SP, relative noise, sweep"),)
    asked = "-e sample-propagation -e kde:relative=true -e binning:width=0.14"
    assert claims.note == f"run again with {asked} (adds SP, relative noise, sweep)"


def test_two_noises_of_which_one_is_relative_are_no_sweep() -> None:
    assert claim({KDE: COMPRESSES, PROPAGATION: COMPRESSES, RELATIVE: COMPRESSES}) == ("cannot be told", "not run: sweep")
    other = "kde:relative=true,variance=0.4"
    assert claim({PROPAGATION: COMPRESSES, RELATIVE: COMPRESSES, other: COMPRESSES})[0] == "supported"


def test_relative_sample_propagation_is_a_relative_noise_and_not_the_fixed_one() -> None:
    relative = "sample-propagation:relative=true,variance=0.1"
    assert claim({**without(RELATIVE), relative: COMPRESSES})[0] == "supported"
    assert claim({**without(PROPAGATION), relative: COMPRESSES}) == ("cannot be told", "not run: SP")


def test_saturation_at_the_maximum_or_at_the_end_tells_nothing() -> None:
    for at in (int(COMPRESSES.argmax()), -1):
        flags = np.zeros(len(STEPS), bool)
        flags[at] = True
        every = [series(name, v, flags={"saturated": flags} if name == PROPAGATION else {}) for name, v in without().items()]
        claims, drops = tables(*every)
        assert claims.rows == (("5", "cannot be told", "saturated: SP 0.001"),)
        assert [row[2] for row in drops.rows] == ["drop", "drop", "drop", "saturated", "drop"]
    elsewhere = np.zeros(len(STEPS), bool)
    elsewhere[3] = True
    assert claim(without(), flags={"saturated": elsewhere})[0] == "supported"
    assert claim(without(), flags={"saturated": ~elsewhere}) == ("cannot be told", "saturated")


def test_a_further_parameter_that_is_saturated_does_not_spoil_a_sweep() -> None:
    fine = "binning:width=0.001"
    pinned = series(fine, np.full(len(STEPS), 12.0), flags={"saturated": np.ones(len(STEPS), bool)})
    claims, _ = tables(*(series(name, v) for name, v in without().items()), pinned)
    assert claims.rows == (("5", "supported", "4.00–4.00 bits under 5 of 6 estimators"),)
    claims, _ = tables(*(series(name, v) for name, v in without(WIDER).items()), pinned)
    assert claims.rows == (("5", "cannot be told", "saturated: binning 0.001"),)


def test_nothing_is_said_of_a_young_run_nor_where_nothing_is_read() -> None:
    assert claim({name: v[:7] for name, v in without().items()}) == ("cannot be told", "few snapshots")
    assert claim({name: 0.01 * v / v.max() for name, v in without().items()}) == ("cannot be told", "below error")
    claims, drops = tables(*(series(name, np.full(len(STEPS), np.nan)) for name in ALL))
    assert claims.rows == (("5", "cannot be told", "not finite"),)
    assert drops.rows[0] == ("5", "binning 0.07", "not finite", *["–"] * 6)


@settings(max_examples=40)
@given(seed=st.integers(0, 2**31), scatter=st.floats(0.1, 2.0))
def test_a_drop_counts_beyond_the_scatter_of_the_snapshots(seed: int, scatter: float) -> None:
    noise = scatter * np.random.default_rng(seed).standard_normal((len(STEPS), 1))
    found = drop_of(path(105, 108, 108 - 12 * scatter)[:, None] + noise, STEPS.astype(float))
    assert found.error >= FLOOR and found.counts is (found.drop > found.error)


def test_scatter_alone_is_rarely_taken_for_a_drop() -> None:
    noise = 8 + 0.3 * np.random.default_rng(0).standard_normal((len(STEPS), 2000))
    found = drop_of(noise, STEPS.astype(float))
    assert found.drop > 0.3  # the maximum of many always exceeds the last
    assert found.counted / found.networks < 0.1
    flat = drop_of(np.full((len(STEPS), 1), 9.0) + np.linspace(0.04, 0, len(STEPS))[:, None], STEPS.astype(float))
    assert (flat.counts, flat.found, flat.error) == (False, "no drop", FLOOR)


def test_a_steady_fall_is_no_scatter() -> None:
    assert drop_of(np.linspace(9, 3, len(STEPS))[:, None], STEPS.astype(float)).error == FLOOR


def test_a_standard_error_of_the_estimator_is_heeded() -> None:
    values, at = path(5, 6, 5.5)[:, None], STEPS.astype(float)
    assert drop_of(values, at, errors=np.full(values.shape, 0.01)).counts is True
    assert drop_of(values, at, errors=np.full(values.shape, 0.2)).counts is False


@pytest.mark.parametrize(("dropping", "counts", "found"), [(50, True, "drop"), (45, True, "drop"), (44, False, "no drop")])
def test_nine_of_ten_networks_must_lose_by_themselves(dropping: int, counts: bool, found: str) -> None:
    offsets = np.linspace(0, 1, 50)
    values = np.where(np.arange(50) < dropping, COMPRESSES[:, None], GROWS[:, None]) + offsets * (STEPS[:, None] < 30)
    drop = drop_of(values, STEPS.astype(float))
    assert (drop.counts, drop.found, drop.counted, drop.networks) == (counts, found, dropping, 50)
    _, table = tables(*(series(name, values) for name in ALL))
    row = dict(zip(table.columns, table.rows[0], strict=True))
    assert row["found in"] == f"{dropping}/50"
    assert row["10–90 %"] == f"{drop.low:.1f}–{drop.high:.1f}"
    assert float(row["drop"]) == pytest.approx(np.median(values.max(0) - values[-1]), abs=0.006)


def test_networks_of_which_nothing_can_be_told_count_for_neither_side() -> None:
    values = np.tile(COMPRESSES[:, None], 20)
    saturated = np.zeros(values.shape, bool)
    saturated[-1, :3] = True
    values[5:, 3] = np.nan
    found = drop_of(values, STEPS.astype(float), saturated=saturated)
    assert (found.counts, found.found, found.counted) == (None, "saturated", 16)
    assert found.last == pytest.approx(4)


def test_only_information_of_the_whole_layer_in_bits_is_judged() -> None:
    others = [
        series("ksg", np.full(len(STEPS), 12.0), flags={"deterministic": np.ones(len(STEPS), bool)}),
        series("renyi", GROWS, unit="Renyi bits"),
        series(BINNING, GROWS, job=f"information-plane:channels=mean/{BINNING}"),
        series(BINNING, GROWS, job=f"sensitivity/{BINNING}"),
    ]
    assert verdicts(history(*others)) == []
    every = [series(name, v) for name, v in without().items()]
    assert verdicts(history(*every, *others)) == verdicts(history(*every))


def test_a_foreign_estimator_is_shown_and_decides_nothing() -> None:
    claims, drops = tables(*(series(name, v) for name, v in without().items()), series("mine:k=3", GROWS))
    assert claims.rows[0][1] == "supported"
    assert drops.rows[-1][1:3] == ("mine:k=3", "no drop")
    assert tables(series("mine", COMPRESSES))[0].rows == (("5", "cannot be told", "no estimator that decides"),)


def test_of_a_recurrent_layer_the_last_timepoint_is_judged() -> None:
    values = np.stack([GROWS, GROWS, COMPRESSES], axis=1)
    claims, _ = tables(*(series(name, values, axes={"time": (0, 1, 2)}) for name in ALL))
    assert claims.rows[0][:2] == ("5 t2", "supported")


def test_each_evaluation_set_has_tables_of_its_own() -> None:
    train = [series(name, v, evaluation="train") for name, v in without().items()]
    test = [series(name, GROWS, evaluation="test") for name in ALL]
    found = {figure.name: figure for figure in verdicts(history(*train, *test))}
    assert list(found) == ["compression-train", "compression-drops-train", "compression-test", "compression-drops-test"]
    assert [figure.name for figure in verdicts(history(*train))] == ["compression-train", "compression-drops-train"]
    verdict = {name: t.rows[0][1] for name, t in found.items() if isinstance(t, Table) and "drops" not in name}
    assert verdict == {"compression-train": "supported", "compression-test": "not supported"}


@pytest.mark.parametrize(
    ("estimator", "options", "label", "convention"),
    [
        ("binning", {"width": 0.07, "edges": None, "range": None, "bins": 30}, "binning 0.07", "width"),
        ("binning:edges=30", {"width": None, "edges": 30, "bins": 30}, "binning 30 edges", "edges"),
        ("binning:quantile=8", {}, "binning 8 quantiles", "quantile"),
        ("binning:bins=12,range=observed", {}, "binning 12 bins", "bins"),
        ("binning:miller_madow=true,width=0.5", {}, "binning 0.5 miller_madow=true", "width"),
        ("kde", {"variance": 0.1, "relative": False}, "kde 0.1", "fixed"),
        ("kde:permutations=0,relative=true", {"variance": 0.1, "relative": True}, "kde rel 0.1", "relative"),
        ("sample-propagation:relative=true,variance=0.25", {}, "SP rel 0.25", "relative"),
        ("kde", {}, "kde", "fixed"),
    ],
)
def test_an_estimator_is_named_by_what_it_replaces_the_layer_by(
    estimator: str, options: dict[str, bool | int | float | str | None], label: str, convention: str
) -> None:
    found = surrogate(estimator, options)
    assert (found.label, found.convention) == (label, convention)


def test_both_tables_can_be_read_in_the_smallest_terminal(tmp_path: Path) -> None:
    layers = [series(name, v, layer=str(k)) for k in range(1, 7) for name, v in without().items()]
    networks = [
        replace(s, value=s.value[:, None].repeat(50, axis=1), axes={"replica": tuple(range(50))}, details={}) for s in layers
    ]
    for table in (*tables(*layers), *tables(*networks)):
        assert all(len(line) <= 80 for line in render(table, 80, 24, False).splitlines())
        for row in table.rows[:4]:
            assert all(cell in render(table, 80, 24, False) for cell in row)
        cells = "\n".join("".join(map(chr, line)) for line in draw(table, 78, 21, View()).grid.ch)
        assert all(cell in cells for row in table.rows[:4] for cell in row)
        save(table, tmp_path / f"{table.name}.png")
