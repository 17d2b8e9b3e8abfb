"""The gallery: networks of timm on the Hugging Face hub, one architecture with other augmentation, fetched by name.

``gallery.json`` lists them. Top-1 is of timm's ``results/results-imagenet.csv``, in percent at the entry's size.
"""

from __future__ import annotations

import errno
import hashlib
import http.client
import json
import os
import re
import ssl
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from email.message import Message
from pathlib import Path
from typing import Any, BinaryIO, Literal

from mixviz import resources
from mixviz.core.registry import lookup
from mixviz.networks import card_text, model_card, user_network, zoo
from mixviz.networks.model_card import ModelCard
from mixviz.version import __version__

LIST = Path(__file__).with_name("gallery.json")
ENDPOINT, HUB = "HF_ENDPOINT", "https://huggingface.co"  # the environment variable, and its default
WANTED = "MIXVIZ_NETWORKS"  # names to fetch before anybody asks, with commas between
FILE = "model.safetensors"
CHUNK, PATIENCE = 2**20, 30  # bytes read at a time, and seconds without an answer
MOMENT = 0.1  # seconds between two questions whether a download that waits was cancelled
ABANDONED = 10 * PATIENCE  # seconds after which a part that nobody has written to is of a process that was ended
MARGIN = 1.05  # a file may exceed the listed size by a twentieth
PICKLES = (b"PK\x03\x04", b"\x80")  # how files of torch.save begin, new and old

Progress = Callable[[int, int], None]  # bytes done, and bytes in all, 0 where the hub does not say

_locks: dict[str, threading.Lock] = {}


class FetchError(ValueError):
    """A network could not be fetched.

    Attributes:
        why: ``offline``: the hub cannot be reached; ``changed``: its file is another one than before; ``full`` and
            ``unwritable``: the disk; ``cancelled``: nobody wants it any more; ``refused``: everything else.
    """

    def __init__(
        self, message: str, why: Literal["offline", "changed", "full", "unwritable", "cancelled", "refused"]
    ) -> None:
        super().__init__(message)
        self.why = why


@dataclass(frozen=True)
class Entry:
    """A network of the hub.

    Attributes:
        name: timm's, e.g. ``resnet50.a1_in1k``.
        title: for people.
        repository: on the hub.
        revision: the hub's commit; empty: the newest at the first download, which the card then names.
        sha256: of the file; empty: what the hub says at the first download, which the card then names.
        architecture: timm's name.
        augmentation: in training, as ``documented`` there; without an address there is no document to name.
        loss: ``bce`` for binary cross-entropy, see :class:`mixviz.networks.model_card.NetworkSpec`.
        top1: accuracy on ImageNet in percent, as timm measured it.
        license: of the weights.
        megabytes: of the file.
        image_size, crop, interpolation, mean, std, layer: as in :class:`mixviz.networks.model_card.NetworkSpec`.
    """

    name: str
    title: str
    repository: str
    revision: str
    sha256: str
    architecture: str
    augmentation: str
    documented: str
    loss: str
    top1: float
    license: str
    megabytes: float
    image_size: int
    crop: float
    interpolation: str
    mean: list[float]
    std: list[float]
    layer: str

    @property
    def terms(self) -> str:
        """Size and licence, for people."""
        return f"{self.megabytes:.0f} MB, licence {self.license}"

    def card(self, sha256: str, revision: str) -> ModelCard:
        """Return the card of the downloaded file; its classes are those of the zoo's reference."""
        about = zoo.card(zoo.REFERENCE).given["data"]
        network = {key: getattr(self, key) for key in ("image_size", "mean", "std", "crop", "interpolation", "loss")}
        network |= {"name": self.architecture, "stem": "standard", "width": 1.0}
        network |= {"layer": self.layer} if self.layer else {}
        source = f"{HUB}/{self.repository}/blob/{revision}/{FILE}"
        weights = {"file": user_network.WEIGHTS, "sha256": sha256, "license": self.license, "source": source}
        told = {key: getattr(self, key) for key in ("augmentation", "documented", "top1")}
        return ModelCard.from_json({
            "title": self.title, "data": about, "network": network, "weights": {**weights, "revision": revision},
            "elsewhere": told,
        })  # fmt: skip


