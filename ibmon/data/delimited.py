"""Rows of files of columns, as they stand there."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

from ibmon.records import IbmonError


def rows(path: Path, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """The rows, with the number of the line they end on. Blank lines are left out at the end.

    Raises IbmonError for a blank line before, and for what is not text in UTF-8; OSError where the file cannot be read.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file, delimiter=delimiter, strict=True)
            blank = 0
            for row in reader:
                if not row:
                    blank = blank or reader.line_num
                elif blank:  # in a file of one column it may be a value that is missing
                    raise IbmonError(f"Line {blank} of {path.name} is blank, and rows follow; fill the gap or delete the line.")
                else:
                    yield reader.line_num, row
    except (UnicodeDecodeError, csv.Error) as error:
        said = str(error).partition("\n")[0].rstrip(".")
        raise IbmonError(f"{path.name} cannot be read as text in UTF-8 with columns: {said}.") from error
