"""Fonts and line breaking for exports; any user text can be drawn, whichever fonts are installed."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path

SANS = ("Arial", "Liberation Sans", "DejaVu Sans")  # the first two have equal widths; the last comes with matplotlib
# Used for Korean if installed. TrueType only: other outlines cannot be embedded in a PDF as they are.
KOREAN = ("NanumGothic", "Nanum Gothic", "Malgun Gothic", "Noto Sans KR", "AppleGothic")
LONGEST = 300
BLANK = "□"  # placeholder for characters that no font has


def clean(text: str) -> str:
    """Put text on one line, without unprintable characters: control characters and lone surrogates break XML.

    Text beyond ``LONGEST`` characters fits no line and is cut off, which bounds the time for very long names.
    """
    line = " ".join("".join(c if c.isprintable() else " " for c in text[: 4 * LONGEST]).split())
    return line if len(line) <= LONGEST else line[: LONGEST - 1] + "…"


@functools.cache
def families() -> tuple[str, ...]:
    """Font families in the order of fallback; all but the first, generic one are installed."""
    from matplotlib.font_manager import fontManager

    installed = {font.name for font in fontManager.ttflist}
    return ("sans-serif", *(name for name in KOREAN if name in installed), SANS[-1])


@functools.cache
def files(weight: str = "normal") -> tuple[Path, ...]:
    """Font files of :func:`families`."""
    from matplotlib.font_manager import FontProperties, findfont

    wanted = [list(SANS), *([name] for name in families()[1:])]
    paths = (Path(findfont(FontProperties(family=family, weight=weight))) for family in wanted)
    return tuple(dict.fromkeys(paths))


@functools.cache
def glyphs(file: Path) -> frozenset[int]:
    """Code points that a font covers."""
    from matplotlib.ft2font import FT2Font

    return frozenset(FT2Font(str(file)).get_charmap())


def drawable(text: str, weight: str = "normal") -> str:
    """Replace every character that no font has by a square, which keeps the length and avoids matplotlib warnings."""
    covered = _code_points(weight)
    return "".join(c if ord(c) in covered else BLANK for c in text)


@functools.cache
def _code_points(weight: str) -> frozenset[int]:
    return frozenset().union(*map(glyphs, files(weight)))


def file_for(text: str, weight: str = "normal") -> Path | None:
    """Find the first font that has every character of the text; None if no font has them all."""
    needed = set(map(ord, text))
    return next((file for file in files(weight) if needed <= glyphs(file)), None)


def shorten(text: str, room: float, width: Callable[[str], float]) -> str:
    """Shorten text with an ellipsis if it is wider than ``room``."""
    if width(text) <= room:
        return text
    low, high = 0, len(text)  # bounds of the longest prefix that fits
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if width(text[:middle].rstrip() + "…") <= room else (low, middle - 1)
    return text[:low].rstrip() + "…"


def wrap(text: str, room: float, width: Callable[[str], float], most: int = 99) -> list[str]:
    """Break text between words into at most ``most`` lines of width ``room``; the last is shortened if necessary."""
    lines: list[str] = []
    words = text.split()
    while words and len(lines) < most - 1:
        count = 1
        while count < len(words) and width(" ".join(words[: count + 1])) <= room:
            count += 1
        lines.append(shorten(" ".join(words[:count]), room, width))
        words = words[count:]
    return [*lines, shorten(" ".join(words), room, width)] if words else lines
