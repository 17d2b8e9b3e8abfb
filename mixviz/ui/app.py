"""Layout and events of the Mix page. The page's script joins controls and views; the server answers its requests."""

from __future__ import annotations

import atexit
import functools
import gc
import inspect
import os
import shutil
import tempfile
import threading
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np
import torch
from gradio.events import api as api_endpoint
from gradio.themes import Base, Default
from PIL import Image, ImageOps

from mixviz.cam.methods import KINDS
from mixviz.data import pictures
from mixviz.data.decoding import ENDINGS
from mixviz.i18n import texts
from mixviz.methods import METHODS
from mixviz.networks import class_names, gallery, zoo
from mixviz.render import overlays
from mixviz.resources import assets
from mixviz.ui import api, files, handlers, scripts
from mixviz.ui.gradio_compat import event_data, fetch_nothing
from mixviz.ui.parts import as_json, component
from mixviz.ui.registry import views
from mixviz.ui.services import detector_options, gallery_downloads, live_search, networks
from mixviz.ui.services.presenters import in_order, summary
from mixviz.ui.state import LARGEST, beginning, first_request, language_of

# Not in the style sheet, which Gradio applies to only a part of the page.
STILL = "@media (prefers-reduced-motion: reduce) { * { animation: none !important; transition: none !important; } }"
THUMBNAIL = 96  # pixels of a bundled photograph in the picker
QUIET = 5  # seconds after the start in which the first page is served; then the imports of other views begin


@functools.cache
def words() -> dict[str, dict[str, str]]:
    """Return all texts of the page by language."""
    return {code: own_texts() | texts()["en"] | known for code, known in texts().items()}


def own_texts() -> dict[str, str]:
    """Return the English texts of methods, detectors, kinds of maps, networks and photographs, unless a language has
    its own."""
    return {
        **{f"summary.{name}": summary(name) for name in METHODS},
        **{f"title.{name}": cls.card.title for name, cls in METHODS.items()},
        **{f"kind.{name}": kind.text for name, kind in KINDS.items()},
        **{f"detector.{name}": title for name, title in detector_options.titles().items()},
        **{f"object.{entry['label']}": entry["label"] for entry in pictures.photographs().values()},
        **{f"network.{name}": title for name, title in zoo.strategies().items()},
        **{f"class.{name}": name for name in zoo.TWENTY},
        **{f"class.{name}": name.title() for name in (*class_names.CAT_BREEDS, *class_names.DOG_BREEDS)},
        **{f"tab_{name}": view.title for name, view in views().items() if view.title},
        **{f"trained.{one.augmentation}": one.augmentation for one in gallery.entries().values()},
        "endings": ",".join(ENDINGS),
    }


def theme() -> Base:
    """Return Gradio's default theme in blue, with system fonts and the contrasts that WCAG AA requires."""
    return Default(primary_hue="blue", font=["system-ui", "sans-serif"], font_mono=["ui-monospace", "monospace"]).set(
        body_text_color_subdued="*neutral_600",
        block_info_text_color="*neutral_600",
        block_label_text_color="*neutral_800",
        color_accent="*primary_700",
        link_text_color="*primary_700",
        slider_color="*primary_600",
        button_primary_background_fill="*primary_700",
        button_primary_background_fill_hover="*primary_800",
    )


def _known() -> dict[str, Any]:
    """Return the initial knowledge of the page's script: photographs, pairs, methods, detectors and views."""
    photographs = list(pictures.photographs().values())
    cards = {name: METHODS[name].card for name in in_order()}
    return {
        "photographs": [
            {"stem": Path(one["file"]).stem, "path": pictures.photograph_path(one["file"]), "label": one["label"]}
            for one in photographs
        ],
        "thumbnails": overlays.data_uri(np.concatenate([_thumbnail(one["file"]) for one in photographs], axis=1)),
        "pairs": [{key: Path(pair[key]).stem for key in "ab"} for pair in pictures.pairs()],
        "methods": {name: [card.title, card.family, card.aliases] for name, card in cards.items()},
        "detectors": list(detector_options.titles()),
        "views": [
            {"name": name, "group": view.group, "controls": view.controls, "panel": view.panel is not None,
             "modules": scripts.late(f"views/{name}.js")}
            for name, view in views().items()
        ],
    }  # fmt: skip


