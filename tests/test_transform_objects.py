"""MixTransform and MixCollate with objects, dense maps and the dictionaries of torchvision's detectors."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pytest
import torch
from test_follow import scattered

import mixviz
from mixviz import METHODS, MixCollate, MixTransform, MovedObjects, Objects
from mixviz.core.objects import collate
from mixviz.data import pictures

SIZE, COUNTS = (24, 36), (2, 0, 3, 1)
IMAGES = torch.rand(4, 3, *SIZE, generator=torch.Generator().manual_seed(0))
LABELS = torch.tensor([0, 1, 2, 1])
OBJECTS = scattered(SIZE, COUNTS)
MAPS = torch.arange(4)[:, None, None].expand(4, *SIZE).contiguous()
NETWORK = torch.nn.Sequential(torch.nn.AdaptiveAvgPool2d(4), torch.nn.Flatten(), torch.nn.Linear(48, 3))


def same(one, other) -> bool:
    columns = ("source", "origin", "visible", "weight", "area")
    fields = ("image", "boxes", "masks", "classes")
    return all(torch.equal(getattr(one, key), getattr(other, key)) for key in columns) and all(
        torch.equal(getattr(one.objects, key), getattr(other.objects, key)) for key in fields
    )


@pytest.mark.parametrize("name", METHODS)
def test_all_that_is_given_is_mixed_by_one_recipe(name):
    given = {"seed": 3, "network": NETWORK}
    recipe = MixTransform(name, 3, **given).plan(IMAGES, LABELS, objects=OBJECTS)
    if recipe.layer:
        pytest.skip("mixes inside the network")
    images, targets, moved, maps = MixTransform(name, 3, **given)(IMAGES, LABELS, OBJECTS, maps=MAPS)
    assert torch.equal(images, recipe.apply(IMAGES))
    assert torch.equal(targets, recipe.targets(LABELS, 3))
    assert same(moved, recipe.follow(OBJECTS))
    assert torch.equal(maps, recipe.follow_map(MAPS))
    for target in mixviz.detection_targets(moved):  # detectors refuse boxes without an area
        left, top, right, bottom = target["boxes"].unbind(1)
        assert ((left < right) & (top < bottom)).all()
        assert (target["masks"].sum((1, 2)) > 0).all()


def test_two_arguments_give_what_they_gave():
    recipe = MixTransform("cutmix", 3, seed=1).plan(IMAGES, LABELS)
    result = MixTransform("cutmix", 3, seed=1)(IMAGES, LABELS)
    assert len(result) == 2
    assert torch.equal(result[0], recipe.apply(IMAGES))
    assert torch.equal(result[1], recipe.targets(LABELS, 3))


def test_parts_may_be_missing():
    images, moved = MixTransform("mosaic")(IMAGES, objects=OBJECTS)
    assert isinstance(moved, MovedObjects)
    images, maps = MixTransform("mosaic", ignore=9)(IMAGES, maps=MAPS)
    assert maps.shape == (4, *SIZE)
    depth = MixTransform("mixup")(IMAGES, maps=torch.rand(4, 1, *SIZE))[1]
    assert depth.shape == (4, 1, *SIZE)
    images, ages = MixTransform("cmixup")(IMAGES, torch.rand(4))
    assert ages.shape == (4,)
    with pytest.raises(TypeError, match="Give labels, objects or maps"):
        MixTransform("mosaic")(images)
    with pytest.raises(ValueError, match="need num_classes"):
        MixTransform("mosaic")(IMAGES, LABELS)


@pytest.mark.parametrize("rule", ["share", "union", "visible"])
def test_labels_may_come_from_the_objects(rule):
    n = len(OBJECTS)
    recipe = MixTransform("cutmix", n, seed=2).plan(IMAGES, objects=OBJECTS)
    _, targets = MixTransform("cutmix", n, seed=2, rule=rule)(IMAGES, OBJECTS)
    assert torch.equal(targets, recipe.targets(OBJECTS, n, rule=rule))
    _, same_targets, moved = MixTransform("cutmix", n, seed=2, rule=rule, min_visible=0.5)(IMAGES, OBJECTS, OBJECTS)
    assert (moved.visible >= 0.5).all()
    strict = targets if rule == "share" else recipe.targets(OBJECTS, n, rule=rule, min_visible=0.5)
    assert torch.equal(same_targets, strict)
    with pytest.raises(ValueError, match="rule should be one of"):
        MixTransform("cutmix", n, rule="area")


def test_a_batch_that_stays_unmixed_keeps_objects_and_maps():
    shuffled = OBJECTS[torch.tensor([5, 0, 3, 1, 4, 2])]
    images, targets, moved, maps = MixTransform("mosaic", 3, mix_probability=0, min_visible=0.9)(
        IMAGES, LABELS, shuffled, maps=MAPS
    )
    assert torch.equal(images, IMAGES)
    assert torch.equal(maps, MAPS)
    assert torch.equal(targets.argmax(1), LABELS)
    for name in ("image", "boxes", "masks", "classes"):
        assert torch.equal(getattr(moved.objects, name), getattr(shuffled, name))
    assert torch.equal(moved.source, shuffled.image)
    assert moved.origin.tolist() == list(range(6))
    assert moved.visible.tolist() == moved.weight.tolist() == [1] * 6
    assert torch.equal(moved.area, shuffled.areas)


def test_what_is_invalid_leaves_the_images_as_they_are():
    images = IMAGES.clone()
    with pytest.raises(ValueError, match="objects"):
        MixTransform("cutmix", inplace=True)(images, objects=Objects.none(SIZE, 3))
    with pytest.raises(ValueError, match="maps should be"):
        MixTransform("cutmix", inplace=True)(images, maps=MAPS[:, :5])
    assert torch.equal(images, IMAGES)


# ---------------------------------------------------------------- samples of a DataLoader


class Sample(NamedTuple):
    image: torch.Tensor
    label: int
    objects: Objects
    name: str


def test_samples_with_objects():
    samples = [(IMAGES[n], int(LABELS[n]), OBJECTS.of(n), f"{n}.png") for n in range(4)]
    expected = MixTransform("mosaic", 3)(IMAGES, LABELS, OBJECTS)
    images, targets, moved, names = MixCollate("mosaic", 3)(samples)
    assert torch.equal(images, expected[0])
    assert torch.equal(targets, expected[1])
    assert same(moved, expected[2])
    assert list(names) == [f"{n}.png" for n in range(4)]

    batch = MixCollate("mosaic", 3)([Sample(*sample) for sample in samples])
    assert isinstance(batch, Sample)
    assert same(batch.objects, moved)
    batch = MixCollate("mosaic", 3)([Sample(*sample)._asdict() for sample in samples])
    assert list(batch) == ["image", "label", "objects", "name"]
    assert same(batch["objects"], moved)
    images, alone = MixCollate("mosaic")([(sample[0], sample[2]) for sample in samples])
    assert same(alone, moved)
    with pytest.raises(TypeError, match="hold objects once"):
        MixCollate("mosaic", 3)([(*sample, sample[2]) for sample in samples])


def detection(n: int, masks=True) -> dict:
    own = OBJECTS.of(n)
    top, left, bottom, right = own.boxes.unbind(1)
    target = {"boxes": torch.stack([left, top, right, bottom], 1), "labels": own.classes, "image_id": 100 + n}
    target |= {"iscrowd": torch.zeros(len(own), dtype=torch.int64), "ids": own.classes + 1000}
    return target | ({"masks": own.masks.to(torch.uint8)} if masks else {})


@pytest.mark.parametrize("masks", [True, False])
def test_dictionaries_of_a_detector_go_and_come(masks):
    samples = [(IMAGES[n], detection(n, masks)) for n in range(4)]
    collate_fn = MixCollate("cutmix", mix_probability=0, columns=("iscrowd", "ids"))
    images, targets = collate_fn(samples)
    assert torch.equal(images, IMAGES)
    for (_, before), after in zip(samples, targets, strict=True):
        assert set(after) == {*before, "area", "visible", "weight"}
        for key, value in before.items():
            assert torch.equal(after[key], value) if isinstance(value, torch.Tensor) else after[key] == value
        assert after["boxes"].dtype == torch.float32
        assert after["labels"].dtype == torch.int64

    images, targets = MixCollate("cutmix", columns=("iscrowd", "ids"))(samples)
    plain = (
        OBJECTS
        if masks
        else Objects(size=SIZE, count=4, image=OBJECTS.image, boxes=OBJECTS.boxes, classes=OBJECTS.classes)
    )
    expected, moved = MixTransform("cutmix")(IMAGES, objects=plain)
    assert torch.equal(images, expected)
    assert [target["image_id"] for target in targets] == [100, 101, 102, 103]
    assert torch.cat([target["ids"] for target in targets]).tolist() == (moved.objects.classes + 1000).tolist()
    assert torch.equal(torch.cat([target["boxes"] for target in targets]), moved.objects.boxes[:, [1, 0, 3, 2]])
    assert torch.equal(torch.cat([target["area"] for target in targets]), moved.area)
    if masks:
        assert torch.equal(torch.cat([target["masks"] for target in targets]).bool(), moved.objects.masks)


def test_keypoints_are_x_and_y_in_a_dictionary():
    points = torch.tensor([[[5.0, 3.0, 2.0]]])
    target = {"boxes": torch.tensor([[2.0, 1, 9, 6]]), "labels": torch.tensor([1]), "keypoints": points}
    objects = mixviz.detection_objects([target], SIZE)
    assert objects.boxes.tolist() == [[1, 2, 6, 9]]
    assert objects.keypoints.tolist() == [[[3, 5, 2]]]
    (back,) = mixviz.detection_targets(objects)
    assert torch.equal(back["keypoints"], points)
    assert "visible" not in back
    assert back["iscrowd"].tolist() == [0]
    assert back["area"].tolist() == [35]


def test_objects_of_no_image_give_empty_targets():
    targets = mixviz.detection_targets(Objects.none(SIZE, 2))
    assert [target["boxes"].shape for target in targets] == [(0, 4)] * 2
    assert targets[0]["labels"].dtype == torch.int64
    assert len(mixviz.detection_objects(targets, SIZE)) == 0


@pytest.mark.parametrize(
    ("change", "error", "says"),
    [
        ({"labels": None}, TypeError, "image 0 has no 'labels'; it has 'boxes'"),
        ({"boxes": torch.tensor([[9.0, 1, 2, 6]] * 2)}, ValueError, "Image 0: Object 0: .*left <= right"),
        ({"boxes": torch.tensor([[1.0, 1, 37, 6]] * 2)}, ValueError, "leaves the image of 24x36"),
        ({"masks": torch.zeros(2, 36, 24)}, ValueError, "Image 0: masks should be"),
        ({"labels": torch.tensor([0.5, 1])}, TypeError, "Image 0: classes should be an integer"),
    ],
)
def test_dictionaries_that_are_wrong_are_named(change, error, says):
    target = {key: value for key, value in (detection(0) | change).items() if value is not None}
    with pytest.raises(error, match=says):
        MixCollate("cutmix")([(IMAGES[0], target), (IMAGES[1], detection(1))])


def test_what_would_lose_its_object_is_refused():
    with pytest.raises(ValueError, match=r"'ids' has a value for each object.*columns=\('iscrowd', 'ids'\)"):
        MixCollate("cutmix")([(IMAGES[n], detection(n)) for n in range(4)])
    tv_tensors = pytest.importorskip("torchvision.tv_tensors")
    boxes = tv_tensors.BoundingBoxes(torch.tensor([[1.0, 2, 3, 4]]), format="XYWH", canvas_size=SIZE)
    with pytest.raises(ValueError, match="convert them to XYXY"):
        mixviz.detection_objects([{"boxes": boxes, "labels": torch.tensor([1])}], SIZE)
    with pytest.raises(ValueError, match="have no classes"):
        mixviz.detection_targets(Objects(size=SIZE, count=1, image=torch.tensor([0]), boxes=torch.ones(1, 4) * 5 +
                                         torch.tensor([0.0, 0, 2, 2])))  # fmt: skip
    with pytest.raises(ValueError, match=r"one size.*Resize"):
        MixCollate("cutmix")([(IMAGES[0], detection(0)), (IMAGES[1, :, :9], detection(1))])


def test_a_segmentation_is_a_map_per_sample():
    samples = [(IMAGES[n], MAPS[n]) for n in range(4)]
    _, maps = MixCollate("classmix")(samples)
    assert maps.shape == (4, *SIZE)
    assert maps.dtype == torch.int64
    loader = torch.utils.data.DataLoader(samples, batch_size=2, collate_fn=MixCollate("mosaic"))
    assert all(len(batch) == 2 for batch in loader)


# ---------------------------------------------------------------- trained for a few steps


def photographs(side=64) -> tuple[torch.Tensor, Objects]:
    """Return the bundled photographs (N, 3, side, side) and their objects of one class, with box."""
    entries = [entry for _, entry in sorted(pictures.photographs().items())]
    images = torch.stack(
        [torch.from_numpy(pictures.load_image(pictures.photograph_path(one["file"]), side)) for one in entries]
    )
    boxes = torch.tensor([pictures.square_box(one, side) for one in entries], dtype=torch.float32)
    objects = Objects(
        size=(side, side), count=len(entries), image=torch.arange(len(entries)), boxes=boxes,
        classes=torch.ones(len(entries), dtype=torch.int64),
    )  # fmt: skip
    return images.permute(0, 3, 1, 2).contiguous(), objects


@pytest.mark.parametrize("name", ["mosaic", "cutmix"])
def test_a_detector_trains(name):
    models = pytest.importorskip("torchvision.models.detection")
    torch.manual_seed(0)
    network = models.fasterrcnn_mobilenet_v3_large_320_fpn(
        weights=None, weights_backbone=None, num_classes=2, min_size=64, max_size=64
    )
    optimizer = torch.optim.SGD(network.parameters(), lr=0.005)
    images, objects = photographs()
    samples = [(images[n] / 255, mixviz.detection_targets(objects.of(n))[0]) for n in range(8)]
    loader = torch.utils.data.DataLoader(samples, batch_size=4, collate_fn=MixCollate(name, min_visible=0.1))
    found = 0
    for mixed, targets in loader:
        losses = network(list(mixed), targets)
        loss = sum(losses.values())
        assert torch.isfinite(loss)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        found += sum(len(target["boxes"]) for target in targets)
    assert found > 8  # more objects than pictures


@pytest.mark.parametrize("name", ["mosaic", "cutmix", "rotation"])
def test_a_segmentation_trains(name):
    torch.manual_seed(0)
    network = torch.nn.Sequential(
        torch.nn.Conv2d(3, 8, 3, padding=1), torch.nn.ReLU(), torch.nn.Conv2d(8, 2, 3, padding=1)
    )
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
    images, objects = photographs(32)
    maps = objects.union().long()
    loader = torch.utils.data.DataLoader(
        list(zip(images / 255, maps, strict=True)), batch_size=4, collate_fn=MixCollate(name)
    )
    losses = []
    for mixed, target in loader:
        assert set(target.unique().tolist()) <= {0, 1, 255}
        loss = torch.nn.functional.cross_entropy(network(mixed), target, ignore_index=255)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert np.isfinite(losses).all()


def test_collated_objects_are_those_of_the_batch():
    joined = collate([OBJECTS.of(n) for n in range(4)])
    assert torch.equal(joined.image, OBJECTS.image)
