"""Merging the parts of an index that several processes or machines built."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from mixviz.networks.files import write
from mixviz.retrieval.store import HEAD, Store

SAME = ("sha256", "dimensions", "listing", "parts")


def merge(folders: Sequence[str | Path], out: str | Path) -> Store:
    """Merge all parts of an index into one, in the order of the parts. The parts stay as they are.

    Files are linked where the file system can do that, and copied otherwise. The head is written last, so that a
    stopped merge is no index, and can be run again.

    Raises:
        ValueError: parts that are missing, doubled, incomplete, or of different pictures or networks.
    """
    out = Path(out)
    stores = sorted((Store.open(folder) for folder in folders), key=lambda store: store.head.part)
    if not stores:
        raise ValueError("Name the folders of the parts to merge.")
    if (out / HEAD).is_file():
        raise ValueError(f"{out} holds an index already: give another --out.")
    first = stores[0].head
    for store in stores:
        store.check_complete()
        if differing := [name for name in SAME if getattr(store.head, name) != getattr(first, name)]:
            raise ValueError(
                f"{store.folder} is no part of the same index as {stores[0].folder}: it differs in "
                f"{', '.join(differing)}. All parts should be of the same pictures and the same network."
            )
    given = [store.head.part for store in stores]
    if given != list(range(1, first.parts + 1)):
        missing = sorted(set(range(1, first.parts + 1)) - set(given))
        what = f"part {missing[0]}/{first.parts} is missing" if missing else "a part is given twice"
        raise ValueError(f"The index has {first.parts} parts, and {what}; given are {', '.join(map(str, given))}.")
    out.mkdir(parents=True, exist_ok=True)
    total, chunks = sum(store.head.total for store in stores), sum(store.chunks for store in stores)
    head = dataclasses.replace(first, total=total, part=1, parts=1, merged=chunks)
    merged, number = Store(out, head), 0
    for store in stores:
        for own in range(store.chunks):
            _place(store.names_path(own), merged.names_path(number))
            _place(store.path(own), merged.path(number))
            number += 1
    write(out / HEAD, (json.dumps(dataclasses.asdict(head), indent=1) + "\n").encode())
    return merged


def _place(source: Path, target: Path) -> None:
    target.unlink(missing_ok=True)
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)
