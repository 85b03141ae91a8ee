"""Pictures for papers."""

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

from ibmon.figures.figure import Axis, Curves, Figure, Heatmap, Line, Plane, Reference, Trajectory, View
from ibmon.figures.image import COLUMN, PAGE, default_view, save
from plot import samples
from plot.test_charts import empty_figures


def words(path: Path) -> str:
    return " ".join(text.strip() for text in ElementTree.parse(path).getroot().itertext() if text.strip())


@pytest.mark.parametrize("figure", samples.all_figures(), ids=lambda figure: figure.name)
def test_every_figure_becomes_a_png(figure: Figure, tmp_path: Path) -> None:
    save(figure, tmp_path / "a.png", dpi=100)
    pixels = matplotlib.image.imread(tmp_path / "a.png")
    assert pixels.shape[1] == round(100 * COLUMN)
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
    for figure in (plane, curves, heat, replace(samples.table(), rows=((label, label, label),))):
        save(figure, tmp_path / "a.svg")
        shown = words(tmp_path / "a.svg")
        if label == "a $b$ c":
            assert label in shown


def test_planes_are_coloured_by_epoch_unless_told(tmp_path: Path) -> None:
    assert default_view(samples.plane()).colour == "epoch"
    save(samples.plane(), tmp_path / "a.svg", View(colour="series", only=("layer 2",)))
    assert "epoch" not in words(tmp_path / "a.svg")


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
