"""Memory that is kept for the next batch."""

from __future__ import annotations

import subprocess
import sys

import pytest

PROGRAM = """
import resource, torch
from mixviz.core import memory
def faults(batches):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(batches):
        torch.zeros(2**24)  # 64 MB
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
cleared = faults(4)
kept = memory.keep()
torch.zeros(2**25)  # larger: up to glibc 2.37, an aligned block may not fit where one of its size was freed
print(kept, cleared, faults(4))
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only glibc can be told to keep memory")
def test_pages_are_not_cleared_again_for_the_next_batch():
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)
    kept, before, after = done.stdout.split()
    if kept == "False":
        pytest.skip("this C library cannot keep memory")
    assert int(after) < int(before) / 10
