"""The state of the page: :class:`Request` declares each field once, and everything else is derived from it.

A declaration holds the field's default, its check, its key in the address and its views. Validation, reading and
writing of addresses, and the keys of a link in the page's script follow from it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, fields, replace
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
from mixviz.i18n import UserError, texts
from mixviz.methods import METHODS
from mixviz.networks import zoo
from mixviz.ui.errors import as_user_error
from mixviz.ui.fields import (
    Field,
    anything,
    boolean,
    is_number,
    malformed,
    number,
    number_in_address,
    number_of,
    one_of,
    stated,
)
from mixviz.ui.registry import views
from mixviz.ui.services import detector_options
from mixviz.ui.services.marks import MARK_SIDE, MOST_RUNS, PaintedMask, of_json

LARGEST = 64 * 2**20  # bytes of a file, alone or in a zip
MAX_SEED = 2**32 - 1
CELLS = 28  # cells along each side of a painted mask: 8 pixels each at 224
SUBJECTS = ("a", "b", "mix")
LAYERS = ("", "card", *"01234567")
MAX_OWN = 2  # a visitor's own networks
MAX_NAME = 80  # letters of a class's name
MAX_PATH = 400  # letters of a file's name with its folders
MOST_ANNOTATIONS = 256  # annotation files: one per picture of a batch, and room for those that fit none
SWEEPS = ("lam", "alpha", "seed")
PLANES = ("pca", "tsne")
MAX_ROWS = 6  # methods of a filmstrip
COUNTS = (2, 16)  # bundled photographs of a batch, at least and at most

NOT_ON_THE_PAGE = ("detector", "path")  # parameters of methods: the page has one detector for all; paths are the host's
OPENS = re.compile(r"\bpath\s*=")  # also within the text of a switch


# ---------------------------------------------------------------- checks


def _method(name: Any, _request: Any) -> None:
    with as_user_error():
        lookup(METHODS, name)


def _methods(names: Any, request: Request) -> None:
    if not isinstance(names, tuple) or not 1 <= len(names) <= MAX_ROWS:
        raise UserError("error.methods", most=MAX_ROWS)
    for name in names:
        _method(name, request)


def _parameters(parameters: Any, request: Request) -> None:
    if not isinstance(parameters, Mapping) or "detector" in parameters:
        raise malformed("Parameters are the method's own, by name; the detector is chosen for the whole page.")
    request.chosen(request.method, parameters)


def _only(names: Any, request: Request) -> None:
    on_grid = request.view == "grid"
    if names is None:
        return
    if not _is_names(names, 1, len(METHODS) if on_grid else 100):
        raise malformed("The cards to draw should be some, or all.")
    for name in names if on_grid else ():
        _method(name, request)


def _begin(count: Any, _request: Any) -> None:
    if isinstance(count, bool) or not isinstance(count, int) or not 0 <= count <= 100:
        raise malformed("The networks to begin with should be a number of them.")


def _classes(names: Any, _request: Any) -> None:
    if not _is_names(names, 2, 2):
        raise malformed("There are two classes to look for.")


def _files(files: Any, _request: Any) -> None:
    if files and not LEAST <= len(files) <= MOST:
        few = len(files) < LEAST
        raise UserError("batch.few" if few else "embed.many", least=LEAST, most=MOST, count=len(files))


def _network(name: Any, request: Any) -> None:
    if name != "":
        one_of("network", zoo.trained)(name, request)


def _box(box: Any, _request: Any) -> None:
    if box is not None and not is_box(box):
        raise UserError("error.box")


def _marked(marks: Any, _request: Any) -> None:
    """The visitor's own boxes and masks of the objects of A and B."""
    if not isinstance(marks, tuple) or len(marks) != 2:
        raise UserError("error.box")
    for mark in marks:
        if isinstance(mark, PaintedMask):
            if not mark.usable:
                raise UserError("error.painted", side=MARK_SIDE, most=MOST_RUNS)
        else:
            _box(mark, _request)


def _marks(state: Mapping[str, Any], _checked_path: Any) -> Any:
    """The marks of A's and B's objects among ``marks``, which the script keeps by the path of the picture."""
    marks = state.get("marks")
    return tuple(of_json(marks.get(state.get(letter))) if isinstance(marks, dict) else None for letter in "ab")


