"""Pictures of the visitor's own: thumbnails of a folder's, and a zip unpacked to where uploads lie, both in parts."""

from __future__ import annotations

import functools
import io
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import Any

from torch import Tensor

from mixviz.data.batch_loading import MOST, some
from mixviz.data.files.gathering import Gathered, Picture, gather
from mixviz.data.files.zips import Limits
from mixviz.data.pictures import load_once
from mixviz.i18n import UserError
from mixviz.ui.fields import malformed
from mixviz.ui.gradio_compat import save_upload
from mixviz.ui.services.tiling import THUMBNAIL, picture, thumbnails
from mixviz.ui.state import LARGEST, language_of

LIMITS = Limits(files=2000, each=LARGEST, all=500_000_000)
PART = 20  # pictures that are looked at in one turn


def paths_of(state: Any, most: int) -> list[Any]:
    """The paths of pictures that the page's script sent.

    Raises:
        UserError: none, or too many.
    """
    files = state.get("files") if isinstance(state, dict) else None
    if not isinstance(files, list):
        raise malformed("The page sent no pictures.")
    if len(files) > most:
        raise UserError("embed.many", most=most, count=len(files))
    return files


def look_in(state: Any, checked_path: Callable[[Any], str]) -> dict[str, Any]:
    """A part of a folder: a thumbnail of each picture that can be used, in a sheet, and of the others why not."""
    language, told, tiles = language_of(state), [], []
    for path in paths_of(state, PART):
        try:
            tiles.append(_thumbnail(checked_path(path)))
            told.append(None)
        except UserError as error:
            told.append(error.told(language))
    return {"reasons": told, "sheet": thumbnails(tiles) if tiles else None}


# Large photographs take long to open: small, four folders of them take 15 MB.
@functools.lru_cache(maxsize=1200)
def _thumbnail(path: str) -> Tensor:
    return picture(path, THUMBNAIL)


def unpacked(state: Any, checked_path: Callable[[Any], str]) -> dict[str, Any]:
    """A part of the pictures of a ``zip``, from ``start`` on: their names, and where they now lie or why not.

    They go where uploads go, named by their content, and leave with these. ``total``: how many will be looked at.

    Raises:
        UserError: it cannot be used, with why.
    """
    path, start = Path(checked_path(state.get("zip") if isinstance(state, dict) else None)), state.get("start")
    if not isinstance(start, int) or not 0 <= start < MOST:
        raise malformed("The page did not say from where on.")
    try:
        with gather(path, limits=LIMITS) as gathered:
            return _part(gathered, start, language_of(state))
    except UserError:
        raise
    except ValueError as error:
        # Where it lies is nobody's business.
        raise UserError("error.reason", reason=str(error).replace(str(path), path.name)) from None


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
    except UserError as error:
        return None, error.told(language)
    except (ValueError, OSError) as error:
        return None, f"{one.name}: {error}"
    # Its own name is only ever told.
    return save_upload(data, f"picture{PurePosixPath(one.name).suffix.lower()}"), None
