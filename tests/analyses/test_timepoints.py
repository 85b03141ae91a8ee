"""What is measured at each timepoint: planted cases with known truth, and what padding must not change."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ibmon import Activation, Estimate, Measurement, Snapshot, Variable
from ibmon.analysis.jobs import Bound, plan
from ibmon.registry import discover
from ibmon_analyses.information_plane import InformationPlane
from ibmon_analyses.timepoints import Timepoints
from ibmon_analyses.timepoints_states import equalised, identities, numbered
from ibmon_estimators.binning import Binning
from ibmon_estimators.copula import Copula
from ibmon_estimators.gaussian import Gaussian
from ibmon_estimators.kde import KDE
from ibmon_estimators.ksg import KSG

STATES = ("sample", "time", "unit")
EXACT = Binning(width=0.5, permutations=3)


def bound(estimator: object) -> Bound:
    return Bound(estimator, torch.Generator().manual_seed(7))


def snapshot(
    states: torch.Tensor,
    *,
    mask: torch.Tensor | None = None,
    inputs: torch.Tensor | None = None,
    targets: dict[str, torch.Tensor] | None = None,
    axes: tuple[str, ...] = STATES,
) -> Snapshot:
    samples = states.shape[axes.index("sample")]
    x = None if inputs is None else Activation(inputs, STATES[: inputs.ndim] if inputs.ndim == 3 else ("sample", "unit"))
    layers = {"lstm": Activation(states, axes, mask)}
    return Snapshot(0, 0.0, "all", layers, torch.arange(samples), inputs=x, targets=targets or {})


def measured(analysis: Timepoints, at: Snapshot, estimator: object) -> dict[str, Measurement]:
    """By quantity, and task where there are several."""
    found = analysis.measure(at, {"e": bound(estimator)})
    return {" ".join([m.quantity, *(v for k, v in m.subject.items() if k == "task")]): m for m in found}


def values(measurement: Measurement) -> list[float]:
    return np.asarray(measurement.value).round(9).tolist()


def independent(symbols: int, length: int) -> torch.Tensor:
    """Every sequence of so many symbols once (symbols ** length, length): timepoints are exactly independent."""
    codes = torch.arange(symbols**length)
    return torch.stack([codes // symbols**t % symbols for t in range(length)], 1)


def left_padded(lengths: Sequence[int], time: int) -> torch.Tensor:
    return torch.arange(time)[None] >= time - torch.tensor(list(lengths))[:, None]


def test_a_label_is_known_from_the_timepoint_that_reveals_it() -> None:
    labels = torch.arange(60) % 2
    states = torch.where(torch.arange(5)[None] >= 3, labels[:, None], 0)[..., None].double()
    found = measured(Timepoints(), snapshot(states, targets={"y": labels}), EXACT)["I(H_t;Y)"]
    assert values(found) == [0, 0, 0, 1, 1]
    assert found.axes == {"time": [0, 1, 2, 3, 4]} and found.subject == {"layer": "lstm"}
    assert found.details["null"].max() < 0.1


def test_copies_memories_and_states_that_forget() -> None:
    tokens = independent(4, 3)
    bits = 2.0
    copy = measured(Timepoints(width=0.5), snapshot(tokens[..., None].double(), inputs=tokens), EXACT)
    assert values(copy["I(X_t;H_t)"]) == values(copy["I(X;H_t)"]) == [bits] * 3
    assert np.nan_to_num(copy["I(H_t;H_{t-1})"].value, nan=0).tolist() == pytest.approx([0, 0, 0], abs=1e-9)

    seen = torch.stack([tokens * (torch.arange(3) <= t) for t in range(3)], 1).double()
    memory = measured(Timepoints(width=0.5), snapshot(seen, inputs=tokens), EXACT)
    assert values(memory["I(X;H_t)"]) == [bits, 2 * bits, 3 * bits]
    assert values(memory["I(X_t;H_t)"]) == [bits] * 3
    before, after = memory["I(H_t;H_{t-1})"], memory["I(H_t;H_{t+1})"]
    assert values(before)[1:] == [bits, 2 * bits] and np.isnan(before.value[0])
    assert values(after)[:-1] == [bits, 2 * bits] and np.isnan(after.value[-1])
    assert before.flags["empty"].tolist() == [True, False, False] and after.flags["empty"].tolist() == [False, False, True]

    seen[:, 2, :2] = 0  # only the token of now is left
    forgetful = measured(Timepoints(width=0.5), snapshot(seen, inputs=tokens), EXACT)
    assert values(forgetful["I(X;H_t)"]) == [bits, 2 * bits, bits]
    assert values(forgetful["I(H_t;H_{t-1})"])[1:] == [bits, 0]


def padded_states(lengths: Sequence[int], time: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Random states of sequences padded in front, and their mask; before a sequence begins all share one state."""
    mask = left_padded(lengths, time)
    rng = torch.Generator().manual_seed(len(lengths))
    states = torch.rand(len(lengths), time, 3, generator=rng, dtype=torch.float64) + 1
    return torch.where(mask[..., None], states, 0.5), mask