def _mask(mask: Any, _request: Any) -> None:
    rows = isinstance(mask, tuple) and len(mask) == CELLS
    if mask is None or (
        rows and all(isinstance(row, str) and len(row) == CELLS and set(row) <= {"0", "1"} for row in mask)
    ):
        return
    raise UserError("error.mask", cells=CELLS)


def _is_names(names: Any, least: int, most: int) -> bool:
    several = isinstance(names, tuple) and least <= len(names) <= most
    return several and all(isinstance(name, str) and len(name) <= MAX_NAME for name in names)


def is_box(box: Any) -> bool:
    """Return whether a value is a non-empty box (top, left, bottom, right) in fractions of the sides."""
    if not isinstance(box, tuple | list) or len(box) != 4 or not all(map(is_number, box)):
        return False
    top, left, bottom, right = box
    return 0 <= top < bottom <= 1 and 0 <= left < right <= 1


# ---------------------------------------------------------------- reading and writing of addresses


def _picture(letter: str) -> dict[str, Any]:
    """Address options of a picture: a bundled photograph's file name; a visitor's own picture is never written."""

    def write(path: str, _request: Any) -> dict[str, str]:
        return {letter: Path(path).stem} if pictures.photograph_of(path) else {}

    def read(query: Mapping[str, str], _state: Any) -> dict[str, str]:
        name = {Path(name).stem: name for name in pictures.photographs()}.get(query.get(letter, ""))
        if name is None:
            return {}
        return {letter: pictures.photograph_path(name), f"name_{letter}": pictures.photographs()[name]["label"]}

    return {"keys": (letter,), "write": write, "read": read}


def _write_parameters(parameters: Mapping[str, Any], _request: Any) -> dict[str, Any]:
    return {f"p.{name}": value for name, value in parameters.items()}


def _read_parameters(query: Mapping[str, str], state: Mapping[str, Any]) -> dict[str, Any]:
    cls, found = METHODS.get(state.get("method", "cutmix")), {}
    if cls is None:
        return {"parameters": found}
    for name in cls.parameters():
        if name not in NOT_ON_THE_PAGE and query.get(f"p.{name}"):
            with suppress(ValueError):
                found[name] = cls.parse(name, query[f"p.{name}"])
    return {"parameters": found} if found or "method" in state else {}


def _write_box(box: tuple[float, ...] | None, _request: Any) -> dict[str, str]:
    return {} if box is None else {"box": ",".join(f"{edge:.4g}" for edge in box)}


def _read_box(query: Mapping[str, str], _state: Any) -> dict[str, Any]:
    edges = [number_of(edge) for edge in query.get("box", "").split(",")]
    return {"box": edges} if is_box(edges) else {}


def _write_classes(classes: tuple[str, str], _request: Any) -> dict[str, str]:
    return {f"class_{key}": name for key, name in zip("ab", classes, strict=True) if name}


def _read_classes(query: Mapping[str, str], _state: Any) -> dict[str, Any]:
    if not (query.get("class_a") or query.get("class_b")):
        return {}
    known = {name.casefold() for one in zoo.names() for name in zoo.card(one).data.classes} | {"*"}
    asked = [query.get(f"class_{key}", "") for key in "ab"]
    return {"classes": [name if name.casefold() in known else "" for name in asked]}


def _read_methods(query: Mapping[str, str], state: Mapping[str, Any]) -> dict[str, Any]:
    """The compared methods; filmstrips whose address names no method are about the first of them."""
    if not query.get("methods"):
        return {}
    names = query["methods"].split(",")
    first = {"method": names[0]} if state.get("view") == "sweep" and "method" not in state else {}
    return {"methods": names} | first


_NAMES: dict[str, Any] = {
    "write": lambda names, _: {"methods": ",".join(names)},
    "read": _read_methods,
}
_COUNT = number_in_address("count", whole=True)
_COUNT |= {"write": lambda count, request: {} if request.files else {"count": int(count)}}
_NETWORK: dict[str, Any] = {"write": lambda name, _: {"network": name} if name else {}}
_JOINED: dict[str, Any] = {
    "write": lambda joined, _: {"joined": 1} if joined else {},
    "read": lambda query, _: {"joined": True} if query.get("joined") == "1" else {},
}


