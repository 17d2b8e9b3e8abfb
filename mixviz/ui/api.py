"""The named endpoints: what the page does, for programs."""

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
from mixviz.ui.services.networks import known_networks
from mixviz.ui.services.presenters import code, story
from mixviz.ui.state import MAX_NAME, Request

try:
    from spaces import GPU as on_gpu  # a hosted Space lends its GPU per call
except ImportError:

    def on_gpu(function: Any) -> Any:
        """Elsewhere the function uses the device that there is."""
        return function


@contextmanager
def _said() -> Iterator[None]:
    """Answer in turn; a caller's mistake is an error with its reason."""
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
    """Mix two pictures by one method: {picture: the mixture as a PNG data URI, recipe: its numbers}.

    Args:
        a: Picture A, the one that is augmented: an upload (`handle_file` of Gradio's client, or the path that
            /upload returned), or a bundled photograph's name.
        b: Picture B, its partner, likewise.
        method: A method's name, as `python -m mixviz methods` lists them.
        lam: λ, A's share, 0 to 1; null draws it.
        seed: Seed of everything that is drawn.
        side: Side of the square picture in pixels, 32 to 1024.
        detector: Saliency detector, for methods that look.
        parameters: The method's own parameters, by name.
    """
    with _said():
        request, side = _request(a, b, method, lam, seed, detector, parameters), _checked_side(side)
        first, second = (pictures.load_once(path, side) for path in (request.a, request.b))
        device = "cuda" if torch.cuda.is_available() else "cpu"
        chosen, network = request.chosen(method, request.parameters), detector_options.network(detector)
        network = network and copy.deepcopy(network).to(device)
        with as_user_error(ImportError):
            mixed, recipe, batch = serialize.mix_two(first, second, chosen, int(seed), lam, device, network)
            truth = recipe.truth(batch.saliency(detector_options.detector(detector)))
        return {"picture": overlays.data_uri(mixed, "PNG"), "recipe": serialize.recipe_json(recipe, truth)}


def saliency(picture: str | dict, detector: str = "fine_grained", side: int = 224) -> dict:
    """Where a detector looks: {heat: the picture under its map as a PNG data URI, map: grey PNG, peak: [row, column]}.

    Args:
        picture: An upload (`handle_file` of Gradio's client, or the path that /upload returned), or a bundled
            photograph's name.
        detector: A detector's name, as the page offers them.
        side: Side of the square picture in pixels, 32 to 1024.
    """
    with _said():
        side = _checked_side(side)
        path = _path(picture)
        with as_user_error():
            lookup(detector_options.titles(), detector)
        image = pictures.load_once(path, side)  # of any side: not kept
        batch = torch.from_numpy(image).permute(2, 0, 1)[None].contiguous()
        found = detector_options.maps_of(batch, detector)[0].numpy()
        return {
            "heat": overlays.data_uri(overlays.overlay(image, found), "PNG"),
            "map": overlays.data_uri((found * 255).round().astype("uint8"), "PNG"),
            "peak": list(map(int, divmod(found.argmax(), side))),
            "mean": float(found.mean()),
        }


def look(
    picture: str | dict,
    classes: list[str] | None = None,
    networks: list[str] | None = None,
    kind: str = "grad_cam",
    threshold: float = 0.2,
    scale: str = "image",
) -> dict:
    """Where trained networks look in a picture: {figure: PNG data URI, networks: predictions, maps, boxes of each}.

    Args:
        picture: An upload (`handle_file` of Gradio's client, or the path that /upload returned), or a bundled
            photograph's name.
        classes: What to look for, by name; none: what each network predicts.
        networks: Names of trained networks; none: all of them.
        kind: grad_cam, cam, grad_cam_plus_plus, hires_cam, layer_cam, xgrad_cam, eigen_cam, score_cam or ablation_cam.
        threshold: τ of the box, a share of the map's maximum, 0 to 1.
        scale: image: each map from 0 to 1; shared: one scale for all; raw: from 0 up.
    """
    with _said():
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
            asked = [lookup(known, name) for name in dict.fromkeys(networks or known)]
            looks = [
                inference.look(one, pictures.view(path, one.side).copy(), classes or (), kind=kind) for one in asked
            ]
        figure = drawing.figure(looks, kind=kind, scale=scale, threshold=threshold)
        return {
            "figure": overlays.data_uri(figure, "PNG"),
            "networks": [inference.report(one, threshold) for one in looks],
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
    """Everything that the page says of one method: its sentence, steps, every number with its sum, and the recipe.

    Args:
        a: Picture A, the one that is augmented: an upload (`handle_file` of Gradio's client, or the path that
            /upload returned), or a bundled photograph's name.
        b: Picture B, its partner, likewise.
        method: A method's name, as `python -m mixviz methods` lists them.
        lam: λ, A's share, 0 to 1; null draws it.
        seed: Seed of everything that is drawn.
        detector: Saliency detector, for methods that look.
        parameters: The method's own parameters, by name.
    """
    with _said():
        request = _request(a, b, method, lam, seed, detector, parameters)
        told = story(request, method)
        words = {"lens": detector_options.titles()[detector]}
        return {
            "sentence": told.text(),
            "judge": told.reference,
            "steps": [{"text": say(f"step.{step.key}", **words), "number": step.number} for step in steps(told)],
            "numbers": [
                {"name": say(f"line.{line.key}"), "sum": line.sum, "value": line.value}
                for line in label_terms.lines(told)
            ],
            "recipe": serialize.recipe_json(told.recipe, told.truth),
            "python": code(request, told),
        }


def methods() -> list:
    """Every method: its card, parameters with their ranges, and teaching text."""
    with as_gradio_error():
        return serialize.catalogue_json()


def _path(picture: Any) -> str:
    """The real path of a picture that a program names, or sends as Gradio's clients do: {path, meta, ...}.

    Of such a dictionary the path alone counts; what else it says, its url too, is the client's word.

    Raises:
        UserError: neither an upload nor a bundled photograph.
    """
    path = picture.get("path") if isinstance(picture, dict) else picture
    bundled = isinstance(path, str) and path in pictures.photographs()
    try:
        return checked_path(pictures.photograph_path(path) if bundled else path)
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
    names = {f"name_{key}": entry["label"] for key, path in paths.items() if (entry := pictures.photograph_of(path))}
    return Request(**paths, **names, lam=lam, seed=seed, detector=detector, method=method, parameters=parameters or {})
