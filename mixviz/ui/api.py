"""Named endpoints: the page's functions for programs."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

from mixviz.cam import drawing, inference
from mixviz.cam.methods import KINDS
from mixviz.cam.scales import SCALES
from mixviz.core.registry import lookup
from mixviz.data import pictures
from mixviz.explain import label_terms, serialize
from mixviz.explain.example import steps
from mixviz.i18n import say
from mixviz.methods import METHODS
from mixviz.render import overlays
from mixviz.ui.boundary import as_gradio_error, checked_path, turn
from mixviz.ui.errors import as_user_error
from mixviz.ui.fields import is_number, malformed
from mixviz.ui.services import detector_options
from mixviz.ui.services.networks import known_networks, that_know
from mixviz.ui.services.presenters import code, story
from mixviz.ui.state import MAX_NAME, Request

try:
    from spaces import GPU as on_gpu  # pyright: ignore[reportMissingImports]  # only a hosted Space has it
except ImportError:

    def on_gpu(function: Any) -> Any:
        """Return the function unchanged outside a hosted Space."""
        return function


@contextmanager
def _endpoint() -> Iterator[None]:
    """Wait for a turn, and report a caller's mistake as a Gradio error with its reason."""
    with as_gradio_error(), turn():
        yield


def _checked_side(side: Any) -> int:
    if not (is_number(side) and side == int(side) and 32 <= side <= 1024):
        raise malformed("The side should be a whole number from 32 to 1024.")
    return int(side)


@on_gpu
def mix(
    a: str | dict,
    b: str | dict,
    method: str = "cutmix",
    lam: float | None = None,
    seed: int = 0,
    side: int = 512,
    detector: str = "fine_grained",
    parameters: dict | None = None,
) -> dict:
    """Mix two pictures with one method: {picture: the mixture as a PNG data URI, recipe: its numbers}.

    Args:
        a: Picture A, the one that is augmented: an upload (`handle_file` of Gradio's client, or the path that
            /upload returned), or a bundled photograph's name.
        b: Picture B, its partner, likewise.
        method: A method's name, as `python -m mixviz methods` lists them.
        lam: λ, A's share, 0 to 1; null draws it.
        seed: Seed of all random draws.
        side: Side of the square picture in pixels, 32 to 1024.
        detector: Saliency detector, for methods that use one.
        parameters: The method's own parameters, by name.
    """
    with _endpoint():
        request, side = _request(a, b, method, lam, seed, detector, parameters), _checked_side(side)
        first, second = (pictures.load_once(path, side) for path in (request.a, request.b))
        device = "cuda" if torch.cuda.is_available() else "cpu"
        augmentation, network = request.chosen(method, request.parameters), detector_options.network(detector)
        network = network and copy.deepcopy(network).to(device)
        with as_user_error(ImportError):
            mixed, recipe, batch = serialize.mix_two(first, second, augmentation, int(seed), lam, device, network)
            truth = recipe.truth(batch.saliency(detector_options.detector(detector)))
        return {"picture": overlays.data_uri(mixed, "PNG"), "recipe": serialize.recipe_json(recipe, truth)}


def saliency(picture: str | dict, detector: str = "fine_grained", side: int = 224) -> dict:
    """Compute a saliency map: {heat: the picture under its map, map: the grey map, peak: [row, column], mean}.

    ``heat`` and ``map`` are PNG data URIs.

    Args:
        picture: An upload (`handle_file` of Gradio's client, or the path that /upload returned), or a bundled
            photograph's name.
        detector: Name of a detector that the page offers.
        side: Side of the square picture in pixels, 32 to 1024.
    """
    with _endpoint():
        side = _checked_side(side)
        path = _path(picture)
        with as_user_error():
            lookup(detector_options.titles(), detector)
        image = pictures.load_once(path, side)  # not cached: a caller may ask for any side
        batch = torch.from_numpy(image).permute(2, 0, 1)[None].contiguous()
        heat = detector_options.maps_of(batch, detector)[0].numpy()
        return {
            "heat": overlays.data_uri(overlays.overlay(image, heat), "PNG"),
            "map": overlays.data_uri((heat * 255).round().astype("uint8"), "PNG"),
            "peak": list(map(int, divmod(heat.argmax(), side))),
            "mean": float(heat.mean()),
        }


