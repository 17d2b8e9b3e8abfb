"""Files to hand on: tables that any spreadsheet opens, names that stay in their folder, and zips that are whole."""

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
    """A CSV file to write: UTF-8 with a byte order mark, without which spreadsheets do not know Korean."""
    # Names of files may hold bytes that are no text; they are told as \udc80.
    return open(path, "w", encoding="utf-8-sig", errors="backslashreplace", newline="")


def lines(rows: Iterable[Mapping[str, Any]], columns: Sequence[str]) -> str:
    """Rows as lines of a table."""
    text = io.StringIO()
    csv.writer(text).writerows([cell(row[column]) for column in columns] for row in rows)
    return text.getvalue()


def cell(value: Any) -> Any:
    """A text that would be a formula behind an apostrophe, as spreadsheets have it; all else as it is."""
    formula = isinstance(value, str) and value.lstrip().startswith(tuple("=+-@＝＋－＠"))
    return f"'{value}" if formula else value


def plain(name: str) -> str:
    """A file's name without folder and ending: letters and digits alone, so that it stays where it is put."""
    return re.sub(r"\W+", "_", PurePosixPath(name).stem).strip("_")[:60]


def pack(folder: Path, path: Path) -> None:
    """All files of a folder in a zip that is whole or not there."""
    beside = path.with_name(path.name + ".part")
    with zipfile.ZipFile(beside, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(folder.rglob("*")):
            if file.is_file():
                kind = zipfile.ZIP_STORED if file.suffix == ".png" else zipfile.ZIP_DEFLATED
                archive.write(file, file.relative_to(folder), kind)
    os.replace(beside, path)
