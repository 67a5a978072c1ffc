"""Strict arguments, refused in sentences a caller can act on: here pydantic's errors end."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar, cast, get_args

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails, PydanticCustomError

from whichweights_schemas.errors import InvalidArgument
from whichweights_schemas.tools._common import ToolArguments
from whichweights_schemas.tools._forms import as_list

ArgumentsT = TypeVar("ArgumentsT", bound=ToolArguments)

_SHOWN_CHARACTERS = 60
_MOST_DIGITS_SHOWN = 20

_TWINS = (("model", "models"), ("models", "model"))


def parse_arguments(model: type[ArgumentsT], arguments: Mapping[str, Any]) -> ArgumentsT:
    """The arguments in canonical form.

    `model` is accepted for `models` and the other way round, and null for an argument that was
    not given. Raises InvalidArgument, which names the field, what it expects and the nearest valid
    name.
    """
    known = model.model_fields
    given = {name: arguments[name] for name in arguments if _says_something(name, arguments, known)}
    for name, twin in _TWINS:
        if name in given and name not in known and twin in known and twin not in given:
            given[twin] = given.pop(name)
    try:
        if "model" in given and "model" in known:
            given["model"] = _only_one(given["model"])
        return model.model_validate(given)
    except ValidationError as error:
        raise _translated(model, error.errors(include_url=False)) from None


def _says_something(name: str, given: Mapping[str, Any], known: Mapping[str, FieldInfo]) -> bool:
    """Hosts send null for what they leave out."""
    return given[name] is not None or (name not in known and name not in dict(_TWINS))


def _only_one(value: object) -> object:
    """The one entry of a list, also of a list as a JSON string."""
    try:
        entries = cast("Sequence[object]", as_list(value))
    except PydanticCustomError:  # a name in brackets
        return value
    if len(entries) == 1:
        return entries[0]
    raise InvalidArgument(
        f"model takes one model, not {len(entries)}", field="model", hint="make one call a model"
    )


def _translated(model: type[ToolArguments], errors: Sequence[ErrorDetails]) -> InvalidArgument:
    first = next((e for e in errors if e["type"] == "extra_forbidden"), errors[0])
    if first["type"] == "extra_forbidden":
        return _unknown_argument(model, first)
    path, hint = _path(first["loc"]), _hint(model, first["loc"])
    if first["type"] == "missing":
        return InvalidArgument(f"{path} is required", field=path, hint=hint)
    choices = _choices(first)
    near = _nearest(str(first["input"]), choices) if choices else ()
    return InvalidArgument(
        f"{path} {_expected(first)}{_got(first)}",
        field=path,
        hint=f"did you mean {near[0]}?" if near else hint,
        suggestions=near or choices,
    )


def _unknown_argument(model: type[ToolArguments], error: ErrorDetails) -> InvalidArgument:
    path = _path(error["loc"])
    owner = _shape_at(model, error["loc"][:-1])
    names = tuple(owner.model_fields)
    near = _nearest(str(error["loc"][-1]), names)
    return InvalidArgument(
        f"unknown argument {path}",
        field=path,
        hint=f"did you mean {near[0]}?" if near else f"known: {', '.join(names)}",
        suggestions=near,
    )


def _shape_at(model: type[BaseModel], location: Sequence[int | str]) -> type[BaseModel]:
    """The shape whose fields stand at a place of the arguments."""
    for part in location:
        field = model.model_fields.get(str(part))
        model = (_shape_in(field.annotation) if field else None) or model
    return model


def _shape_in(annotation: object) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for part in get_args(annotation) if (found := _shape_in(part))), None)


def _hint(model: type[ToolArguments], location: Sequence[int | str]) -> str:
    """What the nearest described field around the place says of itself."""
    for depth in range(len(location), 0, -1):
        owner = _shape_at(model, location[: depth - 1])
        field = owner.model_fields.get(str(location[depth - 1]))
        if field is not None and field.description:
            return field.description
    return f"arguments: {', '.join(model.model_fields)}"


def _path(location: Sequence[int | str]) -> str:
    """The place as the caller wrote it: without the names of alternatives, which hold a bracket."""
    parts = [str(part) for part in location if not set("([") & set(str(part))]
    return ".".join(map(_shorten, parts)) or "arguments"


def _shorten(text: str) -> str:
    """The beginning of a text in one printable line."""
    line = " ".join(text[: 4 * _SHOWN_CHARACTERS].split())
    line = "".join(character if character.isprintable() else "\ufffd" for character in line)
    if len(line) <= _SHOWN_CHARACTERS and len(text) <= 4 * _SHOWN_CHARACTERS:
        return line
    return f"{line[:_SHOWN_CHARACTERS]}…"


def _got(error: ErrorDetails) -> str:
    value = error["input"]
    if error["type"] == "form":
        return ""
    if isinstance(value, str):
        return f", not “{_shorten(value)}”"
    if isinstance(value, bool):
        return f", not {str(value).lower()}"
    if isinstance(value, int) and value.bit_length() > 3 * _MOST_DIGITS_SHOWN:
        return f", not a number of about {int(value.bit_length() * 0.30103) + 1} digits"
    return f", not {value!r}" if isinstance(value, int | float) else ""


_SENTENCES = {
    "greater_than_equal": "must be at least {ge}",
    "greater_than": "must be greater than {gt}",
    "less_than_equal": "must be at most {le}",
    "int_type": "expects a whole number",
    "int_parsing": "expects a whole number",
    "int_parsing_size": "expects a whole number of reasonable size",
    "float_type": "expects a number",
    "float_parsing": "expects a number",
    "finite_number": "expects a finite number",
    "string_type": "expects text",
    "string_unicode": "expects text without lone surrogates",
    "bool_type": "expects true or false",
    "bool_parsing": "expects true or false",
    "tuple_type": "expects a list",
    "list_type": "expects a list",
    "dict_type": "expects an object",
    "model_type": "expects an object",
    "model_attributes_type": "expects an object",
    "too_long": "takes at most {max_length} entries",
    "string_too_long": "is longer than {max_length} characters",
    "literal_error": "must be one of {expected}",
}


def _expected(error: ErrorDetails) -> str:
    if error["type"] == "form":
        return error["msg"]
    if error["type"] == "too_short":
        return "must not be empty"
    sentence = _SENTENCES.get(error["type"], "has a form that is not accepted")
    return sentence.format(**error.get("ctx", {})).replace(" or '", ", '").replace("'", "")


def _choices(error: ErrorDetails) -> tuple[str, ...]:
    if error["type"] != "literal_error":
        return ()
    expected = str(error.get("ctx", {}).get("expected", ""))
    return tuple(part.strip(" '") for part in expected.replace(" or ", ", ").split(","))


def _nearest(name: str, names: Sequence[str]) -> tuple[str, ...]:
    return tuple(difflib.get_close_matches(name[:80].lower(), names, n=3, cutoff=0.5))