@given(lengths=st.lists(st.integers(0, 9), min_size=2, max_size=60))
@settings(max_examples=30)
def test_padding_as_data_is_the_curve_that_the_mask_alone_predicts(lengths: list[int]) -> None:
    states, mask = padded_states(lengths, 9)
    found = measured(Timepoints(padding="as-data"), snapshot(states, mask=mask), Binning(width=1e-9, permutations=0))
    q = mask.double().mean(0).numpy()
    rest = np.where(q < 1, -(1 - q) * np.log2(np.where(q < 1, 1 - q, 1)), 0)
    expected = rest + q * np.log2(len(lengths))
    assert found["I(X;H_t) predicted by padding"].value == pytest.approx(expected, abs=1e-9)
    assert found["I(X;H_t)"].value == pytest.approx(expected, abs=1e-9)
    assert values(found["samples"]) == [len(lengths)] * 9


def test_the_prediction_knows_inputs_that_repeat() -> None:
    states, mask = padded_states([1, 2, 3, 4, 4, 4], 4)
    states[-1] = states[-2]
    at = replace(snapshot(states, mask=mask), identity=torch.tensor([0, 1, 2, 3, 4, 4]))
    found = measured(Timepoints(padding="as-data"), at, Binning(width=1e-9, permutations=0))
    assert found["I(X;H_t) predicted by padding"].value == pytest.approx(found["I(X;H_t)"].value, abs=1e-9)


@pytest.mark.parametrize("mask", [None, ~left_padded([i % 3 for i in range(20)], 3)], ids=["no mask", "padded behind"])
def test_only_padding_in_front_predicts_a_curve(mask: torch.Tensor | None) -> None:
    found = measured(Timepoints(padding="as-data"), snapshot(torch.rand(20, 3, 2), mask=mask), EXACT)
    assert "I(X;H_t)" in found and "I(X;H_t) predicted by padding" not in found


def twice_padded(*, continuous: bool) -> tuple[Snapshot, Snapshot]:
    """Two snapshots of the same data whose paddings differ in everything: states, inputs and labels of tokens."""
    rng = torch.Generator().manual_seed(1)
    mask = left_padded([3 + i % 5 for i in range(60)], 7)
    states = torch.randn(60, 7, 2, generator=rng)
    tokens = torch.randint(5, (60, 7), generator=rng)
    inputs = torch.randn(60, 7, 2, generator=rng) if continuous else tokens
    targets = {"y": torch.arange(60) % 2, "token": (tokens > 1).long()}
    one = snapshot(states, mask=mask, inputs=inputs, targets=targets)
    other = snapshot(
        torch.where(mask[..., None], states, torch.nan),
        mask=mask,
        inputs=torch.where(mask[..., None], inputs, 1e9) if continuous else torch.where(mask, tokens, 77),
        targets={"y": targets["y"], "token": torch.where(mask, targets["token"], -100)},
    )
    return one, other


@pytest.mark.parametrize("equal", [False, True])
@pytest.mark.parametrize("estimator", [Binning(range="observed"), KDE(relative=True, permutations=2), KSG(jitter=0), Copula()])
@pytest.mark.parametrize("continuous", [False, True])
def test_what_stands_under_the_mask_never_counts(estimator: object, equal: bool, continuous: bool) -> None:
    analysis = Timepoints(equal=equal, least=12)
    one, other = twice_padded(continuous=continuous)
    first, second = (measured(analysis, at, estimator) for at in (one, other))
    assert first.keys() == second.keys() >= {"I(X;H_t)", "I(H_t;H_{t-1})"}
    for quantity, a in first.items():
        b = second[quantity]
        np.testing.assert_array_equal(a.value, b.value, err_msg=quantity)
        assert a.flags.keys() == b.flags.keys() and a.details.keys() == b.details.keys()
        for kind in ("flags", "details"):
            for name in getattr(a, kind):
                np.testing.assert_array_equal(getattr(a, kind)[name], getattr(b, kind)[name], err_msg=f"{quantity} {name}")


