"""Export a mixed batch: images and mixtures as PNG, soft labels as a table, and a recipe that reproduces it."""

from __future__ import annotations

import dataclasses
import json
import tempfile
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

import torch
from PIL import Image
from torch import Tensor

from mixviz.core.method import Method
from mixviz.core.saliency import Saliency
from mixviz.core.transforms import saliency
from mixviz.data.annotations import coco, fitting
from mixviz.data.annotations.records import Annotations
from mixviz.data.batch_loading import ImageSource, read, stacked, with_objects
from mixviz.data.files import parcel
from mixviz.explain import serialize
from mixviz.render.batch_sheet import MixedBatch, mix_batch
from mixviz.render.panels import picture

LABEL = "label: "  # prefix of class columns, since a class may be called "file"
COLUMNS = ("file", "original", "picture", "class", "partners", "lambda", "own_area", "own_label", "label_off")


class Step(NamedTuple):
    """Progress of an export; ``reason`` says why a picture was left out."""

    done: int
    total: int
    name: str
    reason: str = ""


def record(
    sources: Sequence[ImageSource], method: Method, folder: str | Path, *, seed: int = 0, lam: float | None = None,
    side: int = 512, detector: str | Saliency | None = None, network: Any = None,
    annotations: Annotations | None = None, min_visible: float = 0.0,
) -> Generator[Step, None, None]:  # fmt: skip
    """Read, mix and write a batch, picture by picture.

    ``mixed/`` and ``originals/`` hold a PNG of every image, ``labels.csv`` a row per image with its soft label, and
    ``recipe.json`` the whole recipe; with ``annotations``, ``objects.json`` is a COCO file of the mixtures. Nothing is
    written before the whole batch is mixed.

    Args:
        folder: output folder, created if missing.
        side: side in pixels of the square that every picture is cropped to.
        detector: saliency detector; None: the method's own. It also judges labels if no object masks are known.
        network: network for network-guided detectors.
        annotations: objects of the pictures, which are followed into the mixtures.
        min_visible: leave out objects of which a smaller share is seen in a mixture.

    Raises:
        ValueError: fewer than two pictures can be read, or a requirement of the method is missing.
        OSError: a file cannot be written.
    """
    chosen_detector: str | Saliency = detector or getattr(method, "detector", "fine_grained")
    needs_saliency = "detector" in method.parameters() or not all(source.entry for source in sources)
    readable, tiles, maps, total = [], [], [], 2 * len(sources)
    for done, (source, tile, reason) in enumerate(read(sources, side), 1):
        if tile is not None:
            readable.append(source)
            tiles.append(tile)
        yield Step(done, total, source.name, reason)
    pictures = stacked(readable, tiles)
    if annotations is not None:
        pictures = with_objects(pictures, fitting.of_squares(annotations, pictures.names, side))
    if needs_saliency:  # one at a time: a network would need gigabytes of memory for the whole batch
        maps = [_map(pictures.images, pictures.labels, n, chosen_detector, network) for n in range(len(readable))]
    batch = mix_batch(pictures, method, seed, lam, maps=torch.cat(maps) if maps else None, network=network)
    total = len(sources) + len(readable)
    for done, name in enumerate(_write(batch, Path(folder)), len(sources) + 1):
        yield Step(done, total, name)
    if annotations is not None:
        coco.write(Path(folder) / "objects.json", annotated(batch, annotations, min_visible))


def _map(images: Tensor, labels: Tensor, n: int, detector: str | Saliency, network: Any) -> Tensor:
    return saliency(images[n : n + 1], detector, labels=labels[n : n + 1], network=network)


def bundle(
    sources: Sequence[ImageSource], method: Method, path: str | Path, **options: Any
) -> Generator[Step, None, None]:
    """:func:`record` into one zip, which is created only if the generator runs to its end."""
    with tempfile.TemporaryDirectory() as temporary:
        with closing(record(sources, method, temporary, **options)) as export_steps:
            yield from export_steps
        parcel.pack(Path(temporary), Path(path))


