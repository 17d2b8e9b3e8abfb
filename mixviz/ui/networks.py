"""The zoo's networks, opened once for all visitors."""

from __future__ import annotations

import functools
import threading

from mixviz import looking

_opening = threading.Lock()


def known_networks() -> list[looking.Known]:
    """All networks of the zoo: the first visitor who needs them waits until they are opened, and nobody else.

    Raises:
        ValueError: there are none, or one is damaged.
    """
    with _opening:
        return _opened()


@functools.cache
def _opened() -> list[looking.Known]:
    return looking.open_networks("all")
