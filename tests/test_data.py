"""Small generated data sets in their official layouts, and their batches compared with known properties."""

from __future__ import annotations

import dataclasses
import hashlib
import io
import itertools
import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from cases import noise, picture_folder
from PIL import Image

from mixviz.data import sources
from mixviz.data.dataset import Dataset, decode, read, square
from mixviz.networks.run import Run
from mixviz.training import loader

CPU = torch.device("cpu")


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    """Use one thread, because threads on such small pictures mostly wait for one another."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def plain(colour, size=(64, 64)) -> Image.Image:
    return Image.new("RGB", size, colour)


def colour_of(picture) -> tuple[int, ...]:
    """Return the middle pixel, to the nearest ten: a JPEG of one colour is slightly off."""
    image = read(picture)
    return tuple(round(v, -1) for v in image.getpixel((image.width // 2, image.height // 2)))


# Tiny-ImageNet: the ids are sorted neither alphabetically nor by their words.
TINY = {
    "n03": ("king penguin, Aptenodytes", (200, 30, 30)),
    "n01": ("goose", (30, 200, 30)),
    "n02": ("bee", (30, 30, 200)),
}
BOX = (3, 5, 40, 63)  # x0, y0, x1, y1, inclusive, as in the data set


def tiny_imagenet(root: Path, train=3, val=2) -> Path:
    home = root / "tiny-imagenet-200"
    (home / "val" / "images").mkdir(parents=True)
    (home / "wnids.txt").write_text("\n".join(TINY) + "\n")
    words = {key: name for key, (name, _) in TINY.items()} | {"n99": "of no picture"}
    (home / "words.txt").write_text("".join(f"{key}\t{words[key]}\n" for key in sorted(words)))
    box, lines = "\t".join(map(str, BOX)), []
    for key, (_, colour) in TINY.items():
        images = home / "train" / key / "images"
        images.mkdir(parents=True)
        names = [f"{key}_{i}.JPEG" for i in range(train)]
        (images.parent / f"{key}_boxes.txt").write_text("".join(f"{name}\t{box}\n" for name in names))
        for name in names:
            plain(colour).save(images / name)
    for i, key in enumerate(list(TINY) * val):
        plain(TINY[key][1]).save(home / "val" / "images" / f"val_{i}.JPEG")
        lines.append(f"val_{i}.JPEG\t{key}\t{box}\n")
    (home / "val" / "val_annotations.txt").write_text("".join(lines))
    return root


PETS = {"Abyssinian": (200, 30, 30), "american_bulldog": (30, 200, 30), "Birman": (30, 30, 200)}


def oxford_pet(root: Path, each=2, masks=True) -> Path:
    home = root / "oxford-iiit-pet"
    (home / "images").mkdir(parents=True)
    (home / "annotations" / "trimaps").mkdir(parents=True)
    for part, start in (("trainval", 0), ("test", 100)):
        lines = ["#Image CLASS-ID SPECIES BREED ID\n"]
        for number, (breed, colour) in enumerate(PETS.items(), 1):
            for i in range(start, start + each):
                name = f"{breed}_{i}"
                plain(colour, (50, 40)).save(home / "images" / f"{name}.jpg")
                lines.append(f"{name} {number} 1 1\n")
                if masks:
                    trimap = np.full((40, 50), 2, np.uint8)
                    trimap[10:30, 10:30], trimap[10, 10:30] = 1, 3
                    Image.fromarray(trimap).save(home / "annotations" / "trimaps" / f"{name}.png")
        (home / "annotations" / f"{part}.txt").write_text("".join(lines))
    return root


def caltech101(root: Path, each=33) -> Path:
    home = root / "caltech101" / "101_ObjectCategories"
    colours = {"accordion": (200, 30, 30), "Faces": (30, 200, 30), "BACKGROUND_Google": (0, 0, 0)}
    for name, colour in colours.items():
        (home / name).mkdir(parents=True)
        for i in range(1, each + 1):
            plain(colour, (30, 20)).save(home / name / f"image_{i:04d}.jpg")
    (root / "caltech101" / "Annotations").mkdir()
    return root


def cifar(root: Path, monkeypatch, name="CIFAR10") -> Path:
    """Write the archive's format with four pictures of each of two classes, and give torchvision its checksums."""
    from torchvision import datasets

    cls = getattr(datasets, name)
    home, key = root / cls.base_folder, "labels" if name == "CIFAR10" else "fine_labels"
    home.mkdir()

    def entry(file: str, content: dict) -> list[str]:
        raw = pickle.dumps(content)
        (home / file).write_bytes(raw)
        return [file, hashlib.md5(raw).hexdigest()]

    def pictures(first: int, labels: list[int]) -> dict:
        rows = [noise(first + i, 32).transpose(2, 0, 1).reshape(-1) for i in range(len(labels))]
        return {"data": np.stack(rows), key: labels}

    file, md5 = entry("meta", {cls.meta["key"]: ["apple", "bear"]})
    monkeypatch.setattr(cls, "meta", {**cls.meta, "filename": file, "md5": md5})
    monkeypatch.setattr(cls, "train_list", [entry("one", pictures(0, [1, 0])), entry("two", pictures(2, [1, 0]))])
    monkeypatch.setattr(cls, "test_list", [entry("test", pictures(4, [0, 1]))])
    return root


