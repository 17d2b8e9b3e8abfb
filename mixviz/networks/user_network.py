"""Read networks from a card and safetensors. No code of theirs is run, and each step is checked before the next.

The page's uploads, ``cam``, ``survey``, ``evaluate`` and the zoo all read networks here.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file
from torch import nn

from mixviz.cam import grad_cam
from mixviz.networks import architectures, card_checks, differences, model_card
from mixviz.networks.model_card import ModelCard, NetworkSpec
from mixviz.render import fonts

MB = 2**20
LARGEST = 200 * MB  # bytes of a visitor's weights
FLOATS, INTEGERS = ("F16", "BF16", "F32", "F64"), ("I64", "I32", "U8", "BOOL")
CARD, WEIGHTS = model_card.FILE, "weights.safetensors"
BESIDE = ("last.safetensors", "best.safetensors", "checkpoint.safetensors", "embedding.safetensors")
PLAIN = "Other formats may run programs and are not opened: write yours with safetensors.torch.save_file."


class Own(NamedTuple):
    """A network read from files.

    Attributes:
        name: for files.
        card: a run's whole card; of another network title, network and classes alone.
        network: in evaluation mode and float32, on the CPU.
        sha256: of the weights' file.
        weights: which weights of a run, e.g. ``last epoch``; else the name of the file.
    """

    name: str
    card: ModelCard
    network: nn.Module
    sha256: str
    weights: str


def read(card_path: str | Path, weights_path: str | Path) -> Own:
    """Read a visitor's network from two files, within limits on size and shape.

    The head of a safetensors file lists the names and shapes of all tensors. They are compared with those of the
    network that the card describes, built without memory, before memory is taken. A pickle is never opened.

    Args:
        card_path: ``card.json`` as ``mixviz train`` writes it, or with ``network`` (name, stem, width, image_size,
            mean, std, and perhaps layer) and ``data`` (classes) alone.
        weights_path: safetensors, e.g. the run's ``last.safetensors``.

    Returns:
        :class:`Own`. Repeated class names are numbered.

    Raises:
        ValueError: what is wrong, in one line.
    """
    card, weights_path = model_card.read_file(card_path, model_card.OTHERS_SIDES), Path(weights_path)
    if card.weights.start:
        raise ValueError(
            f"The weights are differences from those of {card.weights.start}: hand in the run's last.safetensors, with "
            "the run's card."
        )
    network, sha256 = _opened(card, weights_path, LARGEST)
    _try(network, card.network)
    title = (card.strategy or fonts.clean(weights_path.stem))[: card_checks.LONGEST].strip()
    plain = re.sub(r"\W+", "_", title).strip("_")[:40]
    return Own(f"own_{plain}", card.reduced(title), network, sha256, weights_path.name)


def read_folder(folder: str | Path, weights: str = "last") -> Own:
    """Read a network from a folder on this machine, with the checks of :func:`read`.

    The folder is a run of ``mixviz train``, a network of the zoo, or any ``card.json`` with weights as safetensors.

    Args:
        folder: the weights are the file that the card names; else the run's, else ``weights.safetensors``, else the
            only other safetensors file.
        weights: ``last`` or ``best`` epoch, of a run.

    Raises:
        ValueError: what is wrong, with the folder, in one line.
    """
    folder, card = Path(folder), model_card.read(folder)
    try:
        path = _weights(folder, card, weights)
        network, sha256 = _from_differences(card, path) if card.weights.start else _opened(card, path, math.inf)
        _answers(network, card.network)
    except ValueError as error:
        raise ValueError(f"{folder}: {error}") from None
    name = folder.resolve().name
    of = card.weights.of or {"last": "last epoch", "best": "best epoch"}.get(path.stem) or path.name
    return Own(name, card if card.is_whole else card.reduced(card.strategy or name), network, sha256, of)


def verify(folder: str | Path) -> None:
    """Compare the sha256 of a folder's weights with its card's.

    Raises:
        ValueError: the card names none, or the file is missing or another one.
    """
    card = model_card.read(folder)
    try:
        if not card.weights.sha256:
            raise ValueError("The card knows no weights: put the run into the zoo with `zoo.add`.")
        _digest(card, _weights(Path(folder), card, "last"))
    except ValueError as error:
        raise ValueError(f"{folder}: {error}") from None


def check(card: ModelCard, path: str | Path) -> nn.Module:
    """Build a card's network with the weights of a file, with the checks of :func:`read_folder`.

    Raises:
        ValueError: what is wrong, in one line.
    """
    network, _ = _opened(card, Path(path), math.inf)
    _answers(network, card.network)
    return network


def _weights(folder: Path, card: ModelCard, wanted: str) -> Path:
    if card.weights.file:
        return folder / card.weights.file
    candidates = [folder / name for name in (f"{wanted}.safetensors", WEIGHTS) if (folder / name).is_file()]
    candidates = candidates[:1] or [path for path in sorted(folder.glob("*.safetensors")) if path.name not in BESIDE]
    if len(candidates) == 1:
        return candidates[0]
    if candidates:
        names = ", ".join(path.name for path in candidates)
        raise ValueError(f"There are several files of weights ({names}): name one in the card, as weights.file.")
    raise ValueError(
        f"The weights are missing: there is no {wanted}.safetensors, which `mixviz train` writes in the end, and no "
        f"{WEIGHTS}. {PLAIN}"
    )


def _opened(card: ModelCard, path: Path, largest: float) -> tuple[nn.Module, str]:
    """Build a card's network with the weights of a file; return it with the file's sha256."""
    shapes = _shapes(path, largest)
    sha256 = _digest(card, path)
    network = _checked(card, shapes)
    return _with(network, load_file(path)), sha256


def _checked(card: ModelCard, shapes: Mapping[str, tuple[tuple[int, ...], str]]) -> nn.Module:
    """Build a card's network without weights, after comparing the shapes of its tensors with those of a file."""
    spec, count = card.network, len(card.data.classes)
    with torch.device("meta"):
        bare = _built(spec, count)
    _compare(bare.state_dict(), shapes, count)
    return _built(spec, count) if _hides_tensors(bare) else bare


