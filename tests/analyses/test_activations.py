"""What is recorded of an example's activations, and what their pictures show."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.image import imread

from ibmon import Activation, Image, Measurement, Snapshot
from ibmon.analysis.values import logged
from ibmon.figures.build import build_figures
from ibmon.figures.image import save
from ibmon.figures.table import table, to_csv
from ibmon.figures.text import render
from ibmon.plot import Palette, draw
from ibmon.records import Result
from ibmon_analyses.activations import Activations
from support import history_of, written

MAPS = ("sample", "channel", "height", "width")
ROWS = ("sample", "unit")


def snapshot(layers: dict[str, Activation], step: int = 0, inputs: Activation | None = None) -> Snapshot:
    return Snapshot(step, step / 10, "test", layers, inputs=inputs)


def measured(analysis: Activations, shot: Snapshot) -> dict[tuple[str, str], Measurement]:
    return {(m.quantity, m.subject.get("layer", "")): m for m in analysis.measure(shot, {})}


def pictures(shots: list[Snapshot], *analyses: Activations) -> dict[str, Image]:
    """The figures of a run in which these snapshots were analysed."""
    run = written([])
    lines: list[Result] = []
    for number, analysis in enumerate(analyses or (Activations(),)):
        job = "activations" if not number else f"activations:sample={analysis.sample}"
        for seq, shot in enumerate(shots):
            found = analysis.measure(shot, {})
            values = [logged(m, run.arrays, f"{number}-{seq}-{k}") for k, m in enumerate(found)]
            lines.append(
                Result(segment=1, seq=seq, job=job, step=shot.step, epoch=shot.epoch, evaluation=shot.evaluation, values=values)
            )
    figures, failures = build_figures(history_of(written(lines, role="analyst", run=run)))
    assert not failures
    assert all(isinstance(figure, Image) and figure.screen == "activations" for figure in figures)
    return {figure.name: figure for figure in figures if isinstance(figure, Image)}


def network(step: int, seed: int = 0) -> Snapshot:
    """A small convolutional network's activations, which grow with the step."""
    rng = torch.Generator().manual_seed(seed + step)
    maps, units = torch.rand(5, 6, 9, 7, generator=rng), torch.rand(5, 10, generator=rng)
    layers = {"0": Activation((1 + step) * maps, MAPS), "head.out": Activation((1 + step) * units, ROWS)}
    return snapshot(layers, step, Activation(torch.rand(5, 1, 11, 9, generator=torch.Generator().manual_seed(seed)), MAPS))


def part(figure: Image, row: str, column: str) -> np.ndarray:
    """The part of a picture that two captions name."""
    ends: list[slice] = []
    for captions, text in ((figure.row_captions, row), (figure.column_captions, column)):
        starts, names = zip(*captions, strict=True)
        k = names.index(text)
        ends.append(slice(starts[k], starts[k + 1] if k + 1 < len(starts) else None))
    return np.asarray(figure.values)[ends[0], ends[1]]


def test_the_chosen_sample_is_recorded_with_the_maximum_of_the_whole_layer() -> None:
    shot = network(0)
    found = measured(Activations(sample=3, channels=2), shot)
    maps, units = shot.layers["0"].values[3], shot.layers["head.out"].values[3]
    assert found["activation", "0"].axes == {"channel": [0, 1], "row": list(range(9)), "column": list(range(7))}
    assert np.array_equal(found["activation", "0"].value, maps[:2].numpy())
    assert found["activation maximum", "0"].value == pytest.approx(float(maps.max()))
    assert np.array_equal(found["activation", "head.out"].value, units.numpy())
    assert shot.inputs is not None
    assert np.array_equal(found["input", ""].value, shot.inputs.values[3].numpy())
    assert {m.unit for m in found.values()} == {""}
    assert {m.subject["sample"] for m in found.values()} == {"3"}


