"""Themes, colour maps, diagnostics, the clipboard and the single frame."""

import subprocess
import sys

import pytest

from ibmon.tui.app import Wishes
from ibmon.tui.diagnostics import Meter
from ibmon.tui.look import SHADES, Look
from ibmon.tui.once import print_frame
from support import ibmon


def colours(screen):
    strips = screen.app.screen._compositor.render_strips(screen.app.screen.size)
    return {segment.style.bgcolor for strip in strips for segment in strip if segment.style and segment.style.bgcolor}


def test_themes_go_round_and_repaint_everything(write, show):
    run = write().begin().measure(10).end().run

    async def body(screen):
        await screen.see("information plane", "■ END")
        seen = [frozenset(colours(screen))]
        for words in ("light", "high contrast", "dark"):
            await screen.press("T")
            await screen.told(words)
            screen.app.clear_notifications()
            await screen.pilot.pause(0.2)
            seen.append(frozenset(colours(screen)))
        assert seen[0] == seen[3]
        assert len(set(seen)) == 3
        assert not seen[0] & seen[1]

    show(run, body)


def test_colour_maps_change_the_chart(write, show):
    run = write().begin().measure(30).end().run

    async def body(screen):
        await screen.see("information plane", "■ END")
        await screen.press("c")
        drawn = [screen.panel.grid.fg.copy()]
        for _ in range(2):
            await screen.press("C")
            drawn.append(screen.panel.grid.fg.copy())
        await screen.told("colour map: cividis")
        assert (drawn[1] != drawn[2]).any()

    show(run, body)


def test_diagnostics_say_what_the_terminal_can_and_what_it_costs(write, show, monkeypatch):
    monkeypatch.setenv("TERM", "xterm-256color")
    run = write().begin().measure(10).end().run

    async def body(screen):
        await screen.see("information plane", "■ END")
        await screen.press("D")
        await screen.see("diagnostics", "xterm-256color", "16 million, dark", "160 × 45", "10 read", "a chart")
        await screen.press("D")
        await screen.gone("diagnostics")

    show(run, body)


def test_the_meter_counts_the_last_seconds():
    now = [0.0]
    meter = Meter(lambda: now[0])
    for at in range(10):
        now[0] = float(at)
        meter.sent(100)
    assert meter.bytes == 1000
    assert meter.rate(5.0) == pytest.approx(6 * 100 / 5.0)  # those at 4 to 9 s
    now[0] = 60.0
    assert meter.rate() == 0


def test_y_copies_while_inspecting_and_is_the_axis_otherwise(write, show):
    run = write().begin().measure(10).end().run

    async def body(screen):
        await screen.see("information plane", "■ END")
        await screen.press("y")
        assert screen.panel.view.y_scale == "log"
        await screen.press("y", "i")
        await screen.see("copy", "binning:width=0.07")
        await screen.press("y")
        await screen.told("copied")
        assert screen.panel.view.y_scale == "linear"
        said = screen.app.clipboard
        assert said.startswith("1   epoch 10   step 100")
        assert "I(X;T) 10.8 bits  bounds 10.3 to 11.3" in said
        assert "flags saturated" in said

    show(run, body)


def test_one_frame_without_a_terminal_is_plain_text(write, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setenv("LINES", "30")
    run = write().begin().measure(10).end().run
    assert print_frame(run, Wishes(screen="plane")) == 0
    printed = capsys.readouterr().out
    lines = printed.splitlines()
    assert len(lines) == 30
    assert max(map(len, lines)) == 100
    assert "\x1b" not in printed
    for words in ("✔ finished", "2 PLANE", "information plane", "I(X;T) [bits]", "■ END"):
        assert words in printed


def test_one_frame_from_the_command_line(write):
    run = write().begin().measure(10).end().run
    done = ibmon("watch", str(run.path), "--once", "--screen", "training", "--ascii", COLUMNS="80", LINES="24")
    assert done.returncode == 0, done.stderr
    assert done.stdout.isascii()
    assert "TRAINING" in done.stdout
    assert "loss" in done.stdout
    missing = ibmon("watch", "nothing-of-this-name", "--once")
    assert missing.returncode == 3


def test_a_broken_configuration_is_one_sentence(write, tmp_path):
    run = write().begin().measure(2).end().run
    (tmp_path / "ibmon").mkdir()
    (tmp_path / "ibmon" / "config.toml").write_text("[look]\ntheme = 'blue'\n")
    done = ibmon("watch", str(run.path), "--once", XDG_CONFIG_HOME=str(tmp_path))
    assert done.returncode == 2
    assert "theme is one of dark, light, contrast" in done.stderr
    assert "Traceback" not in done.stderr
    printed = ibmon("config", XDG_CONFIG_HOME=str(tmp_path / "else"))
    assert printed.returncode == 0
    assert "does not exist yet" in printed.stderr
    assert '# export = "e"' in printed.stdout


def test_the_first_paint_needs_no_numpy():
    program = "import sys, ibmon.tui.shell; print(sorted({'numpy', 'torch', 'matplotlib'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.strip() == "[]"


@pytest.mark.parametrize("depth", ["true", "256", "16", "none"])
@pytest.mark.parametrize("shade", SHADES)
def test_every_look_shows_the_run(write, show, depth, shade):
    run = write().begin().measure(5).end().run

    async def body(screen):
        await screen.see("information plane", "✔ finished", "■ END")

    show(run, body, look=Look(depth, shade), size=(100, 30))
