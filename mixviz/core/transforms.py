"""Use any method in a function call, a training loop or a DataLoader."""

from __future__ import annotations

import threading
import warnings
import weakref
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

import numpy as np
import torch
from torch import Tensor

from mixviz.core import apply
from mixviz.core.batch import Batch
from mixviz.core.buffers import Buffers
from mixviz.core.checks import is_mapping, is_sequence
from mixviz.core.detection import detection_objects, detection_targets, rest_of
from mixviz.core.follow import MovedObjects, unmoved
from mixviz.core.method import Method
from mixviz.core.objects import Objects, collate
from mixviz.core.parameters import Parametric
from mixviz.core.parts import Unmixed
from mixviz.core.recipe import Recipe
from mixviz.core.registry import lookup, with_parameters
from mixviz.core.saliency import Saliency
from mixviz.core.targets import RULES, multi_hot
from mixviz.core.tensors import check_range
from mixviz.detectors import SALIENCY
from mixviz.methods import METHODS

Entry = TypeVar("Entry", bound=Parametric)
Seed = int | Sequence[int] | np.random.Generator | None
REPEATS = 8  # batches in a row with one seed before a warning
_repeats = threading.local()


def make(method: str | Method, **parameters: Any) -> Method:
    """Construct a method by name with its parameters, or return the given method.

    Raises:
        ValueError, TypeError: an unknown name or parameter, with the known ones.
    """
    if isinstance(method, Method):
        if parameters:
            raise TypeError("Give parameters with a method's name; a Method object has its own already.")
        return method
    return with_parameters(lookup(METHODS, method), parameters)


def mix(
    images: Tensor,
    labels: Tensor | None = None,
    method: str | Method = "cutmix",
    seed: Seed = None,
    **parameters: Any,
) -> tuple[Tensor, Recipe]:
    """Mix a batch: ``mixed, recipe = mixviz.mix(images, labels, method="cutmix", alpha=1.0)``.

    Args:
        images: (N, 3, H, W), uint8, or float in [0, 1]; not changed.
        labels: (N,) class indices or (N, C) soft labels; only some methods need them.
        method: a name from ``mixviz.METHODS``, or a method.
        seed: source of the randomness. In a loop, a ``numpy.random.Generator`` made before it, or numbers that identify
            the step, ``(seed, epoch, step)``. One number gives one recipe, the same on every device and in every call.
            None: a different recipe each time, which cannot be repeated.
        parameters: the method's own; ``network``, ``mean``, ``std``, ``saliency``, ``objects``, ``errors`` and
            ``any_range`` go to :class:`mixviz.Batch`.

    Returns:
        The mixed images, like ``images``, and the :class:`~mixviz.Recipe`, whose ``targets`` mixes the labels.

    Raises:
        TypeError, ValueError: input that :class:`mixviz.Batch` or :meth:`mixviz.Method.plan` refuses.

    Warns:
        UserWarning: one number as the seed of many batches in a row, which would all get the same recipe.
    """
    names = ("network", "saliency", "objects", "errors", "mean", "std", "any_range")
    options = {name: parameters.pop(name) for name in names if name in parameters}
    planner, rng = make(method, **parameters), np.random.default_rng(seed)
    if seed is not None and seed is not rng:
        _count_repeats((planner, str(seed)), images)
    recipe = planner.plan(Batch(images, labels, **options), rng)
    return recipe.apply(images), recipe


def _count_repeats(key: tuple[Method, str, *tuple[object, ...]], images: Tensor) -> None:
    """Warn once if batch after batch is mixed with the draw of the first; ``key`` is the method, the seed, and more."""
    last, count, seen = getattr(_repeats, "state", (None, 0, None))
    if key != last:
        count, seen = 0, None
    if seen is None or seen() is not images:
        count += 1
    _repeats.state = key, count, weakref.ref(images)
    if count == REPEATS:
        warnings.warn(
            f"{REPEATS} batches in a row were mixed with seed {key[1]}: all get the same recipe, with the same "
            "partners and boxes. Make one generator before the loop, rng = numpy.random.default_rng(0), and give "
            "seed=rng in it; or name the step, seed=(0, epoch, step); or make one MixTransform before the loop.",
            UserWarning,
            stacklevel=3,
        )


