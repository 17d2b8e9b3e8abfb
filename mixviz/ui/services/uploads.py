"""The visitor's own pictures: thumbnails of a folder, and a zip unpacked into the upload folder, both in parts."""

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
PART = 20  # pictures per request


def paths_of(state: Any, most: int) -> list[Any]:
    """Return the paths of pictures that the page's script sent.

    Raises:
        UserError: there is no list of paths, or it is too long.
    """
    files = state.get("files") if isinstance(state, dict) else None
    if not isinstance(files, list):
        raise malformed("The page sent no pictures.")
    if len(files) > most:
        raise UserError("embed.many", most=most, count=len(files))
    return files


def look_in(state: Any, checked_path: Callable[[Any], str]) -> dict[str, Any]:
    """Check a part of a folder: return a sheet of the usable pictures' thumbnails, and a reason or None per picture."""
    language, reasons, tiles = language_of(state), [], []
    for path in paths_of(state, PART):
        try:
            tiles.append(_thumbnail(checked_path(path)))
            reasons.append(None)
        except UserError as error:
            reasons.append(error.told(language))
    return {"reasons": reasons, "sheet": thumbnails(tiles) if tiles else None}


# Large photographs are slow to open; as thumbnails, four folders of them take 15 MB.
@functools.lru_cache(maxsize=1200)
def _thumbnail(path: str) -> Tensor:
    return picture(path, THUMBNAIL)


def unpacked(state: Any, checked_path: Callable[[Any], str]) -> dict[str, Any]:
    """Unpack a part of the pictures of a ``zip``, from ``start`` on: return their names, and their paths or reasons.

    They go into the upload folder, named by their content, and are cleared with the uploads. ``total``: the number of
    pictures that will be unpacked.

    Raises:
        UserError: the zip cannot be used; with the reason.
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
        # Do not reveal the server's folder.
        raise UserError("error.reason", reason=str(error).replace(str(path), path.name)) from None


def _part(gathered: Gathered, start: int, language: str) -> dict[str, Any]:
    members = some(gathered.pictures, MOST)
    results = [_member(one, language) for one in members[start : start + PART]]
    return {
        "names": [one.name for one in members[start : start + PART]],
        "paths": [path for path, _ in results],
        "reasons": [reason for _, reason in results],
        "total": len(members),
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
    # The picture's own name is only shown, and never used as a path.
    return save_upload(data, f"picture{PurePosixPath(one.name).suffix.lower()}"), None
