"""Explanations of a mixture: every calculation is right, every sentence is true, every step is in order."""

from __future__ import annotations

import ast
import dataclasses
import functools
import inspect
import operator
import re

import numpy as np
import pytest
import torch
from cases import pair, plan_pair, table, variants

import mixviz
from mixviz import i18n
from mixviz.core.parts import ByStyle, LabelRule, Patches, Style, Unmixed, Weights
from mixviz.explain import edits, example, label_terms
from mixviz.explain.example import MixedExample, make_example, steps
from mixviz.render import overlays, panels

SIZE = (12, 20)
usual_case = table(list(variants(ends=False)))
ENGLISH = i18n.texts()["en"]


def stories(name, given) -> list[MixedExample]:
    """Make examples of a method: drawn and held λ, known and unknown objects, as planned and changed by hand."""
    return _stories(name, tuple(given.items()))


@functools.cache
def _stories(name, given) -> list[MixedExample]:
    return list(_tell(name, dict(given)))


def _tell(name, given):
    method = mixviz.METHODS[name](**given)
    for seed, lam in ((0, None), (1, 0.35), (2, None), (3, 0.9), (4, 0.0), (5, 1.0)):
        images, maps, objects = pair(SIZE, seed)
        known = {"maps": maps, "objects": objects if seed % 2 else None, "names": ("cat", "dog")}
        result = make_example(images, method, seed, lam, **known)
        yield result
        if edits.can_move(result.recipe):
            yield make_example(images, method, seed, lam, **known).moved((2, 3, 11, 13))
        if edits.can_paint(result.recipe):
            mask = torch.from_numpy((np.random.default_rng(seed).random(SIZE) < 0.7).astype(np.float32))
            yield make_example(images, method, seed, lam, **known).painted(mask)


# ---------------------------------------------------------------- the calculations

SIGNS = {ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv}


def worked_out(text: str) -> float:
    """Evaluate numbers, + − × ÷ and brackets like a pocket calculator; anything else raises."""
    assert re.fullmatch(r"[\d.()+−×÷ ]+", text), text
    return _value(ast.parse(text.translate(str.maketrans("−×÷", "-*/")), mode="eval").body)


def _value(node: ast.expr) -> float:
    if isinstance(node, ast.Constant):
        return node.value
    return SIGNS[type(node.op)](_value(node.left), _value(node.right))


@pytest.mark.parametrize(
    ("text", "value"), [("(3 − 1) × 4 ÷ (2 × 8)", 0.5), ("0.5", 0.5), ("2 + 3 × 4", 14), ("1 − 0.25", 0.75)]
)
def test_the_calculator_calculates(text, value):
    assert worked_out(text) == value


def by_key(told: MixedExample) -> dict[str, label_terms.Line]:
    return {line.key: line for line in label_terms.lines(told)}


@usual_case
def test_every_sum_comes_to_its_value(name, given):
    for result in stories(name, given):
        for line in label_terms.lines(result):
            if line.sum:
                assert worked_out(line.sum) == pytest.approx(line.value, abs=2e-4), line
            else:
                assert line.key in ("lam_drawn", "lam_held")
                assert line.value == result.recipe.lam[0]


@usual_case
def test_every_number_has_a_name(name, given):
    for result in stories(name, given):
        for line in label_terms.lines(result):
            assert f"line.{line.key}" in ENGLISH


def added_up(told: MixedExample, values: torch.Tensor) -> list[float]:
    """Add up the sources' numbers (K, N) for A and B in loops."""
    sums = [0.0, 0.0]
    for k, who in enumerate(told.recipe.partner[:, 0]):
        sums[int(who)] += values[k, 0].item()
    return sums


