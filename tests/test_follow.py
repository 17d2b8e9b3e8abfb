"""Objects follow a recipe: an oracle of painted objects over the whole catalogue, and cases computed by hand."""

from __future__ import annotations

import dataclasses
import importlib.util
import json

import numpy as np
import pytest
import torch
from cases import each_case, variants

from mixviz import METHODS, Batch, Objects
from mixviz.core import _follow_numba, follow, jit
from mixviz.core.follow_boxes import below_weights
from mixviz.core.follow_ellipses import disc_inside
from mixviz.core.follow_parts import SEEN
from mixviz.core.follow_windows import by_windows
from mixviz.core.objects import box_pixels, collate, ellipses
from mixviz.core.parts import Operations, Patches, Style, Weights
from mixviz.core.recipe import Recipe
from mixviz.ops import operations
from mixviz.ops.operations import AppliedOp

SIZES = [(96, 128), (80, 48)]


def scattered(size, counts, seed=0, masks=True, **more) -> Objects:
    """Objects of random places and forms: discs, each cut off at a random line."""
    rng, (height, width) = np.random.default_rng(seed), size
    image = torch.tensor([i for i, count in enumerate(counts) for _ in range(count)], dtype=torch.int64)
    y, x = np.mgrid[0:height, 0:width]
    drawn = []
    for _ in image:
        radius = rng.uniform(4, min(size) / 3)
        centre = rng.uniform(0, height), rng.uniform(0, width)
        disc = (y - centre[0]) ** 2 + (x - centre[1]) ** 2 < radius**2
        cut = disc & (x < centre[0] + rng.uniform(0, width))
        drawn.append(cut if cut.any() else disc)
    pixels = torch.from_numpy(np.array(drawn, bool).reshape(-1, height, width))
    full = Objects(size=size, count=len(counts), image=image, masks=pixels, classes=torch.arange(len(image)), **more)
    return full if masks else dataclasses.replace(full, masks=None)


def plan(name, options, size, n, seed) -> Recipe:
    rng = np.random.default_rng(seed)
    images = torch.from_numpy(rng.random((n, 3, *size), np.float32))
    labels = torch.from_numpy(rng.integers(0, 5, n))
    network = torch.nn.Sequential(torch.nn.AdaptiveAvgPool2d(4), torch.nn.Flatten(), torch.nn.Linear(48, 5))
    return METHODS[name](**options).plan(
        Batch(images, labels, network.requires_grad_(False), errors=torch.ones(5, 5)), rng
    )


def bare(recipe: Recipe) -> Recipe:
    """The recipe without what adds or changes colours, which a painted object must not show."""
    mixing = recipe.mixing
    if isinstance(mixing, Style):
        mixing = mixing.base
    if isinstance(mixing, Operations):
        mixing = dataclasses.replace(mixing, sequences=tuple(map(operations.moving, mixing.sequences)))
    if isinstance(mixing, Patches):
        mixing = dataclasses.replace(mixing, noise=None)
    black = torch.zeros(1, 3, 1, 1)
    if isinstance(mixing, Patches | Operations) and mixing.fill is not None:
        mixing = dataclasses.replace(mixing, fill=black)
    if isinstance(mixing.base, Weights) and mixing.base.fill is not None:
        base = dataclasses.replace(mixing.base, fill=black)
        mixing = base if mixing is mixing.base else dataclasses.replace(mixing, base=base)
    before = recipe.before
    if before is not None:
        fill = None if before.fill is None else black
        before = dataclasses.replace(before, sequences=(operations.moving(before.sequences[0]),), fill=fill)
    return dataclasses.replace(recipe, mixing=mixing, layer=0, before=before)


def painted(recipe: Recipe, objects: Objects, index: int) -> torch.Tensor:
    """(N, H, W) what the mixtures show of one object that is painted white on black."""
    images = torch.zeros(objects.count, 3, *objects.size)
    images[objects.image[index], :] = objects.masks[index].float()
    return bare(recipe).apply(images).mean(1)


