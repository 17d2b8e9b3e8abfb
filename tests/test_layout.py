"""What a person sees first: which parts of each view lie whole in the first viewport, at three sizes."""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.browser
SIZES = {"laptop": (1280, 800), "projector": (1920, 1080), "phone": (390, 844)}

# View and rest of its address -> parts that lie whole in the first viewport, at every size.
FIRST_SIGHT = {
    "learn&method=cutmix": (".mv-hero-a", ".mv-hero-b", ".mv-hero-mixture", ".mv-hero-label .mv-bar", "#mv-lam"),
    "detail&method=cutmix": ("#mv-method", ".mv-stage-tile", "#mv-lam", "#mv-detail .mv-bar", "#mv-detail .mv-chain"),
    "sweep&method=cutmix": ("#mv-method", ".mv-film"),
    "draws&method=cutmix": ("#mv-method", "[data-histogram=drawn]"),
    "batch&method=cutmix": ("#mv-method", ".mv-batch li"),
    "code&method=cutmix": ("#mv-method", ".mv-snippet-head"),
    "localize": (".mv-look-stage", "[data-network=efficientnet_lite0] .mv-heat-tile", "[data-choice=mix]"),
    "localize&lang=ko": (".mv-look-stage", "[data-network=efficientnet_lite0] .mv-heat-tile", "[data-choice=mix]"),
    "grid": ("[data-method=mixup]", "[data-method=cutout]"),
    "embeddings": (".mv-lead", "#mv-embed-network", ".mv-scatter", ".mv-own[data-own=A]", ".mv-own[data-own=B]"),
    "retrieval": (".mv-lead", ".mv-find-query", ".mv-find-pick"),
    "which": ("[data-part=questions]", "[data-part=shortlist] .mv-big", "[data-candidate]"),
    "search": ("#mv-search h1",),
    "compare": (".mv-lead", ".mv-dots h2"),
    "tree": (".mv-about h1",),
}
# Where a size shows more than others
ALSO = {
    ("retrieval", "laptop"): ("[data-network=efficientnet_lite0] .mv-find-result",),
    ("which", "laptop"): ("[data-candidate]:last-child",),
    ("compare", "laptop"): (
        "[data-measure=top1_error] [data-strategy=CutMix]",
        "[data-measure=ece] [data-strategy=CutMix]",
    ),
    ("compare", "projector"): ("[data-part=dots]", "[data-open=table]"),
    ("compare", "phone"): ("[data-measure=top1_error] [data-strategy=CutMix]",),
    ("tree", "laptop"): ("[data-idea=mixup]", "[data-idea=cutmix]", ".mv-lanes span", "[data-part=idea]"),
    ("tree", "projector"): ("[data-idea=mixup]", "[data-idea=cutmix]", "[data-idea=saliencymix]"),
    ("tree", "phone"): ("[data-listed=mixup] > .mv-listed", "[data-listed=cutmix] > .mv-listed"),
}


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("query", FIRST_SIGHT)
def test_what_a_view_is_for_lies_whole_in_the_first_viewport(open_tab, query, size):
    width, height = SIZES[size]
    view = query.split("&")[0]
    tab = open_tab(f"?view={query}", view, width=width, height=height)
    for part in FIRST_SIGHT[query] + ALSO.get((query, size), ()):
        box = tab.page.locator(part).first.bounding_box()
        assert box is not None, f"{part} is hidden"
        assert min(box["width"], box["height"]) > 10, (part, box)
        assert min(box["x"], box["y"]) >= 0, (part, box)
        assert box["x"] + box["width"] <= width + 1, (part, box)
        assert box["y"] + box["height"] <= height, (part, box)
    assert tab.page.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize("size", ["laptop", "projector"])
def test_on_a_desk_the_first_three_maps_lie_whole_in_the_first_viewport(open_tab, size):
    width, height = SIZES[size]
    tab = open_tab("?view=localize", "localize", width=width, height=height)
    boxes = [one.bounding_box() for one in tab.page.locator(".mv-heat-tile:visible").all()[:3]]
    assert len(boxes) == 3
    assert all(box["width"] >= 240 and box["y"] + box["height"] <= height for box in boxes), boxes
