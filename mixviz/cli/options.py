"""Options that several commands share."""

from __future__ import annotations

import inspect
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from mixviz.cam.methods import KINDS
from mixviz.networks.run import Run
from mixviz.search.engines import ENGINES

ALSO = {"precision": ("--amp",)}  # flags' names in other trainers
NO_DEFAULTS: Mapping[str, Any] = {}

Pictures = Annotated[Path, typer.Argument(help="A folder of pictures, with all folders in it, or a zip.")]
Networks = Annotated[
    str, typer.Option(help="all of the zoo, or names and folders (card.json and weights) with commas between.")
]
Classes = Annotated[
    list[str] | None, typer.Option("--class", help="What to look for; once per class. Default: each prediction.")
]
Kind = Annotated[str, typer.Option(help=f"{', '.join(KINDS)}.")]
Layer = Annotated[str, typer.Option(help="A module that gives feature maps, e.g. layer4; empty: as the card says.")]
Threshold = Annotated[float, typer.Option(help="τ of the box, a share of the map's maximum.", min=0, max=1)]
Dilate = Annotated[
    int, typer.Option(help="Last strides to remove: maps are twice (1) or four times (2) as fine.", min=0, max=2)
]
Processes = Annotated[
    int, typer.Option(help="Processes that share the work; they divide CPU threads and GPUs.", min=1, max=1024)
]
EngineName = Annotated[str, typer.Option("--engine", help=f"Where the processes run: {', '.join(ENGINES)}.")]


def run_flags(defaults: Mapping[str, Any] = NO_DEFAULTS, without: Collection[str] = ()) -> list[inspect.Parameter]:
    """Return one flag per field of a run, as keyword-only parameters.

    Args:
        defaults: defaults of a command that differ from the fields' own.
        without: fields that get no flag.
    """
    flags = []
    for name, about in Run.described().items():
        if name in without:
            continue
        text = f"{about['text']} ({'|'.join(about['choices'])})" if about["choices"] else about["text"]
        low, high = (None, None) if about["low"] is None else (about["low"], about["high"])
        names = f"--{name.replace('_', '-')}", *ALSO.get(name, ())
        option = typer.Option(*names, help=text[0].upper() + text[1:] + ".", min=low, max=high)
        annotation = Annotated[type(about["default"]), option]
        default = defaults.get(name, about["default"])
        flags.append(inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation))
    return flags
