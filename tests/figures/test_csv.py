"""Numbers as CSV."""

import csv
import io
from dataclasses import replace

import numpy as np
import pytest

from figures.comparable import placed_curves, run, through_training, timepoints
from ibmon.figures.compare import overlay
from ibmon.figures.figure import Figure, View
from ibmon.figures.table import table, to_csv
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
        (samples.passage(), 122, "word,position,row,value,quantity"),
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


def test_runs_and_positions_are_columns_where_there_are_such() -> None:
    for figure in overlay({"tanh": run(), "relu": run(1.0)})[:2]:
        rows = read(figure)
        assert list(rows[0])[:2] == ["run", "series"]
        assert {row["run"] for row in rows} == {"tanh", "relu"}
        assert table(figure).columns[:2] == ("run", "series")
        assert {row[0] for row in table(figure).rows} == {"tanh", "relu"}
    rows = read(timepoints())
    assert "run" not in rows[0]
    assert {(row["series"], row["position"]) for row in rows} == {(f"t{i}", str(i)) for i in range(6)}
    assert rows[0]["quantity_position"] == "timepoint"
    assert table(timepoints()).columns[:2] == ("series", "timepoint")
    assert next(row for row in read(placed_curves()) if row["series"] == "null")["position"] == ""
    assert table(placed_curves()).rows[-1][:2] == ("null", "–")


def test_columns_of_a_matrix_have_their_steps() -> None:
    figure = through_training(5)
    rows = read(figure)
    assert [row["step"] for row in rows[:5]] == ["0", "10", "20", "30", "40"]
    assert table(figure).columns == ("step", "0", "10", "20", "30", "40")
    assert table(figure, View(until=25)).columns == ("step", "0", "10", "20")
    assert table(figure, View(until=25)).rows[0] == table(figure).rows[0][:4]
    assert table(figure, View(until=-1)).rows == ()


def test_words_of_a_passage_in_their_order_and_by_their_values() -> None:
    figure = samples.passage()
    rows = read(figure)
    assert [row["word"] for row in rows] == [*figure.words, *figure.words]
    assert [row["position"] for row in rows[:3]] == ["1", "2", "3"]
    assert {row["row"] for row in rows} == {"untrained", "epoch 4"}
    assert {row["value"] for row in rows if row["word"] == "."} == {""}
    assert float(next(row["value"] for row in rows if row["word"] == "great" and row["row"] == "epoch 4")) == 0.9
    read_first = table(figure)
    assert read_first.columns == ("word", "position", "untrained", "epoch 4")
    assert [row[0] for row in read_first.rows[:3]] == ["beautiful", "great", "honest"]
    assert read_first.rows[1][1::2] == (str(figure.words.index("great") + 1), "0.9")
    assert [row[0] for row in table(samples.signed_passage()).rows[:4]] == ["beautiful", "great", "honest", "not"]
