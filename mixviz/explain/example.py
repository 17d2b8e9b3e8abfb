"""Explain one mixture of two images: a sentence, its steps, and the numbers of its label.

Everything is derived from the recipe; no method is known by name.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor

from mixviz.core.batch import Batch
from mixviz.core.follow import MovedObjects
from mixviz.core.method import Method
from mixviz.core.objects import Objects
from mixviz.core.parts import Aligned, Operations, Style, Unmixed, Weights
from mixviz.core.recipe import Recipe, Truth
from mixviz.explain import edits
from mixviz.i18n import say
from mixviz.ops import operations

FAIR = 0.05  # a label within five points of the visible shares is called fair
NOTHING = 0.05  # an object with less than this share visible is called invisible


@dataclass(frozen=True, eq=False, kw_only=True)
class MixedExample:
    """Image A augmented with B by one recipe (row 0 of a batch of the two).

    Attributes:
        names: labels of A and B.
        images: (2, 3, H, W) uint8.
        maps: (2, H, W) saliency.
        objects: (2, H, W) masks of the objects, or None if one of them is unknown.
        lam: the held λ, or None.
    """

    names: tuple[str, str]
    images: Tensor
    maps: Tensor
    objects: Tensor | None
    method: Method
    recipe: Recipe
    seed: int = 0
    lam: float | None = None

    def moved(self, box: Sequence[int]) -> MixedExample:
        """The example with its patch moved; see :func:`mixviz.explain.edits.move_patch`."""
        return dataclasses.replace(self, recipe=edits.move_patch(self.recipe, box))

    def painted(self, mask: Tensor) -> MixedExample:
        """The example with a painted mask; see :func:`mixviz.explain.edits.paint_mask`."""
        return dataclasses.replace(self, recipe=edits.paint_mask(self.recipe, mask))

    @cached_property
    def mixed(self) -> Tensor:
        """The mixture (3, H, W) uint8, as a network would be trained on it."""
        return self.recipe.apply(self.images)[0]

    @cached_property
    def sources(self) -> Tensor:
        """The images (2, 3, H, W) that are mixed: A and B, after operations that come before mixing."""
        return self.images if self.recipe.first is None else self.recipe.first.apply(self.images)

    @cached_property
    def source_maps(self) -> Tensor:
        """The saliency maps (2, H, W) that the method used, or else those of the example, of :attr:`sources`."""
        if self.recipe.saliency is not None:
            return self.recipe.saliency
        if self.recipe.before is None:
            return self.maps
        return operations.carry(self.recipe.before.sequences[0], self.maps[:, None])[:, 0].clamp(0, 1)

    @cached_property
    def row(self) -> Recipe:
        """The recipe of A's mixture only."""
        return self.recipe.row(0)

    @cached_property
    def truth(self) -> Truth:
        """Comparison of the label with the visible objects, or with the visible saliency if no object is known."""
        return self.row.truth(self.maps if self.objects is None else self.objects)

    @cached_property
    def followed(self) -> MovedObjects | None:
        """The objects of A and B that can be seen in the mixture; None if one of them is unknown."""
        if self.objects is None:
            return None
        return self.recipe.follow(_whole(self.objects), mixtures=range(1))

    @property
    def reference(self) -> str:
        """The reference for visibility: ``object`` or ``saliency``."""
        return "saliency" if self.objects is None else "object"

    def by_picture(self, values: Tensor, index: Tensor | None = None) -> tuple[float, float]:
        """Sum (K, N) values of the sources for A and for B, by ``index`` (K, N), which defaults to the partners."""
        sums, index = [0.0, 0.0], self.recipe.partner if index is None else index
        for picture, value in zip(index[:, 0].tolist(), values[:, 0].tolist(), strict=True):
            sums[picture] += value
        return sums[0], sums[1]

    @cached_property
    def share(self) -> tuple[float, float]:
        """The label shares of A and B."""
        return self.by_picture(self.recipe.share)

    @cached_property
    def area(self) -> tuple[float, float]:
        """The realised shares of the image of A and B."""
        return self.by_picture(self.row.area)

    @cached_property
    def style(self) -> tuple[float, float]:
        """The shares of the image in the style of A and of B."""
        return self.by_picture(self.row.area, self.recipe.style)

    @cached_property
    def fair(self) -> tuple[float, float]:
        """The label that follows from the visible shares."""
        return self.by_picture(self.truth.fair)

    @cached_property
    def visible(self) -> tuple[float, float]:
        """The visible shares of A's and B's objects."""
        a, b = self.by_picture(self.truth.visible)
        return min(a, 1.0), min(b, 1.0)

    @property
    def gap(self) -> float:
        """Label mass on the wrong image, 0 to 1."""
        return sum(abs(s - f) for s, f in zip(self.share, self.fair, strict=True)) / 2

    @property
    def sentence(self) -> dict[str, Any]:
        """A sentence about this mixture: {key, values} of a text."""
        return self.sentence_in()

    def sentence_in(self, language: str = "en") -> dict[str, Any]:
        """:attr:`sentence` with the names of operations in a language."""
        values = self.values
        if isinstance(self.recipe.mixing, Operations):
            values = values | {"operations": self.operations(language)}
        return {"key": f"sentence.{_sentence(self)}", "values": values}

    def operations(self, language: str = "en") -> str:
        """The operations on image A in words, with weights if several versions are mixed; empty if there are none."""
        mixing = self.row.mixing
        if not isinstance(mixing, Operations):
            return ""
        versions = [
            operations.in_words(source[0], language) or say("as_it_is", language) for source in mixing.sequences
        ]
        if isinstance(mixing.base, Unmixed) or len(versions) == 1:
            return versions[0]
        weights = mixing.base.weight.mean((2, 3, 4))[:, 0].tolist()
        return " + ".join(f"{percent(weight)} ({text})" for weight, text in zip(weights, versions, strict=True))

    def operations_before(self, language: str = "en") -> str:
        """The operations on A and on B that come before mixing, in words; empty without."""
        if self.recipe.before is None:
            return ""
        pictures = [(name, self.recipe.before.sequences[0][i]) for i, name in enumerate(self.names)]
        return " · ".join(
            f"{name}: {operations.in_words(of, language) or say('as_it_is', language)}" for name, of in pictures
        )

    @cached_property
    def values(self) -> dict[str, str]:
        """Values for the placeholders in the sentences."""
        visible, share = self.visible, self.share
        return {
            "a": self.names[0], "b": self.names[1], "hidden": percent(1 - visible[0]), "seen_a": percent(visible[0]),
            "seen_b": percent(visible[1]), "share_a": percent(share[0]), "share_b": percent(share[1]),
            "fair_a": percent(self.fair[0]), "area_a": percent(self.area[0]), "area_b": percent(self.area[1]),
            "style_a": percent(self.style[0]), "layer": str(self.recipe.layer),
        }  # fmt: skip

    def text(self, language: str = "en") -> str:
        """The sentence in words."""
        sentence = self.sentence_in(language)
        return say(sentence["key"], language, **sentence["values"])


