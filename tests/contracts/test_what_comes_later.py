"""The contracts carry what is built on them later: each with a toy, through the real Monitor, spool and analyst."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import ibmon
from ibmon import Activation, EvaluationSet, Monitor, Plane
from ibmon.figures.build import build_figures
from ibmon.records import UsageError
from ibmon.runs.directory import RunDirectory
from support import again, history_of

Measured = Callable[..., RunDirectory]
EXACT = ("binning:width=0.5",)


def test_ten_replicas_trained_as_one_batched_model(measured: Measured) -> None:
    replicas, n = 10, 64
    x, y = torch.randn(n, 3), (torch.arange(n) % 2)

    def train(monitor: Monitor) -> None:
        torch.manual_seed(0)
        first = nn.Parameter(torch.randn(replicas, 3, 4))
        second = nn.Parameter(torch.randn(replicas, 4, 2))

        def hidden(inputs: torch.Tensor) -> torch.Tensor:
            return torch.tanh(torch.einsum("nd,rdh->rnh", inputs, first))

        def capture(data: EvaluationSet) -> dict[str, Activation]:
            return {"hidden": Activation(hidden(data.inputs), ("replica", "sample", "unit"))}

        optimizer = torch.optim.SGD([first, second], lr=0.1)
        monitor.watch(
            capture=capture,
            optimizer=optimizer,
            evaluation={"all": EvaluationSet(x, {"y": y})},
            estimators=EXACT,
            replicas=replicas,
            schedule="every:1",
        )
        for _ in monitor.epochs(3):
            for rows in torch.arange(n).split(16):
                logits = hidden(x[rows]) @ second
                loss = nn.functional.cross_entropy(logits.reshape(-1, 2), y[rows].repeat(replicas))
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()

    history = history_of(measured(train))
    (ixt,) = history.select("I(X;T)", layer="hidden")
    assert ixt.value.shape == (4, replicas)
    assert len(set(ixt.value[-1].tolist())) > 1
    snr = history.select("gradient SNR")[0]
    assert snr.value.shape[1] == replicas and np.isfinite(snr.value).all()
    plane = next(f for f in build_figures(history)[0] if isinstance(f, Plane))
    (trajectory,) = plane.trajectories
    assert trajectory.members_x is not None and trajectory.members_x.shape == (4, replicas)
    assert np.allclose(trajectory.x, np.median(ixt.value, axis=1))


def test_two_evaluation_sets_and_two_tasks(measured: Measured) -> None:
    x = torch.randn(80, 4)
    colour, shape = torch.arange(80) % 2, torch.arange(80) % 3

    def train(monitor: Monitor) -> None:
        model = nn.Sequential(nn.Linear(4, 3), nn.Tanh())
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        sets = {name: EvaluationSet(x[rows], {"colour": colour[rows], "shape": shape[rows]}) for name, rows in ROWS.items()}
        monitor.watch(model, optimizer=optimizer, evaluation=sets, estimators=EXACT, schedule="every:1steps")
        for _ in range(2):
            model(x).square().mean().backward()
            optimizer.step()

    ROWS = {"train": slice(0, 60), "test": slice(60, 80)}
    history = history_of(measured(train))
    for evaluation, n in (("train", 60), ("test", 20)):
        assert history.select("H(X)", evaluation=evaluation)[0].value[-1] == pytest.approx(np.log2(n))
        for task, values in (("colour", 2), ("shape", 3)):
            (series,) = history.select("I(T;Y)", evaluation=evaluation, task=task)
            assert len(series.value) == 3
            assert (series.value <= np.log2(values) + 1e-9).all()
    planes = {f.name for f in build_figures(history)[0] if isinstance(f, Plane)}
    assert len(planes) == 4
    assert len(history.select("gradient SNR")) == 2, "gradients belong to the step, not to each evaluation set"


def test_masked_tokens_with_labels_per_token(measured: Measured) -> None:
    n, steps = 50, 6
    lengths = torch.randint(1, steps + 1, (n,), generator=torch.Generator().manual_seed(1))
    mask = torch.arange(steps)[None, :] < lengths[:, None]
    x = torch.randn(n, steps, 2)
    tags = torch.randint(0, 3, (n, steps))

    def train(monitor: Monitor) -> None:
        model = nn.Sequential(nn.LSTM(2, 3, batch_first=True))
        monitor.watch(model, evaluation={"all": EvaluationSet(x, {"tag": tags}, mask=mask)}, estimators=EXACT)

    history = history_of(measured(train))
    (ixt,) = history.select("I(X;H_t)")
    (ity,) = history.select("I(H_t;Y)")
    assert ixt.axes == {"time": tuple(range(steps))}
    present = mask.sum(0).numpy()
    assert (ixt.value[0] <= np.log2(present) + 1e-9).all(), "padding was counted as data"
    assert (ity.value[0] <= np.log2(3) + 1e-9).all()
    assert history.select("H(Y)")[0].value[0] == pytest.approx(_entropy(tags[mask]), abs=1e-9)


def _entropy(labels: torch.Tensor) -> float:
    p = torch.bincount(labels).double() / len(labels)
    return float(-(p[p > 0] * p[p > 0].log2()).sum())


def test_saliency_and_ablation_probes_reach_an_analysis(measured: Measured, toy_probes: None) -> None:
    def saliency(model: nn.Module, data: EvaluationSet, *, rng: torch.Generator) -> Activation:
        x = data.inputs.clone().requires_grad_()
        model(x).square().sum().backward()
        return Activation(x.grad, ("sample", "unit"))

    def ablation(model: nn.Module, data: EvaluationSet, *, rng: torch.Generator) -> torch.Tensor:
        outputs = []
        for unit in range(3):
            kept = model[0].weight.data[unit].clone()
            model[0].weight.data[unit] = 0
            outputs.append(model(data.inputs).mean())
            model[0].weight.data[unit] = kept
        return torch.stack(outputs)

    def train(monitor: Monitor) -> None:
        model = nn.Sequential(nn.Linear(4, 3), nn.Tanh(), nn.Linear(3, 1))
        data = EvaluationSet(torch.randn(20, 4))
        monitor.watch(model, evaluation={"all": data}, probes={"saliency": saliency, "ablation": ablation}, estimators=EXACT)

    history = history_of(measured(train))
    assert not history.failures and not history.disabled
    (mean,) = history.select("mean saliency")
    assert mean.value[0] > 0
    (ablated,) = history.select("output without unit")
    assert ablated.axes == {"unit": (0, 1, 2)}


@pytest.fixture
def toy_probes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A plugin whose analysis asks for probes, as a third party would write it."""
    folder = tmp_path / "plugin"
    information = folder / "ibmon_probing-1.0.dist-info"
    information.mkdir(parents=True)
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: ibmon-probing\nVersion: 1.0\n")
    (information / "entry_points.txt").write_text("[ibmon]\nprobing = ibmon_probing\n")
    (folder / "ibmon_probing.py").write_text(
        """
from dataclasses import dataclass
from ibmon import AnalysisSpec, Measurement, hookimpl

@hookimpl
def ibmon_analyses():
    needs = ("probe:saliency", "probe:ablation")
    yield AnalysisSpec(name="probing", target="ibmon_probing:Probing", requires=needs, per_estimator=False)

@dataclass(frozen=True)
class Probing:
    def measure(self, snapshot, estimators):
        yield Measurement(quantity="mean saliency", unit="", value=float(snapshot.probes["saliency"].values.abs().mean()))
        without = snapshot.probes["ablation"].values.numpy()
        yield Measurement(quantity="output without unit", unit="", value=without, axes={"unit": range(len(without))})
"""
    )
    monkeypatch.syspath_prepend(folder)


