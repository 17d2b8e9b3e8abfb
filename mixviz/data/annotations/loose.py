"""Read loose annotation files, of whichever format they have, for pictures that are known by their names."""

from __future__ import annotations

import dataclasses
import os
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from mixviz.data.annotations import coco, fitting, png, voc, yolo
from mixviz.data.annotations.reading import Fault, Faults, contents
from mixviz.data.annotations.records import Annotated, Annotations, normal

Files = Mapping[str, str | os.PathLike[str]]  # the file of each name
TITLES = {"coco": "COCO", "voc": "Pascal VOC", "yolo": "YOLO", "png": "PNG masks"}
KNOWN = "COCO (.json), Pascal VOC (.xml), YOLO (.txt) or PNG masks"
HEAD = 64  # bytes that show a format, after spaces
PNG = b"\x89PNG\r\n\x1a\n"
JPEG = b"\xff\xd8\xff"


class Found(NamedTuple):
    """Annotations of the pictures that have some, upright, and the format they came in, a key of :data:`TITLES`."""

    annotations: Annotations
    format: str


def read(files: Files, pictures: Files, *, skip: bool = False, most: int | None = None) -> Found:
    """Read annotation files, and match them with pictures by name; see :func:`mixviz.data.annotations.files.read`.

    The contents tell the format. There is one COCO file, or a file per picture of YOLO, Pascal VOC or PNG masks; with
    YOLO's, there may be one of class names (``classes.txt``, ``.names``, ``.yaml``). YOLO's files and masks are called
    like their picture, in any folder; the others name it. Pictures of a COCO file that are not given are passed over.
    A single picture takes the annotations of a single one that give its size, whatever its name.

    Args:
        files: the annotation files by their names.
        pictures: the pictures by their names.
        skip: leave out what is wrong, and name it in ``skipped``.
        most: pixels that all objects of a picture together may have; None: any number.

    Returns:
        Annotations of the pictures that have some, by the names given here.

    Raises:
        ValueError: no annotation, or of none of the pictures; or, unless ``skip``, what is wrong, with file, place and
            remedy: a file of no known format, of another than the others, or of no picture, and what the formats' own
            readers refuse.
        ImportError: polygons or compressed masks without pycocotools, or a YAML file without PyYAML.
    """
    faults = Faults("", skip)
    formats = _formats(files, faults)
    kinds = Counter(kind for kind in formats.values() if kind in TITLES)
    if not kinds:
        raise ValueError(_reasons(faults) or f"There is no annotation file among {_several(files)}: give {KNOWN}.")
    kind = max(kinds, key=lambda one: kinds[one])
    for name, other in formats.items():
        if other in TITLES and other != kind:
            faults.add(name, f"it is {TITLES[other]}, and other files are {TITLES[kind]}: give files of one format.")
    own, names = ({name: Path(files[name]) for name, of in formats.items() if of == one} for one in (kind, "names"))
    there = {name: Path(path) for name, path in pictures.items()}
    found = _READERS[kind](own, names, there, faults)
    faults.skipped += found.skipped
    before = len(faults.skipped)
    used = _fitted(found, there, faults, most)
    if not used:
        example = next((one.file for one in found.pictures), next(iter(own)))
        named = bool(found.pictures) and len(faults.skipped) == before  # else they were left out for other reasons
        raise ValueError(
            (not named and _reasons(faults))
            or f"The annotations are of none of the {len(there)} pictures: they are of {example!r} "
            f"and the like, the pictures are {next(iter(there), '')!r} and the like. Give both one name."
        )
    return Found(dataclasses.replace(found, pictures=tuple(used), skipped=tuple(faults.skipped)), kind)


def _only(found: Annotations, pictures: Mapping[str, Path]) -> Annotated | None:
    """The annotations of a single picture, of which there are those of a single one; those of YOLO know its name."""
    return found.pictures[0] if len(found.pictures) == len(pictures) == 1 else None


def _fitted(found: Annotations, pictures: Mapping[str, Path], faults: Faults, most: int | None) -> list[Annotated]:
    """The annotations of the pictures, turned upright with them and called like them."""
    used: list[Annotated] = []
    owners: dict[int, str] = {}
    for name, path in pictures.items():
        one = found.find(name)
        one = _only(found, pictures) if one is None else one
        if one is None:
            continue
        with faults.part(name):
            if id(one) in owners:
                raise Fault(f"{owners[id(one)]} and it both fit the annotations of {one.file!r}: write file names with "
                            "their folders into the annotation file.")  # fmt: skip
            owners[id(one)] = name
            if most is not None and len(one) * one.size[0] * one.size[1] > most:
                raise Fault(f"its {len(one)} objects together have too many pixels, more than {most:,}: make them "
                            "smaller, with their picture, or leave some out.")  # fmt: skip
            used.append(dataclasses.replace(fitting.of_picture(one, path), file=name))
    return used