def check_followed(name, options, size, counts, seed):
    """Every object is where its paint is, by as much as the paint shows."""
    recipe = plan(name, options, size, len(counts), seed)
    objects = scattered(size, counts, seed)
    moved = recipe.follow(objects)
    image, strength = moved.objects.image, moved.weight * moved.area
    for index in range(len(objects)):
        shown = painted(recipe, objects, index)
        images = torch.zeros(objects.count, *size)
        images[objects.image[index]] = objects.masks[index].float()
        assert (recipe.follow_map(images) - shown).abs().max() <= 1e-6
        mine = moved.origin == index
        summed = torch.zeros(len(counts)).index_add(0, image[mine], strength[mine])
        assert torch.allclose(summed, shown.sum((1, 2)), rtol=1e-4, atol=SEEN * int(objects.areas[index]))
        for mixture in range(len(counts)):
            union = moved.objects.masks[mine & (image == mixture)].any(0)
            assert not (union & (shown[mixture] <= SEEN / 2)).any()
            assert union[shown[mixture] > 0.5].all()


@pytest.mark.parametrize("name", METHODS)
def test_an_object_is_followed_to_where_its_paint_is(name):
    cases = [
        {"options": options, "size": size, "counts": (2, 0, 3, 1, 1), "seed": 0}
        for known, options in variants(False)
        for size in SIZES
        if known == name
    ]
    for seed, counts in ((1, (1, 0, 30)), (2, (3,)), (1, (0, 0, 0))):
        cases.append({"options": {}, "size": (40, 24), "counts": counts, "seed": seed})
    each_case(check_followed, ((str(case), {"name": name, **case}) for case in cases))


@pytest.mark.parametrize("last", ["cutmix", "mixup", "mosaic", "resizemix", "augmix", "cutout", "stylemix"])
@pytest.mark.parametrize("first", ["rotation", "elastic", "horizontal_flip"])
def test_an_object_is_followed_through_operations_before_mixing(first, last, tmp_path):
    steps = [{"method": first}, {"method": last}]
    stage = {"until": 1, "policies": [{"odds": 1, "steps": steps}]}
    path = tmp_path / "policy.json"
    path.write_text(json.dumps({"format": "mixviz policy", "version": 1, "stages": [stage]}))
    for seed, size in enumerate(SIZES):
        check_followed("searched", {"path": str(path)}, size, (2, 0, 3, 1, 1), seed)


@pytest.mark.parametrize("name", METHODS)
def test_boxes_by_their_edges_and_by_their_pixels_agree(name):
    """Boxes of whole pixels are followed by arithmetic; the same boxes as masks by the pixels' geometry."""
    size, counts = (60, 44), (2, 0, 3, 1, 4)
    recipe = plan(name, {}, size, len(counts), 3)
    objects = scattered(size, counts, 3, masks=False)
    moves = [mixing for mixing in (recipe.mixing, recipe.before) if isinstance(mixing, Operations)]
    if not all(
        operations.OPERATIONS[op.name].keeps_boxes
        for mixing in moves
        for of in mixing.sequences
        for one in operations.moving(of)
        for op in one
    ):
        pytest.skip("boxes are bent, and followed as ellipses")
    by_edges = recipe.follow(objects)
    by_pixels = recipe.follow(dataclasses.replace(objects, masks=box_pixels(objects)))
    assert by_edges.origin.tolist() == by_pixels.origin.tolist()
    assert torch.allclose(by_edges.weight, by_pixels.weight, atol=1e-5)
    resized = recipe.resample or name == "random_crop"
    assert torch.allclose(by_edges.visible, by_pixels.visible, atol=0.05 if resized else 1e-4)
    assert (by_edges.objects.boxes - by_pixels.objects.boxes).abs().max() <= (1.5 if resized else 1e-4)


