"""Pictures for papers."""

import re
import subprocess
import sys
import warnings
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import matplotlib as mpl
import matplotlib.image
import numpy as np
import pytest

from figures.comparable import placed_curves, run, through_training, timepoints
from ibmon.figures.compare import overlay, pooled
from ibmon.figures.figure import Axis, Curves, Figure, Heatmap, Line, Passage, Plane, Reference, Table, Trajectory, View
from ibmon.figures.image import COLUMN, PAGE, default_view, save, save_side_by_side
from plot import samples
from plot.test_charts import empty_figures


def words(path: Path) -> str:
    return " ".join(text.strip() for text in ElementTree.parse(path).getroot().itertext() if text.strip())


def texts(path: Path) -> list[str]:
    """What is written in a picture, without its title and description in the file."""
    return ["".join(text.itertext()).strip() for text in ElementTree.parse(path).iter("{http://www.w3.org/2000/svg}text")]


def compared(*names: str) -> dict[str, Figure]:
    return {figure.name: figure for figure in overlay({name: run(float(k)) for k, name in enumerate(names)})}


@pytest.mark.parametrize("figure", samples.all_figures(), ids=lambda figure: figure.name)
def test_every_figure_becomes_a_png(figure: Figure, tmp_path: Path) -> None:
    save(figure, tmp_path / "a.png", dpi=100)
    pixels = matplotlib.image.imread(tmp_path / "a.png")
    assert pixels.shape[1] == round(100 * (PAGE if isinstance(figure, Table) else COLUMN))
    dark = pixels[..., :3].mean(axis=2) < 0.9
    assert 0.005 < dark.mean() < 0.9


def test_a_png_has_the_size_of_a_column_or_a_page(tmp_path: Path) -> None:
    for width, name in ((COLUMN, "column.png"), (PAGE, "page.png")):
        save(samples.plane(), tmp_path / name, width=width)
        assert matplotlib.image.imread(tmp_path / name).shape[1] == round(300 * width)


def test_an_svg_holds_its_texts(tmp_path: Path) -> None:
    save(samples.plane(), tmp_path / "a.svg")
    text = words(tmp_path / "a.svg")
    for word in ("I(X;T) [bits]", "I(T;Y) [bits]", "H(X)", "H(Y)", "epoch", "binned, 30 bins", "open markers"):
        assert word in text
    save(samples.curves(), tmp_path / "b.svg")
    text = words(tmp_path / "b.svg")
    for word in ("SNR = 1", "layer 1", "layer 4", "13 values not drawn"):
        assert word in text


def test_the_same_figure_is_the_same_file(tmp_path: Path) -> None:
    for kind in ("svg", "pdf", "png"):
        for name in "ab":
            save(samples.losses(), tmp_path / f"{name}.{kind}", dpi=60)
        assert (tmp_path / f"a.{kind}").read_bytes() == (tmp_path / f"b.{kind}").read_bytes()


def test_a_pdf_embeds_its_fonts(tmp_path: Path) -> None:
    save(samples.heatmap(), tmp_path / "a.pdf")
    content = (tmp_path / "a.pdf").read_bytes()
    assert content.startswith(b"%PDF")
    assert b"/FontFile2" in content
    assert b"/Type3" not in content


@pytest.mark.parametrize(
    "label", [r"$\frac{", "a $b$ c", "$", r"\$x$ {", "cost_$1^2", "\x1b[31m\n\x00", "層 → β 𝛽", "\ud800", "%"]
)
def test_labels_are_never_mathematics(label: str, tmp_path: Path) -> None:
    x = np.arange(5.0)
    axis = Axis(label=label)
    marks = (Reference(axis="y", value=2.0, label=label),)
    trajectories = tuple(Trajectory(label=name, x=x, y=x, step=x, epoch=x) for name in (label, label + "2"))
    plane = Plane(name="p", title=label, note=label, x=axis, y=axis, trajectories=trajectories, references=marks)
    curves = Curves(name="c", title=label, x=axis, y=axis, lines=(Line(label=label, x=x, y=x),), references=marks)
    heat = Heatmap(
        name="h", title=label, values=np.eye(2), row_labels=(label,) * 2, column_labels=(label,) * 2, value_label=label
    )
    passage = Passage(name="w", title=label, words=(label, "word"), values=np.ones(2), labels=(label,), value_label=label)
    for figure in (plane, curves, heat, passage, replace(samples.table(), rows=((label, label, label),))):
        save(figure, tmp_path / "a.svg")
        shown = words(tmp_path / "a.svg")
        if label == "a $b$ c":
            assert label in shown


