"""Operations on single pictures, recomputed image by image: by torchvision's functions with the drawn numbers, and by
loops where torchvision has no function."""

from __future__ import annotations

import dataclasses
import inspect
import io
import itertools
import json
import math
import re
from collections import Counter

import numpy as np
import pytest
import torch
from cases import pair

import mixviz
from mixviz import METHODS, Batch
from mixviz.core.parts import Operations
from mixviz.explain import example, serialize
from mixviz.methods import _policies, autoaugment, pba
from mixviz.ops import filters, geometric, jpeg, operations
from mixviz.ops import noise as hashing
from mixviz.ops.operations import AppliedOp

v2 = pytest.importorskip("torchvision.transforms.v2")
tv, BILINEAR = v2.functional, v2.InterpolationMode.BILINEAR
SIZE = (19, 24)
CHAINED = [name for name, cls in METHODS.items() if cls.card.family in ("colour", "geometry", "learned policy")]
CHAINED.remove("searched")  # its last step may be any method
chained = pytest.mark.parametrize("name", CHAINED)


def batch(n=24, size=SIZE, seed=0) -> Batch:
    """Make pictures with soft shapes and noise, as floats."""
    rng, (height, width) = np.random.default_rng(seed), size
    y, x = np.mgrid[:height, :width]
    waves = np.sin(y * rng.uniform(0.1, 0.6, (n, 3, 1, 1)) + x * rng.uniform(0.1, 0.6, (n, 3, 1, 1)))
    images = 0.5 + 0.35 * waves + rng.uniform(-0.15, 0.15, (n, 3, height, width))
    return Batch(torch.from_numpy(np.round(images * 255).astype(np.float32) / np.float32(255)))


def plan(name, images=None, seed=0, **given):
    return METHODS[name](**given).plan(images or batch(), np.random.default_rng(seed))


def as_bytes(image):
    return (image * 255).round().to(torch.uint8)


def affine(image, angle=0.0, move=(0, 0), scale=1.0, shear=(0.0, 0.0), center=None):
    return tv.affine(image, angle, list(move), scale, list(shear), BILINEAR, center=center)


def by_torchvision(link: AppliedOp, image: torch.Tensor) -> torch.Tensor:
    """Apply one operation to a picture (C, H, W), with black in empty places."""
    height, width = image.shape[1:]
    v = link.values
    degrees = [math.degrees(math.atan(value)) for value in v[:1]]
    match link.name:
        case "brightness" | "contrast" | "saturation" | "sharpness" | "hue":
            return getattr(tv, f"adjust_{link.name}")(image, v[0])
        case "posterize":
            return tv.posterize(as_bytes(image), int(v[0])) / 255
        case "solarize":
            return torch.where(as_bytes(image) >= v[0], 1 - image, image)
        case "equalize":
            return tv.equalize(as_bytes(image)) / 255
        case "auto_contrast":
            return tv.autocontrast(image)
        case "invert" | "horizontal_flip" | "vertical_flip":
            return getattr(tv, link.name)(image)
        case "gaussian_blur":
            reach = math.ceil(4 * v[0])
            return tv.gaussian_blur(image, [2 * reach + 1] * 2, [v[0]] * 2)
        case "rotate":
            return tv.rotate(image, v[0], BILINEAR)
        case "shear_x":
            return affine(image, shear=(degrees[0], 0.0), center=[0, 0])
        case "shear_y":
            return affine(image, shear=(0.0, degrees[0]), center=[0, 0])
        case "translate_x":
            return affine(image, move=(v[0], 0))
        case "translate_y":
            return affine(image, move=(0, v[0]))
        case "affine":
            return affine(image, v[0], v[1:3], v[3], (v[4], 0.0))
        case "crop":
            return tv.resized_crop(image, *map(int, v), [height, width], BILINEAR, antialias=True)
        case "perspective":
            start = [[0, 0], [width, 0], [width, height], [0, height]]
            signs = ((1, 1), (-1, 1), (-1, -1), (1, -1))
            shares = [(v[2 + 2 * i], v[1 + 2 * i]) for i in range(4)]
            end = [[x + sx * a * width, y + sy * b * height]
                   for (x, y), (sx, sy), (a, b) in zip(start, signs, shares, strict=True)]  # fmt: skip
            return tv.perspective(image, start, end, BILINEAR)
        case "elastic":
            field = geometric.elastic_field((1, *image.shape), np.array([v]), np.array([link.seed]), image.device)
            return tv.elastic(image, field, BILINEAR, fill=None)
        case "cutout":
            top, left, bottom, right = map(int, v)
            return tv.erase(image, top, left, bottom - top, right - left, torch.zeros(1, 1, 1))
    raise AssertionError(f"torchvision has no {link.name}")