def test_a_timepoint_is_that_of_its_samples_alone() -> None:
    mask = left_padded([2 + i % 6 for i in range(72)], 7)
    states = torch.randn(72, 7, 2, generator=torch.Generator().manual_seed(2))
    labels = torch.arange(72) % 3
    found = measured(Timepoints(), snapshot(states, mask=mask, targets={"y": labels}), KDE(permutations=0))
    assert values(found["samples"]) == mask.sum(0).tolist()
    for t in range(7):
        kept = mask[:, t]
        x = Variable.continuous(states[kept, t])
        ys = [Variable.identity(int(kept.sum())), Variable.labels(labels[kept])]
        about_x, about_y = bound(KDE(permutations=0))(x, ys)
        assert float(found["I(X;H_t)"].value[t]) == pytest.approx(float(about_x.value), abs=1e-6)
        assert float(found["I(H_t;Y)"].value[t]) == pytest.approx(float(about_y.value), abs=1e-6)
        cap = np.log2(int(kept.sum()))
        assert found["I(X;H_t)"].details["limit"][t] == pytest.approx(cap)
        assert found["I(H_t;Y)"].details["limit"][t] <= cap


def test_an_estimate_at_log2_of_its_samples_is_flagged() -> None:
    mask = left_padded([1, 4, 4, 4], 4)
    spread = torch.arange(4.0)[:, None, None].expand(4, 4, 1)
    found = measured(Timepoints(), snapshot(spread, mask=mask), Copula())["I(X;H_t)"]
    assert found.flags["saturated"].all()
    one = measured(Timepoints(), snapshot(torch.zeros(200, 3, 1)), KDE())["I(X;H_t)"]
    assert not one.flags["saturated"].any()


@given(counts=st.lists(st.lists(st.booleans(), min_size=12, max_size=12), min_size=1, max_size=6), least=st.integers(1, 12))
@settings(max_examples=60)
def test_equal_numbers_are_the_least_of_those_that_suffice(counts: list[list[bool]], least: int) -> None:
    mask = torch.tensor(counts)
    drawn = equalised(mask, least)
    sizes = mask.sum(-1)
    enough = sizes >= least
    expected = torch.where(enough, sizes[enough].min() if bool(enough.any()) else 0, 0)
    assert drawn.sum(-1).tolist() == expected.tolist()
    assert not bool((drawn & ~mask).any())
    assert torch.equal(drawn, equalised(mask, least))


def test_timepoints_are_compared_on_equal_numbers() -> None:
    mask = left_padded([2] * 30 + [5] * 40 + [6] * 5, 6)
    at = snapshot(torch.randn(75, 6, 2), mask=mask)
    found = measured(Timepoints(equal=True, least=20), at, EXACT)
    assert values(found["samples"]) == [0, 45, 45, 45, 45, 45]
    assert np.isnan(found["I(X;H_t)"].value[0]) and found["I(X;H_t)"].flags["empty"].tolist() == [True] + [False] * 5
    assert found["I(X;H_t)"].details["limit"][1:].tolist() == pytest.approx([np.log2(45)] * 5)
    none = measured(Timepoints(equal=True, least=100), at, EXACT)
    assert np.isnan(none["I(X;H_t)"].value).all()


def test_a_part_of_the_timepoints_reads_what_all_of_them_read() -> None:
    at = snapshot(torch.randn(60, 11, 2), inputs=torch.randint(4, (60, 11)), targets={"y": torch.arange(60) % 2})
    whole = measured(Timepoints(), at, Binning(width=1.0, permutations=0))
    part = measured(Timepoints(last=8, every=3), at, Binning(width=1.0, permutations=0))
    assert part["I(X;H_t)"].axes == {"time": [4, 7, 10]}
    assert part.keys() == whole.keys()
    for quantity, few in part.items():
        np.testing.assert_allclose(few.value, np.asarray(whole[quantity].value)[[4, 7, 10]], err_msg=quantity)