def test_of_replicas_the_first_is_taken_and_other_kinds_of_layers_are_left_out() -> None:
    values = torch.arange(24.0).reshape(2, 3, 4)
    layers = {
        "replicas": Activation(values, ("replica", "sample", "unit")),
        "turned": Activation(values, ("unit", "replica", "sample")),
        "recurrent": Activation(values, ("sample", "time", "unit")),
        "samples": Activation(torch.zeros(3), ("sample",)),
    }
    found = measured(Activations(sample=1), snapshot(layers))
    assert {layer for _, layer in found} == {"replicas", "turned"}
    assert np.array_equal(found["activation", "replicas"].value, [4, 5, 6, 7])
    assert np.array_equal(found["activation", "turned"].value, [1, 13])


def test_of_large_layers_a_part_is_recorded_and_its_places_are_those_of_the_layer() -> None:
    maps = torch.arange(2 * 130 * 100.0).reshape(1, 2, 130, 100)
    found = measured(
        Activations(), snapshot({"maps": Activation(maps, MAPS), "units": Activation(torch.arange(5000.0)[None], ROWS)})
    )
    kept = found["activation", "maps"]
    assert list(kept.axes["row"]) == list(range(0, 130, 3))
    assert np.array_equal(kept.value, maps[0][:, ::3, ::3].numpy())
    assert found["activation maximum", "maps"].value == float(maps.max())
    assert np.array_equal(found["activation", "units"].value, np.arange(1024.0))
    assert found["activation maximum", "units"].value == 4999


@pytest.mark.parametrize("options", [{"sample": -1}, {"channels": 0}])
def test_impossible_options_are_refused(options: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="activations takes"):
        Activations(**options)


def test_a_sample_beyond_the_evaluation_set_is_refused_in_words() -> None:
    with pytest.raises(ValueError, match="no sample 5: the evaluation set has samples 0 to 4"):
        list(Activations(sample=5).measure(network(0), {}))


def test_all_layers_stand_below_each_other_and_the_newest_snapshot_beside_the_untrained() -> None:
    shots = [network(0), network(3), network(9)]
    figure = pictures(shots)["activations-test"]
    assert [text for _, text in figure.row_captions] == ["input", "layer 0", "head.out"]
    assert [text for _, text in figure.column_captions] == ["untrained", "epoch 0.9"]
    for column, shot in (("untrained", shots[0]), ("epoch 0.9", shots[-1])):
        for row, layer in (("layer 0", "0"), ("head.out", "head.out")):
            values = shot.layers[layer].values[0]
            seen = part(figure, row, column)
            shown = values[:4] if values.ndim == 3 else values
            expected = torch.unique(shown / values.max()).numpy()
            assert np.allclose(np.unique(seen[np.isfinite(seen)]), expected)
    assert figure.limits == (0.0, 1.0)
    # With the history up to an earlier step the newest snapshot is that of then.
    before = pictures(shots[:2])["activations-test"]
    assert np.array_equal(part(before, "layer 0", "untrained"), part(figure, "layer 0", "untrained"), equal_nan=True)
    assert [text for _, text in before.column_captions] == ["untrained", "epoch 0.3"]
    assert [text for _, text in pictures(shots[:1])["activations-test"].column_captions] == ["untrained"]


def test_a_convolutional_layer_has_a_picture_of_its_channels() -> None:
    shots = [network(0), network(4)]
    found = pictures(shots, Activations(channels=6))
    assert set(found) == {"activations-test", "activations-test-0"}
    figure = found["activations-test-0"]
    assert [text for _, text in figure.row_captions] == ["0–3 untrained", "0–3 epoch 0.4", "4–5 untrained", "4–5 epoch 0.4"]
    maps = shots[1].layers["0"].values[0]
    start = figure.row_captions[3][0]
    rows = np.asarray(figure.values)[start:, : 3 * 7 : 3][::3]  # 9 × 7 goes three times into a square of 28
    assert np.allclose(rows, (maps[4] / maps.max()).numpy())
    assert f"{float(maps.max()):.3g} epoch 0.4" in figure.note
    few = pictures(shots, Activations(channels=3))["activations-test-0"]
    assert [text for _, text in few.row_captions] == ["untrained", "epoch 0.4"]
    assert [text for _, text in few.column_captions] == ["0", "1", "2"]


