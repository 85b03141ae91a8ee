"""Penalties against their closed forms, torch's own distributions and layers, and numerical gradients."""

from __future__ import annotations

import re
import subprocess
import sys
from math import isnan, log
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.autograd import gradcheck
from torch.distributions import Categorical, Independent, MultivariateNormal, Normal, kl_divergence

import ibmon.penalties
from ibmon.penalties import activation_norm, bayesian_information, bayesian_lstm, confidence, eta, gp_kl, vib_kl

TOKENS, UNITS = 6, 9
SCALES = st.floats(0.1, 10)
SEEDS = st.integers(0, 2**31)


def drawn(*shape: int, seed: int = 0, spread: float = 1.0, grad: bool = False) -> Tensor:
    values = spread * torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return values.requires_grad_(grad)


def spread_out() -> Tensor:
    """Activations (TOKENS, UNITS) whose covariance K̂ is I: orthogonal tokens of the squared norm K."""
    return torch.linalg.qr(drawn(UNITS, TOKENS)).Q.mT * UNITS**0.5


# One entry a penalty: what makes it of (..., units), with everything else fixed.
ALL = {
    "l1": lambda v, m=None: activation_norm(v, norm="l1", mask=m),
    "l2": lambda v, m=None: activation_norm(v, mask=m),
    "linf": lambda v, m=None: activation_norm(v, norm="linf", mask=m),
    "vib mean": lambda v, m=None: vib_kl(v, drawn(UNITS, seed=5), mask=m),
    "vib variance": lambda v, m=None: vib_kl(torch.ones_like(v), v, mask=m),
    "gp": lambda v, m=None: gp_kl(v, noise=0.01, mask=m),
    "bayesian": lambda v, m=None: bayesian_information(v, drawn(UNITS, seed=5), beta=0.3, mask=m),
    "confidence": lambda v, m=None: confidence(v, mask=m),
}
each = pytest.mark.parametrize("penalty", ALL.values(), ids=ALL)


def test_norms_of_known_activations() -> None:
    phi = torch.tensor([[3.0, -4.0], [0.0, 1.0]])
    assert activation_norm(phi).item() == (25 + 1) / 2
    assert activation_norm(phi, norm="l1").item() == (7 + 1) / 2
    assert activation_norm(phi, norm="linf").item() == (4 + 1) / 2


@settings(max_examples=15)
@given(SCALES, SEEDS)
def test_scaling_a_layer_scales_its_norms_and_the_square_twice(scale: float, seed: int) -> None:
    phi = drawn(TOKENS, UNITS, seed=seed)
    for norm, power in (("l1", 1), ("l2", 2), ("linf", 1)):
        expected = scale**power * activation_norm(phi, norm=norm)
        torch.testing.assert_close(activation_norm(scale * phi, norm=norm), expected)


@settings(max_examples=15)
@given(st.floats(0, 1), st.integers(1, 50), st.integers(1, 20), SEEDS)
def test_each_convention_of_eta_is_its_sum_over_tokens(value: float, n: int, k: int, seed: int) -> None:
    phi = drawn(n, k, seed=seed)
    total, covariance = phi.square().sum(), (phi / k**0.5) @ (phi / k**0.5).mT
    for convention, penalty in (("sum", total), ("n_over_k", n / k * total), ("one_over_k", covariance.trace())):
        weighted = eta(value, convention, n=n, k=k) * activation_norm(phi)
        torch.testing.assert_close(n * weighted, value * penalty)


@each
def test_the_mean_is_over_tokens_of_any_shape(penalty: Any) -> None:
    values = drawn(2, 3, UNITS)
    flat = penalty(values.reshape(-1, UNITS))
    assert flat.shape == () and not flat.isnan()
    torch.testing.assert_close(penalty(values), flat)


@each
@settings(max_examples=15)
@given(st.lists(st.booleans(), min_size=TOKENS, max_size=TOKENS).filter(any), SEEDS)
def test_what_is_masked_counts_for_nothing_whatever_it_is(penalty: Any, kept: list[bool], seed: int) -> None:
    values, mask = drawn(2, 3, UNITS, seed=seed), torch.tensor(kept).reshape(2, 3)
    values[~mask] = torch.nan
    values.requires_grad_()
    masked = penalty(values, mask)
    torch.testing.assert_close(masked, penalty(values[mask]))
    (gradient,) = torch.autograd.grad(masked, values)
    assert (gradient[~mask] == 0).all() and gradient[mask].isfinite().all()


