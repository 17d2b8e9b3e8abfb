"""Validation of inputs: the range of pixels, the width of labels, seeds of a loop, the form of samples."""

from __future__ import annotations

import warnings
from typing import NamedTuple

import numpy as np
import pytest
import torch
from cases import table, variants
from torch import Tensor

import mixviz
from mixviz import METHODS, Batch, MixCollate, MixTransform
from mixviz.core.tensors import check_range
from mixviz.core.transforms import REPEATS

CLASSES = 3
IMAGES = torch.rand(4, 3, 12, 10, generator=torch.Generator().manual_seed(0))
LABELS = torch.tensor([0, 1, 2, 0])
MAPS = torch.rand(4, 12, 10, generator=torch.Generator().manual_seed(1))
ERRORS = torch.rand(CLASSES, CLASSES)
OUTSIDE = {"bytes as floats": IMAGES * 255, "normalised": (IMAGES - 0.45) / 0.225, "NaN": IMAGES * torch.nan}
ONE_BAD = torch.cat([IMAGES[:3], IMAGES[3:] * 255])  # two scales in one batch


def planned(name, given, images=IMAGES, **options):
    batch = Batch(images, LABELS, saliency=MAPS, errors=ERRORS, **options)
    return METHODS[name](**given).plan(batch, np.random.default_rng(0))


@table(variants(ends=False))
def test_floats_outside_their_range_are_refused_on_every_road(name, given):
    method = METHODS[name](**given)
    for images in (*OUTSIDE.values(), ONE_BAD):
        for road in (
            lambda images=images: planned(name, given, images),
            lambda images=images: mixviz.mix(images, LABELS, method, saliency=MAPS, errors=ERRORS),
            lambda images=images: MixTransform(method, CLASSES).plan(images, LABELS, saliency=MAPS, errors=ERRORS),
            lambda images=images: MixTransform(method, CLASSES)(images, LABELS, saliency=MAPS, errors=ERRORS),
        ):
            with pytest.raises(ValueError, match=r"should lie in \[0, 1\]"):
                road()


def test_floats_outside_their_range_are_refused_in_a_loader():
    samples = [(image * 255, int(label)) for image, label in zip(IMAGES, LABELS, strict=True)]
    with pytest.raises(ValueError, match="divide by 255"):
        MixCollate("brightness", CLASSES)(samples)


def test_the_sample_of_a_large_batch_has_all_its_images():
    images = torch.rand(300, 3, 6, 7)
    check_range(images, sampled=True)
    for bad in (0, 150, 299):
        other = images.clone()
        other[bad] = (other[bad] + 1) * 100
        with pytest.raises(ValueError, match=r"should lie in \[0, 1\]"):
            check_range(other, sampled=True)


def test_a_scale_that_changes_later_is_refused_as_well():
    mix = MixTransform("brightness", CLASSES)
    mix(IMAGES, LABELS)
    with pytest.raises(ValueError, match=r"should lie in \[0, 1\]"):
        mix(ONE_BAD, LABELS)


@table(variants(ends=False))
def test_any_range_is_mixed_rightly_or_refused(name, given):
    """Cutting and blending commute with normalisation; other operations refuse normalised pixels."""
    mean, std = torch.tensor([0.4, 0.5, 0.6]).view(3, 1, 1), torch.tensor([0.2, 0.3, 0.4]).view(3, 1, 1)
    normal, outside = (IMAGES - mean) / std, pytest.raises(ValueError, match=r"should lie in \[0, 1\]")
    if METHODS[name] is METHODS["transmix"]:  # it uses the mixture, not the given maps
        with outside:
            planned(name, given, normal, any_range=True)
        return
    recipe = planned(name, given, normal, any_range=True)
    if recipe.linear or recipe.layer:
        expected = normal if recipe.layer else (recipe.apply(IMAGES) - mean) / std
        torch.testing.assert_close(recipe.apply(normal), expected, atol=1e-5, rtol=1e-5)
    else:
        with outside:
            recipe.apply(normal)


def test_which_recipes_are_linear():
    linear = {name for name in METHODS if planned(name, {}).linear}
    assert {"mixup", "cutmix", "saliencymix", "mosaic", "fmix", "puzzlemix", "snapmix"} <= linear
    assert not {"cutout", "brightness", "rotation", "horizontal_flip", "stylemix", "augmix"} & linear


def test_any_range_is_for_images_that_are_not_normalised_afterwards():
    mixed, _ = MixTransform("cutmix", CLASSES, any_range=True)(IMAGES * 255, LABELS)
    assert mixed.max() > 200
    with pytest.raises(ValueError, match="one of the two"):
        MixTransform("cutmix", CLASSES, any_range=True, normalize=((0.5,) * 3, (0.5,) * 3))


def test_what_half_precision_makes_of_ones_is_no_mistake():
    for dtype in (torch.float16, torch.bfloat16):
        ones = torch.ones(4, 3, 8, 8, dtype=dtype) * (1 + torch.finfo(torch.float16).eps / 2)
        mixviz.mix(ones, LABELS, "mixup", seed=0)


def test_soft_labels_of_another_width_are_refused():
    soft = torch.eye(10)[:4]
    with pytest.raises(ValueError, match=r"num_classes=100, but the soft labels are for 10 classes"):
        MixTransform("cutmix", 100)(IMAGES, soft)
    _, recipe = mixviz.mix(IMAGES, soft, "cutmix", seed=0)
    with pytest.raises(ValueError, match="10 classes"):
        recipe.targets(soft, num_classes=9)
    assert torch.equal(recipe.targets(soft), recipe.targets(soft, num_classes=10))


