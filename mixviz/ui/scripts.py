"""The page's own scripts: the ES modules of assets/web, served unchanged below a common hash.

The first view and the parts around all views are loaded with the page, and a view's modules when it is first opened.
"""

from __future__ import annotations

import functools
import hashlib
import json
import posixpath
import re
from typing import Any

from fastapi import Request, Response
from starlette.routing import Route

from mixviz.resources import assets
from mixviz.ui import files

FIRST = "first.js"  # loaded with the page
FOLDERS = [assets() / "web"]  # folders of modules; of two modules with the same path the first wins
_IMPORT = re.compile(r'^\s*(?:import|export)\b[^;]*?\bfrom "(\.[^"]+)"|^import "(\.[^"]+)"', re.MULTILINE)


@functools.cache
def modules() -> dict[str, bytes]:
    """Return the content of every module by its path below ``assets/web``."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for folder in reversed(FOLDERS)
        for path in sorted(folder.rglob("*.js"))
    }


@functools.cache
def version() -> str:
    """Return a hash of all modules; relative imports stay below it, so that no browser mixes two versions."""
    digest = hashlib.sha256()
    for path, content in sorted(modules().items()):
        digest.update(path.encode() + b"\0" + content + b"\0")
    return digest.hexdigest()[:12]


@functools.cache
def needs(path: str) -> tuple[str, ...]:
    """Return the direct and indirect imports of a module, to be fetched together in one round trip."""
    found, ahead = [], [path]
    while ahead:
        module = ahead.pop(0)
        for one, other in _IMPORT.findall(modules()[module].decode()):
            imported = posixpath.normpath(posixpath.join(posixpath.dirname(module), one or other))
            if imported not in found:
                found.append(imported)
                ahead.append(imported)
    return tuple(found)


def entry(name: str) -> str:
    """Return the module of a component: ``views/NAME.js``, or ``parts/NAME.js`` for a part around the views.

    Raises:
        LookupError: there is neither.
    """
    for path in (f"views/{name}.js", f"parts/{name}.js"):
        if path in modules():
            return path
    raise LookupError(f"No script of the name {name!r}: it should be assets/web/views/{name}.js.")


def head(beginning: dict[str, Any]) -> str:
    """Return the script of the page's head, which requests the first modules before any component appears.

    Args:
        beginning: the initial state of the page, see :func:`mixviz.ui.state.beginning`.
    """
    # Behind a proxy only the path of the root is reliable.
    fetch = f"""
window.mixvizBeginning = {json.dumps(beginning)};
const path = new URL(window.gradio_config?.root || "/", location.href).pathname.replace(/\\/$/, "");
const at = `${{location.origin}}${{path}}/mixviz/{version()}/`;
for (const module of {json.dumps([FIRST, *needs(FIRST)])}) {{
  document.head.append(Object.assign(document.createElement("link"), {{ rel: "modulepreload", href: at + module }}));
}}
window.mixvizReady = import(`${{at}}{FIRST}`).catch(() => import(`${{at}}{FIRST}?again`));"""
    return f"<script>(() => {{{fetch}\n}})();</script>"


def on_load(name: str) -> str:
    """Return the script that a component runs when it appears."""
    path = entry(name)
    late = sorted(set(needs(path)) - set(needs(FIRST)))
    # Gradio searches the script for the names of events.
    return f"""// it may trigger "input"
window.mixvizReady.then(
  (first) => first.start({json.dumps(path)}, {json.dumps(late)}, {{ element, trigger, props, server, upload }}),
  () => {{ element.querySelector(".mv-part").textContent = JSON.parse(props.label).reload; }},
);"""


def when_ready(script: str) -> str:
    """Wrap a function of the page's script, so that it waits for the page's state."""
    return f"async (...given) => {{ await window.mixvizReady; return ({script})(...given); }}"


async def _serve(request: Request) -> Response:
    content = modules().get(request.path_params["path"])
    if content is None or request.path_params["version"] != version():
        return Response("No such file.", 404, media_type="text/plain")
    return Response(content, media_type="text/javascript", headers=files.KEPT)


def routes() -> list[Route]:
    """Return the routes of the modules."""
    return [Route("/mixviz/{version}/{path:path}", _serve)]
