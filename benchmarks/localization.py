"""Localisation by kind of map, layer and size of the object, always beside the middle of the picture.

    python -m benchmarks.localization --pets DATA --tiny DATA --write docs/localization.md

Objects are grouped by the share of the picture that their box takes. Boxes of pets come from their masks; scenes
(:mod:`mixviz.data.scenes`) show the same pets, and the bundled photographs, small and anywhere. Maps are those of the
class that the network names for the photograph itself; of Tiny-ImageNet those of the true class.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from benchmarks.timing import table
from mixviz.cam import formulas, grad_cam
from mixviz.cam.boxes import STEPS, boxes_at
from mixviz.cam.inference import LoadedModel, open_networks
from mixviz.cam.localization import BoxScores, box_scores, centre_heat, heat, mask_boxes, trimap
from mixviz.cam.methods import KINDS
from mixviz.core.inference import NormalizedModel
from mixviz.data import pictures, scenes, sources
from mixviz.data.dataset import Box, Dataset, read
from mixviz.explain import serialize

SECTION = "localisation"
SIZES = (0, 0.1, 0.3, 0.6, 1)  # shares of the picture between which objects are grouped
SHARES = 0.05, 0.6  # of the objects in scenes, evenly spread by their logarithm
FIXED = 0.2  # the threshold of Zhou et al., CVPR 2016, and of the page
BATCH = 25
MIDDLE = "always the middle"
PASTED = "Pets pasted into other photographs"
# (kind of map, resolutions before the last, strides removed)
WAYS = (
    ("grad_cam", 0, 0), ("grad_cam", 0, 1), ("grad_cam", 0, 2), ("grad_cam", 1, 0), ("grad_cam_plus_plus", 0, 1),
    ("hires_cam", 1, 0), ("layer_cam", 0, 0), ("layer_cam", 0, 1), ("layer_cam", 1, 0), ("layer_cam", 2, 0),
)  # fmt: skip


class Example(NamedTuple):
    """A view (side, side, 3) uint8, the class of its map, and the object's box in it."""

    view: np.ndarray
    label: int
    box: Box

    @property
    def share(self) -> float:
        """Share of the view that the box takes."""
        top, left, bottom, right = self.box
        return (bottom - top) * (right - left) / self.view[..., 0].size


class Source(NamedTuple):
    """An object in a photograph, cut out by a mask (H, W) where there is one, and the class that is named for it."""

    picture: np.ndarray
    box: Box
    mask: np.ndarray | None
    label: int


def named(model: LoadedModel, view: np.ndarray) -> int:
    """The class that the network names for a view."""
    return int(_pixels(model)(_batch([view])).argmax())


def _pixels(model: LoadedModel) -> NormalizedModel:
    return NormalizedModel(model.network, model.card.network.mean, model.card.network.std)


def _batch(views: Sequence[np.ndarray]) -> Tensor:
    return torch.from_numpy(np.stack(views)).permute(0, 3, 1, 2)


def photographs(model: LoadedModel) -> Iterator[Source]:
    """The bundled photographs."""
    for file, entry in pictures.photographs().items():
        picture = pictures.load_image(pictures.photograph_path(file))
        top, left, bottom, right = entry["box"]
        yield Source(picture, (top, left, bottom, right), None, named(model, _view(picture, model.side)))


def pets(model: LoadedModel, split: Dataset) -> Iterator[Source]:
    """The pets, with their masks."""
    for path, mask_path in zip(split.pictures, split.masks, strict=True):
        picture = np.asarray(read(path))
        with Image.open(mask_path) as image:
            mask = trimap(torch.from_numpy(np.array(image.convert("L"))))
        top, left, bottom, right = mask_boxes(mask[None])[0][0].tolist()
        label = named(model, _view(picture, model.side))
        yield Source(picture, (top, left, bottom, right), mask.numpy(), label)


def tiny_imagenet(model: LoadedModel, split: Dataset) -> Iterator[Example]:
    """Tiny-ImageNet's pictures of the classes that the network knows."""
    known = {name.casefold(): index for index, name in enumerate(model.card.data.keys or model.classes)}
    own = split.keys if model.card.data.keys else split.classes
    for path, label, box in zip(split.pictures, split.labels.tolist(), split.boxes, strict=True):
        if (index := known.get(own[label].casefold())) is not None:
            seen = pictures.view_box(box, (split.side, split.side), model.side)
            yield Example(_view(np.asarray(read(path)), model.side), index, seen)


def _view(picture: np.ndarray, side: int) -> np.ndarray:
    return pictures.view_of(Image.fromarray(picture), side)


def whole(model: LoadedModel, found: Sequence[Source]) -> list[Example]:
    """The photographs as they are."""
    examples = []
    for one in found:
        height, width = one.picture.shape[:2]
        box = pictures.view_box(one.box, (height, width), model.side)
        examples.append(Example(_view(one.picture, model.side), one.label, box))
    return examples


