"""What lies over the screen for a moment: the help, a question, a choice, a word to type."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, ClassVar

from rich.cells import cell_len
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Input

from .keys import GROUPS, KEYS
from .rows import Row, Rows, width_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from textual import events
    from textual.app import ComposeResult

    from .look import Look, Role

    Line = Sequence[tuple[str, Role]]
    Block = Sequence[Line]


class Page(Rows):
    """Lines of text that can be scrolled, as many columns of them as fit."""

    def __init__(self, look: Look, blocks: Sequence[Block]) -> None:
        super().__init__(look)
        self._blocks = blocks
        self._top = 0

    @property
    def widest(self) -> int:
        """Cells that a column needs."""
        return max((cell_len("".join(text for text, _ in line)) for block in self._blocks for line in block), default=0) + 2

    def show(self, blocks: Sequence[Block]) -> None:
        self._blocks = blocks
        self.update()

    def scroll_by(self, lines: int) -> None:
        width, height = self.content_size
        self._top = max(0, min(self._top + lines, tallest(self.columns(width, height)) - height))
        self.update()

    def build(self, width: int, height: int) -> list[Row]:
        columns = [self._column(blocks) for blocks in self.columns(width, height)]
        each = width // len(columns)
        rows: list[Row] = [[] for _ in range(max(len(column) for column in columns))]
        for number, column in enumerate(columns):
            for row, piece in zip(rows, column, strict=False):
                row.append(self.piece(" " * max(0, number * each - width_of(row)), self.look.style()))
                row.extend(piece)
        shown = rows[self._top : self._top + height]
        if self._top + height < len(rows) and shown:
            shown[-1] = [self.piece("… ↓ more", self.look.style("dim"))]
        return shown + [[] for _ in range(height - len(shown))]

    def columns(self, width: int, height: int) -> list[list[Block]]:
        """The blocks in as few columns as show all of them, or in as many as there is room for, which scroll together."""
        columns = [list(self._blocks)]
        for count in range(2, max(1, width // self.widest) + 1):
            if tallest(columns) <= height:
                break
            columns = split(self._blocks, count)
        return columns

    def _column(self, blocks: Sequence[Block]) -> list[Row]:
        rows = [self._row(line) for block in blocks for line in (*block, ())]
        return rows[:-1]

    def _row(self, line: Line) -> Row:
        return [self.piece(text, self.look.style(role, bold=role == "strong")) for text, role in line]


def tallest(columns: Sequence[Sequence[Block]]) -> int:
    """Lines of the highest column; one is between two blocks."""
    return max(sum(len(block) + 1 for block in column) - 1 for column in columns)


def split(blocks: Sequence[Block], count: int) -> list[list[Block]]:
    """Blocks in their order in so many columns at most, the highest of them as low as can be."""
    for height in range(max(len(block) for block in blocks), tallest([blocks]) + 1):
        columns: list[list[Block]] = [[]]
        for block in blocks:
            if columns[-1] and tallest([[*columns[-1], block]]) > height:
                columns.append([])
            columns[-1].append(block)
        if len(columns) <= count:
            return columns
    return [list(blocks)]


class Help(ModalScreen[None]):
    """Every key of the table, by group; nothing else has to be remembered."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,question_mark,q,enter", "close", "close", show=False),
        Binding("down,j,space", "scroll(1)", show=False),
        Binding("up,k", "scroll(-1)", show=False),
        Binding("pagedown", "scroll(10)", show=False),
        Binding("pageup", "scroll(-10)", show=False),
    ]

    def __init__(self, look: Look, *, read_only: bool, keymap: Mapping[str, str]) -> None:
        super().__init__()
        self._page = Page(look, _help(read_only, keymap))
        self._read_only = read_only

    def compose(self) -> ComposeResult:
        self._page.border_title = "keys"
        self._page.border_subtitle = "read only: keys marked – are off   esc closes" if self._read_only else "esc closes"
        yield self._page

    def on_mount(self) -> None:
        self._fit()

    def on_resize(self) -> None:
        self._fit()

    def _fit(self) -> None:
        """As wide as needed for the fewest columns, as high as the highest of them."""
        width, height = self.app.size.width - 4, self.app.size.height - 2
        columns = self._page.columns(width, height)
        self._page.styles.width = min(width, self._page.widest * len(columns)) + 4
        self._page.styles.height = max(2, min(tallest(columns), height)) + 2

    def action_close(self) -> None:
        self.dismiss(None)

    def action_scroll(self, lines: int) -> None:
        self._page.scroll_by(lines)


