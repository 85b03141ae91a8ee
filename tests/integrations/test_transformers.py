"""``ibmon.integrations.transformers`` under the Trainer of transformers, on tiny models made of their configurations."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from torch.utils.data import Dataset, IterableDataset

from ibmon import IGNORED, IbmonError, Monitor
from integrations.captured import Capture, described, random_states, seeded

pytest.importorskip("transformers")
pytest.importorskip("accelerate")
from transformers import (
    BertConfig,
    BertForSequenceClassification,
    BertForTokenClassification,
    EarlyStoppingCallback,
    GPT2Config,
    GPT2LMHeadModel,
    Trainer,
    TrainerCallback,
    TrainingArguments,
)

from ibmon.integrations.transformers import InformationMonitor

Runs = Callable[..., Capture]
WORDS, LENGTH = 30, 6


@pytest.fixture(autouse=True)
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")


class Sentences(Dataset[dict[str, Any]]):
    """Sentences of unequal length, with what a collator must be spared of."""

    column_names = ("input_ids", "labels")

    def __init__(self, n: int, task: str = "sentence", seed: int = 0, text: bool = False) -> None:
        rng = torch.Generator().manual_seed(seed)
        self.items: list[dict[str, Any]] = []
        for _ in range(n):
            length = int(torch.randint(3, LENGTH + 1, (), generator=rng))
            ids = torch.randint(1, WORDS, (length,), generator=rng)
            labels: Any = int(ids[0] > WORDS // 2)
            if task == "tokens":
                labels = torch.where(ids % 3 == 0, IGNORED, ids % 2)
            if task == "next":
                labels = ids.clone()
            self.items.append({"input_ids": ids, "labels": labels} | ({"text": "words"} if text else {}))

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, index: int) -> dict[str, Any]:
        return self.items[index]


def collate(samples: list[dict[str, Any]]) -> dict[str, torch.Tensor]:
    """Padded batches: with random words in place of one in ten, as a collator for language models may put them."""
    assert all("text" not in sample for sample in samples)
    pad = nn.utils.rnn.pad_sequence
    ids = [s["input_ids"] for s in samples]
    mask = pad([torch.ones_like(i) for i in ids], batch_first=True)
    labels = [s["labels"] for s in samples]
    joined = pad(labels, batch_first=True, padding_value=IGNORED) if torch.is_tensor(labels[0]) else torch.tensor(labels)
    torch.rand(1)
    return {"attention_mask": mask, "labels": joined, "input_ids": pad(ids, batch_first=True)}


def bert(kind: Any = BertForSequenceClassification, **options: Any) -> Any:
    sizes = {"hidden_size": 8, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 16}
    return kind(BertConfig(vocab_size=WORDS, max_position_embeddings=16, **sizes, **options))


def gpt() -> Any:
    return GPT2LMHeadModel(
        GPT2Config(vocab_size=WORDS, n_positions=16, n_embd=8, n_layer=2, n_head=2, bos_token_id=0, eos_token_id=0)
    )


def trainer_of(folder: Path, model: Any, data: Any, *callbacks: Any, held_out: Any = None, **options: Any) -> Trainer:
    arguments = {"num_train_epochs": 3, "per_device_train_batch_size": 8, "logging_strategy": "epoch", "save_strategy": "no"}
    quiet = {"report_to": [], "disable_tqdm": True, "use_cpu": True, "dataloader_pin_memory": False}
    return Trainer(
        model=model,
        args=TrainingArguments(output_dir=str(folder), **{**arguments, **quiet, **options}),
        train_dataset=data,
        eval_dataset=held_out,
        data_collator=collate,
        callbacks=list(callbacks),
    )


@pytest.fixture
def train(tmp_path: Path) -> Callable[..., Trainer]:
    def run(*given: Any, **options: Any) -> Trainer:
        trainer = trainer_of(tmp_path / "out", *given, **options)
        trainer.train()
        return trainer

    return run


def test_the_training_is_the_same_bit_for_bit(train: Callable[..., Trainer], capture: Runs) -> None:
    ends: list[tuple[Any, Any]] = []
    for watched in (False, True):
        seeded()
        run = capture()
        model = bert()
        train(model, Sentences(40), *([InformationMonitor(schedule="every:1steps")] if watched else []))
        ends.append((model.state_dict(), random_states()))
    assert run.steps == list(range(16))
    assert not run.problems
    (alone, states), (with_it, states_with_it) = ends
    assert states == states_with_it
    assert all(torch.equal(alone[name], with_it[name]) for name in alone)


def test_epochs_updates_layers_and_scalars(train: Callable[..., Trainer], capture: Runs) -> None:
    run = capture()
    held_out = Sentences(20, seed=1, text=True)
    train(
        bert(id2label={0: "low", 1: "high"}, label2id={"low": 0, "high": 1}), Sentences(40),
        InformationMonitor(dataset=held_out), held_out=Sentences(20, seed=1), eval_strategy="epoch",
    )  # fmt: skip
    assert [(s.step, s.epoch) for s in run.snapshots] == [(0, None), (5, 1), (10, 2), (15, 3)]
    assert not run.problems
    last = run.snapshots[-1]
    assert last.evaluation == "validation"
    assert last.targets["labels"].tolist() == [item["labels"] for item in held_out.items]
    assert list(last.classes["labels"]) == ["low", "high"]
    lengths = torch.tensor([len(item["input_ids"]) for item in held_out.items])
    block = next(layer for name, layer in last.layers.items() if name.endswith("layer.1"))
    assert block.values.shape == (20, lengths.max(), 8) and block.mask is not None
    assert torch.equal(block.mask.sum(1), lengths)
    assert last.inputs is not None and torch.equal((last.inputs.values > 0).sum(1), lengths)
    history = run.history
    assert history.scalars["train/loss"].step.tolist() == [5, 10, 15]
    assert history.scalars["eval/loss"].step.tolist() == [5, 10, 15]
    assert not [name for name in history.scalars if "runtime" in name or "per_second" in name or "epoch" in name]
    assert history.progress is not None and (history.progress.epoch, history.progress.epochs) == (3.0, 3)
    assert history.end is not None and (history.end.status, history.end.step) == ("finished", 15)


@pytest.mark.parametrize(
    ("batch", "accumulated", "updates", "counted"),
    [(8, 1, 5, 5), (16, 1, 3, 2), (8, 2, 3, 2), (4, 5, 2, 2)],
    ids=["minibatches", "a smaller last one", "accumulated", "accumulated evenly"],
)
def test_gradients_are_those_that_the_optimizer_gets(
    batch: int, accumulated: int, updates: int, counted: int, train: Callable[..., Trainer], capture: Runs
) -> None:
    gradients: list[torch.Tensor] = []

    class Gradients(TrainerCallback):
        def on_pre_optimizer_step(self, *_: Any, model: Any, **__: Any) -> None:
            gradients.append(model.classifier.weight.grad.clone())

    run = capture()
    train(
        bert(), Sentences(40), InformationMonitor(), Gradients(), per_device_train_batch_size=batch,
        gradient_accumulation_steps=accumulated, num_train_epochs=2,
    )  # fmt: skip
    assert run.steps == [0, updates, 2 * updates]
    for epoch, shot in enumerate(run.snapshots[1:]):
        own = torch.stack(gradients[epoch * updates :][:counted]).double()
        found = shot.gradients["classifier.weight"]
        assert (found.count, found.population) == (counted, updates)
        assert found.mean == pytest.approx(float(own.mean(0).norm()), rel=1e-5)
        assert found.std == pytest.approx(float(own.std(0, correction=0).norm()), rel=1e-4, abs=1e-9)
        assert shot.batch_size == batch * accumulated


def test_half_an_epoch_stays_one(train: Callable[..., Trainer], capture: Runs) -> None:
    run = capture()
    train(bert(), Sentences(48), InformationMonitor(), num_train_epochs=2.5)
    assert [(s.step, s.epoch) for s in run.snapshots] == [(0, None), (6, 1), (12, 2), (15, 2.5)]
    progress = run.history.progress
    assert progress is not None and (progress.epoch, progress.epochs) == (2.5, 3)


def test_a_training_counted_in_updates_has_no_epochs(train: Callable[..., Trainer], capture: Runs) -> None:
    run = capture()
    train(bert(), Sentences(40), InformationMonitor(schedule="every:4"), max_steps=9)
    assert [(s.step, s.epoch) for s in run.snapshots] == [(step, None) for step in (0, 4, 8, 9)]


def test_labels_of_tokens_keep_their_gaps(train: Callable[..., Trainer], capture: Runs) -> None:
    run = capture()
    data = Sentences(16, "tokens")
    train(bert(BertForTokenClassification), data, InformationMonitor(), num_train_epochs=1)
    labels = run.snapshots[-1].targets["labels"]
    assert labels.shape == (16, max(len(item["labels"]) for item in data.items))
    for row, item in zip(labels, data.items, strict=True):
        assert row[: len(item["labels"])].tolist() == item["labels"].tolist()
        assert (row[len(item["labels"]) :] == IGNORED).all()


def test_the_target_of_a_causal_language_model_is_the_next_token(train: Callable[..., Trainer], capture: Runs) -> None:
    run = capture()
    data = Sentences(16, "next")
    train(gpt(), data, InformationMonitor(), num_train_epochs=1)
    last = run.snapshots[-1]
    assert last.targets.keys() == {"next"}
    for row, item in zip(last.targets["next"], data.items, strict=True):
        ids = item["input_ids"].tolist()
        assert row[: len(ids)].tolist() == [*ids[1:], IGNORED]
    assert {"transformer.h.0", "transformer.h.1"} <= set(last.layers)
    assert not run.problems


def test_a_tokenizer_gives_the_words(tmp_path: Path, capture: Runs) -> None:
    class Tokenizer:
        def __len__(self) -> int:
            return WORDS

        def convert_ids_to_tokens(self, ids: Any) -> list[str]:
            return [f"word{i}" for i in ids]

    run = capture()
    trainer = trainer_of(tmp_path, bert(), Sentences(8), InformationMonitor(), num_train_epochs=1)
    trainer.callback_handler.processing_class = Tokenizer()
    trainer.train()
    vocabulary = run.snapshots[0].vocabulary
    assert vocabulary is not None and list(vocabulary) == [f"word{i}" for i in range(WORDS)]


def test_several_data_sets_and_inputs_of_ones_own(train: Callable[..., Trainer], capture: Runs) -> None:
    run = capture()
    sets = {"near": Sentences(6, seed=2), "far": Sentences(9, seed=3)}
    train(bert(), Sentences(16), InformationMonitor(dataset=sets, model="bert"), num_train_epochs=1)
    assert {s.evaluation for s in run.snapshots} == {"near", "far"}
    run = capture()
    ids = torch.randint(1, WORDS, (5, 4))
    asked = {"inputs": {"input_ids": ids}, "targets": torch.tensor([0, 1, 0, 1, 0]), "layers": ["classifier"]}
    train(bert(), Sentences(16), InformationMonitor(**asked), num_train_epochs=1)
    assert run.snapshots[0].layers["classifier"].values.shape == (5, 2)


def test_without_a_data_set_the_training_data_are_taken(
    train: Callable[..., Trainer], capture: Runs, capsys: pytest.CaptureFixture[str]
) -> None:
    run = capture()
    train(bert(), Sentences(16), InformationMonitor(), num_train_epochs=1)
    assert run.snapshots[0].evaluation == "train"
    assert "samples of the training data" in capsys.readouterr().err


def test_a_stream_is_left_to_the_training(train: Callable[..., Trainer], capture: Runs) -> None:
    class Stream(IterableDataset[Any]):
        def __iter__(self) -> Any:
            return iter(Sentences(64).items)

    run = capture()
    with pytest.raises(IbmonError, match="are a stream, which reading would move: give evaluation data"):
        train(bert(), Stream(), InformationMonitor(), max_steps=4)
    assert not run.run.logs("trainer")
    train(bert(), Stream(), InformationMonitor(dataset=Sentences(5)), max_steps=4)
    assert run.steps[0] == 0 and run.steps[-1] == 4


def test_a_stop_ends_the_training(train: Callable[..., Trainer], capture: Runs) -> None:
    class Stop(TrainerCallback):
        def on_step_begin(self, _: Any, state: Any, *__: Any, **___: Any) -> None:
            if state.global_step == 6:
                monitor.should_stop = True

    run = capture()
    with Monitor() as monitor:
        trainer = train(bert(), Sentences(40), Stop(), InformationMonitor(monitor=monitor), num_train_epochs=50)
    assert trainer.state.global_step == 7
    assert [(s.step, s.epoch) for s in run.snapshots] == [(0, None), (5, 1), (7, 1.4)]
    end = run.history.end
    assert end is not None and end.status == "stopped"


def test_the_last_network_is_not_the_best_one(train: Callable[..., Trainer], capture: Runs) -> None:
    class Last(TrainerCallback):
        def on_epoch_end(self, *_: Any, model: Any, **__: Any) -> None:
            weights.append(model.classifier.weight.detach().clone())

    def bias_of(shot: Any) -> torch.Tensor:
        return shot.layers["classifier"].values

    weights: list[torch.Tensor] = []
    run = capture()
    model = bert()
    held_out = Sentences(8, seed=1)
    train(
        model, Sentences(40), InformationMonitor(dataset=held_out, layers=["classifier"]), Last(), EarlyStoppingCallback(1),
        held_out=held_out, num_train_epochs=9, learning_rate=0.5, eval_strategy="epoch", save_strategy="epoch",
        load_best_model_at_end=True, metric_for_best_model="eval_loss",
    )  # fmt: skip
    last = run.snapshots[-1]
    assert last.step == run.steps[-1] == 5 * len(weights) < 45
    assert not torch.equal(model.classifier.weight, weights[-1]), "the best network was loaded"
    model.eval()
    with torch.no_grad():
        now = model(**{k: v for k, v in collate(held_out.items).items() if k != "labels"}).logits
    assert not torch.allclose(now, bias_of(last))
    assert run.steps.count(last.step) == 1


def test_a_training_that_fails_is_recorded_where_the_script_says_so(train: Callable[..., Trainer], capture: Runs) -> None:
    class Broken(TrainerCallback):
        def on_step_begin(self, _: Any, state: Any, *__: Any, **___: Any) -> None:
            if state.global_step == 3:
                raise ValueError("no such luck")

    run = capture()
    watching = InformationMonitor()
    with pytest.raises(ValueError, match="no such luck") as caught:
        train(bert(), Sentences(40), watching, Broken())
    watching.failed(caught.value)
    end = run.history.end
    assert end is not None and (end.status, end.step, end.error) == ("failed", 3, "ValueError: no such luck")


def test_a_next_training_ends_the_one_before(train: Callable[..., Trainer], capture: Runs) -> None:
    class Broken(TrainerCallback):
        failing = True

        def on_step_begin(self, _: Any, state: Any, *__: Any, **___: Any) -> None:
            if self.failing and state.global_step == 3:
                raise ValueError("no such luck")

    run = capture()
    watching, broken = InformationMonitor(), Broken()
    with pytest.raises(ValueError, match="no such luck"):
        train(bert(), Sentences(40), watching, broken)
    broken.failing = False
    train(bert(), Sentences(40), watching, num_train_epochs=1)
    assert run.steps == [0, 0, 5]
    assert len(run.history.segments) == 2


@pytest.mark.parametrize(
    ("asked", "said"),
    [({"model": "berd"}, "'berd' is no module of BertForSequenceClassification"), ({"layers": ["clasifier"]}, "did you mean")],
)
def test_what_does_not_exist_stops_before_the_training(
    asked: dict[str, Any], said: str, train: Callable[..., Trainer], capture: Runs
) -> None:
    run = capture()
    with pytest.raises(IbmonError, match=said):
        train(bert(), Sentences(16), InformationMonitor(**asked))
    end = run.history.end
    assert end is not None and end.status == "failed"


def test_a_sharded_model_is_not_captured(
    train: Callable[..., Trainer], capture: Runs, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from accelerate.utils import DistributedType

    from ibmon.integrations import transformers as integration

    class Sharded:
        distributed_type = DistributedType.FSDP

    run = capture()
    monkeypatch.setattr(integration, "AcceleratorState", Sharded)
    train(bert(), Sentences(8), InformationMonitor(), num_train_epochs=1)
    assert "FSDP shards the model" in capsys.readouterr().err
    assert not run.run.logs("trainer")


def test_a_resumed_training_counts_on(
    train: Callable[..., Trainer], tmp_path: Path, capture: Runs, capsys: pytest.CaptureFixture[str]
) -> None:
    capture()
    train(bert(), Sentences(40), num_train_epochs=1, save_strategy="epoch")
    run = capture()
    again = trainer_of(tmp_path / "out", bert(), Sentences(40), InformationMonitor(), num_train_epochs=3)
    again.train(resume_from_checkpoint=True)
    assert "goes on from update 5" in capsys.readouterr().err
    assert [(s.step, s.epoch) for s in run.snapshots] == [(5, 1), (10, 2), (15, 3)]


@pytest.mark.parametrize(("skip", "rest"), [(False, [1.6, 1.8, 2.0]), (True, [1.2, 1.4, 1.6])])
def test_a_training_resumed_in_the_middle_of_an_epoch_counts_what_is_left_of_it(
    skip: bool, rest: list[float], train: Callable[..., Trainer], tmp_path: Path, capture: Runs
) -> None:
    how: dict[str, Any] = {"num_train_epochs": 2, "save_strategy": "steps", "save_steps": 7}
    how |= {"logging_strategy": "steps", "logging_steps": 1}
    capture()
    train(bert(), Sentences(40), **how)
    run = capture()
    again = trainer_of(tmp_path / "out", bert(), Sentences(40), InformationMonitor(), ignore_data_skip=skip, **how)
    again.train(resume_from_checkpoint=str(tmp_path / "out" / "checkpoint-7"))
    assert run.history.scalars["train/loss"].epoch.tolist() == pytest.approx(rest)
    assert [(s.step, s.epoch) for s in run.snapshots] == [(7, 1.4), (10, rest[-1])]


@pytest.mark.filterwarnings("ignore:'pin_memory' argument is set as true but no accelerator is found")
def test_the_script_that_is_described_runs(capture: Runs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    run = capture()
    exec(described("with_transformers.py").replace("sentences(1024", "sentences(64"), {})
    assert run.steps == [0, 8, 16, 24]
    assert {"bert.encoder.layer.0", "bert.encoder.layer.1", "classifier"} <= set(run.snapshots[-1].layers)
    assert not run.problems
