"""Numbers as CSV."""

import csv
import io
from dataclasses import replace

import numpy as np
import pytest

from ibmon.figures.figure import Figure
from ibmon.figures.table import to_csv
from plot import samples


def read(figure: Figure) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(to_csv(figure))))


def test_planes() -> None:
    figure = samples.plane(layers=2, points=20)
    rows = read(figure)
    first = figure.trajectories[0]
    assert len(rows) == sum(len(t.x) for t in figure.trajectories)
    header = "series,step,epoch,x,x_lower,x_upper,y,y_lower,y_upper,flags,estimator,quantity_x,quantity_y"
    assert to_csv(figure).splitlines()[0] == header
    assert rows[0]["series"] == "layer 1"
    assert rows[0]["step"] == "10"
    np.testing.assert_array_equal([float(row["x"]) for row in rows[: len(first.x)]], first.x)
    assert rows[len(first.x) - 1]["flags"] == "saturated"
    assert rows[0]["quantity_y"] == "I(T;Y) [bits]"


def test_values_that_are_no_number_are_empty() -> None:
    rows = [row for row in read(samples.curves()) if row["series"] == "layer 2"]
    assert sum(row["y"] == "" for row in rows) == 10
    assert all(row["lower"] == "" for row in rows)
    assert "inf" in [row["y"] for row in read(samples.curves())]


@pytest.mark.parametrize(
    ("figure", "count", "header"),
    [
        (samples.heatmap(), 20, "row,column,value,quantity,quantity_row,quantity_column"),
        (samples.histogram(), 16, "group,from,to,value,quantity,quantity_x"),
        (samples.table(), 2, "run,accuracy,status"),
        (samples.image(), 192, "picture,row,column,value"),
        (samples.losses(), 100, "series,step,x,y,lower,upper,flags,estimator,quantity_x,quantity_y"),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
def test_other_figures(figure: Figure, count: int, header: str) -> None:
    assert to_csv(figure).splitlines()[0] == header
    assert len(read(figure)) == count


def test_spreadsheets_find_no_formulas() -> None:
    texts = ("=1+1", "@SUM(A1)", "+cmd", "-x", " =1", "-0.5", "fine", 'a,"b"')
    figure = replace(samples.table(), columns=texts, rows=(texts,))
    kept = next(iter(csv.reader(io.StringIO(to_csv(figure)))))
    assert kept == ["'=1+1", "'@SUM(A1)", "'+cmd", "'-x", "' =1", "-0.5", "fine", 'a,"b"']
