"""The augmentations, one file each; a new file here adds an entry to ``mixviz.METHODS``."""

import sys
from collections.abc import Mapping

from mixviz.core.method import Method
from mixviz.core.registry import discover

METHODS: Mapping[str, type[Method]] = discover(sys.modules[__name__], Method)
