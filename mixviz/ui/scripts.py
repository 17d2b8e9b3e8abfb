"""The page's own scripts: the ES modules of assets/web, served unchanged below a common hash.

The first view and the frame around all views are loaded with the page, and a view's modules when it is first opened.
"""

from __future__ import annotations

import functools
import hashlib
import json
import posixpath
import re
from collections.abc import Mapping
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
def styles() -> str:
    """Return the page's style sheet, followed by those of the views."""
    paths = [FOLDERS[0] / "style.css", *(path for folder in FOLDERS for path in sorted(folder.glob("views/*.css")))]
    return "\n".join(path.read_text(encoding="utf-8") for path in paths)


@functools.cache
def version() -> str:
    """Return a hash of all modules; relative imports stay below it, so that no browser mixes two versions."""
    digest = hashlib.sha256()
    for path, content in sorted(modules().items()):
        digest.update(path.encode() + b"\0" + content + b"\0")
    return digest.hexdigest()[:12]


def version_of_texts(words: Mapping[str, Mapping[str, str]]) -> str:
    """Return a hash of all texts, so that no browser keeps old ones: methods and networks bring texts of their own."""
    return hashlib.sha256(json.dumps(words, ensure_ascii=False).encode()).hexdigest()[:12]


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


def late(path: str) -> list[str]:
    """List a module and what it imports, without what is loaded with the page.

    Raises:
        LookupError: there is no such module.
    """
    if path not in modules():
        raise LookupError(f"There is no script assets/web/{path}.")
    return sorted({path, *needs(path)} - {FIRST, *needs(FIRST)})


# What the page's component runs when it appears. Gradio looks into it for the names of events.
ON_LOAD = """// it may trigger "select"
window.mixvizReady.then(
  (first) => first.start({ element, trigger, props, server, upload }),
  () => { element.textContent = "MixViz could not load its scripts: reload the page."; },
);"""


def head(beginning: dict[str, Any], words: Mapping[str, Mapping[str, str]]) -> str:
    """Return the script of the page's head, which requests texts and first modules before any component appears.

    Args:
        beginning: the initial state of the page, see :func:`mixviz.ui.state.beginning`.
        words: the texts by language, as for :func:`routes`.
    """
    # Behind a proxy only the path of the root is reliable. The language is that of the address, the visitor's last
    # choice, or the browser's.
    fetch = f"""
window.mixvizBeginning = {json.dumps(beginning)};
const known = {json.dumps(list(words))};
const asked = [new URLSearchParams(location.search).get("lang")];
try {{ asked.push(localStorage.getItem("mixviz.language")); }} catch {{}}
const codes = [...asked, ...navigator.languages].map((code) => String(code).slice(0, 2));
const language = codes.find((code) => known.includes(code)) ?? "en";
window.mixvizLanguage = document.documentElement.lang = language;
const path = new URL(window.gradio_config?.root || "/", location.href).pathname.replace(/\\/$/, "");
const served = `${{location.origin}}${{path}}/mixviz`, at = `${{served}}/{version()}/`;
const said = `${{served}}/{version_of_texts(words)}/texts/${{language}}.json`;
for (const module of {json.dumps([FIRST, *needs(FIRST)])}) {{
  document.head.append(Object.assign(document.createElement("link"), {{ rel: "modulepreload", href: at + module }}));
}}
window.mixvizTexts = fetch(said).then((answer) => answer.json());
window.mixvizReady = import(`${{at}}{FIRST}`).catch(() => import(`${{at}}{FIRST}?again`));"""
    return f"<script>(() => {{{fetch}\n}})();</script>"


async def _serve(request: Request) -> Response:
    content = modules().get(request.path_params["path"])
    if content is None or request.path_params["version"] != version():
        return Response("No such file.", 404, media_type="text/plain")
    return Response(content, media_type="text/javascript", headers=files.KEPT)


def routes(words: Mapping[str, Mapping[str, str]]) -> list[Route]:
    """Return the routes of the modules, and of the texts by language."""
    known_version = version_of_texts(words)
    encoded = {language: json.dumps(known, ensure_ascii=False).encode() for language, known in words.items()}

    async def serve_texts(request: Request) -> Response:
        content = encoded.get(request.path_params["language"])
        if content is None or request.path_params["version"] != known_version:
            return Response("No such texts.", 404, media_type="text/plain")
        return Response(content, media_type="application/json", headers=files.KEPT)

    return [
        Route("/mixviz/{version}/texts/{language}.json", serve_texts),
        Route("/mixviz/{version}/{path:path}", _serve),
    ]
