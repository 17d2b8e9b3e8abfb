"""The scripts of the page's own components: the first ones come with the page, a view's own when it is first opened."""

from __future__ import annotations

import functools
import hashlib

from fastapi import Request, Response
from starlette.routing import Route

from mixviz.ui import files

GIVEN = "element, trigger, props, server, upload"  # what Gradio hands to a component's script
# Scripts before a component's own.
HELPERS = {
    "detail": ("lib/grab", "lib/stage", "lib/parameters"),
    "batch": ("lib/parameters", "lib/sending", "lib/arrows"),
    "localize": ("lib/grab", "lib/svg", "lib/plot", "lib/heat"),
    "compare": (
        "lib/svg", "lib/plot", "lib/tables", *(f"views/compare/{n}" for n in ("zoo_table", "zoo_plots", "between"))
    ),
    "which": ("lib/svg", "lib/plot", "lib/tables", "views/which/choices", "views/which/candidate"),
    "tree": ("lib/svg", "views/tree/lineage"),
    "embeddings": (
        "lib/svg", "lib/scatter", "lib/scatter_figure", "lib/tables", "views/embeddings/answers", "lib/sending",
        "views/embeddings/folder",
    ),
}  # fmt: skip
PARTS = ("bridge", "lesson", "pairs")  # around the views
LATE = (*HELPERS, "draws", "sweep")


@functools.cache
def script(name: str) -> str:
    """A component's script after what it shares with others."""
    own = f"{'parts' if name in PARTS else 'views'}/{name}"
    return "".join(files.text(f"web/{part}.js") for part in ("lib/page", *HELPERS.get(name, ()), own))


@functools.cache
def _module(name: str) -> tuple[str, bytes]:
    """The name under which a late script is served, with a hash of what it says, and what that is."""
    content = f"export default ({GIVEN}) => {{\n{script(name)}\n}};\n".encode()
    return f"{name}-{hashlib.sha256(content).hexdigest()[:12]}.js", content


def on_load(name: str) -> str:
    """What a component runs when it appears."""
    if name not in LATE:
        return script(name)
    # Gradio looks into it for the names of events. A proxy may have changed all of its root but the path.
    return f"""
const {{ pathname }} = new URL(window.gradio_config?.root || "/", location.href); // it may trigger "input"
const wanted = `${{location.origin}}${{pathname.replace(/\\/$/, "")}}/mixviz/{_module(name)[0]}`;
import(wanted).catch(() => import(`${{wanted}}?again`)).then(
  (part) => part.default({GIVEN}),
  () => {{ element.querySelector(".mv-part").textContent = JSON.parse(props.label).reload; }},
);"""


async def _serve(request: Request) -> Response:
    known = dict(map(_module, LATE))
    content = known.get(request.path_params["name"])
    if content is None:
        return Response("No such file.", 404, media_type="text/plain")
    return Response(content, media_type="text/javascript", headers=files.KEPT)


def routes() -> list[Route]:
    """Where they are served."""
    return [Route("/mixviz/{name}", _serve)]
