"""The saliency detectors, one file each; a new file here adds an entry to ``mixviz.SALIENCY``."""

import sys
from collections.abc import Mapping

from mixviz.core.registry import discover
from mixviz.core.saliency import Saliency

SALIENCY: Mapping[str, type[Saliency]] = discover(sys.modules[__name__], Saliency)
