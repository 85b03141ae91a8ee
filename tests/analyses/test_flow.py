"""What the analysis `flow` measures of recorded networks whose flow is planted."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from ibmon import Activation, Measurement, Snapshot
from ibmon.analysis.jobs import Bound, plan
from ibmon.registry import discover
from ibmon_analyses.flow import FEW, Flow
from ibmon_analyses.flow_nodes import nodes_of
from ibmon_estimators.copula import Copula
from ibmon_estimators.ksg import KSG

AXES = ("sample", "time", "unit")
LAYERS = ("input", "hidden", "output")
QUICK = Flow(surrogates=19)


def planted(trials: int = 2, time: int = 400, seed: int = 0, early: int = 0) -> dict[str, Tensor]:
    """2 inputs, 2 × 2 hidden units and an output, each layer hearing of the one before a step later, with noise of its own.

    The output is recorded ``early`` steps before the moment that it is about.
    """
    rng = np.random.default_rng(seed)
    layers: list[np.ndarray] = []
    for units in (2, 2, 2, 1):
        noise = rng.standard_normal((trials, time + 30, units))
        if layers:
            heard = np.roll(layers[-1], 1, 1) @ rng.uniform(0.5, 1, (layers[-1].shape[-1], units))
            noise = np.tanh(heard + 0.5 * noise)
        layers.append(noise)
    inputs, first, second, outputs = (torch.from_numpy(v[:, 10:]) for v in layers)
    outputs = outputs.roll(-early, 1)
    return {"input": inputs[:, :time], "hidden": torch.cat([first, second], -1)[:, :time], "output": outputs[:, :time]}


def independent(trials: int = 2, time: int = 400, seed: int = 0) -> dict[str, Tensor]:
    rng = np.random.default_rng(seed)
    return {name: torch.from_numpy(rng.standard_normal((trials, time, n))) for name, n in zip(LAYERS, (2, 4, 1), strict=True)}


def snapshot(layers: dict[str, Tensor], mask: Tensor | None = None, **probes: Tensor) -> Snapshot:
    return Snapshot(
        0,
        None,
        "test",
        layers={name: Activation(values, AXES, mask) for name, values in layers.items()},
        probes={f"forecast.{name}": Activation(v, AXES if v.ndim == 3 else ("unit",)) for name, v in probes.items()},
    )


def bound(estimator: Any = None) -> Bound:
    return Bound(estimator or Copula(), torch.Generator().manual_seed(0))


def measured(shot: Snapshot, analysis: Flow = QUICK, name: str = "copula", estimator: Any = None) -> dict[str, Measurement]:
    """By quantity, and by alignment and group where there are several."""
    found = list(analysis.measure(shot, {name: bound(estimator)}))
    assert len({(m.quantity, *m.subject.items()) for m in found}) == len(found)
    parts = ("alignment", "group", "method")
    return {" ".join([m.quantity, *(m.subject[p] for p in parts if p in m.subject)]): m for m in found}


def test_a_planted_order_is_found_and_has_a_direction() -> None:
    found = measured(snapshot(planted()))
    assert found["expected order step"].value == 1 and found["expected order step"].details["p_value"] < 0.02
    assert found["strength step"].details["p_value"] == 0.05  # of 19 surrogates none
    assert float(found["strength step"].value) > float(np.asarray(found["strength by chance step"].upper))
    names = found["level step"].axes["node"]
    assert list(names) == ["input 0", "input 1", "hidden 0", "hidden 1", "hidden 2", "hidden 3", "output"]
    level = np.asarray(found["level step"].value)
    assert level[:2].max() < level[2:4].min() and level[2:4].max() < level[4:6].min() and level[4:6].max() < level[6]
    medians = [float(found[f"group level step {group}"].value) for group in LAYERS]
    assert medians == sorted(medians) and found["layers step"].value >= 1
    net = np.asarray(found["net flow step"].value)
    assert net[0, 2] > 0 and np.allclose(net, -net.T) and np.asarray(found["net flow step"].details["p_value"])[2, 4] == 0.05
    assert np.asarray(found["transfer entropy step normal scores"].value)[0, 2, 4] > 0.1
    assert found["net flow step"].axes == {"source": names, "target": names}


def test_independent_nodes_have_none() -> None:
    p = [float(measured(snapshot(independent(seed=s)))["strength step"].details["p_value"]) for s in range(6)]
    assert sum(value <= 0.05 for value in p) <= 1
    found = measured(snapshot(independent()))
    lower, upper = (float(np.asarray(side)) for side in (found["expected order step"].lower, found["expected order step"].upper))
    assert lower < 0.5 < upper


def test_the_alignment_moves_the_outputs() -> None:
    """Outputs that are recorded before what they are about seem to come first."""
    shot = snapshot(planted(early=5))
    levels = {a: measured(shot, replace(QUICK, horizon=5, alignment=a)) for a in ("target", "step")}
    at_target, as_recorded = (np.asarray(levels[a][f"level {a}"].value) for a in ("target", "step"))
    assert at_target.argmax() == 6
    assert as_recorded[6] < as_recorded[:6].max()
    assert levels["step"]["expected order target"].value == levels["target"]["expected order target"].value == 1
    stages = levels["target"]["level stages"].axes["node"]
    assert stages == levels["target"]["level target"].axes["node"]
    assert set(levels["target"]) & {"agreement step", "agreement stages"} == {"agreement step", "agreement stages"}


def test_the_recipe_says_the_horizon_and_what_the_outputs_are_about() -> None:
    layers = planted(early=5)
    about = 2 * layers["output"] + 1
    found = measured(snapshot(layers, target=about, horizon=torch.tensor([5.0])))
    assert found["expected order target"].value == 1
    assert found["I(h;Y)"].subject == {"Y": "forecast.target"}
    error = (layers["output"] - about).square().mean().sqrt()
    assert found["forecast error"].value == pytest.approx(float(error))
    other = measured(snapshot(layers, horizon=torch.tensor([5.0])))
    assert other["I(h;Y)"].subject == {"Y": "outputs"} and "forecast error" not in other
    assert np.allclose(np.asarray(found["I(h;Y)"].value), np.asarray(other["I(h;Y)"].value)), "a copula sees ranks alone"


def test_units_that_carry_both_and_units_that_trade_are_told_apart() -> None:
    rng = torch.Generator().manual_seed(0)
    x, y, *noise = torch.randn(12, 2, 500, 1, generator=rng).double()
    more = torch.linspace(0.1, 2, 10)
    both = torch.cat([a * (x + y) + n for a, n in zip(more, noise, strict=True)], -1)
    trade = torch.cat([a * x + (2 - a) * y + n for a, n in zip(more, noise, strict=True)], -1)
    for hidden, sign in ((both, 1), (trade, -1)):
        found = measured(snapshot({"input": x, "hidden": hidden, "output": y}))
        assert sign * float(found["correlation pearson"].value) > 0.8
        assert found["correlation pearson"].details["p_value"] < 0.01
        assert found["I(h;X)"].axes == {"unit": list(range(10))}


@given(front=st.lists(st.integers(0, 40), min_size=3, max_size=3), filler=st.sampled_from([0.0, 1e9, np.nan, np.inf]))
@settings(max_examples=10)
def test_what_stands_at_padding_changes_nothing(front: list[int], filler: float) -> None:
    layers = planted(trials=3, time=120)
    mask = torch.arange(120) >= torch.tensor(front)[:, None]
    spoiled = {name: torch.where(mask[..., None], v, filler) for name, v in layers.items()}
    one, other = (nodes_of(snapshot(v, mask), LAYERS, horizon=0, lags=1, most=1000) for v in (layers, spoiled))
    assert torch.equal(one.series.values, other.series.values)
    # Trials that are data from some moment on: the best of these moments, with all trials that are by then.
    moments = [(sum(f <= a for f in front) * (120 - a - 3), sum(f <= a for f in front) * (120 - a)) for a in sorted(front)]
    best = max(gained for gained, _ in moments)
    assert one.series.trials * one.series.time in [rows for gained, rows in moments if gained == best]


@given(st.lists(st.lists(st.booleans(), min_size=30, max_size=30), min_size=1, max_size=4))
@settings(max_examples=40)
def test_what_is_kept_of_a_masked_recording_is_data_throughout_and_the_most_there_is(rows: list[list[bool]]) -> None:
    mask = torch.tensor(rows)
    trials = len(rows)
    time = torch.arange(30.0).expand(trials, 30)
    layers = {name: (time + 100 * torch.arange(trials)[:, None])[..., None] for name in LAYERS}
    needed = 1 + 2
    best = max(
        (int(mask[:, a:b].all(1).sum()) * (b - a - needed) for a in range(30) for b in range(a + needed + 1, 31)), default=0
    )
    if not best:
        with pytest.raises(ValueError, match="no trial has more than 3 timepoints"):
            nodes_of(snapshot(layers, mask), LAYERS, horizon=0, lags=1, most=1000)
        return
    kept = nodes_of(snapshot(layers, mask), LAYERS, horizon=0, lags=1, most=1000).series
    assert kept.trials * (kept.time - needed) == best
    values = kept.values[..., 0].long()
    assert bool(mask[values // 100, values % 100].all()) and bool((values.diff(dim=1) == 1).all())


def test_of_too_many_moments_whole_trials_are_taken_and_a_long_one_is_cut() -> None:
    some = [nodes_of(snapshot(planted(4, 100)), LAYERS, horizon=0, lags=1, most=most).series for most in (1000, 250, 60)]
    assert [(s.trials, s.time) for s in some] == [(4, 100), (2, 100), (1, 60)]


def test_a_network_without_watched_layers_for_them_has_its_inputs_and_outputs() -> None:
    layers = planted()
    own = replace(
        snapshot({"lstm": layers["hidden"]}),
        inputs=Activation(layers["input"], AXES),
        outputs=Activation(layers["output"], AXES),
    )
    found, other = measured(own, replace(QUICK, hidden="lstm")), measured(snapshot(layers))
    assert found["strength step"].value == other["strength step"].value


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            lambda s: replace(s, layers={k: v for k, v in s.layers.items() if k != "hidden"}),
            "no layer 'hidden' but input, output",
        ),
        (lambda s: replace(s, layers={**s.layers, "hidden": Activation(torch.randn(2, 9), ("sample", "unit"))}), "needs sample"),
        (
            lambda s: replace(s, layers={**s.layers, "hidden": Activation(torch.randn(2, 9, 3), AXES)}),
            "different samples and time",
        ),
        (
            lambda s: replace(s, layers={**s.layers, "hidden": Activation(torch.randn(5, 2, 400, 3), ("replica", *AXES))}),
            "several networks trained as one",
        ),
        (lambda s: replace(s, layers={**s.layers, "input": Activation(torch.full((2, 400, 1), torch.nan), AXES)}), "'input' has"),
    ],
)
def test_what_is_no_recording_of_one_network_is_one_sentence(change: Any, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        measured(change(snapshot(planted())))


def test_units_that_never_move_have_no_level() -> None:
    layers = planted()
    layers["hidden"] = torch.cat([layers["hidden"], torch.ones(2, 400, 1)], -1)
    found = measured(snapshot(layers))
    assert np.isnan(np.asarray(found["level step"].value)).tolist() == [False] * 6 + [True, False]
    assert found["expected order step"].value == 1


def test_lags_are_averaged_and_told_apart() -> None:
    found = measured(snapshot(planted()), replace(QUICK, lags=3))
    delayed = np.asarray(found["delayed information step"].value)
    assert found["delayed information step"].axes["lag"] == [1, 2, 3] and delayed.shape == (3, 7, 7)
    net = np.asarray(found["net flow step"].value)
    assert np.allclose(net, (delayed - delayed.transpose(0, 2, 1)).mean(0))
    flow = np.asarray(found["flow step"].value)
    assert np.isnan(flow.diagonal(axis1=1, axis2=2)).all()
    apart = ~np.eye(7, dtype=bool)
    instantaneous = np.asarray(found["instantaneous information step"].value)
    assert np.allclose(flow[:, apart], (delayed - instantaneous)[:, apart])


def test_the_same_snapshot_gives_the_same_numbers() -> None:
    one, other = measured(snapshot(planted())), measured(snapshot(planted()))
    for name, m in one.items():
        np.testing.assert_array_equal(np.asarray(m.value), np.asarray(other[name].value))
        for detail, value in m.details.items():
            np.testing.assert_array_equal(np.asarray(value), np.asarray(other[name].details[detail]))


def test_nearest_neighbours_are_asked_less_often_and_find_the_same() -> None:
    shot, ksg = snapshot(planted(time=150)), ("ksg:permutations=0", KSG(permutations=0))
    found = measured(shot, Flow(), *ksg)
    assert found["strength step"].details["p_value"] == pytest.approx(1 / (1 + FEW))
    assert float(found["expected order step"].value) > 0.8
    transfer = np.asarray(found["transfer entropy step nearest neighbours"].value)
    assert transfer[0, 2, 4] > 0.1 > transfer[0, 4, 2]
    quiet, shot = Flow(sparse=1), snapshot({name: v[:1, :40] for name, v in planted().items()})
    at = {epoch: replace(shot, step=11 * epoch, epoch=float(epoch)) for epoch in (1, 3, 10, 33)}
    assert [bool(measured(s, quiet, *ksg)) for s in at.values()] == [True, False, True, False]
    assert not measured(replace(shot, step=15, epoch=1.4), quiet, *ksg)
    assert not measured(replace(shot, step=15), quiet, *ksg) and measured(replace(shot, step=10), quiet, *ksg)
    assert measured(at[3], replace(quiet, sparse=0), *ksg) and measured(at[3], quiet)


def test_only_estimators_of_pairs_of_numbers_are_asked() -> None:
    jobs, problems = plan(discover(), ["binning", "copula", "ross", "ksg:k=5"], ["flow:lags=2"])
    assert [job.name for job in jobs if job.name.startswith("flow")] == ["flow:lags=2/copula", "flow:lags=2/ksg:k=5"]
    assert not [p for p in problems if p.job.startswith("flow")]
    assert not [job for job in plan(discover(), ["copula"], [])[0] if job.name.startswith("flow")]


def test_options_out_of_their_domain_are_refused() -> None:
    wrong: list[dict[str, Any]] = [
        {"horizon": -1},
        {"lags": 0},
        {"surrogates": 18},
        {"sparse": -1},
        {"rows": 49},
        {"power": 0},
        {"power": float("nan")},
        {"alignment": "none"},
    ]
    for options in wrong:
        with pytest.raises(ValueError, match=next(iter(options))):
            Flow(**options)
