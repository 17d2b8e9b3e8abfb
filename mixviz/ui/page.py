"""The Mix page: layout and wiring around :func:`mixviz.ui.grid.show`."""

from __future__ import annotations

import base64
import io
import os
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.utils import get_upload_folder
from PIL import Image

from mixviz import pictures
from mixviz.ui import grid

try:
    from spaces import GPU as on_gpu  # a hosted Space lends its GPU per call
except ImportError:

    def on_gpu(function: Any) -> Any:
        """Elsewhere the function uses the device that there is."""
        return function


TITLE = """# MixViz
See what every mixed-sample augmentation does to two pictures and to their labels. Upload or paste your own in the
panel on the left, or try a pair from there. Pictures are never passed on."""

MISSING = "Two pictures are needed: upload or paste one, or choose a pair."


def checked_path(path: Any) -> str:
    """The real path of an uploaded or bundled picture; anything else is refused.

    Raises:
        pictures.PictureError: no path, or one outside the upload folder and the bundled photographs.
    """
    if not isinstance(path, str) or not path:
        raise pictures.PictureError(MISSING)
    real = Path(os.path.realpath(path))
    allowed = (Path(os.path.realpath(get_upload_folder())), Path(os.path.realpath(pictures.assets() / "photos")))
    if not any(real.is_relative_to(folder) for folder in allowed) or not real.is_file():
        raise pictures.PictureError("This picture is not one that was uploaded here. Upload it, or choose a pair.")
    return str(real)


def checked_name(name: Any, default: str) -> str:
    """A label as the cards show it: one line, at most 24 characters, never empty."""
    return " ".join(str(name or "").split())[:24] or default


def answer(
    a: Any, b: Any, name_a: Any, name_b: Any, hold: Any, lam: Any, seed: Any, detector: Any, still: bool
) -> dict:
    """The grid for what a visitor sent, whoever they are: every value is checked here.

    Raises:
        gr.Error: a value that cannot be used, in words for the visitor.
    """
    try:
        request = grid.Request(
            checked_path(a),
            checked_path(b),
            checked_name(name_a, "A"),
            checked_name(name_b, "B"),
            lam if hold else None,
            seed,
            detector,
        )
        return grid.show(request, still=still)
    except ValueError as error:  # PictureError is one
        raise gr.Error(str(error), print_exception=False, title="That did not work") from None


def mix_grid(a: str, b: str, name_a: str, name_b: str, hold: bool, lam: float, seed: float, detector: str) -> dict:
    """Mix two pictures by every method: a sheet of mixtures and a card of numbers per method.

    Args:
        a: Picture A, the one that is augmented.
        b: Picture B, its partner.
        name_a: Label of A.
        name_b: Label of B.
        hold: Hold λ at the slider's value instead of drawing it.
        lam: λ, A's share, 0 to 1.
        seed: Seed of everything that is drawn.
        detector: Saliency detector.
    """
    return answer(a, b, name_a, name_b, hold, lam, seed, detector, still=True)


def remix(a: str, b: str, name_a: str, name_b: str, hold: bool, lam: float, seed: float, detector: str) -> dict:
    """What λ and the seed change: as ``mix_grid``, without the pictures that stay as they are."""
    return answer(a, b, name_a, name_b, hold, lam, seed, detector, still=False)


@on_gpu
def mix_one(a: str, b: str, method: str, lam: float | None = None, seed: int = 0, side: int = 512) -> dict:
    """Mix two pictures by one method: the mixture as a PNG data URI, and its recipe.

    Args:
        a: Picture A, the one that is augmented: the path that an upload returned, or a bundled photograph's.
        b: Picture B, its partner.
        method: A method's name, as `python -m mixviz methods` lists them.
        lam: λ, A's share, 0 to 1; null draws it.
        seed: Seed of everything that is drawn.
        side: Side of the square picture, 32 to 1024.
    """
    try:
        request = grid.Request(checked_path(a), checked_path(b), lam=lam, seed=seed)
        return grid.mix_one(request, method, side)
    except (ValueError, TypeError) as error:
        raise gr.Error(str(error), print_exception=False) from None


def choose_pair(index: Any) -> tuple[str, str, str, str]:
    """Paths and labels of the bundled pair with this index."""
    if not isinstance(index, int) or not 0 <= index < len(pictures.pairs()):
        raise gr.Error("There is no such pair.", print_exception=False)
    pair = pictures.pairs()[index]
    a, b = pair["a"], pair["b"]
    labels = (pictures.photographs()[name]["label"] for name in (a, b))
    return pictures.photograph_path(a), pictures.photograph_path(b), *labels


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
    buffer = io.BytesIO()
    picture = Image.fromarray(pictures.load_image(pictures.photograph_path(name), 72))
    picture.save(buffer, "JPEG", quality=80)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode()


def _pair_strip() -> gr.HTML:
    value = [{"name": p["name"], "a": _thumbnail(p["a"]), "b": _thumbnail(p["b"])} for p in pictures.pairs()]
    return gr.HTML(
        value,
        html_template=_asset("pairs.html"),
        js_on_load=_asset("pairs.js"),
        apply_default_css=False,
        elem_id="pairs",
    )


def _picture_input(label: str, path: str) -> gr.Image:
    return gr.Image(
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
            seed = gr.Number(0, label="Seed", minimum=0, maximum=grid.MAX_SEED, info="One seed, one draw: it replays")
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
    gr.on(
        [name_a.submit, name_a.blur, name_b.submit, name_b.blur, detector.input], mix_grid, inputs, cards,
        api_name="mix_grid", **quiet,
    )  # fmt: skip
    for image, name, label in ((image_a, name_a, "A"), (image_b, name_b, "B")):
        # An upload is not what the label before it named. A paste clears first, so clearing is no mistake yet.
        uploaded = image.upload(lambda label=label: label, None, name, api_name=f"unname_{label}", **hidden)
        uploaded.then(mix_grid, inputs, cards, api_name=f"mix_uploaded_{label}", **hidden)
        image.clear(lambda: {"message": MISSING}, None, cards, api_name=f"cleared_{label}", **hidden)
    gr.on(
        [lam.change, hold.input, seed.change], remix, inputs, cards, api_name="remix", queue=False, **hidden,
    )  # fmt: skip

    def pick(event: gr.EventData) -> tuple[str, str, str, str]:
        return choose_pair(event._data.get("index"))

    chosen = strip.select(pick, None, [image_a, image_b, name_a, name_b], api_name="choose_pair", **hidden)
    chosen.then(mix_grid, inputs, cards, api_name="mix_pair", **hidden)
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
    page = build()
    page.queue(default_concurrency_limit=2, max_size=32, api_open=True)
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
