"""Progress of a training: its position, a progress bar, and TensorBoard."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from mixviz.networks.model_card import LogLine
from mixviz.networks.run import Run

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter
    from tqdm import tqdm


@dataclass
class Progress:
    """Position of a training: the next step, the sums of the epoch so far, and the log of earlier epochs.

    ``sums`` are those of :meth:`mixviz.training.trainer.Training.step`.
    """

    epoch: int = 0
    step: int = 0
    seconds: float = 0.0
    history: list[LogLine] = field(default_factory=list)
    sums: list[float] = field(default_factory=lambda: [0.0, 0.0, 0.0])


def tensorboard(out: Path, epochs: int) -> SummaryWriter | None:
    """Open a TensorBoard writer; None if TensorBoard is not installed."""
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        return None
    return SummaryWriter(str(out / "tensorboard"), purge_step=epochs + 1)


def progress_bar(shown: bool, epoch: int, run: Run, steps: int, first: int) -> tqdm:
    """Open a progress bar for the steps of an epoch; a hidden one if not ``shown``."""
    from tqdm import tqdm

    text = f"epoch {epoch + 1}/{run.epochs}"
    return tqdm(total=steps, initial=first, desc=text, unit="step", disable=None if shown else True, leave=False)


def rate(bar: tqdm, step_images: int) -> str:
    """Images per second by the bar's own average; empty before it has one."""
    steps = bar.format_dict["rate"]
    return f"{steps * step_images:.0f} images/s" if steps else ""
