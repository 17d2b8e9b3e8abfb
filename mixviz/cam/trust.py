"""Faithfulness of a CAM result: five numbers for each of its maps."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from mixviz.cam import faithfulness
from mixviz.cam.inference import CAMResult
from mixviz.core.inference import NormalizedModel

BLUR = 5 / 224  # the paper blurs pictures of 224 px with a standard deviation of 5
PIXELS = 2**18  # per forward pass: 64 pictures of 64 px, 5 of 224 px


class Faithful(NamedTuple):
    """Faithfulness of one map, for its class.

    Attributes:
        deletion: area under the class's probability while the hottest pixels are blanked first; 0 to 1, small is good.
        insertion: the same while a blurred picture becomes sharp; 0 to 1, large is good.
        average_drop: percentage of the probability that is lost when only the map's pixels are shown; small is good.
        increase: the probability is higher when only the map's pixels are shown.
        road: -0.5 to 0.5, large is good, 0 is chance level; None where it was not measured.
    """

    deletion: float
    insertion: float
    average_drop: float
    increase: bool
    road: float | None


def faithful(look: CAMResult, rng: np.random.Generator | None = None) -> list[Faithful]:
    """Measure every map of a result on the network's input picture.

    Blanked pixels have the mean colour of the network's normalisation, so that its input is 0 there; the blur is that
    of the paper, scaled to the picture's size. These numbers vary a lot from picture to picture, and are meant to be
    averaged. A constant map is measured too: its pixels are taken row by row.

    One map of a small ResNet at 64 px takes about half a second of one thread, of a ResNet-18 at 224 px about twelve,
    and ROAD two thirds of it and more.

    Args:
        look: from :func:`mixviz.cam.inference.look`, with K classes.
        rng: draws ROAD's noise; None leaves out ROAD, which takes most of the time.

    Returns:
        One :class:`Faithful` per class. ``road`` is also None where the grad-cam package is not installed.

    Source: see :mod:`mixviz.cam.faithfulness`.
    """
    spec, count = look.known.card.network, len(look.classes)
    network = look.known.pixel_model()
    images = (torch.from_numpy(look.view).permute(2, 0, 1)[None] / 255).expand(count, -1, -1, -1)
    arguments = network, images, look.heat(), torch.tensor(look.classes)
    size = max(PIXELS // look.view[..., 0].size, 1)
    deleted = faithfulness.deletion(*arguments, fill=spec.mean, batch_size=size).area.tolist()
    inserted = faithfulness.insertion(*arguments, sigma=BLUR * len(look.view), batch_size=size).area.tolist()
    confidence = faithfulness.confidence(*arguments, batch_size=size)
    roads = _road(*arguments, rng, size) or [None] * count
    measures = []
    for index, (deletion, insertion, road) in enumerate(zip(deleted, inserted, roads, strict=True)):
        one = faithfulness.Confidence(*(probability[index : index + 1] for probability in confidence))
        measures.append(Faithful(deletion, insertion, one.average_drop, one.increase > 0, road))
    return measures


def _road(
    network: NormalizedModel, images: Tensor, heat: Tensor, classes: Tensor, rng: np.random.Generator | None, size: int
) -> list[float] | None:
    if rng is None:
        return None
    try:
        return faithfulness.road(network, images, heat, classes, rng, batch_size=size).tolist()
    except ImportError:  # of the grad-cam package, or of its dependency scipy
        return None
