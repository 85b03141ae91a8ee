"""The bound from a cross-fitted linear probe: known truths, honesty on data without information, and the fits themselves."""

from __future__ import annotations

from math import log2, pi, sqrt
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize

from ibmon import Estimate, Variable
from ibmon_estimators import classifier, logistic
from ibmon_estimators.classifier import Classifier
from ibmon_estimators.logistic import Features, Task, fit, prior


def bound(
    options: Classifier, values: torch.Tensor, labels: torch.Tensor, mask: torch.Tensor | None = None, seed: int = 0
) -> Estimate:
    x = Variable.continuous(values, mask)
    (estimate,) = options(x, [Variable.labels(labels)], rng=torch.Generator().manual_seed(seed))
    return estimate


OPTIONS = [Classifier(), Classifier(folds=3, penalty=1e-2, permutations=2)]


def raw_and_error(estimate: Estimate) -> tuple[float, float]:
    assert estimate.raw is not None and estimate.error is not None
    return float(estimate.raw), float(estimate.error)


def normal(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def of_two_gaussians(distance: float) -> float:
    """I(T; Y) in bits for N(±distance, 1) and two equal classes, by quadrature."""
    grid = np.linspace(-distance - 10, distance + 10, 20001)
    one = np.exp(-((grid - distance) ** 2) / 2) / sqrt(2 * pi)
    return float(1 - np.trapezoid(one * np.log2(1 + np.exp(-2 * distance * grid)), grid))


@pytest.mark.parametrize("distance", [0.2, 0.7, 1.5])
@pytest.mark.parametrize("units", [1, 8])
def test_two_gaussians_are_read_in_full(distance: float, units: int) -> None:
    labels = torch.arange(6000) % 2
    values = normal(6000, units)
    values[:, 0] += distance * (2.0 * labels - 1)
    turned = values @ torch.linalg.qr(normal(units, units, seed=1))[0]
    raw, error = raw_and_error(bound(Classifier(), turned, labels))
    truth = of_two_gaussians(distance)
    # A linear probe is optimal here: what is missing is only what its coefficients do not know.
    assert truth - 3 * error - 0.004 * units < raw < truth + 3 * error
    assert 0 < error < 1 / sqrt(6000)


def test_error_is_the_spread_over_samples() -> None:
    truth, runs = of_two_gaussians(0.8), []
    for seed in range(40):
        labels = torch.arange(600) % 2
        values = normal(600, 1, seed=seed) + 0.8 * (2.0 * labels - 1)[:, None]
        runs.append(raw_and_error(bound(Classifier(penalty=1e-3), values, labels, seed=seed)))
    raw, error = np.array(runs).T
    assert raw.std(ddof=1) == pytest.approx(error.mean(), rel=0.35)
    assert (np.abs(raw - truth) < 2 * error).mean() > 0.8
    assert raw.mean() < truth + 2 * error.mean() / sqrt(40)  # a lower bound in expectation


def test_separable_classes_are_read_nearly_in_full() -> None:
    labels = torch.arange(900) % 3
    values = normal(900, 5) * 0.05 + torch.nn.functional.one_hot(labels, 5)
    estimate = bound(Classifier(), values, labels)
    assert estimate.limit is not None and float(estimate.limit) == pytest.approx(log2(3), abs=1e-12)
    assert 0.99 * log2(3) < float(estimate.value) <= log2(3)
    assert not estimate.flags["unconverged"]


def test_unequal_classes() -> None:
    labels = (torch.arange(2000) % 10 == 0).long()
    values = normal(2000, 2) * 0.05 + labels[:, None]
    estimate = bound(Classifier(), values, labels)
    entropy = -0.1 * log2(0.1) - 0.9 * log2(0.9)
    assert float(estimate.value) == pytest.approx(entropy, abs=0.01) and float(estimate.value) <= entropy


def test_what_is_not_linear_is_not_read() -> None:
    signs = normal(2000, 2).sign()
    labels = (signs.prod(1) > 0).long()
    assert abs(raw_and_error(bound(Classifier(), signs + 0.1 * normal(2000, 2, seed=1), labels))[0]) < 0.01


def test_independent_labels_say_nothing() -> None:
    found: list[float] = []
    for seed in range(20):
        labels = torch.randint(0, 4, (400,), generator=torch.Generator().manual_seed(seed))
        found.append(raw_and_error(bound(Classifier(), normal(400, 10, seed=seed), labels, seed=seed))[0])
    assert np.mean(found) < 0.002 and max(found) < 0.05


@pytest.mark.parametrize("options", [Classifier(), Classifier(penalty=1e-3), Classifier(folds=2), Classifier(folds=40)], ids=str)
def test_more_units_than_samples_leak_nothing(options: Classifier) -> None:
    # Any fit of all samples would be perfect, whatever the labels are.
    labels = torch.randint(0, 2, (120,), generator=torch.Generator().manual_seed(1))
    raw, _ = raw_and_error(bound(options, normal(120, 300), labels))
    assert raw < 0.05


def test_held_out_samples_do_not_touch_what_predicts_them(monkeypatch: pytest.MonkeyPatch) -> None:
    labels, values = torch.arange(200) % 2, normal(200, 3)
    values[:, 1] += 0.7 * labels
    fold = torch.arange(200) % 5
    monkeypatch.setattr(classifier, "_split", lambda codes, folds, seed: (fold, torch.arange(200) % 4 == 0))
    whole = classifier.fit

    def last_fit(targets: torch.Tensor) -> torch.Tensor:
        found: list[torch.Tensor] = []

        def watched(task: Task, *args: Any, **options: Any) -> Any:
            result = whole(task, *args, **options)
            found.append(result.coefficients * task.scales[:, None])
            return result

        with monkeypatch.context() as patched:
            patched.setattr(classifier, "fit", watched)
            bound(Classifier(), values, targets)
        return found[-1]

    for k in range(5):
        first, second = last_fit(labels), last_fit(torch.where(fold == k, 1 - labels, labels))
        torch.testing.assert_close(first[k], second[k], rtol=0, atol=1e-9)
        assert all((first[j] - second[j]).abs().max() > 0.01 for j in range(5) if j != k)


def test_probe_is_the_minimum_that_a_general_optimiser_finds() -> None:
    generator = torch.Generator().manual_seed(0)
    values, labels = normal(150, 6) @ normal(6, 6, seed=1), torch.randint(0, 4, (150,), generator=generator)
    values[:, 0] += labels
    features = Features.of(values)
    members = torch.rand(3, 150, generator=generator, dtype=torch.float64) < 0.7
    scales = classifier._scales(features, members)
    task = Task(features, scales, labels, 4, classifier._equal(members))
    penalties = torch.tensor([1e-1, 1e-2, 1e-4], dtype=torch.float64)
    found = fit(task, penalties, prior(task), steps=300, tolerance=1e-13)
    assert found.converged.all()
    for p in range(3):
        rows = values[members[p]]
        standard = ((rows - rows.mean(0)) / rows.std(0, correction=0)).numpy()
        codes = labels[members[p]].numpy()

        def loss(
            flat: np.ndarray, x: np.ndarray = standard, y: np.ndarray = codes, penalty: float = float(penalties[p])
        ) -> float:
            w = flat.reshape(4, 7)
            logits = x @ w[:, :6].T + w[:, 6]
            normaliser = np.log(np.exp(logits - logits.max(1, keepdims=True)).sum(1)) + logits.max(1)
            return float((normaliser - logits[np.arange(len(y)), y]).mean() + penalty / 2 * (w[:, :6] ** 2).sum())

        expected = minimize(loss, np.zeros(28), method="BFGS", options={"gtol": 1e-7})
        coefficients = found.coefficients[p]
        np.testing.assert_allclose(coefficients[:, :6], expected.x.reshape(4, 7)[:, :6], atol=2e-3)
        mean = (task.losses(found.logits)[p] * task.weights[p]).sum()
        assert float(mean + penalties[p] / 2 * coefficients[:, :6].square().sum()) == pytest.approx(expected.fun, abs=1e-8)


def test_blocks_and_groups_make_no_difference(monkeypatch: pytest.MonkeyPatch) -> None:
    labels = torch.arange(150) % 3
    values = normal(150, 4) + labels[:, None]
    expected = {options: raw_and_error(bound(options, values, labels)) for options in OPTIONS}
    for module, name, value in (
        (logistic, "_LOGITS", 100),
        (logistic, "_ENTRIES", 64),
        (logistic, "_KEPT", 0),
        (logistic, "_WIDEST", 2),
        (logistic, "_REMEMBERED", 1),
        (classifier, "_LOGITS", 1000),
        (classifier, "_COEFFICIENTS", 1),
    ):
        with monkeypatch.context() as patched:
            patched.setattr(module, name, value)
            for options in OPTIONS:
                # Other first Hessians and histories take other steps to the same minimum, if the penalty is the same.
                steps = name in ("_WIDEST", "_REMEMBERED")
                within = (2e-3 if options.penalty is None else 1e-4) if steps else 1e-9
                assert raw_and_error(bound(options, values, labels)) == pytest.approx(expected[options], abs=within), name


def test_the_penalty_is_chosen_as_well_as_by_hindsight() -> None:
    for units, signal in ((3, 3.0), (60, 0.5)):
        labels = torch.arange(500) % 2
        values = normal(500, units)
        values[:, 0] += signal * labels
        best = max(raw_and_error(bound(Classifier(penalty=10.0**k), values, labels))[0] for k in range(-5, 2))
        assert raw_and_error(bound(Classifier(), values, labels))[0] > best - 0.03


def test_many_and_rare_classes() -> None:
    labels = torch.arange(1200) % 200
    values = normal(200, 40)[labels] * 3 + normal(1200, 40, seed=1) * 0.1
    estimate = bound(Classifier(), values, labels * 10**12 - 7)
    assert estimate.limit is not None and float(estimate.limit) == pytest.approx(log2(200), abs=1e-9)
    assert float(estimate.value) > 6.5
    once = torch.cat([torch.arange(300) % 2, torch.arange(2, 12)])  # ten labels that occur once
    raw, _ = raw_and_error(bound(Classifier(), normal(310, 3), once))
    assert -0.5 < raw < 0.05
    raw, _ = raw_and_error(bound(Classifier(), normal(60, 3), torch.arange(60)))  # all of them
    assert -10 < raw <= 1e-9


def batch_and_mask(samples: int = 60) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    labels = torch.randint(-1, 3, (2, 3, samples), generator=generator)
    values = torch.tanh(torch.randn(2, 3, samples, 4, generator=generator) + 0.5 * labels[..., None])
    mask = torch.rand(2, 3, samples, generator=generator) < 0.7
    return values, labels, mask


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_batched_equals_looped_and_masked_equals_compressed(options: Classifier) -> None:
    values, labels, mask = batch_and_mask()
    padded = values.masked_fill(~mask[..., None], torch.nan)  # what is masked must not matter
    whole, masked = bound(options, values, labels), bound(options, padded, labels, mask)
    for a in range(2):
        for b in range(3):
            keep = mask[a, b]
            one = bound(options, values[a, b], labels[a, b])
            compressed = bound(options, values[a, b][keep], labels[a, b][keep])
            for batched, single in ((whole, one), (masked, compressed)):
                for name in ("value", "raw", "error", "limit"):
                    torch.testing.assert_close(getattr(batched, name)[a, b], getattr(single, name), rtol=0, atol=1e-9)
                flags = {n: bool(f) for n, f in single.flags.items() if n != "label_saturated"}  # which is of the null
                assert flags == {n: bool(batched.flags[n][a, b]) for n in flags}
            if options.permutations:
                assert whole.null is not None and one.null is not None
                torch.testing.assert_close(whole.null[a, b], one.null, rtol=0, atol=1e-9)


def test_a_mask_of_the_labels_counts_too_and_estimates_do_not_depend_on_each_other() -> None:
    values, labels, mask = batch_and_mask()
    values, labels, mask = values[0], labels[0], mask[0]
    x = Variable.continuous(values)
    ys = [Variable.labels(labels, mask), Variable.identity(60), Variable.labels(labels[0]), Variable.labels(labels % 2)]
    together = Classifier()(x, ys, rng=torch.Generator().manual_seed(0))
    torch.testing.assert_close(together[0].value, bound(Classifier(), values, labels, mask).value)
    for found, y in zip(together, ys, strict=True):
        (alone,) = Classifier()(x, [y], rng=torch.Generator().manual_seed(0))
        torch.testing.assert_close(found.value, alone.value)


def test_scale_and_offset_of_units_do_not_matter() -> None:
    values, labels, _ = batch_and_mask(200)
    values, labels = values[0, 0].double(), labels[0, 0]
    expected = raw_and_error(bound(Classifier(), values, labels))
    scales = torch.tensor([1.0, 1e9, 1e-9, -3.0], dtype=torch.float64)
    for moved in (
        values * 1e9,
        values * 1e-9,
        values * 1e-200,
        values * 1e200,
        values * scales,
        values + 1e6,
        values * scales - 10,
    ):
        found = raw_and_error(bound(Classifier(), moved, labels))
        assert found == pytest.approx(expected, abs=1e-6)
    assert raw_and_error(bound(Classifier(), values + 1e8, labels)) == pytest.approx(expected, abs=1e-5)


def test_names_of_classes_and_constant_units_do_not_matter() -> None:
    values, labels, _ = batch_and_mask(200)
    values, labels = values[0, 0], labels[0, 0]
    expected = raw_and_error(bound(Classifier(penalty=1e-2), values, labels))
    more = torch.cat([values, torch.full((200, 3), 0.1)], 1)
    assert raw_and_error(bound(Classifier(penalty=1e-2), more, labels)) == pytest.approx(expected, abs=1e-7)
    assert raw_and_error(bound(Classifier(penalty=1e-2), values, labels * 10**9 - 4)) == pytest.approx(expected, abs=1e-9)
    twice = raw_and_error(bound(Classifier(penalty=1e-2), values.repeat(1, 2), labels))  # units that are copies
    assert twice[0] == pytest.approx(expected[0], abs=0.02)


def test_folds_matter_little() -> None:
    values, labels, _ = batch_and_mask(1000)
    values, labels = values[0, 0], labels[0, 0]
    first = bound(Classifier(), values, labels)
    raw, error = raw_and_error(first)
    assert torch.equal(first.value, bound(Classifier(), values, labels).value)
    order = torch.randperm(1000, generator=torch.Generator().manual_seed(0))
    for other in (bound(Classifier(), values, labels, seed=1), bound(Classifier(), values[order], labels[order])):
        assert raw_and_error(other)[0] != raw
        assert raw_and_error(other)[0] == pytest.approx(raw, abs=error)


def test_threads_do_not_matter() -> None:
    values, labels, _ = batch_and_mask(400)
    threads = torch.get_num_threads()
    try:
        found = []
        for number in (1, 2):
            torch.set_num_threads(number)
            found.append(raw_and_error(bound(Classifier(), values[0, 0], labels[0, 0])))
    finally:
        torch.set_num_threads(threads)
    assert found[0] == pytest.approx(found[1], abs=1e-6)


def test_permuted_labels_give_a_null_that_is_not_above_nothing() -> None:
    labels = torch.arange(300) % 2
    values = normal(300, 5)
    options = Classifier(permutations=19, penalty=1e-2)
    nothing, something = bound(options, values, labels), bound(options, values + 0.5 * labels[:, None], labels)
    for estimate in (nothing, something):
        assert estimate.null is not None and float(estimate.null) < 0
        assert not estimate.flags["label_saturated"]
    assert something.p_value is not None and float(something.p_value) == pytest.approx(1 / 20)
    assert nothing.p_value is not None and float(nothing.p_value) > 0.05
    assert bound(Classifier(), values, labels).null is None


@settings(max_examples=25)
@given(st.integers(0, 2**32 - 1), st.integers(1, 40), st.integers(1, 5), st.integers(1, 6), st.booleans())
def test_invariants(seed: int, samples: int, units: int, classes: int, discrete: bool) -> None:
    generator = torch.Generator().manual_seed(seed)
    values = torch.randn(samples, units, generator=generator)
    values = values.round() if discrete else values
    labels = torch.randint(0, classes, (samples,), generator=generator)
    estimate = bound(Classifier(), values, labels, seed=seed)
    raw, error = raw_and_error(estimate)
    assert estimate.limit is not None
    assert 0 <= float(estimate.value) <= float(estimate.limit)
    # A prediction is mixed with the uniform one, so that no loss exceeds this.
    assert float(estimate.limit) - log2(classes * (samples + 1)) <= raw <= float(estimate.limit)
    assert 0 <= error < 20


def test_identity_is_answered_honestly() -> None:
    values = normal(50, 3).repeat(2, 1)
    (found,) = Classifier()(Variable.continuous(values), [Variable.identity(values)], rng=torch.Generator())
    assert float(found.value) == pytest.approx(log2(50), abs=1e-12)
    assert found.flags["deterministic"] and found.flags["saturated"]


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_constant_layer_one_sample_one_class_and_no_data(options: Classifier) -> None:
    labels = torch.arange(40) % 2
    constant = bound(options, torch.full((40, 3), 0.3), labels)
    assert raw_and_error(constant) == (0, 0) and constant.flags["constant"]
    assert float(bound(options, torch.zeros(40, 0), labels).value) == 0
    alone = bound(options, torch.full((1, 3), 0.3), labels[:1])
    assert raw_and_error(alone) == (0, 0) and alone.flags["few_samples"]
    assert raw_and_error(bound(options, normal(40, 3), torch.full((40,), 7))) == (0, 0)
    for few in (2, 3, 4, 5):
        estimate = bound(options, normal(few, 3), labels[:few])
        assert 0 <= float(estimate.value) <= 1 and torch.isfinite(estimate.raw if estimate.raw is not None else estimate.value)
    hidden = bound(options, torch.zeros(40, 3), labels, torch.zeros(40, dtype=torch.bool))
    for estimate in (hidden, bound(options, torch.zeros(0, 3), labels[:0])):
        assert estimate.value.isnan() and estimate.flags["empty"]
    assert bound(options, torch.zeros(0, 40, 3), labels).value.shape == (0,)


def test_nonfinite_values_are_flagged_and_spare_the_rest_of_the_batch() -> None:
    values, labels, _ = batch_and_mask()
    values = values.double()
    before = bound(Classifier(), values, labels)
    values[0, 1, 5, 0], values[1, 2, 3, 1], values[1, 1, :2, 0] = torch.nan, torch.inf, torch.tensor([1.7e308, -1.7e308])
    bad = torch.zeros(2, 3, dtype=torch.bool)
    bad[0, 1] = bad[1, 2] = bad[1, 1] = True
    found = bound(Classifier(), values, labels)
    assert torch.equal(found.flags["nonfinite"], bad)
    assert torch.equal(found.value.isnan(), bad)
    torch.testing.assert_close(found.value[~bad], before.value[~bad], rtol=0, atol=1e-12)


def test_flags_say_unconverged_and_few_samples() -> None:
    values, labels, _ = batch_and_mask()
    values, labels = values[0, 0], labels[0, 0]
    assert bound(Classifier(steps=1, penalty=1e-4), values, labels).flags["unconverged"]
    assert not bound(Classifier(), values, labels).flags["unconverged"]
    assert bound(Classifier(), values[:49], labels[:49]).flags["few_samples"]
    assert not bound(Classifier(), values, labels).flags["few_samples"]


def test_half_types_and_integers_are_taken() -> None:
    values = torch.randint(-3, 3, (100, 2), generator=torch.Generator().manual_seed(0))
    labels = (values[:, 0] > 0).long()
    expected = bound(Classifier(), values.double(), labels)
    for dtype in (torch.bfloat16, torch.float16, torch.float32, torch.int32):
        assert float(bound(Classifier(), values.to(dtype), labels).value) == pytest.approx(float(expected.value), abs=1e-9)


def test_inputs_and_random_state_are_left_alone() -> None:
    values, labels, mask = batch_and_mask()
    copies, state = (values.clone(), labels.clone(), mask.clone()), torch.get_rng_state()
    for options in OPTIONS:
        bound(options, values, labels, mask)
    for now, before in zip((values, labels, mask), copies, strict=True):
        assert torch.equal(now, before)
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"folds": 1}, "folds must be at least 2"),
        ({"penalty": 0.0}, "penalty must be positive"),
        ({"permutations": -1}, "permutations must be 0 or more"),
        ({"steps": 0}, "steps must be at least 1"),
        ({"tolerance": 0.0}, "tolerance must be positive"),
    ],
)
def test_wrong_options_are_refused(options: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=f"^classifier: {said}"):
        Classifier(**options)


def test_wrong_variables_are_refused() -> None:
    x = Variable.continuous(torch.randn(10, 2))
    with pytest.raises(ValueError, match="not continuous"):
        Classifier()(x, [x], rng=torch.Generator())
    with pytest.raises(ValueError, match="not for labels"):
        Classifier()(Variable.labels(torch.arange(10)), [Variable.identity(10)], rng=torch.Generator())
    with pytest.raises(ValueError, match="do not fit"):
        Classifier()(x, [Variable.labels(torch.arange(9))], rng=torch.Generator())
