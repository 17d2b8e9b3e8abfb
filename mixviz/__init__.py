"""MixViz: see, train with and compare mixed-sample augmentations.

mixed, recipe = mixviz.mix(images, labels, method="cutmix")
targets = recipe.targets(labels, num_classes=100)
"""

from mixviz import detectors as _detectors
from mixviz import methods as _methods
from mixviz.batch import IMAGENET_MEAN, IMAGENET_STD, Batch
from mixviz.catalogue import discover
from mixviz.inside import mix_inside
from mixviz.method import Card, Draw, Method, Saliency, parameter
from mixviz.recipe import Recipe, Truth
from mixviz.transform import MixCollate, MixTransform, mix, saliency
from mixviz.version import __version__

METHODS = discover(_methods, Method)
SALIENCY = discover(_detectors, Saliency)

__all__ = [
    "IMAGENET_MEAN",
    "IMAGENET_STD",
    "METHODS",
    "SALIENCY",
    "Batch",
    "Card",
    "Draw",
    "Method",
    "MixCollate",
    "MixTransform",
    "Recipe",
    "Saliency",
    "Truth",
    "__version__",
    "discover",
    "mix",
    "mix_inside",
    "parameter",
    "saliency",
]
