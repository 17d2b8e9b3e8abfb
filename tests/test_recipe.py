"""A recipe's parts, its old names from version 0.1, and its numbers computed by hand."""

import dataclasses
import json
import pickle

import numpy as np
import pytest
import torch

import mixviz
from mixviz.core import parts
from mixviz.core.parts import Aligned, ByStyle, LabelRule, Operations, Patches, Style, Trace, Unmixed, Weights
from mixviz.core.recipe import Truth
from mixviz.explain import serialize
from mixviz.ops.operations import AppliedOp
from tests.cases import pair, plan_pair

WHO = torch.tensor([[0, 1], [1, 0]])
HALF = torch.full((2, 2), 0.5)
WEIGHT = HALF[:, :, None, None, None]
BOX = torch.tensor([[[0, 2, 4, 4]] * 2])
CUT = torch.tensor([[[1, 0, 4, 1]] * 2])
FILL = torch.full((1, 3, 1, 1), 0.25)
TURNED = (((AppliedOp("horizontal_flip"),), ()),)
PLAN = {"size": (4, 4), "partner": WHO, "share": HALF}
ALONE = {"size": (4, 4), "partner": WHO[:1], "share": torch.ones(1, 2)}


def recipes():
    """Return the same recipes made by the old names, and made by parts."""
    yield PLAN | {"weight": WEIGHT}, PLAN | {"mixing": Weights(WEIGHT)}
    yield ALONE, ALONE | {"mixing": Unmixed()}
    yield (
        PLAN | {"target_boxes": BOX, "source_boxes": CUT, "inside": HALF[:1], "noise": FILL, "resample": True},
        PLAN | {"mixing": Patches(BOX, CUT, HALF[:1], None, FILL, True)},
    )
    yield ALONE | {"target_boxes": BOX, "fill": FILL}, ALONE | {"mixing": Patches(BOX, fill=FILL)}
    yield ALONE | {"weight": WEIGHT[:1], "fill": FILL}, ALONE | {"mixing": Weights(WEIGHT[:1], FILL)}
    yield PLAN | {"weight": WEIGHT, "target_boxes": BOX}, PLAN | {"mixing": Patches(BOX, base=Weights(WEIGHT))}
    yield ALONE | {"chains": TURNED, "fill": FILL}, ALONE | {"mixing": Operations(TURNED, FILL)}
    yield (
        PLAN | {"weight": WEIGHT, "style": WHO.flip(0), "label_by": "style", "by_style": 0.3},
        PLAN | {"mixing": Style(WHO.flip(0), Weights(WEIGHT)), "label": ByStyle(0.3)},
    )
    yield PLAN | {"weight": WEIGHT, "align": 0.1}, PLAN | {"mixing": Aligned(Weights(WEIGHT), 0.1)}
    moves = torch.arange(4).flip(0).view(2, 2).expand(2, 2, 2, 2)
    yield (
        PLAN | {"weight": WEIGHT, "moves": moves, "drawn": HALF[0], "label_by": "lam"},
        PLAN | {"mixing": Weights(WEIGHT, None, moves), "trace": Trace(HALF[0]), "label": LabelRule.LAM},
    )


def same(one, other) -> bool:
    if dataclasses.is_dataclass(one):
        fields = dataclasses.fields(one)
        return type(one) is type(other) and all(same(getattr(one, f.name), getattr(other, f.name)) for f in fields)
    return torch.equal(one, other) if isinstance(one, torch.Tensor) else one == other


@pytest.mark.parametrize(("old", "new"), recipes())
def test_old_keywords_become_parts(old, new):
    named = mixviz.Recipe(**new)
    if old == ALONE:
        return
    with pytest.warns(DeprecationWarning, match=r"Recipe\(.*mixviz.core.parts"):
        recipe = mixviz.Recipe(**old)
    assert same(recipe, named)
    images = torch.rand(2, 3, 4, 4, generator=torch.Generator().manual_seed(0))
    assert torch.equal(recipe.apply(images), named.apply(images))
    assert same(pickle.loads(pickle.dumps(recipe)), named)


def test_old_attributes_answer_with_a_warning():
    described = {"inside": HALF[:1], "moves": None, "drawn": HALF[0], "attention": None, "chains": None, "align": 0.0}
    recipe = mixviz.Recipe(**PLAN, mixing=Patches(BOX, patch_alpha=HALF[:1]), trace=Trace(HALF[0]))
    for name, value in described.items():
        with pytest.warns(DeprecationWarning, match=f"Recipe.{name}"):
            result = getattr(recipe, name)
        assert torch.equal(result, value) if isinstance(value, torch.Tensor) else result == value
    with pytest.raises(AttributeError, match="no attribute 'chain'"):
        _ = recipe.chain


