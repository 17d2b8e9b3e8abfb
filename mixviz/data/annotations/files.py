"""Read annotations of whichever format a file or folder has."""

from __future__ import annotations

import os
from pathlib import Path

from mixviz.data.annotations import coco, fitting, png, voc, yolo
from mixviz.data.annotations.records import Annotations


def read(
    where: str | os.PathLike[str], pictures: str | os.PathLike[str] | None = None, *, skip: bool = False
) -> Annotations:
    """Read annotations, and turn them upright with their pictures.

    Args:
        where: a COCO file (``.json``), or a folder of YOLO's (``.txt``), Pascal VOC's (``.xml``) or PNG masks.
        pictures: their folder; None: it is not known, as for pictures in a zip.
        skip: leave out what is wrong, and name it in ``skipped``.

    Raises:
        ValueError: no such file, or none of these formats; or, unless ``skip``, what is wrong in it, with the remedy.
        ImportError: polygons or compressed masks without pycocotools.
    """
    path = Path(where)
    if not path.exists():
        raise ValueError(f"There is no file or folder {str(where)!r} of annotations.")
    endings = {path.suffix.lower()} if path.is_file() else {one.suffix.lower() for one in path.rglob("*")}
    if ".json" in endings and path.is_file():
        found = coco.read(path, skip=skip)
    elif ".xml" in endings:
        found = voc.read(path, pictures=pictures, skip=skip)
    elif ".txt" in endings and path.is_dir():
        if pictures is None:
            raise ValueError("YOLO's boxes are shares of the pictures' sides: give the pictures as a folder, unpacked.")
        found = yolo.read(path, pictures, skip=skip)
    elif ".png" in endings and path.is_dir():
        found = png.read(path, pictures, skip=skip)
    else:
        raise ValueError(
            f"{str(where)!r} holds no annotations that are known: give a COCO file (.json), or a folder of YOLO's "
            "(.txt), Pascal VOC's (.xml) or PNG masks."
        )
    return found if pictures is None else fitting.in_folder(found, pictures, skip=skip)
