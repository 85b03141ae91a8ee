"""What the screen costs: ``python benchmarks/terminal.py [--write] [--only charts|live|opening]``.

Prints Markdown: the time of a chart beside plotext, CPU and bytes of the whole application on a pseudo-terminal beside whole
repaints, and how soon long runs are on the screen. ``--write`` puts the tables into ``docs/benchmarks.md``, between their
markers. It takes about twelve minutes and 250 MB of a temporary folder; Linux only.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import terminal_charts
import terminal_cost
import terminal_opening

PAGE = Path(__file__).resolve().parents[1] / "docs" / "benchmarks.md"
PARTS = ("charts", "live", "opening")


def main() -> None:
    """Measure what was asked for, print it, and write it where that is asked for too."""
    parser = argparse.ArgumentParser(description="What the screen costs.")
    parser.add_argument("--only", choices=PARTS, action="append", help="some of the tables; repeatable")
    parser.add_argument("--write", action="store_true", help="update docs/benchmarks.md")
    options = parser.parse_args()
    for part in options.only or PARTS:
        with tempfile.TemporaryDirectory() as folder:
            texts = measured(part, Path(folder))
        for text in texts.values():
            print(text, end="\n\n", flush=True)
        if options.write:
            write(texts)


def measured(part: str, folder: Path) -> dict[str, str]:
    """The tables of a part by the names of their markers."""
    if part == "charts":
        return {"charts": table(terminal_charts.HEAD, list(terminal_charts.rows()), 1)}
    if part == "live":
        return {"live": table(terminal_cost.HEAD, list(terminal_cost.rows(folder)), 2)}
    opened, growing = terminal_opening.rows(folder)
    return {
        "opening": table(terminal_opening.HEAD, opened, 0),
        "growing": table(terminal_opening.HEAD_GROWING, growing, 2),
    }


def table(head: Sequence[str], rows: Sequence[Sequence[str]], right: int) -> str:
    """A Markdown table, whose columns from ``right`` on are numbers."""
    rule = "|".join("--:" if i >= right else ":--" for i in range(len(head)))
    first, *rest = ("| " + " | ".join(row) + " |" for row in (head, *rows))
    return "\n".join([first, f"|{rule}|", *rest])


def write(texts: Mapping[str, str]) -> None:
    """Replace what is between the markers of the page."""
    page = PAGE.read_text()
    for name, text in texts.items():
        before, opened, rest = page.partition(f"<!-- {name} -->")
        _, closed, after = rest.partition(f"<!-- /{name} -->")
        if not closed:
            raise SystemExit(f"{PAGE} has no <!-- {name} --> and <!-- /{name} --> after it")
        page = f"{before}{opened}\n{text}\n{closed}{after}"
    PAGE.write_text(page)


if __name__ == "__main__":
    main()
