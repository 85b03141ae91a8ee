"""Single networks of a run that trains many at once as one batched model."""

import csv

import numpy as np
import pytest

from ibmon.figures.build import build_figures
from ibmon.figures.figure import Plane
from ibmon.figures.view import runs_of
from ibmon.records import UsageError
from ibmon.runs.history import of_replica
from ibmon.tui.keys import KEYS, offered
from ibmon.tui.settings import load
from ibmon.tui.source import Source


def first_x(screen):
    """I(X;T) of the first layer at the newest point of the plane."""
    return round(float(screen.panel.figure.trajectories[0].x[-1]), 6)


def test_r_steps_through_the_networks_and_back_to_all(write, show):
    run = write().begin(replicas=3).measure(5).end().run

    async def body(screen):
        await screen.see("information plane", "all 3 networks", "r network")
        plane = screen.panel.figure
        assert plane.trajectories[0].members_x.shape == (5, 3)
        assert first_x(screen) == 9.9  # the median of 10.9, 9.9 and 8.9
        for key, words, x in (
            ("r", "network 0 of 3", 10.9),
            ("r", "network 1 of 3", 9.9),
            ("R", "network 0 of 3", 10.9),
            ("R", "all 3 networks", 9.9),
            ("R", "network 2 of 3", 8.9),
            ("r", "all 3 networks", 9.9),
        ):
            await screen.press(key)
            await screen.see(words)
            await screen.wait(lambda x=x: first_x(screen) == x)
        await screen.press("r", "r", "r")  # faster than the frames
        await screen.see("network 2 of 3")
        assert screen.panel.figure.trajectories[0].members_x is None
        assert not screen.panel.figure.trajectories[0].hollow.any()

    show(run, body)


def test_what_is_measured_meanwhile_is_of_the_same_network(write, show):
    writer = write().begin(replicas=3).measure(5)

    async def body(screen):
        await screen.see("all 3 networks")
        await screen.press("r")
        await screen.see("network 0 of 3")
        writer.measure(5)
        await screen.wait(lambda: first_x(screen) == 10.8)
        await screen.see("network 0 of 3", "step 100")

    show(writer.run, body)


def test_a_network_at_an_earlier_step(write, show):
    writer = write().begin(replicas=3).measure(9)

    async def body(screen):
        await screen.see("all 3 networks")
        await screen.press("less_than_sign")
        await screen.see("epoch 1 of 9")
        await screen.press("R")
        await screen.see("network 2 of 3", "epoch 1 of 9", "‖ HELD")
        assert screen.app.main.timeline.until == 10
        assert screen.panel.figure.trajectories[0].members_x is None
        await screen.press("full_stop")
        await screen.see("epoch 2 of 9")
        writer.measure()
        await screen.see("step 100")
        assert len(screen.panel.figure.trajectories[0].x) == 9  # what is held stays as it is
        await screen.press("L", "i")
        await screen.see("epoch 10", "8.8")

    show(writer.run, body)


def test_a_run_of_one_network_has_no_such_keys(write, show):
    run = write().begin().measure(3).end().run

    async def body(screen):
        await screen.see("information plane")
        before = screen.panel.figure
        await screen.press("r", "R")
        await screen.pilot.pause(0.3)
        assert screen.panel.figure is before
        assert "network" not in screen.row("status") + screen.row("keys")
        await screen.press("question_mark")
        await screen.see("of many networks the next alone")

    show(run, body)


def test_on_the_list_of_runs_r_renames(write, show):
    run = write().begin(replicas=3).measure(3).end().run

    async def body(screen):
        await screen.see("all 3 networks")
        await screen.press("7")
        await screen.see("r rename")
        await screen.press("r")
        await screen.see("name")
        await screen.press("escape", "1")
        await screen.see("all 3 networks")

    show(run, body)
    assert {key.id for key in offered("runs", read_only=False, states={"networks"}) if key.keys == "r"} == {"rename"}
    assert {key.id for key in offered("plane", read_only=False, states={"networks"}) if key.keys == "r"} == {"network-next"}
    assert not {key.id for key in offered("plane", read_only=False) if key.keys == "r"}


def test_a_key_of_networks_is_taken_for_every_run(tmp_path):
    file = tmp_path / "config.toml"
    file.write_text('[keys]\nsmooth = "r"\n')
    with pytest.raises(UsageError, match="'r' is the key of both 'smooth' and 'network-next'"):
        load(file)
    file.write_text('[keys]\nsmooth = "r"\nnetwork-next = "f5"\n')
    assert load(file).keys == {"smooth": "r", "network-next": "f5"}
    assert len([key for key in KEYS if key.when == "networks"]) == 2


