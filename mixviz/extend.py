"""Everything that a method or a saliency detector is made of.

A file in ``mixviz/methods`` or ``mixviz/detectors``, or a class of your own, needs no other import of MixViz. The names
are those of :mod:`mixviz.core`; what stands here stays, what stands only there may change.
"""

from mixviz.core.batch import Batch
from mixviz.core.builders import (
    FILLS,
    alone,
    amounts,
    blend,
    chain,
    done,
    each,
    erase,
    fill_colour,
    four_tiles,
    lam_tensor,
    lit,
    masked,
    pair,
    paste,
    salient_parts,
    shown_in,
    sometimes,
    two_shares,
    visible_share,
)
from mixviz.core.geometry import (
    box_area,
    box_around,
    box_mask,
    patch_sides,
    peak,
    random_centre,
    salient_corner,
    stack_box,
    sum_in_box,
    uniform_corner,
)
from mixviz.core.method import Draw, Method
from mixviz.core.parameters import FAMILIES, Card, beta_alpha, box_rounding, detector, parameter, tie_break
from mixviz.core.recipe import Recipe, Truth
from mixviz.core.saliency import Saliency
from mixviz.ops.operations import OPERATIONS, Chain, Link, Operation

__all__ = [
    "FAMILIES",
    "FILLS",
    "OPERATIONS",
    "Batch",
    "Card",
    "Chain",
    "Draw",
    "Link",
    "Method",
    "Operation",
    "Recipe",
    "Saliency",
    "Truth",
    "alone",
    "amounts",
    "beta_alpha",
    "blend",
    "box_area",
    "box_around",
    "box_mask",
    "box_rounding",
    "chain",
    "detector",
    "done",
    "each",
    "erase",
    "fill_colour",
    "four_tiles",
    "lam_tensor",
    "lit",
    "masked",
    "pair",
    "parameter",
    "paste",
    "patch_sides",
    "peak",
    "random_centre",
    "salient_corner",
    "salient_parts",
    "shown_in",
    "sometimes",
    "stack_box",
    "sum_in_box",
    "tie_break",
    "two_shares",
    "uniform_corner",
    "visible_share",
]