def start_of(home: Path, name: str) -> Path:
    """Return the folder of a network whose weights others are differences from: beside theirs, or one folder up."""
    return next((up / name for up in home.parents[:2] if (up / name / CARD).is_file()), home.parent / name)


def _from_differences(card: ModelCard, path: Path) -> tuple[nn.Module, str]:
    """Build a card's network from its differences and the weights that they start from."""
    home = start_of(path.parent, card.weights.start)
    before = model_card.read(home)
    start = home / (before.weights.file or WEIGHTS)
    sha256, sha256_of_start = _digest(card, path), _digest(before, start)
    if card.pretrained is None or card.pretrained["sha256"] != sha256_of_start:
        raise ValueError(f"The weights are differences from other weights than those of {card.weights.start}.")
    tensors = differences.load(path, load_file(start))
    network = _checked(card, {name: (tuple(tensor.shape), _type(tensor)) for name, tensor in tensors.items()})
    return _with(network, tensors), sha256


def _type(tensor: torch.Tensor) -> str:
    return "F32" if tensor.is_floating_point() else "I64"


def _digest(card: ModelCard, path: Path) -> str:
    """Compute the weights' sha256 and compare it with the card's, where it has one."""
    try:
        sha256 = model_card.digest(path)
    except OSError as error:
        raise ValueError(f"The weights, {path.name}, cannot be read ({error.strerror}).") from None
    if card.weights.sha256 not in ("", sha256):
        raise ValueError(
            "The weights are not the file that the card describes: their sha256 is another. Fetch or copy them once "
            "more."
        )
    return sha256


