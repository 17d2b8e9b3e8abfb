"""The zoo: networks trained with each strategy, their cards, and how they are made."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from mixviz import resources
from mixviz.data import sources
from mixviz.data.dataset import Dataset
from mixviz.networks import card_text, model_card, user_network
from mixviz.networks.files import load_tensors, save_tensors
from mixviz.networks.model_card import LogLine, ModelCard
from mixviz.networks.run import Run

WEIGHTS = user_network.WEIGHTS
EMBEDDING = "embedding.safetensors"

# What is held against what: a name, the method, its parameters.
STRATEGIES: dict[str, tuple[str, dict[str, Any]]] = {
    "baseline": ("baseline", {}),
    "mixup": ("mixup", {}),
    "cutout": ("cutout", {}),
    "cutmix": ("cutmix", {}),
    "saliencymix": ("saliencymix", {"box": "image"}),
    "saliencymix_shared": ("saliencymix", {"box": "batch"}),
    "saliencymix_plus": ("saliencymix_plus", {}),
    "randsaliencymix": ("randsaliencymix", {}),
    "cutmix_mixup": ("cutmix_mixup", {}),
    # The released code's saliency and shared box; its boxes are even, too: rounding="even".
    "saliencymix_released": (
        "saliencymix", {"box": "batch", "detector": "opencv_fine_grained:float_bytes=true,channel_order=bgr"},
    ),
    "randsaliencymix_area": ("randsaliencymix", {"label": "area"}),
    "manifold_mixup": ("manifold_mixup", {}),
    "resizemix": ("resizemix", {}),
    "smoothmix": ("smoothmix", {}),
    "hide_and_seek": ("hide_and_seek", {}),
}  # fmt: skip

# Twenty classes of Tiny-ImageNet that people recognise: what two CPU cores can train within a working day.
TWENTY = (
    "Egyptian cat", "tabby", "Persian cat", "lion", "Chihuahua", "Yorkshire terrier", "golden retriever",
    "Labrador retriever", "German shepherd", "standard poodle", "king penguin", "goose", "bison", "orangutan",
    "monarch", "bee", "school bus", "sports car", "African elephant", "lesser panda",
)  # fmt: skip
SCALES: dict[str, dict[str, Any]] = {
    "small": {
        "classes": ",".join(TWENTY), "width": 0.375, "stem": "strided", "epochs": 20, "batch_size": 64, "lr": 0.1,
        "warmup": 1.0, "mix_prob": 0.5, "precision": "bf16",
    },
    "full": {
        "width": 0.5, "stem": "small", "epochs": 100, "batch_size": 128, "lr": 0.1, "warmup": 1.0, "mix_prob": 0.5,
        "precision": "bf16",
    },
}  # fmt: skip


def run_of(strategy: str, scale: str, root: str, seed: int = 0, **changes: Any) -> Run:
    """The run that makes one network of the zoo: the same for all but the method.

    Raises:
        ValueError: an unknown strategy or scale.
    """
    if strategy not in STRATEGIES or scale not in SCALES:
        raise ValueError(
            f"Strategies are {', '.join(STRATEGIES)}; scales {', '.join(SCALES)}; got {strategy!r}, {scale!r}."
        )
    method, options = STRATEGIES[strategy]
    values = {"data": "tiny_imagenet", "network": "resnet18", **SCALES[scale], **changes}
    return Run(root=root, method=method, options=options, seed=seed, **values)


def folder() -> Path:
    """Return the folder of the networks: ``models/`` of the checkout or of the installed package."""
    return resources.models()


def names(where: str | Path | None = None) -> list[str]:
    """The networks that there are, in the order of the strategies."""
    found = [path.parent.name for path in sorted(Path(where or folder()).glob("*/card.json"))]
    order = list(STRATEGIES)
    return sorted(found, key=lambda name: (order.index(name) if name in order else len(order), name))


def card(name: str, where: str | Path | None = None) -> ModelCard:
    """A network's card.

    Raises:
        ValueError: no such network, with the ones there are.
    """
    return model_card.read(_home(name, where))


def _home(name: str, where: str | Path | None) -> Path:
    """The folder of a network that there is."""
    home = Path(where or folder())
    if not (home / name / user_network.CARD).is_file():
        raise ValueError(f"The zoo has no network {name!r}. It has: {', '.join(names(home)) or 'none'}.")
    return home / name


def history(name: str, where: str | Path | None = None) -> list[LogLine]:
    """A line per epoch of a network's training; empty where no log was kept.

    Raises:
        ValueError: the log is damaged.
    """
    path = Path(where or folder()) / name / "log.jsonl"
    try:
        return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line]
    except FileNotFoundError:
        return []
    except json.JSONDecodeError as error:
        raise ValueError(f"{path} is damaged ({error}).") from None


def verify(name: str, where: str | Path | None = None) -> None:
    """Hold the weights against the card's sha256.

    Raises:
        ValueError: no such network, or the file is missing or another one.
    """
    user_network.verify(_home(name, where))


def load(name: str, where: str | Path | None = None) -> nn.Module:
    """A network, verified, in evaluation mode and float32 on the CPU, for images normalised by its card's mean and std.

    Raises:
        ValueError: no such network, or damaged weights.
    """
    return user_network.read_folder(_home(name, where)).network


def embedding(name: str, where: str | Path | None = None) -> dict[str, Tensor]:
    """Load a network's embedding of some validation pictures, as :func:`mixviz.evaluation.runner.assess` stored it.

    Returns:
        ``embedding`` (n, D), ``pca`` and ``tsne`` (n, 2), all float32 with the precision of float16, and ``index`` and
        ``label`` (n,) int64: the place among the validation pictures of the network's classes, and the class. The
        pictures are the same ones for all networks of the same data, class after class.

    Raises:
        ValueError: no such network, or none stored, or one that is damaged or of other weights.
    """
    weights, path = card(name, where).weights, Path(where or folder()) / name / EMBEDDING
    again = f"`mixviz evaluate {path.parent} --parts embedding --root …` writes it"
    if not path.is_file():
        raise ValueError(f"{path} is missing: {again}.")
    tensors, about = load_tensors(path)
    n = len(tensors["label"]) if "label" in tensors else 0
    shapes = {key: tuple(tensor.shape) for key, tensor in tensors.items()}
    wide = shapes.get("embedding", (0,))[-1]
    expected = {"embedding": (n, wide), "pca": (n, 2), "tsne": (n, 2), "index": (n,), "label": (n,)}
    if shapes != expected or not n * wide:
        raise ValueError(f"{path} is damaged, with {shapes} in place of {expected}: {again} anew.")
    if about.get("weights") != weights.sha256:
        raise ValueError(f"{path} was made by other weights than its card describes: {again} anew.")
    return {key: tensor.float() if tensor.is_floating_point() else tensor for key, tensor in tensors.items()}


def pictures(name: str, root: str | Path, where: str | Path | None = None) -> Dataset:
    """The validation pictures whose embedding is stored, in its order, where their data set lies on this machine.

    Args:
        root: the folder that holds the data set, in its official layout.

    Raises:
        ValueError: the data set is not there, or not the one that the network was measured on.
    """
    stored, data = embedding(name, where), card(name, where).data
    found = sources.load(data.name, root, "val").of_classes(data.keys)
    if int(stored["index"].max()) >= len(found) or not found.labels[stored["index"]].equal(stored["label"]):
        raise ValueError(f"{root} holds other pictures of {data.name} than {name} was measured on.")
    return found.take(stored["index"].tolist())


def title(name: str, where: str | Path | None = None) -> str:
    """A network's strategy, for people; of one from elsewhere its title."""
    return card(name, where).strategy or name


