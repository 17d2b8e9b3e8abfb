"""Compile loops by numba, which ``import mixviz`` must not import: it is loaded when the first loop is compiled."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from functools import cache
from importlib import import_module
from typing import Any

import torch
from torch import Tensor

MUCH = 2**18  # values
PAIR = 2  # pictures: what the page mixes at once


def usable(*tensors: Tensor, values: int | None = None) -> bool:
    """Whether to use compiled loops: on the CPU, outside torch.compile, and if there is much to do.

    Loading them takes half a second, compiling them (once per machine) some more.

    Args:
        values: how much there is to do; None: as many values as the tensors have.
    """
    count = 0
    for one in tensors:
        if type(one) is not Tensor or not one.is_cpu:
            return False
        count += one.numel()
    return (count if values is None else values) >= MUCH and not torch.compiler.is_compiling() and _installed()


def usable_on(images: Tensor, *tensors: Tensor) -> bool:
    """Whether to use compiled loops on a batch: as :func:`usable`, and not for two pictures, for which the page would
    wait."""
    return images.shape[0] > PAIR and usable(images, *tensors)


def creates(values: int, device: torch.device) -> bool:
    """Whether compiled loops create new tensors: as :func:`usable`, and not in a mode whose tensors hold no values."""
    return device.type == "cpu" and usable(torch.empty(0), values=values)


_loaded: dict[str, Any] = {}  # in sys.modules a module stands before all of it is there


def loops(name: str) -> Any:
    """Import a module of compiled functions, which is called _NAME_numba."""
    if name not in _loaded:
        _loaded[name] = import_module(f"mixviz.core._{name}_numba")
    return _loaded[name]


def loaded(name: str) -> Any:
    """Return a module of compiled functions if it is in use already, else None."""
    return _loaded.get(name)


@cache
def _installed() -> bool:
    return importlib.util.find_spec("numba") is not None


@cache
def compiled(function: Callable[..., Any], reordered: bool = False) -> Callable[..., Any]:
    """A compiled function; the very first call compiles for some seconds and caches the result on disk.

    Args:
        reordered: whether sums and extremes may be taken in any order, several values at once.
    """
    return _compiled(function, reordered)


@cache
def fused(function: Callable[..., Any]) -> Callable[..., Any]:
    """A compiled function that multiplies and adds in one rounding, as torch does where the processor can."""
    return _compiled(function, {"contract"})


def _compiled(function: Callable[..., Any], fastmath: bool | set[str]) -> Callable[..., Any]:
    njit: Callable[..., Any] = import_module("numba").njit  # numba is untyped
    options = {"nogil": True, "error_model": "numpy", "fastmath": fastmath}
    try:
        return njit(cache=True, **options)(function)
    except RuntimeError:  # no writable cache folder
        return njit(**options)(function)