def annotated(batch: MixedBatch, annotations: Annotations, min_visible: float = 0.0) -> Annotations:
    """Annotations of the mixtures: of each object its visible share, its weight and the original it comes from too."""
    moved = batch.followed(min_visible)
    assert moved is not None, "the batch has the annotations' objects"
    names = _files(batch)
    origin = [f"originals/{names[i]}" for i in moved.source.tolist()]
    visible, weight = (list(map(_short, column.tolist())) for column in (moved.visible, moved.weight))
    more = {"visible": visible, "weight": weight, "source": origin}
    objects = dataclasses.replace(moved.objects, extras={**moved.objects.extras, **more}, checked=True)
    classes = annotations.classes
    if objects.classes is None:  # COCO has no object without a class
        objects = dataclasses.replace(objects, classes=torch.zeros_like(objects.image), checked=True)
        classes = ("object",)
    elif not classes:
        classes = tuple(map(str, range(int(objects.classes.amax()) + 1 if len(objects) else 1)))
    files = [f"mixed/{name}" for name in names]
    return Annotations.of(objects, files, classes, class_ids=annotations.class_ids)


def _files(batch: MixedBatch) -> list[str]:
    """The file name of each image of a batch."""
    return [f"{n:03d}-{parcel.plain(name)}".rstrip("-") + ".png" for n, name in enumerate(batch.pictures.names, 1)]


def _write(batch: MixedBatch, folder: Path) -> Iterator[str]:
    """Write all files, each table row together with its pictures; yield the name of each picture."""
    names = _files(batch)
    for part in ("mixed", "originals"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    text = json.dumps(recipe_of(batch, names), indent=1, ensure_ascii=False) + "\n"
    (folder / "recipe.json").write_text(text, encoding="utf-8", errors="backslashreplace")
    columns = [*COLUMNS, *(LABEL + name for name in batch.pictures.classes)]
    with parcel.table(folder / "labels.csv") as table:
        table.write(parcel.lines([dict(zip(columns, columns, strict=True))], columns))
        for n, name in enumerate(names):
            for part, image in (("originals", batch.pictures.images[n]), ("mixed", batch.mixed[n])):
                Image.fromarray(picture(image)).save(folder / part / name, compress_level=1)
            table.write(parcel.lines([row(batch, n, names)], columns))
            table.flush()
            yield batch.pictures.names[n]


def row(batch: MixedBatch, n: int, names: Sequence[str]) -> dict[str, Any]:
    """Table row of image n: its files, its partners' originals, λ, area and label shares, and its soft label."""
    lam, pictures = batch.recipe.lam, batch.pictures
    partners = batch.partners(n) or ([n] if batch.paired else [])
    return {
        "file": f"mixed/{names[n]}",
        "original": f"originals/{names[n]}",
        "picture": pictures.names[n],
        "class": pictures.classes[int(pictures.labels[n])],
        "partners": "; ".join(f"originals/{names[partner]}" for partner in partners),
        "lambda": "" if lam is None else _short(lam[n].item()),
        "own_area": "" if batch.inside else _short(batch.own(n, "area")),
        "own_label": _short(batch.own(n, "share")),
        "label_off": "" if batch.inside else _short(batch.gap(n)),
        **{LABEL + name: _short(x) for name, x in zip(pictures.classes, batch.targets[n].tolist(), strict=True)},
    }


def _short(number: float) -> float:
    """Round to 7 decimals, the precision of float32."""
    return round(number, 7)


def recipe_of(batch: MixedBatch, files: Sequence[str]) -> dict[str, Any]:
    """Everything needed to reproduce a batch, and its recipe per image; partners are indices from 0."""
    pictures = batch.pictures
    rows = zip(files, pictures.names, pictures.labels.tolist(), batch.rows, strict=True)
    return {
        **serialize.replay(batch.method.card.name, batch.method, batch.seed, batch.lam, pictures.images.shape[-1]),
        "classes": pictures.classes,
        "images": [
            {"file": file, "picture": name, "class": pictures.classes[label], **row} for file, name, label, row in rows
        ],
    }
