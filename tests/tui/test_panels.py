"""Runs of a comparison side by side: the key of the layout, the cursor in all panels, and saving what is seen."""

import math

import pytest

from ibmon.records import Value
from ibmon.tui.keys import KEYS

TIMES = list(range(12))


def recurrent(write, name, shift=0.0, **asked):
    """A run with the plane of twelve timepoints, its maps, and losses."""
    writer = write(name, **asked).begin()

    def values(i, layer, epoch):
        yield from type(writer)._values(writer, i, layer, epoch)
        if i == 0:
            about = {"subject": {"layer": "lstm"}, "axes": {"time": TIMES}, "estimator": "kde"}
            yield Value(quantity="I(X;H_t)", value=[t / 3 + shift for t in TIMES], **about)
            yield Value(quantity="I(H_t;Y)", value=[(1 - math.exp(-epoch)) * t / 12 for t in TIMES], **about)

    writer._values = values
    return writer.measure(5, job="timepoints/kde").end().run


@pytest.fixture
def two(write):
    return recurrent(write, "slow"), recurrent(write, "fast", 1.0)


def test_planes_of_many_timepoints_stand_side_by_side(two, show):
    slow, fast = two

    async def body(screen):
        await screen.see("4 timepoints", "shows ● slow  ○ fast")
        await screen.press("4", "F")
        await screen.see("4 TIMEPOINTS", "timepoints, lstm", "● slow", "○ fast")
        head = next(line for line in screen.lines()[3:] if "● slow" in line)
        assert "○ fast" in head  # in one row
        assert screen.text().count("timepoint ") <= 1
        await screen.press("i")
        await screen.see("slow   t0", "timepoint 0", "fast   epoch 5", "I(X;H_t) 1 bits")
        await screen.press("down", "left")
        await screen.see("slow   t1", "epoch 4", "fast   epoch 4", "I(X;H_t) 1.333 bits")
        await screen.press("+")
        frame = screen.panel.chart_frame
        await screen.press("v")
        await screen.see("slow   t1")
        assert (screen.panel.view.layout, screen.panel.chart_frame.x_limits) == ("overlay", frame.x_limits)
        await screen.gone("fast   epoch 4")
        await screen.press("v", "v")
        await screen.see("○ fast", "fast   t")
        assert screen.panel.view.alone == "fast"
        await screen.press("V", "V", "V")
        await screen.see("● slow", "○ fast", "fast   epoch")

    show(slow, body, compared=(fast,))


def test_maps_have_a_panel_for_each_run_also_in_small_terminals(two, show):
    slow, fast = two

    async def body(screen):
        await screen.see("4 timepoints", "shows ● slow  ○ fast")
        await screen.press("4", "F")
        await screen.see("4 TIMEPOINTS", "timepoints, lstm", "● slow", "○ fast")
        await screen.press("tab")
        await screen.see("I(X;H_t) of lstm", "● slow", "○ fast")
        assert screen.panel.figure.values.shape == (24, 5)
        await screen.press("i", "up")
        await screen.see("fast   timepoint 11   epoch 5", "slow   I(X;H_t) 3.667 bits")
        await screen.press("i", "home")
        await screen.wait(lambda: screen.panel.figure.values.shape == (24, 1))
        await screen.see("● slow", "○ fast")

    show(slow, body, compared=(fast,), size=(80, 24))


def test_a_run_alone_is_saved_under_its_name(two, show):
    slow, fast = two

    async def body(screen):
        await screen.see("4 timepoints", "shows ● slow  ○ fast")
        await screen.press("4", "F")
        await screen.see("4 TIMEPOINTS", "timepoints, lstm", "● slow", "○ fast")
        for keys, name in (((), "-compared.csv"), (("v", "v"), "-slow.png")):
            await screen.press(*keys, "e")
            await screen.see("save timepoints, lstm")
            await screen.press("c" if name.endswith("csv") else "p")
            await screen.told("saved", name)

    show(slow, body, compared=(fast,))
    assert {path.name for path in slow.figures.iterdir()} == {
        "timepoints-plane-kde-lstm-compared.csv",
        "timepoints-plane-kde-lstm-slow.png",
    }


def test_the_key_is_offered_where_runs_are_compared(two, show):
    slow, fast = two
    key = next(key for key in KEYS if key.id == "layout")
    assert not key.offered("plane", read_only=False) and key.offered("plane", read_only=True, states=frozenset({"comparing"}))

    async def alone(screen):
        await screen.see("✔ finished", "9 training")
        await screen.press("9", "v")
        assert screen.panel.view.layout is None and "v layout" not in screen.row("keys")

    async def compared(screen):
        await screen.see("shows ● slow", "9 training")
        await screen.press("9", "F")
        await screen.see("9 TRAINING", "v layout", "loss")
        assert "● slow  ○ fast" in screen.lines()[3]
        await screen.press("v")
        await screen.wait(lambda: screen.lines()[3].startswith("│● slow   "))
        assert screen.panel.view.layout == "panels"

    show(slow, alone)
    show(slow, compared, compared=(fast,))
