"""The list of runs: what it says, filtering, sorting, marking, and what is done to a run from there."""

import random
import time
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

import ibmon.runs.directory
import ibmon.runs.log
from ibmon.records import Progress, Scalars
from ibmon.runs.directory import RunDirectory, write_info
from ibmon.runs.listing import differing, rename, size_of
from ibmon.tui.dialogs import Confirm, StopTraining
from ibmon.tui.look import Look
from ibmon.tui.main import MainScreen
from ibmon.tui.runs_page import FIELDS, columns, fits, ordered
from ibmon.tui.scanning import Best, Entry, Scanner

EVIL = "[@click=app.quit]x[/]"


def entry(id, **facts):
    return Entry(**{"run": RunDirectory(Path("runs") / id), "id": id, "name": id, "state": "live", **facts})


def aged(writer, seconds):
    write_info(writer.run, msgspec.structs.replace(writer.run.info(), created=time.time() - seconds))
    return writer


class Reading:
    """Counts the bytes that are read of run directories."""

    def __init__(self, monkeypatch):
        self.bytes = 0
        real = ibmon.runs.log.open_regular

        def counting(path):
            file = real(path)
            read = file.read

            class File:
                def __enter__(self):
                    return self

                def __exit__(self, *_):
                    file.close()

                def __getattr__(self, name):
                    return getattr(file, name)

                def read(inner, *limit):
                    data = read(*limit)
                    self.bytes += len(data)
                    return data

            return File()

        monkeypatch.setattr(ibmon.runs.log, "open_regular", counting)
        monkeypatch.setattr(ibmon.runs.directory, "open_regular", counting)

    def taken(self):
        read, self.bytes = self.bytes, 0
        return read


# Reading


def test_the_best_value_is_that_of_the_whole_log(write, tmp_path):
    writer = write().begin()
    writer.trainer.append(Scalars(segment=1, name="test", step=1, values={"accuracy": 0.97}))
    writer.trainer.append(Scalars(segment=1, name="training", step=1, values={"accuracy": 1.0}))
    for step in range(3000):
        writer.trainer.append(Scalars(segment=1, name="test", step=step, values={"accuracy": 0.5, "loss": 1.0}))
    (seen,) = Scanner(tmp_path).scan(60)
    assert seen.best == Best("test accuracy", 0.97, True)
    assert not seen.reading


def test_without_an_accuracy_the_least_loss_counts(write, tmp_path):
    writer = write().begin()
    for loss in (3.0, 0.25, 2.0, None):
        writer.trainer.append(Progress(segment=1, step=1, loss=loss))
    (seen,) = Scanner(tmp_path).scan(60)
    assert seen.best == Best("training loss", 0.25, False)
    writer.trainer.append(Scalars(segment=1, name="test", step=1, values={"loss": 0.9}))
    (seen,) = Scanner(tmp_path).scan(60)
    assert seen.best == Best("test loss", 0.9, False)


def test_a_second_look_reads_only_what_grew(write, tmp_path, monkeypatch):
    over = write("over").begin().measure(200).end()
    live = write("live").begin()
    for step in range(20_000):
        live.progress(step, 0.1)
    reading, scanner = Reading(monkeypatch), Scanner(tmp_path)
    scanner.scan(60)
    whole = sum(p.stat().st_size for w in (over, live) for p in w.run.logs("trainer"))
    assert reading.taken() >= whole
    scanner.scan(60)
    state = 2 * 128 * 1024  # the two ends of a log that tell the state of a run that lives
    assert reading.taken() <= state < whole / 4
    live.vanish()
    scanner.scan(60)
    reading.taken()
    live.trainer.append(Scalars(segment=1, name="test", step=1, values={"accuracy": 0.5}))
    seen = {e.id: e for e in scanner.scan(60)}
    assert seen["live"].best == Best("test accuracy", 0.5, True)
    assert reading.taken() <= state
    scanner.scan(60)
    assert reading.taken() == 0


def test_a_look_without_time_says_that_it_is_still_reading(write, tmp_path):
    write().begin().measure(5).end()
    scanner = Scanner(tmp_path)
    (seen,) = scanner.scan(0)
    assert (seen.state, seen.reading, seen.best, seen.size) == ("finished", True, None, None)
    (seen,) = scanner.scan(60)
    assert not seen.reading
    assert seen.best is not None
    assert seen.size == size_of(seen.run.path) > 1000


def test_the_size_counts_the_spool_and_follows_what_is_cleared_away(write, tmp_path):
    run = write().begin().measure(1).end().run
    scanner = Scanner(tmp_path)
    (before,) = scanner.scan(60)
    (run.path / "spool" / "1-9").mkdir(parents=True)
    (run.path / "spool" / "1-9" / "x.bin").write_bytes(bytes(5000))
    (run.path / "spool" / "link").symlink_to("/etc/hosts")
    (after,) = scanner.scan(60)
    assert after.size == before.size + 5000