@usual_case
def test_the_lines_say_what_the_recipe_says(name, given):
    for result in stories(name, given):
        lines, recipe, paired = by_key(result), result.recipe, result.recipe.paired
        own, other = added_up(result, recipe.share)
        assert lines[f"label_{recipe.label_by}"].value == pytest.approx(own, abs=1e-6)
        assert ("label_b" in lines) == paired
        assert not paired or lines["label_b"].value == pytest.approx(other, abs=1e-6)
        assert (f"visible_a_{result.reference}" in lines) == ("area_a" in lines) == (recipe.layer == 0)
        if recipe.layer:
            continue
        reference_mask = result.maps if result.objects is None else result.objects
        truth = recipe.truth(reference_mask)
        for key, values in (("area", recipe.area), ("visible", truth.visible)):
            name_of = f"{key}_{{}}" + (f"_{result.reference}" if key == "visible" else "")
            for letter, value in list(zip("ab", added_up(result, values), strict=True))[: 1 + paired]:
                assert lines[name_of.format(letter)].value == pytest.approx(value, abs=1e-5)
        if paired:
            fair = added_up(result, truth.fair)[0]
            assert lines["fair"].value == pytest.approx(fair, abs=1e-5)
            assert lines["gap"].value == pytest.approx(abs(own - fair), abs=1e-5)


def test_numbers_against_a_hand_computed_case():
    """10 x 10 pixels; a patch of 4 x 5 on A shows 10 of the 25 pixels of B's object."""
    result = hand_made(target=(3, 0, 7, 5), share=0.8, a=(0, 0, 5, 10), b=(0, 0, 5, 5))
    lines = by_key(result)
    assert lines["patch"] == label_terms.Line("patch", "(7 − 3) × (5 − 0) ÷ (10 × 10)", 0.2)
    assert lines["area_a"] == label_terms.Line("area_a", "80 ÷ (10 × 10)", 0.8)
    assert lines["visible_a_object"].sum == "40 ÷ 50"
    assert lines["visible_b_object"].sum == "10 ÷ 25"
    assert lines["fair"].sum == "0.8000 ÷ (0.8000 + 0.4000)"
    assert lines["gap"].sum == "0.800000 − 0.666667"
    assert lines["label_b"].sum == "1 − 0.8000"


@pytest.mark.parametrize("small", [1e-2, 3e-4, 2e-6])
def test_sums_of_small_numbers_come_out_too(small):
    """All but a speck of each object is hidden: with four decimal places it would be 0 ÷ (0 + 0)."""
    result = hand_made(target=(0, 0, 10, 9), share=0.1, a=(0, 0, 10, 10), b=(0, 0, 10, 10))
    objects = torch.ones(2, 10, 10)
    objects[0, :, 9], objects[1, :, :9] = 1.25 * small, 0.4 * small
    result = dataclasses.replace(result, objects=objects)
    for line in label_terms.lines(result):
        assert worked_out(line.sum) == pytest.approx(line.value, abs=2e-4), line


def test_outlines_trace_the_visible_part_of_a_mask():
    mask = np.zeros((100, 200), bool)
    mask[20:60, 40:120] = True
    ring = sorted([float(v) for v in place.split()] for place in overlays.contours(mask)[1:-1].split("L"))
    wanted = [[20, 20], [20, 60], [60, 20], [60, 60]]  # percent across and down
    assert np.abs(np.array(ring) - wanted).max() <= 0.3
    assert overlays.contours(mask & False) == ""
    mask[30:50, 60:80] = False
    assert overlays.contours(mask).count("M") == 2  # a hole is a ring of its own


def test_followed_objects_agree_with_the_visible_shares():
    images, maps, objects = pair(SIZE, 1)
    made = make_example(images, mixviz.METHODS["cutmix"](), 3, 0.6, maps=maps, names=("a", "b"), objects=objects)
    shares = dict(zip(made.followed.source.tolist(), made.followed.visible.tolist(), strict=True))
    assert (shares.get(0, 0), shares.get(1, 0)) == pytest.approx(made.visible, abs=1e-5)


def test_objects_that_are_nowhere_to_be_seen_share_the_label():
    result = hand_made(target=(0, 0, 10, 5), share=0.5, a=(0, 0, 10, 5), b=(0, 5, 10, 10))
    assert by_key(result)["fair"] == label_terms.Line("fair", "1 ÷ 2", 0.5)
    assert result.visible == (0, 0)


# ---------------------------------------------------------------- the sentences


def box_mask(box) -> torch.Tensor:
    mask, (top, left, bottom, right) = torch.zeros(10, 10), box
    mask[top:bottom, left:right] = 1
    return mask


