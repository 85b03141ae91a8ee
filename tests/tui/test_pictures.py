"""Whole screens with their colours, held against pictures in text; ``IBMON_PICTURES=new pytest …`` draws them anew."""

import os
from itertools import groupby
from pathlib import Path

import pytest

from ibmon.records import Notice
from ibmon.tui.look import Look
from ibmon.tui.once import picture

PICTURES = Path(__file__).parent / "pictures"


def described(lines):
    """The text of a screen, then for each row how many cells have which style, then the styles by letter."""
    styles: dict[str, str] = {}
    rows = []
    for line in lines:
        names = []
        for segment in line:
            style = segment.style
            colours = [c.triplet.hex if c is not None and c.triplet else "default" for c in (style.color, style.bgcolor)]
            said = " on ".join(colours) + (" bold" if style.bold else "") + (" reverse" if style.reverse else "")
            # The colour of a blank cannot be seen.
            names += [f"on {colours[1]}" if character == " " and not style.reverse else said for character in segment.text]
        letters = [styles.setdefault(name, chr(97 + len(styles)) if len(styles) < 26 else f"({len(styles)})") for name in names]
        rows.append(" ".join(f"{len(list(same))}{letter}" for letter, same in groupby(letters)))
    text = ["".join(segment.text for segment in line).rstrip() for line in lines]
    return "\n".join([*text, "", *rows, "", *(f"{letter} = {name}" for name, letter in styles.items())]) + "\n"


@pytest.fixture
def frozen(monkeypatch):
    """Nothing of the time at which the test runs."""
    import ibmon.runs.listing

    monkeypatch.setattr(ibmon.runs.listing, "age", lambda created: "3 h")
    monkeypatch.setattr(ibmon.runs.listing, "size_words", lambda size: "755 kB")
    monkeypatch.setattr("ibmon.tui.log_page._clock", lambda at: "04:31:07 ")


@pytest.fixture
def run(write):
    writer = write("demo-1", parameters={"lr": 0.1, "epochs": 100}, seed=0, group="tanh").begin()
    writer.measure(12)
    writer.trainer.append(Notice(text="Snapshots are thinned to one in 2 of the schedule.", level="info", time=1.0))
    writer.measure(10).drop(223, "the spool is full").measure(8).end()
    writer.run.console.write_text("epoch 10\nepoch 20\nepoch 30: test accuracy 0.98\n")
    return writer.run


CASES = {
    "overview-160x45": ((160, 45), (), {}),
    "overview-120x36": ((120, 36), (), {}),
    "overview-80x24": ((80, 24), (), {}),
    "plane-by-epoch-80x24": ((80, 24), ("2", "F", "c"), {}),
    "inspect-120x36": ((120, 36), ("2", "F", "i", "left", "left", "down"), {}),
    "held-120x36": ((120, 36), ("less_than_sign",), {}),
    "log-120x36": ((120, 36), ("8",), {}),
    "help-160x45": ((160, 45), ("question_mark",), {}),
    "help-80x24": ((80, 24), ("question_mark",), {}),
    "table-59x17": ((59, 17), (), {}),
    "light-256-100x30": ((100, 30), (), {"look": Look("256", "light")}),
    "contrast-100x30": ((100, 30), (), {"look": Look(shade="contrast")}),
    "ascii-80x24": ((80, 24), (), {"look": Look("none", ascii=True)}),
}


def compare(name, lines):
    path, drawn = PICTURES / f"{name}.txt", described(lines)
    if os.environ.get("IBMON_PICTURES") == "new":
        PICTURES.mkdir(exist_ok=True)
        path.write_text(drawn, encoding="utf-8")
    assert drawn == path.read_text(encoding="utf-8")


@pytest.mark.parametrize("name", CASES)
def test_a_screen(name, run, show, frozen):
    size, keys, how = CASES[name]

    async def body(screen):
        await screen.wait(lambda: screen.app.main.complete)
        await screen.press(*keys)
        screen.app.clear_notifications()
        await screen.pilot.pause(0.4)
        compare(name, picture(screen.app))

    show(run, body, size=size, **how)


def test_the_runs_and_a_comparison(run, write, show, frozen):
    other = write("demo-2", parameters={"lr": 0.2, "epochs": 100}, seed=0).begin().measure(20).end().run

    async def body(screen):
        await screen.wait(lambda: screen.app.main.complete)
        await screen.see("shows ● demo-1  ○ demo-2")
        await screen.pilot.pause(0.4)
        compare("compare-160x45", picture(screen.app))
        while screen.app.main.shown != "compare":
            await screen.press("9")
        await screen.pilot.pause(0.4)
        compare("differences-160x45", picture(screen.app))
        await screen.press("7")
        await screen.see("demo-1", "demo-2", "test accuracy")
        await screen.pilot.pause(0.4)
        screen.app.main.runs._root = "~/runs"
        screen.app.main.runs.update()
        await screen.pilot.pause(0.1)
        compare("runs-160x45", picture(screen.app))

    show(run, body, compared=(other,))
