"""Layout and events of the Mix page. The page's script joins controls and views; the server answers its requests."""

from __future__ import annotations

import atexit
import gc
import inspect
import json
import os
import shutil
import tempfile
from dataclasses import replace
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
from mixviz.networks import zoo
from mixviz.render import overlays
from mixviz.resources import assets
from mixviz.ui import api, files, handlers, scripts
from mixviz.ui.gradio_compat import fetch_nothing
from mixviz.ui.parts import as_json, component, in_browser
from mixviz.ui.picture import Picture
from mixviz.ui.registry import views
from mixviz.ui.services import detector_options
from mixviz.ui.services.presenters import summary
from mixviz.ui.state import LARGEST, Request, beginning

# Not in the style sheet, which Gradio applies to only a part of the page.
STILL = "@media (prefers-reduced-motion: reduce) { * { animation: none !important; transition: none !important; } }"
FIRST = tuple(METHODS)[:9]  # the cards sent with the page; the others follow when they scroll into view


def i18n() -> gr.I18n:
    """Return all texts in all languages; the key ``texts`` holds them all at once for the page's script."""
    every = {code: own_texts() | texts()["en"] | known for code, known in texts().items()}
    return gr.I18n(
        **{
            code: {**known, "texts": json.dumps(known, ensure_ascii=False), "heading": f"# MixViz\n{known['title']}"}
            for code, known in every.items()
        }
    )


