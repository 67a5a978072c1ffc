"""Says in one line what somebody else's exception or input is about."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from pydantic import ValidationError

from whichweights_schemas.errors import WhichweightsError

_LONGEST = 300


def one_line(text: str) -> str:
    """The text without line breaks, cut at 300 characters."""
    line = " ".join(text.split())
    return line if len(line) <= _LONGEST else line[: _LONGEST - 1] + "…"


def reason_of(error: BaseException) -> str:
    """What an exception says, with its type unless the error is one of ours."""
    if isinstance(error, WhichweightsError):
        return one_line(error.message)
    return one_line(f"{type(error).__name__}: {error}".removesuffix(": "))


def nearest(word: str, known: Iterable[str]) -> str:
    """` (did you mean X?)` for the known word most like this one, else nothing."""
    matches = difflib.get_close_matches(word, list(known), n=1)
    return f" (did you mean {matches[0]}?)" if matches else ""


def first_problem(error: ValidationError, known: Iterable[str] = ()) -> str:
    """The first complaint of pydantic as `place: message`, and how many more there are."""
    problems = error.errors(include_url=False, include_context=False)
    first = problems[0]
    place = ".".join(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        message = f"unknown key{nearest(str(first['loc'][-1]), known)}"
    elif first["type"] == "missing":
        message = "required, and missing"
    else:
        message = first["msg"]  # never the value itself: it may be a secret
    more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
    return f"{place}: {message}{more}".removeprefix(": ")
