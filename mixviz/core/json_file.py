"""Read users' JSON files, with errors that name the file and what to give instead."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

LARGEST = 2**20  # bytes


def read(path: Path, remedy: str, largest: int = LARGEST) -> Any:
    """Read a JSON file.

    Args:
        remedy: what to do about a file that cannot be used, for the end of the message.
        largest: bytes that it may have.

    Raises:
        ValueError: the file is missing, too large or no JSON.
    """
    try:
        if path.stat().st_size > largest:
            raise ValueError(f"{path} has more than {largest} bytes: {remedy}.")
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ValueError(f"{path} cannot be read ({error.strerror}): {remedy}.") from None
    except (UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
        raise ValueError(f"{path} is no JSON ({error}): {remedy}.") from None
