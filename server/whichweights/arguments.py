"""Strict arguments with sentences a caller can act on: the one place where pydantic's errors end."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from whichweights_schemas.errors import InvalidArgument
from whichweights_schemas.tools._common import ToolArguments

ArgumentsT = TypeVar("ArgumentsT", bound=ToolArguments)

_SHOWN_CHARACTERS = 60


def parse_arguments(model: type[ArgumentsT], arguments: Mapping[str, Any]) -> ArgumentsT:
    """The arguments in canonical form.

    `model` is accepted for `models` and the other way round. Raises InvalidArgument, which names
    the field, what it expects and the nearest valid name.
    """
    given = dict(arguments)
    for name, twin in (("model", "models"), ("models", "model")):
        if name in given and name not in model.model_fields and twin in model.model_fields:
            given.setdefault(twin, given.pop(name))
    if isinstance(given.get("model"), list | tuple) and len(given["model"]) == 1:
        given["model"] = given["model"][0]
    try:
        return model.model_validate(given)
    except ValidationError as error:
        raise _translated(model, error.errors(include_url=False)) from None


def _translated(model: type[ToolArguments], errors: Sequence[ErrorDetails]) -> InvalidArgument:
    first = next((e for e in errors if e["type"] == "extra_forbidden"), errors[0])
    path = _path(first["loc"])
    if first["type"] == "extra_forbidden":
        return _unknown_argument(model, first)
    if first["type"] == "missing":
        return InvalidArgument(
            f"{path} is required", field=path, hint=_describe(model, first["loc"])
        )
    expected = _expected(first)
    choices = _choices(first)
    near = _nearest(str(first["input"]), choices) if choices else ()
    return InvalidArgument(
        f"{path} {expected}{_got(first)}",
        field=path,
        hint=_describe(model, first["loc"]),
        suggestions=near or choices,
    )


def _unknown_argument(model: type[ToolArguments], error: ErrorDetails) -> InvalidArgument:
    path = _path(error["loc"])
    names = _names_at(model, error["loc"][:-1])
    near = _nearest(str(error["loc"][-1]), names)
    return InvalidArgument(
        f"unknown argument {path}",
        field=path,
        hint=f"did you mean {near[0]}?" if near else f"known: {', '.join(names)}",
        suggestions=near,
    )


def _names_at(model: type[Any], location: Sequence[int | str]) -> tuple[str, ...]:
    if location and location[0] == "options":
        options = model.model_fields["options"].annotation
        if hasattr(options, "model_fields"):
            return tuple(options.model_fields)
    return tuple(model.model_fields)


def _path(location: Sequence[int | str]) -> str:
    shown = [_shorten(str(part)) for part in location if not _is_branch(part)]
    return ".".join(shown) or "arguments"


def _is_branch(part: int | str) -> bool:
    return isinstance(part, str) and ("[" in part or "-" in part and "(" in part)


def _shorten(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= _SHOWN_CHARACTERS else f"{text[:_SHOWN_CHARACTERS]}…"


def _got(error: ErrorDetails) -> str:
    value = error["input"]
    if error["type"] == "form" or not isinstance(value, str | int | float | bool):
        return ""
    shown = _shorten(value.encode("utf-8", "replace").decode()) if isinstance(value, str) else value
    return f", not {shown!r}"


_SENTENCES = {
    "greater_than_equal": "must be at least {ge}",
    "greater_than": "must be greater than {gt}",
    "less_than_equal": "must be at most {le}",
    "int_type": "expects a whole number",
    "int_parsing": "expects a whole number",
    "float_type": "expects a number",
    "float_parsing": "expects a number",
    "finite_number": "expects a finite number",
    "string_type": "expects text",
    "bool_type": "expects true or false",
    "bool_parsing": "expects true or false",
    "tuple_type": "expects a list",
    "list_type": "expects a list",
    "dict_type": "expects an object",
    "model_type": "expects an object",
    "model_attributes_type": "expects an object",
    "too_short": "needs at least {min_length} entries",
    "too_long": "takes at most {max_length} entries",
    "string_too_long": "is longer than {max_length} characters",
    "literal_error": "must be one of {expected}",
}


def _expected(error: ErrorDetails) -> str:
    sentence = _SENTENCES.get(error["type"])
    if sentence is None:
        return error["msg"] if error["type"] == "form" else "has a form that is not accepted"
    return sentence.format(**error.get("ctx", {})).replace(" or '", ", '").replace("'", "")


def _choices(error: ErrorDetails) -> tuple[str, ...]:
    if error["type"] != "literal_error":
        return ()
    expected = str(error.get("ctx", {}).get("expected", ""))
    return tuple(part.strip(" '") for part in expected.replace(" or ", ", ").split(","))


def _nearest(name: str, names: Sequence[str]) -> tuple[str, ...]:
    return tuple(difflib.get_close_matches(name[:80].lower(), names, n=3, cutoff=0.5))


def _describe(model: type[ToolArguments], location: Sequence[int | str]) -> str:
    field = model.model_fields.get(str(location[0])) if location else None
    return (field.description or "") if field else ""