def test_planes_are_coloured_by_epoch_unless_told(tmp_path: Path) -> None:
    assert default_view(samples.plane()).colour == "epoch"
    save(samples.plane(), tmp_path / "a.svg", View(colour="series", only=("layer 2",)))
    assert "epoch" not in words(tmp_path / "a.svg")


def test_colours_are_explained(tmp_path: Path) -> None:
    save(timepoints(), tmp_path / "a.svg")
    assert "timepoint" in texts(tmp_path / "a.svg")
    assert "epoch" not in texts(tmp_path / "a.svg")
    save(timepoints(), tmp_path / "a.svg", View(colour="epoch"))
    assert "epoch" in texts(tmp_path / "a.svg")
    assert "timepoint" not in texts(tmp_path / "a.svg")
    save(placed_curves(), tmp_path / "a.svg")
    shown = texts(tmp_path / "a.svg")
    assert "lag" in shown
    assert "null" in shown  # the only line that the colour bar does not explain
    assert "t3" not in shown
    save(placed_curves(), tmp_path / "a.svg", View(colour="series"))
    assert "t3" in texts(tmp_path / "a.svg")


def test_what_a_comparison_is_coloured_by() -> None:
    laid = compared("tanh", "relu")
    assert default_view(laid["information-plane"]).colour == "series"
    assert default_view(laid["loss"]).colour == "run"  # its two lines have one hue
    assert default_view(timepoints()).colour == "position"


@pytest.mark.parametrize("colour", ["series", "epoch", "run"])
def test_a_comparison_names_each_run_and_series_once(colour: str, tmp_path: Path) -> None:
    laid = compared("tanh", "relu")
    save(laid["information-plane"], tmp_path / "a.svg", View(colour=colour))
    shown = texts(tmp_path / "a.svg")
    assert shown.count("tanh") == shown.count("relu") == 1
    assert shown.count("layer 1") == (colour == "series")
    save(laid["loss"], tmp_path / "b.svg", View(colour=colour))
    shown = texts(tmp_path / "b.svg")
    assert shown.count("tanh") == shown.count("relu") == 1
    assert shown.count("train") == (2 if colour == "run" else 1)


def test_a_group_shows_every_network(tmp_path: Path) -> None:
    [median, *_] = pooled([run(k / 2) for k in range(5)], "tanh")
    alone = replace(median, trajectories=tuple(replace(t, members_x=None, members_y=None) for t in median.trajectories))
    for figure, name in ((median, "group.png"), (alone, "alone.png")):
        save(figure, tmp_path / name, dpi=100)
    group, single = (matplotlib.image.imread(tmp_path / name)[..., :3].min(axis=2) < 0.97 for name in ("group.png", "alone.png"))
    assert group.sum() > 1.1 * single.sum()


