"""MixViz: see, train with and compare mixed-sample augmentations.

mixed, recipe = mixviz.mix(images, labels, method="cutmix")
targets = recipe.targets(labels, num_classes=100)
"""

import importlib
import warnings
from typing import Any

from mixviz.core.batch import Batch
from mixviz.core.detection import detection_objects, detection_targets
from mixviz.core.feature_mixing import mix_inside
from mixviz.core.follow import MovedObjects
from mixviz.core.head import Head
from mixviz.core.method import Draw, Method
from mixviz.core.objective import Objective
from mixviz.core.objects import Objects
from mixviz.core.parameters import Card, parameter
from mixviz.core.recipe import Recipe, Truth
from mixviz.core.registry import discover
from mixviz.core.saliency import Saliency
from mixviz.core.tensors import IMAGENET_MEAN, IMAGENET_STD
from mixviz.core.transforms import MixCollate, MixTransform, mix, saliency
from mixviz.detectors import SALIENCY
from mixviz.heads import HEADS
from mixviz.methods import METHODS
from mixviz.objectives import OBJECTIVES
from mixviz.version import __version__

__all__ = [
    "HEADS",
    "IMAGENET_MEAN",
    "IMAGENET_STD",
    "METHODS",
    "OBJECTIVES",
    "SALIENCY",
    "Batch",
    "Card",
    "Draw",
    "Head",
    "Method",
    "MixCollate",
    "MixTransform",
    "MovedObjects",
    "Objective",
    "Objects",
    "Recipe",
    "Saliency",
    "Truth",
    "__version__",
    "detection_objects",
    "detection_targets",
    "discover",
    "mix",
    "mix_inside",
    "parameter",
    "saliency",
]

# Modules by their names up to version 0.1; gone after 0.2.
_MOVED = {
    "blend": "core.apply", "catalogue": "core.registry", "decoding": "data.decoding", "describe": "explain.serialize",
    "draws": "explain.sampling", "edit": "explain.edits", "export": "render.export", "geometry": "core.geometry",
    "inside": "core.feature_mixing", "localization": "cam.localization", "method": "core.method",
    "operations": "ops.operations", "paint": "render.overlays", "pictures": "data.pictures",
    "planning": "core.builders", "recipe": "core.recipe", "robustness": "evaluation.robustness",
    "split": "data.dataset", "story": "explain.example", "transform": "core.transforms", "words": "i18n",
    "zoo": "networks.zoo",
}  # fmt: skip


def __getattr__(name: str) -> Any:
    if name not in _MOVED:
        raise AttributeError(f"module 'mixviz' has no attribute {name!r}")
    warnings.warn(f"mixviz.{name} is now mixviz.{_MOVED[name]}.", DeprecationWarning, stacklevel=2)
    return importlib.import_module(f"mixviz.{_MOVED[name]}")