def look(
    picture: str | dict,
    classes: list[str] | None = None,
    networks: list[str] | None = None,
    kind: str = "grad_cam",
    threshold: float = 0.2,
    scale: str = "image",
) -> dict:
    """Compute class activation maps of a picture: {figure: PNG data URI, networks: predictions, maps and boxes}.

    Args:
        picture: An upload (`handle_file` of Gradio's client, or the path that /upload returned), or a bundled
            photograph's name.
        classes: Names of the classes to explain; none: the class that each network predicts.
        networks: Names of networks; none: all that know the classes.
        kind: grad_cam, cam, grad_cam_plus_plus, hires_cam, layer_cam, xgrad_cam, eigen_cam, score_cam or ablation_cam.
        threshold: τ of the box as a fraction of the map's maximum, 0 to 1.
        scale: image: each map from 0 to 1; shared: one scale for all; raw: from 0 up.
    """
    with _endpoint():
        path, known = _path(picture), known_networks()
        with as_user_error():
            kind, scale = lookup(KINDS, kind).name, lookup(SCALES, scale) and scale
        for names in (classes or [], networks or []):
            if not isinstance(names, list) or not all(
                isinstance(name, str) and len(name) <= MAX_NAME for name in names
            ):
                raise malformed("Classes and networks are lists of names.")
        if not (is_number(threshold) and 0 <= threshold <= 1):
            raise malformed("The threshold τ should be a number from 0 to 1.")
        with as_user_error(ValueError, ImportError):
            chosen = [lookup(known, name).loaded() for name in dict.fromkeys(networks or that_know(classes or ()))]
            results = [
                inference.look(one, pictures.view(path, one.input_view).copy(), classes or (), kind=kind)
                for one in chosen
            ]
        figure = drawing.figure(results, kind=kind, scale=scale, threshold=threshold)
        return {
            "figure": overlays.data_uri(figure, "PNG"),
            "networks": [inference.report(result, threshold) for result in results],
        }


def detail(
    a: str | dict,
    b: str | dict,
    method: str = "cutmix",
    lam: float | None = None,
    seed: int = 0,
    detector: str = "fine_grained",
    parameters: dict | None = None,
) -> dict:
    """Explain one method on two pictures: its sentence, its steps, each number with its calculation, and the recipe.

    Args:
        a: Picture A, the one that is augmented: an upload (`handle_file` of Gradio's client, or the path that
            /upload returned), or a bundled photograph's name.
        b: Picture B, its partner, likewise.
        method: A method's name, as `python -m mixviz methods` lists them.
        lam: λ, A's share, 0 to 1; null draws it.
        seed: Seed of all random draws.
        detector: Saliency detector, for methods that use one.
        parameters: The method's own parameters, by name.
    """
    with _endpoint():
        request = _request(a, b, method, lam, seed, detector, parameters)
        example = story(request, method)
        words = {"detector": detector_options.titles()[detector]}
        return {
            "sentence": example.text(),
            "judge": example.reference,
            "steps": [{"text": say(f"step.{step.key}", **words), "number": step.number} for step in steps(example)],
            "numbers": [
                {"name": say(f"line.{line.key}"), "sum": line.sum, "value": line.value}
                for line in label_terms.lines(example)
            ],
            "recipe": serialize.recipe_json(example.recipe, example.truth),
            "python": code(request, example),
        }


def methods() -> list:
    """List all methods: card, parameters with their ranges, and teaching text."""
    with as_gradio_error():
        return serialize.catalogue_json()


def _path(picture: Any) -> str:
    """Return the real path of a picture given by name, by path, or as Gradio's clients send it: {path, meta, ...}.

    Only the dictionary's path is used. Its other fields, the url among them, are untrusted.

    Raises:
        UserError: the picture is neither an upload nor a bundled photograph.
    """
    path = picture.get("path") if isinstance(picture, dict) else picture
    if isinstance(path, str) and path in pictures.photographs():
        path = pictures.photograph_path(path)
    try:
        return checked_path(path)
    except pictures.PictureError:
        raise malformed(
            f"{str(path)[:MAX_NAME]!r} is neither an upload nor a bundled photograph such as 'lion.jpg'. Upload your "
            "picture: give handle_file('cat.jpg') to gradio_client, or POST the file to /gradio_api/upload and give "
            "the path that comes back. Addresses are not fetched."
        ) from None


def _request(a: Any, b: Any, method: str, lam: float | None, seed: int, detector: str, parameters: Any) -> Request:
    with as_user_error():
        lookup(METHODS, method)
    paths = {key: _path(name) for key, name in (("a", a), ("b", b))}
    names: dict[str, Any] = {
        f"name_{key}": entry["label"] for key, path in paths.items() if (entry := pictures.photograph_of(path))
    }
    return Request(**paths, **names, lam=lam, seed=seed, detector=detector, method=method, parameters=parameters or {})