def test_the_same_network_of_every_run_that_is_compared(write, show):
    first = write("first").begin(replicas=3).measure(5).end().run
    second = write("second").begin(replicas=2).measure(9).end().run

    async def body(screen):
        await screen.see("shows ● first  ○ second", "all 2 networks", "9 compare")
        await screen.press("r", "r")
        await screen.see("network 1 of 2")
        await screen.wait(lambda: first_x(screen) == 9.9)
        assert runs_of(screen.panel.figure) == ["first", "second"]
        assert {t.members_x is None for t in screen.panel.figure.trajectories} == {True}
        await screen.press("home")
        while screen.app.main.shown != "compare":
            await screen.press("9")
        await screen.wait(lambda: screen.app.main.timeline.newest.past_step == 10)
        rows = [row for row in screen.panel.figure.rows if "I(X;T)" in " ".join(row)]
        assert [row[2:5] for row in rows] == [("9.98", "9.98", "+0"), ("7.98", "7.98", "+0"), ("5.98", "5.98", "+0")]
        await screen.press("R")
        await screen.see("network 0 of 2")
        await screen.wait(lambda: screen.panel.figure.rows[0][2] == "10.98")

    show(first, body, compared=(second,))


def test_a_comparison_with_a_run_without_it_shows_all_networks(write, show):
    first = write("first").begin(replicas=3).measure(5).end().run
    second = write("second").begin().measure(5).end().run

    async def body(screen):
        await screen.see("all 3 networks")
        await screen.press("R")
        await screen.see("network 2 of 3")
        await screen.press("7")
        while screen.app.main.runs.chosen.path.name != "second":
            await screen.press("up")
        await screen.press("m", "1")
        await screen.see("shows ● second  ○ first")
        assert "network" not in screen.row("status")
        assert "network" not in screen.row("keys")
        assert {t.members_x is None for t in screen.panel.figure.trajectories if t.run == "first"} == {False}
        await screen.press("r", "7", "m", "1")
        await screen.see("network 2 of 3")
        assert second.path.name == "second"

    show(first, body)


def test_a_saved_chart_names_the_network(write, show):
    run = write().begin(replicas=3).measure(5).end().run

    async def body(screen):
        await screen.see("all 3 networks")
        await screen.press("R", "R")
        await screen.see("network 1 of 3")
        await screen.press("e", "c")
        await screen.told("saved", "-replica-1.csv")

    show(run, body)
    (path,) = run.figures.glob("information-plane-*-replica-1.csv")
    rows = list(csv.DictReader(path.read_text().splitlines()))
    assert [float(row["x"]) for row in rows[:5]] == pytest.approx([9.98, 9.96, 9.94, 9.92, 9.9])


def planes(figures):
    """What the planes show: name of the plane and label -> x and y, with those of single networks."""
    return {
        (figure.name, t.label): [
            None if part is None else np.round(part, 9).tolist() for part in (t.x, t.y, t.members_x, t.members_y)
        ]
        for figure in figures
        if isinstance(figure, Plane)
        for t in figure.trajectories
    }


@pytest.mark.parametrize("replica", [None, 0, 2])
def test_figures_of_now_and_of_the_past_are_of_the_network(write, replica):
    source, shorter = (Source(write(name).begin(replicas=3).measure(count).run) for name, count in (("long", 8), ("short", 3)))
    for each in (source, shorter):
        each.reader.poll()
        each.build(replica)
    history = source.history if replica is None else of_replica(source.history, replica)
    assert planes(source.figures) == planes(build_figures(history)[0])
    assert planes(source.then(30)) == planes(shorter.figures) != planes(source.figures)
    source.build(1)
    assert planes(source.then(30)) != planes(shorter.figures)


def test_another_network_is_built_at_once_however_long_the_figures_take(write, monkeypatch):
    monkeypatch.setattr("ibmon.tui.source._REST", 1e9)
    monkeypatch.setattr("ibmon.tui.source._QUICK", 0.0)
    source = Source(write().begin(replicas=3).measure(5).run)
    source.reader.poll()
    source.build()
    for replica in (0, 1, None):
        source.build(replica)
        assert {members is None for *_, members in planes(source.figures).values()} == {replica is not None}
