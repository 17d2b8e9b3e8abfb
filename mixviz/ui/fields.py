"""Kinds of fields of the page's state: how a value is checked, and how the address says it."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from mixviz.i18n import UserError

Check = Callable[[Any, Any], None]  # (value, the whole request): raises a UserError
Write = Callable[[Any, Any], Mapping[str, Any]]  # (value, the whole request) -> what the address says, key by key
Read = Callable[[Mapping[str, str], Mapping[str, Any]], Mapping[str, Any]]  # (address, state so far) -> more state
FromJson = Callable[[Mapping[str, Any], Any], Any]  # (the script's state, what lets a path through) -> the value


@dataclass(frozen=True)
class Field:
    """A field of the state.

    ``keys`` are the keys in the address that ``write`` and ``read`` use. ``views`` are the views that the field is for,
    none for all: other views' addresses leave it out, and without a key the others do not even take it. ``control``: a
    control of the page holds its value. ``null``: an emptied control sends null, which is no default. ``per_question``:
    the script sets it anew for each question, and it is no part of a state that lasts.
    """

    check: Check
    keys: tuple[str, ...] = ()
    write: Write | None = None
    read: Read | None = None
    from_json: FromJson | None = None
    views: tuple[str, ...] = ()
    control: bool = False
    null: bool = False
    per_question: bool = False

    def concerns(self, view: Any) -> bool:
        """Whether a view has this field."""
        return not self.views or view in self.views


class Missing:
    """The default of a field that has none."""


def stated(check: Check, default: Any = Missing, *, key: str = "", by_name: bool = True, **options: Any) -> Any:
    """A dataclass field of the state: its check, its default and, with a ``key``, its place in the address.

    Fields with a default are given to the constructor ``by_name`` alone, so that their order is free to be the
    address's.
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
    """No check: the value is made or looked at elsewhere."""


def boolean(value: Any, _request: Any) -> None:
    """True or False."""
    if not isinstance(value, bool):
        raise malformed(f"Expected true or false; got {value!r:.40}.")


def one_of(name: str, known: Callable[[], Collection[str]]) -> Check:
    """One of the names that are known when it is asked."""

    def check(value: Any, _request: Any) -> None:
        if not isinstance(value, str) or value not in known():
            raise UserError("error.one_of", name=name, known=", ".join(known()))

    return check


def number(low: float, high: float, error: str, *, optional: bool = False, whole: bool = False) -> Check:
    """A number in a range, or with ``optional`` None; ``error`` is the text's key."""

    def check(value: Any, _request: Any) -> None:
        if optional and value is None:
            return
        if not (is_number(value) and low <= value <= high) or (whole and value != int(value)):
            raise UserError(error, least=low, most=high)

    return check


def number_in_address(key: str, *, whole: bool = False, none: str = "") -> dict[str, Any]:
    """Write a number into the address; None is the word ``none``, or absent."""

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
    """The shortest text that reads as this very number."""
    return repr(float(value)).removesuffix(".0")


def number_of(text: str | None) -> float | None:
    """The finite number that a text says, or None."""
    try:
        value = float(text or "")
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def is_number(value: object) -> bool:
    """A finite number that a float can hold, and no bool."""
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= sys.float_info.max


def malformed(reason: str) -> UserError:
    """The error for a request that the page's own script does not send: in English, for whoever wrote the program."""
    return UserError("error.reason", reason=reason)