def hand_made(share=1.0, a=(0, 0, 10, 10), b=(0, 0, 10, 10), target=None, source=None, weight=None, paired=True,
              label_by="area", layer=0):  # fmt: skip
    """Make an example of two pictures of 10 x 10 pixels with known objects, and a recipe that no method made."""
    k = 2 if paired else 1
    boxes = [None if box is None else torch.tensor([[box] * 2]) for box in (target, source)]
    mixing = Unmixed()
    if weight is not None:
        mixing = Weights(torch.tensor([weight, 1 - weight]).view(2, 1, 1, 1, 1).expand(2, 2, 1, 1, 1))
    if target is not None:
        mixing = Patches(*boxes, fill=None if paired else torch.zeros(1, 3, 1, 1), base=mixing)
    recipe = mixviz.Recipe(
        size=(10, 10), partner=torch.tensor([[0, 1], [1, 0]])[:k],
        share=torch.tensor([[share] * 2, [1 - share] * 2])[:k],
        mixing=mixing, label=LabelRule(label_by), layer=layer,
    )  # fmt: skip
    return MixedExample(
        names=("cat", "dog"), images=torch.zeros(2, 3, 10, 10, dtype=torch.uint8), maps=torch.ones(2, 10, 10),
        objects=torch.stack([box_mask(a), box_mask(b)]), method=mixviz.METHODS["baseline"](), recipe=recipe,
    )  # fmt: skip


def plain(text: str) -> str:
    """Without the narrow manners of typography: a per cent sign keeps to its number."""
    return text.replace("\N{NO-BREAK SPACE}", " ")


TOP, BOTTOM, LEFT, CORNER = (0, 0, 5, 10), (5, 0, 10, 10), (0, 0, 10, 5), (0, 0, 5, 5)

SENTENCES = [
    # A hole over 25 of the 50 pixels of A's object.
    ("hole", {"paired": False, "a": TOP, "target": CORNER, "label_by": "own"},
     "The hole hides 50 % of “cat”, yet the label still says 100 % “cat”."),
    # 4 % of the object: too little to mention.
    ("hole_missed", {"paired": False, "a": TOP, "target": (4, 0, 9, 2), "label_by": "own"},
     "The hole misses “cat”: its label, 100 %, is fair."),
    ("unchanged", {"paired": False, "label_by": "own"},
     "Nothing was changed: the picture is all cat, and so is the label."),
    ("unchanged", {"target": (3, 3, 3, 3)}, "Nothing was changed: the picture is all cat, and so is the label."),
    ("inside", {"share": 0.6, "weight": 0.6, "layer": 2, "label_by": "lam"},
     "The pictures stay as they are: they are mixed inside the network, after stage 2."),
    ("faint", {"share": 0.6, "weight": 0.6, "label_by": "lam"},
     "Both pictures are wholly there, but faint; the label says 60 % “cat”, as much as its weight in the picture."),
    ("faint_own", {"weight": 0.5, "label_by": "own"},
     "50 % of what you see is “dog”, yet the label says 100 % “cat”."),
    # B's object is its top half, and the patch is the bottom half.
    ("empty", {"share": 0.5, "target": BOTTOM, "a": LEFT, "b": TOP},
     "Almost nothing of “dog” can be seen (0 %), yet the label says 50 % “dog”."),
    # 20 of A's 25 pixels are covered, and 20 of B's 50 are shown: 0.2 / (0.2 + 0.4) is fair.
    ("hides", {"share": 0.8, "target": (0, 0, 4, 5), "a": CORNER, "b": TOP},
     "The patch hides 80 % of “cat”, yet the label still says 80 % “cat” (fair: 33 %)."),
    # A's object lies beside the patch: all of it is visible, and 30 of B's 60 pixels; 1 / (1 + 0.5) is fair.
    ("shows", {"share": 0.4, "target": (4, 0, 10, 10), "a": (0, 0, 4, 10), "b": (1, 0, 7, 10)},
     "100 % of “cat” and 50 % of “dog” can be seen, yet the label says only 40 % “cat” (fair: 67 %)."),
    # Half of both is visible, and the label is half and half.
    ("fair", {"share": 0.5, "target": LEFT, "a": TOP, "b": BOTTOM},
     "50 % of “cat” and 50 % of “dog” can be seen: the label, 50 % “cat”, is fair."),
    # The patch hides nothing of A, and shows all of B: neither “hides” nor “only” would be true.
    ("tiles_off", {"share": 0.75, "target": (5, 5, 10, 10), "a": CORNER, "b": (5, 5, 10, 10)},
     "100 % of “cat” and 100 % of “dog” can be seen, yet the label says 75 % “cat”."),
    # λ = 0: nothing of A is left, not even faintly.
    ("fair", {"share": 0.0, "weight": 0.0, "label_by": "lam"},
     "0 % of “cat” and 100 % of “dog” can be seen: the label, 0 % “cat”, is fair."),
]  # fmt: skip


