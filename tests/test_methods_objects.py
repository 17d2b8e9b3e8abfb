"""Methods that look at objects: what they paste and erase, by hand and as properties."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from mixviz import METHODS, Batch, Objects

SIZE = (24, 32)


def batch(boxes: list[list[tuple]], classes=None) -> Batch:
    """Images whose pixels are their own number, and objects by their boxes."""
    n = len(boxes)
    image = torch.tensor([i for i, of in enumerate(boxes) for _ in of], dtype=torch.int64)
    edges = torch.tensor([box for of in boxes for box in of], dtype=torch.float32).view(-1, 4)
    objects = Objects(size=SIZE, count=n, image=image, boxes=edges, classes=classes)
    images = (torch.arange(n, dtype=torch.uint8) * 10)[:, None, None, None].expand(n, 3, *SIZE).contiguous()
    return Batch(images, torch.arange(n), objects=objects)


def run(name, of, seed=0, partner=None, **options):
    recipe = METHODS[name](**options).plan(of, np.random.default_rng(seed), partner=partner)
    return recipe, recipe.apply(of.images)[:, 0]


TWO = [[(2.0, 3.0, 10.0, 9.0), (12.0, 20.0, 20.0, 30.0)], [(4.0, 5.0, 16.0, 25.0)]]


def inside(box) -> torch.Tensor:
    pixels = torch.zeros(SIZE, dtype=torch.bool)
    top, left, bottom, right = map(int, box)
    pixels[top:bottom, left:right] = True
    return pixels


@pytest.mark.parametrize("seed", range(8))
def test_copy_paste_pastes_some_whole_objects_of_the_partner(seed):
    recipe, mixed = run("copy_paste", batch(TWO), seed, partner=[1, 0])
    assert mixed[0].eq(10).equal(inside(TWO[1][0]))  # its only object
    first, second = map(inside, TWO[0])
    assert any(mixed[1].eq(0).equal(union) for union in (first, second, first | second))
    assert torch.allclose(recipe.share[1], torch.stack([mixed[0].eq(10), mixed[1].eq(0)]).float().mean((1, 2)))


def test_copy_paste_takes_each_object_as_often_as_asked():
    of = batch([TWO[0], []])
    counts = [run("copy_paste", of, seed, partner=[1, 0], probability=0.3)[1][1].eq(0) for seed in range(600)]
    both = np.mean([bool(one[5, 5]) and bool(one[15, 25]) for one in counts])
    assert both == pytest.approx(0.3**2, abs=0.04)
    assert all(one.any() for one in counts)
    assert all(run("copy_paste", of, seed, partner=[1, 0], probability=0)[1][1].eq(0).any() for seed in range(5))


def test_what_is_pasted_hides_the_objects_below():
    recipe, _ = run("copy_paste", batch(TWO), partner=[1, 0])
    moved = recipe.follow(batch(TWO).objects)
    own = moved.of(0)
    left = own.visible[own.source == 0].tolist()
    assert left == pytest.approx([1 - 6 * 4 / 48, 1 - 4 * 5 / 80])
    assert own.visible[own.source == 1].tolist() == [1]


def test_a_soft_border_blends():
    hard, _ = run("copy_paste", batch(TWO), partner=[1, 0])
    soft, _ = run("copy_paste", batch(TWO), partner=[1, 0], blend=2.0)
    weight = soft.weight[1, 0]
    assert ((weight > 0.01) & (weight < 0.99)).any()
    assert weight.mean() == pytest.approx(float(hard.weight[1, 0].mean()), abs=0.02)


@pytest.mark.parametrize("shape", ["box", "mask"])
def test_object_cutmix_pastes_one_whole_object(shape):
    seen = set()
    for seed in range(20):
        recipe, mixed = run("object_cutmix", batch(TWO), seed, partner=[1, 0], shape=shape)
        assert mixed[0].eq(10).equal(inside(TWO[1][0]))
        which = [mixed[1].eq(0).equal(inside(box)) for box in TWO[0]]
        assert sum(which) == 1
        seen.add(which.index(True))
        assert recipe.share[1, 0] == pytest.approx(12 * 20 / (24 * 32))
    assert seen == {0, 1}


def test_the_label_by_objects_sets_what_is_left_against_what_is_shown():
    recipe, _ = run("object_cutmix", batch(TWO), 0, partner=[1, 0], label="object")
    left = 1 - (6 * 4 + 4 * 5) / (48 + 80)  # of A's objects, under the patch of B's only object, all of which is seen
    assert recipe.share[0, 0] == pytest.approx(left / (left + 1), abs=1e-5)


def test_an_image_whose_partner_has_no_object_stays_as_it_is():
    for name in ("copy_paste", "object_cutmix"):
        recipe, mixed = run(name, batch([TWO[0], []]), partner=[1, 0])
        assert mixed[0].eq(0).all()
        assert recipe.share[0, 0] == 1


def pasted_at(seed: int, classes: list[int]) -> tuple:
    """Whether ClassMix pastes the first object, the second, and the background of a partner with two objects."""
    _, mixed = run("classmix", batch(TWO, classes=torch.tensor(classes)), seed, partner=[1, 0])
    return tuple(mixed[1].eq(0)[[5, 15, 0], [5, 25, 0]].tolist())


def test_classmix_pastes_half_of_the_classes_and_the_background_is_one():
    same = {pasted_at(seed, [4, 4, 9]) for seed in range(20)}
    assert same == {(True, True, False), (False, False, True)}  # both objects of class 4, or all around them
    apart = {pasted_at(seed, [4, 5, 9]) for seed in range(40)}  # three classes: one of them
    assert apart == {(True, False, False), (False, True, False), (False, False, True)}


@pytest.mark.parametrize("where", ["image", "objects", "both"])
def test_holes_lie_in_the_image_and_in_each_object(where):
    of = batch(TWO)
    recipe, _ = run("object_erasing", of, 3, where=where, probability=1.0, fill="white")
    boxes, image = recipe.target_boxes, where != "objects"
    assert len(boxes) == {"image": 1, "objects": 2, "both": 3}[where]
    sides = boxes[..., 2:] - boxes[..., :2]
    for n, objects in enumerate(TWO):
        for k, box in enumerate(([(0, 0, *SIZE)] if image else []) + (objects if where != "image" else [])):
            top, left, bottom, right = boxes[k, n].tolist()
            assert box[0] <= top <= bottom <= box[2]
            assert box[1] <= left <= right <= box[3]
            share = float(sides[k, n].prod()) / ((box[2] - box[0]) * (box[3] - box[1]))
            assert share == 0 or 0 < share < 0.35  # drawn from 0.02 to 0.2, then rounded to pixels
    assert recipe.share.eq(1).all()


def test_no_hole_has_the_probability_that_is_asked_for():
    of = batch([[(0.0, 0.0, 24.0, 32.0)]] * 400)
    boxes = run("object_erasing", of, 0, where="objects", probability=0.25)[0].target_boxes[0]
    assert (boxes[:, 2] > boxes[:, 0]).float().mean() == pytest.approx(0.25, abs=0.07)


@pytest.mark.parametrize("name", ["copy_paste", "object_cutmix", "classmix", "object_erasing"])
def test_without_objects_the_salient_region_is_one(name):
    """A bright square on black: with its own brightness as saliency, about the square is taken."""
    images = torch.zeros(2, 3, *SIZE)
    images[1, :, 6:14, 8:20] = 1
    of = Batch(images, saliency=images[:, 0])
    masks, image = of.objects_or_salient()
    assert image.tolist() == [0, 1]
    wanted = inside((6, 8, 14, 20))
    assert (masks[1] & wanted).sum() / (masks[1] | wanted).sum() > 0.7
    assert len(METHODS[name]().plan(of, np.random.default_rng(0))) == 2


def test_a_picture_that_is_salient_everywhere_has_a_region_all_the_same():
    """No pixel reaches twice the mean: the brighter half is taken, and a flat map as a whole."""
    maps = torch.full((2, *SIZE), 0.6)
    maps[0, :, 16:] = 1
    masks, _ = Batch(torch.zeros(2, 3, *SIZE), saliency=maps).objects_or_salient()
    assert masks[0, :, 18:].all()
    assert not masks[0, :, :14].any()
    assert masks[1].all()


def test_masks_of_objects_can_guide_any_method_that_follows_saliency():
    of = batch(TWO)
    guided = Batch(of.images, saliency=of.objects.union())
    recipe = METHODS["saliencymix"](tie="random").plan(guided, np.random.default_rng(0), lam=0.9, partner=[1, 0])
    assert recipe.follow(of.objects).of(0).visible[-1] > 0


def test_objects_of_another_size_are_refused():
    with pytest.raises(ValueError, match="objects should be those of 2 images of 24x32"):
        Batch(torch.zeros(2, 3, *SIZE), objects=Objects.none((32, 24), 2))