def by_chain(chain, image, fill):
    """Apply a sequence of operations, and fill its empty places, found by a white picture."""
    for link in chain:
        done = by_torchvision(link, image)
        if operations.OPERATIONS[link.name].empties:
            done = done + (1 - by_torchvision(link, torch.ones_like(image))) * fill
        image = done
    return image


THROUGH_TORCHVISION = [name for name in CHAINED if name not in ("motion_blur", "iso_noise", "jpeg", "patchshuffle")]


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("name", THROUGH_TORCHVISION)
def test_torchvision_makes_the_same_of_the_numbers_that_were_drawn(name, seed):
    images = batch(seed=seed)
    recipe = plan(name, images, seed)
    mixed, fill = recipe.apply(images.images), torch.zeros(3, 1, 1) if recipe.fill is None else recipe.fill[0]
    weights = torch.ones(len(recipe.sequences), len(mixed)) if recipe.weight is None else recipe.weight[..., 0, 0, 0]
    for n, image in enumerate(images.images):
        versions = [by_chain(chains[n], image, fill) for chains in recipe.sequences]
        expected = sum(w * version for w, version in zip(weights[:, n], versions, strict=True))
        off = (mixed[n] - expected).abs()
        # A difference of a millionth may become a byte, which changes a histogram.
        stepped = {"posterize", "solarize", "equalize"} & {
            link.name for chains in recipe.sequences for link in chains[n]
        }
        assert off.median() < 1e-5
        assert (off < 1e-4).float().mean() > (0.85 if stepped else 1 - 1e-6), recipe.sequences[0][n]


@chained
def test_the_chain_is_what_happened(name):
    """Recompute every image alone from the operations in its recipe."""
    images = batch(8)
    recipe = plan(name, images, 5)
    mixed = recipe.apply(images.images)
    for n in range(8):
        alone = recipe.row(n)
        total = 0
        for k, chains in enumerate(alone.sequences):
            weight = 1 if alone.weight is None else alone.weight[k, 0]
            total = total + weight * operations.run(chains, images.images[n : n + 1], recipe.fill)
        torch.testing.assert_close(mixed[n], total[0], rtol=0, atol=2e-6)


# ---------------------------------------------------------------- what torchvision lacks


