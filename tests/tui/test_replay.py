"""Going back in time: stepping, playing, jumping to what happened."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from ibmon.figures.figure import Axis, Curves, Line, Reference
from ibmon.records import RunInfo
from ibmon.runs.directory import Status
from ibmon.runs.history import History
from ibmon.tui.feed import Frame
from ibmon.tui.marks import moments
from ibmon.tui.timeline import SPEEDS, STEPS_A_SECOND, Timeline


def frame(steps, **more):
    return Frame(History(run=RunInfo(format=1, id="a", created=0.0)), Status("live"), steps=np.array(steps), **more)


def timeline(count=100):
    return Timeline(newest=frame(10 * np.arange(count)))


def test_playing_goes_from_the_beginning_to_the_end_and_is_live_again():
    line = timeline(100)
    line.play()
    assert (line.playing, line.until) == (True, 0)
    shown = [line.until]
    while line.playing:
        line.tick(0.2)
        shown.append(line.until)
    assert shown == [*range(0, 990, 10), None]
    assert not line.held


@given(st.sampled_from(SPEEDS), st.lists(st.floats(0.01, 3.0), max_size=20))
def test_playing_passes_as_many_steps_as_its_speed_says(speed, pauses):
    line = timeline(100_000)
    line.speed = speed
    line.play()
    for seconds in pauses:
        line.tick(seconds)
    assert abs(line.position() - sum(pauses) * STEPS_A_SECOND * speed) <= 1 + 1e-6


def test_pausing_and_going_on():
    line = timeline(100)
    line.hold()
    line.move(-50)
    line.play()
    line.tick(1.0)
    line.play()
    assert not line.playing
    assert not line.tick(10.0)
    assert line.until == 10 * (49 + STEPS_A_SECOND)
    line.play()
    assert line.position() == 49 + STEPS_A_SECOND
    assert [line.faster() or line.speed for _ in SPEEDS] == [*SPEEDS[1:], SPEEDS[0]]


def test_jumps_hold_at_each_moment_in_turn():
    reference = Reference(axis="x", value=31.0, label="drift → diffusion")
    curve = Line(label="1", x=np.array([np.nan, *range(1, 100)]), y=np.ones(100), step=10 * np.arange(100))
    curves = Curves(name="c", title="c", x=Axis(label="epoch"), y=Axis(), lines=(curve,), references=(reference,))
    newest = frame(10 * np.arange(100), figures=(curves,))
    assert [(m.step, m.words, m.glyph) for m in moments(newest)] == [(310, "drift → diffusion", "◆")]
    line = Timeline(newest=newest)
    assert line.jump(moments(newest), 1) is None  # there is nothing after now
    assert line.jump(moments(newest), -1).step == 310
    assert line.until == 310
    assert line.jump(moments(newest), -1) is None
    assert line.until == 310


def test_replay_on_the_screen(write, show):
    writer = write().begin().measure(10).notice("the schedule was thinned").measure(5)
    writer.drop(152, "the spool is full")
    writer.measure(15).end()

    async def body(screen):
        await screen.see("information plane", "epoch 30/100", "■ END")
        assert "▪" in screen.row("scrubber")
        assert "╌" in screen.row("scrubber")
        await screen.press("N")
        await screen.told("step 152", "the spool is full")
        await screen.see("epoch 16 of 30", "‖ HELD")
        await screen.press("N")
        await screen.told("step 100", "the schedule was thinned")
        await screen.see("epoch 10 of 30")
        await screen.press("n", "n")
        await screen.told("no change of phase, notice or drop after this")
        before = screen.panel.grid.ch.copy()
        await screen.press("P", "p")
        await screen.see("▶ 4×")
        await screen.wait(lambda: (screen.panel.grid.ch != before).any())
        await screen.see("■ END", "epoch 30/100")

    show(writer.run, body)


def test_a_pause_keeps_the_picture(write, show):
    run = write().begin().measure(60).end().run

    async def body(screen):
        await screen.see("information plane", "■ END")
        await screen.press("p")
        await screen.see("▶ 1×")
        await screen.press("space")
        await screen.see("‖ HELD")
        held = screen.app.main.timeline.until
        await screen.pilot.pause(0.6)
        assert screen.app.main.timeline.until == held
        await screen.press("L")
        await screen.see("■ END")

    show(run, body)
