"""Budgets of a search: minutes, hours or a number of trials."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

FEWEST = 4  # trials of a search, with that of no policy at all
UNITS = {"s": 1, "m": 60, "min": 60, "h": 3600}


class TooShort(ValueError):
    """A time that does not reach for a search; ``minutes`` would."""

    def __init__(self, message: str, minutes: int) -> None:
        super().__init__(message)
        self.minutes = minutes

    def __reduce__(self) -> tuple[type[TooShort], tuple[str, int]]:
        """Come back from another process as it was."""
        return type(self), (str(self), self.minutes)


@dataclass(frozen=True)
class Budget:
    """What a search may take: time of all its processes together, or trainings; one of them is None."""

    seconds: float | None = None
    trials: int | None = None

    @classmethod
    def parse(cls, text: str) -> Budget:
        """Read ``30m``, ``2h``, ``90s`` or ``40 trials``.

        Raises:
            ValueError: none of these, or fewer than :data:`FEWEST` trials.
        """
        match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*(s|min|m|h|trials?)\s*", text)
        if not match or (match[2].startswith("t") and "." in match[1]):
            raise ValueError(f"--budget is a time or a number of trials: 30m, 2h or '40 trials'; got {text!r}.")
        if not match[2].startswith("t"):
            return cls(seconds=float(match[1]) * UNITS[match[2]])
        if int(match[1]) < FEWEST:
            raise ValueError(f"--budget {text}: a search has {FEWEST} trials or more, one of them of no policy at all.")
        return cls(trials=int(match[1]))

    def check(self, trial: float, fewest: int = FEWEST) -> None:
        """Raise for a time in which too few trials fit.

        Args:
            trial: seconds of a trial.
            fewest: trials that are needed.

        Raises:
            TooShort: fewer than ``fewest`` trials fit; says what would.
        """
        if self.seconds is None or fewest * trial <= self.seconds * 1.05:  # a measurement is not exact
            return
        minutes = math.ceil(fewest * trial / 60)
        raise TooShort(
            f"--budget {spoken(self.seconds)} is too short: a trial takes {spoken(trial)}, so that "
            f"{int(self.seconds / trial)} would fit; the search needs {fewest}. Give --budget {minutes}m or more, or "
            "make trials shorter: --epochs, --limit, --image-size.",
            minutes,
        )


def spoken(seconds: float) -> str:
    """Say a time in seconds, minutes or hours."""
    if seconds < 90:
        return f"{seconds:.3g} s" if seconds < 10 else f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