def test_a_run_made_anew_under_the_same_name_is_read_anew(write, tmp_path):
    import shutil

    first = write().begin().measure(50).end()
    scanner = Scanner(tmp_path)
    assert scanner.scan(60)[0].best.value > 0.98
    shutil.rmtree(first.run.path)
    write().begin().measure(1)
    assert scanner.scan(60)[0].best.value == 0.5


def test_damaged_directories_are_listed_with_the_reason(tmp_path):
    for name, text in (("a", "{"), ("b", "")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "run.json").write_text(text)
    assert [(e.state, "damaged" in e.detail) for e in Scanner(tmp_path).scan(60)] == [("damaged", True)] * 2


def test_what_differs():
    runs = [("a", {"lr": 1, "n": 2}), ("a", {"lr": 2, "n": 2}), ("b", {"n": 3}), ("b", {"n": 3, "only": 1})]
    assert differing(runs) == {"lr", "only"}


# Filter, sort, columns


def test_all_words_of_the_filter_must_occur():
    run = entry("tishby-1", name="Baseline", recipe="tishby", group="seeds", parameters=(("lr", "0.1"),), state="failed")
    for text in ("base tish", "FAILED lr=0.1", "seeds", ""):
        assert fits(run, text.casefold().split())
    for text in ("base other", "lr=0.2", "live"):
        assert not fits(run, text.split())


def test_sorting():
    runs = [
        entry("a", created=1.0, size=10, best=Best("test accuracy", 0.5, True), parameters=(("lr", "10"),)),
        entry("b", created=3.0, size=30, best=Best("loss", 0.1, False), parameters=(("lr", "9"),), state="finished"),
        entry("c", created=2.0, size=None, best=None, parameters=(("lr", "1e-3"),), state="lost"),
    ]

    def names(field, backwards=False):
        return "".join(e.id for e in ordered(runs, field, backwards, {"lr"}))

    assert names("age") == "bca"
    assert names("age", True) == "acb"
    assert names("size") == "bac"
    assert names("size", True) == "abc"  # what is not known stays last
    assert names("best") == "abc"
    assert names("state") == "acb"
    assert names("parameters") == "cba"


@given(st.tuples(*[st.integers(0, 60)] * len(FIELDS)), st.integers(4, 300))
def test_columns_fit(sizes, width):
    needed = dict(zip(FIELDS, sizes, strict=True))
    given_ = columns(needed, width)
    assert sum(given_.values()) + 2 * len(given_) <= width
    assert all(size > 0 for size in given_.values())


def test_narrow_terminals_leave_out_what_matters_least():
    needed = dict.fromkeys(FIELDS, 30)
    assert set(columns(needed, 160)) == set(FIELDS)
    assert list(columns(needed, 76)) == ["state", "run", "age", "best", "parameters"]
    assert list(columns(needed, 56)) == ["state", "run", "age", "best"]
    assert list(columns(needed, 20)) == ["run"]


def test_filter_sort_and_the_chosen_run(write, show):
    for k, (name, lr) in enumerate((("alpha", 0.1), ("beta", 0.2), ("gamma", 0.1))):
        aged(write(name, parameters={"lr": lr}).begin().measure(1 + k).end(), 60 * k)

    async def body(screen):
        runs = screen.app.main.runs
        await screen.see("alpha", "beta", "gamma", "3 runs", "age ▲", "lr=0.2")
        await screen.press("down", "down")
        assert runs.chosen.id == "gamma"
        await screen.press("slash", *"lr=0.1", "enter")
        await screen.see("2 of 3 runs", "/ lr=0.1")
        assert "beta" not in screen.text()
        assert runs.chosen.id == "gamma"
        await screen.press("slash", *" nothing", "enter")
        await screen.see("no run has all words", "/ changes it")
        assert runs.chosen is None
        await screen.press("slash", *["backspace"] * 20, "enter")
        await screen.see("3 runs")
        await screen.press("o", "o")
        await screen.see("best value ▲")
        lines = [line for line in screen.lines() if "finished" in line]
        assert ["gamma" in lines[0], "beta" in lines[1], "alpha" in lines[2]] == [True] * 3
        await screen.press("O")
        await screen.see("best value ▼")
        assert "alpha" in next(line for line in screen.lines() if "finished" in line)

    show(None, body)