# ---- layouts


@pytest.mark.parametrize("part", ["train", "val"])
def test_tiny_imagenet(tmp_path, part):
    split = sources.load("tiny_imagenet", tiny_imagenet(tmp_path), part)
    assert split.keys == ("n03", "n01", "n02")  # as in wnids.txt
    assert split.classes == ("king penguin", "goose", "bee")
    assert len(split) == len(split.pictures) == len(split.boxes) == {"train": 9, "val": 6}[part]
    assert split.side == 64
    assert {read(picture).size for picture in split.pictures} == {(64, 64)}
    for picture, label in zip(split.pictures, split.labels.tolist(), strict=True):
        assert colour_of(picture) == TINY[split.keys[label]][1]


def test_boxes_are_half_open(tmp_path):
    """3 to 40 across and 5 to 63 down, both ends inside, are 38 by 59 pixels: a slice gives them."""
    for part in ("train", "val"):
        split = sources.load("tiny_imagenet", tiny_imagenet(tmp_path / part), part)
        for top, left, bottom, right in split.boxes:
            assert np.zeros((64, 64))[top:bottom, left:right].shape == (59, 38)
            assert (top, left) == (5, 3)


def test_tiny_imagenet_is_found_in_its_own_folder_too(tmp_path):
    outer = sources.load("tiny_imagenet", tiny_imagenet(tmp_path), "val")
    inner = sources.load("tiny_imagenet", tmp_path / "tiny-imagenet-200", "val")
    assert list(outer.pictures) == list(inner.pictures)


def test_folder(tmp_path):
    root = picture_folder(tmp_path, ("zebra", "Ant", "bee"), train=4, val=2)
    (root / "train" / "bee" / "notes.txt").write_text("no picture")
    (root / "train" / "readme.txt").write_text("no class")
    (root / "train" / "bee" / "more").mkdir()
    (root / "train" / "bee" / "00.png").rename(root / "train" / "bee" / "more" / "deep.PNG")
    train, val = (sources.load("folder", root, part) for part in ("train", "val"))
    assert train.classes == train.keys == val.classes == ("Ant", "bee", "zebra")
    assert (len(train), len(val)) == (12, 6)
    for split in (train, val):
        for picture, label in zip(split.pictures, split.labels.tolist(), strict=True):
            assert split.keys[label] in picture.parts
        assert not split.boxes
        assert not split.masks
    (root / "val").rename(root / "test")
    assert len(sources.load("folder", root, "val")) == 6