@each
def test_gradients_are_those_of_the_values(penalty: Any) -> None:
    values = drawn(2, 3, UNITS, grad=True)
    mask = torch.tensor([[True, True, False], [True, False, True]])
    assert gradcheck(penalty, (values,)) and gradcheck(lambda v: penalty(v, mask), (values,))


@each
def test_half_precision_loses_nothing(penalty: Any) -> None:
    values = drawn(TOKENS, UNITS, spread=2)
    for dtype in (torch.float16, torch.bfloat16):
        few = values.to(dtype)
        torch.testing.assert_close(penalty(few).double(), penalty(few.double()), rtol=1e-5, atol=1e-6)
    assert activation_norm(torch.full((1, 4), 3e4, dtype=torch.float16)).item() == pytest.approx(4 * 3e4**2, rel=1e-3)


@settings(max_examples=15)
@given(SEEDS)
def test_the_variational_bottleneck_is_the_divergence_of_gaussians(seed: int) -> None:
    mean, log_variance = drawn(4, TOKENS, UNITS, seed=seed), drawn(4, TOKENS, UNITS, seed=seed + 1)
    layer = Independent(Normal(mean, (0.5 * log_variance).exp()), 1)
    prior = Independent(Normal(torch.zeros_like(mean), torch.ones_like(mean)), 1)
    torch.testing.assert_close(vib_kl(mean, log_variance), kl_divergence(layer, prior).mean())


@settings(max_examples=15)
@given(st.floats(0, 10), SEEDS)
def test_its_mean_part_is_the_activation_norm_at_half_of_beta(beta: float, seed: int) -> None:
    mean, log_variance = drawn(TOKENS, UNITS, seed=seed), drawn(UNITS, seed=seed + 1)
    variance_part = vib_kl(torch.zeros_like(mean), log_variance)
    torch.testing.assert_close(beta * (vib_kl(mean, log_variance) - variance_part), beta / 2 * activation_norm(mean))
    unit = torch.zeros(UNITS, dtype=torch.float64)
    torch.testing.assert_close(beta * vib_kl(mean, unit), beta / 2 * activation_norm(mean))


def test_the_divergence_is_exact_next_to_the_prior() -> None:
    near = torch.full((1,), 1e-4)  # single precision: σ² − 1 − ln σ² as written would be rounding
    assert vib_kl(torch.zeros(1, 1), near).item() == pytest.approx(1e-8 / 4, rel=1e-3)


@pytest.mark.parametrize(("tokens", "units", "noise"), [(6, 9, 0.0), (6, 6, 0.5), (9, 6, 0.1), (12, 1, 2.0), (1, 1, 0.0)])
def test_the_process_is_the_divergence_of_its_tokens(tokens: int, units: int, noise: float) -> None:
    phi = drawn(tokens, units)
    identity = torch.eye(tokens, dtype=torch.float64)
    process = MultivariateNormal(torch.zeros(tokens, dtype=torch.float64), phi @ phi.mT / units + noise * identity)
    prior = MultivariateNormal(torch.zeros(tokens, dtype=torch.float64), identity)
    torch.testing.assert_close(tokens * gp_kl(phi, noise=noise), kl_divergence(process, prior))
    torch.testing.assert_close(gp_kl(phi.float(), noise=noise).double(), gp_kl(phi, noise=noise), rtol=1e-4, atol=1e-5)


@settings(max_examples=15)
@given(SCALES)
def test_the_divergence_is_least_where_tokens_are_told_apart_and_the_penalty_at_zero(scale: float) -> None:
    phi = spread_out()
    torch.testing.assert_close(gp_kl(scale * phi).item(), (scale**2 - 1 - 2 * log(scale)) / 2, rtol=1e-9, atol=1e-12)
    assert activation_norm(scale * phi) > activation_norm(torch.zeros_like(phi)) == 0


