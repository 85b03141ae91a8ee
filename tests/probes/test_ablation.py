"""What a model can do with some units and without them, and that asking leaves it as it was."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from ibmon import Activation, EvaluationSet
from ibmon.probes import Ablated, ablated, ablation
from ibmon.probes.ablation import unit_information
from ibmon.probes.replay import Replay
from tagging import HALF, TIME, UNITS, WORDS, Tagger, sentences

DATA = sentences(50)
KEPT, REMOVED = 0, 1


def asked(model: nn.Module, data: EvaluationSet = DATA, module: str = "hidden", seed: int = 0, **options: Any) -> Ablated:
    model.eval()
    said = ablation(module, **options)(model, data, rng=torch.Generator().manual_seed(seed))
    found = ablated({f"ablation.{name}": value for name, value in said.items()})
    assert found is not None
    return found


def test_each_task_needs_its_own_half_and_loses_nothing_without_the_other() -> None:
    found = asked(Tagger())
    assert found.levels == (0, 1, 2, 4, 8, 12)
    for task, own in enumerate(("pos", "ner")):
        other, accuracy = 1 - task, found.accuracy[own]
        best = found.information[own].argsort(descending=True)[:HALF]
        assert set(best.tolist()) == set(range(task * HALF, (task + 1) * HALF))
        assert accuracy[task, KEPT, 4] == 1 and accuracy[task, KEPT, 0] < 0.6
        assert (accuracy[other, REMOVED, :4] == 1).all(), "four units of the other task"
        assert (accuracy[other, KEPT, :4] == accuracy[other, KEPT, 0]).all()
        assert accuracy[task, REMOVED, 3] < 1 and accuracy[task, KEPT, 3] > accuracy[other, KEPT, 3]
    random = found.accuracy["pos"][2:]
    assert len(random) == 5 and 0.3 < random[:, KEPT, 3].mean() < 1


def test_none_and_all_are_the_same_in_every_order_and_from_both_sides() -> None:
    model, data = Tagger(), DATA
    found = asked(model)
    with torch.no_grad():
        outputs = model(**data.inputs)
    for task, accuracy in found.accuracy.items():
        right = (outputs[task].argmax(-1) == data.targets[task])[data.mask].double().mean()
        assert (accuracy[:, KEPT, -1] == right).all() and (accuracy[:, REMOVED, 0] == right).all()
        assert (accuracy[:, KEPT, 0] == accuracy[0, REMOVED, -1]).all()


class Recurrent(nn.Module):
    """A bidirectional LSTM with a head for each task and, before it, what is not to be computed again."""

    def __init__(self, *, packed: bool = False, batch_first: bool = True) -> None:
        super().__init__()
        torch.manual_seed(1)
        self.words = nn.Embedding(WORDS, 8)
        self.below = nn.Sequential(nn.Linear(8, 8), nn.ReLU(inplace=True))
        self.hidden = nn.LSTM(8, 5, bidirectional=True, batch_first=batch_first)
        self.heads = nn.ModuleDict({"pos": nn.Linear(10, 4), "ner": nn.Linear(10, 3)})
        self.packed, self.calls = packed, 0
        self.below[0].register_forward_hook(self._count)

    def _count(self, *_: object) -> None:
        self.calls += 1

    def forward(self, words: Tensor, lengths: Tensor) -> dict[str, Tensor]:
        x = self.below(self.words(words).mul_(2))
        if self.packed:
            packed = pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
            h, _ = pad_packed_sequence(self.hidden(packed)[0], batch_first=True, total_length=TIME)
        else:
            first = self.hidden.batch_first
            h = self.hidden(x if first else x.transpose(0, 1))[0]
            h = h if first else h.transpose(0, 1)
        return {task: head(h) for task, head in self.heads.items()}


def by_hand(model: Recurrent, kept: list[int]) -> dict[str, float]:
    """Accuracies with all but some units at 0, computed as a whole."""

    def hook(module: nn.Module, inputs: Any, output: Any) -> Any:
        factor = torch.zeros(10).index_fill(0, torch.tensor(kept, dtype=torch.long), 1)
        return output[0] * factor, output[1]

    handle = model.hidden.register_forward_hook(hook)
    with torch.no_grad():
        outputs = model(**DATA.inputs)
    handle.remove()
    return {t: float((o.argmax(-1) == DATA.targets[t])[DATA.mask].double().mean()) for t, o in outputs.items()}


@pytest.mark.parametrize("batch_first", [True, False])
def test_it_is_what_a_whole_pass_with_units_at_zero_gives(batch_first: bool) -> None:
    model = Recurrent(batch_first=batch_first)
    found = asked(model)
    assert found.levels == (0, 1, 2, 4, 8, 10)
    order = found.information["ner"].argsort(descending=True, stable=True).tolist()
    for k, level in enumerate(found.levels):
        kept, removed = by_hand(model, order[:level]), by_hand(model, order[level:])
        for task, accuracy in found.accuracy.items():
            assert accuracy[1, KEPT, k] == kept[task] and accuracy[1, REMOVED, k] == removed[task]


def test_packed_sequences_give_what_padded_ones_give() -> None:
    class Forward(Recurrent):
        def __init__(self, *, packed: bool) -> None:
            super().__init__(packed=packed)
            self.hidden = nn.LSTM(8, 10, batch_first=True)

    torch.manual_seed(2)
    whole, packed = Forward(packed=False), Forward(packed=True)
    packed.load_state_dict(whole.state_dict())
    one, two = (asked(model, fill="mean") for model in (whole, packed))
    for task in ("pos", "ner"):
        torch.testing.assert_close(one.information[task], two.information[task])
        torch.testing.assert_close(one.accuracy[task], two.accuracy[task])


def test_what_comes_before_the_module_is_computed_once() -> None:
    model = Recurrent()
    asked(model)
    assert model.calls == 1


def test_a_mean_is_another_ablation_than_zero() -> None:
    model = Tagger()
    with torch.no_grad():
        model.words.weight += 3  # no word has a unit near 0, and the heads know that
        for code in model.codes:
            code += 3
    zero, mean = (asked(model, fill=fill).accuracy["pos"][0, KEPT] for fill in ("zero", "mean"))
    assert zero[-1] == mean[-1] == 1 and not torch.equal(zero, mean)


def test_the_model_and_the_random_state_stay_as_they_were() -> None:
    model = Recurrent()
    before = {k: v.clone() for k, v in model.state_dict().items()}
    attributes = {name: set(vars(module)) for name, module in model.named_modules()}
    states = torch.get_rng_state(), np.random.get_state()[1].copy(), random.getstate()
    asked(model)
    assert all(torch.equal(v, before[k]) for k, v in model.state_dict().items())
    assert {name: set(vars(module)) for name, module in model.named_modules()} == attributes
    assert all(p.grad is None and p.requires_grad for p in model.parameters())
    assert torch.equal(torch.get_rng_state(), states[0]) and random.getstate() == states[2]
    assert (np.random.get_state()[1] == states[1]).all()


def test_random_orders_are_those_of_the_seed() -> None:
    one, same, other = (asked(Recurrent(), seed=seed).accuracy["pos"] for seed in (1, 1, 2))
    assert torch.equal(one, same) and not torch.equal(one[2:], other[2:])
    assert asked(Recurrent(), draws=0).accuracy["pos"].shape[0] == 2


def test_samples_and_padding_do_not_count_beyond_what_is_asked() -> None:
    few = asked(Recurrent(), samples=7)
    first = replace(
        DATA,
        inputs={name: t[:7] for name, t in DATA.inputs.items()},
        targets={task: torch.where(DATA.mask, t, -100)[:7] for task, t in DATA.targets.items()},
        mask=DATA.mask[:7],
    )
    alone = asked(Recurrent(), first)
    for task in ("pos", "ner"):
        assert torch.equal(few.accuracy[task], alone.accuracy[task])
        assert torch.equal(few.information[task], alone.information[task])


def test_recall_is_the_mean_over_classes() -> None:
    """A head that always says the common class: its accuracy looks well, its recall does not."""

    class Common(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.hidden = nn.Identity()

        def forward(self, x: Tensor) -> Tensor:
            return self.hidden(x) * 0 + torch.tensor([1.0, 0.0, 0.0])

    labels = torch.tensor([0] * 18 + [1, 2])
    found = asked(Common(), EvaluationSet(torch.randn(20, 3), labels))
    assert (found.accuracy["y"] == 0.9).all()
    torch.testing.assert_close(found.recall["y"], torch.full_like(found.recall["y"], 1 / 3))


def test_a_single_task_of_samples() -> None:
    model = nn.Sequential(nn.Linear(6, 3), nn.ReLU(), nn.Linear(3, 2))
    x = torch.randn(40, 6, generator=torch.Generator().manual_seed(0))
    found = asked(model, EvaluationSet(x, (x[:, 0] > 0).long()), "1")
    assert found.levels == (0, 1, 2, 3) and list(found.accuracy) == ["y"] and found.accuracy["y"].shape == (6, 2, 4)


class Single(Tagger):
    """A head with one class for some tasks."""

    def __init__(self, *single: str) -> None:
        super().__init__()
        self.single = single

    def forward(self, words: Tensor, lengths: Tensor) -> Any:
        scores = super().forward(words, lengths)
        return {task: found[..., :1] if task in self.single else found for task, found in scores.items()}


def of_one_class(*tasks: str) -> EvaluationSet:
    return replace(DATA, targets={t: torch.zeros_like(y) if t in tasks else y for t, y in DATA.targets.items()})


def test_a_task_with_one_class_is_left_out_and_the_others_are_measured() -> None:
    found, alone = asked(Single("ner"), of_one_class("ner")), asked(Tagger())
    assert list(found.accuracy) == ["pos"] and found.accuracy["pos"].shape == (6, 2, 6)
    assert torch.equal(found.accuracy["pos"][0], alone.accuracy["pos"][0])


def test_where_all_tasks_have_one_class_nothing_is_said() -> None:
    model = Single("pos", "ner")
    assert ablation("hidden")(model, of_one_class("pos", "ner"), rng=torch.Generator()) == {}
    single = nn.Sequential(nn.Linear(6, 3), nn.Linear(3, 1))
    data = EvaluationSet(torch.randn(20, 6), torch.zeros(20, dtype=torch.long))
    assert ablation("0")(single, data, rng=torch.Generator()) == {}


class Twice(Tagger):
    def forward(self, words: Tensor, lengths: Tensor) -> dict[str, Tensor]:
        super().forward(words, lengths)
        return super().forward(words, lengths)


class Silent(Tagger):
    def forward(self, words: Tensor, lengths: Tensor) -> Any:
        return super().forward(words, lengths)["pos"]


class Wrong(Tagger):
    def forward(self, words: Tensor, lengths: Tensor) -> Any:
        return {task: scores[:, 0] for task, scores in super().forward(words, lengths).items()}


@pytest.mark.parametrize(
    ("model", "module", "said"),
    [
        (Tagger(), "lstm", "no module 'lstm'; it has words, hidden, gates"),
        (Twice(), "hidden", "'hidden' is called 2 times a pass"),
        (Recurrent(), "heads", "'heads' is called 0 times a pass"),
        (Silent(), "hidden", "scores of classes by task"),
        (Wrong(), "hidden", r"outputs of pos have shape \(50, 4\) for labels of shape \(50, 9\)"),
        (Single("ner"), "hidden", r"outputs of ner have shape \(50, 9, 1\) for labels of shape \(50, 9\)"),
        (Recurrent(), "heads.pos", r"^$"),
    ],
)
def test_what_it_cannot_do_is_one_sentence(model: nn.Module, module: str, said: str) -> None:
    if said == "^$":  # a head is a module like any other: its units are the scores
        assert asked(model, module=module).levels == (0, 1, 2, 4)
        return
    with pytest.raises(ValueError, match=said):
        asked(model, module=module)


@pytest.mark.parametrize("options", [{"samples": 0}, {"draws": -1}, {"fill": "noise"}])
def test_options_out_of_their_domain_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="ablation"):
        ablation(**options)


@given(bins=st.integers(2, 8), seed=st.integers(0, 99))
@settings(max_examples=20)
def test_units_are_ordered_by_what_they_tell_whatever_their_scale(bins: int, seed: int) -> None:
    rng = torch.Generator().manual_seed(seed)
    labels = torch.arange(800) % bins
    noise = torch.randn(800, 3, generator=rng)
    states = torch.stack([labels + 0.01 * noise[:, 0], labels + bins * noise[:, 1], noise[:, 2]], 1)
    states = torch.cat([states, torch.zeros(800, 1)], 1)
    one, scaled = unit_information(states, labels), unit_information(1e6 * states - 5, labels)
    torch.testing.assert_close(one, scaled)
    assert one[1] < one[0] <= np.log2(bins) + 1e-9 and one[1] > abs(one[3]) < 1e-12


def test_what_another_probe_of_that_name_says_is_not_read() -> None:
    values = Activation(torch.zeros(3), ("unit",))
    assert ablated({}) is None and ablated({"ablation": values}) is None
    parts = ("levels", "accuracy.y", "recall.y", "information.y")
    assert ablated({f"ablation.{part}": values for part in parts}) is None


def test_a_replay_calls_only_what_comes_after_the_module() -> None:
    class Nested(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.one, self.hidden = nn.Linear(2, 2), nn.Linear(2, 2)
            self.inner = nn.ModuleDict({"block": nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))})

        def forward(self, x: Tensor) -> Tensor:
            x = self.inner["block"](self.one(x))
            x = self.one(self.hidden(self.one(x)))
            return self.inner["block"][0](x)

    model, x = Nested(), torch.randn(4, 2)
    seen: list[int] = []
    for module in (model.one, model.inner["block"][0], model.hidden):
        module.register_forward_pre_hook(lambda module, _: seen.append(id(module)))
    with torch.no_grad(), Replay(model, "hidden") as replay:
        whole = replay.record(lambda: model(x))
        assert torch.equal(replay.again(lambda: model(x), replay.output), whole)
        other = replay.again(lambda: model(x), replay.output + 1)
    with torch.no_grad():
        expected = model.inner["block"][0](model.one(model.hidden(model.one(model.inner["block"](model.one(x)))) + 1))
        torch.testing.assert_close(other, expected)
    assert model.one.forward.__func__ is nn.Linear.forward
    assert "forward" not in vars(model.one)


def test_units_are_those_of_the_tagger() -> None:
    assert asked(Tagger()).information["pos"].shape == (UNITS,)
