"""``mixviz index``, ``mixviz find`` and ``mixviz revisited``: search pictures by their embeddings."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

    from mixviz.cam.inference import LoadedModel
    from mixviz.retrieval import Store

Index = Annotated[Path, typer.Option(help="Folder of the index.")]
Kind = Annotated[str, typer.Option(help="exact; ivf: by inverted lists, for large ones; auto: lists if there are any.")]
OfIndex = Annotated[str, typer.Option(help="Network, where it is not found under the name in the index.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("index")(index)
    app.command("find")(find)
    app.command("revisited")(revisited)


def index(
    what: Annotated[
        list[str], typer.Argument(metavar="FOLDER | merge PART...", help="A folder of pictures; or parts to merge.")
    ],
    out: Annotated[Path, typer.Option(help="Folder for the index.")],
    network: Annotated[str, typer.Option(help="A network of the zoo, a run, or a folder with card and weights.")] = "",
    part: Annotated[str, typer.Option(help="2/8: every eighth picture from the second on, to merge later.")] = "1/1",
    whiten: Annotated[int, typer.Option(help="Dimensions to keep by whitening; 0: no whitening.", min=0)] = 0,
    kind: Annotated[
        str, typer.Option(help="exact; ivf: with inverted lists; auto: with lists above 200,000.")
    ] = "auto",
    batch_size: Annotated[int, typer.Option(help="Pictures at a time; 0: as many as suit the processor.", min=0)] = 0,
    workers: Annotated[int, typer.Option(help="Threads that decode pictures; 0: one per processor.", min=0)] = 0,
) -> None:
    """Embed the pictures of a folder, to find similar ones.

    A stopped run goes on with the same line. Several processes or machines may each build a part:

        mixviz index photos --network efficientnet_lite0 --out index

        mixviz index photos --network efficientnet_lite0 --part 2/8 --out part2

        mixviz index merge part1 part2 … --out index
    """
    from mixviz.retrieval import merge

    if kind not in ("auto", "exact", "ivf"):
        raise ValueError(f"--kind is auto, exact or ivf; got {kind!r}.")
    if what[0] == "merge":
        store = merge(what[1:], out)
    elif len(what) > 1:
        raise ValueError(f"Give one folder of pictures; got {', '.join(what)}.")
    else:
        if not network:
            raise ValueError("Say which network embeds the pictures: --network efficientnet_lite0, or a run's folder.")
        store = _built(Path(what[0]), network, out, _part(part), batch_size, workers)
    left_out = store.left_out()
    for name, reason in list(left_out.items())[:5]:
        typer.echo(f"Left out: {name}: {reason}", err=True)
    if len(left_out) > 5:
        typer.echo(f"{len(left_out)} pictures could not be read: names-*.jsonl in {out}/ say why.", err=True)
    if store.head.parts == 1:
        _finish(store, whiten, kind)
    elif whiten or kind == "ivf":
        raise ValueError("--whiten and --kind ivf are of a whole index: give them to `mixviz index merge`.")
    next_ = "mixviz index merge" if store.head.parts > 1 else f"mixviz find PICTURE --index {out}"
    typer.echo(f"{store.head.total - len(left_out)} pictures are in {out}/; next: {next_}")


def _built(folder: Path, network: str, out: Path, part: tuple[int, int], batch_size: int, workers: int) -> Store:
    from tqdm import tqdm

    from mixviz.retrieval import build

    model = _opened(network)
    named = str(Path(network).resolve()) if Path(network).is_dir() else network
    with tqdm(unit="picture", disable=None) as bar:

        def progress(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        return build(
            folder, model, out, part=part, batch_size=batch_size, workers=workers, device=_device(), named=named,
            progress=progress,
        )  # fmt: skip


def _part(text: str) -> tuple[int, int]:
    match = re.fullmatch(r"(\d{1,6})/(\d{1,6})", text)
    number, count = map(int, match.groups()) if match else (0, 0)
    if not 1 <= number <= count:
        raise ValueError(f"--part should be such as 2/8, the second of eight; got {text!r}.")
    return number, count


def _finish(store: Store, whiten: int, kind: str) -> None:
    """Fit the whitening and make the lists anew, after all vectors are there."""
    from mixviz.retrieval import search
    from mixviz.retrieval.store import WHITENING

    for made_before in (search.LISTS, WHITENING):
        (store.folder / made_before).unlink(missing_ok=True)
    if whiten:
        store.whiten(whiten)
    if kind == "ivf" or (kind == "auto" and store.head.total > search.LARGE):
        if kind == "auto" and search.faiss() is None:
            typer.echo("faiss is not installed (pip install faiss-cpu): the index is searched exactly.", err=True)
            return
        search.add_lists(store)


def find(
    picture: Annotated[Path, typer.Argument(help="A picture.")],
    index: Index,
    top: Annotated[int, typer.Option(help="How many to find.", min=1)] = 20,
    rerank: Annotated[bool, typer.Option("--rerank", help="Order these by matches of local features.")] = False,
    kind: Kind = "auto",
    network: OfIndex = "",
) -> None:
    """Find the pictures of an index that are most similar to a picture.

    mixviz find photo.jpg --index index --top 20 --rerank
    """
    from mixviz.data import pictures
    from mixviz.embeddings.extraction import embed
    from mixviz.retrieval import Searcher, Store, search

    store = Store.open(index)
    model = _opened(network or store.head.network, store)
    view = pictures.load_view(picture, model.input_view)
    if search.faiss() is None:
        typer.echo("faiss is not installed (pip install faiss-cpu): all vectors are compared by torch.", err=True)
    searcher = Searcher.open(store, kind)
    found = searcher.search(embed(model.network, model.normalised(_images(view))), top)
    names = store.names()
    rows = [
        (names[place], similarity)
        for place, similarity in zip(found.index[0].tolist(), found.similarity[0].tolist(), strict=True) if place >= 0
    ]  # fmt: skip
    inliers: dict[str, int] = {}
    if rerank:
        rows, inliers = _reranked(model, picture, Path(store.head.root), rows)
    for rank, (name, similarity) in enumerate(rows, 1):
        counted = f"  {inliers[name]} inliers" if name in inliers else ""
        typer.echo(f"{rank:4}  {similarity:.4f}  {name}{counted}")


def _reranked(
    model: LoadedModel, picture: Path, root: Path, rows: list[tuple[str, float]]
) -> tuple[list[tuple[str, float]], dict[str, int]]:
    """Order rows by inliers; those whose pictures cannot be read any more stay behind the others."""
    import numpy as np

    from mixviz import retrieval
    from mixviz.data.dataset import read

    def features(path: Path) -> retrieval.Features:
        return retrieval.local_features(model, np.asarray(read(path, model.side)))

    query, readable, candidates, gone = features(picture), [], [], []
    for row in rows:
        try:
            candidates.append(features(root / row[0]))
            readable.append(row)
        except ValueError as error:
            typer.echo(f"Not matched: {error}", err=True)
            gone.append(row)
    order, matches = retrieval.rerank(query, candidates)
    inliers = {name: one.score for (name, _), one in zip(readable, matches, strict=True)}
    return [readable[i] for i in order] + gone, inliers


def revisited(
    truth: Annotated[Path, typer.Argument(help="Ground truth as JSON, with imlist, qimlist and gnd.")],
    index: Index,
    queries: Annotated[Path, typer.Option(help="Folder of the queries' pictures.")],
    network: OfIndex = "",
) -> None:
    """Score an index by the revisited Oxford and Paris protocol: easy, medium and hard."""
    from mixviz.retrieval import Store, protocol

    store = Store.open(index)
    for name, score in protocol.scores(store, _opened(network or store.head.network, store), truth, queries).items():
        at = ", ".join(f"mP@{k} {100 * value:.2f} %" for k, value in score.precision.items())
        typer.echo(f"{name:7} mAP {100 * score.mean_average_precision:.2f} %, {at} ({score.queries} queries)")


def _opened(network: str, store: Store | None = None) -> LoadedModel:
    """Open a network; with an index, check that it is the one that the index was made with."""
    from mixviz.cam import inference

    models = inference.open_networks(network)
    if len(models) != 1:
        raise ValueError(f"An index is of one network; got {network!r}.")
    if store is not None and models[0].sha256 != store.head.sha256:
        raise ValueError(
            f"{store.folder} was made with other weights than those of {network}: give the right ones with --network."
        )
    return models[0]


def _images(view: np.ndarray) -> Tensor:
    import torch

    return torch.from_numpy(view).permute(2, 0, 1)[None]


def _device() -> str:
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"
