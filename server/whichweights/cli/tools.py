"""`whichweights tools`: what can be asked, and with which arguments."""

from __future__ import annotations

import difflib
import json
from typing import Any, cast

from pydantic import BaseModel
from rich.console import Console
from rich.table import Table
from rich.text import Text

from whichweights.cli import _exits
from whichweights.tool_schemas import input_schema
from whichweights.tools import tool_specs
from whichweights.tools._spec import AnyToolSpec


def show_tools(tool: str | None, *, as_json: bool) -> int:
    """Print the tools, or the arguments of one; the exit status."""
    specs = tool_specs()
    if tool is None:
        return _show_all(list(specs.values()), as_json=as_json)
    if tool not in specs:
        near = difflib.get_close_matches(tool[:80], specs, n=1, cutoff=0.4)
        hint = f"did you mean {near[0]}?" if near else f"known: {', '.join(specs)}"
        _exits.complain(f"no tool {tool[:60]!r}; {hint}")
        return _exits.USAGE
    return _show_one(specs[tool], as_json=as_json)


def _show_all(specs: list[AnyToolSpec], *, as_json: bool) -> int:
    if as_json:
        print(json.dumps([_described(spec) for spec in specs], ensure_ascii=False, indent=2))
        return _exits.OK
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("tool", style="cyan", no_wrap=True)
    table.add_column("must be given", no_wrap=True)
    table.add_column("what it answers")
    for spec in specs:
        required = ", ".join(input_schema(spec).get("required", ()))
        table.add_row(spec.name, required or "-", Text(spec.description))
    Console().print(table)
    return _exits.OK


def _show_one(spec: AnyToolSpec, *, as_json: bool) -> int:
    if as_json:
        print(json.dumps(_described(spec), ensure_ascii=False, indent=2))
        return _exits.OK
    schema = input_schema(spec)
    required = schema.get("required", ())
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("argument", style="cyan", no_wrap=True)
    table.add_column("default", overflow="fold")
    table.add_column("what it is")
    for name, prop in schema["properties"].items():
        default = "(required)" if name in required else _default(spec, name)
        table.add_row(name, Text(default), Text(_meaning(prop)))
    console = Console()
    console.print(Text(spec.description))
    console.print()
    console.print(table)
    console.print(Text(f"\nwhichweights call {spec.name} key=value … [--json]"))
    return _exits.OK


def _described(spec: AnyToolSpec) -> dict[str, Any]:
    return {
        "name": spec.name,
        "title": spec.title,
        "description": spec.description,
        "inputSchema": input_schema(spec),
    }


def _default(spec: AnyToolSpec, name: str) -> str:
    default = spec.arguments.model_fields[name].default
    if default is None or default == () or isinstance(default, BaseModel):
        return "-"
    if isinstance(default, tuple):
        return ", ".join(str(entry) for entry in cast("tuple[object, ...]", default))
    return str(default)


def _meaning(prop: dict[str, Any]) -> str:
    parts = [str(prop.get("description", ""))]
    if "enum" in prop:
        parts.append("one of " + ", ".join(str(value) for value in prop["enum"]))
    if "properties" in prop:
        parts.append("keys: " + ", ".join(prop["properties"]))
    return ". ".join(part for part in parts if part)