@pytest.mark.parametrize("part", ["train", "val"])
def test_oxford_pet(tmp_path, part):
    split = sources.load("oxford_pet", oxford_pet(tmp_path), part)
    assert split.classes == ("Abyssinian", "american bulldog", "Birman")
    assert split.keys == tuple(PETS)
    assert len(split) == 6
    number = 0 if part == "train" else 100
    for picture, label, mask in zip(split.pictures, split.labels.tolist(), split.masks, strict=True):
        assert colour_of(picture) == PETS[split.keys[label]]
        assert picture.stem == mask.stem
        assert int(picture.stem.rsplit("_", 1)[1]) >= number
        assert np.unique(np.asarray(Image.open(mask))).tolist() == [1, 2, 3]
    assert not sources.load("oxford_pet", oxford_pet(tmp_path / "other", masks=False), part).masks


def test_every_picture_is_held_out_once(tmp_path):
    root, together = oxford_pet(tmp_path, each=4), []
    for number in range(1, 6):
        train, val = (sources.load("oxford_pet", root, part, holdout=f"{number}/5") for part in ("train", "val"))
        assert not set(train.pictures) & set(val.pictures)
        assert len(train) + len(val) == 24
        assert set(torch.bincount(val.labels, minlength=3).tolist()) <= {1, 2}
        assert all(picture.stem == mask.stem for picture, mask in zip(val.pictures, val.masks, strict=True))
        assert sources.load("oxford_pet", root, "val", holdout=f"{number}/5").pictures == val.pictures
        together += val.pictures
    assert len(together) == len(set(together)) == 24


def test_a_folder_without_validation_pictures_can_hold_some_out(tmp_path):
    root = picture_folder(tmp_path)
    shutil.rmtree(root / "val")
    parts = [sources.load("folder", root, part, holdout="1/2") for part in ("train", "val")]
    assert all(len(part) and part.classes == parts[0].classes for part in parts)
    with pytest.raises(ValueError, match="there is no val/"):
        sources.load("folder", root, "val")


@pytest.mark.parametrize("holdout", ["0/5", "6/5", "1/1", "half", "1/5,2/5", "-1/5"])
def test_a_part_that_is_none_is_refused(holdout):
    with pytest.raises(ValueError, match="part of at least two, such as 1/5"):
        Run(holdout=holdout)


@pytest.mark.parametrize("name", ["CIFAR10", "CIFAR100"])
def test_cifar_through_torchvision(tmp_path, monkeypatch, name):
    root = cifar(tmp_path, monkeypatch, name)
    train, val = (sources.load(name.lower(), root, part) for part in ("train", "val"))
    assert train.classes == val.classes == ("apple", "bear")
    assert train.labels.tolist() == [1, 0, 1, 0]
    assert val.labels.tolist() == [0, 1]
    assert train.side == 32
    for split, first in ((train, 0), (val, 4)):
        for i, picture in enumerate(split.pictures):
            assert np.array_equal(read(picture), noise(first + i, 32))


def test_caltech101_has_thirty_of_each_to_train(tmp_path):
    root = caltech101(tmp_path)
    train, val = (sources.load("caltech101", root, part) for part in ("train", "val"))
    assert train.classes == ("Faces", "accordion")  # alphabetical, without background
    assert torch.bincount(train.labels).tolist() == [30, 30]
    assert torch.bincount(val.labels).tolist() == [3, 3]
    paths = {*train.pictures, *val.pictures}
    assert len(paths) == 66  # none twice, none left over
    again = sources.load("caltech101", root, "train")
    assert list(again.pictures) == list(train.pictures)
    for picture, label in zip(train.pictures, train.labels.tolist(), strict=True):
        assert picture.parent.name == train.classes[label]
    numbers = sorted(int(p.stem[-4:]) for p in train.pictures if p.parent.name == "Faces")
    assert numbers != list(range(1, 31))  # drawn, and not the first ones


def imagenette(root: Path) -> Path:
    return picture_folder(root / "imagenette2", tuple(sources.IMAGENETTE_CLASSES), train=2, val=1)