def format_of(path: str | os.PathLike[str], name: str) -> str:
    """Return what an annotation file holds: a key of :data:`TITLES`, or ``names`` of YOLO's classes.

    Raises:
        Fault: something else.
    """
    data = contents(path)
    text = data[:1024].removeprefix(b"\xef\xbb\xbf").lstrip()[:HEAD]
    ending, base = os.path.splitext(name.lower())[1], PurePosixPath(normal(name)).name.lower()
    if data.startswith(PNG):
        return "png"
    if data.startswith(JPEG):
        raise Fault("it is a JPEG picture, which blurs the numbers of a mask: save the mask as PNG.")
    if ending in (".yaml", ".yml", ".names") or base in yolo.NAMES:
        return "names"
    if text.startswith(b"<"):
        return "voc"
    if text.startswith((b"{", b"[")) or ending == ".json":
        return "coco"
    if ending == ".txt" and b"\0" not in data:
        return "yolo"
    raise Fault(f"it is no annotation file that is known: give {KNOWN}.")


def _formats(files: Files, faults: Faults) -> dict[str, str]:
    """The format of each file that has one."""
    formats: dict[str, str] = {}
    for name, path in files.items():
        with faults.part(name):
            try:
                formats[name] = format_of(path, name)
            except Fault:
                raise
            except ValueError as error:  # it cannot be read
                raise Fault(str(error)) from None
    return formats


Read = Callable[[Mapping[str, Path], Mapping[str, Path], Mapping[str, Path], Faults], Annotations]


def _coco(own: Mapping[str, Path], _names: object, _pictures: object, faults: Faults) -> Annotations:
    first, *others = own
    for name in others:
        faults.add(name, f"{first} is a COCO file, too: join the two, or give one after the other.")
    return coco.read(own[first], skip=faults.skip)


def _voc(own: Mapping[str, Path], _names: object, pictures: Mapping[str, Path], faults: Faults) -> Annotations:
    found = voc.read(list(own.values()), pictures=pictures, skip=faults.skip)
    there, kept = fitting.paths_in(pictures), []
    for one in found.pictures:
        if (
            _only(found, pictures) is not None
            or normal(one.file) in there
            or PurePosixPath(normal(one.file)).name in there
        ):
            kept.append(one)
        else:
            faults.add(one.file, "the picture is annotated, but not there: add it, or leave its annotations out.")
    return dataclasses.replace(found, pictures=tuple(kept))


def _yolo(
    own: Mapping[str, Path], names: Mapping[str, Path], pictures: Mapping[str, Path], faults: Faults
) -> Annotations:
    first, *others = names or [None]
    for name in others:
        faults.add(str(name), f"{first} holds class names, too: give one file of them.")
    matched = _matched(own, pictures, faults)
    stems = {os.path.splitext(name)[0] for name in matched}
    annotated = {name: path for name, path in pictures.items() if os.path.splitext(normal(name))[0] in stems}
    return yolo.read(matched, annotated, names[first] if first else None, skip=faults.skip)


def _png(own: Mapping[str, Path], _names: object, pictures: Mapping[str, Path], faults: Faults) -> Annotations:
    if len(own) == len(pictures) == 1:
        own = {os.path.splitext(next(iter(pictures)))[0] + ".png": next(iter(own.values()))}
    return png.read(_matched(own, pictures, faults), pictures, skip=faults.skip)


_READERS: dict[str, Read] = {"coco": _coco, "voc": _voc, "yolo": _yolo, "png": _png}


def _matched(own: Mapping[str, Path], pictures: Mapping[str, Path], faults: Faults) -> dict[str, Path]:
    """The files that belong to pictures, called like these."""
    stems = [os.path.splitext(normal(name))[0] for name in pictures]
    matched: dict[str, Path] = {}
    givers: dict[str, str] = {}
    for name, path in own.items():
        with faults.part(name):
            stem, ending = os.path.splitext(normal(name))
            called = _picture_of(stem, stems) + ending
            if called in matched:
                raise Fault(f"{givers[called]} is of the same picture: give one of the two.")
            matched[called], givers[called] = path, name
    return matched


def _picture_of(stem: str, stems: Sequence[str]) -> str:
    """The picture that a file is called like: in its folder, else the one whose folders are most alike.

    ``labels/train/a`` belongs to ``images/train/a`` rather than to ``images/test/a``.

    Raises:
        Fault: there is none, or several are as likely.
    """
    parts = stem.split("/")
    alike = {one: _common(parts, one.split("/")) for one in stems if one.rsplit("/", 1)[-1] == parts[-1]}
    if not alike and len(stems) == 1:
        raise Fault(f"it is not called like the picture: if it is of {stems[0]}, give it that name.")
    if not alike:
        raise Fault(f"there is no picture called {parts[-1]}: add it, or leave this file out.")
    best = [one for one, common in alike.items() if common == max(alike.values())]
    if len(best) > 1 and stem not in best:
        raise Fault(f"{best[0]} and {best[1]} are both called like it: put it into a folder called like theirs.")
    return stem if stem in best else best[0]


def _common(one: Sequence[str], other: Sequence[str]) -> int:
    """How many parts of two paths are the same, from the end and from the beginning."""
    count = 0
    for a, b in ((one[::-1], other[::-1]), (one, other)):
        for x, y in zip(a, b, strict=False):
            if x != y:
                break
            count += 1
    return count


def _reasons(faults: Faults) -> str:
    """Why all was left out, for an error; empty if nothing was."""
    return f"Nothing of the annotations can be used. {faults.skipped[-1]}" if faults.skipped else ""


def _several(names: Files) -> str:
    return ", ".join(list(names)[:3]) + ", …" * (len(names) > 3) or "no files"