def surrounded(model: LoadedModel, found: Sequence[Source], seed: int) -> list[Example]:
    """The photographs made small, in their own surroundings."""
    rng = np.random.default_rng(seed)
    return [
        Example(view, one.label, box)
        for one in found
        for view, box in [scenes.surrounded(one.picture, one.box, _share(rng), model.side, rng)]
    ]


def pasted(model: LoadedModel, found: Sequence[Source], behind: Sequence[Source], seed: int) -> list[Example]:
    """The objects cut out and pasted into other photographs."""
    rng, examples = np.random.default_rng(seed), []
    for one in found:
        background = behind[int(rng.integers(len(behind)))].picture
        if one.mask is not None:
            view, box = scenes.pasted(one.picture, one.mask, background, _share(rng), model.side, rng)
            examples.append(Example(view, one.label, box))
    return examples


def _share(rng: np.random.Generator) -> float:
    return float(np.exp(rng.uniform(*np.log(SHARES))))


def maps_of(model: LoadedModel, examples: Sequence[Example], layer: str, kinds: Sequence[str]) -> dict[str, Tensor]:
    """Kind -> heat (N, side, side) of the examples' classes, by one pass through the network for all kinds."""
    found: dict[str, list[Tensor]] = {kind: [] for kind in kinds}
    pixels = _pixels(model)
    for start in range(0, len(examples), BATCH):
        some = examples[start : start + BATCH]
        labels = torch.tensor([one.label for one in some])
        evidence = grad_cam.evidence(
            model.network, pixels.normalised(_batch([one.view for one in some])), labels, layer
        )
        for kind in kinds:
            found[kind].append(heat(_maps(kind, evidence), (model.side, model.side)))
    return {kind: torch.cat(maps) for kind, maps in found.items()}


def _maps(kind: str, evidence: grad_cam.Evidence) -> Tensor:
    """Maps (N, h, w) of a kind that needs no further pass."""
    if kind != "grad_cam":
        return formulas.quick(kind, evidence)[:, 0]
    assert evidence.slopes is not None
    return torch.einsum("nc,nchw->nhw", evidence.slopes[:, 0].mean((2, 3)), evidence.features).relu()


def scored(examples: Sequence[Example], maps: Tensor) -> list[BoxScores | None]:
    """Scores of the maps by size of the object; None where there is no such object."""
    shares, boxes = np.array([one.share for one in examples]), [torch.tensor([one.box]) for one in examples]
    scores = box_scores(maps, boxes)
    groups = [torch.from_numpy((low < shares) & (shares <= high)) for low, high in pairwise(SIZES)]
    return [BoxScores(scores.largest[group], scores.every[group]) if group.any() else None for group in groups]


def rows(model: LoadedModel, examples: Sequence[Example]) -> dict[str, list[BoxScores | None]]:
    """Row -> scores by size, of the middle and of every way to make a map."""
    size = model.side, model.side
    result = {MIDDLE: scored(examples, centre_heat(size))}
    layers = list(grad_cam.feature_layers(model.network, size))[::-1]
    for earlier, n in sorted({way[1:] for way in WAYS}):
        if earlier >= len(layers):
            continue
        finer, layer = model.dilated(n), layers[earlier]
        height, width = grad_cam.evidence(finer.network, torch.zeros(1, 3, *size), layer=layer, slopes=False).grid.size
        kinds = [way[0] for way in WAYS if way[1:] == (earlier, n)]
        for kind, maps in maps_of(finer, examples, layer, kinds).items():
            name = f"{KINDS[kind].title}, `{layer}` {height}x{width}{', dilated' if n else ''}"
            result[name] = scored(examples, maps)
    order = [MIDDLE, *sorted(list(result)[1:], key=lambda name: name.split(",")[0])]
    return {name: result[name] for name in order}


def _cell(scores: BoxScores | None, number: Callable[[BoxScores], str]) -> str:
    return "" if scores is None else number(scores)


