"""What single updates change: of the loss, and of the information."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from ibmon import EvaluationSet, Monitor
from ibmon.probes import activation_change, loss_dynamics
from ibmon.runs.directory import RunDirectory
from support import history_of

Measured = Callable[..., RunDirectory]
N = 200


def _loss(model: nn.Module, x: Tensor, y: Tensor) -> Tensor:
    return nn.functional.cross_entropy(model(x), y)


def _trained(
    monitor: Monitor, *, optimizer: str = "sgd", lr: float = 0.05, own: bool = True, updates: int = 30, batch: int = 40
) -> dict[str, Tensor]:
    """A small training whose updates are looked at after every third of them; the state at its end."""
    generator = torch.Generator().manual_seed(1)
    x, y = torch.randn(N, 4, generator=generator), torch.randint(0, 3, (N,), generator=generator)
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 6), nn.Tanh(), nn.Linear(6, 3))
    kind = {"sgd": torch.optim.SGD, "adam": torch.optim.Adam}[optimizer]
    descent = kind(model.parameters(), lr=lr)
    monitor.watch(
        model,
        optimizer=descent if own else None,
        evaluation={"all": EvaluationSet(x, {"y": y})},
        estimators=("binning:width=0.5",),
        analyses=("information-derivative:variance=0.1",),
        updates={
            "dynamics": loss_dynamics(_loss, x, y, lr=lr, plain_sgd=optimizer == "sgd"),
            "change": activation_change(),
        },
        schedule="every:3steps",
    )
    for _ in range(updates):
        rows = torch.randint(0, N, (batch,), generator=generator)
        descent.zero_grad()
        _loss(model, x[rows], y[rows]).backward()
        monitor.step()
        descent.step()
    return {k: v.clone() for k, v in model.state_dict().items()}


@pytest.mark.parametrize("own", [True, False], ids=["with the optimizer", "with step alone"])
def test_the_trapezoid_predicts_the_loss_of_each_update(measured: Measured, own: bool) -> None:
    history = history_of(measured(lambda m: _trained(m, own=own)))
    (change,) = history.select("loss change")
    assert change.step.tolist() == list(range(0, 30, 3)), "the update after each snapshot, and none after the last"
    (trapezoid,), (first,), (second,) = (history.select(q) for q in ("trapezoid", "gradient · update", "second order"))
    np.testing.assert_allclose(trapezoid.value, change.value, rtol=0.01, atol=1e-7)
    np.testing.assert_allclose(second.value, trapezoid.value - first.value, atol=1e-12)
    shares = np.sum([s.value for s in history.select("loss share")], axis=0)
    np.testing.assert_allclose(shares, trapezoid.value, rtol=1e-9)
    assert {s.subject["parameter"] for s in history.select("loss share")} == {"weight", "bias"}
    assert not history.notices or not [n for n in history.notices if n.level == "error"]


def test_the_flow_law_holds_for_small_full_batch_steps_of_sgd_and_not_for_adam(measured: Measured) -> None:
    def full(optimizer: str, lr: float) -> tuple[np.ndarray, np.ndarray, bool]:
        def train(monitor: Monitor) -> None:
            generator = torch.Generator().manual_seed(1)
            x, y = torch.randn(N, 4, generator=generator), torch.randint(0, 3, (N,), generator=generator)
            torch.manual_seed(0)
            model = nn.Linear(4, 3)
            descent = {"sgd": torch.optim.SGD, "adam": torch.optim.Adam}[optimizer](model.parameters(), lr=lr)
            dynamics = loss_dynamics(_loss, x, y, lr=lr, plain_sgd=optimizer == "sgd")
            monitor.watch(
                model,
                optimizer=descent,
                evaluation={"all": EvaluationSet(x, {"y": y})},
                estimators=("binning",),
                updates={"dynamics": dynamics},
                schedule="every:1steps",
            )
            for _ in range(5):
                descent.zero_grad()
                _loss(model, x, y).backward()
                descent.step()

        history = history_of(measured(train))
        (law,), (change,) = history.select("flow law"), history.select("loss change")
        return law.value, change.value, bool(law.flags.get("not_sgd", np.zeros(1)).any())

    law, change, other = full("sgd", 1e-3)
    np.testing.assert_allclose(law, change, rtol=0.01)
    assert not other
    law, change, other = full("adam", 1e-3)
    assert (np.abs(law - change) > 0.5 * np.abs(change)).all()
    assert other


def test_the_derivative_is_that_of_the_bound_and_its_parts_add_up(measured: Measured) -> None:
    history = history_of(measured(lambda m: _trained(m, lr=0.02)))
    for layer in ("1", "2"):
        (rate,) = history.select("dI(X;T)/dt", layer=layer)
        (change,) = history.select("I(X;T) change", layer=layer)
        (within,) = history.select("dI(X;T)/dt within classes", layer=layer)
        (between,) = history.select("dI(X;T)/dt between classes", layer=layer)
        large = np.abs(change.value) > 1e-3
        assert large.sum() >= 3
        np.testing.assert_allclose(rate.value[large], change.value[large], rtol=0.1)
        np.testing.assert_allclose(within.value + between.value, rate.value, rtol=1e-9)


def test_the_bound_that_is_differentiated_is_the_estimators_own() -> None:
    from ibmon import Variable
    from ibmon_analyses.information_derivative import bound
    from ibmon_estimators.kde import KDE

    t = torch.randn(300, 5, dtype=torch.float64)
    (estimate,) = KDE(variance=0.1)(Variable.continuous(t), [Variable.identity(300)], rng=torch.Generator())
    assert bound(t - t.mean(0), 0.1) == pytest.approx(float(estimate.value if estimate.upper is None else estimate.upper))


def test_looking_at_updates_changes_nothing(measured: Measured, monkeypatch: pytest.MonkeyPatch) -> None:
    ends: list[dict[str, Tensor]] = []
    random: list[Tensor] = []

    def train(monitor: Monitor) -> None:
        torch.manual_seed(5)
        ends.append(_trained(monitor, optimizer="adam"))
        random.append(torch.get_rng_state())

    class Blind(Monitor):
        def watch(self, model=None, **options):
            """Watches nothing."""

    measured(train)
    monkeypatch.delenv("IBMON_RUN")
    train(Blind())
    assert all(torch.equal(ends[0][name], ends[1][name]) for name in ends[0])
    assert torch.equal(random[0], random[1])


def test_a_probe_of_updates_that_fails_is_switched_off_and_the_others_go_on(measured: Measured) -> None:
    calls: list[int] = []

    def broken(before: nn.Module, after: nn.Module, data: EvaluationSet, *, rng: torch.Generator) -> Tensor:
        calls.append(1)
        raise RuntimeError("no such thing")

    def moved(before: nn.Module, after: nn.Module, data: EvaluationSet, *, rng: torch.Generator) -> Tensor:
        return (after.weight - before.weight).detach()[0]

    def train(monitor: Monitor) -> None:
        model = nn.Linear(2, 1, bias=False)
        optimizer = torch.optim.SGD(model.parameters(), lr=1.0)
        monitor.watch(
            model,
            optimizer=optimizer,
            evaluation={"all": EvaluationSet(torch.eye(2))},
            updates={"broken": broken, "moved": moved},
            schedule="every:1steps",
        )
        for step in range(3):
            optimizer.zero_grad()
            (model.weight * torch.tensor([1.0 + step, 0.0])).sum().backward()
            optimizer.step()

    run = measured(train, keep_snapshots=True)
    from ibmon.spool import StaticData, groups, read_group

    shots = [read_group(g, lambda name: StaticData()) for g in groups(run.snapshots)]
    seen = {s.step: s.probes["moved"].values.tolist() for s in shots if "moved" in s.probes}
    assert seen == {0: [-1.0, 0.0], 1: [-2.0, 0.0], 2: [-3.0, 0.0]}
    assert calls == [1]
    assert any("'broken' failed and is switched off" in n.text for n in history_of(run).notices)


def test_figures_of_the_dynamics(measured: Measured, tmp_path: Path) -> None:
    from ibmon.figures.build import build_figures
    from ibmon.figures.figure import Curves, Table

    figures, failed = build_figures(history_of(measured(lambda m: _trained(m, updates=60))))
    assert not failed
    named = {f.name: f for f in figures}
    fits = named["loss-dynamics-fits"]
    assert isinstance(fits, Table)
    trapezoid = next(row for row in fits.rows if row[1] == "trapezoid")
    assert float(trapezoid[3]) == pytest.approx(1.0, abs=0.01) and float(trapezoid[4]) > 0.999
    shares = named["loss-shares"]
    assert isinstance(shares, Curves)
    np.testing.assert_allclose(np.sum([line.y for line in shares.lines], axis=0), 1.0, rtol=1e-6)
    assert {line.label for line in shares.lines} >= {"0 weight", "0 bias", "2 weight"}
    assert {"loss-dynamics", "information-derivative", "information-derivative-classes"} <= named.keys()
