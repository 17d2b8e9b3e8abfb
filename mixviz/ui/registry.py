"""Registry of the views: ``mixviz/ui/views/NAME.py``, each with a script of the same name in ``assets``."""

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
GROUPS = ("learn", "explore", "inside", "choose")  # the page's destinations, in order; the first opens first
CONTROLS = ("method", "pictures", "lam", "more")


@dataclass(frozen=True)
class View:
    """A view of the page.

    Args:
        name: Its name in the address, in the texts (``tab_NAME``) and of its script.
        order: Position among the views of its destination; the very first view is sent with the page.
        answer: Returns the view's plain data of a request for its script.
        group: Its destination, one of :data:`GROUPS`.
        controls: Controls of the page that it uses, of :data:`CONTROLS`. Views with ``method`` are the tabs of the page
            of one method; the other views of a destination are tabs of their own.
        title: Its English title, where ``assets/texts.json`` has none.
        functions: Further functions that its script calls by name: the script's request -> plain data.
        panel: Builds Gradio components below the view, in a language, when the view is opened.
        download: What is taken away of it: (kind, request, the script's question) -> (file name, bytes). None: the
            mixture's pictures, figures and recipe.
        warm_up: Computes what its first visitor would wait for; called some time after the page has started.
        check: Raises ValueError, with what to do, where the host's settings are wrong; called before the page starts.
        example: The rest of an address that shows it at work, for tests.
    """

    name: str
    order: int
    answer: Callable[[Any], Answer]
    group: str = "explore"
    controls: tuple[str, ...] = CONTROLS[1:]
    title: str = ""
    functions: tuple[Callable[[Any], Answer], ...] = ()
    panel: Callable[[str], None] | None = None
    download: Callable[[str, Any, Any], tuple[str, bytes]] | None = None
    warm_up: Callable[[], None] | None = None
    check: Callable[[], None] | None = None
    example: str = ""


@functools.cache
def views() -> Mapping[str, View]:
    """Return all views by name, in the order of the destinations."""
    package = importlib.import_module(PACKAGE)
    modules = [info.name for info in pkgutil.iter_modules(package.__path__) if not info.name.startswith("_")]
    found = [_view(importlib.import_module(f"{PACKAGE}.{name}")) for name in modules]
    return MappingProxyType({view.name: view for view in sorted(found, key=_place)})


def _place(view: View) -> tuple[int, int, str]:
    return GROUPS.index(view.group), view.order, view.name


def _view(module: ModuleType) -> View:
    view = getattr(module, "VIEW", None)
    if not isinstance(view, View):
        raise TypeError(f"{module.__file__} should hold a View in VIEW; a helper's name begins with an underscore.")
    if view.group not in GROUPS or not set(view.controls) <= set(CONTROLS):
        raise ValueError(f"{module.__file__}: group should be one of {GROUPS}, controls of {CONTROLS}.")
    return view
