"""The lossless forms an argument may take, and how each becomes canonical.

Accepted: a scalar where a list is expected, a list given as a JSON string, names separated by
commas where a list of names is expected, "8192" and 8192.0 for 8192, "32k" for 32,768 and "1m" for
1,048,576, any case of a named choice. Everything lossy ("1,5", which is 1.5 to half of the world)
is refused with a sentence that a caller can act on.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, cast

from pydantic import BeforeValidator, Field
from pydantic_core import PydanticCustomError

MAX_TOKENS = 100_000_000
MAX_NAME_CHARACTERS = 300

_LONGEST_COUNT = 40
_COUNT = re.compile(r"(-?\d+|\d{1,3}(?:[,_]\d{3})+)(?:\s*([km])i?)?", re.IGNORECASE)
_FACTOR = {"k": 1024, "m": 1024 * 1024}


def _refuse(sentence: str) -> PydanticCustomError:
    return PydanticCustomError("form", cast("Any", sentence.replace("{", "(").replace("}", ")")))


def whole_number(value: object) -> object:
    """An int from the lossless spellings of one; anything else is returned for pydantic to judge.

    Raises PydanticCustomError for booleans, fractions and text that is not a count.
    """
    if isinstance(value, bool):
        raise _refuse("expects a whole number, not a boolean")
    if isinstance(value, float):
        if not value.is_integer():
            raise _refuse(f"expects a whole number, not {value!r}")
        return int(value)
    if isinstance(value, str):
        text = value.strip()
        match = _COUNT.fullmatch(text) if len(text) <= _LONGEST_COUNT else None
        if match is None:
            raise _refuse('expects a whole number such as 8192 or "32k"')
        digits, unit = match.groups()
        return int(digits.replace(",", "").replace("_", "")) * _FACTOR.get((unit or "").lower(), 1)
    return value


def number(value: object) -> object:
    """A number as it is; pydantic would take true for 1. Raises PydanticCustomError."""
    if isinstance(value, bool):
        raise _refuse("expects a number, not a boolean")
    return value


def as_list(value: object) -> object:
    """A list from a scalar, or from a JSON list in a string."""
    if isinstance(value, str):
        text = value.strip()
        if text.startswith("[") and text.endswith("]"):
            try:
                return json.loads(text)
            except (ValueError, RecursionError):
                raise _refuse("looks like a JSON list and is none") from None
        return [value]
    if isinstance(value, Mapping) or not isinstance(value, Sequence):
        return [cast("object", value)]
    return cast("Sequence[object]", value)


def as_names(value: object) -> object:
    """A list of names from any form of a list, or from "de, sw, pt-BR". A path keeps its commas."""
    found = as_list(value)
    if (
        isinstance(value, str)
        and found == [value]
        and not value.strip().startswith(("/", ".", "~"))
    ):
        return value.split(",")
    return found


def as_mapping(value: object) -> object:
    """An object from a JSON object in a string."""
    if isinstance(value, str) and value.strip().startswith("{"):
        try:
            return json.loads(value)
        except (ValueError, RecursionError):
            raise _refuse("looks like a JSON object and is none") from None
    return value


def choice(**aliases: str) -> Callable[[object], object]:
    """A validator that folds case and the given aliases ("vLLM", "llama_cpp") of a named choice."""

    def fold(value: object) -> object:
        if not isinstance(value, str):
            return value
        folded = value.strip().lower()
        return aliases.get(re.sub(r"[^a-z0-9]", "", folded), folded.replace("-", "_"))

    return fold


def clean_name(value: object) -> object:
    """A name without surrounding blanks. Raises PydanticCustomError when nothing is left."""
    if not isinstance(value, str):
        return value
    name = value.strip()
    if not name:
        raise _refuse("must not be empty")
    if len(name) > MAX_NAME_CHARACTERS:
        raise _refuse(f"is longer than {MAX_NAME_CHARACTERS} characters")
    if any(unicodedata.category(character) in ("Cc", "Cs") for character in name):
        raise _refuse("holds control characters or lone surrogates")
    return name


Name = Annotated[str, BeforeValidator(clean_name)]
Names = Annotated[tuple[Name, ...], Field(min_length=1, max_length=16), BeforeValidator(as_names)]
NamesOrNone = Annotated[tuple[Name, ...], Field(max_length=64), BeforeValidator(as_names)]
Tokens = Annotated[int, Field(ge=1, le=MAX_TOKENS), BeforeValidator(whole_number)]
TokensOrZero = Annotated[int, Field(ge=0, le=MAX_TOKENS), BeforeValidator(whole_number)]
DailyTokens = Annotated[int, Field(ge=0, le=10**13), BeforeValidator(whole_number)]
Sequences = Annotated[int, Field(ge=1, le=100_000), BeforeValidator(whole_number)]
Limit = Annotated[int, Field(ge=1, le=20), BeforeValidator(whole_number)]
Count = Annotated[int, Field(ge=1, le=1_000_000), BeforeValidator(whole_number)]
Share = Annotated[float, Field(gt=0, le=1), BeforeValidator(number)]
Number = Annotated[float, BeforeValidator(number)]
