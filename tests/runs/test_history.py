from __future__ import annotations

import msgspec
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from ibmon.records import AnyRecord, Captured, Measured, Notice, Progress, Result, Scalars, Value
from ibmon.runs.history import thin
from ibmon.runs.log import LogWriter
from ibmon.runs.reading import HistoryReader
from support import history_of, written


def _result(seq: int, value: float | None, **more: object) -> Result:
    entry = Value(quantity="I(X;T)", value=value, subject={"layer": "1"}, estimator="toy")
    return Result(**{"segment": 1, "seq": seq, "job": "plane/toy", "step": seq * 10, "values": [entry], **more})


def test_the_first_line_of_a_key_counts() -> None:
    run = written([_result(0, 1.0), _result(0, 99.0), _result(1, 2.0)], role="analyst")
    (series,) = history_of(run).series
    assert series.value.tolist() == [1.0, 2.0]


@given(st.permutations(range(6)))
@settings(max_examples=20)
def test_rows_are_sorted_by_segment_and_seq_however_they_arrive(order: list[int]) -> None:
    run = written([_result(seq, float(seq)) for seq in order], role="analyst")
    (series,) = history_of(run).series
    assert series.value.tolist() == [0, 1, 2, 3, 4, 5]
    assert series.step.tolist() == [0, 10, 20, 30, 40, 50]


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(1, 5)), min_size=1, max_size=4), st.randoms())
@settings(max_examples=50)
def test_a_trainer_that_began_again_is_believed_from_its_first_step_on(segments, random) -> None:
    flag = Value(quantity="I(X;T)", value=0.0, subject={"layer": "1"}, estimator="toy", flags={"saturated": True})
    expected: dict[int, int] = {}
    lines: list[Result] = []
    for number, (first, count) in enumerate(segments, start=1):
        steps = [10 * (first + k) for k in range(count)]
        expected = {step: n for step, n in expected.items() if step < steps[0]} | dict.fromkeys(steps, number)
        values = [msgspec.structs.replace(flag, value=float(number), flags={"saturated": number == 1})]
        lines += [_result(len(lines) + k, None, segment=number, step=step, values=values) for k, step in enumerate(steps)]
    random.shuffle(lines)
    (series,) = history_of(written(lines, role="analyst")).series
    assert dict(zip(series.step.tolist(), series.value.tolist(), strict=True)) == expected
    assert series.step.tolist() == sorted(expected)
    assert series.flags["saturated"].tolist() == [number == 1 for number in expected.values()]


def test_missing_values_are_nan_and_flags_are_kept_in_line() -> None:
    flagged = Value(quantity="I(X;T)", value=None, subject={"layer": "1"}, estimator="toy", flags={"nonfinite": True})
    run = written([_result(0, 1.0), _result(1, 0.0, values=[flagged]), _result(2, 3.0)], role="analyst")
    (series,) = history_of(run).series
    assert np.isnan(series.value[1])
    assert series.flags["nonfinite"].tolist() == [False, True, False]
    assert thin(series, 10).flags["nonfinite"].tolist() == [False, True]


def test_reading_piece_by_piece_gives_the_same_history() -> None:
    records: list[AnyRecord] = [_result(i, i / 7, epoch=i / 2) for i in range(200)]
    run = written([], role="analyst")
    reader = HistoryReader(run)
    log = LogWriter(run.logs("analyst")[0])
    for i, record in enumerate(records):
        log.append(record)
        if i % 17 == 0:
            reader.poll(0.0)
    while reader.poll(0.0):
        pass
    whole = history_of(run).series[0]
    piecewise = reader.history().series[0]
    assert np.array_equal(whole.value, piecewise.value) and np.array_equal(whole.epoch, piecewise.epoch)


def test_a_history_does_not_change_after_it_was_given() -> None:
    run = written([_result(0, 1.0)], role="analyst")
    reader = HistoryReader(run)
    reader.poll()
    before = reader.history()
    log = LogWriter(run.logs("analyst")[0])
    for seq in range(1, 100):
        log.append(_result(seq, float(seq)))
    reader.poll()
    assert before.series[0].value.tolist() == [1.0]
    assert len(reader.history().series[0].value) == 100
    assert not before.series[0].value.flags.writeable


def test_lag_counts_snapshots_that_are_not_measured_yet() -> None:
    run = written([Captured(segment=1, seq=0, step=0), Captured(segment=1, seq=1, step=1)])
    written([_result(0, 1.0), Measured(segment=1, seq=0)], role="analyst", run=run)
    history = history_of(run)
    assert (history.captured, history.measured, history.lag) == (2, 1, 1)


def test_logged_numbers_and_losses_are_series_by_name() -> None:
    scalars = Scalars(segment=1, name="test", step=3, epoch=1.0, values={"accuracy": 0.5, "odd": None})
    run = written([Progress(segment=1, step=1, loss=2.0), Progress(segment=1, step=2, loss=None), scalars])
    history = history_of(run)
    assert history.scalars["training/loss"].value.tolist()[0] == 2.0
    assert np.isnan(history.scalars["training/loss"].value[1])
    assert history.scalars["test/accuracy"].value.tolist() == [0.5]


def test_arrays_over_axes_are_series_with_axes() -> None:
    entry = Value(quantity="I(X;T)", value=[1.0, None, 3.0], axes={"time": [0, 1, 2]}, flags={"saturated": [True, False, False]})
    (series,) = history_of(written([_result(0, 0.0, values=[entry])], role="analyst")).series
    assert series.value.shape == (1, 3)
    assert np.isnan(series.value[0, 1])
    assert series.axes == {"time": (0, 1, 2)}
    assert series.flags["saturated"][0].tolist() == [True, False, False]


def test_the_untrained_network_is_epoch_zero_where_epochs_are_counted() -> None:
    run = written([_result(0, 1.0), _result(1, 2.0, epoch=1.0)], role="analyst")
    assert history_of(run).series[0].epoch.tolist() == [0.0, 1.0]
    assert history_of(run).epoch_of(15) == 1.0


def test_trainer_and_analyst_are_read_by_turns_and_a_log_that_cannot_be_read_stops_neither() -> None:
    run = written([Captured(segment=1, seq=i, step=i) for i in range(9000)])
    written([Measured(segment=1, seq=i) for i in range(9000)], role="analyst", run=run)
    reader = HistoryReader(run)
    reader.poll(0.0)
    assert 0 < reader.history().captured < 9000
    assert reader.history().measured > 0
    (run.path / "trainer-0.jsonl").symlink_to(run.logs("trainer")[0])
    reader = HistoryReader(run)
    reader.poll()
    assert reader.complete
    assert (reader.history().captured, reader.history().measured) == (9000, 9000)


def test_a_notice_knows_where_the_training_was() -> None:
    run = written(
        [Notice(text="a"), Progress(segment=1, step=7), Notice(text="b"), Captured(segment=1, seq=0, step=9), Notice(text="c")]
    )
    assert [(n.text, n.step) for n in history_of(run).notices] == [("a", None), ("b", 7), ("c", 9)]
