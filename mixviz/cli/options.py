"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mixviz.cam.methods import KINDS

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
