"""Averaged activations at every timepoint, held against numpy, and what is drawn of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ibmon import Activation, Curves, Measurement, Snapshot
from ibmon.analysis.values import logged
from ibmon.figures.build import build_figures
from ibmon.records import Result
from ibmon.runs.history import of_replica
from ibmon_analyses.mean_activations import MeanActivations
from support import history_of, written

STATES = ("sample", "time", "unit")
NAMES = ("mean activation", "mean absolute activation")


def states(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def measured(activation: Activation, analysis: MeanActivations = MeanActivations()) -> dict[str, Measurement]:  # noqa: B008
    found = analysis.measure(Snapshot(0, 0.0, "all", {"lstm": activation}), {})
    return {m.quantity: m for m in found}


@given(mask=st.lists(st.booleans(), min_size=20, max_size=20), filler=st.sampled_from([0.0, 1e9, np.nan, np.inf]))
@settings(max_examples=30)
def test_only_what_is_data_counts(mask: list[bool], filler: float) -> None:
    there, values = torch.tensor(mask).reshape(5, 4), states(5, 4, 3)
    found = measured(Activation(torch.where(there[..., None], values, filler), STATES, there))
    kept = np.ma.masked_array(values.double().numpy(), np.broadcast_to(~there[..., None].numpy(), values.shape))
    for name, expected in zip(NAMES, (kept, np.abs(kept)), strict=True):
        np.testing.assert_allclose(found[name].value, expected.mean(axis=(0, 2)).filled(np.nan))
        assert found[name].flags["empty"].tolist() == (~there.any(0)).tolist()
        assert found[name].axes == {"time": [0, 1, 2, 3]} and found[name].subject == {"layer": "lstm"}


def test_padding_counts_where_it_is_asked_for() -> None:
    values, mask = states(5, 4, 3), torch.zeros(5, 4, dtype=torch.bool)
    found = measured(Activation(values, STATES, mask), MeanActivations(padding="as-data"))
    for name, expected in zip(NAMES, (values, values.abs()), strict=True):
        np.testing.assert_allclose(found[name].value, expected.double().numpy().mean((0, 2)))
        assert not found[name].flags["empty"].any()
    with pytest.raises(ValueError, match="masked or as-data, not both"):
        MeanActivations(padding="both")  # type: ignore[arg-type]


def test_networks_side_by_side_have_values_of_their_own() -> None:
    values, mask = states(2, 5, 4, 3), states(5, 4, seed=1) > -0.5
    found = measured(Activation(values, ("replica", *STATES), mask.expand(2, 5, 4)))
    for replica in range(2):
        alone = measured(Activation(values[replica], STATES, mask))
        for name in NAMES:
            np.testing.assert_allclose(np.asarray(found[name].value)[replica], alone[name].value)
    assert found["mean activation"].axes == {"replica": [0, 1], "time": [0, 1, 2, 3]}


def test_half_precision_does_not_overflow() -> None:
    values = torch.full((700, 2, 64), 60000.0, dtype=torch.float16)
    assert measured(Activation(values, STATES))["mean activation"].value == pytest.approx([60000, 60000], rel=1e-3)


def test_layers_without_a_time_axis_are_left_out() -> None:
    assert not measured(Activation(states(5, 3), ("sample", "unit")))


def drawn(*shots: Snapshot, padding: str = "masked", replica: int | None = None) -> dict[str, Curves]:
    analysis = MeanActivations(padding=padding)  # type: ignore[arg-type]
    job = "mean-activations" if padding == "masked" else f"mean-activations:padding={padding}"
    lines = [
        Result(
            segment=1,
            seq=seq,
            job=job,
            step=shot.step,
            epoch=shot.epoch,
            evaluation=shot.evaluation,
            values=[logged(m, Path("unused"), "unused") for m in analysis.measure(shot, {})],
        )
        for seq, shot in enumerate(shots)
    ]
    history = history_of(written(lines, role="analyst", run=written([])))
    figures, failures = build_figures(history if replica is None else of_replica(history, replica))
    assert not failures
    return {figure.name: figure for figure in figures if isinstance(figure, Curves) and figure.screen == "activations"}


def shot(step: int, evaluation: str = "all", replicas: int = 0) -> Snapshot:
    axes = ("replica", *STATES) if replicas else STATES
    values = (1 + step) * states(*([replicas] if replicas else []), 5, 4, 3)
    return Snapshot(step, step / 2, evaluation, {"lstm": Activation(values, axes)})


def test_the_untrained_network_is_drawn_beside_the_newest() -> None:
    (figure,) = drawn(shot(0), shot(1), shot(2)).values()
    assert figure.name == "mean-activations-lstm"
    assert [line.label for line in figure.lines] == ["untrained", "untrained, absolute", "epoch 1", "epoch 1, absolute"]
    assert [line.dashed for line in figure.lines] == [False, True, False, True]
    values = states(5, 4, 3).double().numpy()
    np.testing.assert_allclose(figure.lines[2].y, 3 * values.mean((0, 2)), rtol=1e-5)
    np.testing.assert_allclose(figure.lines[1].y, np.abs(values).mean((0, 2)))
    assert [line.label for line in drawn(shot(4))["mean-activations-lstm"].lines][::2] == ["epoch 2"]


def test_names_tell_evaluation_sets_and_options_apart() -> None:
    assert list(drawn(shot(0), shot(0, "rt"))) == ["mean-activations-lstm", "mean-activations-lstm-rt"]
    assert list(drawn(shot(0), padding="as-data")) == ["mean-activations-lstm-padding-as-data"]


def test_of_networks_side_by_side_the_median_is_drawn_or_one_of_them() -> None:
    (figure,), (alone,) = drawn(shot(0, replicas=3)).values(), drawn(shot(0, replicas=3), replica=1).values()
    each = states(3, 5, 4, 3).double().numpy().mean((1, 3))
    line = figure.lines[0]
    np.testing.assert_allclose(line.y, np.median(each, axis=0))
    np.testing.assert_allclose(line.upper, np.percentile(each, 90, axis=0))
    np.testing.assert_allclose(alone.lines[0].y, each[1])
    assert alone.lines[0].lower is None
