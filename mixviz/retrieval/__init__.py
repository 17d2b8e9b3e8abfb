"""Find pictures: an index of embeddings on disk, nearest neighbours in it, and matching of local features.

faiss and OpenCV are imported where they are used.
"""

from mixviz.retrieval.build import build
from mixviz.retrieval.matching import Features, Match, local_features, match, rerank
from mixviz.retrieval.merge import merge
from mixviz.retrieval.search import Found, Searcher
from mixviz.retrieval.store import Store

__all__ = [
    "Features", "Found", "Match", "Searcher", "Store", "build", "local_features", "match", "merge", "rerank",
]  # fmt: skip
