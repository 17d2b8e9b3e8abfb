"""A network that somebody hands in as two files: nothing of them is run, and nothing is built before it is known."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch
from safetensors import SafetensorError, safe_open
from torch import nn

from mixviz import cam, lettering
from mixviz.networks import architectures, cards, own_card

MB = 2**20
LARGEST = 200 * MB  # bytes
FLOATS, INTEGERS = ("F16", "BF16", "F32", "F64"), ("I64", "I32", "U8", "BOOL")


class Own(NamedTuple):
    """``name`` for files, the ``card`` with what was checked of it and no more, and the ``network``."""

    name: str
    card: dict[str, Any]
    network: nn.Module


def read(card_path: str | Path, weights_path: str | Path) -> Own:
    """A network of somebody's own, checked at every step before the next.

    The weights are safetensors, whose head tells the names and shapes of all tensors: they are held against those of
    the network that the card describes, built without memory, before it is built at all. A pickle is never opened.

    Args:
        card_path: ``card.json`` as ``mixviz train`` writes it, or with ``network`` (name, stem, width, image_size,
            mean, std, and perhaps layer) and ``data`` (classes) alone.
        weights_path: safetensors, e.g. the run's ``last.safetensors``.

    Returns:
        :class:`Own`; the network in evaluation mode and float32. Classes of one name are numbered.

    Raises:
        ValueError: what is wrong, in one line.
    """
    about, weights_path = own_card.read(card_path), Path(weights_path)
    spec, count = about.network, len(about.classes)
    shapes = _shapes(weights_path)
    with torch.device("meta"):
        _compare(_built(spec, count).state_dict(), shapes, count)
    if about.sha256 not in (None, cards.digest(weights_path)):
        raise ValueError("The weights are not the file that the card describes: its sha256 is another.")
    network = _filled(_built(spec, count), weights_path)
    _try(network, spec)
    title = about.title or lettering.clean(weights_path.stem)[: own_card.LONGEST]
    plain = re.sub(r"\W+", "_", title).strip("_")[:40]
    return Own(f"own_{plain}", {"title": title, "network": spec, "data": {"classes": about.classes}}, network)


def _shapes(path: Path) -> dict[str, tuple[tuple[int, ...], str]]:
    """Name -> shape and type of every tensor, from the file's head."""
    try:
        if path.stat().st_size > LARGEST:
            raise ValueError(f"The weights have more than {LARGEST // MB} MB: store them in half precision.")
        with safe_open(path, "pt") as file:
            slices = {name: file.get_slice(name) for name in file.keys()}  # noqa: SIM118
            return {name: (tuple(part.get_shape()), part.get_dtype()) for name, part in slices.items()}
    except OSError as error:
        raise ValueError(f"The weights cannot be read ({error.strerror}).") from None
    except SafetensorError:
        raise ValueError(
            "The weights are no safetensors, or damaged. Other formats may run programs and are not opened: write "
            "yours with safetensors.torch.save_file."
        ) from None


def _built(spec: Mapping[str, Any], count: int) -> nn.Module:
    try:
        with torch.random.fork_rng(devices=[]):
            return architectures.build(spec["name"], count, stem=spec["stem"], width=spec["width"])
    except ValueError as error:
        raise ValueError(f"The card's network cannot be built: {error}") from None
    except Exception as error:  # other people's networks fail in their own ways
        raise ValueError(f"The card's network {spec['name']} cannot be built ({_first(error)}).") from None


def _compare(wanted: Mapping[str, torch.Tensor], shapes: Mapping[str, tuple[tuple[int, ...], str]], count: int) -> None:
    for name, tensor in wanted.items():
        if name not in shapes:
            raise ValueError(f"The weights are of another network than the card's: they lack {own_card.told(name)}.")
        if shapes[name][1] not in (FLOATS if tensor.is_floating_point() else INTEGERS):
            raise ValueError(
                f"The weights' {name} is of a type that is not taken, {shapes[name][1]}: store F16 or F32."
            )
    other = {name: shapes[name][0] for name in wanted if shapes[name][0] != tuple(wanted[name].shape)}
    if other:
        name, shape = next(iter(other.items()))
        if all(wanted[key].shape[:1] == (count,) and other[key][1:] == wanted[key].shape[1:] for key in other):
            raise ValueError(f"The card names {count} classes, and the head ({name}) of the weights has {shape[0]}.")
        both = f"{name} is {shape} in the weights and {tuple(wanted[name].shape)} by the card"
        raise ValueError(f"The weights are of another network than the card's: {both}.")
    if more := sorted(set(shapes) - set(wanted)):
        raise ValueError(f"The weights are of another network than the card's: it has no {own_card.told(more[0])}.")


def _filled(network: nn.Module, path: Path) -> nn.Module:
    with safe_open(path, "pt") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    bad = next((name for name, tensor in tensors.items() if not tensor.isfinite().all()), None)
    if bad:
        raise ValueError(f"The weights' {bad} holds NaN or infinity: did the training diverge?")
    network.load_state_dict(tensors)
    return network.float().eval()


def _try(network: nn.Module, spec: Mapping[str, Any]) -> None:
    """One picture, to see that it takes the side and has maps to show."""
    side = spec["image_size"]
    try:
        cam.explain(network, torch.zeros(1, 3, side, side), None, spec.get("layer"))
    except ValueError as error:
        raise ValueError(f"No heat map can be made of the network: {error}") from None
    except Exception as error:  # as above
        raise ValueError(f"The network takes no pictures of {side} px ({_first(error)}).") from None


def _first(error: Exception) -> str:
    return lettering.clean(f"{type(error).__name__}: {error}")[:160]
