"""The gates of tasks: correlations against mismatched units, words, classes, and what is drawn of them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from ibmon import Activation, Heatmap, Histogram, Measurement, Snapshot, Table
from ibmon.figures.text import render
from ibmon_analyses.gates import Gates
from tagging import CLASSES, POS, UNITS, captured, figures_of, history_after, measured_by, sentences, snapshot_of

AXES = ("sample", "time", "unit")
DATA = sentences(80)
MASK = DATA.mask


def gated(pos: Tensor, ner: Tensor, data=DATA) -> Snapshot:
    return snapshot_of({f"gate.{k}": Activation(g, AXES, data.mask) for k, g in {"pos": pos, "ner": ner}.items()}, data)


def random(units: int, seed: int, data=DATA) -> Tensor:
    return torch.rand(*data.mask.shape, units, generator=torch.Generator().manual_seed(seed))


def test_a_gate_that_is_one_less_the_other_is_opposed_in_every_unit_and_few_are_by_chance() -> None:
    found = measured_by(Gates(), captured(DATA))
    assert found["gate correlation · pos · ner"].value == pytest.approx(np.full(UNITS, -1.0))
    opposed, shared = found["opposed gates · pos · ner"], found["shared gates · pos · ner"]
    assert opposed.value == UNITS and opposed.details["null"] < 3 and opposed.details["p_value"] < 0.001
    assert shared.value == 0 and shared.details["p_value"] == 1
    chance = found["opposed gates by chance · pos · ner"]
    assert chance.lower <= chance.value <= chance.upper < UNITS


def test_correlations_are_those_of_all_words_that_are_data() -> None:
    pos, ner = random(5, 1), random(5, 2)
    ner[..., 1] = pos[..., 1] ** 2
    value = measured_by(Gates(), gated(pos, ner))["gate correlation · pos · ner"].value
    expected = [np.corrcoef(pos[MASK][:, k], ner[MASK][:, k])[0, 1] for k in range(5)]
    assert value == pytest.approx(expected, abs=1e-6)


@given(mask=st.lists(st.booleans(), min_size=12, max_size=12), filler=st.sampled_from([0.0, 1e9, np.nan, np.inf]))
@settings(max_examples=30)
def test_what_stands_at_padding_changes_nothing(mask: list[bool], filler: float) -> None:
    data = replace(sentences(3), mask=torch.tensor([*mask, *[True] * 15]).reshape(3, 9))
    one, two = random(4, 1, data), random(4, 2, data)
    there = data.mask[..., None]
    clean, other = (gated(*(torch.where(there, gate, f) for gate in (one, two)), data) for f in (0.5, filler))
    for a, b in zip(Gates().measure(clean, {}), Gates().measure(other, {}), strict=True):
        assert (a.quantity, a.subject, dict(a.axes)) == (b.quantity, b.subject, dict(b.axes))
        np.testing.assert_array_equal(np.asarray(a.value), np.asarray(b.value))


def test_what_all_gates_have_in_common_is_no_finding() -> None:
    common = torch.rand(*MASK.shape, 1, generator=torch.Generator().manual_seed(5))
    found = measured_by(Gates(), gated(common + 0.1 * random(16, 1), common + 0.1 * random(16, 2)))
    shared = found["shared gates · pos · ner"]
    assert shared.value == shared.details["null"] == 16 and shared.details["p_value"] == 1


def test_independent_gates_are_beyond_chance_as_rarely_as_the_p_value_says() -> None:
    data = sentences(2)  # so few words that correlations beyond a half happen
    found = [
        measured_by(Gates(), gated(random(32, seed, data), random(32, seed + 1000, data), data))["shared gates · pos · ner"]
        for seed in range(60)
    ]
    assert sum(one.details["p_value"] <= 0.05 for one in found) <= 7  # 3 expected; more than 7 in 2 % of all cases
    null = np.mean([one.details["null"] for one in found])
    assert null > 0.5 and abs(np.mean([one.value for one in found]) - null) < 0.4


def test_fixed_gates_have_no_correlation_and_say_why() -> None:
    fixed = torch.zeros(*MASK.shape, 6)
    fixed[..., :3] = 1
    found = measured_by(Gates(), gated(fixed, 1 - fixed))
    correlation = found["gate correlation · pos · ner"]
    assert np.isnan(correlation.value).all() and np.asarray(correlation.flags["constant"]).all()
    assert "shared gates · pos · ner" not in found
    assert found["mean gate · pos"].value.tolist() == [1, 1, 1, 0, 0, 0]
    drawn = figures_of(history_after("gates", (captured(DATA), list(Gates().measure(gated(fixed, 1 - fixed), {})))), "gates")
    assert "no gate moves" in drawn["gate-correlations-pos-ner-test"].note


def test_words_come_with_their_classes_and_without_padding() -> None:
    shot = captured(DATA)
    found = measured_by(Gates(phrases=2, words=5), shot)
    gate = found["gate · pos · 1"]
    count = min(int(MASK[1].sum()), 5)
    words = DATA.inputs["words"][1, :count].tolist()
    assert gate.axes == {"word": [f"word{k}/{CLASSES['pos'][k % POS]}" for k in words], "unit": list(range(UNITS))}
    np.testing.assert_allclose(gate.value, shot.layers["gate.pos"].values[1, :count].numpy(), atol=1e-4)
    assert "gate · pos · 2" not in found and "gate · ner · 0" in found


def test_without_names_words_and_classes_are_numbers() -> None:
    shot = replace(captured(DATA), vocabulary=None, classes={})
    assert all(word.replace("/", "").isdigit() for word in measured_by(Gates(), shot)["gate · ner · 0"].axes["word"])
    bare = replace(shot, inputs=None, targets={})
    assert measured_by(Gates(), bare)["gate · ner · 0"].axes["word"] == [str(k) for k in range(int(MASK[0].sum()))]


def test_open_gates_are_counted_by_the_class_of_the_word() -> None:
    shot = captured(DATA)
    found = measured_by(Gates(), shot)
    labels, gate = DATA.targets["pos"][MASK], shot.layers["gate.pos"].values[MASK]
    expected = [(gate[labels == k] > 0.5).double().mean(0).tolist() for k in range(POS)]
    assert found["open gates · pos"].axes["class"] == list(CLASSES["pos"])
    np.testing.assert_allclose(found["open gates · pos"].value, expected)
    assert found["words · pos"].value.tolist() == torch.bincount(labels).tolist()
    assert len(measured_by(Gates(tags=2), shot)["words · pos"].value) == 2


def test_layers_without_time_and_other_layers() -> None:
    gates = {f"gate.{k}": Activation(random(4, n)[:, 0], ("sample", "unit")) for n, k in enumerate("ab")}
    shot = Snapshot(0, 0.0, "all", layers=gates, targets={"a": torch.arange(80) % 3})
    found = measured_by(Gates(), shot)
    assert len(found["gate correlation · a · b"].value) == 4 and "gate · a · 0" not in found
    assert found["open gates · a"].axes["class"] == ["0", "1", "2"]
    batched = Activation(torch.rand(2, 5, 4), ("replica", "sample", "unit"))
    assert not measured_by(Gates(), Snapshot(0, 0.0, "all", layers={"gate.a": batched, "hidden": batched}))


@pytest.mark.parametrize("options", [{"phrases": -1}, {"words": 0}, {"tags": -1}])
def test_options_out_of_their_domain_are_refused(options: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="gates: "):
        Gates(**options)


def measurements(step: int) -> tuple[Snapshot, list[Measurement]]:
    shot = captured(DATA, step=step, epoch=step / 10)
    return shot, list(Gates().measure(shot, {}))


def test_figures_show_the_newest_network_and_the_way_there() -> None:
    history = history_after("gates", measurements(0), measurements(10), measurements(20))
    drawn = figures_of(history, "gates")
    phrase, histogram = drawn["gates-sample-0-pos-test"], drawn["gate-correlations-pos-ner-test"]
    assert isinstance(phrase, Heatmap) and phrase.important and phrase.centre == 0.5
    assert phrase.values.shape == (int(MASK[0].sum()), UNITS)
    assert isinstance(histogram, Histogram) and histogram.counts.sum() == UNITS
    assert f"{UNITS} of {UNITS} r < −.5" in histogram.note
    through = drawn["gate-correlation-pos-ner-test"]
    assert isinstance(through, Heatmap) and through.steps is not None and through.steps.tolist() == [0, 10, 20]
    table = drawn["open-gates-table-pos-test"]
    assert isinstance(table, Table) and table.columns == ("class", "words", "untrained", "epoch 2")
    assert len(drawn) == 8 + 3 + 1 + 4
    assert "epoch" not in figures_of(history, "gates", until=0)["gates-sample-0-pos-test"].note
    for figure in drawn.values():
        assert "\x1b" not in render(figure, 90, 20, False)