# ---------------------------------------------------------------- conversion of the script's values


def _path(letter: str) -> Callable[[Mapping[str, Any], Any], str]:
    return lambda state, checked_path: checked_path(state.get(letter))


def _name(letter: str) -> Callable[[Mapping[str, Any], Any], str]:
    return lambda state, _: checked_name(state.get(f"name_{letter.lower()}"), letter)


def networks_of(state: Any, checked_path: Any) -> tuple[tuple[str, str], ...]:
    """Check and return the paths (card, weights) of the visitor's own networks.

    Raises:
        UserError: a malformed pair, a missing file, or too many networks.
    """
    own = state.get("own") if isinstance(state, dict) else None
    pairs = own if isinstance(own, list) else []
    if len(pairs) > MAX_OWN or any(not isinstance(pair, list) or len(pair) != 2 for pair in pairs):
        raise UserError("error.own", most=MAX_OWN)
    try:
        return tuple((checked_path(card), checked_path(weights)) for card, weights in pairs)
    except UserError:
        raise UserError("error.own_gone") from None


def files_of(state: Any, checked_path: Any) -> tuple[tuple[str, str], ...]:
    """Check and return the visitor's own pictures (path, name) of a batch.

    Raises:
        UserError: a malformed pair, or too many pictures.
    """
    return _named_files(state, "files", MOST, "embed.many", checked_path)


def annotations_of(state: Any, checked_path: Any) -> tuple[tuple[str, str], ...]:
    """Check and return the visitor's annotation files (path, name).

    Raises:
        UserError: a malformed pair, or too many files.
    """
    return _named_files(state, "annotations", MOST_ANNOTATIONS, "annotations.many", checked_path)


def _named_files(state: Any, key: str, most: int, many: str, checked_path: Any) -> tuple[tuple[str, str], ...]:
    given = state.get(key) if isinstance(state, dict) else None
    pairs = given if isinstance(given, list) else []
    if len(pairs) > most:
        raise UserError(many, most=most, count=len(pairs))
    if any(not isinstance(pair, list) or len(pair) != 2 or not isinstance(pair[1], str) for pair in pairs):
        raise malformed("Every file has a path and a name.")
    return tuple((checked_path(path), name[-MAX_PATH:]) for path, name in pairs)


def language_of(state: Any) -> str:
    """Return the language of the script's state if the page has it, else English."""
    language = state.get("language") if isinstance(state, dict) else None
    return language if isinstance(language, str) and language in texts() else "en"


def checked_name(name: Any, default: str) -> str:
    """Normalize a label: one line, at most 24 characters, never empty."""
    whole = str(name or "").encode("utf-8", "replace").decode()  # a lone surrogate cannot be sent
    return " ".join(whole.split())[:24] or default


# ---------------------------------------------------------------- the state


