"""Which errors a visitor is told: mistakes of a user in their words, all others by a number that the log has too."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Iterator
from contextlib import contextmanager

from mixviz.i18n import UserError

log = logging.getLogger("mixviz")


@contextmanager
def as_user_error(*kinds: type[Exception]) -> Iterator[None]:
    """Pass on what the core says of a visitor's value, by default in a ValueError, as a UserError.

    Only for calls that check such values: elsewhere the same exceptions are bugs, which belong in the log.
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
    """Log every error that is not a UserError, and raise one in its place that tells the entry's number alone."""
    try:
        yield
    except UserError:
        raise
    except Exception as error:
        number = f"{secrets.randbelow(10**6):06d}"
        log.exception("Error %s", number)
        raise UserError("error.internal", number=number) from error
