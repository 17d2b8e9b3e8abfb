"""Lists of pictures in CSV files: columns, rows, and whether the files are there."""

from __future__ import annotations

import csv
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple


class Row(NamedTuple):
    """A row: its line in the file, from 1, and the text of each column."""

    line: int
    values: dict[str, str]


def rows(path: Path, needed: Sequence[Sequence[str]]) -> Iterator[Row]:
    """Read a CSV file with a head of column names, comma-separated, UTF-8. Empty lines are passed over.

    Args:
        path: the file.
        needed: sets of columns, one of which the file should have; further ones are allowed.

    Raises:
        ValueError: no such file, missing columns, or a row of another length; names the line and what to do.
    """
    wanted = ", or ".join(",".join(columns) for columns in needed)
    if not path.is_file():
        raise ValueError(f"{path.parent} should hold {path.name}, a list of the pictures with the columns {wanted}.")
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            lines = csv.reader(file)
            head = [name.strip().lower() for name in next(lines, [])]
            if not any(set(columns) <= set(head) for columns in needed):
                raise ValueError(f"{path} should have the columns {wanted} in its first line; it has {','.join(head)}.")
            if len(set(head)) < len(head):
                raise ValueError(f"{path} names a column twice: {','.join(head)}.")
            for values in lines:
                if not values:
                    continue
                if len(values) != len(head):
                    raise ValueError(
                        f"{path}, line {lines.line_num}: {len(values)} values for {len(head)} columns. Put a text that "
                        'holds commas into "…".'
                    )
                yield Row(lines.line_num, dict(zip(head, map(str.strip, values), strict=True)))
    except (UnicodeDecodeError, csv.Error) as error:
        raise ValueError(f"{path} is no CSV in UTF-8 ({error}): save it as one.") from None


def number(path: Path, row: Row, name: str, low: float, high: float, unit: str) -> float:
    """Read a number of a row.

    Raises:
        ValueError: no number, or outside the range; names the line and the unit.
    """
    text = row.values[name]
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not low <= value <= high:
        raise ValueError(
            f"{path}, line {row.line}: {name} should be a number of {unit} from {low:g} to {high:g}; got {text!r}."
        )
    return value


def unique(path: Path, column: str) -> Callable[[Row], str]:
    """Make a function from a row to its value of a column, which no other row may have.

    Raises, when called:
        ValueError: it is empty, or an earlier row has it too; names both lines.
    """
    lines: dict[str, int] = {}

    def value(row: Row) -> str:
        text = row.values[column]
        if not text:
            raise ValueError(f"{path}, line {row.line}: {column} is empty.")
        if text in lines:
            raise ValueError(f"{path}, line {row.line}: {text} stands in line {lines[text]} too. Keep one of them.")
        lines[text] = row.line
        return text

    return value


def all_there(pictures: Sequence[Path], root: Path, lines: Sequence[int] = (), listed: Path | None = None) -> None:
    """Raise unless every picture's file is there.

    Args:
        lines, listed: the line of each picture in the file that lists them, for the message.

    Raises:
        ValueError: files are missing; names how many and the first.
    """
    present: dict[Path, set[str]] = {}  # listing each folder is much faster than testing each file
    for folder in {path.parent for path in pictures}:
        present[folder] = set(os.listdir(folder)) if folder.is_dir() else set()
    missing = [index for index, path in enumerate(pictures) if path.name not in present[path.parent]]
    if missing:
        first = pictures[missing[0]]
        where = f" ({listed}, line {lines[missing[0]]})" if listed else ""
        remedy = " Fetch the rest, or take their lines out of the list." if listed else ""
        raise ValueError(
            f"{root} is incomplete: {len(missing)} pictures are missing, the first is {first}{where}.{remedy}"
        )
