"""True object boxes from a CSV table."""

from __future__ import annotations

import csv
import io
import math
import posixpath
import unicodedata
from collections.abc import Callable
from typing import BinaryIO

import torch
from torch import Tensor

FILE = "boxes.csv"
COLUMNS = ("file", "top", "left", "bottom", "right")
LARGEST = 2**25  # bytes


def read_boxes(open_: Callable[[], BinaryIO], name: str = FILE) -> dict[str, Tensor]:
    """Read the true boxes of pictures from a CSV file.

    The first line names the columns ``file,top,left,bottom,right`` in any order; other columns are ignored. Each
    further line is a box in pixels of the upright picture, half-open: bottom and right are the first row and column
    outside. A picture with several objects has several lines. The separator is a comma or semicolon, the encoding
    UTF-8.

    Args:
        open_: opens the file for reading bytes.
        name: the file's name for messages.

    Returns:
        file -> (M, 4) float64.

    Raises:
        ValueError: a column is missing, or a line is not a box (with its number); or the file cannot be read as UTF-8
            CSV or is too large.
    """
    try:
        with open_() as file:
            content = file.read(LARGEST + 1)
        text = content.decode("utf-8-sig")
    except OSError as error:
        raise ValueError(f"{name} cannot be read ({error.strerror}).") from None
    except UnicodeDecodeError:
        raise ValueError(f"{name} is not in UTF-8: save it as “CSV UTF-8”.") from None
    if len(content) > LARGEST:
        raise ValueError(f"{name} has more than {LARGEST // 2**20} MB: leave out what is no box of these pictures.")
    head = text.partition("\n")[0]
    try:
        rows = list(csv.reader(io.StringIO(text, newline=""), delimiter=";" if ";" in head else ","))
    except csv.Error as error:
        raise ValueError(f"{name} is no CSV file ({error}).") from None
    titles = [title.strip().lower() for title in rows[0]] if rows else []
    if missing := [column for column in COLUMNS if column not in titles]:
        raise ValueError(f"{name} lacks {', '.join(missing)}; its first line should be {','.join(COLUMNS)}.")
    indices = [titles.index(column) for column in COLUMNS]
    boxes: dict[str, list[list[float]]] = {}
    for number, row in enumerate(rows[1:], 2):
        if any(cell.strip() for cell in row):
            file, box = _line([row[i] if i < len(row) else "" for i in indices], f"{name}, row {number}")
            boxes.setdefault(file, []).append(box)
    return {file: torch.tensor(rows, dtype=torch.float64) for file, rows in boxes.items()}


def _line(cells: list[str], where: str) -> tuple[str, list[float]]:
    if not cells[0].strip():
        raise ValueError(f"{where}: it names no file.")
    file = unicodedata.normalize("NFC", posixpath.normpath(cells[0].strip().replace("\\", "/")))
    try:
        box = [float(cell) for cell in cells[1:]]
    except ValueError:
        raise ValueError(f"{where}: top, left, bottom, right should be four numbers; got {cells[1:]}.") from None
    top, left, bottom, right = box
    if not all(map(math.isfinite, box)) or not (top < bottom and left < right):
        raise ValueError(f"{where}: a box has top above bottom and left before right; got {box}.")
    return file, box