@pytest.mark.parametrize("name", ["rotation", "affine", "perspective"])
def test_ellipses_by_their_points_and_by_their_pixels_agree(name):
    """Boxes that are turned are followed as points of the inscribed ellipse; the same ellipse as a mask by pixels."""
    size, counts = (120, 90), (2, 0, 3, 1, 4)
    recipe = plan(name, {}, size, len(counts), 5)
    boxes = scattered(size, counts, 5, masks=False)
    by_points = recipe.follow(boxes)
    by_pixels = recipe.follow(dataclasses.replace(boxes, masks=ellipses(boxes.boxes, size) >= 0.5))
    seen = {one: i for i, one in enumerate(by_points.origin.tolist())}
    for i, origin in enumerate(by_pixels.origin.tolist()):
        if origin not in seen:
            assert by_pixels.visible[i] < 0.02
            continue
        assert by_points.visible[seen[origin]] == pytest.approx(float(by_pixels.visible[i]), abs=0.05)
        assert by_points.area[seen[origin]] == pytest.approx(float(by_pixels.area[i]), rel=0.06, abs=6)
        if by_pixels.visible[i] > 0.3:
            wrong = (by_points.objects.boxes[seen[origin]] - by_pixels.objects.boxes[i]).abs().max()
            assert wrong <= (1.5 if by_pixels.visible[i] > 0.99 else 4)


@pytest.mark.parametrize("name", ["rotation", "affine", "perspective", "horizontal_flip", "random_crop"])
def test_points_are_where_their_paint_is(name):
    """A painted disc of three pixels follows its centre."""
    size, n = (90, 120), 5
    rng = np.random.default_rng(0)
    place = torch.from_numpy(rng.uniform(15, 75, (n, 1, 2))).float()
    boxes = torch.cat([place[:, 0] - 10, place[:, 0] + 10], 1)
    points = torch.cat([place, torch.full((n, 1, 1), 2.0)], 2)
    objects = Objects(size=size, count=n, image=torch.arange(n), boxes=boxes, keypoints=points)
    recipe = plan(name, {}, size, n, 2)
    y, x = torch.meshgrid(torch.arange(size[0]) + 0.5, torch.arange(size[1]) + 0.5, indexing="ij")
    paint = ((y - place[:, :, :1]) ** 2 + (x - place[:, :, 1:]) ** 2 < 9).float()
    shown = recipe.follow_map(paint)
    moved = recipe.follow(objects)
    for i, origin in enumerate(moved.origin.tolist()):
        row, column, visibility = moved.objects.keypoints[i, 0].tolist()
        total = shown[origin].sum()
        if visibility < 2 or not 3 < row < size[0] - 3 or not 3 < column < size[1] - 3:
            continue
        assert (shown[origin] * y).sum() / total == pytest.approx(row, abs=0.35)
        assert (shown[origin] * x).sum() / total == pytest.approx(column, abs=0.35)


# ---------------------------------------------------------------- by hand


def cut(target, source=None, fill=None, partner=(1, 0), **more) -> Recipe:
    """Paste one box of the partner into each of two images of 10 x 20 pixels."""
    boxes = torch.tensor([[target, target]])
    sources = None if source is None else torch.tensor([[source, source]])
    who = torch.tensor([[0, 1]] if fill is not None else [[0, 1], partner])
    share = torch.full(who.shape, 1 / len(who))
    mixing = Patches(boxes, sources, fill=fill, resample=source is not None, **more)
    return Recipe(size=(10, 20), partner=who, share=share, mixing=mixing)


def blend(lam) -> Recipe:
    weight = torch.tensor([[lam, lam], [1 - lam, 1 - lam]])
    who = torch.tensor([[0, 1], [1, 0]])
    return Recipe(size=(10, 20), partner=who, share=weight, mixing=Weights(weight[:, :, None, None, None]))


def one(box, image=0, **more) -> Objects:
    return Objects(size=(10, 20), count=2, image=torch.tensor([image]), boxes=torch.tensor([box]), **more)


def told(moved) -> list[tuple]:
    """(mixture, box, visible, weight) of each object."""
    columns = moved.objects.image, moved.objects.boxes, moved.visible, moved.weight
    rows = zip(*(column.tolist() for column in columns), strict=True)
    return [(n, [round(edge, 4) for edge in box], round(v, 4), round(w, 4)) for n, box, v, w in rows]


