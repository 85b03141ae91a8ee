from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from ibmon import IbmonError
from ibmon.capture import evaluate
from ibmon.capture.layers import choose
from ibmon.runs.directory import RunDirectory
from ibmon_recipes.networks import stream
from ibmon_recipes.sequences import GENERATORS, HIGHEST, Network, damien, paper, train
from support import history_of


def drawn(kind: str, samples: int, seed: int) -> Any:
    return GENERATORS[kind](samples, torch.Generator().manual_seed(seed))


@settings(max_examples=25)
@given(st.sampled_from(list(GENERATORS)), st.integers(1, 200), st.integers(0, 2**31))
def test_trends_are_consecutive_integers_and_padding_is_zero(kind: str, samples: int, seed: int) -> None:
    data = drawn(kind, samples, seed)
    assert data.x.shape[::2] == (samples, 1) and data.x.dtype == torch.float32
    assert torch.equal(data.mask.sum(1), data.lengths)
    assert not data.x[~data.mask].any()
    for row, length in zip(data.x[data.trend == 1, :, 0], data.lengths[data.trend == 1], strict=True):
        integers = row[:length].double() * HIGHEST
        assert torch.allclose(integers, integers.round(), atol=1e-3)
        assert torch.equal(integers.round().diff(), torch.ones(int(length) - 1, dtype=torch.float64))
        assert 0 <= integers[0].round() <= HIGHEST - length
    again = drawn(kind, samples, seed)
    assert torch.equal(data.x, again.x) and torch.equal(data.trend, again.trend)


def test_lengths_starts_and_noise_are_distributed_as_described() -> None:
    data = damien(20_000, torch.Generator().manual_seed(1))
    counts = data.lengths.bincount(minlength=21)
    assert not counts[:3].any() and len(counts) == 21
    assert (counts[3:] / 20_000 * 18).sub(1).abs().max() < 0.15, "uniform on 3 to 20"
    assert float(data.trend.float().mean()) == pytest.approx(0.5, abs=0.02)
    trend, noise = data.trend == 1, data.x[data.trend == 0][data.mask[data.trend == 0]]
    starts = data.x[trend, 0, 0] * HIGHEST / (HIGHEST - data.lengths[trend])
    assert float(starts.mean()) == pytest.approx(0.5, abs=0.01) and float(starts.std()) == pytest.approx(12**-0.5, abs=0.01)
    assert noise.min() == 0 and noise.max() == 1
    assert torch.allclose(noise * HIGHEST, (noise * HIGHEST).round(), atol=1e-3)
    assert float(noise.mean()) == pytest.approx(0.5, abs=0.01) and float(noise.std()) == pytest.approx(12**-0.5, abs=0.01)


def test_no_moment_of_a_single_timepoint_tells_the_papers_classes_apart() -> None:
    data = paper(20_000, torch.Generator().manual_seed(2))
    assert set(data.lengths.tolist()) == {10}
    trend, noise = data.x[data.trend == 1, :, 0], data.x[data.trend == 0, :, 0]
    assert (trend.mean(0) - noise.mean(0)).abs().max() < 0.02
    assert (trend.std(0) - noise.std(0)).abs().max() < 0.02
    assert (noise < 0).any() and (noise > 1).any(), "Gaussian: bounded it would be the other generator's"


def test_the_head_reads_the_state_after_the_last_timepoint_that_is_data() -> None:
    model = Network(5, torch.Generator().manual_seed(0))
    data = drawn("damien", 40, 3)
    with torch.no_grad():
        found = model(data.x, data.lengths)
        for x, length, said in zip(data.x, data.lengths, found, strict=True):
            alone = model.lstm(x[None, :length])[0][0, -1]
            assert torch.allclose(said, model.head(alone).softmax(0), atol=1e-6)
        filled = torch.where(data.mask[..., None], data.x, 7.0)
        assert torch.equal(model(filled, data.lengths), found)


def test_the_seed_decides_sequences_weights_and_order(alone: Callable[..., Any]) -> None:
    def weights(seed: int) -> list[Tensor]:
        return list(alone(train, epochs=1, samples=60, eval_samples=20, hidden=4, batch=16, seed=seed).model.parameters())

    first, again, other = weights(0), weights(0), weights(1)
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    assert not any(torch.equal(a, b) for a, b in zip(first, other, strict=True))
    fresh = nn.LSTM(1, 64)
    assert float(Network(64, torch.Generator()).lstm.weight_hh_l0.detach().abs().max()) == pytest.approx(
        float(fresh.weight_hh_l0.detach().abs().max()), rel=0.01
    )


@pytest.mark.parametrize("kind", list(GENERATORS))
def test_states_have_a_time_axis_and_the_mask_of_the_sequences(kind: str, alone: Callable[..., Any]) -> None:
    run = alone(train, generator=kind, epochs=1, samples=30, eval_samples=50, hidden=6, seed=1)
    (data,) = run.watched["evaluation"].values()
    layers, outputs = evaluate.forward(run.model, choose(run.model, run.watched["layers"]), data)
    assert list(layers) == ["lstm", "lstm.c", "output"]
    for name in ("lstm", "lstm.c"):
        layer = layers[name]
        assert layer.axes == ("sample", "time", "unit") and layer.values.shape == (*data.mask.shape, 6)
        assert layer.mask is not None and torch.equal(layer.mask, data.mask)
        assert not layer.values[~data.mask].any()
    assert outputs is not None and torch.equal(outputs.values, layers["output"].values)
    assert torch.allclose(outputs.values.sum(1), torch.ones(50))


def test_a_run_learns_and_its_timepoints_are_measured(measured: Callable[..., RunDirectory]) -> None:
    run = measured(
        lambda m: train(m, generator="damien", epochs=25, lr=0.01, samples=400, eval_samples=200, hidden=16, seed=1),
        estimators=["kde:relative=true,variance=0.1"],
        schedule="every:25epochs",
    )
    history = history_of(run)
    assert not history.failures and not history.disabled
    assert history.scalars["test/accuracy"].value[-1] > 0.6
    assert history.scalars["train/loss"].value[-1] < history.scalars["train/loss"].value[0]
    expected = damien(200, stream("test", 1)).mask.sum(0).tolist()
    for layer in ("lstm", "lstm.c"):
        (states,) = history.select("I(X;H_t)", layer=layer)
        assert states.value.shape[-1] == 20
        (samples,) = history.select("samples", layer=layer)
        assert samples.value[-1].tolist() == expected


@pytest.mark.parametrize("options", [{"samples": 0}, {"eval_samples": 0}, {"hidden": 0}, {"batch": 0}])
def test_nothing_to_train_is_one_sentence(options: dict[str, int], alone: Callable[..., Any]) -> None:
    with pytest.raises(IbmonError, match="1 or more"):
        alone(train, epochs=1, **options)


@pytest.mark.long
def test_adam_learns_the_papers_task_in_200_epochs_and_sgd_does_not(alone: Callable[..., Any]) -> None:
    learned = alone(train)
    assert learned.logged["test"][-1]["accuracy"] >= 0.95
    assert learned.logged["test"][0]["accuracy"] < 0.7
    assert alone(train, optimizer="sgd", epochs=100).logged["test"][-1]["accuracy"] < 0.6
