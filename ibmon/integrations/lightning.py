"""A callback for Lightning's Trainer: ``Trainer(callbacks=[InformationMonitor(layers=["encoder.*"])])``."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lightning.pytorch import Callback, LightningModule, Trainer
else:
    try:
        from lightning.pytorch import Callback
    except ImportError:
        try:
            from pytorch_lightning import Callback
        except ImportError:
            raise ImportError("ibmon.integrations.lightning needs Lightning: pip install 'ibmon[lightning]'") from None

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

from ibmon import EvaluationSet, IbmonError, Monitor

from .following import Asked, Following, made_before, refuse_stream, say, short_last

_SHARDED = {"FSDPStrategy", "DeepSpeedStrategy", "ModelParallelStrategy"}
_AUTOCAST = {"16-mixed": torch.float16, "bf16-mixed": torch.bfloat16}


class InformationMonitor(Callback):
    """Watches a LightningModule while its Trainer fits it; validation, tests and sanity checks alone are nothing to it.

    Args:
        inputs: what the module is called with for snapshots, a tensor ``(samples, ...)``, a tuple or dict of them, or a loader of
            batches; without it (and without ``evaluation``) the first validation loader, else the first training loader.
        targets: integer labels ``(samples,)``, or by task.
        forward: ``forward(module, inputs)`` in place of ``module(inputs)``.
        model: the name of the submodule that is watched, or a function that picks it; default: the whole LightningModule.
        optimizer: which of several optimizers counts updates.
        monitor: the Monitor of a recipe; without it the callback makes one for each ``fit``.
        watch: keywords of ``Monitor.watch``: ``layers``, ``schedule``, ``estimators``, ...

    Raises out of ``fit`` before the first update: IbmonError for what ``Monitor.watch`` refuses, a submodule or optimizer that
    does not exist, and training data that are a stream where no evaluation data were given.
    """

    def __init__(
        self,
        *,
        inputs: Any = None,
        targets: Any = None,
        forward: Callable[[nn.Module, Any], Any] | None = None,
        model: str | Callable[[nn.Module], nn.Module] | None = None,
        optimizer: int = 0,
        monitor: Monitor | None = None,
        **watch: Any,
    ) -> None:
        self._asked = Asked(inputs, targets, forward, model, monitor, watch)
        self._optimizer = optimizer
        self._following: Following | None = None
        self._whole_epoch = False
        self._logged: dict[str, Any] = {}
        self._unvalidated: dict[str, Any] = {}

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if not trainer.is_global_zero:
            return
        strategy = type(trainer.strategy)
        if _SHARDED & {kind.__name__ for kind in strategy.__mro__}:
            say(f"{strategy.__name__} shards the model, so no process sees a whole layer; the training goes on unmonitored.")
            return
        optimizer = _one_of(trainer.optimizers, self._optimizer)
        sets = self._sets(trainer)
        self._following, self._logged, self._whole_epoch = Following(self._asked), {}, False
        loader = _first(trainer.train_dataloader)
        size = getattr(loader, "batch_size", None)
        samples = None if size is None else size * trainer.accumulate_grad_batches * trainer.world_size
        length = _updates(trainer) if pl_module.automatic_optimization else None
        done = 0 if length is None else max(0, trainer.global_step - trainer.current_epoch * length)
        self._following.begin(
            pl_module,
            sets,
            optimizer=optimizer,
            autocast=_AUTOCAST.get(str(trainer.precision)),
            batch_size=samples,
            **made_before(trainer.global_step, trainer.current_epoch + (done / length if length else 0.0)),
        )
        if trainer.max_epochs is not None and trainer.max_epochs > 0:
            self._following.begin_epochs(
                trainer.max_epochs,
                first=trainer.current_epoch,
                steps_per_epoch=length,
                short_last=_short_last(trainer, loader),
                done=done,
            )

    def _sets(self, trainer: Trainer) -> Any:
        if self._asked.own_data:
            return self._asked.sets()
        name, loader = "validation", _first(trainer.val_dataloaders)
        if loader is None:
            name, loader = "train", _first(trainer.train_dataloader)
            refuse_stream(loader)
        say(f"Snapshots are taken on samples of the {name} data.")
        return {name: EvaluationSet(loader, forward=self._asked.forward)}

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int) -> None:
        if self._following is None:
            return
        loss = outputs.get("loss") if isinstance(outputs, Mapping) else outputs
        parts = trainer.accumulate_grad_batches if pl_module.automatic_optimization else 1  # Lightning divides it by them
        self._following.loss(loss * parts if isinstance(loss, Tensor) else None)
        if self._following.should_stop:
            trainer.should_stop = True

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._unvalidated = dict(trainer.callback_metrics)

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if not trainer.sanity_checking:
            self._log(trainer, self._unvalidated)  # those of the training are complete at the end of the epoch

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        # Not the end for the Monitor yet: the module's own hook logs after those of callbacks.
        self._whole_epoch = trainer.is_last_batch

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._end_epoch(trainer)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._end_epoch(trainer)
        if self._following is not None:
            self._following.end()
        self._following = None

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        if self._following is not None:
            self._following.fail(exception)
        self._following = None

    def _end_epoch(self, trainer: Trainer) -> None:
        """What comes after an epoch. One that a stop or ``max_steps`` cut short is not ended: its number stays a fraction."""
        self._log(trainer)
        if self._following is not None and self._whole_epoch:
            self._following.next_epoch()
        self._whole_epoch = False

    def _log(self, trainer: Trainer, old: Mapping[str, Any] | None = None) -> None:
        """The metrics that are not among ``old``, nor logged before: Lightning keeps those of earlier epochs, too."""
        if self._following is None:
            return
        metrics = dict(trainer.callback_metrics)
        known = (old or {}, self._logged)
        new = {name: value for name, value in metrics.items() if all(value is not seen.get(name) for seen in known)}
        self._logged.update(new)
        self._following.log({name: value for name, value in new.items() if not _is_variant(name, metrics)})


def _is_variant(name: str, metrics: Mapping[str, Any]) -> bool:
    """Whether a metric is what Lightning adds to one that is logged of steps and epochs: ``loss_step``, ``loss_epoch``."""
    stem, _, ending = name.rpartition("_")
    return ending in ("step", "epoch") and stem in metrics


def _one_of(optimizers: list[torch.optim.Optimizer], index: int) -> torch.optim.Optimizer:
    if not 0 <= index < len(optimizers):
        raise IbmonError(f"optimizer={index} does not exist; the LightningModule configures {len(optimizers)}, counted from 0.")
    if len(optimizers) > 1:
        say(f"Updates of optimizer {index} of {len(optimizers)} are counted; optimizer= and model= choose another part.")
    return optimizers[index]


def _first(loaders: Any) -> Any:
    """The first of several loaders, which Lightning takes as lists and dicts; None where there is none."""
    while isinstance(loaders, Mapping | list | tuple):
        items = list(loaders.values()) if isinstance(loaders, Mapping) else loaders
        loaders = items[0] if items else None
    return loaders


def _updates(trainer: Trainer) -> int | None:
    """Updates of an epoch, where its length is known."""
    batches = trainer.num_training_batches
    return None if math.isinf(batches) else math.ceil(batches / trainer.accumulate_grad_batches)


def _short_last(trainer: Trainer, loader: Any) -> bool:
    batches = trainer.num_training_batches
    if math.isinf(batches) or not isinstance(loader, DataLoader) or loader.batch_size is None:
        return False
    if batches < len(loader):
        return batches % trainer.accumulate_grad_batches != 0
    return short_last(
        len(loader.sampler),  # pyright: ignore[reportArgumentType]
        loader.batch_size,
        trainer.accumulate_grad_batches,
        drop_last=loader.drop_last,
    )