def entries() -> dict[str, Entry]:
    """Return the networks that can be fetched, by name."""
    listed = json.loads(LIST.read_text(encoding="utf-8"))
    return {values["name"]: Entry(**values) for values in listed}


def get(name: str, progress: Progress | None = None, cancelled: Callable[[], bool] = lambda: False) -> Path:
    """Fetch a network, unless it is there and intact; threads that ask for the same one wait for one download.

    The file is written under another name until its size, its sha256, and the names and shapes of its tensors are
    right: nothing that was there is lost before.

    Args:
        name: of :func:`entries`.
        progress: called with the bytes done and the bytes in all.
        cancelled: asked between two reads, and while another thread fetches the same network. Once it says True the
            download ends, and nothing of it stays.

    Returns:
        The network's folder in :func:`mixviz.resources.networks`.

    Raises:
        FetchError: no connection, a file that is not what it should be, or no room for it; says what to do. Or the
            download was cancelled.
        ValueError: no such network.
    """
    entry, home = lookup(entries(), name), resources.networks() / name
    told = progress or (lambda _done, _all: None)

    def tell(done: int, total: int) -> None:
        refuse_cancelled(name, cancelled)
        told(done, total)

    lock = _locks.setdefault(name, threading.Lock())
    while not lock.acquire(timeout=MOMENT):
        refuse_cancelled(name, cancelled)
    try:
        before = _before(home)
        with suppress(ValueError):
            if before is not None:
                user_network.verify(home)
                return home
        return _fetched(entry, home, before, tell)
    finally:
        lock.release()


def refuse_cancelled(name: str, cancelled: Callable[[], bool]) -> None:
    """Raise a :class:`FetchError` if a download was cancelled."""
    if cancelled():
        raise FetchError(f"The download of {name} was cancelled; nothing of it was kept.", "cancelled")


def preload(tell: Callable[[str], object] = print, fetch: Callable[[str], object] = get) -> list[str]:
    """Fetch the networks that the environment variable ``MIXVIZ_NETWORKS`` names, with commas between.

    Args:
        tell: gets a line about each network that could not be fetched; the others are fetched all the same.
        fetch: fetches one of them, as :func:`get` does.

    Returns:
        The names of those that are there.
    """
    there = []
    for name in filter(None, map(str.strip, os.environ.get(WANTED, "").split(","))):
        try:
            fetch(name)
            there.append(name)
        except ValueError as error:
            tell(f"{name}: {error}")
    return there


def _before(home: Path) -> ModelCard | None:
    """Return the card of an earlier download, if it can be read."""
    try:
        return model_card.read(home)
    except ValueError:
        return None


def _fetched(entry: Entry, home: Path, before: ModelCard | None, progress: Progress) -> Path:
    """Download the file, check it and put it into place, with its card."""
    recorded = before.given["weights"] if before is not None else {}
    revision = entry.revision or recorded.get("revision") or "main"
    expected = entry.sha256 or recorded.get("sha256") or ""
    path = home / f"{FILE}.{os.getpid()}.part"
    try:
        home.mkdir(parents=True, exist_ok=True)
        _tidy(home)
        with open(path, "wb") as part:
            sha256, heads = _download(entry, revision, part, progress)
            part.flush()
            os.fsync(part.fileno())
        expected = expected or _tag(heads, "x-linked-etag", 64) or _tag(heads, "etag", 64)
        if expected and sha256 != expected:
            raise FetchError(
                f"The hub's file for {entry.name} is another one: its sha256 is {sha256}, and {expected} was expected. "
                "Try again; if it stays so, ask the network's makers before you use it.",
                "changed",
            )
        card = entry.card(sha256, _tag(heads, "x-repo-commit", 40) or revision)
        _check(entry, card, path)
        progress(path.stat().st_size, path.stat().st_size)
        path.replace(home / user_network.WEIGHTS)
        card_text.write(home, card)
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        raise FetchError(
            f"{entry.name} with its {entry.megabytes:.0f} MB cannot be stored in {home} ({error.strerror}). Make room, "
            "or set MIXVIZ_HOME to a folder elsewhere.",
            "full" if full else "unwritable",
        ) from None
    finally:
        with suppress(OSError):  # keeps a folder that holds anything
            path.unlink(missing_ok=True)
            home.rmdir()
    return home


