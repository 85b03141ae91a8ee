"""What the information plane measures: layers with channels, and the order of data processing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ibmon import Activation, Estimate, Measurement, Snapshot, Variable
from ibmon.analysis.jobs import Bound, plan
from ibmon.registry import discover
from ibmon_analyses.information_plane import InformationPlane, breaks_order, mean_over_channels
from ibmon_estimators.binning import Binning
from ibmon_estimators.kde import KDE
from ibmon_estimators.renyi import Renyi
from ibmon_estimators.sample_propagation import SamplePropagation

AXES = ("sample", "channel", "height", "width")
TENSORS = ("value", "raw", "lower", "upper", "null", "limit")


def with_random_numbers(estimator: object) -> Bound:
    return Bound(estimator, torch.Generator().manual_seed(7))


def images(*shape: int, seed: int = 0) -> torch.Tensor:
    """Activations as of a convolution with relu, the first channel dead."""
    values = torch.randn(*shape, generator=torch.Generator().manual_seed(seed)).relu()
    values[..., 0, :, :] = 0
    return values


def snapshot(layers: dict[str, Activation], labels: torch.Tensor | None = None) -> Snapshot:
    samples = next(a.values.shape[a.axes.index("sample")] for a in layers.values())
    labels = torch.arange(samples) % 3 if labels is None else labels
    return Snapshot(step=0, epoch=0.0, evaluation="all", layers=layers, identity=torch.arange(samples), targets={"y": labels})


def measured(analysis: InformationPlane, at: Snapshot, estimator: object) -> dict[tuple[str, str], Measurement]:
    """By quantity and layer."""
    found = analysis.measure(at, {"e": with_random_numbers(estimator)})
    return {(m.quantity, m.subject.get("layer", "")): m for m in found}


def alone(estimator: object, values: torch.Tensor, ys: Sequence[Variable]) -> tuple[Estimate, ...]:
    """What an estimator says of one channel (samples, height, width), with random numbers as if it were the first."""
    return with_random_numbers(estimator)(Variable.continuous(values.flatten(1)), ys)


@pytest.mark.parametrize("estimator", [Binning(width=0.5), KDE(variance=0.1, relative=True)], ids=["binning", "kde"])
@pytest.mark.parametrize("replicas", [0, 2])
def test_the_mean_is_that_of_a_loop_over_channels(estimator: object, replicas: int) -> None:
    values = images(*([replicas] if replicas else []), 60, 5, 3, 2)
    ys = [Variable.identity(60), Variable.labels(torch.arange(60) % 3)]
    axes = ("replica", *AXES) if replicas else AXES
    together = mean_over_channels(Activation(values, axes), ys, with_random_numbers(estimator))
    for k, estimate in enumerate(together):
        for r, network in enumerate(values if replicas else values[None]):
            channels = [alone(estimator, network[:, c], ys)[k] for c in range(5)]
            for name in TENSORS:
                own = getattr(channels[0], name)
                assert (own is None) == (getattr(estimate, name) is None), name
                if own is not None:
                    expected = torch.stack([getattr(channel, name) for channel in channels]).double().mean(0)
                    torch.testing.assert_close(getattr(estimate, name).reshape(-1)[r].double(), expected, rtol=0, atol=1e-6)
            for name, raised in estimate.flags.items():
                votes = torch.stack([channel.flags[name] for channel in channels])
                assert bool(raised.reshape(-1)[r]) == (int(votes.sum()) > 2), name


def test_channels_go_into_as_many_calls_as_the_chunk_allows() -> None:
    calls: list[tuple[int, ...]] = []
    activation = Activation(images(40, 5, 2, 2), AXES)
    estimator = with_random_numbers(KDE(permutations=0))

    def counted(x: Variable, ys: Sequence[Variable]) -> tuple[Estimate, ...]:
        calls.append(tuple(x.values.shape))
        return estimator(x, ys)

    ys = [Variable.identity(40), Variable.labels(torch.arange(40) % 2)]
    few = mean_over_channels(activation, ys, counted, chunk=2 * 160)
    one = mean_over_channels(activation, ys, counted, chunk=1)
    every = mean_over_channels(activation, ys, counted)
    assert calls == [(2, 40, 4)] * 2 + [(1, 40, 4)] * 6 + [(5, 40, 4)]
    for other in (few, one):
        for a, b in zip(other, every, strict=True):
            torch.testing.assert_close(a.value, b.value)
            assert {n: bool(f) for n, f in a.flags.items()} == {n: bool(f) for n, f in b.flags.items()}


def test_the_error_of_the_mean_is_that_of_independent_errors_and_a_mean_of_p_values_is_none() -> None:
    ys = [Variable.identity(50), Variable.labels(torch.arange(50) % 2)]
    values = images(50, 4, 2, 2)
    estimator = SamplePropagation(variance=0.1, draws=3, permutations=19)
    together = mean_over_channels(Activation(values, AXES), ys, with_random_numbers(estimator))
    channels = with_random_numbers(estimator)(Variable.continuous(values.movedim(1, 0).flatten(2)), ys)
    for mean, each in zip(together, channels, strict=True):
        assert each.error is not None and mean.error is not None
        assert float(mean.error) == pytest.approx(float(each.error.square().sum().sqrt()) / 4)
    assert channels[1].p_value is not None and together[1].p_value is None


def test_a_mask_over_samples_holds_for_every_channel() -> None:
    values = images(50, 3, 2, 2)
    kept = torch.arange(50) < 30
    ys = [Variable.labels(torch.arange(50) % 3)]
    masked = mean_over_channels(Activation(values, AXES, kept), ys, with_random_numbers(Binning(permutations=0)))
    compressed = [Variable.labels(torch.arange(50)[kept] % 3)]
    plain = mean_over_channels(Activation(values[kept], AXES), compressed, with_random_numbers(Binning(permutations=0)))
    torch.testing.assert_close(masked[0].value, plain[0].value)


def test_ways_differ_where_there_are_channels_and_nowhere_else() -> None:
    layers = {"conv": Activation(images(60, 4, 3, 3), AXES), "dense": Activation(torch.randn(60, 3), ("sample", "unit"))}
    both = [measured(InformationPlane(channels=way), snapshot(layers), Binning(width=0.5)) for way in ("concat", "mean")]
    concat, mean = both
    assert concat.keys() == mean.keys()
    for quantity in ("I(X;T)", "I(T;Y)"):
        assert mean[quantity, "conv"].value < concat[quantity, "conv"].value
        assert mean[quantity, "conv"].subject == {"layer": "conv"}
        assert mean[quantity, "dense"].value == concat[quantity, "dense"].value
    assert concat["I(X;T)", "conv"].value == pytest.approx(np.log2(60))
    with pytest.raises(ValueError, match="concat or mean"):
        InformationPlane(channels="sum")  # type: ignore[arg-type]


def test_both_ways_are_jobs_of_one_run() -> None:
    jobs, problems = plan(discover(), ["kde"], ["information-plane:channels=mean", "information-plane:order=false"])
    planes = {job.name: job.analysis for job in jobs if job.name.startswith("information-plane")}
    assert not problems
    assert planes["information-plane/kde"] == InformationPlane()
    assert planes["information-plane:channels=mean/kde"] == InformationPlane(channels="mean")
    assert planes["information-plane:order=false/kde"] == InformationPlane(order=False)


def test_renyi_with_one_width_takes_the_product_of_the_channels_kernels() -> None:
    """Yu, Wickstrøm, Jenssen & Príncipe 2018, with the matrices, their product and the spectra by hand."""
    values, labels, alpha, sigma = images(40, 3, 2, 2).double(), torch.arange(40) % 3, 1.01, 1.5

    def entropy(kernel: np.ndarray) -> float:
        return float(np.log2((np.linalg.eigvalsh(kernel / np.trace(kernel)).clip(0) ** alpha).sum()) / (1 - alpha))

    product = np.ones((40, 40))
    for channel in values.movedim(1, 0).flatten(2).numpy():
        product *= np.exp(-((channel[:, None] - channel[None]) ** 2).sum(-1) / (2 * sigma**2))
    same = (labels[:, None] == labels[None]).double().numpy()
    found = measured(
        InformationPlane(), snapshot({"conv": Activation(values, AXES)}, labels), Renyi(alpha=alpha, sigma=sigma, permutations=0)
    )
    assert found["I(X;T)", "conv"].value == pytest.approx(entropy(product), abs=1e-9)  # S(A) + log2 N − S(A ∘ I)
    assert found["I(T;Y)", "conv"].value == pytest.approx(entropy(product) + entropy(same) - entropy(product * same), abs=1e-9)
    assert found["I(T;Y)", "conv"].unit == "Renyi bits"


def chain(*layers: torch.Tensor, axes: tuple[str, ...] = ("sample", "unit")) -> dict[str, Activation]:
    return {str(i): Activation(values.float(), axes) for i, values in enumerate(layers, start=1)}


def broken(found: dict[tuple[str, str], Measurement], quantity: str) -> dict[str, list[bool]]:
    """By layer, replica for replica."""
    return {layer: np.ravel(m.flags["order"]).tolist() for (q, layer), m in found.items() if q == quantity}


def test_layers_of_growing_scale_break_the_order_under_a_fixed_width() -> None:
    base = torch.randn(400, 1, generator=torch.Generator().manual_seed(1)).relu()
    labels = (base[:, 0] > 0.5).long()
    layers = chain(base, 4 * base, 2 * base, 0.5 * base)
    found = measured(InformationPlane(), snapshot(layers, labels), Binning(width=0.5))
    assert broken(found, "I(X;T)") == {"1": [False], "2": [True], "3": [True], "4": [False]}
    silent = measured(InformationPlane(order=False), snapshot(layers, labels), Binning(width=0.5))
    assert "order" not in silent["I(X;T)", "2"].flags and silent["I(X;T)", "2"].value == found["I(X;T)", "2"].value


@given(
    start=st.lists(st.integers(0, 40), min_size=2, max_size=60),
    maps=st.lists(st.lists(st.integers(0, 40), min_size=41, max_size=41), min_size=1, max_size=4),
    labels=st.integers(0, 10_000),
)
@settings(max_examples=40)
def test_no_chain_of_discrete_layers_breaks_the_order(start: list[int], maps: list[list[int]], labels: int) -> None:
    layers = [torch.tensor(start)]
    for table in maps:
        layers.append(torch.tensor(table)[layers[-1]])
    y = torch.randint(3, (len(start),), generator=torch.Generator().manual_seed(labels))
    at = snapshot(chain(*(layer[:, None] for layer in layers)), y)
    found = measured(InformationPlane(), at, Binning(width=1.0, permutations=0))
    for quantity in ("I(X;T)", "I(T;Y)"):
        assert not any(flag for flags in broken(found, quantity).values() for flag in flags)


def test_every_replica_and_every_task_has_an_order_of_its_own() -> None:
    codes = torch.arange(16)
    fine, coarse = codes[:, None], (codes // 4)[:, None]
    layers = chain(torch.stack([coarse, fine]), torch.stack([fine, coarse]), axes=("replica", "sample", "unit"))
    at = replace(snapshot(layers), targets={"parity": codes % 2, "quarter": codes // 4})
    found = InformationPlane().measure(at, {"e": with_random_numbers(Binning(width=1.0, permutations=0))})
    flags = {(m.quantity, *m.subject.values()): np.ravel(m.flags["order"]).tolist() for m in found if "layer" in m.subject}
    assert flags["I(X;T)", "1"] == flags["I(T;Y)", "1", "parity"] == [False, False]
    assert flags["I(X;T)", "2"] == flags["I(T;Y)", "2", "parity"] == [True, False]
    assert flags["I(T;Y)", "2", "quarter"] == [False, False]


def test_layers_with_a_time_axis_are_left_out_of_the_order() -> None:
    steps = torch.randn(80, 3, 2, generator=torch.Generator().manual_seed(3))
    layers = {"a": Activation(0.01 * steps, ("sample", "time", "unit")), "c": Activation(steps[:, -1], ("sample", "unit"))}
    found = measured(InformationPlane(), snapshot(layers), Binning(width=0.5))
    assert ("I(X;T)", "a") not in found and ("I(T;Y)", "a") not in found and ("H(X)", "") in found
    assert broken({k: m for k, m in found.items() if k[1] == "c"}, "I(X;T)") == {"c": [False]}


@pytest.mark.parametrize(
    ("excess", "errors", "flagged"),
    [
        (0.04, (None, None), False),
        (0.06, (None, None), True),
        (0.06, (0.001, 0.001), True),
        (0.04, (0.001, 0.001), False),
        (0.27, (0.1, 0.1), False),  # two standard errors of the difference are 0.283
        (0.29, (0.1, 0.1), True),
        (0.19, (0.1, None), False),
        (float("nan"), (None, None), False),
    ],
)
def test_an_excess_counts_beyond_the_tolerance_and_two_standard_errors(
    excess: float, errors: tuple[float | None, float | None], flagged: bool
) -> None:
    tensor = partial(torch.tensor, dtype=torch.float64)
    later, smallest = (
        Estimate(tensor(value), error=None if error is None else tensor(error))
        for value, error in zip((1 + excess, 1.0), errors, strict=True)
    )
    assert bool(breaks_order(later, [Estimate(tensor(3.0)), smallest, Estimate(tensor(2.0))])) is flagged
