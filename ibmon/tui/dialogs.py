"""What lies over the screen for a moment: the help, a question before the training is stopped, a word to filter by."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual.binding import Binding, BindingType
from textual.screen import ModalScreen
from textual.widgets import Input

from .keys import GROUPS, KEYS
from .rows import Row, Rows, width_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

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
    def lines(self) -> list[Line]:
        """Everything in one column."""
        return [line for block in self._blocks for line in (*block, ())][:-1]

    @property
    def widest(self) -> int:
        """Cells that a column needs."""
        return max((sum(len(text) for text, _ in line) for line in self.lines), default=0) + 2

    def scroll_by(self, lines: int) -> None:
        self._top = max(0, min(self._top + lines, len(self.lines) - self.content_size.height))
        self.update()

    def build(self, width: int, height: int) -> list[Row]:
        columns = [self._column(blocks) for blocks in self.columns(width, height)]
        if len(columns) == 1:
            rows = columns[0][self._top : self._top + height]
            if self._top + height < len(columns[0]) and rows:
                rows[-1] = [self.piece("… ↓ more", self.look.style("dim"))]
        else:
            each = width // len(columns)
            rows: list[Row] = [[] for _ in range(max(len(column) for column in columns))]
            for number, column in enumerate(columns):
                for row, piece in zip(rows, column, strict=False):
                    row.append(self.piece(" " * max(0, number * each - width_of(row)), self.look.style()))
                    row.extend(piece)
        return rows + [[] for _ in range(height - len(rows))]

    def columns(self, width: int, height: int) -> list[list[Block]]:
        """The blocks in as few columns as show all of them, or in one that scrolls."""
        for count in range(1, max(1, width // self.widest) + 1):
            columns: list[list[Block]] = [[]]
            for block in self._blocks:
                if columns[-1] and sum(len(b) + 1 for b in columns[-1]) + len(block) > height:
                    columns.append([])
                columns[-1].append(block)
            if len(columns) <= count and all(sum(len(b) + 1 for b in column) - 1 <= height for column in columns):
                return columns
        return [list(self._blocks)]

    def _column(self, blocks: Sequence[Block]) -> list[Row]:
        rows = [self._row(line) for block in blocks for line in (*block, ())]
        return rows[:-1]

    def _row(self, line: Line) -> Row:
        return [self.piece(text, self.look.style(role, bold=role == "strong")) for text, role in line]


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

    def compose(self) -> ComposeResult:
        self._page.border_title = "keys"
        self._page.border_subtitle = "esc closes"
        yield self._page

    def on_mount(self) -> None:
        self._fit()

    def on_resize(self) -> None:
        self._fit()

    def _fit(self) -> None:
        """As wide as needed for the fewest columns, as high as the highest of them."""
        width, height = self.app.size.width - 8, self.app.size.height - 4
        columns = self._page.columns(width, height)
        rows = max(sum(len(block) + 1 for block in column) - 1 for column in columns)
        self._page.styles.width = min(width, self._page.widest * len(columns)) + 4
        self._page.styles.height = max(2, min(rows, height)) + 2

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
                off = "  (not in a read-only look)" if key.writes and read_only else ""
                block.append([(f"{keymap.get(key.id, key.show):>9}  ", "accent"), (key.words + off, "text")])
        blocks.append(block)
    return blocks


class StopTraining(ModalScreen[bool]):
    """Asks before the training is stopped, and says what that means."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("y", "answer(True)", "stop the training", show=False),
        Binding("n,escape,q", "answer(False)", "let it go on", show=False),
    ]

    def __init__(self, look: Look, name: str) -> None:
        super().__init__()
        key, text = "accent", "text"
        lines: list[list[tuple[str, Role]]] = [
            [(f"Stop the training of {name}?", "strong")],
            [],
            [("It ends after its current step, takes a last snapshot,", text)],
            [("and the analysis finishes what is waiting. Nothing", text)],
            [("that was measured is lost.", text)],
            [],
            [("y", key), ("  stop the training", text)],
            [("n", key), ("  let it go on (esc)", text)],
        ]
        self._page = Page(look, [lines])

    def compose(self) -> ComposeResult:
        self._page.styles.width = 60
        self._page.styles.height = 11
        yield self._page

    def action_answer(self, answer: bool) -> None:
        self.dismiss(answer)


class Asking(ModalScreen[str | None]):
    """One line to type into."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "give_up", "never mind", show=False)]

    def __init__(self, title: str, value: str = "") -> None:
        super().__init__()
        self._input = Input(value)
        self._input.border_title = title

    def compose(self) -> ComposeResult:
        yield self._input

    def on_mount(self) -> None:
        self._input.focus()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        self.dismiss(event.value)

    def action_give_up(self) -> None:
        self.dismiss(None)