def test_cutmix_cuts_an_object_and_shows_the_part_under_its_patch():
    moved = cut((0, 0, 10, 8)).follow(one((2.0, 4.0, 6.0, 12.0)))
    assert told(moved) == [(0, [2, 8, 6, 12], 0.5, 1), (1, [2, 4, 6, 8], 0.5, 1)]
    assert moved.source.tolist() == [0, 0]
    assert moved.origin.tolist() == [0, 0]
    assert moved.area.tolist() == [16, 16]


def test_a_patch_in_the_middle_leaves_the_box_whole():
    moved = cut((3, 6, 5, 8)).follow(one((2.0, 4.0, 6.0, 12.0)))
    assert told(moved)[0] == (0, [2, 4, 6, 12], 1 - 4 / 32, 1)


def test_a_covered_object_is_gone_and_mixing_with_itself_changes_nothing():
    assert told(cut((0, 0, 10, 20)).follow(one((2.0, 4.0, 6.0, 12.0)))) == [(1, [2, 4, 6, 12], 1, 1)]
    same = cut((0, 0, 10, 8), partner=(0, 1)).follow(one((2.0, 4.0, 6.0, 12.0)))
    assert told(same) == [(0, [2, 4, 6, 12], 1, 1)]


def test_a_hole_cuts_too():
    assert told(cut((0, 0, 10, 8), fill=torch.zeros(1, 3, 1, 1)).follow(one((2.0, 4.0, 6.0, 12.0)))) == [
        (0, [2, 8, 6, 12], 0.5, 1)
    ]


def test_a_resized_patch_shrinks_the_box():
    moved = cut((5, 10, 10, 20), (0, 0, 10, 20)).follow(one((2.0, 4.0, 6.0, 12.0), image=1))
    assert told(moved) == [(0, [6, 12, 8, 16], 1, 1), (1, [2, 4, 6, 12], 0.9375, 1)]
    # in image 1 its lower right corner lies under the patch of image 0: 2 of 32 pixels


def test_mixup_keeps_both_by_their_weight():
    weight = torch.tensor([[0.7, 0.7], [0.3, 0.3]])[:, :, None, None, None]
    recipe = Recipe(
        size=(10, 20), partner=torch.tensor([[0, 1], [1, 0]]), share=weight.flatten(1), mixing=Weights(weight)
    )
    assert told(recipe.follow(one((2.0, 4.0, 6.0, 12.0)))) == [(0, [2, 4, 6, 12], 1, 0.7), (1, [2, 4, 6, 12], 1, 0.3)]


def single(name, *values) -> Recipe:
    ops = tuple((AppliedOp(name, values, 0),) for _ in range(2))
    return Recipe(size=(10, 20), partner=torch.tensor([[0, 1]]), share=torch.ones(1, 2), mixing=Operations((ops,)))


def test_a_flip_mirrors_boxes_masks_and_points():
    points = torch.tensor([[[3.5, 4.5, 2.0]]])
    moved = single("horizontal_flip").follow(one((2.25, 4.0, 6.0, 12.5), keypoints=points))
    assert told(moved) == [(0, [2.25, 7.5, 6, 16], 1, 1)]
    assert moved.objects.keypoints.tolist() == [[[3.5, 15.5, 2.0]]]


def test_a_translation_moves_a_box_out_of_the_picture():
    moved = single("translate_x", 14.0).follow(one((2.0, 4.0, 6.0, 12.0), keypoints=torch.tensor([[[3.5, 11.5, 2.0]]])))
    assert told(moved) == [(0, [2, 18, 6, 20], 0.25, 1)]
    assert moved.objects.keypoints[0, 0, 2] == 0


