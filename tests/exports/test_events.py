"""Event files, as TensorBoard itself reads them."""

from __future__ import annotations

import io
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ibmon.exports.events import save_events
from ibmon.figures.build import build_figures
from ibmon.figures.figure import Figure
from ibmon.records import IbmonError, Progress, Result, Scalars, Value
from ibmon.runs.directory import RunDirectory
from ibmon.runs.history import History
from support import history_of, written

pytest.importorskip("tensorboard")


@pytest.fixture
def read() -> Any:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    def reader(folder: Path) -> Any:
        return EventAccumulator(str(folder), size_guidance={"scalars": 0, "images": 0}).Reload()

    return reader


def run() -> RunDirectory:
    def values(seq: int) -> list[Value]:
        about: dict[str, Any] = {"subject": {"layer": "1"}, "estimator": "kde:variance=0.1"}
        return [
            Value(quantity="I(X;T)", value=None if seq == 1 else seq / 3, flags={"nonfinite": True} if seq == 1 else {}, **about),
            Value(quantity="I(T;Y)", value=[0.0, 1.0 + seq, None], axes={"replica": [0, 1, 2]}, **about),
            Value(quantity="I(T;Y)", value=[0.5], axes={"replica": [3]}, **about),
        ]

    lines = [
        Result(segment=1, seq=seq, job="plane/kde:variance=0.1", step=10 * seq, evaluation="all", values=values(seq))
        for seq in range(3)
    ]
    made = written(
        [
            Progress(segment=1, step=1, loss=0.75),
            Scalars(segment=1, name="validation", step=30, values={"loss": 0.1, "größe µ": 2.0}),
        ]
    )
    return written(lines, role="analyst", run=made)


def drawn(history: History) -> list[Figure]:
    return build_figures(history)[0]


def test_scalars_are_the_values_at_their_steps(tmp_path: Path, read: Any) -> None:
    history = history_of(run())
    count = save_events(history, (), tmp_path)
    found = read(tmp_path)
    points = {tag: [(e.step, e.value) for e in found.Scalars(tag)] for tag in found.Tags()["scalars"]}
    job = "plane/kde:variance=0.1"
    median = f"{job}/I(T;Y)/1/all/median over replica"
    expected = {
        f"{job}/I(X;T)/1/all": [(0, 0.0), (20, 2 / 3)],
        median: [(10 * seq, (1 + seq) / 2) for seq in range(3)],
        f"{median}/2": [(10 * seq, 0.5) for seq in range(3)],
        "training/loss": [(1, 0.75)],
        "validation/loss": [(30, 0.1)],
        "validation/größe µ": [(30, 2.0)],
    }
    assert points.keys() == expected.keys()
    for tag, values in expected.items():
        np.testing.assert_allclose(points[tag], values, rtol=1e-6)
    assert count == sum(map(len, expected.values()))
    assert {e.wall_time for e in found.Scalars("training/loss")} == {history.run.created}


def test_figures_are_pictures_at_the_last_step(tmp_path: Path, read: Any) -> None:
    from matplotlib.image import imread

    history = history_of(run())
    figures = drawn(history)
    save_events(history, figures, tmp_path)
    found = read(tmp_path)
    assert set(found.Tags()["images"]) == {figure.name for figure in figures} >= {"loss"}
    (event,) = found.Images("loss")
    assert event.step == 30
    assert imread(io.BytesIO(event.encoded_image_string)).shape[:2] == (event.height, event.width)


def test_an_export_replaces_the_one_before_and_nothing_else(tmp_path: Path, read: Any) -> None:
    folder = tmp_path / "logs"
    folder.mkdir()
    foreign = folder / "events.out.tfevents.1.somebody"
    foreign.write_bytes(b"")
    history = history_of(run())
    for _ in range(2):
        save_events(history, (), folder)
    assert foreign.exists() and len(list(folder.iterdir())) == 2
    foreign.unlink()
    assert len(read(folder).Scalars("training/loss")) == 1


def test_without_tensorboard_one_sentence_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tensorboard.summary.writer.event_file_writer", None)
    with pytest.raises(IbmonError, match=r"pip install 'ibmon\[tensorboard\]'"):
        save_events(history_of(run()), (), tmp_path / "logs")
    assert not (tmp_path / "logs").exists()
