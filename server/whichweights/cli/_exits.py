"""Exit statuses, and the one line that goes with each."""

from __future__ import annotations

import sys
from typing import Final

from whichweights_schemas.errors import (
    CallerError,
    OperatorError,
    UpstreamError,
    WhichweightsError,
)

OK: Final = 0
CALLER: Final = 1
USAGE: Final = 2
OPERATOR: Final = 3
UPSTREAM: Final = 4
DEFECT: Final = 5
INTERRUPTED: Final = 130

_ADDRESSEES: tuple[tuple[type[WhichweightsError], int], ...] = (
    (CallerError, CALLER),
    (OperatorError, OPERATOR),
    (UpstreamError, UPSTREAM),
)


def status_of(code: object) -> int:
    """The exit status for an error code of the contract; a code outside it is a defect."""
    for addressee, status in _ADDRESSEES:
        if any(error.code == code for error in addressee.__subclasses__()):
            return status
    return DEFECT


def complain(line: str) -> None:
    """One line on stderr."""
    sys.stderr.write(f"whichweights: {' '.join(line.split())}\n")


def report(error: WhichweightsError) -> int:
    """Say on one line what went wrong and what would help; the exit status."""
    complain(f"{error.message}. {error.hint}".rstrip(". "))
    return OPERATOR if isinstance(error, OperatorError) else status_of(error.code)