def percent(share: float) -> str:
    """Format a share to the nearest per cent."""
    return f"{math.floor(100 * share + 0.5)}\u00a0%"  # halves go up, as they do in the page's script


def make_example(
    images: Tensor,
    method: Method,
    seed: int,
    lam: float | None,
    *,
    maps: Tensor,
    names: tuple[str, str] = ("A", "B"),
    objects: Tensor | None = None,
    network: Callable[[Tensor], Tensor] | None = None,
) -> MixedExample:
    """Plan the mixture of two images (2, 3, H, W), A with B; ``network`` is for methods that need one.

    Raises:
        ValueError: the method lacks something that it needs.
    """
    given = _whole(objects) if method.looks_at_objects and objects is not None else None
    batch = Batch(images, torch.tensor([0, 1]), network, saliency=maps, objects=given)
    recipe = method.plan(batch, np.random.default_rng(seed), lam=lam, partner=np.array([1, 0]))
    return MixedExample(
        names=names, images=images, maps=maps, objects=objects, method=method, recipe=recipe, seed=seed, lam=lam
    )


def _whole(masks: Tensor) -> Objects:
    """The objects of two images, by their masks (2, H, W)."""
    size = int(masks.shape[1]), int(masks.shape[2])
    return Objects(size=size, count=2, image=torch.arange(2), masks=masks > 0.5)


def _sentence(example: MixedExample) -> str:
    recipe, (own, _), (seen_a, seen_b) = example.recipe, example.share, example.visible
    if recipe.layer:
        return "inside"
    if isinstance(recipe.mixing, Operations) and any(source[0] for source in recipe.mixing.sequences):
        return "operations" if seen_a > 1 - NOTHING else "operations_lost"
    if min(example.area[0], example.style[0], own) > 0.9999:
        return "unchanged"
    if not recipe.paired:
        return "hole_missed" if seen_a > 1 - NOTHING else "hole"
    if isinstance(recipe.mixing, Style):
        return "style"
    if len(recipe.partner) > 2:
        return "tiles_fair" if example.gap <= FAIR else "tiles_off"
    mixing = recipe.mixing
    if isinstance(mixing, Weights | Aligned) and mixing.base.weight.shape[-1] == 1 and example.area[0] > 0.0001:
        return "faint" if recipe.label_by != "own" else "faint_own"
    if example.gap <= FAIR:
        return "fair"
    if seen_b < NOTHING and own < 1:
        return "empty"
    if own <= example.fair[0]:
        return "shows"
    return "hides" if seen_a <= 1 - NOTHING else "tiles_off"  # a patch beside A's object hides nothing


