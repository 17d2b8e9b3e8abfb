"""Errors for visitors: a user's mistakes with their text, all other errors by the number of their log entry."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Iterator
from contextlib import contextmanager

from mixviz.i18n import UserError

log = logging.getLogger("mixviz")


@contextmanager
def as_user_error(*kinds: type[Exception]) -> Iterator[None]:
    """Turn the core's errors about a visitor's value, by default ValueError, into a UserError.

    Use it only around calls that check such values. Elsewhere the same exceptions are bugs and belong in the log.
    """
    expected = kinds or (ValueError,)
    try:
        yield
    except UserError:
        raise
    except expected as error:
        raise UserError("error.reason", reason=str(error)) from error


@contextmanager
def only_user_errors() -> Iterator[None]:
    """Log every error that is not a UserError, and raise a UserError with only the number of the log entry."""
    try:
        yield
    except UserError:
        raise
    except Exception as error:
        number = f"{secrets.randbelow(10**6):06d}"
        log.exception("Error %s", number)
        raise UserError("error.internal", number=number) from error
