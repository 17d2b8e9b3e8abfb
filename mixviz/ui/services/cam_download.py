"""Downloads of the heat map view: the figure, the numbers, and the command that reproduces both."""

from __future__ import annotations

import io
import json
import shlex
from typing import Any

import numpy as np
from PIL import Image

from mixviz.cam import drawing, inference, shading
from mixviz.cam.inference import CAMResult, KnownModel
from mixviz.cam.scales import SCALES
from mixviz.data import pictures
from mixviz.explain import serialize
from mixviz.i18n import UserError
from mixviz.ui.fields import is_number, malformed, written
from mixviz.ui.services import cam_cache, cam_subject, networks
from mixviz.ui.services.presenters import SIDE, changed_by, picture_names
from mixviz.ui.state import Request


def parcel(kind: str, request: Request, shown: Any) -> bytes:
    """Return the figure (``png``) or the numbers (``json``) of a state, with the visitor's display settings.

    Raises:
        ValueError: an unknown kind or display setting, or no network knows the classes.
    """
    if kind not in ("png", "json"):
        raise malformed("Of heat maps there are the figure (png) and the numbers (json) to take.")
    scale, colours, threshold, strength = _shown(shown)
    results = looks_of(request)
    if kind == "json":
        report = {"kind": request.kind, "threshold": threshold, "command": command(request)}
        report["networks"] = [inference.report(one, threshold) for one in results]
        return (json.dumps(report, indent=1, ensure_ascii=False) + "\n").encode()
    figure = drawing.figure(
        results, kind=request.kind, scale=scale, threshold=threshold, strength=strength, colours=colours
    )
    return _png(figure)


def looks_of(request: Request) -> list[CAMResult]:
    """Return the CAMs of the networks ``only`` that know the classes in sight and support the state's kind of map.

    Raises:
        UserError: there is no such network; the first network's reason.
    """
    picture, names = cam_subject.subject(request).picture, cam_subject.classes_in_sight(request)
    results, reasons = [], []
    for one in _asked(request):
        try:
            results.append(cam_cache.look(one, request, picture, names))
        except UserError as error:
            reasons.append(error)
    if not results:
        raise reasons[0]
    return results


def _asked(request: Request) -> list[KnownModel]:
    known = networks.to_look_inside(request.own)
    return [known[name] for name in request.only or known if name in known] or list(known.values())


def command(request: Request, names: str = "") -> str:
    """Return the command lines that draw the same maps, run from the project's folder.

    Args:
        request: a state.
        names: of the networks, separated by commas; without any, those of :func:`looks_of` but the visitor's own.
    """
    if not names:
        asked = [one.name for one in _asked(request) if one.name in networks.to_look_inside()]
        names = ",".join(asked) if request.only and asked else "all"
    lines, files = [], [_file(name) for name in picture_names(request)]
    picture = "mixture/mixture.png" if request.subject == "mix" else files["ab".index(request.subject)]
    if request.subject == "mix" and changed_by(request):
        picture = f"mixviz-{request.method}.png"  # the name of its download from the view of one method
    elif request.subject == "mix":
        lam = "" if request.lam is None else f" --lam {written(request.lam)}"
        method = request.chosen(request.method, request.parameters)
        fields = method.parameters()
        flags = "".join(
            f" --{key} {shlex.quote(str(value))}"
            for key, value in serialize.parameters_of(method).items()
            if value != fields[key]["default"] and isinstance(value, str | int | float)
        )
        mix = f"python -m mixviz mix {files[0]} {files[1]} --method {request.method}{lam}{flags}"
        lines.append(f"{mix} --seed {int(request.seed)} --side {SIDE} --out mixture")
    classes = [name for name in cam_subject.classes_in_sight(request) if name != "*"]
    options = "".join(f" --class {shlex.quote(name)}" for name in classes)
    options += f" --kind {request.kind}" if request.kind != "grad_cam" else ""
    first = next(iter(networks.known_networks().values()))
    layer, strides = cam_cache.layer_of(first, request.layer), cam_cache.strides_of(first, request)
    options += f" --layer {layer}" if layer else ""
    options += f" --dilate {strides}" if strides else ""
    return "\n".join([*lines, f"python -m mixviz cam {picture} --networks {names}{options}"])


def _file(name: str) -> str:
    return f"assets/photos/{name}" if name in pictures.photographs() else name


def _shown(shown: Any) -> tuple[str, str, float, float]:
    shown = shown if isinstance(shown, dict) else {}
    scale, colours = shown.get("scale", "image"), shown.get("colours", "inferno")
    if not isinstance(scale, str) or scale not in SCALES or colours not in shading.COLOURS:
        raise malformed(f"Scales are {', '.join(SCALES)}; colours {', '.join(shading.COLOURS)}.")
    numbers = shown.get("threshold", 0.2), shown.get("strength", 0.6)
    if not all(is_number(number) and 0 <= number <= 1 for number in numbers):
        raise malformed("τ and the strength of the colours are numbers from 0 to 1.")
    return scale, colours, *numbers


def _png(picture: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "PNG")
    return buffer.getvalue()
