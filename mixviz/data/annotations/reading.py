"""Read annotation files: what in a file is wrong, with its place and the remedy, or left out and reported."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import torch
from torch import Tensor

from mixviz.core.objects import problems
from mixviz.data.annotations.records import Annotations, Size, Skipped

SKIP = "To leave such parts out: skip=True."
File = str | os.PathLike[str] | BinaryIO


class Fault(ValueError):
    """What is wrong with a part of a file, and what to do; :meth:`Faults.part` adds the file and the part."""


class Faults:
    """Decide what happens to faulty parts of a file: raise at the first, or skip and record them.

    Args:
        file: name of the file, for messages.
        skip: skip faulty parts.
    """

    def __init__(self, file: str, skip: bool) -> None:
        self.file, self.skip = file, skip
        self.skipped: list[Skipped] = []

    @contextmanager
    def part(self, place: str) -> Iterator[None]:
        """Give a :class:`Fault` within this context the file and the place; leave the part out if that is allowed.

        Raises:
            ValueError: a fault, unless faulty parts are skipped.
        """
        try:
            yield
        except Fault as fault:
            self.add(place, str(fault))

    def add(self, place: str, reason: str) -> None:
        """Record a fault, or raise it as a ValueError."""
        fault = Skipped(self.file, place, reason)
        if not self.skip:
            raise ValueError(f"{fault} {SKIP}")
        self.skipped.append(fault)


def title(file: File) -> str:
    """The name of a file, for messages."""
    return os.path.basename(str(getattr(file, "name", "") if hasattr(file, "read") else file)) or "the file"


def contents(file: File) -> bytes:
    """Return the bytes of a file.

    Raises:
        ValueError: it cannot be read.
    """
    if not isinstance(file, str | os.PathLike):
        return file.read()
    try:
        return Path(file).read_bytes()
    except FileNotFoundError:
        raise ValueError(f"There is no file {str(file)!r}.") from None
    except OSError as error:
        raise ValueError(f"{title(file)} cannot be read ({error.strerror}).") from None


def text_of(file: File) -> str:
    """Return the text of a UTF-8 file.

    Raises:
        ValueError: it cannot be read, or is in another encoding.
    """
    try:
        return contents(file).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"{title(file)} is not in UTF-8 (byte {error.start}): save it as UTF-8.") from None


def json_of(file: File) -> Any:
    """Return the contents of a JSON file.

    Raises:
        ValueError: it cannot be read, or is damaged; gives line and column.
    """
    text = text_of(file)
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        raise ValueError(f"{title(file)} is no JSON file, or damaged ({place}: {error.msg}): export it anew.") from None
    except (RecursionError, ValueError):  # brackets without end, or a number of thousands of digits
        raise ValueError(f"{title(file)} is damaged, or no annotation file: export it anew.") from None


def numbers(values: object, name: str, form: str, count: int | None = None) -> list[float]:
    """Return a list of numbers as floats; NaN and infinity pass.

    Raises:
        Fault: no list, another count, or something that is no number.
    """
    if isinstance(values, list | tuple) and count in (None, len(values)):
        with suppress(TypeError, ValueError, OverflowError):
            if not any(isinstance(value, bool | str) for value in values):
                return [float(value) for value in values]
    raise Fault(f"its {name} should be {form}; got {brief(values)}.")


def whole(value: object, name: str, low: float = -math.inf) -> int:
    """Return a whole number, which some files write as 3.0.

    Raises:
        Fault: something else, or below ``low``.
    """
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or value < low:
        raise Fault(f"its {name} should be a whole number{f' of at least {low}' * math.isfinite(low)}; "
                    f"got {brief(value)}.")  # fmt: skip
    return value


def brief(value: object) -> str:
    """Return a value for a message, shortened."""
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "…"


def outlines(
    size: Size,
    boxes: Sequence[Sequence[float]],
    places: Sequence[str],
    faults: Faults,
    hints: Sequence[str] | str = "",
    in_pixels: Sequence[bool] = (),
) -> tuple[Tensor, list[int]]:
    """Check the boxes of a picture; return those that are right, (M', 4) float32, and their indices.

    Edges that lie outside the picture by no more than rounding in the file are moved to its border.

    Args:
        size: (H, W).
        boxes: (M, 4), (top, left, bottom, right) in pixels.
        places: where each stands in the file.
        faults: gets those that are wrong.
        hints: added to the messages, for all or for each.
        in_pixels: whether a box of less than a pixel is known not to be in shares of the sides; empty: of none.
    """
    if not len(boxes):
        return torch.zeros(0, 4), []
    exact = torch.tensor(boxes, dtype=torch.float64)
    larger = ~torch.tensor(in_pixels)[:, None, None].expand(-1, 1, 2) if len(in_pixels) else None
    wrong = problems(exact.float(), size, masks=larger)
    for index in sorted(wrong):
        faults.add(places[index], f"{wrong[index]} {hints if isinstance(hints, str) else hints[index]}".rstrip())
    good = [index for index in range(len(boxes)) if index not in wrong]
    bound = exact.new_tensor([*size, *size])
    return torch.minimum(exact[good].clamp(min=0), bound).float(), good


def shortest(value: float) -> float:
    """Return the decimal number of fewest digits that is this float32; whole numbers as int, as JSON writes them."""
    number = float(str(np.float32(value)))
    return int(number) if number.is_integer() else number


def class_names(names: Sequence[str] | str | os.PathLike[str] | None) -> tuple[str, ...] | None:
    """Return names of classes, from a list or a file; None: unknown.

    A file has a name per line; or it is YAML (``.yaml``, ``.yml``) with ``names``, a list or a mapping from 0 on, as
    Ultralytics' ``data.yaml``.

    Raises:
        ValueError: a class without a name, or a damaged file.
        ImportError: YAML without PyYAML.
    """
    if names is None or not isinstance(names, str | os.PathLike):
        return None if names is None else tuple(map(str, names))
    if str(names).lower().endswith((".yaml", ".yml")):
        return _yaml_names(names)
    lines = [line.strip() for line in text_of(names).splitlines()]
    while lines and not lines[-1]:
        lines.pop()
    if "" in lines:
        raise ValueError(f"{title(names)}, line {lines.index('') + 1}: class {lines.index('')} has no name: give one.")
    return tuple(lines)


def _yaml_names(file: str | os.PathLike[str]) -> tuple[str, ...]:
    """Names of classes under ``names`` of a YAML file."""
    try:
        import yaml
    except ImportError:
        raise ImportError("Class names in a YAML file need PyYAML: pip install pyyaml.") from None
    try:
        document = yaml.safe_load(text_of(file))
    except (yaml.YAMLError, RecursionError):
        raise ValueError(f"{title(file)} is no YAML file, or damaged: export it anew.") from None
    found = document.get("names") if isinstance(document, Mapping) else None
    if isinstance(found, Mapping):
        wanted = range(len(found))
        if missing := [index for index in wanted if index not in found]:
            raise ValueError(f"{title(file)}: class {missing[0]} has no name: number its names from 0 on.")
        found = [found[index] for index in wanted]
    if not isinstance(found, list) or not found:
        raise ValueError(f"{title(file)} has no names: give them as a list, or as a mapping from 0 on.")
    for index, name in enumerate(found):
        if not isinstance(name, str | int) or not str(name).strip():
            raise ValueError(f"{title(file)}: the name of class {index} should be a word; got {brief(name)}.")
    return tuple(str(name).strip() for name in found)


def name_of(annotations: Annotations, index: int, file: str) -> str:
    """Return the name of a class.

    Raises:
        ValueError: it has none.
    """
    if not 0 <= index < len(annotations.classes):
        raise ValueError(f"{file}: class {index} has no name: there are {len(annotations.classes)} names in classes.")
    return annotations.classes[index]
