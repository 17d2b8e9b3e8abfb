"""The pictures of a folder, a zip or a list, one after the other, and the true boxes that lie beside them."""

from __future__ import annotations

import itertools
import os
import unicodedata
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import BinaryIO, NamedTuple

from torch import Tensor

from mixviz.data import decoding
from mixviz.data.decoding import hidden
from mixviz.data.files import zips
from mixviz.data.files.true_boxes import FILE as BOXES
from mixviz.data.files.true_boxes import read_boxes
from mixviz.data.files.zips import Limits

RESULT = "survey.csv"  # a folder that holds one is the result of an earlier survey


class Picture(NamedTuple):
    """``name``: below the folder or in the zip, with ``/`` between its parts; ``open`` gives its bytes.

    ``open`` raises ValueError or OSError where it cannot be read, with why.
    """

    name: str
    open: Callable[[], BinaryIO]


@dataclass(frozen=True)
class Gathered:
    """Pictures in the order of their names.

    Attributes:
        pictures: not opened yet.
        boxes: name -> (M, 4) float64 true boxes (top, left, bottom, right) in pixels of the upright picture.
        others: names of files that are not taken for pictures.
    """

    pictures: tuple[Picture, ...]
    boxes: Mapping[str, Tensor] = field(default_factory=dict)
    others: tuple[str, ...] = ()


@contextmanager
def gather(
    where: str | Path | Sequence[str | Path], boxes: str | Path | None = None, limits: Limits | None = None
) -> Iterator[Gathered]:
    """Pictures to go through, open within this context.

    Which files are pictures is told by their names' endings. Hidden files, and the folders of earlier surveys, are
    passed over; links to folders are not followed. Nothing of a zip is ever written to the disk.

    Args:
        where: a folder, looked through with all that are in it; a zip; a picture; or a list of pictures.
        boxes: a CSV file of true boxes, see :func:`mixviz.data.files.true_boxes.read_boxes`; None: the ``boxes.csv`` of
            the folder or zip, where it has one. File names in it are meant from where it lies, or from ``where`` when
            it is given.
        limits: of a zip; None: :class:`Limits` as they are.

    Raises:
        ValueError: nothing there, no picture, a zip that is damaged, encrypted or beyond the limits, or boxes of other
            pictures; with what to do.
    """
    if not isinstance(where, (str, os.PathLike)):
        yield _found("the list", _in_list(where), boxes, flat=True)
        return
    path = Path(where)
    if path.is_dir():
        yield _found(str(path), _in_folder(path), boxes)
    elif path.is_file() and decoding.is_picture(path.name):
        yield _found(path.name, {path.name: _file(path)}, boxes)
    elif zipfile.is_zipfile(path):
        with zips.opened(path, limits or Limits()) as archive:
            yield _found(path.name, zips.members(archive), boxes)
    elif path.suffix.lower() == ".zip" and path.is_file():
        raise ValueError(f"{path.name} is no zip, or it is damaged: make it anew.")
    else:
        raise ValueError(f"There is no folder, zip or picture {str(path)!r}.")


def _file(path: Path) -> Callable[[], BinaryIO]:
    return lambda: open(path, "rb")


def _in_list(paths: Sequence[str | Path]) -> dict[str, Callable[[], BinaryIO]]:
    """Files by their names alone; those of one name from several folders are numbered."""
    found: dict[str, Callable[[], BinaryIO]] = {}
    for path in map(Path, paths):
        names = itertools.chain([path.name], (f"{path.stem} ({i}){path.suffix}" for i in itertools.count(2)))
        found[next(name for name in names if name not in found)] = _file(path)
    return found


def _in_folder(folder: Path) -> dict[str, Callable[[], BinaryIO]]:
    """All files below a folder, but for hidden ones and earlier surveys."""
    found = {}
    for here, folders, files in os.walk(folder):
        folders[:] = [
            name for name in folders if not hidden(name) and not Path(here, name, RESULT).is_file()
        ]  # in place: os.walk goes on with what is left
        for name in files:
            path = Path(here, name)
            if not hidden(name) and path.is_file():  # a pipe would keep its reader waiting for ever
                found[path.relative_to(folder).as_posix()] = _file(path)
    return found


def _found(
    where: str, files: Mapping[str, Callable[[], BinaryIO]], boxes: str | Path | None, flat: bool = False
) -> Gathered:
    """``flat``: the files have lost their folders, and so have the names in the table of boxes."""
    names = sorted(filter(decoding.is_picture, files))
    if not names:
        raise ValueError(f"There is no picture in {where}; their names end in {decoding.SOME_ENDINGS} or the like.")
    beside = sorted((name for name in files if PurePosixPath(name).name == BOXES), key=lambda name: name.count("/"))
    if boxes is not None:
        true = read_boxes(_file(Path(boxes)), str(boxes))
    elif beside:
        home = PurePosixPath(beside[0]).parent
        true = read_boxes(files[beside[0]], beside[0])
        true = {unicodedata.normalize("NFC", str(home / name)): rows for name, rows in true.items()}
    else:
        true = {}
    if flat:
        true = {PurePosixPath(name).name: rows for name, rows in true.items()}
    spelt = {unicodedata.normalize("NFC", name): name for name in names}  # a Mac tells é in two signs
    known = {spelt[name]: rows for name, rows in true.items() if name in spelt}
    if true and not known:
        raise ValueError(f"None of the pictures in {where} is in {boxes or beside[0]}: it names {next(iter(true))!r} "
                         f"and the like, the pictures are {names[0]!r} and the like.")  # fmt: skip
    others = sorted(set(files) - set(names) - set(beside))
    return Gathered(tuple(Picture(name, files[name]) for name in names), known, tuple(others))
