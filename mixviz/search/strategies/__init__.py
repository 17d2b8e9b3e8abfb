"""The search strategies, one file each; a new file here adds an entry to ``STRATEGIES``."""

import sys
from collections.abc import Mapping

from mixviz.core.registry import discover
from mixviz.search.strategy import Strategy

STRATEGIES: Mapping[str, type[Strategy]] = discover(sys.modules[__name__], Strategy)
