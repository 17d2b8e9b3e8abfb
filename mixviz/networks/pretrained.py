"""Start a training from the weights of a safetensors file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from mixviz.networks import model_card
from mixviz.networks.model_card import Pretrained


def load(network: nn.Module, name: str, path: str | Path) -> Pretrained:
    """Load weights into a network of timm. A head of another width keeps its fresh weights.

    Args:
        network: changed in place.
        name: of the network, for messages.
        path: safetensors with timm's names, e.g. the hub's ``model.safetensors``, or the ``last.safetensors`` of a run.
            A pickle is never opened.

    Returns:
        The file's name and sha256, and ``license`` and ``source`` from its metadata, empty where it has none.

    Raises:
        ValueError: no such file, one that is no safetensors, or the weights of another network.
    """
    path = Path(path).expanduser()
    if not path.is_file():
        raise ValueError(f"--pretrained {path}: there is no such file. Give timm's weights as one safetensors file.")
    try:
        with safe_open(path, "pt") as file:
            given = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
            about = file.metadata() or {}
    except SafetensorError as error:
        raise ValueError(
            f"--pretrained {path} is no safetensors file, or damaged ({error}). Pickled weights (.pth, .pt, .bin) may "
            "run programs when they are opened and are refused: convert them where you trust them, with "
            "torch.load(..., weights_only=True) and safetensors.torch.save_file."
        ) from None
    gone = tuple(f"{key}." for key, module in network.named_modules() if isinstance(module, nn.Identity))
    given = {key: tensor for key, tensor in given.items() if not key.startswith(gone)}  # of stages that were left out
    wanted, heads = network.state_dict(), ("global_pool.", *_heads(network))
    head = {key for key in {**wanted, **given} if key.startswith(heads)}
    if any(key not in given or key not in wanted or given[key].shape != wanted[key].shape for key in head):
        given = {key: tensor for key, tensor in given.items() if key not in head}
        given |= {key: tensor for key, tensor in wanted.items() if key in head}
    if problem := _problem(given, wanted):
        raise ValueError(
            f"--pretrained {path} does not fit --network {name}: {problem}. Give the --network, --stem and --width "
            "that the file was trained with."
        )
    network.load_state_dict(given)
    return {
        "file": path.name,
        "sha256": model_card.digest(path),
        "license": about.get("license", ""),
        "source": about.get("source", ""),
    }


def _heads(network: nn.Module) -> tuple[str, ...]:
    """Prefixes of the classifier's tensors; timm names one, two, or none."""
    names = getattr(network, "pretrained_cfg")["classifier"] or ()  # noqa: B009  timm sets it
    return tuple(f"{name}." for name in ([names] if isinstance(names, str) else names))


def _problem(given: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> str:
    """Describe the difference between a file's tensors and the network's; empty where they fit."""
    # Files from before torch 0.4.1 do not count batches, and nothing that is trained here depends on the count.
    missing = [key for key in wanted if key not in given and not key.endswith("num_batches_tracked")]
    if missing:
        return f"it lacks {len(missing)} of the network's {len(wanted)} tensors, {missing[0]} among them"
    if more := [key for key in given if key not in wanted]:
        return f"it holds {len(more)} tensors that the network has not, {more[0]} among them"
    for key, tensor in given.items():
        if tensor.shape != wanted[key].shape:
            return f"its {key} is {tuple(tensor.shape)}, the network's {tuple(wanted[key].shape)}"
        if tensor.is_floating_point() != wanted[key].is_floating_point():
            return f"its {key} holds {tensor.dtype}, the network's {wanted[key].dtype}"
        if not tensor.isfinite().all():
            return f"its {key} holds NaN or infinity"
    return ""
