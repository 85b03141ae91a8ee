"""A callback for the Trainer of Hugging Face transformers: ``Trainer(callbacks=[InformationMonitor(dataset=held_out)])``."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

try:
    from accelerate.state import AcceleratorState
    from transformers import TrainerCallback
    from transformers.utils.generic import find_labels
except ImportError:
    raise ImportError("ibmon.integrations.transformers needs transformers: pip install 'ibmon[transformers]'") from None

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from ibmon import IGNORED, EvaluationSet, Monitor

from .following import Asked, Following, made_before, refuse_stream, say, short_last

if TYPE_CHECKING:
    from transformers import TrainerControl, TrainerState, TrainingArguments

BATCH = 256
"""Samples that are collated, and so padded, at once."""
_SHARDED = {"FSDP", "DEEPSPEED", "MEGATRON_LM"}
_ENDS = "train_runtime"
"""What is logged once, after the last update and before an older checkpoint may be loaded as the best one."""
_TIMES = ("_runtime", "_per_second", "_time")


class InformationMonitor(TrainerCallback):
    """Watches the model of a Trainer while it trains.

    The Trainer tells its callbacks of the training data only: give the ``eval_dataset`` here, too. Both go through the Trainer's
    data collator. Labels are taken out of what the model is called with; those of a causal language model, which are its inputs,
    become the task ``next``: the token after each. Attention masks say which tokens are data.

    Args:
        dataset: evaluation data, one data set or several by name; without it (and ``inputs``, ``evaluation``) the training data.
        inputs: what the model is called with for snapshots, a dict of tensors ``(samples, tokens)``, or a loader of batches.
        targets: integer labels ``(samples,)`` or ``(samples, tokens)``, or by task.
        forward: ``forward(model, inputs)`` in place of ``model(**inputs)``.
        model: the name of the submodule that is watched, or a function that picks it from the model; default: all of it.
        monitor: the Monitor of a recipe; without it the callback makes one for each ``train``.
        watch: keywords of ``Monitor.watch``: ``layers``, ``schedule``, ``estimators``, ...

    Raises out of ``train`` before the first update: IbmonError for what ``Monitor.watch`` refuses, a submodule that does not
    exist, and training data that are a stream where no evaluation data were given. The Trainer tells nobody of an exception:
    ``failed(error)`` records it where a script goes on after one; one that ends with it needs nothing.
    """

    def __init__(
        self,
        *,
        dataset: Dataset[Any] | Mapping[str, Dataset[Any]] | None = None,
        inputs: Any = None,
        targets: Any = None,
        forward: Callable[[nn.Module, Any], Any] | None = None,
        model: str | Callable[[nn.Module], nn.Module] | None = None,
        monitor: Monitor | None = None,
        **watch: Any,
    ) -> None:
        self._asked = Asked(inputs, targets, forward, model, monitor, watch)
        self._dataset = dataset
        self._following: Following | None = None
        self._in_epoch = False

    def on_train_begin(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        model: Any = None,
        optimizer: Any = None,
        train_dataloader: Any = None,
        processing_class: Any = None,
        tokenizer: Any = None,
        **_: Any,
    ) -> None:
        if not state.is_world_process_zero:
            return
        kind = AcceleratorState().distributed_type.value
        if kind in _SHARDED:
            say(f"{kind} shards the model, so no process sees a whole layer; the training goes on unmonitored.")
            return
        self.failed(RuntimeError("the training before this one did not come to its end"))
        sets = self._sets(args, train_dataloader, model, tokenizer if processing_class is None else processing_class)
        self._following, self._in_epoch = Following(self._asked), False
        batch = args.train_batch_size * args.world_size
        self._following.begin(
            model,
            sets,
            optimizer=getattr(optimizer, "optimizer", optimizer),  # accelerate's wrapper takes no steps itself
            autocast=torch.bfloat16 if args.bf16 else torch.float16 if args.fp16 else None,
            batch_size=batch * args.gradient_accumulation_steps,
            **made_before(state.global_step, state.epoch),
        )
        length = _length(train_dataloader)
        if args.max_steps <= 0 and length is not None:
            per_epoch = math.ceil(length / args.gradient_accumulation_steps)
            last = short_last(
                len(train_dataloader.dataset), batch, args.gradient_accumulation_steps, drop_last=args.dataloader_drop_last
            )
            first, done = divmod(state.global_step, per_epoch)
            self._following.begin_epochs(
                state.num_train_epochs,
                first=first,
                steps_per_epoch=per_epoch,
                short_last=last,
                done=0 if args.ignore_data_skip else done,  # then it is read from its beginning
            )

    def _sets(self, args: TrainingArguments, train: Any, model: Any, tokenizer: Any) -> Any:
        if self._asked.own_data:
            return self._asked.sets()
        given = self._dataset
        if given is None:
            refuse_stream(train)
            say("Snapshots are taken on samples of the training data; InformationMonitor(dataset=...) takes others.")
            given = {"train": train.dataset}
        by_name = given if isinstance(given, Mapping) else {"validation": given}
        labels = args.label_names or find_labels(type(model))
        collate = partial(_collated, train.collate_fn, getattr(train.dataset, "column_names", None), tuple(labels))
        vocabulary, classes = _vocabulary(tokenizer), _classes(getattr(model, "config", None))
        return {
            name: EvaluationSet(
                DataLoader(data, BATCH, collate_fn=collate), forward=self._asked.forward, vocabulary=vocabulary, classes=classes
            )
            for name, data in by_name.items()
        }

    def on_epoch_begin(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        if self._following is not None and self._in_epoch:
            self._following.next_epoch()
        self._in_epoch = True

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        if self._following is not None and self._following.should_stop:
            control.should_training_stop = True

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: Mapping[str, Any] | None = None,
        **_: Any,
    ) -> None:
        if self._following is None or logs is None:
            return
        if _ENDS in logs:
            self._end(state)
            return
        self._following.loss(logs.get("loss"))
        self._following.log({name: v for name, v in logs.items() if name != "epoch" and not name.endswith(_TIMES)})

    def on_save(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        if args.load_best_model_at_end and control.should_training_stop:
            self._end(state)  # older versions load the best checkpoint before anything else is told

    def on_train_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        self._end(state)

    def failed(self, error: BaseException) -> None:
        """Record that the training ended with ``error``."""
        if self._following is not None:
            self._following.fail(error)
        self._following = None

    def _end(self, state: TrainerState) -> None:
        """The last epoch, unless it was cut short (``num_train_epochs=2.5``, a stop): then its number stays a fraction."""
        if self._following is None:
            return
        done = float(state.epoch or 0)
        if done > 0 and done.is_integer():
            self._following.next_epoch()
        self._following.end()
        self._following = None


def _length(loader: Any) -> int | None:
    try:
        return len(loader)
    except TypeError:
        return None


def _collated(collate: Callable[[Any], Any], columns: Any, labels: tuple[str, ...], samples: list[Any]) -> tuple[Any, Any]:
    """Inputs and targets by task of ``samples``, of whose columns only those of the training data are kept, where known."""
    if columns is not None:
        samples = [{name: value for name, value in sample.items() if name in columns} for sample in samples]
    batch = dict(collate(samples))
    tokens = batch.get("input_ids")
    targets = {name: batch.pop(name) for name in {*labels, "labels"} & batch.keys()}
    # Tokens first: what an evaluation set's vocabulary stands for is its first input.
    inputs = {
        name: batch[name] for name in sorted(batch, key=lambda name: name != "input_ids") if isinstance(batch[name], Tensor)
    }
    found = targets.get("labels")
    if isinstance(found, Tensor) and isinstance(tokens, Tensor) and _are_inputs(found, tokens):
        targets["next"] = nn.functional.pad(targets.pop("labels")[:, 1:], (0, 1), value=IGNORED)
    return inputs, {name: value for name, value in targets.items() if isinstance(value, Tensor)}


def _are_inputs(labels: Tensor, tokens: Tensor) -> bool:
    """Whether labels are the inputs themselves, which causal language models shift by one: both ``(samples, tokens)``."""
    there = labels != IGNORED
    return labels.shape == tokens.shape and bool(there.any()) and torch.equal(labels[there], tokens[there])


def _vocabulary(tokenizer: Any) -> list[str] | None:
    words = getattr(tokenizer, "convert_ids_to_tokens", None)
    return None if words is None else [str(word) for word in words(range(len(tokenizer)))]


def _classes(config: Any) -> dict[str, list[str]] | None:
    """The names of labels that somebody gave, rather than the library: LABEL_0, LABEL_1, ..."""
    names = getattr(config, "id2label", None) or {}
    if not names or all(name == f"LABEL_{i}" for i, name in names.items()):
        return None
    return {"labels": [str(names.get(i, i)) for i in range(len(names))]}