@settings(max_examples=15)
@given(SEEDS, st.floats(0.01, 1))
def test_no_step_away_from_the_identity_lowers_the_divergence(seed: int, size: float) -> None:
    phi = spread_out().requires_grad_()
    least = gp_kl(phi)
    (gradient,) = torch.autograd.grad(least, phi)
    assert abs(least.item()) < 1e-12 and gradient.abs().max() < 1e-12
    assert gp_kl(phi.detach() + drawn(TOKENS, UNITS, seed=seed, spread=size)) > least


def test_shrinking_lowers_the_penalty_and_raises_the_divergence() -> None:
    scales = (1.0, 0.5, 0.1, 0.01)
    penalties = [activation_norm(s * spread_out()).item() for s in scales]
    divergences = [gp_kl(s * spread_out()).item() for s in scales]
    assert penalties == sorted(penalties, reverse=True) and divergences == sorted(divergences)


@settings(max_examples=15)
@given(SCALES)
def test_the_trace_of_the_process_is_the_norm_over_twice_the_units(factor: float) -> None:
    """Layers of the same log-determinant differ by their trace alone: one token longer, another shorter by the same factor."""
    plain, stretched = spread_out(), spread_out()
    stretched[0] *= factor
    stretched[1] /= factor
    gap = (activation_norm(stretched) - activation_norm(plain)) / (2 * UNITS)
    torch.testing.assert_close(gp_kl(stretched) - gp_kl(plain), gap)


def test_tokens_alike_are_told_apart_by_noise_only() -> None:
    phi = drawn(1, UNITS).expand(3, UNITS)
    with pytest.raises(ValueError, match="singular or not finite"):
        gp_kl(torch.zeros(3, UNITS))
    assert gp_kl(phi, noise=1e-6) > gp_kl(phi, noise=1e-3) > 0


@settings(max_examples=15)
@given(SEEDS)
def test_confidence_is_the_negative_entropy(seed: int) -> None:
    logits = drawn(TOKENS, UNITS, seed=seed, spread=3)
    torch.testing.assert_close(confidence(logits), -Categorical(logits=logits).entropy().mean())
    torch.testing.assert_close(confidence(logits + 7), confidence(logits))


def test_confidence_is_least_where_nothing_is_preferred_and_zero_where_all_is_certain() -> None:
    assert confidence(torch.zeros(TOKENS, UNITS)).item() == pytest.approx(-log(UNITS))
    certain = torch.tensor([[1e4, 0.0, 0.0]], requires_grad=True)
    confidence(certain).backward()
    assert confidence(certain).item() == 0 and certain.grad is not None and (certain.grad == 0).all()


def test_classes_that_cannot_be_count_for_nothing() -> None:
    logits = drawn(TOKENS, 4, grad=True)
    shut = torch.cat([logits, torch.full((TOKENS, 2), -torch.inf, dtype=torch.float64)], 1)
    torch.testing.assert_close(confidence(shut), confidence(logits))
    (gradient,) = torch.autograd.grad(confidence(shut), logits)
    torch.testing.assert_close(gradient, torch.autograd.grad(confidence(logits), logits)[0])


@settings(max_examples=15)
@given(st.floats(0, 10), SEEDS)
def test_the_bayesian_penalty_is_the_divergence_weighted(beta: float, seed: int) -> None:
    mean, log_variance = drawn(2, 3, UNITS, seed=seed), drawn(UNITS, seed=seed + 1)
    torch.testing.assert_close(bayesian_information(mean, log_variance, beta=beta), beta * vib_kl(mean, log_variance))


def test_the_cost_that_is_documented_for_512_units() -> None:
    cost = bayesian_information(torch.zeros(1, 512), torch.full((512,), 2 * log(0.5)))
    assert round(cost.item()) == 163 and round(log(10_000)) == 9


def lstm(seed: int = 0) -> tuple[nn.LSTMCell, nn.LSTM, Tensor]:
    torch.manual_seed(seed)
    cell, layer = nn.LSTMCell(4, UNITS), nn.LSTM(4, UNITS, batch_first=True)
    layer.load_state_dict({f"{name}_l0": value for name, value in cell.state_dict().items()})
    return cell, layer, torch.randn(3, 7, 4)