def test_a_quarter_turn_of_a_square_picture():
    size = (16, 16)
    ops = ((AppliedOp("rotate", (90.0,), 0),),)
    recipe = Recipe(size=size, partner=torch.tensor([[0]]), share=torch.ones(1, 1), mixing=Operations((ops,)))
    mask = torch.zeros(1, *size, dtype=torch.bool)
    mask[0, 2:5, 3:9] = True
    points = torch.tensor([[[2.5, 3.5, 2.0]]])
    moved = recipe.follow(Objects(size=size, count=1, image=torch.tensor([0]), masks=mask, keypoints=points))
    turned = torch.rot90(
        mask[0], 1 if moved.objects.masks[0, 3:9].any() and moved.objects.masks[0, 7:13, 2:5].any() else -1
    )
    assert moved.objects.masks[0].equal(turned)
    assert turned[tuple(moved.objects.keypoints[0, 0, :2].floor().long())]


def test_hidden_points_are_marked_and_those_outside_are_not_labelled():
    points = torch.tensor([[[3.5, 5.5, 2.0], [3.5, 10.5, 2.0], [0.0, 0.0, 0.0]]])
    moved = cut((0, 0, 10, 8)).follow(one((2.0, 4.0, 6.0, 12.0), keypoints=points))
    assert moved.objects.keypoints[..., 2].tolist() == [[1, 2, 0], [2, 1, 0]]


def test_rotated_boxes_without_masks_are_tighter_than_their_corners():
    size = (64, 64)
    ops = ((AppliedOp("rotate", (30.0,), 0),),)
    recipe = Recipe(size=size, partner=torch.tensor([[0]]), share=torch.ones(1, 1), mixing=Operations((ops,)))
    box = torch.tensor([[22.0, 22.0, 42.0, 42.0]])
    moved = recipe.follow(Objects(size=size, count=1, image=torch.tensor([0]), boxes=box))
    height = float(moved.objects.boxes[0, 2] - moved.objects.boxes[0, 0])
    assert height == pytest.approx(20, abs=1)  # a circle turns into itself; the corners would span 27 pixels


def test_little_that_is_seen_can_be_left_out():
    recipe, objects = cut((0, 0, 10, 8)), one((2.0, 4.0, 6.0, 13.0))
    assert recipe.follow(objects, min_visible=0.5).objects.image.tolist() == [0]
    assert len(recipe.follow(objects, min_area=17)) == 1
    assert len(recipe.follow(objects)) == 2


def test_segmentation_classes_follow_by_the_strongest_source_and_holes_are_ignored():
    maps = torch.stack([torch.zeros(10, 20), torch.ones(10, 20)]).long()
    mixed = cut((0, 0, 10, 8)).follow_map(maps)
    assert mixed[0].float().mean() == 0.4
    assert mixed[0, :, :8].eq(1).all()
    hole = cut((0, 0, 10, 8), fill=torch.zeros(1, 3, 1, 1)).follow_map(maps, ignore=99)
    assert hole[1, :, :8].eq(99).all()
    assert hole[1, :, 8:].eq(1).all()
    turned = single("rotate", 30.0).follow_map(maps)
    assert set(turned.unique().tolist()) == {0, 1, 255}


def test_depths_are_blended_by_weight():
    weight = torch.tensor([[0.7, 0.7], [0.3, 0.3]])[:, :, None, None, None]
    recipe = Recipe(
        size=(10, 20), partner=torch.tensor([[0, 1], [1, 0]]), share=weight.flatten(1), mixing=Weights(weight)
    )
    depth = torch.stack([torch.full((1, 10, 20), 10.0), torch.full((1, 10, 20), -20.0)])
    assert torch.allclose(recipe.follow_map(depth)[0], torch.tensor(1.0))


# ---------------------------------------------------------------- what cannot be an object


