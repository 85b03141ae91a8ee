from __future__ import annotations

import random

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, IterableDataset, SubsetRandomSampler, TensorDataset, WeightedRandomSampler

from ibmon.capture.loaders import by_name, tensors_of
from ibmon.records import UsageError
from ibmon.tensors import IGNORED, EvaluationSet

X, Y = torch.arange(40.0).reshape(20, 2), torch.arange(20) % 3


def test_a_loader_gives_fixed_samples_in_their_order_with_their_targets() -> None:
    loader = DataLoader(TensorDataset(X, Y), batch_size=4, shuffle=True)
    data, again = tensors_of(loader, 8, seed=5), tensors_of(loader, 8, seed=5)
    assert len(data.inputs) == len(data.targets) == 8
    assert torch.equal(data.inputs, again.inputs)
    rows = (data.inputs[:, 0] / 2).long()
    assert torch.equal(rows, rows.sort().values)
    assert torch.equal(data.targets, Y[rows])
    assert not torch.equal(tensors_of(loader, 8, seed=6).inputs, data.inputs)


def test_a_loader_is_read_without_the_training_noticing() -> None:
    class Augmented(Dataset[tuple[Tensor, Tensor]]):
        def __len__(self) -> int:
            return 20

        def __getitem__(self, row: int) -> tuple[Tensor, Tensor]:
            return X[row] + torch.randn(2) + random.random() + float(np.random.rand()), Y[row]

    generator = torch.Generator().manual_seed(1)
    loader = DataLoader(Augmented(), batch_size=4, shuffle=True, generator=generator)
    before = torch.get_rng_state(), random.getstate(), np.random.get_state()[1].tolist(), generator.get_state()
    tensors_of(loader, 12, seed=0)
    after = torch.get_rng_state(), random.getstate(), np.random.get_state()[1].tolist(), generator.get_state()
    assert torch.equal(before[0], after[0]) and torch.equal(before[3], after[3])
    assert before[1:3] == after[1:3]


def test_a_sampler_of_ones_own_is_left_where_it_is() -> None:
    weighted = WeightedRandomSampler([1.0] * 20, 12, generator=torch.Generator().manual_seed(3))
    loader = DataLoader(TensorDataset(X, Y), batch_size=4, sampler=weighted)
    running = iter(loader)
    next(running)
    before = weighted.generator.get_state()
    data = tensors_of(loader, 8, seed=0)
    assert len(data.inputs) == 8
    assert torch.equal(weighted.generator.get_state(), before)
    assert len(list(running)) == 2


def test_a_data_set_may_give_whole_batches() -> None:
    batches = [(X[:6], Y[:6]), (X[6:12], Y[6:12])]
    data = tensors_of(DataLoader(batches, batch_size=None), 100, seed=0)
    assert torch.equal(data.inputs, X[:12]) and torch.equal(data.targets, Y[:12])


def test_only_the_rows_of_a_subset_are_drawn() -> None:
    loader = DataLoader(TensorDataset(X, Y), batch_size=4, sampler=SubsetRandomSampler([3, 17, 5]))
    data = tensors_of(loader, 100, seed=0)
    assert sorted((data.inputs[:, 0] / 2).tolist()) == [3, 5, 17]


def test_a_stream_gives_its_first_samples() -> None:
    class Stream(IterableDataset[tuple[Tensor, Tensor]]):
        def __iter__(self):
            return iter(zip(X, Y, strict=True))

    data = tensors_of(DataLoader(Stream(), batch_size=6), 10, seed=0)
    assert torch.equal(data.inputs, X[:10]) and torch.equal(data.targets, Y[:10])
    listed = tensors_of([(X[:6], Y[:6]), (X[6:12], Y[6:12])], 100, seed=0)
    assert torch.equal(listed.inputs, X[:12])


def test_batches_of_tokens_are_padded_and_masked() -> None:
    def batch(length: int, words: int) -> dict[str, Tensor]:
        mask = (torch.arange(length) < words).long().expand(2, -1)
        return {"input_ids": torch.full((2, length), 7), "attention_mask": mask, "labels": torch.full((2, length), 1)}

    data = tensors_of([batch(3, 2), batch(5, 5)], 100, seed=0)
    assert set(data.inputs) == {"input_ids", "attention_mask"}
    assert data.inputs["input_ids"].shape == (4, 5)
    assert data.mask is not None and data.mask.sum(1).tolist() == [2, 2, 5, 5]
    assert data.targets[0].tolist() == [1, 1, 1, IGNORED, IGNORED]


def test_sequences_without_a_mask_get_one_of_their_lengths() -> None:
    data = tensors_of(iter([torch.ones(2, 3, 4), torch.ones(1, 5, 4)]), 100, seed=0)
    assert data.inputs.shape == (3, 5, 4)
    assert data.mask is not None and data.mask.sum(1).tolist() == [3, 3, 5]
    assert (data.inputs[:2, 3:] == 0).all()


def test_what_was_given_beside_a_loader_stays() -> None:
    given = EvaluationSet(DataLoader(TensorDataset(X), batch_size=4), classes={"y": ("a",)}, mask=None)
    data = tensors_of(given, 100, seed=0)
    assert data.classes == {"y": ("a",)} and data.targets is None
    assert torch.equal(data.inputs, X)


def test_an_attention_mask_is_the_mask_of_tensors_too() -> None:
    mask = torch.tensor([[1, 1, 0], [1, 0, 0]])
    data = tensors_of(EvaluationSet({"input_ids": torch.ones(2, 3).long(), "attention_mask": mask}), 100, seed=0)
    assert data.mask is not None and torch.equal(data.mask, mask.bool())


@pytest.mark.parametrize(
    ("loader", "words"),
    [
        ([object()], "batches are object"),
        ([{"text": ["a"]}], "mappings without tensors"),
        ([(["a"], torch.zeros(1))], "more than tensors"),
        (iter([torch.ones(2, 3, 4), torch.ones(2, 3, 5)]), "different shapes"),
        (iter([]), "no batch"),
    ],
)
def test_a_loader_that_does_not_serve_is_one_sentence(loader: object, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        tensors_of(loader, 100, seed=0)


def test_a_data_set_that_fails_is_one_sentence() -> None:
    class Broken(Dataset[Tensor]):
        def __len__(self) -> int:
            return 5

        def __getitem__(self, row: int) -> Tensor:
            raise KeyError(f"image-{row}.jpg")

    with pytest.raises(UsageError, match=r"cannot be read: KeyError: 'image-0.jpg'"):
        tensors_of(DataLoader(Broken(), batch_size=2), 100, seed=0)


def test_evaluation_sets_have_names_of_files() -> None:
    assert list(by_name(EvaluationSet(X), 10, 0)) == ["all"]
    assert list(by_name({"test": DataLoader(TensorDataset(X))}, 10, 0)) == ["test"]
    assert by_name(None, 10, 0) == {}
    with pytest.raises(UsageError, match="cannot name"):
        by_name({"a/b": EvaluationSet(X)}, 10, 0)
