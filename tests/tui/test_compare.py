"""Runs laid over each other, from the list of runs."""

import pytest

from ibmon.figures.view import runs_of
from ibmon.runs.directory import RunDirectory
from ibmon.tui.runs_page import Mark


def runs(write, *names, **more):
    return [write(name, **more).begin().measure(5 + 5 * i).end().run for i, name in enumerate(names)]


async def choose(screen, name):
    """Put the cursor of the list of runs on one."""
    while screen.app.main.runs.chosen.path.name != name:
        await screen.press("up")


def test_two_marked_runs_are_laid_over_each_other(write, show):
    first, _ = runs(write, "first", "second")

    async def body(screen):
        await screen.see("information plane", "✔ finished")
        await screen.press("7")
        await screen.see("second", "first")
        while screen.app.main.runs.chosen.path.name != "second":
            await screen.press("up")
        await screen.press("m", "1")
        await screen.see("shows ● second  ○ first", "information plane")
        await screen.wait(lambda: runs_of(screen.panel.figure) == ["second", "first"])
        await screen.see("9 compare")
        await screen.press("9")
        while screen.app.main.shown != "compare":
            await screen.press("9")
        await screen.see("COMPARE", "first", "second")
        await screen.press("7", "m", "1")
        await screen.gone("shows ●")
        await screen.wait(lambda: runs_of(screen.panel.figure) == [])

    show(first, body)


def test_the_first_mark_is_opened_where_none_of_them_is(write, show):
    runs(write, "first", "second", "third")

    async def body(screen):
        await screen.see("third", "second", "first")
        await screen.press("m", "down", "m", "1")
        await screen.see("information plane", "shows ●")
        assert {screen.app.main.run.path.name} < {"first", "second", "third"}
        assert len(screen.app.main.contenders) == 2

    show(None, body)


def test_a_group_counts_as_one(write, show):
    runs(write, "seed-1", "seed-2", "seed-3", group="tanh")

    async def body(screen):
        await screen.see("seed-3", "seed-1")
        await screen.press("M", "1")
        await screen.see("information plane", "median of 3 runs")
        assert screen.panel.figure.trajectories[0].members_x.shape == (5, 3)

    show(None, body)


def test_inspecting_and_exporting_a_comparison(write, show):
    first, second = runs(write, "first", "second")

    async def body(screen):
        await screen.see("information plane", "shows ● first")
        await screen.press("i")
        await screen.see("first   1", "epoch 5")
        await screen.press("e")
        await screen.see("save information plane")
        await screen.press("p")
        await screen.told("saved", "-compared.png")

    show(first, body, compared=(second,))
    assert list(first.figures.glob("*-compared.png"))


def test_holding_a_comparison_cuts_every_run_at_the_step(write, show):
    first, second = runs(write, "first", "second")

    async def body(screen):
        await screen.see("information plane", "shows ● first", "9 compare")
        await screen.press("home")
        await screen.see("epoch 1 of 5")
        while screen.app.main.shown != "compare":
            await screen.press("9")
        await screen.wait(lambda: screen.app.main.timeline.newest.past_step == 10)
        table = screen.panel.figure
        rows = [row for row in table.rows if "I(X;T)" in " ".join(row)]
        assert rows
        assert [row[2:5] for row in rows] == [("10.98", "10.98", "+0"), ("8.98", "8.98", "+0"), ("6.98", "6.98", "+0")]

    show(first, body, compared=(second,))


def test_a_run_that_cannot_be_read_is_left_out(write, show):
    first, second = runs(write, "first", "second")

    async def body(screen):
        await screen.see("information plane", "shows ● first  ○ second")
        second.info_file.write_text("{")
        third = write("third").begin().measure(5).end().run
        third.info_file.write_text("{")
        screen.app.main.compare_with([Mark("first", (first,)), Mark("third", (third,))])
        await screen.told("third cannot be compared", "damaged")
        await screen.wait(lambda: runs_of(screen.panel.figure) == [])
        await screen.see("information plane")

    show(first, body, compared=(second,))


def test_what_is_compared_from_the_start_is_marked_in_the_list(write, show):
    first, second = runs(write, "first", "second")
    write("third").begin().measure(7).end()

    async def body(screen):
        await screen.see("information plane", "shows ● first  ○ second")
        await screen.press("7")
        await screen.see("● first", "○ second", "third")
        await choose(screen, "third")
        await screen.press("m", "1")
        await screen.see("shows ● first  ○ second  ▲ third")

    show(first, body, compared=(second,))


@pytest.mark.parametrize("elsewhere", [False, True])
def test_esc_ends_what_is_compared_from_the_start(write, show, tmp_path, elsewhere):
    first, second = runs(write, "first", "second")
    if elsewhere:  # then the list does not have it
        (tmp_path / "elsewhere").mkdir()
        second = RunDirectory(second.path.rename(tmp_path / "elsewhere" / "second"))

    async def body(screen):
        await screen.see("information plane", "shows ● first  ○ second")
        await screen.press("7")
        await screen.see("RUNS", "1 run" if elsewhere else "2 runs")
        assert screen.app.main.runs.has_marks != elsewhere
        await screen.press("escape", "1")
        await screen.gone("shows ●")
        await screen.wait(lambda: runs_of(screen.panel.figure) == [])
        assert not screen.app.main.runs.has_marks

    show(first, body, compared=(second,))


def test_opening_another_run_ends_the_comparison(write, show):
    first, second = runs(write, "first", "second")
    write("third").begin().measure(7).end()

    async def body(screen):
        await screen.see("information plane", "shows ● first  ○ second")
        await screen.press("7")
        await screen.see("third")
        await choose(screen, "third")
        await screen.press("enter")
        await screen.see("1 OVERVIEW", "third", "epoch 7/100", "information plane")
        assert "shows" not in screen.row("status")
        assert runs_of(screen.panel.figure) == []

    show(first, body, compared=(second,))
