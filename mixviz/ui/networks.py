"""The trained networks that the page asks: opened once, shared by all visitors."""

from __future__ import annotations

import functools
import threading

from mixviz import looking
from mixviz.looking import Known

_opening = threading.Lock()


def known_networks() -> dict[str, Known]:
    """The zoo by name, in the order of its strategies; opened when somebody first asks."""
    with _opening:
        return _opened()


@functools.cache
def _opened() -> dict[str, Known]:
    return {one.name: one for one in looking.open_networks("all")}