def _shapes(path: Path, largest: float) -> dict[str, tuple[tuple[int, ...], str]]:
    """Read name -> shape and type of every tensor from the file's head."""
    try:
        if path.stat().st_size > largest:
            raise ValueError(f"The weights have more than {largest // MB} MB: store them in half precision.")
        with safe_open(path, "pt") as file:
            slices = {name: file.get_slice(name) for name in file.keys()}  # noqa: SIM118
            return {name: (tuple(part.get_shape()), part.get_dtype()) for name, part in slices.items()}
    except OSError as error:
        raise ValueError(f"The weights, {path.name}, cannot be read ({error.strerror}).") from None
    except SafetensorError:
        raise ValueError(
            f"The weights, {path.name}, are no safetensors, or damaged: were they copied whole? {PLAIN}"
        ) from None


def _built(spec: NetworkSpec, count: int) -> nn.Module:
    try:
        with torch.random.fork_rng(devices=[]):
            return architectures.build(
                spec.name, count, stem=spec.stem, width=spec.width, keep_stages=spec.keep_stages,
                head=spec.head, dimensions=spec.dimensions, whiten=spec.whiten, scores=spec.scores,
            )  # fmt: skip
    except ValueError as error:
        raise ValueError(f"The card's network cannot be built: {error}") from None
    except Exception as error:  # other people's networks fail in their own ways
        raise ValueError(f"The card's network {spec.name} cannot be built ({_first(error)}).") from None


def _compare(wanted: Mapping[str, torch.Tensor], shapes: Mapping[str, tuple[tuple[int, ...], str]], count: int) -> None:
    for name, tensor in wanted.items():
        if name not in shapes:
            raise ValueError(
                f"The weights are of another network than the card's: they lack {card_checks.shorten(name)}."
            )
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
        raise ValueError(
            f"The weights are of another network than the card's: it has no {card_checks.shorten(more[0])}."
        )


def _hides_tensors(network: nn.Module) -> bool:
    """Whether a network holds tensors outside its state dict: on the meta device they would stay without memory."""
    stored = {id(tensor) for tensor in network.state_dict(keep_vars=True).values()}
    tensors = [
        value for module in network.modules() for value in vars(module).values() if isinstance(value, torch.Tensor)
    ]
    return any(id(tensor) not in stored for tensor in [*tensors, *network.buffers()])


def _with(network: nn.Module, tensors: Mapping[str, torch.Tensor]) -> nn.Module:
    """Fill a network with checked tensors, in float32 and evaluation mode."""
    bad = next((name for name, tensor in tensors.items() if not tensor.isfinite().all()), None)
    if bad:
        raise ValueError(f"The weights' {bad} holds NaN or infinity: did the training diverge?")
    wanted = network.state_dict()
    network.load_state_dict({name: tensor.to(wanted[name].dtype) for name, tensor in tensors.items()}, assign=True)
    return network.float().eval()


def _answers(network: nn.Module, spec: NetworkSpec) -> None:
    """Run the network on one picture of the card's size."""
    side = spec.image_size
    try:
        with torch.inference_mode():
            network(torch.zeros(1, 3, side, side))
    except Exception as error:  # other people's networks fail in their own ways
        raise ValueError(f"The network takes no pictures of {side} px ({_first(error)}).") from None


def _try(network: nn.Module, spec: NetworkSpec) -> None:
    """Make one heat map, to see that the network allows it."""
    _answers(network, spec)
    side = spec.image_size
    try:
        grad_cam.explain(network, torch.zeros(1, 3, side, side), None, spec.layer or None)
    except ValueError as error:
        raise ValueError(f"No heat map can be made of the network: {error}") from None
    except Exception as error:  # as above
        raise ValueError(f"No heat map can be made of the network ({_first(error)}).") from None


def _first(error: Exception) -> str:
    return fonts.clean(f"{type(error).__name__}: {error}")[:160]