def _thumbnail(name: str) -> np.ndarray:
    with Image.open(pictures.photograph_path(name)) as photograph:
        photograph.draft("RGB", (2 * THUMBNAIL, 2 * THUMBNAIL))  # a JPEG opens small in a fraction of the time
        return np.asarray(ImageOps.fit(photograph, (THUMBNAIL, THUMBNAIL)))


def _warm_up() -> None:
    """Prepare the networks, then the views, before a visitor waits for them."""
    networks.warm_up()
    for view in views().values():
        if view.warm_up is not None:
            view.warm_up()


def build() -> gr.Blocks:
    """Build the page with its first pair already mixed."""
    gr.set_static_paths([assets() / "photos"])
    fetch_nothing()
    functions = [as_json(one) for one in (handlers.look, handlers.take, handlers.preview, handlers.restore)]
    functions += [as_json(handlers.teach)]
    for name, view in views().items():
        functions += [as_json(handlers.of_view(one), f"{name}__{one.__name__}") for one in view.functions]
    with gr.Blocks(title="MixViz", analytics_enabled=False, delete_cache=(3600, 7200)) as page:
        first = handlers.show(replace(first_request(), view=next(iter(views()))))
        root = component("page", _known() | {"first": first}, server_functions=functions)
        for endpoint in (api.mix, api.saliency, api.detail, api.look, api.methods):
            # By default Gradio keeps only the first paragraph, without the arguments.
            api_endpoint(endpoint, api_name=endpoint.__name__, api_description=inspect.getdoc(endpoint))

        # A panel comes when its view is opened: every component that a page begins with costs requests.
        @gr.render(triggers=[root.select], queue=False, show_progress="hidden")
        def panel(event: gr.EventData) -> None:
            asked = event_data(event)
            view = views().get(str(asked.get("view")))
            if view is not None and view.panel is not None:
                with gr.Column(elem_id=f"panel-{view.name}"):
                    view.panel(language_of(asked))

    return page


def launch(**options: Any) -> Any:
    """Build and serve the page, on 127.0.0.1 by default, with the options of ``gradio.Blocks.launch``.

    A hosted Space sets its address in the environment variable GRADIO_SERVER_NAME.

    Raises:
        ValueError: a setting of the host is wrong; says what to do.
    """
    # Threads that synchronize at every small step stall a busy machine (measured: 25 ms become seconds) and do not
    # speed up pictures of this size. Requests run in parallel instead.
    torch.set_num_threads(1)
    for view in views().values():
        if view.check is not None:
            view.check()
    if options.get("share") or not live_search.local(options.get("server_name")):
        os.environ.setdefault(live_search.ALLOWED, "no")  # others on the network search where the host says so
    if "GRADIO_TEMP_DIR" not in os.environ:  # Gradio's default is a folder that all users of the machine share
        os.environ["GRADIO_TEMP_DIR"] = tempfile.mkdtemp(prefix="mixviz-")
        atexit.register(shutil.rmtree, os.environ["GRADIO_TEMP_DIR"], ignore_errors=True)
    gallery_downloads.preload()
    import_module("torchvision.transforms.v2")  # here: two requests that import it at once see half of it
    gc.freeze()  # spares the collector the objects of the imports: saves 0.15 s at the start
    page = build()
    page.queue(default_concurrency_limit=2, max_size=32, api_open=False)
    settings: dict[str, Any] = {
        "share": False,
        "run_history": False,
        "footer_links": ["api", "settings"],
        "max_file_size": LARGEST,
        "ssr_mode": False,
        "enable_monitoring": False,
        "theme": theme(),
        "css": scripts.styles(),
        "head": f"<style>{STILL}</style>{scripts.head(beginning(), words())}",
        "app_kwargs": {"routes": [*files.routes(), *scripts.routes(words())]},
    }
    later = threading.Timer(QUIET, _warm_up)
    later.daemon = True
    later.start()
    return page.launch(**settings | options)