def report(title: str, found: dict[str, list[BoxScores | None]], thresholds: bool) -> str:
    """A Markdown table of MaxBoxAccV2; on demand another one, of MaxBoxAcc with the best threshold and a fixed one."""
    counts = [0 if scores is None else len(scores.largest) for scores in found[MIDDLE]]
    names = [f"{100 * low:.0f}–{100 * high:.0f} %" for low, high in pairwise(SIZES)]
    header = ["map", *(f"{name} ({count})" for name, count in zip(names, counts, strict=True))]

    def v2(scores: BoxScores) -> str:
        return f"{100 * scores.max_box_acc_v2:.1f}"

    def both(scores: BoxScores) -> str:
        best, fixed = scores.max_box_acc, scores.accuracy()[round(FIXED * STEPS)].item()
        return f"{100 * best.accuracy:.0f} (τ {best.threshold:.2f}); {100 * fixed:.0f}"

    def cells(number: Callable[[BoxScores], str]) -> list[list[str]]:
        return [[name, *(number(one) if one else "" for one in scores)] for name, scores in found.items()]

    text = table(f"{title}: MaxBoxAccV2 in percent", header, cells(v2))
    if thresholds:
        text += "\n" + table(
            f"{title}: boxes with IoU ≥ 0.5 in percent, at the best τ; at τ = {FIXED}", header, cells(both)
        )
    return text


def answers(model: LoadedModel, examples: Sequence[Example]) -> str:
    """A Markdown table of whether the network still names the class of the maps, and of how large boxes are."""
    layer = grad_cam.last_layer(model.network, (model.side, model.side))
    maps = maps_of(model, examples, layer, ["grad_cam"])["grad_cam"]
    boxes = [boxes_at(one, FIXED)[0].tolist() for one in maps]
    drawn = np.array([(bottom - top) * (right - left) for top, left, bottom, right in boxes]) / model.side**2
    named_so = np.array([named(model, one.view) == one.label for one in examples])
    shares, lines = np.array([one.share for one in examples]), []
    for low, high in pairwise(SIZES):
        group = (low < shares) & (shares <= high)
        if group.any():
            percents = 100 * np.array([named_so[group].mean(), np.median(shares[group]), np.median(drawn[group])])
            numbers = [f"{value:.1f}" for value in percents]
            lines.append([f"{100 * low:.0f}–{100 * high:.0f} % ({group.sum()})", *numbers])
    header = ["size", "scene named like the photograph", "object's box, median", f"box at τ = {FIXED}, median"]
    return table(f"{PASTED}: Grad-CAM of `{layer}`, in percent", header, lines)


def sets(
    model: LoadedModel, pets_root: Path | None, tiny_root: Path | None, limit: int, seed: int
) -> Iterator[tuple[str, list[Example]]]:
    """Title -> examples of every set that can be measured."""
    ours = list(photographs(model))
    if pets_root is not None:
        parts = [sources.load("oxford_pet", pets_root, part) for part in ("train", "val")]
        split = parts[0].joined(parts[1])
        found = list(pets(model, split.take(_some(len(split), limit, seed))))
        cats_and_dogs = {"cat", "dog"}
        behind = [one for one, entry in zip(ours, pictures.photographs().values(), strict=True)
                  if entry["label"] not in cats_and_dogs]  # fmt: skip
        alone = pasted(model, found, behind, seed)
        yield PASTED, alone
        rng = np.random.default_rng(seed)  # what a map finds of a class that is not there, it finds without the class
        anything = [one._replace(label=int(rng.integers(len(model.classes)))) for one in alone]
        yield f"{PASTED}, maps of a class drawn at random", anything
        yield "Pets made small, in their own surroundings", surrounded(model, found, seed)
        yield "Pets as they were photographed", whole(model, found)
    if tiny_root is not None:
        split = sources.load("tiny_imagenet", tiny_root, "val")
        yield "Tiny-ImageNet", list(tiny_imagenet(model, split.take(_some(len(split), limit, seed))))
    # Several places each, because there are few photographs.
    yield "Bundled photographs made small", [one for i in range(5) for one in surrounded(model, ours, seed + i)]


def _some(count: int, limit: int, seed: int) -> list[int]:
    return np.random.default_rng(seed).permutation(count)[:limit].tolist()


def main() -> None:
    """Measure, print the tables, and write them into a page of the docs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--network", default="efficientnet_lite0", help="of the zoo, or a folder with card and weights")
    parser.add_argument("--pets", type=Path, help="folder of Oxford-IIIT Pet; without it the pets are left out")
    parser.add_argument("--tiny", type=Path, help="folder of Tiny-ImageNet; without it that is left out")
    parser.add_argument("--limit", type=int, default=150, help="pictures of each data set")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--write", type=Path, help=f"page with <!-- {SECTION} --> and <!-- /{SECTION} -->")
    options = parser.parse_args()
    model, texts = open_networks(options.network)[0], []
    for title, examples in sets(model, options.pets, options.tiny, options.limit, options.seed):
        texts.append(report(title, rows(model, examples), thresholds=title == PASTED))
        if title == PASTED:
            texts[-1] += f"\n{answers(model, examples)}"
        print(texts[-1], flush=True)
    if options.write:
        page = options.write.read_text(encoding="utf-8")
        options.write.write_text(serialize.replace_section(page, SECTION, "\n".join(texts)), encoding="utf-8")


if __name__ == "__main__":
    main()
