"""What is measured and drawn of the probe `saliency`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from ibmon import Activation, Curves, EvaluationSet, Measurement, Monitor, Passage, Snapshot, Table
from ibmon.analysis.values import logged
from ibmon.figures.build import build_figures
from ibmon.figures.figure import Figure
from ibmon.figures.text import render
from ibmon.probes import saliency
from ibmon.records import Result
from ibmon.runs.directory import RunDirectory
from ibmon.runs.history import thin
from ibmon_analyses.saliency import Saliency
from support import history_of, written

Measured = Callable[..., RunDirectory]
VOCABULARY = ("<pad>", "the", "film", "is", "good", "bad")
TOKENS = torch.tensor([[0, 0, 1, 2, 3, 4], [1, 2, 3, 1, 1, 5], [0, 0, 0, 0, 0, 9], [1, 2, 3, 4, 4, 4]])
MASK = TOKENS != 0
VALUES = torch.arange(24.0).reshape(4, 6)


def snapshot(values: Tensor = VALUES, mask: Tensor | None = MASK, step: int = 0, evaluation: str = "rt") -> Snapshot:
    return Snapshot(
        step,
        step / 10,
        evaluation,
        inputs=Activation(TOKENS, ("sample", "unit")),
        targets={"y": torch.tensor([1, 0, 2, 1])},
        probes={"saliency": Activation(values, ("sample", "time"), mask)},
        vocabulary=VOCABULARY,
    )


def measured(shot: Snapshot, analysis: Saliency = Saliency(least=1)) -> dict[str, Measurement]:  # noqa: B008
    """By quantity, and sample where there is one."""
    return {" ".join([m.quantity, *([m.subject["sample"]] if m.subject else [])]): m for m in analysis.measure(shot, {})}


def figures(*results: tuple[str, Saliency, Snapshot], until: int | None = None) -> dict[str, Figure]:
    """The figures of a run whose jobs, by name, measured these snapshots; of its history up to a step."""
    lines = [
        Result(
            segment=1,
            seq=seq,
            job=job,
            step=shot.step,
            epoch=shot.epoch,
            evaluation=shot.evaluation,
            values=[logged(m, Path("unused"), "unused") for m in analysis.measure(shot, {})],
        )
        for seq, (job, analysis, shot) in enumerate(results)
    ]
    history = history_of(written(lines, role="analyst", run=written([])))
    if until is not None:
        history = replace(history, series=tuple(thin(s, until) for s in history.series))
    drawn, failures = build_figures(history)
    assert not failures
    assert all(figure.screen == "saliency" for figure in drawn)
    return {figure.name: figure for figure in drawn}


def test_each_timepoint_has_the_mean_and_the_quantiles_of_the_samples_that_are_data() -> None:
    found = measured(snapshot())
    data = [VALUES.numpy()[MASK[:, t].numpy(), t] for t in range(6)]
    assert found["saliency"].value == pytest.approx([column.mean() for column in data])
    assert found["saliency"].lower == pytest.approx([np.quantile(column, 0.1) for column in data])
    assert found["saliency"].upper == pytest.approx([np.quantile(column, 0.9) for column in data])
    assert found["saliency"].axes == {"time": list(range(6))}
    assert np.asarray(found["samples"].value).tolist() == MASK.sum(0).tolist()


def test_every_word_of_the_first_samples_is_recorded_without_the_padding() -> None:
    found = measured(snapshot(), Saliency(reviews=3))
    assert [name for name in found if name.startswith("saliency of words")] == [f"saliency of words {k}" for k in range(3)]
    first, last = found["saliency of words 0"], found["saliency of words 2"]
    assert first.axes == {"word": ["the", "film", "is", "good"]} and np.asarray(first.value).tolist() == [2, 3, 4, 5]
    assert first.subject == {"sample": "0", "label": "1"}
    assert last.axes == {"word": ["9"]}, "a token without a word is its number"
    chosen = measured(snapshot(), Saliency(first=2, reviews=1))
    assert [name for name in chosen if name.startswith("saliency of words")] == ["saliency of words 2"]


def test_words_are_averaged_over_their_occurrences_in_one_order_for_all_snapshots() -> None:
    found = measured(snapshot(), Saliency(least=3))
    words = ["the", "good", "film", "is"]
    assert found["saliency by word"].axes == found["occurrences"].axes == {"word": words}
    assert np.asarray(found["occurrences"].value).tolist() == [5, 4, 3, 3]
    data = VALUES[MASK], TOKENS[MASK]
    means = [float(data[0][data[1] == VOCABULARY.index(word)].mean()) for word in words]
    assert found["saliency by word"].value == pytest.approx(means)
    turned = measured(snapshot(VALUES.flip(0)), Saliency(least=3))
    assert turned["saliency by word"].axes == {"word": words}
    assert measured(snapshot(), Saliency(least=3, words=2))["occurrences"].axes == {"word": words[:2]}
    assert "occurrences" not in measured(snapshot(), Saliency(least=9))


@given(mask=st.lists(st.booleans(), min_size=24, max_size=24), filler=st.sampled_from([0.0, 1e9, np.nan, np.inf]))
@settings(max_examples=30)
def test_what_stands_at_padding_changes_nothing(mask: list[bool], filler: float) -> None:
    there = torch.tensor(mask).reshape(4, 6)
    one, other = measured(snapshot(mask=there)), measured(snapshot(torch.where(there, VALUES, filler), there))
    assert one.keys() == other.keys()
    for name, m in one.items():
        assert m.axes == other[name].axes
        np.testing.assert_array_equal(np.asarray(m.value), np.asarray(other[name].value))
    assert one["saliency"].flags["empty"].tolist() == [not any(column) for column in there.T.tolist()]
    assert np.isnan(one["saliency"].value).tolist() == one["saliency"].flags["empty"].tolist()


def test_a_saliency_that_is_no_number_is_not_averaged_away() -> None:
    values = VALUES.clone()
    values[3, 4] = torch.nan
    found = measured(snapshot(values))
    assert np.isnan(found["saliency"].value).tolist() == [False] * 4 + [True, False]
    assert found["saliency"].lower is not None and np.isnan(found["saliency"].lower[4])


def test_inputs_that_are_no_tokens_have_timepoints_and_no_words() -> None:
    floats = replace(snapshot(), inputs=Activation(torch.rand(4, 6, 2), ("sample", "time", "unit")))
    shorter = replace(snapshot(), inputs=Activation(TOKENS[:, :5], ("sample", "unit")))
    for shot in (floats, shorter, replace(snapshot(), inputs=None)):
        assert measured(shot).keys() == {"saliency", "samples"}


def test_a_probe_of_that_name_that_says_something_else_is_left_alone() -> None:
    for name, axes in (("saliency", ("sample", "unit")), ("saliency.inputs", ("sample", "time"))):
        assert not measured(replace(snapshot(), probes={name: Activation(VALUES, axes)}))


def test_options_out_of_their_domain_are_refused() -> None:
    for options in ({"first": -1}, {"reviews": -1}, {"words": -1}, {"least": 0}):
        with pytest.raises(ValueError, match=next(iter(options))):
            Saliency(**options)


JOB = ("saliency", Saliency(least=1))


def test_the_figures_show_the_untrained_network_beside_the_newest() -> None:
    drawn = figures((*JOB, snapshot()), (*JOB, snapshot(5 * VALUES, step=20)), (*JOB, snapshot(3 * VALUES, step=30)))
    assert list(drawn) == ["saliency-rt", *(f"saliency-sample-{k}-rt" for k in range(4)), "saliency-words-rt"]
    curves, passage, words = (drawn[name] for name in ("saliency-rt", "saliency-sample-0-rt", "saliency-words-rt"))
    assert isinstance(curves, Curves) and [line.label for line in curves.lines] == ["untrained", "epoch 3"]
    np.testing.assert_allclose(curves.lines[1].y, 3 * curves.lines[0].y)
    assert curves.lines[0].lower is not None and curves.lines[0].details["samples"].tolist() == MASK.sum(0).tolist()
    assert isinstance(passage, Passage) and passage.words == ("the", "film", "is", "good")
    assert passage.labels == ("untrained", "epoch 3") and "label 1" in passage.title
    np.testing.assert_array_equal(passage.values, [[2, 3, 4, 5], [6, 9, 12, 15]])
    assert isinstance(words, Table) and words.columns == ("word", "occurrences", "untrained", "epoch 3")
    newest = [float(row[3]) for row in words.rows]
    assert len(newest) == 6 and newest == sorted(newest, reverse=True)
    assert {row[0]: row[1] for row in words.rows}["the"] == "5"


def test_back_in_time_the_newest_is_the_network_of_then() -> None:
    curves = figures((*JOB, snapshot()), (*JOB, snapshot(5 * VALUES, step=20)), until=10)["saliency-rt"]
    assert isinstance(curves, Curves) and [line.label for line in curves.lines] == ["untrained"]


def test_names_tell_evaluation_sets_and_options_apart() -> None:
    other = ("saliency:least=1,reviews=1", Saliency(reviews=1, least=1))
    drawn = figures((*JOB, snapshot(evaluation="all")), (*JOB, snapshot()), (*other, snapshot()))
    assert {"saliency", "saliency-words", "saliency-rt", "saliency-rt-least-1-reviews-1"} <= drawn.keys()
    assert sum(name.startswith("saliency-sample-") for name in drawn) == 4 + 4 + 1


def test_a_run_shows_the_words_that_its_network_looks_at(measured: Measured) -> None:
    class Spotting(nn.Module):
        """Only "good" and "bad" move the output."""

        def __init__(self) -> None:
            super().__init__()
            self.words = nn.Embedding(10, 3)

        def forward(self, tokens: Tensor) -> Tensor:
            return (self.words(tokens) * ((tokens == 4) | (tokens == 5))[..., None]).sum((1, 2))

    def loss(outputs: Tensor, targets: Mapping[str, Tensor]) -> Tensor:
        return (outputs - 30.0 * targets["y"]).square().mean()

    def train(monitor: Monitor) -> None:
        sets = {"rt": EvaluationSet(TOKENS, {"y": torch.tensor([1, 0, 1, 1])}, MASK, loss=loss, vocabulary=VOCABULARY)}
        monitor.watch(
            Spotting(),
            evaluation=sets,
            layers=["words"],
            probes={"saliency": saliency("words", samples=3)},
            analyses=("saliency:least=1",),
            estimators=("binning:width=0.5",),
        )

    history = history_of(measured(train))
    assert not history.failures and not history.disabled
    assert not [n for n in history.notices if n.level == "error"]
    (words,) = history.select("saliency of words", job="saliency:least=1", sample="0")
    assert words.axes == {"word": ("the", "film", "is", "good")}
    assert words.value[0, :3].tolist() == [0, 0, 0] and words.value[0, 3] > 0
    (by_word,) = history.select("saliency by word", job="saliency:least=1")
    assert {w for w, v in zip(by_word.axes["word"], by_word.value[0], strict=True) if v > 0} <= {"good", "bad"}
    drawn = {figure.name: figure for figure in build_figures(history)[0]}
    assert "good" in render(drawn["saliency-sample-0-rt-least-1"], 80, 12, False)