@pytest.mark.parametrize(
    ("box", "says"),
    [
        ((2.0, 4.0, float("nan"), 8.0), "not a finite number"),
        ((6.0, 4.0, 2.0, 8.0), "top <= bottom"),
        ((2.0, 4.0, 12.0, 8.0), "leaves the image of 10x20"),
        ((-3.0, 4.0, 6.0, 8.0), "leaves the image"),
        ((0.1, 0.2, 0.5, 0.9), "shares of the sides"),
        ((2.0, 4.0, 2.0, 8.0), "no area"),
    ],
)
def test_a_wrong_box_is_named_with_its_index_and_the_remedy(box, says):
    boxes = torch.tensor([(0.0, 0.0, 10.0, 20.0), box])
    with pytest.raises(ValueError, match=f"Object 1: .*{says}"):
        Objects(size=(10, 20), count=2, image=torch.tensor([0, 1]), boxes=boxes)


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"image": torch.tensor([2])}, "Object 0: its image index is not one of the 2 images"),
        ({"masks": torch.zeros(1, 20, 10, dtype=torch.bool)}, r"masks should be a bool tensor \(1, 10, 20\)"),
        ({"classes": torch.tensor([1, 2])}, r"classes should be an integer tensor \(1,\)"),
        ({"extras": {"id": [1, 2]}}, r"extras\['id'\] should have a value per object, 1; got 2"),
        ({"boxes": None}, "need boxes"),
    ],
)
def test_columns_of_another_length_are_refused(fields, says):
    given = {"image": torch.tensor([0]), "boxes": torch.tensor([(0.0, 0.0, 10.0, 20.0)])} | fields
    with pytest.raises((TypeError, ValueError), match=says):
        Objects(size=(10, 20), count=2, **given)


def test_objects_of_another_batch_are_refused():
    with pytest.raises(ValueError, match="planned for 2 images of 10x20"):
        cut((0, 0, 10, 8)).follow(Objects.none((10, 20), 3))


def test_batches_are_joined_and_taken_apart():
    masked, boxed = scattered((30, 20), (2, 0, 1), 1), scattered((30, 20), (0, 3), 2, masks=False)
    joined = collate([masked, boxed])
    assert joined.image.tolist() == [0, 0, 2, 4, 4, 4]
    assert joined.count == 5
    assert joined.of(4).boxes.equal(boxed.of(1).boxes)
    assert joined.of(0).masks.equal(masked.of(0).masks)
    with pytest.raises(ValueError, match="one size"):
        collate([masked, Objects.none((20, 30), 1)])


# ---------------------------------------------------------------- ellipses by arithmetic


@pytest.mark.parametrize("name", ["rotation", "affine", "perspective"])
def test_ellipses_equal_many_points_of_them(name):
    """The exact box and visible share, beside 40000 points of each disc moved one by one."""
    size, counts = (120, 90), (6, 6, 6, 6)
    recipe = plan(name, {}, size, len(counts), 4)
    objects = scattered(size, counts, 7, masks=False)
    moved = recipe.follow(objects)
    matrices = operations.projections(recipe.mixing.sequences[0], size)
    side = np.arange(-0.995, 1, 0.01)
    disc = np.stack(np.meshgrid(side, side), 2).reshape(-1, 2)
    disc = disc[(disc**2).sum(1) < 1]
    angle = np.arange(20000) * 2 * np.pi / 20000
    points = np.concatenate([disc, np.stack([np.cos(angle), np.sin(angle)], 1)])
    cut = 0
    for i, origin in enumerate(moved.origin.tolist()):
        top, left, bottom, right = objects.boxes[origin].tolist()
        at = points * [(right - left) / 2, (bottom - top) / 2] + [(left + right) / 2, (top + bottom) / 2]
        x, y, depth = matrices[int(objects.image[origin])] @ np.c_[at, np.ones(len(at))].T
        x, y = x / depth, y / depth
        inside = (x > 0) & (x < size[1]) & (y > 0) & (y < size[0])
        cut += not inside.all()
        assert float(moved.visible[i]) == pytest.approx(inside[: len(disc)].mean(), abs=0.003)
        around = [y[inside].min(), x[inside].min(), y[inside].max(), x[inside].max()]
        assert moved.objects.boxes[i].tolist() == pytest.approx(around, abs=0.3)
    assert cut > 3 or name == "perspective"  # which moves all corners inwards


