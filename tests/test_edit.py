"""Recipes changed by hand, and their labels, for the whole catalogue."""

from __future__ import annotations

import dataclasses
import functools
import itertools

import pytest
import torch
from cases import fields, plan_pair, table, variants

from mixviz.explain import edits

USUAL = list(variants(ends=False))
SIZES = [(12, 20), (17, 9), (16, 16)]
LAMS = [None, 0.35, 0.8]


def plans(name, given, dtype=torch.float32):
    """Plan a method at several sizes, each with its own seed, with λ drawn and held. Tests share the recipes."""
    return _plans(name, tuple(given.items()), dtype)


@functools.cache
def _plans(name, given, dtype):
    sizes = enumerate(SIZES)
    return [
        plan_pair(name, dict(given), size, seed, lam, dtype) for (seed, size), lam in itertools.product(sizes, LAMS)
    ]


def cases(fits):
    """Parametrize a test over the methods with at least some suitable recipes."""
    return table([case for case in USUAL if any(fits(recipe) for _, recipe in plans(*case))])


def close(one, two, atol=1e-5):
    torch.testing.assert_close(one.double(), two.double(), rtol=0, atol=atol)


def tensors(recipe):
    return {key: value.clone() for key, value in fields(recipe).items()}


def plain(recipe) -> bool:
    """Return whether the recipe only weights pixels, in their places."""
    by_channel = recipe.weight is not None and recipe.weight.shape[2] > 1
    return recipe.source_boxes is None and recipe.noise is None and recipe.cell_permutation is None and not by_channel


usual_case = table(USUAL)
movable_case, paintable_case = cases(edits.can_move), cases(edits.can_paint)
moved_area_case = cases(lambda recipe: edits.can_move(recipe) and recipe.label_by == "area")
moved_saliency_case = cases(lambda recipe: edits.can_move(recipe) and recipe.label_by == "saliency")
fixed_label_case = cases(lambda recipe: recipe.label_by in ("lam", "own"))


# ---------------------------------------------------------------- the label's rule


@usual_case
def test_the_share_is_what_its_rule_says(name, given):
    for _, recipe in plans(name, given):
        if recipe.label_by == "area":
            close(recipe.share, recipe.area)
        elif recipe.label_by == "lam":
            close(recipe.share, torch.stack([recipe.lam, 1 - recipe.lam]))
        elif recipe.label_by == "saliency":
            close(recipe.share, recipe.truth(recipe.saliency).fair)
        elif recipe.label_by == "visible":
            close(recipe.share, recipe.truth(recipe.saliency).visible)
        elif recipe.label_by == "attention":
            close(recipe.share, attended(recipe))
        elif recipe.label_by == "attention_area":
            close(recipe.share, (attended(recipe) + recipe.area) / 2)
        elif recipe.label_by == "style":
            for n, picture in itertools.product(range(2), range(2)):
                mass = [
                    ((whose[:, n] == picture) * recipe.area[:, n]).sum() for whose in (recipe.partner, recipe.style)
                ]
                expected = (1 - recipe.by_style) * mass[0] + recipe.by_style * mass[1]
                close(recipe.share[recipe.partner[:, n] == picture, n].sum(), expected)
        elif recipe.label_by == "planned":
            close(recipe.share.sum(0), torch.ones(2))
            assert recipe.share.min() >= 0
        else:
            assert recipe.label_by == "own"
            assert (recipe.share[0] == 1).all()
            assert not recipe.share[1:].any()


def attended(recipe) -> torch.Tensor:
    """Compute each source's share of the attention, pixel by pixel."""
    weights, shares = recipe.weights(), torch.zeros_like(recipe.share)
    for k in range(len(recipe.partner)):
        for n, look in enumerate(recipe.trace.attention):
            shares[k, n] = sum((weights[k, n, 0, y, x] * look[y, x]).item() for y, x in look.nonzero().tolist())
            shares[k, n] /= look.sum()
    return shares