@pytest.mark.parametrize(("key", "given", "says"), SENTENCES, ids=[f"{i}-{s[0]}" for i, s in enumerate(SENTENCES)])
def test_sentences_of_hand_made_mixtures(key, given, says):
    result = hand_made(**given)
    assert result.sentence["key"] == f"sentence.{key}"
    assert plain(result.text()) == says


def test_a_picture_painted_all_a_under_a_label_that_is_not():
    result = hand_made(share=0.6, weight=0.6, label_by="lam")
    result = dataclasses.replace(result, recipe=edits.paint_mask(result.recipe, torch.ones(10, 10)))
    assert plain(result.text()) == "Almost nothing of “dog” can be seen (0 %), yet the label says 40 % “dog”."


def four_tiles(share, a, b):
    """Make tiles of 5 x 5: A, B, A and B clockwise."""
    result = hand_made(a=a, b=b)
    right, bottom = (0, 5, 5, 10), (5, 5, 10, 10)
    targets = torch.tensor([[box] * 2 for box in (right, bottom, (5, 0, 10, 5))])
    partner = torch.tensor([[0, 1], [1, 0], [0, 1], [1, 0]])
    share = torch.tensor([[value] * 2 for value in share])
    recipe = mixviz.Recipe(size=(10, 10), partner=partner, share=share, mixing=Patches(targets))
    return dataclasses.replace(result, recipe=recipe)


def test_sentences_of_four_tiles():
    fair = four_tiles((0.25, 0.25, 0.25, 0.25), LEFT, LEFT)
    assert fair.share == (0.5, 0.5)
    assert plain(fair.text()) == "50 % of “cat” and 50 % of “dog” can be seen; the label, 50 % “cat”, is fair."
    # A's object lies in A's first tile, and B's in the same place, which is not shown.
    off = four_tiles((0.25, 0.25, 0.25, 0.25), CORNER, CORNER)
    assert plain(off.text()) == "100 % of “cat” and 0 % of “dog” can be seen, yet the label says 50 % “cat”."
    assert off.gap == 0.5


def test_the_sentence_and_the_sums_of_a_style():
    """For weights of A, B, A in B's style and B in A's, A has 0.3 + 0.4 of the content and 0.3 + 0.1 of the style."""
    who = torch.tensor([[0, 1], [1, 0], [0, 1], [1, 0]])
    weight = torch.tensor([0.3, 0.2, 0.4, 0.1]).view(4, 1, 1, 1, 1).expand(4, 2, 1, 1, 1)
    share = torch.tensor([[0.33] * 2, [0.32] * 2, [0.28] * 2, [0.07] * 2])
    recipe = mixviz.Recipe(
        size=(10, 10), partner=who, share=share, mixing=Style(who[[0, 1, 1, 0]], Weights(weight)), label=ByStyle(0.3)
    )
    result = dataclasses.replace(hand_made(), recipe=recipe)
    assert plain(result.text()) == (
        "70 % of the shapes come from “cat”, and 40 % of the colours and contrast; the label weighs both and says "
        "61 % “cat”."
    )
    lines = by_key(result)
    assert lines["style_a"].value == pytest.approx(0.4)
    assert lines["label_style"].sum == "0.7 × 0.7000 + 0.3 × 0.4000"
    weight = torch.tensor([0.5, 0, 0.5, 0]).view(4, 1, 1, 1, 1).expand(4, 2, 1, 1, 1)
    only_shapes = dataclasses.replace(recipe, mixing=Style(recipe.style, Weights(weight)))
    result = dataclasses.replace(result, recipe=dataclasses.replace(only_shapes, share=torch.eye(4)[:1].T.expand(4, 2)))
    assert result.sentence["key"] == "sentence.style"  # all the content and label, and yet not unchanged


