"""``python -m mixviz``: the command line, with the page, mixtures of two pictures, the catalogue and the benchmark."""

from __future__ import annotations

import difflib
import json
import os
import runpy
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from torch import Tensor

from mixviz.cli import batch, cam, folder, judge, networks, retrieval, search, which
from mixviz.core import memory
from mixviz.core.method import Method
from mixviz.core.recipe import Recipe
from mixviz.core.registry import lookup
from mixviz.methods import METHODS

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)


@app.callback()
def prepare(context: typer.Context) -> None:
    """See, train with and compare mixed-sample augmentations: Mixup, CutMix, SaliencyMix and their relatives."""
    if context.invoked_subcommand != "app":  # the page runs for days, and shares its machine
        memory.keep()


def main() -> None:
    """Run the command line; a user's mistake is one line on standard error and exit status 2."""
    try:
        app()
    except (ValueError, TypeError, ImportError, OSError) as error:
        typer.echo(f"Error: {error}", err=True)
        raise SystemExit(2) from None


@app.command("mix", context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def mix_command(
    context: typer.Context,
    a: Annotated[Path, typer.Argument(help="Picture A, the one that is augmented.")],
    b: Annotated[Path, typer.Argument(help="Picture B, its partner.")],
    method: Annotated[str, typer.Option(help="A name from `mixviz methods`.")] = "cutmix",
    seed: Annotated[int, typer.Option(help="Seed of everything that is drawn.", min=0)] = 0,
    lam: Annotated[float | None, typer.Option(help="Hold λ (A's share) instead of drawing it.", min=0, max=1)] = None,
    side: Annotated[int, typer.Option(help="Both pictures become squares of this side.", min=16, max=4096)] = 512,
    out: Annotated[Path, typer.Option(help="Folder for the pictures and the recipe.")] = Path("mixed"),
) -> None:
    """Mix two pictures and write every step: saliency, patch, mask, mixture and recipe.

    The method's own parameters are options too (see `mixviz methods NAME`):

        mixviz mix cat.jpg dog.jpg --method saliencymix --tie random --out folder
    """
    from mixviz.data import pictures
    from mixviz.explain import serialize

    cls = lookup(METHODS, method)
    chosen = cls(**_own_options(cls, context.args))
    first, second = (pictures.load_image(path, side) for path in (a, b))
    mixed, recipe, batch = serialize.mix_two(first, second, chosen, seed, lam)
    maps = batch.saliency() if recipe.saliency is None else recipe.saliency
    report = {
        **serialize.replay(method, chosen, seed, lam, side),
        "pictures": [a.name, b.name],
        **serialize.recipe_json(recipe, recipe.truth(maps)),
    }
    out.mkdir(parents=True, exist_ok=True)
    for name, picture in _steps([first, second], mixed, recipe, maps).items():
        _save(picture, out / f"{name}.png")
    (out / "recipe.json").write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    shares = ", ".join(f"{share:.3f}" for share in report["share"])
    typer.echo(f"{cls.card.title}: label shares {shares}. Pictures and recipe.json are in {out}/.")
    if recipe.layer:
        typer.echo(f"It mixes inside the network, after stage {recipe.layer}: the picture stays as it is.")


def _own_options(cls: type[Method], arguments: list[str], others: Iterable[str] = ()) -> dict[str, Any]:
    """Parse ``--name value`` pairs as the method's parameters, each with the type of its field.

    Args:
        others: the command's own options, one of which the user may have misspelt.
    """
    known, values = cls.parameters(), {}
    tokens = [part for token in arguments for part in (token.split("=", 1) if token.startswith("--") else [token])]
    for flag, text in zip(tokens[::2], [*tokens[1::2], None][: len(tokens[::2])], strict=True):
        name = flag.removeprefix("--").replace("-", "_")
        if not flag.startswith("--") or name not in known:
            options = ", ".join(f"--{n}" for n in known) or "none"
            near = difflib.get_close_matches(name, [*known, *others], n=1)
            guess = f" Did you mean --{near[0].replace('_', '-')}?" if near else ""
            raise ValueError(f"{cls.card.title} has no option {flag}.{guess} Its own options: {options}.")
        if text is None:
            raise ValueError(f"{flag} needs a value.")
        values[name] = cls.parse(name, text)
    return values


def _steps(pair: list[np.ndarray], mixed: np.ndarray, recipe: Recipe, maps: Tensor) -> dict[str, np.ndarray]:
    """Draw the pictures of a mixture by file name; saliency and patch are of B, or of A if there is no partner."""
    from mixviz.render import overlays

    source = pair[int(recipe.paired)]
    steps = {"a": pair[0], "b": pair[1], "mixture": mixed}
    steps["saliency"] = overlays.overlay(source, maps[int(source is pair[1])].numpy())
    box = recipe.target_box if recipe.source_box is None else recipe.source_box
    if box is not None:
        steps["patch"] = overlays.spotlight(source, tuple(box[0].tolist()))
    steps["mask"] = np.rint(recipe.mask()[0, 0].numpy() * 255).astype(np.uint8)
    return steps


def _save(picture: np.ndarray, path: Path) -> None:
    from PIL import Image

    Image.fromarray(picture).save(path)


@app.command("methods")
def methods_command(
    name: Annotated[str | None, typer.Argument(help="One method, with its text and parameters.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Everything as JSON.")] = False,
    readme: Annotated[
        Path | None, typer.Option(help="Write the table of the catalogue into this Markdown file.")
    ] = None,
) -> None:
    """List the catalogue, or explain one method."""
    from mixviz.explain import serialize

    if readme is not None:
        text = serialize.replace_section(readme.read_text(encoding="utf-8"), "methods", serialize.catalogue_markdown())
        readme.write_text(text, encoding="utf-8")
        return
    entries = serialize.catalogue_json()
    if name is not None:
        entries = [entry for entry in entries if entry["name"] == lookup(METHODS, name).card.name]
    if as_json:
        typer.echo(json.dumps(entries, indent=2, ensure_ascii=False))
        return
    for entry in entries:
        typer.echo(f"{entry['name']:18} {entry['family']:16} label: {entry['label']:18} {entry['citation']}")
        if name is None:
            typer.echo(" " * 19 + " ".join(f"--{p} {about['default']}" for p, about in entry["parameters"].items()))
        if name is not None:
            typer.echo(f"\n{entry['text']}\n")
            for option, about in entry["parameters"].items():
                limits = "|".join(about["choices"]) or (
                    f"{about['low']}..{about['high']}" if about["low"] is not None else ""
                )
                typer.echo(f"  --{option} {about['default']}  {limits}  {about['text']}")


@app.command("app")
def app_command(
    host: Annotated[str | None, typer.Option(help="0.0.0.0 lets others on the network in.")] = None,
    port: Annotated[int | None, typer.Option(help="Port; by default the first free one from 7860 on.")] = None,
    browser: Annotated[bool, typer.Option(help="Open the page in a browser.")] = False,
    mcp: Annotated[
        bool, typer.Option(help="Offer the endpoints as MCP tools too (pip install 'mixviz[mcp]').")
    ] = False,
    data: Annotated[
        Path | None,
        typer.Option(
            help="Folder that holds the data set of the networks (tiny-imagenet-200), for thumbnails.",
            envvar="MIXVIZ_DATA",
        ),
    ] = None,
    gallery: Annotated[
        Path | None,
        typer.Option(
            help="Folder with a sub-folder of pictures per class, which Retrieval searches.", envvar="MIXVIZ_GALLERY"
        ),
    ] = None,
    searches: Annotated[
        Path | None,
        typer.Option(help="Folder that `mixviz search` has written, or of several, to show.", envvar="MIXVIZ_SEARCHES"),
    ] = None,
    search: Annotated[
        bool | None,
        typer.Option(
            help="Let visitors start small searches; by default on a page for this machine alone.",
            envvar="MIXVIZ_SEARCH",
        ),
    ] = None,
    search_data: Annotated[
        Path | None,
        typer.Option(
            help="Pictures that such searches train with: a folder with a sub-folder per class, or a data set.",
            envvar="MIXVIZ_SEARCH_DATA",
        ),
    ] = None,
) -> None:
    """Start the page."""
    if data is not None:
        if not data.expanduser().is_dir():
            raise ValueError(f"--data {data}: there is no such folder. Give the one that holds the data set.")
        os.environ["MIXVIZ_DATA"] = str(data)
    if gallery is not None:
        os.environ["MIXVIZ_GALLERY"] = str(gallery)
    if searches is not None:
        os.environ["MIXVIZ_SEARCHES"] = str(searches)
    if search is not None:
        os.environ["MIXVIZ_SEARCH"] = "yes" if search else "no"
    if search_data is not None:
        os.environ["MIXVIZ_SEARCH_DATA"] = str(search_data)
    from mixviz.ui.app import launch

    launch(server_name=host, server_port=port, inbrowser=browser, mcp_server=mcp)


@app.command("bench", context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def bench_command(context: typer.Context) -> None:
    """Measure speed side by side with torchvision, timm, kornia and an OpenCV loop; needs a checkout."""
    script = Path(__file__).parent.parent / "benchmarks" / "run.py"
    if not script.is_file():
        raise ValueError("The benchmark is part of a checkout of the project, not of the installed package.")
    sys.argv = [str(script), *context.args]
    runpy.run_path(str(script), run_name="__main__")


networks.register(app, _own_options)
cam.register(app)
folder.register(app)
batch.register(app, _own_options)
which.register(app)
retrieval.register(app)
judge.register(app)
search.register(app)


if __name__ == "__main__":
    main()