def test_a_disc_cut_by_half_planes():
    """Areas known in closed form: a whole disc, half of it, a quarter, a segment, and none."""
    far = [1, 0, 5]
    half, upper, segment, none = [2, 0, 0], [0, 3, 0], [1, 0, -0.5], [1, 0, -1.5]
    cases = [[far, far], [half, far], [half, upper], [segment, far], [none, far], [segment, [-1, 0, 0.5]]]
    share, ends, there = disc_inside(torch.tensor(cases, dtype=torch.float64))
    cap = (np.pi / 3 - np.sqrt(3) / 4) / np.pi
    assert share.tolist() == pytest.approx([1, 0.5, 0.25, cap, 0, 0], abs=1e-9)
    assert there.tolist() == [
        [False, False],
        [True, False],
        [True, True],
        [True, False],
        [False, False],
        [False, False],
    ]
    assert torch.allclose(ends[2, 0].sort(0).values, torch.tensor([[0.0, 0], [0, 1]]).double())


def test_boxes_below_weights_by_both_ways_agree():
    """Compiled sums of the pixels inside each box, and integral images."""
    pytest.importorskip("numba")
    rng, size = np.random.default_rng(0), (23, 31)
    weight = torch.from_numpy(rng.random((4, *size), np.float32) * (rng.random((4, *size)) < 0.3)).float()
    weight[3] = 0
    corners = np.sort(rng.random((60, 2, 2)), 1) * size
    corners[:10] = corners[:10].round()
    corners[10] = [[0, 0], size]
    box = torch.from_numpy(corners.reshape(-1, 4)).float()
    mixture = torch.from_numpy(rng.integers(0, 4, len(box)))
    compiled, plain = (way(weight, mixture, box, SEEN) for way in (_follow_numba.below_weights, below_weights))
    for one, other in zip(compiled[:2], plain[:2], strict=True):
        assert torch.allclose(one, other, atol=1e-6)
    assert compiled[2].equal(plain[2])


def test_only_much_work_is_compiled():
    few, many = torch.zeros(2, 64, 64), torch.zeros(64, 64, 64)
    assert not jit.usable(few)
    assert jit.usable(many) == (importlib.util.find_spec("numba") is not None)
    assert not jit.usable(many.to("meta"))


@pytest.mark.parametrize("name", METHODS)
def test_masks_by_both_ways_agree(name, monkeypatch):
    """Compiled loops over the pixels of masks, and torch."""
    pytest.importorskip("numba")
    size, counts = (36, 28), (2, 0, 3, 1)
    recipe, objects = plan(name, {}, size, len(counts), 6), scattered(size, counts, 6)
    objects = dataclasses.replace(objects, keypoints=torch.rand(len(objects), 2, 3) * 20)
    plain = recipe.follow(objects)
    monkeypatch.setattr(jit, "MUCH", 0)
    compiled = recipe.follow(objects)
    assert compiled.origin.tolist() == plain.origin.tolist()
    assert compiled.objects.image.equal(plain.objects.image)
    assert compiled.objects.masks.equal(plain.objects.masks)
    assert compiled.objects.boxes.equal(plain.objects.boxes)
    assert compiled.objects.keypoints.equal(plain.objects.keypoints)
    for column in ("visible", "weight", "area"):
        assert torch.allclose(getattr(compiled, column), getattr(plain, column), rtol=1e-4, atol=1e-5)


# ---------------------------------------------------------------- boxes by windows


def equal(sources, **more) -> Weights:
    return Weights(torch.full((sources, 4, 1, 1, 1), 1 / sources), **more)


def chains(*several) -> Operations:
    """Each source with one sequence of (name, *values) for all four images; the seeds differ."""
    ops = tuple(
        tuple(tuple(AppliedOp(name, tuple(values), 7 * n + k) for name, *values in chain) for n in range(4))
        for k, chain in enumerate(several)
    )
    return Operations(ops, base=equal(len(several))) if len(several) > 1 else Operations(ops)


