"""What a visitor asks for: checked whoever sends it, and written into the page's address."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from torch import Tensor

from mixviz.cam.methods import KINDS
from mixviz.core.method import Method
from mixviz.core.registry import lookup
from mixviz.data import pictures
from mixviz.data.batch_loading import LEAST, MOST
from mixviz.explain import edits
from mixviz.i18n import Mistake, texts
from mixviz.methods import METHODS
from mixviz.networks import zoo
from mixviz.ui import lenses

LARGEST = 64 * 2**20  # bytes of a file, alone or in a zip
MAX_SEED = 2**32 - 1
CELLS = 28  # cells along each side of a painted mask: 8 pixels each at 224
VIEWS = ("grid", "detail", "draws", "sweep", "batch", "localize", "compare", "which", "tree", "embeddings")
SUBJECTS = ("mix", "a", "b")
LAYERS = ("", *"01234567")
MAX_OWN = 2  # networks of a visitor's own
MAX_NAME = 80  # letters of a class's name
SWEEPS = ("lam", "alpha", "seed")
PLANES = ("pca", "tsne")
MAX_ROWS = 6  # methods of a filmstrip
COUNTS = (2, 16)  # bundled photographs of a batch, at least and at most


@dataclass(frozen=True)
class Request:
    """A state of the page. Whatever reaches it may have been made up.

    ``a`` and ``b`` are paths that :func:`mixviz.ui.handlers.checked_path` has let through; ``lam`` None draws λ,
    ``alpha`` None leaves each method its own; ``box`` (top, left, bottom, right) in shares of the sides and ``mask``
    (CELLS strings of CELLS digits, 1 keeps A) are changes by hand; ``only`` are the cards to draw, methods' or
    networks', None for all. Networks look at ``subject`` for two ``classes``, each a name, "*" for what a network
    predicts, or "" for what A and B show; ``layer`` is "" for the card's, or how many resolutions before the last.
    ``joined``: the visitor's own pictures are measured with ours. ``own`` are the paths of card and weights of the
    visitor's own networks. A batch is of the first ``count`` bundled photographs, or of ``files``, (path, name in its
    folder) of the visitor's own pictures.

    Raises:
        ValueError: a value that cannot be used, in words for the visitor.
    """

    a: str
    b: str
    name_a: str = "A"
    name_b: str = "B"
    lam: float | None = 0.6
    alpha: float | None = None
    seed: int = 0
    detector: str = "fine_grained"
    view: str = "grid"
    method: str = "cutmix"
    parameters: Mapping[str, Any] = field(default_factory=dict)
    box: tuple[float, float, float, float] | None = None
    mask: tuple[str, ...] | None = None
    over: str = "lam"
    methods: tuple[str, ...] = ("mixup", "cutmix", "saliencymix")
    only: tuple[str, ...] | None = None
    subject: str = "mix"
    classes: tuple[str, str] = ("", "")
    kind: str = "grad_cam"
    layer: str = ""
    own: tuple[tuple[str, str], ...] = ()
    network: str = ""
    plane: str = "pca"
    count: int = 8
    files: tuple[tuple[str, str], ...] = ()
    joined: bool = False
    still: bool = True
    strip: bool = False
    language: str = "en"

    def __post_init__(self) -> None:
        if self.lam is not None and not (is_number(self.lam) and 0 <= self.lam <= 1):
            raise Mistake("error.lam")
        if self.alpha is not None and not (is_number(self.alpha) and 0.05 <= self.alpha <= 8):
            raise Mistake("error.alpha")
        if not (is_number(self.seed) and self.seed == int(self.seed) and 0 <= self.seed <= MAX_SEED):
            raise Mistake("error.seed", most=MAX_SEED)
        _one_of("saliency detector", self.detector, lenses.titles())
        _one_of("view", self.view, VIEWS)
        _one_of("sweep", self.over, SWEEPS)
        _one_of("plane", self.plane, PLANES)
        if not (is_number(self.count) and self.count == int(self.count) and COUNTS[0] <= self.count <= COUNTS[1]):
            raise Mistake("error.count", least=COUNTS[0], most=COUNTS[1])
        if self.files and not LEAST <= len(self.files) <= MOST:
            raise Mistake("batch.few" if len(self.files) < LEAST else "embed.many", least=LEAST, most=MOST,
                          count=len(self.files))  # fmt: skip
        if not isinstance(self.joined, bool):
            raise ValueError("The visitor's own pictures join, or they do not.")
        if self.network != "":
            _one_of("network", self.network, zoo.names())
        _one_of("language", self.language, texts())
        if not isinstance(self.methods, tuple) or not 1 <= len(self.methods) <= MAX_ROWS:
            raise Mistake("error.methods", most=MAX_ROWS)
        _one_of("picture to look at", self.subject, SUBJECTS)
        _one_of("kind of heat map", self.kind, KINDS)
        _one_of("layer", self.layer, LAYERS)
        if not _is_names(self.classes, 2, 2):
            raise ValueError("There are two classes to look for.")
        if self.only is not None and not _is_names(self.only, 1, len(METHODS) if self.view == "grid" else 100):
            raise ValueError("The cards to draw should be some, or all.")
        drawn = self.only if self.only and self.view == "grid" else ()
        for name in (self.method, *self.methods, *drawn):
            lookup(METHODS, name)
        if not isinstance(self.parameters, Mapping) or "detector" in self.parameters:
            raise ValueError("Parameters are the method's own, by name; the detector is chosen for the whole page.")
        self.chosen(self.method, self.parameters)
        if self.box is not None and not is_box(self.box):
            raise Mistake("error.box")
        if self.mask is not None and not _is_mask(self.mask):
            raise Mistake("error.mask", cells=CELLS)

    def chosen(self, name: str, parameters: Mapping[str, Any] | None = None) -> Method:
        """The method with its own parameters, the page's α and the page's detector.

        Raises:
            ValueError: an unknown name or parameter, or one out of range.
        """
        cls = lookup(METHODS, name)
        known, values = cls.parameters(), dict(parameters or {})
        if self.alpha is not None and "alpha" in known:
            values.setdefault("alpha", float(self.alpha))
        if "detector" in known:
            values["detector"] = lenses.detector(self.detector)
        unknown = set(values) - set(known)
        if unknown:
            raise ValueError(f"{cls.card.title} has no parameter {', '.join(sorted(map(str, unknown)))}.")
        try:
            return cls(**values)
        except TypeError as error:
            raise ValueError(str(error)) from None

    def pixels(self, size: int) -> tuple[int, int, int, int] | None:
        """The box in whole pixels, at least one each way."""
        if self.box is None:
            return None
        top, left, bottom, right = (round(edge * size) for edge in self.box)
        top, left = min(top, size - 1), min(left, size - 1)
        return top, left, max(bottom, top + 1), max(right, left + 1)

    def weights(self, size: int) -> Tensor | None:
        """The painted mask at a size (size, size), 1 where A is kept."""
        return None if self.mask is None else edits.mask_from_cells(self.mask, size)

    def query(self) -> str:
        """What the page's address says of this state: nothing that the visitor handed in, and no picture but ours."""
        said: dict[str, Any] = {"view": self.view, "method": self.method}
        for key, path in (("a", self.a), ("b", self.b)):
            if pictures.photograph_of(path):
                said[key] = Path(path).stem
        said["lam"] = "drawn" if self.lam is None else written(self.lam)
        if self.alpha is not None:
            said["alpha"] = written(self.alpha)
        said |= {"seed": int(self.seed), "detector": self.detector}
        said |= {f"p.{name}": value for name, value in self.parameters.items()}
        if self.box is not None:
            said["box"] = ",".join(f"{edge:.4g}" for edge in self.box)
        if self.view == "sweep":
            said |= {"over": self.over, "methods": ",".join(self.methods)}
        if self.view == "localize":
            said |= {"subject": self.subject, "kind": self.kind, "layer": self.layer}
        if self.view in ("localize", "compare"):
            said |= {f"class_{key}": name for key, name in zip("ab", self.classes, strict=True) if name}
        if self.view == "batch" and not self.files:
            said["count"] = int(self.count)
        if self.view == "which" and self.joined:
            said["joined"] = 1
        if self.view == "embeddings":
            said |= ({"network": self.network} if self.network else {}) | {"plane": self.plane}
        return urlencode(said, safe=",.")


def written(number: float) -> str:
    """The shortest text that reads as this very number."""
    return repr(float(number)).removesuffix(".0")


def is_number(value: object) -> bool:
    """A finite number that a float can hold, and no bool."""
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= sys.float_info.max


def is_box(box: Any) -> bool:
    """(top, left, bottom, right) in shares of the sides, with something in it."""
    if not isinstance(box, tuple | list) or len(box) != 4 or not all(map(is_number, box)):
        return False
    top, left, bottom, right = box
    return 0 <= top < bottom <= 1 and 0 <= left < right <= 1


def _one_of(what: str, value: Any, known: Any) -> None:
    if not isinstance(value, str) or value not in known:
        raise ValueError(f"The {what} should be one of {', '.join(known)}.")


def _is_names(names: Any, least: int, most: int) -> bool:
    several = isinstance(names, tuple) and least <= len(names) <= most
    return several and all(isinstance(name, str) and len(name) <= MAX_NAME for name in names)


def _is_mask(mask: Any) -> bool:
    rows = isinstance(mask, tuple) and len(mask) == CELLS
    return rows and all(isinstance(row, str) and len(row) == CELLS and set(row) <= {"0", "1"} for row in mask)