def saliency(
    images: Tensor,
    detector: str | Saliency = "fine_grained",
    *,
    labels: Tensor | None = None,
    network: Callable[[Tensor], Tensor] | None = None,
    **parameters: Any,
) -> Tensor:
    """Saliency maps (N, H, W), float32 in [0, 1], of images (N, 3, H, W) that are uint8, or float in [0, 1].

    Args:
        detector: a name from ``mixviz.SALIENCY``, or a detector.
        labels: class indices, for detectors that need the network's scores for them.
        network: the network that such detectors run.
        parameters: the detector's own.

    Raises:
        ValueError: an unknown detector, float images outside [0, 1], or no network where one is needed.
    """
    if not isinstance(detector, Saliency):
        detector = with_parameters(lookup(SALIENCY, detector), parameters)
    elif parameters:
        raise TypeError("Give parameters with a detector's name; a Saliency object has its own already.")
    return Batch(images, labels, network).saliency(detector)


class Mixed(NamedTuple):
    """What :class:`MixTransform` makes of a batch; None for what was not given."""

    images: Tensor
    targets: Tensor | None
    objects: MovedObjects | None
    maps: Tensor | None


class MixTransform:
    """Any method in a training loop: ``images, targets = mix(images, labels)``, used like torchvision's v2.CutMix.

    Objects and dense maps are mixed as well: ``images, targets, objects = mix(images, labels, objects)``,
    ``images, objects = mix(images, objects=objects)``, ``images, maps = mix(images, maps=maps)``.

    Args:
        method: a name from ``mixviz.METHODS``, or a method.
        num_classes: the width of the soft targets; None where no labels are given, or numbers of a regression.
        mix_probability: the probability that a batch is mixed at all, as in the papers' training loops.
        seed: two transforms with one seed give the same mixtures in the same order, and different ones in each process
            of a distributed training. In DataLoader workers torch's own seed matters as well (``torch.manual_seed``,
            or the loader's ``generator``).
        normalize: (mean, std) per channel, applied to the mixed images and to the input of ``network``.
            None: images stay in [0, 1], for the network too.
        network: the classifier that network-guided methods run.
        any_range: accept float images outside [0, 1] too, see :class:`mixviz.Batch`.
        inplace: mix into the given images instead of a new tensor, which saves most of the time in a training loop that
            does not need the clean batch any more.
        reuse: mix into the memory of an earlier result on the CPU, once nothing refers to it any more; False: into a
            new tensor every time.
        rule: how labels become a target: ``share``, ``union`` or ``visible``, see :meth:`mixviz.Recipe.targets`.
        min_visible: leave out objects of which a smaller share is seen, and what ``rule`` leaves out by it.
        ignore: class of a segmentation where no source is shown, see :meth:`mixviz.Recipe.follow_map`.
        parameters: the method's own.

    A method that mixes inside a network (``recipe.layer > 0``) needs its recipe there: use ``plan``. Row n of anything
    that is not given, e.g. of names, still belongs to image n; to mix it as well, use the recipe from ``plan``.
    """

    def __init__(
        self,
        method: str | Method,
        num_classes: int | None = None,
        *,
        mix_probability: float = 1.0,
        seed: int = 0,
        normalize: tuple[Sequence[float], Sequence[float]] | None = None,
        network: Callable[[Tensor], Tensor] | None = None,
        inplace: bool = False,
        reuse: bool = True,
        any_range: bool = False,
        rule: str = "share",
        min_visible: float = 0.0,
        ignore: int = 255,
        **parameters: Any,
    ) -> None:
        if any_range and normalize is not None:
            raise ValueError("normalize is for images in [0, 1], and any_range for others: give one of the two.")
        if not 0 <= mix_probability <= 1:
            raise ValueError(f"mix_probability should lie between 0 and 1; got {mix_probability}.")
        if rule not in RULES:
            raise ValueError(f"rule should be one of {', '.join(RULES)}; got {rule!r}.")
        _check_seed(seed)
        self.method, self.num_classes = make(method, **parameters), num_classes
        self.mix_probability, self.seed, self.normalize, self.network = mix_probability, seed, normalize, network
        self.inplace, self.any_range = inplace, any_range
        self.rule, self.min_visible, self.ignore = rule, min_visible, ignore
        self._rng: np.random.Generator | None = None
        self._worker: int | None = None
        self._buffers = Buffers() if reuse else None

    def __call__(
        self,
        images: Tensor,
        labels: Tensor | Objects | None = None,
        objects: Objects | None = None,
        *,
        maps: Tensor | None = None,
        **given: Any,
    ) -> tuple[Any, ...]:
        """Mix a batch, and return what was given in the order images, labels, objects, maps.

        A batch that stays unmixed keeps its objects and maps as they are.

        Args:
            images: (N, 3, H, W).
            labels: of every kind that :meth:`mixviz.Recipe.targets` mixes. They become targets (N, num_classes)
                float32, or (N,) of numbers (N,).
            objects: those of the images. They become :class:`~mixviz.MovedObjects`.
            maps: dense targets, (N, H, W) integers or (N, H, W) or (N, C, H, W) float.
            given: further arguments of :class:`mixviz.Batch`: ``saliency`` and ``errors``.

        Returns:
            The mixed images, float where ``normalize`` is given, and the others.
        """
        if labels is None and objects is None and maps is None:
            raise TypeError("Give labels, objects or maps beside the images; images alone are mixed by mixviz.mix.")
        return tuple(one for one in self.mixed(images, labels, objects, maps, **given) if one is not None)

    def mixed(
        self,
        images: Tensor,
        labels: Tensor | Objects | None = None,
        objects: Objects | None = None,
        maps: Tensor | None = None,
        **given: Any,
    ) -> Mixed:
        """Mix a batch as a call does, and return the results by name."""
        batch = self._batch(images, labels, objects=objects, **given)
        recipe = self._plan(batch)
        if recipe.layer:
            raise ValueError(
                f"{self.method.card.name} mixes inside the network, out of reach of a collate function: "
                "recipe = transform.plan(images, labels), then `with mixviz.mix_inside(network, recipe):` around the "
                "forward pass, and recipe.targets for the labels."
            )
        # All but the images first, so that what is invalid leaves them unchanged.
        moved = None if batch.objects is None else self._follow(recipe, batch.objects)
        targets = None if labels is None else self._targets(recipe, labels)
        dense = None if maps is None else recipe.follow_map(maps, self.ignore)
        mixed = recipe.apply(images, out=images if self.inplace else self._buffer(images))
        if self.normalize is not None:
            floats = mixed.is_floating_point() and apply.into_memory(mixed)
            mixed = batch.normalised(mixed, out=mixed if floats else self._buffer(mixed, torch.float32))
        return Mixed(mixed, targets, None if objects is None else moved, dense)

    def _buffer(self, images: Tensor, dtype: torch.dtype | None = None) -> Tensor | None:
        """Memory for a result; None: a new tensor, also in a DataLoader's worker, which hands its memory over."""
        plain = type(images) is Tensor and apply.into_memory(images)
        if self._buffers is None or not plain or torch.utils.data.get_worker_info() is not None:
            return None
        return self._buffers.empty_like(images, dtype)

    def _follow(self, recipe: Recipe, objects: Objects) -> MovedObjects:
        plain = isinstance(recipe.mixing, Unmixed) and len(recipe.partner) == 1
        return unmoved(objects) if plain else recipe.follow(objects, self.min_visible)

    def _targets(self, recipe: Recipe, labels: Tensor | Objects) -> Tensor:
        if isinstance(labels, Objects):
            labels = labels.to(recipe.partner.device)
        if self.rule == "share":
            return recipe.targets(labels, self.num_classes)
        return recipe.targets(labels, self.num_classes, rule=self.rule, min_visible=self.min_visible)

    def plan(
        self, images: Tensor, labels: Tensor | None = None, *, lam: float | np.ndarray | None = None, **given: Any
    ) -> Recipe:
        """The next recipe of this transform's stream; a baseline one for a batch that stays unmixed.

        ``lam`` fixes λ, see :meth:`mixviz.Method.plan`.
        """
        return self._plan(self._batch(images, labels, **given), lam)

    def _batch(
        self, images: Tensor, labels: Tensor | Objects | None, *, objects: Objects | None = None, **given: Any
    ) -> Batch:
        mean, std = self.normalize or (None, None)
        if isinstance(labels, Objects):
            objects = labels if objects is None else objects
            labels = None if self.num_classes is None else multi_hot(labels, self.num_classes).to(images.device)
        if objects is not None:
            objects = objects.to(images.device)
        return Batch(
            images, labels, self.network, objects=objects, mean=mean, std=std, any_range=self.any_range, **given
        )

    def _plan(self, batch: Batch, lam: float | np.ndarray | None = None) -> Recipe:
        rng = self._stream(batch.images)
        method = self.method if rng.random() < self.mix_probability else METHODS["baseline"]()
        return method.plan(batch, rng, lam=lam)

    def _stream(self, images: Tensor) -> np.random.Generator:
        """One stream per training process, and per DataLoader worker and epoch: torch gives each worker a new seed."""
        info = torch.utils.data.get_worker_info()
        worker = None if info is None else info.seed
        if self._rng is None or worker != self._worker:
            if info is not None and self.network is not None:
                raise ValueError(
                    "A DataLoader's worker holds a copy of the network from the epoch's start, not the one in "
                    "training: use MixTransform in the training loop, or num_workers=0."
                )
            if not self.any_range:
                check_range(images)  # every pixel, but only once: reading back at every step would stall a GPU
            distributed = torch.distributed.is_available() and torch.distributed.is_initialized()
            rank = torch.distributed.get_rank() if distributed else 0
            key = [self.seed, rank] if worker is None else [self.seed, rank, worker]
            _count_repeats((self.method, str(self.seed), *key), images)  # to warn about transforms made inside the loop
            self._rng = np.random.default_rng(key)
            self._worker = worker
        return self._rng