@pytest.mark.parametrize("inside", [False, True])
def test_imagenettes_folders_are_wordnet_ids(tmp_path, inside):
    home = imagenette(tmp_path)
    train, val = (sources.load("imagenette", home if inside else tmp_path, part) for part in ("train", "val"))
    assert (len(train), len(val)) == (20, 10)
    assert train.classes == val.classes
    for picture, label in zip(train.pictures, train.labels.tolist(), strict=True):
        assert sources.IMAGENETTE_CLASSES[picture.parent.name] == train.classes[label]
    (home / "train" / "n09").mkdir()
    with pytest.raises(ValueError, match=r"a folder for each of n01440764, .* and no other"):
        sources.load("imagenette", tmp_path, "train")


def test_every_set_names_its_terms(tmp_path, monkeypatch):
    (tmp_path / "c").mkdir()
    roots = {
        "tiny_imagenet": tiny_imagenet(tmp_path / "t"), "oxford_pet": oxford_pet(tmp_path / "o"),
        "caltech101": caltech101(tmp_path / "x"), "cifar10": cifar(tmp_path / "c", monkeypatch),
        "imagenette": imagenette(tmp_path / "i").parent,
    }  # fmt: skip
    for name, root in roots.items():
        assert "cite" in sources.load(name, root, "train").terms


# ---- subsets of a split


def test_classes_in_the_order_given_by_name_or_key(tmp_path):
    split = sources.load("tiny_imagenet", tiny_imagenet(tmp_path), "train")
    some = split.of_classes(["BEE", "n03"])
    assert some.classes == ("bee", "king penguin")
    assert some.keys == ("n02", "n03")
    assert torch.bincount(some.labels).tolist() == [3, 3]
    assert len(some.boxes) == 6
    for picture, label in zip(some.pictures, some.labels.tolist(), strict=True):
        assert colour_of(picture) == TINY[some.keys[label]][1]
    assert split.classes[0] == "king penguin"  # the other split is unchanged


def test_a_class_that_is_none_is_named_with_those_there_are(tmp_path):
    split = sources.load("tiny_imagenet", tiny_imagenet(tmp_path), "train")
    with pytest.raises(ValueError, match=r"'wasp'.*king penguin, goose, bee"):
        split.of_classes(["bee", "wasp"])
    with pytest.raises(ValueError, match="twice"):
        split.of_classes(["bee", "n02"])


def test_a_limit_is_per_class(tmp_path):
    split = sources.load("tiny_imagenet", tiny_imagenet(tmp_path), "train")
    assert torch.bincount(split.per_class(2).labels).tolist() == [2, 2, 2]
    assert list(split.per_class(2).pictures) == [p for i, p in enumerate(split.pictures) if i % 3 < 2]
    assert list(split.per_class(9).pictures) == list(split.pictures)


def test_taking_keeps_together_what_belongs_together(tmp_path):
    split = sources.load("oxford_pet", oxford_pet(tmp_path), "train")
    some = split.take([5, 0, 2])
    assert (
        [p.stem for p in some.pictures] == [m.stem for m in some.masks] == [split.pictures[i].stem for i in (5, 0, 2)]
    )
    assert some.labels.tolist() == split.labels[[5, 0, 2]].tolist()


# ---- missing and damaged files


MAKERS = {"tiny_imagenet": tiny_imagenet, "folder": picture_folder, "oxford_pet": oxford_pet, "caltech101": caltech101}