def test_a_view_that_ends_early_leaves_later_columns_empty(tmp_path: Path) -> None:
    saturation: list[np.ndarray] = []
    for until in (None, 90):
        save(through_training(), tmp_path / "a.png", View(until=until), dpi=100)
        pixels = matplotlib.image.imread(tmp_path / "a.png")[..., :3]
        middle = pixels[pixels.shape[0] // 4, :, :]
        saturation.append(np.ptp(middle, axis=1) > 0.02)
    everything, early = saturation
    assert 0.45 < early.sum() / everything.sum() < 0.7  # with the colour bar
    assert not (early & ~everything).any()


@pytest.mark.parametrize(
    ("span", "said", "unsaid"), [((1, 3), "1 2 3", "10"), ((7, 60), "10 20 50", "101"), ((1, 300), "100 101 102", "20")]
)
def test_a_short_logarithmic_axis_has_numbers_and_a_long_one_powers(
    span: tuple[float, float], said: str, unsaid: str, tmp_path: Path
) -> None:
    x = np.geomspace(*span, 9)
    axis, path = Axis(scale="log"), Trajectory(label="a", x=x, y=x, step=np.arange(9), epoch=x)
    curves = Curves(name="c", title="c", x=axis, y=Axis(), lines=(Line(label="a", x=x, y=-x / 1e4),))
    for figure, times in ((curves, 1), (Plane(name="p", title="p", x=axis, y=axis, trajectories=(path,)), 3)):
        save(figure, tmp_path / "a.svg")
        found = ["".join(c for c in text if c.isdigit()) for text in texts(tmp_path / "a.svg") if "−" not in text]
        assert all(found.count(word) >= times for word in said.split()), "on x, y and the scale of colours"
        assert unsaid not in found


def test_a_compared_line_without_a_value_is_left_out(tmp_path: Path) -> None:
    x, nothing = np.arange(1.0, 4.0), np.full(3, np.nan)
    lines = (Line(label="a", x=x, y=nothing, group=0), Line(label="a within", x=x, y=x, group=0, dashed=True, unnamed=True))
    curves = Curves(name="c", title="c", x=Axis(), y=Axis(), lines=lines)
    for figure in overlay({"one": [curves], "two": [replace(curves, lines=(replace(lines[0], y=x), lines[1]))]}):
        for kind in ("png", "svg"):
            save(figure, tmp_path / f"a.{kind}")


def test_a_label_longer_than_its_axis_is_folded_in_its_middle(tmp_path: Path) -> None:
    x = np.arange(3.0)
    for label, lines in (
        ("H(Y) − cross-entropy by a lens of this layer [bits]", ["H(Y) − cross-entropy by a", "lens of this layer [bits]"]),
        ("the loss of a training", ["the loss of a training"]),
        ("x" * 80, ["x" * 80]),
    ):
        curves = Curves(name="c", title="c", x=Axis(), y=Axis(label=label), lines=(Line(label="a", x=x, y=x),))
        save(curves, tmp_path / "a.svg")
        assert set(lines) <= set(texts(tmp_path / "a.svg"))


def test_a_centre_is_in_the_middle_of_its_map(tmp_path: Path) -> None:
    values = np.array([[-0.2, 0.8], [0.0, 0.4]])
    figure = Heatmap(name="h", title="h", values=values, centre=0.0)
    save(figure, tmp_path / "a.svg")
    ticks = [float(text.replace("−", "-")) for text in texts(tmp_path / "a.svg") if text.startswith("−")]
    assert -0.8 <= min(ticks) < -0.45  # as far below it as the largest value is above


def test_small_matrices_have_square_cells_with_their_values(tmp_path: Path) -> None:
    save(samples.heatmap(), tmp_path / "a.svg")
    assert texts(tmp_path / "a.svg").count("0.51") == 7
    wide, tall = (Heatmap(name="h", title="h", values=np.arange(40.0).reshape(shape)) for shape in ((4, 10), (10, 4)))
    for figure, name in ((wide, "wide.png"), (tall, "tall.png")):
        save(figure, tmp_path / name, dpi=100)
    assert matplotlib.image.imread(tmp_path / "tall.png").shape[0] > 2 * matplotlib.image.imread(tmp_path / "wide.png").shape[0]


def test_maps_of_colours(tmp_path: Path) -> None:
    for figure in (samples.plane(), samples.heatmap(), timepoints()):
        pictures: set[bytes] = set()
        for colours in ("viridis", "cividis", "magma", "grey"):
            save(figure, tmp_path / "a.png", dpi=60, colours=colours)
            pictures.add((tmp_path / "a.png").read_bytes())
            pixels = matplotlib.image.imread(tmp_path / "a.png")[..., :3]
            assert (np.ptp(pixels, axis=2).max() > 0.3) == (colours != "grey")
        assert len(pictures) == 4
        save(figure, tmp_path / "a.png", dpi=60)
        assert (tmp_path / "a.png").read_bytes() in pictures
    with pytest.raises(ValueError, match="'rainbow'"):
        save(samples.plane(), tmp_path / "a.png", colours="rainbow")


@pytest.mark.parametrize("kind", range(4))
def test_runs_side_by_side(kind: int, tmp_path: Path) -> None:
    figures = {name: run(float(k))[kind] for k, name in enumerate(("tanh", "relu", "linear"))}
    save_side_by_side(figures, tmp_path / "a.svg")
    shown = texts(tmp_path / "a.svg")
    for name in figures:
        assert shown.count(name) == 1
    label = getattr(figures["tanh"], "y", Axis()).label
    assert shown.count(label) == 1  # of the shared axis
    save_side_by_side(figures, tmp_path / "a.png", dpi=50)
    assert matplotlib.image.imread(tmp_path / "a.png").shape[1] == 50 * PAGE


def test_side_by_side_the_axes_are_the_same(tmp_path: Path) -> None:
    x = np.arange(1.0, 5.0)
    low, high = (Curves(name="c", title="c", x=Axis(), y=Axis(), lines=(Line(label="a", x=x, y=x * s),)) for s in (1, 1000))
    save_side_by_side({"low": low, "high": high}, tmp_path / "a.svg")
    assert texts(tmp_path / "a.svg").count("4000") == 1
    save_side_by_side({"a": placed_curves(), "b": placed_curves()}, tmp_path / "a.svg")
    shown = texts(tmp_path / "a.svg")
    assert shown.count("null") == shown.count("lag") == 1
    assert "t3" not in shown


def test_what_shares_no_axes_is_not_put_side_by_side(tmp_path: Path) -> None:
    for figures in ({}, {"a": samples.table()}, {"a": samples.image()}, {"a": samples.plane(), "b": samples.losses()}):
        with pytest.raises(ValueError, match="side by side"):
            save_side_by_side(figures, tmp_path / "a.png")


@pytest.mark.parametrize("figure", empty_figures()[:10], ids=lambda figure: type(figure).__name__)
def test_empty_comparisons(figure: Figure, tmp_path: Path) -> None:
    for one in overlay({"a": [figure], "b": [figure]}):
        save(one, tmp_path / "a.svg", View(colour="run"))
        assert "no measurement yet" in words(tmp_path / "a.svg")
    save_side_by_side({"a": figure, "b": figure}, tmp_path / "a.svg")
    assert texts(tmp_path / "a.svg").count("no measurement yet") == 2


def test_many_runs_with_odd_values(tmp_path: Path) -> None:
    x = np.array([np.nan, np.inf, -np.inf, 1e308, -1e308, 0.0, 1.0])
    axis = Axis(scale="log")
    step = np.arange(7)
    trajectory = Trajectory(
        label="a", x=x, y=x[::-1], step=step, epoch=step, members_x=x[:, None], members_y=x[:, None], position=0.0
    )
    line = Line(label="a", x=x, y=x, dashed=True, position=np.inf)
    plane = Plane(name="p", title="p", x=axis, y=axis, trajectories=(trajectory,), positions=axis)
    curves = Curves(name="c", title="c", x=axis, y=axis, lines=(line, line), positions=axis)
    heat = Heatmap(name="h", title="h", values=x[None], steps=step, centre=np.nan)
    for one in overlay({name: [plane, curves, heat] for name in "abcd"}):
        for colour in ("series", "epoch", "position", "run"):
            save(one, tmp_path / "a.png", View(colour=colour), dpi=50)


@pytest.mark.parametrize("figure", empty_figures(), ids=lambda figure: type(figure).__name__)
def test_empty(figure: Figure, tmp_path: Path) -> None:
    save(figure, tmp_path / "a.svg")
    assert "no measurement yet" in words(tmp_path / "a.svg")


def test_odd_values(tmp_path: Path) -> None:
    x = np.array([np.nan, np.inf, -np.inf, 1e308, -1e308, 0.0, 1.0])
    trajectory = Trajectory(label="a", x=x, y=x[::-1], step=np.arange(7), epoch=np.arange(7), x_lower=x, x_upper=-x)
    line = Line(label="a", x=x, y=x, lower=x, upper=-x)
    for scale in ("linear", "log"):
        axis = Axis(scale=scale)
        save(Plane(name="p", title="p", x=axis, y=axis, trajectories=(trajectory,)), tmp_path / "a.png", dpi=50)
        save(Curves(name="c", title="c", x=axis, y=axis, lines=(line,) * 40), tmp_path / "a.png", View(smooth=3), dpi=50)


def test_unknown_formats_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"a\.bmp"):
        save(samples.losses(), tmp_path / "a.bmp")