def own_texts() -> dict[str, str]:
    """Return the English texts of methods, detectors, kinds of maps, networks and photographs, unless a language has
    its own."""
    return {
        **{f"summary.{name}": summary(name) for name in METHODS},
        **{f"kind.{name}": kind.text for name, kind in KINDS.items()},
        **{f"detector.{name}": title for name, title in detector_options.titles().items()},
        **{f"object.{entry['label']}": entry["label"] for entry in pictures.photographs().values()},
        **{f"network.{name}": title for name, title in zoo.strategies().items()},
        **{f"class.{name}": name for name in zoo.TWENTY},
        **{f"tab_{name}": view.title for name, view in views().items() if view.title},
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


def _pairs() -> list[dict[str, str]]:
    def thumbnail(name: str) -> str:
        with Image.open(pictures.photograph_path(name)) as photograph:
            photograph.draft("RGB", (144, 144))  # a JPEG opens small in a fraction of the time
            return overlays.data_uri(np.asarray(ImageOps.fit(photograph, (72, 72))))

    return [
        {key: Path(pair[key]).stem for key in "ab"}
        | {f"label_{key}": pictures.photographs()[pair[key]]["label"] for key in "ab"}
        | {f"picture_{key}": thumbnail(pair[key]) for key in "ab"}
        for pair in pictures.pairs()
    ]


def first_request() -> Request:
    """Return the initial state of the page, with the first of the bundled pairs."""
    pair = pictures.pairs()[0]
    a, b = (pictures.photographs()[pair[key]] for key in "ab")
    path_a, path_b = (pictures.photograph_path(one["file"]) for one in (a, b))
    return Request(a=path_a, b=path_b, name_a=a["label"], name_b=b["label"])


def build() -> gr.Blocks:
    """Build the page with its first pair already mixed."""
    gr.set_static_paths([assets() / "photos"])
    fetch_nothing()
    word, start = gr.I18n(), first_request()
    with gr.Blocks(title="MixViz", analytics_enabled=False, delete_cache=(3600, 7200)) as page:
        with gr.Sidebar(width=300, elem_id="sidebar") as sidebar:
            image_a = _picture_input("image_a", start.a)
            name_a = gr.Textbox(word(f"object.{start.name_a}"), label=word("name_a"), max_lines=1, max_length=24)
            swap = gr.Button(word("swap"), size="sm", elem_id="swap")
            image_b = _picture_input("image_b", start.b)
            name_b = gr.Textbox(word(f"object.{start.name_b}"), label=word("name_b"), max_lines=1, max_length=24)
            seed = gr.Number(start.seed, label=word("seed"), info=word("seed_info"), elem_id="seed")
            detector = gr.Dropdown(
                [(word(f"detector.{name}"), name) for name in detector_options.titles()],
                value=start.detector,
                label=word("detector"),
                info=word("detector_info"),
                elem_id="detector",
            )
            component("pairs", _pairs())
        gr.Markdown(word("heading"), elem_id="title")
        component("lesson", server_functions=[as_json(handlers.teach)])
        bundled = {
            "labels": {Path(name).stem: entry["label"] for name, entry in pictures.photographs().items()},
            "methods": {name: [cls.card.title, cls.card.family] for name, cls in METHODS.items()},
        }
        functions = [as_json(one) for one in (handlers.look, handlers.take, handlers.preview)]
        bridge = component("bridge", bundled, server_functions=functions)
        _views(start)
        with gr.Row(elem_id="dock"):
            hold = gr.Checkbox(True, label=word("hold"), min_width=80, scale=0, container=False, elem_id="hold")
            lam = gr.Slider(0, 1, start.lam, step=0.01, label=word("lam"), buttons=[], elem_id="lam")
            alpha = gr.Slider(0.05, 8, 1, step=0.05, label=word("alpha"), buttons=[], elem_id="alpha")
            shuffle = gr.Button(word("shuffle"), min_width=90, scale=0, size="md", elem_id="shuffle")
            copy = gr.Button(word("copy"), min_width=90, scale=0, size="md", elem_id="copy")
        for endpoint in (api.mix, api.saliency, api.detail, api.look, api.methods):
            # By default Gradio keeps only the first paragraph, without the arguments.
            api_endpoint(endpoint, api_name=endpoint.__name__, api_description=inspect.getdoc(endpoint))
        controls = [image_a, image_b, name_a, name_b, hold, lam, alpha, seed, detector]
        _wire(page, bridge, controls, {"swap": swap, "shuffle": shuffle, "copy": copy})
        # On a phone the open sidebar would cover the whole screen, and so the pictures.
        in_browser(page.load, "() => ({__type__: 'update', ...(innerWidth < 768 ? {open: false} : {})})", None, sidebar)
    return page


def _picture_input(name: str, path: str) -> Picture:
    return Picture(
        path, label=gr.I18n()(name), type="filepath", image_mode=None, sources=["upload", "webcam", "clipboard"],
        buttons=[], height=170, format="jpeg", interactive=True, elem_id=name,
    )  # fmt: skip


def _views(start: Request) -> None:
    word, first = gr.I18n(), next(iter(views()))
    with gr.Tabs(selected=first, elem_id="views", overflow_behavior="wrap"):
        for name, view in views().items():
            with gr.Tab(word(f"tab_{name}"), id=name) as tab:
                value = handlers.show(replace(start, view=name, only=FIRST)) if name == first else None
                functions = [as_json(handlers.of_view(one)) for one in view.functions]
                part = component(name, value, **({"server_functions": functions} if functions else {}))
                if view.panel:
                    view.panel(part)
            in_browser(tab.select, f"() => {{ mixviz.tab('{name}') }}")


def _wire(page: gr.Blocks, bridge: gr.HTML, controls: list, buttons: dict[str, gr.Button]) -> None:
    image_a, image_b, name_a, name_b, hold, lam, alpha, seed, detector = controls
    in_browser(alpha.input, "(alpha) => { mixviz.alpha(alpha) }", alpha)
    events = [image_a.change, image_b.change, name_a.change, name_b.change, hold.change, lam.change, seed.change]
    in_browser(
        lambda *given, **options: gr.on([*events, detector.change], *given, **options),
        "(...values) => { mixviz.controls(values) }",
        controls,
    )
    for image, name, letter in ((image_a, name_a, "A"), (image_b, name_b, "B")):
        in_browser(image.input, f"(image, name) => mixviz.ownLabel(image, name, '{letter}')", [image, name], name)
        in_browser(image.input, f"(image) => mixviz.preview(image, '{letter.lower()}')", image, image)
    in_browser(
        buttons["swap"].click, "(a, b, c, d) => mixviz.swapped() || [b, a, d, c]",
        [image_a, image_b, name_a, name_b], [image_a, image_b, name_a, name_b],
    )  # fmt: skip
    in_browser(buttons["shuffle"].click, "() => Math.floor(Math.random() * 10000)", None, seed)
    in_browser(buttons["copy"].click, "() => { mixviz.copyLink() }")
    in_browser(page.load, "(...values) => { mixviz.loaded(values) }", controls)
    # A state from the address, a pair, a step of the lesson or a recipe file sets the controls first, then the rest.
    done = bridge.input(
        handlers.restore, None, [*controls, bridge], api_name="restore", api_visibility="undocumented",
        show_progress="hidden", queue=False,
    )  # fmt: skip
    in_browser(done.then, "(...values) => { mixviz.restored(values) }", [*controls, bridge])


def launch(**options: Any) -> Any:
    """Build and serve the page, on 127.0.0.1 by default, with the options of ``gradio.Blocks.launch``.

    A hosted Space sets its address in the environment variable GRADIO_SERVER_NAME.
    """
    # Threads that synchronize at every small step stall a busy machine (measured: 25 ms become seconds) and do not
    # speed up pictures of this size. Requests run in parallel instead.
    torch.set_num_threads(1)
    if "GRADIO_TEMP_DIR" not in os.environ:  # Gradio's default is a folder that all users of the machine share
        os.environ["GRADIO_TEMP_DIR"] = tempfile.mkdtemp(prefix="mixviz-")
        atexit.register(shutil.rmtree, os.environ["GRADIO_TEMP_DIR"], ignore_errors=True)
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
        "css": files.text("web/style.css"),
        "head": f"<style>{STILL}</style>{scripts.head(beginning())}",
        "i18n": i18n(),
        "app_kwargs": {"routes": [*files.routes(), *scripts.routes()]},
    }
    return page.launch(**settings | options)