def _tidy(home: Path) -> None:
    """Remove what processes that were ended left of a download."""
    for path in home.glob(f"{FILE}.*.part"):
        if time.time() - path.stat().st_mtime > ABANDONED:
            path.unlink(missing_ok=True)


def _check(entry: Entry, card: ModelCard, path: Path) -> None:
    with open(path, "rb") as file:
        if file.read(4).startswith(PICKLES):
            raise FetchError(
                f"The hub's {FILE} of {entry.name} is a pickle, which may run programs when it is opened: refused.",
                "refused",
            )
    try:
        user_network.check(card, path)
    except ValueError as error:
        raise FetchError(f"The hub's file for {entry.name} cannot be used. {error}", "refused") from None


class _Hops(urllib.request.HTTPRedirectHandler):
    """Follows redirects, but never from HTTPS to less, and keeps the headers of the first answer, the hub's own."""

    def __init__(self) -> None:
        self.heads: dict[str, str] = {}

    def redirect_request(self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> Any:
        if req.full_url.startswith("https:") and not newurl.startswith("https:"):
            raise urllib.error.URLError("the hub leads to an address without HTTPS")
        self.heads = self.heads or _lower(headers)
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _download(entry: Entry, revision: str, part: BinaryIO, progress: Progress) -> tuple[str, dict[str, str]]:
    """Write the hub's file; return its sha256 and the hub's headers, in lower case.

    Raises:
        FetchError: no connection, no such file, one that is too large, or half of one.
    """
    base = os.environ.get(ENDPOINT, "").rstrip("/") or HUB
    if not base.startswith(("https://", "http://")):
        raise FetchError(f"{ENDPOINT} should be an address that starts with https://; it is {base!r}.", "refused")
    url = f"{base}/{entry.repository}/resolve/{revision}/{FILE}"
    hops, digest, done = _Hops(), hashlib.sha256(), 0
    most = int(entry.megabytes * 1e6 * MARGIN) + CHUNK
    request = urllib.request.Request(url, headers={"User-Agent": f"mixviz/{__version__}"})
    try:
        with urllib.request.build_opener(hops).open(request, timeout=PATIENCE) as answer:
            heads = hops.heads or _lower(answer.headers)
            length = answer.headers.get("Content-Length") or heads.get("x-linked-size") or ""
            total = int(length) if length.isdecimal() else 0
            if total > most:
                said = f"{total / 1e6:.0f} MB in place of {entry.megabytes:.0f} MB"
                raise FetchError(f"{url} has {said}: refused.", "refused")
            progress(0, total)
            while chunk := answer.read1(CHUNK):  # what is there: a slow line would fill a chunk in half a minute
                done += len(chunk)
                if done > most:
                    said = f"more than the {entry.megabytes:.0f} MB of its entry"
                    raise FetchError(f"{url} has {said}: refused.", "refused")
                digest.update(chunk)
                part.write(chunk)
                progress(done, total)
    except urllib.error.HTTPError as error:
        said = f"the hub answers {error.code} ({error.reason})"
        raise FetchError(f"{url} cannot be fetched: {said}.", "refused") from None
    except (urllib.error.URLError, http.client.HTTPException, TimeoutError, ConnectionError, ssl.SSLError) as error:
        reason = getattr(error, "reason", None) or error
        raise FetchError(
            f"{url} cannot be fetched ({reason}). Check the connection and try again; the networks that are there "
            f"work without one. Behind a mirror, set {ENDPOINT}.",
            "offline",
        ) from None
    if total and done != total:
        raise FetchError(
            f"Only {done / 1e6:.1f} of {total / 1e6:.1f} MB of {entry.name} arrived: the connection broke. Try again.",
            "offline",
        )
    return digest.hexdigest(), heads


def _lower(headers: Message) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}


def _tag(heads: dict[str, str], name: str, digits: int) -> str:
    """Return a header that is a hexadecimal number of so many digits, as a large file's sha256 is; else nothing."""
    tag = heads.get(name, "").removeprefix("W/").strip('"').lower()
    return tag if re.fullmatch(rf"[0-9a-f]{{{digits}}}", tag) else ""
