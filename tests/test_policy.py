"""Policies: files, their errors, and mixtures of operations with a method behind them."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest
import torch

from mixviz import METHODS, Batch, Objects
from mixviz.core import json_file
from mixviz.core import policy as policies
from mixviz.core.parts import Operations
from mixviz.core.policy import Policy
from mixviz.methods import searched

BATCH = Batch(torch.rand(6, 3, 20, 28, generator=torch.Generator().manual_seed(0)), torch.arange(6))


def of_steps(*steps: dict, until: float = 1.0) -> dict:
    return {"until": until, "policies": [{"odds": 1, "steps": list(steps)}]}


def file_of(folder, *stages: dict) -> str:
    path = folder / "policy.json"
    path.write_text(json.dumps({"format": "mixviz policy", "version": 1, "stages": list(stages)}))
    return str(path)


def planned(path: str, seed: int = 0, **options):
    return METHODS["searched"](path=path, **options).plan(BATCH, np.random.default_rng(seed))


FLIP, CUTMIX = {"method": "horizontal_flip", "options": {"probability": 1.0}}, {"method": "cutmix"}


def test_a_method_behind_an_operation_mixes_what_the_operation_leaves(tmp_path):
    recipe = planned(file_of(tmp_path, of_steps(FLIP, CUTMIX)))
    flipped = BATCH.images.flip(3)
    alone = dataclasses.replace(recipe, before=None)
    assert torch.equal(recipe.apply(BATCH.images), alone.apply(flipped))
    assert recipe.paired
    assert torch.equal(recipe.apply(BATCH.images, BATCH.images.clone()), alone.apply(flipped))


def test_objects_maps_and_labels_follow_both(tmp_path):
    recipe = planned(file_of(tmp_path, of_steps(FLIP, CUTMIX)), 3)
    masks = torch.zeros(6, 20, 28, dtype=torch.bool)
    masks[:, 4:15, 2:9] = True
    points = torch.tensor([[[5.5, 3.5, 2.0]]]).repeat(6, 1, 1)
    objects = Objects(
        size=(20, 28), count=6, image=torch.arange(6), masks=masks, classes=torch.arange(6), keypoints=points
    )
    flipped = dataclasses.replace(
        objects, masks=masks.flip(2), keypoints=torch.tensor([[[5.5, 24.5, 2.0]]]).repeat(6, 1, 1)
    )
    ours, direct = recipe.follow(objects), dataclasses.replace(recipe, before=None).follow(flipped)
    assert torch.equal(ours.origin, direct.origin)
    assert torch.equal(ours.objects.masks, direct.objects.masks)
    torch.testing.assert_close(ours.objects.keypoints, direct.objects.keypoints)
    torch.testing.assert_close(ours.visible, direct.visible)
    torch.testing.assert_close(
        recipe.truth(masks.float()).visible,
        dataclasses.replace(recipe, before=None).truth(masks.flip(2).float()).visible,
    )


def test_what_an_operation_moves_out_is_not_seen(tmp_path):
    shift = {"method": "affine"}
    recipe = planned(file_of(tmp_path, of_steps(shift, {"method": "mixup"})), 1)
    whole = torch.ones(6, 20, 28)
    assert (recipe.truth(whole).visible.sum(0) < 0.999).any()


def test_an_operation_is_applied_to_images_and_a_mixture_to_batches(tmp_path):
    path = file_of(tmp_path, of_steps(FLIP | {"probability": 0.5}, CUTMIX | {"probability": 0.25}))
    recipes = [planned(path, seed) for seed in range(200)]
    mixed = np.array([recipe.paired for recipe in recipes])
    assert abs(mixed.mean() - 0.25) < 0.1  # three standard errors
    flipped = []
    for recipe in recipes:
        mixing = recipe.before or recipe.mixing
        flipped += [len(own) for own in mixing.sequences[0]] if isinstance(mixing, Operations) else [0] * 6
    assert abs(np.mean(flipped) - 0.5) < 0.05


def test_saliency_is_that_of_the_operated_images(tmp_path):
    recipe = planned(file_of(tmp_path, of_steps(FLIP, {"method": "saliencymix"})))
    direct = METHODS["saliencymix"]().plan(Batch(BATCH.images.flip(3)), np.random.default_rng(0))
    torch.testing.assert_close(recipe.saliency, direct.saliency)


def test_stages_follow_the_training(tmp_path):
    path = file_of(tmp_path, of_steps(until=0.5), of_steps(CUTMIX))
    method = METHODS["searched"](path=path)
    rng = np.random.default_rng
    assert not method.at(0.0).plan(BATCH, rng(0)).paired
    assert not method.at(0.49).plan(BATCH, rng(0)).paired
    assert method.at(0.5).plan(BATCH, rng(0)).paired
    assert method.at(1.0).plan(BATCH, rng(0)).paired


def test_a_policy_is_what_its_file_says(tmp_path):
    path = file_of(tmp_path, of_steps(FLIP | {"probability": 0.5}, CUTMIX | {"options": {"alpha": 0.3}}))
    policy = Policy.read(path)
    assert Policy.parse(policy.to_json()) == policy
    assert policy.in_words() == ["50 % Horizontal flip (probability=1.0), then CutMix (alpha=0.3)"]
    assert policies.NONE.in_words() == ["nothing"]
    assert not planned(file_of(tmp_path, of_steps())).paired


def test_a_changed_file_is_read_anew(tmp_path):
    assert not planned(file_of(tmp_path, of_steps())).paired
    assert planned(file_of(tmp_path, of_steps(CUTMIX))).paired


@pytest.mark.parametrize("name", METHODS)
def test_every_method_can_be_the_last_step_and_operations_any(name):
    if name == "searched":
        return
    method = METHODS[name]()
    last = policies.Sequence((policies.Step(METHODS["rotation"]()), policies.Step(method)))
    assert len(last.steps) == 2
    if policies.single(method):
        policies.Sequence((policies.Step(method), policies.Step(METHODS["cutmix"]())))
    else:
        with pytest.raises(ValueError, match="only the last step"):
            policies.Sequence((policies.Step(method), policies.Step(METHODS["cutmix"]())))


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"format": "other"}, "format"),
        ({"version": 2}, "version"),
        ({"stages": []}, "not empty"),
        ({"stages": [of_steps(until=0.5)]}, "rise to 1"),
        ({"stages": [of_steps({"method": "cutmixx"})]}, "Did you mean 'cutmix'"),
        ({"stages": [of_steps({"method": "cutmix", "options": {"beta": 1}})]}, "no parameter beta"),
        ({"stages": [of_steps({"method": "cutmix", "options": {"alpha": 99}})]}, "outside its range"),
        ({"stages": [of_steps(CUTMIX, FLIP)]}, "only the last step"),
        ({"stages": [of_steps({"method": "searched"})]}, "cannot contain another"),
        ({"stages": [{"until": 1, "policies": [{"odds": 0, "steps": []}]}]}, "odds above 0"),
        ({"stages": [{"until": 1, "policies": [{"odds": 1, "steps": [FLIP] * 65}]}]}, "at most 64"),
        ({"stages": [{"until": 1, "policies": [7]}]}, "should be an object"),
    ],
)
def test_mistakes_in_files_are_named(changed, said):
    values = {"format": "mixviz policy", "version": 1, "stages": [of_steps()], **changed}
    with pytest.raises(ValueError, match=said):
        Policy.parse(values, "mine.json")


def test_files_that_are_no_policies(tmp_path):
    with pytest.raises(ValueError, match=r"policy\.json of a search"):
        METHODS["searched"](path="nonsense")
    (tmp_path / "bad.json").write_text("{")
    (tmp_path / "large.json").write_text(" " * (json_file.LARGEST + 1))
    for name, said in (("missing", "cannot be read"), ("bad", "no JSON"), ("large", "bytes")):
        with pytest.raises(ValueError, match=said):
            planned(str(tmp_path / f"{name}.json"))


def test_visitors_open_no_files():
    from mixviz.i18n import UserError
    from mixviz.ui.services.presenters import parameters
    from mixviz.ui.state import first_request

    request = first_request()
    assert [one["name"] for one in parameters(METHODS["searched"](), "en")] == ["progress"]
    for name, values in (
        ("searched", {"path": "/etc/some.json"}),
        ("switch", {"methods": "cutmix + searched:path=/etc/some.json"}),
        ("switch", {"methods": "cutmix + searched: path = /etc/some.json"}),
    ):
        with pytest.raises(UserError):
            request.chosen(name, values)


def test_a_policy_in_memory_draws_what_its_file_does(tmp_path):
    half = {"method": "rotation", "probability": 0.5, "options": {"degrees": 20}}
    path = file_of(tmp_path, of_steps(half, CUTMIX, until=0.5), of_steps(FLIP))
    for seed in range(4):
        for progress in (0.0, 0.7):
            recipe = searched.plan(Policy.read(path), BATCH, np.random.default_rng(seed), progress=progress)
            assert torch.equal(recipe.apply(BATCH.images), planned(path, seed, progress=progress).apply(BATCH.images))
    given = np.array([1, 0, 3, 2, 5, 4])
    recipe = searched.plan(Policy.read(path), BATCH, np.random.default_rng(0), progress=0, partner=given)
    assert recipe.partner[-1].tolist() == given.tolist()
