"""What is measured and drawn of the probe `ablation`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch

from ibmon import Activation, Curves, Monitor, Snapshot
from ibmon.figures.build import build_figures
from ibmon.figures.text import render
from ibmon.probes import ablation
from ibmon.runs.directory import RunDirectory
from ibmon_analyses.ablation import Ablations
from support import history_of
from tagging import UNITS, Tagger, figures_of, history_after, measured_by, sentences

Measured = Callable[..., RunDirectory]
LEVELS = [0, 1, 2, 4]


def shot(pos: torch.Tensor, step: int = 0) -> Snapshot:
    probes = {
        "levels": Activation(torch.tensor(LEVELS), ("level",)),
        "information.pos": Activation(torch.arange(4.0), ("unit",)),
        "accuracy.pos": Activation(pos, ("order", "side", "level")),
        "recall.pos": Activation(pos**2, ("order", "side", "level")),
    }
    return Snapshot(step, step / 10, "test", probes={f"ablation.{name}": value for name, value in probes.items()})


ACCURACY = torch.tensor(
    [
        [[0.2, 0.5, 0.99, 1.0], [1.0, 0.6, 0.4, 0.2]],
        [[0.2, 0.3, 0.5, 1.0], [1.0, 0.8, 0.6, 0.2]],
        [[0.2, 0.4, 0.7, 1.0], [1.0, 0.9, 0.5, 0.2]],
    ],
    dtype=torch.float64,
)


def test_random_orders_are_a_mean_between_the_least_and_the_largest() -> None:
    found = measured_by(Ablations(), shot(ACCURACY))
    assert found["accuracy with units kept · pos · pos"].value.tolist() == [0.2, 0.5, 0.99, 1.0]
    random = found["accuracy with units kept · pos · random"]
    assert random.axes == {"units": LEVELS}
    assert random.value == pytest.approx([0.2, 0.35, 0.6, 1.0])
    assert random.lower == pytest.approx([0.2, 0.3, 0.5, 1.0]) and random.upper == pytest.approx([0.2, 0.4, 0.7, 1.0])
    assert found["accuracy with units removed · pos · pos"].value.tolist() == [1.0, 0.6, 0.4, 0.2]
    assert found["mean recall with units removed · pos · pos"].value == pytest.approx([1.0, 0.36, 0.16, 0.04])
    assert found["information of units · pos"].value.tolist() == [0, 1, 2, 3]
    assert found["units needed · pos"].value == 2


def test_a_network_that_its_units_do_not_help_needs_no_number_of_them() -> None:
    flat = torch.full((1, 2, 4), 0.3, dtype=torch.float64)
    assert np.isnan(measured_by(Ablations(), shot(flat))["units needed · pos"].value)
    turned = ACCURACY.clone()
    turned[0, 0] = torch.tensor([0.2, 1.0, 0.5, 1.0])
    assert measured_by(Ablations(), shot(turned))["units needed · pos"].value == 4, "it stays there"


def test_a_probe_that_says_something_else_is_left_alone() -> None:
    other = replace(shot(ACCURACY), probes={"ablation": Activation(torch.zeros(3), ("unit",))})
    assert not measured_by(Ablations(), other)


def test_figures_have_a_curve_for_the_units_of_each_task() -> None:
    said = [(one, list(Ablations().measure(one, {}))) for one in (shot(ACCURACY), shot(ACCURACY, 10))]
    drawn = figures_of(history_after("ablation", *said), "ablation")
    sides = [f"ablation-{score}-{done}-pos-test" for score in ("accuracy", "mean-recall") for done in ("kept", "removed")]
    assert list(drawn) == [*sides, "ablation-needed-test"]
    kept = drawn["ablation-accuracy-kept-pos-test"]
    assert isinstance(kept, Curves) and kept.important and [line.label for line in kept.lines] == ["units of pos", "random units"]
    assert kept.lines[0].x.tolist() == [0.5, 1, 2, 4] and kept.lines[1].lower is not None


def test_a_run_tells_the_tasks_apart_by_gates_units_and_ablation(measured: Measured) -> None:
    def train(monitor: Monitor) -> None:
        monitor.watch(
            Tagger(),
            evaluation={"test": sentences(40)},
            layers=["hidden"],
            probes={"ablation": ablation("hidden")},
            analyses=("confusion", "task-neurons:tokens=100,tags=2"),
            estimators=("ross:permutations=1",),
        )

    history = history_of(measured(train))
    assert not history.failures and not history.disabled
    assert not [n for n in history.notices if n.level == "error"]
    (opposed,) = history.select("opposed gates", job="gates")
    assert opposed.value.tolist() == [UNITS]
    (without,) = history.select("accuracy with units removed", task="pos", by="ner")
    assert without.value[0, :4].tolist() == [1, 1, 1, 1]
    (accuracy,) = history.select("accuracy", job="confusion", task="ner")
    assert accuracy.value.tolist() == [1]
    drawn, failures = build_figures(history)
    assert not failures
    assert {"gates", "task-neurons", "confusion", "ablation"} <= {figure.screen for figure in drawn}
    for figure in drawn:
        assert "\x1b" not in render(figure, 90, 20, False)