def test_what_is_below_zero_is_black_and_what_is_not_a_number_is_ground() -> None:
    values = {"negative": [-3.0, -2.0, -1.0], "mixed": [-4.0, 1.0, 2.0], "broken": [float("nan"), 1.0, float("inf")]}
    figure = pictures([snapshot({name: Activation(torch.tensor([row]), ROWS) for name, row in values.items()})])[
        "activations-test"
    ]
    seen = {name: np.unique(part(figure, name, "untrained")).tolist() for name in values}
    assert [v for v in seen["negative"] if np.isfinite(v)] == [0.0]
    assert [v for v in seen["mixed"] if np.isfinite(v)] == [0.0, 0.5, 1.0]
    assert [v for v in seen["broken"] if np.isfinite(v)] == [1.0]


def test_evaluation_sets_and_samples_have_pictures_of_their_own() -> None:
    assert list(pictures([network(0)], Activations(), Activations(sample=2))) == [
        *(f"activations-test-sample-{k}" for k in ("0", "0-0", "2", "2-0"))
    ]
    titles = [figure.title for figure in pictures([network(0)], Activations(sample=4)).values()]
    assert titles == ["activations of sample 4 on test", "channels of layer 0, sample 4 on test"]


@settings(max_examples=40)
@given(units=st.integers(1, 1100), data=st.data())
def test_every_unit_of_a_dense_layer_has_a_cell_of_the_same_size(units: int, data: st.DataObject) -> None:
    order = torch.randperm(units, generator=torch.Generator().manual_seed(data.draw(st.integers(0, 9)))) + 1.0
    figure = pictures([snapshot({"dense": Activation(order[None], ROWS)})])["activations-test"]
    values = np.asarray(figure.values)
    seen, counts = np.unique(values[np.isfinite(values)], return_counts=True)
    assert np.allclose(seen, np.sort(order[:1024].numpy()) / units)
    assert len(set(counts.tolist())) == 1
    assert values.shape[0] <= 14 and values.shape[1] <= 4 * 28 + 3 * 3


@pytest.mark.parametrize("palette", [Palette(), Palette("256", "light"), Palette("16"), Palette("none", ascii=True)], ids=str)
def test_the_terminal_tells_layers_and_times_apart(palette: Palette) -> None:
    figure = pictures([network(0), network(9)])["activations-test"]
    grid = draw(figure, 90, 28, None, palette).grid
    lines = grid.lines()
    assert "untrained" in lines[0] and "epoch 0.9" in lines[0]
    at = [next(k for k, line in enumerate(lines) if line.startswith(f"{name:>8}")) for name in ("input", "layer 0", "head.out")]
    assert at == sorted(at)
    if not palette.coarse:
        ground = palette.role("grid")
        # Between the four channels of a layer, and between untrained and newest, the ground can be seen.
        row = (grid.bg[at[1] + 1, 9:] == ground).tolist()
        assert sum(a and not b for a, b in pairwise(row)) >= 7
    for columns, rows in ((20, 6), (30, 8), (33, 40), (160, 9)):
        drawn = draw(figure, columns, rows, None, palette).grid
        assert drawn.ch.shape == (rows, columns)


def test_exports_and_tables_name_the_parts(tmp_path: Path) -> None:
    figure = pictures([network(0), network(9)])["activations-test"]
    save(figure, tmp_path / "a.png")
    pixels = imread(tmp_path / "a.png")[..., :3]
    tinted = (pixels[..., 2] - pixels[..., 0]) > 0.05
    assert 0.1 < tinted.mean() < 0.9
    rows = table(figure).rows
    assert [row[0] for row in rows] == [
        "input · untrained",
        *(f"{layer} · {time}" for layer in ("layer 0", "head.out") for time in ("untrained", "epoch 0.9")),
    ]
    assert all(row[3] == "1" for row in rows if row[0].startswith(("input", "head.out")))
    assert "layer 0 · epoch 0.9" in render(figure, 80, 24, colour=False)
    assert to_csv(figure).count("\n") == figure.values.size + 1
