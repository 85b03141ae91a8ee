"""The panel of the stochastic-gradient hypothesis says on one axis what coincides."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ibmon import Curves, Figure, History, Series, Table, View
from ibmon.figures.image import save
from ibmon.figures.text import render
from ibmon.plot import draw
from ibmon.records import RunInfo
from ibmon_analyses.hypothesis_figures import panel

STEPS = np.unique(np.rint(np.geomspace(1, 7000, 80))).astype(np.int64) * 7
EPOCHS = STEPS / 7


def series(quantity: str, value: np.ndarray, *, step: np.ndarray = STEPS, **fields: object) -> Series:
    """A series as a history has it; an epoch is seven steps."""
    value = np.asarray(value, float)
    empty = np.full(value.shape, np.nan)
    plain = {"unit": "", "subject": {}, "evaluation": "", "estimator": "", "job": "", "axes": {}, "epoch": step / 7, "flags": {}}
    return Series(quantity=quantity, **{**plain, "step": step, "value": value, "lower": empty, "upper": empty, **fields})  # type: ignore[arg-type]


def snr(layer: str, fall: float, *, value: np.ndarray | None = None, protocol: str = "", **fields: object) -> Series:
    """The SNR of a layer's weights that falls to a tenth at an epoch."""
    value = np.where(fall > EPOCHS, 3.0, 0.3) if value is None else value
    subject = {"layer": layer, "parameter": "weight"} | ({"protocol": protocol} if protocol else {})
    return series("gradient SNR", value, subject=subject, job="gradient-snr", **fields)


def information(layer: str, peak: float, estimator: str = "kde", step: np.ndarray = STEPS, **fields: object) -> Series:
    """I(X;T) of a layer that turns at an epoch."""
    away = np.log(np.maximum(step, 3) / 7 / peak)
    value = 8 + np.where(away < 0, 0.5, -0.5) * away
    where = {"subject": {"layer": layer}, "evaluation": "all", "estimator": estimator, "job": f"information-plane/{estimator}"}
    return series("I(X;T)", value, step=step, unit="bits", **{**where, **fields})


def loss(kink: float) -> Series:
    """A loss that falls steeply up to an epoch and slowly after it, with a little noise."""
    wobble = np.exp(0.05 * np.random.default_rng(0).standard_normal(len(STEPS)))
    return series("train/loss", np.where(kink > EPOCHS, (EPOCHS / kink) ** -0.8, (EPOCHS / kink) ** -0.1) * wobble)


def history(kink: float | None, *measured: Series) -> History:
    scalars = {} if kink is None else {"train/loss": loss(kink)}
    return History(run=RunInfo(format=1, id="hand", created=0.0, recipe="hand"), series=measured, scalars=scalars)


def drawn(figures: list[Figure]) -> tuple[Curves, Table]:
    curves, table = figures
    assert isinstance(curves, Curves) and isinstance(table, Table)
    return curves, table


def verdicts(table: Table) -> dict[tuple[str, str], str]:
    """What the table says of each event of each layer."""
    where = table.columns.index("coincides with the kink")
    return {(row[0].partition(",")[0], row[1]): row[where] for row in table.rows}


TOGETHER = history(300, snr("1", 300), snr("2", 300), information("1", 300), information("2", 310))
APART = history(30, snr("1", 305), snr("2", 305), information("1", 3500), information("2", 3500))


def test_what_happens_together_coincides() -> None:
    curves, table = drawn(panel(TOGETHER))
    said = verdicts(table)
    assert said.pop(("kink of the loss", "")) == ""
    assert set(said.values()) == {"yes"} and len(said) == 8
    assert curves.note.startswith("kink at epoch ") and "coincide" in curves.note and "do not" not in curves.note
    assert "I(X;T) turns in 2 of 2 layers (coincides with the kink: yes 2)" in curves.note
    assert [line.label for line in curves.lines if not line.unnamed] == ["loss", "SNR", "I(X;T) 1", "I(X;T) 2"]


def test_what_happens_apart_does_not_coincide() -> None:
    curves, table = drawn(panel(APART))
    assert set(verdicts(table).values()) == {"", "no"}
    assert "do not coincide" in curves.note and "coincides with the kink: no 2" in curves.note
    kink, fall, turn = curves.references
    assert (kink.label, fall.label, turn.label) == ("kink", "SNR < 1", "I turns")
    assert [kink.value, fall.value, turn.value] == pytest.approx([30, 305, 3500], rel=0.12)


