"""What the documents list of the product is made from the product.

A part stands between `<!-- generated: NAME -->` and `<!-- end -->`; `pytest tests/docs --update`
writes it anew.
"""

import re
import tomllib
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any, cast

import pytest
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from whichweights.cli._exits import status_of
from whichweights.tool_schemas import input_schema
from whichweights.tools import tool_specs
from whichweights.tools._spec import AnyToolSpec
from whichweights_schemas import errors
from whichweights_schemas.providers import Provider
from whichweights_schemas.tools._common import ToolResult

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])
_PART = re.compile(r"<!-- generated: ([\w ]+) -->\n(.*?)<!-- end -->", re.DOTALL)
ENOUGH = 60
"""Characters; "Will this model fit?" alone says too little."""
_COMMON = set(ToolResult.model_fields)


def table(*rows: tuple[str, ...]) -> str:
    """A table whose first row is the head."""
    lines = ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows]
    return "\n".join([lines[0], "|---" * len(rows[0]) + "|", *lines[1:]]) + "\n"


def tools() -> str:
    """Every tool, what must be given, and what it answers."""
    rows = [
        (code(spec.name), ", ".join(map(code, required(spec.name))) or "nothing", in_brief(spec))
        for spec in tool_specs().values()
    ]
    return table(("tool", "must be given", "what it answers"), *rows)


def in_brief(spec: AnyToolSpec) -> str:
    """The first sentences of what a model is told, until they say something."""
    said = ""
    for sentence in re.split(r"(?<=[.?]) ", spec.description):
        said = f"{said} {sentence}".strip()
        if len(said) > ENOUGH:
            break
    return said


def code(text: object) -> str:
    return f"`{text}`"


def required(tool: str) -> list[str]:
    return input_schema(tool_specs()[tool]).get("required", [])


def arguments(tool: str) -> str:
    """The arguments of a tool with defaults and choices, as `tools/list` gives them."""
    spec = tool_specs()[tool]
    rows: list[tuple[str, ...]] = []
    for name, prop in input_schema(spec)["properties"].items():
        default = spec.arguments.model_fields[name].default
        shown = "required" if name in required(tool) else default_of(default)
        rows.append((code(name), shown, meaning(prop)))
    return table(("argument", "default", "what it is"), *rows)


def default_of(default: object) -> str:
    if default is None or default == () or isinstance(default, BaseModel):
        return ""
    if isinstance(default, tuple):
        return code(", ".join(str(entry) for entry in cast("tuple[object, ...]", default)))
    return code(default)


def meaning(prop: dict[str, Any]) -> str:
    """The description and what may be given."""
    if prop["type"] == "object":  # the slim schema describes it by its keys
        return "keys: " + ", ".join(map(code, prop["description"].split()))
    parts = [str(prop["description"])] if "description" in prop else []
    choices = prop.get("enum") or prop.get("items", {}).get("enum")
    if choices:
        parts.append(", ".join(code(value) for value in choices))
    kind = str(prop["type"])
    return ". ".join(parts) or {"array": "list", "integer": "whole number"}.get(kind, kind)


def result(tool: str) -> str:
    """The fields of an answer with the fields of their rows."""
    schema = tool_specs()[tool].result.model_json_schema(mode="serialization")
    rows = [
        (code(name), fields_of(prop, schema["$defs"]))
        for name, prop in schema["properties"].items()
        if name not in _COMMON
    ]
    return table(("field", "holds"), *rows)


def fields_of(prop: dict[str, Any], shapes: dict[str, Any]) -> str:
    """The names below a field; the choices or the type of a plain one."""
    branches = [b for b in prop.get("anyOf", [prop]) if b.get("type") != "null"]
    inner = branches[0].get("items", branches[0])
    shape = shapes.get(str(inner.get("$ref", "")).rpartition("/")[2], inner)
    if "properties" in shape:
        names = ", ".join(code(name) for name in shape["properties"])
        return f"rows: {names}" if "items" in branches[0] else names
    if "enum" in shape:
        return ", ".join(code(value) for value in shape["enum"])
    kind = {"array": "list", "object": "names and values"}.get(branches[0].get("type", ""), "")
    return str(prop.get("description") or kind or branches[0].get("type", "value"))