def test_every_sentence_has_its_text_and_every_text_its_sentence():
    source = inspect.getsource(example._sentence)
    texts = {word for line in re.findall(r"return (.+)", source) for word in re.findall(r'"(\w+)"', line)} - {"own"}
    assert {f"sentence.{key}" for key in texts} == {key for key in ENGLISH if key.startswith("sentence.")}
    assert texts >= {key for key, *_ in SENTENCES}


@usual_case
def test_every_place_of_a_sentence_is_filled(name, given):
    for result in stories(name, given):
        assert result.sentence["key"] in ENGLISH
        for language in i18n.texts():
            assert not re.search(r"[{}]", result.text(language))
        assert all(isinstance(value, str) for value in result.values.values())


@usual_case
def test_the_sentence_is_true(name, given):
    """Check the claims of each kind of sentence against the numbers."""
    for result in stories(name, given):
        kind, (seen_a, seen_b), (own, other) = result.sentence["key"].split(".")[1], result.visible, result.share
        if kind == "unchanged":
            assert torch.equal(result.mixed, result.images[0])
            assert own == pytest.approx(1, abs=1e-3)
        elif kind == "inside":
            assert result.recipe.layer > 0
        elif kind in ("operations", "operations_lost"):
            assert any(chains[0] for chains in result.recipe.sequences)
            assert (seen_a <= 0.95) == (kind == "operations_lost")
            assert result.share == (1, 0)
        elif kind in ("hole", "hole_missed"):
            assert (seen_a > 0.95) == (kind == "hole_missed")
            assert other == 0
        elif kind.endswith("fair"):
            assert result.gap <= example.FAIR
        elif kind == "faint":
            assert own == pytest.approx(result.area[0], abs=1e-5)
            assert min(result.area) > 0
        elif kind == "faint_own":
            assert own == 1
        elif kind == "empty":
            assert seen_b < 0.05
            assert result.gap > example.FAIR
        elif kind == "hides":
            assert own > result.fair[0]
            assert seen_a <= 0.95
        elif kind == "shows":
            assert own < result.fair[0]
        elif kind == "style":
            assert result.recipe.style is not None
            assert own == pytest.approx(0.7 * result.area[0] + 0.3 * result.style[0], abs=1e-5)
        else:
            assert kind == "tiles_off"
            assert result.gap > example.FAIR


@pytest.mark.parametrize(
    ("share", "says"), [(0, "0 %"), (1, "100 %"), (0.004, "0 %"), (0.996, "100 %"), (-1e-9, "0 %")]
)
def test_per_cent(share, says):
    assert plain(example.percent(share)) == says


def test_a_language_that_lacks_a_text_has_it_in_english():
    assert i18n.say("sentence.inside", "xx", layer=3) == i18n.say("sentence.inside", layer=3)
    assert "stage 3" in i18n.say("sentence.inside", layer=3)
    assert "stage {layer}" in i18n.say("sentence.inside")  # a missing value leaves its placeholder


def test_a_label_with_braces_stays_as_it_was_typed():
    """A visitor's name that looks like a placeholder is not filled in."""
    result = dataclasses.replace(hand_made(**SENTENCES[0][1]), names=("{hidden}", "dog"))
    assert plain(result.text()) == "The hole hides 50 % of “{hidden}”, yet the label still says 100 % “{hidden}”."


# ---------------------------------------------------------------- the steps


