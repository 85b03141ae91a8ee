"""The Textual application around the one screen."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual.app import App, SystemCommand

from .diagnostics import MeteredDriver
from .keys import KEYS, offered
from .look import Look
from .main import MainScreen

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from textual.screen import Screen

    from ibmon.runs.directory import RunDirectory


class Shell(App[None]):
    """Colours for the terminal's depth, the commands of the palette, and the screen."""

    TITLE = "ibmon"
    CSS_PATH = "app.tcss"
    ENABLE_COMMAND_PALETTE = True
    COMMAND_PALETTE_BINDING: ClassVar[str] = "ctrl+p"
    INLINE_PADDING = 0

    def __init__(
        self,
        run: RunDirectory | None,
        look: Look | None = None,
        *,
        root: Path,
        read_only: bool = False,
        low_bandwidth: bool = False,
        screen: str | None = None,
        keymap: Mapping[str, str] | None = None,
        compared: Sequence[RunDirectory] = (),
    ) -> None:
        self.look = look or Look()
        super().__init__(ansi_color=self.look.depth == "none", driver_class=MeteredDriver)
        theme = self.look.theme()
        self.register_theme(theme)
        self.theme = theme.name
        self.animation_level = "none"
        if keymap:
            self.set_keymap(keymap)
        self.main = MainScreen(
            run,
            self.look,
            root=root,
            read_only=read_only,
            low_bandwidth=low_bandwidth,
            screen=screen,
            keymap=keymap,
            compared=compared,
        )

    def get_default_screen(self) -> Screen[None]:
        return self.main

    def get_system_commands(self, screen: Screen[object]) -> Iterable[SystemCommand]:
        """The table again, for those who look for a word."""
        main = self.main
        there = {key.id for key in offered(main.shown, read_only=main.read_only, states=main.states)}
        for key in KEYS:
            if key.id in there and key.id != "commands":
                yield SystemCommand(
                    f"{key.words}", f"key {key.show}", lambda action=key.action: self.call_later(self._do, action)
                )

    async def _do(self, action: str) -> None:
        await self.main.run_action(action)
