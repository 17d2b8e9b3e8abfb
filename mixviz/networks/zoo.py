"""The zoo: networks trained with each strategy, their cards, and how they are made."""

from __future__ import annotations

import dataclasses
import json
import re
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from safetensors.torch import load_file
from torch import Tensor, nn

from mixviz import resources
from mixviz.core.inference import NormalizedModel, ResizedModel
from mixviz.data import sources
from mixviz.data.dataset import Dataset
from mixviz.networks import card_text, differences, model_card, user_network
from mixviz.networks.files import halved, load_tensors, save_tensors
from mixviz.networks.model_card import LogLine, ModelCard
from mixviz.networks.run import Run

WEIGHTS = user_network.WEIGHTS
EMBEDDING = "embedding.safetensors"

# The strategies that are compared: name -> (method, its parameters).
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
    # The released code's saliency and shared box, but not its rounding (rounding="even").
    "saliencymix_released": (
        "saliencymix", {"box": "batch", "detector": "opencv_fine_grained:float_bytes=true,channel_order=bgr"},
    ),
    "randsaliencymix_area": ("randsaliencymix", {"label": "area"}),
    "manifold_mixup": ("manifold_mixup", {}),
    "resizemix": ("resizemix", {}),
    "smoothmix": ("smoothmix", {}),
    "puzzlemix": ("puzzlemix", {}),
    "hide_and_seek": ("hide_and_seek", {}),
}  # fmt: skip
RETRIEVAL = "retrieval"  # the folder of networks that were trained for retrieval
REFERENCE = "efficientnet_lite0"  # ImageNet's 1,000 classes, and the start of the fine-tuned networks
FOLDS = 5  # seed s of the pets is measured on part s + 1 of 5, so that five seeds are measured on every picture

