"""What the terminal can show, and the colours of everything around the charts. No numpy: this is needed for the first paint."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Literal

from rich.color import Color
from rich.style import Style
from textual.theme import Theme

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ibmon.plot import Palette
    from ibmon.plot.palette import Colours

Depth = Literal["true", "256", "16", "none"]
Shade = Literal["dark", "light", "contrast"]
SHADES: tuple[Shade, ...] = ("dark", "light", "contrast")
Role = Literal["ground", "bar", "raised", "border", "dim", "text", "strong", "good", "warn", "bad", "accent"]

# fmt: off
_COLOURS: dict[tuple[str, Shade], dict[Role, int]] = {
    ("true", "dark"): {
        "ground": 0x12161C, "bar": 0x1B222B, "raised": 0x2B3643, "border": 0x3B4653, "dim": 0x7B8794, "text": 0xA9B4C0,
        "strong": 0xF2F5F8, "good": 0x5FD787, "warn": 0xE6A53A, "bad": 0xFF6B61, "accent": 0x56B4E9,
    },
    ("256", "dark"): {
        "ground": 0x121212, "bar": 0x1C1C1C, "raised": 0x303030, "border": 0x444444, "dim": 0x808080, "text": 0xAFAFAF,
        "strong": 0xFFFFFF, "good": 0x5FD787, "warn": 0xD7AF5F, "bad": 0xFF5F5F, "accent": 0x5FAFFF,
    },
    ("16", "dark"): {
        "ground": 0x000000, "bar": 0x000000, "raised": 0x0000AA, "border": 0x555555, "dim": 0xAAAAAA, "text": 0xAAAAAA,
        "strong": 0xFFFFFF, "good": 0x55FF55, "warn": 0xFFFF55, "bad": 0xFF5555, "accent": 0x55FFFF,
    },
    ("true", "light"): {
        "ground": 0xFFFFFF, "bar": 0xEEF1F4, "raised": 0xD5DDE5, "border": 0xB4BEC8, "dim": 0x6B7680, "text": 0x3F4A54,
        "strong": 0x0B0F14, "good": 0x0B7A3B, "warn": 0x9A5B00, "bad": 0xC0271C, "accent": 0x0072B2,
    },
    ("256", "light"): {
        "ground": 0xFFFFFF, "bar": 0xEEEEEE, "raised": 0xD7D7FF, "border": 0xAFAFD7, "dim": 0x6C6C6C, "text": 0x444444,
        "strong": 0x000000, "good": 0x00875F, "warn": 0xAF5F00, "bad": 0xD70000, "accent": 0x005FAF,
    },
    ("true", "contrast"): {
        "ground": 0x000000, "bar": 0x000000, "raised": 0x0033AA, "border": 0xB0B0B0, "dim": 0xD0D0D0, "text": 0xFFFFFF,
        "strong": 0xFFFFFF, "good": 0x5CFF8F, "warn": 0xFFD700, "bad": 0xFF8A80, "accent": 0x7FDBFF,
    },
    ("256", "contrast"): {
        "ground": 0x000000, "bar": 0x000000, "raised": 0x0000AF, "border": 0xB2B2B2, "dim": 0xD0D0D0, "text": 0xFFFFFF,
        "strong": 0xFFFFFF, "good": 0x5FFF87, "warn": 0xFFD700, "bad": 0xFF8787, "accent": 0x87D7FF,
    },
    ("16", "contrast"): {
        "ground": 0x000000, "bar": 0x000000, "raised": 0x0000AA, "border": 0xAAAAAA, "dim": 0xFFFFFF, "text": 0xFFFFFF,
        "strong": 0xFFFFFF, "good": 0x55FF55, "warn": 0xFFFF55, "bad": 0xFF5555, "accent": 0x55FFFF,
    },
    ("16", "light"): {
        "ground": 0xFFFFFF, "bar": 0xFFFFFF, "raised": 0xAAAAAA, "border": 0xAAAAAA, "dim": 0x555555, "text": 0x555555,
        "strong": 0x000000, "good": 0x00AA00, "warn": 0xAA5500, "bad": 0xAA0000, "accent": 0x0000AA,
    },
}
# fmt: on
_PLAIN_VARIABLES = (
    *("ansi-background", "ansi-foreground", "border", "border-blurred", "scrollbar", "scrollbar-background"),
    *("block-cursor-background", "block-cursor-foreground", "input-cursor-background", "input-cursor-foreground"),
    *("input-selection-background", "input-selection-foreground"),
)
_ASCII = str.maketrans("●◐‖✖✔■━─╌◆▪·…▶×–—→←↑↓│╭╮╰╯○▲△▼⇧", "*o=xv#=--^+.~>x--><^v|+++++^vv^")


@lru_cache(512)
def rich_style(fg: int, bg: int, bold: bool, reverse: bool = False) -> Style:
    """The style of cells with these packed colours; -1 is the terminal's own."""
    return Style(
        color=None if fg < 0 else Color.from_rgb(fg >> 16, fg >> 8 & 255, fg & 255),
        bgcolor=None if bg < 0 else Color.from_rgb(bg >> 16, bg >> 8 & 255, bg & 255),
        bold=bold or None,
        reverse=reverse or None,
    )