@pytest.mark.parametrize("name", sources.SETS)
@pytest.mark.parametrize("part", ["train", "val"])
def test_a_wrong_root_says_what_to_do(tmp_path, name, part):
    with pytest.raises(ValueError, match=r"--root .*nowhere.*no such folder"):
        sources.load(name, tmp_path / "nowhere", part)
    with pytest.raises(ValueError, match=r"official layout|should hold|--download") as caught:
        sources.load(name, tmp_path, part)
    assert str(tmp_path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_unknown_data_set_is_refused_with_those_there_are(tmp_path):
    with pytest.raises(ValueError, match=r"'imagenet'.*cifar10.*folder"):
        sources.load("imagenet", tmp_path, "train")


@pytest.mark.parametrize("name", ["tiny_imagenet", "oxford_pet"])
def test_a_missing_picture_is_named(tmp_path, name):
    root = MAKERS[name](tmp_path)
    for part in ("train", "val"):
        gone = sources.load(name, root, part).pictures[1]
        gone.unlink()
        with pytest.raises(ValueError, match=f"1 pictures are missing.*{gone.name}"):
            sources.load(name, root, part)


def test_a_missing_folder_is_named(tmp_path):
    root = tiny_imagenet(tmp_path)
    (root / "tiny-imagenet-200" / "train" / "n01" / "n01_boxes.txt").unlink()
    with pytest.raises(ValueError, match=r"n01_boxes.txt is missing"):
        sources.load("tiny_imagenet", root, "train")


@pytest.mark.parametrize("file", ["wnids.txt", "words.txt"])
def test_a_class_missing_from_tiny_imagenets_lists_is_named(tmp_path, file):
    root = tiny_imagenet(tmp_path)
    path = root / "tiny-imagenet-200" / file
    path.write_text("".join(line for line in path.open() if not line.startswith("n01")))
    with pytest.raises(ValueError, match="n01"):
        sources.load("tiny_imagenet", root, "val")


def test_a_class_without_pictures_is_named(tmp_path):
    root = picture_folder(tmp_path)
    (root / "val" / "dog").mkdir()
    with pytest.raises(ValueError, match=r"val has classes that .*train has not: dog"):
        sources.load("folder", root, "val")
    (root / "val" / "dog").rename(root / "train" / "dog")
    for part in ("train", "val"):
        split = sources.load("folder", root, part)
        with pytest.raises(ValueError, match=rf"no picture for {part} of dog.*--classes"):
            split.complete(part)
        others = split.of_classes([name for name in split.classes if name != "dog"])
        assert others.complete(part) is others


def test_caltech101_without_a_picture_or_its_background(tmp_path):
    root = caltech101(tmp_path)
    home = root / "caltech101" / "101_ObjectCategories"
    (home / "Faces" / "image_0007.jpg").unlink()
    with pytest.raises(ValueError, match=r"image_00\d\d.jpg"):
        [sources.load("caltech101", root, part) for part in ("train", "val")]
    for path in (home / "BACKGROUND_Google").iterdir():
        path.unlink()
    (home / "BACKGROUND_Google").rmdir()
    with pytest.raises(ValueError, match="official archive"):
        sources.load("caltech101", root, "train")


def truncated(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-40])


def empty(path: Path) -> None:
    path.write_bytes(b"")


def words(path: Path) -> None:
    path.write_text("<html>404 Not Found</html>")


def broken_exif(path: Path) -> None:
    """Make an intact picture with damaged orientation data."""
    exif, content = Image.Exif(), io.BytesIO()
    exif[0x010F], exif[0x0112] = "maker", 6
    Image.open(path).save(content, "JPEG", exif=exif)
    raw = bytearray(content.getvalue())
    raw[raw.index(b"Exif") + 17] = 0  # the maker's tag becomes one whose value is no text
    path.write_bytes(raw)


DAMAGE = [truncated, empty, words]


@pytest.mark.parametrize("damage", DAMAGE)
@pytest.mark.parametrize("streamed", [False, True])
def test_damaged_pictures_are_named_and_refused_or_left_out(tmp_path, monkeypatch, damage, streamed):
    if streamed:
        monkeypatch.setattr(loader, "fits", lambda *_: False)
    split = sources.load("folder", picture_folder(tmp_path), "train")
    for index in (3, 9):
        damage(split.pictures[index])
    with pytest.raises(ValueError, match=r"(03|01).png could not be read.*--corrupt skip"):
        list(loader.feed(split, 16, "none", CPU).validation(4))
    messages = []
    feed = loader.feed(split, 16, "none", CPU, corrupt="skip", tell=messages.append)
    assert len(messages) == 2
    assert all(str(split.pictures[index]) in line for index, line in zip((3, 9), messages, strict=True))
    assert len(feed) == 22
    images, labels = (torch.cat(parts) for parts in zip(*feed.validation(5), strict=True))
    good = [i for i in range(24) if i not in (3, 9)]
    assert labels.tolist() == split.labels[good].tolist()
    assert torch.equal(images, torch.stack([pixels(split.pictures[i]) for i in good]))