def test_nothing_global_is_left_behind(tmp_path: Path) -> None:
    before = dict(mpl.rcParams)
    filters = list(warnings.filters)
    save(samples.plane(), tmp_path / "a.png", dpi=50)
    assert dict(mpl.rcParams) == before
    assert warnings.filters == filters
    code = "import sys, ibmon.figures.image; sys.exit('matplotlib.pyplot' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_passage_is_as_high_as_its_lines(tmp_path: Path) -> None:
    heights: dict[str, int] = {}
    for name, count, width in (("one", 1, COLUMN), ("three", 3, COLUMN), ("page", 3, PAGE)):
        words = samples.passage().words * count
        figure = Passage(name="w", title="w", words=words, values=np.linspace(0, 1, len(words)))
        save(figure, tmp_path / f"{name}.png", dpi=100, width=width)
        pixels = matplotlib.image.imread(tmp_path / f"{name}.png")
        assert pixels.shape[1] == round(100 * width)
        heights[name] = pixels.shape[0]
    assert 2 * heights["one"] < heights["three"] < 3 * heights["one"]
    assert heights["page"] < 0.7 * heights["three"]


def test_every_word_of_a_passage_is_inside_and_on_its_colour(tmp_path: Path) -> None:
    figure = samples.passage()
    save(figure, tmp_path / "a.svg")
    shown = texts(tmp_path / "a.svg")
    assert [text for text in shown if text in figure.words] == [*figure.words, *figure.words]
    for text in ("untrained", "epoch 4", "saliency", "0", "1", "test, example 17"):
        assert shown.count(text) == 1
    root = ElementTree.parse(tmp_path / "a.svg").getroot()
    wide, high = (float(value) for value in root.attrib["viewBox"].split()[2:])
    for one in root.iter("{http://www.w3.org/2000/svg}text"):
        assert 0 < float(one.attrib["x"]) < wide
        assert 0 < float(one.attrib["y"]) < high
    long = replace(figure, words=("a" * 500, *figure.words[1:]))
    save(long, tmp_path / "b.svg")
    assert any(text.startswith("aaa") and text.endswith("…") for text in texts(tmp_path / "b.svg"))


def test_a_passage_of_many_pages_is_cut_and_says_so(tmp_path: Path) -> None:
    words = tuple(f"word{k}" for k in range(4000))
    save(Passage(name="w", title="w", words=words, values=np.arange(4000.0)), tmp_path / "a.svg")
    shown = texts(tmp_path / "a.svg")
    more = next(re.match(r"… (\d+) more words", text) for text in shown if text.startswith("…"))
    assert sum(text.startswith("word") for text in shown) + int(more[1]) == 4000


def test_names_of_many_rows_have_room_in_a_wide_matrix(tmp_path: Path) -> None:
    wide = Heatmap(name="h", title="h", values=np.zeros((17, 48)))
    heights: list[float] = []
    for figure in (wide, replace(wide, row_labels=tuple(f"word {k}" for k in range(17)))):
        save(figure, tmp_path / "h.svg", width=COLUMN)
        heights.append(float(ElementTree.parse(tmp_path / "h.svg").getroot().attrib["height"].removesuffix("pt")))
    assert heights[1] > heights[0] + 20
