"""Text of a run directory is text; what fails in a plugin stays in its panel; a partial repaint is a whole one."""

import random

import numpy as np
import pytest

import ibmon.figures.build
from ibmon.registry import Contribution, Provider, Registry
from ibmon.specs import AnalysisSpec
from ibmon.tui.cells import differing
from ibmon.tui.chart import ChartPanel
from ibmon.tui.look import Look, detect

EVIL = "[@click=app.quit]x[/]"


def test_markup_is_shown_literally(write, show):
    writer = write(name_of := "demo-1", parameters={EVIL: EVIL}).begin((EVIL, "[red]b[/red]")).measure(9)
    writer.notice(f"[bold]{EVIL}").drop(20, EVIL).run.console.write_text(f"{EVIL} \x1b[31mred\n")

    async def body(screen):
        await screen.see("information plane", EVIL[:9])
        await screen.press("i")
        await screen.see(f"  {EVIL}   epoch 9")
        await screen.press("8")
        await screen.see(f"[bold]{EVIL}", f"dropped: {EVIL}", r"\x1b[31mred")
        writer.end("failed", f"[b]{EVIL}")
        await screen.press("1")
        await screen.see(f"[b]{EVIL}")
        await screen.press("7")
        await screen.see(name_of)

    show(writer.run, body, size=(160, 45))


def failing(history):
    raise ValueError("cannot draw " + EVIL)


def test_an_analysis_that_cannot_draw_harms_no_other(write, show, monkeypatch):
    specs = {
        "information-plane": AnalysisSpec(
            name="information-plane", target="", figures="ibmon_analyses.information_plane_figures:figures"
        ),
        "bad": AnalysisSpec(name="bad", target="", figures="somewhere_else:failing"),
    }
    contributions = {name: Contribution(spec, Provider("thirdparty", "1.0")) for name, spec in specs.items()}
    registry = Registry({"estimators": {}, "recipes": {}, "analyses": contributions})
    monkeypatch.setattr(ibmon.figures.build, "_installed", lambda: registry)
    monkeypatch.setattr(AnalysisSpec, "load_figures", load_figures(AnalysisSpec.load_figures))
    writer = write().begin().measure(4)
    writer.seq = 0
    writer.measure(4, job="bad/x")

    async def body(screen):
        await screen.see("information plane", "figures that could not be built", "thirdparty 1.0", "cannot draw")
        await screen.see("[@click=app.quit]")
        writer.measure(3)
        await screen.see("epoch 7/100")

    show(writer.run, body)


def load_figures(real):
    return lambda spec: failing if spec.name == "bad" else real(spec)


def test_a_chart_that_cannot_be_drawn_says_so(write, show, monkeypatch):
    run = write().begin().measure(4).end().run

    def draw(figure, *rest):
        if figure.name == "loss":
            raise RuntimeError("no such colour")
        return real(figure, *rest)

    import ibmon.tui.chart

    real = ibmon.tui.chart.draw
    monkeypatch.setattr(ibmon.tui.chart, "draw", draw)

    async def body(screen):
        await screen.see("this chart could not be drawn", "no such colour", "information plane", "accuracy")

    show(run, body)


@pytest.mark.parametrize("seed", range(3))
def test_partial_repaints_equal_a_whole_one(write, show, seed):
    writer = write().begin().measure(3)
    chance = random.Random(seed)
    keys = [*"cxys0iLF129", *("plus", "minus", "left", "up", "comma", "full_stop", "space", "home", "end", "tab", "slash")]

    async def body(screen):
        await screen.see("information plane")
        for _ in range(25):
            key = chance.choice(keys)
            await screen.press(*((key, "1", "enter") if key == "slash" else (key,)))
            if chance.random() < 0.3:
                writer.measure(chance.randint(1, 3))
                await screen.pilot.pause(0.1)
        await screen.pilot.pause(0.6)
        # Hold the picture still, so that nothing arrives between the two.
        screen.app.main.feed.stop()
        await screen.pilot.pause(0.3)
        for panel in screen.app.main.query(ChartPanel):
            if not panel.display:
                continue
            partial = ["".join(s.text for s in panel.render_line(y)) for y in range(panel.size.height)]
            drawn = panel.grid.lines()
            assert partial == drawn
        before = screen.lines()
        screen.app.refresh(layout=True)
        for widget in screen.app.main.walk_children():
            widget.refresh()
        await screen.pilot.pause(0.2)
        assert screen.lines() == before

    show(writer.run, body)


def test_what_differs_is_inside_the_regions():
    from ibmon.plot import CellGrid

    rng = np.random.default_rng(1)
    for _ in range(50):
        shape = (6, 40)
        old = CellGrid(
            ch=rng.integers(33, 36, shape).astype(np.uint32),
            fg=np.zeros(shape, np.int32),
            bg=np.full(shape, -1, np.int32),
            bold=np.zeros(shape, bool),
        )
        ch = np.where(rng.random(shape) < 0.05, 65, old.ch).astype(np.uint32)
        new = CellGrid(ch=ch, fg=old.fg, bg=old.bg, bold=old.bold)
        patched = old.ch.copy()
        for region in differing(old, new):
            cells = np.s_[region.y, region.x : region.right]
            patched[cells] = ch[cells]
        assert (patched == ch).all()


def test_detecting_a_terminal():
    assert detect({"TERM": "xterm-256color"}).depth == "256"
    assert detect({"TERM": "xterm-256color", "COLORTERM": "truecolor"}).depth == "true"
    assert detect({"TERM": "xterm-256color", "COLORTERM": "truecolor"}, low_bandwidth=True).depth == "256"
    assert detect({"TERM": "xterm", "NO_COLOR": ""}).depth == "none"
    assert detect({"TERM": "xterm"}).depth == "16"
    assert detect({"TERM": "xterm", "COLORFGBG": "0;15"}).shade == "light"
    assert Look(ascii=True).text("● 3–4 层 …") == "* 3-4 ? ~"
