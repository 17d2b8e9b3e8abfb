"""The objectives, one file each; a new file here adds an entry to ``mixviz.OBJECTIVES``."""

import sys
from collections.abc import Mapping

from mixviz.core.objective import Objective
from mixviz.core.registry import discover

OBJECTIVES: Mapping[str, type[Objective]] = discover(sys.modules[__name__], Objective)
