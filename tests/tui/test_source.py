"""What is built anew when a run goes on."""

from ibmon.figures.build import build_figures
from ibmon.tui.source import Source


def built(source):
    source.reader.poll()
    source.build(now=True)
    return {figure.name: figure for figure in source.figures}


def points(figure):
    return len(figure.lines[0].x)


def test_a_loss_leaves_the_figures_of_analyses_as_they_are(write):
    writer = write().begin().measure(5)
    source = Source(writer.run)
    before = built(source)
    writer.progress(55, 5.5, loss=0.3)
    after = built(source)
    assert list(after) == list(before)
    assert [name for name in after if after[name] is before[name]] == [n for n in before if before[n].screen != "training"]
    assert points(after["loss"]) == points(before["loss"]) + 1


def test_figures_are_those_of_the_history_whatever_came_in_between(write):
    writer = write().begin().progress(5, 0.5)
    source = Source(writer.run)
    for grow in (writer.measure, lambda: writer.progress(15, 1.5), lambda: writer.measure(2), writer.end):
        grow()
        now = built(source)
        fresh, _ = build_figures(source.history)
        assert list(now) == [figure.name for figure in fresh]
        assert points(now["loss"]) == points(next(f for f in fresh if f.name == "loss"))


def test_figures_that_take_long_are_up_to_date_once_the_run_is_read(write, monkeypatch):
    monkeypatch.setattr("ibmon.tui.source._REST", 1e9)
    monkeypatch.setattr("ibmon.tui.source._QUICK", 0.0)
    writer = write().begin().measure(2000)
    source, seen = Source(writer.run), []
    while not seen or not source.reader.complete:
        source.reader.poll(0.0)  # a piece of each log
        source.build()
        seen.append(points({figure.name: figure for figure in source.figures}["loss"]))
    assert seen[-1] == 2000 > seen[-2] == seen[0]
    for _ in range(2):
        writer.measure()
        source.reader.poll()
        source.build()
    assert points({figure.name: figure for figure in source.figures}["loss"]) == 2001
