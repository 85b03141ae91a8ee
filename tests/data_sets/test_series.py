"""Time series from files: the real one as it is known, what is written read back, and what is no series refused."""

from __future__ import annotations

from datetime import datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ibmon.data import jfk_weather, time_series
from ibmon.records import IbmonError, NotFoundError


def test_the_temperature_is_that_of_jfk_airport(real):
    found = jfk_weather()
    assert found.values.shape == (75119,) and found.values.dtype == np.float64
    assert (found.name, found.unit) == ("HOURLYDRYBULBTEMPF", "°F")
    assert found.values[:3].tolist() == [33, 33, 33] and (found.values.min(), found.values.max()) == (1, 102)
    assert found.times[0] == np.datetime64("2010-01-01T01:00") and found.times[-1] == np.datetime64("2018-07-27T23:00")
    assert set(np.diff(found.times)) == {np.timedelta64(1, "h")}


def test_other_columns_of_the_weather_have_no_degrees(real):
    assert jfk_weather("HOURLYRelativeHumidity").unit == ""
    with pytest.raises(NotFoundError, match="did you mean 'HOURLYWindSpeed'"):
        jfk_weather("HOURLYWindSped")


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=2, max_size=30), st.integers(1, 10**6))
def test_what_is_written_is_read(tmp_path_factory, values, seconds):
    path = tmp_path_factory.mktemp("series") / "s.csv"
    start = datetime(1999, 12, 31, 23, 59, 1)
    rows = [f"{start + i * timedelta(seconds=seconds)},{value!r},x" for i, value in enumerate(values)]
    path.write_text("\n".join(["DateTime, level,note", *rows, ""]), encoding="utf-8")
    found = time_series(path, "level")
    assert found.values.tolist() == values and (found.name, found.unit) == ("level", "")
    assert found.times[0] == np.datetime64("1999-12-31T23:59:01")
    assert set(np.diff(found.times).astype(int)) == {seconds}


def written(folder, text, name="s.csv"):
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_files_without_times_have_none(tmp_path):
    assert time_series(written(tmp_path, "a,b\n1,2\n3,4\n"), "b").times is None
    numbered = written(tmp_path, "time,b\n0.5,2\n1.5,4\n")
    assert time_series(numbered, "b").times is None, "numbers are no times, whatever their column is called"
    assert time_series(numbered, "time").values.tolist() == [0.5, 1.5]


def test_times_are_those_of_the_column_that_is_named_and_in_utc(tmp_path):
    text = "date\tb\twhen\n2020-01-01\t1\t2020-03-29T01:00+01:00\n2020-01-01\t2\t2020-03-29T03:00+02:00\n\n\n"
    found = time_series(written(tmp_path, text, "s.tsv"), "b", times="when")
    assert found.times.tolist() == [datetime(2020, 3, 29, 0), datetime(2020, 3, 29, 1)], "an hour apart across the summer's start"


HOURS = "time,b\n2020-01-01 00:00,1\n2020-01-01 01:00,2\n"


@pytest.mark.parametrize(
    ("text", "column", "said"),
    [
        ("time,b\n", "b", "s.csv has no row of values; a series has two or more."),
        ("b\n1\n", "b", "s.csv has one row of values; a series has two or more."),
        ("", "b", "There is no column 'b' in s.csv; it has none."),
        ("level,wind\n1,2\n3,4\n", "lebel", "There is no column 'lebel' in s.csv; did you mean 'level'?"),
        ("LEVEL,wind\n1,2\n3,4\n", "level", "There is no column 'level' in s.csv; did you mean 'LEVEL'?"),
        ("a,b\n1,2\n3,4\n", "temperature", "There is no column 'temperature' in s.csv; it has 'a', 'b'."),
        ("b\n1\ntwo\n", "b", "Line 3 of s.csv has 'two' in 'b', which is no number."),
        ("b\n1\n\n\n2\n", "b", "Line 3 of s.csv is blank, and rows follow; fill the gap or delete the line."),
        ("a,b\n1,2\n3,4\n\n5,6\n", "b", "Line 4 of s.csv is blank, and rows follow"),
        ("\nb\n1\n2\n", "b", "Line 1 of s.csv is blank, and rows follow"),
        ("a,b\n1,2\n3,\n", "b", "Line 3 of s.csv has '' in 'b', which is no number."),
        ("a,b\n1,2\n3,nan\n", "b", "Line 3 of s.csv has 'nan' in 'b', which is no number."),
        ("b\n1\n\x1b[2J\n", "b", "Line 3 of s.csv has '\\x1b[2J' in 'b', which is no number."),
        ("a,b\n1,2\n3\n", "b", "Line 3 of s.csv has 1 values, and the first line 2 names."),
        (HOURS + "noon,3\n", "b", "Line 4 of s.csv has 'noon' in 'time', which is no time."),
        (
            HOURS + "2020-01-01 04:00,3\n2020-01-01 05:00,3\n",
            "b",
            "Line 4 of s.csv is at 2020-01-01T04:00:00, after 2020-01-01T01:",
        ),
        (
            HOURS + "2020-01-01 01:00,3\n2020-01-01 02:00,3\n",
            "b",
            "Line 4 of s.csv is at 2020-01-01T01:00:00, after 2020-01-01T01:",
        ),
        (
            "time,b\n2020-01-02,1\n2020-01-01,2\n",
            "b",
            "Line 3 of s.csv is at 2020-01-01T00:00:00, after 2020-01-02T00:00:00: a series",
        ),
        ('a,b\n1,"2\n', "b", "s.csv cannot be read as text in UTF-8 with columns"),
    ],
)
def test_what_is_no_series_is_refused_in_one_sentence(text, column, said, tmp_path):
    with pytest.raises(IbmonError) as refused:
        time_series(written(tmp_path, text), column)
    assert str(refused.value).startswith(said)
    assert "\n" not in str(refused.value)


def test_a_file_that_is_not_there_or_no_text(tmp_path):
    with pytest.raises(NotFoundError, match="There is no file"):
        time_series(tmp_path / "none.csv", "b")
    (tmp_path / "s.csv").write_bytes(b"b\n\xff\xfe\n")
    with pytest.raises(IbmonError, match="cannot be read as text"):
        time_series(tmp_path / "s.csv", "b")
