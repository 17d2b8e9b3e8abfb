"""Registry of the views: ``mixviz/ui/views/NAME.py`` is a tab, with its script of the same name in ``assets``."""

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
        order: Position of its tab; the view with the lowest order is sent with the page.
        answer: Returns the view's plain data of a request for its script.
        title: The tab's English title, where ``assets/texts.json`` has none.
        functions: Further functions that its script calls by name: the script's request -> plain data.
        panel: Builds Gradio components below the view's own component, its argument.
        download: Makes a download: (kind, request, the script's state) -> (file name, bytes). None: the mixture's
            pictures, figures and recipe.
        example: Further keys of an address that shows the view at work, for tests.
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
    """Return all views by name, in the order of the tabs."""
    package = importlib.import_module(PACKAGE)
    modules = [info.name for info in pkgutil.iter_modules(package.__path__) if not info.name.startswith("_")]
    found = [_view(importlib.import_module(f"{PACKAGE}.{name}")) for name in modules]
    return MappingProxyType({view.name: view for view in sorted(found, key=lambda view: (view.order, view.name))})


def _view(module: ModuleType) -> View:
    view = getattr(module, "VIEW", None)
    if not isinstance(view, View):
        raise TypeError(f"{module.__file__} should hold a View in VIEW; a helper's name begins with an underscore.")
    return view
