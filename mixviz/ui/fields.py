"""Field types of the page's state: checks, and conversion to and from the address."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from mixviz.i18n import UserError

Check = Callable[[Any, Any], None]  # (value, request): raises a UserError
Write = Callable[[Any, Any], Mapping[str, Any]]  # (value, request) -> keys and values of the address
Read = Callable[
    [Mapping[str, str], Mapping[str, Any]], Mapping[str, Any]
]  # (address, state so far) -> more of the state
FromJson = Callable[[Mapping[str, Any], Any], Any]  # (state of the script, path check) -> value


@dataclass(frozen=True)
class Field:
    """A field of the state.

    ``keys`` are the keys of the address that ``write`` and ``read`` use. ``views`` are the views with this field; empty
    means all. The addresses of other views omit the field, and other views ignore a field without a key. ``null``: an
    emptied control sends null, which does not mean the default. ``per_question``: the script sets the field for each
    request, and it is not part of the lasting state.
    """

    check: Check
    keys: tuple[str, ...] = ()
    write: Write | None = None
    read: Read | None = None
    from_json: FromJson | None = None
    views: tuple[str, ...] = ()
    null: bool = False
    per_question: bool = False

    def concerns(self, view: Any) -> bool:
        """Return whether a view has this field."""
        return not self.views or view in self.views


class Missing:
    """Marker of a field without a default."""


def stated(check: Check, default: Any = Missing, *, key: str = "", by_name: bool = True, **options: Any) -> Any:
    """Make a dataclass field of the state from its check, its default and, optionally, its ``key`` in the address.

    Fields with a default are keyword-only (``by_name``), so that they can follow the order of the address.
    """
    options.setdefault("keys", (key,) if key else ())
    if key:
        options.setdefault("write", lambda value, _: {key: value})
        options.setdefault("read", lambda query, _: {key: query[key]} if query.get(key) else {})
    metadata = {"field": Field(check, **options)}
    if default is Missing:
        return field(metadata=metadata)
    if default == {}:
        return field(metadata=metadata, kw_only=by_name, default_factory=dict)
    return field(metadata=metadata, kw_only=by_name, default=default)


def anything(_value: Any, _request: Any) -> None:
    """Accept any value; it is checked elsewhere."""


def boolean(value: Any, _request: Any) -> None:
    """Check for True or False."""
    if not isinstance(value, bool):
        raise malformed(f"Expected true or false; got {value!r:.40}.")


def one_of(name: str, known: Callable[[], Collection[str]]) -> Check:
    """Make a check for one of the names in ``known``, which is called at each check."""

    def check(value: Any, _request: Any) -> None:
        if not isinstance(value, str) or value not in known():
            raise UserError("error.one_of", name=name, known=", ".join(known()))

    return check


def number(low: float, high: float, error: str, *, optional: bool = False, whole: bool = False) -> Check:
    """Make a check for a number in a range; ``optional`` allows None, ``error`` is the key of the error's text."""

    def check(value: Any, _request: Any) -> None:
        if optional and value is None:
            return
        if not (is_number(value) and low <= value <= high) or (whole and value != int(value)):
            raise UserError(error, least=low, most=high)

    return check


def number_in_address(key: str, *, whole: bool = False, none: str = "") -> dict[str, Any]:
    """Return the address options of a number; None is written as ``none``, or omitted if that is empty."""

    def write(value: float | None, _request: Any) -> dict[str, Any]:
        if value is None:
            return {key: none} if none else {}
        return {key: int(value) if whole else written(value)}

    def read(query: Mapping[str, str], _state: Mapping[str, Any]) -> dict[str, Any]:
        if none and query.get(key) == none:
            return {key: None}
        value = number_of(query.get(key))
        if value is None:
            return {}
        return {key: int(value) if whole and value == int(value) else value}

    return {"key": key, "write": write, "read": read}


def written(value: float) -> str:
    """Return the shortest text that parses to the same number."""
    return repr(float(value)).removesuffix(".0")


def number_of(text: str | None) -> float | None:
    """Parse a finite number; None for any other text."""
    try:
        value = float(text or "")
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def is_number(value: object) -> bool:
    """Return whether a value is a finite number within the range of a float, and not a bool."""
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= sys.float_info.max


def malformed(reason: str) -> UserError:
    """Return the error for a request that the page's own script never sends; in English, for programmers."""
    return UserError("error.reason", reason=reason)
