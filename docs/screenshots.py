"""The pictures of docs/terminal.md: the real screen of runs, drawn cell by cell.

    python docs/screenshots.py RUN -o docs/images

shows a run, and compares the groups of runs that lie beside it. Needs nothing that ibmon does not bring along.
"""

from __future__ import annotations

import argparse
import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

import matplotlib as mpl
from PIL import Image, ImageDraw, ImageFont

from ibmon.runs.directory import RunDirectory, find_run, find_runs
from ibmon.tui.app import Wishes, shell_for
from ibmon.tui.look import Look
from ibmon.tui.once import picture, ready
from ibmon.tui.runs_page import Mark

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.segment import Segment

WIDTH, HEIGHT, POINTS = 9, 18, 14
SIZES = ((160, 45), (120, 36), (80, 24))
SHOTS: dict[str, tuple[str, ...]] = {
    "overview": (),
    "plane": ("2", "F", "c"),
    "gradients": ("3",),
    "inspect": ("2", "F", "i", *["left"] * 12, "down"),
    "held": ("comma", *["less_than_sign"] * 3),
    "runs": ("7",),
    "log": ("8",),
    "help": ("question_mark",),
}
COMPARED: dict[str, tuple[str, ...]] = {"groups": (), "differences": ("9",)}
_DOTS = ((0, 0, 0x01), (0, 1, 0x02), (0, 2, 0x04), (1, 0, 0x08), (1, 1, 0x10), (1, 2, 0x20), (0, 3, 0x40), (1, 3, 0x80))


async def shoot(
    run: RunDirectory, marks: Sequence[Mark], size: tuple[int, int], keys: Sequence[str], look: Look
) -> list[list[Segment]]:
    """The lines of the screen after some keys."""
    shell = shell_for(run, Wishes(), look)
    async with shell.run_test(size=size) as pilot:
        await ready(shell, pilot)
        if marks:
            shell.main.compare_with(marks)
            await ready(shell, pilot)
        for key in keys:
            await pilot.press(key)
            await pilot.pause(0.15)
        if keys[:1] == ("9",):
            while shell.main.shown != "compare":
                await pilot.press("9")
                await pilot.pause(0.15)
        await pilot.pause(1.2)  # notifications stay: they are a part of the screen
        shell.clear_notifications()
        await pilot.pause(0.3)
        return picture(shell)


def draw(lines: Sequence[Sequence[Segment]], size: tuple[int, int], path: Path) -> None:
    """Cells as pixels; dots and blocks are drawn as such, so that no font's shapes are in the way."""
    fonts = [
        ImageFont.truetype(Path(mpl.get_data_path()) / "fonts/ttf" / f"DejaVuSansMono{b}.ttf", POINTS) for b in ("", "-Bold")
    ]
    image = Image.new("RGB", (size[0] * WIDTH, size[1] * HEIGHT))
    pen = ImageDraw.Draw(image)
    for y, line in enumerate(lines):
        x = 0
        for segment in line:
            style = segment.style
            fg, bg = (_triplet(style.color if style else None, "#c8d0d8"), _triplet(style.bgcolor if style else None, "#12161c"))
            for character in segment.text:
                left, top = x * WIDTH, y * HEIGHT
                pen.rectangle((left, top, left + WIDTH - 1, top + HEIGHT - 1), fill=bg)
                _cell(pen, character, left, top, fg, fonts[bool(style and style.bold)])
                x += 1
    image.quantize(256).save(path, optimize=True)


def _cell(pen: ImageDraw.ImageDraw, character: str, left: int, top: int, fg: str, font: ImageFont.FreeTypeFont) -> None:
    code, right, bottom, middle = ord(character), left + WIDTH - 1, top + HEIGHT - 1, top + HEIGHT // 2
    if 0x2800 <= code <= 0x28FF:
        for across, down, bit in _DOTS:
            if code & bit:
                x, y = left + 1 + across * 5, top + 2 + down * 4
                pen.rectangle((x, y, x + 1, y + 1), fill=fg)
    elif character == "█":
        pen.rectangle((left, top, right, bottom), fill=fg)
    elif character == "▀":
        pen.rectangle((left, top, right, middle - 1), fill=fg)
    elif 0x2581 <= code <= 0x2587:
        pen.rectangle((left, bottom + 1 - round(HEIGHT * (code - 0x2580) / 8), right, bottom), fill=fg)
    elif character != " ":
        pen.text((left, top), character, font=font, fill=fg)


def _triplet(colour: object, default: str) -> str:
    triplet = getattr(colour, "triplet", None)
    return triplet.hex if triplet is not None else default


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run")
    parser.add_argument("-o", "--output", type=Path, default=Path("docs/images"))
    parser.add_argument("--only", nargs="*", default=[])
    parser.add_argument("--theme", default="dark")
    given = parser.parse_args()
    run = find_run(given.run)
    groups: dict[str, list[RunDirectory]] = {}
    for other in find_runs(run.path.parent):
        if other.info().group:
            groups.setdefault(other.info().group, []).append(other)
    marks = [Mark(name, tuple(members)) for name, members in groups.items()][:4]
    given.output.mkdir(parents=True, exist_ok=True)
    for size in SIZES:
        for name, keys in {**SHOTS, **(COMPARED if len(marks) > 1 else {})}.items():
            if given.only and name not in given.only:
                continue
            lines = asyncio.run(shoot(run, marks if name in COMPARED else (), size, keys, Look(shade=given.theme)))
            path = given.output / f"terminal-{name}-{size[0]}x{size[1]}.png"
            draw(lines, size, path)
            print(path)


if __name__ == "__main__":
    main()
