"""Targets of every kind: classes, several labels per image, numbers, vectors, and the classes of objects."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from cases import each_case, variants
from test_follow import bare, blend, cut, one, plan, scattered

import mixviz
from mixviz import METHODS, Objects
from mixviz.core.follow_parts import SEEN
from mixviz.core.parts import Weights
from mixviz.core.recipe import Recipe
from mixviz.core.targets import multi_hot

SEVERAL = torch.tensor([[1.0, 1, 0], [0, 1, 1]])


def close(given, expected) -> None:
    torch.testing.assert_close(given, torch.tensor(expected) if isinstance(expected, list) else expected)


def mosaic() -> Recipe:
    """Four images of 4 x 4 pixels, each of which shows all four in equal parts."""
    who = torch.stack([torch.arange(4).roll(-k) for k in range(4)])
    weight = torch.zeros(4, 4, 1, 4, 4)
    for k, (row, column) in enumerate([(0, 0), (0, 2), (2, 2), (2, 0)]):
        weight[k, ..., row : row + 2, column : column + 2] = 1
    return Recipe(size=(4, 4), partner=who, share=torch.full((4, 4), 0.25), mixing=Weights(weight))


# ---------------------------------------------------------------- by hand


def test_several_labels_by_share_and_their_union():
    recipe = blend(0.7)
    close(recipe.targets(SEVERAL, 3), [[0.7, 1, 0.3], [0.3, 1, 0.7]])
    close(recipe.targets(SEVERAL, 3, rule="union"), [[1.0, 1, 1], [1, 1, 1]])
    for given in (SEVERAL.bool(), SEVERAL.long()):
        for rule in ("share", "union"):
            close(recipe.targets(given, rule=rule), recipe.targets(SEVERAL, 3, rule=rule))
    weighted = torch.tensor([[0.5, 0.2, 0], [0, 0.9, 2.0]])
    close(recipe.targets(weighted, 3, rule="union"), [[0.5, 0.9, 2], [0.5, 0.9, 2]])


def test_a_mosaic_is_a_problem_of_four_labels():
    labels = torch.tensor([4, 0, 2, 0])
    close(mosaic().targets(labels, 5, rule="union"), [[1.0, 0, 1, 0, 1]] * 4)
    close(mosaic().targets(labels, 5), [[0.5, 0, 0.25, 0, 0.25]] * 4)
    # the same as N terms of a loss, one for each source
    recipe, logits = mosaic(), torch.randn(4, 5, generator=torch.Generator().manual_seed(0))
    terms = [
        (share * torch.nn.functional.cross_entropy(logits, labels[partner], reduction="none")).mean()
        for share, partner in zip(recipe.share, recipe.partner, strict=True)
    ]
    close(sum(terms), torch.nn.functional.cross_entropy(logits, recipe.targets(labels, 5)))


def test_the_union_has_only_what_is_seen():
    covered = cut((0, 0, 10, 20))  # the patch covers the whole image
    close(covered.targets(torch.tensor([0, 1]), 2, rule="union"), [[0.0, 1], [1, 0]])
    hidden = blend(1 - SEEN / 2)
    close(hidden.targets(torch.tensor([0, 1]), 2, rule="union"), [[1.0, 0], [0, 1]])
    little = cut((0, 0, 10, 1))
    close(little.targets(torch.tensor([0, 1]), 2, rule="union"), [[1.0, 1], [1, 1]])
    close(little.targets(torch.tensor([0, 1]), 2, rule="union", min_visible=0.06), [[1.0, 0], [0, 1]])
    erased = cut((0, 0, 10, 20), fill=torch.zeros(1, 3, 1, 1))
    close(erased.targets(torch.tensor([0, 1]), 2, rule="union"), [[0.0, 0], [0, 0]])


def test_numbers_and_vectors_by_share():
    ages = torch.tensor([20.0, 40.0])
    close(blend(0.7).targets(ages), [26.0, 34.0])
    close(blend(0.7).targets(ages.double()), [26.0, 34.0])
    close(blend(0.7).targets(torch.stack([ages, -ages], 1)), [[26.0, -26], [34, -34]])
    close(cut((0, 0, 10, 20), fill=torch.zeros(1, 3, 1, 1)).targets(ages), ages)


def test_objects_give_the_label_that_is_seen():
    recipe, dog = cut((0, 0, 10, 8)), one((2.0, 4.0, 6.0, 12.0), classes=torch.tensor([2]))
    close(recipe.targets(dog, 3, rule="visible"), [[0.0, 0, 0.5], [0, 0, 0.5]])
    close(recipe.targets(dog, 3, rule="union"), [[0.0, 0, 1], [0, 0, 1]])
    close(recipe.targets(dog, 3), [[0.0, 0, 0.5], [0, 0, 0.5]])
    close(blend(0.7).targets(dog, 3, rule="visible"), [[0.0, 0, 0.7], [0, 0, 0.3]])
    unequal = one((2.0, 4.0, 6.0, 14.0), classes=torch.tensor([0]))  # 0.4 in the second mixture
    close(recipe.targets(unequal, 1, rule="visible", min_visible=0.5), [[0.6], [0]])
    close(recipe.targets(unequal, 1, rule="union", min_visible=0.5), [[1.0], [0]])


def test_of_several_objects_of_a_class_the_most_visible_counts():
    boxes = torch.tensor([[2.0, 4, 6, 12], [2, 10, 6, 14], [0, 0, 4, 4]])
    objects = Objects(
        size=(10, 20), count=2, image=torch.tensor([0, 0, 1]), boxes=boxes, classes=torch.tensor([1, 1, 0])
    )
    close(multi_hot(objects, 2), [[0.0, 1], [1, 0]])
    close(cut((0, 0, 10, 8)).targets(objects, 2, rule="visible"), [[1.0, 1], [0, 0.5]])


# ---------------------------------------------------------------- over the whole catalogue


def check_rules(name, options, seed):
    size, counts = (24, 36), (2, 0, 3, 1, 1)
    n = len(counts)
    recipe = plan(name, options, size, n, seed)
    # each image alone painted white shows in which mixtures it is seen
    shown = torch.stack([bare(recipe).apply(torch.eye(n)[i].view(n, 1, 1, 1).expand(n, 3, *size)) for i in range(n)])
    most = shown.mean(2).amax((2, 3)).T
    union = recipe.targets(torch.arange(n), n, rule="union")
    assert set(union.unique().tolist()) <= {0, 1}
    assert union[most > 0.01].all()
    assert not union[most < SEEN / 10].any()
    for least in (0.0, 0.2):  # by edges or by pixels
        area = torch.zeros(n, n)
        for source, share in zip(recipe.partner, recipe.area, strict=True):
            area[torch.arange(n), source] += share
        by_pixels = (area >= least) & (most > SEEN)
        sure = ((area - least).abs() > 1e-5) & ((most - SEEN).abs() > SEEN / 2)
        given = recipe.targets(torch.arange(n), n, rule="union", min_visible=least)
        assert torch.equal(given[sure], by_pixels.float()[sure])
    several = torch.from_numpy(np.random.default_rng(seed).random((n, 4)) < 0.4)
    expected = torch.stack([(union[i, :, None] * several).amax(0) for i in range(n)])
    close(recipe.targets(several, rule="union"), expected)

    values = torch.from_numpy(np.random.default_rng(seed).normal(size=n)).float()
    by_class = recipe.targets(torch.arange(n), n)
    close(recipe.targets(values[:, None])[:, 0], by_class @ values)
    if recipe.whole:
        mixed = recipe.targets(values)
        close(mixed, by_class @ values)
        assert values.min() - 1e-5 <= mixed.min() <= mixed.max() <= values.max() + 1e-5

    objects = scattered(size, counts, seed)
    moved, expected = recipe.follow(objects), torch.zeros(n, len(objects))
    for i in range(len(moved)):
        place = int(moved.objects.image[i]), int(moved.objects.classes[i])
        expected[place] = max(expected[place], moved.visible[i] * moved.weight[i])
    close(recipe.targets(objects, len(objects), rule="visible"), expected)
    close(recipe.targets(moved, len(objects), rule="visible"), expected)
    assert ((expected >= 0) & (expected <= 1 + 1e-6)).all()
    close(recipe.targets(objects, len(objects), rule="union"), (expected > 0).float())
    close(recipe.targets(objects, len(objects)), recipe.targets(multi_hot(objects, len(objects)), len(objects)))
    strict = recipe.targets(objects, len(objects), rule="visible", min_visible=0.5)
    close(recipe.targets(moved, len(objects), rule="visible", min_visible=0.5), strict)
    assert (strict <= expected).all()


@pytest.mark.parametrize("name", METHODS)
def test_every_method_mixes_every_kind_by_every_rule(name):
    cases = ({"name": name, "options": options, "seed": 0} for known, options in variants(False) if known == name)
    each_case(check_rules, ((str(case), case) for case in cases))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
def test_a_gpu_gives_the_same():
    images = torch.rand(5, 3, 24, 36, device="cuda")
    there = METHODS["cutmix"]().plan(mixviz.Batch(images), np.random.default_rng(0))
    here = METHODS["cutmix"]().plan(mixviz.Batch(images.cpu()), np.random.default_rng(0))
    objects = scattered((24, 36), (2, 0, 3, 1, 1))
    for labels, classes, rule in (
        (torch.arange(5), 5, "union"), (torch.rand(5), None, "share"), (objects, 7, "visible"), (objects, 7, "share"),
    ):  # fmt: skip
        close(there.targets(labels.to("cuda"), classes, rule=rule).cpu(), here.targets(labels, classes, rule=rule))


# ---------------------------------------------------------------- what makes no sense


@pytest.mark.parametrize(
    ("labels", "given", "error", "says"),
    [
        (torch.tensor([0, 1]), {"num_classes": 2, "rule": "most"}, ValueError, "share, union, visible; got 'most'"),
        (torch.tensor([0, 1]), {"num_classes": 2, "rule": "visible"}, TypeError, "give Objects with classes"),
        (SEVERAL, {"num_classes": 3, "rule": "visible"}, TypeError, "give Objects with classes"),
        (torch.tensor([0, 1]), {"rule": "union"}, ValueError, "need num_classes"),
        (torch.tensor([0, 1]), {"num_classes": 2, "min_visible": 0.1}, ValueError, "rule=\"share\" weighs every"),
        (torch.tensor([0, 1]), {"num_classes": 2, "rule": "union", "min_visible": 2}, ValueError, "min_visible"),
        (torch.tensor([0, 5]), {"num_classes": 2, "rule": "union"}, ValueError, "run from 0 to 5"),
        (torch.tensor([0.0, 1.5]), {"num_classes": 2}, TypeError, "numbers of a regression.*leave it out"),
        (torch.tensor([0.0, 1.5]), {"rule": "union"}, TypeError, "a set of numbers is no number"),
        (torch.tensor([0.0, float("nan")]), {}, ValueError, "not finite"),
        (torch.tensor([0.0, 1.5]), {"rule": "visible"}, TypeError, "give Objects"),
        (SEVERAL, {"rule": "union"}, TypeError, "num_classes=3"),
        (-SEVERAL, {"num_classes": 3, "rule": "union"}, ValueError, "0 or more"),
        (SEVERAL.bool(), {"num_classes": 4}, ValueError, "num_classes=4"),
        (SEVERAL.long() + 1, {"num_classes": 3}, TypeError, "several labels per image"),
        (one((0.0, 0, 2, 2)), {"num_classes": 3, "rule": "union"}, ValueError, "have no classes"),
        (one((0.0, 0, 2, 2), classes=torch.tensor([3])), {"num_classes": 3}, ValueError, "classes run from 3 to 3"),
        (one((0.0, 0, 2, 2), classes=torch.tensor([3])), {"rule": "visible"}, ValueError, "need num_classes"),
        (Objects.none((10, 20), 3), {"num_classes": 3}, ValueError, "2 images; the objects are of 3"),
        (Objects.none((10, 20), 3), {"num_classes": 3, "rule": "union"}, ValueError, "2 images"),
        (blend(0.5).follow(Objects.none((10, 20), 2)), {"num_classes": 3}, TypeError, "moved objects"),
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_refused(labels, given, error, says):
    with pytest.raises(error, match=says):
        blend(0.5).targets(labels, **given)


def test_shares_that_do_not_sum_to_one_make_no_number():
    recipe = plan("snapmix", {}, (24, 36), 4, 0)
    with pytest.raises(ValueError, match="need not sum to 1"):
        recipe.targets(torch.rand(4))


def test_numbers_are_no_classes_for_those_who_need_them():
    images, ages = torch.rand(4, 3, 8, 8), torch.rand(4)
    assert mixviz.mix(images, ages, "cutmix", seed=0)[1].targets(ages).shape == (4,)
    network = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(192, 3))
    with pytest.raises(TypeError, match="numbers of a regression"):
        mixviz.mix(images, ages, "saliencymix_plus", network=network)
    with pytest.raises(TypeError, match="numbers of a regression"):
        mixviz.mix(images, ages, "randsaliencymix", partner="errors", errors=torch.ones(3, 3))
    several = torch.tensor([[True, False, True]] * 4)
    mixviz.mix(images, several, "saliencymix_plus", network=network)