@dataclass(frozen=True)
class Request:
    """A validated state of the page, made from untrusted values.

    ``a`` and ``b`` are paths checked by :func:`mixviz.ui.boundary.checked_path`. ``lam`` None draws λ; ``alpha`` None
    keeps each method's own. ``box`` (top, left, bottom, right) in fractions of the sides and ``mask`` (CELLS strings of
    CELLS digits, 1 keeps A) are the visitor's changes; ``marked`` holds the visitor's own boxes or masks of the objects
    of A and B, or None. ``only`` names the cards to draw, of methods or networks; None means all. ``begin`` adds so
    many of the networks that suit the classes in sight. The heat maps explain two ``classes`` in ``subject``: each a
    name, "*" for the predicted class, or "" for the class of A or B. ``layer`` is "" for the card's layer with finer
    maps, "card" for that layer as it was measured, or the number of resolutions before the last. ``joined``
    adds the visitor's own pictures to the bundled ones that are measured. ``own`` holds the paths (card, weights) of
    the visitor's own networks. The filmstrips compare ``method`` with ``methods``. A batch consists of the first
    ``count`` bundled photographs, or of the visitor's ``files``: (path, name in its folder), with the objects of
    their ``annotations``, likewise; ``skip`` leaves out what is wrong in those. ``still`` also requests what λ and the
    seed do not change; ``strip`` also requests each detector's maps, ``outlines`` the objects in each mixture.

    Raises:
        UserError: an unusable value, with a text for the visitor.
    """

    view: str = stated(one_of("view", lambda: views()), "learn", key="view")
    method: str = stated(_method, "cutmix", key="method")
    a: str = stated(anything, from_json=_path("a"), **_picture("a"))
    b: str = stated(anything, from_json=_path("b"), **_picture("b"))
    name_a: str = stated(anything, "A", from_json=_name("A"), by_name=False)
    name_b: str = stated(anything, "B", from_json=_name("B"), by_name=False)
    lam: float | None = stated(
        number(0, 1, "error.lam", optional=True), 0.6, null=True, **number_in_address("lam", none="drawn")
    )
    alpha: float | None = stated(number(0.05, 8, "error.alpha", optional=True), None, **number_in_address("alpha"))
    seed: int = stated(
        number(0, MAX_SEED, "error.seed", whole=True), 0, null=True,
        **number_in_address("seed", whole=True),
    )  # fmt: skip
    detector: str = stated(one_of("detector", detector_options.titles), "fine_grained", key="detector")
    parameters: Mapping[str, Any] = stated(_parameters, {}, write=_write_parameters, read=_read_parameters)
    box: tuple[float, float, float, float] | None = stated(_box, None, key="box", write=_write_box, read=_read_box)
    mask: tuple[str, ...] | None = stated(_mask, None)
    marked: tuple[Any, Any] = stated(_marked, (None, None), from_json=_marks)
    over: str = stated(one_of("over", lambda: SWEEPS), "lam", key="over", views=("sweep",))
    methods: tuple[str, ...] = stated(_methods, ("mixup", "cutmix"), key="methods", views=("sweep",), **_NAMES)
    subject: str = stated(one_of("subject", lambda: SUBJECTS), "a", key="subject", views=("localize",))
    kind: str = stated(one_of("kind", lambda: KINDS), "grad_cam", key="kind", views=("localize",))
    layer: str = stated(one_of("layer", lambda: LAYERS), "", key="layer", views=("localize",))
    classes: tuple[str, str] = stated(
        _classes, ("", ""), keys=("class_a", "class_b"), write=_write_classes, read=_read_classes,
        views=("localize", "compare"),
    )  # fmt: skip
    count: int = stated(number(*COUNTS, "error.count", whole=True), 8, views=("batch",), **_COUNT)
    joined: bool = stated(boolean, False, key="joined", views=("which",), **_JOINED)
    network: str = stated(_network, "", key="network", views=("embeddings",), **_NETWORK)
    plane: str = stated(one_of("plane", lambda: PLANES), "pca", key="plane", views=("embeddings",))
    own: tuple[tuple[str, str], ...] = stated(anything, (), from_json=networks_of, views=("localize",))
    files: tuple[tuple[str, str], ...] = stated(_files, (), from_json=files_of, views=("batch",))
    annotations: tuple[tuple[str, str], ...] = stated(anything, (), from_json=annotations_of, views=("batch",))
    only: tuple[str, ...] | None = stated(_only, None, per_question=True)
    begin: int = stated(_begin, 0, per_question=True)
    still: bool = stated(anything, True, per_question=True)
    strip: bool = stated(anything, False, per_question=True)
    outlines: bool = stated(anything, False, per_question=True)
    skip: bool = stated(boolean, False, per_question=True)
    language: str = stated(
        one_of("language", texts), "en", from_json=lambda state, _: language_of(state), per_question=True
    )

    def __post_init__(self) -> None:
        for name, field in FIELDS.items():
            field.check(getattr(self, name), self)

    def chosen(self, name: str, parameters: Mapping[str, Any] | None = None) -> Method:
        """Make the named method with its own parameters, the page's α and the page's detector.

        Raises:
            UserError: an unknown name or parameter, or one out of range.
        """
        with as_user_error():
            cls = lookup(METHODS, name)
        known, values = cls.parameters(), dict(parameters or {})
        if self.alpha is not None and "alpha" in known:
            values.setdefault("alpha", float(self.alpha))
        if "detector" in known:
            values["detector"] = detector_options.detector(self.detector)
        unknown = set(values) - set(known)
        if unknown:
            raise malformed(f"{cls.card.title} has no parameter {', '.join(sorted(map(str, unknown)))}.")
        if any(OPENS.search(f"{name}={value}") for name, value in values.items()):
            raise malformed("Visitors of the page do not open files of its machine.")
        with as_user_error(ValueError, TypeError):
            return cls(**values)

    def pixels(self, size: int) -> tuple[int, int, int, int] | None:
        """Return the box in whole pixels, at least one in each direction."""
        if self.box is None:
            return None
        top, left, bottom, right = (round(edge * size) for edge in self.box)
        top, left = min(top, size - 1), min(left, size - 1)
        return top, left, max(bottom, top + 1), max(right, left + 1)

    def weights(self, size: int) -> Tensor | None:
        """Return the painted mask (size, size), 1 where A is kept."""
        return None if self.mask is None else edits.mask_from_cells(self.mask, size)

    def query(self) -> str:
        """Return the address of this state; it names bundled pictures only, and none of the visitor's files."""
        said: dict[str, Any] = {}
        for name, field in FIELDS.items():
            if field.write and field.concerns(self.view):
                said |= field.write(getattr(self, name), self)
        return urlencode(said, safe=",.")


