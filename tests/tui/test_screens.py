"""What the screen shows of a run, screen by screen and state by state."""

from ibmon.runs.directory import RunDirectory
from ibmon.tui.look import Look

BRAILLE = {chr(0x2800 + k) for k in range(1, 256)}


def dots(lines):
    return sum(character in BRAILLE for line in lines for character in line)


def test_overview_draws_the_plane_and_the_training(write, show):
    run = write().begin().measure(30).end().run

    async def body(screen):
        await screen.see("information plane", "I(X;T) [bits]", "loss", "accuracy", "saturated", "✔ finished")
        assert dots(line[:90] for line in screen.lines()) > 20
        assert "binning:width=0.07" in screen.text()
        assert "1 OVERVIEW" in screen.row("tabs")
        assert "epoch 30/100" in screen.row("scrubber")

    show(run, body)


def test_a_small_terminal_shows_one_chart_at_a_time(write, show):
    run = write().begin().measure(10).end().run

    async def body(screen):
        await screen.see("information plane", "1/3", "loss")
        await screen.press("tab")
        await screen.see("╭─ loss", "2/3")
        await screen.press("shift+tab", "right_square_bracket", "right_square_bracket")
        await screen.see("╭─ accuracy", "3/3")

    show(run, body, size=(80, 24))


def test_screens_appear_when_the_run_has_something_for_them(write, show):
    run = write().begin().measure(5).run

    async def body(screen):
        await screen.see("2 plane", "7 runs", "8 log", "9 training")
        assert "gradients" not in screen.row("tabs")
        await screen.press("2")
        await screen.see("2 PLANE", "I(T;Y) through training")
        await screen.press("3")
        await screen.told("this run has nothing for the gradients screen")
        await screen.press("9")
        await screen.see("9 TRAINING")
        await screen.press("right_curly_bracket")
        await screen.see("1 OVERVIEW")

    show(run, body)


def test_asking_for_a_screen_the_run_does_not_have_yet(write, show):
    writer = write().begin()
    writer.progress(1, 0.1)

    async def body(screen):
        await screen.see("nothing for the plane screen yet", "9 training")
        writer.measure(3)
        await screen.see("2 PLANE", "╭─ information plane")

    show(writer.run, body, screen="plane")


def test_series_of_an_unknown_analysis_get_a_screen_of_their_own(write, show):
    run = write().begin().measure(5, job="oracle/binning").run

    async def body(screen):
        await screen.see("9 oracle")
        await screen.press("9")
        await screen.see("9 ORACLE", "I(X;T)", "no installed analysis draws this")

    show(run, body)


def test_new_measurements_arrive_by_themselves(write, show):
    writer = write().begin().measure(3)

    async def body(screen):
        await screen.see("epoch 3/100", "● live", "● LIVE")
        writer.measure(4)
        await screen.see("epoch 7/100", "step 70")
        writer.capture(5)
        await screen.see("MI lag 5")
        writer.drop(90, "the spool is full")
        await screen.see("dropped 1")

    show(writer.run, body)


def test_nothing_to_show_yet(write, show):
    writer = write()

    async def body(screen):
        writer.begin()
        await screen.see("● live", "no measurement yet", "schedule: log")
        writer.capture(1)
        await screen.see("1 snapshot captured")

    show(writer.run, body)


def test_lost_finished_failed(write, show):
    for name, end, words in (
        ("a", lambda w: w.vanish(), ("✖ lost", "gone without a last word")),
        ("b", lambda w: w.end(), ("✔ finished", "■ END")),
        ("c", lambda w: w.end("stopped"), ("✔ stopped", "■ END")),
        ("d", lambda w: w.end("failed", "ValueError: bad lr"), ("✖ failed", "ValueError: bad lr", "last printed line")),
    ):
        writer = write(name).begin().measure(3)
        writer.run.console.write_text("first\nlast printed line\n")

        async def body(screen, name=name, end=end, writer=writer, words=words):
            await screen.see("● live", "information plane")
            end(writer)
            await screen.see(*words)
            if name in ("a", "d"):
                await screen.press("escape")
                await screen.gone(words[1])

        show(writer.run, body)