def error_codes() -> str:
    """Every error code, what it means and the exit status of the command line."""
    rows = [
        (code(error.code), first_line(error), str(status_of(error.code)))
        for branch in (errors.CallerError, errors.OperatorError, errors.UpstreamError)
        for error in branch.__subclasses__()
        if error.__module__ == errors.__name__
    ]
    return table(("code", "meaning", "exit status"), *rows)


def first_line(thing: type) -> str:
    return (thing.__doc__ or "").partition("\n")[0]


def provider_classes() -> str:
    """Every entry-point group with its base class and what it must answer."""
    rows = [
        (
            code(f"whichweights.{kind.kind}"),
            code(kind.__name__),
            must_write(kind),
            first_line(kind),
        )
        for kind in cast("list[type[Provider[Any]]]", Provider.__subclasses__())
        if kind.__module__ == Provider.__module__
    ]
    return table(("group", "base class", "methods you must write", "what it is for"), *rows)


def must_write(kind: type[Provider[Any]]) -> str:
    return ", ".join(map(code, sorted(kind.__abstractmethods__))) or "none: all have a default"


def provider_settings() -> str:
    """What each built-in provider can be told; settings that share a sentence share a row."""
    rows: dict[tuple[str, str], dict[str, str]] = {}
    for provider, model in settings_models():
        for name, field in model.model_fields.items():
            said = field.description or first_line(model)
            rows.setdefault((provider, said), {})[code(name)] = shown_default(field)
    lines = [
        (code(provider), ", ".join(named), ", ".join(filter(None, named.values())), said)
        for (provider, said), named in rows.items()
    ]
    return table(("provider", "setting", "default", "what it is"), *lines)


def settings_models() -> Iterator[tuple[str, type[BaseModel]]]:
    """Name and settings model of every built-in provider, kind by kind."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    for group, providers in project["entry-points"].items():
        if group.startswith("whichweights."):
            for provider, target in providers.items():
                module, _, name = target.partition(":")
                yield provider, getattr(import_module(module), name).settings_model


def shown_default(field: FieldInfo) -> str:
    """A default as the configuration file would say it; nothing for an empty one."""
    default = field.get_default(call_default_factory=True)
    if isinstance(default, bool):
        return code(str(default).lower())
    if isinstance(default, float):
        return code(f"{default:g}")
    return "" if default in (None, (), {}) else default_of(default)


PARTS: dict[str, Callable[[], str]] = {
    "tools": tools,
    "error codes": error_codes,
    "provider classes": provider_classes,
    "provider settings": provider_settings,
    **{f"arguments of {name}": lambda name=name: arguments(name) for name in tool_specs()},
    **{f"result of {name}": lambda name=name: result(name) for name in tool_specs()},
}


def parts_of(document: Path) -> Iterator[tuple[str, str]]:
    for part in _PART.finditer(document.read_text(encoding="utf-8")):
        yield part[1], part[2]


FOUND = [(document, name) for document in DOCUMENTS for name, _ in parts_of(document)]


@pytest.mark.parametrize(("document", "name"), FOUND, ids=lambda value: str(value))
def test_a_generated_part_is_what_the_product_says(
    document: Path, name: str, request: pytest.FixtureRequest
):
    made = PARTS[name]()
    if request.config.getoption("update"):
        source = document.read_text(encoding="utf-8")
        head = f"<!-- generated: {name} -->\n"
        before, rest = source.split(head)
        after = rest[rest.index("<!-- end -->") :]
        document.write_text(before + head + made + after, encoding="utf-8")
        return
    assert dict(parts_of(document))[name] == made


def test_every_part_that_can_be_made_stands_in_some_document():
    assert {name for _, name in FOUND} == set(PARTS)
