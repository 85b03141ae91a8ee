"""How far the estimators are from other people's values, and from the truth: ``python benchmarks/accuracy.py``.

Prints Markdown: the largest difference to each published value of the reference folder (``--oracle``, ``$IBMON_ORACLE``, or
``../shared/oracle`` beside the checkout), and errors on distributions whose information is known. ``--write`` puts the tables
into ``docs/estimators.md``, between their markers, and draws ``docs/images/estimator-error.png``.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import torch
from accuracy_errors import Errors, draw
from accuracy_parity import parity

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "estimators.md"


def main() -> None:
    """Print both parts, and write them where that is asked for."""
    parser = argparse.ArgumentParser(description="How far the estimators are from other people's values, and from the truth.")
    parser.add_argument("--oracle", type=Path, default=Path(os.environ.get("IBMON_ORACLE") or ROOT.parent / "shared" / "oracle"))
    parser.add_argument("--write", action="store_true", help="update docs/estimators.md and its picture")
    options = parser.parse_args()
    began = time.perf_counter()
    torch.set_num_threads(1)
    texts: dict[str, str] = {}
    if options.oracle.is_dir():
        texts["parity"] = parity(options.oracle)
        print(texts["parity"], end="\n\n", flush=True)
    else:
        print(f"no reference values in {options.oracle}", file=sys.stderr)
    errors = Errors()
    texts["errors"] = errors.markdown()
    print(texts["errors"])
    if options.write:
        write(texts)
        draw(errors)
    print(f"{time.perf_counter() - began:.0f} s", file=sys.stderr)


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
