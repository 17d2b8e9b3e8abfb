"""Export a mixed batch: images and mixtures as PNG, soft labels as a table, and a recipe that reproduces it."""

from __future__ import annotations

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
from mixviz.data.batch_loading import ImageSource, read, stacked
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
    found: Sequence[ImageSource], method: Method, folder: str | Path, *, seed: int = 0, lam: float | None = None,
    side: int = 512, detector: str | Saliency | None = None, network: Any = None,
) -> Generator[Step, None, None]:  # fmt: skip
    """Read, mix and write a batch, picture by picture.

    ``mixed/`` and ``originals/`` hold a PNG of every image, ``labels.csv`` a row per image with its soft label, and
    ``recipe.json`` the whole recipe. Nothing is written before the whole batch is mixed.

    Args:
        folder: output folder, created if missing.
        side: side in pixels of the square that every picture is cropped to.
        detector: saliency detector; None: the method's own. It also judges labels if no object masks are known.
        network: network for network-guided detectors.

    Raises:
        ValueError: fewer than two pictures can be read, or a requirement of the method is missing.
        OSError: a file cannot be written.
    """
    judge: str | Saliency = detector or getattr(method, "detector", "fine_grained")
    looks = "detector" in method.parameters() or not all(one.entry for one in found)
    kept, tiles, maps, total = [], [], [], 2 * len(found)
    for done, (one, tile, reason) in enumerate(read(found, side), 1):
        if tile is not None:
            kept.append(one)
            tiles.append(tile)
        yield Step(done, total, one.name, reason)
    pictures = stacked(kept, tiles)
    if looks:  # one at a time: a network would need gigabytes of memory for the whole batch
        maps = [_map(pictures.images, pictures.labels, n, judge, network) for n in range(len(kept))]
    batch = mix_batch(pictures, method, seed, lam, maps=torch.cat(maps) if maps else None, network=network)
    total = len(found) + len(kept)
    for done, name in enumerate(_write(batch, Path(folder)), len(found) + 1):
        yield Step(done, total, name)


def _map(images: Tensor, labels: Tensor, n: int, detector: str | Saliency, network: Any) -> Tensor:
    here = slice(n, n + 1)
    return saliency(images[here], detector, labels=labels[here], network=network)


def bundle(
    found: Sequence[ImageSource], method: Method, path: str | Path, **options: Any
) -> Generator[Step, None, None]:
    """:func:`record` into one zip, which is created only if the generator runs to its end."""
    with tempfile.TemporaryDirectory() as room:
        with closing(record(found, method, room, **options)) as walk:
            yield from walk
        parcel.pack(Path(room), Path(path))


def _write(batch: MixedBatch, folder: Path) -> Iterator[str]:
    """Write all files, each table row together with its pictures; yield the name of each picture."""
    names = [f"{n:03d}-{parcel.plain(name)}".rstrip("-") + ".png" for n, name in enumerate(batch.pictures.names, 1)]
    for part in ("mixed", "originals"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    text = json.dumps(recipe_of(batch, names), indent=1, ensure_ascii=False) + "\n"
    (folder / "recipe.json").write_text(text, encoding="utf-8", errors="backslashreplace")
    heads = [*COLUMNS, *(LABEL + name for name in batch.pictures.classes)]
    with parcel.table(folder / "labels.csv") as table:
        table.write(parcel.lines([dict(zip(heads, heads, strict=True))], heads))
        for n, name in enumerate(names):
            for part, image in (("originals", batch.pictures.images[n]), ("mixed", batch.mixed[n])):
                Image.fromarray(picture(image)).save(folder / part / name, compress_level=1)
            table.write(parcel.lines([row(batch, n, names)], heads))
            table.flush()
            yield batch.pictures.names[n]


def row(batch: MixedBatch, n: int, names: Sequence[str]) -> dict[str, Any]:
    """Table row of image n: its files, its partners' originals, λ, area and label shares, and its soft label."""
    drawn, pictures = batch.recipe.lam, batch.pictures
    who_is_in = batch.partners(n) or ([n] if batch.paired else [])
    return {
        "file": f"mixed/{names[n]}",
        "original": f"originals/{names[n]}",
        "picture": pictures.names[n],
        "class": pictures.classes[int(pictures.labels[n])],
        "partners": "; ".join(f"originals/{names[who]}" for who in who_is_in),
        "lambda": "" if drawn is None else _short(drawn[n].item()),
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
    told = zip(files, pictures.names, pictures.labels.tolist(), batch.rows, strict=True)
    return {
        **serialize.replay(batch.method.card.name, batch.method, batch.seed, batch.lam, pictures.images.shape[-1]),
        "classes": pictures.classes,
        "images": [
            {"file": file, "picture": name, "class": pictures.classes[label], **one} for file, name, label, one in told
        ],
    }
