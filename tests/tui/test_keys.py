"""What the keys do, and that one table says it all."""

from pathlib import Path

import ibmon.tui.keys as table
from ibmon.tui.dialogs import Help, StopTraining
from ibmon.tui.keys import KEYS, SCREENS
from ibmon.tui.main import MainScreen


def test_one_table():
    assert len({k.id for k in KEYS}) == len(KEYS)
    for screen in (*SCREENS, "other"):
        there = [key for k in KEYS if k.offered(screen, read_only=False, states={"networks"}) for key in k.keys.split(",")]
        assert len(set(there)) == len(there), screen
    for k in KEYS:
        name = k.action.partition("(")[0]
        assert name == "app.command_palette" or hasattr(MainScreen, f"action_{name}")
    assert {b.id for b in table.bindings()} == {k.id for k in KEYS}


def test_hold_step_and_live_change_what_is_drawn(write, show):
    writer = write().begin().measure(20)

    async def body(screen):
        await screen.see("epoch 20/100", "information plane")
        newest = screen.panel.grid.ch.copy()
        await screen.press("space")
        await screen.see("epoch 20 of 20", "‖ HELD")
        await screen.press("less_than_sign")
        await screen.see("epoch 10 of 20")
        assert (screen.panel.grid.ch != newest).any()
        await screen.press("comma", "comma", "full_stop")
        await screen.see("epoch 9 of 20")
        await screen.press("home")
        await screen.see("epoch 1 of 20")
        held = screen.panel.grid.ch.copy()
        writer.measure(5)
        await screen.see("step 250")
        assert (screen.panel.grid.ch == held).all()
        await screen.press("end", "full_stop")
        await screen.see("epoch 25 of 25")
        await screen.press("L")
        await screen.see("epoch 25/100", "● LIVE")

    show(writer.run, body)


def test_views_of_a_chart(write, show):
    run = write().begin().measure(20).end().run

    async def body(screen):
        await screen.see("information plane")
        for key, words in (("c", "colour: epoch"), ("x", "log x"), ("y", "log y"), ("plus", "zoomed")):
            await screen.press(key)
            await screen.see(words)
        limits = screen.panel.view.x_limits
        await screen.press("right")
        assert screen.panel.view.x_limits != limits
        await screen.press("0")
        await screen.gone("zoomed")
        await screen.press("tab", "s")
        await screen.see("mean of 5")
        await screen.press("F")
        await screen.gone("information plane")
        await screen.press("escape")
        await screen.see("information plane")

    show(run, body)


def test_filter_layers(write, show):
    run = write().begin(("conv", "dense", "out")).measure(9).end().run

    async def body(screen):
        await screen.see("information plane")
        await screen.press("slash")
        await screen.press(*"den", "enter")
        await screen.see("only den")
        assert screen.panel.whole_view.only == ("den",)
        await screen.press("escape")
        await screen.gone("only den")

    show(run, body)


def test_inspect_says_estimator_bounds_and_flags(write, show):
    run = write().begin(("conv", "dense", "out")).measure(9).end().run

    async def body(screen):
        await screen.see("information plane")
        await screen.press("i")
        await screen.see("conv", "epoch 9", "step 90", "point 9 of 9", "bounds 10.32 to 11.32", "no bounds")
        await screen.see("estimator binning:width=0.07", "flags saturated", "± 0.012  null 0.031  at most 0.9991")
        await screen.press("left", "down")
        await screen.see("dense   epoch 8", "no flags")
        await screen.press("h", "k", "k")
        await screen.see("out   epoch 7", "raw 0.7774")
        await screen.press("tab")
        await screen.see("training   epoch 9", "not an estimate")
        await screen.press("i")
        await screen.gone("not an estimate")

    show(run, body)


def test_help_lists_every_binding(write, show):
    run = write().begin().measure(2).end().run

    async def body(screen):
        await screen.see("information plane")
        await screen.press("question_mark")
        assert isinstance(screen.app.screen, Help)
        await screen.see("this help")
        for key in KEYS:
            assert f"{key.show}  {key.words}" in screen.text(), key.id
        await screen.press("escape")
        assert isinstance(screen.app.screen, MainScreen)

    show(run, body, size=(160, 50))


def test_help_scrolls_where_it_does_not_fit(write, show):
    run = write().begin().measure(2).end().run

    async def body(screen):
        await screen.see("information plane")
        await screen.press("question_mark")
        await screen.see("↓ more")
        await screen.press("down", *["pagedown"] * 6)
        await screen.see("leave; the training goes on")

    show(run, body, size=(80, 24))


def test_q_leaves_at_once_and_asks_nothing_of_the_training(write, show):
    run = write().begin().measure(2).run

    async def body(screen):
        await screen.see("information plane")
        await screen.press("q")
        assert screen.app._exit

    show(run, body)
    assert not list(run.control.iterdir())


def test_stopping_asks_first(write, show):
    writer = write().begin().measure(2)

    async def body(screen):
        await screen.see("information plane")
        await screen.press("X")
        assert isinstance(screen.app.screen, StopTraining)
        await screen.see("Stop the training of demo-1?", "Nothing that was measured is lost")
        await screen.press("n")
        await screen.gone("Stop the training")
        assert not (writer.run.control / "stop").exists()
        await screen.press("X", "y")
        await screen.wait((writer.run.control / "stop").exists)
        await screen.told("stops after its current step")
        writer.end("stopped")
        await screen.see("✔ stopped")
        await screen.press("X")
        await screen.told("there is no training")

    show(writer.run, body)


def test_snapshot_and_export(write, show):
    writer = write().begin().measure(5)

    async def body(screen):
        await screen.see("information plane")
        await screen.press("S")
        await screen.wait((writer.run.control / "snapshot").exists)
        await screen.press("e")
        await screen.see("save information plane as", "PDF")
        await screen.press("escape")
        await screen.gone("save information plane")
        for key, kind in (("p", ".png"), ("c", ".csv")):
            await screen.press("e")
            await screen.see("save information plane as")
            await screen.press(key)
            await screen.told("saved", kind)
        await screen.press("comma", "e", "s")
        await screen.told("saved", "-step-40.svg")

    show(writer.run, body)
    (picture,) = Path(writer.run.figures).glob("*.png")
    assert picture.read_bytes().startswith(b"\x89PNG")
    (numbers,) = Path(writer.run.figures).glob("*.csv")
    assert len(numbers.read_text().splitlines()) == 1 + 3 * 5
    (drawing,) = Path(writer.run.figures).glob("*-step-40.svg")
    assert "<svg" in drawing.read_text()


def test_read_only_writes_nothing(write, show):
    writer = write().begin().measure(5)

    async def body(screen):
        await screen.see("information plane", "read only")
        await screen.press("S", "X", "e")
        assert isinstance(screen.app.screen, MainScreen)
        assert "export" not in screen.row("keys")
        await screen.press("question_mark")
        await screen.see("read only: keys marked – are off", "–  take a snapshot now")

    show(writer.run, body, read_only=True)
    assert not list(writer.run.control.iterdir())
    assert not list(writer.run.figures.iterdir())


def test_keys_can_be_remapped(write, show):
    run = write().begin().measure(5).run

    async def body(screen):
        await screen.see("information plane")
        await screen.press("c")
        assert screen.panel.view.colour is None
        await screen.press("z")
        await screen.see("colour: epoch")
        assert "z colour" in screen.row("keys")

    show(run, body, keymap={"colour": "z"})
