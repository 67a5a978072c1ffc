"""The JSON Schemas of a tool: full ones for files and the resource, slim ones for tools/list."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any, cast

from pydantic import BaseModel

from whichweights.tools._spec import AnyToolSpec

Schema = dict[str, Any]

DIALECT = "https://json-schema.org/draft/2020-12/schema"

_DROPPED = frozenset({"title", "discriminator"})
_SLIM_DROPPED = frozenset({"maxItems", "minItems", "exclusiveMinimum", "maximum", "maxLength"})


def input_schema(spec: AnyToolSpec) -> Schema:
    """The slim schema of the arguments: no titles, no references, `options` as named keys."""
    return _slim_input(spec.arguments)


def output_schema(spec: AnyToolSpec, *, slim: bool = True) -> Schema:
    """The schema of the result; slim: nested rows as open objects."""
    return _slim_output(spec.result) if slim else _full(spec.result, "serialization")


def full_schemas(spec: AnyToolSpec) -> Schema:
    """Everything there is to know of a tool's shapes, as published."""
    return {
        "name": spec.name,
        "title": spec.title,
        "description": spec.description,
        "input": _full(spec.arguments, "validation"),
        "output": _full(spec.result, "serialization"),
    }


@cache
def _full(model: type[BaseModel], mode: Any) -> Schema:
    schema = _without_titles(model.model_json_schema(mode=mode))
    return {"$schema": DIALECT, **schema}


@cache
def _slim_input(model: type[BaseModel]) -> Schema:
    schema = model.model_json_schema(mode="validation")
    definitions = schema.get("$defs", {})
    properties = {
        name: _slim_property(name, prop, definitions) for name, prop in schema["properties"].items()
    }
    slim: Schema = {"type": "object", "properties": properties, "additionalProperties": False}
    if schema.get("required"):
        slim["required"] = schema["required"]
    return slim


def _slim_property(name: str, prop: Schema, definitions: Mapping[str, Schema]) -> Schema:
    inlined = _inlined(prop, definitions)
    if name == "options":
        # The names alone: as `properties` or `propertyNames` they would cost twice the tokens.
        return {"type": "object", "description": " ".join(inlined.get("properties", {}))}
    if inlined.get("type") == "array" and inlined.get("items", {}).get("type") == "object":
        inlined["items"] = {"type": "object"}
    return {
        key: value
        for key, value in inlined.items()
        if key not in _SLIM_DROPPED and not (key == "default" and value in (None, [], {}, ""))
    }


def _inlined(prop: Any, definitions: Mapping[str, Schema]) -> Schema:
    """The property without references, titles and the null branch of an optional."""
    if "$ref" in prop:
        target = definitions[prop["$ref"].rsplit("/", 1)[-1]]
        prop = {**target, **{key: value for key, value in prop.items() if key != "$ref"}}
    branches = [branch for branch in prop.get("anyOf", ()) if branch.get("type") != "null"]
    if branches and all("enum" in b or "const" in b for b in branches):
        values = [v for b in branches for v in b.get("enum", [b.get("const")])]
        branches = [{"type": "string", "enum": values}]
    if len(branches) == 1:
        rest = {key: value for key, value in prop.items() if key != "anyOf"}
        prop = {**_inlined(branches[0], definitions), **rest}
    slim = cast("Schema", _without_titles(prop))
    if "items" in slim:
        slim["items"] = _inlined(slim["items"], definitions)
        slim["items"].pop("description", None)
        for key in _SLIM_DROPPED:
            slim["items"].pop(key, None)
    return slim


@cache
def _slim_output(model: type[BaseModel]) -> Schema:
    schema = model.model_json_schema(mode="serialization")
    definitions = schema.get("$defs", {})
    properties = {
        name: _open(_inlined(prop, definitions), optional=_optional(prop))
        for name, prop in schema["properties"].items()
    }
    return {"type": "object", "properties": properties}


def _optional(prop: Schema) -> bool:
    return any(branch.get("type") == "null" for branch in prop.get("anyOf", ()))


def _open(prop: Schema, *, optional: bool) -> Schema:
    kind = prop.get("type")
    if kind is None:
        return {}
    slim: Schema = {"type": kind}
    if kind == "array":
        slim["items"] = {"type": prop.get("items", {}).get("type", "object")}
    if "enum" in prop:
        slim["enum"] = prop["enum"]
    # Two branches, not a list of types: some clients' dialects know no such list.
    return {"anyOf": [slim, {"type": "null"}]} if optional else slim


def _without_titles(node: Any) -> Any:
    if isinstance(node, list):
        return [_without_titles(item) for item in cast("list[Any]", node)]
    if not isinstance(node, dict):
        return node
    mapping = cast("dict[str, Any]", node)
    if "properties" in mapping and isinstance(mapping["properties"], dict):
        named = cast("dict[str, Any]", mapping["properties"])
        properties = {key: _without_titles(value) for key, value in named.items()}
        rest = {key: value for key, value in mapping.items() if key != "properties"}
        return {**_without_titles(rest), "properties": properties}
    return {key: _without_titles(value) for key, value in mapping.items() if key not in _DROPPED}
