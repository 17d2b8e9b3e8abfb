"""Trust in a CAM result: five faithfulness numbers for each of its maps."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch

from mixviz.cam import faithfulness
from mixviz.cam.inference import CAMResult
from mixviz.core.inference import NormalizedModel

BLUR = 5 / 224  # the paper blurs pictures of 224 px with a standard deviation of 5
PIXELS = 2**18  # that pass through the network at a time: 64 pictures of 64 px, 5 of 224 px


class Faithful(NamedTuple):
    """Faithfulness of one map, for its class.

    Attributes:
        deletion: area under the class's probability while the hottest pixels are blanked first; 0 to 1, small is good.
        insertion: the same while a blurred picture becomes sharp; 0 to 1, large is good.
        average_drop: percent of the probability that is lost where the map alone is shown; small is good.
        increase: the network is surer when it sees the map's places alone.
        road: -0.5 to 0.5, large is good, and chance reaches 0; None where it was not measured.
    """

    deletion: float
    insertion: float
    average_drop: float
    increase: bool
    road: float | None


def faithful(look: CAMResult, rng: np.random.Generator | None = None) -> list[Faithful]:
    """Measure every map of a look on what the network saw.

    Blanked pixels have the mean colour that the network was trained with, which it sees as 0; the blur is that of the
    paper, scaled to the picture's size. One map says little: these numbers vary a lot from picture to picture, and are
    meant to be averaged. A map that points nowhere is measured too, its pixels taken row by row.

    One map of a small ResNet at 64 px takes about half a second of one thread, of a ResNet-18 at 224 px about twelve,
    and ROAD two thirds of it and more.

    Args:
        look: of :func:`mixviz.cam.inference.look`, with K classes.
        rng: draws ROAD's noise; None leaves ROAD out, which takes most of the time.

    Returns:
        K times :class:`Faithful`. ``road`` is None too where the grad-cam package is not installed.

    Source: that of each number, see :mod:`mixviz.cam.faithfulness`.
    """
    spec, count = look.known.card.network, len(look.classes)
    network = NormalizedModel(look.known.network, spec.mean, spec.std)
    images = (torch.from_numpy(look.view).permute(2, 0, 1)[None] / 255).expand(count, -1, -1, -1)
    given = network, images, look.heat(), torch.tensor(look.classes)
    size = max(PIXELS // look.view[..., 0].size, 1)
    deleted = faithfulness.deletion(*given, fill=spec.mean, batch_size=size).area.tolist()
    inserted = faithfulness.insertion(*given, sigma=BLUR * len(look.view), batch_size=size).area.tolist()
    sure = faithfulness.confidence(*given, batch_size=size)
    roads = _road(*given, rng, size) or [None] * count
    found = []
    for index, numbers in enumerate(zip(deleted, inserted, roads, strict=True)):
        one = faithfulness.Confidence(*(chance[index : index + 1] for chance in sure))
        found.append(Faithful(*numbers[:2], one.average_drop, one.increase > 0, numbers[2]))
    return found


def _road(network, images, heat, classes, rng: np.random.Generator | None, size: int) -> list[float] | None:
    if rng is None:
        return None
    try:
        return faithfulness.road(network, images, heat, classes, rng, batch_size=size).tolist()
    except ImportError:  # the grad-cam package, or the scipy that comes with it
        return None
