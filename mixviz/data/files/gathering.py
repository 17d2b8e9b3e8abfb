"""Find the pictures of a folder, a zip or a list, and the true boxes stored beside them."""

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
    """A picture file: ``name`` is relative to the folder or zip, with ``/`` between parts; ``open`` gives its bytes.

    ``open`` raises ValueError or OSError, with the reason, if the file cannot be read.
    """

    name: str
    open: Callable[[], BinaryIO]


@dataclass(frozen=True)
class Gathered:
    """Pictures found, sorted by name.

    Attributes:
        pictures: the files, not opened yet.
        boxes: name -> (M, 4) float64 true boxes (top, left, bottom, right) in pixels of the upright picture.
        others: names of files that are not pictures.
    """

    pictures: tuple[Picture, ...]
    boxes: Mapping[str, Tensor] = field(default_factory=dict)
    others: tuple[str, ...] = ()


@contextmanager
def gather(
    where: str | Path | Sequence[str | Path], boxes: str | Path | None = None, limits: Limits | None = None
) -> Iterator[Gathered]:
    """Find pictures, which can be opened within this context.

    Pictures are recognised by file extension. Hidden files and the folders of earlier surveys are skipped; links to
    folders are not followed. Nothing from a zip is written to disk.

    Args:
        where: a folder (searched recursively), a zip, a picture, or a list of pictures.
        boxes: a CSV file of true boxes, see :func:`mixviz.data.files.true_boxes.read_boxes`; file names in it are
            relative to ``where``. None: the ``boxes.csv`` of the folder or zip, if there is one; file names in it are
            relative to its own folder.
        limits: size limits of a zip; None: the defaults of :class:`Limits`.

    Raises:
        ValueError: nothing there, no picture, a zip that is damaged, encrypted or beyond the limits, or boxes of other
            pictures; says what to do.
    """
    if not isinstance(where, (str, os.PathLike)):
        yield _gathered("the list", _in_list(where), boxes, flat=True)
        return
    path = Path(where)
    if path.is_dir():
        yield _gathered(str(path), _in_folder(path), boxes)
    elif path.is_file() and decoding.is_picture(path.name):
        yield _gathered(path.name, {path.name: _file(path)}, boxes)
    elif zipfile.is_zipfile(path):
        with zips.opened(path, limits or Limits()) as archive:
            yield _gathered(path.name, zips.members(archive), boxes)
    elif path.suffix.lower() == ".zip" and path.is_file():
        raise ValueError(f"{path.name} is no zip, or it is damaged: make it anew.")
    else:
        raise ValueError(f"There is no folder, zip or picture {str(path)!r}.")


def _file(path: Path) -> Callable[[], BinaryIO]:
    return lambda: open(path, "rb")


def _in_list(paths: Sequence[str | Path]) -> dict[str, Callable[[], BinaryIO]]:
    """Files by name without folder; duplicate names are numbered."""
    files: dict[str, Callable[[], BinaryIO]] = {}
    for path in map(Path, paths):
        names = itertools.chain([path.name], (f"{path.stem} ({i}){path.suffix}" for i in itertools.count(2)))
        files[next(name for name in names if name not in files)] = _file(path)
    return files


def _in_folder(folder: Path) -> dict[str, Callable[[], BinaryIO]]:
    """All files below a folder except hidden ones and earlier surveys."""
    files: dict[str, Callable[[], BinaryIO]] = {}
    for parent, folders, names in os.walk(folder):
        folders[:] = [
            name for name in folders if not hidden(name) and not Path(parent, name, RESULT).is_file()
        ]  # in place: os.walk descends into the folders that remain
        for name in names:
            path = Path(parent, name)
            if not hidden(name) and path.is_file():  # reading from a pipe would block for ever
                files[path.relative_to(folder).as_posix()] = _file(path)
    return files


def _gathered(
    where: str, files: Mapping[str, Callable[[], BinaryIO]], boxes: str | Path | None, flat: bool = False
) -> Gathered:
    """Sort files into pictures, boxes and others; ``flat`` drops folders from the names in the table of boxes, too."""
    names = sorted(filter(decoding.is_picture, files))
    if not names:
        raise ValueError(f"There is no picture in {where}; their names end in {decoding.SOME_ENDINGS} or the like.")
    tables = sorted((name for name in files if PurePosixPath(name).name == BOXES), key=lambda name: name.count("/"))
    if boxes is not None:
        true = read_boxes(_file(Path(boxes)), str(boxes))
    elif tables:
        home = PurePosixPath(tables[0]).parent
        true = read_boxes(files[tables[0]], tables[0])
        true = {unicodedata.normalize("NFC", str(home / name)): rows for name, rows in true.items()}
    else:
        true = {}
    if flat:
        true = {PurePosixPath(name).name: rows for name, rows in true.items()}
    spelling = {unicodedata.normalize("NFC", name): name for name in names}  # macOS stores é as two code points
    matched = {spelling[name]: rows for name, rows in true.items() if name in spelling}
    if true and not matched:
        raise ValueError(f"None of the pictures in {where} is in {boxes or tables[0]}: it names {next(iter(true))!r} "
                         f"and the like, the pictures are {names[0]!r} and the like.")  # fmt: skip
    others = sorted(set(files) - set(names) - set(tables))
    return Gathered(tuple(Picture(name, files[name]) for name in names), matched, tuple(others))
