"""A zip of the visitor's own: unpacked in small parts, picture by picture, to where uploads lie."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import Any

from gradio.processing_utils import save_bytes_to_cache
from gradio.utils import get_upload_folder

from mixviz.data.batch_loading import MOST, some
from mixviz.data.files.gathering import Gathered, Picture, gather
from mixviz.data.files.zips import Limits
from mixviz.data.pictures import load_once
from mixviz.i18n import Mistake
from mixviz.ui.request import LARGEST
from mixviz.ui.state import language_of

LIMITS = Limits(files=2000, each=LARGEST, all=500_000_000)
PART = 20  # pictures that are looked at in one turn
THUMBNAIL = 64  # pixels: a picture that can be opened so small can be opened


def unpacked(state: Any, checked_path: Callable[[Any], str]) -> dict[str, Any]:
    """A part of the pictures of a ``zip``, from ``start`` on: their names, and where they now lie or why not.

    They go where uploads go, named by their content, and leave with these. ``total``: how many will be looked at.

    Raises:
        ValueError: it cannot be used, with why.
    """
    path, start = Path(checked_path(state.get("zip") if isinstance(state, dict) else None)), state.get("start")
    if not isinstance(start, int) or not 0 <= start < MOST:
        raise ValueError("The page did not say from where on.")
    try:
        with gather(path, limits=LIMITS) as gathered:
            return _part(gathered, start, language_of(state))
    except ValueError as error:
        raise ValueError(str(error).replace(str(path), path.name)) from None  # where it lies is nobody's business


def _part(gathered: Gathered, start: int, language: str) -> dict[str, Any]:
    known = some(gathered.pictures, MOST)
    told = [_member(one, language) for one in known[start : start + PART]]
    return {
        "names": [one.name for one in known[start : start + PART]],
        "paths": [where for where, _ in told],
        "reasons": [reason for _, reason in told],
        "total": len(known),
        "known": len(gathered.pictures),
        "others": len(gathered.others),
    }


def _member(one: Picture, language: str) -> tuple[str | None, str | None]:
    try:
        with one.open() as file:
            data = file.read()
        load_once(io.BytesIO(data), THUMBNAIL, PurePosixPath(one.name).name)
    except Mistake as mistake:
        return None, mistake.told(language)
    except (ValueError, OSError) as error:
        return None, f"{one.name}: {error}"
    name = f"picture{PurePosixPath(one.name).suffix.lower()}"  # its own name is only ever told
    return save_bytes_to_cache(data, name, get_upload_folder()), None