def test_every_rule_is_somebodys():
    """Every label rule belongs to a method; otherwise the test above does not cover it."""
    rules = {"area", "lam", "saliency", "visible", "attention", "attention_area", "style", "planned", "own"}
    assert {plan_pair(*case)[1].label_by for case in USUAL} == rules


# ---------------------------------------------------------------- another box


@movable_case
def test_a_patch_moved_to_where_it_is_stays(name, given):
    """Row 0 only: a moved box is one box for all rows."""
    for images, recipe in plans(name, given):
        if not edits.can_move(recipe) or not area(box := recipe.target_box[0].tolist()):
            continue
        moved = edits.move_patch(recipe, tuple(box))
        close(moved.apply(images)[0], recipe.apply(images)[0], 1e-6)
        close(moved.share[:, 0], recipe.share[:, 0])
        if recipe.source_boxes is not None:
            assert moved.source_box[0].tolist() == recipe.source_box[0].tolist()


@movable_case
def test_a_moved_patch_shows_its_source_inside_and_a_outside(name, given):
    for images, recipe in plans(name, given):
        if not edits.can_move(recipe):
            continue
        height, width = recipe.size
        box = top, left, bottom, right = (1, 2, height - 3, width // 2 + 1)
        moved = edits.move_patch(recipe, box)
        mixed = moved.apply(images)[0]
        outside = torch.ones(height, width, dtype=torch.bool)
        outside[top:bottom, left:right] = False
        if recipe.weight is None:
            assert torch.equal(mixed[:, outside], images[0][:, outside])
        here, patch = images[0, :, top:bottom, left:right], mixed[:, top:bottom, left:right]
        if len(recipe.partner) == 1:
            close(patch, recipe.fill.expand(2, 3, height, width)[0, :, top:bottom, left:right])
            continue
        t, le, b, r = moved.source_box[0].tolist()
        if recipe.resample:
            assert [t, le, b, r] == recipe.source_box[0].tolist()
            continue
        assert (b - t, r - le) == (bottom - top, right - left)
        if recipe.source_boxes is None:
            assert (t, le, b, r) == box
        shown = 1 if recipe.patch_alpha is None else recipe.patch_alpha[0, 0]
        if recipe.noise is None:
            close(patch, here + shown * (images[1, :, t:b, le:r] - here), 1e-6)


@moved_area_case
def test_an_area_label_counts_the_moved_box(name, given):
    for _, recipe in plans(name, given):
        if not edits.can_move(recipe) or recipe.label_by != "area":
            continue
        height, width = recipe.size
        for box in ((0, 0, 3, 5), (2, 1, height, width), (0, 0, height, width)):
            moved, part = edits.move_patch(recipe, box), area(box) / (height * width)
            below = 1 if recipe.weight is None else recipe.weight[0, 0].item()  # there may be a blend below the box
            above = 0 if recipe.patch_alpha is None else 1 - recipe.patch_alpha[0, 0].item()
            own = (1 - part) * below + part * above
            close(moved.share[:, 0], torch.tensor([own, 1 - own]))
            assert moved.lam is None


@fixed_label_case
def test_a_label_that_does_not_follow_the_pixels_stays(name, given):
    for _, recipe in plans(name, given):
        if recipe.label_by in ("lam", "own"):
            if edits.can_move(recipe):
                moved = edits.move_patch(recipe, (0, 0, 4, 4))
                assert torch.equal(moved.share, recipe.share)
            if edits.can_paint(recipe):
                painted = edits.paint_mask(recipe, torch.zeros(recipe.size))
                assert torch.equal(painted.share, recipe.share)


@moved_saliency_case
def test_a_saliency_label_follows_the_moved_patch(name, given):
    """Computed pixel by pixel from the rest of A's map and B's map in the source box."""
    for _, recipe in plans(name, given):
        if recipe.label_by != "saliency":
            continue
        box = top, left, bottom, right = (1, 2, 9, 7)
        moved = edits.move_patch(recipe, box)
        of_a, of_b = recipe.saliency.double()
        t, le, b, r = moved.source_box[0].tolist()
        a = 1 - of_a[top:bottom, left:right].sum() / of_a.sum()
        seen_b = of_b[t:b, le:r].sum() / of_b.sum()
        assert moved.share[0, 0].item() == pytest.approx((a / (a + seen_b)).item(), abs=1e-5)
        assert moved.share[:, 0].sum().item() == pytest.approx(1)


def test_what_is_cut_elsewhere_keeps_its_centre_as_the_border_allows():
    _, recipe = plan_pair("randsaliencymix", {"source": "uniform", "label": "area"}, (40, 40), 1, 0.9)
    centres = torch.tensor([[[18, 20, 24, 30], [0, 0, 6, 10]]])
    patches = dataclasses.replace(recipe.mixing, source_boxes=centres, target_boxes=torch.zeros_like(centres))
    recipe = dataclasses.replace(recipe, mixing=patches)
    assert edits.move_patch(recipe, (5, 5, 9, 9)).source_boxes[0].tolist() == [[19, 23, 23, 27], [1, 3, 5, 7]]
    # Twice as wide as the room beside the second centre: pushed inside.
    assert edits.move_patch(recipe, (0, 0, 20, 20)).source_boxes[0].tolist() == [[11, 15, 31, 35], [0, 0, 20, 20]]


def area(box) -> int:
    return (box[2] - box[0]) * (box[3] - box[1])


# ---------------------------------------------------------------- a painted mask


@paintable_case
def test_the_recipes_own_mask_painted_changes_nothing(name, given):
    """Only recipes that keep pixels in their places: a mask cannot move them."""
    for images, recipe in plans(name, given):
        if not edits.can_paint(recipe) or not plain(recipe):
            continue
        painted = edits.paint_mask(recipe, recipe.mask()[0, 0])
        close(painted.apply(images)[0], recipe.apply(images)[0], 1e-6)
        close(painted.share[:, 0], recipe.share[:, 0])


@paintable_case
def test_bytes_under_a_hard_mask_are_copied(name, given):
    for images, recipe in plans(name, given, torch.uint8):
        if not edits.can_paint(recipe) or not plain(recipe):
            continue
        mask = (torch.arange(recipe.size[0])[:, None] + torch.arange(recipe.size[1])) % 3 > 0
        mixed = edits.paint_mask(recipe, mask).apply(images)[0]
        other = images[1] if len(recipe.partner) > 1 else (recipe.fill * 255).round().byte().expand(images.shape)[0]
        assert torch.equal(mixed, torch.where(mask, images[0], other))


@paintable_case
def test_masks_of_one_value(name, given):
    for images, recipe in plans(name, given, torch.uint8):
        if not edits.can_paint(recipe):
            continue
        kept_share, hidden = (edits.paint_mask(recipe, torch.full(recipe.size, float(value))) for value in (1, 0))
        assert torch.equal(kept_share.apply(images), images)
        if len(recipe.partner) > 1:
            assert torch.equal(hidden.apply(images), images.flip(0))
        if recipe.label_by in ("area", "saliency"):
            assert kept_share.share.tolist() == [[1, 1], [0, 0]]
            assert hidden.share.tolist() == [[0, 0], [1, 1]]
            assert kept_share.lam is None


# ---------------------------------------------------------------- recipes that cannot be changed


@usual_case
def test_what_cannot_be_changed_says_so(name, given):
    for _, recipe in plans(name, given):
        sources, inside_the_network = len(recipe.partner), recipe.layer > 0
        as_they_are = recipe.sequences is None
        patches = 0 if recipe.target_boxes is None else len(recipe.target_boxes)
        assert edits.can_move(recipe) == (patches == 1 and not inside_the_network)
        mixes = sources == 2 or recipe.fill is not None
        assert edits.can_paint(recipe) == (
            mixes and sources <= 2 and not recipe.resample and not inside_the_network and as_they_are
        )
        if not edits.can_move(recipe):
            with pytest.raises(ValueError, match="no single patch"):
                edits.move_patch(recipe, (0, 0, 4, 4))
        if not edits.can_paint(recipe):
            with pytest.raises(ValueError, match="cannot be painted"):
                edits.paint_mask(recipe, torch.ones(recipe.size))


@pytest.mark.parametrize(
    ("name", "given", "moves", "paints"),
    [
        ("baseline", {}, False, False),
        ("mixup", {}, False, True),
        ("cutmix", {}, True, True),
        ("resizemix", {}, True, False),
        ("cutout", {}, True, True),
        ("hide_and_seek", {}, False, True),
        ("mosaic", {}, False, False),
    ],
)
def test_who_can_be_changed(name, given, moves, paints):
    _, recipe = plan_pair(name, given)
    assert (edits.can_move(recipe), edits.can_paint(recipe)) == (moves, paints)


def test_what_is_mixed_inside_a_network_cannot_be_changed():
    recipes = [plan_pair("manifold_mixup", {}, seed=seed)[1] for seed in range(20)]
    assert {edits.can_paint(recipe) for recipe in recipes if recipe.layer} == {False}
    assert {edits.can_paint(recipe) for recipe in recipes if not recipe.layer} == {True}


@pytest.mark.parametrize(
    "box",
    [
        (0, 0, 13, 4), (0, 0, 4, 21), (-1, 0, 4, 4), (0, -1, 4, 4), (4, 0, 4, 4), (0, 4, 4, 4), (5, 0, 4, 4),
        (0, 0, 4), (0, 0, 4, 4, 4), (float("nan"), 0, 4, 4),
    ],
)  # fmt: skip
def test_a_box_that_is_none_is_refused(box):
    _, recipe = plan_pair("cutmix", {}, (12, 20))
    with pytest.raises(ValueError):  # noqa: PT011 - Python words some of them
        edits.move_patch(recipe, box)


@pytest.mark.parametrize(
    "mask",
    [torch.ones(20, 12), torch.ones(12), torch.ones(1, 12, 20), torch.full((12, 20), 1.01),
     torch.full((12, 20), -0.01), torch.full((12, 20), float("nan"))],
)  # fmt: skip
def test_a_mask_that_does_not_fit_is_refused(mask):
    _, recipe = plan_pair("cutmix", {}, (12, 20))
    with pytest.raises(ValueError, match="12x20 numbers from 0 to 1"):
        edits.paint_mask(recipe, mask)


@usual_case
def test_the_callers_recipe_and_mask_stay(name, given):
    for _, recipe in plans(name, given):
        before, mask = tensors(recipe), torch.full(recipe.size, 0.5)
        if edits.can_move(recipe):
            edits.move_patch(recipe, (0, 0, 5, 5))
        if edits.can_paint(recipe):
            edits.paint_mask(recipe, mask)
        after = tensors(recipe)
        assert before.keys() == after.keys()
        assert all(torch.equal(before[key], after[key]) for key in before)
        assert (mask == 0.5).all()


# ---------------------------------------------------------------- masks of cells


def test_cells_become_squares_of_pixels():
    mask = edits.mask_from_cells(["10", "01"], 4)
    assert mask.tolist() == [[1, 1, 0, 0], [1, 1, 0, 0], [0, 0, 1, 1], [0, 0, 1, 1]]


def test_cells_that_do_not_divide_the_side_differ_by_a_pixel():
    # Four pixels to three cells: pixels 0 and 1 lie (mostly) in the first, 2 in the second, 3 in the third.
    assert edits.mask_from_cells(["101", "000", "010"], 4).tolist() == [
        [1, 1, 0, 1],
        [1, 1, 0, 1],
        [0, 0, 0, 0],
        [0, 0, 1, 0],
    ]


def test_a_mask_from_cells_can_be_painted():
    images, recipe = plan_pair("mixup", {}, (12, 12))
    mixed = edits.paint_mask(recipe, edits.mask_from_cells(["10"], 12)).apply(images)[0]
    assert torch.equal(mixed, torch.cat([images[0, :, :, :6], images[1, :, :, 6:]], 2))