def test_failed_before_the_first_measurement(write, show):
    run = write().begin().end("failed", "ImportError: no module named nothing").run

    async def body(screen):
        await screen.see("failed before a measurement", "ImportError")

    show(run, body, size=(80, 24))


def test_a_run_that_cannot_be_read(tmp_path, show):
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "run.json").write_text("{")

    async def body(screen):
        await screen.see("cannot be read", "is damaged")

    show(RunDirectory(tmp_path / "broken"), body)


def test_log_screen(write, show):
    writer = write().begin().measure(2).notice("the schedule was thinned").drop(30, "the spool is full")
    writer.run.console.write_text("".join(f"line {k}\n" for k in range(100)))

    async def body(screen):
        await screen.see("8 log")
        await screen.press("8")
        await screen.see("line 99", "the schedule was thinned", "snapshot dropped: the spool is full")
        assert "line 10 " not in screen.text()
        await screen.press("home")
        await screen.see("line 0 ")

    show(writer.run, body)


def test_tiny_terminals_get_a_table(write, show):
    run = write().begin(("conv", "dense")).measure(4).end().run

    async def body(screen):
        await screen.see("information plane", "conv", "dense", "series")
        assert "╭" not in screen.text()
        await screen.app.main.run_action("help")

    show(run, body, size=(50, 15))


def test_resize_at_any_time(write, show):
    run = write().begin().measure(4).end().run

    async def body(screen):
        await screen.see("╭─ information plane", "╭─ accuracy")
        await screen.pilot.resize_terminal(40, 10)
        await screen.see("series")
        await screen.pilot.resize_terminal(80, 24)
        await screen.see("╭─ information plane", "1/3")
        await screen.pilot.resize_terminal(8, 3)
        await screen.pilot.resize_terminal(160, 45)
        await screen.see("╭─ information plane", "╭─ accuracy")

    show(run, body)


def test_runs_screen_without_a_run(write, show):
    write("first", parameters={"lr": 0.1, "epochs": 3}).begin().measure(2).end()
    write("second", parameters={"lr": 0.2, "epochs": 3}).begin().measure(3)

    async def body(screen):
        await screen.see("first", "second", "✔ finished", "● live", "lr=0.1", "lr=0.2", "test accuracy 0.8333")
        assert not any("lr=0.1" in line and "epochs=3" in line for line in screen.lines())
        await screen.press("1")
        await screen.told("open a run first")
        chosen = screen.app.main.runs.chosen
        await screen.press("down")
        assert screen.app.main.runs.chosen != chosen
        await screen.press("enter")
        await screen.see("1 OVERVIEW", "information plane")
        assert screen.app.main.run == screen.app.main.runs.chosen
        await screen.press("7", "up", "enter")
        await screen.see("information plane")

    show(None, body)


def test_no_colour(write, show):
    run = write().begin().measure(4).end().run

    async def body(screen):
        await screen.see("information plane", "✔ finished")
        colours = {
            (segment.style.color, segment.style.bgcolor)
            for strip in screen.app.screen._compositor.render_strips(screen.app.screen.size)
            for segment in strip
            if segment.style is not None
        }
        assert all(c is None or c.is_default for pair in colours for c in pair)

    show(run, body, look=Look("none"))


def test_ascii(write, show):
    run = write().begin().measure(4).end().run

    async def body(screen):
        await screen.see("information plane", "finished")
        assert screen.text().isascii()
        for key in ("i", "8", "7", "question_mark"):
            await screen.press(key)
            assert all(character.isascii() for line in screen.lines() for character in line) or key == "question_mark"

    show(run, body, look=Look("16", ascii=True))
