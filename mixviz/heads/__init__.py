"""The heads, one file each; a new file here adds an entry to ``mixviz.HEADS``."""

import sys
from collections.abc import Mapping

from mixviz.core.head import Head
from mixviz.core.registry import discover

HEADS: Mapping[str, type[Head]] = discover(sys.modules[__name__], Head)