def test_an_old_keyword_replaces_its_part_alone():
    recipe = mixviz.Recipe(**PLAN, mixing=Patches(BOX, patch_alpha=HALF[:1], noise=FILL), trace=Trace(HALF[0], WEIGHT))
    with pytest.warns(DeprecationWarning, match="drawn, noise"):
        changed = dataclasses.replace(recipe, noise=None, drawn=None)
    assert same(changed.mixing, Patches(BOX, patch_alpha=HALF[:1]))
    assert same(changed.trace, Trace(None, WEIGHT))
    with pytest.warns(DeprecationWarning, match="inside, noise, target_boxes, weight"):
        full = dataclasses.replace(recipe, target_boxes=None, inside=None, noise=None, weight=WEIGHT)
    assert same(full.mixing, Weights(WEIGHT))


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_what_does_not_go_together_is_refused_by_the_old_names_too():
    for more in ({"chains": TURNED}, {"weight": WEIGHT, "style": WHO}):
        with pytest.raises(ValueError, match=r"patches or (chains|styles)"):
            mixviz.Recipe(**PLAN, target_boxes=BOX, **more)
    for more in ({}, {"weight": WEIGHT, "align": 0.1}):
        with pytest.raises(ValueError, match="Styles are for weighted sources"):
            mixviz.Recipe(**PLAN, style=WHO, **more)


def test_parts_that_contradict_the_sources_are_refused():
    with pytest.raises(ValueError, match="a single source show a fill"):
        mixviz.Recipe(**ALONE, mixing=Patches(BOX))
    with pytest.raises(ValueError, match="leaves the rest to a fill"):
        Weights(WEIGHT[:1])
    for mixing, kind in ((Weights(WEIGHT), "2 weights"), (Operations(TURNED * 2), "2 operation sequences")):
        with pytest.raises(ValueError, match=f"1 sources and {kind}"):
            mixviz.Recipe(**ALONE, mixing=mixing)


def test_every_kind_gives_the_part_of_one_image():
    for _, new in recipes():
        recipe = mixviz.Recipe(**new)
        row = recipe.row(1)
        assert type(row.mixing) is type(recipe.mixing)
        assert torch.equal(row.weights()[:, 0], recipe.weights()[:, 1])
        assert (row.lam is None) == (recipe.lam is None)


def test_the_catalogue_has_recipes_of_every_kind_and_rule():
    planned = [plan_pair(name, {})[1] for name in mixviz.METHODS]
    kinds = {type(recipe.mixing) for recipe in planned}
    assert kinds == {parts.Unmixed, Weights, Aligned, Patches, Operations, Style}
    assert LabelRule.AREA in {recipe.label for recipe in planned}


def test_a_file_names_what_it_named_before():
    """Programs read the keys of recipe files since version 0.1."""
    images, maps, _ = pair()
    batch = mixviz.Batch(images, torch.tensor([0, 1]), saliency=maps)
    recipe = mixviz.METHODS["cutmix_mixup"](mode="patch").plan(
        batch, np.random.default_rng(0), partner=np.array([1, 0])
    )
    described = json.loads(json.dumps(serialize.recipe_json(recipe, recipe.truth(maps))))
    assert list(described) == [
        "size", "partner", "drawn", "area", "share", "source_box", "target_box", "source_boxes", "target_boxes",
        "inside", "label_by", "layer", "moves", "chains", "style", "by_style", "visible", "fair", "gap",
    ]  # fmt: skip
    assert described["drawn"] == recipe.lam[0].item()
    assert described["inside"] == recipe.patch_alpha[:, 0].tolist()


def test_the_gap_is_the_label_mass_on_the_wrong_picture():
    share, fair = torch.tensor([[0.7, 0.25], [0.3, 0.75]]), torch.tensor([[0.4, 0.25], [0.6, 0.75]])
    partner = torch.tensor([[0, 1], [1, 0]])
    torch.testing.assert_close(Truth(fair, fair, share, partner).gap, torch.tensor([0.3, 0.0]))
    alone = Truth(fair, fair, share, torch.tensor([[0, 1], [0, 1]]))  # both sources are the image itself
    torch.testing.assert_close(alone.gap, torch.zeros(2))


def test_what_a_half_transparent_patch_cut_elsewhere_shows():
    """By hand: A keeps its left half and half of what lies under the patch, B shows half of what was cut."""
    maps = torch.tensor([[[1.0, 2, 3, 4]], [[8.0, 4, 2, 2]]])
    target, source = torch.tensor([[[0, 2, 1, 4]] * 2]), torch.tensor([[[0, 0, 1, 2]] * 2])
    recipe = mixviz.Recipe(size=(1, 4), partner=WHO, share=HALF, mixing=Patches(target, source, HALF[:1]))
    visible = recipe.truth(maps).visible
    assert visible[0].tolist() == pytest.approx([(1 + 2 + 3.5) / 10, (8 + 4 + 2) / 16])
    assert visible[1].tolist() == pytest.approx([0.5 * (8 + 4) / 16, 0.5 * (1 + 2) / 10])