def test_scrolling_by_pages_and_to_the_ends(write, show):
    for k in range(40):
        aged(write(f"run-{k:02d}").begin(), k)

    async def body(screen):
        runs = screen.app.main.runs
        await screen.see("run-00", "40 runs", "1 of 40")
        assert "run-39" not in screen.text()
        await screen.press("end")
        await screen.see("run-39", "40 of 40")
        runs.page_by(-1)
        assert 0 < int(runs.chosen.id[-2:]) < 35
        await screen.press("home")
        await screen.see("run-00", "1 of 40")
        await screen.press("k")
        assert runs.chosen.id == "run-00"

    show(None, body, size=(80, 24))


# Marks


def test_four_can_be_marked_and_a_fifth_is_refused(write, show, tmp_path):
    for k in range(5):
        aged(write(f"run-{k}").begin(), k)
    rename(RunDirectory(tmp_path / "run-0"), EVIL)

    async def body(screen):
        runs = screen.app.main.runs
        await screen.see("5 runs")
        assert not runs.has_marks
        for _ in range(4):
            assert runs.toggle_mark() == ""
            runs.scroll_by(1)
        assert "4 are marked already" in runs.toggle_mark()
        await screen.pilot.pause()
        rows = [line for line in screen.lines() if "● live" in line][-5:]
        assert [f"{glyph} " in row[10:16] for glyph, row in zip("●○▲△", rows, strict=False)] == [True] * 4
        assert [mark.runs[0].id for mark in runs.marks] == ["run-0", "run-1", "run-2", "run-3"]
        assert runs.marks[0].name == EVIL
        runs.scroll_by(-3)
        assert runs.toggle_mark() == ""
        assert [mark.runs[0].id for mark in runs.marks] == ["run-0", "run-2", "run-3"]
        runs.unmark_all()
        assert runs.marks == []

    show(None, body)


def test_a_group_has_one_mark(write, show):
    for k in range(6):
        aged(write(f"run-{k}", group="seeds" if k < 3 else "").begin(), k)

    async def body(screen):
        runs = screen.app.main.runs
        await screen.see("6 runs")
        runs.toggle_mark()
        assert runs.toggle_group_mark() == ""
        (mark,) = runs.marks
        assert (mark.name, {run.id for run in mark.runs}) == ("seeds", {"run-0", "run-1", "run-2"})
        await screen.see("seeds (3)")
        assert sum("● run-" in line for line in screen.lines()) == 3
        assert "M takes that mark away" in runs.toggle_mark()
        runs.scroll_by(5)
        assert "belongs to no group" in runs.toggle_group_mark()
        assert runs.toggle_mark() == ""
        assert [mark.name for mark in runs.marks] == ["seeds", "run-5"]
        runs.scroll_by(-4)
        runs.toggle_group_mark()
        assert [mark.name for mark in runs.marks] == ["run-5"]

    show(None, body)


def test_what_is_deleted_elsewhere_is_no_longer_marked(write, show, tmp_path):
    import shutil

    write("keep").begin()
    gone = write("gone").begin()

    async def body(screen):
        runs = screen.app.main.runs
        await screen.see("2 runs")
        for step in (1, -1):
            runs.toggle_mark()
            runs.scroll_by(step)
        assert len(runs.marks) == 2
        shutil.rmtree(gone.run.path)
        screen.app.main.list_runs()
        await screen.see("1 run ")
        assert [mark.name for mark in runs.marks] == ["keep"]

    show(None, body)


def test_m_compares_what_is_marked(write, show, monkeypatch):
    for k in range(2):
        aged(write(f"run-{k}", group="seeds").begin().measure(2).end(), k)
    compared = []
    monkeypatch.setattr(MainScreen, "compare_with", lambda screen, marks: compared.append([m.name for m in marks]), raising=False)

    async def body(screen):
        await screen.see("2 runs")
        await screen.press("m", "down", "m", "M", "M", "M")
        assert compared == [["run-0"], ["run-0", "run-1"], ["seeds"], [], ["seeds"]]
        await screen.press("m")
        await screen.told("is marked with its group")

    show(None, body)


# What is done to a run


def test_renaming(write, show):
    run = write("demo-1").begin().end().run

    async def body(screen):
        await screen.see("demo-1")
        await screen.press("r", *"new name", "enter")
        await screen.told("demo-1 is now called new name")
        await screen.see("new name · mo-1")
        await screen.press("r")
        await screen.press(*["backspace"] * 8, *"[b]x", "escape")
        await screen.press("r", *["backspace"] * 8, "enter")
        await screen.told("is now called demo-1")
        assert run.info().name == ""

    show(None, body)


def test_a_name_that_cannot_be_written_is_told(write, show, monkeypatch):
    run = write().begin().end().run

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("ibmon.runs.listing.write_info", full)

    async def body(screen):
        await screen.see("demo-1")
        await screen.press("r", "x", "enter")
        await screen.told("cannot be renamed: No space left on device")

    show(None, body)
    assert run.info().name == ""


