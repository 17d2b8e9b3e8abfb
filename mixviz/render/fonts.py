"""Fonts and lines of text for exports: any text of a visitor is drawn, whatever fonts this machine has."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path

SANS = ("Arial", "Liberation Sans", "DejaVu Sans")  # the first two are equally wide; the last comes with matplotlib
# Where one is installed, it adds Korean. TrueType alone: PDF cannot embed the outlines of other fonts as such.
KOREAN = ("NanumGothic", "Nanum Gothic", "Malgun Gothic", "Noto Sans KR", "AppleGothic")
LONGEST = 300
BLANK = "□"  # stands where no font has the character


def clean(text: str) -> str:
    """The text on one line, without what has no shape: control characters and halves of surrogate pairs break XML.

    More than ``LONGEST`` characters fit no line and are cut off, so that a novel for a name takes no time.
    """
    line = " ".join("".join(c if c.isprintable() else " " for c in text[: 4 * LONGEST]).split())
    return line if len(line) <= LONGEST else line[: LONGEST - 1] + "…"


@functools.cache
def families() -> tuple[str, ...]:
    """Font families in the order in which they are asked for a character; all but the first are there."""
    from matplotlib.font_manager import fontManager

    known = {font.name for font in fontManager.ttflist}
    return ("sans-serif", *(name for name in KOREAN if name in known), SANS[-1])


@functools.cache
def files(weight: str = "normal") -> tuple[Path, ...]:
    """The files of :func:`families`."""
    from matplotlib.font_manager import FontProperties, findfont

    wanted = [list(SANS), *([name] for name in families()[1:])]
    found = (Path(findfont(FontProperties(family=family, weight=weight))) for family in wanted)
    return tuple(dict.fromkeys(found))


@functools.cache
def glyphs(file: Path) -> frozenset[int]:
    """The code points that a font has."""
    from matplotlib.ft2font import FT2Font

    return frozenset(FT2Font(str(file)).get_charmap())


def drawable(text: str, weight: str = "normal") -> str:
    """The text with a blank square for every character that no font has: as long as before, and drawn unwarned."""
    known = _known(weight)
    return "".join(c if ord(c) in known else BLANK for c in text)


@functools.cache
def _known(weight: str) -> frozenset[int]:
    return frozenset().union(*map(glyphs, files(weight)))


def file_for(text: str, weight: str = "normal") -> Path | None:
    """The first font that has every character of the text, or None."""
    needed = set(map(ord, text))
    return next((file for file in files(weight) if needed <= glyphs(file)), None)


def shorten(text: str, room: float, width: Callable[[str], float]) -> str:
    """The text, cut off with an ellipsis where it is wider than the room."""
    if width(text) <= room:
        return text
    low, high = 0, len(text)  # between these is the longest beginning that fits
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if width(text[:middle].rstrip() + "…") <= room else (low, middle - 1)
    return text[:low].rstrip() + "…"


def wrap(text: str, room: float, width: Callable[[str], float], most: int = 99) -> list[str]:
    """The text in lines that fit the room, broken between words; ``most`` lines, the last one cut off."""
    lines: list[str] = []
    words = text.split()
    while words and len(lines) < most - 1:
        count = 1
        while count < len(words) and width(" ".join(words[: count + 1])) <= room:
            count += 1
        lines.append(shorten(" ".join(words[:count]), room, width))
        words = words[count:]
    return [*lines, shorten(" ".join(words), room, width)] if words else lines
