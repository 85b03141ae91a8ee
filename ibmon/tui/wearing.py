"""Another look for everything that is on the screen."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .rows import Rows

if TYPE_CHECKING:
    from textual.app import App

    from .board import Board
    from .look import Look


def wear(app: App[None], board: Board, look: Look) -> None:
    """Draw the screen with other colours from now on."""
    theme = look.theme()
    app.register_theme(theme)
    app.theme = theme.name
    board.look = look
    for rows in board.query(Rows):
        rows.look = look
        rows.repaint()
    if board.deck is not None:
        board.deck.wear(look)
    board.draw()