def test_a_whole_picture_with_broken_exif_data_is_used_as_it_lies(tmp_path):
    split = sources.load("folder", picture_folder(tmp_path), "train")
    broken_exif(split.pictures[3])
    assert len(loader.feed(split, 16, "none", CPU)) == 24


def test_nothing_left_is_an_error(tmp_path):
    split = sources.load("folder", picture_folder(tmp_path, train=1), "train")
    for path in split.pictures:
        empty(path)
    with pytest.raises(ValueError, match="No picture"):
        decode(split, 16, "skip", lambda line: None)


# ---- reading


@pytest.mark.parametrize("orientation", range(1, 9))
def test_pictures_stand_as_their_exif_data_say(tmp_path, orientation):
    """In all eight orientations of the camera red is at the top left, and green to its right."""
    upright = Image.new("RGB", (40, 24))
    upright.paste((250, 0, 0), (0, 0, 20, 12))
    upright.paste((0, 250, 0), (20, 0, 40, 12))
    turn = Image.Transpose
    held = {  # stored so that the reader's rotation restores it
        1: [], 2: [turn.FLIP_LEFT_RIGHT], 3: [turn.ROTATE_180], 4: [turn.FLIP_TOP_BOTTOM], 5: [turn.TRANSPOSE],
        6: [turn.ROTATE_90], 7: [turn.TRANSVERSE], 8: [turn.ROTATE_270],
    }  # fmt: skip
    stored = upright
    for step in held[orientation]:
        stored = stored.transpose(step)
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored.save(tmp_path / "held.png", exif=exif)
    assert np.array_equal(read(tmp_path / "held.png"), upright)


def test_pictures_of_all_modes_become_rgb(tmp_path):
    ramp = np.arange(256, dtype=np.uint8).reshape(16, 16)
    colours = np.stack([ramp, ramp[::-1], ramp.T], 2)
    palette = Image.fromarray(ramp).convert("P", palette=Image.Palette.ADAPTIVE)
    alpha = Image.fromarray(np.dstack([colours, np.full_like(ramp, 128)]))
    grey = np.repeat(ramp[..., None], 3, 2)
    over_white = (255 + (colours.astype(float) - 255) * 128 / 255).round()
    expected = {
        "grey.png": (Image.fromarray(ramp), grey),
        "palette.png": (palette, grey),
        "alpha.png": (alpha, over_white),
        "bits.png": (Image.fromarray(ramp > 100), np.where(grey > 100, 255, 0)),
        "deep.png": (Image.fromarray(ramp.astype(np.uint16) * 257), grey),
        "bitmap.bmp": (Image.fromarray(colours), colours),
    }
    for name, (image, pixels) in expected.items():
        image.save(tmp_path / name)
        result = read(tmp_path / name)
        assert result.mode == "RGB"
        assert np.abs(np.asarray(result, np.int16) - pixels).max() <= (name == "alpha.png"), name


def test_a_square_is_the_middle_in_the_pictures_own_proportions():
    """A disc stays a disc, and both sides are cropped evenly."""
    rows, columns = np.mgrid[0:60, 0:90]
    disc = ((rows - 29.5) ** 2 + (columns - 44.5) ** 2 < 20**2)[..., None] * np.full(3, 255, np.uint8)
    small = square(Image.fromarray(disc.astype(np.uint8)), 30)[..., 0] > 127
    assert small.shape == (30, 30)
    assert np.ptp(np.flatnonzero(small.any(0))) == np.ptp(np.flatnonzero(small.any(1))) == pytest.approx(19, abs=1)
    assert np.array_equal(small, small[:, ::-1])
    exact = noise(1, 20)
    assert np.array_equal(square(Image.fromarray(exact), 20), exact)


# ---- batches


def pixels(picture) -> torch.Tensor:
    return torch.from_numpy(np.array(read(picture))).permute(2, 0, 1)


def split_of(count: int, side: int = 16) -> Dataset:
    """Make a number of distinct pictures, each its own class."""
    names = tuple(map(str, range(count)))
    return Dataset([noise(i, side) for i in range(count)], torch.arange(count), names, names)