@pytest.mark.parametrize("carried", [False, True])
def test_without_noise_the_states_are_those_of_the_lstm(carried: bool) -> None:
    cell, layer, inputs = lstm()
    state = (torch.randn(3, UNITS), torch.randn(3, UNITS)) if carried else None
    output, (h, c) = layer(inputs, None if state is None else tuple(part[None] for part in state))
    found = bayesian_lstm(cell, inputs, torch.zeros(UNITS), state=state, sample=False)
    torch.testing.assert_close(found.h, output)
    assert torch.equal(found.mean, found.h)
    torch.testing.assert_close(found.h[:, -1], h[0])
    torch.testing.assert_close(found.c[:, -1], c[0])
    through_time = torch.autograd.grad(found.h.square().sum(), cell.weight_hh)
    torch.testing.assert_close(through_time, torch.autograd.grad(output.square().sum(), layer.weight_hh_l0))
    silent = bayesian_lstm(cell, inputs, torch.full((UNITS,), -torch.inf), state=state)
    torch.testing.assert_close(silent.h, output)


def test_states_are_drawn_around_their_mean_and_handed_on_as_drawn() -> None:
    cell, _, _ = lstm()
    deviation = torch.linspace(0.1, 2, UNITS)
    inputs = torch.randn(4000, 3, 4, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        found = bayesian_lstm(cell, inputs, 2 * deviation.log(), rng=torch.Generator().manual_seed(2))
        next_mean, next_c = cell(inputs[:, 2], (found.h[:, 1], found.c[:, 1]))
    noise = (found.h - found.mean).flatten(0, 1)
    torch.testing.assert_close(noise.std(0), deviation, rtol=0.05, atol=0)
    assert (noise.mean(0).abs() < 0.05 * deviation).all()
    torch.testing.assert_close(found.mean[:, 2], next_mean)
    torch.testing.assert_close(found.c[:, 2], next_c)


def test_a_sequence_in_two_parts_is_the_sequence() -> None:
    cell, _, inputs = lstm()
    quiet, rng = torch.zeros(UNITS), torch.Generator().manual_seed(3)
    whole = bayesian_lstm(cell, inputs, quiet, rng=torch.Generator().manual_seed(3))
    first = bayesian_lstm(cell, inputs[:, :4], quiet, rng=rng)
    rest = bayesian_lstm(cell, inputs[:, 4:], quiet, state=(first.h[:, -1], first.c[:, -1]), rng=rng)
    torch.testing.assert_close(torch.cat([first.h, rest.h], 1), whole.h)


def test_a_generator_draws_the_same_and_leaves_the_global_one_alone() -> None:
    cell, _, inputs = lstm()
    before = torch.get_rng_state()
    one, two = (bayesian_lstm(cell, inputs, torch.zeros(UNITS), rng=torch.Generator().manual_seed(4)) for _ in range(2))
    assert torch.equal(one.h, two.h) and torch.equal(torch.get_rng_state(), before)


def test_cell_and_variance_learn_from_the_penalty() -> None:
    cell, _, inputs = lstm()
    log_variance = nn.Parameter(torch.full((UNITS,), -3.0))
    optimizer = torch.optim.Adam([*cell.parameters(), log_variance], lr=0.1)
    costs: list[float] = []
    for _ in range(150):
        found = bayesian_lstm(cell, inputs, log_variance)
        cost = bayesian_information(found.mean, log_variance)
        optimizer.zero_grad()
        cost.backward()
        optimizer.step()
        costs.append(cost.item())
    assert costs[-1] < 0.02 * costs[0], "with nothing to predict, μ goes to 0 and σ to 1"
    assert log_variance.detach().abs().max() < 0.1


def test_a_weighted_norm_shrinks_what_a_training_says() -> None:
    """The penalty in a training's loss: the same network, data and steps, with it and without."""
    norms: list[float] = []
    for weight in (0.0, eta(0.5, n=64, k=UNITS)):
        torch.manual_seed(0)
        layer, projection = nn.Linear(5, UNITS), nn.Linear(UNITS, 3)
        x, y = torch.randn(64, 5), torch.randint(3, (64,))
        optimizer = torch.optim.SGD([*layer.parameters(), *projection.parameters()], lr=0.1)
        for _ in range(100):
            phi = layer(x).tanh()
            loss = nn.functional.cross_entropy(projection(phi), y) + weight * activation_norm(phi)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        norms.append(activation_norm(layer(x).tanh()).item())
    assert norms[1] < 0.5 * norms[0]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: activation_norm(drawn(3, 2), norm="l3"), "the norm is l1, l2 or linf, not 'l3'"),
        (lambda: activation_norm(torch.ones(3, 2, dtype=torch.int64)), "phi is real numbers"),
        (lambda: activation_norm(torch.tensor(1.0)), "phi is real numbers"),
        (lambda: activation_norm(drawn(3, 0)), "phi has no token"),
        (lambda: activation_norm(drawn(0, 3)), "phi has no token"),
        (lambda: activation_norm(drawn(3, 2), mask=torch.zeros(3, dtype=torch.bool)), "phi has no token"),
        (lambda: activation_norm(drawn(3, 2), mask=torch.ones(3)), "the mask of phi is torch.float32"),
        (lambda: confidence(drawn(3, 2), mask=torch.ones(3, 2, dtype=torch.bool)), "the mask of logits"),
        (lambda: eta(-1, "sum", n=1, k=1), "eta is a finite weight"),
        (lambda: eta(float("nan"), "sum", n=1, k=1), "eta is a finite weight"),
        (lambda: eta(1, "sum", n=0, k=1), "at least one token and one unit"),
        (lambda: eta(1, "mean", n=1, k=1), "the convention of eta is"),
        (lambda: vib_kl(drawn(3, 2), drawn(3)), r"\(3,\) does not expand to the mean's \(3, 2\)"),
        (lambda: vib_kl(drawn(2), drawn(3, 2)), "does not expand"),
        (lambda: gp_kl(drawn(3, 2)), "3 tokens of 2 units have a singular covariance: give a noise"),
        (lambda: gp_kl(drawn(3, 2), noise=-1), "finite variance of 0 or more"),
        (lambda: gp_kl(torch.full((2, 3), torch.nan), noise=1), "singular or not finite"),
        (lambda: bayesian_information(drawn(3, 2), drawn(2), beta=-1), "beta is a finite weight"),
        (lambda: bayesian_information(drawn(3, 2), drawn(3, 2)), r"log_variance is of each unit, \(2,\)"),
        (lambda: bayesian_lstm(nn.LSTMCell(4, 5), torch.ones(3, 4), torch.zeros(5)), r"inputs are \(samples, time, 4\)"),
        (lambda: bayesian_lstm(nn.LSTMCell(4, 5), torch.ones(3, 0, 4), torch.zeros(5)), "with a timepoint"),
        (lambda: bayesian_lstm(nn.LSTMCell(4, 5), torch.ones(3, 2, 4), torch.zeros(1)), r"of each unit, \(5,\)"),
        (
            lambda: bayesian_lstm(nn.LSTMCell(4, 5), torch.ones(3, 2, 4), torch.zeros(5), state=(torch.ones(2, 5),) * 2),
            r"the state is h and c of \(3, 5\)",
        ),
    ],
)
def test_what_cannot_be_a_penalty_is_refused_in_one_sentence(call: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message) as raised:
        call()
    assert "\n" not in str(raised.value)


def test_the_names_are_resolved_when_they_are_used() -> None:
    code = "import sys, ibmon.penalties as p; assert 'torch' not in sys.modules; p.confidence; assert 'torch' in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
    assert all(getattr(ibmon.penalties, name) is not None for name in ibmon.penalties.__all__)
    with pytest.raises(AttributeError, match="no attribute 'weight_decay'"):
        _ = ibmon.penalties.weight_decay


def test_the_documentation_names_every_function_and_its_scripts_run() -> None:
    text = (Path(__file__).parents[2] / "docs" / "penalties.md").read_text()
    functions = [name for name in ibmon.penalties.__all__ if name[0].islower()]
    assert all(f"`{name}" in text for name in functions)
    scripts = re.findall(r"^```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    assert scripts
    names: dict[str, Any] = {}
    for script in scripts:
        exec(script, names)
    assert not isnan(names["loss"].item())
