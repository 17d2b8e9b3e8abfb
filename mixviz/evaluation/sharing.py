"""Features of first stages that several networks share, computed once for all that are measured together."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from torch import Tensor

from mixviz.networks.trunk import Split

MEMORY = 2**30  # bytes of features: those of 188 pictures of 224 px in twelve corruptions are a twelfth of it


class SharedFeatures:
    """Features by the place of their pictures in a part of an evaluation.

    Networks that are measured with one seed on the same pictures are given the same changed pictures in the same order,
    as long as the changes do not depend on the network. The second network takes the first one's features, and the
    pictures are not even changed again. Both networks must have the stages in common, and the preparation of pictures.
    """

    def __init__(self, memory: int = MEMORY) -> None:
        self.memory = memory
        self._kept: dict[int, list[Tensor]] = {}
        self._place = self._bytes = 0

    def forget(self) -> None:
        """Begin another part, whose pictures are others."""
        self._kept.clear()
        self._bytes = 0

    def rewind(self) -> None:
        """Begin with the next network."""
        self._place = 0

    def of(
        self, split: Split, prepared: Callable[[Tensor], Tensor], batches: Iterable[Tensor]
    ) -> Iterator[Tensor]:  # fmt: skip
        """Return the features of batches of pictures, the next ones of this network.

        Args:
            split: of the network; what it keeps must be of networks with its ``key``.
            prepared: makes the network's input of a batch.
            batches: consumed only if their features are not known. They are kept together or not at all, because
                changes draw from a generator, batch after batch.
        """
        place, self._place = self._place, self._place + 1
        if place in self._kept:
            yield from self._kept[place]
            return
        features: list[Tensor] = []
        fits = True
        for batch in batches:
            features.append(split.trunk(prepared(batch)))
            yield features[-1]
            self._bytes += features[-1].nbytes
            fits = fits and self._bytes <= self.memory
            if not fits:
                self._bytes -= sum(one.nbytes for one in features)
                features.clear()
        if fits:
            self._kept[place] = features
