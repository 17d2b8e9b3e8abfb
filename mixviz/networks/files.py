"""Write files atomically, and tensors with plain values as one safetensors file."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor


def write(path: Path, content: bytes) -> None:
    """Replace a file atomically: write beside it, sync, rename.

    Raises:
        OSError: it could not be written, e.g. because the disk is full; the old file is untouched.
    """
    beside = path.with_name(path.name + ".part")
    try:
        with open(beside, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(beside, path)
    except OSError as error:
        beside.unlink(missing_ok=True)
        raise OSError(
            f"{path} could not be written ({error.strerror}); what was there before is untouched. "
            "Mend that (is the disk full?), then go on where it stood."
        ) from error
    if hasattr(os, "O_DIRECTORY"):  # the new name must reach the disk, too
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def save_tensors(path: Path, tensors: dict[str, Tensor], values: dict[str, Any] | None = None, **about: str) -> None:
    """Save tensors by name, and JSON values, in one file.

    Args:
        about: further entries of the file's metadata, e.g. ``license`` and ``source``.
    """
    plain = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()}
    write(path, save(plain, {**about, "mixviz": json.dumps(values or {})}))


def halved(tensor: Tensor) -> Tensor:
    """Return a tensor in float16; one of whole numbers as it is."""
    return tensor.half() if tensor.is_floating_point() else tensor


def load_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Load a file of :func:`save_tensors`.

    Raises:
        ValueError: the file is damaged, or no such file.
    """
    try:
        with safe_open(path, "pt") as file:
            return {name: file.get_tensor(name) for name in file.keys()}, json.loads((file.metadata() or {})["mixviz"])  # noqa: SIM118
    except (SafetensorError, KeyError, json.JSONDecodeError) as error:
        raise ValueError(f"{path} is no checkpoint of MixViz, or damaged ({error}).") from None