@dataclass(frozen=True)
class Step:
    """One step of a mixture: the key of a text, the images to show, a box on them, and a number.

    ``pictures`` are names of :func:`mixviz.render.export.tiles`; ``number`` is formatted for display.
    """

    key: str
    pictures: tuple[str, ...]
    number: str = ""
    box: tuple[float, float, float, float] | None = None
    peak: tuple[float, float] | None = None


def steps(example: MixedExample, language: str = "en") -> list[Step]:
    """The steps of a mixture in order, with the names of operations in a language."""
    recipe, pair = example.recipe, example.recipe.paired
    source_box, target_box = recipe.source_box, recipe.target_box
    source, target = corner_fractions(source_box, recipe.size), corner_fractions(target_box, recipe.size)
    result = [Step("pictures", ("a", "b") if pair else ("a",), " + ".join(example.names) if pair else example.names[0])]
    if recipe.before is not None:
        result.append(Step("before", ("a", "b"), example.operations_before(language)))
    if recipe.saliency is not None:
        index = int(pair)  # the partner's map, if there is a partner
        result.append(_saliency_step(("heat_a", "heat_b")[index], recipe.saliency[index], recipe.size))
    if recipe.lam is not None:
        key = "lam_held" if example.lam is not None else "lam_drawn"
        result.append(Step(key, ("a", "b") if pair else ("a",), f"λ = {recipe.lam[0]:.3f}"))
    if isinstance(recipe.mixing, Operations):
        result.append(Step("operations", ("a", "mixed"), example.operations(language)))
    if recipe.layer:
        key = "inside_style" if isinstance(recipe.mixing, Style) else "inside" if target is None else "inside_cut"
        result.append(Step(key, ("a", "b"), f"ℓ = {recipe.layer}", target))
    elif isinstance(recipe.mixing, Style):
        result.append(Step("style", ("a_styled", "b_styled"), f"A {example.style[0]:.3f}"))
    elif target is not None and target_box is not None:
        sides = _sides(target_box if source_box is None else source_box)
        result.append(Step(_cut(recipe), ("b",) if pair else ("a",), sides, source or target))
        if source is not None and source != target:
            result.append(Step("place", ("a",), _sides(target_box), target))
    if not recipe.layer:
        result.append(Step("mask", ("mask",), f"A {example.area[0]:.3f}", None))
        result.append(Step("mix", ("mixed",), f"A {percent(example.area[0])}", target))
    label = [f"{name} {share:.3f}" for name, share in zip(example.names, example.share, strict=True)]
    result.append(Step(f"label_{recipe.label_by}", ("mixed",), " · ".join(label[: 1 + pair])))
    if not recipe.layer and pair:
        result.append(Step("truth", ("mixed",), f"{example.share[0]:.3f} ↔ {example.fair[0]:.3f}"))
    elif not recipe.layer:
        result.append(Step("truth_alone", ("mixed",), percent(example.visible[0])))
    return result


def _cut(recipe: Recipe) -> str:
    """Return the key of the text about the patch."""
    if len(recipe.partner) == 1:
        return "hole"
    return "cut_resized" if recipe.resample else "cut"


def _saliency_step(tile: str, saliency: Tensor, size: tuple[int, int]) -> Step:
    row, column = divmod(int(saliency.argmax()), saliency.shape[1])
    peak = ((row + 0.5) / size[0], (column + 0.5) / size[1])
    tied = int((saliency == saliency.max()).sum())
    number = f"({row}, {column})" + (f" · 1 / {tied}" if tied > 1 else "")
    return Step("saliency", (tile,), number, peak=peak)


def _sides(box: Tensor) -> str:
    top, left, bottom, right = box[0].tolist()
    return f"{bottom - top} × {right - left} px"


def corner_fractions(box: Tensor | None, size: tuple[int, int]) -> tuple[float, float, float, float] | None:
    """The first of boxes (N, 4) as shares of the image's sides; None if there is none or it is empty."""
    if box is None:
        return None
    top, left, bottom, right = box[0].tolist()
    if bottom <= top or right <= left:
        return None
    return top / size[0], left / size[1], bottom / size[0], right / size[1]
