"""Canvas for pictures, boxes and literal text, drawn by matplotlib with coordinates in inches."""

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

SIDE, MARGIN = 1.1, 0.1  # inches: a picture's width, and the outer margin
SMALL = 7.0  # points: a caption's usual size in print
INK, RED, HAIR = "#111827", "#ef4444", "#d1d5db"

# matplotlib's settings are global to the process, so a lock admits one figure at a time. Its warnings are avoided, not
# filtered: warning filters are global as well, and the picture loader relies on its own.
_drawing = threading.Lock()
_SETTINGS: Any = {  # matplotlib's type lists the names of settings one by one
    "svg.fonttype": "none",
    "svg.hashsalt": "mixviz",  # makes ids depend on the content instead of chance
    "svg.image_inline": True,
    "pdf.fonttype": 42,  # TrueType: text can be searched, copied and edited
    "pdf.use14corefonts": False,
    "savefig.bbox": "standard",
    "text.usetex": False,
    "font.sans-serif": fonts.SANS,
}


@contextmanager
def drawing() -> Iterator[None]:
    """Context in which sheets must be created, measured and saved: it holds the lock and the matplotlib settings."""
    import matplotlib

    with _drawing, matplotlib.rc_context({**_SETTINGS, "font.family": fonts.families()}):
        yield


def width_of(text: str, size: float = SMALL, weight: str = "normal") -> float:
    """Width of a line of text in inches."""
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import text_to_path

    shown = fonts.drawable(text, weight)
    font = FontProperties(size=size, weight=weight)
    return text_to_path.get_text_width_height_descent(shown, font, ismath=False)[0] / 72


class Sheet:
    """A matplotlib figure with coordinates in inches; the origin is the top edge at the left margin.

    Args:
        width, height: size of the sheet in inches.
        tall: height of a picture in inches; its width is ``SIDE``.
    """

    def __init__(self, width: float, height: float, tall: float) -> None:
        from matplotlib.figure import Figure

        self.figure = Figure(figsize=(width, height), facecolor="white")
        self.figure.suppressComposite = True  # keep every picture a separate image in the file
        self.axes = self.figure.add_axes((0, 0, 1, 1))
        self.axes.set(xlim=(-MARGIN, width - MARGIN), ylim=(height, 0))
        self.axes.axis("off")
        self.tall = tall
        self.literal: list[str] = []

    def picture(self, left: float, top: float, picture: np.ndarray) -> None:
        """Draw a picture with a hairline border, since a white mask would have no edge on white paper."""
        extent = (left, left + SIDE, top + self.tall, top)
        self.axes.imshow(picture, extent=extent, aspect="auto", interpolation="none")
        self._rectangle(left, top, SIDE, self.tall, edgecolor=HAIR, linewidth=0.5)

    def outline(self, left: float, top: float, box: tuple[float, float, float, float], dashed: bool) -> None:
        """Outline a box (shares of a picture's sides) in red on white, which is visible on every picture."""
        up, start, bottom, end = box
        edges = left + start * SIDE, top + up * self.tall, (end - start) * SIDE, (bottom - up) * self.tall
        self._rectangle(*edges, edgecolor="white", linewidth=1.0 if dashed else 2.2, joinstyle="miter")
        style = {"linestyle": (0, (3, 2))} if dashed else {}
        self._rectangle(*edges, edgecolor=RED, linewidth=1.0 if dashed else 1.2, joinstyle="miter", **style)

    def fill(self, left: float, top: float, width: float, height: float, colour: str) -> None:
        """Draw a filled rectangle, or nothing if its width is 0."""
        if width > 0:
            self._rectangle(left, top, width, height, facecolor=colour, linewidth=0)

    def write(
        self, x: float, y: float, text: str, *, size: float = SMALL, weight: str = "normal", colour: str = INK,
        align: str = "left", room: float | None = None,
    ) -> None:  # fmt: skip
        """Write one line of literal text (no math markup) on its baseline, shortened to ``room`` inches if given."""
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

        self.axes.add_patch(Rectangle((left, top), width, height, clip_on=False, **{"facecolor": "none", **style}))

    def save(self, kind: str, title: str) -> bytes:
        """Render the sheet as ``"svg"`` or ``"pdf"`` bytes, without a date."""
        buffer = io.BytesIO()
        undated = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}[kind]
        self.figure.savefig(buffer, format=kind, metadata={"Title": title, "Creator": "MixViz", **undated})
        return buffer.getvalue() if kind == "pdf" else self._literally(buffer.getvalue())

    def _literally(self, svg: bytes) -> bytes:
        """Restore characters that no local font has: the reader's machine may have one."""

        def restored(match: re.Match) -> str:
            return match[1] + html.escape(self.literal[int(match[2])], quote=False)

        # Text is escaped in an SVG, so the pattern cannot match inside a visitor's text.
        return re.sub(r'(<g id="literal(\d+)">\s*<text[^>]*>)[^<]*', restored, svg.decode()).encode()
