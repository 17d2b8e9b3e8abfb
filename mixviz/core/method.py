"""Method: the abstract base of every mixed-sample augmentation.

Adding a file to ``mixviz/methods`` adds an entry to ``mixviz.METHODS``; the page, the command line, the benchmark, the
docs and the catalogue-wide tests find it there.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar, NamedTuple, cast

import numpy as np
from torch import Tensor

from mixviz.core.batch import Batch
from mixviz.core.parameters import Parametric
from mixviz.core.recipe import Recipe


class Draw(NamedTuple):
    """The random draw that every plan starts from.

    ``lam`` (N,) is the λ to use, drawn or held; it is None for a method that draws none, which must not read it.
    ``held`` is the λ that the caller holds, for methods that use it differently. ``partner`` (N,) is the index of the
    image whose pixels each image gets, and ``partner_held`` is True if the caller holds it.
    """

    rng: np.random.Generator
    lam: np.ndarray
    partner: np.ndarray
    held: np.ndarray | None = None
    partner_held: bool = False


class Method(Parametric):
    """A mixed-sample augmentation: it plans which images are mixed, where and how much, and never touches a pixel.

    ``together``: one draw decides how all images of a batch are mixed. ``needs_labels``: partners are drawn by the
    batch's labels, one for each image by itself, so that an image may be the partner of several.
    ``looks_at_objects``: the recipe depends on the batch's objects.
    """

    together: ClassVar[bool] = False
    needs_labels: ClassVar[bool] = False
    looks_at_objects: ClassVar[bool] = False

    def plan(
        self,
        batch: Batch,
        rng: np.random.Generator,
        *,
        lam: float | np.ndarray | None = None,
        partner: np.ndarray | Tensor | None = None,
    ) -> Recipe:
        """Draw a :class:`~mixviz.Recipe` for the batch.

        Args:
            batch: the images and labels, not yet normalised.
            rng: the only source of randomness; the same state gives the same recipe on every device.
            lam: use this λ (image A's share, one number or (N,), 0 to 1) instead of drawing it. Everything else is
                drawn as before, so that dragging λ changes nothing else.
            partner: use these partners (N,) instead of drawing a permutation.

        Raises:
            TypeError: ``rng`` is not a ``numpy.random.Generator``.
            ValueError: a held λ or partner is out of range, float images lie outside [0, 1] (and the batch does not
                have ``any_range``), or the method lacks something that it needs.
        """
        _check_generator(rng)
        batch.check_range()
        if self.needs_labels and batch.labels is None and partner is None:
            raise ValueError(
                f"{self.card.title} draws partners by their labels: give labels beside the images, class indices (N,) "
                "or numbers (N,) or (N, D) of a float type; or the partners themselves, partner=..."
            )
        n = len(batch)
        drawn, permutation, held = self.draw(rng, n), rng.permutation(n), None
        if lam is not None:
            held = np.asarray(lam, dtype=np.float64)
            if held.shape not in ((), (n,)) or not ((held >= 0) & (held <= 1)).all():
                raise ValueError(f"λ should be one number or {n}, between 0 and 1 (image A's share); got {lam!r}.")
            held = np.broadcast_to(held, (n,))
        if partner is not None:
            permutation = np.asarray(partner)
            fits = permutation.shape == (n,) and permutation.dtype.kind in "iu"
            if not fits or permutation.min() < 0 or permutation.max() >= n:
                raise ValueError(f"partner should hold {n} indices between 0 and {n - 1}; got {partner!r}.")
            permutation = permutation.astype(np.int64)
        used = cast(np.ndarray, drawn if drawn is None or held is None else held)  # None only where it is not read
        return self.build(batch, Draw(rng, used, permutation, held, partner is not None))

    def at(self, progress: float) -> Method:
        """Return the method at a point of a training: ``progress`` is the share of the epochs that are done.

        Most methods stay the same.
        """
        return self

    def contents(self) -> dict[str, str]:
        """Return what stands in the files that parameters name, by parameter, as a hash.

        A training that goes on compares it in place of the path, so that its files may lie in another folder. Most
        methods read none.
        """
        return {}

    @abstractmethod
    def draw(self, rng: np.random.Generator, n: int) -> np.ndarray | None:
        """Draw λ of every image (n,), float64: image A's share before rounding and clipping; None: there is no λ."""

    @abstractmethod
    def build(self, batch: Batch, draw: Draw) -> Recipe:
        """Build the recipe for one draw. All further randomness comes from ``draw.rng``."""


def _check_generator(rng: object) -> None:
    if not isinstance(rng, np.random.Generator):
        raise TypeError(f"rng should be a numpy.random.Generator, e.g. np.random.default_rng(0); got {rng!r}.")