FIELDS: dict[str, Field] = {one.name: one.metadata["field"] for one in fields(Request)}
LINKED = tuple(key for field in FIELDS.values() for key in field.keys)  # keys of the address, for the page's script


def first_request() -> Request:
    """Return the initial state of the page, with the first of the bundled pairs."""
    pair = pictures.pairs()[0]
    a, b = (pictures.photographs()[pair[key]] for key in "ab")
    path_a, path_b = (pictures.photograph_path(one["file"]) for one in (a, b))
    return Request(a=path_a, b=path_b, name_a=a["label"], name_b=b["label"])


def beginning() -> dict[str, Any]:
    """Return the initial data of the page's script: ``state``, and ``fields``, the keys of an address."""
    start = first_request()
    state = {name: getattr(start, name) for name, field in FIELDS.items() if not field.per_question}
    return {"state": {name: {} if name == "parameters" else value for name, value in state.items()}, "fields": LINKED}


def of_state(state: Any, checked_path: Any) -> Request:
    """Build a request from the state that the page's script sent.

    Args:
        state: the state of the page's script.
        checked_path: returns the real path of an allowed picture, or raises.

    Raises:
        UserError: an invalid state.
    """
    if not isinstance(state, dict):
        raise malformed("The page sent no state.")
    known: dict[str, Any] = {}
    for name, field in FIELDS.items():
        if field.from_json:
            if field.keys or field.concerns(state.get("view")):
                known[name] = field.from_json(state, checked_path)
        elif state.get(name) is not None or (field.null and name in state):
            known[name] = tuple(state[name]) if isinstance(state[name], list) else state[name]
    return Request(**known)


def of_query(query: Mapping[str, str]) -> dict[str, Any]:
    """Return the state of an address without its unusable parts, so that a damaged link still opens the page."""
    state: dict[str, Any] = {}
    for field in FIELDS.values():
        if field.read:
            state |= field.read(query, state)
    return state


def replaced(query: Mapping[str, str], good: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """List what an address asked for in vain: (key, value in the address, value in its place).

    Args:
        query: the keys and values of the address.
        good: the usable state of the address.
    """
    start = first_request()
    shown = replace(start, **good)
    parameters = [key for key in query if key.startswith("p.")]
    lost = []
    for name, field in FIELDS.items():
        if not field.write:
            continue
        asked = [key for key in (*field.keys, *(parameters if name == "parameters" else ())) if query.get(key)]
        kept = field.write(good[name], shown) if name in good else {}
        now = {**field.write(getattr(start, name), start), **field.write(getattr(shown, name), shown)}
        lost += [(key, query[key], str(now.get(key, ""))) for key in asked if key not in kept]
    return lost


def usable(state: Mapping[str, Any]) -> dict[str, Any]:
    """Return the usable fields of a state; each is checked alone, so that a bad value does not cost the others."""
    good: dict[str, Any] = {}
    for name, field in FIELDS.items():
        if name not in state:
            continue
        value = tuple(state[name]) if isinstance(state[name], list) else state[name]
        if field.check is not anything:
            given: dict[str, Any] = good | {"a": "", "b": "", name: value}
            try:
                Request(**given)
            except (UserError, TypeError):
                continue
        good[name] = value
    return good