@usual_case
def test_steps_are_known_and_in_their_order(name, given):
    for result in stories(name, given):
        listed, pictures = steps(result), panels.tiles(result)
        keys = [step.key for step in listed]
        assert all(f"step.{key}" in ENGLISH for key in keys)
        assert keys[0] == "pictures"
        assert len(set(keys)) == len(keys)
        label, paired = f"label_{result.recipe.label_by}", result.recipe.paired
        inside = "inside" if result.recipe.target_boxes is None else "inside_cut"
        assert keys[-2:] == ([inside, label] if result.recipe.layer else [label, "truth" if paired else "truth_alone"])
        assert keys.index("mask") < keys.index("mix") if "mask" in keys else result.recipe.layer
        assert ("saliency" in keys) == (result.recipe.saliency is not None)
        assert bool({"lam_drawn", "lam_held"} & set(keys)) == (result.recipe.lam is not None)
        assert ("operations" in keys) == (result.recipe.sequences is not None)
        assert ("style" in keys) == (result.recipe.style is not None)
        for step in listed:
            assert step.pictures
            assert set(step.pictures) <= set(pictures)
            if step.box is not None:
                top, left, bottom, right = step.box
                assert 0 <= top < bottom <= 1
                assert 0 <= left < right <= 1


@usual_case
def test_the_peak_is_the_brightest_pixel_of_the_picture_that_is_shown(name, given):
    for result in stories(name, given):
        for step in steps(result):
            assert (step.peak is not None) == (step.key == "saliency")
            if step.peak is None:
                continue
            which = int(result.recipe.paired)  # the partner's, where there is one
            assert step.pictures == (("heat_a", "heat_b")[which],)
            row, column = (int(at * side) for at, side in zip(step.peak, SIZE, strict=True))
            assert divmod(int(np.argmax(result.maps[which].numpy())), SIZE[1]) == (row, column)
            assert step.number == f"({row}, {column})"
            assert step.peak == ((row + 0.5) / SIZE[0], (column + 0.5) / SIZE[1])


@usual_case
def test_the_boxes_of_the_steps_are_the_recipes(name, given):
    for result in stories(name, given):
        boxes = {step.key: step for step in steps(result)}
        recipe, scale = result.recipe, np.array([*SIZE, *SIZE])
        if "place" in boxes:
            assert (np.array(boxes["place"].box) * scale).round().tolist() == recipe.target_box[0].tolist()
        for key in {"cut", "cut_resized", "hole"} & set(boxes):
            box = recipe.target_box if recipe.source_box is None else recipe.source_box
            assert (np.array(boxes[key].box) * scale).round().tolist() == box[0].tolist()
            top, left, bottom, right = box[0].tolist()
            assert boxes[key].number == f"{bottom - top} × {right - left} px"


def test_the_numbers_of_the_steps():
    result = hand_made(target=(3, 0, 7, 5), share=0.8, a=(0, 0, 5, 10), b=CORNER)
    numbers = {step.key: plain(step.number) for step in steps(result)}
    assert numbers == {
        "pictures": "cat + dog", "cut": "4 × 5 px", "mask": "A 0.800", "mix": "A 80 %",
        "label_area": "cat 0.800 · dog 0.200", "truth": "0.800 ↔ 0.667",
    }  # fmt: skip


# ---------------------------------------------------------------- texts


@usual_case
def test_a_story_tells_of_the_recipe_that_the_core_plans(name, given):
    images, maps, _ = pair(SIZE, 4)
    result = make_example(images, mixviz.METHODS[name](**given), 4, 0.6, maps=maps)
    same_images, recipe = plan_pair(name, given, SIZE, 4, 0.6)
    assert torch.equal(result.mixed, recipe.apply(same_images)[0])
    assert torch.equal(result.recipe.share, recipe.share)
    assert result.reference == "saliency"


def test_a_change_that_does_not_fit_is_refused():
    images, maps, _ = pair(SIZE)
    with pytest.raises(ValueError, match="no single patch"):
        make_example(images, mixviz.METHODS["mixup"](), 0, None, maps=maps).moved((0, 0, 4, 4))
    with pytest.raises(ValueError, match="cannot be painted"):
        make_example(images, mixviz.METHODS["mosaic"](), 0, None, maps=maps).painted(torch.ones(SIZE))
