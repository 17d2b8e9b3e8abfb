"""A sheet of pictures, boxes and literal text, drawn by matplotlib and measured in inches."""

from __future__ import annotations

import functools
import html
import io
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from mixviz.render import fonts

SIDE, MARGIN = 1.1, 0.1  # inches: a picture's width, and the white around everything
SMALL = 7.0  # points: a caption's usual size in print
INK, RED, HAIR = "#111827", "#ef4444", "#d1d5db"

# matplotlib's settings belong to the whole process, so one figure is drawn at a time. Its warnings are not silenced
# but avoided: a filter belongs to the whole process as well, and the picture loader needs its own.
_drawing = threading.Lock()
_SETTINGS = {
    "svg.fonttype": "none",
    "svg.hashsalt": "mixviz",  # ids are hashes of the content, not random
    "svg.image_inline": True,
    "pdf.fonttype": 42,  # TrueType: text can be searched, copied and edited
    "pdf.use14corefonts": False,
    "savefig.bbox": "standard",
    "text.usetex": False,
    "font.sans-serif": fonts.SANS,
}


@contextmanager
def drawing() -> Iterator[None]:
    """Inside, and only there, sheets are made, measured and saved."""
    import matplotlib

    with _drawing, matplotlib.rc_context(_SETTINGS | {"font.family": fonts.families()}):
        yield


def width_of(text: str, size: float = SMALL, weight: str = "normal") -> float:
    """How wide a line is, in inches."""
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import text_to_path

    shown = fonts.drawable(text, weight)
    font = FontProperties(size=size, weight=weight)
    return text_to_path.get_text_width_height_descent(shown, font, ismath=False)[0] / 72


class Sheet:
    """A matplotlib figure measured in inches from its upper left corner, the left margin apart.

    Args:
        width, height: of the sheet.
        tall: height of a picture, which is ``SIDE`` wide.
    """

    def __init__(self, width: float, height: float, tall: float) -> None:
        from matplotlib.figure import Figure

        self.figure = Figure(figsize=(width, height), facecolor="white")
        self.figure.suppressComposite = True  # every picture stays one of its own
        self.axes = self.figure.add_axes((0, 0, 1, 1))
        self.axes.set(xlim=(-MARGIN, width - MARGIN), ylim=(height, 0))
        self.axes.axis("off")
        self.tall = tall
        self.literal: list[str] = []

    def picture(self, left: float, top: float, picture: np.ndarray) -> None:
        """A picture in a hairline: a mask's white would have no edge on white paper."""
        extent = (left, left + SIDE, top + self.tall, top)
        self.axes.imshow(picture, extent=extent, aspect="auto", interpolation="none")
        self._rectangle(left, top, SIDE, self.tall, edgecolor=HAIR, linewidth=0.5)

    def outline(self, left: float, top: float, box: tuple[float, float, float, float], dashed: bool) -> None:
        """A box (shares of a picture's sides) in red on white, which shows on every picture."""
        up, start, bottom, end = box
        place = left + start * SIDE, top + up * self.tall, (end - start) * SIDE, (bottom - up) * self.tall
        self._rectangle(*place, edgecolor="white", linewidth=1.0 if dashed else 2.2, joinstyle="miter")
        style = {"linestyle": (0, (3, 2))} if dashed else {}
        self._rectangle(*place, edgecolor=RED, linewidth=1.0 if dashed else 1.2, joinstyle="miter", **style)

    def fill(self, left: float, top: float, width: float, height: float, colour: str) -> None:
        """A filled rectangle; nothing where it has no width."""
        if width > 0:
            self._rectangle(left, top, width, height, facecolor=colour, linewidth=0)

    def write(
        self, x: float, y: float, text: str, *, size: float = SMALL, weight: str = "normal", colour: str = INK,
        align: str = "left", room: float | None = None,
    ) -> None:  # fmt: skip
        """One line on its baseline, exactly as it is: no character of it has a meaning."""
        if room is not None:
            text = fonts.shorten(text, room, functools.partial(width_of, size=size, weight=weight))
        shown = fonts.drawable(text, weight)
        artist = self.axes.text(
            x, y, shown, fontsize=size, fontweight=weight, color=colour, ha=align, va="baseline", parse_math=False
        )
        if shown != text:
            artist.set_gid(f"literal{len(self.literal)}")
            self.literal.append(text)

    def _rectangle(self, left: float, top: float, width: float, height: float, **style: Any) -> None:
        from matplotlib.patches import Rectangle

        self.axes.add_patch(Rectangle((left, top), width, height, clip_on=False, **{"facecolor": "none"} | style))

    def save(self, kind: str, title: str) -> bytes:
        """The file's bytes, without a date."""
        buffer = io.BytesIO()
        undated = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}[kind]
        self.figure.savefig(buffer, format=kind, metadata={"Title": title, "Creator": "MixViz", **undated})
        return buffer.getvalue() if kind == "pdf" else self._literally(buffer.getvalue())

    def _literally(self, svg: bytes) -> bytes:
        """Characters that no font here has come back: the reader's machine may well have them."""

        def restored(found: re.Match) -> str:
            return found[1] + html.escape(self.literal[int(found[2])], quote=False)

        # Text is escaped in an SVG, so that no text of a visitor can pass for a tag and be found here.
        return re.sub(r'(<g id="literal(\d+)">\s*<text[^>]*>)[^<]*', restored, svg.decode()).encode()
