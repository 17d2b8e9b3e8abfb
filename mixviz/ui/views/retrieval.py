"""View of retrieval: which pictures of a gallery each network finds most similar to one, and what it looks at."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from torch import Tensor

from mixviz.cam.inference import KnownModel
from mixviz.data import pictures
from mixviz.i18n import UserError
from mixviz.networks import zoo
from mixviz.render import overlays
from mixviz.ui.boundary import checked_path
from mixviz.ui.errors import as_user_error
from mixviz.ui.registry import View
from mixviz.ui.services import (
    detector_options,
    head_maps,
    host_gallery,
    local_matches,
    networks,
    photo_gallery,
    rankings,
)
from mixviz.ui.services.background import Progress
from mixviz.ui.services.photo_gallery import Query
from mixviz.ui.services.tiling import COLUMNS, picture, sheet
from mixviz.ui.state import Request, networks_of, of_state

MASK_SIDE = 448  # pixels of an object's mask, which networks' views are cut from


def retrieval(request: Request) -> dict[str, Any]:
    """Return small pictures of A and B, and by gallery which of its pictures they are, or None, and their classes."""
    answer: dict[str, Any] = {"places": {}, "labels": {}}
    for name, one in host_gallery.galleries().items():
        places = {path: index for index, path in enumerate(one.paths)}
        answer["places"][name] = [places.get(request.a), places.get(request.b)]
        answer["labels"][name] = [one.class_named(label) for label in (request.name_a, request.name_b)]
    tiles = [picture(path, photo_gallery.SIDE) for path in (request.a, request.b)]
    return {"sheet": overlays.data_uri(sheet(tiles, 2)), **answer}


def gallery(state: Any) -> dict[str, Any]:
    """Return the gallery's pictures with their classes, and the networks with what their cards say.

    While a folder is being read, ``progress`` tells how far that is, and there is no sheet.
    """
    known, shown = _known(state), host_gallery.chosen(state)
    drawn = host_gallery.sheet(shown)
    waits = isinstance(drawn, Progress)
    return {
        "gallery": shown.name,
        "galleries": [{"name": name, "title": one.title} for name, one in host_gallery.galleries().items()],
        "labels": [item.label for item in shown.items],
        "total": shown.total,
        "sheet": None if waits else drawn,
        "progress": drawn._asdict() if waits else None,
        "columns": COLUMNS,
        "networks": [
            {
                "name": name,
                "title": one.title,
                "reference": name == zoo.REFERENCE,
                "retrieval": rankings.for_retrieval(one.card),
                **rankings.facts(one.card),
            }
            for name, one in known.items()
        ],
        "first": rankings.first_shown(known),
    }


def ranked(state: Any) -> dict[str, Any]:
    """Rank the gallery by the network ``searcher`` for the picture ``query``."""
    with as_user_error():
        return rankings.ranked(_network(state), _query_of(state), host_gallery.chosen(state))


def places(state: Any) -> dict[str, Any]:
    """Return the maps of the picture ``query`` by the network ``searcher``."""
    known, query = _network(state), _query_of(state)
    scorer = known if known.card.network.scores else _reference()
    with as_user_error():
        return head_maps.maps(known, scorer, query.path, _object_of(state, query))


def matched(state: Any) -> dict[str, Any]:
    """Match local features of the pictures ``query`` and ``with`` by the network ``searcher``."""
    other = _query_of({**state, "query": state.get("with")} if isinstance(state, dict) else None)
    with as_user_error():
        return local_matches.matches(_network(state), _query_of(state).path, other.path)


def _query_of(state: Any) -> Query:
    return host_gallery.chosen(state).query_of(state, checked_path)


def _known(state: Any) -> dict[str, KnownModel]:
    return networks.to_look_inside(networks_of(state, checked_path)) | networks.for_retrieval()


def _network(state: Any) -> KnownModel:
    """Return the network that a request names.

    Raises:
        UserError: there is none of this name.
    """
    known, name = _known(state), state.get("searcher") if isinstance(state, dict) else None
    if not isinstance(name, str) or name not in known:
        raise UserError("error.one_of", name="network", known=", ".join(known))
    return known[name]


def _reference() -> KnownModel:
    """Return the first network of the zoo that has class scores."""
    return next(one for one in networks.known_networks().values() if one.card.network.scores)


def _object_of(state: Any, query: Query) -> Tensor | None:
    """Return the mask of the query's object in its middle square, from the visitor or the photograph; None: unknown."""
    request = of_state(state, checked_path)
    mark = {request.a: request.marked[0], request.b: request.marked[1]}.get(query.path)
    if mark is None and pictures.photograph_of(query.path) is None:
        return None
    masks = detector_options.objects(query.path, query.path, MASK_SIDE, (mark, mark))
    return None if masks is None else masks[0]


def warm_up() -> None:
    """Embed the bundled gallery by the networks that are shown first, and the host's by the reference.

    Not if the zoo is empty: then the page tells the visitor so.
    """
    with suppress(UserError):
        known = networks.known_networks() | networks.for_retrieval()
        for name in rankings.first_shown(known):
            rankings.vectors(known[name], photo_gallery.bundled().paths)
        if (own := host_gallery.host_gallery()) is not None:
            host_gallery.sheet(own, wanted=True)
            host_gallery.indexed(own, _reference(), wanted=True)


def check() -> None:
    """Raise ValueError unless the folder that the host names, if any, is a gallery."""
    host_gallery.host_gallery()


VIEW = View(
    "retrieval", 30, retrieval, "inside", controls=("pictures",), functions=(gallery, ranked, places, matched),
    warm_up=warm_up, check=check, example="query=b",
)  # fmt: skip