def test_continuous_inputs_and_neighbours_by_estimators_that_take_them() -> None:
    rng = torch.Generator().manual_seed(4)
    inputs = torch.randn(4000, 3, 1, generator=rng, dtype=torch.float64)
    states = [inputs[:, 0]]
    for t in (1, 2):  # correlation .8 with the state before and .6 with the input
        states.append(0.8 * states[-1] + 0.6 * inputs[:, t])
    at = snapshot(torch.stack(states, 1), inputs=inputs)
    found = measured(Timepoints(), at, Gaussian())
    assert found["I(H_t;H_{t-1})"].value[1:].tolist() == pytest.approx([-0.5 * np.log2(1 - 0.64)] * 2, abs=0.05)
    assert found["I(H_t;H_{t+1})"].value[:2].tolist() == found["I(H_t;H_{t-1})"].value[1:].tolist()
    assert found["I(X_t;H_t)"].value[1:].tolist() == pytest.approx([-0.5 * np.log2(1 - 0.36)] * 2, abs=0.05)
    assert "I(H_t;Y)" not in found
    nearest = measured(Timepoints(), replace(at, targets={"y": torch.arange(4000) % 2}), KSG(permutations=0))
    assert nearest["I(H_t;H_{t-1})"].value[1:].tolist() == pytest.approx([-0.5 * np.log2(1 - 0.64)] * 2, abs=0.1)
    assert nearest["I(H_t;Y)"].value.max() < 0.05


class Asked:
    """An estimator that takes some kinds of y and remembers what it was given."""

    def __init__(self, *kinds: str) -> None:
        self.kinds, self.seen, self.states = kinds, list[list[Variable]](), list[torch.Tensor]()

    def __call__(self, x: Variable, ys: Sequence[Variable], *, rng: torch.Generator) -> tuple[Estimate, ...]:
        if any(y.kind not in ("identity", *self.kinds) for y in ys):
            raise ValueError("not this kind")
        self.seen.append(list(ys))
        self.states.append(x.values)
        return tuple(Estimate(torch.zeros(x.values.shape[:-2], dtype=torch.float64)) for _ in ys)

    def calls(self) -> list[list[str]]:
        """Kinds of the ys, call by call, but for those that ask what it takes."""
        return [[y.kind for y in ys] for ys in self.seen if ys[0].samples != 8]


@pytest.mark.parametrize(
    ("inputs", "kinds", "now"),
    [
        (torch.randint(9, (50, 4)), ("labels", "continuous"), ["labels"]),
        (torch.randint(9, (50, 4)), ("continuous",), []),
        (torch.rand(50, 4), ("labels", "continuous"), ["continuous"]),
        (torch.rand(50, 4, 2), ("labels",), ["labels"]),
        (torch.eye(3)[torch.arange(200).reshape(50, 4) % 3], ("labels", "continuous"), ["labels"]),
        (torch.rand(50, 9), ("labels", "continuous"), []),
    ],
    ids=["tokens", "tokens, no labels", "numbers", "numbers, labels only", "one-hot", "no time axis"],
)
def test_the_input_of_now_is_what_the_estimator_takes(inputs: torch.Tensor, kinds: tuple[str, ...], now: list[str]) -> None:
    asked = Asked(*kinds)
    list(Timepoints().measure(snapshot(torch.rand(50, 4, 2), inputs=inputs), {"e": bound(asked)}))
    pair = "continuous" if "continuous" in kinds else "labels"
    assert asked.calls() == [["identity", *now], [pair]]


def test_a_layer_is_one_call_and_its_neighbours_another_or_none() -> None:
    at = snapshot(torch.rand(50, 4, 2), targets={"y": torch.arange(50) % 2, "token": torch.randint(3, (50, 4))})
    asked = Asked("labels")
    found = list(Timepoints(width=0).measure(at, {"e": bound(asked)}))
    assert asked.calls() == [["identity", "labels", "labels"]]
    assert [m.subject.get("task") for m in found if m.quantity == "I(H_t;Y)"] == ["y", "token"]
    assert asked.seen[-1][2].values.shape == (4, 50)
    alone = measured(Timepoints(), snapshot(torch.rand(50, 1, 2)), EXACT)
    assert "I(H_t;H_{t-1})" not in alone