class MixCollate:
    """Any method in an existing DataLoader: ``DataLoader(data, collate_fn=mixviz.MixCollate("cutmix", 100))``.

    Collates samples as torch does, then mixes images and labels; accepts the arguments of :class:`MixTransform`. A
    sample is (image, label), (image, label, ...) or a dictionary. The batch has the same form, with mixed images and
    targets (N, num_classes) float32. Everything else is collated and passed through unmixed: row n belongs to image n
    itself, not to its partner.

    Three kinds of samples are mixed as a whole. Their images all have one size.

    - Detection: the label is a dictionary with ``boxes`` and ``labels``, as torchvision's detectors take it. The batch
      has a list of such dictionaries (:func:`mixviz.detection_targets`). What else a dictionary holds, e.g. an
      ``image_id``, stays with image n.
    - Objects: a part of the sample, or the label itself, is the :class:`~mixviz.Objects` of its image. The batch has
      :class:`~mixviz.MovedObjects`.
    - Segmentation: the label is a map (H, W) or (C, H, W) of the image's size. The batch has maps (N, ...).

    Args:
        keys: a dictionary's keys of image and label.
        columns: keys of a detection dictionary that have a value per object and follow it.
    """

    def __init__(
        self,
        method: str | Method,
        num_classes: int | None = None,
        *,
        keys: tuple[str, str] = ("image", "label"),
        columns: Sequence[str] = ("iscrowd",),
        **options: Any,
    ) -> None:
        self.transform = MixTransform(method, num_classes, inplace=True, **options)  # the collated batch is new
        self.keys, self.columns = keys, tuple(columns)

    def __call__(self, samples: Sequence[Any]) -> Any:
        """Collate samples, with images (3, H, W), and mix the batch.

        Raises:
            TypeError: samples of another form, or without image and label.
            ValueError: images of different sizes beside objects.
        """
        image, label = self._keys_of(samples[0])
        first = samples[0][image]
        if not isinstance(first, Tensor):
            raise TypeError(
                f"A sample's image should be a torch.Tensor (3, H, W); got {type(first).__name__}. End the data "
                "set's transform with torchvision.transforms.v2.PILToTensor()."
            )
        apart = _place_of_objects(samples[0], label)
        objects, given = None, list(samples)
        if apart is not None:
            objects = self._joined(samples, image, apart)
            samples = [_with(sample, {apart: 0}) for sample in samples]
        batch: Any = torch.utils.data.default_collate(list(samples))  # pyright: ignore[reportUnknownMemberType]  # of torch
        labels = None if apart == label else batch[label]
        dense = isinstance(labels, Tensor) and labels.ndim > 2 and labels.shape[-2:] == batch[image].shape[-2:]
        mixed = self.transform.mixed(batch[image], None if dense else labels, objects, maps=labels if dense else None)
        result: dict[Any, Any] = {image: mixed.images, label: mixed.maps if dense else mixed.targets}
        if apart is not None and mixed.objects is not None:
            result[apart] = mixed.objects
            if is_mapping(given[0][apart]):
                targets = detection_targets(mixed.objects)
                rests = (rest_of(sample[apart], self.columns) for sample in given)
                result[apart] = [{**rest, **target} for rest, target in zip(rests, targets, strict=True)]
        return _with(batch, result)

    def _joined(self, samples: Sequence[Any], image: str | int, apart: str | int) -> Objects:
        """Join the objects of all samples."""
        sizes = sorted({tuple(sample[image].shape[-2:]) for sample in samples})
        if len(sizes) > 1:
            raise ValueError(
                f"The images of a batch should have one size; got {sizes}. Resize them with their boxes in the data "
                "set's transform: torchvision.transforms.v2.Resize((height, width))."
            )
        several = [sample[apart] for sample in samples]
        if is_mapping(several[0]):
            return detection_objects(several, sizes[0], self.columns)
        return collate(several)

    def _keys_of(self, sample: object) -> tuple[str, str] | tuple[int, int]:
        """The keys or indices of image and label in a sample."""
        if is_mapping(sample):
            if missing := [key for key in self.keys if key not in sample]:
                raise TypeError(
                    f"A sample has no {' and no '.join(map(repr, missing))}; it has {', '.join(map(repr, sample))}. "
                    'Say what image and label are called: MixCollate(..., keys=("image", "label")).'
                )
            return self.keys
        if is_sequence(sample) and not isinstance(sample, str) and len(sample) >= 2:
            return 0, 1
        given = type(sample).__name__
        if is_sequence(sample) and isinstance(sample, tuple | list):
            given = f"{len(sample)} part(s)"
        raise TypeError(
            "A sample should be (image, label), (image, label, ...), or a dictionary with both; got "
            f"{given}. Give a data set that returns one of these, or mix in the loop: MixTransform."
        )


def _place_of_objects(sample: Any, label: Any) -> Any:
    """Return the key or index of a sample's objects, or of a detector's target; None: there are none."""
    keys: list[Any] = list(sample) if is_mapping(sample) else list(range(len(sample)))
    found = [key for key in keys if isinstance(sample[key], Objects)]
    if is_mapping(sample[label]) and "boxes" in sample[label]:
        found.append(label)
    if len(found) > 1:
        raise TypeError(f"A sample should hold objects once; got them at {', '.join(map(repr, found))}.")
    return found[0] if found else None


def _with(parts: Any, changed: Mapping[Any, Any]) -> Any:
    """Return a dictionary, a named tuple or a tuple with some parts replaced."""
    if is_mapping(parts):
        return {**parts, **changed}
    values = [changed.get(index, part) for index, part in enumerate(parts)]
    return type(parts)(*values) if hasattr(parts, "_fields") else tuple(values)


def _check_seed(seed: object) -> None:
    if not isinstance(seed, int | np.integer) or seed < 0:
        raise ValueError(
            f"seed should be a whole number from 0 up; got {seed!r}. One transform goes on by itself from batch to "
            "batch: make it once, before the loop. mixviz.mix also takes a generator."
        )