def _help(read_only: bool, keymap: Mapping[str, str]) -> list[list[list[tuple[str, Role]]]]:
    blocks: list[list[list[tuple[str, Role]]]] = []
    for group, title in GROUPS.items():
        block: list[list[tuple[str, Role]]] = [[(title, "strong")]]
        for key in KEYS:
            if key.group == group:
                off = key.writes and read_only
                block.append(
                    [(f"{'–' if off else keymap.get(key.id, key.show):>9}  ", "accent"), (key.words, "dim" if off else "text")]
                )
        blocks.append(block)
    return blocks


class Confirm(ModalScreen[bool]):
    """Asks before something that cannot be taken back, and says what it means; only ``y`` does it."""

    CSS = "Confirm { align: center middle; background: transparent; }"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("y", "answer(True)", "do it", show=False),
        Binding("n,escape,q", "answer(False)", "leave it", show=False),
    ]

    def __init__(self, look: Look, title: str, lines: Sequence[str], yes: str, no: str = "leave everything as it is") -> None:
        super().__init__()
        block: list[Line] = [
            *([(part, "strong")] for part in textwrap.wrap(title, _WIDTH)),
            [],
            *([(part, "text")] for line in lines for part in textwrap.wrap(line, _WIDTH)),
            [],
            [("y", "accent"), (f"  {yes}", "text")],
            [("n", "accent"), (f"  {no} (esc)", "text")],
        ]
        self._page = _boxed(Page(look, [block]), len(block))

    def compose(self) -> ComposeResult:
        yield self._page

    def action_answer(self, answer: bool) -> None:
        self.dismiss(answer)


class StopTraining(Confirm):
    """Asks before a training is stopped."""

    def __init__(self, look: Look, name: str) -> None:
        means = "It ends after its current step, takes a last snapshot, and the analysis finishes what is waiting."
        super().__init__(
            look,
            f"Stop the training of {name}?",
            [means, "Nothing that was measured is lost."],
            "stop the training",
            "let it go on",
        )


class Choose(ModalScreen[str | None]):
    """A short list to choose from, by letter or by arrows and enter: (letter, value, words) each; gives the value."""

    CSS = "Choose { align: center middle; background: transparent; }"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("down,tab", "move(1)", "the next", show=False),
        Binding("up,shift+tab", "move(-1)", "the one before", show=False),
        Binding("enter", "take", "this one", show=False),
        Binding("escape", "give_up", "never mind", show=False),
    ]

    def __init__(self, look: Look, title: str, options: Sequence[tuple[str, str, str]]) -> None:
        super().__init__()
        self._options, self._at = options, 0
        self._page = _boxed(Page(look, [self._lines()]), len(options))
        self._page.border_title = Content(title)
        self._page.border_subtitle = "enter takes it, esc leaves"

    def _lines(self) -> list[Line]:
        return [
            [
                ("▶ " if k == self._at else "  ", "accent"),
                (f"{letter}  ", "accent"),
                (words, "strong" if k == self._at else "text"),
            ]
            for k, (letter, _, words) in enumerate(self._options)
        ]

    def compose(self) -> ComposeResult:
        yield self._page

    def on_key(self, event: events.Key) -> None:
        for letter, value, _ in self._options:
            if event.character == letter:
                event.stop()
                self.dismiss(value)

    def action_move(self, by: int) -> None:
        self._at = (self._at + by) % len(self._options)
        self._page.show([self._lines()])

    def action_take(self) -> None:
        self.dismiss(self._options[self._at][1])

    def action_give_up(self) -> None:
        self.dismiss(None)


_WIDTH = 52


def _boxed(page: Page, lines: int) -> Page:
    """A page in a frame of one width that shows so many lines."""
    page.styles.width = _WIDTH + 4
    page.styles.height = lines + 2
    return page


class Asking(ModalScreen[str | None]):
    """One line to type into."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "give_up", "never mind", show=False)]

    def __init__(self, title: str, value: str = "") -> None:
        super().__init__()
        self._input = Input(value)
        self._input.border_title = Content(title)

    def compose(self) -> ComposeResult:
        yield self._input

    def on_mount(self) -> None:
        self._input.focus()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        self.dismiss(event.value)

    def action_give_up(self) -> None:
        self.dismiss(None)