@pytest.mark.parametrize("bad", [-0.1, float("nan"), float("inf")])
def test_soft_labels_that_are_none_are_refused_before_a_pixel_is_mixed(bad):
    soft, images = torch.eye(3)[LABELS], IMAGES.clone()
    soft[2, 1] = bad
    with pytest.raises(ValueError, match="Soft labels should be 0 or more"):
        MixTransform("cutmix", 3, inplace=True)(images, soft)
    assert torch.equal(images, IMAGES)


def test_several_labels_per_image_and_regressions_are_mixed():
    several = torch.tensor([[1.0, 1, 0], [0, 1, 0], [1, 1, 1], [0, 0, 0]])
    _, recipe = mixviz.mix(IMAGES, several, "mixup", seed=0)
    assert recipe.targets(several, 3).sum() == pytest.approx((recipe.share * several.sum(1)[recipe.partner]).sum())
    values = torch.tensor([[-3.0], [2], [0], [1]])  # of a regression
    torch.testing.assert_close(recipe.targets(values), (recipe.share[..., None] * values[recipe.partner]).sum(0))


def test_a_generator_goes_on_and_a_number_does_not():
    def lam(seed):
        return mixviz.mix(IMAGES, LABELS, "cutmix", seed=seed)[1].lam

    rng = np.random.default_rng(0)
    first, second = lam(rng), lam(rng)
    assert not torch.equal(first, second)
    assert torch.equal(first, lam(0))
    assert torch.equal(lam((0, 1, 2)), lam((0, 1, 2)))
    assert not torch.equal(lam((0, 1, 2)), lam((0, 1, 3)))
    assert not torch.equal(lam(None), lam(None))


@pytest.mark.parametrize("seed", [None, -1, 0.5, (0, 1), np.random.default_rng(0)])
def test_a_transforms_seed_is_one_number(seed):
    with pytest.raises(ValueError, match="seed should be a whole number"):
        MixTransform("cutmix", CLASSES, seed=seed)


def loop(step, batches=REPEATS):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for number in range(batches):
            step(number)
    return [str(one.message) for one in caught if "batches in a row" in str(one.message)]


@pytest.mark.parametrize(
    "step",
    [
        lambda number: mixviz.mix(torch.rand(2, 3, 8, 8), method="cutmix", seed=0),
        lambda number: MixTransform("cutmix", 2)(torch.rand(2, 3, 8, 8), LABELS[:2]),
    ],
    ids=["mix", "a transform per batch"],
)
def test_one_seed_for_many_batches_in_a_row_is_warned_of_once(step):
    mixviz.mix(IMAGES, LABELS, "mixup", seed=1)  # another method in between starts the count anew
    warned = loop(step, 3 * REPEATS)
    assert len(warned) == 1
    assert "default_rng" in warned[0]


@pytest.mark.parametrize(
    "step",
    [
        lambda number: mixviz.mix(torch.rand(2, 3, 8, 8), method="cutmix", seed=(0, number)),
        lambda number: mixviz.mix(torch.rand(2, 3, 8, 8), method="cutmix"),
        lambda number: mixviz.mix(IMAGES, LABELS, method="cutmix", seed=0),  # the same pictures: nothing is lost
        lambda number: mixviz.mix(torch.rand(2, 3, 8, 8), method=("cutmix", "mixup")[number % 2], seed=0),
    ],
    ids=["the step named", "no seed", "the same images", "methods compared"],
)
def test_what_does_not_repeat_is_not_warned_of(step):
    assert not loop(step, 3 * REPEATS)


class Sample(NamedTuple):
    image: Tensor
    label: int
    name: str


def samples(form):
    return [form(image, int(label), f"{n}.png") for n, (image, label) in enumerate(zip(IMAGES, LABELS, strict=True))]


def test_samples_may_have_more_parts():
    plain, targets = MixCollate("cutmix", CLASSES)([sample[:2] for sample in samples(Sample)])
    assert not torch.equal(plain, IMAGES)
    names = [f"{n}.png" for n in range(4)]

    mixed, soft, *rest = MixCollate("cutmix", CLASSES)(samples(lambda *parts: (*parts, torch.ones(2))))
    assert torch.equal(mixed, plain)
    assert torch.equal(soft, targets)
    assert list(rest[0]) == names
    assert rest[1].shape == (4, 2)

    batch = MixCollate("cutmix", CLASSES)(samples(Sample))
    assert isinstance(batch, Sample)
    assert torch.equal(batch.image, plain)
    assert list(batch.name) == names

    given = samples(lambda image, label, name: {"pixels": image, "y": label, "name": name})
    batch = MixCollate("cutmix", CLASSES, keys=("pixels", "y"))(given)
    assert list(batch) == ["pixels", "y", "name"]
    assert torch.equal(batch["pixels"], plain)
    assert torch.equal(batch["y"], targets)
    assert batch["name"] == names


@pytest.mark.parametrize(
    ("sample", "says"),
    [
        ((IMAGES[0],), r"\(image, label, ...\), or a dictionary"),
        (IMAGES[0], "got Tensor"),
        ({"pixels": IMAGES[0], "label": 1}, "no 'image'.*'pixels'.*keys="),
        ((np.zeros((12, 10, 3), np.uint8), 1), "PILToTensor"),
    ],
)
def test_samples_of_another_form_are_refused(sample, says):
    with pytest.raises(TypeError, match=says):
        MixCollate("cutmix", CLASSES)([sample, sample])