@pytest.mark.parametrize("continuous", [False, True])
@pytest.mark.parametrize("kinds", [("labels",), ("continuous",), ("labels", "continuous")])
def test_what_stands_under_the_mask_reaches_no_estimator(kinds: tuple[str, ...], continuous: bool) -> None:
    first, second = Asked(*kinds), Asked(*kinds)
    for asked, at in zip((first, second), twice_padded(continuous=continuous), strict=True):
        list(Timepoints().measure(at, {"e": bound(asked)}))
    assert len(first.seen) == len(second.seen)
    for a, b in zip(first.states, second.states, strict=True):
        assert torch.equal(a, b)
    for a, b in zip(first.seen, second.seen, strict=True):
        assert [y.kind for y in a] == [y.kind for y in b]
        assert all(torch.equal(y.values, z.values) for y, z in zip(a, b, strict=True))


def test_tokens_with_labels_of_their_own() -> None:
    tags = independent(2, 4)
    found = measured(Timepoints(), snapshot(tags[..., None].double(), targets={"tag": tags, "first": tags[:, 0]}), EXACT)
    assert values(found["I(H_t;Y) tag"]) == [1, 1, 1, 1]
    assert values(found["I(H_t;Y) first"]) == [1, 0, 0, 0]


def test_replicas_stand_in_front_of_time() -> None:
    labels = torch.arange(60) % 2
    knows = labels[:, None, None].expand(60, 3, 1).double()
    states = torch.stack([knows, 0 * knows])
    mask = left_padded([1 + i % 3 for i in range(60)], 3).expand(2, 60, 3)
    at = snapshot(states, mask=mask, inputs=torch.randint(3, (60, 3)), targets={"y": labels}, axes=("replica", *STATES))
    found = measured(Timepoints(padding="as-data"), at, EXACT)
    assert list(found["I(H_t;Y)"].axes) == ["replica", "time"] and values(found["I(H_t;Y)"]) == [[1, 1, 1], [0, 0, 0]]
    assert list(found["I(X;H_t) predicted by padding"].axes) == ["time"]
    both = measured(Timepoints(), at, EXACT)
    assert np.asarray(both["samples"].value).tolist() == [[20, 40, 60]] * 2
    assert np.asarray(both["I(H_t;H_{t-1})"].value).shape == (2, 3)


@given(rows=st.lists(st.tuples(*[st.sampled_from([0.0, -0.0, 0.5, 1.0, 3.0, 1e-30])] * 2), min_size=1, max_size=30))
@settings(max_examples=60)
def test_rows_have_one_number_where_they_are_equal(rows: list[tuple[float, float]]) -> None:
    values = torch.tensor(rows, dtype=torch.float64)
    expected = (values[:, None] == values[None]).all(-1)
    for found in (identities(values), identities(torch.stack([values, values.flip(0)]))[0]):
        assert torch.equal(found[:, None] == found[None], expected)
        assert sorted(set(found.tolist())) == list(range(len(set(found.tolist()))))


def test_rows_that_share_a_hash_stay_apart() -> None:
    rows = torch.tensor([[1, 2], [2, 1], [1, 2]])
    numbers = numbered(rows, torch.zeros(2, dtype=torch.long)).tolist()
    assert numbers[0] == numbers[2] != numbers[1]


def test_the_plane_of_layers_leaves_those_with_time_to_timepoints() -> None:
    registry = discover()
    jobs, problems = plan(registry, ["binning", "copula"], ["timepoints-continuous"])
    names = [job.name for job in jobs if job.estimators]
    assert not problems
    assert names == ["information-plane/binning", "timepoints/binning", "timepoints-continuous/copula"]
    at = snapshot(torch.rand(50, 4, 2), targets={"y": torch.arange(50) % 2})
    still = replace(at, layers={"head": Activation(torch.rand(50, 2), ("sample", "unit"))})
    timepoints = next(job for job in jobs if job.name == "timepoints/binning")
    assert timepoints.fits(at) and not timepoints.fits(still)
    found = InformationPlane().measure(replace(at, layers={**at.layers, **still.layers}), {"e": bound(EXACT)})
    assert [m.subject["layer"] for m in found if m.quantity == "I(X;T)"] == ["head"]
    assert list(Timepoints().measure(still, {"e": bound(EXACT)})) == []


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"padding": "none"}, "masked or as-data"),
        ({"last": -1}, "last must be 0"),
        ({"every": 0}, "every must be 1"),
        ({"least": 0}, "least must be 1"),
        ({"width": float("nan")}, "width must be 0"),
    ],
)
def test_options_out_of_their_domain_are_refused(options: dict[str, object], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Timepoints(**options)  # type: ignore[arg-type]
