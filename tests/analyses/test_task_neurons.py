"""What single units tell about tasks and classes, and whether two tasks use the same ones."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from ibmon import Activation, EvaluationSet, Heatmap, Plane, Snapshot, Table, Variable
from ibmon.analysis.jobs import Bound, plan
from ibmon.figures.text import render
from ibmon.registry import discover
from ibmon_analyses.task_neurons import TaskNeurons
from ibmon_estimators.ross import Ross
from tagging import CLASSES, HALF, UNITS, figures_of, history_after, measured_by, sentences, snapshot_of

DATA = sentences(150)


def states(data: EvaluationSet = DATA, seed: int = 0) -> torch.Tensor:
    """Units of which one half moves with the one task and the other with the other, amid noise."""
    rng = torch.Generator().manual_seed(seed)
    codes = (torch.randn(classes, HALF, generator=rng) for classes in (4, 3))
    own = [code[data.targets[task]] for task, code in zip(("pos", "ner"), codes, strict=True)]
    return torch.cat(own, -1) + 0.3 * torch.randn(*data.mask.shape, UNITS, generator=rng)


def shot(values: torch.Tensor | None = None, data: EvaluationSet = DATA, name: str = "hidden", **others: Any) -> Snapshot:
    layer = Activation(states() if values is None else values, ("sample", "time", "unit"), data.mask)
    return snapshot_of({name: layer}, data, **others)


def ross() -> dict[str, Bound]:
    return {"ross": Bound(Ross(), torch.Generator().manual_seed(0))}


def test_each_task_has_its_own_half_of_the_units() -> None:
    found = measured_by(TaskNeurons(top=6), shot(), ross())
    pos, ner = (found[f"I(h_i;Y) · hidden · {task}"].value for task in ("pos", "ner"))
    assert pos[:HALF].mean() > 0.3 and ner[HALF:].mean() > 0.3
    assert pos[HALF:].max() < 0.15 and ner[:HALF].max() < 0.15
    assert found["rank correlation · hidden · pos · ner"].value < -0.4
    shared = found["shared units · hidden · pos · ner"]
    assert shared.value == 0 and shared.details["null"] == pytest.approx(3) and shared.details["p_value"] == 1
    chance = found["shared units by chance · hidden · pos · ner"]
    assert chance.lower <= 3 <= chance.upper


def test_it_is_what_the_estimator_says_of_a_unit_alone() -> None:
    found = measured_by(TaskNeurons(tokens=200, tags=2), shot(), ross())
    measurement = found["I(h_i;Y) · hidden · pos"]
    places = DATA.mask.nonzero()
    places = places[torch.linspace(0, len(places) - 1, 200, dtype=torch.float64).round().long()].unbind(1)
    labels = Variable.labels(DATA.targets["pos"][places])
    (alone,) = ross()["ross"](Variable.continuous(states()[places][:, [2]]), [labels])
    assert measurement.value[2] == pytest.approx(float(alone.value), abs=1e-9)
    assert measurement.details["null"].shape == (UNITS,) and "few_samples" in measurement.flags
    p = torch.bincount(labels.values).double() / 200
    assert found["H(Y) · hidden · pos"].value == pytest.approx(float(-(p * p.log2()).sum()))


def test_units_that_say_nothing_are_near_their_null() -> None:
    noise = torch.randn(*DATA.mask.shape, UNITS, generator=torch.Generator().manual_seed(9))
    found = measured_by(TaskNeurons(tags=0), shot(noise), ross())
    whole = found["I(h_i;Y) · hidden · pos"]
    assert abs(np.mean(whole.details["raw"] - whole.details["null"])) < 0.02
    assert found["rank correlation · hidden · pos · ner"].details["p_value"] > 0.01


def test_classes_are_told_one_against_the_rest() -> None:
    values = torch.randn(*DATA.mask.shape, 3, generator=torch.Generator().manual_seed(2))
    values[..., 1] += 4 * (DATA.targets["pos"] == 2)
    found = measured_by(TaskNeurons(tags=3), shot(values), ross())
    about = found["I(h_i;class) · hidden · pos"]
    assert len(about.axes["class"]) == 3 and about.value.shape == (3, 3)
    row = about.axes["class"].index(CLASSES["pos"][2])
    assert about.value[row, 1] > 0.5 and about.value[row, [0, 2]].max() < 0.1
    assert found["tokens · hidden · pos"].value.max() <= 1000


def test_padding_and_labels_that_do_not_count_change_nothing() -> None:
    before = measured_by(TaskNeurons(tokens=300), shot(), ross())
    spoilt = torch.where(DATA.mask[..., None], states(), torch.nan)
    targets = {task: torch.where(DATA.mask, labels, -100) for task, labels in DATA.targets.items()}
    after = measured_by(TaskNeurons(tokens=300), replace(shot(spoilt), targets=targets), ross())
    assert before.keys() == after.keys()
    for name, one in before.items():
        np.testing.assert_array_equal(np.asarray(one.value), np.asarray(after[name].value))


def test_layers_of_one_task_and_layers_that_do_not_fit() -> None:
    found = measured_by(TaskNeurons(), shot(name="pos.hidden"), ross())
    assert {m.subject["task"] for m in found.values()} == {"pos"}
    assert not measured_by(TaskNeurons(), shot(name="other"), ross())
    samples = replace(shot(), targets={"y": torch.arange(150) % 2, "real": torch.rand(150, 9)})
    assert not measured_by(TaskNeurons(), samples, ross())
    flat = Snapshot(0, 0.0, "all", layers={"hidden": Activation(torch.rand(150, 3), ("sample", "unit"))}, targets=samples.targets)
    assert "I(h_i;Y) · hidden · y" in measured_by(TaskNeurons(), flat, ross())


def test_it_runs_with_estimators_of_single_columns_alone() -> None:
    jobs, _ = plan(discover(), ["ross", "binning"], [])
    assert [job.name for job in jobs if job.name.startswith("task-neurons")] == ["task-neurons/ross"]


@pytest.mark.parametrize("options", [{"tokens": 49}, {"tags": -1}, {"least": 0}, {"top": 0}])
def test_options_out_of_their_domain_are_refused(options: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="task-neurons: "):
        TaskNeurons(**options)


def test_figures_set_the_tasks_against_each_other() -> None:
    said = []
    for step in (0, 10):
        one = shot(states(seed=step), step=step, epoch=step / 10)
        said.append((one, list(TaskNeurons(tokens=150, tags=3).measure(one, ross()))))
    drawn = figures_of(history_after("task-neurons/ross", *said), "task-neurons")
    units, plane = drawn["task-neurons-hidden-ross-test"], drawn["task-neurons-pos-ner-hidden-ross-test"]
    assert isinstance(units, Heatmap) and units.important and units.row_labels == ("pos", "ner")
    assert np.nanmax(units.values) <= 1
    assert isinstance(plane, Plane) and len(plane.trajectories) == UNITS and plane.positions is not None
    table = drawn["task-neurons-classes-pos-hidden-ross-test"]
    assert isinstance(table, Table) and len(table.rows) == 3 and "(" in table.rows[0][-1]
    for figure in drawn.values():
        assert "\x1b" not in render(figure, 90, 20, False)
