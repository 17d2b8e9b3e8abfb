"""Convert a network's file that the user downloaded, also a pickle, into safetensors with a card."""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from mixviz import resources
from mixviz.core.inference import NormalizedModel
from mixviz.core.registry import lookup
from mixviz.data import pictures
from mixviz.methods import METHODS
from mixviz.networks import architectures, card_text, model_card, user_network, zoo
from mixviz.networks.files import halved, save_tensors
from mixviz.networks.model_card import ModelCard

HOLDERS = ("state_dict", "model_state_dict", "model", "network", "net")  # entries of checkpoints that hold the weights
WRAPPERS = ("module.", "_orig_mod.", "model.", "network.", "net.")  # prefixes of names, of DataParallel and others
PHOTOGRAPH = "lion.jpg"
UNCOUNTED = "num_batches_tracked"  # files from before torch 0.4.1 lack these counts, which change no answer


@dataclass(frozen=True)
class Converted:
    """A converted network: its ``folder``, its ``card``, and its most probable classes (name, probability) of the
    bundled photograph of a lion."""

    folder: Path
    card: ModelCard
    said: list[tuple[str, float]]


def convert(
    path: str | Path, *, architecture: str, strategy: str, name: str = "", title: str = "",
    classes: Sequence[str] = (), image_size: int = 224, crop: float = 0.875, interpolation: str = "bilinear",
    mean: Sequence[float] = (0.485, 0.456, 0.406), std: Sequence[float] = (0.229, 0.224, 0.225),
    stem: str = "standard", width: float = 1.0, loss: str = "", license: str = "", source: str = "",
) -> Converted:  # fmt: skip
    """Convert a file of weights into a network among the downloads, known by name from then on.

    Args:
        path: ``.pth``, ``.pth.tar`` or ``.pt``, read by ``torch.load(weights_only=True)``, which runs no program; or
            safetensors.
        architecture: timm's name.
        strategy: the method of the catalogue that it was trained with.
        name: of its folder in :func:`mixviz.resources.networks`; empty: architecture and strategy.
        title: for people; empty: the strategy's and the architecture's.
        classes: names, in the order of the outputs; empty: ImageNet's, for a network of 1,000 outputs.
        image_size, crop, interpolation, mean, std, loss: as in :class:`mixviz.networks.model_card.NetworkSpec`.
        stem, width: as in :func:`mixviz.networks.architectures.build`.
        license, source: of the weights, for the card.

    Raises:
        ValueError: a file that cannot be read, or is of another network; a name that is taken; says what to do.
    """
    path, method = Path(path).expanduser(), lookup(METHODS, strategy)
    name = name or f"{architecture}_{strategy}"
    if not re.fullmatch(r"\w[\w.-]{0,79}", name):
        raise ValueError(f"--name {name!r}: take letters, digits, dots and dashes, at most 80.")
    home = resources.networks() / name
    if zoo.located(name) or home.exists():
        raise ValueError(f"There is a network {name!r} already: choose another --name, or remove {home}.")
    bare = _bare(architecture, stem, width)
    tensors = named(_opened(path), _head(bare))
    count = len(tensors[f"{_head(bare)}.weight"]) if f"{_head(bare)}.weight" in tensors else 0
    for key in bare.state_dict():
        if key.endswith(UNCOUNTED):
            tensors.setdefault(key, torch.tensor(0))
    values = {
        "title": title or f"{method.card.title} ({architecture})",
        "method": strategy,
        "parameters": {},
        "citation": method.card.citation,
        "data": {"classes": list(classes) or _classes(count)},
        "network": {
            "name": architecture, "stem": stem, "width": width, "image_size": image_size, "crop": crop,
            "interpolation": interpolation, "mean": list(mean), "std": list(std), "loss": loss,
        },
        "weights": {"file": user_network.WEIGHTS, "license": license, "source": source or path.name},
    }  # fmt: skip
    ModelCard.from_json(values)  # before anything is written
    part = home.with_name(f"{name}.part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    try:
        save_tensors(part / user_network.WEIGHTS, {key: _smaller(tensor) for key, tensor in tensors.items()})
        values["weights"]["sha256"] = model_card.digest(part / user_network.WEIGHTS)
        card = ModelCard.from_json(values)
        network = user_network.check(card, part / user_network.WEIGHTS)
        said = answers(network, card)
        card_text.write(part, card)
        part.rename(home)
    except ValueError as error:
        raise ValueError(f"{path.name} cannot be converted. {error}") from None
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return Converted(home, card, said)


def named(tensors: Mapping[str, Tensor], head: str) -> dict[str, Tensor]:
    """Rename a file's tensors as timm names them: without prefixes of wrappers, and with one ``head``.

    OpenMixup's files hold ``backbone.…`` and ``head.fc.…``.
    """
    names = {key: key for key in tensors}
    while prefix := next((p for p in WRAPPERS if names and all(key.startswith(p) for key in names.values())), ""):
        names = {key: value.removeprefix(prefix) for key, value in names.items()}
    if any(value.startswith("backbone.") for value in names.values()):
        names = {key: _of_backbone(value, head) for key, value in names.items()}
    return {value: tensors[key] for key, value in names.items()}


def answers(network: nn.Module, card: ModelCard, most: int = 3) -> list[tuple[str, float]]:
    """Return a network's most probable classes of the bundled photograph of a lion.

    Raises:
        ValueError: its answers are no finite numbers, one per class.
    """
    view = pictures.load_view(pictures.photograph_path(PHOTOGRAPH), card.network.view)
    images = torch.from_numpy(np.ascontiguousarray(view.transpose(2, 0, 1)))[None]
    with torch.inference_mode():
        logits = NormalizedModel(network, card.network.mean, card.network.std)(images)[0]
    if logits.shape != (len(card.data.classes),) or not logits.isfinite().all():
        raise ValueError("The network's answers for a photograph are not one finite number per class.")
    top = logits.softmax(0).topk(min(most, len(logits)))
    return [(card.data.classes[i], p) for p, i in zip(top.values.tolist(), top.indices.tolist(), strict=True)]


def _opened(path: Path) -> dict[str, Tensor]:
    """Read the tensors of a file, by their names in it."""
    if not path.is_file():
        raise ValueError(f"There is no file {str(path)!r}.")
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        values = torch.load(path, map_location="cpu", weights_only=True)
    except SafetensorError as error:
        raise ValueError(f"{path.name} is no safetensors, or damaged ({error}).") from None
    except Exception as error:  # other people's files fail in their own ways
        first = next(iter(str(error).splitlines()), "")
        raise ValueError(
            f"{path.name} cannot be read as weights alone ({type(error).__name__}: {first[:160]}). Was it downloaded "
            "whole? A file that holds other Python objects may run programs: it is not opened here. Save its "
            "state_dict where you trust it."
        ) from None
    for _ in range(3):  # a checkpoint, its model, and perhaps that one's weights
        holder = next((key for key in HOLDERS if isinstance(values, dict) and isinstance(values.get(key), dict)), None)
        values = values[holder] if holder else values
    tensors = {key: value for key, value in values.items() if isinstance(value, Tensor)} if _is_named(values) else {}
    if not tensors:
        raise ValueError(
            f"{path.name} holds no tensors by name, neither on top nor in {', '.join(HOLDERS)}: is it a state_dict?"
        )
    return tensors


def _is_named(values: Any) -> bool:
    return isinstance(values, dict) and all(isinstance(key, str) for key in values)


def _of_backbone(name: str, head: str) -> str:
    """Rename a tensor of a network that is split into ``backbone`` and ``head``."""
    for before, after in (("backbone.", ""), ("head.fc.", f"{head}.")):
        if name.startswith(before):
            return after + name.removeprefix(before)
    return name


def _bare(architecture: str, stem: str, width: float) -> nn.Module:
    with torch.device("meta"):
        return architectures.build(architecture, 2, stem=stem, width=width)


def _head(network: nn.Module) -> str:
    """Return the name of the classifier, of which most networks of timm have one."""
    name = getattr(network, "pretrained_cfg")["classifier"]  # noqa: B009  timm sets it
    if not isinstance(name, str):
        raise ValueError(f"A network with the heads {name} cannot be converted: it needs a single classifier.")
    return name


def _classes(count: int) -> list[str]:
    names = list(zoo.card(zoo.REFERENCE).data.classes)
    if count in (0, len(names)):  # without a head, the check of the names says what is missing
        return names
    raise ValueError(f"The network has {count} outputs: name its classes (--classes), a file with one in each line.")


def _smaller(tensor: Tensor) -> Tensor:
    """Return a tensor in float16, unless a number is too large for that."""
    small = halved(tensor)
    return small if small.isfinite().all() or not tensor.isfinite().all() else tensor.float()