TURN, SHEAR, MOVE = ("rotate", 17.0), ("shear_x", 0.3), ("translate_y", 9.0)
TILT = ("perspective", 0.2, *[0.2, 0.1] * 4)
HOLE, FLIP, CROP = ("cutout", 11, 13, 43, 37), ("horizontal_flip",), ("crop", 6, 9, 50, 60)
CELLS = torch.from_numpy(np.random.default_rng(0).permuted(np.tile(np.arange(6), (8, 1)), axis=1)).view(2, 4, 2, 3)
SOFT = torch.from_numpy(np.random.default_rng(1).random((2, 4, 1, 64, 96), np.float32))
# How far edges (in pixels) and shares may lie apart. Pixels that are copied are followed exactly. Sampling blurs a mask
# by one pixel of the source on either side, which is at most two of the mixture here.
MOVED = {
    "shuffle": (chains([("shuffle", 5.0)]), 1e-3, 1e-5),
    "shuffle in squares of more than 64 pixels": (chains([("shuffle", 9.0)]), 1e-3, 1e-5),
    "hole": (chains([HOLE]), 1e-3, 1e-5),
    "hole and flip": (chains([HOLE, FLIP, ("cutout", 30, 50, 50, 80)]), 1e-3, 1e-5),
    "joined flips": (chains([FLIP], [("vertical_flip",)], [FLIP, HOLE]), 1e-3, 1e-5),
    "joined shuffles": (chains([("shuffle", 4.0)], [("shuffle", 3.0)], [FLIP]), 1e-3, 1e-5),
    "cells": (equal(2, cell_permutation=CELLS), 1e-3, 1e-5),
    "cells below weights": (Weights(SOFT * (SOFT > 0.3), cell_permutation=CELLS), 1e-3, 1e-5),
    "elastic": (chains([("elastic", 2.0, 5.0)]), 2.0, 0.02),
    "joined elastic": (chains([("elastic", 2.0, 5.0)], [FLIP]), 2.0, 0.02),
    "turned and holed": (chains([TURN, HOLE]), 2.0, 0.02),
    "cropped and holed": (chains([CROP, HOLE]), 2.0, 0.02),
    "joined and turned": (chains([TURN, SHEAR], [SHEAR, MOVE, HOLE], [TILT]), 2.0, 0.02),
}


@pytest.mark.parametrize("what", MOVED)
def test_boxes_by_windows_and_by_their_pixels_agree(what, monkeypatch):
    """Boxes that are bent, shuffled, holed or joined: compiled loops over windows, and torch over masks."""
    pytest.importorskip("numba")
    mixing, near, share = MOVED[what]
    size, counts = (64, 96), (3, 0, 5, 4)
    sources = len(mixing.sequences) if isinstance(mixing, Operations) else len(mixing.weight)
    partner = torch.arange(4).repeat(sources, 1)
    if isinstance(mixing, Weights):
        partner[1] = torch.tensor([0, 2, 3, 3])  # the first and the last are mixed with themselves
    recipe = Recipe(size=size, partner=partner, share=torch.full(partner.shape, 1 / sources), mixing=mixing)
    rng = np.random.default_rng(2)
    corners = np.sort(rng.random((sum(counts), 2, 2)), 1) * (np.array(size) - 8)
    corners[:, 1] += 8
    objects = Objects(
        size=size, count=4, image=torch.arange(4).repeat_interleave(torch.tensor(counts)),
        boxes=torch.from_numpy(corners.reshape(-1, 4)).float(), keypoints=torch.rand(sum(counts), 2, 3) * 20,
    )  # fmt: skip
    plain = recipe.follow(objects)
    monkeypatch.setattr(jit, "MUCH", 0)
    used = []
    monkeypatch.setattr(follow, "by_windows", lambda *given: used.append(by_windows(*given)) or used[-1])
    looked = recipe.follow(objects)
    assert used[0] is not None
    assert looked.origin.equal(plain.origin)
    assert looked.objects.image.equal(plain.objects.image)
    assert looked.objects.keypoints.equal(plain.objects.keypoints)
    assert (looked.objects.boxes - plain.objects.boxes).abs().max() <= near
    assert (looked.visible - plain.visible).abs().max() <= share
    assert (looked.weight - plain.weight).abs().max() <= share
    assert torch.allclose(looked.area, plain.area, rtol=share, atol=100 * share)