def a_feed(split: Dataset, side=16, augment="crop", streamed=False, **more) -> loader.Feed:
    resident = None if streamed else decode(split, loader.stored_side(side, augment))[0]
    return loader.Feed(split, side, augment, CPU, resident, **more)


def places(picture: torch.Tensor, side: int, pad: int) -> dict[bytes, tuple[int, int, bool]]:
    """Map the bytes of every crop of the padded picture to (top, left, flipped)."""
    padded = torch.nn.functional.pad(picture, (pad,) * 4)
    result = {}
    for top, left in itertools.product(range(padded.shape[1] - side + 1), repeat=2):
        crop = padded[:, top : top + side, left : left + side]
        result[crop.contiguous().numpy().tobytes()] = (top, left, False)
        result[crop.flip(2).contiguous().numpy().tobytes()] = (top, left, True)
    return result


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize(("side", "stored", "pad", "count", "epochs"), [(16, 16, 2, 12, 20), (98, 112, 0, 2, 30)])
def test_crops_are_slices_of_the_padded_picture_and_flips_their_mirror(streamed, side, stored, pad, count, epochs):
    """Small pictures are padded by an eighth, large ones cropped from 8/7 of the side; all positions occur equally."""
    split = split_of(count, stored)
    table = [places(pixels(picture), side, pad) for picture in split.pictures]
    seen = []
    for epoch in range(epochs):
        for images, labels in a_feed(split, side, streamed=streamed).training(count, 5, epoch):
            assert images.dtype == torch.uint8
            assert images.shape == (count, 3, side, side)
            for image, label in zip(images, labels.tolist(), strict=True):
                seen.append(table[label][image.contiguous().numpy().tobytes()])
    top, left, flip = np.array(seen).T
    last = 2 * pad + stored - side
    for where in (top, left):
        assert (where.min(), where.max()) == (0, last)
        assert where.mean() == pytest.approx(last / 2, abs=4 * last / np.sqrt(12 * len(seen)) + 0.5)
    assert flip.mean() == pytest.approx(0.5, abs=4 * 0.5 / np.sqrt(len(seen)))
    assert abs(np.corrcoef(top, left)[0, 1]) < 4.5 / np.sqrt(len(seen))
    assert abs(np.corrcoef(top, flip)[0, 1]) < 4.5 / np.sqrt(len(seen))


def resized(split: Dataset, **more) -> loader.Feed:
    return a_feed(split, 12, "resized", streamed=True, **more)


def cropped(split: Dataset, **more) -> loader.Feed:
    return a_feed(split, **more)


def streamed(split: Dataset, **more) -> loader.Feed:
    return a_feed(split, streamed=True, **more)


def large(split: Dataset, **more) -> loader.Feed:
    return a_feed(dataclasses.replace(split, pictures=[noise(i, 120) for i in range(len(split))]), 105, **more)


@pytest.mark.parametrize("size", [(16, 16), (30, 20), (9, 40)])
@pytest.mark.parametrize("side", [16, 98])
@pytest.mark.parametrize("augment", ["crop", "none"])
def test_pictures_from_files_are_those_that_live_on_the_device(size, side, augment):
    rng = np.random.default_rng(0)
    pictures = [rng.integers(0, 256, (*size, 3), np.uint8) for _ in range(5)]
    split = dataclasses.replace(split_of(5), pictures=pictures)
    for ours, reference in zip(*(list(a_feed(split, side, augment, s).training(5, 1, 0)) for s in (0, 1)), strict=True):
        assert same(ours, reference)
    for ours, reference in zip(*(list(a_feed(split, side, augment, s).validation(2)) for s in (0, 1)), strict=True):
        assert same(ours, reference)


kinds = pytest.mark.parametrize("make", [cropped, streamed, resized, large])


def same(one, two) -> bool:
    return torch.equal(one[0], two[0]) and torch.equal(one[1], two[1])


