"""One mixture of two pictures, told: what happened, in which steps, and where every number of the label comes from.

Nothing here knows a method by name: all of it is read off the recipe.
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
from mixviz.core.method import Method
from mixviz.core.parts import Aligned, Operations, Style, Weights
from mixviz.core.recipe import Recipe, Truth
from mixviz.explain import edits
from mixviz.i18n import say
from mixviz.ops import operations

FAIR = 0.05  # a label within five points of what can be seen is called fair
NOTHING = 0.05  # what is seen of less than this share of an object is called nothing


@dataclass(frozen=True, eq=False, kw_only=True)
class MixedExample:
    """Picture A augmented with B by one recipe (row 0 of a batch of the two).

    Attributes:
        names: labels of A and B.
        images: (2, 3, H, W) uint8.
        maps: (2, H, W) saliency.
        objects: (2, H, W) masks of the objects, or None where one of them is not known.
        lam: λ where it was held, else None.
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
        """The story with the patch at another place; see :func:`mixviz.explain.edits.move_patch`."""
        return dataclasses.replace(self, recipe=edits.move_patch(self.recipe, (box[0], box[1], box[2], box[3])))

    def painted(self, mask: Tensor) -> MixedExample:
        """The story with a painted mask; see :func:`mixviz.explain.edits.paint_mask`."""
        return dataclasses.replace(self, recipe=edits.paint_mask(self.recipe, mask))

    @cached_property
    def mixed(self) -> Tensor:
        """(3, H, W) uint8, what a network would be trained on."""
        return self.recipe.apply(self.images)[0]

    @cached_property
    def row(self) -> Recipe:
        """The recipe of A's mixture alone."""
        return self.recipe.row(0)

    @cached_property
    def truth(self) -> Truth:
        """The label against what can be seen of the objects, or of the salient parts where no object is known."""
        return self.row.truth(self.maps if self.objects is None else self.objects)

    @property
    def judge(self) -> str:
        """The reference for what is visible: ``object`` or ``saliency``."""
        return "saliency" if self.objects is None else "object"

    def by_picture(self, values: Tensor, whose: Tensor | None = None) -> tuple[float, float]:
        """(K, N) values of the sources added up by picture: A's, B's; or by ``whose`` (K, N) else they are."""
        sums, whose = [0.0, 0.0], self.recipe.partner if whose is None else whose
        for who, value in zip(whose[:, 0].tolist(), values[:, 0].tolist(), strict=True):
            sums[who] += value
        return sums[0], sums[1]

    @cached_property
    def share(self) -> tuple[float, float]:
        """The label: A's and B's share."""
        return self.by_picture(self.recipe.share)

    @cached_property
    def area(self) -> tuple[float, float]:
        """A's and B's realised share of the picture."""
        return self.by_picture(self.row.area)

    @cached_property
    def style(self) -> tuple[float, float]:
        """The share of the picture that is shown in A's style, and in B's."""
        return self.by_picture(self.row.area, self.recipe.style)

    @cached_property
    def fair(self) -> tuple[float, float]:
        """The label that what is visible would earn."""
        return self.by_picture(self.truth.fair)

    @cached_property
    def visible(self) -> tuple[float, float]:
        """The share of A's object that can be seen, and of B's."""
        a, b = self.by_picture(self.truth.visible)
        return min(a, 1.0), min(b, 1.0)

    @property
    def gap(self) -> float:
        """Label mass on the wrong picture, 0 to 1."""
        return sum(abs(s - f) for s, f in zip(self.share, self.fair, strict=True)) / 2

    @property
    def sentence(self) -> dict[str, Any]:
        """A sentence about this very mixture: {key, values} of a text."""
        return self.told()

    def told(self, language: str = "en") -> dict[str, Any]:
        """The same with values in a language: operations have names."""
        values = self.values
        if isinstance(self.recipe.mixing, Operations):
            values = values | {"operations": self.operations(language)}
        return {"key": f"sentence.{_sentence(self)}", "values": values}

    def operations(self, language: str = "en") -> str:
        """The operations on picture A in words; for a mixture of several versions, each with its weight."""
        row = self.row
        said = [operations.in_words(one[0], language) or say("as_it_is", language) for one in row.sequences or ()]
        if len(said) == 1:
            return said[0]
        weights = [] if row.weight is None else row.weight.mean((2, 3, 4))[:, 0].tolist()
        return " + ".join(f"{percent(weight)} ({text})" for weight, text in zip(weights, said, strict=True))

    @cached_property
    def values(self) -> dict[str, str]:
        """Values for the places in the sentences."""
        seen, share = self.visible, self.share
        return {
            "a": self.names[0], "b": self.names[1], "hidden": percent(1 - seen[0]), "seen_a": percent(seen[0]),
            "seen_b": percent(seen[1]), "share_a": percent(share[0]), "share_b": percent(share[1]),
            "fair_a": percent(self.fair[0]), "area_a": percent(self.area[0]), "area_b": percent(self.area[1]),
            "style_a": percent(self.style[0]), "layer": str(self.recipe.layer),
        }  # fmt: skip

    def text(self, language: str = "en") -> str:
        """The sentence in words."""
        sentence = self.told(language)
        return say(sentence["key"], language, **sentence["values"])


def percent(share: float) -> str:
    """A share to the nearest per cent."""
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
    """Plan the mixture of two pictures (2, 3, H, W), A with B; ``network`` is for methods that ask about the mixture.

    Raises:
        ValueError: the method misses something that it needs.
    """
    batch = Batch(images, torch.tensor([0, 1]), network, saliency=maps)
    recipe = method.plan(batch, np.random.default_rng(seed), lam=lam, partner=np.array([1, 0]))
    return MixedExample(
        names=names, images=images, maps=maps, objects=objects, method=method, recipe=recipe, seed=seed, lam=lam
    )


