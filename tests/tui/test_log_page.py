"""The log: the whole console, however long, beside what was noticed; searching both."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

import ibmon.runs.console
from ibmon.runs.console import CAP, CHUNK, Console
from ibmon.tui.dialogs import Choose
from ibmon.tui.look import Look

EVIL = "[@click=app.quit]x[/]"


@pytest.fixture
def console(tmp_path):
    """A console that holds some bytes and was read."""

    def make(data):
        (tmp_path / "console.log").write_bytes(data)
        made = Console(tmp_path / "console.log")
        made.poll()
        return made

    return make


def every(console):
    return console.lines(0, len(console))


def found(console, word):
    return console.find(re.compile(re.escape(word), re.IGNORECASE))


# The file


def test_lines_are_safe_to_show_and_blank_ones_do_not_count(console):
    text = f"first\n\n  \n\tx\x1b[31m\n{EVIL}\n層"
    assert every(console(text.encode() + b"\n\xff")) == ["first", r"    x\x1b[31m", EVIL, "層", "\N{REPLACEMENT CHARACTER}"]


def test_a_progress_bar_shows_its_last_state(console):
    assert every(console(b"\r 10%\r 50%\r100%\nwindows\r\n 7%\r 8%\r   ")) == ["100%", "windows", " 8%"]
    hours = b"".join(b"\r%6d it" % k for k in range(20_000))
    assert every(console(b"begin\n" + hours + b"\nend\n")) == ["begin", " 19999 it", "end"]


def test_a_missing_or_strange_file_is_empty(tmp_path):
    (tmp_path / "link").symlink_to("/etc/hosts")
    for name in ("nothing", "link", "."):
        console = Console(tmp_path / name)
        console.poll()
        assert (len(console), console.lines(0, 9), found(console, "x")) == (0, [], [])


def test_what_is_appended_is_found_by_the_next_poll(tmp_path, console):
    growing = console(b"one\ntw")
    assert every(growing) == ["one", "tw"]
    assert found(growing, "TW") == [1]
    with (tmp_path / "console.log").open("ab") as file:
        file.write(b"o\nthree\n")
    growing.poll()
    assert every(growing) == ["one", "two", "three"]
    assert found(growing, "t") == [1, 2]


def test_a_console_that_was_cut_is_read_anew(tmp_path, console):
    cut = console(b"".join(b"line %d\n" % k for k in range(1000)))
    assert found(cut, "line 999") == [999]
    for text in (b"[cut]\nline 998\nline 999\n", b"[cut]\n" + b"".join(b"other %d\n" % k for k in range(2000))):
        (tmp_path / "console.log").write_bytes(text)
        cut.poll()
        assert every(cut) == text.decode().splitlines()
        assert len(found(cut, "line 999")) == text.count(b"line 999")


def test_of_a_huge_file_only_the_end_is_looked_at(console):
    huge = console(b"first\n" + b"x" * 99 * 1000 + b"\n" + b"a line of this log\n" * (CAP // 19 + 9))
    assert 0 < len(huge) <= CAP // 19
    assert set(every(huge)) == {"a line of this log"}


def test_no_more_than_a_chunk_is_read_at_a_time(console, monkeypatch):
    long = console(b"".join(b"line %d\n" % k for k in range(100_000)) + b"y" * 5 * CHUNK + b" end\n")
    sizes = []
    real = ibmon.runs.console.open_regular

    class File:
        def __init__(self, path):
            self.file = real(path)

        def __enter__(self):
            return self

        def __exit__(self, *_):
            self.file.close()

        def seek(self, at):
            self.file.seek(at)

        def read(self, size):
            sizes.append(size)
            return self.file.read(size)

    monkeypatch.setattr(ibmon.runs.console, "open_regular", File)
    assert found(long, "line 9999") == [9999, *range(99_990, 100_000)]
    assert max(sizes) <= CHUNK
    sizes.clear()
    assert long.lines(50_000, 3) == ["line 50000", "line 50001", "line 50002"]
    assert sum(sizes) < 100
    sizes.clear()
    assert len(found(long, "line 9999")) == 11
    assert not sizes


@given(st.lists(st.sampled_from([b"a", b"b c", b"\n", b"\r", b" ", b"\xe5"]), max_size=30), st.integers(0, 30))
def test_lines_do_not_depend_on_how_the_file_grew(tmp_path_factory, parts, cut):
    path = tmp_path_factory.mktemp("console") / "console.log"
    grown, whole = Console(path), Console(path)
    path.write_bytes(b"".join(parts[:cut]))
    grown.poll()
    path.write_bytes(b"".join(parts))
    grown.poll()
    whole.poll()
    assert every(grown) == every(whole)
    assert len(whole) == sum(bool(line.strip()) for line in b"".join(parts).split(b"\n"))


# The screen


def reversed_text(screen):
    """What is highlighted where there are no colours."""
    strips = screen.app.screen._compositor.render_strips(screen.app.screen.size)[2:-2]
    return [s.text for strip in strips for s in strip if s.style is not None and s.style.reverse and s.text.strip()]


def test_a_long_console_is_scrolled_and_searched(write, show):
    writer = write().begin().measure(1)
    writer.run.console.write_text("".join(f"line {k:06d}\n" for k in range(100_000)) + "last\n")

    async def body(screen):
        page = screen.app.main.log_page
        await screen.see("last", "line 099999", "of 100001, following")
        await screen.press("home")
        await screen.see("line 000000", "1 to")
        page.page_by(1)
        await screen.gone("line 000000")
        await screen.press("end")
        await screen.see("last", "following")
        await screen.press("slash", *"LINE 0123", "enter")
        await screen.see("/ LINE 0123  100/100", "line 012399")
        assert page.searching
        assert set(reversed_text(screen)) == {"line 0123"}
        await screen.press("n")
        await screen.see("1/100", "▶ line 012300")
        await screen.press("N", "N")
        await screen.see("99/100", "▶ line 012398")
        await screen.press("escape")
        await screen.gone("99/100")
        assert not page.searching
        assert not reversed_text(screen)
        await screen.press("slash", *"nowhere", "enter")
        await screen.see("/ nowhere  not found")
        await screen.press("n")

    show(writer.run, body, screen="log", look=Look("none"))


def test_new_lines_follow_unless_one_scrolled_up(write, show):
    writer = write().begin().measure(1)
    writer.run.console.write_text("".join(f"line {k}.\n" for k in range(200)))

    async def body(screen):
        def add(text):
            with writer.run.console.open("a") as file:
                file.write(text)

        await screen.see("line 199.", "following")
        add("\r 10%")
        await screen.see(" 10%")
        add("\r 99%\nnext\n")
        await screen.see(" 99%", "next")
        assert " 10%" not in screen.text()
        await screen.press("up")
        await screen.see("of 202")
        assert "following" not in screen.text()
        add("unseen\n")
        await screen.see("of 203")
        assert "unseen" not in screen.text()
        await screen.press("end")
        await screen.see("unseen", "following")

    show(writer.run, body, screen="log", size=(80, 24))


def test_notices_and_drops_are_searched_too(write, show):
    writer = write().begin().measure(1)
    for k in range(60):
        writer.drop(k, f"reason {k}.")
    writer.notice(EVIL)
    writer.run.console.write_text("reason in the console\n")

    async def body(screen):
        await screen.see("step 59: snapshot dropped: reason 59.", EVIL)
        assert "reason 3." not in screen.text()
        await screen.press("slash", *"reason 3.", "enter")
        await screen.see("/ reason 3.  1/1", "reason 3.")
        await screen.press("slash", *"reason", "enter")
        await screen.see("1/61", "▶ reason in the console")
        await screen.press("N")
        await screen.see("61/61", "reason 59.")
        await screen.press("N", "N")
        await screen.wait(lambda: any("▶" in line and "reason 57." in line for line in screen.lines()))

    show(writer.run, body, screen="log")


@pytest.mark.parametrize("size", [(60, 18), (80, 24), (160, 45)])
def test_hostile_text_collides_with_nothing(write, show, size):
    texts = [EVIL, "\x1b[2J\x07red", "層の情報平面の比較" * 30, "x" * 500 + " needle", "a\u202eb\u2028c", "e\u0301" * 200]
    writer = write().begin().measure(1)
    for text in texts:
        writer.notice(text).drop(1, text)
    writer.run.console.write_text("\n".join(texts))

    async def body(screen):
        await screen.see(EVIL, r"\x1b[2J\x07red", "notices")
        for word in (None, "needle", "層", "[", r"\x1b"):
            if word is not None:
                screen.app.main.log_page.search(word)
                await screen.see(f"/ {word}", "/")
                await screen.wait(lambda word=word: f"/ {word} …" not in screen.text())
                assert word in "\n".join(screen.lines()[3:])
            for line in screen.lines():
                assert cell_len(line) == size[0]
                assert line.replace("\u0301", "").isprintable()

    show(writer.run, body, screen="log", size=size)


def test_another_run_brings_its_own_log(write, show):
    first, second = (write(name).begin().measure(1).run for name in ("first", "second"))
    for run in (first, second):
        run.console.write_text(f"printed by {run.id}\n")

    async def body(screen):
        await screen.see("printed by first", "● live")
        screen.app.main.open_run(second)
        await screen.see("printed by second")
        await screen.gone("printed by first")

    show(first, body, screen="log")


# Dialogs


def test_choosing_by_letter_and_by_arrows(write, show):
    run = write().begin().measure(1).run
    options = [("p", "png", "a picture [b]"), ("j", "csv", "numbers"), ("q", "quiet", "nothing")]

    async def body(screen):
        given_ = []
        await screen.see("1 OVERVIEW")
        for keys, value in (("j", "csv"), ("q", "quiet"), (("down", "down", "up", "enter"), "csv"), ("escape", None), ("x", 0)):
            screen.app.push_screen(Choose(screen.app.look, EVIL, options), given_.append)
            await screen.see("a picture [b]", EVIL)
            await screen.press(*([keys] if isinstance(keys, str) else keys))
            assert given_[-1:] == [value] if value != 0 else isinstance(screen.app.screen, Choose)

    show(run, body)
