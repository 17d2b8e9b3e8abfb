"""Serve Gradio's own scripts and style sheets from memory (see gradio_compat)."""

from __future__ import annotations

import functools
import mimetypes

from fastapi import Request, Response
from starlette.routing import Route

from mixviz.ui.gradio_compat import FRONTEND

KEPT = {"Cache-Control": "public, max-age=31536000, immutable"}  # the names contain a hash of the content


@functools.cache
def _names() -> frozenset[str]:
    return frozenset(path.name for path in FRONTEND.glob("*") if path.is_file())


@functools.lru_cache(maxsize=256)
def _read(name: str) -> bytes:
    return (FRONTEND / name).read_bytes()


async def asset(request: Request) -> Response:
    """Serve one of Gradio's files by name."""
    name = request.path_params["name"]
    if name not in _names():
        return Response("No such file.", 404, media_type="text/plain")
    return Response(_read(name), media_type=mimetypes.guess_type(name)[0], headers=KEPT)


def routes() -> list[Route]:
    """Return the routes that precede Gradio's own."""
    return [Route("/assets/{name}", asset)] if FRONTEND.is_dir() else []
