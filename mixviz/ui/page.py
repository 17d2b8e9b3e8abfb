"""The Mix page: layout and wiring around :func:`mixviz.ui.grid.show`."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from functools import partial
from typing import Any

import gradio as gr
import torch

from mixviz import paint, pictures
from mixviz.ui import grid
from mixviz.ui.handlers import MISSING, choose_pair, mix_grid, mix_one, mix_quietly, own_label, remix
from mixviz.ui.picture import Picture

TITLE = """# MixViz
See what every mixed-sample augmentation does to two pictures and to their labels. Upload or paste your own in the
panel on the left, or try a pair from there. Pictures are never passed on."""


def theme() -> gr.themes.Base:
    """Gradio's default in blue, system fonts, with the contrasts that WCAG AA asks for."""
    return gr.themes.Default(
        primary_hue="blue", font=["system-ui", "sans-serif"], font_mono=["ui-monospace", "monospace"]
    ).set(
        body_text_color_subdued="*neutral_600",
        block_info_text_color="*neutral_600",
        block_label_text_color="*neutral_800",
        color_accent="*primary_700",
        link_text_color="*primary_700",
        slider_color="*primary_600",
    )


def _asset(name: str) -> str:
    return (pictures.assets() / name).read_text(encoding="utf-8")


def _thumbnail(name: str) -> str:
    return paint.data_uri(pictures.load_image(pictures.photograph_path(name), 72))


def _pair_strip() -> gr.HTML:
    value = [{"name": p["name"], "a": _thumbnail(p["a"]), "b": _thumbnail(p["b"])} for p in pictures.pairs()]
    return gr.HTML(
        value,
        html_template=_asset("pairs.html"),
        js_on_load=_asset("pairs.js"),
        apply_default_css=False,
        elem_id="pairs",
    )


def _picture_input(label: str, path: str) -> Picture:
    return Picture(
        path, label=label, type="filepath", image_mode=None, sources=["upload", "clipboard"], buttons=[], height=170,
        format="jpeg", interactive=True,
    )  # fmt: skip


def build() -> gr.Blocks:
    """The page with its first pair already mixed."""
    gr.set_static_paths([pictures.assets() / "photos"])
    path_a, path_b, label_a, label_b = choose_pair(0)
    with gr.Blocks(title="MixViz", analytics_enabled=False, delete_cache=(3600, 7200)) as page:
        with gr.Sidebar(width=300, elem_id="sidebar") as sidebar:
            image_a = _picture_input("A, which is augmented", path_a)
            name_a = gr.Textbox(label_a, label="Label of A", max_lines=1, max_length=24)
            image_b = _picture_input("B, its partner", path_b)
            name_b = gr.Textbox(label_b, label="Label of B", max_lines=1, max_length=24)
            seed = gr.Number(0, label="Seed", info="One seed, one draw: it replays")
            detector = gr.Dropdown(
                [(title, name) for name, title in grid.detectors().items()],
                value="fine_grained",
                label="Saliency detector",
                info="What counts as important in a picture",
            )
            gr.Markdown("### Try a pair")
            strip = _pair_strip()
        gr.Markdown(TITLE, elem_id="title")
        with gr.Row(elem_id="dock"):
            hold = gr.Checkbox(True, label="Hold λ", min_width=80, scale=0, container=False, elem_id="hold")
            lam = gr.Slider(0, 1, 0.6, step=0.01, label="λ: share of A", buttons=[], elem_id="lam")
            shuffle = gr.Button("Shuffle", min_width=90, scale=0, size="md", elem_id="shuffle")
        inputs = [image_a, image_b, name_a, name_b, hold, lam, seed, detector]
        cards = gr.HTML(
            mix_grid(path_a, path_b, label_a, label_b, True, 0.6, 0, "fine_grained"),
            html_template=_asset("grid.html"),
            js_on_load=_asset("grid.js"),
            apply_default_css=False,
            elem_id="cards",
        )
        gr.api(mix_one, api_name="mix")
        _wire(page, sidebar, strip, shuffle, inputs, cards)
    return page


def _wire(
    page: gr.Blocks, sidebar: gr.Sidebar, strip: gr.HTML, shuffle: gr.Button, inputs: list, cards: gr.HTML
) -> None:
    image_a, image_b, name_a, name_b, hold, lam, seed, detector = inputs
    quiet: dict[str, Any] = {"show_progress": "hidden", "trigger_mode": "always_last"}
    hidden: dict[str, Any] = {"api_visibility": "undocumented", **quiet}

    def settle(event: Any, name: str) -> None:
        """Once more with what the controls say by then: λ may have moved while the pictures were under way."""
        event.then(remix, inputs, cards, api_name=name, queue=False, **hidden)

    gr.on(
        [name_a.submit, name_a.blur, name_b.submit, name_b.blur, detector.input], mix_grid, inputs, cards,
        api_name="mix_grid", **quiet,
    )  # fmt: skip
    for image, name, label in ((image_a, name_a, "A"), (image_b, name_b, "B")):
        # An upload is not what the label before it named. A paste clears first, so clearing is no mistake yet.
        renamed = image.upload(partial(own_label, letter=label), name, name, api_name=f"rename_{label}", **hidden)
        mixed = renamed.then(mix_quietly, inputs, cards, api_name=f"mix_uploaded_{label}", **hidden)
        settle(mixed, f"settle_{label}")
        image.clear(lambda: {"message": MISSING}, None, cards, api_name=f"cleared_{label}", **hidden)
    gr.on(
        [lam.change, hold.input, seed.change], remix, inputs, cards, api_name="remix", queue=False, **hidden,
    )  # fmt: skip

    def pick(event: gr.EventData) -> tuple[str, str, str, str]:
        return choose_pair(event._data.get("index") if isinstance(event._data, dict) else None)

    chosen = strip.select(pick, None, [image_a, image_b, name_a, name_b], api_name="choose_pair", **hidden)
    settle(chosen.then(mix_quietly, inputs, cards, api_name="mix_pair", **hidden), "settle_pair")
    shuffle.click(None, None, seed, js="() => Math.floor(Math.random() * 10000)", api_visibility="private")
    # The sidebar covers a phone's whole screen, and the visitor came to see pictures.
    page.load(
        None, None, sidebar, js="() => ({__type__: 'update', ...(innerWidth < 768 ? {open: false} : {})})",
        api_visibility="private",
    )  # fmt: skip


def launch(**options: Any) -> Any:
    """Build and serve the page, on 127.0.0.1 unless told otherwise; takes what ``gradio.Blocks.launch`` takes.

    A hosted Space tells it by the environment variable GRADIO_SERVER_NAME.
    """
    # Threads that wait for one another at every small step bring a busy machine to a halt (measured: 25 ms become
    # seconds), and pictures of this size gain nothing by them. Visitors are served side by side instead.
    torch.set_num_threads(1)
    if "GRADIO_TEMP_DIR" not in os.environ:  # Gradio's own choice is a folder that everybody on the machine shares
        os.environ["GRADIO_TEMP_DIR"] = tempfile.mkdtemp(prefix="mixviz-")
        atexit.register(shutil.rmtree, os.environ["GRADIO_TEMP_DIR"], ignore_errors=True)
    page = build()
    page.queue(default_concurrency_limit=2, max_size=32, api_open=False)
    settings: dict[str, Any] = {
        "share": False,
        "run_history": False,
        "footer_links": ["api", "settings"],
        "max_file_size": "20mb",
        "ssr_mode": False,
        "enable_monitoring": False,
        "theme": theme(),
        "css": _asset("style.css"),
    }
    return page.launch(**settings | options)
