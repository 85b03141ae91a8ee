"""Confusion matrices and what follows from them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ibmon import Activation, Heatmap, Snapshot, Table
from ibmon.figures.text import render
from ibmon_analyses.confusion import Confusion
from tagging import CLASSES, captured, figures_of, history_after, measured_by, sentences

DATA = sentences(60)


def classifier(predicted: list[int], labels: list[int], classes: int = 3) -> Snapshot:
    outputs = torch.nn.functional.one_hot(torch.tensor(predicted), classes).double()
    return Snapshot(0, 0.0, "all", outputs=Activation(outputs, ("sample", "unit")), targets={"y": torch.tensor(labels)})


def test_a_tagger_that_knows_its_words_is_right_everywhere() -> None:
    found = measured_by(Confusion(), captured(DATA))
    for task, classes in CLASSES.items():
        counts = torch.bincount(DATA.targets[task][DATA.mask])
        assert found[f"confusion · {task}"].axes == {"class": list(classes), "predicted": list(classes)}
        np.testing.assert_array_equal(found[f"confusion · {task}"].value, torch.diag(counts))
        assert found[f"accuracy · {task}"].value == found[f"macro F1 · {task}"].value == 1
        assert found[f"tokens · {task}"].value.sum() == DATA.mask.sum()


def test_rows_are_the_class_and_columns_the_prediction() -> None:
    found = measured_by(Confusion(), classifier([0, 1, 1, 1, 0, 1], [0, 0, 0, 1, 2, 2]))
    assert found["confusion · y"].value.tolist() == [[1, 2, 0], [0, 1, 0], [1, 1, 0]]
    assert found["recall · y"].value == pytest.approx([1 / 3, 1, 0])
    assert found["precision · y"].value == pytest.approx([1 / 2, 1 / 4, np.nan], nan_ok=True)
    assert found["F1 · y"].value == pytest.approx([0.4, 0.4, 0])
    assert found["macro F1 · y"].value == pytest.approx(0.8 / 3) and found["accuracy · y"].value == pytest.approx(1 / 3)


@given(pairs=st.lists(st.tuples(st.integers(0, 4), st.integers(-1, 4)), min_size=1, max_size=60))
@settings(max_examples=50)
def test_it_is_consistent_in_itself(pairs: list[tuple[int, int]]) -> None:
    predicted, labels = ([pair[side] for pair in pairs] for side in (0, 1))
    found = measured_by(Confusion(), classifier(predicted, labels, 5))
    counted = [(p, y) for p, y in pairs if y >= 0]
    if not counted:
        assert not found
        return
    matrix = found["confusion · y"].value
    assert found["accuracy · y"].value == pytest.approx(np.trace(matrix) / len(counted))
    assert (matrix.sum(1) <= found["tokens · y"].value).all() and found["tokens · y"].value.sum() == len(counted)
    assert ((found["F1 · y"].value >= 0) & (found["F1 · y"].value <= 1)).all()


def test_outputs_that_are_not_finite_are_wrong_and_padding_does_not_count() -> None:
    shot = captured(DATA)
    outputs = shot.layers["pos.output"]
    spoilt = torch.where(DATA.mask[..., None], outputs.values, torch.nan)
    again = measured_by(Confusion(), replace(shot, layers={"pos.output": replace(outputs, values=spoilt)}))
    assert again["accuracy · pos"].value == 1 and "accuracy · ner" not in again
    spoilt = outputs.values.clone()
    spoilt[0] = torch.nan
    count = int(DATA.mask.sum())
    wrong = measured_by(Confusion(), replace(shot, layers={"pos.output": replace(outputs, values=spoilt)}))
    assert wrong["accuracy · pos"].value == pytest.approx(1 - int(DATA.mask[0].sum()) / count)


def test_of_many_classes_the_frequent_ones_are_shown_and_all_count() -> None:
    found = measured_by(Confusion(most=1), classifier([0, 1, 1, 1, 0, 1], [0, 0, 0, 1, 2, 2]))
    assert found["confusion · y"].value.tolist() == [[1]] and found["tokens · y"].value.tolist() == [3]
    assert found["precision · y"].value == pytest.approx([1 / 2]) and found["accuracy · y"].value == pytest.approx(1 / 3)


def test_what_is_no_classifier_is_left_alone() -> None:
    one = classifier([0, 1], [0, 1])
    assert not measured_by(Confusion(), replace(one, outputs=None))
    assert not measured_by(Confusion(), replace(one, targets={"y": torch.tensor([0.0, 1.0])}))
    assert not measured_by(Confusion(), replace(one, targets={"y": torch.tensor([0, 3])}))
    assert not measured_by(Confusion(), replace(one, outputs=Activation(torch.rand(2, 1), ("sample", "unit"))))
    assert not measured_by(Confusion(), replace(one, targets={**one.targets, "z": torch.tensor([0, 1])}))
    with pytest.raises(ValueError, match="confusion: most"):
        Confusion(most=0)


def test_figures_name_the_classes_as_they_are_and_as_text_only() -> None:
    said = []
    for step in (0, 10):
        shot = captured(DATA, step=step, epoch=step / 10)
        said.append((shot, list(Confusion().measure(shot, {}))))
    drawn = figures_of(history_after("confusion", *said), "confusion")
    matrix, table = drawn["confusion-pos-test"], drawn["confusion-classes-pos-test"]
    assert isinstance(matrix, Heatmap) and matrix.row_labels == ("NOUN", "VERB", "[@click=x]", "a\\x0ab")
    np.testing.assert_array_equal(matrix.values, np.eye(4))
    assert isinstance(table, Table) and table.rows[0][2:] == ("1.000", "1.000", "1.000", "")
    assert {"confusion-accuracy-test", "confusion-macro-F1-test"} <= drawn.keys()
    for figure in drawn.values():
        assert "\x1b" not in render(figure, 90, 20, False)