def test_names_of_lines_that_nearly_coincide_do_not_cover_each_other() -> None:
    curves, _ = drawn(panel(TOGETHER))
    assert len(curves.references) == 3
    assert sum(bool(reference.label) for reference in curves.references) == 1
    words = curves.references[0].label
    assert "kink" in words and "SNR < 1" in words and "I turns" in words


def test_every_curve_is_in_its_own_range_and_every_interval_above() -> None:
    curves, _ = drawn(panel(APART))
    for line in curves.lines:
        if line.unnamed:
            assert (line.y > 1).all() and line.x[0] <= line.x[1] <= line.x[-1]
        else:
            assert (np.nanmin(line.y), np.nanmax(line.y)) == (0, 1)


def test_an_interval_appears_when_training_is_beyond_it() -> None:
    curves, _ = drawn(panel(APART))
    bars = {line.label: line for line in curves.lines if line.unnamed}
    fall = bars["SNR falls below 1, 90 %"]
    assert fall.step is not None and (fall.step == round(7 * fall.x[-1])).all()


def test_nothing_is_drawn_of_too_few_snapshots_or_without_gradients() -> None:
    few = snr("1", 305)
    few = replace(few, **{name: getattr(few, name)[:11] for name in ("step", "epoch", "value", "lower", "upper")})
    assert panel(history(300, few, information("1", 300))) == []
    assert panel(history(300, information("1", 300))) == []


def test_without_a_loss_nothing_can_be_told() -> None:
    curves, table = drawn(panel(history(None, snr("1", 305), information("1", 300))))
    assert set(verdicts(table).values()) == {"", "cannot be told"}
    assert curves.note.startswith("no kink of the loss (no loss is logged)") and "cannot be told" in curves.note
    assert curves.lines[0].label == "SNR"


def test_the_trainings_own_gradients_are_preferred() -> None:
    frozen, own = snr("1", 40, protocol="frozen"), snr("1", 900, protocol="epoch")
    (row,) = [r for r in drawn(panel(history(300, frozen, own)))[1].rows if r[:2] == ("SNR falls below 1", "1")]
    assert float(row[2]) == pytest.approx(900, rel=0.12)
    (row,) = [r for r in drawn(panel(history(300, frozen)))[1].rows if r[:2] == ("SNR falls below 1", "1")]
    assert float(row[2]) == pytest.approx(40, rel=0.12)


def test_a_break_stands_for_the_crossing_where_the_ratio_stays_above_one() -> None:
    wobble = np.exp(0.05 * np.random.default_rng(1).standard_normal(len(STEPS)))
    falling = snr("1", 0, value=np.where(EPOCHS < 305, 9.0, 2.0) * wobble)
    curves, _ = drawn(panel(history(30, falling)))
    assert [r.label for r in curves.references] == ["kink", "SNR breaks"] and "break of the SNR at" in curves.note
    rising = snr("1", 0, value=np.where(EPOCHS < 305, 2.0, 9.0) * wobble)
    curves, table = drawn(panel(history(30, rising)))
    assert [r.label for r in curves.references] == ["kink"] and "no fall of the SNR (stays above 1)" in curves.note
    assert ("break of the SNR", "1") in verdicts(table)


def test_full_batch_training_has_no_noise_and_no_fall() -> None:
    curves, table = drawn(panel(history(300, snr("1", 0, value=np.full(len(STEPS), np.inf)))))
    assert "no fall of the SNR" in curves.note
    assert verdicts(table)["SNR falls below 1", "1"] == "cannot be told"


def test_networks_trained_together_are_an_interval() -> None:
    falls = np.geomspace(100, 400, 20)
    value = np.where(EPOCHS[:, None] < falls, 3.0, 0.3)
    axes = {"replica": tuple(range(20))}
    _, table = drawn(panel(history(300, snr("1", 0, value=value, axes=axes))))
    rows = {row[:2]: row for row in table.rows}
    for name in ("SNR falls below 1", "break of the SNR"):
        row = rows[name, "1"]
        low, high = map(float, row[3].split("–"))
        assert (low, high) == pytest.approx((116, 346), rel=0.15) and row[5] == "in 20 of 20 networks"