def strategies() -> dict[str, str]:
    """Return the strategies of the zoo, for people, by the names of the networks."""
    return {name: model_card.strategy(method, options) for name, (method, options) in STRATEGIES.items()}


def add(run: str | Path, name: str, where: str | Path | None = None) -> Path:
    """Put a finished run's last weights into the zoo, in half precision, with its card and log.

    Returns:
        The network's folder. Its metrics are still to be measured, on the very weights that are stored; what was
        measured on the same weights stays, the embedding included.

    Raises:
        ValueError: the run has not ended.
    """
    card, source = model_card.read(run), Path(run)
    if card.result is None or not (source / "last.safetensors").is_file():
        raise ValueError(f"The run in {run} has not ended: go on with `mixviz train … --resume`.")
    home = Path(where or folder()) / name
    home.mkdir(parents=True, exist_ok=True)
    tensors, _ = load_tensors(source / "last.safetensors")
    halved = {key: t.half() if t.is_floating_point() else t for key, t in tensors.items()}
    save_tensors(home / WEIGHTS, halved)
    shutil.copyfile(source / "log.jsonl", home / "log.jsonl")
    stored = {"file": WEIGHTS, "dtype": "float16", "sha256": model_card.digest(home / WEIGHTS), "of": "last epoch"}
    before = model_card.read(home) if (home / model_card.FILE).is_file() else None
    metrics = before.metrics if before is not None and before.weights.sha256 == stored["sha256"] else None
    if metrics is None:
        (home / EMBEDDING).unlink(missing_ok=True)
    card_text.write(home, card.changed(weights=stored, metrics=metrics))
    return home
