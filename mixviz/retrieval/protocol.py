"""The revisited Oxford and Paris protocol, measured on an index."""

from __future__ import annotations

import dataclasses
from collections import Counter
from pathlib import Path, PurePosixPath

import numpy as np
import torch

from mixviz.cam.inference import LoadedModel
from mixviz.data import decoding
from mixviz.data.pictures import View, view_of
from mixviz.embeddings import revisited
from mixviz.embeddings.extraction import embed
from mixviz.retrieval.search import Searcher
from mixviz.retrieval.store import Store


def scores(store: Store, model: LoadedModel, truth: str | Path, queries: str | Path) -> dict[str, revisited.Score]:
    """Rank an index for each query, cut out by its box, and score by every protocol that has something to find.

    Args:
        store: an index of the gallery, all of whose pictures it should hold.
        model: the network of the index.
        truth: JSON, see :func:`mixviz.embeddings.revisited.read`.
        queries: folder of the queries' pictures.

    Raises:
        ValueError: pictures of the ground truth that are missing, or in the index twice; says which.
    """
    known = revisited.read(truth)
    number = {PurePosixPath(name).stem: place for place, name in enumerate(known.gallery)}
    names = [PurePosixPath(name).stem for name in store.names()]
    if missing := sorted(set(number) - set(names)):
        raise ValueError(f"{store.folder} lacks {len(missing)} pictures of the gallery, the first is {missing[0]}.")
    if doubled := [name for name, times in Counter(names).items() if times > 1 and name in number]:
        raise ValueError(f"{store.folder} holds {len(doubled)} names of the gallery twice, the first is {doubled[0]}.")
    views = [_view(Path(queries), query, model.input_view) for query in known.queries]
    images = torch.from_numpy(np.stack(views)).permute(0, 3, 1, 2)
    vectors = torch.cat([embed(model.network, model.normalised(part)) for part in images.split(32)])
    found = Searcher.open(store, "exact").search(vectors, len(names))
    of_gallery = torch.tensor([number.get(name, -1) for name in names])
    ranks = torch.stack([row[row >= 0] for row in of_gallery[found.index]])
    result = {}
    for protocol, (wanted, _) in revisited.PROTOCOLS.items():
        if any(getattr(query, kind) for query in known.queries for kind in wanted):
            result[protocol] = revisited.score(ranks, known.queries, protocol)
    return result


def _view(folder: Path, query: revisited.Query, wanted: View) -> np.ndarray:
    candidates = [folder / query.name, *(folder / f"{query.name}{ending}" for ending in (".jpg", ".jpeg", ".png"))]
    path = next((path for path in candidates if path.is_file()), None)
    if path is None:
        raise ValueError(f"{folder} lacks the query {query.name}: --queries is the folder of the queries' pictures.")
    image = decoding.decode(path)
    left, top, right, bottom = query.box
    box = (max(0, round(left)), max(0, round(top)), min(image.width, round(right)), min(image.height, round(bottom)))
    if box[0] >= box[2] or box[1] >= box[3]:
        raise ValueError(f"The box of the query {query.name} lies outside its picture of {image.size} pixels.")
    return view_of(image.crop(box), dataclasses.replace(wanted, crop=1.0))
