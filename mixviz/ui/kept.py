"""Answers that are kept for whoever asks again."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any


class Kept:
    """The latest answers, up to so many bytes: a key holds what was asked, never what answered.

    ``functools.lru_cache`` counts entries, and keeps alive whatever is among the arguments.
    """

    def __init__(self, most: int) -> None:
        self.most, self.held = most, 0
        self._answers: OrderedDict[Hashable, tuple[Any, int]] = OrderedDict()
        self._lock = threading.Lock()

    def of(self, key: Hashable, make: Callable[[], Any], size: Callable[[Any], int]) -> Any:
        """The kept answer, or a new one, of so many bytes. Two who ask at once may both make it."""
        with self._lock:
            if key in self._answers:
                self._answers.move_to_end(key)
                return self._answers[key][0]
        answer = make()
        with self._lock:
            if key not in self._answers:
                self._answers[key] = answer, size(answer)
                self.held += self._answers[key][1]
            while self.held > self.most and len(self._answers) > 1:
                self.held -= self._answers.popitem(last=False)[1][1]
        return answer

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._answers.clear()
            self.held = 0