@dataclass(frozen=True, slots=True)
class Look:
    """Colours and characters that are safe to use."""

    depth: Depth = "true"
    shade: Shade = "dark"
    ascii: bool = False
    colours: Colours = "default"

    def colour(self, role: Role) -> int:
        return -1 if self.depth == "none" else _COLOURS[self.depth, self.shade][role]

    def style(self, role: Role = "text", *, on: Role = "ground", bold: bool = False) -> Style:
        """The style of text; without colours, what is strong or alarming is bold and what is raised is reversed."""
        if self.depth == "none":
            return rich_style(-1, -1, bold or role in ("strong", "warn", "bad"), on == "raised")
        return rich_style(self.colour(role), self.colour(on), bold)

    def text(self, text: str) -> str:
        """Text in characters that the terminal has."""
        if not self.ascii:
            return text
        return "".join(c if " " <= c <= "~" else "?" for c in text.translate(_ASCII))

    def palette(self) -> Palette:
        """What charts are drawn with."""
        from ibmon.plot import Palette

        return Palette(depth=self.depth, theme=self.shade, ascii=self.ascii, colours=self.colours)

    def theme(self) -> Theme:
        """The same colours for what Textual itself draws."""
        name = f"ibmon-{self.depth}-{self.shade}"
        if self.depth == "none":
            p = "ansi_default"
            more = dict.fromkeys(_PLAIN_VARIABLES, p)
            return Theme(name, p, p, p, p, p, p, p, p, p, p, p, variables=more, ansi=True)

        def code(role: Role) -> str:
            return f"#{self.colour(role):06x}"

        return Theme(
            name,
            primary=code("accent"),
            secondary=code("dim"),
            warning=code("warn"),
            error=code("bad"),
            success=code("good"),
            accent=code("accent"),
            foreground=code("strong"),
            background=code("ground"),
            surface=code("bar"),
            panel=code("raised"),
            dark=self.shade != "light",
            text_alpha=1.0,
        )


def detect(
    environment: Mapping[str, str] | None = None,
    *,
    ascii: bool = False,
    low_bandwidth: bool = False,
    shade: Shade | None = None,
    colours: Colours = "default",
) -> Look:
    """The look that fits a terminal, from its environment, unless a ``shade`` is asked for.

    A slow line gets no true colour: it costs half as much again.
    """
    environment = os.environ if environment is None else environment
    term = environment.get("TERM", "")
    depth: Depth = "16"
    if "NO_COLOR" in environment or term in ("dumb", "vt100", "vt220"):
        depth = "none"
    elif environment.get("COLORTERM", "").strip().lower() in ("truecolor", "24bit"):
        depth = "256" if low_bandwidth else "true"
    elif "256" in term or term.endswith("kitty"):
        depth = "256"
    light = environment.get("COLORFGBG", "").rpartition(";")[2] in ("7", "15")
    return Look(depth, shade or ("light" if light else "dark"), ascii, colours)
