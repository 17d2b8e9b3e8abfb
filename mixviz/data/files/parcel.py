"""Write output files: spreadsheet-safe CSV tables, safe file names, and zips written atomically."""

from __future__ import annotations

import csv
import io
import os
import re
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any


def table(path: Path) -> io.TextIOWrapper:
    """Open a CSV file to write: UTF-8 with a byte order mark, without which spreadsheets misread Korean."""
    # File names may hold bytes that are not valid UTF-8; they are written escaped, as \udc80.
    return open(path, "w", encoding="utf-8-sig", errors="backslashreplace", newline="")


def lines(rows: Iterable[Mapping[str, Any]], columns: Sequence[str]) -> str:
    """Format rows as CSV lines."""
    text = io.StringIO()
    csv.writer(text).writerows([cell(row[column]) for column in columns] for row in rows)
    return text.getvalue()


def cell(value: Any) -> Any:
    """Escape a text that a spreadsheet would run as a formula with an apostrophe; return other values unchanged."""
    formula = isinstance(value, str) and value.lstrip().startswith(tuple("=+-@＝＋－＠"))
    return f"'{value}" if formula else value


def plain(name: str) -> str:
    """A file's stem reduced to letters, digits and ``_``, so that it cannot leave its folder."""
    return re.sub(r"\W+", "_", PurePosixPath(name).stem).strip("_")[:60]


def pack(folder: Path, path: Path) -> None:
    """Zip all files of a folder atomically: the zip is complete or does not exist."""
    partial = path.with_name(path.name + ".part")
    with zipfile.ZipFile(partial, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(folder.rglob("*")):
            if file.is_file():
                compression = zipfile.ZIP_STORED if file.suffix == ".png" else zipfile.ZIP_DEFLATED
                archive.write(file, file.relative_to(folder), compression)
    os.replace(partial, path)