@kinds
def test_processes_together_see_what_one_with_the_double_batch_sees(make):
    split = split_of(22)
    alone = list(make(split).training(6, 3, 1))
    parts = [list(make(split, rank=rank, world=2).training(3, 3, 1)) for rank in range(2)]
    assert [len(part) for part in parts] == [len(alone)] * 2 == [3, 3]
    for full, *halves in zip(alone, *parts, strict=True):
        joined = tuple(torch.cat(both) for both in zip(*halves, strict=True))
        assert same(full, joined)
    assert make(split, world=2).steps(3) == make(split).steps(6) == 3


@kinds
@pytest.mark.parametrize("first", [0, 1, 4, 5])
def test_going_on_at_a_step_gives_the_batches_that_were_left(make, first):
    split = split_of(20)
    full, rest = (list(make(split).training(4, 3, 2, start)) for start in (0, first))
    assert len(rest) == len(full) - first
    assert all(same(*both) for both in zip(full[first:], rest, strict=True))


@kinds
def test_torchs_own_random_state_neither_decides_nor_moves(make):
    split, result = split_of(8), []
    for seed in (1, 2):
        torch.manual_seed(seed)
        result.append(next(make(split).training(8, 0, 0)))
    assert same(*result)


@kinds
def test_each_epoch_is_another_permutation(make):
    split = split_of(20)
    orders = [torch.cat([labels for _, labels in make(split).training(4, seed, epoch)]).tolist()
              for seed, epoch in ((0, 0), (0, 1), (1, 0), (0, 0))]  # fmt: skip
    for order in orders:
        assert sorted(order) == list(range(20))
        assert order != list(range(20))
    assert orders[0] == orders[3]
    assert len(set(map(tuple, orders))) == 3


def test_what_makes_no_whole_batch_waits_for_another_epoch():
    left = [
        {*range(10)} - {int(i) for _, labels in cropped(split_of(10)).training(4, 0, epoch) for i in labels}
        for epoch in range(8)
    ]
    assert {len(out) for out in left} == {2}
    assert len(set.union(*left)) > 4  # not always the same ones


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(("side", "stored"), [(16, 16), (98, 112)])
def test_validation_shows_every_picture_once_and_plainly(stream, side, stored):
    split, world, result = split_of(10, stored), 3, {}
    for rank in range(world):
        feed = a_feed(split, side, "none", stream, rank=rank, world=world)
        for images, labels in feed.validation(2):
            assert len(images) <= 2
            for image, label in zip(images, labels.tolist(), strict=True):
                assert label not in result
                result[label] = image
    assert sorted(result) == list(range(10))
    margin = (stored - side) // 2
    for label, image in result.items():
        middle = pixels(split.pictures[label])[:, margin : margin + side, margin : margin + side]
        assert torch.equal(image, middle)


def test_a_crop_of_random_size_differs_from_epoch_to_epoch():
    split = split_of(6, 40)
    one, two = (dict(zip(labels.tolist(), images, strict=True))
                for images, labels in (next(resized(split).training(6, 0, epoch)) for epoch in (0, 1)))  # fmt: skip
    assert all(image.shape == (3, 12, 12) for image in one.values())
    assert not any(torch.equal(one[label], two[label]) for label in one)


def test_reading_in_other_processes_changes_nothing():
    split = split_of(8)
    alone, helped = (list(streamed(split, workers=workers).training(4, 0, 0)) for workers in (0, 1))
    assert all(same(*both) for both in zip(alone, helped, strict=True))


def test_pictures_live_on_the_device_only_where_they_fit(monkeypatch):
    split = split_of(4)
    assert loader.feed(split, 16, "crop", CPU).resident.shape == (4, 3, 16, 16)
    assert loader.feed(split, 98, "crop", CPU).resident.shape == (4, 3, 112, 112)  # 8/7 of the side
    assert loader.feed(split, 16, "resized", CPU).resident is None
    monkeypatch.setattr(loader, "fits", lambda *_: False)
    assert loader.feed(split, 16, "crop", CPU).resident is None
    monkeypatch.undo()
    assert loader.fits(1, 16, CPU)
    assert not loader.fits(10**9, 64, CPU)  # 12 TB