# Twenty recognisable classes of Tiny-ImageNet: two CPU cores train all strategies on them within a working day.
TWENTY = (
    "Egyptian cat", "tabby", "Persian cat", "lion", "Chihuahua", "Yorkshire terrier", "golden retriever",
    "Labrador retriever", "German shepherd", "standard poodle", "king penguin", "goose", "bison", "orangutan",
    "monarch", "bee", "school bus", "sports car", "African elephant", "lesser panda",
)  # fmt: skip
SCALES: dict[str, dict[str, Any]] = {
    "pets": {
        "data": "oxford_pet", "network": "tf_efficientnet_lite0", "freeze": 6, "image_size": 192, "test_size": 224,
        "augment": "crop", "epochs": 7, "batch_size": 32, "lr": 0.01, "mix_prob": 0.5, "class_weights": "balanced",
    },
    "tiny": {
        "network": "tf_efficientnet_lite0", "freeze": 4, "image_size": 112, "test_size": 160, "augment": "crop",
        "limit": 120, "epochs": 2, "batch_size": 64, "lr": 0.02, "mix_prob": 0.5,
    },
    "imagenette": {
        "data": "imagenette", "width": 0.5, "stem": "strided", "image_size": 96, "test_size": 128, "epochs": 80,
        "batch_size": 64, "lr": 0.1, "warmup": 2.0, "mix_prob": 0.5, "precision": "bf16", "augment": "crop",
    },
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
    """Return the run that trains a network of the zoo. Runs of one scale differ in the method alone.

    Raises:
        ValueError: an unknown strategy or scale.
    """
    if strategy not in STRATEGIES or scale not in SCALES:
        raise ValueError(
            f"Strategies are {', '.join(STRATEGIES)}; scales {', '.join(SCALES)}; got {strategy!r}, {scale!r}."
        )
    method, options = STRATEGIES[strategy]
    values = {"data": "tiny_imagenet", "network": "resnet18", **SCALES[scale], **changes}
    if values.get("freeze"):
        values.setdefault("pretrained", str(folder() / REFERENCE / WEIGHTS))
    if scale == "pets":
        values.setdefault("holdout", f"{seed % FOLDS + 1}/{FOLDS}")
    return Run(root=root, method=method, options=options, seed=seed, **values)


def folder() -> Path:
    """Return the folder of the networks: ``models/`` of the checkout or of the installed package."""
    return resources.models()


def names(where: str | Path | None = None) -> list[str]:
    """List all networks, in the order of scales and strategies, then the others: see also :func:`trained`."""
    folders = [path.parent.name for path in sorted(Path(where or folder()).glob("*/card.json"))]
    order = [name_of(strategy, scale) for scale in SCALES for strategy in STRATEGIES]
    return sorted(folders, key=lambda name: (order.index(name) if name in order else len(order), name))


def trained(where: str | Path | None = None) -> list[str]:
    """List the networks that ``mixviz train`` made, which are compared; not those from elsewhere."""
    return [name for name in names(where) if card(name, where).is_whole]


def for_retrieval() -> list[str]:
    """List the networks that were trained for retrieval, in ``models/retrieval``. They are no part of :func:`names`:
    some have no class scores."""
    return names(folder() / RETRIEVAL)


def fetched() -> list[str]:
    """List the networks that were downloaded or converted (:mod:`mixviz.networks.gallery`)."""
    return sorted(path.parent.name for path in resources.networks().glob(f"*/{user_network.CARD}"))


def located(name: str, where: str | Path | None = None) -> Path | None:
    """Return a network's folder: in ``where``; without it in ``models/``, in ``models/retrieval/``, else among the
    downloads; None: nowhere."""
    homes = [Path(where)] if where else [folder(), folder() / RETRIEVAL, resources.networks()]
    plain = re.fullmatch(r"\w[\w.-]*", name)
    return next((home / name for home in homes if plain and (home / name / user_network.CARD).is_file()), None)


def shared_stages(card: ModelCard, name: str) -> int:
    """Return how many first stages a network shares with others: those that were kept frozen, or whose weights the
    fine-tuned networks start from."""
    return SCALES["pets"]["freeze"] if name == REFERENCE else int((card.run or {}).get("freeze", 0))


def name_of(strategy: str, scale: str) -> str:
    """Return the name of a network of the zoo: the strategy's, with the scale before it for all but the first scale."""
    return strategy if scale == next(iter(SCALES)) else f"{scale}_{strategy}"


def card(name: str, where: str | Path | None = None) -> ModelCard:
    """Read a network's card.

    Raises:
        ValueError: no such network, with the ones there are.
    """
    return model_card.read(_home(name, where))


def _home(name: str, where: str | Path | None) -> Path:
    """Return the folder of an existing network."""
    home = located(name, where)
    if home is None:
        there = [*names(where), *([] if where else [*for_retrieval(), *fetched()])]
        raise ValueError(f"The zoo has no network {name!r}. It has: {', '.join(there) or 'none'}.")
    return home


def history(name: str, where: str | Path | None = None) -> list[LogLine]:
    """Read the log of a network's training, one line per epoch; empty where none was kept.

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
    """Compare the weights' sha256 with the card's.

    Raises:
        ValueError: no such network, or the file is missing or another one.
    """
    user_network.verify(_home(name, where))


def load(name: str, where: str | Path | None = None) -> nn.Module:
    """Load a network in evaluation mode and float32 on the CPU, verified against its card.

    It takes images normalised by the card's mean and std.

    Raises:
        ValueError: no such network, or damaged weights.
    """
    return user_network.read_folder(_home(name, where)).network


def reference() -> nn.Module:
    """Load the :data:`REFERENCE` for images of any size that are float in [0, 1], for detectors that need a network.

    It sees the whole picture, not only its centre, so that a saliency map covers the borders too.

    Raises:
        ValueError: the zoo has no reference, or its weights are damaged.
    """
    about = card(REFERENCE).network
    return ResizedModel(NormalizedModel(load(REFERENCE), about.mean, about.std), about.image_size)


def embedding(name: str, where: str | Path | None = None) -> dict[str, Tensor]:
    """Load a network's embedding of some validation pictures, as stored by :func:`mixviz.evaluation.runner.assess`.

    Returns:
        ``embedding`` (n, D), ``pca`` and ``tsne`` (n, 2), float32 with the precision of float16; ``label`` (n,) int64,
        the class, and ``index`` (n,) int64, the picture's place among the validation pictures of the network's classes.
        All networks of the same data have the same pictures, class after class.

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
    dimensions = shapes.get("embedding", (0,))[-1]
    expected = {"embedding": (n, dimensions), "pca": (n, 2), "tsne": (n, 2), "index": (n,), "label": (n,)}
    if shapes != expected or not n * dimensions:
        raise ValueError(f"{path} is damaged, with {shapes} in place of {expected}: {again} anew.")
    if about.get("weights") != weights.sha256:
        raise ValueError(f"{path} was made by other weights than its card describes: {again} anew.")
    return {key: tensor.float() if tensor.is_floating_point() else tensor for key, tensor in tensors.items()}


def pictures(name: str, root: str | Path, where: str | Path | None = None) -> Dataset:
    """Load the validation pictures of the stored embedding, in its order, from a data set on this machine.

    Args:
        root: the folder that holds the data set, in its official layout.

    Raises:
        ValueError: the data set is not there, or not the one that the network was measured on.
    """
    stored, about = embedding(name, where), card(name, where)
    data, holdout = about.data, (about.run or {}).get("holdout", "")
    dataset = sources.load(data.name, root, "val", holdout=holdout).of_classes(data.keys)
    if int(stored["index"].max()) >= len(dataset) or not dataset.labels[stored["index"]].equal(stored["label"]):
        raise ValueError(f"{root} holds other pictures of {data.name} than {name} was measured on.")
    return dataset.take(stored["index"].tolist())


def title(name: str, where: str | Path | None = None) -> str:
    """Return a network's strategy label; of a network from elsewhere its title."""
    return card(name, where).strategy or name


def strategies() -> dict[str, str]:
    """Return the strategy labels of the zoo by network name."""
    return {name: model_card.strategy(method, options) for name, (method, options) in STRATEGIES.items()}


def add(run: str | Path, name: str, where: str | Path | None = None) -> Path:
    """Put a finished run's last weights into the zoo, with its card and log.

    They are stored in half precision; of a run that started from the :data:`REFERENCE`, as differences from it.

    Returns:
        The network's folder. Metrics and embedding that were measured on the same stored weights stay; others are
        removed, to be measured anew.

    Raises:
        ValueError: the run has not ended.
    """
    card, source = model_card.read(run), Path(run)
    if card.result is None or not (source / "last.safetensors").is_file():
        raise ValueError(f"The run in {run} has not ended: go on with `mixviz train … --resume`.")
    home = Path(where or folder()) / name
    home.mkdir(parents=True, exist_ok=True)
    tensors, _ = load_tensors(source / "last.safetensors")
    start = user_network.start_of(home, REFERENCE) / WEIGHTS
    tuned = card.pretrained and start.is_file() and card.pretrained["sha256"] == model_card.digest(start)
    if tuned:
        differences.save(home / WEIGHTS, tensors, load_file(start))
        stored = {"dtype": f"differences from {REFERENCE}", "start": REFERENCE}
    else:
        save_tensors(home / WEIGHTS, {key: halved(tensor) for key, tensor in tensors.items()})
        stored = {"dtype": "float16"}
    shutil.copyfile(source / "log.jsonl", home / "log.jsonl")
    stored |= {"file": WEIGHTS, "sha256": model_card.digest(home / WEIGHTS), "of": "last epoch"}
    before = model_card.read(home) if (home / model_card.FILE).is_file() else None
    metrics = before.metrics if before is not None and before.weights.sha256 == stored["sha256"] else None
    if metrics is None:
        (home / EMBEDDING).unlink(missing_ok=True)
    seeds = before.given.get("seeds", []) if before is not None and _alike(before, card) else []
    card_text.write(home, card.changed(weights=stored, metrics=metrics, **({"seeds": seeds} if seeds else {})))
    return home


def collect(
    runs: str | Path, where: str | Path | None = None, tell: Callable[[str], None] = lambda line: None
) -> dict[str, list[int | None]]:
    """Write the metrics of further seeds into the cards of the networks that they belong to.

    A run belongs to a network if they differ by seed and held-out part alone. Its metrics replace those that the card
    holds of the same seed and part. Curves of localisation, most of a card's length, stay with the run.

    Args:
        runs: a folder of runs, those of ``mixviz zoo build``.
        where: the folder of the networks.
        tell: called with a line for each run that is left out.

    Returns:
        Name -> the further seeds in its card, for each network that gained some.

    Raises:
        ValueError: no such folder, or no measured run that belongs to a network.
    """
    homes = [path.parent for path in sorted(Path(runs).glob(f"*/{model_card.FILE}"))]
    networks = {name: card(name, where) for name in names(where)}
    found: dict[str, dict[tuple[int | None, str], dict[str, Any]]] = {}
    for home in homes:
        run = model_card.read(home)
        name = next((name for name, one in networks.items() if one.is_whole and _alike(one, run)), None)
        if name is None:
            tell(f"{home.name} belongs to no network: none differs from it by seed alone.")
        elif (run.seed, run.holdout) == (networks[name].seed, networks[name].holdout):
            continue
        elif not run.metrics:
            tell(f"{home.name} is not measured yet: mixviz evaluate {home} --brief --root …")
        else:
            entry = {"seed": run.seed, "holdout": run.holdout, "metrics": _without_curves(run.metrics)}
            found.setdefault(name, {})[run.seed, run.holdout] = entry
    if not found:
        raise ValueError(f"{runs} holds no measured run of a further seed of a network in {where or folder()}.")
    for name, entries in found.items():
        before = {(one.seed, one.holdout): dataclasses.asdict(one) for one in networks[name].seeds}
        seeds = [one for _, one in sorted((before | entries).items())]
        card_text.write(_home(name, where), networks[name].changed(seeds=seeds))
    return {name: [one.seed for one in card(name, where).seeds] for name in found}


def _alike(one: ModelCard, other: ModelCard) -> bool:
    """Whether two trainings differ by seed and held-out part alone."""
    return one.strategy == other.strategy and model_card.same_training(one, other)


def _without_curves(metrics: Mapping[str, Any]) -> dict[str, Any]:
    return {
        key: _without_curves(value) if isinstance(value, dict) else value
        for key, value in metrics.items()
        if key != "curves"
    }
