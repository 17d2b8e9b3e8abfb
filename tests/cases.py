"""Fixtures of catalogue-wide tests: every method with varied parameters, and two pictures with maps and objects.

A new method's file is tested without a change here.
"""

from __future__ import annotations

import dataclasses
import functools
import importlib.util
import inspect
import itertools
import json
import operator
import shutil
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from PIL import Image

from mixviz import METHODS, Batch, Recipe
from mixviz.core.parts import Operations, Style
from mixviz.data import pictures
from mixviz.networks.run import Run
from mixviz.ops import operations

ROOT = Path(__file__).parent.parent


def variants(ends: bool) -> Iterator[tuple[str, dict]]:
    """Return (name, parameters): every method with its defaults, with each choice, and, with ``ends``, with each number
    at both ends of its range."""
    for name, cls in METHODS.items():
        yield name, {}
        for key, about in cls.parameters().items():
            values = about["choices"] or ((about["low"], about["high"]) if ends and about["low"] is not None else ())
            yield from ((name, {key: value}) for value in values if value != about["default"])


@functools.cache
def generator() -> ModuleType:
    """Load docs/generate.py, which is not part of a package."""
    spec = importlib.util.spec_from_file_location("generate", ROOT / "docs" / "generate.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def fields(recipe) -> dict[str, torch.Tensor]:
    """Return the tensors of a recipe and of all its parts, by name."""
    result = {}
    for field in dataclasses.fields(recipe):
        value = getattr(recipe, field.name)
        if isinstance(value, torch.Tensor):
            result[field.name] = value
        elif dataclasses.is_dataclass(value):
            result |= {f"{field.name}.{key}": inner for key, inner in fields(value).items()}
    return result


def each_case(test, cases) -> None:
    """Run the test for every (what a failure's note says, keyword arguments), and report all that fail."""
    failures, count = [], 0
    for note, given in cases:
        count += 1
        try:
            test(**given)
        except (Exception, pytest.fail.Exception) as error:
            error.add_note(note)
            failures.append(error)
    if len(failures) == 1:
        raise failures[0]
    if failures:
        raise BaseExceptionGroup(f"{len(failures)} of {count} cases", failures)


def over(argument, values):
    """Run a test for several values of an argument; a failure names the value.

    This makes one test of many, because collecting and reporting thousands takes longer than running most of them.
    """

    def fold(test):
        @functools.wraps(test)
        def each(*args, **given):
            bound = functools.partial(test, *args)
            each_case(bound, ((f"with {argument}={value!r}", {**given, argument: value}) for value in values))

        signature = inspect.signature(test)
        left = [one for key, one in signature.parameters.items() if key != argument]
        each.__signature__ = signature.replace(parameters=left)
        return each

    return fold


def table(cases, slow=()):
    """Parametrize a test over all (name, parameters): one test per method, which names the failing parameters.

    The cases in ``slow`` form separate tests, run by ``make slow``.
    """
    rows = [pytest.param(name, forms, id=name) for name, forms in by_name(cases)]
    rows += [pytest.param(name, forms, id=f"{name}-more", marks=pytest.mark.slow) for name, forms in by_name(slow)]

    def over_forms(test):
        @functools.wraps(test)
        def each(name, forms, **others):
            bound = functools.partial(test, name, **others)
            each_case(bound, ((f"in this form: {name} {given}", {"given": given}) for given in forms))

        signature = inspect.signature(test)
        requests = [one.replace(name={"given": "forms"}.get(key, key)) for key, one in signature.parameters.items()]
        each.__signature__ = signature.replace(parameters=requests)
        return pytest.mark.parametrize(("name", "forms"), rows)(each)

    return over_forms


def by_name(cases) -> Iterator[tuple[str, list[dict]]]:
    first = operator.itemgetter(0)
    for name, group in itertools.groupby(sorted(cases, key=first), first):
        yield name, [given for _, given in group]


def pair(size=(12, 20), seed=0, dtype=torch.uint8) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Make two random pictures (2, 3, H, W), random maps (2, H, W), and an object mask for each (2, H, W)."""
    rng, (height, width) = np.random.default_rng(seed), size
    images = torch.from_numpy(rng.integers(0, 256, (2, 3, height, width), np.uint8))
    maps = torch.from_numpy(rng.random((2, height, width), np.float32))
    objects = torch.zeros(2, height, width)
    objects[0, height // 4 : height - height // 4, width // 3 :] = 1
    objects[1, : height // 2, : width // 2] = 1
    return images if dtype == torch.uint8 else (images / 255).to(dtype), maps, objects


def plan_pair(name, given, size=(12, 20), seed=0, lam=None, dtype=torch.uint8) -> tuple[torch.Tensor, Recipe]:
    """Return two pictures and a recipe that mixes each with the other."""
    images, maps, _ = pair(size, seed, dtype)
    batch = Batch(images, torch.tensor([0, 1]), saliency=maps)
    return images, METHODS[name](**given).plan(batch, np.random.default_rng(seed), lam=lam, partner=np.array([1, 0]))


def recolours(recipe: Recipe) -> bool:
    """Return whether the recipe changes colours, so that a pixel is not the weighted sum of its sources."""
    return recipe.sequences is not None and tuple(map(operations.moving, recipe.sequences)) != recipe.sequences


def without_colour(recipe: Recipe) -> Recipe:
    """Return the recipe reduced to moving and weighting pixels."""
    mixing = recipe.mixing
    if isinstance(mixing, Operations):
        mixing = dataclasses.replace(mixing, sequences=tuple(map(operations.moving, mixing.sequences)))
    return dataclasses.replace(recipe, mixing=mixing.base if isinstance(mixing, Style) else mixing)


def noise(seed: int, side: int = 16) -> np.ndarray:
    """Make a picture (side, side, 3) uint8 that differs from all others under any flip, rotation or shift."""
    return np.random.default_rng([seed, side]).integers(0, 256, (side, side, 3), np.uint8)


def network_of_ones_own(folder: Path) -> Path:
    """Write the zoo's CutMix network as a visitor's own: card.json and whole weights, under another title."""
    from mixviz.networks import zoo
    from mixviz.networks.files import save_tensors

    card = json.loads((zoo.folder() / "cutmix" / "card.json").read_text(encoding="utf-8"))
    folder.mkdir(parents=True, exist_ok=True)
    changes = {"title": "Mine", "parameters": {}, "method": ""}
    if card["weights"].get("start"):
        save_tensors(folder / zoo.WEIGHTS, zoo.load("cutmix").state_dict())
        changes["weights"] = {"file": zoo.WEIGHTS}
    else:
        shutil.copy(zoo.folder() / "cutmix" / zoo.WEIGHTS, folder / zoo.WEIGHTS)
    (folder / "card.json").write_text(json.dumps({**card, **changes}))
    return folder


def photographs(side: int) -> torch.Tensor:
    """Return the bundled photographs (N, 3, side, side) uint8, cropped to squares."""
    paths = map(pictures.photograph_path, sorted(pictures.photographs()))
    return torch.stack([torch.from_numpy(pictures.load_image(path, side)).movedim(2, 0) for path in paths])


def small_run(root: Path, **changes) -> Run:
    """Make a run of six steps per epoch over :func:`picture_folder`, with a network of a third of a million
    parameters."""
    values = {"network": "test_resnet", "image_size": 16, "batch_size": 4, "epochs": 2, "lr": 0.02, **changes}
    return Run(root=str(root), **values)


def picture_folder(root: Path, classes=("ant", "bee", "cat"), train=8, val=3, side=16) -> Path:
    """Write a folder data set with a number of pictures per class for training and for validation."""
    for part, count in (("train", train), ("val", val)):
        for label, name in enumerate(classes):
            (root / part / name).mkdir(parents=True)
            for index in range(count):
                picture = noise(10_000 * (part == "val") + 100 * label + index, side)
                Image.fromarray(picture).save(root / part / name / f"{index:02d}.png")
    return root