def test_deleting_asks_first(write, show):
    write("keep").begin().end()
    gone = aged(write("gone").begin().measure(3).end(), 60).run

    async def body(screen):
        await screen.see("2 runs")
        await screen.press("end", "d")
        assert isinstance(screen.app.screen, Confirm)
        await screen.see("Delete gone?", "finished", "kB")
        await screen.press("n")
        assert gone.path.exists()
        await screen.press("d", "y")
        await screen.told("gone was deleted")
        await screen.see("1 run ")
        assert not gone.path.exists()

    show(None, body)


def test_what_must_not_be_deleted_is_refused_in_one_sentence(write, show, tmp_path):
    live = aged(write("live").begin(), 1)
    outside = tmp_path / "elsewhere"
    aged(write("linked").begin().end(), 2).run.path.rename(outside)
    (tmp_path / "linked").symlink_to(outside)
    (tmp_path / "damaged").mkdir()
    (tmp_path / "damaged" / "run.json").write_text("{")

    async def refused(screen, name, *words):
        screen.app.main.runs.filter(name)
        assert screen.app.main.runs.chosen.id == name
        await screen.press("d", "y")
        await screen.told(*words)

    async def body(screen):
        await screen.see("4 runs")
        await refused(screen, "live", "live is still running")
        await refused(screen, "linked", "does not lie directly in")
        await refused(screen, "damaged", "is damaged")

    show(None, body)
    assert live.run.info_file.exists()
    assert (outside / "run.json").exists()
    assert (tmp_path / "damaged" / "run.json").exists()


def test_the_open_run_is_marked_and_not_deleted(write, show):
    run = write("here").begin().measure(1).end().run
    aged(write("other").begin().end(), 60)

    async def body(screen):
        await screen.see("2 runs")
        await screen.wait(lambda: any("◆" in line and "here" in line for line in screen.lines()))
        await screen.press("d")
        await screen.told("here is open")
        assert run.path.exists()

    show(run, body, screen="runs")


def test_stopping_the_chosen_run(write, show):
    live = write("live").begin()
    aged(write("over").begin().end(), 60)

    async def body(screen):
        await screen.see("2 runs")
        screen.app.main.stop_chosen()
        await screen.see("Stop the training of live?")
        assert isinstance(screen.app.screen, StopTraining)
        await screen.press("y")
        await screen.told("live stops after its current step")
        await screen.press("end")
        screen.app.main.stop_chosen()
        await screen.told("over is not running: it is finished")

    show(None, body)
    assert (live.run.control / "stop").exists()


# Looks


@pytest.mark.parametrize("size", [(60, 18), (80, 24), (160, 45)])
def test_hostile_names_collide_with_nothing(write, show, size):
    chance = random.Random(0)
    texts = [EVIL, "\x1b[31mred\r\n", "層の情報平面の比較" * 5, "x" * 200, "a\u202eb", "e\u0301" * 30]
    for k, text in enumerate(texts):
        writer = write(f"run-{k}", parameters={text: text}, group=text).begin().measure(1)
        write_info(writer.run, msgspec.structs.replace(writer.run.info(), name=text, recipe=chance.choice(texts)))

    async def body(screen):
        await screen.see("6 runs", "● live", "age", "best value", EVIL[:10])
        for _ in texts:
            for line in screen.lines():
                assert cell_len(line) == size[0]
                assert line.replace("\u0301", "").isprintable()
            assert {line.index("● live") for line in screen.lines()[4:] if "● live" in line} == {3}
            await screen.press("m", "down")

    show(None, body, size=size)


def test_a_folder_without_runs_says_how_to_start_one(show):
    async def body(screen):
        await screen.see("no run in", "ibmon watch tishby")
        await screen.press("m", "d", "o", "end")
        await screen.told("there is no run")

    show(None, body, size=(60, 18))


def test_without_colours_and_in_ascii(write, show):
    for k in range(3):
        aged(write(f"run-{k}").begin().end(), k)

    async def body(screen):
        await screen.see("3 runs")
        for _ in range(3):
            await screen.press("m", "down")
        assert screen.text().isascii()
        rows = [line for line in screen.lines()[4:] if "finished" in line]
        assert len({row[row.index("run-") - 2] for row in rows}) == 3

    show(None, body, look=Look("none", ascii=True))


def test_listing_needs_neither_numpy_nor_textual():
    import subprocess
    import sys

    code = "import ibmon.runs.listing, sys; print({'numpy', 'textual'} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "set()\n"


def test_renaming_what_cannot_be_read(tmp_path):
    with pytest.raises(ibmon.records.IbmonError, match="no run directory"):
        rename(RunDirectory(tmp_path / "nowhere"), "x")