@pytest.mark.parametrize("quality", [5, 20, 50, 75, 95])
def test_jpeg_against_the_codec(quality):
    image_module = pytest.importorskip("PIL.Image")
    rng = np.random.default_rng(quality)
    y, x = np.mgrid[:70, :100]
    picture = np.stack([127 + 90 * np.sin(y / 9) * np.cos(x / 13), 255 * ((x // 25 + y // 20) % 2), 2.0 * x], -1)
    picture = np.clip(picture + rng.normal(0, 6, picture.shape), 0, 255).astype(np.uint8)
    file = io.BytesIO()
    image_module.fromarray(picture).save(file, "JPEG", quality=quality)
    opened = image_module.open(file)
    for i in (0, 1):
        assert np.array_equal(np.reshape(opened.quantization[i], (8, 8)), jpeg.steps(np.array([quality]))[0, i])
    pixels = torch.from_numpy(picture).permute(2, 0, 1)[None] / 255
    result = (jpeg.through(pixels, np.array([quality]))[0] * 255).permute(1, 2, 0).numpy()
    codec = np.asarray(opened).astype(np.float64)
    assert np.abs(result - codec).mean() < 1
    assert np.abs(result - codec).mean() < np.abs(picture - codec).mean() / 3  # and not since little happens


def hashed_by_hand(seed: int, count: int) -> list[int]:
    mask, result = 2**32 - 1, []

    def mixed(x: int) -> int:
        x ^= x >> 16
        x = x * 0x7FEB352D & mask
        x ^= x >> 15
        x = x * 0x846CA68B & mask
        return x ^ x >> 16

    start = mixed(seed * 0x9E3779B9 & mask)
    for i in range(count):
        result.append(mixed((start + i) & mask))
    return result


def test_the_hash_is_its_formula_and_its_numbers_look_random():
    seeds = [0, 1, 77, 2**32 - 1]
    result = hashing.whole(np.array(seeds), (500,), torch.device("cpu"))
    assert result.tolist() == [hashed_by_hand(seed, 500) for seed in seeds]
    normal = hashing.normal(np.arange(6), (40000,), torch.device("cpu")).double()
    assert normal.mean(1).abs().max() < 4.5 / 200
    assert (normal.var(1) - 1).abs().max() < 0.05
    assert (torch.corrcoef(normal) - torch.eye(6)).abs().max() < 4.5 / 200
    assert abs(np.corrcoef(normal[0][1:], normal[0][:-1])[0, 1]) < 4.5 / 200
    uniform = hashing.uniform(np.arange(3), (40000,), torch.device("cpu"))
    assert 0 < uniform.min() < 1e-3
    assert 1 - 1e-3 < uniform.max() < 1


def test_iso_noise_grows_with_the_root_of_the_light():
    levels = torch.tensor([0.04, 0.16, 0.36])
    images = levels.view(3, 1, 1, 1).expand(3, 3, 120, 120)
    for own in (0.0, 0.5, 1.0):
        chains = [(AppliedOp("iso_noise", (0.1, own), seed),) for seed in range(3)]
        noise = operations.run(chains, images) - images
        for level, one in zip(levels, noise, strict=True):
            assert one.std().item() == pytest.approx(0.1 * math.sqrt(level), rel=0.05)
            assert np.corrcoef(one[0].ravel(), one[1].ravel())[0, 1] == pytest.approx(1 - own, abs=0.05)
    assert not operations.run([(AppliedOp("iso_noise", (0.5, 0.5), 1),)], torch.zeros(1, 3, 9, 9)).any()


@pytest.mark.parametrize(("length", "angle"), [(9.0, 0.0), (7.0, 90.0), (8.5, 30.0), (6.0, 135.0), (0.0, 40.0)])
def test_motion_blur_is_the_mean_of_a_line(length, angle):
    """Compare with the mean of a thousand pictures, each shifted a little further by OpenCV."""
    cv2 = pytest.importorskip("cv2")
    image = batch(1, (40, 50)).images
    result = operations.run([(AppliedOp("motion_blur", (length, angle)),)], image)[0, :, 12:-12, 12:-12]
    picture, total = image[0].permute(1, 2, 0).numpy(), 0
    for t in np.linspace(-0.5, 0.5, 400):
        across, down = t * length * np.cos(np.radians(angle)), -t * length * np.sin(np.radians(angle))
        matrix = np.float32([[1, 0, across], [0, 1, down]])
        total = total + cv2.warpAffine(
            picture, matrix, (50, 40), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101
        )
    expected = torch.from_numpy(total / 400).permute(2, 0, 1)[:, 12:-12, 12:-12]
    torch.testing.assert_close(result, expected.float(), rtol=0, atol=0.02)


@pytest.mark.parametrize("window", [1, 2, 4, 7, 64])
def test_patchshuffle_keeps_the_pixels_of_every_window(window):
    images = batch(6)
    mixed = plan("patchshuffle", images, window=window).apply(images.images)
    for n, top, left in itertools.product(range(6), range(0, SIZE[0], window), range(0, SIZE[1], window)):
        here = n, slice(None), slice(top, top + window), slice(left, left + window)
        before, after = (sorted(map(tuple, part[here].flatten(1).T.tolist())) for part in (images.images, mixed))
        assert before == after
    assert torch.equal(mixed, images.images) == (window == 1)


def test_patchshuffle_draws_every_order_of_a_window():
    count = 6000
    image = torch.arange(1, 5).view(1, 1, 2, 2).expand(count, 3, 2, 2) / 8
    recipe = METHODS["patchshuffle"](window=2).plan(Batch(image), np.random.default_rng(0))
    seen = Counter(tuple(order) for order in recipe.apply(image)[:, 0].flatten(1).tolist())
    assert len(seen) == 24
    assert max(abs(times - count / 24) for times in seen.values()) < 4.5 * math.sqrt(count / 24)


def test_kernels_are_mirrored_at_the_edges():
    assert filters.mirrored(np.arange(-5, 9), 4).tolist() == [1, 2, 3, 2, 1, 0, 1, 2, 3, 2, 1, 0, 1, 2]
    assert filters.mirrored(np.arange(-3, 4), 1).tolist() == [0] * 7


@pytest.mark.parametrize("given", [{}, {"ratio": 0.3, "low": 0.1, "high": 0.2}, {"degrees": 0.0}])
def test_gridmask_hides_squares_of_a_grid(given):
    """Without rotation, rows and columns of the mask repeat with the unit; with it, the hidden share is (1 - r)²."""
    images = batch(60, (90, 110))
    recipe = plan("gridmask", images, probability=1.0, **given)
    mask, method = recipe.weight[0, :, 0], METHODS["gridmask"](**given)
    assert set(mask.unique().tolist()) <= {0, 1}
    assert 1 - mask.mean().item() == pytest.approx((1 - method.ratio) ** 2, abs=0.035)
    if method.degrees == 0:
        for one in mask:
            assert torch.linalg.matrix_rank(1 - one) <= 1  # a hidden pixel lies in a hidden row and a hidden column
            hidden = (1 - one).amax(0).tolist()
            runs = [len(list(run)) for value, run in itertools.groupby(hidden) if value][1:-1]
            assert not runs or max(runs) - min(runs) <= 1
            assert all(0.43 * 90 * 0.4 - 1 <= run <= 90 * 0.4 + 1 for run in runs)


def test_gridmasks_unit_is_a_share_of_the_shorter_side():
    """Half of 16 pixels: without a turn the grid repeats every eight pixels along both sides, and not before."""
    for size in ((16, 48), (48, 16)):
        given = {"low": 0.5, "high": 0.5, "degrees": 0.0, "probability": 1.0}
        kept = plan("gridmask", batch(8, size), **given).weights()[0, :, 0]
        assert torch.equal(kept[:, 8:], kept[:, :-8])
        assert torch.equal(kept[:, :, 8:], kept[:, :, :-8])
        for n in range(8):
            assert not torch.equal(kept[n, 4:], kept[n, :-4])
            assert not torch.equal(kept[n, :, 4:], kept[n, :, :-4])


@pytest.mark.parametrize("size", [(20, 90), (90, 20)])
def test_shifts_are_shares_of_the_sides_that_they_name(size):
    """Of 400 uniform draws the largest lies within a twentieth of the end, but for a chance of 0.95^400."""
    many = batch(400, size)
    values = np.array([links[0].values for links in plan("affine", many, shift=0.5).sequences[0]])
    for column, side in ((1, size[1]), (2, size[0])):
        assert 0.475 * side < np.abs(values[:, column]).max() <= 0.5 * side
    (link,) = plan("elastic", batch(1, size), shift=0.05, smoothness=0.1).sequences[0][0]
    assert link.values == pytest.approx((0.05 * 90, 0.1 * 90))


def test_gridmask_leaves_some_pictures_alone():
    recipe = plan("gridmask", batch(800, (12, 12)), probability=0.3, low=0.3, high=0.5)
    assert (recipe.weight[0].amin((1, 2, 3)) == 0).float().mean().item() == pytest.approx(0.3, abs=0.06)


# ---------------------------------------------------------------- policies, drawn from published tables

SPACES = {
    "usual": (_policies.USUAL, v2.RandAugment._AUGMENTATION_SPACE, 31),
    "autoaugment": ({**_policies.USUAL, "invert": None}, v2.AutoAugment._AUGMENTATION_SPACE, 10),
    "wide": (_policies.WIDE, v2.TrivialAugmentWide._AUGMENTATION_SPACE, 31),
}


@pytest.mark.parametrize("which", SPACES)
def test_ranges_are_torchvisions(which):
    ours, reference, bins = SPACES[which]
    assert {*ours} == {_policies.PUBLISHED[name] for name in reference if name != "Identity"}
    for name, (numbers, signed) in reference.items():
        if name == "Identity" or numbers(bins, *SIZE) is None:
            continue
        about = ours[_policies.PUBLISHED[name]]
        assert about.mirrored == signed
        for i, number in enumerate(numbers(bins, *SIZE).tolist()):
            for mirror in (False, True):
                value = -number if signed and mirror else number
                expected = {
                    "TranslateX": int(1.000001 * value), "TranslateY": int(1.000001 * value), "Solarize": 255 * value,
                    **dict.fromkeys(("Brightness", "Color", "Contrast", "Sharpness"), 1 + value),
                }.get(name, value)  # fmt: skip
                assert about.at(i / (bins - 1), SIZE, mirror) == pytest.approx(expected, abs=1e-4), (name, i)


def names(recipe, k=0) -> Counter:
    return Counter(link.name for chain in recipe.sequences[k] for link in chain)


def many(name, n=4000, seed=0, **given):
    images = torch.zeros(1, 3, 16, 20, dtype=torch.uint8).expand(n, -1, -1, -1)
    return METHODS[name](**given).plan(Batch(images), np.random.default_rng(seed))


def near(times, odds, n):
    assert abs(times / n - odds) <= 4.5 * math.sqrt(odds * (1 - odds) / n) + 1e-9, (times, odds * n)


@pytest.mark.parametrize("policy", ["imagenet", "cifar10", "svhn"])
def test_autoaugment_draws_the_published_pairs(policy):
    n, recipe, expected = 8000, many("autoaugment", 8000, policy=policy), Counter()
    published = autoaugment.published(policy)
    assert len(published) == 25
    for one in published:
        (first, p, _), (second, q, _) = one
        for a, b in itertools.product((True, False), repeat=2):
            kind = ((_policies.PUBLISHED[first],) if a else ()) + ((_policies.PUBLISHED[second],) if b else ())
            expected[kind] += (p if a else 1 - p) * (q if b else 1 - q) / 25
    seen = Counter(tuple(link.name for link in chain) for chain in recipe.sequences[0])
    assert {kind for kind, odds in expected.items() if odds} >= set(seen)
    for kind, odds in expected.items():
        near(seen[kind], odds, n)


def test_randaugment_and_trivialaugment_draw_evenly():
    n = 6000
    recipe = many("randaugment", n, operations=3)
    for name in _policies.USUAL:
        near(names(recipe)[name], 1 / 14, 3 * n)
    assert {abs(link.values[0]) for c in recipe.sequences[0] for link in c if link.name == "rotate"} == {30 * 9 / 30}
    recipe = many("trivialaugment", n)
    near(sum(not chain for chain in recipe.sequences[0]), 1 / 14, n)
    turns = {round(link.values[0], 4) for c in recipe.sequences[0] for link in c if link.name == "rotate"}
    assert turns <= {round(sign * 135 * i / 30, 4) for i in range(31) for sign in (-1, 1)}
    assert len(turns) > 55


def test_uniformaugment_applies_half_of_its_operations():
    n, recipe = 6000, many("uniformaugment", 6000)
    near(sum(not chain for chain in recipe.sequences[0]), 1 / 4, n)
    for name in _policies.FROM_END_TO_END:
        near(names(recipe)[name], 1 / 30, 2 * n)
    factors = [link.values[0] for c in recipe.sequences[0] for link in c if link.name == "contrast"]
    assert 0.1 <= min(factors) < 0.2
    assert 1.8 < max(factors) <= 1.9
    for top, left, bottom, right in (link.values for c in recipe.sequences[0] for link in c if link.name == "cutout"):
        assert 0 <= top <= bottom <= 16
        assert 0 <= left <= right <= 20
        assert max(bottom - top, right - left) <= 4


def test_fast_autoaugments_data_is_whole():
    data = _policies.data("fast_autoaugment")
    assert {key: len(value) for key, value in data.items() if key != "source"} == {
        "imagenet": 498, "cifar10": 493, "svhn": 497,
    }  # fmt: skip
    for key in ("imagenet", "cifar10", "svhn"):
        for name, probability, level in itertools.chain(*data[key]):
            assert name in _policies.PUBLISHED
            assert 0 <= probability <= 1
            assert 0 <= level <= 1
        recipe, expected = many("fast_autoaugment", policy=key), Counter()
        for one in data[key]:
            for name, probability, _ in one:
                expected[_policies.PUBLISHED[name]] += probability / len(data[key])
        for name, odds in expected.items():
            near(names(recipe)[name], odds / 2, 2 * 4000)
    assert data["cifar10"][0] == [["Contrast", 0.8321, 0.4988], ["TranslateX", 0.4185, 0.394]]  # as in archive.py


@pytest.mark.parametrize(("form", "level", "hidden"), [
    ("centred", 1.0, 0.0317), ("released", 1.0, 0.0454), ("released", 0.5, 0.0151), ("released", 0.0, 0.0),
])  # fmt: skip
def test_how_much_fast_autoaugments_hole_hides(form, level, hidden):
    """Mean share of 32 x 32 pixels over 4000 draws: the released code's, with Pillow 12.3, and centred squares'."""
    side, n = (32, 32), 4000
    chance = _policies.Chance.draw(np.random.default_rng(0), n, 1, side)
    space = _policies.END_TO_END[form]
    holes = np.array([chance.op(space, "cutout", level, (i, 0), side).values for i in range(n)])
    sides = holes[:, 2:] - holes[:, :2]
    assert sides.prod(1).mean() / 1024 == pytest.approx(hidden, abs=0.0005)
    assert 0 <= holes.min() <= holes.max() <= 32
    if form == "released":  # clipped only at the bottom and right
        assert (sides == sides.max())[holes[:, :2] == 0].all()


@pytest.mark.parametrize("name", ["fast_autoaugment", "uniformaugment"])
def test_the_form_of_a_hole_is_the_methods(name):
    for form, largest in (("centred", 3), ("released", 4)):  # of 20 pixels, at a little less than the full fifth
        recipe = many(name, cutout=form)
        holes = [link.values for chain in recipe.sequences[0] for link in chain if link.name == "cutout"]
        assert max(right - left for _, left, _, right in holes) == largest


def test_fast_autoaugment_tells_the_counts_of_its_lists_in_their_order():
    data = _policies.data("fast_autoaugment")
    counts = [str(len(data[key])) for key in METHODS["fast_autoaugment"].parameters()["policy"]["choices"]]
    assert counts == ["498", "493", "497"]
    assert re.findall(r"\b49\d\b", inspect.getdoc(METHODS["fast_autoaugment"])) == counts


@pytest.mark.parametrize(("fill", "corner"), [("mean", 0.25), ("black", 0.0)])
def test_augmix_fills_what_is_empty(fill, corner):
    images = torch.ones(64, 3, 16, 16)
    batch = Batch(images, mean=(0.25,) * 3, std=(0.5,) * 3)
    recipe = METHODS["augmix"](fill=fill, severity=10.0, branches=1).plan(batch, np.random.default_rng(0), lam=0.0)
    moved = [i for i, chain in enumerate(recipe.sequences[1]) if {*(link.name for link in chain)} == {"translate_x"}]
    mixed = recipe.apply(images)[moved]
    assert mixed.min() == pytest.approx(corner, abs=1e-6)


def test_pbas_schedule_grows():
    assert not any(many("pba", progress=0.0).sequences[0])
    for policy in ("cifar10", "svhn"):
        recipe = many("pba", policy=policy)
        assert max(map(len, recipe.sequences[0])) == 2
        near(sum(not chain for chain in recipe.sequences[0]), 0.2, 4000)
        lengths = Counter(map(len, recipe.sequences[0]))
        near(lengths[2], 0.5, 4000)
    first, last = (pba.PBA(progress=at).moment() for at in (0.2, 1.0))
    assert len(first) == len(last) == 30
    assert sum(p * m for _, p, m in first) < sum(p * m for _, p, m in last)
    assert last[:3] == [("AutoContrast", 0, 6), ("Equalize", 6, 6), ("Invert", 10, 0)]  # as the file's last line says


@pytest.mark.parametrize("alpha", [0.5, 1.0, 8.0])
def test_augmixs_branches_share_what_the_picture_leaves_by_dirichlet(alpha):
    """A component of Dirichlet(α, α, α) has the variance (1/3)(2/3) / (3α + 1)."""
    weight = plan("augmix", batch(800, (2, 3)), alpha=alpha, branches=3).base.weight[:, :, 0, 0, 0].double()
    shares = (weight[1:] / weight[1:].sum(0))[:, weight[0] < 0.99]
    assert shares.mean(1).tolist() == pytest.approx([1 / 3] * 3, abs=0.06)
    assert shares.var().item() == pytest.approx(2 / 9 / (3 * alpha + 1), rel=0.15)


def test_augmix_weighs_the_picture_and_its_chains():
    recipe = many("augmix", alpha=1.0)
    weight = recipe.weight[..., 0, 0, 0].double()
    torch.testing.assert_close(weight.sum(0), torch.ones(4000).double(), rtol=0, atol=1e-6)
    torch.testing.assert_close(weight[0], recipe.lam.double())
    shares = (weight[1:] / weight[1:].sum(0).clamp(min=1e-9))[0].numpy()  # Dirichlet(1, 1, 1): Beta(1, 2) each
    assert shares.mean() == pytest.approx(1 / 3, abs=0.02)
    assert shares.var() == pytest.approx(2 / (9 * 4), rel=0.1)
    for k in (1, 2, 3):
        lengths = Counter(map(len, recipe.sequences[k]))
        assert set(lengths) == {1, 2, 3}
        for times in lengths.values():
            near(times, 1 / 3, 4000)
    assert not any(recipe.sequences[0])
    assert not {*_policies.ENHANCE} & set(names(recipe, 1))
    turns = [link.values[0] for c in recipe.sequences[1] for link in c if link.name == "rotate"]
    assert set(turns) <= set(range(-9, 10))  # whole degrees up to 30 · 3 / 10
    assert {*_policies.ENHANCE} <= set(names(many("augmix", operations="all"), 2))
    assert {len(chain) for chain in many("augmix", 50, depth=5).sequences[2]} == {5}


# ---------------------------------------------------------------- maps, texts, devices, errors


@pytest.mark.parametrize("seed", range(3))
def test_what_a_crop_leaves_out_is_not_visible(seed):
    images, rng = batch(12, (40, 48)), np.random.default_rng(seed)
    maps = torch.from_numpy(rng.random((12, 40, 48), np.float32)) ** 4
    recipe = plan("random_crop", images, seed)
    visible = recipe.truth(maps).visible[0]
    for n in range(12):
        top, left, height, width = map(int, recipe.sequences[0][n][0].values)
        inside = maps[n, top : top + height, left : left + width].sum() / maps[n].sum()
        assert visible[n].item() == pytest.approx(inside.item(), abs=0.02)


STAYING = [name for name in CHAINED if METHODS[name].card.family == "colour"]


@pytest.mark.parametrize("name", [*STAYING, "horizontal_flip", "vertical_flip", "patchshuffle"])
def test_what_stays_in_the_picture_stays_visible(name):
    images, maps = batch(6), torch.rand(6, *SIZE)
    truth = plan(name, images).truth(maps)
    torch.testing.assert_close(truth.visible[0], torch.ones(6))
    torch.testing.assert_close(truth.gap, torch.zeros(6))


@pytest.mark.parametrize(("name", "given"), [("rotation", {}), ("affine", {"zoom": 1.0}), ("elastic", {})])
def test_what_leaves_the_picture_is_not_visible(name, given):
    """Compare with counted pixels: each pixel of the map goes through alone, and is visible if any of it arrives."""
    images, (height, width) = batch(2, (12, 14)), (12, 14)
    recipe = plan(name, images, 3, **given)
    maps = torch.rand(2, height, width, generator=torch.Generator().manual_seed(0))
    single = torch.eye(height * width).view(-1, 1, height, width)
    for n in range(2):
        (link,) = recipe.sequences[0][n]
        arrives = torch.stack([by_torchvision(link, one).sum() for one in single]).view(height, width).clamp(0, 1)
        seen = (maps[n] * arrives).sum() / maps[n].sum()
        assert recipe.truth(maps).visible[0, n].item() == pytest.approx(seen.item(), abs=0.1)


def test_what_becomes_small_stays_visible():
    """A picture whose corners move inward stays visible on fewer pixels; likewise one that is scaled down."""
    images, maps = batch(8, (48, 60)), torch.rand(8, 48, 60)
    for recipe in (plan("perspective", images), plan("affine", images, degrees=0.0, shift=0.0, shear=0.0, zoom=1.0)):
        torch.testing.assert_close(recipe.truth(maps).visible[0], torch.ones(8), rtol=0, atol=0.03)
    halved = Operations((((AppliedOp("affine", (0.0, 0.0, 0.0, 0.5, 0.0)),),) * 8,))
    small = dataclasses.replace(recipe, mixing=halved)
    torch.testing.assert_close(small.truth(maps).visible[0], torch.ones(8), rtol=0, atol=0.03)
    assert small.area.mean().item() == pytest.approx(0.25, abs=0.02)


def test_augmix_gives_no_label_to_a_wrong_picture():
    images, maps = batch(5), torch.rand(5, *SIZE)
    recipe = plan("augmix", images)
    assert recipe.truth(maps).gap.max() < 1e-6
    assert not recipe.paired
    assert recipe.targets(torch.arange(5), 5).tolist() == torch.eye(5).tolist()


def test_chains_in_words():
    chain = (AppliedOp("rotate", (12.0,)), AppliedOp("solarize", (128.0,)), AppliedOp("equalize"))
    assert operations.in_words(chain) == "rotate 12°, solarize 128, equalize"
    assert operations.in_words(chain, "ko") == "회전 12°, 128부터 솔라리제이션, 평활화"
    assert operations.in_words(()) == ""
    known = mixviz.i18n.catalogue()["ko"]
    for name, operation in operations.OPERATIONS.items():
        assert sorted(set(operation.text) & set("01234")) == sorted(set(known[f"operation.{name}"]) & set("01234"))


@chained
def test_cards_steps_and_files_say_what_was_drawn(name):
    images, maps, _ = pair((24, 30))
    for seed in range(6):
        result = example.make_example(images, METHODS[name](), seed, None, maps=maps, names=("cat", "dog"))
        drawn = [chains[0] for chains in result.recipe.sequences]
        step = next(step for step in example.steps(result) if step.key == "operations")
        for chain in filter(None, drawn):
            assert operations.in_words(chain) in step.number
            assert operations.in_words(chain) in result.text()
            assert operations.in_words(chain, "ko") in result.text("ko")
        if not any(drawn):
            assert step.number == "as it is" or len(drawn) > 1
            assert result.sentence["key"] == "sentence.unchanged"
        report = json.loads(json.dumps(serialize.recipe_json(result.recipe, result.truth)))
        for chain, listed in zip(drawn, report["chains"], strict=True):
            again = [AppliedOp(one["name"], tuple(one["values"]), one["seed"]) for one in listed]
            assert tuple(again) == chain


def test_augmix_tells_its_weights():
    images, maps, _ = pair((24, 30))
    result = example.make_example(images, METHODS["augmix"](), 1, None, maps=maps)
    sentence = result.operations().split(" + ")
    assert len(sentence) == 4
    assert sentence[0] == f"{example.percent(result.recipe.lam[0].item())} (as it is)"


@chained
def test_bytes_and_floats_are_the_same_pixels(name):
    images = batch()
    recipe = plan(name, images, 2)
    floats, octets = recipe.apply(images.images), recipe.apply(as_bytes(images.images))
    assert (floats * 255 - octets).abs().max() <= 0.5001


def test_one_call_per_operation_and_place(monkeypatch):
    """The number of calls does not grow with the batch."""
    calls, real = [], operations._grouped

    def counted(chains):
        for group in real(chains):
            calls.append(len(group[1]))
            yield group

    monkeypatch.setattr(operations, "_grouped", counted)
    for name, most in (("rotation", 1), ("trivialaugment", 13), ("randaugment", 26), ("autoaugment", 28)):
        calls.clear()
        images = batch(300, (8, 8))
        plan(name, images).apply(images.images)
        assert len(calls) <= most
        assert sum(calls) > 200


@chained
def test_a_missing_torchvision_is_said_at_the_door(name, monkeypatch):
    monkeypatch.setattr(operations.importlib.util, "find_spec", lambda package: None)
    autoaugment.published.cache_clear()
    with pytest.raises(ImportError, match="pip install torchvision"):
        plan(name)