def _sentence(story: MixedExample) -> str:
    recipe, (own, _), (seen_a, seen_b) = story.recipe, story.share, story.visible
    if recipe.layer:
        return "inside"
    if isinstance(recipe.mixing, Operations) and any(of_source[0] for of_source in recipe.mixing.sequences):
        return "operations" if seen_a > 1 - NOTHING else "operations_lost"
    if min(story.area[0], story.style[0], own) > 0.9999:
        return "unchanged"
    if not recipe.paired:
        return "hole_missed" if seen_a > 1 - NOTHING else "hole"
    if isinstance(recipe.mixing, Style):
        return "style"
    weight, area = recipe.weight, story.area[0]
    if len(recipe.partner) > 2:
        return "tiles_fair" if story.gap <= FAIR else "tiles_off"
    if isinstance(recipe.mixing, Weights | Aligned) and weight is not None and weight.shape[-1] == 1 and area > 0.0001:
        return "faint" if recipe.label_by != "own" else "faint_own"
    if story.gap <= FAIR:
        return "fair"
    if seen_b < NOTHING and own < 1:
        return "empty"
    if own <= story.fair[0]:
        return "shows"
    return "hides" if seen_a <= 1 - NOTHING else "tiles_off"  # a patch beside A's object hides nothing


@dataclass(frozen=True)
class Step:
    """One step of a mixture: a text, the pictures to look at, a box on them, and a number.

    ``pictures`` are names of :func:`mixviz.render.export.tiles`, ``number`` is as it is shown.
    """

    key: str
    pictures: tuple[str, ...]
    number: str = ""
    box: tuple[float, float, float, float] | None = None
    peak: tuple[float, float] | None = None


def steps(story: MixedExample, language: str = "en") -> list[Step]:
    """The steps in the order in which they happen; the names of operations in a language."""
    recipe, pair = story.recipe, story.recipe.paired
    source, target = corner_fractions(recipe.source_box, recipe.size), corner_fractions(recipe.target_box, recipe.size)
    told = [Step("pictures", ("a", "b") if pair else ("a",), " + ".join(story.names) if pair else story.names[0])]
    if recipe.saliency is not None:
        told.append(_look(story, recipe.saliency[int(pair)], int(pair)))
    if recipe.lam is not None:
        key = "lam_held" if story.lam is not None else "lam_drawn"
        told.append(Step(key, ("a", "b") if pair else ("a",), f"λ = {recipe.lam[0]:.3f}"))
    if isinstance(recipe.mixing, Operations):
        told.append(Step("operations", ("a", "mixed"), story.operations(language)))
    if recipe.layer:
        key = "inside_style" if isinstance(recipe.mixing, Style) else "inside" if target is None else "inside_cut"
        told.append(Step(key, ("a", "b"), f"ℓ = {recipe.layer}", target))
    elif isinstance(recipe.mixing, Style):
        told.append(Step("style", ("a_styled", "b_styled"), f"A {story.style[0]:.3f}"))
    elif target is not None:
        told.append(Step(_cut(recipe), ("b",) if pair else ("a",), _sides(recipe), source or target))
        if source is not None and source != target:
            told.append(Step("place", ("a",), _sides(recipe, target=True), target))
    if not recipe.layer:
        told.append(Step("mask", ("mask",), f"A {story.area[0]:.3f}", None))
        told.append(Step("mix", ("mixed",), f"A {percent(story.area[0])}", target))
    label = [f"{name} {share:.3f}" for name, share in zip(story.names, story.share, strict=True)]
    told.append(Step(f"label_{recipe.label_by}", ("mixed",), " · ".join(label[: 1 + pair])))
    if not recipe.layer and pair:
        told.append(Step("truth", ("mixed",), f"{story.share[0]:.3f} ↔ {story.fair[0]:.3f}"))
    elif not recipe.layer:
        told.append(Step("truth_alone", ("mixed",), percent(story.visible[0])))
    return told


def _cut(recipe: Recipe) -> str:
    """Which text says what the patch is."""
    if len(recipe.partner) == 1:
        return "hole"
    return "cut_resized" if recipe.resample else "cut"


def _look(story: MixedExample, maps: Tensor, which: int) -> Step:
    row, column = divmod(int(maps.argmax()), maps.shape[1])
    height, width = story.recipe.size
    peak = ((row + 0.5) / height, (column + 0.5) / width)
    tied = int((maps == maps.max()).sum())
    number = f"({row}, {column})" + (f" · 1 / {tied}" if tied > 1 else "")
    return Step("saliency", (("heat_a", "heat_b")[which],), number, peak=peak)


def _sides(recipe: Recipe, target: bool = False) -> str:
    box = recipe.target_box if target or recipe.source_box is None else recipe.source_box
    if box is None:
        return ""
    top, left, bottom, right = box[0].tolist()
    return f"{bottom - top} × {right - left} px"


def corner_fractions(box: Tensor | None, size: tuple[int, int]) -> tuple[float, float, float, float] | None:
    """The first box (N, 4) as shares of the picture's sides; None where there is none or it is empty."""
    if box is None:
        return None
    top, left, bottom, right = box[0].tolist()
    if bottom <= top or right <= left:
        return None
    return top / size[0], left / size[1], bottom / size[0], right / size[1]