def test_timepoints_are_taken_together_and_estimators_apart() -> None:
    first = information("1", 300)
    many = replace(first, value=np.stack([first.value] * 3, 1), axes={"time": (0, 1, 2)})
    other = information("1", 2000, "binning:width=0.07")
    _, table = drawn(panel(history(300, snr("1", 305), many, other)))
    told = {row[0]: row[4] for row in table.rows if row[0].startswith("turn")}
    assert told == {"turn of I(X;T), kde": "yes", "turn of I(X;T), binning:width=0.07": "no"}


def test_of_many_layers_those_that_fall_most_are_drawn() -> None:
    layers = [information(str(k), 300 + 100 * k) for k in range(8)]
    curves, table = drawn(panel(history(300, snr("1", 305), *layers)))
    labels = [line.label for line in curves.lines if line.label.startswith("I(X;T)")]
    assert labels == [f"I(X;T) {k}" for k in range(5)] and "drawn are the 5 that fall most" in curves.note
    assert sum(row[0].startswith("turn") for row in table.rows) == 8


def test_the_middle_layer_is_drawn_where_none_turns() -> None:
    layers = [information(str(k), 1e9) for k in range(3)]
    curves, _ = drawn(panel(history(300, snr("1", 305), *layers)))
    assert [line.label for line in curves.lines if not line.unnamed] == ["loss", "SNR", "I(X;T) 1"]
    assert "I(X;T) of no layer turns" in curves.note and len(curves.references) == 2


def test_the_untrained_network_has_its_place_before_the_first_step() -> None:
    step = np.r_[0, STEPS]
    curves, _ = drawn(panel(history(300, snr("1", 305), information("1", 300, step=step))))
    line = next(line for line in curves.lines if line.label == "I(X;T) 1")
    assert line.x[0] == pytest.approx(0.5) and len(line.x) == len(step)


def test_without_epochs_time_is_counted_in_steps() -> None:
    bare = replace(snr("1", 305), epoch=np.full(len(STEPS), np.nan))
    curves, table = drawn(panel(history(300, bare)))
    assert curves.x.label == "step" and "step" in table.columns
    assert curves.references[-1].value == pytest.approx(7 * 305, rel=0.12)


def test_estimates_that_say_nothing_of_the_layer_have_no_turn() -> None:
    flags = {"deterministic": np.ones(len(STEPS), bool)}
    _, table = drawn(panel(history(300, snr("1", 305), information("1", 300, flags=flags))))
    assert not any(row[0].startswith("turn") for row in table.rows)


def test_a_saturated_maximum_is_no_turn() -> None:
    flags = {"saturated": np.abs(EPOCHS - 300) < 100}
    _, table = drawn(panel(history(300, snr("1", 305), information("1", 300, flags=flags), information("2", 900, flags=flags))))
    told = verdicts(table)
    assert told["turn of I(X;T)", "1"] == "cannot be told" and told["turn of I(X;T)", "2"] == "no"


def test_planes_of_other_options_are_told_apart() -> None:
    other = information("1", 3500, job="information-plane:channels=mean/kde")
    curves, table = drawn(panel(history(300, snr("1", 300), information("1", 300), other)))
    assert [row[0] for row in table.rows][-2:] == ["turn of I(X;T), kde", "turn of I(X;T), kde (channels=mean)"]
    assert sum(line.label == "I(X;T) 1" for line in curves.lines) == 1


def test_a_long_training_is_summed_up() -> None:
    step = np.arange(1, 200_001)
    epoch = step / 7
    value = (epoch / 300) ** np.where(epoch < 300, -0.8, -0.1)
    found = series("training/loss", value, step=step)
    curves, table = drawn(panel(replace(history(None, snr("1", 300)), scalars={"training/loss": found})))
    assert len(curves.lines[0].x) <= 200 and float(table.rows[0][2]) == pytest.approx(300, rel=0.05)


@pytest.mark.parametrize("run", [TOGETHER, APART], ids=["together", "apart"])
def test_the_panel_is_drawn_everywhere(run: History, tmp_path: Path) -> None:
    for figure in panel(run):
        assert figure.screen == "gradients"
        save(figure, tmp_path / f"{figure.name}.png")
        assert (tmp_path / f"{figure.name}.png").stat().st_size > 5000
        assert "epoch" in render(figure, 100, 30, colour=False)
        assert "epoch" in "".join(chr(c) for c in draw(figure, 100, 30, View()).grid.ch.ravel())