def test_inputs_units_and_outputs_of_a_recurrent_net_form_one_series(measured: Measured, tmp_path: Path) -> None:
    steps, hidden = 40, 5
    series = torch.randn(1, steps, 2)
    seen: list[np.ndarray] = []

    class Whole(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.rnn = nn.RNN(2, hidden, batch_first=True)
            self.head = nn.Linear(hidden, 1)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            states, _ = self.rnn(x)
            out = self.head(states)
            ibmon.tap("nodes", torch.cat([x, states, out], dim=2), axes=("sample", "time", "unit"))
            return out

    def train(monitor: Monitor) -> None:
        model = Whole()
        monitor.watch(model, layers=["rnn"], evaluation={"all": EvaluationSet(series)}, estimators=EXACT)
        with torch.no_grad():
            states, _ = model.rnn(series)
            seen.append(torch.cat([series, states, model.head(states)], 2)[0].numpy())

    run = measured(train, keep_snapshots=True)
    from ibmon.spool import StaticData, groups, read_group

    snapshot = read_group(groups(run.snapshots)[0], lambda name: StaticData())
    nodes = snapshot.layers["nodes"]
    assert nodes.axes == ("sample", "time", "unit")
    assert nodes.values.shape == (1, steps, 2 + hidden + 1)
    np.testing.assert_allclose(nodes.values[0].numpy(), seen[0], rtol=1e-5, atol=1e-6)


def _plain(monitor: Monitor) -> None:
    model = nn.Sequential(nn.Linear(4, 3), nn.Tanh())
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    monitor.watch(
        model, optimizer=optimizer, evaluation={"all": EvaluationSet(torch.randn(30, 4))}, estimators=EXACT, schedule="every:1"
    )
    for _ in range(3):
        model(torch.randn(8, 4)).square().mean().backward()
        monitor.step()
        optimizer.step()


def test_a_third_party_analysis_measures_and_draws_and_a_broken_one_harms_nobody(measured: Measured, toy_plugin: Path) -> None:
    from ibmon.registry import discover

    run = measured(_plain, estimators=["binning:width=0.5", "toy:bits=2"])
    history = history_of(run)
    (spread,) = history.select("spread")
    assert len(spread.value) == 4
    assert {s.value[-1] for s in history.select("I(X;T)", estimator="toy:bits=2")} == {2.0}
    (disabled,) = history.disabled
    assert (disabled.job, disabled.source) == ("explodes", "ibmon-toy 0.3")
    assert "boom" in history.failures[0].error
    assert any("ibmon-toy 0.3" in notice.text for notice in history.notices)
    figures, failed = build_figures(history, discover())
    assert {"spread", "information-plane-binning"} <= {f.name for f in figures} or "spread" in {f.name for f in figures}
    assert next(f for f in figures if f.name == "spread").screen == "spread"
    assert not failed, "an analysis that measured nothing is not asked for figures"


def test_figures_that_fail_are_one_sentence_and_the_others_are_drawn(measured: Measured, toy_plugin: Path) -> None:
    from ibmon.records import Result, Value
    from ibmon.registry import discover
    from support import written

    run = measured(_plain)
    line = Result(segment=1, seq=99, job="explodes", step=0, evaluation="all", values=[Value(quantity="q", value=1.0)])
    written([line], role="analyst", run=run)
    figures, failed = build_figures(history_of(run), discover())
    assert failed == ["the figures of explodes (ibmon-toy 0.3) failed: RuntimeError: no figure"]
    assert "spread" in {f.name for f in figures}


def test_what_an_absent_plugin_measured_is_still_drawn(
    measured: Measured, toy_plugin: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ibmon.registry import discover

    run = measured(_plain)
    monkeypatch.setenv("IBMON_PLUGINS", "ibmon")
    figures, _ = build_figures(history_of(run), discover())
    (spread,) = [f for f in figures if f.title == "spread"]
    assert spread.note == "no installed analysis draws this"


def test_without_an_optimizer_steps_are_counted_by_step_and_seen_after_the_update(measured: Measured) -> None:
    seen: list[torch.Tensor] = []

    def train(monitor: Monitor) -> None:
        model = nn.Sequential(nn.Linear(2, 2, bias=False))
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        x = torch.eye(2)
        monitor.watch(model, evaluation={"all": EvaluationSet(x)}, estimators=EXACT, schedule="every:1")
        seen.append(model[0].weight.detach().clone())
        for _ in range(3):
            optimizer.zero_grad()
            model(x).square().sum().backward()
            monitor.step()
            optimizer.step()
            seen.append(model[0].weight.detach().clone())

    run = measured(train, keep_snapshots=True)
    from ibmon.spool import StaticData, groups, read_group

    shots = [read_group(g, lambda name: StaticData()) for g in groups(run.snapshots)]
    assert [s.step for s in shots] == [0, 1, 2, 3]
    for shot, weight in zip(shots, seen, strict=True):
        torch.testing.assert_close(shot.layers["0"].values, weight.T)


def test_the_untrained_and_the_last_network_are_always_taken(measured: Measured) -> None:
    def train(monitor: Monitor) -> None:
        model = nn.Sequential(nn.Linear(2, 2))
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        monitor.watch(model, optimizer=optimizer, evaluation={"all": EvaluationSet(torch.eye(2))}, schedule="at:4")
        for _ in range(7):
            model(torch.eye(2)).sum().backward()
            optimizer.step()

    history = history_of(measured(train))
    assert history.steps.tolist() == [0, 4, 7]


def test_wrong_arguments_of_watch_are_said_before_training_starts(measured: Measured) -> None:
    model = nn.Sequential(nn.Linear(2, 2))
    data = EvaluationSet(torch.eye(2))
    with pytest.raises(UsageError, match="no layer 'encoder'"):
        measured(lambda m: m.watch(model, evaluation=data, layers=["encoder"]))
    with pytest.raises(UsageError, match="cannot name an evaluation set"):
        measured(lambda m: m.watch(model, evaluation={"../x": data}))


def test_kept_snapshots_are_analysed_again_once(measured: Measured) -> None:
    from ibmon.analysis.again import Asked

    run = measured(_plain, keep_snapshots=True)
    before = len(history_of(run).series)
    done = again(run, Asked(("kde:variance=0.5",)))
    assert (done.new, done.problems) == (4, ())
    assert again(run, Asked(("kde:variance=0.5",))).new == 0
    assert len(history_of(run).series) > before
    assert len(history_of(run).select("I(X;T)", estimator="kde:variance=0.5")[0].value) == 4


def test_a_capture_larger_than_the_spool_takes_fewer_samples(measured: Measured) -> None:
    def train(monitor: Monitor) -> None:
        model = nn.Sequential(nn.Linear(2, 100))
        monitor.watch(model, evaluation={"all": EvaluationSet(torch.randn(500, 2))}, estimators=EXACT)

    history = history_of(measured(train, spool_bytes=100_000))
    assert any("instead of 500" in n.text for n in history.notices)
    assert history.select("H(X)")[0].value[0] < np.log2(500)
    assert not history.dropped


def test_a_capture_that_fails_is_a_recorded_drop_and_the_training_goes_on(measured: Measured) -> None:
    done: list[int] = []

    def train(monitor: Monitor) -> None:
        model = nn.Sequential(nn.Linear(2, 2))
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        monitor.watch(
            model, optimizer=optimizer, evaluation={"all": EvaluationSet(torch.randn(4, 3))}, schedule="every:1", estimators=EXACT
        )
        for step in range(3):
            model(torch.eye(2)).sum().backward()
            monitor.step(torch.tensor(float("nan")))
            optimizer.step()
            done.append(step)

    history = history_of(measured(train))
    assert done == [0, 1, 2]
    assert len(history.dropped) == 4
    assert "mat1 and mat2" in history.dropped[0].reason
    assert any("loss became nan" in n.text for n in history.notices)
    assert any("cannot be taken" in n.text for n in history.notices)


def test_a_snapshot_that_overtakes_what_is_watched_waits_for_it(own_runs: Path) -> None:
    import threading
    import time

    from ibmon.analysis.loop import follow
    from ibmon.records import End, Segment, Watch
    from ibmon.runs import locks
    from ibmon.runs.log import LogWriter
    from ibmon.spool import write_group
    from support import written

    run = written([Segment(segment=1, pid=1, host="")])
    shot = ibmon.Snapshot(0, None, "all", {"a": Activation(torch.randn(20, 2), ("sample", "unit"))})
    write_group(run.path / "spool", 1, 0, shot)
    assert locks.acquire(run.lock("trainer"))
    analyst = threading.Thread(target=follow, args=(run,))
    analyst.start()
    time.sleep(0.5)
    log = LogWriter(run.logs("trainer")[0])
    log.append(Watch(segment=1, estimators=["binning:width=0.25"]))
    log.append(End(segment=1, status="finished"))
    analyst.join(30)
    locks.release(run.lock("trainer"))
    locks.release(run.lock("analyst"))
    assert {s.estimator for s in history_of(run).select("I(X;T)")} == {"binning:width=0.25"}
