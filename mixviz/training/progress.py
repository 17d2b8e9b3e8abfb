"""Progress of a training: its position, a bar, TensorBoard's curves."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mixviz.networks.run import Run


@dataclass
class Progress:
    """Position of a training: the next step to take, the sums of the epoch so far, the log of earlier epochs."""

    epoch: int = 0
    step: int = 0
    seconds: float = 0.0
    history: list[dict[str, Any]] = field(default_factory=list)
    sums: list[float] = field(default_factory=lambda: [0.0, 0.0, 0.0])


def tensorboard(out: Path, epochs: int) -> Any:
    """A writer of TensorBoard's, where that is installed."""
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        return None
    return SummaryWriter(str(out / "tensorboard"), purge_step=epochs + 1)


def progress_bar(shown: bool, epoch: int, run: Run, steps: int, first: int) -> Any:
    """A bar for the steps of an epoch; silent where it is not shown."""
    from tqdm import tqdm

    text = f"epoch {epoch + 1}/{run.epochs}"
    return tqdm(total=steps, initial=first, desc=text, unit="step", disable=None if shown else True, leave=False)


def rate(bar: Any, images: int) -> str:
    """Images a second by the bar\'s own average; nothing before it has one."""
    rate = bar.format_dict["rate"]
    return f"{rate * images:.0f} images/s" if rate else ""
