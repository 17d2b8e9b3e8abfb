"""The views of the page: ``mixviz/ui/views/NAME.py`` is a tab, with its script of the same name in ``assets``."""

from __future__ import annotations

import functools
import importlib
import pkgutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType, ModuleType
from typing import Any

PACKAGE = "mixviz.ui.views"

Answer = dict[str, Any]  # plain data, for the page's script


@dataclass(frozen=True)
class View:
    """A tab of the page.

    Args:
        name: Its name in the address, in the texts (``tab_NAME``) and of its script.
        order: Where its tab stands; the one of the lowest order comes with the page.
        answer: What it shows of a request, as plain data for its script.
        title: The tab's English title, where ``assets/texts.json`` has none.
        functions: What its script asks of the server beside, by their names: the script's question -> plain data.
        panel: Builds Gradio components below the view's own, which it is given.
        download: What is taken away of it: (kind, request, the script's question) -> (file name, bytes). None: the
            mixture's pictures, figures and recipe.
        example: The rest of an address that shows it at work, for tests.
    """

    name: str
    order: int
    answer: Callable[[Any], Answer]
    title: str = ""
    functions: tuple[Callable[[Any], Answer], ...] = ()
    panel: Callable[[Any], None] | None = None
    download: Callable[[str, Any, Any], tuple[str, bytes]] | None = None
    example: str = ""


@functools.cache
def views() -> Mapping[str, View]:
    """Every view by its name, in the order of the tabs."""
    package = importlib.import_module(PACKAGE)
    modules = [info.name for info in pkgutil.iter_modules(package.__path__) if not info.name.startswith("_")]
    found = [_view(importlib.import_module(f"{PACKAGE}.{name}")) for name in modules]
    return MappingProxyType({view.name: view for view in sorted(found, key=lambda view: (view.order, view.name))})


def _view(module: ModuleType) -> View:
    view = getattr(module, "VIEW", None)
    if not isinstance(view, View):
        raise TypeError(f"{module.__file__} should hold a View in VIEW; a helper's name begins with an underscore.")
    return view
