"""Engines, one file each: where the processes of a search or a judge run. A new file here adds one to ``ENGINES``."""

import sys
from collections.abc import Mapping

from mixviz.core.registry import discover
from mixviz.search.engine import Engine

ENGINES: Mapping[str, type[Engine]] = discover(sys.modules[__name__], Engine)
