"""Export a mixture: its pictures, a figure for a paper or slide, and an animation of its steps.

Output is deterministic: the same example gives the same bytes, without dates or random names.
"""

from __future__ import annotations

import io
import zipfile

import numpy as np
from PIL import Image

from mixviz.explain.example import MixedExample
from mixviz.render.figure import figure
from mixviz.render.gif import gif
from mixviz.render.panels import picture, tiles

__all__ = ["figure", "gif", "pictures_zip", "png", "tiles"]

LONG_AGO = (1980, 1, 1, 0, 0, 0)  # the earliest date that a ZIP file can hold


def png(example: MixedExample) -> bytes:
    """The mixture as a lossless PNG with the exact pixels of :attr:`~mixviz.explain.example.MixedExample.mixed`."""
    return _png(picture(example.mixed))


def pictures_zip(example: MixedExample) -> bytes:
    """All pictures of :func:`tiles` as a ZIP of PNG files, ``a.png`` to ``mixed.png``, without user-supplied names."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:  # stored uncompressed: PNG is compressed already
        for name, tile in tiles(example).items():
            entry = zipfile.ZipInfo(f"{name}.png", LONG_AGO)
            entry.create_system, entry.external_attr = 3, 0o644 << 16  # the same on every system
            archive.writestr(entry, _png(tile))
    return buffer.getvalue()


def _png(tile: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(tile).save(buffer, "PNG")
    return buffer.getvalue()
