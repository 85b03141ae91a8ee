"""``ibmon.integrations.lightning`` under Lightning's own Trainer."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, IterableDataset, TensorDataset

from ibmon import EvaluationSet, IbmonError, Monitor
from ibmon.integrations.following import short_last
from integrations.captured import Capture, described, random_states, seeded

pytest.importorskip("lightning.pytorch")
import lightning.pytorch as pl
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.plugins import MixedPrecision
from lightning.pytorch.strategies import SingleDeviceStrategy

from ibmon.integrations.lightning import InformationMonitor

pytestmark = [
    pytest.mark.filterwarnings("ignore:The `srun` command is available"),
    pytest.mark.filterwarnings("ignore:.*does not have many workers"),
    pytest.mark.filterwarnings("ignore:You defined a `validation_step` but have no `val_dataloader`"),
    pytest.mark.filterwarnings("ignore:`isinstance.treespec, LeafSpec.` is deprecated"),
]
X = torch.randn(40, 3, generator=torch.Generator().manual_seed(0))
Y = (X.sum(1) > 0).long()
DATA = TensorDataset(X, Y)
Runs = Callable[..., Capture]


class Module(pl.LightningModule):
    """A small classifier with all that an evaluation pass could disturb; notes the gradients that its optimizer gets."""

    def __init__(self, lr: float = 0.1) -> None:
        super().__init__()
        self.lr = lr
        self.body = nn.Sequential(nn.Linear(3, 8), nn.BatchNorm1d(8), nn.Tanh(), nn.Dropout(0.2))
        self.head = nn.Linear(8, 2)
        self.gradients: list[torch.Tensor] = []
        self.losses: list[float] = []

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.body(x))

    def training_step(self, batch: Any, _: int) -> torch.Tensor:
        loss = nn.functional.cross_entropy(self(batch[0]), batch[1])
        self.log("train_loss", loss, on_step=True, on_epoch=True)
        self.losses.append(float(loss.detach()))
        return loss

    def validation_step(self, batch: Any, _: int) -> None:
        self.log("val_loss", nn.functional.cross_entropy(self(batch[0]), batch[1]))

    def on_before_optimizer_step(self, _: Any) -> None:
        self.gradients.append(self.head.weight.grad.clone())

    def on_train_epoch_end(self) -> None:
        self.log("ends", float(self.current_epoch + 1))

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.Adam(self.parameters(), lr=self.lr)


class TwoPlayers(Module):
    """Two optimizers by hand: a step of the body after each of the head."""

    automatic_optimization = False

    def __init__(self) -> None:
        super().__init__()
        self.automatic_optimization = False

    def training_step(self, batch: Any, index: int) -> torch.Tensor:
        for optimizer in self.optimizers()[: 1 if index % 2 else 2]:
            loss = nn.functional.cross_entropy(self(batch[0]), batch[1])
            optimizer.zero_grad()
            self.manual_backward(loss)
            optimizer.step()
        return loss

    def configure_optimizers(self) -> Any:
        return [torch.optim.SGD(part.parameters(), lr=0.1) for part in (self.head, self.body)]


def trainer_of(*callbacks: Any, **options: Any) -> pl.Trainer:
    quiet = ("logger", "enable_checkpointing", "enable_progress_bar", "enable_model_summary")
    return pl.Trainer(accelerator="cpu", callbacks=list(callbacks), **{**dict.fromkeys(quiet, False), "max_epochs": 3, **options})


def fit(module: pl.LightningModule, *callbacks: Any, batch: int = 8, validate: bool = True, **options: Any) -> pl.Trainer:
    trainer = trainer_of(*callbacks, **options)
    trainer.fit(module, DataLoader(DATA, batch, shuffle=True), DataLoader(DATA, 16) if validate else None)
    return trainer


@pytest.mark.parametrize("kind", [Module, TwoPlayers])
def test_the_training_is_the_same_bit_for_bit(kind: type[pl.LightningModule], capture: Runs) -> None:
    ends: list[tuple[Any, Any]] = []
    for watched in (False, True):
        seeded()
        run = capture()
        module = kind()
        fit(module, *([InformationMonitor(schedule="every:1steps")] if watched else []))
        ends.append((module.state_dict(), random_states()))
    assert run.steps == list(range(16))
    assert not run.problems
    (alone, states), (with_it, states_with_it) = ends
    assert states == states_with_it
    assert alone.keys() == with_it.keys() and all(torch.equal(alone[name], with_it[name]) for name in alone)


def test_epochs_updates_and_layers_are_those_of_the_trainer(capture: Runs, capsys: pytest.CaptureFixture[str]) -> None:
    run = capture()
    fit(Module(), InformationMonitor())
    assert [(s.step, s.epoch) for s in run.snapshots] == [(0, None), (5, 1), (10, 2), (15, 3)]
    last = run.snapshots[-1]
    assert set(last.layers) == {"body.2", "head"}
    assert last.layers["body.2"].values.shape == (40, 8)
    assert last.evaluation == "validation" and torch.equal(last.targets["y"], Y)
    assert "the validation data" in capsys.readouterr().err
    progress, end = run.history.progress, run.history.end
    assert progress is not None and (progress.step, progress.epoch, progress.epochs) == (15, 3.0, 3)
    assert progress.loss is not None
    assert end is not None and (end.status, end.step) == ("finished", 15)


def test_metrics_are_scalars_of_the_update_they_belong_to(capture: Runs) -> None:
    run = capture()
    module = Module()
    fit(module, InformationMonitor(), check_val_every_n_epoch=2, num_sanity_val_steps=1)
    scalars = run.history.scalars
    assert scalars["train/loss"].step.tolist() == [5, 10, 15]
    assert scalars["train/loss"].value == pytest.approx([sum(module.losses[k : k + 5]) / 5 for k in (0, 5, 10)])
    assert scalars["train/ends"].value.tolist() == [1, 2, 3]
    assert scalars["val/loss"].step.tolist() == [10]
    assert not [name for name in scalars if name.endswith(("_step", "_epoch"))]


@pytest.mark.parametrize(
    ("batch", "accumulated", "updates", "counted"),
    [(40, 1, 1, 1), (8, 1, 5, 5), (16, 1, 3, 2), (8, 2, 3, 2), (4, 5, 2, 2)],
    ids=["full batch", "minibatches", "a smaller last one", "accumulated", "accumulated evenly"],
)
def test_gradients_are_those_that_the_optimizer_gets(
    batch: int, accumulated: int, updates: int, counted: int, capture: Runs
) -> None:
    run = capture()
    module = Module()
    fit(module, InformationMonitor(), batch=batch, accumulate_grad_batches=accumulated, max_epochs=2)
    assert run.steps == [0, updates, 2 * updates]
    assert not run.problems
    for epoch, shot in enumerate(run.snapshots[1:]):
        own = torch.stack(module.gradients[epoch * updates :][:counted]).double()
        found = shot.gradients["head.weight"]
        assert (found.count, found.population) == (counted, updates)
        assert found.mean == pytest.approx(float(own.mean(0).norm()), rel=1e-5)
        assert found.std == pytest.approx(float(own.std(0, correction=0).norm()), rel=1e-4, abs=1e-9)
        assert shot.batch_size == batch * accumulated


def test_gradients_are_read_as_they_are_clipped(capture: Runs) -> None:
    run = capture()
    fit(Module(), InformationMonitor(), batch=40, max_epochs=1, gradient_clip_val=1e-3)
    squares = sum(g.mean**2 for g in run.snapshots[-1].gradients.values())
    assert squares**0.5 == pytest.approx(1e-3, rel=1e-3)


def test_an_update_that_the_loss_scaling_skips_is_none(capture: Runs) -> None:
    run = capture()
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0**127, backoff_factor=2.0**-125)
    fit(Module(), InformationMonitor(), max_epochs=1, plugins=[MixedPrecision("16-mixed", "cpu", scaler)])
    end = run.history.end
    assert end is not None and end.step < 5
    found = run.snapshots[-1].gradients["head.weight"]
    assert found.count == end.step and 0 < found.mean < 10


def test_a_training_counted_in_updates_has_no_epochs(capture: Runs) -> None:
    run = capture()
    fit(Module(), InformationMonitor(schedule="every:4"), max_epochs=-1, max_steps=13)
    assert [(s.step, s.epoch) for s in run.snapshots] == [(step, None) for step in (0, 4, 8, 12, 13)]


def test_an_epoch_that_is_cut_short_stays_a_fraction(capture: Runs) -> None:
    run = capture()
    fit(Module(), InformationMonitor(), max_epochs=3, max_steps=7)
    assert [(s.step, s.epoch) for s in run.snapshots] == [(0, None), (5, 1), (7, 1.4)]


def test_a_stop_ends_the_training(capture: Runs) -> None:
    class Stop(pl.Callback):
        def on_train_batch_end(self, trainer: pl.Trainer, *_: Any) -> None:
            monitor.should_stop = trainer.global_step == 7

    run = capture()
    with Monitor() as monitor:
        trainer = fit(Module(), Stop(), InformationMonitor(monitor=monitor), max_epochs=100)
    assert trainer.global_step == 7
    assert [(s.step, s.epoch) for s in run.snapshots] == [(0, None), (5, 1), (7, 1.4)]
    end = run.history.end
    assert end is not None and (end.status, end.step) == ("stopped", 7)


def test_a_training_that_fails_is_recorded_as_failed(capture: Runs) -> None:
    run = capture()

    class Broken(Module):
        def training_step(self, batch: Any, index: int) -> torch.Tensor:
            if self.global_step == 6:
                raise ValueError("no such luck")
            return super().training_step(batch, index)

    with pytest.raises(ValueError, match="no such luck"):
        fit(Broken(), InformationMonitor())
    end = run.history.end
    assert end is not None and (end.status, end.step, end.error) == ("failed", 6, "ValueError: no such luck")


def test_updates_of_one_of_several_optimizers_are_counted(capture: Runs, capsys: pytest.CaptureFixture[str]) -> None:
    run = capture()
    fit(TwoPlayers(), InformationMonitor(optimizer=1, model="body", forward=lambda body, x: body(x)), max_epochs=2)
    assert "optimizer 1 of 2" in capsys.readouterr().err
    assert run.steps == [0, 3, 6]
    assert set(run.snapshots[-1].layers) == {"2"}
    assert run.snapshots[-1].gradients.keys() == {"0.weight", "0.bias", "1.weight", "1.bias"}
    assert not run.problems


def test_closures_that_are_called_again_are_one_update(capture: Runs) -> None:
    class Newton(Module):
        def configure_optimizers(self) -> torch.optim.Optimizer:
            return torch.optim.LBFGS(self.parameters(), lr=0.1, max_iter=4)

    run = capture()
    module = Newton()
    fit(module, InformationMonitor(), batch=40, max_epochs=2)
    assert run.steps == [0, 1, 2]
    assert len(module.gradients) > 2
    first = run.snapshots[1].gradients["head.weight"]
    assert first.count == 1 and first.mean == pytest.approx(float(module.gradients[0].norm()), rel=1e-5)


def test_inputs_targets_and_evaluation_sets_of_ones_own(capture: Runs) -> None:
    run = capture()
    fit(Module(), InformationMonitor(inputs=X[:7], targets=Y[:7], layers=["head"]), max_epochs=1)
    assert {s.evaluation for s in run.snapshots} == {"all"} and run.snapshots[0].layers["head"].values.shape == (7, 2)
    run = capture()
    sets = {"few": EvaluationSet(X[:5], {"sign": Y[:5]}), "many": EvaluationSet(X)}
    fit(Module(), InformationMonitor(evaluation=sets, model=lambda module: module.body), max_epochs=1)
    assert [(s.evaluation, len(s.layers["2"].values)) for s in run.snapshots] == [("few", 5), ("many", 40)] * 2


def test_without_validation_the_training_data_are_taken(capture: Runs, capsys: pytest.CaptureFixture[str]) -> None:
    run = capture()
    fit(Module(), InformationMonitor(), validate=False, max_epochs=1)
    assert run.snapshots[0].evaluation == "train"
    assert "the train data" in capsys.readouterr().err


class Stream(IterableDataset[Any]):
    def __iter__(self) -> Any:
        return iter(DATA)


def test_a_stream_is_left_to_the_training(capture: Runs) -> None:
    run = capture()
    with pytest.raises(IbmonError, match="are a stream, which reading would move: give evaluation data"):
        trainer_of(InformationMonitor()).fit(Module(), DataLoader(Stream(), 8))
    assert not run.run.logs("trainer")
    trainer_of(InformationMonitor(inputs=X, targets=Y), max_epochs=1).fit(Module(), DataLoader(Stream(), 8))
    assert run.steps == [0, 5]


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"model": "bodi"}, "'bodi' is no module of Module; it has body, head"),
        ({"optimizer": 1}, "optimizer=1 does not exist"),
        ({"layers": ["heads"]}, "did you mean 'head'"),
    ],
)
def test_what_does_not_exist_stops_before_the_training(asked: dict[str, Any], said: str, capture: Runs) -> None:
    capture()
    module = Module()
    with pytest.raises(IbmonError, match=said):
        fit(module, InformationMonitor(**asked))
    assert not module.gradients


def test_a_sharded_model_is_not_captured(capture: Runs, capsys: pytest.CaptureFixture[str]) -> None:
    class FSDPStrategy(SingleDeviceStrategy):
        pass

    run = capture()
    fit(Module(), InformationMonitor(), strategy=FSDPStrategy())
    assert "FSDPStrategy shards the model" in capsys.readouterr().err
    assert not run.run.logs("trainer")


def test_other_ranks_are_not_monitored(capture: Runs, monkeypatch: pytest.MonkeyPatch) -> None:
    run = capture()
    monkeypatch.setattr(pl.Trainer, "is_global_zero", property(lambda _: False))
    fit(Module(), InformationMonitor())
    assert not run.run.logs("trainer")


def test_a_second_fit_goes_on_and_says_where(capture: Runs, capsys: pytest.CaptureFixture[str]) -> None:
    run = capture()
    module = Module()
    trainer = fit(module, InformationMonitor(), max_epochs=1)
    trainer.fit_loop.max_epochs = 3
    trainer.fit(module, DataLoader(DATA, 8))
    assert "goes on from update 5" in capsys.readouterr().err
    assert [(s.step, s.epoch) for s in run.snapshots] == [(0, None), (5, 1), (5, 1), (10, 2), (15, 3)]
    assert len(run.history.segments) == 2


@pytest.mark.filterwarnings("ignore:Be aware that when using `ckpt_path`")
@pytest.mark.filterwarnings("ignore:You're resuming from a checkpoint that ended before the epoch ended")
def test_a_fit_from_the_middle_of_an_epoch_counts_what_is_left_of_it(capture: Runs, tmp_path: Path) -> None:
    capture()
    saving = ModelCheckpoint(tmp_path / "kept", "{step}", every_n_train_steps=7, save_top_k=-1)
    fit(Module(), saving, enable_checkpointing=True, max_epochs=2)
    run = capture()
    again = trainer_of(InformationMonitor(schedule="every:1steps"))
    again.fit(Module(), DataLoader(DATA, 8), ckpt_path=str(tmp_path / "kept" / "step=7.ckpt"))
    assert [s.step for s in run.snapshots] == list(range(7, 16))
    assert [s.epoch for s in run.snapshots] == pytest.approx([k / 5 for k in range(7, 16)])


def test_the_loss_of_accumulated_minibatches_is_that_of_the_module(capture: Runs) -> None:
    run = capture()
    module = Module()
    fit(module, InformationMonitor(), accumulate_grad_batches=5, max_epochs=1)
    assert run.history.scalars["training/loss"].value[-1] == pytest.approx(module.losses[-1])


def test_a_recipe_gives_its_own_monitor(capture: Runs) -> None:
    run = capture()
    with Monitor() as monitor:
        fit(Module(), InformationMonitor(monitor=monitor), max_epochs=1)
        monitor.log("after", value=1.0)
    assert run.steps == [0, 5]
    assert run.history.scalars["after/value"].step.tolist() == [5]


@pytest.mark.filterwarnings("ignore:The number of training batches .* is smaller than the logging interval")
def test_the_script_that_is_described_runs(capture: Runs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    run = capture()
    exec(described("with_lightning.py"), {})
    assert run.steps == [8 * epoch for epoch in range(11)]
    assert set(run.snapshots[-1].layers) == {"net.1", "net.2"}


@pytest.mark.filterwarnings("ignore:pkg_resources is deprecated")
def test_the_package_of_the_old_name_is_served_too(capture: Runs) -> None:
    old = pytest.importorskip("pytorch_lightning")

    class Old(old.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(3, 2)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.layer(x)

        def training_step(self, batch: Any, _: int) -> torch.Tensor:
            return nn.functional.cross_entropy(self(batch[0]), batch[1])

        def configure_optimizers(self) -> torch.optim.Optimizer:
            return torch.optim.SGD(self.parameters(), lr=0.1)

    run = capture()
    trainer = old.Trainer(
        accelerator="cpu", max_epochs=2, logger=False, enable_checkpointing=False, enable_progress_bar=False,
        enable_model_summary=False, callbacks=[InformationMonitor()],
    )  # fmt: skip
    trainer.fit(Old(), DataLoader(DATA, 8))
    assert run.steps == [0, 5, 10]


@pytest.mark.parametrize(
    ("samples", "batch", "accumulated", "drop_last", "short"),
    [
        (40, 8, 1, False, False),
        (41, 8, 1, False, True),
        (41, 8, 1, True, False),
        (40, 8, 2, True, True),
        (48, 8, 2, False, False),
    ],
)
def test_the_last_update_of_an_epoch_may_see_less(
    samples: int, batch: int, accumulated: int, drop_last: bool, short: bool
) -> None:
    assert short_last(samples, batch, accumulated, drop_last=drop_last) is short


@pytest.mark.parametrize("extra", ["lightning", "transformers"])
def test_a_missing_extra_is_one_sentence(extra: str) -> None:
    hidden = "import sys; sys.modules.update(dict.fromkeys(('lightning', 'pytorch_lightning', 'transformers')))"
    code = f"{hidden}\nimport ibmon.integrations.{extra}"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stderr.splitlines()[-1].endswith(f"pip install 'ibmon[{extra}]'")
    assert "During handling" not in done.stderr
